"""The topics that pictures are made of, read committed: as a member of the view's group, or whole for a rebuild.

A position is the offset that comes next. Where to read from is the store's to say, never Kafka's committed offsets.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Final

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, Message, TopicPartition
from confluent_kafka.admin import AdminClient

from stream.engine import rerun
from stream.engine.ends import committed_ends
from stream.engine.partitioner import partition_of
from stream.engine.transaction import READ_BACK
from stream.errors import CheckpointError, EngineError
from stream.settings import Settings
from stream.topics import BY_NAME
from stream.view.picture import TOPICS, Told
from stream.view.store import Position

_BATCH: Final = 1000
_GONE: Final = frozenset({KafkaError.OFFSET_OUT_OF_RANGE, KafkaError._AUTO_OFFSET_RESET})
_FATAL: Final = frozenset(
    {
        KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.GROUP_AUTHORIZATION_FAILED, KafkaError._FATAL,
        KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC, KafkaError._UNKNOWN_PARTITION,
    }
)  # fmt: skip
_ASK_SECONDS: Final = 5.0


class Batch:
    """What one poll brought: records, and from where to where each partition moves."""

    def __init__(self) -> None:
        self.records: list[Told] = []
        self.refused: list[str] = []
        """Topics of records that lie where their key does not belong."""
        self.moves: dict[Position, tuple[int | None, int]] = {}


class Feed:
    """Reads batches and keeps in mind how far it has read: `position` and, once an end was seen, `lags`."""

    def __init__(self, settings: Settings, *, member: bool) -> None:
        """A member shares the partitions with the other views of its group; else all are its own.

        Raises TopicsError or EngineError, as `stream.engine.rerun.partitions`.
        """
        self.partitions = rerun.partitions(settings, TOPICS)
        self._settings = settings
        self._physical = {settings.topic(name): name for name in TOPICS}
        self._consumer = Consumer(
            {
                **settings.librdkafka(),
                "group.id": f"{settings.group}-view",
                "client.id": f"{settings.app}-view",
                "enable.auto.commit": False,
                "enable.auto.offset.store": False,
                "enable.partition.eof": True,
                "isolation.level": "read_committed",
                "auto.offset.reset": "error",
                # Partition p of all topics to one member, so that it can tell whether p is read to its end.
                "partition.assignment.strategy": "range",
                "session.timeout.ms": min(settings.session_timeout_ms, 300_000),
                "fetch.wait.max.ms": 50,
                "queued.max.messages.kbytes": 32_768,
            }
        )
        self._admin = AdminClient(settings.librdkafka())
        self.owned: set[Position] = set()
        self.reading = False
        """Whether it was told where to read. A rebalance ends it."""
        self.joined = not member
        """Whether the group has ever said what is its own, which may be nothing."""
        self._next: dict[Position, int | None] = {}
        if member:
            self._consumer.subscribe(
                list(self._physical), on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._revoked
            )
        else:
            self.owned = {(name, partition) for name in TOPICS for partition in range(self.partitions)}

    def _assigned(self, consumer: Consumer, partitions: Sequence[TopicPartition]) -> None:
        self.owned = {(self._physical[each.topic], each.partition) for each in partitions}
        self.joined = True
        self.rest()

    def _revoked(self, consumer: Consumer, partitions: Sequence[TopicPartition]) -> None:
        self.owned = set()
        self.reading = False
        self._next = {}

    def rest(self) -> None:
        """Reads nothing, and stays in the group as long as it is polled."""
        self.reading = False
        self._next = {}
        self._consumer.assign([])

    def read_from(self, positions: Mapping[Position, int]) -> None:
        """Reads what it owns from here; from the beginning where no position is known."""
        self._next = {place: positions.get(place) for place in sorted(self.owned)}
        self._consumer.assign(
            [
                TopicPartition(self._settings.topic(topic), partition, OFFSET_BEGINNING if offset is None else offset)
                for (topic, partition), offset in self._next.items()
            ]
        )
        self.reading = True

    def poll(self, seconds: float) -> Batch:
        """The next records. Raises CheckpointError where they have expired, EngineError where reading cannot go on."""
        batch, moved = Batch(), dict[Position, int]()
        for message in self._consumer.consume(_BATCH, seconds):
            error = message.error()
            if error is not None and error.code() != KafkaError._PARTITION_EOF:
                self._told(error)
                continue
            place = self._place(message)
            offset = message.offset()
            if place not in self._next or offset is None:
                continue  # fetched for who owned it before
            if error is not None:
                # Past its last record lie markers of transactions: the end counts, not the record.
                moved[place] = max(offset, moved.get(place, self._next[place] or 0))
                continue
            moved[place] = offset + 1
            told = Told(
                place[0], offset, message.timestamp()[1], message.key(), message.value(),
                tuple(message.headers() or ()),  # type: ignore[arg-type]
            )  # fmt: skip
            if self._belongs(told, place[1]):
                batch.records.append(told)
            else:
                batch.refused.append(place[0])
        batch.moves = {place: (self._next[place], to) for place, to in moved.items() if to != self._next[place]}
        return batch

    def stands(self) -> dict[Position, int | None]:
        """The offset that comes next of each partition that is read; None for one that was never read."""
        return dict(self._next)

    def took(self, batch: Batch) -> None:
        """The batch is written: the next one goes on from its end."""
        for place, (_, to) in batch.moves.items():
            if place in self._next:
                self._next[place] = to

    def lags(self) -> dict[Position, int]:
        """Records between what was taken and the committed end, of each partition that is read.

        Raises EngineError where the brokers do not answer.
        """
        ends, why = committed_ends(
            self._admin, [(self._settings.topic(topic), partition) for topic, partition in self._next], _ASK_SECONDS
        )
        if why is not None:
            raise EngineError(f"no answer from Kafka at {self._settings.bootstrap} ({why.args[0].name()})")
        found = {(self._physical[topic], partition): end for (topic, partition), end in ends.items()}
        return {place: max(0, end - (self._next[place] or 0)) for place, end in found.items()}

    def commit(self) -> None:
        """Tells Kafka how far it is, for lag monitors alone; nobody reads it back."""
        offsets = [
            TopicPartition(self._settings.topic(topic), partition, offset)
            for (topic, partition), offset in self._next.items()
            if offset is not None
        ]
        if offsets:
            self._consumer.commit(offsets=offsets, asynchronous=True)

    def close(self) -> None:
        """Leaves the group."""
        self._consumer.close()

    def _place(self, message: Message) -> Position:
        topic, partition = message.topic(), message.partition()
        assert topic is not None
        assert partition is not None
        return self._physical[topic], partition

    def _belongs(self, told: Told, partition: int) -> bool:
        if told.key is None:
            return False
        ours = BY_NAME[told.topic].role == "output" and told.topic not in READ_BACK
        return partition_of(told.key, self.partitions, "murmur2" if ours else self._settings.partitioner) == partition

    def _told(self, error: KafkaError) -> None:
        if error.code() in _GONE:
            raise CheckpointError(
                f"records expired before the view had read them, or a topic was made anew ({error.name()}): "
                "run `ews view --rebuild`"
            )
        if error.code() in _FATAL or error.fatal():
            raise rerun.told(error, "the topics of the view", self._settings.bootstrap)


def now_ms() -> int:
    """Wall-clock time: for what readers are told of freshness, never for a picture."""
    return time.time_ns() // 1_000_000
