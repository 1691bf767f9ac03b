"""Instructions of the hot path on a fixed input: the same on a busy machine as on an idle one, which times are not.

`python -m bench.instructions` counts under valgrind's callgrind what an event takes of the accounts stage: reading (JSON to
columns), applying (with reading) and draining. Exit code 1 where one takes more than bench/results/instructions.json allows;
`--write` keeps the new counts. Without valgrind it says so and does nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from bench import reference
from bench.machine import machine

KEPT = Path(__file__).parent / "results" / "instructions.json"
TOLERANCE = 0.05
"""More than this above what is kept is a step back."""
EVENTS, ACCOUNTS = 20_000, 5_000


def work() -> dict[str, Callable[[], object]]:
    """What is counted, in this order, made ready: warm, its input in memory."""
    from bench.detectors import Record
    from stream.agents import columns
    from stream.agents.accounts import _READERS, AccountsStep
    from stream.detectors import settings
    from stream.engine.step import Placement

    AccountsStep.warm_up()
    now = datetime(2026, 6, 1, 12, tzinfo=UTC)

    def record(number: int, event: reference.Event) -> Record:
        return Record(number, int(now.timestamp() * 1000), event.key, event.value)

    known = [event for event in reference.holders(ACCOUNTS, now) if event.topic == "accounts"]
    holders = [record(number, event) for number, event in enumerate(known)]
    tape: dict[str, list[Record]] = {topic: [] for topic in reference.TOPICS}
    for number, event in enumerate(reference.events(EVENTS, ACCOUNTS, "zipf", now)):
        tape[event.topic].append(record(number, event))
    step, other = (AccountsStep(Placement(0, 1, "murmur2"), settings.load()) for _ in range(2))
    for each in (step, other):
        each.apply("accounts", holders)
        each.drain()
    # Whatever is compiled or looked up on the first call is not the hot path's.
    for topic, records in tape.items():
        other.apply(topic, records)
    other.drain()
    return {
        "read": lambda: [columns.read(_READERS[topic], records) for topic, records in tape.items()],
        "apply": lambda: [step.apply(topic, records) for topic, records in tape.items()],
        "drain": step.drain,
    }


def _counted() -> None:
    """Runs under callgrind, which counts nothing until told to; each part's counts go into a file of their own."""

    def control(what: str) -> None:
        command = ["callgrind_control", what, str(os.getpid())]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    for name, run in work().items():
        control("--instr=on")
        run()
        control("--instr=off")
        control(f"--dump={name}")


def count() -> dict[str, int]:
    """Instructions an event, by part."""
    with tempfile.TemporaryDirectory() as folder:
        command = [
            "valgrind", "--tool=callgrind", "--instr-atstart=no", "--smc-check=all-non-file",
            f"--callgrind-out-file={folder}/out", sys.executable, "-m", "bench.instructions", "--counted",
        ]  # fmt: skip
        env = {**os.environ, "PYTHONHASHSEED": "0"}
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"callgrind failed: {done.stderr[-800:]}")
        found = {}
        for file in Path(folder).glob("out.*"):
            text = file.read_text()
            name = re.search(r"^desc: Trigger: .*?(\w+)$", text, re.MULTILINE)
            total = re.search(r"^totals: (\d+)", text, re.MULTILINE)
            if name is not None and total is not None:
                found[name[1]] = round(int(total[1]) / EVENTS)
    return found


def main() -> int:
    """Entry point; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench.instructions", description=__doc__)
    parser.add_argument("--counted", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--write", action="store_true", help="keep the counts as those to compare with")
    options = parser.parse_args()
    if options.counted:
        _counted()
        return 0
    if shutil.which("valgrind") is None:
        print("instructions: valgrind is not here (Debian: apt-get install valgrind): nothing is counted")
        return 0
    kept = json.loads(KEPT.read_text()) if KEPT.exists() else {}
    worse = False
    counts = count()
    for part, number in counts.items():
        before = kept.get(part)
        change = "" if before is None else f"  {number / before - 1:+.1%} of what is kept"
        print(f"{part:6} {number:>8,} instructions an event{change}")
        worse |= before is not None and number > before * (1 + TOLERANCE)
    if options.write:
        KEPT.write_text(json.dumps({**counts, "machine": machine()}, indent=2) + "\n")
    elif worse:
        print(f"more than {TOLERANCE:.0%} above what is kept: make it quicker, or keep the new counts with --write and say why")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
