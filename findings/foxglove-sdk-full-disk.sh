#!/usr/bin/env bash
# Logging into an MCAP file on a full disk raises nothing: the SDK's log() returns as if the message were written.
#
# Package:    foxglove-sdk 0.30.3
# Behaviour:  open_mcap takes a path or a file-like object. When a write fails (here OSError 28, no space left),
#             Channel.log goes on returning None for every message; only a line of the logger says it. With zstd,
#             flush() and close() raise a RuntimeError that does not name the cause; without compression they
#             raise nothing either. A recorder that counts what it has logged counts messages that are nowhere.
# Seen:       zstd: of 50 messages 4 are kept; log() raised 0 times, flush() RuntimeError, close() RuntimeError
#             plain: of 50 messages 5 are kept; log() raised 0 times, flush() nothing, close() nothing
#             mcap 1.6.0: add_message raised OSError at message 5
# What we do: log files are written by ourselves on mcap's records, where every failed write raises at once.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet foxglove-sdk==0.30.3 mcap==1.6.0
cd "$work"
"$work/venv/bin/python" - <<'PYTHON' 2>/dev/null
import os

import foxglove
from foxglove.mcap import MCAPCompression, MCAPWriteOptions
from mcap.reader import NonSeekingReader
from mcap.writer import CompressionType, Writer

MESSAGES, ROOM = 50, 500_000


class FullDisk:
    """A file that takes so many bytes and no more."""

    def __init__(self, path):
        self.file = open(path, "wb")
        self.seek, self.tell, self.flush = self.file.seek, self.file.tell, self.file.flush

    def write(self, data):
        if self.file.tell() + len(data) > ROOM:
            raise OSError(28, "No space left on device")
        return self.file.write(data)


def attempt(step):
    try:
        step()
    except Exception as error:
        return type(error).__name__
    return ""


def log_all(name, compression):
    """How many messages are in the file in the end, and how often logging has raised."""
    context = foxglove.Context()
    options = MCAPWriteOptions(compression=compression, chunk_size=100_000)
    writer = foxglove.open_mcap(FullDisk(name), context=context, writer_options=options)
    channel = foxglove.Channel("/a", message_encoding="json", context=context)
    raised = sum(bool(attempt(lambda: channel.log(os.urandom(100_000), log_time=n))) for n in range(MESSAGES))
    later = {step.__name__: attempt(step) or "nothing" for step in (writer.flush, writer.close)}
    kept = 0
    try:
        for _ in NonSeekingReader(open(name, "rb")).iter_messages(log_time_order=False):
            kept += 1
    except Exception:
        pass  # it is cut off
    print(f"{name}: of {MESSAGES} messages {kept} are kept; log() raised {raised} times; then {later}")
    return kept, raised


found = [log_all("zstd", MCAPCompression.Zstd), log_all("plain", None)]

# The control: MCAP's own writer on the same disk.
plain = Writer(FullDisk("own.mcap"), chunk_size=100_000, compression=CompressionType.NONE)
plain.start()
number = plain.register_channel("/a", "json", 0)
own = [attempt(lambda: plain.add_message(number, n, os.urandom(100_000), n)) for n in range(MESSAGES)]
print(f"mcap: add_message raised OSError at message {own.index('OSError') + 1}")
if not any(own):
    raise SystemExit("the disk was not full, as it is meant to be")
if any(raised or kept == MESSAGES for kept, raised in found):
    raise SystemExit("changed: the SDK tells of the failed write, or has written all")
PYTHON
