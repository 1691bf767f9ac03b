"""What docs/disaster-recovery.md says, done on a real Kafka: a lost changelog, a lost cluster, wrong settings shipped."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.integration.conftest import MakeBroker
from tests.integration.test_main_job import bring_trouble, settle, values
from tests.integration.test_upgrade import command, stop
from tests.kafka import Broker, Message, Process, wait_until
from tests.kafka.bank import message, payment, text
from tests.kafka.job import Job

pytestmark = pytest.mark.kafka

ROOT = Path(__file__).parents[2]
Said = Counter[tuple[str, str]]


def said(job: Job, topic: str) -> Said:
    """Id and status of all that an output holds."""
    return Counter((record[f"{topic[:-1]}_id"], record["status"]) for record in values(job.read(topic)))


def refused(worker: Process) -> str:
    """The message of a worker that ends with exit code 3."""
    assert worker.wait(90) == 3, worker.tail()
    [told] = [json.loads(line) for line in worker.log().splitlines() if '"fail-stop"' in line]
    return str(told["message"])


def begin_anew(job: Job) -> None:
    """The way out that always works: a name without a past, and no word about it."""
    job.env |= {"EWS_APP": "second", "EWS_CONTACT_FROM": text(datetime.now(UTC))}
    job.create_topics()


def lose(job: Job, before: dict[int, int]) -> None:
    """What clean-up by time does to a changelog, and nobody sees afterwards."""
    job.client.set_config(job.changelog, {"cleanup.policy": "delete"})
    job.client.delete_records(job.changelog, before)
    job.client.set_config(job.changelog, {"cleanup.policy": "compact"})


def test_a_changelog_that_is_lost_or_has_lost_rows_is_refused(job: Job, now: datetime) -> None:
    """Also where its last checkpoint is there: what is missing would make accounts new ones, and nobody would notice."""
    worker = job.start()
    bring_trouble(job, range(1, 13), now)
    job.wait_for("nudges", 12)
    # The group's offsets, told some seconds later, are all that bears witness to a state that is gone.
    wait_until(lambda: min(job.client.committed(job.settings().group, job.topic("bounces"))) > 0, 60, "the group's offsets")
    stop(worker)
    lose(job, {p: end // 2 for p, end in enumerate(job.client.end_offsets(job.changelog))})
    before = {topic: said(job, topic) for topic in ("signals", "nudges")}
    assert "what lay before was deleted" in refused(job.start())
    verified = command(job, "state", "verify", "-o", "json")
    assert verified.returncode == 1, verified.stderr
    found = {one["stage"]: 0 for one in json.loads(verified.stdout)["compared"]}
    for one in json.loads(verified.stdout)["compared"]:
        found[one["stage"]] += one["differences"]
    assert found["accounts"] > 0
    assert found["customers"] == 0

    job.client.delete_topic(job.changelog)
    assert "missing:" in refused(job.start())
    job.create_topics()
    assert "holds no state" in refused(job.start())
    assert {topic: said(job, topic) for topic in before} == before, "nothing was said meanwhile"


def test_a_second_cluster_cannot_go_on_from_a_copy_and_begins_under_another_name(
    broker: Broker, job: Job, make_broker: MakeBroker, tmp_path: Path, now: datetime
) -> None:
    """The copy is as MirrorMaker 2 makes it of committed records: the same partitions, keys and timestamps, other offsets."""
    worker = job.start()
    bring_trouble(job, range(1, 9), now)
    job.wait_for("nudges", 8)
    stop(worker)
    other = make_broker()
    over = Job(other, tmp_path / "over", job.env["EWS_TOPIC_PREFIX"])
    over.create_topics()
    for name in over.client.topics():
        records = broker.client.read_flat(name)
        over.client.produce(name, [Message(r.partition, r.key, r.value, r.headers, r.timestamp) for r in records])
    assert over.client.end_offsets(over.changelog) != broker.client.end_offsets(job.changelog)
    try:
        assert "is not the one the checkpoint was made on" in refused(over.start())
        before = {topic: said(over, topic) for topic in ("signals", "nudges")}
        begin_anew(over)
        over.start()
        settle(over)
        # What is new is told of; with it, all that was read before has been decided.
        later = datetime.now(UTC) + timedelta(minutes=3, seconds=30)
        bring_trouble(over, [101], later)
        over.wait_for("nudges", 9)
        again = said(over, "signals") - before["signals"]
        assert all(again[each] == before["signals"][each] for each in before["signals"]), "each is said again, under its id"
        assert (said(over, "nudges") - before["nudges"]).total() == 1, "nobody is written to about the past"
        over.check_journal()
    finally:
        over.close()
        print(over.tails())


def test_wrong_settings_are_silenced_switched_off_and_replayed_right(
    broker: Broker, prefix: str, tmp_path: Path, now: datetime
) -> None:
    settings = tmp_path / "detectors.toml"
    settings.write_text("[bounce_pressure]\nlow = 0.1\nmedium = 0.2\nhigh = 0.3\n")
    job = Job(broker, tmp_path, prefix, EWS_DETECTORS_FILE=str(settings))
    job.create_topics()
    numbers = range(1, 9)
    try:
        worker = job.start()
        bring_trouble(job, numbers, now)
        job.wait_for("nudges", 8)
        job.wait_applied(["bounces"])
        raised = values(job.read("signals"))
        assert {one["severity"] for one in raised if one["detector"] == "bounce_pressure"} <= {"medium", "high"}

        words = ("operator", "snooze", "--everybody", "--detector", "bounce_pressure", "--why", "wrong marks")
        assert command(job, *words).returncode == 0
        job.wait_for("nudges", 16)
        assert Counter(one["status"] for one in values(job.read("nudges"))) == {"issued": 8, "withdrawn": 8}

        settings.write_text("[bounce_pressure]\nenabled = false\n")
        wait_until(lambda: '"configuration reloaded"' in worker.log(), 60, "the reload")
        assert len(job.read("signals")) == len(raised), "a reload alone looks at nobody anew"
        at = datetime.now(UTC)
        job.produce("payments", [message(payment(n, f"p{n}", at), at) for n in numbers])
        job.wait_for("signals", 2 * len(raised))
        withdrawn = {one["signal_id"] for one in values(job.read("signals")) if one["status"] == "withdrawn"}
        assert withdrawn == {one["signal_id"] for one in raised}, "and what added it up"
        stop(worker)

        bank = tmp_path / "bank"
        done = subprocess.run(
            [sys.executable, str(ROOT / "examples" / "inputs.py"), str(bank)],
            env={**os.environ, **job.env},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        assert (bank / "bounces.jsonl").stat().st_mode & 0o077 == 0
        del job.env["EWS_DETECTORS_FILE"]
        replayed = command(job, "replay", str(bank), str(tmp_path / "right"))
        assert replayed.returncode == 0, replayed.stderr
        right = [json.loads(line) for line in (tmp_path / "right" / "signals.jsonl").read_text().splitlines()]
        assert {one["signal_id"] for one in right} == {one["signal_id"] for one in raised}, "the same episodes"
        begun = Counter(one["severity"] for one in right if one["status"] == "raised" and one["detector"] == "bounce_pressure")
        assert begun == {"low": 8}, "each would have begun low"
        assert not (tmp_path / "right" / "dead-letters.jsonl").read_text()
    finally:
        job.close()
        print(job.tails())
