"""What a source hands on: one image with the moment it was captured."""

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

import numpy as np

from perception.camera_info import CameraInfo, Transform
from perception.errors import ConfigError
from perception.pixels import Pixels, Yuv420, as_bgr, size_of
from perception.types import Image


@dataclass(frozen=True, slots=True)
class Coded:
    """A picture as its source has it encoded, so that it need not be encoded again.

    Attributes:
        format: `jpeg`: a whole file; `h264` and `h265`: one access unit in Annex B form.
        key: it can be decoded on its own; video then begins with its parameter sets.
    """

    format: Literal["jpeg", "h264", "h265"]
    data: bytes
    key: bool = True


@dataclass(frozen=True, slots=True, repr=False)
class Frame:
    """One camera image, stamped once, where it was captured.

    Attributes:
        pixels: uint8 (height, width, 3), BGR, or planes where the source gives them.
        stamp_ns: capture time in ns. Live cameras: the host's monotonic clock. Recordings: the
            recording's own time, counted from its first frame.
        wall_ns: capture time in ns since the Unix epoch; 0 where the recording does not know it.
        sequence: position in the source's stream, from 0; a gap means that frames were dropped.
        stem: name of the files that sinks write for this frame; empty: the sequence number.
        camera: which camera took it.
        host_ns: when it was captured, or for a recording in real time when it was due, by the host's
            monotonic clock: ages count from then. 0: from when it is read.
        pixel_aspect: width of a pixel over its height, where it is shown; the image keeps the stored pixels.
        recording: which one of recordings put one after another it is from: nothing is followed from one
            into the next.
        coded: the picture as the source sent it, where it did in one of these forms, and shows nothing else.
        frame_id: the camera's coordinate frame, x right, y down, z ahead; empty: see `optical_frame`.
        camera_info: of the camera, where the source knows it.
        transforms: between coordinate frames of the vehicle, where the source knows any.
    """

    pixels: Pixels
    stamp_ns: int
    wall_ns: int = 0
    sequence: int = 0
    stem: str = ""
    camera: str = "front"
    host_ns: int = 0
    pixel_aspect: float = 1.0
    recording: int = 0
    coded: Coded | None = None
    frame_id: str = ""
    camera_info: CameraInfo | None = None
    transforms: tuple[Transform, ...] = ()

    def __repr__(self) -> str:
        size, seconds = f"{self.width}×{self.height}", self.stamp_ns / 1e9
        return f"<Frame {self.sequence} of {self.camera}, {size}, {seconds:.3f} s>"

    def check(self) -> None:
        """Raises: ConfigError: neither planes nor uint8 (h, w, 3); or a time or the aspect is no number."""
        for name in ("stamp_ns", "wall_ns", "host_ns"):
            if not isinstance(value := getattr(self, name), int | np.integer):
                raise ConfigError(f"frame {self.sequence}: {name} is {value!r}, give whole nanoseconds")
        if not 0 < self.pixel_aspect < math.inf:
            raise ConfigError(f"frame {self.sequence}: pixel_aspect is {self.pixel_aspect}, give one above 0")
        image = self.pixels
        if isinstance(image, Yuv420):
            return
        if not isinstance(image, np.ndarray):
            raise ConfigError(f"frame {self.sequence}: the image is {type(image).__name__}; was it read?")
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
            what = f"frame {self.sequence}: the image is {image.dtype} {image.shape}"
            raise ConfigError(f"{what}, give uint8 (h, w, 3) BGR.")

    @property
    def optical_frame(self) -> str:
        """Name of the camera's coordinate frame."""
        return self.frame_id or f"{self.camera}_optical"

    @property
    def ground_frame(self) -> str:
        """Name of the frame of metres: x ahead, y left, z up from the point of the road under the camera."""
        return f"{self.camera}_ground"

    @property
    def mounted(self) -> bool:
        """Whether it is known where the ground is: its scenes may have metres."""
        return any(one.child == self.ground_frame for one in self.transforms)

    @property
    def image(self) -> Image:
        """uint8 (height, width, 3), BGR; made of planes when it is asked for."""
        return as_bgr(self.pixels)

    @property
    def height(self) -> int:
        return size_of(self.pixels)[0]

    @property
    def width(self) -> int:
        return size_of(self.pixels)[1]

    @property
    def shown_size(self) -> tuple[float, float]:
        """Height and width where pixels are square; no side is shorter than the image's."""
        aspect = self.pixel_aspect
        return self.height * max(1.0, 1 / aspect), self.width * max(1.0, aspect)


class DropReason(StrEnum):
    """Why a captured frame was not published."""

    UNDECODABLE = "undecodable"  # its bytes do not make an image
    SUPERSEDED = "superseded"  # a fresher frame was there before this one's turn came
    BACKLOG = "backlog"  # it waited in a buffer that had grown, and was passed over to catch up
    FAILED = "failed"  # the engine raised, hung, or gave what is no answer
    DECIMATED = "decimated"  # left out on purpose: the node has lowered its rate to keep up
    STOPPED = "stopped"  # the run ended on an error or a second signal before it was written


@dataclass(frozen=True, slots=True)
class Drop:
    """A captured frame that cannot be handed on. `message` names it, for people."""

    sequence: int
    reason: DropReason
    message: str
