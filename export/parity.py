"""Parity of graphs with torch: on golden frames, and through the node's own decoding on labelled ones."""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import torch

from export.graph_comparison import Comparison, compare_outputs, compare_scores
from perception.bundle.manifest import BundleDescription, Precision
from perception.classes import ClassSet
from perception.datasets.dataset import Dataset
from perception.decode.instances import choose_grouping, choose_least
from perception.engines.base import Engine
from perception.engines.onnx_cpu import open_graph
from perception.networks.export_wrapper import Deployed
from perception.perceiver import Perceiver
from perception.training.torch_engine import TorchEngine


class ParityCheck:
    """Compares graphs with the network `deployed` that they come from.

    Args:
        description: of the bundle that they are for.
        images: golden frames, uint8 (1, h, w, c).
        datasets: labelled in the network's classes, if it has any.
    """

    def __init__(
        self,
        description: BundleDescription,
        deployed: Deployed,
        images: Sequence[npt.NDArray[np.uint8]],
        datasets: Sequence[Dataset],
    ) -> None:
        self.description = description
        self.reference = self._perceiver(TorchEngine(deployed, torch.device("cpu"), description.input))
        self.images, self.datasets = images, datasets

    def compare(self, graphs: Mapping[Precision, bytes]) -> list[Comparison]:
        """Each graph against torch, on the golden frames and on each data set.

        Raises:
            DataError: a data set has no label that a network could be scored by.
        """
        rivals = {one: self._perceiver(open_graph(graph, one)) for one, graph in graphs.items()}
        found = list(compare_outputs(self.reference, rivals, self.images).values())
        for dataset in self.datasets:
            found += compare_scores(self.reference, rivals, dataset).values()
        return found

    def _perceiver(self, engine: Engine) -> Perceiver:
        classes = ClassSet(**dict(self.description.classes))
        return Perceiver(
            self.description,
            engine,
            choose_grouping(self.description, classes),
            least=choose_least(self.description, classes),
        )
