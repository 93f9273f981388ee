"""What the node says of itself, for Prometheus."""

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
    ("frames_captured", "Frames that the source gave.", lambda health: health.captured),
    ("frames_published", "Frames whose scenes were published.", lambda health: health.published),
    ("frames_stale", "Scenes published older than allowed.", lambda health: health.stale),
    ("frames_unreliable", "Scenes published as unreliable.", lambda health: health.unreliable),
    ("frames_not_ready", "Scenes published before the engine was ready.", lambda health: health.not_ready),
    (
        "reconnects",
        "Connections to the source after the first.",
        lambda health: max(0, health.connections - 1),
    ),
    ("restarts", "Dead or hung stages that were replaced.", lambda health: health.restarts),
)
GAUGES: tuple[tuple[str, str, Value], ...] = (
    ("frames_in_hand", "Frames captured, and not yet published or dropped.", lambda health: health.in_hand),
    ("capture_rate_hertz", "Frames a second that come.", lambda health: health.rate_in),
    ("publication_rate_hertz", "Scenes a second that are published.", lambda health: health.rate_out),
    ("jitter_seconds", "Deviation of intervals between frames.", lambda health: health.jitter_ms / 1000),
    ("silent_seconds", "Since the last frame came.", lambda health: _seconds(health.silent_ms)),
    ("level", "The worst condition's level: 0 OK, 1 WARN, 2 ERROR.", lambda health: health.level),
)
QUANTILES: tuple[tuple[str, str, Callable[[Health], tuple[float, float]]], ...] = (
    ("age_seconds", "Age of scenes at publication, over the last seconds.", lambda health: health.age_ms),
    ("infer_seconds", "Time in the engine, over the last seconds.", lambda health: health.infer_ms),
)


class Metrics(Collector):
    """Reads the newest health of each camera whenever it is asked: nothing is counted twice."""

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
        told = GaugeMetricFamily(
            "perception_told_seconds",
            "Since the node told its state; it does each second.",
            labels=["camera"],
        )
        for name in healths:
            told.add_metric([name], (now_ms() - cameras[name].told_ms) / 1000)
        yield told
        yield GaugeMetricFamily("perception_viewers", "Who watch the live page.", len(self._viewers()))


def _plain(healths: dict[str, Health]) -> Iterator[Metric]:
    for kind, table in ((CounterMetricFamily, COUNTERS), (GaugeMetricFamily, GAUGES)):
        for name, text, value in table:
            family = kind(f"perception_{name}", text, labels=["camera"])
            for camera, health in healths.items():
                if (found := value(health)) is not None:
                    family.add_metric([camera], found)
            yield family


def _labelled(healths: dict[str, Health]) -> Iterator[Metric]:
    dropped = CounterMetricFamily(
        "perception_frames_dropped", "Frames not published, by reason.", labels=["camera", "reason"]
    )
    signal = GaugeMetricFamily(
        "perception_signal", "1 for what the camera's signal is now.", labels=["camera", "signal"]
    )
    state = GaugeMetricFamily(
        "perception_state", "1 for where the node is in its life cycle.", labels=["camera", "state"]
    )
    conditions = GaugeMetricFamily(
        "perception_condition_active", "1 for all that is amiss.", labels=["camera", "condition", "level"]
    )
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
        family = GaugeMetricFamily(f"perception_{name}", text, labels=["camera", "quantile"])
        for camera, health in healths.items():
            for quantile, ms in zip(("0.5", "0.99"), value(health), strict=True):
                family.add_metric([camera, quantile], ms / 1000)
        yield family


def _scenes(scenes: dict[str, Scene]) -> Iterator[Metric]:
    """How far the newest scene of each camera may be trusted now."""
    age = GaugeMetricFamily("perception_scene_age_seconds", "Age of the newest scene now.", labels=["camera"])
    status = GaugeMetricFamily(
        "perception_scene_status", "1 for the status of the newest scene now.", labels=["camera", "status"]
    )
    for camera, scene in scenes.items():
        age.add_metric([camera], scene.age_ms / 1000)
        for one in Status:
            status.add_metric([camera, one], scene.status is one)
    yield from (age, status)


def _sinks(healths: dict[str, Health]) -> Iterator[Metric]:
    labels = ["camera", "sink"]
    written = CounterMetricFamily("perception_sink_frames_written", "Frames that a sink took.", labels=labels)
    lost = CounterMetricFamily(
        "perception_sink_frames_lost", "Frames that a sink lost, by reason.", labels=[*labels, "reason"]
    )
    queued = GaugeMetricFamily("perception_sink_queued_frames", "Frames that wait for a sink.", labels=labels)
    oldest = GaugeMetricFamily("perception_sink_oldest_seconds", "How long the first waits.", labels=labels)
    broken = GaugeMetricFamily("perception_sink_broken", "1 while a sink takes nothing.", labels=labels)
    for camera, health in healths.items():
        for sink in health.sinks:
            written.add_metric([camera, sink.uri], sink.written)
            queued.add_metric([camera, sink.uri], sink.queued)
            oldest.add_metric([camera, sink.uri], sink.oldest_ms / 1000)
            broken.add_metric([camera, sink.uri], bool(sink.error))
            for reason, count in sink.lost.items():
                lost.add_metric([camera, sink.uri, reason], count)
    yield from (written, lost, queued, oldest, broken)


def _seconds(ms: float | None) -> float | None:
    return None if ms is None else ms / 1000
