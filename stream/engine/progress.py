"""Progress: whether each task moves, since when it does not, and what it waits for. Pure: time and facts are given."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple


class Waiting(StrEnum):
    """What a task, or the whole worker, waits for. A closed list; `WORDS` says it to people."""

    LOOP = "loop"
    COMMIT = "commit"
    APPLY = "apply"
    FENCE = "fence"
    SETTLE = "settle"
    RESTORE = "restore"
    START = "start"
    ENDS = "ends"
    REFERENCE = "reference"
    FETCH = "fetch"
    GROUP = "group"
    BROKERS = "brokers"


WORDS = {
    Waiting.LOOP: "the event loop is blocked",
    Waiting.COMMIT: "waiting for a commit to end",
    Waiting.APPLY: "waiting for its stage to apply a chunk that it was handed",
    Waiting.FENCE: "waiting for its fence: the transactional producer does not open",
    Waiting.SETTLE: "waiting for a transaction that Kafka left open in its changelog",
    Waiting.RESTORE: "waiting for a restore: the changelog gives no more rows",
    Waiting.START: "waiting for the offsets of its inputs, before its first record",
    Waiting.ENDS: "waiting for the ends of its reference topics",
    Waiting.REFERENCE: "waiting for reference topics to be read to their ends",
    Waiting.FETCH: "waiting for the broker's fetch",
    Waiting.GROUP: "out of the group: no assignment comes",
    Waiting.BROKERS: "the brokers do not answer",
}


class Standing(NamedTuple):
    """Where a task stands, as its worker sees it."""

    stage: str
    partition: int
    state: str
    opening: Waiting | None
    """The step of its opening; None once it is open."""
    restored: int
    """Rows' offsets read back so far."""
    total: int
    position: int
    """The sum of its positions: it moves when anything is applied."""
    commits: int
    unwritten: bool
    """Whether something is applied that no transaction holds yet."""
    lag: int | None
    """Records up to the ends of its inputs, as last fetched; None where no fetch has told."""


@dataclass(frozen=True, slots=True)
class TaskHealth:
    """One task, for people and probes."""

    stage: str
    partition: int
    state: str
    seconds: float
    """For how long it has had something to do and not moved; 0 while it moves or has nothing to do."""
    waiting: Waiting | None
    about: str
    """The topic that it waits for, where it is one."""
    lag: int | None
    restored: float | None
    """Share of the changelog read back; None once it is open."""

    @property
    def name(self) -> str:
        """`stage[partition]`."""
        return f"{self.stage}[{self.partition}]"

    @property
    def words(self) -> str:
        """What it waits for, in words."""
        told = WORDS[self.waiting] if self.waiting else ""
        return f"{told} ({self.about})" if told and self.about else told


@dataclass(frozen=True, slots=True)
class Health:
    """The worker at one instant. Readers in other threads may keep it: nothing changes it."""

    tasks: tuple[TaskHealth, ...] = ()
    joined: bool = False
    group_seconds: float = 0.0
    """For how long no assignment has come."""
    brokers: bool = True
    stopping: bool = False
    blocked: float = 0.0
    """For how long the event loop has not come round; 0 while it does."""
    suspect_after: float = 30.0
    """Seconds without progress after which the worker says that it is not ready."""

    @property
    def because(self) -> list[dict[str, Any]]:
        """Why it is not ready, the likeliest cause first; empty where it is."""
        found: list[dict[str, Any]] = []

        def say(waiting: Waiting | None, words: str, seconds: float = 0.0, task: TaskHealth | None = None) -> None:
            found.append(
                {
                    "task": task.name if task else None,
                    "stage": task.stage if task else None,
                    "partition": task.partition if task else None,
                    "reason": waiting.value if waiting else "stopping",
                    "message": words,
                    "seconds": round(seconds, 1),
                }
            )

        if self.blocked:
            say(Waiting.LOOP, WORDS[Waiting.LOOP], self.blocked, self.tasks[0] if self.tasks else None)
            return found
        if self.stopping:
            say(None, "it is being stopped")
        if not self.brokers:
            say(Waiting.BROKERS, WORDS[Waiting.BROKERS])
        if not self.joined:
            say(Waiting.GROUP, WORDS[Waiting.GROUP], self.group_seconds)
        for task in sorted(self.tasks, key=by_cause):
            if task.state != "open" or task.seconds > self.suspect_after or task.waiting is Waiting.BROKERS:
                say(task.waiting, task.words, task.seconds, task)
        return found

    def told(self) -> dict[str, Any]:
        """All of it, as a person reads it."""
        because = self.because
        return {
            "ready": not because,
            "because": because,
            "in_group": self.joined,
            "brokers_answer": self.brokers,
            "tasks": [
                {
                    "stage": task.stage,
                    "partition": task.partition,
                    "state": task.state,
                    "lag_records": task.lag,
                    "restored": None if task.restored is None else round(task.restored, 3),
                    "seconds_since_progress": round(task.seconds, 1),
                    "waiting_for": task.words or None,
                }
                for task in self.tasks
            ],
        }


