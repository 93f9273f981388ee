"""The reader in C that the docs show, next to a live node."""

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from tests.e2e.faults.node import Node
from tests.e2e.faults.table import Rows
from tests.media import read_image
from tests.servers.control import ROOT, Server

CAMERA = "--size", "320x192", "--rate", "25"
COMPILER = shutil.which("cc") or ""


@pytest.mark.skipif(not COMPILER, reason="cc is not installed")
def test_a_reader_in_c_sees_what_the_node_publishes(
    rows: Rows, tmp_path: Path, runtime: Path, arguments: tuple[object, ...]
) -> None:
    program = tmp_path / "shm_reader"
    build: list[str | Path] = [
        COMPILER,
        "-Wall",
        "-Wextra",
        "-Werror",
        "-o",
        program,
        ROOT / "docs/shm_reader.c",
    ]
    subprocess.run(build, check=True)
    with (
        Server("mjpeg", *CAMERA) as camera,
        Node(rows, tmp_path, camera.url, "shm:front", *arguments) as node,
    ):
        node.sound()
        path = runtime / "perception-front.sock"
        reader = subprocess.Popen([program, path], stdout=subprocess.PIPE, text=True)
        assert reader.stdout is not None
        lines = [reader.stdout.readline().split() for _ in range(20)]
        camera.tell("black")
        while True:
            lines.append(reader.stdout.readline().split())
            if lines[-1][1] == "unreliable":
                break
        node.end()
        lines += [line.split() for line in reader.stdout]
        assert reader.wait(10) == 0
        reader.stdout.close()
    told = {str(scene["stamp_ns"]): scene for scene in node.scenes}
    trusted = 0
    for stamp, status, size, *counts in lines:
        if (scene := told.get(stamp)) is None:  # the folder had no time for it
            continue
        assert (status, size) == (scene["status"], "320x192")
        if status == "ok":
            labels = read_image(tmp_path / f"told/{scene['stem']}.labels.png")
            ids, pixels = np.unique(labels, return_counts=True)
            assert counts == [f"{one}:{count}" for one, count in zip(ids, pixels, strict=True)]
            trusted += 1
        else:
            assert counts == []
    assert trusted >= 15
