"""Pictures that another process of this machine has in shared memory."""

import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from threading import Event

from perception.errors import DataError
from perception.frame import Drop, DropReason, Frame
from perception.health.types import Link, LinkState
from perception.interchange.shm.layout import Part, SharedFrame
from perception.interchange.shm.place import check_name
from perception.interchange.shm.reader import Held, Reader
from perception.picture_size import too_large
from perception.pixels import size_of
from perception.sources.base import Capture, SourceKind, SourceUri
from perception.sources.link import GOOD_S, PAUSES_S, SILENCE_S, log_found, lost
from perception.uri import Uri

_AHEAD_NS = 50_000_000  # a stamp may be later than now by that much
_POLL_S = 0.25


class SharedMemorySource:
    """The newest pictures of a ring, each copied once; see LiveSource and docs/shm.md.

    Stamps are the writer's: `host_ns`, and `wall_ns` to the nanosecond. While its writer is there, but
    silent, the connection stays; when it is gone it is tried again.
    """

    def __init__(self, source: SourceUri, capture: Capture) -> None:
        self.uri, self._name = str(source), source.uri.place
        self.rate = 30.0
        self.length: int | None = None
        self.notes: list[str] = []
        self.live = True
        self._camera, self._max_pixels = capture.camera, capture.max_pixels
        self._link = Link(LinkState.CONNECTING, "no picture has come yet")
        self._stopped = Event()
        self._sequence = 0
        self._latest_ns = 0

    @property
    def link(self) -> Link:
        return self._link

    def stop(self) -> None:
        self._stopped.set()

    def close(self) -> None:
        self.stop()

    def __iter__(self) -> Iterator[Frame | Drop]:
        pause = PAUSES_S[0]
        while not self._stopped.is_set():
            first = latest = time.monotonic()
            try:
                with closing(Reader.open(self._name, Part.PICTURE)) as reader:
                    self._connected(reader)
                    for item in self._read(reader):
                        latest = time.monotonic()
                        yield item
            except (OSError, DataError) as error:
                self._lose(getattr(error, "strerror", None) or str(error))
            if latest - first > GOOD_S:
                pause = PAUSES_S[0]
            self._stopped.wait(pause)
            pause = min(2 * pause, PAUSES_S[1])
        self._link = Link(LinkState.ENDED, connections=self._link.connections)

    def _connected(self, reader: Reader) -> None:
        self._link = replace(self._link, connections=self._link.connections + 1)
        rate = reader.hello.get("rate")
        if isinstance(rate, (int, float)) and 0 < rate < 1000:
            self.rate = float(rate)

    def _read(self, reader: Reader) -> Iterator[Frame | Drop]:
        heard = time.monotonic()
        while not self._stopped.is_set():
            held = reader.next(_POLL_S)
            now = time.monotonic()
            if isinstance(held, Held):
                heard = now
                missed = [self._drop(DropReason.SUPERSEDED, "was overwritten") for _ in range(held.missed)]
                taken = self._taken(held.frame)
                reader.release(held)
                yield from missed
                yield taken
            elif now - heard > SILENCE_S:
                self._lose(f"no picture for {SILENCE_S:.0f} s")

    def _taken(self, shared: SharedFrame) -> Frame | Drop:
        now = time.monotonic_ns()
        picture = shared.picture
        if picture is None:
            return self._drop(DropReason.UNDECODABLE, "has no picture")
        height, width = size_of(picture)
        if words := too_large(width, height, self._max_pixels):
            return self._drop(DropReason.UNDECODABLE, f"is not read: {words}")
        host_ns = shared.host_ns or shared.published_ns
        if host_ns > now + _AHEAD_NS:
            words = f"is stamped {(host_ns - now) / 1e6:.0f} ms in the future"
            return self._drop(DropReason.UNDECODABLE, f"{words}; host_ns is by CLOCK_MONOTONIC")
        if host_ns < self._latest_ns:
            return self._drop(DropReason.UNDECODABLE, "is stamped before the last one")
        log_found(self._link, self.uri)
        self._link = Link(LinkState.STREAMING, connections=self._link.connections)
        self._latest_ns = host_ns
        return Frame(
            picture.copy(),
            stamp_ns=host_ns,
            wall_ns=shared.wall_ns,
            sequence=self._next(),
            camera=self._camera,
            host_ns=min(host_ns, now),
            pixel_aspect=shared.pixel_aspect,
            frame_id=shared.frame_id,
        )

    def _drop(self, reason: DropReason, what: str) -> Drop:
        sequence = self._next()
        return Drop(sequence, reason, f"{self.uri}: frame {sequence} {what}")

    def _next(self) -> int:
        self._sequence += 1
        return self._sequence - 1

    def _lose(self, reason: str) -> None:
        if not self._stopped.is_set():
            self._link = lost(self._link, self.uri, reason)


def _check(uri: Uri) -> dict[str, object]:
    try:
        check_name(uri.place)
    except ValueError as error:
        raise uri.error(str(error)) from None
    return uri.options({})


KIND = SourceKind("shared memory (shm:front)", SharedMemorySource, read=_check)
