"""`perception bench --bus`: scenes on a bus, and a process that subscribes to them."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, replace
from functools import partial
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
from rich.console import Group, RenderableType
from rich.table import Column, Table
from rich.text import Text

from perception.app.bench import read_frames
from perception.engines.machine import usable_cores
from perception.errors import ConfigError
from perception.frame import Frame
from perception.interchange.shm.layout import Part
from perception.interchange.shm.reader import Held, Reader
from perception.perceiver import Perceiver
from perception.scene import Scene
from perception.sinks.base import Sink
from perception.sinks.registry import SINKS, open_sink
from perception.types import NS_PER_MS, Image

LOOP = 16  # scenes that are published over and over
WARM_S = 1.0  # for who subscribes to be found, and for the first frames' memory
SETTLE_S = 0.5  # for what is still on its way in the end
_POLL_S = 0.1
_NOTHING: Image = np.empty((0, 0, 3), np.uint8)

Stamps = Iterator[
    int | None
]  # the wall clock's stamp of each scene that comes, None where none does for a while


def _shared(wanted: Part, place: str) -> Stamps:
    with Reader.open(place, wanted) as reader:
        while True:
            held = reader.next(_POLL_S)
            if isinstance(held, Held):
                yield held.frame.wall_ns
                reader.release(held)
            else:
                yield None


# By the sink's scheme: what is subscribed to, and how that is read at the place of its URI.
SUBSCRIBERS: dict[str, dict[str, Callable[[str], Stamps]]] = {
    "shm": {
        "labels": partial(_shared, Part.LABELS),
        "picture, maps, scene": partial(_shared, Part.PICTURE | Part.LABELS | Part.INSTANCES | Part.SCENE),
    }
}


@dataclass(frozen=True, slots=True)
class Row:
    """One subscription at one rate.

    Attributes:
        received: share of the scenes that were published.
        age_ms: 50th and 99th percentile, from the start of publishing to when the subscriber has it.
        publish_ms, read_ms: CPU time of a scene of the process that publishes, and of the other one.
    """

    subscribed: str
    rate: float
    received: float
    age_ms: tuple[float, float]
    publish_ms: float
    read_ms: float


@dataclass(frozen=True, slots=True)
class BusBenchmark:
    """All rows, for people (`table`) and for programs (`as_json`)."""

    uri: str
    source: str
    size: tuple[int, int]
    cores: int
    frames: int
    rows: tuple[Row, ...]

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    def table(self) -> RenderableType:
        height, width = self.size
        heading = (
            f"{self.uri}, scenes of {self.source}, {width}×{height}, {self.frames} of each, on {self.cores} "
            "cores\nms from the start of publishing to when a subscriber has the scene; ms of CPU for each"
        )
        names = "Hz", "received", "p50", "p99", "publishing", "reading"
        table = Table("subscribed to", *(Column(name, justify="right") for name in names))
        for one in self.rows:
            ages = (f"{age:.2f}" for age in one.age_ms)
            costs = (f"{cost:.2f}" for cost in (one.publish_ms, one.read_ms))
            table.add_row(one.subscribed, f"{one.rate:g}", f"{one.received:.1%}", *ages, *costs)
        return Group(Text(heading), table)


def measure_bus(
    uri: str,
    model: str,
    engine: str,
    source: str,
    frames: int,
    rates: Sequence[float],
    progress: Callable[[Sequence[Any]], Iterable[Any]] = iter,
) -> BusBenchmark:
    """Publish scenes at each rate to one subscriber, which is a process of its own.

    Args:
        uri: of a sink whose scheme is in `SUBSCRIBERS`.
        source: of the scenes, which are perceived once.
        frames: published while it is measured.
        progress: wraps the sequence of turns, such as `rich.progress.track`.

    Raises:
        ConfigError: nobody knows how to subscribe to this sink.
        PerceptionError: the sink, the source or the model cannot be used.
    """
    sink = SINKS.parse(uri)
    if sink.uri.scheme not in SUBSCRIBERS:
        raise ConfigError(f"--bus {sink}: measured are {', '.join(f'{name}:' for name in SUBSCRIBERS)}")
    perceiver = Perceiver.load(model, engine)
    some = read_frames(source, LOOP)
    scenes = [(frame, _whole(perceiver.perceive(frame))) for frame in some]
    turns = [(name, rate) for name in SUBSCRIBERS[sink.uri.scheme] for rate in rates]
    rows = []
    for name, rate in progress(turns):
        with closing(open_sink(sink, rate, perceiver.classes)) as opened:
            subscriber = sink.uri.scheme, name, sink.uri.place
            rows.append(_measure(opened, subscriber, scenes, rate, frames))
    size = some[0].height, some[0].width
    return BusBenchmark(str(sink), source, size, usable_cores(), frames, tuple(rows))


def _whole(scene: Scene) -> Scene:
    """As a node publishes it, with maps that were enlarged: who publishes first pays for that."""
    return scene.evolve(labels=scene.labels, instance_map=scene.instance_map, logits=None)


def _measure(
    sink: Sink,
    subscriber: tuple[str, str, str],
    scenes: Sequence[tuple[Frame, Scene]],
    rate: float,
    count: int,
) -> Row:
    with _subscribed(subscriber) as pipe:
        _publish(sink, scenes, rate, round(WARM_S * rate) + 1)
        pipe.send("begin")
        cpu_s, begun_ns = time.process_time(), time.time_ns()
        _publish(sink, scenes, rate, count)
        cpu_s = time.process_time() - cpu_s
        time.sleep(SETTLE_S)
        pipe.send("end")
        stamps, ages_ms, read_s = pipe.recv()
    ages = [age for stamp, age in zip(stamps, ages_ms, strict=True) if stamp >= begun_ns]
    p50, p99 = np.percentile(ages, (50, 99)).tolist() if ages else (float("nan"), float("nan"))
    each = 1000 / count
    return Row(subscriber[1], rate, len(ages) / count, (p50, p99), cpu_s * each, read_s * each)


def _publish(sink: Sink, scenes: Sequence[tuple[Frame, Scene]], rate: float, count: int) -> None:
    start = time.monotonic()
    for number in range(count):
        time.sleep(max(0.0, start + number / rate - time.monotonic()))
        frame, scene = scenes[number % len(scenes)]
        wall_ns, host_ns = time.time_ns(), time.monotonic_ns()
        frame = replace(frame, wall_ns=wall_ns, host_ns=host_ns, sequence=number)
        scene = scene.evolve(wall_ns=wall_ns, host_ns=host_ns, sequence=number)
        sink.write(frame, scene, _NOTHING)


@contextmanager
def _subscribed(subscriber: tuple[str, str, str]) -> Iterator[Connection]:
    """A process that has subscribed; "begin" and "end" tell it what to measure."""
    context = get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_subscribe, args=(*subscriber, theirs), daemon=True)
    process.start()
    theirs.close()
    try:
        ours.recv()
        yield ours
    except (EOFError, BrokenPipeError) as error:
        raise ConfigError("--bus: the process that subscribes has ended; its error is above") from error
    finally:
        process.kill()
        process.join()


def _subscribe(scheme: str, name: str, place: str, pipe: Connection) -> None:
    stamps: list[int] = []
    ages_ms: list[float] = []
    cpu_s = 0.0
    pipe.send("ready")
    for stamp in SUBSCRIBERS[scheme][name](place):
        now_ns = time.time_ns()
        if stamp is not None:
            stamps.append(stamp)
            ages_ms.append((now_ns - stamp) / NS_PER_MS)
        if pipe.poll():
            if pipe.recv() == "end":
                pipe.send((stamps, ages_ms, time.process_time() - cpu_s))
                return
            cpu_s = time.process_time()
