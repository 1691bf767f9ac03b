"""A transaction that Kafka left open after it said that it had ended: seen before a task restores, and ended where that is safe.

A broker that is killed while it ends a transaction can come back, say that all is done, and have told no partition (seen on
Kafka 4.3.1). The records stay undecided under the task's producer id, and its next transaction would decide them along with its
own: what was aborted would be applied twice. KIP-890 and KIP-664 call it hanging.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from typing import NamedTuple

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition

from stream.engine.transaction import Writer

_LOOK = 0.5
"""Seconds between two looks."""
_OVERDUE = 15.0
"""Seconds by which Kafka may be late in ending a transaction that timed out: it looks for them every 10 (its default)."""
log = structlog.get_logger()


class Ends(NamedTuple):
    """Where a partition ends for readers of committed records, and where it ends for all."""

    decided: int
    written: int


class Watch:
    """What the ends of a task's two own partitions, looked at again and again after fencing, tell of its last transaction.

    The changelog's partition nobody but the task's owner writes: what is undecided there, Kafka has forgotten. The journal's is
    shared with the other stage, whose transactions come and go. Where it stands still for longer than a transaction may take,
    it holds the forgotten one too: nothing of it was decided, and to abort it is safe. Where it gets on, part of the transaction
    was decided, how is not known here.
    """

    def __init__(self, timeout: float) -> None:
        """`timeout`: how long a transaction may take, in seconds."""
        self.needed = math.ceil((timeout + _OVERDUE) / _LOOK)
        """Looks at a journal that stands still after which it is safe. Looks, not time: a worker that is frozen sees nothing."""
        self._stands = -1
        self._still = 0

    def may_abort(self, journal: Ends) -> bool:
        """Whether the journal has stood still for long enough. Call it at each look at which the changelog is undecided."""
        if journal.decided == journal.written or journal.decided != self._stands:
            self._stands, self._still = journal.decided, 0
        self._still += 1
        return self._still > self.needed


async def end(
    writer: Writer,
    stable: AIOKafkaConsumer,
    high: AIOKafkaConsumer,
    changelog: TopicPartition,
    journal: TopicPartition,
    timeout: float,
    progress: Callable[[int, int], None],
) -> int:
    """Where a task's changelog ends, once nothing in it is undecided. Call it only after fencing the previous owner.

    `stable` reads committed records, `high` all of them; `timeout` is how long a transaction may take, in seconds. Where nothing
    of the last transaction was decided, it is aborted wherever it reached, and its inputs are applied again. Else a person must
    end it (runbook EwsRestoreStuck), and until then this waits, as it does where the transaction is somebody else's. `progress`
    is told the looks that were made, of those after which it is a stall.
    """
    both = [changelog, journal]
    watch = Watch(timeout)
    aborted, looks = False, 0
    while True:
        decided, written = await stable.end_offsets(both), await high.end_offsets(both)
        if decided[changelog] == written[changelog]:
            return int(written[changelog])
        if not looks:
            log.warning("a transaction does not end: waiting", topic=changelog.topic, partition=changelog.partition)
        looks += 1
        progress(min(looks, watch.needed), watch.needed)
        if watch.may_abort(Ends(decided[journal], written[journal])) and not aborted:
            aborted = True
            log.warning("Kafka left a transaction open: aborting it", topic=changelog.topic, partition=changelog.partition)
            await writer.abort_leftovers()
        await asyncio.sleep(_LOOK)
