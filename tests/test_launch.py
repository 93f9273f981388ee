"""What lies in launch/ works as it stands there."""

import http.server
import re
import shutil
import subprocess
import sys
from pathlib import Path
from threading import Thread

import pytest
import yaml

from perception.app.config import RunConfig
from perception.bundle.bundle import Bundle
from perception.errors import ConfigError
from perception.scene import Scene
from tests.media import band_centres, picture, truth

LAUNCH = Path(__file__).parents[1] / "launch"
PROFILES = {"demo", "replay", "live", "rig", "embedding"}


@pytest.fixture
def _cameras(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CAMERA_URI", "LEFT_URI", "RIGHT_URI"):
        monkeypatch.setenv(name, f"rtsp://u:secret@{name.lower()}/1")


def test_each_profile_is_of_a_known_kind() -> None:
    others = {path.stem for path in LAUNCH.glob("*.yaml")} - PROFILES
    assert all(name.startswith("train-") for name in others - {"classes", "folds", "own-data", "ray-cluster"})


@pytest.mark.usefixtures("_cameras")
@pytest.mark.parametrize("name", sorted(PROFILES))
def test_profiles_are_valid(name: str) -> None:
    given = {"source": "drive.mp4", "sinks": ("labels/",)} if name == "replay" else {}
    settings = RunConfig.read(LAUNCH / f"{name}.yaml", **given)
    assert settings.sinks
    assert settings.model == "drive"
    if name == "rig":
        assert {name: one.uri.text for name, one in settings.cameras.items()} == {
            "left": "rtsp://u:secret@left_uri/1",
            "right": "rtsp://u:secret@right_uri/1",
        }
    if name == "live":
        assert settings.source is not None
        assert settings.source.uri.text == "rtsp://u:secret@camera_uri/1"


def test_a_camera_that_is_not_named_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CAMERA_URI", raising=False)
    with pytest.raises(ConfigError, match="CAMERA_URI"):
        RunConfig.read(LAUNCH / "live.yaml")


def test_the_program_in_the_embedding_profile_runs(
    tmp_path: Path, colour_bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As it stands there, but for the model and the engine."""
    text = (LAUNCH / "embedding.yaml").read_text()
    program = "\n".join(line.removeprefix("#   ") for line in text.splitlines() if line.startswith("#   "))
    values = yaml.safe_load(text) | {
        "model": str(colour_bundle.folder),
        "engine": "onnx-cpu",
        "max_age": 60_000,
    }
    (tmp_path / "launch").mkdir()
    (tmp_path / "launch" / "embedding.yaml").write_text(yaml.safe_dump(values))
    monkeypatch.chdir(tmp_path)
    scenes: list[Scene] = []
    exec(program, {"image": picture(3), "use": scenes.append})
    [scene] = scenes
    assert band_centres(scene.labels) == band_centres(truth(3))
    assert scene.camera == "front" and scene.age_ms < 60_000
    [video] = (tmp_path / "recordings").iterdir()
    assert re.fullmatch(r"drive-\d{8}T\d{6}Z-0001\.mp4", video.name)


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """The unit, with a command that is there."""
    text = (LAUNCH / "perception.service").read_text()
    command = "/opt/perception/bin/perception run "
    assert text.count(f"ExecStart={command}--config /etc/perception/live.yaml") == 1
    path = tmp_path / "perception.service"
    path.write_text(text.replace(f"ExecStart={command}", "ExecStart=/bin/true run "))
    return path


def analyze(*arguments: object) -> str:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    done = subprocess.run(
        ["systemd-analyze", *map(str, arguments)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_systemd_takes_the_unit(unit: Path) -> None:
    told = [line for line in analyze("verify", unit).splitlines() if unit.name in line]
    assert told == []  # also no word of a key that it does not know


def test_the_unit_may_do_little(unit: Path) -> None:
    """Of 10, which is what a service without any fence has."""
    found = re.search(
        r"exposure level for \S+: ([\d.]+)", analyze("security", "--offline=yes", "--no-pager", unit)
    )
    assert found and float(found[1]) <= 2.5


def test_the_unit_fits_the_command() -> None:
    """Exit statuses and directories that the command has, and no credentials."""
    text = (LAUNCH / "perception.service").read_text()
    keys = dict(line.split("=", 1) for line in text.splitlines() if re.match(r"[A-Z]\w+=", line))
    assert keys["Type"] == "notify" and int(keys["WatchdogSec"]) >= 3
    assert (keys["SuccessExitStatus"], keys["RestartPreventExitStatus"]) == ("143", "2")
    assert int(keys["LimitNOFILE"]) >= 1024 and keys["MemoryMax"] and keys["TasksMax"]
    assert keys["EnvironmentFile"] and "CAMERA_URI" in (LAUNCH / "live.yaml").read_text()
    assert not any("rtsp:" in value for value in keys.values())


def test_the_container_file_names_what_is_there() -> None:
    lines = (LAUNCH / "Containerfile").read_text().replace("\\\n", "").splitlines()
    copied = [line.split()[1:-1] for line in lines if line.startswith("COPY") and "--from" not in line]
    assert all((LAUNCH.parent / source).exists() for sources in copied for source in sources)
    users = [line for line in lines if line.startswith("USER")]
    assert users == ["USER 10001:10001"]


def test_the_containers_check_tells_alive_from_dead() -> None:
    text = (LAUNCH / "Containerfile").read_text()
    found = re.search(r'HEALTHCHECK .*?"-c", "([^"]+)"', text, re.DOTALL)
    assert found

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/livez" and alive else 503)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        code = found[1].replace(":8080", f":{server.server_port}")
        results = []
        for alive in (True, False):  # noqa: B007 — the handler reads it
            results.append(
                subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode
            )
        server.shutdown()
    assert results == [0, 1]
