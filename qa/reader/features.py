"""Question and evidence → the numbers the reader weighs.

Every number of a sentence depends on the question, the sentence and its passage, and on nothing
else: not on which other passages were retrieved. What compares candidates comes afterwards, in
``relevance_features`` and ``summary_features``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from index.encode import Vectors
from index.markup import readable
from index.sections import HEADING, ITEM, ROW
from index.types import Sentence
from qa.reader.words import (
    ANSWER_TYPES,
    Words,
    concept_coverage,
    coverage,
    of_question,
    of_sentence,
    rarity_of,
    stems_of,
)
from qa.types import Evidence, Question

Numbers = NDArray[np.float64]

_CLOSE = 100.0
_TYPES = tuple(kind.name for kind in ANSWER_TYPES)
_LIKENESS = (
    "similarity", "passage similarity", "previous similarity", "next similarity",
    "neighbour similarity", "coverage", "passage coverage", "context coverage", "lead-in coverage",
    "rare words", "coverage x similarity", "concepts", "passage concepts", "context concepts",
)  # fmt: skip
SENTENCE_FEATURES = (
    *_LIKENESS, "length", "length squared", "short", "question mark",
    "colon", "heading", "item", "row", *(f"gives {name}" for name in _TYPES),
)  # fmt: skip
SUMMARY_FEATURES = (
    "best score", "second score", "mean of five", "spread", "best trained similarity",
    "highest trained similarity", *(f"best {name}" for name in _LIKENESS),
    "highest similarity", "highest passage similarity", "highest coverage", "coverage by five",
    "coverage by evidence", "rarest missing", "second rarest missing", "rarest missing in five",
    "rarest missing in evidence", "name found", "name missing",
    *(f"asks for {name}" for name in _TYPES),
    *(f"best gives {name}" for name in _TYPES),
    *(f"three give {name}" for name in _TYPES),
)  # fmt: skip
RELEVANCE_FEATURES = ("score", "behind the best", "rarest missing", "distance")
FEATURES = (*SENTENCE_FEATURES, *SUMMARY_FEATURES, *RELEVANCE_FEATURES)


@dataclass(frozen=True, slots=True, eq=False)
class Sheet:
    """What is known of each sentence of a policy's evidence, one row each, in evidence order.

    ``numbers`` is ``[sentences, SENTENCE_FEATURES]``; ``vectors`` and ``passage_vectors`` are
    ``[sentences, dimension]``.
    """

    owners: tuple[Evidence, ...]
    sentences: tuple[Sentence, ...]
    words: tuple[Words, ...]
    question: Words
    numbers: Numbers
    vectors: Vectors
    passage_vectors: Vectors

    @property
    def found(self) -> frozenset[str]:
        """All stems of the evidence."""
        return frozenset().union(*(words.stems for words in self.words))


def sheet(question: Question, evidence: Sequence[Evidence]) -> Sheet:
    """Return the features of every sentence of the evidence."""
    asked = of_question(question.text)
    owners: list[Evidence] = []
    words: list[Words] = []
    rows: list[Numbers] = []
    for item in evidence:
        own = [of_sentence(text_of(item, sentence)) for sentence in item.passage.sentences]
        rows.append(_passage_rows(question, asked, item, own))
        owners += [item] * len(own)
        words += own
    sentences = tuple(s for item in evidence for s in item.passage.sentences)
    dimension = len(question.vector)
    return Sheet(
        owners=tuple(owners),
        sentences=sentences,
        words=tuple(words),
        question=asked,
        numbers=np.concatenate(rows) if rows else np.zeros((0, len(SENTENCE_FEATURES))),
        vectors=_stack([item.sentence_vectors for item in evidence], dimension),
        passage_vectors=_stack([owner.vector[np.newaxis] for owner in owners], dimension),
    )


def _stack(parts: Sequence[Vectors], dimension: int) -> Vectors:
    return np.concatenate(parts) if parts else np.zeros((0, dimension), dtype=np.float32)


def text_of(item: Evidence, sentence: Sentence) -> str:
    """Return a sentence as it reads."""
    start = item.passage.start
    return readable(item.passage.text[sentence.start - start : sentence.end - start])


def _passage_rows(
    question: Question, asked: Words, item: Evidence, own: Sequence[Words]
) -> Numbers:
    """Return the rows of one passage's sentences."""
    vector = question.vector.astype(np.float64)
    similar = item.sentence_vectors.astype(np.float64) @ vector
    before, after = np.append(0.0, similar[:-1]), np.append(similar[1:], 0.0)
    covered = np.array([coverage(asked, words.stems) for words in own])
    passage = item.passage
    around = stems_of(readable(f"{passage.context} {passage.section}"))
    whole = stems_of(readable(f"{passage.context}\n{passage.text}"))
    shared = [math.fsum(map(rarity_of, asked.stems & words.stems)) for words in own]
    lengths = np.array([words.length for words in own], dtype=np.float64)
    kinds = np.array([[s.kind == kind for kind in (HEADING, ITEM, ROW)] for s in passage.sentences])
    ends = [passage.text[s.end - passage.start - 1] for s in passage.sentences]
    size = len(own)
    columns = [
        similar,
        np.full(size, float(item.vector.astype(np.float64) @ vector)),
        before,
        after,
        np.maximum(before, after),
        covered,
        np.full(size, coverage(asked, whole)),
        np.full(size, coverage(asked, around)),
        np.full(size, coverage(asked, _lead_in(item))),
        np.array(shared) / (1 + 0.375 * (lengths / 20 - 1)) / 10,
        covered * similar,
        np.array([concept_coverage(asked, words.stems) for words in own]),
        np.full(size, concept_coverage(asked, whole)),
        np.full(size, concept_coverage(asked, around)),
        np.log1p(lengths),
        np.log1p(lengths) ** 2,
        lengths < 6,
        np.array([end == "?" for end in ends]),
        np.array([end == ":" for end in ends]),
    ]
    given = np.array([words.types for words in own], dtype=np.float64)
    expected = np.array(asked.types, dtype=np.float64) * (2 * given - 1)
    return np.column_stack([*columns, kinds, expected]).astype(np.float64)


