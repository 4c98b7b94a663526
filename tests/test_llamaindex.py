"""Our parts in a stock llama-index pipeline: with provider keys set, and no provider called."""

from __future__ import annotations

import asyncio
import pickle
import re
import runpy
import socket
import sys
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import uuid4

import chromadb
import numpy as np
import pytest
from fakes import DOCUMENTS, FakeEncoder
from hypothesis import given
from llama_index.core import Document, StorageContext, VectorStoreIndex
from llama_index.core import Settings as LlamaSettings
from llama_index.core.ingestion import IngestionPipeline
from llama_index.core.llms import CompletionResponse, CustomLLM, LLMMetadata, MockLLM
from llama_index.core.node_parser import NodeParser, SentenceSplitter
from llama_index.core.query_engine import RetrieverQueryEngine, RouterQueryEngine
from llama_index.core.schema import MetadataMode, NodeWithScore, TextNode
from llama_index.core.selectors import LLMMultiSelector, LLMSingleSelector
from llama_index.core.tools import QueryEngineTool
from llama_index.vector_stores.chroma import ChromaVectorStore

from index.encode import Encoder
from index.errors import EncoderError, UsageError
from index.home import Home
from index.llamaindex import PolicyEmbedding, PolicyNodeParser
from index.passages import encoded, split
from index.settings import Settings
from index.types import Policy
from qa.assistant import Assistant
from qa.llamaindex import PolicyQueryEngine, PolicyRetriever
from qa.render import answer_json
from qa.types import SearchResult, SearchResults

QUESTION = "how long is data retained?"
ROOT = Path(__file__).parent.parent


