"""A frame in shared memory, byte for byte; docs/shm.md shows it as a table."""

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum, IntFlag
from typing import Self, TypeAlias, cast

import numpy as np
import numpy.typing as npt

from perception.errors import DataError
from perception.pixels import MATRICES, Pixels, Yuv420
from perception.scene import Status

ALIGNED = 64  # bytes; where each part of a frame begins
MAGIC = b"PSF1"
STATUSES = tuple(Status)  # by their numbers
Bytes: TypeAlias = npt.NDArray[np.uint8]

_HEADER = struct.Struct("<4sIQqqqqqIId56s")
_PART = struct.Struct("<IIIIIIQQ")


class Part(IntFlag):
    """What a reader asks for; the first four are the parts of a frame, in their order."""

    PICTURE = 1
    LABELS = 2
    INSTANCES = 4
    SCENE = 8
    HEALTH = 16


PARTS = Part.PICTURE, Part.LABELS, Part.INSTANCES, Part.SCENE
HEADER_SIZE = _HEADER.size + len(PARTS) * _PART.size


class Format(IntEnum):
    """How the bytes of a part are to be read."""

    ABSENT = 0
    BGR8 = 1
    I420 = 2
    IDS8 = 3
    IDS16 = 4
    JSON = 5


_OF_PART = {
    Part.PICTURE: (Format.BGR8, Format.I420),
    Part.LABELS: (Format.IDS8,),
    Part.INSTANCES: (Format.IDS16,),
    Part.SCENE: (Format.JSON,),
}


Content: TypeAlias = Pixels | npt.NDArray[np.uint8] | npt.NDArray[np.uint16] | bytes


@dataclass(frozen=True, slots=True)
class SharedFrame:
    """One frame: its header, and those parts that there are.

    Attributes:
        sequence, stamp_ns, wall_ns, host_ns, frame_id, pixel_aspect: as of `Frame`; `wall_ns` is never 0.
        published_ns: when it was written, by the host's monotonic clock.
        max_age_ns: by then the scene is stale, counted from `host_ns`; 0: never.
        parts: pictures as Pixels, labels uint8 (h, w), instances uint16 (h, w), the scene as JSON's bytes.
    """

    sequence: int
    stamp_ns: int
    wall_ns: int
    host_ns: int
    published_ns: int
    max_age_ns: int = 0
    status: Status = Status.OK
    frame_id: str = ""
    pixel_aspect: float = 1.0
    parts: Mapping[Part, Content] = field(default_factory=dict)

    @property
    def picture(self) -> Pixels | None:
        return cast("Pixels | None", self.parts.get(Part.PICTURE))

    @property
    def size(self) -> int:
        """Bytes in shared memory."""
        return sum(map(_room, self.parts.values()), _aligned(HEADER_SIZE))

    def write(self, memory: Bytes) -> None:
        """Write it at the beginning of `memory`, uint8 (n,).

        Raises:
            DataError: the name of the coordinate frame is too long.
        """
        name = self.frame_id.encode()
        if len(name) > 55:
            raise DataError(
                f"frame_id {self.frame_id!r} has {len(name)} bytes; in shared memory 55 are allowed"
            )
        head = _HEADER.pack(
            MAGIC,
            HEADER_SIZE,
            self.sequence,
            self.stamp_ns,
            self.wall_ns,
            self.host_ns,
            self.published_ns,
            self.max_age_ns,
            STATUSES.index(self.status),
            len(PARTS),
            self.pixel_aspect,
            name,
        )
        offset = _aligned(HEADER_SIZE)
        for part in PARTS:
            content = self.parts.get(part)
            if content is None:
                head += bytes(_PART.size)
                continue
            kind, width, height, stride, detail, data = _described(content)
            head += _PART.pack(kind, width, height, stride, detail, 0, offset, data.size)
            np.copyto(memory[offset : offset + data.size].reshape(data.shape), data)
            offset += _room(content)
        memory[:HEADER_SIZE] = np.frombuffer(head, np.uint8)

    @classmethod
    def read(cls, memory: Bytes) -> Self:
        """What lies in `memory`, uint8 (n,); its maps and pictures are views.

        Raises:
            DataError: it is no frame of this layout.
        """
        if len(memory) < HEADER_SIZE:
            raise DataError(f"shared frame: {len(memory)} bytes, less than its header of {HEADER_SIZE}")
        head = _HEADER.unpack(memory[: _HEADER.size].tobytes())
        magic, size, sequence, stamp_ns, wall_ns, host_ns, published_ns, max_age_ns = head[:8]
        status, parts, aspect, name = head[8:]
        if magic != MAGIC or size != HEADER_SIZE or parts != len(PARTS):
            raise DataError(f"shared frame: begins with {magic!r}, {size}, {parts}; not of this layout")
        if status >= len(STATUSES):
            raise DataError(f"shared frame: status {status}; known are 0 to {len(STATUSES) - 1}")
        if not 0 < aspect < float("inf"):
            raise DataError(f"shared frame: pixel aspect {aspect}; it must be positive")
        found: dict[Part, Content] = {}
        for i, part in enumerate(PARTS):
            start = _HEADER.size + i * _PART.size
            described = _PART.unpack(memory[start : start + _PART.size].tobytes())
            if described[0] != Format.ABSENT:
                found[part] = _content(part, described, memory)
        try:
            frame_id = name.rstrip(b"\0").decode()
        except UnicodeDecodeError as error:
            raise DataError(f"shared frame: frame_id {name!r} is no UTF-8") from error
        times = stamp_ns, wall_ns, host_ns, published_ns, max_age_ns
        return cls(sequence, *times, STATUSES[status], frame_id, aspect, found)


