"""What sources on buses have in common: the newest message alone waits to be read."""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from threading import Condition

from perception.camera_info import CameraInfo, Transform
from perception.errors import SourceError
from perception.frame import Drop, DropReason, Frame
from perception.health.types import Link, LinkState
from perception.interchange.messages.cameras import calibration_decoder, transforms_decoder
from perception.interchange.messages.channels import Schema
from perception.interchange.messages.decoding import UndecodableError
from perception.interchange.messages.images import DecodedImage, image_decoder
from perception.pixels import size_of
from perception.sources.link import SILENCE_S, log_found, lost
from perception.sources.rectified import holding_for
from perception.sources.stream_clock import StreamClock
from perception.uri import Uri

CAMERA_INFO, TRANSFORMS = "sensor_msgs/msg/CameraInfo", "tf2_msgs/msg/TFMessage"
_LOOK_S = 0.2  # between two looks for a publisher


def camera_info_beside(topic: str) -> str:
    """Where image_transport has it: /camera/camera_info for /camera/image and /camera/image/compressed."""
    namespace, slash, _ = topic.removesuffix("/compressed").rpartition("/")
    return f"{namespace}{slash}camera_info"


@dataclass(frozen=True, slots=True)
class _Arrival:
    number: int
    kind: str
    data: bytes
    arrival_ns: int


