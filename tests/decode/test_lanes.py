import time

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_np

from perception.classes import DRIVE
from perception.decode.lanes import find_lanes
from perception.scene import Lane, Scene

SKY, ROAD, PAINT, VEHICLE = (DRIVE.id(name) for name in ("sky", "road", "lane_marking", "vehicle"))
HEIGHT, WIDTH = 320, 576
HORIZON, FOCAL, CAMERA = 140.0, 480.0, 1.4
Labels = npt.NDArray[np.uint8]


class Street:
    """A flat road of radius `radius` (metres, to the right; infinite: straight) to paint on."""

    def __init__(self, radius: float = np.inf) -> None:
        self.radius = radius
        self.labels = np.full((HEIGHT, WIDTH), SKY, np.uint8)
        self.labels[int(HORIZON) + 2 :] = ROAD

    def project(self, right: npt.ArrayLike, ahead: npt.ArrayLike) -> npt.NDArray[np.float64]:
        ahead = np.asarray(ahead, float)
        x = WIDTH / 2 + FOCAL * (np.asarray(right, float) + ahead**2 / 2 / self.radius) / ahead
        return np.stack([x, HORIZON + FOCAL * CAMERA / ahead], -1)

    def paint(self, left: float, right: float, near: float, far: float) -> None:
        ahead = np.geomspace(near, far, 60)
        corners = np.concatenate([self.project(left, ahead), self.project(right, ahead[::-1])])
        cv2.fillPoly(self.labels, [np.rint(corners * 256).astype(np.int32)], PAINT, cv2.LINE_8, 8)

    def solid(self, at: float, near: float = 2.0, far: float = 60.0) -> None:
        self.paint(at - 0.07, at + 0.07, near, far)

    def dashes(self, at: float, first: float = 4.0, dash: float = 3.0, period: float = 9.0) -> None:
        for near in np.arange(first, 60, period):
            self.paint(at - 0.07, at + 0.07, near, near + dash)

    def find(self) -> tuple[Lane, ...]:
        return find_lanes(self.labels, DRIVE, HEIGHT, WIDTH)

    def off(self, lane: Lane, at: float) -> float:
        """The greatest distance in px between a boundary and the line at an offset in metres, up to 25 m."""
        points = lane.points[lane.points[:, 1] > HORIZON + FOCAL * CAMERA / 25]
        y = points[:, 1].astype(float)
        true = self.project(at, FOCAL * CAMERA / (y - HORIZON))[:, 0]
        return float(np.abs(points[:, 0] - true).max())


@pytest.mark.parametrize("radius", [np.inf, 250.0, -250.0, 90.0])
def test_lines_are_followed_round_bends_and_across_gaps(radius: float) -> None:
    street = Street(radius)
    street.dashes(-1.6)
    street.solid(1.7)
    left, right = street.find()
    assert (left.kind, left.side, right.kind, right.side) == ("dashed", "left", "solid", "right")
    assert street.off(left, -1.6) < 2.5
    assert street.off(right, 1.7) < 2.5
    for lane in (left, right):
        assert lane.points[0, 1] > HEIGHT - 8 or lane.points[0, 0] > WIDTH - 8
        assert lane.points[-1, 1] < HORIZON + FOCAL * CAMERA / 22
        assert lane.confidence > 0.4


def test_points_are_in_pixels_of_the_frame() -> None:
    street = Street()
    street.solid(-1.6)
    small, large = street.find()[0], find_lanes(street.labels, DRIVE, 2 * HEIGHT, 3 * WIDTH)[0]
    np.testing.assert_allclose(large.points + 0.5, (small.points + 0.5) * (3, 2), rtol=1e-5)


def test_a_vehicle_does_not_cut_a_line() -> None:
    street = Street()
    street.dashes(-1.6)
    street.solid(1.7)
    top, bottom = (int(street.project(0, ahead)[1]) for ahead in (16.0, 8.0))
    street.labels[top:bottom, 180:420] = VEHICLE
    left, right = street.find()
    assert (left.kind, right.kind) == ("dashed", "solid")
    for lane, at in ((left, -1.6), (right, 1.7)):
        assert street.off(lane, at) < 2.5
        assert lane.points[-1, 1] < top < bottom < lane.points[0, 1]


