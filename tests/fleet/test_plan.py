"""One configuration for all drives: all that determines an answer is in it."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from perception.app.config import RunConfig
from perception.bundle.bundle import Bundle
from perception.camera_info import Mount
from perception.errors import ConfigError
from perception.fleet.drives import Drive
from perception.fleet.plan import Setup, read_settings, set_up
from perception.geometry.calibration_file import Calibration, write_calibration
from tests.geometry.lenses import KITTI

DRIVE = Drive("a.mp4", "a")


@pytest.fixture
def folder(tmp_path: Path, colour_bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a fleet begins, with a model and a mask."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(colour_bundle.folder, tmp_path / "colour")
    cv2.imwrite("mask.png", np.zeros((4, 4), np.uint8))
    write_calibration(tmp_path / "camera.yaml", Calibration(KITTI, Mount(1.5)))
    return tmp_path


def setup(*, here: Any = True, **settings: Any) -> Setup:
    wanted = RunConfig.read(None, source="sim:", model="./colour", engine="onnx-cpu", **settings)
    return set_up(wanted, 1, 600.0, quiet=True, here=here)


@pytest.mark.parametrize(("key", "name"), [("ego_mask", "mask.png"), ("calibration", "camera.yaml")])
def test_what_is_in_a_file_counts_and_not_where_it_lies(folder: Path, key: str, name: str) -> None:
    first = setup(**{key: name}).configuration(DRIVE)
    shutil.copyfile(name, f"other-{name}")
    assert setup(**{key: f"other-{name}"}).configuration(DRIVE) == first
    assert setup(**{key: {"front": name}}).configuration(DRIVE) == first
    assert setup().configuration(DRIVE) != first
    (folder / name).write_bytes((folder / name).read_bytes() + b"\n")
    assert setup(**{key: name}).configuration(DRIVE) != first


@pytest.mark.usefixtures("folder")
def test_another_part_of_a_drive_is_another_drive() -> None:
    """Also under the name that a manifest gave it."""
    whole, first, second = (
        Drive(f"/d/a.mp4{part}", "a", state="10 20") for part in ("", "?duration=2", "?start=2&duration=2")
    )
    sims = (Drive(f"sim:?seed={seed}", "a") for seed in (1, 2))
    plan = setup()
    assert len({plan.configuration(one) for one in (whole, first, second, *sims)}) == 5
    assert plan.configuration(replace(whole, uri="/elsewhere/a.mp4")) == plan.configuration(whole)


def test_a_calibration_may_be_given(folder: Path) -> None:
    wanted = read_settings(None, "./colour", "onnx-cpu", Path("camera.yaml"))
    found = set_up(wanted, 1, 600.0, quiet=True, here=True)
    assert found.settings == setup(calibration="camera.yaml").settings
    (folder / "camera.yaml").write_text("camera_name: front\n")
    with pytest.raises(ConfigError, match=r"camera\.yaml: the key image_width is missing"):
        setup(calibration="camera.yaml")


@pytest.mark.usefixtures("folder")
def test_another_size_of_the_input_is_another_answer() -> None:
    assert setup(pixels=64 * 96).configuration(DRIVE) != setup().configuration(DRIVE)
    with pytest.raises(ConfigError, match="pixels 10: colour takes 1024 to"):
        setup(pixels=10)


def test_drives_are_not_cut_where_the_own_car_is_searched(folder: Path) -> None:
    """A piece of a drive shows another mask than all of it."""
    assert setup(ego_mask="mask.png").longest == 600
    assert setup(ego_mask="auto").longest == setup(ego_mask={"front": "auto"}).longest == 0


def test_other_machines_find_the_files_that_are_named(folder: Path) -> None:
    here, far = (setup(here=here, calibration="camera.yaml", ego_mask="auto") for here in (True, False))
    assert here.settings["model"] == "./colour" and far.settings["model"] == f"{folder}/colour"
    assert here.settings["calibration"] == {"front": "camera.yaml"}
    assert far.settings["calibration"] == {"front": f"{folder}/camera.yaml"}
    assert far.settings["ego_mask"] == {"front": "auto"} and far.settings["denoise"] is None
    assert here.configuration(DRIVE) == far.configuration(DRIVE)
