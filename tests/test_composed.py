"""Answers in a language model's words: verified, marked, or the policy's own sentences instead."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import pytest
from scripted import WIRES, Act, Asked, Server, honest, passages_of, policy_of, reply, waited

from index import build
from index.encode import Encoder
from index.errors import UsageError
from index.home import Home
from index.settings import Settings
from qa import compose, prompts, render
from qa.assistant import Assistant
from qa.chat import Resolved, resolve
from qa.drafts import spoken
from qa.llm import Prompt
from qa.types import Answer, Draft, Preview

QUESTION = "how long is data retained?"
BOTH = ("web1on1", "webee")
SOON = {"llm_first_seconds": 0.3, "llm_idle_seconds": 0.3, "llm_total_seconds": 1.0}
FAULTS = (
    "hang", "hang amid", "endless", "cut", "break", "half line", "bad json", "html", "compressed",
    "empty choices", "error event", "duplicate", "length", "filter", "401", "404", "503", "redirect",
)  # fmt: skip
Open = Callable[..., Assistant]


@pytest.fixture
def ask_with(
    llm_server: Server, indexed_home: Path, encoder: Encoder, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Open]:
    """Open the five policies with a model of ``llm_server``; every policy is worth a request."""
    opened: list[Assistant] = []
    monkeypatch.setattr(compose, "FLOOR", 0.0)

    def open_one(
        wire: str = "openai", *, home: Path = indexed_home, **options: object
    ) -> Assistant:
        told = {"llm": f"{wire}/m", "llm_base_url": llm_server.base(wire), "llm_cache": False}
        made = Home(Settings(home=home, **{**told, **options}))  # type: ignore[arg-type]
        made.__dict__["encoder"] = encoder
        assistant = Assistant(made)
        if assistant.llm:
            _ = assistant.llm.adapter  # importing it takes long, and no deadline counts that
        opened.append(assistant)
        return assistant

    yield open_one
    for assistant in opened:
        assistant.close()


@pytest.fixture
def own_words(ask_with: Open) -> Callable[..., Answer]:
    """Return the answer that is given without a model."""
    assistant = ask_with(llm="none")
    return lambda policies=(): assistant.ask(QUESTION, policies=policies)


def content(answer: Answer) -> list[tuple[object, ...]]:
    """Return what an answer says, without the numbers of its quotes."""
    return [
        (
            one.policy,
            one.status,
            [(s.text, s.verified) for s in one.statements],
            [(c.quote, c.start) for c in one.citations],
        )
        for one in answer.answers
    ]


def assert_true(assistant: Assistant, answer: Answer) -> None:
    """Every citation is the policy's own text, and the status says whether there is one."""
    markers = [c.marker for one in answer.answers for c in (*one.citations, *one.nearest)]
    assert len(set(markers)) == len(markers)
    for one in answer.answers:
        text = assistant.policy(one.policy).text
        for citation in (*one.citations, *one.nearest):
            assert text[citation.start : citation.end] == citation.quote
        assert (one.status == "stated") == bool(one.citations) == (one.p_stated >= 0.5)
        assert (one.status == "stated") == any(s.verified for s in one.statements)
        cited = {c.marker for c in one.citations}
        assert {m for s in one.statements for m in s.markers} == cited
        assert all(s.verified or not s.markers for s in one.statements)


@pytest.mark.parametrize("wire", WIRES)
def test_an_answer_is_the_models_words_over_the_policys_sentences(
    ask_with: Open, llm_server: Server, wire: str
) -> None:
    llm_server.script = honest
    assistant = ask_with(wire)
    answer = assistant.ask(QUESTION)
    assert_true(assistant, answer)
    assert answer.engine == f"{wire}/m"
    assert {one.status for one in answer.answers} == {"stated"}
    assert {s.text for one in answer.answers for s in one.statements} == {
        "The policy answers this."
    }
    assert answer.answers[0].text == "The policy answers this. [1]"
    assert answer.problems == ()
    assert (answer.tokens_in, answer.tokens_out or 0) > (0, 0)
    assert len(llm_server.asked) == len(answer.policies) == 5
    assert len({policy_of(asked) for asked in llm_server.asked}) == 5


