"""The node's life cycle: which state may follow which."""

from threading import Lock

from perception.errors import PerceptionError
from perception.health.types import NodeState

_S = NodeState
# Those of a managed node in ROS 2. What has failed is set up again, or given up.
NEXT: dict[NodeState, frozenset[NodeState]] = {
    _S.UNCONFIGURED: frozenset({_S.INACTIVE, _S.ERROR, _S.FINALIZED}),
    _S.INACTIVE: frozenset({_S.ACTIVE, _S.UNCONFIGURED, _S.ERROR, _S.FINALIZED}),
    _S.ACTIVE: frozenset({_S.INACTIVE, _S.ERROR, _S.FINALIZED}),
    _S.ERROR: frozenset({_S.UNCONFIGURED, _S.FINALIZED}),
    _S.FINALIZED: frozenset(),
}


class LifeCycle:
    """The state of one node; from any thread."""

    def __init__(self) -> None:
        self._state = NodeState.UNCONFIGURED
        self._lock = Lock()

    @property
    def state(self) -> NodeState:
        return self._state

    def to(self, state: NodeState) -> None:
        """Go on to that state.

        Raises:
            PerceptionError: it may not follow the present one, which stays.
        """
        with self._lock:
            allowed = NEXT[self._state]
            if state not in allowed:
                follow = ", ".join(sorted(allowed)) or "none"
                raise PerceptionError(
                    f"the node cannot go from {self._state} to {state}: after {self._state} may come {follow}"
                )
            self._state = state
