"""From a checkpoint to a bundle that answers as torch does, or a refusal."""

import copy
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from export.command import export
from export.exporter import golden_images
from export.gate import ParityError, check_loss, check_parity, run_onnx
from export.graph import to_onnx
from export.half import keep_in_half, round_weights
from export.quantise import fold_normalisation, quantise
from perception.bundle import Bundle
from perception.bundle_info import Precision
from perception.errors import ConfigError
from perception.networks.deployed import DeployedDrive
from perception.networks.drive import DriveNet
from perception.perceiver import Perceiver
from perception.training.checkpoint import load_weights
from perception.training.config import DataConfig, TrainingConfig

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
    return DeployedDrive(network)


@pytest.fixture(scope="module")
def model(deployed: DeployedDrive) -> bytes:
    return to_onnx(deployed)


@pytest.fixture(scope="module")
def checkpoint(deployed: DeployedDrive, tmp_path_factory: pytest.TempPathFactory) -> Path:
    config = TrainingConfig(train=(DataConfig(source="camvid:somewhere/secret/camvid/train"),))
    path = tmp_path_factory.mktemp("run") / "checkpoint.pt"
    torch.save(
        {"config": config.model_dump_json(), "network": deployed.network.state_dict(), "step": 1}, path
    )
    return path


def test_graph_answers_as_torch_at_every_size(deployed: DeployedDrive, model: bytes) -> None:
    parity = check_parity(deployed, model, IMAGES)
    assert parity.images == 3
    assert parity.agreement is not None
    assert parity.agreement > 0.9999
    assert parity.apart is not None
    assert parity.apart < 0.1
    assert len(np.unique(run_onnx(model, IMAGES[0])["labels"])) > 1


def test_gate_refuses_a_graph_with_other_weights(deployed: DeployedDrive, model: bytes) -> None:
    graph = onnx.load_from_string(model)
    (bias,) = [t for t in graph.graph.initializer if t.name == "network.head.1.bias"]
    bias.CopyFrom(
        onnx.numpy_helper.from_array(
            onnx.numpy_helper.to_array(bias) + np.eye(12, dtype=np.float32)[3], bias.name
        )
    )
    with pytest.raises(ParityError, match=r"limit 0\.001.*nothing was written"):
        check_parity(deployed, graph.SerializeToString(), IMAGES[:1])


def test_gate_refuses_not_a_number(deployed: DeployedDrive, model: bytes) -> None:
    graph = onnx.load_from_string(model)
    (bias,) = [t for t in graph.graph.initializer if t.name == "network.head.1.bias"]
    bias.CopyFrom(onnx.numpy_helper.from_array(np.full(12, np.nan, np.float32), bias.name))
    with pytest.raises(ParityError):
        check_parity(deployed, graph.SerializeToString(), IMAGES[:1])


def test_gate_refuses_other_offsets(deployed: DeployedDrive, model: bytes) -> None:
    graph = onnx.load_from_string(model)
    (bias,) = [t for t in graph.graph.initializer if t.name == "network.instances.maps.bias"]
    moved = onnx.numpy_helper.to_array(bias) + np.eye(24, dtype=np.float32)[12] / 10
    bias.CopyFrom(onnx.numpy_helper.from_array(moved, bias.name))
    with pytest.raises(ParityError, match=r"another output by 6\.4 times"):
        check_parity(deployed, graph.SerializeToString(), IMAGES[:1])


def test_weights_in_16_bits_give_the_graph_that_torch_runs_on_rounded_ones(deployed: DeployedDrive) -> None:
    network = copy.deepcopy(deployed.network)
    round_weights(network)
    exact = to_onnx(DeployedDrive(network))
    half = keep_in_half(exact)
    assert len(half) < 0.55 * len(exact)
    image = IMAGES[0]
    answers = run_onnx(exact, image), run_onnx(half, image)
    for name, output in DeployedDrive.outputs.items():
        apart = np.abs(answers[0][name].astype(float) - answers[1][name])
        assert np.mean(apart <= 0.01 * output.tolerance) > 0.999, name  # runtimes fuse the two differently


@pytest.fixture(scope="module")
def int8_model(deployed: DeployedDrive) -> bytes:
    return quantise(deployed, IMAGES)


def test_int8_convolves_in_int8_and_agrees_mostly(model: bytes, int8_model: bytes) -> None:
    assert len(int8_model) < 0.35 * len(model)
    for image in IMAGES:
        assert np.mean(run_onnx(model, image)["labels"] == run_onnx(int8_model, image)["labels"]) > 0.8


def test_folding_the_normalisation_changes_nothing(deployed: DeployedDrive) -> None:
    image = torch.from_numpy(IMAGES[0])
    with torch.inference_mode():
        folded = DeployedDrive(fold_normalisation(deployed.network)).maps(image)
        for got, wanted in zip(folded, deployed.maps(image), strict=True):
            assert torch.allclose(got, wanted, atol=1e-3)


def test_gate_measures_what_int8_costs_and_refuses_too_much(model: bytes, int8_model: bytes) -> None:
    drive = "sim:?frames=2&size=320x192&seed=9"
    loss = check_loss(model, model, [drive], 320 * 192)
    (scores,) = loss.mean_iou.values()
    assert scores[0] == scores[1]
    always_sky = onnx.load_from_string(int8_model)
    for node in always_sky.graph.node:
        if node.op_type == "ArgMax":
            node.op_type = "ArgMin"
    trained = onnx.load_from_string(model)
    with pytest.raises(ParityError, match=r"loses too much on sim:.*limit 0\.01 less"):
        check_loss(trained.SerializeToString(), always_sky.SerializeToString(), [drive], 320 * 192)


def test_bundle_runs_tells_its_origin_and_can_be_trained_on(
    deployed: DeployedDrive, checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("export.gate.LOSS", 1.0)  # what an untrained network loses means nothing
    drive = "sim:?frames=3&size=320x192"
    export(checkpoint, tmp_path / "bundle", calibrate=[drive], validate=[drive])
    bundle = Bundle.load(tmp_path / "bundle")
    assert bundle.info.training.data == ("camvid: camvid/train",)
    assert "secret" not in "".join(
        p.read_text() for p in (bundle.folder / "README.md", bundle.folder / "bundle.json")
    )
    assert b"/" + b"site-packages" not in bundle.graph().read_bytes()
    assert sum(p.stat().st_size for p in bundle.folder.iterdir()) < 16 * 2**20
    assert Perceiver.load(tmp_path / "bundle", "onnx-cpu").engine.name == "onnx-cpu"
    assert Perceiver.load(tmp_path / "bundle", "onnx-cpu-int8").engine.precision is Precision.INT8
    again = DriveNet()
    load_weights(again, tmp_path / "bundle")
    image = torch.from_numpy(IMAGES[0])
    wanted = DriveNet()
    wanted.load_state_dict(deployed.network.state_dict())
    round_weights(wanted)
    with torch.inference_mode():
        assert torch.equal(DeployedDrive(again).maps(image).logits, DeployedDrive(wanted).maps(image).logits)


def test_refuses_a_quantised_network_of_unknown_loss(checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--calibrate without --validate"):
        export(checkpoint, tmp_path / "bundle", calibrate=["sim:?frames=3&size=320x192"])
    assert not (tmp_path / "bundle").exists()
