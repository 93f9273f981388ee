"""Perception for the front camera of a car: frames in, scenes out.

    from perception import Frame, Perceiver, Tracker, draw

    perceiver, tracker = Perceiver.load("drive"), Tracker()  # a tracker for each camera
    frame = Frame(image, stamp_ns=time.monotonic_ns())       # image: uint8 (h, w, 3), BGR
    scene = tracker.update(perceiver.perceive(frame))
    scene.labels, scene.instances, scene.status              # class ids (h, w), road users, trust
    picture = draw(frame, scene, perceiver.classes)          # uint8 (h, w, 3), BGR

Everything that can go wrong on purpose is a `PerceptionError`.
"""

from perception.bundle import Bundle
from perception.decode.lane_tracks import LaneTracker
from perception.decode.tracks import Tracker
from perception.errors import PerceptionError
from perception.frame import Frame
from perception.overlay import draw
from perception.perceiver import Perceiver
from perception.scene import Instance, KeyPoint, Lane, Scene, Status

__all__ = [
    "Bundle", "Frame", "Instance", "KeyPoint", "Lane", "LaneTracker", "Perceiver", "PerceptionError", "Scene",
    "Status", "Tracker", "draw",
]  # fmt: skip
