"""Turns six monthly statements of Taiwanese credit cards (UCI 350) into a folder for `ews replay`.

    python examples/taiwan/convert.py accounts.csv taiwan/
    ews replay taiwan/ out/

Assumptions are in README.md beside this file. Standard library only.
"""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from decimal import ROUND_HALF_UP, ROUND_UP, Decimal, InvalidOperation
from pathlib import Path
from typing import Any

TAIPEI = timezone(timedelta(hours=8))
"""Taiwan has had no daylight saving time since 1979."""

MONTHS = (4, 5, 6, 7, 8, 9)
"""April to September 2005: columns count backwards from _6 to _1 (the status of September is `PAY_0`)."""
STATUS = ("PAY_6", "PAY_5", "PAY_4", "PAY_3", "PAY_2", "PAY_0")
BILL = tuple(f"BILL_AMT{n}" for n in range(6, 0, -1))
PAID = tuple(f"PAY_AMT{n}" for n in range(6, 0, -1))
DEFAULT = "default.payment.next.month"
COLUMNS = ("ID", "LIMIT_BAL", *STATUS, *BILL, *PAID, DEFAULT)

MINIMUM_SHARE, MINIMUM = Decimal("0.03"), Decimal(1000)
CARD_ISSUER = "TW-CARD-ISSUER"
CENT = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class Statement:
    """One month of one card."""

    bill_id: str
    due: date
    amount: Decimal
    """What the statement asks for; 0 where the card is in credit."""
    paid: Decimal
    status: int
    """-2 no purchase, -1 paid in full, 0 minimum paid, n >= 1: n months behind."""


@dataclass(frozen=True, slots=True)
class Card:
    """One row of the data."""

    number: int
    limit: Decimal
    statements: tuple[Statement, ...]
    defaulted: bool
    """Whether the payment of October 2005 was not made."""

    @property
    def account_id(self) -> str:
        return f"TW-{self.number:05d}"

    @property
    def customer_id(self) -> str:
        return f"TWC-{self.number:05d}"


Timed = tuple[datetime, dict[str, Any]]


def read(path: Path) -> Iterator[Card]:
    """The rows of a file laid out as UCI 350. ValueError: columns are missing, or a value is no number."""
    with path.open(newline="", encoding="utf-8-sig") as file:
        rows = csv.DictReader(file)
        if missing := [column for column in COLUMNS if column not in (rows.fieldnames or ())]:
            raise ValueError(f"columns are missing: {', '.join(missing)}")
        for row in rows:
            try:
                yield _card(row)
            except (ValueError, TypeError, InvalidOperation):
                raise ValueError(f"line {rows.line_num} does not hold numbers throughout") from None


def _card(row: dict[str, str]) -> Card:
    number = int(row["ID"])
    day = 5 + number * 7 % 20
    statements = tuple(
        Statement(
            bill_id=f"TW-{number:05d}-2005{month:02d}",
            due=date(2005, month, day),
            amount=max(Decimal(row[bill]), Decimal(0)),
            paid=Decimal(row[paid]),
            status=int(row[status]),
        )
        for month, status, bill, paid in zip(MONTHS, STATUS, BILL, PAID, strict=True)
    )
    return Card(number, Decimal(row["LIMIT_BAL"]), statements, row[DEFAULT].strip() == "1")


def reference(card: Card) -> tuple[Timed, Timed]:
    """The card's `accounts` and `customers` records."""
    known = datetime(2005, 3, 31, 9, tzinfo=TAIPEI)
    account = {
        "account_id": card.account_id,
        "updated_at": known.isoformat(),
        "holders": [{"customer_id": card.customer_id, "role": "primary"}],
        "product": "credit_card",
        "currency": "TWD",
        "country": "TW",
        "time_zone": "Asia/Taipei",
        "credit_limit": money(card.limit),
        "_timestamp": round(known.timestamp() * 1000),
    }
    customer = {
        "customer_id": card.customer_id,
        "updated_at": known.isoformat(),
        "jurisdiction": "TW",
        "time_zone": "Asia/Taipei",
        "language": "zh-TW",
        "channels": {channel: {"consent": True} for channel in ("sms", "email", "letter")},
        "_timestamp": round(known.timestamp() * 1000),
    }
    return (known, account), (known, customer)


