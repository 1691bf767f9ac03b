"""What the log says of commits and records: a line for each commit, one record in so many, and never what a record says."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

from structlog.testing import capture_logs

from stream.engine.offline import Line
from stream.engine.pacing import Pacer
from stream.engine.runner import Runner, State
from stream.engine.source import Delivery, Source
from stream.engine.step import Placement
from stream.engine.task import Chunk, Commit, Context, Task
from stream.topics import CATALOGUE
from tests.kafka.toy import stages

TRACE = b"00-" + b"a" * 32 + b"-" + b"b" * 16 + b"-01"


class Written:
    """A writer that takes everything."""

    async def write(self, commit: Commit) -> None:
        await asyncio.sleep(0)


def test_a_commit_is_one_line_at_debug() -> None:
    stage = stages()[0]
    task = Task(stage, Placement(2, 4, "murmur2"), Context("c", 1.0, 20_000, {t.name: t.name for t in CATALOGUE}))
    task.begin(dict.fromkeys(stage.inputs, 0), {})
    writer: Any = Written()

    async def run() -> None:
        runner = Runner(
            task, writer, Pacer(0.1), changelog_topic="", options={}, check_crcs=False, fenced=writer, turn=asyncio.Lock()
        )
        runner.state, runner.lag = State.OPEN, 17
        runner.apply(Chunk("payments", 0, 10, [Line(n, 1, b"A-1", b"x") for n in range(10)]))
        await runner.commit()

    with capture_logs() as lines:
        asyncio.run(run())
    [line] = lines
    assert line.pop("seconds") >= 0
    assert line == {
        "event": "commit", "log_level": "debug", "stage": "accounts", "partition": 2, "events": 10, "rows": 2, "outputs": 1,
        "lag": 17,
    }  # fmt: skip


def sampled(every: int) -> list[Any]:
    records = [Line(offset, 1_700, b"A-secret", b'{"amount": 1}', (("traceparent", TRACE),)) for offset in range(95, 106)]
    source: Any = SimpleNamespace(settings=SimpleNamespace(log_sample=every))
    with capture_logs() as lines:
        Source._tell_sample(source, Delivery(("accounts", 3), 0, Chunk("payments", 95, 106, records)))
    return lines


def test_one_record_in_so_many_is_told_by_its_place_and_never_by_what_it_says() -> None:
    [line] = sampled(50)
    assert line == {
        "event": "event", "log_level": "info", "stage": "accounts", "topic": "payments", "partition": 3, "offset": 100,
        "recorded": 1_700, "bytes": 13, "trace": TRACE.decode(),
    }  # fmt: skip
    assert [line["offset"] for line in sampled(5)] == [95, 100, 105]
