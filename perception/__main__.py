"""`python -m perception` is the command `perception`."""

from perception.app.cli import main

main()
