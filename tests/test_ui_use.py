"""The chat in a real browser, used by keyboard, on a phone, in the dark, by many, and oddly."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest
from browsing import QUESTION, ask, question_box, quote_in_view, serving, visiting
from playwright.sync_api import Browser, Page, expect

from index.build import CORPUS
from qa import render

SLOW = (str(Path(__file__).with_name("slow_chat.py")),)
TABS = ("ask", "compare", "library", "evaluation")
CONTROLS = {"button", "textbox", "combobox", "checkbox", "link", "tab", "DisclosureTriangle"}


@pytest.fixture(scope="module")
def slow_address(indexed_home: Path) -> Iterator[str]:
    """The address of a chat that takes its time, and in which few may wait."""
    with serving(indexed_home, program=SLOW) as url:
        yield url


def send(page: Page, question: str) -> None:
    """Ask, and wait until the question has been taken."""
    with page.expect_response(re.compile("queue/join")):
        question_box(page).fill(question)
        page.keyboard.press("Enter")


@pytest.mark.parametrize("how", ["button", "Escape"])
def test_what_is_stopped_is_not_answered_and_the_next_is(
    browser: Browser, slow_address: str, how: str
) -> None:
    with visiting(browser, slow_address) as page:
        ask(page, QUESTION)
        send(page, "How slowly is data deleted?")
        page.wait_for_timeout(1000)
        page.locator("#stop").click() if how == "button" else page.keyboard.press("Escape")
        expect(question_box(page)).to_have_value("How slowly is data deleted?")
        page.wait_for_timeout(500)
        expect(page.locator("#answers")).not_to_contain_text("Error")
        ask(page, "Is my data sold?")  # answered after what was stopped would have been
        expect(page.locator("#answers .asked")).to_have_text([QUESTION, "Is my data sold?"])


# What a server says last on a stream, heard late: for two seconds it has ended, and the page not known.
ENDS_LATE = """
const plain = window.fetch;
window.fetch = async (...request) => {
  const response = await plain(...request);
  if (!response.url.includes('queue/data')) return response;
  const late = new TransformStream({
    async transform(chunk, controller) {
      const text = new TextDecoder().decode(chunk), at = text.indexOf('data: {"msg":"close_stream');
      if (at < 0) return controller.enqueue(chunk);
      controller.enqueue(new TextEncoder().encode(text.slice(0, at)));
      await new Promise(resolve => setTimeout(resolve, 2000));
      controller.enqueue(new TextEncoder().encode(text.slice(at)));
    },
  });
  return new Response(response.body.pipeThrough(late), {headers: response.headers});
};
"""


def test_what_is_asked_while_a_stream_ends_is_answered(browser: Browser, address: str) -> None:
    with visiting(browser, address, script=ENDS_LATE) as page:
        for question in (QUESTION, "Is my data sold?", "Which cookies are used?"):
            ask(page, question)
            expect(page.locator("#answers .asked").last).to_have_text(question)


def test_many_pages_are_open_in_one_browser(page: Page, address: str) -> None:
    for number in range(8):
        other = page.context.new_page()
        other.goto(address)
        send(other, f"Is data set {number} sold?")
        expect(other.locator("#answers .asked").last).to_contain_text(f"set {number} ")
    ask(page, QUESTION)


def test_what_is_typed_while_an_answer_is_on_its_way_stays(
    browser: Browser, slow_address: str
) -> None:
    with visiting(browser, slow_address) as page:
        send(page, "How slowly is data deleted?")
        question_box(page).fill("Is my data")
        page.keyboard.press("Enter")  # not sent: an answer is awaited
        expect(page.locator("#answers .actions")).to_have_count(1)
        expect(question_box(page)).to_have_value("Is my data")
        ask(page, "Is my data sold?")
        expect(question_box(page)).to_have_value("")


def test_who_comes_when_too_many_ask_is_told_so_at_once(
    browser: Browser, slow_address: str
) -> None:
    with (
        visiting(browser, slow_address) as one,
        visiting(browser, slow_address) as two,
        visiting(browser, slow_address) as other,
    ):
        for page in (one, two, other):
            ask(page, QUESTION)  # opened, and not about to ask anything by itself
        for page in (one, two):
            send(page, "How slowly is data deleted?")
        one.wait_for_timeout(500)
        send(other, "Is my data sold?")
        expect(other.locator("#answers .fault")).to_have_text(
            "Too many people are asking at the moment. Ask again in a few seconds."
        )
        for page in (one, two):
            expect(page.locator("#answers .asked").last).to_have_text("How slowly is data deleted?")
            expect(page.locator("#answers .actions")).to_have_count(2)
        expect(question_box(other)).to_have_value("Is my data sold?")
        ask(other, "Is my data sold?")


def test_an_answer_is_copied_with_its_question_and_the_sources_versions(page: Page) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    ask(page, QUESTION)
    page.get_by_role("button", name="Copy with sources").click()
    expect(page.get_by_text("Copied, with its sources.")).to_be_visible()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert "90 days" in copied
    assert "web1on1.txt 6002–6181" in copied
    assert copied.startswith(f"## {render.escape_markdown(QUESTION)}\n")
    digest = sha256((CORPUS / "web1on1.txt").read_bytes()).hexdigest()
    assert f"web1on1.txt: sha256 `{digest}`" in copied


def test_a_link_to_an_answer_is_copied_and_asks(page: Page) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    ask(page, "is data sold & shared?")
    ask(page, "and Wepos?")
    page.get_by_role("button", name="Copy link").last.click()
    expect(page.get_by_text("Whoever opens it here asks the same")).to_be_visible()
    page.locator("#new").click()
    expect(page.locator("#answers .welcome")).to_be_visible()
    page.goto(page.evaluate("navigator.clipboard.readText()"))
    expect(page.locator("#answers .understood")).to_have_text(
        re.compile("^is data sold & shared\\? · Wepos")
    )


def test_a_verdict_stays_marked(page: Page) -> None:
    ask(page, QUESTION)
    page.get_by_role("button", name="Wrong answer").click()
    expect(page.locator("#comment textarea")).to_be_focused()
    for _ in range(4):
        page.keyboard.press("Tab")
        assert page.evaluate("!!document.activeElement.closest('#comment')")
    page.keyboard.press("Escape")
    given = page.get_by_role("button", name="Wrong answer").first
    expect(given).to_be_focused()
    ask(page, "Is my data sold?")
    expect(given).to_have_attribute("aria-pressed", "true")
    expect(page.get_by_role("button", name="Wrong answer").last).to_have_attribute(
        "aria-pressed", "false"
    )


def test_an_answer_is_told_to_screen_readers_once(page: Page) -> None:
    heard = page.get_by_role("status").filter(has_text=re.compile("Answered"))
    ask(page, QUESTION)
    expect(heard).to_have_text("Answered: 2 of 5 policies state this.")
    ask(page, "and WebEngage?")
    expect(heard).to_have_text("Answered: 0 of 1 policy states this.")


def test_what_one_policy_does_not_state_is_said_with_what_comes_closest(page: Page) -> None:
    ask(page, QUESTION)
    ask(page, "and WebEngage?")
    expect(page.locator("#answers summary").last).to_have_text("WebEngage does not state this")
    expect(page.locator("#citation-1")).to_be_visible()


def test_feedback_is_exported_as_drafts_of_gold_cases(page: Page) -> None:
    ask(page, "Is my data sold?")
    page.get_by_role("button", name="Right", exact=True).click()
    expect(page.get_by_text("Thank you. Saved on this computer.")).to_be_visible()
    page.get_by_role("tab", name="Evaluation").click()
    with page.expect_download() as saved:
        page.locator("#export-feedback").click()
    draft = json.loads(Path(saved.value.path()).read_text("utf-8").splitlines()[-1])
    assert (draft["question"], draft["verdict"]) == ("Is my data sold?", "right")
    assert {one["status"] for one in draft["expect"].values()} == {"stated", "not_stated"}


def test_the_keyboard_reaches_everything_in_the_order_it_is_seen(page: Page) -> None:
    ask(page, QUESTION)
    page.get_by_role("tab", name="Ask").focus()
    reached = []
    for _ in range(40):
        page.keyboard.press("Tab")
        focused = page.evaluate(
            "() => { const e = document.activeElement, s = getComputedStyle(e);"
            "return {id: e.id || e.closest('[id=question]')?.id || '',"
            "text: e.textContent.trim().slice(0, 20),"
            "seen: s.outlineStyle !== 'none' || s.boxShadow !== 'none'} }"
        )
        reached.append(focused["id"] or focused["text"])
        assert focused["seen"], focused
        if focused["id"] == "new":
            break
    order = [
        "citation-1", "Copy with sources", "Copy link", "Wrong evidence", "question", "send", "stop",
        "Export Markdown", "Export JSON", "new",
    ]  # fmt: skip
    assert [name for name in reached if name in order] == order


@pytest.mark.parametrize("tab", TABS)
def test_every_control_has_a_name_for_screen_readers(page: Page, address: str, tab: str) -> None:
    page.goto(f"{address}?tab={tab}&q={QUESTION}")
    expect(page.locator("#citation-1")).to_have_count(1)
    tree = page.context.new_cdp_session(page).send("Accessibility.getFullAXTree")
    controls = [
        node for node in tree["nodes"]
        if not node["ignored"] and node.get("role", {}).get("value") in CONTROLS
    ]  # fmt: skip
    assert len(controls) >= 5
    nameless = [node for node in controls if not node.get("name", {}).get("value", "").strip()]
    assert [node["role"]["value"] for node in nameless] == []


def test_an_answer_moves_nothing_around_it(page: Page) -> None:
    parts = [page.locator(name) for name in ("#ask-row", "#policies", "#tabs", "#source")]
    before = [part.bounding_box() for part in parts]
    ask(page, QUESTION)
    page.locator("#answers summary").click()
    page.locator("#citation-2").click()
    quote_in_view(page)
    ask(page, "and WebEngage?")
    for box, part in zip(before, parts, strict=True):
        now = part.bounding_box()
        assert box
        assert now
        assert (now["x"], now["y"], now["width"]) == (box["x"], box["y"], box["width"])


def test_the_latest_answer_is_scrolled_into_view(page: Page) -> None:
    for question in (QUESTION, "Is my data sold?", "Which cookies are used?"):
        ask(page, question)
        expect(page.locator("#answers .asked").last).to_be_in_viewport()
    # What is scrolled out of the pane is not under what stands below it.
    page.locator("#answers summary").last.click()
    page.get_by_role("button", name="Copy with sources").last.click(timeout=3_000)


@pytest.mark.parametrize("tab", TABS)
def test_a_narrow_window_holds_every_tab(browser: Browser, address: str, tab: str) -> None:
    size = {"width": 390, "height": 844}
    with visiting(browser, f"{address}?tab={tab}&q={QUESTION}", viewport=size) as page:
        expect(page.locator("#citation-1")).to_have_count(1)
        page.evaluate("scrollTo(0, 0)")  # a long answer is scrolled to
        for name in TABS:
            expect(page.get_by_role("tab", name=name)).to_be_in_viewport(ratio=1)
        if tab == "ask":
            page.locator("#citation-1").click()
            quote_in_view(page)
            page.locator("#source .back").click()
            expect(page.locator("#citation-1")).to_be_in_viewport()
            expect(page.locator("#citation-1")).to_be_focused()
            expect(question_box(page)).to_be_in_viewport(ratio=1)
        if tab == "compare":
            page.locator("#compare-questions textarea").fill(QUESTION)
            page.locator("#compare").click()
            expect(page.locator("#compare-table")).to_contain_text("1 question answered")
            page.locator("#compare-table .said").last.click()
            quote_in_view(page)
        if tab == "library":
            expect(page.get_by_role("button", name="Read").first).to_be_in_viewport(ratio=1)
        width = "document.documentElement.scrollWidth"
        assert page.evaluate(width) <= 390


@pytest.mark.parametrize("tab", TABS)
def test_every_tab_is_dark_in_the_dark(browser: Browser, address: str, tab: str) -> None:
    opened = f"{address}?tab={tab}&q={QUESTION}"
    with visiting(browser, opened, color_scheme="dark") as page:
        expect(page.locator("#citation-1")).to_have_count(1)
        faint = page.evaluate(CONTRAST)
        assert faint == []
        background = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert all(int(part) < 60 for part in re.findall(r"\d+", background)[:3])


@pytest.mark.parametrize("tab", TABS)
def test_every_tab_can_be_read_in_the_light(page: Page, address: str, tab: str) -> None:
    page.goto(f"{address}?tab={tab}&q={QUESTION}")
    expect(page.locator("#citation-1")).to_have_count(1)
    assert page.evaluate(CONTRAST) == []


# Texts whose contrast to what is behind them is below 4.5:1.
CONTRAST = """() => {
  const parse = colour => {
    const canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
    return {rgb: [r, g, b], a: a / 255};
  };
  const light = rgb => rgb.map(v => v / 255)
    .map(v => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
    .reduce((sum, v, n) => sum + v * [.2126, .7152, .0722][n], 0);
  const behind = element => {
    for (let e = element; e; e = e.parentElement) {
      const colour = parse(getComputedStyle(e).backgroundColor);
      if (colour.a > .9) return colour.rgb;
    }
    return parse(getComputedStyle(document.body).backgroundColor).rgb;
  };
  const faint = [];
  for (const e of document.querySelectorAll('.gradio-container *')) {
    const isEmpty = e.placeholder && !e.value;
    const text = isEmpty || [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim());
    if (!text || !e.offsetParent || e.disabled) continue;
    const style = getComputedStyle(e, isEmpty ? '::placeholder' : null);
    const [a, b] = [light(parse(style.color).rgb), light(behind(e))];
    const ratio = (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
    const words = (e.textContent || e.placeholder).trim().slice(0, 30);
    if (ratio < 4.5) faint.push(`${words}: ${ratio.toFixed(1)}`);
  }
  return faint;
}"""


ODD = (
    "why?", "?", "🍪🍪🍪", "هل تُباع بياناتي؟", "הנתונים שלי נמכרים?", "数据保留多久？",
    "../../etc/passwd", "'; DROP TABLE policies; --", "Is my \u202edata\u202c sold?",
    "how long is data retained? " * 70,
)  # fmt: skip


def test_odd_questions_are_answered_or_refused_with_a_sentence(page: Page) -> None:
    ends = page.locator("#answers :is(.actions, .turn > .fault)")
    for question in ODD:
        page.locator("#new").click()
        expect(page.locator("#answers .welcome")).to_be_visible()
        send(page, question)
        expect(ends).to_have_count(1)
        for error in page.locator("#answers .fault").all_text_contents():
            assert re.fullmatch(r"[A-Z].+\. [A-Z].+\.", error), error


def test_a_long_conversation_forgets_its_beginning_and_says_so(page: Page) -> None:
    for number in range(14):
        send(page, f"How long is data number {number} retained?")
        expect(page.locator("#answers .asked").last).to_contain_text(f"number {number} ")
    expect(page.locator("#answers .asked")).to_have_count(12)
    expect(page.locator("#answers .note").first).to_have_text(
        "2 earlier questions are no longer shown."
    )
    page.locator("#answers .cite").first.click()
    quote_in_view(page)


def test_chosen_policies_limit_a_question(page: Page) -> None:
    picker = page.get_by_role("combobox", name="Policies").first
    for name in ("Webee", "Wepos"):
        picker.click()
        page.get_by_role("option", name=name).click()
    ask(page, QUESTION)
    expect(page.locator("#answers .understood")).to_contain_text("Webee, Wepos")
    expect(page.locator("#answers .card")).to_have_count(0)


def test_a_question_that_is_too_long_is_refused_whole(page: Page) -> None:
    question = "how long is data kept? " * 140
    send(page, question)
    expect(page.locator("#answers .fault")).to_contain_text("3,219 characters; the limit is 2,000")
    expect(question_box(page)).to_have_value(question)


def test_a_link_asks_once_and_names_several_policies(page: Page, address: str) -> None:
    page.goto(f"{address}?q=is+my+data+sold%3F&policy=webee&policy=Wepos")
    expect(page.locator("#answers .understood")).to_contain_text("Webee, Wepos")
    ask(page, QUESTION)
    page.reload()
    expect(page.locator("#answers .asked")).to_have_text(["is my data sold?", QUESTION])


def test_the_tab_that_is_open_is_open_after_a_reload(page: Page) -> None:
    page.get_by_role("tab", name="Library").click()
    expect(page).to_have_url(re.compile("tab=library"))
    page.reload()
    expect(page.get_by_role("tab", name="Library")).to_have_attribute("aria-selected", "true")
    expect(page).to_have_url(re.compile("tab=library"))


def test_a_link_that_names_no_policy_says_so(page: Page, address: str) -> None:
    page.goto(f"{address}?tab=nosuch&q={QUESTION}&policy=webee,Nosuch")
    expect(page.locator("#answers .fault")).to_contain_text("Nosuch")
    expect(question_box(page)).to_have_value(QUESTION)


def test_a_conversation_outlives_the_server(browser: Browser, indexed_home: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with serving(indexed_home, port=port) as url:
        opened = visiting(browser, url)
        page = opened.__enter__()
        ask(page, QUESTION)
    page.wait_for_timeout(500)
    with serving(indexed_home, port=port):
        expect(page.locator("#answers .asked")).to_have_text([QUESTION])
        page.locator("#citation-2").click()
        expect(page.locator("#source .count")).to_contain_text("[2]")
        answer = page.locator("#answers .turn").text_content() or ""
        page.reload()
        expect(page.locator("#answers .turn")).to_have_text(answer)  # to the very milliseconds
        ask(page, "and WebEngage?")
        expect(page.locator("#answers .asked")).to_have_text([QUESTION, "and WebEngage?"])
        opened.__exit__(None, None, None)


def test_each_question_is_answered_when_the_next_comes_at_once(page: Page) -> None:
    for number in range(25):
        send(page, f"Is data set {number} sold?")
        expect(page.locator("#answers .asked").last).to_contain_text(
            f"set {number} ", timeout=8_000
        )
