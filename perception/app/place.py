"""Where a run writes that names no sink: a new folder under `runs/`, called after the source."""

import re
from itertools import count
from pathlib import Path

from perception.app.config import RunConfig
from perception.sinks.registry import SINKS

RUNS = Path("runs")


def with_place(settings: RunConfig) -> RunConfig:
    """The settings, which have no sink, with one.

    | source                 | sink                                                           |
    |------------------------|----------------------------------------------------------------|
    | a picture, or a folder | `runs/NAME/`: labels, instances, overlays and scenes           |
    | any other              | `runs/NAME/overlay.mp4`, of several cameras `{camera}.mp4`     |

    NAME is that of the file or folder, else the kind of source; `NAME-2` and so on, where it is taken.
    """
    sources = settings.sources.values()
    place = _free("cameras" if settings.cameras else _name(settings))
    if all(source.kind.stills for source in sources) and not settings.cameras:
        where = f"{place}/"
    else:
        where = f"{place}/{'{camera}' if settings.cameras else 'overlay'}.mp4"
    return settings.model_copy(update={"sinks": (SINKS.parse(where),)})


def _name(settings: RunConfig) -> str:
    [source] = settings.sources.values()
    path = source.path and source.path.resolve()
    name = (path.name if path.is_dir() else path.stem) if path else source.uri.scheme or "camera"
    return re.sub(r"[^\w.-]+", "-", name).strip(".-") or "run"  # a ? would begin options


def _free(name: str) -> Path:
    names = (name if number == 1 else f"{name}-{number}" for number in count(1))
    return next(place for one in names if not (place := RUNS / one).exists())
