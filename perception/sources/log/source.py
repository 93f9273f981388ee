"""The pictures of one topic in a recording of a robot's or a vehicle's software."""

from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

from perception.errors import ConfigError, SourceError
from perception.frame import Drop, DropReason, Frame
from perception.interchange.messages.channels import Schema
from perception.interchange.messages.decoding import Data, UndecodableError
from perception.interchange.messages.images import DecodedImage, image_decoder
from perception.picture_size import MAX_PIXELS
from perception.pixels import size_of
from perception.sources.base import SourceKind
from perception.sources.log.base import LEAST_WALL_NS, Record
from perception.sources.log.choice import choose_topic
from perception.sources.log.opening import open_log
from perception.sources.log.surroundings import Surroundings
from perception.sources.log.video import Shown, VideoMessages
from perception.sources.memory import bound_ffmpeg
from perception.sources.name_stamps import usual_rate
from perception.sources.rates import DEFAULT, read_seconds
from perception.sources.splice import Timeline, spliced
from perception.types import NS_PER_S

# What is read at opening tells the rate; and a camera's calibration may come after its first picture.
_AHEAD_NS, _AHEAD = NS_PER_S, 200  # and pictures, should the recorder have had no clock


class _Shot(NamedTuple):
    """A message's picture; None: it cannot be shown, and `why`."""

    record: Record
    said: DecodedImage | None
    shown: Shown | None
    why: str = ""


