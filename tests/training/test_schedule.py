"""The trapezoid of rates, and the moving average of weights."""

import numpy as np
import pytest
import torch
from torch import nn

from perception.training.config import DataConfig, TrainingConfig
from perception.training.schedule import WARM_UP, MovingAverage, trapezoid


def test_trapezoid_rises_stays_and_falls() -> None:
    rates = [trapezoid(step, 1000, 0.25) for step in (0, WARM_UP // 2 - 1, WARM_UP, 749, 750, 875, 1000)]
    assert rates == [1 / WARM_UP, 0.5, 1, 1, 1, 0.5, 0]


def test_a_longer_trapezoid_is_the_same_before_its_decay() -> None:
    short, long = ([trapezoid(step, steps, 0.5) for step in range(500)] for steps in (1000, 5000))
    assert short == long


def test_runs_of_a_trapezoid_may_have_other_steps() -> None:
    config = TrainingConfig(train=(DataConfig(source="sim:"),), schedule="trapezoid", steps=100)
    assert config.same_run(config.model_copy(update={"steps": 200, "decay": 0.5}))
    assert not config.same_run(config.model_copy(update={"seed": 7}))
    cycle = config.model_copy(update={"schedule": "one_cycle"})
    assert not cycle.same_run(cycle.model_copy(update={"steps": 200}))


def test_moving_average_is_exponential() -> None:
    network = nn.Linear(1, 1, bias=False)
    nn.init.constant_(network.weight, 1.0)
    average = MovingAverage(network, 0.9)
    expected = 1.0
    for step in range(1, 200):
        nn.init.constant_(network.weight, float(step))
        average.update(network, step)
        share = 1 - min(0.9, (1 + step) / (10 + step))
        expected += share * (step - expected)
    assert average.weights["weight"].item() == pytest.approx(expected)
    assert torch.equal(network.weight, torch.full((1, 1), 199.0))  # the network itself stays as it is


def test_moving_average_goes_on_from_one_of_half_precision() -> None:
    network = nn.Linear(1, 1, bias=False)
    average = MovingAverage(network, 0.9)
    average.load({"weight": torch.full((1, 1), 3.0, dtype=torch.float16)})
    nn.init.constant_(network.weight, 4.0)
    average.update(network, 1000)
    assert average.weights["weight"].dtype == torch.float32
    assert average.weights["weight"].item() == pytest.approx(3.1)


def test_moving_average_takes_statistics_along() -> None:
    network = nn.BatchNorm2d(1)
    average = MovingAverage(network, 0.9)
    network(torch.full((2, 1, 2, 2), 10.0))
    average.update(network, 1000)
    mean = network.state_dict()["running_mean"]
    np.testing.assert_allclose(average.weights["running_mean"], 0.1 * mean, rtol=1e-5)
    assert average.weights["num_batches_tracked"] == 1
