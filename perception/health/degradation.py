"""How a node that is too slow steps down, from what is missed least, and up again when there is room."""

from dataclasses import dataclass

from perception.types import NS_PER_S

DOWN_AFTER_NS = 3 * NS_PER_S  # a burst of work is over sooner
UP_AFTER_NS = 10 * NS_PER_S  # room that lasts so long is not the pause between two bursts
LONGEST_UP_NS = 300 * NS_PER_S  # the wait for going up doubles with each vain try, so far and no further
VAIN_NS = 30 * NS_PER_S  # a step up that is taken back within so long was in vain


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


# Each step also leaves out what those before it do. A smaller input costs a little of far things; without
# road users and lanes the classes still tell where they are; fewer frames cost reaction time: they are last.
STEPS = (
    Step(""),
    Step("smaller input (60 % of the pixels)", 0.6),
    Step("smaller input, no road users and lanes", 0.6, heads=False),
    Step("smaller input, no road users and lanes, every second frame", 0.6, heads=False, every=2),
)


class Degradation:
    """One step down after 3 s too slow, one up after 10 s with room. Not for several threads at once.

    A step up that has to be taken back doubles the wait for the next one, up to five minutes, so that a node
    that is only just too slow does not swing to and fro. The wait is as at first once a step up has lasted.
    """

    def __init__(self) -> None:
        self._index = 0
        self._slow_since: int | None = None
        self._room_since: int | None = None
        self._up_at: int | None = None  # of the last step up, as long as it may prove vain
        self._wait_ns = UP_AFTER_NS

    @property
    def step(self) -> Step:
        return STEPS[self._index]

    def update(self, too_slow: bool, has_room: bool, now_ns: int) -> Step:
        """Told regularly whether the present step is too slow, or has room for the one above it."""
        self._slow_since = _since(self._slow_since, too_slow, now_ns)
        self._room_since = _since(self._room_since, has_room and not too_slow, now_ns)
        if self._up_at is not None and now_ns - self._up_at > VAIN_NS:
            self._up_at, self._wait_ns = None, UP_AFTER_NS
        if self._slow_since is not None and now_ns - self._slow_since >= DOWN_AFTER_NS:
            self._go_down(now_ns)
        elif self._room_since is not None and now_ns - self._room_since >= self._wait_ns:
            self._go_up(now_ns)
        return self.step

    def _go_down(self, now_ns: int) -> None:
        if self._index + 1 < len(STEPS):
            self._index += 1
            self._slow_since = now_ns  # the new step is judged by itself
        if self._up_at is not None:
            self._wait_ns = min(2 * self._wait_ns, LONGEST_UP_NS)
            self._up_at = None

    def _go_up(self, now_ns: int) -> None:
        if self._index:
            self._index -= 1
            self._room_since = self._up_at = now_ns


def _since(since: int | None, holds: bool, now_ns: int) -> int | None:
    """From when on it has held without a break."""
    if not holds:
        return None
    return now_ns if since is None else since