def _lead_in(item: Evidence) -> frozenset[str]:
    """Return the stems of a passage's context below its titles: a lead-in or a table's header."""
    _, _, lead_in = item.passage.context.partition("\n")
    return stems_of(readable(lead_in)) if lead_in else frozenset()


def summary_features(table: Sheet, scores: Numbers, trained: Numbers) -> Numbers:
    """Return what the evidence as a whole says about whether the question is answered.

    ``scores`` rank the sentences, ``trained`` are their trained similarities; ``[sentences]`` each.
    """
    order = np.argsort(-scores, kind="stable")
    best, five = order[0], order[:5]
    asked = table.question.stems
    missing = _rarest(asked - table.words[best].stems)
    seen_five = frozenset().union(*(table.words[n].stems for n in five))
    seen = table.found
    types = table.numbers[:, -len(ANSWER_TYPES) :]
    return np.concatenate(
        [
            [
                scores[best],
                scores[order[min(1, len(order) - 1)]],
                scores[five].mean(),
                np.log(np.exp(scores - scores[best]).sum()),
                trained[best],
                trained.max(),
            ],
            table.numbers[best, : len(_LIKENESS)],
            [
                table.numbers[:, 0].max(),
                table.numbers[:, 1].max(),
                table.numbers[:, 5].max(),
                coverage(table.question, seen_five),
                coverage(table.question, seen),
                missing[0],
                missing[1],
                _rarest(asked - seen_five)[0],
                _rarest(asked - seen)[0],
                bool(table.question.names & seen),
                bool(table.question.names - seen),
            ],
            np.array(table.question.types, dtype=np.float64),
            types[best],
            types[order[:3]].max(axis=0),
        ]
    )


def relevance_features(table: Sheet, scores: Numbers) -> Numbers:
    """Return what tells whether each sentence answers, next to the best one.

    ``[sentences, RELEVANCE_FEATURES]``: its score, how far it is behind the best, the rarest word
    of the question that the best has and it has not (where one row of a table answers, its
    neighbours do not), and the distance between them, a logarithm of characters: what belongs
    together stands together.
    """
    headings = table.numbers[:, SENTENCE_FEATURES.index("heading")] > 0
    best = int(np.argmax(np.where(headings, -np.inf, scores)))
    shared = table.words[best].stems & table.question.stems
    missing = [_rarest(shared - words.stems)[0] for words in table.words]
    starts = np.array([sentence.start for sentence in table.sentences])
    distance = np.log1p(np.abs(starts - starts[best]) / _CLOSE)
    return np.column_stack([scores, scores[best] - scores, missing, distance])


def _rarest(stems: frozenset[str]) -> list[float]:
    return [*sorted(map(rarity_of, stems), reverse=True)[:2], 0.0, 0.0][:2]
