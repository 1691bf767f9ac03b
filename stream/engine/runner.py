"""A task's life in a worker: fence, restore, run, commit, close."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from enum import Enum
from typing import Any

import structlog

from stream import metrics, tracing
from stream.engine import changelog, failstop
from stream.engine.pacing import Pacer, Timed
from stream.engine.progress import Standing, Waiting
from stream.engine.step import Stage
from stream.engine.task import Chunk, Commit, Context, Task
from stream.engine.transaction import Writer
from stream.errors import CheckpointError, EwsError, FencedError

log = structlog.get_logger()

ROOM = 100_000
"""Records a task may have applied and not yet committed; beyond it the stage waits for the broker."""


class State(Enum):
    """Where a task is in its life."""

    OPENING = "opening"
    OPEN = "open"
    CLOSED = "closed"


class Runner:
    """One task with its transactional producer."""

    def __init__(
        self,
        task: Task,
        writer: Writer,
        pacer: Pacer,
        *,
        changelog_topic: str,
        options: dict[str, Any],
        check_crcs: bool,
        fenced: Callable[[FencedError], Awaitable[EwsError]],
        turn: asyncio.Lock,
    ) -> None:
        self.task = task
        self.state = State.OPENING
        self.committed: dict[str, int] = {}
        """The inputs' positions of the last transaction written here."""
        self.commits = 0
        self.lag = 0
        """Records up to the ends of its inputs, when it was last looked at."""
        self.applying = False
        """Whether the loop is busy with this task at this moment."""
        self._step = Waiting.FENCE
        self.restored = (0, 0)
        """Offsets of the changelog read back, of how many; before that, looks at a transaction that does not end."""
        self._caught_up: dict[str, float] = {}
        """When an input was last seen to be read to its end."""
        self.writer = writer
        self._pacer = pacer
        self._changelog_topic = changelog_topic
        self._options = options
        self._check_crcs = check_crcs
        self._fenced = fenced
        self._turn = turn
        self._writing = asyncio.Lock()
        self._room = asyncio.Event()
        self._room.set()
        self._loop: asyncio.Task[None] | None = None
        self._opening: asyncio.Task[None] | None = None

    @property
    def name(self) -> str:
        """`stage[partition]`, for logs."""
        return f"{self.task.stage.name}[{self.task.placement.partition}]"

    def start(
        self,
        settle: Callable[[Runner], Awaitable[int]],
        begin: Callable[[Runner], Awaitable[None]],
        opened: Callable[[Runner], None],
    ) -> None:
        """Opens in the background: fences, lets `settle` tell where the changelog ends once nothing in it is undecided, restores
        to there, lets `begin` set the positions, and tells `opened`."""

        async def opening() -> None:
            started = time.monotonic()
            await self.writer.start()
            self._step = Waiting.SETTLE
            try:
                end = await settle(self)
            except FencedError as error:
                raise await self._fenced(error) from error
            self._step = Waiting.RESTORE
            await changelog.restore(
                self.task,
                self._changelog_topic,
                end,
                self._options,
                self.progress,
                check_crcs=self._check_crcs,
                turn=self._turn,
            )
            self._step = Waiting.START
            await begin(self)
            self.state = State.OPEN
            opened(self)
            self._loop = asyncio.create_task(failstop.guarded(f"commit {self.name}", self._commit_loop))
            log.info(
                "task open",
                task=self.name,
                rows=self.task.restored_rows,
                seconds=round(time.monotonic() - started, 3),
            )

        self._opening = asyncio.create_task(failstop.guarded(f"open {self.name}", opening))

    def progress(self, done: int, total: int) -> None:
        """Notes how far its opening is."""
        self.restored = (done, total)
        metrics.RESTORE_PROGRESS.labels(self.task.stage.name, str(self.task.placement.partition)).set(
            1.0 if not total else done / total
        )

    @property
    def full(self) -> bool:
        """Whether no more may be applied until a commit has ended."""
        return not self._room.is_set()

    def standing(self, lag: int | None) -> Standing:
        """Where it stands, for the watchdog."""
        task = self.task
        done, total = self.restored
        return Standing(
            task.stage.name,
            task.placement.partition,
            self.state.value,
            self._step if self.state is State.OPENING else None,
            done,
            total,
            sum(task.checkpoint.positions.values()),
            self.commits,
            task.unwritten or self._writing.locked(),
            lag,
        )

    def waited(self, topic: str, lag: int, now: float) -> float:
        """For how many seconds, at most, the oldest of the `lag` records of an input that are not applied has been there.

        It came after the newest that is applied, and after the input was last seen to be read to its end.
        """
        if lag == 0:
            self._caught_up[topic] = now
            return 0.0
        newest = self.task.checkpoint.feeds.get(topic, 0) / 1000
        return max(0.0, now - max(newest, self._caught_up.get(topic, 0.0)))

    async def room(self) -> None:
        """Waits while the broker is slower than the input: what is applied and not committed stays bounded."""
        await self._room.wait()

    def apply(self, chunk: Chunk) -> None:
        """Applies a chunk, synchronously."""
        self.applying = True
        self.task.apply(chunk)
        self.applying = False
        if self.task.events > ROOM:
            self._room.clear()

    async def commit(self) -> None:
        """Writes all that has been applied up to now."""
        async with self._writing:
            if self.state is State.OPEN:
                await self._write(self.task.take())

    async def configure(self, stage: Stage, context: Context) -> None:
        """Puts the task under another configuration, between two chunks: what was applied before is a transaction of its own."""
        async with self._writing:
            if self.state is State.CLOSED:
                return
            # In one block: chunks that are applied while the transaction is written are the new configuration's.
            commit = self.task.take()
            self.task.configure(stage, context)
            await self._write(commit)

    async def _write(self, commit: Commit | None) -> None:
        if commit is None:
            return
        started = time.perf_counter()
        timed = Timed(self.writer.write(commit))
        try:
            await timed
        except FencedError as error:
            raise await self._fenced(error) from error
        self._pacer.record(self.task.key, timed.cpu)
        self.committed = commit.positions
        self.commits += 1
        self._room.set()
        seconds = time.perf_counter() - started
        metrics.observe_commit(self.task.stage.name, seconds, commit, time.time())
        tracing.observe_commit(self.task.stage.name, self.task.placement.partition, seconds, commit)
        # One line says all of a commit; at the usual level it costs a call of nothing.
        log.debug(
            "commit",
            stage=self.task.stage.name,
            partition=self.task.placement.partition,
            events=commit.events,
            rows=len(commit.rows),
            outputs=len(commit.outputs),
            seconds=round(seconds, 4),
            lag=self.lag,
        )

    async def _commit_loop(self) -> None:
        while self.state is State.OPEN:
            await asyncio.sleep(self._pacer.interval())
            await self.commit()

    async def close(self) -> None:
        """Leaves the task: no further commit, connections closed. What was not committed is applied again by the next owner."""
        self.state = State.CLOSED
        self._pacer.forget(self.task.key)
        if self._opening is not None:
            self._opening.cancel()
        async with self._writing:  # a transaction under way ends first
            if self._loop is not None:
                self._loop.cancel()
            await self.writer.stop()
        metrics.forget_task(self.task.stage.name, self.task.placement.partition, self.task.stage.inputs)


