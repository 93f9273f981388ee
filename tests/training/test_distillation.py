"""Distances from a teacher: exact where they can be counted, and 0 at the teacher's own answers."""

from pathlib import Path

import pytest
import torch

from perception.datasets.opening import open_dataset
from perception.errors import ConfigError
from perception.networks.drive_net import DriveMaps
from perception.training.config import DataConfig, TrainingConfig
from perception.training.distillation import choose_teacher
from perception.training.loop import Trainer
from perception.training.losses.distillation import (
    TEMPERATURE,
    class_distance,
    instance_distance,
    unlabelled_distance,
)
from perception.training.tasks.drive import DriveTask

CONFIG = TrainingConfig(
    network="dual-resolution",
    train=(DataConfig(source="sim:?frames=2&size=128x96&time=day&weather=clear"),),
    losses={"teacher_classes": 1.0, "teacher_instances": 1.0},
    class_balance=False,
    crop=(64, 64),
    pixels=12288,
    paste=0,
    photometric=False,
    batch=2,
    steps=20,
    decoder_rate=5e-3,
    encoder_rate=5e-3,
    workers=0,
)
DRIVE = Path(__file__).parents[2] / "perception" / "models" / "drive"


def test_class_distance_is_the_divergence_at_the_temperature() -> None:
    certain, even = torch.tensor([[[[2.0]], [[0.0]]]]), torch.zeros(1, 2, 1, 1)
    p = torch.tensor(1.0).sigmoid().item()  # 2 / temperature against 0
    half = torch.tensor(0.5)
    expected = TEMPERATURE**2 * sum(q * (torch.tensor(q) / half).log().item() for q in (p, 1 - p))
    assert class_distance(even, certain).item() == pytest.approx(expected, rel=1e-5)
    assert class_distance(certain + 5, certain).item() == pytest.approx(0, abs=1e-6)


def maps(seed: int) -> DriveMaps:
    torch.manual_seed(seed)
    return DriveMaps(
        torch.randn(1, 4, 6, 6), torch.randn(1, 2, 6, 6), torch.randn(1, 2, 6, 6), torch.randn(1, 1, 6, 6)
    )


def test_instance_distance_is_zero_at_the_teachers_answers() -> None:
    things = torch.tensor([2, 3])
    assert instance_distance(maps(1), maps(1), things).item() == 0
    assert instance_distance(maps(1), maps(2), things).item() > 0


def test_a_teacher_answers_where_labels_leave_the_class_open() -> None:
    """Its answers count on unlabelled and partly labelled pixels, and not where one class is labelled."""
    taught = maps(1)
    bits = torch.full((1, 6, 6), 4, dtype=torch.int32)
    bits[0, 0, 0], bits[0, 5, 5] = 0, 6
    assert unlabelled_distance(taught, taught, bits).item() == pytest.approx(0, abs=1e-6)
    for place, counts in (((0, 0), True), ((5, 5), True), ((2, 2), False)):
        other = taught.logits.clone()
        other[0, 0, place[0], place[1]] += 2
        found = unlabelled_distance(taught._replace(logits=other), taught, bits).item()
        assert (found > 1e-3) == counts
        other = taught.centres.clone()
        other[0, 0, place[0], place[1]] += 2
        found = unlabelled_distance(taught._replace(centres=other), taught, bits).item()
        assert (found > 1e-5) == counts
    labelled = torch.full((1, 6, 6), 4, dtype=torch.int32)
    assert unlabelled_distance(maps(2), taught, labelled).item() == 0


def test_offsets_count_where_the_teacher_sees_a_thing() -> None:
    taught = maps(3)
    logits = torch.full((1, 4, 6, 6), 0.0)
    logits[:, 0], logits[:, 2, 0, 0] = 50.0, 100.0  # one pixel is a thing, all others are not
    taught = taught._replace(logits=logits)
    for place, expected in (((0, 0), 3.0), ((4, 4), 0.0)):
        offsets = taught.offsets.clone()
        offsets[:, 0, place[0], place[1]] += 3.0 * 32
        found = instance_distance(taught._replace(offsets=offsets), taught, torch.tensor([2, 3])).item()
        assert found == pytest.approx(expected, abs=1e-4)


def test_a_student_comes_nearer_to_the_shipped_network(tmp_path: Path) -> None:
    trainer = Trainer(CONFIG, tmp_path, teacher=DRIVE)
    assert isinstance(trainer.task, DriveTask)
    assert trainer.task.teacher is not None
    assert not any(name.startswith("teacher") for name in trainer.network.state_dict())
    before = {name: value.clone() for name, value in trainer.task.teacher.state_dict().items()}
    far = _distance(trainer)
    trainer.train()
    assert _distance(trainer) < 0.85 * far
    assert all(torch.equal(value, before[name]) for name, value in trainer.task.teacher.state_dict().items())


def _distance(trainer: Trainer) -> float:
    """From its teacher, on two frames of those that it trains on."""
    assert isinstance(trainer.task, DriveTask)
    assert trainer.task.teacher is not None
    dataset = open_dataset(CONFIG.train[0].source)
    image = torch.stack([torch.from_numpy(dataset[i].image).permute(2, 0, 1).float() for i in range(2)])
    with torch.no_grad():  # in training mode: by the statistics of the frames themselves
        return class_distance(
            trainer.network.train()(image).logits, trainer.task.teacher(image).logits
        ).item()


def test_wrong_uses_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="losses: teacher_classes, teacher_instances need a teacher"):
        Trainer(CONFIG, tmp_path)
    plain = CONFIG.model_copy(update={"losses": {"cross_entropy": 1.0}})
    with pytest.raises(ConfigError, match="no loss of the recipe uses it; add teacher_classes"):
        Trainer(plain, tmp_path, teacher=DRIVE)
    assert choose_teacher(None, ["cross_entropy"], plain) is None
