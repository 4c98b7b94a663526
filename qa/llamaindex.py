"""An assistant as a llama-index retriever and query engine; needs the extra ``llm``.

What they return is verified, and stays so: a node's text is its policy's ``text[start:end]``. No
language model is called but one that the assistant itself was given, and llama-index's global
``Settings``, which call a provider where nothing is given, are never read.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import asdict
from threading import Lock
from typing import Any
from weakref import WeakKeyDictionary

from index.errors import UsageError
from index.types import Policy
from qa.assistant import Assistant
from qa.render import answer_json
from qa.types import Citation, PolicyAnswer, SearchResult

try:
    from llama_index.core.base.base_query_engine import BaseQueryEngine
    from llama_index.core.base.response.schema import Response
    from llama_index.core.callbacks import CallbackManager
    from llama_index.core.prompts.mixin import PromptMixinType
    from llama_index.core.retrievers import BaseRetriever
    from llama_index.core.schema import (
        NodeRelationship,
        NodeWithScore,
        ObjectType,
        QueryBundle,
        RelatedNodeInfo,
        TextNode,
    )
except ImportError as error:
    raise UsageError(
        "the retriever and the query engine need llama-index, which is not installed",
        hint="pip install 'policyqa[llm]'",
    ) from error

# What a language model that is shown a node is told of its place.
_TOLD = ("policy", "title", "section", "source")
# An assistant answers one question at a time, whoever asks.
_TURNS: WeakKeyDictionary[Assistant, Lock] = WeakKeyDictionary()


class PolicyRetriever(BaseRetriever):
    """Finds the passages most likely to answer, best first, as ``Assistant.search`` does.

    A node's metadata are ``policy``, ``title``, ``section``, ``start``, ``end``, ``source`` and
    ``sha256``; its score is the reader's relevance, from 0 to 1. For a company that is not indexed
    nothing is found.
    """

    def __init__(
        self,
        assistant: Assistant,
        *,
        policies: Sequence[str] = (),
        top_k: int = 10,
        callback_manager: CallbackManager | None = None,
    ) -> None:
        """Search the given policies (ids or names), or those a question is about; ``top_k`` in all.

        Retrieving raises what ``Assistant.search`` does.
        """
        super().__init__(callback_manager=callback_manager)
        self._assistant = assistant
        self._policies = tuple(policies)
        self._top_k = top_k
        self._turn = _TURNS.setdefault(assistant, Lock())

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        with self._turn:
            results, policies = self._found(query_bundle.query_str)
        return [_passage(result, policies[result.policy]) for result in results]

    async def _aretrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        return await asyncio.to_thread(self._retrieve, query_bundle)

    def _found(self, question: str) -> tuple[tuple[SearchResult, ...], dict[str, Policy]]:
        """Return results and the policies they are from, both of one state of the index."""
        while True:
            policies = self._assistant.policies
            found = self._assistant.search(question, top_k=self._top_k, policies=self._policies)
            if self._assistant.policies is policies:
                return found.results, {policy.id: policy for policy in policies}


class PolicyQueryEngine(BaseQueryEngine):
    """Answers a question as ``Assistant.ask`` does; a tool for llama-index's routers and agents.

    The response is the answer's Markdown, with a marker for each quote; ``source_nodes`` are the
    verified citations in the order of their markers, each scored with its policy's ``p_stated``;
    ``metadata`` is what ``policyqa ask --json`` prints, the policies that do not state it included.
    A citation's metadata are ``marker``, ``quote``, ``start``, ``end``, ``section``, ``context``,
    ``source``, ``sha256``, ``policy``, ``title``, ``status`` and ``p_stated``.
    """

    def __init__(
        self,
        assistant: Assistant,
        *,
        policies: Sequence[str] = (),
        callback_manager: CallbackManager | None = None,
    ) -> None:
        """Ask the given policies (ids or names), or those a question is about.

        Querying raises what ``Assistant.ask`` does.
        """
        super().__init__(callback_manager)
        self._assistant = assistant
        self._policies = tuple(policies)
        self._turn = _TURNS.setdefault(assistant, Lock())

    def _query(self, query_bundle: QueryBundle) -> Response:
        with self._turn:
            answer = self._assistant.ask(query_bundle.query_str, policies=self._policies)
        cited = [_citation(one, citation) for one in answer.answers for citation in one.citations]
        rendered = answer_json(answer)
        return Response(rendered["text"], source_nodes=cited, metadata=rendered)

    async def _aquery(self, query_bundle: QueryBundle) -> Response:
        return await asyncio.to_thread(self._query, query_bundle)

    def _get_prompt_modules(self) -> PromptMixinType:
        return {}


def _passage(result: SearchResult, policy: Policy) -> NodeWithScore:
    place = {
        "policy": policy.id,
        "title": policy.title,
        "section": result.section,
        "start": result.start,
        "end": result.end,
        "source": policy.source_name,
        "sha256": policy.sha256,
    }
    return _node(result.text, place, result.score)


def _citation(one: PolicyAnswer, citation: Citation) -> NodeWithScore:
    """Return a citation as a node; its metadata are flat, as vector stores want them."""
    fields = asdict(citation).items()
    flat = {name: value for name, value in fields if isinstance(value, str | int)}
    of = {"policy": one.policy, "title": one.title, "status": one.status, "p_stated": one.p_stated}
    return _node(citation.quote, {**flat, **of}, one.p_stated)


def _node(text: str, place: dict[str, Any], score: float) -> NodeWithScore:
    node = TextNode(
        id_=f"{place['sha256']}:{place['start']}-{place['end']}",
        text=text,
        metadata=place,
        excluded_embed_metadata_keys=list(place),
        excluded_llm_metadata_keys=[key for key in place if key not in _TOLD],
        start_char_idx=place["start"],
        end_char_idx=place["end"],
        relationships={
            NodeRelationship.SOURCE: RelatedNodeInfo(
                node_id=place["policy"], node_type=ObjectType.DOCUMENT, hash=place["sha256"]
            )
        },
    )
    return NodeWithScore(node=node, score=score)
