"""Train the reader: ``python -m eval.train --data DIR --home DIR``.

``--data`` holds ``policy-questions`` and ``opp115`` in their published layouts, of which only the
train parts are read, and ``squad/dev-v2.0.json``; see ``examples.py``. ``--home`` keeps the index of
the policies between runs. ``--ablations`` prints what each part is worth instead, on training
policies that were held out.

Seeded. Needs the extra ``encoders`` (for torch) and scikit-learn. Writes ``rarity.json`` and
``weights.npz`` in ``qa/reader``.
"""

from __future__ import annotations

import argparse
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np

from eval.train.ablations import table
from eval.train.examples import load
from eval.train.fit import train
from index.encode import load_encoder
from index.errors import PolicyQAError
from index.home import Home
from index.settings import Settings
from qa.reader.features import FEATURES
from qa.reader.linear import WEIGHTS


def main() -> None:
    """Build the examples, train with and without the low-rank map, write the files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--ablations", action="store_true")
    arguments = parser.parse_args()
    encoder = load_encoder("default").name
    try:
        with closing(Home(Settings.load(home=arguments.home))) as home:
            examples = load(home, arguments.data)
    except PolicyQAError as error:
        parser.error(f"{error.message} ({error.hint})")
    print(f"{len(examples)} questions, {sum(e.trains_ranking for e in examples)} to rank")
    if arguments.ablations:
        print(table(examples))
        return
    arrays: dict[str, Any] = {"features": np.array(FEATURES)}
    for prefix, trained in ((encoder, True), ("any", False)):
        arrays |= train(examples, trained=trained).dump(prefix)
    np.savez_compressed(WEIGHTS, **arrays)
    print(f"wrote {WEIGHTS} ({WEIGHTS.stat().st_size:,} bytes)")


if __name__ == "__main__":
    main()
