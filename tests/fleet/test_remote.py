"""Drives that lie elsewhere: fetched by the worker, and removed afterwards."""

import json
import zipfile
from pathlib import Path

import pytest

from perception.fleet.record import read_record
from tests.fleet.conftest import FleetRun, write_drive
from tests.fleet.test_fleet import names_in


def digest(folder: Path) -> str:
    record = read_record(folder)
    assert record is not None
    return record.digest


def test_a_drive_in_an_archive_is_what_the_file_is(tmp_path: Path, fleet: FleetRun) -> None:
    drive = write_drive(tmp_path / "here.mp4", 2)
    with zipfile.ZipFile(tmp_path / "day.zip", "w") as archive:
        archive.write(drive, "night/there.mp4")
    uri = f"zip://night/there.mp4::{tmp_path}/day.zip"
    assert fleet("here.mp4", uri, "out", "--quiet").returncode == 0
    assert digest(tmp_path / "out" / "there") == digest(tmp_path / "out" / "here")
    assert names_in(tmp_path / "out") == ["here", "summary.json", "there"]
    assert json.loads(fleet("here.mp4", uri, "out", "--json").stdout)["resumed"] == 2


def test_drives_come_from_s3(tmp_path: Path, fleet: FleetRun, monkeypatch: pytest.MonkeyPatch) -> None:
    server = pytest.importorskip("moto.server", reason="moto is not installed")
    pytest.importorskip("s3fs", reason="s3fs is not installed")
    boto3 = pytest.importorskip("boto3")
    running = server.ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    running.start()
    try:
        endpoint = "http://{}:{}".format(*running.get_host_and_port())
        for name, value in (
            ("AWS_ENDPOINT_URL", endpoint),
            ("AWS_ACCESS_KEY_ID", "test"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
            ("AWS_DEFAULT_REGION", "us-east-1"),
        ):
            monkeypatch.setenv(name, value)
        client = boto3.client("s3")
        client.create_bucket(Bucket="fleet")
        for index, name in enumerate(("a", "b")):
            drive = write_drive(tmp_path / f"{name}.mp4", index)
            client.upload_file(str(drive), "fleet", f"day/{name}.mp4")
        client.put_object(Bucket="fleet", Key="day/list.txt", Body=b"a.mp4\ns3://fleet/day/no.mp4\n")
        missing = fleet("s3://fleet/day/list.txt", "out")
        assert (
            missing.returncode == 2
            and "s3://fleet/day/no.mp4: no recording has such a name" in missing.stderr
        )
        assert fleet("a.mp4", "b.mp4", "here", "--quiet").returncode == 0
        done = fleet("s3://fleet/day/*.mp4", "out", "--json")
        assert done.returncode == 0, done.stderr
        for name in "ab":
            assert digest(tmp_path / "out" / name) == digest(tmp_path / "here" / name)
        client.put_object(Bucket="fleet", Key="day/a.mp4", Body=(tmp_path / "b.mp4").read_bytes())
        again = fleet("s3://fleet/day/*.mp4", "out", "--json")
        assert json.loads(again.stdout)["resumed"] == 1
        assert digest(tmp_path / "out" / "a") == digest(tmp_path / "here" / "b")
    finally:
        running.stop()
