"""Data in pieces for another machine, and legs of training there: what arrives is what left."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from perception.datasets.dataset import Sample
from perception.datasets.opening import open_dataset
from perception.errors import DataError
from perception.training.checkpoint import read_checkpoint
from perception.training.packing import Packer, open_packed, pack

ROOT = Path(__file__).parents[2]


class Frames:
    """Some frames of coloured fields, with labels and instances of noise."""

    def __init__(self, name: str, count: int) -> None:
        self.name = name
        self.count = count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Sample:
        rng = np.random.default_rng([self.count, index])
        image = np.repeat(np.repeat(rng.integers(0, 256, (5, 6, 3), np.uint8), 8, 0), 10, 1)
        target = rng.choice(np.array([0, 1, 1 << 8, (1 << 12) - 1, 1 << 30], np.uint32), (40, 60))
        return Sample(f"{self.name}-{index}", image, target, rng.integers(0, 65535, (40, 60), np.uint16))


def test_what_is_packed_comes_back(tmp_path: Path) -> None:
    sets = [Frames("a:x/few", 3), Frames("b:x/many", 9)]
    pieces = pack(sets, tmp_path, piece=40_000)
    assert len(pieces) > 1
    assert all(piece.stat().st_size <= 40_000 for piece in pieces)
    opened = open_packed(tmp_path, ["a:y/x/few", "b:y/x/many"])  # it may lie elsewhere there
    assert [len(one) for one in opened] == [3, 9]
    for frames, packed in zip(sets, opened, strict=True):
        for index in range(len(frames)):
            left, arrived = frames[index], packed[index]
            assert arrived.name == left.name
            np.testing.assert_array_equal(arrived.target, left.target)
            np.testing.assert_array_equal(arrived.instances, left.instances)
            assert np.abs(arrived.image.astype(int) - left.image).mean() < 30  # JPEG, of noise


@pytest.mark.parametrize(
    ("source", "what"),
    [("sim+depth:", "depth"), ("sim+key_points:", "key_points"), ("noisy:sim:", "picture")],
)
def test_what_pieces_do_not_hold_is_refused(tmp_path: Path, source: str, what: str) -> None:
    """It would be missing there without a word."""
    with pytest.raises(DataError, match=f"its {what} cannot be packed"):
        pack([open_dataset(f"{source}?frames=1&size=128x96")], tmp_path)


def test_the_first_piece_alone_has_a_share_of_every_set(tmp_path: Path) -> None:
    pieces = pack([Frames("a:x", 4), Frames("b:y", 12)], tmp_path, piece=60_000)
    for piece in pieces[1:]:
        piece.unlink()
    few, many = open_packed(tmp_path, ["a:x", "b:y"])
    assert 0 < len(few) < len(many) < 12
    pieces[0].write_bytes(b"no tar at all" * 100)
    with pytest.raises(DataError, match=r"data-000\.tar: not a piece of packed data"):
        open_packed(tmp_path, ["a:x", "b:y"])


def test_other_data_than_the_recipes_are_refused(tmp_path: Path) -> None:
    pack([Frames("a:x", 1)], tmp_path)
    with pytest.raises(DataError, match="packed from other data sets than the recipe's: a: x"):
        open_packed(tmp_path, ["c:x"])
    with pytest.raises(DataError, match=r"sets\.json: cannot be read"):
        open_packed(tmp_path / "elsewhere", ["a:x"])
    with pytest.raises(DataError, match="but a piece holds 20000; make pieces larger"):
        Packer(tmp_path, 20_000).add("00", 0, Frames("a:x", 1)[0])


RECIPE = """
train: [{source: "sim:?frames=2&size=128x96&time=day&weather=clear"}]
crop: [64, 64]
pixels: 12288
batch: 2
steps: 1000000
schedule: trapezoid
average: 0.9
class_balance: false
checkpoint_every: 1000000
workers: 0
"""


def test_legs_go_on_where_the_last_one_ended(tmp_path: Path) -> None:
    """Two legs of a few steps, the second on a machine that has only the parts that came back."""
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(RECIPE)
    environment = {**os.environ, "PYTHON": sys.executable, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}

    def run(*words: str | Path) -> None:
        subprocess.run([*map(str, words)], cwd=ROOT, env=environment, check=True, capture_output=True)

    run(sys.executable, "-m", "perception.training", recipe, tmp_path / "pieces", "--pack")
    leg = ROOT / "launch" / "gpu-leg.sh"
    run(leg, "leg", recipe, tmp_path / "pieces", tmp_path / "there", tmp_path / "back", "0.03")
    run(leg, "join", tmp_path / "back", tmp_path / "here")
    first = read_checkpoint(tmp_path / "here" / "checkpoint.pt")["step"]
    assert first >= 1
    there = tmp_path / "again"
    there.mkdir()
    for part in (tmp_path / "back").iterdir():
        (there / part.name).write_bytes(part.read_bytes())
    run(leg, "leg", recipe, tmp_path / "pieces", there, tmp_path / "back", "0.03", "--initial", "nowhere")
    run(leg, "join", tmp_path / "back", tmp_path / "here")
    assert read_checkpoint(tmp_path / "here" / "checkpoint.pt")["step"] > first
    logged = [json.loads(line)["step"] for line in (tmp_path / "here" / "log.jsonl").read_text().splitlines()]
    assert logged == sorted(logged)
