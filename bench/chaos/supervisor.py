"""Keeps the workers running, as whatever runs them in production would: one that ends is started again at once."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from tests.kafka import Process
from tests.kafka.job import Job

_GRACE = 60.0
"""Seconds for an orderly end; then SIGKILL."""


class Exit(NamedTuple):
    """A worker ended that nobody had ended."""

    at: float
    """Seconds since the supervisor began."""
    name: str
    code: int


class Supervisor:
    """Workers by number. Those of even number have a stable name in the group (static members), the others come as strangers."""

    def __init__(self, job: Job, workers: Iterable[int]) -> None:
        self._job = job
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._stopped = threading.Event()
        self._since = time.monotonic()
        self.workers: dict[int, Process] = {number: self._start(number) for number in workers}
        self.kills = 0
        self.exits: list[Exit] = []
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _start(self, number: int) -> Process:
        # One log file for a name's whole life.
        name = f"w{number}"
        return self._job.start(name, **({"EWS_INSTANCE_ID": name} if number % 2 == 0 else {}))

    def log(self, number: int) -> Path:
        """What the worker of this number has said, in all its lives."""
        return self._job.folder / f"w{number}.err"

    def kill(self, numbers: Iterable[int]) -> None:
        """SIGKILL, and a new start for each."""
        with self._lock:
            numbers = list(numbers)
            for number in numbers:
                if self.workers[number].running:
                    self.workers[number].kill()
                    self.kills += 1
                else:
                    self._note(number)
            for number in numbers:
                self.workers[number] = self._start(number)

    def restart(self, number: int) -> int | None:
        """SIGTERM, and a new start. The exit code; None where it had ended before."""
        code = self.leave(number)
        self.join(number)
        return code

    def leave(self, number: int) -> int | None:
        """SIGTERM, and no new start. The exit code; None where it had ended before."""
        with self._lock:
            worker = self.workers.pop(number)
        if not worker.running:
            self._note(number, worker)
            return None
        return worker.stop(_GRACE)

    def join(self, number: int) -> None:
        """A further worker."""
        with self._lock:
            self.workers[number] = self._start(number)

    def freeze(self, number: int, seconds: float) -> None:
        """SIGSTOP, and SIGCONT after so long."""
        worker = self.workers[number]
        worker.pause()
        time.sleep(seconds)
        worker.resume()

    def stop(self) -> dict[str, int]:
        """Ends all workers in order (SIGTERM); their exit codes."""
        with self._lock:
            self._stopping.set()
        codes = {f"w{number}": worker.stop(_GRACE) for number, worker in self.workers.items()}
        self._stopped.set()
        self._thread.join()
        return codes

    def said(self, word: str) -> Iterator[dict[str, Any]]:
        """The lines of all logs whose event is `word`."""
        for file in sorted(self._job.folder.glob("w?.err")):
            for line in file.read_text(errors="replace").splitlines():
                if f'"event": "{word}"' in line:
                    try:
                        yield json.loads(line)
                    except ValueError:
                        continue  # killed in the middle of a word

    def reasons(self) -> Counter[str]:
        """Why workers ended by themselves, by their own word."""
        return Counter(line["error"] for line in self.said("fail-stop"))

    def rebalances(self) -> int:
        """Generations of the group after the first that any worker saw."""
        return max(0, len({line["generation"] for line in self.said("assigned")}) - 1)

    def _note(self, number: int, worker: Process | None = None) -> None:
        code = (worker or self.workers[number]).returncode
        assert code is not None
        self.exits.append(Exit(time.monotonic() - self._since, f"w{number}", code))

    def _watch(self) -> None:
        while not self._stopping.wait(0.05):
            with self._lock:
                if self._stopping.is_set():
                    break
                for number, worker in self.workers.items():
                    if not worker.running:
                        self._note(number)
                        self.workers[number] = self._start(number)
        # A worker dies with the thread that started it (see tests/kafka/leash.py).
        self._stopped.wait()
