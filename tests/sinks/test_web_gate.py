"""What strangers may do to the live page: little, and not for long."""

import asyncio
import math
import socket
from collections import Counter
from contextlib import ExitStack, suppress

import pytest
from aiohttp import ClientSession, WSMsgType

from perception.sinks.web import gate, server
from perception.sinks.web.gate import Bucket
from tests.sinks.web import HEALTH, page, talk, url_of


def test_a_bucket_fills_again() -> None:
    now = [100.0]
    bucket = Bucket(3, 2, lambda: now[0])
    assert [bucket.take() for _ in range(5)] == [0, 0, 0, 0.5, 1]
    now[0] += 1
    assert bucket.take() == 0.5
    now[0] += 100
    assert [bucket.take(2) for _ in range(2)] == [0, 0.5]
    assert [bucket.take(2, most_s=1) for _ in range(3)] == [math.inf] * 3
    now[0] += 0.5
    assert bucket.take() == 0.5


def connect(port: int, request: bytes = b"") -> socket.socket:
    one = socket.create_connection(("127.0.0.1", port), 10)
    one.sendall(request)
    return one


def answer(one: socket.socket) -> bytes:
    """All that comes until the connection is closed, or broken off."""
    data = b""
    with suppress(ConnectionError):
        while more := one.recv(1 << 16):
            data += more
    return data


def get(port: int, path: str, *lines: bytes) -> bytes:
    head = [f"GET {path} HTTP/1.1".encode(), b"Host: 127.0.0.1", b"Connection: close", *lines]
    with connect(port, b"\r\n".join(head) + b"\r\n\r\n") as one:
        return answer(one)


@pytest.mark.parametrize("sent", [b"", b"GET / HT", b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\nX: "])
def test_who_asks_nothing_is_closed(sent: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate, "IDLE_S", 0.2)
    with page() as sink, connect(sink.address.port, sent) as idle:
        assert answer(idle) == b""


def test_a_connection_that_is_kept_alive_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate, "IDLE_S", 0.2)
    with page() as sink, connect(sink.address.port, b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n") as kept:
        assert answer(kept).startswith(b"HTTP/1.1 200")


class Slow(asyncio.Transport):
    """Its other end takes so many bytes of an answer between two looks."""

    def __init__(self, left: int, takes: int) -> None:
        super().__init__()
        self.left, self.takes, self.cut_at = left, takes, asyncio.Event()

    def get_write_buffer_size(self) -> int:
        left, self.left = self.left, max(0, self.left - self.takes)
        return left

    def abort(self) -> None:
        self.cut_at.set()


def test_an_answer_is_sent_for_as_long_as_it_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate, "IDLE_S", 0.02)

    async def look() -> None:
        one = gate.Gate(socket.create_server(("127.0.0.1", 0)), asyncio.Protocol)
        slow, stuck = Slow(left=10, takes=1), Slow(left=10, takes=0)
        for transport in (slow, stuck):
            one.enter(transport)
        await asyncio.wait_for(stuck.cut_at.wait(), 20)
        await asyncio.wait_for(slow.cut_at.wait(), 20)  # once it has all of it
        assert (slow.left, stuck.left) == (0, 10)
        one.leave(stuck)
        assert not one._unsent.keys() - {slow}
        await one.close()

    asyncio.run(look())


def test_idle_connections_give_way_and_viewers_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate, "CONNECTIONS", 4)

    async def look(session: ClientSession) -> None:
        async with session.ws_connect(url_of(sink, "/live")) as viewer:
            await viewer.receive()
            with ExitStack() as stack:
                idle = [stack.enter_context(connect(sink.address.port)) for _ in range(20)]
                async with session.get(url_of(sink, "/health")) as told:
                    assert told.status == 200
                for one in idle[:16]:
                    assert await asyncio.to_thread(answer, one) == b""
                assert len(sink._server._gate._until) <= 4
            sink.write_health(HEALTH)
            async for message in viewer:
                if message.json()["type"] == "health":
                    break

    with page() as sink:
        talk(look)


