"""How much one account or customer can be made to hold and to say, by input that is sound and immoderate."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import pytest

from stream.errors import Reason
from stream.settings import Settings
from tests.unit.agents import customers_bank
from tests.unit.agents.customers_bank import HOUR, START, Bank, days, new_step
from tests.unit.agents.test_accounts_step import Rec, account, bounce, iso, missed, ms, new, payment, run, said, tick, values

LARGEST = int(Settings.model_fields["max_record_bytes"].default)
WIDE = "\U0001f600" * 56
"""Most of the largest id: 64 characters of four bytes."""


def test_a_million_payments_to_as_many_payees_leave_one_small_row() -> None:
    """One account, one event after the other: the row and what lies beside it stay below 1,000 bytes."""
    step, count, chunk = new(), 1_000_000, 2_000
    run(step, [account()])
    form = (
        b'{"event_id":"e%d","account_id":"A","occurred_at":"%s","direction":"debit","amount":"12.50","currency":"GBP",'
        b'"counterparty_id":"payee-%d","category":"groceries","scheme":"card"}'
    )
    for start in range(0, count, chunk):
        day = 1 + start / 100_000
        at = iso(day).encode()
        assert step.apply("payments", [Rec(n, ms(day), b"A", form % (n, at, n)) for n in range(start, start + chunk)]) == []
        rows = step.drain().rows
        assert len(rows) <= 3
        assert sum(len(key) + len(value or b"") for key, value in rows if not key.startswith(b"\x00")) < 1_000
    assert step.counters()["payments.applied"] == count
    assert step.counters()["rows"] == 1
    assert said(run(step, [bounce("b1", 12)])) == [("raised", "C1", "bounce_pressure")]


def test_the_largest_amounts_are_told_to_the_last_digit() -> None:
    """10^18 - 1 minor units is the most; one more is refused."""
    most = "999999999999999.999"
    step = new()
    (signal,) = values(run(step, [account(currency="KWD"), bounce("b1", 1, amount=most, currency="KWD")]))
    assert f"KWD {most}" in signal["reasons"][0]["text"]
    run(step, [payment(f"p{n}", 2 + n / 10, amount=most, currency="KWD", balance_after=f"-{most}") for n in range(50)])
    run(step, [missed(f"m{n}", 9, amount_due=most, currency="KWD") for n in range(9)])
    for topic, one in (bounce("b9", 9, amount="1000000000000000", currency="KWD"), payment("p9", 9, amount="1" + "0" * 18)):
        assert [bad.reason for bad in step.apply(topic, [one])] == [Reason.BAD_AMOUNT]


def test_an_account_with_all_it_may_have_fits_into_its_topics() -> None:
    owed = [
        {
            "obligation_id": f"{WIDE}{n}", "category": "short_term_credit", "counterparty_id": f"{WIDE}{n}",
            "amount_due": "999999999999999.99", "currency": "GBP", "due_day": 31, "due_date": "2026-03-31",
        }
        for n in range(1000)
    ]  # fmt: skip
    topic, one = account(f"{WIDE}A", holders=[f"{WIDE}{n}" for n in range(4)], obligations=owed, status=WIDE)
    one = one._replace(value=json.dumps(json.loads(one.value or b""), ensure_ascii=False).encode())
    assert len(one.value or b"") < LARGEST, "it is an input that its topic takes"
    step = new()
    assert step.apply(topic, [one]) == []
    for n in range(12):
        step.apply(*_many(bounce(f"{WIDE}{n}", 1 + n / 10, at=f"{WIDE}A", counterparty_id=f"{WIDE}{n}")))
    step.apply(*_many(tick(3)))
    drained = step.drain()
    assert len(drained.outputs) > 8
    assert max(len(key) + len(value or b"") for key, value in drained.rows) < LARGEST
    assert max(len(output.value or b"") + len(output.key or b"") for output in drained.outputs) < LARGEST


def _many(one: tuple[str, Rec]) -> tuple[str, list[Rec]]:
    return one[0], [one[1]]


def test_a_customer_of_whom_everything_is_told_again_and_again_fits_into_the_changelog() -> None:
    """Every list of theirs is bounded, and full of the longest ids the row stays below what a topic takes. Signals are of the
    accounts stage: their reasons are as long as its texts are.
    """
    bank, who = Bank(), f"{WIDE}C"
    bank.customer(START, who)
    for n in range(300):
        at = START + dt.timedelta(minutes=n)
        name = f"{WIDE}{n}"
        reason = {"code": "missed_bills", "text": "x" * 500, "value": 2, "event_ids": [f"{name}{i}" for i in range(4)]}
        reasons = [reason] * 3
        bank.signal(at, name, customer=who, account=name, reasons=reasons)
        bank.hold(at, "complaint", name, customer=who, event_id=name, account_id=name, ends=at + days(400))
        bank.outcome(
            at, "promise", who, event_id=name, contact_id=name, account_id=name, nudge_id=name, escalation_id=name, offer_id=name,
            promise={"promise_id": name, "amount": "9.00", "currency": "GBP", "due_date": "2026-09-01", "account_id": name},
        )  # fmt: skip
        bank.case(at, case=name, customer=who, escalation=name, queue="disputes")
        bank.operator(at, "snooze", who, event_id=name)
        bank.facts(at, name, who)
    said_ = bank.run()
    assert said_.refused == []
    row = said_.step.row(who)
    assert row is not None
    assert len(row) < LARGEST, len(row)
    assert max(len(output.value or b"") for output in said_.drained.outputs) < LARGEST


@pytest.mark.parametrize(
    ("one", "other"), [("A\u030a", "\u00c5"), ("\u00c5", "\u212b"), ("a\u200d", "a"), ("\ufb01", "fi"), ("А", "A")], ids=range(5)
)
def test_ids_that_look_alike_are_different_accounts_and_customers(one: str, other: str) -> None:
    """Ids are compared by their characters: normalising them would merge people whom the bank keeps apart."""
    step = new()
    logs = [account(name, holders=(f"C{name}",)) for name in (one, other) if name.isprintable()]
    outputs = run(step, [*logs, *(bounce("b1", 1, at=json.loads(rec.value or b"")["account_id"]) for _, rec in logs)])
    assert len({signal["customer_id"] for signal in values(outputs)}) == len(logs)
    bank = Bank()
    for name in (one, other):
        if name.isprintable():
            bank.customer(START, name)
            bank.signal(START, f"S{name}", customer=name)
    customers = bank.run().step
    assert all((customers.row(name) is not None) == name.isprintable() for name in (one, other))


@pytest.mark.parametrize("timestamp", [-1, 0, 2**62])
def test_a_record_whose_own_clock_is_wrong_moves_time_no_further_than_its_event(timestamp: int) -> None:
    """A broker's or producer's clock may be anything: of it and the event's time the earlier counts."""
    step = new()
    run(step, [account(), payment("p1", 1)])
    topic, one = payment("p2", 2)
    refused = step.apply(topic, [one._replace(timestamp=timestamp)])
    assert [bad.reason for bad in refused] == ([] if timestamp > 0 else [Reason.TOO_FAR_AHEAD])
    assert step.clock == ms(2 if timestamp > 0 else 1)
    customers = new_step()
    bank = Bank()
    bank.customer(START)
    bank.hold(START + days(1))
    told = [(topic, customers_bank.Kafka(0, timestamp, record.key, record.value)) for topic, record in bank.written]
    assert {bad.reason for bad in customers_bank.feed(customers, told)} == (set() if timestamp > 0 else {Reason.TOO_FAR_AHEAD})
    assert customers.clock == (customers_bank.ms(START + days(1)) if timestamp > 0 else 0)


