"""Reading what training wrote: checkpoints, and the weights inside an exported bundle."""

import pickle
import struct
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from pydantic import ValidationError
from torch import Tensor, nn

from perception.bundle.bundle import Bundle
from perception.errors import DataError
from perception.training.config import DataConfig, TrainingConfig

# What torch raises of files that are no checkpoints, or damaged ones.
_BROKEN = (
    *(OSError, EOFError, RuntimeError, ValueError, TypeError, LookupError, AttributeError, OverflowError),
    *(MemoryError, AssertionError, struct.error, pickle.UnpicklingError),
)


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Everything in a checkpoint. Raises DataError where it is not one."""
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except _BROKEN as error:
        raise DataError(f"{path}: cannot be read as a training checkpoint: {error}") from error
    if not isinstance(state, dict) or not {"config", "network", "step"} <= set(state):
        raise DataError(f"{path}: not a checkpoint of perception train; give its checkpoint.pt")
    return state


def read_config(path: Path) -> TrainingConfig:
    """The recipe a checkpoint was made by."""
    try:
        return TrainingConfig.model_validate_json(read_checkpoint(path)["config"])
    except ValidationError as error:
        raise DataError(f"{path}: its recipe is not of this version: {error}") from error


def read_weights(path: Path) -> dict[str, Tensor]:
    """A network's weights by parameter name, from a checkpoint or from a bundle's folder.

    A checkpoint that has the moving average of the weights gives that.

    Raises:
        DataError, BundleError: there are none in it.
    """
    if not path.is_dir():
        state = read_checkpoint(path)
        return dict(state.get("average", state["network"]))
    graph = onnx.load(str(Bundle.load(path).graph())).graph
    prefix = "network."
    return {
        tensor.name.removeprefix(prefix): torch.from_numpy(
            onnx.numpy_helper.to_array(tensor).astype(np.float32)
        )
        for tensor in graph.initializer
        if tensor.name.startswith(prefix)
    }


def load_weights(network: torch.nn.Module, path: Path) -> None:
    """Load a network's weights from a checkpoint or a bundle.

    Raises:
        DataError: they belong to another architecture, or some are no numbers.
    """
    odd = _load_common(network, path)
    if odd:
        raise DataError(
            f"{path}: its weights, {_origin(path)}, are of another architecture than "
            f"{type(network).__name__}: {len(odd)} tensors do not fit, the first is {odd[0]}"
        )


def start_from(network: torch.nn.Module, path: Path) -> list[str]:
    """Load what fits of a checkpoint or a bundle; the names of the tensors that stay as they were.

    Raises:
        DataError: nothing fits, or some weights are no numbers.
    """
    odd = _load_common(network, path)
    left = [name for name in odd if name in network.state_dict()]
    if len(left) == len(_lasting(network.state_dict())):
        raise DataError(
            f"{path}: none of its weights fits {type(network).__name__}; they are {_origin(path)}; "
            "leave out --initial"
        )
    return left


def _load_common(network: torch.nn.Module, path: Path) -> list[str]:
    """Load the tensors that both have in the same shape; the sorted names of all others."""
    found, expected = _lasting(read_weights(path)), _lasting(network.state_dict())
    for name, tensor in found.items():
        if bad := int((~tensor.isfinite()).sum()):
            raise DataError(
                f"{path}: {bad} of {tensor.numel()} values of the weights {name} are NaN or infinite; the "
                "training diverged: take an earlier checkpoint, or train again at lower rates"
            )
    common = {k: v for k, v in found.items() if k in expected and v.shape == expected[k].shape}
    network.load_state_dict(common, strict=False)
    return sorted((set(found) | set(expected)) - set(common))


def _lasting(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Without how many batches the normalisation has seen: a graph does not keep it, and nothing uses it."""
    return {k: v for k, v in weights.items() if not k.endswith("num_batches_tracked")}


def _origin(path: Path) -> str:
    """Which network weights are of, by the names of their tensors."""
    from perception.training.tasks import TASKS, make_task  # noqa: PLC0415 - all networks, to name one

    names = set(_lasting(read_weights(path)))
    said = None if path.is_dir() else read_config(path).network
    with torch.device("meta"):
        for kind in sorted(TASKS, key=lambda kind: kind != said):  # most often the recipe says it
            config = TrainingConfig(
                network=kind, train=(DataConfig(source="sim:"),), crop=(64, 64), photometric=False
            )
            if set(_lasting(make_task(config).network.state_dict())) == names:
                return f"those of {kind}"
    return "of no network that is known here"


def load_imagenet(network: nn.Module, config: TrainingConfig) -> bool:
    """Start from an encoder that knows pictures, where there is one of this kind and width."""
    encoder = getattr(network, "encoder", None)
    known = config.width == 1 and hasattr(encoder, "load_imagenet")
    if known:
        encoder.load_imagenet()  # type: ignore[union-attr]
    return bool(known)
