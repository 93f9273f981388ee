"""A drive as the node sees it, frame by frame: its lane boundaries, and where they meet."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass

from perception.app.progress import show_builds, show_frames
from perception.camera_info import CameraInfo
from perception.errors import ConfigError
from perception.frame import Frame
from perception.geometry.calibration_file import Calibration
from perception.geometry.lens import Lens
from perception.geometry.vanishing import Vanishing, find_vanishing
from perception.perceiver import Perceiver
from perception.scene import Scene
from perception.sources.base import Source, is_live
from perception.sources.registry import open_source
from perception.tracking.lanes import LaneTracker


@dataclass(frozen=True)
class Seen:
    """One frame with its scene; `vanishing` is None where its boundaries do not say where they meet.

    `info` is the camera's for frames of this size.
    """

    frame: Frame
    scene: Scene
    info: CameraInfo
    vanishing: Vanishing | None


def open_drive(drive: str, frames: int | None) -> Source:
    """A recorded source.

    Raises:
        ConfigError: it is live.
        SourceError: it cannot be read.
    """
    source = open_source(drive, frames)
    if is_live(source):
        source.close()
        raise ConfigError(
            f"{source.uri}: is live; record a drive first: perception run {source.uri} drive.mcap"
        )
    return source


def check_size(drive: str, calibration: Calibration) -> None:
    """That the calibration holds for pictures of a drive's aspect, by its first frame.

    Raises:
        ConfigError: it does not, or the drive is live.
        SourceError: the drive cannot be read.
    """
    with closing(open_drive(drive, 1)) as source:
        for frame in source:
            if isinstance(frame, Frame):
                calibration.of_size(frame.width, frame.height)
                return


def watch(
    source: Source, calibration: Calibration, model: str | None, engine: str | None, frames: int | None
) -> Iterator[Seen]:
    """All frames of a drive that can be decoded, in their order, with tracked boundaries.

    Raises:
        ConfigError: the calibration is not for pictures of their size.
        SourceError, BundleError, EngineError: as the node's.
    """
    with show_builds() as on_build:
        perceiver = Perceiver.load(model or "drive", engine or "auto", on_build=on_build)
    tracker = LaneTracker(perceiver.classes)
    lenses: dict[tuple[int, int], Lens] = {}
    with show_frames(source, frames, hidden=False) as show:
        seen = 0
        for frame in source:
            if seen == frames:
                return
            if not isinstance(frame, Frame):
                continue
            seen += 1
            size = frame.width, frame.height
            if size not in lenses:
                lenses[size] = Lens(calibration.of_size(*size).info)
            lens = lenses[size]
            scene = tracker.update(perceiver.perceive(frame))
            show(scene)
            yield Seen(frame, scene, lens.info, find_vanishing(scene.lanes, lens))