@pytest.mark.parametrize("wire", WIRES)
def test_every_fault_ends_in_time_in_the_policies_own_words_labelled(
    ask_with: Open, own_words: Callable[..., Answer], llm_server: Server, wire: str
) -> None:
    assistant, expected = ask_with(wire, **SOON), content(own_words(BOTH))
    for fault in FAULTS:
        llm_server.script = lambda asked, fault=fault: Act(honest(asked).text, fault)
        started = time.monotonic()
        answer = assistant.ask(QUESTION, policies=BOTH)
        assert time.monotonic() - started < SOON["llm_total_seconds"] + 1.5, fault
        assert content(answer) == expected, fault
        assert answer.engine == "extractive"
        assert {problem.policy for problem in answer.problems} == set(BOTH), fault
        for problem in answer.problems:
            assert problem.code.startswith("llm_")
            assert problem.message.endswith("what is shown is the policy's own words")
        assert_true(assistant, answer)


def test_one_policys_failure_is_its_own(ask_with: Open, llm_server: Server) -> None:
    def script(asked: Asked) -> Act:
        return Act(fault="500") if policy_of(asked) == "Webee" else honest(asked)

    llm_server.script = script
    answer = ask_with().ask(QUESTION)
    assert [p.policy for p in answer.problems] == ["webee"]
    engines = {one.policy: one.engine for one in answer.answers}
    assert engines.pop("webee") == "extractive"
    assert set(engines.values()) == {"openai/m"} == {answer.engine}


@pytest.mark.parametrize("said", ["", "Data is kept for 90 days.", '{"stated": true}', "[]", "{"])
def test_a_reply_of_another_form_is_a_failure(
    ask_with: Open, own_words: Callable[..., Answer], llm_server: Server, said: str
) -> None:
    llm_server.acts = [Act(said)]
    answer = ask_with().ask(QUESTION, policies=["webee"])
    assert content(answer) == content(own_words(["webee"]))
    assert answer.problems[0].code in {"llm_protocol", "llm_empty"}


SAID = reply(("It is kept 90 days.", [(1, "QUOTE")]))
EXTRA = json.loads(SAID) | {"confidence": 0.9}


@pytest.mark.parametrize(
    "form",
    [
        "\ufeff{}", "Here it is:\n{}", "{}\nI hope that helps.", "```JSON\n{}\n```",
        "Sure:\n```\n{}\n```\nDone.", "<think>It says {{}}.</think>{}", "no opener</think>\n\n{}",
        "<think>a</think><think>b</think>{}", '{{"stated": false}}\nNo, wait:\n{}',
    ],
)  # fmt: skip
@pytest.mark.parametrize("said", [SAID, json.dumps(EXTRA), SAID.replace(": 1", ': "1"')])
def test_what_models_put_around_and_into_a_reply_does_not_cost_it(
    ask_with: Open, llm_server: Server, form: str, said: str
) -> None:
    quote = "We retain your usage data for a period of 90 days after your trial"
    llm_server.acts = [Act(form.format(said.replace("QUOTE", quote)))]
    answer = ask_with().ask(QUESTION, policies=["web1on1"])
    assert [s.text for s in answer.answers[0].statements] == ["It is kept 90 days."]
    assert answer.engine == "openai/m"
    assert answer.problems == ()


@pytest.mark.parametrize(
    "said",
    [
        SAID.replace('"text"', '"text": "It is sold.", "text"'),
        SAID.replace("It is kept 90 days.", "\u200b\u200b."),
        "[" * 50_000, '{"stated": ' * 9_000, '{"stated": true, "statements": {}}',
        '{"stated": "yes", "statements": []}', SAID.replace(": 1", ": 9" + "9" * 5_000),
    ],
)  # fmt: skip
def test_what_means_nothing_certain_is_a_failure(
    ask_with: Open, own_words: Callable[..., Answer], llm_server: Server, said: str
) -> None:
    llm_server.acts = [Act(said, piece=4_000)]
    answer = ask_with().ask(QUESTION, policies=["webee"])
    assert content(answer) == content(own_words(["webee"]))
    assert [problem.code for problem in answer.problems] == ["llm_protocol"]


def test_a_model_that_finds_nothing_where_the_reader_is_sure_is_said_to(
    ask_with: Open, own_words: Callable[..., Answer], llm_server: Server
) -> None:
    llm_server.acts = [Act(reply())]
    answer = ask_with().ask(QUESTION)
    sure = {one.policy for one in own_words().answers if one.status == "stated"}
    assert sure
    told = {problem.policy for problem in answer.problems if problem.code == "model_finds_none"}
    assert told == sure
    for one in answer.answers:
        assert one.status == "not_stated"
        assert one.nearest


