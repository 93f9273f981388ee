"""Each format as the programs read it that it is for."""

import configparser
import json
import re
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import yaml
from pycocotools.coco import COCO
from typer.testing import CliRunner

from perception.app.cli import app
from perception.classes import DRIVE
from perception.datasets.opening import open_dataset
from perception.errors import ConfigError, DataError
from perception.interchange.files.folder import SceneFolder
from perception.interchange.files.records import InstanceRecord
from perception.interchange.formats import FORMATS
from perception.interchange.formats.base import Names, image_names
from tests.interchange.conftest import HEIGHT, WIDTH, a_frame, write_folder

FRAMES = 4
NAMES = Names({})


def convert(labels: Path, to: str, names: Names = NAMES) -> Path:
    out = labels.parent / to
    FORMATS[to](SceneFolder.read(labels), out, names)
    return out


def draw_images(folder: Path, ending: str) -> None:
    folder.mkdir(parents=True)
    for sequence in range(FRAMES):
        cv2.imwrite(str(folder / f"{sequence:06d}{ending}"), a_frame(sequence)[0].image)


def test_coco_by_pycocotools(labels: Path) -> None:
    coco = COCO(str(convert(labels, "coco") / "annotations" / "instances_default.json"))
    assert [one["name"] for one in coco.loadCats(coco.getCatIds())] == [
        "vehicle",
        "pedestrian",
        "two_wheeler",
    ]
    for number, image in enumerate(coco.loadImgs(coco.getImgIds())):
        scene = a_frame(number)[1]
        assert (image["file_name"], image["height"], image["width"]) == (f"{number:06d}.jpg", HEIGHT, WIDTH)
        annotations = coco.loadAnns(coco.getAnnIds(image["id"]))
        for one, annotation in zip(scene.instances, annotations, strict=True):
            mask = scene.instance_map == one.id
            np.testing.assert_array_equal(coco.annToMask(annotation), mask)
            assert annotation["area"] == mask.sum()
            x, y, width, height = annotation["bbox"]
            assert (x, y, x + width, y + height) == one.box
            assert coco.cats[annotation["category_id"]]["name"] == DRIVE.names[one.class_id]
            assert annotation["score"] == one.score and annotation["iscrowd"] == 0
            assert annotation["attributes"] == ({"track_id": one.track} if one.track else {})


