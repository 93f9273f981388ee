"""Opening a data set by its name: `LAYOUT:PATH`, `sim:?OPTIONS`, or either with a prefix.

Labels stored next to the published ones are named: `LAYOUT+lanes:PATH` says where ground is paint,
`LAYOUT+instances:PATH` which road user is which, `LAYOUT+lanes+instances:PATH` both. In the same way
`sim+depth:` and `sim+key_points:` ask for more of what the simulated camera knows.

`LAYOUT:PATH?only=GLOB,GLOB&without=GLOB` keeps the frames with stems that match a glob of `only`, and none of
`without`: that is how recordings are held out.

`noisy:`, `small:`, `same:` and `next:` before a data set or a source ask for pictures; see `degraded`.

Labels mean classes of the set `drive`, or those of a class file (see `class_file`); a plain folder
(`folder:PATH`) may hold it as `classes.yaml`.
"""

import re
from collections.abc import Iterable
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path

from perception.datasets.class_file import OwnClasses, load_classes
from perception.datasets.dataset import Dataset, ImageDataset, SimulatedDataset
from perception.datasets.degraded import NextDataset, PicturesDataset, SourceDataset, noisy, same, small
from perception.datasets.formats import LAYOUTS, Files
from perception.errors import ConfigError, DataError
from perception.simulation import parse_options
from perception.sources.registry import SOURCES

EXTRAS = ("lanes", "instances")
SIMULATED_EXTRAS = ("depth", "key_points")
PICTURES = ("noisy", "small", "same", "next")
CLASS_FILE = "classes.yaml"  # of a plain folder
PLAIN_FOLDER = re.compile(r"(?:^|:)folder(?:\+instances)?:([^?]*)")


def open_dataset(spec: str, classes: OwnClasses | None = None) -> Dataset:
    """Open `LAYOUT:PATH`, with `+lanes` and `+instances` after the layout for labels stored next to them.

    `sim:?OPTIONS` takes `+depth` and `+key_points` in their place.

    Args:
        spec: the data set.
        classes: read it into these classes, in place of `drive`. A plain folder's own class file goes first.

    Raises:
        ConfigError: a wrong class file.
        DataError: unknown layout, missing folder, no labelled frame in it, no such labels next to them, or
            labels that are not of these classes.
    """
    name, _, path = spec.partition(":")
    if name in PICTURES:
        return _open_degraded(spec, classes)
    name, *extras = name.split("+")
    if name == "sim" and set(extras) <= set(SIMULATED_EXTRAS):
        _refuse_own(spec, classes)
        return SimulatedDataset(spec, parse_options(path), extras)
    if name not in LAYOUTS or not set(extras) <= set(EXTRAS):
        raise DataError(
            f"{spec}: unknown layout; known: {', '.join([*LAYOUTS, 'sim'])}, all but sim also as "
            "LAYOUT+lanes, LAYOUT+instances and LAYOUT+lanes+instances, sim as sim+depth and sim+key_points; "
            f"before a data set or a source {', '.join(f'{kind}:' for kind in PICTURES)}"
        )
    path, _, query = path.partition("?")
    folder = Path(path)
    if not folder.is_dir():
        raise DataError(f"{spec}: no folder {folder}; name the folder with the images")
    layout = LAYOUTS[name]
    if name == "folder":
        classes = _folder_classes(spec, folder, classes)
    if layout.decode_own is None or "lanes" in extras:  # paint is a class of `drive` alone
        _refuse_own(spec, classes)
    files = layout.find(folder)
    if not files:
        raise DataError(f"{spec}: no labelled frame found; is this the {name} layout?")
    files = _chosen(spec, files, query)
    for extra in extras:
        if any(getattr(entry, extra) is None for entry in files):
            raise DataError(f"{spec}: this layout has no {extra} beside its labels; leave out +{extra}")
    files = [
        replace(
            entry,
            lanes=entry.lanes if "lanes" in extras else None,
            instances=entry.instances if "instances" in extras else None,
        )
        for entry in files
    ]
    return ImageDataset(spec, files, layout, classes)


