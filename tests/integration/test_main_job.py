"""The whole job on a real Kafka: from the bank's topics to nudges, under what goes wrong in a bank."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from stream import app
from stream.engine import rerun
from stream.engine.deadletters import TOPIC as DEAD
from stream.engine.partitioner import partition_of
from stream.simulate import simulate
from stream.topics import CATALOGUE
from tests.integration.conftest import MakeBroker
from tests.kafka import Broker, Message, Received, Security, wait_until
from tests.kafka.bank import DAY, account, bounce, customer, encode, hold, message, noon_zone, payment, signal, text, trouble
from tests.kafka.job import PARTITIONS, Job, outputs
from tests.kafka.planted import PASSWORD

pytestmark = pytest.mark.kafka

OUTPUTS = ("signals", "nudges", "escalations", "decisions", DEAD, "account-facts", "account-orders")
INPUTS = tuple(topic.name for topic in CATALOGUE if topic.role == "input")


def values(records: list[Received]) -> list[dict[str, Any]]:
    return [json.loads(record.value or b"{}") for record in records]


def produce_simulated(job: Job, customers: int, seed: int = 3) -> dict[str, int]:
    """Three simulated months that end now; returns how many records went where."""
    by_topic: dict[str, list[Message]] = {}
    end = int(time.time() * 1000)
    for event in simulate(seed, customers, date.today() - timedelta(days=90), 3):
        if event.timestamp_ms > end:
            break  # Kafka takes no record from the future
        record = Message(-1, event.key.encode(), encode(event.value), timestamp=event.timestamp_ms)
        by_topic.setdefault(event.topic, []).append(record)
    for topic, records in by_topic.items():
        job.produce(topic, records)
    return {topic: len(records) for topic, records in by_topic.items()}


def bring_trouble(
    job: Job, numbers: Iterable[int], now: datetime, place: Callable[[Message], Message] = lambda record: record
) -> None:
    """Accounts, customers and what leads to a nudge for each of them, in order of time."""
    then, zone = now - 30 * DAY, noon_zone(now)
    numbers = list(numbers)
    job.produce("accounts", [place(message(account(n, then), then)) for n in numbers])
    job.produce("customers", [place(message(customer(f"C-{n}", then, zone), then)) for n in numbers])
    bounces = [record for n in numbers for _, record in trouble(n, now)]
    job.produce("bounces", [place(record) for record in sorted(bounces, key=lambda record: record.timestamp)])


def settle(job: Job) -> None:
    """Returns once all inputs, and what the stages tell each other, are applied."""
    job.wait_applied(INPUTS, 120)
    job.wait_applied(("signals", "account-facts", "account-orders"), 120)


def replayed(job: Job) -> dict[str, Any]:
    """What the journal's replay says, by topic."""
    said: dict[str, list[Any]] = {topic: [] for topic in OUTPUTS}
    for partition in range(PARTITIONS):
        for applied in rerun.replay(job.settings(), app.stages, partition):
            for output in applied.outputs:
                said[output.topic].append(Received(output.topic, 0, 0, 0, output.key, output.value, output.headers))
    return {topic: outputs(records) for topic, records in said.items()}


def assert_replay_equals_live(job: Job) -> None:
    job.check_journal()
    again = replayed(job)
    for topic in OUTPUTS:
        live = outputs(job.read(topic))
        assert again[topic] == live, f"{topic}: {again[topic].total()} replayed, {live.total()} live"


def test_simulated_months_give_nudges_and_the_journal_reproduces_every_byte(
    broker: Broker, prefix: str, tmp_path: Path
) -> None:
    """Promises 1 and 2: killed and joined in the middle, outputs equal the journal's replay; each offset once."""
    # History keeps its own timestamps: it must not have expired when it arrives.
    job = Job(broker, tmp_path, prefix, EWS_RETENTION_DAYS="400")
    job.create_topics()
    try:
        run_and_replay(job, tmp_path)
    finally:
        job.close()
        print(job.tails())


