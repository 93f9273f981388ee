"""HDR video, PQ and HLG of BT.2100, as SDR images: what networks, and people's screens, are made for."""

from functools import cache

import av
import cv2
import numpy as np
import numpy.typing as npt
from av.video.reformatter import ColorPrimaries, Colorspace, ColorTrc

from perception.types import Floats, Image

NAMES = {int(ColorTrc.SMPTE2084): "PQ", int(ColorTrc.ARIB_STD_B67): "HLG"}
# BT.2408-7, 2.1: the light of diffuse white, which SDR shows as its brightest. What is brighter, lamps and
# reflections, is clipped, so that all else looks as it does in SDR video.
WHITE_NITS = 203.0
_HLG_NITS, _HLG_GAMMA = 1000.0, 1.2  # BT.2100, table 5: of its reference display
_SDR_GAMMA = 2.4  # BT.1886
_CODES = 1 << 16
# BT.2087, 4: linear BT.709 as linear BT.2020; rows R, G, B.
_TO_2020 = np.array([[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.0880, 0.8956]])
_LUMINANCE = np.array([[0.2627, 0.6780, 0.0593]])  # BT.2020

_UNSPECIFIED = 2  # of FFmpeg's AVColorSpace


def hdr_name(picture: av.VideoFrame) -> str:
    """ "PQ" or "HLG"; empty: it is SDR, or does not say."""
    return NAMES.get(picture.color_trc, "")


def tone_mapped(picture: av.VideoFrame) -> Image:
    """A PQ or HLG picture as BGR of BT.709, uint8 (h, w, 3).

    Within 1 of 255 of the SDR picture that was encoded, also for saturated colours, of which FFmpeg's swscale
    is up to 18 off. It takes 90 (PQ) and 120 (HLG) ms of CPU for 1920×1080 pixels; swscale takes 100,
    and 4 s for its first picture.
    """
    source = Colorspace.BT2020 if picture.colorspace == _UNSPECIFIED else None
    codes = picture.to_ndarray(format="rgb48le", threads=1, src_colorspace=source).astype(
        np.uint16, copy=False
    )
    name = hdr_name(picture)
    light = np.take(_light(name), codes)  # 1: diffuse white
    if name == "HLG":  # the scene's light, of which the display makes its own
        luminance = cv2.transform(light, _LUMINANCE.astype(np.float32))
        light *= cv2.pow(np.maximum(luminance, 1e-6), _HLG_GAMMA - 1)[..., None] * (_HLG_NITS / WHITE_NITS)
    wide = picture.color_primaries != ColorPrimaries.BT709
    mix = np.linalg.inv(_TO_2020) if wide else np.eye(3)
    shown = cv2.transform(light, ((_CODES - 1) * mix[::-1]).astype(np.float32))
    levels = cv2.add(shown, 0.0, dtype=cv2.CV_16U)  # type: ignore[call-overload] # rounds, and clips
    return np.asarray(np.take(_sdr(), levels), np.uint8)


@cache
def _light(name: str) -> Floats:
    """The light of every 16-bit code: by PQ of the display, by HLG of the scene (1: its brightest)."""
    code = np.arange(_CODES) / (_CODES - 1)
    if name == "HLG":  # BT.2100, table 5
        a, b, c = 0.17883277, 0.28466892, 0.55991073
        light = np.where(code <= 0.5, code**2 / 3, (np.exp((code - c) / a) + b) / 12)
    else:  # BT.2100, table 4
        m1, m2, c1, c2, c3 = 2610 / 16384, 2523 / 32, 3424 / 4096, 2413 / 128, 2392 / 128
        root = code ** (1 / m2)
        light = 10000 / WHITE_NITS * (np.maximum(root - c1, 0) / (c2 - c3 * root)) ** (1 / m1)
    return light.astype(np.float32)


@cache
def _sdr() -> npt.NDArray[np.uint8]:
    """The 8-bit code of all linear light, 0 to 65535."""
    return np.rint(255 * (np.arange(_CODES) / (_CODES - 1)) ** (1 / _SDR_GAMMA)).astype(np.uint8)
