"""The record of an account: `ACCOUNT`, its hot row, and `EVIDENCE`, which stands beside it while something is
remembered.

The bytes of a row, with a schema version in front, are its changelog value. A reader of a newer version takes
an older row field by field by name; a version nobody knows is refused. All fields are signed (see `event`).
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from stream.errors import StateError

RING: Final = 16
"""How many event ids an account remembers, so that a redelivered event changes nothing."""

SIGNS: Final = 14
"""How many different things can be said of an account (see `detectors.registry`). A larger number is a new schema version."""

SLOTS: Final = 8
"""How many counted events a detector remembers of one account."""

HABITS: Final = 11
"""How many regular payments and incomes are remembered of one account."""

MONTHS: Final = 7
"""Months of which the lowest balance is remembered: this one and the six before."""

NEVER: Final = 1 << 62
"""An instant that does not come."""

KNOWN: Final = 1
"""Flag: the account's own record has come."""
WATCHED: Final = 2
"""Flag: a promise is being watched, so payments are told to the customers stage."""
REPAID: Final = 4
"""Flag: an own credit product, where a repayment is a credit."""
CARD: Final = 8
"""Flag: a credit card."""
OVERDRAFT: Final = 16
"""Flag: an overdraft, which is repaid through its balance."""

MEANS_WANTED: Final = 32
"""Flag: something was raised, so at the next tick the customers stage is told what the account can count on."""

ROW_DIRTY: Final = 1
EVIDENCE_DIRTY: Final = 2

HABIT = np.dtype(
    [
        ("subject", "i8"),  # the obligation's id, else the payee's; 0: a free slot
        ("amount", "i8"),  # what is usual, minor units
        ("last", "i4"),  # local day of the latest payment, days since 1970-01-01; 0: not known, it was reversed
        ("due", "i4"),  # local day on which the next is expected; 0: nothing is expected yet
        ("currency", "i2"),
        ("category", "i1"),
        ("cadence", "i1"),  # of `habits`; 0: no rhythm; negative: a guess, not yet confirmed
        ("anchor", "i1"),  # what the cadence counts from: a day of the month, a working day of it, a weekday (0: Monday)
        ("count", "i1"),  # payments in rhythm, at most 127
        ("absent", "i1"),  # expected payments in a row that did not come
        ("late", "i1"),  # of `lateness_drift`: usual half days after the due date
        ("drift", "i1"),  # of `lateness_drift`: the CUSUM, half days
        ("seen", "i1"),  # of `lateness_drift`: payments behind `late`, or how far an obligation has slipped
    ]
)
"""One regular payment or income."""

NO_LOW: Final = (1 << 31) - 1
"""The low of a month in which no balance was sent: above any."""

BALANCES = np.dtype(
    [
        ("lows", "i4", (MONTHS,)),  # lowest balance of a month, whole currency units; the slot is the month modulo MONTHS
        ("overdrawn", "i4"),  # days of the latest month that saw a balance below zero: bit 0 is the first of the month
        ("month", "i2"),  # the latest month seen, months since 1970-01; 0: no balance was ever sent
        ("before", "i1"),  # how many such days the month before it had
    ]
)
"""Of `buffer_erosion`."""

INCOMES = np.dtype(
    [
        ("sums", "i4", (3,)),  # income of a month, whole currency units; the slot is the month modulo 3. It begins on the 8th
        ("usual", "i4"),  # income of a month, of those before
        ("month", "i2"),  # the latest month seen, months since 1970-01; 0: nothing was ever paid
    ]
)
"""Of `income_drop`."""

SPENDING = np.dtype(
    [
        ("outgoings", "f4"),  # decayed slowly, as is what is `usual`; `now` is decayed quickly
        ("borrowed_now", "f4"),
        ("borrowed_usual", "f4"),
        ("gambled_now", "f4"),
        ("gambled_usual", "f4"),
        ("day", "i4"),  # local day as of which the sums have decayed; 0: nothing was ever paid
        ("weeks", "i1"),  # from the first payment to that day, at most 127
    ]
)
"""Of `distress_spending`: sums in whole currency units."""

