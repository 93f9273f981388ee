"""`perception bench --live`: a node on cameras of our own, its page being watched, measured from outside."""

import asyncio
import json
import os
import shlex
import socket
import subprocess
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import numpy as np
from aiohttp import ClientError, ClientSession, ClientWebSocketResponse
from rich.console import Group, RenderableType
from rich.table import Column, Table
from rich.text import Text

from perception.app.bench import read_frames
from perception.app.bench.cameras import KINDS, camera
from perception.app.bench.outside import OUT, SOURCE, filled, start
from perception.engines.machine import usable_cores
from perception.errors import ConfigError

RATES = (10.0, 30.0, 60.0)
ROUNDS = 2  # turns of each side where there are two
LOOP = 120  # pictures of the source that a camera sends over and over
READY_S = 60.0  # an engine may have to be chosen first
WARM_S = 2.0  # after the first scene, for the first frames' libraries and memory
_PROC = Path("/proc")


@dataclass(slots=True)
class Watched:
    """What one node did, as a viewer of its page and the system see it; of several turns the sum.

    Attributes:
        sent, published: frames that the camera sent, and scenes that were there for the viewer.
        stale: scenes that the viewer got and that said so.
        ages_ms: of those that it got, from the picture's stamp to when it had the scene.
        cpu_s: of the node's process.
    """

    sent: float = 0.0
    published: int = 0
    stale: int = 0
    cpu_s: float = 0.0
    ages_ms: list[float] = field(default_factory=list)

    def add(self, other: "Watched") -> None:
        self.sent += other.sent
        self.published += other.published
        self.stale += other.stale
        self.cpu_s += other.cpu_s
        self.ages_ms += other.ages_ms


@dataclass(frozen=True, slots=True)
class Row:
    """One node on one camera.

    Attributes:
        published: share of the camera's frames.
        viewed: share of that which the viewer got; `stale`: share of this that was too old.
        age_ms: 50th, 95th and 99th percentile.
        cpu_ms: of a published frame.
    """

    camera: str
    rate: float
    node: str
    published: float
    viewed: float
    stale: float
    age_ms: tuple[float, float, float]
    cpu_ms: float

    @classmethod
    def of(cls, kind: str, rate: float, node: str, seen: Watched) -> "Row":
        published = max(seen.published, 1)
        p50, p95, p99 = np.percentile(seen.ages_ms, (50, 95, 99)).tolist()
        return cls(
            kind,
            rate,
            node,
            seen.published / seen.sent,
            len(seen.ages_ms) / published,
            seen.stale / max(len(seen.ages_ms), 1),
            (p50, p95, p99),
            1000 * seen.cpu_s / published,
        )


@dataclass(frozen=True, slots=True)
class LiveBenchmark:
    """All rows, for people (`table`) and for programs (`as_json`)."""

    source: str
    size: tuple[int, int]
    cores: int
    frames: int
    rows: tuple[Row, ...]

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    def table(self) -> RenderableType:
        height, width = self.size
        heading = (
            f"{self.source}, {width}×{height}, {self.frames} frames\n"
            f"on {self.cores} cores for camera, node and a viewer of its page. Scenes: of the frames sent,\n"
            "to within one; ms from a picture's stamp to when the viewer has its scene, and of CPU for each"
        )
        names = ("scenes", "viewed", "stale", "p50", "p95", "p99", "CPU ms")
        shown = Table("camera", "Hz", "node", *(Column(name, justify="right") for name in names))
        for one in self.rows:
            shares = (f"{share:.1%}" for share in (one.published, one.viewed, one.stale))
            ages = (f"{age:.0f}" for age in one.age_ms)
            shown.add_row(one.camera, f"{one.rate:g}", one.node, *shares, *ages, f"{one.cpu_ms:.1f}")
        return Group(Text(heading), shown, *map(Text, self._ratios()))

    def _ratios(self) -> list[str]:
        """Ours over theirs, of the figures that are shown."""
        pairs = [(a, b) for a, b in zip(self.rows[::2], self.rows[1::2], strict=False) if a.node != b.node]
        return [
            f"{a.camera} {a.rate:g} Hz, ours/theirs: CPU {a.cpu_ms / b.cpu_ms:.2f}, "
            f"age p50 {a.age_ms[0] / b.age_ms[0]:.2f}, p99 {a.age_ms[2] / b.age_ms[2]:.2f}"
            for a, b in pairs
        ]


