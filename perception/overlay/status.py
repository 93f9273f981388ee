"""The line that says whether the picture may be trusted, and how fast it came about."""

from dataclasses import dataclass

from perception.classes import ClassSet
from perception.overlay import strokes
from perception.overlay.style import BLACK, GREEN, RED, WHITE, Colour, text_height, text_width
from perception.pixels import Pixels, size_of
from perception.scene import Scene, Status


@dataclass(frozen=True)
class StatusLine:
    """A bar at the top: status, age, and of what the node knows the rate and the engine.

    Green says that the scene may be trusted; with any other status the whole bar is red. Where the picture is
    too narrow, what comes last is left out: the status stays.

    Attributes:
        fps: publication rate in frames a second; None: not known.
        engine: such as "onnx-cpu"; empty: not known.
        doing: why the status is what it is, in a few words; empty: nothing to be said.
    """

    fps: float | None = None
    engine: str = ""
    doing: str = ""
    good: Colour = GREEN
    bad: Colour = RED

    def draw(self, picture: Pixels, scene: Scene, classes: ClassSet) -> None:
        height, across = text_height(picture), size_of(picture)[1]
        trusted = scene.status is Status.OK
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
        parts.append(f"{scene.age_ms:.0f} ms old")
        if scene.left_out:
            parts.append(f"no {', '.join(scene.left_out)}")
        if self.fps is not None:
            parts.append(f"{self.fps:.0f} fps")
        if self.engine:
            parts.append(self.engine)
        parts.append(f"frame {scene.sequence}")
        return parts + [f"{stage} {spent:.1f}" for stage, spent in scene.timings_ms.items()]
