"""OpenVINO, beyond what all engines must do: its errors, and what it keeps."""

import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper

from perception.bundle.bundle import Bundle
from perception.engines.base import Engine
from perception.engines.buffers import SHAPES
from perception.engines.registry import open_engine
from perception.errors import EngineError
from tests.conftest import nearest_colour
from tests.engines.test_engines import corrupted
from tests.graphs import NODE

pytest.importorskip("openvino", exc_type=ImportError)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache/perception/openvino"


def ask(engine: Engine, *shapes: tuple[int, int]) -> None:
    for shape in shapes:
        image = np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8)
        np.testing.assert_array_equal(engine.run(image)["labels"], nearest_colour(image))


def test_what_was_compiled_is_kept(
    colour_bundle: Bundle, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask(open_engine(colour_bundle, "openvino", 1), (32, 64))
    assert len(list(cache.iterdir())) == 2  # for the golden input and for that one
    engine = open_engine(colour_bundle, "openvino", 1)
    monkeypatch.setattr(engine.engine, "_compile", None)
    ask(engine, (32, 64))
    assert engine.info.notes == () and engine.info.own_threads


def test_what_was_kept_and_is_damaged_is_compiled_again_with_a_note(
    colour_bundle: Bundle, cache: Path
) -> None:
    open_engine(colour_bundle, "openvino", 1)
    (kept,) = cache.glob("*/engine")
    kept.write_bytes(kept.read_bytes()[:-1])
    engine = open_engine(colour_bundle, "openvino", 1)
    (note,) = engine.info.notes
    assert str(kept.parent) in note and "is discarded and built again: its sha256 is" in note
    assert open_engine(colour_bundle, "openvino", 1).info.notes == ()


def test_images_of_all_sizes_do_not_fill_the_disk(colour_bundle: Bundle, cache: Path) -> None:
    ask(open_engine(colour_bundle, "openvino", 1), *((32, 32 * n) for n in range(1, SHAPES + 2)))
    assert len(list(cache.iterdir())) == SHAPES


@pytest.mark.parametrize(
    ("model", "fault"),
    [
        (b"", "image"),
        (None, "Frobnicate in the layer 'layer7'"),
    ],
)
def test_a_graph_that_it_does_not_know_is_an_error_without_a_word_on_stderr(
    colour_bundle: Bundle, tmp_path: Path, model: bytes | None, fault: str, capfd: pytest.CaptureFixture[str]
) -> None:
    if model is None:
        sides: list[str | int | None] = [1, "h", "w", 3]
        graph = helper.make_graph(
            [NODE("Frobnicate", ["image"], ["labels"], name="layer7", domain="acme")],
            "odd",
            [helper.make_tensor_value_info("image", TensorProto.UINT8, sides)],
            [helper.make_tensor_value_info("labels", TensorProto.UINT8, sides)],
        )
        sets = [helper.make_opsetid("", 18), helper.make_opsetid("acme", 1)]
        model = helper.make_model(graph, opset_imports=sets, ir_version=9).SerializeToString()
    with pytest.raises(EngineError, match=rf"openvino cannot run: OpenVINO refuses .*model\.onnx: .*{fault}"):
        open_engine(corrupted(colour_bundle, tmp_path / "odd", model=model), "openvino")
    assert capfd.readouterr() == ("", "")


def test_where_it_is_not_installed_the_extra_is_named(
    colour_bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(EngineError, match=r"openvino cannot run: .*its extra \[openvino\]: "):
        open_engine(colour_bundle, "openvino")


def test_a_signal_is_survived_after_engines_are_gone(colour_bundle: Bundle) -> None:
    script = f"""
import gc, signal
from pathlib import Path
from perception.bundle.bundle import Bundle
from perception.engines.registry import open_engine
bundle = Bundle.load(Path({str(colour_bundle.folder)!r}))
one, other = (open_engine(bundle, "openvino", 1) for _ in range(2))
del one
gc.collect()
del other
gc.collect()
signal.raise_signal(signal.SIGINT)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=60
    )
    assert "KeyboardInterrupt" in done.stderr
    assert done.returncode in (1, 130, -signal.SIGINT)