def test_a_model_that_finds_nothing_makes_it_not_stated(ask_with: Open, llm_server: Server) -> None:
    llm_server.acts = [Act(reply())]
    assistant = ask_with()
    answer = assistant.ask(QUESTION)
    assert_true(assistant, answer)
    assert {one.status for one in answer.answers} == {"not_stated"}
    assert answer.engine == "openai/m"


def a_sentence(asked: Asked) -> str:
    return max(passages_of(asked)[1].splitlines(), key=len)


@pytest.mark.parametrize(
    ("code", "spoil"),
    [
        ("quote_not_found", lambda quote: quote.replace("e", "a", 1)),
        ("quote_not_found", lambda quote: f"{quote} {quote}"),
        ("quote_not_found", lambda quote: f"{quote[:20]} … {quote[-20:]}"),
        ("quote_too_short", lambda _: "   "),
        ("quote_too_short", lambda _: "- | -"),
        ("quote_too_short", lambda _: "the"),
        ("no_quote", None),
    ],
)
def test_a_statement_that_its_quotes_do_not_carry_is_marked_below_the_policys_own_words(
    ask_with: Open,
    own_words: Callable[..., Answer],
    llm_server: Server,
    code: str,
    spoil: Callable[[str], str] | None,
) -> None:
    def script(asked: Asked) -> Act:
        quotes = [(1, spoil(a_sentence(asked)))] if spoil else []
        return Act(reply(("It is kept for ever.", quotes)))

    llm_server.script = script
    assistant = ask_with()
    answer = assistant.ask(QUESTION, policies=["web1on1"])
    assert_true(assistant, answer)
    [one], [own] = answer.answers, own_words(["web1on1"]).answers
    assert [s.text for s in one.statements if not s.verified] == ["It is kept for ever."]
    assert [c.quote for c in one.citations] == [c.quote for c in own.citations]
    assert (one.status, one.engine) == (own.status, "extractive")
    assert [problem.code for problem in answer.problems] == [code]
    assert "unverified" in render.answer_markdown(answer)


def test_a_statement_beside_a_verified_one_is_marked_and_counted(
    ask_with: Open, llm_server: Server
) -> None:
    def script(asked: Asked) -> Act:
        quote = [(1, a_sentence(asked))]
        return Act(
            reply(
                ("True.", quote),
                ("It takes 4711 days.", quote),
                ("It takes forty-nine days.", quote),
                ("See evil.example now.", quote),
                ("Ask evil@example.com.", quote),
                ("Half of it is sold.", quote),
            )
        )

    llm_server.script = script
    assistant = ask_with()
    answer = assistant.ask(QUESTION, policies=["webee"])
    assert_true(assistant, answer)
    assert [s.verified for s in answer.answers[0].statements] == [True, *[False] * 5]
    assert [problem.code for problem in answer.problems] == ["not_in_quotes"] * 5
    assert answer.answers[0].text.count("(unverified)") == 5
    assert answer.engine == "openai/m"


def test_a_quote_of_another_policy_is_not_moved_there(ask_with: Open, llm_server: Server) -> None:
    assistant = ask_with()
    foreign = "We retain your usage data for a period of 90 days after your trial"
    llm_server.acts = [Act(reply(("Kept for 90 days.", [(1, foreign)])))]
    answer = assistant.ask(QUESTION, policies=["webee", "web1on1"])
    assert_true(assistant, answer)
    assert [(p.code, p.policy) for p in answer.problems] == [("quote_of_another_policy", "webee")]
    assert "web1on1" in answer.problems[0].message


def two_words_said_twice(asked: Asked) -> tuple[int, str]:
    """Return two words that stand in two places of a passage, and its number."""
    return next(
        (number, f"{one} {two}")
        for number, text in passages_of(asked).items()
        for one, two in pairwise(text.split())
        if one.isalpha() and two.isalpha() and text.count(f"{one} {two}") > 1
    )


