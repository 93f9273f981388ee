"""Commands that are imported late: those of other packages may need extras that are not installed."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata
from typing import Any

import typer
import typer.core

from perception.errors import ConfigError
from perception.extras import load_plugin, registered
from perception.redact import masked, printable

GROUP = "perception.commands"
_UsageError: Any = typer.BadParameter.__base__  # of click, which typer may hold as its own
# Of the node's own commands those that `perception run` does without: it starts the sooner.
OWN = {
    "bench": "perception.app.bench.command:bench",
    "classes": "perception.app.classes:classes",
    "convert": "perception.app.convert:convert",
    "diff": "perception.app.diff.command:diff",
    "doctor": "perception.app.doctor:doctor",
    "fleet": "perception.fleet.command:fleet",
    "fleet report": "perception.fleet.report.command:report",
    "mine": "perception.fleet.mine:mine",
    "sinks": "perception.app.kinds:sinks",
    "sources": "perception.app.kinds:sources",
    "topics": "perception.app.topics:topics",
}


def late_commands() -> dict[str, metadata.EntryPoint]:
    """Commands that are imported only once they are called or listed."""
    own = {name: metadata.EntryPoint(name, place, GROUP) for name, place in OWN.items()}
    return own | registered(GROUP)


class Commands(typer.core.TyperGroup):
    """The node's own commands, and those that register under `GROUP`."""

    def make_context(self, *args: Any, **options: Any) -> Any:
        with _printable():
            return super().make_context(*args, **options)

    def invoke(self, ctx: Any) -> Any:
        with _printable():
            return super().invoke(ctx)

    def list_commands(self, ctx: Any) -> list[str]:
        return [*super().list_commands(ctx), *sorted(late_commands())]

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """A command may have two words, the first of which is one too: `fleet report`, `fleet DRIVES`."""
        words = " ".join(args[:2])
        return super().resolve_command(ctx, [words, *args[2:]] if words in late_commands() else args)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        entry = late_commands().get(cmd_name)
        return super().get_command(ctx, cmd_name) if entry is None else _load(entry)


@contextmanager
def _printable() -> Iterator[None]:
    """What is wrong in an argument is shown without secrets, and does not lead the terminal."""
    try:
        yield
    except _UsageError as error:
        if type(error).__name__ == "NoArgsIsHelpError":  # whose message is the help
            raise
        raise _UsageError(printable(masked(error.format_message())), error.ctx) from None


def _load(entry: metadata.EntryPoint) -> Any:
    """The command of an entry point; where it does not load, one that says why and what to do."""
    app = typer.Typer(add_completion=False, rich_markup_mode=None)
    try:
        command = load_plugin(entry, f"perception {entry.name}")
        if isinstance(command, typer.Typer):  # a group of commands
            return typer.main.get_command(command)
        app.command(entry.name)(command)
    except ConfigError as error:
        message = str(error)

        def refuse() -> None:
            raise ConfigError(message)

        refuse.__doc__ = message
        anything = {"ignore_unknown_options": True, "allow_extra_args": True, "help_option_names": []}
        app.command(entry.name, context_settings=anything)(refuse)
    return typer.main.get_command(app)
