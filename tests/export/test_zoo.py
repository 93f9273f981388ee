"""All networks, those of the model zoo too, pass the same validation; TensorRT takes each graph."""

from importlib.util import find_spec

import pytest
import torch

from export.exporter import golden_images
from export.float16 import round_weights, store_as_float16
from export.graph import to_onnx
from export.tensorrt import check_tensorrt
from export.validation import ParityError, check_parity
from perception.networks import efficientnet
from perception.networks.efficientnet import LITE0
from perception.networks.zoo import vgg
from perception.networks.zoo.table import MODEL_ZOO
from perception.training.config import DataConfig, TrainingConfig
from perception.training.tasks import make_task

# Each of their layers is in another network too: FCN-8s, U-Net, DeconvNet, DeepLabv3+, tight-frame U-Net.
LIKE_OTHERS = {
    "fcn-16s", "fcn-32s", "fcn-8s-lite0", "u-net-nearest", "u-net-bilinear", "segnet", "deeplabv3",
    "dual-frame-u-net",
}  # fmt: skip
OTHERS = ["hourglass", "depth"]  # those that give pictures are in tests/networks/test_pictures.py
PIXELS = 30_000


@pytest.fixture
def _few_layers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Encoders with stages that do not repeat their layers; test_export.py has EfficientNet-Lite0 in full.

    An export takes its time for each layer, and the same layer again shows nothing new.
    """
    stages = [stage._replace(repeats=min(stage.repeats, 1 + (i == 1))) for i, stage in enumerate(LITE0)]
    monkeypatch.setattr(efficientnet, "LITE0", tuple(stages))  # one residual, among others
    monkeypatch.setattr(vgg, "STAGES", (vgg.STAGES[0], *(stage[-1:] for stage in vgg.STAGES[1:])))


@pytest.mark.parametrize("name", [*(name for name in MODEL_ZOO if name not in LIKE_OTHERS), *OTHERS])
def test_graph_answers_as_torch_and_tensorrt_builds_it(name: str, _few_layers: None) -> None:
    torch.manual_seed(0)
    config = TrainingConfig(network=name, width=0.125, train=(DataConfig(source="sim:"),))
    deployed = make_task(config).deployed
    round_weights(deployed.network)
    model = store_as_float16(to_onnx(deployed))
    parity = check_parity(deployed, model, golden_images(deployed)[:2])
    if "labels" in deployed.outputs:
        assert parity.agreement is not None
        assert parity.agreement > 0.999
    if find_spec("tensorrt_rtx"):
        (built,) = check_tensorrt(model, PIXELS, deployed.frames).values()
        assert "builds" in built


@pytest.mark.skipif(find_spec("tensorrt_rtx") is None, reason="tensorrt_rtx is not installed")
def test_what_tensorrt_cannot_read_is_refused() -> None:
    with pytest.raises(ParityError, match="cannot read the graph"):
        check_tensorrt(b"not a graph", PIXELS, 1)
