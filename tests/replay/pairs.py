"""Which one of a scene is which one of its reference: the nearest pairs first."""

from collections.abc import Callable, Sequence
from typing import Any

One = dict[str, Any]


def pair_up(
    found: Sequence[One], reference: Sequence[One], distance: Callable[[One, One], float], limit: float
) -> tuple[list[tuple[One, One]], list[One], list[One]]:
    """Pairs that are less than `limit` apart, and what only `found` and only `reference` have."""
    apart = sorted(
        (distance(one, other), i, k) for i, one in enumerate(found) for k, other in enumerate(reference)
    )
    of_found: dict[int, int] = {}
    for away, i, k in apart:
        if away < limit and i not in of_found and k not in of_found.values():
            of_found[i] = k
    pairs = [(found[i], reference[k]) for i, k in sorted(of_found.items(), key=lambda pair: pair[1])]
    extra = [one for i, one in enumerate(found) if i not in of_found]
    missing = [one for k, one in enumerate(reference) if k not in of_found.values()]
    return pairs, extra, missing


def box_iou(a: Sequence[float], b: Sequence[float]) -> float:
    """Of x0, y0, x1, y1."""
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    areas = [(one[2] - one[0]) * (one[3] - one[1]) for one in (a, b)]
    return width * height / (sum(areas) - width * height)
