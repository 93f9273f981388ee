"""What a scene knows in metres: road users as vision_msgs/Detection3DArray, and markers for rviz."""

from typing import Any

import numpy as np

from perception.interchange.messages.metres import (
    EGO,
    LANE,
    LETTER_M,
    LIFETIME_S,
    LINE_M,
    TEXT,
    Placed,
    placed,
)
from perception.interchange.ros.types import message
from perception.scene import Scene

_MARKER = "visualization_msgs/msg/Marker"
_ADD, _DELETE_ALL = 0, 3
_CUBE, _LINE_STRIP, _TEXT = 1, 4, 9  # of visualization_msgs/Marker
_XY = 0, 7  # of variances of x and y in a 6 × 6 covariance


def detections_3d(scene: Scene, header: Any) -> Any:
    """Of road users that are known in metres; the covariance says how well. Sizes are typical."""
    found = [_detection(one, header) for one in placed(scene, scene.classes)]
    return message("vision_msgs/msg/Detection3DArray", header=header, detections=found)


def markers(scene: Scene, header: Any) -> Any:
    """Lane boundaries, and road users as boxes with a label, in place of all before."""
    made = [_marker(header, "", 0, 0, (*TEXT, 1.0), action=_DELETE_ALL)]
    for k, lane in enumerate(scene.lanes):
        for n, part in enumerate(lane.stretches):
            points = [_point(x, y, 0.0) for x, y in part.tolist()]
            colour = (*(LANE if lane.side is None else EGO), 1.0)
            scale = (LINE_M, 0.0, 0.0)
            made.append(
                _marker(header, "lanes", 100 * k + n, _LINE_STRIP, colour, scale=scale, points=points)
            )
    for one in placed(scene, scene.classes):
        number, (_, _, height) = one.instance.id, one.size
        at, above = (one.ahead, one.left, height / 2), (one.ahead, one.left, height + LETTER_M)
        made.append(_marker(header, "road users", number, _CUBE, (*one.colour, 0.7), at, one.size))
        letters = (0.0, 0.0, LETTER_M)
        made.append(_marker(header, "labels", number, _TEXT, (*TEXT, 1.0), above, letters, text=one.label))
    return message("visualization_msgs/msg/MarkerArray", markers=made)


def _detection(shown: Placed, header: Any) -> Any:
    one, (length, width, height) = shown.instance, shown.size
    pose = _pose(shown.ahead, shown.left, height / 2)
    covariance = np.zeros(36)
    covariance[list(_XY)] = (one.distance_sd_m or 0.0) ** 2, (one.lateral_sd_m or 0.0) ** 2
    hypothesis = message(
        "vision_msgs/msg/ObjectHypothesis", class_id=str(one.class_id), score=float(one.score)
    )
    with_pose = message(
        "vision_msgs/msg/ObjectHypothesisWithPose",
        hypothesis=hypothesis,
        pose=message("geometry_msgs/msg/PoseWithCovariance", pose=pose, covariance=covariance),
    )
    size = message("geometry_msgs/msg/Vector3", x=length, y=width, z=height)
    return message(
        "vision_msgs/msg/Detection3D",
        header=header,
        results=[with_pose],
        bbox=message("vision_msgs/msg/BoundingBox3D", center=pose, size=size),
        id="" if one.track is None else str(one.track),
    )


def _marker(
    header: Any,
    namespace: str,
    number: int,
    kind: int,
    colour: tuple[float, float, float, float],
    at: tuple[float, float, float] = (0.0, 0.0, 0.0),
    scale: tuple[float, float, float] = (0.0, 0.0, 0.0),
    points: list[Any] | None = None,
    text: str = "",
    action: int = _ADD,
) -> Any:
    return message(
        _MARKER,
        header=header,
        ns=namespace,
        id=number,
        type=kind,
        action=action,
        pose=_pose(*at),
        scale=message("geometry_msgs/msg/Vector3", **dict(zip("xyz", scale, strict=True))),
        color=message("std_msgs/msg/ColorRGBA", **dict(zip("rgba", colour, strict=True))),
        lifetime=message("builtin_interfaces/msg/Duration", sec=LIFETIME_S, nanosec=0),
        frame_locked=False,
        points=points or [],
        colors=[],
        texture_resource="",
        texture=message(
            "sensor_msgs/msg/CompressedImage", header=header, format="", data=np.empty(0, np.uint8)
        ),
        uv_coordinates=[],
        text=text,
        mesh_resource="",
        mesh_file=message("visualization_msgs/msg/MeshFile", filename="", data=np.empty(0, np.uint8)),
        mesh_use_embedded_materials=False,
    )


def _point(x: float, y: float, z: float) -> Any:
    return message("geometry_msgs/msg/Point", x=x, y=y, z=z)


def _pose(x: float, y: float, z: float) -> Any:
    turn = message("geometry_msgs/msg/Quaternion", x=0.0, y=0.0, z=0.0, w=1.0)
    return message("geometry_msgs/msg/Pose", position=_point(x, y, z), orientation=turn)
