"""The graph that leaves torch."""

import logging
import warnings

import onnx
import onnx_ir.passes.common as passes
import torch
from onnxscript import optimizer

from perception.networks.deployed import Deployed
from perception.training.describe import MULTIPLE

OPSET = 18


def to_onnx(deployed: Deployed) -> bytes:
    """The serialised ONNX graph, for the network's one size, or for all that are multiples of `MULTIPLE`.

    Weights keep the names of the network's parameters, batch normalisation included, so that the network can
    be trained on from the graph alone. Runtimes fold the normalisation into the convolutions on loading.
    """
    sides = {axis + 1: MULTIPLE * torch.export.Dim(name) for axis, name in enumerate(("h", "w"))}
    height, width = deployed.size or (6 * MULTIPLE, 8 * MULTIPLE)
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # it reports every optional package it misses
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # of torch about itself
        program = torch.onnx.export(
            deployed,
            (torch.zeros((1, height, width, 3 * deployed.frames), dtype=torch.uint8),),
            dynamo=True,
            input_names=["image"],
            output_names=list(deployed.outputs),
            dynamic_shapes=None if deployed.size else {"image": sides},
            opset_version=OPSET,
            optimize=False,  # it would fold the normalisation and lose the weights' names
            verbose=False,
        )
    assert program is not None  # the dynamo exporter always returns one
    optimizer.fold_constants(program.model, onnx_shape_inference=True)
    optimizer.remove_unused_nodes(program.model)
    passes.LiftConstantsToInitializersPass(lift_all_constants=True, size_limit=0)(program.model)
    model = program.model_proto
    for described in [
        model.graph,
        *model.graph.node,
        *model.graph.input,
        *model.graph.output,
        *model.graph.value_info,
        *model.graph.initializer,
    ]:
        described.ClearField("metadata_props")  # traces of the exporting machine's files
        described.ClearField("doc_string")
    onnx.checker.check_model(model, full_check=True)
    return bytes(model.SerializeToString())
