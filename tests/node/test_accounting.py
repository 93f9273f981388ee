from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perception.frame import Drop, DropReason
from perception.node.accounting import Accounting

OUTCOMES = st.sampled_from(["published", "in hand", *DropReason])


@given(outcomes=st.lists(OUTCOMES, max_size=60), data=st.data())
def test_captured_is_published_and_dropped_in_any_order(outcomes: list[str], data: st.DataObject) -> None:
    """Frames are captured in order and settled in any order after; every moment reconciles."""
    ledger = Accounting()
    events = data.draw(st.permutations([i for i, one in enumerate(outcomes) if one != "in hand"]))
    for sequence in range(len(outcomes)):
        ledger.capture(sequence)
    for settled, sequence in enumerate(events, start=1):
        outcome = outcomes[sequence]
        if outcome == "published":
            ledger.publish(sequence)
        else:
            ledger.drop(Drop(sequence, DropReason(outcome), f"frame {sequence}"))
        assert ledger.account().in_hand == len(outcomes) - settled
        assert ledger.captured == ledger.published + ledger.dropped.total() + ledger.account().in_hand

    assert ledger.published == outcomes.count("published")
    assert {reason: ledger.dropped[reason] for reason in DropReason} == {
        reason: outcomes.count(reason) for reason in DropReason
    }

    ledger.abandon()
    assert ledger.account().in_hand == 0
    assert ledger.captured == ledger.published + ledger.dropped.total()
    assert ledger.dropped[DropReason.STOPPED] == outcomes.count(DropReason.STOPPED) + outcomes.count(
        "in hand"
    )


@pytest.mark.parametrize("settle", ["publish", "drop"])
def test_no_frame_is_settled_twice_or_without_capture(settle: str) -> None:
    ledger = Accounting()
    ledger.capture(3)
    ledger.publish(3)
    for sequence in (3, 4):
        with pytest.raises(ValueError, match=f"frame {sequence} is not in hand"):
            if settle == "publish":
                ledger.publish(sequence)
            else:
                ledger.drop(Drop(sequence, DropReason.UNDECODABLE, ""))
    assert (ledger.captured, ledger.published, ledger.dropped.total()) == (1, 1, 0)


def test_no_frame_is_captured_twice() -> None:
    ledger = Accounting()
    ledger.capture(0)
    with pytest.raises(ValueError, match="captured twice"):
        ledger.capture(0)


def test_threads_lose_no_count() -> None:
    ledger = Accounting()

    def settle(sequence: int) -> None:
        ledger.capture(sequence)
        if sequence % 3:
            ledger.publish(sequence)
        else:
            ledger.drop(Drop(sequence, DropReason.SUPERSEDED, ""))
        now = ledger.account()  # at any moment, whatever the other threads do
        assert now.captured == now.published + sum(now.dropped.values()) + now.in_hand

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(settle, range(3000)))
    assert (ledger.captured, ledger.published, ledger.dropped[DropReason.SUPERSEDED]) == (3000, 2000, 1000)
    assert ledger.account().in_hand == 0


@pytest.mark.parametrize(("count", "words"), [(1, "1 frame was in hand"), (2, "2 frames were in hand")])
def test_what_was_in_hand_is_told(count: int, words: str) -> None:
    ledger = Accounting()
    for sequence in range(count):
        ledger.capture(sequence)
    ledger.abandon()
    assert ledger.messages == (f"{words} when the run broke off",)


def test_messages_are_bounded_and_counts_are_not() -> None:
    ledger = Accounting()
    for sequence in range(1000):
        ledger.capture(sequence)
        ledger.drop(Drop(sequence, DropReason.UNDECODABLE, f"frame {sequence}"))
    assert ledger.messages == (*(f"frame {sequence}" for sequence in range(20)), "and 980 more")
    assert ledger.dropped.total() == 1000
