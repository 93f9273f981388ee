"""What the live page says: numbers, ages, health, and when it cannot be trusted."""

import re
import time
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np

from perception.classes import DRIVE
from perception.health.types import Condition, Level, NodeState
from perception.scene import Instance, Signal, Status
from tests.sinks.page.conftest import needs_browser
from tests.sinks.web import HEALTH, open_web, page
from tests.sinks.web_tab import GOOD, VEHICLE, Feed, Tab, grey_frame

pytestmark = needs_browser

HANGS = Condition("engine", Level.ERROR, "it hangs", 1.0)


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
        ["pedestrian", "–", "91 %", "–", "50, 60 – 150, 160"],
        ["vehicle", "3", "50 %", "–", "10, 20 – 30, 40"],
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


def test_a_recording_has_a_time_and_no_age(tab: Tab, feed: Feed) -> None:
    feed.scene = {"max_age_ms": None, "stamp_ns": 83_400_000_000}
    tab.wait("#age-name", "Time")
    assert tab.text("#age") == "1:23.4"
    tab.wait("#age-keys", "engine p50 14.0")
    assert "age p" not in tab.text("#age-keys")
    tab.page.click("#freeze")
    tab.wait("#frozen", "· 1:23.4")
    assert "old" not in tab.text("#frozen")


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