@pytest.mark.parametrize(
    ("pick", "code"),
    [
        (lambda _: (1, "the"), "quote_too_short"),
        (two_words_said_twice, "quote_too_short"),
        (lambda _: (1, "Disclosing your information"), "only_a_title"),
    ],
)
def test_a_quote_that_names_no_sentence_carries_nothing(
    ask_with: Open, llm_server: Server, pick: Callable[[Asked], tuple[int, str]], code: str
) -> None:
    llm_server.script = lambda asked: Act(reply(("Everything is sold.", [pick(asked)])))
    assistant = ask_with()
    answer = assistant.ask("to whom is personal data disclosed?", policies=["web1on1"])
    assert_true(assistant, answer)
    assert [problem.code for problem in answer.problems] == [code]
    [statement] = [s for s in answer.answers[0].statements if s.text == "Everything is sold."]
    assert not statement.verified


def test_a_statement_made_again_is_shown_once(ask_with: Open, llm_server: Server) -> None:
    def script(asked: Asked) -> Act:
        quote = [(1, a_sentence(asked))]
        said = [("It is so.", quote), ("It is also so.", quote), ("It is [1] so.", quote)]
        return Act(reply(*said * 3), piece=5)

    llm_server.script = script
    events = list(ask_with().stream(QUESTION, policies=["webee"]))
    drafts = "".join(event.text for event in events if isinstance(event, Draft))
    assert drafts == "It is so. It is also so."
    assert isinstance(events[-1], Answer)
    [one] = events[-1].answers
    assert [s.text for s in one.statements] == ["It is so.", "It is also so."]
    assert [len(s.markers) for s in one.statements] == [1, 1]


def test_what_is_shown_neutralised_may_be_quoted_as_it_is_shown(
    ask_with: Open, llm_server: Server, own_home: Path, tmp_path: Path
) -> None:
    policy = tmp_path / "acme.txt"
    policy.write_text("Acme keeps orders for 30 days. Write to <privacy@acme.example> for more.")
    assistant = ask_with(home=own_home)
    build.sync(assistant.home, [policy])
    llm_server.script = lambda asked: Act(reply(("Write to them.", [(1, a_sentence(asked))])))
    answer = assistant.ask("how can I contact them?", policies=["acme"])
    assert_true(assistant, answer)
    assert "< privacy@" in passages_of(llm_server.asked[0])[1]
    assert "<privacy@acme.example>" in answer.answers[0].citations[0].quote
    assert answer.problems == ()


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("piece", [1, 1000])
def test_a_key_that_the_server_sends_back_is_neither_shown_nor_kept(
    ask_with: Open, llm_server: Server, own_home: Path, wire: str, piece: int
) -> None:
    key = "sk-0123456789abcdef"
    said = reply((f"Your key is {key}, thanks.", [(1, key)])).replace("sk-", "\\u0073k-", 1)
    llm_server.acts = [Act(said, piece=piece)]
    assistant = ask_with(wire, home=own_home, llm_cache=True, llm_api_key=key)
    *drafts, answer = assistant.stream(QUESTION, policies=["webee"])
    shown = "".join(event.text for event in drafts if isinstance(event, Draft))
    assert shown in {"", "Your key is "}
    assert key not in repr(answer)
    assert isinstance(answer, Answer)
    assert [p.code for p in answer.problems] == ["llm_protocol"]
    assert assistant.rewrite(QUESTION, "and why?") is None
    assert not [file for file in (own_home / "derived").rglob("*") if file.is_file()]


def test_a_long_reply_in_small_pieces_takes_little_longer_than_in_large_ones() -> None:
    quote = {"passage": 1, "quote": "word " * 300}
    statements = [{"text": f"{n} " + "word " * 300, "quotes": [quote]} for n in range(20)]
    said = json.dumps({"stated": True, "statements": statements})
    request = compose._Request("webee", prompts.Built(Prompt("", ""), (), 0), "", "")
    started = time.process_time()
    read = spoken(said)
    once = time.process_time() - started
    started = time.process_time()
    drafts = [draft.text for at in range(len(said)) for draft in request.heard(said[at])]
    assert read.startswith("".join(drafts))
    assert len(drafts) > 100
    # Reading all of it for each of its 60,000 characters would be 30,000 times.
    assert time.process_time() - started < 5_000 * max(once, 1e-4)


