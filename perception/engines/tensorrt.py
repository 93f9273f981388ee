"""TensorRT itself, through `tensorrt`, or `tensorrt_rtx` where only that is installed.

An engine belongs to one kind of GPU and one version of TensorRT. It is built at the first start, which takes
minutes, and kept in the cache.
"""

import importlib
import re
from collections.abc import Callable
from contextlib import ExitStack
from importlib import metadata
from math import prod
from threading import Semaphore
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt

from perception.bundle.bundle import Bundle
from perception.bundle.manifest import GRAPHS, Precision
from perception.engines.base import EngineInfo, OnBuild, check_image
from perception.engines.buffers import BufferPool, Shape
from perception.engines.cache import EngineCache, EngineKey, Notes
from perception.engines.cuda import Device, Gpu, check_driver, connect, find_gpu
from perception.engines.tensorrt_build import Shapes, build, bundle_profile, logger
from perception.errors import EngineError
from perception.extras import hint

NAMES = {
    Precision.FLOAT32: "tensorrt",
    Precision.FLOAT16: "tensorrt-float16",
    Precision.SYMMETRIC_INT8: "tensorrt-int8",
}
MODULES = ("tensorrt", "tensorrt_rtx")
OLDEST = 10  # version of `tensorrt` that has strongly typed networks
# Frames on the GPU at a time: while one is computed, the next one is uploaded and the last one downloaded.
# Each takes memory for the greatest shape.
AT_ONCE = 3


def open_tensorrt(
    bundle: Bundle, threads: int, precision: Precision, on_build: OnBuild | None = None
) -> "TensorrtEngine":
    """The bundle's network on the first NVIDIA GPU, one of `NAMES`; warm when it is returned.

    Args:
        threads: not used: the GPU needs none.
        on_build: called with what is being built and the share done; not where the engine is in the cache.

    Raises:
        EngineError: there is no driver, GPU or TensorRT that can run it, or the graph cannot be built.
    """
    name = NAMES[precision]
    try:
        gpu = find_gpu()
        trt = find_tensorrt(gpu)
        device = connect()
    except EngineError as error:
        raise EngineError(f"{name} cannot run: {error}") from error
    return TensorrtEngine(name, precision, bundle, trt, gpu, device, on_build or (lambda what, share: None))


def find_tensorrt(gpu: Gpu) -> ModuleType:
    """`tensorrt`, or where that is not installed `tensorrt_rtx`.

    Raises:
        EngineError: none is installed, or it does not support the GPU or its driver.
    """
    refusals = []
    for name in MODULES:
        try:
            trt = importlib.import_module(name)
        except (ImportError, OSError) as error:  # the module, or the libraries that it loads
            refusals.append(str(error))
            continue
        check_tensorrt(trt, gpu)
        return trt
    raise EngineError(
        f"TensorRT does not import ({'; '.join(refusals)}): "
        f"{hint('tensorrt', ', or [tensorrt-rtx] for GeForce RTX')}"
    )


def check_tensorrt(trt: ModuleType, gpu: Gpu) -> None:
    """Raises: EngineError: it is too old, or does not support the GPU or its driver."""
    called = f"{trt.__name__} {trt.__version__}"
    check_driver(gpu, _built_for(trt.__name__), called)
    if trt.__name__ == "tensorrt":
        if int(trt.__version__.split(".")[0]) < OLDEST:
            raise EngineError(f"{called} is too old, {OLDEST} is needed: pip install --upgrade tensorrt")
        return
    known = (re.fullmatch(r"SM(\d+)(\d)", name) for name in trt.ComputeCapability.__members__)
    capabilities = [(int(one[1]), int(one[2])) for one in known if one]
    if gpu.capability not in capabilities:
        raise EngineError(
            f"{called} has no kernels for the {gpu.name}, of compute capability {_dotted(gpu.capability)}, "
            f"but for {', '.join(map(_dotted, capabilities))}: pip install tensorrt"
        )


def _dotted(capability: tuple[int, int]) -> str:
    return ".".join(map(str, capability))


def _built_for(module: str) -> int | None:
    """The major version of CUDA that the installed wheel is built for; None where that is not known."""
    for cuda in range(20, 10, -1):
        try:
            metadata.version(f"{module}_cu{cuda}")
        except metadata.PackageNotFoundError:
            continue
        return cuda
    return None


