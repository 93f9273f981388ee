"""One browser that watches: it always gets the newest, and skips what it is too slow for."""

import asyncio
import logging
from contextlib import suppress

from aiohttp import WSCloseCode, web

from perception.sinks.web.protocol import tick
from perception.sinks.web.state import Cameras

TICK_S = 0.4  # between signs of life: the page takes the node for lost after a second of silence
PATIENCE_S = 10.0  # a viewer that takes no byte for so long is gone

_log = logging.getLogger("perception.sinks.web")


class Viewer:
    """Sends one WebSocket what is new, in a task of its own, as fast as it is read and no faster.

    Attributes:
        camera: the one that it watches; empty: none.
        sent, skipped: scenes of that camera that it got, and that were too old once it was free again.
    """

    def __init__(self, socket: web.WebSocketResponse, request: web.Request, cameras: Cameras) -> None:
        self.camera = ""
        self.sent = self.skipped = 0
        self.count = 1  # of viewers in all
        self._socket, self._transport, self._cameras = socket, request.transport, cameras
        self._news = asyncio.Event()
        self._last = 0  # number of the last message of its camera
        self._reports: dict[str, int] = {}

    def watch(self, camera: str) -> None:
        """Send scenes of this camera from now on, none from before."""
        self.camera, self._last = camera, 0
        if camera in (known := self._cameras.all()):
            self._last = known[camera].message[0]

    def wake(self) -> None:
        self._news.set()

    async def send(self, greeting: str) -> None:
        """Send until it is cancelled, or the viewer is gone."""
        try:
            await self._say(greeting)
            for name, camera in self._cameras.all().items():
                self._reports[name] = camera.reports
                for text in tuple(camera.past):
                    await self._say(text)
            await self._send_news()
        except TimeoutError:
            words = "a viewer of the live page took nothing for %.0f s and was disconnected"
            _log.info(words, PATIENCE_S, extra={"event": "viewer_dropped"})
            self.drop()
        except ConnectionError:
            pass  # it left; the reader of its socket ends as well

    async def close(self) -> None:
        """Close the connection, as the node has ended."""
        await self._socket.close(code=WSCloseCode.GOING_AWAY, message=b"the node has ended")

    async def refuse(self, reason: str) -> None:
        """Close the connection, as it sends what no viewer has to."""
        _log.warning("a viewer of the live page is closed: %s", reason, extra={"event": "viewer_flood"})
        await self._socket.close(code=WSCloseCode.POLICY_VIOLATION, message=reason.encode())

    def drop(self) -> None:
        """End the connection without waiting for anything."""
        if self._transport is not None:
            self._transport.abort()

    async def _send_news(self) -> None:
        clock = asyncio.get_running_loop().time
        ticked = -TICK_S
        while True:
            if clock() - ticked >= TICK_S:
                ticked = clock()
                await self._say(tick(self.skipped, self.count))
            for name, camera in self._cameras.all().items():
                if self._reports.get(name, 0) != camera.reports:
                    self._reports[name] = camera.reports
                    await self._say(camera.past[-1])
            await self._send_scene()
            with suppress(TimeoutError):
                async with asyncio.timeout_at(ticked + TICK_S):
                    await self._news.wait()
            self._news.clear()

    async def _send_scene(self) -> None:
        camera = self._cameras.all().get(self.camera)
        if camera is None or camera.message[0] <= self._last:
            return
        number, message = camera.message
        self.skipped += number - self._last - 1
        self._last = number
        self.sent += 1
        async with asyncio.timeout(PATIENCE_S):
            await self._socket.send_bytes(message)

    async def _say(self, text: str) -> None:
        async with asyncio.timeout(PATIENCE_S):
            await self._socket.send_str(text)
