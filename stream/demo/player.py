"""Sends the story to the embedded broker, and is its clock: ticks of simulated time after its events."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Any

import msgspec
from confluent_kafka import KafkaException, Producer

from stream.demo.story import STEP_MS, Story
from stream.engine import ticks
from stream.engine.journal import Entry
from stream.engine.partitioner import partition_of
from stream.errors import EwsError

DAY_MS = 86_400_000
STAGES = ("accounts", "customers")
_encode = msgspec.json.Encoder().encode


class Silent:
    """librdkafka's own log lines: what matters of them comes back as errors."""

    def log(self, *_: object, **__: object) -> None:
        """Drops a line."""


class Player:
    """Plays a story step by step; hears from the journal how far the worker has come."""

    def __init__(self, story: Story, bootstrap: str, partitions: int) -> None:
        self.story = story
        self.now_ms = story.start_ms
        """Up to where the story has been told."""
        self.sent = 0
        self.counts: Counter[str] = Counter()
        self._partitions = range(partitions)
        self._producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 1, "client.id": "ews-demo"}, logger=Silent())
        self._failed: list[str] = []
        self._last: dict[tuple[str, int], int] = {}
        """When a topic last brought a record, by partition."""
        self._written: dict[int, list[tuple[str, int]]] = defaultdict(list)
        """Stage and time of every tick of a partition; the index is its offset, nobody else writes any."""
        self._applied: dict[tuple[str, int], int] = {}
        """Offset up to which a task has applied its ticks."""
        self._customers_at = 0

    # --- telling

    def step(self) -> None:
        """Sends what is delivered within the next step, and then a tick for the accounts stage."""
        self.now_ms = min(self.now_ms + STEP_MS, self.story.end_ms)
        events = self.story.events
        while self.sent < len(events) and events[self.sent].timestamp_ms < self.now_ms:
            event = events[self.sent]
            key = event.key.encode()
            # `*` concerns everybody: an operator's word for all is written to every partition.
            for partition in self._partitions if event.key == "*" else (partition_of(key, len(self._partitions)),):
                self._produce(event.topic, _encode(event.value), key, event.timestamp_ms, partition)
                self._last[event.topic, partition] = event.timestamp_ms
            self.counts[event.topic] += 1
            self.sent += 1
        self._flush()
        self._tick("accounts", self.now_ms)

    @property
    def told(self) -> bool:
        """Whether the story is at its end."""
        return self.now_ms >= self.story.end_ms

    # --- listening

    def heard(self, entry: Entry) -> None:
        """Takes note of a transaction of the worker.

        When the accounts stage has passed a tick everywhere, the customers stage gets it too: all that the
        first said up to then lies before it.
        """
        for topic, _, to in entry.applied:
            if topic == "ticks":
                self._applied[entry.stage, entry.partition] = to
        passed = self._passed("accounts")
        if passed > self._customers_at:
            self._customers_at = passed
            self._tick("customers", passed)

    @property
    def behind_ms(self) -> int:
        """How much simulated time lies between the story and what the worker has decided."""
        return self.now_ms - max(self.decided_ms, self.story.start_ms - STEP_MS)

    @property
    def started(self) -> bool:
        """Whether the worker has applied anything."""
        return self.decided_ms > 0

    @property
    def done(self) -> bool:
        """Whether the story is told and the worker has decided all of it."""
        return self.told and self.decided_ms >= self.story.end_ms

    @property
    def decided_ms(self) -> int:
        """Up to where the worker has decided everything; 0 before it has begun."""
        return self._passed("customers")

    def _passed(self, stage: str) -> int:
        """The latest tick of a stage that all its tasks have applied; 0 where one has applied none."""
        return min(self._latest(stage, partition) for partition in self._partitions)

    def _latest(self, stage: str, partition: int) -> int:
        written = self._written[partition]
        for offset in range(self._applied.get((stage, partition), 0) - 1, -1, -1):
            if written[offset][0] == stage:
                return written[offset][1]
        return 0

    # --- producing

    def _tick(self, stage: str, at: int) -> None:
        for partition in self._partitions:
            live = tuple(sorted(t for (t, p), last in self._last.items() if p == partition and at - last < DAY_MS))
            tick = ticks.Tick(stage, partition, at, True, live)
            self._produce("ticks", ticks.encode(tick), stage.encode(), at, partition)
            self._written[partition].append((stage, at))
        self._flush()

    def _produce(self, topic: str, value: bytes, key: bytes, timestamp: int, partition: int) -> None:
        while True:
            try:
                self._producer.produce(topic, value, key, partition=partition, timestamp=timestamp, on_delivery=self._delivered)
                return
            except BufferError:
                self._producer.poll(0.1)
            except KafkaException as error:
                raise EwsError(f"the embedded broker refused a record: {error.args[0].str()}") from error

    def _delivered(self, error: Any, _message: Any) -> None:
        if error is not None:
            self._failed.append(error.str())

    def _flush(self) -> None:
        if self._producer.flush(15) or self._failed:
            raise EwsError(f"the embedded broker did not take the events: {self._failed[:1] or 'no answer'}")
