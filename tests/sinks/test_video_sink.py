import resource
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import numpy.typing as npt
import pytest

from perception.classes import DRIVE
from perception.errors import SinkError
from perception.frame import Frame
from perception.health.types import Health, Level, NodeState
from perception.pixels import BT601, UNSPECIFIED, Yuv420
from perception.scene import Scene, Signal
from perception.sinks.base import PlaneSink
from perception.sinks.registry import open_sink, reopening
from tests.media import picture, read_video, write_video
from tests.sinks.conftest import MakeScene


def write(path: Path, scenes: list[tuple[Frame, Scene]]) -> list[tuple[float, npt.NDArray[np.uint8]]]:
    sink = open_sink(str(path), 25.0, DRIVE)
    for frame, scene in scenes:
        sink.write(frame, scene, frame.image)
    sink.close()
    sink.close()  # changes nothing
    return read_video(path)


def test_it_plays_in_a_browser_with_its_stamps(tmp_path: Path, make_scene: MakeScene) -> None:
    stamps = [0, 40, 80, 200, 233, 500]
    path = tmp_path / "deep" / "out.mp4"
    frames = write(path, [make_scene(i, stamp_ns=ms * 1_000_000) for i, ms in enumerate(stamps)])
    assert [round(1000 * seconds) for seconds, _ in frames] == stamps
    for index, (_, image) in enumerate(frames):
        assert np.abs(image.astype(int) - picture(index, 96, 160)).mean() < 12
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
        assert stream.frames == len(stamps)  # closed, it has the plain index that every player reads
    assert path.read_bytes()[4:8] == b"ftyp"


@pytest.mark.parametrize("size", [(16, 16), (17, 31), (361, 481), (2160, 3840)])
def test_sizes(tmp_path: Path, make_scene: MakeScene, size: tuple[int, int]) -> None:
    [(_, image)] = write(tmp_path / "out.mp4", [make_scene(0, *size)])
    height, width = size
    assert image.shape[:2] == (height + height % 2, width + width % 2)
    assert np.abs(image[:height, :width].astype(int) - picture(0, *size)).mean() < 20


def test_another_size_is_fitted_between_borders(tmp_path: Path, make_scene: MakeScene) -> None:
    """A square in a wide video: black left and right, the picture undistorted in the middle."""
    frames = write(
        tmp_path / "out.mp4", [make_scene(0, 96, 160), make_scene(0, 200, 200), make_scene(2, 96, 160)]
    )
    assert {image.shape for _, image in frames} == {(96, 160, 3)}
    fitted = frames[1][1]
    assert fitted[:, :28].mean() < 3 and fitted[:, -28:].mean() < 3
    assert np.abs(fitted[:, 36:124].astype(int) - picture(0, 96, 96)[:, 4:92]).mean() < 16


def test_stamps_that_run_back_do_not_spoil_the_file(tmp_path: Path, make_scene: MakeScene) -> None:
    frames = write(
        tmp_path / "out.mp4", [make_scene(i, stamp_ns=ns) for i, ns in enumerate([0, 10**8, 0, 0])]
    )
    seconds = [second for second, _ in frames]
    assert len(seconds) == 4 and seconds == sorted(set(seconds))


def test_a_live_cameras_clock_is_counted_from_the_first_frame(tmp_path: Path, make_scene: MakeScene) -> None:
    hours = 5 * 3600 * 10**9
    stamps = [0, 33_000_000, 100_000_000]
    frames = write(tmp_path / "out.mp4", [make_scene(i, stamp_ns=hours + ns) for i, ns in enumerate(stamps)])
    assert [round(1000 * seconds) for seconds, _ in frames] == [0, 33, 100]


def test_every_half_second_is_handed_to_the_system(tmp_path: Path, make_scene: MakeScene) -> None:
    """What is in the file before it is closed is what a kill leaves."""
    sink = open_sink(str(tmp_path / "out.mp4"), 25.0, DRIVE)
    for sequence in range(30):
        frame, scene = make_scene(sequence)
        sink.write(frame, scene, frame.image)
    (tmp_path / "killed.mp4").write_bytes((tmp_path / "out.mp4").read_bytes())
    sink.close()
    assert len(read_video(tmp_path / "killed.mp4")) >= 15


