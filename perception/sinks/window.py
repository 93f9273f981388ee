"""A window on this computer's display, in a process of its own: `window:`."""

import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import cv2

from perception.errors import SinkError
from perception.frame import Frame
from perception.health.types import Health
from perception.scene import Scene, Signal
from perception.sinks.base import SinkKind
from perception.sinks.views import VIEW_OPTION, read_view, with_view
from perception.types import Image

_VIEWER = Path(__file__).with_name("window_viewer.py")
_LARGEST = 1280, 720  # wider or higher ones are reduced: Tk takes 10 ms for a picture of this size


class WindowSink:
    """Shows the newest overlay. Closing the window, q or Escape end the run, as Ctrl-C does.

    The window of a single picture stays until it is closed, also after the run. OpenCV's own windows are no
    choice: the build without them is the one that servers and containers can load.

    Raises:
        SinkError: there is no display, or Python has no tkinter.
    """

    wants_overlay = True

    def __init__(self) -> None:
        self.uri = "window:"
        self._closed = False
        self._viewer = subprocess.Popen(
            [sys.executable, "-P", str(_VIEWER)],  # -P: a module of this folder is called queue
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C is for the run, which closes it
        )
        assert self._viewer.stdout is not None
        if self._viewer.stdout.readline() != b"open\n":
            _, said = self._viewer.communicate()
            why = said.decode(errors="replace").strip().rpartition("\n")[2]
            raise SinkError(
                f"sink window: cannot be opened ({why}); on a machine without a display, open the live page: "
                "web://127.0.0.1:8080"
            )

    def write(self, frame: Frame, scene: Scene, overlay: Image) -> None:
        height, width = overlay.shape[:2]
        scale = min(1.0, _LARGEST[0] / width, _LARGEST[1] / height)
        if scale < 1:
            size = max(1, round(width * scale)), max(1, round(height * scale))
            overlay = cv2.resize(overlay, size, interpolation=cv2.INTER_AREA).astype(overlay.dtype)
        rgb = cv2.cvtColor(overlay, cv2.COLOR_BGR2RGB)
        self._send(f"{scene.camera}, frame {scene.sequence}: {scene.status}", rgb.shape[:2], rgb.tobytes())

    def write_health(self, health: Health) -> None:
        if health.signal is Signal.NO_SIGNAL:  # an old picture must not pass for what is there now
            self._send(f"{health.camera}: {health.signal}", (0, 0), b"")

    def _send(self, title: str, size: tuple[int, ...], pixels: bytes) -> None:
        if self._closed:
            return
        header = json.dumps({"title": title, "height": size[0], "width": size[1]}).encode() + b"\n"
        assert self._viewer.stdin is not None
        try:
            self._viewer.stdin.write(header + pixels)
            self._viewer.stdin.flush()
        except BrokenPipeError:
            self._closed = True
            os.kill(os.getpid(), signal.SIGINT)

    def close(self) -> None:
        self._closed = True
        assert self._viewer.stdin is not None
        with suppress(BrokenPipeError):  # the window is closed already
            self._viewer.stdin.close()


KIND = SinkKind(
    "a window (window:)",
    lambda given, how: with_view(WindowSink(), given.options, how.classes),
    read=lambda uri: uri.options({"view": read_view}).get("view", "overlay"),
    options=VIEW_OPTION,
)
