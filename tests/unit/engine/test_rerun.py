"""The journal's replay on the embedded broker, with a job so small that its right output is obvious."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from functools import partial
from typing import Any

import pytest
from confluent_kafka import KafkaError, Producer

from stream import settings, topics
from stream.engine import configs, rerun
from stream.engine.configs import Configuration
from stream.engine.deadletters import TOPIC as DEAD
from stream.engine.embedded import PARTITIONS, EmbeddedBroker
from stream.engine.journal import Entry, encode
from stream.engine.partitioner import partition_of
from stream.engine.step import Placement, Stage, StagesOf
from stream.errors import CheckpointError, ConfigurationError, EngineError, RightsError, TopicsError
from stream.settings import Settings
from tests.kafka.toy import BAD, Counter, stages

_numbers = itertools.count()


def config(**changes: Any) -> Configuration:
    fields: dict[str, Any] = {"files": {}, "settings": {"partitioner": "murmur2"}, "versions": configs.versions()}
    return Configuration(**{**fields, **changes})


A = config()


class Log:
    """One job's topics, as a live run left them: everything in partition 0 unless said otherwise."""

    def __init__(self, broker: EmbeddedBroker) -> None:
        self.settings: Settings = settings.load(
            bootstrap=broker.bootstrap, topic_prefix=f"r{next(_numbers)}-", embedded_broker=True
        )
        broker.create(self.settings.topic(topic.name) for topic in topics.CATALOGUE)
        self._producer = Producer(self.settings.librdkafka())

    def write(self, topic: str, records: Sequence[tuple[bytes | None, bytes | None]], partition: int = 0) -> None:
        for key, value in records:
            self._producer.produce(self.settings.topic(topic), value, key, partition)
        assert not self._producer.flush(10)

    def configure(self, *configurations: Configuration) -> None:
        for number, one in enumerate(configurations):
            self.write("configs", [(one.hash.encode(), one.encode())], number % PARTITIONS)

    def journal(self, *applied: list[tuple[str, int, int]], under: Configuration = A, stage: str = "accounts") -> None:
        self.write("journal", [(None, encode(Entry(stage, 0, ranges, under.hash, "ews"))) for ranges in applied])

    def replay(self, stages_of: StagesOf = stages) -> list[rerun.Applied]:
        return list(rerun.replay(self.settings, stages_of, 0))


@pytest.fixture(scope="module")
def broker() -> EmbeddedBroker:
    return EmbeddedBroker()


@pytest.fixture
def log(broker: EmbeddedBroker) -> Log:
    return Log(broker)


def said(applied: list[rerun.Applied], topic: str = "signals") -> list[bytes | None]:
    return [output.value for one in applied for output in one.outputs if output.topic == topic]


def test_ranges_are_applied_in_the_journals_order_under_its_configuration(log: Log) -> None:
    log.configure(A)
    log.write("bounces", [(b"k", b"x")] * 5)
    log.write("payments", [(b"k", b"x")] * 20)
    log.journal([("payments", 0, 4), ("bounces", 0, 5)], [("payments", 4, 20)])
    applied = log.replay()
    assert [(one.stage, one.events) for one in applied] == [("accounts", 9), ("accounts", 16)]
    assert said(applied) == [b"k:10", b"k:20"]


def test_an_empty_journal_says_nothing(log: Log) -> None:
    assert log.replay() == []


def test_placement_and_record_size_come_from_the_journal_not_from_the_auditors_settings(log: Log) -> None:
    placements: list[Placement] = []

    def noted(placement: Placement) -> Counter:
        placements.append(placement)
        return Counter(placement)

    under = config(settings={"partitioner": "crc32", "max_record_bytes": "10000"})
    log.configure(under)
    log.write("payments", [(b"k", BAD + b"x" * 9_000)])
    log.journal([("payments", 0, 1)], under=under)
    assert (log.settings.partitioner, log.settings.max_record_bytes) == ("murmur2", 1_000_000)
    applied = log.replay(lambda _: (Stage("accounts", topics.ACCOUNTS_INPUTS, noted),))
    assert placements == [Placement(0, PARTITIONS, "crc32")]
    assert said(applied, DEAD) == [b""], "9,000 bytes are too many where records may have 10,000 with their headers"


def test_state_goes_on_under_the_next_configuration(log: Log) -> None:
    after = config(files={"detectors.toml": "every = 4"})
    log.configure(A, after)
    log.write("payments", [(b"k", b"x")] * 20)
    log.journal([("payments", 0, 7)])
    log.journal([("payments", 7, 13)], under=after)
    log.journal([("payments", 13, 20)])
    assert said(log.replay()) == [b"k:8", b"k:12", b"k:20"]


