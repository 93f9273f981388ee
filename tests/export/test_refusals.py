"""What must not leave torch: each refused with one clear error, and nothing written."""

from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from torch import Tensor, nn

from export.command import export
from export.graph import to_onnx
from export.graph_comparison import Comparison
from export.tensorrt import check_tensorrt
from export.tolerances import refuse
from export.validation import ParityError
from perception.bundle.manifest import Accuracy, Precision
from perception.errors import ConfigError, DataError, PerceptionError
from perception.networks.export_wrapper import Deployed, DeployedSemantic
from tests.export.conftest import CONFIG, DRIVE, PIXELS, VALIDATION, Exported, save


def scored(precision: Precision, **fallen: float) -> Comparison:
    """A graph with the figures of torch, less what has fallen."""
    exact = {"mean_iou": 0.7, "lane_marking": 0.6, "road": 0.9, "vehicle": 0.4, "pedestrian": 0.1}
    found = {name: value - fallen.get(name, 0.0) for name, value in exact.items()}
    reference, accuracy = (
        Accuracy(
            set="a set",
            frames=9,
            mean_iou=of["mean_iou"],
            iou={name: of[name] for name in ("lane_marking", "road")},
            ap={name: of[name] for name in ("vehicle", "pedestrian")},
        )
        for of in (exact, found)
    )
    known = Counter({"vehicle": 40, "pedestrian": 12})
    return Comparison("a set", precision, 9, instances=known, reference=reference, accuracy=accuracy)


@pytest.mark.parametrize(
    ("precision", "fallen", "said"),
    [
        (Precision.INT8, {"mean_iou": 0.0101}, r"mean IoU falls by 0\.0101, from 0\.7000 .* \(limit 0\.01\)"),
        (Precision.INT8, {"lane_marking": 0.021}, r"IoU of lane_marking falls by 0\.0210.* \(limit 0\.02\)"),
        (
            Precision.SYMMETRIC_INT8,
            {"vehicle": 0.03},
            r"symmetric-int8 .* on a set: AP of vehicle falls by 0\.03",
        ),
        (Precision.FLOAT16, {"mean_iou": 0.006}, r"float16 graph .* \(limit 0\.005\)"),
        (Precision.FLOAT32, {"mean_iou": 0.002}, r"float32 graph .* \(limit 0\.001\)"),
        (Precision.INT8, {"mean_iou": np.nan}, "mean IoU falls by nan"),
    ],
)
def test_more_than_the_limit_is_refused(precision: Precision, fallen: dict[str, float], said: str) -> None:
    with pytest.raises(ParityError, match=f"{said}.*nothing was written"):
        refuse([scored(Precision.FLOAT32), scored(precision, **fallen)])


@pytest.mark.parametrize(
    "fallen", [{"mean_iou": 0.0099}, {"lane_marking": 0.019}, {"road": 0.5}, {"pedestrian": 0.09}]
)
def test_less_is_not_nor_what_has_no_limit_nor_the_ap_of_a_few(fallen: dict[str, float]) -> None:
    refuse([scored(Precision.INT8, **fallen)])


def test_outputs_that_are_no_numbers_or_noise_are_refused() -> None:
    one = Comparison("golden frames", Precision.FLOAT16)
    wanted = np.arange(8.0, dtype=np.float32)
    one.add_maps({"depth": wanted}, {"depth": wanted + 0.1})
    refuse([one])
    one.add_maps({"depth": wanted}, {"depth": wanted[::-1]})
    with pytest.raises(ParityError, match=r"output depth differs by 4 of its variance \(limit 0\.01\)"):
        refuse([one])
    one.add_maps({"depth": wanted}, {"depth": wanted * np.nan})
    with pytest.raises(ParityError, match="depth holds what is not a number"):
        refuse([one])


def test_weights_that_are_no_numbers_are_named(tiny: Deployed, tmp_path: Path) -> None:
    weights = {name: tensor.clone() for name, tensor in tiny.network.state_dict().items()}
    weights["body.1.0.weight"][3, 2] = torch.nan
    network = type(tiny.network)(12)
    network.load_state_dict(weights)
    checkpoint = save(network, tmp_path / "checkpoint.pt")
    with pytest.raises(DataError, match=r"1 of 384 values of the weights body\.1\.0\.weight are NaN"):
        export(checkpoint, tmp_path / "bundle")
    assert not (tmp_path / "bundle").exists()


def test_a_checkpoint_of_another_architecture_is_named_and_so_is_the_expected(
    tiny: Deployed, tmp_path: Path
) -> None:
    checkpoint = save(
        tiny.network, tmp_path / "checkpoint.pt", CONFIG.model_copy(update={"network": "u-net"})
    )
    with pytest.raises(DataError, match="those of tiny, are of another architecture than UNet"):
        export(checkpoint, tmp_path / "bundle")
    assert not (tmp_path / "bundle").exists()


@pytest.mark.parametrize(
    ("calibrate", "validate", "said"),
    [
        ([DRIVE], [], "--calibrate without --validate"),
        (["{tmp}"], [VALIDATION], "no "),
        (["sim:?frames=3&size=192x128"], [VALIDATION], "3 frames in all, at least 8 are needed"),
        (["rtsp://127.0.0.1:9/front"], [VALIDATION], "a camera never ends; record it"),
        ([DRIVE], ["camvid:{tmp}"], "no labelled frame found"),
        ([DRIVE], ["folder:{tmp}/none"], "no folder"),
    ],
)
def test_frames_and_labels_that_are_missing_are_asked_for(
    calibrate: list[str], validate: list[str], said: str, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    sources, sets = ([one.format(tmp=tmp_path / "empty") for one in of] for of in (calibrate, validate))
    with pytest.raises(PerceptionError, match=said):
        export(tiny_checkpoint, tmp_path / "bundle", calibrate=sources, validate=sets)
    assert not (tmp_path / "bundle").exists()


def test_an_unknown_way_to_calibrate_is_refused(tiny_checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="choose auto, minmax, entropy, percentile"):
        export(tiny_checkpoint, tmp_path / "bundle", calibration="best")


class _Counting(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x + torch.histc(x, 4).sum()


def test_an_operator_that_onnx_does_not_have_is_named_with_its_layer() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 1), nn.Sequential(nn.ReLU(), _Counting()))
    with pytest.raises(ParityError, match=r"no operator for aten\.histc, which the layer network\.1\.1 uses"):
        to_onnx(DeployedSemantic(network))


def test_what_tensorrt_does_not_know_is_named_with_its_layer_and_so_is_a_wrong_opset(
    exported: Exported,
) -> None:
    pytest.importorskip("tensorrt_rtx")
    graph = onnx.load(str(exported.bundle.graph()))
    node = next(node for node in graph.graph.node if node.op_type == "Resize")
    node.op_type = "NonZeroish"
    with pytest.raises(ParityError, match=f"NonZeroish in the layer '{node.name}'"):
        check_tensorrt(graph.SerializeToString(), PIXELS, 1)
    graph.opset_import[0].version = 99
    with pytest.raises(ParityError, match="opset 99, expected"):
        check_tensorrt(graph.SerializeToString(), PIXELS, 1)
