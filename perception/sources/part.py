"""A part of a video file, decoded from the last key frame before it on."""

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from perception.sources.splice import Timeline
from perception.types import NS_PER_S

BACK_S = 0, 1, 4, 16  # seconds before the part that are tried for a key frame, and then the file's beginning


@dataclass
class Part:
    """Which pictures of a file are given: from `start` on, for `duration`, in seconds after the first one.

    Attributes:
        duration: None: to the end.
        begin: when it starts, by the file's clock; None: not known before the first picture came.
    """

    start: float = 0.0
    duration: float | None = None
    begin: Fraction | None = None

    @property
    def whole(self) -> bool:
        return not self.start and self.duration is None

    def seek(self, container: InputContainer, stream: VideoStream, timeline: Timeline) -> None:
        """Go to the last key frame before it; the timeline begins with the first picture of the file."""
        if not self.start:
            return
        times = (_seconds(one) for one in container.decode(stream) if one.pts is not None)
        first = next(times, Fraction(0))
        timeline.stamp_ns(first, 0)
        self.begin = first + _exact(self.start)
        # FFmpeg seeks by the order of decoding, and in MPEG-TS by bytes: the key frame may be shown too late.
        for back in (*BACK_S, self.begin - first + BACK_S[-1]):
            place = math.floor((self.begin - back) / (stream.time_base or 1))
            container.seek(place, stream=stream)
            if _first_key(container, stream) <= self.begin:
                break
        container.seek(place, stream=stream)

    def is_before(self, seconds: Fraction | None, sequence: int) -> bool:
        """Whether a picture was decoded only for those that build on it; `sequence` came already."""
        self.begin = seconds if self.begin is None else self.begin
        if sequence or not self.start:
            return False
        return seconds is None or self.begin is None or seconds < self.begin

    def is_over(self, stamp_ns: int) -> bool:
        """Whether a picture is behind it; by its stamp, which goes on where the file's clock begins again."""
        if self.duration is None:
            return False
        return stamp_ns >= round((_exact(self.start) + _exact(self.duration)) * NS_PER_S)

    def frames(self, whole: int, rate: float) -> int:
        """How many it has of so many in the file, about."""
        left = max(0, whole - round(self.start * rate))
        return left if self.duration is None else min(left, round(self.duration * rate))


def _exact(seconds: float) -> Fraction:
    """0.05 is meant to be a twentieth, not the binary fraction above it."""
    return Fraction(seconds).limit_denominator(10**6)


def _first_key(container: InputContainer, stream: VideoStream) -> Fraction | float:
    """When the first key frame from here on is shown; infinite where there is none."""
    keys = (one for one in container.demux(stream) if one.is_keyframe and one.pts is not None)
    key = next(keys, None)
    return math.inf if key is None else _seconds(key)


def _seconds(one: "av.VideoFrame | av.Packet[Any]") -> Fraction:
    """When something that has a time is shown, by the file's clock."""
    return (one.pts or 0) * (one.time_base or Fraction(1, av.time_base))
