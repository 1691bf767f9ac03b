"""Where a task stands: written into the changelog with the rows it belongs to, so that the two can never disagree."""

from __future__ import annotations

import msgspec

from stream.errors import StateError

KEY = b"\0checkpoint"
OLDEST = 1
"""The oldest version that is read."""
VERSION = 1
"""The version that is written."""


class Checkpoint(msgspec.Struct, gc=False, forbid_unknown_fields=True):
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


class _Versioned(msgspec.Struct):
    v: int


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Checkpoint).decode
_version = msgspec.msgpack.Decoder(_Versioned).decode


def encode(checkpoint: Checkpoint) -> bytes:
    """The stored form, of the newest version."""
    checkpoint.v = VERSION
    return _encode(checkpoint)


def decode(value: bytes) -> Checkpoint:
    """Reads a checkpoint back. Raises StateError for a version, or a field, that this program does not know."""
    try:
        version = _version(value).v
        if not OLDEST <= version <= VERSION:
            raise StateError(
                f"the checkpoint has schema version {version}, this program reads {OLDEST} to {VERSION}: {StateError.WAY_OUT}"
            )
        return _decode(value)
    except msgspec.MsgspecError as error:
        raise StateError(
            f"the changelog's checkpoint is damaged, or has a field that this program does not know: {StateError.WAY_OUT}"
        ) from error
