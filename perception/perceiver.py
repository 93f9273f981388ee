"""The embedding API: a bundle on an engine, from a frame to its scene."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt

from perception.bundle.bundle import Bundle
from perception.bundle.manifest import BundleDescription
from perception.classes import ClassSet
from perception.decode.boxes import thing_labels
from perception.decode.crf import refine
from perception.decode.grouping import NO_GROUPS, make_instances
from perception.decode.instances import Grouping, Maps, choose_grouping, choose_least
from perception.decode.key_points import find_key_points
from perception.decode.lanes import find_lanes
from perception.decode.parts import join_parts, ridden
from perception.decode.pictures import enlarges, shown_picture
from perception.ego import EgoMask, cut_ego, fit_ego_mask, misfit, read_ego_mask
from perception.engines.base import Engine, OnBuild
from perception.engines.lazy import LazyEngine, open_without_waiting
from perception.engines.registry import open_engine
from perception.errors import ConfigError, EngineError
from perception.frame import Frame
from perception.health.latency import Stopwatch
from perception.resample import Enlarged, fit, input_size, pad, padded_size, resize, resize_ids
from perception.scene import Scene
from perception.types import Bools, Image


@dataclass(frozen=True, repr=False)
class Perceiver:
    """Turns frames into scenes. It keeps nothing from frame to frame: several threads may share one.

    `perceive` does it all; `denoise`, `prepare`, `infer` and `decode` are its stages, for a pipeline that
    overlaps them. A `denoiser` restores each frame before the network sees it.

    Attributes:
        pixel_share: of the bundle's input size that is shown to the network, 0 to 1, where its size is free.
        labels_only: road users and lanes are left out, to save time; where the network gives labels.
        ego_mask: bool (h, w) of the frames' aspect: where the own car is in view; see `perception.ego`.
        least: class id → score from which its road users are published; None: all are.
        pixels: of the network's input, where they were asked for in place of the bundle's own.
    """

    info: BundleDescription
    engine: Engine
    grouping: Grouping
    crf: bool = False
    denoiser: "Perceiver | None" = None
    pixel_share: float = 1.0
    labels_only: bool = False
    ego_mask: Bools | None = None
    least: Mapping[int, float] | None = None
    pixels: int | None = None
    _ego: dict[tuple[int, int], EgoMask] = field(default_factory=dict, init=False, compare=False)

    @classmethod
    def load(
        cls,
        model: str | Path = "drive",
        engine: str = "auto",
        threads: int = 0,
        instances: str = "auto",
        crf: bool = False,
        denoise: str | Path | None = None,
        on_build: OnBuild | None = None,
        wait: bool = True,
        ego_mask: str | Path | None = None,
        min_score: float | Mapping[str, float] | None = None,
        pixels: int | None = None,
    ) -> Self:
        """Load a bundle, verify it and make it ready.

        Args:
            model: the name of a shipped bundle, or a bundle's folder.
            engine: "auto", or one of `perception.engines.registry.known_engines`.
            threads: CPU threads for one frame; 0: one for each physical core. With several frames in
                parallel, 1 gives the best rate.
            instances: how road users are separated: "auto", or one of `perception.decode.instances.WAYS`.
            crf: refine class maps by a fully connected CRF; see `perception.decode.crf`.
            denoise: a bundle like `model` whose picture the network is shown in the frame's place.
            on_build: called with what is being built and the share done, 0 to 1, while an engine is built, as
                TensorRT's are at their first start.
            wait: for an engine that must be built; else `waits_for` says so, the first frame waits, and
                raises what is wrong with the engine.
            ego_mask: a picture that is not black where the own car is in view; see `perception.ego`.
            min_score: 0 to 1, from which on road users are published; by the classes' names, with "all" for
                those that are not named; None: the bundle's own for each class.
            pixels: of the network's input, height × width; None: as many as the bundle was measured at.

        Raises:
            BundleError: a bundle is missing, altered, or not reproduced by the engine.
            EngineError: the engine is not known or cannot run here.
            ConfigError: the bundle's network does not tell instances apart that way, or gives no logits; or
                that of `denoise` does not restore single frames; or the ego mask is none; or a
                minimum score is for a class without instances, or not 0 to 1; or the network does not take
                so many pixels.
        """
        bundle = Bundle.load(model)
        if pixels is not None:
            bundle = bundle.resized(pixels)
        grouping = choose_grouping(bundle.info, bundle.classes, instances)
        least = choose_least(bundle.info, bundle.classes, instances, min_score)
        if crf and "logits" not in bundle.info.outputs:
            raise ConfigError(
                f"crf: needs the output logits, the bundle {bundle.info.name} gives "
                f"{', '.join(bundle.info.outputs)}; leave it out, or export the bundle again"
            )
        denoiser = None
        if denoise is not None:
            denoiser = cls._load_denoiser(denoise, engine, threads, on_build, wait)
        mask = None if ego_mask is None else read_ego_mask(Path(ego_mask))
        opener = partial(open_engine, bundle, engine, threads)
        opened = opener(on_build) if wait else open_without_waiting(engine, opener, on_build)
        return cls(bundle.info, opened, grouping, crf, denoiser, ego_mask=mask, least=least, pixels=pixels)

    @classmethod
    def _load_denoiser(
        cls, model: str | Path, engine: str, threads: int, on_build: OnBuild | None, wait: bool
    ) -> Self:
        info = Bundle.load(model).info
        picture = info.outputs.get("picture")
        if picture is None:
            found = f"gives {', '.join(info.outputs)}"
        elif picture.scale != 1:
            found = f"enlarges it {picture.scale} times"
        elif info.input.frames != 1:
            found = f"sees {info.input.frames} frames"
        else:
            return cls.load(model, engine, threads, on_build=on_build, wait=wait)
        raise ConfigError(
            f"denoise: needs a bundle that gives a picture of the size of the one frame that it sees, "
            f"the bundle {info.name} {found}; choose another one"
        )

    def __repr__(self) -> str:
        return f"<Perceiver {self.model} on {self.engine.name}>"

    @property
    def model(self) -> str:
        """Names and versions of what runs, for people."""
        size = "" if self.pixels is None else f" at {self.pixels} pixels"
        name = f"{self.info.name} {self.info.version}{size}"
        return f"{name}, after {self.denoiser.model}" if self.denoiser else name

    @property
    def waits_for(self) -> str:
        """What is built before a frame can be perceived, for people; empty once it can be."""
        return next((one.waits_for for one in self._pending if one.waits_for), "")

    @property
    def cannot_run(self) -> bool:
        """Whether an engine could not be built: every frame raises why."""
        return any(one.cannot_run for one in self._pending)

    @property
    def _pending(self) -> list[LazyEngine]:
        engines = [self.engine] + ([self.denoiser.engine] if self.denoiser else [])
        return [one for one in engines if isinstance(one, LazyEngine)]

    def leave(self, seconds: float) -> None:
        """Wait so long for engines that are being built, and no longer, as the process is about to end."""
        for one in self._pending:
            one.leave(seconds)

    @property
    def notes(self) -> tuple[str, ...]:
        """What people should know of the engines, such as a damaged cache that was discarded."""
        own = self.engine.info.notes if self.engine.info else ()
        return own + (self.denoiser.notes if self.denoiser else ())

    @cached_property
    def classes(self) -> ClassSet:
        return ClassSet(**dict(self.info.classes))

    def perceive(
        self, frame: Frame | Image, earlier: Sequence[Frame] = (), stopwatch: Stopwatch | None = None
    ) -> Scene:
        """The scene of one frame; its age counts from `Frame.host_ns`, or without one from this call.

        Args:
            frame: or its image alone, uint8 (h, w, 3) BGR, which is stamped now.
            earlier: the frames right before it, the oldest first, for a network that sees several; see
                `prepare`.
            stopwatch: measures the stages, with others of the same frame.

        Raises:
            ConfigError: an image is not uint8 (h, w, 3), or an earlier one or the ego mask does not fit it.
            EngineError: an engine failed.
        """
        stopwatch = stopwatch or Stopwatch()
        now_ns = time.monotonic_ns()
        frame = frame if isinstance(frame, Frame) else Frame(frame, now_ns, time.time_ns())
        frame = replace(frame, host_ns=frame.host_ns or now_ns)
        if self.denoiser:
            with stopwatch.measure("denoise"):
                frame, earlier = self.denoise(frame), [self.denoise(one) for one in self._seen(earlier)]
        with stopwatch.measure("prepare"):
            image = self.prepare(frame, earlier)
        with stopwatch.measure("infer"):
            maps = self.infer(image)
        with stopwatch.measure("decode"):
            scene = self.decode(frame, maps)
        return scene.evolve(timings_ms=dict(stopwatch.timings_ms)).as_of(time.monotonic_ns())

    def denoise(self, frame: Frame) -> Frame:
        """The frame as the denoiser restores it; without one, the frame itself.

        Raises:
            ConfigError: the image is not uint8 (h, w, 3).
            EngineError: the denoiser's engine failed.
        """
        if self.denoiser is None:
            return frame
        maps = self.denoiser.infer(self.denoiser.prepare(frame))
        return replace(frame, pixels=resize(maps["picture"], frame.height, frame.width), coded=None)

    def prepare(self, frame: Frame, earlier: Sequence[Frame] = ()) -> npt.NDArray[np.uint8]:
        """What the network sees: uint8 (h, w, 3 · frames), BGR, the oldest frame first, at its input's size.

        Args:
            earlier: the frames right before it, the oldest first, of which as many are taken as the network
                sees. Where they are too few, the oldest one stands for those that are missing.

        Raises:
            ConfigError: an image is not uint8 (h, w, 3), or an earlier one is of another size.
        """
        shown = [*self._seen(earlier), frame]
        for one in shown:
            one.check()
            if (one.height, one.width) != (frame.height, frame.width):
                raise ConfigError(
                    f"frame {frame.sequence}: its image is {frame.width}×{frame.height}, that of the earlier "
                    f"frame {one.sequence} is {one.width}×{one.height}; begin again, without earlier frames"
                )
        size = self._input_size(frame)
        images = [pad(one.image, *size) if enlarges(self.info) else fit(one.pixels, *size) for one in shown]
        images[:0] = images[:1] * (self.info.input.frames - len(images))
        return images[0] if len(images) == 1 else np.concatenate(images, axis=2)

    def _seen(self, earlier: Sequence[Frame]) -> Sequence[Frame]:
        """Those that the network sees."""
        return earlier[max(0, len(earlier) - (self.info.input.frames - 1)) :]

    def _input_size(self, frame: Frame) -> tuple[int, int]:
        """Height and width of the network's input for a frame: of square pixels, where its size is free."""
        info = self.info.input
        height, width = frame.shown_size
        if info.size is not None:
            return info.size
        if enlarges(self.info):  # every pixel is shown as it is: resampled, it would come out blurred
            return padded_size(frame.height, frame.width, info.multiple)
        # A picture is restored, or enlarged, from the frame's own pixels where they are not too many.
        pixels = round(info.pixels * self.pixel_share)
        if "picture" in self.info.outputs:
            pixels = max(min(pixels, frame.height * frame.width), info.multiple**2)
        return input_size(height, width, pixels, info.multiple)

    def infer(self, image: npt.NDArray[np.uint8]) -> Maps:
        """The network's maps for a prepared image; see `Engine.run`.

        Raises:
            EngineError: the engine failed, or gave values that are no numbers.
        """
        maps = self.engine.run(image)
        for name, values in maps.items():
            if values.dtype.kind == "f" and not np.isfinite(values).all():
                raise EngineError(
                    f"engine {self.engine.name}: {name} holds values that are no numbers; check the bundle "
                    "and the driver with perception doctor"
                )
        return maps

    def decode(self, frame: Frame, maps: Maps) -> Scene:
        """The scene that the network's maps tell of the frame that it saw, without age and timings."""
        height, width = frame.height, frame.width
        if self.crf:
            maps = maps | {"labels": refine(maps["logits"], self.prepare(frame)[..., -3:])}
        brief = self.labels_only and "labels" in maps
        groups = (
            NO_GROUPS if brief else join_parts(self.grouping(maps, self._input_size(frame)), self.classes)
        )
        instance_map, instances = make_instances(groups, height, width, self.least)
        labels = maps["labels"] if "labels" in maps else thing_labels(instance_map)
        # Never above the frame's size: what is found there, the frame can show.
        rows, columns = (round(side) for side in frame.shown_size)
        square = resize_ids(labels, min(labels.shape[0], rows), min(labels.shape[1], columns))
        lanes = find_lanes(square, self.classes, height, width) if "labels" in maps and not brief else ()
        labels = resize_ids(square, min(labels.shape[0], height), min(labels.shape[1], width))
        if instances:
            labels = ridden(resize_ids(labels, *instance_map.shape), instance_map, instances, self.classes)
        scene = Scene.of(
            frame,
            Enlarged(labels, height, width),
            Enlarged(instance_map, height, width),
            instances=instances,
            lanes=lanes,
            left_out=("instances", "lanes") if brief else (),
            picture=shown_picture(maps, self.info, height, width),
            depth=resize(maps["depth"], height, width) if "depth" in maps else None,
            key_points=find_key_points(maps["key_points"], self.info.key_points, height, width)
            if "key_points" in maps
            else (),
            latent=maps.get("latent"),
            logits=None if self.crf else maps.get("logits"),  # its labels are not theirs
            classes=self.classes,
        )
        return scene if self.ego_mask is None else cut_ego(scene, self._fitted(self.ego_mask, height, width))

    def ego_misfit(self, frame: Frame) -> str:
        """Why the ego mask is not for such a frame, which is not decoded with it; empty: it is."""
        return "" if self.ego_mask is None else misfit(self.ego_mask, frame.height, frame.width)

    def _fitted(self, mask: Bools, height: int, width: int) -> EgoMask:
        """The mask at a frame's size, kept for the next frame."""
        kept = self._ego.get((height, width))
        if kept is None:
            kept = fit_ego_mask(mask, height, width)
            self._ego.clear()
            self._ego[height, width] = kept
        return kept
