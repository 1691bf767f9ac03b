"""The record of an account: `ACCOUNT`, its hot row, and `EVIDENCE`, which stands beside it while something is
remembered.

The bytes of a row, with a schema version in front, are its changelog value. A reader of a newer version takes
an older row field by field by name; a version nobody knows is refused. All fields are signed (see `event`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from stream.errors import StateError

RING: Final = 16
"""How many event ids an account remembers, so that a redelivered event changes nothing."""

DETECTORS: Final = 4
"""How many detectors there is room for. A larger number is a new schema version."""

SLOTS: Final = 8
"""How many counted events a detector remembers of one account."""

NEVER: Final = 1 << 62
"""An instant that does not come."""

KNOWN: Final = 1
"""Flag: the account's own record has come."""
WATCHED: Final = 2
"""Flag: a promise is being watched, so payments are told to the customers stage."""
REPAID: Final = 4
"""Flag: an own credit product, where a repayment is a credit."""

ROW_DIRTY: Final = 1
EVIDENCE_DIRTY: Final = 2

ACCOUNT = np.dtype(
    [
        ("last_at", "i8"),  # latest event time seen, ms
        ("ring", "i8", (RING,)),
        (
            "episodes",
            "i8",
            (DETECTORS,),
        ),  # start of each detector's latest episode, ms: the next begins later
        ("payments", "i4"),
        ("bounces", "i4"),
        ("missed_bills", "i4"),
        ("evidence", "i4"),  # index in the evidence array; 0: none. Of this process alone: stored as 0
        ("flags", "i2"),
        ("ring_next", "i1"),
        ("dirty", "i1"),  # what the next drain must write. Of this process alone: stored as 0
    ]
)

EMPTY: Final = 0
COUNTED: Final = 1
SETTLED: Final = 2
"""Paid since: kept, because the payment may be reversed."""
UNDONE: Final = 3
"""Reversed or replaced: kept, so that its redelivery is known."""

BOUNCE_SLOT = np.dtype(
    [
        ("event", "i8"),
        ("at", "i8"),
        ("payee", "i8"),
        ("obligation", "i8"),
        ("bill", "i8"),
        ("original", "i8"),
        ("amount", "i8"),
        ("settled_by", "i8"),
        ("weight", "f8"),
        ("currency", "i4"),
        ("category", "i1"),
        ("kind", "i1"),
        ("state", "i1"),
        ("spare", "i1"),
    ]
)

BILL_SLOT = np.dtype(
    [
        ("event", "i8"),
        ("at", "i8"),
        ("due", "i8"),
        ("payee", "i8"),
        ("bill", "i8"),
        ("amount", "i8"),  # open
        ("settled_by", "i8"),
        ("currency", "i4"),
        ("category", "i1"),
        ("kind", "i1"),
        ("state", "i1"),
        ("spare", "i1"),
    ]
)

SIGN = np.dtype(
    [
        ("start", "i8"),  # of the episode, ms
        ("due", "i8"),  # when the passing of time alone changes something; 0: never
        ("expires", "i8"),  # when it closes by itself; 0: not known
        ("score", "f8"),
        ("events", "i8", (SLOTS,)),  # ids of the events behind it
        ("count", "i1"),
        ("severity", "i1"),  # 0: not open
        ("cause", "i1"),  # of the latest loss
        ("spare", "i1", (5,)),
    ]
)
"""What one detector says of one account."""

EVIDENCE = np.dtype(
    [
        ("row", "i4"),  # of the account. Of this process alone: stored as 0
        ("bounces_used", "i2"),
        ("bills_used", "i2"),
        ("rest", "f8"),  # weight of bounces that had to leave their slots, as of rest_at
        ("rest_at", "i8"),
        ("bounces", BOUNCE_SLOT, (SLOTS,)),
        ("bills", BILL_SLOT, (SLOTS,)),
        ("signs", SIGN, (DETECTORS,)),
    ]
)

ACCOUNT_VERSIONS: Final[Mapping[int, np.dtype[Any]]] = {1: ACCOUNT}
EVIDENCE_VERSIONS: Final[Mapping[int, np.dtype[Any]]] = {1: EVIDENCE}
"""Every layout that may still lie in a changelog; the highest is the one in use."""

_PREFIX: Final = 2


def stored(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The layout of changelog values: a big-endian schema version, then the row."""
    return np.dtype([("version", ">u2"), ("row", dtype)])


def pack(rows: npt.NDArray[Any], versions: Mapping[int, np.dtype[Any]]) -> list[bytes]:
    """Changelog values of rows of the newest version, one each."""
    layout = stored(rows.dtype)
    block = np.empty(len(rows), layout)
    block["version"] = max(versions)
    block["row"] = rows
    data, size = block.tobytes(), layout.itemsize
    return [data[at : at + size] for at in range(0, len(data), size)]


def unpack(values: list[bytes], versions: Mapping[int, np.dtype[Any]]) -> npt.NDArray[Any]:
    """The rows behind changelog values, in the newest version.

    Fields are taken by name: one that is new is zero, one that is gone is dropped, and of a sub-array the
    part that both have is kept. StateError for an unknown version or a value of the wrong length.
    """
    newest = versions[max(versions)]
    layout = stored(newest)
    head = max(versions).to_bytes(_PREFIX, "big")
    if all(len(value) == layout.itemsize and value[:_PREFIX] == head for value in values):
        return np.frombuffer(b"".join(values), layout)["row"]
    rows = np.zeros(len(values), newest)
    for number, value in enumerate(values):
        version = int.from_bytes(value[:_PREFIX], "big")
        dtype = versions.get(version)
        if dtype is None or len(value) != _PREFIX + dtype.itemsize:
            known = ", ".join(str(known) for known in sorted(versions))
            raise StateError(
                f"a row of the accounts changelog has schema version {version} and {len(value)} bytes; this "
                f"program reads version {known}. Run the version that wrote it, or one that knows it, or rebuild "
                "the state from the input topics under a new application id"
            )
        copy_by_name(np.frombuffer(value, dtype, count=1, offset=_PREFIX), rows[number : number + 1])
    return rows


def copy_by_name(old: npt.NDArray[Any], new: npt.NDArray[Any]) -> None:
    """Copies the fields that both layouts have, into sub-records and as far as sub-arrays reach."""
    for name in set(old.dtype.names or ()) & set(new.dtype.names or ()):
        source, target = old[name], new[name]
        if source.ndim > 1 and target.ndim > 1:
            reach = tuple(slice(0, min(a, b)) for a, b in zip(source.shape, target.shape, strict=True))
            source, target = source[reach], target[reach]
        if source.dtype.names and target.dtype.names:
            copy_by_name(source, target)
        else:
            target[...] = source
