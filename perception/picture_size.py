"""How large a picture is, by its file's header: a file of 1.5 MB may hold one that takes 2 GB to decode."""

import re
import struct

EXTENSIONS = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm")  # of pictures
MAX_PIXELS = 40_000_000  # three to four times those of a camera for cars of 12 million
_PARTS = re.compile(rb"P[1-6](?:\s|#[^\r\n]*[\r\n])+(\d{1,9})(?:\s|#[^\r\n]*[\r\n])+(\d{1,9})[\s#]")
_WIDTH, _HEIGHT = 256, 257  # tags of TIFF
_TIFF_TYPES = {3: ("H", 2), 4: ("I", 4), 16: ("Q", 8)}


def too_large(width: int, height: int, most: int) -> str:
    """What to say of a picture of that size; empty where no more than `most` pixels must be decoded."""
    if width * height <= most:
        return ""
    return (
        f"a picture has {width}×{height} = {width * height / 1e6:.1f} million pixels, at most "
        f"{most / 1e6:g} million are decoded; --max-pixels sets that"
    )


def check_picture(data: bytes, most: int = MAX_PIXELS) -> None:
    """Check a file of JPEG, PNG, BMP, WebP, TIFF or PNM before it is decoded.

    Raises:
        ValueError: it is none of these, its header is cut off, or it has more pixels than that.
    """
    try:
        width, height = _size(data)
    except (struct.error, IndexError):
        raise ValueError("not a whole image") from None
    if words := too_large(width, height, most):
        raise ValueError(words)


def _size(data: bytes) -> tuple[int, int]:
    """Raises: ValueError, struct.error, IndexError."""
    if data[:2] == b"\xff\xd8":
        return _jpeg(data)
    if data[:8] == b"\x89PNG\r\n\x1a\n":
        return _two(">II", data, 16)
    if data[:2] == b"BM":
        old = struct.unpack_from("<I", data, 14)[0] == 12
        width, height = _two("<HH" if old else "<ii", data, 18)
        return abs(width), abs(height)  # upside down where it is negative
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return _webp(data)
    if data[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        return _tiff(data)
    if found := _PARTS.match(data):
        return int(found[1]), int(found[2])
    raise ValueError("not a whole image")


def _two(form: str, data: bytes, place: int) -> tuple[int, int]:
    first, second = struct.unpack_from(form, data, place)
    return first, second


def _jpeg(data: bytes) -> tuple[int, int]:
    """By its start of frame (ITU-T T.81, B.2.2), before which segments of other kinds stand."""
    place = 2
    while True:
        place = data.find(b"\xff", place)  # as decoders do, pass over what is no marker
        if place < 0:
            raise IndexError
        while data[place] == 0xFF:
            place += 1
        kind = data[place]
        if 0xC0 <= kind <= 0xCF and kind not in (0xC4, 0xC8, 0xCC):
            height, width = _two(">HH", data, place + 4)
            return width, height
        alone = kind <= 0x01 or 0xD0 <= kind <= 0xD8
        place += 1 if alone else 1 + max(2, struct.unpack_from(">H", data, place + 1)[0])


def _webp(data: bytes) -> tuple[int, int]:
    match data[12:16]:
        case b"VP8 ":
            width, height = _two("<HH", data, 26)
            return width & 0x3FFF, height & 0x3FFF
        case b"VP8L":
            (bits,) = struct.unpack_from("<I", data, 21)
            return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
        case b"VP8X":
            canvas = data[24:30]
            return int.from_bytes(canvas[:3], "little") + 1, int.from_bytes(canvas[3:], "little") + 1
    raise ValueError("not a whole image")


def _tiff(data: bytes) -> tuple[int, int]:
    """By the tags of its first directory."""
    order = "<" if data[:2] == b"II" else ">"
    big = b"+" in data[2:4]
    (place,) = struct.unpack_from(order + ("Q" if big else "I"), data, 8 if big else 4)
    (count,) = struct.unpack_from(order + ("Q" if big else "H"), data, place)
    place += 8 if big else 2
    size, value = (20, 12) if big else (12, 8)
    found: dict[int, int] = {}
    for entry in range(min(count, 4096)):
        tag, kind = struct.unpack_from(order + "HH", data, place + entry * size)
        if tag in (_WIDTH, _HEIGHT) and kind in _TIFF_TYPES:
            form = order + _TIFF_TYPES[kind][0]
            found[tag] = struct.unpack_from(form, data, place + entry * size + value)[0]
    if len(found) < 2:
        raise ValueError("not a whole image")
    return found[_WIDTH], found[_HEIGHT]
