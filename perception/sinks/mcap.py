"""Scenes as an MCAP log, which Foxglove, ROS 2's tools and many others read: `out.mcap`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from perception.extras import load_late
from perception.sinks.base import Opening, Sink, SinkKind, SinkUri
from perception.sinks.limits import VIDEO_LIMITS, Limits, video_limits
from perception.uri import Uri, one_of

IMAGES = "jpeg", "h264", "none"


@dataclass(frozen=True, slots=True)
class Profile:
    """A family of message types.

    Attributes:
        header: what MCAP calls it.
        vocabulary: "module:CLASS", made of the camera's name, the classes and, for `image=h264`, a video.
        video: whether it knows video.
    """

    header: str
    vocabulary: str
    video: bool


PROFILES: Mapping[str, Profile] = {
    "foxglove": Profile("", "perception.interchange.foxglove.vocabulary:FoxgloveVocabulary", video=True),
    "ros2": Profile("ros2", "perception.interchange.ros.vocabulary:RosVocabulary", video=False),
}


@dataclass(frozen=True, slots=True)
class McapOptions:
    """What a log holds; `image` is one of IMAGES."""

    limits: Limits = field(default_factory=Limits)
    profile: str = "foxglove"
    image: str = "jpeg"


def _read(uri: Uri) -> McapOptions:
    values = uri.options({**VIDEO_LIMITS, "profile": one_of(tuple(PROFILES)), "image": one_of(IMAGES)})
    own = {name: values.pop(name) for name in ("profile", "image") if name in values}
    options = McapOptions(video_limits(uri, values), **own)
    if options.image == "h264" and not PROFILES[options.profile].video:
        raise uri.error(f"image = 'h264' is refused; profile {options.profile} has no type for it")
    return options


def _open(given: SinkUri, how: Opening) -> Sink:
    path, options, who = Path(given.uri.place), given.options, f"sink {given}"
    where = PROFILES[options.profile].vocabulary
    vocabulary, open_log = (load_late(place, who) for place in (where, "perception.sinks.mcap_log:open_log"))
    sink: Sink = open_log(path, options, PROFILES[options.profile].header, vocabulary, how)
    return sink


KIND = SinkKind(
    "an MCAP log (out.mcap)",
    _open,
    read=_read,
    on_disk=True,
    needs=("mcap", "zstandard", "foxglove_schemas_protobuf"),
    options={
        "profile": f"the message types: {', '.join(PROFILES)} [default: foxglove]",
        "image": f"the pictures: {', '.join(IMAGES)} [default: jpeg]",
        "minutes": "of each segment, which then have dated names",
        "megabytes": "of each segment",
        "keep": "such as 20GB: room of all segments, also of earlier runs; the oldest go",
    },
)
