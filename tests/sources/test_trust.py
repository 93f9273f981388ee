"""Cameras with certificates, and cameras that would have the node fetch from elsewhere."""

import datetime
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import trustme

from perception.errors import ConfigError, SourceError
from perception.health.types import LinkState
from perception.sources.registry import SOURCES, open_source
from tests.servers.control import Server
from tests.servers.fronts import front
from tests.sources.live import Reading, live_source, lost, until

LONG_AGO = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
SMALL = ("--size", "160x96")


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def ports() -> Iterator[dict[str, int]]:
    """Of plain servers, by the scheme with TLS."""
    with Server("mjpeg", *SMALL) as mjpeg, Server("rtsp", *SMALL, "--gop", "5") as rtsp:
        yield {"https": urlsplit(mjpeg.url).port or 0, "rtsps": urlsplit(rtsp.url).port or 0}


@pytest.fixture
def ca(authority: trustme.CA, tmp_path: Path) -> Path:
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    return tmp_path / "ca.pem"


@pytest.mark.parametrize("scheme", ["https", "rtsps"])
@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_a_camera_with_a_good_certificate_is_read(
    scheme: str, host: str, ports: dict[str, int], authority: trustme.CA, ca: Path
) -> None:
    certificate = authority.issue_cert("localhost", "127.0.0.1")
    with front(behind=ports[scheme], certificate=certificate) as (port, heard):
        uri = f"{scheme}://car:hunter2@{host}:{port}/stream?ca={ca}"
        with Reading(live_source(uri)) as reading:
            reading.more(10)
        assert b"ca=" not in heard[0] and b"hunter2" not in reading.source.uri.encode()


@pytest.mark.parametrize("scheme", ["https", "rtsps"])
@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("stranger", "unable to get local issuer certificate"),
        ("system", "unable to get local issuer certificate"),
        ("other name", "Hostname mismatch"),
        ("expired", "certificate has expired"),
    ],
)
def test_a_camera_that_is_somebody_else_is_told_nothing(
    scheme: str, kind: str, words: str, authority: trustme.CA, ca: Path
) -> None:
    certificate = {
        "stranger": lambda: trustme.CA().issue_cert("localhost"),
        "system": lambda: authority.issue_cert("localhost"),
        "other name": lambda: authority.issue_cert("camera.example"),
        "expired": lambda: authority.issue_cert("localhost", not_after=LONG_AGO),
    }[kind]()
    with front(b"RTSP/1.0 200 OK\r\n\r\n", certificate=certificate) as (port, heard):
        given = "" if kind == "system" else f"?ca={ca}"
        with Reading(live_source(f"{scheme}://car:hunter2@localhost:{port}/stream{given}")) as reading:
            until(lambda: reading.source.link.state is LinkState.LOST)
            link = reading.source.link
        assert words in link.reason and "use ?tls=insecure" in link.reason and link.connections == 0
        assert not any(heard)


@pytest.mark.parametrize("scheme", ["https", "rtsps"])
def test_without_verification_it_is_read_and_said(
    scheme: str, ports: dict[str, int], caplog: pytest.LogCaptureFixture
) -> None:
    certificate = trustme.CA().issue_cert("camera.example")
    with front(behind=ports[scheme], certificate=certificate) as (port, heard):
        with Reading(live_source(f"{scheme}://localhost:{port}/stream?tls=insecure")) as reading:
            reading.more(5)
        assert b"insecure" not in heard[0]
    assert "its certificate is not verified, as asked for" in caplog.text


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("tls=none", "allowed is insecure"),
        ("ca=/nowhere.pem", "must be a file of certificates in PEM"),
        ("ca=/dev/null", "must be a file of certificates in PEM"),
        ("tls=insecure&tls=insecure", "given twice"),
    ],
)
def test_options_of_trust_that_are_wrong(query: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        SOURCES.parse(f"rtsps://localhost/x?{query}")


def test_others_options_are_the_cameras() -> None:
    assert SOURCES.parse("http://localhost/x?tls=1&ca=2").options.url == "http://localhost/x?tls=1&ca=2"
    assert SOURCES.parse("https://h/x?a=1&tls=insecure&b=%26").options.url == "https://h/x?a=1&b=%26"


def test_without_tls_there_is_none() -> None:
    with front(b"no") as (port, _), Reading(live_source(f"rtsps://localhost:{port}/x")) as reading:
        until(lambda: reading.source.link.state is LinkState.LOST)
        assert "it does not speak TLS" in reading.source.link.reason


PLAYLISTS = {
    "m3u8": "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n{}\n#EXT-X-ENDLIST\n",
    "ffconcat": "ffconcat version 1.0\nfile {}\n",
    "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 9 RTP/AVP 96\n"
    "a=rtpmap:96 H264/90000\na=control:{}\n",
    "mpd": '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011"><BaseURL>{}</BaseURL></MPD>',
}


@pytest.mark.parametrize("kind", PLAYLISTS)
def test_no_playlist_is_followed(kind: str, tmp_path: Path) -> None:
    with front() as (elsewhere, heard):
        text = PLAYLISTS[kind].format(f"http://127.0.0.1:{elsewhere}/x.ts")
        head = f"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {len(text)}\r\n\r\n"
        with front((head + text).encode()) as (port, _):
            assert "playlist" in (reason := lost(f"http://127.0.0.1:{port}/x.{kind}")) or "no video" in reason
        for name in (f"x.{kind}", "x.mp4"):
            (tmp_path / name).write_text(text)
            with pytest.raises(SourceError, match="not a readable video"):
                open_source(str(tmp_path / name))
        assert heard == []
