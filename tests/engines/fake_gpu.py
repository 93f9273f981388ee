"""A driver and a TensorRT in Python, for what needs a GPU otherwise.

`FakeDriver` stands in for the module `cuda.bindings.driver`, `fake_tensorrt` for `tensorrt`. An engine file
is the word "engine", its version and the profile; it runs the network of `tests.conftest.colour_graph`.
"""
# ruff: noqa: N802 - the driver's names

import ctypes
import json
import sys
import threading
from collections.abc import Callable
from enum import Enum
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tests.conftest import nearest_colour

Shape = tuple[int, ...]


class Result(Enum):
    CUDA_SUCCESS = 0
    CUDA_ERROR_OUT_OF_MEMORY = 2
    CUDA_ERROR_INVALID_CONTEXT = 201


class FakeDriver:
    """Memory on the "GPU" is memory of this process, and a stream does everything at once.

    Attributes:
        memory: what is allocated and not freed, by address: on the GPU and pinned.
        allocations: how many there were.
        calls: names of the calls that were made, in order.
        room: bytes that may be allocated at a time.
    """

    CUresult = Result

    def __init__(self) -> None:
        self.memory: dict[int, Any] = {}
        self.streams: set[int] = set()
        self.allocations = 0
        self.calls: list[str] = []
        self.room = 1 << 30
        self._thread = threading.local()

    @property
    def depth(self) -> int:
        """Contexts that are pushed in this thread."""
        return getattr(self._thread, "depth", 0)

    def cuInit(self, flags: int) -> tuple[Result]:
        return (Result.CUDA_SUCCESS,)

    def cuDeviceGet(self, ordinal: int) -> tuple[Result, int]:
        return Result.CUDA_SUCCESS, ordinal

    def cuDevicePrimaryCtxRetain(self, device: int) -> tuple[Result, str]:
        return Result.CUDA_SUCCESS, "primary"

    def cuCtxPushCurrent(self, context: str) -> tuple[Result]:
        assert context == "primary"
        self._thread.depth = self.depth + 1
        return (Result.CUDA_SUCCESS,)

    def cuCtxPopCurrent(self) -> tuple[Result, str]:
        self._thread.depth = self.depth - 1
        return Result.CUDA_SUCCESS, "primary"

    def cuStreamCreate(self, flags: int) -> tuple[Result, int]:
        assert flags == 1  # non-blocking
        handle = 0x1000 + len(self.calls)
        self.streams.add(handle)
        return self._called("cuStreamCreate", handle)

    def cuStreamDestroy(self, stream: int) -> tuple[Any, ...]:
        self.streams.remove(stream)
        return self._called("cuStreamDestroy")

    def cuStreamSynchronize(self, stream: int) -> tuple[Any, ...]:
        assert stream in self.streams
        return self._called("cuStreamSynchronize")

    def cuMemAlloc(self, size: int) -> tuple[Any, ...]:
        return self._allocate("cuMemAlloc", size)

    def cuMemHostAlloc(self, size: int, flags: int) -> tuple[Any, ...]:
        return self._allocate("cuMemHostAlloc", size)

    def cuMemFree(self, address: int) -> tuple[Any, ...]:
        del self.memory[address]
        return self._called("cuMemFree")

    cuMemFreeHost = cuMemFree  # noqa: N815 - the driver's name

    def cuMemcpyHtoDAsync(self, target: int, source: int, size: int, stream: int) -> tuple[Any, ...]:
        assert stream in self.streams
        ctypes.memmove(target, source, size)
        return self._called("cuMemcpyHtoDAsync")

    def cuMemcpyDtoHAsync(self, target: int, source: int, size: int, stream: int) -> tuple[Any, ...]:
        assert stream in self.streams
        ctypes.memmove(target, source, size)
        return self._called("cuMemcpyDtoHAsync")

    def _allocate(self, name: str, size: int) -> tuple[Any, ...]:
        if size + sum(map(ctypes.sizeof, self.memory.values())) > self.room:
            return (Result.CUDA_ERROR_OUT_OF_MEMORY, 0)
        memory = (ctypes.c_uint8 * size)()
        self.memory[ctypes.addressof(memory)] = memory
        self.allocations += 1
        return self._called(name, ctypes.addressof(memory))

    def _called(self, name: str, *given: Any) -> tuple[Any, ...]:
        self.calls.append(name)
        return (Result.CUDA_SUCCESS if self.depth else Result.CUDA_ERROR_INVALID_CONTEXT, *given)


