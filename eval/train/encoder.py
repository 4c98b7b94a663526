"""Fine-tune the encoder on questions and the sentences that answer them.

``python -m eval.train.encoder --data DIR --out DIR`` reads the train parts of the sets, as
``python -m eval.train`` does. Two encoders are trained, each on half of their policies, and the
program gets the average of their weights (a "model soup", Wortsman et al. 2022): unlike one that was
tuned on all of them, it finds evidence in the training policies hardly better than in others, so
that the reader can be trained on what it makes of them. Seeded; a checkpoint is written after each
epoch, and a run that was stopped goes on after its last one. ``python -m index.model.export --weights
DIR/weights`` makes the average the program's own.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import random
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from eval.benchmarks import Benchmark, Case, opp115, policy_questions
from eval.metrics import overlaps
from eval.train.examples import HALVES, SEED, half_of
from index.encode import Encoder, load_encoder
from index.markup import readable
from index.model.export import weights
from index.passages import split
from index.sections import HEADING
from index.types import Span

EPOCHS, BATCH, RATE, WARM_UP = 3, 24, 3e-5, 0.1
NEGATIVES, MINED, LONGEST = 4, 12, 96
# Sharpness of the softmax over candidates, and how much "is it an answer at all?" counts beside it.
SCALE, JUDGED = 20.0, 0.5


@dataclass(frozen=True, slots=True)
class Lesson:
    """A question, the sentences that answer it (none if nothing does), and those that only seem to."""

    half: int
    question: str
    positives: tuple[str, ...]
    negatives: tuple[str, ...]


def main() -> None:
    """Build the lessons, train both halves, and write weights in the form that transformers reads."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    out: Path = arguments.out
    made = _cached(out / "lessons.json", arguments.data)
    # A process each: on few cores, two that share nothing are done before one with more threads.
    with ProcessPoolExecutor(HALVES, multiprocessing.get_context("spawn")) as pool:
        runs = [
            pool.submit(train, [one for one in made if one.half == half], out / str(half))
            for half in range(HALVES)
        ]
        trained = [run.result() for run in runs]
    average(trained, out / "weights")


def _cached(file: Path, data: Path) -> list[Lesson]:
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        made = lessons(data, load_encoder(str(weights())))
        file.write_text(json.dumps([astuple(one) for one in made]), encoding="utf-8")
    rows = json.loads(file.read_text(encoding="utf-8"))
    return [Lesson(half, question, tuple(good), tuple(bad)) for half, question, good, bad in rows]


def lessons(data: Path, encoder: Encoder) -> list[Lesson]:
    """Return a lesson for each training question; the encoder finds what seems to answer."""
    sets = (
        policy_questions.load(data / "policy-questions", "train"),
        opp115.load(data / "opp115", "train"),
    )
    return [lesson for benchmark in sets for lesson in _lessons(benchmark, encoder)]


def _lessons(benchmark: Benchmark, encoder: Encoder) -> Iterator[Lesson]:
    by_policy: dict[str, list[Case]] = {}
    for case in benchmark.cases:
        by_policy.setdefault(case.policy, []).append(case)
    for number, (policy, cases) in enumerate(by_policy.items(), start=1):
        spans, texts = _sentences(policy, benchmark.texts[policy], encoder)
        vectors = encoder.encode_passages(texts)
        asked = encoder.encode_passages([case.question for case in cases])
        for case, vector in zip(cases, asked, strict=True):
            places = [place for piece in case.expect[policy].gold for place in piece]
            right = [any(overlaps(span, place) for place in places) for span in spans]
            order = np.argsort(-(vectors @ vector), kind="stable")
            wrong = [texts[n] for n in order if not right[n]][:MINED]
            good = tuple(
                dict.fromkeys(t for t, is_right in zip(texts, right, strict=True) if is_right)
            )
            yield Lesson(half_of(policy), case.question, good, tuple(dict.fromkeys(wrong)))
        print(f"\r{number}/{len(by_policy)} {policy:40.40}", end="", flush=True)
    print()


def _sentences(policy: str, text: str, encoder: Encoder) -> tuple[list[Span], list[str]]:
    _, passages = split(policy, text, window=encoder.window, count=encoder.count)
    spans = [
        Span(sentence.start, sentence.end)
        for passage in passages
        for sentence in passage.sentences
        if sentence.kind != HEADING
    ]
    return spans, [readable(span.of(text)) for span in spans]


