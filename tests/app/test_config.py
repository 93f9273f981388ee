from pathlib import Path
from typing import Any

import pytest

from perception.app.config import RunConfig
from perception.errors import ConfigError

LAUNCH = Path(__file__).parents[2] / "launch"
GOOD = {"source": "drive.mp4", "sinks": ["labels/"]}


def texts(config: RunConfig) -> list[str]:
    """The URIs as they were written, sources first."""
    sources = [one.uri.text for one in config.sources.values()]
    return sources + [one.uri.text for one in config.sinks]


def test_command_line_overrides_profile(tmp_path: Path) -> None:
    profile = tmp_path / "profile.yaml"
    profile.write_text("source: a.mp4\nsinks: [out.mp4]\nframes: 5\nmax_age: 100\n")
    config = RunConfig.read(profile, source="b.mp4", frames=7, max_age=None)
    assert (texts(config), config.frames, config.max_age) == (["b.mp4", "out.mp4"], 7, 100)


@pytest.mark.parametrize(
    ("profile_says", "command_line_says", "tracks"),
    [("", None, True), ("tracks: false", None, False), ("", False, False), ("tracks: false", True, True)],
)
def test_tracks_are_switched_in_the_profile_and_on_the_command_line(
    tmp_path: Path, profile_says: str, command_line_says: bool | None, tracks: bool
) -> None:
    profile = tmp_path / "profile.yaml"
    profile.write_text(profile_says)
    assert RunConfig.read(profile, **GOOD, tracks=command_line_says).tracks is tracks


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"modle": "drive"}, ["unknown key modle", "model"]),
        ({"frames": 0}, ["frames = 0", "greater than 0"]),
        ({"frames": 1.5}, ["frames = 1.5", "integer"]),
        ({"max_age": -1}, ["max_age = -1", "greater than 0"]),
        ({"max_age": "soon"}, ["max_age = 'soon'", "number"]),
        ({"workers": -1}, ["workers = -1", "greater than or equal to 0"]),
        ({"engine": "warp"}, ["engine = 'warp'", "auto", "onnx-cpu"]),
        ({"realtime": "perhaps"}, ["realtime = 'perhaps'", "boolean"]),
        ({"sinks": ["a.jpg", "b.png"]}, ["several pictures", "their folder"]),
        ({"sinks": ["a.mp4", "./a.mp4"]}, ["sink a.mp4 is given twice"]),
        ({"sinks": ["x/../drive.mp4"]}, ["would overwrite the source"]),
        ({"sinks": ["labels/", "out.avi"]}, ["sink out.avi: unknown kind .avi", "out.mp4"]),
        ({"source": ""}, ["source = ''", "at least 1"]),
        ({"policy": "latest"}, ["policy = 'latest'", "'freshest' or 'every-frame'"]),
        ({"min_rate": -1}, ["min_rate = -1", "greater than or equal to 0"]),
        ({"source": "camera:²"}, ["camera:²", "a camera is a number or a device"]),
        ({"source": "camera:٣"}, ["camera:٣", "a camera is a number or a device"]),
        ({"source": "camera:0?rate=3²"}, ["rate = '3²'", "it must look like 30"]),
        ({"source": "camera:0?size=1٢80x720"}, ["size = '1٢80x720'", "1280x720"]),
        ({"source": "rtsp://car:²/"}, ["not a whole address"]),
        ({"sinks": ["out.mp4?minutes=²"]}, ["minutes = '²'", "numbers above 0"]),
        ({"sinks": ["labels/?keep=٣GB"]}, ["keep = '٣GB'", "500MB"]),
        ({"sinks": ["web://127.0.0.1:²"]}, ["web://127.0.0.1:²"]),
        ({"ego_mask": {"left": "a.png"}}, ["ego_mask: no camera left", "front"]),
        ({"loop": True}, ["loop", "--realtime"]),
        ({"pixels": True}, ["pixels = True", "must be a number"]),
        ({"pixels": 0}, ["pixels = 0", "greater than 0"]),
        ({"min_score": True}, ["min_score = True", "must be a number"]),
        ({"frames": True}, ["frames = True", "must be a number"]),
        ({"source": "a.mp4?start=1e30"}, ["start = '1e30'", "must be seconds"]),
        ({"give_up": 0}, ["give_up = 0", "greater than 0"]),
        ({"log": "xml"}, ["log = 'xml'", "'text' or 'json'"]),
        ({"sinks": ["out.mp4?minutes=1", "out.mp4"]}, ["sink out.mp4?minutes=1 is given twice"]),
        ({"sinks": ["web://127.0.0.1:1", "web://127.0.0.1:1"]}, ["is given twice"]),
        ({"sinks": ["out.mp4?hours=1"]}, ["out.mp4?hours=1", "minutes"]),
        ({"cameras": {"left": "a.mp4"}}, ["source and cameras are both given"]),
        ({"source": None, "cameras": {"../x": "a.mp4"}}, ["camera '../x'", "letters, digits"]),
        ({"source": None, "cameras": {"a": "1.mp4", "b": "2.mp4"}}, ["sink labels/: 2 cameras", "{camera}"]),
        ({"source": "rtsp://u:secret@h/1", "sinks": ["out.gif"]}, ["out.gif: unknown kind"]),
        ({"source": "a-front.mcap", "sinks": ["a-{camera}.mcap"]}, ["would overwrite the source"]),
        (
            {"source": None, "cameras": {"a": "b.mcap", "b": "x.mcap"}, "sinks": ["{camera}.mcap"]},
            ["sink {camera}.mcap would overwrite the source"],
        ),
        (
            {"source": None, "cameras": {"a": "1.mp4", "b": "2.mp4"}, "sinks": ["{camera}.mp4", "b.mp4"]},
            ["sink {camera}.mp4 is given twice"],
        ),
    ],
)
def test_impossible_values_are_refused_by_name(wrong: dict[str, object], words: list[str]) -> None:
    with pytest.raises(ConfigError) as error:
        RunConfig.read(None, **(GOOD | wrong))
    for word in words:
        assert word in str(error.value)


