"""A log that we wrote, as a source."""

from pathlib import Path

import numpy as np
import pytest

from perception.errors import ConfigError
from perception.frame import Frame
from perception.sources.registry import open_source
from tests.sinks.test_mcap_log import drive, write


@pytest.mark.parametrize("profile", ["foxglove", "ros2"])
def test_the_pictures_of_a_log_are_a_source_again(tmp_path: Path, profile: str) -> None:
    frames = drive(3)
    write(f"{tmp_path}/out.mcap?profile={profile}", frames)
    source = open_source(f"{tmp_path}/out.mcap")
    found = [one for one in source if isinstance(one, Frame)]
    source.close()
    assert [one.stamp_ns for one in found] == [frame.stamp_ns - frames[0][0].stamp_ns for frame, _ in frames]
    assert all(
        np.abs(a.image.astype(int) - b.image).mean() < 4 for a, (b, _) in zip(found, frames, strict=True)
    )


def test_maps_alone_are_no_pictures_of_a_camera(tmp_path: Path) -> None:
    write(f"{tmp_path}/out.mcap?image=none", drive(3))
    with pytest.raises(ConfigError, match=r"choose one by \?topic=: /front/labels"):
        open_source(f"{tmp_path}/out.mcap")
