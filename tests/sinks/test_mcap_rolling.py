"""Logs in segments, and logs whose writer was killed."""

import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from perception.classes import DRIVE
from perception.frame import Coded
from perception.sinks.registry import open_sink
from tests.interchange.conftest import HEALTH
from tests.mcap_reading import read_log, read_what_is_whole
from tests.sinks.conftest import MakeScene

NAME = re.compile(r"out-\d{8}T\d{6}Z-(\d{4})\.mcap")


def segments(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if NAME.fullmatch(path.name))


def test_segments_of_some_minutes_each_stand_on_their_own(tmp_path: Path, make_scene: MakeScene) -> None:
    """27 frames, one each 5 s: those at 0 to 60, 65 to 125 and 130 s."""
    sink = open_sink(f"{tmp_path}/out.mcap?minutes=1", 25.0, DRIVE)
    for sequence in range(27):
        frame, scene = make_scene(sequence, stamp_ns=5 * 10**9 * sequence)
        sink.write(frame, scene, frame.image)
        sink.write_health(HEALTH)
    sink.close()
    times = []
    for segment in segments(tmp_path):
        found = read_log(segment)
        times.append([one.log_ns // 10**9 for one in found if one.topic == "/front/scene"])
        assert [one.topic for one in found].count("/front/classes") == 1
        assert [one.topic for one in found].count("/front/health") == len(times[-1])
    assert times == [list(range(0, 61, 5)), list(range(65, 126, 5)), [130]]


def test_minutes_are_those_of_the_stream_also_where_the_clock_is_set_back(
    tmp_path: Path, make_scene: MakeScene
) -> None:
    sink = open_sink(f"{tmp_path}/out.mcap?minutes=1", 25.0, DRIVE)
    for sequence in range(27):
        frame, scene = make_scene(sequence, stamp_ns=5 * 10**9 * sequence)
        frame = replace(frame, wall_ns=1_800_000_000 * 10**9 + frame.stamp_ns % (30 * 10**9))
        sink.write(frame, scene, frame.image)
    sink.close()
    counts = [sum(one.topic == "/front/scene" for one in read_log(path)) for path in segments(tmp_path)]
    assert counts == [13, 13, 1]


def test_segments_of_some_bytes_within_bounds(tmp_path: Path, make_scene: MakeScene) -> None:
    """Labels of noise take some 7 kB a frame: the newest half megabyte of them stays."""
    old = tmp_path / "out-20200101T000000Z-0041.mcap"
    old.write_bytes(bytes(300_000))
    noise, largest = np.random.default_rng(0), 0
    sink = open_sink(f"{tmp_path}/out.mcap?megabytes=0.1&keep=0.5MB&image=none", 5.0, DRIVE)
    for sequence in range(120):
        frame, scene = make_scene(sequence, stamp_ns=10**9 * sequence)
        labels = noise.integers(0, 12, (96, 160), np.uint8)
        sink.write(frame, scene.evolve(labels=labels), frame.image)
        largest = max(largest, sum(path.stat().st_size for path in tmp_path.iterdir()))
    sink.close()
    assert 300_000 < largest <= 530_000 and not old.exists()
    left = segments(tmp_path)
    scenes = [one.value["sequence"] for path in left for one in read_log(path) if one.topic == "/front/scene"]
    assert scenes == list(range(scenes[0], 120)) and 10 < len(scenes) < 110
    assert all(100_000 <= path.stat().st_size < 130_000 for path in left[:-1])


WRITER = """
import sys, time
import numpy as np
import numpy.typing as npt
from perception.classes import DRIVE
from perception.frame import Coded
from perception.frame import Frame
from perception.scene import Status, unknown_scene
from perception.sinks.registry import open_sink
sink = open_sink(sys.argv[1], 25.0, DRIVE)
for number in range(10**6):
    frame = Frame(np.zeros((48, 80, 3), np.uint8), number * 40_000_000, sequence=number)
    sink.write(frame, unknown_scene(frame, Status.OK), frame.image)
    print(number + 1, flush=True)
"""


@pytest.mark.parametrize("options", ["", "?megabytes=0.01"])
def test_a_kill_costs_at_most_the_last_second(tmp_path: Path, options: str) -> None:
    """Another process writes 25 small frames a second, of which a chunk would hold many seconds."""
    uri = f"{tmp_path}/out.mcap{options}"
    with subprocess.Popen([sys.executable, "-c", WRITER, uri], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        written = next(int(line) for line in process.stdout if int(line) == 140)
        os.kill(process.pid, signal.SIGKILL)
    files = sorted(tmp_path.glob("*.mcap"))
    assert len(files) > 1 if options else len(files) == 1
    found = [one for path in files for one in read_what_is_whole(path)]
    for topic in ("scene", "labels", "instances", "annotations", "picture"):
        kept = [one.log_ns for one in found if one.topic == f"/front/{topic}"]
        assert kept == [40_000_000 * number for number in range(len(kept))]
        assert len(kept) >= written - 25


READER = """
const { McapIndexedReader } = require("@mcap/core");
const { open } = require("fs/promises");
const protobuf = require("protobufjs");
require("protobufjs/ext/descriptor");
const fzstd = require("fzstd");
const crypto = require("crypto");
(async () => {
  const file = await open(process.argv[2], "r");
  const size = BigInt((await file.stat()).size);
  const readable = {
    size: async () => size,
    read: async (offset, length) => {
      const buffer = new Uint8Array(Number(length));
      await file.read(buffer, 0, Number(length), Number(offset));
      return buffer;
    },
  };
  const decompressHandlers = { zstd: (data, size) => fzstd.decompress(data, new Uint8Array(Number(size))) };
  const reader = await McapIndexedReader.Initialize({ readable, decompressHandlers });
  for await (const message of reader.readMessages({ validateCrcs: true })) {
    const channel = reader.channelsById.get(message.channelId);
    const schema = reader.schemasById.get(channel.schemaId);
    let bytes = "";
    if (schema.name === "foxglove.RawImage") {
      const root = protobuf.Root.fromDescriptor(
        protobuf.descriptor.FileDescriptorSet.decode(schema.data));
      const image = root.lookupType(schema.name).decode(message.data);
      bytes = crypto.createHash("sha256").update(image.data).digest("hex");
    }
    console.log([channel.topic, schema.name, message.logTime, bytes].join(" "));
  }
})().catch((error) => { console.error(error); process.exit(1); });
"""


def test_foxglove_s_own_reader_reads_it(tmp_path: Path, make_scene: MakeScene) -> None:
    """The npm package, whose reader is that of Foxglove's app."""
    if shutil.which("npm") is None:
        pytest.skip("needs npm")
    install = ["npm", "install", "--no-audit", "--no-fund", "--prefer-offline", "--ignore-scripts"]
    packages = ["@mcap/core@2.2.2", "fzstd@0.1.1", "protobufjs@7.6.6"]
    try:
        subprocess.run([*install, *packages], cwd=tmp_path, check=True, capture_output=True, timeout=60)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        pytest.skip(f"its packages cannot be installed here ({error})")
    sink = open_sink(f"{tmp_path}/out.mcap", 25.0, DRIVE)
    scenes = []
    for sequence in range(30):
        frame, scene = make_scene(sequence)
        sink.write(frame, scene, frame.image)
        scenes.append(scene)
    sink.close()
    (tmp_path / "read.cjs").write_text(READER)
    said = subprocess.run(
        ["node", "read.cjs", "out.mcap"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert said.returncode == 0, said.stderr
    lines = [line.split(" ") for line in said.stdout.splitlines()]
    assert len(lines) == 1 + 5 * 30
    maps: dict[str, list[npt.NDArray[np.generic]]]
    maps = {"labels": [one.labels for one in scenes], "instances": [one.instance_map for one in scenes]}
    for name, of_frames in maps.items():
        sums = [hashlib.sha256(ids.tobytes()).hexdigest() for ids in of_frames]
        stamps = [str(40_000_000 * number) for number in range(30)]
        found = [line[2:] for line in lines if line[0] == f"/front/{name}"]
        assert found == [list(one) for one in zip(stamps, sums, strict=True)]


@pytest.mark.parametrize(("image", "pieces"), [("h264", False), ("jpeg", True), ("none", True)])
def test_only_video_waits_for_a_key_frame(
    tmp_path: Path, make_scene: MakeScene, image: str, pieces: bool
) -> None:
    """A camera that sends no second one, as those that refresh a part of each picture do."""
    sink = open_sink(f"{tmp_path}/out.mcap?megabytes=0.02&image={image}", 25.0, DRIVE)
    for number in range(60):
        frame, scene = make_scene(number)
        unit = Coded("h264", b"\0\0\0\1\x65" + bytes(500), key=number == 0)
        sink.write(replace(frame, coded=unit), scene, frame.image)
    sink.close()
    assert (len(segments(tmp_path)) > 1) is pieces
