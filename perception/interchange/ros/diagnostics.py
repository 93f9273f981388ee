"""A node's health as diagnostic_msgs/DiagnosticArray: a status of the node, and one of each sink."""

from typing import Any

from perception.health.types import Health, Level, SinkState
from perception.interchange.ros.types import header, message


def diagnostics(health: Health, stamp_ns: int) -> Any:
    """The node's status has its latency and frame account as values; messages say what is wrong."""
    return message(
        "diagnostic_msgs/msg/DiagnosticArray",
        header=header(stamp_ns, ""),
        status=[_node(health), *(_sink(health.camera, sink) for sink in health.sinks)],
    )


def _node(health: Health) -> Any:
    values: dict[str, object] = {
        "state": health.state,
        "signal": health.signal,
        "step": health.step,
        "link": health.link,
        "connections": health.connections,
        "restarts": health.restarts,
        "captured": health.captured,
        "published": health.published,
        "in_hand": health.in_hand,
        **{f"dropped {reason}": count for reason, count in health.dropped.items()},
        "stale": health.stale,
        "unreliable": health.unreliable,
        "not_ready": health.not_ready,
        "rate_in": f"{health.rate_in:.2f}",
        "rate_out": f"{health.rate_out:.2f}",
        "jitter_ms": f"{health.jitter_ms:.2f}",
        **_quantiles("age_ms", health.age_ms),
        **_quantiles("infer_ms", health.infer_ms),
    }
    wrong = "; ".join(one.reason for one in health.conditions)
    return _status(health.level, health.camera, "node", wrong, values)


def _sink(camera: str, sink: SinkState) -> Any:
    level = Level.OK if not sink.error else Level.WARN if sink.viewers else Level.ERROR
    values: dict[str, object] = {
        "written": sink.written,
        **{f"lost {reason}": count for reason, count in sink.lost.items()},
        "queued": sink.queued,
        "oldest_ms": f"{sink.oldest_ms:.2f}",
    }
    return _status(level, camera, f"sink {sink.uri}", sink.error, values)


def _quantiles(name: str, values: tuple[float, float]) -> dict[str, str]:
    return {f"{name} {share}": f"{value:.2f}" for share, value in zip(("50 %", "99 %"), values, strict=True)}


def _status(level: Level, camera: str, of: str, wrong: str, values: dict[str, object]) -> Any:
    return message(
        "diagnostic_msgs/msg/DiagnosticStatus",
        level=int(level),  # a byte; ROS 2 numbers OK, WARN and ERROR as we do
        name=f"perception {camera}: {of}",
        message=wrong or "ok",
        hardware_id=camera,
        values=[
            message("diagnostic_msgs/msg/KeyValue", key=key, value=str(one)) for key, one in values.items()
        ],
    )
