"""A configuration becomes a rig: sources, the engine, sink queues, and a node for each camera."""

from collections.abc import Callable
from contextlib import ExitStack

import cv2

from perception.app.config import RunConfig
from perception.app.progress import show_builds
from perception.engines.machine import usable_cores
from perception.health.types import Health
from perception.node.node import Node
from perception.node.rig import Rig, SharedSink
from perception.node.worker_pool import WorkerPool
from perception.perceiver import Perceiver
from perception.scene import Scene
from perception.sinks.queue import SinkQueue
from perception.sinks.registry import SINKS, reopening
from perception.sources.base import Source, SourceUri
from perception.sources.paced import PacedSource
from perception.sources.registry import open_source
from perception.types import Policy

OnScene = Callable[[Scene], None]


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
    sources = {camera: _open_source(uri, camera, settings) for camera, uri in settings.sources.items()}
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
            on_build=on_build,
            wait=not live,
        )
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
            perceiver,
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


def _open_source(uri: SourceUri, camera: str, settings: RunConfig) -> Source:
    source = open_source(uri, settings.frames, settings.policy, camera)
    return PacedSource(source, camera) if settings.realtime and not source.live else source
