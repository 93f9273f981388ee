"""One checkpoint leaves torch in several precisions, each measured against torch."""

from importlib.util import find_spec

import cv2
import numpy as np
import onnx
import onnxruntime as ort
import torch

from calibration.ranges import Method
from export.sensitivity import Listener, with_logits
from export.tolerances import faults
from perception.bundle.manifest import GRAPHS, Precision
from perception.datasets.opening import open_dataset
from perception.evaluation.evaluation import Evaluation
from perception.evaluation.judged import Judged
from perception.frame import Frame
from perception.networks.export_wrapper import Deployed
from perception.perceiver import Perceiver
from perception.training.checkpoint import load_weights
from tests.export.conftest import VALIDATION, Exported, TinyNet


def test_each_precision_has_a_golden_output_and_its_accuracy_on_a_named_set(exported: Exported) -> None:
    bundle = exported.bundle
    assert bundle.precisions == tuple(Precision)
    for precision in Precision:
        (accuracy,) = bundle.info.accuracy[precision]
        assert accuracy.set == VALIDATION.replace(":", ": ")
        assert accuracy.frames == 2
        assert accuracy.agreement is not None
        assert accuracy.agreement > (0.99 if precision.startswith("float") else 0.9)
        labels = bundle.golden(precision)[1]["labels"]
        assert np.mean(labels == bundle.golden()[1]["labels"]) > 0.9


def test_accuracy_is_that_of_the_node(exported: Exported) -> None:
    perceiver = Perceiver.load(exported.bundle.folder, "onnx-cpu-int8")
    dataset, evaluation = open_dataset(VALIDATION), Evaluation()
    for i in range(len(dataset)):
        frame = Frame(dataset[i].image, 0)
        evaluation.update(Judged(dataset[i], frame, perceiver.perceive(frame)))
    (said,) = exported.bundle.info.accuracy[Precision.INT8]
    assert said.mean_iou == evaluation.confusion.mean_iou()
    assert said.iou["road"] == evaluation.confusion.iou()[1 << 3]


def _graph(exported: Exported, precision: Precision) -> onnx.GraphProto:
    return onnx.load(str(exported.bundle.graph(precision))).graph


def test_float16_computes_in_float16_between_the_same_input_and_output(exported: Exported) -> None:
    graph, exact = _graph(exported, Precision.FLOAT16), _graph(exported, Precision.FLOAT32)
    types = {tensor.data_type for tensor in graph.initializer if len(tensor.dims) == 4}
    assert types == {onnx.TensorProto.FLOAT16}
    assert "BatchNormalization" not in {node.op_type for node in graph.node}
    assert [(o.name, o.type) for o in graph.output] == [(o.name, o.type) for o in exact.output]


def test_symmetric_int8_is_what_tensorrt_takes(exported: Exported) -> None:
    graph = _graph(exported, Precision.SYMMETRIC_INT8)
    tensors = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}
    steps = [node for node in graph.node if node.op_type in ("QuantizeLinear", "DequantizeLinear")]
    assert steps
    for node in steps:
        assert tensors[node.input[2]].dtype == np.int8
        assert not tensors[node.input[2]].any()
    weights = [values for values in tensors.values() if values.ndim == 4]
    assert sorted(values.dtype.name for values in weights) == ["float32", "int8", "int8", "int8"]
    tools = [name for name in exported.bundle.info.checks if name.startswith("tensorrt")]
    built = ("float32", "float16", "symmetric-int8") if find_spec("tensorrt_rtx") else ()
    assert tuple(name.rpartition(", ")[2] for name in tools) == built


def test_the_worst_layer_is_left_in_float(exported: Exported) -> None:
    for precision, layers in exported.measured.sweeps.items():
        names = [one.layer for one in layers]
        assert set(names) == {"network.stem.0", "network.body.0.0", "network.body.1.0", "network.head"}
        assert [one.noise for one in layers] == sorted((one.noise for one in layers), reverse=True)
        assert exported.measured.exact[precision] == names[:1]
        graph = _graph(exported, precision)
        tensors = {tensor.name: tensor.data_type for tensor in graph.initializer}
        assert tensors[f"{names[0]}.weight"] == onnx.TensorProto.FLOAT


