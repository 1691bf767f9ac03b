"""The kinds of rules that bind a nudge, each as a `Check` of one customer: from when does it permit, and how long?"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

import msgspec

from stream.tables.customer import Quiet
from stream.treatment.holds import Span
from stream.treatment.local_time import LATEST, instant, local_date, local_time, start_of_day
from stream.treatment.policy import Cap, ClosedDays, Hours, Rule, minutes

Counters = dict[str, int]

FAR: Final = LATEST


class _Marks(msgspec.Struct, kw_only=True):
    """What is told of a rule by name."""

    permitted: bool = True
    backdates: bool = False
    """Whether it may come to forbid an instant that has passed (a hold placed late)."""
    lasting: bool = True
    """Whether it goes on binding a nudge after it was issued."""
    waits: bool = False
    """Whether what it forbids waits for a person's word rather than for good."""


class Check(_Marks):
    """One rule, made ready for one customer, channel and set of accounts. This one permits always, or never."""

    rule: Rule
    because: str
    """What a withdrawal says where this rule comes to forbid a nudge that was issued."""
    counters: Counters

    @property
    def open(self) -> bool:
        """Whether it is known to permit every instant."""
        return self.permitted and type(self) is Check

    def clear_at(self, at: int) -> int | None:
        """The first instant at or after the given one that the rule permits; None where it never does."""
        return at if self.permitted else None

    def until(self, at: int) -> int:
        """The next instant after a permitted one at which the rule forbids."""
        return FAR


class Spans(Check):
    """Forbids some stretches."""

    spans: list[Span]

    def __post_init__(self) -> None:
        if self.spans:
            self.spans = sorted((each for each in self.spans if each[1] is None or each[1] > each[0]), key=lambda span: span[0])

    @property
    def open(self) -> bool:
        return not self.spans

    def clear_at(self, at: int) -> int | None:
        for start, end in self.spans:
            if start > at:
                break
            if end is None:
                return None
            at = max(at, end)
        return at

    def until(self, at: int) -> int:
        return min((start for start, _ in self.spans if start > at), default=FAR)


class WithinHours(Check):
    """Permits [opens, closes) of the days it binds on, and all of the others."""

    opens: int
    closes: int
    days: frozenset[int]
    tz: ZoneInfo

    @classmethod
    def of(cls, rule: Hours, tz: ZoneInfo, at: int, weekdays: frozenset[int]) -> WithinHours:
        """The rule as it stands at an instant."""
        counters = {"local_minute": minute_of_day(at, tz)}
        return cls(rule, "contact_hours", counters, minutes(rule.opens), minutes(rule.closes), weekdays, tz)

    def _open(self, day: dt.date) -> tuple[int, int]:
        if self.days and day.weekday() not in self.days:
            return instant(day, 0, self.tz, False), instant(day, 1440, self.tz, False)
        return instant(day, self.opens, self.tz, True), instant(day, self.closes, self.tz, False)

    def _opening(self, at: int) -> tuple[int, int]:
        day = local_date(at, self.tz)
        while True:
            start, end = self._open(day)
            if end > at and end > start:
                return start, end
            day += dt.timedelta(days=1)

    def clear_at(self, at: int) -> int | None:
        return max(at, self._opening(at)[0])

    def until(self, at: int) -> int:
        end = self._opening(at)[1]
        # Days on which the rule does not bind run into one another.
        for _ in range(7):
            start, after = self._opening(end)
            if start > end:
                break
            end = after
        return end


class OpenDays(Check):
    """Forbids whole local days."""

    closed: Callable[[dt.date], bool]
    tz: ZoneInfo

    @classmethod
    def of(cls, rule: ClosedDays, tz: ZoneInfo, at: int, closed: Callable[[dt.date], bool]) -> OpenDays:
        """The rule as it stands at an instant."""
        today = local_date(at, tz)
        return cls(rule, "contact_hours", {"closed": int(closed(today)), "weekday": today.isoweekday()}, closed, tz)

    def clear_at(self, at: int) -> int | None:
        day = local_date(at, self.tz)
        if not self.closed(day):
            return at
        while self.closed(day):
            day += dt.timedelta(days=1)
        return max(at, start_of_day(day, self.tz))

    def until(self, at: int) -> int:
        day = local_date(at, self.tz)
        for _ in range(15):
            day += dt.timedelta(days=1)
            if self.closed(day):
                return start_of_day(day, self.tz)
        return start_of_day(day, self.tz)


