"""The report in a real browser: what it shows, sorts and finds, with a thousand drives and hostile names."""

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from perception.fleet.report.data import BINS
from perception.fleet.report.html import page
from tests.sinks.page.conftest import browser, needs_browser  # noqa: F401 - the fixture

pytestmark = needs_browser

DRIVES = 1000
EVIL = "<script>window.broken = 1</script><img src=x onerror='window.broken = 2'>&amp;"
JPEG = base64.b64encode(cv2.imencode(".jpg", np.full((60, 100, 3), 128, np.uint8))[1].tobytes()).decode()


def drive(i: int) -> dict[str, Any]:
    """Drive i is i seconds long, and sees a pedestrian where i is a multiple of 10."""
    seen = {"vehicle": [100, 7]} | ({"pedestrian": [10, 1]} if i % 10 == 0 else {})
    over = {name: [(i + k) % 30 for k in range(BINS)] for name in seen}
    events = [[1.0, 2.0, 25, "unreliable", f"the picture is blurred: {i}"]] if i % 100 == 0 else []
    values = {"name": f"drive {i}", "source": f"day/{i}.mp4", "frames": 25 * i, "seconds": i, "dropped": 0}
    values |= {"bad": 25 * len(events), "doubt": 0.01 * i, "seen": seen, "over": over, "events": events}
    return values | {"event_count": len(events), "conditions": {}, "poster": JPEG}


