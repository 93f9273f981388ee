"""Messages and pictures of the live page, against its real server."""

import json
import threading
import time
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import pytest
from aiohttp import ClientSession, ClientWebSocketResponse

from perception.classes import DRIVE
from perception.errors import SinkError
from perception.frame import Coded, Frame
from perception.scene import Signal, Status
from perception.sinks.web import protocol as message
from tests.sinks.conftest import MakeScene
from tests.sinks.web import HEALTH, NO_OVERLAY, next_scene, open_web, page, read, talk, url_of, watched


def test_a_port_that_is_taken(make_scene: MakeScene) -> None:
    with page() as sink, pytest.raises(SinkError, match=r"Address already in use.*choose another port"):
        open_web(sink.uri)


@pytest.mark.parametrize(("width", "labels_size"), [(160, (96, 160)), (640, (96, 640)), (1281, (48, 640))])
def test_a_message_holds_the_scene(make_scene: MakeScene, width: int, labels_size: tuple[int, int]) -> None:
    frame, scene = make_scene(3, 96, width)
    scene = replace(scene, status=Status.UNRELIABLE, reasons=("the picture is black",))
    scene = replace(scene, max_age_ms=250.0, host_ns=7_000_000)
    before = message.now_ms()
    header, picture, labels = read(message.encode(frame, scene, DRIVE))
    assert header["sequence"] == 3
    assert header["camera"] == "front"
    assert (header["status"], header["reasons"]) == ("unreliable", ["the picture is black"])
    assert header["age_ms"] == pytest.approx(12.346)
    assert (header["max_age_ms"], header["captured_ms"]) == (250.0, 7.0)
    assert before <= header["published_ms"] <= message.now_ms()
    assert (header["width"], header["height"]) == (width, 96)
    assert header["instances"][0]["box"] == [3.0, 4.0, 10.5, 20.0]
    assert header["lanes"][0]["points"] == [[1.0, 90.0], [50.25, 40.0]]
    assert picture.shape == frame.image.shape
    assert np.abs(picture.astype(int) - frame.image).mean() < 10
    assert labels.dtype == np.uint8
    assert labels.shape == labels_size
    at = np.arange(labels_size[1]) * width // labels_size[1]  # the pixel that each one stands for
    np.testing.assert_array_equal(labels[0], scene.labels[0, at])


@pytest.mark.parametrize(("bytes_a_pixel", "own"), [(0.4, True), (0.41, False)])
def test_a_cameras_own_jpeg_is_shown_as_it_is_unless_it_is_huge(
    make_scene: MakeScene, bytes_a_pixel: float, own: bool
) -> None:
    frame, scene = make_scene(3, 96, 160)
    jpeg = cv2.imencode(".jpg", np.full_like(frame.image, 200))[1].tobytes()
    jpeg = jpeg.ljust(int(bytes_a_pixel * 96 * 160), b"\0")
    sent = message.encode(Frame(frame.image, 0, coded=Coded("jpeg", jpeg)), scene, DRIVE)
    assert (jpeg in sent) is own
    assert read(sent).labels.shape == (96, 160)


def test_nothing_is_encoded_while_nobody_looks_on(
    make_scene: MakeScene, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*given: object) -> bytes:
        raise AssertionError("encoded")

    monkeypatch.setattr("perception.sinks.web.state.encode", refuse)
    with page() as sink:
        assert not sink.wants_overlay
        sink.write(*make_scene(0), NO_OVERLAY)

        async def look_at_another(session: ClientSession) -> None:
            async with session.ws_connect(url_of(sink, "/live")) as live:
                await live.send_str("rear")
                await watched(sink, "rear")
                sink.write(*make_scene(1), NO_OVERLAY)

        talk(look_at_another)


