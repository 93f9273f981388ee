"""What is said of a lens once it is measured: figures, and what to do for better ones."""

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Group, RenderableType
from rich.table import Column, Table
from rich.text import Text

from calibration.coverage import lacking, zone_of
from calibration.intrinsics import MOST_ODD, Intrinsics
from calibration.views import Sightings
from perception.geometry.lens import Lens

FEW_VIEWS = 12
LOOSE_FOCAL = 0.005  # standard deviation over the value: distances are off by as much
ROUGH_PX = 0.5  # RMS error, of pictures up to 1280 wide; corners of a flat board in sharp ones are within 0.2
OVERFITTED = 1.3  # held-out over RMS error
LOOSE_RAYS_PX = 2.0


@dataclass(frozen=True)
class Report:
    found: Intrinsics
    sightings: Sightings
    file: Path

    @property
    def coverage(self) -> float:
        """Share of the picture's cells that hold corners."""
        return float((self.found.counts > 0).mean())

    def measured(self) -> dict[str, Any]:
        """How well the lens is known, in pixels and in words of the file."""
        found, rays = self.found, self.found.ray_errors
        known = rays[np.isfinite(rays)]
        return {
            "views": len(found.views),
            "rms": _rounded(found.rms),
            "held_out": _rounded(found.held_out[found.fit.model.name]),
            "ray_error_mean": _rounded(float(known.mean())),
            "ray_error_max": _rounded(float(known.max())),
            "coverage": _rounded(self.coverage),
            "sd": {name: _rounded(value) for name, value in found.sd.items()},
            "date": date.today().isoformat(),
        }

    def notes(self) -> list[str]:
        """What was left out."""
        found, seen = self.found, self.sightings
        notes = [f"left out, of another size: {', '.join(seen.other_size)}"] if seen.other_size else []
        notes += [f"left out, cannot be read: {one}" for one in seen.unread]
        if seen.without:
            notes.append(f"no board found in {len(seen.without)} of {seen.looked_at}: {_some(seen.without)}")
        passed = len(seen.views) - len(found.views) - len(found.dropped)
        if passed:
            notes.append(f"passed over {passed} views, blurred or like others")
        if found.stray:
            notes.append(f"left out {found.stray} single corners, far off")
        notes += [
            f"dropped {view.name}: {error:.2f} px, far more than usual" for view, error in found.dropped
        ]
        return notes

    def advice(self) -> list[str]:
        """What to do for a better calibration."""
        found, size = self.found, self.found.size
        advice = []
        if len(found.views) < FEW_VIEWS:
            advice.append(f"{len(found.views)} views are few: take 15 to 30")
        if len(found.dropped) >= int(MOST_ODD * (len(found.views) + len(found.dropped))):
            advice.append("many views disagree with the others: look for what moved, bent or blurred in them")
        if zones := lacking(found.counts):
            advice.append(f"show the board in {', '.join(zones)}: few corners were there")
        focal = max(
            found.sd[name] / value for name, value in zip(("fx", "fy"), found.fit.parameters, strict=False)
        )
        if focal > LOOSE_FOCAL:
            advice.append(
                "tilt the board more, by 30 to 45° each way, and hold it nearer: focal length and distance "
                f"cannot be separated, the standard deviation of the focal length is {focal:.1%}"
            )
        if found.rms > ROUGH_PX * max(1.0, size[0] / 1280):
            advice.append(
                f"corners are {found.rms:.2f} px off: the board must be flat and stiff, the pictures sharp, "
                "zoom and focus fixed, stabilisation off, and --board right"
            )
        held_out = found.held_out[found.fit.model.name]
        if held_out > OVERFITTED * found.rms:
            advice.append(
                f"views that the lens was not fitted to are {held_out:.2f} px off, the others "
                f"{found.rms:.2f}: take more views"
            )
        return advice + self._of_rays()

    def _of_rays(self) -> list[str]:
        found = self.found
        blind = ~np.isfinite(found.ray_errors)
        if blind.any():
            zones = dict.fromkeys(zone_of(place, found.size) for place in found.places[blind])
            return [
                f"the lens's model holds no rays for a part of the picture ({', '.join(zones)}): "
                "show the board there, or try --fisheye"
            ]
        worst = int(np.argmax(found.ray_errors))
        if found.ray_errors[worst] < LOOSE_RAYS_PX:
            return []
        return [
            f"rays may be {found.ray_errors[worst]:.1f} px off in "
            f"{zone_of(found.places[worst], found.size)}: show the board there"
        ]

    def as_json(self) -> dict[str, Any]:
        found, info = self.found, self.found.info
        return {
            "file": str(self.file),
            "width": info.width,
            "height": info.height,
            "model": info.model,
            "parameters": dict(zip(found.fit.model.parameters, found.fit.parameters.tolist(), strict=True)),
            **self.measured(),
            "held_out_by_model": found.held_out,
            "view_errors": dict(
                zip((one.name for one in found.views), found.fit.errors.tolist(), strict=True)
            ),
            "dropped": {view.name: error for view, error in found.dropped},
            "notes": self.notes(),
            "advice": self.advice(),
        }

    def table(self) -> RenderableType:
        found, figures = self.found, self.measured()
        parameters = Table("parameter", *(Column(name, justify="right") for name in ("value", "± sd")))
        for name, value in zip(found.fit.model.parameters, found.fit.parameters, strict=True):
            pixels = name in {"fx", "fy", "cx", "cy"}
            parameters.add_row(
                name, *(f"{one:.2f}" if pixels else f"{one:.5f}" for one in (value, found.sd[name]))
            )
        views = Table("view", *(Column(name, justify="right") for name in ("corners", "error, px")))
        for view, error in zip(found.views, found.fit.errors, strict=True):
            views.add_row(Text(view.name), str(len(view.corners.board)), f"{error:.3f}")
        width, height = found.size
        across, down = self._angles()
        tried = ", ".join(f"{name} {error:.3f} px" for name, error in found.held_out.items())
        lines = [
            f"{len(found.views)} views of {width}×{height}, {found.counts.sum()} corners in "
            f"{self.coverage:.0%} of the picture; angle of view {across:.0f}° × {down:.0f}°",
            f"RMS error {found.rms:.3f} px; of views held out: {tried}",
            f"rays are known to {figures['ray_error_mean']:.2f} px on average, "
            f"{figures['ray_error_max']:.2f} px at worst (one standard deviation), once the mount is "
            "measured with this lens",
            *self.notes(),
            *(f"better: {one}" for one in self.advice()),
            f"written: {self.file}",
        ]
        return Group(parameters, views, *(Text(line) for line in lines))

    def _angles(self) -> tuple[float, float]:
        """Of view, in degrees, across and down."""
        (width, height), (_, _, cx, _, _, cy, *_) = self.found.size, self.found.info.k
        ends = np.array([[-0.5, cy], [width - 0.5, cy], [cx, -0.5], [cx, height - 0.5]])
        # From the axis to either side: between the rays the angle of a fisheye may be more than 180°.
        left, right, up, low = np.degrees(np.arccos(Lens(self.found.info).to_rays(ends)[:, 2])).tolist()
        return left + right, up + low


def _rounded(value: float) -> float:
    """To four digits: the file is read by people, too."""
    return float(f"{value:.4g}")


def _some(names: list[str]) -> str:
    return ", ".join(names[:10]) + (f" and {len(names) - 10} more" if len(names) > 10 else "")
