"""Pictures, videos and logs that this program wrote bear a mark: only those are overwritten."""

import zlib
from pathlib import Path

import av

from perception.errors import SinkError
from perception.extras import DISTRIBUTION

MARK = "perception: scenes drawn on frames"
_TEXT = MARK.encode()
# Of FFmpeg: it may be anybody's file, a playlist too.
_ONLY = {"protocol_whitelist": "file", "format_whitelist": "mov,mp4"}
_HEADER = 33  # bytes of a PNG's signature and IHDR
LIBRARY = DISTRIBUTION  # that wrote it, in the header of a log
_BEFORE_LIBRARY = 8 + 9 + 8 + len("ros2")  # bytes: MCAP's magic, the record's kind and size, two sizes


def marked(picture: bytes) -> bytes:
    """A JPEG or PNG file, with the mark as its first comment (COM; tEXt)."""
    if picture.startswith(b"\xff\xd8"):
        return picture[:2] + b"\xff\xfe" + (len(_TEXT) + 2).to_bytes(2) + _TEXT + picture[2:]
    chunk = b"tEXtComment\0" + _TEXT
    comment = (len(chunk) - 4).to_bytes(4) + chunk + zlib.crc32(chunk).to_bytes(4)
    return picture[:_HEADER] + comment + picture[_HEADER:]


def check_own(path: Path) -> None:
    """Check that nobody else's file is there: `perception run a.mp4 b.mp4` is easily meant otherwise.

    Raises:
        SinkError: a file is there that has no mark.
        OSError: it cannot be read.
    """
    if path.is_file() and path.stat().st_size and not _is_own(path):
        raise SinkError(
            f"sink {path}: a file is there that this program did not write; choose another name, or remove it"
        )


def _is_own(path: Path) -> bool:
    if path.suffix.lower() == ".mcap":
        with path.open("rb") as file:
            return LIBRARY.encode() in file.read(_BEFORE_LIBRARY + len(LIBRARY))
    if path.suffix.lower() != ".mp4":
        with path.open("rb") as file:
            return _TEXT in file.read(_HEADER + 12 + len("Comment\0") + len(_TEXT))
    try:
        with av.open(f"file:{path}", options=_ONLY) as container:
            return container.metadata.get("comment") == MARK
    except av.error.FFmpegError:
        return False
