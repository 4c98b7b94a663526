"""Examples → the reader's weights: rankers, priors, relevance and P(stated).

What is fitted on scores is fitted on those of rankers and priors that never saw the policy.
"""

from __future__ import annotations

import math
import random
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler
from torch import Tensor, nn

from eval.metrics import balanced_threshold
from eval.train.examples import SEED, Example
from qa.reader.features import Numbers, relevance_features, summary_features
from qa.reader.linear import Weights, networks

RANK, EPOCHS, BATCH, DROPOUT = 64, 3, 32, 0.2
FOLDS = 5
# Log-odds by which P(stated) is raised over what the training policies say: many of their unanswered
# questions are made up. Chosen on the train split of the gold questions, where balanced accuracy is 0.71
# to 0.73 for any threshold from 0.15 to 0.6 of the raised probability.
RAISED = 0.6
# The networks that give P(stated): how many, their units, how strongly weights are shrunk, passes over
# the questions. On held-out training policies 24 units and a shrinking of 3 are as good, 32 and 10 worse.
NETWORKS, UNITS, SHRINKING, PASSES = 5, 16, 1.0, 25
# Sentences of a question, best first, on which relevance is fitted: what might be quoted.
QUOTABLE = 10


_NOTHING = replace(
    Weights(**dict.fromkeys((field.name for field in fields(Weights)), np.zeros(0))),
    similarity=np.zeros(2),
)


@dataclass(frozen=True, slots=True, eq=False)
class HeldOut:
    """What rankers and priors that never saw a question's policy make of it."""

    scores: Numbers
    similar: Numbers
    prior: float


class Ranker(nn.Module):
    """The trainable form of Weights.score; ``move`` is left out for any-encoder weights."""

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


def train(examples: Sequence[Example], *, trained: bool) -> Weights:
    """Train the ranker, then relevance and P(stated) on what was held out."""
    held_out = hold_out(examples, trained=trained)
    rows = summaries(examples, held_out)
    labels = np.array([example.answerable for example in examples])
    threshold = balanced_threshold(stated(examples, rows).tolist(), labels.tolist())
    print(f"threshold {threshold:.3f} on held-out training policies")
    return replace(
        _rank(examples, trained=trained),
        relevance=_relevance(examples, held_out),
        prior=_prior(examples) if trained else np.zeros(0),
        raised=np.array([RAISED - math.log(threshold / (1 - threshold))]),
        **_networks(examples, rows),
    )


def folds_of(examples: Sequence[Example]) -> NDArray[np.int_]:
    """Return each example's fold, the same for all of a policy."""
    policies = sorted({example.policy for example in examples})
    random.Random(SEED).shuffle(policies)
    fold_of = {policy: number % FOLDS for number, policy in enumerate(policies)}
    return np.array([fold_of[example.policy] for example in examples])


def hold_out(examples: Sequence[Example], *, trained: bool) -> list[HeldOut]:
    """Score each example by a ranker and a prior of the other folds; no prior if not trained."""
    folds = folds_of(examples)
    held: dict[int, HeldOut] = {}
    for fold in range(FOLDS):
        others = [e for e, f in zip(examples, folds, strict=True) if f != fold]
        weights, prior = _rank(others, trained=trained), _prior(others)
        for number in np.flatnonzero(folds == fold).tolist():
            question = examples[number].question
            scores, similar = weights.score(question, examples[number].table)
            before = float(question.vector @ prior[:-1] + prior[-1]) if trained else 0.0
            held[number] = HeldOut(scores, similar, before)
    return [held[number] for number in range(len(examples))]


def summaries(examples: Sequence[Example], held_out: Sequence[HeldOut]) -> Numbers:
    """Return what P(stated) is fitted on, ``[examples, summary + 1]``."""
    return np.array(
        [
            np.append(summary_features(e.table, held.scores, held.similar), held.prior)
            for e, held in zip(examples, held_out, strict=True)
        ]
    )


def stated(examples: Sequence[Example], rows: Numbers) -> Numbers:
    """Return P(stated) of each example by networks that never saw its policy, ``[examples]``."""
    folds, p = folds_of(examples), np.zeros(len(examples))
    for fold in range(FOLDS):
        others = folds != fold
        seen = [e for e, is_other in zip(examples, others, strict=True) if is_other]
        made = replace(_NOTHING, **_networks(seen, rows[others]))
        p[~others] = 1 / (1 + np.exp(-networks(made, rows[~others])))
    return p


def _relevance(examples: Sequence[Example], held_out: Sequence[HeldOut]) -> Numbers:
    """Return a logistic regression from features of what might be quoted to whether it answers."""
    features, right = [], []
    for example, held in zip(examples, held_out, strict=True):
        if example.trains_ranking:
            top = np.argsort(-held.scores)[:QUOTABLE]
            features.append(relevance_features(example.table, held.scores)[top])
            right.append(example.evidence[top])
    model = LogisticRegression(C=1e3, max_iter=5000)
    model.fit(np.concatenate(features), np.concatenate(right))
    return np.append(model.coef_[0], model.intercept_[0])


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
    plain = replace(_NOTHING, mean=mean, scale=scale, sentence=_array(ranker.sentence))
    if not ranker.trained:
        return plain
    return replace(
        plain,
        stretch=_array(ranker.stretch),
        move=np.stack([_array(ranker.left), _array(ranker.right)]),
        similarity=_array(ranker.similarity),
    )


def _prior(examples: Sequence[Example]) -> Numbers:
    """Return a logistic regression from the question's vector to whether it is answered."""
    asked = [example for example in examples if not example.repeated]
    vectors = np.array([example.question.vector for example in asked])
    model = LogisticRegression(C=25.0, max_iter=3000)
    model.fit(vectors, [example.answerable for example in asked])
    return np.append(model.coef_[0], model.intercept_[0])


def _networks(examples: Sequence[Example], rows: Numbers) -> dict[str, Numbers]:
    """Train small networks from summaries to whether the policy states an answer."""
    labels = np.array([example.answerable for example in examples])
    importance = np.array([example.weight for example in examples])
    scaler = StandardScaler().fit(rows)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # so few passes are on purpose
        trained = [
            MLPClassifier(
                (UNITS,), alpha=SHRINKING, learning_rate_init=2e-3, max_iter=PASSES,
                random_state=SEED + number,
            ).fit(scaler.transform(rows), labels, sample_weight=importance)
            for number in range(NETWORKS)
        ]  # fmt: skip
    return {
        "summary_mean": scaler.mean_,
        "summary_scale": scaler.scale_,
        "units": np.stack([one.coefs_[0] for one in trained]),
        "thresholds": np.stack([one.intercepts_[0] for one in trained]),
        "outputs": np.stack([np.append(one.coefs_[1], one.intercepts_[1]) for one in trained]),
    }


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
