"""`python -m perception.training` is `perception train` where the package is a folder and not installed."""

import typer

from perception.training.command import train

if __name__ == "__main__":
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(train)
    app()
