"""The chat, in a real browser: what people see, and what documents and questions cannot do."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from index.parse.plain import parse_plain

CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync",
    "--disable-component-update", "--no-first-run",
]  # fmt: skip
expect.set_options(timeout=15_000)  # a machine may be busy with other things
QUESTION = "How long is data retained?"
# Each loads something from afar, or runs a script, wherever it is taken for markup.
ATTACKS = (
    "![x](http://evil.example/a.png) <img src=http://evil.example/b.png onerror=document.title='owned'> "
    "<script>document.title='owned'</script> <svg onload=\"document.title='owned'\">"
    "<image href=http://evil.example/c.png /></svg> <style>body{background:url(http://evil.example/d)}"
    "</style> <link rel=stylesheet href=http://evil.example/e.css> "
    "<iframe src=http://evil.example/f></iframe> ${document.title='owned'} {{constructor}} "
    "<video src=http://evil.example/g autoplay></video> '\"><b onmouseover=document.title='owned'>"
)


# What this browser asks for by itself, whatever page is open.
OF_THE_BROWSER = {
    "redirector.gvt1.com", "optimizationguide-pa.googleapis.com", "safebrowsing.googleapis.com",
    "accounts.google.com", "content-autofill.googleapis.com", "update.googleapis.com",
    "clients2.google.com",
}  # fmt: skip


class Outside:
    """A proxy that lets nothing through and notes what was asked for: loopback goes past it."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            with connection:
                target = connection.recv(4096).decode("latin-1").split(" ")[1]
                host = urlsplit(target if "//" in target else f"//{target}").hostname
                if host not in OF_THE_BROWSER:
                    self.asked.append(target)

    def close(self) -> None:
        self._socket.close()


@pytest.fixture(scope="module")
def outside() -> Iterator[Outside]:
    proxy = Outside()
    yield proxy
    proxy.close()


@pytest.fixture(scope="module")
def browser(outside: Outside) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=[*ARGUMENTS, f"--proxy-server={outside.address}"]
        )
        yield browser
        browser.close()


def serving(home: Path, *args: str, **env: str) -> tuple[subprocess.Popen[str], str]:
    """Start the chat over a home, and return it with its address."""
    command = [sys.executable, "-m", "qa.cli", "chat", "--port", "0", "--home", str(home), *args]
    outer = {key: value for key, value in os.environ.items() if not key.startswith("POLICYQA_")}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**outer, **env})
    assert process.stdout
    return process, process.stdout.readline().split()[-1]


