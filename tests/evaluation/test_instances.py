"""Mask AP and panoptic quality, against definitions, counts made by hand, and brute force."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pycocotools import mask as coco_mask

from perception.classes import DRIVE, ClassSet
from perception.datasets.dataset import Sample
from perception.evaluation.metrics.instances import (
    MaskPrecision,
    Overlaps,
    PanopticCounts,
    encode_masks,
    true_instances,
    without_specks,
)
from perception.scene import Instance, Scene

Map = npt.NDArray[np.uint16]
Row = tuple[int, int]  # first and last (exclusive) pixel of a mask in a row of pixels

ROAD, SKY, CAR, MAN = (DRIVE.id(name) for name in ("road", "sky", "vehicle", "pedestrian"))
CAR_BIT, ROAD_BIT, EITHER = DRIVE.bits("vehicle"), DRIVE.bits("road"), DRIVE.bits("vehicle", "building")
LENGTH = 200


def row(*masks: Row, class_id: int = CAR) -> Map:
    """A map of one row with these masks, numbered from 1."""
    ids = np.zeros((1, LENGTH), np.uint16)
    for k, (start, end) in enumerate(masks, start=1):
        ids[0, start:end] = 1000 * class_id + k
    return ids


def sample(instances: Map, unknown: Row = (0, 0), bits: int = CAR_BIT) -> Sample:
    """Road with instances, and a part that says no more than `bits`."""
    target = np.where(instances > 0, 1 << (instances // 1000), ROAD_BIT).astype(np.uint32)
    target[:, slice(*unknown)] = bits
    return Sample("a", np.zeros((*target.shape, 3), np.uint8), target, instances)


def scene(instance_map: Map, *scores: float) -> Scene:
    """Road with instances; scores are in the order of their ids, else 1."""
    ids = [int(i) for i in np.unique(instance_map[instance_map > 0])]
    given = scores or (1.0,) * len(ids)
    labels = np.where(instance_map > 0, instance_map // 1000, ROAD).astype(np.uint8)
    instances = tuple(
        Instance(i, i // 1000, score, (0, 0, 1, 1)) for i, score in zip(ids, given, strict=True)
    )
    return Scene(0, 0, 0, "a", "", labels, instance_map, instances)


def precision(*frames: tuple[Sample, Scene]) -> dict[str, tuple[float, float]]:
    counted = MaskPrecision(DRIVE)
    for truth, found in frames:
        counted.add(truth, found)
    return counted.result()


def counts(truth: Sample, found: Scene) -> PanopticCounts:
    return Overlaps(truth, found, DRIVE).panoptic()


ids = arrays(
    np.uint16, st.tuples(st.integers(1, 9), st.integers(1, 9)), elements=st.sampled_from([0, 8001, 8002])
)


@pytest.mark.filterwarnings("ignore:__array__ implementation")  # of pycocotools' decoder
@settings(deadline=None)
@given(ids)
def test_masks_are_cocos(instances: Map) -> None:
    masks = encode_masks(instances)
    assert set(masks) == set(np.unique(instances).tolist()) - {0}
    for number, mask in masks.items():
        np.testing.assert_array_equal(coco_mask.decode(mask), instances == number)
        assert coco_mask.area(mask) == np.count_nonzero(instances == number)


def test_true_instances_fit_their_pixels() -> None:
    instances = np.zeros((9, 12), np.uint16)
    instances[2:5, 3:10] = 8004
    assert true_instances(sample(instances)) == (Instance(8004, 8, 1.0, (3, 2, 10, 5), 8004),)


@pytest.mark.parametrize("number", [0, 15, 16, 30])
def test_classes_are_told_apart_up_to_the_last_of_31(number: int) -> None:
    """Without things: each class's pixels are one segment."""
    many = ClassSet("many", tuple(f"c{i}" for i in range(31)), ((0, 0, 0),) * 31)
    target = np.full((4, 6), 1 << number, np.uint32)
    target[:, :2] = 1 << 3
    truth = Sample("a", np.zeros((4, 6, 3), np.uint8), target, np.zeros((4, 6), np.uint16))
    labels = np.full((4, 6), number, np.uint8)
    labels[:, :2] = 3
    found = Scene(0, 0, 0, "a", "", labels, np.zeros((4, 6), np.uint16), ())
    panoptic = Overlaps(truth, found, many).panoptic()
    assert panoptic.matches[[3, number]].tolist() == [1, 1]
    assert panoptic.matches.sum() == 2 and not panoptic.misses.any() and not panoptic.false_alarms.any()


TWO = row((0, 20), (40, 60))


