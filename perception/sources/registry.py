"""Where frames come from: a line for each kind of source, which says the rest of itself in its own file."""

import re
from pathlib import Path

from perception.errors import SourceError
from perception.picture_size import MAX_PIXELS
from perception.sources.base import Capture, Source, SourceKind, SourceUri
from perception.types import Policy
from perception.uri import Kinds, exists


def _name_of(path: str) -> str:
    # A folder may be called 0, as KITTI's are.
    if path.startswith("/dev/video") or (re.fullmatch(r"0|[1-9][0-9]?", path) and not exists(Path(path))):
        return "camera"
    if exists(Path(path) / "metadata.yaml"):  # of rosbag2
        return "bag/"
    return "/" if exists(Path(path)) and Path(path).is_dir() else Path(path).suffix.lower()


SOURCES = Kinds(
    "source",
    SourceKind,
    {
        ".*": "perception.sources.video:KIND",
        "/": "perception.sources.images:KIND",
        ".jpg .jpeg .png .bmp .webp .tif .tiff .ppm .pgm": "perception.sources.images:PICTURE",
        ".mcap .db3 .bag bag/": "perception.sources.log.source:KIND",
        "sim": "perception.sources.simulated:KIND",
        "camera": "perception.sources.camera:KIND",
        "rtsp rtsps http https udp": "perception.sources.stream:KIND",
        "gst": "perception.sources.gstreamer:KIND",
        "ros2": "perception.sources.buses:ROS",
        "zenoh": "perception.sources.buses:ZENOH",
        "push": "perception.sources.push:KIND",
        "shm": "perception.sources.shared_memory:KIND",
    },
    _name_of,
)


def open_source(
    uri: str | SourceUri,
    frames: int | None = None,
    policy: Policy | None = None,
    camera: str = "front",
    max_pixels: int = MAX_PIXELS,
) -> Source:
    """Open the source of this URI.

    Args:
        frames: how long a source without an end of its own runs.
        policy: of a live source; None: the freshest frame.
        camera: what its frames call it.
        max_pixels: larger pictures are not decoded.

    Raises:
        SourceError: it does not exist or cannot be read. A camera that is not there raises nothing.
        ConfigError: its options are wrong.
    """
    source = SOURCES.parse(uri) if isinstance(uri, str) else uri
    if source.path is not None and not exists(source.path):
        raise SourceError(f"source {source}: no such file or folder; a source is {SOURCES.grammar()}")
    return source.kind.open(source, Capture(frames, policy, camera, max_pixels))
