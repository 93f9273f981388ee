#!/usr/bin/env bash
# Zenoh's stubs say that a publisher's matching_status is a bool; it is an object that is always true.
#
# Package:    eclipse-zenoh 1.10.2, mypy 1.18.2
# Behaviour:  The stubs that come with the package declare `Publisher.matching_status -> bool`. So mypy passes
#             `if publisher.matching_status:`, to encode only what somebody has subscribed to, and refuses
#             `.matching`. When it runs, it is a MatchingStatus without __bool__: true with no subscriber at all.
#             `.matching` of it is right.
# Seen:       mypy: bool; without a subscriber: truth value True, matching False; with one: True, True
# What we do: ask for .matching, take no types from these stubs, and let a test see that nothing is encoded.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet eclipse-zenoh==1.10.2 mypy==1.18.2
cd "$work"
cat > typed.py <<'PYTHON'
import zenoh


def status(publisher: zenoh.Publisher) -> None:
    reveal_type(publisher.matching_status)
PYTHON
said=$("$work/venv/bin/mypy" typed.py || true)
echo "$said" | head -n 1
case "$said" in
    *'"builtins.bool"'* | *'"bool"'*) ;;
    *) echo "changed: the stubs say something else" && exit 1 ;;
esac
"$work/venv/bin/python" - <<'PYTHON'
import time

import zenoh

config = zenoh.Config()
config.insert_json5("scouting/multicast/enabled", "false")
config.insert_json5("listen/endpoints", "[]")
with zenoh.open(config) as session:
    publisher = session.declare_publisher("key")
    before = publisher.matching_status
    subscriber = session.declare_subscriber("key")
    deadline = time.monotonic() + 10
    while not (after := publisher.matching_status).matching and time.monotonic() < deadline:
        time.sleep(0.01)
found = [(bool(one), one.matching) for one in (before, after)]
print(f"without a subscriber: truth value {found[0][0]}, matching {found[0][1]}; with one: {found[1]}")
if found != [(True, False), (True, True)]:
    raise SystemExit("changed: the truth value says whether somebody has subscribed")
PYTHON
