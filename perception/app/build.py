"""A configuration becomes a rig: sources, the engine, outlets, and a node for each camera."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

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
from perception.sinks.registry import kind_of, place_of, reopening
from perception.sources.base import Source
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
        quiet: tell of no build.
        on_scene: gives for each source what is called with its scenes.

    Raises:
        PerceptionError: something cannot be opened.
    """
    sources = {name: _open_source(uri, name, settings) for name, uri in settings.sources.items()}
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
        uri: SharedSink(reopening(uri, 0.0, perceiver.classes)) for uri in settings.sinks if _is_shared(uri)
    }
    nodes = []
    for camera, source in sources.items():
        policy = settings.policy or (Policy.FRESHEST if source.live else Policy.EVERY_FRAME)
        outlets = []
        for uri in settings.sinks:
            own = uri.replace("{camera}", camera)
            opener = shared[uri].open if uri in shared else reopening(own, source.rate, perceiver.classes)
            outlets.append(SinkQueue(own, opener, policy))
            stack.callback(outlets[-1].close)
        node = Node(
            source,
            perceiver,
            outlets,
            camera=camera,
            policy=policy,
            frames=settings.frames,
            max_age_ms=settings.max_age,
            min_rate=settings.min_rate,
            give_up_s=settings.give_up,
            tracks=settings.tracks,
            workers=workers,
            folders=_folders(settings.sinks),
            on_scene=on_scene(source),
            on_health=on_health,
        )
        nodes.append(node)
    return Rig(nodes)


def _open_source(uri: str, camera: str, settings: RunConfig) -> Source:
    source = open_source(uri, settings.frames, settings.policy, camera)
    return PacedSource(source, camera) if settings.realtime and not source.live else source


def _folders(sinks: Sequence[str]) -> list[Path]:
    """Those that are written to."""
    return [place.parent for uri in sinks if (place := place_of(uri))]


def _is_shared(uri: str) -> bool:
    return kind_of(uri) == "web"
