"""`perception latent`: a map of a drive, on which frames with similar autoencoder codes are close."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import cv2
import numpy as np
import numpy.typing as npt
import typer
from scipy.cluster.vq import kmeans2

from perception.console import Console
from perception.errors import ConfigError
from perception.frame import Frame
from perception.perceiver import Perceiver
from perception.sources.registry import open_source
from perception.types import Image

Codes = npt.NDArray[np.float32]

THUMBNAIL = 96  # px, width


@dataclass(frozen=True)
class CodedDrive:
    """The frames of a source: codes float32 (n, k), capture times in seconds, and thumbnails."""

    codes: Codes
    times: npt.NDArray[np.float64]
    thumbnails: list[Image]


def latent(
    source: Annotated[str, typer.Argument(help="A drive: a video, a folder of images, or sim:")],
    picture: Annotated[Path, typer.Argument(help="The map to draw, .png or .jpg.")],
    model: Annotated[str, typer.Option(help="Bundle of an autoencoder: its name or folder.")],
    engine: Annotated[str, typer.Option(help="Engine to run it on.")] = "auto",
    clusters: Annotated[int, typer.Option(min=1, max=10, help="Number of clusters of frames.")] = 6,
    frames: Annotated[int | None, typer.Option(min=1, help="Stop after so many frames.")] = None,
) -> None:
    """[train] Draw a drive as a map of its frames by their codes.

    Frames with similar codes are close: what repeats lies together, what stands out lies apart.

    \b
    Examples:
      perception latent drive.mp4 map.png --model runs/autoencoder/bundle
      perception latent frames/ map.png --model runs/autoencoder/bundle --clusters 4
    """
    from perception.app.latent_map import draw  # noqa: PLC0415 - matplotlib; the command's help does without it

    if picture.suffix not in {".png", ".jpg"} or not picture.parent.is_dir() or picture.is_dir():
        raise ConfigError(f"{picture}: cannot be written; give a .png or .jpg in a folder that exists")
    drive = code(source, Perceiver.load(model, engine), frames)
    if len(drive.codes) < max(clusters, 2):
        raise ConfigError(
            f"{source}: {len(drive.codes)} frames cannot make {clusters} clusters on a map; ask for fewer"
        )
    places, share = principal_components(drive.codes)
    groups = group(drive.codes, clusters)
    nearest = {int(one): typical(drive.codes, groups == one) for one in np.unique(groups)}
    draw(
        picture,
        drive.times,
        places,
        groups,
        {one: (i, drive.thumbnails[i]) for one, i in nearest.items()},
        title=f"{Path(source).name}: {share:.0%} of the codes' variance",
    )
    found = (
        f"{len(groups)} frames in {len(nearest)} clusters"  # where frames are the same, fewer than asked for
    )
    Console().print(f"{picture}: {found}; the plane holds {share:.0%} of the variance")


def code(source: str, perceiver: Perceiver, frames: int | None = None) -> CodedDrive:
    """Run an autoencoder's bundle over a source.

    Raises:
        ConfigError: the bundle gives no codes.
        SourceError: the source cannot be read.
    """
    info = perceiver.info
    if "latent" not in info.outputs:
        raise ConfigError(
            f"the bundle {info.name} gives {', '.join(info.outputs)}, but no latent; give an autoencoder's"
        )
    codes, times, thumbnails = [], [], []
    for frame in _frames(source, frames):
        codes.append(perceiver.perceive(frame).latent)
        times.append(frame.stamp_ns / 1e9)
        height = max(1, round(THUMBNAIL * frame.height / frame.width))
        small = cv2.resize(frame.image, (THUMBNAIL, height), interpolation=cv2.INTER_AREA)
        thumbnails.append(small.astype(np.uint8))
    return CodedDrive(np.array(codes, np.float32), np.array(times), thumbnails)


def principal_components(codes: Codes, axes: int = 2) -> tuple[npt.NDArray[np.float64], float]:
    """Codes (n, k) on the axes of their largest variance: float64 (n, axes), and its share of all variance.

    Pearson, "On lines and planes of closest fit", 1901. The sign of an axis is that of its largest weight.
    """
    centred = codes.astype(np.float64) - codes.mean(0)
    _, strengths, directions = np.linalg.svd(centred, full_matrices=False)
    directions = directions[:axes]
    largest = np.abs(directions).argmax(1)
    directions *= np.sign(directions[np.arange(len(directions)), largest])[:, None]
    total = float((strengths**2).sum())
    return centred @ directions.T, float((strengths[:axes] ** 2).sum() / total) if total else 1.0


def group(codes: Codes, clusters: int) -> npt.NDArray[np.int64]:
    """K-means (Lloyd, 1982; k-means++ start): the cluster of each code, numbered in order of appearance."""
    _, found = kmeans2(codes.astype(np.float64), clusters, minit="++", seed=0)
    order = {name: number for number, name in enumerate(dict.fromkeys(found.tolist()))}
    return np.array([order[name] for name in found.tolist()], np.int64)


def typical(codes: Codes, members: npt.NDArray[np.bool_]) -> int:
    """The index of the member nearest to the mean of all members."""
    indices = np.flatnonzero(members)
    distances = np.linalg.norm(codes[indices] - codes[indices].mean(0), axis=1)
    return int(indices[distances.argmin()])


def _frames(source: str, frames: int | None) -> Iterator[Frame]:
    """The frames of a source; those that cannot be decoded leave a gap."""
    opened = open_source(source, frames)
    try:
        seen = 0
        for frame in opened:
            if frames is not None and seen == frames:
                return
            if isinstance(frame, Frame):
                seen += 1
                yield frame
    finally:
        opened.close()
