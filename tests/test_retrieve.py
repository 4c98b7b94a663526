"""Retrieval: every policy in scope gets its own evidence, whatever is asked of however many."""

from __future__ import annotations

import doctest
import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from index.build import sync
from index.encode import Encoder
from index.errors import StoreError
from index.home import Home
from index.settings import Settings
from index.types import Policy
from qa import retrieve as module
from qa.retrieve import DEEP, fuse, retrieve
from qa.types import Question

TOPICS = {
    "Storage": "{} keeps your data for {} days and deletes it after that.",
    "Cookies": "{} sets cookies that expire after {} hours.",
    "Sharing": "{} shares data with {} advertising partners, and says do-not-track is ignored.",
    "Children": "{} is not for children under {} years of age.",
    "Security": "{} encrypts what it stores with keys of {} bits.",
}
SHORT, LONG = ("acme", "beta", "zeta"), "long"
OFTEN = 12
MANY = DEEP + 12
ODD = "quokka"

RANKINGS = st.lists(st.integers(0, 8), unique=True)


def words(company: str, number: int, *, times: int = 1) -> str:
    parts = [
        f"# {title} {time}\n\n{sentence.format(company, number + time)}\n"
        for time in range(times)
        for title, sentence in TOPICS.items()
    ]
    return "\n".join([f"# {company} Privacy Policy\n", *parts])


def opened(folder: Path, encoder: Encoder, texts: dict[str, str]) -> Home:
    docs = folder / "docs"
    docs.mkdir()
    for id_, text in texts.items():
        (docs / f"{id_}.txt").write_text(text, encoding="utf-8")
    home = Home(Settings(home=folder / "home"))
    home.__dict__["encoder"] = encoder
    sync(home, [docs])
    return home


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, encoder: Encoder) -> Iterator[Home]:
    """Three short policies and a long one that says the same many times."""
    texts = {id_: words(id_.title(), number) for number, id_ in enumerate(SHORT, start=30)}
    texts[LONG] = words("Long", 100, times=OFTEN)
    made = opened(tmp_path_factory.mktemp("few"), encoder, texts)
    yield made
    made.close()


@pytest.fixture(scope="module")
def crowd(tmp_path_factory: pytest.TempPathFactory, encoder: Encoder) -> Iterator[Home]:
    """More policies than are searched one by one; one of them speaks of an animal."""
    texts = {f"firm{n}": f"Firm{n} keeps your data for {n} days.\n" for n in range(MANY)}
    texts["firm7"] += f"We take pictures of your {ODD} and store them in Perth.\n"
    made = opened(tmp_path_factory.mktemp("many"), encoder, texts)
    yield made
    made.close()


def asked(home: Home, text: str) -> Question:
    return Question(text, home.encoder.encode_question(text))


def test_documented_examples_hold() -> None:
    results = doctest.testmod(module)
    assert results.attempted
    assert not results.failed


@pytest.mark.parametrize("top_k", [1, 3, 100])
@pytest.mark.parametrize("question", ["how long is data kept?", "cookies", "who are you?"])
def test_each_policy_gets_its_own_evidence_and_no_more_than_asked(
    home: Home, question: str, top_k: int
) -> None:
    scope = home.catalog.policies()
    found = retrieve(home, asked(home, question), scope, top_k=top_k)
    assert found.omitted == 0
    assert set(found.evidence) == {*SHORT, LONG}
    for policy in scope:
        evidence = found.evidence[policy.id]
        ids = [one.passage.id for one in evidence]
        assert len(set(ids)) == len(ids) == min(top_k, len(home.catalog.passage_ids(policy.id)))
        assert set(ids) <= set(home.catalog.passage_ids(policy.id))
        assert {one.policy for one in evidence} == {policy.id}


def test_evidence_is_what_the_index_holds_best_first(home: Home) -> None:
    scope = home.catalog.policies()
    found = retrieve(home, asked(home, "how long is data kept?"), scope, top_k=5)
    for policy in scope:
        evidence = found.evidence[policy.id]
        assert [one.rank for one in evidence] == list(range(1, len(evidence) + 1))
        assert sorted((one.score for one in evidence), reverse=True) == [e.score for e in evidence]
        for one in evidence:
            passage = one.passage
            assert policy.text[passage.start : passage.end] == passage.text
            assert np.allclose(one.vector, home.vectors.get([passage.id])[passage.id], atol=1e-3)
            assert one.sentence_vectors.shape == (len(passage.sentences), home.encoder.dimension)


