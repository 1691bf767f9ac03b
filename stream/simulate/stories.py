"""What strikes a simulated customer, and what follows: holds, contacts, cases, a promise."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime, timedelta
from functools import partial
from random import Random
from typing import TYPE_CHECKING, Any, Protocol

from stream.simulate.calendars import DAY, Payday, add_months, local, next_working_day
from stream.simulate.event import money, text
from stream.simulate.people import Income

if TYPE_CHECKING:
    from stream.simulate.life import Life, Owed
    from stream.simulate.outbox import Outbox
    from stream.simulate.people import Resident

Story = Callable[["Life", date], None]


class Told(Protocol):
    """A household of whose customer something is told."""

    rng: Random
    outbox: Outbox
    no_nudge_from: datetime | None
    no_nudge_until: datetime | None

    @property
    def person(self) -> Resident:
        """Who it is."""

    def at(self, day: date, task: Callable[[date], None]) -> None:
        """Does `task` on that day."""

    def stamp(self, day: date, earliest: int) -> datetime:
        """A local time of that day."""

    def tell_customer(self, customer: str, when: datetime, vulnerabilities: list[str]) -> None:
        """The customer's record as it now stands."""


def strike(life: Life, day: date) -> None:
    """The scenario's day has come."""
    name, rng = life.scenario.name, life.rng
    cause = _CAUSES.get(life.scenario.cause or "")
    if cause:
        life.at(_next_payday(life, day), partial(_feel, life))
        cause(life, day)
    follow: dict[str, tuple[int, Story]] = {
        "breathing_space": (rng.randrange(40, 55), breathing_space),
        "opt_out": (rng.randrange(20, 40), opt_out),
        "vulnerability": (rng.randrange(20, 30), vulnerability),
        "bereavement": (0, _die),
    }
    if name in follow:
        days, happens = follow[name]
        life.at(next_working_day(life.person.country, day + DAY * days), partial(happens, life))


def _next_payday(life: Life, after: date) -> date:
    """When the first income would come next, on `after` or later."""
    month = after.replace(day=1)
    while True:
        for day in life.incomes[0].payday.in_month(life.person.country, month.year, month.month):
            if day >= after:
                return day
        month = add_months(month, 1)


def _feel(life: Life, day: date) -> None:
    """The usual payday: nothing comes, or less."""
    life.onset = local(day, 5 * 3600, life.person.zone)
    life.surprised = True


def _lose_job(life: Life, day: date) -> None:
    salary = life.incomes.pop(0)
    if life.incomes:
        return  # the other salary of a couple rules out a benefit
    first = day + DAY * life.person.place.benefit_after
    amount = salary.amount * life.rng.randrange(25, 38) // 100
    benefit = Income(
        Payday("four_weekly", first.toordinal()), amount, "benefit", "GOV-BENEFITS", "Benefits Office"
    )
    life.at(first - DAY * 7, lambda _: life.incomes.append(benefit))


