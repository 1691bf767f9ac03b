"""The sentinel: notices from outside the data path that the ground has moved: topics recreated, a twin in the group."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog
from aiokafka.errors import KafkaError
from confluent_kafka import KafkaException

from stream.engine import group
from stream.engine.checks import Admin, wanted
from stream.engine.source import Source
from stream.errors import CheckpointError, ConfigurationError, EwsError, FencedError
from stream.settings import Settings

log = structlog.get_logger()

_TWIN_EVERY = 1.0
_TOPICS_EVERY = 10.0
_STRIKES = 2
_LOOKS = 5


class Sentinel:
    """Looks at topics and group now and then; raises a ConfigurationError when going on would be wrong."""

    def __init__(self, settings: Settings, source: Callable[[], Source]) -> None:
        self._settings = settings
        self._source = source
        self._admin = None if settings.embedded_broker else Admin(settings)
        self._before: dict[str, tuple[str, int]] = {}

    async def run(self, stopping: Callable[[], bool]) -> None:
        """Looks until told to stop. A broker that does not answer is no reason to stop: others see to that."""
        admin = self._admin
        if admin is None:
            return
        loop = asyncio.get_running_loop()
        names = {topic.name: topic.logical for topic in wanted(self._settings)}
        strikes, seen, looks, topics_at = 0, 0, 0, loop.time() + _TOPICS_EVERY
        while not stopping():
            await asyncio.sleep(_TWIN_EVERY)
            # Two workers of one instance id steal the membership from each other without an error, and are reassigned
            # again and again. Only then is it worth asking who the member of our name is.
            if self._source().rebalances > seen:
                seen, looks = self._source().rebalances, _LOOKS
            if looks:
                looks -= 1
                strikes += await self._has_twin()
                if strikes >= _STRIKES:
                    raise self._twin()
            if loop.time() >= topics_at:
                topics_at = loop.time() + _TOPICS_EVERY
                try:
                    self._compare(names, await asyncio.to_thread(admin.ids, list(names)))
                except KafkaException as error:
                    log.debug("sentinel could not look", error=error.args[0].name())

    async def diagnose(self, error: FencedError) -> EwsError:
        """Why another worker has taken a task over: a twin of ours by name, or the ordinary course of a rebalance."""
        if self._settings.instance_id is None:
            return error
        for _ in range(_LOOKS):
            if await self._has_twin():
                return self._twin()
            await asyncio.sleep(0.2)
        return error

    async def _has_twin(self) -> bool:
        instance = self._settings.instance_id
        mine = self._source().member_id
        if instance is None or self._admin is None or not mine:
            return False
        try:
            members = (await group.describe(self._settings, 0.0)).members
        except KafkaError as error:
            log.debug("sentinel could not look", error=type(error).__name__)
            return False
        if self._source().member_id != mine:
            return False  # it was joining meanwhile
        return any(name == instance and member != mine for name, member in members)

    def _twin(self) -> ConfigurationError:
        return ConfigurationError(
            f"another worker runs with EWS_INSTANCE_ID={self._settings.instance_id}: each worker of a group needs an id of its "
            "own (in Kubernetes: the pod's name)"
        )

    def _compare(self, names: dict[str, str], now: dict[str, tuple[str, int]]) -> None:
        source = self._source()
        # A broker that has just come back may not know its topics for a moment: only what is seen twice is true.
        before, self._before = self._before, now
        now = {name: told for name, told in now.items() if before.get(name) == told}
        for name, (topic_id, partitions) in now.items():
            was = source.topic_ids.get(names[name])
            if was is not None and topic_id != was:
                raise CheckpointError(
                    f"topic {name} was deleted and created again under a running worker: its offsets mean nothing any more. "
                    f"Restore the topic, or {CheckpointError.FRESH}."
                )
            if names[name] != "configs" and partitions != source.partitions:
                raise CheckpointError(
                    f"topic {name} now has {partitions} partitions instead of {source.partitions}: keys lie elsewhere now: "
                    f"{CheckpointError.FRESH}."
                )
