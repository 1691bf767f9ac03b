"""One simulated bank that the tests of this folder look at."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import date
from typing import Any

import pytest

from stream.simulate import Event, Truth, simulate


@dataclass(frozen=True)
class Bank:
    """What happened, and the truth of it."""

    events: list[Event]
    truths: dict[str, Truth]

    def of(self, scenario: str) -> list[Truth]:
        return [truth for truth in self.truths.values() if truth.scenario == scenario]

    def told(self, truth: Truth, *topics: str) -> list[Event]:
        """The customer's events of these topics, by delivery."""
        keys = {truth.customer_id, *truth.account_ids}
        return [event for key in sorted(keys) for event in self.by_key[key] if event.topic in topics]

    @property
    def by_key(self) -> dict[str, list[Event]]:
        if not hasattr(self, "_by_key"):
            found: dict[str, list[Event]] = defaultdict(list)
            for event in self.events:
                found[event.key].append(event)
            object.__setattr__(self, "_by_key", found)
        keys: dict[str, list[Event]] = self.__dict__["_by_key"]
        return keys


@pytest.fixture(scope="session")
def bank() -> Bank:
    """240 customers from January to July 2026."""
    truths: list[Truth] = []
    events = list(simulate(7, 240, date(2026, 1, 1), 7, on_truth=truths.append))
    return Bank(events, {truth.customer_id: truth for truth in truths})


def values(events: list[Event]) -> list[dict[str, Any]]:
    """The events' values."""
    return [event.value for event in events]
