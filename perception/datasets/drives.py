"""Whole drives, on which tracks can be scored: every frame, in order, with who is who throughout."""

from perception.datasets.class_file import OwnClasses
from perception.datasets.dataset import Dataset, Sample
from perception.datasets.label_maps import LABEL_MAPS
from perception.datasets.opening import open_dataset
from perception.errors import ConfigError
from perception.simulation import Drive, parse_options

PREFIX = "drive:"


class SimulatedDrive:
    """`drive:sim:?seed=3&frames=300`: the frames that the source `sim:?seed=3&frames=300` shows.

    Its samples are named as the folder sink names those frames.
    """

    def __init__(self, spec: str) -> None:
        source, _, query = spec.removeprefix(PREFIX).partition(":")
        if source != "sim":
            raise ConfigError(f"{spec}: only the simulated camera knows who is who: give {PREFIX}sim:?seed=3")
        self.name = spec
        self.options = parse_options(query)
        self._drive = Drive(self.options)
        self.camera_info, self.mount = self._drive.camera_info, self._drive.mount

    @property
    def names(self) -> list[str]:
        return [f"{index:06d}" for index in range(len(self))]

    def __len__(self) -> int:
        return self.options.frames

    def __getitem__(self, index: int) -> Sample:
        rendering = self._drive.render(index)
        truth = rendering.truth
        target = LABEL_MAPS["drive"].lookup()[truth.labels]
        return Sample(f"{index:06d}", rendering.image, target, truth.instance_map, truth)


def open_set(spec: str, classes: OwnClasses | None = None) -> Dataset:
    """A drive, or any data set of `open_dataset`, read into these classes.

    Raises:
        ConfigError: a drive that is not simulated, or a wrong option of it.
        DataError: see `open_dataset`.
    """
    return SimulatedDrive(spec) if spec.startswith(PREFIX) else open_dataset(spec, classes)
