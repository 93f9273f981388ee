"""One connection to a camera: a thread that opens it and takes in what comes, timed as it arrives."""

import time
from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from threading import Condition, Thread

import av
from av.container import InputContainer
from av.video.stream import VideoStream

CLOSED = "the camera has closed the connection"
MOST = 300  # packets that wait: ten seconds of them


class LostError(Exception):
    """Why a stream has ended, for people."""


@dataclass(slots=True)
class Arrival:
    """When a packet came, by the host's monotonic clock; it travels with the packet, as its `opaque`.

    Attributes:
        began_ns: when its first bytes came.
        whole_ns: when it was complete, and `wall_ns` by the wall clock.
        stamp_ns: when its image was captured.
    """

    began_ns: int
    whole_ns: int
    wall_ns: int
    stamp_ns: int = 0


class Connection:
    """Takes in a stream in a thread of its own, for three reasons. Packets are timed when they come, not when
    somebody asks for them. The buffers of the system and of the camera, where nobody sees what waits, stay
    empty. And FFmpeg cannot be interrupted: who waits for the thread instead can be stopped at any moment.

    Args:
        connect: opens the stream; an error ends the connection.
        explain: that error in words for people.
        wait: with MOST packets waiting no more are taken in; otherwise those that wait are given up.

    Attributes:
        ended: why it has; None while it has not.
    """

    def __init__(
        self,
        connect: Callable[[], AbstractContextManager[InputContainer]],
        explain: Callable[[Exception], str],
        wait: bool,
    ) -> None:
        self.ended: str | None = None
        self._connect, self._explain, self._wait = connect, explain, wait
        self._changed = Condition()
        self._stream: VideoStream | None = None
        self._packets: deque[av.Packet] = deque()
        self._given_up = 0
        self._released = False
        Thread(target=self._run, name="camera", daemon=True).start()

    def release(self) -> None:
        """Let go of it, without waiting for it; from any thread. Who waits for a packet gets none."""
        with self._changed:
            self._released = True
            self._packets.clear()
            self._changed.notify_all()

    def opened(self, seconds: float) -> VideoStream | None:
        """The stream, once it is open; None: it is not after this time."""
        with self._changed:
            self._changed.wait_for(lambda: self._stream or self.ended or self._released, seconds)
            return None if self._released else self._stream

    def take(self, seconds: float) -> tuple[int, list[av.Packet]]:
        """How many packets were given up, and all that wait: none when none came in time, or it has ended."""
        with self._changed:
            self._changed.wait_for(lambda: self._packets or self.ended or self._released, seconds)
            given_up, packets = self._given_up, list(self._packets)
            self._given_up = 0
            self._packets.clear()
            self._changed.notify_all()
            return given_up, packets

    def _run(self) -> None:
        reason = CLOSED
        try:
            with self._connect() as container:
                self._take_in(container)
        except LostError as error:
            reason = str(error)
        except (av.error.FFmpegError, OSError, ValueError) as error:
            reason = self._explain(error)
        with self._changed:
            self.ended = reason
            self._changed.notify_all()

    def _take_in(self, container: InputContainer) -> None:
        stream = next(iter(container.streams.video), None)
        if stream is None or stream.codec_context is None:  # None: a codec that FFmpeg does not know
            raise LostError("it sends no video that can be decoded")
        with self._changed:
            self._stream = stream
            self._changed.notify_all()
        # In these formats FFmpeg sees the end of an image by the beginning of the next one.
        held = container.format.name in ("rtsp", "mpegts") and stream.codec_context.name in ("h264", "hevc")
        before = time.monotonic_ns()
        for packet in container.demux(stream):
            if self._released:
                return
            now = time.monotonic_ns()
            if packet.size:
                packet.opaque = Arrival(before if held else now, now, time.time_ns())
                self._put(packet)
            before = now

    def _put(self, packet: av.Packet) -> None:
        with self._changed:
            if self._wait:
                self._changed.wait_for(lambda: len(self._packets) < MOST or self._released)
            elif len(self._packets) >= MOST:
                self._given_up += len(self._packets)
                self._packets.clear()
            self._packets.append(packet)
            self._changed.notify_all()
