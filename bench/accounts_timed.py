"""A worker of the accounts stage alone that tells where its CPU time goes: what `bench.compare` runs.

Each commit adds a line of JSON to the file `BENCH_TIMES`: events so far, the process's CPU seconds, and those of the parts. The
parts run without a break in between, so the thread's clock around them is theirs. Two calls of it a chunk or commit cost nothing.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from stream import app, settings
from stream.agents import columns
from stream.agents.accounts import AccountsStep
from stream.engine.task import Task
from stream.engine.transaction import Writer

SPENT: Counter[str] = Counter()
EVENTS: Counter[str] = Counter()
_LOCK = threading.Lock()


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
    taking, batches = Task.take, Writer._batches

    def take(task: Task) -> Any:
        EVENTS["all"] += task.events
        return taking(task)

    def listed(writer: Writer, commit: Any) -> Any:
        start = time.thread_time()
        found = list(batches(writer, commit))
        SPENT["batches"] += time.thread_time() - start
        line = {"events": EVENTS["all"], "cpu": time.process_time(), **SPENT}
        with _LOCK, open(os.environ["BENCH_TIMES"], "a") as file:
            file.write(json.dumps(line) + "\n")
        return found

    Task.take, Writer._batches = take, listed  # type: ignore[method-assign]
    app.run(settings.load(), lambda config: app.stages(config)[:1])


if __name__ == "__main__":
    main()
