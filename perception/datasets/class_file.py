"""Classes of one's own, read from a small YAML file: what they are called, and which labels mean them.

    name: farm
    classes:
      - {name: track, colour: [128, 64, 128], labels: [3, 4]}
      - {name: crop, colour: "#409040", labels: [7]}
      - {name: cow, colour: [240, 200, 80], labels: [9], thing: true}
    rest: crop

A label is the value of a pixel in a label image (0..255); in a colour image, its colour as `[r, g, b]` or
"#rrggbb"; in the annotations of COCO and YOLO, the id or the name of a category, which is matched
without case and by the field's synonyms (see `categories`). A label that several classes name may be any of
them. `rest` is the class of every label that none names, or `ignore`; without it, such a label is an error.
255 is ignored unless it is named. `thing` says that the class has instances.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Self

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from perception.classes import DRIVE, ClassSet
from perception.datasets.categories import GENERAL, kind_of, plain
from perception.errors import DataError
from perception.parsing import read_yaml, validate

Bits = npt.NDArray[np.uint32]
MOST = 31  # targets are int32 tensors, a bit a class
IGNORE = "ignore"
IGNORED_VALUE = 255

Channel = Annotated[int, Field(ge=0, le=255, strict=True)]


def _from_hex(value: object) -> object:
    """`#rrggbb` as its three channels; all else as it is."""
    if not isinstance(value, str) or not value.startswith("#"):
        return value
    try:
        return tuple(bytes.fromhex(value[1:]))
    except ValueError as error:
        raise ValueError(f"{value} is no colour #rrggbb") from error


Colour = Annotated[tuple[Channel, Channel, Channel], BeforeValidator(_from_hex)]
Label = int | str | tuple[int, int, int]
Number = Annotated[int, Field(ge=0, strict=True)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class _Class(_Strict):
    name: Annotated[str, Field(min_length=1)]
    colour: Colour
    labels: tuple[Annotated[Number | tuple[Channel, Channel, Channel] | str, BeforeValidator(_from_hex)], ...]
    thing: bool = False


class ClassFile(_Strict):
    """What a class file says."""

    name: Annotated[str, Field(min_length=1)]
    classes: Annotated[tuple[_Class, ...], Field(min_length=1, max_length=MOST)]
    rest: str | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        names = [one.name for one in self.classes]
        if twice := [name for name, n in Counter(names).items() if n > 1]:
            raise ValueError(f"the class {', '.join(twice)} comes twice")
        if IGNORE in names:
            raise ValueError(f"a class cannot be called {IGNORE!r}: `rest: {IGNORE}` has its own meaning")
        if self.rest not in {None, IGNORE, *names}:
            raise ValueError(f"rest is {self.rest!r}, expected {IGNORE} or one of {', '.join(names)}")
        if idle := [one.name for one in self.classes if not one.labels and one.name != self.rest]:
            raise ValueError(f"no label means {', '.join(idle)}; name some, or leave the class out")
        return self

    def own(self, origin: str) -> "OwnClasses":
        """Its classes, with the meaning of every label; `origin` stands for them in messages."""
        class_set = ClassSet(
            name=self.name,
            names=tuple(one.name for one in self.classes),
            colours=tuple(one.colour for one in self.classes),
            things=tuple(one.name for one in self.classes if one.thing),
        )
        meaning: dict[Label, int] = {}
        for one in self.classes:
            for label in one.labels:
                meaning[label] = meaning.get(label, 0) | class_set.bits(one.name)
        rest = None if self.rest is None else 0 if self.rest == IGNORE else class_set.bits(self.rest)
        return OwnClasses(class_set, meaning, rest, origin)


@dataclass(frozen=True)
class OwnClasses:
    """A class set and the labels that mean its classes.

    Attributes:
        meaning: label → bits of the classes that it may be.
        rest: bits of a label without meaning, 0 to ignore it; None: there may be no such label.
        origin: where this comes from, for messages.
    """

    class_set: ClassSet
    meaning: Mapping[Label, int]
    rest: int | None
    origin: str

    def decode(self, label: npt.NDArray[np.uint8], path: Path) -> Bits:
        """Class bits uint32 (h, w) of a label image: ids uint8 (h, w), or colours uint8 (h, w, 3 or 4), BGR.

        Raises:
            DataError: it holds labels without meaning, or is of another kind than these labels.
        """
        colours = {key: bits for key, bits in self.meaning.items() if isinstance(key, tuple)}
        numbers = {key: bits for key, bits in self.meaning.items() if isinstance(key, int)}
        if label.ndim == 2:
            if not numbers:
                raise DataError(
                    f"{path}: one channel of ids, but no label of {self.origin} is an id; name ids there"
                )
            return self._by_number(label, numbers, path)
        if not colours:
            raise DataError(
                f"{path}: a colour image of shape {label.shape}, expected one channel of class ids; "
                "convert it, or name colours in a class file"
            )
        return self._by_colour(label, colours, path)

    @property
    def by_colour(self) -> bool:
        """Whether colours have a meaning, and ids have none."""
        kinds = set(map(type, self.meaning))
        return tuple in kinds and int not in kinds

    def mean(self, labels: tuple[Label, ...]) -> int | None:
        """Bits of what is known by several labels, a category's name and id; None where it must not be.

        Names are compared as `categories` says; of synonyms, the same name comes first, then the same kind of
        object, then the more general kind.
        """
        named = [self.meaning[label] for label in labels if label in self.meaning]
        if named:
            return named[0]
        for name in (label for label in labels if isinstance(label, str)):
            kind = kind_of(name)
            for read, wanted in ((plain, plain(name)), (kind_of, kind), (kind_of, GENERAL.get(kind or ""))):
                found = [bits for label, bits in self._names if wanted and read(label) == wanted]
                if found:
                    return found[0]
        return self.rest

    @cached_property
    def _names(self) -> list[tuple[str, int]]:
        return [(label, bits) for label, bits in self.meaning.items() if isinstance(label, str)]

    def unnamed(self, path: Path, counts: Mapping[str, int], unit: str) -> DataError:
        """The error about labels without meaning, the most frequent first."""
        listed = [f"{key} ({n} {unit})" for key, n in sorted(counts.items(), key=lambda item: -item[1])]
        return DataError(
            f"{path}: {self.origin} does not name the labels {', '.join(listed[:10])}"
            f"{' …' if len(listed) > 10 else ''}; add them to a class, or `rest: CLASS` or `rest: {IGNORE}`"
        )

    def _by_number(self, label: npt.NDArray[np.uint8], numbers: Mapping[int, int], path: Path) -> Bits:
        table = np.full(256, self.rest or 0, np.uint32)
        table[IGNORED_VALUE] = 0
        for value, bits in numbers.items():
            if value < len(table):  # ids of categories may be greater, values of pixels not
                table[value] = bits
        if self.rest is None:
            counts = np.bincount(label.ravel(), minlength=256)
            unnamed = set(np.flatnonzero(counts).tolist()) - {*numbers, IGNORED_VALUE}
            if unnamed:
                raise self.unnamed(path, {str(v): int(counts[v]) for v in sorted(unnamed)}, "pixels")
        return np.asarray(table[label], np.uint32)

    def _by_colour(
        self, label: npt.NDArray[np.uint8], colours: Mapping[tuple[int, int, int], int], path: Path
    ) -> Bits:
        packed = label[..., 2::-1].astype(np.uint32) @ np.array([1 << 16, 1 << 8, 1], np.uint32)
        target = np.full(packed.shape, self.rest or 0, np.uint32)
        left = np.ones(packed.shape, bool)
        for (r, g, b), bits in colours.items():
            here = packed == (r << 16 | g << 8 | b)
            target[here] = bits
            left &= ~here
        if self.rest is None and left.any():
            values, counts = np.unique(packed[left], return_counts=True)
            found = {f"#{value:06x}": int(n) for value, n in zip(values, counts, strict=True)}
            raise self.unnamed(path, found, "pixels")
        return target


def load_classes(path: Path) -> OwnClasses:
    """The classes of a class file. Raises ConfigError, see `read_class_file`."""
    return read_class_file(path).own(str(path))


def read_class_file(path: Path) -> ClassFile:
    """Read a class file.

    Raises:
        ConfigError: unreadable file, unknown key or impossible value, by name.
    """
    return validate(ClassFile, read_yaml(path), path)


DRIVE_IDS = OwnClasses(DRIVE, {i: 1 << i for i in range(len(DRIVE))}, None, "the class set `drive`")
