"""The lines of scenes.jsonl and health.jsonl against their published schemas, by an independent validator."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from jsonschema import Draft202012Validator
from pycocotools import mask as coco_mask

from perception.interchange.files.records import MASKS, schemas
from tests.interchange.conftest import HEIGHT, WIDTH, a_frame, write_folder

DOCS = Path(__file__).parents[2] / "docs" / "schema"


def published(name: str) -> Any:
    return json.loads((DOCS / f"{name}.v1.schema.json").read_text(encoding="utf-8"))


def lines(folder: Path, name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / f"{name}.jsonl").open()]


def test_the_published_schemas_are_those_of_the_code() -> None:
    for name, schema in schemas().items():
        stem = name.removesuffix(".jsonl")
        assert published(stem) == schema, f"write docs/schema/{stem}.v1.schema.json again"
        Draft202012Validator.check_schema(schema)


@pytest.mark.parametrize("masks", ["", *MASKS])
def test_lines_fit_the_schemas(tmp_path: Path, masks: str) -> None:
    folder = write_folder(tmp_path / "labels", masks=masks)
    for name in ("scenes", "health"):
        schema = published(name)
        for line in lines(folder, name):
            Draft202012Validator(schema).validate(line)
            assert list(line) == [key for key in schema["properties"] if key in line], "another key, or order"


def _without(*path: str | int) -> Any:
    def edit(line: Any) -> None:
        for key in path[:-1]:
            line = line[key]
        del line[path[-1]]

    return edit


def _with(value: Any, *path: str | int) -> Any:
    def edit(line: Any) -> None:
        for key in path[:-1]:
            line = line[key]
        line[path[-1]] = value

    return edit


@pytest.mark.parametrize(
    ("name", "edit"),
    [
        ("scenes", _with(2, "version")),
        ("scenes", _without("ego_lane")),
        ("scenes", _without("instances", 0, "track")),
        ("scenes", _with("car", "instances", 0, "id")),
        ("scenes", _with(1.5, "instances", 0, "score")),
        ("scenes", _with("tired", "status")),
        ("scenes", _with([[1, 2, 3]], "lanes", 0, "points")),
        ("scenes", _with(5, "instances", 0, "segmentation")),
        ("health", _with(3, "level")),
        ("health", _without("conditions", 0, "reason")),
        ("health", _without("version")),
    ],
)
def test_the_schemas_refuse_what_is_none(tmp_path: Path, name: str, edit: Any) -> None:
    line = lines(write_folder(tmp_path / "labels", 1), name)[0]
    edit(line)
    assert not Draft202012Validator(published(name)).is_valid(line)


@pytest.mark.parametrize("form", MASKS)
def test_segmentations_are_the_instances_pixels(tmp_path: Path, form: str) -> None:
    for line in lines(write_folder(tmp_path / "labels", 2, form), "scenes"):
        ids = a_frame(line["sequence"])[1].instance_map
        for one in line["instances"]:
            mask = one["segmentation"]
            if form == "polygons":
                mask = coco_mask.merge(coco_mask.frPyObjects(mask, HEIGHT, WIDTH))
            np.testing.assert_array_equal(coco_mask.decode(mask), ids == one["id"])


def test_the_ego_lane_is_the_scene_s(tmp_path: Path) -> None:
    (line,) = lines(write_folder(tmp_path / "labels", 1), "scenes")
    lane = a_frame(0)[1].ego_lane
    assert lane is not None
    np.testing.assert_allclose(line["ego_lane"], lane, atol=0.005)
