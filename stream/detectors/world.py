"""What a detector may know beside the account: calendars, currencies, and how regular payers behave."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from stream.reference import currencies, working_days
from stream.tables.compiled import compiled

DAY: Final = 86400000
FIRST: Final = working_days.FIRST
DAYS: Final = working_days.DAYS

CURRENCY_CODES: Final = tuple(sorted(currencies.EXPONENTS))
"""Currencies by the number that arrays store, less one: 0 stands for none."""


OUTAGE = np.dtype(
    [
        ("key", "i8"),  # of what the kind says: the scheme's number, the bank's or the payee's hash
        ("since", "i8"),  # ms
        ("until", "i8"),  # ms; NEVER while it lasts
        ("kind", "i1"),  # of `outage_guard`
        ("dropped", "i1"),  # 1: it was one, and its bounces never count
    ]
)
"""One outage whose bounces are held back."""


PAYER = np.dtype(
    [
        ("payee", "i8"),  # 0: a free slot
        ("marks", "i8"),  # a bitmap of the accounts of `period`
        ("before", "i8"),  # of the period before it
        ("last", "i4"),  # local day of the latest payment of anybody
        ("period", "i2"),  # of `outage_guard`
        ("dirty", "i1"),  # 1: the next drain must write it. Of this process alone: stored as 0
        ("spare", "i1"),
    ]
)
"""One payer or biller, and who has been paid by it or has paid it."""


class World(NamedTuple):
    """Arrays for compiled code."""

    country: npt.NDArray[np.int16]
    """Row of `working` by country code; 0 for one that has not come up: weekends alone."""
    working: npt.NDArray[np.int32]
    """A row a calendar: working days before each day, see `working_days.before`."""
    units: npt.NDArray[np.int64]
    """Minor units in a whole currency unit, by currency number."""
    outages: npt.NDArray[Any]
    """Rows of `OUTAGE`: those that hold bounces back."""
    payers: npt.NDArray[Any]
    """Rows of `PAYER`, found by hash; none where nobody looks for silence."""
    patience: npt.NDArray[np.int64]
    """Of `outage_guard`: accounts from which a payer's silence says something, days that it puts off, payers in use."""


def bare() -> World:
    """A world without countries."""
    units = np.array([1, *(10 ** currencies.EXPONENTS[code] for code in CURRENCY_CODES)], np.int64)
    calendars = np.zeros(working_days.CODES + 1, np.int16), working_days.before(None)[None, :].copy()
    return World(*calendars, units, np.zeros(0, OUTAGE), np.zeros(0, PAYER), np.zeros(3, np.int64))


def with_country(world: World, country: str | None) -> World:
    """The world with this country's calendar in it."""
    code = working_days.code_of(country)
    if code == 0 or world.country[code]:
        return world
    index = world.country.copy()
    index[code] = len(world.working)
    return world._replace(country=index, working=np.vstack([world.working, working_days.before(country)]))


@compiled
def local_day(row: Any, at: int) -> int:
    """The day of an instant where the account is kept, days since 1970-01-01: in standard time, so that in summer the last hour
    before midnight counts to the day before.
    """
    return (at + int(row["offset"]) * 60000) // DAY


@compiled
def weekdays_before(day: int) -> int:
    """How many weekdays lie between Monday, 29 December 1969, and `day`."""
    return (day + 3) // 7 * 5 + min((day + 3) % 7, 5)


@compiled
def working_before(row: Any, day: int, world: Any) -> int:
    """How many working days of the account's country lie before `day`, from 29 December 1969 on."""
    if day < FIRST or day >= FIRST + DAYS:
        return weekdays_before(day)
    return int(world.working[int(world.country[int(row["country"])]), day - FIRST])


@compiled
def is_working(row: Any, day: int, world: Any) -> bool:
    """Whether banks of the account's country work on `day`."""
    return working_before(row, day + 1, world) > working_before(row, day, world)


@compiled
def add_working(row: Any, day: int, count: int, world: Any) -> int:
    """The day that is `count` (at least 0) working days after `day`; for 0, `day` if it is one, else the next."""
    wanted = working_before(row, day + 1, world) + count if count > 0 else working_before(row, day, world) + 1
    later = day + count
    while working_before(row, later + 1, world) < wanted:
        later += 1
    return later


@compiled
def working_on_or_after(row: Any, day: int, world: Any) -> int:
    """`day` if it is a working day, else the next."""
    later = day
    while not is_working(row, later, world):
        later += 1
    return later


@compiled
def working_on_or_before(row: Any, day: int, world: Any) -> int:
    """`day` if it is a working day, else the one before it."""
    earlier = day
    while not is_working(row, earlier, world):
        earlier -= 1
    return earlier


@compiled
def month_of(day: int) -> int:
    """The month of a day (since 1970-01-01), months since January 1970."""
    # Days and months from 1 March 0000 on, so that a leap day ends its year (Hinnant, "chrono-compatible date algorithms").
    since = day + 719468
    era = since // 146097
    of_era = since - era * 146097
    year = (of_era - of_era // 1460 + of_era // 36524 - of_era // 146096) // 365
    month = (5 * (of_era - (365 * year + year // 4 - year // 100)) + 2) // 153
    return (era * 400 + year - 1970) * 12 + month + 2


@compiled
def month_start(month: int) -> int:
    """The first day of a month (since January 1970), days since 1970-01-01."""
    since = month + 1970 * 12 - 2
    year = since // 12
    era = year // 400
    of_era = year - era * 400
    return era * 146097 + of_era * 365 + of_era // 4 - of_era // 100 + (153 * (since - year * 12) + 2) // 5 - 719468