def test_a_video_that_cannot_begin_is_closed_and_told_once(
    tmp_path: Path, make_scene: MakeScene, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[Any] = []

    class Container:
        def __init__(self, *args: Any, **options: Any) -> None:
            self.container, self.closed = av_open(*args, **options), False
            self.metadata = self.container.metadata
            opened.append(self)

        def add_stream(self, *args: object, **options: object) -> None:
            raise av.error.ExternalError(1, "no such encoder")

        def close(self) -> None:
            self.closed = True
            self.container.close()

    av_open = av.open
    sink = open_sink(str(tmp_path / "out.mp4"), 25.0, DRIVE)
    monkeypatch.setattr(av, "open", Container)
    frame, scene = make_scene(0)
    with pytest.raises(SinkError, match=r"out\.mp4: cannot be written \(no such encoder\)"):
        sink.write(frame, scene, frame.image)
    sink.close()
    assert [container.closed for container in opened] == [True]
    assert not (tmp_path / "out.mp4").exists()


def test_an_old_video_is_replaced_only_by_a_frame(tmp_path: Path, make_scene: MakeScene) -> None:
    path = tmp_path / "out.mp4"
    assert len(write(path, [make_scene(0), make_scene(1)])) == 2
    older = path.read_bytes()
    open_sink(str(path), 25.0, DRIVE).close()
    assert path.read_bytes() == older
    assert len(write(path, [make_scene(0)])) == 1


@pytest.mark.parametrize("whole", [True, False])
def test_somebody_elses_video_is_kept(tmp_path: Path, whole: bool) -> None:
    path = tmp_path / "drive.mp4"
    write_video(path, [picture(0)])
    if not whole:
        path.write_bytes(path.read_bytes()[:200])
    theirs = path.read_bytes()
    with pytest.raises(SinkError, match=r"drive\.mp4: a file is there .* choose another name"):
        open_sink(str(path), 25.0, DRIVE)
    assert path.read_bytes() == theirs


def test_a_video_that_was_broken_off_is_known_as_our_own(tmp_path: Path, make_scene: MakeScene) -> None:
    path = tmp_path / "out.mp4"
    sink = open_sink(str(path), 25.0, DRIVE)
    for index in range(30):
        frame, scene = make_scene(index)
        sink.write(frame, scene, frame.image)
    (tmp_path / "killed.mp4").write_bytes(path.read_bytes())
    sink.close()
    assert len(write(tmp_path / "killed.mp4", [make_scene(0)])) == 1


def test_without_a_frame_nothing_is_left(tmp_path: Path) -> None:
    open_sink(str(tmp_path / "out.mp4"), 25.0, DRIVE).close()
    assert not (tmp_path / "out.mp4").exists()
    (tmp_path / "mine.mp4").write_bytes(b"")
    open_sink(str(tmp_path / "mine.mp4"), 25.0, DRIVE).close()
    assert (tmp_path / "mine.mp4").exists()


def test_a_place_below_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SinkError, match=r"out\.mp4: cannot be written"):
        open_sink(f"{tmp_path}/file/out.mp4", 25.0, DRIVE)


@pytest.mark.parametrize("closing", [False, True], ids=["in a write", "in closing"])
def test_what_a_full_disk_took_still_plays(tmp_path: Path, make_scene: MakeScene, closing: bool) -> None:
    path, limit = tmp_path / "out.mp4", 400_000
    rng = np.random.default_rng(0)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    sink = open_sink(str(path), 5.0, DRIVE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    written = 0
    try:
        with pytest.raises(SinkError, match=r"out\.mp4: cannot be written \(File too large\)"):
            for sequence in range(60):
                if closing and path.stat().st_size > limit // 2:
                    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size, before[1]))
                    sink.close()
                frame, scene = make_scene(sequence, stamp_ns=200_000_000 * sequence)
                sink.write(frame, scene, rng.integers(0, 256, (96, 160, 3), np.uint8))
                written += 1
        sink.close()  # has been told already
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    with av.open(str(path)) as container:
        played = 0
        for packet in container.demux(video=0):
            if not packet.is_corrupt:
                played += len(packet.decode())
    assert 0 < played <= written
    assert played >= written // 2


SILENT = Health(
    "front",
    NodeState.ACTIVE,
    Signal.NO_SIGNAL,
    Level.ERROR,
    stamp_ns=7_000_000_000,
    wall_ns=1_795_293_237 * 10**9,
)


def live(make_scene: MakeScene, sequence: int, stamp_ns: int, host_ns: int) -> tuple[Frame, Scene]:
    frame, scene = make_scene(sequence, 120, 240, stamp_ns=stamp_ns)
    return replace(frame, host_ns=host_ns), scene


