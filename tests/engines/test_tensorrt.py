"""TensorRT: what is refused and why, what is kept, and that frames share nothing and allocate nothing.

Its parser and builder run here where `tensorrt_rtx` is installed; engines run on `tests.engines.fake_gpu`.
"""

import gc
import signal
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper

from perception.bundle.bundle import Bundle
from perception.bundle.manifest import InputInfo, Precision
from perception.engines import cuda, tensorrt
from perception.engines.cache import EngineCache, EngineKey
from perception.engines.golden import check_golden
from perception.engines.tensorrt import AT_ONCE, TensorrtEngine, check_tensorrt, open_tensorrt
from perception.engines.tensorrt_build import Shapes, build, profile
from perception.errors import EngineError
from tests.conftest import COLOURS_BGR, colour_graph, nearest_colour, write_colour_bundle
from tests.engines.fake_gpu import FakeDriver, fake_plan, fake_tensorrt, install

H200 = cuda.Gpu("NVIDIA H200", (9, 0), "580.95.05", 13000)
SHAPES: Shapes = ((1, 32, 32, 3), (1, 64, 96, 3), (1, 128, 160, 3))


# What an engine takes.


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


# What cannot run here.


def test_without_a_driver_it_is_an_error_before_tensorrt_is_touched(
    colour_bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cuda, "_LIBRARIES", ("libnone.so", "libnone.so"))
    monkeypatch.setattr(tensorrt, "MODULES", ("no_such_module",))
    with pytest.raises(
        EngineError, match=r"^tensorrt cannot run: there is no NVIDIA driver here.*install it"
    ):
        open_tensorrt(colour_bundle, 1, Precision.FLOAT32)


def test_a_missing_tensorrt_is_named_with_the_extra_that_brings_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tensorrt, "MODULES", ("no_such_module", "nor_this_one"))
    with pytest.raises(
        EngineError,
        match=r"'no_such_module'; .*'nor_this_one'.*its extra \[tensorrt\], or \[tensorrt-rtx\] for",
    ):
        tensorrt.find_tensorrt(H200)


def test_versions_that_do_not_fit_are_refused_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    check_tensorrt(fake_tensorrt("11.4.0"), H200)
    with pytest.raises(
        EngineError, match=r"tensorrt 8\.6\.1 is too old, 10 is needed: pip install --upgrade"
    ):
        check_tensorrt(fake_tensorrt("8.6.1"), H200)
    monkeypatch.setattr(tensorrt, "_built_for", {"tensorrt": 14}.get)
    with pytest.raises(EngineError, match=r"driver 580\.95\.05 is too old.*tensorrt 11\.4\.0 needs CUDA 14"):
        check_tensorrt(fake_tensorrt("11.4.0"), H200)


def test_tensorrt_for_rtx_names_the_gpus_that_it_is_for(monkeypatch: pytest.MonkeyPatch) -> None:
    known = SimpleNamespace(__members__=dict.fromkeys(("NONE", "CURRENT", "SM75", "SM89", "SM120")))
    rtx: Any = SimpleNamespace(__name__="tensorrt_rtx", __version__="1.7", ComputeCapability=known)
    monkeypatch.setattr(tensorrt, "_built_for", lambda name: None)
    for capability in ((7, 5), (8, 9), (12, 0)):
        check_tensorrt(rtx, cuda.Gpu("NVIDIA GeForce", capability, "580", 13000))
    with pytest.raises(
        EngineError,
        match=r"no kernels for the NVIDIA H200.*9\.0, but for 7\.5, 8\.9, 12\.0: pip install tensorrt",
    ):
        check_tensorrt(rtx, H200)


# Building, on the real parser and builder.


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


# Running, on a GPU made of Python.


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return write_colour_bundle(tmp_path_factory.mktemp("models") / "colour", pixels=64 * 96)


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> FakeDriver:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return install(monkeypatch)


