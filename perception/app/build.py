"""A configuration becomes a rig: sources, the engine, sink queues, and a node for each camera."""

from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import replace
from itertools import islice
from pathlib import Path

import cv2

from perception.app.config import AUTO, RunConfig
from perception.app.progress import show_builds
from perception.ego import read_ego_mask
from perception.engines.machine import usable_cores
from perception.errors import ConfigError
from perception.frame import Frame
from perception.health.types import Health
from perception.node.node import Node
from perception.node.rig import Rig, SharedSink
from perception.node.worker_pool import WorkerPool
from perception.perceiver import Perceiver
from perception.quality.ego import find_ego_mask
from perception.scene import Scene
from perception.sinks.queue import SinkQueue
from perception.sinks.registry import SINKS, reopening
from perception.sources.base import Source, SourceUri
from perception.sources.paced import PacedSource
from perception.sources.registry import open_source
from perception.types import Bools, Policy

OnScene = Callable[[Scene], None]
EGO_PICTURES, EGO_EVERY = 40, 25  # that are searched for the own car, of a recording's first 1000 frames


def open_rig(
    settings: RunConfig,
    stack: ExitStack,
    *,
    quiet: bool,
    on_scene: Callable[[Source], OnScene],
    on_health: Callable[[Health], None],
) -> Rig:
    """Open everything that the settings name, in an order that writes nothing before all can be read.

    Args:
        stack: closes what is open, also where something fails.
        quiet: show no build.
        on_scene: gives for each source what is called with its scenes.

    Raises:
        PerceptionError: something cannot be opened.
    """
    sources = open_sources(settings)
    for source in sources.values():
        stack.callback(source.close)
    live = any(source.live for source in sources.values())
    # As many frames as cores are perceived at a time, one thread each; more would only spin and wait.
    cv2.setNumThreads(1)
    with show_builds(quiet, as_lines=live) as on_build:
        perceiver = Perceiver.load(
            settings.model,
            settings.engine,
            threads=1,
            instances=settings.instances,
            crf=settings.crf,
            denoise=settings.denoise,
            min_score=settings.min_score,
            on_build=on_build,
            wait=not live,
        )
    perceivers = {
        camera: replace(perceiver, ego_mask=_ego_mask(source, settings.sources[camera], settings, camera))
        for camera, source in sources.items()
    }
    workers = stack.enter_context(WorkerPool(settings.workers or usable_cores()))
    shared = {
        sink.uri: SharedSink(reopening(sink, 0.0, perceiver.classes))
        for sink in settings.sinks
        if sink.kind.shared
    }
    nodes = []
    for camera, source in sources.items():
        policy = settings.policy or (Policy.FRESHEST if source.live else Policy.EVERY_FRAME)
        queues = []
        sinks = [SINKS.parse(sink.uri.text.replace("{camera}", camera)) for sink in settings.sinks]
        for sink, own in zip(settings.sinks, sinks, strict=True):
            one = shared.get(sink.uri)
            opener = one.open if one else reopening(own, source.rate, perceiver.classes)
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
            workers=workers,
            folders=[sink.path.parent for sink in sinks if sink.path],
            on_scene=on_scene(source),
            on_health=on_health,
        )
        nodes.append(node)
    return Rig(nodes)


def open_sources(settings: RunConfig) -> dict[str, Source]:
    """The sources by the cameras' names; a camera that is live is not called yet."""
    return {camera: _open_source(uri, camera, settings) for camera, uri in settings.sources.items()}


def _ego_mask(source: Source, uri: SourceUri, settings: RunConfig, camera: str) -> Bools | None:
    """As the settings say; the source notes what was found in a recording.

    Raises:
        ConfigError: the picture cannot be used, or a camera that is live is to be searched.
    """
    given = settings.ego_masks.get(camera)
    if given != AUTO:
        return None if given is None else read_ego_mask(Path(given))
    recording = open_source(uri, settings.frames, settings.policy, camera)
    with closing(recording):
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


def _open_source(uri: SourceUri, camera: str, settings: RunConfig) -> Source:
    source = open_source(uri, settings.frames, settings.policy, camera)
    return PacedSource(source, camera) if settings.realtime and not source.live else source
