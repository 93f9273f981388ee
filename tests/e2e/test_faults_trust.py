"""Cameras that are somebody else, or would have the node fetch from elsewhere, as the node tells of them."""

import time
from pathlib import Path

import trustme

from tests.e2e.faults.node import START_S, Node
from tests.e2e.faults.table import Rows
from tests.servers.fronts import front

now = time.monotonic_ns
MOVED = b"HTTP/1.1 302 Found\r\nLocation: http://localhost:%d/?token=OVERHEARD\r\nContent-Length: 0\r\n\r\n"
MOVED_RTSP = b"RTSP/1.0 302 Found\r\nCSEQ\r\nLocation: rtsp://localhost:%d/?token=OVERHEARD\r\n\r\n"
PLAYLIST = b"HTTP/1.1 200 OK\r\nContent-Type: application/vnd.apple.mpegurl\r\nContent-Length: %d\r\n\r\n%b"
LIST = b"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\nhttp://127.0.0.1:%d/x.ts\n#EXT-X-ENDLIST\n"


def test_a_camera_with_a_certificate_of_another_name(
    rows: Rows, tmp_path: Path, arguments: tuple[object, ...]
) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    certificate = authority.issue_cert("camera.example")
    for scheme in ("https", "rtsps"):
        with front(certificate=certificate) as (port, heard):
            uri = f"{scheme}://car:hunter2@localhost:{port}/stream?ca=ca.pem"
            with Node(rows, tmp_path, uri, *arguments) as node:
                says, after = node.event(now(), "stream_lost", "Hostname mismatch", START_S)
                node.row(f"{scheme}: a certificate of another name", says.partition("lost: ")[2], None, now())
                node.end()
                assert "hunter2" not in node.said
            assert not any(heard) and after < START_S


def test_a_camera_that_sends_the_node_elsewhere(
    rows: Rows, tmp_path: Path, arguments: tuple[object, ...]
) -> None:
    with front() as (elsewhere, heard):
        playlist = LIST % elsewhere
        http, rtsp = (
            "http://car:hunter2@127.0.0.1:{}/stream",
            "rtsp://car:hunter2@127.0.0.1:{}/#transport=udp",
        )
        away = "not within its host"
        for fault, place, answer, words in (
            ("camera redirects to another host", http, MOVED % elsewhere, away),
            ("RTSP camera redirects to another host, over UDP", rtsp, MOVED_RTSP % elsewhere, away),
            (
                "camera answers with a playlist",
                http,
                PLAYLIST % (len(playlist), playlist),
                "what it sends is",
            ),
        ):
            with front(answer) as (port, _):
                uri = place.format(port)
                with Node(rows, tmp_path, uri, *arguments) as node:
                    says, _ = node.event(now(), "stream_lost", words, START_S)
                    shown = says.partition("lost: ")[2].replace(str(elsewhere), "…")
                    node.row(fault, shown, None, now())
                    node.end()
                    assert "OVERHEARD" not in node.said and "hunter2" not in node.said
        assert heard == []
