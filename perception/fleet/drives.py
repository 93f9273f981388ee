"""Which drives a fleet has: files, folders, URIs, globs and manifests become drives with names of folders."""

import glob
import hashlib
import json
import os
import re
import stat
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from perception.errors import ConfigError
from perception.fleet.fetch import LIVE, SCHEME, is_remote, open_files
from perception.parsing import faults
from perception.redact import masked, printable
from perception.sources.registry import SOURCES
from perception.uri import exists

MANIFESTS = (".txt", ".json")
RESERVED = frozenset(("failed", "report", "summary"))  # what else lies in OUT, with and without suffixes
LONGEST = 100  # bytes of a name: file systems take 255, and logs and drives of the same name add to it
STATES = ("size", "ETag", "etag", "md5Hash", "crc32c", "CRC", "LastModified", "updated", "mtime", "created")
ENTRIES = '["a.mp4", {"drive": "b.mp4", "name": "tuesday"}]'
# What lies next to recordings: a glob leaves it out. FFmpeg reads more suffixes than can be listed.
NOTES = frozenset((*MANIFESTS, ".csv", ".html", ".log", ".md", ".pdf", ".srt", ".xml", ".yaml", ".yml"))
_GLOB = re.compile(r"[*\[]")


@dataclass(frozen=True)
class Drive:
    """One recording.

    Attributes:
        uri: what `open_source` takes, or where `remote` what fsspec fetches.
        name: of its folder in OUT; empty: not chosen yet.
        state: changes with the file: its size and time, where they are known.
    """

    uri: str
    name: str = ""
    remote: bool = False
    state: str = ""

    @property
    def shown(self) -> str:
        """The URI without secrets."""
        return printable(masked(self.uri))

    @property
    def facts(self) -> str:
        """What its answer depends on: its state and the part that is meant; without a state, the URI."""
        part = self.uri.partition("?")[2]
        return " ".join(one for one in (self.state, part) if one) if self.state else self.uri


class _Line(BaseModel):
    """A drive of a JSON manifest."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    drive: str = Field(min_length=1)
    name: str = ""


def find_drives(places: Sequence[str], known: Callable[[str], str | None] = lambda name: None) -> list[Drive]:
    """The drives that are meant, each once, with their names.

    Args:
        known: which drive, as `Drive.shown`, a folder of OUT already holds.

    Raises:
        ConfigError: a place is none, a glob matches nothing, or a manifest is wrong.
    """
    found: dict[str, Drive] = {}
    for place in places:
        for drive in _manifest(place) if _is_manifest(place) else _expand(place):
            if not _encodable(drive.uri):
                raise ConfigError(f"drive {drive.shown}: its name is not UTF-8; rename it")
            earlier = found.setdefault(drive.uri, drive)
            if drive.name and earlier.name != drive.name:
                raise ConfigError(f"drive {drive.shown}: is called {earlier.name!r} and {drive.name!r}")
    return named(list(found.values()), known)


def named(drives: Sequence[Drive], known: Callable[[str], str | None] = lambda name: None) -> list[Drive]:
    """The drives with names that are unique, also where case does not count.

    A name is that of the file. Where several drives would have the same, the one that has it in OUT keeps it,
    and the others add eight digits of the SHA-256 of their URI: no name depends on the order of the drives.

    Raises:
        ConfigError: two drives are given the same name.
    """
    given = Counter(one.name.casefold() for one in drives if one.name)
    for one in drives:
        if given[one.name.casefold()] > 1:
            raise ConfigError(
                f"drive {one.shown}: another one is called {one.name!r}, too; give it another name"
            )
    stems = {one.uri: one.name or _stem(one.uri) for one in drives}
    wanted = Counter(stem.casefold() for stem in stems.values())
    shown = Counter(one.shown for one in drives)  # two may differ in what is not shown

    def name(one: Drive) -> str:
        stem = stems[one.uri]
        apart = f"{stem}-{hashlib.sha256(one.uri.encode()).hexdigest()[:8]}"
        if known(apart) == one.shown and shown[one.shown] == 1:
            return apart
        free = stem.casefold() not in given and stem.casefold().partition(".")[0] not in RESERVED
        holder = known(stem) if free else None
        holds = holder == one.shown and shown[one.shown] == 1
        if free and (holds or (holder is None and wanted[stem.casefold()] == 1)):
            return stem
        return apart

    return [one if one.name else replace(one, name=name(one)) for one in drives]


def _stem(uri: str) -> str:
    """What a drive is called, in characters that are safe in a file's name everywhere."""
    if SCHEME.match(uri):
        name = PurePosixPath(uri.partition("::")[0].partition("?")[0]).stem  # options may be secrets
    else:
        source = SOURCES.parse(uri)
        path = source.path
        name = uri if path is None else path.name if path.is_dir() else path.stem
    safe = re.sub(r"[^\w.-]+", "-", name).encode()[:LONGEST].decode(errors="ignore")
    return safe.strip(".-") or "drive"


