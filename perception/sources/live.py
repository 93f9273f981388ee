"""The one base of cameras that FFmpeg reads: connect, frames, lost, back-off, connect again, until `stop`."""

import logging
import random
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from threading import Event

import av
from av.container import InputContainer

from perception.frame import Coded, Drop, DropReason, Frame
from perception.health.types import Link, LinkState
from perception.picture_size import MAX_PIXELS, check_picture
from perception.sources.access_units import AccessUnits
from perception.sources.arrival_clock import ArrivalClock
from perception.sources.connection import Connection, Packet, arrival_of
from perception.sources.decoder import Decoder
from perception.sources.jpeg import whole_jpeg
from perception.sources.link import GOOD_S, PAUSES_S, SILENCE_S, log_found, lost, silent
from perception.sources.memory import bound_ffmpeg, bound_pictures
from perception.sources.pictures import Pictures
from perception.sources.sender_reports import WallClock
from perception.sources.stream_clock import StreamClock
from perception.types import NS_PER_S, Policy
from perception.uri import Uri

OPEN_S = 5.0  # a camera that has not answered by then is not there
ENDS_S = 0.2  # a connection that reads pictures ends by then
BEHIND_NS = 150_000_000  # a frame older than that is passed over where a fresher one waits
LOW_LATENCY = {"fflags": "nobuffer", "flags": "low_delay", "probesize": "32", "analyzeduration": "0"}
_log = logging.getLogger("perception.sources")


