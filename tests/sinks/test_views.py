"""Pictures of the scene from above, alone and next to the overlay."""

from contextlib import closing
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest

from perception.classes import DRIVE
from perception.errors import ConfigError
from perception.frame import Frame
from perception.geometry.calibration_file import Calibration
from perception.geometry.mounted import mounted
from perception.overlay import birds_eye
from perception.overlay.bird import width_of
from perception.pixels import Yuv420
from perception.scene import Instance, Scene, Signal
from perception.sinks.registry import SINKS, open_sink
from tests.geometry.roads import camera, mount
from tests.media import picture, read_image, read_video
from tests.sinks.conftest import MakeScene
from tests.sinks.test_video_sink import SILENT

NOTHING = np.zeros((0, 0, 3), np.uint8)


@pytest.fixture
def near(make_scene: MakeScene) -> tuple[Frame, Scene]:
    frame, scene = make_scene(0, 400, 600)
    car = Instance(8001, 8, 0.9, (3.0, 4.0, 10.5, 20.0), 1, 20.0, 1.0, 2.0, 0.1)
    return frame, scene.evolve(instances=(car,))


def test_from_above_alone_is_what_is_drawn_of_the_scene(tmp_path: Path, near: tuple[Frame, Scene]) -> None:
    sink = open_sink(str(tmp_path / "out.png?view=bev"), 25, DRIVE)
    assert not sink.wants_overlay  # nothing else is drawn for it
    sink.write(*near, NOTHING)
    sink.close()
    np.testing.assert_array_equal(read_image(tmp_path / "out.png"), birds_eye(near[1], DRIVE, 400))


def test_that_nothing_can_be_placed_is_said_once(
    tmp_path: Path, near: tuple[Frame, Scene], caplog: pytest.LogCaptureFixture
) -> None:
    frame, scene = near
    for view, warnings in (("bev", 1), ("both", 1), ("overlay", 0)):
        caplog.clear()
        with closing(open_sink(str(tmp_path / f"out.mp4?view={view}"), 25, DRIVE)) as sink:
            for _ in range(2):
                sink.write(frame, scene, frame.image)
        assert caplog.text.count("no calibration with a mount is known of camera front") == warnings
    caplog.clear()
    known = mounted(frame, Calibration(camera(), mount()), metres=True)
    with closing(open_sink(str(tmp_path / "known.mp4?view=bev"), 25, DRIVE)) as sink:
        sink.write(known, scene, known.image)
    assert not caplog.records


def test_both_stand_side_by_side(tmp_path: Path, near: tuple[Frame, Scene]) -> None:
    frame, scene = near
    sink = open_sink(str(tmp_path / "out.png?view=both"), 25, DRIVE)
    assert sink.wants_overlay
    sink.write(frame, scene, picture(7, 400, 600))
    sink.close()
    found, above = read_image(tmp_path / "out.png"), birds_eye(scene, DRIVE, 400)
    np.testing.assert_array_equal(found[:, :600], picture(7, 400, 600))
    np.testing.assert_array_equal(found[:, 600:], above)


def test_planes_of_wide_pixels_become_square(tmp_path: Path, near: tuple[Frame, Scene]) -> None:
    frame, scene = near
    wide = replace(frame, pixel_aspect=1.5)
    sink = open_sink(str(tmp_path / "out.png?view=both"), 25, DRIVE)
    sink.write(wide, scene, Yuv420.of(frame.image))  # type: ignore[arg-type]
    sink.close()
    assert read_image(tmp_path / "out.png").shape[:2] == (400, 900 + birds_eye(scene, DRIVE, 400).shape[1])


@pytest.mark.parametrize("query", ["view=bev", "view=bev&minutes=5"])
def test_a_video_from_above(tmp_path: Path, near: tuple[Frame, Scene], query: str) -> None:
    frame, scene = near
    sink = open_sink(str(tmp_path / f"out.mp4?{query}"), 25, DRIVE)
    for sequence in range(3):
        moment = replace(frame, stamp_ns=sequence * 40_000_000, sequence=sequence)
        moment = replace(moment, pixel_aspect=1.5, host_ns=10**9)
        sink.write(moment, scene, NOTHING)
    sink.write_health(replace(SILENT, signal=Signal.NO_SIGNAL, stamp_ns=2 * 10**9))
    sink.close()
    (path,) = tmp_path.glob("out*.mp4")
    with av.open(str(path)) as video:
        assert video.streams.video[0].sample_aspect_ratio in (None, 1)  # not those of the camera
    frames = [image for _, image in read_video(path)]
    above = birds_eye(scene, DRIVE, 400).astype(int)
    assert len(frames) == 4
    assert np.abs(frames[0] - above).mean() < 4
    assert frames[3].shape == above.shape and np.median(frames[3]) < 60  # no signal, of the same size


def test_small_pictures_stay_legible(tmp_path: Path, make_scene: MakeScene) -> None:
    sink = open_sink(str(tmp_path / "out.png?view=both"), 25, DRIVE)
    sink.write(*make_scene(0), picture(0, 96, 160))
    sink.close()
    assert read_image(tmp_path / "out.png").shape[:2] == (360, 600 + width_of(360))


def test_another_view_is_refused() -> None:
    with pytest.raises(ConfigError, match="view = 'top' is refused; allowed are overlay, bev, both"):
        SINKS.parse("out.mp4?view=top")
