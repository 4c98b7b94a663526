"""The chat with a language model, in a real browser: quotes, then a draft, then the verified answer."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import scripted
from browsing import QUESTION, ask, question_box, quote_in_view, serving, visiting
from playwright.sync_api import Browser, Page, expect
from scripted import Act, Asked, Server, passages_of, reply

ABOUT = "How long does Web1on1 retain data?"
INVENTED = "It costs 4711 euros."


@pytest.fixture(scope="module")
def model() -> Iterator[Server]:
    """The language model's server of the chat."""
    with scripted.serving() as server:
        yield server


@pytest.fixture(scope="module")
def llm_address(chat_home: Path, model: Server) -> Iterator[str]:
    settings = {
        "POLICYQA_LLM": "openai/m", "POLICYQA_LLM_BASE_URL": model.base("openai"),
        "POLICYQA_LLM_CACHE": "false", "POLICYQA_LLM_FIRST_SECONDS": "15",
    }  # fmt: skip
    with serving(chat_home, settings=settings) as url:
        yield url


@pytest.fixture
def llm_page(browser: Browser, llm_address: str, model: Server) -> Iterator[Page]:
    model.asked.clear()
    model.hung_up = 0
    with visiting(browser, llm_address) as page:
        expect(page.locator("#answers .welcome")).to_be_visible()
        yield page


def slowly(pace: float) -> Callable[[Asked], Act]:
    """Return a script: a statement with its quote, one that is made up, so many seconds a piece."""

    def script(asked: Asked) -> Act:
        if not passages_of(asked):
            return Act("ready")
        line = max(passages_of(asked)[1].splitlines(), key=len)
        said = reply(("It is kept for some time.", [(1, line)]), (INVENTED, [(1, INVENTED)]))
        return Act(said, piece=16, pace=pace)

    return script


def begin(page: Page, question: str) -> None:
    question_box(page).fill(question)
    page.keyboard.press("Enter")


def until(page: Page, check: Callable[[], bool]) -> bool:
    """Wait for what the server is about to see; tell whether it did."""
    for _ in range(100):
        if check():
            return True
        page.wait_for_timeout(100)
    return False


def test_quotes_come_first_then_a_draft_then_the_verified_answer(
    llm_page: Page, model: Server, bundled: dict[str, str]
) -> None:
    model.script = slowly(0.12)
    begin(llm_page, ABOUT)
    draft, ended = llm_page.locator("#answers .draft"), llm_page.locator("#answers .actions")
    expect(draft).to_contain_text("a draft, not verified yet")
    expect(llm_page.locator("#answers .card")).to_contain_text("90 days")
    llm_page.locator("#citation-1").click()
    assert quote_in_view(llm_page) in bundled["web1on1"]
    expect(draft).to_contain_text("Web1on1: It is kept")
    expect(ended).to_have_count(0)
    expect(ended).to_have_count(1)
    expect(draft).to_have_count(0)
    card = llm_page.locator("#answers .card")
    expect(card.locator("p").first).to_contain_text("It is kept for some time.")
    expect(card.locator(".unverified")).to_have_text(f"Not verified: {INVENTED}")
    expect(card.locator("blockquote")).to_have_count(1)
    llm_page.locator("#answers .card .cite").first.click()
    assert quote_in_view(llm_page) in bundled["web1on1"]
    expect(llm_page.locator("#answers .spent")).to_contain_text("openai/m")
    expect(question_box(llm_page)).to_have_value("")


@pytest.mark.parametrize("amid", [False, True])
def test_stop_closes_the_connection_and_keeps_the_policys_own_words(
    llm_page: Page, model: Server, amid: bool
) -> None:
    model.script = slowly(0.5) if amid else lambda _: Act(fault="hang")
    begin(llm_page, ABOUT)
    expect(llm_page.locator("#answers .draft")).to_contain_text("kept" if amid else "writes")
    assert until(llm_page, lambda: model.asked != [])
    llm_page.locator("#stop").click()
    assert until(llm_page, lambda: model.hung_up == 1)
    expect(llm_page.locator("#answers .draft")).to_have_count(0)
    expect(llm_page.locator("#answers .card")).to_contain_text("90 days")
    expect(llm_page.locator("#answers .note").last).to_contain_text("openai/m was stopped")
    expect(llm_page.locator("#answers .spent")).to_contain_text("extractive")
    model.script = slowly(0.0)
    ask(llm_page, QUESTION)
    expect(llm_page.locator("#answers .spent").last).to_contain_text("openai/m")


