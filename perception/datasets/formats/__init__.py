"""Public data-set layouts: where the files of a frame lie, and what their labels mean."""

from collections.abc import Callable
from pathlib import Path

from perception.datasets.categories import NO_THINGS
from perception.datasets.formats.coco import decode_coco, decode_coco_own, find_coco
from perception.datasets.formats.files import IMAGES, Files, Labels, Layout, read_image, read_labels
from perception.datasets.formats.pixels import (
    decode_by,
    decode_cityscapes,
    decode_cityscapes_own,
    decode_comma10k,
    decode_folder,
    decode_own,
    decode_penn_fudan,
)
from perception.datasets.formats.yolo import decode_yolo, decode_yolo_own, find_yolo

__all__ = ["LAYOUTS", "Files", "Labels", "Layout", "read_image", "read_labels"]


def _listed(folder: Path) -> list[Path]:
    """All files of a folder but hidden ones: what is no image among them is to be named, not passed over."""
    return sorted(p for p in folder.glob("*") if p.is_file() and not p.name.startswith("."))


def _camvid(folder: Path) -> list[Files]:
    def beside(kind: str, image: Path) -> Path:
        return folder.with_name(folder.name + kind) / f"{image.stem}.png"

    images = [p for p in _listed(folder) if p.suffix.lower() in IMAGES]
    return [Files(p, beside("annot", p), beside("lanes", p), beside("instances", p)) for p in images]


def _suffixed(
    image: str, label: str, lanes: str | None = None, instances: str | None = None
) -> Callable[[Path], list[Files]]:
    """Layouts that keep a frame's files side by side under one stem."""

    def find(folder: Path) -> list[Files]:
        def beside(path: Path, suffix: str | None) -> Path | None:
            return path.with_name(path.name.removesuffix(image) + suffix) if suffix else None

        return [
            Files(path, label_path, beside(path, lanes), beside(path, instances))
            for path in sorted(folder.rglob(f"*{image}"))
            if (label_path := beside(path, label)) and label_path.exists()
        ]

    return find


def _cityscapes(folder: Path) -> list[Files]:
    """The public tree (leftImg8bit next to gtFine), or images and labels side by side."""
    clips = _suffixed("_leftImg8bit.jpg", "_labelIds.png", "_lanes.png", "_instances.png")(folder)
    truth = Path(*("gtFine" if part == "leftImg8bit" else part for part in folder.parts))
    public = []
    for image in sorted(folder.rglob("*_leftImg8bit.png")):
        stem = truth / image.relative_to(folder).with_name(image.name.removesuffix("_leftImg8bit.png"))
        label, instances = (
            stem.with_name(f"{stem.name}_gtFine_{kind}Ids.png") for kind in ("label", "instance")
        )
        public.append(Files(image, label, instances=instances))
    return clips + public


def _folder(folder: Path) -> list[Files]:
    """`images/NAME.*`, `labels/NAME.png`, and perhaps `instances/NAME.png`."""
    numbered = folder / "instances"
    return [
        Files(
            image,
            folder / "labels" / f"{image.stem}.png",
            instances=numbered / f"{image.stem}.png" if numbered.is_dir() else None,
        )
        for image in _listed(folder / "images")
    ]


def _comma10k(folder: Path) -> list[Files]:
    return [Files(image, folder / "masks" / f"{image.stem}.png") for image in _listed(folder / "imgs")]


def _penn_fudan(folder: Path) -> list[Files]:
    images = _listed(folder / "PNGImages")
    return [Files(image, folder / "PedMasks" / f"{image.stem}_mask.png") for image in images]


def _ade(folder: Path) -> list[Files]:
    """`images/SPLIT/NAME.jpg`, which is the folder to name, and `annotations/SPLIT/NAME.png`."""
    labels = folder.parent.with_name("annotations") / folder.name
    return [Files(image, labels / f"{image.stem}.png") for image in _listed(folder)]


LAYOUTS = {
    "camvid": Layout(_camvid, decode_by("camvid"), decode_own),
    "cityscapes": Layout(_cityscapes, decode_cityscapes, decode_cityscapes_own),
    "idd_lite": Layout(
        _suffixed("_image.jpg", "_label.png", "_lanes.png", "_instances.png"), decode_by("idd_lite")
    ),
    "apollo": Layout(_suffixed(".jpg", "_bin.png", instances="_things.png"), decode_by("apollo")),
    "lums": Layout(_suffixed(".jpg", "_label.png"), decode_by("lums")),
    "comma10k": Layout(_comma10k, decode_comma10k, decode_own),
    "ade": Layout(_ade, decode_by("ade"), decode_own),
    "penn_fudan": Layout(_penn_fudan, decode_penn_fudan),
    "coco": Layout(find_coco, decode_coco, decode_coco_own, NO_THINGS),
    "yolo": Layout(find_yolo, decode_yolo, decode_yolo_own, NO_THINGS),
    "folder": Layout(_folder, decode_folder, decode_own),
}
