"""The life of one simulated customer, day by day: money comes and goes, and running short makes bounces."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import partial
from random import Random
from typing import Any, NamedTuple

from stream.simulate import stories
from stream.simulate.calendars import (
    DAY,
    MONDAY,
    add_months,
    add_working_days,
    collected_on,
    local,
    next_working_day,
)
from stream.simulate.event import Event, Truth, milliseconds, money, text
from stream.simulate.outbox import PROMPT, Outbox
from stream.simulate.people import OWN_BANK, SHOPS, Bill, Income, Person
from stream.simulate.scenarios import Scenario

HORIZON = 35
"""Days a household plans ahead: longer than any gap between two monthly paydays."""


class Owed(NamedTuple):
    """A bill that was missed and is still owed."""

    bill: Bill
    bill_id: str
    due: date
    amount_due: int
    left: int


@dataclass(slots=True)
class Life:
    """One customer's run from `start` up to `end`. `events()` once; then `truths()`."""

    person: Person
    scenario: Scenario
    start: date
    end: date
    struck_on: date
    """When the scenario's life event happens; `date.max` if never."""
    outage_on: date
    rng: Random
    outbox: Outbox

    balance: int = 0
    owned: int = 0
    """What is owed on the bank's own product."""
    incomes: list[Income] = field(default_factory=list)
    bills: list[Bill] = field(default_factory=list)
    owed: list[Owed] = field(default_factory=list)
    tasks: dict[date, list[Callable[[date], None]]] = field(default_factory=dict)
    planned: dict[date, int] = field(default_factory=dict)
    """What will be collected on a day, as far as the household knows."""
    scheduled_to: date = date.min
    second: int = 0
    """Local time of the last event: a day's events are told in the order in which they move the balance."""
    allowance: int = 0
    """What may be spent a day."""
    pot: int = 0
    """What may be spent now."""
    onset: datetime | None = None
    first_bounce: datetime | None = None
    missed_instalment: date | None = None
    no_nudge_from: datetime | None = None
    no_nudge_until: datetime | None = None
    oddities: int = 0
    """How many times the scenario's own mishap has happened."""
    told: bool = False
    """Whether the household, or the bank, has already spoken of it."""
    surprised: bool = False
    """Whether today's plan can no longer hold."""
    dead: bool = False

    # --- the run -------------------------------------------------------------------------------------

    def events(self) -> Iterator[Event]:
        """All events, in order of delivery."""
        self._begin()
        day = self.start
        while day < self.end:
            self.second = 0
            self._live(day)
            day += DAY
            yield from self.outbox.released(milliseconds(local(day, 0, self.person.zone)))
        yield from self.outbox.released(None)

    def truths(self) -> Iterator[Truth]:
        """One for each holder. Only after `events()` has ended."""
        person, scenario = self.person, self.scenario
        happened: date | None = self.struck_on
        if self.struck_on == date.max:
            happened = None
        elif scenario.name == "bank_outage":
            happened = self.outage_on
        stressed = self.onset is not None
        accounts = (person.account_id, person.own_account_id)
        for customer in person.customer_ids:
            yield Truth(
                customer_id=customer,
                scenario=scenario.name,
                country=person.country,
                account_ids=tuple(account for account in accounts if account),
                life_event_on=happened.isoformat() if happened else None,
                onset_at=text(self.onset) if self.onset else None,
                first_bounce_at=text(self.first_bounce) if self.first_bounce else None,
                first_missed_instalment=self.missed_instalment.isoformat()
                if self.missed_instalment
                else None,
                state="stressed" if stressed else "steady",
                nudge_right=scenario.nudge_right and (stressed or scenario.cause is None),
                no_nudge_from=text(self.no_nudge_from) if self.no_nudge_from else None,
                no_nudge_until=text(self.no_nudge_until) if self.no_nudge_until else None,
                duplicated=tuple(self.outbox.duplicated),
                late=tuple(self.outbox.late),
            )

    def _begin(self) -> None:
        person = self.person
        self.incomes = list(person.incomes)
        self.bills = list(person.bills)
        self._schedule(self.start)
        eve = self.start - DAY
        need = max(0, -min(self._ahead(eve)))
        share = self.rng.randrange(2, 9) if person.thin else self.rng.randrange(20, 120)
        self.balance = need + person.monthly_income * share // 100
        own = person.own
        if own:
            self.owned += own.amount * self.rng.randrange(14, 40) if own.product == "loan" else 0
        self._introduce(eve)
        self._plan(eve)

    def _live(self, day: date) -> None:
        if day.day == 1:
            self._schedule(day)
        if day == self.struck_on:
            stories.strike(self, day)
        paid = self._earn(day)
        self.planned.pop(day, None)
        for task in self.tasks.pop(day, ()):
            task(day)
        if paid:
            self._settle(day)
            self._save(day)
        if paid or self.surprised or day.weekday() == MONDAY or day == self.struck_on:
            self._plan(day)
        self.pot += self.allowance
        if not self.dead:
            self._spend(day)

    # --- delivery ------------------------------------------------------------------------------------

    def stamp(self, day: date, earliest: int) -> datetime:
        self.second = min(max(self.second + 1 + self.rng.randrange(40), earliest), 86399)
        return local(day, self.second, self.person.zone)

    def _faults(self, day: date) -> tuple[timedelta, ...]:
        """How a payment's delivery goes wrong, if the scenario says so."""
        if self.scenario.name == "duplicate_delivery" and self.rng.random() < 0.08:
            return timedelta(0), timedelta(seconds=self.rng.choice((2, 40, 3600, 90000)))
        if self.scenario.name == "late_delivery" and day >= self.struck_on and self.rng.random() < 0.12:
            return (timedelta(hours=self.rng.randrange(24, 24 * 6)),)
        return PROMPT

    # --- reference -----------------------------------------------------------------------------------

    def _introduce(self, eve: date) -> None:
        person, place = self.person, self.person.place
        holders = [
            {"customer_id": customer, "role": "joint" if n else "primary"}
            for n, customer in enumerate(person.customer_ids)
        ]
        for customer in person.customer_ids:
            self.tell_customer(customer, self.stamp(eve, 21600), [])
        common = {"currency": place.currency, "country": person.country, "time_zone": person.zone}
        account: dict[str, Any] = {
            "account_id": person.account_id,
            "updated_at": text(when := self.stamp(eve, 25200)),
            "holders": holders,
            "product": "current_account",
            **common,
            "overdraft_limit": money(person.overdraft),
            "obligations": [self._obligation(bill) for bill in self.bills if bill.collect != "own"],
        }
        self.outbox.send("accounts", person.account_id, when, account)
        own = person.own
        if own and person.own_account_id:
            own_account: dict[str, Any] = {
                "account_id": person.own_account_id,
                "updated_at": text(when := self.stamp(eve, 25200)),
                "holders": holders,
                "product": own.product,
                **common,
                "outstanding": money(self.owned),
                "apr": "24.9" if own.product == "credit_card" else "9.9",
                "obligations": [self._obligation(own)],
            }
            if own.product == "credit_card":
                own_account["credit_limit"] = money(own.amount * 6 // 10000 * 10000 + 50000)
            self.outbox.send("accounts", person.own_account_id, when, own_account)

    def _obligation(self, bill: Bill) -> dict[str, Any]:
        told: dict[str, Any] = {
            "obligation_id": bill.obligation_id,
            "category": bill.category,
            "counterparty_id": bill.counterparty_id,
            "amount_due": money(bill.amount),
            "currency": self.person.place.currency,
            "due_day": bill.day,
        }
        if bill.product == "credit_card":
            told["minimum_due"] = money(_minimum(bill.amount))
        return told

    def tell_customer(self, customer: str, when: datetime, vulnerabilities: list[str]) -> None:
        value = self.person.record(customer, self.start, when, vulnerabilities)
        self.outbox.send("customers", customer, when, value)

    # --- planning ------------------------------------------------------------------------------------

    def _schedule(self, today: date) -> None:
        """Enters the collections of this month and the next two."""
        month = self.start.replace(day=1) if self.scheduled_to == date.min else self.scheduled_to
        last = add_months(today.replace(day=1), 3)
        while month < last:
            for bill in self.bills:
                due = bill.due_in(month.year, month.month)
                if due is None or due < self.start:
                    continue
                amount = bill.amount
                if bill.category in ("energy", "telecom"):
                    amount = amount * self.rng.randrange(97, 104) // 100
                if bill.product == "credit_card":
                    amount = amount * self.rng.randrange(80, 101) // 100
                    self._schedule_card(due, amount, today)
                bill_id = f"{bill.obligation_id}-{due:%Y%m%d}"
                on = collected_on(self.person.country, due)
                self.at(on, partial(self._collect, bill, bill_id, due, amount, 0), amount)
            month = add_months(month, 1)
        self.scheduled_to = last

    def at(self, day: date, task: Callable[[date], None], amount: int = 0) -> None:
        self.tasks.setdefault(day, []).append(task)
        if amount:
            self.planned[day] = self.planned.get(day, 0) + amount

    def _ahead(self, today: date) -> list[int]:
        """The balance after each of the next days, before any spending, as the household expects it."""
        pay: dict[date, int] = {}
        month = today.replace(day=1)
        for _ in range(3):
            for income in self.incomes:
                for day in income.payday.in_month(self.person.country, month.year, month.month):
                    pay[day] = pay.get(day, 0) + income.amount
            month = add_months(month, 1)
        running, after = self.balance, []
        for n in range(1, HORIZON + 1):
            day = today + DAY * n
            running += pay.get(day, 0) - self.planned.get(day, 0)
            after.append(running)
        return after

    def _plan(self, today: date) -> None:
        """Sets what may be spent a day so that, as far as one can know, every bill is met."""
        # After the n-th day from now n + 1 days have been lived.
        ahead = enumerate([self.balance, *self._ahead(today)], 1)
        affordable = min(running // n for n, running in ahead)
        comfortable = self.person.monthly_income * 33 // 3000
        self.pot, self.surprised = 0, False
        self.allowance = max(0, affordable if self.person.thin else min(affordable, comfortable))

    # --- money in ------------------------------------------------------------------------------------

    def _earn(self, day: date) -> bool:
        paid = False
        for income in self.incomes:
            if day in income.payday.in_month(self.person.country, day.year, day.month):
                place = self.person.place
                scheme = "bacs" if place.debit_scheme == "bacs" else place.push_scheme
                when = self.stamp(day, 5 * 3600)
                self._move(
                    day,
                    when,
                    "credit",
                    income.amount,
                    income.counterparty_id,
                    income.name,
                    income.category,
                    scheme,
                )
                paid = True
        return paid

    def _settle(self, day: date) -> None:
        """Pays what is owed, oldest first, as far as the coming bills allow."""
        for owed in list(self.owed):
            if min(self._ahead(day)) >= owed.left and self.balance >= owed.left:
                self.pay_owed(owed, day)

    def pay_owed(self, owed: Owed, day: date) -> None:
        self.owed.remove(owed)
        when = self.stamp(day, 19 * 3600)
        bill = owed.bill
        if bill.collect == "own":
            self._pay_own(bill, owed.bill_id, owed.due, owed.left, owed.amount_due, day)
        else:
            self._pay(bill, owed.bill_id, owed.due, owed.left, day, self.person.place.push_scheme)
        self._tell_missed(
            owed, "paid_late", when=self.stamp(day, 19 * 3600), paid_at=when, paid=owed.amount_due
        )

    def _save(self, day: date) -> None:
        spare = min(self._ahead(day)) - self.person.monthly_income
        if spare > 0 and not self.person.thin:
            amount = spare // 2 - spare // 2 % 1000
            if amount >= 5000:
                when = self.stamp(day, 32400)
                self._move(day, when, "debit", amount, "OWN-SAVINGS", "Savings", "savings", "internal")

    # --- money out -----------------------------------------------------------------------------------

    def _move(
        self,
        day: date,
        when: datetime,
        direction: str,
        amount: int,
        counterparty: str,
        name: str,
        category: str,
        scheme: str,
        **more: Any,
    ) -> str:
        """A payment on the current account."""
        self.balance += amount if direction == "credit" else -amount
        event_id = self.outbox.new_id("P")
        value: dict[str, Any] = {
            "event_id": event_id,
            "account_id": self.person.account_id,
            "occurred_at": text(when),
            "direction": direction,
            "amount": money(amount),
            "currency": self.person.place.currency,
            "counterparty_id": counterparty,
            "counterparty_name": name,
            "category": category,
            "scheme": scheme,
            **more,
            "balance_after": money(self.balance),
            "bank_id": self.person.bank,
        }
        self.outbox.send("payments", self.person.account_id, when, value, self._faults(day))
        return event_id

    def _pay(self, bill: Bill, bill_id: str, due: date, amount: int, day: date, scheme: str) -> str:
        when = self.stamp(day, 27000)
        return self._move(
            day, when, "debit", amount, bill.counterparty_id, bill.name, bill.category, scheme,
            obligation_id=bill.obligation_id, bill_id=bill_id, due_date=due.isoformat(),
            amount_due=money(amount),
        )  # fmt: skip

    def available(self) -> int:
        return self.balance + self.person.overdraft

    def _collect(self, bill: Bill, bill_id: str, due: date, amount: int, attempt: int, day: date) -> None:
        """A bill's day has come."""
        if bill not in self.bills:
            return
        if bill.collect == "own":
            self._collect_own(bill, bill_id, due, amount, day)
        elif bill.collect == "push":
            self._collect_push(bill, bill_id, due, amount, day)
        else:
            self._collect_debit(bill, bill_id, due, amount, attempt, day)

    def _collect_push(self, bill: Bill, bill_id: str, due: date, amount: int, day: date) -> None:
        if self.dead:
            return
        forgets = (
            self.scenario.name == "late_payer"
            and self.struck_on <= due < self.struck_on + 35 * DAY
            and self.oddities < 3
            and bill.category not in ("rent", "childcare")
        )
        if self.available() >= amount and not forgets:
            self._pay(bill, bill_id, due, amount, day, self.person.place.push_scheme)
            return
        owed = Owed(bill, bill_id, due, amount, amount)
        self.at(
            add_working_days(self.person.country, day, 3), partial(self._report_missed, owed, not forgets)
        )
        if forgets:
            self.oddities += 1
            remembers = next_working_day(self.person.country, day + DAY * self.rng.randrange(9, 21))
            self.at(remembers, partial(self._remember, owed), amount)

    def _remember(self, owed: Owed, day: date) -> None:
        self.owed.append(owed)
        self.pay_owed(owed, day)

    def _collect_debit(
        self, bill: Bill, bill_id: str, due: date, amount: int, attempt: int, day: date
    ) -> None:
        country, place, name = self.person.country, self.person.place, self.scenario.name
        struck = day >= self.struck_on
        report = add_working_days(country, day, 1)
        code: str | None = None
        wait = self.rng.randrange(5, 9)
        if self.dead:
            self.bills.remove(bill)
            self.at(report, partial(self._bounce, bill, bill_id, due, amount, attempt, place.death_code))
            return
        if name == "gym_cancelled" and struck and bill.name in ("Ironhearth Gym", "Kettlebrook Fitness"):
            self.oddities += 1
            if self.oddities == 3:
                self.bills.remove(bill)
            self.at(report, partial(self._bounce, bill, bill_id, due, amount, 0, place.act_code))
            return
        if attempt == 0 and name == "bank_outage" and day == self.outage_on:
            code, wait = self.rng.choice(place.outage_codes), 3
            stories.notice_outage(self, report)
        elif (
            attempt == 0 and name in ("duplicate_delivery", "late_delivery") and struck and not self.oddities
        ):
            self.oddities += 1
            code, wait = place.stress_codes[0], 3
        elif self.available() < amount:
            code = self.rng.choice(place.stress_codes)
        if code is None:
            paid = self._pay(bill, bill_id, due, amount, day, place.debit_scheme)
            if name == "reversal" and struck and self.oddities < 2:
                self.oddities += 1
                self.at(report, partial(self._bounce_in_error, bill, bill_id, due, amount, paid))
            return
        self.at(report, partial(self._bounce, bill, bill_id, due, amount, attempt, code))
        tries = 2 if country == "US" else 1
        if attempt < tries:
            again = add_working_days(country, day, wait)
            self.at(again, partial(self._collect, bill, bill_id, due, amount, attempt + 1), amount)
        else:
            owed = Owed(bill, bill_id, due, amount, amount)
            self.at(add_working_days(country, report, 1), partial(self._report_missed, owed, True))

    def _bounce(
        self, bill: Bill, bill_id: str, due: date, amount: int, attempt: int, code: str, day: date
    ) -> None:
        delays: tuple[timedelta, ...] = PROMPT
        if self.scenario.name == "duplicate_delivery":
            delays = timedelta(0), timedelta(seconds=90), timedelta(days=1, hours=3)
        elif self.scenario.name == "late_delivery":
            delays = (timedelta(days=self.rng.randrange(7, 9)),)
        self._tell_bounce(bill, bill_id, due, amount, attempt, code, day, delays)

    def _tell_bounce(
        self, bill: Bill, bill_id: str, due: date, amount: int, attempt: int, code: str, day: date,
        delays: tuple[timedelta, ...] = PROMPT, **more: Any,
    ) -> str:  # fmt: skip
        when = self.stamp(day, 21600)
        place = self.person.place
        event_id = self.outbox.new_id("B")
        kind: dict[str, Any] = {}
        if place.debit_scheme == "bacs":
            kind["report"] = "arudd"
        if place.debit_scheme == "sepa_sdd":
            kind["r_type"] = "return"
        value: dict[str, Any] = {
            "event_id": event_id,
            "account_id": self.person.account_id,
            "occurred_at": text(when),
            "scheme": place.debit_scheme,
            **kind,
            "reason_code": code,
            "amount": money(amount),
            "currency": place.currency,
            "counterparty_id": bill.counterparty_id,
            "category": bill.category,
            "obligation_id": bill.obligation_id,
            "bank_id": self.person.bank,
            "bill_id": bill_id,
            "representment": attempt > 0,
            "due_date": due.isoformat(),
            **more,
        }
        self.first_bounce = self.first_bounce or when
        self.outbox.send("bounces", self.person.account_id, when, value, delays)
        return event_id

    def _bounce_in_error(
        self, bill: Bill, bill_id: str, due: date, amount: int, paid: str, day: date
    ) -> None:
        code = self.person.place.stress_codes[0]
        wrong = self._tell_bounce(bill, bill_id, due, amount, 0, code, day, original_event_id=paid)
        later = add_working_days(self.person.country, day, self.rng.randrange(1, 3))
        self.at(later, partial(self._unbounce, bill, bill_id, due, amount, code, paid, wrong))

    def _unbounce(
        self, bill: Bill, bill_id: str, due: date, amount: int, code: str, paid: str, wrong: str, day: date
    ) -> None:
        self._tell_bounce(
            bill,
            bill_id,
            due,
            amount,
            0,
            code,
            day,
            original_event_id=paid,
            status="reversed",
            corrects=wrong,
        )

    def _report_missed(self, owed: Owed, remains: bool, day: date) -> None:
        if remains:
            self.owed.append(owed)
        outcome = "part_paid" if owed.left < owed.amount_due else "missed"
        self._tell_missed(owed, outcome, when=self.stamp(day, 30000), paid=owed.amount_due - owed.left)

    def _tell_missed(
        self, owed: Owed, outcome: str, when: datetime, paid: int, paid_at: datetime | None = None
    ) -> None:
        bill, own = owed.bill, owed.bill.collect == "own"
        account = self.person.own_account_id if own and self.person.own_account_id else self.person.account_id
        value: dict[str, Any] = {
            "event_id": self.outbox.new_id("M"),
            "account_id": account,
            "occurred_at": text(when),
            "bill_id": owed.bill_id,
            "counterparty_id": bill.counterparty_id,
            "category": bill.category,
            "amount_due": money(owed.amount_due),
            "amount_paid": money(paid),
            "currency": self.person.place.currency,
            "due_date": owed.due.isoformat(),
            "outcome": outcome,
            "obligation_id": bill.obligation_id,
        }
        if bill.product == "credit_card":
            value["minimum_due"] = money(_minimum(owed.amount_due))
        if paid_at:
            value["paid_at"] = text(paid_at)
        self.outbox.send("missed-bills", account, when, value)

    # --- the bank's own loan or card -----------------------------------------------------------------

    def _schedule_card(self, due: date, amount: int, today: date) -> None:
        """Spreads the purchases behind a statement over the month it covers."""
        count = self.rng.randrange(3, 7)
        cuts = sorted(self.rng.randrange(1, amount) for _ in range(count - 1))
        for part in (b - a for a, b in zip([0, *cuts], [*cuts, amount], strict=True)):
            day = due - DAY * self.rng.randrange(22, 51)
            if part and day > today:
                self.at(day, partial(self._purchase, part))
            elif part:
                self.owned += part

    def _purchase(self, amount: int, day: date) -> None:
        self.owned += amount
        category = self.rng.choice(("groceries", "other", "transport"))
        self._move_own(day, self.stamp(day, 36000), "debit", amount, category, "card")

    def _move_own(
        self, day: date, when: datetime, direction: str, amount: int, category: str, scheme: str, **more: Any
    ) -> None:
        account = self.person.own_account_id or ""
        name = self.rng.choice(SHOPS[category]) if direction == "debit" else "You"
        value: dict[str, Any] = {
            "event_id": self.outbox.new_id("P"),
            "account_id": account,
            "occurred_at": text(when),
            "direction": direction,
            "amount": money(amount),
            "currency": self.person.place.currency,
            "counterparty_id": _shop_id(name) if direction == "debit" else self.person.account_id,
            "counterparty_name": name,
            "category": category,
            "scheme": scheme,
            **more,
            "balance_after": money(-self.owned),
        }
        self.outbox.send("payments", account, when, value, self._faults(day))

    def _pay_own(self, bill: Bill, bill_id: str, due: date, amount: int, amount_due: int, day: date) -> None:
        """A repayment: out of the current account, into the loan or card."""
        more: dict[str, Any] = {
            "obligation_id": bill.obligation_id,
            "bill_id": bill_id,
            "due_date": due.isoformat(),
            "amount_due": money(amount_due),
        }
        if bill.product == "credit_card":
            more["minimum_due"] = money(_minimum(amount_due))
        when = self.stamp(day, 28800)
        self._move(day, when, "debit", amount, OWN_BANK, bill.name, bill.category, "internal", **more)
        self.owned -= amount
        when = self.stamp(day, 28800)
        self._move_own(day, when, "credit", amount, bill.category, "internal", **more)

    def _collect_own(self, bill: Bill, bill_id: str, due: date, amount: int, day: date) -> None:
        if self.dead or self.owned <= 0:
            return
        amount = min(amount, self.owned)
        available = self.available()
        least = _minimum(amount) if bill.product == "credit_card" else amount
        if available >= amount:
            self._pay_own(bill, bill_id, due, amount, amount, day)
            return
        if available >= least:
            # The rest stays on the card, which is what a minimum payment means.
            self._pay_own(bill, bill_id, due, least, amount, day)
            return
        paid = 0
        if available >= least * 4 // 10 and self.rng.random() < 0.5:
            paid = available * 8 // 10
            self._pay_own(bill, bill_id, due, paid, amount, day)
        self.missed_instalment = self.missed_instalment or due
        owed = Owed(bill, bill_id, due, amount, amount - paid)
        self.at(add_working_days(self.person.country, day, 1), partial(self._report_missed, owed, True))
        if self.scenario.name in ("job_loss", "joint_account") and not self.told and self.rng.random() < 0.4:
            self.told = True
            calls = next_working_day(self.person.country, day + DAY * 10)
            self.at(calls, partial(stories.promise, self, owed))

    # --- daily life ----------------------------------------------------------------------------------

    def _spend(self, day: date) -> None:
        rng = self.rng
        if self.pot < 1200:
            # Whoever has nothing left still eats.
            if self.onset and rng.random() < 0.3:
                amount = rng.randrange(900, 3200)
                if self.available() >= amount:
                    self._shop(day, rng.randrange(32400, 72000), "groceries", amount)
            return
        times = sorted(rng.randrange(28800, 79200) for _ in range(rng.choice((0, 1, 1, 1, 2, 2))))
        for second in times:
            category = rng.choices(("groceries", "other", "transport", "cash"), (9, 6, 4, 1))[0]
            amount = min(self.pot, max(rng.randrange(400, 1600), self.pot * rng.randrange(25, 95) // 100))
            if category == "cash":
                amount -= amount % 1000
            if amount > 0:
                self.pot -= amount
                self._shop(day, second, category, amount)

    def _shop(self, day: date, second: int, category: str, amount: int) -> None:
        name = self.rng.choice(SHOPS[category])
        self._move(day, self.stamp(day, second), "debit", amount, _shop_id(name), name, category, "card")


def _minimum(amount: int) -> int:
    """The least that a card statement of `amount` asks for."""
    return min(amount, max(500, amount * 3 // 100))


def _shop_id(name: str) -> str:
    return "SHOP-" + "".join(letter for letter in name.upper() if letter.isalpha())
