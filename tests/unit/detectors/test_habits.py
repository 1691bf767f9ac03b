"""What is learned of regular payments: rhythms, changed dates, lapses, and what is never learned."""

from __future__ import annotations

import random
from collections.abc import Iterable
from datetime import date, timedelta
from typing import Any

import numpy as np
import pytest

from stream.contracts.vocabulary import CATEGORIES, SCHEMES
from stream.detectors import habits, settings, world
from stream.detectors.levels import DAY
from stream.reference.working_days import code_of
from stream.tables import event as ev
from stream.tables.account import ACCOUNT, HABIT, HABITS, NEVER, REPAID
from stream.tables.event import EVENT
from stream.tables.hashing import hash_text

EPOCH = date(1970, 1, 1)
CONFIG = settings.config_of(settings.load())[0]["habits"]
WORLDS = {country: world.with_country(world.bare(), country) for country in ("GB", "US", "JP")}


class Account:
    """One account whose days pass one by one, as ticks at noon and payments after them have them pass."""

    def __init__(self, country: str = "GB", flags: int = 0) -> None:
        self.world = WORLDS[country]
        self.rows = np.zeros(1, ACCOUNT)
        self.row: Any = self.rows[0]
        self.row["country"] = code_of(country)
        self.row["flags"] = flags
        self.today = EPOCH
        self.lapses: list[date] = []

    def _learn(self, **fields: int) -> None:
        event = np.zeros(1, EVENT)[0]
        at = (self.today - EPOCH).days * DAY + DAY // 2
        for name, value in {"at": at, "clock": at, **fields}.items():
            event[name] = value
        habits.learn(self.row, event, CONFIG, self.world)

    def pass_to(self, day: date, *, live: bool = True) -> None:
        """Lets time pass, a day at a time; what becomes absent is noted."""
        if self.today == EPOCH:
            self.today = day
        while self.today < day:
            self.today += timedelta(1)
            before = self.row["habits"]["absent"].copy()
            self._learn(topic=ev.TIME, kind=ev.LIVE if live else 0)
            self.lapses += [self.today] * int((self.row["habits"]["absent"] > before).sum())

    def pay(self, day: date, category: str = "rent", amount: int = 50_000, payee: str = "P", **more: Any) -> None:
        self.pass_to(day)
        self.tell(day, category, amount, payee, **more)

    def tell(self, day: date, category: str = "rent", amount: int = 50_000, payee: str = "P", **more: Any) -> None:
        """A payment of `day`, told today."""
        credit = category in habits.INCOME
        fields = {
            "topic": ev.PAYMENT, "at": (day - EPOCH).days * DAY + DAY // 2, "payee": hash_text(payee), "amount": amount,
            "category": CATEGORIES.index(category), "direction": ev.CREDIT if credit else ev.DEBIT,
            "scheme": SCHEMES.index("faster_payments"), "currency": 1,
        }  # fmt: skip
        self._learn(**(fields | more))

    def pay_all(self, days: Iterable[date], **more: Any) -> Account:
        for day in days:
            self.pay(day, **more)
        return self

    @property
    def habit(self) -> Any:
        """The only habit."""
        [number] = np.flatnonzero(self.row["habits"]["subject"])
        return self.row["habits"][int(number)]

    @property
    def cadence(self) -> str:
        code = int(self.habit["cadence"])
        return habits.CADENCES[code] if code > 0 else ""

    @property
    def due(self) -> date | None:
        return EPOCH + timedelta(int(self.habit["due"])) if self.habit["due"] else None


def working(day: date, step: int, country: str = "GB") -> date:
    row = np.zeros(1, ACCOUNT)[0]
    row["country"] = code_of(country)
    while not world.is_working(row, (day - EPOCH).days, WORLDS[country]):
        day += timedelta(step)
    return day


