"""A recorded video, decoded by FFmpeg."""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from threading import Thread, current_thread
from typing import cast

import av

from perception.errors import ConfigError, SourceError
from perception.frame import Drop, DropReason, Frame
from perception.picture_size import MAX_PIXELS
from perception.sources.access_units import AccessUnits
from perception.sources.base import SourceKind
from perception.sources.connection import Packet
from perception.sources.damage import Damage
from perception.sources.deinterlace import Deinterlacer
from perception.sources.durations import Extent, declared_seconds
from perception.sources.memory import bound_ffmpeg, bound_pictures
from perception.sources.part import Part
from perception.sources.picture_times import PictureTimes, is_timed
from perception.sources.pictures import Pictures
from perception.sources.rates import DEFAULT, header_rate, read_rate, read_seconds
from perception.sources.splice import Timeline, spliced
from perception.sources.tracks import choose_track, read_track

# A backward step of MPEG's stamps is for `Timeline` to judge: FFmpeg takes each for 26.5 h gone by.
# Only files of pictures: no playlist that would have others read, here or elsewhere.
_OPTIONS = {
    "correct_ts_overflow": "0",
    "protocol_whitelist": "file",
    "format_whitelist": "mov,mp4,3gp,matroska,webm,avi,mpegts,mpeg,mpegvideo,m4v,h261,h263,h264,hevc,vvc,evc,"
    "av1,obu,ivf,flv,live_flv,kux,asf,ogg,mjpeg,mpjpeg,smjpeg,mjpeg_2000,jpeg_pipe,mxf,nut,rm,dv,dnxhd,vc1,vc1test,"
    "dirac,cavsvideo,gif,apng,wtv,yuv4mpegpipe,gxf,lxf,dhav,swf,nsv,pva,wav,mp3,flac,aac",
}


