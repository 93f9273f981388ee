"""The HTTP server of the live page, in a thread of its own."""

import asyncio
import json
import os
import socket
import threading
from collections.abc import Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
from aiohttp import WSMsgType, web

from perception.classes import ClassSet
from perception.errors import SinkError
from perception.frame import Frame
from perception.overlay import draw
from perception.scene import Scene
from perception.sinks.web.address import Address
from perception.sinks.web.auth import Auth, add_headers
from perception.sinks.web.metrics import CONTENT_TYPE, Metrics
from perception.sinks.web.protocol import greeting
from perception.sinks.web.state import Cameras
from perception.sinks.web.viewer import Viewer

STATIC = Path(__file__).parent / "static"
MOST_VIEWERS = 32
HEARTBEAT_S = 20.0
# Of the kernel's buffer for each viewer: about two scenes. It grows to several MB by itself, in which a slow
# viewer's pictures would grow old instead of being skipped.
SEND_BUFFER = 1 << 17
GOODBYE_S = 0.7  # for viewers to confirm that they were closed


class Server:
    """Serves from when it is made until `close`.

    Attributes:
        address: where; the true port, where any was asked for.

    Raises:
        SinkError: the address cannot be bound.
    """

    def __init__(self, address: Address, classes: ClassSet) -> None:
        listening = _bind(address)
        self.address = replace(address, port=listening.getsockname()[1])
        self.cameras = Cameras(classes, self._on_news)
        self._classes = classes
        self._viewers: set[Viewer] = set()
        self._auth = Auth(self.address)
        self._metrics = Metrics(self.cameras, lambda: self._viewers)
        self._drawing = asyncio.Lock()
        self._open, self._lock = True, threading.Lock()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="web", daemon=True)
        self._thread.start()
        self._runner = self._do(self._start(listening))

    def close(self) -> None:
        """Close all connections, and end within 2 s. Calling it again does nothing."""
        with self._lock:
            if not self._open:
                return
            self._open = False
        self._do(self._stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _do(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def _start(self, listening: socket.socket) -> web.AppRunner:
        app = web.Application(middlewares=[self._auth.middleware])
        app.on_response_prepare.append(add_headers)
        app.router.add_static("/static", STATIC)
        for path, handler in {
            "/": self._page,
            "/live": self._live,
            "/health": self._health,
            "/metrics": self._measure,
            "/livez": self._livez,
            "/readyz": self._readyz,
            "/frame.jpg": self._frame,
        }.items():
            app.router.add_get(path, handler)
        runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=0.1)
        await runner.setup()
        await web.SockSite(runner, listening).start()
        return runner

    async def _stop(self) -> None:
        goodbyes = [asyncio.create_task(viewer.close()) for viewer in self._viewers]
        if goodbyes:
            await asyncio.wait(goodbyes, timeout=GOODBYE_S)
        for viewer in tuple(self._viewers):
            viewer.drop()
        await self._runner.cleanup()

    def _on_news(self, camera: str | None) -> None:
        """Called from the node's threads."""
        with self._lock:
            if self._open:
                self._loop.call_soon_threadsafe(self._wake, camera)

    def _wake(self, camera: str | None) -> None:
        for viewer in self._viewers:
            if camera is None or viewer.camera == camera:
                viewer.wake()

    def _count_viewers(self) -> None:
        self.cameras.watched = frozenset(viewer.camera for viewer in self._viewers)
        for viewer in self._viewers:
            viewer.count = len(self._viewers)

    async def _page(self, request: web.Request) -> web.StreamResponse:
        response = web.FileResponse(STATIC / "index.html")
        self._auth.admit(response)
        return response

    async def _live(self, request: web.Request) -> web.StreamResponse:
        """The WebSocket: a viewer sends the name of the camera to watch, or nothing to watch none."""
        if len(self._viewers) >= MOST_VIEWERS:
            raise web.HTTPServiceUnavailable(text=f"{MOST_VIEWERS} viewers watch already: no more can.")
        # The pictures are compressed; compressing them again would cost more than all the rest. A scene
        # counts as sent once the kernel has nearly all of it: scenes that wait here would grow old.
        live = web.WebSocketResponse(
            heartbeat=HEARTBEAT_S, timeout=GOODBYE_S, max_msg_size=1024, compress=False, writer_limit=1
        )
        viewer = Viewer(live, request, self.cameras)
        self._viewers.add(viewer)
        try:
            await live.prepare(request)
            self._count_viewers()
            async with asyncio.TaskGroup() as group:
                hello = greeting(self._classes, list(self.cameras.all()))
                sending = group.create_task(viewer.send(hello))
                async for message in live:
                    if message.type is WSMsgType.TEXT:
                        viewer.watch(message.data)
                        self._count_viewers()
                sending.cancel()
        finally:
            self._viewers.discard(viewer)
            self._count_viewers()
        return live

    async def _health(self, request: web.Request) -> web.StreamResponse:
        known = self.cameras.all().items()
        cameras = {name: camera.health and camera.health.as_json() for name, camera in known}
        scenes = {name: _trust(now[1]) for name, one in known if (now := one.scene_now())}
        viewers = [{"camera": one.camera, "sent": one.sent, "skipped": one.skipped} for one in self._viewers]
        return web.json_response({"cameras": cameras, "scenes": scenes, "viewers": viewers})

    async def _measure(self, request: web.Request) -> web.StreamResponse:
        return web.Response(body=self._metrics.text(), headers={"Content-Type": CONTENT_TYPE})

    async def _livez(self, request: web.Request) -> web.StreamResponse:
        return self._verdict("alive", {name: camera.hangs() for name, camera in self.cameras.all().items()})

    async def _readyz(self, request: web.Request) -> web.StreamResponse:
        return self._verdict("ready", {name: one.not_ready() for name, one in self.cameras.all().items()})

    def _verdict(self, word: str, objections: dict[str, str]) -> web.Response:
        """200 where there are cameras and no objection to any, else 503, with the reasons."""
        reasons = {name: why for name, why in objections.items() if why}
        if not objections:
            reasons = {"": "no node has reported anything yet"}
        answer = {word: not reasons, "reasons": reasons}
        return web.json_response(answer, status=503 if reasons else 200)

    async def _frame(self, request: web.Request) -> web.StreamResponse:
        """The newest frame with the scene on it, and how old they are by now."""
        cameras = self.cameras.all()
        name = request.query.get("camera") or next(iter(cameras), "")
        async with self._drawing:  # one at a time: the network needs the other cores
            newest = cameras[name].scene_now() if name in cameras else None
            if newest is None:
                known = ", ".join(cameras) or "none"
                raise web.HTTPNotFound(text=f"No frame of the camera {name!r}; those known are: {known}.")
            jpeg = await asyncio.to_thread(self._drawn, *newest)
            now = cameras[name].as_of_now(newest[1])
            if now.status is not newest[1].status:  # drawing took so long that the picture says a false one
                jpeg = await asyncio.to_thread(self._drawn, newest[0], now)
        headers = {"Content-Type": "image/jpeg", "X-Scene": json.dumps(_trust(now))}
        return web.Response(body=jpeg, headers=headers)

    def _drawn(self, frame: Frame, scene: Scene) -> bytes:
        return cv2.imencode(".jpg", draw(frame, scene, self._classes))[1].tobytes()


def _trust(scene: Scene) -> dict[str, Any]:
    """How far a scene may be trusted, for programs."""
    return {"sequence": scene.sequence, "age_ms": round(scene.age_ms), "status": scene.status}


def _bind(address: Address) -> socket.socket:
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    try:
        listening = socket.create_server((address.host, address.port), family=family)
    except OSError as error:
        raise SinkError(
            f"sink {address.uri}: cannot be served there ({os.strerror(error.errno or 0)}); "
            "choose another port, or 0 for any free one, or end the program that has it"
        ) from error
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)  # accepted sockets inherit it
    return listening
