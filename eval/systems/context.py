"""What a system is, and what it is given."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from eval.benchmarks import Benchmark, Case
from eval.responses import Prediction, Quoted, Response
from index.encode import Encoder
from index.types import Policy, Span
from qa.assistant import Assistant

System = Callable[[Case], Response]

MOST_RANKED = 10
MOST_FOUND = 64
"""Places a search returns, the most that LegalBench-RAG looks at."""


@dataclass(frozen=True, slots=True)
class Context:
    """What systems work with: the cases' set, and the assistant over its indexed policies.

    ``policies`` are by the set's own names. A set of passages to read has none that is indexed.
    """

    benchmark: Benchmark
    assistant: Assistant
    policies: Mapping[str, Policy]

    @property
    def encoder(self) -> Encoder:
        """The encoder that every system uses."""
        return self.assistant.home.encoder


def predicted(
    name: str, text: str, ranked: Sequence[Span], p_stated: float, cited: Sequence[Span]
) -> Prediction:
    """Return the prediction of a system whose quotes are cut from the policy's own text."""
    quoted = tuple(Quoted(*span, span.of(text)) for span in cited)
    words = " ".join(one.quote for one in quoted)
    return Prediction(name, p_stated, quoted, tuple(ranked), words)
