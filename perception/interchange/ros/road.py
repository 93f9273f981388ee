"""What a scene knows in metres: road users as vision_msgs/Detection3DArray, and markers for rviz."""

from typing import Any

import numpy as np

from perception.classes import ANY_SIZE_M, SIZES_M, ClassSet
from perception.interchange.messages.metres import LIFETIME_S, label_of, placed
from perception.interchange.ros.types import message
from perception.scene import Instance, Scene

_MARKER = "visualization_msgs/msg/Marker"
_ADD, _DELETE_ALL = 0, 3
_CUBE, _LINE_STRIP, _TEXT = 1, 4, 9  # of visualization_msgs/Marker
_THICK, _FONT = 0.15, 0.8  # metres
_EGO, _LANE, _WHITE = (0.24, 0.86, 0.35, 1.0), (1.0, 0.85, 0.1, 1.0), (1.0, 1.0, 1.0, 1.0)
_XY = 0, 7  # of variances of x and y in a 6 × 6 covariance


def detections_3d(scene: Scene, header: Any) -> Any:
    """Of road users whose place is known; where that is, the covariance says how well. Sizes are typical."""
    found = [_detection(one, scene.classes, header) for one in placed(scene)]
    return message("vision_msgs/msg/Detection3DArray", header=header, detections=found)


def markers(scene: Scene, header: Any) -> Any:
    """Lane boundaries, and road users as boxes with a label, in place of all before."""
    made = [_marker(header, "", 0, 0, _WHITE, action=_DELETE_ALL)]
    for k, lane in enumerate(scene.lanes):
        for n, part in enumerate(lane.stretches):
            points = [_point(x, y, 0.0) for x, y in part.tolist()]
            colour = _LANE if lane.side is None else _EGO
            scale = (_THICK, 0.0, 0.0)
            made.append(
                _marker(header, "lanes", 100 * k + n, _LINE_STRIP, colour, scale=scale, points=points)
            )
    for one in placed(scene):
        assert one.distance_m is not None and one.lateral_m is not None
        length, width, height = _size(one, scene.classes)
        red, green, blue = (level / 255 for level in scene.classes.colours[one.class_id])
        ahead, left = one.distance_m + length / 2, one.lateral_m
        colour, scale = (red, green, blue, 0.7), (length, width, height)
        made.append(_marker(header, "road users", one.id, _CUBE, colour, (ahead, left, height / 2), scale))
        at, words = (ahead, left, height + _FONT), label_of(one, scene.classes)
        made.append(_marker(header, "labels", one.id, _TEXT, _WHITE, at, (0.0, 0.0, _FONT), text=words))
    return message("visualization_msgs/msg/MarkerArray", markers=made)


def _size(one: Instance, classes: ClassSet) -> tuple[float, float, float]:
    return SIZES_M.get(classes.names[one.class_id], ANY_SIZE_M)


def _detection(one: Instance, classes: ClassSet, header: Any) -> Any:
    assert one.distance_m is not None and one.lateral_m is not None
    length, width, height = _size(one, classes)
    pose = _pose(one.distance_m + length / 2, one.lateral_m, height / 2)
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