def verify(
    task: Task,
    topic_ids: dict[str, str],
    partitions: int,
    bounds: dict[str, tuple[int, int]],
) -> None:
    """Checks a restored checkpoint against the topics as they are. `bounds` are the begin and end offsets by logical topic.

    Raises CheckpointError that names the topic and the way out.
    """
    state = task.checkpoint
    where = f"{task.stage.name}[{task.placement.partition}]"
    if not state.positions:
        return
    if state.partitions != partitions:
        raise CheckpointError(
            f"{where}: the state was made with {state.partitions} partitions, the topics have {partitions}. Keys lie elsewhere "
            f"now: {CheckpointError.FRESH}."
        )
    if state.partitioner != task.placement.partitioner:
        raise CheckpointError(
            f"{where}: the state was made with partitioner {state.partitioner}, EWS_PARTITIONER says "
            f"{task.placement.partitioner}: set it back, or {CheckpointError.FRESH}."
        )
    for topic, position in state.positions.items():
        if topic not in bounds:
            continue
        was, now = state.topic_ids.get(topic, ""), topic_ids.get(topic, "")
        if was and now and was != now:
            raise CheckpointError(
                f"{where}: topic {topic} is not the one the checkpoint was made on (it was deleted and created again): its "
                f"offsets mean nothing. Restore the topic, or {CheckpointError.FRESH}."
            )
        begin, end = bounds[topic]
        if not begin <= position <= end:
            raise CheckpointError(
                f"{where}: the checkpoint of {topic} stands at {position}, the topic holds [{begin}, {end}]. "
                + (
                    "Records expired before they were read; raise the topic's retention. "
                    if position < begin
                    else "The topic has lost records. "
                )
                + f"To go on knowingly, {CheckpointError.FRESH}."
            )
