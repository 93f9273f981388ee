"""What a frame of a drive is in metres, in the vehicle's axes of ROS: x ahead, y left, z up.

They begin at the point of the road under the camera. The camera is bolted on along the car's axis: where it
turns against the road, the car does. Distances ahead are measured along the road, as all of the simulator's.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from perception.simulation.camera import View
from perception.simulation.traffic import Person, Rider, Vehicle
from perception.simulation.world import World

_WIDEST = 6.0  # metres; what is wider between two lines is no lane
_TOUCHES = 0.02  # metres above the road
_MOMENT = 0.05  # seconds before and after the frame, between which a speed is measured


@dataclass(frozen=True, slots=True)
class TrueRoad:
    """The ego lane, as `perception.scene.Road` has it; the lane's middle and width are between its lines."""

    offset_m: float | None
    width_m: float | None
    heading_rad: float
    curvature_per_m: float
    pitch_rad: float


@dataclass(frozen=True, slots=True)
class TruePlace:
    """Where a road user is.

    Attributes:
        distance_m, lateral_m: of its nearest contact with the road, ahead, and of its middle, to the left.
        nearest_m: of the nearest part of it, ahead.
        closing_m_s: speed at which it comes nearer.
    """

    distance_m: float
    lateral_m: float
    nearest_m: float
    closing_m_s: float

    @property
    def ttc_s(self) -> float:
        """Seconds until the camera is where it stands; infinite where it does not come nearer."""
        return self.distance_m / self.closing_m_s if self.closing_m_s > 0 else np.inf


def true_road(view: View) -> TrueRoad:
    pose, road, side = view.pose, view.road, view.side
    middle = width = None
    for left, right in pairwise(sorted(line.d for line in road.lines)):
        if left < road.ego < right and right - left < _WIDEST:
            middle, width = (left + right) / 2, right - left
    ahead = 5.0  # bends are smooth: a second difference over so many metres is exact to 1e-6 / m
    slopes = road.bend.slope(pose.station + np.array([-ahead, ahead]))
    return TrueRoad(
        None if middle is None else float(side * (middle - pose.offset)),
        width,
        float(-side * pose.yaw),
        float(-side * (slopes[1] - slopes[0]) / (2 * ahead)),
        float(pose.pitch),
    )


def true_places(view: View, world: World, time: float) -> dict[int, TruePlace]:
    """Of the road users ahead, by their ids in the instance map."""
    before, now, after = (_places(world, moment) for moment in (time - _MOMENT, time, time + _MOMENT))
    found = {}
    for key, (contact, nearest, d) in now.items():
        if contact > 0 and key in before and key in after:
            lateral = -view.side * (d - view.pose.offset + float(view.lean(contact)))
            closing = (before[key][1] - after[key][1]) / (2 * _MOMENT)
            found[key] = TruePlace(contact, lateral, nearest, closing)
    return found


def _places(world: World, time: float) -> dict[int, tuple[float, float, float]]:
    """Contact and nearest part ahead of the camera, and the middle's offset, of each road user at a time."""
    station, places = world.motion.station(time), {}
    for actor in world.actors(station, time):
        if isinstance(actor, Vehicle):
            s, d = actor.path(time)
            ahead, _, up = actor.lit.vertices.T
            contact, nearest = float(ahead[up < _TOUCHES].min()), float(ahead.min())
            places[actor.instance] = s + contact - station, s + nearest - station, d
        elif isinstance(actor, Person | Rider):
            s, d = actor.path(time)
            places[actor.instance] = s - station, s - station, d
    return places
