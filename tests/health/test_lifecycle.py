from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from perception.errors import PerceptionError
from perception.health.lifecycle import LifeCycle
from perception.health.types import NodeState

# Drawn by hand, once more: u(nconfigured), i(nactive), a(ctive), e(rror), f(inalized).
ARROWS = ["ui", "ue", "uf", "ia", "iu", "ie", "if", "ai", "ae", "af", "eu", "ef"]
LETTERS = {state.value[0]: state for state in NodeState}
LEGAL = {(LETTERS[arrow[0]], LETTERS[arrow[1]]) for arrow in ARROWS}


class Walk(RuleBasedStateMachine):
    """A node that is told to go anywhere goes where an arrow leads, and else stays and names both states."""

    def __init__(self) -> None:
        super().__init__()
        self.cycle = LifeCycle()
        self.expected = NodeState.UNCONFIGURED

    @rule(to=st.sampled_from(NodeState))
    def go(self, to: NodeState) -> None:
        if (self.expected, to) in LEGAL:
            self.cycle.to(to)
            self.expected = to
        else:
            with pytest.raises(PerceptionError, match=f"from {self.expected} to {to}: "):
                self.cycle.to(to)

    @invariant()
    def is_where_it_went(self) -> None:
        assert self.cycle.state is self.expected


TestWalk = Walk.TestCase


def test_a_run_from_start_to_end() -> None:
    cycle = LifeCycle()
    for state in (NodeState.INACTIVE, NodeState.ACTIVE, NodeState.INACTIVE, NodeState.FINALIZED):
        cycle.to(state)
    with pytest.raises(PerceptionError, match="finalized to active: after finalized may come none"):
        cycle.to(NodeState.ACTIVE)


def test_of_threads_that_go_at_once_one_goes() -> None:
    """From active two may not both go to error: the second finds error already."""
    cycle = LifeCycle()
    cycle.to(NodeState.INACTIVE)
    cycle.to(NodeState.ACTIVE)
    start = Barrier(4)

    def go() -> bool:
        start.wait()
        try:
            cycle.to(NodeState.ERROR)
        except PerceptionError:
            return False
        return True

    with ThreadPoolExecutor(4) as threads:
        assert sum(threads.map(lambda _: go(), range(4))) == 1
