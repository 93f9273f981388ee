"""Data sets packed into a few small files, so that training can move to another machine in pieces.

A piece is an uncompressed tar of frames, each as `SET/NUMBER.jpg`, `.target.png`, `.instances.png` and
`.json` (its name, and the class bits that the target's values stand for). The pieces of a folder together are
its data sets; of pieces that have not arrived, the frames are missing, and nothing else.
"""

import io
import json
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import cv2
import numpy as np
from pydantic import BaseModel, Field, TypeAdapter

from perception.datasets.dataset import Dataset, Sample, public_name
from perception.datasets.opening import open_dataset
from perception.errors import DataError
from perception.parsing import parse_json
from perception.training.config import TrainingConfig

PIECE = 60 * 2**20  # bytes of a piece
SETS = "sets.json"
QUALITY = 95  # of the JPEG images


class Packer:
    """Writes frames into pieces, `data-000.tar` and so on, of at most so many bytes each."""

    def __init__(self, folder: Path, piece: int = PIECE) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.piece = folder, piece
        self.pieces: list[Path] = []
        self._tar: tarfile.TarFile | None = None
        self._used = 0

    def add(self, name: str, number: int, sample: Sample) -> None:
        """Write a frame of the set `name`.

        Raises:
            DataError: it has more kinds of labels than a byte can number, or what is not packed, or is larger
                than a piece.
        """
        more = {name: getattr(sample, name) for name in ("picture", "depth", "key_points")}
        more["earlier"] = sample.earlier or None
        if unpacked := [name for name, value in more.items() if value is not None]:
            raise DataError(f"{sample.name}: its {unpacked[0]} cannot be packed; train on the data itself")
        files = {f"{name}/{number:06d}{ending}": data for ending, data in _encoded(sample).items()}
        size = sum(512 + -(-len(data) // 512) * 512 for data in files.values())
        if size + 2 * tarfile.RECORDSIZE > self.piece:
            raise DataError(
                f"{sample.name}: {size} bytes, but a piece holds {self.piece}; make pieces larger"
            )
        if self._tar is None or self._used + size + 2 * tarfile.RECORDSIZE > self.piece:
            self.close()
            self.pieces.append(self.folder / f"data-{len(self.pieces):03d}.tar")
            self._tar, self._used = tarfile.open(self.pieces[-1], "w"), 0  # noqa: SIM115 - closed by `close`
        for path, data in files.items():
            entry = tarfile.TarInfo(path)
            entry.size = len(data)
            self._tar.addfile(entry, io.BytesIO(data))
        self._used += size

    def close(self) -> None:
        """Finish the last piece."""
        if self._tar is not None:
            self._tar.close()
            self._tar = None


@dataclass(frozen=True)
class _Place:
    piece: Path
    offset: int
    size: int


class _Facts(BaseModel):
    """Of a packed frame: its name, and the class bits that the target's values stand for."""

    name: str
    bits: list[Annotated[int, Field(ge=0, lt=2**32)]]


_NAMES = TypeAdapter(list[str])


class PackedDataset:
    """The frames of one set in the pieces of a folder, in the order in which they were packed."""

    def __init__(self, spec: str, folder: Path, name: str) -> None:
        self.name = spec
        self._frames: dict[int, dict[str, _Place]] = {}
        for piece in sorted(folder.glob("data-*.tar")):
            try:
                with tarfile.open(piece) as tar:
                    for entry in tar:
                        owner, _, rest = entry.name.partition("/")
                        number, _, ending = rest.partition(".")
                        if owner == name:
                            place = _Place(piece, entry.offset_data, entry.size)
                            self._frames.setdefault(int(number), {})["." + ending] = place
            except (OSError, tarfile.TarError, ValueError) as error:
                raise DataError(f"{piece}: not a piece of packed data: {error}; pack it again") from error
        self._numbers = sorted(self._frames)
        if not self._numbers:
            raise DataError(f"{spec}: no frame of {name} in the pieces data-*.tar of {folder}")

    def __len__(self) -> int:
        return len(self._numbers)

    def __getitem__(self, index: int) -> Sample:
        places = self._frames[self._numbers[index]]
        try:
            facts = _Facts.model_validate_json(self._read(places[".json"]))
            image, values, instances = (
                cv2.imdecode(np.frombuffer(self._read(places[ending]), np.uint8), flags)
                for ending, flags in (
                    (".jpg", cv2.IMREAD_COLOR),
                    (".target.png", cv2.IMREAD_UNCHANGED),
                    (".instances.png", cv2.IMREAD_UNCHANGED),
                )
            )
            if image is None or values is None or instances is None:
                raise ValueError("a picture is broken")  # noqa: TRY301
            if not image.shape[:2] == values.shape == instances.shape:
                raise ValueError("its pictures are of several sizes")  # noqa: TRY301
            target = np.array(facts.bits, np.uint32)[values]
        except (OSError, ValueError, LookupError, OverflowError, cv2.error) as error:
            where = f"{self.name}: packed frame {self._numbers[index]}"
            raise DataError(f"{where} cannot be read ({error}); pack it again") from error
        return Sample(facts.name, np.asarray(image, np.uint8), target, np.asarray(instances, np.uint16))

    @staticmethod
    def _read(place: _Place) -> bytes:
        with place.piece.open("rb") as file:
            file.seek(place.offset)
            return file.read(place.size)


def pack(sets: Sequence[Dataset], folder: Path, piece: int = PIECE) -> list[Path]:
    """Write data sets into pieces, the first as `00`; returns the pieces.

    Their frames take turns, so that every piece holds its share of every set, and training can begin with the
    first. `sets.json` says which data sets they are.

    Raises:
        DataError: see `Packer.add`, and what the data sets raise.
    """
    packer = Packer(folder, piece)
    turns = [((i + 0.5) / len(one), which, i) for which, one in enumerate(sets) for i in range(len(one))]
    for _, which, number in sorted(turns):
        packer.add(set_name(which), number, sets[which][number])
    packer.close()
    (folder / SETS).write_text(json.dumps([public_name(one.name) for one in sets], indent=2) + "\n")
    return packer.pieces


def open_packed(folder: Path, sources: Sequence[str]) -> list[PackedDataset]:
    """The packed frames of data sets, in place of opening their sources.

    Raises:
        DataError: the folder was packed from others, or its pieces hold no frame of one of them.
    """
    path = folder / SETS
    try:
        packed = _NAMES.validate_python(parse_json(path.read_bytes()))
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read: {error}; pack the data again") from error
    wanted = [public_name(source) for source in sources]
    if packed != wanted:
        odd = sorted(set(packed) ^ set(wanted)) or ["their order"]
        raise DataError(f"{path}: packed from other data sets than the recipe's: {odd[0]}; pack them again")
    return [PackedDataset(source, folder, set_name(i)) for i, source in enumerate(sources)]


def training_sets(config: TrainingConfig, packed: Path | None = None) -> list[Dataset]:
    """The data sets that a recipe trains on, from their sources, or from the pieces in a folder."""
    sources = [entry.source for entry in config.train]
    if packed is not None:
        return list(open_packed(packed, sources))
    return [open_dataset(source, config.own_classes()) for source in sources]


def set_name(number: int) -> str:
    """What a recipe's n-th data set is called in the pieces."""
    return f"{number:02d}"


def _encoded(sample: Sample) -> dict[str, bytes]:
    """A frame's files, by ending."""
    bits, values = np.unique(sample.target, return_inverse=True)
    if len(bits) > 256:
        raise DataError(f"{sample.name}: {len(bits)} kinds of labels, but a packed frame holds 256")
    target = values.reshape(sample.target.shape).astype(np.uint8)
    jpeg = [cv2.IMWRITE_JPEG_QUALITY, QUALITY]
    return {
        ".jpg": cv2.imencode(".jpg", sample.image, jpeg)[1].tobytes(),
        ".target.png": cv2.imencode(".png", target)[1].tobytes(),
        ".instances.png": cv2.imencode(".png", sample.instances)[1].tobytes(),
        ".json": json.dumps({"name": sample.name, "bits": bits.tolist()}).encode(),
    }
