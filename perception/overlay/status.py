"""The line that says that the picture may not be trusted; where that is asked for, how it came about."""

from dataclasses import dataclass

from perception.classes import ClassSet
from perception.overlay import strokes
from perception.overlay.style import BLACK, GREEN, RED, WHITE, Colour, text_height, text_width
from perception.pixels import Pixels, size_of
from perception.scene import Scene, Status


@dataclass(frozen=True)
class StatusLine:
    """A bar at the top, where something must be said: a status other than ok, or what was not looked for.

    Any other status makes the whole bar red. Where the picture is too narrow, what comes last is left out:
    the status stays. A recording's scenes have no age: how long ago a frame was read says nothing.

    Attributes:
        details: always draw it, green where the scene may be trusted, with the rate, the engine, the frame's
            number and the times of the stages.
        fps: publication rate in frames a second; None: not known.
        engine: such as "onnx-cpu"; empty: not known.
        doing: why the status is what it is, in a few words; empty: nothing to be said.
    """

    fps: float | None = None
    engine: str = ""
    doing: str = ""
    details: bool = False
    good: Colour = GREEN
    bad: Colour = RED

    def draw(self, picture: Pixels, scene: Scene, classes: ClassSet) -> None:
        height, across = text_height(picture), size_of(picture)[1]
        trusted = scene.status is Status.OK
        if trusted and not self.details and not scene.left_out:
            return
        if trusted:
            strokes.darken(picture, height)
        else:
            strokes.rectangle(picture, 0, 0, across, height, self.bad)
        x = 0
        for part in self._parts(scene):
            width = text_width(part, height)
            if x and x + width > across:
                break
            if trusted and not x:
                strokes.rectangle(picture, 0, 0, width, height, self.good)
            strokes.text(picture, part, (x, 0), height, BLACK if trusted and not x else WHITE)
            x += width

    def _parts(self, scene: Scene) -> list[str]:
        """What there is to say, the most important first."""
        status = scene.status.replace("_", " ")
        parts = [f"{status}:", self.doing] if self.doing else [status]
        if scene.max_age_ms is not None:
            parts.append(f"{scene.age_ms:.0f} ms old")
        if scene.left_out:
            parts.append(f"no {', '.join(scene.left_out)}")
        if not self.details:
            return parts
        if self.fps is not None:
            parts.append(f"{self.fps:.0f} fps")
        if self.engine:
            parts.append(self.engine)
        parts.append(f"frame {scene.sequence}")
        return parts + [f"{stage} {spent:.1f}" for stage, spent in scene.timings_ms.items()]
