"""The fault matrix as a table: what each test of a fault has seen."""

from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console
from rich.table import Table

HEADS = "fault", "what the node says", "after", "lost", "recovered after"
Record = Callable[[str, object], None]


class Rows:
    """Rows that a test adds, once it has asserted what they say."""

    def __init__(self, record: Record) -> None:
        self._record = record

    def add(
        self, fault: str, says: str, after_s: float | None, lost: str, recovered_s: float | None = None
    ) -> None:
        self._record("fault", [fault, says, _seconds(after_s), lost, _seconds(recovered_s)])


def _seconds(value: float | None) -> str:
    return "" if value is None else f"{value:.2f} s"


def rows_of(reporter: pytest.TerminalReporter) -> list[list[str]]:
    """Of all tests that passed; of one that failed too, with that in the first column."""
    found: list[list[str]] = []
    for outcome in ("passed", "failed"):
        for report in reporter.stats.get(outcome, []):
            if getattr(report, "when", "") == "call":
                rows = [list(value) for name, value in report.user_properties if name == "fault"]
                found += rows
                if outcome == "failed" and "test_faults" in report.nodeid:
                    found.append([f"FAILED {report.nodeid}", "", "", "", ""])
    return found


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    rows = rows_of(terminalreporter)
    if not rows:
        return
    table = Table(*HEADS, title=f"{len(rows)} faults", row_styles=["", "dim"])
    for row in rows:
        table.add_row(*row)
    terminalreporter.write_line("")
    console = Console(width=max(100, terminalreporter._tw.fullwidth), highlight=False, markup=False)
    with console.capture() as capture:
        console.print(table)
    terminalreporter.write_line(capture.get())
    if path := config.getoption("--faults"):
        Path(path).write_text(markdown(rows), encoding="utf-8")


def markdown(rows: list[list[str]]) -> str:
    lines = [HEADS, ("---",) * len(HEADS), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines)