def monthly(first: date, count: int, day: int) -> list[date]:
    """That day of so many months; the last where a month lacks it."""
    found = []
    for k in range(count):
        month = first.year * 12 + first.month - 1 + k
        start, end = date(month // 12, month % 12 + 1, 1), date((month + 1) // 12, (month + 1) % 12 + 1, 1)
        found.append(min(start + timedelta(day - 1), end - timedelta(1)))
    return found


JAN = date(2026, 1, 1)


# --- rhythms ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("country", ["GB", "US"])
@pytest.mark.parametrize("day", [1, 3, 15, 24, 25, 28, 29, 30, 31])
@pytest.mark.parametrize("step", [1, -1])
def test_every_month_of_years_is_foreseen_to_the_day_once_learned(country: str, day: int, step: int) -> None:
    # 31 with the day before: the last working day. Two years hold a 29 February, Easter, Christmas and every bank holiday.
    days = [working(one, step, country) for one in monthly(date(2027, 1, 1), 26, day)]
    account = Account(country)
    misses = 0
    for number, one in enumerate(days):
        if number > 6 and account.due != one:
            misses += 1
        account.pay(one)
    assert account.lapses == []
    # A date that fits two rhythms may be foreseen as the other, until a month tells them apart. The working day before the 1st
    # lies in another month, which no rhythm knows: it is expected within its tolerance.
    if (day, step) != (1, -1):
        assert misses <= 3
        assert account.cadence.startswith("monthly")


@pytest.mark.parametrize(("name", "step"), [("weekly", 7), ("two_weekly", 14), ("four_weekly", 28)])
def test_weeks_are_counted_in_weeks_and_a_bank_holiday_moves_nothing(name: str, step: int) -> None:
    account = Account()
    for k in range(60):
        account.pay(working(date(2026, 1, 5) + timedelta(step * k), 1))  # Mondays: bank holidays too
    assert account.cadence == name
    assert account.lapses == []
    assert account.due is not None
    assert account.due.weekday() == 0


@pytest.mark.parametrize(("number", "anchor"), [(3, 3), (-2, -2), (-4, -4)])
def test_a_working_day_of_the_month_is_a_rhythm(number: int, anchor: int) -> None:
    days = []
    for first in monthly(JAN, 8, 1):
        day = working(first, 1) if number > 0 else working(monthly(first, 1, 31)[0], -1)
        for _ in range(abs(number) - 1):
            day = working(day + timedelta(1 if number > 0 else -1), 1 if number > 0 else -1)
        days.append(day)
    account = Account().pay_all(days)
    assert account.lapses == []
    assert (account.cadence, int(account.habit["anchor"])) == ("monthly_working", anchor)


@pytest.mark.parametrize(("name", "months"), [("quarterly", 3), ("half_yearly", 6), ("yearly", 12)])
def test_what_comes_seldom_is_expected_from_the_third_on(name: str, months: int) -> None:
    days = monthly(JAN, 3 * months + 1, 10)[::months]
    account = Account().pay_all(days[:3], category="insurance")
    assert (account.cadence, account.due) == (name, working(days[3], 1))


def test_nothing_is_expected_before_the_third_payment() -> None:
    account = Account().pay_all(monthly(JAN, 2, 5))
    assert (account.cadence, account.due) == ("", None)
    account.pay_all(monthly(date(2026, 3, 1), 1, 5))
    assert (account.cadence, account.due) == ("monthly", date(2026, 4, 7))  # the 5th is Easter Sunday, the 6th Easter Monday


def test_a_bill_paid_by_hand_within_days_of_its_date_is_a_habit_without_alarms() -> None:
    rng = random.Random(7)
    days = [one + timedelta(rng.randrange(0, 6)) for one in monthly(JAN, 24, 3)]
    account = Account().pay_all(days)
    assert account.lapses == []
    assert account.due is not None


@pytest.mark.parametrize("seed", range(8))
def test_gig_income_has_no_rhythm_that_is_missed(seed: int) -> None:
    rng = random.Random(seed)
    account, day = Account(), JAN
    for _ in range(120):
        account.pay(day, category="salary", amount=rng.randrange(2_000, 30_000))
        day += timedelta(rng.choice((1, 1, 2, 2, 3, 4, 5, 6, 9, 12)))
    assert account.lapses == []


# --- what must not confuse it -------------------------------------------------------------------------------


def test_a_changed_date_is_adopted_at_its_second_payment() -> None:
    account = Account().pay_all(monthly(JAN, 5, 3)).pay_all(monthly(date(2026, 6, 1), 2, 17))
    assert account.due == date(2026, 8, 17)
    assert len(account.lapses) == 1
    account.pay_all(monthly(date(2026, 8, 1), 6, 17))
    assert len(account.lapses) == 1


def test_a_weekday_that_changes_is_adopted() -> None:
    fridays = [date(2026, 1, 2) + timedelta(7 * k) for k in range(8)]
    tuesdays = [date(2026, 3, 3) + timedelta(7 * k) for k in range(8)]
    account = Account().pay_all(fridays + tuesdays)
    assert account.lapses == []
    assert account.due == date(2026, 4, 28)


def test_parts_and_a_second_payment_in_a_month_change_nothing() -> None:
    days = monthly(JAN, 8, 2)
    account = Account().pay_all(days[:4])
    account.pay(days[4], amount=25_000)
    account.pay(days[4] + timedelta(9), amount=25_000)
    account.pay_all([days[5], days[5] + timedelta(13), days[6], days[7]])
    assert (account.lapses, account.cadence, account.due) == ([], "monthly", date(2026, 9, 2))


def test_a_payee_may_change_its_name_but_an_obligation_is_its_own_habit() -> None:
    account = Account()
    for k, day in enumerate(monthly(JAN, 3, 5)):
        account.pay(day, category="loan", payee=f"name {k}", obligation=hash_text("L1"))
        account.pay(day + timedelta(7), category="loan", payee="name", obligation=hash_text("L2"))
    assert [int(one["count"]) for one in account.row["habits"] if one["subject"]] == [3, 3]


def test_the_usual_amount_follows_a_drift_and_not_a_single_bill() -> None:
    account = Account("JP").pay_all(monthly(JAN, 6, 5), amount=8_000)
    account.pay(date(2026, 7, 6), amount=80_000)
    assert int(account.habit["amount"]) <= 10_001
    for k, day in enumerate(monthly(date(2026, 8, 1), 12, 5)):
        account.pay(day, amount=9_000 + 300 * k)
    assert 10_500 <= int(account.habit["amount"]) <= 12_300


def test_council_tax_rests_in_february_and_march() -> None:
    days = [one for one in monthly(date(2025, 6, 1), 20, 1) if one.month not in (2, 3)]
    assert Account().pay_all(days, category="council_tax").lapses == []


# --- lapses -------------------------------------------------------------------------------------------------


def test_it_lapses_once_after_grace_in_working_days_and_again_a_month_later() -> None:
    account = Account().pay_all(monthly(JAN, 3, 2))
    account.pass_to(date(2026, 5, 14))
    # Due on Thursday 2 April; Good Friday and Easter Monday are no working days. Then on Tuesday 5 May: the 2nd is a Saturday,
    # the 4th a bank holiday.
    assert account.lapses == [date(2026, 4, 14), date(2026, 5, 13)]
    account.tell(date(2026, 5, 14))
    assert int(account.habit["absent"]) == 0


def test_a_habit_that_stays_away_is_forgotten() -> None:
    account = Account().pay_all(monthly(JAN, 6, 5), category="subscription")
    account.pass_to(date(2026, 12, 1))
    assert len(account.lapses) == 2
    assert not account.row["habits"]["subject"].any()


def test_nothing_lapses_while_the_feed_is_silent_and_then_it_does() -> None:
    account = Account().pay_all(monthly(JAN, 3, 2))
    account.pass_to(date(2026, 4, 20), live=False)
    assert account.lapses == []
    overdue = habits.due(account.row, CONFIG, account.world)
    assert overdue < (account.today - EPOCH).days * DAY
    account.pass_to(date(2026, 4, 21))
    assert account.lapses == [date(2026, 4, 21)]
    assert habits.due(account.row, CONFIG, account.world) > (account.today - EPOCH).days * DAY


def test_the_instant_told_is_the_first_at_which_it_lapses() -> None:
    account = Account().pay_all(monthly(JAN, 3, 2))
    account.row["offset"] = 60
    at = habits.due(account.row, CONFIG, account.world)
    for clock, absent in ((at - 1, 0), (at, 1)):
        account._learn(topic=ev.TIME, kind=ev.LIVE, at=clock, clock=clock)
        assert int(account.habit["absent"]) == absent


def test_a_payment_delivered_late_is_for_the_day_it_was_made_on() -> None:
    account = Account().pay_all(monthly(JAN, 4, 2))
    account.pass_to(date(2026, 6, 20))
    assert int(account.habit["absent"]) == 2  # May and June
    account.tell(date(2026, 5, 5))
    assert int(account.habit["absent"]) == 1
    account.tell(date(2026, 6, 2))
    assert int(account.habit["absent"]) == 0
    assert account.due == date(2026, 7, 2)


def test_a_reversed_payment_is_due_again_and_lapses_with_the_next_day() -> None:
    account = Account().pay_all(monthly(JAN, 4, 2))
    account.pass_to(date(2026, 4, 17))
    account.tell(date(2026, 4, 17), status=ev.REVERSED)
    account.pass_to(date(2026, 4, 20))
    assert account.lapses == [date(2026, 4, 18)]
    account.tell(date(2026, 4, 20))
    assert (int(account.habit["absent"]), account.due) == (0, date(2026, 5, 5))


# --- what is learned, and room ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("category", "more", "flags", "learned"),
    [
        ("groceries", {}, 0, False),
        ("gambling", {}, 0, False),
        ("transfer", {}, 0, False),
        ("other", {}, 0, True),
        ("other", {"scheme": SCHEMES.index("card")}, 0, False),
        ("subscription", {"scheme": SCHEMES.index("card")}, 0, True),
        ("energy", {"direction": ev.CREDIT}, 0, False),
        ("salary", {}, 0, True),
        ("salary", {"direction": ev.DEBIT}, 0, False),
        ("loan", {}, REPAID, False),
        ("loan", {"direction": ev.CREDIT}, REPAID, True),
        ("salary", {}, REPAID, False),
    ],
)
def test_only_what_people_owe_or_live_on_is_learned(category: str, more: dict[str, int], flags: int, learned: bool) -> None:
    account = Account(flags=flags)
    account.pay(JAN, category, **more)
    assert bool(account.row["habits"]["subject"].any()) == learned


