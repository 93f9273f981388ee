"""Options shared by several commands, and how their results are shown."""

import json
from typing import TYPE_CHECKING, Annotated, Any, Protocol

import typer

from perception.engines.registry import ENGINES

if TYPE_CHECKING:
    from rich.console import RenderableType

Model = Annotated[
    str | None, typer.Option(help="A shipped bundle [default: drive] or a bundle's folder.", metavar="NAME")
]
Engine = Annotated[str | None, typer.Option(help=f"auto, {', '.join(ENGINES)}.", metavar="NAME")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]


class Result(Protocol):
    """What a command found."""

    def as_json(self) -> dict[str, Any]: ...

    def table(self) -> "RenderableType": ...


def show(result: Result, as_json: bool) -> None:
    """Print it, for programs or for people."""
    if as_json:
        typer.echo(json.dumps(result.as_json(), indent=2))
    else:
        from rich.console import Console  # noqa: PLC0415 - `perception run` begins without rich

        Console().print(result.table())