class LiveCamera(ABC):
    """Frames of a camera, as fresh as they come: see LiveSource.

    Frames are stamped by the stream's own clock where it has one, else on arrival. Under `Policy.FRESHEST`
    those that have waited too long are passed over; under `Policy.EVERY_FRAME` the camera has to wait.
    """

    clocked: bool = True  # the stream's presentation times are the camera's own
    marked: bool = False  # the ends of its pictures are marked, see PictureEnds

    def __init__(self, uri: Uri, camera: str, policy: Policy | None, max_pixels: int = MAX_PIXELS) -> None:
        self.uri, self._max_pixels = uri.shown, max_pixels
        bound_ffmpeg(max_pixels)
        self.rate = 30.0
        self.length: int | None = None
        self.notes: list[str] = []
        self.live = True
        self._camera = camera
        self._freshest = policy is not Policy.EVERY_FRAME
        self._link = Link(LinkState.CONNECTING)
        self._arrivals = ArrivalClock()
        self._clock = StreamClock(patient=not self._freshest)
        self._wall = WallClock()
        self._sequence = 0
        self._stopped = Event()
        self._connections: list[Connection] = []  # the latest, after those with a thread still in FFmpeg
        self._pictures: Pictures | None = None
        self._units: AccessUnits | None = None
        self._sends_jpeg = False

    @abstractmethod
    def _connect(self) -> AbstractContextManager[InputContainer]:
        """Open the stream within OPEN_S; in a thread of its own. An error is a loss."""

    def _hang_up(self) -> None:  # noqa: B027 — most have nothing to do
        """Make reading end, where a timeout does not."""

    def _explain(self, error: Exception) -> str:
        """The error in words for people."""
        return getattr(error, "strerror", None) or str(error)

    @property
    def link(self) -> Link:
        return self._link

    def stop(self) -> None:
        self._stopped.set()
        for one in self._connections:
            one.release()

    def close(self) -> None:
        self.stop()
        until = time.monotonic() + ENDS_S
        for one in self._connections:
            one.end(max(0.0, until - time.monotonic()))

    def __iter__(self) -> Iterator[Frame | Drop]:
        pause = PAUSES_S[0]
        while not self._stopped.is_set():
            connection = Connection(
                self._connect, self._explain, wait=not self._freshest, marked=lambda: self.marked
            )
            self._connections = [one for one in self._connections if not one.over] + [connection]
            first = latest = 0.0
            try:
                for item in self._read(connection):
                    latest = time.monotonic()
                    first = first or latest
                    yield item
            finally:
                connection.release()
                self._hang_up()
            if latest - first > GOOD_S:
                pause = PAUSES_S[0]
            self._stopped.wait(pause * random.uniform(0.8, 1.2))
            pause = min(2 * pause, PAUSES_S[1])
        self._link = Link(LinkState.ENDED, connections=self._link.connections)

    def _read(self, connection: Connection) -> Iterator[Frame | Drop]:
        """What comes over one connection, until it is lost or let go of."""
        if self._stopped.is_set():  # since before this connection was there to be let go of
            return
        video = connection.opened(OPEN_S + SILENCE_S)
        if video is not None:
            self._link = replace(self._link, connections=self._link.connections + 1)
            self._clock.restart()
            self._arrivals.restart()
            try:
                bound_pictures(video.context, self._max_pixels)
            except ValueError as error:
                self._lose(str(error))
                return
            decoder = Decoder(video.context)
            self._sends_jpeg = video.context.name == "mjpeg"
            self._pictures = Pictures(video.context, self.uri, self.notes, video.stored_aspect)
            self._units = AccessUnits(video.context)
            take = connection.first if self.clocked else connection.take
            while not self._stopped.is_set():
                given_up, packets = take(SILENCE_S)
                if given_up:
                    yield from self._pass_over(given_up, decoder)
                if not packets:
                    break
                if take == connection.first:
                    self._expect(packets)
                    take = connection.take
                yield from self._decode(packets, decoder)
        seconds = OPEN_S + SILENCE_S if video is None else SILENCE_S
        self._lose(connection.ended or silent(seconds))

    def _expect(self, packets: list[Packet]) -> None:
        times = [(self._pts_ns(packet), arrival_of(packet).began_ns) for packet in packets]
        known = [(pts_ns, began_ns) for pts_ns, began_ns in times if pts_ns is not None]
        if known:
            self._clock.expect(known)

    def _decode(self, packets: list[Packet], decoder: Decoder) -> Iterator[Frame | Drop]:
        jumps = self._clock.jumps
        for packet in packets:
            arrival_of(packet).stamp_ns = self._stamp(packet)
        if self._clock.jumps > jumps:
            self._note()
            _log.warning("%s: its clock jumped, and was set again", self.uri, extra={"event": "clock_jump"})
        late = time.monotonic_ns() - arrival_of(packets[0]).stamp_ns > BEHIND_NS
        behind = self._freshest and late and len(packets) > 1
        if behind and (unneeded := decoder.unneeded(packets)):
            yield from self._pass_over(unneeded, decoder)
            packets = packets[unneeded:]
        for packet in packets:
            for picture in decoder.decode(packet):
                if picture is None:
                    yield self._drop(DropReason.UNDECODABLE, self._damage(packet))
                elif behind and packet is not packets[-1]:
                    yield self._drop(DropReason.BACKLOG, "waited too long")
                else:
                    yield self._frame(picture, packet)
            if self._stopped.is_set():
                return

    def _damage(self, packet: Packet) -> str:
        try:
            if self._sends_jpeg:
                check_picture(bytes(packet), self._max_pixels)
        except ValueError as error:
            return f"is not decoded: {error}"
        return "is damaged"

    def _note(self) -> None:
        jumps = self._clock.jumps
        notes = (f"its clock jumped {jumps} times, and was set again" if jumps else "", self._wall.note)
        self.notes[:] = [f"{self.uri}: {note}" for note in notes if note]

    def _stamp(self, packet: Packet) -> int:
        """When its image was captured, by the host's monotonic clock."""
        if arrival_of(packet).jumped:
            self._clock.restart()
        pts_ns, began_ns = self._pts_ns(packet), arrival_of(packet).began_ns
        return self._clock.stamp(pts_ns, self._arrivals.taken(began_ns) if pts_ns is None else began_ns)

    def _pts_ns(self, packet: Packet) -> int | None:
        if not self.clocked or packet.pts is None or packet.time_base is None:
            return None
        return round(packet.pts * packet.time_base * NS_PER_S)

    def _frame(self, picture: av.VideoFrame, packet: Packet) -> Frame:
        arrival = arrival_of(picture)
        assert self._pictures is not None
        pixels, pixel_aspect = self._pictures.read(picture)
        delay_ns = arrival.whole_ns - arrival.stamp_ns
        log_found(self._link, self.uri)
        waited_ns = time.monotonic_ns() - arrival.whole_ns
        lag_ns = waited_ns + arrival.began_ns - arrival.stamp_ns
        self._link = Link(LinkState.STREAMING, "", self._link.connections, lag_ns / 1e6, waited_ns / 1e6)
        noted = self._wall.note
        wall_ns = self._wall.wall_ns(arrival.camera_ns, arrival.wall_ns - delay_ns)
        if self._wall.note != noted:
            self._note()
        return Frame(
            pixels,
            stamp_ns=arrival.stamp_ns,
            wall_ns=wall_ns,
            sequence=self._next(),
            camera=self._camera,
            host_ns=arrival.stamp_ns,
            pixel_aspect=pixel_aspect,
            coded=self._coded(packet, picture),
        )

    def _coded(self, packet: Packet, picture: av.VideoFrame) -> Coded | None:
        assert self._pictures is not None and self._units is not None
        # Not all browsers turn a JPEG as its EXIF says, and none knows two fields in one.
        if not self._pictures.as_stored:
            return None
        if not self._sends_jpeg:
            return self._units.of(packet, picture)
        whole = whole_jpeg(bytes(packet))
        return Coded("jpeg", whole) if whole else None

    def _pass_over(self, count: int, decoder: Decoder) -> Iterator[Drop]:
        """Packets that are not decoded at all."""
        decoder.skip()
        for _ in range(count):
            yield self._drop(DropReason.BACKLOG, "waited too long")

    def _drop(self, reason: DropReason, what: str) -> Drop:
        sequence = self._next()
        return Drop(sequence, reason, f"{self.uri}: frame {sequence} {what}")

    def _next(self) -> int:
        self._sequence += 1
        return self._sequence - 1

    def _lose(self, reason: str) -> None:
        if self._stopped.is_set():
            return
        self._link = lost(self._link, self.uri, reason)
