"""Buffers that one run at a time may use, kept for the next run."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

Item = TypeVar("Item")
Shape = tuple[int, ...]
SHAPES = 4  # that buffers are kept for: a camera has one, and a folder of pictures must not fill the memory


class BufferPool(Generic[Item]):
    """Lends buffers made for one shape of image, each to one borrower at a time.

    It holds as many of a shape as were borrowed at once, for the `SHAPES` shapes that were borrowed last.
    """

    def __init__(self, make: Callable[[Shape], Item]) -> None:
        self._make = make
        self._idle: OrderedDict[Shape, list[Item]] = OrderedDict()
        self._lock = threading.Lock()

    @contextmanager
    def lent(self, shape: Shape) -> Iterator[Item]:
        """One for images of that shape; it is not lent again where the borrower raises an error."""
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