def faults_of(specs: Iterable[str], classes: OwnClasses | None = None) -> list[str]:
    """What keeps data sets from being opened, each in words; no image is read."""
    faults = []
    for spec in dict.fromkeys(specs):
        try:
            kind, _, inner = spec.partition(":")
            if kind in PICTURES and not _is_data_set(inner, kind):  # opened, its frames would be counted
                source = SOURCES.parse(inner)
                if source.path is not None and not source.path.exists():
                    raise DataError(f"{spec}: no such file or folder")  # noqa: TRY301
            elif kind != "drive":  # a simulated one
                open_dataset(spec, classes)
        except (DataError, ConfigError) as error:
            faults.append(str(error))
    return faults


def _is_data_set(inner: str, kind: str) -> bool:
    """Whether this behind `noisy:` and so on is a data set, and not a source."""
    layout = inner.partition(":")[0].partition("+")[0]
    # Frames of the simulated camera follow one another in its drives alone.
    return layout in LAYOUTS or (layout == "sim" and kind != "next")


def _chosen(spec: str, files: list[Files], query: str) -> list[Files]:
    """The frames that `only=GLOB,GLOB&without=GLOB` leaves, by the stems of their images."""
    options = dict(part.partition("=")[::2] for part in query.split("&") if part)
    if unknown := set(options) - {"only", "without"}:
        raise DataError(f"{spec}: {', '.join(sorted(unknown))} is no option; known: only, without")
    only, without = (options.get(key, "").split(",") for key in ("only", "without"))

    def matches(entry: Files, globs: list[str]) -> bool:
        return any(fnmatchcase(entry.image.stem, one) for one in globs)

    chosen = [f for f in files if (only == [""] or matches(f, only)) and not matches(f, without)]
    if not chosen:
        raise DataError(f"{spec}: none of {len(files)} frames is left by `{query}`; correct the globs")
    return chosen


def folder_class_file(specs: Iterable[str]) -> Path | None:
    """The class file of the first plain folder among data sets that holds one."""
    held = (Path(found[1]) / CLASS_FILE for spec in specs if (found := PLAIN_FOLDER.search(spec)))
    return next((path for path in held if path.exists()), None)


def _folder_classes(spec: str, folder: Path, classes: OwnClasses | None) -> OwnClasses | None:
    """The folder's own class file, where it has one, which must hold the classes that are asked for."""
    path = folder / CLASS_FILE
    if not path.exists():
        return classes
    own = load_classes(path)
    if classes is not None and own.class_set != classes.class_set:
        raise DataError(
            f"{spec}: {path} has the classes {', '.join(own.class_set.names)}, but {classes.origin} has "
            f"{', '.join(classes.class_set.names)}; names, order, colours and things must be the same"
        )
    return own


def _refuse_own(spec: str, classes: OwnClasses | None) -> None:
    if classes is not None:
        known = ", ".join(name for name, layout in LAYOUTS.items() if layout.decode_own)
        raise DataError(
            f"{spec}: labelled in `drive`, and cannot be read into the classes of {classes.origin}; "
            f"{known} can, without +lanes"
        )


def _open_degraded(spec: str, classes: OwnClasses | None) -> Dataset:
    """Open `noisy:`, `small:`, `same:` or `next:` and what they are made of.

    Raises:
        ConfigError: wrong options of the simulated camera.
        DataError: a data set that cannot be opened, or a frame that cannot be read.
        SourceError: a source that cannot be read.
    """
    kind, _, inner = spec.partition(":")
    frames = open_dataset(inner, classes) if _is_data_set(inner, kind) else SourceDataset(inner, inner)
    if kind == "next":
        return NextDataset(spec, frames)
    return PicturesDataset(spec, frames, {"noisy": noisy, "small": small, "same": same}[kind])