def _encodable(text: str) -> bool:
    """Whether it can be written into files as UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _expand(text: str, base: Path | None = None) -> Iterator[Drive]:
    """The drives of one URI, path or glob; relative paths are relative to `base`."""
    if is_remote(text):
        yield from _remote(text)
        return
    scheme = (SCHEME.match(text) or [text, ""])[1].lower()
    text = text[len("file://") :] if scheme == "file" else text
    source = SOURCES.parse(text)
    if source.path is not None and base is not None:
        source = SOURCES.parse(text := str(base / text))
    if source.path is None or exists(source.path) or not _GLOB.search(source.uri.place):
        yield _local(text)
        return
    paths = sorted(filter(_may_be_drive, glob.glob(source.uri.place, recursive=True)))  # noqa: PTH207 - also from the root
    if not paths:
        raise ConfigError(f"drives {source}: no recording has such a name")
    query = f"?{source.uri.query}" if source.uri.query else ""
    yield from (_local(f"{path}{query}") for path in paths)


def _may_be_drive(path: str) -> bool:
    return PurePosixPath(path).suffix.lower() not in NOTES


def _local(text: str) -> Drive:
    """Raises: ConfigError: it is not there, or no recording."""
    source = SOURCES.parse(text)
    if source.uri.scheme in LIVE or (source.uri.scheme == "" and source.path is None):
        raise ConfigError(f"drive {source}: a camera has no end; give a recording")
    if source.path is None:
        return Drive(text)
    try:
        found = source.path.stat()
        state = f"{found.st_size} {found.st_mtime_ns}"
        if stat.S_ISDIR(found.st_mode):
            state = _state_of_folder(source.path)
    except (OSError, ValueError) as error:
        raise ConfigError(f"drive {source}: no such file or folder; a glob needs * or [") from error
    if not stat.S_ISDIR(found.st_mode) and not stat.S_ISREG(found.st_mode):
        raise ConfigError(f"drive {source}: is no file and no folder; give a recording")
    # Not the file that a link leads to: in stores of data those have no names of their own.
    path = (
        source.path.resolve() if source.path.name == ".." else source.path.parent.resolve() / source.path.name
    )
    return Drive(f"{path}?{source.uri.query}" if source.uri.query else str(path), state=state)


def _state_of_folder(folder: Path) -> str:
    """Of the files in it: its own time does not change with what is in a file."""
    digest = hashlib.sha256()
    with os.scandir(folder) as entries:
        for entry in sorted(entries, key=lambda one: one.name):
            if entry.is_file():
                found = entry.stat()
                digest.update(f"{entry.name!r} {found.st_size} {found.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def _remote(text: str) -> Iterator[Drive]:
    """Raises: ConfigError: fsspec does not know it, cannot reach it, or finds nothing."""
    fs, place = open_files(text)
    shown = printable(masked(text))
    try:
        if _GLOB.search(place):
            there = sorted(fs.glob(place, detail=True).items())
            infos = {path: info for path, info in there if _may_be_drive(path)}
        else:
            infos = {place: fs.info(place)}
    except FileNotFoundError:
        infos = {}
    except Exception as error:  # each file system of fsspec raises its own
        raise ConfigError(f"drives {shown}: cannot be listed ({type(error).__name__}: {error})") from error
    if not infos:
        raise ConfigError(f"drives {shown}: no recording has such a name")
    url, chain, rest = text.partition("::")  # as in zip://*.mp4::day.zip
    # The path alone would be without the host and its user, as in ftp://user@host/*.mp4.
    before = url.removesuffix(place) if url.endswith(place) else f"{url.partition('://')[0]}://"
    for one, info in infos.items():
        yield Drive(f"{before}{one}{chain}{rest}", remote=True, state=_state(info))


def _state(info: dict[str, Any]) -> str:
    """What changes with a file, in the words of S3, Google's storage, archives and others."""
    return " ".join(f"{key}={info[key]}" for key in STATES if info.get(key) is not None)


