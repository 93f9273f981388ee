"""The ground of a frame: the texture in perspective with paint, shadows, headlights and haze on it."""

from functools import cached_property
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from perception.classes import DRIVE
from perception.simulation.camera import View
from perception.simulation.canvas import SHIFT, fixed_point
from perception.simulation.ground_texture import JUNCTION, LEVELS, PERIOD, RESERVE, GroundTexture
from perception.simulation.look import Look
from perception.simulation.painting import YELLOW, Marks
from perception.types import Bools, Image

_NOTHING = np.zeros((0, 0), np.float32)


class Ground:
    """The ground of one frame. `side_street` says for each row whether a side street crosses there."""

    instance = 0

    def __init__(
        self, texture: GroundTexture, view: View, look: Look, marks: Marks, side_street: Bools, speed: float
    ) -> None:
        self.texture, self.view, self.look = texture, view, look
        k = view.intrinsics
        self.first, self.size = view.horizon, (k.height - view.horizon, k.width)
        self.street = side_street
        self.shadows: list[npt.NDArray[np.int32]] = []
        self._speed = speed
        self._marks = marks
        across = view.depth / k.focal * texture.density * view.side
        start = (view.pose.offset - view.shift - texture.left) * texture.density - 0.5
        self._lines = np.stack([across, start], 1).astype(np.float32)

    def _columns(self, step: int) -> npt.NDArray[np.float32]:
        """float32: the texture's column for every row and every `step`-th column of the image."""
        k = self.view.intrinsics
        columns = np.arange((step - 1) / 2, k.width + step - 1, step) - k.cx
        line = np.stack([columns, np.ones_like(columns)]).astype(np.float32)
        return np.asarray(cv2.gemm(self._lines, line, 1.0, _NOTHING, 0.0), np.float32)

    @cached_property
    def paint_mask(self) -> Image:
        """uint8: strength of the paint where there is some, else 0."""
        mask = np.zeros(self.size, np.uint8)
        corners, view = self._marks.corners, self.view
        if len(corners) and self.size[0]:
            points = view.project(corners[..., 0], corners[..., 1], 0.0)
            shown = ~view.hidden(corners[..., 0].min(1) - view.pose.station)
            shown &= corners[..., 0].max(1) - view.pose.station > 1.0
            shown &= points[..., 1].max(1) >= self.first
            points[..., 1] -= self.first
            integers = fixed_point(points[..., :2].reshape(-1, 2)).reshape(-1, 4, 2)
            for index in np.flatnonzero(shown):
                strength = int(self._marks.strength[index])
                cv2.fillConvexPoly(mask, integers[index], (strength,), cv2.LINE_8, SHIFT)
        return mask

    def paint(self, image: Image) -> None:
        if not self.size[0]:
            return
        texture, view = self.texture, self.view
        station = view.pose.station + view.ahead
        footprint = np.abs(np.gradient(view.ahead)) if len(view.ahead) > 1 else np.ones(1)
        smear = np.maximum(footprint, self._speed * self.look.blur) * texture.density
        level = np.clip(np.rint(np.log2(np.maximum(smear, 1e-3))), 0, LEVELS - 1).astype(int)
        along = np.where(self.street, station % JUNCTION, station % PERIOD) * texture.density
        map_y = along / 2.0**level - 0.5 + texture.offsets[self.street.astype(int), level]
        # The texture is coarser than the image, so that every second column is enough.
        map_x = self._columns(2)
        rows = np.ascontiguousarray(np.broadcast_to(map_y.astype(np.float32)[:, None], map_x.shape))
        half = cv2.remap(texture.atlas, map_x, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        ground = np.ascontiguousarray(cv2.resize(half, (2 * map_x.shape[1], self.size[0]))[:, : self.size[1]])
        self._apply_marks(ground, station)
        self._apply_shadows(ground)
        if self.look.beams:
            self._apply_beams(ground)
        self._apply_haze(ground)
        image[self.first :] = ground

    def _apply_marks(self, ground: Any, station: npt.NDArray[np.float64]) -> None:
        found = cv2.findNonZero(self.paint_mask)
        if found is None:
            return
        x, y = found.reshape(-1, 2).T
        at = y * self.size[1] + x
        strength = self.paint_mask.ravel()[at]
        wear = self.texture.wear
        line = ((station % PERIOD) * self.texture.density / 2).astype(np.int32) % wear.shape[0]
        across, start = self._lines[y].T
        column = (across * (x - self.view.intrinsics.cx) + start) / 2
        column = np.clip(column, 0, wear.shape[1] - 1).astype(np.int32)
        cover = wear[line[y], column] * (strength & 127).astype(np.float32) * np.float32(1 / 127)
        paint = self.texture.paint.astype(np.float32)[(strength >= YELLOW).astype(np.int8)]
        flat = ground.reshape(-1, 3)
        under = flat[at].astype(np.float32)
        flat[at] = np.clip(under + (paint - under) * cover[:, None], 0, 255).astype(np.uint8)

    def _apply_shadows(self, ground: Any) -> None:
        if not self.shadows:
            return
        mask = np.zeros(self.size, np.uint8)
        for corners in self.shadows:
            cv2.fillConvexPoly(mask, corners, (255,), cv2.LINE_8, SHIFT)
        top = max(int(min(c[:, 1].min() for c in self.shadows)) >> SHIFT, 0)
        mask, part = mask[top:], ground[top:]
        if len(part):
            lit = self.look.light(np.array([0.0, 0.0, 1.0]))
            share = float((self.look.ambient / lit).mean()) if self.look.shadows else 0.72
            cv2.copyTo(cv2.convertScaleAbs(part, alpha=share), mask, part)

    def _apply_beams(self, ground: Any) -> None:
        """Headlights: two wide cones that fade with the distance, computed on a coarse grid."""
        k, height = self.view.intrinsics, self.size[0]
        rows = np.linspace(0, height - 1, max(height // 6, 1)).astype(int)
        columns = np.linspace(0, k.width - 1, max(k.width // 8, 2)) - k.cx
        ahead = self.view.ahead[rows][:, None]
        right = columns * self.view.depth[rows][:, None] / k.focal
        cone = np.exp(-((right / (1.7 + 0.24 * ahead)) ** 2)) * np.clip(ahead / 5 - 0.3, 0.15, 1)
        beam = self.look.beams * 1.1 * cone / (1 + (ahead / 17) ** 2)
        gain = (1 + beam / float(self.look.ambient.mean())) / RESERVE
        gains = cv2.resize(np.clip(gain * 64, 0, 255).astype(np.uint8), (self.size[1], height))
        cv2.multiply(ground, cv2.merge([gains] * 3), ground, scale=1 / 64)

    def _apply_haze(self, ground: Any) -> None:
        clear = np.exp(-self.view.ahead / self.look.visibility)
        bands = np.rint(clear * 48).astype(int)
        edges = np.flatnonzero(np.diff(bands)) + 1
        for start, stop in zip([0, *edges], [*edges, len(bands)], strict=True):
            gain = bands[start] / 48
            if gain < 0.99:
                part = ground[start:stop]
                cv2.convertScaleAbs(part, part, gain)
                cv2.add(part, np.array((*(self.look.haze * (1 - gain)), 0.0)), part)

    def fill_labels(self, labels: Image) -> None:
        if not self.size[0]:
            return
        rows = np.ascontiguousarray(np.broadcast_to(self.street.astype(np.float32)[:, None], self.size))
        part, nearest, border = labels[self.first :], cv2.INTER_NEAREST, cv2.BORDER_REPLICATE
        part[:] = cv2.remap(self.texture.classes, self._columns(1), rows, nearest, borderMode=border)
        part[self.paint_mask > 0] = DRIVE.id("lane_marking")

    def fill_depth(self, depth: npt.NDArray[np.float32]) -> None:
        depth[self.first :] = self.view.depth[:, None]
