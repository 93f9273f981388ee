"""`perception calibrate intrinsics` as a user runs it, on simulated photographs and a video of them."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
import yaml
from typer.testing import CliRunner

from calibration.boards import parse_board
from calibration.command import calibrate
from calibration.views import _expanded, choose_views, find_views
from perception.errors import ConfigError, DataError, PerceptionError
from perception.geometry.calibration_file import read_calibration
from perception.types import Image
from tests.calibration.simulated_board import CAMERAS, Studio, charuco_texture, ray_errors

BOARD = "charuco:8x6:40mm:30mm"
INFO = CAMERAS["plumb_bob"]


@pytest.fixture(scope="module")
def photographs() -> list[Image]:
    studio = Studio(INFO, parse_board(BOARD).places, np.random.default_rng(5), share=0.7)
    return [studio.picture(charuco_texture(8, 6)) for _ in range(10)]


@pytest.fixture(scope="module")
def folder(photographs: list[Image], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With a picture of another size, one without a board, and a broken file."""
    folder = tmp_path_factory.mktemp("photographs")
    for number, image in enumerate(photographs):
        cv2.imwrite(str(folder / f"p{number}.png"), image)
    cv2.imwrite(str(folder / "large.png"), cv2.resize(photographs[0], (481, 361)))
    cv2.imwrite(str(folder / "empty.png"), np.full_like(photographs[0], 90))
    (folder / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    return folder


def run(*words: object) -> str:
    result = CliRunner(env={"COLUMNS": "200"}).invoke(calibrate, ["intrinsics", *map(str, words)])
    if result.exception is not None and isinstance(result.exception, PerceptionError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


def test_photographs_become_a_file_that_everyone_reads(folder: Path, tmp_path: Path) -> None:
    file, drawn = tmp_path / "front.yaml", tmp_path / "drawn"
    said = run(folder, file, "--board", BOARD, "--pictures", drawn)
    assert "left out, of another size: large (481×361)" in said
    assert "broken.png" in said
    assert "no board found in 1 of 12: empty" in said
    assert "10 views of 480×360" in said
    calibration = read_calibration(file)
    assert calibration.name == "front"
    assert ray_errors(calibration.info, INFO).mean() < 1
    values = yaml.safe_load(file.read_text())
    numbers = [*values["distortion_coefficients"]["data"], *values["intrinsics"]["sd"].values()]
    assert all(isinstance(one, float) for one in numbers)
    assert values["intrinsics"]["views"] == 10
    storage = cv2.FileStorage(str(file), cv2.FILE_STORAGE_READ)
    assert storage.getNode("image_width").real() == 480
    storage.release()
    for name in ("corners", "coverage", "undistorted"):
        assert cv2.imread(str(drawn / f"{name}.jpg")) is not None


def test_a_video_is_looked_at_five_times_a_second(photographs: list[Image], tmp_path: Path) -> None:
    video, file = tmp_path / "board.mp4", tmp_path / "front.yaml"
    with av.open(str(video), "w") as container:
        stream = container.add_stream("libx264", rate=10, options={"crf": "10"})
        stream.width, stream.height, stream.pix_fmt = 480, 360, "yuv420p"
        for image in photographs:
            for _ in range(2):
                container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="bgr24")))
        container.mux(stream.encode(None))
    found = json.loads(run(video, file, "--board", BOARD, "--json", "--coefficients", 5))
    assert len(found["view_errors"]) == 10
    assert "board.mp4 at 0.40 s" in found["view_errors"]
    assert found["model"] == "plumb_bob"
    assert found["parameters"]["fx"] == pytest.approx(INFO.k[0], abs=5 * found["sd"]["fx"] + 0.5)
    assert found["ray_error_max"] >= found["ray_error_mean"] > 0