def _is_manifest(place: str) -> bool:
    try:
        return place.lower().endswith(MANIFESTS) and not Path(place).is_dir()
    except OSError:  # no file has so long a name
        return True


def _manifest(place: str) -> Iterator[Drive]:
    """The drives that a file lists; relative paths are relative to the file's folder.

    Raises:
        ConfigError: it cannot be read, or a line of it is wrong.
    """
    place = place.removeprefix("file://")
    shown, remote = printable(masked(place)), SCHEME.match(place) is not None
    try:
        if remote:
            fs, path = open_files(place)
            text = fs.cat_file(path).decode("utf-8-sig")
        else:
            text = Path(place).read_text(encoding="utf-8-sig")
    except ConfigError:
        raise
    except Exception as error:  # each file system of fsspec raises its own
        raise ConfigError(f"manifest {shown}: cannot be read ({error})") from error
    lines = _json_lines(text, shown) if place.lower().endswith(".json") else _text_lines(text)
    if not lines:
        raise ConfigError(f"manifest {shown}: lists no drive")
    for line in lines:
        if _is_manifest(line.drive):
            raise ConfigError(f"manifest {shown}: lists the manifest {printable(masked(line.drive))}")
        if remote and not SCHEME.match(line.drive):
            drives = list(_expand(f"{place.rpartition('/')[0]}/{line.drive}"))
        else:
            drives = list(_expand(line.drive, Path(place).parent))
        if line.name and len(drives) > 1:
            raise ConfigError(f"manifest {shown}: name {line.name!r}: is given to {len(drives)} drives")
        if line.name and _unsafe(line.name):
            raise ConfigError(
                f"manifest {shown}: name {line.name!r} is refused: up to {LONGEST} bytes of letters, "
                f"digits, . _ -, the first a letter or digit, and none of {', '.join(sorted(RESERVED))}"
            )
        yield from (replace(one, name=line.name) for one in drives)


def _unsafe(name: str) -> bool:
    reserved = name.casefold().partition(".")[0] in RESERVED
    return reserved or len(name.encode()) > LONGEST or not re.fullmatch(r"\w[\w.-]*", name) or name[-1] == "."


def _text_lines(text: str) -> list[_Line]:
    lines = (line.strip() for line in text.splitlines())
    return [_Line(drive=line) for line in lines if line and not line.startswith("#")]


def _json_lines(text: str, shown: str) -> list[_Line]:
    try:
        entries = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"manifest {shown}: no JSON ({printable(str(error))})") from error
    if not isinstance(entries, list):
        raise ConfigError(f"manifest {shown}: is no list; write {ENTRIES}")
    return [_entry(one, f"manifest {shown}: entry {number}") for number, one in enumerate(entries, 1)]


def _entry(entry: object, where: str) -> _Line:
    values = {"drive": entry} if isinstance(entry, str) else entry
    if not isinstance(values, dict):
        raise ConfigError(f"{where}: is no drive; write {ENTRIES}")
    try:
        return _Line.model_validate(values)
    except ValidationError as error:
        raise ConfigError(f"{where}: {'; '.join(faults(error)[:3])}; write {ENTRIES}") from error
