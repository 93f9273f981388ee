"""What stands behind the question mark of a sink's URI: `out.mp4?minutes=10&keep=20GB`."""

import re
from dataclasses import dataclass
from pathlib import Path

from perception.errors import ConfigError
from perception.redact import masked

_UNITS = {"kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12}
_NUMBER, _SIZE = "numbers above 0", "sizes such as 500MB or 20GB"
# A share of `keep` is what a single piece may be, and so what at most goes at a time.
_SHARE, _SHARE_BY_TIME = 20, 2


@dataclass(frozen=True, slots=True)
class Limits:
    """How large the files of a sink become.

    Attributes:
        minutes: of video in a piece, by the stream's own time.
        piece: bytes of a piece.
        keep: bytes of all that the sink has written there, in this run and before; the oldest goes first.
    """

    minutes: float | None = None
    piece: int | None = None
    keep: int | None = None


def split(uri: str) -> tuple[Path, str]:
    """The path, and the options as they were written; empty without any."""
    path, _, query = uri.partition("?")
    return Path(path), query


def video_limits(uri: str) -> Limits:
    """Of `minutes`, `megabytes` and `keep`.

    Raises:
        ConfigError: another option, or a wrong value.
    """
    values = _values(uri, ("minutes", "megabytes", "keep"))
    minutes, keep = _number(uri, values, "minutes"), _size(uri, values, "keep")
    megabytes = _number(uri, values, "megabytes")
    if megabytes is not None:
        piece = round(10**6 * megabytes)
        if keep is not None and piece > keep:
            raise ConfigError(
                f"sink {masked(uri)}: megabytes = {values['megabytes']} is refused; allowed is "
                f"what fits into keep = {values['keep']}"
            )
        return Limits(minutes, piece, keep)
    if keep is not None:
        return Limits(minutes, keep // (_SHARE if minutes is None else _SHARE_BY_TIME), keep)
    return Limits(minutes)


def folder_limits(uri: str) -> Limits:
    """Of `keep`; a piece is one of the files with lines.

    Raises:
        ConfigError: another option, or a wrong value.
    """
    keep = _size(uri, _values(uri, ("keep",)), "keep")
    return Limits(piece=None if keep is None else keep // _SHARE, keep=keep)


def _values(uri: str, known: tuple[str, ...]) -> dict[str, str]:
    values: dict[str, str] = {}
    for part in filter(None, split(uri)[1].split("&")):
        name, _, value = part.partition("=")
        if name not in known:
            raise ConfigError(
                f"sink {masked(uri)}: unknown option {masked(name)}; known are {', '.join(known)}"
            )
        if name in values:
            raise ConfigError(f"sink {masked(uri)}: {name} is given twice; give it once")
        values[name] = value
    return values


def _number(uri: str, values: dict[str, str], name: str) -> float | None:
    text = values.get(name)
    if text is None:
        return None
    if not re.fullmatch(r"\d{1,9}(\.\d{1,9})?", text) or float(text) == 0:
        raise ConfigError(f"sink {masked(uri)}: {name} = {text!r} is refused; allowed are {_NUMBER}")
    return float(text)


def _size(uri: str, values: dict[str, str], name: str) -> int | None:
    text = values.get(name)
    if text is None:
        return None
    found = re.fullmatch(r"(\d{1,9}(?:\.\d{1,9})?)([a-z]{2})", text.lower())
    if not found or found[2] not in _UNITS or not (size := round(float(found[1]) * _UNITS[found[2]])):
        raise ConfigError(f"sink {masked(uri)}: {name} = {text!r} is refused; allowed are {_SIZE}")
    return size
