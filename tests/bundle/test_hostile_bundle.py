"""Bundles that were made to harm: each gives one BundleError, at once, and nothing of them is run."""

import hashlib
import io
import json
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from perception.bundle.bundle import Bundle
from perception.bundle.npz import read_arrays
from perception.bundle.onnx_parts import reads_other_files
from perception.errors import BundleError
from tests.conftest import colour_graph, write_colour_bundle

EXPECTED = {"image": "uint8", "labels": "uint8"}


def npy(array: Any, pickled: bool = False) -> bytes:
    file = io.BytesIO()
    np.save(file, array, allow_pickle=pickled)
    return file.getvalue()


def header(shape: str, dtype: str = "|u1", rest: bytes = b"") -> bytes:
    text = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}".encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + rest


def archive(path: Path, **members: bytes) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in members.items():
            file.writestr(name.replace("__", "."), data)
    return path


class Evil:
    def __reduce__(self) -> tuple[Any, ...]:
        return (pytest.fail, ("it was run",))


GOOD = npy(np.zeros((1, 4, 4, 3), np.uint8))
LABELS = npy(np.zeros((1, 4, 4), np.uint8))


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ({"image__npy": GOOD}, "holds the arrays"),
        ({"image__npy": GOOD, "labels__npy": LABELS, "more__npy": LABELS}, "holds the arrays"),
        ({"image__npy": GOOD, "labels": LABELS}, "holds the arrays"),
        ({"image__npy": GOOD, "labels__npy": b""}, "EOF|magic|not a readable"),
        ({"image__npy": GOOD, "labels__npy": b"text"}, "magic|not a readable"),
        ({"image__npy": GOOD, "labels__npy": npy(np.array([Evil()], object), True)}, "holds object"),
        ({"image__npy": GOOD, "labels__npy": pickle.dumps(Evil())}, "magic|not a readable"),
        ({"image__npy": GOOD, "labels__npy": npy(np.zeros((1, 4, 4), np.float32))}, "holds float32"),
        ({"image__npy": GOOD, "labels__npy": header("(1000000, 1000000)")}, "is said to be"),
        ({"image__npy": GOOD, "labels__npy": header("(10000000000000000000000,)")}, "is said to be"),
        ({"image__npy": GOOD, "labels__npy": header("(-1,)", rest=bytes(4))}, "is said to be"),
        ({"image__npy": GOOD, "labels__npy": header("(2,)", rest=bytes(3))}, "other 3 bytes"),
        ({"image__npy": GOOD, "labels__npy": header("(" * 100)}, "not a readable|header|parse"),
        ({"image__npy": GOOD, "labels__npy": header("(1,)", dtype="|O")}, "holds object"),
        ({"image__npy": GOOD, "labels__npy": header("(1,)", dtype="|V99999999999")}, ""),
    ],
)
def test_golden_archives_that_are_refused(members: dict[str, bytes], words: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=words):
        read_arrays(archive(tmp_path / "golden.npz", **members), EXPECTED)


def test_a_golden_archive_that_unpacks_to_much_is_not_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "golden.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as file:
        file.writestr("image.npy", GOOD)
        with file.open("labels.npy", "w") as member:
            member.write(header("(1200000000,)"))
            for _ in range(1200):
                member.write(bytes(1_000_000))
    assert path.stat().st_size < 10_000_000
    with pytest.raises(ValueError, match="allowed are"):
        read_arrays(path, EXPECTED)


@settings(max_examples=150)
@given(data=st.data())
def test_a_damaged_archive_is_refused_or_read_whole(data: st.DataObject, tmp_path_factory: Any) -> None:
    path = tmp_path_factory.getbasetemp() / "fuzzed.npz"
    whole = bytearray(archive(path, image__npy=GOOD, labels__npy=LABELS).read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(whole[: data.draw(st.integers(0, len(whole)))] if data.draw(st.booleans()) else whole)
    try:
        arrays = read_arrays(path, EXPECTED)
    except ValueError:
        return
    assert {name: str(one.dtype) for name, one in arrays.items()} == EXPECTED


def rewritten(bundle: Bundle, folder: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    write_colour_bundle(folder)
    told = json.loads((folder / "bundle.json").read_text())
    change(told)
    (folder / "bundle.json").write_text(json.dumps(told))
    return folder


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        (("input", "pixels"), 10**12, "pixels = 1000000000000 is refused"),
        (("input", "pixels"), 1e300, "pixels"),
        (("input", "multiple"), 10**9, "multiple"),
        (("input", "size"), [32, 32 * 10**9], "size"),
        (("input", "frames"), 10**6, "frames"),
        (("outputs", "labels", "scale"), 10**9, "scale"),
        (("outputs", "labels", "tolerance"), float("inf"), "tolerance"),
        (("outputs", "labels", "tolerance"), float("nan"), "tolerance"),
        (("outputs", "labels", "layout"), "N" + "A" * 1000, "layout"),
        (("files", "../../etc/passwd"), "0" * 64, "files lists"),
        (("name",), "\x1b[31m", None),
    ],
)
def test_manifests_that_are_refused(
    key: tuple[str, ...], value: object, words: str | None, tmp_path: Path, colour_bundle: Bundle
) -> None:
    def change(told: dict[str, Any]) -> None:
        *outer, last = key
        for one in outer:
            told = told[one]
        told[last] = value

    folder = rewritten(colour_bundle, tmp_path / "x", change)
    if words is None:
        Bundle.load(folder)
        return
    with pytest.raises(BundleError, match=words):
        Bundle.load(folder)


def model_with(tensor: TensorProto, inside: bool) -> onnx.ModelProto:
    """The tensor as an initializer, or in the branch of a node in a node's branch."""
    graph = helper.make_graph([], "g", [], [], [tensor])
    for _ in range(2 if inside else 0):
        node = helper.make_node("If", ["c"], ["y"], then_branch=graph, else_branch=graph)
        graph = helper.make_graph([node], "g", [], [])
    return helper.make_model(graph)


@pytest.mark.parametrize("inside", [False, True])
def test_weights_in_other_files_are_found(inside: bool, tmp_path: Path) -> None:
    tensor = numpy_helper.from_array(np.arange(9, dtype=np.float32), "location")
    assert not reads_other_files(model_with(tensor, inside).SerializeToString())
    onnx.external_data_helper.set_external_data(tensor, "weights.bin")
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    outside = model_with(tensor, inside).SerializeToString()
    assert reads_other_files(outside)
    folder = tmp_path / "x"
    write_colour_bundle(folder)
    (folder / "model.onnx").write_bytes(outside)
    told = json.loads((folder / "bundle.json").read_text())
    told["files"]["model.onnx"] = hashlib.sha256(outside).hexdigest()
    (folder / "bundle.json").write_text(json.dumps(told))
    with pytest.raises(BundleError, match="weights in other files"):
        Bundle.load(folder)


def test_shipped_graphs_hold_all_their_weights() -> None:
    from perception.bundle.bundle import shipped  # noqa: PLC0415

    for name in shipped():
        Bundle.load(name)


@settings(max_examples=150)
@given(data=st.data())
def test_a_damaged_graph_is_refused_or_walked_to_its_end(data: st.DataObject) -> None:
    graph = bytearray(colour_graph())
    for _ in range(data.draw(st.integers(1, 4))):
        graph[data.draw(st.integers(0, len(graph) - 1))] = data.draw(st.integers(0, 255))
    try:
        assert reads_other_files(bytes(graph)) in {True, False}
    except ValueError as error:
        assert "ONNX" in str(error)
