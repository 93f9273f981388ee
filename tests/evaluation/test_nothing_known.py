"""A set that leaves nothing to learn or to score is an error, and so are frames without a scene."""

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from perception.bundle.bundle import Bundle
from perception.datasets.opening import open_dataset
from perception.errors import DataError
from perception.evaluation.command import evaluate
from perception.training.sampling import Cached

SIZE = 64, 96
SQUARE = [[10, 10, 40, 10, 40, 40, 10, 40]]


def coco(root: Path, name: str, **annotation: Any) -> str:
    for folder in ("val", "annotations"):
        (root / folder).mkdir(exist_ok=True)
    for stem in ("a", "b"):
        cv2.imwrite(str(root / "val" / f"{stem}.png"), np.full((*SIZE, 3), 90, np.uint8))
    images = [
        {"id": i, "file_name": f"{s}.png", "height": SIZE[0], "width": SIZE[1]} for i, s in enumerate("ab")
    ]
    content = {
        "images": images,
        "annotations": [{"image_id": 0, "category_id": 1, "iscrowd": 0, **annotation}],
        "categories": [{"id": 1, "name": name}],
    }
    (root / "annotations" / "instances_val.json").write_text(json.dumps(content))
    return f"coco:{root / 'val'}"


NOTHING = [
    ("car", {"bbox": [10, 10, 30, 30]}),
    ("train", {"segmentation": SQUARE}),
    ("chair", {"segmentation": SQUARE}),
]


@pytest.mark.parametrize(("name", "annotation"), NOTHING)
def test_a_set_without_a_known_region_is_neither_learnt_nor_scored(
    tmp_path: Path, colour_bundle: Bundle, name: str, annotation: dict[str, Any]
) -> None:
    spec = coco(tmp_path, name, **annotation)
    with pytest.raises(DataError, match="none of its 2 frames has a label to learn from or to score"):
        Cached(open_dataset(spec), pixels=4096)
    with pytest.raises(DataError, match="none of its 2 frames has a label to learn from or to score"):
        evaluate([spec], model=str(colour_bundle.folder), engine="onnx-cpu")


def test_labels_of_what_a_model_does_not_give_are_named_so() -> None:
    """All of its pixels are labelled; the answer of this one is something else."""
    with pytest.raises(DataError, match="nothing that depth gives is in its labels"):
        evaluate(["sim:?frames=2&size=128x96"], model="depth", engine="onnx-cpu")


def test_an_unknown_category_is_neither_learnt_nor_scored(tmp_path: Path, colour_bundle: Bundle) -> None:
    spec = coco(tmp_path, "saucer", segmentation=SQUARE)
    for use in (
        lambda: Cached(open_dataset(spec), pixels=4096),
        lambda: evaluate([spec], model=str(colour_bundle.folder), engine="onnx-cpu"),
    ):
        with pytest.raises(DataError, match=r"categories saucer \(1 regions\)"):
            use()


@pytest.mark.parametrize("name", ["Car", "Pedestrian", "motorbike"])
def test_a_known_category_has_its_ap(tmp_path: Path, colour_bundle: Bundle, name: str) -> None:
    spec, report = coco(tmp_path, name, segmentation=SQUARE), tmp_path / "report.json"
    assert len(Cached(open_dataset(spec), pixels=4096)) == 2
    evaluate([spec], model=str(colour_bundle.folder), engine="onnx-cpu", output=report)
    assert any(metric["metric"].startswith("AP") for metric in json.loads(report.read_text())["metrics"])


def test_labels_that_are_all_ignored_leave_nothing(tmp_path: Path) -> None:
    for kind, pixels in (("images", np.zeros((4, 6, 3))), ("labels", np.full((4, 6), 255))):
        (tmp_path / kind).mkdir()
        cv2.imwrite(str(tmp_path / kind / "a.png"), pixels.astype(np.uint8))
    with pytest.raises(DataError, match="none of its 1 frames"):
        Cached(open_dataset(f"folder:{tmp_path}"), pixels=4096)


def line(stem: str) -> str:
    return json.dumps({"stem": stem, "instances": []}) + "\n"


def test_missing_scenes_are_listed_before_anything_is_scored(tmp_path: Path) -> None:
    """The scene that there is would be an error in itself: its maps are missing."""
    spec, folder = coco(tmp_path, "car", segmentation=SQUARE), tmp_path / "scenes"
    folder.mkdir()
    (folder / "scenes.jsonl").write_text(line("a"))
    with pytest.raises(DataError, match=r"1 of 2 frames to score have no scene in it: b; write"):
        evaluate([spec], predictions=folder)
    (folder / "scenes.jsonl").write_text(line("c"))
    with pytest.raises(DataError, match=r"2 of 2 frames to score have no scene in it: a, b; write"):
        evaluate([spec], predictions=folder)


def test_frames_of_one_stem_cannot_be_told_apart_in_a_folder_of_scenes(tmp_path: Path) -> None:
    spec, folder = coco(tmp_path, "car", segmentation=SQUARE), tmp_path / "scenes"
    path = tmp_path / "annotations" / "instances_val.json"
    path.write_text(path.read_text().replace("b.png", "sub/a.png"))
    folder.mkdir()
    (folder / "scenes.jsonl").write_text(line("a"))
    with pytest.raises(DataError, match=r"1 of 1 frames to score come several times: a; "):
        evaluate([spec], predictions=folder)
