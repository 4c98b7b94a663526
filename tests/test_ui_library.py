"""The library in a real browser: what may be uploaded, what is replaced and removed, what is new."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from browsing import ask, quote_in_view, serving, visiting
from playwright.sync_api import Browser, Page, expect


def upload(page: Page, *files: Path) -> None:
    page.locator("#upload input[type=file]").set_input_files(files)


def test_an_uploaded_policy_answers_is_replaced_and_removed(
    page: Page, address: str, tmp_path: Path, chat_home: Path
) -> None:
    file = tmp_path / "quuxly.md"
    file.write_text("# Quuxly Privacy Policy\n\nQuuxly keeps your voice recordings for 17 weeks.\n")
    page.goto(f"{address}?tab=library")
    upload(page, file)
    expect(page.locator("#upload-result")).to_contain_text("quuxly.md added")
    expect(page.locator("#library")).to_contain_text("Quuxly Privacy Policy")
    page.get_by_role("tab", name="Ask").click()
    ask(page, "How long does Quuxly keep voice recordings?")
    page.locator("#citation-1").click()
    assert "17 weeks" in quote_in_view(page)

    page.get_by_role("tab", name="Library").click()
    file.write_text("# Quuxly Privacy Policy\n\nQuuxly keeps your voice recordings for 3 days.\n")
    upload(page, file)
    expect(page.locator("#upload-result .refused")).to_contain_text("uploaded before")
    page.get_by_label("Replace uploaded files").check()
    upload(page, file)
    expect(page.locator("#upload-result")).to_contain_text("quuxly.md changed")

    row = page.locator("#library tr", has_text="Quuxly")
    row.get_by_role("button", name="Remove").click()
    expect(page.locator("#remove-wanted")).to_contain_text("Remove Quuxly Privacy Policy?")
    page.locator("#remove-no").click()
    expect(row).to_be_visible()
    row.get_by_role("button", name="Remove").click()
    page.locator("#remove-yes").click()
    expect(row).to_have_count(0)
    assert list((chat_home / "uploads").glob("quuxly*")) == []


def test_refused_files_have_a_clear_line_each(page: Page, address: str, tmp_path: Path) -> None:
    contents = {
        "photo.png": b"\x89PNG\r\n",
        "empty.txt": b" \n",
        "binary.txt": bytes(range(32)) * 9,
    }
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    page.goto(f"{address}?tab=library")
    upload(page, *(tmp_path / name for name in contents))
    lines = page.locator("#upload-result .refused")
    expect(lines).to_have_count(3)
    for name, line in zip(contents, lines.all_text_contents(), strict=True):
        assert line.startswith(name)
        assert "refused: " in line
    expect(page.locator("#library tbody tr")).to_have_count(5)


def test_each_odd_file_gets_a_line_that_says_what_to_do(
    page: Page, address: str, tmp_path: Path
) -> None:
    page.goto(f"{address}?tab=library")
    (tmp_path / "nothing.txt").write_bytes(b"")
    (tmp_path / "long.txt").write_text("We keep your data. " * 4_000_000)
    (tmp_path / "fine.txt").write_text("Fineco Privacy Policy\n\nFineco keeps mail for 3 weeks.\n")
    expect(page.locator("#upload")).to_contain_text("up to 20 files at a time, 1 MB each")
    upload(page, *(tmp_path / f"{name}.txt" for name in ("nothing", "fine", "long")))
    expect(page.locator("#upload-result .taken")).to_contain_text("fine.txt")
    lines = page.locator("#upload-result .refused")
    expect(lines.first).to_contain_text("nothing.txt refused: the file is empty; check that")
    expect(lines.last).to_contain_text("long.txt refused: it has more than 1 MB; no privacy policy")


def test_too_many_files_are_refused_together(page: Page, address: str, tmp_path: Path) -> None:
    page.goto(f"{address}?tab=library")
    files = [tmp_path / f"policy{number}.txt" for number in range(50)]
    for file in files:
        file.write_text(f"We keep data for {file.stem} weeks.")
    upload(page, *files)
    expect(page.locator("#upload-result .fault")).to_have_text(
        "50 files are too many at once. Upload up to 20 at a time."
    )


def test_the_same_text_twice_is_one_policy(page: Page, address: str, tmp_path: Path) -> None:
    page.goto(f"{address}?tab=library")
    first, second = tmp_path / "twin.txt", tmp_path / "twin-copy.txt"
    for file in (first, second):
        file.write_text("Twin keeps letters for 11 weeks.\n")
    upload(page, first, second)
    expect(page.locator("#upload-result")).to_contain_text(
        "twin-copy.txt is in the library already"
    )
    expect(page.locator("#library tr", has_text="twin")).to_have_count(1)


def test_what_changed_elsewhere_is_marked_and_no_longer_quoted(
    page: Page, address: str, chat_home: Path, tmp_path: Path
) -> None:
    file = tmp_path / "zyxco.txt"

    def index(text: str) -> None:
        file.write_text(f"Zyxco Privacy Policy\n\n{text}\n")
        command = ["index", str(file), "--home", str(chat_home)]
        subprocess.run([sys.executable, "-m", "qa.cli", *command], check=True, timeout=120)

    index("Zyxco keeps your voice recordings for 17 weeks.")
    page.get_by_role("tab", name="Library").click()
    expect(page.locator("#library tr", has_text="Zyxco")).to_be_visible()
    page.get_by_role("tab", name="Ask").click()
    ask(page, "How long does Zyxco keep voice recordings?")
    page.locator("#citation-1").click()
    assert "17 weeks" in quote_in_view(page)

    page.get_by_role("button", name="Wrong answer").click()
    page.keyboard.press("Escape")
    told = page.locator("#answers .card").text_content()

    index("We changed much of this. Zyxco keeps your voice recordings for 3 days.")
    page.reload()
    expect(page.locator("#answers .card")).to_have_text(told or "")
    expect(page.locator("#answers .note")).to_have_text(
        "Note: the policy of Zyxco has changed or was removed since; this is what it said then."
    )
    judged = page.get_by_role("button", name="Wrong answer")
    expect(judged).to_have_attribute("aria-pressed", "true")
    page.locator("#citation-1").click()
    expect(page.locator("#source .fault")).to_contain_text("has changed or was removed since")
    expect(page.locator("#source-quote")).to_have_count(0)
    expect(page.locator("#source .verified")).to_have_count(0)
    page.get_by_role("tab", name="Library").click()
    row = page.locator("#library tr", has_text="Zyxco")
    expect(row.locator(".badge")).to_have_text("changed")
    expect(page.locator("#library .news")).to_have_text("Since you last looked: zyxco was changed.")
    page.get_by_role("tab", name="Ask").click()
    ask(page, "How long does Zyxco keep voice recordings?")
    page.locator("#citation-1").click()
    assert "3 days" in quote_in_view(page)
    page.get_by_role("tab", name="Library").click()
    expect(row.locator(".badge")).to_have_count(0)


def test_a_file_that_changed_is_found_when_one_looks(
    page: Page, address: str, chat_home: Path, tmp_path: Path
) -> None:
    file = tmp_path / "ympany.txt"
    file.write_text("Ympany Privacy Policy\n\nYmpany keeps logs for 5 weeks.\n")
    command = ["index", str(file), "--home", str(chat_home)]
    subprocess.run([sys.executable, "-m", "qa.cli", *command], check=True, timeout=120)
    page.goto(f"{address}?tab=library")
    expect(page.locator("#library tr", has_text="Ympany")).to_be_visible()
    file.write_text("Ympany Privacy Policy\n\nYmpany keeps logs for 6 weeks.\n")
    page.locator("#sync").click()
    expect(page.locator("#upload-result")).to_contain_text("ympany changed")
    page.locator("#sync").click()
    expect(page.locator("#upload-result")).to_contain_text("is up to date with its files")


def test_escape_keeps_what_was_to_be_removed(page: Page, address: str) -> None:
    page.goto(f"{address}?tab=library")
    row = page.locator("#library tr", has_text="webee.txt")
    row.get_by_role("button", name="Remove").click()
    expect(page.locator("#remove-no")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.locator("#remove-no")).to_be_hidden()
    expect(row.get_by_role("button", name="Remove")).to_be_focused()


@pytest.fixture
def emptied(indexed_home: Path, tmp_path: Path) -> Path:
    """A home of one policy, which a test may remove."""
    home = shutil.copytree(indexed_home, tmp_path / "home")
    for policy in ("webee", "webengage", "wecloudit", "wepos"):
        command = ["remove", policy, "--home", str(home)]
        subprocess.run([sys.executable, "-m", "qa.cli", *command], check=True, timeout=120)
    return home


def test_an_empty_library_says_what_to_do(browser: Browser, emptied: Path) -> None:
    with serving(emptied) as url, visiting(browser, f"{url}?tab=library") as page:
        page.locator("#library").get_by_role("button", name="Remove").click()
        page.locator("#remove-yes").click()
        expect(page.locator("#library")).to_contain_text("The library is empty")
        page.get_by_role("tab", name="Ask").click()
        page.locator("#answers .chip").first.click()
        expect(page.locator("#answers .fault")).to_have_text(
            "The library is empty. Add a policy under Library."
        )
        page.get_by_role("tab", name="Compare").click()
        page.locator("#compare").click()
        expect(page.locator("#compare-table .fault")).to_have_text(
            "The library is empty. Add a policy under Library."
        )
