"""The embedding API: a bundle on an engine, from a frame to its scene."""

import math
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import cv2
import numpy as np
import numpy.typing as npt

from perception.bundle import Bundle
from perception.classes import ClassSet
from perception.decode.boxes import thing_labels
from perception.decode.crf import refine
from perception.decode.grouping import make_instances
from perception.decode.instances import Grouping, choose_grouping
from perception.decode.lanes import find_lanes
from perception.decode.semantic import resize_ids
from perception.engines import Engine, open_engine
from perception.errors import ConfigError
from perception.frame import Frame
from perception.scene import Scene


@dataclass(frozen=True)
class Perceiver:
    """Turns frames into scenes. It keeps nothing from frame to frame: several threads may share one.

    `perceive` does it all; `prepare`, `infer` and `decode` are its stages, for a pipeline that overlaps them.
    """

    bundle: Bundle
    engine: Engine
    grouping: Grouping
    crf: bool = False

    @classmethod
    def load(
        cls,
        model: str | Path = "drive",
        engine: str = "auto",
        threads: int = 0,
        instances: str = "auto",
        crf: bool = False,
    ) -> Self:
        """Load a bundle, verify it and make it ready.

        Args:
            model: the name of a shipped bundle, or a bundle's folder.
            engine: "auto", or one of `perception.engines.ENGINES`.
            threads: CPU threads for one frame; 0: one for each physical core. With several frames in
                parallel, 1 gives the best rate.
            instances: how road users are told apart: "auto", or one of `perception.decode.instances.WAYS`.
            crf: refine class maps by a fully connected CRF; see `perception.decode.crf`.

        Raises:
            BundleError: the bundle is missing, altered, or not reproduced by the engine.
            EngineError: the engine is not known or cannot run here.
            ConfigError: the bundle's network does not tell instances apart that way, or gives no logits.
        """
        bundle = Bundle.load(model)
        grouping = choose_grouping(bundle.info, bundle.classes, instances)
        if crf and "logits" not in bundle.info.outputs:
            raise ConfigError(
                f"crf: needs the output logits, the bundle {bundle.info.name} gives "
                f"{', '.join(bundle.info.outputs)}; leave it out, or export the bundle again"
            )
        return cls(bundle, open_engine(bundle, engine, threads), grouping, crf)

    @property
    def classes(self) -> ClassSet:
        return self.bundle.classes

    def perceive(self, frame: Frame) -> Scene:
        """The scene of one frame; its age counts from this call.

        Raises:
            ConfigError: the image is not uint8 (h, w, 3).
            EngineError: the engine failed.
        """
        start = time.perf_counter()
        image = self.prepare(frame)
        prepared = time.perf_counter()
        maps = self.infer(image)
        inferred = time.perf_counter()
        scene = self.decode(frame, maps)
        decoded = time.perf_counter()
        spent = {"prepare": prepared - start, "infer": inferred - prepared, "decode": decoded - inferred}
        timings = {stage: 1000 * seconds for stage, seconds in spent.items()}
        return replace(scene, age_ms=1000 * (decoded - start), timings_ms=timings)

    def prepare(self, frame: Frame) -> npt.NDArray[np.uint8]:
        """The frame at the network's size: uint8 (h, w, 3), BGR; see `fit_image`.

        Raises:
            ConfigError: the image is not uint8 (h, w, 3).
        """
        image = frame.image
        if not isinstance(image, np.ndarray):
            raise ConfigError(f"frame {frame.sequence}: the image is {type(image).__name__}; was it read?")
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
            raise ConfigError(
                f"frame {frame.sequence}: the image is {image.dtype} {image.shape}, give uint8 (h, w, 3) BGR."
            )
        return fit_image(image, self.bundle.info.input.pixels, self.bundle.info.input.multiple)

    def infer(self, image: npt.NDArray[np.uint8]) -> dict[str, npt.NDArray[Any]]:
        """The network's maps for a prepared image; see `Engine.run`."""
        return self.engine.run(image)

    def decode(self, frame: Frame, maps: dict[str, npt.NDArray[Any]]) -> Scene:
        """The scene that the network's maps tell of the frame, without age and timings."""
        height, width = frame.height, frame.width
        if self.crf:
            maps = maps | {"labels": refine(maps["logits"], self.prepare(frame))}
        info = self.bundle.info.input
        groups = self.grouping(maps, input_size(height, width, info.pixels, info.multiple))
        instance_map, instances = make_instances(groups, height, width)
        labels = maps["labels"] if "labels" in maps else thing_labels(instance_map)
        # Never above the frame's size: what is found there, the frame can show.
        labels = resize_ids(labels, min(labels.shape[0], height), min(labels.shape[1], width))
        return Scene(
            sequence=frame.sequence,
            stamp_ns=frame.stamp_ns,
            wall_ns=frame.wall_ns,
            stem=frame.stem,
            camera=frame.camera,
            labels=resize_ids(labels, height, width),
            instance_map=instance_map,
            instances=instances,
            lanes=find_lanes(labels, self.classes, height, width),
        )


def fit_image(image: npt.NDArray[np.uint8], pixels: int, multiple: int) -> npt.NDArray[np.uint8]:
    """An image uint8 (h, w, 3) at the size that `input_size` gives."""
    height, width = input_size(image.shape[0], image.shape[1], pixels, multiple)
    # Bilinear sampling sees two pixels a side, so a far larger image is halved until that is enough.
    while image.shape[0] > 2.5 * height and image.shape[1] > 2.5 * width:
        image = _resize(image, image.shape[0] // 2, image.shape[1] // 2)
    return np.ascontiguousarray(_resize(image, height, width))


def input_size(height: int, width: int, pixels: int, multiple: int) -> tuple[int, int]:
    """The network's input size for a frame: both sides multiples of `multiple`, area at most `pixels`.

    Of the sizes whose longer side is rounded to the nearest multiple, so that the aspect is off by at most
    half a multiple in the longer side, the largest. A frame too long for any of them gets the longest strip.
    """
    aspect = max(height, width) / min(height, width)
    short, long = multiple, pixels // multiple**2 * multiple
    for tiles in range(1, math.isqrt(pixels) // multiple + 1):
        nearest = round(tiles * aspect) * multiple
        if tiles * multiple * nearest <= pixels:
            short, long = tiles * multiple, nearest
    return (short, long) if height <= width else (long, short)


def _resize(image: npt.NDArray[np.uint8], height: int, width: int) -> npt.NDArray[np.uint8]:
    if image.shape[:2] == (height, width):
        return image
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR)  # type: ignore[return-value]
