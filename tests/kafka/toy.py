"""A job so small that its right output is obvious: counts records by key, says so at every tenth. Runs on the real engine.

`python -m tests.kafka.toy` is a worker like `ews worker`; it takes the same EWS_* variables, TOY_RESTORE_SECONDS and
TOY_APPLY_SECONDS. A line `every = 3` in its detectors' file has it say so at every third. It can be made to hang: by a record
whose value begins with `HANG`, or from its start by TOY_HANG.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import time
import tomllib
from collections.abc import Iterable, Sequence
from typing import Any

from stream import topics
from stream.engine.configs import Configuration
from stream.engine.step import Drained, Output, Placement, Record, Refused, Stage
from stream.errors import ConfigurationError, Reason

BAD = b"bad"
"""How a value begins that is refused."""
HANG = b"hang:"
"""How a value begins that hangs the worker, and how: `loop`, `interpreter`, `commit`, `apply`, `fence`."""

_hung = set(os.environ.get("TOY_HANG", "").split())


def _hang(how: str) -> None:
    """Blocks the loop at once, or lets the engine's coroutine of that name never return from now on."""
    _hung.add(how)
    if how == "loop":
        time.sleep(3600)
    elif how == "interpreter":
        ctypes.PyDLL(None).sleep(3600)  # keeps Python's own lock, as a kernel does that never returns


def _hanging(owner: Any, method: str, how: str) -> None:
    """Makes a coroutine method wait for ever once `how` is asked for."""
    real = getattr(owner, method)

    async def wrapped(*arguments: Any) -> Any:
        if how in _hung:
            lock = asyncio.Lock()
            await lock.acquire()
            await lock.acquire()  # nobody releases it
        return await real(*arguments)

    setattr(owner, method, wrapped)


class Counter:
    """Counts by key. Emits `key:count` to `signals` at every so many records of a key."""

    def __init__(self, placement: Placement, every: int = 10) -> None:
        self.placement = placement
        self.every = every
        self.counts: dict[bytes, int] = {}
        self.clock = 0
        self._dirty: set[bytes] = set()
        self._said: list[Output] = []

    def restore(self, rows: Iterable[tuple[bytes, bytes | None]]) -> None:
        time.sleep(float(os.environ.get("TOY_RESTORE_SECONDS", "0")))  # per batch of rows
        for key, value in rows:
            if value is not None:
                self.counts[key] = int(value)

    def apply(self, topic: str, records: Sequence[Record]) -> list[Refused]:
        refused = []
        time.sleep(float(os.environ.get("TOY_APPLY_SECONDS", "0")))  # per chunk
        for index, record in enumerate(records):
            self.clock = max(self.clock, record.timestamp)
            if topic == "ticks" or record.key is None:
                continue
            if (record.value or b"").startswith(BAD):
                refused.append(Refused(index, Reason.BAD_JSON, "not what a toy likes"))
                continue
            if (record.value or b"").startswith(HANG):
                _hang((record.value or b"").removeprefix(HANG).decode())
            count = self.counts[record.key] = self.counts.get(record.key, 0) + 1
            self._dirty.add(record.key)
            if count % self.every == 0 and topic == "payments":
                self._said.append(
                    Output("signals", record.key, b"%s:%d" % (record.key, count), (("h", b"1"),))
                )
        return refused

    def drain(self) -> Drained:
        rows: list[tuple[bytes, bytes | None]] = [
            (key, b"%d" % self.counts[key]) for key in sorted(self._dirty)
        ]
        drained = Drained(rows, self._said)
        self._dirty, self._said = set(), []
        return drained

    def next_due(self) -> int | None:
        return None


def stages(config: Configuration | None = None) -> tuple[Stage, Stage]:
    """The same two stages as the real job, each counting. ConfigurationError where the file gives no number."""
    every = 10
    if config is not None:
        try:
            every = int(tomllib.loads(config.files.get("detectors.toml", "")).get("every", 10))
        except ValueError:
            raise ConfigurationError("every: must be a number, mend the toy's file") from None

    def create(placement: Placement) -> Counter:
        return Counter(placement, every)

    def configure(step: Counter) -> None:
        step.every = every

    return (
        Stage("accounts", topics.ACCOUNTS_INPUTS, create, configure=configure),
        Stage("customers", topics.CUSTOMERS_INPUTS, create, configure=configure),
    )


def expected(keys: Iterable[bytes]) -> set[bytes]:
    """The signals that payments with these keys must lead to."""
    counts: dict[bytes, int] = {}
    said = set()
    for key in keys:
        counts[key] = counts.get(key, 0) + 1
        if counts[key] % 10 == 0:
            said.add(b"%s:%d" % (key, counts[key]))
    return said


if __name__ == "__main__":
    from stream import app, settings
    from stream.engine.source import Source
    from stream.engine.transaction import Writer

    _hanging(Writer, "start", "fence")
    _hanging(Writer, "write", "commit")
    _hanging(Source, "apply", "apply")
    app.run(settings.load(), stages)
