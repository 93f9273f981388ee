"""What an embedding program gives a node, checked before anything runs."""

import math
import sys
from collections.abc import Mapping

from perception.errors import ConfigError
from perception.node.worker_pool import WorkerPool
from perception.sources.base import Source
from perception.types import Policy

FROM_ZERO = "min_rate", "max_age_ms", "workers"


def policy_of(source: Source, asked: Policy | None) -> Policy:
    """What gives way; None: the freshest frame counts for what is live, every frame for a recording.

    Raises:
        ConfigError: there is no such policy.
    """
    if asked is None:
        return Policy.FRESHEST if source.live else Policy.EVERY_FRAME
    try:
        return Policy(asked)
    except ValueError:
        raise ConfigError(f"policy: {asked!r} is none; give one of {', '.join(Policy)}") from None


def check_numbers(given: Mapping[str, object]) -> None:
    """Raises: ConfigError: one is no number, or not one that it may be."""
    for name, value in given.items():
        if value is None or isinstance(value, WorkerPool):
            continue
        least = 0 if name in FROM_ZERO else sys.float_info.min
        if not isinstance(value, int | float) or isinstance(value, bool) or not least <= value < math.inf:
            wanted = "0 or more" if least == 0 else "above 0"
            raise ConfigError(f"{name}: {value!r} is refused; give a number, {wanted}")
