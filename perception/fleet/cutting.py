"""Where a long drive is cut: pieces of the same length, each but the first with an overlap before it."""

from contextlib import closing

from perception.errors import ConfigError
from perception.fleet.job import Cut, Job
from perception.sources.registry import open_source

# Before each seam, for the trackers. Those of road users forget within 1 s. Of lanes, places are the same to
# 0.01 px; but a kind that was settled once stays until there is proof of another, however long that takes.
OVERLAP_S = 10.0
LAST = 0.5  # of a piece, at least; else the one before is longer


def cuts_of(place: str, job: Job) -> tuple[Cut, ...]:
    """How to cut the drive of a job; empty: not at all.

    A source can be cut that says how long it is, and of which a part can be read.
    """
    if not job.longest or job.cut is not None or job.settings["frames"] is not None:
        return ()
    try:
        with closing(open_source(part_of(place, Cut(number=0, start=1.0, duration=1.0)))):
            pass
        source = open_source(place)
    except ConfigError:  # of a folder of images, of a raw stream without times, or of what is a part already
        return ()
    with closing(source):
        seconds = getattr(source, "seconds", (source.length or 0) / source.rate)  # a log knows when it ends
    return cut(seconds, job.longest)


def cut(seconds: float, piece: float) -> tuple[Cut, ...]:
    """Cut so many seconds into pieces."""
    count = int(seconds / piece + 1 - LAST)
    if count < 2:
        return ()
    seams = [number * piece for number in range(count)]
    starts = [max(0.0, seam - OVERLAP_S) for seam in seams]
    lengths = [seam + piece - start for seam, start in zip(seams, starts, strict=True)]
    return tuple(
        Cut(number=number, of=count, start=start, duration=None if number == count - 1 else length)
        for number, (start, length) in enumerate(zip(starts, lengths, strict=True))
    )


def part_of(place: str, cut: Cut) -> str:
    """The URI of a piece."""
    options = [f"start={cut.start!r}"] if cut.start else []
    options += [] if cut.duration is None else [f"duration={cut.duration!r}"]
    return place + ("&" if "?" in place else "?") + "&".join(options)
