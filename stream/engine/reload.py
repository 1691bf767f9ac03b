"""Reload: sees that the configuration's files have changed and puts the running job under them, or says why not."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence

import structlog

from stream import metrics
from stream.engine import failstop
from stream.engine.configs import Configuration
from stream.engine.step import Stage, StagesOf
from stream.errors import ConfigurationError, EngineError, TokenError

log = structlog.get_logger()

_EVERY = 5.0
_SETTLED = 1.0
"""Seconds for which what was found must stay as it is: a file that is just being written may be valid half way."""


class Reloader:
    """Reads the files every few seconds, and when asked. What is wrong with them is told once and changes nothing."""

    def __init__(
        self,
        config: Configuration,
        *,
        read: Callable[[], Configuration],
        stages_of: StagesOf,
        publish: Callable[[Configuration], None],
        swap: Callable[[str, Sequence[Stage]], Awaitable[None]],
        told: Callable[[Configuration], None] = lambda _: None,
    ) -> None:
        """`publish` writes a configuration behind its hash, `swap` puts the tasks under it, `told` hears that it is in force;
        `config` is the one that is now.
        """
        self.config = config
        self._read = read
        self._stages_of = stages_of
        self._publish = publish
        self._swap = swap
        self._told = told
        self._judged: Configuration | str = config
        """The last that was taken or refused."""
        self._asked = asyncio.Event()

    def ask(self) -> None:
        """Has the files read now."""
        self._asked.set()

    async def run(self, stopping: Callable[[], bool]) -> None:
        """Looks until told to stop."""
        while not stopping():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._asked.wait(), _EVERY)
            self._asked.clear()
            await self.look()

    async def look(self) -> None:
        """Looks once. Raises what the swap raises: from then on the job's state is in doubt."""
        found = await asyncio.to_thread(self._found)
        if found == self._judged:
            return
        await asyncio.sleep(_SETTLED)
        if await asyncio.to_thread(self._found) != found:
            return
        if found == self.config:
            self._judged = found  # a wrong change was taken back
            metrics.REFUSED.set(0)
        elif isinstance(found, str):
            self._refuse(found, message=found)
        else:
            await self._take(found)

    def _found(self) -> Configuration | str:
        try:
            return self._read()
        except ConfigurationError as error:
            return str(error)

    async def _take(self, found: Configuration) -> None:
        try:
            stages = await asyncio.to_thread(self._stages_of, found)
            # Before anything is decided under it: no journal entry may name a hash that nobody knows.
            await asyncio.to_thread(self._publish, found)
        except (EngineError, TokenError) as error:
            log.warning("configuration not taken yet, it is tried again", message=str(error))
            return
        except ConfigurationError as error:
            self._refuse(found, message=str(error))
            return
        except Exception as error:  # an error of reading that nobody foresaw is no reason to stop what runs well
            self._refuse(found, message="see the trace", trace=failstop.trace(error))
            return
        await self._swap(found.hash, stages)
        changed = [name for name, text in found.files.items() if text != self.config.files[name]]
        log.info("configuration reloaded", config=found.hash, was=self.config.hash, files=changed)
        self.config = self._judged = found
        metrics.RELOADS.labels("ok").inc()
        metrics.show_configuration(found.hash)
        self._told(found)

    def _refuse(self, found: Configuration | str, **why: object) -> None:
        self._judged = found
        metrics.RELOADS.labels("refused").inc()
        metrics.REFUSED.set(1)
        log.error(
            "configuration refused",
            **why,
            config=self.config.hash,
            remedy="mend the file (`ews config check`); until then the worker goes on under the configuration it has",
        )
