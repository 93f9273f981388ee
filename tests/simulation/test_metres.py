"""What a simulated drive knows in metres, against what its own pictures show through its own camera."""

from dataclasses import replace

import numpy as np
import pytest

from perception.geometry.ground import Ground
from perception.simulation import Drive, parse_options

QUERY = "size=640x360&rate=10&frames=30&weather=clear&time=day"


def drive_of(seed: int, scene: str = "auto") -> Drive:
    return Drive(parse_options(f"{QUERY}&seed={seed}&scene={scene}"))


def mirrored_seed() -> int:
    return next(seed for seed in range(100) if drive_of(seed, "highway").pose(0).mirrored)


@pytest.mark.parametrize("mirrored", [False, True])
def test_lines_are_where_the_camera_sees_them(mirrored: bool) -> None:
    """The picture's lines, put on a flat road by the true pose, run beside the camera as the truth says."""
    seed = mirrored_seed() if mirrored else 5023
    drive = drive_of(seed, "highway")
    truth = drive.render(0).truth
    assert truth.pose.mirrored is mirrored
    road, pose = truth.road, truth.pose
    ground = Ground(drive.camera_info, replace(drive.mount, height=pose.height, pitch=pose.pitch))
    assert road.pitch_rad == pose.pitch
    near = []
    for lane in truth.lanes:
        x, y = ground.to_road(lane.points.astype(float)).T
        part = (x > 5) & (x < 20)
        if part.sum() > 5:
            along = np.polynomial.Polynomial.fit(x[part], y[part], 2).convert().coef
            near.append(along)
    left = min((line for line in near if line[0] > 0), key=lambda line: line[0])
    right = max((line for line in near if line[0] < 0), key=lambda line: line[0])
    assert road.offset_m == pytest.approx(-(left[0] + right[0]) / 2, abs=0.03)
    assert road.width_m == pytest.approx(left[0] - right[0], abs=0.03)
    assert road.heading_rad == pytest.approx(-(left[1] + right[1]) / 2, abs=4e-3)
    assert road.curvature_per_m == pytest.approx(left[2] + right[2], abs=8e-4)


def test_road_users_stand_where_their_feet_are_seen() -> None:
    drive = drive_of(5023, "highway")
    truth = drive.render(10).truth
    pose, ids, checked = truth.pose, truth.instance_map, 0
    ground = Ground(drive.camera_info, replace(drive.mount, height=pose.height, pitch=pose.pitch))
    for key, place in truth.places.items():
        rows, columns = np.nonzero(ids == key)
        if 6 < place.distance_m < 25 and len(rows) > 150 and rows.max() < 355 and columns.min() > 2:
            foot = np.array([[(columns.min() + columns.max()) / 2, rows.max() + 0.5]])
            x, y = ground.to_road(foot)[0]
            assert x == pytest.approx(place.distance_m, rel=0.08)
            assert y == pytest.approx(place.lateral_m, abs=1.2)
            assert place.nearest_m <= place.distance_m
            checked += 1
    assert checked >= 1


def test_closing_speed_is_how_fast_places_change() -> None:
    drive = drive_of(5023, "highway")
    before, after = (drive.render(index).truth.places for index in (9, 11))
    now = drive.render(10).truth.places
    common = before.keys() & now.keys() & after.keys()
    assert len(common) > 3
    for key in common:
        speed = (before[key].distance_m - after[key].distance_m) / 0.2
        assert now[key].closing_m_s == pytest.approx(speed, abs=0.2)
        expected = now[key].distance_m / speed if speed > 0.5 else None
        if expected is not None:
            assert now[key].ttc_s == pytest.approx(expected, rel=0.4)
        if speed < -0.5:
            assert now[key].ttc_s == np.inf


def test_the_mount_is_that_of_the_pose_but_for_the_bounce() -> None:
    drive = drive_of(5001)
    poses = [drive.pose(time) for time in np.arange(0, 20, 0.05)]
    assert np.mean([pose.height for pose in poses]) == pytest.approx(drive.mount.height, abs=2e-3)
    assert np.mean([pose.pitch for pose in poses]) == pytest.approx(drive.mount.pitch, abs=1e-3)
    assert (drive.mount.yaw, drive.mount.roll) == (0, 0)
    assert drive.camera_info.k[0] == drive.intrinsics.focal
