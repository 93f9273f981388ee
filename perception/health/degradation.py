"""How a node that is too slow steps down, from what is missed least, and up again when there is room."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Lock

from perception.types import NS_PER_S

DOWN_AFTER_NS = 3 * NS_PER_S  # a burst of work is over sooner
UP_AFTER_NS = 10 * NS_PER_S  # room that lasts so long is not the pause between two bursts
LONGEST_UP_NS = 300 * NS_PER_S  # the wait for going up doubles with each vain try, so far and no further
VAIN_NS = 30 * NS_PER_S  # a step up that is taken back within so long was in vain
HEARD_NS = NS_PER_S  # a camera that has said nothing for so long has no say


@dataclass(frozen=True, slots=True)
class Step:
    """What the node leaves out.

    Attributes:
        name: for people; empty at full quality.
        pixel_share: of the network's input.
        heads: whether road users and lanes are found, besides what every pixel is.
        every: of so many frames one is perceived.
    """

    name: str
    pixel_share: float = 1.0
    heads: bool = True
    every: int = 1


# What each saves, of the CPU time that the flagship takes for a frame of 1024×512 (118 ms: INT8, ONNX
# Runtime, one thread), and what it costs:
#   smaller input: a third (30 → 20 ms of 1280×720); far road users are found a little less often.
#   every second frame: half of all work, so frames wait less; a scene takes as long as before, and it costs
#     one frame period of reaction time. It cannot raise a rate.
#   no road users and lanes: 4 %, which is 5 ms of grouping, as the network finds them anyway. Next to a GPU
#     that is most of the time. It costs what the node is there for: it comes last, and where it saves much.
_SMALLER = Step("smaller input (62 % of the pixels)", 0.625)  # 448×256 in place of 576×320
_SELDOMER = Step("every second frame", every=2)
_NO_ROAD_USERS = Step("no road users and lanes", heads=False)
_ORDER = _SMALLER, _SELDOMER, _NO_ROAD_USERS
GOOD_PART = 0.25  # of a frame's time
LEAST_LEFT = 0.5  # of the node's own part of the age, when all steps are taken


def _together(taken: Sequence[Step]) -> Step:
    return Step(
        ", ".join(one.name for one in taken),
        min((one.pixel_share for one in taken), default=1.0),
        all(one.heads for one in taken),
        max((one.every for one in taken), default=1),
    )


STEPS = tuple(_together(_ORDER[:count]) for count in range(len(_ORDER) + 1))  # where each of them helps


@dataclass(frozen=True, slots=True)
class Load:
    """What is missed, and what takes the time: medians over the last seconds.

    Attributes:
        rate_in, rate_out, min_rate: frames a second that come, that go as scenes or failed, and scenes that
            must.
        age_ms, max_age_ms: of scenes at their publication.
        transport_ms: how old frames are when they arrive here.
        network_ms, decode_ms: a frame's time in the network, and for road users and lanes.
    """

    rate_in: float
    rate_out: float
    min_rate: float
    age_ms: float
    max_age_ms: float
    transport_ms: float
    network_ms: float
    decode_ms: float

    def too_few(self, every: int = 1) -> bool:
        """Scenes, of a camera that gives enough frames, of which one in `every` is perceived."""
        return self.rate_out < self.min_rate and self.rate_in / every > 1.2 * self.rate_out

    @property
    def too_late(self) -> bool:
        """Scenes, for what the node does."""
        return self.age_ms > self.max_age_ms and not late_by_transport(
            self.age_ms, self.max_age_ms, self.transport_ms
        )

    def helped_by(self, step: Step) -> bool:
        """Whether leaving that out, too, brings more or fresher scenes."""
        if step.every > 1:
            return not self.too_few() and self.rate_in / step.every >= self.min_rate
        return step.heads or self.decode_ms >= GOOD_PART * (self.decode_ms + self.network_ms)


def late_by_transport(age_ms: float, max_age_ms: float, transport_ms: float) -> bool:
    """Whether scenes come too late for what happens to their frames before they arrive here.

    So it is where frames are too old already as they arrive, and where most of the age is the transport's and
    all steps together would not bring scenes in time.
    """
    own_ms = age_ms - transport_ms
    in_time = transport_ms + LEAST_LEFT * own_ms <= max_age_ms
    mostly_own = own_ms >= transport_ms
    return age_ms > max_age_ms and (transport_ms > max_age_ms or not (in_time or mostly_own))


@dataclass(frozen=True, slots=True)
class _Vote:
    """The last `update` of one camera."""

    at_ns: int
    too_slow: bool
    has_room: bool
    helps: Callable[[Step], bool]


class Degradation:
    """One step down after 3 s too slow, one up after 10 s with room. From any thread.

    Cameras that share the threads in which frames are perceived have one of it: down while any of them is too
    slow, up while all have room. Each by itself, the first to step down would make room for the others, and
    some would stay at full quality at the cost of the rest.

    A step up that has to be taken back doubles the wait for the next one, up to five minutes, so that a node
    that is only just too slow does not swing to and fro. The wait is as at first once a step up has lasted.
    """

    def __init__(self) -> None:
        self._taken: list[Step] = []
        self._step = STEPS[0]  # read by other threads
        self._slow_since: int | None = None
        self._room_since: int | None = None
        self._up_at: int | None = None  # of the last step up, as long as it may prove vain
        self._followed_at = 0
        self._wait_ns = UP_AFTER_NS
        self._votes: dict[str, _Vote] = {}  # by camera
        self._lock = Lock()  # guards all but the step

    @property
    def step(self) -> Step:
        return self._step

    def update(
        self,
        too_slow: bool,
        has_room: bool,
        now_ns: int,
        helps: Callable[[Step], bool] = lambda step: True,
        camera: str = "",
    ) -> bool:
        """To be called regularly for each camera; whether it changed the step.

        Args:
            too_slow: whether the present step is.
            has_room: whether there is room for the one above it.
            helps: whether a step is of use; others are passed over.
        """
        with self._lock:
            self._votes[camera] = _Vote(now_ns, too_slow, has_room, helps)
            votes = [one for one in self._votes.values() if now_ns - one.at_ns < HEARD_NS]
            slow = [one for one in votes if one.too_slow]
            before = self._step
            self._follow(
                bool(slow),
                all(one.has_room for one in votes),
                now_ns,
                lambda step: any(one.helps(step) for one in slow),
            )
            return self._step is not before

    def _follow(self, too_slow: bool, has_room: bool, now_ns: int, helps: Callable[[Step], bool]) -> None:
        if now_ns - self._followed_at > HEARD_NS:  # nobody knew what was meanwhile
            self._slow_since = self._room_since = None
        self._followed_at = now_ns
        self._slow_since = _since(self._slow_since, too_slow, now_ns)
        self._room_since = _since(self._room_since, has_room and not too_slow, now_ns)
        if self._up_at is not None and now_ns - self._up_at > VAIN_NS:
            self._up_at, self._wait_ns = None, UP_AFTER_NS
        if self._slow_since is not None and now_ns - self._slow_since >= DOWN_AFTER_NS:
            self._go_down(now_ns, helps)
        elif self._room_since is not None and now_ns - self._room_since >= self._wait_ns:
            self._go_up(now_ns)

    def _go_down(self, now_ns: int, helps: Callable[[Step], bool]) -> None:
        below = next((one for one in _ORDER if one not in self._taken and helps(one)), None)
        if below is None:
            return
        self._taken.append(below)
        self._step = _together(self._taken)
        self._slow_since = now_ns  # the new step is judged by itself
        if self._up_at is not None:
            self._wait_ns = min(2 * self._wait_ns, LONGEST_UP_NS)
            self._up_at = None

    def _go_up(self, now_ns: int) -> None:
        if self._taken:
            self._taken.pop()
            self._step = _together(self._taken)
            self._room_since = self._up_at = now_ns


def _since(since: int | None, holds: bool, now_ns: int) -> int | None:
    """From when on it has held without a break."""
    if not holds:
        return None
    return now_ns if since is None else since