def fleet(drives: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    colours = [{"name": "vehicle", "colour": "#145ae6"}, {"name": "pedestrian", "colour": "#e61e3c"}]
    values = {"fleet": "a fleet", "single": False, "made": "now", "classes": colours, "drives": drives}
    return values | {"failures": {}, "worst": [], "latent": None} | more


@pytest.fixture(scope="module")
def tab(browser: Any) -> Any:  # noqa: F811
    return browser.new_page(viewport={"width": 1440, "height": 900}, color_scheme="light")


class Report:
    """A page that is open, with what it asked for and complained of."""

    def __init__(self, tab: Any, path: Path) -> None:
        self.tab = tab
        self.asked: list[str] = []
        self.complaints: list[str] = []
        self._listeners = {
            "request": lambda request: self.asked.append(request.url),
            "console": lambda line: self.complaints.append(line.text),
            "pageerror": lambda error: self.complaints.append(str(error)),
        }
        for event, listener in self._listeners.items():
            tab.on(event, listener)
        tab.goto(path.as_uri())

    def leave(self) -> None:
        for event, listener in self._listeners.items():
            self.tab.remove_listener(event, listener)

    def names(self) -> list[str]:
        """Of the rows that are in the document, from the top."""
        script = "[...document.querySelectorAll('#rows .row')].sort((a, b) => a.offsetTop - b.offsetTop)"
        return list(self.tab.evaluate(f"{script}.map(row => row.children[1].firstChild.textContent)"))

    def count(self) -> str:
        return str(self.tab.inner_text("#count"))


@pytest.fixture
def opened(tab: Any, tmp_path: Path) -> Iterator[Any]:
    reports: list[Report] = []

    def of(values: dict[str, Any]) -> Report:
        path = tmp_path / "report.html"
        path.write_text(page(values), encoding="utf-8")
        reports.append(Report(tab, path))
        return reports[-1]

    yield of
    for one in reports:
        one.leave()
        assert one.complaints == []
        assert [url for url in one.asked if not url.startswith("data:")] == [one.asked[0]]


def test_of_a_thousand_drives_only_those_in_view_are_in_the_document(opened: Any) -> None:
    report = opened(fleet([drive(i) for i in range(DRIVES)]))
    assert report.names()[:3] == ["drive 0", "drive 1", "drive 2"]  # by number, not by letter
    assert len(report.names()) < 40
    assert report.count() == "1,000 of 1,000"
    report.tab.evaluate("document.querySelector('#scroller').scrollTop = 500 * 76")
    report.tab.wait_for_function(
        "[...document.querySelectorAll('#rows .row')].some(r => r.innerText.includes('drive 505'))"
    )
    assert "drive 0" not in report.names()
    shown = report.tab.evaluate(
        "[...document.querySelectorAll('#rows img')].every(one => one.naturalWidth === 100)"
    )
    assert shown


def test_totals_are_sums_over_all_drives(opened: Any) -> None:
    report = opened(fleet([drive(i) for i in range(DRIVES)], failures={EVIL: "the engine died"}))
    tiles = report.tab.evaluate(
        "[...document.querySelectorAll('#totals div')].map(one => one.innerText.split('\\n'))"
    )
    assert {name.strip(): value for value, name in tiles} == {
        "drives done": "1,000",
        "of driving": "138:45:00",  # 0 + 1 + … + 999 s
        "frames": "12,487,500",
        "of them not ok": "0.00 %",
        "frames dropped": "0",
        "failed": "1",
        "vehicle tracks": "7,000",
        "pedestrian tracks": "100",
    }
    assert report.tab.inner_text("#failures tr:nth-child(2)").split("\t") == [EVIL, "the engine died"]


def test_drives_are_sorted_and_found(opened: Any) -> None:
    report = opened(fleet([drive(i) for i in range(DRIVES)]))
    report.tab.click("#heads button[data-by='length']")
    assert report.names()[:2] == ["drive 999", "drive 998"]
    report.tab.click("#heads button[data-by='length']")
    assert report.names()[:2] == ["drive 0", "drive 1"]
    report.tab.click("#heads button[data-by='tracks']")
    assert report.names()[:3] == ["drive 0", "drive 10", "drive 20"]
    report.tab.fill("#filter", "DAY/77")
    assert set(report.names()) == {"drive 77", *(f"drive {i}" for i in range(770, 780))}
    assert report.count() == "11 of 1,000"
    report.tab.fill("#filter", "pedestrian")
    assert report.count() == "100 of 1,000"
    report.tab.click("#health button")  # "the picture is blurred"
    assert report.count() == "10 of 1,000"
    assert report.tab.inner_text("#health tr:nth-child(2)").split()[-4:] == ["blurred", "10", "10", "250"]
    assert not report.tab.is_visible("#nothing")
    report.tab.fill("#filter", "no such drive")
    assert report.tab.is_visible("#nothing") and report.names() == []


def test_a_drive_is_looked_at_by_mouse_and_by_keyboard(opened: Any) -> None:
    report = opened(fleet([drive(100), drive(1)]))
    report.tab.click("#rows .row:nth-child(2)")
    assert "0:01.0 – 0:02.0" in report.tab.inner_text("#detail")
    assert "the picture is blurred: 100" in report.tab.inner_text("#detail")
    report.tab.click("#detail button")
    report.tab.focus("#rows .row:nth-child(1)")
    report.tab.keyboard.press("Enter")
    assert report.tab.inner_text("#detail h2") == "drive 1"


def test_lines_show_what_was_seen_on_one_scale(opened: Any) -> None:
    one = drive(1) | {"over": {"vehicle": [0, 20, 40], "pedestrian": [10, 10, 10]}}
    report = opened(fleet([one]))
    paths = report.tab.evaluate(
        "[...document.querySelectorAll('#rows path')].map(one => one.getAttribute('d'))"
    )
    assert paths == ["M0 97L0 97L50 50L100 3", "M0 73.5L0 73.5L50 73.5L100 73.5"]
    assert report.tab.evaluate("document.querySelector('#rows .chart').dataset.most") == "4"


def test_what_the_node_warned_of_is_shown(opened: Any) -> None:
    report = opened(fleet([drive(1) | {"conditions": {"low_contrast": 2}}, drive(2)]))
    assert "low contrast (2)" in report.tab.inner_text("#rows .row:nth-child(1)")
    assert report.tab.inner_text("#health tr:nth-child(2)").split("\t") == ["low contrast", "1", "2", "–"]
    report.tab.click("#health button")
    assert report.names() == ["drive 1"]


def test_names_are_text_and_run_nothing(opened: Any) -> None:
    evil = drive(100) | {"name": EVIL, "source": EVIL}
    evil["events"] = [[1.0, 2.0, 25, "unreliable", EVIL]]
    worst = {
        "drive": 0,
        "sequence": 3,
        "stem": "a/../b#?",
        "t": 61.25,
        "doubt": 2.5,
        "users": 4,
        "picture": JPEG,
    }
    report = opened(fleet([evil, drive(1)], fleet=EVIL, worst=[worst], failures={EVIL: EVIL}))
    assert report.names()[0] == EVIL
    assert report.tab.title().startswith(EVIL)
    assert report.tab.inner_text("h1") == EVIL
    report.tab.click("#rows .row")
    assert report.tab.inner_text("#detail h2") == EVIL
    report.tab.click("#detail button")
    assert report.tab.inner_text("#worst p").split("\n") == [
        EVIL,
        "1:01.2, frame 3: doubt 2.50, 4 road users",
    ]
    link = report.tab.get_attribute("#worst a", "href")
    assert link.endswith("/a%2F..%2Fb%23%3F.overlay.jpg")
    assert link.startswith("%3Cscript%3E")
    assert report.tab.evaluate("window.broken") is None
    assert report.tab.evaluate("document.querySelectorAll('script').length") == 2


def test_colours_follow_the_system_or_the_button(opened: Any) -> None:
    report = opened(fleet([drive(1)]))
    ground = "getComputedStyle(document.body).backgroundColor"
    light = report.tab.evaluate(ground)
    report.tab.emulate_media(color_scheme="dark")
    dark = report.tab.evaluate(ground)
    assert (light, dark) == ("rgb(238, 240, 242)", "rgb(14, 18, 22)")
    report.tab.click("#theme")
    assert (report.tab.inner_text("#theme"), report.tab.evaluate(ground)) == ("theme: light", light)
    report.tab.emulate_media(color_scheme="light")
    report.tab.click("#theme")
    assert (report.tab.inner_text("#theme"), report.tab.evaluate(ground)) == ("theme: dark", dark)


def test_the_latent_map_leads_to_its_drives(opened: Any) -> None:
    points = [[0, 0, 0, 1.0], [1, 1, 1, 2.5]]
    report = opened(fleet([drive(1), drive(2)], latent={"share": 0.8, "points": points}))
    box = report.tab.locator("#latent canvas").bounding_box()
    report.tab.mouse.move(0, 0)
    report.tab.locator("#latent canvas").hover(position={"x": box["width"] - 15, "y": 15})
    assert report.tab.inner_text("#latent-note").endswith("80 % of the variance. Here: drive 2, 0:02.5")
    report.tab.locator("#latent canvas").click(position={"x": 15, "y": box["height"] - 15})
    assert report.tab.inner_text("#detail h2") == "drive 1"
