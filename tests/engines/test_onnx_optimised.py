"""The graph as ONNX Runtime has optimised it is kept, gives the same answers, and never stands in the way."""

import hashlib
import shutil
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from perception.bundle.bundle import Bundle
from perception.bundle.manifest import Precision
from perception.engines import onnx_cpu
from perception.engines.cache import cache_folder
from perception.engines.onnx_cpu import open_cpu


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
