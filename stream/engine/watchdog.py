"""The watchdog: a worker that has something to do and does not move says so, says why, and ends by fail-stop.

The loop looks at the tasks. A thread of its own looks at the loop, for a loop that is blocked cannot tell of itself. Behind both
stands a timer that needs neither: where even the interpreter is held up, it writes the stacks and ends the process.
"""

from __future__ import annotations

import asyncio
import contextlib
import faulthandler
import sys
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import replace
from types import FrameType
from typing import Any

import structlog

from stream import metrics
from stream.engine import failstop
from stream.engine.checks import Admin
from stream.engine.progress import WORDS, Health, Lived, Progress, TaskHealth, TaskWatch, Waiting, Worker, by_cause
from stream.engine.source import Source, TaskKey
from stream.errors import StalledError
from stream.settings import Settings

log = structlog.get_logger()

_DEPTH = 30
"""Frames told of each stack."""


class Watchdog:
    """Watches one worker. `health` may be read from any thread."""

    def __init__(self, settings: Settings, source: Callable[[], Source | None]) -> None:
        self.limit = settings.stall_seconds
        # The group itself waits that long for a member that is dead before it lets anybody in.
        self._group_limit = max(self.limit, settings.session_timeout_ms / 1000 * 4 / 3)
        self._every = min(1.0, self.limit / 20)
        self._ask_every = min(5.0, self.limit / 10)
        self._source = source
        self._admin = Admin(settings)
        self._suspect_after = self.limit / 2
        self.health = Health(suspect_after=self._suspect_after)
        self._lived = Lived(2 * self._every)
        self._group = Progress(0.0)
        self._watches: dict[TaskKey, TaskWatch] = {}
        self._ends: dict[tuple[str, int], int] = {}
        self._unknown: set[tuple[str, int]] = set()
        self._brokers = True
        self._stopping = False
        self._beats = 0
        self._done = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._working: list[asyncio.Task[None]] = []
        self._suspected = False

    def start(self) -> None:
        """Begins to watch, from within the loop; before the group is joined, for that can hang too."""
        self._loop = asyncio.get_running_loop()
        self._working = [
            asyncio.create_task(failstop.guarded("watchdog", self._watch)),
            asyncio.create_task(failstop.guarded("watchdog's questions", self._question)),
        ]
        threading.Thread(target=self._guard, name="watchdog", daemon=True).start()

    def stopping(self) -> None:
        """The worker is being stopped: no more ready, and watched to its end."""
        self._stopping = True
        self.health = replace(self.health, stopping=True)

    def stop(self) -> None:
        """Ends the watch."""
        self._done.set()
        for work in self._working:
            work.cancel()
        faulthandler.cancel_dump_traceback_later()

    # -- in the loop ----------------------------------------------------------------------------------------------------

    async def _watch(self) -> None:
        while True:
            self._beats += 1
            # A kernel that never returns holds the interpreter, and with it every thread. Re-armed at each beat.
            with contextlib.suppress(OSError, ValueError, AttributeError):  # a stderr that is no file
                faulthandler.dump_traceback_later(1.5 * self.limit, exit=True, file=sys.stderr)
            await self._look()
            await asyncio.sleep(self._every)

    async def _look(self) -> None:
        now = self._lived.at(time.monotonic())
        source = self._source()
        if source is None:
            return
        group = self._group.look(now, source.rebalances, pending=self._brokers and not source.joined)
        tasks = await self._tasks(now, source)
        for gone in self._watches.keys() - source.runners.keys():
            del self._watches[gone]
        self.health = health = Health(
            tasks, source.joined, group, self._brokers, self._stopping, suspect_after=self._suspect_after
        )
        for task in tasks:
            if (task.stage, task.partition) in source.runners:
                metrics.STALLED.labels(task.stage, str(task.partition)).set(task.seconds)
        metrics.READY.set(not health.because)
        self._tell(health)
        stalled = [task for task in tasks if task.seconds >= self.limit]
        if stalled:
            first = min(stalled, key=by_cause)
            self._end(f"{first.name} has something to do and has not moved for {first.seconds:.0f} s: {first.words}", first.name)
        if group >= self._group_limit and not self._stopping:
            self._end(f"{WORDS[Waiting.GROUP]}, for {group:.0f} s", "group")

    async def _tasks(self, now: float, source: Source) -> tuple[TaskHealth, ...]:
        runners = source.runners.values()
        worker = Worker(
            self._brokers,
            sum(runner.restored[0] for runner in runners),
            sum(sum(runner.task.checkpoint.positions.values()) for runner in runners),
            source.rounds,
        )
        judged = [await self._task(now, source, key, worker) for key in sorted(source.runners)]
        return tuple(task for task in judged if task is not None)

    async def _task(self, now: float, source: Source, key: TaskKey, worker: Worker) -> TaskHealth | None:
        if (runner := source.runners.get(key)) is None:
            return None
        watch = self._watches.setdefault(key, TaskWatch(now))
        lag = source.lag(key)
        standing = runner.standing(sum(lag.values()) if lag else None)
        watch.moved(now, standing, worker.rounds)
        behind, known = None, True
        if standing.opening is None:
            at = {topic: source.tp(topic, key[1]) for topic in runner.task.stage.inputs}
            known = not any((tp.topic, tp.partition) in self._unknown for tp in at.values())
            ends = {topic: self._ends[tp.topic, tp.partition] for topic, tp in at.items() if tp in self._ends}
            behind = await source.behind(key, ends)
            if source.runners.get(key) is not runner:
                return None  # a rebalance came in between
        return watch.judge(now, standing, behind, worker, known=known)

    def _tell(self, health: Health) -> None:
        slow = [task for task in health.tasks if task.seconds >= self._suspect_after]
        if slow and not self._suspected:
            first = min(slow, key=by_cause)
            log.warning("no progress", task=first.name, reason=first.words, seconds=round(first.seconds, 1), tasks=len(slow))
        self._suspected = bool(slow)

    # -- questions to the brokers ---------------------------------------------------------------------------------------

    async def _question(self) -> None:
        """Asks on a connection of its own whether the brokers answer, and where the inputs of silent tasks end. What it is
        told and the tasks are not is theirs to explain; what the brokers do not tell, nobody can wait for any faster.
        """
        while True:
            source = self._source()
            asked: dict[TaskKey, list[tuple[str, int]]] = {}
            if source is not None:
                asked = {key: self._inputs(source, key) for key in source.runners if self._silent(key)}
            ends = await asyncio.to_thread(
                self._admin.ends, [each for inputs in asked.values() for each in inputs], self._ask_every
            )
            if (ends is not None) != self._brokers:
                self._brokers = ends is not None
                log.warning("the brokers answer again" if self._brokers else "the brokers do not answer: not ready, and waiting")
            if ends is not None:
                self._take(asked, ends)
            await asyncio.sleep(self._ask_every)

    def _inputs(self, source: Source, key: TaskKey) -> list[tuple[str, int]]:
        return [tuple(source.tp(topic, key[1])) for topic in source.runners[key].task.stage.inputs]

    def _silent(self, key: TaskKey) -> bool:
        watch = self._watches.get(key)
        return watch is not None and self._lived.seconds - watch.told_at > self.limit / 4

    def _take(self, asked: dict[TaskKey, list[tuple[str, int]]], ends: dict[tuple[str, int], int]) -> None:
        every = {each for inputs in asked.values() for each in inputs}
        unknown = every - ends.keys()
        self._unknown = (self._unknown - every) | unknown
        self._ends.update(ends)

    # -- outside the loop -----------------------------------------------------------------------------------------------

    def _guard(self) -> None:
        """The thread: sees whether the loop comes round."""
        lived, silent = Lived(2 * self._every), Progress(0.0)
        while not self._done.wait(self._every):
            seconds = silent.look(lived.at(time.monotonic()), self._beats, pending=True)
            if seconds < self._suspect_after:
                continue
            busy = self._busy()
            self.health = replace(self.health, tasks=tuple(busy), blocked=seconds)
            metrics.READY.set(0)
            if seconds >= self.limit:
                name = busy[0].name if busy else "the worker"
                self._end(f"{name}: {WORDS[Waiting.LOOP]}, for {seconds:.0f} s", name)

    def _busy(self) -> list[TaskHealth]:
        """The task that the loop is busy with, where it is busy with one."""
        source = self._source()
        runners = {} if source is None else dict(source.runners)
        names = {f"{stage}[{partition}]" for (stage, partition), runner in runners.items() if runner.applying}
        return [task for task in self.health.tasks if task.name in names]

    def _end(self, message: str, where: str) -> None:
        threads, tasks = stacks(self._loop)
        log.critical("stalled", where=where, threads=threads, tasks=tasks)
        failstop.stop(StalledError(message), where)


