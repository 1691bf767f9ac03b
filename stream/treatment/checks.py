"""The kinds of rules that bind a nudge, each as a `Check` of one customer: from when does it permit, and how long?"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from stream.tables.customer import Quiet
from stream.treatment.holds import Span
from stream.treatment.local_time import LATEST, from_ms, instant, local_date, start_of_day
from stream.treatment.policy import Cap, ClosedDays, Hours, Rule, minutes

Counters = dict[str, int]

FAR: Final = LATEST


class Check:
    """One rule, made ready for one customer, channel and set of accounts. This one permits always, or never."""

    __slots__ = ("backdates", "because", "counters", "lasting", "permitted", "rule", "waits")

    def __init__(
        self,
        rule: Rule,
        because: str,
        counters: Counters,
        *,
        permitted: bool = True,
        backdates: bool = False,
        lasting: bool = True,
        waits: bool = False,
    ) -> None:
        self.rule = rule
        self.because = because
        """What a withdrawal says where this rule comes to forbid a nudge that was issued."""
        self.counters = counters
        self.permitted = permitted
        self.backdates = backdates
        """Whether it may come to forbid an instant that has passed (a hold placed late)."""
        self.lasting = lasting
        """Whether it goes on binding a nudge after it was issued."""
        self.waits = waits
        """Whether what it forbids waits for a person's word rather than for good."""

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

    __slots__ = ("spans",)

    def __init__(
        self,
        rule: Rule,
        because: str,
        counters: Counters,
        spans: Iterable[Span],
        *,
        backdates: bool = False,
        lasting: bool = True,
    ) -> None:
        super().__init__(rule, because, counters, backdates=backdates, lasting=lasting)
        self.spans = sorted((span for span in spans if span[1] is None or span[1] > span[0]), key=lambda span: span[0])

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

    __slots__ = ("closes", "days", "opens", "tz")

    def __init__(self, rule: Hours, tz: ZoneInfo, at: int, weekdays: frozenset[int]) -> None:
        super().__init__(rule, "contact_hours", {"local_minute": minute_of_day(at, tz)})
        self.opens, self.closes, self.days, self.tz = minutes(rule.opens), minutes(rule.closes), weekdays, tz

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

    __slots__ = ("closed", "tz")

    def __init__(self, rule: ClosedDays, tz: ZoneInfo, at: int, closed: Callable[[dt.date], bool]) -> None:
        today = local_date(at, tz)
        super().__init__(rule, "contact_hours", {"closed": int(closed(today)), "weekday": today.isoweekday()})
        self.tz, self.closed = tz, closed

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

    __slots__ = ("quiet", "tz")

    def __init__(self, rule: Rule, quiet: Sequence[Quiet], tz: ZoneInfo, at: int) -> None:
        super().__init__(rule, "quiet_hours", {"local_minute": minute_of_day(at, tz), "stretches": len(quiet)})
        self.quiet, self.tz = quiet, tz

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

    __slots__ = ("days", "length", "limit", "tz")

    def __init__(self, rule: Cap, days: Sequence[Sequence[dt.date]], tz: ZoneInfo, at: int) -> None:
        self.days, self.tz, self.limit, self.length = days, tz, rule.limit, rule.days
        today = local_date(at, tz)
        most = max((self._counted(each, today) for each in days), default=0)
        counters: Counters = {rule.counts: most, "limit": rule.limit, "days": rule.days}
        super().__init__(rule, "contact_cap", counters, lasting=rule.counts != "nudges")

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
    local = from_ms(ms).astimezone(tz)
    return local.hour * 60 + local.minute
