"""What sinks on buses send, without a bus."""

import time

import pytest

from perception.classes import DRIVE
from perception.interchange.messages.channels import TRUSTED, Message
from perception.sinks.base import Opening
from perception.sinks.bus import BusSink
from perception.sinks.registry import SINKS
from tests.buses.programs import a_scene


class NoBus(BusSink):
    refusal = OSError

    def __init__(self) -> None:
        super().__init__(SINKS.parse("zenoh:car/front"), Opening(30.0, DRIVE))
        self.sent: list[str] = []

    def _subscribed(self) -> frozenset[str]:
        return frozenset(self._vocabulary.channels)

    def _send(self, one: Message) -> None:
        self.sent.append(one.channel.name)

    def close(self) -> None:
        pass


@pytest.mark.parametrize(("age_s", "fresh"), [(0.0, True), (5.0, False)])
def test_what_has_grown_stale_since_it_was_published_is_withheld(age_s: float, fresh: bool) -> None:
    frame, scene = a_scene()
    host_ns = time.monotonic_ns() - round(age_s * 1e9)
    sink = NoBus()
    sink.write(frame, scene.evolve(host_ns=host_ns, max_age_ms=1000.0), frame.image)
    assert bool(TRUSTED & set(sink.sent)) is fresh
    assert "scene" in sink.sent
