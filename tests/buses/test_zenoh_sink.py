"""What another program gets over Zenoh."""

import json
import time
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import psutil
import pytest

from perception.classes import DRIVE
from perception.errors import ConfigError, SinkError
from perception.interchange.ros.types import typestore
from perception.scene import Status
from perception.sinks.base import Publication, Sink
from perception.sinks.queue import SinkQueue
from perception.sinks.registry import SINKS, open_sink
from perception.types import Policy
from tests.buses.programs import Program, a_scene, free_endpoint, until


@pytest.fixture
def endpoint() -> str:
    return free_endpoint()


@pytest.fixture
def sink(endpoint: str) -> Iterator[Sink]:
    one = open_sink(f"zenoh:car/front?listen={endpoint}", 30, DRIVE)
    yield one
    one.close()


def writing(sink: Sink, status: Status = Status.OK) -> Callable[[], None]:
    numbers = count()

    def write() -> None:
        frame, scene = a_scene(next(numbers), status)
        assert sink.write(frame, scene, frame.image) is None

    return write


def put(key: str) -> Callable[[dict[str, Any]], bool]:
    return lambda line: line["what"] == "put" and line["key"] == key


def decoded(line: dict[str, Any]) -> Any:
    form, _, kind = line["encoding"].partition(";")
    assert form == "application/cdr"
    return typestore().deserialize_cdr(bytes.fromhex(line["data"]), kind)


def test_messages_come_as_they_are_with_their_types(sink: Sink, endpoint: str) -> None:
    with Program("zenoh_listener.py", endpoint, "car/front/**") as listener:
        write = writing(sink)
        line = listener.heard(put("car/front/instances"), write)
        record = listener.heard(put("car/front/scene"), write)
        stale = writing(sink, Status.STALE)
        listener.heard(
            lambda line: put("car/front/scene")(line) and json.loads(decoded(line).data)["status"] == "stale",
            stale,
        )
        while not listener.lines.empty():
            listener.lines.get()
        for _ in range(3):  # nothing that must not be trusted
            assert not listener.heard(lambda line: line["what"] == "put", stale)["key"].endswith("labels")
    image = decoded(line)
    scene = a_scene(image.header.stamp.nanosec - 123_456_000)[1]
    assert image.data.tobytes() == scene.instance_map.astype("<u2").tobytes()
    assert json.loads(decoded(record).data)["status"] == "ok"


def test_who_comes_late_asks_for_what_is_latched_and_sees_who_lives(sink: Sink, endpoint: str) -> None:
    writing(sink)()
    with Program("zenoh_listener.py", endpoint, "car/front/*") as listener:
        alive = listener.heard(lambda line: line["what"] == "alive", lambda: None)
        assert (alive["key"], alive["kind"]) == ("car/front", "SampleKind.PUT")
        latched = listener.heard(lambda line: line["key"] == "car/front/classes", lambda: None)
        assert json.loads(decoded(latched).data)["classes"][3]["name"] == "road"
        sink.close()
        gone = listener.heard(lambda line: line["what"] == "alive", lambda: None)
        assert (gone["key"], gone["kind"]) == ("car/front", "SampleKind.DELETE")


def test_nothing_is_encoded_for_nobody(sink: Sink, monkeypatch: pytest.MonkeyPatch) -> None:
    writing(sink)()  # what is latched is kept for who comes
    monkeypatch.setattr(
        "perception.interchange.ros.vocabulary.cdr", lambda one: pytest.fail(f"{one} is encoded")
    )
    writing(sink)()


def test_a_subscriber_that_hangs_costs_neither_time_nor_memory(sink: Sink, endpoint: str) -> None:
    frame, scene = a_scene(size=(720, 1280))
    with Program("zenoh_listener.py", endpoint, "car/front/*") as listener:
        listener.heard(put("car/front/labels"), lambda: sink.write(frame, scene, frame.image))
        listener.say("stop")
        until(lambda: psutil.Process(listener.pid).status() == psutil.STATUS_STOPPED)
        before, began = psutil.Process().memory_info().rss, time.monotonic()
        for _ in range(100):  # 2.8 MB each
            sink.write(frame, scene, frame.image)
        assert psutil.Process().memory_info().rss - before < 60e6
        assert time.monotonic() - began < 30


def test_a_place_that_is_taken_is_told(sink: Sink, endpoint: str) -> None:
    with pytest.raises(SinkError, match=f"zenoh:car/rear.*{endpoint}.*in use") as error:
        open_sink(f"zenoh:car/rear?listen={endpoint}", 30, DRIVE)
    assert ".rs" not in str(error.value)


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        ("zenoh:", "needs a key"),
        ("zenoh:car/**", "no wildcards"),
        ("zenoh:/car", "needs a key"),
        ("zenoh:car?connect=127.0.0.1:7447", "an endpoint is such as tcp/127.0.0.1:7447"),
        ("zenoh:car?config=z.json5&listen=tcp/127.0.0.1:1", "leave connect and listen to it"),
    ],
)
def test_what_is_no_key_or_endpoint_is_refused(uri: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        SINKS.parse(uri)


def test_it_listens_nowhere_and_waits_for_whom_it_connects_to(endpoint: str) -> None:
    before = listening()
    sink = open_sink(f"zenoh:car/front?connect={endpoint}", 30, DRIVE)
    frame, scene = a_scene()

    def written() -> bool:
        left_out = sink.write(frame, scene, frame.image)
        assert left_out in (None, "not connected")
        return left_out is None

    assert not written()
    queue = SinkQueue(sink.uri, lambda: sink, Policy.FRESHEST)
    queue.offer(Publication(frame, scene, frame.image))
    until(lambda: queue.state.lost)
    assert (queue.state.written, queue.state.lost, queue.state.queued) == (0, {"not connected": 1}, 0)
    assert not queue.broken
    for _ in range(2):
        with Program("zenoh_talker.py", "router", endpoint):
            until(written)
            assert listening() == before
        until(lambda: not written())
    queue.close()


def listening() -> set[object]:
    return {one.laddr for one in psutil.Process().net_connections() if one.status in ("LISTEN", "NONE")}