# COCO's AP is the mean over 101 recalls 0, 0.01 … 1 of the best precision at that recall or a higher one. One
# of two road users gives the recalls up to 0.5, which are 51.
@pytest.mark.parametrize(
    ("found", "scores", "ap"),
    [
        (TWO, (0.9, 0.2), 1.0),
        (row((0, 20)), (0.3,), 51 / 101),
        (row((0, 20), (100, 120)), (0.9, 0.8), 51 / 101),  # a false alarm after the hit costs nothing
        (row((0, 20), (100, 120)), (0.8, 0.9), 51 / 101 / 2),  # before it, half the precision
        (row((0, 20), (20, 22), (40, 60)), (0.9, 0.8, 0.7), (51 + 50 * 2 / 3) / 101),
        (row((100, 120)), (0.9,), 0.0),
        (row(), (), 0.0),
    ],
)
def test_ap_of_known_cases(found: Map, scores: tuple[float, ...], ap: float) -> None:
    assert precision((sample(TWO), scene(found, *scores))) == {"vehicle": pytest.approx((ap, ap))}


def test_what_is_found_twice_is_wrong_once() -> None:
    """One road user comes as two: 12 of its 20 px match, the other 8 are a false alarm."""
    found = row((0, 12), (12, 20), (40, 60))
    ap, ap50 = precision((sample(TWO), scene(found, 0.9, 0.8, 0.7)))["vehicle"]
    assert ap50 == pytest.approx((51 + 50 * 2 / 3) / 101)
    # From IoU 0.65 on only the third is right, after two false alarms.
    assert ap == pytest.approx((3 * ap50 + 7 * 51 / 101 / 3) / 10)


def test_ap_is_a_mean_over_thresholds() -> None:
    """IoU 18 / 25 = 0.72 counts at 0.50, 0.55, 0.60, 0.65 and 0.70: half of the ten."""
    assert precision((sample(row((0, 25))), scene(row((0, 18))))) == {"vehicle": pytest.approx((0.5, 1.0))}


def test_scores_rank_over_all_frames() -> None:
    wrong, right = (
        (sample(row((0, 20))), scene(row((100, 120)), 0.9)),
        (sample(row((0, 20))), scene(row((0, 20)), 0.8)),
    )
    assert precision(wrong, right)["vehicle"][0] == pytest.approx(51 / 101 / 2)


def test_a_class_that_is_not_told_apart_has_no_figure() -> None:
    truth = sample(row((0, 20), class_id=MAN), unknown=(40, 60))
    assert precision((truth, scene(TWO))) == {"pedestrian": (0.0, 0.0)}
    assert precision((sample(row()), scene(TWO))) == {}


ONE = row((0, 20))


@pytest.mark.parametrize("bits", [CAR_BIT, EITHER, 0])
@pytest.mark.parametrize(("unknown", "forgiven"), [((50, 61), True), ((50, 60), False), ((40, 60), True)])
def test_what_lies_mostly_on_the_unknown_is_forgiven(unknown: Row, forgiven: bool, bits: int) -> None:
    """The false one is the surer: it halves the precision. Eleven of its 20 px are most of it, ten not."""
    truth, found = sample(ONE, unknown, bits), scene(row((0, 20), (41, 61)), 0.5, 0.9)
    assert precision((truth, found))["vehicle"][0] == pytest.approx(1.0 if forgiven else 0.5)
    assert counts(truth, found).false_alarms[CAR] == (0 if forgiven else 1)
    assert Overlaps(truth, found, DRIVE).forgiven_instances() == ({8002} if forgiven else set())


def test_where_the_class_cannot_be_nothing_is_forgiven() -> None:
    truth, found = (
        sample(ONE, (40, 60), DRIVE.bits("building", "pole")),
        scene(row((0, 20), (40, 60)), 0.5, 0.9),
    )
    assert precision((truth, found))["vehicle"][0] == pytest.approx(0.5)
    assert counts(truth, found).false_alarms[CAR] == 1


def test_panoptic_quality_by_hand() -> None:
    """Vehicles: one has IoU 16 / 20, one exactly 0.5, which is a miss and a false alarm, one is not there."""
    truth, found = sample(row((0, 20), (40, 60))), scene(row((0, 16), (40, 50), (100, 120)))
    result = counts(truth, found)
    assert (result.matches[CAR], result.false_alarms[CAR], result.misses[CAR]) == (1, 2, 1)
    quality = result.quality()
    assert (quality[CAR].pq, quality[CAR].sq, quality[CAR].rq) == pytest.approx((0.8 / 2.5, 0.8, 1 / 2.5))
    road = (160 - 20) / (160 + 14)
    assert (quality[ROAD].pq, quality[ROAD].sq, quality[ROAD].rq) == pytest.approx((road, road, 1))
    assert set(quality) == {CAR, ROAD}