def test_chosen_views_are_few_and_unlike_each_other(folder: Path) -> None:
    sightings = find_views([str(folder / "p*.png")], parse_board(BOARD))
    chosen = choose_views(sightings.views, sightings.size, most=5)
    twice = choose_views([*sightings.views, *chosen], sightings.size, most=5)
    assert len({one.name for one in chosen}) == len({one.name for one in twice}) == 5
    blurred = replace(chosen[0], name="blurred", sharpness=chosen[0].sharpness / 4)
    assert [*sightings.views] == choose_views([*sightings.views, blurred], sightings.size)


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (("{folder}/p1.png", "{folder}/p2.png", "--board", BOARD), "name that ends in .yaml"),
        (("{folder}", "{tmp}/front.yaml", "--board", "chess"), "a board is chess:COLUMNS"),
        (("{folder}", "{tmp}/none/front.yaml", "--board", BOARD), "there is no folder"),
        (("{folder}/q*.png", "{tmp}/front.yaml", "--board", BOARD), "no file matches"),
        (("{folder}", "{tmp}/front.yaml", "--board", BOARD, "--coefficients", "6"), "choose 5 or 8"),
        (("camera:0", "{tmp}/front.yaml", "--board", BOARD), "camera:0: is live; record it first"),
        (("{folder}", "{tmp}/other.yaml", "--board", BOARD), "exists and is no calibration"),
    ],
)
def test_what_cannot_be_done_is_refused_before_the_work(
    words: tuple[str, ...], what: str, folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "other.yaml").write_text("sources: [a.mp4]\n")
    before = (folder / "p2.png").read_bytes()
    with pytest.raises(ConfigError, match=what):
        run(*(word.format(folder=folder, tmp=tmp_path) for word in words))
    assert [path.name for path in tmp_path.iterdir()] == ["other.yaml"]
    assert (folder / "p2.png").read_bytes() == before


def test_a_pose_of_the_board_counts_once(photographs: list[Image], folder: Path, tmp_path: Path) -> None:
    """However often it is seen: else the deviations would say that much more is known."""
    rng = np.random.default_rng(0)
    for number, image in enumerate(photographs[:6]):
        for again in range(3):
            noisy = np.clip(image + rng.normal(0, 2, image.shape), 0, 255).astype(np.uint8)
            cv2.imwrite(str(tmp_path / f"{number}-{again}.png"), noisy)
    once = [folder / f"p{number}.png" for number in range(6)]
    few, many = (
        json.loads(run(*some, tmp_path / f"{k}.yaml", "--board", BOARD, "--json", "--coefficients", 5))
        for k, some in enumerate((once, [tmp_path / "*.png"]))
    )
    assert len(many["view_errors"]) == 6
    assert many["sd"]["fx"] == pytest.approx(few["sd"]["fx"], rel=0.5)
    still = [tmp_path / f"0-{again}.png" for again in range(3)]
    with pytest.raises(DataError, match=r"found in 1 view, .*held still, it counts once"):
        run(*still, tmp_path / "still.yaml", "--board", BOARD)


def test_a_part_of_a_recording_is_no_pattern(folder: Path, tmp_path: Path) -> None:
    assert _expanded([f"{folder}/p1.png?start=1.5", f"{folder}/p[12].png"]) == [
        f"{folder}/p1.png?start=1.5", f"{folder}/p1.png", f"{folder}/p2.png",
    ]  # fmt: skip
    with pytest.raises(ConfigError, match="no file matches"):
        _expanded([f"{tmp_path}/none.mp4?start=1"])


def test_too_few_views_leave_the_file_as_it_is(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="found in 2 views, at least 6 are needed"):
        run(folder / "p1.png", folder / "p2.png", tmp_path / "front.yaml", "--board", BOARD)
    assert list(tmp_path.iterdir()) == []


def test_the_base_install_is_enough() -> None:
    code = """
import sys
import calibration.command, calibration.intrinsics_pictures, calibration.intrinsics_report, calibration.views
assert not {"torch", "onnx", "onnxruntime", "matplotlib"} & set(sys.modules), sys.modules.keys()
"""
    subprocess.run([sys.executable, "-c", code], check=True)
