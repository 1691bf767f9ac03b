"""Which days banks work, by country: for deadlines that count in working days.

Public holidays are those of the `holidays` package (England for GB); where the euro is money, the days on which TARGET is closed
count too. Days before 2000 and after 2049, and countries that the package does not know, have weekends alone.
"""

from __future__ import annotations

import warnings
from datetime import date
from functools import lru_cache
from typing import Any, Final

import holidays
import numpy as np
import numpy.typing as npt

FIRST: Final = date(2000, 1, 1).toordinal() - date(1970, 1, 1).toordinal()
"""The first day of the table, days since 1970-01-01."""

DAYS: Final = date(2050, 1, 1).toordinal() - date(2000, 1, 1).toordinal()

CODES: Final = 26 * 26
"""How many two-letter codes there are."""

_YEARS: Final = range(2000, 2050)
_EPOCH: Final = date(1970, 1, 1).toordinal()
_PARTS: Final = {"GB": "ENG"}
_EURO: Final = frozenset(
    ("AT", "BE", "BG", "CY", "DE", "EE", "ES", "FI", "FR", "GR", "HR", "IE", "IT", "LT", "LU", "LV", "MT", "NL", "PT", "SI", "SK")
)


def code_of(country: str | None) -> int:
    """The number of a two-letter country code, from 1; 0 for None and for what is no such code."""
    if country is None or len(country) != 2 or not (country.isascii() and country.isalpha() and country.isupper()):
        return 0
    return 1 + (ord(country[0]) - 65) * 26 + ord(country[1]) - 65


def country_of(code: int) -> str | None:
    """The two letters behind a number of `code_of`; None for 0."""
    return f"{chr(65 + (code - 1) // 26)}{chr(65 + (code - 1) % 26)}" if code else None


@lru_cache(maxsize=256)
def before(country: str | None) -> npt.NDArray[np.int32]:
    """For each day of the table and the one after: how many working days lie before it, from Monday, 29 December 1969, on; of the
    days before the table, weekends alone are free.
    """
    earlier = (FIRST + 3) // 7 * 5 + min((FIRST + 3) % 7, 5)
    working = (np.arange(DAYS) + FIRST + 3) % 7 < 5  # 1970-01-01 was a Thursday
    for day in _free(country):
        number = day.toordinal() - _EPOCH - FIRST
        if 0 <= number < DAYS:
            working[number] = False
    return np.concatenate(([earlier], earlier + np.cumsum(working))).astype(np.int32)


def _free(country: str | None) -> set[date]:
    days: set[date] = set()
    with warnings.catch_warnings():
        # Of some countries fewer years are known: the others have weekends alone.
        warnings.simplefilter("ignore")
        try:
            known: Any = holidays.country_holidays(country, subdiv=_PARTS.get(country), years=_YEARS) if country else {}
        except NotImplementedError:
            return days
        days |= set(known)
        if country in _EURO:
            days |= set(holidays.financial_holidays("XECB", years=_YEARS))
    return days
