"""`auto`: the fastest is found by measuring, and remembered."""

import json
import subprocess
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import perception
from perception.bundle.bundle import Bundle
from perception.bundle.manifest import Precision
from perception.engines import selection as choice
from perception.engines.base import EngineInfo, OpenedEngine, ReadyEngine
from perception.engines.machine import usable_cores
from perception.engines.selection import choose, forget
from perception.errors import BundleError, EngineError
from perception.extras import DISTRIBUTION
from tests.conftest import write_colour_bundle


class Stopwatch:
    """A clock that only engines move, on a core that nobody else wants unless they say so."""

    now = waited = 0.0

    def perf_counter(self) -> float:
        return self.now


class Slow:
    """An engine with runs that take as long as it says; the first one ten times that."""

    def __init__(self, name: str, seconds: float, clock: Stopwatch) -> None:
        self.name, self.seconds, self.clock = name, seconds, clock
        self.info = EngineInfo(name, Precision.FLOAT32)
        self.shapes: list[tuple[int, ...]] = []

    def run(self, image: npt.NDArray[np.uint8]) -> dict[str, npt.NDArray[Any]]:
        self.clock.now += self.seconds if self.shapes else 10 * self.seconds
        self.shapes.append(image.shape)
        return {}


class Machine:
    """Openers of engines, of which it counts how often each was opened."""

    def __init__(self, **engines: float | Exception) -> None:
        self.engines = engines
        self.opened: list[str] = []
        self.clock = Stopwatch()

    def openers(self) -> dict[str, Callable[[], ReadyEngine]]:
        return {name: lambda name=name: self.open(name) for name in self.engines}  # type: ignore[misc]

    def open(self, name: str) -> ReadyEngine:
        self.opened.append(name)
        engine = self.engines[name]
        if isinstance(engine, Exception):
            raise engine
        return Slow(name, engine, self.clock)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache/perception/choices"


@pytest.fixture
def ask(colour_bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> Callable[..., OpenedEngine]:
    def ask(machine: Machine, threads: int = 0, bundle: Bundle = colour_bundle) -> OpenedEngine:
        machine.opened.clear()
        monkeypatch.setattr(choice, "time", machine.clock)
        monkeypatch.setattr(choice, "_waited_s", lambda: machine.clock.waited)
        return choose(bundle, threads, machine.openers())

    return ask


Ask = Callable[..., OpenedEngine]


def test_the_fastest_is_taken_whatever_its_place(ask: Ask) -> None:
    engine = ask(Machine(cuda=EngineError("cuda: no driver"), a=0.024, b=0.017, c=0.05))
    assert engine.name == "b"
    assert engine.reason == "fastest of 3 that run here: 17 ms, a 24 ms, c 50 ms; not: cuda"
    assert engine.passed_over == ("cuda: no driver",)
    assert isinstance(engine.engine, Slow)
    # The largest of 16:9 in 640 × 384 pixels with sides of multiples of 32; once to warm up.
    assert engine.engine.shapes == [(352, 640, 3)] * (choice.ROUNDS + 1)


def test_a_run_that_is_slow_once_does_not_decide(ask: Ask) -> None:
    """The warm-up of `a` takes ten times as long as a run of `b`."""
    assert ask(Machine(a=0.02, b=0.021)).name == "a"


def test_what_a_run_waits_for_a_core_does_not_count(ask: Ask) -> None:
    machine = Machine(a=0.03, b=0.05)
    fast = machine.open("a")
    run = fast.run

    def disturbed(image: npt.NDArray[np.uint8]) -> dict[str, npt.NDArray[Any]]:
        machine.clock.now += 0.1
        machine.clock.waited += 0.1
        return run(image)

    fast.run = disturbed  # type: ignore[method-assign]
    machine.open = lambda name: fast if name == "a" else Slow(name, 0.05, machine.clock)  # type: ignore[method-assign]
    assert ask(machine).reason == "fastest of 2 that run here: 30 ms, b 50 ms"


def test_a_thread_that_waits_for_a_core_is_seen() -> None:
    """With more threads than cores, all of them busy, each waits."""
    if not Path("/proc/thread-self/schedstat").exists():
        pytest.skip("the system does not say it")
    others = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(2 * usable_cores())]
    try:
        before = choice._waited_s()
        while choice._waited_s() == before:
            sum(range(100_000))
    finally:
        for one in others:
            one.kill()
            one.wait()


def test_slow_networks_are_run_less_often(ask: Ask) -> None:
    engine = ask(Machine(a=choice.SECONDS, b=choice.SECONDS))
    assert isinstance(engine.engine, Slow)
    assert len(engine.engine.shapes) == 2


def test_one_that_runs_alone_needs_no_measuring(ask: Ask) -> None:
    machine = Machine(a=EngineError("a: absent"), b=0.01)
    engine = ask(machine)
    assert isinstance(engine.engine, Slow)
    assert (engine.info.reason, engine.engine.shapes) == ("the only one that runs here; not: a", [])
    assert ask(machine).reason == f"fastest here when it was measured on {date.today()}: no other ran; not: a"


