"""Label files that were made to harm: each gives one DataError, and none reaches C code unchecked."""

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask as coco_mask

from perception.datasets.class_file import load_classes
from perception.datasets.folds import load_folds
from perception.datasets.formats.files import read_image, read_labels
from perception.datasets.formats.run_lengths import from_runs
from perception.datasets.opening import open_dataset
from perception.errors import ConfigError, DataError, PerceptionError
from perception.interchange.files.folder import SceneFolder
from tests.datasets.label_files import HEIGHT, WIDTH, coco, only, polygon, yolo

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation")  # of pycocotools' decoder
PIXELS = HEIGHT * WIDTH


@given(st.integers(1, 12), st.integers(1, 12), st.integers(0, 2**32 - 1), st.floats(0, 1))
def test_run_lengths_mean_what_pycocotools_means(height: int, width: int, seed: int, share: float) -> None:
    mask = np.random.default_rng(seed).random((height, width)) < share
    code = coco_mask.encode(np.asfortranarray(mask.astype(np.uint8)))
    np.testing.assert_array_equal(from_runs(code["counts"].decode(), (height, width)), mask)
    flat = mask.ravel(order="F")
    edges = np.flatnonzero(np.diff(flat.astype(int), prepend=0, append=-1))
    counts = np.diff(edges, prepend=0).tolist()
    np.testing.assert_array_equal(from_runs(counts, (height, width)), mask)


@settings(max_examples=200)
@given(st.text(st.characters(min_codepoint=40, max_codepoint=120), max_size=30) | st.text(max_size=10))
def test_any_text_is_run_lengths_of_the_image_or_refused(text: str) -> None:
    try:
        mask = from_runs(text, (6, 5))
    except ValueError:
        return
    assert mask.shape == (6, 5)
    code: Any = {"size": [6, 5], "counts": text.encode()}
    np.testing.assert_array_equal(mask, coco_mask.decode(code) > 0)


HUGE = 10**12


@pytest.mark.parametrize(
    ("segmentation", "words"),
    [
        ({"counts": [PIXELS + 1], "size": [HEIGHT, WIDTH]}, "run lengths are not of the"),
        ({"counts": [HUGE, HUGE], "size": [HEIGHT, WIDTH]}, "run lengths are not of the"),
        ({"counts": [-1, PIXELS + 1], "size": [HEIGHT, WIDTH]}, "run lengths are not of the"),
        ({"counts": [2**64, PIXELS], "size": [HEIGHT, WIDTH]}, "run lengths are not of the"),
        ({"counts": [], "size": [HEIGHT, WIDTH]}, "run lengths are not of the"),
        ({"counts": "", "size": [HEIGHT, WIDTH]}, "run lengths are not of the"),
        ({"counts": "oooooooooooooooooo0", "size": [HEIGHT, WIDTH]}, "does not belong|not of the"),
        ({"counts": "é", "size": [HEIGHT, WIDTH]}, "does not belong"),
        ({"counts": "o", "size": [HEIGHT, WIDTH]}, "cut off"),
        ({"counts": [PIXELS], "size": [HUGE, HUGE]}, "both must have one size"),
        ([[0, 0, 1e300, 0, 5, 5]], "far outside"),
        ([[0, 0, 1e9, 0, 5, 5]], "far outside"),
        ([[0, 0, -1e9, 1e9, 5, 5]], "far outside"),
        ([[0, 0, 5, 5, 5, 0, 7]], "7 coordinates"),
        ([[0, 0, float("nan"), 0, 5, 5]], "no JSON"),
        ([[0, 0, float("inf"), 0, 5, 5]], "no JSON"),
        ([[0, 0, "x", 0, 5, 5]], "not COCO"),
    ],
)
def test_regions_that_are_refused(tmp_path: Path, segmentation: Any, words: str) -> None:
    with pytest.raises(DataError, match=words):
        only(coco(tmp_path, {1: "car"}, {**polygon(1, [0, 0, 1, 0, 1, 1]), "segmentation": segmentation}))


def test_a_box_may_be_as_large_as_it_likes(tmp_path: Path) -> None:
    box = {**polygon(1, [0, 0, 1, 0, 1, 1]), "segmentation": None, "bbox": [-1e12, -5, 2e12, 1e300]}
    assert (only(coco(tmp_path, {1: "car"}, box)).target == 0).all()


