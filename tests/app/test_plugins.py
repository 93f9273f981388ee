"""Sources, sinks and engines of other distributions, and broken ones, through the command line."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from perception.bundle.bundle import Bundle

ROOT = Path(__file__).parents[2]
GOOD = """
from pathlib import Path
import numpy as np
from perception.engines.base import EngineInfo
from perception.engines.onnx_cpu import CPU, OnnxEngine, open_session
from perception.frame import Frame
from perception.sinks.base import SinkKind
from perception.sources.base import SourceKind


class Grey:
    def __init__(self, count, camera):
        self.uri, self.rate, self.length, self.notes, self.live = "grey:", 25.0, count, [], False
        self.camera = camera

    def __iter__(self):
        for k in range(self.length):
            yield Frame(np.full((96, 160, 3), 99, np.uint8), 40_000_000 * k, sequence=k, camera=self.camera)

    def close(self):
        pass


class Count:
    wants_overlay = False

    def __init__(self, path, step):
        self.uri, self.path, self.step, self.count = str(path), path, step, 0

    def write(self, frame, scene, overlay):
        self.count += self.step

    def write_health(self, health):
        pass

    def close(self):
        self.path.write_text(str(self.count))


SOURCE = SourceKind(
    "grey frames (grey:?count=3)",
    lambda given, how: Grey(given.options["count"], how.camera),
    read=lambda uri: uri.options({"count": int}),
)
SINK = SinkKind(
    "how many scenes there were (count:out.txt)",
    lambda given, how: Count(Path(given.uri.place), given.options.get("step", 1)),
    read=lambda uri: uri.options({"step": int}),
    on_disk=True,
)


def open_mine(bundle, threads, precision, on_build):
    session = open_session("mine", bundle.graph(precision), {CPU: {}}, threads)
    return OnnxEngine(EngineInfo("mine", precision), session, bundle.info)
"""
BROKEN = "raise RuntimeError('an older interface')\n"
ENTRIES = {
    "road-extras": "[perception.sources]\ngrey = road_extras:SOURCE\n"
    "[perception.sinks]\ncount = road_extras:SINK\n"
    "[perception.engines]\nmine = road_extras:open_mine\n",
    "old-extras": "[perception.sources]\nold = old_extras:SOURCE\n[perception.sinks]\nold = old_extras:SINK\n"
    ".csv = old_extras:CSV\n[perception.engines]\nold = old_extras:open_old\n"
    "[perception.commands]\nold = old_extras:run\n",
    "odd-extras": "[perception.sinks]\nodd = os:sep\n[perception.engines]\nodd = os:sep\n",
}
Perception = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def perception(tmp_path: Path, colour_bundle: Bundle) -> Perception:
    """The command, where these distributions are installed."""
    site = tmp_path / "site"
    for name, entries in ENTRIES.items():
        info = site / f"{name.replace('-', '_')}-1.2.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2\n")
        (info / "entry_points.txt").write_text(entries)
    (site / "road_extras.py").write_text(GOOD)
    (site / "old_extras.py").write_text(BROKEN)

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        model = ("--model", str(colour_bundle.folder)) if arguments[0] == "run" else ()
        return subprocess.run(
            [sys.executable, "-m", "perception", *arguments, *model],
            env=os.environ | {"PYTHONPATH": f"{site}:{ROOT}"},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    return run


def test_a_source_a_sink_and_an_engine_come_by_entry_point(perception: Perception, tmp_path: Path) -> None:
    done = perception("run", "grey:?count=3", "count:out.txt?step=2", "--engine", "mine", "--json")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out.txt").read_text() == "6"
    assert '"engine": "mine"' in done.stdout


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (
            ("old:x", "labels/"),
            2,
            "source old:x: the plug-in old_extras:SOURCE of the distribution old-extra",
        ),
        (("sim:", "old:x"), 2, "sink old:x: the plug-in old_extras:SINK of the distribution old-extras 1.2"),
        (("sim:", "a.csv"), 2, "sink a.csv: the plug-in old_extras:CSV of the distribution old-extras 1.2"),
        (
            ("sim:", "labels/", "--engine", "old"),
            1,
            "the plug-in old_extras:open_old of the distribution",
        ),
        (
            ("sim:", "odd:x"),
            2,
            "the plug-in os:sep of the distribution odd-extras 1.2 is a str, expected a S",
        ),
        (
            ("sim:", "labels/", "--engine", "odd"),
            1,
            "of the distribution odd-extras 1.2 is a str, expected",
        ),
        (("sim:", "count:a?pace=1"), 2, "sink count:a?pace=1: unknown option pace; known are step"),
        (("grey:?count=no", "labels/"), 2, "source grey:?count=no: count = 'no' is refused"),
        (("sim:", "count:same", "count:./same"), 2, "sink count:same is given twice"),
        (("sim:", "x.gif"), 2, "count (of road-extras)"),
    ],
)
def test_what_is_wrong_with_a_plug_in_is_one_error_that_names_it(
    perception: Perception, arguments: tuple[str, ...], status: int, words: str
) -> None:
    done = perception("run", *arguments)
    assert (done.returncode, len(done.stderr.splitlines())) == (status, 1), done.stderr
    assert words in done.stderr
    if "old_extras" in words:
        assert "does not load (RuntimeError: an older interface)" in done.stderr
        assert "pip uninstall old-extras" in done.stderr


def test_a_broken_command_breaks_no_other(perception: Perception) -> None:
    listed = perception("--help")
    assert listed.returncode == 0 and "bench" in listed.stdout
    done = perception("old", "--speed", "3")
    assert done.returncode == 2
    assert "perception old: the plug-in old_extras:run of the distribution old-extras 1.2" in done.stderr