def test_the_choice_is_remembered(ask: Ask) -> None:
    machine = Machine(a=0.024, b=0.017, c=EngineError("c: absent"))
    ask(machine)
    assert machine.opened == ["a", "b", "c"]
    engine = ask(machine)
    assert machine.opened == ["b"]
    today = date.today()
    assert engine.reason == f"fastest here when it was measured on {today} (17 ms, a 24 ms); not: c"
    assert engine.passed_over == ("c: absent",)
    assert isinstance(engine.engine, Slow)
    assert engine.engine.shapes == []


def test_other_threads_bundles_and_versions_are_measured_again(
    ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = Machine(a=0.024, b=0.017)
    ask(machine, threads=1)
    ask(machine, threads=2)
    assert machine.opened == ["a", "b"]
    ask(machine, threads=1, bundle=write_colour_bundle(tmp_path / "other", pixels=64 * 64))
    assert machine.opened == ["a", "b"]
    ask(machine, threads=1)
    assert machine.opened == ["b"]
    for name, value in (
        ("versions", {"onnxruntime": "99"}), ("graphics", ("GPU 7",)), ("processor", "Z80"),
        ("code_digest", "0"),
    ):  # fmt: skip
        monkeypatch.setattr(choice, name, lambda *_, value=value: value)
        ask(machine, threads=1)
        assert machine.opened == ["a", "b"]


@pytest.mark.parametrize("fault", [EngineError("b: the driver has gone"), BundleError("b: other labels")])
def test_one_that_fails_by_now_is_measured_again(ask: Ask, fault: Exception) -> None:
    machine = Machine(a=0.024, b=0.017, c=0.03)
    ask(machine)
    machine.engines["b"] = fault
    engine = ask(machine)
    assert machine.opened == ["b", "a", "b", "c"]
    assert engine.name == "a"
    assert engine.passed_over == (str(fault),)
    ask(machine)
    assert machine.opened == ["a"]


@pytest.mark.parametrize(
    "data",
    [b"", b"\xff", b"{}", b"[]", b'{"engine": "b"}', None],
    ids=["empty", "bytes", "{}", "[]", "cut", "tpu"],
)
def test_a_damaged_memory_is_measured_again(ask: Ask, cache: Path, data: bytes | None) -> None:
    machine = Machine(a=0.024, b=0.017)
    ask(machine)
    (file,) = cache.iterdir()
    whole = file.read_bytes()
    file.write_bytes(whole.replace(b'"b"', b'"tpu"', 1) if data is None else data)
    assert ask(machine).name == "b"
    assert machine.opened == ["a", "b"]
    assert json.loads(file.read_bytes())["engine"] == "b"


def test_a_memory_that_cannot_be_written_is_noted(ask: Ask, cache: Path) -> None:
    cache.parent.mkdir(parents=True)
    cache.write_text("a file where the folder should be")
    engine = ask(Machine(a=0.024, b=0.017))
    assert engine.name == "b"
    (note,) = engine.info.notes
    assert "the choice of b cannot be remembered" in note and str(cache) in note


def test_what_is_forgotten_is_measured_again(ask: Ask) -> None:
    machine = Machine(a=0.024, b=0.017)
    forget()  # nothing yet
    ask(machine)
    forget()
    ask(machine)
    assert machine.opened == ["a", "b"]


def test_wrong_answers_are_reported_in_full_and_are_the_bundles_fault(ask: Ask) -> None:
    wrong = BundleError("golden.npz: b reproduces 0 %")
    engine = ask(Machine(a=EngineError("a: absent"), b=wrong, c=0.01))
    assert engine.reason == "the only one that runs here; not: a; golden.npz: b reproduces 0 %"
    with pytest.raises(BundleError, match="b reproduces"):
        ask(Machine(a=EngineError("a: absent"), b=wrong), threads=1)
    with pytest.raises(EngineError, match="no engine can run here: a: absent; b: gone"):
        ask(Machine(a=EngineError("a: absent"), b=EngineError("b: gone")), threads=1)


def test_the_code_digest_tells_places_and_contents_apart(tmp_path: Path) -> None:
    def digest_of(**files: str) -> str:
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        for name, text in files.items():
            path = folder / name.replace("_", "/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.with_suffix(".py").write_text(text)
        (folder / "notes.txt").write_text(text)
        return choice.code_digest(folder)

    base = digest_of(a="x", b_c="y")
    assert digest_of(b_c="y", a="x") == base
    others = digest_of(a="x", b_c="z"), digest_of(a="x", c="y"), digest_of(a="xy", b_c=""), digest_of(a="x")
    assert len({base, *others}) == 5


def test_exact_versions_are_of_the_code_that_runs() -> None:
    exact, digest = choice.exact_versions(), choice.code_digest(Path(perception.__file__).parent)
    assert exact == choice.versions() | {DISTRIBUTION: f"{choice.versions()[DISTRIBUTION]} ({digest})"}
