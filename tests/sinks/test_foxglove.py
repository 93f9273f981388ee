"""The live server, as a viewer sees it over loopback."""

import asyncio
import json
import socket
import threading
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any
from unittest.mock import Mock

import cv2
import numpy as np
import psutil
import pytest

from perception.camera_info import CameraInfo
from perception.classes import DRIVE
from perception.errors import ConfigError, SinkError
from perception.frame import Coded, Frame
from perception.interchange.files.records import scene_record
from perception.overlay import draw_planes
from perception.scene import Scene, Status
from perception.sinks import foxglove_server
from perception.sinks.foxglove import ServerAddress
from perception.sinks.foxglove_server import FoxgloveSink
from perception.sinks.registry import SINKS, open_sink
from tests.interchange.conftest import HEALTH, a_frame
from tests.mcap_reading import nanoseconds, pixels
from tests.sinks.foxglove_viewer import connected

WALL = 1_764_000_000_123_456_789
K = (700.0, 0.0, 127.5, 0.0, 700.0, 71.5, 0.0, 0.0, 1.0)
INFO = CameraInfo(256, 144, "plumb_bob", (0.0,) * 5, K, K, (*K[:3], 0.0, *K[3:6], 0.0, *K[6:], 0.0))


def a_live_frame(sequence: int, **more: Any) -> tuple[Frame, Scene]:
    frame, scene = a_frame(sequence)
    return replace(frame, wall_ns=WALL + frame.stamp_ns, **more), scene


def opened(uri: str = "foxglove://127.0.0.1:0") -> FoxgloveSink:
    sink = open_sink(uri, 0.0, DRIVE)
    assert isinstance(sink, FoxgloveSink)
    return sink


def watched(watch: Callable[[FoxgloveSink], Awaitable[None]]) -> None:
    """Run a test of a server."""
    sink = opened()
    try:
        asyncio.run(asyncio.wait_for(watch(sink), 60))
    finally:
        sink.close()


async def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.005)


def subscribed(sink: FoxgloveSink, camera: str, *names: str) -> Callable[[], bool]:
    channels = sink._cameras[camera].channels
    return lambda: all(channels[name].has_sinks() for name in names)


def test_a_viewer_gets_what_it_subscribes_to_as_it_is() -> None:
    async def watch(sink: FoxgloveSink) -> None:
        frame, scene = a_live_frame(0, coded=Coded("jpeg", b"\xff\xd8 as it came"))
        sink.write(frame, scene, frame.image)
        async with connected(sink.uri) as page:
            names = ["picture", "labels", "instances", "annotations", "scene"]
            await page.subscribe(*(f"/front/{name}" for name in names))
            await until(subscribed(sink, "front", *names))
            sink.write(frame, scene, frame.image)
            found = {topic: (stamp, value) for topic, stamp, value in [await page.next() for _ in names]}
        assert {stamp for stamp, _ in found.values()} == {WALL}
        values = {topic.removeprefix("/front/"): value for topic, (_, value) in found.items()}
        assert values["picture"].data == b"\xff\xd8 as it came"
        assert pixels(values["labels"]).tobytes() == scene.labels.tobytes()
        assert pixels(values["instances"]).tobytes() == scene.instance_map.tobytes()
        assert len(values["annotations"].texts) == 3
        record = json.loads(json.dumps(scene_record(scene, DRIVE)))
        assert values["scene"] == record | {"wall_ns": WALL, "age_ms": values["scene"]["age_ms"]}
        assert nanoseconds(values["labels"].timestamp) == WALL

    watched(watch)


