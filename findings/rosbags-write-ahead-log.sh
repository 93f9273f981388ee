#!/usr/bin/env bash
# rosbags leaves out the messages of a .db3 bag that stand in SQLite's write-ahead log, without a word.
#
# Package:    rosbags 0.11.9
# Behaviour:  ROS 2's recorder with the storage preset "resilient" keeps its database in WAL mode: if it is
#             killed, the newest messages are in x.db3-wal beside x.db3, and SQLite reads both. rosbags opens the
#             file as immutable, which makes SQLite ignore the log: it counts and gives fewer messages, and
#             raises nothing.
# Seen:       sqlite3: 12 messages; rosbags: 6
# What we do: read .db3 files by SQLite itself, read-only, with the log where there is one.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet rosbags==0.11.9
cd "$work"
"$work/venv/bin/python" - <<'PYTHON'
import shutil
import sqlite3
from pathlib import Path

from rosbags.rosbag2 import Reader, StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

store = get_typestore(Stores.ROS2_HUMBLE)
String = store.types["std_msgs/msg/String"]
with Writer(Path("bag"), version=9, storage_plugin=StoragePlugin.SQLITE3) as writer:
    topic = writer.add_connection("/text", "std_msgs/msg/String", typestore=store)
    for index in range(6):
        writer.write(topic, index, store.serialize_cdr(String(str(index)), "std_msgs/msg/String"))
(path,) = Path("bag").glob("*.db3")
recorder = sqlite3.connect(path)
recorder.execute("PRAGMA journal_mode=WAL")
recorder.execute("INSERT INTO messages (topic_id, timestamp, data) SELECT topic_id, timestamp + 6, data FROM messages")
recorder.commit()
Path("killed").mkdir()
for file in Path("bag").glob("*.db3*"):  # as they are while the recorder runs
    shutil.copy(file, "killed")
killed = Path("killed", path.name)


def by_rosbags(file):
    with Reader(file) as reader:
        return reader.message_count, sum(1 for _ in reader.messages())


first = by_rosbags(killed)
(there,) = sqlite3.connect(f"file:{killed}?mode=ro", uri=True).execute("SELECT count(*) FROM messages").fetchone()
recorder.close()  # which writes the log into the file
control = by_rosbags(path)
print(f"sqlite3: {there} messages; rosbags: {first[0]} counted, {first[1]} given; after the log was merged: {control}")
if (there, first, control) != (12, (6, 6), (12, 12)):
    raise SystemExit("changed: rosbags gives other messages")
PYTHON
