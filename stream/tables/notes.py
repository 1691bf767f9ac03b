"""The words beside an account's evidence: what its counted events were, and what was said of it and to
whom.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec
import numpy.typing as npt

from stream.contracts.signals import ReasonRecord
from stream.contracts.vocabulary import HoldKind
from stream.errors import StateError
from stream.tables import account

DENSE: Final = b"\x00\x01"
"""Rows in full: still read."""
VERSION: Final = b"\x00\x02"
"""Rows as `account.pack_sparse` writes them."""


class EventNote(msgspec.Struct, array_like=True, frozen=True, gc=False, forbid_unknown_fields=True):
    """What a reason needs to know of one counted event. Times in ms, the amount in minor units (-1: not
    told).
    """

    event_id: str
    at: int
    category: str
    kind: str
    """Of a bounce: the class of its code. Of a bill: its outcome."""
    amount: int
    currency: str
    due: int


class Said(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An open signal: what was last said, and the id it has for each holder it was said to."""

    start: int
    at: int
    severity: int
    score: float
    expires: int
    reasons: tuple[ReasonRecord, ...]
    would_clear: str
    told: dict[str, str]
    hold: HoldKind | None = None
    """What hold it proposes."""


class Notes(msgspec.Struct, forbid_unknown_fields=True):
    """All words about one account."""

    events: dict[int, EventNote] = {}
    """By the hash of the event id."""
    said: dict[int, Said] = {}
    """By the number of the sign."""


class StoredEvidence(msgspec.Struct, array_like=True, frozen=True, forbid_unknown_fields=True):
    """The changelog value of an account's evidence."""

    row: bytes
    """As the version in front of it says; once unpacked, in full."""
    notes: Notes


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(StoredEvidence).decode


def pack(row: bytes, notes: Notes) -> bytes:
    """The changelog value of an evidence row (sparse, with its own version) and its notes."""
    return VERSION + _encode(StoredEvidence(row, notes))


def unpack(value: bytes) -> StoredEvidence:
    """What `pack` packed, the row in full. StateError for an unknown version."""
    stored = _read(value)
    return StoredEvidence(_in_full(value, stored), stored.notes)


def unpack_all(values: Sequence[bytes]) -> tuple[npt.NDArray[Any], list[Notes]]:
    """The rows behind many values, in the newest version, and the notes beside each. StateError as `unpack`."""
    stored = [_read(value) for value in values]
    if all(value[:2] == VERSION for value in values):
        rows = account.unpack_sparse([each.row for each in stored], account.EVIDENCE_VERSIONS)
    else:
        in_full = [_in_full(value, each) for value, each in zip(values, stored, strict=True)]
        rows = account.unpack(in_full, account.EVIDENCE_VERSIONS)
    return rows, [each.notes for each in stored]


def _in_full(value: bytes, stored: StoredEvidence) -> bytes:
    return stored.row if value[:2] == DENSE else account.expand(stored.row, account.EVIDENCE_VERSIONS)


def _read(value: bytes) -> StoredEvidence:
    if value[:2] not in (VERSION, DENSE):
        raise StateError(f"evidence in the accounts changelog has an unknown schema version: {StateError.WAY_OUT}")
    try:
        return _decode(memoryview(value)[2:])
    except msgspec.MsgspecError:
        raise StateError(
            f"evidence in the accounts changelog is damaged, or has a field that this program does not know: {StateError.WAY_OUT}"
        ) from None
