"""Bundles in torch: the reasons where they cannot be; what all engines are held to holds it, too."""

import sys
from pathlib import Path
from typing import Any

import pytest

from perception.bundle.bundle import Bundle, write_bundle
from perception.bundle.manifest import BundleDescription, Precision
from perception.engines.registry import open_engine
from perception.errors import EngineError


def named(bundle: Bundle, folder: Path, network: str) -> Bundle:
    """The bundle as if it held that network."""
    image, outputs = bundle.golden()
    description: dict[str, Any] = bundle.info.model_dump(exclude={"files"})
    description["network"] = {"name": network, "parameters": 1, "gmacs": 1, "size": (32, 32)}
    return write_bundle(
        folder,
        BundleDescription.model_validate(description),
        graphs={Precision.FLOAT32: bundle.graph().read_bytes()},
        golden_image=image[None],
        golden_outputs={Precision.FLOAT32: {name: map_[None] for name, map_ in outputs.items()}},
        card="",
    )


def test_a_bundle_must_name_a_network_whose_weights_it_has(colour_bundle: Bundle, tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="torch cannot run: the bundle colour does not name its network"):
        open_engine(colour_bundle, "torch")
    with pytest.raises(EngineError, match="torch cannot run: network: 'warp' is not known; there are: drive"):
        open_engine(named(colour_bundle, tmp_path / "warp", "warp"), "torch")
    with pytest.raises(EngineError, match="are of another architecture than Denoiser"):
        open_engine(named(colour_bundle, tmp_path / "denoise", "denoise"), "torch")


def test_without_torch_the_extra_is_named(colour_bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "perception.training.torch_engine", raising=False)
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(EngineError, match=r"the engine torch needs torch.*its extra \[train\]: "):
        open_engine(colour_bundle, "torch")
