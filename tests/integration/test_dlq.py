"""Dead letters on a real Kafka: mended, sent back, processed once; and what goes wrong on the way."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from stream.engine import redrive
from stream.engine.deadletters import TOPIC as DEAD
from stream.engine.partitioner import partition_of
from stream.engine.redrive import Redriver
from stream.errors import EngineError
from stream.topics import CATALOGUE
from tests.kafka import Message, Received
from tests.kafka.bank import DAY, account, bounce, encode, message, payment
from tests.kafka.job import PARTITIONS, Job
from tests.kafka.planted import PLANTED

pytestmark = pytest.mark.kafka

INPUTS = tuple(topic.name for topic in CATALOGUE if topic.role == "input")
BY_ACCOUNT = {topic.name: topic.key == "account_id" for topic in CATALOGUE}
HOME = partition_of(b"A-1", PARTITIONS)


def dlq(job: Job, *words: str, code: int = 0) -> Any:
    """What `ews dlq` prints as JSON."""
    done = subprocess.run(
        [sys.executable, "-m", "stream", "dlq", *words, "-o", "json"],
        env={name: value for name, value in os.environ.items() if not name.startswith("EWS_")} | job.env,
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == code, done.stderr
    return json.loads(done.stdout) if done.stdout else None


def reason(letter: Received) -> str:
    return dict(letter.headers)["ews-reason"].decode()


def test_a_payment_is_mended_and_redriven_and_counts_once(job: Job, tmp_path: Path, now: datetime) -> None:
    """A bounce is open; the payment that cures it came with a comma in its amount."""
    cure = payment(1, "cure", now, amount="620.00", counterparty_id=f"{PLANTED}-lender-b1", category="mortgage")
    headers = [("traceparent", b"00-" + b"a" * 32 + b"-" + b"b" * 16 + b"-01"), ("source", b"core")]
    job.produce("accounts", [message(account(1, now - DAY), now - DAY)])
    job.produce("bounces", [message(bounce(1, "b1", now - DAY / 24), now - DAY / 24)])
    job.start()
    [raised] = job.wait_for("signals", 1)
    job.produce("payments", [Message(HOME, b"A-1", encode({**cure, "amount": "620,00"}), headers)])
    job.wait_for(DEAD, 1)
    [row] = dlq(job, "list")
    assert (row["topic"], row["reason"], row["open"], row["redriven"]) == ("payments", "bad_amount", 1, 0)
    [letter] = dlq(job, "list", "--each")
    name = letter["id"]
    assert name == f"payments:{HOME}:0"
    assert "620,00" not in json.dumps(dlq(job, "show", name))
    assert json.loads(dlq(job, "show", name, "--value")["value"])["amount"] == "620,00"

    # As it came it would be set aside again: it is not sent.
    [told] = dlq(job, "redrive", name, "--yes", code=1)
    assert told["result"].startswith("still bad: bad_amount: amount")
    mended = tmp_path / "mended.json"
    mended.write_bytes(encode(cure))
    assert [one["result"] for one in dlq(job, "redrive", name, "--value-file", str(mended), "--dry-run")] == ["ready"]
    assert len(job.read("payments")) == 1
    assert [one["result"] for one in dlq(job, "redrive", name, "--value-file", str(mended), "--yes")] == ["sent"]
    withdrawn = [json.loads(one.value or b"") for one in job.wait_for("signals", 2)][-1]
    assert (withdrawn["status"], withdrawn["reasons"][0]["event_ids"]) == ("withdrawn", ["cure"])
    assert withdrawn["signal_id"] == json.loads(raised.value or b"")["signal_id"]
    [_, again] = job.read("payments")
    assert (again.partition, again.key, again.value) == (HOME, b"A-1", encode(cure))
    assert again.headers == (*headers, ("ews-redriven", name.encode()))

    # Redriven again unchanged: nothing is sent. And were it sent by hand all the same, its event_id is known.
    assert [one["result"] for one in dlq(job, "redrive", name, "--value-file", str(mended), "--yes")] == ["redriven before"]
    assert [one["result"] for one in dlq(job, "redrive", "--topic", "payments", "--yes")] == ["redriven before"]
    assert len(job.read("payments")) == 2
    said = {topic: job.read(topic) for topic in ("signals", "account-facts", "nudges", "escalations")}
    job.produce("payments", [Message(HOME, b"A-1", encode(cure))])
    job.wait_applied(INPUTS)
    assert {topic: job.read(topic) for topic in said} == said
    assert sum("ews-reason" in dict(one.headers) for one in job.read(DEAD)) == 1
    [row] = dlq(job, "list")
    assert (row["open"], row["redriven"]) == (0, 1)


def test_of_two_at_once_only_the_later_sends(job: Job, now: datetime) -> None:
    """The earlier has looked before the later sent, and must not send what it saw."""
    job.produce("payments", [Message((HOME + 1) % PARTITIONS, b"A-1", encode(payment(1, "p1", now)))])
    job.start()
    job.wait_for(DEAD, 1)
    earlier = Redriver(job.settings())
    letters = redrive.read(job.settings(), lambda letter: True)
    assert [one["result"] for one in dlq(job, "redrive", "--reason", "mispartitioned", "--yes")] == ["sent"]
    with pytest.raises(EngineError, match="somebody else"):
        list(earlier.send(letters))
    assert sorted(one.partition for one in job.read("payments")) == sorted({HOME, (HOME + 1) % PARTITIONS})
    job.wait_applied(("payments",))
    assert len([one for one in job.read(DEAD) if "ews-reason" in dict(one.headers)]) == 1


def test_tombstones_and_values_at_the_size_limit_are_set_aside_on_every_topic(job: Job, now: datetime) -> None:
    """A tombstone erases on the two topics that have them. A megabyte is set aside whole or by its hash, and stops nobody."""
    for topic in INPUTS:
        key = b"A-1" if BY_ACCOUNT[topic] else b"C-1"
        home = partition_of(key, PARTITIONS)
        largest = 1_095_000  # what a topic takes, less the record's own frame
        values = [b"x" * 900_000, b"x" * 997_000, b"x" * 999_000, b"x" * largest, b'{"a":' * 100_000, None]
        for value in values:
            job.produce(topic, [Message(home, key, value)])
    job.produce("accounts", [message(account(1, now - DAY), now - DAY)])
    job.produce("bounces", [message(bounce(1, "b1", now), now)])
    job.start()
    tombstoned = len(INPUTS) - 2
    dead = job.wait_for(DEAD, 5 * len(INPUTS) + tombstoned, 120)
    job.wait_for("signals", 1)
    by_reason = [reason(one) for one in dead]
    assert (by_reason.count("bad_json"), by_reason.count("null_value")) == (5 * len(INPUTS), tombstoned)
    hashed = [dict(one.headers) for one in dead if "ews-value-sha256" in dict(one.headers)]
    assert sorted({int(one["ews-value-bytes"]) for one in hashed}) == [999_000, 1_095_000]
    assert len(hashed) == 2 * len(INPUTS)
    assert job.workers[0].running
