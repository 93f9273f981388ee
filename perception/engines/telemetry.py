"""No library beneath the node speaks to its maker.

ONNX Runtime (1.29 and newer) keeps a lasting id of the device and a queue of events in the user's cache
folder, and looks up its maker's server some seconds after its import; one variable of the environment keeps
it from that, if it is set before. OpenVINO's Python package sends an event as it is imported, through a
package of its own, and does without where that is missing.
"""

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_VARIABLE, _ORT, _OPENVINO, _SENDER = (
    "ORT_DISABLE_TELEMETRY", "onnxruntime", "openvino", "openvino_telemetry",
)  # fmt: skip
_LOG = logging.getLogger("perception.telemetry")
_too_late: set[str] = set()


def silence() -> None:
    """For this process and its children; called as `perception` is imported."""
    if _ORT in sys.modules and os.environ.get(_VARIABLE) != "1":
        _too_late.add(_ORT)
    if _OPENVINO in sys.modules and sys.modules.get(_SENDER) is not None:
        _too_late.add(_OPENVINO)
    os.environ[_VARIABLE] = "1"


def warn_if_late(module: str) -> None:
    """Say once that the module was imported before `perception`, and may report."""
    if module in _too_late:
        _too_late.remove(module)
        _LOG.warning(
            "%s was imported before perception and may report to its maker; import perception first, or %s",
            module,
            f"set {_VARIABLE}=1 before" if module == _ORT else f"uninstall {_SENDER.replace('_', '-')}",
        )


@contextmanager
def without_sender() -> Iterator[None]:
    """Around the first import of OpenVINO: it finds no package to send with, and takes its own stand-in."""
    if _OPENVINO in sys.modules:
        yield
        return
    before = sys.modules.get(_SENDER)
    # The import system's own mark for what is not there.
    sys.modules[_SENDER] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules[_SENDER]
        if before is not None:
            sys.modules[_SENDER] = before
