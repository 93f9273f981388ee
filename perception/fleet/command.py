"""`perception fleet`."""

import typer

from perception.fleet.report.command import report

fleet = typer.Typer(add_completion=False, rich_markup_mode=None, help="[fleet] Many drives at once.")
fleet.command("report")(report)


@fleet.callback()
def options() -> None:
    """Makes it a group of commands, though there is one."""
