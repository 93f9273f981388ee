import json
import shutil
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from perception.bundle import bundle as bundles
from perception.bundle.bundle import Bundle, write_bundle
from perception.bundle.manifest import MOST_PIXELS, BundleDescription, Precision
from perception.classes import DRIVE
from perception.errors import BundleError, ConfigError
from tests.conftest import write_colour_bundle
from tests.graphs import doubled, inverted


@pytest.fixture
def folder(colour_bundle: Bundle, tmp_path: Path) -> Path:
    """A copy of the colour bundle to spoil."""
    return Path(shutil.copytree(colour_bundle.folder, tmp_path / "corrupted"))


def edit(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    info = json.loads((folder / "bundle.json").read_text())
    change(info)
    (folder / "bundle.json").write_text(json.dumps(info))


def test_a_written_bundle_loads_as_it_was_described(colour_bundle: Bundle) -> None:
    loaded = Bundle.load(str(colour_bundle.folder))
    assert loaded.info == colour_bundle.info
    assert loaded.classes == DRIVE
    image, outputs = loaded.golden()
    assert image.shape == (64, 96, 3)
    assert outputs["labels"].shape == (64, 96)


def test_a_bare_name_means_a_shipped_bundle(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundles, "SHIPPED", folder.parent)
    assert Bundle.load("corrupted").folder == folder
    with pytest.raises(BundleError, match=r"'other'.*there are: corrupted"):
        Bundle.load("other")


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="nowhere"):
        Bundle.load(tmp_path / "nowhere")


@pytest.mark.parametrize("name", ["model.onnx", "golden.npz", "README.md", "bundle.json"])
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(BundleError, match=rf"{name}: the file is missing.*[Ee]xport"):
        Bundle.load(folder)


@pytest.mark.parametrize("name", ["model.onnx", "golden.npz", "README.md"])
def test_an_altered_file_is_named_with_both_checksums(folder: Path, name: str) -> None:
    expected = json.loads((folder / "bundle.json").read_text())["files"][name]
    data = bytearray((folder / name).read_bytes())
    data[-1] ^= 1
    (folder / name).write_bytes(data)
    with pytest.raises(
        BundleError, match=rf"{name}: sha256 is [0-9a-f]{{64}}, bundle.json expects {expected}"
    ):
        Bundle.load(folder)


LATENT = {"dtype": "float32", "layout": "NK"}
HEAT = {"dtype": "float32", "layout": "NCHW", "stride": 4}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda info: info.update(colour="red"), "unknown key colour"),
        (lambda info: info["input"].update(colour=3), r"unknown key input\.colour"),
        (lambda info: info.pop("training"), "the key training is missing"),
        (lambda info: info.update(format=2), r"format = 2 is refused"),
        (lambda info: info["input"].update(multiple=0), r"input\.multiple = 0 is refused"),
        (lambda info: info["input"].update(pixels=100), "pixels is 100, below 32×32"),
        (lambda info: info["classes"]["colours"].pop(), "11 colours for 12 names"),
        (lambda info: info["classes"].update(things=["tram"]), "things .'tram'. are not among the names"),
        (lambda info: info["classes"]["names"].__setitem__(1, "sky"), "not distinct"),
        (
            lambda info: info["classes"]["colours"].__setitem__(0, [0, 0, 256]),
            r"colours\.0\.2 = 256 is refused",
        ),
        (lambda info: info.update(outputs={}), "but none of labels, boxes, picture, depth, key_points"),
        (lambda info: info.update(outputs={"latent": LATENT}), "but none of labels, boxes, picture"),
        (
            lambda info: info["outputs"].update(depth={"layout": "NHW"}),
            "depth is uint8 NHW, expected float32",
        ),
        (lambda info: info["outputs"].update(picture={"layout": "NCHW"}), "uint8 NCHW, expected uint8 NHWC"),
        (lambda info: info["outputs"]["labels"].update(scale=2), "labels has scale 2; only a picture may"),
        (
            lambda info: info.update(key_points=["head"]),
            "names 1 channels, but outputs has",
        ),
        (lambda info: info["outputs"].update(key_points=HEAT), "names 0 channels, but outputs has"),
        (lambda info: info.update(key_points=["head", "head"]), "key_points .* are not distinct"),
        (lambda info: info["input"].update(size=[32, 70]), r"size is \(32, 70\), expected multiples of 32"),
        (lambda info: info["input"].update(size=[0, 64]), r"input\.size\.0 = 0 is refused"),
        (lambda info: info["input"].update(frames=0), r"input\.frames = 0 is refused"),
        (lambda info: info["files"].pop("model.onnx"), "files lists"),
        (lambda info: info["files"].update({"../x": "0" * 64}), "files lists"),
        (lambda info: info["files"].update({"model.onnx": "00"}), r"files\.model\.onnx"),
    ],
)
def test_a_wrong_description_is_refused_by_name(
    folder: Path, change: Callable[[dict[str, Any]], None], message: str
) -> None:
    edit(folder, change)
    with pytest.raises(BundleError, match=message) as caught:
        Bundle.load(folder)
    assert "bundle.json" in str(caught.value)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"format": 1', "\x00\xff"])
