"""A drive drawn as a map: axes, clusters, and the command on a bundle whose codes are known."""

from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from perception.app.latent import code, group, latent, principal_components, typical
from perception.bundle.bundle import Bundle, write_bundle
from perception.bundle.manifest import (
    BundleDescription,
    ClassesInfo,
    InputInfo,
    OutputInfo,
    Precision,
    TrainingInfo,
)
from perception.classes import DRIVE
from perception.errors import ConfigError
from perception.perceiver import Perceiver


@pytest.fixture(scope="module")
def mean_colour(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """An "autoencoder" whose code is the mean colour, and whose picture is the frame."""
    nodes = [
        helper.make_node("Cast", ["image"], ["pixels"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["pixels", "axes"], ["latent"], keepdims=0),
        helper.make_node("Identity", ["image"], ["picture"]),
    ]
    shape: list[str | int | None] = ["n", "h", "w", 3]
    graph = helper.make_graph(
        nodes,
        "mean_colour",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, shape)],
        [
            helper.make_tensor_value_info("picture", TensorProto.UINT8, shape),
            helper.make_tensor_value_info("latent", TensorProto.FLOAT, ["n", 3]),
        ],
        [numpy_helper.from_array(np.array([1, 2]), "axes")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(model, full_check=True)
    image = np.random.default_rng(0).integers(0, 256, (1, 64, 96, 3), np.uint8)
    return write_bundle(
        tmp_path_factory.mktemp("models") / "mean",
        BundleDescription(
            name="mean",
            version="1",
            classes=ClassesInfo(name=DRIVE.name, names=DRIVE.names, colours=DRIVE.colours),
            input=InputInfo(pixels=64 * 96),
            outputs={
                "picture": OutputInfo(layout="NHWC"),
                "latent": OutputInfo(dtype="float32", layout="NK", tolerance=0.01),
            },
            training=TrainingInfo(data=(), licence="MIT"),
        ),
        graphs={Precision.FLOAT32: model.SerializeToString()},
        golden_image=image,
        golden_outputs={
            Precision.FLOAT32: {"picture": image, "latent": image.mean((1, 2)).astype(np.float32)}
        },
        card="# mean\n\nFor tests.\n",
    )


@pytest.fixture
def drive(tmp_path: Path) -> Path:
    """Four dark frames, then three bright ones, then a dark one."""
    folder = tmp_path / "frames"
    folder.mkdir()
    for i, level in enumerate((20, 22, 24, 26, 200, 204, 208, 28)):
        cv2.imwrite(str(folder / f"{i}.png"), np.full((64, 96, 3), level, np.uint8))
    return folder


def test_the_axes_are_those_of_largest_variance() -> None:
    """Points of a plane in five dimensions keep their distances on the map of that plane."""
    rng = np.random.default_rng(1)
    plane = np.linalg.qr(rng.normal(size=(5, 2)))[0]
    flat = rng.normal(size=(30, 2)) * [9, 2]
    places, share = principal_components((flat @ plane.T + 7).astype(np.float32))
    assert share == pytest.approx(1)
    assert places[:, 0].std() > 3 * places[:, 1].std()
    between = np.linalg.norm(flat[:, None] - flat, axis=2)
    assert np.allclose(np.linalg.norm(places[:, None] - places, axis=2), between, atol=1e-4)


def test_the_share_is_what_the_plane_holds() -> None:
    corners = np.array([[3, 0, 0], [-3, 0, 0], [0, 2, 0], [0, -2, 0], [0, 0, 1], [0, 0, -1]], np.float32)
    _, share = principal_components(corners)
    assert share == pytest.approx((9 + 4) / (9 + 4 + 1))


def test_clusters_are_numbered_as_they_come() -> None:
    codes = np.array([[9, 9], [0, 0], [9, 8], [0, 1], [-9, 5], [9, 9]], np.float32)
    assert group(codes, 3).tolist() == [0, 1, 0, 1, 2, 0]


def test_the_typical_frame_is_nearest_the_mean() -> None:
    codes = np.array([[0.0], [10], [1], [5], [2]], np.float32)
    assert typical(codes, np.array([True, False, True, True, True])) == 4


def test_codes_are_those_of_the_frames(mean_colour: Bundle, drive: Path) -> None:
    found = code(str(drive), Perceiver.load(mean_colour.folder))
    assert np.allclose(found.codes, np.array([20, 22, 24, 26, 200, 204, 208, 28])[:, None], atol=0.01)
    assert found.times[1] == pytest.approx(1 / 25)
    assert found.thumbnails[4].shape == (64, 96, 3)


def test_the_command_draws_the_map(
    mean_colour: Bundle, drive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture = tmp_path / "map.png"
    latent(str(drive), picture, model=str(mean_colour.folder), clusters=2)
    assert "8 frames in 2 clusters; the plane holds 100%" in " ".join(capsys.readouterr().out.split())
    drawn = cv2.imread(str(picture))
    assert drawn is not None
    for level in (24, 204):  # a typical frame of each cluster
        assert ((drawn == level).all(2)).sum() > 1000


def test_what_cannot_be_drawn(
    mean_colour: Bundle, colour_bundle: Bundle, drive: Path, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match="no latent"):
        latent(str(drive), tmp_path / "map.png", model=str(colour_bundle.folder))
    with pytest.raises(ConfigError, match="cannot make 9 clusters"):
        latent(str(drive), tmp_path / "map.png", model=str(mean_colour.folder), clusters=9)
    with pytest.raises(ConfigError, match="png or"):
        latent(str(drive), tmp_path / "map.txt", model=str(mean_colour.folder))
