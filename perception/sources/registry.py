"""Where frames come from: one file a kind of source, and `open_source`, which knows them by their URI."""

from pathlib import Path

from perception.errors import ConfigError, SourceError
from perception.redact import masked
from perception.sources.base import Source
from perception.types import Policy

GRAMMAR = (
    "a video file (drive.mp4), a folder of images (frames/), sim: (sim:?seed=3&size=1280x720), a camera here "
    "(camera:0) or on the network (rtsp://, rtsps://, http://, https://, udp://), or gst:PIPELINE"
)


def open_source(
    uri: str, frames: int | None = None, policy: Policy | None = None, camera: str = "front"
) -> Source:
    """Open the source of this URI.

    Args:
        frames: tells a source without an end of its own how long to run.
        policy: of a live source; None: the freshest frame.
        camera: what its frames call it.

    Raises:
        SourceError: it does not exist or cannot be read. A camera that is not there raises nothing.
        ConfigError: its options are wrong.
    """
    # Each kind is imported when it is asked for: it needs the types above, and what reads it.
    scheme, colon, _ = uri.partition(":")
    if uri.startswith("/dev/video") or (colon and scheme == "camera"):
        from perception.sources.camera import CameraSource  # noqa: PLC0415

        return CameraSource(uri, camera, policy)
    if colon and scheme == "sim":
        from perception.sources.simulated import SimulatedSource  # noqa: PLC0415

        return SimulatedSource(uri, frames, camera)
    if colon and scheme == "gst":
        from perception.sources.gstreamer import GStreamerSource  # noqa: PLC0415

        return GStreamerSource(uri, camera, policy)
    if colon and scheme == "push":
        raise ConfigError("source push: its frames are handed in by the embedding program, to a PushSource")
    if "://" in uri:
        from perception.sources.stream import EXAMPLES, StreamSource  # noqa: PLC0415

        if scheme not in EXAMPLES:
            raise ConfigError(f"source {masked(uri)}: unknown scheme {scheme}://; a source is {GRAMMAR}")
        return StreamSource(uri, camera, policy)
    path = Path(uri)
    if path.is_dir():
        from perception.sources.images import ImageSource  # noqa: PLC0415

        return ImageSource(path, camera)
    if not path.exists():
        raise SourceError(f"source {uri}: no such file or folder; a source is {GRAMMAR}")
    from perception.sources.video import VideoSource  # noqa: PLC0415

    return VideoSource(path, camera)