@pytest.mark.parametrize("policy", ["web1on1", "webee"])
def test_an_item_may_be_quoted_with_the_opening_that_is_shown_above_it(
    ask_with: Open, llm_server: Server, policy: str
) -> None:
    """The opening stands further up in the policy; what is cited is the item, which names it."""

    def script(asked: Asked) -> Act:
        number, text = next(
            (number, text)
            for number, text in passages_of(asked).items()
            if text.splitlines()[-1] in assistant.policy(policy).text
            and text not in assistant.policy(policy).text
        )
        return Act(reply(("They collect it.", [(number, " ".join(text.splitlines()[:3]))])))

    llm_server.script = script
    assistant = ask_with()
    answer = assistant.ask("which cookies and information do you collect?", policies=[policy])
    assert_true(assistant, answer)
    assert answer.problems == ()
    assert answer.answers[0].citations


MARKED = """# Acme

We keep **account data** for 30 days. Please read our [cookie policy](https://acme.example/c) for more.

| What | How long |
|---|---|
| Logs | 90 days |
| Backups | 10 days |

Orders from a café are kept for 5 days.
"""


@pytest.mark.parametrize(
    "quote",
    [
        "We keep account data for 30 days",
        "we keep **account data** for 30 days",
        "read our cookie policy for more",
        "Logs 90 days",
        "Orders from a cafe\u0301 are kept for 5 days",
    ],
)
def test_a_quote_is_found_as_the_policy_reads(
    ask_with: Open, llm_server: Server, own_home: Path, tmp_path: Path, quote: str
) -> None:
    policy = tmp_path / "acme.md"
    policy.write_text(MARKED, encoding="utf-8")
    assistant = ask_with(home=own_home)
    build.sync(assistant.home, [policy])
    llm_server.acts = [Act(reply(("They say so.", [(1, quote)])))]
    answer = assistant.ask(QUESTION, policies=["acme"])
    assert_true(assistant, answer)
    assert answer.problems == ()
    for wrong in (quote.replace("o", "e", 1), f"{quote} or not", f"Not {quote}"):
        llm_server.acts = [Act(reply(("They say so.", [(1, wrong)])))]
        answer = assistant.ask(QUESTION, policies=["acme"])
        assert [p.code for p in answer.problems] == ["quote_not_found"]


def test_a_short_quote_is_shown_with_its_whole_sentence(ask_with: Open, llm_server: Server) -> None:
    llm_server.acts = [Act(reply(("Kept for 90 days.", [(1, "for a period of 90 days")])))]
    answer = ask_with().ask(QUESTION, policies=["web1on1"])
    [citation] = answer.answers[0].citations
    assert citation.quote.startswith("We retain your usage data")
    assert citation.quote.endswith("archiving an organisation.")


def test_a_whole_page_is_no_evidence(
    ask_with: Open, llm_server: Server, bundled: dict[str, str]
) -> None:
    llm_server.acts = [
        Act(reply(("All of it.", [(1, bundled["webee"][:5000].rpartition(" ")[0])])))
    ]
    answer = ask_with().ask(QUESTION, policies=["webee"])
    assert [p.code for p in answer.problems] == ["quote_too_long"]
    llm_server.acts = [Act(reply(("All of it.", [(1, bundled["webee"])])))]
    answer = ask_with().ask(QUESTION, policies=["webee"])
    assert answer.problems


def test_markers_are_understood_and_unknown_ones_vanish_and_are_counted(
    ask_with: Open, llm_server: Server
) -> None:
    def script(asked: Asked) -> Act:
        text = "It [1][2] says [1, 2] so 【1】 and [\u200b1\u200b] ［1］ so [[2]1] [^1] [77]."
        return Act(reply((text, [(1, a_sentence(asked))])), piece=3)

    llm_server.script = script
    answer = ask_with().ask(QUESTION, policies=["webee"])
    assert answer.answers[0].statements[0].text == "It says so and so."
    assert [p.code for p in answer.problems] == ["unknown_marker"]
    assert "77" in answer.problems[0].message


def test_what_is_streamed_is_evidence_then_drafts_then_the_same_words_verified(
    ask_with: Open, llm_server: Server
) -> None:
    def script(asked: Asked) -> Act:
        quote = [(1, a_sentence(asked))]
        said = reply(("It “says” [1] so.", quote), ("Naïve 個人 [1].", quote), ("4711.", quote))
        return Act(f"```json\n{said}\n```", piece=4)

    llm_server.script = script
    events = list(ask_with().stream(QUESTION, policies=BOTH))
    assert isinstance(events[0], Preview)
    assert isinstance(events[-1], Answer)
    assert all(isinstance(event, Draft) for event in events[1:-1])
    assert events[0].answer.engine == "extractive"
    for one in events[-1].answers:
        drafts = [e.text for e in events if isinstance(e, Draft) and e.policy == one.policy]
        assert len(drafts) > 3
        said = one.text.replace(" (unverified)", "")
        for citation in one.citations:
            said = said.replace(f" [{citation.marker}]", "")
        assert "".join(drafts) == said == "It “says” so. Naïve 個人. 4711."


