"""What waits between the broker and a task is bounded, whatever is slow: the ranks before it, the stage, or the commits."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiokafka import TopicPartition

from stream import settings
from stream.engine.runner import ROOM, Runner, State
from stream.engine.source import Delivery, Source
from stream.engine.step import Placement
from stream.engine.task import Chunk, Task
from tests.kafka.toy import stages

CHUNK = 500
CHANNEL = 4


@dataclass
class Record:
    offset: int
    timestamp: int = 1_700_000_000_000
    key: bytes = b"A0001"
    value: bytes = b"x"
    headers: tuple[tuple[str, bytes], ...] = ()


@dataclass
class Endless:
    """A consumer with a backlog without end; what is paused gives nothing."""

    partitions: list[TopicPartition]
    paused: set[TopicPartition] = field(default_factory=set)
    at: dict[TopicPartition, int] = field(default_factory=dict)
    polls: int = 0

    async def getmany(self, *, timeout_ms: int, max_records: int) -> dict[TopicPartition, list[Record]]:
        self.polls += 1
        await asyncio.sleep(0)
        for tp in self.partitions:
            if tp not in self.paused:
                start = self.at.get(tp, 0)
                self.at[tp] = start + max_records
                self.partitions.append(self.partitions.pop(self.partitions.index(tp)))
                return {tp: [Record(start + n) for n in range(max_records)]}
        return {}

    async def position(self, tp: TopicPartition) -> int:
        return self.at.get(tp, 0)

    def pause(self, tp: TopicPartition) -> None:
        self.paused.add(tp)

    def resume(self, tp: TopicPartition) -> None:
        self.paused.discard(tp)


def source_of(deliver: Callable[[Delivery], Awaitable[None]], *backlog: str) -> tuple[Source, Endless]:
    """A source of the accounts stage with one partition, whose consumer has an endless backlog of these topics."""
    loaded = settings.load(chunk_records=CHUNK)

    async def fenced(error: Any) -> Any:
        return error

    consumer = Endless([TopicPartition(topic, 0) for topic in backlog])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("stream.engine.source.AIOKafkaConsumer", lambda **options: consumer)
        source = Source(loaded, stages()[:1], 1, {}, "", deliver, fenced)
    source._assigned = {TopicPartition(topic, 0) for topic in source.stages["accounts"].inputs}
    source._read = dict.fromkeys(source._assigned, 0)
    return source, consumer


def opened(deliver: Callable[[Delivery], Awaitable[None]]) -> tuple[Source, Runner]:
    """A source with an open task, of which nothing is ever committed."""
    source, _ = source_of(deliver)
    task = Task(source.stages["accounts"], Placement(0, 1, "murmur2"), source._context)
    task.begin(dict.fromkeys(task.stage.inputs, 0), {})
    writer: Any = None
    runner = Runner(
        task, writer, source.pacer, changelog_topic="", options={}, check_crcs=False, fenced=source._fenced, turn=asyncio.Lock()
    )
    runner.state = State.OPEN
    source.runners["accounts", 0] = runner
    return source, runner


def run(test: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(test())  # type: ignore[arg-type]


def test_events_that_wait_for_reference_topics_are_one_chunk_of_each_input() -> None:
    async def test() -> None:
        async def deliver(delivery: Delivery) -> None:
            raise AssertionError("nothing may be handed over")

        source, consumer = source_of(deliver, "payments", "bounces")

        async def ends(partitions: set[TopicPartition]) -> dict[TopicPartition, int]:
            return dict.fromkeys(partitions, 1_000_000)

        source.ends = ends  # type: ignore[method-assign]
        await source.poll(lambda: consumer.polls >= 100)
        assert consumer.at == {TopicPartition("payments", 0): CHUNK, TopicPartition("bounces", 0): CHUNK}

    run(test)


def test_behind_a_stage_that_stands_still_wait_a_few_chunks() -> None:
    async def test() -> None:
        channel: asyncio.Queue[Delivery] = asyncio.Queue(CHANNEL)
        source, consumer = source_of(channel.put, "payments")

        async def ends(partitions: set[TopicPartition]) -> dict[TopicPartition, int]:
            return dict.fromkeys(partitions, 0)

        source.ends = ends  # type: ignore[method-assign]
        polling = asyncio.create_task(source.poll(lambda: consumer.polls >= 1_000))
        for _ in range(5_000):
            await asyncio.sleep(0)
        polling.cancel()
        assert channel.full()
        assert consumer.polls == CHANNEL + 1
        assert consumer.at == {TopicPartition("payments", 0): (CHANNEL + 1) * CHUNK}

    run(test)


def test_no_more_is_applied_than_a_commit_is_due_for() -> None:
    async def test() -> None:
        async def deliver(delivery: Delivery) -> None: ...

        source, runner = opened(deliver)
        task = runner.task

        async def feed() -> None:
            for start in range(0, 2 * ROOM, CHUNK):
                chunk = Chunk("payments", start, start + CHUNK, [Record(start + n) for n in range(CHUNK)])
                await source.apply(Delivery(task.key, source.epoch, chunk))

        feeding = asyncio.create_task(feed())
        while not runner.full and not feeding.done():
            await asyncio.sleep(0)
        for _ in range(100):
            await asyncio.sleep(0)
        assert not feeding.done()
        feeding.cancel()
        assert ROOM < task.events <= ROOM + CHUNK

    run(test)


def test_what_was_fetched_before_a_rebalance_is_not_applied_after_it() -> None:
    """The position it was fetched at may be another by then, and its records are read again."""

    async def test() -> None:
        async def deliver(delivery: Delivery) -> None: ...

        source, runner = opened(deliver)
        chunk = Chunk("payments", 0, CHUNK, [Record(n) for n in range(CHUNK)])
        before = Delivery(runner.task.key, source.epoch, chunk)
        source.epoch += 1
        await source.apply(before)
        assert runner.task.events == 0
        await source.apply(before._replace(epoch=source.epoch))
        assert runner.task.events == CHUNK

    run(test)
