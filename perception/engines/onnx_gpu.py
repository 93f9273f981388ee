"""ONNX Runtime on NVIDIA GPUs: its CUDA provider, and its TensorRT provider, which needs TensorRT 10."""

import contextlib
import ctypes
import hashlib
import io
import json
import math
import shutil
from collections import Counter
from collections.abc import Callable, Iterable
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt

from perception.bundle.bundle import Bundle
from perception.bundle.manifest import GRAPHS, InputInfo, Precision
from perception.engines.base import EngineInfo, OnBuild, check_image
from perception.engines.buffers import BufferPool, Shape
from perception.engines.cache import EngineKey, Notes, cache_folder
from perception.engines.cuda import Gpu, check_driver, connect, find_gpu
from perception.engines.onnx_cpu import CPU, errors, load_runtime, mixed_builds, open_session
from perception.engines.tensorrt import check_profile
from perception.engines.tensorrt_build import Shapes, bundle_profile
from perception.errors import EngineError
from perception.extras import hint

CUDA, TENSORRT = "CUDAExecutionProvider", "TensorrtExecutionProvider"
CUDA_NAMES = {Precision.FLOAT32: "onnx-cuda", Precision.FLOAT16: "onnx-cuda-float16"}
TENSORRT_NAMES = {Precision.FLOAT32: "onnx-tensorrt", Precision.FLOAT16: "onnx-tensorrt-float16"}
# The heuristic choice of algorithms keeps label maps the same from run to run; a timed one does not.
_CUDA_OPTIONS = {"cudnn_conv_algo_search": "HEURISTIC", "use_tf32": "0"}
_REMEDY = (
    "it needs an NVIDIA driver, and onnxruntime-gpu in place of onnxruntime: "
    f"pip uninstall onnxruntime, then {hint('gpu')}"
)
_SUMS = "sha256.json"  # written last, next to what the TensorRT provider built; missing: it was interrupted

Allocate = Callable[[Shape, npt.DTypeLike], npt.NDArray[Any]]


class BoundEngine:
    """An ONNX Runtime session that reads and writes memory of its own, made once for each shape of image.

    ONNX Runtime computes each run on a stream of its own, so that one thread's image is uploaded while
    another's network runs; a stream of ours for all runs would serialise them.
    """

    def __init__(
        self,
        name: str,
        precision: Precision,
        session: Any,
        bundle: Bundle,
        device: str,
        allocate: Allocate,
        shapes: Shapes | None = None,
        notes: Notes = (),
    ) -> None:
        """Args:
        device: where the session's first provider computes, as ONNX Runtime calls it.
        allocate: gives an array on the host.
        shapes: the least, the usual and the greatest shape that the session takes; None: it takes all.
        """
        self.name, self.info = name, EngineInfo(name, precision, notes=notes)
        self._input = bundle.info.input
        self._shapes = shapes
        self._errors = errors()
        outputs = list(bundle.info.outputs)
        self._buffers = BufferPool(
            lambda shape: _Buffers(session, bundle.info.input.name, outputs, shape, device, allocate)
        )

    def run(self, image: npt.NDArray[np.uint8]) -> dict[str, npt.NDArray[Any]]:
        """The output maps for uint8 (h, w, 3 · frames) BGR, by name, without batch axis; see `Engine.run`."""
        check_image(self.name, self._input, image)
        if self._shapes is not None:
            # The provider would build another engine for another shape, which takes minutes, during the run.
            check_profile(self.name, self._shapes, image.shape)
        try:
            with self._buffers.lent((1, *image.shape)) as buffers:
                return buffers.run(image)
        except self._errors as error:
            raise EngineError(f"{self.name}: the run failed: {error}") from error


