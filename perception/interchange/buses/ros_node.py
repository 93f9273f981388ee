"""A node of ROS 2 in this process, by rclpy from PyPI or from the ROS that is sourced."""

import logging
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from threading import Event, Thread
from typing import Any

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.lifecycle import LifecycleNode, TransitionCallbackReturn
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.signals import SignalHandlerOptions

from perception.interchange.ros.types import typestore

_LOG = logging.getLogger("perception.ros")
_PROFILE = Path(__file__).with_name("fastdds.xml")
# Fast DDS 2, as in Jazzy (rclpy 7), knows the older name only; Kilted (rclpy 9) warns of it.
_PROFILES = "FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE"
_BESIDE = "DEFAULT_FASTDDS_PROFILES.xml", "DEFAULT_FASTRTPS_PROFILES.xml"  # in the working directory
_NESTED = re.compile(r"(\w+)/(\w+)")
LATCHED_DEPTH = 100  # as tf2 has it: each of many publishers of /tf_static gives one message
_SPIN_S = 0.1


def message_class(kind: str) -> Any:
    """The class of a type such as sensor_msgs/msg/Image.

    Raises:
        ModuleNotFoundError: its package is not installed.
        TypeError: it is defined here in another way than this package knows it.
    """
    package, _, name = kind.split("/")
    found = getattr(import_module(f"{package}.msg"), name)
    fields = found.get_fields_and_field_types()
    known = [field for field, _ in typestore().get_msgdef(kind).fields]
    if list(fields) != known:
        raise TypeError(f"{kind} has the fields {', '.join(fields)}, known are {', '.join(known)}")
    for words in fields.values():
        if nested := _NESTED.search(words):
            message_class(f"{nested[1]}/msg/{nested[2]}")
    return found


class _Managed(LifecycleNode):  # type: ignore[misc]  # rclpy is not there for mypy
    """Has nothing of its own to start or stop: its state says whether it may publish."""

    @property
    def withheld(self) -> str:
        label = str(self._state_machine.current_state[1])
        return "" if label == "active" else label

    def on_error(self, state: Any) -> Any:
        return TransitionCallbackReturn.SUCCESS  # back to unconfigured


class RosNode:
    """A node in a context of its own. Signals stay the program's, and so do its arguments.

    Args:
        name, namespace: of the node.
        managed: a lifecycle manager says when it is active; else it always is.

    Raises:
        RuntimeError: ROS refuses.
    """

    def __init__(self, name: str, namespace: str, *, managed: bool = False) -> None:
        self._context = rclpy.Context()
        rclpy.init(args=[], context=self._context, signal_handler_options=SignalHandlerOptions.NO)
        try:
            given = {"context": self._context, "namespace": namespace, "use_global_arguments": False}
            with _profile():
                self.node: Any = _Managed(name, **given) if managed else rclpy.create_node(name, **given)
            self._executor = SingleThreadedExecutor(context=self._context)
            self._executor.add_node(self.node)
        except BaseException:
            self._context.try_shutdown()
            raise
        self._closed = Event()
        self._spinner = Thread(target=self._spin, name=f"ros {namespace}", daemon=True)
        self._spinner.start()

    @property
    def withheld(self) -> str:
        """Why it publishes nothing now, such as inactive; empty: it does."""
        return self.node.withheld if isinstance(self.node, _Managed) else ""

    def publisher(self, kind: str, topic: str, *, latched: bool = False) -> Any:
        """Reliable, for the newest 5 messages; a latched one keeps its newest for who comes later.

        Raises:
            ModuleNotFoundError, TypeError: as of `message_class`.
        """
        durability = DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE
        profile = QoSProfile(
            depth=1 if latched else 5, reliability=ReliabilityPolicy.RELIABLE, durability=durability
        )
        return self.node.create_publisher(message_class(kind), topic, profile)

    def subscription(
        self,
        kind: str,
        topic: str,
        take: Callable[[bytes], None],
        *,
        reliable: bool = False,
        latched: bool = False,
    ) -> Any:
        """Hands on serialised messages of a topic, in the node's thread; best effort takes any publisher's.

        Raises:
            ModuleNotFoundError, TypeError: as of `message_class`.
        """
        profile = QoSProfile(
            depth=LATCHED_DEPTH if latched else 5,
            reliability=ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT,
            durability=DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE,
        )
        return self.node.create_subscription(message_class(kind), topic, take, profile, raw=True)

    def unsubscribe(self, subscription: Any) -> None:
        """None: there is nothing to do."""
        if subscription is not None:
            self.node.destroy_subscription(subscription)

    def publishers(self, topic: str) -> list[tuple[str, bool]]:
        """Whoever publishes a topic now: with which type, and whether reliably."""
        there = self.node.get_publishers_info_by_topic(topic)
        return [(one.topic_type, one.qos_profile.reliability is ReliabilityPolicy.RELIABLE) for one in there]

    def close(self) -> None:
        if self._closed.is_set():
            return
        self._closed.set()
        self._spinner.join()
        self._executor.shutdown()
        self.node.destroy_node()
        self._context.try_shutdown()

    def _spin(self) -> None:
        while not self._closed.is_set():
            try:
                self._executor.spin_once(timeout_sec=_SPIN_S)
            except Exception as error:  # noqa: BLE001 - such as a request that no state allows, on Jazzy
                _LOG.warning("ROS: %s", error, extra={"event": "ros_callback_failed"})
                self._closed.wait(_SPIN_S)


@contextmanager
def _profile() -> Iterator[None]:
    """Fast DDS reads its profiles when it makes the first node; those of the user, where there are any."""
    if any(name in os.environ for name in _PROFILES) or any(Path(name).exists() for name in _BESIDE):
        yield
        return
    name = _PROFILES[int(version("rclpy").partition(".")[0]) > 7]
    os.environ[name] = str(_PROFILE)
    try:
        yield
    finally:
        del os.environ[name]
