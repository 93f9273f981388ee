"""The graph as ONNX Runtime has optimised it is kept, gives the same answers, and never stands in the way."""

import hashlib
import shutil
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from perception.bundle.bundle import Bundle
from perception.bundle.manifest import Precision
from perception.engines import machine, onnx_cpu
from perception.engines.cache import cache_folder
from perception.engines.onnx_cpu import CPU, open_cpu, open_session


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """From what each session is made: a graph, which is optimised, or what is kept."""
    made: list[str] = []
    original = onnx_cpu.open_session

    def watched(name: str, model: Path | bytes, *args: object, **more: object) -> object:
        made.append("graph" if isinstance(model, Path) else "kept")
        return original(name, model, *args, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(onnx_cpu, "open_session", watched)
    return made


def answer(bundle: Bundle) -> tuple[dict[str, npt.NDArray[np.generic]], tuple[str, ...]]:
    engine = open_cpu(bundle, 1, Precision.INT8)
    image = np.random.default_rng(0).integers(0, 256, (352, 640, 3), np.uint8)
    return engine.run(image), engine.info.notes


def test_the_second_start_takes_what_the_first_one_kept(opened: list[str]) -> None:
    bundle = Bundle.load("drive")
    first, second = answer(bundle), answer(bundle)
    assert opened == ["graph", "kept"]
    assert first[1] == second[1] == ()
    for name, values in first[0].items():
        np.testing.assert_array_equal(second[0][name], values)


@pytest.mark.parametrize("damage", ["altered", "of another build"])
def test_what_cannot_be_used_is_made_again(opened: list[str], damage: str) -> None:
    bundle = Bundle.load("drive")
    answer(bundle)
    (folder,) = (cache_folder() / "onnxruntime").iterdir()
    (folder / "engine").write_bytes(b"no graph")
    if damage == "of another build":
        (folder / "engine.sha256").write_text(hashlib.sha256(b"no graph").hexdigest())
    _, (note,) = answer(bundle)
    assert "is discarded and built again" in note
    assert answer(bundle)[1] == ()
    assert opened == ["graph", *(["kept"] if damage == "of another build" else []), "graph", "kept"]


def test_a_disk_that_takes_nothing_is_noted(opened: list[str], tmp_path: Path) -> None:
    shutil.rmtree(tmp_path / "cache", ignore_errors=True)
    (tmp_path / "cache").write_bytes(b"")
    _, (note,) = answer(Bundle.load("drive"))
    assert "not kept for the next start" in note
    assert opened == ["graph"]


@pytest.mark.parametrize(
    ("flags", "unsigned"), [("avx2 avx512_vnni", False), ("avx2 avx_vnni", False), ("avx2", True), ("", True)]
)
def test_unsigned_weights_are_for_cpus_without_vnni(
    flags: str, unsigned: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Elsewhere they take twice the time."""
    monkeypatch.setattr(machine, "instructions", lambda: flags)
    session = open_session("onnx-cpu-int8", Bundle.load("drive").graph(Precision.INT8), {CPU: {}}, 1)
    options = session.get_session_options()
    try:
        assert (options.get_session_config_entry("session.x64quantprecision") == "1") == unsigned
    except RuntimeError:  # it has no such entry
        assert not unsigned


@pytest.mark.skipif(not machine.has_vnni(), reason="needs a CPU with VNNI")
def test_with_vnni_both_kinds_of_weights_give_the_same_and_are_kept_apart(
    opened: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = Bundle.load("drive")
    signed, _ = answer(bundle)
    monkeypatch.setattr(machine, "instructions", lambda: "")
    unsigned, _ = answer(bundle)
    assert opened == ["graph", "graph"]
    for name, values in signed.items():
        np.testing.assert_array_equal(unsigned[name], values)
