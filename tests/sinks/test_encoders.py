"""Which encoder writes a video. No graphics card is needed: another codec stands for one's."""

from fractions import Fraction
from pathlib import Path

import av
import pytest

from perception.classes import DRIVE
from perception.errors import ConfigError
from perception.sinks import encoders
from perception.sinks.encoders import X264, Encoder
from perception.sinks.registry import open_sink
from tests.sinks.conftest import MakeScene

MISSING, OTHER = Encoder("h264_of_no_card"), Encoder("libvpx-vp9", {"deadline": "realtime"})


def written(uri: str, make_scene: MakeScene) -> str:
    """The codec of the video."""
    sink = open_sink(uri, 25.0, DRIVE)
    frame, scene = make_scene(0)
    sink.write(frame, scene, frame.image)
    sink.close()
    with av.open(uri.partition("?")[0]) as container:
        return str(container.streams.video[0].codec_context.name)


def test_auto_takes_the_first_that_opens(
    tmp_path: Path, make_scene: MakeScene, monkeypatch: pytest.MonkeyPatch
) -> None:
    video = str(tmp_path / "out.mp4")
    monkeypatch.setattr(encoders, "ENCODERS", {"card": MISSING, "other": OTHER, "x264": X264})
    assert written(f"{video}?encoder=auto", make_scene) == "vp9"
    assert written(f"{video}?encoder=other", make_scene) == "vp9"
    assert written(f"{video}?encoder=x264", make_scene) == "h264"
    assert written(video, make_scene) == "h264"  # auto only if asked for
    monkeypatch.setattr(encoders, "ENCODERS", {"card": MISSING, "x264": X264})
    assert written(f"{video}?encoder=auto", make_scene) == "h264"


def test_segments_are_written_by_it_too(
    tmp_path: Path, make_scene: MakeScene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encoders, "ENCODERS", {"other": OTHER})
    sink = open_sink(f"{tmp_path / 'out.mp4'}?keep=10MB&encoder=other", 25.0, DRIVE)
    frame, scene = make_scene(0)
    sink.write(frame, scene, frame.image)
    sink.close()
    [video] = tmp_path.glob("out*.mp4")
    with av.open(str(video)) as container:
        assert container.streams.video[0].codec_context.name == "vp9"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("card", r"encoder = 'card' is refused; h264_of_no_card does not open here \(.+\); leave it out"),
        ("x265", "encoder = 'x265' is refused; allowed are auto, card, x264"),
    ],
)
def test_one_that_does_not_open_is_refused_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, words: str
) -> None:
    monkeypatch.setattr(encoders, "ENCODERS", {"card": MISSING, "x264": X264})
    with pytest.raises(ConfigError, match=words):
        open_sink(f"{tmp_path / 'out.mp4'}?encoder={name}", 25.0, DRIVE)
    assert not list(tmp_path.iterdir())


def test_what_a_card_takes_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    context = av.CodecContext.create("mpeg4", "w")
    assert isinstance(context, av.VideoCodecContext)
    context.width, context.height = 1280, 720
    encoders.set_up(context, Encoder("mpeg4", {"g": "1"}, "yuv420p", 0.15), Fraction(30))
    assert (context.pix_fmt, context.bit_rate) == ("yuv420p", round(0.15 * 1280 * 720 * 30))
