"""The drives of the replay, and the node's run over them as a user starts it."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.replay.recording import Recording, read_recording

HERE = Path(__file__).parent
_SIM = "sim:?size=640x360&rate=10&frames=6"
DRIVES = {
    "town": f"{_SIM}&seed=6&scene=town&weather=clear&time=day",
    "night": f"{_SIM}&seed=5&scene=town&weather=rain&time=night",
    "highway": f"{_SIM}&seed=7&scene=highway&weather=cloudy&time=day",
    # H.264 of the simulated camera, see `make_clip.py`: uneven stamps, and two black frames at the end.
    "clip": str(HERE / "clip.mp4"),
}


def replay(engine: str, folder: Path) -> dict[str, Recording]:
    """`perception run` of all drives on that engine, each drive a camera with a folder sink of its own.

    Raises:
        RuntimeError: the command failed; its message is what it wrote to stderr.
    """
    profile = folder / "replay.yaml"  # JSON is YAML
    profile.write_text(json.dumps({"cameras": DRIVES, "sinks": ["{camera}/"], "engine": engine}))
    done = subprocess.run(
        [sys.executable, "-m", "perception", "run", "--config", profile, "--json"],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": f"{HERE.parents[1]}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"},
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    if done.returncode:
        raise RuntimeError(done.stderr)
    reports: dict[str, dict[str, Any]] = json.loads(done.stdout)
    return {drive: read_recording(folder / drive, reports[drive]) for drive in DRIVES}