ACCOUNT = np.dtype(
    [
        ("last_at", "i8"),  # latest event time seen, ms
        ("ring", "i8", (RING,)),
        ("episode", "i8"),  # start of the latest episode of any detector, ms: the next begins later
        ("limit", "i8"),  # arranged overdraft or credit limit, minor units; 0: none is known
        ("outstanding", "i8"),  # what is owed on an own credit product, minor units; 0: not known
        ("habits", HABIT, (HABITS,)),
        ("balances", BALANCES),
        ("spending", SPENDING),
        ("incomes", INCOMES),
        ("payments", "i4"),
        ("bounces", "i4"),
        ("missed_bills", "i4"),
        ("evidence", "i4"),  # index in the evidence array; 0: none. Of this process alone: stored as 0
        ("country", "i2"),  # two letters, see `working_days`; 0: not known
        ("offset", "i2"),  # standard time of the account's zone, minutes east of Greenwich
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
SUSPENDED: Final = 4
"""Held back: it may be an outage, and not this account's doing."""

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
        ("settled_at", "i8"),
        ("weight", "f8"),
        ("bank", "i8"),
        ("currency", "i2"),
        ("category", "i1"),
        ("kind", "i1"),
        ("state", "i1"),
        ("scheme", "i1"),
        ("again", "i1"),  # 1 where the payment had been presented before
        ("first", "i1"),  # index of the earliest slot of the same payment: its own, unless it was presented again
        ("repeat", "i1"),  # 1 where an earlier payment of the same obligation came back too
        ("spare", "i1", (7,)),
    ]
)
"""Of `bounce_pressure`: one payment that came back."""

NOTICE_SLOT = np.dtype([("event", "i8"), ("at", "i8"), ("kind", "i1"), ("state", "i1"), ("spare", "i1", (6,))])
"""Of `bounce_pressure`: one bounce whose code tells of a death or a legal matter, or that it was not agreed to."""

BILL_SLOT = np.dtype(
    [
        ("event", "i8"),
        ("at", "i8"),
        ("due", "i8"),
        ("payee", "i8"),
        ("bill", "i8"),
        ("amount", "i8"),  # open
        ("settled_by", "i8"),
        ("currency", "i2"),
        ("category", "i1"),
        ("kind", "i1"),
        ("state", "i1"),
        ("share", "i1"),  # hundredths of what was due that are open
        ("counts", "i1"),  # 1 where it is an open bill that counts, as of the latest look
        ("spare", "i1"),
    ]
)

PART_SLOT = np.dtype(
    [
        ("event", "i8"),  # the latest payment toward this due
        ("amount", "i8"),  # of that payment
        ("subject", "i8"),  # the obligation's id, else the payee's
        ("bill", "i8"),
        ("due", "i8"),
        ("owed", "i8"),
        ("least", "i8"),  # the minimum that was due; -1: none was told
        ("paid", "i8"),  # in all toward this due
        ("currency", "i4"),
        ("category", "i1"),
        ("short", "i1"),  # dues before this one, in a row, of which less was paid than had to be
        ("minimum", "i1"),  # dues before this one, in a row, of which the minimum was paid and no more
        ("state", "i1"),
    ]
)
"""Of `part_payment`: the latest due of one obligation that was paid in part."""

LATE_SLOT = np.dtype(
    [
        ("event", "i8"),  # the latest payment
        ("at", "i8"),
        ("subject", "i8"),  # the obligation's id, else the payee's
        ("due", "i4"),  # days since 1970-01-01
        ("paid", "i4"),  # local day
        ("days", "i2"),  # working days late
        ("usual", "i2"),  # half days
        ("category", "i1"),
        ("state", "i1"),
        ("spare", "i1", (2,)),
    ]
)
"""Of `lateness_drift`: one obligation whose payments have slipped."""

ARREARS_SLOT = np.dtype(
    [
        ("event", "i8"),  # what told of it
        ("at", "i8"),
        ("due", "i8"),  # ms, midnight of the due date
        ("bill", "i8"),
        ("obligation", "i8"),
        ("amount", "i8"),  # open when it was told, minor units
        ("open", "i8"),  # open after the payments since
        ("currency", "i4"),
        ("kind", "i1"),
        ("state", "i1"),
        ("spare", "i1", (2,)),
    ]
)
"""Of `arrears_clock`: news of one instalment of an own credit product. The slots in use come first, in order of due date."""

