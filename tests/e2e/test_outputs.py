"""`perception run` with bundles that give other things than labels."""

import json
from pathlib import Path

import cv2
import numpy as np

from tests import graphs
from tests.e2e.conftest import Perception
from tests.media import HEIGHT, WIDTH, picture, read_image, read_video, truth, write_images


def test_pictures_of_the_frames_before_come_out_in_order(run: Perception, tmp_path: Path) -> None:
    write_images(tmp_path / "drive", 6)
    model = graphs.delayed(tmp_path / "delayed").folder
    done = run("drive", "out/", "out.mp4", "--workers", "3", model=model)
    assert done.returncode == 0, done.stderr
    for index in range(6):
        found = read_image(tmp_path / f"out/{index:04d}.picture.png")
        np.testing.assert_array_equal(found, picture(max(0, index - 1)))
    assert not list((tmp_path / "out").glob("*.labels.png")) + list(
        (tmp_path / "out").glob("*.instances.png")
    )
    assert {image.shape for _, image in read_video(tmp_path / "out.mp4")} == {(HEIGHT, WIDTH, 3)}


def test_an_enlarged_picture_is_kept_whole_and_the_video_has_the_frames_size(
    run: Perception, tmp_path: Path
) -> None:
    write_images(tmp_path / "drive", 2)
    model = graphs.doubled(tmp_path / "doubled").folder
    done = run("drive", "out/", "out.mp4", model=model)
    assert done.returncode == 0, done.stderr
    found = read_image(tmp_path / "out/0001.picture.png")
    np.testing.assert_array_equal(found, picture(1).repeat(2, axis=0).repeat(2, axis=1))
    assert {image.shape for _, image in read_video(tmp_path / "out.mp4")} == {(HEIGHT, WIDTH, 3)}


def test_depth_and_codes_come_out(run: Perception, tmp_path: Path) -> None:
    write_images(tmp_path / "drive", 2)
    done = run("drive", "out/", model=graphs.measured(tmp_path / "measured").folder)
    assert done.returncode == 0, done.stderr
    centimetres = read_image(tmp_path / "out/0001.depth.png")
    np.testing.assert_array_equal(centimetres, 10 * picture(1)[..., 0].astype(np.uint16))
    lines = [json.loads(line) for line in (tmp_path / "out/scenes.jsonl").open()]
    np.testing.assert_allclose(lines[1]["latent"], picture(1).mean(axis=(0, 1)), atol=0.2)


def test_labels_come_from_what_the_denoiser_restores(run: Perception, tmp_path: Path) -> None:
    (tmp_path / "drive").mkdir()
    for index in range(3):
        cv2.imwrite(str(tmp_path / f"drive/{index:04d}.png"), 255 - picture(index))
    denoiser = graphs.inverted(tmp_path / "inverted").folder
    done = run("drive", "out/", "--denoise", denoiser, "--json")
    assert done.returncode == 0, done.stderr
    for index in range(3):
        np.testing.assert_array_equal(read_image(tmp_path / f"out/{index:04d}.labels.png"), truth(index))
    report = json.loads(done.stdout)
    assert report["stages"]["denoise"]["p50"] > 0
    assert report["model"] == "colour 1, after inverted 1"


def test_a_denoiser_that_restores_nothing_is_wrong_use(run: Perception, tmp_path: Path) -> None:
    write_images(tmp_path / "drive", 1)
    done = run("drive", "out/", "--denoise", graphs.measured(tmp_path / "measured").folder)
    assert done.returncode == 2
    assert "denoise: needs a bundle that gives a picture" in done.stderr
    assert "the bundle measured gives depth, latent; choose another one" in done.stderr
