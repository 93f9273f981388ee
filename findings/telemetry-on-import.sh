#!/usr/bin/env bash
# Importing ONNX Runtime or OpenVINO is enough to leave a lasting id of the device, for reports to their makers.
#
# Package:    onnxruntime 1.32.0; openvino 2026.4.1 with openvino-telemetry 2025.2.0, which it depends on
# Behaviour:  `import onnxruntime` writes .cache/Microsoft/DeveloperTools/.onnxruntime/deviceid and a database of
#             events into the home folder; `onnxruntime.disable_telemetry_events()` right after it comes too late,
#             ORT_DISABLE_TELEMETRY=1 before it prevents both. `import openvino`, without any conversion of a
#             model, writes intel/openvino_ga_cid and sends an event, except where CI=true, or where the package
#             openvino_telemetry cannot be imported, for which it has a stand-in.
# Seen:       plain: id, too late: id, variable: none; openvino: id, CI: none, without its package: none
# What we do: perception.engines.telemetry sets the variable as the package is imported, and hides the other package
#             while OpenVINO is imported.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet onnxruntime==1.32.0 openvino==2026.4.1 openvino-telemetry==2025.2.0 numpy==2.4.6

leaves() { # NAME EXPECTED CODE [VARIABLE=VALUE]: whether an id is in the home folder afterwards
  local home="$work/home-$RANDOM$RANDOM" found=none
  mkdir "$home"
  env -i HOME="$home" PATH="$PATH" ${4:-} "$work/venv/bin/python" -c "$3"
  if find "$home" -name deviceid -o -name openvino_ga_cid | grep -q .; then found=id; fi
  echo "$1: $found"
  [ "$found" = "$2" ] || { echo "changed: $1 leaves $found, expected $2"; exit 1; }
}

hide='import sys; sys.modules["openvino_telemetry"] = None'
leaves "onnxruntime" id "import onnxruntime"
leaves "onnxruntime, told afterwards" id "import onnxruntime; onnxruntime.disable_telemetry_events()"
leaves "onnxruntime, told before" none "import onnxruntime" ORT_DISABLE_TELEMETRY=1
leaves "openvino" id "import openvino"
leaves "openvino, CI" none "import openvino" CI=true
leaves "openvino, without its package" none "$hide; import openvino; openvino.Core()"