@pytest.fixture(scope="module")
def chat_home(indexed_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return shutil.copytree(indexed_home, tmp_path_factory.mktemp("chat") / "home")


@pytest.fixture(scope="module")
def address(chat_home: Path) -> Iterator[str]:
    process, url = serving(chat_home)
    yield url
    process.terminate()
    process.wait(30)
    assert process.stdout
    process.stdout.close()


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    """A page of a visitor who was never here, opened; no script of it may have failed."""
    failures: list[str] = []
    context = browser.new_context(viewport={"width": 1400, "height": 900})
    page = context.new_page()
    page.on("pageerror", lambda error: failures.append(str(error)))
    page.set_default_timeout(15_000)
    page.goto(address)
    expect(page.locator("#answers .welcome")).to_be_visible()
    yield page
    context.close()
    assert failures == []


def ask(page: Page, question: str) -> None:
    """Ask, and wait until the answer to this very question stands below the others."""
    page.wait_for_timeout(400)  # Gradio's client may lose what begins in the moment another ends
    before = page.locator("#answers .actions").count()
    page.locator("#question textarea, #question input").fill(question)
    page.keyboard.press("Enter")
    expect(page.locator("#answers .actions")).to_have_count(before + 1)


def quote_in_view(page: Page) -> str:
    """Return the highlighted quote, as soon as it stands in the part of the source that one sees."""
    quote, pane = page.locator("#source-quote"), page.locator("#source .text")
    for _ in range(100):
        expect(quote).to_be_in_viewport()
        at, seen = quote.bounding_box(), pane.bounding_box()
        # Between two sources neither may be there for a moment.
        if at and seen and seen["y"] <= at["y"] <= seen["y"] + seen["height"] - 20:
            return quote.text_content() or ""
        page.wait_for_timeout(100)
    pytest.fail("the quote is not in the visible part of the source")


def test_a_citation_lights_up_its_quote_in_the_policy(page: Page, bundled: dict[str, str]) -> None:
    page.locator("#answers .chip", has_text=QUESTION).click()
    expect(page.locator("#answers .card").first).to_contain_text("Web1on1")
    expect(page.locator("#answers .silent summary")).to_contain_text("policies do not state this")
    page.locator("#citation-2").click()
    expect(page.locator("#source .count")).to_contain_text("[2]")
    assert any(quote_in_view(page) in text for text in bundled.values())
    page.locator("#citation-1").click()
    expect(page.locator("#source .count")).to_contain_text("[1]")
    first = quote_in_view(page)
    assert first in bundled["web1on1"]
    assert "90 days" in first
    assert page.locator("#source .text").text_content() == bundled["web1on1"]
    expect(page.locator("#source .verified")).to_contain_text("verified")
    expect(page.locator("#source .version")).to_contain_text("sha256")


def test_previous_and_next_go_through_all_citations(page: Page, bundled: dict[str, str]) -> None:
    ask(page, QUESTION)
    page.locator("#citation-1").click()
    expect(page.locator("#source nav button").first).to_be_disabled()
    total = int((page.locator("#source .count").text_content() or "").split()[-1])
    for place in range(2, total + 1):
        page.locator("#source nav button", has_text="Next").click()
        expect(page.locator("#source .count")).to_contain_text(f"{place} of {total}")
        assert any(quote_in_view(page) in text for text in bundled.values())
    expect(page.locator("#source nav button").last).to_be_disabled()


def test_what_comes_closest_opens_too(page: Page) -> None:
    ask(page, QUESTION)
    page.locator("#answers summary").click()
    page.locator("#answers .silent .cite").first.click()
    expect(page.locator("#source h2")).not_to_have_text("Source")
    quote_in_view(page)


def test_a_follow_up_is_resolved_shown_and_editable(page: Page) -> None:
    ask(page, QUESTION)
    ask(page, "and Wepos?")
    understood = page.locator("#answers .understood")
    expect(understood).to_contain_text("How long is data retained? · wepos")
    understood.get_by_role("button", name="Edit").click()
    expect(page.locator("#question textarea, #question input")).to_have_value(QUESTION)
    expect(page.locator("#citation-1")).to_have_count(1)


def test_reload_keeps_the_conversation_and_its_citations(page: Page) -> None:
    ask(page, QUESTION)
    ask(page, "and WebEngage?")
    page.reload()
    expect(page.locator("#answers .asked")).to_have_text([QUESTION, "and WebEngage?"])
    page.locator("#answers .cite").first.click()
    quote_in_view(page)


def test_a_conversation_is_seen_by_nobody_else(page: Page, browser: Browser, address: str) -> None:
    ask(page, QUESTION)
    other = browser.new_context().new_page()
    other.goto(address)
    expect(other.locator("#answers .welcome")).to_be_visible()
    expect(other.locator("#answers .asked")).to_have_count(0)
    other.context.close()


def test_a_link_asks_over_the_policy_that_it_names(page: Page, address: str) -> None:
    page.goto(f"{address}?q=is+my+data+sold%3F&policy=WebEngage")
    expect(page.locator("#answers .understood")).to_contain_text("webengage")
    expect(page.locator("#answers .actions")).to_have_count(1)
    page.reload()
    expect(page.locator("#answers .actions")).to_have_count(1)


def test_errors_are_sentences_with_what_to_do(page: Page) -> None:
    page.locator("#send").click()
    expect(page.locator("#answers .error")).to_contain_text("The question is empty. Ask one")


def test_a_company_that_is_not_indexed_is_said_to_be_so(page: Page) -> None:
    ask(page, "How long does Spotify keep my history?")
    expect(page.locator("#answers .note")).to_contain_text("No policy of Spotify is indexed")


def test_a_conversation_is_exported(page: Page) -> None:
    ask(page, QUESTION)
    for name, ending in (("Markdown", "md"), ("JSON", "json")):
        with page.expect_download() as saved:
            page.get_by_role("button", name=f"Export {name}", exact=True).first.click()
        text = Path(saved.value.path()).read_text("utf-8")
        assert saved.value.suggested_filename == f"conversation.{ending}"
        assert "90 days" in text
    assert json.loads(text)["turns"][0]["asked"] == QUESTION


def test_feedback_is_kept_on_this_computer(page: Page, chat_home: Path) -> None:
    ask(page, QUESTION)
    page.get_by_role("button", name="Wrong evidence").click()
    page.locator("#comment textarea").fill("It is clause 7.6.")
    page.get_by_role("button", name="Save the comment").click()
    expect(page.locator("#comment textarea")).to_be_hidden()
    lines = (chat_home / "feedback.jsonl").read_text("utf-8").splitlines()
    last = json.loads(lines[-1])
    assert (last["verdict"], last["comment"]) == ("wrong_evidence", "It is clause 7.6.")


def test_a_comparison_fills_and_its_cells_open_their_quotes(page: Page, address: str) -> None:
    page.goto(f"{address}?tab=compare")
    page.locator("#compare-questions textarea").fill(f"{QUESTION}\nIs my data sold?")
    page.locator("#compare").click()
    table = page.locator("#compare-table")
    expect(table).to_contain_text("2 questions answered")
    expect(table.locator("tbody tr")).to_have_count(2)
    expect(table).to_contain_text("not stated")
    table.locator(".said", has_text="90 days").click()
    assert "90 days" in quote_in_view(page)
    with page.expect_download() as saved:
        page.get_by_role("button", name="Export CSV").click()
    assert Path(saved.value.path()).read_text("utf-8").startswith("Question,Web1on1")


def test_an_uploaded_policy_answers_is_replaced_and_removed(
    page: Page, address: str, tmp_path: Path, chat_home: Path
) -> None:
    file = tmp_path / "quuxly.md"
    file.write_text("# Quuxly Privacy Policy\n\nQuuxly keeps your voice recordings for 17 weeks.\n")
    page.goto(f"{address}?tab=library")
    page.locator("#upload input[type=file]").set_input_files(file)
    expect(page.locator("#upload-result")).to_contain_text("quuxly.md added")
    expect(page.locator("#library")).to_contain_text("Quuxly Privacy Policy")
    page.get_by_role("tab", name="Ask").click()
    ask(page, "How long does Quuxly keep voice recordings?")
    page.locator("#citation-1").click()
    assert "17 weeks" in quote_in_view(page)

    page.get_by_role("tab", name="Library").click()
    file.write_text("# Quuxly Privacy Policy\n\nQuuxly keeps your voice recordings for 3 days.\n")
    page.locator("#upload input[type=file]").set_input_files(file)
    expect(page.locator("#upload-result .refused")).to_contain_text("uploaded before")
    page.get_by_label("Replace uploaded files").check()
    page.locator("#upload input[type=file]").set_input_files(file)
    expect(page.locator("#upload-result")).to_contain_text("quuxly.md changed")

    row = page.locator("#library tr", has_text="Quuxly")
    row.get_by_role("button", name="Remove").click()
    expect(page.locator("#remove-wanted")).to_contain_text("Remove quuxly?")
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
    page.locator("#upload input[type=file]").set_input_files([tmp_path / n for n in contents])
    lines = page.locator("#upload-result .refused")
    expect(lines).to_have_count(3)
    for name, line in zip(contents, lines.all_text_contents(), strict=True):
        assert line.startswith(name)
        assert "refused: " in line
    expect(page.locator("#library tbody tr")).to_have_count(5)


def test_an_evaluation_is_shown_from_its_files(page: Page, address: str, chat_home: Path) -> None:
    folder = chat_home / "evaluation" / "gold"
    folder.mkdir(parents=True)
    figure = {"value": 0.73, "low": 0.67, "high": 0.79, "n": 9}
    report = {
        "set": "gold", "made": "today", "policyqa": "0.1.0", "cases": 9, "policies": 5,
        "systems": {"policyqa": {"figures": {"hit@1": figure}}},
    }  # fmt: skip
    (folder / "report.json").write_text(json.dumps(report))
    svg = '<svg viewBox="0 0 9 9"><rect width="9" height="9"/></svg>'
    (folder / "report.html").write_text(
        f'<figure role="img" aria-label="by kind"><figcaption>by kind</figcaption>{svg}</figure>'
    )
    page.goto(f"{address}?tab=evaluation")
    expect(page.locator("#evaluation")).to_contain_text("0.73 [0.67, 0.79]")
    expect(page.locator("#evaluation img")).to_have_attribute("alt", "by kind")
    expect(page.locator("#source")).to_be_hidden()


def test_a_narrow_window_holds_everything(browser: Browser, address: str) -> None:
    context = browser.new_context(viewport={"width": 390, "height": 844})
    page = context.new_page()
    page.goto(f"{address}?q={QUESTION}")
    page.locator("#citation-1").click()
    quote_in_view(page)
    widths = [
        page.evaluate(f"document.documentElement.{name}Width") for name in ("scroll", "client")
    ]
    assert widths[0] <= widths[1]
    for tab in ("library", "compare"):
        page.goto(f"{address}?tab={tab}")
        part = page.locator("#library .wide, #compare-questions").locator("visible=true").first
        expect(part).to_be_visible()
        box = part.bounding_box()
        assert box
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 390
    context.close()


def test_dark_mode_is_dark(browser: Browser, address: str) -> None:
    context = browser.new_context(color_scheme="dark")
    page = context.new_page()
    page.goto(f"{address}?q={QUESTION}")
    expect(page.locator("#citation-1")).to_be_visible()
    colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert all(int(part) < 60 for part in re.findall(r"\d+", colour)[:3])
    context.close()


def test_nothing_that_a_document_or_a_question_says_acts(
    page: Page, address: str, outside: Outside, tmp_path: Path
) -> None:
    name = "<img src=x onerror=alert(1)> evil.md"
    text = (
        f"# Evil {ATTACKS} Privacy Policy\n\n## Retention {ATTACKS}\n\nEvilcorp keeps voice "
        f"recordings for 17 weeks {ATTACKS}.\n\n- = cmd|' /C calc'!A0\n"
    )
    (tmp_path / name).write_text(text)
    said: list[str] = []
    page.on("dialog", lambda dialog: (said.append(dialog.message), dialog.dismiss()))
    page.goto(f"{address}?tab=library")
    page.locator("#upload input[type=file]").set_input_files(tmp_path / name)
    expect(page.locator("#upload-result .taken")).to_have_count(1)
    page.locator("#library tr", has_text="evil").get_by_role("button", name="Read").click()
    expect(page.locator("#source .text")).to_have_text(re.compile("Evilcorp"))
    assert page.locator("#source .text").text_content() == parse_plain(text.encode())
    page.get_by_role("tab", name="Ask").click()
    ask(page, "How long are voice recordings kept?")
    ask(page, f"How long are recordings kept {ATTACKS}?")
    page.locator("#answers summary").last.click()
    page.locator("#citation-1").press("Enter")
    quote_in_view(page)
    page.get_by_role("tab", name="Compare").click()
    page.locator("#compare-questions textarea").fill(f"How long are recordings kept? {ATTACKS}")
    page.locator("#compare").click()
    expect(page.locator("#compare-table")).to_contain_text("1 questions answered")
    for part in ("answers", "source", "compare-table", "library"):
        markup = page.locator(f"#{part}")
        assert markup.locator("img, script, svg, style, link, iframe, video, image").count() == 0
    assert page.title() == "policyqa"
    assert said == []
    assert outside.asked == []


def test_the_page_loads_nothing_from_afar(page: Page, outside: Outside) -> None:
    ask(page, QUESTION)
    page.get_by_role("tab", name="Evaluation").click()
    expect(page.locator("#evaluation h2")).to_be_visible()
    assert outside.asked == []


def test_what_left_would_be_seen(browser: Browser) -> None:
    proxy = Outside()
    context = browser.new_context(proxy={"server": proxy.address})
    page = context.new_page()
    page.set_content('<img src="http://evil.example/a.png">')
    expect(page.locator("img")).to_have_js_property("complete", True)
    assert "http://evil.example/a.png" in proxy.asked
    context.close()
    proxy.close()
