"""Live sources show pictures as files do: turned, of the right track, their fields and HDR seen to."""

import io
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import av
import cv2
import numpy as np
import pytest
from av.container import InputContainer
from PIL import Image as Pictures
from PIL import ImageOps

from perception.frame import Coded, Frame
from perception.pixels import Yuv420
from perception.sources.live import LOW_LATENCY, LiveCamera
from perception.sources.stream import KIND
from perception.types import Policy
from perception.uri import Kinds
from tests.h264 import decoded, write_stream
from tests.servers.control import Server
from tests.servers.pictures import number_of, numbered
from tests.sources import tagged
from tests.sources.live import Reading, live_source
from tests.sources.tagged import by_ffmpeg, matrix, read
from tests.sources.test_deinterlace import bars, fields, write_interlaced
from tests.sources.test_orientation import TURNS, cells
from tests.sources.test_tone import card, encode, write
from tests.sources.test_tracks import DRIVE, PROXY, default
from tests.sources.test_tracks import write as write_tracks


class FileCamera(LiveCamera):
    """A camera that sends what is in a file, and is connected to again and again."""

    def __init__(self, path: Path) -> None:
        uri = (
            Kinds("source", type(KIND), {"udp": "perception.sources.stream:KIND"}, str).parse("udp://h:1").uri
        )
        super().__init__(uri, "front", Policy.EVERY_FRAME)
        self._path = path

    def _connect(self) -> InputContainer:
        # Not `nobuffer`: what FFmpeg looked at first would be lost, the only key frame with it.
        return av.open(str(self._path), options={"flags": LOW_LATENCY["flags"]})


def first(path: Path, count: int) -> tuple[list[Frame], str]:
    with Reading(FileCamera(path)) as reading:
        frames = reading.more(count)[:count]
    return frames, "\n".join(reading.source.notes)


@pytest.mark.parametrize("turn", TURNS.values(), ids=TURNS)
def test_streams_turn_as_files_do(tmp_path: Path, turn: tuple[int, ...]) -> None:
    path = tagged.write(tmp_path / "a.mp4", [cells()] * 9, matrix(*turn), sar="2:1")
    for frame, by_program in zip(first(path, 3)[0], by_ffmpeg(path)[:3], strict=True):
        np.testing.assert_array_equal(frame.image, by_program)
        assert frame.pixel_aspect == (0.5 if turn[0] == 0 else 2.0)


@pytest.mark.parametrize("sar", ["2:1", "64:45"])
def test_streams_say_the_shape_of_their_pixels(tmp_path: Path, sar: str) -> None:
    path = tagged.write(tmp_path / "a.ts", [cells()] * 3, sar=sar)
    width, height = map(int, sar.split(":"))
    assert [frame.pixel_aspect for frame in first(path, 2)[0]] == [width / height] * 2


def test_hdr_streams_look_as_hdr_files_do(tmp_path: Path) -> None:
    path = write(tmp_path / "a.mp4", [encode(card(), "HLG")] * 9, "HLG")
    frames, notes = first(path, 12)  # connected to twice
    np.testing.assert_array_equal(frames[0].image, read(path)[0].image)
    assert notes.count("HLG (HDR) video") == 1


def test_interlaced_streams_show_one_field_without_waiting(tmp_path: Path) -> None:
    path = write_interlaced(tmp_path / "a.ts", fields(bars(8), True), True)
    frames, notes = first(path, 4)
    for frame, moment, combed in zip(frames, bars(8)[::2], by_ffmpeg(path), strict=True):
        error = np.abs(frame.image.astype(int) - moment).mean()
        assert error < 0.4 * np.abs(combed.astype(int) - moment).mean()
    assert notes.count("interlaced video; every other row") == 1


def test_streams_show_the_track_that_files_do(tmp_path: Path) -> None:
    path = write_tracks(tmp_path / "a.mp4", PROXY, default(DRIVE))
    assert first(path, 2)[0][0].image.shape[:2] == DRIVE[1]


@pytest.fixture
def motion_jpeg() -> Iterator[tuple[str, np.ndarray]]:
    """The address of a camera whose JPEGs are turned by EXIF, and what Pillow shows of them."""
    exif, stored = Pictures.Exif(), io.BytesIO()
    exif[0x0112] = 7
    Pictures.fromarray(cells()).save(stored, "JPEG", exif=exif, quality=100, subsampling=0)
    shown = np.asarray(ImageOps.exif_transpose(Pictures.open(stored)))

    class Camera(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=b")
            self.end_headers()
            head = f"--b\r\nContent-Type: image/jpeg\r\nContent-Length: {len(stored.getvalue())}\r\n\r\n"
            try:
                while True:
                    self.wfile.write(head.encode() + stored.getvalue() + b"\r\n")
                    time.sleep(0.02)
            except OSError:  # the reader has gone
                return

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Camera) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/video", shown
        server.shutdown()


def test_motion_jpeg_is_turned_by_exif(motion_jpeg: tuple[str, np.ndarray]) -> None:
    url, shown = motion_jpeg
    with Reading(live_source(url)) as reading:
        frame = reading.more(1)[0]
    assert frame.image.shape == shown.shape == (96, 64, 3)
    assert np.abs(frame.image.astype(int) - shown[..., ::-1]).max() <= 8
    assert frame.coded is None  # its file is not the picture as it is shown everywhere


def test_frames_of_motion_jpeg_hold_what_the_camera_sent() -> None:
    with Server("mjpeg", "--size", "160x96") as server, Reading(live_source(server.url)) as reading:
        for frame in reading.more(3):
            sent = cv2.imencode(
                ".jpg", numbered(number_of(frame.image), 96, 160), (cv2.IMWRITE_JPEG_QUALITY, 85)
            )
            assert frame.coded == Coded("jpeg", sent[1].tobytes())


def test_two_fields_in_one_jpeg_are_not_handed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(av.VideoFrame, "interlaced_frame", property(lambda picture: True), raising=False)
    with Server("mjpeg", "--size", "160x96") as server, Reading(live_source(server.url)) as reading:
        assert not any(frame.coded for frame in reading.more(2))


def test_frames_of_h264_hold_what_the_camera_sent(tmp_path: Path) -> None:
    frames = first(write_stream(tmp_path / "a.mp4", 9), 4)[0]
    units = [frame.coded.data for frame in frames if frame.coded and frame.coded.format == "h264"]
    assert [frame.coded.key for frame in frames if frame.coded] == [True, False, False, False]
    for planes, frame in zip(decoded(units), frames, strict=True):
        assert isinstance(frame.pixels, Yuv420)
        np.testing.assert_array_equal(planes, frame.pixels.i420)


@pytest.mark.parametrize("kind", ["rtsp", "mpegts"])
def test_streams_of_h264_can_be_passed_on_from_any_key_frame(kind: str) -> None:
    with (
        Server(kind, "--size", "160x96", "--gop", "5") as server,
        Reading(live_source(server.url)) as reading,
    ):
        frames = reading.more(15)
    coded = [frame.coded for frame in frames]
    keys = [number for number, one in enumerate(coded) if one is not None and one.key]
    assert len(keys) >= 2 and keys[1] - keys[0] == 5
    shown = decoded([one.data for one in coded[keys[1] :] if one is not None])
    for planes, frame in zip(shown, frames[keys[1] :], strict=True):
        assert isinstance(frame.pixels, Yuv420)
        np.testing.assert_array_equal(planes, frame.pixels.i420)