@pytest.fixture
def builds(monkeypatch: pytest.MonkeyPatch) -> list[Shapes]:
    """The profiles that engines were built for."""
    built: list[Shapes] = []

    def fake(trt: Any, graph: bytes, shapes: Shapes, on_share: Callable[[float], None]) -> bytes:
        assert graph == colour_graph()
        on_share(0.5)
        built.append(shapes)
        return fake_plan(trt.__version__, shapes)

    monkeypatch.setattr(tensorrt, "build", fake)
    return built


def opened(bundle: Bundle, trt: Any = None, reports: list[tuple[str, float]] | None = None) -> TensorrtEngine:
    def on_build(what: str, share: float) -> None:
        if reports is not None:
            reports.append((what, share))

    trt = trt or fake_tensorrt()
    return TensorrtEngine("tensorrt", Precision.FLOAT32, bundle, trt, H200, cuda.connect(), on_build)


@pytest.mark.usefixtures("driver", "builds")
def test_labels_are_the_networks_byte_for_byte(bundle: Bundle) -> None:
    engine = opened(bundle)
    assert check_golden(bundle, engine) == 1
    for shape in ((64, 96), (32, 160), (96, 32), (64, 96)):
        image = np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8)
        labels = engine.run(image)["labels"]
        assert labels.dtype == np.uint8
        np.testing.assert_array_equal(labels, nearest_colour(image))


@pytest.mark.usefixtures("driver", "builds")
def test_what_was_given_stays_as_it_is(bundle: Bundle) -> None:
    engine = opened(bundle)
    first = engine.run(np.zeros((64, 96, 3), np.uint8))["labels"]
    before = first.copy()
    engine.run(np.full((64, 96, 3), 255, np.uint8))
    np.testing.assert_array_equal(first, before)


@pytest.mark.usefixtures("builds")
def test_several_threads_share_the_gpu_and_no_memory(driver: FakeDriver, bundle: Bundle) -> None:
    """`AT_ONCE` frames are on the GPU at once, and each gets its own answer."""
    at_once = threading.Barrier(AT_ONCE)
    meet = False
    engine = opened(bundle, fake_tensorrt(during_run=lambda: at_once.wait(20) if meet else None))
    meet = True
    wanted = np.random.default_rng(0).integers(0, 12, (4 * AT_ONCE, 64, 96))
    images = [COLOURS_BGR[labels] for labels in wanted]
    with ThreadPoolExecutor(2 * AT_ONCE) as workers:
        found = list(workers.map(engine.run, images))
    np.testing.assert_array_equal([maps["labels"] for maps in found], wanted)
    assert driver.depth == 0


@pytest.mark.usefixtures("builds")
def test_it_is_warm_from_the_start_and_frames_allocate_nothing(driver: FakeDriver, bundle: Bundle) -> None:
    engine = opened(bundle)
    rows, columns = profile(bundle.info.input)[1][1:3]
    image = np.zeros((rows, columns, 3), np.uint8)
    assert driver.calls.count("cuStreamSynchronize") == AT_ONCE  # warm
    allocations, driver.calls = driver.allocations, []
    for _ in range(5):
        engine.run(image)
    assert driver.allocations == allocations
    assert driver.calls == 5 * ["cuMemcpyHtoDAsync", "cuMemcpyDtoHAsync", "cuStreamSynchronize"]


@pytest.mark.usefixtures("builds")
def test_an_engine_that_is_gone_has_freed_all(driver: FakeDriver, bundle: Bundle) -> None:
    engine = opened(bundle)
    labels = engine.run(np.zeros((64, 96, 3), np.uint8))["labels"]
    assert driver.memory and driver.streams
    del engine
    gc.collect()
    assert not driver.memory and not driver.streams
    assert labels.shape == (64, 96)


@pytest.mark.usefixtures("driver", "builds")
@pytest.mark.parametrize("shape", [(64, 192), (128, 96), (32, 1024)])
def test_a_shape_outside_the_profile_is_named_with_the_limits(bundle: Bundle, shape: tuple[int, int]) -> None:
    engine = opened(bundle)
    with pytest.raises(
        EngineError,
        match=rf"tensorrt: the image is {shape[1]}×{shape[0]}, the engine takes 32×32 to 160×96",
    ):
        engine.run(np.zeros((*shape, 3), np.uint8))


