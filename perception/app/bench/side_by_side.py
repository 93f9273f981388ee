"""How `perception bench --compare` measures: every variant in turn, round after round."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar

import cv2
import numpy as np
import numpy.typing as npt

from perception.app.bench import IN_MEMORY, SOURCE, read_frames, timed
from perception.app.bench.variants import Comparison, Quartiles, Variant
from perception.bundle.bundle import Bundle
from perception.bundle.manifest import OutputInfo
from perception.engines.base import OnBuild
from perception.engines.machine import usable_cores
from perception.engines.registry import ENGINES, open_engine
from perception.errors import BundleError, ConfigError, EngineError
from perception.frame import Frame
from perception.perceiver import Perceiver
from perception.resample import resize

Item = TypeVar("Item")
Maps = Mapping[str, npt.NDArray[Any]]

ROUNDS = 10  # in each, every variant has a turn, so that a slow minute of the machine affects all equally
REFERENCE = "onnx-cpu"  # the float32 engine that the others' answers are compared with
LONGEST_SIDE = 8192


def compare(
    model: str | Path = "drive",
    engines: Sequence[str] = (),
    source: str = SOURCE,
    frames: int = 100,
    sizes: Sequence[tuple[int, int]] = (),
    threads: Sequence[int] = (1,),
    cameras: Sequence[int] = (1,),
    progress: Callable[[Sequence[Any]], Iterable[Any]] = iter,
    on_build: OnBuild | None = None,
) -> Comparison:
    """Measure every combination of engine, threads, size and cameras, in turn.

    Args:
        engines: of `perception.engines.registry.known_engines`; none: all of `ENGINES`, and those that
            cannot run are listed.
        frames: how many each camera of each variant gives, rounded up to a multiple of `ROUNDS`.
        sizes: heights and widths that the source's frames are brought to; none: as they are.
        threads: CPU threads of one run, each at least 0; see `Perceiver.load`.
        cameras: how many call the same engine at a time, each at least 1.
        progress: wraps the sequence of turns, such as `rich.progress.track`.
        on_build: see `perception.engines.registry.open_engine`.

    Raises:
        ConfigError: "auto" is among the engines.
        EngineError: a named engine is not known or cannot run here, or none can.
        PerceptionError: the bundle or the source cannot be used.
    """
    if "auto" in engines:
        raise ConfigError("engine auto: it is one of those to be compared; name it, or leave --engine out")
    bundle = Bundle.load(model)
    some = read_frames(source, min(frames, IN_MEMORY))
    drives = [
        [replace(one, pixels=resize(one.image, *size)) for one in some]
        for size in dict.fromkeys(sizes or [(some[0].height, some[0].width)])
    ]
    not_run: dict[str, str] = {}
    truths: list[list[Maps]] | None = None
    try:
        reference = Perceiver.load(bundle.folder, REFERENCE, threads=1)
        truths = [[reference.infer(reference.prepare(frame)) for frame in drive] for drive in drives]
    except (EngineError, BundleError) as error:
        not_run[REFERENCE] = str(error)

    subjects: list[_Subject] = []
    for engine in dict.fromkeys(engines or ENGINES):
        try:
            subjects += _subjects(bundle, engine, drives, truths, threads, cameras, on_build)
        except (EngineError, BundleError) as error:
            if engines:
                raise
            not_run[engine] = str(error)
    if not subjects:
        raise EngineError("no engine can run here: " + "; ".join(not_run.values()))

    count = math.ceil(frames / ROUNDS)
    before = cv2.getNumThreads()
    try:
        for subject in progress(subjects * ROUNDS):
            subject.take_turn(count)
    finally:
        cv2.setNumThreads(before)
    return Comparison(
        model=subjects[0].perceiver.model,
        source=source,
        cores=usable_cores(),
        rounds=ROUNDS,
        frames=count,
        reference=REFERENCE,
        variants=_variants(subjects),
        not_run=not_run,
    )


def parse_size(text: str) -> tuple[int, int]:
    """Height and width of "1280x720".

    Raises:
        ConfigError: it is not of that form, or too large.
    """
    width, _, height = text.partition("x")
    sides = [int(side) if side.isdecimal() else 0 for side in (height, width)]
    if not all(1 <= side <= LONGEST_SIDE for side in sides):
        raise ConfigError(
            f"--size: {text!r} is not WIDTHxHEIGHT with sides of 1 to {LONGEST_SIDE}; give 1280x720, say"
        )
    return sides[0], sides[1]


@dataclass
class _Samples:
    """ms of each call, and calls per second of each turn."""

    ms: list[float] = field(default_factory=list)
    fps: list[float] = field(default_factory=list)

    def add(self, call: Callable[[Item], object], items: Sequence[Item], cameras: int, count: int) -> None:
        """Let that many cameras make `count` calls each, in parallel."""

        def shoot(camera: int) -> list[float]:
            return [timed(call, items[(camera + index) % len(items)])[1] for index in range(count)]

        with ThreadPoolExecutor(cameras) as pool:
            list(pool.map(call, [items[0]] * cameras))  # the first run after another engine's is slow
            calls, ms = timed(lambda: list(chain.from_iterable(pool.map(shoot, range(cameras)))))
        self.ms += calls
        self.fps.append(len(calls) / ms * 1000)

    @property
    def rate(self) -> float:
        return float(np.median(self.fps))


@dataclass
class _Subject:
    """A variant that is being measured."""

    perceiver: Perceiver
    threads: int
    cameras: int
    drive: list[Frame]
    open_ms: float
    agreement: float | None
    network: _Samples = field(default_factory=_Samples)
    perceive: _Samples = field(default_factory=_Samples)

    def __post_init__(self) -> None:
        self.images = [self.perceiver.prepare(frame) for frame in self.drive]

    def take_turn(self, count: int) -> None:
        cv2.setNumThreads(self.threads or usable_cores())  # cv2 runs `prepare` and `decode`
        self.network.add(self.perceiver.engine.run, self.images, self.cameras, count)
        self.perceive.add(self.perceiver.perceive, self.drive, self.cameras, count)


def _subjects(
    bundle: Bundle,
    engine: str,
    drives: list[list[Frame]],
    truths: list[list[Maps]] | None,
    threads: Sequence[int],
    cameras: Sequence[int],
    on_build: OnBuild | None,
) -> list[_Subject]:
    """Every variant of one engine, opened once for each number of threads."""
    subjects = []
    for number in dict.fromkeys(threads):

        def first_scene(number: int = number) -> Perceiver:
            perceiver = Perceiver.load(bundle.folder, engine, number)
            perceiver.perceive(drives[0][0])
            return perceiver

        open_engine(bundle, engine, number, on_build)  # imports the runtime, and builds what has to be built
        perceiver, open_ms = timed(first_scene)
        for index, drive in enumerate(drives):
            maps = [perceiver.infer(perceiver.prepare(frame)) for frame in drive]
            agreement = None if truths is None else _agreement(bundle.info.outputs, maps, truths[index])
            subjects += [
                _Subject(perceiver, number, count, drive, open_ms, agreement)
                for count in dict.fromkeys(cameras)
            ]
    return subjects


def _agreement(outputs: Mapping[str, OutputInfo], found: Sequence[Maps], wanted: Sequence[Maps]) -> float:
    """See `Variant.agreement`."""
    shares = []
    for name in ["labels"] if "labels" in outputs else outputs:
        pairs = zip(found, wanted, strict=True)
        apart = [np.abs(one[name].astype(np.float64) - other[name]) for one, other in pairs]
        shares.append(float(np.mean([np.mean(one <= outputs[name].tolerance) for one in apart])))
    return min(shares)


def _variants(subjects: Sequence[_Subject]) -> tuple[Variant, ...]:
    slowest_network = min(one.network.rate for one in subjects)
    slowest_perceive = min(one.perceive.rate for one in subjects)
    variants = []
    for one in subjects:
        network_ms, perceive_ms = Quartiles.of(one.network.ms), Quartiles.of(one.perceive.ms)
        height, width = one.images[0].shape[:2]
        info = one.perceiver.engine.info
        assert info is not None  # it has run
        variants.append(
            Variant(
                engine=info.name,
                precision=info.precision,
                threads=one.threads,
                frame=(one.drive[0].height, one.drive[0].width),
                input=(height, width),
                cameras=one.cameras,
                open_ms=one.open_ms,
                agreement=one.agreement,
                network_ms=network_ms,
                network_fps=one.network.rate,
                network_ratio=one.network.rate / slowest_network,
                perceive_ms=perceive_ms,
                perceive_fps=one.perceive.rate,
                perceive_fps_per_camera=one.perceive.rate / one.cameras,
                perceive_ratio=one.perceive.rate / slowest_perceive,
                overhead_ms=perceive_ms.median - network_ms.median,
            )
        )
    return tuple(variants)
