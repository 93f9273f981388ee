"""What tests of rings share: a ring, its readers, and frames that show their number."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from perception.interchange.shm.layout import Part, SharedFrame
from perception.interchange.shm.reader import Held, Reader
from perception.interchange.shm.ring import Ring
from tests.sources.live import until

ALL = Part.PICTURE
SOON_S = 10.0  # for what comes at once, on a machine that has other things to do
NOW_S = 0.2  # for what must not come


def frame(number: int, height: int = 8, width: int = 16, part: Part = Part.PICTURE) -> SharedFrame:
    """All of its pixels are the number."""
    shape = (height, width, 3) if part is Part.PICTURE else (height, width)
    return SharedFrame(number, number, 1, number, number, parts={part: np.full(shape, number, np.uint8)})


def shown(held: Held) -> int:
    """The number, which all pixels must have."""
    picture = held.frame.picture
    assert isinstance(picture, np.ndarray)
    (number,) = np.unique(picture).tolist()
    assert number == held.frame.sequence
    return int(number)


@contextmanager
def ring(folder: Path, readers: int = 8, hello: bytes = b"{}") -> Iterator[Ring]:
    served = Ring(folder / "perception-front.sock", hello, readers=readers)
    try:
        yield served
    finally:
        served.close()


@contextmanager
def asking(served: Ring, wanted: Part = Part.PICTURE, name: str = "front") -> Iterator[Reader]:
    """A reader that waits for a frame."""
    with Reader.open(name, wanted) as reader:
        before = served.wanted
        assert reader.next(0.001) is None
        until(lambda: served.wanted == before | wanted)
        assert reader.next(0.05) is None  # its request has been read, also where others asked for the same
        yield reader


def take(reader: Reader) -> Held:
    """The next frame, which must come."""
    held = reader.next(SOON_S)
    assert isinstance(held, Held)
    return held
