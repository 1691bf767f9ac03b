"""Promises: deadlines by country and zone, money that counts once, and verdicts by event time."""

from __future__ import annotations

import datetime as dt
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.reference.working_days import DAYS, FIRST, before
from stream.treatment.local_time import DAY, LATEST, local_date, to_ms, zone
from stream.treatment.promises import Commitment, Payment, allocate, deadline, judge

DUE = dt.date(2026, 3, 4)
END = 1_000


def tz_of(name: str) -> ZoneInfo:
    found = zone(name)
    assert found is not None
    return found


UTC = tz_of("UTC")
ZONES = (
    "UTC", "Europe/London", "Europe/Berlin", "America/New_York", "America/Sao_Paulo", "America/Havana", "America/Santiago",
    "Asia/Kolkata", "Asia/Beirut", "Australia/Lord_Howe", "Pacific/Niue", "Pacific/Tongatapu", "Africa/Cairo",
)  # fmt: skip


def last_day(due: str, count: int, country: str | None) -> str:
    """The last day on which it can be kept, in UTC."""
    return str(local_date(deadline(dt.date.fromisoformat(due), count, country, UTC) - 1, UTC))


def commitment(name: str, amount: int = 100, **fields: Any) -> Commitment:
    told = {"account_id": "A1", "currency": "GBP", "made_at": 0, "due": DUE, "deadline": END}
    return Commitment(id=name, amount=amount, **told | fields)


def payment(name: str, amount: int, at: int = 10, **fields: Any) -> Payment:
    return Payment(name, **{"account_id": "A1", "currency": "GBP", "amount": amount, "at": at} | fields)


# --- until when


@pytest.mark.parametrize(
    ("due", "count", "country", "expected"),
    [
        # Good Friday (3 April 2026) and Easter Monday are free in England and where the euro is money, not in the United States.
        ("2026-04-02", 1, "GB", "2026-04-07"),
        ("2026-04-02", 1, "DE", "2026-04-07"),
        ("2026-04-02", 1, "US", "2026-04-03"),
        ("2026-04-02", 1, None, "2026-04-03"),
        ("2026-04-02", 3, "GB", "2026-04-09"),
        ("2026-04-02", 3, "FR", "2026-04-09"),  # at work on Good Friday, but TARGET is closed
        ("2026-04-02", 3, "US", "2026-04-07"),
        # Christmas 2026 is a Friday: England has the Monday in place of Boxing Day.
        ("2026-12-24", 1, "GB", "2026-12-29"),
        ("2026-12-24", 1, "DE", "2026-12-28"),
        ("2026-12-24", 1, "US", "2026-12-28"),
        ("2026-12-24", 1, None, "2026-12-25"),
        ("2026-12-24", 3, "GB", "2026-12-31"),
        ("2026-12-30", 3, "GB", "2027-01-05"),
        ("2026-12-30", 3, None, "2027-01-04"),
        # Without grace the due date stands, whatever day it is.
        ("2026-04-03", 0, "GB", "2026-04-03"),
        ("2026-04-05", 0, "GB", "2026-04-05"),
        ("2026-04-04", 1, "GB", "2026-04-07"),
        # A country that is not known has weekends alone.
        ("2026-04-02", 1, "XX", "2026-04-03"),
        ("2026-04-02", 1, "gb", "2026-04-03"),
        ("2026-04-02", 1, "", "2026-04-03"),
        # Outside the table as well: New Year's Day 2050 is a Saturday, Christmas 1998 a Friday.
        ("2049-12-30", 3, "GB", "2050-01-04"),
        ("1998-12-24", 1, "GB", "1998-12-25"),
        ("1999-12-30", 2, "GB", "2000-01-04"),  # 3 January 2000 was free in place of New Year's Day
    ],
)
def test_the_last_day_is_so_many_working_days_of_the_country_after_the_due_date(
    due: str, count: int, country: str | None, expected: str
) -> None:
    assert last_day(due, count, country) == expected