def run_and_replay(job: Job, tmp_path: Path) -> None:
    first = job.start()
    produced = produce_simulated(job, 60)
    job.wait_for("signals", 5, 120)
    first.kill()
    second = job.start()
    time.sleep(random.Random(7).uniform(0.5, 1.5))
    third = job.start()
    wait_until(lambda: '"task open"' in third.log(), 60, "the third worker owns tasks")
    second.terminate()
    assert second.wait(60) == 0
    settle(job)
    third.terminate()
    assert third.wait(60) == 0
    assert_replay_equals_live(job)
    assert sum(produced.values()) == sum(offset for (topic, _), offset in job.applied().items() if topic in INPUTS)
    signal_ids = [(v["signal_id"], v["status"]) for v in values(job.read("signals")) if v["status"] == "raised"]
    assert len(signal_ids) == len(set(signal_ids)) > 0
    nudge_ids = [v["nudge_id"] for v in values(job.read("nudges")) if v["status"] == "issued"]
    assert len(nudge_ids) == len(set(nudge_ids)) > 0
    # The command does the same.
    run = subprocess.run(
        [sys.executable, "-m", "stream", "replay", "--journal", str(tmp_path / "out"), "-o", "json"],
        env={"PATH": "", **job.env},
        capture_output=True,
        text=True,
        check=True,
    )
    counts = {row["what"]: row["count"] for row in json.loads(run.stdout)}
    assert counts["nudges"] == len(job.read("nudges"))
    assert (tmp_path / "out" / "signals.jsonl").read_text().count("\n") == len(job.read("signals"))
    # And the text behind a nudge is there for a person to read.
    told = subprocess.run(
        [sys.executable, "-m", "stream", "explain", nudge_ids[0]],
        env={"PATH": "", **job.env},
        capture_output=True,
        text=True,
        check=True,
    )
    assert len(told.stdout) > 200


def test_a_nudge_leaves_and_a_hold_takes_it_back(job: Job, now: datetime) -> None:
    bring_trouble(job, [1], now)
    job.start()
    [issued] = values(job.wait_for("nudges", 1))
    assert issued["status"] == "issued"
    assert issued["customer_id"] == "C-1"
    assert issued["reasons"]
    job.produce("holds", [message(hold("C-1", "h1", datetime.now(UTC)), datetime.now(UTC))])
    _, withdrawn = values(job.wait_for("nudges", 2))
    assert (withdrawn["status"], withdrawn["nudge_id"]) == ("withdrawn", issued["nudge_id"])
    assert withdrawn["withdrawn_because"]


def test_a_hold_unread_behind_a_backlog_still_stops_its_nudge(job: Job, now: datetime) -> None:
    """Promise 5 after an outage: signals wait to be read, and the hold is the last of many unread records."""
    home = partition_of(b"C-1", PARTITIONS)
    people = [n for n in range(2, 400) if partition_of(b"C-%d" % n, PARTITIONS) == home][:20]
    free, others = people[0], people[1:]
    then = now - 7 * DAY
    zone = noon_zone(now)
    job.produce("customers", [message(customer(f"C-{n}", then, zone), then) for n in (1, free)])
    for at, status, severity in ((then, "raised", "low"), (now, "changed", "medium")):
        job.produce("signals", [message(signal(n, at, status, severity), at, f"C-{n}") for n in (1, free)])
    job.produce("holds", [message(hold(f"C-{others[i % 19]}", f"other-{i}", now), now) for i in range(20_000)])
    job.produce("holds", [message(hold("C-1", "mine", now - timedelta(minutes=1)), now)])
    job.start()
    job.wait_for("nudges", 1)
    job.wait_applied(("signals", "holds"))
    assert {nudge["customer_id"] for nudge in values(job.read("nudges"))} == {f"C-{free}"}
    decided = [d for d in values(job.read("decisions")) if d["customer_id"] == "C-1"]
    assert decided
    assert {d["result"] for d in decided} <= {"refused", "deferred"}