@pytest.mark.parametrize("to", ["coco", "yolo"])
def test_masks_come_back_as_a_data_set(labels: Path, to: str) -> None:
    """Images of another ending than .jpg keep it; instances are numbered by size there, so masks count."""
    draw_images(labels.parent / "frames", ".png")
    source = SceneFolder.read(labels)
    out = convert(labels, to, image_names(labels.parent / "frames", source))
    images = out / "images" / "train" if to == "yolo" else out / "default"
    draw_images(images, ".png")
    dataset = open_dataset(f"{to}:{out if to == 'yolo' else images}")
    assert len(dataset) == FRAMES
    for number in range(FRAMES):
        wanted, found = a_frame(number)[1].instance_map, dataset[number].instances
        np.testing.assert_array_equal(found // 1000, wanted // 1000)
        for one in (8001, 8002, 9001):
            assert len(np.unique(found[wanted == one])) == 1


def test_yolo_has_a_line_an_instance(labels: Path) -> None:
    out = convert(labels, "yolo")
    numbers = [line.split()[0] for line in (out / "labels/train/000002.txt").read_text().splitlines()]
    assert numbers == ["0", "0", "1"]
    assert (out / "train.txt").read_text().splitlines()[3] == "./images/train/000003.jpg"
    assert "path" not in yaml.safe_load((out / "data.yaml").read_text())  # Ultralytics then takes its folder


def test_what_lies_beside_the_images_is_none(labels: Path) -> None:
    """Labels of other tools have their images' names."""
    images, source = labels.parent / "frames", SceneFolder.read(labels)
    draw_images(images, ".png")
    for number in range(FRAMES):
        for ending in (".txt", ".json", ".xml"):
            (images / f"{number:06d}{ending}").write_text("")
    assert set(image_names(images, source).files.values()) == {f"{k:06d}.png" for k in range(FRAMES)}
    (images / "000001.jpg").write_bytes(b"")
    with pytest.raises(DataError, match=r"000001\.jpg and 000001\.png have one name"):
        image_names(images, source)


def test_cityscapes_has_its_own_ids(labels: Path) -> None:
    folder = convert(labels, "cityscapes") / "gtFine" / "default" / "drive7"
    for number in range(FRAMES):
        scene = a_frame(number)[1]
        ids, labelled = (
            np.asarray(cv2.imread(str(folder / f"{number:06d}_gtFine_{kind}Ids.png"), cv2.IMREAD_UNCHANGED))
            for kind in ("instance", "label")
        )
        assert ids.dtype == np.uint16 and labelled.dtype == np.uint8
        for one, number_there in ((8001, 26000), (8002, 26001), (9001, 24000)):
            np.testing.assert_array_equal(ids == number_there, scene.instance_map == one)
        np.testing.assert_array_equal(labelled, np.where(ids >= 1000, ids // 1000, ids))
        others = {int(i): int(labelled[scene.labels == i][0]) for i in np.unique(scene.labels[ids < 1000])}
        assert others == {DRIVE.id("sky"): 23, DRIVE.id("road"): 7, 255: 0}


def mot_rows(path: Path) -> list[list[float]]:
    return [list(map(float, line.split(","))) for line in path.read_text().splitlines()]


def test_mot_has_boxes_of_tracks(labels: Path) -> None:
    out = convert(labels, "mot")
    truth = mot_rows(out / "drive7/gt/gt.txt")
    assert len(truth) == 2 * FRAMES  # the unsure one has no track
    numbers = {7: 3, 3: 1}
    for row in truth:
        frame, track, x, y, width, height, counts, kind, visible = row
        one = next(one for one in a_frame(int(frame) - 1)[1].instances if one.track == track)
        assert (x, y, x + width, y + height) == one.box
        assert (counts, kind, visible) == (1, numbers[int(track)], 1)
    names = (out / "drive7/gt/labels.txt").read_text().split()
    assert (names[0], names[2], names[3]) == ("pedestrian", "vehicle", "two_wheeler")
    sequence = configparser.ConfigParser()
    sequence.read(out / "drive7/seqinfo.ini")
    assert dict(sequence["Sequence"]) == {
        "name": "drive7", "imdir": "img1", "framerate": "20", "seqlength": "4", "imwidth": "256",
        "imheight": "144", "imext": ".jpg",
    }  # fmt: skip
    tracks = mot_rows(out / "vehicle/data/drive7.txt")
    assert [row[:2] for row in tracks] == [[frame, 7.0] for frame in range(1, FRAMES + 1)]
    assert all(row[6:] == [0.9, -1, -1, -1] for row in tracks)
    assert (out / "two_wheeler/data/drive7.txt").read_text() == ""


def test_mot_by_trackeval(labels: Path) -> None:
    """TrackEval, which counts what it calls pedestrians: theirs against the truth of the same file."""
    trackeval = pytest.importorskip("trackeval")
    out = convert(labels, "mot")
    dataset = trackeval.datasets.MotChallenge2DBox(
        {
            "GT_FOLDER": str(out),
            "TRACKERS_FOLDER": str(out),
            "TRACKERS_TO_EVAL": ["pedestrian"],
            "SEQ_INFO": {"drive7": None},
            "SKIP_SPLIT_FOL": True,
            "PRINT_CONFIG": False,
        }
    )
    data = dataset.get_preprocessed_seq_data(dataset.get_raw_seq_data("pedestrian", "drive7"), "pedestrian")
    assert (data["num_gt_dets"], data["num_tracker_dets"], data["num_timesteps"]) == (FRAMES, FRAMES, FRAMES)
    for boxes in data["tracker_dets"]:
        np.testing.assert_array_equal(boxes, [[150, 50, 10, 40]])
    assert trackeval.metrics.HOTA().eval_sequence(data)["HOTA"].tolist() == pytest.approx([1.0] * 19)
    assert trackeval.metrics.CLEAR({"PRINT_CONFIG": False}).eval_sequence(data)["MOTA"] == 1.0


def test_tusimple_has_the_lanes_columns(labels: Path) -> None:
    lines = [json.loads(line) for line in (convert(labels, "tusimple") / "lanes.json").open()]
    assert [line["raw_file"] for line in lines] == [f"{number:06d}.jpg" for number in range(FRAMES)]
    for line in lines:
        rows = line["h_samples"]
        assert rows == list(range(30, HEIGHT, 10))  # 160 of 720, on 144 rows
        assert line["run_time"] == 24
        left, right, outside = line["lanes"]
        # y from 44.25 to 143: x falls from 110 to 60.5 in a straight line
        wanted = [-2 if y < 44.25 else round(110 - 49.5 * (y - 44.25) / 98.75) for y in rows]
        assert left == wanted
        assert right == [-2 if y < 44 else round(140 + 100 * (y - 44) / 99) for y in rows]
        assert outside[rows.index(100) :] == [250] + [-2] * 4  # it leaves the image


def test_labelme_has_the_corners_of_each_part(labels: Path) -> None:
    values = json.loads((convert(labels, "labelme") / "000001.json").read_text())
    scene = a_frame(1)[1]
    assert (values["imagePath"], values["imageHeight"], values["imageWidth"]) == ("000001.jpg", HEIGHT, WIDTH)
    assert [one["group_id"] for one in values["shapes"]] == [8001, 8001, 8002, 9001]  # a pole parts the first
    for shape in values["shapes"]:
        mask = scene.instance_map == shape["group_id"]
        points = np.array(shape["points"])
        assert (points.min(0) >= 0).all() and shape["shape_type"] == "polygon"
        inside = np.zeros_like(mask)
        rows, columns = np.nonzero(mask)
        for y, x in zip(rows, columns, strict=True):
            inside[y, x] = _odd(points, x + 0.5, y + 0.5)
        if shape["group_id"] != 8001:
            np.testing.assert_array_equal(inside, mask)


def _odd(points: Any, x: float, y: float) -> bool:
    """The even-odd rule by hand: how many sides a ray to the right crosses."""
    x0, y0 = points.T
    x1, y1 = np.roll(points, -1, axis=0).T
    crosses = (y0 > y) != (y1 > y)
    with np.errstate(divide="ignore", invalid="ignore"):
        at = x0 + (y - y0) * (x1 - x0) / (y1 - y0)
    return bool(np.count_nonzero(crosses & (at > x)) % 2)


def test_scenes_of_other_classes(labels: Path) -> None:
    """Categories are those that were found; Cityscapes has no name for them."""
    path = labels / "scenes.jsonl"
    path.write_text(path.read_text().replace('"class": "vehicle"', '"class": "cow"'))
    coco = json.loads((convert(labels, "coco") / "annotations/instances_default.json").read_text())
    assert [one["name"] for one in coco["categories"]] == ["cow", "pedestrian"]
    with pytest.raises(DataError, match=r"8 is cow; others mean nothing in Cityscapes, choose coco or yolo"):
        convert(labels, "cityscapes")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ({"class_set": "farm"}, r"its classes are not those of drive: farm; others mean nothing"),
        ({}, r"does not say of which classes it is"),
    ],
)
def test_labels_of_other_classes_are_not_taken_for_those_of_drive(
    tmp_path: Path, line: dict[str, str], message: str
) -> None:
    """Also where nothing is told apart, so that no instance names its class."""
    (tmp_path / "scenes.jsonl").write_text(json.dumps({"stem": "a", "instances": [], **line}) + "\n")
    cv2.imwrite(str(tmp_path / "a.labels.png"), np.zeros((4, 4), np.uint8))
    cv2.imwrite(str(tmp_path / "a.instances.png"), np.zeros((4, 4), np.uint16))
    with pytest.raises(DataError, match=message):
        FORMATS["cityscapes"](SceneFolder.read(tmp_path), tmp_path / "out", NAMES)
    (tmp_path / "scenes.jsonl").write_text('{"stem": "a", "instances": [], "class_set": "drive"}')
    FORMATS["cityscapes"](SceneFolder.read(tmp_path), tmp_path / "out", NAMES)


def test_frames_that_were_not_perceived_are_no_frames_without_road_users(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "labels", frames=5)
    path = folder / "scenes.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    lines[0]["status"], lines[1]["status"] = "not_ready", "no_signal"
    lines[2]["left_out"], lines[3]["status"] = ["instances", "lanes"], "stale"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    done = CliRunner().invoke(app, ["convert", str(folder), "coco", str(tmp_path / "coco")])
    assert done.exit_code == 0, done.output
    written = json.loads((tmp_path / "coco/annotations/instances_default.json").read_text())
    assert [one["file_name"] for one in written["images"]] == ["000003.jpg", "000004.jpg"]
    assert "3 of 5 scenes are left out: road users were not looked for" in done.output
    assert "1 scenes are stale or unreliable, and are among them" in done.output


def test_what_cannot_be_converted_leaves_nothing_half_done(labels: Path) -> None:
    (labels / "000002.instances.png").unlink()
    out = labels.parent / "out"
    for _ in range(2):  # and what is there is in nobody's way
        done = CliRunner().invoke(app, ["convert", str(labels), "labelme", str(out)])
        assert isinstance(done.exception, DataError) and "000002.instances.png: missing" in str(
            done.exception
        )
        assert not out.exists() and not list(labels.parent.glob(".out*"))


def test_all_segments_of_a_folder_are_read(tmp_path: Path) -> None:
    """In their order, without the frames whose files are gone, and each name as it was written last."""
    folder = write_folder(tmp_path / "labels", frames=6)
    lines = (folder / "scenes.jsonl").read_text().splitlines(keepends=True)
    (folder / "scenes-20261130T101500Z-0009.jsonl").write_text("".join(lines[:2]))
    (folder / "scenes-20261130T101000Z-0010.jsonl").write_text("".join([*lines[2:4], lines[5]]))
    (folder / "scenes.jsonl").write_text("".join(lines[4:]))
    for gone in folder.glob("000000.*"):
        gone.unlink()
    found = SceneFolder.read(folder).scenes
    assert [one.sequence for one in found] == [1, 2, 3, 4, 5]
    (folder / "scenes.jsonl").write_text(lines[1] + lines[4])
    assert [one.sequence for one in SceneFolder.read(folder).scenes] == [2, 3, 5, 1, 4]


def test_images_that_are_missing_are_named(labels: Path) -> None:
    draw_images(labels.parent / "frames", ".png")
    (labels.parent / "frames" / "000002.png").unlink()
    with pytest.raises(DataError, match=r"1 of 4 scenes have no image there: 000002;"):
        image_names(labels.parent / "frames", SceneFolder.read(labels))


def test_the_command(labels: Path) -> None:
    runner, out = CliRunner(env={"COLUMNS": "200"}), labels.parent / "out"
    result = runner.invoke(app, ["convert", str(labels), "coco", str(out)])
    assert (result.exit_code, result.output) == (
        0,
        f"{out}/annotations/instances_default.json: 12 instances in 4 images\n",
    )
    again = runner.invoke(app, ["convert", str(labels), "yolo", str(out)])
    assert isinstance(again.exception, ConfigError) and "holds something already" in str(again.exception)
    words = re.findall(r"\w+", runner.invoke(app, ["convert", "--help"]).output)
    assert set(FORMATS) <= set(words)


def test_a_folder_without_scenes_converts_to_nothing(tmp_path: Path) -> None:
    (tmp_path / "scenes.jsonl").write_text("")
    source = SceneFolder.read(tmp_path)
    for name, write in FORMATS.items():
        assert write(source, tmp_path / "out" / name, NAMES)


def test_records_of_earlier_versions_are_read(tmp_path: Path) -> None:
    (tmp_path / "scenes.jsonl").write_text('{"stem": "a", "instances": []}\n')
    assert SceneFolder.read(tmp_path).by_stem["a"].ego_lane is None
    with pytest.raises(ValueError, match="score"):
        InstanceRecord.model_validate({"id": 8001, "class_id": 8, "score": 2, "box": [0, 0, 1, 1]})


def test_two_runs_into_one_folder_are_converted_as_one(tmp_path: Path) -> None:
    """What the first run wrote is gone, so that nothing of it is taken for the second one's."""
    write_folder(tmp_path / "labels", 4)
    write_folder(tmp_path / "labels", 2)
    assert len(SceneFolder.read(tmp_path / "labels").scenes) == 2
    assert not list((tmp_path / "labels").glob("000003.*"))