def test_traffic_that_hides_the_horizon_does_not_bend_lines() -> None:
    street = Street(250.0)
    street.dashes(-1.6)
    street.solid(1.7)
    street.solid(5.2)
    street.labels[: int(HORIZON) + 14, :] = VEHICLE
    lanes = street.find()
    assert [lane.side for lane in lanes] == ["left", "right", None]
    for lane, at in zip(lanes, (-1.6, 1.7, 5.2), strict=True):
        assert street.off(lane, at) < 2.5


@pytest.mark.parametrize("label", [ROAD, PAINT])
@pytest.mark.parametrize(("height", "width"), [(1, 7), (2, 6), (20, 30)])
def test_what_is_taken_for_road_above_the_road_bends_no_lines(label: int, height: int, width: int) -> None:
    street = Street(radius=250.0)
    street.dashes(-1.6)
    street.solid(1.9)
    before = street.find()
    street.labels[50 : 50 + height, 300 : 300 + width] = label
    after = street.find()
    assert [(one.side, one.kind) for one in after] == [(one.side, one.kind) for one in before]
    assert {one.side for one in after} == {"left", "right"}
    for one, other in zip(before, after, strict=True):
        np.testing.assert_array_equal(one.points, other.points)


def test_a_line_that_a_vehicle_hides_goes_on_alongside_the_others() -> None:
    street = Street(-250.0)
    street.solid(-1.6)
    street.solid(1.7)
    street.solid(5.2)
    top, bottom = (int(street.project(0, ahead)[1]) for ahead in (60.0, 11.0))
    left = int(street.project(3.0, 11.0)[0])
    street.labels[top - 8 : bottom, left:] = VEHICLE
    hidden = street.find()[2]
    assert hidden.points[-1, 1] < HORIZON + FOCAL * CAMERA / 24
    assert street.off(hidden, 5.2) < 2.5


def test_dashes_far_to_the_side_are_one_line() -> None:
    """They are flat in the image and few rows high: their direction does not show that they are one line."""
    for at in (-6.0, 5.5):
        street = Street()
        street.solid(-1.6)
        street.solid(1.7)
        street.dashes(at, first=9.0, dash=4.0, period=12.0)
        lanes = street.find()
        assert len(lanes) == 3
        aside = lanes[0 if at < 0 else 2]
        assert (aside.kind, aside.side) == ("dashed", None)
        assert street.off(aside, at) < 3


def test_paint_that_the_border_cuts_is_no_lane() -> None:
    street = Street()
    street.solid(-1.6)
    street.solid(1.7)
    street.labels[180:310, :5] = PAINT
    street.labels[180:310, -5:] = PAINT
    assert [lane.side for lane in street.find()] == ["left", "right"]


def test_crossings_stop_lines_and_arrows_are_no_lanes() -> None:
    for near in (4.5, 7.0, 11.0, 18.0):
        crossing, stop, arrow = Street(), Street(), Street()
        for left in np.arange(-6.0, 6.0, 1.0):
            crossing.paint(left, left + 0.5, near, near + 3)
        stop.paint(-0.1, 3.3, near, near + 0.4)
        arrow.paint(-0.08, 0.08, near, near + 3.4)
        arrow.paint(-0.4, 0.4, near + 3.3, near + 4.2)
        for street in (crossing, stop, arrow):
            assert street.find() == ()


def test_lines_are_found_next_to_a_crossing_a_stop_line_and_an_arrow() -> None:
    street = Street()
    street.solid(-1.6, near=2.0, far=12.0)
    street.solid(1.7, near=2.0, far=12.0)
    street.paint(-1.6, 1.7, 12.0, 12.5)
    street.paint(-0.08, 0.08, 5.0, 8.4)
    street.paint(-0.4, 0.4, 8.3, 9.2)
    for left in np.arange(-6.0, 6.0, 1.0):
        street.paint(left, left + 0.5, 14.0, 17.0)
    assert [lane.side for lane in street.find()] == ["left", "right"]


def test_what_does_not_run_alongside_the_road_is_no_lane() -> None:
    street = Street()
    street.solid(-1.6)
    street.solid(1.7)
    cv2.line(street.labels, (250, 318), (180, 200), PAINT, 4)
    cv2.line(street.labels, (330, 318), (180, 240), PAINT, 4)
    assert [lane.side for lane in street.find()] == ["left", "right"]


