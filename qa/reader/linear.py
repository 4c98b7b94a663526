"""The first reader: weighted sums of what encoder and words say, trained once, run by numpy.

A sentence's score is a weighted sum of its features and of its *trained similarity* to the
question: the question's vector is moved by a low-rank map before the dot product, so that the
encoder's general likeness becomes "answers this". P(stated) is a logistic regression over a
summary of the scores, with a prior from the question alone (``MODEL_CARD.md`` says what that is
worth). Both are chosen on training data only; see ``eval/train``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from qa.reader.features import (
    FEATURES,
    Numbers,
    Sheet,
    relevance_features,
    sheet,
    summary_features,
)
from qa.reader.words import is_word
from qa.types import Candidate, Evidence, Question, Reading

WEIGHTS = Path(__file__).parent / "weights.npz"
_ANY_ENCODER = "any"
_SURE = 0.995
_STEEPEST = 500.0
"""Log-odds beyond which the exponential leaves what a float can hold."""


@dataclass(frozen=True, slots=True, eq=False)
class Weights:
    """Trained numbers; features are standardised by ``mean`` and ``scale`` first.

    ``move`` is ``[2, rank, dimension]`` and ``stretch`` ``[dimension]``: a question ``v`` becomes
    ``stretch * v + move[1].T @ (move[0] @ v)``. ``similarity`` weighs the trained similarity of
    sentence and passage, ``relevance`` are the weights and the intercept of ``relevance_features``,
    ``prior`` ``[dimension + 1]`` maps the question's vector to log-odds.
    """

    mean: Numbers
    scale: Numbers
    sentence: Numbers
    stretch: Numbers
    move: Numbers
    similarity: Numbers
    relevance: Numbers
    prior: Numbers
    summary_mean: Numbers
    summary_scale: Numbers
    summary: Numbers
    bias: Numbers

    def dump(self, prefix: str) -> dict[str, Numbers]:
        """Return the arrays by name, for ``numpy.savez``."""
        return {
            f"{prefix}/{field.name}": np.asarray(getattr(self, field.name), dtype=np.float32)
            for field in fields(self)
        }


class LinearReader:
    """Reads with trained weights. ``calibrated`` is False for an encoder it was not trained with."""

    def __init__(self, weights: Weights, *, calibrated: bool) -> None:
        self.weights = weights
        self.calibrated = calibrated

    @classmethod
    def load(cls, encoder: str) -> LinearReader:
        """Load the weights for an encoder; another one than the default gets those for any."""
        with np.load(WEIGHTS) as arrays:
            if tuple(arrays["features"].tolist()) != FEATURES:
                raise RuntimeError("weights.npz was trained with other features: train it again")
            calibrated = f"{encoder}/mean" in arrays
            prefix = encoder if calibrated else _ANY_ENCODER
            loaded = {
                field.name: arrays[f"{prefix}/{field.name}"].astype(np.float64)
                for field in fields(Weights)
            }
        return cls(Weights(**loaded), calibrated=calibrated)

    def read(self, question: Question, evidence: Sequence[Evidence]) -> Reading:
        """Return the candidates, best first, and P(stated)."""
        table = sheet(question, evidence)
        if not table.sentences:
            return Reading((), 1 - _SURE)
        scores, trained = self.score(question, table)
        weighed = relevance_features(table, scores) * self.weights.relevance[:-1]
        relevance = _sigmoid(weighed.sum(axis=1) + self.weights.relevance[-1])
        order = np.argsort(-scores, kind="stable")
        candidates = tuple(
            Candidate(table.owners[n].passage, table.sentences[n], float(relevance[n]))
            for n in order
        )
        if not any(is_word(stem) or stem in table.found for stem in table.question.stems):
            return Reading(candidates, 1 - _SURE)  # "asdf qwer"
        return Reading(
            candidates, self._p_stated(question, summary_features(table, scores, trained))
        )

    def score(self, question: Question, table: Sheet) -> tuple[Numbers, Numbers]:
        """Return each sentence's score and trained similarity."""
        weights = self.weights
        vector = question.vector.astype(np.float64)
        if len(weights.stretch):
            vector = weights.stretch * vector + weights.move[1].T @ (weights.move[0] @ vector)
        # Row by row, not as one product: a score must not depend on which others are computed.
        trained = (table.vectors * vector).sum(axis=1)
        passage = (table.passage_vectors * vector).sum(axis=1)
        plain = ((table.numbers - weights.mean) / weights.scale * weights.sentence).sum(axis=1)
        return plain + weights.similarity[0] * trained + weights.similarity[1] * passage, trained

    def _p_stated(self, question: Question, summary: Numbers) -> float:
        weights = self.weights
        prior = 0.0
        if len(weights.prior):
            prior = float(question.vector @ weights.prior[:-1] + weights.prior[-1])
        row = (np.append(summary, prior) - weights.summary_mean) / weights.summary_scale
        p = float(_sigmoid(row @ weights.summary + weights.bias[0]))
        return min(max(p, 1 - _SURE), _SURE)


def _sigmoid(x: Numbers) -> Numbers:
    result: Numbers = 1 / (1 + np.exp(-np.clip(x, -_STEEPEST, _STEEPEST)))
    return result
