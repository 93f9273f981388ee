"""One connection to a camera: a thread that opens it and takes in what comes, timed as it arrives."""

import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from fractions import Fraction
from threading import Condition, Thread
from typing import NamedTuple, TypeAlias, cast

import av
from av.container import InputContainer
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

from perception.engines.background import end_or_leave
from perception.sources.link import SILENCE_S, silent
from perception.sources.picture_ends import CLOCK, marked_time
from perception.sources.sender_reports import SenderReports, camera_ns
from perception.sources.tracks import choose_track
from perception.types import NS_PER_S

Packet: TypeAlias = "av.Packet[VideoStream]"

CLOSED = "the camera has closed the connection"
_HELD = {"rtsp": 1, "mpegts": 2}  # images; MPEG-TS twice, for the packets of its own that images travel in
MOST = 300  # packets that wait: ten seconds of them
MOST_BYTES = 64_000_000  # of them together: ten seconds of 50 Mbit/s
_BURST_S, _BURST_MOST_S = 0.01, 0.2  # packets closer together had waited; for how long they are gathered


class LostError(Exception):
    """Why a stream has ended, for people."""


class Video(NamedTuple):
    """What decodes a stream's video, and the shape of its pixels by the container, if that says so.

    Both outlive the stream, of which nothing may be asked once its thread may have closed it.
    """

    context: VideoCodecContext
    stored_aspect: Fraction | None


@dataclass(slots=True)
class Arrival:
    """When a packet came, by the host's monotonic clock; it travels with the packet, as its `opaque`.

    Attributes:
        began_ns: when its first bytes came.
        whole_ns: when it was complete, and `wall_ns` by the wall clock.
        stamp_ns: when its image was captured.
        camera_ns: the same by the camera's wall clock; 0 where that is unknown.
        jumped: that clock was set since the packet before.
    """

    began_ns: int
    whole_ns: int
    wall_ns: int
    stamp_ns: int = 0
    camera_ns: int = 0
    jumped: bool = False


def arrival_of(item: "Packet | av.VideoFrame") -> Arrival:
    """Of a packet, or of the picture that was decoded from it."""
    assert isinstance(item.opaque, Arrival)
    return item.opaque


class Connection:
    """Takes in a stream in a thread of its own, for three reasons. Packets are timed when they come, not when
    somebody asks for them. The buffers of the system and of the camera, where nobody sees what waits, stay
    empty. And FFmpeg cannot be interrupted: who waits for the thread instead can be stopped at any moment.

    Args:
        connect: opens the stream; an error ends the connection.
        explain: that error in words for people.
        wait: with MOST packets or MOST_BYTES waiting none is taken in; otherwise those that wait are given
            up.
        marked: called once it is open: whether the ends of pictures are marked, see PictureEnds.

    Attributes:
        ended: why it has; None while it has not.
    """

    def __init__(
        self,
        connect: Callable[[], AbstractContextManager[InputContainer]],
        explain: Callable[[Exception], str],
        wait: bool,
        marked: Callable[[], bool],
    ) -> None:
        self.ended: str | None = None
        self._connect, self._explain, self._wait, self._marked = connect, explain, wait, marked
        self._changed = Condition()
        self._video: Video | None = None
        self._packets: deque[Packet] = deque()
        self._given_up = 0
        self._released = False
        self._thread = Thread(target=self._run, name="camera", daemon=True)
        self._thread.start()

    def release(self) -> None:
        """Let go of it, without waiting for it; from any thread. Who waits for a packet gets none."""
        with self._changed:
            self._released = True
            self._packets.clear()
            self._changed.notify_all()

    @property
    def over(self) -> bool:
        """Its thread has ended."""
        return not self._thread.is_alive()

    @property
    def hangs(self) -> bool:
        """It was let go of, and its thread is still in FFmpeg, which holds the camera."""
        return self._released and not self.over

    def end(self, seconds: float) -> None:
        """Release it, and wait: FFmpeg then takes its leave of the camera, see `end_or_leave`."""
        self.release()
        end_or_leave(self._thread, seconds)

    def opened(self, seconds: float) -> Video | None:
        """What is known of the stream, once it is open; None: it is not after this time."""
        with self._changed:
            self._changed.wait_for(lambda: self._video or self.ended or self._released, seconds)
            return None if self._released else self._video

    def take(self, seconds: float) -> tuple[int, list[Packet]]:
        """How many packets were given up, and all that wait: none when none came in time, or it has ended."""
        with self._changed:
            self._changed.wait_for(lambda: self._packets or self.ended or self._released, seconds)
            given_up, packets = self._given_up, list(self._packets)
            self._given_up = 0
            self._packets.clear()
            self._changed.notify_all()
            return given_up, packets

    def first(self, seconds: float) -> tuple[int, list[Packet]]:
        """As `take`, with all that came at once with the first packet.

        While the stream was opened they waited where nobody saw it, or the camera began with older ones.
        """
        given_up, packets = self.take(seconds)
        end = time.monotonic() + _BURST_MOST_S
        while packets and time.monotonic() < end:
            latest = arrival_of(packets[-1]).whole_ns
            lost, more = self.take(_BURST_S)
            given_up, packets = given_up + lost, packets + more
            if not more or arrival_of(more[-1]).whole_ns - latest > _BURST_S * 1e9:
                break
        return given_up, packets

    def _run(self) -> None:
        reason = CLOSED
        try:
            with self._connect() as container:
                self._take_in(container)
        except LostError as error:
            reason = str(error)
        except av.error.ExitError as error:
            # FFmpeg's own timeout, which may come just before that of who waits for packets.
            reason = silent(SILENCE_S) if self._video else self._explain(error)
        except (av.error.FFmpegError, OSError, ValueError) as error:
            reason = self._explain(error)
        finally:
            with self._changed:
                self.ended = reason
                self._changed.notify_all()

    def _take_in(self, container: InputContainer) -> None:
        try:
            stream, _ = choose_track(container.streams.video)
        except ValueError as error:
            raise LostError(f"it sends no video that can be decoded: {error}") from error
        with self._changed:
            self._video = Video(stream.codec_context, stream.sample_aspect_ratio)
            self._changed.notify_all()
        marked = self._marked()
        packets = _timed(container, stream, marked)
        for packet in _ended(packets) if marked else _whole(packets):
            if self._released:
                return
            self._put(packet)

    def _put(self, packet: Packet) -> None:
        with self._changed:
            if self._wait:
                self._changed.wait_for(lambda: self._room_for(packet) or self._released)
            elif not self._room_for(packet):
                self._given_up += len(self._packets)
                self._packets.clear()
            self._packets.append(packet)
            self._changed.notify_all()

    def _room_for(self, packet: Packet) -> bool:
        waiting = self._packets
        fits = sum(one.size for one in waiting) + packet.size <= MOST_BYTES
        return not waiting or (len(waiting) < MOST and fits)