REPAYMENT_SLOT = np.dtype(
    [
        ("event", "i8"),
        ("at", "i8"),
        ("bill", "i8"),
        ("obligation", "i8"),
        ("amount", "i8"),
        ("currency", "i4"),
        ("state", "i1"),
        ("spare", "i1", (3,)),
    ]
)
"""Of `arrears_clock`: a repayment. The slots in use come first, in order of time."""

PAUSE_SLOT = np.dtype([("order", "i8"), ("since", "i8"), ("until", "i8")])
"""A stretch of time, ms, for which the treatment counter stands still; `until` NEVER: no end is known; 0: a free slot. In order
of `since`.
"""

MOVE = np.dtype([("day", "i4"), ("was", "i1"), ("bucket", "i1"), ("spare", "i1", (2,))])
"""A move between arrears buckets."""

ARREARS = np.dtype(
    [
        ("slots", ARREARS_SLOT, (SLOTS,)),
        ("repayments", REPAYMENT_SLOT, (SLOTS,)),
        ("pauses", PAUSE_SLOT, (SLOTS,)),
        ("moves", MOVE, (SLOTS,)),
        ("balance", "i8"),  # of an overdraft: the latest, minor units
        ("balance_at", "i8"),
        ("over_at", "i8"),  # of an overdraft: since when it is beyond its limit, ms; 0: it is not
        ("open", "i8"),  # past due in all, minor units
        ("since", "i4"),  # the oldest unpaid due date, days since 1970-01-01; 0: nothing is past due
        ("breached", "i4"),  # the day since when both regulatory thresholds are exceeded; 0: they are not
        ("currency", "i4"),
        ("moved", "i1"),  # moves so far; the slot is the number modulo SLOTS
        ("missed", "i1"),  # instalments missed of late, as of the latest look
        ("bucket", "i1"),
        ("used", "i1"),  # 1 while anything is remembered
    ]
)
"""Of `arrears_clock`."""

RECOVERY = np.dtype(
    [
        ("ended", "i8"),  # when the last trouble ended, ms; 0 while there is some, or none is remembered
        ("events", "i8", (SLOTS,)),  # ids of the latest payments on time since; the slot is the number modulo SLOTS
        ("first", "i4"),  # local day of the first of them
        ("low", "i4"),  # the lowest balance of the trouble, whole currency units
        ("streak", "i2"),  # payments on time since
        ("state", "i1"),  # of `recovery`: 0 nothing is remembered, 1 there is trouble, 2 it is over
        ("spare", "i1", (5,)),
    ]
)
"""Of `recovery`."""

AWAITED: Final = 2
"""Of a sign's `held`: it remembers something that time alone may raise."""

SIGN = np.dtype(
    [
        ("start", "i8"),  # of the episode, ms
        ("due", "i8"),  # when the passing of time alone changes something; 0: never
        ("expires", "i8"),  # when it closes by itself; 0: not known
        ("score", "f8"),
        ("severity", "i1"),  # 0: not open
        ("cause", "i1"),  # of the latest loss
        ("held", "i1"),  # 1 while the detector remembers something, said or not; AWAITED
        ("spare", "i1", (5,)),
    ]
)
"""One thing that is said of one account."""

