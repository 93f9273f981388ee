"""`perception sources` and `perception sinks`: what they may be, and their options."""

from typing import Any

from rich.table import Table
from rich.text import Text

from perception.console import Console
from perception.sinks.registry import SINKS
from perception.sources.registry import SOURCES
from perception.uri import Kinds


def sources() -> None:
    """List what a source may be, with the options of its URI.

    \b
    Examples:
      perception sources
      perception run 'sim:?seed=3&weather=rain&time=night' night.mp4
    """
    _show(SOURCES)


def sinks() -> None:
    """List what a sink may be, with the options of its URI.

    \b
    Examples:
      perception sinks
      perception run drive.mp4 'labels/?masks=rle' 'out.mp4?minutes=10&keep=20GB'
    """
    _show(SINKS)


def _show(kinds: Kinds[Any]) -> None:
    table = Table.grid(padding=(0, 2))
    for kind in kinds.listed():
        what, _, example = kind.grammar.partition(" (")
        table.add_row(example.rstrip(")") or what, what if example else "")
        for name, meaning in kind.options.items():
            table.add_row(f"  {name if name.startswith('#') else '?' + name}=", Text(meaning))
    Console().print(table, highlight=False)
