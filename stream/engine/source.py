"""The source: one consumer for all inputs of all stages. It polls, orders by rank, and hands chunks to the stages.

What it promises the tasks: each chunk continues where the one before it ended; a chunk is handed over only when its task's
lower ranks had been read to the ends they had after the chunk was fetched; after a rebalance no chunk of the time before it is
applied. All of it is bounded: at most one chunk of an input waits, and the channel to a stage holds a few.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
import uuid
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.errors import KafkaError, NoOffsetForPartitionError, OffsetOutOfRangeError

from stream import metrics, rights
from stream.engine import consuming, failstop, hanging
from stream.engine.pacing import Pacer
from stream.engine.progress import Waiting
from stream.engine.runner import Runner, State, verify
from stream.engine.step import Placement, Record, Stage
from stream.engine.task import Chunk, Context, Task
from stream.engine.transaction import Writer
from stream.errors import CheckpointError, EngineError, EwsError, FencedError, GapError, TopicsError
from stream.settings import Settings
from stream.topics import CATALOGUE

log = structlog.get_logger()

TaskKey = tuple[str, int]

_POLL_MS = 20
_ENDS_TIMEOUT = 5.0
_OFFSETS_EVERY = 5.0


class Delivery(NamedTuple):
    """A chunk on its way to its task; `epoch` tells before which rebalance it was fetched."""

    task: TaskKey
    epoch: int
    chunk: Chunk


class _Waiting:
    """A chunk that may not be applied before the lower ranks of its task reach `targets`."""

    __slots__ = ("chunk", "targets")

    def __init__(self, chunk: Chunk) -> None:
        self.chunk = chunk
        self.targets: dict[str, int] | None = None


def common(written: Mapping[TaskKey, Mapping[str, int]], readers: Mapping[str, Sequence[str]]) -> dict[tuple[str, int], int]:
    """By topic and partition, how far all its readers have written what they made of it.

    Nothing where one of them has written nothing yet: the group's offsets bear witness that there was state, and a task that
    comes back without any must not be told so by its neighbour.
    """
    found: dict[tuple[str, int], int] = {}
    for topic, stages in readers.items():
        for number in {partition for _, partition in written}:
            positions = [written.get((stage, number), {}).get(topic) for stage in stages]
            known = [position for position in positions if position is not None]
            if len(known) == len(stages):
                found[topic, number] = min(known)
    return found


class Source(ConsumerRebalanceListener):  # type: ignore[misc]
    """Owns the consumer, the tasks that the group gave to this worker, and the order in which they are fed."""

    def __init__(
        self,
        settings: Settings,
        stages: Iterable[Stage],
        partitions: int,
        topic_ids: dict[str, str],
        config_hash: str,
        deliver: Callable[[Delivery], Awaitable[None]],
        fenced: Callable[[FencedError], Awaitable[EwsError]],
    ) -> None:
        self.settings = settings
        self.stages = {stage.name: stage for stage in stages}
        self.partitions = partitions
        self.topic_ids = topic_ids
        self.runners: dict[TaskKey, Runner] = {}
        self.epoch = 0
        self.rebalances = 0
        self.joined = False
        """Whether the group's present assignment is known here."""
        self.client_id = f"{settings.app}-{uuid.uuid4().hex[:12]}"
        self.pacer = Pacer(settings.commit_interval_ms / 1000)
        self._restoring = asyncio.Lock()
        topics = sorted({topic for stage in self.stages.values() for topic in stage.inputs})
        self._physical = {topic.name: settings.topic(topic.name) for topic in CATALOGUE}
        self._logical = {physical: logical for logical, physical in self._physical.items()}
        self._readers = {topic: [s.name for s in self.stages.values() if topic in s.inputs] for topic in topics}
        self._context = Context(
            config_hash, settings.dead_letter_limit, settings.max_record_bytes, self._physical, settings.app
        )
        self._deliver = deliver
        self._fenced = fenced
        self._waiting: dict[TaskKey, dict[str, deque[_Waiting]]] = {}
        self._read: dict[TopicPartition, int] = {}
        self._assigned: set[TopicPartition] = set()
        self.rounds = 0
        """How often every partition that had something fetched has had its turn: the consumer empties what it fetched of one
        before it hands out the next, in order."""
        self._served: set[TopicPartition] = set()
        self._serving: TopicPartition | None = None
        self._under_way: Counter[TaskKey] = Counter()
        """Chunks that are handed to a stage and not applied yet."""
        self._closing: set[asyncio.Task[None]] = set()
        self._reporting: asyncio.Task[None] | None = None
        self._polled = asyncio.Event()
        self._polled.set()
        self._check_crcs = not settings.embedded_broker
        self._options = settings.aiokafka()  # once: each call reads the certificates
        shared = {**self._options, "isolation_level": "read_committed", "enable_auto_commit": False}
        self.consumer = AIOKafkaConsumer(
            **shared,
            client_id=self.client_id,
            group_id=settings.group,
            group_instance_id=settings.instance_id,
            auto_offset_reset="none",
            partition_assignment_strategy=(RangePartitionAssignor,),
            session_timeout_ms=settings.session_timeout_ms,
            heartbeat_interval_ms=min(3_000, settings.session_timeout_ms // 10),
            max_poll_interval_ms=max(300_000, settings.session_timeout_ms),
            fetch_max_wait_ms=_POLL_MS,
            max_partition_fetch_bytes=2 << 20,
            check_crcs=self._check_crcs,
        )
        # End offsets are asked on connections of their own: on the consumer's they would wait behind its long polls.
        self._ends = AIOKafkaConsumer(**shared, client_id=self.client_id + "-ends", check_crcs=self._check_crcs)
        # Its end offsets count what is not committed, too.
        self._high = AIOKafkaConsumer(**self._options, client_id=self.client_id + "-high", enable_auto_commit=False)

    # -- life -----------------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Joins the group."""
        await self._ends.start()
        await self._high.start()
        self.consumer.subscribe(
            [self._physical[topic] for topic in self._readers],
            listener=self,
        )
        await self.consumer.start()

    async def stop(self) -> None:
        """Commits what has been applied, closes the tasks and leaves the group."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._polled.wait(), timeout=_ENDS_TIMEOUT)
        self.epoch += 1
        await self._commit_all()
        await asyncio.gather(*[runner.close() for runner in self.runners.values()])
        self.runners.clear()
        for consumer in (self.consumer, self._ends, self._high):
            await consuming.stop(consumer)

    async def poll(self, stopping: Callable[[], bool]) -> None:
        """Polls until told to stop."""
        loop = asyncio.get_running_loop()
        housekeeping = loop.time()
        self._polled.clear()
        try:
            while not stopping():
                for partition, records in (await self._getmany()).items():
                    self._count_turn(partition)
                    await self._take(partition, records)
                if loop.time() - housekeeping >= _OFFSETS_EVERY:
                    housekeeping = loop.time()
                    await self._pass_markers()
                    if self._reporting is None or self._reporting.done():
                        self._reporting = asyncio.create_task(self._report_offsets())
                await self._release()
        finally:
            self._polled.set()

    async def apply(self, delivery: Delivery) -> None:
        """Applies a delivered chunk to its task; one from before a rebalance is dropped, its records are read again."""
        if (runner := self.runners.get(delivery.task)) is not None:
            await runner.room()
        self._under_way[delivery.task] -= 1
        # From here on nothing waits: a rebalance cannot come between the check and the apply.
        runner = self.runners.get(delivery.task)
        if runner is None or delivery.epoch != self.epoch or runner.state is not State.OPEN:
            return
        loop = asyncio.get_running_loop()
        started = loop.time()
        runner.apply(delivery.chunk)
        metrics.APPLY_SECONDS.labels(delivery.task[0]).observe(loop.time() - started)
        if self.settings.log_sample:
            self._tell_sample(delivery)

    def _tell_sample(self, delivery: Delivery) -> None:
        """Tells of one record among many where it lay. A key names somebody, and a value says things: neither is told."""
        stage, partition = delivery.task
        for record in delivery.chunk.records:
            if record.offset % self.settings.log_sample == 0:
                trace = next((value for name, value in record.headers if name == "traceparent" and value), b"")
                log.info(
                    "event",
                    stage=stage,
                    topic=delivery.chunk.topic,
                    partition=partition,
                    offset=record.offset,
                    recorded=record.timestamp,
                    bytes=len(record.value or b""),
                    trace=trace.decode("ascii", "replace"),
                )

    async def configure(self, config_hash: str, stages: Iterable[Stage]) -> None:
        """Puts every task under another configuration, each between two of its chunks; later ones open under it.

        `stages` are the same in name and inputs. Returns when what was applied before is committed.
        """
        self.stages = {stage.name: stage for stage in stages}
        self._context = self._context._replace(config_hash=config_hash)
        await asyncio.gather(
            *[runner.configure(self.stages[name], self._context) for (name, _), runner in self.runners.items()]
        )

    def observe(self) -> None:
        """Tells the metrics where the tasks stand."""
        now = time.time()
        states = Counter(runner.state.value for runner in self.runners.values())
        for state in State:
            metrics.TASKS.labels(state.value).set(states[state.value])
        for (stage, number), runner in self.runners.items():
            partition = str(number)
            metrics.CLOCK.labels(stage, partition).set(runner.task.step.clock / 1000)
            behind = self.lag((stage, number))
            runner.lag = sum(behind.values())
            newest = runner.task.checkpoint.feeds
            for topic, lag in behind.items():
                metrics.LAG.labels(stage, topic, partition).set(lag)
                waited = runner.waited(topic, lag, now)
                metrics.LAG_SECONDS.labels(stage, topic, partition).set(waited)
            for topic, at in newest.items():
                metrics.LAST_EVENT.labels(stage, topic, partition).set(at / 1000)

    def lag(self, key: TaskKey) -> dict[str, int]:
        """Records between an open task's positions and the ends of its inputs, as far as fetches have told."""
        runner = self.runners[key]
        found: dict[str, int] = {}
        if runner.state is State.OPEN:
            for topic in runner.task.stage.inputs:
                partition = self.tp(topic, key[1])
                end = self.consumer.last_stable_offset(partition) if partition in self._assigned else None
                if end is not None and end >= 0:
                    found[topic] = max(0, end - runner.task.position(topic))
        return found

    async def behind(self, key: TaskKey, ends: dict[str, int]) -> tuple[Waiting, str] | None:
        """What a task waits for that stands before some of these ends of its inputs (by logical topic), and the topic at
        fault; None where nothing but transaction markers is left to read, or what another task holds up that is not open yet.
        """
        runner = self.runners[key]
        inputs = sorted(runner.task.stage.inputs, key=runner.task.stage.rank)
        late = [
            topic
            for topic in inputs
            if topic in ends and runner.task.position(topic) < ends[topic] and self._wanted(topic, key[1])
        ]
        if not late:
            return None
        if runner.full:
            return Waiting.COMMIT, ""
        if self._under_way[key] > 0:
            return Waiting.APPLY, ""
        queues = self._waiting.get(key, {})
        root: tuple[Waiting, str] | None = None
        for topic in late:
            queue = queues.get(topic)
            if queue and root is not None:
                return Waiting.REFERENCE, root[1]
            if queue and queue[0].targets is None:
                root = Waiting.ENDS, topic
            elif queue:
                unread = [low for low, end in queue[0].targets.items() if await self._handed(key, low) < end]  # type: ignore[union-attr]
                return (Waiting.REFERENCE, unread[0]) if unread else (Waiting.APPLY, topic)
            elif root is None and await self._handed(key, topic) < ends[topic]:
                root = Waiting.FETCH, topic
        return root

    async def _handed(self, key: TaskKey, topic: str) -> int:
        """As `handed_over`, but it returns: -1 where the consumer does not tell."""
        try:
            return await asyncio.wait_for(self.handed_over(key, topic), timeout=1.0)
        except (KafkaError, TimeoutError):
            return -1

    # -- rebalances -----------------------------------------------------------------------------------------------------

    @property
    def member_id(self) -> str:
        """What the group calls this worker; empty while it is joining."""
        coordinator = self.consumer._coordinator  # aiokafka has no public name for it
        return "" if coordinator is None else str(coordinator.member_id)

    @property
    def generation(self) -> int:
        """Which round of the group this worker is in: one more for each rebalance; -1 while it is in none."""
        coordinator = self.consumer._coordinator
        return -1 if coordinator is None else int(coordinator.generation)

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        """Stops handing out, and commits; the tasks live on, for the next assignment mostly returns them."""

        async def revoke() -> None:
            self.epoch += 1
            self.joined = False
            self._assigned = set()
            self._waiting.clear()
            await self._commit_all()

        await failstop.guarded("revocation", revoke)

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        """Keeps the tasks that came back, closes those that did not, opens new ones in the background. Short by design:
        no heartbeat is sent while it runs."""

        async def assign() -> None:
            self.epoch += 1
            self.rebalances += 1
            metrics.REBALANCES.inc()
            wanted = self._tasks_of(assigned)
            for key in [key for key in self.runners if key not in wanted]:
                self._close(self.runners.pop(key))
            self._assigned = set(assigned)
            self._read = {}
            self._waiting = {}
            for partition in assigned:
                # A position must stand before the first fetch, or the consumer asks the group for one.
                self.consumer.seek(partition, 0)
                self.consumer.pause(partition)
            for key in sorted(wanted):
                if key in self.runners:
                    self._resume_ready(self.runners[key])
                else:
                    self.runners[key] = self._open(key)
            if beyond := sorted(p for _, p in wanted if p >= self.partitions):
                raise CheckpointError(
                    f"the topics now have a partition {beyond[-1]}, they had {self.partitions}: keys lie elsewhere now: "
                    f"{CheckpointError.FRESH}."
                )
            self.joined = True
            tasks = [f"{stage}[{p}]" for stage, p in sorted(wanted)]
            log.info("assigned", generation=self.generation, tasks=tasks)

        await failstop.guarded("assignment", assign)

    def _tasks_of(self, assigned: Iterable[TopicPartition]) -> set[TaskKey]:
        have = {(self._logical[partition.topic], partition.partition) for partition in assigned}
        wanted: set[TaskKey] = set()
        for stage in self.stages.values():
            for number in {partition for topic, partition in have if topic in stage.inputs}:
                missing = [topic for topic in stage.inputs if (topic, number) not in have]
                gone = [topic for topic in missing if not self.consumer.partitions_for_topic(self._physical[topic])]
                if gone:
                    raise TopicsError(
                        f"topic {self._physical[gone[0]]} is gone. Where it was deleted on purpose and is made anew "
                        f"(ews topics create), its offsets mean nothing to the checkpoint: {CheckpointError.FRESH}."
                    )
                if missing:
                    raise EngineError(
                        f"partition {number} of {missing} went to another worker than the rest of stage {stage.name}: all "
                        "workers of a group must run the same version and settings"
                    )
                wanted.add((stage.name, number))
        return wanted

    def _open(self, key: TaskKey) -> Runner:
        stage = self.stages[key[0]]
        placement = Placement(key[1], self.partitions, self.settings.partitioner)
        changelog_topic = self.settings.changelog(stage.name)
        writer = Writer(
            self._options,
            transactional_id=f"{rights.transactional_prefix(self.settings, stage.name)}{placement.partition}",
            timeout_ms=self.settings.transaction_timeout_ms,
            max_record_bytes=self.settings.max_record_bytes,
            partition=placement.partition,
            partitions=self.partitions,
            partitioner=self.settings.partitioner,
            changelog=changelog_topic,
            physical=self._physical,
        )
        runner = Runner(
            Task(stage, placement, self._context),
            writer,
            self.pacer,
            changelog_topic=changelog_topic,
            options=self._options,
            check_crcs=self._check_crcs,
            fenced=self._fenced,
            turn=self._restoring,
        )
        runner.start(self._settle, self._begin, self._resume_ready)
        return runner

    def _close(self, runner: Runner) -> None:
        closing = asyncio.create_task(failstop.guarded(f"close {runner.name}", runner.close))
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)

    async def _settle(self, runner: Runner) -> int:
        """Where a fenced task's changelog ends, once nothing in it is undecided."""
        stage, partition = runner.task.key
        changelog = TopicPartition(self.settings.changelog(stage), partition)
        timeout = self.settings.transaction_timeout_ms / 1000
        return await hanging.end(
            runner.writer, self._ends, self._high, changelog, self.tp("journal", partition), timeout, runner.progress
        )

    async def _begin(self, runner: Runner) -> None:
        """Checks a restored task against the topics as they are, and gives it its positions."""
        task = runner.task
        inputs = {topic: self.tp(topic, task.placement.partition) for topic in task.stage.inputs}
        begins = await self._ends.beginning_offsets(list(inputs.values()))
        ends = await self._ends.end_offsets(list(inputs.values()))
        bounds = {topic: (begins[tp], ends[tp]) for topic, tp in inputs.items()}
        verify(task, self.topic_ids, self.partitions, bounds)
        if not task.checkpoint.positions:
            await self._expect_nothing_before(runner, inputs, begins)
        task.begin(
            {topic: begin for topic, (begin, _) in bounds.items()},
            {topic: self.topic_ids.get(topic, "") for topic in inputs},
        )

    async def _expect_nothing_before(
        self, runner: Runner, inputs: dict[str, TopicPartition], begins: dict[TopicPartition, int]
    ) -> None:
        """A task without state starts at the beginning; the group's offsets bear witness when state there was."""
        for topic, partition in inputs.items():
            committed = await self.consumer.committed(partition)
            if committed is not None and committed > begins[partition]:
                raise CheckpointError(
                    f"{runner.name}: the changelog {self.settings.changelog(runner.task.stage.name)} holds no state, yet this "
                    f"app has read {topic} up to {committed}: the changelog was emptied or made anew. Restore it, or "
                    f"{CheckpointError.FRESH}."
                )

    def _resume_ready(self, runner: Runner) -> None:
        """Seeks and resumes those inputs of the task whose every reader is open (ticks have two)."""
        number = runner.task.placement.partition
        if runner.state is not State.OPEN:
            return
        for topic in runner.task.stage.inputs:
            partition = self.tp(topic, number)
            if partition not in self._assigned or not self._wanted(topic, number):
                continue
            position = min(self.runners[name, number].task.position(topic) for name in self._readers[topic])
            self._read[partition] = position
            self.consumer.seek(partition, position)
            self.consumer.resume(partition)

    def _wanted(self, topic: str, partition: int) -> bool:
        """Whether every task that reads a topic is open: before that nobody is given anything of it."""
        readers = [self.runners.get((name, partition)) for name in self._readers[topic]]
        return all(reader is not None and reader.state is State.OPEN for reader in readers)

    async def _commit_all(self) -> None:
        await asyncio.gather(*[runner.commit() for runner in self.runners.values()])

    # -- feeding --------------------------------------------------------------------------------------------------------

    async def _getmany(self) -> dict[TopicPartition, list[Record]]:
        try:
            batches: dict[TopicPartition, list[Record]] = await self.consumer.getmany(
                timeout_ms=_POLL_MS, max_records=self.settings.chunk_records
            )
        except NoOffsetForPartitionError:
            return {}  # an assignment is just being taken: every partition gets its position there
        except OffsetOutOfRangeError as error:
            if not any(partition in self._read for partition in error.args[0]):
                return {}  # paused partitions stand at 0 until their task is restored
            names = ", ".join(f"{p.topic}[{p.partition}]" for p in error.args[0])
            raise CheckpointError(
                f"{names}: the position is outside what the topic holds: records expired before they were read, or the topic "
                f"was made anew. Nothing was skipped. Raise the retention, or {CheckpointError.FRESH}."
            ) from error
        except UnicodeDecodeError as error:
            # The client reads a batch whole and cannot get past it; what it dropped on the way must not be skipped.
            raise EngineError(
                "a record in the inputs has a header whose name is not UTF-8, and its batch cannot be read: delete it "
                "(kafka-delete-records), or have the producer mended"
            ) from error
        return batches

    def _count_turn(self, partition: TopicPartition) -> None:
        if partition != self._serving:
            if partition in self._served:
                self._served.clear()
                self.rounds += 1
            self._served.add(partition)
            self._serving = partition

    async def _take(self, partition: TopicPartition, records: list[Record]) -> None:
        """Turns fetched records into a chunk for each stage that reads the topic, waiting for its ranks."""
        start = self._read.get(partition)
        if start is None or partition not in self._assigned:
            return
        to = await self.consumer.position(partition)
        if records and not start <= records[0].offset <= records[-1].offset < to:
            raise GapError(
                f"{partition.topic}[{partition.partition}]: fetched {records[0].offset} to {records[-1].offset}, which do not "
                f"lie in [{start}, {to})"
            )
        self._read[partition] = to
        topic = self._logical[partition.topic]
        shared = len(self._readers[topic]) > 1
        for name in self._readers[topic]:
            key = (name, partition.partition)
            begin = start
            if shared and (runner := self.runners.get(key)) is not None:
                begin = max(start, runner.task.position(topic))
                if to <= begin:
                    continue  # this reader of a shared topic is further on than the other
            mine = records if begin == start else [record for record in records if record.offset >= begin]
            queue = self._waiting.setdefault(key, {}).setdefault(topic, deque())
            queue.append(_Waiting(Chunk(topic, begin, to, mine)))

    async def _pass_markers(self) -> None:
        """Moves the tasks over offsets that hold no record (transaction markers), or retention would seem to pass them by."""
        for partition, start in list(self._read.items()):
            number, topic = partition.partition, self._logical[partition.topic]
            if any(self._waiting.get((name, number), {}).get(topic) for name in self._readers[topic]):
                continue
            if partition in self._assigned and await self.consumer.position(partition) > start:
                await self._take(partition, [])

    async def _release(self) -> None:
        """Hands over every waiting chunk whose lower ranks have reached the ends they had after it was fetched."""
        await self._aim()
        epoch = self.epoch
        for key, queues in list(self._waiting.items()):
            stage = self.stages[key[0]]
            for topic in sorted(queues, key=stage.rank):
                queue = queues[topic]
                while queue and await self._reached(key, queue[0]):
                    waiting = queue.popleft()
                    self._under_way[key] += 1
                    await self._deliver(Delivery(key, epoch, waiting.chunk))
                    if epoch != self.epoch:
                        return  # a rebalance came in between: what waited was dropped and will be read again
                partition = self.tp(topic, key[1])
                if partition in self._assigned and partition in self._read:
                    behind = any(self._waiting.get((name, key[1]), {}).get(topic) for name in self._readers[topic])
                    (self.consumer.pause if behind else self.consumer.resume)(partition)

    async def _aim(self) -> None:
        """Sets the targets of new chunks: the ends of all lower ranks of their task, in one question to the brokers."""
        fresh: list[tuple[TaskKey, _Waiting, list[str]]] = []
        for key, queues in self._waiting.items():
            stage = self.stages[key[0]]
            for topic, queue in queues.items():
                lower = [other for other in stage.inputs if stage.rank(other) < stage.rank(topic)]
                for waiting in queue:
                    if waiting.targets is not None:
                        continue
                    if lower:
                        fresh.append((key, waiting, lower))
                    else:
                        waiting.targets = {}
        if not fresh:
            return
        ends = await self.ends({self.tp(topic, key[1]) for key, _, lower in fresh for topic in lower})
        if ends is None:
            return
        for key, waiting, lower in fresh:
            waiting.targets = {topic: ends[self.tp(topic, key[1])] for topic in lower}

    async def ends(self, partitions: set[TopicPartition]) -> dict[TopicPartition, int] | None:
        """The ends of partitions as they are now; None when the brokers do not say (nothing may be assumed then)."""
        try:
            ends: dict[TopicPartition, int] = await asyncio.wait_for(
                self._ends.end_offsets(list(partitions)), timeout=_ENDS_TIMEOUT
            )
        except (KafkaError, TimeoutError) as error:
            log.warning("end offsets unknown, events wait", error=type(error).__name__)
            return None
        return ends

    async def _reached(self, key: TaskKey, waiting: _Waiting) -> bool:
        if waiting.targets is None:
            return False
        for topic, target in waiting.targets.items():
            if await self.handed_over(key, topic) < target:
                return False
        return True

    async def handed_over(self, key: TaskKey, topic: str) -> int:
        """The offset up to which a topic's chunks have been handed to the task (transaction markers count as read)."""
        queue = self._waiting.get(key, {}).get(topic)
        if queue:
            return queue[0].chunk.from_
        partition = self.tp(topic, key[1])
        if partition not in self._read or partition not in self._assigned:
            return -1
        position: int = await self.consumer.position(partition)
        return position

    def tp(self, topic: str, partition: int) -> TopicPartition:
        """A partition of a topic, by its logical name."""
        return TopicPartition(self._physical[topic], partition)

    async def _report_offsets(self) -> None:
        """Tells the group how far we are. Only monitoring reads it: the truth is in the checkpoint."""
        written = {key: runner.committed for key, runner in self.runners.items()}
        offsets = {
            partition: offset
            for (topic, number), offset in common(written, self._readers).items()
            if (partition := self.tp(topic, number)) in self._assigned
        }
        if not offsets:
            return
        try:
            await asyncio.wait_for(self.consumer.commit(offsets), timeout=_ENDS_TIMEOUT)
        except (KafkaError, TimeoutError) as error:
            log.debug("group offsets not written", error=type(error).__name__)
