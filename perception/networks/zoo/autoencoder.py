"""Autoencoders: a code far smaller than the picture, from which the picture is drawn again."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Protocol

from torch import Tensor, nn
from torch.nn import functional as F

from perception.bundle.manifest import OutputInfo
from perception.networks.blocks import ConvNormAct, centred, he_init, scaled
from perception.networks.export_wrapper import Deployed
from perception.networks.zoo.pictures import as_picture, picture_output


class Autoencoder(Protocol):
    """What both kinds are: pictures (n, c, h, w) 0..255 to codes, codes to vectors, and codes to pictures."""

    def encode(self, image: Tensor) -> Tensor: ...
    def latent(self, code: Tensor) -> Tensor: ...
    def decode(self, code: Tensor) -> Tensor: ...


class FullyConnectedAutoencoder(nn.Module):
    """Every pixel to every unit: Hinton & Salakhutdinov, "Reducing the dimensionality of data", 2006.

    Rectifiers, which train without the paper's pretraining of each layer. It takes one size only.

    Image float32 (n, channels, h, w), 0..255 → the picture drawn from its code, as large.

    Args:
        size: height, width.
        channels: of the image.
        hidden: units of the encoder's layers, times `width`; the decoder has them in reverse.
        code: numbers that the picture is reduced to.
    """

    def __init__(
        self,
        width: float = 1.0,
        *,
        size: tuple[int, int] = (32, 64),
        channels: int = 3,
        hidden: Sequence[int] = (512, 128),
        code: int = 48,
    ) -> None:
        super().__init__()
        self.shape = (channels, *size)
        layers = [channels * size[0] * size[1], *(scaled(units, width) for units in hidden), code]
        self.encoder = _perceptron(layers)
        self.decoder = _perceptron(layers[::-1])

    def encode(self, image: Tensor) -> Tensor:
        """(n, c, h, w) → the code (n, k)."""
        return self.encoder(centred(image).flatten(1))  # type: ignore[no-any-return]

    def latent(self, code: Tensor) -> Tensor:
        return code

    def decode(self, code: Tensor) -> Tensor:
        """(n, k) → (n, c, h, w)."""
        return 128 * self.decoder(code).unflatten(1, self.shape) + 127  # type: ignore[no-any-return]

    def forward(self, image: Tensor) -> Tensor:
        return self.decode(self.encode(image))


class ConvolutionalAutoencoder(nn.Module):
    """Strided convolutions to a code at stride 16, and enlargement back; no skips: the code is all there is.

    Masci et al., "Stacked convolutional auto-encoders", 2011, trained at once; where it learns to undo noise,
    Vincent et al., "Stacked denoising autoencoders", 2010.

    Image float32 (n, 3, h, w), BGR 0..255, h and w multiples of 16 → the picture drawn from its code.

    Args:
        code: numbers for each 16×16 pixels, a twelfth of their values.
    """

    def __init__(self, width: float = 1.0, *, code: int = 64) -> None:
        super().__init__()
        levels = [scaled(channels, width) for channels in (32, 64, 128, 128)]  # strides 2, 4, 8, 16
        self.encoder = nn.Sequential(
            *(
                nn.Sequential(ConvNormAct(channels, out, 3, stride=2), ConvNormAct(out, out, 3))
                for channels, out in zip([3, *levels], levels, strict=False)
            ),
            nn.Conv2d(levels[-1], code, 1),
        )
        self.decoder = nn.Sequential(
            ConvNormAct(code, levels[-1], 3),
            *(
                nn.Sequential(
                    ConvNormAct(channels, out, 3),
                    nn.Upsample(scale_factor=2.0, mode="nearest"),
                    ConvNormAct(out, out, 3),
                )
                for channels, out in zip(levels[::-1], levels[-2::-1], strict=False)
            ),
            nn.Conv2d(levels[0], 12, 3, padding=1),
        )
        he_init(self)

    def encode(self, image: Tensor) -> Tensor:
        """(n, 3, h, w) → the code (n, k, h / 16, w / 16)."""
        return self.encoder(centred(image))  # type: ignore[no-any-return]

    def latent(self, code: Tensor) -> Tensor:
        """The mean of the code over the picture, (n, k)."""
        return code.mean((2, 3))

    def decode(self, code: Tensor) -> Tensor:
        """(n, k, h / 16, w / 16) → (n, 3, h, w)."""
        return 128 * F.pixel_shuffle(self.decoder(code), 2) + 127

    def forward(self, image: Tensor) -> Tensor:
        return self.decode(self.encode(image))


class DeployedAutoencoder(Deployed):
    """An autoencoder: the picture, uint8 (1, h, w, 3), and its code as a vector, float32 (1, k)."""

    def __init__(self, network: nn.Module, size: tuple[int, int] | None = None) -> None:
        super().__init__(network)
        self.outputs = {
            "picture": picture_output(),
            "latent": OutputInfo(dtype="float32", layout="NK", tolerance=0.05),
        }
        self.size = size

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        network: Autoencoder = self.network  # type: ignore[assignment]  # modules have no types
        code = network.encode(self.pixels(image))
        return as_picture(network.decode(code)), network.latent(code)


def _perceptron(layers: Sequence[int]) -> nn.Sequential:
    """Fully connected layers of these sizes, rectified but for the last one."""
    modules: list[nn.Module] = []
    for units, out in pairwise(layers):
        linear = nn.Linear(units, out)
        nn.init.kaiming_normal_(linear.weight, nonlinearity="relu")
        nn.init.zeros_(linear.bias)
        modules += [linear, nn.ReLU()]
    return nn.Sequential(*modules[:-1])
