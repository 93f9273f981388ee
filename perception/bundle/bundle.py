"""Model bundles: a folder with a network and all that is needed to run and to trust it.

model.onnx             uint8 image in, label maps out; normalisation, resizing and argmax are in the graph
model.PRECISION.onnx   the same in another precision; which ones there are, differs
golden.npz             one input and the outputs it must give, of other precisions as NAME.PRECISION
README.md              the model card
bundle.json            what `BundleInfo` describes, with the sha256 of the files above
"""

import hashlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from pydantic import ValidationError

from perception.bundle.manifest import (
    FILES,
    GRAPHS,
    MOST_PIXELS,
    BundleDescription,
    BundleInfo,
    Precision,
    ScoresInfo,
)
from perception.bundle.npz import read_arrays
from perception.bundle.onnx_parts import reads_other_files
from perception.classes import UNKNOWN, ClassSet
from perception.errors import BundleError, ConfigError
from perception.parsing import faults

SHIPPED = Path(__file__).parents[1] / "models"
_REMEDY = "Export the bundle again, or reinstall perception if it is a shipped one."


@dataclass(frozen=True)
class Bundle:
    """A bundle on disk, with a parsed description and files that match their checksums."""

    folder: Path
    info: BundleInfo

    @classmethod
    def load(cls, name_or_folder: str | Path) -> Self:
        """Read and verify a bundle: a bare name means one that ships with the package, else a folder.

        Raises:
            BundleError: there is no such bundle, bundle.json is not valid, or a file is missing or altered.
        """
        folder = _find(name_or_folder)
        bundle = cls(folder, _parse(folder / "bundle.json"))
        for name, expected in bundle.info.files.items():
            data = _read(folder / name)
            found = _sha256(data)
            if found != expected:
                what = f"sha256 is {found}, bundle.json expects {expected}: the file was altered or cut short"
                raise _fault(folder / name, what)
            if name in GRAPHS.values():
                _check_whole(folder / name, data)
        return bundle

    def resized(self, pixels: int) -> Self:
        """The bundle for an input of another size, height × width: fewer are faster, more see farther.

        Raises:
            ConfigError: the network's size is not free, or not that small or large.
        """
        info = self.info.input
        if info.size is not None:
            height, width = info.size
            raise ConfigError(f"pixels {pixels}: {self.info.name} takes {width}×{height} only; leave it out")
        if any(output.scale > 1 for output in self.info.outputs.values()):
            raise ConfigError(f"pixels {pixels}: {self.info.name} sees every pixel of a frame; leave it out")
        if not info.multiple**2 <= pixels <= MOST_PIXELS:
            raise ConfigError(
                f"pixels {pixels}: {self.info.name} takes {info.multiple**2} to {MOST_PIXELS}; it was "
                f"measured at {info.pixels}"
            )
        resized = info.model_copy(update={"pixels": pixels})
        return replace(self, info=self.info.model_copy(update={"input": resized}))

    @cached_property
    def classes(self) -> ClassSet:
        return ClassSet(**dict(self.info.classes))

    @cached_property
    def precisions(self) -> tuple[Precision, ...]:
        """Those that the bundle has graphs in."""
        return tuple(precision for precision, name in GRAPHS.items() if name in self.info.files)

    def graph(self, precision: Precision = Precision.FLOAT32) -> Path:
        """The ONNX file of the network in one of `precisions`."""
        return self.folder / GRAPHS[precision]

    def golden(
        self, precision: Precision = Precision.FLOAT32
    ) -> tuple[npt.NDArray[np.uint8], dict[str, npt.NDArray[Any]]]:
        """One input, uint8 (h, w, 3 · frames) BGR, and the outputs it must give, as an `Engine` gives them.

        Args:
            precision: of the graph that gives them, one of `precisions`.

        Raises:
            BundleError: golden.npz cannot be read, or holds something else than bundle.json declares.
        """
        path = self.folder / "golden.npz"
        outputs = self.info.outputs.items()
        expected = {"image": "uint8"} | {
            golden_name(name, one): output.dtype for one in self.precisions for name, output in outputs
        }
        try:
            arrays = read_arrays(path, expected)
        except ValueError as error:
            raise _fault(path, str(error)) from error
        image = arrays.pop("image")
        channels = 3 * self.info.input.frames
        if image.ndim != 4 or (image.shape[0], image.shape[3]) != (1, channels):
            raise _fault(path, f"image is {image.shape}, expected (1, h, w, {channels})")
        if image.shape[1:3] != (self.info.input.size or image.shape[1:3]):
            raise _fault(path, f"image is {image.shape}, the graph takes {self.info.input.size}")
        for name, array in arrays.items():
            output = self.info.outputs[name.partition(".")[0]]
            if not output.fits(array.shape, *image.shape[1:3]):
                wanted = f"{output.layout} at stride {output.stride} and scale {output.scale}"
                raise _fault(path, f"{name} is {array.shape}, expected {wanted} of an image {image.shape}")
        names, things = len(self.info.classes.names), len(self.info.classes.things)
        channels_of = {"picture": 3, "key_points": len(self.info.key_points), "logits": names}
        channels_of |= {"centres": things, "offsets": 2, "borders": 1}
        for name, array in arrays.items():
            kind = name.partition(".")[0]
            axis = self.info.outputs[kind].layout.find("C")
            if array.shape[axis] != channels_of.get(kind, array.shape[axis]):
                raise _fault(path, f"{name} is {array.shape}, expected {channels_of[kind]} channels")
            if kind in ("labels", "classes"):
                most = array.max(initial=0, where=array != UNKNOWN)
                if most >= names:
                    raise _fault(path, f"{name} has {most}, and bundle.json names {names} classes")
        return image[0], {name: arrays[golden_name(name, precision)][0] for name in self.info.outputs}