def stacks(loop: asyncio.AbstractEventLoop | None) -> tuple[dict[str, list[str]], list[dict[str, Any]]]:
    """Where every thread and every task of a loop stands: files, lines and names of functions, never their variables."""
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    threads = {
        names.get(ident, str(ident)): _frames(list(traceback.walk_stack(frame)))
        for ident, frame in sys._current_frames().items()
    }
    waiting: Counter[tuple[str, ...]] = Counter()
    for task in asyncio.all_tasks(loop) if loop is not None else ():
        waiting[tuple(_awaited(task.get_coro()))] += 1
    return threads, [{"times": times, "stack": list(stack)} for stack, times in waiting.most_common(100)]


def _frames(frames: list[tuple[FrameType, int]]) -> list[str]:
    return [f"{frame.f_code.co_filename}:{line} {frame.f_code.co_name}" for frame, line in frames[:_DEPTH]]


def _awaited(work: Coroutine[Any, Any, Any] | Any) -> list[str]:
    """The chain of awaits, outermost first."""
    found: list[tuple[FrameType, int]] = []
    while work is not None and len(found) < _DEPTH:
        frame = getattr(work, "cr_frame", None) or getattr(work, "gi_frame", None) or getattr(work, "ag_frame", None)
        if frame is not None:
            found.append((frame, frame.f_lineno))
        work = getattr(work, "cr_await", None) or getattr(work, "gi_yieldfrom", None) or getattr(work, "ag_await", None)
    return _frames(found)
