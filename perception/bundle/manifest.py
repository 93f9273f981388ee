"""The content of bundle.json: a network's classes, input, outputs, origin and measured figures."""

from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


class Precision(StrEnum):
    """What a graph computes in.

    INT8 has unsigned activations, as CPUs multiply them; SYMMETRIC_INT8 has signed ones around zero, as
    TensorRT takes them.
    """

    FLOAT32 = "float32"
    FLOAT16 = "float16"
    INT8 = "int8"
    SYMMETRIC_INT8 = "symmetric-int8"


GRAPHS = {
    Precision.FLOAT32: "model.onnx",
    Precision.FLOAT16: "model.float16.onnx",
    Precision.INT8: "model.int8.onnx",
    Precision.SYMMETRIC_INT8: "model.symmetric-int8.onnx",
}
FILES = (GRAPHS[Precision.FLOAT32], "golden.npz", "README.md")  # of every bundle
# Outputs that a scene can be made of, one of which a bundle gives at least.
SCENE_OUTPUTS = ("labels", "boxes", "picture", "depth", "key_points")
# What these are wherever they are given.
FORMATS = {
    "picture": ("uint8", "NHWC"),
    "depth": ("float32", "NHW"),
    "key_points": ("float32", "NCHW"),
    "latent": ("float32", "NK"),
}

MOST_PIXELS = 100_000_000  # of an image that a network may be given
Side = Annotated[int, Field(ge=1, le=16_384)]
Channel = Annotated[int, Field(ge=0, le=255)]
Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class _Strict(BaseModel):
    # Validators are built where a model is first used: `BundleInfo` holds those of all others.
    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True, allow_inf_nan=False)


class ClassesInfo(_Strict):
    """A class set: `colours` are RGB, `things` are the names that come as instances."""

    name: str
    # Instance ids are class id × 1000 + k in 16 bits, so 65 classes are the most there can be.
    names: Annotated[tuple[str, ...], Field(min_length=1, max_length=65)]
    colours: tuple[tuple[Channel, Channel, Channel], ...]
    things: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if len(set(self.names)) != len(self.names):
            raise ValueError(f"the names {self.names} are not distinct")
        if len(self.colours) != len(self.names):
            raise ValueError(f"{len(self.colours)} colours for {len(self.names)} names")
        if unnamed := set(self.things) - set(self.names):
            raise ValueError(f"the things {sorted(unnamed)} are not among the names")
        return self


class InputInfo(_Strict):
    """The network's input: any height and width that are multiples of `multiple`.

    `pixels` is the size that it was trained and measured at, as height × width. A graph that takes one size
    only says it as `size`, height and width. One that sees several `frames` takes them one after the other
    along the axis of the channels, the oldest first.
    """

    name: str = "image"
    layout: Literal["NHWC"] = "NHWC"
    channels: Literal["BGR"] = "BGR"
    dtype: Literal["uint8"] = "uint8"
    multiple: Annotated[int, Field(ge=1, le=1024)] = 32
    pixels: Annotated[int, Field(le=MOST_PIXELS)]
    size: tuple[Side, Side] | None = None
    frames: Annotated[int, Field(ge=1, le=16)] = 1

    @model_validator(mode="after")
    def _room_for_one_tile(self) -> Self:
        if self.pixels < self.multiple**2:
            raise ValueError(
                f"pixels is {self.pixels}, below {self.multiple}×{self.multiple}, the least input"
            )
        if self.size and any(side % self.multiple for side in self.size):
            raise ValueError(f"size is {self.size}, expected multiples of {self.multiple}")
        return self


class OutputInfo(_Strict):
    """One output: `layout` has a letter an axis; H and W are the input's, × `scale` ÷ `stride`.

    `tolerance` is by how much a value may differ between runtimes that are both right.
    """

    dtype: Literal["uint8", "float32"] = "uint8"
    layout: Annotated[str, Field(pattern="^N[A-Z]{0,7}$")] = "NHW"
    stride: Annotated[int, Field(ge=1, le=1024)] = 1
    scale: Annotated[int, Field(ge=1, le=16)] = 1
    tolerance: Annotated[float, Field(ge=0)] = 0.0

    def fits(self, shape: tuple[int, ...], height: int, width: int) -> bool:
        """Whether an array of this shape may be this output for one input of that height and width."""
        rows, columns = (side * self.scale // self.stride for side in (height, width))
        sides = {"N": 1, "H": rows, "W": columns}
        return len(shape) == len(self.layout) and all(
            size == sides.get(axis, size) for size, axis in zip(shape, self.layout, strict=True)
        )


class NetworkInfo(_Strict):
    """What is in the graph: the network's name in recipes, its size, and what one input costs.

    `gmacs` are billions of multiply-adds of convolutions and matrix products for an input of `size`, height
    and width.
    """

    name: str
    parameters: int
    gmacs: float
    size: tuple[int, int]


class TrainingInfo(_Strict):
    data: tuple[str, ...]
    licence: str


class Metric(_Strict):
    """One measured figure: on which set, and how it was measured."""

    set: str
    metric: str
    value: float
    how: str


class Accuracy(_Strict):
    """The figures of a graph next to torch's when it was exported, on one data set of `frames` frames.

    `agreement` is the share of pixels with torch's class; `mean_iou`, `iou` by class and `ap` (mask AP)
    by class are against the labels. What the network does not give, or the set does not label, is left out.
    """

    # A graph may give what is no number, which is then said and refused; no manifest is written of it.
    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True, allow_inf_nan=True)

    set: str
    frames: int
    agreement: float | None = None
    mean_iou: float | None = None
    iou: dict[str, float] = {}
    ap: dict[str, float] = {}


