"""Upgrades and the state tools on a real Kafka: rows go from one schema version to the next, and never back in silence."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from stream import app
from stream.engine import checkpoint, export, rerun
from stream.engine.partitioner import partition_of
from stream.engine.verify import verify
from stream.tables import account, readable
from tests.integration.test_main_job import OUTPUTS, assert_replay_equals_live, bring_trouble, settle
from tests.kafka import Broker, Message, versions, wait_until
from tests.kafka.bank import bounce, customer, encode, message, noon_zone
from tests.kafka.job import PARTITIONS, Job, outputs
from tests.kafka.process import Process

pytestmark = pytest.mark.kafka

OLD = ("-m", "tests.kafka.versions", "old")
NEW = ("-m", "tests.kafka.versions", "new")
WORKER = ("-m", "stream", "worker")


@pytest.fixture
def job(broker: Broker, prefix: str, tmp_path: Path) -> Iterator[Job]:
    made = Job(broker, tmp_path, prefix, WORKER)
    made.create_topics()
    yield made
    made.close()
    print(made.tails())


def start(job: Job, program: tuple[str, ...], name: str, **env: str) -> Process:
    job.program = program
    return job.start(name, **env)


def command(job: Job, *args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "stream", *args],
        env={"PATH": "", "COLUMNS": "200", **job.env},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def stored(job: Job, stage: str) -> dict[bytes, bytes]:
    """What a stage's changelog holds, all partitions together, without the checkpoints."""
    found: dict[bytes, bytes] = {}
    for partition in range(PARTITIONS):
        held = rerun.held(job.settings(), stage, partition)
        found |= {} if held is None else held.rows
    return found


def written(job: Job, stage: str) -> set[int]:
    """The schema versions of a stage's accounts or customers."""
    rows = [value for key, value in stored(job, stage).items() if key[:1] in (b"A", b"C")]
    return {int.from_bytes(value[:2], "big") if stage == "accounts" else value[0] for value in rows}


def stop(worker: Process) -> None:
    worker.terminate()
    assert worker.wait(60) == 0


def more(job: Job, numbers: range, event: str, at: datetime) -> None:
    job.produce("bounces", [message(bounce(n, f"{event}{n}", at), at) for n in numbers])


