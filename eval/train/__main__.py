"""Train the reader: ``python -m eval.train --data DIR --encoders DIR --home DIR``.

``--data`` holds ``policy-questions`` and ``opp115`` in their published layouts, of which only the
train parts are read, and ``squad/dev-v2.0.json``; see ``examples.py``. ``--encoders`` is what
``python -m eval.train.encoder`` wrote. ``--home`` keeps the index of the policies between runs.

Seeded. Needs the extra ``encoders`` (for torch) and scikit-learn. Writes ``rarity.json`` and
``weights.npz`` in ``qa/reader``.
"""

from __future__ import annotations

import argparse
import math
import random
from collections.abc import Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from torch import Tensor, nn

from eval.metrics import balanced_threshold
from eval.train.examples import HALVES, SEED, Example, load
from index.encode import load_encoder
from index.home import Home
from index.settings import Settings
from qa.reader.features import (
    FEATURES,
    SUMMARY_FEATURES,
    Numbers,
    relevance_features,
    summary_features,
)
from qa.reader.linear import WEIGHTS, LinearReader, Weights

RANK, EPOCHS, BATCH, DROPOUT = 64, 3, 32, 0.2
FOLDS = 5
# Log-odds by which P(stated) is raised over what the training policies say: many of their unanswered
# questions are made up. Chosen on the train split of the gold questions, where balanced accuracy is
# best, and flat, for a threshold from 0.1 to 0.35 of the unraised probability.
RAISED = 0.6
# Sentences of a question, best first, on which relevance is fitted: what might be quoted.
QUOTABLE = 10


class Ranker(nn.Module):
    """The trainable form of LinearReader.score; ``move`` is left out for any-encoder weights."""

    def __init__(self, mean: Numbers, scale: Numbers, dimension: int, *, trained: bool) -> None:
        super().__init__()
        self.mean, self.scale = _tensor(mean), _tensor(scale)
        self.sentence = nn.Parameter(torch.zeros(len(mean)))
        self.trained = trained
        if trained:
            left = torch.randn(RANK, dimension) * 0.02
            self.left, self.right = nn.Parameter(left), nn.Parameter(left.clone())
            self.stretch = nn.Parameter(torch.ones(dimension))
            self.similarity = nn.Parameter(torch.tensor([5.0, 1.0]))

    def forward(
        self, question: Tensor, numbers: Tensor, vectors: Tensor, passages: Tensor
    ) -> Tensor:
        """Return the score of each sentence."""
        scores = ((numbers - self.mean) / self.scale) @ self.sentence
        if not self.trained:
            return scores
        hidden = nn.functional.dropout(self.left @ question, DROPOUT, self.training)
        moved = self.stretch * question + self.right.T @ hidden
        return (
            scores
            + self.similarity[0] * (vectors @ moved)
            + self.similarity[1] * (passages @ moved)
        )


def main() -> None:
    """Build the examples, train with and without the low-rank map, write the files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--encoders", type=Path, required=True)
    parser.add_argument("--home", type=Path, required=True)
    arguments = parser.parse_args()
    encoder = load_encoder("default").name
    with ExitStack() as stack:
        homes = [
            stack.enter_context(closing(_home(half, arguments.home, arguments.encoders)))
            for half in range(HALVES)
        ]
        examples = load(homes, arguments.data)
    print(f"{len(examples)} questions, {sum(e.trains_ranking for e in examples)} to rank")
    arrays: dict[str, Any] = {"features": np.array(FEATURES)}
    for prefix, trained in ((encoder, True), ("any", False)):
        arrays |= train(examples, trained=trained).dump(prefix)
    np.savez_compressed(WEIGHTS, **arrays)
    print(f"wrote {WEIGHTS} ({WEIGHTS.stat().st_size:,} bytes)")


def _home(half: int, home: Path, encoders: Path) -> Home:
    """Return the home of one half of the policies, with the encoder of the other."""
    encoder = str(encoders / str(HALVES - 1 - half) / "model")
    return Home(Settings.load(home=home / str(half), encoder=encoder))


def train(examples: Sequence[Example], *, trained: bool) -> Weights:
    """Train the ranker, then P(stated) on scores of rankers that never saw the policy."""
    policies = sorted({example.policy for example in examples})
    random.Random(SEED).shuffle(policies)
    fold_of = {policy: number % FOLDS for number, policy in enumerate(policies)}
    folds = np.array([fold_of[example.policy] for example in examples])
    rows = np.zeros((len(examples), len(SUMMARY_FEATURES) + 1))
    held_out: list[tuple[Numbers, NDArray[np.bool_]]] = []
    for fold in range(FOLDS):
        reader = LinearReader(
            _rank([e for e, f in zip(examples, folds, strict=True) if f != fold], trained=trained),
            calibrated=True,
        )
        prior = _prior([e for e, f in zip(examples, folds, strict=True) if f != fold])
        for number in np.flatnonzero(folds == fold):
            example = examples[int(number)]
            scores, similar = reader.score(example.question, example.table)
            rows[number, :-1] = summary_features(example.table, scores, similar)
            rows[number, -1] = example.question.vector @ prior[:-1] + prior[-1]
            if example.trains_ranking:
                top = np.argsort(-scores)[:QUOTABLE]
                weighed = relevance_features(example.table, scores)[top]
                held_out.append((weighed, example.evidence[top]))
    weights = _rank(examples, trained=trained)
    prior = _prior(examples) if trained else np.zeros(0)
    if not trained:
        rows[:, -1] = 0.0
    return _calibrated(weights, examples, rows, folds, held_out, prior)


def _rank(examples: Sequence[Example], *, trained: bool) -> Weights:
    """Train a ranker: the evidence's share of a softmax over all candidates, maximised."""
    torch.manual_seed(SEED)
    chooser = random.Random(SEED)
    usable = [example for example in examples if example.trains_ranking]
    numbers = np.concatenate([example.table.numbers for example in usable])
    mean, scale = numbers.mean(axis=0), numbers.std(axis=0) + 1e-6
    ranker = Ranker(mean, scale, len(usable[0].question.vector), trained=trained)
    slow = [p for name, p in ranker.named_parameters() if name != "sentence"]
    optimizer = torch.optim.AdamW(
        [
            {"params": [ranker.sentence], "lr": 2e-2, "weight_decay": 1e-4},
            *([{"params": slow, "lr": 1e-3, "weight_decay": 1e-2}] if slow else []),
        ]
    )
    inputs = [_inputs(example) for example in usable]
    for _ in range(EPOCHS):
        ranker.train()
        order = chooser.sample(range(len(usable)), len(usable))
        for first in range(0, len(order), BATCH):
            losses = []
            for number in order[first : first + BATCH]:
                logs = torch.log_softmax(ranker(*inputs[number]), dim=0)
                right = torch.from_numpy(usable[number].evidence)
                losses.append(-torch.logsumexp(logs[right], dim=0))
            optimizer.zero_grad()
            torch.stack(losses).mean().backward()  # type: ignore[no-untyped-call]
            optimizer.step()
    return _weights(ranker, mean, scale)