EVIDENCE = np.dtype(
    [
        ("row", "i4"),  # of the account. Of this process alone: stored as 0
        ("bounces_used", "i2"),
        ("bills_used", "i2"),
        ("rest", "f8"),  # weight of bounces that had to leave their slots, as of rest_at
        ("rest_at", "i8"),
        ("bounces", BOUNCE_SLOT, (SLOTS,)),
        ("deaths", NOTICE_SLOT, (4,)),
        ("legals", NOTICE_SLOT, (4,)),
        ("disputes", NOTICE_SLOT, (4,)),
        ("bills", BILL_SLOT, (SLOTS,)),
        ("bills_listed", "i8", (SLOTS,)),  # ids of the bills that were last said
        ("parts", PART_SLOT, (4,)),
        ("lates", LATE_SLOT, (4,)),
        ("arrears", ARREARS),
        ("recovery", RECOVERY),
        ("signs", SIGN, (SIGNS,)),
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
    by_version: dict[int, list[int]] = {}
    for number, value in enumerate(values):
        version = int.from_bytes(value[:_PREFIX], "big")
        if version not in versions or len(value) != stored(versions[version]).itemsize:
            known = ", ".join(str(known) for known in sorted(versions))
            raise StateError(
                f"a row of the accounts changelog has schema version {version} and {len(value)} bytes, this program reads "
                f"{known}: {StateError.WAY_OUT}"
            )
        by_version.setdefault(version, []).append(number)
    for version, numbers in by_version.items():
        block = np.frombuffer(b"".join(values[number] for number in numbers), stored(versions[version]))
        moved = np.zeros(len(numbers), newest)
        copy_by_name(block["row"], moved)
        rows[numbers] = moved
    return rows


_WORD: Final = 8


def pack_sparse(rows: npt.NDArray[Any], versions: Mapping[int, np.dtype[Any]]) -> list[bytes]:
    """As `pack`, for rows that are mostly zero: the version, a bit for each 8 bytes, and those 8 bytes that are not zero.

    All of an account's evidence goes to Kafka whenever any of it changes, and most accounts have little of it.
    """
    words = np.ascontiguousarray(rows).view(np.uint64).reshape(len(rows), -1)
    there = words != 0
    marks = np.packbits(there, axis=1)
    ends = (np.count_nonzero(there, axis=1).cumsum() * _WORD).tolist()
    bits, data, width = marks.tobytes(), words[there].tobytes(), marks.shape[1]
    head = max(versions).to_bytes(_PREFIX, "big")
    return [
        head + bits[number * width : (number + 1) * width] + data[start:end]
        for number, (start, end) in enumerate(zip([0, *ends], ends, strict=False))
    ]


def expand(value: bytes, versions: Mapping[int, np.dtype[Any]]) -> bytes:
    """What `pack` would have made of the row behind a value of `pack_sparse`; what is damaged comes out too short."""
    layout = versions.get(int.from_bytes(value[:_PREFIX], "big"))
    if layout is None:
        return value
    count = layout.itemsize // _WORD
    width = -(-count // 8)
    marks = np.frombuffer(value, np.uint8, offset=_PREFIX)[:width]
    there = np.unpackbits(marks, count=count).view(np.bool_) if len(marks) == width else np.zeros(0, np.bool_)
    if len(value) != _PREFIX + width + _WORD * np.count_nonzero(there):
        return value[:_PREFIX]
    words = np.zeros(count, np.uint64)
    words[there] = np.frombuffer(value, np.uint64, offset=_PREFIX + width)
    return value[:_PREFIX] + words.tobytes()


def unpack_sparse(values: list[bytes], versions: Mapping[int, np.dtype[Any]]) -> npt.NDArray[Any]:
    """The rows behind values of `pack_sparse`, in the newest version. StateError as `unpack`."""
    newest = max(versions)
    layout, head = versions[newest], newest.to_bytes(_PREFIX, "big")
    count = layout.itemsize // _WORD
    start = _PREFIX + -(-count // 8)
    if all(len(value) >= start and value[:_PREFIX] == head for value in values):
        marks = np.frombuffer(b"".join(value[_PREFIX:start] for value in values), np.uint8).reshape(len(values), -1)
        there = np.unpackbits(marks, axis=1, count=count).view(np.bool_)
        sizes = np.array([len(value) for value in values])
        if np.array_equal(sizes, start + _WORD * np.count_nonzero(there, axis=1)):
            words = np.zeros(there.shape, np.uint64)
            words[there] = np.frombuffer(b"".join(value[start:] for value in values), np.uint64)
            return words.view(layout).reshape(-1)
    return unpack([expand(value, versions) for value in values], versions)


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


def let_go(block: npt.NDArray[Any], noted: Sequence[Collection[int]]) -> list[tuple[int, int]]:
    """Of the ids of events that are noted beside each evidence row of `block`, those that no slot of it holds any more: the row's
    place in `block`, and the id.
    """
    counts = [len(ids) for ids in noted]
    ids = np.fromiter(itertools.chain.from_iterable(noted), np.int64, sum(counts))
    places = np.repeat(np.arange(len(counts)), counts)
    parts = [
        block["bounces"]["event"],
        block["deaths"]["event"],
        block["legals"]["event"],
        block["disputes"]["event"],
        block["bills"]["event"],
        block["parts"]["event"],
        block["lates"]["event"],
        block["arrears"]["slots"]["event"],
        block["recovery"]["events"],
    ]
    held = np.concatenate(parts, axis=1)
    gone = np.flatnonzero(~(held[places] == ids[:, np.newaxis]).any(axis=1))
    return list(zip(places[gone].tolist(), ids[gone].tolist(), strict=True))
