"""The files in launch/ that spread a fleet over machines."""

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

LAUNCH = Path(__file__).parents[2] / "launch"


def cluster() -> dict[str, Any]:
    values = yaml.safe_load((LAUNCH / "ray-cluster.yaml").read_text())
    assert isinstance(values, dict)
    return values


def test_the_cluster_asks_for_a_token_and_reports_nothing() -> None:
    values = cluster()
    for key in ("head_start_ray_commands", "worker_start_ray_commands"):
        [start] = [one for one in values[key] if "ray start" in one]
        assert start.startswith("RAY_AUTH_MODE=token RAY_USAGE_STATS_ENABLED=0 ")
    assert values["file_mounts"] == {"~/.ray/auth_token": "~/.ray/auth_token"}
    assert "--include-dashboard=false" in values["head_start_ray_commands"][1]


def test_ray_takes_the_cluster() -> None:
    util = pytest.importorskip("ray.autoscaler._private.util", reason="the extra fleet-ray is not installed")
    util.validate_config(util.prepare_config(cluster()))


@pytest.mark.parametrize("first", [0, 1])
def test_each_job_of_slurm_takes_its_share(tmp_path: Path, first: int) -> None:
    """With a stand-in for srun, which shows what it is to run."""
    srun = tmp_path / "bin" / "srun"
    srun.parent.mkdir()
    srun.write_text('#!/bin/bash\necho "$@"; dirname "$3"; cat "$3"\n')
    srun.chmod(0o755)
    manifest = tmp_path / "day.txt"
    manifest.write_text("# a day\na.mp4\n\nb c.mp4\ns3://x/c.mp4\nd.mp4\n")
    shares = []
    for number in range(3):
        environment = os.environ | {
            "PATH": f"{srun.parent}{os.pathsep}{os.environ['PATH']}",
            "SLURM_ARRAY_TASK_ID": str(first + number),
            "SLURM_ARRAY_TASK_MIN": str(first),
            "SLURM_ARRAY_TASK_COUNT": "3",
        }
        done = subprocess.run(
            ["bash", LAUNCH / "slurm.sh", manifest, "out"],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        words, folder, *lines = done.stdout.splitlines()
        assert words.startswith("perception fleet ") and f" out/{number} --engine onnx-cpu-int8 " in words
        assert folder == str(tmp_path)
        shares.append(lines)
    assert shares == [["a.mp4", "d.mp4"], ["b c.mp4"], ["s3://x/c.mp4"]]
    assert sorted(one.name for one in tmp_path.iterdir()) == ["bin", "day.txt"]
