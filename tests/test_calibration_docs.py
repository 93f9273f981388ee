"""The example of docs/calibration.md, run as it stands there."""

import re
from pathlib import Path

import pytest

from perception.frame import Frame
from perception.geometry.calibration_file import Calibration, write_calibration
from perception.scene import Scene
from perception.sources.registry import open_source
from tests.geometry.roads import camera, mount
from tests.media import write_video

TEXT = (Path(__file__).parents[1] / "docs/calibration.md").read_text(encoding="utf-8")


def test_the_example_puts_a_drive_in_metres(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (code,) = re.findall(r"^```python\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE)
    monkeypatch.chdir(tmp_path)
    write_calibration(Path("front.yaml"), Calibration(camera(), mount()))
    drive = open_source("sim:?seed=2004&size=640x360&rate=10&frames=4&weather=clear&time=day&scene=highway")
    write_video(Path("drive.mp4"), [item.image for item in drive if isinstance(item, Frame)])
    names: dict[str, object] = {}
    exec(compile(code, "docs/calibration.md", "exec"), names)
    scene = names["scene"]
    assert isinstance(scene, Scene) and scene.sequence == 3
    assert scene.lanes and all(lane.metres is not None for lane in scene.lanes)
    for line in capsys.readouterr().out.splitlines():
        assert len(line.split()) == 4
