from dataclasses import replace

import numpy as np
import pytest

from perception import Frame, Instance, Lane, PerceptionError, Scene, Status, draw
from perception.classes import DRIVE, UNKNOWN
from perception.overlay import TINT

ROAD, VEHICLE = DRIVE.id("road"), DRIVE.id("vehicle")


def road_with_a_vehicle(height: int, width: int, **more: object) -> tuple[Frame, Scene]:
    """A grey frame; road, and one vehicle that covers the middle."""
    frame = Frame(np.full((height, width, 3), 100, np.uint8), stamp_ns=0, sequence=12)
    labels = np.full((height, width), ROAD, np.uint8)
    instance_map = np.zeros((height, width), np.uint16)
    x0, y0, x1, y1 = width // 4, height // 4, width * 3 // 4, height * 3 // 4
    labels[y0:y1, x0:x1] = VEHICLE
    instance_map[y0:y1, x0:x1] = VEHICLE * 1000 + 1
    instance = Instance(VEHICLE * 1000 + 1, VEHICLE, 0.9, (x0, y0, x1, y1))
    values = {"instances": (instance,), "age_ms": 41.0, "timings_ms": {"infer": 38.2}} | more
    return frame, Scene(12, 0, 0, "", "front", labels, instance_map, **values)  # type: ignore[arg-type]


def blend(grey: int, class_id: int) -> np.ndarray:
    return (1 - TINT) * grey + TINT * np.array(DRIVE.colours[class_id][::-1])


def test_pixels_are_tinted_by_their_class() -> None:
    frame, scene = road_with_a_vehicle(360, 640)
    picture = draw(frame, scene, DRIVE)
    assert picture.shape == (360, 640, 3)
    assert picture.dtype == np.uint8
    assert picture[340, 600] == pytest.approx(blend(100, ROAD), abs=1)
    assert picture[180, 320] == pytest.approx(blend(100, VEHICLE), abs=1)


def test_what_is_unknown_is_darkened() -> None:
    frame, scene = road_with_a_vehicle(360, 640)
    scene.labels[300:] = UNKNOWN
    assert draw(frame, scene, DRIVE)[340, 600] == pytest.approx((1 - TINT) * 100, abs=1)


def test_the_frame_and_the_scene_stay_as_they_are() -> None:
    frame, scene = road_with_a_vehicle(360, 640)
    before = frame.image.copy(), scene.labels.copy(), scene.instance_map.copy()
    draw(frame, scene, DRIVE)
    for was, now in zip(before, (frame.image, scene.labels, scene.instance_map), strict=True):
        np.testing.assert_array_equal(was, now)


def test_an_instance_is_outlined_and_named() -> None:
    frame, scene = road_with_a_vehicle(360, 640)
    picture = draw(frame, scene, DRIVE)
    white = (picture == 255).all(axis=2)
    assert white[92:268, [160, 479]].all()
    assert white[269, 162:478].all()
    assert not white[92:268, 162:478].any()
    assert not white[20:, :158].any()  # below the status line
    name = picture[76:89, 161:200]  # on a bar of the class's own colour
    assert (name == DRIVE.colours[VEHICLE][::-1]).all(axis=2).mean() > 0.3


def test_the_track_stands_beside_the_name() -> None:
    def name(track: int | None) -> np.ndarray:
        frame, scene = road_with_a_vehicle(360, 640)
        instances = tuple(replace(one, track=track) for one in scene.instances)
        picture = draw(frame, replace(scene, instances=instances), DRIVE)[76:89, 160:480]
        return np.flatnonzero((picture == DRIVE.colours[VEHICLE][::-1]).all(axis=2).any(axis=0))

    assert len(name(None)) < len(name(7)) < len(name(1234))  # the bar is as long as its text


def test_the_status_line_warns_of_stale_scenes() -> None:
    good, stale = (
        draw(*road_with_a_vehicle(360, 640, status=status), DRIVE)[:14, :200]
        for status in (Status.OK, Status.STALE)
    )
    saturation = [int(np.ptp(line.astype(int), axis=2).max()) for line in (good, stale)]
    assert saturation[0] < 30
    assert saturation[1] > 120
    assert (good == 0).all(axis=2).mean() > 0.3


def test_lanes_are_drawn() -> None:
    points = np.array([[100, 340], [100, 280]], np.float32)
    frame, scene = road_with_a_vehicle(360, 640, lanes=(Lane(points, "solid", 1.0),))
    assert (draw(frame, scene, DRIVE)[290:330, 100] == 255).all()


def test_a_dashed_lane_is_drawn_in_dashes() -> None:
    points = np.array([[100, y] for y in range(340, 279, -10)], np.float32)
    frame, scene = road_with_a_vehicle(360, 640, lanes=(Lane(points, "dashed", 1.0),))
    white = (draw(frame, scene, DRIVE)[284:337, 100] == 255).all(axis=1)
    assert white[51] and white[31] and white[11]
    assert not white[41] and not white[21] and not white[1]


def test_the_ego_lane_is_a_carpet_up_to_what_stands_on_it() -> None:
    left, right = (np.array([[x, 359], [320, 170]], np.float32) for x in (60, 580))
    lanes = (Lane(left, "solid", 1.0, "left"), Lane(right, "solid", 1.0, "right"))
    frame, scene = road_with_a_vehicle(360, 640, lanes=lanes)
    with_lane, without = draw(frame, scene, DRIVE), draw(*road_with_a_vehicle(360, 640), DRIVE)
    greener = with_lane[..., 1].astype(int) - without[..., 1]
    assert greener[340, 320] > 30
    assert abs(greener[340, 320] - greener[300, 250]) < 2
    for y, x in ((250, 320), (340, 30), (340, 610), (280, 130)):  # the vehicle, and beside the lane
        assert (with_lane[y, x] == without[y, x]).all()


def test_an_ego_lane_may_leave_the_frame() -> None:
    left, right = (np.array([[x, 20], [8, 4]], np.float32) for x in (-30, 40))
    lanes = (Lane(left, "solid", 1.0, "left"), Lane(right, "unknown", 1.0, "right"))
    assert draw(*road_with_a_vehicle(16, 16, lanes=lanes), DRIVE).shape == (16, 16, 3)


@pytest.mark.parametrize(
    ("height", "width"), [(16, 16), (1, 1), (16, 3000), (3000, 16), (360, 480), (721, 1281), (2160, 3840)]
)
def test_any_size_can_be_drawn(height: int, width: int) -> None:
    frame, scene = road_with_a_vehicle(height, width)
    assert draw(frame, scene, DRIVE).shape == (height, width, 3)


@pytest.mark.parametrize(("height", "width"), [(360, 480), (720, 1280), (2160, 3840)])
def test_the_status_line_is_legible_and_small(height: int, width: int) -> None:
    frame, scene = road_with_a_vehicle(height, width)
    bar = np.flatnonzero((draw(frame, scene, DRIVE)[: height // 4, 1] == 0).all(axis=1))
    assert 14 <= len(bar) <= height / 24
    assert list(bar) == list(range(len(bar)))


def test_a_scene_of_another_frame_is_refused() -> None:
    frame, _ = road_with_a_vehicle(360, 640)
    _, scene = road_with_a_vehicle(180, 320)
    with pytest.raises(PerceptionError, match=r"frame 12 is \(360, 640\), the scene is \(180, 320\)"):
        draw(frame, scene, DRIVE)
