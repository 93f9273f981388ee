"""Arrays of an npz file that may be anybody's: looked at before anything of them is read."""

import math
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

MOST_BYTES = 1 << 30  # of all arrays together
# What numpy and zipfile raise for damaged files.
_BROKEN = (
    OSError,
    EOFError,
    LookupError,
    NotImplementedError,
    OverflowError,
    RuntimeError,
    SyntaxError,
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    tokenize.TokenError,
)
_ENDING = ".npy"


def read_arrays(path: Path, expected: Mapping[str, str]) -> dict[str, npt.NDArray[Any]]:
    """The arrays of an npz file, of which the names and dtypes are known before.

    Raises:
        ValueError: it is none, or holds something else, or more than its headers say.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            names = [entry.filename.removesuffix(_ENDING) for entry in entries]
            if sorted(names) != sorted(expected) or not all(e.filename.endswith(_ENDING) for e in entries):
                raise ValueError(f"holds the arrays {sorted(names)!s:.300}, expected {sorted(expected)}")
            if (size := sum(entry.file_size for entry in entries)) > MOST_BYTES:
                raise ValueError(f"holds {size} bytes, allowed are {MOST_BYTES}")
            return {
                name: _array(archive, entry, expected[name])
                for name, entry in zip(names, entries, strict=True)
            }
    except _BROKEN as error:
        raise ValueError(f"not a readable npz archive ({error})") from error


def _array(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, dtype: str) -> npt.NDArray[Any]:
    with archive.open(entry) as file:
        version = np.lib.format.read_magic(file)
        if version == (1, 0):
            shape, fortran, found = np.lib.format.read_array_header_1_0(file)
        elif version == (2, 0):
            shape, fortran, found = np.lib.format.read_array_header_2_0(file)
        else:
            raise ValueError(f"{entry.filename} is of the format {version}")
        if str(found) != dtype or found.hasobject:
            raise ValueError(f"{entry.filename} holds {found!s:.100}, expected {dtype}")
        wanted = math.prod(shape) * found.itemsize
        if min(shape, default=0) < 0 or wanted > entry.file_size:
            raise ValueError(f"{entry.filename} is said to be {shape}, and has {entry.file_size} bytes")
        data = file.read(wanted + 1)
    if len(data) != wanted:
        raise ValueError(f"{entry.filename} is said to be {shape}, and has other {len(data)} bytes")
    return np.frombuffer(data, found).reshape(shape, order="F" if fortran else "C").copy()
