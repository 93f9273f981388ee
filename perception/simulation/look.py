"""Light, air and weather of a drive."""

import math
from dataclasses import dataclass

import numpy as np

from perception.types import Doubles, Rng


@dataclass(frozen=True)
class Look:
    """How the world of one drive is lit. Colours are BGR, 0 to 255 for light that leaves white paper white.

    Attributes:
        ambient, sun: light from all the sky, and from the sun, as factors (3,).
        sun_direction: unit vector towards the sun: right, ahead, up.
        zenith, horizon: colours of the sky.
        haze: colour that far things fade to.
        visibility: metres over which things fade to 1/e.
        clouds: share of the sky that is covered.
        wet: 0 dry to 1: how much the road mirrors.
        beams: 0 without, else how bright the headlights are.
        night: lamps and windows are lit.
        noise: standard deviation of the sensor's noise.
        gain: exposure.
        blur: exposure time, seconds.
    """

    weather: str
    time: str
    ambient: Doubles
    sun: Doubles
    sun_direction: Doubles
    zenith: Doubles
    horizon: Doubles
    haze: Doubles
    visibility: float
    clouds: float
    wet: float
    beams: float
    night: bool
    noise: float
    gain: float
    blur: float

    @property
    def shadows(self) -> bool:
        return float(self.sun.max()) > 0.25

    def light(self, normal: Doubles) -> Doubles:
        """Factors (..., 3) of the light on faces of unit normal (..., 3) right, ahead, up."""
        # Faces that look up see more of the sky.
        direct = np.maximum(normal @ self.sun_direction, 0)[..., None] * self.sun
        return self.ambient * (0.82 + 0.18 * normal[..., 2:3]) + direct

    def clear(self, distance: float) -> float:
        """Share of a colour that is left of it at this distance."""
        return math.exp(-max(distance, 0.0) / self.visibility)

    def beam(self, distance: float, right: float) -> float:
        """Light of the headlights on what stands there, 0..1."""
        if not self.beams:
            return 0.0
        width = 2.0 + 0.22 * distance
        return self.beams * math.exp(-((right / width) ** 2)) * 1.6 / (1 + (distance / 16) ** 2)


def make_look(weather: str, time: str, rng: Rng) -> Look:
    """A look for this weather (clear, cloudy, rain, fog) and time (day, dusk, night)."""
    azimuth = rng.uniform(0, 2 * np.pi)
    height = rng.uniform(0.35, 1.1) if time == "day" else rng.uniform(0.06, 0.2)
    right, ahead = np.sin(azimuth) * np.cos(height), np.cos(azimuth) * np.cos(height)
    sun_direction = np.array([right, ahead, np.sin(height)])
    overcast = {"clear": 0.0, "cloudy": 0.75, "rain": 1.0, "fog": 1.0}[weather]
    warm = rng.uniform(-0.05, 0.07)
    tint = np.array([1 - warm, 1.0, 1 + warm])
    if time == "day":
        ambient = tint * (0.58 + 0.32 * overcast) * np.array([1.06, 1.0, 0.95])
        sun = np.array([0.80, 0.95, 1.02]) * rng.uniform(0.62, 0.85) * (1 - overcast)
        zenith = np.array([205, 140, 75]) * (1 - overcast) + np.array([188, 184, 180]) * overcast
        horizon = np.array([238, 222, 200]) * (1 - overcast) + np.array([218, 218, 216]) * overcast
        if overcast < 1:
            sun += 0.12 * overcast
        zenith, horizon = zenith * rng.uniform(0.85, 1.1), horizon * rng.uniform(0.95, 1.06)
    elif time == "dusk":
        ambient = np.array([0.60, 0.52, 0.50]) * tint * rng.uniform(0.8, 1.15)
        sun = np.array([0.24, 0.42, 0.62]) * (1 - overcast)
        glow = np.array([95, 150, 235]) * rng.uniform(0.8, 1.05)
        zenith = np.array([135, 92, 70]) * (1 - 0.4 * overcast) + 25 * overcast
        horizon = glow * (1 - 0.7 * overcast) + np.array([120, 115, 118]) * 0.7 * overcast
    else:
        ambient = np.array([0.20, 0.185, 0.19]) * rng.uniform(0.7, 1.4)
        sun = np.zeros(3)
        zenith, horizon = np.array([28.0, 18, 14]), np.array([52.0, 42, 40]) * rng.uniform(0.7, 1.4)
    if weather == "rain":
        ambient, zenith, horizon = ambient * 0.85, zenith * 0.85, horizon * 0.88
    visibility = {
        "clear": rng.uniform(500, 1500),
        "cloudy": rng.uniform(350, 900),
        "rain": rng.uniform(130, 320),
        "fog": rng.uniform(35, 110),
    }[weather]
    haze = np.clip(horizon * 0.97, 0, 250)
    gain = rng.uniform(1.05, 1.45) if time == "day" else rng.uniform(0.9, 1.25)
    night = time == "night" or (time == "dusk" and overcast > 0.9)
    return Look(
        weather,
        time,
        ambient,
        sun,
        sun_direction,
        np.clip(zenith, 0, 255),
        np.clip(horizon, 0, 255),
        haze,
        visibility,
        {"clear": rng.uniform(0.0, 0.5), "cloudy": rng.uniform(0.6, 0.9)}.get(weather, 1.0),
        rng.uniform(0.45, 0.9) if weather == "rain" else 0.0,
        rng.uniform(0.65, 1.0) if time == "night" else 0.0,
        night,
        {"day": rng.uniform(1.0, 3.5), "dusk": rng.uniform(2.5, 5), "night": rng.uniform(4, 7)}[time],
        gain,
        {"day": rng.uniform(0.001, 0.006), "dusk": 0.012, "night": 0.02}[time],
    )
