"""The picture of `perception latent`."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
from matplotlib import colormaps
from matplotlib.figure import Figure
from matplotlib.offsetbox import AnnotationBbox, OffsetImage

from perception.types import Image

COLOURS = colormaps["tab10"]


def draw(
    picture: Path,
    times: npt.NDArray[np.float64],
    places: npt.NDArray[np.float64],
    groups: npt.NDArray[np.int64],
    typical: Mapping[int, tuple[int, Image]],
    title: str,
) -> None:
    """The map with a typical frame of each cluster, its number and picture; below, the clusters over time."""
    figure = Figure(figsize=(11, 9), layout="constrained")
    above, below = figure.subplots(2, 1, height_ratios=(8, 1))
    above.plot(*places.T, color="0.85", linewidth=0.7, zorder=1)
    points = above.scatter(*places.T, c=times, s=14, cmap="viridis", zorder=2)
    figure.colorbar(points, ax=above, label="time, s")
    above.set(title=title, xlabel="first principal component", ylabel="second")
    above.margins(0.15)
    for cluster in np.unique(groups):
        i, thumbnail = typical[int(cluster)]
        box = AnnotationBbox(
            OffsetImage(thumbnail[..., ::-1]),
            places[i],
            pad=0.15,
            bboxprops={"edgecolor": COLOURS(cluster), "linewidth": 2.5},
        )
        above.add_artist(box)
    below.scatter(times, groups, c=[COLOURS(cluster) for cluster in groups], marker="|", s=80)
    below.set(xlabel="time, s", ylabel="cluster", yticks=np.unique(groups))
    figure.savefig(picture, dpi=110)