@pytest.mark.parametrize(
    ("due", "name", "expected"),
    [
        ("2026-03-28", "Europe/London", "2026-03-29T00:00Z"),
        ("2026-03-29", "Europe/London", "2026-03-29T23:00Z"),  # the clocks went forward
        ("2026-10-25", "Europe/London", "2026-10-26T00:00Z"),  # and back: a day of 25 hours
        ("2026-03-08", "America/New_York", "2026-03-09T04:00Z"),
        ("2026-10-31", "America/Havana", "2026-11-01T04:00Z"),  # midnight comes twice
        ("2018-11-03", "America/Sao_Paulo", "2018-11-04T03:00Z"),  # there is no midnight
        ("2018-02-17", "America/Sao_Paulo", "2018-02-18T03:00Z"),  # 23:00 comes twice
        ("2011-12-29", "Pacific/Apia", "2011-12-30T10:00Z"),  # the next day was skipped
    ],
)
def test_the_deadline_is_where_the_next_local_day_begins(due: str, name: str, expected: str) -> None:
    found = deadline(dt.date.fromisoformat(due), 0, None, tz_of(name))
    assert found == to_ms(dt.datetime.fromisoformat(expected))


@given(
    st.dates(dt.date(1900, 1, 1), dt.date(2100, 1, 1)),
    st.integers(0, 10),
    st.sampled_from(("GB", "DE", "US", "IN", "AU", "JP", None)),
    st.sampled_from(ZONES),
)
def test_after_the_due_date_exactly_so_many_working_days_end_before_the_deadline(
    due: dt.date, count: int, country: str | None, name: str
) -> None:
    tz = tz_of(name)
    end = deadline(due, count, country, tz)
    last = local_date(end - 1, tz)
    assert last >= due
    assert local_date(end, tz) == last + dt.timedelta(days=1)
    working = 0
    for number in range(due.toordinal() + 1, last.toordinal() + 1):
        day = dt.date.fromordinal(number)
        index = number - dt.date(1970, 1, 1).toordinal() - FIRST
        working += int(before(country)[index + 1] - before(country)[index]) if 0 <= index < DAYS else day.weekday() < 5
    assert working == count
    assert working == 0 or last.weekday() < 5


@given(
    st.dates() | st.sampled_from((dt.date.min, dt.date.max)),
    st.integers(-1, 40),
    st.sampled_from(("GB", "ZZ", "GB-SCT", None)),
    st.sampled_from((*ZONES, "Pacific/Apia", "Pacific/Kiritimati")),
)
def test_every_date_of_the_calendar_has_a_deadline(due: dt.date, count: int, country: str | None, name: str) -> None:
    end = deadline(due, count, country, tz_of(name))
    assert deadline(dt.date.min, 0, None, tz_of(name)) <= end <= LATEST
    assert end <= deadline(due, count + 1, country, tz_of(name))
    assert end <= deadline(min(due, dt.date.max - dt.timedelta(days=1)) + dt.timedelta(days=1), count, country, tz_of(name))


# --- what was paid towards which


