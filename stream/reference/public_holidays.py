"""National public holidays by place, of the `holidays` package: days on which people are not rung up.

England's bank holidays for GB unless the region says otherwise; elsewhere those that the whole country has.
"""

from __future__ import annotations

import datetime as dt
import warnings
from functools import lru_cache
from typing import Any, Final

import holidays

_PARTS: Final = {"GB-SCT": "SCT", "GB-NIR": "NIR", "GB-WLS": "WLS"}
_ENGLAND: Final = "ENG"


@lru_cache(maxsize=2048)
def _days(country: str, part: str, year: int) -> frozenset[dt.date]:
    with warnings.catch_warnings():
        # Of some countries fewer years are known: the others have Sundays alone.
        warnings.simplefilter("ignore")
        try:
            known: Any = holidays.country_holidays(country, subdiv=part or None, years=year)
        except NotImplementedError:
            return frozenset()
        return frozenset(day for day in known if day.year == year)


def is_holiday(country: str, region: str, day: dt.date) -> bool:
    """Whether a day is a public holiday of a country (ISO 3166-1) and region (ISO 3166-2, or empty).

    False for a country or year that is not known.
    """
    part = (_PARTS.get(region, _ENGLAND)) if country == "GB" else ""
    return day in _days(country, part, day.year)
