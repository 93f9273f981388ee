"""A camera's scenes as messages of ROS 2, serialised without ROS: for logs, for rclpy and for other buses."""

import json
from collections.abc import Callable, Container, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from perception.camera_info import CameraInfo, Transform
from perception.classes import UNKNOWN, ClassSet
from perception.frame import Frame
from perception.health.types import Health
from perception.interchange.files.png import encode_ids
from perception.interchange.files.records import class_records, health_record, scene_record
from perception.interchange.messages.channels import Channel, Message
from perception.interchange.messages.jpeg import encode_jpeg, frame_jpeg
from perception.interchange.ros.diagnostics import diagnostics
from perception.interchange.ros.road import detections_3d, markers
from perception.interchange.ros.types import cdr, doubles, header, message, schema, text
from perception.pixels import Pixels
from perception.scene import Instance, Scene

_STRING, _IMAGE, _COMPRESSED = (
    "std_msgs/msg/String",
    "sensor_msgs/msg/Image",
    "sensor_msgs/msg/CompressedImage",
)
# By their names: the topic, below the camera's namespace where it is not absolute, the type, and whether it
# is latched. The names of image_transport and of tf2.
_CHANNELS = {
    "picture": ("image/compressed", _COMPRESSED, False),
    "overlay": ("overlay/compressed", _COMPRESSED, False),
    "calibration": ("camera_info", "sensor_msgs/msg/CameraInfo", False),
    "scene": ("scene", _STRING, False),
    "health": ("health", _STRING, False),
    "diagnostics": ("/diagnostics", "diagnostic_msgs/msg/DiagnosticArray", False),
    "transforms": ("/tf_static", "tf2_msgs/msg/TFMessage", True),
}
_OF_CLASSES = {
    "labels": ("labels", _IMAGE, False),
    "labels/compressed": ("labels/compressed", _COMPRESSED, False),
    "instances": ("instances", _IMAGE, False),
    "instances/compressed": ("instances/compressed", _COMPRESSED, False),
    "detections": ("detections", "vision_msgs/msg/Detection2DArray", False),
    "detections_3d": ("detections_3d", "vision_msgs/msg/Detection3DArray", False),
    "road": ("road", "visualization_msgs/msg/MarkerArray", False),
    "label_info": ("label_info", "vision_msgs/msg/LabelInfo", True),
    "classes": ("classes", _STRING, True),
}


class RosVocabulary:
    """See `channels.Vocabulary`. Every header has the given stamp and the camera's optical frame.

    What is in metres has the frame of the ground, and is said only where it is known where that is.

    Args:
        classes: what scenes hold; without any there are no labels, instances and detections.
        namespace: topics are NAMESPACE/CAMERA/labels and so on; it begins with a slash, or is empty.
    """

    def __init__(self, camera: str, classes: ClassSet, namespace: str = "") -> None:
        self._classes = classes
        table = _CHANNELS | (_OF_CLASSES if len(classes) else {})
        base = f"{namespace}/{camera}"
        self.channels: Mapping[str, Channel] = {
            name: Channel(name, topic if topic.startswith("/") else f"{base}/{topic}", schema(kind), latched)
            for name, (topic, kind, latched) in table.items()
        }

    def scene(
        self, frame: Frame, scene: Scene, overlay: Pixels, stamp_ns: int, wanted: Container[str]
    ) -> Iterator[Message]:
        """Labels are mono8, 255 unknown, and instances mono16, class id × 1000 + k; compressed ones are PNG.

        Raises:
            cv2.error: a picture is too large for JPEG.
        """
        one = _Moment(header(stamp_ns, frame.optical_frame), frame, scene, overlay, self._classes)
        for name, make in _MAKERS.items():
            if name in wanted and name in self.channels:
                made = make(one)
                if made is not None:
                    yield self._message(name, stamp_ns, made)

    def health(self, health: Health, stamp_ns: int) -> Iterator[Message]:
        yield self._message("health", stamp_ns, text(json.dumps(health_record(health))))
        yield self._message("diagnostics", stamp_ns, diagnostics(health, stamp_ns))

    def latched(self, frame: Frame, stamp_ns: int) -> Iterator[Message]:
        if frame.transforms:
            made = [_transform(one, stamp_ns) for one in frame.transforms]
            yield self._message("transforms", stamp_ns, message("tf2_msgs/msg/TFMessage", transforms=made))
        if len(self._classes):
            yield self._message("classes", stamp_ns, text(json.dumps(_class_table(self._classes))))
            info = _label_info(self._classes, header(stamp_ns, frame.optical_frame))
            yield self._message("label_info", stamp_ns, info)

    def _message(self, name: str, stamp_ns: int, made: Any) -> Message:
        return Message(self.channels[name], stamp_ns, cdr(made))


@dataclass(frozen=True, slots=True)
class _Moment:
    """What the messages of one frame are made of."""

    header: Any
    frame: Frame
    scene: Scene
    overlay: Pixels
    classes: ClassSet


def _jpeg(one: _Moment, data: bytes) -> Any:
    return _compressed(one, data, "jpeg", "bgr8")


def _png(one: _Moment, ids: npt.NDArray[np.uint8] | npt.NDArray[np.uint16]) -> Any:
    return _compressed(one, encode_ids(ids), "png", _mono(ids))


