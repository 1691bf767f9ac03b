"""Writes simulated events as the folder that `ews replay` reads."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from stream.simulate.event import Event, Truth, milliseconds

TRUTH = "truth.jsonl"

_encode = msgspec.json.Encoder().encode


def line(event: Event) -> bytes:
    """The event as a line of its topic's file.

    `_timestamp` (milliseconds since 1970, as in Kafka) is there where it is not the event's own time: late
    delivery, and reference records, which carry no `occurred_at`.
    """
    occurred = event.value.get("occurred_at")
    if occurred is not None and milliseconds(datetime.fromisoformat(occurred)) == event.timestamp_ms:
        return _encode(event.value) + b"\n"
    value: dict[str, Any] = {**event.value, "_timestamp": event.timestamp_ms}
    return _encode(value) + b"\n"


def write(
    out: Path, events: Iterable[Event], progress: Callable[[Event], None] | None = None
) -> Counter[str]:
    """Writes `<topic>.jsonl` for each topic that occurs, in order of delivery. Returns the events by topic.

    `out` is made where it is missing. Raises OSError; a file that is already there is an error.
    """
    out.mkdir(parents=True, exist_ok=True)
    counts: Counter[str] = Counter()
    files: dict[str, BinaryIO] = {}
    with ExitStack() as stack:
        for event in events:
            file = files.get(event.topic)
            if file is None:
                file = files[event.topic] = stack.enter_context((out / f"{event.topic}.jsonl").open("xb"))
            file.write(line(event))
            counts[event.topic] += 1
            if progress:
                progress(event)
    return counts


def write_truth(out: Path, truths: Iterable[Truth]) -> None:
    """Writes `truth.jsonl`, by customer."""
    out.mkdir(parents=True, exist_ok=True)
    with (out / TRUTH).open("xb") as file:
        for truth in sorted(truths, key=lambda truth: truth.customer_id):
            file.write(_encode(truth) + b"\n")
