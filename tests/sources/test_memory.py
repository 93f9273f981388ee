"""The bound of FFmpeg's memory leaves it what it needs itself."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.media import picture, write_video

READ = """
import sys
from perception.sources.registry import open_source
print(sum(hasattr(one, "pixels") for one in open_source(sys.argv[1], max_pixels=int(sys.argv[2]))))
"""


@pytest.mark.parametrize("spare", [0, 100, 10_000])
def test_pictures_of_just_so_many_pixels_are_read(tmp_path: Path, spare: int) -> None:
    write_video(tmp_path / "drive.mp4", [picture(number) for number in range(4)])
    height, width = picture(0).shape[:2]
    command = [sys.executable, "-c", READ, str(tmp_path / "drive.mp4"), str(height * width + spare)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "4\n"), done.stderr