def test_a_viewer_gets_what_stays_and_then_what_is_new(make_scene: MakeScene) -> None:
    async def look(session: ClientSession) -> None:
        async with session.ws_connect(url_of(sink, "/live")) as live:
            hello = await live.receive_json()
            assert hello["type"] == "hello"
            assert hello["classes"][8] == {"id": 8, "name": "vehicle", "colour": [20, 90, 230], "thing": True}
            assert hello["cameras"] == ["front", "rear"]
            past = [await live.receive_json() for _ in range(3)]
            assert [one["health"]["camera"] for one in past] == ["front", "front", "rear"]
            assert past[1]["health"] == json.loads(json.dumps(HEALTH.as_json()))
            await live.send_str("front")
            await watched(sink, "front")
            sink.write(*make_scene(1), NO_OVERLAY)
            assert (await next_scene(live))["sequence"] == 1  # and not 0, which was before
            frame, scene = make_scene(2)
            sink.write(replace(frame, camera="rear"), replace(scene, camera="rear"), NO_OVERLAY)
            sink.write(*make_scene(3), NO_OVERLAY)
            assert (await next_scene(live))["sequence"] == 3
            sink.write_health(replace(HEALTH, captured=9999))
            assert (await next_text(live, "health"))["health"]["captured"] == 9999
            start = time.monotonic()
            for _ in range(3):
                await next_text(live, "tick")
            assert time.monotonic() - start < 2  # a sign of life, though nothing happens

    with page() as sink:
        sink.write(*make_scene(0), NO_OVERLAY)
        sink.write_health(replace(HEALTH, captured=1))
        sink.write_health(HEALTH)
        sink.write_health(replace(HEALTH, camera="rear"))
        talk(look)


def test_two_cameras_are_written_from_two_threads(make_scene: MakeScene) -> None:
    def run(camera: str) -> None:
        for sequence in range(40):
            frame, scene = make_scene(sequence)
            sink.write(replace(frame, camera=camera), replace(scene, camera=camera), NO_OVERLAY)
            sink.write_health(replace(HEALTH, camera=camera, captured=sequence))

    async def look(session: ClientSession) -> None:
        async with session.ws_connect(url_of(sink, "/live")) as live:
            await live.send_str("rear")
            await watched(sink, "rear")
            threads = [threading.Thread(target=run, args=(camera,)) for camera in ("front", "rear")]
            for thread in threads:
                thread.start()
            while (header := await next_scene(live))["sequence"] < 39:
                assert header["camera"] == "rear"
            for thread in threads:
                thread.join()

    with page() as sink:
        talk(look)
        assert set(sink._server.cameras.all()) == {"front", "rear"}


def test_the_newest_frame_is_drawn_with_the_age_it_has_by_now(make_scene: MakeScene) -> None:
    async def look(session: ClientSession) -> None:
        async with session.get(url_of(sink, "/frame.jpg")) as answer:
            assert answer.status == 404
            assert "those known are: none" in await answer.text()
        frame, scene = make_scene(7, 240, 320)
        scene = replace(scene, host_ns=time.monotonic_ns() - 60_000_000)
        sink.write(frame, scene, NO_OVERLAY)
        async with session.get(url_of(sink, "/frame.jpg?camera=front")) as answer:
            trust = json.loads(answer.headers["X-Scene"])
            assert (trust["sequence"], trust["status"]) == (7, "ok")
            assert 60 <= trust["age_ms"] < 2000
            picture = cv2.imdecode(np.frombuffer(await answer.read(), np.uint8), cv2.IMREAD_COLOR)
        assert picture is not None
        jpeg = cv2.imencode(".jpg", scene.draw(frame))[1]
        np.testing.assert_array_equal(picture, cv2.imdecode(jpeg, cv2.IMREAD_COLOR))
        sink.write_health(replace(HEALTH, signal=Signal.NO_SIGNAL))
        async with session.get(url_of(sink, "/frame.jpg")) as answer:
            assert json.loads(answer.headers["X-Scene"])["status"] == "no_signal"
            picture = cv2.imdecode(np.frombuffer(await answer.read(), np.uint8), cv2.IMREAD_COLOR)
        assert picture is not None
        assert picture[:14, 250:].mean(axis=(0, 1)).argmax() == 2  # the whole bar is red
        assert (
            np.abs(picture[16:].astype(int) - frame.image[16:]).mean() < 10
        )  # and below it the camera's picture
        async with session.get(url_of(sink, "/frame.jpg?camera=rear")) as answer:
            assert answer.status == 404
            assert "'rear'; those known are: front" in await answer.text()

    with page() as sink:
        talk(look)


async def next_text(live: ClientWebSocketResponse, kind: str) -> dict[str, Any]:
    while True:
        got: dict[str, Any] = await live.receive_json()
        if got["type"] == kind:
            return got
