"""The HTTP server of the live page, in a thread of its own."""

import asyncio
import json
import os
import socket
import threading
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
from aiohttp import WSMsgType, web
from aiohttp.typedefs import Handler

from perception.classes import ClassSet
from perception.errors import SinkError
from perception.overlay import draw
from perception.scene import Scene
from perception.sinks.web.address import Address
from perception.sinks.web.auth import Auth, add_headers
from perception.sinks.web.gate import GOODBYE_S, Bucket, Gate
from perception.sinks.web.metrics import CONTENT_TYPE, Metrics
from perception.sinks.web.protocol import greeting
from perception.sinks.web.state import Camera, Cameras
from perception.sinks.web.viewer import Viewer

STATIC = {path.name: path for path in (Path(__file__).parent / "static").iterdir()}
MOST_VIEWERS = 32
MESSAGES = 20.0, 10.0  # that a viewer may send at once, and a second
MOST_DRAWN = 8  # requests for a picture that wait for it
DRAWN_AGAIN = 3  # times, where its scene has become stale meanwhile
HEARTBEAT_S = 20.0
# Of the kernel's buffer for each viewer: about two scenes. It grows to several MB by itself, in which a slow
# viewer's pictures would grow old instead of being skipped.
SEND_BUFFER = 1 << 17


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
        # One at a time: the network needs the other cores. What nobody waits for any more is not drawn.
        self._drawer, self._asked = ThreadPoolExecutor(1, "web picture"), 0
        self._open, self._lock = True, threading.Lock()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="web", daemon=True)
        self._thread.start()
        self._runner, self._gate = self._do(self._start(listening))

    def close(self) -> None:
        """Close all connections, and end within 2 s. Calling it again does nothing."""
        with self._lock:
            if not self._open:
                return
            self._open = False
        self._do(self._stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._drawer.shutdown()
        self._loop.close()

    def _do(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def _start(self, listening: socket.socket) -> tuple[web.AppRunner, Gate]:
        app = web.Application(middlewares=[self._bounded, self._auth.middleware, self._staying])
        app.on_response_prepare.append(add_headers)
        for path, handler in {
            "/": self._page,
            "/static/{name}": self._static,
            "/live": self._live,
            "/health": self._health,
            "/metrics": self._measure,
            "/livez": self._livez,
            "/readyz": self._readyz,
            "/frame.jpg": self._frame,
        }.items():
            app.router.add_get(path, handler)
        runner = web.AppRunner(
            app, access_log=None, handle_signals=False, shutdown_timeout=0.1, handler_cancellation=True
        )
        await runner.setup()
        assert runner.server is not None
        return runner, Gate(listening, runner.server)

    async def _stop(self) -> None:
        goodbyes = [asyncio.create_task(viewer.close()) for viewer in self._viewers]
        if goodbyes:
            await asyncio.wait(goodbyes, timeout=GOODBYE_S)
        for viewer in tuple(self._viewers):
            viewer.drop()
        await self._gate.close()
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

    @web.middleware
    async def _bounded(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Answer not more than the node can do besides; whoever is refused has to connect again."""
        try:
            if not await self._gate.turn(request.transport):
                raise web.HTTPServiceUnavailable(text="Too many requests.", headers={"Retry-After": "2"})
            return await handler(request)
        except web.HTTPError as error:
            error.force_close()
            raise

    @web.middleware
    async def _staying(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        with self._gate.asking(request.transport):
            return await handler(request)

    async def _page(self, request: web.Request) -> web.StreamResponse:
        response = web.FileResponse(STATIC["index.html"])
        self._auth.admit(response)
        return response

    async def _static(self, request: web.Request) -> web.StreamResponse:
        if request.match_info["name"] not in STATIC:
            raise web.HTTPNotFound(text="The page has no such file.")
        return web.FileResponse(STATIC[request.match_info["name"]])

    async def _live(self, request: web.Request) -> web.StreamResponse:
        """The WebSocket: a viewer sends the name of the camera to watch, or nothing to watch none."""
        if len(self._viewers) >= MOST_VIEWERS:
            raise web.HTTPServiceUnavailable(text=f"{MOST_VIEWERS} viewers watch already: no more can.")
        # The pictures are compressed; compressing them again would cost more than all the rest. A scene
        # counts as sent once the kernel has nearly all of it: scenes that wait here would grow old.
        live = web.WebSocketResponse(
            heartbeat=HEARTBEAT_S,
            timeout=GOODBYE_S,
            max_msg_size=1024,
            compress=False,
            writer_limit=1,
            autoping=False,
        )
        messages = Bucket(*MESSAGES, self._loop.time)
        viewer = Viewer(live, request, self.cameras)
        self._viewers.add(viewer)
        try:
            await live.prepare(request)
            self._count_viewers()
            async with asyncio.TaskGroup() as group:
                hello = greeting(self._classes, list(self.cameras.all()))
                sending = group.create_task(viewer.send(hello))
                async for message in live:
                    if messages.take() > 0:
                        await viewer.refuse(f"more than {MESSAGES[1]:.0f} messages a second")
                        break
                    if message.type is WSMsgType.TEXT:
                        viewer.watch(message.data)
                        self._count_viewers()
                    elif message.type is WSMsgType.PING:
                        await live.pong(message.data)
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
        camera = cameras.get(name)
        if camera is None or camera.newest is None:
            known = ", ".join(cameras) or "none"
            raise web.HTTPNotFound(text=f"No frame of the camera {name!r}; those known are: {known}.")
        if self._asked >= MOST_DRAWN:
            raise web.HTTPServiceUnavailable(
                text=f"{MOST_DRAWN} requests wait for pictures already.", headers={"Retry-After": "1"}
            )
        self._asked += 1
        try:
            for _ in range(DRAWN_AGAIN):
                drawn, jpeg = await self._loop.run_in_executor(self._drawer, self._draw, camera)
                scene = camera.as_of_now(drawn)  # by now it may be worth less than the picture says
                if scene.status is drawn.status:
                    headers = {"Content-Type": "image/jpeg", "X-Scene": json.dumps(_trust(scene))}
                    return web.Response(body=jpeg, headers=headers)
        finally:
            self._asked -= 1
        raise web.HTTPServiceUnavailable(text="Scenes grow stale while they are drawn.")

    def _draw(self, camera: Camera) -> tuple[Scene, bytes]:
        """The newest scene, as of now, and its picture as JPEG; in a thread of its own."""
        newest = camera.scene_now()
        assert newest is not None
        return newest[1], cv2.imencode(".jpg", draw(*newest, self._classes))[1].tobytes()


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
