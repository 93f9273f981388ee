"""The node's health as metrics for Prometheus."""

from collections.abc import Callable, Collection, Iterator

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from perception.health.types import Health, NodeState
from perception.scene import Scene, Signal, Status
from perception.sinks.web.protocol import now_ms
from perception.sinks.web.state import Cameras
from perception.sinks.web.viewer import Viewer

CONTENT_TYPE = CONTENT_TYPE_LATEST

Value = Callable[[Health], float | None]

COUNTERS: tuple[tuple[str, str, Value], ...] = (
    ("frames_captured", "Frames that the source gave.", lambda h: h.captured),
    ("frames_published", "Frames with a published scene.", lambda h: h.published),
    ("frames_stale", "Scenes published older than allowed.", lambda h: h.stale),
    ("frames_unreliable", "Scenes published as unreliable.", lambda h: h.unreliable),
    ("frames_not_ready", "Scenes published before the engine was ready.", lambda h: h.not_ready),
    ("reconnects", "Connections to the source after the first.", lambda h: max(0, h.connections - 1)),
    ("restarts", "Dead or hung stages that were replaced.", lambda h: h.restarts),
)
GAUGES: tuple[tuple[str, str, Value], ...] = (
    ("frames_in_hand", "Frames captured, and not yet published or dropped.", lambda h: h.in_hand),
    ("capture_rate_hertz", "Frames a second that come.", lambda h: h.rate_in),
    ("publication_rate_hertz", "Scenes a second that are published.", lambda h: h.rate_out),
    ("jitter_seconds", "Deviation of intervals between frames.", lambda h: h.jitter_ms / 1000),
    ("silent_seconds", "Since the last frame came.", lambda h: _seconds(h.silent_ms)),
    ("level", "The worst condition's level: 0 OK, 1 WARN, 2 ERROR.", lambda h: h.level),
)
QUANTILES: tuple[tuple[str, str, Callable[[Health], tuple[float, float]]], ...] = (
    ("age_seconds", "Age of scenes at publication, over the last seconds.", lambda h: h.age_ms),
    ("infer_seconds", "Time in the engine, over the last seconds.", lambda h: h.infer_ms),
)


class Metrics(Collector):
    """Reads the newest health of each camera at every scrape: nothing is counted twice."""

    def __init__(self, cameras: Cameras, viewers: Callable[[], Collection[Viewer]]) -> None:
        self._cameras, self._viewers = cameras, viewers
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(self)

    def text(self) -> bytes:
        return generate_latest(self._registry)

    def collect(self) -> Iterator[Metric]:
        cameras = self._cameras.all()
        healths = {name: one.health for name, one in cameras.items() if one.health is not None}
        yield from _plain(healths)
        yield from _labelled(healths)
        yield from _sinks(healths)
        yield from _scenes({name: now[1] for name, one in cameras.items() if (now := one.scene_now())})
        silent = _gauge("told_seconds", "Since the node reported its state; it does each second.")
        for name in healths:
            silent.add_metric([name], (now_ms() - cameras[name].reported_ms) / 1000)
        yield silent
        yield GaugeMetricFamily("perception_viewers", "Viewers of the live page.", len(self._viewers()))


def _plain(healths: dict[str, Health]) -> Iterator[Metric]:
    for make, table in ((_counter, COUNTERS), (_gauge, GAUGES)):
        for name, text, value in table:
            family = make(name, text)
            for camera, health in healths.items():
                if (found := value(health)) is not None:
                    family.add_metric([camera], found)
            yield family


def _labelled(healths: dict[str, Health]) -> Iterator[Metric]:
    dropped = _counter("frames_dropped", "Frames not published, by reason.", "reason")
    signal = _gauge("signal", "1 for what the camera's signal is now.", "signal")
    state = _gauge("state", "1 for where the node is in its life cycle.", "state")
    conditions = _gauge("condition_active", "1 for each condition that holds.", "condition", "level")
    for camera, health in healths.items():
        for reason, count in health.dropped.items():
            dropped.add_metric([camera, reason], count)
        for one in Signal:
            signal.add_metric([camera, one], health.signal is one)
        for step in NodeState:
            state.add_metric([camera, step], health.state is step)
        for condition in health.conditions:
            conditions.add_metric([camera, condition.name, condition.level.name.lower()], 1)
    yield from (dropped, signal, state, conditions)
    for name, text, value in QUANTILES:
        family = _gauge(name, text, "quantile")
        for camera, health in healths.items():
            for quantile, ms in zip(("0.5", "0.99"), value(health), strict=True):
                family.add_metric([camera, quantile], ms / 1000)
        yield family


def _scenes(scenes: dict[str, Scene]) -> Iterator[Metric]:
    """How far the newest scene of each camera may be trusted now."""
    age = _gauge("scene_age_seconds", "Age of the newest scene now.")
    status = _gauge("scene_status", "1 for the status of the newest scene now.", "status")
    for camera, scene in scenes.items():
        age.add_metric([camera], scene.age_ms / 1000)
        for one in Status:
            status.add_metric([camera, one], scene.status is one)
    yield from (age, status)


def _sinks(healths: dict[str, Health]) -> Iterator[Metric]:
    written = _counter("sink_frames_written", "Frames that a sink took.", "sink")
    lost = _counter("sink_frames_lost", "Frames that a sink lost, by reason.", "sink", "reason")
    queued = _gauge("sink_queued_frames", "Frames that wait for a sink.", "sink")
    oldest = _gauge("sink_oldest_seconds", "How long the first waits.", "sink")
    broken = _gauge("sink_broken", "1 while a sink takes nothing.", "sink")
    for camera, health in healths.items():
        for sink in health.sinks:
            written.add_metric([camera, sink.uri], sink.written)
            queued.add_metric([camera, sink.uri], sink.queued)
            oldest.add_metric([camera, sink.uri], sink.oldest_ms / 1000)
            broken.add_metric([camera, sink.uri], bool(sink.error))
            for reason, count in sink.lost.items():
                lost.add_metric([camera, sink.uri, reason], count)
    yield from (written, lost, queued, oldest, broken)


def _counter(name: str, text: str, *labels: str) -> CounterMetricFamily:
    return CounterMetricFamily(f"perception_{name}", text, labels=["camera", *labels])


def _gauge(name: str, text: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"perception_{name}", text, labels=["camera", *labels])


def _seconds(ms: float | None) -> float | None:
    return None if ms is None else ms / 1000
