"""Where a camera may lead the node: to its own host, and to those that its URI allows."""

import re
import socket
import threading
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from perception.errors import ConfigError
from perception.sources.connection import LostError
from perception.sources.redirects import moved
from perception.sources.registry import SOURCES
from perception.sources.rtsp_relay import RtspRelay
from perception.sources.trust import Trust
from tests.servers.control import Server
from tests.servers.fronts import front
from tests.sources.live import Reading, live_source, lost

SMALL = ("--size", "160x96")
HTTP = b"HTTP/1.1 307 Moved\r\nLocation: //127.0.0.2:%d/stream\r\nContent-Length: 0\r\n\r\n"
RTSP = b"RTSP/1.0 302 Moved\r\nCSEQ\r\nLocation: rtsp://127.0.0.2:%d/stream\r\n\r\n"
ALLOWED = "relay", "fe80::1"


@pytest.fixture(scope="module")
def ports() -> Iterator[dict[str, int]]:
    with Server("mjpeg", *SMALL) as mjpeg, Server("rtsp", *SMALL, "--gop", "5") as rtsp:
        yield {"http": urlsplit(mjpeg.url).port or 0, "rtsp": urlsplit(rtsp.url).port or 0}


@pytest.mark.parametrize(
    ("scheme", "fragment", "answer"),
    [
        ("http", "", HTTP),
        ("http", "#hosts=a.example,127.0.0.3", HTTP),
        ("rtsp", "", RTSP),
        ("rtsp", "#transport=udp", RTSP),
    ],
)
def test_a_redirection_to_another_host_is_not_followed(scheme: str, fragment: str, answer: bytes) -> None:
    with (
        front(host="127.0.0.2") as (elsewhere, heard),
        front(answer.replace(b"%d", b"%d" % elsewhere)) as (port, _),
    ):
        reason = lost(f"{scheme}://car:hunter2@127.0.0.1:{port}/stream{fragment}")
        assert f"127.0.0.2:{elsewhere}/stream, which is not within its host" in reason
        assert heard == []


@pytest.mark.parametrize(
    ("scheme", "fragment", "answer"),
    [
        ("http", "#hosts=127.0.0.2", HTTP),
        ("rtsp", "#hosts=cam.example,127.0.0.2", RTSP),
        ("rtsp", "#hosts=127.0.0.2&transport=udp", RTSP),
    ],
)
def test_a_redirection_to_a_host_that_is_allowed_is_followed_without_the_password(
    scheme: str, fragment: str, answer: bytes, ports: dict[str, int]
) -> None:
    with (
        front(behind=ports[scheme], host="127.0.0.2") as (elsewhere, heard),
        front(answer.replace(b"%d", b"%d" % elsewhere)) as (port, _),
        Reading(live_source(f"{scheme}://car:hunter2@127.0.0.1:{port}/stream{fragment}")) as reading,
    ):
        reading.more(3)
        assert heard and not any(b"Authorization" in one for one in heard)


@pytest.mark.parametrize("scheme", ["http", "rtsp"])
def test_a_redirection_within_the_host_is_followed(scheme: str, ports: dict[str, int]) -> None:
    place = b"%s://127.0.0.1:%d/stream" % (scheme.encode(), ports[scheme])
    protocol = b"RTSP/1.0" if scheme == "rtsp" else b"HTTP/1.1"
    answer = protocol + b" 302 Found\r\nCSEQ\r\nLocation: " + place + b"\r\nContent-Length: 0\r\n\r\n"
    with front(answer) as (port, _), Reading(live_source(f"{scheme}://127.0.0.1:{port}/old")) as reading:
        reading.more(5)


def test_a_circle_ends() -> None:
    for answer in (b"HTTP/1.1 301 Moved\r\nLocation: /on\r\nContent-Length: 0\r\n\r\n",):
        with front(answer) as (port, heard):
            assert lost(f"http://127.0.0.1:{port}/") == "it redirects again and again"
            assert len(heard) <= 20


@pytest.mark.parametrize(
    ("url", "place", "found"),
    [
        ("http://u:p@cam:81/a?x", "/b?y", "http://u:p@cam:81/b?y"),
        ("http://u:p@cam/a", "https://CAM:8443/b", "https://u:p@cam:8443/b"),
        ("rtsp://[::1]:554/a", "rtsp://[::1]/b", "rtsp://[::1]/b"),
        ("http://cam/a", "http://me:other@cam/b", "http://cam/b"),
        ("http://u:p@cam/a", "http://relay:81/b", "http://relay:81/b"),
        ("http://u:p@cam/a", "http://[FE80::1]/b", "http://[fe80::1]/b"),
        ("https://cam/a", "http://cam/a", None),
        ("https://cam/a", "http://relay/a", None),
        ("http://cam/a", "http://cam.example/a", None),
        ("http://cam/a", "file:///etc/passwd", None),
        ("http://cam/a", "rtsp://cam/a", None),
        ("http://cam/a", "http://[", None),
        ("http://cam/a", "http://cam:x/", None),
        ("http://cam/a", "http://cam@169.254.169.254/", None),
    ],
)
def test_where_a_redirection_may_lead(url: str, place: str, found: str | None) -> None:
    if found is not None:
        assert moved(url, place, ALLOWED) == found
        return
    with pytest.raises(LostError, match="not within its host"):
        moved(url, place, ALLOWED)