class BusSource(ABC):
    """Pictures as they are published, such as sensor_msgs/Image and CompressedImage; see LiveSource.

    A message that is overwritten by the next one before it is read is dropped as superseded. Frames have the
    wall time of their headers, and are stamped by it as a stream's clock, see `StreamClock`.
    """

    def __init__(self, uri: Uri, camera: str, max_pixels: int) -> None:
        self.uri, self._max_pixels = uri.shown, max_pixels
        self.rate = 30.0
        self.length: int | None = None
        self.notes: list[str] = []
        self.live = True
        self.link = Link(LinkState.CONNECTING)
        self._camera = camera
        self._changed = Condition()  # protects the three below
        self._newest: _Arrival | None = None
        self._arrived = 0
        self._stopped = False
        self._following = 0  # the number of the first message that was not read yet
        self._clock = StreamClock()
        self._decoders: dict[str, Callable[[bytes], DecodedImage]] = {}
        self._camera_info: CameraInfo | None = None
        self._transforms: dict[str, Transform] = {}  # by their children

    @abstractmethod
    def _open(self) -> AbstractContextManager[None]:
        """A connection to the bus. Raises SourceError where a second try would not help."""

    @abstractmethod
    def _look(self) -> str:
        """See that messages of whoever publishes now go to `_take`; what is wrong, where none come."""

    def _camera_info_taker(self, topic: str) -> Callable[[bytes], None]:
        """Takes messages CameraInfo beside the pictures of a topic, which frames then have."""
        read = calibration_decoder(Schema(CAMERA_INFO, "", b"", "cdr"))

        def take(data: bytes) -> None:
            _, info = read(data)
            self._camera_info = None  # the one before holds no longer
            self._camera_info = info and holding_for(topic, info)

        return self._noting(CAMERA_INFO, take)

    def _transforms_taker(self) -> Callable[[bytes], None]:
        """The same for TFMessage."""
        read = transforms_decoder(Schema(TRANSFORMS, "", b"", "cdr"))

        def take(data: bytes) -> None:
            self._transforms = self._transforms | {one.child: one for one in read(data)}

        return self._noting(TRANSFORMS, take)

    def _noting(self, kind: str, take: Callable[[bytes], None]) -> Callable[[bytes], None]:
        def taken(data: bytes) -> None:
            try:
                take(data)
            except (UndecodableError, SourceError) as error:
                if not any(kind in note for note in self.notes):  # the first one is enough
                    self.notes.append(f"{self.uri}: a message {kind} is passed over: {error}")

        return taken

    def _take(self, kind: str, data: bytes) -> None:
        """A message of that type has come; from the bus's own thread."""
        now = time.monotonic_ns()
        with self._changed:
            self._newest = _Arrival(self._arrived, kind, data, now)
            self._arrived += 1
            self._changed.notify_all()

    def stop(self) -> None:
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def close(self) -> None:
        self.stop()

    def __iter__(self) -> Iterator[Frame | Drop]:
        with self._open():
            while not self._stopped:
                streaming = self.link.state is LinkState.STREAMING
                newest = self._next(SILENCE_S if streaming else _LOOK_S)
                if newest is not None:
                    yield from self._read(newest)
                elif not self._stopped:
                    self._miss(self._look())
        self.link = Link(LinkState.ENDED, connections=self.link.connections)

    def _next(self, seconds: float) -> _Arrival | None:
        with self._changed:
            self._changed.wait_for(lambda: self._newest or self._stopped, seconds)
            newest, self._newest = self._newest, None
            return None if self._stopped else newest

    def _read(self, newest: _Arrival) -> Iterator[Frame | Drop]:
        missed, self._following = range(self._following, newest.number), newest.number + 1
        for number in missed:
            yield Drop(number, DropReason.SUPERSEDED, f"{self.uri}: frame {number} was overwritten")
        try:
            image = self._decoded(newest)
        except UndecodableError as error:
            what = f"{self.uri}: frame {newest.number} is no picture: {error}"
            yield Drop(newest.number, DropReason.UNDECODABLE, what)
            return
        if image.pixels is None:
            if self.link.connections:
                yield Drop(
                    newest.number, DropReason.UNDECODABLE, f"{self.uri}: frame {newest.number} is video"
                )
                return
            raise SourceError(f"source {self.uri}: sends video; subscribe to pictures")
        if self.link.state is not LinkState.STREAMING:
            self._find()
        waited_ns = time.monotonic_ns() - newest.arrival_ns
        said_ns = max(image.stamp_ns, 0)  # 0: it says none; before 1970 no clock is right
        stamp_ns = self._clock.stamp(said_ns or None, newest.arrival_ns)
        lag_ns = waited_ns + newest.arrival_ns - stamp_ns
        self.link = replace(self.link, lag_ms=lag_ns / 1e6, waited_ms=waited_ns / 1e6)
        yield Frame(
            image.pixels,
            stamp_ns=stamp_ns,
            wall_ns=said_ns or time.time_ns() - (time.monotonic_ns() - stamp_ns),
            sequence=newest.number,
            camera=self._camera,
            host_ns=stamp_ns,
            coded=image.coded,
            frame_id=image.frame_id,
            camera_info=self._calibration(size_of(image.pixels)),
            transforms=tuple(self._transforms.values()),
        )

    def _calibration(self, size: tuple[int, int]) -> CameraInfo | None:
        """What is known of the camera, where it holds for pictures of that height and width."""
        info = self._camera_info
        return info if info is not None and (info.height, info.width) == size else None

    def _decoded(self, newest: _Arrival) -> DecodedImage:
        """Raises: UndecodableError; SourceError where no picture has come yet: it is the wrong topic."""
        kind = newest.kind
        try:
            if kind not in self._decoders:
                self._decoders[kind] = image_decoder(Schema(kind, "", b"", "cdr"), self._max_pixels)
            return self._decoders[kind](newest.data)
        except SourceError as error:
            if self.link.connections:  # then others must not end it by what they send
                raise UndecodableError(str(error)) from error
            raise SourceError(f"source {self.uri}: {error}") from error

    def _find(self) -> None:
        log_found(self.link, self.uri)
        self._clock.restart()
        self.link = Link(LinkState.STREAMING, "", self.link.connections + 1)

    def _miss(self, reason: str) -> None:
        if self.link.state is LinkState.CONNECTING:
            self.link = replace(self.link, reason=reason)
        else:
            self.link = lost(self.link, self.uri, reason)