@pytest.mark.parametrize("behind_s", [0, 4], ids=["a camera", "a recording in real time"])
def test_silence_shows_from_when_it_was_noticed(tmp_path: Path, make_scene: MakeScene, behind_s: int) -> None:
    """Frames at 5, 5.04 and 10 s of the host's clock, no signal from 7 s on, told again at 8 s."""
    sink = open_sink(str(tmp_path / "out.mp4"), 25.0, DRIVE)
    sink.write_health(SILENT)  # before the first frame there is no size
    for sequence, host_ms in enumerate([5000, 5040, 10_000]):
        if sequence == 2:
            sink.write_health(SILENT)
            sink.write_health(replace(SILENT, stamp_ns=8_000_000_000))
        host_ns = host_ms * 1_000_000
        frame, scene = live(make_scene, sequence, host_ns - behind_s * 10**9, host_ns)
        sink.write(frame, scene, frame.image)
    sink.close()
    frames = read_video(tmp_path / "out.mp4")
    assert [round(1000 * at) for at, _ in frames] == [0, 40, 2000, 5000]
    slate = frames[2][1]
    assert slate.shape == (120, 240, 3) and np.median(slate) < 60
    assert slate.max() > 150  # something is written on it
    np.testing.assert_allclose(frames[3][1].mean(), picture(2, 120, 240).mean(), atol=5)


def test_each_silence_is_shown(tmp_path: Path, make_scene: MakeScene) -> None:
    sink = open_sink(str(tmp_path / "out.mp4"), 25.0, DRIVE)
    for sequence in range(3):
        second = 10 * sequence + 1
        frame, scene = live(make_scene, sequence, second * 10**9, second * 10**9)
        sink.write(frame, scene, frame.image)
        sink.write_health(replace(SILENT, stamp_ns=(second + 2) * 10**9))
        sink.write_health(replace(SILENT, stamp_ns=(second + 3) * 10**9))
    sink.close()
    assert [round(at) for at, _ in read_video(tmp_path / "out.mp4")] == [0, 2, 10, 12, 20, 22]


def test_a_recording_that_is_only_read_knows_no_silence(tmp_path: Path, make_scene: MakeScene) -> None:
    sink = open_sink(str(tmp_path / "out.mp4"), 25.0, DRIVE)
    frame, scene = make_scene(0)
    sink.write(frame, scene, frame.image)
    sink.write_health(SILENT)
    sink.close()
    assert len(read_video(tmp_path / "out.mp4")) == 1


def test_after_a_failure_it_goes_on_beside_what_is_there(tmp_path: Path, make_scene: MakeScene) -> None:
    opener = reopening(str(tmp_path / "out.mp4"), 25.0, DRIVE)
    for sequence in range(3):
        sink = opener()
        frame, scene = make_scene(sequence)
        sink.write(frame, scene, frame.image)
        sink.close()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out-2.mp4", "out-3.mp4", "out.mp4"]
    for name in ("out.mp4", "out-2.mp4", "out-3.mp4"):
        assert len(read_video(tmp_path / name)) == 1


@pytest.mark.parametrize("full_range", [False, True])
@pytest.mark.parametrize("matrix", [1, 6, 9])
def test_planes_are_encoded_as_they_are(
    tmp_path: Path, make_scene: MakeScene, matrix: int, full_range: bool
) -> None:
    """Colours stay mixed as they were, and the file says how; an image that follows is mixed that way too."""
    frame, scene = make_scene(0)
    smooth = cv2.resize(picture(0, 4, 24), (160, 96), interpolation=cv2.INTER_LINEAR).astype(np.uint8)
    planes = Yuv420.of(smooth, matrix, full_range)
    sink = open_sink(str(tmp_path / "out.mp4"), 25.0, DRIVE)
    assert isinstance(sink, PlaneSink)
    sink.write(frame, scene, planes)
    sink.write(*make_scene(1), smooth)
    sink.write(*make_scene(2), Yuv420.of(smooth, 7, not full_range))
    sink.close()
    with av.open(str(tmp_path / "out.mp4")) as container:
        shown = list(container.decode(video=0))
    assert [(int(one.colorspace), int(one.color_range)) for one in shown] == 3 * [(matrix, 1 + full_range)]
    for one in shown:
        assert np.abs(one.to_ndarray().astype(int) - planes.i420).mean() < 4
        assert np.abs(one.to_ndarray(format="bgr24").astype(int) - smooth).mean() < 8


def test_planes_that_do_not_say_how_they_are_mixed_are_marked_as_they_are_shown(
    tmp_path: Path, make_scene: MakeScene
) -> None:
    """Players take a large picture that says nothing for BT.709, FFmpeg and the node for BT.601."""
    sink = open_sink(str(tmp_path / "out.mp4"), 25.0, DRIVE)
    assert isinstance(sink, PlaneSink)
    sink.write(*make_scene(0), Yuv420(np.full((144, 160), 128, np.uint8), UNSPECIFIED))
    sink.close()
    with av.open(str(tmp_path / "out.mp4")) as container:
        [shown] = container.decode(video=0)
    assert int(shown.colorspace) == BT601