class ClassScores(_Strict):
    """What the scores of a class mean, by Platt's sigmoid, and from which on its road users are published.

    A score s as it is decoded becomes 1 / (1 + exp(−(slope · ln(s / (1 − s)) + offset))): so large a share of
    those with that score was there. `least` is half of the best F1 that was measured, `f1` the F1 there.
    """

    slope: Annotated[float, Field(gt=0)]
    offset: float
    least: Annotated[float, Field(ge=0, le=1)]
    f1: Annotated[float, Field(ge=0, le=1)]


class ScoresInfo(_Strict):
    """The calibration of scores.

    `way` is that of instance segmentation which gives such scores, `sets` are what they were measured on, and
    `graph` is the sha256 of the float32 graph: other weights have other scores.
    """

    way: str
    graph: Sha256
    sets: tuple[str, ...]
    classes: dict[str, ClassScores]


class BundleDescription(_Strict):
    """All of bundle.json but the checksums, which are added when it is written.

    `scores` says what those of road users mean; without it they are as they are decoded. `key_points` names
    the channels of the output of that name; `checks` holds which runtimes were tried on the graph when it was
    exported, with their results; `accuracy` the figures of each precision.
    """

    format: Literal[1] = 1
    name: str
    version: str
    classes: ClassesInfo
    input: InputInfo
    outputs: dict[str, OutputInfo] = {"labels": OutputInfo()}
    key_points: tuple[str, ...] = ()
    network: NetworkInfo | None = None
    checks: dict[str, str] = {}
    accuracy: dict[Precision, tuple[Accuracy, ...]] = {}
    scores: ScoresInfo | None = None
    training: TrainingInfo
    metrics: tuple[Metric, ...] = ()

    @property
    def labelled(self) -> bool:
        """Whether it gives classes or instances."""
        return bool({"labels", "boxes"} & set(self.outputs))

    @model_validator(mode="after")
    def _can_be_decoded(self) -> Self:
        if not set(SCENE_OUTPUTS) & set(self.outputs):
            raise ValueError(f"outputs has {sorted(self.outputs)}, but none of {', '.join(SCENE_OUTPUTS)}")
        for name, output in self.outputs.items():
            found, wanted = (output.dtype, output.layout), FORMATS.get(name)
            if wanted and found != wanted:
                raise ValueError(f"the output {name} is {' '.join(found)}, expected {' '.join(wanted)}")
            if output.scale != 1 and name != "picture":
                raise ValueError(
                    f"the output {name} has scale {output.scale}; only a picture may be enlarged"
                )
        if self.scores and (unnamed := set(self.scores.classes) - set(self.classes.things)):
            raise ValueError(f"scores has {sorted(unnamed)}, which are not among the things")
        if len(set(self.key_points)) != len(self.key_points):
            raise ValueError(f"the key_points {self.key_points} are not distinct")
        if ("key_points" in self.outputs) != bool(self.key_points):
            raise ValueError(
                f"key_points names {len(self.key_points)} channels, but outputs has {sorted(self.outputs)}; "
                "give both the output and its names, or neither"
            )
        return self


class BundleInfo(BundleDescription):
    """The whole of bundle.json."""

    files: dict[str, Sha256]

    @model_validator(mode="after")
    def _hashes_all_files(self) -> Self:
        if set(self.files) - set(GRAPHS.values()) != set(FILES) - set(GRAPHS.values()):
            raise ValueError(f"files lists {sorted(self.files)}, expected {sorted(FILES)}")
        if missing := set(FILES) - set(self.files):
            raise ValueError(f"files lists {sorted(self.files)}, without {sorted(missing)}")
        if self.scores and self.scores.graph != self.files[GRAPHS[Precision.FLOAT32]]:
            raise ValueError("scores are of other weights; calibrate them again by perception validate")
        return self