@pytest.mark.parametrize(
    ("commitments", "payments", "paid"),
    [
        ([commitment("a")], [], {"a": 0}),
        ([], [payment("1", 100)], {}),
        ([commitment("a")], [payment("1", 60), payment("2", 30)], {"a": 90}),
        # No more than was promised, and the rest goes on.
        ([commitment("a"), commitment("b", deadline=END + 1)], [payment("1", 130)], {"a": 100, "b": 30}),
        ([commitment("a"), commitment("b", deadline=END + 1)], [payment("1", 900)], {"a": 100, "b": 100}),
        # What ends first comes first; then what was made first; then the id decides.
        ([commitment("a", deadline=END + 1), commitment("b")], [payment("1", 100)], {"a": 0, "b": 100}),
        ([commitment("a", made_at=5), commitment("b", made_at=4)], [payment("1", 100)], {"a": 0, "b": 100}),
        ([commitment("b"), commitment("a")], [payment("1", 100)], {"a": 100, "b": 0}),
        # Open in [made_at, deadline).
        ([commitment("a", made_at=10)], [payment("1", 100, at=9)], {"a": 0}),
        ([commitment("a", made_at=10)], [payment("1", 100, at=10)], {"a": 100}),
        ([commitment("a")], [payment("1", 100, at=END - 1)], {"a": 100}),
        ([commitment("a")], [payment("1", 100, at=END)], {"a": 0}),
        # Money that nothing was open for is not kept for what is promised later.
        (
            [commitment("a", deadline=50), commitment("b", made_at=20)],
            [payment("1", 130, at=10), payment("2", 40, at=60)],
            {"a": 100, "b": 40},
        ),
        # Another account and another currency are no help.
        ([commitment("a")], [payment("1", 100, account_id="A2"), payment("2", 100, currency="EUR")], {"a": 0}),
        # An event that is told twice is one payment, by the time it was told to have happened first.
        ([commitment("a")], [payment("1", 60), payment("1", 60)], {"a": 60}),
        ([commitment("a")], [payment("1", 60, at=20), payment("1", 50, at=10)], {"a": 50}),
        ([commitment("a")], [payment("1", 60), payment("1", 50)], {"a": 50}),
        ([commitment("a")], [payment("1", 50), payment("1", 60)], {"a": 50}),
        # What is no money in is nothing.
        ([commitment("a")], [payment("1", -60), payment("2", 0), payment("3", 10)], {"a": 10}),
        # A promise that ends sooner takes what comes, although an older one is open.
        (
            [commitment("old", deadline=900), commitment("new", made_at=100, deadline=500)],
            [payment("1", 70, at=50), payment("2", 100, at=100), payment("3", 100, at=500)],
            {"old": 100, "new": 100},
        ),
    ],
)
def test_money_goes_to_what_was_open_when_it_came(
    commitments: list[Commitment], payments: list[Payment], paid: dict[str, int]
) -> None:
    assert allocate(commitments, payments) == paid


# Few of each, so that most of what is drawn competes.
accounts = st.sampled_from(("A1", "A1", "A1", "A2"))
currencies = st.sampled_from(("GBP", "GBP", "GBP", "EUR"))
instants = st.integers(0, 10)
many_commitments = st.lists(
    st.builds(
        lambda name, account, currency, amount, made_at, length: Commitment(
            name, account, currency, amount, made_at, DUE, made_at + length
        ),
        st.sampled_from("abcdefgh"),
        accounts,
        currencies,
        st.integers(0, 20),
        instants,
        st.integers(0, 15),
    ),
    max_size=6,
    unique_by=lambda each: each.id,
)
many_payments = st.lists(
    st.builds(
        Payment,
        st.sampled_from("1234567"),
        accounts,
        currencies,
        st.integers(-3, 30),
        instants,
    ),
    max_size=8,
)


@given(many_commitments, many_payments, st.data())
def test_the_order_of_arrival_makes_no_difference(
    commitments: list[Commitment], payments: list[Payment], data: st.DataObject
) -> None:
    told = allocate(data.draw(st.permutations(commitments)), data.draw(st.permutations(payments)))
    assert told == allocate(commitments, payments)


@given(many_commitments, many_payments, st.data())
def test_a_payment_that_is_told_again_makes_no_difference(
    commitments: list[Commitment], payments: list[Payment], data: st.DataObject
) -> None:
    again = data.draw(st.lists(st.sampled_from(payments))) if payments else []
    assert allocate(commitments, payments + again) == allocate(commitments, payments)


