"""The float32 graph of the drive network answers as torch does, or is refused."""

import numpy as np
import onnx
import pytest
import torch

from export.exporter import golden_images
from export.float16 import round_weights, store_as_float16
from export.graph import to_onnx
from export.quantise import fold_normalisation
from export.validation import ParityError, check_parity, run_onnx
from perception.networks.drive_net import DriveNet
from perception.networks.export_wrapper import DeployedDrive

IMAGES = golden_images(DeployedDrive(DriveNet()))


@pytest.fixture(scope="module")
def deployed() -> DeployedDrive:
    """The network with statistics and weights that make every layer matter."""
    torch.manual_seed(0)
    network = DriveNet()
    network.encoder.load_imagenet()
    network.train()
    with torch.no_grad():
        network(torch.rand(4, 3, 64, 64) * 255)
    round_weights(network)  # as in bundles
    return DeployedDrive(network)


@pytest.fixture(scope="module")
def model(deployed: DeployedDrive) -> bytes:
    return to_onnx(deployed)


def test_graph_answers_as_torch_at_every_size(deployed: DeployedDrive, model: bytes) -> None:
    parity = check_parity(deployed, model, IMAGES)
    assert parity.images == 3
    assert parity.agreement is not None
    assert parity.agreement > 0.9999
    assert parity.apart is not None
    assert parity.apart < 0.1
    assert len(np.unique(run_onnx(model, IMAGES[0])["labels"])) > 1


def test_validation_refuses_a_graph_with_other_weights(deployed: DeployedDrive, model: bytes) -> None:
    graph = onnx.load_from_string(model)
    (bias,) = [t for t in graph.graph.initializer if t.name == "network.head.1.bias"]
    bias.CopyFrom(
        onnx.numpy_helper.from_array(
            onnx.numpy_helper.to_array(bias) + np.eye(12, dtype=np.float32)[3], bias.name
        )
    )
    with pytest.raises(ParityError, match=r"limit 0\.001.*nothing was written"):
        check_parity(deployed, graph.SerializeToString(), IMAGES[:1])


def test_validation_refuses_not_a_number(deployed: DeployedDrive, model: bytes) -> None:
    graph = onnx.load_from_string(model)
    (bias,) = [t for t in graph.graph.initializer if t.name == "network.head.1.bias"]
    bias.CopyFrom(onnx.numpy_helper.from_array(np.full(12, np.nan, np.float32), bias.name))
    with pytest.raises(ParityError):
        check_parity(deployed, graph.SerializeToString(), IMAGES[:1])


def test_validation_refuses_other_offsets(deployed: DeployedDrive, model: bytes) -> None:
    graph = onnx.load_from_string(model)
    (bias,) = [t for t in graph.graph.initializer if t.name == "network.instances.maps.bias"]
    moved = onnx.numpy_helper.to_array(bias) + np.eye(24, dtype=np.float32)[12] / 10
    bias.CopyFrom(onnx.numpy_helper.from_array(moved, bias.name))
    with pytest.raises(ParityError, match=r"another output by 6\.4 times"):
        check_parity(deployed, graph.SerializeToString(), IMAGES[:1])


def test_rounded_weights_kept_in_16_bits_give_the_same_graph(model: bytes) -> None:
    half = store_as_float16(model)
    assert len(half) < 0.55 * len(model)
    image = IMAGES[0]
    answers = run_onnx(model, image), run_onnx(half, image)
    for name, output in DeployedDrive.outputs.items():
        apart = np.abs(answers[0][name].astype(float) - answers[1][name])
        assert np.mean(apart <= 0.01 * output.tolerance) > 0.999, name  # runtimes fuse the two differently


def test_folding_the_normalisation_changes_nothing(deployed: DeployedDrive) -> None:
    image = torch.from_numpy(IMAGES[0])
    with torch.inference_mode():
        folded = fold_normalisation(deployed).network(deployed.pixels(image))
        for got, wanted in zip(folded, deployed.maps(image), strict=True):
            assert torch.allclose(got, wanted, atol=1e-3)
