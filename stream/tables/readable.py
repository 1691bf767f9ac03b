"""Changelog rows for a person to read: values by field name, empty ones left out, and who it is about hidden.

Hidden is every text that is not in the closed list of plain words below, every hash of an id, and everything that was said, for a
field that somebody adds must not show whom it is about before anybody has thought of it.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
import numpy as np

from stream.errors import StateError
from stream.tables import account, customer, notes, profile
from stream.tables.accounts import EVIDENCE_KEY, PARTITION_KEY, PROFILE_KEY, PartitionRow

Mask = Callable[[str], str]
"""What is shown for an id; the same for the same id."""



def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


HASHES: Final = _words(
    """
    ring order subject event events payee obligation bill original settled_by bank bills_listed seen
    """
)
"""Whole numbers that are hashes of ids."""

MOMENTS: Final = _words(
    """
    last_at episode at since until settled_at start expires rest_at ended balance_at over_at due updated_at started
    expires_at rose_at fell_at occurred_at placed_at ends_at treatment_ended_at lifted_at told_at talked_at opened_at
    closed_at as_of not_before not_after decided_at wake opens closes due_by issued_at made_at offered_at accepted_at
    ended_at done_at crowded_until control_since hardship_at proposed_at rung_since clear_since cleared_at
    unreachable_since responded_at warned_at warned_last helped_at tripped_at clock joined
    """
)
"""Milliseconds since 1970, where the number is that large."""

WORDS: Final = _words(
    """
    jurisdiction time_zone language region preferred detector severity proposes_hold code kind channel queue role product
    currency category status treatment policy arm country hold unit apr
    """
)
"""Fields whose text is of a closed list, or of no one person."""

AMOUNTS: Final = _words(
    """
    amount limit outstanding income_low priority_bills next_income_on next_due last_paid due_date since amount_due owed
    least paid balance open
    """
)
"""Fields with an amount or a date."""

_LAST: Final = 250_000_000_000_000
"""The year 9892: later is no time."""
_COUNT: Final = 128
"""No smaller number is a hash: some of those names are of small counts elsewhere."""
_SECOND: Final = 10_000_000_000
"""Smaller numbers are days, or no time at all."""


def row(stage: str, key: bytes, value: bytes, mask: Mask | None) -> Any:
    """A stored row as plain values; `mask` None shows everything. What cannot be read is told as `{"unreadable": why}`."""
    try:
        plain = _plain(stage, key, value)
    except (StateError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        return {"unreadable": str(error) if isinstance(error, StateError) else "damaged"}
    return _shown(plain, "", mask)


def same(stage: str, key: bytes, one: bytes, other: bytes) -> bool:
    """Whether two stored rows whose bytes differ, as those of two schema versions do, say the same in every field."""
    try:
        return bool(_plain(stage, key, one) == _plain(stage, key, other))
    except (StateError, msgspec.MsgspecError, UnicodeDecodeError):
        return False


def name(stage: str, key: bytes, mask: Mask | None) -> tuple[str, str]:
    """What kind of row a changelog key is of, and of whom."""
    if key == PARTITION_KEY:
        return "partition", ""
    kind, rest = stage.removesuffix("s"), key
    if key[:1] < b"\x20":
        kind, rest = _KINDS.get(key[:1], "other"), key[1:]
    id_ = rest.decode() if rest.isascii() and rest.decode().isprintable() else rest.hex()
    return kind, id_ if mask is None else mask(id_)


_KINDS: Final = {EVIDENCE_KEY: "evidence", PROFILE_KEY: "profile", b"\x00": "tried policy", b"\x03": "outage", b"\x04": "payer"}


def _plain(stage: str, key: bytes, value: bytes) -> Any:
    if stage == "customers":
        if key == customer.PARTITION_KEY:
            return msgspec.to_builtins(customer.decode_partition(value), builtin_types=(bytes,))
        if key[:1] != b"\x00":
            return msgspec.to_builtins(customer.decode(value), builtin_types=(bytes,), str_keys=True)
    elif key == PARTITION_KEY:
        return msgspec.structs.asdict(msgspec.msgpack.decode(value[2:], type=PartitionRow))
    elif key[:1] == PROFILE_KEY:
        return _fields(profile.unpack(value))
    elif key[:1] == EVIDENCE_KEY:
        stored = notes.unpack(value)
        evidence = account.unpack([stored.row], account.EVIDENCE_VERSIONS)[0]
        return {"evidence": _record(evidence), "notes": _fields(stored.notes)}
    elif key[:1] > b"\x1f":
        return _record(account.unpack([value], account.ACCOUNT_VERSIONS)[0])
    return {"value": value}


def _fields(value: Any) -> Any:
    """Structs by field name, those too that are stored as lists."""
    if isinstance(value, msgspec.Struct):
        return {name: _fields(getattr(value, name)) for name in value.__struct_fields__}
    if isinstance(value, dict):
        return {str(name): _fields(each) for name, each in value.items()}
    if isinstance(value, tuple | list):
        return [_fields(each) for each in value]
    return value


def _record(record: Any) -> Any:
    """A structured row by field name."""
    if isinstance(record, np.void) and record.dtype.names:
        return {name: _record(record[name]) for name in record.dtype.names}
    if isinstance(record, np.ndarray):
        return [_record(each) for each in record]
    return record.item() if isinstance(record, np.generic) else record


def _shown(value: Any, field: str, mask: Mask | None) -> Any:
    if isinstance(value, dict):
        # The keys of a field's entries are ids, unless the field says that they are words.
        entries = field in _ENTRIES
        shown = {
            (mask(name) if mask is not None and entries else name): _shown(each, "" if entries else name, mask)
            for name, each in value.items()
        }
        return {name: each for name, each in shown.items() if each not in (None, "", 0, [], {})}
    if isinstance(value, list):
        each_shown = [_shown(each, field, mask) for each in value]
        while each_shown and each_shown[-1] in (None, "", 0, [], {}):
            each_shown.pop()
        return each_shown
    if isinstance(value, bytes):
        return _said(value, mask)
    if isinstance(value, bool) or value is None or isinstance(value, float):
        return value
    if isinstance(value, int):
        if field in HASHES:
            return mask(f"{value:x}") if mask is not None and abs(value) >= _COUNT else value
        if field in MOMENTS and value >= _SECOND:
            if value >= _LAST:
                return "never" if value == account.NEVER else value
            return datetime.fromtimestamp(value / 1000, UTC).isoformat(timespec="milliseconds")
        return value
    if mask is None or not value or field in WORDS or field in AMOUNTS:
        return value
    return mask(str(value))


_ENTRIES: Final = _words(
    """
    signals holds cases accounts episodes escalations promises plans payments settled contacts orders gone events told
    """
)
"""Fields whose keys are ids, or made from ids."""


def _said(value: bytes, mask: Mask | None) -> Any:
    """What was said, as JSON where it is some; hidden it is a length, for its words may name people."""
    if mask is not None:
        return f"<{len(value)} bytes>" if value else ""
    try:
        return msgspec.json.decode(value)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return value.hex()
