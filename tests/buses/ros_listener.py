"""A program of its own that knows rclpy alone: it prints each message it gets as a line of JSON.

python ros_listener.py TOPIC=PACKAGE/msg/TYPE … TOPIC=PACKAGE/msg/TYPE=latched
"""

import importlib
import json
import sys
from functools import partial
from typing import Any

import rclpy
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy


def plain(value: Any) -> Any:
    """Messages as dicts, bytes and arrays of bytes as hexadecimal digits, other arrays as lists."""
    if hasattr(value, "get_fields_and_field_types"):
        return {name: plain(getattr(value, name)) for name in value.get_fields_and_field_types()}
    if isinstance(value, bytes) or getattr(value, "typecode", "") == "B":
        return bytes(value).hex()
    if isinstance(value, str | int | float):
        return value
    return [plain(one) for one in value]


def show(topic: str, message: Any) -> None:
    print(json.dumps({"topic": topic, **plain(message)}), flush=True)


rclpy.init(args=[])
node = rclpy.create_node("listener")
for words in sys.argv[1:]:
    topic, kind, *latched = words.split("=")
    package, _, name = kind.split("/")
    durability = DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE
    profile = QoSProfile(depth=5, reliability=ReliabilityPolicy.RELIABLE, durability=durability)
    node.create_subscription(
        getattr(importlib.import_module(f"{package}.msg"), name), topic, partial(show, topic), profile
    )
rclpy.spin(node)
