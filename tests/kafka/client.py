"""What tests say to Kafka: make topics, write records, read everything back, wait for something."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, NamedTuple, TypeVar

from confluent_kafka import (
    Consumer,
    IsolationLevel,
    KafkaError,
    KafkaException,
    Producer,
    TopicCollection,
    TopicPartition,
)
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
    NewTopic,
    OffsetSpec,
)

T = TypeVar("T")
Headers = Sequence[tuple[str, bytes]]

MURMUR2 = -1
"""As a message's partition: let the key decide, as Kafka's own producer does."""


class Message(NamedTuple):
    """One record to write."""

    partition: int
    key: bytes | None
    value: bytes | None
    headers: Headers = ()
    timestamp: int = 0
    """Milliseconds since 1970; 0 is now."""


@dataclass(frozen=True, slots=True)
class Received:
    """One record as it lies in the log."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]


def wait_until(predicate: Callable[[], T], timeout: float, what: str, every: float = 0.05) -> T:
    """Asks until `predicate` gives something true, and returns that; AssertionError after `timeout` s."""
    deadline = time.monotonic() + timeout
    while True:
        result = predicate()
        if result:
            return result
        if time.monotonic() >= deadline:
            raise AssertionError(f"not within {timeout} s: {what}")
        time.sleep(every)


def _settle(futures: Iterable[Future[Any]]) -> list[Any]:
    return [future.result(timeout=60) for future in futures]