def train(made: Sequence[Lesson], out: Path) -> Path:
    """Train from the published weights, or from the last checkpoint in ``out``; return the result."""
    from transformers import AutoModel, AutoTokenizer

    out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(SEED)
    torch.set_num_threads(max(1, (os.cpu_count() or 1) // HALVES))
    model: Any = AutoModel.from_pretrained(weights())
    tokenizer: Any = AutoTokenizer.from_pretrained(weights())
    judge = torch.nn.Parameter(torch.tensor([10.0, -5.0]))
    optimizer = torch.optim.AdamW(
        [{"params": model.parameters()}, {"params": [judge], "lr": 1e-2}],
        lr=RATE,
        weight_decay=0.01,
    )
    steps = EPOCHS * -(-len(made) // BATCH)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _rate(step, steps))
    state = {"model": model, "optimizer": optimizer, "schedule": schedule}
    first = _resumed(out / "checkpoint.pt", state, judge)
    for epoch in range(first, EPOCHS):
        chooser = random.Random(f"{SEED} {epoch}")
        order = chooser.sample(range(len(made)), len(made))
        model.train()
        total = 0.0
        for start in range(0, len(order), BATCH):
            batch = [made[n] for n in order[start : start + BATCH]]
            loss = _loss(model, tokenizer, judge, batch, chooser)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            total += loss.item()
        print(f"{out}, epoch {epoch + 1}: mean loss {total * BATCH / len(order):.4f}", flush=True)
        saved = {name: part.state_dict() for name, part in state.items()}
        torch.save({**saved, "judge": judge.detach(), "epoch": epoch + 1}, out / "checkpoint.pt")
    model.save_pretrained(out / "weights")
    tokenizer.save_pretrained(out / "weights")
    return out / "weights"


def average(folders: Sequence[Path], out: Path) -> None:
    """Write the mean of models that were trained from the same one."""
    from transformers import AutoModel, AutoTokenizer

    models: list[Any] = [AutoModel.from_pretrained(folder) for folder in folders]
    states = [model.state_dict() for model in models]
    mean = {
        name: torch.stack([state[name].float() for state in states]).mean(dim=0).to(first.dtype)
        for name, first in states[0].items()
    }
    models[0].load_state_dict(mean)
    models[0].save_pretrained(out)
    AutoTokenizer.from_pretrained(folders[0]).save_pretrained(out)


def _rate(step: int, steps: int) -> float:
    """Return the share of the rate at a step: up to it, then linearly down to nothing."""
    warm = WARM_UP * steps
    return min(step / warm, (steps - step) / (steps - warm))


def _resumed(file: Path, state: Mapping[str, Any], judge: Tensor) -> int:
    if not file.exists():
        return 0
    saved = torch.load(file, weights_only=True)
    for name, part in state.items():
        part.load_state_dict(saved[name])
    judge.data.copy_(saved["judge"])
    return int(saved["epoch"])


def _loss(
    model: Any, tokenizer: Any, judge: Tensor, batch: Sequence[Lesson], chooser: random.Random
) -> Tensor:
    """Rank the right sentence before its policy's others and the batch's; judge each pair, too."""
    good = [chooser.choice(one.positives) if one.positives else "" for one in batch]
    bad = [chooser.sample(one.negatives, min(NEGATIVES, len(one.negatives))) for one in batch]
    texts = [*filter(None, good), *(text for own in bad for text in own)]
    questions = _encode(model, tokenizer, [one.question for one in batch])
    candidates = _encode(model, tokenizer, texts)
    similarity = questions @ candidates.T
    answered = [n for n, text in enumerate(good) if text]
    right = torch.arange(len(answered))
    masked = similarity[answered].clone()
    for row, number in enumerate(answered):
        # Another question's right sentence may be this one's, too.
        same = [n for n, text in enumerate(texts) if text in batch[number].positives and n != row]
        masked[row, same] = -1.0
    ranking = torch.nn.functional.cross_entropy(SCALE * masked, right)
    return ranking + JUDGED * _judged(similarity, judge, answered, bad)


def _judged(
    similarity: Tensor, judge: Tensor, answered: Sequence[int], bad: Sequence[Sequence[str]]
) -> Tensor:
    """Return the cross-entropy of "this answers that" over each question's own candidates."""
    logits, labels = [], []
    for place, number in enumerate(answered):
        logits.append(similarity[number, place])
        labels.append(1.0)
    start = len(answered)
    for number, own in enumerate(bad):
        logits += list(similarity[number, start : start + len(own)])
        labels += [0.0] * len(own)
        start += len(own)
    values = judge[0] * torch.stack(logits) + judge[1]
    return torch.nn.functional.binary_cross_entropy_with_logits(values, torch.tensor(labels))


def _encode(model: Any, tokenizer: Any, texts: Sequence[str]) -> Tensor:
    """Return vectors of length 1, ``[texts, dimension]``; texts of like length share a run."""
    order = sorted(range(len(texts)), key=lambda n: len(texts[n]))
    parts, size = [], 32
    for start in range(0, len(order), size):
        own = [texts[n] for n in order[start : start + size]]
        tokens = tokenizer(
            own, padding=True, truncation=True, max_length=LONGEST, return_tensors="pt"
        )
        hidden = model(**tokens).last_hidden_state
        mask = tokens["attention_mask"].unsqueeze(-1)
        pooled = (hidden * mask).sum(dim=1) / mask.sum(dim=1)
        parts.append(torch.nn.functional.normalize(pooled, dim=-1))
    back = torch.tensor(np.argsort(order))
    return torch.cat(parts)[back]


if __name__ == "__main__":
    main()
