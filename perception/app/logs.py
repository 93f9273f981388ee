"""Events of a run on stderr, one line each, for people or for machines."""

import json
import logging
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from copy import copy
from dataclasses import dataclass
from math import isfinite
from typing import Any, Literal

from perception.redact import masked, printable

# Lines of one kind: a fault in every frame must not fill a disk. What goes on after such a minute is known:
# under strangers at the page, and with a camera that is lost every 3 s, 10 a minute would be 1.2 MB an hour.
_LIMIT, _LASTING, _WINDOW_S = 10, 2, 60.0
_LONGEST, _FOREIGN = 4000, 500  # characters of a line, and of a library's
# What every record has; the rest was passed as `extra`.
_PLAIN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_OWN = "perception"
_LEVELS = {"WARNING": "WARN", "CRITICAL": "ERROR"}


def set_up(kind: Literal["text", "json"], quiet: bool) -> None:
    """Let all loggers write to stderr: passwords masked, control characters escaped, repeated lines limited.

    Libraries' warnings and errors are warnings: what they mean for the node, it says itself. FFmpeg stays
    silent, as PyAV keeps it: its errors are raised by the source or sink. A second call replaces the handler
    of the first.

    Args:
        quiet: errors only.
    """
    logger = logging.getLogger()
    for handler in list(logger.handlers):
        if isinstance(handler, Handler):
            logger.removeHandler(handler)
            handler.close()
    handler = Handler(as_json if kind == "json" else as_text)
    handler.setLevel(logging.ERROR if quiet else logging.INFO)
    logger.addHandler(handler)
    logging.getLogger(_OWN).setLevel(logging.INFO)
    logging.captureWarnings(True)


@contextmanager
def threads_heard() -> Iterator[None]:
    """While the block runs, what ends a thread that nobody waits for is an error in the log."""
    before = threading.excepthook

    def hear(end: threading.ExceptHookArgs) -> None:
        name = "?" if end.thread is None else end.thread.name
        if end.exc_value is not None:
            logging.getLogger(_OWN).error(
                "the thread %s has ended: %s",
                name,
                end.exc_value,
                exc_info=end.exc_value,
                extra={"event": "thread_ended"},
            )

    threading.excepthook = hear
    try:
        yield
    finally:
        threading.excepthook = before


@dataclass
class _Window:
    begin: float
    limit: int = _LIMIT
    passed: int = 0
    left_out: int = 0
    last: logging.LogRecord | None = None


class Handler(logging.Handler):
    """Writes all errors to stderr, and at most ten other lines a minute of one kind, formatted by `form`; and
    two, while each minute has more.

    A library's lines are warnings of one kind for each of its loggers, without tracebacks: who causes them
    may be a stranger.

    A kind is a logger with an event of one camera, sink or condition; without an event, with the message
    before its arguments are inserted. The number of lines left out is written with the next line of any kind
    after the minute.
    """

    def __init__(self, form: Callable[[logging.LogRecord], str]) -> None:
        super().__init__()
        self._form = form
        self._windows: dict[tuple[str, ...], _Window] = {}

    def emit(self, record: logging.LogRecord) -> None:
        if not _own(record):
            if self.level > logging.WARNING:
                return
            record = _foreign(record)
        now = time.monotonic()
        self._end_windows(now, _WINDOW_S)
        window = self._windows.setdefault(_kind(record), _Window(now))
        if window.passed < window.limit or record.levelno >= logging.ERROR:  # errors are always written
            window.passed += 1
            self._write(record)
        else:
            window.left_out += 1
            window.last = record

    def close(self) -> None:
        self.acquire()
        try:
            self._end_windows(time.monotonic(), 0.0)
        finally:
            self.release()
        super().close()

    def _end_windows(self, now: float, seconds: float) -> None:
        for kind, window in list(self._windows.items()):
            if now - window.begin >= seconds:
                del self._windows[kind]
                if window.last is not None:
                    self._write(_more(window.last, window.left_out))
                    self._windows[kind] = _Window(now, _LASTING)

    def _write(self, record: logging.LogRecord) -> None:
        with suppress(OSError, ValueError):  # where stderr is closed, nobody reads it
            sys.stderr.write(self._form(record) + "\n")
            sys.stderr.flush()


def as_text(record: logging.LogRecord) -> str:
    """`12:03:04 WARN  front: no signal`, in local time."""
    when = time.strftime("%H:%M:%S", time.localtime(record.created))
    return f"{when} {_level(record):5} {_message(record)}"


def as_json(record: logging.LogRecord) -> str:
    """One object: ts (RFC 3339, UTC), level, logger, message, and everything passed as `extra`."""
    whole = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
    values = {
        "ts": f"{whole}.{int(record.created % 1 * 1000):03d}Z",
        "level": _level(record).lower(),
        "logger": record.name,
        "message": _message(record),
    }
    known = _PLAIN | values.keys()  # and Ray puts a field of its own into every record: _ray_timestamp_ns
    extra = {key: one for key, one in vars(record).items() if key not in known and not key.startswith("_")}
    return json.dumps(values | _masked(extra), allow_nan=False)


def _own(record: logging.LogRecord) -> bool:
    return record.name.partition(".")[0] == _OWN


def _foreign(record: logging.LogRecord) -> logging.LogRecord:
    """A library's record as a warning, whose message says in short what was raised."""
    fault = record.exc_info[1] if record.exc_info else None
    text = _text(record) + (f" ({type(fault).__name__}: {fault})" if fault is not None else "")
    short = {"msg": "%s", "args": (text[:_FOREIGN],), "levelno": logging.WARNING, "levelname": "WARNING"}
    kept = {"name": record.name, "created": record.created, "event": "library"}
    return logging.makeLogRecord(kept | short)


def _kind(record: logging.LogRecord) -> tuple[str, ...]:
    fields = vars(record)
    return (
        record.name,
        *(str(fields.get(key, "")) for key in ("camera", "sink", "condition")),
        str(fields.get("event", record.msg)),
    )


def _level(record: logging.LogRecord) -> str:
    return _LEVELS.get(record.levelname, record.levelname)


def _message(record: logging.LogRecord) -> str:
    """With the traceback, if there is one."""
    lines = [_text(record)]
    if record.exc_info and record.exc_info[1] is not None:
        lines += logging.Formatter().formatException(record.exc_info).splitlines()
    return "\n".join(printable(masked(line[:_LONGEST])) for line in lines)


def _text(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except (TypeError, ValueError, KeyError):  # arguments that do not fit; logging would show them unmasked
        return f"{record.msg} {record.args}"


def _masked(value: Any) -> Any:
    """As plain values, each text in it masked, however deep."""
    if value is None or isinstance(value, bool | int) or (isinstance(value, float) and isfinite(value)):
        return value
    if isinstance(value, dict):
        return {masked(str(key)): _masked(one) for key, one in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_masked(one) for one in value]
    return masked(str(value))


def _more(record: logging.LogRecord, number: int) -> logging.LogRecord:
    """Stands for the lines that were left out, of which this was the last."""
    more = copy(record)
    more.created = time.time()
    more.msg, more.args = "… %d more in the last minute; the last one: %s", (number, _message(record))
    more.exc_info = None
    more.more = number
    return more
