"""The GPU as an engine needs it: streams, pinned memory, memory on the device, and copies between them.

By pycuda where it is installed, else by cuda-bindings. Whether there is a driver is found by loading it:
TensorRT crashes where there is none, and that needs neither package.
"""

import ctypes
import sys
import weakref
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from perception.errors import EngineError

Bytes = npt.NDArray[np.uint8]

_MAJOR, _MINOR = 75, 76  # CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_*
_NON_BLOCKING = 1  # CU_STREAM_NON_BLOCKING: does not wait for the default stream
_LIBRARIES = {"win32": ("nvcuda.dll", "nvml.dll")}.get(sys.platform, ("libcuda.so.1", "libnvidia-ml.so.1"))
_FAULTS = {
    100: "it sees no GPU: is one fitted, and given to this container (docker run --gpus all)?",
    803: "its parts are of two versions, as after an update: restart the machine",
    804: "the CUDA compatibility package does not fit this GPU: update the driver instead",
    999: "unknown error, as after suspending: reload the driver, or restart the machine",
}


@dataclass(frozen=True)
class Gpu:
    """The first NVIDIA GPU: `capability` to compute, such as (9, 0), and the version of its driver.

    `cuda` is the newest CUDA version that the driver takes, such as 13000.
    """

    name: str
    capability: tuple[int, int]
    driver: str
    cuda: int


class Stream(Protocol):
    """A queue of work on the GPU. The arrays to copy are pinned ones."""

    handle: int

    def upload(self, memory: int, array: Bytes) -> None: ...
    def download(self, array: Bytes, memory: int) -> None: ...
    def synchronize(self) -> None: ...


class Memory(Protocol):
    """Memory on the GPU, freed with this object."""

    address: int


class Device(Protocol):
    """The first GPU. Its other methods, and those of what they return, need it `active` in the thread.

    Faults of the driver, such as a lack of memory, leave the `active` block as an EngineError.
    """

    def active(self) -> AbstractContextManager[None]: ...
    def stream(self) -> Stream: ...
    def pinned(self, size: int) -> Bytes: ...
    def memory(self, size: int) -> Memory: ...


def find_gpu() -> Gpu:
    """The first NVIDIA GPU, from the driver alone.

    Raises:
        EngineError: there is no driver, or it has no GPU for us.
    """
    return _find_gpu(*_LIBRARIES)


def connect() -> Device:
    """The first GPU, once `find_gpu` has found it.

    Raises:
        EngineError: neither pycuda nor cuda-bindings is installed, or the driver refuses.
    """
    refusals = []
    for open_device in (_PycudaDevice, _BindingsDevice):
        try:
            return open_device()
        except ImportError as error:
            refusals.append(str(error))
    raise EngineError(
        f"neither pycuda nor cuda-bindings imports ({'; '.join(refusals)}): pip install cuda-bindings"
    )


def check_driver(gpu: Gpu, needed: int | None, what: str) -> None:
    """Raises: EngineError: the driver is older than the major CUDA version that `what` was built for."""
    if needed is not None and gpu.cuda // 1000 < needed:
        raise EngineError(
            f"the NVIDIA driver {gpu.driver} is too old: it takes CUDA up to {_dotted(gpu.cuda)}, "
            f"{what} needs CUDA {needed}: update the driver, or install {what} for CUDA {gpu.cuda // 1000}"
        )


@cache
def _find_gpu(cuda_library: str, nvml_library: str) -> Gpu:
    try:
        driver = ctypes.CDLL(cuda_library)
    except OSError as error:
        raise EngineError(
            f"there is no NVIDIA driver here ({error}): install it; "
            "in a container, give it the GPUs (docker run --gpus all)"
        ) from error
    fault = driver.cuInit(0)
    if fault:
        raise EngineError(f"the NVIDIA driver does not start: {_FAULTS.get(fault, f'CUDA error {fault}')}")
    count, device, version, major, minor = (ctypes.c_int() for _ in range(5))
    name = ctypes.create_string_buffer(256)
    driver.cuDeviceGetCount(ctypes.byref(count))
    if not count.value:
        raise EngineError(f"the NVIDIA driver does not start: {_FAULTS[100]}")
    driver.cuDeviceGet(ctypes.byref(device), 0)
    driver.cuDeviceGetName(name, len(name), device)
    driver.cuDeviceGetAttribute(ctypes.byref(major), _MAJOR, device)
    driver.cuDeviceGetAttribute(ctypes.byref(minor), _MINOR, device)
    driver.cuDriverGetVersion(ctypes.byref(version))
    capability = (major.value, minor.value)
    return Gpu(name.value.decode(), capability, _release(nvml_library, version.value), version.value)


