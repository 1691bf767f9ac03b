"""Months of the civil calendar, as compiled code counts them."""

from __future__ import annotations

from datetime import date

from hypothesis import example, given
from hypothesis import strategies as st

from stream.detectors.world import month_of, month_start

EPOCH = date(1970, 1, 1)


@given(st.dates())
@example(date(2024, 2, 29))
@example(date(2000, 3, 1))
@example(date(1900, 2, 28))
def test_month_and_its_first_day_are_those_of_the_calendar(when: date) -> None:
    month = month_of((when - EPOCH).days)
    assert month == (when.year - 1970) * 12 + when.month - 1
    assert month_start(month) == (when.replace(day=1) - EPOCH).days
