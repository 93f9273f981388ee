"""A program of its own that knows rclpy alone: it publishes a picture and its CameraInfo, 20 times a second.

    python ros_talker.py TOPIC RELIABLE|BEST_EFFORT

The picture is rgb8, 32×24, (200, 10, 20), with rows padded to 100 bytes.
"""

import sys

import numpy as np
import rclpy
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, Image

rclpy.init(args=[])
node = rclpy.create_node("talker")
topic, reliability = sys.argv[1:]
profile = QoSProfile(depth=5, reliability=ReliabilityPolicy[reliability])
pictures = node.create_publisher(Image, topic, profile)
calibrations = node.create_publisher(CameraInfo, topic.rpartition("/")[0] + "/camera_info", profile)
image = Image(height=24, width=32, encoding="rgb8", step=100)
image.header.frame_id = "lens"
image.data = (np.tile(np.array([200, 10, 20], np.uint8), 32).tobytes() + b"\xff" * 4) * 24
info = CameraInfo(height=24, width=32, distortion_model="plumb_bob", d=[0.0] * 5)
info.header.frame_id = "lens"
info.k = [700.0, 0.0, 15.5, 0.0, 701.0, 11.5, 0.0, 0.0, 1.0]


def publish() -> None:
    stamp = node.get_clock().now().to_msg()
    image.header.stamp = info.header.stamp = stamp
    calibrations.publish(info)
    pictures.publish(image)


node.create_timer(0.05, publish)
rclpy.spin(node)
