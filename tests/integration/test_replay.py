"""The auditor's replay on a real Kafka: what it needs, and what it says when that has gone."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from confluent_kafka import Producer

from stream import app
from stream.engine import rerun
from stream.engine.partitioner import partition_of
from stream.errors import CheckpointError
from tests.kafka import Broker, Message, Received, wait_until
from tests.kafka.bank import DAY, account, customer, message, noon_zone, trouble
from tests.kafka.broker import COMPACT_NOW
from tests.kafka.job import PARTITIONS, Job, outputs, without
from tests.kafka.toy import expected, stages

pytestmark = pytest.mark.kafka

TOY = ("-m", "tests.kafka.toy")


@pytest.fixture
def toy(broker: Broker, prefix: str, tmp_path: Path) -> Iterator[Job]:
    """A toy job on the shared broker, its topics made."""
    job = Job(broker, tmp_path, prefix, TOY)
    job.create_topics()
    yield job
    job.close()
    print(job.tails())


def live_run(toy: Job, records: int = 2_000) -> list[bytes]:
    """A run that has ended. Returns its keys."""
    chosen = [b"A%03d" % (n % 100) for n in range(records)]
    toy.produce("payments", [(key, b"x") for key in chosen])
    worker = toy.start()
    toy.wait_applied(["payments", "signals"])
    worker.terminate()
    assert worker.wait(30) == 0
    return chosen


def signals(toy: Job) -> set[bytes | None]:
    return {
        output.value
        for partition in range(PARTITIONS)
        for applied in rerun.replay(toy.settings(), stages, partition)
        for output in applied.outputs
        if output.topic == "signals"
    }


def test_what_has_expired_is_told_instead_of_starting_in_the_middle(toy: Job) -> None:
    chosen = live_run(toy)
    assert signals(toy) == expected(chosen)
    payments, journal = toy.topic("payments"), toy.topic("journal")
    toy.client.delete_records(payments, {2: 3})
    with pytest.raises(CheckpointError, match=r"names offset 0 of .*payments\[2\], which holds \[3, .*expired"):
        signals(toy)
    begin = toy.read("journal")[-1]
    toy.client.delete_records(journal, {begin.partition: begin.offset})
    with pytest.raises(CheckpointError, match=rf"partition {begin.partition} reaches back to offset {begin.offset} only"):
        list(rerun.replay(toy.settings(), stages, begin.partition))
    # The command ends as a wrong configuration does, and says nothing in part.
    run = command(toy, "replay", "--journal", str(toy.folder / "out"), "--partition", str(begin.partition))
    assert run.returncode == 3
    assert "reaches back to offset" in run.stderr
    assert (toy.folder / "out" / "signals.jsonl").read_text() == ""


def test_reading_ends_at_compacted_and_empty_partitions_and_at_an_open_transaction(toy: Job) -> None:
    # Only partition 1 gets any, and what was applied of it is compacted away; it ends in the marker of a transaction.
    toy.client.produce(toy.topic("accounts"), [Message(1, b"row", b"%d" % n) for n in range(100)])
    live_run(toy, 500)
    toy.client.set_config(toy.topic("accounts"), COMPACT_NOW)
    for part in range(3):
        time.sleep(0.25)
        toy.client.produce(toy.topic("accounts"), [Message(1, b"row", b"%d" % part)], transaction="commit")
    wait_until(lambda: len(toy.read("accounts")) < 20, 30, "compaction", 0.3)
    # What the job wrote is followed by a transaction that never ends.
    stuck = Producer({**toy.settings().librdkafka(), "transactional.id": f"{toy.env['EWS_APP']}-stuck"})
    stuck.init_transactions(30)
    stuck.begin_transaction()
    for topic in ("signals", "journal"):
        for partition in range(PARTITIONS):
            stuck.produce(toy.topic(topic), b"never", b"k", partition)
    assert not stuck.flush(30)
    started = time.monotonic()
    # Compaction goes on meanwhile: what is read is between what there was before and what there is after.
    before = len(toy.read("accounts"))
    found = len(list(rerun.committed(toy.settings(), ("accounts", "signals", "nudges")))) - len(toy.read("signals"))
    assert before >= found >= len(toy.read("accounts")) > 0
    assert signals(toy) == {record.value for record in toy.read("signals")}
    assert time.monotonic() - started < rerun._TIMEOUT, "it waited for what will never come"
    stuck.abort_transaction()


def test_a_bank_with_another_partitioner_is_replayed_and_explained_without_being_told(
    broker: Broker, prefix: str, tmp_path: Path
) -> None:
    job = Job(broker, tmp_path, prefix, EWS_PARTITIONER="crc32")
    job.create_topics()
    try:
        live_and_audit(job)
    finally:
        job.close()
        print(job.tails())


def live_and_audit(job: Job) -> None:
    now = datetime.now(UTC)
    then, zone = now - 30 * DAY, noon_zone(now)

    def place(record: Message) -> Message:
        assert record.key is not None
        return record._replace(partition=partition_of(record.key, PARTITIONS, "crc32"))

    # Where the two partitioners agree nothing would be shown.
    number = next(n for n in range(99) if partition_of(b"C-%d" % n, PARTITIONS, "crc32") != partition_of(b"C-%d" % n, PARTITIONS))
    job.produce("accounts", [place(message(account(number, then), then))])
    job.produce("customers", [place(message(customer(f"C-{number}", then, zone), then))])
    job.produce("bounces", [place(record) for _, record in trouble(number, now)])
    worker = job.start()
    job.wait_for("signals", 1)
    job.wait_for("decisions", 1)
    job.wait_applied(("bounces", "signals", "account-facts", "account-orders"))
    worker.terminate()
    assert worker.wait(30) == 0
    # The auditor has the address and the prefix; the replication of the topics is none of his business.
    strict = {"EWS_REPLICATION": "3", "EWS_MIN_INSYNC": "2", "EWS_RETENTION_DAYS": "90"}
    auditor = Job(job.broker, job.folder, job.env["EWS_TOPIC_PREFIX"], **strict)
    assert auditor.settings().partitioner == "murmur2"
    again = [
        Received(output.topic, 0, 0, 0, output.key, output.value, output.headers)
        for partition in range(PARTITIONS)
        for applied in rerun.replay(auditor.settings(), app.stages, partition)
        for output in applied.outputs
    ]
    for topic in ("signals", "nudges", "escalations", "decisions", "dead-letters", "account-facts"):
        assert outputs(record for record in again if record.topic == topic) == outputs(job.read(topic)), topic
    assert not job.read("dead-letters")
    [signal, *_] = [json.loads(record.value or b"") for record in job.read("signals")]
    told = command(auditor, "explain", signal["signal_id"], "-o", "json")
    assert told.returncode == 0, told.stderr
    history = json.loads(told.stdout)["history"]
    assert len(history) == sum(1 for r in job.read("signals") if json.loads(r.value or b"")["signal_id"] == signal["signal_id"])


def command(job: Job, *args: str) -> subprocess.CompletedProcess[str]:
    env = {"PATH": "", **without(job.env, "EWS_PARTITIONER")}
    return subprocess.run(
        [sys.executable, "-m", "stream", *args], env=env, capture_output=True, text=True, check=False, timeout=60
    )
