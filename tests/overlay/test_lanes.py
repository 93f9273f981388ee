"""Lane boundaries in the picture."""

import numpy as np

from perception.overlay import LaneBoundaries
from perception.overlay.style import GREY
from tests.overlay.scenes import changed, drawn, lane, runs, scene_of


def test_a_solid_boundary_is_one_line_that_narrows_with_the_distance() -> None:
    scene = scene_of(720, 1280, lanes=(lane((200, 719), (600, 300)),))
    line = changed(drawn(scene, LaneBoundaries()))
    rows, columns = np.nonzero(line)
    assert np.abs(columns - (200 + (719 - rows) * 400 / 419)).max() <= 7
    assert line[302:718].any(axis=1).all()
    widths = line.sum(axis=1)
    assert widths[600:700].mean() > widths[450:550].mean() + 1 > widths[310:400].mean() + 2


def test_the_kind_of_a_boundary_can_be_seen_from_its_dashes() -> None:
    dashes = {}
    for kind in ("solid", "dashed", "unknown"):
        scene = scene_of(720, 1280, lanes=(lane((400, 700), (400, 200), kind=kind),))
        dashes[kind] = runs(changed(drawn(scene, LaneBoundaries()))[:, 400])
    assert len(dashes["solid"]) == 1
    assert len(dashes["dashed"]) > 5
    assert 0.35 < sum(dashes["dashed"]) / 500 < 0.65
    assert len(dashes["unknown"]) > 2 * len(dashes["dashed"])
    whole = dashes["dashed"][1:-1]  # from far to near
    assert (np.diff(whole) >= -1).all()
    assert whole[-1] > 1.5 * whole[0]


def test_a_boundary_is_left_out_where_a_road_user_hides_it() -> None:
    scene = scene_of(360, 640, ((50, 150, 200, 250),), lanes=(lane((100, 350), (100, 50)),))
    line = changed(drawn(scene, LaneBoundaries()))[:, 100]
    assert line[55:145].all() and line[255:345].all()
    assert not line[155:245].any()


def test_less_sure_boundaries_are_greyer_but_there() -> None:
    def apart_from_grey(confidence: float) -> float:
        scene = scene_of(360, 640, lanes=(lane((100, 350), (100, 50), confidence=confidence),))
        return float(np.linalg.norm(drawn(scene, LaneBoundaries())[300, 100] - np.array(GREY, float)))

    distances = [apart_from_grey(confidence) for confidence in (0.0, 0.3, 0.6, 1.0)]
    assert distances == sorted(distances)
    assert distances[-1] > 1.3 * distances[0] > 80


def test_the_ego_lane_has_a_colour_of_its_own() -> None:
    sides = (lane((100, 350), (100, 50), side="left"), lane((300, 350), (300, 50), side="right"))
    scene = scene_of(360, 640, lanes=(*sides, lane((500, 350), (500, 50))))
    picture = drawn(scene, LaneBoundaries(colour=(1, 2, 3), ego_colour=(4, 5, 6)))
    assert picture[300, [100, 300, 500]].tolist() == [[4, 5, 6], [4, 5, 6], [1, 2, 3]]
