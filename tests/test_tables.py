"""Tables: piped, in aligned columns, and broken over lines by a copy from the web."""

from __future__ import annotations

from fakes import DOCUMENTS
from hypothesis import given

from index.tables import Line, Row, find_rows


def lines_of(text: str) -> list[Line]:
    lines, start = [], 0
    for line in text.split("\n"):
        lines.append(Line(start, line))
        start += len(line) + 1
    return lines


def rows_of(text: str) -> list[Row]:
    return list(find_rows(lines_of(text)))


def words_of(text: str) -> list[str]:
    return [text[row.start : row.end] for row in rows_of(text)]


def headers_of(text: str) -> list[str | None]:
    return [row.header.of(text) if row.header else None for row in rows_of(text)]


@given(DOCUMENTS)
def test_rows_are_in_order_inside_the_text_and_below_their_header(text: str) -> None:
    at = 0
    for row in rows_of(text):
        assert at <= row.start < row.end <= len(text)
        assert text[row.start : row.end].strip()
        assert row.header is None or row.header.end <= row.start
        at = row.end


@given(DOCUMENTS)
def test_rows_open_and_end_with_whole_lines(text: str) -> None:
    lines = lines_of(text)
    starts, ends = {line.start for line in lines}, {line.end for line in lines}
    assert all(row.start in starts and row.end in ends for row in rows_of(text))


def test_a_piped_table_has_its_first_line_and_rule_as_the_header() -> None:
    text = (
        "Cookies\n| Name | Expiry |\n|------|:------:|\n| _ga | 2 years |\n| sid | 1 day |\n\nEnd"
    )
    assert words_of(text) == [
        "| Name | Expiry |\n|------|:------:|",
        "| _ga | 2 years |",
        "| sid | 1 day |",
    ]
    assert headers_of(text) == [None, "| Name | Expiry |", "| Name | Expiry |"]


def test_a_piped_table_without_a_rule_has_no_header() -> None:
    assert headers_of("| _ga | 2 years |\n| sid | 1 day |") == [None, None]


def test_a_single_piped_line_is_no_table() -> None:
    assert rows_of("before\n| just a line |\nafter") == []


def test_lines_with_the_same_number_of_tabbed_cells_are_a_table() -> None:
    text = "Name\tPurpose\tExpiry\n_ga\tStatistics\t2 years\nsid\tSession\t1 day"
    assert words_of(text) == text.split("\n")
    assert headers_of(text) == [None, "Name\tPurpose\tExpiry", "Name\tPurpose\tExpiry"]


def test_no_break_spaces_and_wide_gaps_separate_cells_too() -> None:
    text = "Name \u00a0 Expiry\n_ga     2 years\nsid\u00a0\u00a01 day"
    assert headers_of(text) == [None, "Name \u00a0 Expiry", "Name \u00a0 Expiry"]


def test_two_aligned_lines_are_no_table() -> None:
    assert rows_of("Name\tExpiry\n_ga\t2 years") == []


def test_lines_with_long_cells_are_prose_and_no_table() -> None:
    prose = "We collect the personal data that you give us when you register for an account."
    assert rows_of("\n".join(f"{prose}\t{prose}" for _ in range(4))) == []


def test_a_broken_table_keeps_each_row_together() -> None:
    text = (
        "Name Description Expiry\n_ga \u00a0\n\nUsed for\nstatistics\n2 Years\n"
        "sid\u00a0 Session 1 Day\nNID \u00a0\n\n6 Months\n\n12. Third parties are many."
    )
    assert words_of(text) == [
        "Name Description Expiry",
        "_ga \u00a0\n\nUsed for\nstatistics\n2 Years",
        "sid\u00a0 Session 1 Day",
        "NID \u00a0\n\n6 Months",
    ]
    assert set(headers_of(text)[1:]) == {"Name Description Expiry"}


def test_plain_paragraphs_are_no_table(bundled: dict[str, str]) -> None:
    assert all(not rows_of(bundled[id_]) for id_ in ("webee", "webengage", "wecloudit", "wepos"))


def test_web1on1s_cookie_table_is_read_row_by_row(bundled: dict[str, str]) -> None:
    text = bundled["web1on1"]
    header, *rows = words_of(text)
    assert header == "Name Description Expiry Periods"
    assert set(headers_of(text)[1:]) == {header}
    assert len(rows) == 24
    assert rows[0].split() == (
        "_icl_visitor_lang_js Saves the user's preferred language on the website One day".split()
    )
    assert rows[-1].split() == ["__Secure-ENID", "1", "Year"]
    expiries = ("Year", "Months", "Week", "Day", "day", "Minutes", "session")
    assert all(row.endswith(expiries) for row in rows)


def test_the_row_of_hubspotutk_spans_its_three_cells(bundled: dict[str, str]) -> None:
    (row,) = (row for row in words_of(bundled["web1on1"]) if row.startswith("hubspotutk"))
    assert row == "hubspotutk\u00a0\n\nUsed to store and track a\nvisitor's identity\n13 Months"
