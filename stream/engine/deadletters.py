"""Dead letters: a bad record keeps its bytes, gains its reason and position, and stops nobody, up to a limit."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from stream import __version__
from stream.engine.step import Output, Record, Refused
from stream.errors import DeadLetterLimit

TOPIC = "dead-letters"
BLOCK = 1_000
BLOCKS = 10
"""The limit looks at the last BLOCK * BLOCKS records of a task, to within a block or chunk."""
FLOOR = 1_000
"""A share of fewer records than this decides nothing."""
_HEADER_ROOM = 2_000


def wrap(topic: str, partition: int, record: Record, refused: Refused, max_bytes: int) -> Output:
    """The dead letter of a record: key, value and headers untouched, Spring's position headers and our reason added.

    A value too large to be written again is replaced by nothing: `ews-value-sha256` and the position find it.
    """
    headers = list(record.headers)
    headers += [
        ("kafka_dlt-original-topic", topic.encode()),
        ("kafka_dlt-original-partition", partition.to_bytes(4, "big")),
        ("kafka_dlt-original-offset", record.offset.to_bytes(8, "big")),
        ("kafka_dlt-original-timestamp", max(record.timestamp, 0).to_bytes(8, "big")),
        ("kafka_dlt-exception-message", refused.why.encode()),
        ("ews-reason", refused.reason.value.encode()),
        ("ews-version", __version__.encode()),
    ]
    value = record.value
    if _size(record.key, value, headers) > max_bytes - _HEADER_ROOM:
        headers = headers[len(record.headers) :]
        headers.append(("ews-value-sha256", hashlib.sha256(value or b"").hexdigest().encode()))
        headers.append(("ews-value-bytes", str(len(value or b"")).encode()))
        value = b""
    key = record.key
    if _size(key, value, headers) > max_bytes - _HEADER_ROOM:
        headers.append(("ews-key-sha256", hashlib.sha256(key or b"").hexdigest().encode()))
        key = None
    return Output(TOPIC, key, value, tuple(headers))


def _size(key: bytes | None, value: bytes | None, headers: Sequence[tuple[str, bytes]]) -> int:
    """At most what they take on the wire: before each part of a header stands its length, and there may be many headers."""
    return len(key or b"") + len(value or b"") + sum(len(name.encode()) + len(data or b"") + 10 for name, data in headers)


class Window:
    """The share of bad records among a task's last 10,000. Its counters live in the checkpoint."""

    def __init__(self, limit: float, seen: Sequence[int] = (), bad: Sequence[int] = ()) -> None:
        self.limit = limit
        self.seen = list(seen) or [0]
        self.bad = list(bad) or [0]

    def count(self, seen: int, bad: int) -> None:
        """Counts a chunk. Raises DeadLetterLimit when the share over the window passes the limit."""
        self.seen[-1] += seen
        self.bad[-1] += bad
        if bad:
            total, wrong = sum(self.seen), sum(self.bad)
            if total >= FLOOR and wrong > self.limit * total:
                raise DeadLetterLimit(
                    f"{wrong} of the last {total} records of this task are bad, more than the limit of "
                    f"{self.limit:.0%}: nothing of this transaction was written. Mend the producer or, if the records "
                    "are really to be set aside, raise EWS_DEAD_LETTER_LIMIT."
                )
        if self.seen[-1] >= BLOCK:
            self.seen.append(0)
            self.bad.append(0)
        while sum(self.seen[1:]) >= BLOCK * BLOCKS:
            del self.seen[0], self.bad[0]
