"""The embedded broker: librdkafka's mock cluster, from the confluent-kafka wheel. For demos and fast looks, never for data.

It keeps about 5 MB a partition, has no compaction, no checksums, no topic configuration, and a topic exists once its metadata is
asked for. What it does have is the whole protocol that the engine speaks, transactions included.
"""

from __future__ import annotations

from collections.abc import Iterable

from confluent_kafka import KafkaException, Producer

from stream.errors import EngineError

PARTITIONS = 4
"""What the mock cluster gives every topic."""


class EmbeddedBroker:
    """A broker inside this process, on a loopback port; it lives as long as this object."""

    def __init__(self) -> None:
        self._cluster = Producer({"bootstrap.servers": "embedded", "test.mock.num.brokers": 1, "log_level": 0})
        try:
            broker = next(iter(self._cluster.list_topics(timeout=10).brokers.values()))
        except KafkaException as error:
            raise EngineError(f"the embedded broker did not start: {error.args[0].name()}") from error
        self.bootstrap = f"127.0.0.1:{broker.port}"

    def create(self, topics: Iterable[str]) -> None:
        """Makes topics exist."""
        for topic in topics:
            self._cluster.list_topics(topic, timeout=10)
