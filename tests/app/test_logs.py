import json
import logging
import re
import subprocess
import sys
import warnings
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perception.app import logs

LOG = logging.getLogger("perception.test")
URI = "rtsp://admin:hunter2@cam.local/1?token=abcdef"
SECRETS = ("hunter2", "abcdef")


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    logger, own = logging.getLogger(), logging.getLogger("perception")
    before = logger.handlers[:], own.level
    # What another test has set up may still have something to tell.
    logger.handlers[:] = [one for one in logger.handlers if not isinstance(one, logs.Handler)]
    yield
    logger.handlers[:], own.level = before
    logging.captureWarnings(False)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr("perception.app.logs.time.monotonic", lambda: now[0])
    return now


def told(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().err.splitlines()


def told_json(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in told(capsys)]


def test_text_is_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    logs.set_up("text", quiet=False)
    LOG.debug("not this")
    LOG.info("%s: streaming", "front", extra={"event": "link"})
    LOG.warning("front: stale")
    LOG.error("front: no signal")
    lines = told(capsys)
    assert all(re.fullmatch(r"\d\d:\d\d:\d\d .*", line) for line in lines)
    assert [line[9:] for line in lines] == [
        "INFO  front: streaming",
        "WARN  front: stale",
        "ERROR front: no signal",
    ]


def test_json_is_for_machines(capsys: pytest.CaptureFixture[str]) -> None:
    logs.set_up("json", quiet=False)
    record = logging.makeLogRecord(
        {
            "name": "perception.test",
            "levelno": 30,
            "levelname": "WARNING",
            "msg": "%s lost",
            "args": ("link",),
        }
        | {
            "created": 1_795_293_237.0625,
            "event": "link_lost",
            "sizes": (1, 2.5),
            "where": Path("a/b"),
            "ok": True,
            "_ray_timestamp_ns": 3,
        }
    )
    LOG.handle(record)
    assert told_json(capsys) == [
        {
            "ts": "2026-11-21T20:33:57.062Z",
            "level": "warn",
            "logger": "perception.test",
            "message": "link lost",
            "event": "link_lost",
            "sizes": [1, 2.5],
            "where": "a/b",
            "ok": True,
        }
    ]


def test_quiet_leaves_errors(capsys: pytest.CaptureFixture[str]) -> None:
    logs.set_up("text", quiet=True)
    LOG.warning("front: stale")
    LOG.error("front: no signal")
    assert [line[9:] for line in told(capsys)] == ["ERROR front: no signal"]


@pytest.mark.parametrize("kind", ["text", "json"])
def test_nothing_secret_is_told(kind: Any, capsys: pytest.CaptureFixture[str]) -> None:
    logs.set_up(kind, quiet=False)
    LOG.warning(URI)
    LOG.warning("lost %s", URI, extra={"event": "x", "uri": URI, "tried": [URI, {"also": (URI,), URI: 1}]})
    handler = logs.Handler(logs.as_json if kind == "json" else logs.as_text)
    handler.handle(
        logging.makeLogRecord({"name": "perception.x", "msg": "%s and %d", "args": (URI,)})
    )  # which do not fit
    try:
        raise ConnectionError(f"cannot reach {URI}")  # noqa: TRY301 — it is the log that is tested
    except ConnectionError:
        LOG.exception("broke")
    text = capsys.readouterr().err
    assert not any(secret in text for secret in SECRETS)
    assert text.count("rtsp://admin:***@cam.local/1?token=***") >= 4
    assert "ConnectionError" in text


def test_a_kind_is_told_ten_times_a_minute(capsys: pytest.CaptureFixture[str], clock: list[float]) -> None:
    logs.set_up("json", quiet=False)
    for number in range(47):
        LOG.warning("frame %d is lost", number, extra={"event": "frame_lost"})
        if number < 3:
            LOG.warning("frame %d is lost", number, extra={"event": "frame_lost", "camera": "left"})
            LOG.warning("other %d", number)
    lines = told_json(capsys)
    assert [line["message"] for line in lines if "camera" not in line and "event" in line] == [
        f"frame {number} is lost" for number in range(10)
    ]
    assert len(lines) == 16
    clock[0] += 59
    LOG.warning("frame 47 is lost", extra={"event": "frame_lost"})
    assert told(capsys) == []
    clock[0] += 2
    LOG.info("something else")
    first, second = told_json(capsys)
    assert first["message"] == "… 38 more in the last minute; the last one: frame 47 is lost"
    assert (first["more"], first["event"], first["level"]) == (38, "frame_lost", "warn")
    assert second["message"] == "something else"
    LOG.warning("frame 48 is lost", extra={"event": "frame_lost"})
    assert [line["message"] for line in told_json(capsys)] == ["frame 48 is lost"]


def test_what_goes_on_is_told_twice_a_minute(capsys: pytest.CaptureFixture[str], clock: list[float]) -> None:
    logs.set_up("json", quiet=False)
    counts = []
    for lines in (12, 12, 3, 2, 12):
        for _ in range(lines):
            LOG.warning("again")
        counts.append(len(told(capsys)))
        clock[0] += 61
    assert counts == [10, 1 + 2, 1 + 2, 1 + 2, 10]  # with how many more the minute before had


def test_what_was_left_out_is_told_at_the_end(capsys: pytest.CaptureFixture[str]) -> None:
    logs.set_up("text", quiet=False)
    for _ in range(12):
        LOG.warning("again")
    logs.set_up("text", quiet=False)  # ends the one before
    assert told(capsys)[-1].endswith("WARN  … 2 more in the last minute; the last one: again")
    LOG.warning("again")
    assert len(told(capsys)) == 1  # one handler only


def test_threads_do_not_disturb_each_other(capsys: pytest.CaptureFixture[str]) -> None:
    logs.set_up("json", quiet=False)

    def work(number: int) -> None:
        for _ in range(100):
            LOG.warning("thread %d", number, extra={"event": "work", "camera": str(number)})

    threads = [Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    logs.set_up("json", quiet=False)
    lines = told_json(capsys)
    assert len(lines) == 8 * 11
    assert sum(line.get("more", 1) for line in lines) == 800


def fail(logger: logging.Logger, number: int) -> None:
    """As aiohttp logs a request that it does not understand."""
    try:
        raise ValueError(f"bad \x1b[2J {URI} {number}\n{'x' * 5000}")  # noqa: TRY301
    except ValueError as error:
        logger.exception(f"handling {number} of %s", URI, exc_info=error)


def test_libraries_are_told_as_warnings_masked_and_few(capsys: pytest.CaptureFixture[str]) -> None:
    logs.set_up("json", quiet=False)
    for number in range(300):
        fail(logging.getLogger("aiohttp.server"), number)
        logging.getLogger("aiohttp.access").info("not this")
    warnings.warn("an old way", DeprecationWarning, stacklevel=1)
    *lines, warning = told_json(capsys)
    assert len(lines) == 10
    assert {line["level"] for line in lines} == {"warn"} and lines[0]["logger"] == "aiohttp.server"
    for number, line in enumerate(lines):
        text = line["message"]
        assert text.startswith(
            f"handling {number} of rtsp://admin:***@cam.local/1?token=*** (ValueError: bad"
        )
        assert "\\x1b[2J" in text and "\x1b" not in text and "\n" not in text and len(text) < 600
        assert not any(secret in text for secret in SECRETS)
    assert "DeprecationWarning: an old way" in warning["message"] and warning["logger"] == "py.warnings"


def test_libraries_are_quiet_where_the_node_is(capsys: pytest.CaptureFixture[str]) -> None:
    logs.set_up("text", quiet=True)
    fail(logging.getLogger("asyncio"), 1)
    assert told(capsys) == []


def test_the_end_of_a_thread_is_told_as_all_else(capsys: pytest.CaptureFixture[str]) -> None:
    logs.set_up("json", quiet=True)

    def end() -> None:
        raise ValueError(URI)

    with logs.threads_heard():
        thread = Thread(target=end, name="relay")
        thread.start()
        thread.join()
    [line] = told_json(capsys)
    assert line["message"].startswith("the thread relay has ended: rtsp://admin:***@cam.local/1?token=***\n")
    assert (line["level"], line["event"]) == ("error", "thread_ended")
    assert not any(secret in line["message"] for secret in SECRETS)


def test_a_line_is_one_line_and_leads_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    logs.set_up("text", quiet=False)
    LOG.warning("lost %s", "a\n12:00:00 ERROR forged\r\x1b]0;x\x07\x9b31m \u202egpj.exe é 日本")
    [line] = told(capsys)
    assert line.endswith(r"WARN  lost a\n12:00:00 ERROR forged\r\x1b]0;x\x07\x9b31m \u202egpj.exe é 日本")


def test_a_closed_stderr_ends_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    logs.set_up("text", quiet=False)
    with (tmp_path / "closed").open("w") as closed:
        monkeypatch.setattr(sys, "stderr", closed)
    LOG.warning("nobody reads it")
    with suppress(OSError), Path("/dev/full").open("w", buffering=1) as full:  # closing tries once more
        monkeypatch.setattr(sys, "stderr", full)
        LOG.warning("nor this")


@given(
    st.dictionaries(
        st.from_regex(r"[a-z]{3,8}_x", fullmatch=True),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
            lambda one: st.lists(one, max_size=3) | st.dictionaries(st.text(max_size=4), one, max_size=3),
            max_leaves=6,
        ),
        max_size=4,
    ),
    st.text(),
)
def test_every_record_makes_one_line_of_json(extra: dict[str, Any], message: str) -> None:
    line = logs.as_json(logging.makeLogRecord({"name": "perception.x", "msg": message} | extra))
    assert "\n" not in line
    assert {"ts", "level", "logger", "message", *extra} == set(json.loads(line))


def test_ffmpeg_says_nothing_by_itself(tmp_path: Path) -> None:
    """It would name no camera, and may show a URI with its password."""
    (tmp_path / "broken.mp4").write_bytes(b"\0\0\0\x20ftypisom" + bytes(range(256)) * 40)
    code = (
        "import av, contextlib, sys\n"
        "with contextlib.suppress(av.error.FFmpegError):\n"
        "    av.open(sys.argv[1])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "broken.mp4")], capture_output=True, check=True
    )
    assert done.stderr == b"" and done.stdout == b""


def test_an_error_is_never_kept_back(capsys: pytest.CaptureFixture[str], clock: list[float]) -> None:
    logs.set_up("text", quiet=False)
    for number in range(30):
        LOG.error("front: %d", number, extra={"event": "condition", "camera": "front", "condition": "black"})
        LOG.warning("front: late", extra={"event": "condition", "camera": "front", "condition": "age"})
    LOG.warning("front: slow", extra={"event": "condition", "camera": "front", "condition": "rate"})
    lines = told(capsys)
    assert [line.split()[-1] for line in lines if "ERROR" in line] == [str(number) for number in range(30)]
    assert sum("late" in line for line in lines) == 10
    assert lines[-1].endswith("front: slow")  # another condition is another kind
