"""TensorRT: what is refused and why, what is kept, and that frames share nothing and allocate nothing.

Engines run on `tests.engines.fake_gpu`.
"""

import gc
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from perception.bundle.bundle import Bundle
from perception.bundle.manifest import Precision
from perception.engines import cuda, tensorrt
from perception.engines.cache import EngineCache
from perception.engines.golden import check_golden
from perception.engines.tensorrt import AT_ONCE, TensorrtEngine, check_tensorrt, open_tensorrt
from perception.engines.tensorrt_build import Shapes, profile
from perception.errors import EngineError
from tests.conftest import COLOURS_BGR, colour_graph, nearest_colour, write_colour_bundle
from tests.engines.fake_gpu import FakeDriver, fake_plan, fake_tensorrt, install

H200 = cuda.Gpu("NVIDIA H200", (9, 0), "580.95.05", 13000)


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
