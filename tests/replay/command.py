"""The `perception` command with INT8 arithmetic that is the same on every x86-64 CPU.

Without VNNI, ONNX Runtime multiplies u8 by s8 with 16-bit sums that saturate, and reproduces about 96 % of
the golden labels, so that the engine is refused. `session.x64quantprecision` makes it take slower products
that do not saturate; on CPUs with VNNI it has no effect.
"""

import runpy
import sys

import onnxruntime


class PreciseOptions(onnxruntime.SessionOptions):  # type: ignore[misc]
    """ONNX Runtime's session options, in which integer products do not saturate."""

    def __init__(self) -> None:
        super().__init__()
        self.add_session_config_entry("session.x64quantprecision", "1")


if __name__ == "__main__":
    onnxruntime.SessionOptions = PreciseOptions
    sys.argv[0] = "perception"
    runpy.run_module("perception", run_name="__main__", alter_sys=True)