def test_the_ego_lane_lies_between_its_boundaries() -> None:
    street = Street()
    for at in (-5.1, -1.6, 1.8, 5.2):
        street.solid(at)
    lanes = street.find()
    assert [lane.side for lane in lanes] == [None, "left", "right", None]
    ids = np.zeros((HEIGHT, WIDTH), np.uint16)
    region = Scene(0, 0, 0, "", "", street.labels, ids, lanes=lanes).ego_lane
    assert region is not None
    mask = cv2.fillPoly(np.zeros_like(street.labels), [np.rint(region).astype(np.int32)], 1)
    for ahead in (5.0, 10.0, 20.0):
        x, y = np.rint(street.project([-1.8, -1.4, 0, 1.6, 2.0], [ahead] * 5)).astype(int).T
        assert mask[y, x].tolist() == [0, 1, 1, 1, 0]


@pytest.mark.parametrize("line", [-1.8, 1.8])
def test_a_smear_close_to_a_line_bounds_no_ego_lane(line: float) -> None:
    street = Street()
    street.solid(-1.8)
    street.solid(1.8)
    street.paint(0.78 * line - 0.07, 0.78 * line + 0.07, 4.5, 6.5)
    lanes = street.find()
    assert len(lanes) == 3
    (bounding,) = [lane for lane in lanes if lane.side == ("left" if line < 0 else "right")]
    assert street.off(bounding, line) < 3


def test_paint_that_is_thinner_than_lines_are_is_less_sure() -> None:
    """Such as the edge of a shadow, a pixel or two wide."""
    street = Street()
    street.solid(-1.8)
    street.paint(1.79, 1.81, 2.0, 60.0)
    line, edge = street.find()
    assert edge.confidence < line.confidence - 0.05


def test_of_lines_that_are_as_sure_the_nearer_one_bounds_the_ego_lane() -> None:
    street = Street()
    for at in (-1.8, 1.4, 1.8):
        street.solid(at)
    lanes = street.find()
    assert [lane.side for lane in lanes] == ["left", "right", None]
    assert street.off(lanes[1], 1.4) < 3


def test_one_line_alone_bounds_no_ego_lane() -> None:
    street = Street()
    street.solid(-1.6)
    lanes = street.find()
    assert [lane.side for lane in lanes] == [None]
    assert (
        Scene(0, 0, 0, "", "", street.labels, street.labels.astype(np.uint16), lanes=lanes).ego_lane is None
    )


@given(
    st_np.arrays(
        np.uint8,
        st.tuples(st.integers(1, 60), st.integers(1, 60)),
        elements=st.sampled_from([SKY, ROAD, ROAD, PAINT, VEHICLE, 255]),
    ),
    st.integers(1, 500),
    st.integers(1, 500),
)
def test_any_labels_give_lanes_in_the_frame(labels: Labels, height: int, width: int) -> None:
    lanes = find_lanes(labels, DRIVE, height, width)
    for lane in lanes:
        x, y = lane.points.T
        assert lane.points.dtype == np.float32 and len(lane.points) > 1
        assert (
            (x >= -0.5).all() and (x <= width - 0.5).all() and (y >= -0.5).all() and (y <= height - 0.5).all()
        )
        assert (np.diff(y) < 0).all()
        assert 0 < lane.confidence < 1
    sides = [lane.side for lane in lanes if lane.side]
    assert sides in ([], ["left"], ["right"], ["left", "right"])


def test_noise_takes_bounded_time_and_gives_the_same_again() -> None:
    rng = np.random.default_rng(0)
    for share in (0.03, 0.3, 0.5):
        labels = np.where(rng.random((HEIGHT, WIDTH)) < share, PAINT, ROAD).astype(np.uint8)
        spent, found = [], []
        for _ in range(3):
            start = time.thread_time()
            found.append(find_lanes(labels, DRIVE, HEIGHT, WIDTH))
            spent.append(time.thread_time() - start)
        assert min(spent) < 0.1
        assert [lane.points.tobytes() for lane in found[0]] == [lane.points.tobytes() for lane in found[1]]
