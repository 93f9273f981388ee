"""Each graph compared with torch, frame by frame, through the node's own decoding."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from perception.bundle.manifest import Accuracy, Precision
from perception.datasets.dataset import Dataset, Sample, public_name
from perception.decode.instances import Maps
from perception.evaluation.evaluation import Evaluation
from perception.evaluation.judged import Judged
from perception.evaluation.scoring import score, subject_of
from perception.frame import Frame
from perception.perceiver import Perceiver
from perception.scene import Scene

Labels = npt.NDArray[np.uint8]
WORST = 1  # frames of a set that are kept to be shown


@dataclass(frozen=True)
class Disagreement:
    """A frame on which a graph and torch differ in classes: image (h, w, 3) BGR, class ids (h, w)."""

    share: float
    name: str
    image: Labels
    expected: Labels
    found: Labels


@dataclass
class Comparison:
    """A graph against torch on the frames of one set.

    Attributes:
        apart: the largest difference of each output.
        noise: the mean square of its difference, as a share of the variance of torch's.
        instances: how many of each thing the set's labels hold.
        accuracy, reference: the figures of the graph, and of torch.
        worst: where they disagree most, the worst first.
    """

    set: str
    precision: Precision
    frames: int = 0
    apart: dict[str, float] = field(default_factory=dict)
    noise: dict[str, float] = field(default_factory=dict)
    instances: Counter[str] = field(default_factory=Counter)
    accuracy: Accuracy | None = None
    reference: Accuracy | None = None
    worst: list[Disagreement] = field(default_factory=list)
    equal: int = 0
    pixels: int = 0

    @property
    def agreement(self) -> float | None:
        """The share of pixels with torch's class; None where the network gives no classes."""
        return self.equal / self.pixels if self.pixels else None

    def add_maps(self, expected: Maps, found: Maps) -> None:
        """Count the outputs of one frame, except ids and lists of boxes: they have no numeric difference."""
        for name, wanted in expected.items():
            if name == "labels" or "boxes" in expected:
                continue
            difference = found[name].astype(np.float64) - wanted
            apart = float(np.abs(difference).max(initial=0.0))
            variance = float(np.var(wanted, dtype=np.float64))
            noise = float(np.mean(difference**2)) / max(variance, 1e-12)
            self.apart[name] = float(np.maximum(self.apart.get(name, 0.0), apart))  # which keeps NaN
            self.noise[name] = float(np.maximum(self.noise.get(name, 0.0), noise))
        self.frames += 1

    def add_labels(self, name: str, image: Labels, expected: Labels, found: Labels) -> None:
        """Count the classes of one frame's pixels."""
        differ = int(np.count_nonzero(expected != found))
        self.equal += expected.size - differ
        self.pixels += expected.size
        self.worst.append(Disagreement(differ / expected.size, name, image, expected, found))
        self.worst = sorted(self.worst, key=lambda one: -one.share)[:WORST]


Comparisons = dict[Precision, Comparison]


def compare_outputs(
    reference: Perceiver, rivals: Mapping[Precision, Perceiver], images: Iterable[npt.NDArray[np.uint8]]
) -> Comparisons:
    """The graphs against torch on golden frames, uint8 (1, h, w, c), without labels."""
    result = {precision: Comparison("golden frames", precision) for precision in rivals}
    for number, image in enumerate(images):
        expected = reference.infer(image[0])
        for precision, rival in rivals.items():
            found = rival.infer(image[0])
            result[precision].add_maps(expected, found)
            if "labels" in expected:
                pixels, labels = image[0, ..., -3:], expected["labels"]
                result[precision].add_labels(str(number), pixels, labels, found["labels"])
    return result


def compare_scores(
    reference: Perceiver, rivals: Mapping[Precision, Perceiver], dataset: Dataset
) -> Comparisons:
    """The graphs against torch on a labelled data set."""
    graphs = _Graphs(reference, rivals, public_name(dataset.name))
    exact = score(replace(subject_of(reference), perceive=graphs.perceive), dataset, graphs, quiet=True)
    for precision, one in graphs.result.items():
        one.reference = _accuracy(exact, one, None)
        one.accuracy = _accuracy(graphs.scores[precision], one, one.agreement)
    return graphs.result


class _Graphs:
    """Shows each graph what the reference is shown, and compares their answers."""

    def __init__(self, reference: Perceiver, rivals: Mapping[Precision, Perceiver], name: str) -> None:
        self.reference, self.rivals = reference, rivals
        self.result = {precision: Comparison(name, precision) for precision in rivals}
        labelled = reference.info.labelled
        self.scores = {one: Evaluation(reference.classes, labelled=labelled) for one in rivals}

    def perceive(self, frame: Frame, earlier: Sequence[Frame]) -> Scene:
        """The reference's scene; input and outputs are kept for `update`."""
        self._seen = self.reference.prepare(frame, earlier)
        self._expected = self.reference.infer(self._seen)
        return self.reference.decode(frame, self._expected)

    def update(self, one: Judged) -> None:
        things = _things(one.sample, one.classes.names)
        for precision, rival in self.rivals.items():
            found = rival.infer(self._seen)
            scene = rival.decode(one.frame, found)
            self.scores[precision].update(Judged(one.sample, one.frame, scene, one.classes))
            comparison = self.result[precision]
            comparison.add_maps(self._expected, found)
            comparison.instances += things
            if self.reference.info.labelled:
                comparison.add_labels(one.sample.name, one.sample.image, one.scene.labels, scene.labels)


def _things(sample: Sample, names: tuple[str, ...]) -> Counter[str]:
    return Counter(names[number // 1000] for number in np.unique(sample.instances).tolist() if number)


def _accuracy(evaluation: Evaluation, one: Comparison, agreement: float | None) -> Accuracy:
    confusion = evaluation.confusion
    precisions = evaluation.figures().get("mask AP", {})
    return Accuracy(
        set=one.set,
        frames=one.frames,
        agreement=agreement,
        mean_iou=confusion.mean_iou() if confusion.counts else None,
        iou={confusion.describe(bits): iou for bits, iou in confusion.iou().items()},
        ap={thing: figures["AP"] for thing, figures in precisions.items() if thing != "all"},
    )
