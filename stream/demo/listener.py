"""Hears what the worker says: committed records of its output topics and of the journal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

from stream.demo.player import Silent
from stream.engine import journal
from stream.engine.journal import Entry
from stream.engine.step import Output
from stream.errors import EwsError

OUTPUTS = ("signals", "nudges", "escalations", "decisions", "dead-letters")


class Listener:
    """A read_committed reader of every output, from its beginning."""

    def __init__(self, bootstrap: str, partitions: int) -> None:
        self._consumer = Consumer(
            {
                "bootstrap.servers": bootstrap,
                "group.id": "ews-demo",  # never joined: partitions are assigned by hand
                "enable.auto.commit": False,
                "auto.offset.reset": "earliest",
                "isolation.level": "read_committed",
                "fetch.wait.max.ms": 20,
                "fetch.error.backoff.ms": 10,
            },
            logger=Silent(),
        )
        topics = (*OUTPUTS, "journal")
        self._consumer.assign(
            [TopicPartition(topic, partition, OFFSET_BEGINNING) for topic in topics for partition in range(partitions)]
        )

    def hear(self, seconds: float) -> Iterator[Entry | Output]:
        """What came within that time, at most: journal entries and outputs, those of a partition in order."""
        for message in self._consumer.consume(1_000, seconds):
            error = message.error()
            if error is not None:
                if error.retriable():
                    continue
                raise EwsError(f"the embedded broker cannot be read: {error.str()}")
            topic, value = message.topic(), message.value()
            if topic == "journal" and value is not None:
                yield journal.decode(value)
            elif topic is not None:
                headers = tuple(cast(list[tuple[str, bytes]], message.headers() or []))
                yield Output(topic, message.key(), value, headers)

    def close(self) -> None:
        """Closes the connections."""
        self._consumer.close()
