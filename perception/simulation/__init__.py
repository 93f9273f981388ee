"""The simulated camera: a procedural drive with the exact truth of every frame."""

from perception.simulation.camera import Intrinsics, Pose
from perception.simulation.drive import Drive, Rendering, Truth
from perception.simulation.options import SimulationOptions, parse_options

__all__ = ["Drive", "Intrinsics", "Pose", "Rendering", "SimulationOptions", "Truth", "parse_options"]