class _Buffers:
    """The input on the device, and the input and outputs on the host, of one run at a time."""

    def __init__(
        self, session: Any, name: str, outputs: list[str], shape: Shape, device: str, allocate: Allocate
    ) -> None:
        from onnxruntime import OrtValue  # noqa: PLC0415 (see `load_runtime`)

        self._session = session
        self._image = allocate(shape, np.uint8)
        self._image[:] = 0
        # A bound input on the host would be copied to the device once, when it is bound.
        self._input = OrtValue.ortvalue_from_shape_and_type(shape, np.uint8, device)
        self._binding = session.io_binding()
        self._binding.bind_ortvalue_input(name, self._input)
        # Only a run gives the outputs' shapes; it warms up, too.
        found = session.run(outputs, {name: self._image})
        self._maps = {n: allocate(map_.shape, map_.dtype) for n, map_ in zip(outputs, found, strict=True)}
        for output, map_ in self._maps.items():
            self._binding.bind_ortvalue_output(output, OrtValue.ortvalue_from_numpy(map_))

    def run(self, image: npt.NDArray[np.uint8]) -> dict[str, npt.NDArray[Any]]:
        self._image[0] = image
        self._input.update_inplace(self._image)
        self._session.run_with_iobinding(self._binding)
        return {name: map_[0].copy() for name, map_ in self._maps.items()}


def open_cuda(
    bundle: Bundle, threads: int, precision: Precision, on_build: OnBuild | None = None
) -> BoundEngine:
    """The bundle's network on the first NVIDIA GPU, one of `CUDA_NAMES`.

    Raises:
        EngineError: ONNX Runtime has no CUDA here, the GPU's driver or libraries are missing, or it
            refuses the graph.
    """
    name = CUDA_NAMES[precision]
    find_cuda(name, load_runtime(name), CUDA)
    session = open_session(name, bundle.graph(precision), {CUDA: _CUDA_OPTIONS, CPU: {}}, threads, _REMEDY)
    return _on_gpu(name, precision, session, bundle)


def open_tensorrt(
    bundle: Bundle, threads: int, precision: Precision, on_build: OnBuild | None = None
) -> BoundEngine:
    """The bundle's network on the TensorRT provider, one of `TENSORRT_NAMES`; built where it is not yet.

    Raises:
        EngineError: as `open_cuda`, or TensorRT 10 is missing; what `on_build` raises.
    """
    name = TENSORRT_NAMES[precision]
    runtime = load_runtime(name)
    gpu = find_cuda(name, runtime, TENSORRT)
    load_tensorrt_10(name)
    shapes = bundle_profile(bundle)
    graph, builder = bundle.info.files[GRAPHS[precision]], f"onnxruntime {runtime.__version__}"
    key = EngineKey(graph, gpu.name, gpu.capability, gpu.driver, builder, shapes)
    folder = cache_folder() / "onnx-tensorrt" / key.digest
    built, notes = is_whole(folder)
    what = f"building {name} for {bundle.info.name} on {gpu.name}"
    if not built and on_build is not None:
        on_build(what, 0.0)
    folder.mkdir(parents=True, exist_ok=True)
    options = tensorrt_options(bundle.info.input, shapes, precision, folder)
    providers = {TENSORRT: options, CUDA: _CUDA_OPTIONS, CPU: {}}
    session = open_session(name, bundle.graph(precision), providers, threads, _REMEDY)
    engine = _on_gpu(name, precision, session, bundle, shapes, notes)
    if not built:
        engine.run(np.zeros(shapes[1][1:], np.uint8))
        seal(folder)
        if on_build is not None:
            on_build(what, 1.0)
    return engine


def find_cuda(name: str, runtime: ModuleType, provider: str) -> Gpu:
    """The GPU, with the libraries of CUDA loaded.

    Raises:
        EngineError: this build of ONNX Runtime lacks the provider, or there is no driver that it takes.
    """
    if provider not in runtime.get_available_providers():
        raise EngineError(
            f"{name} cannot run: onnxruntime {runtime.__version__} as installed has no {provider}; "
            f"{mixed_builds() or _REMEDY}"
        )
    try:
        gpu = find_gpu()
        major = getattr(runtime, "cuda_version", "").partition(".")[0]
        check_driver(gpu, int(major) if major else None, "onnxruntime-gpu")
    except EngineError as error:
        raise EngineError(f"{name} cannot run: {error}") from error
    with contextlib.redirect_stdout(
        io.StringIO()
    ):  # it prints what is missing; `open_session` reports that as well
        runtime.preload_dlls()
    return gpu