def test_unparsable_json_is_refused(folder: Path, text: str) -> None:
    (folder / "bundle.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(BundleError, match=r"bundle\.json"):
        Bundle.load(folder)


def seal(folder: Path) -> Bundle:
    """The bundle in the folder with checksums that fit whatever its files are now."""
    edit(
        folder,
        lambda info: info["files"].update(
            {"golden.npz": bundles._sha256((folder / "golden.npz").read_bytes())}
        ),
    )
    return Bundle.load(folder)


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04 cut short", b"text"])
def test_an_unreadable_golden_file_is_refused(folder: Path, data: bytes) -> None:
    (folder / "golden.npz").write_bytes(data)
    with pytest.raises(BundleError, match=r"golden\.npz: not a readable"):
        seal(folder).golden()


IMAGE = np.zeros((1, 32, 64, 3), np.uint8)
LABELS = np.zeros((1, 32, 64), np.uint8)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"image": IMAGE}, "holds the arrays"),
        ({"image": IMAGE, "labels": LABELS.astype(np.float32)}, "float32.*expected"),
        ({"image": IMAGE, "labels": LABELS, "depth": LABELS}, "depth"),
        ({"image": IMAGE, "labels": LABELS[:, :-1]}, r"labels is \(1, 31, 64\)"),
        ({"image": IMAGE[0], "labels": LABELS}, "expected"),
        ({"image": IMAGE[..., :2], "labels": LABELS}, r"expected \(1, h, w, 3\)"),
    ],
)
def test_a_golden_file_of_other_arrays_is_refused(folder: Path, arrays: dict[str, Any], message: str) -> None:
    np.savez(folder / "golden.npz", **arrays)
    with pytest.raises(BundleError, match=message):
        seal(folder).golden()


SIX = np.zeros((1, 32, 64, 6), np.uint8)
DOUBLE = np.zeros((1, 64, 128, 3), np.uint8)


@pytest.mark.parametrize(
    ("image", "picture", "message"),
    [
        (SIX, DOUBLE, ""),
        (IMAGE, DOUBLE, r"image is \(1, 32, 64, 3\), expected \(1, h, w, 6\)"),
        (SIX[:, :, :32], DOUBLE[:, :, :64], r"image is \(1, 32, 32, 6\), the graph takes \(32, 64\)"),
        (SIX, IMAGE, r"picture is \(1, 32, 64, 3\), expected NHWC at stride 1 and scale 2"),
        (SIX, DOUBLE[..., :2], r"picture is \(1, 64, 128, 2\), expected 3 channels"),
    ],
)
def test_a_golden_file_fits_frames_size_and_scale(
    folder: Path, image: Any, picture: Any, message: str
) -> None:
    def change(info: dict[str, Any]) -> None:
        info["input"].update(frames=2, size=[32, 64])
        info["outputs"] = {"picture": {"layout": "NHWC", "scale": 2}}

    edit(folder, change)
    np.savez(folder / "golden.npz", image=image, picture=picture)
    with pytest.raises(BundleError, match=message) if message else nullcontext():
        assert seal(folder).golden()[0].shape == (32, 64, 6)


