"""The overlay of a single frame as a picture: `out.jpg` or `out.png`."""

from pathlib import Path

import cv2

from perception.errors import SinkError
from perception.frame import Frame
from perception.health.types import Health
from perception.scene import Scene
from perception.sinks.base import SinkKind, check_writable
from perception.sinks.own_files import check_own, marked
from perception.sinks.views import VIEW_OPTION, read_view, with_view
from perception.types import Image

_JPEG = (cv2.IMWRITE_JPEG_QUALITY, 95)


class PictureSink:
    """A picture that an earlier run wrote is overwritten, once the frame comes.

    Raises:
        SinkError: the file cannot be written, is somebody else's, or a second frame comes.
    """

    wants_overlay = True

    def __init__(self, path: Path) -> None:
        self.uri, self._path = str(path), path
        self._written = False
        try:
            check_own(path)
            self._new = check_writable(path)
        except OSError as error:
            raise self._error(error) from error

    def write(self, frame: Frame, scene: Scene, overlay: Image) -> None:
        if self._written:
            raise SinkError(f"sink {self.uri}: holds one frame; give a folder (out/) for more")
        jpeg = self._path.suffix.lower() != ".png"
        data = cv2.imencode(self._path.suffix, overlay, _JPEG if jpeg else ())[1]
        try:
            self._path.write_bytes(marked(data.tobytes()))
        except OSError as error:
            raise self._error(error) from error
        self._written = True

    def write_health(self, health: Health) -> None:
        """A picture has no room for it."""

    def close(self) -> None:
        if self._new and not self._written:
            self._path.unlink(missing_ok=True)  # no frame came
        self._new = False

    def _error(self, error: OSError) -> SinkError:
        return SinkError(f"sink {self.uri}: cannot be written ({error.strerror})")


KIND = SinkKind(
    "a picture (out.jpg)",
    lambda given, how: with_view(PictureSink(Path(given.uri.place)), given.options, how.classes),
    read=lambda uri: uri.options({"view": read_view}).get("view", "overlay"),
    on_disk=True,
    options=VIEW_OPTION,
    single=True,
)
