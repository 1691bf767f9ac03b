"""The ticker: writes time into the log for tasks that are caught up, and for no others."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import structlog
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.errors import TopicAuthorizationFailedError

from stream import metrics
from stream.engine import denials, ticks
from stream.engine.runner import Runner, State
from stream.engine.source import Source, TaskKey
from stream.settings import Settings

log = structlog.get_logger()

_PATIENCE = 30.0


class Ticker:
    """Every `tick_seconds`: for each open task, waits until its inputs are read to their present ends, then writes a tick."""

    def __init__(self, settings: Settings, source: Source) -> None:
        self._source = source
        self._interval = settings.tick_seconds
        self._topic = settings.topic("ticks")
        self._producer = AIOKafkaProducer(**settings.aiokafka(), enable_idempotence=True, linger_ms=5)

    async def run(self, stopping: Callable[[], bool]) -> None:
        """Ticks until told to stop. A task that does not catch up within half a minute goes without a tick this time."""
        await self._producer.start()
        try:
            while not stopping():
                await asyncio.sleep(self._interval)
                await self._round()
        finally:
            await self._producer.stop()

    async def _round(self) -> None:
        open_ = {k: r for k, r in self._source.runners.items() if r.state is State.OPEN}
        inputs = {
            key: [topic for topic in runner.task.stage.inputs if topic != "ticks"] for key, runner in open_.items()
        }
        at = int(time.time() * 1000)
        ends = await self._source.ends(
            {self._source.tp(topic, key[1]) for key, topics in inputs.items() for topic in topics}
        )
        if ends is None:
            return
        deadline = asyncio.get_running_loop().time() + min(_PATIENCE, max(self._interval, 5.0))
        pending = set(open_)
        while pending:
            for key in sorted(pending):
                if self._source.runners.get(key) is not open_[key]:
                    pending.discard(key)  # the task has left
                elif await self._caught_up(key, inputs[key], ends):
                    pending.discard(key)
                    await self._write(key, open_[key], at)
            if pending and asyncio.get_running_loop().time() > deadline:
                log.debug("no tick for tasks that are behind", tasks=len(pending))
                return
            if pending:
                await asyncio.sleep(0.02)

    async def _caught_up(self, key: TaskKey, topics: list[str], ends: dict[TopicPartition, int]) -> bool:
        for topic in topics:
            if await self._source.handed_over(key, topic) < ends[self._source.tp(topic, key[1])]:
                return False
        return True

    async def _write(self, key: TaskKey, runner: Runner, at: int) -> None:
        tick = ticks.Tick(key[0], key[1], at, True, ticks.live(runner.task.checkpoint.feeds, at))
        try:
            await self._producer.send_and_wait(self._topic, key=key[0].encode(), value=ticks.encode(tick), partition=key[1])
        except TopicAuthorizationFailedError as error:
            raise denials.denial(error, "Write") or error from None
        metrics.TICKS.labels(key[0]).inc()
