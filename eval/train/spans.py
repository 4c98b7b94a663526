"""Train what emphasises the answer in a quote: ``python -m eval.train.spans --data DIR``.

Reads ``policyqa/train_rebuilt.json``, ``squad/dev-v2.0.json`` (its answered questions) and the
questions of ``policy-questions`` whose short answer stands in their evidence word for word. The
encoder is the program's own and stays as it is. Seeded. Writes ``span.onnx`` and ``span.json`` in
``qa/reader``.
"""

from __future__ import annotations

import argparse
import json
import math
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from eval.train.examples import SEED
from index.encode import DEFAULT_MODEL, OnnxEncoder, Tokens
from index.types import Span
from qa.reader.span import DESCRIPTION, MODEL

WIDTH, HEADS, LAYERS, DROPOUT = 128, 4, 1, 0.1
EPOCHS, BATCH, RATE, WARM_UP = 3, 32, 1e-3, 0.05
# PolicyQA asks each of its passages much the same: so many of its questions are enough. The own
# questions, of which there are few, are seen more than once.
POLICYQA, OWN = 8_000, 3


@dataclass(frozen=True, slots=True)
class Exercise:
    """A question, a text that answers it, and the places that count as the answer."""

    question: str
    text: str
    answers: tuple[Span, ...]


