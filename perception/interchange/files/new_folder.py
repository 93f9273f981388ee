"""A folder that is there as a whole, or not at all."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from perception.errors import ConfigError, DataError


@contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """A draft that becomes the folder once all is written.

    Raises:
        ConfigError: it holds something already.
        DataError: it cannot be written.
    """
    folder = folder.absolute()
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConfigError(f"{folder}: holds something already; give a new folder")
    draft = folder.with_name(f".{folder.name}.{os.getpid()}")
    try:
        draft.mkdir(parents=True)
        yield draft
        draft.rename(folder)
    except OSError as error:
        raise DataError(f"{folder}: cannot be written: {error}") from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)
