"""Local days and wall times as instants, where clocks change and where whole days are skipped.

Instants are milliseconds since 1970-01-01 UTC. A wall time that does not exist is the instant the clock jumps
over it. One that comes twice is the later instant where something opens, and the earlier one where it closes:
the reading that forbids more.
"""

from __future__ import annotations

import datetime as dt
from functools import lru_cache
from importlib.resources import files
from typing import Final
from zoneinfo import ZoneInfo

EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
MILLISECOND: Final = dt.timedelta(milliseconds=1)
DAY: Final = 86_400_000
LATEST: Final = (dt.datetime(9000, 1, 1, tzinfo=dt.UTC) - EPOCH) // MILLISECOND
"""Beyond this nothing is computed: calendars end at year 9999."""


def to_ms(moment: dt.datetime) -> int:
    """An aware datetime as milliseconds, rounded down."""
    return (moment - EPOCH) // MILLISECOND


def to_ms_or_none(moment: dt.datetime | None) -> int | None:
    """The same of an instant that there may not be."""
    return None if moment is None else to_ms(moment)


@lru_cache(maxsize=256)
def from_ms(ms: int) -> dt.datetime:
    """Milliseconds as a datetime in UTC."""
    return EPOCH + dt.timedelta(milliseconds=min(ms, LATEST))


@lru_cache(maxsize=1024)
def zone(name: str) -> ZoneInfo | None:
    """The IANA zone, or None where it is not known.

    It is read from the pinned tzdata package, never from the machine: a replay elsewhere must find the same
    hours.
    """
    if not name or not name.replace("/", "").replace("_", "").replace("-", "").replace("+", "").isalnum():
        return None
    try:
        with files("tzdata").joinpath("zoneinfo", *name.split("/")).open("rb") as file:
            return ZoneInfo.from_file(file, key=name)
    except (OSError, ValueError):
        return None


@lru_cache(maxsize=256)
def local_time(ms: int, tz: ZoneInfo) -> dt.datetime:
    """An instant as a zone's clocks show it."""
    return from_ms(ms).astimezone(tz)


@lru_cache(maxsize=8192)
def local_date(ms: int, tz: ZoneInfo) -> dt.date:
    """The calendar day at an instant. One turn asks of the same few instants again and again."""
    return local_time(ms, tz).date()


@lru_cache(maxsize=4096)
def instant(day: dt.date, minute: int, tz: ZoneInfo, opening: bool) -> int:
    """The instant of a wall time, `minute` minutes after midnight (up to 1440) of `day`."""
    if minute >= 1440:
        day, minute = day + dt.timedelta(days=1), minute - 1440
    wall = dt.datetime.combine(day, dt.time(minute // 60, minute % 60), tzinfo=tz)
    first = to_ms(wall.replace(fold=0).astimezone(dt.UTC))
    second = to_ms(wall.replace(fold=1).astimezone(dt.UTC))
    if first <= second:
        return second if opening else first
    # A gap: fold 1 lies before the jump and fold 0 after it; the jump itself is found by halving.
    low, high = second, first
    before = from_ms(low).astimezone(tz).utcoffset()
    while high - low > 1:
        middle = (low + high) // 2
        if from_ms(middle).astimezone(tz).utcoffset() == before:
            low = middle
        else:
            high = middle
    return high


def start_of_day(day: dt.date, tz: ZoneInfo) -> int:
    """The first instant of a local day; of a day that was skipped, the first instant after it."""
    return instant(day, 0, tz, False)
