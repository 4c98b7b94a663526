"""The chat, in a real browser: what people see, and what documents and questions cannot do."""

from __future__ import annotations

import json
import re
from pathlib import Path

from browsing import QUESTION, Outside, ask, question_box, quote_in_view
from playwright.sync_api import Browser, Page, expect

from index.parse.plain import parse_plain

# Each loads something from afar, or runs a script, wherever it is taken for markup.
ATTACKS = (
    "![x](http://evil.example/a.png) <img src=http://evil.example/b.png onerror=document.title='owned'> "
    "<script>document.title='owned'</script> <svg onload=\"document.title='owned'\">"
    "<image href=http://evil.example/c.png /></svg> <style>body{background:url(http://evil.example/d)}"
    "</style> <link rel=stylesheet href=http://evil.example/e.css> "
    "<iframe src=http://evil.example/f></iframe> ${document.title='owned'} {{constructor}} "
    "<video src=http://evil.example/g autoplay></video> '\"><b onmouseover=document.title='owned'>"
)


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
    expect(page.locator("#source-quote strong")).to_have_text("90 days")
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
    expect(understood).to_contain_text("How long is data retained? · Wepos")
    understood.get_by_role("button", name="Edit").click()
    expect(question_box(page)).to_have_value(QUESTION)
    expect(page.locator("#policies .token")).to_have_text(re.compile("Wepos"))
    ask(page, "How long is usage data retained?")
    expect(understood.last).to_contain_text("How long is usage data retained? · Wepos")
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
    expect(page.locator("#answers .understood")).to_contain_text("WebEngage")
    expect(page.locator("#answers .actions")).to_have_count(1)
    page.reload()
    expect(page.locator("#answers .actions")).to_have_count(1)


def test_errors_are_sentences_with_what_to_do(page: Page) -> None:
    page.locator("#send").click()
    expect(page.locator("#answers .fault")).to_contain_text("The question is empty. Type one")


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
    asked = (QUESTION, "Is my data sold?", "Which cookies are used?", "Who can I contact?", "Why?")
    page.locator("#compare-questions textarea").fill("\n".join(asked))
    page.locator("#compare").click()
    table = page.locator("#compare-table")
    expect(table).to_contain_text("5 questions answered")
    expect(table.locator("tbody tr")).to_have_count(5)
    expect(table).to_contain_text("not stated")
    table.locator(".said", has_text="90 days").click()
    assert "90 days" in quote_in_view(page)
    page.mouse.wheel(0, 5_000)
    expect(page.locator("#source h2")).to_be_in_viewport()  # beside a table of any length
    with page.expect_download() as saved:
        page.get_by_role("button", name="Export CSV").click()
    assert Path(saved.value.path()).read_text("utf-8").startswith("Question,Web1on1")


def test_an_evaluation_is_shown_from_its_files(page: Page, address: str, chat_home: Path) -> None:
    folder = chat_home / "evaluation" / "gold"
    folder.mkdir(parents=True)
    figure = {"value": 0.73, "low": 0.67, "high": 0.79, "n": 9}
    report = {
        "set": "gold", "made": "today", "policyqa": "0.1.0", "cases": 9, "policies": 5,
        "systems": {"policyqa": {"figures": {"hit@1": figure}}},
    }  # fmt: skip
    page.goto(f"{address}?tab=evaluation")
    expect(page.locator("#evaluation .note")).to_contain_text("pip install 'policyqa[eval]'")
    (folder / "report.json").write_text(json.dumps(report))
    page.goto(f"{address}?tab=evaluation")
    expect(page.locator("#evaluation")).to_contain_text("only figures: the report was not drawn")
    expect(page.locator("#evaluation a")).to_have_count(0)
    svg = '<svg viewBox="0 0 9 9"><rect width="9" height="9"/></svg>'
    (folder / "report.html").write_text(
        f'<figure role="img" aria-label="by kind"><figcaption>by kind</figcaption>{svg}</figure>'
    )
    page.goto(f"{address}?tab=evaluation")
    expect(page.locator("#evaluation")).to_contain_text("0.73 [0.67, 0.79]")
    expect(page.locator("#evaluation img")).to_have_attribute("alt", "by kind")
    expect(page.locator("#evaluation a")).to_have_text("the whole report")
    expect(page.locator("#source")).to_be_hidden()


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
    expect(page.locator("#compare-table")).to_contain_text("1 question answered")
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
