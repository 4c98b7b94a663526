"""The words of a quote that answer: a small network over the states of the encoder's tokens.

The encoder has read question and quote, each alone; one transformer layer reads them together and
says where the answer begins and ends (as DeFormer does, Cao et al. 2020). It only emphasises: what
is cited stays the whole sentence.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from index.encode import OnnxEncoder, Tokens
from index.errors import EncoderError
from index.types import Span
from qa.types import Citation, PolicyAnswer

MODEL = Path(__file__).parent / "span.onnx"
DESCRIPTION = Path(__file__).parent / "span.json"
LONGEST = 80
"""Tokens of an answer, at most."""


class SpanReader:
    """Finds answers in texts; made for one encoder, whose states it was trained on."""

    def __init__(self, encoder: OnnxEncoder, model: bytes) -> None:
        self._encoder = encoder
        self._model = model

    @classmethod
    def load(cls, encoder: OnnxEncoder) -> SpanReader | None:
        """Load the shipped network, or nothing if it was trained for another encoder.

        Raises EncoderError for a file that is not the one that was shipped.
        """
        description = json.loads(DESCRIPTION.read_bytes())
        if description["encoder"] != encoder.name:
            return None
        model = MODEL.read_bytes()
        if sha256(model).hexdigest() != description["sha256"]:
            raise EncoderError(
                f"the reader's file {MODEL.name!r} is not the one this version came with",
                hint="install policyqa again; the file was changed or damaged",
            )
        return cls(encoder, model)

    @cached_property
    def _session(self) -> Any:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        return onnxruntime.InferenceSession(
            self._model, options, providers=["CPUExecutionProvider"]
        )

    def find(self, question: str, texts: Sequence[str]) -> list[Span | None]:
        """Return, for each text, where the words that answer stand in it; None in one without words.

        A text is read as far as the encoder's window goes.
        """
        if not texts:
            return []
        asked, *read = self._encoder.encode_tokens([question, *texts])
        return [self._find(asked, tokens) for tokens in read]

    def _find(self, asked: Tokens, read: Tokens) -> Span | None:
        if len(read.spans) <= 2:  # nothing but the special tokens
            return None
        inputs = {"question": asked.states, "text": read.states}
        start, end = best_span(*self._session.run(["start", "end"], inputs))
        return Span(read.spans[start].start, read.spans[end].end)


def emphasised(
    reader: SpanReader, question: str, answers: Sequence[PolicyAnswer]
) -> tuple[PolicyAnswer, ...]:
    """Return the answers with the first quote of each emphasised where it answers.

    Only the first: it is the one that answers best, and each costs a run of the encoder.
    """
    firsts = [one.citations[0] for one in answers if one.citations]
    found = reader.find(question, [first.quote for first in firsts])
    marked = {
        first.marker: replace(first, emphasis=_within(first, span))
        for first, span in zip(firsts, found, strict=True)
    }
    return tuple(
        replace(one, citations=tuple(marked.get(c.marker, c) for c in one.citations))
        for one in answers
    )


def _within(citation: Citation, span: Span | None) -> Span | None:
    """Return a span of a quote as one of its policy's text; None if it is all of the quote."""
    if span is None or span.end - span.start >= len(citation.quote.strip(" .")):
        return None
    return Span(citation.start + span.start, citation.start + span.end)


def best_span(starts: NDArray[np.float32], ends: NDArray[np.float32]) -> tuple[int, int]:
    """Return the first and last token of the likeliest answer; ``[tokens]`` log-odds each.

    >>> best_span(np.array([9.0, 3.0, 0.0, 9.0]), np.array([9.0, 0.0, 1.0, 9.0]))
    (1, 2)
    """
    size = len(starts)
    # The special tokens at both ends are no answer, and neither is what ends before it begins.
    allowed = np.tril(np.triu(np.ones((size, size), dtype=bool)), LONGEST - 1)
    if size > 2:
        allowed[[0, -1], :] = allowed[:, [0, -1]] = False
    sums = np.where(allowed, starts[:, np.newaxis] + ends[np.newaxis, :], -np.inf)
    first, last = divmod(int(sums.argmax()), size)
    return first, last