def events(card: Card) -> tuple[list[Timed], list[Timed]]:
    """The card's `payments` and `missed-bills`."""
    payments: list[Timed] = []
    missed: list[Timed] = []
    behind: list[tuple[Statement, Decimal]] = []
    """Statements that were missed and are still owed, oldest first, with what was paid of each."""
    for statement in card.statements:
        late = statement.status >= 1
        on = statement.due + timedelta(days=4 if late else -1 - card.number % 4)
        paid_at = _at(on, 9 * 3600 + card.number % 36000)
        if statement.paid > 0:
            serves = behind[0][0] if behind else statement
            payments.append((paid_at, _payment(card, statement, serves, paid_at)))
        if late and statement.amount > 0:
            told = _at(statement.due + timedelta(days=1), 8 * 3600)
            missed.append((told, _missed(card, statement, "missed", told, Decimal(0))))
            behind.append((statement, Decimal(0)))
        # n months behind: only the n newest statements can still be owed.
        still_owed = max(statement.status, 0)
        caught_up = behind[: max(len(behind) - still_owed, 0)]
        del behind[: len(caught_up)]
        told = (paid_at if statement.paid > 0 else _at(statement.due, 20 * 3600)) + timedelta(minutes=1)
        for old, _ in caught_up:
            missed.append((told, _missed(card, old, "paid_late", told, None)))
        if late and statement.paid > 0 and behind:
            oldest, already = behind[0]
            paid = already + statement.paid
            if paid < oldest.amount:
                behind[0] = (oldest, paid)
                missed.append((told, _missed(card, oldest, "part_paid", told, paid)))
    return payments, missed


def _payment(card: Card, statement: Statement, serves: Statement, when: datetime) -> dict[str, Any]:
    """What was paid in a statement's month; it serves the oldest statement that is owed."""
    value = {
        "event_id": f"P-{statement.bill_id}",
        "account_id": card.account_id,
        "occurred_at": when.isoformat(),
        "direction": "credit",
        "amount": money(statement.paid),
        "currency": "TWD",
        "counterparty_id": card.customer_id,
        "category": "credit_card",
        "scheme": "other",
        "obligation_id": f"{card.account_id}-CARD",
        "bill_id": serves.bill_id,
        "due_date": serves.due.isoformat(),
    }
    if serves.amount > 0:
        value |= {"amount_due": money(serves.amount), "minimum_due": money(_minimum(serves.amount))}
    return value


def _missed(
    card: Card, statement: Statement, outcome: str, when: datetime, paid: Decimal | None
) -> dict[str, Any]:
    value = {
        "event_id": f"M-{statement.bill_id}-{outcome.upper()}-{when:%m%d}",
        "account_id": card.account_id,
        "occurred_at": when.isoformat(),
        "bill_id": statement.bill_id,
        "counterparty_id": CARD_ISSUER,
        "category": "credit_card",
        "amount_due": money(statement.amount),
        "minimum_due": money(_minimum(statement.amount)),
        "currency": "TWD",
        "due_date": statement.due.isoformat(),
        "outcome": outcome,
        "obligation_id": f"{card.account_id}-CARD",
    }
    if paid is not None:
        value["amount_paid"] = money(paid)
    if outcome == "paid_late":
        value["paid_at"] = when.isoformat()
    return value


def _minimum(amount: Decimal) -> Decimal:
    share = (amount * MINIMUM_SHARE).quantize(Decimal(1), ROUND_UP)
    return min(amount, max(MINIMUM, share))


def _at(day: date, second: int) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=TAIPEI) + timedelta(seconds=second)


def money(amount: Decimal) -> str:
    """With the two decimals that ISO 4217 gives the Taiwan dollar.

    >>> money(Decimal("3913"))
    '3913.00'
    """
    return str(amount.quantize(CENT, ROUND_HALF_UP))


def convert(source: Path, out: Path) -> dict[str, int]:
    """Writes the folder; returns the lines by file. ValueError, OSError: source or folder cannot be used."""
    accounts: list[Timed] = []
    customers: list[Timed] = []
    payments: list[Timed] = []
    missed: list[Timed] = []
    truth: list[dict[str, Any]] = []
    for card in read(source):
        account, customer = reference(card)
        accounts.append(account)
        customers.append(customer)
        paid, late = events(card)
        payments += paid
        missed += late
        truth.append(
            {
                "customer_id": card.customer_id,
                "account_ids": [card.account_id],
                "default_next_month": card.defaulted,
            }
        )
    out.mkdir(parents=True, exist_ok=True)
    files: dict[str, Iterable[dict[str, Any]]] = {
        "accounts": _in_order(accounts),
        "customers": _in_order(customers),
        "payments": _in_order(payments),
        "missed-bills": _in_order(missed),
        "truth": truth,
    }
    counts: dict[str, int] = {}
    for name, values in files.items():
        lines = [json.dumps(value, separators=(",", ":")) + "\n" for value in values]
        (out / f"{name}.jsonl").write_text("".join(lines), encoding="utf-8")
        counts[name] = len(lines)
    return counts


def _in_order(timed: list[Timed]) -> list[dict[str, Any]]:
    return [value for _, value in sorted(timed, key=lambda pair: pair[0])]


def main(arguments: list[str]) -> int:
    """The command. Exit code 2: wrong arguments or a file that cannot be used."""
    if len(arguments) != 2:
        print(
            "usage: convert.py CSV OUT (the file of UCI data set 350, and a folder to write)", file=sys.stderr
        )
        return 2
    try:
        counts = convert(Path(arguments[0]), Path(arguments[1]))
    except (OSError, ValueError) as error:
        print(f"convert.py: {arguments[0]}: {error}", file=sys.stderr)
        return 2
    for name, count in counts.items():
        print(f"{name:13}{count:>9,}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
