"""A tiny but real bundle for tests that must know what the network will say."""

import os
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NoReturn

import numpy as np
import numpy.typing as npt
import onnx
import pytest
from hypothesis import settings
from onnx import TensorProto, helper, numpy_helper

from perception.bundle.bundle import Bundle, write_bundle
from perception.bundle.manifest import BundleDescription, ClassesInfo, InputInfo, Precision, TrainingInfo
from perception.classes import DRIVE
from tests.e2e.faults.table import pytest_terminal_summary  # noqa: F401 - pytest finds it here

settings.register_profile("untimed", deadline=None)  # a busy machine makes no test fail
settings.load_profile("untimed")

COLOURS_BGR = np.array(DRIVE.colours, np.uint8)[:, ::-1]


def colour_graph() -> bytes:
    """ONNX: uint8 (n, h, w, 3) BGR → uint8 (n, h, w), the class whose colour is nearest.

    argmin |x - c|² = argmin (|c|² - 2 x·c), which float32 computes exactly for bytes.
    """
    colours = COLOURS_BGR.astype(np.float32)
    nodes = [
        helper.make_node("Cast", ["image"], ["pixels"], to=TensorProto.FLOAT),
        helper.make_node("MatMul", ["pixels", "minus_twice_colours"], ["products"]),
        helper.make_node("Add", ["products", "squares"], ["distances"]),
        helper.make_node("ArgMin", ["distances"], ["nearest"], axis=-1, keepdims=0),
        helper.make_node("Cast", ["nearest"], ["labels"], to=TensorProto.UINT8),
    ]
    graph = helper.make_graph(
        nodes,
        "nearest_colour",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["n", "h", "w", 3])],
        [helper.make_tensor_value_info("labels", TensorProto.UINT8, ["n", "h", "w"])],
        [
            numpy_helper.from_array(-2 * colours.T, "minus_twice_colours"),
            numpy_helper.from_array((colours**2).sum(axis=1), "squares"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(model, full_check=True)
    return bytes(model.SerializeToString())


def nearest_colour(image: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """What the graph must give, in numpy: uint8 (..., 3) BGR → uint8 (...)."""
    difference = image[..., None, :].astype(np.int32) - COLOURS_BGR
    labels: npt.NDArray[np.uint8] = (difference**2).sum(axis=-1).argmin(axis=-1).astype(np.uint8)
    return labels


def write_colour_bundle(folder: Path, pixels: int = 640 * 384, golden_int8: int | None = None) -> Bundle:
    """The bundle `colour`: labels are the `drive` classes nearest in colour.

    With `golden_int8` it has a second network that stands for a quantised one: the same, whose golden labels
    are said to be higher by that much.
    """
    image = np.random.default_rng(0).integers(0, 256, (1, 64, 96, 3), np.uint8)
    description = BundleDescription(
        name="colour",
        version="1",
        classes=ClassesInfo(name=DRIVE.name, names=DRIVE.names, colours=DRIVE.colours, things=DRIVE.things),
        input=InputInfo(pixels=pixels),
        training=TrainingInfo(data=(), licence="MIT"),
    )
    graphs = {Precision.FLOAT32: colour_graph()}
    golden = {Precision.FLOAT32: {"labels": nearest_colour(image)}}
    if golden_int8 is not None:
        graphs[Precision.INT8] = colour_graph()
        golden[Precision.INT8] = {"labels": (nearest_colour(image) + np.uint8(golden_int8)) % np.uint8(12)}
    return write_bundle(
        folder,
        description,
        graphs=graphs,
        golden_image=image,
        golden_outputs=golden,
        card="# colour\n\nLabels every pixel with the class whose colour is nearest. For tests.\n",
    )


@pytest.fixture(scope="session", autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The user's own cache stays as it is; processes that tests start take this one too."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture
def runtime(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of shared memory's sockets, whose paths must be short."""
    with TemporaryDirectory(prefix="ring-") as folder:
        monkeypatch.setenv("XDG_RUNTIME_DIR", folder)
        yield Path(folder)


def pytest_configure() -> None:
    """Threads of torch, not yet imported, would only wait for those of the tests beside."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--require-engine",
        action="append",
        default=[],
        metavar="NAME",
        help="an engine that must run here: that it cannot is a failure, no reason to skip its tests",
    )
    parser.addoption("--faults", metavar="FILE", help="write the table of faults there, in Markdown")


def cannot_run(config: pytest.Config, engine: str, reason: str) -> NoReturn:
    """Skip the test, or fail it where that engine is required."""
    if engine in config.getoption("--require-engine"):
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def colour_bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """The bundle of `write_colour_bundle`; do not change its files."""
    return write_colour_bundle(tmp_path_factory.mktemp("models") / "colour")
