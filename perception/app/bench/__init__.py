"""What `perception bench` measures: the engine alone, each stage, and how much of its rate is kept."""

import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import asdict, dataclass
from functools import partial
from itertools import cycle, islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ParamSpec, TypeVar

from rich.console import Group, RenderableType
from rich.table import Column, Table
from rich.text import Text

from perception.classes import DRIVE
from perception.engines.machine import usable_cores
from perception.errors import SourceError
from perception.frame import Frame
from perception.node.node import Node
from perception.node.report import Report
from perception.overlay import draw
from perception.perceiver import Perceiver
from perception.scene import Status, unknown_scene
from perception.sinks.queue import SinkQueue
from perception.sinks.registry import open_sink
from perception.sources.registry import open_source
from perception.types import Policy

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

SOURCE = "sim:?size=1280x720"
IN_MEMORY = 16  # frames of the source, reused in turn to measure the embedding API
REPEATS = 3  # of the measurements on all cores; their medians count


@dataclass(frozen=True)
class Benchmark:
    """Medians, for people (`table`) and for programs (`as_json`).

    Attributes:
        frame, input: height and width of the source's frames and of the network's input.
        stages_ms: one frame at a time through the embedding API with all cores: prepare, infer, decode, draw.
        engine_ms: the engine alone, that way.
        perceive_ms: the embedding API in all, that way, without draw.
        embedding_ratio: rate of the embedding API over the rate of the engine alone.
        engine_fps: the engine alone as the node runs it: one thread a frame, a frame for each core.
        pipeline_fps: the whole node, from the source to an H.264 video of the overlays; a simulated source is
            recorded first.
        pipeline_ratio: the latter over the former.
        cpu_share: the part of all cores' time that the node's stages were at work; None where the engine
            computes in threads of its own.
    """

    model: str
    engine: str
    engine_reason: str
    source: str
    cores: int
    frame: tuple[int, int]
    input: tuple[int, int]
    stages_ms: dict[str, float]
    engine_ms: float
    perceive_ms: float
    embedding_ratio: float
    engine_fps: float
    pipeline_fps: float
    pipeline_ratio: float
    cpu_share: float | None

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    def table(self) -> RenderableType:
        (height, width), (rows, columns) = self.frame, self.input
        heading = (
            f"{self.model} on {self.engine} ({self.engine_reason})\n"
            f"{self.source}, {width}×{height}, network input {columns}×{rows}, {self.cores} cores"
        )
        times = Table("one frame at a time", Column("ms", justify="right"))
        times.add_row("engine alone", f"{self.engine_ms:.2f}")
        for stage, ms in self.stages_ms.items():
            times.add_row(stage, f"{ms:.2f}")
        times.add_row("embedding API (prepare, infer, decode)", f"{self.perceive_ms:.2f}")
        times.add_row("its rate to the engine's", f"{self.embedding_ratio:.1%}")
        rates = Table("several frames at a time", Column("frames/s", justify="right"))
        rates.add_row("engine alone", f"{self.engine_fps:.1f}")
        rates.add_row("pipeline, source to H.264", f"{self.pipeline_fps:.1f}")
        rates.add_row("its rate to the engine's", f"{self.pipeline_ratio:.1%}")
        if self.cpu_share is not None:
            rates.add_row("all cores' time spent in its stages", f"{self.cpu_share:.1%}")
        return Group(Text(heading), times, rates)


