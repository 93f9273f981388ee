"""Classes of one's own: what a class file may say, and what its labels come to."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perception.classes import ClassSet
from perception.datasets.class_file import MOST, Label, OwnClasses, load_classes
from perception.errors import ConfigError, DataError

FARM = """
name: farm
classes:
  - {name: track, colour: [128, 64, 128], labels: [3, 4]}
  - {name: crop, colour: "#409040", labels: [7, "#00ff00", [0, 255, 1]]}
  - {name: cow, colour: [240, 200, 80], labels: [9, cow], thing: true}
"""
SOMEWHERE = Path("labels/a.png")


def farm(folder: Path, rest: str = "", text: str = FARM) -> OwnClasses:
    path = folder / "classes.yaml"
    path.write_text(text + rest)
    return load_classes(path)


def test_reads_names_colours_things_and_labels(tmp_path: Path) -> None:
    own = farm(tmp_path)
    assert own.class_set.name == "farm"
    assert own.class_set.names == ("track", "crop", "cow")
    assert own.class_set.colours == ((128, 64, 128), (0x40, 0x90, 0x40), (240, 200, 80))
    assert own.class_set.things == ("cow",)
    ids = np.array([[3, 4, 7, 9, 255]], np.uint8)
    assert own.decode(ids, SOMEWHERE).tolist() == [[0b001, 0b001, 0b010, 0b100, 0]]
    bgr = np.array([[[0, 255, 0], [1, 255, 0]]], np.uint8)
    assert own.decode(bgr, SOMEWHERE).tolist() == [[0b010, 0b010]]
    assert own.mean(("cow", 21)) == 0b100
    assert own.mean(("sheep", 20)) is None


def test_labels_without_meaning_are_listed_with_their_counts(tmp_path: Path) -> None:
    own = farm(tmp_path)
    with pytest.raises(
        DataError, match=r"labels/a\.png: .*classes\.yaml does not name.*5 \(2 pixels\), 1 \(1"
    ):
        own.decode(np.array([[3, 5, 5, 1]], np.uint8), SOMEWHERE)
    with pytest.raises(DataError, match=r"#010203 \(1 pixels\)"):
        own.decode(np.array([[[3, 2, 1], [0, 255, 0]]], np.uint8), SOMEWHERE)


def test_the_rest_may_be_a_class_or_ignored(tmp_path: Path) -> None:
    ids = np.array([[3, 5, 255]], np.uint8)
    assert farm(tmp_path, "rest: ignore").decode(ids, SOMEWHERE).tolist() == [[1, 0, 0]]
    own = farm(tmp_path, "rest: crop")
    assert own.decode(ids, SOMEWHERE).tolist() == [[1, 2, 0]]
    assert own.decode(np.array([[[3, 2, 1]]], np.uint8), SOMEWHERE).tolist() == [[2]]
    assert own.mean(("sheep", 20)) == 0b010


def test_a_label_of_several_classes_may_be_any_of_them(tmp_path: Path) -> None:
    own = farm(tmp_path, text=FARM.replace("labels: [3, 4]", "labels: [3, 7]"))
    assert own.decode(np.array([[3, 7]], np.uint8), SOMEWHERE).tolist() == [[0b01, 0b11]]


def test_colours_where_ids_are_named_are_refused_and_the_reverse(tmp_path: Path) -> None:
    ids = farm(tmp_path, text="{name: a, classes: [{name: b, colour: [1, 1, 1], labels: [1]}]}")
    with pytest.raises(DataError, match=r"a\.png: a colour image of shape \(1, 1, 3\).*class ids"):
        ids.decode(np.zeros((1, 1, 3), np.uint8), SOMEWHERE)
    colours = farm(tmp_path, text="{name: a, classes: [{name: b, colour: [1, 1, 1], labels: ['#000000']}]}")
    with pytest.raises(DataError, match=r"a\.png: one channel of ids, but no label of .* is an id"):
        colours.decode(np.zeros((1, 1), np.uint8), SOMEWHERE)


@given(st.lists(st.integers(0, 254), min_size=MOST, max_size=MOST, unique=True))
def test_as_many_classes_as_there_may_be_keep_their_bits(values: list[int]) -> None:
    entries: dict[Label, int] = {value: 1 << i for i, value in enumerate(values)}
    own = OwnClasses(many(MOST), entries, None, "here")
    target = own.decode(np.array([values], np.uint8), SOMEWHERE)
    assert target.view(np.int32).tolist() == [[1 << i for i in range(MOST)]]


def many(count: int) -> ClassSet:
    return ClassSet("many", tuple(f"c{i}" for i in range(count)), ((0, 0, 0),) * count)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("classes: [", "not YAML"),
        ("- 1", "holds a list; give keys with values"),
        ("name: a\nclasses: []", r"classes = \[\] is refused: .*at least 1"),
        (FARM.replace("name: farm", "title: farm"), "unknown key title"),
        (FARM.replace("[128, 64, 128]", "[128, 64, 300]"), r"classes\.0\.colour\.2.*300"),
        (FARM.replace("#409040", "#40904"), r"classes\.1\.colour.*#40904 is no colour"),
        (FARM.replace("labels: [3, 4]", "labels: [3, true]"), r"classes\.0\.labels\.1"),
        (FARM.replace("labels: [3, 4]", "labels: []"), "no label means track"),
        (FARM.replace("name: cow", "name: crop"), "the class crop comes twice"),
        (FARM.replace("name: cow", "name: ignore"), "cannot be called 'ignore'"),
        (FARM + "rest: soil", "rest is 'soil', expected ignore or one of track, crop, cow"),
        (
            "name: a\nclasses:\n"
            + "".join(f"- {{name: c{i}, colour: [0, 0, 0], labels: [{i}]}}\n" for i in range(32)),
            "classes = .*at most 31",
        ),
    ],
)  # fmt: skip
def test_mistakes_are_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        farm(tmp_path, text=text)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.yaml: cannot be read"):
        load_classes(tmp_path / "nowhere.yaml")
