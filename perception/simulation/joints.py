"""Key points of people on foot: which joints there are, and where a frame shows them."""

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from perception.simulation.canvas import Cutout

SHORTEST = 12  # px; the joints of smaller people cannot be separated


def visible_key_points(
    items: Iterable[object], instance_map: npt.NDArray[np.uint16]
) -> npt.NDArray[np.float32]:
    """The joints of the figures among `items` that the instance map shows as the figure's own.

    Returns:
        float32 (n, 4): index in `KEY_POINTS`, x, y and the person's height in px.
    """
    height, width = instance_map.shape
    points = []
    for item in items:
        if not isinstance(item, Cutout) or not item.sprite.joints:
            continue
        x0, y0, x1, y1 = item.frame
        rows, columns = item.sprite.shape
        across, up = (x1 - x0) / columns, (y1 - y0) / rows
        tall = up * item.sprite.stature
        if tall < SHORTEST:
            continue
        for kind, (column, row) in enumerate(item.sprite.joints):
            x, y = x0 + (column + 0.5) * across - 0.5, y0 + (row + 0.5) * up - 0.5
            at = round(y), round(x)
            if 0 <= at[0] < height and 0 <= at[1] < width and instance_map[at] == item.instance:
                points.append((kind, x, y, tall))
    return np.array(points, np.float32).reshape(-1, 4)
