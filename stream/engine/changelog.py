"""Reading a task's state back from its changelog."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from stream.engine import consuming
from stream.engine.task import Task
from stream.errors import CheckpointError, StateError

_ROWS = 5_000
"""Rows taken at a time: keeps the loop free for heartbeats."""


async def restore(
    task: Task,
    topic: str,
    end: int,
    options: dict[str, Any],
    progress: Callable[[int, int], None],
    *,
    check_crcs: bool,
    turn: asyncio.Lock,
) -> None:
    """Reads all committed rows of the task's changelog partition, in order. Call it only after fencing the previous owner.

    It ends at `end`, which was asked of the broker, or at the high watermark of what it fetches, whichever is later. A broker
    that was killed and comes back gives out less at first than it holds, and says so only when asked for an end (KIP-207); one
    that was frozen answers from before it lost the partition.

    `turn` is what the tasks of a worker share: one batch of rows at a time, and the loop goes round after each.

    Raises StateError where a changelog that holds anything does not end in a checkpoint, and CheckpointError where rows were
    deleted from its beginning. `check_crcs` is off for the embedded broker, which alone drops its oldest records by itself.
    """
    partition = TopicPartition(topic, task.placement.partition)
    consumer = AIOKafkaConsumer(
        **options,
        isolation_level="read_committed",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        fetch_max_wait_ms=20,
        max_partition_fetch_bytes=4 << 20,
        check_crcs=check_crcs,
    )
    await consumer.start()
    try:
        consumer.assign([partition])
        begin = (await consumer.beginning_offsets([partition]))[partition]
        if begin and check_crcs:
            # The last checkpoint may be there all the same, and the accounts whose rows are gone would be new ones in silence.
            raise CheckpointError(
                f"the changelog {topic}[{partition.partition}] begins at offset {begin}: what lay before was deleted, by time or "
                "by hand, and rows with it, for compaction does not move the beginning. Its cleanup.policy must be compact alone "
                f"(`ews topics check`). Restore it, or {CheckpointError.FRESH}."
            )
        # Not seek_to_beginning: it races with the consumer's own reset, and the restore would read nothing.
        consumer.seek(partition, begin)
        complete, position = True, begin
        while position < (end := max(end, consumer.highwater(partition) or 0)):
            batches = await consumer.getmany(partition, timeout_ms=100, max_records=_ROWS)
            records = batches.get(partition)
            if records:
                # What is fetched already comes without waiting, and several tasks restore at once: without this, the loop would
                # be busy with all of them before a heartbeat leaves.
                async with turn:
                    complete = task.restore([(record.key, record.value) for record in records])
                    await asyncio.sleep(0)
            position = await consumer.position(partition)
            progress(position - begin, end - begin)
    finally:
        await consuming.stop(consumer)
    if not complete and (task.restored_rows or task.checkpoint.positions):
        raise StateError(
            f"the changelog {topic}[{partition.partition}] does not end in a checkpoint: it was written by something else, or "
            "cleaned up by time. Its cleanup.policy must be compact alone (`ews topics check`)."
        )
