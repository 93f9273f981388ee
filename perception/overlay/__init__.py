"""A scene drawn on its frame, for people to look at.

An overlay is a sequence of styles, each of which draws one thing of the scene. Compose your own:

    draw(frame, scene, classes, [InstanceOutlines(), InstanceLabels(), StatusLine(fps=25)])
"""

from collections.abc import Sequence

from perception.classes import ClassSet
from perception.errors import ConfigError
from perception.frame import Frame
from perception.overlay.bird import birds_eye
from perception.overlay.depth import DepthTint
from perception.overlay.instances import InstanceLabels, InstanceOutlines
from perception.overlay.key_points import KeyPointDots
from perception.overlay.lanes import LaneBoundaries
from perception.overlay.legend import Legend
from perception.overlay.side_by_side import Comparison
from perception.overlay.status import StatusLine
from perception.overlay.style import Colour, PlaneStyle, Style
from perception.overlay.tints import ClassTint, EgoCarpet, EgoRegion
from perception.pixels import Pixels
from perception.scene import Scene
from perception.types import Image

__all__ = [
    "ALL", "SCENE", "ClassTint", "Colour", "Comparison", "DepthTint", "EgoCarpet", "EgoRegion", "Image",
    "InstanceLabels", "InstanceOutlines", "KeyPointDots", "LaneBoundaries", "Legend", "PlaneStyle",
    "StatusLine", "Style", "birds_eye", "draw", "draw_planes",
]  # fmt: skip

SCENE: tuple[PlaneStyle, ...] = (
    ClassTint(), DepthTint(), EgoCarpet(), EgoRegion(), LaneBoundaries(), InstanceOutlines(),
    InstanceLabels(), KeyPointDots(), Comparison(), Legend(),
)  # fmt: skip
ALL: tuple[PlaneStyle, ...] = (*SCENE, StatusLine())


def draw(frame: Frame, scene: Scene, classes: ClassSet, styles: Sequence[Style] = ALL) -> Image:
    """The frame with the scene on it, one style after the other.

    Returns:
        uint8 (h, w, 3), BGR, a new image of the frame's size.

    Raises:
        ConfigError: the scene is of another size than the frame.
    """
    _check(frame, scene)
    picture = frame.image.copy()
    for style in styles:
        style.draw(picture, scene, classes)
    return picture


def draw_planes(frame: Frame, scene: Scene, classes: ClassSet, styles: Sequence[PlaneStyle]) -> Pixels:
    """Like `draw`, in planes where the frame has them: half the bytes, and ready to be encoded as video."""
    _check(frame, scene)
    picture = frame.pixels.copy()
    for style in styles:
        style.draw(picture, scene, classes)
    return picture


def _check(frame: Frame, scene: Scene) -> None:
    frame.check()
    size = frame.height, frame.width
    if scene.labels.shape != size:
        raise ConfigError(
            f"frame {frame.sequence} is {size}, the scene is {scene.labels.shape}: "
            "draw a scene on the frame that it was made from."
        )
