"""What a training run is: read from YAML, recorded next to its checkpoints."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, PositiveInt

from perception.bundle.manifest import MOST_PIXELS
from perception.classes import DRIVE, ClassSet
from perception.datasets.class_file import ClassFile, OwnClasses, read_class_file
from perception.datasets.dataset import public_name
from perception.datasets.folds import load_folds
from perception.datasets.opening import folder_class_file
from perception.errors import ConfigError
from perception.parsing import read_yaml, validate


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


Side = Annotated[int, Field(multiple_of=32, gt=0, le=8192)]
Scale = Annotated[float, Field(gt=0, le=16)]


class DataConfig(_Strict):
    """One data set of the mix: `LAYOUT:PATH`, and how often it is drawn relative to the others.

    `{data}` in the path stands for the folder given by `--data`.
    """

    source: str
    weight: Annotated[float, Field(gt=0)] = 1.0


class TrainingConfig(_Strict):
    """A training run. Sizes are in pixels; `crop` is height, width, both multiples of 32."""

    name: str = "drive"
    classes: ClassFile | None = None  # in a recipe also the path of a class file, from the recipe's folder
    network: str = "drive"
    width: Annotated[float, Field(gt=0, le=16)] = 1.0  # the network's channels, relative to the paper's
    output_stride: Literal[8, 16, 32] | None = None  # of an atrous encoder; None: the paper's
    train: Annotated[tuple[DataConfig, ...], Field(min_length=1)]
    validate_on: tuple[str, ...] = ()
    losses: dict[str, Annotated[float, Field(gt=0)]] = {}  # name: weight; empty: the task's own
    class_balance: bool = True
    crop: tuple[Side, Side] = (288, 384)
    scale: tuple[Scale, Scale] = (0.6, 1.7)
    pixels: Annotated[int, Field(gt=0, le=MOST_PIXELS)] = 204_800
    paste: Annotated[float, Field(ge=0, le=1)] = 0.3  # share of views with road users from another view
    # Whether views vary in exposure, colour, blur and noise; earlier recipes and checkpoints call it `moods`.
    photometric: bool = Field(default=True, validation_alias=AliasChoices("photometric", "moods"))
    bonnets: Annotated[float, Field(ge=0, le=1)] = 0.0  # share of views with a bonnet at their lower edge
    corrupted: Annotated[float, Field(ge=0, le=1)] = 0.0  # share of views in bad weather, or by a bad camera
    batch: Annotated[int, Field(gt=0, le=4096)] = 8
    steps: Annotated[int, Field(gt=0, le=10**9)] = 4000
    quantised: bool = False  # train on, from --initial, with the rounding of INT8
    encoder_rate: Annotated[float, Field(ge=0)] = 5e-4  # of one that has learnt before; 0: it stays as it is
    decoder_rate: Annotated[float, Field(gt=0)] = 2e-3
    # one_cycle: up and down over all steps; trapezoid: constant, then down over the last `decay` of it.
    # A trapezoid can be extended: resume a checkpoint from before its decay with more steps.
    schedule: Literal["one_cycle", "trapezoid"] = "one_cycle"
    decay: Annotated[float, Field(gt=0, le=1)] = 0.25
    average: Annotated[float, Field(ge=0, lt=1)] = 0.0  # decay by step of the average of weights; 0: none
    weight_decay: Annotated[float, Field(ge=0)] = 1e-2
    validate_every: PositiveInt = 500
    checkpoint_every: PositiveInt = 100
    workers: Annotated[int, Field(ge=0, le=256)] = 1
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0

    def class_set(self) -> ClassSet:
        """The classes of the network."""
        own = self.own_classes()
        return DRIVE if own is None else own.class_set

    def own_classes(self) -> OwnClasses | None:
        """What the labels of its data sets mean; None: classes of the set `drive`."""
        return None if self.classes is None else self.classes.own(f"the recipe {self.name}")

    def same_run(self, other: "TrainingConfig") -> bool:
        """Whether both are one recipe.

        Its data may lie elsewhere, other processes may load it, and a trapezoid may have other steps.
        """
        free: dict[str, object] = {"workers": other.workers}
        if self.schedule == "trapezoid":
            free |= {"steps": other.steps, "decay": other.decay}
        return self._without_paths().model_copy(update=free) == other._without_paths()

    def _without_paths(self) -> "TrainingConfig":
        train = tuple(d.model_copy(update={"source": public_name(d.source)}) for d in self.train)
        return self.model_copy(
            update={"train": train, "validate_on": tuple(map(public_name, self.validate_on))}
        )


def load_config(path: Path, data: Path, overrides: Mapping[str, object]) -> TrainingConfig:
    """Read a recipe; `{data}` in its sources becomes `data`; `overrides` win.

    With `folds: FILE` and `fold: NAME`, an entry of `train` may name a set of that file: `{set: NAME}`.
    Its classes are those of the class file that it names, else of a plain folder that it trains on.

    Raises:
        ConfigError: unreadable file, unknown key, or impossible value, by name.
    """
    raw = read_yaml(path, lambda text: text.replace("{data}", str(data)))
    if isinstance(raw.get("classes"), str):
        raw["classes"] = read_class_file(path.parent / raw["classes"])
    _resolve_folds(raw, path, data)
    config = validate(TrainingConfig, {**raw, **overrides}, path)
    class_file = folder_class_file(entry.source for entry in config.train)
    if config.classes is None and class_file is not None:
        return config.model_copy(update={"classes": read_class_file(class_file)})
    return config


def _resolve_folds(raw: dict[str, Any], path: Path, data: Path) -> None:
    """Replace the sets that `train` names by the sources of what trains of them in the recipe's fold."""
    file, fold = raw.pop("folds", None), raw.pop("fold", None)
    entries = train if isinstance(train := raw.get("train"), list) else []
    named = [entry for entry in entries if isinstance(entry, dict) and "set" in entry]
    if not isinstance(file, str) or not isinstance(fold, str):
        if file is not None or fold is not None or named:
            raise ConfigError(f"{path}: {{set: NAME}} needs both `folds: FILE` and `fold: NAME`, as text")
        return
    folds = load_folds(path.parent / file, data)
    for entry in named:
        entry["source"] = folds.train_source(str(entry.pop("set")), fold, path.parent / file)