@pytest.mark.parametrize(
    ("question", "words"),
    [
        ("how long do you retain my information?", "keeps your data for 30 days"),
        ("AES key length?", "keys of 30 bits"),
        ("do-not-track?", "do-not-track is ignored"),
        ("may a kid use it?", "children under 30 years"),
    ],
)
def test_the_passage_that_answers_comes_first(home: Home, question: str, words: str) -> None:
    scope = [policy for policy in home.catalog.policies() if policy.id == "acme"]
    found = retrieve(home, asked(home, question), scope, top_k=1)
    assert words in found.evidence["acme"][0].passage.text


def test_a_policy_outside_the_scope_is_not_searched(home: Home) -> None:
    scope = [policy for policy in home.catalog.policies() if policy.id in {"beta", LONG}]
    assert set(retrieve(home, asked(home, "Acme"), scope, top_k=3).evidence) == {"beta", LONG}
    assert retrieve(home, asked(home, "Acme"), [], top_k=3) == module.Retrieval({}, 0)


@pytest.mark.parametrize(
    "question",
    [
        "AND",
        "OR NOT AND",
        '"',
        '"cookies',
        "cookies*",
        "*",
        "^cookies",
        "NEAR(",
        "NEAR(cookies data, 2)",
        "policy:acme",
        "text : cookies",
        "{text policy} : data",
        "do-not-track",
        "-cookies",
        "retained?",
        "Acme's",
        "is it of the",
        "?!",
        "_",
        "²",
        "'; DROP TABLE words; --",
        "個人情報 🍪 é\u0301 \u200b",
        " ".join(f"w{n}" for n in range(400)),
        " ".join(map(chr, range(0x4E00, 0x4E00 + 1000))),
    ],
)
def test_no_question_is_syntax(home: Home, question: str) -> None:
    found = retrieve(home, asked(home, question), home.catalog.policies(), top_k=2)
    assert all(len(evidence) == 2 for evidence in found.evidence.values())


@settings(max_examples=50)
@given(
    st.one_of(
        st.text(max_size=80),
        st.text(alphabet='"*^(){}:+-,. aANDORTE', max_size=30),
    )
)
def test_any_words_can_be_asked(home: Home, question: str) -> None:
    vector = np.eye(1, home.encoder.dimension, dtype=np.float32)[0]
    scope = [policy for policy in home.catalog.policies() if policy.id == "acme"]
    assert len(retrieve(home, Question(question, vector), scope, top_k=3).evidence["acme"]) == 3


def test_up_to_the_limit_all_are_searched_in_depth(crowd: Home) -> None:
    scope = crowd.catalog.policies()[:DEEP]
    found = retrieve(crowd, asked(crowd, "how long is data kept?"), scope, top_k=2)
    assert found.omitted == 0
    assert set(found.evidence) == {policy.id for policy in scope}
    assert all(found.evidence.values())


@pytest.mark.parametrize(
    "question", [f"who gets pictures of my {ODD}?", "photos of my pet", "Perth"]
)
def test_beyond_the_limit_the_promising_ones_are_searched_and_the_rest_counted(
    crowd: Home, question: str
) -> None:
    scope = crowd.catalog.policies()
    found = retrieve(crowd, asked(crowd, question), scope, top_k=2)
    assert found.omitted == len(scope) - len(found.evidence) > 0
    assert next(iter(found.evidence)) == "firm7"
    assert any(ODD in one.passage.text for one in found.evidence["firm7"])
    assert all({one.policy for one in ev} == {id_} for id_, ev in found.evidence.items())


def test_a_vector_that_the_catalog_does_not_know_is_ignored(
    tmp_path: Path, encoder: Encoder
) -> None:
    home = opened(tmp_path, encoder, {"acme": words("Acme", 30)})
    question, (policy,) = asked(home, "how long is data kept?"), home.catalog.policies()
    before = retrieve(home, question, [policy], top_k=2).evidence["acme"]
    first = home.catalog.passages(policy)[0]
    passage = replace(first.passage, id="left by a killed writer")
    home.vectors.put("acme", [replace(first, passage=passage, vector=question.vector)])
    after = retrieve(home, question, [policy], top_k=2).evidence["acme"]
    assert [one.passage for one in after] == [one.passage for one in before]
    home.close()


