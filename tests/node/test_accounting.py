from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perception.frame import Drop, DropReason
from perception.node.accounting import Accounting
from perception.scene import Status

OUTCOMES = st.sampled_from(["published", "in flight", *DropReason])


@given(outcomes=st.lists(OUTCOMES, max_size=60), data=st.data())
def test_captured_is_published_and_dropped_in_any_order(outcomes: list[str], data: st.DataObject) -> None:
    """Frames are captured in order and settled in any order after; every moment reconciles."""
    accounting = Accounting()
    events = data.draw(st.permutations([i for i, one in enumerate(outcomes) if one != "in flight"]))
    for sequence in range(len(outcomes)):
        accounting.capture(sequence)
    for settled, sequence in enumerate(events, start=1):
        outcome = outcomes[sequence]
        if outcome == "published":
            accounting.publish(sequence, Status.OK)
        else:
            accounting.drop(Drop(sequence, DropReason(outcome), f"frame {sequence}"))
        assert accounting.account().in_flight == len(outcomes) - settled
        assert (
            accounting.captured
            == accounting.published + accounting.dropped.total() + accounting.account().in_flight
        )

    assert accounting.published == outcomes.count("published")
    assert {reason: accounting.dropped[reason] for reason in DropReason} == {
        reason: outcomes.count(reason) for reason in DropReason
    }

    accounting.abandon()
    assert accounting.account().in_flight == 0
    assert accounting.captured == accounting.published + accounting.dropped.total()
    assert accounting.dropped[DropReason.STOPPED] == outcomes.count(DropReason.STOPPED) + outcomes.count(
        "in flight"
    )


@pytest.mark.parametrize("settle", ["publish", "drop"])
def test_no_frame_is_settled_twice_or_without_capture(settle: str) -> None:
    accounting = Accounting()
    accounting.capture(3)
    accounting.publish(3, Status.OK)
    for sequence in (3, 4):
        with pytest.raises(ValueError, match=f"frame {sequence} is not in flight"):
            if settle == "publish":
                accounting.publish(sequence, Status.OK)
            else:
                accounting.drop(Drop(sequence, DropReason.UNDECODABLE, ""))
    assert (accounting.captured, accounting.published, accounting.dropped.total()) == (1, 1, 0)


def test_no_frame_is_captured_twice() -> None:
    accounting = Accounting()
    accounting.capture(0)
    with pytest.raises(ValueError, match="captured twice"):
        accounting.capture(0)


def test_threads_lose_no_count() -> None:
    accounting = Accounting()

    def settle(sequence: int) -> None:
        accounting.capture(sequence)
        if sequence % 3:
            accounting.publish(sequence, Status.OK)
        else:
            accounting.drop(Drop(sequence, DropReason.SUPERSEDED, ""))
        now = accounting.account()  # at any moment, whatever the other threads do
        assert now.captured == now.published + sum(now.dropped.values()) + now.in_flight

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(settle, range(3000)))
    assert (accounting.captured, accounting.published, accounting.dropped[DropReason.SUPERSEDED]) == (
        3000,
        2000,
        1000,
    )
    assert accounting.account().in_flight == 0


@pytest.mark.parametrize(("count", "words"), [(1, "1 frame was in flight"), (2, "2 frames were in flight")])
def test_what_was_in_hand_is_told(count: int, words: str) -> None:
    accounting = Accounting()
    for sequence in range(count):
        accounting.capture(sequence)
    accounting.abandon()
    assert accounting.messages == (f"{words} when the run ended early",)


def test_messages_are_bounded_and_counts_are_not() -> None:
    accounting = Accounting()
    for sequence in range(1000):
        accounting.capture(sequence)
        accounting.drop(Drop(sequence, DropReason.UNDECODABLE, f"frame {sequence}"))
    assert accounting.messages == (*(f"frame {sequence}" for sequence in range(20)), "and 980 more")
    assert accounting.dropped.total() == 1000