@pytest.mark.parametrize("hosts", ["", "a,,b", "http://a", "a:80", "[::1]", "a b", "-a", "a/b"])
def test_what_is_no_host_is_refused(hosts: str) -> None:
    with pytest.raises(ConfigError, match="names hosts without ports"):
        SOURCES.parse(f"http://cam/x#hosts={hosts}")


def test_hosts_are_for_those_who_redirect() -> None:
    given = SOURCES.parse("rtsp://cam/x?hosts=own#hosts=Relay.example,192.168.0.7,fe80::1").options
    assert given.hosts == ("relay.example", "192.168.0.7", "fe80::1")
    assert given.url == "rtsp://cam/x?hosts=own"
    with pytest.raises(ConfigError, match="unknown option hosts"):
        SOURCES.parse("udp://0.0.0.0:5000#hosts=a")


@pytest.mark.parametrize("named", [b"", b";source=127.0.0.2", b"; Source=10.0.0.1"])
@pytest.mark.parametrize("over_udp", [True, False])
def test_over_udp_nobody_but_the_camera_is_sent_anything(named: bytes, over_udp: bool) -> None:
    """The client sends reports, and opens the way through routers, to the source of its transport."""
    head, rest = b"RTSP/1.0 200 OK\r\nCSeq: 1\r\nTransport: RTP/AVP/UDP;unicast", b";server_port=5000-5001"
    with front(head + named + rest + b"\r\n\r\n") as (port, _):
        relay = RtspRelay(f"rtsp://127.0.0.1:{port}/x", 5.0, Trust(), mark=False, over_udp=over_udp)
        place = urlsplit(relay.url)
        with socket.create_connection((place.hostname or "", place.port or 0), 5) as client:
            client.sendall(b"SETUP rtsp://x RTSP/1.0\r\nCSeq: 1\r\n\r\n")
            said = client.recv(4096)
        relay.close()
    camera = head + rest + b";source=127.0.0.1" if over_udp else head + named + rest
    assert said == camera + b"\r\n\r\n"


SDP = (
    b"v=0\r\no=- 0 0 IN IP4 127.0.0.2\r\ns=x\r\nc=IN IP4 127.0.0.2\r\nt=0 0\r\nm=video 0 RTP/AVP 96\r\n"
    b"a=rtpmap:96 H264/90000\r\na=control:track\r\n"
)


def describe(listening: socket.socket, transport: bytes) -> None:
    """A camera that agrees to everything, says that, and sends nothing."""
    client, _ = listening.accept()
    with client:
        data = b""
        while more := client.recv(4096):
            data += more
            while b"\r\n\r\n" in data:
                request, _, data = data.partition(b"\r\n\r\n")
                number, body = re.search(rb"CSeq: \d+", request), SDP if request[:8] == b"DESCRIBE" else b""
                assert number
                head = [b"RTSP/1.0 200 OK", number[0], b"Session: 1", b"Transport: " + transport]
                head += [b"Content-Type: application/sdp", b"Content-Length: %d" % len(body)]
                client.sendall(b"\r\n".join(head) + b"\r\n\r\n" + body)


def test_a_camera_over_udp_is_sent_what_it_would_have_sent_to_others() -> None:
    """The first packets, which open the way through routers."""
    with (
        socket.create_server(("127.0.0.1", 0)) as listening,
        socket.socket(type=socket.SOCK_DGRAM) as camera,
        socket.socket(type=socket.SOCK_DGRAM) as other,
    ):
        camera.bind(("127.0.0.1", 0))
        camera.settimeout(20)
        port = camera.getsockname()[1]
        other.bind(("127.0.0.2", port))
        other.setblocking(False)
        transport = b"RTP/AVP/UDP;unicast;client_port=5000-5001;server_port=%d-%d;source=127.0.0.2" % (
            port,
            port,
        )
        threading.Thread(target=describe, args=(listening, transport), daemon=True).start()
        uri = f"rtsp://127.0.0.1:{listening.getsockname()[1]}/x#transport=udp"
        with Reading(live_source(uri)):
            assert camera.recv(2048)
        with pytest.raises(BlockingIOError):
            other.recv(2048)
