"""What is open becomes a rig: sink queues, and a node for each camera."""

from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing
from dataclasses import replace
from itertools import islice
from pathlib import Path

from perception.app.config import AUTO, RunConfig
from perception.classes import NO_CLASSES
from perception.ego import fit_ego_mask, read_ego_mask
from perception.engines.machine import usable_cores
from perception.errors import ConfigError
from perception.frame import Frame
from perception.geometry.calibration_file import Calibration, read_calibration
from perception.health.types import Health
from perception.node.arguments import policy_of
from perception.node.node import Node
from perception.node.rig import Rig, SharedSink
from perception.node.worker_pool import WorkerPool
from perception.perceiver import Perceiver
from perception.quality.ego import find_ego_mask
from perception.scene import Scene
from perception.sinks.queue import SinkQueue
from perception.sinks.registry import SINKS, reopening
from perception.sources.base import Source, SourceUri
from perception.sources.registry import open_source
from perception.types import Bools

OnScene = Callable[[Scene], None]
EGO_PICTURES, EGO_EVERY = 40, 25  # that are searched for the own car, of a recording's first 1000 frames


def wire(
    settings: RunConfig,
    sources: Mapping[str, Source],
    load: Callable[[], Perceiver],
    stack: ExitStack,
    on_scene: Callable[[Source], OnScene],
    on_health: Callable[[Health], None],
) -> Rig:
    """See `perception.app.build.open_rig`; `load` waits for the perceiver."""
    perceiver = load()
    perceivers = {
        camera: replace(perceiver, ego_mask=ego_mask_of(source, settings.sources[camera], settings, camera))
        for camera, source in sources.items()
    }
    calibrations = {
        camera: calibration_of(source, settings.sources[camera], settings, camera)
        for camera, source in sources.items()
    }
    classes = perceiver.classes if perceiver.info.labelled else NO_CLASSES
    workers = stack.enter_context(WorkerPool(settings.workers or usable_cores()))
    shared = {
        sink.uri: SharedSink(reopening(sink, 0.0, classes)) for sink in settings.sinks if sink.kind.shared
    }
    nodes = []
    for camera, source in sources.items():
        policy = policy_of(source, settings.policy)
        queues = []
        sinks = [SINKS.parse(sink.uri.text.replace("{camera}", camera)) for sink in settings.sinks]
        for sink, own in zip(settings.sinks, sinks, strict=True):
            one = shared.get(sink.uri)
            opener = one.open if one else reopening(own, source.rate, classes)
            queues.append(SinkQueue(str(own), opener, policy, viewers=own.kind.viewers))
            stack.callback(queues[-1].close)
        node = Node(
            source,
            perceivers[camera],
            queues,
            camera=camera,
            policy=policy,
            frames=settings.frames,
            max_age_ms=settings.max_age,
            min_rate=settings.min_rate,
            give_up_s=settings.give_up,
            tracks=settings.tracks,
            calibration=calibrations[camera],
            details=settings.details,
            workers=workers,
            folders=[sink.path.parent for sink in sinks if sink.path],
            on_scene=on_scene(source),
            on_health=on_health,
        )
        nodes.append(node)
    return Rig(nodes)


def ego_mask_of(source: Source, uri: SourceUri, settings: RunConfig, camera: str) -> Bools | None:
    """As the settings say; the source notes what was found in a recording.

    Raises:
        ConfigError: the picture cannot be used, or a camera that is live is to be searched.
    """
    given = settings.by_camera(settings.ego_mask).get(camera)
    if given != AUTO:
        return None if given is None else _own_mask(Path(given), source, uri, settings, camera)
    with closing(_opened(uri, settings, camera)) as recording:
        if recording.live:
            raise ConfigError(
                f"ego mask: {AUTO} looks through a recording first, and source {source.uri} is live; give a "
                "picture"
            )
        every = min(max(1, (recording.length or 0) // EGO_PICTURES), EGO_EVERY)
        frames = (item for item in recording if isinstance(item, Frame))
        mask, why = find_ego_mask(frame.image for frame in islice(frames, 0, EGO_PICTURES * every, every))
    source.notes.append(f"ego mask: {why}{'; none is in force' if mask is None else ''}")
    return mask


def _own_mask(path: Path, source: Source, uri: SourceUri, settings: RunConfig, camera: str) -> Bools:
    """Of a recording, the first frame must be of its aspect."""
    mask = read_ego_mask(path)
    if first := _first_frame(source, uri, settings, camera):
        fit_ego_mask(mask, first.height, first.width)
    return mask


def calibration_of(source: Source, uri: SourceUri, settings: RunConfig, camera: str) -> Calibration | None:
    """As the settings say; of a recording, the first frame must be of its aspect.

    Raises:
        ConfigError: the file cannot be used, or not for the recording.
    """
    given = settings.by_camera(settings.calibration).get(camera)
    if given is None:
        return None
    calibration = read_calibration(Path(given))
    if first := _first_frame(source, uri, settings, camera):
        calibration.of_size(first.width, first.height)
    return replace(calibration, name=given)


def _first_frame(source: Source, uri: SourceUri, settings: RunConfig, camera: str) -> Frame | None:
    """Of a recording; None: it is live, or has none."""
    if source.live:
        return None
    with closing(_opened(uri, settings, camera)) as recording:
        return next((item for item in recording if isinstance(item, Frame)), None)


def _opened(uri: SourceUri, settings: RunConfig, camera: str) -> Source:
    """A source again, to look into."""
    return open_source(uri, settings.frames, settings.policy, camera, settings.max_pixels)
