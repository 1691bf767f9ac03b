"""One record by hand into chosen partitions, on the embedded broker: what is there is told, and what is not."""

from __future__ import annotations

from typing import Any

import pytest
from confluent_kafka import KafkaError

from stream import settings
from stream.engine import deliver as module
from stream.engine import rerun
from stream.engine.deliver import deliver
from stream.engine.embedded import PARTITIONS, EmbeddedBroker
from stream.settings import Settings


@pytest.fixture(scope="module")
def broker() -> EmbeddedBroker:
    return EmbeddedBroker()


@pytest.fixture
def loaded(broker: EmbeddedBroker, request: pytest.FixtureRequest) -> Settings:
    found = settings.load(bootstrap=broker.bootstrap, topic_prefix=f"d{abs(hash(request.node.name))}-", embedded_broker=True)
    broker.create([found.topic("operator-actions")])
    return found


def send(loaded: Settings, partitions: list[int]) -> module.Delivery:
    return deliver(loaded, loaded.topic("operator-actions"), partitions, b"*", b"{}", 1_700_000_000_000)


def test_each_partition_gets_the_record_with_its_key_and_time(loaded: Settings) -> None:
    assert send(loaded, list(range(PARTITIONS))) == ([0, 1, 2, 3], {})
    found = [line for _, line in rerun.committed_lines(loaded, ("operator-actions",))]
    assert [(line.key, line.value, line.timestamp) for line in found] == [(b"*", b"{}", 1_700_000_000_000)] * PARTITIONS
    assert [line.offset for line in found] == [0] * PARTITIONS


def test_a_partition_that_fails_does_not_fail_the_others(loaded: Settings) -> None:
    delivery = send(loaded, [0, 99, 2])
    assert delivery.written == [0, 2]
    assert {partition: error.code() for partition, error in delivery.missing.items()} == {99: KafkaError._UNKNOWN_PARTITION}


class Silence:
    """A producer whose broker never answers."""

    interrupts = False

    def __init__(self, config: dict[str, Any]) -> None:
        assert config["acks"] == "all"

    def produce(self, *_: Any, **__: Any) -> None:
        pass

    def poll(self, seconds: float) -> None:
        if self.interrupts:
            raise KeyboardInterrupt


@pytest.mark.parametrize(("interrupts", "code"), [(False, KafkaError._MSG_TIMED_OUT), (True, KafkaError._INTR)])
def test_what_nobody_reported_counts_as_missing(monkeypatch: pytest.MonkeyPatch, interrupts: bool, code: int) -> None:
    monkeypatch.setattr(module, "Producer", type("Silent", (Silence,), {"interrupts": interrupts}))
    monkeypatch.setattr(module, "_TIMEOUT", 0.05)
    monkeypatch.setattr(module, "_REPORTS", 0.0)
    delivery = send(settings.load(), [0, 1])
    assert delivery.written == []
    assert [error.code() for error in delivery.missing.values()] == [code, code]