def test_golden_key_points_have_a_channel_for_each_name(folder: Path) -> None:
    edit(folder, lambda info: info.update(outputs={"key_points": HEAT}, key_points=["head", "hips"]))
    np.savez(folder / "golden.npz", image=IMAGE, key_points=np.zeros((1, 3, 8, 16), np.float32))
    with pytest.raises(BundleError, match=r"key_points is \(1, 3, 8, 16\), expected 2 channels"):
        seal(folder).golden()


def test_writing_replaces_an_older_bundle(colour_bundle: Bundle, tmp_path: Path) -> None:
    about = BundleDescription.model_validate(colour_bundle.info.model_dump(exclude={"files"}))

    def write(folder: Path, model: bytes) -> Bundle:
        return write_bundle(
            folder,
            about,
            graphs={Precision.FLOAT32: model},
            golden_image=IMAGE,
            golden_outputs={Precision.FLOAT32: {"labels": LABELS}},
            card="x",
        )

    first, second = b"\x12\x01a", b"\x12\x01b"  # the name of the program that wrote it
    write(tmp_path / "x", first)
    assert write(tmp_path / "x", second).graph().read_bytes() == second
    (tmp_path / "file").write_text("")
    with pytest.raises(BundleError, match="cannot be written"):
        write(tmp_path / "file" / "x", b"")
    with pytest.raises(BundleError, match="is a file; give a new folder"):
        write(tmp_path / "file", b"")


def test_writing_replaces_a_bundle_whole_and_nothing_else(tmp_path: Path) -> None:
    write_colour_bundle(tmp_path / "colour", golden_int8=0)
    again = write_colour_bundle(tmp_path / "colour")
    assert sorted(path.name for path in tmp_path.rglob("*")) == sorted(
        ["colour", "bundle.json", *again.info.files]
    )
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "README.md").write_text("precious")
    with pytest.raises(BundleError, match="holds other files"):
        write_colour_bundle(tmp_path / "mine")
    assert (tmp_path / "mine" / "README.md").read_text() == "precious"


def test_another_size_is_all_that_changes(colour_bundle: Bundle) -> None:
    least = colour_bundle.info.input.multiple**2
    for pixels in (least, MOST_PIXELS):
        resized = colour_bundle.resized(pixels)
        assert resized.info.input.pixels == pixels and resized.folder == colour_bundle.folder
        assert resized.resized(colour_bundle.info.input.pixels) == colour_bundle
    for pixels in (least - 1, MOST_PIXELS + 1):
        with pytest.raises(ConfigError, match=f"pixels {pixels}: colour takes {least} to {MOST_PIXELS}"):
            colour_bundle.resized(pixels)


def test_a_size_that_is_not_free_is_no_choice(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="pixels 6144: fixed takes 96×64 only; leave it out"):
        inverted(tmp_path / "fixed", size=(64, 96)).resized(6144)
    with pytest.raises(ConfigError, match="pixels 6144: larger sees every pixel of a frame; leave it out"):
        doubled(tmp_path / "larger").resized(6144)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda info: info["classes"]["things"].pop(), r"centres is \(1, 3, \d+, \d+\), expected 2 channels"),
        (lambda info: drop_last(info["classes"]), r"labels has 11, and bundle\.json names 11 classes"),
    ],
)
def test_classes_are_as_many_as_the_network_tells(
    tmp_path: Path, change: Callable[[dict[str, Any]], None], message: str
) -> None:
    """Else a frame would end the node, or be labelled as what no class is."""
    folder = Path(shutil.copytree(Bundle.load("drive").folder, tmp_path / "drive"))
    edit(folder, change)
    edit(folder, lambda info: info.update(scores=None))
    with pytest.raises(BundleError, match=message):
        Bundle.load(folder).golden()


def drop_last(classes: dict[str, Any]) -> None:
    for one in ("names", "colours"):
        classes[one].pop()