@pytest.mark.parametrize(
    "name", ["../secret.png", "/etc/passwd", "a/../../b.png", "..\\secret.png", "C:\\x.png", "a\0b"]
)
def test_images_stay_within_the_folder(tmp_path: Path, name: str) -> None:
    spec = coco(tmp_path, {1: "car"}, polygon(1, [0, 0, 9, 0, 9, 9]))
    [path] = tmp_path.rglob("instances_*.json")
    told = json.loads(path.read_text())
    told["images"][0]["file_name"] = name
    path.write_text(json.dumps(told))
    with pytest.raises(DataError, match="not within the data set's folder"):
        open_dataset(getattr(spec, "name", spec))


@pytest.mark.parametrize(
    "data", [b"[" * 200_000, b"9" * 5000, b"\xff", b"{}", b"null", b'{"images": 1}', b""]
)
def test_annotations_that_are_none(tmp_path: Path, data: bytes) -> None:
    coco(tmp_path, {1: "car"}, polygon(1, [0, 0, 9, 0, 9, 9]))
    [path] = tmp_path.rglob("instances_*.json")
    path.write_bytes(data)
    [folder] = {one.parent for one in tmp_path.rglob("*.png")} | {
        one.parent for one in tmp_path.rglob("*.jpg")
    }
    with pytest.raises(DataError, match="not COCO's instances"):
        open_dataset(f"coco:{folder}")


@pytest.mark.parametrize(
    "line",
    ["0 nan nan nan nan", "0 1e300 1 1 1", "9" * 5000 + " 0 0 1 1", "0 0.1", "\0", "-1 0 0 1 1"],
)
def test_lines_of_yolo_that_are_refused(tmp_path: Path, line: str) -> None:
    with pytest.raises(DataError, match=r"is not `class x y|outside 0 to 1|no class"):
        only(yolo(tmp_path, line))


def test_a_label_that_is_no_text(tmp_path: Path) -> None:
    yolo(tmp_path, "0 0.1 0.1 0.2 0.2")
    [path] = (tmp_path / "labels").rglob("*.txt")
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(DataError, match="cannot be read"):
        only(f"yolo:{tmp_path}")


@pytest.mark.parametrize("stem", ["../../x", "/etc/passwd", "..", "", "a/b", "a\0b"])
def test_scenes_stay_within_their_folder(tmp_path: Path, stem: str) -> None:
    (tmp_path / "scenes.jsonl").write_text(json.dumps({"stem": stem, "instances": []}) + "\n")
    with pytest.raises(DataError, match="must be a name of files in this folder"):
        SceneFolder.read(tmp_path)


junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6) | st.just("9" * 5000),
    lambda one: (
        st.lists(one, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["name", "classes", "labels", "colour", "rest", "sets", "source", "held_out", "drives", "x"]
            ),
            one,
            max_size=4,
        )
    ),
    max_leaves=8,
)


@settings(max_examples=100)
@given(values=junk)
def test_class_files_and_folds_of_anything(values: Any, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.getbasetemp() / "junk.yaml"
    path.write_text(json.dumps(values), encoding="utf-8")
    for load in (load_classes, lambda one: load_folds(one, one)):
        with pytest.raises(ConfigError):
            load(path)


@settings(max_examples=150)
@given(data=st.data(), ending=st.sampled_from([".png", ".jpg", ".bmp", ".tif", ".webp", ".ppm"]))
def test_a_damaged_picture_is_read_or_refused(
    data: st.DataObject, ending: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / f"damaged{ending}"
    image = np.arange(16 * 20 * 3, dtype=np.uint8).reshape(16, 20, 3)
    whole = bytearray(cv2.imencode(ending, image)[1].tobytes())
    for _ in range(data.draw(st.integers(1, 4))):
        # Headers, most of the time.
        at = data.draw(st.integers(0, min(60, len(whole) - 1)) | st.integers(0, len(whole) - 1))
        whole[at] = data.draw(st.integers(0, 255))
    path.write_bytes(whole)
    for read in (read_image, lambda one: read_labels(one, (16, 20), colours=True)):
        try:
            assert read(path).dtype == np.uint8
        except PerceptionError as error:
            assert str(path) in str(error)
