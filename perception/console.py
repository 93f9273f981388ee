"""The one console of tables and texts for people."""

from collections.abc import Iterator
from typing import Any

from rich import console
from rich.markup import escape
from rich.segment import Segment
from rich.table import Table

from perception.redact import printable

WIDEST = 1000  # characters


class Console(console.Console):
    """Rich's, which shows names as they are: neither as markup nor as orders to the terminal."""

    def __init__(self, **options: Any) -> None:
        super().__init__(markup=False, **options)
        self.push_render_hook(_Hook())

    def print_whole(self, table: Table) -> None:
        """As wide as it is, also on a narrower terminal or in a pipe: figures that are cut say nothing."""
        width = self.width
        self.width = max(width, self.measure(table, options=self.options.update(max_width=WIDEST)).maximum)
        try:
            self.print(table)
        finally:
            self.width = width


def heading(name: str) -> str:
    """A name as progress bars take it: they read markup, and pass by the console's own care."""
    return escape(printable(name))


class _Hook(console.RenderHook):
    def process_renderables(
        self, renderables: list[console.ConsoleRenderable]
    ) -> list[console.ConsoleRenderable]:
        return [_Shown(one) for one in renderables]


class _Shown:
    """What a renderable is made of, each text of it printable."""

    def __init__(self, inner: console.ConsoleRenderable) -> None:
        self._inner = inner

    def __rich_console__(self, shown: console.Console, options: console.ConsoleOptions) -> Iterator[Segment]:
        for one in shown.render(self._inner, options):
            if one.control:
                yield one
            else:
                text = "\n".join(printable(line) for line in one.text.split("\n"))
                yield Segment(text, one.style)
