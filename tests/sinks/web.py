"""A live page for tests, and what its viewers read."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt
from aiohttp import ClientSession, ClientWebSocketResponse, WSMsgType

from perception.classes import DRIVE
from perception.health.types import Condition, Health, Level, NodeState, SinkState
from perception.scene import Signal
from perception.sinks.registry import SINKS
from perception.sinks.web.sink import WebSink

NO_OVERLAY = np.zeros((0, 0, 3), np.uint8)
HEALTH = Health(
    camera="front",
    state=NodeState.ACTIVE,
    signal=Signal.OK,
    level=Level.WARN,
    conditions=(Condition("blur", Level.WARN, "the picture is blurred: sharpness 12, at least 40", 2.5),),
    silent_ms=33.0,
    captured=1234,
    published=1200,
    in_hand=4,
    dropped={"superseded": 20, "undecodable": 10},
    stale=7,
    unreliable=6,
    not_ready=5,
    rate_in=30.5,
    rate_out=29.25,
    jitter_ms=1.5,
    age_ms=(42.0, 66.0),
    infer_ms=(14.0, 21.0),
    connections=3,
    restarts=1,
    sinks=(
        SinkState("out.mp4", 1150, {"queue full": 40, "No space left on device": 8}, 2, 120.0, "no space"),
    ),
)


def open_web(uri: str) -> WebSink:
    return WebSink(SINKS.parse(uri).options, DRIVE)


@contextmanager
def page(uri: str = "web://127.0.0.1:0") -> Iterator[WebSink]:
    sink = open_web(uri)
    try:
        yield sink
    finally:
        sink.close()


def url_of(sink: WebSink, path: str = "/") -> str:
    return f"http://127.0.0.1:{sink.address.port}{path}"


class Message(NamedTuple):
    header: dict[str, Any]
    picture: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.uint8]


def read(message: bytes) -> Message:
    """By the format's description alone."""
    start = 4 + int.from_bytes(message[:4], "big")
    header = json.loads(message[4:start])
    between = start + header["picture_bytes"]
    assert len(message) == between + header["labels_bytes"]
    return Message(header, _image(message[start:between]), _image(message[between:]))


def _image(data: bytes) -> npt.NDArray[np.uint8]:
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    assert image is not None
    assert image.dtype == np.uint8
    return image.astype(np.uint8, copy=False)


def talk(look: Callable[[ClientSession], Awaitable[None]]) -> None:
    """Run what a client does; each test has its own loop, as the server has."""

    async def run() -> None:
        async with ClientSession() as session:
            await asyncio.wait_for(look(session), 20)

    asyncio.run(run())


async def watched(sink: WebSink, camera: str, viewers: int = 1) -> None:
    """Until so many have asked for the camera."""
    while sum(one.camera == camera for one in tuple(sink._server._viewers)) < viewers:
        await asyncio.sleep(0.005)
    while camera not in sink._server.cameras.watched:
        await asyncio.sleep(0.005)


async def next_scene(live: ClientWebSocketResponse) -> dict[str, Any]:
    while (got := await live.receive()).type is not WSMsgType.BINARY:
        assert got.type is WSMsgType.TEXT, got
    return read(got.data).header
