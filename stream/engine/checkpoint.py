"""Where a task stands: written into the changelog with the rows it belongs to, so that the two can never disagree."""

from __future__ import annotations

import msgspec

from stream.errors import StateError

KEY = b"\0checkpoint"
VERSION = 1


class Checkpoint(msgspec.Struct, gc=False):
    """A task's position in every input, and what must hold for that position to mean anything."""

    positions: dict[str, int]
    """The next offset to apply, by logical topic name."""
    topic_ids: dict[str, str]
    """Kafka's id of each topic: another id means that the topic was recreated and offsets mean nothing."""
    partitions: int
    partitioner: str
    seen: list[int] = []
    """Records seen, by block of the dead-letter window (newest last)."""
    bad: list[int] = []
    """Bad records among them."""
    feeds: dict[str, int] = {}
    """The latest record timestamp (ms) by topic: which feeds are alive."""
    v: int = VERSION


encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Checkpoint).decode


def decode(value: bytes) -> Checkpoint:
    """Reads a checkpoint back. Raises StateError for a version that this program does not know."""
    try:
        checkpoint = _decode(value)
    except msgspec.MsgspecError as error:
        raise StateError("the changelog's checkpoint cannot be read: was it written by another program?") from error
    if checkpoint.v != VERSION:
        raise StateError(
            f"the checkpoint has version {checkpoint.v}, this program knows {VERSION}: run the version that wrote it"
        )
    return checkpoint
