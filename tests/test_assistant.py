"""The assistant: every citation stands in its policy, and what is not stated is not cited."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import OpenHome
from fakes import ANY_TEXT, FakeEncoder, FakeReader
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import qa
from index.build import ensure_bundled, remove, sync
from index.encode import Encoder
from index.errors import AmbiguousNameError, StoreError, UnknownPolicyError, UsageError
from index.home import Home
from index.settings import Settings
from qa import Assistant, render
from qa.assistant import LONGEST_QUESTION, checked
from qa.types import Answer, Citation

COMPANIES = ("acme", "brisk", "zeta")
QUESTIONS = (
    "how long is data retained?",
    "Who gets my data, and why?",
    "Do you use cookies?",
    "What rights do I have under the GDPR?",
    "Does Webee sell my personal information?",
    "how can I contact Wepos or WeCloudit?",
    "Is my data encrypted? 🔒",
    "What is the capital of France?",
    "asdf qwer",
    "How long does Spotify keep my history?",
    '"; DROP TABLE policies; -- AND OR NEAR(*)',
)


def words(company: str) -> str:
    return (
        f"# {company} Privacy Policy\n\n{company} collects the name of each customer.\n\n"
        f"# Storage\n\n{company} keeps the data of each customer for 90 days. It is then deleted.\n"
    )


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    folder = tmp_path / "docs"
    folder.mkdir()
    for company in COMPANIES:
        (folder / f"{company}.txt").write_text(words(company.title()))
    return folder


@pytest.fixture
def home(open_home: OpenHome, docs: Path) -> Home:
    """A home of three small policies."""
    opened = open_home()
    sync(opened, [docs])
    return opened


@pytest.fixture(scope="module")
def real(indexed_home: Path, encoder: Encoder) -> Iterator[Assistant]:
    """The assistant over the five policies, with the default encoder and the trained reader."""
    home = Home(Settings(home=indexed_home))
    home.__dict__["encoder"] = encoder
    yield Assistant(home)
    home.close()


@pytest.fixture(scope="module")
def answers(real: Assistant) -> dict[str, Answer]:
    return {question: real.ask(question) for question in QUESTIONS}


def every_citation(answer: Answer) -> list[tuple[str, Citation]]:
    """Return all citations and nearest passages of an answer with their policy."""
    return [
        (one.policy, citation)
        for one in answer.answers
        for citation in (*one.citations, *one.nearest)
    ]


def assert_kept(answer: Answer, texts: dict[str, str]) -> None:
    """Check what holds of every answer."""
    cited = every_citation(answer)
    for policy, citation in cited:
        assert texts[policy][citation.start : citation.end] == citation.quote
        assert citation.quote.strip() == citation.quote != ""
    assert len({citation.marker for _, citation in cited}) == len(cited)
    sure = [one.p_stated for one in answer.answers]
    assert sure == sorted(sure, reverse=True)
    for one in answer.answers:
        assert (one.status == "stated") == (one.p_stated >= 0.5) == bool(one.citations)
        assert one.confidence == max(one.p_stated, 1 - one.p_stated)
        assert not (one.citations and one.nearest)
        markers = [marker for said in one.statements for marker in said.markers]
        assert markers == [citation.marker for citation in one.citations]
        assert all(bool(said.markers) == said.verified for said in one.statements)
        assert all(f"[{marker}]" in one.text for marker in markers)
    unverified = [said for one in answer.answers for said in one.statements if not said.verified]
    assert len(unverified) <= len(answer.problems)


def test_the_public_names_are_these() -> None:
    assert qa.__all__ == [
        "Answer", "Assistant", "Citation", "Comparison", "Draft", "PolicyAnswer", "PolicyQAError",
        "Preview", "Problem", "SearchResult", "SearchResults", "Statement",
    ]  # fmt: skip
    for name in qa.__all__:
        assert getattr(qa, name).__name__ == name
    with pytest.raises(AttributeError, match="'nothing'"):
        _ = qa.nothing


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    sure=st.tuples(*[st.floats(0, 1)] * 3),
    empty=st.sets(st.sampled_from(COMPANIES)),
    cut=st.sampled_from([0, 0, 1]),
)
def test_whatever_the_reader_says_the_answer_keeps_its_promises(
    home: Home, sure: tuple[float, ...], empty: set[str], cut: int
) -> None:
    told = dict(zip(COMPANIES, sure, strict=True))
    assistant = Assistant(home, FakeReader(told, empty=sorted(empty), cut=cut))
    answer = assistant.ask("how long is data kept?")
    assert_kept(answer, {policy.id: policy.text for policy in assistant.policies})
    assert {one.policy for one in answer.answers} == set(answer.policies) == set(COMPANIES)
    for one in answer.answers:
        sure_enough = told[one.policy] >= 0.5 and one.policy not in empty
        assert one.status == "stated" or not sure_enough or cut
        assert one.p_stated == told[one.policy] or one.status == "not_stated"


def test_a_policy_without_a_quote_is_not_stated_however_sure_the_reader_is(home: Home) -> None:
    reader = FakeReader({"acme": 0.99, "brisk": 0.6, "zeta": 0.1}, empty=["acme"])
    answer = Assistant(home, reader).ask("how long?")
    assert [(one.policy, one.status) for one in answer.answers] == [
        ("brisk", "stated"),
        ("acme", "not_stated"),
        ("zeta", "not_stated"),
    ]


def test_a_quote_that_cuts_a_word_is_a_problem_and_not_shown(home: Home) -> None:
    answer = Assistant(home, FakeReader({"acme": 0.9}, cut=1)).ask("how long?", policies=["acme"])
    (one,) = answer.answers
    assert (one.status, one.citations) == ("not_stated", ())
    assert [problem.code for problem in answer.problems][:1] == ["quote_not_found"]
    assert answer.problems[0].policy == "acme"
    assert all(not said.verified and not said.markers for said in one.statements)


def test_a_policy_that_states_nothing_shows_what_comes_closest(home: Home) -> None:
    answer = Assistant(home, FakeReader({"acme": 0.2})).ask("how long?", policies=["acme"])
    (one,) = answer.answers
    assert (one.status, one.statements, one.citations) == ("not_stated", (), ())
    assert one.nearest
    assert one.text == "Acme does not state this."


def test_a_citation_says_where_it_stands(home: Home) -> None:
    answer = Assistant(home, FakeReader({"acme": 0.9})).ask("how long?", policies=["acme"])
    policy = Assistant(home).policy("acme")
    sections = home.catalog.sections("acme")
    for citation in answer.answers[0].citations:
        (around,) = [s for s in sections if s.start <= citation.start < s.end]
        assert citation.section == around.path
        assert (citation.source, citation.sha256) == ("acme.txt", policy.sha256)


def test_a_scope_is_kept_to(home: Home) -> None:
    assistant = Assistant(home, FakeReader(dict.fromkeys(COMPANIES, 0.9)))
    answer = assistant.ask("how long?", policies=["zeta", "Acme", "acme"])
    assert answer.policies == ("zeta", "acme")
    assert {one.policy for one in answer.answers} == {"acme", "zeta"}
    found = assistant.search("how long?", policies=["Zeta"]).results
    assert {result.policy for result in found} == {"zeta"}


def test_a_policy_that_is_not_there_is_refused_with_those_like_it(home: Home) -> None:
    assistant = Assistant(home, FakeReader({}))
    for call in (assistant.ask, assistant.search):
        with pytest.raises(UnknownPolicyError, match="'acne'") as caught:
            call("how long?", policies=["acne"])
        assert "did you mean acme?" in caught.value.hint


def test_a_name_of_two_policies_is_refused_with_both(open_home: OpenHome, tmp_path: Path) -> None:
    for folder, days in (("a", "30"), ("b", "60")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "acme.txt").write_text(words("Acme").replace("90", days))
    home = open_home()
    assert sync(home, [tmp_path / "a", tmp_path / "b"]).added == ("acme", "acme-2")
    assistant = Assistant(home, FakeReader({"acme": 0.9, "acme-2": 0.9}))
    with pytest.raises(AmbiguousNameError, match="acme, acme-2") as caught:
        assistant.policy("Acme")
    assert caught.value.hint == "say which: --policy acme"
    assert assistant.policy("acme").id == "acme"
    assert assistant.policy("acme-2").id == "acme-2"


@given(question=ANY_TEXT | st.text(min_size=1990, max_size=2010))
def test_a_question_is_checked_or_refused_with_a_hint(question: str) -> None:
    words = " ".join(question.split())
    if 0 < len(words) <= LONGEST_QUESTION and render.printable(words) == words:
        assert checked(question) == words
    else:
        with pytest.raises(UsageError) as caught:
            checked(question)
        assert caught.value.hint
        assert len(caught.value.message.splitlines()) == 1


@pytest.mark.parametrize(
    ("question", "said"),
    [
        ("", "empty"),
        (" \t\n\u00a0\u2003", "empty"),
        ("a" * 2001, "2,001 characters; the limit is 2,000"),
        ("a" * 100_000, "100,000 characters; the limit is 2,000"),
        ("a\x00b", "NUL"),
        ("a\x1b[31mb", "cannot be shown"),
        ("a\x9bb", "cannot be shown"),
        ("a\u202eb", "cannot be shown"),
        ("a\ud800b", "cannot be shown"),
    ],
)
def test_a_question_that_cannot_be_asked_is_refused(home: Home, question: str, said: str) -> None:
    assistant = Assistant(home, FakeReader({}))
    for call in (assistant.ask, assistant.search):
        with pytest.raises(UsageError, match=said):
            call(question)


def test_the_longest_question_is_answered(home: Home) -> None:
    assistant = Assistant(home, FakeReader(dict.fromkeys(COMPANIES, 0.2)))
    assert len(assistant.ask("a " * 1000).question) == LONGEST_QUESTION - 1
    assert assistant.ask("q" * LONGEST_QUESTION).answers


def test_a_question_without_any_policy_is_refused(open_home: OpenHome) -> None:
    with pytest.raises(UsageError, match="no policy is indexed") as caught:
        Assistant(open_home(), FakeReader({})).ask("how long?")
    assert "policyqa index" in caught.value.hint


def test_search_ranks_distinct_passages_over_all_policies(home: Home) -> None:
    assistant = Assistant(home, FakeReader(dict.fromkeys(COMPANIES, 0.9)))
    found = assistant.search("how long?", top_k=100).results
    texts = {policy.id: policy.text for policy in assistant.policies}
    assert [result.rank for result in found] == list(range(1, len(found) + 1))
    scores = [result.score for result in found]
    assert scores == sorted(scores, reverse=True)
    assert len({(result.policy, result.start) for result in found}) == len(found)
    assert all(texts[r.policy][r.start : r.end] == r.text for r in found)
    assert len(found) == len(home.catalog.passage_ids())


def test_search_gives_the_first_of_what_more_would_give(home: Home) -> None:
    assistant = Assistant(home, FakeReader(dict.fromkeys(COMPANIES, 0.9)))
    everything = assistant.search("how long?", top_k=100).results
    for top_k in range(1, len(everything) + 1):
        assert assistant.search("how long?", top_k=top_k).results == everything[:top_k]


@pytest.mark.parametrize("top_k", [0, -1])
def test_search_for_no_result_is_refused(home: Home, top_k: int) -> None:
    with pytest.raises(UsageError, match=f"top_k is {top_k}"):
        Assistant(home, FakeReader({})).search("how long?", top_k=top_k)


def test_a_change_by_another_writer_is_seen(home: Home, open_home: OpenHome, docs: Path) -> None:
    assistant = Assistant(home, FakeReader(dict.fromkeys((*COMPANIES, "newco"), 0.9)))
    assert len(assistant.policies) == 3
    other = open_home()
    remove(other, "acme")
    (docs / "newco.txt").write_text(words("Newco"))
    sync(other, [docs / "newco.txt"])
    answer = assistant.ask("how long?")
    assert {one.policy for one in answer.answers} == {"brisk", "newco", "zeta"}
    assert [policy.id for policy in assistant.policies] == ["brisk", "newco", "zeta"]
    assert assistant.policies is assistant.policies


def test_an_index_of_another_encoder_is_refused(home: Home, open_home: OpenHome) -> None:
    other = Assistant(open_home(FakeEncoder("other")), FakeReader({}))
    with pytest.raises(StoreError, match="encoder other"):
        other.ask("how long?")


def test_a_reader_that_was_not_trained_for_the_encoder_says_so(home: Home) -> None:
    answer = Assistant(home).ask("how long is data kept?")
    assert [problem.code for problem in answer.problems] == ["uncalibrated"]
    assert "fake" in answer.problems[0].message
    assert_kept(answer, {policy.id: policy.text for policy in Assistant(home).policies})


def test_of_too_many_policies_the_rest_is_omitted_and_not_called_silent(
    open_home: OpenHome, tmp_path: Path
) -> None:
    many = [f"company{number}" for number in range(52)]
    for name in many:
        (tmp_path / f"{name}.txt").write_text(words(name.title()))
    home = open_home()
    sync(home, [tmp_path])
    answer = Assistant(home, FakeReader(dict.fromkeys(many, 0.2))).ask("how long?")
    assert len(answer.policies) == 52
    assert answer.omitted == 52 - len(answer.answers) > 0
    assert any("42" in sentence for sentence in render.summary(answer))
    reader = FakeReader({"company7": 0.9})
    named = Assistant(home, reader).ask("how long?", policies=["company7"])
    assert (named.policies, named.omitted) == (("company7",), 0)


@pytest.mark.parametrize("question", QUESTIONS)
def test_real_answers_keep_their_promises(
    answers: dict[str, Answer], bundled: dict[str, str], question: str
) -> None:
    answer = answers[question]
    assert_kept(answer, bundled)
    codes = [problem.code for problem in answer.problems]
    assert codes == (["question_not_understood"] if question == "asdf qwer" else [])
    assert answer.engine == "extractive"
    assert {one.policy for one in answer.answers} == set(answer.policies)
    assert all(one.nearest for one in answer.answers if one.status == "not_stated")


def test_some_real_answer_is_stated(answers: dict[str, Answer]) -> None:
    assert any(one.citations for answer in answers.values() for one in answer.answers)


@pytest.mark.parametrize("question", ["What is the capital of France?", "asdf qwer"])
def test_what_no_policy_is_about_is_cited_from_none(
    answers: dict[str, Answer], question: str
) -> None:
    answer = answers[question]
    assert [one.status for one in answer.answers] == ["not_stated"] * 5
    assert not any(one.citations for one in answer.answers)
    assert answer.unknown_names == ()


def test_a_company_that_is_not_indexed_is_named(answers: dict[str, Answer]) -> None:
    answer = answers["How long does Spotify keep my history?"]
    assert answer.unknown_names == ("Spotify",)
    assert (answer.policies, answer.answers) == ((), ())
    assert "No policy of Spotify is indexed." in render.answer_markdown(answer).replace("\\", "")


def test_a_company_that_policies_only_speak_of_is_said_to_be_so(real: Assistant) -> None:
    answer = real.ask("Does WhatsApp share my data?")
    assert len(answer.policies) == 5
    [problem] = answer.problems
    assert problem.code == "only_spoken_of"
    assert "Note: no policy of WhatsApp is indexed" in " ".join(render.summary(answer))
    assert real.ask("Is my data shared with WhatsApp?").problems == ()


def test_a_company_that_is_named_is_asked_alone(answers: dict[str, Answer]) -> None:
    assert answers["Does Webee sell my personal information?"].policies == ("webee",)
    assert answers["how can I contact Wepos or WeCloudit?"].policies == ("wepos", "wecloudit")


def test_asking_again_gives_the_same_answer(real: Assistant, answers: dict[str, Answer]) -> None:
    question = QUESTIONS[0]
    again = real.ask(f"  {question}\n")
    assert again.answers == answers[question].answers
    assert again.question == question


def test_read_is_what_ask_is_built_on(real: Assistant, answers: dict[str, Answer]) -> None:
    for one in answers[QUESTIONS[0]].answers:
        reading = real.read(QUESTIONS[0], real.policy(one.policy))
        if one.status == "stated":
            assert reading.p_stated == one.p_stated


def test_open_gives_a_new_home_the_bundled_policies(own_home: Path) -> None:
    steps: list[str] = []
    assistant = Assistant.open(own_home, progress=lambda what, *_: steps.append(what))
    assert steps == []
    assert len(assistant.policies) == 5
    ensure_bundled(assistant.home)
    assistant.close()
