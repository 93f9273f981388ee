"""What a run has seen: road users, lanes, and pictures that mislead, counted scene by scene."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from perception.bundle.manifest import BundleDescription
from perception.health.types import Finding, Level
from perception.scene import Scene


@dataclass(frozen=True)
class RoadUsers:
    """Of one class.

    Attributes:
        instances: over all frames.
        frames: in which there is one.
        tracks: that they had; 0 without tracking.
    """

    instances: int
    frames: int
    tracks: int


@dataclass(frozen=True)
class Seen:
    """What the frames of a run showed; None: the network looks for nothing of that kind.

    Attributes:
        road_users: by class, the one seen in most frames first.
        lanes, ego_lanes: frames with a lane boundary, and with both boundaries of the ego lane.
    """

    road_users: dict[str, RoadUsers] | None = None
    lanes: int | None = None
    ego_lanes: int | None = None


class Counts:
    """Counts of the scenes so far.

    Attributes:
        flagged: frames by each image check that says that the scene may mislead.
    """

    def __init__(self, info: BundleDescription) -> None:
        self._info = info
        self._instances, self._frames, self._tracks = Counter[str](), Counter[str](), Counter[str]()
        self._newest = self._lanes = self._ego_lanes = 0
        self.flagged: Counter[str] = Counter()

    def add(self, scene: Scene, findings: Sequence[Finding]) -> None:
        """Take the next scene of the run, and what the image checks find in its frame."""
        names = scene.classes.names
        found = [names[one.class_id] for one in scene.instances]
        self._instances.update(found)
        self._frames.update(set(found))
        # A new track's id is higher than all before it, so that none of those needs to be remembered.
        new = [one for one in scene.instances if (one.track or 0) > self._newest]
        self._tracks.update(names[one.class_id] for one in new)
        self._newest = max([self._newest, *(one.track or 0 for one in new)])
        self._lanes += bool(scene.lanes)
        self._ego_lanes += scene.ego_lane is not None
        self.flagged.update(one.name for one in findings if one.level is Level.ERROR)

    def seen(self) -> Seen:
        users = {
            name: RoadUsers(self._instances[name], frames, self._tracks[name])
            for name, frames in self._frames.most_common()
        }
        lanes = (self._lanes, self._ego_lanes) if "labels" in self._info.outputs else (None, None)
        return Seen(users if self._info.labelled else None, *lanes)