def test_a_crowd_of_newcomers_does_not_displace_what_holds() -> None:
    account = Account()
    own = [f"own {k}" for k in range(8)]
    rng = random.Random(1)
    for day in monthly(JAN, 12, 7):
        for k, payee in enumerate(own):
            account.pay(day + timedelta(k), category="telecom", payee=payee)
        for k in range(20):
            account.pay(day + timedelta(9 + k // 2), category="other", payee=f"shop {rng.randrange(10**6)}")
    held = {int(one["subject"]): int(one["count"]) for one in account.row["habits"] if one["due"]}
    assert held == {hash_text(payee): 12 for payee in own}


def test_more_payees_than_room_still_learn_the_room_full_and_the_grave_first() -> None:
    account = Account()
    payees = [("subscription", f"s{k}") for k in range(10)] + [
        ("rent", "home"),
        ("salary", "work"),
        ("loan", "bank"),
        ("energy", "e"),
    ]
    for day in monthly(JAN, 4, 1):
        for k, (category, payee) in enumerate(payees):
            account.pay(day + timedelta(k), category=category, payee=payee)
    learned = {int(one["subject"]) for one in account.row["habits"] if one["due"]}
    assert len(learned) == HABITS
    assert {hash_text(name) for name in ("home", "work", "bank", "e")} <= learned


def test_a_new_supplier_replaces_the_old_one() -> None:
    account = Account().pay_all(monthly(JAN, 3, 5), category="energy")
    account.pass_to(date(2026, 4, 20))
    assert not habits.is_replaced(account.row, 0)
    account.pay(date(2026, 4, 21), category="energy", payee="new")
    assert habits.is_replaced(account.row, 0)


def test_an_account_without_habits_is_never_due() -> None:
    account = Account()
    assert habits.due(account.row, CONFIG, account.world) == NEVER
    account.pay(JAN, "groceries")
    assert habits.due(account.row, CONFIG, account.world) == NEVER


def test_a_habit_stays_within_its_bytes() -> None:
    assert HABIT.itemsize == 34


@pytest.mark.parametrize("seed", range(5))
def test_any_order_of_days_leaves_numbers_that_fit(seed: int) -> None:
    rng = random.Random(seed)
    account = Account()
    for _ in range(400):
        day = JAN + timedelta(rng.randrange(700))
        account.pass_to(max(account.today if account.today != EPOCH else JAN, day))
        status = ev.REVERSED if rng.random() < 0.2 else ev.BOOKED
        account.tell(day, rng.choice(("rent", "council_tax", "salary")), payee=rng.choice("AB"), status=status)
        for one in account.row["habits"]:
            assert min(int(one["count"]), int(one["absent"])) >= 0
            assert abs(int(one["cadence"])) < len(habits.CADENCES)
            assert int(one["due"]) == 0 or int(one["cadence"]) > 0
