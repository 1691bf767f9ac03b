"""The job over records in memory: the same stages and tasks as on Kafka, one partition each, without a broker.

It behaves as a worker does that is never behind: ranks break ties of time, what one stage says the other hears at once, and
a tick comes at each instant at which time alone changes something.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from heapq import heapify, heapreplace
from heapq import heappop as pop_heap
from typing import NamedTuple

from stream.engine import ticks
from stream.engine.partitioner import Partitioner
from stream.engine.step import Output, Placement, Stage, Step
from stream.engine.task import Chunk, Context, Task
from stream.errors import EngineError
from stream.topics import BY_NAME

_BATCH = 256
_COMMIT = 4_096
"""A stage that nobody hears is asked for its outputs no more often than after so many records."""


class Line(NamedTuple):
    """One record of a file or of our own making."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()


def merge(files: dict[str, Iterator[Line]]) -> Iterator[tuple[str, Line]]:
    """All records in the order they are applied: within a file as they stand, between files the earlier head first.

    Of heads with the same time the lower rank goes first.
    """
    heap: list[tuple[int, int, str, Line, Iterator[Line]]] = []
    for topic, lines in files.items():
        first = next(lines, None)
        if first is not None:
            heap.append((first.timestamp, int(BY_NAME[topic].rank), topic, first, lines))
    heapify(heap)
    while heap:
        _, rank, topic, line, lines = heap[0]
        yield topic, line
        following = next(lines, None)
        if following is None:
            pop_heap(heap)
        else:
            heapreplace(heap, (following.timestamp, rank, topic, following, lines))


class Offline:
    """Two stages joined in memory."""

    def __init__(
        self,
        stages: Sequence[Stage],
        partitioner: Partitioner,
        *,
        config_hash: str,
        dead_letter_limit: float,
        max_record_bytes: int,
        tick: bool,
        write: Callable[[Output], None],
        span_ms: int = 60_000,
    ) -> None:
        """A batch reaches no further than `span_ms` in time: what its events make due within it is seen that much late at most.

        What was due before is seen at its instant, whatever the span; a longer one is faster.
        """
        names = sorted(BY_NAME)
        context = Context(config_hash, dead_letter_limit, max_record_bytes, dict(zip(names, names, strict=True)))
        self._tasks = [Task(stage, Placement(0, 1, partitioner), context) for stage in stages]
        for task in self._tasks:
            task.begin(dict.fromkeys(task.stage.inputs, 0), {})
        self._readers = {name: [task for task in self._tasks if name in task.stage.inputs] for name in names}
        self._tick = tick
        self._write = write
        self._span_ms = span_ms
        self.events = 0

    @property
    def steps(self) -> list[Step]:
        """The pure steps, in the order of the stages."""
        return [task.step for task in self._tasks]

    def run(self, records: Iterable[tuple[str, Line]], until: int | None = None) -> Iterator[int]:
        """Applies everything, then runs the clock on to `until` (ms). Yields the number of events now and then."""
        batch: list[Line] = []
        batch_topic = ""
        limit = 0
        """Where the batch must end: at the earliest instant at which time alone will change something, or for its length."""
        for topic, line in records:
            timestamp = line.timestamp
            if until is not None and timestamp > until:
                timestamp = until
                line = line._replace(timestamp=until)
            if batch and (topic != batch_topic or len(batch) >= _BATCH or timestamp >= limit):
                self._apply(batch_topic, batch)
                batch = []
                yield self.events
            if not batch:
                horizon = self._pass_time(timestamp)
                limit = timestamp + self._span_ms + 1
                if horizon is not None:
                    limit = min(limit, horizon)
                batch_topic = topic
            batch.append(line)
        if batch:
            self._apply(batch_topic, batch)
        if until is not None:
            self._pass_time(until)
            for task in self._tasks:
                self._ticked(task, until)
        for task in self._tasks:
            self._hand_out(task, 0)
        yield self.events

    def _apply(self, topic: str, lines: list[Line]) -> None:
        self.events += len(lines)
        for task in self._readers[topic]:
            self._feed(task, topic, lines)

    def _feed(self, task: Task, topic: str, lines: Sequence[Line]) -> None:
        start = task.position(topic)
        task.apply(Chunk(topic, start, start + len(lines), lines))
        # Alone, a stage is heard by nobody: only a second one must be told at once.
        if len(self._tasks) > 1 or task.events >= _COMMIT:
            self._hand_out(task, lines[-1].timestamp)

    def _hand_out(self, task: Task, now: int) -> None:
        """Writes what the task has said, and lets the other stage hear it at the instant `now`."""
        commit = task.take()
        if commit is None:
            return
        said: dict[str, list[Line]] = {}
        for output in commit.outputs:
            self._write(output)
            if self._readers[output.topic]:
                heard = Line(0, now, output.key, output.value, output.headers)
                said.setdefault(output.topic, []).append(heard)
        for name, heard_lines in said.items():
            for reader in self._readers[name]:
                self._feed(reader, name, heard_lines)

    def _pass_time(self, now: int) -> int | None:
        """Ticks each task at every instant before `now` at which it has something due; the next such instant after it."""
        if not self._tick:
            return None
        last: tuple[int, int] | None = None
        while True:
            dues = [(due, i) for i, task in enumerate(self._tasks) if (due := task.step.next_due()) is not None]
            if not dues:
                return None
            due, index = min(dues)
            if due > now:
                return due
            if (due, index) == last:
                raise EngineError(f"stage {self._tasks[index].stage.name} stays due at the instant it was just ticked")
            last = due, index
            self._ticked(self._tasks[index], due)

    def _ticked(self, task: Task, at: int) -> None:
        tick = ticks.Tick(task.stage.name, 0, at, True, ticks.live(task.checkpoint.feeds, at))
        self._feed(task, "ticks", [Line(0, at, task.stage.name.encode(), ticks.encode(tick))])
