"""Whatever is asked, the live page's answers about a scene's freshness are those of `Scene.as_of`."""

import asyncio
import json
import time
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from aiohttp import ClientSession
from prometheus_client.parser import text_string_to_metric_families

from perception.scene import Signal, Status
from tests.sinks.web import page, talk, url_of
from tests.sinks.web_tab import GOOD, grey_frame

NO_OVERLAY = np.zeros(0, np.uint8)
MS = 1_000_000


@pytest.mark.parametrize(
    ("age_ms", "signal", "scene", "status"),
    [
        (20, Signal.OK, {}, Status.OK),
        (
            2000,
            Signal.OK,
            {},
            Status.STALE,
        ),  # its network hangs: health is good, and nothing new comes
        (20, Signal.STALE, {}, Status.OK),
        (20, Signal.OK, {"reasons": ("the picture is black",)}, Status.UNRELIABLE),
        (20, Signal.OK, {"status": Status.NOT_READY}, Status.NOT_READY),
        (20, Signal.NO_SIGNAL, {}, Status.NO_SIGNAL),
        (99_000, Signal.NO_SIGNAL, {}, Status.NO_SIGNAL),
    ],
)
def test_frame_health_metrics_and_readiness_agree(
    age_ms: int, signal: Signal, scene: dict[str, Any], status: Status
) -> None:
    async def look(session: ClientSession) -> None:
        async def get(path: str) -> Any:
            async with session.get(url_of(sink, path)) as answer:
                return answer.headers, await answer.read()

        headers, _ = await get("/frame.jpg")
        health = json.loads((await get("/health"))[1])
        for found in (json.loads(headers["X-Scene"]), health["scenes"]["front"]):
            assert found["status"] == status
            assert age_ms <= found["age_ms"] < age_ms + 1000
        families = text_string_to_metric_families((await get("/metrics"))[1].decode())
        samples = {one.name: one.samples for one in families}
        [age] = samples["perception_scene_age_seconds"]
        assert age_ms <= 1000 * age.value < age_ms + 1500
        assert [one.labels["status"] for one in samples["perception_scene_status"] if one.value] == [status]
        ready = json.loads((await get("/readyz"))[1])
        assert ready["ready"] is (status in {Status.OK, Status.UNRELIABLE})
        if status is Status.STALE:
            assert ready["reasons"]["front"].startswith("its newest scene is stale, 2")

    with page() as sink:
        captured_ns = time.monotonic_ns() - age_ms * MS
        sink.write_health(replace(GOOD, signal=signal))
        values = {"host_ns": captured_ns, "max_age_ms": 600.0, **scene}
        sink.write(*grey_frame(0, **values), NO_OVERLAY)
        talk(look)


def test_an_age_is_that_of_the_moment_at_which_it_is_asked() -> None:
    async def look(session: ClientSession) -> None:
        ages = []
        for _ in range(2):
            async with session.get(url_of(sink, "/health")) as answer:
                ages.append((await answer.json())["scenes"]["front"]["age_ms"])
            await asyncio.sleep(0.05)
        assert ages[1] - ages[0] >= 50

    with page() as sink:
        sink.write(*grey_frame(0), NO_OVERLAY)
        talk(look)
