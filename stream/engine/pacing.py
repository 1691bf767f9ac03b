"""How often to commit: as often as asked, until transactions themselves would take more than a tenth of the CPU."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Generator
from typing import Any

SHARE = 0.10
"""Of one core, for the fixed cost of transactions."""
LONGEST = 2.0
"""Seconds between commits, at most, however many tasks there are."""
_UNSEEN = 3.0
"""A transaction's whole cost over that of the coroutine that is timed: the rest is the producer's sender and sockets."""


class Pacer:
    """The interval between a task's commits, in seconds, shared by all tasks of a worker."""

    def __init__(self, interval: float) -> None:
        self.base = interval
        self.cost = 0.0
        """CPU seconds of one transaction's fixed part: moving average."""
        self.active: dict[object, float] = {}
        """When each task last committed: those of the last interval share the budget."""

    def interval(self) -> float:
        """Seconds to wait before a task commits again."""
        now = time.monotonic()
        horizon = now - 2 * LONGEST
        busy = sum(1 for at in self.active.values() if at > horizon)
        return min(max(self.base, busy * self.cost / SHARE), max(LONGEST, self.base))

    def record(self, task: object, cpu: float) -> None:
        """Counts one commit whose own coroutine used `cpu` seconds."""
        self.active[task] = time.monotonic()
        cost = cpu * _UNSEEN
        self.cost = cost if not self.cost else self.cost + 0.05 * (cost - self.cost)

    def forget(self, task: object) -> None:
        """A task that has left costs nothing."""
        self.active.pop(task, None)


class Timed(Awaitable[None]):
    """Awaits a coroutine and adds up the CPU time of its own steps, not of what runs while it waits."""

    def __init__(self, awaitable: Awaitable[None]) -> None:
        self._awaitable = awaitable
        self.cpu = 0.0

    def __await__(self) -> Generator[Any, Any, None]:
        steps = self._awaitable.__await__()
        value: Any = None
        error: BaseException | None = None
        while True:
            start = time.thread_time()
            try:
                waiting = steps.send(value) if error is None else steps.throw(error)
            except StopIteration:
                return
            finally:
                self.cpu += time.thread_time() - start
            value, error = None, None
            try:
                value = yield waiting
            except BaseException as raised:
                error = raised
