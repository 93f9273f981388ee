"""A fleet on a cluster of Ray, which is started for the test."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from perception.errors import ConfigError
from perception.fleet.cluster import Cluster
from perception.fleet.record import read_record
from tests.fleet.conftest import FleetRun, write_drive

pytest.importorskip("ray", reason="the extra fleet-ray is not installed")


def test_a_cluster_gives_the_same_and_reports_the_same(tmp_path: Path, fleet: FleetRun) -> None:
    for index, name in enumerate(("a", "b")):
        write_drive(tmp_path / f"{name}.mp4", index)
    (tmp_path / "text.mp4").write_text("no video")
    drives = ("a.mp4", "b.mp4", "text.mp4")
    done = fleet(*drives, "far", "--ray", "auto", "--json")
    assert done.returncode == 1
    assert json.loads(done.stdout)["done"] == 2
    assert "perception: text failed: source" in done.stderr and "not a readable video" in done.stderr
    assert fleet(*drives, "near", "--quiet").returncode == 1
    for name in "ab":
        far, near = (read_record(tmp_path / out / name) for out in ("far", "near"))
        assert far is not None and near is not None
        assert (far.digest, far.configuration) == (near.digest, near.configuration)
    # What is done on one machine is done for the cluster.
    assert json.loads(fleet("a.mp4", "far", "--json").stdout)["resumed"] == 1


def test_who_has_no_token_is_not_let_in(tmp_path: Path) -> None:
    program = (
        "import subprocess, sys, os, ray\n"
        "from perception.fleet.cluster import Cluster\n"
        "cluster = Cluster('auto', None, 'onnx-cpu')\n"
        "address = ray.get_runtime_context().gcs_address\n"
        "assert os.environ['RAY_USAGE_STATS_ENABLED'] == '0'\n"
        "code = 'import ray, sys; ray.init(address=sys.argv[1], logging_level=50); print(ray.nodes())'\n"
        "stranger = {**os.environ, 'RAY_AUTH_MODE': 'disabled'}\n"
        "words, heard = [sys.executable, '-c', code, address], {'capture_output': True, 'text': True}\n"
        "done = subprocess.run(words, env=stranger, **heard)\n"
        "friend = subprocess.run(words, **heard)\n"
        "cluster.close()\n"
        "print(done.returncode, friend.returncode)\n"
    )
    environment = {key: value for key, value in os.environ.items() if not key.startswith("RAY_")}
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=environment | {"HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
        timeout=280,
    )
    assert done.stdout.splitlines()[-1] == "1 0", done.stderr


def test_no_cluster_is_started_without_a_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    with pytest.raises(ConfigError, match="RAY_AUTH_MODE is disabled"):
        Cluster("auto", None, "onnx-cpu")


def test_a_cluster_that_is_not_there_is_named(fleet: FleetRun, tmp_path: Path) -> None:
    write_drive(tmp_path / "a.mp4")
    done = fleet("a.mp4", "out", "--ray", "nonsense:address:1")
    assert done.returncode == 2 and "ray nonsense:address:1: no cluster can be used" in done.stderr
