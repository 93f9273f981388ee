"""The ONNX graph of a network."""

import logging
import re
import warnings

import onnx
import onnx_ir.passes.common as passes
import torch
from onnxscript import optimizer

from export.validation import ParityError
from perception.networks.export_wrapper import Deployed
from perception.training.describe import MULTIPLE

OPSET = 18


def to_onnx(deployed: Deployed) -> bytes:
    """The serialised ONNX graph, for the network's one size, or for all that are multiples of `MULTIPLE`.

    Weights keep the names of the network's parameters, batch normalisation included, so that the network can
    be trained on from the graph alone. Runtimes fold the normalisation into the convolutions on loading.

    Raises:
        ParityError: ONNX has no operator for what a layer does.
    """
    sides = {axis + 1: MULTIPLE * torch.export.Dim(name) for axis, name in enumerate(("h", "w"))}
    height, width = deployed.size or (6 * MULTIPLE, 8 * MULTIPLE)
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # it reports every optional package it misses
    image = torch.zeros((1, height, width, 3 * deployed.frames), dtype=torch.uint8)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # of torch about itself
        try:
            program = torch.onnx.export(
                deployed,
                (image,),
                dynamo=True,
                input_names=["image"],
                output_names=list(deployed.outputs),
                dynamic_shapes=None if deployed.size else {"image": sides},
                opset_version=OPSET,
                optimize=False,  # it would fold the normalisation and lose the weights' names
                verbose=False,
            )
        except torch.onnx.OnnxExporterError as error:
            raise ParityError(f"{_fault(deployed, image, error)}; nothing was written") from error
    assert program is not None  # the dynamo exporter always returns one
    optimizer.fold_constants(program.model, onnx_shape_inference=True)
    optimizer.remove_unused_nodes(program.model)
    passes.LiftConstantsToInitializersPass(lift_all_constants=True, size_limit=0)(program.model)
    model = program.model_proto
    graph = model.graph
    values = [*graph.input, *graph.output, *graph.value_info]
    for described in [graph, *graph.node, *values, *graph.initializer]:
        described.ClearField("metadata_props")  # traces of the exporting machine's files
        described.ClearField("doc_string")
    return serialised(model)


def serialised(model: onnx.ModelProto) -> bytes:
    """The graph without weights that no node uses, checked and serialised."""
    used = {name for node in model.graph.node for name in node.input}
    for tensor in [tensor for tensor in model.graph.initializer if tensor.name not in used]:
        model.graph.initializer.remove(tensor)
    onnx.checker.check_model(model, full_check=True)
    return bytes(model.SerializeToString())


def _fault(deployed: Deployed, image: torch.Tensor, error: Exception) -> str:
    """Which operator ONNX does not have, and in which layer, as far as torch reports it."""
    found = re.search(r"node %(\w+) :.*?target=torch\.ops\.([\w.]+?)(?:\.default)?\]", str(error))
    if found is None:
        return f"the network cannot be exported to ONNX: {error}"
    name, operator = found.groups()
    traced = torch.export.export(deployed, (image,))
    nodes = [*traced.graph.nodes, *traced.run_decompositions().graph.nodes]
    stacks = [node.meta.get("nn_module_stack") for node in nodes if node.name == name]
    layers = [list(stack.values())[-1][0].removeprefix("L['self'].") for stack in stacks if stack]
    where = f"the layer {layers[0]}" if layers else f"the node {name}"
    return (
        f"ONNX has no operator for {operator}, which {where} uses; compute it by others, as "
        "perception.networks.upsampling does for unpooling"
    )