def measure_live(
    ours: Sequence[str],
    theirs: Sequence[str],
    source: str,
    frames: int,
    rates: Sequence[float] = RATES,
    progress: Callable[[Sequence[Any]], Iterable[Any]] = iter,
) -> LiveBenchmark:
    """Measure a node at each rate of each kind of camera; with another one, in turn with that.

    Args:
        ours, theirs: commands with places for the camera's address `SOURCE` and the page's `OUT`; no words in
            `theirs`: ours alone.
        source: of the pictures, the first `LOOP` of it.
        frames: that a camera sends while it is measured.
        progress: wraps the sequence of turns, such as `rich.progress.track`.

    Raises:
        ConfigError: this system has no /proc, or a node cannot be run or shows no scene.
        PerceptionError: the source cannot be used.
    """
    if not (_PROC / "self/stat").exists():
        raise ConfigError(
            f"--live: there is no {_PROC}/self/stat, by which nodes are measured; run it on Linux"
        )
    some = read_frames(source, LOOP)
    nodes = {"ours": ours} | ({"theirs": theirs} if theirs else {})
    turns = [
        (kind, rate, name)
        for kind in KINDS
        for rate in rates
        for _ in range(ROUNDS if theirs else 1)
        for name in nodes
    ]
    found: dict[tuple[str, float, str], Watched] = {}
    for kind, rate, name in progress(turns):
        with camera(kind, KINDS[kind][0](some, rate), rate) as address:
            seen = _measure_node(nodes[name], address, frames / rate, rate)
        found.setdefault((kind, rate, name), Watched()).add(seen)
    rows = tuple(Row.of(*key, seen) for key, seen in found.items())
    return LiveBenchmark(source, (some[0].height, some[0].width), usable_cores(), frames, rows)


def _measure_node(words: Sequence[str], address: str, seconds: float, rate: float) -> Watched:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        page = f"127.0.0.1:{probe.getsockname()[1]}"
    with TemporaryFile() as said:
        process = start(filled(words, {SOURCE: address, OUT: f"web://{page}"}), said.fileno())
        try:
            return asyncio.run(_watch(page, process, seconds, rate))
        except (ClientError, OSError, TimeoutError) as error:
            said.seek(0)
            words_said = said.read().decode(errors="replace").strip()[-500:]
            what = str(error) or f"no scene on its page within {READY_S:.0f} s"
            raise ConfigError(f"{shlex.join(words)}: {what}: {words_said}") from error
        finally:
            process.terminate()
            process.wait()


async def _watch(page: str, node: "subprocess.Popen[bytes]", seconds: float, rate: float) -> Watched:
    async with ClientSession() as session:
        async with asyncio.timeout(READY_S):
            live = await _connect(session, page, node)
            await live.send_str("front")
            while (await _scene(live))["status"] == "not_ready":
                pass
        await _take(live, WARM_S, Watched())
        seen = Watched()
        before, cpu_s, began = await _published(session, page), _cpu_s(node.pid), time.monotonic()
        await _take(live, seconds, seen)
        seen.published = await _published(session, page) - before
        seen.cpu_s, seen.sent = _cpu_s(node.pid) - cpu_s, (time.monotonic() - began) * rate
        if not seen.ages_ms:
            raise ConnectionError(f"no scene on its page in {seconds:.1f} s; measure for longer, by --frames")
        await live.close()
    return seen


async def _connect(
    session: ClientSession, page: str, node: "subprocess.Popen[bytes]"
) -> ClientWebSocketResponse:
    while node.poll() is None:
        with suppress(ClientError):
            return await session.ws_connect(f"http://{page}/live", max_msg_size=0)
        await asyncio.sleep(0.05)
    raise ConnectionError(f"it has ended with {node.returncode}")


async def _take(live: ClientWebSocketResponse, seconds: float, seen: Watched) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while True:
                scene = await _scene(live)
                seen.ages_ms.append((time.monotonic_ns() - scene["stamp_ns"]) / 1e6)
                seen.stale += scene["status"] == "stale"


async def _scene(live: ClientWebSocketResponse) -> dict[str, Any]:
    """What the next scene's header says: see `perception.sinks.web.protocol.encode`."""
    while True:
        message = await live.receive()
        if isinstance(message.data, bytes):
            length = int.from_bytes(message.data[:4])
            return dict(json.loads(message.data[4 : 4 + length]))
        if live.closed:
            raise ConnectionError("the page has closed the connection")


async def _published(session: ClientSession, page: str) -> int:
    """Scenes so far: those that the viewer was sent, and that it was too slow for."""
    async with session.get(f"http://{page}/health") as answer:
        (viewer,) = (await answer.json())["viewers"]
    return int(viewer["sent"] + viewer["skipped"])


def _cpu_s(pid: int) -> float:
    """CPU time of a process so far, of all its threads."""
    words = (_PROC / str(pid) / "stat").read_text().rpartition(") ")[2].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")
