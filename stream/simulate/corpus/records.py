"""What a bank sees and sends of a household of the corpus: records, payments, returns, bills that were missed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from random import Random
from typing import Any

from stream.simulate.calendars import add_months, local
from stream.simulate.corpus.homes import Bill, Home, Product
from stream.simulate.corpus.mix import Story
from stream.simulate.event import money, text
from stream.simulate.outbox import PROMPT, Outbox
from stream.simulate.people import OWN_BANK, Resident


@dataclass(slots=True, eq=False)
class Owed:
    """A bill that was not paid when due."""

    bill: Bill
    bill_id: str
    due: date
    amount: int
    left: int
    reported: bool = False


@dataclass(slots=True, kw_only=True)
class Records:
    """A household's accounts, and the events that tell of them. Methods change the balance, and decide nothing."""

    home: Home
    story: Story
    start: date
    struck_on: date
    """When the story's event happens."""
    rng: Random
    outbox: Outbox

    balance: int = 0
    second: int = 0
    """Local time of the last event: a day's events are told in the order in which they move the balance."""
    first_bounce: datetime | None = None

    @property
    def person(self) -> Resident:
        """Who it is."""
        return self.home.person

    def minimum(self, statement: int) -> int:
        """The least that a card's statement asks for: 3 %, or a small sum."""
        return min(statement, max(self.home.monthly // 250, statement * 3 // 100))

    def product(self, bill: Bill) -> Product:
        """The bank's own product that `bill` is an instalment of."""
        return next(product for product in self.home.products if product.account_id == bill.account_id)

    def stamp(self, day: date, earliest: int) -> datetime:
        """A local time of day not before `earliest` seconds, nor before the last."""
        self.second = min(max(self.second + 1 + self.rng.randrange(40), earliest), 86399)
        return local(day, self.second, self.person.zone)

    def money(self, minor: int) -> str:
        """An amount of the household's currency."""
        return money(minor, self.person.place.exponent)

    def _faults(self, day: date) -> tuple[timedelta, ...]:
        if self.story.name == "duplicate_delivery" and self.rng.random() < 0.08:
            return timedelta(0), timedelta(seconds=self.rng.choice((2, 40, 3600, 90000)))
        if self.story.name == "late_delivery" and day >= self.struck_on and self.rng.random() < 0.12:
            return (timedelta(hours=self.rng.randrange(24, 24 * 6)),)
        return PROMPT

    def tell_customer(self, customer: str, when: datetime, vulnerabilities: list[str]) -> None:
        """The customer's record as it now stands."""
        value = self.person.record(customer, self.start, when, vulnerabilities)
        self.outbox.send("customers", customer, when, value)

    def tell_accounts(self, day: date, holders: tuple[str, ...] | None = None) -> None:
        """The records of the accounts as they now stand."""
        person, home = self.person, self.home
        common = {
            "holders": [
                {"customer_id": customer, "role": "joint" if n else "primary"}
                for n, customer in enumerate(holders or person.customer_ids)
            ],
            "currency": person.place.currency, "country": person.country, "time_zone": person.zone,
        }  # fmt: skip
        when = self.stamp(day, 25200)
        account: dict[str, Any] = {
            "account_id": person.account_id, "updated_at": text(when), "product": "current_account", **common,
            "overdraft_limit": self.money(home.overdraft),
        }  # fmt: skip
        if home.listed:
            account["obligations"] = [self._obligation(bill, day) for bill in home.bills if bill.active and bill.collect != "own"]
        self.outbox.send("accounts", person.account_id, when, account)
        for bill in home.bills:
            if bill.collect != "own":
                continue
            product = self.product(bill)
            when = self.stamp(day, 25200)
            own: dict[str, Any] = {
                "account_id": product.account_id, "updated_at": text(when), "product": product.kind, **common,
                "outstanding": self.money(product.owed),
                "apr": {"credit_card": "24.9", "loan": "9.9", "mortgage": "4.6"}[product.kind],
                "obligations": [self._obligation(bill, day)],
            }  # fmt: skip
            if product.limit:
                own["credit_limit"] = self.money(product.limit)
            self.outbox.send("accounts", product.account_id, when, own)

    def _obligation(self, bill: Bill, day: date) -> dict[str, Any]:
        told: dict[str, Any] = {
            "obligation_id": bill.obligation_id,
            "category": bill.category,
            "counterparty_id": bill.counterparty_id,
            "amount_due": self.money(bill.amount),
            "currency": self.person.place.currency,
        }
        if len(bill.months) >= 10:
            told["due_day"] = bill.day
        else:
            month = add_months(day.replace(day=1), 1)
            while not (due := bill.due_in(month.year, month.month)):
                month = add_months(month, 1)
            told["due_date"] = due.isoformat()
        if bill.product == "credit_card":
            told["minimum_due"] = self.money(self.minimum(bill.amount))
        return told

    def move(
        self, day: date, when: datetime, direction: str, amount: int, counterparty: str, name: str, category: str,
        scheme: str, **more: Any,
    ) -> str:  # fmt: skip
        """A payment on the current account. Returns its id."""
        self.balance += amount if direction == "credit" else -amount
        account = self.person.account_id
        value = self._payment(account, when, direction, amount, counterparty, name, category, scheme, more)
        value["bank_id"] = self.person.bank
        if self.home.balances:
            value["balance_after"] = self.money(self.balance)
        self.outbox.send("payments", account, when, value, self._faults(day))
        return str(value["event_id"])

    def move_own(
        self, product: Product, day: date, when: datetime, direction: str, amount: int, counterparty: str, name: str,
        category: str, scheme: str, **more: Any,
    ) -> None:  # fmt: skip
        """A payment on a product of the bank; `owed` is already what it is afterwards."""
        account = product.account_id
        value = self._payment(account, when, direction, amount, counterparty, name, category, scheme, more)
        value["balance_after"] = self.money(-product.owed)
        self.outbox.send("payments", account, when, value, self._faults(day))

    def _payment(
        self, account: str, when: datetime, direction: str, amount: int, counterparty: str, name: str, category: str,
        scheme: str, more: dict[str, Any],
    ) -> dict[str, Any]:  # fmt: skip
        """What every payment tells."""
        return {
            "event_id": self.outbox.new_id("P"),
            "account_id": account,
            "occurred_at": text(when),
            "direction": direction,
            "amount": self.money(amount),
            "currency": self.person.place.currency,
            "counterparty_id": counterparty,
            "counterparty_name": name,
            "category": category,
            "scheme": scheme,
            **more,
        }

    def _named(self, bill: Bill, bill_id: str, due: date, amount: int) -> dict[str, Any]:
        """How a payment names its bill, where the bank knows."""
        if not self.home.listed and bill.collect != "own":
            return {}
        named: dict[str, Any] = {
            "obligation_id": bill.obligation_id, "bill_id": bill_id, "due_date": due.isoformat(),
            "amount_due": self.money(amount),
        }  # fmt: skip
        if bill.category == "credit_card":
            named["minimum_due"] = self.money(self.minimum(amount))
        return named

    def pay(self, bill: Bill, bill_id: str, due: date, amount: int, amount_due: int, day: date, scheme: str = "") -> str:
        place = self.person.place
        scheme = scheme or (place.push_scheme if bill.collect == "push" else place.debit_scheme)
        named = self._named(bill, bill_id, due, amount_due)
        bill.failed = 0
        when = self.stamp(day, 27000)
        return self.move(day, when, "debit", amount, bill.counterparty_id, bill.name, bill.category, scheme, **named)

    def pay_own(self, bill: Bill, product: Product, bill_id: str, due: date, amount: int, amount_due: int, day: date) -> None:
        """An instalment: out of the current account, into the product."""
        named = self._named(bill, bill_id, due, amount_due)
        when = self.stamp(day, 28800)
        self.move(day, when, "debit", amount, OWN_BANK, bill.name, bill.category, "internal", **named)
        product.owed -= amount
        when = self.stamp(day, 28800)
        account = self.person.account_id
        self.move_own(product, day, when, "credit", amount, account, "You", bill.category, "internal", **named)

    def bounce(
        self, bill: Bill, bill_id: str, due: date, amount: int, attempt: int, reason: str, delays: tuple[timedelta, ...],
        day: date, **more: Any,
    ) -> str:  # fmt: skip
        place = self.person.place
        when = self.stamp(day, 21600)
        value: dict[str, Any] = {
            "event_id": self.outbox.new_id("B"),
            "account_id": self.person.account_id,
            "occurred_at": text(when),
            "scheme": place.debit_scheme,
            "reason_code": reason,
            "amount": self.money(amount),
            "currency": place.currency,
            "counterparty_id": bill.counterparty_id,
            "category": bill.category,
            "bank_id": self.person.bank,
            "representment": attempt > 0,
            **more,
        }
        if place.debit_scheme == "bacs":
            value["report"] = "arudd"
        if place.debit_scheme == "sepa_sdd":
            value["r_type"] = "return"
        if self.home.listed:
            value |= {"obligation_id": bill.obligation_id, "bill_id": bill_id, "due_date": due.isoformat()}
        self.first_bounce = self.first_bounce or when
        self.outbox.send("bounces", self.person.account_id, when, value, delays)
        return str(value["event_id"])

    def tell_missed(self, owed: Owed, outcome: str, when: datetime, paid: int, paid_at: datetime | None = None) -> None:
        """What became of a bill."""
        bill = owed.bill
        account = bill.account_id or self.person.account_id
        value: dict[str, Any] = {
            "event_id": self.outbox.new_id("M"),
            "account_id": account,
            "occurred_at": text(when),
            "bill_id": owed.bill_id,
            "counterparty_id": bill.counterparty_id,
            "category": bill.category,
            "amount_due": self.money(owed.amount),
            "amount_paid": self.money(paid),
            "currency": self.person.place.currency,
            "due_date": owed.due.isoformat(),
            "outcome": outcome,
            "obligation_id": bill.obligation_id,
        }
        if bill.category == "credit_card":
            value["minimum_due"] = self.money(self.minimum(owed.amount))
        if paid_at:
            value["paid_at"] = text(paid_at)
        self.outbox.send("missed-bills", account, when, value)


def shop_id(name: str) -> str:
    """The counterparty that a shop is."""
    return "SHOP-" + "".join(letter for letter in name.upper() if letter.isalpha())