def _described(content: Content) -> tuple[int, int, int, int, int, Bytes]:
    """Format, width, height, stride, detail, and the bytes: uint8, of any shape."""
    if isinstance(content, bytes):
        return Format.JSON, 0, 0, 0, 0, np.frombuffer(content, np.uint8)
    if isinstance(content, Yuv420):
        detail = content.matrix | content.full_range << 8
        return Format.I420, content.width, content.height, content.width, detail, content.i420
    height, width = content.shape[:2]
    if content.ndim == 3:
        return Format.BGR8, width, height, 3 * width, 0, content.astype(np.uint8, copy=False)
    if content.dtype == np.uint8:
        return Format.IDS8, width, height, width, 0, content.view(np.uint8)
    ids = np.ascontiguousarray(content, "<u2").view(np.uint8)
    return Format.IDS16, width, height, 2 * width, 0, ids


def _content(part: Part, described: tuple[int, ...], memory: Bytes) -> Content:
    kind, width, height, stride, detail, _, offset, size = described
    name = str(part.name).lower()
    if kind not in _OF_PART[part]:
        raise DataError(f"shared frame: {name} of format {kind}, which it cannot have")
    if offset < HEADER_SIZE or offset + size > len(memory):
        raise DataError(f"shared frame: {name} lies at {offset} with {size} bytes, outside of {len(memory)}")
    data = memory[offset : offset + size]
    if kind == Format.JSON:
        return data.tobytes()
    pixel, rows = {Format.BGR8: (3, height), Format.I420: (1, height * 3 // 2), Format.IDS8: (1, height)}.get(
        Format(kind), (2, height)
    )
    odd = kind == Format.I420 and (width % 2 or height % 2)
    if not width or not height or odd or stride != pixel * width or size != stride * rows:
        raise DataError(
            f"shared frame: {name} of {width}×{height}, rows of {stride} bytes, cannot have {size} bytes"
        )
    if kind == Format.BGR8:
        return data.reshape(height, width, 3)
    if kind == Format.I420:
        matrix, full_range = detail & 0xFF, detail >> 8
        if matrix not in MATRICES or full_range > 1:
            raise DataError(f"shared frame: planes of matrix {matrix}, range {full_range}; not known")
        return Yuv420(data.reshape(rows, width), matrix, bool(full_range))
    return data.view("<u2" if kind == Format.IDS16 else np.uint8).reshape(height, width)


def _room(content: Content) -> int:
    if isinstance(content, bytes):
        return _aligned(len(content))
    return _aligned((content.i420 if isinstance(content, Yuv420) else content).nbytes)


def _aligned(size: int) -> int:
    return -(-size // ALIGNED) * ALIGNED
