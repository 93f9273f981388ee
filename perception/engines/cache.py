"""What is kept between runs: the choice of an engine, and engines that take minutes to build."""

import errno
import hashlib
import json
import os
import shutil
import tempfile
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

from perception.engines.buffers import Shape

Notes = tuple[str, ...]  # for people, on what is unusual
_ENGINE, _SUM, _KEY = "engine", "engine.sha256", "key.json"
_THERE = errno.ENOTEMPTY, errno.EEXIST  # of a rename
_FORGOTTEN_S = 86_400  # a draft this old is of a build that was interrupted


def cache_folder() -> Path:
    """The user's cache folder for this package; it need not exist yet."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "perception"


@dataclass(frozen=True)
class EngineKey:
    """All that a built engine depends on: where one of these differs, another one is built.

    Attributes:
        graph: sha256 of the ONNX file.
        gpu: its name.
        capability: of the GPU to compute, such as (9, 0).
        driver: its version.
        builder: name and version, such as "tensorrt 11.4.0".
        shapes: the input's least, usual and greatest shape.
    """

    graph: str
    gpu: str
    capability: tuple[int, int]
    driver: str
    builder: str
    shapes: tuple[Shape, Shape, Shape]

    @property
    def digest(self) -> str:
        """A name for files: 64 hexadecimal digits."""
        return hashlib.sha256(self._text().encode()).hexdigest()

    def _text(self) -> str:
        return json.dumps(asdict(self), indent=2, sort_keys=True)


@dataclass(frozen=True)
class EngineCache:
    """Built engines on disk, a folder for each key: the engine, its sha256, and the key for people."""

    folder: Path = field(default_factory=lambda: cache_folder() / "engines")

    def path(self, key: EngineKey) -> Path:
        """The folder of an engine, whether it is there or not."""
        return self.folder / key.digest

    def read(self, key: EngineKey) -> tuple[bytes | None, Notes]:
        """The engine, or None where there is none; with a note on one that is damaged: it is discarded."""
        path = self.path(key) / _ENGINE
        if not path.parent.exists():
            return None, ()
        try:
            engine = path.read_bytes()
            expected = (path.parent / _SUM).read_text("ascii", errors="replace")
        except OSError as error:
            if not path.parent.exists():  # another process puts its own there just now
                return None, ()
            return None, self.discard(key, str(error))
        found = hashlib.sha256(engine).hexdigest()
        if found != expected:
            return None, self.discard(key, f"its sha256 is {found}, expected {expected[:64]!r}")
        return engine, ()

    def write(self, key: EngineKey, engine: bytes) -> Notes:
        """Keep an engine in place of any older one; a note where that fails, as on a full disk.

        It is written to a draft folder, which is then renamed, so that a power cut leaves no part of one.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._sweep()
            with tempfile.TemporaryDirectory(
                prefix="draft-", dir=self.folder, ignore_cleanup_errors=True
            ) as folder:
                draft = Path(folder)
                digest = hashlib.sha256(engine).hexdigest().encode()
                for name, data in ((_ENGINE, engine), (_SUM, digest), (_KEY, key._text().encode())):
                    with (draft / name).open("wb") as file:
                        file.write(data)
                        os.fsync(file.fileno())
                shutil.rmtree(self.path(key), ignore_errors=True)
                try:
                    draft.rename(self.path(key))
                except OSError as error:
                    if error.errno not in _THERE:  # else another process has just put its own there
                        raise
        except OSError as error:
            return (f"the engine is not kept for the next start: {self.folder} cannot be written ({error})",)
        return ()

    def discard(self, key: EngineKey, reason: str) -> Notes:
        """Remove an engine that cannot be used; a note that says so."""
        shutil.rmtree(self.path(key), ignore_errors=True)
        return (f"the engine in {self.path(key)} is discarded and built again: {reason}",)

    def _sweep(self) -> None:
        """Remove what interrupted builds have left."""
        for draft in self.folder.glob("draft-*"):
            with suppress(FileNotFoundError):  # another process was quicker
                if time.time() - draft.stat().st_mtime > _FORGOTTEN_S:
                    shutil.rmtree(draft, ignore_errors=True)
