"""When a transaction that Kafka left open may be aborted, and when only a person may say."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from aiokafka import TopicPartition

from stream.engine import changelog, hanging
from stream.engine.hanging import Ends, Watch

CHANGES, JOURNAL = TopicPartition("changes", 0), TopicPartition("journal", 0)


@pytest.mark.parametrize(
    ("journal", "may"),
    [
        pytest.param(lambda n: Ends(100, 101), True, id="it stands still: nothing was decided"),
        pytest.param(lambda n: Ends(100, 101 + n), True, id="it stands still, and the other stage writes behind it"),
        pytest.param(lambda n: Ends(100, 100), False, id="all is decided in it: part of the transaction was"),
        pytest.param(lambda n: Ends(100 + n, 102 + n), False, id="it gets on, the other stage's transactions come and go"),
        pytest.param(lambda n: Ends(100 + n // 40, 130), False, id="it gets on slowly"),
        pytest.param(lambda n: Ends(100, 101) if n % 40 else Ends(101, 101), False, id="it is decided now and then"),
    ],
)
def test_only_a_journal_that_stands_still_lets_the_transaction_be_aborted(journal: Callable[[int], Ends], may: bool) -> None:
    watch = Watch(10.0)
    assert any(watch.may_abort(journal(n)) for n in range(200)) == may


def test_it_is_not_aborted_before_a_transaction_of_the_other_stage_must_have_timed_out() -> None:
    watch = Watch(10.0)
    looks = [watch.may_abort(Ends(100, 101)) for _ in range(80)].index(True)
    assert looks * hanging._LOOK >= 10.0 + 10.0, "its timeout, and the interval at which Kafka looks for those that timed out"


class Kafka:
    """A changelog with a transaction that its coordinator has forgotten, and the producer whose abort ends it."""

    def __init__(self, *, ends_with_the_abort: bool = True) -> None:
        self.decided = {CHANGES: 50, JOURNAL: 100}
        self.written = {CHANGES: 60, JOURNAL: 101}
        self.aborts = 0
        self._ends = ends_with_the_abort

    def reader(self, ends: dict[TopicPartition, int]) -> Any:
        class Reader:
            async def end_offsets(self, partitions: list[TopicPartition]) -> dict[TopicPartition, int]:
                return {partition: ends[partition] for partition in partitions}

        return Reader()

    async def abort_leftovers(self) -> None:
        self.aborts += 1
        self.written.update({place: end + 2 for place, end in self.written.items()})
        if self._ends:
            self.decided.update(self.written)

    async def settled(self, told: Callable[[int, int], None] = lambda done, total: None) -> int:
        writer: Any = self
        stable, high = self.reader(self.decided), self.reader(self.written)
        return await asyncio.wait_for(hanging.end(writer, stable, high, CHANGES, JOURNAL, 1.0, told), timeout=1.0)


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hanging, "_LOOK", 0.001)
    monkeypatch.setattr(hanging, "_OVERDUE", -0.99)


@pytest.mark.usefixtures("at_once")
def test_it_is_aborted_once_and_the_changelog_ends_behind_it() -> None:
    kafka, told = Kafka(), list[tuple[int, int]]()
    assert asyncio.run(kafka.settled(lambda done, total: told.append((done, total)))) == 62
    assert kafka.aborts == 1
    assert told[0] == (1, 11)
    assert max(told) == (11, 11), "the wait for it is no stall"


@pytest.mark.usefixtures("at_once")
def test_it_waits_where_the_abort_did_not_end_it() -> None:
    kafka, told = Kafka(ends_with_the_abort=False), list[tuple[int, int]]()
    with pytest.raises(TimeoutError):
        asyncio.run(kafka.settled(lambda done, total: told.append((done, total))))
    assert kafka.aborts == 1
    assert told[-1] == (11, 11), "from here on it is a stall"


def test_a_restore_goes_on_to_where_the_leader_is_if_the_end_was_an_old_leaders(monkeypatch: pytest.MonkeyPatch) -> None:
    class Consumer:
        """Of a changelog with 4 records, two of which came after the end that was told."""

        def __init__(self, **_: object) -> None:
            self._read = 0

        async def start(self) -> None: ...
        async def stop(self) -> None: ...
        def assign(self, _: object) -> None: ...
        def seek(self, *_: object) -> None: ...

        async def beginning_offsets(self, partitions: list[TopicPartition]) -> dict[TopicPartition, int]:
            return dict.fromkeys(partitions, 0)

        async def getmany(self, partition: TopicPartition, **_: object) -> dict[TopicPartition, list[Any]]:
            self._read += 2
            return {partition: [type("Record", (), {"key": b"k%d" % self._read, "value": b"v"})]}

        def highwater(self, _: TopicPartition) -> int | None:
            return 4 if self._read else None

        async def position(self, _: TopicPartition) -> int:
            return self._read

    class Task:
        placement = type("Placement", (), {"partition": 0})
        keys: list[bytes] = []  # noqa: RUF012 # one task, one list

        def restore(self, rows: list[tuple[bytes, bytes]]) -> bool:
            self.keys += [key for key, _ in rows]
            return True

    async def run() -> list[bytes]:
        task: Any = Task()
        turn = asyncio.Lock()
        await changelog.restore(task, "changes", 2, {}, lambda done, total: None, check_crcs=True, turn=turn)
        return list(task.keys)

    monkeypatch.setattr(changelog, "AIOKafkaConsumer", Consumer)
    assert asyncio.run(run()) == [b"k2", b"k4"]
