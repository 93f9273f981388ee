"""HDR video, PQ and HLG, looks to the network as the SDR video of the same drive does."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt
import pytest
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc

from perception.frame import Frame
from perception.perceiver import Perceiver
from perception.sources.registry import open_source
from tests.sources.tagged import read_with_notes

TRANSFERS = {"PQ": ColorTrc.SMPTE2084, "HLG": ColorTrc.ARIB_STD_B67}
WHITE = 203.0  # cd/m²: BT.2408


def to_2020() -> npt.NDArray[np.float64]:
    """Linear RGB of BT.709 as BT.2020, from the chromaticities of both and D65 (BT.709, BT.2020: table 1)."""

    def to_xyz(*primaries: tuple[float, float]) -> npt.NDArray[np.float64]:
        columns = np.array([[x / y, 1, (1 - x - y) / y] for x, y in primaries]).T
        x, y = 0.3127, 0.3290
        return columns * np.linalg.solve(columns, [x / y, 1, (1 - x - y) / y])

    narrow = to_xyz((0.640, 0.330), (0.300, 0.600), (0.150, 0.060))
    wide = to_xyz((0.708, 0.292), (0.170, 0.797), (0.131, 0.046))
    return np.asarray(np.linalg.inv(wide) @ narrow)


def encode(bgr: npt.NDArray[np.uint8], name: str, brighter: float = 1.0) -> npt.NDArray[np.uint16]:
    """Full-range RGB codes of 16 bits of what an SDR image shows on a BT.1886 display of 203 cd/m²."""
    light = brighter * (bgr[..., ::-1] / 255.0) ** 2.4 @ to_2020().T
    if name == "PQ":  # SMPTE ST 2084
        y = (WHITE / 10000 * np.clip(light, 0, None)) ** 0.1593017578125
        codes = ((0.8359375 + 18.8515625 * y) / (1 + 18.6875 * y)) ** 78.84375
    else:  # ARIB STD-B67: the scene's light by the inverse of the display's gamma of 1.2 at 1000 cd/m²
        shown = WHITE / 1000 * np.clip(light, 0, None)
        luminance = shown @ [0.2627, 0.6780, 0.0593]
        scene = shown * np.maximum(luminance, 1e-9)[..., None] ** (1 / 1.2 - 1)
        a, b, c = 0.17883277, 1 - 4 * 0.17883277, 0.5 - 0.17883277 * np.log(4 * 0.17883277)
        codes = np.where(
            scene <= 1 / 12, np.sqrt(3 * scene), a * np.log(np.maximum(12 * scene - b, 1e-9)) + c
        )
    return np.rint(65535 * np.clip(codes, 0, 1)).astype(np.uint16)


def write(path: Path, codes: list[npt.NDArray[np.uint16]], name: str) -> Path:
    """In 10 bits, without loss, by x264: of x265's streams FFmpeg's writers refuse one in ten, by chance."""
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("libx264", rate=25, options={"preset": "ultrafast", "qp": "0"})
        stream.height, stream.width = codes[0].shape[:2]
        stream.pix_fmt = "yuv444p10le"
        context = stream.codec_context
        context.color_trc, context.color_primaries = TRANSFERS[name], ColorPrimaries.BT2020
        context.colorspace, context.color_range = Colorspace.BT2020, ColorRange.MPEG
        for index, image in enumerate(codes):
            rgb = av.VideoFrame.from_ndarray(image, format="rgb48le")
            picture = rgb.reformat(
                format="yuv444p10le", dst_colorspace=Colorspace.BT2020, dst_color_range=ColorRange.MPEG
            )
            picture.color_trc, picture.color_primaries = TRANSFERS[name], ColorPrimaries.BT2020
            picture.colorspace, picture.color_range = Colorspace.BT2020, ColorRange.MPEG
            picture.pts, picture.time_base = index, Fraction(1, 25)
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    return path


def card() -> npt.NDArray[np.uint8]:
    """64×N: cells of 16 pixels, greys and colours of traffic."""
    greys = [[level] * 3 for level in (0, 16, 32, 64, 96, 128, 160, 192, 224, 255)]
    colours = [[40, 40, 200], [40, 200, 40], [200, 40, 40], [30, 200, 220], [120, 160, 90], [230, 180, 140]]
    return np.array([greys + colours], np.uint8).repeat(64, 0).repeat(16, 1)


@pytest.mark.parametrize("name", TRANSFERS)
def test_colours_are_those_of_sdr(tmp_path: Path, name: str) -> None:
    [frame], notes = read_with_notes(write(tmp_path / "a.mp4", [encode(card(), name)], name))
    assert f"{name} (HDR) video, shown as SDR" in notes and "203 cd/m²" in notes
    error = np.abs(frame.image.astype(int) - card())[32, 8::16]
    assert error.max() <= 6 and error.mean() < 1.5, error


@pytest.mark.parametrize("name", TRANSFERS)
def test_what_is_brighter_than_white_is_white(tmp_path: Path, name: str) -> None:
    white = np.full((64, 64, 3), 255, np.uint8)
    [frame], _ = read_with_notes(write(tmp_path / "a.mp4", [encode(white, name, brighter=3.0)], name))
    assert frame.image.min() >= 254


@pytest.mark.parametrize("name", TRANSFERS)
def test_labels_are_those_of_the_sdr_drive(tmp_path: Path, name: str) -> None:
    source = open_source("sim:?frames=2&size=704x396&seed=6")
    drive = [frame.image for frame in source if isinstance(frame, Frame)]
    frames, _ = read_with_notes(write(tmp_path / "a.mp4", [encode(image, name) for image in drive], name))
    perceiver = Perceiver.load("drive", "onnx-cpu", threads=1)
    for frame, image in zip(frames, drive, strict=True):
        one, other = (perceiver.perceive(Frame(shown, 0)).labels for shown in (frame.image, image))
        agreement = float((one == other).mean())
        print(name, agreement)
        assert agreement >= 0.985