def test_lost_vectors_are_an_error_even_if_words_are_found(
    tmp_path: Path, encoder: Encoder
) -> None:
    home = opened(tmp_path, encoder, {id_: words(id_, 30) for id_ in ("acme", "beta")})
    scope = home.catalog.policies()
    home.vectors.delete(home.catalog.passage_ids("acme"))
    for question in ("cookies", "?"):
        with pytest.raises(StoreError, match="'acme'") as caught:
            retrieve(home, asked(home, question), scope, top_k=2)
        assert "doctor --repair" in caught.value.hint
        assert only(home, scope, "beta", question)
    home.close()


def test_a_long_policys_best_passage_cannot_drop_out_unseen(
    tmp_path: Path, encoder: Encoder
) -> None:
    """It is not among the nearest any more, so that what is found looks right."""
    home = opened(tmp_path, encoder, {LONG: words("Long", 100, times=OFTEN)})
    (policy,) = home.catalog.policies()
    question = asked(home, "how long is data kept?")
    stored = max(
        home.passages(policy).values(), key=lambda one: float(one.vector @ question.vector)
    )
    home.vectors.put(LONG, [replace(stored, vector=-stored.vector)])
    with pytest.raises(StoreError, match="are not what was written"):
        retrieve(home, question, [policy], top_k=2)
    home.close()


def test_what_an_approximate_search_cannot_reach_is_found_all_the_same(
    tmp_path: Path, encoder: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Behind thousands of vectors that are nearly the same, Chroma finds few or none of a policy."""
    home = opened(tmp_path, encoder, {"acme": words("Acme", 30)})
    question, scope = asked(home, "how long is data kept?"), home.catalog.policies()
    whole = retrieve(home, question, scope, top_k=4).evidence["acme"]
    search = home.vectors.search
    for reached in (1, 0):
        monkeypatch.setattr(home.vectors, "search", lambda *given, n=reached: search(*given)[:n])
        found = retrieve(home, question, scope, top_k=4).evidence["acme"]
        assert [(one.passage, one.score) for one in found] == [
            (one.passage, one.score) for one in whole
        ]
    home.close()


def test_a_similarity_that_is_no_number_is_damage(
    tmp_path: Path, encoder: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = opened(tmp_path, encoder, {"acme": words("Acme", 30)})
    question, scope = asked(home, "how long is data kept?"), home.catalog.policies()
    hits = home.vectors.search(question.vector, "acme", 10)
    broken = [replace(hit, similarity=math.nan) for hit in hits]
    monkeypatch.setattr(home.vectors, "search", lambda *_: broken)
    with pytest.raises(StoreError, match="are not what was written"):
        retrieve(home, question, scope, top_k=10)
    home.close()


def test_passages_in_memory_are_those_of_the_last_commit(tmp_path: Path, encoder: Encoder) -> None:
    home = opened(tmp_path, encoder, {"acme": words("Acme", 30)})
    (old,) = home.catalog.policies()
    assert home.passages(old) is home.passages(old)
    (tmp_path / "docs" / "acme.txt").write_text(words("Acme", 90), encoding="utf-8")
    sync(home, [tmp_path / "docs"])
    (new,) = home.catalog.policies()
    assert any("90 days" in stored.passage.text for stored in home.passages(new).values())
    home.close()


def only(home: Home, scope: tuple[Policy, ...], id_: str, question: str) -> bool:
    chosen = [policy for policy in scope if policy.id == id_]
    return len(retrieve(home, asked(home, question), chosen, top_k=2).evidence[id_]) == 2


@given(st.lists(RANKINGS))
def test_fusion_scores_each_item_once_and_loses_none(rankings: list[list[int]]) -> None:
    fused = fuse(rankings)
    assert set(fused) == {item for ranking in rankings for item in ranking}
    assert all(0 < score <= len(rankings) / 61 + 1e-12 for score in fused.values())


@given(st.lists(RANKINGS))
def test_fusion_does_not_depend_on_the_order_of_rankings(rankings: list[list[int]]) -> None:
    assert fuse(rankings) == pytest.approx(fuse(rankings[::-1]))


@given(RANKINGS)
def test_fusing_one_ranking_keeps_it(ranking: list[int]) -> None:
    fused = fuse([ranking])
    assert sorted(fused, key=lambda item: -fused[item]) == ranking


@given(RANKINGS.filter(lambda ranking: len(ranking) > 1), RANKINGS)
def test_to_rank_higher_somewhere_and_nowhere_lower_is_to_score_higher(
    ranking: list[int], other: list[int]
) -> None:
    first, second = ranking[:2]
    rest = [item for item in other if item not in (first, second)]
    fused = fuse([ranking, [first, second, *rest]])
    assert fused[first] > fused[second]
