"""The bound of FFmpeg's memory leaves it what it needs itself; a camera's oddities leave little."""

import subprocess
import sys
from pathlib import Path

import av
import pytest

from perception.sources.pictures import Pictures
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


def test_a_camera_that_says_something_else_each_time_is_noted_twenty_times(tmp_path: Path) -> None:
    notes: list[str] = []
    with av.open(str(write_video(tmp_path / "drive.mp4", [picture(0)]))) as container:
        pictures = Pictures(container.streams.video[0].codec_context, "rtsp://cam", notes)
        for number in range(1000):
            pictures.note(f"its pixels are said to be {number} as wide as high")
    assert len(notes) == 20
