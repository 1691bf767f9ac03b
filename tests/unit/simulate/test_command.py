"""`ews simulate` as a command, and its sending to a broker (librdkafka's mock cluster)."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
import typer
from confluent_kafka import TIMESTAMP_CREATE_TIME, Consumer, Producer, TopicPartition
from typer.testing import CliRunner

from stream.cli.simulate import send
from stream.cli.simulate import simulate as command
from stream.engine.partitioner import Partitioner, partition_of
from stream.errors import TopicsError
from stream.settings import load
from stream.simulate import simulate
from stream.topics import CATALOGUE

INPUTS = [topic.name for topic in CATALOGUE if topic.role == "input"]
SMALL = ["--customers", "25", "--months", "2", "--seed", "4"]

app = typer.Typer(rich_markup_mode=None)
app.command()(command)
run = CliRunner()


def test_a_folder_is_written_and_summed_up_on_stdout(tmp_path: Path) -> None:
    out = tmp_path / "bank"
    told = run.invoke(app, [str(out), *SMALL, "-o", "json"])
    assert told.exit_code == 0
    summary = json.loads(told.stdout)
    lines = {path.stem: len(path.read_text().splitlines()) for path in out.iterdir()}
    assert lines.pop("truth") == summary["customers"] == 25
    assert lines == summary["topics"]
    assert sum(lines.values()) == summary["events"]


def test_the_table_tells_what_to_do_next(tmp_path: Path) -> None:
    told = run.invoke(app, [str(tmp_path / "bank"), *SMALL])
    assert told.exit_code == 0
    assert "payments" in told.stdout
    assert f"next: ews replay {tmp_path / 'bank'}" in told.stdout


def test_only_the_named_scenarios_happen_from_the_named_day(tmp_path: Path) -> None:
    out = tmp_path / "bank"
    told = run.invoke(
        app, [str(out), *SMALL, "--scenario", "illness", "--scenario", "steady", "--start", "2025-06-01"]
    )
    assert told.exit_code == 0
    truths = [json.loads(line) for line in (out / "truth.jsonl").read_text().splitlines()]
    assert {truth["scenario"] for truth in truths} == {"illness", "steady"}
    first = json.loads((out / "payments.jsonl").read_text().splitlines()[0])
    assert first["occurred_at"].startswith("2025-06-0")


def test_the_corpus_has_stories_of_its_own_and_says_who_recovers(tmp_path: Path) -> None:
    out = tmp_path / "corpus"
    told = run.invoke(app, ["--corpus", str(out), "--customers", "6", "--seed", "2", "--scenario", "recovery", "-o", "json"])
    assert told.exit_code == 0
    truths = [json.loads(line) for line in (out / "truth.jsonl").read_text().splitlines()]
    assert len(truths) == 6
    assert {truth["state"] for truth in truths} == {"stressed"}
    assert any(truth["recovered_at"] for truth in truths)
    first = json.loads((out / "payments.jsonl").read_text().splitlines()[0])
    assert first["occurred_at"].startswith("2023-09-0")
    last = json.loads((out / "payments.jsonl").read_text().splitlines()[-1])
    assert last["occurred_at"].startswith("2024-08-")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "use --kafka"),
        (["FULL"], "empty it first"),
        (["NEW", "--scenario", "lottery"], "payday_shift"),
        (["NEW", "--rate", "5"], "--kafka"),
        (["NEW", "--customers", "0"], "customers"),
        (["NEW", "--start", "yesterday"], "start"),
        (["NEW", "--corpus", "--scenario", "lottery"], "slow_slide"),
        (["NEW", "--corpus", "--months", "2"], "three months"),
    ],
)
def test_wrong_use_exits_2_and_says_what_to_do(tmp_path: Path, arguments: list[str], says: str) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "payments.jsonl").touch()
    names = {"FULL": str(tmp_path / "full"), "NEW": str(tmp_path / "new")}
    told = run.invoke(app, [names.get(argument, argument) for argument in arguments])
    assert told.exit_code == 2
    assert says in told.stderr
    assert not (tmp_path / "new").exists()


@pytest.fixture
def broker() -> Iterator[tuple[str, Producer]]:
    owner = Producer({"test.mock.num.brokers": 1, "bootstrap.servers": "ignored"})
    (host,) = {f"{broker.host}:{broker.port}" for broker in owner.list_topics(timeout=10).brokers.values()}
    yield host, owner
    owner.flush(1)


@pytest.mark.parametrize("partitioner", ["murmur2", "crc32"])
def test_events_reach_their_topics_in_order_where_the_partitioner_says(
    broker: tuple[str, Producer], partitioner: Partitioner
) -> None:
    bootstrap, owner = broker
    settings = load(bootstrap=bootstrap, topic_prefix="bank.", partitioner=partitioner)
    for name in INPUTS:
        owner.list_topics(settings.topic(name), timeout=10)
    events = list(simulate(4, 20, date(2026, 1, 1), 1))
    counts = send(settings, events)
    assert counts == Counter(event.topic for event in events)

    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "test", "enable.auto.commit": False})
    partitions = len(owner.list_topics("bank.payments", timeout=10).topics["bank.payments"].partitions)
    consumer.assign([TopicPartition("bank.payments", partition, 0) for partition in range(partitions)])
    found: dict[bytes, list[tuple[int, bytes]]] = {}
    left = counts["payments"]
    while left:
        message = consumer.poll(10)
        assert message is not None
        assert message.error() is None
        assert message.partition() == partition_of(message.key(), partitions, partitioner)
        kind, timestamp = message.timestamp()
        assert kind == TIMESTAMP_CREATE_TIME
        found.setdefault(message.key(), []).append((timestamp, message.value()))
        left -= 1
    consumer.close()
    expected: dict[bytes, list[tuple[int, bytes]]] = {}
    for event in events:
        if event.topic == "payments":
            value = json.dumps(event.value, separators=(",", ":"), ensure_ascii=False).encode()
            expected.setdefault(event.key.encode(), []).append((event.timestamp_ms, value))
    assert found == expected


def test_missing_topics_stop_it_with_the_command_that_makes_them(broker: tuple[str, Producer]) -> None:
    with pytest.raises(TopicsError, match="ews topics create"):
        send(load(bootstrap=broker[0]), simulate(4, 1, date(2026, 1, 1), 1))
