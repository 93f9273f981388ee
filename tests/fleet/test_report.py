"""What the report shows is what the scenes say, and it is one file that nothing gets out of."""

import base64
import json
import re
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from perception.app.cli import app
from perception.errors import ConfigError, DataError
from perception.fleet.report.data import BINS, EVENTS, WORST_OF_A_DRIVE, collect
from perception.fleet.report.html import page
from perception.fleet.search import search
from perception.fleet.summary import Summary
from perception.fleet.table import run_folders
from tests.fleet.records import Scene, scene, user, write_drive


def overlay(folder: Path, stem: str, red: int) -> None:
    picture = np.full((90, 160, 3), (0, 0, red), np.uint8)
    cv2.imwrite(str(folder / f"{stem}.overlay.jpg"), picture)


def shown_red(jpeg: str) -> int:
    image = cv2.imdecode(np.frombuffer(base64.b64decode(jpeg), np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    return int(image[..., 2].mean())


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """a: 80 frames, of which a quarter is unreliable; b: one frame, with nobody in it."""
    scenes = []
    for i in range(80):
        users = [
            user("vehicle", 1, score=1.0),
            *([user("vehicle", 3, k=3, score=1.0)] if i < 50 else []),
            *([user("pedestrian", 2, k=2, score=0.5)] if 20 <= i < 40 else []),
        ]
        bad = 60 <= i < 70 or 72 <= i < 80
        more = {"status": "unreliable", "reasons": [f"blurred: {i}"]} if bad else {}
        scenes.append(scene(i, *users, **more))
    folder = write_drive(tmp_path / "a", scenes, drive="day/a.mp4", dropped=3, events={"engine": 2})
    overlay(folder, "000040", 200)  # the middle one
    overlay(folder, "000020", 90)  # of doubt 0.5 as 19 others
    write_drive(tmp_path / "b", [scene(0)])
    return tmp_path


def test_drives_and_what_was_seen_in_them(out: Path) -> None:
    values = collect(out, run_folders(out))
    a, b = values["drives"]
    assert (a["name"], a["source"], a["frames"], a["bad"], a["dropped"]) == ("a", "day/a.mp4", 80, 18, 3)
    assert a["seconds"] == pytest.approx(79 * 0.04)
    assert a["doubt"] == pytest.approx(20 * 0.5 / 62, abs=0.005)
    assert a["seen"] == {"vehicle": [80, 2], "pedestrian": [20, 1]}  # frames and tracks
    assert a["over"]["vehicle"] == [20] * 25 + [10] * (BINS - 25)  # tenths of a road user
    assert a["over"]["pedestrian"] == [0] * 10 + [10] * 10 + [0] * 20
    assert a["conditions"] == {"engine": 2}
    assert abs(shown_red(a["poster"]) - 200) < 10
    assert (b["frames"], b["seconds"], b["seen"], b["over"], b["poster"]) == (1, 0, {}, {}, "")
    assert [one["name"] for one in values["classes"]] == ["vehicle", "pedestrian"]


def test_health_events_are_runs_of_frames_with_their_first_reason(out: Path) -> None:
    a, b = collect(out, run_folders(out))["drives"]
    assert a["events"] == [
        [2.4, 2.76, 10, "unreliable", "blurred: 60"],
        [2.88, 3.16, 8, "unreliable", "blurred: 72"],
    ]
    assert (a["event_count"], b["events"], b["event_count"]) == (2, [], 0)


def test_of_many_events_the_longest_are_shown(tmp_path: Path) -> None:
    lengths = [1 + i % 7 for i in range(2 * EVENTS)]
    scenes: list[Scene] = []
    for length in lengths:
        scenes += [scene(len(scenes) + k, status="unreliable" if k else "ok") for k in range(length + 1)]
    write_drive(tmp_path, scenes)
    (drive,) = collect(tmp_path, run_folders(tmp_path))["drives"]
    assert sorted(event[2] for event in drive["events"]) == sorted(lengths)[-EVENTS:]
    assert drive["event_count"] == len(lengths)
    starts = [event[0] for event in drive["events"]]
    assert starts == sorted(starts)


def test_a_short_drive_has_no_more_parts_than_frames(tmp_path: Path) -> None:
    write_drive(tmp_path, [scene(i, *[user(k=k + 1) for k in range(i)]) for i in range(4)])
    (drive,) = collect(tmp_path, run_folders(tmp_path))["drives"]
    assert drive["over"] == {"vehicle": [0, 10, 20, 30]}


def test_the_worst_frames_are_those_of_most_doubt_a_second_apart(tmp_path: Path) -> None:
    scores = {5: 0.1, 6: 0.2, 40: 0.3, 90: 0.5, 130: 0.4, 160: 0.45}
    scenes = [scene(i, *([user(score=scores[i])] if i in scores else [])) for i in range(200)]
    scenes[170] = scene(170, user(score=0.0), status="unreliable")
    overlay(write_drive(tmp_path / "a", scenes), "000005", 120)
    write_drive(tmp_path / "b", [scene(0, user(score=0.2)), scene(1), scene(50, user(score=0.51))])
    worst = collect(tmp_path, run_folders(tmp_path))["worst"]
    assert [(one["drive"], one["sequence"], one["doubt"]) for one in worst] == [
        (0, 5, 0.9),
        (1, 0, 0.8),
        (0, 40, 0.7),
        (0, 130, 0.6),
    ]
    assert sum(one["drive"] == 0 for one in worst) == WORST_OF_A_DRIVE
    assert [bool(one["picture"]) for one in worst] == [True, False, False, False]
    assert abs(shown_red(worst[0]["picture"]) - 120) < 10


def test_codes_of_an_autoencoder_make_a_map(tmp_path: Path) -> None:
    codes = [[0.0, 0.0, 7.0], [10.0, 0.0, 7.0], [0.0, 2.0, 7.0], [10.0, 2.0, 7.0]]
    write_drive(tmp_path / "a", [scene(i, latent=code) for i, code in enumerate(codes)])
    write_drive(tmp_path / "b", [scene(0)])
    latent = collect(tmp_path, run_folders(tmp_path))["latent"]
    assert latent == {
        "share": 1.0,
        "points": [[0, 0, 0, 0.0], [1, 0, 0, 0.04], [0, 1, 0, 0.08], [1, 1, 0, 0.12]],
    }
    write_drive(tmp_path / "b", [scene(0, latent=[1.0])])  # of another network
    assert collect(tmp_path, run_folders(tmp_path))["latent"] is None


def write_summary(out: Path, **failures: str) -> None:
    summary: dict[str, Any] = dict.fromkeys(Summary.model_fields, 0)
    summary |= {"failures": failures, "engine": "onnx-cpu", "model": "drive", "versions": {}}
    Summary(**summary | {"seen": {}, "statuses": {}, "events": {}}).write(out)


def data_of(text: str) -> Any:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.S)
    assert found is not None
    return json.loads(found[1])


def test_the_command_writes_one_page_with_the_values(out: Path) -> None:
    write_drive(out / "c", [scene(0, user(score=0.0))])  # done before, and failed now: it does not count
    write_summary(out, c="the engine died")
    result = CliRunner().invoke(app, ["fleet", "report", str(out)], catch_exceptions=False)
    assert result.stdout.replace("\n", "") == f"2 drives in {out / 'report.html'}"
    values = data_of((out / "report.html").read_text())
    assert values["failures"] == {"c": "the engine died"}
    assert values["drives"] == collect(out, run_folders(out))["drives"]
    assert not [path for path in out.iterdir() if path.suffix not in {"", ".html", ".json"}]


def test_a_failed_drive_is_not_mined(out: Path) -> None:
    assert search(run_folders(out), "pedestrian", 1.0, 9).frames == 20
    write_summary(out, a="the engine died")
    assert [folder.name for folder in run_folders(out)] == ["b"]
    write_summary(out, a="the engine died", b="the engine died")
    with pytest.raises(DataError, match=r"every drive in it has failed; summary.json says why"):
        run_folders(out)
    write_summary(out)
    assert [folder.name for folder in run_folders(out)] == ["a", "b"]


def test_nothing_to_report_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no scenes\.jsonl"):
        CliRunner().invoke(app, ["fleet", "report", str(tmp_path)], catch_exceptions=False)


def test_no_name_leaves_its_place() -> None:
    evil = "</script><script>alert(1)</script><!-- {{DATA}} {{POLICY}} \u2028 & \" '"
    values = {"fleet": evil, "drives": [{"name": evil}]}
    text = page(values)
    assert data_of(text) == values
    assert text.count("</script>") == 2
    assert "<!--" not in text
    assert "alert(1)</script>" not in text
