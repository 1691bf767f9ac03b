"""The workload of the benches: simulated months of many customers, repeated over as many accounts as asked for."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

import msgspec

from stream.simulate import simulate

_BANK = 250
"""Customers simulated; the others are copies of them under other ids."""

TOPICS = ("accounts", "customers", "payments", "bounces", "missed-bills")


class Workload:
    """Topic, key and value of what a bank of `accounts` accounts would send.

    A copy's ids end in its number; everything else is as simulated: payments, some bounces, some missed bills.
    """

    def __init__(
        self,
        accounts: int,
        start: date = date(2026, 1, 1),
        topics: tuple[str, ...] = TOPICS,
        until_ms: int | None = None,
        months: int = 3,
    ) -> None:
        """So many months from `start`; events of other topics, and those delivered after `until_ms`, are left out."""
        script = [
            (event.topic, event.key, msgspec.json.encode(event.value))
            for event in simulate(7, _BANK, start, months)
            if event.topic in topics and (until_ms is None or event.timestamp_ms <= until_ms)
        ]
        self._reference = {(topic, key): value for topic, key, value in script if topic in ("accounts", "customers")}
        self._moving = [item for item in script if item[0] not in ("accounts", "customers")]
        self._copies = max(1, accounts // _BANK)

    def reference(self) -> Iterator[tuple[str, bytes, bytes]]:
        """Who holds the accounts."""
        for copy in range(self._copies):
            for (topic, key), value in self._reference.items():
                yield topic, _id(key, copy), _renamed(value, copy)

    def events(self, count: int) -> Iterator[tuple[str, bytes, bytes]]:
        """`count` events. Copies take turns by stretches of the script, so that accounts mix as they do at a bank.

        They start half way through the script: trouble takes some weeks to come.
        """
        made = 0
        for start in range(len(self._moving) // 2, len(self._moving), 50):
            for copy in range(self._copies):
                for topic, key, value in self._moving[start : start + 50]:
                    yield topic, _id(key, copy), _renamed(value, copy)
                    made += 1
                    if made >= count:
                        return


def _id(key: str | bytes, copy: int) -> bytes:
    raw = key if isinstance(key, bytes) else key.encode()
    return b"%s-%d" % (raw, copy)


def _renamed(value: bytes, copy: int) -> bytes:
    record = msgspec.json.decode(value)
    for name in ("account_id", "customer_id"):
        if name in record:
            record[name] += f"-{copy}"
    for holder in record.get("holders", ()):
        holder["customer_id"] += f"-{copy}"
    return msgspec.json.encode(record)
