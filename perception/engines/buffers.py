"""What one run at a time may use, such as buffers: kept for the next run."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

Item = TypeVar("Item")
Shape = tuple[int, ...]
SHAPES = 4  # whose things are kept: cameras have one each, and a folder of pictures must not fill the memory


class Pool(Generic[Item]):
    """Lends things made for one shape of image; each to one borrower at a time.

    It holds as many of a shape as were borrowed at once, for the shapes that were borrowed last.
    """

    def __init__(self, make: Callable[[Shape], Item]) -> None:
        self._make = make
        self._idle: OrderedDict[Shape, list[Item]] = OrderedDict()
        self._lock = threading.Lock()

    @contextmanager
    def lent(self, shape: Shape) -> Iterator[Item]:
        """One for images of that shape; what an error passes through is not lent again."""
        with self._lock:
            idle = self._idle.setdefault(shape, [])
            self._idle.move_to_end(shape)
            while len(self._idle) > SHAPES:
                self._idle.popitem(last=False)
            item = idle.pop() if idle else None
        if item is None:
            item = self._make(shape)
        yield item
        with self._lock:
            idle.append(item)
