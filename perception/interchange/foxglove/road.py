"""What a scene knows in metres, as Foxglove draws it in three dimensions."""

from collections.abc import Iterator

from foxglove_schemas_protobuf.Color_pb2 import Color
from foxglove_schemas_protobuf.LinePrimitive_pb2 import LinePrimitive
from foxglove_schemas_protobuf.Point3_pb2 import Point3
from foxglove_schemas_protobuf.Pose_pb2 import Pose
from foxglove_schemas_protobuf.Quaternion_pb2 import Quaternion
from foxglove_schemas_protobuf.SceneEntity_pb2 import SceneEntity
from foxglove_schemas_protobuf.SceneEntityDeletion_pb2 import SceneEntityDeletion
from foxglove_schemas_protobuf.SceneUpdate_pb2 import SceneUpdate
from foxglove_schemas_protobuf.Vector3_pb2 import Vector3

from perception.classes import ClassSet
from perception.interchange.foxglove.annotations import pairs, set_time
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
from perception.scene import Lane, Scene


def road_update(scene: Scene, classes: ClassSet, frame_id: str, stamp_ns: int) -> SceneUpdate:
    """An entity for each lane boundary and each road user that is known in metres, in place of all before."""
    message = SceneUpdate(deletions=[SceneEntityDeletion(type=SceneEntityDeletion.ALL)])
    set_time(message.deletions[0].timestamp, stamp_ns)
    message.entities.extend(_lanes(scene.lanes))
    message.entities.extend(_road_user(one, classes) for one in placed(scene, classes))
    for entity in message.entities:
        entity.frame_id = frame_id
        entity.lifetime.seconds = LIFETIME_S
        set_time(entity.timestamp, stamp_ns)
    return message


def _lanes(lanes: tuple[Lane, ...]) -> Iterator[SceneEntity]:
    for k, lane in enumerate(lanes):
        values = {"lane": lane.kind, "confidence": f"{lane.confidence:.4f}", "side": lane.side or ""}
        lines = [
            LinePrimitive(
                type=LinePrimitive.LINE_STRIP,
                pose=_at(0, 0, 0),
                thickness=LINE_M,
                color=_colour(LANE if lane.side is None else EGO),
                points=[Point3(x=x, y=y) for x, y in part.tolist()],
            )
            for part in lane.stretches
        ]
        if lines:
            yield SceneEntity(id=f"lane {k}", lines=lines, metadata=pairs(values))


def _road_user(shown: Placed, classes: ClassSet) -> SceneEntity:
    one, (length, width, height) = shown.instance, shown.size
    name = classes.names[one.class_id]
    known = ("track", "distance_m", "distance_sd_m", "lateral_m", "lateral_sd_m", "ttc_s", "ttc_sd_s")
    values = {key: value for key in known if (value := getattr(one, key)) is not None}
    entity = SceneEntity(
        id=f"{name} {one.id if one.track is None else one.track}",
        metadata=pairs({"id": one.id, "class": name, "score": f"{one.score:.4f}", **values}),
    )
    entity.cubes.add(
        pose=_at(shown.ahead, shown.left, height / 2),
        size=Vector3(x=length, y=width, z=height),
        color=_colour(shown.colour, 0.7),
    )
    entity.texts.add(
        pose=_at(shown.ahead, shown.left, height + LETTER_M),
        billboard=True,
        font_size=LETTER_M,
        color=_colour(TEXT),
        text=shown.label,
    )
    return entity


def _colour(rgb: tuple[float, float, float], opacity: float = 1.0) -> Color:
    red, green, blue = rgb
    return Color(r=red, g=green, b=blue, a=opacity)


def _at(x: float, y: float, z: float) -> Pose:
    return Pose(position=Vector3(x=x, y=y, z=z), orientation=Quaternion(w=1))
