"""Passages: exact, complete, inside the encoder's window, and the same each time."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from fakes import DOCUMENTS
from hypothesis import example, given, settings

from index.encode import Encoder
from index.markup import readable
from index.passages import encoded, split
from index.types import Passage

Count = Callable[[str], int]
POLICIES = ["web1on1", "webee", "webengage", "wecloudit", "wepos"]
CHINESE = "我们收集您的个人信息包括姓名"
BODY = "We collect the personal data that you give us when you register for an account."


def count_words(text: str) -> int:
    return len(text.split())


def passages_of(
    text: str, *, policy: str = "acme", window: int = 256, count: Count = count_words
) -> tuple[Passage, ...]:
    return split(policy, text, window=window, count=count)[1]


def longest(passages: tuple[Passage, ...], count: Count) -> int:
    """Return the most tokens the encoder is given at once, with the two special ones."""
    return max(count(encoded(p.context, p.text)) + 2 for p in passages)


def uncovered(text: str, passages: tuple[Passage, ...]) -> str:
    """Return what is in no passage, white space left out; passages must not overlap."""
    at, left = 0, ""
    for passage in passages:
        assert at <= passage.start
        left += text[at : passage.start]
        at = passage.end
    return "".join((left + text[at:]).split())


def sentences_of(text: str) -> list[str]:
    return [text[s.start : s.end] for p in passages_of(text) for s in p.sentences]


@given(DOCUMENTS)
@example("x" * 20_000)
@example("word " * 3_000)
@example("word\u00a0" * 3_000)
@example("a, " * 5_000)
@example("." * 2_000)
@example("\x00")
@example("\u200b")
def test_passages_are_exact_and_cover_all_but_white_space(text: str) -> None:
    passages = passages_of(text)
    assert all(text[p.start : p.end] == p.text for p in passages)
    assert uncovered(text, passages) == ""


@given(DOCUMENTS)
def test_sentences_lie_in_their_passage_in_order(text: str) -> None:
    for passage in passages_of(text):
        at = passage.start
        assert passage.sentences
        for sentence in passage.sentences:
            assert at <= sentence.start < sentence.end <= passage.end
            assert text[sentence.start : sentence.end].strip()
            at = sentence.end
            if sentence.lead_in:
                assert sentence.lead_in.start < sentence.lead_in.end <= sentence.start


@given(DOCUMENTS)
def test_passages_fit_the_window_with_their_context(text: str) -> None:
    passages = passages_of(text)
    assert not passages or longest(passages, count_words) <= 256


@settings(max_examples=50)
@given(text=DOCUMENTS)
@example(text="x" * 20_000)
@example(text="word " * 3_000)
@example(text="personal data, " * 1_000)
@example(text="antidisestablishmentarianism-" * 500)
@example(text=CHINESE * 200)
@example(text="😀 " * 2_000)
def test_passages_fit_the_default_encoders_window(encoder: Encoder, text: str) -> None:
    passages = passages_of(text, window=encoder.window, count=encoder.count)
    assert not passages or longest(passages, encoder.count) <= encoder.window
    assert uncovered(text, passages) == ""


@given(DOCUMENTS)
def test_the_same_text_has_the_same_ids_and_no_id_twice(text: str) -> None:
    ids = [passage.id for passage in passages_of(text)]
    assert len(set(ids)) == len(ids)
    assert ids == [passage.id for passage in passages_of(text)]


@given(DOCUMENTS)
def test_sections_are_those_the_passages_name(text: str) -> None:
    sections, passages = split("acme", text, window=256, count=count_words)
    assert {passage.section for passage in passages} <= {section.path for section in sections}


@pytest.mark.parametrize("text", ["", "\n \n", "\u00a0\u2003"])
def test_nothing_but_white_space_has_no_passage(text: str) -> None:
    assert passages_of(text) == ()


def test_passages_fit_a_window_of_32() -> None:
    passages = passages_of("word " * 3_000, window=32)
    assert longest(passages, count_words) <= 32


@pytest.mark.parametrize("policy", POLICIES)
def test_bundled_policies_fit_a_window_of_128(
    encoder: Encoder, bundled: dict[str, str], policy: str
) -> None:
    passages = passages_of(bundled[policy], window=128, count=encoder.count)
    assert longest(passages, encoder.count) <= 128


@pytest.mark.parametrize(
    "text",
    [
        "# " + CHINESE * 9 + "\n\n" + CHINESE * 40,
        CHINESE * 12 + ":\n- " + CHINESE * 13,
        "# " + "x," * 200 + "\n\n" + BODY,
    ],
)
def test_a_context_without_spaces_fits_the_window(encoder: Encoder, text: str) -> None:
    passages = passages_of(text, window=encoder.window, count=encoder.count)
    assert longest(passages, encoder.count) <= encoder.window


@pytest.mark.parametrize("mark", ["> ", "# "])
def test_marks_in_the_middle_of_a_line_fit_the_window(mark: str) -> None:
    passages = passages_of(f"{BODY} {mark * 300}{BODY}")
    assert longest(passages, count_words) <= 256


@pytest.mark.parametrize("policy", POLICIES)
def test_bundled_policies_are_whole_in_passages_that_fit(
    encoder: Encoder, bundled: dict[str, str], policy: str
) -> None:
    text = bundled[policy]
    passages = passages_of(text, policy=policy, window=encoder.window, count=encoder.count)
    assert uncovered(text, passages) == ""
    assert all(text[p.start : p.end] == p.text for p in passages)
    assert longest(passages, encoder.count) <= encoder.window
    assert len({passage.id for passage in passages}) == len(passages)


def test_repeated_lines_get_ids_of_their_own(bundled: dict[str, str]) -> None:
    lines = [line for line in bundled["webee"].split("\n") if line.strip()]
    assert len(lines) - len(set(lines)) >= 20
    text = f"{BODY}\n\n" * 300
    ids = [passage.id for passage in passages_of(text)]
    assert 1 < len(ids) == len(set(ids))


def test_a_policys_id_is_part_of_its_passages_ids() -> None:
    (one,), (other,) = passages_of(BODY, policy="acme"), passages_of(BODY, policy="other")
    assert one.id != other.id


def test_a_changed_section_leaves_the_ids_of_the_others() -> None:
    text = "".join(f"# Part {n}\n\n{BODY} {BODY}\n\n" for n in range(5))
    before = {passage.id for passage in passages_of(text)}
    after = {passage.id for passage in passages_of(text.replace("# Part 2\n\nWe", "# Part 2\n\nI"))}
    assert len(before) == len(after) == 5
    assert len(before & after) == 4


def test_a_passage_stays_in_one_section() -> None:
    passages = passages_of(f"# One\n\n{BODY}\n\n# Two\n\n{BODY}")
    assert [passage.section for passage in passages] == ["One", "Two"]


def test_a_long_section_is_packed_into_several_passages() -> None:
    passages = passages_of(f"# One\n\n{' '.join([BODY] * 40)}")
    assert len(passages) > 3
    assert {passage.section for passage in passages} == {"One"}
    assert all(passage.text.endswith(".") for passage in passages)


def test_a_bare_heading_joins_what_follows_it() -> None:
    (passage,) = passages_of(f"# One\n\n## Two\n\n{BODY}")
    assert passage.text.startswith("# One")
    assert passage.section == "One › Two"


def test_headings_at_the_end_make_a_passage_of_their_own() -> None:
    *_, last = passages_of(f"{BODY}\n\n# One\n\n## Two")
    assert last.text == "# One\n\n## Two"


def test_the_context_holds_the_titles_above_a_passage() -> None:
    long = " ".join([BODY] * 20)
    first, *rest = passages_of(f"# Policy\n\n## Storage\n\n{long}")
    # The first holds its own titles: they are not said twice.
    assert "# Policy" in first.text
    assert {passage.context for passage in rest} == {"Policy › Storage"}


def test_the_context_holds_the_lead_in_of_a_list_cut_in_two() -> None:
    items = "\n".join(f"- item {n} of the things that you give us" for n in range(30))
    first, second, *_ = passages_of(f"{BODY} We collect the following things of yours:\n{items}")
    assert first.context == ""
    assert second.context == "We collect the following things of yours:"
    assert second.sentences[0].kind == "item"


def test_a_sentence_too_long_for_the_window_is_split_at_clause_marks() -> None:
    clause = "the data you give us to open an account with us;"
    sentences = sentences_of(" ".join([clause] * 60))
    assert len(sentences) > 1
    assert all(sentence.endswith(";") for sentence in sentences)


def test_a_very_short_sentence_joins_its_neighbour() -> None:
    assert sentences_of(f"{BODY} But not always so. {BODY}") == [
        BODY,
        f"But not always so. {BODY}",
    ]
    assert sentences_of(f"{BODY} Not so.") == [f"{BODY} Not so."]


def test_a_short_title_that_runs_in_takes_one_sentence_with_it() -> None:
    assert sentences_of(f"Consent. {BODY} {BODY}") == [f"Consent. {BODY}", BODY]


def test_a_title_that_runs_in_stays_with_its_sentence() -> None:
    text = f"Enforcing Our Rights and Safety of Ours. {BODY} {BODY}"
    assert sentences_of(text) == [f"Enforcing Our Rights and Safety of Ours. {BODY}", BODY]


def test_sentences_start_after_the_number_of_their_clause() -> None:
    text = "7.5 We retain your usage data for 90 days after your trial."
    (passage,) = passages_of(text)
    assert passage.text == text
    assert sentences_of(text) == ["We retain your usage data for 90 days after your trial."]


def test_readable_text_has_no_marks_links_or_line_breaks() -> None:
    text = '# **Bold** and _plain_,\n> see [our policy](https://a.example/b(c) "Title")\u00a0`x`'
    assert readable(text) == "Bold and plain, see our policy x"


@pytest.mark.parametrize("word", ["__hs_opt_out", "_icl_visitor_lang_js", "jane_doe@example.com"])
def test_readable_text_keeps_underscores_that_are_part_of_a_word(word: str) -> None:
    assert readable(f"The cookie {word} is kept.") == f"The cookie {word} is kept."


def test_readable_text_keeps_the_cells_of_a_table_apart() -> None:
    assert readable("|Name|Purpose|Expiry|").split() == ["Name", "Purpose", "Expiry"]


def test_encoded_text_is_context_and_text_as_they_read() -> None:
    assert encoded("A › B\nWe collect:", "- your *name*") == "A › B We collect: - your name"
    assert encoded("", "your\nname") == "your name"


def test_each_row_of_web1on1s_cookies_has_the_header_in_its_lead_in(
    encoder: Encoder, bundled: dict[str, str]
) -> None:
    text = bundled["web1on1"]
    passages = passages_of(text, window=encoder.window, count=encoder.count)
    rows = [s for p in passages for s in p.sentences if s.kind == "row"]
    header, *body = rows
    assert text[header.start : header.end] == "Name Description Expiry Periods"
    assert len(body) == 24
    for row in body:
        assert row.lead_in
        assert row.lead_in.of(text).endswith("Name Description Expiry Periods")


def test_hubspotutks_row_is_one_sentence(encoder: Encoder, bundled: dict[str, str]) -> None:
    text = bundled["web1on1"]
    passages = passages_of(text, window=encoder.window, count=encoder.count)
    (row,) = (
        text[s.start : s.end]
        for p in passages
        for s in p.sentences
        if text.startswith("hubspotutk", s.start)
    )
    assert (
        row.split() == "hubspotutk Used to store and track a visitor's identity 13 Months".split()
    )


def test_web1on1s_rows_cut_from_their_header_have_it_in_the_context(
    encoder: Encoder, bundled: dict[str, str]
) -> None:
    passages = passages_of(bundled["web1on1"], window=encoder.window, count=encoder.count)
    tables = [p for p in passages if all(s.kind == "row" for s in p.sentences)]
    assert tables
    assert all("Name Description Expiry Periods" in p.context for p in tables)


def test_web1on1s_clause_on_retention_is_found_under_its_heading(
    encoder: Encoder, bundled: dict[str, str]
) -> None:
    passages = passages_of(bundled["web1on1"], window=encoder.window, count=encoder.count)
    (passage,) = (p for p in passages if "for a period of 90 days" in p.text)
    assert "7. Storing and destroying your personal data" in passage.section
    assert passage.section.endswith("7.5")
    assert "7. Storing and destroying your personal data" in passage.context
