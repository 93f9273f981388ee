"""What is wrong with a node just now, from its figures: one function a finding."""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from perception.health.degradation import Step, late_by_transport
from perception.health.disk import Room
from perception.health.rates import WINDOW_NS
from perception.health.types import Finding, Level, Link, SinkState
from perception.scene import Signal
from perception.types import NS_PER_S

LEAST_RATE = 0.8  # of the nominal one: what a camera drops in the dark or on a weak link is more
# Of `min_rate`: in two seconds a camera at 10 Hz gives 20 frames, or with jitter 19 or 18.
ENOUGH = 0.9
MOST_JITTER = (
    0.5  # of the period: beyond it the next frame may come before or after where this one's should be
)
# The longer one counts. A slow network shows in the ages of scenes, and one that is stuck in this.
NO_SCENE_PERIODS, NO_SCENE_MS = 8, 2000.0
STALE_SHARES = 0.1, 0.5  # of the scenes: more than now and then; and more often than not
FAILED_SHARES = 0.0, 0.5  # none should; half of them mislead whoever follows the rest
UNDECODABLE_SHARES = 0.01, 0.5  # a packet lost a second costs a frame or two of a hundred
FIRST_FRAME_MS = 1000.0  # a camera that is there has given one by then
MOST_LAG_MS = 500.0  # in buffers: more than any network's jitter
MOST_WAIT_MS = 1000.0  # in a sink's queue: four frames at 4 fps, or a disk that is asleep
FREE_SHARE = 0.05
FREE_BYTES = 1 << 30  # a quarter of an hour of video


@dataclass(frozen=True, slots=True)
class Figures:
    """What findings are made from.

    Attributes:
        silent_ms: since the last frame; None before the first.
        active_ms: since the node was first asked for its health.
        measured_s: for how long frames have come.
        rate_in, nominal_rate, min_rate: frames a second; the last is the least that will do, or None.
        unpublished_ms: since the last scene was published, or since frames came where none was yet.
        ages_ms: of the last scenes, at publication.
        transport_ms: median age of the frames as they arrived here; 0 where nothing says it.
        infer_ms: median time in the engine.
        captured, failed, undecodable: frames of the last seconds.
        lost: frames that each sink lost in the last seconds, by its URI.
        rooms: how full the disks are.
        step: how the node has stepped down.
    """

    live: bool
    signal: Signal
    silent_ms: float | None
    link: Link | None
    active_ms: float
    measured_s: float
    rate_in: float
    nominal_rate: float
    min_rate: float | None
    period_ms: float
    jitter_ms: float
    unpublished_ms: float
    ages_ms: npt.NDArray[np.float64]
    max_age_ms: float | None
    transport_ms: float
    infer_ms: float
    workers: int
    captured: int
    failed: int
    undecodable: int
    sinks: tuple[SinkState, ...]
    lost: Mapping[str, int]
    rooms: tuple[Room, ...]
    step: Step


def signal(now: Figures) -> Iterator[Finding]:
    if now.signal is Signal.OK:
        return
    why = f": {now.link.reason}" if now.link and now.link.reason else ""
    if now.silent_ms is None:
        if why or now.active_ms > FIRST_FRAME_MS:
            yield Finding("signal", Level.ERROR, f"no signal: no frame has come yet{why}")
    elif now.signal is Signal.NO_SIGNAL:
        yield Finding("signal", Level.ERROR, f"no signal: no frame for {now.silent_ms / 1000:.1f} s{why}")
    else:
        limit = 2 * now.period_ms
        late = f"{now.silent_ms:.0f} ms, at most {limit:.0f} ms"
        yield Finding("stalled", Level.WARN, f"stalled: no frame for {late}{why}")


def rate(now: Figures) -> Iterator[Finding]:
    """A camera may be as slow as it says it is, whatever `min_rate` is."""
    nominal, asked = LEAST_RATE * now.nominal_rate, ENOUGH * (now.min_rate or math.inf)
    least = min(nominal, asked)
    measured = now.measured_s * NS_PER_S >= WINDOW_NS
    if now.live and now.signal is Signal.OK and measured and now.rate_in < least:
        of = f"80 % of {now.nominal_rate:g}" if least == nominal else f"90 % of --min-rate, {now.min_rate:g}"
        yield Finding(
            "rate", Level.WARN, f"low frame rate: {now.rate_in:.1f} a second, at least {least:.1f} ({of})"
        )


def jitter(now: Figures) -> Iterator[Finding]:
    most = MOST_JITTER * now.period_ms
    if now.live and now.signal is Signal.OK and now.jitter_ms > most:
        yield Finding(
            "jitter",
            Level.WARN,
            f"frames come unevenly: jitter {now.jitter_ms:.0f} ms, at most {most:.0f} ms (half a period)",
        )


