"""The shipped model through the whole node, compared with its references.

`pytest -n 0 -s tests/replay --update` rewrites the references; `--exact` allows no tolerance.
"""

from pathlib import Path

import pytest

from tests.conftest import cannot_run
from tests.replay.differences import EXACT, Difference, Tolerance, compare
from tests.replay.drives import DRIVES, replay
from tests.replay.recording import Recording, load_recording

ENGINES = "onnx-cpu", "onnx-cpu-int8"
# For another CPU: there NumPy and OpenCV round the simulated camera's pixels differently. Without their AVX2
# code, onnx-cpu gave the references' scenes exactly, and onnx-cpu-int8 what stands on the right (`drive` 6).
# With `drive` 7 that held without AVX-512; without AVX2 a far box was 5 px narrower, two tracks changed ids.
TOLERANCES = {
    # on: onnx-cpu, onnx-cpu-int8; see `Tolerance`
    "labels": (0.998, 0.985),  # 0.996
    "class_iou": (0.97, 0.85),  # 0.94, of poles
    "box": (3.0, 8.0),  # 3 px; heat maps have cells of 2 px of the network's input
    "score": (0.05, 0.15),  # 0.06
    "faint_score": (0.25, 0.35),  # up to 0.34 overlapping two-wheelers change places
    "instance_iou": (0.9, 0.75),  # 0.92
    "renamed_tracks": (False, True),  # ids follow the order of scores, of which two may be almost equal
    "points": (2.0, 10.0),  # far ahead a lane is fitted to few pixels
    "reach": (6.0, 20.0),  # lanes end on every third row
    "faint_lane": (0.0, 40.0),  # short segments of other lanes come and go
    "ego_lane": (0.98, 0.9),
}
REFERENCES = Path(__file__).with_name("references")
REMEDY = "Intended? pytest -n 0 -s tests/replay --update, then commit tests/replay/references."


@pytest.mark.parametrize("engine", ENGINES)
def test_the_shipped_model_gives_its_reference_scenes(
    engine: str, tmp_path: Path, pytestconfig: pytest.Config, update: bool, exact: bool
) -> None:
    try:
        found = replay(engine, tmp_path)
    except RuntimeError as error:
        if "cannot run" in str(error):
            cannot_run(pytestconfig, engine, str(error))
        raise
    column = ENGINES.index(engine)
    tolerance = EXACT if exact else Tolerance(**{name: row[column] for name, row in TOLERANCES.items()})
    differences = [
        one
        for drive, recording in found.items()
        for one in _differences(drive, recording, REFERENCES / engine / f"{drive}.npz", tolerance)
    ]
    text = "\n".join(map(str, differences))
    if update:
        for drive, recording in found.items():
            recording.save(REFERENCES / engine / f"{drive}.npz")
        print(f"{engine}: references of {', '.join(DRIVES)} are rewritten; beyond the tolerance was:\n{text}")
        return
    if differences:
        pytest.fail(f"{engine}: {len(differences)} differences\n{text}\n{REMEDY}", pytrace=False)


def _differences(drive: str, found: Recording, path: Path, tolerance: Tolerance) -> list[Difference]:
    if not path.exists():
        return [Difference(drive, None, "reference", "a recording", "none")]
    return compare(drive, found, load_recording(path), tolerance)