def _fall_ill(life: Life, day: date) -> None:
    salary = life.incomes[0]
    life.incomes[0] = replace(salary, amount=salary.amount * life.rng.randrange(33, 46) // 100)

    def recover(_: date) -> None:
        life.incomes[0] = salary

    life.at(day + DAY * life.rng.randrange(60, 120), recover)


def _shift_payday(life: Life, day: date) -> None:
    moved = replace(life.incomes[0], payday=Payday("day_of_month", life.rng.randrange(9, 13)))

    def move(_: date) -> None:
        life.incomes[0] = moved

    # Nobody is told beforehand. The month's new payday has passed when the old one fails.
    usual = _next_payday(life, day)
    if usual == day:
        move(day)
    else:
        life.at(usual - DAY, move)


_CAUSES: dict[str, Story] = {"job_loss": _lose_job, "illness": _fall_ill, "payday_shift": _shift_payday}


# --- what follows ------------------------------------------------------------------------------------


def _hold(
    life: Told,
    kind: str,
    hold_id: str,
    when: datetime,
    placed: datetime,
    ends: datetime | None = None,
    **more: Any,
) -> None:
    customer = life.person.customer_ids[0]
    value: dict[str, Any] = {
        "event_id": life.outbox.new_id("H"),
        "hold_id": hold_id,
        "customer_id": customer,
        "kind": kind,
        "occurred_at": text(when),
        "placed_at": text(placed),
        **more,
    }
    if ends:
        value["ends_at"] = text(ends)
    life.outbox.send("holds", customer, when, value)
    life.no_nudge_from = life.no_nudge_from or placed
    life.no_nudge_until = ends


def _contact(life: Told, when: datetime, channel: str, outcome: str, **more: Any) -> None:
    """The customer gets in touch."""
    customer = life.person.customer_ids[0]
    value: dict[str, Any] = {
        "event_id": life.outbox.new_id("T"),
        "contact_id": life.outbox.new_id("CONTACT"),
        "customer_id": customer,
        "occurred_at": text(when),
        "direction": "inbound",
        "channel": channel,
        "outcome": outcome,
        **more,
    }
    life.outbox.send("contact-outcomes", customer, when, value)


def _case(life: Told, case: str, status: str, day: date, **more: Any) -> None:
    customer, when = life.person.customer_ids[0], life.stamp(day, 43200)
    value: dict[str, Any] = {
        "event_id": life.outbox.new_id("S"),
        "case_id": case,
        "customer_id": customer,
        "occurred_at": text(when),
        "status": status,
        "queue": "vulnerability",
        **more,
    }
    life.outbox.send("cases", customer, when, value)


def breathing_space(life: Told, day: date) -> None:
    """SI 2020/1311: day 1 is the day after entry, and the moratorium holds through day 60."""
    when = life.stamp(day, 36000)
    ends = local(day + DAY * 61, 0, life.person.zone)
    hold = life.outbox.new_id("HOLD")
    _hold(life, "breathing_space", hold, when, when, ends, source="insolvency-service")


def opt_out(life: Told, day: date) -> None:
    """The customer wants no more messages, by any channel."""
    when = life.stamp(day, 39600)
    _contact(life, when, "sms", "opted_out")
    _hold(life, "opt_out", life.outbox.new_id("HOLD"), when, when)


def vulnerability(life: Told, day: date) -> None:
    """The customer calls and tells of an illness; a person looks after it for three weeks."""
    when = life.stamp(day, 37800)
    _contact(life, when, "voice", "hardship")
    ends = local(day + DAY * 30, 37800, life.person.zone)
    _hold(life, "vulnerable_review", life.outbox.new_id("HOLD"), when, when, ends)
    life.tell_customer(life.person.customer_ids[0], life.stamp(day, 38000), ["health"])
    case = life.outbox.new_id("CASE")
    _case(life, case, "opened", day)
    done = next_working_day(life.person.country, day + DAY * 21)
    life.at(done, lambda on: _case(life, case, "closed", on, result="support agreed"))


def _die(life: Life, day: date) -> None:
    """Pay and spending end; the bank hears of it days later. Until then debits are returned."""
    life.dead = True
    life.incomes.clear()
    hears = next_working_day(life.person.country, day + DAY * life.rng.randrange(2, 6))
    life.at(hears, partial(bereavement, life, life.outbox.new_id("HOLD"), None))


def bereavement(life: Told, hold: str, placed: datetime | None, day: date) -> None:
    """A provisional hold; nine days later a person confirms it."""
    when = life.stamp(day, 39600)
    _hold(life, "bereavement", hold, when, placed or when, provisional=placed is None)
    if placed is None:
        confirmed = next_working_day(life.person.country, day + DAY * 9)
        life.at(confirmed, partial(bereavement, life, hold, when))


# --- what people do about arrears and outages --------------------------------------------------------


def promise(life: Life, owed: Owed, day: date) -> None:
    """The customer calls, and promises a missed instalment in two weeks; kept if the money is there."""
    account = life.person.own_account_id
    if owed not in life.owed or not account:
        return
    due = next_working_day(life.person.country, day + DAY * 14)
    promised = {
        "promise_id": life.outbox.new_id("PROMISE"),
        "amount": money(owed.left),
        "currency": life.person.place.currency,
        "due_date": due.isoformat(),
        "account_id": account,
    }
    _contact(life, life.stamp(day, 50400), "voice", "promise", account_id=account, promise=promised)

    def keep(on: date) -> None:
        if owed in life.owed and life.available() >= owed.left:
            life.pay_owed(owed, on)

    life.at(due, keep)


def notice_outage(life: Life, day: date) -> None:
    """Somebody at the bank sees its outage and, for a few of its customers, quietens a detector."""
    if life.told or life.rng.random() >= 0.2:
        return
    life.told = True

    def snooze(on: date) -> None:
        when, customer = life.stamp(on, 34200), life.person.customer_ids[0]
        value: dict[str, Any] = {
            "event_id": life.outbox.new_id("X"),
            "occurred_at": text(when),
            "action": "snooze",
            "customer_id": customer,
            "detector": "bounce_pressure",
            "until": text(when + timedelta(days=7)),
            "who": "operations",
            "why": "Debits of one bank were returned by its outage",
        }
        life.outbox.send("operator-actions", customer, when, value)

    life.at(day, snooze)
