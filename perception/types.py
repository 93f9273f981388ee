"""What gives way when frames come faster than they can be handled."""

from enum import StrEnum


class Policy(StrEnum):
    """How frames are handed on, from the source to the network and from there to each sink."""

    FRESHEST = "freshest"  # the newest one counts: older ones that wait are dropped, and counted
    EVERY_FRAME = "every-frame"  # none is dropped: who gives them waits for who takes them
