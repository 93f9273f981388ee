"""The last stage before scenes leave, on a clock that stands still until the test moves it."""

import math
from collections.abc import Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pytest

from perception.classes import DRIVE
from perception.frame import Frame
from perception.geometry.calibration_file import Calibration
from perception.geometry.mounting import mount_transform
from perception.geometry.remount import MountWatch
from perception.health.latency import Stopwatch
from perception.health.monitor import Monitor
from perception.health.types import Finding, Level
from perception.node import postprocess as module
from perception.node.postprocess import Postprocess
from perception.overlay import SCENE, StatusLine
from perception.perceiver import Perceiver
from perception.pixels import as_bgr
from perception.scene import Instance, Scene, Status
from tests.geometry.roads import camera, mount

VEHICLE = DRIVE.id("vehicle")
MS = 1_000_000
SIZE = 360, 640
Box = tuple[float, float, float, float]
LEFT, RIGHT = (100.0, 100.0, 180.0, 160.0), (400.0, 100.0, 480.0, 160.0)


class Clock:
    """Stands in for the module `time`."""

    def __init__(self) -> None:
        self.now_ns = 10**12

    def monotonic_ns(self) -> int:
        return self.now_ns


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock


PERCEIVER = SimpleNamespace(
    classes=DRIVE,
    waits_for="the engine is built",
    engine=SimpleNamespace(name="fake"),
    ego_misfit=lambda frame: "",
)
MONITOR = SimpleNamespace(rate_out=lambda now_ns: 10.0)


def make(
    max_age_ms: float | None = None,
    tracks: bool = True,
    overlay: bool = False,
    details: bool = False,
    calibration: Calibration | None = None,
) -> Postprocess:
    return Postprocess(
        cast(Perceiver, PERCEIVER),
        cast(Monitor, MONITOR),
        max_age_ms=max_age_ms,
        tracks=tracks,
        calibration=calibration,
        overlay=overlay,
        details=details,
    )


def street(size: tuple[int, int] = SIZE) -> npt.NDArray[np.uint8]:
    """A picture in which no check finds an error: sharp bars of many greys."""
    columns = np.arange(size[1]) // 8 * 53 % 200 + 28
    rows = np.arange(size[0])[:, None] // 8 * 31 % 40
    return np.repeat((columns + rows).astype(np.uint8)[..., None], 3, axis=2)


def arrival(
    image: npt.NDArray[np.uint8] | None = None,
    boxes: Sequence[Box] = (),
    number: int = 0,
    host_ns: int = 10**12,
    status: Status = Status.OK,
) -> tuple[Frame, Scene, Stopwatch]:
    """A perceived frame, 33 ms after the one of the number before."""
    image = street() if image is None else image
    frame = Frame(image, number * 33 * MS, sequence=number, host_ns=host_ns)
    size = image.shape[:2]
    instances = tuple(Instance(VEHICLE * 1000 + k, VEHICLE, 0.9, box) for k, box in enumerate(boxes, 1))
    labels, instance_map = np.full(size, DRIVE.id("road"), np.uint8), np.zeros(size, np.uint16)
    scene = Scene.of(frame, labels, instance_map, instances=instances, status=status)
    return frame, scene, Stopwatch()


def finish(postprocess: Postprocess, *given: Any) -> Scene:
    return postprocess.finish(*given)[0].scene


def ids(postprocess: Postprocess, given: tuple[Frame, Scene, Stopwatch]) -> list[int | None]:
    return [one.track for one in finish(postprocess, *given).instances]


def test_road_users_keep_their_ids_while_frames_have_one_size(clock: Clock) -> None:
    postprocess = make()
    assert [ids(postprocess, arrival(None, (LEFT, RIGHT), number)) for number in range(3)] == [[1, 2]] * 3
    assert ids(postprocess, arrival(None, (RIGHT,), 3)) == [2]


def test_nobody_is_followed_from_one_frame_size_to_another(clock: Clock) -> None:
    """The same box in a frame of another size is another place on the road."""
    postprocess = make()
    assert ids(postprocess, arrival(None, (LEFT, RIGHT), 0)) == [1, 2]
    assert ids(postprocess, arrival(None, (LEFT, RIGHT), 1)) == [1, 2]
    other = street((400, 640))
    found = ids(postprocess, arrival(other, (RIGHT,), 2))
    assert found == [3]  # and an id is never given twice
    assert ids(postprocess, arrival(other, (RIGHT,), 3)) == found  # and from then on it is followed


