"""The reference job's events and its right answer; what it is, stands in bench/README.md.

`python -m bench.reference --events 1000 --accounts 100` prints events, one a line, for whoever implements it elsewhere.
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import numpy as np

TOPICS = ("payments", "bounces", "missed-bills")
WINDOW_DAYS = 30
BOUNCES, MISSED = 2, 2
"""So many within the window are a signal, and each further one is."""
BAD_EVERY = 1_000
"""One event in so many is not valid JSON: it belongs into the dead letters."""

_ZIPF = 1.1


class Event(NamedTuple):
    """One record of the reference job."""

    topic: str
    key: bytes
    value: bytes


def _accounts(count: int, accounts: int, shape: str, seed: int) -> list[int]:
    chance = np.random.default_rng(seed)
    if shape == "uniform":
        return chance.integers(0, accounts, count).tolist()
    weights = 1.0 / np.arange(1, accounts + 1) ** _ZIPF
    return chance.choice(accounts, count, p=weights / weights.sum()).tolist()


def events(count: int, accounts: int, shape: str, now: datetime, seed: int = 1) -> Iterator[Event]:
    """`count` events over the 20 days before `now`, in order of time: 85 % payments, 7 % bounces, 8 % missed bills."""
    chance = random.Random(seed)
    start, step = now - timedelta(days=20), timedelta(days=20) / count
    for number, account in enumerate(_accounts(count, accounts, shape, seed)):
        name = f"A{account:07d}"
        at = (start + number * step).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        draw = chance.random()
        topic = "payments" if draw < 0.85 else "bounces" if draw < 0.92 else "missed-bills"
        payee = f"P{chance.randrange(2_000):05d}"
        amount = f"{chance.randrange(100, 30_000) / 100:.2f}"
        value: dict[str, object] = {"event_id": f"E{number:010d}", "account_id": name, "occurred_at": at}
        if topic == "payments":
            value |= {
                "direction": "debit", "amount": amount, "currency": "GBP", "counterparty_id": payee,
                "counterparty_name": f"Shop {payee}", "category": "groceries", "scheme": "card",
                "balance_after": f"{chance.randrange(-20_000, 300_000) / 100:.2f}",
            }  # fmt: skip
        elif topic == "bounces":
            value |= {
                "scheme": "bacs", "report": "arudd", "reason_code": "0", "amount": amount, "currency": "GBP",
                "counterparty_id": payee, "category": "energy",
            }  # fmt: skip
        else:
            value |= {
                "bill_id": f"B{number:010d}", "counterparty_id": payee, "category": "telecom", "amount_due": amount,
                "currency": "GBP", "due_date": at[:10], "outcome": "missed",
            }  # fmt: skip
        text = json.dumps(value, separators=(",", ":")).encode()
        yield Event(topic, name.encode(), text[:-1] if number % BAD_EVERY == BAD_EVERY - 1 else text)


def holders(accounts: int, now: datetime) -> Iterator[Event]:
    """Who holds the accounts, for a job that asks: one customer each, who may be written to."""
    since = (now - timedelta(days=40)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    for number in range(accounts):
        account, customer = f"A{number:07d}", f"C{number:07d}"
        value: dict[str, object] = {
            "account_id": account, "updated_at": since, "holders": [{"customer_id": customer, "role": "primary"}],
            "product": "current_account", "currency": "GBP", "country": "GB", "time_zone": "Europe/London",
        }  # fmt: skip
        yield Event("accounts", account.encode(), json.dumps(value, separators=(",", ":")).encode())
        value = {
            "customer_id": customer, "updated_at": since, "jurisdiction": "GB", "region": "GB-ENG", "language": "en",
            "time_zone": "Europe/London", "channels": {"sms": {"consent": True, "since": since}},
        }  # fmt: skip
        yield Event("customers", customer.encode(), json.dumps(value, separators=(",", ":")).encode())


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=1_000)
    parser.add_argument("--accounts", type=int, default=100)
    parser.add_argument("--shape", choices=("zipf", "uniform"), default="zipf")
    options = parser.parse_args()
    for event in events(options.events, options.accounts, options.shape, datetime.now(UTC)):
        print(event.topic, event.key.decode(), event.value.decode(errors="replace"), sep="\t")


if __name__ == "__main__":
    main()