class VideoSource:
    """A video track of a file: see `choose_track`; its pictures as `Pictures` shows them.

    Frames are stamped by the file's own clock, so a variable frame rate is kept; those of a raw stream, which
    has none, by `rate`, else the rate in its headers, else 25. Recordings put one after another go on along
    one timeline. Damaged frames are dropped as undecodable. A file that ends before the length that it
    declares for its video raises SourceError after its last frame.

    A part of a file is decoded from the last key frame before it; its stamps are those of the whole.

    Args:
        rate: frames per second of a raw stream.
        track: its number among the file's video tracks; None: the one that FFmpeg would play.
        start: seconds after the first frame.
        duration: seconds from there on; None: to the end.
        max_pixels: larger pictures are not decoded.

    Raises:
        SourceError: the file cannot be read, holds no video, or one of larger pictures.
        ConfigError: a rate is given, and the file has its own clock; or a part, and it has none.
    """

    def __init__(
        self,
        path: Path,
        camera: str = "front",
        rate: float | None = None,
        track: int | None = None,
        start: float = 0.0,
        duration: float | None = None,
        max_pixels: int = MAX_PIXELS,
    ) -> None:
        self.uri, self._path = str(path), path
        self._part = Part(start, duration)
        bound_ffmpeg(max_pixels)
        self.notes: list[str] = []
        self.live = False
        self._camera = camera
        try:
            self._container = av.open(f"file:{path}", options=_OPTIONS)
        except (av.error.FFmpegError, OSError) as error:
            raise SourceError(f"source {path}: not a readable video ({_words(error)})") from error
        try:
            self._stream, which = choose_track(self._container.streams.video, track)
            bound_pictures(self._stream.codec_context, max_pixels)
        except ValueError as error:
            self._container.close()
            raise SourceError(f"source {path}: not a readable video ({error})") from error
        stream = self._stream
        self._pictures = Pictures(stream.codec_context, self.uri, self.notes, stream.sample_aspect_ratio)
        self._units = AccessUnits(stream.codec_context)
        if which:
            self._pictures.note(which)
        # One thread: the node decodes ahead of the network anyway, so more would only take its cores.
        self._stream.codec_context.thread_count = 1
        timed = is_timed(self._container)
        if timed and rate is not None:
            self._container.close()
            raise ConfigError(f"source {path}: rate is refused: its frames carry times; leave it out")
        said = header_rate(self._stream)
        if not self._part.whole and (not timed or self._container.format.name == "avi"):
            self._container.close()
            raise ConfigError(f"source {path}: its frames carry no times; leave out start and duration")
        self._assumed = not timed and rate is None and said is None
        if timed:
            said = float(self._stream.average_rate or self._stream.guessed_rate or DEFAULT)
        self.rate = rate or said or DEFAULT
        seconds = declared_seconds(self._container, self._stream)
        frames = self._stream.frames or round(seconds * self.rate)
        self.length: int | None = self._part.frames(frames, self.rate) or None
        self._reader: Thread | None = None  # which is within FFmpeg

    def __iter__(self) -> Iterator[Frame | Drop]:
        sequence, self._reader = 0, current_thread()
        times, timeline = (
            PictureTimes(self._container, self.rate),
            Timeline(self.rate, wraps=self._container.format.name in ("mpegts", "mpeg")),
        )
        deinterlacer, damage = Deinterlacer(self._pictures.note), Damage(self._stream.codec_context)
        extent = Extent(
            self._path, self._container, self._stream, 1 / self.rate, from_first=not self._part.start
        )
        try:
            self._part.seek(self._container, self._stream, timeline)
            for packet in self._container.demux():
                extent.take(packet)
                if packet.stream is not self._stream:
                    continue
                times.take(packet)
                pictures: Sequence[av.VideoFrame | None]
                try:
                    pictures = damage.sound(self._stream.decode(damage.taken(packet)))
                except av.error.InvalidDataError:
                    damage.broke()
                    # A packet cut short is reported as the cut.
                    pictures = () if extent.broken else (None,)
                for picture in deinterlacer.feed(pictures, last=not packet.size):
                    seconds = times.next(picture, sequence)
                    if self._part.is_before(seconds, sequence):
                        continue
                    if picture is None:
                        yield self._damaged(sequence)
                    else:
                        frame = self._frame(picture, cast(Packet, packet), seconds, sequence, timeline)
                        if self._part.is_over(frame.stamp_ns):
                            return
                        yield frame
                    sequence += 1
        except (av.error.FFmpegError, OSError) as error:
            raise SourceError(
                f"source {self.uri}: broke after {sequence} frames ({_words(error)})"
            ) from error
        finally:
            self._reader = None
        if self._assumed and sequence > 1:
            self.notes.append(f"{self.uri}: says no rate; taken for {self.rate:g} a second, ?rate= sets it")
        if extent.cut_off():
            expected = f" of {self.length}" if self.length and self.length > sequence else ""
            raise SourceError(f"source {self.uri}: the file is cut off after {sequence}{expected} frames")

    def close(self) -> None:
        """A thread that was left behind reading keeps the file: FFmpeg must not lose it meanwhile."""
        others = self._reader if self._reader is not current_thread() else None
        if others is None or not others.is_alive():
            self._container.close()

    def _frame(
        self,
        picture: av.VideoFrame,
        packet: Packet,
        seconds: Fraction | None,
        sequence: int,
        timeline: Timeline,
    ) -> Frame:
        earlier = timeline.recording
        stamp_ns = timeline.stamp_ns(seconds, sequence)
        if timeline.recording > earlier:
            self.notes.append(f"{self.uri}: {spliced(sequence)}")
        pixels, aspect = self._pictures.read(picture)
        return Frame(
            pixels,
            stamp_ns,
            sequence=sequence,
            camera=self._camera,
            recording=timeline.recording,
            pixel_aspect=aspect,
            coded=self._units.of(packet, picture) if self._pictures.as_stored else None,
        )

    def _damaged(self, sequence: int) -> Drop:
        return Drop(sequence, DropReason.UNDECODABLE, f"{self.uri}: frame {sequence} is damaged")


def _words(error: Exception) -> str:
    if isinstance(error, av.error.ArgumentError):
        return "a playlist, or a format that is not read; convert it to MP4"
    return getattr(error, "strerror", None) or str(error)


KIND = SourceKind(
    "a video file (drive.mp4)",
    lambda given, how: VideoSource(
        Path(given.uri.place), how.camera, **given.options, max_pixels=how.max_pixels
    ),
    read=lambda uri: uri.options(
        {"rate": read_rate, "track": read_track, "start": read_seconds, "duration": read_seconds}
    ),
    on_disk=True,
    options={
        "rate": "frames a second of a raw stream that does not say it",
        "track": "which of several video tracks, from 0 [default: the one that a player shows]",
        "start": "seconds after the first frame",
        "duration": "seconds to read [default: to the end]",
    },
)