def test_without_tracks_nobody_has_an_id_and_no_time_is_taken_for_it(clock: Clock) -> None:
    scene = finish(make(tracks=False), *arrival(None, (LEFT,)))
    assert [one.track for one in scene.instances] == [None]
    assert scene.timings_ms.keys() == {"check"}


@pytest.mark.parametrize(("tracks", "published"), [(True, "road"), (False, "sidewalk")])
def test_labels_are_steady_and_logits_do_not_leave(clock: Clock, tracks: bool, published: str) -> None:
    """The second frame is a sidewalk by so little that it may as well be the road that it was."""
    postprocess = make(tracks=tracks)
    scenes = []
    for number, (road, sidewalk) in enumerate([(0.5, 0.0), (0.0, 0.5)]):
        frame, scene, stopwatch = arrival(number=number)
        logits = np.zeros((len(DRIVE), SIZE[0] // 4, SIZE[1] // 4), np.float32)
        logits[DRIVE.id("road")], logits[DRIVE.id("sidewalk")] = road, sidewalk
        labels = np.full(SIZE, logits[:, 0, 0].argmax(), np.uint8)
        scenes.append(finish(postprocess, frame, scene.evolve(labels=labels, logits=logits), stopwatch))
    assert (scenes[0].labels == DRIVE.id("road")).all()
    assert (scenes[1].labels == DRIVE.id(published)).all()
    assert [scene.logits for scene in scenes] == [None, None]


def test_checks_and_tracks_are_timed_in_the_scene_itself(clock: Clock) -> None:
    given = arrival()
    scene = finish(make(), *given)
    assert scene.timings_ms.keys() == {"check", "track"}
    given[2].timings_ms["later"] = 1.0
    assert "later" not in scene.timings_ms  # a scene that is published does not change any more


@pytest.mark.parametrize(
    ("limit_ms", "age_ms", "status"),
    [
        (250.0, 249.0, Status.OK),
        (250.0, 250.0, Status.OK),
        (250.0, 251.0, Status.STALE),
        (None, 1e6, Status.OK),
    ],
)
def test_a_scene_older_than_its_limit_is_stale(
    clock: Clock, limit_ms: float | None, age_ms: float, status: Status
) -> None:
    postprocess = make(max_age_ms=limit_ms)
    scene = finish(postprocess, *arrival(host_ns=clock.now_ns - round(age_ms * MS)))
    assert (scene.age_ms, scene.status) == (age_ms, status)


def test_a_scene_grows_old_after_it_was_published(clock: Clock) -> None:
    scene = finish(make(max_age_ms=250.0), *arrival(host_ns=clock.now_ns))
    assert (scene.age_ms, scene.status, scene.max_age_ms) == (0.0, Status.OK, 250.0)
    old = scene.as_of(clock.now_ns + 300 * MS)
    assert (old.age_ms, old.status) == (300.0, Status.STALE)


@pytest.mark.parametrize("status", [Status.NOT_READY, Status.NO_SIGNAL])
def test_a_scene_of_which_all_is_unknown_stays_so_however_old_it_is(clock: Clock, status: Status) -> None:
    postprocess = make(max_age_ms=250.0)
    black = np.zeros((*SIZE, 3), np.uint8)
    scene = finish(postprocess, *arrival(black, host_ns=clock.now_ns - 10**9, status=status))
    assert (scene.status, scene.age_ms) == (status, 1000.0)


def test_what_a_check_finds_wrong_is_the_reason_not_to_trust_the_scene(clock: Clock) -> None:
    publication, findings = make().finish(*arrival(np.zeros((*SIZE, 3), np.uint8)))
    scene = publication.scene
    assert [(one.name, one.level) for one in findings] == [("black", Level.ERROR)]
    assert scene.status is Status.UNRELIABLE
    assert scene.reasons == ("the picture is black: mean 0 of 255, at least 12",)


def test_a_warning_is_found_and_the_scene_still_trusted(clock: Clock) -> None:
    """Nearly black: dark, with lamps."""
    image = np.zeros((*SIZE, 3), np.uint8)
    image[:, ::40] = 200
    publication, findings = make().finish(*arrival(image))
    scene = publication.scene
    assert [(one.name, one.level) for one in findings] == [("black", Level.WARN)]
    assert (scene.status, scene.reasons) == (Status.OK, ())


def test_stale_outranks_unreliable(clock: Clock) -> None:
    black = arrival(np.zeros((*SIZE, 3), np.uint8), host_ns=clock.now_ns - 300 * MS)
    scene = finish(make(max_age_ms=250.0), *black)
    assert scene.status is Status.STALE and scene.reasons


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> list[StatusLine]:
    """The status lines of the overlays that are drawn."""
    drawn: list[StatusLine] = []

    def draw(frame: Frame, scene: Scene, classes: Any, styles: Sequence[Any]) -> npt.NDArray[np.uint8]:
        assert tuple(styles[:-1]) == SCENE
        drawn.append(styles[-1])
        return frame.image

    monkeypatch.setattr(module, "draw_planes", draw)
    return drawn


def test_the_overlay_says_at_what_rate_scenes_leave_and_by_which_engine(
    clock: Clock, lines: list[StatusLine]
) -> None:
    scene = finish(make(overlay=True), *arrival())
    [line] = lines
    assert (line.fps, line.engine, line.doing) == (10.0, "fake", "")
    assert "draw" in scene.timings_ms and not line.details
    finish(make(overlay=True, details=True), *arrival())
    assert lines[1].details


def test_the_overlay_says_why_a_scene_is_not_to_be_trusted(clock: Clock, lines: list[StatusLine]) -> None:
    black = np.zeros((*SIZE, 3), np.uint8)
    finish(make(overlay=True), *arrival(black))
    finish(make(overlay=True), *arrival(black, status=Status.NOT_READY))
    assert [line.doing for line in lines] == [
        "the picture is black: mean 0 of 255, at least 12",
        "the engine is built",
    ]


def test_the_overlay_is_a_picture_of_its_own(clock: Clock) -> None:
    given = arrival()
    before = given[0].image.copy()
    publication, _ = make(overlay=True).finish(*given)
    overlay = as_bgr(publication.overlay)
    assert overlay.shape == before.shape and (overlay != before).any()
    assert np.array_equal(given[0].image, before)


def test_no_overlay_is_drawn_where_no_sink_wants_it(clock: Clock, lines: list[StatusLine]) -> None:
    publication, _ = make(overlay=False).finish(*arrival())
    assert as_bgr(publication.overlay).size == 0 and not lines


def test_a_lens_without_a_mount_is_published(clock: Clock) -> None:
    lens = Calibration(camera())
    publication, findings = make(calibration=lens).finish(*arrival())
    assert publication.frame.camera_info == lens.of_size(640, 360).info
    assert not publication.frame.mounted and "calibration" not in {one.name for one in findings}
    assert "locate" not in publication.scene.timings_ms


def test_a_camera_that_changes_its_aspect_goes_on_without_metres(clock: Clock) -> None:
    postprocess = make(calibration=Calibration(camera(), mount(), "front.yaml"))
    box = 300.0, 190.0, 340.0, 220.0
    for number, (size, fits) in enumerate(((SIZE, True), ((480, 640), False), (SIZE, True))):
        publication, findings = postprocess.finish(*arrival(street(size), (box,), number))
        assert ("calibration" in {one.name for one in findings}) is not fits
        assert publication.frame.mounted == fits
        assert (publication.scene.instances[0].distance_m is not None) == fits
        assert publication.scene.status is Status.OK


def test_a_camera_that_was_moved_is_a_finding(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    moved = Finding("remounted", Level.WARN, "the camera sits otherwise than calibrated")
    monkeypatch.setattr(MountWatch, "update", lambda self, scene: moved)
    frame, scene, stopwatch = arrival()
    source = replace(frame, camera_info=camera(), transforms=(mount_transform(mount(), frame.optical_frame),))
    assert moved in make().finish(source, scene, stopwatch)[1]
    assert moved in make(calibration=Calibration(camera(), mount())).finish(frame, scene, stopwatch)[1]
    assert moved not in make().finish(frame, scene, stopwatch)[1]  # without metres nothing is watched


@pytest.mark.parametrize(("yaw", "metres"), [(0.0, True), (180.0, False)])
def test_a_camera_that_looks_back_has_no_ground_to_find_nobody_on(
    clock: Clock, yaw: float, metres: bool
) -> None:
    known = Calibration(camera(), replace(mount(), yaw=math.radians(yaw)))
    published = make(calibration=known).finish(*arrival())[0]
    assert published.frame.mounted is metres
    assert published.frame.camera_info is not None
    places = {one.child for one in published.frame.transforms}
    assert published.frame.optical_frame in places  # where it sits is known
