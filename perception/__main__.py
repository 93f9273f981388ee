"""`python -m perception` is the command `perception`."""

from perception.cli import main

main()
