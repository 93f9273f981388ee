"""An altered recording differs from its reference, in the field that was altered and in no other."""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tests.replay.differences import EXACT, Tolerance, compare
from tests.replay.recording import Recording, load_recording
from tests.replay.test_replay import REFERENCES, TOLERANCES

FRAME = 3
FLOAT = Tolerance(**{name: row[0] for name, row in TOLERANCES.items()})
INT8 = Tolerance(**{name: row[1] for name, row in TOLERANCES.items()})
Line = dict[str, Any]


@pytest.fixture(scope="module")
def reference() -> Recording:
    return load_recording(REFERENCES / "onnx-cpu" / "clip.npz")


def fields(found: Recording, reference: Recording, tolerance: Tolerance) -> set[str]:
    """Those that differ, without the names of instances and lanes; all must be of FRAME or of the summary."""
    differences = compare("clip", found, reference, tolerance)
    assert {one.frame for one in differences} <= {None, FRAME}
    return {one.field.partition(" of ")[0] for one in differences}


def altered(reference: Recording, alter: Callable[[Line], object]) -> Recording:
    scenes = deepcopy(reference.scenes)
    alter(scenes[FRAME])
    return replace(reference, scenes=scenes)


def move_point(line: Line) -> None:
    line["lanes"][1]["points"][9][0] += 11


def shorten(line: Line) -> None:
    del line["lanes"][1]["points"][:8]


def shift_ego_lane(line: Line) -> None:
    line["ego_lane"] = [[x + 40, y] for x, y in line["ego_lane"]]


def swap_tracks(line: Line) -> None:
    one, other = line["instances"][:2]
    one["track"], other["track"] = other["track"], one["track"]


def change_class(line: Line) -> None:
    line["instances"][0] |= {"class": "pedestrian", "class_id": 9, "id": 9099}


ALTERATIONS: list[tuple[set[str], Callable[[Line], object]]] = [
    ({"stamp_ns"}, lambda line: line.update(stamp_ns=line["stamp_ns"] + 1)),
    ({"wall_ns"}, lambda line: line.update(wall_ns=1)),
    ({"sequence"}, lambda line: line.update(sequence=FRAME + 1)),
    ({"stem"}, lambda line: line.update(stem="3")),
    ({"camera"}, lambda line: line.update(camera="rear")),
    ({"status"}, lambda line: line.update(status="stale")),
    ({"reasons"}, lambda line: line.update(reasons=["the picture is black"])),
    ({"left_out"}, lambda line: line.update(left_out=["lanes"])),
    ({"timings_ms"}, lambda line: line["timings_ms"].reverse()),
    ({"keys"}, lambda line: line.update(depth=None)),
    ({"instances"}, lambda line: line["instances"].pop(0)),
    ({"instances"}, lambda line: line["instances"].append(line["instances"][0])),
    ({"class"}, change_class),
    ({"box"}, lambda line: line["instances"][0].update(box=[x + 9 for x in line["instances"][0]["box"]])),
    ({"score"}, lambda line: line["instances"][0].update(score=0.4)),
    ({"track"}, swap_tracks),
    ({"lanes"}, lambda line: line["lanes"].pop(1)),
    ({"points"}, move_point),
    ({"reach"}, shorten),
    ({"kind"}, lambda line: line["lanes"][1].update(kind="other")),
    ({"side"}, lambda line: line["lanes"][1].update(side=None)),
    ({"confidence"}, lambda line: line["lanes"][1].update(confidence=0.0)),
    ({"ego_lane"}, shift_ego_lane),
    ({"ego_lane"}, lambda line: line.update(ego_lane=None)),
]


@pytest.mark.parametrize("tolerance", [FLOAT, INT8], ids=["float", "int8"])
@pytest.mark.parametrize(("expected", "alter"), ALTERATIONS)
def test_an_altered_scene_is_reported_by_field(
    reference: Recording, tolerance: Tolerance, expected: set[str], alter: Callable[[Line], object]
) -> None:
    found = fields(altered(reference, alter), reference, tolerance)
    assert expected <= found <= expected | {"pixels"}  # of an instance that is another one now


@pytest.mark.parametrize("name", ["instances", "lanes"])
def test_renamed_keys_are_reported(reference: Recording, name: str) -> None:
    elements = [
        {key.replace("s", "z"): value for key, value in one.items()} for one in reference.scenes[FRAME][name]
    ]
    differences = compare(
        "clip", altered(reference, lambda line: line.update({name: elements})), reference, FLOAT
    )
    assert [one.field for one in differences] == [f"keys of {name}"]


def test_metres_may_come_or_go(reference: Recording) -> None:
    def know_more(line: Line) -> None:
        line["road"] = {"width_m": 3.5}
        line["instances"][0] |= {"distance_m": 8.0, "distance_sd_m": 0.4}

    assert fields(altered(reference, know_more), reference, FLOAT) == set()


@pytest.mark.parametrize("tolerance", [FLOAT, INT8], ids=["float", "int8"])
def test_shifted_labels_and_lost_pixels_of_an_instance_are_reported(
    reference: Recording, tolerance: Tolerance
) -> None:
    labels, instance_map = reference.labels.copy(), reference.instance_map.copy()
    labels[FRAME] = np.roll(labels[FRAME], 8, axis=1)
    found = fields(replace(reference, labels=labels), reference, tolerance)
    assert found == {"labels"}
    first = reference.scenes[FRAME]["instances"][0]["id"]
    rows = np.flatnonzero((instance_map[FRAME] == first).any(1))
    instance_map[FRAME, : rows[len(rows) // 2]] = 0
    assert "pixels" in fields(replace(reference, instance_map=instance_map), reference, tolerance)


@pytest.mark.parametrize("name", ["files", "stages", "engine", "unreliable", "findings", "report", "health"])
def test_a_changed_summary_is_reported(reference: Recording, name: str) -> None:
    found = replace(reference, summary=reference.summary | {name: "other"})
    assert fields(found, reference, FLOAT) == {name}


def test_a_lost_frame_is_reported(reference: Recording) -> None:
    found = replace(reference, scenes=reference.scenes[:-1], labels=reference.labels[:-1])
    [difference] = compare("clip", found, reference, FLOAT)
    assert str(difference) == (
        "clip, frames, height, width: (6, 180, 320), reference (7, 180, 320) (must be equal)"
    )


def test_renumbered_tracks_are_the_same_tracks_on_int8_alone(reference: Recording) -> None:
    scenes = deepcopy(reference.scenes)
    for line in scenes:
        for one in line["instances"]:
            one["track"] = None if one["track"] is None else one["track"] + 100
    found = replace(reference, scenes=scenes)
    assert compare("clip", found, reference, INT8) == []
    assert {one.field.split()[0] for one in compare("clip", found, reference, FLOAT)} == {"track"}


def test_without_a_tolerance_the_hash_of_all_counts(reference: Recording) -> None:
    assert compare("clip", reference, reference, EXACT) == []
    found = altered(reference, lambda line: line.update(digest=""))
    assert fields(found, reference, EXACT) == {"digest"}
    assert fields(found, reference, FLOAT) == set()


def test_a_difference_names_drive_frame_field_value_reference_and_tolerance(reference: Recording) -> None:
    found = altered(reference, lambda line: line.update(stamp_ns=7))
    [difference] = compare("clip", found, reference, FLOAT)
    assert str(difference) == "clip, frame 3, stamp_ns: 7, reference 300000000 (must be equal)"