def test_counts_of_frames_add_up() -> None:
    truth = sample(ONE)
    total = counts(truth, scene(ONE)) + counts(truth, scene(row((0, 16)))) + counts(truth, scene(row()))
    assert total.quality()[CAR].sq == pytest.approx(0.9)
    assert total.quality()[CAR].rq == pytest.approx(2 / 2.5)


def test_void_does_not_count_in_a_union_but_a_group_does() -> None:
    """The mask goes on for 30 px: without them its IoU is 1, with them 20 / 50."""
    for void in (EITHER, 0):
        assert counts(sample(ONE, (20, 60), void), scene(row((0, 50)))).iou[CAR] == 1.0
    in_group = counts(sample(ONE, (20, 60), CAR_BIT), scene(row((0, 50))))
    assert (in_group.matches[CAR], in_group.misses[CAR]) == (0, 1)
    assert in_group.false_alarms[CAR] == 0  # most of it lies on the group
    assert counts(sample(ONE), scene(row((0, 50)))).matches[CAR] == 0


def test_partly_labelled_stuff_has_no_figure() -> None:
    truth = sample(ONE, (20, LENGTH), DRIVE.bits("road", "lane_marking"))
    result = counts(truth, scene(ONE))
    assert result.labelled == {CAR}
    assert result.false_alarms[ROAD] == 0


def test_everything_right_is_one() -> None:
    truth = sample(np.hstack([row((0, 20), (20, 40)), row((0, 9), class_id=MAN)]))
    found = scene(truth.instances)
    whole = pytest.approx((1.0, 1.0))
    assert precision((truth, found)) == {"vehicle": whole, "pedestrian": whole}
    assert {quality.pq for quality in counts(truth, found).quality().values()} == {1.0}


def test_specks_are_unknown() -> None:
    instances = np.zeros((200, 1000), np.uint16)  # a speck is below 9.5 px
    instances[0, :9], instances[1, :10] = 8001, 8002
    truth = sample(instances)
    kept = without_specks(truth)
    assert np.unique(kept.instances).tolist() == [0, 8002]
    found = scene(instances, 0.9, 0.5)
    assert precision((kept, found))["vehicle"] == pytest.approx((1.0, 1.0))
    assert counts(kept, found).false_alarms[CAR] == 0


segments = arrays(np.uint16, (4, 6), elements=st.sampled_from([0, 8001, 8002, 9001]))
extra = arrays(np.uint16, (4, 6), elements=st.sampled_from([0, CAR_BIT, EITHER, ROAD_BIT, ROAD_BIT]))


@settings(deadline=None)
@given(segments, extra, segments)
def test_panoptic_counts_are_those_of_the_definition(truth: Map, rest: Map, found: Map) -> None:
    target = np.where(truth > 0, 1 << (truth // 1000), rest).astype(np.uint32)
    real = Sample("a", np.zeros((4, 6, 3), np.uint8), target, truth)
    result = counts(real, scene(found))
    for class_id in (CAR, MAN, ROAD):
        wanted = brute_force(real, scene(found), class_id)
        got = (
            result.iou[class_id],
            result.matches[class_id],
            result.false_alarms[class_id],
            result.misses[class_id],
        )
        assert got == pytest.approx(wanted)


def brute_force(truth: Sample, found: Scene, class_id: int) -> tuple[float, int, int, int]:
    """Section 4 of the paper, on sets of pixels."""

    def where(test: Callable[[int], bool]) -> set[int]:
        return {i for i in range(truth.target.size) if test(i)}

    bits, known = truth.target.ravel().tolist(), truth.instances.ravel().tolist()
    labels, named = found.labels.ravel().tolist(), found.instance_map.ravel().tolist()
    if class_id == ROAD:
        true = [where(lambda i: bits[i] == ROAD_BIT and not known[i])]
        predicted = [where(lambda i: labels[i] == ROAD and not named[i])]
    else:
        numbers = range(class_id * 1000, class_id * 1000 + 10)
        true = [where(lambda i, n=n: known[i] == n) for n in numbers]  # type: ignore[misc]
        predicted = [where(lambda i, n=n: named[i] == n) for n in numbers]  # type: ignore[misc]
    true, predicted = [s for s in true if s], [s for s in predicted if s]
    unknown = where(lambda i: bits[i] == 0 or bool(bits[i] >> class_id & 1)) - set().union(*true)
    void = unknown - where(lambda i: bits[i] == 1 << class_id)
    pairs = [(p, t) for p in predicted for t in true if len(p & t) / len((p - void) | t) > 0.5]
    iou = sum(len(p & t) / len((p - void) | t) for p, t in pairs)
    alarms = [
        p for p in predicted if p not in [pair[0] for pair in pairs] and len(p & unknown) / len(p) <= 0.5
    ]
    return iou, len(pairs), len(alarms), len(true) - len(pairs)