def unpublished(now: Figures) -> Iterator[Finding]:
    most = max(NO_SCENE_MS, NO_SCENE_PERIODS * now.period_ms)
    if now.live and now.signal is Signal.OK and now.unpublished_ms > most:
        yield Finding(
            "unpublished",
            Level.ERROR,
            f"frames come, but no scene for {now.unpublished_ms / 1000:.1f} s, at most {most / 1000:.1f} s",
        )


def age(now: Figures) -> Iterator[Finding]:
    if now.max_age_ms is None or not now.ages_ms.size:
        return
    share = float((now.ages_ms > now.max_age_ms).mean())
    yield from _share("age", f"scenes older than {now.max_age_ms:.0f} ms", share, STALE_SHARES)


def transport(now: Figures) -> Iterator[Finding]:
    if now.max_age_ms is None or not now.ages_ms.size:
        return
    age_ms = float(np.median(now.ages_ms))
    if late_by_transport(age_ms, now.max_age_ms, now.transport_ms):
        yield Finding(
            "transport",
            Level.WARN,
            f"the transport delays frames by {now.transport_ms:.0f} ms: scenes are {age_ms:.0f} ms old, at "
            f"most {now.max_age_ms:.0f} ms; nothing that is left out here would bring them in time",
        )


def engine_time(now: Figures) -> Iterator[Finding]:
    period_ms = now.period_ms * now.step.every
    budget = period_ms * now.workers
    if now.live and now.infer_ms > budget:
        yield Finding(
            "engine_time",
            Level.WARN,
            f"the network takes {now.infer_ms:.0f} ms a frame, at most {budget:.0f} ms "
            f"({now.workers} at a time, a frame every {period_ms:.0f} ms)",
        )


def failed(now: Figures) -> Iterator[Finding]:
    share = now.failed / max(now.captured, 1)
    yield from _share("failed", "frames that the engine failed on", share, FAILED_SHARES)


def undecodable(now: Figures) -> Iterator[Finding]:
    share = now.undecodable / max(now.captured, 1)
    yield from _share("undecodable", "frames that cannot be decoded", share, UNDECODABLE_SHARES)


def backlog(now: Figures) -> Iterator[Finding]:
    if now.link and now.link.lag_ms > MOST_LAG_MS:
        yield Finding(
            "backlog",
            Level.WARN,
            f"frames wait {now.link.lag_ms:.0f} ms in the stream's buffers, at most {MOST_LAG_MS:.0f} ms",
        )


def sinks(now: Figures) -> Iterator[Finding]:
    """One for each sink: what is worst about it."""
    for sink in now.sinks:
        name = f"sink {sink.uri}"
        if sink.error:
            yield Finding(
                name, Level.WARN if sink.viewers else Level.ERROR, f"{name} takes nothing: {sink.error}"
            )
        elif sink.viewers:
            continue
        elif lost := now.lost.get(sink.uri):
            why = max(sink.lost, key=lambda reason: sink.lost[reason])
            yield Finding(name, Level.WARN, f"{name} has just lost {lost} frames, mostly: {why}")
        elif sink.oldest_ms > MOST_WAIT_MS:
            yield Finding(
                name,
                Level.WARN,
                f"{name} lets a frame wait for {sink.oldest_ms:.0f} ms, at most {MOST_WAIT_MS:.0f} ms",
            )


def disk(now: Figures) -> Iterator[Finding]:
    for room in now.rooms:
        name = f"disk {room.folder}"
        if room.error:
            yield Finding(name, Level.WARN, f"the disk of {room.folder} cannot be asked: {room.error}")
        elif room.free < max(FREE_BYTES, FREE_SHARE * room.total):
            share = 100 * room.free / max(room.total, 1)
            yield Finding(
                name,
                Level.WARN,
                f"the disk of {room.folder} is nearly full: {room.free / 2**30:.1f} GiB ({share:.0f} %) "
                "free, at least 1 GiB and 5 %",
            )


def stepped_down(now: Figures) -> Iterator[Finding]:
    if now.step.name:
        yield Finding("stepped_down", Level.WARN, f"too slow for full quality: {now.step.name}")


FINDINGS: tuple[Callable[[Figures], Iterator[Finding]], ...] = (
    signal, rate, jitter, unpublished, age, transport, engine_time, failed, undecodable, backlog, sinks, disk,
    stepped_down,
)  # fmt: skip


def _share(name: str, what: str, share: float, limits: tuple[float, float]) -> Iterator[Finding]:
    """A share of the frames above the limits of WARN and ERROR."""
    for level, limit in zip((Level.ERROR, Level.WARN), reversed(limits), strict=True):
        if share > limit or share == limit > 0:
            yield Finding(name, level, f"{what}: {100 * share:.0f} %, at most {100 * limit:.0f} %")
            return
