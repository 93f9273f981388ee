"""What was found, taken out of its drives: labelled frames that a training reads, or clips."""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from itertools import groupby
from pathlib import Path

import cv2
import numpy as np

from perception.errors import ConfigError, DataError
from perception.fleet.fetch import fetched, is_remote
from perception.fleet.origin import class_file, drive_of
from perception.fleet.search import Event, Hit, name_of
from perception.frame import Drop, Frame
from perception.scene import Status, unknown_scene
from perception.sinks.video import VideoSink
from perception.sources.base import Source
from perception.sources.registry import open_source
from perception.types import NS_PER_S

MAPS = "labels", "instances"
_PNG = (cv2.IMWRITE_PNG_COMPRESSION, 1)  # lossless; higher levels take several times as long


def write_labels(events: Sequence[Event], out: Path, given: str | None, most: int | None) -> int:
    """The frames and what was seen in them, as a data set of the layout `folder`, with instances.

    Args:
        given: where the one drive is; None: done.json says it.
        most: frames of an event, those of most doubt; None: all.

    Returns:
        How many frames were written.

    Raises:
        ConfigError: it is not known where a drive is, or it is a live camera.
        DataError: a drive or a map cannot be read, or it is not the drive that was perceived.
        SourceError: a drive is missing or broken.
    """
    for kind in ("images", *MAPS):
        (out / kind).mkdir()
    if classes := class_file(list(dict.fromkeys(one.folder for one in events))):
        (out / "classes.yaml").write_text(classes, encoding="utf-8")
    written = 0
    for folder, of_drive in _by_drive(events):
        hits = [hit for event in of_drive for hit in _most_doubted(event.hits, most)]
        wanted = {hit.sequence: hit for hit in hits}
        with _opened(folder, given, out) as source:
            for frame in _checked(source, hits, hits[-1].stamp_ns):
                if frame.sequence in wanted:
                    _write_frame(frame, wanted[frame.sequence], folder, out)
        written += len(wanted)
    return written


def write_clips(events: Sequence[Event], out: Path, given: str | None, around_s: float) -> None:
    """A video of each event, NAME.mp4, from `around_s` before its first frame to as much after its last.

    Arguments and errors are those of `write_labels`; events of a drive are more than 2 × `around_s` apart.
    """
    around = round(around_s * NS_PER_S)
    for folder, of_drive in _by_drive(events):
        hits = [hit for event in of_drive for hit in event.hits]
        event_of = partial(_around, of_drive, around)
        with _opened(folder, given, out) as source:
            for event, frames in groupby(_checked(source, hits, hits[-1].stamp_ns + around), event_of):
                if event is not None:
                    _write_clip(frames, out / f"{event.name}.mp4", source)


def _write_frame(frame: Frame, hit: Hit, folder: Path, out: Path) -> None:
    name = f"{name_of(folder)}-{hit.sequence:06d}.png"
    if not cv2.imwrite(str(out / "images" / name), frame.image, _PNG):
        raise DataError(f"{out / 'images' / name}: cannot be written")
    for kind in MAPS:
        path = folder / f"{hit.stem}.{kind}.png"
        ids = cv2.imread(str(path), cv2.IMREAD_UNCHANGED) if path.exists() else None
        if ids is None:
            raise DataError(f"{path}: missing, or no readable image; label sets are made of what is there")
        if ids.shape != (frame.height, frame.width):
            raise DataError(
                f"{path}: {ids.shape[1]}x{ids.shape[0]}, but the frame is {frame.width}x{frame.height}; "
                "it is not the drive that was perceived"
            )
        shutil.copyfile(path, out / kind / name)


def _write_clip(frames: Iterator[Frame], path: Path, source: Source) -> None:
    if path.exists():
        raise DataError(f"{source.uri}: its time runs back within {path.stem}; mine frames in place of clips")
    with closing(VideoSink(path, source.rate)) as sink:
        for frame in frames:
            sink.write(frame, unknown_scene(frame, Status.OK), frame.pixels)


def _around(events: Sequence[Event], around: int, frame: Frame) -> Event | None:
    """The event that the frame is of, or close to."""
    inside = (
        one
        for one in events
        if one.hits[0].stamp_ns - around <= frame.stamp_ns <= one.hits[-1].stamp_ns + around
    )
    return next(inside, None)


def _most_doubted(hits: Sequence[Hit], most: int | None) -> Sequence[Hit]:
    """So many at most, in their order; a doubt that is not known is the least.

    Of those as doubtful as the last one that is taken, some at equal steps from the first to the last; a
    single one is the middle one.
    """
    if most is None or most >= len(hits):
        return hits
    doubts = np.array([-1 if hit.doubt is None else hit.doubt for hit in hits])
    last = np.sort(doubts)[-most]
    above, tied = np.flatnonzero(doubts > last), np.flatnonzero(doubts == last)
    left = most - len(above)
    steps = np.linspace(0, len(tied) - 1, left).round().astype(int) if left > 1 else [len(tied) // 2]
    return [hits[i] for i in sorted([*above, *tied[steps]])]


def _by_drive(events: Sequence[Event]) -> Iterator[tuple[Path, list[Event]]]:
    """Each folder and its events, so that each drive is read once."""
    for folder, group in groupby(events, lambda one: one.folder):
        yield folder, list(group)


@contextmanager
def _opened(folder: Path, given: str | None, out: Path) -> Iterator[Source]:
    """The drive once more; one that lies elsewhere is fetched into `out` meanwhile."""
    place = given or drive_of(folder)
    with ExitStack() as stack:
        if is_remote(place):
            place = stack.enter_context(fetched(place, out / "fetched"))
        source = stack.enter_context(closing(open_source(place)))
        if source.live:
            raise ConfigError(
                f"{folder}: was perceived from {source.uri}, a live camera, which cannot be read again"
            )
        yield source


def _checked(source: Source, hits: Sequence[Hit], last_ns: int) -> Iterator[Frame]:
    """The frames up to that time, once all that were found are among them and have the same stamps."""
    left = {hit.sequence: hit.stamp_ns for hit in hits}
    for frame in source:
        if isinstance(frame, Drop):
            continue
        if not left and frame.stamp_ns > last_ns:
            return
        stamp_ns = left.pop(frame.sequence, frame.stamp_ns)
        if stamp_ns != frame.stamp_ns:
            raise _other(source, frame.sequence, f"is at {frame.stamp_ns / NS_PER_S:.3f} s", stamp_ns)
        yield frame
    if left:
        raise _other(source, min(left), "cannot be read", left[min(left)])


def _other(source: Source, sequence: int, words: str, stamp_ns: int) -> DataError:
    return DataError(
        f"{source.uri}: frame {sequence} {words}, but its scene is of {stamp_ns / NS_PER_S:.3f} s: it is not "
        "the drive that was perceived; name that one by --drive"
    )
