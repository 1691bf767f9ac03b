"""Settings changed under running workers, on a real Kafka: taken or refused, and replayed byte for byte."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from stream import app
from stream.engine import rerun
from tests.kafka import Broker, Process, Received, wait_until
from tests.kafka.bank import DAY, account, bounce, customer, message, noon_zone
from tests.kafka.job import PARTITIONS, Job, outputs
from tests.kafka.toy import stages

pytestmark = pytest.mark.kafka


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The detectors' file."""
    return tmp_path / "detectors.toml"


@pytest.fixture
def toy(broker: Broker, prefix: str, tmp_path: Path, file: Path) -> Iterator[Job]:
    """A toy job on the shared broker, its topics made."""
    job = Job(broker, tmp_path, prefix, ("-m", "tests.kafka.toy"), EWS_DETECTORS_FILE=str(file))
    job.create_topics()
    yield job
    job.close()
    print(job.tails())


def change(file: Path, text: str, told: str, *workers: Process) -> None:
    """Writes the file and returns once each worker has told it; the first is asked, the others find it."""
    before = {worker.pid: worker.log().count(told) for worker in workers}
    file.write_text(text)
    os.kill(workers[0].pid, signal.SIGHUP)
    for worker in workers:
        wait_until(lambda worker=worker: worker.log().count(told) > before[worker.pid], 30, f"{told}: {worker.tail(5)}")


def hashes(job: Job) -> list[str]:
    """The configurations that the journal names, each where it is another than the one before in its task."""
    last: dict[tuple[str, int], str] = {}
    found = []
    for _, entry in job.entries():
        if last.get((entry.stage, entry.partition)) != entry.config_hash:
            found.append(entry.config_hash)
        last[entry.stage, entry.partition] = entry.config_hash
    return found


def assert_replay_equals_live(job: Job, stages_of: rerun.StagesOf, topics: tuple[str, ...]) -> None:
    job.check_journal()
    again = [
        Received(output.topic, 0, 0, 0, output.key, output.value, output.headers)
        for partition in range(PARTITIONS)
        for applied in rerun.replay(job.settings(), stages_of, partition)
        for output in applied.outputs
    ]
    for topic in topics:
        assert outputs(one for one in again if one.topic == topic) == outputs(job.read(topic)), topic


def test_two_workers_change_in_the_middle_of_a_stream_and_the_journal_reproduces_it(toy: Job, file: Path) -> None:
    file.write_text("every = 10")
    workers = [toy.start(), toy.start()]
    for worker in workers:
        wait_until(lambda worker=worker: '"task open"' in worker.log(), 60, "both own tasks")
    enough = threading.Event()

    def feed() -> None:
        while not enough.is_set():
            toy.produce("payments", [(b"A%03d" % number, b"x") for number in range(100)])

    with ThreadPoolExecutor() as feeding:
        fed = feeding.submit(feed)
        try:
            change(file, "every = 7", "configuration reloaded", *workers)
            change(file, "every = ", "configuration refused", *workers)
            change(file, "every = 4", "configuration reloaded", *workers)
        finally:
            enough.set()
        fed.result()
    toy.produce("payments", [(b"last", b"x")] * 4)
    toy.wait_applied(["payments", "signals"])
    assert b"last:4" in {record.value for record in toy.read("signals")}
    assert len(set(hashes(toy))) == 3
    assert len(hashes(toy)) > 9, "each of several tasks changed twice"
    for worker in workers:
        assert worker.log().count("configuration refused") == 1
        worker.terminate()
        assert worker.wait(30) == 0
    assert_replay_equals_live(toy, stages, ("signals",))


SAID = ("signals", "nudges", "escalations", "decisions", "account-facts", "account-orders", "dead-letters")


def test_lower_thresholds_are_heard_at_the_next_bounce_and_an_auditor_can_tell(
    broker: Broker, prefix: str, tmp_path: Path, file: Path
) -> None:
    job = Job(broker, tmp_path, prefix, EWS_DETECTORS_FILE=str(file), EWS_CLOCK="events")  # the story takes nine days
    job.create_topics()
    try:
        bank_changes_its_mind(job, file)
    finally:
        job.close()
        print(job.tails())


def bank_changes_its_mind(job: Job, file: Path) -> None:
    now = datetime.now(UTC)
    then, numbers = now - 30 * DAY, range(1, 9)
    deaf = "[bounce_pressure]\nlow = 50\nmedium = 60\nhigh = 70\n"
    file.write_text(deaf)
    job.produce("accounts", [message(account(n, then), then) for n in numbers])
    job.produce("customers", [message(customer(f"C-{n}", then, noon_zone(now)), then) for n in numbers])

    def bounces(name: str, at: datetime) -> None:
        job.produce("bounces", [message(bounce(n, f"{name}-{n}", at), at) for n in numbers])
        job.wait_applied(["accounts", "customers", "bounces"])

    worker = job.start()
    bounces("first", now - 9 * DAY)
    assert job.read("signals") == [], "one bounce is far below the thresholds"
    change(file, deaf.replace("50", "1").replace("60", "1.8").replace("70", "3"), "configuration reloaded", worker)
    assert job.read("signals") == [], "a reload alone says nothing: nothing happened to these accounts"
    bounces("second", now - 7 * DAY)
    job.wait_for("signals", len(numbers))
    # The wrong file names its key; the worker goes on, and what would make it deaf again has no effect.
    change(file, deaf.replace("60", "40"), "configuration refused", worker)
    assert "low, medium and high must rise" in worker.log()
    bounces("third", now - timedelta(minutes=2))
    job.wait_for("signals", len(numbers) + 1)
    job.wait_for("nudges", 1)
    job.wait_applied(["bounces", "signals", "account-facts", "account-orders"])
    worker.terminate()
    assert worker.wait(30) == 0
    assert len(set(hashes(job))) == 2
    assert {json.loads(record.value or b"")["status"] for record in job.read("signals")} == {"raised", "changed"}
    assert_replay_equals_live(job, app.stages, SAID)
    # An auditor's settings name no file at all.
    env = {name: value for name, value in job.env.items() if name != "EWS_DETECTORS_FILE"}
    run = subprocess.run(
        [sys.executable, "-m", "stream", "replay", "--journal", str(job.folder / "out"), "-o", "json"],
        env={"PATH": "", **env},
        capture_output=True,
        text=True,
        check=True,
    )
    counts = {row["what"]: row["count"] for row in json.loads(run.stdout)}
    for topic in ("signals", "nudges", "decisions"):
        assert counts[topic] == len(job.read(topic)) > 0