def _compressed(one: _Moment, data: bytes, codec: str, encoding: str) -> Any:
    # image_transport takes what stands before the semicolon for the pixels' encoding, and guesses without it.
    words = f"{encoding}; {codec} compressed {encoding}"
    return message(_COMPRESSED, header=one.header, format=words, data=np.frombuffer(data, np.uint8))


def _image(one: _Moment, ids: npt.NDArray[np.uint8] | npt.NDArray[np.uint16]) -> Any:
    height, width = ids.shape
    little = np.ascontiguousarray(ids, ids.dtype.newbyteorder("<"))
    return message(
        _IMAGE,
        header=one.header,
        height=height,
        width=width,
        encoding=_mono(ids),
        is_bigendian=0,
        step=width * ids.itemsize,
        data=little.view(np.uint8).ravel(),
    )


def _mono(ids: npt.NDArray[np.uint8] | npt.NDArray[np.uint16]) -> str:
    return f"mono{8 * ids.itemsize}"


def _camera_info(header: Any, info: CameraInfo | None) -> Any:
    if info is None:
        return None
    everywhere = message(
        "sensor_msgs/msg/RegionOfInterest", x_offset=0, y_offset=0, height=0, width=0, do_rectify=False
    )
    return message(
        "sensor_msgs/msg/CameraInfo",
        header=header,
        height=info.height,
        width=info.width,
        distortion_model=info.model,
        d=doubles(info.d),
        k=doubles(info.k),
        r=doubles(info.r),
        p=doubles(info.p),
        binning_x=0,
        binning_y=0,
        roi=everywhere,
    )


def _detections(one: _Moment) -> Any:
    found = [_detection(one.header, instance) for instance in one.scene.instances]
    return message("vision_msgs/msg/Detection2DArray", header=one.header, detections=found)


def _detection(header: Any, instance: Instance) -> Any:
    x0, y0, x1, y1 = map(float, instance.box)
    centre = message(
        "vision_msgs/msg/Pose2D",
        position=message("vision_msgs/msg/Point2D", x=(x0 + x1) / 2, y=(y0 + y1) / 2),
        theta=0.0,
    )
    hypothesis = message(
        "vision_msgs/msg/ObjectHypothesis", class_id=str(instance.class_id), score=float(instance.score)
    )
    return message(
        "vision_msgs/msg/Detection2D",
        header=header,
        results=[message("vision_msgs/msg/ObjectHypothesisWithPose", hypothesis=hypothesis, pose=_no_pose())],
        bbox=message("vision_msgs/msg/BoundingBox2D", center=centre, size_x=x1 - x0, size_y=y1 - y0),
        id="" if instance.track is None else str(instance.track),
    )


def _no_pose() -> Any:
    origin = message(
        "geometry_msgs/msg/Pose",
        position=message("geometry_msgs/msg/Point", x=0.0, y=0.0, z=0.0),
        orientation=message("geometry_msgs/msg/Quaternion", x=0.0, y=0.0, z=0.0, w=1.0),
    )
    return message("geometry_msgs/msg/PoseWithCovariance", pose=origin, covariance=np.zeros(36))


def _of_ground(one: _Moment, make: Callable[[Scene, Any], Any]) -> Any:
    if not one.frame.mounted:
        return None
    return make(
        one.scene, message(one.header.__msgtype__, stamp=one.header.stamp, frame_id=one.frame.ground_frame)
    )


def _scene(one: _Moment) -> Any:
    return text(json.dumps(scene_record(one.scene, one.classes)))


def _transform(one: Transform, stamp_ns: int) -> Any:
    x, y, z = one.translation
    turn = dict(zip("xyzw", one.rotation, strict=True))
    return message(
        "geometry_msgs/msg/TransformStamped",
        header=header(stamp_ns, one.parent),
        child_frame_id=one.child,
        transform=message(
            "geometry_msgs/msg/Transform",
            translation=message("geometry_msgs/msg/Vector3", x=x, y=y, z=z),
            rotation=message("geometry_msgs/msg/Quaternion", **turn),
        ),
    )


def _class_table(classes: ClassSet) -> dict[str, Any]:
    return {"name": classes.name, "unknown": UNKNOWN, "classes": class_records(classes)}


def _label_info(classes: ClassSet, header: Any) -> Any:
    table = [
        message("vision_msgs/msg/VisionClass", class_id=i, class_name=name)
        for i, name in enumerate(classes.names)
    ]
    return message("vision_msgs/msg/LabelInfo", header=header, class_map=table, threshold=0.0)


_MAKERS: dict[str, Callable[[_Moment], Any]] = {
    "picture": lambda one: _jpeg(one, frame_jpeg(one.frame)),
    "overlay": lambda one: _jpeg(one, encode_jpeg(one.overlay)),
    "labels": lambda one: _image(one, one.scene.labels),
    "labels/compressed": lambda one: _png(one, one.scene.labels),
    "instances": lambda one: _image(one, one.scene.instance_map),
    "instances/compressed": lambda one: _png(one, one.scene.instance_map),
    "calibration": lambda one: _camera_info(one.header, one.frame.camera_info),
    "detections": _detections,
    "detections_3d": lambda one: _of_ground(one, detections_3d),
    "road": lambda one: _of_ground(one, markers),
    "scene": _scene,
}
