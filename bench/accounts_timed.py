"""A worker of the accounts stage alone that tells where its CPU time goes: what `bench.compare` runs.

Each commit adds a line of JSON to the file `BENCH_TIMES`: events applied so far, the process's CPU seconds, and those of the
parts. The parts run without a break in between, so the thread's clock around them is theirs. Two looks at it for a chunk or a
commit cost nothing.
"""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from bench.reference import TOPICS
from stream import app, settings
from stream.agents import columns
from stream.agents.accounts import AccountsStep
from stream.engine.task import Chunk, Task
from stream.engine.transaction import Writer

SPENT: Counter[str] = Counter()


def timed(owner: Any, name: str, part: str) -> None:
    """Lets every call of `owner.name` count for `part`."""
    inner: Callable[..., Any] = getattr(owner, name)

    def call(*given: Any, **named: Any) -> Any:
        start = time.thread_time()
        found = inner(*given, **named)
        SPENT[part] += time.thread_time() - start
        return found

    setattr(owner, name, call)


def main() -> None:
    """Entry point."""
    timed(columns, "read", "read")
    timed(AccountsStep, "_process", "pass")
    timed(AccountsStep, "apply", "apply")
    timed(AccountsStep, "drain", "drain")
    applying, batches = Task.apply, Writer._batches
    events = 0

    def apply(task: Task, chunk: Chunk) -> None:
        nonlocal events
        applying(task, chunk)
        events += len(chunk.records) if chunk.topic in TOPICS else 0

    def listed(writer: Writer, commit: Any) -> Any:
        start = time.thread_time()
        found = list(batches(writer, commit))
        SPENT["batches"] += time.thread_time() - start
        line = {"events": events, "cpu": time.process_time(), **SPENT}
        with open(os.environ["BENCH_TIMES"], "a") as file:
            file.write(json.dumps(line) + "\n")
        return found

    Task.apply, Writer._batches = apply, listed  # type: ignore[method-assign]
    app.run(settings.load(), lambda config: app.stages(config)[:1])


if __name__ == "__main__":
    main()
