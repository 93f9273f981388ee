"""What only a GPU can show; `tests/gpu/run` makes sure that nothing of it is skipped."""

import statistics
import time
from pathlib import Path

import numpy as np
import pytest

from perception.bundle.bundle import Bundle
from perception.bundle.manifest import Precision
from perception.engines import cuda
from perception.engines.tensorrt import NAMES, open_tensorrt
from perception.errors import EngineError
from perception.resample import input_size
from tests.conftest import cannot_run

BYTES = 1 << 20


@pytest.fixture
def device(pytestconfig: pytest.Config) -> cuda.Device:
    try:
        cuda.find_gpu()
        return cuda.connect()
    except EngineError as error:
        cannot_run(pytestconfig, "tensorrt", str(error))


@pytest.fixture(params=NAMES)
def precision(request: pytest.FixtureRequest) -> Precision:
    return Precision(request.param)


def test_bytes_go_to_the_gpu_and_back(device: cuda.Device) -> None:
    wanted = np.random.default_rng(0).integers(0, 256, BYTES, np.uint8)
    with device.active():
        stream, there, back, memory = (
            device.stream(),
            device.pinned(BYTES),
            device.pinned(BYTES),
            device.memory(BYTES),
        )
        there[:] = wanted
        stream.upload(memory.address, there)
        stream.download(back, memory.address)
        stream.synchronize()
    np.testing.assert_array_equal(back, wanted)


def test_more_memory_than_there_is_is_an_error(device: cuda.Device) -> None:
    with pytest.raises(EngineError), device.active():
        device.memory(1 << 50)


@pytest.mark.timeout(1800)
@pytest.mark.usefixtures("device")
def test_an_engine_is_built_once_and_is_warm_when_it_is_opened(
    precision: Precision, pytestconfig: pytest.Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    bundle = Bundle.load("drive")
    if precision not in bundle.precisions:
        cannot_run(pytestconfig, NAMES[precision], f"the bundle drive has no {precision} graph")
    shares: list[float] = []
    try:
        open_tensorrt(bundle, 1, precision, lambda what, share: shares.append(share))
    except EngineError as error:
        cannot_run(pytestconfig, NAMES[precision], str(error))
    assert (shares[0], shares[-1]) == (0, 1) and shares == sorted(shares)

    shares.clear()
    engine = open_tensorrt(bundle, 1, precision, lambda what, share: shares.append(share))
    assert shares == [] and engine.info.notes == ()
    info = bundle.info.input
    image = np.zeros((*input_size(9, 16, info.pixels, info.multiple), 3), np.uint8)
    times = []
    for _ in range(50):
        start = time.perf_counter()
        engine.run(image)
        times.append(time.perf_counter() - start)
    assert times[0] < 10 * statistics.median(times)
