"""The simulated camera as a source: `sim:`, with options as a query."""

from collections.abc import Iterator

from perception.frame import Drop, Frame
from perception.geometry.mounting import mount_transform
from perception.simulation import Drive, SimulationOptions, parse_options
from perception.simulation.options import CHOICES
from perception.sources.base import SourceKind
from perception.uri import Uri


class SimulatedSource:
    """A procedural drive, such as `sim:?seed=3&size=1280x720&rate=30&weather=rain`, stamped by its own time.

    Its frames know the camera's lens and mount: scenes of it are in metres.

    It runs for `frames`, or as long as the URI says, or for its default length.
    """

    def __init__(
        self, uri: Uri, options: SimulationOptions, frames: int | None = None, camera: str = "front"
    ) -> None:
        endless = not any(part.startswith("frames=") for part in _query(uri).split("&"))
        self.uri = uri.shown
        self.rate = options.rate
        self.length: int | None = frames if endless and frames is not None else options.frames
        self.notes: list[str] = []
        self.live = False
        self._camera = camera
        self._drive = Drive(options)
        self._mounted = mount_transform(self._drive.mount, f"{camera}_optical")

    def __iter__(self) -> Iterator[Frame | Drop]:
        for index in range(self.length or 0):
            rendering = self._drive.render(index)
            stamp_ns = round(rendering.time * 1e9)
            yield Frame(
                rendering.image,
                stamp_ns,
                sequence=index,
                camera=self._camera,
                frame_id=self._mounted.child,
                camera_info=self._drive.camera_info,
                transforms=(self._mounted,),
            )

    def close(self) -> None:
        """Nothing is held open between frames."""


def _query(uri: Uri) -> str:
    return uri.rest.removeprefix("?")


KIND = SourceKind(
    "the simulated camera (sim:?seed=3&size=1280x720)",
    lambda given, how: SimulatedSource(given.uri, given.options, how.frames, how.camera),
    read=lambda uri: parse_options(_query(uri)),
    options={
        "seed": "0 to 4294967295: all that varies from drive to drive [default: 0]",
        "size": "WIDTHxHEIGHT, to 3840x2160 [default: 1280x720]",
        "rate": "frames a second of the drive's own time [default: 30]",
        "frames": "length of the drive [default: --frames, or 300]",
        **{name: f"{', '.join(values)} [default: auto, by the seed]" for name, values in CHOICES.items()},
    },
)
