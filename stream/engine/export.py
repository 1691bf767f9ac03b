"""A job's state as a file: each task's rows and position, as its changelog held them at one of its checkpoints.

JSON, one object a line, bytes in base64: a header, then for each task its rows and its checkpoint, then an end that counts them.
The file holds customers' data: it is made for its owner alone.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from stream.engine import checkpoint as checkpoints
from stream.errors import ConfigurationError, StateError

VERSION: Final = 1


class Held(NamedTuple):
    """What one task's changelog holds, as of a checkpoint."""

    stage: str
    partition: int
    rows: dict[bytes, bytes]
    checkpoint: bytes

    @property
    def positions(self) -> dict[str, int]:
        """The next offset to apply, by logical topic."""
        return checkpoints.decode(self.checkpoint).positions


class Header(msgspec.Struct, frozen=True, tag="ews-state", tag_field="what"):
    """The first line."""

    version: int
    app: str
    partitions: int
    """Of every topic of the job; a file may hold fewer."""


class _Row(msgspec.Struct, frozen=True, tag="row", tag_field="what"):
    stage: str
    partition: int
    key: bytes
    value: bytes


class _Checkpoint(msgspec.Struct, frozen=True, tag="checkpoint", tag_field="what"):
    stage: str
    partition: int
    value: bytes


class _End(msgspec.Struct, frozen=True, tag="end", tag_field="what"):
    rows: int
    tasks: int


_encode = msgspec.json.Encoder().encode
_header = msgspec.json.Decoder(Header).decode
_line = msgspec.json.Decoder(_Row | _Checkpoint | _End).decode


def write(path: Path, header: Header, tasks: Iterable[Held]) -> Iterator[Held]:
    """Writes the tasks and yields each when it is written. The file appears when all of them are, whole, or not at all.

    Raises ConfigurationError where it cannot be written.
    """
    part = path.with_name(path.name + ".part")
    rows = count = 0
    try:
        part.unlink(missing_ok=True)
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(_encode(header) + b"\n")
            for task in tasks:
                for key, value in task.rows.items():
                    file.write(_encode(_Row(task.stage, task.partition, key, value)) + b"\n")
                file.write(_encode(_Checkpoint(task.stage, task.partition, task.checkpoint)) + b"\n")
                rows, count = rows + len(task.rows), count + 1
                yield task
            file.write(_encode(_End(rows, count)) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be written: {os.strerror(error.errno or 0)}") from error
    finally:
        part.unlink(missing_ok=True)


def read(path: Path, partition: int | None = None) -> tuple[Header, list[Held]]:
    """The tasks that a file holds, or those of one partition.

    Raises StateError for a file of an unknown version, or one that is damaged or not whole, ConfigurationError where it cannot be
    read.
    """
    found: list[Held] = []
    rows: dict[bytes, bytes] = {}
    seen = tasks = 0
    ended = False
    try:
        with path.open("rb") as file:
            header = _header(file.readline())
            if header.version != VERSION:
                raise StateError(
                    f"{path} has version {header.version}, this program reads {VERSION}: use the program that wrote it"
                )
            for raw in file:
                line = _line(raw)
                ended = isinstance(line, _End)
                if isinstance(line, _End):
                    ended = (line.rows, line.tasks) == (seen, tasks)
                elif isinstance(line, _Checkpoint):
                    tasks += 1
                    if partition in (None, line.partition):
                        found.append(Held(line.stage, line.partition, rows, line.value))
                    rows = {}
                else:
                    seen += 1
                    if partition in (None, line.partition):
                        rows[line.key] = line.value
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {os.strerror(error.errno or 0)}") from error
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise StateError(f"{path} is no state that `ews state export` wrote, or it is damaged") from error
    if not ended:
        raise StateError(f"{path} is not whole: its end is missing, or does not count what is in it")
    return header, found


def states(path: Path, app: str, partition: int) -> dict[str, Held]:
    """The tasks of one partition by stage: what a replay can begin with.

    Raises ConfigurationError where the file is another job's, or holds nothing of the partition, and as `read`.
    """
    header, tasks = read(path, partition)
    if header.app != app:
        raise ConfigurationError(f"{path} is the state of {header.app}, EWS_APP says {app}")
    if not tasks:
        raise ConfigurationError(f"{path} holds nothing of partition {partition}")
    return {task.stage: task for task in tasks}
