"""The export wrapper of each network: camera pixels in, maps that need no more arithmetic out."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from perception.bundle.manifest import OutputInfo
from perception.networks.drive_net import INSTANCE_STRIDE, DriveMaps
from perception.networks.upsampling import scale2x


class Deployed(nn.Module):
    """A network with its pre- and postprocessing, as it is exported.

    Image uint8 (1, h, w, 3 · frames) BGR → the tensors of `outputs`, in their order.

    Attributes:
        network: takes float32 (n, 3 · frames, h, w) BGR 0..255.
        outputs: what the graph gives, by name.
        frames: how many frames it sees at once, the oldest first.
        size: height, width, where it takes one size only.
        key_points: the names of the channels of the output `key_points`.
    """

    outputs: Mapping[str, OutputInfo]
    frames: int = 1
    size: tuple[int, int] | None = None
    key_points: tuple[str, ...] = ()

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.eval()

    @staticmethod
    def pixels(image: Tensor) -> Tensor:
        """Uint8 (1, h, w, c) → float32 (1, c, h, w)."""
        return image.float().permute(0, 3, 1, 2)  # in this order: TensorRT computes nothing in uint8


class DeployedSemantic(Deployed):
    """A network that gives logits (n, classes, h, w): labels, uint8 (1, h, w)."""

    outputs: Mapping[str, OutputInfo] = {"labels": OutputInfo()}

    def logits(self, image: Tensor) -> Tensor:
        """Float32 (1, classes, h, w), of which the labels are the argmax."""
        return self.network(self.pixels(image))  # type: ignore[no-any-return]

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        return (self.logits(image).argmax(1).to(torch.uint8),)


def _map(tolerance: float) -> OutputInfo:
    """All float maps of the drive network are at one stride."""
    return OutputInfo(dtype="float32", layout="NCHW", stride=INSTANCE_STRIDE, tolerance=tolerance)


class DeployedDrive(Deployed):
    """The drive network: labels uint8 (1, h, w), and the maps that separate instances.

    Those are float32 (1, c, h / 2, w / 2): centres and borders as probabilities, offsets in pixels of the
    input. The logits of labels come at half size too: labels are chosen there and enlarged, which keeps their
    outlines smooth for a tenth of the time that enlarging every logit takes.
    """

    outputs: Mapping[str, OutputInfo] = {
        "labels": OutputInfo(),
        "logits": _map(0.5),
        "centres": _map(0.02),
        "offsets": _map(0.5),
        "borders": _map(0.02),
    }

    def maps(self, image: Tensor) -> DriveMaps:
        """The network's maps."""
        found: DriveMaps = self.network(self.pixels(image))
        return found

    def logits(self, image: Tensor) -> Tensor:
        """Float32 (1, classes, h / 2, w / 2); their argmax, enlarged, are the labels."""
        return self.maps(image).logits

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        maps = self.maps(image)
        labels = scale2x(maps.logits.argmax(1).int()).to(torch.uint8)
        return labels, maps.logits, maps.centres.sigmoid(), maps.offsets, maps.borders.sigmoid()


class DeployedDriveClasses(DeployedDrive):
    """The drive network for class sets without things: labels and logits alone."""

    outputs: Mapping[str, OutputInfo] = {name: DeployedDrive.outputs[name] for name in ("labels", "logits")}

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        logits = self.maps(image).logits
        return scale2x(logits.argmax(1).int()).to(torch.uint8), logits