def _timed(container: InputContainer, stream: VideoStream, marked: bool) -> Iterator[Packet]:
    """The packets of a stream, each with its Arrival."""
    # FFmpeg sees that an image is whole by the next one's beginning, and so gives it that much later.
    by_next = stream.codec_context.name in ("h264", "hevc") and not marked
    held = _HELD.get(container.format.name, 0) if by_next else 0
    times = deque([time.monotonic_ns()] * (held + 1), maxlen=held + 1)
    reports = SenderReports()
    for packet in container.demux(stream):
        times.append(time.monotonic_ns())
        if packet.size:
            reported, jumped = camera_ns(packet), reports.jumped(packet)
            packet.opaque = Arrival(times[0], times[-1], time.time_ns(), 0, reported, jumped)
            yield packet


def _ended(packets: Iterator[Packet]) -> Iterator[Packet]:
    """One packet an image of a stream in which the ends of pictures are marked, with its time."""
    waiting: Packet | None = None
    earlier: int | None = None  # time of the image before
    for part in packets:
        packet = part if waiting is None else _joined(waiting, part)
        time = marked_time(memoryview(part))
        waiting = packet if time is None else None
        if time is None:
            continue
        if earlier is not None and packet.pts is not None:
            # FFmpeg gives what follows a delimiter the time of the image before it.
            step = (time - earlier + 2**31) % 2**32 - 2**31
            packet.pts += step
            arrival = arrival_of(packet)
            arrival.camera_ns += bool(arrival.camera_ns) * step * NS_PER_S // CLOCK
        earlier = time
        yield packet


def _whole(packets: Iterator[Packet]) -> Iterator[Packet]:
    """One packet an image: FFmpeg parts a key frame where parameter sets come before each of its slices.

    In a stream that has done so once, a key frame waits for what follows, so as not to be decoded by half.
    """
    parted = False
    waiting: Packet | None = None
    latest: int | None = None
    for packet in packets:
        again = packet.pts is not None and packet.pts == latest
        parted |= again
        latest = packet.pts
        if waiting is not None and again:
            waiting = _joined(waiting, packet)
            continue
        if waiting is not None:
            yield waiting
        waiting = packet if parted and packet.is_keyframe else None
        if waiting is None:
            yield packet


def _joined(first: Packet, second: Packet) -> Packet:
    whole = cast(Packet, av.Packet(bytes(first) + bytes(second)))
    whole.pts, whole.dts, whole.time_base = first.pts, first.dts, first.time_base
    whole.is_keyframe = first.is_keyframe
    jumped = arrival_of(first).jumped or arrival_of(second).jumped
    whole.opaque = replace(arrival_of(second), began_ns=arrival_of(first).began_ns, jumped=jumped)
    return whole
