"""What a scene holds besides its maps, as Foxglove draws it over a picture."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from foxglove_schemas_protobuf.Color_pb2 import Color
from foxglove_schemas_protobuf.ImageAnnotations_pb2 import ImageAnnotations
from foxglove_schemas_protobuf.KeyValuePair_pb2 import KeyValuePair
from foxglove_schemas_protobuf.Point2_pb2 import Point2
from foxglove_schemas_protobuf.PointsAnnotation_pb2 import PointsAnnotation

from perception.classes import ClassSet
from perception.scene import Instance, KeyPoint, Lane, Scene
from perception.types import NS_PER_S

_CENTRE = 0.5  # of the first pixel: points are at 0, 0 there, and Foxglove's at its corner
_FONT, _LINE, _DOT = 14.0, 2.0, 6.0  # pixels
_TEXT, _LANE, _JOINT = (Color(r=r, g=g, b=b, a=1) for r, g, b in ((1, 1, 1), (1, 0.85, 0.1), (1, 0.2, 0.6)))
# A point of a PointsAnnotation as it is serialised: a lane has some sixty, and this takes an eighth of the
# time.
_POINT = np.dtype([("begin", "S3"), ("x", "<f8"), ("y_key", "u1"), ("y", "<f8")])
_Y_KEY = Point2.Y_FIELD_NUMBER << 3 | 1
_POINT_BEGIN = bytes(
    [PointsAnnotation.POINTS_FIELD_NUMBER << 3 | 2, _POINT.itemsize - 2, Point2.X_FIELD_NUMBER << 3 | 1]
)


def annotations(scene: Scene, classes: ClassSet, stamp_ns: int) -> ImageAnnotations:
    """Boxes with their class, score and track, lanes and key points.

    Foxglove counts from the corner of the first pixel. The sides of boxes lie between pixels, and so are the
    same there; all other points move by half a pixel. What each one is stands in its metadata.
    """
    message = ImageAnnotations()
    set_time(message.timestamp, stamp_ns)
    for one in scene.instances:
        _add_box(message, one, classes)
    for lane in scene.lanes:
        _add_lane(message, lane)
    for point in scene.key_points:
        _add_key_point(message, point)
    for added in (*message.points, *message.texts, *message.circles):
        added.timestamp.CopyFrom(message.timestamp)
    return message


def set_time(timestamp: Any, stamp_ns: int) -> None:
    """Set a protobuf Timestamp."""
    timestamp.seconds, timestamp.nanos = divmod(stamp_ns, NS_PER_S)


def _add_box(message: ImageAnnotations, one: Instance, classes: ClassSet) -> None:
    x0, y0, x1, y1 = one.box
    red, green, blue = (level / 255 for level in classes.colours[one.class_id])
    name = classes.names[one.class_id]
    values = {"id": one.id, "class": name, "score": f"{one.score:.4f}"}
    if one.track is not None:
        values["track"] = one.track
    message.points.add(
        type=PointsAnnotation.LINE_LOOP,
        points=[Point2(x=x, y=y) for x, y in ((x0, y0), (x1, y0), (x1, y1), (x0, y1))],
        outline_color=Color(r=red, g=green, b=blue, a=1),
        thickness=_LINE,
        metadata=pairs(values),
    )
    message.texts.add(
        position=Point2(x=x0, y=y0),
        text=f"{name} {one.score:.0%}"
        + ("" if one.track is None else f" #{one.track}")
        + ("" if one.distance_m is None else f" {one.distance_m:.0f} m"),
        font_size=_FONT,
        text_color=_TEXT,
        background_color=Color(r=red, g=green, b=blue, a=0.7),
    )


def _add_lane(message: ImageAnnotations, lane: Lane) -> None:
    values = {"lane": lane.kind, "confidence": f"{lane.confidence:.4f}"}
    if lane.side is not None:
        values["side"] = lane.side
    added = message.points.add(
        type=PointsAnnotation.LINE_STRIP,
        outline_color=_LANE,
        thickness=_LINE,
        metadata=pairs(values),
    )
    points = np.empty(len(lane.points), _POINT)
    points["begin"], points["y_key"] = _POINT_BEGIN, _Y_KEY
    points["x"], points["y"] = lane.points.T + np.float64(_CENTRE)
    added.MergeFromString(points.tobytes())


def _add_key_point(message: ImageAnnotations, point: KeyPoint) -> None:
    message.circles.add(
        position=Point2(x=point.x + _CENTRE, y=point.y + _CENTRE),
        diameter=_DOT,
        thickness=_LINE,
        outline_color=_JOINT,
        fill_color=_JOINT,
        metadata=pairs({"key_point": point.name, "score": f"{point.score:.4f}"}),
    )


def pairs(values: Mapping[str, object]) -> Iterable[KeyValuePair]:
    """Metadata, as text."""
    return [KeyValuePair(key=key, value=str(value)) for key, value in values.items()]