def _check_whole(path: Path, graph: bytes) -> None:
    """Raise BundleError where a graph has weights in files that no checksum vouches for."""
    try:
        outside = reads_other_files(graph)
    except ValueError as error:
        raise _fault(path, str(error)) from error
    if outside:
        raise _fault(path, "has weights in other files (external data), which no checksum vouches for")


def _fault(path: Path, what: str) -> BundleError:
    return BundleError(f"{path}: {what}. {_REMEDY}")


def golden_name(output: str, precision: Precision) -> str:
    """The name in golden.npz of what the graph in that precision gives."""
    return output if precision is Precision.FLOAT32 else f"{output}.{precision}"


def write_bundle(
    folder: Path,
    description: BundleDescription,
    *,
    graphs: Mapping[Precision, bytes],
    golden_image: npt.NDArray[np.uint8],
    golden_outputs: Mapping[Precision, Mapping[str, npt.NDArray[Any]]],
    card: str,
) -> Bundle:
    """Write a bundle's files with their checksums, then load it as a user would.

    Args:
        folder: made if missing; an older bundle there is replaced, once the new one is whole.
        graphs: the serialised ONNX graphs, in float32 at least.
        golden_image: uint8 (1, h, w, 3 · frames), BGR.
        golden_outputs: what each graph gives for it, by output name, e.g. labels uint8 (1, h, w).
        card: the model card, Markdown.

    Raises:
        BundleError: the folder cannot be written, or the golden arrays do not fit the description.
    """
    target = folder.resolve()
    if target.exists() and not target.is_dir():
        raise BundleError(f"{target}: is a file; give a new folder")
    if target.exists() and any(target.iterdir()) and not (target / "bundle.json").exists():
        raise BundleError(f"{target}: holds other files than a bundle's; give a new folder")
    folder = target.with_name(target.name + ".draft")
    shutil.rmtree(folder, ignore_errors=True)  # of an interrupted attempt
    try:
        folder.mkdir(parents=True, exist_ok=True)
        golden: dict[str, Any] = {"image": golden_image}
        for precision, graph in graphs.items():
            (folder / GRAPHS[precision]).write_bytes(graph)
            outputs = golden_outputs[precision].items()
            golden |= {golden_name(name, precision): array for name, array in outputs}
        np.savez_compressed(folder / "golden.npz", **golden)
        (folder / "README.md").write_text(card, encoding="utf-8")
        written = sorted({*FILES, *(GRAPHS[precision] for precision in graphs)})
        files = {name: _sha256((folder / name).read_bytes()) for name in written}
        info = BundleInfo(**dict(description), files=files)
        (folder / "bundle.json").write_text(_text(info), encoding="utf-8")
    except OSError as error:
        raise BundleError(f"{folder}: the bundle cannot be written: {error}") from error
    Bundle.load(folder).golden()
    if target.exists():
        shutil.rmtree(target)
    folder.rename(target)
    return Bundle.load(target)


def shipped() -> list[str]:
    """Names of the bundles that come with the package."""
    return sorted(path.parent.name for path in SHIPPED.glob("*/bundle.json"))


def write_scores(bundle: Bundle, scores: ScoresInfo | None) -> None:
    """Replace the calibration of scores in a bundle on disk.

    Raises:
        BundleError: bundle.json cannot be written.
    """
    path = bundle.folder / "bundle.json"
    try:
        draft = path.with_suffix(".draft")
        draft.write_text(_text(bundle.info.model_copy(update={"scores": scores})), encoding="utf-8")
        draft.replace(path)
    except OSError as error:
        raise BundleError(f"{path}: cannot be written: {error}") from error


def _text(info: BundleInfo) -> str:
    return json.dumps(info.model_dump(mode="json"), indent=2, ensure_ascii=False) + "\n"


def _find(name_or_folder: str | Path) -> Path:
    if isinstance(name_or_folder, str) and Path(name_or_folder).name == name_or_folder:
        if name_or_folder not in shipped():
            raise BundleError(
                f"model {name_or_folder!r}: no such bundle ships with perception; there are: "
                f"{', '.join(shipped()) or 'none'}. "
                f"For a bundle's folder, give a path such as ./{name_or_folder}."
            )
        return SHIPPED / name_or_folder
    folder = Path(name_or_folder)
    if not folder.is_dir():
        raise BundleError(f"model {str(folder)!r}: no such folder. Give a bundle's folder or a shipped name.")
    return folder


def _parse(path: Path) -> BundleInfo:
    try:
        return BundleInfo.model_validate_json(_read(path))
    except ValidationError as error:
        raise _fault(path, "; ".join(faults(error))) from error


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise _fault(path, "the file is missing from the bundle") from error
    except OSError as error:
        raise BundleError(f"{path}: cannot be read: {error}") from error


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