class TensorrtEngine:
    """A built engine on the GPU, with memory for `AT_ONCE` frames of each shape, which is kept."""

    def __init__(
        self,
        name: str,
        precision: Precision,
        bundle: Bundle,
        trt: ModuleType,
        gpu: Gpu,
        device: Device,
        on_build: OnBuild,
    ) -> None:
        self.name = name
        self._trt, self._device = trt, device
        self._info = bundle.info
        self._shapes = bundle_profile(bundle)
        self._log = logger(trt)
        self._runtime = trt.Runtime(self._log)
        with device.active():
            self._engine, notes = self._load(bundle, precision, gpu, on_build)
        self.info = EngineInfo(name, precision, notes=notes)
        self._turn = Semaphore(AT_ONCE)
        self._lanes = BufferPool(self._lane)
        self._warm_up()

    def run(self, image: npt.NDArray[np.uint8]) -> dict[str, npt.NDArray[Any]]:
        """The output maps for uint8 (h, w, 3 · frames) BGR, by name, without batch axis; see `Engine.run`.

        Raises:
            EngineError: the image has another shape or type, or one outside the engine's profile, or the
                GPU failed.
        """
        check_image(self.name, self._info.input, image)
        check_profile(self.name, self._shapes, image.shape)
        with self._turn, self._device.active(), self._lanes.lent(image.shape) as lane:
            return lane.run(image)

    def _load(self, bundle: Bundle, precision: Precision, gpu: Gpu, on_build: OnBuild) -> tuple[Any, Notes]:
        """The engine from the cache, else built and put there; and notes on a damaged cache."""
        trt, cache = self._trt, EngineCache()
        graph, builder = bundle.info.files[GRAPHS[precision]], f"{trt.__name__} {trt.__version__}"
        key = EngineKey(graph, gpu.name, gpu.capability, gpu.driver, builder, self._shapes)
        plan, notes = cache.read(key)
        if plan is not None:
            engine = self._runtime.deserialize_cuda_engine(plan)
            if engine is not None:
                return engine, notes
            notes = cache.discard(key, self._log.taken())
        what = f"building {self.name} for {bundle.info.name} on {gpu.name}"
        on_build(what, 0.0)
        onnx = bundle.graph(precision).read_bytes()
        plan = build(trt, onnx, self._shapes, lambda share: on_build(what, share))
        on_build(what, 1.0)
        engine = self._runtime.deserialize_cuda_engine(plan)
        if engine is None:
            raise EngineError(f"{builder} does not load what it built: {self._log.taken()}")
        return engine, notes + cache.write(key, plan)

    def _warm_up(self) -> None:
        """Run each of the lanes once, so that the first frames find all kernels loaded and memory taken."""
        image = np.zeros(self._shapes[1][1:], np.uint8)
        with self._device.active(), ExitStack() as stack:
            for _ in range(AT_ONCE):
                stack.enter_context(self._lanes.lent(image.shape)).run(image)

    def _lane(self, shape: Shape) -> "_Lane":
        return _Lane(self._trt, self._device, self._engine, (1, *shape), self._info.input.name, self._failed)

    def _failed(self, what: str) -> EngineError:
        return EngineError(f"{self.name}: {what} failed: {self._log.taken()}")


class _Lane:
    """What the run of one frame of one shape needs: a context, a stream, and memory on both sides."""

    def __init__(
        self,
        trt: ModuleType,
        device: Device,
        engine: Any,
        shape: Shape,
        image: str,
        failed: Callable[[str], EngineError],
    ) -> None:
        self._image, self._failed = image, failed
        self._context = engine.create_execution_context()
        if self._context is None:
            raise failed(f"making room for an image of {shape}")
        if not self._context.set_input_shape(image, shape):
            raise failed(f"taking an image of {shape}")
        self._stream = device.stream()
        self._memory, self._pinned, self._arrays = {}, {}, {}
        for number in range(engine.num_io_tensors):
            name = engine.get_tensor_name(number)
            sides = tuple(self._context.get_tensor_shape(name))
            dtype = np.dtype(trt.nptype(engine.get_tensor_dtype(name)))
            size = prod(sides) * dtype.itemsize
            self._memory[name], self._pinned[name] = device.memory(size), device.pinned(size)
            self._arrays[name] = self._pinned[name].view(dtype).reshape(sides)[0]
            self._context.set_tensor_address(name, self._memory[name].address)

    def run(self, image: npt.NDArray[np.uint8]) -> dict[str, npt.NDArray[Any]]:
        np.copyto(self._arrays[self._image], image)
        self._stream.upload(self._memory[self._image].address, self._pinned[self._image])
        if not self._context.execute_async_v3(self._stream.handle):
            raise self._failed("the run")
        outputs = [name for name in self._memory if name != self._image]
        for name in outputs:
            self._stream.download(self._pinned[name], self._memory[name].address)
        self._stream.synchronize()
        return {name: self._arrays[name].copy() for name in outputs}


def check_profile(name: str, shapes: Shapes, shape: Shape) -> None:
    """Raises: EngineError: the shape (h, w, channels) is outside what the engine was built for."""
    (_, *least), _, (_, *greatest) = shapes
    if not all(low <= side <= high for low, side, high in zip(least, shape, greatest, strict=True)):
        raise EngineError(
            f"{name}: the image is {shape[1]}×{shape[0]}, the engine takes {least[1]}×{least[0]} to "
            f"{greatest[1]}×{greatest[0]}. Use Perceiver.prepare, or for such a shape another engine."
        )
