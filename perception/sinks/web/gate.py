"""Who may connect to the live page, and for how long without asking anything: before any request is read."""

import asyncio
import logging
import math
import resource
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

CONNECTIONS = 96  # 32 viewers, and what browsers and programs ask besides
IDLE_S = 5.0  # a connection on which nothing was asked for so long, or not to its end, is closed
RATE, BURST = 40.0, 40.0  # requests a second of one host: more would cost the network its cores
HOSTS = 64  # counted separately
ACCEPTED = 5  # times as many connections, of all
PATIENCE_S = 2.0  # who would have to wait longer is refused
# Bytes that a connection may send, and a second: viewers send names of cameras, others a head of a request.
SENT, SENT_RATE = 1 << 16, 1 << 14
GOODBYE_S = 0.7  # to hear why, before the connection is cut

_log = logging.getLogger("perception.sinks.web")


class Bucket:
    """Holds what may be taken at once, and fills again at a rate.

    Args:
        clock: monotonic, in seconds.
    """

    def __init__(self, size: float, rate: float, clock: Callable[[], float]) -> None:
        self._size, self._rate, self._clock = size, rate, clock
        self._left, self._at = size, clock()

    def take(self, amount: float = 1.0, most_s: float = math.inf) -> float:
        """Take it, also in advance; seconds until it will be there: 0 where it is, infinite where that is
        more than `most_s`, and nothing is taken."""
        now = self._clock()
        self._left = min(self._size, self._left + (now - self._at) * self._rate)
        self._at = now
        wait_s = max(0.0, (amount - self._left) / self._rate)
        if wait_s > most_s:
            return math.inf
        self._left -= amount
        return wait_s


class Gate:
    """Accepts connections, so few and so slowly that a stranger can neither take the descriptors of the node
    nor its cores.

    Where all places are taken, the connection that has asked nothing for longest gives its own to a new one.

    Args:
        listening: accepts; closed with the gate.
        serve: makes the protocol of a connection.
    """

    def __init__(self, listening: socket.socket, serve: Callable[[], asyncio.Protocol]) -> None:
        self._loop = asyncio.get_running_loop()
        self._listening, self._serve = listening, serve
        self._most = min(CONNECTIONS, max(8, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 4))
        self._until: dict[asyncio.Transport, float] = {}  # when each is closed; inf: it is answered now
        self._unsent: dict[asyncio.Transport, int] = {}  # bytes of an answer, when that was last looked at
        self._accepted = Bucket(BURST, ACCEPTED * RATE, self._loop.time)
        self._hosts: dict[str, tuple[Bucket, Bucket]] = {}
        listening.setblocking(False)
        self._tasks = [self._loop.create_task(work) for work in (self._accept(), self._close_idle())]

    async def close(self) -> None:
        """Accept no more; open connections stay as they are."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._listening.close()

    def paces(self, transport: asyncio.BaseTransport) -> tuple[Bucket, Bucket]:
        """For what the host at its other end begins to send, and for its requests."""
        host = str((transport.get_extra_info("peername") or ("",))[0])
        if host not in self._hosts:
            if len(self._hosts) >= HOSTS:
                del self._hosts[next(iter(self._hosts))]
            clock = self._loop.time
            self._hosts[host] = Bucket(BURST, RATE, clock), Bucket(BURST, RATE, clock)
        return self._hosts[host]

    async def turn(self, transport: asyncio.BaseTransport | None) -> bool:
        """Wait until its next request may be answered; False: too many are asked, it is to be refused."""
        wait_s = math.inf if transport is None else self.paces(transport)[1].take(most_s=PATIENCE_S)
        if wait_s == math.inf:
            return False
        await asyncio.sleep(wait_s)
        return True

    @contextmanager
    def asking(self, transport: asyncio.BaseTransport | None) -> Iterator[None]:
        """While the block runs, a request of this connection that may be is answered: it is not closed."""
        if not isinstance(transport, asyncio.Transport) or transport not in self._until:  # it is gone
            yield
            return
        self._until[transport] = math.inf
        try:
            yield
        finally:
            if transport in self._until:
                self._until[transport] = self._loop.time() + IDLE_S
                self._unsent.pop(transport, None)

    async def _accept(self) -> None:
        while True:
            await asyncio.sleep(self._accepted.take())
            try:
                connection, _ = await self._loop.sock_accept(self._listening)
            except OSError as error:  # too many files are open, or it is gone again
                _log.warning("the live page: a connection failed: %s", error.strerror)
                await asyncio.sleep(0.2)
                continue
            with suppress(OSError):
                await self._loop.connect_accepted_socket(lambda: _Visit(self, self._serve()), connection)

    async def _close_idle(self) -> None:
        while True:
            await asyncio.sleep(IDLE_S / 5)
            now = self._loop.time()
            for transport in [one for one, until in self._until.items() if until <= now]:
                left = transport.get_write_buffer_size()
                if 0 < left < self._unsent.get(transport, math.inf):  # slow, and yet it takes its answer
                    self._unsent[transport], self._until[transport] = left, now + IDLE_S
                else:
                    _cut(transport)

    def enter(self, transport: asyncio.Transport) -> None:
        """Give a new connection a place, for the time being."""
        self._until[transport] = self._loop.time() + IDLE_S
        if len(self._until) > self._most:
            idlest = min(self._until, key=self._until.__getitem__)
            _cut(idlest)
            self.leave(idlest)
            words = "the live page: more than %d connections: those that ask nothing are closed"
            _log.warning(words, self._most, extra={"event": "connections"})

    def leave(self, transport: asyncio.Transport) -> None:
        self._until.pop(transport, None)
        self._unsent.pop(transport, None)


class _Visit(asyncio.Protocol):
    """One connection: hands on what is sent, as long as that is no flood."""

    def __init__(self, gate: Gate, inner: asyncio.Protocol) -> None:
        self._gate, self._inner = gate, inner
        self._bytes = Bucket(SENT, SENT_RATE, asyncio.get_running_loop().time)
        self._begun = self._flooded = False
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._gate.enter(transport)
        self._inner.connection_made(transport)

    def data_received(self, data: bytes) -> None:
        if not self._begun:  # most of what is wrong is seen in the first bytes, and answered at once
            self._begun = True
            wait_s = self._gate.paces(self._transport)[0].take(most_s=PATIENCE_S)
            if wait_s == math.inf:
                _cut(self._transport)
                return
            if wait_s:
                self._transport.pause_reading()
                asyncio.get_running_loop().call_later(wait_s, self._go_on, data)
                return
        self._take(data)

    def _go_on(self, data: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.resume_reading()
            self._take(data)

    def _take(self, data: bytes) -> None:
        if not self._flooded:  # of a flood, its beginning lets a viewer hear why it is closed
            self._flooded = self._bytes.take(len(data)) > 0
            self._inner.data_received(data[:SENT])
            if self._flooded:
                asyncio.get_running_loop().call_later(GOODBYE_S, _cut, self._transport)
        if self._flooded:
            self._transport.pause_reading()

    def eof_received(self) -> bool | None:
        return self._inner.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        self._gate.leave(self._transport)
        self._inner.connection_lost(exc)

    def pause_writing(self) -> None:
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        self._inner.resume_writing()


def _cut(transport: asyncio.Transport) -> None:
    transport.abort()