@given(many_commitments, many_payments)
def test_no_money_counts_twice_or_for_more_than_was_promised(commitments: list[Commitment], payments: list[Payment]) -> None:
    paid = allocate(commitments, payments)
    assert set(paid) == {each.id for each in commitments}
    assert all(0 <= paid[each.id] <= each.amount for each in commitments)
    for account, currency in ((each.account_id, each.currency) for each in commitments):
        here = [each for each in commitments if (each.account_id, each.currency) == (account, currency)]
        first: dict[str, Payment] = {}
        for each in sorted(payments, key=lambda each: (each.at, each)):
            first.setdefault(each.event_id, each)
        came = [each for each in first.values() if (each.account_id, each.currency) == (account, currency) and each.amount > 0]
        assert sum(paid[each.id] for each in here) <= sum(each.amount for each in came)
        for one in here:
            in_time = [each.amount for each in came if one.made_at <= each.at < one.deadline]
            assert paid[one.id] <= sum(in_time)


@given(many_commitments, many_payments)
def test_no_money_lies_idle_while_something_that_was_open_lacks_it(
    commitments: list[Commitment], payments: list[Payment]
) -> None:
    distinct = list({each.event_id: each for each in payments}.values())
    paid = allocate(commitments, distinct)
    for each in distinct:
        reach = [
            one
            for one in commitments
            if (one.account_id, one.currency) == (each.account_id, each.currency) and one.made_at <= each.at < one.deadline
        ]
        if any(paid[one.id] < one.amount for one in reach):
            assert sum(paid[one.id] for one in reach) >= each.amount


@given(many_commitments, many_payments, st.integers(1, 30), instants)
def test_another_payment_never_lowers_what_is_paid_in_all(
    commitments: list[Commitment], payments: list[Payment], amount: int, at: int
) -> None:
    more = [*payments, Payment("more", "A1", "GBP", amount, at)]
    gained = sum(allocate(commitments, more).values()) - sum(allocate(commitments, payments).values())
    assert 0 <= gained <= amount


# --- whether it was kept


@pytest.mark.parametrize(
    ("paid", "clock", "verdict"),
    [
        (0, END - 1, "open"),
        (99, END - 1, "open"),
        (100, 0, "kept"),
        (101, END + DAY, "kept"),
        (99, END, "part_kept"),
        (50, END, "part_kept"),
        (49, END, "broken"),
        (0, END, "broken"),
    ],
)
def test_a_promise_is_kept_at_once_and_otherwise_judged_at_its_deadline(paid: int, clock: int, verdict: str) -> None:
    assert judge(commitment("a"), paid, clock) == verdict


@pytest.mark.parametrize(
    ("amount", "paid", "percent", "verdict"),
    [
        (101, 50, 50, "broken"),
        (101, 51, 50, "part_kept"),
        (3, 1, 33, "part_kept"),
        (3, 1, 34, "broken"),
        (10**17 + 1, 5 * 10**16, 50, "broken"),  # a float would not see the difference
        (10**17 + 1, 5 * 10**16 + 1, 50, "part_kept"),
        (100, 99, 100, "broken"),
        (0, 0, 50, "kept"),
    ],
)
def test_the_part_that_counts_is_exact(amount: int, paid: int, percent: int, verdict: str) -> None:
    assert judge(commitment("a", amount), paid, END, percent) == verdict


@given(many_commitments, many_payments, st.integers(0, 30), st.integers(0, 30))
def test_what_was_decided_by_time_stands_for_what_is_known(
    commitments: list[Commitment], payments: list[Payment], clock: int, later: int
) -> None:
    paid = allocate(commitments, payments)
    for each in commitments:
        now, then = (judge(each, paid[each.id], moment) for moment in (clock, clock + later))
        assert then == now or now == "open"
        assert judge(each, paid[each.id], each.deadline) != "open"


def test_a_payment_made_in_time_and_told_late_mends_what_was_broken() -> None:
    promise = commitment("a")
    early, told_late = payment("1", 40, at=30), payment("2", 60, at=END - 1)
    assert judge(promise, allocate([promise], [early])["a"], END) == "broken"
    assert judge(promise, allocate([promise], [early, told_late])["a"], END + DAY) == "kept"