def _weights(ranker: Ranker, mean: Numbers, scale: Numbers) -> Weights:
    none = np.zeros(0)
    return Weights(
        mean=mean,
        scale=scale,
        sentence=_array(ranker.sentence),
        stretch=_array(ranker.stretch) if ranker.trained else none,
        move=np.stack([_array(ranker.left), _array(ranker.right)]) if ranker.trained else none,
        similarity=_array(ranker.similarity) if ranker.trained else np.zeros(2),
        relevance=none,
        prior=none,
        summary_mean=none,
        summary_scale=none,
        summary=none,
        bias=none,
    )


def _prior(examples: Sequence[Example]) -> Numbers:
    """Return a logistic regression from the question's vector to whether it is answered."""
    asked = [example for example in examples if not example.repeated]
    vectors = np.array([example.question.vector for example in asked])
    model = LogisticRegression(C=25.0, max_iter=3000)
    model.fit(vectors, [example.answerable for example in asked])
    return np.append(model.coef_[0], model.intercept_[0])


def _calibrated(
    weights: Weights,
    examples: Sequence[Example],
    rows: Numbers,
    folds: NDArray[np.int_],
    held_out: Sequence[tuple[Numbers, NDArray[np.bool_]]],
    prior: Numbers,
) -> Weights:
    """Fit P(stated) and relevance on held-out scores; fold the best threshold into the bias."""
    labels = np.array([example.answerable for example in examples])
    importance = np.array([example.weight for example in examples])
    p = np.zeros(len(labels))
    for fold in range(FOLDS):
        train_part = folds != fold
        model, scaler = _logistic(rows[train_part], labels[train_part], importance[train_part])
        p[~train_part] = model.predict_proba(scaler.transform(rows[~train_part]))[:, 1]
    threshold = balanced_threshold(p.tolist(), labels.tolist())
    print(f"threshold {threshold:.3f} on held-out training policies")
    model, scaler = _logistic(rows, labels, importance)
    features, right = (np.concatenate(parts) for parts in zip(*held_out, strict=True))
    relevance = LogisticRegression(C=1e3, max_iter=5000).fit(features, right)
    return Weights(
        **{
            name: getattr(weights, name)
            for name in ("mean", "scale", "sentence", "stretch", "move", "similarity")
        },
        relevance=np.append(relevance.coef_[0], relevance.intercept_[0]),
        prior=prior,
        summary_mean=scaler.mean_,
        summary_scale=scaler.scale_,
        summary=model.coef_[0],
        bias=np.array([model.intercept_[0] - math.log(threshold / (1 - threshold)) + RAISED]),
    )


def _logistic(
    rows: Numbers, labels: NDArray[np.bool_], importance: Numbers
) -> tuple[LogisticRegression, StandardScaler]:
    scaler = StandardScaler().fit(rows)
    model = LogisticRegression(C=0.03, max_iter=5000)
    model.fit(scaler.transform(rows), labels, sample_weight=importance)
    return model, scaler


def _inputs(example: Example) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    table = example.table
    return (
        _tensor(example.question.vector),
        _tensor(table.numbers),
        _tensor(table.vectors),
        _tensor(table.passage_vectors),
    )


def _tensor(values: NDArray[Any]) -> Tensor:
    return torch.from_numpy(np.asarray(values, dtype=np.float32))


def _array(parameter: Tensor) -> Numbers:
    return parameter.detach().numpy().astype(np.float64)


if __name__ == "__main__":
    main()