@pytest.mark.parametrize(("second", "told"), [((6, 9), "is missing"), ((3, 9), "applied twice")])
def test_a_range_that_does_not_continue_the_one_before_ends_it(log: Log, second: tuple[int, int], told: str) -> None:
    log.configure(A)
    log.write("payments", [(b"k", b"x")] * 20)
    log.journal([("payments", 0, 5)], [("payments", *second)])
    with pytest.raises(CheckpointError, match=told):
        log.replay()


def test_a_topic_that_holds_less_than_was_applied_is_told_at_once(log: Log) -> None:
    log.configure(A)
    log.write("payments", [(b"k", b"x")] * 3)
    log.journal([("payments", 0, 5)])
    with pytest.raises(CheckpointError, match=r"offset 5 of .*payments\[0\], which holds \[0, 3\) only: the topic has lost"):
        log.replay()


def test_without_its_configuration_or_its_versions_there_is_no_replay(log: Log) -> None:
    log.write("payments", [(b"k", b"x")])
    log.journal([("payments", 0, 1)])
    with pytest.raises(ConfigurationError, match="does not hold configuration"):
        log.replay()
    old = config(versions={**configs.versions(), "numpy": "0.1"})
    log.configure(old)
    log.write("journal", [(None, encode(Entry("accounts", 1, [("payments", 0, 1)], old.hash, "ews")))], partition=1)
    log.write("payments", [(b"k", b"x")], partition=1)
    with pytest.raises(ConfigurationError, match=r"numpy 0\.1 \(here"):
        list(rerun.replay(log.settings, stages, 1))


def test_a_journal_that_is_none_is_told(log: Log) -> None:
    log.configure(A)
    log.write("journal", [(None, b"{}")])
    with pytest.raises(CheckpointError, match="offset 0 is not one"):
        log.replay()


def test_one_customers_outputs_are_read_from_the_partitions_they_can_lie_in(log: Log) -> None:
    log.configure(config(settings={"partitioner": "crc32"}))
    key = next(b"C-%d" % n for n in range(99) if place(b"C-%d" % n, "crc32") != place(b"C-%d" % n, "murmur2"))
    for partition in range(PARTITIONS):
        for topic in ("signals", "nudges"):
            log.write(topic, [(b"another", b"x"), (key, b"%d" % partition), (key, None)], partition)
    got = list(rerun.committed(log.settings, ("signals", "nudges"), key))
    assert got == [
        ("signals", key, b"%d" % place(key, "crc32")),
        ("nudges", key, b"%d" % place(key, "murmur2")),
    ]
    every = list(rerun.committed(log.settings, ("signals", "nudges")))
    assert len(every) == 2 * 2 * PARTITIONS


place: Any = partial(lambda key, partitioner: partition_of(key, PARTITIONS, partitioner))


def test_reading_is_lazy(log: Log) -> None:
    log.write("signals", [(b"k", b"%d" % n) for n in range(5_000)])
    records = rerun.committed(log.settings, ("signals",))
    assert next(records) == ("signals", b"k", b"0")
    assert sum(1 for _ in records) == 4_999


def test_a_wrong_prefix_is_told_as_one(log: Log) -> None:
    elsewhere = log.settings.model_copy(update={"topic_prefix": "nowhere."})
    with pytest.raises(TopicsError, match=r"shows no topic .*nowhere\.journal.*EWS_TOPIC_PREFIX"):
        rerun.partitions(elsewhere)


def test_silence_is_not_taken_for_records_that_are_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rerun, "_TIMEOUT", 0.5)
    nowhere = settings.load(bootstrap="127.0.0.1:1")
    with pytest.raises(EngineError, match="no answer"):
        rerun.partitions(nowhere)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (KafkaError.OFFSET_OUT_OF_RANGE, CheckpointError),
        (KafkaError._AUTO_OFFSET_RESET, CheckpointError),
        (KafkaError._TRANSPORT, EngineError),
        (KafkaError._ALL_BROKERS_DOWN, EngineError),
        (KafkaError.TOPIC_AUTHORIZATION_FAILED, RightsError),
        (KafkaError.UNKNOWN_TOPIC_OR_PART, TopicsError),
    ],
)
def test_errors_of_the_client_are_told_apart(code: int, kind: type[Exception]) -> None:
    assert type(rerun.told(KafkaError(code), "payments[0]", "kafka:9092")) is kind
