"""Memory is bounded whatever is sent: pictures that are too large, and parts of a stream without an end."""

import re
import time
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from perception.bundle.bundle import Bundle
from tests.e2e.faults.node import Node
from tests.e2e.faults.table import Rows
from tests.media import picture
from tests.servers.control import Server

BIG = 16_000  # pixels a side: 1 GB as yuv420p, BGR and an overlay, several times that in flight
MOST_MB = 120  # by which memory grows, where a picture is refused by its header
MOST_PART_MB = 350  # where a part of a stream without an end is cut off: 160, as it grows and is copied
now = time.monotonic_ns


@pytest.fixture(scope="module")
def big(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("big") / "big.jpg"
    cv2.imwrite(str(path), np.full((BIG, BIG), 128, np.uint8), [cv2.IMWRITE_JPEG_QUALITY, 50])
    return path


def peak_mb(node: Node) -> float:
    """The most memory that it ever had."""
    status = Path(f"/proc/{node.process.pid}/status").read_text()
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert found
    return int(found[1]) / 1000


def model(bundle: Bundle) -> tuple[object, ...]:
    return "told/", "--model", bundle.folder, "--engine", "onnx-cpu"


def test_a_camera_that_sends_pictures_too_large(
    rows: Rows, tmp_path: Path, big: Path, breaking_bundle: Bundle
) -> None:
    with Server("parts", big) as camera, Node(rows, tmp_path, camera.url, *model(breaking_bundle)) as node:
        begun = now()
        says, after = node.event(begun, "stream_lost", "16000×16000 = 256.0 million pixels, at most 40", 60.0)
        before = peak_mb(node)
        node.until("tries", lambda: now() - begun > 5e9, 10.0)
        grown = peak_mb(node) - before
        node.end()
        assert grown < MOST_MB
        node.row(
            "camera sends a picture of 16000×16000 (MJPEG)", f"{says}; memory +{grown:.0f} MB", after, begun
        )


def test_a_camera_whose_pictures_become_too_large(
    rows: Rows, tmp_path: Path, breaking_bundle: Bundle
) -> None:
    run = *model(breaking_bundle), "--max-pixels", 320 * 192
    with (
        Server("mjpeg", "--size", "320x192", "--rate", 25) as camera,
        Node(rows, tmp_path, camera.url, *run) as node,
    ):
        node.sound()
        begun = now()
        camera.tell("size 640x384")
        says, after = node.condition(begun, "undecodable", "frames that cannot be decoded", 5.0)
        camera.tell("size 320x192")
        recovered = node.fresh(now(), 5.0)
        report = node.end()
        assert report["dropped"]["undecodable"] > 5
        assert any("640×384 = 0.2 million pixels" in message for message in report["messages"])
        node.row("picture becomes larger than --max-pixels", says, after, begun, recovered)


def test_recordings_of_pictures_too_large(
    rows: Rows, tmp_path: Path, big: Path, breaking_bundle: Bundle
) -> None:
    """Pictures are lost one by one; a video says it of itself."""
    folder, run = tmp_path / "pictures", model(breaking_bundle)
    folder.mkdir()
    for number in range(4):
        (folder / f"{number}.jpg").write_bytes(big.read_bytes())
    small = cv2.imencode(".jpg", picture(0, 192, 320))[1].tobytes()
    (folder / "4.jpg").write_bytes(small)
    with av.open(str(tmp_path / "big.avi"), "w") as container:
        stream = container.add_stream("mjpeg", rate=25)
        stream.width = stream.height = BIG
        stream.pix_fmt = "yuvj420p"
        packet = av.Packet(big.read_bytes())
        packet.stream, packet.pts, packet.dts = stream, 0, 0
        container.mux(packet)
    peaks = {}
    with Node(rows, tmp_path, folder, *run) as node:
        node.until("its end", lambda: node.scenes or node.process.poll() is not None, 60.0)
        peaks["pictures"] = peak_mb(node)
        report = node.end(status=0, number=None)
        assert report["dropped"] == {"undecodable": 4} and report["published"] == 1
        assert "16000×16000 = 256.0 million pixels, at most 40 million" in report["messages"][0]
    for source in ("big.avi", folder / "0.jpg"):
        with Node(rows, tmp_path, source, *run) as node:
            assert node.process.wait(60) == 1
            node._hearing.join()
            assert "16000×16000 = 256.0 million pixels, at most 40 million are decoded" in node.said
    assert peaks["pictures"] < 400
    says = (
        "exit 1, or the picture is lost: a picture has 16000×16000 = 256.0 million pixels, at most 40 million"
    )
    rows.add("pictures of 16000×16000 in recordings", says, None, "4 undecodable of 5 pictures")


@pytest.mark.parametrize("options", [(), ("--length",)])
def test_a_part_of_a_stream_without_an_end(
    rows: Rows, tmp_path: Path, breaking_bundle: Bundle, options: tuple[str, ...]
) -> None:
    with (
        Server("parts", *options) as camera,
        Node(rows, tmp_path, camera.url, *model(breaking_bundle)) as node,
    ):
        begun = now()
        node.until("health", lambda: node.healths, 60.0)
        before = peak_mb(node)
        says, after = node.event(begun, "stream_lost", "", 20.0)
        node.until("tries", lambda: now() - begun > 10e9, 20.0)
        grown = peak_mb(node) - before
        node.end()
        assert grown < MOST_PART_MB
        what = "said to be of 2 GB" if options else "without an end"
        node.row(f"camera sends a part {what}", f"{says}; memory +{grown:.0f} MB", after, begun)
