"""A folder of `<topic>.jsonl` as records: what `ews replay` reads and `ews simulate` writes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from stream.engine.offline import Line
from stream.errors import ConfigurationError
from stream.topics import BY_NAME, CATALOGUE

INPUTS = tuple(topic.name for topic in CATALOGUE if topic.role == "input")


class _Head(msgspec.Struct):
    """The few fields that place a line in time and partition; the rest of it is the stages' business."""

    timestamp: int | str | None = msgspec.field(default=None, name="_timestamp")
    key: str | None = msgspec.field(default=None, name="_key")
    headers: dict[str, str | None] | list[tuple[str, str | None]] = msgspec.field(default_factory=dict, name="_headers")
    value: Any = msgspec.field(default=msgspec.UNSET, name="_value")
    occurred_at: Any = None
    updated_at: Any = None
    account_id: Any = None
    customer_id: Any = None


_head = msgspec.json.Decoder(_Head).decode


def find(folder: Path) -> dict[str, Path]:
    """The input files of a folder by topic. Raises ConfigurationError when there is none."""
    files = {topic: folder / f"{topic}.jsonl" for topic in INPUTS}
    found = {topic: path for topic, path in files.items() if path.is_file()}
    if not found:
        raise ConfigurationError(
            f"{folder} holds none of {', '.join(path.name for path in files.values())}: make such a folder with `ews simulate`"
        )
    return found


def lines(topic: str, path: Path) -> Iterator[Line]:
    """The records of one file. A line that is no JSON keeps the time of the one before it and becomes a dead letter.

    `_timestamp` (ms or RFC 3339), `_key` and `_headers` may stand in a line; `"_value": null` makes it a tombstone.
    """
    id_field = BY_NAME[topic].key
    last = 0
    with path.open("rb") as file:
        for offset, raw in enumerate(line for line in file if line.strip()):
            value: bytes | None = raw.rstrip(b"\r\n")
            key: bytes | None = None
            headers: tuple[tuple[str, bytes], ...] = ()
            try:
                head = _head(raw)
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
                yield Line(offset, last, None, value)
                continue
            name = head.key if head.key is not None else getattr(head, id_field, None)
            if isinstance(name, str):
                key = name.encode("utf-8", "surrogatepass")
            if head.headers:
                headers = _headers(head.headers)
            if head.value is None:
                value = None
            last = _millis(head.timestamp, head.occurred_at, head.updated_at) or last
            yield Line(offset, last, key, value, headers)


def _headers(given: dict[str, str | None] | list[tuple[str, str | None]]) -> tuple[tuple[str, bytes], ...]:
    pairs = given.items() if isinstance(given, dict) else given
    # A header without a value stays one, as it comes from Kafka, whatever the types say.
    return tuple((name, None if text is None else text.encode("utf-8", "surrogatepass")) for name, text in pairs)  # type: ignore[misc]


def _millis(*candidates: Any) -> int | None:
    for candidate in candidates:
        if isinstance(candidate, int) and not isinstance(candidate, bool):
            return candidate
        if isinstance(candidate, str):
            try:
                moment = datetime.fromisoformat(candidate)
            except ValueError:
                continue
            if moment.tzinfo is not None:
                return int(moment.timestamp() * 1000)
    return None