def test_a_rolling_restart_onto_the_next_schema_says_what_one_version_says(
    job: Job, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both versions have the same code and library versions, so one replay covers the change: every byte of every output."""
    numbers = range(1, 13)
    first, second = start(job, OLD, "old-1"), start(job, OLD, "old-2")
    bring_trouble(job, numbers, now)
    settle(job)
    job.wait_for("nudges", len(numbers))
    assert (written(job, "accounts"), written(job, "customers")) == ({1}, {1})
    sizes = {len(value) for key, value in stored(job, "accounts").items() if key.startswith(b"A")}
    assert sizes == {2 + versions.OLD_ACCOUNT.itemsize}, "rows lie there in the layout of before"
    stop(first)
    third = start(job, NEW, "new-1")
    wait_until(lambda: "task open" in third.log(), 60, "the new worker owns a partition")
    more(job, range(1, 7), "mixed-", now - timedelta(minutes=1))
    settle(job)
    stop(second)
    fourth = start(job, NEW, "new-2")
    more(job, numbers, "after-", now - timedelta(seconds=30))
    # Of the customers' rows some change, and some stay as the old version wrote them.
    told = [customer(f"C-{n}", now, noon_zone(now), preferred_channel="email") for n in range(1, 7)]
    job.produce("customers", [message(one, now) for one in told])
    settle(job)
    stop(third)
    stop(fourth)
    assert (written(job, "accounts"), written(job, "customers")) == ({2}, {1, 3})
    for change in versions.new():
        monkeypatch.setattr(*change)
    assert_replay_equals_live(job)
    for partition in range(PARTITIONS):
        for one in verify(job.settings(), app.stages, partition, {}, readable.same, lambda _: None):
            assert one.differences == [], one.stage


@pytest.mark.parametrize("part", versions.PARTS)
def test_a_worker_that_meets_what_the_next_version_wrote_stops_with_the_way_out(job: Job, now: datetime, part: str) -> None:
    """`ews worker` as it is, in the middle of a rolling restart: it gets the partitions back of a newer one that goes."""
    worker = start(job, NEW, "new", VERSIONS_NEW=part)
    bring_trouble(job, range(1, 9), now)
    settle(job)
    old = start(job, WORKER, "older")
    stop(worker)
    assert old.wait(90) == 3
    before = {stage: stored_raw(job, stage) for stage in ("accounts", "customers")}
    entries = len(job.entries())
    again = start(job, WORKER, "older-again")
    assert again.wait(90) == 3
    for refused in (old, again):
        [told] = [json.loads(line) for line in refused.log().splitlines() if '"fail-stop"' in line]
        assert told["error"] == "StateError"
        assert f"schema version {versions.PARTS[part]}" in told["message"]
        assert "run the version that wrote it" in told["message"]
        assert "EWS_APP" in told["message"]
        assert not re.search(r"\b[AC]-\d", refused.log()), "no customer is named"
    assert before == {stage: stored_raw(job, stage) for stage in ("accounts", "customers")}, "it wrote nothing over them"
    assert len(job.entries()) == entries
    # The newer one goes on where it stood: nothing was lost.
    on = start(job, NEW, "new-again", VERSIONS_NEW=part)
    more(job, range(1, 9), "on-", now - timedelta(seconds=30))
    settle(job)
    stop(on)
    job.check_journal()


def stored_raw(job: Job, stage: str) -> list[tuple[bytes | None, bytes | None]]:
    return [(record.key, record.value) for record in job.read(f"{job.env['EWS_APP']}-{stage}-changelog")]


def test_a_field_that_is_new_to_a_contract_changes_nothing(broker: Broker, prefix: str, tmp_path: Path, now: datetime) -> None:
    """The same bank twice, once with a field in every record that this program does not know."""
    said = []
    for name in ("plain", "newer"):
        job = Job(broker, tmp_path / name, f"{prefix}{name}-", EWS_CLOCK="events")
        job.create_topics()
        if name == "newer":
            produce = job.produce

            def with_more(topic: str, records: Any, produce: Any = produce) -> None:
                produce(topic, [r._replace(value=encode({**json.loads(r.value), "added_later": {"deep": [1]}})) for r in records])

            job.produce = with_more  # type: ignore[method-assign]
        try:
            bring_trouble(job, range(1, 5), now)
            worker = job.start()
            settle(job)
            stop(worker)
            assert not job.read("dead-letters")
            said.append({topic: outputs(job.read(topic)) for topic in OUTPUTS})
        finally:
            job.close()
            print(job.tails())
    assert said[0]["signals"]
    assert said[0]["signals"] == said[1]["signals"]
    assert said[0]["account-facts"] == said[1]["account-facts"]


def test_state_is_checked_row_by_row_exported_and_begun_with(job: Job, now: datetime, tmp_path: Path) -> None:
    worker = start(job, WORKER, "worker")
    bring_trouble(job, range(1, 9), now)
    settle(job)
    stop(worker)
    whole = command(job, "state", "verify", "-o", "json")
    assert whole.returncode == 0, whole.stderr
    compared = json.loads(whole.stdout)["compared"]
    assert sum(one["rows"] for one in compared if one["stage"] == "customers") >= 8
    assert {one["differences"] for one in compared} == {0}

    hidden = command(job, "state", "inspect", "A-3", "-o", "json")
    assert hidden.returncode == 0, hidden.stderr
    seen = json.loads(hidden.stdout)
    assert seen["account"]["bounces"] == 3
    assert not re.search(r"\b[AC]-\d|lender-|b3-", hidden.stdout)
    shown = command(job, "state", "inspect", "A-3", "--show-ids")
    assert "C-3" in shown.stdout
    assert "b3-1" in shown.stdout
    assert not re.search(r"\b[AC]-\d|lender-|b3-", command(job, "state", "inspect", "C-3").stdout)
    assert command(job, "state", "inspect", "nobody").returncode == 1

    file = tmp_path / "state.jsonl"
    exported = command(job, "state", "export", str(file), "-o", "json")
    assert exported.returncode == 0, exported.stderr
    assert file.stat().st_mode & 0o077 == 0
    ends = {topic: len(job.read(topic)) for topic in OUTPUTS}
    on = start(job, WORKER, "on")
    more(job, range(1, 9), "on-", now - timedelta(seconds=30))
    settle(job)
    stop(on)
    # What came before the export has gone: the journal's start, and the inputs'.
    for topic in ("journal", "bounces"):
        job.client.delete_records(job.topic(topic), dict(enumerate(expired(job, topic, file))))
    lost = command(job, "replay", "--journal", str(tmp_path / "lost"))
    assert lost.returncode == 3
    assert "ews state export" in lost.stderr
    again = command(job, "replay", "--journal", str(tmp_path / "again"), "--from-state", str(file))
    assert again.returncode == 0, again.stderr
    for topic in ("signals", "nudges", "decisions"):
        live = sorted((r.partition, r.value or b"") for r in job.read(topic))
        replayed = [json.loads(line) for line in (tmp_path / "again" / f"{topic}.jsonl").read_text().splitlines()]
        assert len(replayed) == len(live) - ends[topic], topic
        bodies = [json.dumps(json.loads(value), sort_keys=True) for _, value in live]
        for record in replayed:
            record.pop("_key")
            record.pop("_headers")
            assert json.dumps(record, sort_keys=True) in bodies
    sound = command(job, "state", "verify", "--from-state", str(file))
    assert sound.returncode == 0, sound.stderr

    # One byte of one row, as something else would write it: `bounces` of A-3.
    place = account.stored(account.ACCOUNT)
    at = 2 + account.ACCOUNT.fields["bounces"][1]  # type: ignore[index]
    row = bytearray(stored(job, "accounts")[b"A-3"])
    assert len(row) == place.itemsize
    row[at] ^= 1
    partition = partition_of(b"A-3", PARTITIONS)
    end = rerun.held(job.settings(), "accounts", partition)
    assert end is not None
    changelog = [Message(partition, b"A-3", bytes(row)), Message(partition, checkpoint.KEY, end.checkpoint)]
    job.client.produce(job.changelog, changelog)
    told = command(job, "state", "verify", "--from-state", str(file), "-o", "json")
    assert told.returncode == 1, told.stderr
    assert "1 rows of the changelogs" in told.stderr
    [difference] = json.loads(told.stdout)["first_differences"]
    assert (difference["task"], difference["row"], difference["field"]) == (f"accounts[{partition}]", "account", "bounces")
    assert int(difference["changelog"]) == int(difference["replay"]) ^ 1
    assert "A-3" not in told.stdout + told.stderr
    named = command(job, "state", "verify", "--from-state", str(file), "--partition", str(partition), "--show-ids")
    assert "A-3" in named.stdout


def expired(job: Job, topic: str, file: Path) -> list[int]:
    """By partition, up to where an export stands in for a topic: of an input its position, of the journal all that it holds."""
    held = {(task.stage, task.partition): task.positions for task in export.read(file)[1]}
    if topic != "journal":
        return [held["accounts", partition].get(topic, 0) for partition in range(PARTITIONS)]
    firsts = [0] * PARTITIONS
    after: set[int] = set()
    for record, entry in job.entries():
        positions = held[entry.stage, entry.partition]
        if any(to > positions.get(name, 0) for name, _, to in entry.applied):
            after.add(entry.partition)
        if entry.partition not in after:
            firsts[entry.partition] = record.offset + 1
    return firsts
