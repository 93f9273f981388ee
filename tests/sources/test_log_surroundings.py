"""What a recording says of the camera beside its pictures."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from foxglove_schemas_protobuf.CameraCalibration_pb2 import CameraCalibration
from foxglove_schemas_protobuf.CompressedImage_pb2 import CompressedImage
from foxglove_schemas_protobuf.FrameTransform_pb2 import FrameTransform
from mcap_ros2.writer import Writer as Ros2McapWriter

from perception.camera_info import CameraInfo, Transform
from perception.frame import Frame
from perception.sources.log.choice import is_beside
from perception.sources.registry import open_source
from tests.sources.logs import ROS, McapLog, protobuf, shots

TAKEN = shots(12)
K = (30.0, 0.0, 15.5, 0.0, 31.0, 11.5, 0.0, 0.0, 1.0)
R = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
P = (30.0, 0.0, 15.5, 0.0, 0.0, 31.0, 11.5, 0.0, 0.0, 0.0, 1.0, 0.0)


def info(focal: float = 30.0, width: int = 32) -> CameraInfo:
    return CameraInfo(width, 24, "plumb_bob", (0.5, 0.25, 0.0, 0.0, 0.0), (focal, *K[1:]), R, P)


def calibration(stamp_ns: int, frame_id: str, about: CameraInfo) -> Any:
    matrices = {"D": about.d, "K": about.k, "R": about.r, "P": about.p}
    fields = {"width": about.width, "height": 24, "distortion_model": "plumb_bob"} | matrices
    return protobuf(CameraCalibration, stamp_ns, frame_id=frame_id, **fields)


def recording(
    path: Path, calibrations: dict[str, tuple[str, CameraInfo]], picture: str = "/front/image"
) -> Path:
    """Calibrations by topic, with their coordinate frame; each comes after its picture, as drivers do it."""
    log = McapLog(path)
    for shot in TAKEN:
        fields = {"data": shot.data, "format": "png", "frame_id": "front_optical"}
        log.add(picture, shot.log_ns, protobuf(CompressedImage, shot.stamp_ns, **fields))
        for name, (frame_id, about) in calibrations.items():
            log.add(name, shot.log_ns + 1000, calibration(shot.stamp_ns, frame_id, about))
    return log.close()


def frames_of(path: Any) -> tuple[list[Frame], list[str]]:
    source = open_source(str(path))
    frames = [item for item in source if isinstance(item, Frame)]
    source.close()
    assert len(frames) == 12
    return frames, source.notes


@pytest.mark.parametrize(
    "calibrations",
    [
        {"/front/camera_info": ("front_optical", info()), "/rear/camera_info": ("rear", info(7))},
        {"/front/camera_info": ("base", info()), "/rear/camera_info": ("rear", info(7))},  # by its name
        {"/calib/a": ("front_optical", info()), "/calib/b": ("rear", info(7))},  # by its coordinate frame
        {"/front/left": ("front_optical", info()), "/front/right": ("rear", info(7))},
    ],
)
def test_the_calibration_of_the_camera_is_on_every_frame(calibrations: Any, tmp_path: Path) -> None:
    frames, notes = frames_of(recording(tmp_path / "x.mcap", calibrations))
    assert {frame.camera_info for frame in frames} == {info()}
    assert not notes


@pytest.mark.parametrize(
    ("picture", "r"),
    [
        ("/front/image_rect", R),
        ("/front/image_rect_color/compressed", R),
        ("/front/image_rect", (0.0,) * 9),  # left out
    ],
)
def test_rectified_pictures_have_the_projection_and_no_distortion(
    picture: str, r: Any, tmp_path: Path
) -> None:
    about = replace(info(), r=r, p=(25.0, 0.0, 14.0, -3.0, 0.0, 26.0, 12.0, 0.0, 0.0, 0.0, 1.0, 0.0))
    path = recording(tmp_path / "x.mcap", {"/front/camera_info": ("front_optical", about)}, picture)
    frames, notes = frames_of(path)
    (found,) = {frame.camera_info for frame in frames}
    assert found is not None and not notes
    assert (found.k, found.d) == ((25.0, 0.0, 14.0, 0.0, 26.0, 12.0, 0.0, 0.0, 1.0), (0.0,) * 5)
    assert found.p == about.p  # as before: a sink publishes it


@pytest.mark.parametrize(
    ("about", "why"),
    [
        (replace(info(), p=(0.0,) * 12), "has no projection (P)"),
        (replace(info(), r=(0.0, -1.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0)), "turned against the camera (R)"),
    ],
)
def test_rectified_pictures_of_an_unknown_camera_have_no_calibration(
    about: CameraInfo, why: str, tmp_path: Path
) -> None:
    given = {"/front/camera_info": ("front_optical", about)}
    frames, notes = frames_of(recording(tmp_path / "x.mcap", given, "/front/image_rect"))
    assert {frame.camera_info for frame in frames} == {None}
    assert why in notes[0]
    raw, _ = frames_of(recording(tmp_path / "raw.mcap", given))
    assert {frame.camera_info for frame in raw} == {about}


@pytest.mark.parametrize(
    "calibrations",
    [
        {},
        {"/rear/camera_info": ("rear", info())},
        {"/a/info": ("front_optical", info()), "/b/info": ("front_optical", info(7))},
        {"/front/camera_info": ("front_optical", info(0.0))},  # not calibrated
    ],
)
def test_a_calibration_that_may_be_anothers_is_not_taken(calibrations: Any, tmp_path: Path) -> None:
    frames, _ = frames_of(recording(tmp_path / "x.mcap", calibrations))
    assert {frame.camera_info for frame in frames} == {None}


def test_a_calibration_for_another_size_is_passed_over_with_a_word(tmp_path: Path) -> None:
    about = {"/front/camera_info": ("front_optical", info(width=64))}
    frames, notes = frames_of(recording(tmp_path / "x.mcap", about))
    assert {frame.camera_info for frame in frames} == {None}
    assert "/front/camera_info holds for 64×24, not for pictures of 32×24" in notes[0]


def test_a_calibration_that_changes_holds_from_when_it_came(tmp_path: Path) -> None:
    log = McapLog(tmp_path / "x.mcap")
    for index, shot in enumerate(TAKEN):
        log.add(
            "/a/image", shot.log_ns, protobuf(CompressedImage, shot.stamp_ns, data=shot.data, format="png")
        )
        log.add("/a/camera_info", shot.log_ns + 1, calibration(shot.stamp_ns, "", info(30.0 + index)))
    frames, _ = frames_of(log.close())
    # The first one is known ahead, for the first picture has none before it.
    assert [frame.camera_info for frame in frames] == [info(30.0 + max(index - 1, 0)) for index in range(12)]


@pytest.mark.parametrize(
    ("name", "picture", "beside"),
    [
        ("/front/camera_info", "/front/image_raw", True),
        ("/front/camera_info", "/front/image_raw/compressed", True),
        ("/front/image_raw/camera_info", "/front/image_raw/compressed", True),
        ("/front/camera_info", "/front/raw/other", False),
        ("/rear/camera_info", "/front/image_raw", False),
    ],
)
def test_names_that_belong_together(name: str, picture: str, beside: bool) -> None:
    assert is_beside(name, picture) == beside


def test_transforms_are_on_every_frame_also_on_those_before_a_part(tmp_path: Path) -> None:
    log = McapLog(tmp_path / "x.mcap")
    mounted = protobuf(FrameTransform, 1, parent_frame_id="base_link", child_frame_id="front_optical")
    fields: Any = mounted
    fields.translation.z, fields.rotation.w = 1.25, 1.0
    log.add("/tf", TAKEN[0].log_ns + 5, mounted)
    for shot in TAKEN:
        log.add("/cam", shot.log_ns, protobuf(CompressedImage, shot.stamp_ns, data=shot.data, format="png"))
    truth = (Transform("base_link", "front_optical", (0.0, 0.0, 1.25), (0.0, 0.0, 0.0, 1.0)),)
    path = log.close()
    assert {frame.transforms for frame in frames_of(path)[0]} == {truth}
    source = open_source(f"{path}?start=0.3")
    assert {item.transforms for item in source if isinstance(item, Frame)} == {truth}
    source.close()


def test_what_moves_is_no_mount(tmp_path: Path) -> None:
    """As of a localiser: on /tf_static it would hold for all times, and take the place of others' poses."""
    log = McapLog(tmp_path / "x.mcap")
    for index, shot in enumerate(TAKEN):
        for child, x in (("front_optical", 1.5), ("base_link", float(index))):
            moved = protobuf(FrameTransform, 1, parent_frame_id="map", child_frame_id=child)
            fields: Any = moved
            fields.translation.x, fields.rotation.w = x, 1.0
            log.add("/tf", shot.log_ns - 5, moved)
        log.add("/cam", shot.log_ns, protobuf(CompressedImage, shot.stamp_ns, data=shot.data, format="png"))
    frames, _ = frames_of(log.close())
    assert [one.child for one in frames[-1].transforms] == ["front_optical"]
    assert all(one.translation[0] in (0.0, 1.0, 1.5) for frame in frames for one in frame.transforms)


