"""MOTChallenge: tracks as boxes; TrackEval and CVAT read them."""

from itertools import pairwise
from pathlib import Path
from statistics import median

from perception.interchange.files.folder import SceneFolder
from perception.interchange.files.records import InstanceRecord
from perception.interchange.formats.base import Names, categories
from perception.types import NS_PER_S

# Its names by number; ours that mean one of them have that number, classes of other networks those after.
CLASSES = (
    "pedestrian", "person_on_vehicle", "car", "bicycle", "motorbike", "non_mot_vehicle", "static_person",
    "distractor", "occluder", "occluder_on_ground", "occluder_full", "reflection", "crowd",
)  # fmt: skip
NUMBERS = {"pedestrian": 1, "vehicle": 3, "two_wheeler": 4}


def write_mot(source: SceneFolder, out: Path, names: Names) -> list[str]:
    """A sequence `NAME/` for CVAT, and for TrackEval a tracker for each class: `CLASS/data/NAME.txt`.

    In `NAME/`: seqinfo.ini, `gt/gt.txt` (frame, track, x, y, w, h, 1, class, 1), `gt/labels.txt`. The others:
    frame, track, x, y, w, h, score, -1, -1, -1. Frames count from 1, x and y from the image's corner.
    """
    name = source.folder.resolve().name
    named = categories(source)
    later = iter(range(len(CLASSES) + 1, 1000))
    numbers = {i: NUMBERS.get(class_name) or next(later) for i, class_name in named.items()}
    truth: list[str] = []
    tracks: dict[int, list[str]] = {class_id: [] for class_id in named}
    untracked = 0
    for scene in source.scenes:
        for one in scene.instances:
            if one.track is None:
                untracked += 1
                continue
            place = f"{scene.sequence + 1},{one.track},{_box(one)}"
            truth.append(f"{place},1,{numbers[one.class_id]},1\n")
            tracks[one.class_id].append(f"{place},{one.score:g},-1,-1,-1\n")
    sequence = out / name
    (sequence / "gt").mkdir(parents=True)
    (sequence / "gt" / "gt.txt").write_text("".join(truth))
    labels = dict(enumerate(CLASSES, start=1)) | {number: named[i] for i, number in numbers.items()}
    (sequence / "gt" / "labels.txt").write_text("".join(f"{labels[i]}\n" for i in sorted(labels)))
    (sequence / "seqinfo.ini").write_text(_sequence(source, name, names))
    for class_id, lines in tracks.items():
        path = out / named[class_id] / "data" / f"{name}.txt"
        path.parent.mkdir(parents=True)
        path.write_text("".join(lines))
    notes = [f"{sequence}: {len(truth)} boxes of {len({line.split(',')[1] for line in truth})} tracks"]
    return notes + ([f"{untracked} instances have no track, and are left out"] if untracked else [])


def _box(one: InstanceRecord) -> str:
    x0, y0, x1, y1 = one.box
    return ",".join(f"{side:g}" for side in (x0, y0, x1 - x0, y1 - y0))


def _sequence(source: SceneFolder, name: str, names: Names) -> str:
    """seqinfo.ini, with the seven keys that readers expect."""
    scenes = source.scenes
    length = max((scene.sequence + 1 for scene in scenes), default=0)
    height, width = source.instance_map(scenes[0]).shape if scenes else (0, 0)
    steps = [
        (after.stamp_ns - before.stamp_ns) / (after.sequence - before.sequence)
        for before, after in pairwise(scenes)
        if after.sequence > before.sequence and after.stamp_ns > before.stamp_ns
    ]
    rate = round(NS_PER_S / median(steps)) if steps else 25
    suffix = Path(names.of(scenes[0].stem)).suffix if scenes else ".jpg"
    return (
        f"[Sequence]\nname={name}\nimDir=img1\nframeRate={max(rate, 1)}\nseqLength={length}\n"
        f"imWidth={width}\nimHeight={height}\nimExt={suffix}\n"
    )