class OutsideQuiet(Check):
    """Forbids the customer's own quiet hours."""

    quiet: Sequence[Quiet]
    tz: ZoneInfo

    @classmethod
    def of(cls, rule: Rule, quiet: Sequence[Quiet], tz: ZoneInfo, at: int) -> OutsideQuiet:
        """The rule as it stands at an instant."""
        counters = {"local_minute": minute_of_day(at, tz), "stretches": len(quiet)}
        return cls(rule, "quiet_hours", counters, quiet, tz)

    def _spans(self, first: dt.date, days: int) -> list[tuple[int, int]]:
        found = []
        for offset in range(days):
            day = first + dt.timedelta(days=offset)
            for stretch in self.quiet:
                if stretch.days and day.weekday() not in stretch.days:
                    continue
                # Equal ends mean the whole day: the reading that forbids more.
                end = stretch.end if stretch.end > stretch.start else stretch.end + 1440
                # The roles of opening and closing are swapped: what is quiet begins early and ends late.
                found.append((instant(day, stretch.start, self.tz, False), instant(day, end, self.tz, True)))
        return sorted(span for span in found if span[1] > span[0])

    def clear_at(self, at: int) -> int | None:
        for _ in range(32):
            moved = at
            for start, end in self._spans(local_date(at, self.tz) - dt.timedelta(days=1), 3):
                if start <= moved < end:
                    moved = end
            if moved == at:
                return at
            at = moved
        return None

    def until(self, at: int) -> int:
        # Quiet hours repeat weekly, so eight days ahead show the next stretch if there is one.
        ahead = self._spans(local_date(at, self.tz) - dt.timedelta(days=1), 10)
        return min((start for start, _ in ahead if start > at), default=FAR)


class BelowCap(Check):
    """Permits the local days on which one more keeps every window of the rule's days within its limit.

    `days` has a list for each account that is counted by itself.
    """

    days: Sequence[Sequence[dt.date]]
    limit: int
    length: int
    tz: ZoneInfo

    @classmethod
    def of(cls, rule: Cap, days: Sequence[Sequence[dt.date]], tz: ZoneInfo, at: int) -> BelowCap:
        """The rule as it stands at an instant."""
        counters: Counters = {rule.counts: 0, "limit": rule.limit, "days": rule.days}
        made = cls(rule, "contact_cap", counters, days, rule.limit, rule.days, tz, lasting=rule.counts != "nudges")
        if days:
            today = local_date(at, tz)
            counters[rule.counts] = max([made._counted(each, today) for each in days])
        return made

    def _counted(self, days: Sequence[dt.date], day: dt.date) -> int:
        length = self.length
        return sum(0 <= (day - each).days < length for each in days)

    def _full(self, day: dt.date) -> bool:
        for days in self.days:
            if self._counted(days, day) >= self.limit:
                return True
            # One that is told for a later day shares a window with this one, too.
            for later in days:
                if 0 < (later - day).days < self.length and self._counted(days, later) >= self.limit:
                    return True
        return False

    def clear_at(self, at: int) -> int | None:
        day = local_date(at, self.tz)
        if not self._full(day):
            return at
        while self._full(day):
            day += dt.timedelta(days=1)
        return max(at, start_of_day(day, self.tz))

    def until(self, at: int) -> int:
        if not self.lasting:
            return FAR
        today = local_date(at, self.tz)
        later = sorted({each for days in self.days for each in days if each > today})
        return next((start_of_day(day, self.tz) for day in later if self._full(day)), FAR)


@lru_cache(maxsize=1024)
def minute_of_day(ms: int, tz: ZoneInfo) -> int:
    """Minutes since local midnight, by the clock on the wall."""
    local = local_time(ms, tz)
    return local.hour * 60 + local.minute
