"""The default reader: weighs what encoder and words say; trained once, run by numpy.

A sentence's score is a weighted sum of its features and of its *trained similarity* to the
question: the question's vector is moved by a low-rank map before the dot product, so that the
encoder's general likeness becomes "answers this". P(stated) is what a few small networks make of a
summary of the scores, with a prior from the question alone (``MODEL_CARD.md`` says what that is
worth). All weights are chosen on training data only; see ``eval/train``.
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
    text_of,
)
from qa.reader.values import lacks_value
from qa.reader.words import is_word
from qa.types import Candidate, Evidence, Question, Reading

WEIGHTS = Path(__file__).parent / "weights.npz"
_ANY_ENCODER = "any"
_SURE = 0.995
# Of the training questions that demand a value which the five likeliest sentences do not have, 2 are
# answered and 33 are not.
_LIKELIEST, _WITHOUT_VALUE = 5, 0.1
_STEEPEST = 500.0
"""Log-odds beyond which the exponential leaves what a float can hold."""


@dataclass(frozen=True, slots=True, eq=False)
class Weights:
    """Trained numbers; features are standardised by ``mean`` and ``scale`` first.

    ``move`` is ``[2, rank, dimension]`` and ``stretch`` ``[dimension]``: a question ``v`` becomes
    ``stretch * v + move[1].T @ (move[0] @ v)``. ``similarity`` weighs the trained similarity of
    sentence and passage, ``relevance`` are the weights and the intercept of ``relevance_features``,
    ``prior`` ``[dimension + 1]`` maps the question's vector to log-odds. P(stated) is the mean of
    networks of one layer of ``units``: ``units`` ``[networks, summary + 1, units]`` with their
    ``thresholds``, ``outputs`` ``[networks, units + 1]``; ``raised`` is added to its log-odds.
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
    units: Numbers
    thresholds: Numbers
    outputs: Numbers
    raised: Numbers

    def score(self, question: Question, table: Sheet) -> tuple[Numbers, Numbers]:
        """Return each sentence's score and trained similarity."""
        vector = question.vector.astype(np.float64)
        if len(self.stretch):
            vector = self.stretch * vector + self.move[1].T @ (self.move[0] @ vector)
        # Row by row, not as one product: a score must not depend on which others are computed.
        trained = (table.vectors * vector).sum(axis=1)
        passage = (table.passage_vectors * vector).sum(axis=1)
        plain = ((table.numbers - self.mean) / self.scale * self.sentence).sum(axis=1)
        return plain + self.similarity[0] * trained + self.similarity[1] * passage, trained

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
        scores, trained = self.weights.score(question, table)
        weighed = relevance_features(table, scores) * self.weights.relevance[:-1]
        relevance = _sigmoid(weighed.sum(axis=1) + self.weights.relevance[-1])
        order = np.argsort(-scores, kind="stable")
        candidates = tuple(
            Candidate(table.owners[n].passage, table.sentences[n], float(relevance[n]))
            for n in order
        )
        if not any(is_word(stem) or stem in table.found for stem in table.question.stems):
            return Reading(candidates, 1 - _SURE)  # "asdf qwer"
        p_stated = self._p_stated(question, summary_features(table, scores, trained))
        likeliest = [text_of(table.owners[n], table.sentences[n]) for n in order[:_LIKELIEST]]
        if lacks_value(question.text, likeliest):
            p_stated = min(p_stated, _WITHOUT_VALUE)
        return Reading(candidates, p_stated)

    def _p_stated(self, question: Question, summary: Numbers) -> float:
        weights = self.weights
        prior = 0.0
        if len(weights.prior):
            prior = float(question.vector @ weights.prior[:-1] + weights.prior[-1])
        odds = networks(weights, np.append(summary, prior)[np.newaxis])
        p = float(_sigmoid(odds + weights.raised)[0])
        return min(max(p, 1 - _SURE), _SURE)


def networks(weights: Weights, rows: Numbers) -> Numbers:
    """Return the log-odds of their mean for summaries with their prior, ``[rows, summary + 1]``."""
    rows = (rows - weights.summary_mean) / weights.summary_scale
    hidden = np.maximum(rows @ weights.units + weights.thresholds[:, np.newaxis], 0)
    outputs = weights.outputs[:, :-1, np.newaxis]
    p = _sigmoid((hidden @ outputs)[..., 0] + weights.outputs[:, -1:]).mean(axis=0)
    p = np.clip(p, 1 - _SURE, _SURE)
    odds: Numbers = np.log(p / (1 - p))
    return odds


def _sigmoid(x: Numbers) -> Numbers:
    result: Numbers = 1 / (1 + np.exp(-np.clip(x, -_STEEPEST, _STEEPEST)))
    return result