def test_a_picture_may_come_out_in_several_views() -> None:
    given = RunConfig.read(None, source="a.png", sinks=["b.jpg", "c.png?view=bev"])
    assert texts(given) == ["a.png", "b.jpg", "c.png?view=bev"]


def test_every_wrong_key_is_told_at_once() -> None:
    with pytest.raises(ConfigError) as error:
        RunConfig.read(None, frames=0, speed=3)
    told = str(error.value).splitlines()
    assert [any(key in line for line in told) for key in ("source", "sinks", "frames", "speed")] == [True] * 4


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("- a\n- b\n", "holds a list"),
        ("a: [1,\n", "not YAML"),
        ("\x00", "not YAML"),
        ("speed: 3", "unknown key speed"),
    ],
)
def test_unusable_profiles_are_refused(tmp_path: Path, text: str, words: str) -> None:
    profile = tmp_path / "profile.yaml"
    profile.write_text(text)
    with pytest.raises(ConfigError, match=words) as error:
        RunConfig.read(profile, **GOOD)
    assert str(profile) in str(error.value)


def test_missing_profile_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        RunConfig.read(tmp_path / "none.yaml", **GOOD)


def test_empty_profile_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "empty.yaml").write_text("# nothing\n")
    assert RunConfig.read(tmp_path / "empty.yaml", **GOOD) == RunConfig.read(None, **GOOD)


@pytest.mark.parametrize("name", ["demo.yaml", "replay.yaml"])
def test_profiles_that_ship_are_valid(name: str) -> None:
    RunConfig.read(LAUNCH / name, **GOOD)


def test_with_cameras_in_the_profile_every_argument_is_a_sink(tmp_path: Path) -> None:
    profile = tmp_path / "rig.yaml"
    profile.write_text("cameras: {left: rtsp://l/1, right: /dev/video2}\nsinks: [out.mp4]\n")
    config = RunConfig.read(profile, source="web://127.0.0.1:0", sinks=["{camera}/"])
    assert list(config.sources) == ["left", "right"]
    assert texts(config) == ["rtsp://l/1", "/dev/video2", "web://127.0.0.1:0", "{camera}/"]
    assert list(RunConfig.read(None, **GOOD).sources) == ["front"]


def test_variables_of_the_environment_stand_for_what_is_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CAMERA", "rtsp://u:secret@h/1")
    profile = tmp_path / "live.yaml"
    profile.write_text('source: "${CAMERA}"\nsinks: ["a$b/", "out.mp4"]\nframes: 0\n')
    with pytest.raises(ConfigError, match="frames = 0") as error:
        RunConfig.read(profile)
    assert "secret" not in str(error.value)
    config = RunConfig.read(profile, frames=1)
    assert texts(config) == ["rtsp://u:secret@h/1", "a$b/", "out.mp4"]
    assert "secret" not in repr(config)
    monkeypatch.delenv("CAMERA")
    with pytest.raises(ConfigError, match=r"\$\{CAMERA\} is not set; export CAMERA="):
        RunConfig.read(profile, frames=1)


@pytest.mark.parametrize("key", ["ego_mask", "calibration"])
def test_each_camera_has_its_own_file(key: str) -> None:
    def read(given: dict[str, Any], value: Any = None) -> dict[str, str]:
        config = RunConfig.read(None, **given, **{key: value})
        return config.by_camera(getattr(config, key))

    two = {"cameras": {"left": "a.mp4", "right": "b.mp4"}, "sinks": ["web://127.0.0.1:0"]}
    assert read(two) == {}
    assert read(two, {"left": "l.png"}) == {"left": "l.png"}
    assert read(GOOD, "m.png") == {"front": "m.png"}
    with pytest.raises(ConfigError, match=f"{key}: is one file for several cameras; give one for each"):
        read(two, "m.png")
    with pytest.raises(ConfigError, match=f"{key}: no camera rear; there are left, right"):
        read(two, {"rear": "m.png"})


def test_ego_masks_of_all_cameras_can_be_searched() -> None:
    two = {"cameras": {"left": "a.mp4", "right": "b.mp4"}, "sinks": ["web://127.0.0.1:0"]}
    config = RunConfig.read(None, **two, ego_mask="auto")
    assert config.by_camera(config.ego_mask) == {"left": "auto", "right": "auto"}
    with pytest.raises(ConfigError, match="calibration: is one file for several cameras"):
        RunConfig.read(None, **two, calibration="auto")
