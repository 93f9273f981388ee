"""The pieces of a drive become one: what a single run would have written, but for the times that it took.

Before each seam both pieces have perceived the overlap. There, the tracks of the second are those of the
first that have the same boxes in the same frames. What begins behind the seam is numbered in the order of
appearance, as a single run would. Overlays are taken as they are, and show the ids of their piece.
"""

import json
import os
import shutil
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import IO, Any

from perception.fleet.finish import Facts, finish
from perception.fleet.job import Apart, Finished, Job, Outcome
from perception.fleet.record import MAPS, Pieces, lasting, scene_lines
from perception.interchange.files.records import HEALTH, SCENES
from perception.sinks.folder import ENDINGS
from perception.types import NS_PER_S

AGREE_NS = NS_PER_S  # before a seam: both pieces should say the same here

Line = dict[str, Any]


class ApartError(Exception):
    """Two pieces do not show the same frames where they overlap."""


def join(job: Job, draft: Path) -> Outcome:
    """Join the pieces' folders into a new one, and finish the drive; until then the pieces stay there."""
    folders = [job.model_copy(update={"join": (), "cut": cut}).folder for cut in job.join]
    joined = _Joined(draft)
    try:
        for number, folder in enumerate(folders):
            follower = folders[number + 1] if number + 1 < len(folders) else None
            joined.add(folder, None if follower is None else next(scene_lines(follower))["stamp_ns"])
    except ApartError as error:
        return Apart(why=str(error))
    finally:
        joined.close()
    facts = [Facts.read(folder) for folder in folders]
    whole = facts[0].model_copy(
        update={
            "captured": joined.offset + facts[-1].captured,
            "seconds": sum(one.seconds for one in facts),
        }
    )
    return Finished(frames=finish(job, draft, whole, joined.pieces).frames)


class _Tracks:
    """Ids of one piece → ids of the drive.

    Attributes:
        going_on: those from before the seam that are seen behind it.
        born: those that begin behind it, or in the first piece.
    """

    def __init__(self, same: dict[int, int]) -> None:
        self._same = same
        self.going_on: set[int] = set()
        self.born: dict[int, int] = {}

    def of(self, track: int, newest: int) -> int:
        """The id in the drive, which has ids up to `newest`."""
        if track in self._same:
            self.going_on.add(track)
            return self._same[track]
        return self.born.setdefault(track, newest + 1)


class _Joined:
    """The drive so far.

    Attributes:
        offset: of the sequence numbers of the last piece.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._scenes: IO[bytes] = (folder / SCENES).open("wb")
        self._health: IO[bytes] = (folder / HEALTH).open("wb")
        self._recent: list[Line] = []  # with ids and numbers of the drive, from where the next piece begins
        self._newest = self.offset = 0
        self._count = self._overlap = self._going_on = self._born = self._differing = 0

    @property
    def pieces(self) -> Pieces:
        return Pieces(
            count=self._count,
            overlap_frames=self._overlap,
            tracks_mapped=self._going_on,
            tracks_renumbered=self._born,
            differing_frames=self._differing,
        )

    def close(self) -> None:
        self._scenes.close()
        self._health.close()

    def add(self, folder: Path, next_ns: int | None) -> None:
        """Take the next piece.

        Args:
            next_ns: stamp of the first frame of the piece after it; None: it is the last one.

        Raises:
            ApartError: it does not fit to those before.
        """
        lines, tracks = scene_lines(folder), _Tracks({})
        if self._count:
            lines, tracks = self._meet(folder, lines)
        self._recent = [] if next_ns is None else [one for one in self._recent if one["stamp_ns"] >= next_ns]
        for line in lines:
            placed = self._place(folder, line, tracks)
            if next_ns is not None and placed["stamp_ns"] >= next_ns:
                self._recent.append(placed)
        if self._count:
            self._going_on += len(tracks.going_on)
            self._born += len(tracks.born)
        with (folder / HEALTH).open("rb") as file:
            shutil.copyfileobj(file, self._health)
        self._count += 1

    def _meet(self, folder: Path, lines: Iterator[Line]) -> tuple[Iterator[Line], _Tracks]:
        """The lines behind the seam, and which tracks go on there."""
        if not self._recent:
            raise ApartError("a piece begins behind the end of the one before it")
        end_ns = self._recent[-1]["stamp_ns"]
        again: list[Line] = []
        behind: Iterator[Line] = iter(())
        for line in lines:
            if line["stamp_ns"] > end_ns:
                behind = chain((line,), lines)
                break
            again.append(line)
        if [one["stamp_ns"] for one in again] != [one["stamp_ns"] for one in self._recent]:
            raise ApartError(f"the frames before {end_ns / NS_PER_S:.3f} s are not the same in two pieces")
        self.offset = self._recent[-1]["sequence"] - again[-1]["sequence"]
        pairs = list(zip(self._recent, again, strict=True))
        for before, after in pairs:
            if before["stamp_ns"] > end_ns - AGREE_NS:
                if not self._same_maps(folder, before, after):
                    raise ApartError(
                        f"two pieces label the frame at {before['stamp_ns'] / NS_PER_S:.3f} s differently"
                    )
                self._differing += _shown(before) != _shown(after)
        self._overlap += len(pairs)
        return behind, _Tracks(_same_tracks(pairs))

    def _same_maps(self, folder: Path, before: Line, after: Line) -> bool:
        for ending in MAPS:
            ours, theirs = self._folder / f"{before['stem']}.{ending}", folder / f"{after['stem']}.{ending}"
            if ours.exists() != theirs.exists() or (
                ours.exists() and ours.read_bytes() != theirs.read_bytes()
            ):
                return False
        return True

    def _place(self, folder: Path, line: Line, tracks: _Tracks) -> Line:
        """Write a line and the files of its frame under the numbers of the drive."""
        stem, sequence = line["stem"], line["sequence"] + self.offset
        numbered = stem == f"{line['sequence']:06d}"
        placed = line | {"sequence": sequence, "stem": f"{sequence:06d}" if numbered else stem}
        # A new track's id is higher than all before it: in the order of their ids they get the next ones.
        for one in sorted(line["instances"], key=lambda one: one["track"] or 0):
            if one["track"] is not None:
                one["track"] = tracks.of(one["track"], self._newest)
                self._newest = max(self._newest, one["track"])
        for ending in ENDINGS:
            if (file := folder / f"{stem}.{ending}").exists():
                _link(file, self._folder / f"{placed['stem']}.{ending}")
        self._scenes.write(json.dumps(placed).encode() + b"\n")
        return placed


def _same_tracks(pairs: list[tuple[Line, Line]]) -> dict[int, int]:
    """Which tracks of the second lines are which of the first: what the latest frame says counts."""
    found: dict[int, int] = {}
    taken: set[int] = set()
    for before, after in reversed(pairs):
        at = {(one["class_id"], *one["box"]): one["track"] for one in before["instances"]}
        for one in after["instances"]:
            was, now = at.get((one["class_id"], *one["box"])), one["track"]
            if was is not None and now is not None and now not in found and was not in taken:
                found[now] = was
                taken.add(was)
    return found


def _shown(line: Line) -> Line:
    """What two pieces should say alike of a frame."""
    scene = {key: value for key, value in lasting(line).items() if key not in {"sequence", "stem"}}
    return scene | {"instances": [one | {"track": None} for one in line["instances"]]}


def _link(file: Path, place: Path) -> None:
    """The same file once more; where the file system has no links, a copy."""
    try:
        os.link(file, place)
    except OSError:
        shutil.copyfile(file, place)