def test_evidence_is_there_before_a_slow_model_speaks_and_leaving_cancels_it(
    ask_with: Open, llm_server: Server
) -> None:
    llm_server.acts = [Act(fault="hang")]
    assistant = ask_with()
    with closing(assistant.stream(QUESTION, policies=["webee"])) as events:
        started = time.monotonic()
        preview = next(events)
        assert isinstance(preview, Preview)
        assert time.monotonic() - started < 2
        assert preview.answer.answers
        assert waited(lambda: llm_server.asked != [])  # nothing more is taken from the iterator
    assert waited(lambda: llm_server.hung_up == 1)


def test_a_model_that_has_to_be_loaded_does_not_keep_the_evidence_waiting(
    ask_with: Open, llm_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    llm_server.script = honest
    assistant = ask_with()
    assert assistant.llm
    monkeypatch.setattr(assistant.llm, "_adapter", None)
    with closing(assistant.stream(QUESTION, policies=["webee"])) as events:
        assert isinstance(next(events), Preview)
        assert not assistant.llm.is_loaded
        *_, answer = events
    assert isinstance(answer, Answer)
    assert answer.engine == "openai/m"


def test_leaving_amid_the_drafts_closes_the_connection(ask_with: Open, llm_server: Server) -> None:
    llm_server.script = lambda asked: Act(honest(asked).text * 20, piece=8, pace=0.02)
    events = ask_with().stream(QUESTION, policies=["webee"])
    assert next(one for one in events if isinstance(one, Draft) and one.text)
    events.close()
    assert waited(lambda: llm_server.hung_up == 1)


def test_policies_that_the_reader_is_sure_are_silent_cost_nothing(
    ask_with: Open, llm_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    llm_server.script = honest
    assistant = ask_with()
    p_stated = {one.policy: one.p_stated for one in assistant.ask(QUESTION).answers}
    llm_server.asked.clear()
    own = {material: assistant.read(QUESTION, assistant.policy(material)) for material in p_stated}
    monkeypatch.setattr(compose, "FLOOR", 0.5)
    answer = assistant.ask(QUESTION)
    worth = {id_ for id_, reading in own.items() if reading.p_stated >= 0.5}
    assert len(llm_server.asked) == len(worth) < 5
    engines = {one.policy: one.engine for one in answer.answers}
    assert {id_ for id_, engine in engines.items() if engine == "openai/m"} == worth


def test_a_window_that_is_too_small_for_all_evidence_drops_the_last_and_says_so(
    ask_with: Open, llm_server: Server
) -> None:
    llm_server.script = honest
    answer = ask_with(llm_context=4096).ask(QUESTION, policies=["web1on1"])
    shown = passages_of(llm_server.asked[0])
    assert 1 <= len(shown) < compose.prompts.MOST_PASSAGES
    assert [p.code for p in answer.problems] == ["context_full"]
    assert f"only {len(shown)} of 12 passages" in answer.problems[0].message


def test_a_window_that_is_too_small_for_any_evidence_is_a_failure(
    ask_with: Open, llm_server: Server
) -> None:
    answer = ask_with(llm_context=1024).ask(QUESTION, policies=["web1on1"])
    assert [p.code for p in answer.problems] == ["llm_bad_request"]
    assert llm_server.asked == []


def test_the_same_question_is_asked_once_and_a_failure_again(
    ask_with: Open, llm_server: Server, own_home: Path
) -> None:
    assistant = ask_with(home=own_home, llm_cache=True)
    llm_server.script = lambda asked: Act(honest(asked).text, "cut")
    assistant.ask(QUESTION, policies=["webee"])
    llm_server.script = honest
    first = assistant.ask(QUESTION, policies=["webee"])
    assert len(llm_server.asked) == 2
    again = assistant.ask(QUESTION, policies=["webee"])
    assert len(llm_server.asked) == 2
    assert content(again) == content(first)
    assert (again.engine, again.tokens_in, again.tokens_out) == ("openai/m", 0, 0)
    assistant.ask("is my data sold?", policies=["webee"])
    assert len(llm_server.asked) == 3
    off = ask_with(home=own_home)
    off.ask(QUESTION, policies=["webee"])
    assert len(llm_server.asked) == 4


def test_a_reply_of_which_nothing_is_verified_is_not_kept(
    ask_with: Open, llm_server: Server, own_home: Path
) -> None:
    llm_server.acts = [Act(reply(("It is sold.", [(1, "no such words")])))]
    assistant = ask_with(home=own_home, llm_cache=True)
    for times in (1, 2):
        answer = assistant.ask(QUESTION, policies=["webee"])
        assert [p.code for p in answer.problems] == ["quote_not_found"]
        assert len(llm_server.asked) == times
    assert not [file for file in (own_home / "derived").rglob("*") if file.is_file()]


def test_replies_are_gone_with_the_policy_they_quote(
    ask_with: Open, llm_server: Server, own_home: Path
) -> None:
    llm_server.script = honest
    assistant = ask_with(home=own_home, llm_cache=True)
    assistant.ask(QUESTION)
    kept = [file for file in (own_home / "derived").rglob("*") if file.is_file()]
    assert len(kept) == 5
    build.remove(assistant.home, "webee")
    assert not (own_home / "derived" / "webee").exists()
    assert len(list((own_home / "derived").iterdir())) == 4


@pytest.mark.parametrize("change", ["remove", "edit"])
def test_a_policy_that_changes_while_it_is_asked_about_leaves_no_reply(
    ask_with: Open, llm_server: Server, own_home: Path, tmp_path: Path, change: str
) -> None:
    file = tmp_path / "acme.txt"
    file.write_text("Acme keeps orders for 30 days. It deletes them then.")
    assistant = ask_with(home=own_home, llm_cache=True)
    other = ask_with(home=own_home)
    build.sync(other.home, [file])

    def script(asked: Asked) -> Act:
        if change == "remove":
            build.remove(other.home, "acme")
        else:
            file.write_text("Acme keeps orders for 40 days. It deletes them then.")
            build.sync(other.home, [file])
        return honest(asked)

    llm_server.script = script
    answer = assistant.ask(QUESTION, policies=["acme"])
    assert answer.engine == "openai/m"
    assert not [one for one in (own_home / "derived").rglob("*") if one.is_file()]


def test_a_damaged_reply_is_asked_for_again(
    ask_with: Open, llm_server: Server, own_home: Path
) -> None:
    llm_server.script = honest
    assistant = ask_with(home=own_home, llm_cache=True)
    assistant.ask(QUESTION, policies=["webee"])
    [file] = (own_home / "derived" / "webee").iterdir()
    for damage in (b"", b"\xff", b"{}", json.dumps("{").encode()):
        file.write_bytes(damage)
        answer = assistant.ask(QUESTION, policies=["webee"])
        assert answer.engine == "openai/m"
    assert len(llm_server.asked) == 5


def test_a_model_that_cannot_be_used_is_refused_when_the_home_is_opened(
    indexed_home: Path,
) -> None:
    with pytest.raises(UsageError, match="is no language model"):
        Assistant.open(settings=Settings(home=indexed_home, llm="nonsense"))


def test_a_model_words_a_follow_up_and_rules_do_where_it_cannot(
    ask_with: Open, llm_server: Server
) -> None:
    assistant = ask_with()
    before = resolve("How long does Webee keep data?", None, assistant.policies)

    def follow(said: str) -> Resolved:
        llm_server.acts = [Act(said)]
        return resolve("and cookies?", before, assistant.policies, (), assistant.rewrite)

    written = follow('{"question": "How long are cookies kept?"}')
    assert (written.question, written.policies) == ("How long are cookies kept?", ("webee",))
    assert llm_server.asked[0].user == (
        "Question before: How long does Webee keep data?\nFollow-up: and cookies?"
    )
    named = follow('{"question": "How long does Wepos keep cookies?"}')
    assert named.policies == ()
    by_rule = resolve("and cookies?", before, assistant.policies)
    for said in ("", "cookies?", '{"question": ""}', '{"question": "a\\u0007b"}', "{"):
        assert follow(said) == by_rule
