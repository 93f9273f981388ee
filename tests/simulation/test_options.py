import pytest
from hypothesis import given
from hypothesis import strategies as st

from perception.errors import ConfigError
from perception.simulation import SimulationOptions, parse_options
from perception.simulation.options import CHOICES


@given(
    seed=st.integers(0, 2**32 - 1),
    width=st.integers(16, 3840),
    height=st.integers(16, 2160),
    rate=st.floats(0.1, 1000),
    weather=st.sampled_from(CHOICES["weather"]),
    time=st.sampled_from(CHOICES["time"]),
    scene=st.sampled_from(CHOICES["scene"]),
    frames=st.integers(1, 10**9),
)
def test_every_allowed_value_is_read_back(
    seed: int, width: int, height: int, rate: float, weather: str, time: str, scene: str, frames: int
) -> None:
    query = (
        f"seed={seed}&size={width}x{height}&rate={rate!r}&weather={weather}&time={time}"
        f"&scene={scene}&frames={frames}"
    )
    wanted = SimulationOptions(seed, (width, height), rate, weather, time, scene, frames)
    assert parse_options(query) == parse_options("?" + query) == wanted


def test_nothing_asked_gives_the_defaults() -> None:
    assert parse_options("") == parse_options("?") == SimulationOptions()


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("sede=3", "sede"),
        ("seed=3&seed=4", "seed"),
        ("seed=-1", "seed"),
        ("seed=4294967296", "seed"),
        ("seed=three", "seed"),
        ("seed=", "seed"),
        ("seed=1.5", "seed"),
        ("size=1280", "size"),
        ("size=15x720", "size"),
        ("size=3841x2160", "size"),
        ("size=1280x2161", "size"),
        ("size=1280x720x3", "size"),
        ("rate=0", "rate"),
        ("rate=nan", "rate"),
        ("rate=inf", "rate"),
        ("rate=fast", "rate"),
        ("weather=snow", "weather"),
        ("time=noon", "time"),
        ("scene=moon", "scene"),
        ("frames=0", "frames"),
        ("frames=-3", "frames"),
        ("seed", "seed"),
    ],
)
def test_wrong_options_are_refused_by_name(query: str, named: str) -> None:
    with pytest.raises(ConfigError, match=f"'{named}'"):
        parse_options(query)


@given(st.text(max_size=40))
def test_any_text_is_read_or_refused(query: str) -> None:
    try:
        assert isinstance(parse_options(query), SimulationOptions)
    except ConfigError as error:
        assert str(error)


def test_options_made_in_code_are_checked_too() -> None:
    with pytest.raises(ConfigError, match="'size'"):
        SimulationOptions(size=(8, 8))
