"""What each part of the reader is worth, on training policies that were held out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from eval.metrics import auroc
from eval.train.examples import OPP115, OWN, Example
from eval.train.fit import HeldOut, hold_out, stated, summaries
from index.sections import HEADING
from qa.reader.features import SENTENCE_FEATURES

SETS = (("policy-questions", OWN), ("OPP-115", OPP115))


@dataclass(frozen=True, slots=True)
class Variant:
    """A reader without some of the features of its sentences, the low-rank map, or the prior."""

    name: str
    without: tuple[str, ...] = ()
    has_map: bool = True
    has_prior: bool = True


VARIANTS = (
    Variant("all of it"),
    Variant("without the prior", has_prior=False),
    Variant("without the low-rank map and the prior", has_map=False, has_prior=False),
    Variant(
        "without the kinds of answer",
        tuple(name for name in SENTENCE_FEATURES if name.startswith("gives ")),
    ),
    Variant(
        "without shared words and concepts",
        tuple(
            name
            for name in SENTENCE_FEATURES
            if any(word in name for word in ("coverage", "words", "concepts"))
        ),
    ),
    Variant(
        "without neighbours and passage",
        ("passage similarity", "previous similarity", "next similarity", "neighbour similarity"),
    ),
)


def table(examples: Sequence[Example]) -> str:
    """Return a Markdown table, a row for each variant."""
    columns = [f"{name}: {what}" for name, _ in SETS for what in ("first", "in three", "AUROC")]
    lines = [["", *columns], ["---"] * (len(columns) + 1)]
    for variant in VARIANTS:
        figures = [f"{figure:.3f}" for figure in _measured(examples, variant)]
        lines.append([variant.name, *figures])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _measured(examples: Sequence[Example], variant: Variant) -> list[float]:
    seen = [_without(example, variant.without) for example in examples]
    held_out = hold_out(seen, trained=variant.has_map)
    rows = summaries(seen, held_out)
    if not variant.has_prior:
        rows[:, -1] = 0.0
    p = stated(seen, rows)
    figures = []
    for _, weight in SETS:
        own = [n for n, e in enumerate(seen) if e.weight == weight and not e.repeated]
        answered = [n for n in own if seen[n].answerable]
        ranks = [_rank_of_evidence(seen[n], held_out[n]) for n in answered]
        figures += [float(np.mean([rank < most for rank in ranks])) for most in (1, 3)]
        figures.append(auroc([float(p[n]) for n in own], [seen[n].answerable for n in own]))
    return figures


def _without(example: Example, names: Sequence[str]) -> Example:
    numbers = example.table.numbers.copy()
    numbers[:, [SENTENCE_FEATURES.index(name) for name in names]] = 0.0
    return replace(example, table=replace(example.table, numbers=numbers))


def _rank_of_evidence(example: Example, held_out: HeldOut) -> float:
    """Return how many sentences stand before the first that is evidence; headings do not count."""
    order = np.argsort(-held_out.scores, kind="stable").tolist()
    ranked = [n for n in order if example.table.sentences[n].kind != HEADING]
    return next((float(rank) for rank, n in enumerate(ranked) if example.evidence[n]), np.inf)
