"""Outline: every line is in exactly one block, and every block under the right headings."""

from __future__ import annotations

from itertools import pairwise

import pytest
from fakes import DOCUMENTS
from hypothesis import given

from index.sections import HEADING, ITEM, PARAGRAPH, ROW, Block, body_start, outline, plain
from index.types import Section

BODY = "We collect the personal data that you give us when you register for an account."


def paths_of(text: str) -> list[str]:
    return [section.path for section in outline(text).sections]


def blocks_of(text: str) -> list[tuple[str, str]]:
    return [(block.kind, text[block.start : block.end]) for block in outline(text).blocks]


def lead_ins_of(text: str, kind: str = ITEM) -> list[str | None]:
    blocks = [block for block in outline(text).blocks if block.kind == kind]
    return [block.lead_in.of(text) if block.lead_in else None for block in blocks]


def place_of(text: str, words: str) -> Section:
    """Return the section of the block that holds the words."""
    found = outline(text)
    at = text.index(words)
    (block,) = (block for block in found.blocks if block.start <= at < block.end)
    return found.sections[block.section]


@given(DOCUMENTS)
def test_blocks_are_in_order_and_cover_all_but_white_space(text: str) -> None:
    at = 0
    for block in outline(text).blocks:
        assert at <= block.start < block.end
        assert not text[at : block.start].strip()
        at = block.end
    assert not text[at:].strip()


@given(DOCUMENTS)
def test_blocks_are_trimmed_and_of_a_known_kind(text: str) -> None:
    for block in outline(text).blocks:
        words = text[block.start : block.end]
        assert words == words.strip()
        assert block.kind in (HEADING, PARAGRAPH, ITEM, ROW)
        assert block.start <= body_start(text, block) < block.end


@given(DOCUMENTS)
def test_a_section_goes_on_until_the_next_one(text: str) -> None:
    sections = outline(text).sections
    assert sections[0].start == 0
    assert sections[-1].end == len(text)
    for section, following in pairwise(sections):
        assert section.start <= section.end == following.start


@given(DOCUMENTS)
def test_every_block_lies_in_its_section(text: str) -> None:
    found = outline(text)
    for block in found.blocks:
        section = found.sections[block.section]
        # The line of a heading may be indented: the section starts with the line.
        assert section.start <= block.start
        assert block.end <= section.end


@given(DOCUMENTS)
def test_a_lead_in_stands_before_what_it_opens(text: str) -> None:
    for block in outline(text).blocks:
        if block.lead_in:
            assert block.lead_in.start < block.lead_in.end <= block.start


@given(DOCUMENTS)
def test_a_path_ends_with_the_sections_own_title(text: str) -> None:
    for section in outline(text).sections[1:]:
        assert section.path == " › ".join(filter(None, (section.parent, section.title)))


@pytest.mark.parametrize("text", ["", "\n\n", " \u00a0\u2003\n\t"])
def test_nothing_but_white_space_has_one_section_and_no_block(text: str) -> None:
    found = outline(text)
    assert found.blocks == ()
    assert [section.path for section in found.sections] == [""]


def test_text_before_any_heading_has_no_path() -> None:
    assert place_of(f"{BODY}\n\n# Title\n\n{BODY}", BODY).path == ""


def test_markdown_headings_nest_by_their_level() -> None:
    text = f"# A\n\n{BODY}\n\n## B ##\n\n{BODY}\n\n### C\n\n{BODY}\n\n## D\n\n{BODY}"
    assert paths_of(text) == ["", "A", "A › B", "A › B › C", "A › D"]


def test_underlined_lines_are_headings() -> None:
    text = f"Privacy Policy\n==============\n\n{BODY}\n\nCookies\n-------\n\n{BODY}"
    assert paths_of(text) == ["", "Privacy Policy", "Privacy Policy › Cookies"]
    assert blocks_of(text)[0] == (HEADING, "Privacy Policy\n==============")


def test_a_line_in_bold_and_a_line_in_capitals_are_headings() -> None:
    text = f"Intro\n{BODY}\n\nYOUR RIGHTS\n{BODY}\n\n**Access:**\n{BODY}"
    assert paths_of(text) == ["", "Intro", "YOUR RIGHTS", "YOUR RIGHTS › Access"]


def test_a_heading_is_shown_without_its_marks() -> None:
    text = f"## 2. [How **we** share](https://example.com) it:\n\n{BODY}"
    assert outline(text).sections[1].title == "2. How we share it"
    assert outline(text).sections[1].number == "2"


