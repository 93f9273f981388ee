import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
import pytest
from onnx import helper

from perception.bundle.bundle import Bundle, write_bundle
from perception.bundle.manifest import BundleDescription, Precision
from perception.engines import onnx_cpu, onnx_gpu
from perception.engines import registry as engines
from perception.engines.base import Engine, OnBuild
from perception.engines.cuda import Gpu
from perception.engines.golden import check_golden
from perception.engines.registry import ENGINES, open_engine
from perception.errors import BundleError, EngineError
from tests.conftest import colour_graph, nearest_colour, write_colour_bundle
from tests.graphs import NODE, inverted, measured


@pytest.mark.parametrize("threads", [0, 1, 2])
def test_labels_are_the_networks_byte_for_byte(colour_bundle: Bundle, threads: int) -> None:
    engine = open_engine(colour_bundle, "onnx-cpu", threads)
    for shape in ((32, 32), (64, 160), (96, 32)):
        image = np.random.default_rng(threads).integers(0, 256, (*shape, 3), np.uint8)
        labels = engine.run(image)["labels"]
        assert labels.dtype == np.uint8
        np.testing.assert_array_equal(labels, nearest_colour(image))


def test_auto_says_what_it_took_and_why_not_the_others(colour_bundle: Bundle) -> None:
    engine = open_engine(colour_bundle)
    absent = {text.split(" cannot run")[0] for text in engine.info.passed_over}
    assert {"tensorrt-int8", "onnx-cuda-float16", "onnx-cpu-int8"} <= absent
    assert "the bundle colour has no int8 graph, but float32" in engine.info.passed_over[-1]
    assert engine.name in set(ENGINES) - absent
    assert f"not: {len(absent)} others (perception doctor says why)" in engine.info.reason
    asked = open_engine(colour_bundle, "onnx-cpu")
    assert (asked.info.reason, asked.info.passed_over) == ("asked for", ())