def _release(library: str, cuda: int) -> str:
    """The driver's own version, such as 580.95.05; without the management library, that of its CUDA."""
    release = ctypes.create_string_buffer(96)
    with suppress(OSError):  # absent on Jetson and in lean containers
        management = ctypes.CDLL(library)
        if not management.nvmlInit_v2():
            management.nvmlSystemGetDriverVersion(release, len(release))
            management.nvmlShutdown()
    return release.value.decode() or f"for CUDA {_dotted(cuda)}"


def _dotted(cuda: int) -> str:
    return f"{cuda // 1000}.{cuda % 1000 // 10}"


@dataclass(eq=False)
class _Memory:
    address: int


class _BindingsDevice:
    """The GPU by `cuda.bindings.driver`: its functions return an error code and their results."""

    def __init__(self) -> None:
        from cuda.bindings import driver  # noqa: PLC0415 - optional

        self._driver: Any = driver
        self.call("cuInit", 0)
        # The primary context is the one that TensorRT, ONNX Runtime and torch work in.
        self._context = self.call("cuDevicePrimaryCtxRetain", self.call("cuDeviceGet", 0))

    def call(self, name: str, *arguments: Any) -> Any:
        """The result of the driver's function.

        Raises:
            EngineError: it reports a fault.
        """
        fault, *given = getattr(self._driver, name)(*arguments)
        if fault != self._driver.CUresult.CUDA_SUCCESS:
            raise EngineError(f"the NVIDIA driver's {name} failed: {fault.name}")
        return given[0] if given else None

    @contextmanager
    def active(self) -> Iterator[None]:
        self.call("cuCtxPushCurrent", self._context)
        try:
            yield
        finally:
            self.call("cuCtxPopCurrent")

    def stream(self) -> Stream:
        stream = _BindingsStream(self, int(self.call("cuStreamCreate", _NON_BLOCKING)))
        self._free_with(stream, "cuStreamDestroy", stream.handle)
        return stream

    def pinned(self, size: int) -> Bytes:
        address = int(self.call("cuMemHostAlloc", size, 0))
        array = np.ctypeslib.as_array((ctypes.c_uint8 * size).from_address(address))
        self._free_with(array, "cuMemFreeHost", address)
        return array

    def memory(self, size: int) -> Memory:
        memory = _Memory(int(self.call("cuMemAlloc", size)))
        self._free_with(memory, "cuMemFree", memory.address)
        return memory

    def _free_with(self, owner: object, name: str, address: int) -> None:
        """Call it once the owner is gone; not at the end of the process, which frees all by itself."""
        weakref.finalize(owner, self._free, name, address).atexit = False

    def _free(self, name: str, address: int) -> None:
        with suppress(EngineError), self.active():  # after a fault of the GPU nothing can be freed
            self.call(name, address)


@dataclass(eq=False)
class _BindingsStream:
    device: _BindingsDevice
    handle: int

    def upload(self, memory: int, array: Bytes) -> None:
        self.device.call("cuMemcpyHtoDAsync", memory, array.ctypes.data, array.nbytes, self.handle)

    def download(self, array: Bytes, memory: int) -> None:
        self.device.call("cuMemcpyDtoHAsync", array.ctypes.data, memory, array.nbytes, self.handle)

    def synchronize(self) -> None:
        self.device.call("cuStreamSynchronize", self.handle)


class _PycudaDevice:
    """The GPU by `pycuda.driver`: its objects free themselves."""

    def __init__(self) -> None:
        from pycuda import driver  # noqa: PLC0415 - optional

        self._driver: Any = driver
        driver.init()
        self._context = driver.Device(0).retain_primary_context()

    @contextmanager
    def active(self) -> Iterator[None]:
        try:
            self._context.push()
            try:
                yield
            finally:
                self._context.pop()  # a thread must not end with a context
        except self._driver.Error as error:
            raise EngineError(f"the NVIDIA driver failed: {error}") from error

    def stream(self) -> Stream:
        return _PycudaStream(self._driver, self._driver.Stream(_NON_BLOCKING))

    def pinned(self, size: int) -> Bytes:
        array: Bytes = self._driver.pagelocked_empty(size, np.uint8)
        return array

    def memory(self, size: int) -> Memory:
        return _PycudaMemory(self._driver.mem_alloc(size))


class _PycudaStream:
    def __init__(self, driver: Any, stream: Any) -> None:
        self.handle = int(stream.handle)
        self._driver, self._stream = driver, stream

    def upload(self, memory: int, array: Bytes) -> None:
        self._driver.memcpy_htod_async(memory, array, self._stream)

    def download(self, array: Bytes, memory: int) -> None:
        self._driver.memcpy_dtoh_async(array, memory, self._stream)

    def synchronize(self) -> None:
        self._stream.synchronize()


class _PycudaMemory:
    def __init__(self, allocation: Any) -> None:
        self.address = int(allocation)
        self._allocation = allocation