def test_a_short_line_above_longer_text_is_a_heading() -> None:
    assert paths_of(f"{BODY}\nHow we use it\n{BODY}") == ["", "How we use it"]


def test_a_short_line_with_nothing_below_is_no_heading() -> None:
    assert paths_of(f"{BODY}\nAmsterdam") == [""]


def test_a_rule_opens_no_section() -> None:
    assert paths_of(f"# A\n\n{BODY}\n\n* * *\n\n{BODY}") == ["", "A"]


def test_numbers_nest_clauses_under_their_headings() -> None:
    text = f"7. Storage\n7.1 {BODY}\n7.1.1 {BODY}\n7.2 {BODY}\n8. Disclosure\n8.1 {BODY}"
    assert paths_of(text) == [
        "",
        "7. Storage",
        "7. Storage › 7.1",
        "7. Storage › 7.1 › 7.1.1",
        "7. Storage › 7.2",
        "8. Disclosure",
        "8. Disclosure › 8.1",
    ]


def test_a_clause_is_called_by_the_title_that_runs_into_it() -> None:
    (_, section) = outline(f"8.4 Compliance with Laws. {BODY}").sections
    assert (section.number, section.title) == ("8.4", "8.4 Compliance with Laws")


@pytest.mark.parametrize("label", ["Section 4:", "Article 4.", "§ 4", "4)", "4."])
def test_headings_are_numbered_in_many_ways(label: str) -> None:
    (_, section) = outline(f"{label} Children\n{BODY}").sections
    assert (section.number, section.title) == ("4", f"{label} Children")


def test_a_bare_number_counts_only_where_it_goes_on_counting() -> None:
    assert paths_of(f"1 Why we ask\n{BODY}\n2 What we ask\n{BODY}") == [
        "",
        "1 Why we ask",
        "2 What we ask",
    ]
    assert paths_of(f"{BODY}\n30 Days notice\n{BODY}")[1:] != ["30 Days notice › 30"]
    assert place_of(f"{BODY}\n30 Days notice\n{BODY}", "30 Days").number == ""


def test_a_number_at_the_start_of_a_sentence_opens_no_section() -> None:
    assert paths_of(f"{BODY}\n30 days after your trial we delete all of your data.") == [""]


def test_items_carry_the_sentence_that_opens_their_list() -> None:
    text = "We collect:\n• your name\n• your address\n\nWe keep it.\n• a stray item"
    assert lead_ins_of(text) == ["We collect:", "We collect:", None]


def test_items_without_a_marker_are_known_by_the_sentence_before_them() -> None:
    text = "You can ask us to do this:\nDelete your data;\nRectify it; and\nExport it.\n"
    assert [kind for kind, _ in blocks_of(text)] == [PARAGRAPH, ITEM, ITEM, ITEM]
    assert set(lead_ins_of(text)) == {"You can ask us to do this:"}


def test_the_last_of_a_lists_lower_case_items_is_an_item_too() -> None:
    text = "You can ask us to:\ndelete your data;\nrectify it; and\nexport it.\n"
    assert [kind for kind, _ in blocks_of(text)] == [PARAGRAPH, ITEM, ITEM, ITEM]


def test_numbered_items_below_a_lead_in_are_no_headings() -> None:
    text = "4. Use\nWe use it for these purposes:\n4.1 Running the service\n4.2 Marketing\n"
    assert paths_of(text) == ["", "4. Use"]
    assert lead_ins_of(text) == ["We use it for these purposes:"] * 2


def test_a_heading_ends_the_list_above_it() -> None:
    text = f"We collect:\n• your name\n\n# More\n\n• a stray item\n{BODY}"
    assert lead_ins_of(text) == ["We collect:", None]


def test_a_tables_rows_carry_its_header_and_the_sentence_above_it() -> None:
    text = "We use these cookies:\n| Name | Expiry |\n|---|---|\n| _ga | 2 years |\n"
    assert lead_ins_of(text, ROW) == [None, "We use these cookies:\n| Name | Expiry |"]


def test_a_sentence_the_file_broke_is_one_block() -> None:
    text = "3.1.4 Legal. We hold accounting records which may\ncontain personal information.\nNext."
    assert blocks_of(text)[0][1].endswith("which may\ncontain personal information.")


