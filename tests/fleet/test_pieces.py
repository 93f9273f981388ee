"""A long drive in pieces: what is joined is what a single process says."""

import json
import shutil
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perception.app.config import RunConfig
from perception.bundle.bundle import Bundle
from perception.classes import DRIVE
from perception.engines.selection import exact_versions
from perception.fleet import cutting
from perception.fleet.cutting import cut, part_of
from perception.fleet.job import Apart, Cut, Failed, Finished, Job, Outcome, Progress, TooLong
from perception.fleet.joining import _Joined, _same_tracks
from perception.fleet.record import DriveRecord, Pieces, Summing, lasting, read_record, scene_lines
from perception.fleet.worker import work
from tests.fleet.conftest import SMALL
from tests.media import COLOURS_BGR, write_video

RATE, FRAMES = 10, 80


def traffic(seed: int) -> list[npt.NDArray[np.uint8]]:
    """Vehicles that come and go, each on a lane of its own, so that a track is a vehicle."""
    rng, (height, width) = np.random.default_rng(seed), SMALL
    frames = np.full((FRAMES, height, width), DRIVE.id("road"), np.uint8)
    for lane in range(4):
        top, at = 4 + 24 * lane, 0
        while at < FRAMES:
            begin = at + int(rng.integers(0, 12))
            at, left, speed = begin + int(rng.integers(8, 40)), int(rng.integers(0, 60)), rng.uniform(0, 2)
            for index in range(begin, min(at, FRAMES)):
                x = round(left + speed * (index - begin))
                frames[index, top : top + 16, x : x + 24] = DRIVE.id("vehicle")
            at += 15  # longer than a track outlives its vehicle
    return [COLOURS_BGR[one] for one in frames]


@pytest.fixture
def job(tmp_path: Path, colour_bundle: Bundle) -> Job:
    settings = RunConfig.read(
        None, source="sim:", model=str(colour_bundle.folder), engine="onnx-cpu", workers=1
    )
    (tmp_path / "out").mkdir()
    return Job(
        name="a",
        uri=str(tmp_path / "a.mp4"),
        shown="a.mp4",
        out=tmp_path / "out",
        settings=settings.model_dump(mode="json", exclude={"source", "cameras", "sinks"}),
        configuration="",
        versions=exact_versions(),
    )


def record_after(job: Job, **changes: Any) -> DriveRecord:
    assert isinstance(work(job.model_copy(update=changes), lambda progress: None), Finished)
    record = read_record(job.out / job.name)
    assert record is not None
    return record


