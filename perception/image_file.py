"""Image files as people see them: turned upright as their orientation tag (EXIF, TIFF) says."""

from dataclasses import dataclass
from typing import Literal, TypeVar

import cv2
import numpy as np
import numpy.typing as npt

Depth = TypeVar("Depth", bound=np.generic)
Pixels = npt.NDArray[np.generic]
_EXIF = int(cv2.IMAGE_METADATA_EXIF)
_ORIENTATION, _SHORT = 0x0112, 3  # tag and type of EXIF's IFD 0


@dataclass(frozen=True, slots=True)
class Turn:
    """One of the eight ways of laying a picture on its sides: first transpose, then mirror."""

    transpose: bool = False
    left_right: bool = False
    upside_down: bool = False

    def __call__(self, image: npt.NDArray[Depth]) -> npt.NDArray[Depth]:
        """The picture turned, contiguous; of any number of channels and any depth."""
        turned = image.swapaxes(0, 1) if self.transpose else image
        if self.left_right:
            turned = turned[:, ::-1]
        if self.upside_down:
            turned = turned[::-1]
        return np.ascontiguousarray(turned)


UPRIGHT = Turn()
# By EXIF's number, 1 to 8: where the stored picture's first row and first column belong (EXIF 2.32, 4.6.4).
EXIF_TURNS = (
    UPRIGHT,
    Turn(left_right=True),
    Turn(left_right=True, upside_down=True),
    Turn(upside_down=True),
    Turn(transpose=True),
    Turn(transpose=True, left_right=True),
    Turn(transpose=True, left_right=True, upside_down=True),
    Turn(transpose=True, upside_down=True),
)


def decode_image(data: npt.NDArray[np.uint8], flags: int) -> Pixels | None:
    """An encoded image, upright whatever the flags are; None: it is not a whole image.

    OpenCV turns images, except with IMREAD_UNCHANGED, which alone keeps all channels: then it is done here.
    """
    if not data.size:
        return None
    if flags != cv2.IMREAD_UNCHANGED:
        return cv2.imdecode(data, flags)
    image, kinds, blocks = cv2.imdecodeWithMetadata(data, flags=flags)
    if image is None:
        return None
    # OpenCV gives no EXIF of TIFF files, which it always turns.
    exif = next((block for kind, block in zip(kinds, blocks, strict=True) if kind == _EXIF), None)
    turn = UPRIGHT if exif is None else exif_turn(np.asarray(exif).tobytes())
    return image if turn is UPRIGHT else turn(np.asarray(image))


def exif_turn(exif: bytes) -> Turn:
    """How an image with these EXIF data is turned upright; damaged data leave it as it is."""
    exif = exif.removeprefix(b"Exif\0\0")
    if exif[:2] not in (b"II", b"MM"):
        return UPRIGHT
    order: Literal["little", "big"] = "little" if exif[:2] == b"II" else "big"

    def number(at: int, size: int) -> int:
        return int.from_bytes(exif[at : at + size], order)

    first = number(4, 4)
    for entry in range(number(first, 2)):
        at = first + 2 + 12 * entry
        if at + 12 > len(exif):
            return UPRIGHT
        if (number(at, 2), number(at + 2, 2)) == (_ORIENTATION, _SHORT):
            value = number(at + 8, 2)
            return EXIF_TURNS[value - 1] if 1 <= value <= 8 else UPRIGHT
    return UPRIGHT