def test_cuda_that_is_asked_for_and_not_installed_is_an_error(
    colour_bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    for name, provider in (("onnx-cuda", "CUDA"), ("onnx-tensorrt", "Tensorrt")):
        with pytest.raises(
            EngineError, match=rf"has no {provider}.*its extra \[gpu\]: pip install -e '\.\[gpu\]'"
        ):
            open_engine(colour_bundle, name)


@pytest.mark.skipif(
    "CUDAExecutionProvider" in onnxruntime.get_available_providers(), reason="this onnxruntime has CUDA"
)
@pytest.mark.filterwarnings("ignore:Specified provider")
def test_a_provider_that_does_not_start_is_an_error(
    colour_bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The session then works, on the CPU: it must not pass for CUDA."""
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CUDAExecutionProvider"])
    monkeypatch.setattr(onnx_gpu, "find_gpu", lambda: Gpu("GPU 7", (9, 0), "580.1", 13000))
    with pytest.raises(EngineError, match=r"CUDAExecutionProvider did not start.*CPUExecutionProvider"):
        open_engine(colour_bundle, "onnx-cuda")


def test_a_missing_onnxruntime_is_named_with_the_extra_that_brings_it(
    colour_bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    monkeypatch.setitem(sys.modules, "openvino", None)
    for name in ("onnx-cuda", "onnx-tensorrt", "onnx-cpu", "auto"):
        with pytest.raises(
            EngineError, match=r"its extra \[cpu\], or \[gpu\] for NVIDIA GPUs: pip install -e '\.\[cpu\]'"
        ):
            open_engine(colour_bundle, name)


def test_unknown_names_and_thread_counts_are_refused(colour_bundle: Bundle) -> None:
    with pytest.raises(EngineError, match=r"'tpu' is not known: .*onnx-cuda, .*onnx-cpu-int8, onnx-cpu"):
        open_engine(colour_bundle, "tpu")
    with pytest.raises(EngineError, match="threads is -1"):
        open_engine(colour_bundle, threads=-1)


def corrupted(
    bundle: Bundle,
    folder: Path,
    model: bytes | None = None,
    change: Callable[[npt.NDArray[np.uint8]], npt.NDArray[np.uint8]] = np.copy,
) -> Bundle:
    """A bundle with sound checksums around another model, or another golden output."""
    image, outputs = bundle.golden()
    return write_bundle(
        folder,
        BundleDescription.model_validate(bundle.info.model_dump(exclude={"files"})),
        graphs={Precision.FLOAT32: bundle.graph().read_bytes() if model is None else model},
        golden_image=image[None],
        golden_outputs={Precision.FLOAT32: {"labels": change(outputs["labels"])[None]}},
        card="",
    )


def test_an_engine_that_does_not_reproduce_the_golden_output_is_refused(
    colour_bundle: Bundle, tmp_path: Path
) -> None:
    def one_percent_wrong(labels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        wrong = labels.copy()
        wrong.flat[: labels.size // 100] = (wrong.flat[: labels.size // 100] + 1) % 12
        return wrong

    bundle = corrupted(colour_bundle, tmp_path / "wrong", change=one_percent_wrong)
    with pytest.raises(
        BundleError, match=r"golden\.npz: onnx-cpu reproduces 99\.01%.*at least 99\.9%.*[Ee]xport"
    ):
        open_engine(bundle, "onnx-cpu")


def test_a_few_pixels_of_rounding_are_not_a_fault(colour_bundle: Bundle, tmp_path: Path) -> None:
    def four_wrong(labels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        wrong = labels.copy()
        wrong.flat[:4] = (wrong.flat[:4] + 1) % 12
        return wrong

    bundle = corrupted(colour_bundle, tmp_path / "nearly", change=four_wrong)
    assert check_golden(bundle, open_engine(bundle)) == pytest.approx(1 - 4 / (64 * 96))


def test_a_graph_that_does_not_load_is_an_error_without_a_word_on_stderr(
    colour_bundle: Bundle, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    bundle = corrupted(colour_bundle, tmp_path / "cut", model=b"")
    with pytest.raises(EngineError, match=r"refuses .*model\.onnx"):
        open_engine(bundle, "onnx-cpu")
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("model", "words"),
    [(b"not an ONNX graph", "no ONNX model"), (colour_graph()[:-40], "no whole ONNX model")],
)
def test_a_file_that_is_no_graph_is_refused_with_its_bundle(
    colour_bundle: Bundle, tmp_path: Path, model: bytes, words: str
) -> None:
    with pytest.raises(BundleError, match=rf"model\.onnx: is {words}"):
        corrupted(colour_bundle, tmp_path / "cut", model=model)


def test_a_bundle_works_from_any_folder(colour_bundle: Bundle, tmp_path: Path) -> None:
    folder = shutil.copytree(colour_bundle.folder, tmp_path / "Modèles [1] #2")
    assert check_golden(Bundle.load(folder), open_engine(Bundle.load(folder))) == 1


def test_auto_takes_the_quantised_network_only_where_it_is_reproduced(tmp_path: Path) -> None:
    engine = open_engine(write_colour_bundle(tmp_path / "wrong", golden_int8=1), "auto")
    assert engine.info.precision is Precision.FLOAT32
    assert "golden.npz: onnx-cpu-int8 reproduces 0.00%" in engine.info.reason
    assert "Export the bundle again" in engine.info.reason
    assert "onnx-cpu-int8 reproduces 0.00%" in engine.info.passed_over[-1]
    with pytest.raises(BundleError, match=r"onnx-cpu-int8 reproduces 0\.00%"):
        open_engine(Bundle.load(tmp_path / "wrong"), "onnx-cpu-int8")


def test_a_bundle_without_a_precision_says_so(colour_bundle: Bundle) -> None:
    with pytest.raises(EngineError, match=r"colour has no int8 graph, but float32\. Export it again"):
        open_engine(colour_bundle, "onnx-cpu-int8")


@pytest.mark.parametrize(
    ("node", "opset", "faults"),
    [
        (NODE("Frobnicate", ["image"], ["labels"], name="layer7"), 18, ["Frobnicate", "layer7"]),
        (
            NODE("Frobnicate", ["image"], ["labels"], name="layer7", domain="acme"),
            18,
            ["acme:Frobnicate", "Frobnicate in the layer 'layer7'"],
        ),
        (NODE("Identity", ["image"], ["labels"]), 99, ["opset"]),
    ],
)
def test_what_the_runtime_does_not_know_is_named(
    colour_bundle: Bundle, tmp_path: Path, node: onnx.NodeProto, opset: int, faults: list[str]
) -> None:
    sides: list[str | int | None] = [1, "h", "w", 3]
    graph = helper.make_graph(
        [node],
        "odd",
        [helper.make_tensor_value_info("image", onnx.TensorProto.UINT8, sides)],
        [helper.make_tensor_value_info("labels", onnx.TensorProto.UINT8, sides)],
    )
    sets = [helper.make_opsetid("", opset), helper.make_opsetid("acme", 1)]
    model = helper.make_model(graph, opset_imports=sets, ir_version=9).SerializeToString()
    with pytest.raises(EngineError, match=r"onnx-cpu cannot run: ONNX Runtime refuses") as refusal:
        open_engine(corrupted(colour_bundle, tmp_path / "odd", model=model), "onnx-cpu")
    assert all(fault in str(refusal.value) for fault in faults)


def test_values_that_are_not_finite_are_named(tmp_path: Path) -> None:
    """A weight that is not a number, with golden outputs that were made with it, and without it."""
    plain = measured(tmp_path / "plain")
    model = onnx.load(plain.graph())
    tenth = next(one for one in model.graph.initializer if one.name == "tenth")
    tenth.CopyFrom(onnx.numpy_helper.from_array(np.array(np.nan, np.float32), "tenth"))
    image, outputs = plain.golden()
    nan = outputs | {"depth": np.full_like(outputs["depth"], np.nan)}
    for golden, fault in (
        (outputs, "onnx-cpu: the output depth holds 1536 values that are not finite, of 1536: weights are"),
        (nan, "golden.npz: the golden output depth holds 1536 values that are not finite"),
    ):
        bundle = write_bundle(
            tmp_path / "nan",
            BundleDescription.model_validate(plain.info.model_dump(exclude={"files"})),
            graphs={Precision.FLOAT32: model.SerializeToString()},
            golden_image=image[None],
            golden_outputs={Precision.FLOAT32: {name: map_[None] for name, map_ in golden.items()}},
            card="",
        )
        with pytest.raises(BundleError, match=fault):
            open_engine(bundle, "onnx-cpu")


def test_an_input_of_one_size_is_held_to_it(tmp_path: Path) -> None:
    engine = open_engine(inverted(tmp_path / "fixed", size=(32, 48)), "onnx-cpu")
    assert engine.run(np.zeros((32, 48, 3), np.uint8))["picture"].min() == 255
    with pytest.raises(EngineError, match="the image is 32×48, the network takes 48×32 only"):
        engine.run(np.zeros((48, 32, 3), np.uint8))


def test_auto_builds_nothing_and_takes_what_was_built(
    colour_bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    built: list[float] = []

    def opener(bundle: Bundle, threads: int, precision: Precision, on_build: OnBuild | None) -> Engine:
        if not built and on_build is not None:
            on_build("building tensorrt for colour on GPU 7", 0.0)
            built.append(1)
        return onnx_cpu.open_cpu(bundle, threads, precision)

    monkeypatch.setitem(engines._TABLE, "tensorrt", (opener, Precision.FLOAT32))
    said: list[tuple[str, float]] = []
    engine = open_engine(colour_bundle, threads=3, on_build=lambda what, share: said.append((what, share)))
    assert (built, said) == ([], [])
    (reason,) = (text for text in engine.info.passed_over if text.startswith("tensorrt cannot"))
    assert reason == (
        "tensorrt cannot run yet: building tensorrt for colour on GPU 7 takes minutes. "
        "Ask for it by name once; from then on auto takes it where it is the fastest."
    )
    open_engine(colour_bundle, "tensorrt", 3, lambda what, share: said.append((what, share)))
    assert said == [("building tensorrt for colour on GPU 7", 0.0)]
    again = open_engine(colour_bundle, threads=3)
    assert not any(text.startswith("tensorrt cannot") for text in again.info.passed_over)
    assert "when it was measured" not in again.info.reason