def load_tensorrt_10(name: str) -> None:
    """Load the libraries of TensorRT 10, from its wheel or the system, for ONNX Runtime to find them.

    Raises:
        EngineError: they are not here.
    """
    spec = find_spec("tensorrt_libs")
    folders = [Path(place) for place in spec.submodule_search_locations or ()] if spec else []
    for library in ("libnvinfer.so.10", "libnvonnxparser.so.10"):
        found = next((folder / library for folder in folders if (folder / library).is_file()), Path(library))
        try:
            ctypes.CDLL(str(found), ctypes.RTLD_GLOBAL)
        except OSError as error:
            raise EngineError(
                f"{name} cannot run: ONNX Runtime's TensorRT provider needs TensorRT 10 ({error}): "
                f"pip install 'tensorrt>=10,<11', or choose {name.removeprefix('onnx-')}, for TensorRT 11"
            ) from error


def tensorrt_options(info: InputInfo, shapes: Shapes, precision: Precision, folder: Path) -> dict[str, str]:
    """The TensorRT provider's: what it builds is kept in the folder, for all shapes of the profile."""
    least, usual, greatest = (f"{info.name}:{'x'.join(map(str, shape))}" for shape in shapes)
    return {
        "trt_engine_cache_enable": "1",
        "trt_engine_cache_path": str(folder),
        "trt_timing_cache_enable": "1",
        "trt_timing_cache_path": str(folder),
        "trt_fp16_enable": str(int(precision is Precision.FLOAT16)),
        "trt_profile_min_shapes": least,
        "trt_profile_opt_shapes": usual,
        "trt_profile_max_shapes": greatest,
    }


def is_whole(folder: Path) -> tuple[bool, Notes]:
    """Whether what was built there is as it was sealed; if not, it is discarded, with a note."""
    if not folder.exists():
        return False, ()
    try:
        sums = json.loads((folder / _SUMS).read_text())
        if sums and sums == {name: _sha256(folder / name) for name in sums}:
            return True, ()
        fault = "its files were altered"
    except (OSError, ValueError, TypeError) as error:
        fault = str(error)
    shutil.rmtree(folder)
    return False, (f"the engine in {folder} is discarded and built again: {fault}",)


def seal(folder: Path) -> None:
    """Record the checksums of what was built there, as it is whole."""
    sums = {path.name: _sha256(path) for path in sorted(folder.glob("*.engine"))}
    draft = folder / f"{_SUMS}.draft"
    draft.write_text(json.dumps(sums))
    draft.replace(folder / _SUMS)


def left_to_the_cpu(assigned: Iterable[Any]) -> Notes:
    """A note on the parts of the graph that do not run on the GPU, from ONNX Runtime's assignment."""
    nodes = Counter((part.ep_name, node.op_type) for part in assigned for node in part.get_nodes())
    left = {kind: count for (provider, kind), count in nodes.items() if provider == CPU}
    if not left:
        return ()
    kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(left.items()))
    return (f"{sum(left.values())} of {nodes.total()} operators run on the CPU: {kinds}",)


def _on_gpu(
    name: str,
    precision: Precision,
    session: Any,
    bundle: Bundle,
    shapes: Shapes | None = None,
    notes: Notes = (),
) -> BoundEngine:
    allocate, slow = pinned_memory()
    left = left_to_the_cpu(session.get_provider_graph_assignment_info())
    return BoundEngine(name, precision, session, bundle, "cuda", allocate, shapes, (*slow, *left, *notes))


def pinned_memory() -> tuple[Allocate, Notes]:
    """An allocator of memory that the GPU reads directly; else of ordinary memory, with a note."""
    try:
        device = connect()
    except EngineError as error:
        return np.empty, (f"images go to the GPU from memory that is not pinned, which is slower: {error}",)

    def allocate(shape: Shape, dtype: npt.DTypeLike) -> npt.NDArray[Any]:
        with device.active():
            memory = device.pinned(math.prod(shape) * np.dtype(dtype).itemsize)
        return memory.view(dtype).reshape(shape)

    return allocate, ()


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