def measure(
    model: str | Path = "drive", engine: str = "auto", source: str = SOURCE, frames: int = 100
) -> Benchmark:
    """Measure the bundle on the engine with frames of the source.

    Args:
        frames: how many each measurement takes; a shorter source gives all of its frames.

    Raises:
        PerceptionError: the bundle, the engine or the source cannot be used.
    """
    some = read_frames(source, min(frames, IN_MEMORY))
    single = Perceiver.load(model, engine)
    assert single.engine.info is not None  # it was waited for
    stages_ms, engine_ms, perceive_ms = _one_at_a_time(single, list(islice(cycle(some), frames)))

    parallel = Perceiver.load(model, engine, threads=1)
    engine_fps, pipeline_fps, cpu_shares = [], [], []
    with TemporaryDirectory() as folder:
        recording = recorded(source, frames, Path(folder)) if source.startswith("sim:") else source
        for _ in range(REPEATS):  # alternating, so that both have the same share of the machine
            engine_fps.append(_engine_rate(parallel, list(islice(cycle(some), frames))))
            report = _run_node(parallel, recording, frames, Path(folder))
            pipeline_fps.append(report.fps)
            cpu_shares += [] if report.cpu_share is None else [report.cpu_share]
    return Benchmark(
        model=single.model,
        engine=single.engine.name,
        engine_reason=single.engine.info.reason,
        source=source,
        cores=usable_cores(),
        frame=(some[0].height, some[0].width),
        input=single.prepare(some[0]).shape[:2],
        stages_ms=stages_ms,
        engine_ms=engine_ms,
        perceive_ms=perceive_ms,
        embedding_ratio=engine_ms / perceive_ms,
        engine_fps=statistics.median(engine_fps),
        pipeline_fps=statistics.median(pipeline_fps),
        pipeline_ratio=statistics.median(pipeline_fps) / statistics.median(engine_fps),
        cpu_share=statistics.median(cpu_shares) if cpu_shares else None,
    )


def read_frames(uri: str, count: int) -> list[Frame]:
    """The source's first frames, as many as it has.

    Raises:
        PerceptionError: the source cannot be opened, or has no frame that can be read.
    """
    with closing(open_source(uri, count)) as source:
        frames = list(islice((item for item in source if isinstance(item, Frame)), count))
    if not frames:
        raise SourceError(f"source {uri}: it has no frame that can be read, so nothing can be measured")
    return frames


def _one_at_a_time(perceiver: Perceiver, frames: list[Frame]) -> tuple[dict[str, float], float, float]:
    """ms of each stage, of the engine alone, and of `perceive`."""
    spent: dict[str, list[float]] = {}
    images = [perceiver.prepare(frame) for frame in frames[:IN_MEMORY]]
    perceiver.infer(images[0])  # the first run allocates
    for frame, image in zip(frames, cycle(images), strict=False):
        _, engine_ms = timed(perceiver.infer, image)
        scene, perceive_ms = timed(perceiver.perceive, frame)
        _, draw_ms = timed(draw, frame, scene, perceiver.classes)
        once = {**scene.timings_ms} | {"draw": draw_ms, "engine alone": engine_ms, "perceive": perceive_ms}
        for name, ms in once.items():
            spent.setdefault(name, []).append(ms)
    medians = {name: statistics.median(times) for name, times in spent.items()}
    return medians, medians.pop("engine alone"), medians.pop("perceive")


def _engine_rate(perceiver: Perceiver, frames: list[Frame]) -> float:
    """Frames per second of the engine alone, a run for each core at a time."""
    images = [perceiver.prepare(frame) for frame in frames[:IN_MEMORY]]
    with ThreadPoolExecutor(usable_cores()) as workers:
        list(workers.map(perceiver.infer, images[: usable_cores()]))
        start = time.perf_counter()
        for _ in workers.map(perceiver.infer, islice(cycle(images), len(frames))):
            pass
        return len(frames) / (time.perf_counter() - start)


def recorded(uri: str, frames: int, folder: Path) -> str:
    """A simulated drive as an H.264 video: drawing the world is not the pipeline's work."""
    with closing(open_source(uri, frames)) as source:
        path = str(folder / "drive.mp4")
        with closing(open_sink(path, source.rate, DRIVE)) as sink:
            for frame in islice((item for item in source if isinstance(item, Frame)), frames):
                sink.write(frame, unknown_scene(frame, Status.OK), frame.image)
    return path


def _run_node(perceiver: Perceiver, uri: str, frames: int, folder: Path) -> Report:
    source = open_source(uri, frames)
    video = str(folder / "overlay.mp4")
    opener = partial(open_sink, video, source.rate, perceiver.classes)
    node = Node(source, perceiver, [SinkQueue(video, opener, Policy.EVERY_FRAME)], frames=frames)
    node.run()
    return node.report()


def timed(
    call: Callable[Arguments, Result], *args: Arguments.args, **kwargs: Arguments.kwargs
) -> tuple[Result, float]:
    """What the call gives, and how many ms it took."""
    start = time.perf_counter()
    result = call(*args, **kwargs)
    return result, 1000 * (time.perf_counter() - start)
