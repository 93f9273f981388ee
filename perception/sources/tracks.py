"""Which of a file's video tracks is the drive."""

import re
from collections.abc import Sequence

from av.stream import Disposition
from av.video.stream import VideoStream

# FFmpeg's own choice (ffmpeg_mux_init.c, map_auto_video): the most pixels, to which the default track adds so
# many; a picture attached to a sound file, such as its cover, only where there is no other.
_DEFAULT_PIXELS = 5_000_000
_SLOWEST = 15.0  # frames/s of a video that does not say


def choose_track(tracks: Sequence[VideoStream], wanted: int | None = None) -> tuple[VideoStream, str]:
    """The track that is played, and a note that says which where there are several; else "".

    Without a wish it is the one that FFmpeg takes, among those that are more than a single picture.

    Args:
        tracks: of a file or a stream, at least one.
        wanted: its number among them, from 0, as in `ffmpeg -map 0:v:N`.

    Raises:
        ValueError: there is none of that number, or none is a video that can be decoded; with the reason.
    """
    if not tracks:
        raise ValueError("holds no video stream")
    listed = ", ".join(f"{number}: {_describe(track)}" for number, track in enumerate(tracks))
    if wanted is not None:
        if wanted >= len(tracks):
            raise ValueError(f"there is no video track {wanted}; it has {listed}")
        if tracks[wanted].codec_context is None:
            raise ValueError(f"the codec of video track {wanted} is not known; it has {listed}")
        return tracks[wanted], ""
    known = [track for track in tracks if track.codec_context is not None]
    if not known:  # a codec that FFmpeg does not know
        raise ValueError("its codec is not known")
    videos = [track for track in known if not _is_cover(track)]
    if not videos:
        raise ValueError(f"holds no video stream but {listed}; ?track=0 takes that picture")
    moving = [track for track in videos if not _is_still(track)] or videos
    chosen = max(moving, key=_preference)
    if len(tracks) == 1:
        return chosen, ""
    return chosen, f"plays video track {tracks.index(chosen)} of {listed}; ?track=N plays another"


def read_track(text: str) -> int:
    """Raises: ValueError: it is not a number."""
    if not (text.isascii() and text.isdigit()):
        raise ValueError("it is the number of a video track, from 0")
    return int(text)


def _preference(track: VideoStream) -> tuple[int, int]:
    default = bool(track.disposition & Disposition.default)
    return track.width * track.height + _DEFAULT_PIXELS * default, -track.index


def _is_cover(track: VideoStream) -> bool:
    return bool(track.disposition & (Disposition.attached_pic | Disposition.timed_thumbnails))


def _is_still(track: VideoStream) -> bool:
    """Whether it is a single picture, by its count of frames or its length."""
    if track.frames:
        return track.frames == 1
    length = _seconds(track)
    return length is not None and length * float(track.average_rate or _SLOWEST) < 1.5


def _seconds(track: VideoStream) -> float | None:
    said = re.fullmatch(r"(\d+):(\d+):(\d+(?:\.\d+)?)", track.metadata.get("DURATION", ""))
    if said:  # Matroska, whose tracks otherwise have the length of the file
        return 3600 * int(said[1]) + 60 * int(said[2]) + float(said[3])
    if track.duration is None or track.time_base is None:
        return None
    return float(track.duration * track.time_base)


def _describe(track: VideoStream) -> str:
    if track.codec_context is None:
        return "of an unknown codec"
    kind = "cover picture " if _is_cover(track) else ""
    default = ", default" if track.disposition & Disposition.default else ""
    return f"{kind}{track.codec_context.name} {track.width}×{track.height}{default}"
