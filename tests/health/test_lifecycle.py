from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from perception.errors import PerceptionError
from perception.health.lifecycle import LifeCycle
from perception.health.types import NodeState

# The states on the way up to work; a node goes one step at a time, up and down.
WAY_UP = (NodeState.UNCONFIGURED, NodeState.INACTIVE, NodeState.ACTIVE)


def may_go(before: NodeState, to: NodeState) -> bool:
    """The life cycle in words, from which its table must follow."""
    if before is NodeState.FINALIZED:
        return False  # the end is the end
    if to is NodeState.FINALIZED:
        return True  # anything else can be ended
    if before is NodeState.ERROR:
        return to is NodeState.UNCONFIGURED  # what has failed is set up from nothing
    if to is NodeState.ERROR:
        return True  # anything that lives can fail
    return abs(WAY_UP.index(before) - WAY_UP.index(to)) == 1


class Walk(RuleBasedStateMachine):
    """A node that is told to go anywhere goes where an arrow leads, and else stays and names both states."""

    def __init__(self) -> None:
        super().__init__()
        self.cycle = LifeCycle()
        self.expected = NodeState.UNCONFIGURED

    @rule(to=st.sampled_from(NodeState))
    def go(self, to: NodeState) -> None:
        if may_go(self.expected, to):
            self.cycle.to(to)
            self.expected = to
        else:
            with pytest.raises(PerceptionError, match=f"from {self.expected} to {to}: "):
                self.cycle.to(to)

    @invariant()
    def is_where_it_went(self) -> None:
        assert self.cycle.state is self.expected


TestWalk = Walk.TestCase


# The transitions of a managed node, https://design.ros2.org/articles/node_lifecycle.html
@pytest.mark.parametrize(
    "way",
    [
        pytest.param("unconfigured inactive", id="configure"),
        pytest.param("unconfigured inactive unconfigured", id="clean up"),
        pytest.param("unconfigured inactive active", id="activate"),
        pytest.param("unconfigured inactive active inactive", id="deactivate"),
        pytest.param("unconfigured finalized", id="shut down before it is configured"),
        pytest.param("unconfigured inactive finalized", id="shut down before it is active"),
        pytest.param("unconfigured inactive active finalized", id="shut down at work"),
        pytest.param("unconfigured error unconfigured inactive", id="fail to configure, and try again"),
        pytest.param("unconfigured inactive error finalized", id="fail to activate, and give up"),
        pytest.param("unconfigured inactive active error unconfigured", id="fail at work, and recover"),
    ],
)
def test_each_transition_of_a_managed_node_can_be_taken(way: str) -> None:
    cycle = LifeCycle()
    for state in map(NodeState, way.split()[1:]):
        cycle.to(state)
        assert cycle.state is state


@pytest.mark.parametrize(
    "way",
    [
        pytest.param("unconfigured active", id="work before it is configured"),
        pytest.param("unconfigured inactive active unconfigured", id="clean up at work"),
        pytest.param("unconfigured error active", id="work after a failure"),
        pytest.param("unconfigured error inactive", id="go on after a failure without being set up"),
        pytest.param("unconfigured inactive active active", id="activate twice"),
        pytest.param("unconfigured finalized unconfigured", id="live again"),
        pytest.param("unconfigured finalized error", id="fail after the end"),
    ],
)
def test_what_no_managed_node_does_is_refused_and_changes_nothing(way: str) -> None:
    *before, last = map(NodeState, way.split()[1:])
    cycle = LifeCycle()
    for state in before:
        cycle.to(state)
    stays = cycle.state
    with pytest.raises(PerceptionError, match=f"from {stays} to {last}"):
        cycle.to(last)
    assert cycle.state is stays


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
