"""Figures of metres, against errors that are put in."""

import io
from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console

from perception.classes import DRIVE
from perception.evaluation.metrics.metres import MetresScore
from perception.evaluation.tables import figure_tables
from perception.scene import Instance, Road, Scene
from perception.simulation.metres import TruePlace, TrueRoad

VEHICLE = DRIVE.id("vehicle")
MAP = np.zeros((360, 640), np.uint8)
TRUE = TrueRoad(0.2, 3.5, 0.01, 1e-3, 0.02)
BOX = 100.0, 100.0, 200.0, 180.0


def scene_of(road: Road | None = None, **values: float | None) -> Scene:
    found = Instance(VEHICLE * 1000 + 7, VEHICLE, 0.9, BOX, track=3, **values)
    return Scene(0, 0, 0, "", "", MAP, MAP.astype(np.uint16), (found,), road=road)


def truth(box: tuple[float, float, float, float] = BOX, class_id: int = VEHICLE) -> list[Instance]:
    return [Instance(8001, class_id, 1.0, box)]


def score(*frames: tuple[Scene, TruePlace]) -> dict[str, dict[str, float]]:
    metric = MetresScore()
    for scene, place in frames:
        metric.add(scene, TRUE, {8001: place}, truth())
    return metric.figures()


def place(distance: float, speed: float = 0.0) -> TruePlace:
    return TruePlace(distance, 0.0, distance - 0.8, speed)


def test_errors_of_the_ego_lane() -> None:
    found = Road(offset_m=0.25, heading_rad=0.012, curvature_per_m=1.3e-3)
    figures = score((scene_of(found), place(15)), (scene_of(), place(15)))
    assert figures["ego lane"] == pytest.approx(
        {"offset, m": 0.05, "offset p90, m": 0.05, "heading, mrad": 2.0, "known": 0.5}
    )
    assert figures["bend"] == pytest.approx({"curvature, 1/km": 0.3, "known": 0.5})
    assert "bend" not in score((scene_of(replace(found, curvature_per_m=None)), place(15)))


def test_errors_of_distances_by_range() -> None:
    frames = [
        (scene_of(distance_m=16.5, distance_sd_m=1.0), place(15)),  # 10 %, within
        (scene_of(distance_m=14.7, distance_sd_m=0.1), place(15)),  # 2 %, not within
        (scene_of(distance_m=12.6, distance_sd_m=1.0), place(12)),  # 5 %, within
        (scene_of(), place(18)),
        (scene_of(distance_m=30.0, distance_sd_m=9.0), place(40)),
        (scene_of(distance_m=90.0, distance_sd_m=9.0), place(100)),
    ]
    figures = score(*frames)
    assert set(figures) == {"10 to 20 m", "20 to 40 m"}
    assert figures["10 to 20 m"] == pytest.approx({"error, %": 5.0, "within 2 sd": 2 / 3, "known": 0.75})
    assert figures["20 to 40 m"] == pytest.approx({"error, %": 25.0, "within 2 sd": 1.0, "known": 1.0})


def test_times_to_collision_and_alarms_in_steady_traffic() -> None:
    frames = [
        (scene_of(ttc_s=2.2, ttc_sd_s=0.2), place(20, 10)),
        (scene_of(), place(20, 10)),
        (scene_of(ttc_s=2.0, ttc_sd_s=0.2), place(20, 0)),  # an alarm
        (scene_of(ttc_s=9.0, ttc_sd_s=0.2), place(20, 1)),
        (scene_of(), place(20, -5)),
        (scene_of(), place(20, 0)),
    ]
    figures = score(*frames)
    assert figures["time to collision"] == pytest.approx({"error, %": 10.0, "within 2 sd": 1.0, "known": 0.5})
    assert figures["steady traffic"] == pytest.approx({"% said to be < 3 s": 25.0})


@pytest.mark.parametrize(
    "others",
    [truth((300.0, 100.0, 400.0, 180.0)), truth(class_id=DRIVE.id("pedestrian")), []],
)
def test_only_the_same_road_users_are_compared(others: list[Instance]) -> None:
    metric = MetresScore()
    metric.add(scene_of(distance_m=16.5, distance_sd_m=1.0), TRUE, {8001: place(15)}, others)
    assert metric.figures() == {}


def test_without_metres_there_are_no_figures() -> None:
    assert score((scene_of(), place(15))) == {}


def test_the_tables_of_a_drive_fit_80_columns_with_every_figure_whole() -> None:
    found = Road(offset_m=0.25, heading_rad=0.012, curvature_per_m=1.3e-3)
    rows = score(
        (scene_of(found, distance_m=16.5, distance_sd_m=1.0, ttc_s=5.0, ttc_sd_s=0.5), place(15, 3.0)),
        (scene_of(distance_m=30.0, distance_sd_m=9.0), place(40)),
    )
    console = Console(width=80, record=True, file=io.StringIO())
    (table,) = figure_tables({"drive:sim:?seed=5101&rate=15&frames=60": {"metres": rows}})
    console.print(table)
    text = console.export_text()
    assert "…" not in text
    for row, figures in rows.items():
        assert row in text
        for name, value in figures.items():
            assert any(name in line and f"{value:.3f}" in line for line in text.splitlines()), name