def ros2_mcap(path: Path) -> Path:
    """By mcap-ros2-support, from the text of definitions: pictures, calibration, transforms of both kinds."""
    kinds = {
        name: ROS.generate_msgdef(name, ros_version=2)[0]
        for name in ("sensor_msgs/msg/Image", "sensor_msgs/msg/CameraInfo", "tf2_msgs/msg/TFMessage")
    }
    with path.open("wb") as file:
        writer: Any = Ros2McapWriter(file)
        image, camera, tf = (writer.register_msgdef(name, text) for name, text in kinds.items())
        for index, shot in enumerate(TAKEN):
            seconds, nanoseconds = divmod(shot.stamp_ns, 10**9)
            header = {"stamp": {"sec": seconds, "nanosec": nanoseconds}, "frame_id": "front_optical"}
            padded = np.full((24, 100), 9, np.uint8)
            padded[:, :96] = shot.image.reshape(24, 96)
            fields = {"height": 24, "width": 32, "step": 100, "encoding": "bgr8", "is_bigendian": 0}
            message = {"header": header, "data": padded.tobytes(), **fields}
            writer.write_message("/front/image_raw", image, message, shot.log_ns, shot.log_ns)
            about = {"d": info().d, "k": K, "r": R, "p": P, "width": 32, "height": 24}
            message = {"header": header, "distortion_model": "plumb_bob", **about}
            writer.write_message("/front/camera_info", camera, message, shot.log_ns, shot.log_ns)
            for topic in ("/tf", "/tf_static") if index in (0, 5) else ("/tf",):
                child = "front_optical" if topic == "/tf_static" else "wheel"
                where = {"translation": {"x": float(index)}, "rotation": {"w": 1.0}}
                stamped = {
                    "header": header | {"frame_id": "base_link"},
                    "child_frame_id": child,
                    "transform": where,
                }
                writer.write_message(topic, tf, {"transforms": [stamped]}, shot.log_ns - 2, shot.log_ns)
        writer.finish()
    return path


def test_a_ros_2_recording_by_another_writer(tmp_path: Path) -> None:
    frames, notes = frames_of(ros2_mcap(tmp_path / "x.mcap"))
    for frame, shot in zip(frames, TAKEN, strict=True):
        assert (frame.image == shot.image).all()
        assert (frame.wall_ns, frame.frame_id, frame.coded) == (shot.stamp_ns, "front_optical", None)
        assert frame.camera_info == info()
    moved = [tuple((one.child, one.translation[0]) for one in frame.transforms) for frame in frames]
    assert moved == [(("front_optical", 0.0),)] * 5 + [(("front_optical", 5.0),)] * 7  # /tf may be anything's
    assert not notes


def test_without_the_extra_the_message_says_what_to_install(tmp_path: Path) -> None:
    program = (
        "import sys; sys.modules['mcap'] = sys.modules['mcap.opcode'] = None\n"
        f"from perception.sources.registry import open_source\nopen_source({str(tmp_path / 'x.mcap')!r})"
    )
    (tmp_path / "x.mcap").write_bytes(b"")
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert "needs mcap, which is not installed: install perception with its extra [log]" in done.stderr
