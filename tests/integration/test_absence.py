"""A payment that does not come, on a real Kafka: the same live, after a restart or rebalance, and in the auditor's replay."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from stream import app
from stream.engine import rerun
from tests.kafka import Broker, Message, wait_until
from tests.kafka.bank import account, message, payment
from tests.kafka.job import PARTITIONS, Job, outputs

pytestmark = pytest.mark.kafka

DAY = timedelta(days=1)
ACCOUNTS = range(8)
LATE = 0
"""This account's rent comes in the end."""


@pytest.fixture
def job(broker: Broker, prefix: str, tmp_path: Path) -> Iterator[Job]:
    """The real job on the shared broker, its topics made."""
    real = Job(broker, tmp_path, prefix, EWS_RETENTION_DAYS="400")
    real.create_topics()
    yield real
    real.close()
    print(real.tails())


def rent(number: int, at: datetime, name: str) -> Message:
    paid = payment(
        number, name, at, amount="650.00", category="rent", counterparty_id=f"LANDLORD-{number}", scheme="faster_payments"
    )
    return message(paid, at)


def learned(now: datetime) -> list[Message]:
    """Rent paid every four weeks, and due again eleven days ago."""
    weeks = [now - 11 * DAY - n * 28 * DAY for n in (4, 3, 2, 1)]
    return [rent(number, at, f"R-{number}-{k}") for k, at in enumerate(weeks) for number in ACCOUNTS]


def alive(now: datetime, more: str = "") -> list[Message]:
    """Something paid today on every account: the feed lives in each partition."""
    return [
        message(payment(number, f"S-{number}{more}", now, category="groceries", counterparty_id="SHOP", scheme="card"), now)
        for number in ACCOUNTS
    ]


def said(job: Job) -> list[tuple[str, str, str]]:
    """(account, status, severity) of all that the detector says, by account and in order."""
    records = [json.loads(record.value or b"{}") for record in job.read("signals")]
    own: list[dict[str, Any]] = [one for one in records if one["detector"] == "expected_payment_absent"]
    return [(one["account_id"], one["status"], one["severity"]) for one in sorted(own, key=lambda one: one["account_id"])]


@pytest.mark.parametrize("disturbance", ["none", "restart", "rebalance"])
def test_rent_that_does_not_come_is_noticed_once_and_taken_back_when_it_comes(job: Job, disturbance: str) -> None:
    now = datetime.now(UTC)
    then = now - 140 * DAY
    job.produce("accounts", [message(account(number, then), then) for number in ACCOUNTS])
    worker = job.start()
    job.produce("payments", learned(now))
    job.wait_applied(["accounts", "payments"])
    assert said(job) == []
    if disturbance == "restart":
        worker.kill()
        worker.wait(30)
        job.start()
    elif disturbance == "rebalance":
        job.start()
        wait_until(lambda: job.workers[-1].log().count('"task open"') > 0, 60, "the second worker owns tasks")
    job.produce("payments", alive(now))
    wait_until(lambda: len(said(job)) == len(ACCOUNTS), 60, "absence said")
    names = [f"A-{number}" for number in ACCOUNTS]
    assert said(job) == [(name, "raised", "low") for name in names]
    paid = datetime.now(UTC)
    job.produce("payments", [rent(LATE, paid, "R-late"), *alive(paid, "-again")])
    wait_until(lambda: len(said(job)) == len(ACCOUNTS) + 1, 60, "taken back")
    assert said(job)[:2] == [(f"A-{LATE}", "raised", "low"), (f"A-{LATE}", "withdrawn", "low")]
    for worker in job.workers:
        worker.terminate()
    for worker in job.workers:
        worker.wait(30)
    again = Counter(
        (output.key, output.value, output.headers)
        for partition in range(PARTITIONS)
        for applied in rerun.replay(job.settings(), app.stages, partition)
        for output in applied.outputs
        if output.topic == "signals"
    )
    assert again == outputs(job.read("signals"))
