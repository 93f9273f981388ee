"""The live page in a real browser: it shows what the node sends, and says so when it cannot."""

import importlib.util
import re
import shutil
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from perception.classes import DRIVE
from perception.health.types import Condition, Level, NodeState
from perception.scene import Instance, Lane, Signal, Status
from tests.sinks.web import HEALTH, open_web, page
from tests.sinks.web_tab import GOOD, GREYS, HEIGHT, ROAD, VEHICLE, WIDTH, Feed, Tab, grey_frame, tinted

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

pytestmark = pytest.mark.skipif(
    CHROMIUM is None or importlib.util.find_spec("playwright") is None,
    reason="needs chromium and playwright",
)

HANGS = Condition("engine", Level.ERROR, "it hangs", 1.0)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 — absent where these tests are skipped

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
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


def test_the_picture_changes_and_has_the_frames_colours(tab: Tab) -> None:
    tab.wait("#state", "OK")
    assert tab.text("#reasons") == ""
    seen: set[int] = set()
    deadline = time.monotonic() + 5
    while len(seen) < 2 and time.monotonic() < deadline:
        pixels = tab.pixels()
        assert pixels.shape == (HEIGHT, WIDTH, 3)
        left, right = pixels[:, : WIDTH // 2 - 1], pixels[:, WIDTH // 2 + 1 :]
        grey = min(GREYS, key=lambda grey: abs(float(left.mean()) - tinted(grey, ROAD).mean()))
        assert np.abs(left - tinted(grey, ROAD)).max() <= 4
        assert np.abs(right - tinted(grey, VEHICLE)).max() <= 4
        seen.add(grey)
    assert seen == set(GREYS)
    origin = f"127.0.0.1:{tab.page.url.split(':')[2].split('/')[0]}"
    assert {url.split("/")[2] for url in tab.requests if not url.startswith("blob:")} == {origin}
    assert any(url.startswith("ws://") for url in tab.requests)
    assert tab.complaints == []


def test_the_numbers_are_those_of_the_health(tab: Tab, feed: Feed) -> None:
    feed.health = HEALTH
    feed.scene = {
        "timings_ms": {"infer": 14.25, "decode": 3.0},
        "instances": (
            Instance(8001, VEHICLE, 0.5, (10, 20, 30, 40), 3),
            Instance(9001, DRIVE.id("pedestrian"), 0.914, (50.4, 60, 150, 160), None),
        ),
    }
    tab.wait("#state", "WARNING")
    tab.wait("#instances", "pedestrian")
    assert tab.text("#reasons") == "the picture is blurred: sharpness 12, at least 40"
    assert tab.text("#conditions li") == "WARN\nthe picture is blurred: sharpness 12, at least 40\n2.5 s"
    assert tab.text("#rate") == "29.3 /s"
    tab.wait("#rate-keys", "captured 30.5")
    assert tab.text("#rate-keys").split("\n")[-1].endswith("published 29.3")
    assert "age p99 66.0" in tab.text("#age-keys")
    assert tab.text("#balance") == "each is accounted for"
    accounting = {row[0]: int(row[1]) for row in tab.cells("#accounting")}
    assert accounting == {
        "captured": 1234,
        "= published": 1200,
        "+ dropped": 30,
        "superseded": 20,
        "undecodable": 10,
        "+ in flight": 4,
        "published stale": 7,
        "published unreliable": 6,
        "published not ready": 5,
    }
    ((sink, *counts),) = tab.cells("#sinks")
    assert counts == ["1150", "48", "2"]
    assert sink == "out.mp4\ntakes nothing: no space\n40 lost: queue full\n8 lost: No space left on device"
    assert tab.cells("#stages") == [["infer", "14.3"], ["decode", "3.0"]]
    assert tab.cells("#instances") == [
        ["pedestrian", "–", "91 %", "50, 60 – 150, 160"],
        ["vehicle", "3", "50 %", "10, 20 – 30, 40"],
    ]
    feed.health = replace(HEALTH, captured=1235)
    tab.wait("#balance", "they do not add up")


def test_the_age_is_that_of_the_newest_scene_and_grows_without_one(tab: Tab, feed: Feed) -> None:
    tab.wait("#age", "ms")
    assert 40 <= float(tab.text("#age").removesuffix(" ms")) < 600
    feed.scene = None  # though the node says that all is well
    tab.wait("#state", "STALE")
    assert "no new picture comes" in tab.text("#reasons")
    assert tab.page.evaluate("getComputedStyle(document.querySelector('#picture')).filter").startswith("gray")
    assert float(tab.text("#age").removesuffix(" s")) >= 1
    assert re.fullmatch(r"stale: \d+(\.\d)? s old", tab.text("#caption"))
    feed.health = replace(GOOD, rate_out=0.0, level=Level.ERROR, conditions=(HANGS,))
    tab.wait("#reasons", "it hangs; no new picture comes")
    assert tab.text("#state") == "STALE"
    feed.health, feed.scene = GOOD, {}
    tab.wait("#state", "OK")


def test_a_class_switch_changes_the_pixels_of_that_class_alone(tab: Tab) -> None:
    tab.page.click("#freeze")
    before = tab.pixels()
    tab.page.uncheck("input[name=vehicle]")
    after = tab.pixels()
    half = WIDTH // 2
    np.testing.assert_array_equal(after[:, : half - 1], before[:, : half - 1])
    grey = min(GREYS, key=lambda grey: abs(float(after[0, -1, 0]) - grey))
    assert np.abs(after[:, half + 1 :].astype(int) - grey).max() <= 3
    assert np.abs(before[:, half + 1 :] - tinted(grey, VEHICLE)).max() <= 4
    tab.page.click("#none")
    assert np.abs(tab.pixels().astype(int) - grey).max() <= 3
    tab.page.click("#all")
    np.testing.assert_array_equal(tab.pixels(), before)


def test_outlines_and_lanes_are_drawn_where_they_are_and_can_be_switched_off(tab: Tab, feed: Feed) -> None:
    lane = Lane(np.array([[40, 180], [40, 100]], np.float32), "solid", 1.0, "left")
    ids = np.zeros((HEIGHT, WIDTH), np.uint16)
    ids[50:150, 200:300] = 8001
    ids[50:100, 250:300] = 0  # an L: its outline is no box
    feed.scene = {
        "instances": (Instance(8001, VEHICLE, 0.9, (200, 50, 300, 150), 1),),
        "instance_map": ids,
        "lanes": (lane,),
    }
    tab.wait_for_frame(feed.sequence + 2)  # the next one may have been begun without them
    tab.page.click("#freeze")
    drawn = tab.pixels().astype(int)
    tab.page.uncheck("#users")
    tab.page.uncheck("#lanes")
    changed = np.abs(drawn - tab.pixels()).sum(axis=2) > 30
    assert changed[60:140, 200].all()
    assert changed[149, 210:290].all()
    assert changed[60:90, 248:251].any(axis=1).all() and changed[99:102, 260:290].any(axis=0).all()
    assert changed[110:170, 40].all()
    assert not changed[60:140, 205:245].any() and not changed[105:140, 205:295].any()
    assert not changed[55:95, 255:].any()  # the corner of the box that is not of it
    assert not changed[:, 60:190].any()


def test_the_ego_lane_is_filled_up_to_what_stands_on_it(tab: Tab, feed: Feed) -> None:
    sides = {"left": 40.0, "right": 140.0}
    lanes = (
        Lane(np.array([[x, 190], [x, 90]], np.float32), "solid", 1.0, side)  # type: ignore[arg-type]
        for side, x in sides.items()
    )
    ids = np.zeros((HEIGHT, WIDTH), np.uint16)
    ids[120:150, 80:110] = 8001
    car = Instance(8001, VEHICLE, 0.9, (80, 120, 110, 150), 1)
    feed.scene = {"lanes": tuple(lanes), "instances": (car,), "instance_map": ids}
    tab.wait_for_frame(feed.sequence + 2)
    tab.page.click("#freeze")
    drawn = tab.pixels().astype(int)
    tab.page.uncheck("#lanes")
    bare = tab.pixels().astype(int)
    green = np.array([60, 220, 90])
    for row, share in ((188, 0.5), (140, 0.375), (92, 0.25)):
        expected = (1 - share) * bare[row, 50:70] + share * green
        assert np.abs(drawn[row, 50:70] - expected).max() <= 4
    assert (drawn[125:145, 85:105] == bare[125:145, 85:105]).all()
    assert (drawn[:80] == bare[:80]).all() and (drawn[:, 150:] == bare[:, 150:]).all()


def test_a_recording_has_a_time_and_no_age(tab: Tab, feed: Feed) -> None:
    feed.scene = {"max_age_ms": None, "stamp_ns": 83_400_000_000}
    tab.wait("#age-name", "Time")
    assert tab.text("#age") == "1:23.4"
    tab.wait("#age-keys", "engine p50 14.0")
    assert "age p" not in tab.text("#age-keys")
    tab.page.click("#freeze")
    tab.wait("#frozen", "· 1:23.4")
    assert "old" not in tab.text("#frozen")


def test_road_users_below_the_score_that_is_asked_for_are_hidden(tab: Tab, feed: Feed) -> None:
    sure, unsure = (200, 50, 300, 150), (30, 50, 130, 150)
    ids = np.zeros((HEIGHT, WIDTH), np.uint16)
    ids[50:150, 200:300], ids[50:150, 30:130] = 8001, 8002
    feed.scene = {
        "instances": (Instance(8001, VEHICLE, 0.9, sure, 1), Instance(8002, VEHICLE, 0.4, unsure, 2)),
        "instance_map": ids,
    }
    tab.wait_for_frame(feed.sequence + 2)
    tab.page.click("#freeze")
    drawn = tab.pixels().astype(int)
    tab.page.fill("#least", "0.5")
    changed = np.abs(drawn - tab.pixels()).sum(axis=2) > 0
    assert changed[60:140, 29:31].any(axis=1).all() and not changed[:, 180:].any()
    assert tab.page.inner_text("#least-shown") == "50 %"
    tab.wait("#count", "1")


def test_freezing_stops_the_picture_but_not_the_state(tab: Tab, feed: Feed) -> None:
    tab.page.click("input[name=pole]")  # which then has the focus
    tab.page.keyboard.press("Space")
    tab.wait("#frozen", "FROZEN")
    assert not tab.page.is_checked("input[name=pole]")
    assert tab.page.get_attribute("#freeze", "aria-pressed") == "true"
    before, sequence = tab.pixels(), int(tab.text("#sequence"))
    feed.health = replace(GOOD, captured=5000, published=4966)
    tab.wait("#accounting", "5000")
    for _ in range(4):
        np.testing.assert_array_equal(tab.pixels(), before)
        time.sleep(0.05)
    assert int(tab.text("#sequence")) > sequence
    feed.health = replace(GOOD, signal=Signal.NO_SIGNAL, level=Level.ERROR)
    tab.wait("#state", "NO SIGNAL")
    feed.health = GOOD
    tab.page.keyboard.press("Space")
    tab.page.wait_for_selector("#frozen", state="hidden")
    tab.wait("#state", "OK")


def test_a_saved_picture_is_what_is_shown(tab: Tab, tmp_path: Path) -> None:
    tab.page.keyboard.press("Space")
    tab.wait("#frozen", "frame")
    sequence = int(tab.text("#frozen").split()[3])
    with tab.page.expect_download() as saving:
        tab.page.keyboard.press("s")
    saving.value.save_as(tmp_path / "saved.png")
    assert saving.value.suggested_filename == f"front-{sequence:06d}.png"
    saved = cv2.imread(str(tmp_path / "saved.png"))
    assert saved is not None
    np.testing.assert_array_equal(saved[..., ::-1], tab.pixels())


def test_the_page_judges_freshness_as_the_node_does(tab: Tab) -> None:
    """`asOf` in JavaScript and `Scene.as_of` are one rule: all its cases, at the limit and past it."""
    _, scene = grey_frame(0, host_ns=0)
    statuses = (Status.OK, Status.NOT_READY, Status.NO_SIGNAL)
    for status, reasons, max_age, signal in product(statuses, ((), ("black",)), (None, 250.0), Signal):
        judged = replace(scene, status=status, reasons=reasons, max_age_ms=max_age)
        values = {"status": status, "reasons": reasons, "max_age_ms": max_age, "captured_ms": 0}
        for age_ms in (0, 250, 251, 10_000):
            ask = "async (given) => (await import('/static/freshness.js')).asOf(...given)"
            found = tab.page.evaluate(ask, [values, age_ms, signal])
            now = judged.as_of(age_ms * 1_000_000, signal)
            assert (found["status"], found["ageMs"]) == (now.status, now.age_ms)
            assert found["known"] is (now.status not in {Status.NOT_READY, Status.NO_SIGNAL})


VERDICTS: list[tuple[dict[str, Any], dict[str, Any], str, str, bool]] = [
    # health, scene: state, reasons, whether the picture is dimmed
    ({"signal": Signal.STALE}, {}, "STALE", "no frame has come for two frame periods", True),
    ({}, {"reasons": ("it is black",)}, "UNRELIABLE", "it is black", False),
    ({}, {"max_age_ms": 10.0}, "STALE", "the last scene is older than allowed", True),
    ({}, {"status": Status.NOT_READY}, "NOT READY", "", False),
    ({"state": NodeState.INACTIVE}, {}, "WAITING", "the node is inactive", True),
    ({"step": "at a lower rate"}, {}, "OK", "at a lower rate", False),
    ({"level": Level.ERROR, "conditions": (HANGS,)}, {}, "ERROR", "it hangs", False),
    ({"state": NodeState.FINALIZED}, {}, "ENDED", "the node has ended", True),
]


def test_the_banner_says_the_worst(tab: Tab, feed: Feed) -> None:
    for health, scene, state, reasons, dim in VERDICTS:
        feed.health, feed.scene = replace(GOOD, **health), scene
        tab.wait("#state", state)
        tab.wait("#reasons", reasons)
        assert ("dim" in (tab.page.get_attribute("#picture", "class") or "")) == dim
    assert tab.complaints == []


def test_a_dead_camera_shows_as_dead(tab: Tab, feed: Feed) -> None:
    tab.wait("#state", "OK")
    feed.scene = None
    lost = Condition("signal", Level.ERROR, "the camera gives no frames: connection refused", 3.0)
    dead = replace(GOOD, signal=Signal.NO_SIGNAL, level=Level.ERROR, silent_ms=3000.0, rate_out=0.0)
    feed.health = replace(dead, conditions=(lost,))
    tab.wait("#state", "NO SIGNAL")
    assert tab.text("#reasons") == lost.reason
    assert "no signal for 3." in tab.text("#caption")
    tab.wait("#instances", "not known now")
    assert tab.page.evaluate("getComputedStyle(document.querySelector('#picture')).filter").startswith("gray")
    assert tab.page.evaluate("document.title").startswith("NO SIGNAL")
    np.testing.assert_array_equal(np.unique(tab.pixels()), np.unique(tab.pixels()[0, 0]))  # no tint, no boxes
    feed.health, feed.scene = GOOD, {}
    tab.wait("#state", "OK")
    assert tab.page.get_attribute("#picture", "class") == ""
    assert len(np.unique(tab.pixels().reshape(-1, 3), axis=0)) > 1


def test_a_node_that_is_gone_shows_as_lost_and_comes_back(desk: Any) -> None:
    with page() as sink:
        feed = Feed(sink)
        tab = Tab(desk, sink)
        tab.wait("#state", "OK")
        tab.wait("#age", "ms")
        feed.stop()
    tab.wait("#state", "CONNECTION LOST")
    assert "connection to the node lost" in tab.text("#reasons")
    assert tab.page.get_attribute("#picture", "class") == "dim"
    age = tab.text("#age")
    time.sleep(0.3)
    assert tab.text("#age") != age  # not a frozen number
    sink = open_web(f"web://127.0.0.1:{sink.address.port}")
    feed = Feed(sink)
    try:
        tab.wait("#state", "OK")
    finally:
        feed.stop()
        tab.leave()
        sink.close()


def test_cameras_are_chosen_and_none_is_shown_for_another(tab: Tab, feed: Feed) -> None:
    assert not tab.page.is_visible("#camera")
    feed.cameras, feed.blind = ("front", "rear"), "rear"
    tab.page.wait_for_selector("#camera", state="visible")
    tab.page.select_option("#camera", "rear")
    for _ in range(5):
        assert not tab.pixels().any()
        age, title = tab.page.evaluate("[document.querySelector('#age').innerText, document.title]")
        assert age == "–" or not title.endswith("rear")
        time.sleep(0.05)
    feed.blind = "front"
    tab.until("document.querySelector('#picture').ariaLabel.startsWith('Camera rear')")
    assert tab.pixels().any()
    assert tab.page.evaluate("document.title") == "OK · rear"


def test_on_a_phone_nothing_hangs_over(browser: Any, feed: Feed) -> None:
    feed.health = HEALTH
    phone = browser.new_page(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    tab = Tab(phone, feed.sink)
    tab.wait("#state", "WARNING")
    tab.wait("#instances", "none in sight")
    assert tab.page.evaluate("document.documentElement.scrollWidth") <= 390
    heights = tab.page.evaluate(
        "[...document.querySelectorAll('button, .switch')].map(one => one.getBoundingClientRect().height)"
    )
    assert min(heights) >= 44
    why = Condition(
        "blur", Level.ERROR, "the picture is blurred, " + "so that little can be seen, " * 12, 2.5
    )
    feed.health = replace(HEALTH, level=Level.ERROR, conditions=(why,))
    tab.wait("#why", "so that little")
    box = "document.querySelector('{}').getBoundingClientRect().{}"
    edges = [tab.page.evaluate(box.format(*one)) for one in (("#why", "bottom"), ("#picture", "top"))]
    assert edges[0] <= edges[1]  # however long, they stand above the picture
    tab.page.evaluate("scrollTo(0, 300)")
    assert tab.page.evaluate(box.format("header", "top")) == 0
    assert tab.page.evaluate(box.format("header", "bottom")) <= 90
    assert tab.page.evaluate(box.format("#why", "bottom")) < 90  # they have scrolled away
    phone.close()


def test_with_a_token_the_page_works_and_without_it_does_not(desk: Any) -> None:
    with page("web://127.0.0.1:0?token=correct-horse") as sink:
        feed = Feed(sink)
        tab = Tab(desk, sink)
        assert "needs the node's token" in tab.text("body")
        tab.leave()
        tab = Tab(desk, sink, "?token=correct-horse")
        try:
            tab.wait("#state", "OK")
            assert tab.complaints == []
        finally:
            tab.leave()
            feed.stop()