def in_pieces(job: Job, longest: float) -> DriveRecord:
    asked = work(job.model_copy(update={"longest": longest}), lambda progress: None)
    assert isinstance(asked, TooLong)
    for one in asked.cuts:
        done = work(job.model_copy(update={"cut": one}), lambda progress: None)
        assert isinstance(done, Finished) and done.frames < FRAMES
    return record_after(job, join=asked.cuts)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_what_is_joined_is_the_same(job: Job, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    monkeypatch.setattr(cutting, "OVERLAP_S", 1.5)
    write_video(Path(job.uri), traffic(seed), rate=RATE)
    whole = record_after(job)
    scenes = [lasting(line) for line in scene_lines(job.out / "a")]
    files = {path.name: path.read_bytes() for path in (job.out / "a").glob("*.png")}
    joined = in_pieces(job, 2.0)
    assert [lasting(line) for line in scene_lines(job.out / "a")] == scenes
    assert {path.name: path.read_bytes() for path in (job.out / "a").glob("*.png")} == files
    assert {path.name[:6] for path in (job.out / "a").glob("*.overlay.jpg")} == {name[:6] for name in files}
    assert joined.digest == whole.digest and joined.seen == whole.seen
    assert (joined.frames, joined.dropped) == (FRAMES, 0)
    pieces = joined.pieces
    assert pieces is not None and (pieces.count, pieces.overlap_frames, pieces.differing_frames) == (4, 45, 0)
    before = {one["track"] for line in scenes[:20] for one in line["instances"]}
    assert 0 < pieces.tracks_renumbered == whole.seen["vehicle"].tracks - len(before)
    assert pieces.tracks_mapped > 0
    assert not (job.out / ".partial" / "a").exists()


def test_pieces_that_do_not_fit_are_not_joined(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    """Their drive was exchanged meanwhile: other pictures, and then other times."""
    monkeypatch.setattr(cutting, "OVERLAP_S", 1.0)
    cuts = cut(FRAMES / RATE, 4.0)
    for seed, rate, why in ((1, RATE, "label the frame at"), (0, 12, "are not the same in two pieces")):
        for number, its_seed, its_rate in ((0, 0, RATE), (1, seed, rate)):
            write_video(Path(job.uri), traffic(its_seed), rate=its_rate)
            done = work(job.model_copy(update={"cut": cuts[number]}), lambda progress: None)
            assert isinstance(done, Finished)
        outcome = work(job.model_copy(update={"join": cuts}), lambda progress: None)
        assert isinstance(outcome, Apart) and why in outcome.why
        assert not (job.out / "a").exists()


def test_what_cannot_be_cut_is_not(job: Job, tmp_path: Path) -> None:
    write_video(Path(job.uri), traffic(1)[:20], rate=RATE)
    assert isinstance(work(job.model_copy(update={"longest": 1.5}), lambda progress: None), Finished)
    write_video(Path(job.uri), traffic(1), rate=RATE)
    part = job.model_copy(update={"uri": f"{job.uri}?duration=4", "name": "part", "longest": 0.5})
    assert work(part, lambda progress: None) == Finished(frames=4 * RATE)
    simulated = job.model_copy(update={"uri": "sim:?size=160x96&frames=30", "name": "sim", "longest": 0.1})
    assert isinstance(work(simulated, lambda progress: None), Finished)
    missing = job.model_copy(update={"uri": str(tmp_path / "no.mp4"), "longest": 1.0})
    failed = work(missing, lambda progress: None)
    assert isinstance(failed, Failed) and failed.final and "no such file" in failed.why


@given(st.floats(0, 1e5), st.floats(100, 1e4))
def test_pieces_cover_a_drive(seconds: float, piece: float) -> None:
    cuts = cut(seconds, piece)
    if not cuts:
        assert seconds < 1.5 * piece * 1.001
        return
    assert [one.number for one in cuts] == list(range(len(cuts))) and cuts[0].start == 0
    for one, following in pairwise(cuts):
        assert one.duration is not None
        end = one.start + one.duration
        assert end == pytest.approx((one.number + 1) * piece)
        assert end - following.start == pytest.approx(min(cutting.OVERLAP_S, end))
    assert cuts[-1].duration is None
    last = seconds - (len(cuts) - 1) * piece
    assert 0.499 * piece <= last <= 1.501 * piece


def test_a_part_is_asked_for_in_the_words_of_its_source() -> None:
    assert part_of("a.mp4", Cut(number=0, start=0, duration=610.0)) == "a.mp4?duration=610.0"
    assert (
        part_of("a.mcap?topic=/x", Cut(number=1, start=590.0, duration=None)) == "a.mcap?topic=/x&start=590.0"
    )


def scene(sequence: int, stamp: int, *users: tuple[int, float]) -> dict[str, Any]:
    """A line of tracks with the left edges of their boxes."""
    instances = [{"class_id": 8, "class": "vehicle", "track": id, "box": [x, 0, x + 1, 1]} for id, x in users]
    return {"sequence": sequence, "stem": f"{sequence:06d}", "stamp_ns": stamp, "instances": instances}


def test_a_worker_that_is_given_up_for_lost_spoils_nothing(job: Job, tmp_path: Path) -> None:
    """It goes on while another attempt begins, as on a machine that a cluster does not hear."""
    write_video(tmp_path / "a.mp4", traffic(1), rate=RATE)
    expected = record_after(job)
    shutil.rmtree(job.out / job.name)
    outcomes: list[Outcome] = []

    def begin_another(progress: Progress) -> None:
        if not outcomes:
            outcomes.append(work(job, lambda progress: None))

    lost = work(job, begin_another)
    assert isinstance(outcomes[0], Finished) and isinstance(lost, Failed) and not lost.final
    record = read_record(job.out / job.name)
    assert record is not None and record.digest == expected.digest
    assert Summing(job.out / job.name).digest == expected.digest


def test_a_worker_of_other_versions_does_nothing(job: Job) -> None:
    """done.json would name the wrong ones."""
    other = job.versions | {"onnxruntime": "1.0"}
    failed = work(job.model_copy(update={"versions": other}), lambda progress: None)
    assert isinstance(failed, Failed) and not failed.final
    assert "its worker has front-camera-perception" in failed.why and "onnxruntime 1.0" in failed.why
    assert not any(job.out.iterdir())


def test_tracks_are_the_same_by_their_boxes_in_the_latest_frame() -> None:
    pairs = [
        (scene(0, 0, (5, 1.0), (6, 2.0)), scene(0, 0, (1, 1.0), (2, 2.0))),
        (scene(1, 1, (5, 2.0), (6, 1.0), (7, 3.0)), scene(1, 1, (1, 1.0), (2, 2.0), (3, 4.0))),
    ]
    assert _same_tracks(pairs) == {1: 6, 2: 5}


def test_what_pieces_say_differently_is_counted(tmp_path: Path) -> None:
    """In the last second before the seam, a track's id aside."""
    second = 10**9
    first = [scene(k, k * second // 2, (1, float(k))) for k in range(6)]
    again = [scene(k, (k + 2) * second // 2, (1, k + 2.0)) for k in range(6)]
    again[0]["instances"][0]["box"][1] = 9  # long before the seam
    again[3]["instances"][0]["box"][1] = 9
    again[5]["instances"] += scene(0, 0, (2, 50.0))["instances"]
    for name, lines in (("one", first), ("two", again)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "scenes.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        (tmp_path / name / "health.jsonl").write_text("")
    (tmp_path / "out").mkdir()
    joined = _Joined(tmp_path / "out")
    joined.add(tmp_path / "one", second)
    joined.add(tmp_path / "two", None)
    joined.close()
    assert joined.pieces == Pieces(
        count=2, overlap_frames=4, tracks_mapped=1, tracks_renumbered=1, differing_frames=1
    )
    lines = list(scene_lines(tmp_path / "out"))
    assert [line["sequence"] for line in lines] == list(range(8)) and joined.offset == 2
    assert [[one["track"] for one in line["instances"]] for line in lines] == [[1]] * 7 + [[1, 2]]
