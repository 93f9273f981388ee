"""What bundle.json says: a network's classes, input, outputs, origin and measured figures."""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

FILES = ("model.onnx", "golden.npz", "README.md")
INT8_FILE = "model.int8.onnx"

Channel = Annotated[int, Field(ge=0, le=255)]
Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


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

    `pixels` is the size that it was trained and measured at, as height × width.
    """

    name: str = "image"
    layout: Literal["NHWC"] = "NHWC"
    channels: Literal["BGR"] = "BGR"
    dtype: Literal["uint8"] = "uint8"
    multiple: Annotated[int, Field(ge=1)] = 32
    pixels: int

    @model_validator(mode="after")
    def _room_for_one_tile(self) -> Self:
        if self.pixels < self.multiple**2:
            raise ValueError(
                f"pixels is {self.pixels}, below {self.multiple}×{self.multiple}, the least input"
            )
        return self


class OutputInfo(_Strict):
    """One output: `layout` has a letter an axis; H and W are the input's, divided by `stride`.

    `tolerance` is by how much a value may differ between runtimes that are both right.
    """

    dtype: Literal["uint8", "float32"] = "uint8"
    layout: Annotated[str, Field(pattern="^N[A-Z]*$")] = "NHW"
    stride: Annotated[int, Field(ge=1)] = 1
    tolerance: Annotated[float, Field(ge=0)] = 0.0

    def fits(self, shape: tuple[int, ...], height: int, width: int) -> bool:
        """Whether an array of this shape may be this output for one input of that height and width."""
        sides = {"N": 1, "H": height // self.stride, "W": width // self.stride}
        return len(shape) == len(self.layout) and all(
            size == sides.get(axis, size) for size, axis in zip(shape, self.layout, strict=True)
        )


class TrainingInfo(_Strict):
    data: tuple[str, ...]
    licence: str


class Metric(_Strict):
    """One measured figure: on which set, and how it was measured."""

    set: str
    metric: str
    value: float
    how: str


class BundleDescription(_Strict):
    """What an author says of a bundle; the checksums come when it is written."""

    format: Literal[1] = 1
    name: str
    version: str
    classes: ClassesInfo
    input: InputInfo
    outputs: dict[str, OutputInfo] = {"labels": OutputInfo()}
    training: TrainingInfo
    metrics: tuple[Metric, ...] = ()

    @model_validator(mode="after")
    def _can_be_decoded(self) -> Self:
        if not {"labels", "boxes"} & set(self.outputs):
            raise ValueError(f"outputs has {sorted(self.outputs)}, but neither labels nor boxes")
        return self


class BundleInfo(BundleDescription):
    """The whole of bundle.json."""

    files: dict[str, Sha256]

    @model_validator(mode="after")
    def _hashes_all_files(self) -> Self:
        if set(self.files) - {INT8_FILE} != set(FILES):
            raise ValueError(f"files lists {sorted(self.files)}, expected {sorted(FILES)}")
        return self
