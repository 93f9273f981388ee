"""What every engine must do, of those that this machine can run: the others say why it cannot.

A drawn network with labels, and a small one that left torch, as `perception export` lets networks leave it.
"""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
import pytest
import torch
from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_static
from onnxruntime.transformers.float16 import convert_float_to_float16

from export.graph import to_onnx
from perception.bundle.bundle import Bundle, write_bundle
from perception.bundle.manifest import BundleDescription, NetworkInfo, Precision
from perception.engines.base import ReadyEngine
from perception.engines.golden import LIMITS, check_golden
from perception.engines.registry import ENGINES, open_engine
from perception.errors import EngineError
from perception.training.config import DataConfig, TrainingConfig
from perception.training.describe import describe
from perception.training.tasks import make_task
from perception.types import Image
from tests.conftest import cannot_run, write_colour_bundle

SHAPES = ((64, 96), (96, 64), (32, 32), (96, 160))  # of images; the first is the golden one's
Maps = dict[str, npt.NDArray[Any]]


def picture(shape: tuple[int, int], seed: int = 0) -> Image:
    """Smooth colours and some noise, as frames have."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (shape[0] // 16, shape[1] // 16, 3)).repeat(16, 0).repeat(16, 1)
    noise = rng.integers(-8, 9, coarse.shape)
    return (coarse + noise).clip(0, 255).astype(np.uint8)


def reference(graph: bytes, image: Image) -> Maps:
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, {"image": image[None]}), strict=True))


class Frames(CalibrationDataReader):  # type: ignore[misc]
    def __init__(self) -> None:
        self._images = iter([picture((64, 96), seed)[None] for seed in range(4)])

    def get_next(self) -> dict[str, Image] | None:
        image = next(self._images, None)
        return None if image is None else {"image": image}


def quantised(model: Path, symmetric: bool) -> bytes:
    kind = QuantType.QInt8 if symmetric else QuantType.QUInt8
    target = model.with_name(f"{kind}.onnx")
    options = {"ActivationSymmetric": symmetric, "WeightSymmetric": True, "QuantizeBias": not symmetric}
    quantize_static(
        model,
        target,
        Frames(),
        per_channel=True,
        activation_type=kind,
        weight_type=QuantType.QInt8,
        op_types_to_quantize=["Conv"],
        extra_options=options,
    )
    return target.read_bytes()


def write_denoiser(folder: Path) -> Bundle:
    """The network `denoise` as it was before it learnt anything, in all precisions."""
    config = TrainingConfig(network="denoise", train=(DataConfig(source="none"),))
    torch.manual_seed(0)
    deployed = make_task(config).deployed
    model = to_onnx(deployed)
    (file := folder.with_suffix(".onnx")).write_bytes(model)
    half = convert_float_to_float16(onnx.load_from_string(model), keep_io_types=True)
    graphs = {
        Precision.FLOAT32: model,
        Precision.FLOAT16: half.SerializeToString(),
        Precision.INT8: quantised(file, symmetric=False),
        Precision.SYMMETRIC_INT8: quantised(file, symmetric=True),
    }
    network = NetworkInfo(name="denoise", parameters=1, gmacs=1, size=(32, 32))
    image = picture(SHAPES[0])
    return write_bundle(
        folder,
        describe(config, deployed, name="denoise", network=network),
        graphs=graphs,
        golden_image=image[None],
        golden_outputs={precision: reference(graph, image) for precision, graph in graphs.items()},
        card="# denoise\n\nFor tests.\n",
    )


def write_colours(folder: Path) -> Bundle:
    """The bundle `colour` with its network in the place of all precisions: it is exact in each."""
    plain = write_colour_bundle(folder.with_suffix(".plain"), pixels=64 * 96)
    image, outputs = plain.golden()
    return write_bundle(
        folder,
        BundleDescription.model_validate(plain.info.model_dump(exclude={"files"})),
        graphs=dict.fromkeys(Precision, plain.graph().read_bytes()),
        golden_image=image[None],
        golden_outputs={one: {name: map_[None] for name, map_ in outputs.items()} for one in Precision},
        card="",
    )


@pytest.fixture(scope="session")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Bundle]:
    folder = tmp_path_factory.mktemp("models")
    return {"colours": write_colours(folder / "colours"), "denoiser": write_denoiser(folder / "denoiser")}


@pytest.fixture(scope="module", params=["colours", "denoiser"])
def bundle(bundles: dict[str, Bundle], request: pytest.FixtureRequest) -> Bundle:
    return bundles[request.param]


@pytest.fixture(scope="module", params=ENGINES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def engine(bundle: Bundle, name: str, pytestconfig: pytest.Config) -> ReadyEngine:
    try:
        return open_engine(bundle, name, threads=1)
    except EngineError as error:
        cannot_run(pytestconfig, name, str(error))


def test_it_says_what_it_is(engine: ReadyEngine, name: str) -> None:
    assert (engine.name, engine.info.reason, engine.info.passed_over) == (name, "asked for", ())


def test_it_reproduces_the_golden_output(bundle: Bundle, engine: ReadyEngine) -> None:
    assert check_golden(bundle, engine) >= LIMITS[engine.info.precision].share


@pytest.mark.parametrize("shape", SHAPES)
def test_it_gives_what_the_graph_gives_at_every_size(
    bundle: Bundle, engine: ReadyEngine, shape: tuple[int, int]
) -> None:
    image = picture(shape, 5)
    found = engine.run(image)
    wanted = reference(bundle.graph(engine.info.precision).read_bytes(), image)
    assert list(found) == list(bundle.info.outputs)
    limit = LIMITS[engine.info.precision]
    for name, output in bundle.info.outputs.items():
        assert str(found[name].dtype) == output.dtype
        assert output.fits(found[name][None].shape, *shape)
        apart = np.abs(found[name].astype(float) - wanted[name][0])
        assert np.mean(apart <= limit.tolerances * output.tolerance) >= limit.share


def test_it_gives_the_same_bytes_each_time_and_leaves_them_alone(engine: ReadyEngine) -> None:
    image, other = picture(SHAPES[0], 1), picture(SHAPES[0], 2)
    first = engine.run(image)
    kept = {name: map_.copy() for name, map_ in first.items()}
    engine.run(other)
    engine.run(picture(SHAPES[1]))
    again = engine.run(image)
    for name, map_ in kept.items():
        np.testing.assert_array_equal(first[name], map_)
        np.testing.assert_array_equal(again[name], map_)


def test_several_threads_may_run_it_at_once(engine: ReadyEngine) -> None:
    images = [picture(SHAPES[i % 2], i) for i in range(12)]
    wanted = [engine.run(image) for image in images]
    with ThreadPoolExecutor(4) as workers:
        found = list(workers.map(engine.run, images))
    for one, other in zip(found, wanted, strict=True):
        for name, map_ in other.items():
            np.testing.assert_array_equal(one[name], map_)


def test_it_takes_a_view_of_an_image(engine: ReadyEngine) -> None:
    image = picture((128, 128))
    wanted = engine.run(np.ascontiguousarray(image[:64, ::-1]))
    for name, map_ in engine.run(image[:64, ::-1]).items():
        np.testing.assert_array_equal(map_, wanted[name])


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((33, 32, 3), np.uint8),
        np.zeros((32, 48, 3), np.uint8),
        np.zeros((32, 32, 3), np.float32),
        np.zeros((32, 32, 4), np.uint8),
        np.zeros((32, 32), np.uint8),
        np.zeros((0, 32, 3), np.uint8),
        np.zeros((1, 32, 32, 3), np.uint8),
    ],
)
def test_it_refuses_an_image_that_the_network_cannot_take(
    engine: ReadyEngine, image: npt.NDArray[Any], capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(EngineError, match=rf"{engine.name}: .*takes uint8 \(h, w, 3\).*multiples of 32"):
        engine.run(image)
    assert capfd.readouterr() == ("", "")
