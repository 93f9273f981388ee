"""What a node says of itself: how fresh its answers are, what is wrong, and how many frames went where."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import IntEnum, StrEnum
from typing import Any

from perception.frame import DropReason
from perception.scene import Signal, Status


class Level(IntEnum):
    """How bad it is; the worst condition's level is the node's."""

    OK = 0
    WARN = 1  # scenes are good, but something needs looking after
    ERROR = 2  # scenes are missing, or must not be trusted


class NodeState(StrEnum):
    """The node's life cycle, as ROS 2 names the states of a managed node."""

    UNCONFIGURED = "unconfigured"  # nothing is open
    INACTIVE = "inactive"  # source, engine and sinks are open; nothing is read
    ACTIVE = "active"
    ERROR = "error"  # ended early, with the reason published
    FINALIZED = "finalized"  # all is closed


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check sees in this moment, such as ("black", ERROR, "the picture is black: mean 2 of 255")."""

    name: str
    level: Level
    reason: str


@dataclass(frozen=True, slots=True)
class Condition:
    """A finding that has lasted; `since_s` is how long."""

    name: str
    level: Level
    reason: str
    since_s: float


@dataclass(frozen=True, slots=True)
class Account:
    """Where all frames are at one moment: captured = published + all dropped + in_flight.

    Attributes:
        statuses: published frames by the status of their scenes.
        in_flight: frames captured, and neither published nor dropped yet; 0 once the node has ended.
    """

    captured: int
    statuses: Mapping[Status, int]
    in_flight: int
    dropped: Mapping[DropReason, int]

    @property
    def published(self) -> int:
        return sum(self.statuses.values())


@dataclass(frozen=True, slots=True)
class SinkState:
    """The account of one sink: offered = written + lost + queued.

    Attributes:
        lost: frames by reason, such as "queue full" or "No space left on device".
        oldest_ms: how long the first in its queue, or the one being written, has waited.
        error: why it takes nothing now, for people; empty while it does.
        viewers: it shows scenes to viewers, who come and go: one that is gone costs nobody a scene.
    """

    uri: str
    written: int
    lost: dict[str, int]
    queued: int = 0
    oldest_ms: float = 0.0
    error: str = ""
    viewers: bool = False


@dataclass(frozen=True, slots=True)
class Health:
    """One camera's state in one moment; written to every sink each second, and at once when it changes.

    Attributes:
        stamp_ns, wall_ns: when it was taken, by the host's monotonic clock, and since the Unix epoch.
        silent_ms: since the last frame came; None before the first one.
        rate_in, rate_out: frames a second that came, and that were published, over the last two seconds.
        jitter_ms: how far the intervals between frames stray from their median (median absolute deviation).
        age_ms: median and 99th percentile of the ages at publication over the last seconds.
        infer_ms: the same of the time in the engine.
        step: how the node has stepped down to keep up, for people; empty at full quality.
        link: state of a live source's connection; empty for a recording.
        restarts: dead or hung stages that were replaced.
    """

    camera: str
    state: NodeState
    signal: Signal
    level: Level
    conditions: tuple[Condition, ...] = ()
    stamp_ns: int = 0
    wall_ns: int = 0
    silent_ms: float | None = None
    captured: int = 0
    published: int = 0
    in_hand: int = 0
    dropped: dict[str, int] = field(default_factory=dict)
    stale: int = 0
    unreliable: int = 0
    not_ready: int = 0
    rate_in: float = 0.0
    rate_out: float = 0.0
    jitter_ms: float = 0.0
    age_ms: tuple[float, float] = (0.0, 0.0)
    infer_ms: tuple[float, float] = (0.0, 0.0)
    step: str = ""
    link: str = ""
    connections: int = 0
    restarts: int = 0
    sinks: tuple[SinkState, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Plain values; levels by their names, in small letters."""
        values = asdict(self)
        values["level"] = self.level.name.lower()
        for condition, shown in zip(self.conditions, values["conditions"], strict=True):
            shown["level"] = condition.level.name.lower()
        return values


class LinkState(StrEnum):
    """How a live source stands with its camera."""

    CONNECTING = "connecting"
    STREAMING = "streaming"
    LOST = "lost"  # and tried again
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Link:
    """A moment of a live source's connection. From any thread.

    Attributes:
        reason: why it is not streaming, for people, without credentials; empty where there is nothing to say.
        connections: how often it was made; the first one counts.
        lag_ms: how much longer than at its quickest a frame now waits in buffers, by the stream's own clock.
        waited_ms: how long the last frame waited here, to be decoded, since it had arrived.
    """

    state: LinkState
    reason: str = ""
    connections: int = 0
    lag_ms: float = 0.0
    waited_ms: float = 0.0
