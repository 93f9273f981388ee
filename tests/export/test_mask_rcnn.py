"""Mask R-CNN leaves torch: its graph finds who torch finds, TensorRT can read it, and the node runs it."""

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from export.command import export
from export.detections import check_detections
from export.exporter import golden_images
from export.float16 import round_weights
from export.validation import ParityError
from perception.bundle.bundle import Bundle
from perception.classes import DRIVE
from perception.errors import ConfigError
from perception.frame import Frame
from perception.networks.zoo.mask_rcnn import DeployedMaskRCNN, MaskRCNN
from perception.perceiver import Perceiver
from perception.training.config import DataConfig, TrainingConfig

IMAGES = golden_images(DeployedMaskRCNN(MaskRCNN()))


@pytest.fixture(scope="module")
def deployed() -> DeployedMaskRCNN:
    """Untrained, but with weights that make it find much, of every class and shape."""
    torch.manual_seed(0)
    network = MaskRCNN()
    network.encoder.load_imagenet()
    for head, spread in ((network.box_head.classify, 1.0), (network.proposals.steps, 0.3)):
        torch.nn.init.normal_(head.weight, std=spread)
    round_weights(network)  # as in bundles, so that the checkpoint's graph is this network's
    return DeployedMaskRCNN(network)


@pytest.fixture(scope="module")
def checkpoint(deployed: DeployedMaskRCNN, tmp_path_factory: pytest.TempPathFactory) -> Path:
    config = TrainingConfig(
        network="mask-rcnn",
        losses={"classes": 1.0},
        train=(DataConfig(source="penn_fudan:somewhere/penn_fudan"),),
        pixels=320 * 192,
    )
    path = tmp_path_factory.mktemp("run") / "checkpoint.pt"
    torch.save(
        {"config": config.model_dump_json(), "network": deployed.network.state_dict(), "step": 1}, path
    )
    return path


@pytest.fixture(scope="module")
def bundle(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    folder = tmp_path_factory.mktemp("models") / "two-stage"
    export(checkpoint, folder, name="two-stage")
    return Bundle.load(folder)


@pytest.fixture(scope="module")
def model(bundle: Bundle) -> bytes:
    return bundle.graph().read_bytes()


def test_graph_finds_who_torch_finds_at_every_size(deployed: DeployedMaskRCNN, model: bytes) -> None:
    agreement = check_detections(deployed, model, IMAGES)
    assert agreement.images == 3
    assert agreement.detections > 30
    assert agreement.apart < 0.1


def test_shapes_depend_on_nothing_but_the_number_of_detections(model: bytes) -> None:
    graph = onnx.load_from_string(model).graph
    shapes = {
        output.name: [axis.dim_value for axis in output.type.tensor_type.shape.dim] for output in graph.output
    }
    assert shapes == {
        "boxes": [1, 64, 4],
        "scores": [1, 64],
        "classes": [1, 64],
        "masks": [1, 64, 28, 28],
    }
    refused = {"NonZero", "NonMaxSuppression", "Loop", "If", "Compress", "Unique"}
    assert not refused & {node.op_type for node in graph.node}


@pytest.mark.parametrize(
    "name", ["network.box_head.classify.bias", "network.box_head.steps.bias", "network.mask_head.4.bias"]
)
def test_validation_refuses_a_graph_with_other_weights(
    deployed: DeployedMaskRCNN, model: bytes, name: str
) -> None:
    graph = onnx.load_from_string(model)
    (bias,) = [t for t in graph.graph.initializer if t.name == name]
    values = onnx.numpy_helper.to_array(bias)
    bias.CopyFrom(
        onnx.numpy_helper.from_array(values + np.eye(len(values), dtype=values.dtype)[-1], bias.name)
    )
    with pytest.raises(ParityError, match="nothing was written"):
        check_detections(deployed, graph.SerializeToString(), IMAGES[:1])


def test_validation_refuses_not_a_number(deployed: DeployedMaskRCNN, model: bytes) -> None:
    graph = onnx.load_from_string(model)
    (bias,) = [t for t in graph.graph.initializer if t.name == "network.box_head.classify.bias"]
    values = np.full_like(onnx.numpy_helper.to_array(bias), np.nan)
    bias.CopyFrom(onnx.numpy_helper.from_array(values, bias.name))
    with pytest.raises(ParityError):
        check_detections(deployed, graph.SerializeToString(), IMAGES[:1])


def test_tensorrt_reads_the_graph(model: bytes) -> None:
    trt = pytest.importorskip("tensorrt_rtx")
    logger = trt.Logger(trt.Logger.ERROR)
    network = trt.Builder(logger).create_network(0)
    parser = trt.OnnxParser(network, logger)
    assert parser.parse(model), [str(parser.get_error(i)) for i in range(parser.num_errors)]
    assert [tuple(network.get_output(i).shape)[1:] for i in range(4)] == [(64, 4), (64,), (64,), (64, 28, 28)]


def test_bundle_runs_in_the_node(bundle: Bundle) -> None:
    assert set(bundle.info.outputs) == {"boxes", "scores", "classes", "masks"}
    perceiver = Perceiver.load(bundle.folder, "onnx-cpu")
    image = IMAGES[1][0]
    scene = perceiver.perceive(Frame(image, stamp_ns=0))
    assert scene.instances
    assert scene.labels.shape == scene.instance_map.shape == image.shape[:2]
    assert {one.class_id for one in scene.instances} <= set(DRIVE.thing_ids)
    assert set(np.unique(scene.instance_map)) - {0} == {one.id for one in scene.instances}
    assert np.array_equal(scene.labels == 255, scene.instance_map == 0)
    assert np.array_equal(
        scene.labels[scene.instance_map > 0], scene.instance_map[scene.instance_map > 0] // 1000
    )
    for one in scene.instances:
        rows, columns = np.nonzero(scene.instance_map == one.id)
        assert one.box == (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
    with pytest.raises(ConfigError, match="choose boxes"):
        Perceiver.load(bundle.folder, "onnx-cpu", instances="components")


def test_refuses_to_quantise(checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no INT8 graph"):
        export(checkpoint, tmp_path / "bundle", calibrate=["sim:"], validate=["sim:"])
