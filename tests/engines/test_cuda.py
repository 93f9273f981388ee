"""The GPU as engines reach it: what a machine without one says, and that all memory is freed."""
# ruff: noqa: N802 - the driver's names

import ctypes
import gc
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from perception.engines import cuda
from perception.errors import EngineError
from tests.engines.fake_gpu import FakeDriver, install

H200 = cuda.Gpu("NVIDIA H200", (9, 0), "580.95.05", 13000)


class FakeLibrary:
    """libcuda and libnvidia-ml, as ctypes loads them."""

    def __init__(self, fault: int = 0, gpus: int = 1, release: bytes = b"580.95.05") -> None:
        self.fault, self.gpus, self.release = fault, gpus, release

    def cuInit(self, flags: int) -> int:
        return self.fault

    def cuDeviceGetCount(self, count: Any) -> int:
        count._obj.value = self.gpus
        return 0

    def cuDeviceGet(self, device: Any, ordinal: int) -> int:
        device._obj.value = ordinal
        return 0

    def cuDeviceGetName(self, name: Any, size: int, device: Any) -> int:
        name.value = b"NVIDIA H200"
        return 0

    def cuDeviceGetAttribute(self, value: Any, attribute: int, device: Any) -> int:
        value._obj.value = {75: 9, 76: 0}[attribute]
        return 0

    def cuDriverGetVersion(self, version: Any) -> int:
        version._obj.value = 13000
        return 0

    def nvmlInit_v2(self) -> int:
        return 0 if self.release else 12

    def nvmlSystemGetDriverVersion(self, release: Any, size: int) -> int:
        release.value = self.release
        return 0

    def nvmlShutdown(self) -> int:
        return 0


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    def load(**facts: Any) -> None:
        cuda._find_gpu.cache_clear()
        monkeypatch.setattr(ctypes, "CDLL", lambda name: FakeLibrary(**facts))

    yield load
    cuda._find_gpu.cache_clear()


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch) -> FakeDriver:
    return install(monkeypatch)


def test_no_driver_says_how_to_get_one() -> None:
    with pytest.raises(EngineError, match=r"no NVIDIA driver.*libnone\.so.*install it.*--gpus all"):
        cuda._find_gpu("libnone.so", "libnone.so")


def test_the_gpu_is_found(library: Callable[..., None]) -> None:
    library()
    assert cuda.find_gpu() == H200
    library(release=b"")
    assert cuda.find_gpu().driver == "for CUDA 13.0"


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"fault": 100}, r"sees no GPU.*--gpus all"),
        ({"gpus": 0}, r"sees no GPU"),
        ({"fault": 803}, r"of two versions.*restart"),
        ({"fault": 804}, r"update the driver"),
        ({"fault": 7}, r"CUDA error 7"),
    ],
)
def test_a_driver_that_does_not_start_says_why(
    library: Callable[..., None], facts: dict[str, int], message: str
) -> None:
    library(**facts)
    with pytest.raises(EngineError, match=message):
        cuda.find_gpu()


def test_a_driver_that_is_too_old_is_named_with_what_it_takes() -> None:
    cuda.check_driver(H200, 13, "tensorrt 11.4.0")
    cuda.check_driver(H200, 12, "tensorrt 10.9.0")
    cuda.check_driver(H200, None, "tensorrt 10.3.0")
    old = cuda.Gpu("NVIDIA A2", (8, 6), "535.183.01", 12020)
    with pytest.raises(
        EngineError,
        match=r"535\.183\.01 is too old: it takes CUDA up to 12\.2, tensorrt 11\.4\.0 needs CUDA 13",
    ):
        cuda.check_driver(old, 13, "tensorrt 11.4.0")


def test_a_machine_without_a_package_for_cuda_says_which_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pycuda", None)
    monkeypatch.setitem(sys.modules, "cuda", None)
    with pytest.raises(EngineError, match=r"neither pycuda nor cuda-bindings.*pip install cuda-bindings"):
        cuda.connect()


def test_bytes_go_to_the_gpu_and_back(driver: FakeDriver) -> None:
    device = cuda.connect()
    with device.active():
        stream, there, back, memory = (
            device.stream(),
            device.pinned(100),
            device.pinned(100),
            device.memory(100),
        )
        there[:] = np.arange(100)
        stream.upload(memory.address, there)
        stream.download(back, memory.address)
        stream.synchronize()
    np.testing.assert_array_equal(back, np.arange(100))
    assert driver.depth == 0


def test_memory_is_freed_with_its_last_user_from_any_thread(driver: FakeDriver) -> None:
    device = cuda.connect()
    kept: list[Any] = []

    def elsewhere() -> None:
        with device.active():
            kept.extend(
                [device.stream(), device.memory(8), device.pinned(40).view(np.float32).reshape(2, 5)[0]]
            )

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    gc.collect()
    assert (len(driver.memory), len(driver.streams)) == (2, 1)  # a view keeps what it shows
    kept[2][:] = 1.5
    kept.clear()
    gc.collect()
    assert (len(driver.memory), len(driver.streams), driver.depth) == (0, 0, 0)


def test_what_the_driver_refuses_is_an_error_with_its_name(driver: FakeDriver) -> None:
    device = cuda.connect()
    driver.room = 100
    with pytest.raises(EngineError, match=r"cuMemAlloc failed: CUDA_ERROR_OUT_OF_MEMORY"), device.active():
        device.memory(101)
    assert driver.depth == 0
    with pytest.raises(EngineError, match=r"cuMemHostAlloc failed: CUDA_ERROR_INVALID_CONTEXT"):
        device.pinned(10)  # in no context
