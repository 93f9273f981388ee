"""Memory that one process writes, and that others can only read."""

import fcntl
import mmap
import os

import numpy as np

from perception.interchange.shm.layout import Bytes

_F_SEAL_FUTURE_WRITE = 0x10  # of Linux 5.1; not in Python 3.11's fcntl
_PAGE = 4096


class Memory:
    """Slots that this process alone can write, and that never change their size."""

    def __init__(self, slots: int, size: int) -> None:
        self.size = -(-size // _PAGE) * _PAGE
        self.descriptor = os.memfd_create("perception", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        os.ftruncate(self.descriptor, slots * self.size)
        self._map = mmap.mmap(self.descriptor, slots * self.size)
        seals = fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_SEAL | _F_SEAL_FUTURE_WRITE
        fcntl.fcntl(self.descriptor, fcntl.F_ADD_SEALS, seals)
        self.bytes: Bytes = np.frombuffer(self._map, np.uint8)
        self.holders = [0] * slots

    def __del__(self) -> None:
        os.close(self.descriptor)