def test_paragraphs_wrapped_at_a_fixed_width_are_one_block_each() -> None:
    line = "Personal data that You give us is kept by Us for as long as the Law asks us to do, and"
    paragraph = "\n".join([line] * 6) + "\nno longer."
    assert blocks_of(f"{paragraph}\n\n{paragraph}") == [(PARAGRAPH, paragraph)] * 2


def test_a_blank_line_always_ends_a_block() -> None:
    assert len(outline("we collect data and\n\nwe keep it").blocks) == 2


@pytest.mark.parametrize(
    ("kind", "words", "body"),
    [
        (ITEM, "• your name", "your name"),
        (ITEM, "(iv) your name", "your name"),
        (ITEM, "4.1 Your name", "Your name"),
        (PARAGRAPH, "7.5 We retain it.", "We retain it."),
        (PARAGRAPH, "30 days after it we delete it.", "30 days after it we delete it."),
        (HEADING, "7. Storage", "7. Storage"),
    ],
)
def test_a_blocks_words_start_after_its_marker_or_number(kind: str, words: str, body: str) -> None:
    block = Block(kind, 2, 2 + len(words), 0, None)
    text = f"\n\n{words}"
    assert text[body_start(text, block) :] == body


def test_plain_titles_hold_no_marks() -> None:
    assert plain("**2.\u00a0 [Your  rights](#rights)**:") == "2. Your rights"


def test_web1on1s_clause_on_retention_is_under_its_heading(bundled: dict[str, str]) -> None:
    section = place_of(bundled["web1on1"], "We retain your usage data for a period of 90 days")
    assert section.number == "7.5"
    assert section.path.split(" › ")[-2:] == [
        "7. Storing and destroying your personal data",
        "7.5",
    ]


def test_both_clauses_that_web1on1_numbers_3_1_2_are_there(bundled: dict[str, str]) -> None:
    sections = outline(bundled["web1on1"]).sections
    assert [section.title for section in sections if section.number == "3.1.2"] == [
        "3.1.2 Legitimate Interest",
        "3.1.2 Consent",
    ]


def test_web1on1s_numbered_headings_are_all_there(bundled: dict[str, str]) -> None:
    numbers = [section.number for section in outline(bundled["web1on1"]).sections]
    assert [number for number in numbers if number.isdigit()] == [str(n) for n in range(1, 15)]


def test_wecloudits_clauses_are_under_their_headings(bundled: dict[str, str]) -> None:
    sections = outline(bundled["wecloudit"]).sections
    numbers = [section.number for section in sections if section.number]
    assert numbers == (
        "1 1.1 1.2 1.3 1.4 1.5 1.6 2 2.1 2.2 2.3 2.4 2.5 "
        "3 3.1 3.2 3.3 3.4 3.5 3.6 3.7 3.8 4 4.1 4.2 4.3".split()
    )
    (training,) = (section for section in sections if section.number == "3.6")
    assert training.parent.endswith("3 What do we use the information for?")


@pytest.mark.parametrize(
    ("policy", "item", "lead_in"),
    [
        ("web1on1", "• The right to erasure", "outlined by the Supervisory Authority:"),
        ("web1on1", "4.2.3 Collecting payment", "for the following purposes:"),
        ("web1on1", "8.2.1 Service Provider", "transfer or disclose Personal Data as follows:"),
        ("webee", "- Time zone and date/time", "depending on the SaaS application being used:"),
        ("webengage", "Restrict or limit the manner", "we may take the appropriate action:"),
    ],
)
def test_items_of_the_bundled_policies_carry_their_lead_in(
    bundled: dict[str, str], policy: str, item: str, lead_in: str
) -> None:
    text = bundled[policy]
    (block,) = (b for b in outline(text).blocks if text.startswith(item, b.start))
    assert block.kind == ITEM
    assert block.lead_in
    assert block.lead_in.of(text).endswith(lead_in)


def test_a_lead_in_may_end_with_a_semicolon(bundled: dict[str, str]) -> None:
    text = bundled["web1on1"]
    (block,) = (b for b in outline(text).blocks if text.startswith("• Keeping you", b.start))
    assert block.lead_in
    assert block.lead_in.of(text).endswith("including, but not limited to;")


def test_rows_of_web1on1s_cookies_carry_the_header(bundled: dict[str, str]) -> None:
    first, *rows = lead_ins_of(bundled["web1on1"], ROW)
    assert len(rows) == 24
    assert first is None
    assert all(row and row.endswith("Name Description Expiry Periods") for row in rows)
    assert all(row and "breakdown of cookies we use" in row for row in rows)