@pytest.mark.usefixtures("driver", "builds")
def test_an_image_the_network_cannot_take_is_refused(bundle: Bundle) -> None:
    engine = opened(bundle)
    for image in (np.zeros((65, 96, 3), np.uint8), np.zeros((64, 96, 4), np.uint8)):
        with pytest.raises(EngineError, match=r"takes uint8 \(h, w, 3\).*multiples of 32"):
            engine.run(image)


@pytest.mark.usefixtures("driver", "builds")
def test_a_run_that_fails_says_what_tensorrt_says_and_the_next_one_may_succeed(bundle: Bundle) -> None:
    succeed = True
    engine = opened(bundle, fake_tensorrt(during_run=lambda: succeed))
    image = np.zeros((64, 96, 3), np.uint8)
    succeed = False
    with pytest.raises(EngineError, match=r"^tensorrt: the run failed: it fell over$"):
        engine.run(image)
    succeed = True
    assert engine.run(image)["labels"].shape == (64, 96)


@pytest.mark.usefixtures("builds")
def test_too_little_memory_is_an_error(driver: FakeDriver, bundle: Bundle) -> None:
    driver.room = 10_000
    with pytest.raises(EngineError, match=r"CUDA_ERROR_OUT_OF_MEMORY"):
        opened(bundle)


# What is kept.


@pytest.mark.usefixtures("driver")
def test_an_engine_is_built_once_and_reported(bundle: Bundle, builds: list[Shapes]) -> None:
    reports: list[tuple[str, float]] = []
    assert opened(bundle, reports=reports).info.notes == ()
    what = "building tensorrt for colour on NVIDIA H200"
    assert reports == [(what, 0.0), (what, 0.5), (what, 1.0)]
    again: list[tuple[str, float]] = []
    assert opened(bundle, reports=again).info.notes == ()
    assert again == []
    assert builds == [profile(bundle.info.input, (64, 96, 3))]


@pytest.mark.usefixtures("driver")
def test_an_engine_of_another_version_is_not_found(bundle: Bundle, builds: list[Shapes]) -> None:
    opened(bundle, fake_tensorrt("11.3.0"))
    assert opened(bundle, fake_tensorrt("11.4.0")).info.notes == ()
    assert len(builds) == 2
    assert len(list(EngineCache().folder.iterdir())) == 2


@pytest.mark.usefixtures("driver")
@pytest.mark.parametrize("harm", ["cut", "foreign"])
def test_an_engine_that_is_not_what_it_was_is_built_again_with_a_note(
    bundle: Bundle, builds: list[Shapes], harm: str
) -> None:
    opened(bundle)
    (folder,) = EngineCache().folder.iterdir()
    path = folder / "engine"
    if harm == "cut":
        path.write_bytes(path.read_bytes()[:10])
        reason = "its sha256 is"
    else:  # put there by hand: whole, but of another version
        kept = EngineCache()
        key = SimpleNamespace(digest=folder.name, _text=str)
        assert kept.write(key, fake_plan("10.9.0", builds[0])) == ()  # type: ignore[arg-type]
        reason = "the engine is of version 10.9.0, not 11.4.0"
    engine = opened(bundle)
    (note,) = engine.info.notes
    assert "discarded and built again" in note and reason in note
    assert len(builds) == 2
    assert check_golden(bundle, engine) == 1
    assert opened(bundle).info.notes == ()
    assert len(builds) == 2


@pytest.mark.usefixtures("driver")
def test_a_build_that_is_declined_leaves_nothing(bundle: Bundle, builds: list[Shapes]) -> None:
    def decline(what: str, share: float) -> None:
        raise EngineError("not now")

    with pytest.raises(EngineError, match="not now"):
        TensorrtEngine("tensorrt", Precision.FLOAT32, bundle, fake_tensorrt(), H200, cuda.connect(), decline)
    assert builds == [] and not EngineCache().folder.exists()
