"""A scene drawn on its frame, for people to look at."""

import cv2
import numpy as np
import numpy.typing as npt

from perception.classes import ClassSet
from perception.errors import ConfigError
from perception.frame import Frame
from perception.scene import Instance, Lane, Scene, Status

Image = npt.NDArray[np.uint8]
Colour = tuple[int, int, int]  # BGR

TINT = 0.45  # share of the class colour in the blend
FONT = cv2.FONT_HERSHEY_SIMPLEX
LEAST_TEXT = 6  # px; lower capitals cannot be read, so they are left out
BLACK, WHITE, RED = (0, 0, 0), (255, 255, 255), (60, 60, 255)
CARPET = (90, 220, 60)


def draw(frame: Frame, scene: Scene, classes: ClassSet) -> Image:
    """The frame tinted by class, with the outlines and names of instances, the lanes, and a status line.

    Returns:
        uint8 (h, w, 3), BGR, a new image of the frame's size.

    Raises:
        ConfigError: the scene is of another size than the frame.
    """
    if scene.labels.shape != frame.image.shape[:2]:
        raise ConfigError(
            f"frame {frame.sequence} is {frame.image.shape[:2]}, the scene is {scene.labels.shape}: "
            "draw a scene on the frame that it was made from."
        )
    palette = classes.palette_bgr()
    tints: Image = cv2.applyColorMap(scene.labels, palette)  # type: ignore[assignment]
    picture: Image = cv2.addWeighted(frame.image, 1 - TINT, tints, TINT, 0, dst=tints)  # type: ignore[assignment]
    _draw_carpet(picture, scene)
    for lane in scene.lanes:
        _draw_lane(picture, lane)
    for instance in scene.instances:
        _draw_outline(picture, scene, instance)
    for instance in scene.instances:
        _draw_name(picture, instance, classes, palette)
    _draw_status(picture, scene)
    return picture


def _draw_carpet(picture: Image, scene: Scene) -> None:
    """The ego lane, translucent, up to what stands on it."""
    if scene.ego_lane is None:
        return
    corners = np.rint(scene.ego_lane).astype(np.int32)
    x, y, w, h = cv2.boundingRect(corners)
    x0, y0, x1, y1 = max(x, 0), max(y, 0), x + w, y + h
    part = picture[y0:y1, x0:x1]
    mask = np.zeros(part.shape[:2], np.uint8)
    cv2.fillPoly(mask, [corners - (x0, y0)], 255)
    mask[scene.instance_map[y0:y1, x0:x1] > 0] = 0
    carpet = cv2.addWeighted(part, 1 - TINT, np.full_like(part, CARPET), TINT, 0)
    cv2.copyTo(carpet, mask, part)


def _draw_lane(picture: Image, lane: Lane) -> None:
    """A solid boundary in one stroke, others in dashes that shorten with the distance."""
    colour = WHITE if lane.side is None else CARPET
    points = np.rint(lane.points).astype(np.int32)
    strokes = [points] if lane.kind == "solid" else [points[k : k + 2] for k in range(0, len(points) - 1, 2)]
    cv2.polylines(picture, strokes, False, colour, 2 * _line(picture), cv2.LINE_AA)


def _draw_outline(picture: Image, scene: Scene, instance: Instance) -> None:
    x0, y0, x1, y1 = (int(edge) for edge in instance.box)
    mask = (scene.instance_map[y0:y1, x0:x1] == instance.id).view(np.uint8)
    contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE, offset=(x0, y0))
    cv2.drawContours(picture, contours, -1, WHITE, _line(picture))


def _draw_name(picture: Image, instance: Instance, classes: ClassSet, palette: Image) -> None:
    x0, y0, _, y1 = (int(edge) for edge in instance.box)
    height = _text_height(picture)
    if y1 - y0 > 2 * height:  # a name larger than its bearer hides it
        colour = palette[instance.class_id, 0].tolist()
        ink = BLACK if sum(colour) > 3 * 127 else WHITE
        name = classes.names[instance.class_id]
        text = name if instance.track is None else f"{name} {instance.track}"
        _write(picture, text, (x0, max(y0 - height, 0)), ink, colour)


def _draw_status(picture: Image, scene: Scene) -> None:
    stages = "  ".join(f"{stage} {spent:.1f}" for stage, spent in scene.timings_ms.items())
    text = f"frame {scene.sequence}  {scene.status}  age {scene.age_ms:.0f} ms  {stages}"
    _write(picture, text.rstrip(), (0, 0), WHITE if scene.status is Status.OK else RED, BLACK)


def _write(picture: Image, text: str, corner: tuple[int, int], ink: Colour, ground: Colour) -> None:
    """Text on a filled bar that starts at the corner, smaller where the picture is too narrow for it."""
    height = _text_height(picture)
    thickness = 1 + height // 40
    (_, ascent), descent = cv2.getTextSize("Ag", FONT, 1, thickness)
    scale = height / (ascent + descent)
    width = cv2.getTextSize(text, FONT, scale, thickness)[0][0] + height // 2
    shrink = min(1, picture.shape[1] / width)
    if shrink * scale * ascent < LEAST_TEXT:
        return
    width, height = int(shrink * width), int(shrink * height)
    x, y = min(corner[0], picture.shape[1] - width), corner[1]
    cv2.rectangle(picture, (x, y), (x + width, y + height), ground, cv2.FILLED)
    start = (x + height // 4, y + int(shrink * scale * ascent))
    cv2.putText(picture, text, start, FONT, shrink * scale, ink, thickness, cv2.LINE_AA)


def _text_height(picture: Image) -> int:
    return int(max(14, picture.shape[0] // 36))


def _line(picture: Image) -> int:
    return int(max(1, picture.shape[0] // 360))
