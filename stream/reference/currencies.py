"""ISO 4217 currencies and how many decimals each has (`currencies.csv`)."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from stream.reference._table import rows

EXPONENTS: Final[MappingProxyType[str, int]] = MappingProxyType(
    {row["code"]: int(row["exponent"]) for row in rows("currencies.csv")}
)
"""Decimals by code, e.g. 2 for GBP, 0 for JPY, 3 for KWD."""
