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

from perception.classes import ANY_SIZE_M, SIZES_M, ClassSet
from perception.interchange.foxglove.annotations import pairs, set_time
from perception.interchange.messages.metres import LIFETIME_S, label_of, placed
from perception.scene import Instance, Lane, Scene

_THICK, _FONT = 0.15, 0.8  # metres
_EGO, _LANE, _TEXT = (
    Color(r=r, g=g, b=b, a=1) for r, g, b in ((0.24, 0.86, 0.35), (1, 0.85, 0.1), (1, 1, 1))
)


def road_update(scene: Scene, classes: ClassSet, frame_id: str, stamp_ns: int) -> SceneUpdate:
    """An entity for each lane boundary and each road user that is known in metres, in place of all before."""
    message = SceneUpdate(deletions=[SceneEntityDeletion(type=SceneEntityDeletion.ALL)])
    set_time(message.deletions[0].timestamp, stamp_ns)
    message.entities.extend(_lanes(scene.lanes))
    message.entities.extend(_road_user(one, classes) for one in placed(scene))
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
                thickness=_THICK,
                color=_LANE if lane.side is None else _EGO,
                points=[Point3(x=x, y=y) for x, y in part.tolist()],
            )
            for part in lane.stretches
        ]
        if lines:
            yield SceneEntity(id=f"lane {k}", lines=lines, metadata=pairs(values))


def _road_user(one: Instance, classes: ClassSet) -> SceneEntity:
    assert one.distance_m is not None and one.lateral_m is not None
    name = classes.names[one.class_id]
    length, width, height = SIZES_M.get(name, ANY_SIZE_M)
    red, green, blue = (level / 255 for level in classes.colours[one.class_id])
    ahead = one.distance_m + length / 2  # the distance is that of its near end
    known = ("track", "distance_m", "distance_sd_m", "lateral_m", "lateral_sd_m", "ttc_s", "ttc_sd_s")
    values = {key: value for key in known if (value := getattr(one, key)) is not None}
    entity = SceneEntity(
        id=f"{name} {one.id if one.track is None else one.track}",
        metadata=pairs({"id": one.id, "class": name, "score": f"{one.score:.4f}", **values}),
    )
    entity.cubes.add(
        pose=_at(ahead, one.lateral_m, height / 2),
        size=Vector3(x=length, y=width, z=height),
        color=Color(r=red, g=green, b=blue, a=0.7),
    )
    entity.texts.add(
        pose=_at(ahead, one.lateral_m, height + _FONT),
        billboard=True,
        font_size=_FONT,
        color=_TEXT,
        text=label_of(one, classes),
    )
    return entity


def _at(x: float, y: float, z: float) -> Pose:
    return Pose(position=Vector3(x=x, y=y, z=z), orientation=Quaternion(w=1))
