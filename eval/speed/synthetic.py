"""Policies of companies that do not exist, for an index larger than the five."""

from __future__ import annotations

import random
import re
from pathlib import Path

_SYLLABLES = (
    "bra cly dor fen gul hax jor kil lum mev nor pra quo rel sif tov ulm vay wex zan".split()
)
MOST = len(_SYLLABLES) ** 3
"""Names there are."""
_SEED = 7


def write_policies(folder: Path, count: int, *, corpus: Path) -> None:
    """Write policies, each a random fifth of all paragraphs under an invented company's name."""
    sources = sorted(corpus.glob("*.txt"))
    name = re.compile("|".join(re.escape(file.stem) for file in sources), re.IGNORECASE)
    lines = [line for file in sources for line in file.read_text("utf-8").splitlines()]
    paragraphs = [line for line in lines if line.strip()]
    draw = random.Random(_SEED)
    folder.mkdir(parents=True)
    for number in range(count):
        own = company(number)
        drawn = draw.sample(paragraphs, len(paragraphs) // len(sources))
        text = "\n\n".join([f"{own} - Privacy Policy", *drawn])
        (folder / f"{own.lower()}.txt").write_text(name.sub(own, text) + "\n", encoding="utf-8")


def company(number: int) -> str:
    """Return an invented name, another one for each number below ``MOST``.

    >>> company(0), company(1)
    ('Brabrabra', 'Clybrabra')
    """
    syllables = []
    for _ in range(3):
        number, place = divmod(number, len(_SYLLABLES))
        syllables.append(_SYLLABLES[place])
    return "".join(syllables).capitalize()
