"""Draw the README's pictures of the chat: ``make pictures``.

Each is of the chat over a new home with the bundled policies, in the browser of the tests, in 64
colours: a screenshot has few, and so it is a quarter as large.
"""

from __future__ import annotations

import io
import tempfile
from pathlib import Path

from browsing import ARGUMENTS, CHROMIUM, ask, quote_in_view, serving
from PIL import Image
from playwright.sync_api import Page, expect, sync_playwright

FOLDER = Path(__file__).parent.parent / "docs"
ASKED = "How long are conversations kept?"
COMPARED = "How long is data retained?\nIs my data sold?\nWhere is personal data stored?"


def save(page: Page, name: str) -> None:
    """Save what a page shows as a picture."""
    page.mouse.move(0, 0)
    page.wait_for_timeout(500)  # what scrolls or fades has come to rest
    picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    few = picture.quantize(64, dither=Image.Dither.NONE)
    few.save(FOLDER / f"{name}.png", optimize=True)


def draw(page: Page, address: str) -> None:
    """Draw an answer beside its source, and a comparison beside a cell's."""
    page.goto(address)
    expect(page.locator("#answers .welcome")).to_be_visible()
    ask(page, ASKED)
    page.locator("#new").click()
    expect(page.locator("#answers .welcome")).to_be_visible()
    ask(page, ASKED)  # now that all is loaded, it takes as long as it does
    page.locator("#citation-1").click()
    quote_in_view(page)
    save(page, "chat")
    page.get_by_role("tab", name="Compare").click()
    page.locator("#compare-questions textarea").fill(COMPARED)
    page.locator("#compare").click()
    expect(page.locator("#compare-table")).to_contain_text("3 questions answered")
    page.locator("#compare-table .said").first.click()
    quote_in_view(page)
    save(page, "compare")


if __name__ == "__main__":
    with (
        tempfile.TemporaryDirectory() as home,
        serving(Path(home)) as url,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        draw(browser.new_page(viewport={"width": 1280, "height": 800}), url)
        browser.close()
