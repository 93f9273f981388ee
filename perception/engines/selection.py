"""`auto`: which engine is the fastest here, measured once and remembered."""

import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Mapping
from datetime import date
from functools import cache
from importlib import metadata
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from perception.bundle.bundle import Bundle
from perception.bundle.manifest import InputInfo
from perception.engines.base import Engine, OpenedEngine, ReadyEngine
from perception.engines.cache import cache_folder
from perception.engines.machine import graphics, instructions, physical_cores, processor
from perception.errors import BundleError, EngineError
from perception.extras import DISTRIBUTION
from perception.resample import input_size
from perception.types import NS_PER_S

ROUNDS = 5  # timed runs of each engine, after one to warm up
_PACKAGE = Path(__file__).parents[1]
FEW = 3  # so many engines that cannot run are named; more are counted
SECONDS = 2.0  # after which no further round begins
# Distributions: their versions decide which engines run, and how fast.
RUNTIMES = (
    DISTRIBUTION, "onnxruntime", "onnxruntime-gpu", "openvino", "tensorrt", "tensorrt-rtx", "pycuda",
    "cuda-bindings",
)  # fmt: skip


class Choice(BaseModel):
    """What was chosen, and why.

    Attributes:
        ms: the least time of a run, by the name of each engine that ran, in ms; none where there was but one.
        absent: names of those that cannot run here.
        wrong: the fault of each one that ran and did not reproduce the golden output.
        passed_over: why each of the others was not measured, in full.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    engine: str
    measured: date
    ms: dict[str, float]
    absent: tuple[str, ...]
    wrong: tuple[str, ...]
    passed_over: tuple[str, ...]

    def reason(self, remembered: bool) -> str:
        """The choice in one sentence."""
        times = [f"{name} {ms:.3g} ms" for name, ms in self.ms.items() if name != self.engine]
        times[:0] = [f"{ms:.3g} ms" for name, ms in self.ms.items() if name == self.engine]
        if remembered:
            first = f"fastest here when it was measured on {self.measured}"
            first += f" ({', '.join(times)})" if times else ": no other ran"
        else:
            first = "the only one that runs here"
            first = f"fastest of {len(times)} that run here: {', '.join(times)}" if times else first
        # That an engine cannot run is usual and reported in short; wrong answers are reported in full.
        few = len(self.absent) <= FEW
        names = ", ".join(self.absent) if few else f"{len(self.absent)} others (perception doctor says why)"
        absent = (f"not: {names}",) if self.absent else ()
        return "; ".join((first, *absent, *self.wrong))


def choose(bundle: Bundle, threads: int, openers: Mapping[str, Callable[[], ReadyEngine]]) -> OpenedEngine:
    """The fastest of the engines that open, with its reason.

    Args:
        threads: that the engines are opened with.
        openers: by name, of equally fast ones the first is taken; an opener raises EngineError where its
            engine cannot run here, and BundleError where it answers wrongly.

    Raises:
        EngineError: none can run.
        BundleError: the last that can run answers wrongly.
    """
    path = _folder() / f"{_key(bundle, threads)}.json"
    choice = _recall(path)
    if choice is not None and choice.engine in openers:
        try:
            return _explained(openers[choice.engine](), choice, True)
        except (EngineError, BundleError):
            pass  # something changed that is not part of the key: all are measured again
    opened, refusals = _open_all(openers)
    ms = _times(opened, bundle.info.input) if len(opened) > 1 else {}
    name = min(ms, key=ms.__getitem__, default=next(iter(opened)))
    choice = Choice(
        engine=name,
        measured=date.today(),
        ms=ms,
        absent=tuple(n for n, refusal in refusals.items() if isinstance(refusal, EngineError)),
        wrong=tuple(str(refusal) for refusal in refusals.values() if isinstance(refusal, BundleError)),
        passed_over=tuple(map(str, refusals.values())),
    )
    try:
        _remember(path, choice)
    except OSError as error:
        note = f"the choice of {name} cannot be remembered, so each start measures again: {error}"
        return _explained(opened[name], choice, False, note)
    return _explained(opened[name], choice, False)


def forget() -> None:
    """Forget all choices, as an engine was built since."""
    shutil.rmtree(_folder(), ignore_errors=True)


def _explained(engine: ReadyEngine, choice: Choice, remembered: bool, *notes: str) -> OpenedEngine:
    return OpenedEngine(engine, choice.reason(remembered), choice.passed_over, notes)


def _open_all(
    openers: Mapping[str, Callable[[], ReadyEngine]],
) -> tuple[dict[str, ReadyEngine], dict[str, EngineError | BundleError]]:
    """The engines that open, one at least, and why the others do not."""
    opened: dict[str, ReadyEngine] = {}
    refusals: dict[str, EngineError | BundleError] = {}
    for name, opener in openers.items():
        try:
            opened[name] = opener()
        except (EngineError, BundleError) as error:
            refusals[name] = error
    if opened:
        return opened, refusals
    # That a network answers wrongly is the bundle's fault; that it does not run is the machine's.
    wrong = [refusal for refusal in refusals.values() if isinstance(refusal, BundleError)]
    if wrong:
        raise wrong[-1]
    raise EngineError("no engine can run here: " + "; ".join(map(str, refusals.values())))


def _times(engines: Mapping[str, Engine], info: InputInfo) -> dict[str, float]:
    """Least ms of a run at the size of a frame of 16:9, the fastest first; the engines take turns.

    What this thread waits for a core is left out: on a busy machine all runs wait, the fast ones no less.
    """
    height, width = info.size or input_size(9, 16, info.pixels, info.multiple)
    image = np.random.default_rng(0).integers(0, 256, (height, width, 3 * info.frames), np.uint8)
    ms: dict[str, list[float]] = {name: [] for name in engines}
    for engine in engines.values():
        engine.run(image)
    end = time.perf_counter() + SECONDS
    for _ in range(ROUNDS):
        for name, engine in engines.items():
            start = time.perf_counter() - _waited_s()
            engine.run(image)
            ms[name].append(1000 * (time.perf_counter() - _waited_s() - start))
        if time.perf_counter() > end:
            break
    least = {name: min(times) for name, times in ms.items()}  # other work on the machine only ever adds
    return dict(sorted(least.items(), key=lambda one: one[1]))


def _waited_s() -> float:
    """For how long this thread has waited for a core in its life; 0 where the system does not say."""
    try:
        return int(Path("/proc/thread-self/schedstat").read_bytes().split()[1]) / NS_PER_S
    except (OSError, IndexError, ValueError):
        return 0.0


def _folder() -> Path:
    return cache_folder() / "choices"


def _recall(path: Path) -> Choice | None:
    """The remembered choice; None where there is none that can be read: engines are then measured again."""
    try:
        return Choice.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None


def _remember(path: Path, choice: Choice) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(f".{os.getpid()}")
    draft.write_text(choice.model_dump_json(indent=2), encoding="utf-8")
    draft.replace(path)


def _key(bundle: Bundle, threads: int) -> str:
    """A hash of all that a choice depends on."""
    machine = (physical_cores(), processor(), instructions(), graphics(), versions())
    # What opens engines decides how fast they are, too.
    facts = (bundle.info.model_dump_json(), threads, machine, code_digest(_PACKAGE / "engines"))
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def versions() -> dict[str, str]:
    """Those of `RUNTIMES` that are installed, with their versions."""
    found = {}
    for name in RUNTIMES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


@cache
def exact_versions() -> dict[str, str]:
    """`versions`, with a digest of this package's code: two states of a repository may have one version."""
    found = versions()
    return found | {DISTRIBUTION: f"{found[DISTRIBUTION]} ({code_digest(_PACKAGE)})"}


def code_digest(folder: Path) -> str:
    """Of all Python files in a folder, their places and contents."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*.py")):
        digest.update(f"{path.relative_to(folder)}\n{path.stat().st_size}\n".encode() + path.read_bytes())
    return digest.hexdigest()[:12]