def install(monkeypatch: pytest.MonkeyPatch) -> FakeDriver:
    """A driver that `connect` finds, under cuda-bindings; pycuda is not installed."""
    driver = FakeDriver()
    bindings = ModuleType("cuda.bindings")
    bindings.driver = driver  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "cuda", ModuleType("cuda"))
    monkeypatch.setitem(sys.modules, "cuda.bindings", bindings)
    monkeypatch.setitem(sys.modules, "pycuda", None)
    return driver


def fake_tensorrt(version: str = "11.4.0", during_run: Callable[[], object] = lambda: None) -> Any:
    """A module like `tensorrt`: its engines call `during_run` in each run; False makes it fail."""

    class Logger:
        Severity = Enum("Severity", ["INTERNAL_ERROR", "ERROR", "WARNING"])

        def log(self, severity: Any, message: str) -> None: ...

    class Runtime:
        def __init__(self, log: Any) -> None:
            self.log = log

        def deserialize_cuda_engine(self, plan: bytes) -> Any:
            word, _, rest = plan.partition(b" ")
            made, _, shapes = rest.partition(b" ")
            if (word, made) == (b"engine", version.encode()):
                return Engine(json.loads(shapes), self.log)
            self.log.log(Logger.Severity.ERROR, f"the engine is of version {made.decode()},\n not {version}")
            return None

    class Engine:
        num_io_tensors = 2

        def __init__(self, shapes: list[list[int]], log: Any) -> None:
            self.shapes, self.log = shapes, log

        def get_tensor_name(self, number: int) -> str:
            return ("labels", "image")[number]

        def get_tensor_dtype(self, name: str) -> str:
            return "uint8"

        def create_execution_context(self) -> Any:
            return Context(self)

    class Context:
        def __init__(self, engine: Any) -> None:
            self.engine = engine
            self.addresses: dict[str, int] = {}
            self.image: Shape = ()
            self.busy = threading.Lock()

        def set_input_shape(self, name: str, shape: Shape) -> bool:
            least, _, greatest = self.engine.shapes
            self.image = shape
            return all(a <= b <= c for a, b, c in zip(least, shape, greatest, strict=True))

        def get_tensor_shape(self, name: str) -> Shape:
            return self.image if name == "image" else self.image[:-1]

        def set_tensor_address(self, name: str, address: int) -> bool:
            self.addresses[name] = address
            return True

        def execute_async_v3(self, stream: int) -> bool:
            if not self.busy.acquire(blocking=False):
                self.engine.log.log(Logger.Severity.ERROR, "a context runs one frame at a time")
                return False
            try:
                if during_run() is False:
                    self.engine.log.log(Logger.Severity.ERROR, "it fell\nover")
                    return False
                image, labels = (
                    np.frombuffer(
                        memoryview((ctypes.c_uint8 * int(np.prod(shape))).from_address(address)), np.uint8
                    )
                    for shape, address in (
                        (self.image, self.addresses["image"]),
                        (self.image[:-1], self.addresses["labels"]),
                    )
                )
                labels[:] = nearest_colour(image.reshape(-1, 3))
            finally:
                self.busy.release()
            return True

    return SimpleNamespace(
        __name__="tensorrt", __version__=version, ILogger=Logger, Runtime=Runtime, nptype=lambda name: name
    )


def fake_plan(version: str, shapes: tuple[Shape, Shape, Shape]) -> bytes:
    """An engine file of that version."""
    return f"engine {version} {json.dumps(shapes)}".encode()
