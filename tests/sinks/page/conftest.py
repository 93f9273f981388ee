"""The live page in one real browser for all tests."""

import importlib.util
import shutil
from collections.abc import Iterator
from typing import Any

import pytest

from tests.sinks.web import page
from tests.sinks.web_tab import Feed, Tab

CHROMIUM = shutil.which("chromium")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

needs_browser = pytest.mark.skipif(
    CHROMIUM is None or importlib.util.find_spec("playwright") is None,
    reason="needs chromium and playwright",
)


@pytest.fixture(scope="package")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 — absent where these tests are skipped

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="package")
def desk(browser: Any) -> Any:
    """One tab for all tests: a new one takes several times as long."""
    return browser.new_page(viewport={"width": 1280, "height": 800})


@pytest.fixture
def feed() -> Iterator[Feed]:
    with page() as sink:
        feed = Feed(sink)
        yield feed
        feed.stop()


@pytest.fixture
def tab(desk: Any, feed: Feed) -> Iterator[Tab]:
    """On a desk, with a picture."""
    tab = Tab(desk, feed.sink)
    tab.until("!document.querySelector('#save').disabled")
    yield tab
    tab.leave()
