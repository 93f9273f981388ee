"""A day of a node by a clock of the test's own: what rolls rolls, what expires is gone, and nothing grows."""

import asyncio
import logging
import socket
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import psutil
import pytest

from perception.app import logs
from perception.classes import DRIVE
from perception.frame import Drop, DropReason, Frame
from perception.health.degradation import Degradation
from perception.health.latency import StageTimes
from perception.health.monitor import Monitor
from perception.health.types import Finding, Level, NodeState
from perception.node.accounting import Accounting
from perception.scene import Status, unknown_scene
from perception.sinks.registry import open_sink
from perception.sinks.web.gate import BURST, HOSTS, IDLE_S, PATIENCE_S, RATE, Gate
from perception.types import NS_PER_S
from tests.e2e.faults.node import readable
from tests.e2e.faults.table import Rows

DAY_S = 24 * 3600
STARTS_S = 1_800_000_000  # 2027-01-15 08:00 UTC


def grown(work: Callable[[], None]) -> int:
    """Bytes of Python's that the work leaves behind."""
    tracemalloc.start()
    before = tracemalloc.take_snapshot()
    work()
    after = tracemalloc.take_snapshot().compare_to(before, "filename")
    tracemalloc.stop()
    return sum(one.size_diff for one in after)


def test_a_day_of_counts_health_and_quality(rows: Rows) -> None:
    """A frame each 4 s, of which some fail, health each 20, and a machine that is too slow by the hour."""
    times = StageTimes(("end_to_end", "infer", "transport", "decode"))
    monitor = Monitor("front", 1 / 4, times, live=True, max_age_ms=250.0, min_rate=0.2)
    accounting, degradation = Accounting(), Degradation()
    steps = set()

    def hours(begin: int, end: int) -> None:
        for second in range(3600 * begin, 3600 * end, 4):
            now_ns = (STARTS_S + second) * NS_PER_S
            monitor.arrived(now_ns)
            accounting.capture(second)
            if second % 97 == 0:
                accounting.drop(Drop(second, DropReason.FAILED, f"frame {second}: the engine failed"))
            else:
                accounting.publish(second, Status.OK if second % 31 else Status.STALE)
                found = [Finding("black", Level.ERROR, f"mean {second % 7}")] if second % 600 < 60 else []
                monitor.published(found, now_ns)
            for name in times.latencies:
                times.add(name, 20.0 + second % 50, at_ns=now_ns)
            slow = second // 3600 % 2 == 0 and second % 3600 < 1800
            for later in range(4):  # it is looked at each second
                degradation.update(slow, not slow, now_ns + later * NS_PER_S)
            if second % 20 == 0:
                account = accounting.account()
                health = monitor.health(
                    now_ns, now_ns, state=NodeState.ACTIVE, account=account, step=degradation.step
                )
                steps.add(health.step)
                assert health.captured == health.published + sum(health.dropped.values()) + health.in_hand

    hours(0, 2)
    left = grown(lambda: hours(2, 24))
    assert accounting.account().captured == DAY_S // 4 and len(steps) >= 3
    assert len(accounting.messages) <= 21
    assert left < 64_000
    says = f"{DAY_S // 4} frames leave {left / 1000:.0f} kB"
    rows.add("24 h by a fake clock: account, health, quality", says, None, "nothing")


class Counted:
    """A stderr that keeps nothing."""

    def __init__(self) -> None:
        self.lines = self.bytes = 0

    def write(self, text: str) -> None:
        self.lines += text.count("\n")
        self.bytes += len(text.encode())

    def flush(self) -> None: ...


def test_a_day_of_a_log_with_faults_that_last(rows: Rows, monkeypatch: pytest.MonkeyPatch) -> None:
    now, stderr = [0.0], Counted()
    monkeypatch.setattr("perception.app.logs.time.monotonic", lambda: now[0])
    monkeypatch.setattr("sys.stderr", stderr)
    handler = logs.Handler(logs.as_json)

    def day() -> None:
        for second in range(0, DAY_S, 2):
            now[0] = float(second)
            record = logging.LogRecord("perception.node", logging.WARNING, "", 0, "lost: %d", (second,), None)
            record.event, record.camera = "frame_failed", f"camera {second % 4}"
            handler.handle(record)

    left = grown(day)
    handler.close()
    # Ten lines of each of two kinds, then two a minute, and one that says how many more there were.
    assert 2 * 3 * (DAY_S / 60 - 1) < stderr.lines <= 2 * 3 * (DAY_S / 60 + 1) + 2 * 8
    assert left < 64_000
    says = f"{stderr.lines} of {DAY_S // 2} lines, {stderr.bytes / DAY_S * 3.6:.0f} kB an hour"
    rows.add("24 h by a fake clock: a fault of two cameras each 4 s, in the log", says, None, "nothing")


