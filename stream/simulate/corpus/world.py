"""What strikes many households at once: a bank's or a scheme's outage, a file that did not come, an employer."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from stream.simulate.calendars import (
    DAY,
    SATURDAY,
    Payday,
    add_months,
    add_working_days,
    is_working_day,
    next_working_day,
)

OUTAGE_BANK = "BK-TARNHOLM"
SILENT_BANK = "BK-SORREL"
"""Sends no balances."""
OUTAGE_SCHEME = "direct_entry"
SILENT_BILLER = "Quarrybank Broadband"
LATE_EMPLOYER = ("EMP-BRACKWATER", "Brackwater Foods")
GONE_EMPLOYER = ("EMP-HALDENRETAIL", "Halden Retail Group")
EMPLOYERS = (
    ("EMP-CALDERWORKS", "Calder Works"), ("EMP-MILLRACE", "Millrace Logistics"), ("EMP-FENSCHOOLS", "Fen Schools Trust"),
    ("EMP-OSTLERCARE", "Ostler Care Homes"), ("EMP-PINMILL", "Pinmill Engineering"), ("EMP-TEASELBUS", "Teasel Coaches"),
    ("EMP-LARCHLAW", "Larch and Lowe"), ("EMP-WINDROW", "Windrow Farms"), ("EMP-STOATANDSON", "Stoat and Son"),
    ("EMP-HARBOURNHS", "Harbour Hospitals"), ("EMP-GLASSWING", "Glasswing Software"),
)  # fmt: skip
MONTH_END_PAY = Payday("day_of_month", 28)
"""Payday of the two employers to whom something happens."""


@dataclass(frozen=True, slots=True)
class World:
    """The days on which it happens, the same for all households of a corpus."""

    outage: tuple[date, date]
    """Two working days, the first after a first of a month, on which `OUTAGE_BANK` returns its debits."""
    scheme_down: date
    """A working day on which `OUTAGE_SCHEME` returns all debits."""
    file_due: date
    """The first of the seven days on which nothing of `SILENT_BILLER` is collected."""
    file_came: date
    """When it is all collected after all."""
    pay_due: date
    """The payday that `LATE_EMPLOYER` misses."""
    pay_came: date
    """Three days later."""
    gone_from: date
    """From when on `GONE_EMPLOYER` pays nobody: some days before a payday."""


def world(start: date, end: date) -> World:
    """When what happens in a corpus of these days."""

    def after(percent: int) -> date:
        return start + DAY * ((end - start).days * percent // 100)

    first = next_working_day("GB", add_months(after(42).replace(day=1), 1))
    down = after(60)
    while not is_working_day("AU", down) or down.day > 28:
        down += DAY
    file_due = after(52).replace(day=10)
    month = after(47).replace(day=1)
    while True:
        (pay_due,) = MONTH_END_PAY.in_month("GB", month.year, month.month)
        pay_came = pay_due + 3 * DAY
        if pay_came.weekday() < SATURDAY and is_working_day("GB", pay_came):
            break
        month = add_months(month, 1)
    return World(
        outage=(first, add_working_days("GB", first, 1)),
        scheme_down=down,
        file_due=file_due,
        file_came=next_working_day("GB", file_due + 9 * DAY),
        pay_due=pay_due,
        pay_came=pay_came,
        gone_from=after(40).replace(day=15),
    )
