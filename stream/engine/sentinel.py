"""The sentinel: notices from outside the data path that the ground has moved: topics recreated, a twin in the group."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog
from confluent_kafka import KafkaException

from stream.engine.checks import Admin, wanted
from stream.engine.source import Source
from stream.errors import CheckpointError, ConfigurationError
from stream.settings import Settings

log = structlog.get_logger()

_TWIN_EVERY = 2.0
_TOPICS_EVERY = 15.0
_STRIKES = 2


class Sentinel:
    """Looks at topics and group now and then; raises a ConfigurationError when going on would be wrong."""

    def __init__(self, settings: Settings, source: Source) -> None:
        self._settings = settings
        self._source = source
        self._admin = None if settings.embedded_broker else Admin(settings)

    async def run(self, stopping: Callable[[], bool]) -> None:
        """Looks until told to stop. A broker that does not answer is no reason to stop: others see to that."""
        admin = self._admin
        if admin is None:
            return
        loop = asyncio.get_running_loop()
        names = {topic.name: topic.logical for topic in wanted(self._settings)}
        strikes, seen, topics_at = 0, 0, loop.time() + _TOPICS_EVERY
        while not stopping():
            await asyncio.sleep(_TWIN_EVERY)
            try:
                # Two workers of one instance id steal the membership from each other without an error, and are
                # reassigned again and again. Only then is it worth asking who the member of our name is.
                if self._settings.instance_id and self._source.rebalances > seen:
                    seen = self._source.rebalances
                    members = await asyncio.to_thread(admin.members, self._settings.app)
                    strikes += self._has_twin(members)
                    if strikes >= _STRIKES:
                        raise ConfigurationError(
                            f"another worker runs with EWS_INSTANCE_ID={self._settings.instance_id}: each worker of a group needs "
                            "an id of its own (in Kubernetes: the pod's name)"
                        )
                if loop.time() >= topics_at:
                    topics_at = loop.time() + _TOPICS_EVERY
                    self._compare(names, await asyncio.to_thread(admin.ids, list(names)))
            except KafkaException as error:
                log.debug("sentinel could not look", error=error.args[0].name())

    def _has_twin(self, members: list[tuple[str | None, str]]) -> bool:
        return any(
            instance == self._settings.instance_id and client != self._source.client_id
            for instance, client in members
        )

    def _compare(self, names: dict[str, str], now: dict[str, tuple[str, int]]) -> None:
        for name, (topic_id, partitions) in now.items():
            was = self._source.topic_ids.get(names[name])
            if was is not None and topic_id != was:
                raise CheckpointError(
                    f"topic {name} was deleted and created again under a running worker: its offsets mean nothing any more. Start "
                    "under a new app name (EWS_APP), or restore the topic."
                )
            if names[name] != "configs" and partitions != self._source.partitions:
                raise CheckpointError(
                    f"topic {name} now has {partitions} partitions instead of {self._source.partitions}: keys lie elsewhere now. "
                    "Replay the inputs into a new app name (EWS_APP)."
                )