class Client:
    """A few verbs against one cluster. Every call has an end: 60 s at most, unless said otherwise."""

    def __init__(self, bootstrap: str, config: Mapping[str, str] | None = None) -> None:
        """`config` are librdkafka's settings, for a login."""
        self.config: dict[str, Any] = {
            "bootstrap.servers": bootstrap,
            # A broker that is being killed is not news here; what matters comes as an exception.
            "log_level": 0,
            "error_cb": _ignore,
            "reconnect.backoff.ms": 50,
            "reconnect.backoff.max.ms": 500,
            **(config or {}),
        }

    @cached_property
    def admin(self) -> AdminClient:
        """librdkafka's admin client, for what has no verb here. It must outlive the futures it gives out."""
        return AdminClient(self.config)

    def answers(self, timeout: float) -> bool:
        """Whether a metadata request on a new connection is answered within `timeout` seconds."""
        try:
            return bool(AdminClient(self.config).list_topics(timeout=timeout).brokers)
        except KafkaException:
            return False

    def refusal(self, timeout: float = 30) -> str:
        """Why broker or TLS turn this client away; AssertionError where they let it in or say nothing."""
        errors: list[KafkaError] = []
        admin = AdminClient(self.config | {"error_cb": errors.append})
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            admin.poll(0.05)
            told = [error for error in errors if error.code() != KafkaError._ALL_BROKERS_DOWN]
            if told:
                return f"{told[0].name()}: {told[0].str()}"
            try:
                brokers = admin.list_topics(timeout=0.1).brokers
            except KafkaException:
                continue
            assert not brokers, "the broker let the client in"
        raise AssertionError(f"neither let in nor turned away within {timeout} s")

    def create_topics(self, topics: Mapping[str, int], config: Mapping[str, str] | None = None) -> None:
        """Creates topics (name: partitions), all with `config`; returns once every partition has a leader."""
        admin = self.admin
        new = [NewTopic(name, count, 1, config=dict(config or {})) for name, count in topics.items()]
        _settle(admin.create_topics(new).values())

        def led() -> bool:
            known = admin.list_topics(timeout=10).topics
            return all(
                name in known and sum(p.leader >= 0 for p in known[name].partitions.values()) == count
                for name, count in topics.items()
            )

        wait_until(led, 30, f"leaders for {', '.join(topics)}")

    def topics(self) -> dict[str, int]:
        """All topics with their partition counts, Kafka's own left out."""
        known = self.admin.list_topics(timeout=30).topics
        return {name: len(topic.partitions) for name, topic in known.items() if not name.startswith("__")}

    def delete_topic(self, *names: str) -> None:
        """Deletes topics, and returns once the cluster has forgotten them."""
        if names:
            _settle(self.admin.delete_topics(list(names)).values())
            wait_until(lambda: not set(names) & set(self.topics()), 30, f"the end of {', '.join(names)}")

    def add_partitions(self, topic: str, count: int) -> None:
        """Gives a topic so many partitions in all."""
        _settle(self.admin.create_partitions([NewPartitions(topic, count)]).values())

    def topic_id(self, name: str) -> str:
        """The topic's id, which a topic recreated under the same name does not share."""
        [described] = _settle(self.admin.describe_topics(TopicCollection([name])).values())
        return str(described.topic_id)

    def set_config(self, topic: str, config: Mapping[str, str]) -> None:
        """Changes some of a topic's settings."""
        entries = [
            ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET)
            for name, value in config.items()
        ]
        resource = ConfigResource(ConfigResource.Type.TOPIC, topic, incremental_configs=entries)
        _settle(self.admin.incremental_alter_configs([resource]).values())

    def get_config(self, topic: str) -> dict[str, str]:
        """A topic's settings as the cluster sees them."""
        resource = ConfigResource(ConfigResource.Type.TOPIC, topic)
        [found] = _settle(self.admin.describe_configs([resource]).values())
        return {name: entry.value for name, entry in found.items()}

    def delete_records(self, topic: str, before: Mapping[int, int]) -> None:
        """Moves the begin of partitions to an offset, as retention would."""
        where = [TopicPartition(topic, partition, offset) for partition, offset in before.items()]
        _settle(self.admin.delete_records(where).values())

    def begin_offsets(self, topic: str) -> list[int]:
        """The first offset of each partition."""
        return self._offsets(topic, OffsetSpec.earliest())

    def end_offsets(self, topic: str) -> list[int]:
        """The offset that comes next in each partition."""
        return self._offsets(topic, OffsetSpec.latest())

    def committed(self, group: str, topic: str) -> list[int]:
        """What a group has committed for each partition; -1001 where nothing."""
        parts = [TopicPartition(topic, p) for p in range(self.topics()[topic])]
        consumer = Consumer(self.config | {"group.id": group})
        try:
            return [tp.offset for tp in consumer.committed(parts, timeout=60)]
        finally:
            consumer.close()

    def produce(
        self,
        topic: str,
        messages: Iterable[Message | tuple[Any, ...]],
        *,
        transaction: Literal["commit", "abort"] | None = None,
        idempotent: bool = False,
    ) -> None:
        """Writes records in order and returns when all are acknowledged; the first refusal is raised.

        With `transaction`, all of them in one, which is then committed or aborted. Where the broker is
        disturbed meanwhile, only `idempotent` writes nothing twice; it takes a second to begin.
        """
        config = self.config | {"partitioner": "murmur2_random", "linger.ms": 5, "acks": "all", "message.max.bytes": 10_000_000}
        if transaction:
            config["transactional.id"] = f"test-{topic}"
        elif idempotent:
            config["enable.idempotence"] = True
        else:
            config["max.in.flight.requests.per.connection"] = 1
        producer = Producer(config)
        failed: list[KafkaError] = []

        def delivered(error: KafkaError | None, _: object) -> None:
            if error is not None:
                failed.append(error)

        if transaction:
            producer.init_transactions(60)
            producer.begin_transaction()
        for message in messages:
            partition, key, value, headers, time_ms = Message(*message)
            more: dict[str, Any] = {"on_delivery": delivered, "timestamp": time_ms, "headers": list(headers)}
            while True:
                try:
                    producer.produce(topic, value, key, partition, **more)
                    break
                except BufferError:
                    producer.poll(0.1)
            producer.poll(0)
        left = producer.flush(60)
        if failed:
            raise KafkaException(failed[0])
        if left:
            raise TimeoutError(f"{left} records to {topic} were not acknowledged within 60 s")
        if transaction == "commit":
            producer.commit_transaction(60)
        elif transaction == "abort":
            producer.abort_transaction(60)

    def read_all(
        self, topic: str, *, read_committed: bool = True, timeout: float = 60
    ) -> dict[int, list[Received]]:
        """Every record by partition, up to the end as it is now: the last stable one if `read_committed`."""
        records: dict[int, list[Received]] = {partition: [] for partition in range(self.topics()[topic])}
        for record in self.scan(topic, read_committed=read_committed, timeout=timeout):
            records[record.partition].append(record)
        return records

    def scan(self, topic: str, *, read_committed: bool = True, timeout: float = 60) -> Iterator[Received]:
        """The same as they come, for topics that are too long for a list: partitions interleave, each is in order.

        `timeout` is how long nothing at all may come.
        """
        consumer = Consumer(
            self.config
            | {
                "group.id": "never-joined",
                "enable.auto.commit": False,
                "auto.offset.reset": "error",
                "enable.partition.eof": True,
                "isolation.level": "read_committed" if read_committed else "read_uncommitted",
                "fetch.wait.max.ms": 20,
            }
        )
        try:
            # Asked here, not of the consumer: a new one answers such questions at times only after 700 ms.
            level = IsolationLevel.READ_COMMITTED if read_committed else IsolationLevel.READ_UNCOMMITTED
            lows, ends = self.begin_offsets(topic), self._offsets(topic, OffsetSpec.latest(), level)
            starts = [TopicPartition(topic, p, low) for p, (low, end) in enumerate(zip(lows, ends, strict=True)) if end > low]
            consumer.assign(starts)
            reading = {start.partition for start in starts}
            deadline = time.monotonic() + timeout
            while reading:
                messages = consumer.consume(1, 0.1)  # asked for many, it would wait for as many
                if messages:
                    messages += consumer.consume(10_000, 0)
                    deadline = time.monotonic() + timeout
                elif time.monotonic() > deadline:
                    raise TimeoutError(f"{topic} could not be read to its end: nothing came for {timeout} s")
                for message in messages:
                    partition, offset, error = _place(message)
                    if error is not None:
                        if error.code() != KafkaError._PARTITION_EOF:
                            raise KafkaException(error)
                        reading.discard(partition)
                        continue
                    if offset < ends[partition]:
                        yield _received(message)
                    if offset + 1 >= ends[partition]:
                        reading.discard(partition)
        finally:
            consumer.close()

    def read_flat(self, topic: str, *, read_committed: bool = True) -> list[Received]:
        """The same in one list, partition after partition."""
        by_partition = self.read_all(topic, read_committed=read_committed)
        return [record for records in by_partition.values() for record in records]

    def _offsets(
        self, topic: str, spec: OffsetSpec, level: IsolationLevel = IsolationLevel.READ_UNCOMMITTED
    ) -> list[int]:
        """Offsets by partition; asked again while a leader is only just taking over, or knows no end yet."""

        def ask() -> list[int] | None:
            wanted = {TopicPartition(topic, p): spec for p in range(self.topics()[topic])}
            found = self.admin.list_offsets(wanted, isolation_level=level)
            try:
                return [found[tp].result(timeout=60).offset for tp in sorted(found, key=lambda tp: tp.partition)]
            except KafkaException as failure:
                if failure.args[0].code() not in _NO_LEADER_YET:
                    raise
                return None

        return wait_until(ask, 60, f"leaders of {topic}")


_NO_LEADER_YET = (
    KafkaError.NOT_LEADER_FOR_PARTITION,
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.OFFSET_NOT_AVAILABLE,
    KafkaError.UNKNOWN_LEADER_EPOCH,
    KafkaError.FENCED_LEADER_EPOCH,
)


def _place(message: Any) -> tuple[int, int, KafkaError | None]:
    return message.partition(), message.offset(), message.error()


def _received(message: Any) -> Received:
    return Received(
        topic=message.topic(),
        partition=message.partition(),
        offset=message.offset(),
        timestamp=message.timestamp()[1],
        key=message.key(),
        value=message.value(),
        headers=tuple(message.headers() or ()),
    )


def _ignore(_: KafkaError) -> None:
    """Errors of the connection: retried by the client, and raised by the call that needs it."""
