"""Delivery of one customer's events, by record timestamp: not always the order in which they happened."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from stream.simulate.calendars import DAY
from stream.simulate.event import Event, milliseconds

PROMPT = (timedelta(0),)


@dataclass(slots=True)
class Outbox:
    """What has happened and is not delivered yet."""

    index: int
    """The customer's number: makes ids distinct."""
    count: int = 0
    waiting: list[tuple[int, int, Event]] = field(default_factory=list)
    duplicated: list[str] = field(default_factory=list)
    """Ids of events delivered more than once."""
    late: list[str] = field(default_factory=list)
    """Ids of events delivered a day or more after they happened."""

    def new_id(self, prefix: str) -> str:
        """An id that nothing else of this run has."""
        self.count += 1
        return f"{prefix}-{self.index:06d}-{self.count:05d}"

    def send(
        self,
        topic: str,
        key: str,
        when: datetime,
        value: dict[str, Any],
        delays: tuple[timedelta, ...] = PROMPT,
    ) -> None:
        """Delivers what happened at `when` once for each of `delays`."""
        for delay in delays:
            self.count += 1
            event = Event(topic, key, milliseconds(when + delay), value)
            heapq.heappush(self.waiting, (event.timestamp_ms, self.count, event))
        if len(delays) > 1:
            self.duplicated.append(value["event_id"])
        elif delays[0] >= DAY:
            self.late.append(value["event_id"])

    def released(self, before: int | None) -> Iterator[Event]:
        """Takes out what is delivered before that time (ms); everything for None."""
        while self.waiting and (before is None or self.waiting[0][0] < before):
            yield heapq.heappop(self.waiting)[2]