@pytest.mark.parametrize("topic", ["payments", "bounces", "missed-bills", "account-orders", "ticks"])
def test_a_tombstone_on_a_topic_of_events_is_refused(topic: str) -> None:
    step = new()
    run(step, [account()])
    before: Any = step.features().__next__()
    assert [bad.reason for bad in step.apply(topic, [Rec(0, ms(1), b"A", None)])] == [Reason.NULL_VALUE]
    assert step.features().__next__() == before


@pytest.mark.parametrize(
    "topic", ["holds", "contact-outcomes", "cases", "operator-actions", "signals", "account-facts", "ticks"]
)
def test_a_tombstone_about_a_customer_elsewhere_than_on_customers_is_refused(topic: str) -> None:
    step = new_step()
    bank = Bank()
    bank.customer(START)
    bank.run(step)
    assert [bad.reason for bad in step.apply(topic, [customers_bank.Kafka(0, 0, b"C1", None)])] == [Reason.NULL_VALUE]
    assert step.row("C1") is not None


def test_somebody_of_whom_nothing_is_left_is_forgotten_at_once_and_not_when_rows_are_next_written() -> None:
    """What is remembered must not depend on when a transaction was committed."""
    bank = Bank()
    bank.signal(START, severity="info", customer="C2", proposes_hold="opt_out", expires_at=(START + days(20)).isoformat())
    bank.case(START + HOUR, "closed", customer="C2", queue="fraud")
    bank.customer(START + days(300))
    bank.hold(START + days(302), "cease", "H2", customer="C2")
    drained, whole = new_step(), new_step()
    for one in bank.written:
        for step in (drained, whole):
            assert customers_bank.feed(step, [one]) == []
        drained.drain()
    assert drained.row("C2") == whole.row("C2") is not None
