"""Perception for the front camera of a car: frames in, scenes out.

    from perception import Perceiver, Tracker

    perceiver, tracker = Perceiver.load("drive"), Tracker()  # a tracker for each camera
    scene = tracker.update(perceiver.perceive(image))        # image: uint8 (h, w, 3), BGR
    scene.labels, scene.instances, scene.status              # class ids (h, w), road users, trust
    picture = scene.draw(image)                              # uint8 (h, w, 3), BGR

Steady classes and lanes, and metres, with the camera's lens and mount; they come last:

    labels, lanes = LabelTracker(), LaneTracker()
    locator = Locator(read_calibration(Path("front.yaml")))
    scene = locator.update(lanes.update(labels.update(scene, image)))
    scene.road, scene.lanes[0].metres, scene.instances[0].distance_m

A live camera, whose frames the program hands in while the node runs in a thread of its own:

    camera = PushSource(rate=30)
    node = Node(camera, Perceiver.load("drive", threads=1), [], on_scene=handle)
    Thread(target=node.run).start()
    camera.push(image)                                       # whenever there is one
    node.latest()                          # the newest scene, as old and as good as it is now

Everything that can go wrong on purpose is a `PerceptionError`.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from perception.engines.telemetry import silence

__all__ = [
    "Bundle", "ClosingTracker", "Frame", "Instance", "KeyPoint", "LabelTracker", "Lane", "LaneTracker",
    "Locator", "Node", "Perceiver", "PerceptionError", "PushSource", "Road", "Scene", "Status", "Tracker",
    "draw", "read_calibration",
]  # fmt: skip

silence()  # before anything imports ONNX Runtime

if TYPE_CHECKING:
    from perception.bundle.bundle import Bundle
    from perception.errors import PerceptionError
    from perception.frame import Frame
    from perception.geometry.calibration_file import read_calibration
    from perception.geometry.locator import Locator
    from perception.node.node import Node
    from perception.overlay import draw
    from perception.perceiver import Perceiver
    from perception.scene import Instance, KeyPoint, Lane, Road, Scene, Status
    from perception.sources.push import PushSource
    from perception.tracking.closing import ClosingTracker
    from perception.tracking.labels import LabelTracker
    from perception.tracking.lanes import LaneTracker
    from perception.tracking.objects import Tracker
else:
    # Each name is imported when it is first used (PEP 562): importing all of them takes half a second of CPU
    # time, three quarters of it for numpy, pydantic and cv2.
    _HOMES = {
        "Bundle": "bundle.bundle",
        "ClosingTracker": "tracking.closing",
        "Frame": "frame",
        "Instance": "scene",
        "KeyPoint": "scene",
        "LabelTracker": "tracking.labels",
        "Lane": "scene",
        "LaneTracker": "tracking.lanes",
        "Locator": "geometry.locator",
        "Node": "node.node",
        "Perceiver": "perceiver",
        "PerceptionError": "errors",
        "PushSource": "sources.push",
        "Road": "scene",
        "Scene": "scene",
        "Status": "scene",
        "Tracker": "tracking.objects",
        "draw": "overlay",
        "read_calibration": "geometry.calibration_file",
    }

    def __getattr__(name: str) -> object:
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        globals()[name] = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
        return globals()[name]

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