def by_cause(task: TaskHealth) -> tuple[int, float, str, int]:
    """What holds others up before what is held up; then the longest first."""
    return (list(Waiting).index(task.waiting) if task.waiting else 99, -task.seconds, task.stage, task.partition)


class Lived:
    """Seconds that this process has lived. While it stood still as a whole (frozen, suspended) no more than `longest` passes:
    what has not moved then is nobody's fault.
    """

    def __init__(self, longest: float) -> None:
        self.seconds = 0.0
        self._longest = longest
        self._last: float | None = None

    def at(self, now: float) -> float:
        """The seconds lived at a reading of the monotonic clock; to be asked often."""
        if self._last is not None:
            self.seconds += min(now - self._last, self._longest)
        self._last = now
        return self.seconds


class Progress:
    """One thing that should move as long as there is something to do."""

    def __init__(self, now: float) -> None:
        self.since = now
        self._mark: object = None

    def look(self, now: float, mark: object, *, pending: bool) -> float:
        """For how many seconds there has been something to do and `mark` has not changed."""
        if not pending or mark != self._mark:
            self.since, self._mark = now, mark
        return now - self.since


class Worker(NamedTuple):
    """What is common to the tasks of a worker, which share one loop and one consumer."""

    brokers: bool
    """Whether the brokers answer. While they do not, nothing can be expected to move."""
    restored: int
    """Rows that all tasks have read back: they open in turns."""
    position: int
    """The sum of all tasks' positions."""
    rounds: int
    """How often every input that had something fetched has had its turn."""


_TURNS = 3
"""Rounds after which a task that still waits for a fetch does not merely wait for others to have their turn."""


class TaskWatch:
    """What one task's progress is told by: its opening, its positions, its commits."""

    def __init__(self, now: float) -> None:
        self.told_at = now
        """When it last moved, or was last known to have nothing to do."""
        self._opening = Progress(now)
        self._applying = Progress(now)
        self._committing = Progress(now)
        self._position: int | None = None
        self._round = 0

    def moved(self, now: float, standing: Standing, rounds: int) -> None:
        """Notes whether it has moved since the last look."""
        if standing.position != self._position:
            self._position, self.told_at, self._round = standing.position, now, rounds

    def judge(
        self, now: float, standing: Standing, behind: tuple[Waiting, str] | None, worker: Worker, *, known: bool
    ) -> TaskHealth:
        """The task's health. `behind` is what an input that is not read to its end waits for; `known` whether the brokers told
        the ends it was judged by.
        """
        brokers = worker.brokers
        if standing.opening is not None:
            mark: object = (standing.opening, worker.restored)
            seconds = self._opening.look(now, mark, pending=brokers)
            waiting: Waiting | None = standing.opening
            about = ""
        else:
            stuck = self._committing.look(now, standing.commits, pending=brokers and standing.unwritten)
            mark = standing.position
            if behind and behind[0] in (Waiting.FETCH, Waiting.REFERENCE) and worker.rounds - self._round < _TURNS:
                mark = (standing.position, worker.position)
            still = self._applying.look(now, mark, pending=brokers and known and behind is not None)
            seconds = max(stuck, still)
            waiting, about = (Waiting.COMMIT, "") if stuck and stuck >= still else behind or (None, "")
            if brokers and not known:
                waiting, about = Waiting.BROKERS, ""
        return TaskHealth(
            standing.stage,
            standing.partition,
            standing.state,
            seconds,
            waiting if brokers else Waiting.BROKERS,
            about if brokers else "",
            standing.lag,
            None if standing.opening is None else (standing.restored / standing.total if standing.total else 0.0),
        )
