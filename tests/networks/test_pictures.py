"""Networks that give a picture: their initial answer, and that their graphs answer as they do."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from export.float16 import round_weights, store_as_float16
from export.graph import to_onnx
from export.tensorrt import check_tensorrt
from export.validation import check_parity
from perception.networks.export_wrapper import Deployed
from perception.networks.zoo.autoencoder import (
    ConvolutionalAutoencoder,
    DeployedAutoencoder,
    FullyConnectedAutoencoder,
)
from perception.networks.zoo.denoiser import Denoiser
from perception.networks.zoo.next_frame import NextFrame, warp
from perception.networks.zoo.pictures import DeployedPicture, as_picture
from perception.networks.zoo.super_resolution import SuperResolution


def scene(height: int, width: int, channels: int = 3) -> torch.Tensor:
    """Smooth, so that a level of difference in where a pixel comes from is a level of difference."""
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    return torch.stack([(x * (c + 1) + y * 2) % 256 for c in range(channels)])[None].float()


def test_they_begin_as_what_is_there() -> None:
    frames = scene(64, 96, 6)
    assert torch.allclose(NextFrame(0.25)(frames), frames[:, 3:], atol=1e-3)
    enlarged = F.interpolate(frames[:, :3], scale_factor=2.0, mode="bilinear")
    assert torch.equal(SuperResolution(0.125)(frames[:, :3]), enlarged)


def test_a_denoiser_keeps_shares_of_the_detail() -> None:
    """All shares 1: the frame itself. All 0: its means over 8×8 pixels, enlarged."""
    network, frame = Denoiser(0.5), 255 * torch.rand(1, 3, 64, 96)
    coarse = F.interpolate(F.avg_pool2d(frame, 8), scale_factor=4.0, mode="bilinear")
    for bias, expected in ((40.0, frame), (-40.0, F.interpolate(coarse, scale_factor=2.0, mode="bilinear"))):
        assert network.answer.bias is not None
        torch.nn.init.constant_(network.answer.bias[:3], bias)
        assert torch.allclose(network(frame), expected, atol=1e-2)


def test_warp_takes_each_pixel_from_where_the_flow_points() -> None:
    image = torch.arange(20.0).view(1, 1, 4, 5)
    flow = torch.zeros(1, 2, 4, 5)
    flow[:, 0] = 1  # from the right
    assert torch.allclose(warp(image, flow)[..., :-1], image[..., 1:], atol=1e-5)
    assert torch.allclose(warp(image, flow)[..., -1], image[..., -1], atol=1e-5)  # as the border
    flow[:, 0], flow[:, 1] = 0, 0.5  # from half a pixel below: rows are 5 apart
    assert torch.allclose(warp(image, flow)[..., :-1, :], image[..., :-1, :] + 2.5, atol=1e-5)


def test_a_picture_is_rounded_and_cut_off() -> None:
    pixels = torch.tensor([-3.0, 0.4, 0.6, 254.6, 300.0]).view(1, 1, 1, 5).expand(1, 3, 1, 5)
    assert as_picture(pixels)[0, 0, :, 0].tolist() == [0, 0, 1, 255, 255]


def stirred(network: torch.nn.Module) -> torch.nn.Module:
    """With weights of an answer that is not the input; all of them as they would be kept."""
    torch.manual_seed(0)
    for parameter in network.parameters():
        if parameter.ndim == 4 and not parameter.any():
            torch.nn.init.normal_(parameter, std=0.002)
    round_weights(network)
    return network


@pytest.mark.parametrize(
    "deployed",
    [
        DeployedPicture(stirred(Denoiser())),
        DeployedPicture(stirred(NextFrame(0.25)), frames=2),
        DeployedPicture(stirred(SuperResolution(0.125)), scale=2),
        DeployedAutoencoder(stirred(ConvolutionalAutoencoder(0.25))),
        DeployedAutoencoder(stirred(FullyConnectedAutoencoder(size=(32, 64), hidden=(16,))), (32, 64)),
    ],
    ids=lambda deployed: type(deployed.network).__name__,
)
def test_the_graph_answers_as_the_network(deployed: Deployed) -> None:
    sizes = [(64, 96), (96, 64)] if deployed.size is None else [deployed.size]
    images = [
        np.ascontiguousarray(scene(*size, 3 * deployed.frames).byte().permute(0, 2, 3, 1).numpy())
        for size in sizes
    ]
    model = store_as_float16(to_onnx(deployed))
    check_parity(deployed, model, images)
    check_tensorrt(model, 64 * 96, deployed.frames)
    for image, (height, width) in zip(images, sizes, strict=True):
        picture = deployed(torch.from_numpy(image))[0].numpy()
        assert deployed.outputs["picture"].fits(picture.shape, height, width)
        assert picture.shape[1] == height * deployed.outputs["picture"].scale
        assert picture.std() > 1
