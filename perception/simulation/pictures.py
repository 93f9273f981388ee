"""Pictures of signs, boards and fences."""

import cv2
import numpy as np

from perception.simulation.look import Look
from perception.simulation.textures import Sprite, to_image
from perception.types import Rng


def sign_face(rng: Rng, look: Look) -> tuple[Sprite, float]:
    """A sign's picture and its height in metres."""
    size, kind = 96, int(rng.integers(6))
    face, mask = np.zeros((size, size, 3), np.uint8), np.zeros((size, size), np.uint8)
    middle, white, red, blue, black = (48, 48), (235, 238, 238), (40, 36, 195), (170, 95, 25), (30, 30, 32)
    if kind in (0, 1):  # a round ban or limit, or a round blue order
        cv2.circle(mask, middle, 46, (255,), -1)
        cv2.circle(face, middle, 46, red if kind == 0 else blue, -1)
        if kind == 0:
            cv2.circle(face, middle, 35, white, -1)
            text = str(rng.choice(["30", "40", "50", "60", "70", "80"]))
            cv2.putText(face, text, (20, 63), cv2.FONT_HERSHEY_SIMPLEX, 1.35, black, 5)
        else:
            cv2.arrowedLine(face, (48, 74), (48, 22), white, 9, tipLength=0.4)
    elif kind in (2, 3):  # a triangle: danger, or give way
        flip = -1 if kind == 3 else 1
        corners = np.array([(48, 48 - flip * 42), (4, 48 + flip * 36), (92, 48 + flip * 36)], np.int32)
        cv2.fillConvexPoly(mask, corners, (255,))
        cv2.fillConvexPoly(face, corners, red)
        inner = (corners - corners.mean(0)) * 0.7 + corners.mean(0)
        cv2.fillConvexPoly(face, inner.astype(np.int32), white)
        if kind == 2:
            cv2.line(face, (48, 38), (48, 60), black, 6)
            cv2.circle(face, (48, 71), 4, black, -1)
    else:  # a rectangle
        mask[4:92, 10:86] = 255
        face[4:92, 10:86] = blue if kind == 4 else (60, 205, 240)
        cv2.circle(face, (48, 40), 18, white if kind == 4 else black, 5)
        cv2.line(face, (26, 74), (70, 74), white if kind == 4 else black, 6)
    lit = to_image(face * (look.ambient + 0.5 * look.sun))
    return Sprite.of(lit, mask, 1.0), float(rng.uniform(0.6, 0.95))


def board(rng: Rng, look: Look) -> Sprite:
    """A wide direction board."""
    face = np.zeros((96, 200, 3), np.uint8)
    face[:] = [(96, 110, 20), (150, 85, 25), (70, 120, 30)][int(rng.integers(3))]
    cv2.rectangle(face, (4, 4), (195, 91), (235, 238, 238), 2)
    for row in range(3):
        left = 14
        for _ in range(int(rng.integers(1, 4))):
            wide = int(rng.integers(18, 60))
            corner = (min(left + wide, 160), 28 + 25 * row)
            cv2.rectangle(face, (left, 16 + 25 * row), corner, (232, 235, 235), -1)
            left += wide + 10
    cv2.arrowedLine(face, (178, 76), (178, 22), (235, 238, 238), 5, tipLength=0.35)
    return Sprite.of(to_image(face * (look.ambient + 0.5 * look.sun)), None, 1.0)


def fence_textures(rng: Rng, look: Look) -> dict[str, Sprite]:
    """Pictures of guard rail, planks, railings, wall and hedge, 6 m wide."""
    light = look.ambient + 0.45 * look.sun
    rail = np.zeros((24, 128, 3), np.float32) + np.array([168, 170, 170])
    rail *= (0.8 + 0.3 * np.sin(np.linspace(0, 3 * np.pi, 24)))[:, None, None]
    planks = np.zeros((64, 256, 3), np.float32) + np.array([62, 88, 120]) * rng.uniform(0.6, 1.3)
    planks *= np.repeat(rng.uniform(0.75, 1.1, 32), 8)[None, :, None]
    planks[:, ::8] *= 0.5
    railings = np.zeros((48, 256, 3), np.float32) + np.array([60, 78, 72])
    railings[:, ::6] = railings[:, 1::6] = 34
    railings[:3] = railings[-4:-1] = 30
    wall = np.zeros((64, 256, 3), np.float32) + rng.uniform(90, 170) * np.array([0.85, 0.95, 1.0])
    wall *= rng.uniform(0.85, 1.1, (64, 256, 1))
    wall[::8] *= 0.7
    wall[:5] *= 1.15
    hedge = np.zeros((64, 256, 3), np.float32) + np.array([42, 82, 62])
    leaves = cv2.resize(rng.uniform(0.45, 1.35, (22, 86)), (256, 64))[..., None]
    hedge *= leaves * np.linspace(1.1, 0.7, 64)[:, None, None]
    pictures = {"rail": rail, "planks": planks, "railings": railings, "wall": wall, "hedge": hedge}
    return {name: Sprite.of(to_image(picture * light), None, 1.0) for name, picture in pictures.items()}
