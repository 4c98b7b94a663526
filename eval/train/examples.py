"""What the reader learns from: questions over indexed policies, with their features.

Beside the sets' own questions there are two kinds of made ones, none of them answered: questions
about anything else, put to a random policy, and questions about a thing that their own policy names
in its evidence, put to one that never mentions it.
"""

from __future__ import annotations

import json
import math
import random
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from eval.benchmarks import Benchmark, Case, Expected, opp115, policy_questions
from eval.corpus import indexed
from eval.metrics import overlaps
from index.encode import Encoder
from index.home import Home
from index.markup import readable
from index.passages import split
from index.types import Policy, Span
from qa.reader import words
from qa.reader.features import Sheet, sheet
from qa.retrieve import retrieve
from qa.types import Question

SEED = 0
HALVES = 2
# Each set weighs in the calibration as if it had this many questions for each one it has.
OWN, OPP115, STRANGER, ELSEWHERE = 1.0, 2.0, 0.5, 1.0
_STRANGERS = 600
# A word that names the thing a question is about: in at most one of 400 sentences.
_NAMING = 6.0


@dataclass(frozen=True, slots=True, eq=False)
class Example:
    """One question over its policy: features, and which sentences are evidence.

    ``repeated`` marks a question that has been asked of its own policy already.
    """

    question: Question
    table: Sheet
    evidence: NDArray[np.bool_]
    answerable: bool
    policy: str
    weight: float
    repeated: bool

    @property
    def trains_ranking(self) -> bool:
        """Whether there is a right sentence among the candidates to rank first."""
        return bool(self.evidence.any())


def half_of(policy: str) -> int:
    """Return which half of the training policies one belongs to, 0 or 1."""
    return sha256(policy.encode()).digest()[0] % HALVES


def load(home: Home, data: Path) -> list[Example]:
    """Write how rare the training policies' words are, and return all examples.

    The home's encoder was tuned on these policies, but it is the average of two that each have seen
    half of them, and knows them no better than others: by its similarity alone the evidence comes
    first for 0.77 of the answered training questions and for 0.75 of the development ones.
    """
    ours = policy_questions.load(data / "policy-questions", "train")
    experts = opp115.load(data / "opp115", "train")
    _write_rarity([*ours.texts.values(), *experts.texts.values()], home.encoder)
    strangers = _strangers(data / "squad" / "dev-v2.0.json", ours)
    policies = indexed(home, ours, progress=_show)
    expert_policies = indexed(home, experts, progress=_show)
    return [
        *_examples(home, ours, policies, OWN),
        *_examples(home, experts, expert_policies, OPP115),
        *_examples(home, strangers, policies, STRANGER),
        *_examples(home, _elsewhere(ours, policies), policies, ELSEWHERE, repeated=True),
    ]


def _write_rarity(texts: Iterable[str], encoder: Encoder) -> None:
    """Count in how many sentences of the training policies each stem stands."""
    counts: Counter[str] = Counter()
    total = 0
    for text in texts:
        _, passages = split("", text, window=encoder.window, count=encoder.count)
        for sentence in (sentence for passage in passages for sentence in passage.sentences):
            counts.update(words.stems_of(readable(text[sentence.start : sentence.end])))
            total += 1
    table = {stem: round(math.log(1 + total / n), 2) for stem, n in sorted(counts.items()) if n > 1}
    table[""] = round(math.log(1 + total), 2)
    words.RARITY.write_text(
        json.dumps(table, ensure_ascii=False, indent=0) + "\n", encoding="utf-8"
    )
    words.forget_rarities()


def _strangers(file: Path, benchmark: Benchmark) -> Benchmark:
    """Return questions of SQuAD 2.0, each put to a policy that has nothing to do with it."""
    articles = json.loads(file.read_text(encoding="utf-8"))["data"]
    questions = [
        qa["question"].strip()
        for article in articles
        for paragraph in article["paragraphs"]
        for qa in paragraph["qas"]
    ]
    chooser = random.Random(SEED)
    names = sorted(benchmark.texts)
    cases = tuple(
        _unanswered(f"squad-{n}", chooser.choice(names), question)
        for n, question in enumerate(chooser.sample(questions, _STRANGERS))
    )
    return Benchmark("squad", cases, benchmark.texts)


def _unanswered(id_: str, policy: str, question: str) -> Case:
    return Case(id_, question, "made", "train", (policy,), {policy: Expected(stated=False)})


def _elsewhere(benchmark: Benchmark, policies: Mapping[str, Policy]) -> Benchmark:
    """Put answered questions to a policy without any of the rare words they share with evidence."""
    chooser = random.Random(SEED)
    used = {name: words.stems_of(readable(policy.text)) for name, policy in policies.items()}
    cases = []
    for case in benchmark.cases:
        text = policies[case.policy].text
        quoted = " ".join(place.of(text) for place in _places(case))
        evidence = words.stems_of(readable(quoted))
        shared = words.of_question(case.question).stems & evidence
        naming = {stem for stem in shared if words.rarity_of(stem) >= _NAMING}
        others = [name for name in sorted(used) if naming.isdisjoint(used[name])]
        if naming and others:
            other = chooser.choice(others)
            cases.append(_unanswered(f"{case.id}-{other}", other, case.question))
    return Benchmark("elsewhere", tuple(cases), benchmark.texts)


def _examples(
    home: Home,
    benchmark: Benchmark,
    policies: Mapping[str, Policy],
    weight: float,
    *,
    repeated: bool = False,
) -> list[Example]:
    examples = []
    texts = [case.question for case in benchmark.cases]
    vectors = home.encoder.encode_passages(texts)
    for number, (case, vector) in enumerate(zip(benchmark.cases, vectors, strict=True), start=1):
        policy, question = policies[case.policy], Question(case.question, vector)
        found = retrieve(home, question, [policy], top_k=home.settings.evidence)
        table = sheet(question, found.evidence[policy.id])
        evidence = np.array([_is_evidence(case, s.start, s.end) for s in table.sentences])
        examples.append(
            Example(
                question,
                table,
                evidence,
                case.expect[case.policy].stated,
                policy.id,
                weight,
                repeated,
            )
        )
        _show(benchmark.name, number, len(texts))
    return examples


def _is_evidence(case: Case, start: int, end: int) -> bool:
    return any(overlaps(Span(start, end), place) for place in _places(case))


def _places(case: Case) -> list[Span]:
    """Return every place of the evidence, in the order of the text."""
    return sorted({place for piece in case.expect[case.policy].gold for place in piece})


def _show(what: str, done: int, total: int) -> None:
    print(f"\r{done}/{total} {what:40.40}", end="" if done < total else "\n", flush=True)
