"""What all formats need: the names of images, and the categories."""

from dataclasses import dataclass
from pathlib import Path

from perception.classes import DRIVE
from perception.errors import DataError
from perception.interchange.files.folder import SceneFolder
from perception.picture_size import EXTENSIONS


@dataclass(frozen=True)
class Names:
    """Files of images by stems, where they are known; elsewhere STEM.jpg."""

    files: dict[str, str]

    def of(self, stem: str) -> str:
        return self.files.get(stem, f"{stem}.jpg")


def image_names(images: Path | None, source: SceneFolder) -> Names:
    """The names of the images in a folder.

    Raises:
        DataError: scenes have no image there.
    """
    if images is None:
        return Names({})
    files: dict[str, str] = {}
    for path in sorted(images.glob("*")):
        if path.suffix.lower() in EXTENSIONS and path.is_file():
            if path.stem in files:
                raise DataError(f"{images}: {files[path.stem]} and {path.name} have one name; move one away")
            files[path.stem] = path.name
    missing = [scene.stem for scene in source.scenes if scene.stem not in files]
    if missing:
        listed = ", ".join(missing[:5]) + (" …" if len(missing) > 5 else "")
        raise DataError(
            f"{images}: {len(missing)} of {len(source.scenes)} scenes have no image there: {listed}; give "
            "the folder that perception run has read"
        )
    return Names(files)


def categories(source: SceneFolder) -> dict[int, str]:
    """Class id → name of what comes as instances: of `drive`, or of another network as found."""
    drive = {class_id: DRIVE.names[class_id] for class_id in DRIVE.thing_ids}
    found = source.things()
    return drive if found.items() <= drive.items() else dict(sorted(found.items()))