def test_thirty_kinds_of_poison_are_set_aside_and_the_good_goes_on(job: Job, now: datetime) -> None:
    """Promise 3: each keeps its bytes, names a reason, tells nothing of its content; the record after it is processed."""
    good = payment(1, "p-good", now)
    secret = "S3CRET-NAME"

    def bad(**change: Any) -> bytes:
        return encode({k: v for k, v in {**good, "counterparty_name": secret, **change}.items() if v is not ...})

    poison: list[tuple[bytes | None, bytes | None]] = [
        (b"A-1", value)
        for value in (
            b"",
            b"not json " + secret.encode(),
            b"[]",
            b"null",
            b"{" * 5_000,
            b"\xff\xfe",
            bad()[:-1],
            bad() + b"x",
            b"\xef\xbb\xbf" + bad(),
            bad(event_id=...),
            bad(event_id=""),
            bad(event_id="x" * 65),
            bad(event_id="a\nb"),
            bad(event_id=7),
            bad(occurred_at="2026-01-01T00:00:00"),
            bad(occurred_at="yesterday"),
            bad(occurred_at=1_700_000_000),
            bad(amount=12.5),
            bad(amount="-1.00"),
            bad(amount="1.234"),
            bad(amount="1e3"),
            bad(amount="١٢"),
            bad(amount="9" * 40),
            bad(currency="gbp"),
            bad(currency="ZZZ"),
            bad(direction="sideways"),
            bad(category="yachts"),
            bad(scheme=None),
            bad(due_date="31/12/2026"),
            bad(status="maybe"),
            bad(account_id="A-2"),
            bad(occurred_at=text(now + 3 * DAY)),
        )
    ] + [(None, encode(good)), (b"A-1", None)]
    own = partition_of(b"A-1", PARTITIONS)
    job.produce("payments", [Message(own, key, value, [("trace", b"1")]) for key, value in poison])
    job.produce("bounces", [message(bounce(1, "b1", now), now)])
    job.produce("accounts", [message(account(1, now - DAY), now - DAY)])
    job.start()
    dead = job.wait_for(DEAD, len(poison))
    job.wait_for("signals", 1)
    assert len(dead) == len(poison) == 34
    assert sorted((r.key or b"", r.value or b"") for r in dead) == sorted((k or b"", v or b"") for k, v in poison)
    for record in dead:
        headers = dict(record.headers)
        assert headers["trace"] == b"1"
        assert headers["kafka_dlt-original-topic"] == job.topic("payments").encode()
        assert headers["ews-reason"]
        assert secret not in headers["kafka_dlt-exception-message"].decode()
    reasons = {dict(r.headers)["ews-reason"].decode() for r in dead}
    assert {"bad_json", "missing_field", "bad_field", "bad_amount", "bad_time", "unknown_value", "key_mismatch"} <= reasons
    assert {"null_key", "null_value", "too_far_ahead"} <= reasons
    assert secret not in job.workers[0].log()


def test_an_event_far_ahead_of_its_record_does_not_move_the_clock(job: Job, now: datetime) -> None:
    job.produce("payments", [message(payment(1, "far", now + 2 * DAY), now), message(payment(1, "near", now), now)])
    job.start()
    [dead] = job.wait_for(DEAD, 1)
    assert dict(dead.headers)["ews-reason"] == b"too_far_ahead"
    job.wait_applied(["payments"])


def test_records_on_the_wrong_partition_are_set_aside(job: Job, now: datetime) -> None:
    home = partition_of(b"A-1", PARTITIONS)
    value = encode(payment(1, "p1", now))
    job.produce("payments", [Message((home + 1) % PARTITIONS, b"A-1", value), Message(home, b"A-1", value)])
    astray = (partition_of(b"C-1", PARTITIONS) + 1) % PARTITIONS
    job.produce("holds", [Message(astray, b"C-1", encode(hold("C-1", "h", now)))])
    job.start()
    dead = job.wait_for(DEAD, 2)
    settle(job)
    assert len(job.read(DEAD)) == 2
    assert {dict(r.headers)["ews-reason"] for r in dead} == {b"mispartitioned"}


def test_inputs_placed_by_crc32_meet_what_the_job_itself_writes(
    broker: Broker, prefix: str, tmp_path: Path, now: datetime
) -> None:
    """librdkafka's default partitioner: signals must reach the partition where the customer's record lies."""
    job = Job(broker, tmp_path, prefix, EWS_PARTITIONER="crc32")
    job.create_topics()

    def placed(record: Message) -> Message:
        return record._replace(partition=partition_of(record.key or b"", PARTITIONS, "crc32"))

    numbers = range(1, 9)
    bring_trouble(job, numbers, now, placed)
    try:
        job.start()
        got = values(job.wait_for("nudges", len(numbers)))
        assert {nudge["customer_id"] for nudge in got} == {f"C-{n}" for n in numbers}
        assert job.read(DEAD) == []
    finally:
        job.close()


def test_a_forgotten_customer_and_account_leave_no_row_behind(job: Job, now: datetime) -> None:
    bring_trouble(job, [1], now)
    job.start()
    job.wait_for("nudges", 1)
    job.produce("accounts", [(b"A-1", None)])
    job.produce("customers", [(b"C-1", None)])
    settle(job)
    wait_until(lambda: values(job.read("nudges"))[-1]["status"] == "withdrawn", 30, "the nudge is withdrawn")
    settle(job)
    for stage, name in (("accounts", b"A-1"), ("customers", b"C-1")):
        last: dict[bytes, bytes | None] = {}
        for record in job.client.read_flat(job.settings().changelog(stage)):
            last[record.key or b""] = record.value
        rows = {key: value for key, value in last.items() if name in key}
        assert rows, "there were rows"
        assert set(rows.values()) == {None}


