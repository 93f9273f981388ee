"""Logs compared with folders: the same drive is the same in both forms."""

import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from perception.app import cli
from perception.classes import DRIVE
from perception.errors import ConfigError
from perception.interchange.files.records import scene_record
from tests.interchange.conftest import a_frame, write_folder

pytest.importorskip("mcap")
pytest.importorskip("foxglove_schemas_protobuf")

from foxglove_schemas_protobuf.CompressedImage_pb2 import CompressedImage
from foxglove_schemas_protobuf.RawImage_pb2 import RawImage
from mcap.writer import CompressionType, Writer

PROTOBUF = {
    "labels": "foxglove.RawImage",
    "instances": "foxglove.RawImage",
    "picture": "foxglove.CompressedImage",
}
JSON = {"scene": "perception.Scene", "classes": "perception.Classes"}


def write_log(
    path: Path,
    change: Any = None,
    cameras: tuple[str, ...] = ("front",),
    maps: bool = True,
    left_out: Collection[int] = (),
) -> Path:
    """The drive of `write_folder` as a log; `change` is called with each frame's maps.

    In the frames `left_out`, road users and lanes were not looked for.
    """
    with path.open("wb") as file:
        writer = Writer(file, compression=CompressionType.ZSTD, chunk_size=20_000)
        writer.start()
        for camera in cameras:
            channels = {}
            for name, kind in (PROTOBUF | JSON).items():
                if maps or name not in ("labels", "instances"):
                    encodings = ("protobuf", "protobuf") if name in PROTOBUF else ("jsonschema", "json")
                    schema = writer.register_schema(kind, encodings[0], b"")
                    channels[name] = writer.register_channel(f"/{camera}/{name}", encodings[1], schema)
            classes = [{"id": number, "name": name} for number, name in enumerate(DRIVE.names)]
            stamps = {"log_time": 0, "publish_time": 0}
            writer.add_message(channels["classes"], data=json.dumps({"classes": classes}).encode(), **stamps)
            for number in range(4):
                frame, scene = a_frame(number)
                if number in left_out:
                    scene = scene.evolve(instances=(), lanes=(), left_out=("instances", "lanes"))
                labels, ids = scene.labels.copy(), scene.instance_map.copy()
                if change is not None:
                    change(number, labels, ids)
                size = {"width": labels.shape[1], "height": labels.shape[0]}
                jpeg = cv2.imencode(".jpg", frame.image)[1].tobytes()
                messages = {
                    "scene": json.dumps(scene_record(scene, DRIVE)).encode(),
                    "labels": RawImage(encoding="mono8", data=labels.tobytes(), **size).SerializeToString(),
                    "instances": RawImage(encoding="mono16", data=ids.tobytes(), **size).SerializeToString(),
                    "picture": CompressedImage(format="jpeg", data=jpeg).SerializeToString(),
                }
                for name, channel in channels.items():
                    if name in messages and (name != "instances" or number not in left_out):
                        stamps = dict.fromkeys(("log_time", "publish_time"), frame.stamp_ns)
                        writer.add_message(channel, data=messages[name], **stamps)
        writer.finish()  # type: ignore[no-untyped-call]
    return path


def diff(*arguments: object, status: int) -> dict[str, Any]:
    done = CliRunner().invoke(cli.app, ["diff", *map(str, arguments), "--json"])
    assert done.exit_code == status, done.output or done.exception
    found: dict[str, Any] = json.loads(done.output)
    return found


def test_a_log_is_the_same_as_the_folder_of_its_drive(tmp_path: Path) -> None:
    log, folder = write_log(tmp_path / "a.mcap"), write_folder(tmp_path / "b")
    for pair in ((log, folder), (folder, log), (log, log)):
        found = diff(*pair, status=0)
        assert (found["paired_by"], found["paired"], found["identical"]) == ("stamp_ns", 4, 4)
        assert found["instances"]["matched"] == 12 and found["labels"]["iou"]["road"] == 1


def test_a_log_of_which_some_scenes_were_not_perceived_is_compared(tmp_path: Path) -> None:
    """As of a live run under load: where nobody was looked for, no instances are in the log."""
    logs = [write_log(tmp_path / f"{name}.mcap", left_out={1, 3}) for name in "ab"]
    found = diff(*logs, status=0)
    assert (found["paired"], found["identical"]) == (4, 4)
    assert found["instances"]["matched"] == 6


def test_what_differs_in_a_log_is_told(tmp_path: Path) -> None:
    def change(number: int, labels: Any, ids: Any) -> None:
        if number == 2:
            labels[:10] = DRIVE.id("building")
            ids[ids == 9001] = 0
            ids[50:90, 180:190] = 9001

    folder, log = write_folder(tmp_path / "a"), write_log(tmp_path / "b.mcap", change)
    found = diff(folder, log, "--worst", 1, tmp_path / "worst", status=1)
    assert found["frames"][2]["labels"]["agreement"] == pytest.approx(1 - 10 / 144)
    assert found["frames"][2]["labels"]["iou"]["building"] == 0
    assert (found["instances"]["only_a"], found["instances"]["only_b"]) == (1, 1)
    assert [path.name for path in (tmp_path / "worst").iterdir()] == ["001-000002.png"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"cameras": ("left", "right")}, "has scenes of /left/scene, /right/scene; one is compared"),
        ({"cameras": ()}, "has scenes of no camera"),
        ({"maps": False}, "frame 000000: only one of the runs has label maps"),
    ],
)
def test_logs_that_cannot_be_compared(options: dict[str, Any], words: str, tmp_path: Path) -> None:
    log, folder = write_log(tmp_path / "a.mcap", **options), write_folder(tmp_path / "b")
    done = CliRunner().invoke(cli.app, ["diff", str(log), str(folder)])
    assert isinstance(done.exception, ConfigError) and words in str(done.exception)


def test_of_a_log_that_is_cut_what_is_whole_is_compared_and_damage_is_refused(tmp_path: Path) -> None:
    log, folder = write_log(tmp_path / "a.mcap"), write_folder(tmp_path / "b")
    whole = log.read_bytes()
    rng = np.random.default_rng(0)
    for _ in range(60):
        data = bytearray(whole)
        data[int(rng.integers(len(data)))] ^= 1 << int(rng.integers(8))
        cut = int(rng.integers(len(data)))
        for damaged in (data, whole[:cut]):
            log.write_bytes(damaged)
            done = CliRunner().invoke(cli.app, ["diff", str(folder), str(log)])
            refused = isinstance(done.exception, ConfigError)
            assert refused or done.exit_code in (0, 1), done.exception
            if damaged is data:  # a flipped bit never makes another answer
                assert refused or done.exit_code == 0 or "only in A" in done.output, done.output
