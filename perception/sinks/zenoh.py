"""Scenes on the keys of Zenoh: `zenoh:car/front`."""

import zenoh

from perception.errors import SinkError
from perception.interchange.channels import Message
from perception.interchange.zenoh_session import open_session
from perception.sinks.base import Opening, SinkUri
from perception.sinks.bus import BusSink


class ZenohSink(BusSink):
    """The encoding of each message names its type. One that a subscriber has no room for is dropped.

    A queryable answers with the newest of what is latched; a token of liveliness stands at the sink's key.

    Raises:
        SinkError: there is no session.
    """

    refusal = zenoh.ZError

    def __init__(self, sink: SinkUri, opening: Opening) -> None:
        super().__init__(sink, opening)
        base = sink.uri.place
        try:
            self._session = open_session(sink.options)
        except zenoh.ZError as error:
            raise SinkError(f"sink {self.uri}: Zenoh refuses ({error})") from error
        self._publishers = {}
        for name, channel in self._vocabulary.channels.items():
            topic = channel.topic.removeprefix("/")
            key = topic if topic.startswith(f"{base}/") else f"{base}/{topic}"
            encoding = zenoh.Encoding.APPLICATION_CDR.with_schema(channel.schema.name)
            self._publishers[name] = self._session.declare_publisher(
                key, encoding=encoding, congestion_control=zenoh.CongestionControl.DROP
            )
        self._latched: dict[str, bytes] = {}  # the newest of each channel
        self._session.declare_queryable(f"{base}/**", self._answer)
        self._session.liveliness().declare_token(base)

    def close(self) -> None:
        self._session.close()

    def _subscribed(self) -> frozenset[str]:
        return frozenset(name for name, one in self._publishers.items() if one.matching_status.matching)

    def _send(self, one: Message) -> None:
        if one.channel.latched:
            self._latched[one.channel.name] = one.data
        self._publishers[one.channel.name].put(one.data)

    def _answer(self, query: zenoh.Query) -> None:
        """In a thread of Zenoh's."""
        with query:
            for name, data in list(self._latched.items()):
                publisher = self._publishers[name]
                if query.key_expr.intersects(publisher.key_expr):
                    query.reply(publisher.key_expr, data, encoding=publisher.encoding)
