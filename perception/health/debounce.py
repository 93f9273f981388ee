"""From findings, which flicker, to conditions, which last: hysteresis in time."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from perception.health.types import Condition, Finding, Level
from perception.types import NS_PER_S


@dataclass(slots=True)
class _Latch:
    """Whether one thing is raised: it follows what is found once that has lasted."""

    raised: bool = False
    differs_since: int | None = None
    found_since: int = 0
    reason: str = ""

    def update(self, reason: str | None, raise_after_ns: int, clear_after_ns: int, now_ns: int) -> bool:
        """Take what is found, None for nothing; whether `raised` has changed."""
        if reason is not None:
            self.reason = reason
        if (reason is not None) == self.raised:
            self.differs_since = None
            return False
        if self.differs_since is None:
            self.differs_since = now_ns
        if now_ns - self.differs_since < (clear_after_ns if self.raised else raise_after_ns):
            return False
        self.raised = not self.raised
        self.found_since, self.differs_since = self.differs_since, None
        return True


@dataclass(slots=True)
class _Latches:
    """One name's: one for "at least WARN" and one for "at least ERROR"."""

    warn: _Latch = field(default_factory=_Latch)
    error: _Latch = field(default_factory=_Latch)


class Debounce:
    """A finding must last to become a condition, and be gone for some time to clear.

    A level must last likewise to become the condition's. Not for several threads at once.

    Args:
        at_once: names that are raised, and made worse, without waiting.
    """

    def __init__(self, raise_after_s: float, clear_after_s: float, *, at_once: Collection[str] = ()) -> None:
        self.changed = False  # by the last update: a condition came, went, or has another level
        self._raise_after_ns, self._clear_after_ns = (
            round(raise_after_s * NS_PER_S),
            round(clear_after_s * NS_PER_S),
        )
        self._at_once = frozenset(at_once)
        self._latches: dict[str, _Latches] = {}

    def update(self, findings: Iterable[Finding], now_ns: int) -> tuple[Condition, ...]:
        """The conditions now, the worst first, then by name. Of findings of one name the worst counts."""
        found: dict[str, Finding] = {}
        for finding in sorted(findings, key=lambda one: one.level):
            found[finding.name] = finding
        self.changed = False
        for name in sorted(found.keys() | self._latches.keys()):
            self._follow(name, found.get(name), now_ns)
        conditions = [
            Condition(name, level, latch.reason, (now_ns - latches.warn.found_since) / NS_PER_S)
            for name, latches in self._latches.items()
            for level, latch in [
                (Level.ERROR, latches.error) if latches.error.raised else (Level.WARN, latches.warn)
            ]
            if latch.raised
        ]
        return tuple(sorted(conditions, key=lambda one: (-one.level, one.name)))

    def _follow(self, name: str, finding: Finding | None, now_ns: int) -> None:
        latches = self._latches.setdefault(name, _Latches())
        after_ns = 0 if name in self._at_once else self._raise_after_ns
        for level, latch in ((Level.WARN, latches.warn), (Level.ERROR, latches.error)):
            reason = finding.reason if finding is not None and finding.level >= level else None
            self.changed |= latch.update(reason, after_ns, self._clear_after_ns, now_ns)
        if finding is None and not latches.warn.raised:
            del self._latches[name]