def test_a_day_of_a_recording_in_pieces_with_a_clock_that_goes_back(
    rows: Rows, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pieces of ten minutes, a frame each ten seconds; at noon the wall clock goes back by two hours."""
    wall = [float(STARTS_S)]
    gmtime = time.gmtime
    monkeypatch.setattr("perception.sinks.segments.time.gmtime", lambda: gmtime(wall[0]))
    keep = 500_000
    sink = open_sink(f"{tmp_path}/drive.mp4?minutes=10&keep=0.5MB", 0.1, DRIVE)
    process, open_files, most = psutil.Process(), [], 0
    noise = np.random.default_rng(0).integers(0, 256, (8, 48, 64, 3), np.uint8)
    for number in range(DAY_S // 10):
        seconds = 10 * number
        wall[0] = STARTS_S + seconds - (7200 if seconds >= DAY_S // 2 else 0)
        frame = Frame(noise[number % 8], seconds * NS_PER_S, sequence=number)
        sink.write(frame, unknown_scene(frame, Status.OK), frame.image)
        if number % 500 == 0:
            open_files.append(process.num_fds())
            most = max(most, sum(path.stat().st_size for path in tmp_path.glob("*.mp4")))
    sink.close()
    pieces = sorted(tmp_path.glob("*.mp4"), key=lambda path: path.stem[-4:])
    numbers = [int(path.stem[-4:]) for path in pieces]
    assert numbers == list(range(numbers[0], 143)) and len(numbers) >= 3
    assert pieces[-1].name == "drive-20270116T055330Z-0142.mp4"  # two hours less than the day was long
    assert all(readable(piece) == 61 for piece in pieces[:-1])  # 600 s from the first to the last
    assert most < keep * 1.3 and max(open_files) - min(open_files) <= 2
    says = f"142 pieces of 61 frames, the last {len(pieces)} kept, in order; {open_files[-1]} files open"
    rows.add("24 h by a fake clock: pieces of 10 min; it goes back 2 h", says, None, "nothing")


def test_a_day_of_a_folder_that_keeps_the_newest(rows: Rows, tmp_path: Path) -> None:
    """A frame each four minutes, in runs of six hours, whose files begin again with the same names."""
    keep, count, most = 100_000, 90, 0
    noise = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)

    def run() -> None:
        nonlocal most
        sink = open_sink(f"{tmp_path}/?keep=0.1MB", 1 / 240, DRIVE)
        for number in range(count):
            frame = Frame(noise, 240 * number * NS_PER_S, sequence=number)
            sink.write(frame, unknown_scene(frame, Status.OK), frame.image)
            if number % 10 == 0:
                most = max(most, sum(path.stat().st_size for path in tmp_path.iterdir()))
        sink.close()

    def runs() -> None:
        for _ in range(3):
            run()

    run()
    left = grown(runs)
    kept = sorted(int(path.name[:6]) for path in tmp_path.glob("*.overlay.jpg"))
    assert len(kept) > 20 and kept == list(range(count))[-len(kept) :]
    assert most <= keep * 1.1 and left < 64_000
    says = f"{4 * count} frames in 4 runs: the last {len(kept)} kept, at most {most / 1000:.0f} kB"
    rows.add("24 h by a fake clock: a folder with ?keep=, begun again each 6 h", says, None, "nothing")


class Stranger(asyncio.Transport):
    """A connection from a host."""

    def __init__(self, host: str, gate: Gate) -> None:
        super().__init__({"peername": (host, 1)})
        self.cut, self._gate = False, gate

    def get_write_buffer_size(self) -> int:
        return 0

    def abort(self) -> None:
        self.cut = True
        self._gate.leave(self)


def test_a_day_of_strangers_at_the_page(rows: Rows, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each minute one of a new host comes and stays, and asks for much; one of a known host asks once."""
    now, refused, cut = [0.0], 0, 0

    async def pass_time(seconds: float) -> None:
        now[0] += seconds
        for _ in range(4):
            await asyncio.sleep(0)

    async def answered(gate: Gate, one: Stranger) -> int:
        """Of 200 requests at once."""
        turns = [asyncio.ensure_future(gate.turn(one)) for _ in range(200)]
        for _ in range(5):
            await pass_time(0.5)
        return sum(await asyncio.gather(*turns))

    async def day() -> None:
        nonlocal refused, cut
        monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: now[0])
        gate = Gate(socket.create_server(("127.0.0.1", 0)), asyncio.Protocol)
        known = Stranger("10.0.0.1", gate)
        for number in range(DAY_S // 60):
            stranger = Stranger(f"192.0.{number // 250}.{number % 250}", gate)
            gate.enter(stranger)
            if number % 100 == 0:
                assert await answered(gate, stranger) == BURST + PATIENCE_S * RATE
            refused += not await gate.turn(known)
            for _ in range(10):
                await pass_time(6.0)
            cut += stranger.cut
            assert len(gate._hosts) <= HOSTS and not gate._until
        await gate.close()

    asyncio.run(day())
    assert (refused, cut) == (0, DAY_S // 60)
    says = f"{cut} of new hosts closed after {IDLE_S:g} s each, none of a known host's requests refused"
    rows.add("24 h by a fake clock: strangers at the page", says, None, "nothing")
