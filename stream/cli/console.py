"""How commands speak: data on stdout, as a table for people or JSON for programs; everything else on stderr."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated, Any

import msgspec
import typer
from rich.console import Console
from rich.table import Table

stderr = Console(stderr=True, highlight=False)


class Format(StrEnum):
    """Of what a command prints."""

    TABLE = "table"
    JSON = "json"


Output = Annotated[Format, typer.Option("--output", "-o", envvar="EWS_OUTPUT", help="How to print: table or json.")]


def show(rows: Sequence[dict[str, Any]], output: Format) -> None:
    """Prints rows that share their fields: a table, or one JSON array."""
    if output is Format.JSON:
        show_json(list(rows))
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for place, name in enumerate(rows[0] if rows else ()):
        table.add_column(name.replace("_", " "), overflow="fold", no_wrap=place == 0)
    for row in rows:
        table.add_row(*["" if value is None else str(value) for value in row.values()])
    Console(highlight=False, markup=False, emoji=False).print(table)  # what people wrote is shown as they wrote it


def show_json(value: Any) -> None:
    """Prints a value as indented JSON."""
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(value), indent=2).decode() + "\n")
