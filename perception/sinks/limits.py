"""The options of a sink's URI: `out.mp4?minutes=10&keep=20GB`."""

import re
from dataclasses import dataclass
from typing import Any

from perception.uri import Uri

_UNITS = {"kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12}
# A share of `keep` is what a single segment may be, and so what at most goes at a time.
_SHARE, _SHARE_BY_TIME = 20, 2


@dataclass(frozen=True, slots=True)
class Limits:
    """How large the files of a sink become.

    Attributes:
        minutes: of video in a segment, by the stream's own time.
        segment: bytes of a segment.
        keep: bytes of all that the sink has written there, in this run and before; the oldest goes first.
    """

    minutes: float | None = None
    segment: int | None = None
    keep: int | None = None


def video_limits(uri: Uri, values: dict[str, Any]) -> Limits:
    """The limits of a URI by the values of `VIDEO_LIMITS` in it.

    Raises:
        ConfigError: they exclude each other.
    """
    minutes, keep = values.get("minutes"), values.get("keep")
    if "megabytes" in values:
        segment = round(10**6 * values["megabytes"])
        if keep is not None and segment > keep:
            given, allowed = f"megabytes = {values['megabytes']:g}", f"keep = {keep / 10**6:g}MB"
            raise uri.error(f"{given} is refused; allowed is what fits into {allowed}")
        return Limits(minutes, segment, keep)
    if keep is not None:
        return Limits(minutes, keep // (_SHARE if minutes is None else _SHARE_BY_TIME), keep)
    return Limits(minutes)


def folder_limits(keep: int | None) -> Limits:
    """The limits of a folder that keeps so many bytes; a segment is a file of lines."""
    return Limits(segment=None if keep is None else keep // _SHARE, keep=keep)


def _number(text: str) -> float:
    if not re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", text) or float(text) == 0:
        raise ValueError("allowed are numbers above 0")
    return float(text)


def size(text: str) -> int:
    """Bytes."""
    found = re.fullmatch(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)([a-z]{2})", text.lower())
    if not found or found[2] not in _UNITS or not (count := round(float(found[1]) * _UNITS[found[2]])):
        raise ValueError("allowed are sizes such as 500MB or 20GB")
    return count


VIDEO_LIMITS = {"minutes": _number, "megabytes": _number, "keep": size}