class Layer(nn.Module):
    """One transformer layer; torch's own cannot be exported for texts of any length."""

    def __init__(self) -> None:
        super().__init__()
        self.before, self.between = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.mix, self.out = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.widen, self.narrow = nn.Linear(WIDTH, 2 * WIDTH), nn.Linear(2 * WIDTH, WIDTH)
        self.drop = nn.Dropout(DROPOUT)

    def forward(self, hidden: Tensor, padding: Tensor | None) -> Tensor:
        """Return ``[pairs, tokens, WIDTH]`` anew; ``padding`` marks tokens that are none."""
        pairs, size = hidden.shape[:2]
        mixed = self.mix(self.before(hidden)).reshape(pairs, size, 3, HEADS, WIDTH // HEADS)
        query, key, value = mixed.permute(2, 0, 3, 1, 4)
        weights = query @ key.transpose(-1, -2) / math.sqrt(WIDTH // HEADS)
        if padding is not None:
            weights = weights.masked_fill(padding[:, None, None, :], -1e4)
        seen = self.drop(weights.softmax(dim=-1)) @ value
        hidden = hidden + self.drop(self.out(seen.transpose(1, 2).reshape(pairs, size, WIDTH)))
        wide = nn.functional.gelu(self.widen(self.between(hidden)))
        changed: Tensor = hidden + self.drop(self.narrow(self.drop(wide)))
        return changed


class Head(nn.Module):
    """Question and text, read together: ``[tokens, 384]`` each → start and end ``[text tokens]``."""

    def __init__(self, dimension: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(dimension)
        self.drop = nn.Dropout(DROPOUT)
        self.narrow = nn.Linear(dimension, WIDTH)
        self.kind = nn.Parameter(torch.zeros(2, WIDTH))
        self.layers = nn.ModuleList(Layer() for _ in range(LAYERS))
        self.ends = nn.Linear(WIDTH, 2)

    def forward(self, question: Tensor, text: Tensor) -> tuple[Tensor, Tensor]:
        """Read one pair, as the program does."""
        # Made from the inputs, so that the exporter sees that their lengths vary.
        asked = torch.zeros_like(question[:, 0], dtype=torch.long)
        kinds = torch.cat([asked, torch.ones_like(text[:, 0], dtype=torch.long)])
        logits = self.read(torch.cat([question, text])[None], kinds[None], None)[0]
        logits = logits[question.shape[0] :]
        return logits[:, 0], logits[:, 1]

    def read(self, states: Tensor, kinds: Tensor, padding: Tensor | None) -> Tensor:
        """Return start and end of each token, ``[pairs, tokens, 2]``."""
        hidden = self.narrow(self.drop(self.norm(states))) + self.kind[kinds]
        for layer in self.layers:
            hidden = layer(hidden, padding)
        ends: Tensor = self.ends(hidden)
        return ends


def main() -> None:
    """Read the exercises, train, write the files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    encoder = OnnxEncoder.load(DEFAULT_MODEL)
    made = [*exercises(parser.parse_args().data)]
    texts = sorted({words for one in made for words in (one.question, one.text)})
    tokens = dict(zip(texts, encoder.encode_tokens(texts), strict=True))
    export(train(made, tokens), encoder)
    print(f"wrote {MODEL} ({MODEL.stat().st_size:,} bytes)")


def exercises(data: Path) -> Iterator[Exercise]:
    """Yield what the head learns from."""
    policyqa = [*_squad(data / "policyqa" / "train_rebuilt.json")]
    yield from random.Random(SEED).sample(policyqa, min(POLICYQA, len(policyqa)))
    yield from _squad(data / "squad" / "dev-v2.0.json")
    for line in (data / "policy-questions" / "train.jsonl").read_text("utf-8").splitlines():
        row = json.loads(line)
        if row["answerable"] and (found := _verbatim(row["quotes"], row.get("answer") or "")):
            yield from [Exercise(row["question"], *found)] * OWN


def _squad(file: Path) -> Iterator[Exercise]:
    articles = json.loads(file.read_text("utf-8"))["data"]
    for paragraph in (paragraph for article in articles for paragraph in article["paragraphs"]):
        for asked in paragraph["qas"]:
            spans = {
                Span(answer["answer_start"], answer["answer_start"] + len(answer["text"]))
                for answer in asked["answers"]
            }
            if spans:
                yield Exercise(asked["question"], paragraph["context"], tuple(sorted(spans)))


def _verbatim(quotes: Sequence[str], answer: str) -> tuple[str, tuple[Span, ...]] | None:
    """Return the first quote that holds an answer shorter than itself, and where."""
    wanted = answer.strip(" .").lower()
    for quote in quotes:
        at = quote.lower().find(wanted)
        if wanted and at >= 0 and len(wanted) < 0.8 * len(quote):
            return quote, (Span(at, at + len(wanted)),)
    return None


def train(made: Sequence[Exercise], tokens: Mapping[str, Tokens]) -> Head:
    """Train a head: the answers' share of all starts and of all ends, maximised."""
    torch.manual_seed(SEED)
    chooser = random.Random(SEED)
    head = Head(tokens[made[0].text].states.shape[1])
    placed = [(one, places) for one in made if (places := _places(one, tokens[one.text]))]
    optimizer = torch.optim.AdamW(head.parameters(), lr=RATE, weight_decay=0.01)
    steps = EPOCHS * -(-len(placed) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, RATE, total_steps=steps, pct_start=WARM_UP, anneal_strategy="linear"
    )
    for epoch in range(EPOCHS):
        head.train()
        losses = []
        for batch in _batches(placed, tokens, chooser):
            loss = _loss(head, batch, tokens)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(head.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            losses.append(loss.item())
        print(f"epoch {epoch + 1}: mean loss {sum(losses) / len(losses):.4f}", flush=True)
    return head.eval()


Placed = tuple[Exercise, list[tuple[int, int]]]


def _places(one: Exercise, tokens: Tokens) -> list[tuple[int, int]]:
    """Return the first and last token of each answer that the window holds."""
    places = set()
    for answer in one.answers:
        inside = [
            n
            for n, span in enumerate(tokens.spans)
            if span.start < span.end and span.start < answer.end and span.end > answer.start
        ]
        if inside:
            places.add((inside[0], inside[-1]))
    return sorted(places)


def _batches(
    placed: Sequence[Placed], tokens: Mapping[str, Tokens], chooser: random.Random
) -> list[list[Placed]]:
    """Return all exercises in batches of like length, in any order."""
    noisy = {id(one): len(tokens[one[0].text].spans) + 20 * chooser.random() for one in placed}
    order = sorted(placed, key=lambda one: noisy[id(one)])
    batches = [order[start : start + BATCH] for start in range(0, len(order), BATCH)]
    chooser.shuffle(batches)
    return batches


def _loss(head: Head, batch: Sequence[Placed], tokens: Mapping[str, Tokens]) -> Tensor:
    pairs = [(tokens[one.question].states, tokens[one.text].states) for one, _ in batch]
    states = nn.utils.rnn.pad_sequence(
        [torch.cat([torch.from_numpy(part) for part in pair]) for pair in pairs], batch_first=True
    )
    # 0 for the question's tokens, 1 for the text's, and padding behind them.
    kinds = torch.zeros(states.shape[:2], dtype=torch.long)
    padding = torch.ones(states.shape[:2], dtype=torch.bool)
    for row, (question, text) in enumerate(pairs):
        kinds[row, len(question) :] = 1
        padding[row, : len(question) + len(text)] = False
    outside = padding | (kinds == 0)
    logits = head.read(states, kinds, padding).masked_fill(outside[..., None], -1e4)
    logs = torch.log_softmax(logits, dim=1)
    losses = []
    for row, ((question, _), (_, places)) in enumerate(zip(pairs, batch, strict=True)):
        at = torch.tensor(places) + len(question)
        losses.append(-torch.logsumexp(logs[row, at[:, 0], 0] + logs[row, at[:, 1], 1], dim=0))
    return torch.stack(losses).mean()


def export(head: Head, encoder: OnnxEncoder) -> None:
    """Write the head as ONNX, and which encoder it goes with."""
    example: Any = (torch.zeros(5, encoder.dimension), torch.zeros(9, encoder.dimension))
    any_length = {name: {0: f"{name} tokens"} for name in ("question", "text", "start", "end")}
    torch.onnx.export(
        head,
        example,
        str(MODEL),
        input_names=["question", "text"],
        output_names=["start", "end"],
        dynamic_axes=any_length,
        dynamo=False,
    )
    digest = sha256(MODEL.read_bytes()).hexdigest()
    DESCRIPTION.write_text(json.dumps({"encoder": encoder.name, "sha256": digest}, indent=2) + "\n")


if __name__ == "__main__":
    main()
