"""Two runs compared: what was changed in one of them is what is told, and nothing else."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from perception.app import cli
from perception.errors import ConfigError
from tests.interchange.conftest import HEIGHT, ROAD, VEHICLE, WIDTH, write_folder
from tests.media import read_image

RUNNER = CliRunner(env={"COLUMNS": "200"})
Line = dict[str, Any]


@pytest.fixture
def runs(tmp_path: Path) -> tuple[Path, Path]:
    """The same drive of four frames twice."""
    a = write_folder(tmp_path / "a")
    return a, Path(shutil.copytree(a, tmp_path / "b"))


def diff(*arguments: object, status: int) -> Line:
    done = RUNNER.invoke(cli.app, ["diff", *map(str, arguments), "--json"])
    assert done.exit_code == status, done.output
    found: Line = json.loads(done.output)
    assert found["within"] == (status == 0)
    return found


def edit(folder: Path, change: Callable[[list[Line]], object]) -> None:
    """Change the lines of a run."""
    path = folder / "scenes.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    change(lines)
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def repaint(path: Path, change: Callable[[Any], None]) -> None:
    image = read_image(path)
    change(image)
    cv2.imwrite(str(path), image)


def test_equal_runs_are_equal_whatever_their_ages_and_timings(runs: tuple[Path, Path]) -> None:
    def later(lines: list[Line]) -> None:
        for line in lines:
            line["age_ms"] += 5
            line["timings_ms"]["infer"] = 1

    edit(runs[1], later)
    found = diff(*runs, status=0)
    assert found["bars"] == [{"figure": "identical", "value": 1.0, "least": 1.0, "passed": True}]
    assert (found["paired_by"], found["paired"], found["identical"]) == ("stamp_ns", 4, 4)
    assert found["labels"]["agreement"] == 1 and set(found["labels"]["iou"].values()) == {1.0}
    assert found["instances"]["matched"] == 12 and found["instances"]["mean_iou"] == 1
    assert found["lanes"]["matched"] == 12 and found["lanes"]["mean_distance_px"] == 0


def test_other_pictures_are_compared_where_there_are_no_maps(runs: tuple[Path, Path]) -> None:
    for folder in runs:
        edit(folder, lambda lines: [line.update(instances=[], lanes=[], ego_lane=None) for line in lines])
        for path in [*folder.glob("*.labels.png"), *folder.glob("*.instances.png")]:
            path.unlink()
        cv2.imwrite(str(folder / "000001.depth.png"), np.full((4, 6), 900, np.uint16))
    assert diff(*runs, status=0)["identical"] == 4
    cv2.imwrite(str(runs[1] / "000001.depth.png"), np.full((4, 6), 450, np.uint16))
    assert diff(*runs, status=1)["identical"] == 3
    refused = RUNNER.invoke(cli.app, ["diff", *map(str, runs), "--labels", "0.9"])
    assert isinstance(refused.exception, ConfigError) and "neither run has maps" in str(refused.exception)


def in_metres(lines: list[Line]) -> None:
    """The first road user is 20 m away, and the first boundary straight, 1.75 m to the left."""
    for line in lines:
        line["instances"][0] |= {
            "distance_m": 20.0,
            "distance_sd_m": 1.0,
            "lateral_m": 1.0,
            "lateral_sd_m": 0.1,
        }
        line["lanes"][0] |= {"metres": [[5.0, 1.75], [25.0, 1.75]], "metres_sd": [[0.1, 0.1], [1.0, 0.2]]}
        line["road"] = {"width_m": 3.5}


def test_metres_are_compared_where_both_runs_have_them(runs: tuple[Path, Path]) -> None:
    edit(runs[0], in_metres)
    without = diff(*runs, status=0)  # one of them had no calibration: that is no difference
    assert without["identical"] == 4
    assert (without["instances"]["placed"], without["instances"]["mean_distance_m"]) == (0, None)
    edit(runs[1], in_metres)
    assert diff(*runs, status=0)["instances"]["mean_distance_m"] == 0

    def farther(lines: list[Line]) -> None:
        lines[1]["instances"][0] |= {"distance_m": 23.0, "lateral_m": 5.0}
        lines[1]["lanes"][0]["metres"] = [None, [15.0, 2.25]]  # nothing in common with the other one
        lines[2]["lanes"][0]["metres"] = [[30.0, 2.25], [40.0, 2.25]]
        lines[3]["lanes"][0]["metres"] = [[15.0, 2.25], [30.0, 2.25]]

    edit(runs[1], farther)
    found = diff(*runs, status=1)
    assert [one["identical"] for one in found["frames"]] == [True, False, False, False]
    assert (found["instances"]["placed"], found["instances"]["mean_distance_m"]) == (4, 5 / 4)
    assert found["lanes"]["placed"] == 2
    assert found["lanes"]["mean_distance_m"] == pytest.approx(0.5 / 2)
    shown = RUNNER.invoke(cli.app, ["diff", *map(str, runs)]).output
    assert "in metres, on average apart: 4 road users 1.25 m, 2 lane boundaries 0.25 m" in shown


def test_labels_that_differ_are_counted_by_class(runs: tuple[Path, Path]) -> None:
    def change(labels: Any) -> None:
        labels[120:130, :100] = VEHICLE

    before = read_image(runs[0] / "000002.labels.png")
    repaint(runs[1] / "000002.labels.png", change)
    after = read_image(runs[1] / "000002.labels.png")
    found = diff(*runs, status=1)
    assert found["labels"]["agreement"] == pytest.approx(1 - 1000 / (4 * HEIGHT * WIDTH))
    frame = found["frames"][2]
    assert [one["identical"] for one in found["frames"]] == [True, True, False, True]
    for one, name in ((ROAD, "road"), (VEHICLE, "vehicle")):
        both, either = (before == one) & (after == one), (before == one) | (after == one)
        assert frame["labels"]["iou"][name] == pytest.approx(both.sum() / either.sum())
    assert frame["labels"]["iou"]["pedestrian"] == frame["labels"]["iou"]["unknown"] == 1
    assert diff(*runs, "--labels", 0.99, status=0)["bars"] == [
        {"figure": "frames", "value": 1.0, "least": 1.0, "passed": True},
        {"figure": "labels", "value": found["labels"]["agreement"], "least": 0.99, "passed": True},
    ]
    diff(*runs, "--labels", 0.9999, status=1)
    diff(*runs, "--instances", 1, "--lanes", 1, status=0)


def test_road_users_that_moved_changed_their_class_or_are_gone(runs: tuple[Path, Path]) -> None:
    def gone(lines: list[Line]) -> None:
        lines[0]["instances"] = [one for one in lines[0]["instances"] if one["id"] != 8002]
        pedestrian = next(one for one in lines[1]["instances"] if one["id"] == 9001)
        pedestrian.update(id=8003, class_id=VEHICLE, score=0.5, **{"class": "vehicle"})

    edit(runs[1], gone)
    repaint(runs[1] / "000000.instances.png", lambda ids: np.copyto(ids, 0, where=ids == 8002))
    repaint(runs[1] / "000001.instances.png", lambda ids: np.copyto(ids, 8003, where=ids == 9001))

    def move(ids: Any) -> None:  # by 4 of its 10 columns: an IoU of 6 / 14
        ids[ids == 9001] = 0
        ids[50:90, 154:164] = 9001

    repaint(runs[1] / "000002.instances.png", move)
    found = diff(*runs, status=1)["instances"]
    assert (found["matched"], found["only_a"], found["only_b"], found["class_changes"]) == (10, 2, 1, 1)
    assert found["mean_iou"] == 1
    assert found["mean_score_difference"] == pytest.approx(0.25 / 10)
    assert found["agreement"] == pytest.approx(2 * 9 / 23)
    diff(*runs, "--instances", 0.78, status=0)
    diff(*runs, "--instances", 0.79, status=1)
    table = RUNNER.invoke(cli.app, ["diff", *map(str, runs)]).output
    assert "road users of another class: 1" in table and "BEYOND the bar: identical 25.0000%" in table
    assert "least alike: 000001 (66.7%), 000002 (66.7%), 000000 (80.0%)" in table


def test_lanes_are_matched_by_their_distance(runs: tuple[Path, Path]) -> None:
    def move(lines: list[Line]) -> None:
        for point in lines[0]["lanes"][0]["points"]:
            point[0] += 3
        for point in lines[1]["lanes"][1]["points"]:
            point[0] += 30  # of 256: more than 20 of 1280
        lines[2]["lanes"][2]["points"] = lines[2]["lanes"][2]["points"][:2]  # 43 of its 83 rows
        lines[3]["lanes"][2]["points"] = [[300, 143], [275, 121.5], [270, 110]]  # 33 of them

    edit(runs[1], move)
    found = diff(*runs, status=1)["lanes"]
    assert (found["matched"], found["only_a"], found["only_b"]) == (10, 2, 2)
    assert found["mean_distance_px"] == pytest.approx(3 / 10, abs=0.01)
    assert found["agreement"] == pytest.approx(20 / 24)
    diff(*runs, "--lanes", 0.83, status=0)


def test_statuses_and_missing_frames_are_judged_whatever_the_tolerance(
    runs: tuple[Path, Path], tmp_path: Path
) -> None:
    edit(runs[1], lambda lines: lines[1].update(status="stale"))
    found = diff(*runs, "--labels", 0.5, status=1)
    assert found["bars"][0] == {"figure": "frames", "value": 0.75, "least": 1.0, "passed": False}
    assert found["frames"][1]["statuses"] == ["ok", "stale"]
    diff(*runs, "--frames", 0.75, status=0)
    edit(runs[1], lambda lines: lines.pop(3))
    found = diff(*runs, "--frames", 0.51, status=1)
    assert (found["only_a"], found["only_b"], found["bars"][0]["value"]) == (["000003"], [], 0.5)
    longer = diff(runs[1], runs[0], status=1)
    assert (longer["only_a"], longer["only_b"]) == ([], ["000003"])
    table = RUNNER.invoke(cli.app, ["diff", *map(str, runs)]).output
    assert "only in A: 000003" in table and "other statuses: 000001 (ok, stale)" in table


def test_frames_of_other_names_are_paired_by_their_stamps(runs: tuple[Path, Path]) -> None:
    for path in runs[1].glob("0*"):
        path.rename(path.with_name(path.name.replace("0000", "live-")))
    edit(runs[1], lambda lines: [line.update(stem=f"live-{line['stem'][4:]}") for line in lines])
    found = diff(*runs, "--labels", 1, "--instances", 1, status=0)
    assert (found["paired_by"], found["paired"]) == ("stamp_ns", 4)
    diff(*runs, status=0)


def test_the_worst_frames_are_drawn(runs: tuple[Path, Path], tmp_path: Path) -> None:
    def change(labels: Any) -> None:
        labels[100:110, 20:40] = 255

    repaint(runs[1] / "000001.labels.png", change)
    repaint(runs[1] / "000003.labels.png", lambda labels: labels.fill(255))
    diff(*runs, "--worst", 1, tmp_path / "worst/of/it", status=1)
    assert [path.name for path in (tmp_path / "worst/of/it").iterdir()] == ["001-000003.png"]
    diff(*runs, "--worst", 5, tmp_path / "worst", status=1)
    picture = read_image(tmp_path / "worst/002-000001.png")
    assert picture.shape == (HEIGHT, 3 * WIDTH, 3)
    marked = picture[:, 2 * WIDTH :]
    red = (marked == (40, 40, 220)).all(-1)
    assert red[100:110, 20:40].all() and red.sum() == 200
    overlay = read_image(runs[0] / "000001.overlay.jpg")
    assert (picture[20:, :WIDTH] == overlay[20:]).all()


def test_what_cannot_be_compared_is_wrong_use(runs: tuple[Path, Path], tmp_path: Path) -> None:
    def refused(words: str, *arguments: object) -> None:
        done = RUNNER.invoke(cli.app, ["diff", *map(str, arguments)])
        assert isinstance(done.exception, ConfigError) and words in str(done.exception)

    refused("none: no such file or folder", runs[0], tmp_path / "none")
    (tmp_path / "empty").mkdir()
    refused("empty: no folder that perception run wrote", runs[0], tmp_path / "empty")
    (tmp_path / "empty/scenes.jsonl").touch()
    refused("holds no scene", tmp_path / "empty", runs[0])
    (tmp_path / "file").touch()
    repaint(runs[1] / "000000.labels.png", lambda labels: labels.fill(0))
    refused("cannot be written", *runs, "--worst", 1, tmp_path / "file")
    cv2.imwrite(str(runs[1] / "000001.labels.png"), np.zeros((10, 20), np.uint8))
    refused("frame 000001: of 256×144 and 20×10 pixels", *runs)
    (runs[1] / "000000.labels.png").unlink()
    refused("000000.labels.png: missing", *runs)
    assert RUNNER.invoke(cli.app, ["diff", *map(str, runs), "--labels", "1.5"]).exit_code == 2


def test_runs_without_maps_are_compared_by_their_lines(runs: tuple[Path, Path]) -> None:
    def strip(lines: list[Line]) -> None:
        for line in lines:
            line.update(instances=[], lanes=[], ego_lane=None)

    for folder in runs:
        edit(folder, strip)
        for path in folder.glob("*.png"):
            path.unlink()
    found = diff(*runs, status=0)
    assert found["frames"][0]["labels"] is None and found["labels"]["agreement"] == 1
    edit(runs[1], lambda lines: lines[2].update(latent=[1.0]))
    assert diff(*runs, status=1)["identical"] == 3


def test_a_part_of_a_drive_is_paired_by_time_not_by_number(runs: tuple[Path, Path]) -> None:
    a, b = runs

    def later(lines: list[Line]) -> None:
        lines[:] = lines[1:]
        for number, line in enumerate(lines):
            line["sequence"] = number

    edit(b, later)
    for number in range(3):
        for ending in ("labels.png", "instances.png"):
            shutil.copy(a / f"{number + 1:06d}.{ending}", b / f"{number:06d}.{ending}")

    def named(lines: list[Line]) -> None:
        for number, line in enumerate(lines):
            line["stem"] = f"{number:06d}"

    edit(b, named)
    found = diff(a, b, "--frames", "0.5", status=0)
    assert (found["paired_by"], found["paired"]) == ("stamp_ns", 3)
    assert found["labels"]["agreement"] == 1
