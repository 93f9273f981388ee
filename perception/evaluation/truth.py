"""The scene that a sample's labels describe."""

import numpy as np

from perception.classes import DRIVE, KEY_POINTS, UNKNOWN, ClassSet
from perception.datasets.dataset import Sample
from perception.evaluation.metrics.instances import true_instances
from perception.scene import KeyPoint, Scene


def true_key_points(sample: Sample) -> tuple[KeyPoint, ...]:
    """The key points of a sample, each as sure as can be."""
    points = () if sample.key_points is None else sample.key_points.tolist()
    return tuple(KeyPoint(KEY_POINTS[int(kind)], x, y, 1.0) for kind, x, y, _ in points)


def true_scene(sample: Sample, classes: ClassSet = DRIVE) -> Scene:
    """What the labels say of a sample: partial ones as their first class, those of most classes unknown."""
    labels = np.full(sample.target.shape, UNKNOWN, np.uint8)
    for bits in np.unique(sample.target).tolist():
        if 0 < bits.bit_count() <= len(classes) // 2:
            labels[sample.target == bits] = (bits & -bits).bit_length() - 1
    return Scene(
        sequence=0,
        stamp_ns=0,
        wall_ns=0,
        stem=sample.name,
        camera="",
        labels=labels,
        instance_map=sample.instances,
        instances=true_instances(sample),
        lanes=() if sample.truth is None else sample.truth.lanes,
        picture=sample.picture,
        depth=sample.depth,
        key_points=true_key_points(sample),
    )
