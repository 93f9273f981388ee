"""Where the time goes."""

import time
from collections.abc import Iterator

import pytest
import torch

from perception.training.profile import PARTS, Profile


def test_shares_are_of_the_whole_and_waiting_is_for_the_items() -> None:
    def slow() -> Iterator[int]:
        for k in range(3):
            time.sleep(0.05)
            yield k

    profile = Profile(torch.device("cpu"))
    taken = []
    for k in profile.waits(slow()):
        taken.append(k)
        with profile.part("forward"):
            time.sleep(0.1)
    assert taken == [0, 1, 2]
    shares = profile.shares()
    assert set(shares) == {*PARTS, "other"}
    assert sum(shares.values()) == pytest.approx(1, abs=1e-6)
    assert profile.seconds["forward"] >= 0.3
    assert profile.seconds["waiting for data"] >= 0.15
    assert shares["forward"] > shares["waiting for data"] > shares["saving"] == 0
    assert profile.table().row_count == len(PARTS) + 1
