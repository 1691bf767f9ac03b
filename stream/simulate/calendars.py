"""Working days, paydays and local clock times of the simulated countries.

Bank holidays are computed from their rules (Anonymous Gregorian Easter), so that any year works:
England and Wales (gov.uk/bank-holidays, without one-off holidays), TARGET (ECB, for IE and DE),
the US Federal Reserve, and the Australian national holidays. Those of Japan and Kuwait, which follow the sky
and the moon, come from the package `holidays`.
"""

from __future__ import annotations

import calendar
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Literal
from zoneinfo import ZoneInfo

from holidays import country_holidays

Country = Literal["GB", "IE", "DE", "US", "AU", "JP", "KW"]

MONDAY, TUESDAY, THURSDAY, FRIDAY, SATURDAY, SUNDAY = 0, 1, 3, 4, 5, 6
DAY = timedelta(days=1)
WEEKENDS: dict[str, tuple[int, int]] = {"KW": (FRIDAY, SATURDAY)}
"""Where the weekend is not Saturday and Sunday."""


def easter(year: int) -> date:
    """Easter Sunday, Gregorian.

    >>> easter(2026)
    datetime.date(2026, 4, 5)
    """
    a, b, c = year % 19, year // 100, year % 100
    h = (19 * a + b - b // 4 - (b - (b + 8) // 25 + 1) // 3 + 15) % 30
    k = (32 + 2 * (b % 4) + 2 * (c // 4) - h - c % 4) % 7
    month, day = divmod(h + k - 7 * ((a + 11 * h + 22 * k) // 451) + 114, 31)
    return date(year, month, day + 1)


def _nth(year: int, month: int, weekday: int, n: int) -> date:
    """The n-th `weekday` of a month; n = -1 is the last."""
    if n > 0:
        first = date(year, month, 1)
        return first + timedelta(days=(weekday - first.weekday()) % 7 + 7 * (n - 1))
    last = date(year, month, calendar.monthrange(year, month)[1])
    return last - timedelta(days=(last.weekday() - weekday) % 7)


def _substituted(days: list[date]) -> set[date]:
    """Holidays with a substitute: the next free weekday for each that falls on a weekend."""
    taken = {day for day in days if day.weekday() < SATURDAY}
    for day in days:
        if day.weekday() >= SATURDAY:
            while day.weekday() >= SATURDAY or day in taken:
                day += DAY
            taken.add(day)
    return taken


def _observed_us(day: date) -> date:
    """The Federal Reserve observes a Sunday holiday on Monday, and a Saturday one not at all."""
    return day + DAY if day.weekday() == SUNDAY else day


@lru_cache(maxsize=512)
def holidays(country: Country, year: int) -> frozenset[date]:
    """The days besides weekends on which the country's payment schemes do not settle."""
    good_friday, easter_monday = easter(year) - 2 * DAY, easter(year) + DAY
    new_year, christmas, boxing = date(year, 1, 1), date(year, 12, 25), date(year, 12, 26)
    if country == "GB":
        mondays = {_nth(year, 5, MONDAY, 1), _nth(year, 5, MONDAY, -1), _nth(year, 8, MONDAY, -1)}
        return frozenset(
            mondays
            | {good_friday, easter_monday}
            | _substituted([new_year])
            | _substituted([christmas, boxing])
        )
    if country in ("IE", "DE"):
        return frozenset({new_year, good_friday, easter_monday, date(year, 5, 1), christmas, boxing})
    if country == "US":
        fixed = (new_year, date(year, 6, 19), date(year, 7, 4), date(year, 11, 11), christmas)
        floating = (
            (1, MONDAY, 3),
            (2, MONDAY, 3),
            (5, MONDAY, -1),
            (9, MONDAY, 1),
            (10, MONDAY, 2),
            (11, THURSDAY, 4),
        )
        return frozenset({_observed_us(day) for day in fixed} | {_nth(year, *rule) for rule in floating})
    if country in ("JP", "KW"):
        return frozenset(country_holidays(country, years=year))
    return frozenset(
        {good_friday, easter_monday, date(year, 4, 25)}
        | _substituted([new_year])
        | _substituted([date(year, 1, 26)])
        | _substituted([christmas, boxing])
    )


def is_working_day(country: Country, day: date) -> bool:
    """Whether payment schemes settle on this day."""
    return day.weekday() not in WEEKENDS.get(country, (SATURDAY, SUNDAY)) and day not in holidays(country, day.year)


def next_working_day(country: Country, day: date) -> date:
    """The day itself, or the first working day after it.

    >>> next_working_day("GB", date(2026, 4, 3))  # Good Friday
    datetime.date(2026, 4, 7)
    """
    while not is_working_day(country, day):
        day += DAY
    return day


def previous_working_day(country: Country, day: date) -> date:
    """The day itself, or the last working day before it."""
    while not is_working_day(country, day):
        day -= DAY
    return day


def add_working_days(country: Country, day: date, count: int) -> date:
    """The `count`-th working day after `day`."""
    for _ in range(count):
        day = next_working_day(country, day + DAY)
    return day


def on_day(year: int, month: int, day: int) -> date:
    """That day of the month, or the month's last.

    >>> on_day(2026, 2, 31)
    datetime.date(2026, 2, 28)
    """
    return date(year, month, min(day, calendar.monthrange(year, month)[1]))


def add_months(day: date, months: int) -> date:
    """The same day so many months later, or that month's last."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return on_day(year, month + 1, day.day)


@lru_cache(maxsize=65536)
def collected_on(country: Country, due: date) -> date:
    """When a debit due on `due` is collected: on that day, or the next working day."""
    return next_working_day(country, due)


@dataclass(frozen=True, slots=True)
class Payday:
    """When an income comes. Paid on the working day before where the day is no working day."""

    kind: Literal["last_working_day", "day_of_month", "weekly", "four_weekly"]
    day: int = 0
    """Day of the month; or, for weekly kinds, the ordinal (`date.toordinal`) of one payday."""

    def in_month(self, country: Country, year: int, month: int) -> tuple[date, ...]:
        """The paydays that fall in a calendar month, in order."""
        return _paydays(self, country, year, month)


@lru_cache(maxsize=65536)
def _paydays(rule: Payday, country: Country, year: int, month: int) -> tuple[date, ...]:
    first, last = date(year, month, 1), on_day(year, month, 31)
    if rule.kind == "last_working_day":
        nominal = [last]
    elif rule.kind == "day_of_month":
        # The first of the next month may be paid in this one.
        following = add_months(first, 1)
        nominal = [on_day(year, month, rule.day), on_day(following.year, following.month, rule.day)]
    else:
        step = 7 if rule.kind == "weekly" else 28
        start = first.toordinal() + (rule.day - first.toordinal()) % step
        nominal = [date.fromordinal(n) for n in range(start, last.toordinal() + 8, step)]
    paid = {previous_working_day(country, day) for day in nominal}
    return tuple(sorted(day for day in paid if first <= day <= last))


@lru_cache(maxsize=64)
def zone(name: str) -> ZoneInfo:
    """The IANA zone."""
    return ZoneInfo(name)


def local(day: date, seconds: int, zone_name: str) -> datetime:
    """The instant at which a clock in the zone shows `seconds` after midnight; an hour later in a spring gap.

    >>> local(date(2026, 3, 29), 3600 + 1800, "Europe/London").isoformat()
    '2026-03-29T02:30:00+01:00'
    """
    tz = zone(zone_name)
    shown = datetime.combine(day, time(seconds // 3600, seconds // 60 % 60, seconds % 60), tz)
    return shown.astimezone(UTC).astimezone(tz)
