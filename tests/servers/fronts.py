"""What stands before a camera: TLS, and servers that answer with what a camera should not."""

import asyncio
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import trustme


@contextmanager
def front(
    answer: bytes = b"",
    behind: int = 0,
    certificate: trustme.LeafCert | None = None,
    host: str = "127.0.0.1",
) -> Iterator[tuple[int, list[bytes]]]:
    """Gives that answer to each request and closes, or hands on to the port `behind` it.

    Yields:
        Its port, and what was asked first on each connection, once there was TLS where there should be.
    """
    context = None
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificate.configure_cert(context)
    heard: list[bytes] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            asked = await reader.read(4096)
            heard.append(asked)
            if behind:
                camera, asking = await asyncio.open_connection("127.0.0.1", behind)
                asking.write(asked)
                await asyncio.gather(_copy(camera, writer), _copy(reader, asking))
            else:
                sequence = next((line for line in asked.split(b"\r\n") if line.startswith(b"CSeq")), b"X: 1")
                writer.write(answer.replace(b"CSEQ", sequence))
                await writer.drain()
        writer.close()

    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    serving = asyncio.start_server(talk, host, 0, ssl=context)
    server = asyncio.run_coroutine_threadsafe(serving, loop).result()
    try:
        yield server.sockets[0].getsockname()[1], heard
    finally:
        loop.call_soon_threadsafe(server.close)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
    writer.close()