class LogSource:
    """The pictures of a topic, stamped to the nanosecond by their headers; by the time of recording where a
    header has none. They come in the order of recording, with what is known of the camera.

    A message that is damaged is dropped as undecodable, and so is video that builds on one. A recording that
    is damaged, or holds less than it declares, raises SourceError after its last good frame; one that breaks
    off because its recorder was killed ends there, and `notes` say so.

    Args:
        topic: None: the only one with pictures.
        start: seconds after the topic's first message, by the time of recording.
        duration: seconds from there on; None: to the end.
        max_pixels: larger pictures are not decoded.

    Raises:
        SourceError: it cannot be read, or its pictures are of another kind than a camera's.
        ConfigError: the topic is not there, or not the only one.
    """

    def __init__(
        self,
        path: Path,
        camera: str = "front",
        topic: str | None = None,
        start: float = 0.0,
        duration: float | None = None,
        max_pixels: int = MAX_PIXELS,
    ) -> None:
        self.uri, self.live, self._camera = str(path), False, camera
        self._max_pixels = max_pixels
        bound_ffmpeg(max_pixels)
        self.notes: list[str] = []
        self._decoders: dict[Schema, Callable[[Data], DecodedImage]] = {}
        self._video: VideoMessages[tuple[Record, DecodedImage]] | None = None
        self._log = open_log(path)
        try:
            self.topic = choose_topic(self._log, topic)
            self._around = Surroundings(self._log, self.topic, self._note)
            times = self._look_ahead()
            begin_ns = times[0] + round(start * NS_PER_S)
            self._begin_ns = begin_ns if start else 0
            self._end_ns = None if duration is None else begin_ns + round(duration * NS_PER_S)
        except (SourceError, ConfigError) as error:
            self.close()
            raise type(error)(f"source {path}: {error}") from error
        for note in self._log.notes:
            self._note(note)
        self.rate = usual_rate(times) if times[-1] > times[0] else DEFAULT
        self.seconds = (self._log.end_ns - times[0]) / NS_PER_S  # the rate is only that of its first second
        counts = [one.count for one in self._log.topics if one.name == self.topic]
        whole = not start and duration is None
        self.length: int | None = sum(filter(None, counts)) if whole and None not in counts else None

    def __iter__(self) -> Iterator[Frame | Drop]:
        timeline, sequence = Timeline(self.rate), 0
        timeline.stamp_ns(Fraction(self._first_ns, NS_PER_S), 0)
        try:
            for shot in self._shots():
                if shot.record.log_ns < self._begin_ns:  # of video, which was decoded from its beginning
                    continue
                if shot.said is None or shot.shown is None:
                    yield Drop(sequence, DropReason.UNDECODABLE, self._dropped(shot))
                else:
                    yield self._frame(shot.record, shot.said, shot.shown, sequence, timeline)
                sequence += 1
        except SourceError as error:
            raise SourceError(f"source {self.uri}: broke after {sequence} frames: {error}") from error

    def close(self) -> None:
        self._log.close()

    def _look_ahead(self) -> list[int]:
        """When the first pictures were recorded, and what is known of the camera by then, and soon after."""
        times: list[int] = []
        try:
            for record in self._log.records({self.topic, *self._around.names}):
                if len(times) > 1 and (record.log_ns > times[0] + _AHEAD_NS or len(times) == _AHEAD):
                    break
                if record.topic.name != self.topic:
                    if not times or record.topic.name not in self._around.known:
                        self._around.take(record)
                    continue
                if not times:
                    self._first_ns = self._captured_ns(record)
                times.append(record.log_ns)
        except SourceError:  # it will be met again, where the pictures end
            if not times:
                raise
        if not times:
            raise SourceError(f"topic {self.topic} holds no message")
        return times

    def _captured_ns(self, record: Record) -> int:
        try:
            said = self._decode(record)
        except UndecodableError:
            return record.log_ns
        return said.stamp_ns or record.log_ns

    def _shots(self) -> Iterator[_Shot]:
        names = {self.topic, *self._around.names}
        begin_ns = 0 if self._video else self._begin_ns
        for record in self._log.records(names, begin_ns):
            if record.topic.name != self.topic:
                self._around.take(record)
                continue
            if self._end_ns is not None and record.log_ns >= self._end_ns:
                break
            try:
                said = self._decode(record)
            except UndecodableError as error:
                yield _Shot(record, None, None, str(error))
                continue
            if said.pixels is not None:
                yield _Shot(record, said, Shown(said.pixels, 1.0, said.coded))
            elif said.video:
                yield from self._pictures(record, said, *said.video)
        yield from self._rest()

    def _decode(self, record: Record) -> DecodedImage:
        schema = record.topic.schema
        decode = self._decoders.get(schema)
        if decode is None:
            decode = self._decoders[schema] = image_decoder(schema, self._max_pixels)
        said = decode(record.payload())
        if said.video and self._video is None:
            self._video = VideoMessages(said.video[0], self.uri, self.notes, self._max_pixels)
        return said

    def _pictures(self, record: Record, said: DecodedImage, codec: str, data: bytes) -> Iterator[_Shot]:
        assert self._video is not None
        if codec != self._video.codec:
            yield from self._rest()
            self._video = VideoMessages(codec, self.uri, self.notes, self._max_pixels)
        for (its, about), shown in self._video.feed((record, said), data):
            yield _Shot(its, about, shown)

    def _rest(self) -> Iterator[_Shot]:
        for (its, about), shown in self._video.flush() if self._video else ():
            yield _Shot(its, about, shown)

    def _frame(
        self, record: Record, said: DecodedImage, shown: Shown, sequence: int, timeline: Timeline
    ) -> Frame:
        if not said.stamp_ns and record.log_ns:
            self._note("some messages do not say when they were captured; stamped by the time of recording")
        time_ns, earlier = said.stamp_ns or record.log_ns, timeline.recording
        stamp_ns = timeline.stamp_ns(Fraction(time_ns, NS_PER_S), sequence)
        if timeline.recording > earlier:
            self._note(spliced(sequence))
        height, width = size_of(shown.pixels)
        return Frame(
            shown.pixels,
            stamp_ns,
            time_ns if time_ns >= LEAST_WALL_NS else 0,
            sequence,
            camera=self._camera,
            pixel_aspect=shown.aspect,
            recording=timeline.recording,
            coded=shown.coded,
            frame_id=said.frame_id,
            camera_info=self._around.camera_info(said.frame_id, width, height),
            transforms=self._around.transforms(),
        )

    def _dropped(self, shot: _Shot) -> str:
        why = shot.why or "its video is damaged, or builds on what is damaged or missing"
        seconds = (shot.record.log_ns - self._log.start_ns) / NS_PER_S
        return f"{self.uri}: message at {seconds:.3f} s on {self.topic}: {why}"

    def _note(self, words: str) -> None:
        line = f"{self.uri}: {words}"
        if line not in self.notes:
            self.notes.append(line)


KIND = SourceKind(
    "a recording of ROS or Foxglove (drive.mcap, bag/, x.db3, x.bag)",
    lambda given, how: LogSource(
        Path(given.uri.place), how.camera, **given.options, max_pixels=how.max_pixels
    ),
    read=lambda uri: uri.options({"topic": str, "start": read_seconds, "duration": read_seconds}),
    needs=("mcap", "rosbags"),
    on_disk=True,
    options={
        "topic": "of the pictures, such as /front/image_raw/compressed [default: the only one]",
        "start": "seconds after the topic's first message",
        "duration": "seconds to read [default: to the end]",
    },
)
