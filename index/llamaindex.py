"""Our passages and our encoder as parts of a llama-index pipeline; needs the extra ``llm``.

llama-index looks for a node's text in its document and takes the first place it finds, which is
the wrong one for repeated text; and its global ``Settings`` calls a provider where nothing is
given. Here the passages' own offsets are kept, and the settings are never read.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from index.encode import Encoder, load_encoder
from index.errors import EncoderError, UsageError
from index.markup import readable
from index.passages import RULES, split
from index.types import Passage

try:
    from llama_index.core.base.embeddings.base import BaseEmbedding
    from llama_index.core.bridge.pydantic import Field, PrivateAttr
    from llama_index.core.node_parser import NodeParser
    from llama_index.core.node_parser.node_utils import default_id_func
    from llama_index.core.schema import (
        BaseNode,
        Document,
        MetadataMode,
        NodeRelationship,
        RelatedNodeInfo,
        TextNode,
    )
    from llama_index.core.utils import get_tqdm_iterable
except ImportError as error:
    raise UsageError(
        "the node parser needs llama-index, which is not installed",
        hint="pip install 'policyqa[llm]'",
    ) from error

_CONTEXT = "context"


class PolicyNodeParser(NodeParser):
    """Splits policies into passages: whole sentences that fit the encoder's window.

    A node's text is ``document.text[start:end]``; ``start`` and ``end`` (code points) are in its
    metadata and in ``start_char_idx`` and ``end_char_idx``. Its ``section`` is the path of titles
    it stands under. Its ``context`` is embedded with the text, and nothing else is: the document's
    other metadata would push the text out of the window. A node's id is the passage's, the same
    whenever the same document is split, unless ``id_func`` says otherwise.
    """

    encoder_name: str = Field(description="The encoder whose window the passages fit.")
    passage_rules: int = Field(description="The version of the rules they are made by.")
    _encoder: Encoder = PrivateAttr()

    def __init__(self, encoder: Encoder | None = None, **options: Any) -> None:
        """Take an encoder (the default one if None) and what any node parser takes.

        Raises EncoderError if the default encoder cannot be loaded, or if a parser that was made
        with another encoder is restored without it.
        """
        encoder = _loaded(encoder, options.get("encoder_name"))
        super().__init__(**{**options, "encoder_name": encoder.name, "passage_rules": RULES})
        self._encoder = encoder

    @classmethod
    def class_name(cls) -> str:
        """Return the name it is serialised under."""
        return "PolicyNodeParser"

    def _parse_nodes(
        self, nodes: Sequence[BaseNode], show_progress: bool = False, **_: Any
    ) -> list[BaseNode]:
        progress = get_tqdm_iterable(nodes, show_progress, "Parsing nodes")
        return [passage for document in progress for passage in self._passages(document)]

    def _passages(self, document: BaseNode) -> list[TextNode]:
        """Split one document. Raises UsageError for a part of one: its offsets would mislead."""
        if document.source_node:
            raise UsageError(
                f"the node {document.node_id!r} is a part of a document",
                hint="put PolicyNodeParser first: it splits whole documents",
            )
        text = document.get_content(metadata_mode=MetadataMode.NONE)
        encoder = self._encoder
        _, passages = split(document.node_id, text, window=encoder.window, count=encoder.count)
        source = document.as_related_node_info()
        return [
            self._node(passage, number, document, source) for number, passage in enumerate(passages)
        ]

    def _node(
        self, passage: Passage, number: int, document: BaseNode, source: RelatedNodeInfo
    ) -> TextNode:
        place = {"section": passage.section, "start": passage.start, "end": passage.end}
        others = {**document.metadata, **place}
        hidden = [*document.excluded_llm_metadata_keys, *place]
        is_ours = self.id_func is default_id_func
        return TextNode(
            id_=passage.id if is_ours else self.id_func(number, document),
            text=passage.text,
            metadata={**place, _CONTEXT: passage.context},
            # With these an embedding is given what the index's encoder is: context, then text.
            metadata_template="{value}",
            text_template="{metadata_str}\n{content}",
            excluded_embed_metadata_keys=[key for key in others if key != _CONTEXT],
            excluded_llm_metadata_keys=[key for key in hidden if key != _CONTEXT],
            relationships={NodeRelationship.SOURCE: source},
        )

    def _postprocess_parsed_nodes(
        self, nodes: list[BaseNode], parent_doc_map: dict[str, Document]
    ) -> list[BaseNode]:
        """Let llama-index relate the nodes to each other, and put their own offsets back."""
        for node in super()._postprocess_parsed_nodes(nodes, parent_doc_map):
            if isinstance(node, TextNode):
                node.start_char_idx = node.metadata["start"]
                node.end_char_idx = node.metadata["end"]
        return nodes


class PolicyEmbedding(BaseEmbedding):
    """Our encoder as an embedding: the vectors of length 1 that policyqa's own index holds.

    A text is embedded as it reads, without Markdown's marks.
    """

    _encoder: Encoder = PrivateAttr()

    def __init__(self, encoder: Encoder | None = None, **options: Any) -> None:
        """Take an encoder (the default one if None) and what any embedding takes.

        Raises EncoderError as ``PolicyNodeParser`` does.
        """
        encoder = _loaded(encoder, options.get("model_name"))
        super().__init__(**{**options, "model_name": encoder.name})
        self._encoder = encoder

    @classmethod
    def class_name(cls) -> str:
        """Return the name it is serialised under."""
        return "PolicyEmbedding"

    def _get_query_embedding(self, query: str) -> list[float]:
        vector: list[float] = self._encoder.encode_question(query).tolist()
        return vector

    async def _aget_query_embedding(self, query: str) -> list[float]:
        return await asyncio.to_thread(self._get_query_embedding, query)

    def _get_text_embedding(self, text: str) -> list[float]:
        return self._get_text_embeddings([text])[0]

    async def _aget_text_embedding(self, text: str) -> list[float]:
        return await asyncio.to_thread(self._get_text_embedding, text)

    def _get_text_embeddings(self, texts: list[str]) -> list[list[float]]:
        rows = self._encoder.encode_passages([readable(text) for text in texts])
        vectors: list[list[float]] = rows.tolist()
        return vectors

    async def _aget_text_embeddings(self, texts: list[str]) -> list[list[float]]:
        return await asyncio.to_thread(self._get_text_embeddings, texts)


def _loaded(encoder: Encoder | None, recorded: str | None) -> Encoder:
    encoder = encoder or load_encoder("default")
    if recorded not in (None, encoder.name):
        raise EncoderError(
            f"this was made with the encoder {recorded!r}, but is restored with {encoder.name!r}",
            hint="pass the encoder it was made with: encoder=index.encode.load_encoder(NAME)",
        )
    return encoder
