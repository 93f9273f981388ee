"""A node with pictures that are known to the pixel, and a tab of a browser that shows them."""

import base64
import threading
import time
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from perception.classes import DRIVE
from perception.frame import Frame
from perception.health.types import Health, Level
from perception.scene import Scene
from perception.sinks.web.sink import WebSink
from tests.sinks.web import HEALTH, url_of

GOOD = replace(HEALTH, level=Level.OK, conditions=())
WIDTH, HEIGHT = 320, 192
GREYS = 60, 200  # of even and odd frames
TINT = 0.4
ROAD, VEHICLE = DRIVE.id("road"), DRIVE.id("vehicle")


def grey_frame(sequence: int, camera: str = "front", **scene: Any) -> tuple[Frame, Scene]:
    """Flat grey, the left half labelled road and the right half vehicle; captured live, 40 ms ago."""
    image = np.full((HEIGHT, WIDTH, 3), GREYS[sequence % 2], np.uint8)
    labels = np.full((HEIGHT, WIDTH), ROAD, np.uint8)
    labels[:, WIDTH // 2 :] = VEHICLE
    scene = {"instance_map": np.zeros((HEIGHT, WIDTH), np.uint16), "max_age_ms": 60_000.0} | scene
    frame = Frame(image, sequence, sequence=sequence, camera=camera)
    captured = {"host_ns": time.monotonic_ns() - 40_000_000, "age_ms": 40.0}
    values: dict[str, Any] = {
        "sequence": sequence,
        "stamp_ns": sequence,
        "wall_ns": 0,
        "stem": "",
        "camera": camera,
    }
    return frame, Scene(**{**values, "labels": labels, **captured, **scene})


def tinted(grey: int, class_id: int) -> npt.NDArray[np.float64]:
    """What a pixel of that class must look like, RGB."""
    return (1 - TINT) * grey + TINT * np.array(DRIVE.colours[class_id], np.float64)


class Feed:
    """A node that publishes scenes and health, in its own thread, until `stop`."""

    def __init__(self, sink: WebSink) -> None:
        self.sink = sink
        self.health: Health | None = GOOD
        self.scene: dict[str, Any] | None = {}
        self.cameras: tuple[str, ...] = ("front",)
        self.blind = ""  # one of them that gives no frames
        self.sequence = 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        while not self._ended.wait(0.04):
            for camera in self.cameras:
                if self.health is not None and self.sequence % 5 == 0:
                    self.sink.write_health(replace(self.health, camera=camera))
                if self.scene is not None and camera != self.blind:
                    self.sink.write(*grey_frame(self.sequence, camera, **self.scene), np.zeros(0, np.uint8))
            self.sequence += 1

    def stop(self) -> None:
        self._ended.set()
        self._thread.join()


class Tab:
    """A tab of the browser that has the page open, and all that it asked for and complained of."""

    def __init__(self, tab: Any, sink: WebSink, query: str = "") -> None:
        self.page = tab
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self._listeners = {
            "request": lambda request: self.requests.append(request.url),
            "websocket": lambda socket: self.requests.append(socket.url),
            "console": lambda line: self.complaints.append(f"{line.type}: {line.text}"),
            "pageerror": lambda error: self.complaints.append(str(error)),
        }
        for event, listener in self._listeners.items():
            self.page.on(event, listener)
        self.page.goto(url_of(sink, f"/{query}"))

    def leave(self) -> None:
        for event, listener in self._listeners.items():
            self.page.remove_listener(event, listener)
        self.page.goto("about:blank")

    def text(self, selector: str) -> str:
        return str(self.page.inner_text(selector))

    def until(self, condition: str) -> None:
        """Wait for a JavaScript expression; Playwright's own way needs `eval`, which the page forbids."""
        deadline = time.monotonic() + 8
        while not self.page.evaluate(condition):
            assert time.monotonic() < deadline, (condition, self.text("header"))
            time.sleep(0.02)

    def wait(self, selector: str, text: str) -> None:
        """Until the element says that."""
        self.until(f"document.querySelector({selector!r})?.innerText.includes({text!r})")

    def wait_for_frame(self, sequence: int) -> None:
        """Until the picture is of this frame or a newer one."""
        label = "document.querySelector('#picture').ariaLabel"
        self.until(f"Number({label}.match(/frame (\\d+)/)?.[1]) >= {sequence}")

    def pixels(self, canvas: str = "#picture") -> npt.NDArray[np.uint8]:
        """uint8 (h, w, 3), RGB, of a canvas."""
        url = self.page.evaluate(f"document.querySelector('{canvas}').toDataURL('image/png')")
        png = np.frombuffer(base64.b64decode(url.partition(",")[2]), np.uint8)
        image = cv2.imdecode(png, cv2.IMREAD_COLOR)
        assert image is not None
        return image[..., ::-1].astype(np.uint8)

    def cells(self, table: str) -> list[list[str]]:
        rows = f"[...document.querySelectorAll('{table} tr')]"
        script = f"{rows}.map(row => [...row.cells].map(cell => cell.innerText.trim()))"
        found: list[list[str]] = self.page.evaluate(script)
        return found