@pytest.mark.parametrize("login", ["scram", "plain", "mtls"])
def test_the_worker_logs_in_over_tls(make_broker: MakeBroker, tmp_path: Path, now: datetime, login: str) -> None:
    secured = make_broker(security=Security(users={"ews": PASSWORD}))
    certificates = secured.certificates
    assert certificates is not None
    env = {"EWS_SSL_CA_FILE": str(certificates.ca)}
    if login == "mtls":
        env |= {
            "EWS_BOOTSTRAP": secured.mtls_bootstrap,
            "EWS_SECURITY_PROTOCOL": "SSL",
            "EWS_SSL_CERT_FILE": str(certificates.client),
            "EWS_SSL_KEY_FILE": str(certificates.client_key),
        }
    else:
        (tmp_path / "password").write_text(f"{PASSWORD}\n")
        env |= {
            "EWS_BOOTSTRAP": secured.sasl_bootstrap,
            "EWS_SECURITY_PROTOCOL": "SASL_SSL",
            "EWS_SASL_MECHANISM": "SCRAM-SHA-512" if login == "scram" else "PLAIN",
            "EWS_SASL_USERNAME": "ews",
            "EWS_SASL_PASSWORD_FILE": str(tmp_path / "password"),
        }
    job = Job(secured, tmp_path, **env)
    try:
        job.create_topics()
        job.produce("accounts", [message(account(1, now - DAY), now - DAY)])
        job.produce("bounces", [message(bounce(1, "b1", now), now)])
        worker = job.start()
        job.wait_for("signals", 1)
        assert PASSWORD not in worker.log()
        if login == "scram":
            (tmp_path / "password").write_text("wrong")
            refused = job.start("wrong-password")
            assert refused.wait(90) == 3
            assert "EWS_SECURITY_PROTOCOL" in refused.log()
            assert "wrong" not in refused.log().replace("wrong-password", "")
    finally:
        job.close()
        print(job.tails())


@pytest.mark.parametrize("codec", ["gzip", "snappy", "lz4", "zstd"])
def test_compressed_topics_are_readable(job: Job, now: datetime, codec: str) -> None:
    from confluent_kafka import Producer

    producer = Producer({**job.client.config, "compression.type": codec, "partitioner": "murmur2_random", "linger.ms": 50})
    for i in range(200):
        producer.produce(job.topic("bounces"), encode(bounce(i, f"b{i}", now)), b"A-%d" % i)
    producer.flush(30)
    job.produce("accounts", [message(account(i, now - DAY), now - DAY) for i in range(200)])
    job.start()
    assert len(job.wait_for("signals", 200)) == 200


def test_stop_nudges_stops_all_of_them(job: Job, now: datetime) -> None:
    stop = {"event_id": "s1", "occurred_at": text(now - DAY), "action": "stop_nudges", "who": "duty", "why": "wrong text"}
    at = int((now - DAY).timestamp() * 1000)
    job.produce("operator-actions", [Message(p, b"*", encode(stop), timestamp=at) for p in range(PARTITIONS)])
    bring_trouble(job, range(8), now)
    job.start()
    everybody = {f"C-{n}" for n in range(8)}
    wait_until(lambda: {d["customer_id"] for d in values(job.read("decisions"))} == everybody, 60, "decisions", 0.3)
    assert job.read("nudges") == []
    resume = {**stop, "event_id": "s2", "occurred_at": text(datetime.now(UTC)), "action": "resume_nudges"}
    job.produce("operator-actions", [Message(p, b"*", encode(resume)) for p in range(PARTITIONS)])
    got = values(job.wait_for("nudges", 8))
    assert {nudge["customer_id"] for nudge in got} == everybody


def test_contact_from_keeps_history_silent(broker: Broker, prefix: str, tmp_path: Path, now: datetime) -> None:
    job = Job(broker, tmp_path, prefix, EWS_CONTACT_FROM=text(now + DAY))
    job.create_topics()
    bring_trouble(job, [1], now)
    try:
        job.start()
        wait_until(lambda: values(job.read("decisions")), 60, "a decision", 0.3)
        settle(job)
        assert job.read("nudges") == []
    finally:
        job.close()
