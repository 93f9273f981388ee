import shutil
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime
import pytest

from perception.bundle import Bundle, write_bundle
from perception.bundle_info import BundleDescription, Precision
from perception.engines import check_golden, open_engine
from perception.errors import BundleError, EngineError
from tests.conftest import COLOURS_BGR, colour_graph, nearest_colour, write_colour_bundle


@pytest.mark.parametrize("threads", [0, 1, 2])
def test_labels_are_the_networks_byte_for_byte(colour_bundle: Bundle, threads: int) -> None:
    engine = open_engine(colour_bundle, "onnx-cpu", threads)
    for shape in ((32, 32), (64, 160), (96, 32)):
        image = np.random.default_rng(threads).integers(0, 256, (*shape, 3), np.uint8)
        labels = engine.run(image)["labels"]
        assert labels.dtype == np.uint8
        np.testing.assert_array_equal(labels, nearest_colour(image))


def test_several_threads_may_run_one_engine(colour_bundle: Bundle) -> None:
    engine = open_engine(colour_bundle, "onnx-cpu", threads=1)
    wanted = np.random.default_rng(0).integers(0, 12, (40, 64, 96))
    images = [COLOURS_BGR[labels] for labels in wanted]
    with ThreadPoolExecutor(4) as workers:
        found = list(workers.map(engine.run, images))
    np.testing.assert_array_equal([maps["labels"] for maps in found], wanted)


def test_auto_takes_the_first_that_runs_and_says_why(
    colour_bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    engine = open_engine(colour_bundle)
    assert engine.name == "onnx-cpu"
    assert engine.reason == "fastest that runs here; not: onnx-cuda, onnx-cpu-int8"
    cuda, int8 = engine.passed_over
    assert "onnx-cuda cannot run" in cuda and "no CUDA" in cuda and "pip install" in cuda
    assert "onnx-cpu-int8 cannot run" in int8
    asked = open_engine(colour_bundle, "onnx-cpu")
    assert (asked.reason, asked.passed_over) == ("asked for", ())


def test_cuda_that_is_asked_for_and_not_installed_is_an_error(
    colour_bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    with pytest.raises(EngineError, match=r"no CUDA .*pip install 'perception\[gpu\]'"):
        open_engine(colour_bundle, "onnx-cuda")


@pytest.mark.skipif(
    "CUDAExecutionProvider" in onnxruntime.get_available_providers(), reason="this onnxruntime has CUDA"
)
@pytest.mark.filterwarnings("ignore:Specified provider")
def test_a_provider_that_does_not_start_is_an_error(
    colour_bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The session then works, on the CPU: it must not pass for CUDA."""
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CUDAExecutionProvider"])
    with pytest.raises(EngineError, match=r"CUDAExecutionProvider did not start.*CPUExecutionProvider"):
        open_engine(colour_bundle, "onnx-cuda")


def test_a_missing_onnxruntime_is_named_with_the_extra_that_brings_it(
    colour_bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    for name in ("onnx-cuda", "onnx-cpu", "auto"):
        with pytest.raises(EngineError, match=r"pip install 'perception\[cpu\]'"):
            open_engine(colour_bundle, name)


def test_unknown_names_and_thread_counts_are_refused(colour_bundle: Bundle) -> None:
    with pytest.raises(EngineError, match=r"'tpu' is not known: .*onnx-cuda, onnx-cpu-int8, onnx-cpu"):
        open_engine(colour_bundle, "tpu")
    with pytest.raises(EngineError, match="threads is -1"):
        open_engine(colour_bundle, threads=-1)


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((33, 32, 3), np.uint8),
        np.zeros((32, 48, 3), np.uint8),
        np.zeros((32, 32, 3), np.float32),
        np.zeros((32, 32, 4), np.uint8),
        np.zeros((32, 32), np.uint8),
        np.zeros((0, 32, 3), np.uint8),
        np.zeros((1, 32, 32, 3), np.uint8),
    ],
)
def test_an_image_the_network_cannot_take_is_refused(
    colour_bundle: Bundle, image: npt.NDArray[Any], capfd: pytest.CaptureFixture[str]
) -> None:
    engine = open_engine(colour_bundle, "onnx-cpu")
    with pytest.raises(EngineError, match=r"takes uint8 \(h, w, 3\).*multiples of 32"):
        engine.run(image)
    assert capfd.readouterr() == ("", "")


def spoilt(
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

    bundle = spoilt(colour_bundle, tmp_path / "wrong", change=one_percent_wrong)
    with pytest.raises(
        BundleError, match=r"golden\.npz: onnx-cpu reproduces 99\.01%.*at least 99\.9%.*[Ee]xport"
    ):
        open_engine(bundle)


def test_a_few_pixels_of_rounding_are_not_a_fault(colour_bundle: Bundle, tmp_path: Path) -> None:
    def four_wrong(labels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        wrong = labels.copy()
        wrong.flat[:4] = (wrong.flat[:4] + 1) % 12
        return wrong

    bundle = spoilt(colour_bundle, tmp_path / "nearly", change=four_wrong)
    assert check_golden(bundle, open_engine(bundle)) == pytest.approx(1 - 4 / (64 * 96))


@pytest.mark.parametrize("model", [b"", b"not an ONNX graph", colour_graph()[:-40]])
def test_a_graph_that_does_not_load_is_an_error_without_a_word_on_stderr(
    colour_bundle: Bundle, tmp_path: Path, model: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    bundle = spoilt(colour_bundle, tmp_path / "cut", model=model)
    with pytest.raises(EngineError, match=r"refuses .*model\.onnx"):
        open_engine(bundle, "onnx-cpu")
    assert capfd.readouterr() == ("", "")


def test_a_bundle_works_from_any_folder(colour_bundle: Bundle, tmp_path: Path) -> None:
    folder = shutil.copytree(colour_bundle.folder, tmp_path / "Modèles [1] #2")
    assert check_golden(Bundle.load(folder), open_engine(Bundle.load(folder))) == 1


def test_auto_takes_the_quantised_network_where_it_is_reproduced(tmp_path: Path) -> None:
    bundle = write_colour_bundle(tmp_path, golden_int8=0)
    assert open_engine(bundle, "auto").name == "onnx-cpu-int8"
    assert open_engine(bundle, "onnx-cpu").name == "onnx-cpu"


def test_auto_says_why_it_leaves_the_quantised_network(tmp_path: Path) -> None:
    bundle = write_colour_bundle(tmp_path, golden_int8=1)
    engine = open_engine(bundle, "auto")
    assert engine.name == "onnx-cpu"
    assert "golden.npz: onnx-cpu-int8 reproduces 0.00%" in engine.reason
    assert "Export the bundle again" in engine.reason
    assert "onnx-cpu-int8 reproduces 0.00%" in engine.passed_over[-1]
    with pytest.raises(BundleError, match=r"onnx-cpu-int8 reproduces 0\.00%"):
        open_engine(bundle, "onnx-cpu-int8")


def test_a_bundle_without_a_quantised_network_says_so(colour_bundle: Bundle) -> None:
    with pytest.raises(EngineError, match=r"has no quantised network.*choose onnx-cpu"):
        open_engine(colour_bundle, "onnx-cpu-int8")
