"""A job so small that its right output is obvious: counts records by key, says so at every tenth. Runs on the real engine.

`python -m tests.kafka.toy` is a worker like `ews worker`; it takes the same EWS_* variables, and TOY_RESTORE_SECONDS.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Sequence

from stream import topics
from stream.engine.step import Drained, Output, Placement, Record, Refused, Stage
from stream.errors import Reason

BAD = b"bad"
"""How a value begins that is refused."""


class Counter:
    """Counts by key. Emits `key:count` to `signals` at every tenth record of a key."""

    def __init__(self, placement: Placement) -> None:
        self.placement = placement
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
        for index, record in enumerate(records):
            self.clock = max(self.clock, record.timestamp)
            if topic == "ticks" or record.key is None:
                continue
            if (record.value or b"").startswith(BAD):
                refused.append(Refused(index, Reason.BAD_JSON, "not what a toy likes"))
                continue
            count = self.counts[record.key] = self.counts.get(record.key, 0) + 1
            self._dirty.add(record.key)
            if count % 10 == 0 and topic == "payments":
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


def stages(_: object = None) -> tuple[Stage, Stage]:
    """The same two stages as the real job, each counting."""
    return (
        Stage("accounts", topics.ACCOUNTS_INPUTS, Counter),
        Stage("customers", topics.CUSTOMERS_INPUTS, Counter),
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

    app.run(settings.load(), stages)
