"""Outputs as JSON lines: what `ews replay` writes, one file a topic."""

from __future__ import annotations

import base64
from collections import Counter
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import msgspec

from stream.engine.deadletters import TOPIC as DEAD_LETTERS
from stream.engine.step import Headers, Output

FILES = ("signals", "nudges", "escalations", "decisions", "dead-letters")


class Sink:
    """Writes each output as one JSON object a line, `_key` and `_headers` beside its fields. Files are there even when empty."""

    def __init__(self, folder: Path) -> None:
        self.counts: Counter[str] = Counter()
        folder.mkdir(parents=True, exist_ok=True)
        self._files: dict[str, IO[bytes]] = {
            name: (folder / f"{name}.jsonl").open("wb") for name in FILES
        }

    def write(self, output: Output) -> None:
        """Writes one output; those of internal topics are left out."""
        file = self._files.get(output.topic)
        if file is None:
            return
        self.counts[output.topic] += 1
        line: dict[str, Any] = {
            "_key": None if output.key is None else output.key.decode("utf-8", "backslashreplace"),
            "_headers": _headers(output.headers),
        }
        if output.topic == DEAD_LETTERS:
            line["_value_base64"] = None if output.value is None else base64.b64encode(output.value).decode()
        elif output.value is not None:
            line |= msgspec.json.decode(output.value)
        file.write(msgspec.json.encode(line) + b"\n")

    def __enter__(self) -> Sink:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for file in self._files.values():
            file.close()


def _headers(headers: Headers) -> dict[str, str | None] | list[tuple[str, str | None]]:
    """An object; a list of pairs where a name comes more than once, which no object can say."""
    told = [(name, _header(value)) for name, value in headers]
    names = dict(told)
    return names if len(names) == len(told) else told


def _header(value: bytes | None) -> str | None:
    """As text; as `0x...` what is none, or looks like such hex itself; null for a header without a value."""
    if value is None:  # Kafka allows it, whatever the types say; a dead letter keeps it
        return None
    try:
        text = value.decode("utf-8")
    except UnicodeDecodeError:
        return "0x" + value.hex()
    return text if text.isprintable() and not text.startswith("0x") else "0x" + value.hex()
