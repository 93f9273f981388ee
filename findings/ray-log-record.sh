#!/usr/bin/env bash
# Importing Ray adds a field to every log record of the process, also to those of other libraries.
#
# Package:    ray 2.60.0
# Behaviour:  `import ray`, without ray.init, replaces the factory of `logging`'s records by one that sets
#             _ray_timestamp_ns on each. A formatter that writes whatever a record has beyond the standard fields, as
#             those for JSON do, writes it from then on, in every line, whoever logs; before the import it did not.
# Seen:       fields of a record before: none; after the import: _ray_timestamp_ns
# What we do: lines of JSON leave out fields whose name begins with an underscore (`perception/app/logs.py`).
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet ray==2.60.0
"$work/venv/bin/python" - <<'PYTHON'
import logging

standard = set(vars(logging.LogRecord("", 0, "", 0, "", (), None)))
caught = []


class Keep(logging.Handler):
    def emit(self, record):
        caught.append(sorted(set(vars(record)) - standard))


other = logging.getLogger("some.other.library")
other.addHandler(Keep())
other.warning("before")
import ray

other.warning("after")
print(f"ray {ray.__version__}: fields beyond the standard ones before the import {caught[0]}, after it {caught[1]}")
if caught != [[], ["_ray_timestamp_ns"]]:
    raise SystemExit("changed: records hold other fields")
PYTHON
