"""Strangers in the node's network: connections that ask nothing, and requests that no browser would send."""

import asyncio
import random
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

# What they send; the token stands for one that was overheard, and must never be in a log.
REQUESTS = (
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # TLS
    b"GET / HTTP/9.9\r\n\r\n",
    b"G\x00T /?token=OVERHEARD HTTP/1.1\r\n\r\n",
    b"GET /health?token=OVERHEARD HTTP/1.1\r\nHost: 127.0.0.1\r\nno header\r\n\r\n",
    b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer \xff\xfe\r\n\r\n",
    b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nOrigin: http://[\r\n\r\n",
    b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nX: " + b"x" * 20_000 + b"\r\n\r\n",
    b"POST /health HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n",
    b"GET /static/" + b"x" * 4000 + b" HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" * 20,
    b"GET /livez HTT",  # and no more
)


@contextmanager
def idle(port: int, count: int) -> Iterator[None]:
    """So many connections on which nothing is ever asked; those that the node closes stay closed."""
    with ExitStack() as stack:
        for _ in range(count):
            one = stack.enter_context(socket.socket())
            one.setblocking(False)
            one.connect_ex(("127.0.0.1", port))
        yield


@contextmanager
def hostile(port: int, count: int, pause_s: float = 0.5) -> Iterator[list[bytes]]:
    """So many clients, each of which sends one of REQUESTS, reads a while and connects again.

    Yields:
        The first lines of what they were answered.
    """
    heard: list[bytes] = []
    ended = threading.Event()

    async def attack(number: int) -> None:
        choose = random.Random(number)
        while not ended.is_set():
            with suppress(OSError, TimeoutError):
                async with asyncio.timeout(5):
                    reader, writer = await asyncio.open_connection("127.0.0.1", port)
                    writer.write(choose.choice(REQUESTS))
                    line = await reader.readline()
                    heard.append(line)
                    writer.close()
            await asyncio.sleep(pause_s * choose.uniform(0.5, 1.5))

    async def run() -> None:
        async with asyncio.TaskGroup() as group:
            for number in range(count):
                group.create_task(attack(number))

    thread = threading.Thread(target=lambda: asyncio.run(run()))
    thread.start()
    try:
        yield heard
    finally:
        ended.set()
        thread.join()