@pytest.fixture(autouse=True)
def _no_provider(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Tempt llama-index with keys, and see that it has made no client and asked for no address."""
    dialled: list[object] = []

    def dial(host: object, *_: Any, **__: Any) -> Any:
        dialled.append(host)
        raise OSError("the tests are offline")

    monkeypatch.setattr(socket, "getaddrinfo", dial)
    for provider in ("OPENAI", "ANTHROPIC", "COHERE", "MISTRAL"):
        monkeypatch.setenv(f"{provider}_API_KEY", "sk-" + "0" * 48)
    monkeypatch.setattr(LlamaSettings, "_llm", None)
    monkeypatch.setattr(LlamaSettings, "_embed_model", None)
    yield
    assert LlamaSettings._llm is None
    assert LlamaSettings._embed_model is None
    assert dialled == []


@pytest.fixture(scope="module")
def assistant(indexed_home: Path, encoder: Encoder) -> Iterator[Assistant]:
    """The assistant over the five policies, with the default encoder and the trained reader."""
    home = Home(Settings(home=indexed_home))
    home.__dict__["encoder"] = encoder
    yield Assistant(home)
    home.close()


@pytest.fixture
def documents(bundled: dict[str, str]) -> list[Document]:
    return [
        Document(text=text, id_=policy, metadata={"file_name": f"{policy}.txt"})
        for policy, text in bundled.items()
    ]


class ScriptedLLM(CustomLLM):
    """Says the same to every prompt."""

    reply: str

    @property
    def metadata(self) -> LLMMetadata:
        return LLMMetadata()

    def complete(self, *_: Any, **__: Any) -> CompletionResponse:
        return CompletionResponse(text=self.reply)

    def stream_complete(self, *_: Any, **__: Any) -> Any:
        raise NotImplementedError


def choosing(*tools: int) -> ScriptedLLM:
    """Return a model that chooses these of a router's tools, counted from 1."""
    choices = ", ".join(f'{{"choice": {tool}, "reason": "it fits"}}' for tool in tools)
    return ScriptedLLM(reply=f"[{choices}]")


def text_nodes(nodes: Sequence[Any]) -> list[TextNode]:
    assert all(isinstance(node, TextNode) for node in nodes)
    return list(nodes)


def assert_in_place(nodes: Sequence[TextNode], texts: dict[str, str]) -> None:
    for node in nodes:
        start, end = node.metadata["start"], node.metadata["end"]
        assert (node.start_char_idx, node.end_char_idx) == (start, end)
        assert texts[str(node.ref_doc_id)][start:end] == node.text


# --- node parser


def test_the_nodes_of_the_bundled_policies_are_their_passages(
    documents: list[Document], bundled: dict[str, str], encoder: Encoder
) -> None:
    nodes = text_nodes(PolicyNodeParser(encoder).get_nodes_from_documents(documents))
    assert_in_place(nodes, bundled)
    expected = [
        (policy, passage)
        for policy, text in bundled.items()
        for passage in split(policy, text, window=encoder.window, count=encoder.count)[1]
    ]
    assert [(n.ref_doc_id, n.node_id, n.start_char_idx, n.metadata["section"]) for n in nodes] == [
        (policy, passage.id, passage.start, passage.section) for policy, passage in expected
    ]
    assert len({node.node_id for node in nodes}) == len(nodes)


def test_a_node_for_repeated_text_stands_at_its_own_place(encoder: Encoder) -> None:
    long = "We may share your data with others and keep it. " * 12
    text = f"# Sharing\n\n{long}Contact us\n\n# Contact us\n\n{long}\n\n# Contact us\n\n{long}\n"
    document = Document(text=text, id_="acme")
    parser = PolicyNodeParser(encoder)
    nodes = text_nodes(parser.get_nodes_from_documents([document]))
    assert_in_place(nodes, {"acme": text})
    starts = [node.start_char_idx for node in nodes]
    assert starts == sorted(set(starts))
    assert len({node.text for node in nodes}) < len(nodes)
    NodeParser._postprocess_parsed_nodes(parser, nodes, {"acme": document})
    assert [node.start_char_idx for node in nodes] != starts  # which is why it is not left to it


@given(text=DOCUMENTS)
def test_any_text_is_split_in_place_and_embedded_as_the_index_does(text: str) -> None:
    encoder = FakeEncoder()
    nodes = text_nodes(PolicyNodeParser(encoder)([Document(text=text, id_="acme")]))
    assert_in_place(nodes, {"acme": text})
    PolicyEmbedding(encoder)(nodes)
    for node in nodes:
        words = encoded(node.metadata["context"], node.text)
        assert node.embedding == encoder.encode_question(words).tolist()
        assert encoder.count(words) <= encoder.window - 2


def test_nodes_and_vectors_are_those_of_our_own_index(
    assistant: Assistant, documents: list[Document], encoder: Encoder
) -> None:
    pipeline = IngestionPipeline(
        transformations=[PolicyNodeParser(encoder), PolicyEmbedding(encoder)]
    )
    nodes = {node.node_id: node for node in pipeline.run(documents=documents)}
    stored = {
        id_: one for policy in assistant.policies
        for id_, one in assistant.home.passages(policy).items()
    }  # fmt: skip
    assert nodes.keys() == stored.keys()
    for id_, one in stored.items():
        kept = np.array(nodes[id_].embedding, dtype=np.float16)  # as the catalog keeps it
        assert np.array_equal(kept.astype(np.float32), one.vector)


def test_only_the_context_is_embedded_with_the_text(encoder: Encoder) -> None:
    text = "# Cookies\n\nWe use the following:\n\n- session cookies, until you leave.\n"
    metadata = {"file_name": "acme.txt", "start": "overridden", "context": "too"}
    parser = PolicyNodeParser(encoder)
    (node,) = text_nodes(parser([Document(text=text, id_="acme", metadata=metadata)]))
    assert node.metadata == {
        "file_name": "acme.txt",
        "section": "Cookies",
        "start": 0,
        "end": len(text) - 1,
        "context": "",
    }
    assert node.get_content(MetadataMode.EMBED) == node.text
    assert "acme.txt" in node.get_content(MetadataMode.LLM)


def test_nodes_know_their_document_and_their_neighbours(
    documents: list[Document], encoder: Encoder
) -> None:
    nodes = PolicyNodeParser(encoder).get_nodes_from_documents(documents[:2])
    for before, after in pairwise(nodes):
        if before.ref_doc_id == after.ref_doc_id:
            assert before.next_node
            assert after.prev_node
            assert before.next_node.node_id == after.node_id
            assert after.prev_node.node_id == before.node_id
        else:
            assert before.next_node is after.prev_node is None


def test_a_part_of_a_document_is_refused(encoder: Encoder) -> None:
    parts = SentenceSplitter().get_nodes_from_documents(
        [Document(text="We keep data.", id_="acme")]
    )
    with pytest.raises(UsageError, match="part of a document") as refusal:
        PolicyNodeParser(encoder)(parts)
    assert "first" in refusal.value.hint


def test_ids_can_be_the_users_own(encoder: Encoder) -> None:
    parser = PolicyNodeParser(
        encoder, id_func=lambda number, document: f"{document.node_id}/{number}"
    )
    assert [n.node_id for n in parser([Document(text="We keep data.", id_="acme")])] == ["acme/0"]


def test_parts_can_be_sent_to_another_process() -> None:
    """The encoder that is at work cannot be, so the default one is loaded again there."""
    document = Document(text="We keep your data for 30 days.", id_="acme")
    parser, embedding = PolicyNodeParser(), PolicyEmbedding()
    nodes = embedding(parser([document]))
    parser, embedding = pickle.loads(pickle.dumps((parser, embedding)))
    assert embedding(parser([document])) == nodes


def test_an_embedding_is_not_restored_with_another_encoder() -> None:
    saved = PolicyEmbedding(FakeEncoder("other")).to_dict()
    with pytest.raises(EncoderError, match=r"'other'.*MiniLM"):
        PolicyEmbedding.from_dict(saved)


def test_a_pipelines_cache_tells_encoders_apart() -> None:
    document = Document(text="We keep your data for 30 days. " * 20, id_="acme")
    pipeline = IngestionPipeline(transformations=[PolicyNodeParser(FakeEncoder("a"))])
    wide = pipeline.run(documents=[document])
    pipeline.transformations = [PolicyNodeParser(FakeEncoder("b", window=32))]
    assert len(pipeline.run(documents=[document])) > len(wide)


# --- in a vector index


def chroma() -> StorageContext:
    collection = chromadb.EphemeralClient().create_collection(f"policies-{uuid4().hex}")
    return StorageContext.from_defaults(
        vector_store=ChromaVectorStore(chroma_collection=collection)
    )


@pytest.mark.parametrize("storage", [StorageContext.from_defaults, chroma])
def test_a_vector_index_returns_passages_in_their_place(
    storage: Any, documents: list[Document], bundled: dict[str, str], encoder: Encoder
) -> None:
    index = VectorStoreIndex.from_documents(
        documents,
        storage_context=storage(),
        transformations=[PolicyNodeParser(encoder)],
        embed_model=PolicyEmbedding(encoder),
    )
    retriever = index.as_retriever(similarity_top_k=5)
    found = retriever.retrieve(QUESTION)
    assert_in_place([one.node for one in found], bundled)
    assert any("retain" in one.text for one in found)
    again = asyncio.run(retriever.aretrieve(QUESTION))
    assert [one.node_id for one in again] == [one.node_id for one in found]


# --- retriever


def test_the_retriever_finds_what_search_finds(
    assistant: Assistant, bundled: dict[str, str]
) -> None:
    retriever = PolicyRetriever(assistant, top_k=7)
    found = retriever.retrieve(QUESTION)
    expected = assistant.search(QUESTION, top_k=7).results
    assert [(n.metadata["policy"], n.metadata["start"], n.score) for n in found] == [
        (result.policy, result.start, result.score) for result in expected
    ]
    assert len(found) == 7
    assert_in_place([one.node for one in found], bundled)
    for one in found:
        policy = assistant.policy(one.metadata["policy"])
        assert set(one.metadata) == {
            "policy", "title", "section", "start", "end", "source", "sha256"
        }  # fmt: skip
        assert one.metadata["title"] == policy.title
        assert (one.metadata["source"], one.metadata["sha256"]) == (
            policy.source_name,
            policy.sha256,
        )
    assert asyncio.run(retriever.aretrieve(QUESTION)) == found


def test_the_retriever_keeps_to_its_policies(assistant: Assistant) -> None:
    found = PolicyRetriever(assistant, policies=["webee", "WebEngage"]).retrieve(QUESTION)
    assert {one.metadata["policy"] for one in found} == {"webee", "webengage"}
    with pytest.raises(UsageError, match="nobody"):
        PolicyRetriever(assistant, policies=["nobody"]).retrieve(QUESTION)


def test_a_stock_query_engine_keeps_what_the_retriever_found(assistant: Assistant) -> None:
    retriever = PolicyRetriever(assistant, top_k=3)
    response = RetrieverQueryEngine.from_args(retriever, llm=MockLLM()).query(QUESTION)
    assert response.source_nodes == retriever.retrieve(QUESTION)
    for one in response.source_nodes:
        assert f"title: {one.metadata['title']}" in str(response)  # a mock says what it was told
        assert one.metadata["sha256"] not in str(response)


def test_results_and_policies_are_of_one_state_of_the_index() -> None:
    """Between the search and the look at the policies, another process changes one."""
    old, new = (
        (Policy("acme", "Acme", ("Acme",), (), text, text, None, ("acme.txt",)),)
        for text in ("We keep data.", "Now we keep data.")
    )

    class Changing:
        policies = old

        def search(self, question: str, **_: Any) -> SearchResults:
            text = self.policies[0].text
            self.policies = new
            result = SearchResult("acme", 0, len(text), text, "", 0.5, 1)
            return SearchResults(question, (result,), ())

    (found,) = PolicyRetriever(Changing()).retrieve(QUESTION)  # type: ignore[arg-type]
    assert (found.text, found.metadata["sha256"]) == (new[0].text, new[0].text)


# --- query engine


def assert_cited(nodes: Sequence[NodeWithScore], assistant: Assistant, *policies: str) -> None:
    """Assert that the nodes are the citations of an answer, whole and verified."""
    answer = assistant.ask(QUESTION, policies=policies)
    cited = [(one, citation) for one in answer.answers for citation in one.citations]
    assert cited
    assert len(nodes) == len(cited)
    for node, (one, citation) in zip(nodes, cited, strict=True):
        assert node.metadata == {
            "marker": citation.marker,
            "quote": citation.quote,
            "start": citation.start,
            "end": citation.end,
            "section": citation.section,
            "context": citation.context,
            "source": citation.source,
            "sha256": citation.sha256,
            "policy": one.policy,
            "title": one.title,
            "status": "stated",
            "p_stated": one.p_stated,
        }
        assert node.score == one.p_stated
        text = assistant.policy(one.policy).text
        assert text[node.metadata["start"] : node.metadata["end"]] == node.text == citation.quote
        assert node.node.ref_doc_id == one.policy


def test_the_query_engine_returns_the_answer_and_its_citations(assistant: Assistant) -> None:
    response = PolicyQueryEngine(assistant).query(QUESTION)
    assert_cited(response.source_nodes, assistant)
    expected = answer_json(assistant.ask(QUESTION))
    assert str(response) == expected["text"]
    assert {**(response.metadata or {}), "seconds": 0} == {**expected, "seconds": 0}
    for node in response.source_nodes:
        assert f"[{node.metadata['marker']}]" in str(response)


def test_what_is_not_stated_has_no_source(assistant: Assistant) -> None:
    response = PolicyQueryEngine(assistant, policies=["webee"]).query(QUESTION)
    assert response.source_nodes == []
    assert "does not state this" in str(response)
    assert response.metadata
    assert response.metadata["answers"][0]["nearest"]


def test_a_company_that_is_not_indexed_is_named(assistant: Assistant) -> None:
    response = PolicyQueryEngine(assistant).query("How long does Spotify keep my history?")
    assert response.source_nodes == []
    assert "No policy of Spotify is indexed" in str(response)


def test_a_question_that_cannot_be_asked_is_an_error(assistant: Assistant) -> None:
    with pytest.raises(UsageError, match="empty"):
        PolicyQueryEngine(assistant).query(" ")


def test_a_language_model_is_told_where_a_quote_stands_but_not_its_numbers(
    assistant: Assistant,
) -> None:
    node = PolicyQueryEngine(assistant, policies=["web1on1"]).query(QUESTION).source_nodes[0].node
    shown = node.get_content(MetadataMode.LLM)
    assert "policy: web1on1" in shown
    assert node.metadata["section"] in shown
    assert node.metadata["sha256"] not in shown
    assert node.get_content(MetadataMode.EMBED) == node.metadata["quote"]


def tools(assistant: Assistant, *policies: str) -> list[QueryEngineTool]:
    """Return a tool for each policy."""
    return [
        QueryEngineTool.from_defaults(
            PolicyQueryEngine(assistant, policies=[policy]),
            name=policy,
            description=f"Answers questions about the privacy policy of {policy}",
        )
        for policy in policies
    ]


def test_a_router_hands_the_citations_on_whole(assistant: Assistant) -> None:
    router = RouterQueryEngine(
        LLMSingleSelector.from_defaults(llm=choosing(2)),
        tools(assistant, "webee", "web1on1"),
        llm=MockLLM(),
    )
    for response in (router.query(QUESTION), asyncio.run(router.aquery(QUESTION))):
        assert_cited(response.source_nodes, assistant, "web1on1")
        assert response.metadata
        assert response.metadata["selector_result"].ind == 1
        assert response.metadata["policies"] == ["web1on1"]


def test_a_router_that_asks_several_keeps_the_citations_of_all(assistant: Assistant) -> None:
    router = RouterQueryEngine(
        LLMMultiSelector.from_defaults(llm=choosing(1, 2)),
        tools(assistant, "wecloudit", "web1on1"),
        llm=MockLLM(),
    )
    for ask in (router.query, lambda question: asyncio.run(router.aquery(question))):
        nodes = ask(QUESTION).source_nodes
        middle = next(n for n, one in enumerate(nodes) if one.metadata["policy"] == "web1on1")
        assert_cited(nodes[:middle], assistant, "wecloudit")
        assert_cited(nodes[middle:], assistant, "web1on1")


def test_one_assistant_serves_many_at_once(own_home: Path, encoder: Encoder) -> None:
    """The first to come opens the vectors, which it must do alone."""
    home = Home(Settings(home=own_home))
    home.__dict__["encoder"] = encoder
    assistant = Assistant(home)
    engine, retriever = PolicyQueryEngine(assistant), PolicyRetriever(assistant, top_k=3)

    async def all_at_once() -> list[Any]:
        asked = [engine.aquery(QUESTION) for _ in range(4)]
        return await asyncio.gather(*[retriever.aretrieve(QUESTION) for _ in range(4)], *asked)

    a, b, c, d, *answered = asyncio.run(all_at_once())
    assert a == b == c == d
    for response in answered:
        assert_cited(response.source_nodes, assistant)
    home.close()


# --- as a package


@pytest.mark.parametrize("module", ["index.llamaindex", "qa.llamaindex"])
def test_without_llama_index_the_error_says_what_to_install(
    module: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == "llama_index"]:
        monkeypatch.setitem(sys.modules, name, None)  # type: ignore[arg-type]
    monkeypatch.delitem(sys.modules, module)
    with pytest.raises(UsageError, match="llama-index, which is not installed") as missing:
        runpy.run_module(module)
    assert missing.value.hint == "pip install 'policyqa[llm]'"


def test_the_example_in_the_readme_runs(
    own_home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    section = (ROOT / "README.md").read_text().split("### llama-index\n")[1].split("\n## ")[0]
    monkeypatch.setenv("POLICYQA_HOME", str(own_home))
    monkeypatch.chdir(ROOT)
    names: dict[str, Any] = {}
    for block in re.findall(r"```python\n(.*?)```", section, re.DOTALL):
        exec(block, names)
    names["assistant"].close()
    assert "web1on1.txt" in capsys.readouterr().out
