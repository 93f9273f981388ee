"""What the live page reports to machines: metrics, liveness, readiness."""

import urllib.request
from dataclasses import replace
from typing import Any
from urllib.error import HTTPError

import pytest
from prometheus_client.parser import text_string_to_metric_families

from perception.health.types import Health, NodeState
from perception.scene import Signal
from perception.sinks.web import state
from perception.sinks.web.sink import WebSink
from tests.sinks.web import HEALTH, page, url_of

GOOD = replace(HEALTH, camera="front")


def fetch(sink: WebSink, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url_of(sink, path), timeout=5) as answer:
            return answer.status, answer.read().decode()
    except HTTPError as error:
        return error.code, error.read().decode()


def samples(sink: WebSink) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    status, text = fetch(sink, "/metrics")
    assert status == 200
    return {
        (one.name, frozenset(one.labels.items())): one.value
        for family in text_string_to_metric_families(text)
        for one in family.samples
    }


def key(name: str, **labels: str) -> tuple[str, frozenset[tuple[str, str]]]:
    return f"perception_{name}", frozenset(labels.items())


def test_metrics_are_those_of_the_health() -> None:
    with page() as sink:
        sink.write_health(HEALTH)
        sink.write_health(
            replace(HEALTH, camera="rear", captured=7, silent_ms=None, conditions=(), connections=0)
        )
        found = samples(sink)
    front: dict[str, Any] = {"camera": "front"}
    expected = {
        key("frames_captured_total", **front): 1234,
        key("frames_published_total", **front): 1200,
        key("frames_dropped_total", **front, reason="superseded"): 20,
        key("frames_dropped_total", **front, reason="undecodable"): 10,
        key("frames_in_hand", **front): 4,
        key("frames_stale_total", **front): 7,
        key("frames_unreliable_total", **front): 6,
        key("frames_not_ready_total", **front): 5,
        key("reconnects_total", **front): 2,
        key("restarts_total", **front): 1,
        key("capture_rate_hertz", **front): 30.5,
        key("publication_rate_hertz", **front): 29.25,
        key("jitter_seconds", **front): 0.0015,
        key("silent_seconds", **front): 0.033,
        key("age_seconds", **front, quantile="0.5"): 0.042,
        key("age_seconds", **front, quantile="0.99"): 0.066,
        key("infer_seconds", **front, quantile="0.5"): 0.014,
        key("infer_seconds", **front, quantile="0.99"): 0.021,
        key("level", **front): 1,
        key("signal", **front, signal="ok"): 1,
        key("signal", **front, signal="stale"): 0,
        key("signal", **front, signal="no signal"): 0,
        key("state", **front, state="active"): 1,
        key("state", **front, state="error"): 0,
        key("condition_active", **front, condition="blur", level="warn"): 1,
        key("sink_frames_written_total", **front, sink="out.mp4"): 1150,
        key("sink_frames_lost_total", **front, sink="out.mp4", reason="queue full"): 40,
        key("sink_frames_lost_total", **front, sink="out.mp4", reason="No space left on device"): 8,
        key("sink_queued_frames", **front, sink="out.mp4"): 2,
        key("sink_oldest_seconds", **front, sink="out.mp4"): 0.12,
        key("sink_broken", **front, sink="out.mp4"): 1,
        key("viewers"): 0,
        key("frames_captured_total", camera="rear"): 7,
        key("reconnects_total", camera="rear"): 0,
    }
    assert {name: found.get(name) for name in expected} == pytest.approx(expected)
    assert key("silent_seconds", camera="rear") not in found  # none came yet: not known
    assert 0 <= found[key("told_seconds", **front)] < 5
    dropped = found[key("frames_dropped_total", **front, reason="superseded")] + 10
    assert expected[key("frames_captured_total", **front)] == 1200 + dropped + 4


@pytest.mark.parametrize(
    ("health", "why"),
    [
        (GOOD, ""),
        (replace(GOOD, signal=Signal.STALE), ""),
        (replace(GOOD, signal=Signal.NO_SIGNAL), "no signal"),
        (replace(GOOD, state=NodeState.INACTIVE), "its node is inactive"),
        (replace(GOOD, state=NodeState.FINALIZED), "its node is finalized"),
        (replace(GOOD, rate_out=0.0), "no scene was published in the last seconds"),
    ],
)
def test_ready_while_scenes_are_coming(health: Health, why: str) -> None:
    with page() as sink:
        assert fetch(sink, "/readyz") == (
            503,
            '{"ready": false, "reasons": {"": "no node has reported anything yet"}}',
        )
        sink.write_health(replace(GOOD, camera="rear"))
        sink.write_health(health)
        status, text = fetch(sink, "/readyz")
        assert fetch(sink, "/livez") == (200, '{"alive": true, "reasons": {}}')
    assert status == (503 if why else 200)
    assert text == (
        '{"ready": false, "reasons": {"front": "' + why + '"}}' if why else '{"ready": true, "reasons": {}}'
    )


def test_alive_while_nodes_report_their_state(monkeypatch: pytest.MonkeyPatch) -> None:
    with page() as sink:
        assert fetch(sink, "/livez")[0] == 503
        sink.write_health(GOOD)
        sink.write_health(
            replace(GOOD, camera="rear", state=NodeState.FINALIZED)
        )  # it ended in order and reports no more
        monkeypatch.setattr(state, "UNHEARD_MS", -1)
        status, text = fetch(sink, "/livez")
        assert status == 503
        assert '"front": "its node has reported nothing for 0 s; allowed are' in text
        assert "rear" not in text
        assert fetch(sink, "/readyz")[0] == 503
