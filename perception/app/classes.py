"""`perception classes`."""

from rich.table import Table
from rich.text import Text

from perception.classes import DRIVE
from perception.console import Console
from perception.datasets.categories import IN_DRIVE, SYNONYMS
from perception.datasets.label_maps import COMMA10K, LABEL_MAPS


def classes() -> None:
    """Show the classes, and what public data sets' labels mean.

    \b
    Examples:
      perception classes
      perception classes | less -R
    """
    console = Console()
    table = Table("id", "class", "colour", "RGB", "instances", title=f"classes of {DRIVE.name}")
    for number, (name, colour) in enumerate(zip(DRIVE.names, DRIVE.colours, strict=True)):
        swatch = Text("      ", style=f"on rgb({','.join(map(str, colour))})")
        table.add_row(str(number), name, swatch, _hex(colour), "yes" if name in DRIVE.things else "")
    table.add_row("255", "unknown", "", "", "")
    console.print(table)
    for label_map in LABEL_MAPS.values():
        if label_map.name != DRIVE.name:
            console.print(_meanings(label_map.name, {str(k): v for k, v in label_map.meaning.items()}))
    kinds = {name: IN_DRIVE[kind] for kind, names in SYNONYMS.items() for name in (kind, *names)}
    console.print(_meanings("names of categories", kinds))
    console.print(_meanings("comma10k", {_hex(colour): names for colour, names in COMMA10K.items()}))


def _meanings(name: str, meaning: dict[str, tuple[str, ...]]) -> Table:
    """One row for each meaning, with all the labels that have it."""
    labels: dict[tuple[str, ...], list[str]] = {}
    for label, names in meaning.items():
        labels.setdefault(names, []).append(label)
    table = Table("label", "may be", title=f"{name} in {DRIVE.name}")
    for names, those in labels.items():
        table.add_row(", ".join(those), " or ".join(names) or "(ignored)")
    return table


def _hex(colour: tuple[int, int, int]) -> str:
    return "#" + "".join(f"{channel:02x}" for channel in colour)
