"""What the report says was seen."""

from dataclasses import replace

import numpy as np

from perception.bundle.bundle import Bundle
from perception.bundle.manifest import OutputInfo
from perception.frame import Frame
from perception.health.types import Finding, Level
from perception.node.seen import Counts, RoadUsers, Seen
from perception.scene import Instance, Lane, Scene

LANE = Lane(np.array([[0, 9], [5, 0]], np.float32), "solid", 1.0)


def scene(*tracks: tuple[int, int | None], sides: tuple[str | None, ...] = ()) -> Scene:
    """With instances of (class id, track), and a lane boundary on each side."""
    found = tuple(
        Instance(1000 * class_id + k, class_id, 0.5, (0, 0, 1, 1), track)
        for k, (class_id, track) in enumerate(tracks, 1)
    )
    frame = Frame(np.zeros((2, 2, 3), np.uint8), 0)
    maps = np.zeros((2, 2), np.uint8), np.zeros((2, 2), np.uint16)
    return Scene.of(frame, *maps, instances=found, lanes=tuple(replace(LANE, side=side) for side in sides))  # type: ignore[arg-type]


def test_road_users_tracks_and_lanes_are_counted(colour_bundle: Bundle) -> None:
    counts = Counts(colour_bundle.info)
    for one in (
        scene((8, 1), (8, 2), (9, None), sides=("left", "right")),
        scene((8, 2), (8, 4), (9, 3)),  # new ones come in any order
        scene((8, 1), (8, 4), sides=(None,)),  # the first is seen again
        scene(),
    ):
        counts.add(one, [])
    assert counts.seen() == Seen({"vehicle": RoadUsers(6, 3, 3), "pedestrian": RoadUsers(2, 2, 1)}, 2, 1)
    assert list(counts.seen().road_users or {}) == ["vehicle", "pedestrian"]


def test_pictures_that_mislead_are_counted_by_their_fault(colour_bundle: Bundle) -> None:
    counts = Counts(colour_bundle.info)
    black = Finding("black", Level.ERROR, "it is black")
    counts.add(scene(), [black, replace(black, name="noisy", level=Level.WARN)])
    counts.add(scene(), [black])
    assert counts.flagged == {"black": 2}


def test_what_a_network_does_not_look_for_is_not_missing(colour_bundle: Bundle) -> None:
    depth = colour_bundle.info.model_copy(update={"outputs": {"depth": OutputInfo()}})
    assert Counts(depth).seen() == Seen(None, None, None)
    boxes = colour_bundle.info.model_copy(update={"outputs": {"boxes": OutputInfo()}})
    assert Counts(boxes).seen() == Seen({}, None, None)
