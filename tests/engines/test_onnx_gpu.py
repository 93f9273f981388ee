"""ONNX Runtime on GPUs, as far as it can be tried without one: bound memory, reasons, and what is kept."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from perception.bundle.bundle import Bundle
from perception.bundle.manifest import InputInfo, Precision
from perception.engines import onnx_gpu
from perception.engines.buffers import SHAPES, BufferPool
from perception.engines.cuda import Gpu
from perception.engines.onnx_cpu import CPU, check_started, mixed_builds, open_session
from perception.engines.onnx_gpu import BoundEngine, is_whole, left_to_the_cpu, seal, tensorrt_options
from perception.errors import EngineError
from tests.conftest import nearest_colour

GPU = Gpu("GPU 7", (9, 0), "580.1", 13000)


def image(*shape: int) -> Any:
    return np.random.default_rng(sum(shape)).integers(0, 256, (*shape, 3), np.uint8)


def bound(bundle: Bundle, made: list[tuple[int, ...]], **more: Any) -> BoundEngine:
    """On the CPU; `made` lists the shapes of all memory that it takes."""

    def allocate(shape: tuple[int, ...], dtype: Any) -> Any:
        made.append(shape)
        return np.empty(shape, dtype)

    session = open_session("bound", bundle.graph(), {CPU: {}}, 1)
    return BoundEngine("bound", Precision.FLOAT32, session, bundle, "cpu", allocate, **more)


def test_memory_is_taken_once_for_each_shape(colour_bundle: Bundle) -> None:
    made: list[tuple[int, ...]] = []
    engine = bound(colour_bundle, made)
    small, large = image(32, 64), image(96, 64)
    for one in (small, large, small, small, large):
        np.testing.assert_array_equal(engine.run(one)["labels"], nearest_colour(one))
    assert made == [(1, 32, 64, 3), (1, 32, 64), (1, 96, 64, 3), (1, 96, 64)]


def test_maps_belong_to_the_caller_and_threads_do_not_meet(colour_bundle: Bundle) -> None:
    engine = bound(colour_bundle, [])
    images = [np.roll(image(64, 64), shift, axis=1) for shift in range(24)]
    with ThreadPoolExecutor(4) as workers:
        found = list(workers.map(engine.run, images))
    for one, maps in zip(images, found, strict=True):
        np.testing.assert_array_equal(maps["labels"], nearest_colour(one))


def test_a_shape_outside_the_profile_is_refused(colour_bundle: Bundle) -> None:
    shapes = ((1, 32, 32, 3), (1, 32, 64, 3), (1, 64, 64, 3))
    engine = bound(colour_bundle, [], shapes=shapes)
    engine.run(image(64, 64))
    with pytest.raises(EngineError, match="96×32, the engine takes 32×32 to 64×64"):
        engine.run(image(32, 96))


def test_buffers_are_kept_for_the_shapes_lent_last_and_nothing_that_failed() -> None:
    made: list[tuple[int, ...]] = []

    def make(shape: tuple[int, ...]) -> tuple[int, ...]:
        made.append(shape)
        return shape

    buffers = BufferPool(make)
    with buffers.lent((1,)), buffers.lent((1,)):  # two at a time
        pass
    with buffers.lent((1,)), buffers.lent((1,)):
        pass
    assert made == [(1,), (1,)]
    for side in range(2, SHAPES + 2):
        with buffers.lent((side,)):
            pass
    with pytest.raises(ValueError, match="broken"), buffers.lent((2,)):
        raise ValueError("broken")
    made.clear()
    for side in (2, 1):
        with buffers.lent((side,)):
            pass
    assert made == [(2,), (1,)]  # the one failed, the other was the oldest


def test_the_provider_keeps_what_it_builds_for_all_shapes_of_the_profile(tmp_path: Path) -> None:
    shapes = ((1, 32, 32, 3), (1, 32, 64, 3), (1, 64, 64, 3))
    options = tensorrt_options(InputInfo(pixels=4096), shapes, Precision.FLOAT16, tmp_path)
    assert options["trt_profile_min_shapes"] == "image:1x32x32x3"
    assert options["trt_profile_opt_shapes"] == "image:1x32x64x3"
    assert options["trt_profile_max_shapes"] == "image:1x64x64x3"
    assert options["trt_engine_cache_path"] == str(tmp_path)
    assert (options["trt_engine_cache_enable"], options["trt_fp16_enable"]) == ("1", "1")
    plain = tensorrt_options(InputInfo(pixels=4096), shapes, Precision.FLOAT32, tmp_path)
    assert plain["trt_fp16_enable"] == "0"


@pytest.mark.parametrize("damage", ["none", "unsealed", "altered", "removed", "sums", "empty"])
def test_what_was_built_is_only_used_whole(tmp_path: Path, damage: str) -> None:
    folder = tmp_path / "built"
    assert is_whole(folder) == (False, ())
    folder.mkdir()
    (folder / "a.engine").write_bytes(b"engine")
    seal(folder)
    if damage == "none":
        assert is_whole(folder) == (True, ())
        return
    if damage == "unsealed":  # a power cut before it was ready
        (folder / "sha256.json").unlink()
    elif damage == "altered":
        (folder / "a.engine").write_bytes(b"engin")
    elif damage == "removed":
        (folder / "a.engine").unlink()
    else:
        (folder / "sha256.json").write_text("{" if damage == "sums" else "{}")
    whole, (note,) = is_whole(folder)
    assert not whole
    assert f"the engine in {folder} is discarded and built again" in note
    assert not folder.exists()


def test_operators_that_run_on_the_cpu_are_counted() -> None:
    def part(provider: str, *kinds: str) -> Any:
        return SimpleNamespace(
            ep_name=provider, get_nodes=lambda: [SimpleNamespace(op_type=k) for k in kinds]
        )

    assert left_to_the_cpu([part("CUDAExecutionProvider", "Conv", "Relu")]) == ()
    parts = [part("CUDAExecutionProvider", "Conv", "Relu"), part(CPU, "Shape", "Gather"), part(CPU, "Shape")]
    assert left_to_the_cpu(parts) == ("3 of 5 operators run on the CPU: 1 Gather, 2 Shape",)


def test_what_the_session_says_of_its_operators(colour_bundle: Bundle) -> None:
    session = open_session("bound", colour_bundle.graph(), {CPU: {}}, 1)
    (note,) = left_to_the_cpu(session.get_provider_graph_assignment_info())
    assert "1 MatMul" in note


def runtime(**more: Any) -> Any:
    providers = ["CUDAExecutionProvider", "TensorrtExecutionProvider"]
    return SimpleNamespace(
        __version__="1.31.1",
        get_available_providers=lambda: providers,
        preload_dlls=lambda: print("noise"),
        **more,
    )


def test_the_gpu_is_found_before_onnx_runtime_is_asked(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(onnx_gpu, "find_gpu", lambda: GPU)
    for version in ("13.0", "12.8", ""):
        assert onnx_gpu.find_cuda("onnx-cuda", runtime(cuda_version=version), onnx_gpu.CUDA) == GPU
    assert capsys.readouterr().out == ""
    with pytest.raises(EngineError, match=r"onnx-cuda cannot run: .*580\.1 is too old: .* needs CUDA 14"):
        onnx_gpu.find_cuda("onnx-cuda", runtime(cuda_version="14.1"), onnx_gpu.CUDA)


def test_a_missing_driver_is_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> Gpu:
        raise EngineError("there is no NVIDIA driver here")

    monkeypatch.setattr(onnx_gpu, "find_gpu", missing)
    with pytest.raises(EngineError, match="onnx-cuda cannot run: there is no NVIDIA driver here"):
        onnx_gpu.find_cuda("onnx-cuda", runtime(), onnx_gpu.CUDA)


def test_without_tensorrt_10_its_provider_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A library of that name that is none, where the wheel would put it."""
    (tmp_path / "tensorrt_libs").mkdir()
    (tmp_path / "tensorrt_libs/__init__.py").touch()
    (tmp_path / "tensorrt_libs/libnvinfer.so.10").write_bytes(b"cut short")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(
        EngineError, match=r"needs TensorRT 10 \(.*tensorrt_libs/libnvinfer\.so\.10: "
    ) as refusal:
        onnx_gpu.load_tensorrt_10("onnx-tensorrt")
    assert "pip install 'tensorrt>=10,<11', or choose tensorrt, for TensorRT 11" in str(refusal.value)


def test_memory_that_is_not_pinned_is_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> None:
        raise EngineError("neither pycuda nor cuda-bindings imports")

    monkeypatch.setattr(onnx_gpu, "connect", missing)
    allocate, (note,) = onnx_gpu.pinned_memory()
    assert "not pinned, which is slower: neither pycuda" in note
    assert allocate((2, 3), np.float32).shape == (2, 3)


def test_two_builds_of_onnx_runtime_are_the_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert mixed_builds() == ""
    with pytest.raises(EngineError, match="CUDA did not start and would leave the work to A, B; get a GPU"):
        check_started("onnx-cuda", "CUDA", ["A", "B"], "get a GPU")
    for name in ("onnxruntime", "onnxruntime_gpu"):
        info = tmp_path / f"{name}-1.31.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.31.0\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(EngineError, match="pip uninstall onnxruntime onnxruntime-gpu, then install"):
        check_started("onnx-cuda", "CUDA", ["A", "B"], "get a GPU")
