"""Two real processes train as one would."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from perception.errors import ConfigError
from perception.training.config import load_config
from perception.training.distributed import Ranks, Share
from perception.training.loop import Trainer
from tests.training import toy  # noqa: F401 - makes the network known

ROOT = Path(__file__).parents[2]
# Every pixel of a simulated frame is labelled, and every view lies within its frame: the losses of both
# halves of a batch are means over as many pixels, so that their mean is that of the batch.
RECIPE = """
network: toy
train: [{source: "sim:?frames=2&size=128x96&time=day"}]
validate_on: ["sim:?frames=1&size=128x96&seed=5"]
class_balance: false
crop: [32, 32]
scale: [1, 1]
pixels: 12288
paste: 0
batch: 4
steps: 10
checkpoint_every: 5
validate_every: 10
workers: 0
decoder_rate: 0.01
"""


def test_two_processes_learn_what_one_does(tmp_path: Path) -> None:
    recipe, folder = tmp_path / "recipe.yaml", tmp_path / "run"
    recipe.write_text(RECIPE)
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "torch.distributed.run",
            "--nproc-per-node",
            "2",
            "--rdzv-backend",
            "c10d",
            "--rdzv-endpoint",
            "127.0.0.1:0",
            "--local-addr",
            "127.0.0.1",
            "-m",
            "tests.training.toy",
            "train",
            recipe,
            folder,
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.count("next: perception export") == 1
    first, second = (torch.load(folder / f"rank{rank}.pt") for rank in (0, 1))
    assert all(torch.equal(first[name], second[name]) for name in first)

    alone = Trainer(load_config(recipe, tmp_path, {}), tmp_path / "alone")
    begun = {name: weight.clone() for name, weight in alone.network.state_dict().items()}
    alone.train()
    for name, weight in alone.network.state_dict().items():
        moved = (weight - begun[name]).abs().max()
        assert (first[name] - weight).abs().max() < 0.01 * moved, name
    logs = [
        [json.loads(line) for line in (one / "log.jsonl").read_text().splitlines()]
        for one in (folder, tmp_path / "alone")
    ]
    together, single = ([line["loss"] for line in log if "loss" in line] for log in logs)
    assert len(together) == 1  # the second process wrote none
    assert together == pytest.approx(single, rel=1e-4)


def test_shares_are_disjoint_and_make_up_each_batch() -> None:
    cpu = torch.device("cpu")
    shares = [list(Share(12, 6, Ranks(cpu, rank, 3))) for rank in range(3)]
    assert shares == [[0, 1, 6, 7], [2, 3, 8, 9], [4, 5, 10, 11]]
    assert list(Share(4, 2, Ranks(cpu))) == [0, 1, 2, 3]
    with pytest.raises(ConfigError, match="batch: 8 cannot be shared by 3 processes"):
        Ranks(cpu, 0, 3).share(8)
