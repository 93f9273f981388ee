"""Scenes on the keys of Zenoh: `zenoh:car/front`."""

import logging
import time
from typing import Any

import zenoh

from perception.errors import SinkError
from perception.interchange.buses.zenoh_session import open_session, reaches, waits, words
from perception.interchange.messages.channels import Message
from perception.sinks.base import Opening, SinkUri
from perception.sinks.bus import BusSink

_UNCONNECTED = "not connected"
_PAUSE_S = 1.0  # between two tries
_LOG = logging.getLogger("perception.sinks")


class ZenohSink(BusSink):
    """The encoding of each message names its type. One that a subscriber has no room for is dropped.

    A queryable answers with the newest of what is latched; a token of liveliness stands at the sink's key.
    While whom it connects to is not there, scenes are left out as not connected.

    Raises:
        SinkError: it cannot listen there, or a configuration file cannot be used.
    """

    refusal = zenoh.ZError

    def __init__(self, sink: SinkUri, opening: Opening) -> None:
        super().__init__(sink, opening)
        self._key, self._options = sink.uri.place, sink.options
        self._session: Any = None
        self._publishers: dict[str, Any] = {}
        self._latched: dict[str, bytes] = {}  # the newest of each channel
        self._try_at = 0.0
        self._open()

    def close(self) -> None:
        if self._session is not None:
            self._session.close()

    def _open(self) -> None:
        try:
            self._session = open_session(self._options)
        except zenoh.ZError as error:
            what = f"sink {self.uri}: Zenoh refuses ({words(error)})"
            if not waits(self._options):
                raise SinkError(what) from error
            if not self._try_at:
                _LOG.warning("%s; trying again", what, extra={"event": "sink_unconnected", "sink": self.uri})
            self._try_at = time.monotonic() + _PAUSE_S
            return
        for name, channel in self._vocabulary.channels.items():
            topic = channel.topic.removeprefix("/")
            key = topic if topic.startswith(f"{self._key}/") else f"{self._key}/{topic}"
            encoding = zenoh.Encoding.APPLICATION_CDR.with_schema(channel.schema.name)
            self._publishers[name] = self._session.declare_publisher(
                key, encoding=encoding, congestion_control=zenoh.CongestionControl.DROP
            )
        self._session.declare_queryable(f"{self._key}/**", self._answer)
        self._alive = self._session.liveliness().declare_token(self._key)

    def _before(self, stamp_ns: int) -> str | None:
        if self._session is None and time.monotonic() >= self._try_at:
            self._open()
        if self._session is None or (waits(self._options) and not reaches(self._session)):
            return _UNCONNECTED
        return None

    def _subscribed(self) -> frozenset[str]:
        return frozenset(name for name, one in self._publishers.items() if one.matching_status.matching)

    def _send(self, one: Message) -> None:
        if one.channel.latched:
            self._latched[one.channel.name] = one.data
        self._publishers[one.channel.name].put(one.data)

    def _answer(self, query: Any) -> None:
        """In a thread of Zenoh's."""
        with query:
            for name, data in list(self._latched.items()):
                publisher = self._publishers[name]
                if query.key_expr.intersects(publisher.key_expr):
                    query.reply(publisher.key_expr, data, encoding=publisher.encoding)
