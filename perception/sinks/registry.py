"""Where scenes go: a line for each kind of sink, which says the rest of itself in its own file."""

from collections.abc import Callable
from pathlib import Path

from perception.classes import ClassSet
from perception.sinks.base import Opening, Sink, SinkKind, SinkUri
from perception.uri import Kinds, exists


def _name_of(path: str) -> str:
    folder = path.endswith("/") or (exists(Path(path)) and Path(path).is_dir()) or not Path(path).suffix
    return "/" if folder else Path(path).suffix.lower()


SINKS = Kinds(
    "sink",
    SinkKind,
    {
        ".mp4": "perception.sinks.rolling:KIND",
        ".mcap": "perception.sinks.mcap:KIND",
        "/": "perception.sinks.folder:KIND",
        ".jpg .jpeg .png": "perception.sinks.picture:KIND",
        "window": "perception.sinks.window:KIND",
        "web": "perception.sinks.web.sink:KIND",
        "foxglove": "perception.sinks.foxglove:KIND",
        "ros2": "perception.sinks.buses:ROS",
        "zenoh": "perception.sinks.buses:ZENOH",
        "shm": "perception.sinks.shared_memory:KIND",
    },
    _name_of,
)


def open_sink(uri: str | SinkUri, rate: float, classes: ClassSet, *, again: bool = False) -> Sink:
    """Open the sink of this URI; `rate` is the source's nominal frame rate, `classes` names what scenes hold.

    A video or picture of an earlier run is overwritten, any other file refused; a folder is reused, and only
    files of the same names are replaced. Nothing of these is lost before the first frame is written. Options
    cut a video into segments that are never overwritten, and bound its room: `out.mp4?minutes=10`,
    `?megabytes=500`, `?keep=20GB` and `labels/?keep=5GB`; the latter two remove the oldest segments and
    frames, also those of earlier runs.

    Args:
        again: in the same run, after a failure: all that is there stays, and a video goes on in `out-2.mp4`.

    Raises:
        SinkError: it cannot be written.
        ConfigError: no sink is known by this URI, or an option is wrong.
    """
    sink = SINKS.parse(uri) if isinstance(uri, str) else uri
    return sink.kind.open(sink, Opening(rate, classes, again))


def reopening(uri: str | SinkUri, rate: float, classes: ClassSet) -> Callable[[], Sink]:
    """`open_sink`; once that has succeeded, `again`."""
    sink = SINKS.parse(uri) if isinstance(uri, str) else uri
    again = False

    def open_it() -> Sink:
        nonlocal again
        opened = open_sink(sink, rate, classes, again=again)
        again = True
        return opened

    return open_it