def test_nothing_is_encoded_that_nobody_sees(monkeypatch: pytest.MonkeyPatch) -> None:
    drawing = Mock(wraps=draw_planes)
    monkeypatch.setattr(foxglove_server, "draw_planes", drawing)

    async def watch(sink: FoxgloveSink) -> None:
        frame, scene = a_live_frame(0)
        with monkeypatch.context() as patch:
            patch.setattr(cv2, "imencode", None)
            patch.setattr("perception.interchange.foxglove.vocabulary.scene_record", None)
            sink.write(frame, scene, frame.image)  # would fail
            async with connected(sink.uri) as page:
                await page.subscribe("/front/labels")
                await until(subscribed(sink, "front", "labels"))
                sink.write(frame, scene, frame.image)
                assert (await page.next())[0] == "/front/labels"
            await until(lambda: not subscribed(sink, "front", "labels")())
        assert not drawing.called
        async with connected(sink.uri) as page:
            await page.subscribe("/front/overlay")
            await until(subscribed(sink, "front", "overlay"))
            sink.write(frame, scene, frame.image)
            _, _, image = await page.next()
        shown = cv2.imdecode(np.frombuffer(image.data, np.uint8), cv2.IMREAD_COLOR)
        assert shown is not None and shown.shape == (144, 256, 3)
        assert shown.mean() > 5 and drawing.call_count == 1  # the frame itself is black

    watched(watch)


def test_what_must_not_be_trusted_is_withheld_and_said() -> None:
    async def watch(sink: FoxgloveSink) -> None:
        names = ["labels", "instances", "annotations", "scene", "picture"]
        frame, scene = a_live_frame(0)
        sink.write(frame, scene, frame.image)
        async with connected(sink.uri) as page:
            await page.subscribe(*(f"/front/{name}" for name in names))
            await until(subscribed(sink, "front", *names))
            grown_stale = scene.evolve(max_age_ms=1.0)  # since it was published
            for status, untrusted in (
                (Status.UNRELIABLE, scene.evolve(reasons=("black",), status=Status.UNRELIABLE)),
                (Status.STALE, grown_stale),
                (Status.NOT_READY, scene.unknown(Status.NOT_READY)),
                (Status.NO_SIGNAL, scene.unknown(Status.NO_SIGNAL)),
            ):
                sink.write(frame, untrusted, frame.image)
                found = {topic: value for topic, _, value in [await page.next() for _ in range(2)]}
                assert set(found) == {"/front/scene", "/front/picture"}
                assert found["/front/scene"]["status"] == status
            sink.write(frame, scene, frame.image)
            assert {(await page.next())[0] for _ in names} == {f"/front/{name}" for name in names}

    watched(watch)


def test_who_comes_late_gets_the_classes_the_calibration_and_the_state() -> None:
    async def watch(sink: FoxgloveSink) -> None:
        sink.write_health(replace(HEALTH, wall_ns=WALL + 7, published=5))
        frame, scene = a_live_frame(0, camera_info=INFO)
        sink.write(frame, scene, frame.image)
        for _ in range(2):  # the second one after the first
            async with connected(sink.uri) as page:
                await page.subscribe("/front/classes", "/front/calibration", "/front/health")
                found = {
                    topic: (stamp, value) for topic, stamp, value in [await page.next() for _ in range(3)]
                }
            assert found["/front/classes"][1]["classes"][8]["name"] == "vehicle"
            assert tuple(found["/front/calibration"][1].K) == K
            assert found["/front/health"][0] == WALL + 7
            assert found["/front/health"][1]["published"] == 5
        async with connected(sink.uri) as page:
            await page.subscribe("/front/calibration")
            assert tuple((await page.next())[2].K) == K
            moved = replace(frame, camera_info=replace(INFO, k=K[::-1]))
            sink.write(moved, scene, frame.image)
            assert tuple((await page.next())[2].K) == K[::-1]

    watched(watch)


def test_a_recording_without_a_clock_has_the_time_at_which_it_is_shown() -> None:
    async def watch(sink: FoxgloveSink) -> None:
        frame, scene = a_frame(1)
        sink.write(frame, scene, frame.image)
        async with connected(sink.uri) as page:
            await page.subscribe("/front/scene")
            await until(subscribed(sink, "front", "scene"))
            before = time.time_ns()
            sink.write(replace(frame, host_ns=time.monotonic_ns() - 10**9), scene, frame.image)
            _, stamp, _ = await page.next()
        assert before - 10**9 - 10**7 < stamp < time.time_ns() - 10**9 + 10**7

    watched(watch)