def test_a_link_with_a_question_is_answered_as_it_comes(
    llm_page: Page, llm_address: str, model: Server
) -> None:
    model.script = slowly(0.12)
    llm_page.goto(f"{llm_address}?q=How+long+is+data+kept%3F&policy=web1on1")
    expect(llm_page.locator("#answers .draft")).to_contain_text("a draft, not verified yet")
    expect(llm_page.locator("#answers .actions")).to_have_count(1, timeout=20_000)
    assert "q=" not in llm_page.url
    assert len(model.asked) == 1
    expect(question_box(llm_page)).to_have_value("")
    llm_page.reload()
    expect(llm_page.locator("#answers .actions")).to_have_count(1)
    assert len(model.asked) == 1


def test_a_model_that_words_a_follow_up_is_stopped_too(llm_page: Page, model: Server) -> None:
    model.script = slowly(0.0)
    ask(llm_page, ABOUT)
    model.script = lambda asked: Act(fault="" if passages_of(asked) else "hang")
    begin(llm_page, "and WebEngage?")
    expect(llm_page.locator("#answers .note").last).to_have_text("openai/m reads it …")
    llm_page.locator("#stop").click()
    assert until(llm_page, lambda: model.hung_up == 1)
    expect(llm_page.locator("#answers .asked")).to_have_text([ABOUT])
    expect(question_box(llm_page)).to_have_value("and WebEngage?")
    model.script = follow_up
    ask(llm_page, "and WebEngage?")
    expect(llm_page.locator("#answers .understood")).to_contain_text("How long is it kept?")


def follow_up(asked: Asked) -> Act:
    if passages_of(asked):
        return scripted.honest(asked)
    return Act('{"question": "How long is it kept? · WebEngage"}')


def test_a_comparison_that_is_stopped_closes_its_connection(llm_page: Page, model: Server) -> None:
    model.script = lambda _: Act(fault="hang")
    llm_page.get_by_role("tab", name="Compare").click()
    llm_page.locator("#compare-questions textarea").fill(QUESTION)
    llm_page.locator("#compare").click()
    assert until(llm_page, lambda: model.open > 0)
    llm_page.locator("#compare-stop").click()
    assert until(llm_page, lambda: model.open == 0 < model.hung_up)
    llm_page.get_by_role("tab", name="Ask").click()
    model.script = slowly(0.0)
    ask(llm_page, ABOUT)


def test_leaving_the_page_closes_the_connection(llm_page: Page, model: Server) -> None:
    model.script = lambda _: Act(fault="hang")
    begin(llm_page, ABOUT)
    expect(llm_page.locator("#answers .draft")).to_be_visible()
    llm_page.goto("about:blank")
    assert until(llm_page, lambda: model.hung_up == 1)


def test_a_quick_model_and_a_failing_one_are_shown_as_what_they_are(
    llm_page: Page, model: Server
) -> None:
    model.script = slowly(0.0)
    for number in range(5):
        ask(llm_page, f"How long does Web1on1 retain data number {number}?")
        expect(llm_page.locator("#answers .draft")).to_have_count(0)
        expect(llm_page.locator("#answers .spent").last).to_contain_text("openai/m")
    model.script = lambda _: Act(fault="401")
    ask(llm_page, ABOUT)
    expect(llm_page.locator("#answers .note").last).to_contain_text("refuses the key")
    expect(llm_page.locator("#answers .spent").last).to_contain_text("extractive")
    begin(llm_page, "x" * 3000)
    expect(llm_page.locator("#answers .fault")).to_contain_text("the limit is 2,000")


def test_the_page_says_who_answers_and_where_questions_go_and_tests_it(
    llm_page: Page, model: Server
) -> None:
    mode = llm_page.locator("#mode")
    expect(mode).to_contain_text("Mode: openai/m")
    expect(mode).to_contain_text(f"questions and passages are sent to {model.base('openai')}")
    model.script = slowly(0.0)
    llm_page.locator("#trial").click()
    expect(llm_page.get_by_text(re.compile("The language model openai/m answers"))).to_be_visible()
    model.script = lambda _: Act(fault="401")
    llm_page.locator("#trial").click()
    expect(llm_page.get_by_text(re.compile("openai/m does not answer"))).to_be_visible()
