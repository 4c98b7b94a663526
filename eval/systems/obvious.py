"""The pipeline anyone would write first: llama-index over Chroma, all defaults."""

from __future__ import annotations

import time
from collections.abc import Iterable
from importlib.util import find_spec
from typing import TYPE_CHECKING
from uuid import uuid4

from eval.benchmarks import Case
from eval.responses import Found, Prediction, Quoted, Response
from eval.systems.context import MOST_FOUND, Context, System
from index.errors import UsageError
from index.types import Span

if TYPE_CHECKING:
    from llama_index.core import VectorStoreIndex


def obvious(context: Context) -> System:
    """Retrieve with llama-index over Chroma, all defaults, and the same encoder.

    It always answers: what it cites are the chunks that come back, at the offsets they claim.
    """
    if find_spec("llama_index") is None:
        raise UsageError(
            "the system 'obvious' needs llama-index, which is not installed",
            hint="run it in the development environment: make eval",
        )
    index = _obvious_index(context)
    benchmark = context.benchmark

    def answer(case: Case) -> Response:
        started = time.perf_counter()
        if benchmark.task == "search":
            found = tuple(found for found, _, _ in _chunks(index, case.question, None))
            return Response(case.id, time.perf_counter() - started, found=found)
        predictions = []
        for name in case.expect:
            chunks = list(_chunks(index, case.question, name))
            best = max((score for _, _, score in chunks), default=0.0)
            predictions.append(
                Prediction(
                    name,
                    0.5 + 0.5 * max(best, 0.0),
                    tuple(Quoted(*found.span, words) for found, words, _ in chunks),
                    tuple(found.span for found, _, _ in chunks),
                    " ".join(words for _, words, _ in chunks),
                )
            )
        return Response(case.id, time.perf_counter() - started, tuple(predictions))

    return answer


def _obvious_index(context: Context) -> VectorStoreIndex:
    import chromadb
    from llama_index.core import Document, StorageContext, VectorStoreIndex
    from llama_index.vector_stores.chroma import ChromaVectorStore

    from eval.speed.obvious import configure

    configure()
    documents = [
        Document(text=text, metadata={"policy": name}, excluded_embed_metadata_keys=["policy"])
        for name, text in context.benchmark.texts.items()
    ]
    collection = chromadb.EphemeralClient().create_collection(f"policies-{uuid4().hex}")
    storage = StorageContext.from_defaults(
        vector_store=ChromaVectorStore(chroma_collection=collection)
    )
    return VectorStoreIndex.from_documents(documents, storage_context=storage)


def _chunks(
    index: VectorStoreIndex, question: str, policy: str | None
) -> Iterable[tuple[Found, str, float]]:
    """Yield the chunks that come back: place, words and similarity."""
    from llama_index.core.schema import TextNode
    from llama_index.core.vector_stores import MetadataFilter, MetadataFilters

    only = MetadataFilters(filters=[MetadataFilter(key="policy", value=policy)])
    retriever = (
        index.as_retriever(filters=only)
        if policy
        else index.as_retriever(similarity_top_k=MOST_FOUND)
    )
    for found in retriever.retrieve(question):
        node = found.node
        assert isinstance(node, TextNode)  # noqa: S101  # the only kind that was put in
        span = Span(node.start_char_idx or 0, node.end_char_idx or 0)
        yield Found(str(node.metadata["policy"]), span), node.text, found.score or 0.0
