"""Viewers of the live page that read nothing, are too many, or come and go."""

import asyncio
import socket
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from aiohttp import ClientSession, WSMsgType

from perception.frame import Frame
from perception.scene import Scene
from perception.sinks.web import server, viewer
from perception.sinks.web.sink import WebSink
from tests.sinks.conftest import MakeScene
from tests.sinks.web import HEALTH, NO_OVERLAY, next_scene, page, read, talk, url_of, watched


def noise(sequence: int, make_scene: MakeScene) -> tuple[Frame, Scene]:
    """A frame with a large message: 350 kB."""
    frame, scene = make_scene(sequence, 480, 640)
    image = np.random.default_rng(sequence).integers(0, 256, frame.image.shape, np.uint8)
    return replace(frame, pixels=image), scene


def test_a_viewer_that_never_reads_delays_nobody_and_skips_to_the_newest(make_scene: MakeScene) -> None:
    scenes = [noise(sequence, make_scene) for sequence in range(30)]

    async def look(session: ClientSession) -> None:
        async with session.ws_connect(url_of(sink, "/live"), max_msg_size=0) as live:
            await live.send_str("front")
            await watched(sink, "front", 2)
            slowest = 0.0
            for sequence, (frame, scene) in enumerate(scenes):
                start = time.perf_counter()
                sink.write(frame, scene, NO_OVERLAY)
                slowest = max(slowest, time.perf_counter() - start)
                assert (await next_scene(live))["sequence"] == sequence
            assert slowest < 5  # one that waited for that viewer would never end
            assert await counts(session) == (30, 0)
        got = [header["sequence"] for header in await asyncio.to_thread(scenes_of, blocked, 29)]
        assert got == sorted(set(got))
        assert got[-1] == 29
        assert len(got) < 10  # what fits into the kernel's buffers, and the newest
        assert await counts(session) == (len(got), 30 - len(got))

    async def counts(session: ClientSession) -> tuple[int, int]:
        """Sent and skipped, of the viewer that got most."""
        async with session.get(url_of(sink, "/health")) as answer:
            viewers = (await answer.json())["viewers"]
        return max((one["sent"], one["skipped"]) for one in viewers)

    with page() as sink, blocked_viewer(sink) as blocked:
        talk(look)


def test_a_viewer_that_reads_nothing_for_long_is_disconnected(
    make_scene: MakeScene, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "perception")
    monkeypatch.setattr(viewer, "PATIENCE_S", 0.2)
    with page() as sink, blocked_viewer(sink) as blocked:
        asyncio.run(watched(sink, "front"))
        deadline = time.monotonic() + 5
        while sink._server.cameras.watched and time.monotonic() < deadline:
            sink.write(*noise(0, make_scene), NO_OVERLAY)
            time.sleep(0.01)
        assert not sink._server.cameras.watched
        with suppress(ConnectionResetError):
            while blocked.recv(1 << 16):  # up to its end
                pass
    assert [one.event for one in caplog.records if hasattr(one, "event")] == ["page", "viewer_dropped"]


def test_more_viewers_than_may_watch_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "MOST_VIEWERS", 2)

    async def look(session: ClientSession) -> None:
        url = url_of(sink, "/live")
        async with session.ws_connect(url), session.ws_connect(url) as second:
            async with session.get(url) as refused:
                assert refused.status == 503
                assert "2 viewers watch already" in await refused.text()
            await second.close()
            async with session.ws_connect(url):
                pass

    with page() as sink:
        talk(look)


def test_viewers_that_come_and_go_leave_nothing_behind() -> None:
    def descriptors() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    async def look(session: ClientSession) -> None:
        async def come_and_go() -> None:
            live = await session.ws_connect(url_of(sink, "/live"))
            await live.send_str("front")
            await live.receive()
            await live.close()

        await come_and_go()
        before = descriptors()
        for _ in range(50):
            await come_and_go()
        while sink._server._viewers:
            await asyncio.sleep(0.005)
        assert descriptors() <= before
        assert sink._server.cameras.watched == frozenset()

    with page() as sink:
        talk(look)


def test_closing_disconnects_viewers_and_waits_for_none(make_scene: MakeScene) -> None:
    async def look(session: ClientSession) -> None:
        async with session.ws_connect(url_of(sink, "/live"), max_msg_size=0) as live:
            await live.send_str("front")
            await watched(sink, "front", 2)
            for sequence in range(10):
                sink.write(*noise(sequence, make_scene), NO_OVERLAY)
            closing = asyncio.create_task(asyncio.to_thread(sink.close))
            while (last := await live.receive()).type is not WSMsgType.CLOSE:
                pass
            assert (last.data, last.extra) == (1001, "the node has ended")
            await live.close()
            await closing

    with page() as sink, blocked_viewer(sink):
        start = time.monotonic()
        talk(look)
        assert time.monotonic() - start < 10  # one that waited for that viewer would never end
        sink.close()
        sink.write(*make_scene(0), NO_OVERLAY)  # by a thread that has not heard of it yet
        sink.write_health(HEALTH)
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", sink.address.port))
        assert sink.uri == f"web://127.0.0.1:{sink.address.port}"


def blocked_viewer(sink: WebSink) -> socket.socket:
    """A viewer that asks for the front camera and then reads nothing."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
    client.settimeout(10)
    client.connect(("127.0.0.1", sink.address.port))
    client.sendall(
        f"GET /live HTTP/1.1\r\nHost: 127.0.0.1:{sink.address.port}\r\nConnection: Upgrade\r\n"
        "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
    )
    text = b"front"
    client.sendall(bytes([0x81, 0x80 | len(text)]) + bytes(4) + text)  # masked with zeros
    return client


def scenes_of(client: socket.socket, until: int) -> list[dict[str, Any]]:
    """The headers of all scenes that wait, read frame by frame, up to that sequence."""
    file = client.makefile("rb")
    while file.readline() != b"\r\n":
        pass
    headers: list[dict[str, Any]] = []
    while not headers or headers[-1]["sequence"] < until:
        kind, length = file.read(2)
        if length >= 126:
            length = int.from_bytes(file.read(2 if length == 126 else 8), "big")
        body = file.read(length)
        if kind & 0xF == 2:
            headers.append(read(body).header)
    return headers
