"""Working days, paydays and local clocks, against published calendars."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.simulate.calendars import (
    Country,
    Payday,
    add_months,
    add_working_days,
    collected_on,
    easter,
    holidays,
    is_working_day,
    local,
    next_working_day,
    on_day,
)

COUNTRIES: tuple[Country, ...] = ("GB", "IE", "DE", "US", "AU")


def test_a_weekend_is_friday_and_saturday_in_kuwait_and_japan_rests_in_golden_week() -> None:
    friday, sunday = date(2024, 3, 8), date(2024, 3, 10)
    assert not is_working_day("KW", friday)
    assert is_working_day("KW", sunday)
    assert not is_working_day("KW", date(2024, 2, 25))  # National Day
    assert next_working_day("JP", date(2024, 5, 3)) == date(2024, 5, 7)


def _days(year: int, *days: str) -> set[date]:
    return {date.fromisoformat(f"{year}-{day}") for day in days}


@pytest.mark.parametrize(
    ("year", "days"),
    [
        (2022, ("01-03", "04-15", "04-18", "05-02", "05-30", "08-29", "12-26", "12-27")),
        (2024, ("01-01", "03-29", "04-01", "05-06", "05-27", "08-26", "12-25", "12-26")),
        (2026, ("01-01", "04-03", "04-06", "05-04", "05-25", "08-31", "12-25", "12-28")),
        (2027, ("01-01", "03-26", "03-29", "05-03", "05-31", "08-30", "12-27", "12-28")),
    ],
)
def test_english_bank_holidays_are_those_that_the_government_lists(year: int, days: tuple[str, ...]) -> None:
    # Without one-off days (2022 moved the spring holiday and added two).
    assert holidays("GB", year) == _days(year, *days)


def test_american_holidays_are_observed_as_the_federal_reserve_does() -> None:
    assert holidays("US", 2027) == _days(
        2027,
        "01-01",
        "01-18",
        "02-15",
        "05-31",
        "06-19",
        "07-05",
        "09-06",
        "10-11",
        "11-11",
        "11-25",
        "12-25",
    )


def test_easter_of_known_years() -> None:
    assert [easter(year) for year in (2000, 2008, 2011, 2026, 2038)] == [
        date(2000, 4, 23), date(2008, 3, 23), date(2011, 4, 24), date(2026, 4, 5), date(2038, 4, 25),
    ]  # fmt: skip


def test_a_debit_due_on_the_31st_is_collected_at_the_end_of_february_or_the_next_working_day() -> None:
    assert on_day(2026, 2, 31) == date(2026, 2, 28)  # a Saturday
    assert collected_on("GB", on_day(2026, 2, 31)) == date(2026, 3, 2)
    assert on_day(2028, 2, 31) == date(2028, 2, 29)
    assert collected_on("GB", on_day(2028, 2, 31)) == date(2028, 2, 29)


def test_salaries_are_paid_on_the_working_day_before_a_weekend_or_holiday() -> None:
    assert Payday("day_of_month", 28).in_month("GB", 2026, 2) == (date(2026, 2, 27),)
    assert Payday("last_working_day").in_month("GB", 2026, 5) == (date(2026, 5, 29),)
    assert Payday("day_of_month", 25).in_month("GB", 2026, 12) == (date(2026, 12, 24),)


def test_a_payday_on_the_first_may_be_paid_in_the_month_before() -> None:
    first = Payday("day_of_month", 1)
    assert first.in_month("GB", 2025, 12) == (date(2025, 12, 1), date(2025, 12, 31))
    assert first.in_month("GB", 2026, 1) == (date(2026, 1, 30),)  # 1 February is a Sunday, and so is 1 March
    assert first.in_month("GB", 2026, 2) == (date(2026, 2, 27),)
    assert first.in_month("GB", 2026, 3) == ()


def test_four_weekly_benefits_come_every_28_days_but_before_a_holiday() -> None:
    rule = Payday("four_weekly", date(2026, 3, 9).toordinal())  # Mondays
    paid = [day for month in range(3, 8) for day in rule.in_month("GB", 2026, month)]
    # 4 May is a bank holiday: paid on Friday the first.
    assert paid[:4] == [date(2026, 3, 9), date(2026, 4, 2), date(2026, 5, 1), date(2026, 6, 1)]


@given(
    st.sampled_from(COUNTRIES),
    st.dates(date(2020, 1, 1), date(2040, 12, 31)),
    st.sampled_from(["last_working_day", "day_of_month", "weekly", "four_weekly"]),
)
def test_paydays_are_working_days_and_none_is_lost_between_months(
    country: Country, day: date, kind: str
) -> None:
    rule = Payday(kind, day.day if kind == "day_of_month" else day.toordinal())  # type: ignore[arg-type]
    paid: list[date] = []
    for n in range(13):
        month = add_months(day.replace(day=1), n)
        paid += rule.in_month(country, month.year, month.month)
    assert paid == sorted(set(paid))
    assert all(is_working_day(country, one) for one in paid)
    steps = {"weekly": 7, "four_weekly": 28}
    longest = max(b - a for a, b in pairwise(paid))
    assert longest <= timedelta(days=steps.get(kind, 31) + 5)
    if kind in steps:
        assert len(paid) >= 12 * 30 // steps[kind]
    else:
        assert 12 <= len(paid) <= 14


@given(st.sampled_from(COUNTRIES), st.dates(date(2020, 1, 1), date(2040, 12, 31)), st.integers(1, 30))
def test_adding_working_days_counts_only_working_days(country: Country, day: date, count: int) -> None:
    then = add_working_days(country, day, count)
    between = [day + timedelta(days=n) for n in range(1, (then - day).days + 1)]
    assert sum(is_working_day(country, one) for one in between) == count
    assert is_working_day(country, then)
    assert next_working_day(country, then) == then


@pytest.mark.parametrize(
    ("zone", "day", "hour", "told"),
    [
        ("Europe/London", date(2026, 3, 28), 7, "2026-03-28T07:00:00+00:00"),
        ("Europe/London", date(2026, 3, 29), 7, "2026-03-29T07:00:00+01:00"),
        ("Europe/London", date(2026, 3, 29), 1, "2026-03-29T02:00:00+01:00"),
        ("Europe/Berlin", date(2026, 10, 25), 9, "2026-10-25T09:00:00+01:00"),
        ("America/New_York", date(2026, 3, 8), 2, "2026-03-08T03:00:00-04:00"),
        ("Australia/Sydney", date(2026, 4, 5), 9, "2026-04-05T09:00:00+10:00"),
        ("Australia/Brisbane", date(2026, 1, 5), 9, "2026-01-05T09:00:00+10:00"),
    ],
)
def test_local_times_carry_the_offset_of_their_day(zone: str, day: date, hour: int, told: str) -> None:
    assert local(day, hour * 3600, zone).isoformat() == told


def test_local_times_never_go_back_where_the_clock_skips() -> None:
    zone = "Europe/London"
    times = [local(date(2026, 3, 29), second, zone).astimezone(UTC) for second in range(0, 86400, 600)]
    exact = [time for time in times if time >= datetime(2026, 3, 29, 1, tzinfo=UTC)]
    assert exact[0] == datetime(2026, 3, 29, 1, tzinfo=UTC)
