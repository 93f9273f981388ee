"""Building for TensorRT: the shapes of an engine, and its real parser where `tensorrt_rtx` is installed."""

import signal
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper

from perception.bundle.manifest import InputInfo
from perception.engines.cache import EngineCache, EngineKey
from perception.engines.tensorrt_build import Shapes, build, profile
from perception.errors import EngineError
from tests.conftest import colour_graph

SHAPES: Shapes = ((1, 32, 32, 3), (1, 64, 96, 3), (1, 128, 160, 3))


@given(
    pixels=st.integers(32 * 32, 4000 * 4000),
    multiple=st.sampled_from([1, 8, 32]),
    golden=st.tuples(st.integers(1, 64), st.integers(1, 64)),
    frames=st.integers(1, 3),
)
def test_a_profile_spans_a_quarter_to_four_times_the_pixels_and_the_golden_input(
    pixels: int, multiple: int, golden: tuple[int, int], frames: int
) -> None:
    info = InputInfo(pixels=pixels, multiple=multiple, frames=frames)
    rows, columns = (side * multiple for side in golden)
    least, usual, greatest = profile(info, (rows, columns, 3 * frames))
    assert usual == profile(info)[1]
    assert usual[1] * usual[2] <= pixels
    for low, side, high, gold in zip(least, usual, greatest, (1, rows, columns, 3 * frames), strict=True):
        assert low <= side <= high
        assert low <= gold <= high
    assert not any(side % multiple for shape in (least, usual, greatest) for side in shape[1:3])
    assert least[1] * least[2] <= max(pixels / 4, multiple**2)


def test_a_profile_in_numbers() -> None:
    info = InputInfo(pixels=640 * 384)
    assert profile(info) == ((1, 160, 288, 3), (1, 352, 640, 3), (1, 736, 1312, 3))
    assert profile(info, any_smaller=True) == ((1, 32, 32, 3), (1, 352, 640, 3), (1, 736, 1312, 3))
    fixed = InputInfo(pixels=640 * 384, size=(384, 640), frames=2)
    assert profile(fixed, (384, 640, 6)) == ((1, 384, 640, 6),) * 3


@pytest.fixture
def rtx() -> Any:
    return pytest.importorskip("tensorrt_rtx")


def graph(*nodes: Any, opset: int = 18, domain: str = "") -> bytes:
    """ONNX: uint8 image (n, h, w, 3) → x, float32, → the nodes → y."""
    sides: list[str | int | None] = ["n", "h", "w", 3]
    made = helper.make_graph(
        [helper.make_node("Cast", ["image"], ["x"], to=TensorProto.FLOAT), *nodes],
        "test",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, sides)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, sides)],
    )
    imports = [helper.make_opsetid("", opset)] + ([helper.make_opsetid(domain, 1)] if domain else [])
    return bytes(helper.make_model(made, opset_imports=imports, ir_version=9).SerializeToString())


def test_an_engine_is_built_without_a_gpu_and_kept_byte_for_byte(rtx: Any, tmp_path: Path) -> None:
    shares: list[float] = []
    engine = build(rtx, colour_graph(), SHAPES, shares.append)
    assert len(engine) > 1000
    assert shares == sorted(shares) and all(0 <= share <= 1 for share in shares)
    cache = EngineCache(tmp_path)
    key = EngineKey("a" * 64, "no GPU", (12, 0), "", f"tensorrt_rtx {rtx.__version__}", SHAPES)
    assert cache.write(key, engine) == ()
    assert cache.read(key) == (engine, ())


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (
            graph(helper.make_node("Det", ["x"], ["y"], name="head/det")),
            ["Det in the layer 'head/det'", "UNSUPPORTED_NODE"],
        ),
        (
            graph(helper.make_node("Frobnicate", ["x"], ["y"], name="head/frob", domain="a.b"), domain="a.b"),
            ["Frobnicate in the layer 'head/frob'", "Plugin not found"],
        ),
        (
            graph(helper.make_node("Resize", ["x"], ["y"], name="up")),
            ["Resize in the layer 'up'", "INVALID_NODE"],
        ),
        (graph(helper.make_node("Relu", ["x"], ["y"]), opset=99), ["ONNX opset 99, expected 9 to 25"]),
        (graph(helper.make_node("Relu", ["x"], ["y"]), opset=5), ["ONNX opset 5, expected 9 to 25"]),
        (colour_graph()[:-40], ["cannot read the graph", "truncated"]),
        (b"", ["cannot read the graph: it is empty"]),
    ],
)  # fmt: skip
def test_a_graph_that_cannot_be_read_says_where(
    rtx: Any, model: bytes, words: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(EngineError) as caught:
        build(rtx, model, SHAPES)
    for word in (f"tensorrt_rtx {rtx.__version__}", *words):
        assert word in str(caught.value)
    assert capfd.readouterr() == ("", "")


def test_what_the_builder_says_is_in_the_error(rtx: Any) -> None:
    upside_down = (SHAPES[2], SHAPES[1], SHAPES[0])
    with pytest.raises(EngineError, match=r"tensorrt_rtx [\d.]+ cannot build the graph: .{20,}"):
        build(rtx, colour_graph(), upside_down)


def test_an_error_in_the_report_of_progress_stops_the_building(
    rtx: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("perception.engines.tensorrt_build._POLL_S", 0.001)

    def interrupted(share: float) -> None:
        signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        build(rtx, colour_graph(), SHAPES, interrupted)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("builder")]
