"""Writes a running job's input topics into a folder that `ews replay` reads, as far back as the topics reach.

    python examples/inputs.py bank/

Where Kafka is, and the topics' prefix: the EWS_* variables of the worker. It holds customers' data: give it the care of an input.
Records of one topic go by their timestamps, those of one partition in their order. What is no JSON object stays as it is, and
becomes a dead letter there as it did live.
"""

from __future__ import annotations

import argparse
import heapq
import json
import os
import sys
from collections import Counter
from pathlib import Path

from stream import settings
from stream.engine import rerun
from stream.engine.files import INPUTS
from stream.engine.offline import Line
from stream.errors import EwsError


def text(line: Line) -> bytes:
    """One record as one line."""
    beside = {
        "_timestamp": line.timestamp,
        "_headers": [(name, value.decode("utf-8", "replace")) for name, value in line.headers if value is not None],
    }
    if line.key is not None:
        beside["_key"] = line.key.decode("utf-8", "replace")
    if line.value is None:
        return json.dumps({**beside, "_value": None}).encode()
    value = line.value[5:] if line.value[:1] == b"\0" else line.value  # Confluent's prefix
    try:
        # Before the record's own fields, for what it brings itself wins.
        return json.dumps({**beside, **json.loads(value)}).encode()
    except (ValueError, TypeError, RecursionError):
        return value.replace(b"\n", b" ")


def write(loaded: settings.Settings, folder: Path) -> Counter[str]:
    """Writes a file for each input topic; returns the records by topic."""
    count = rerun.partitions(loaded, INPUTS)
    counts: Counter[str] = Counter()
    folder.mkdir(parents=True)
    for topic in INPUTS:
        parts = [rerun.lines(loaded, topic, number) for number in range(count)]
        # Readable by their owner alone.
        with open(os.open(folder / f"{topic}.jsonl", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            for line in heapq.merge(*parts, key=lambda each: each.timestamp):
                file.write(text(line) + b"\n")
                counts[topic] += 1
    return counts


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path, help="a new folder")
    try:
        counts = write(settings.load(), parser.parse_args().folder)
    except (EwsError, OSError) as error:
        sys.exit(f"inputs: {error}")
    for topic, count in counts.items():
        print(f"{topic}: {count:,}")


if __name__ == "__main__":
    main()
