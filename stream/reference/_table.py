"""Reading the csv files that are packaged beside this module."""

from __future__ import annotations

import csv
from importlib.resources import files


def rows(name: str) -> list[dict[str, str]]:
    """The rows of a packaged csv file as dictionaries by column name, in the file's order."""
    text = files("stream.reference").joinpath(name).read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))
