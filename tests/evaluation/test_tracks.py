"""MOTA, IDF1 and id switches, against counts made by hand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perception.evaluation.metrics.tracks import TrackCounts, TrackEvaluation
from perception.scene import Instance

PLACES = {"a": (0, 0, 10, 10), "b": (100, 0, 110, 10), "c": (200, 0, 210, 10)}


def one(track: int | None, box: tuple[float, float, float, float], class_id: int = 8) -> Instance:
    return Instance(class_id * 1000 + 1, class_id, 1.0, box, track)


def counted(*frames: tuple[dict[str, int], dict[str, int]]) -> TrackCounts:
    """Frames of true and predicted tracks by the place where they are."""
    evaluation = TrackEvaluation()
    for truth, predicted in frames:
        evaluation.add(
            [one(track, PLACES[place]) for place, track in truth.items()],
            [one(track, PLACES[place]) for place, track in predicted.items()],
        )
    return evaluation.counts()


def test_perfect_tracks() -> None:
    found = counted(*[({"a": 1, "b": 2}, {"a": 7, "b": 9})] * 5)
    assert found == TrackCounts(truths=10, predictions=10, hits=10, switches=0, identity_hits=10)
    assert (found.mota, found.idf1) == (1.0, 1.0)


def test_a_switch_costs_one_in_mota_and_the_shorter_part_in_idf1() -> None:
    found = counted(*[({"a": 1}, {"a": 7})] * 6, *[({"a": 1}, {"a": 8})] * 4)
    assert found == TrackCounts(truths=10, predictions=10, hits=10, switches=1, identity_hits=6)
    assert found.mota == pytest.approx(1 - 1 / 10)
    assert found.idf1 == pytest.approx(2 * 6 / 20)


def test_a_switch_is_found_across_a_gap_and_a_return_is_none() -> None:
    seen = ({"a": 1}, {"a": 7})
    missed: tuple[dict[str, int], dict[str, int]] = ({"a": 1}, {})
    other = ({"a": 1}, {"a": 8})
    assert counted(seen, missed, seen).switches == 0
    assert counted(seen, missed, other).switches == 1
    assert counted(seen, other, missed, seen).switches == 2


def test_swapped_tracks_are_two_switches() -> None:
    found = counted(({"a": 1, "b": 2}, {"a": 7, "b": 8}), ({"a": 1, "b": 2}, {"a": 8, "b": 7}))
    assert found == TrackCounts(truths=4, predictions=4, hits=4, switches=2, identity_hits=2)


def test_misses_and_false_alarms() -> None:
    found = counted(({"a": 1, "b": 2}, {"a": 7}), ({"a": 1}, {"a": 7, "c": 9}))
    assert found == TrackCounts(truths=3, predictions=3, hits=2, switches=0, identity_hits=2)
    assert found.mota == pytest.approx(1 - (1 + 1) / 3)
    assert found.idf1 == pytest.approx(2 * 2 / 6)


def test_one_predicted_track_may_stand_for_one_true_track_only() -> None:
    """One prediction that follows two users in turn: the second one's frames are not identified."""
    found = counted(*[({"a": 1}, {"a": 7})] * 3, *[({"b": 2}, {"b": 7})] * 2)
    assert (found.hits, found.switches, found.identity_hits) == (5, 0, 3)
    assert found.idf1 == pytest.approx(2 * 3 / 10)


def test_identity_is_the_best_assignment_over_all_frames_not_the_greedy_one() -> None:
    """7 is with 1 for 4 frames and with 2 for 3, 8 with 1 for 3: 7-2 and 8-1 give 6, greedy 7-1 gives 4."""
    found = counted(*[({"a": 1}, {"a": 7})] * 4, *[({"a": 2}, {"a": 7})] * 3, *[({"a": 1}, {"a": 8})] * 3)
    assert found.identity_hits == 6


def test_boxes_match_from_half_their_union_on() -> None:
    def hits(box: tuple[float, float, float, float]) -> int:
        evaluation = TrackEvaluation()
        evaluation.add([one(1, (0, 0, 10, 10))], [one(2, box)])
        return evaluation.counts().hits

    assert hits((0, 0, 10, 5)) == 1  # IoU 0.5
    assert hits((0, 0, 10, 4.9)) == 0
    assert hits((20, 20, 20, 20)) == 0


def test_a_match_is_kept_although_another_fits_better() -> None:
    evaluation = TrackEvaluation()
    evaluation.add([one(1, (0, 0, 10, 10))], [one(7, (0, 0, 10, 10))])
    evaluation.add([one(1, (0, 0, 10, 10))], [one(8, (0, 0, 10, 10)), one(7, (0, 0, 10, 6))])
    assert evaluation.counts().switches == 0
    evaluation.add([one(1, (0, 0, 10, 10))], [one(8, (0, 0, 10, 10)), one(7, (0, 0, 10, 4))])
    assert evaluation.counts().switches == 1


def test_other_classes_and_what_has_no_track_do_not_match() -> None:
    evaluation = TrackEvaluation()
    evaluation.add([one(1, PLACES["a"], 8)], [one(7, PLACES["a"], 9), one(None, PLACES["a"], 8)])
    assert evaluation.counts() == TrackCounts(truths=1, predictions=1)


def test_drives_add_up_although_their_ids_are_the_same() -> None:
    first, second = counted(({"a": 1}, {"a": 7})), counted(({"a": 1}, {"a": 8}), ({"a": 1}, {}))
    assert first + second == TrackCounts(truths=3, predictions=2, hits=2, switches=0, identity_hits=2)


def test_nothing_is_nothing_wrong() -> None:
    assert TrackEvaluation().counts() == TrackCounts()
    assert counted(({}, {"a": 1})).mota == 0.0


tracks = st.dictionaries(st.sampled_from(sorted(PLACES)), st.integers(1, 4), max_size=3).filter(
    lambda at: len(set(at.values())) == len(at)
)


@given(st.lists(st.tuples(tracks, tracks), max_size=8))
def test_counts_stay_within_their_bounds(frames: list[tuple[dict[str, int], dict[str, int]]]) -> None:
    found = counted(*frames)
    places = [truth.keys() & predicted.keys() for truth, predicted in frames]
    assert found.hits == sum(map(len, places))  # places lie apart
    assert found.identity_hits <= found.hits <= min(found.truths, found.predictions)
    assert found.switches <= found.hits
    assert 0 <= found.idf1 <= 1
    assert found.mota <= 1
    same = counted(*[(truth, truth) for truth, _ in frames])
    assert same.hits == same.identity_hits == same.truths
    assert same.switches == 0