def test_what_is_left_in_float_is_exact_in_the_runtime_too(exported: Exported) -> None:
    """Its optimiser would round those weights by itself."""
    graph = exported.bundle.graph(Precision.INT8).read_bytes()
    image = exported.bundle.golden()[0][None]
    outputs = []
    for optimisers in ([], ["WeightBiasQuantization"]):
        session = ort.InferenceSession(
            with_logits(graph), providers=["CPUExecutionProvider"], disabled_optimizers=optimisers
        )
        outputs.append(session.run(None, {"image": image})[1])
    assert outputs[0].dtype == np.float32
    assert np.mean(outputs[0] != outputs[1]) < 0.01


def test_auto_takes_the_calibration_with_least_noise(exported: Exported) -> None:
    said = exported.measured.calibration
    noise = {method: float(said.split(f" by {method}")[-2].split()[-1].lstrip("(")) for method in Method}
    assert f"8 frames by {min(noise, key=lambda one: noise[one])}," in said


def test_noise_is_the_error_as_a_share_of_the_variance(exported: Exported) -> None:
    folder = exported.bundle.folder
    exact = (folder / GRAPHS[Precision.FLOAT32]).read_bytes()
    image = exported.bundle.golden()[0][None]
    listener = Listener(exact, [image])
    assert listener.noise(exact) == 0
    doubled = onnx.load_from_string(exact)
    argmax = next(node for node in doubled.graph.node if node.op_type == "ArgMax")
    argmax.input[0], logits = "doubled", argmax.input[0]
    twice = onnx.helper.make_node("Add", [logits, logits], ["doubled"])
    doubled.graph.node.insert(list(doubled.graph.node).index(argmax), twice)
    with torch.inference_mode():
        network = TinyNet(12).eval()
        load_weights(network, folder)
        values = network(Deployed.pixels(torch.from_numpy(image))).double()
    expected = float(values.square().mean() / values.var(correction=0))
    assert abs(listener.noise(doubled.SerializeToString()) / expected - 1) < 1e-3


def test_report_shows_what_each_precision_loses_and_where(exported: Exported) -> None:
    text = (exported.report / "report.md").read_text()
    for said in ("mean IoU", "IoU road", "pixels of torch's class", "symmetric-int8: worst layers"):
        assert f"| {said}" in text or f"## {said}" in text
    assert "secret" not in text
    picture = cv2.imread(str(exported.report / "differences.png"))
    assert picture is not None
    assert picture.shape[1] == 4 * 400
    worst = [one for each in exported.measured.comparisons for one in each.worst if one.share > 0]
    heights = (round(400 * one.image.shape[0] / one.image.shape[1]) + 22 for one in worst)
    assert picture.shape[0] == sum(heights)
    for one in worst:
        assert one.share == np.mean(one.expected != one.found)


def test_card_and_bundle_state_origin_sizes_and_losses_and_no_path(exported: Exported) -> None:
    bundle = exported.bundle
    assert bundle.info.training.data == ("camvid: camvid/train",)
    card = (bundle.folder / "README.md").read_text()
    for precision in Precision:
        assert f"| {precision} | `{GRAPHS[precision]}` |" in card
    assert "| mean IoU" in card
    assert "secret" not in card + (bundle.folder / "bundle.json").read_text()
    for precision in Precision:
        assert b"/" + b"site-packages" not in bundle.graph(precision).read_bytes()


def test_bundle_can_be_trained_on(exported: Exported, tiny: Deployed) -> None:
    again = TinyNet(12)
    load_weights(again, exported.bundle.folder)
    for name, tensor in tiny.network.state_dict().items():
        if not name.endswith("num_batches_tracked"):
            assert torch.allclose(again.state_dict()[name], tensor, rtol=1e-3, atol=1e-7), name


def test_what_passed_is_within_its_limits(exported: Exported) -> None:
    assert not [fault for one in exported.measured.comparisons for fault in faults(one)]
