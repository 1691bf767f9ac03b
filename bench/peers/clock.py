"""How each Python peer takes its time: over the second half of the records, when it is warm."""

from __future__ import annotations

import json
import os
import time


class Clock:
    """Counts records; `done` once there were `total`."""

    def __init__(self, total: int) -> None:
        self.done = False
        self._total = total
        self._seen = 0
        self._half: tuple[int, float, float] | None = None
        self._end = (0.0, 0.0)

    def count(self, records: int = 1) -> None:
        """So many more have been processed."""
        self._seen += records
        if self._half is None and self._seen >= self._total // 2:
            self._half = self._seen, time.perf_counter(), time.process_time()
        if self._seen >= self._total and not self.done:
            self.done = True
            self._end = time.perf_counter(), time.process_time()

    def tell(self) -> None:
        """Prints the result, one line of JSON."""
        assert self._half is not None
        seen, wall, cpu = self._half
        rest = self._seen - seen
        result = {"events_per_second": rest / (self._end[0] - wall), "cpu_us_per_event": (self._end[1] - cpu) / rest * 1e6}
        # Not `print`: Faust takes stdout for its log.
        os.write(1, json.dumps(result).encode() + b"\n")
