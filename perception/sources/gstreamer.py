"""A GStreamer pipeline as a camera: `gst:PIPELINE` runs in gst-launch-1.0, its pictures come by a pipe."""

import shlex
import shutil
import subprocess
import sys
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread

import av
from av.container import InputContainer

from perception.picture_size import MAX_PIXELS
from perception.sources.base import SourceKind
from perception.sources.connection import LostError
from perception.sources.live import LiveCamera
from perception.types import Policy
from perception.uri import Uri

# The queue of one hands on the newest picture only: what is in the pipe is all that can wait.
_TAIL = (
    "! queue max-size-buffers=1 leaky=downstream ! videoconvert ! video/x-raw,format=I420 ! y4menc ! fdsink"
)
# PR_SET_PDEATHSIG, SIGKILL: the child ends with the thread that started it, however that ends.
_TIED = "import ctypes, os, sys; ctypes.CDLL(None).prctl(1, 9); os.execv(sys.argv[1], sys.argv[1:])"


class GStreamerSource(LiveCamera):
    """The pictures of a pipeline without its sink, such as `gst:v4l2src ! image/jpeg,width=1280 ! jpegdec`.

    Frames are stamped on arrival. The pipeline's process ends with the connection, and with this process,
    however that ends.

    Args:
        pipeline: its words.

    Raises:
        ConfigError: gst-launch-1.0 is not installed.
    """

    clocked = False

    def __init__(
        self,
        uri: Uri,
        pipeline: list[str],
        camera: str = "front",
        policy: Policy | None = None,
        max_pixels: int = MAX_PIXELS,
    ) -> None:
        super().__init__(uri, camera, policy, max_pixels)
        launch = shutil.which("gst-launch-1.0")
        if launch is None:
            raise uri.error(
                "needs gst-launch-1.0; install GStreamer "
                "(Debian, Ubuntu: gstreamer1.0-tools and gstreamer1.0-plugins-good)"
            )
        self._command = [launch, "-q", *pipeline, *_TAIL.split()]
        self._child: subprocess.Popen[bytes] | None = None

    @contextmanager
    def _connect(self) -> Iterator[InputContainer]:
        self._child = child = subprocess.Popen(
            [sys.executable, "-ISc", _TIED, *self._command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        with child:
            said = deque[bytes](maxlen=20)
            assert child.stderr is not None
            assert child.stdout is not None
            listener = Thread(target=said.extend, args=(child.stderr,), daemon=True)
            listener.start()
            try:
                with av.open(f"pipe:{child.stdout.fileno()}", format="yuv4mpegpipe") as container:
                    yield container
            except av.error.FFmpegError:
                pass  # its own words say more
            finally:
                child.kill()
                listener.join()
        raise LostError(_reason([line.decode(errors="replace").strip() for line in said]))

    def _hang_up(self) -> None:
        if self._child:
            self._child.kill()


def _reason(lines: list[str]) -> str:
    """What gst-launch-1.0 gave up for: what it marks as an error, else the last it said."""
    marked = [line.partition(": ")[2] for line in lines if line.startswith(("ERROR: ", "WARNING: erroneous"))]
    said = [*marked, *reversed([line for line in lines if line])]
    return f"the pipeline ended: {said[0]}" if said else "the pipeline ended"


def _read(uri: Uri) -> list[str]:
    try:
        pipeline = shlex.split(uri.rest)
    except ValueError as error:
        raise uri.error(str(error)) from error
    if not pipeline:
        raise uri.error("needs a pipeline, such as gst:videotestsrc is-live=true")
    return pipeline


KIND = SourceKind(
    "a GStreamer pipeline (gst:videotestsrc is-live=true)",
    lambda given, how: GStreamerSource(given.uri, given.options, how.camera, how.policy, how.max_pixels),
    read=_read,
)
