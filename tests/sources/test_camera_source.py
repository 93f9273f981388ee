"""Cameras at this computer. There is no virtual one, so options, stamps and words are tested without."""

from contextlib import AbstractContextManager
from fractions import Fraction
from pathlib import Path
from threading import Event

import av
import pytest
from av.container import InputContainer

from perception.errors import ConfigError, SourceError
from perception.health.types import LinkState
from perception.sources import live
from perception.sources.camera import CameraSource
from perception.sources.connection import Arrival
from perception.sources.link import SILENCE_S
from perception.sources.registry import open_source
from tests.media import write_images
from tests.sources.live import Reading, until


def camera() -> CameraSource:
    source = open_source("camera:0")
    assert isinstance(source, CameraSource)
    return source


def packet(pts_us: int | None, whole_ns: int) -> av.Packet:  # type: ignore[type-arg]  # it has none at run time
    """What a driver gives: a presentation time, and when it arrived."""
    given = av.Packet(b"image")
    given.pts, given.time_base = pts_us, Fraction(1, 1_000_000)
    given.opaque = Arrival(whole_ns, whole_ns, 0)
    return given


@pytest.mark.parametrize("uri", ["77", "camera:77", "camera:/dev/video77", "/dev/video77"])
def test_a_camera_that_is_not_there_is_waited_for(uri: str) -> None:
    source = open_source(uri + "?size=1280x720&rate=60&format=mjpeg")
    assert source.rate == 60
    assert isinstance(source, CameraSource)
    assert source._options["video_size"] == "1280x720"
    assert source._options["framerate"] == "60"
    assert source._options["input_format"] == "mjpeg"
    with Reading(source) as reading:
        until(lambda: reading.source.link.state is LinkState.LOST)
        assert reading.source.link.reason.startswith("there is no /dev/video77 (cameras here: ")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (PermissionError(13, "Permission denied"), "add this user to the group video"),
        (OSError(16, "Device or resource busy"), "in use by another program"),
        (OSError(19, "No such device"), "was unplugged"),
        (OSError(22, "Invalid argument"), "does not take this size, rate or format"),
        (OSError(5, "Input/output error"), "Input/output error"),
    ],
)
def test_what_is_wrong_with_a_device_is_told_in_words(error: OSError, words: str) -> None:
    assert words in camera()._explain(error)


def test_a_driver_that_stalls_is_no_other_program(monkeypatch: pytest.MonkeyPatch) -> None:
    """FFmpeg's read hangs in it, and every later try finds the camera busy."""
    answer, tries = Event(), list[int]()

    def connect(source: CameraSource) -> AbstractContextManager[InputContainer]:
        tries.append(1)
        if len(tries) == 1:
            answer.wait(30)
        raise OSError(16, "Device or resource busy")

    monkeypatch.setattr(CameraSource, "_connect", connect)
    monkeypatch.setattr(live, "OPEN_S", -SILENCE_S)
    with Reading(camera()) as reading:
        try:
            until(lambda: "fell silent, and its driver does not let go" in reading.source.link.reason)
        finally:
            answer.set()
        until(lambda: reading.source.link.reason == "/dev/video0 is in use by another program")


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        ("camera:", "a camera is a number or a device: camera:0 or camera:/dev/video0"),
        ("camera:front", "a camera is a number or a device"),
        ("camera:0?size=big", "size = 'big' is refused; it must look like 1280x720"),
        ("camera:0?rate=0", "rate = '0' is refused; it must look like 30"),
        ("camera:0?fps=30", "unknown option fps; known are size, rate, format"),
    ],
)
def test_wrong_options_are_refused(uri: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        open_source(uri)


def test_frames_carry_the_drivers_stamps_where_they_are_of_the_monotonic_clock() -> None:
    source, now = camera(), 10**13
    assert source._stamp(packet((now - 30_000_000) // 1000, now)) == now - 30_000_000
    now += 33_000_000
    assert source._stamp(packet(1_790_000_000_000_000, now)) == now  # the wall clock
    assert source._stamp(packet(None, now + 1)) == now + 1


def test_a_folder_called_0_is_no_camera(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """KITTI's recordings are called 00, 01 and so on."""
    monkeypatch.chdir(tmp_path)
    assert isinstance(open_source("0"), CameraSource)
    write_images(tmp_path / "0", 1)
    assert open_source("0").length == 1
    with pytest.raises(SourceError, match="source 00: no such file"):
        open_source("00")
