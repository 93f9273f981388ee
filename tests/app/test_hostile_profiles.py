"""Profiles and recipes of strangers: one clear error, exit status 2, no traceback."""

import io
import json
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from perception.app.config import RunConfig
from perception.errors import ConfigError, DataError, PerceptionError
from perception.sinks.registry import SINKS
from perception.sources.registry import SOURCES, open_source
from perception.training.checkpoint import read_checkpoint
from perception.training.config import TrainingConfig, load_config

BOMB = "a: &a [x, x, x, x, x, x, x, x]\nb: &b [*a, *a, *a, *a, *a, *a, *a, *a]\n" + "".join(
    f"{k}: &{k} [{', '.join([f'*{j}'] * 8)}]\n" for j, k in zip("bcdefgh", "cdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (BOMB, "more than 100000 values"),
        ("source: &a [*a]", "holds itself"),
        ("[" * 3000, "nested"),
        ("source: 'sim:'\nsource: 'sim:'", "the key source comes twice"),
        ("source: 'sim:'\nmax_age: .inf", "max_age = '.inf' is refused"),
        ("source: 'sim:'\nmax_age: inf", "max_age = 'inf' is refused"),
        ("source: 'sim:'\nmin_rate: nan", "min_rate = 'nan' is refused"),
        ("source: 'sim:'\nmin_rate: 1:30", "min_rate = '1:30' is refused"),
        ("source: 'sim:'\nframes: 1e999", "too large"),
        ("source: 'sim:?size=999999x999999'", "a width of 16 to 3840"),
        ('source: "sim:\\0"', "the character NUL"),
        (f"source: {'x' * 5000}.mp4\nsinks: [out.mp4]", "no such file or folder"),
        ("source: !!python/object/new:os.system ['touch owned']", "are not read"),
    ],
)
def test_profiles_that_are_refused(text: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "live.yaml").write_text(text)
    with pytest.raises(PerceptionError) as refused:
        settings = RunConfig.read(tmp_path / "live.yaml")
        open_source(settings.sources["front"])
    assert words in str(refused.value)
    assert len(str(refused.value)) < 8000
    assert {path.name for path in tmp_path.iterdir()} == {"live.yaml"}


@pytest.mark.parametrize("text", [BOMB, "[" * 3000, 'source: "sim:\\0"'])
def test_the_command_ends_with_one_error(text: str, tmp_path: Path) -> None:
    (tmp_path / "live.yaml").write_text(text)
    command = [sys.executable, "-m", "perception", "run", "--config", "live.yaml"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("perception: ") and len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    "line",
    [
        "crop: [32000000, 32000000]",
        "crop: [-32, 32]",
        "crop: [33, 64]",
        "pixels: 1000000000000",
        "batch: 1000000",
        "workers: 100000",
        "width: 1e6",
        "width: .inf",
        "scale: [0.5, 1e9]",
        "steps: 99999999999999",
        "seed: -1",
        "weight_decay: .nan",
        "encoder_rate: inf",
        "losses: {x: inf}",
        "classes: {name: x, classes: []}",
    ],
)
def test_recipes_that_are_refused(line: str, tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(f"train: [{{source: 'sim:'}}]\n{line}\n")
    with pytest.raises(ConfigError, match=line.partition(":")[0]):
        load_config(recipe, tmp_path, {})


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=12)
    | st.sampled_from(["sim:", "web://", "rtsp://a:b@c/?ca=x", "a\0.mp4", "x" * 5000, "out.mp4?keep=1e9GB"]),
    lambda one: st.lists(one, max_size=3) | st.dictionaries(st.text(max_size=4), one, max_size=3),
    max_leaves=4,
)


@settings(max_examples=100)
@given(given_values=st.dictionaries(st.sampled_from([*RunConfig.model_fields, "x"]), values, max_size=6))
def test_profiles_of_anything(given_values: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.getbasetemp() / "profile.yaml"
    path.write_text(json.dumps(given_values), encoding="utf-8")
    try:
        RunConfig.read(path)
    except ConfigError as error:
        assert not {"\x1b", "\0"} & set(str(error))


@settings(max_examples=100)
@given(
    given_values=st.dictionaries(
        st.sampled_from([*TrainingConfig.model_fields, "folds", "fold"]), values, max_size=6
    )
)
def test_recipes_of_anything(given_values: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.getbasetemp() / "recipe.yaml"
    path.write_text(json.dumps({"train": [{"source": "sim:"}], **given_values}), encoding="utf-8")
    with suppress(ConfigError):
        load_config(path, path.parent, {})


PARTS = (
    "sim: camera: rtsp:// rtsps:// https:// udp:// web:// gst: window: file: push: a 1 / .. ? & = # @ : [ ] "
    "% size rate keep minutes token tls ca transport inf nan -1 é .mp4 .png"
)
uris = st.lists(
    st.sampled_from([*PARTS.split(), "\0", "\n", " ", "\udcff", "9" * 400]),
    max_size=12,
).map("".join)


@settings(max_examples=100)
@given(uris | st.text())
def test_uris_of_anything(text: str) -> None:
    for kinds in (SOURCES, SINKS):
        try:
            kinds.parse(text)
        except ConfigError as error:
            assert not {"\x1b", "\0", "\n"} & set(str(error))


@settings(max_examples=100)
@given(data=st.data())
def test_a_damaged_checkpoint_is_read_or_refused(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    file = io.BytesIO()
    torch.save({"config": "{}", "network": {"x": torch.zeros(4)}, "step": 1}, file)
    whole = bytearray(file.getvalue())
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.getbasetemp() / "checkpoint.pt"
    path.write_bytes(whole[: data.draw(st.integers(0, len(whole)))] if data.draw(st.booleans()) else whole)
    try:
        assert {"config", "network", "step"} <= set(read_checkpoint(path))
    except DataError as error:
        assert str(path) in str(error)
