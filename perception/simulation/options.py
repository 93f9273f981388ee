"""What a simulated drive may be asked for, and the query that asks for it."""

import dataclasses
import math
from dataclasses import dataclass
from urllib.parse import parse_qsl

from perception.errors import ConfigError

CHOICES = {
    "weather": ("auto", "clear", "cloudy", "rain", "fog"),
    "time": ("auto", "day", "dusk", "night"),
    "scene": ("auto", "town", "country", "highway"),
}
SMALLEST, WIDEST, HIGHEST = 16, 3840, 2160


@dataclass(frozen=True, slots=True)
class SimulationOptions:
    """A drive of the simulated camera; `auto` leaves the choice to the seed.

    Attributes:
        seed: everything that varies from drive to drive follows from it.
        size: width and height in pixels.
        rate: frames per second of the drive's own time.
        frames: length of the drive.

    Raises ConfigError for a value that cannot be simulated.
    """

    seed: int = 0
    size: tuple[int, int] = (1280, 720)
    rate: float = 30.0
    weather: str = "auto"
    time: str = "auto"
    scene: str = "auto"
    frames: int = 300

    def __post_init__(self) -> None:
        width, height = self.size
        _require(0 <= self.seed < 2**32, "seed", self.seed, "0 to 4294967295")
        size = f"{width}x{height}"
        _require(SMALLEST <= width <= WIDEST, "size", size, f"a width of {SMALLEST} to {WIDEST}")
        _require(SMALLEST <= height <= HIGHEST, "size", size, f"a height of {SMALLEST} to {HIGHEST}")
        _require(math.isfinite(self.rate) and 0.1 <= self.rate <= 1000, "rate", self.rate, "0.1 to 1000 Hz")
        _require(1 <= self.frames <= 10**9, "frames", self.frames, "1 to 1000000000")
        for name, allowed in CHOICES.items():
            value = getattr(self, name)
            _require(value in allowed, name, value, "one of " + ", ".join(allowed))


def parse_options(query: str) -> SimulationOptions:
    """Read `seed=3&size=1280x720&rate=30&weather=rain` (a leading `?` is allowed; empty means all defaults).

    Raises ConfigError for an unknown or repeated option, or a wrong value, by name.
    """
    known = {field.name for field in dataclasses.fields(SimulationOptions)}
    values: dict[str, object] = {}
    for key, text in parse_qsl(query.removeprefix("?"), keep_blank_values=True):
        if key not in known:
            raise ConfigError(f"sim: unknown option {key!r}; use one of {', '.join(sorted(known))}")
        if key in values:
            raise ConfigError(f"sim: option {key!r} is given twice; give it once")
        values[key] = _read(key, text)
    return SimulationOptions(**values)  # type: ignore[arg-type]


def _read(key: str, text: str) -> object:
    try:
        match key:
            case "seed" | "frames":
                return int(text)
            case "rate":
                return float(text)
            case "size":
                width, height = text.lower().split("x")
                return int(width), int(height)
            case _:
                return text
    except ValueError:
        wanted = {"size": "WIDTHxHEIGHT, such as 1280x720", "rate": "a number"}.get(key, "a whole number")
        raise ConfigError(f"sim: option '{key}' is {text!r}; give {wanted}") from None


def _require(holds: bool, name: str, value: object, allowed: str) -> None:
    if not holds:
        raise ConfigError(f"sim: option '{name}' is {str(value)!r}; give {allowed}")
