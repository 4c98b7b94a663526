"""Training: from a few questions to weights that the reader loads, the shipped ones untouched."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from fakes import evidence_of

from eval.train import examples
from eval.train.examples import Example
from index.encode import Encoder
from index.home import Home
from index.settings import Settings
from qa.reader import linear, words
from qa.reader.features import RELEVANCE_FEATURES, SENTENCE_FEATURES, SUMMARY_FEATURES
from qa.reader.linear import LinearReader, Weights
from qa.types import Question

SHIPPED = (linear.WEIGHTS, words.RARITY)
THINGS = ("orders", "recipes", "letters", "pictures", "drawings", "playlists")
STRANGERS = [f"Which river flows through city number {n}?" for n in range(12)]
RANK, NETWORKS, UNITS = 4, 2, 3


def policy_of(thing: str, number: int) -> str:
    return (
        f"# Privacy\n\nWe keep your {thing} for {number} days after you close your account.\n\n"
        f"# Sharing\n\nWe share your {thing} with a partner who prints them on paper.\n\n"
        "# Cookies\n\nOur site sets cookies to count those who visit it each day.\n"
    )


def ours(thing: str, number: int) -> list[dict[str, object]]:
    """Return two questions that the policy answers, and one that it does not."""
    kept = f"We keep your {thing} for {number} days after you close your account."
    asked = {
        f"How long are my {thing} kept?": [kept],
        "Do you use cookies on the site?": ["Our site sets cookies to count those who visit it"],
        f"Are my {thing} encrypted when you store them?": [],
    }
    return [
        {
            "id": f"{thing}-{n}",
            "policy": thing,
            "kind": "made up",
            "question": question,
            "answerable": bool(quotes),
            "quotes": quotes,
        }
        for n, (question, quotes) in enumerate(asked.items())
    ]


def experts(thing: str, number: int) -> list[dict[str, object]]:
    text = policy_of(thing, number)
    start = text.index("We share")
    asked = {"Who gets my data?": [[start, text.index(".", start) + 1]], "Is my child safe?": []}
    return [
        {
            "id": f"{thing}:{n}",
            "policy": f"{thing}.example",
            "practice": "made up",
            "question": question,
            "answerable": bool(evidence),
            "evidence": evidence,
            "also_ok": [],
        }
        for n, (question, evidence) in enumerate(asked.items())
    ]


def write_sets(folder: Path) -> Path:
    """Write the train parts of the sets, and no others, in their layouts."""
    own, other = folder / "policy-questions", folder / "opp115" / "train"
    for policies in (own / "policies", other / "policies", folder / "squad"):
        policies.mkdir(parents=True)
    lines: tuple[list[str], list[str]] = ([], [])
    for number, thing in enumerate(THINGS, start=30):
        (own / "policies" / f"{thing}.md").write_text(policy_of(thing, number))
        (other / "policies" / f"{thing}.example.txt").write_text(policy_of(thing, number + 50))
        lines[0].extend(map(json.dumps, ours(thing, number)))
        lines[1].extend(map(json.dumps, experts(thing, number + 50)))
    (own / "train.jsonl").write_text("\n".join(lines[0]))
    (other / "questions.jsonl").write_text("\n".join(lines[1]))
    questions = [{"question": question} for question in STRANGERS]
    articles = [{"paragraphs": [{"qas": questions[:5]}, {"qas": questions[5:]}]}]
    (folder / "squad" / "dev-v2.0.json").write_text(json.dumps({"data": articles}))
    return folder


@dataclass(frozen=True)
class Trained:
    """What one run of the command left, and the module that trained."""

    fit: ModuleType
    weights: Path
    rarity: Path
    loaded: list[Example]
    shipped: tuple[bytes, ...]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, encoder: Encoder) -> Iterator[Trained]:
    """Train once, in a temporary place, on a made-up data set with little of everything."""
    from eval.train import __main__ as command  # torch takes seconds: only where it is needed
    from eval.train import fit

    folder = tmp_path_factory.mktemp("train")
    weights, rarity = folder / "weights.npz", folder / "rarity.json"
    shipped = tuple(file.read_bytes() for file in SHIPPED)
    data = write_sets(folder / "data")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(command, "WEIGHTS", weights)
        patch.setattr(linear, "WEIGHTS", weights)
        patch.setattr(words, "RARITY", rarity)
        for name, value in (("RANK", RANK), ("EPOCHS", 2), ("FOLDS", 3), ("BATCH", 4),
                            ("NETWORKS", NETWORKS), ("UNITS", UNITS)):  # fmt: skip
            patch.setattr(fit, name, value)
        patch.setattr(examples, "_STRANGERS", 8)
        patch.setattr(examples, "_NAMING", 2.0)
        words.forget_rarities()
        arguments = ["--data", str(data), "--home", str(folder / "home")]
        patch.setattr(sys, "argv", ["train", *arguments])
        command.main()
        with closing(Home(Settings(home=folder / "home"))) as home:
            loaded = examples.load(home, data)
        yield Trained(fit, weights, rarity, loaded, shipped)
    words.forget_rarities()


def test_the_shipped_files_are_not_touched(trained: Trained) -> None:
    assert tuple(file.read_bytes() for file in SHIPPED) == trained.shipped
    assert trained.weights not in SHIPPED


def test_the_reader_loads_what_was_written(trained: Trained, encoder: Encoder) -> None:
    own, other = LinearReader.load(encoder.name), LinearReader.load("another")
    assert (own.calibrated, other.calibrated) == (True, False)
    assert own.weights.move.shape == (2, RANK, encoder.dimension)
    assert own.weights.prior.shape == (encoder.dimension + 1,)
    assert [len(array) for array in (other.weights.move, other.weights.prior)] == [0, 0]
    for weights in (own.weights, other.weights):
        assert weights.sentence.shape == (len(SENTENCE_FEATURES),)
        assert weights.relevance.shape == (len(RELEVANCE_FEATURES) + 1,)
        assert weights.units.shape == (NETWORKS, len(SUMMARY_FEATURES) + 1, UNITS)
        assert weights.outputs.shape == (NETWORKS, UNITS + 1)
        assert all(np.isfinite(array).all() for array in weights.dump("").values())


def test_what_was_learned_tells_an_answer_from_silence(trained: Trained, encoder: Encoder) -> None:
    own = evidence_of("orders", policy_of("orders", 30), encoder)
    for name in (encoder.name, "another"):
        reader = LinearReader.load(name)
        kept, river = (
            reader.read(Question(text, encoder.encode_question(text)), own)
            for text in ("How long are my orders kept?", STRANGERS[0])
        )
        best = kept.candidates[0]
        assert "30 days" in policy_of("orders", 30)[best.sentence.start : best.sentence.end]
        assert 0 < river.p_stated < kept.p_stated < 1


def test_rarity_counts_the_sentences_that_have_a_word(trained: Trained) -> None:
    table = json.loads(trained.rarity.read_text(encoding="utf-8"))
    policies = 2 * len(THINGS)
    sentences = 6 * policies
    assert table[""] == round(math.log(1 + sentences), 2)
    assert table["cooki"] == round(math.log(1 + sentences / (2 * policies)), 2)
    assert table["close"] == round(math.log(1 + sentences / policies), 2)
    assert all(0 < rarity <= table[""] for rarity in table.values())
    assert words.rarity_of("close") == table["close"]
    assert not words.is_word("river")


def test_every_question_becomes_an_example_of_its_kind(trained: Trained) -> None:
    own = [e for e in trained.loaded if not e.repeated and e.question.text not in STRANGERS]
    strangers = [e for e in trained.loaded if e.question.text in STRANGERS]
    elsewhere = [e for e in trained.loaded if e.repeated]
    assert len(own) == 5 * len(THINGS)
    assert len(strangers) == 8 == len({e.question.text for e in strangers})
    assert elsewhere
    for example in own:
        assert example.answerable == example.trains_ranking
    for example in (*strangers, *elsewhere):
        assert not example.answerable
        assert not example.trains_ranking
    for example in elsewhere:
        named = [thing for thing in THINGS if thing in example.question.text]
        assert named
        assert not [
            thing for thing in named if words.of_sentence(thing).stems & example.table.found
        ]


def test_evidence_marks_the_sentences_that_hold_the_gold(trained: Trained) -> None:
    for example in trained.loaded:
        passages = example.table.owners
        marked = [
            owner.passage.text[s.start - owner.passage.start : s.end - owner.passage.start]
            for owner, s, is_gold in zip(
                passages, example.table.sentences, example.evidence, strict=True
            )
            if is_gold
        ]
        assert len(marked) == int(example.answerable)
        if example.question.text.startswith("How long"):
            assert all("days after you close" in text or example.repeated for text in marked)


@pytest.mark.parametrize("moved", [True, False])
def test_training_again_gives_the_same_weights(trained: Trained, moved: bool) -> None:
    one, other = (trained.fit.train(trained.loaded, trained=moved) for _ in range(2))
    for name, array in one.dump("").items():
        assert (array == other.dump("")[name]).all()


@pytest.mark.parametrize("moved", [True, False])
def test_the_trainable_form_scores_as_the_reader_does(trained: Trained, moved: bool) -> None:
    import torch

    example = trained.loaded[0]
    table, dimension = example.table, len(example.question.vector)
    generator = np.random.default_rng(0)
    size = len(SENTENCE_FEATURES)
    weights = Weights(
        mean=generator.normal(size=size),
        scale=generator.uniform(0.5, 2, size=size),
        sentence=generator.normal(size=size),
        stretch=generator.normal(size=dimension) if moved else np.zeros(0),
        move=generator.normal(size=(2, RANK, dimension)) if moved else np.zeros(0),
        similarity=np.array([5.0, 1.0]) if moved else np.zeros(2),
        **dict.fromkeys(
            (
                "relevance",
                "prior",
                "summary_mean",
                "summary_scale",
                "units",
                "thresholds",
                "outputs",
                "raised",
            ),
            np.zeros(0),
        ),
    )
    ranker = trained.fit.Ranker(weights.mean, weights.scale, dimension, trained=moved).eval()
    ours = {"sentence": weights.sentence}
    if moved:
        ours |= {"left": weights.move[0], "right": weights.move[1]}
        ours |= {"stretch": weights.stretch, "similarity": weights.similarity}
    ranker.load_state_dict({name: torch.tensor(array) for name, array in ours.items()})
    with torch.no_grad():
        inputs = (example.question.vector, table.numbers, table.vectors, table.passage_vectors)
        scores = ranker(*(torch.tensor(array, dtype=torch.float32) for array in inputs))
    expected, _ = weights.score(example.question, table)
    np.testing.assert_allclose(scores.numpy(), expected, rtol=1e-3, atol=1e-3)


def test_ablations_tell_what_each_part_is_worth(
    trained: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    from eval.train import ablations

    blind = ablations.Variant("blind", SENTENCE_FEATURES, has_map=False, has_prior=False)
    monkeypatch.setattr(ablations, "VARIANTS", (ablations.VARIANTS[0], blind))
    header, _, *rows = ablations.table(trained.loaded).splitlines()
    assert header.count("AUROC") == 2
    (whole, *all_of_it), (name, *nothing) = (row.strip("| ").split(" | ") for row in rows)
    assert (whole, name) == ("all of it", "blind")
    assert all_of_it == ["1.000"] * 6
    assert min(map(float, nothing)) < 1