def test_who_is_there_before_the_first_frame_is_told_each_channel() -> None:
    async def watch(sink: FoxgloveSink) -> None:
        frame, scene = a_live_frame(0)
        async with connected(sink.uri) as page:
            await asyncio.to_thread(sink.write, frame, scene, frame.image)
            names = sink._cameras["front"].channels
            assert len({(await page.channel(f"/front/{name}"))["id"] for name in names}) == 11

    watched(watch)


def test_cameras_share_a_server() -> None:
    async def watch(sink: FoxgloveSink) -> None:
        pairs = {name: a_live_frame(i, camera=name) for i, name in enumerate(("front", "rear"))}
        pairs = {name: (frame, scene.evolve(camera=name)) for name, (frame, scene) in pairs.items()}
        threads = [
            threading.Thread(target=sink.write, args=(frame, scene, frame.image))
            for frame, scene in pairs.values()
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        async with connected(sink.uri) as page:
            await page.subscribe("/front/labels", "/rear/labels")
            await until(subscribed(sink, "rear", "labels"))
            await until(subscribed(sink, "front", "labels"))
            for frame, scene in pairs.values():
                sink.write(frame, scene, frame.image)
            for name in pairs:
                topic, _, value = await page.next()
                assert topic == f"/{name}/labels" and value.frame_id == f"{name}_optical"
                assert pixels(value).tobytes() == pairs[name][1].labels.tobytes()

    watched(watch)
    assert SINKS.parse("foxglove://127.0.0.1:8765").kind.shared


def test_a_viewer_that_never_reads_costs_nothing_but_its_messages() -> None:
    """600 labels of 0.9 MB each; eight may wait."""
    sink = opened()
    try:
        frame, scene = a_live_frame(0)
        big = scene.evolve(
            labels=np.zeros((720, 1280), np.uint8), instance_map=np.zeros((720, 1280), np.uint16)
        )
        sink.write(frame, big, frame.image)
        _, port = sink.uri.rsplit(":", 1)
        with socket.create_connection(("127.0.0.1", int(port))) as peer:
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            peer.sendall(
                b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n"
                b"Sec-WebSocket-Protocol: foxglove.sdk.v1\r\n\r\n"
            )
            answer = b""
            while not answer.endswith(b"\r\n\r\n"):
                answer += peer.recv(1)
            channel = sink._cameras["front"].channels["labels"].id()
            wish = json.dumps(
                {"op": "subscribe", "subscriptions": [{"id": 1, "channelId": channel}]}
            ).encode()
            masked = bytes([0x81, 0x80 | len(wish), 0, 0, 0, 0]) + wish
            assert len(wish) < 126
            peer.sendall(masked)
            asyncio.run(until(subscribed(sink, "front", "labels")))
            process = psutil.Process()
            before, begun = process.memory_info().rss, time.monotonic()
            most = 0
            for _ in range(600):
                sink.write(frame, big, frame.image)
                most = max(most, process.memory_info().rss - before)
            assert most < 50e6
            assert time.monotonic() - begun < 20
    finally:
        sink.close()


def test_other_hosts_are_refused_and_a_port_that_is_taken_is_named() -> None:
    for uri in ("foxglove://0.0.0.0:8765", "foxglove://192.168.0.4", "foxglove://car.local:8765"):
        with pytest.raises(ConfigError, match=r"can be reached by others, .* knows no token"):
            SINKS.parse(uri)
    with pytest.raises(ConfigError, match="unknown option token; it takes none"):
        SINKS.parse("foxglove://127.0.0.1:8765?token=x")
    with pytest.raises(ConfigError, match="not a server's address"):
        SINKS.parse("foxglove://127.0.0.1:8765/path")
    with pytest.raises(ConfigError, match=r"it is foxglove://127\.0\.0\.1:8765"):
        SINKS.parse("foxglove://127.0.0.1:99999")
    assert SINKS.parse("foxglove://").options == ServerAddress("127.0.0.1", 8765)
    sink = opened()
    with pytest.raises(SinkError, match=r"cannot be opened \(.*in use"):
        open_sink(sink.uri, 0.0, DRIVE)
    sink.close()
    sink.close()

    def opens() -> bool:
        try:
            opened(sink.uri).close()
        except SinkError:
            return False
        return True

    asyncio.run(until(opens))  # the SDK lets go of the port a moment after it has said so