@pytest.mark.parametrize("send", ["text", "ping", "binary"])
def test_a_viewer_that_floods_is_told_why_it_is_closed(send: str) -> None:
    async def look(session: ClientSession) -> None:
        async with session.ws_connect(url_of(sink, "/live"), autoping=False) as viewer:
            for _ in range(15):
                await viewer.ping()
            pongs = 0
            while pongs < 15:
                pongs += (await viewer.receive()).type is WSMsgType.PONG
            with suppress(ConnectionError):
                for _ in range(100):
                    if send == "text":
                        await viewer.send_str("front")
                    elif send == "ping":
                        await viewer.ping()
                    else:
                        await viewer.send_bytes(b"")
            while (message := await viewer.receive()).type is not WSMsgType.CLOSE:
                assert message.type in {WSMsgType.TEXT, WSMsgType.PONG}
            assert (message.data, message.extra) == (1008, "more than 10 messages a second")

    with page() as sink:
        talk(look)


def test_bytes_without_end_are_cut_off() -> None:
    cut_off = ConnectionError, TimeoutError  # nothing is read any more, before it is closed
    with page() as sink, connect(sink.address.port) as one, pytest.raises(cut_off):
        for _ in range(10_000):
            one.sendall(b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" * 1000)


def test_requests_have_a_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate, "BURST", 1)
    monkeypatch.setattr(gate, "RATE", 0.1)
    request = b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    with page() as sink, connect(sink.address.port, request * 9) as one:
        said = answer(one)
        assert said.count(b"HTTP/1.1 503") == 2
        assert said.count(b"no node has reported") == 1 and said.endswith(b"Too many requests.")


def test_a_host_does_not_take_the_turn_of_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate, "BURST", 1)
    monkeypatch.setattr(gate, "RATE", 0.1)
    with page() as sink:
        for source in ("127.0.0.1", "127.0.0.2"):
            said = []
            for _ in range(2):
                with socket.create_connection(("127.0.0.1", sink.address.port), 10, (source, 0)) as one:
                    one.sendall(b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
                    said.append(answer(one))
            assert b"no node has reported" in said[0] and said[1] == b""


TOKEN = "geheimé"


@pytest.mark.parametrize(
    ("path", "line", "status"),
    [
        ("/health?token=geheim%C3%A9", b"X: 1", 200),
        ("/health", b"Authorization: Bearer " + TOKEN.encode(), 200),
        ("/health", b"Authorization: Bearer " + TOKEN.encode("latin-1"), 401),
        ("/health?token=geheim%E9", b"X: 1", 401),
        ("/health?token=%ED%A0%80", b"X: 1", 401),
        ("/health?token=" + "x" * 5000, b"X: 1", 401),
        ("/health", b"Authorization: Bearer \xff\xfe", 401),
        ("/health", b"Cookie: perception-%d=\xff", 401),
        ("/health?token=geheim%C3%A9", b"Origin: http://[", 403),
        ("/health?token=geheim%C3%A9", b"Origin: http://\xff", 403),
        ("/health?token=geheim%C3%A9", b"Origin: ", 403),
        ("/health?token=geheim%C3%A9", "Origin: http://℀@x".encode(), 403),
        ("/health?token=geheim%C3%A9", b"Host: \xff", 400),  # a second one
        ("/static/%00?token=geheim%C3%A9", b"X: 1", 404),
        ("/static/" + "x" * 4000 + "?token=geheim%C3%A9", b"X: 1", 404),
        ("/static/..%2fserver.py?token=geheim%C3%A9", b"X: 1", 404),
        ("/frame.jpg?camera=%0d%0aX:1%ff&token=geheim%C3%A9", b"X: 1", 404),
        ("/\x00", b"X: 1", 400),
        ("/health", b"no header", 400),
        ("/health", b"Content-Length: -1", 400),
        ("/health", b"X: " + b"x" * 20_000, 400),
    ],
)
def test_a_request_that_is_wrong_is_refused_and_never_fails(path: str, line: bytes, status: int) -> None:
    with page(f"web://127.0.0.1:0?token={TOKEN}") as sink:
        line = line.replace(b"%d", str(sink.address.port).encode())
        said = get(sink.address.port, path, line)
        assert said.split()[1] == str(status).encode()
        assert b"geheim" not in said.split(b"\r\n\r\n")[0]


def test_pictures_are_drawn_for_few_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.sinks.web_tab import grey_frame  # noqa: PLC0415

    monkeypatch.setattr(server, "MOST_DRAWN", 3)

    async def look(session: ClientSession) -> None:
        async def ask() -> int:
            async with session.get(url_of(sink, "/frame.jpg")) as asked:
                return asked.status

        found = Counter(await asyncio.gather(*(ask() for _ in range(40))))
        assert set(found) == {200, 503} and found[200] >= 3
        assert await ask() == 200

    with page() as sink:
        sink.write(*grey_frame(0), None)  # type: ignore[arg-type]
        talk(look)
