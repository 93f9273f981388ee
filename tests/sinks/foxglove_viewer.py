"""Foxglove's app, as far as tests of the live server need it: its WebSocket protocol, foxglove.sdk.v1."""

import base64
import json
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from tests.mcap_reading import decode


class Viewer:
    """One connection. Raises ConnectionError when the server ends it."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._channels: dict[str, dict[str, Any]] = {}
        self._subscribed: dict[int, dict[str, Any]] = {}
        self.waiting: list[tuple[str, int, Any]] = []

    async def channel(self, topic: str) -> dict[str, Any]:
        while topic not in self._channels:
            await self._take()
        return self._channels[topic]

    async def subscribe(self, *topics: str) -> None:
        for topic in topics:
            channel = await self.channel(topic)
            self._subscribed[len(self._subscribed) + 1] = channel
            wish = {"id": len(self._subscribed), "channelId": channel["id"]}
            await self._socket.send_json({"op": "subscribe", "subscriptions": [wish]})

    async def next(self) -> tuple[str, int, Any]:
        """Topic, time and what is in the next message."""
        while not self.waiting:
            await self._take()
        return self.waiting.pop(0)

    async def _take(self) -> None:
        message = await self._socket.receive(timeout=20)
        if message.type is aiohttp.WSMsgType.TEXT:
            for one in json.loads(message.data).get("channels", ()):
                self._channels[one["topic"]] = one
            return
        if message.type is not aiohttp.WSMsgType.BINARY:
            raise ConnectionError(message)
        kind, wish, stamp_ns = struct.unpack_from("<BIQ", message.data)
        assert kind == 1
        channel = self._subscribed[wish]
        self.waiting.append((channel["topic"], stamp_ns, decoded(channel, message.data[13:])))


def decoded(channel: dict[str, Any], data: bytes) -> Any:
    if channel["encoding"] == "json":
        return json.loads(data)
    return decode(channel["schemaName"], base64.b64decode(channel["schema"]), data)


@asynccontextmanager
async def connected(uri: str) -> AsyncIterator[Viewer]:
    url = uri.replace("foxglove:", "ws:")
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(url, protocols=["foxglove.sdk.v1"], max_msg_size=0) as connection,
    ):
        yield Viewer(connection)
