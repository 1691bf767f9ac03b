"""The accounts of one partition: rows, evidence, profiles and notes, found by key, and their changelog."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt

from stream.errors import StateError
from stream.tables import account, notes, profile
from stream.tables.account import ACCOUNT, EVIDENCE, EVIDENCE_DIRTY, NEVER, ROW_DIRTY
from stream.tables.notes import Notes
from stream.tables.profile import Profile
from stream.tables.rows import Rows

EVIDENCE_KEY: Final = b"\x01"
PROFILE_KEY: Final = b"\x02"
PARTITION_KEY: Final = b"\x00partition"
"""Changelog keys: the account id for a row, these in front of it for the rest. No id begins with such a
byte.
"""

_NONE: Final = Notes({}, {})
"""Beside an account that has no evidence any more."""
_SHARDS: Final = 64
"""Dictionaries the index is spread over: one alone would stop the worker whenever it doubles."""

FREE: Final = 0
"""Index in `tally`: how many evidence rows are free."""
DIRTY: Final = 1
"""Index in `tally`: how many rows the next drain must write."""
DUPLICATES: Final = 2
UNDO_MISSES: Final = 3
TALLY: Final = 4
"""Length of `tally`."""


class PartitionRow(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    """What belongs to no account."""

    clock: int = 0
    counters: dict[str, int] = {}


# Sorted, so that the order in which counters first appeared does not show.
_pack_partition = msgspec.msgpack.Encoder(order="deterministic").encode


class AccountTable:
    """The state of one partition. Row numbers and evidence indexes are of this object alone and never leave
    it.
    """

    def __init__(self, capacity: int = 4096) -> None:
        self._index: list[dict[bytes, int]] = [{} for _ in range(_SHARDS)]
        self._rows = Rows(ACCOUNT, capacity)
        self._evidence = Rows(EVIDENCE, 256)
        self.keys: list[bytes | None] = []
        """Account id by row number."""
        self._profiles: list[bytes | None] = []
        self.notes: dict[int, Notes] = {}
        """By row number, for accounts with evidence."""
        self.free: npt.NDArray[np.int32] = np.zeros(0, np.int32)
        """A stack of free evidence rows; `tally[FREE]` of them."""
        self.tally: npt.NDArray[np.int64] = np.zeros(TALLY, np.int64)
        self.dirty: npt.NDArray[np.int32] = np.zeros(1024, np.int32)
        """Numbers of changed rows; `tally[DIRTY]` of them."""
        self.dues: npt.NDArray[np.int64] = np.zeros((0, 2), np.int64)
        """Beside each evidence row: when time alone has something to do, and when that may change what is said."""
        self.row_dues: npt.NDArray[np.int64] = np.full(1024, NEVER, np.int64)
        """Beside each account: when time alone makes an expected payment absent."""
        self.partition = PartitionRow()
        self._unused: list[int] = []
        self._released: list[int] = []
        self._tombstones: list[bytes] = []
        self._profiles_changed: dict[int, None] = {}
        self._partition_written: bytes = b""
        self._free_from(1)

    # --- counting -------------------------------------------------------------------------------------------

    def count(self, what: str, outcome: str, number: int) -> None:
        """Adds to what is counted over the life of the state, `<what>.<outcome>`."""
        counters = self.partition.counters
        name = f"{what}.{outcome}"
        counters[name] = counters.get(name, 0) + number

    def keep_tally(self) -> None:
        """Takes what compiled code has counted over into the counters."""
        for index, name in ((DUPLICATES, "duplicate"), (UNDO_MISSES, "undo_missed")):
            if self.tally[index]:
                self.count("events", name, int(self.tally[index]))
                self.tally[index] = 0

    # --- finding --------------------------------------------------------------------------------------------

    @property
    def rows(self) -> npt.NDArray[Any]:
        """The rows by number. Ask anew after `reserve` or `add`, and keep no part of it."""
        return self._rows.array

    @property
    def evidence(self) -> npt.NDArray[Any]:
        """The evidence rows. Ask anew after `reserve`, and keep no part of it."""
        return self._evidence.array

    def __len__(self) -> int:
        return sum(map(len, self._index))

    @property
    def evidence_used(self) -> int:
        """How many accounts have evidence."""
        return len(self._evidence.array) - 1 - int(self.tally[FREE])

    def find(self, key: bytes) -> int:
        """The row number of an account, or -1."""
        return self._index[hash(key) & (_SHARDS - 1)].get(key, -1)

    def find_all(self, keys: Iterable[bytes]) -> list[int]:
        """`find` for many."""
        index, mask = self._index, _SHARDS - 1
        return [index[hash(key) & mask].get(key, -1) for key in keys]

    def numbers(self) -> Iterator[int]:
        """The numbers of all accounts, by key."""
        found = ((key, number) for shard in self._index for key, number in shard.items())
        return (number for _, number in sorted(found))

    def add(self, key: bytes) -> int:
        """A new, empty row for `key`, which must not have one."""
        if self._unused:
            number = self._unused.pop()
            self.keys[number] = key
        else:
            number = len(self.keys)
            self.keys.append(key)
            self._profiles.append(None)
            self._rows.reserve(number + 1)
            if number >= len(self.row_dues):
                grown = np.full(2 * number + 1024, NEVER, np.int64)
                grown[: len(self.row_dues)] = self.row_dues
                self.row_dues = grown
        self._index[hash(key) & (_SHARDS - 1)][key] = number
        return number

    def key_of(self, number: int) -> bytes:
        """The account id of a row that is in use."""
        key = self.keys[number]
        assert key is not None
        return key

    # --- room -----------------------------------------------------------------------------------------------

    def reserve(self, events: int, evidence: int) -> None:
        """Room for so many more changed rows and accounts with evidence."""
        wanted = int(self.tally[DIRTY]) + events
        if wanted > len(self.dirty):
            grown = np.zeros(2 * wanted, np.int32)
            grown[: len(self.dirty)] = self.dirty
            self.dirty = grown
        lacking = evidence - int(self.tally[FREE])
        if lacking > 0:
            held = len(self._evidence.array)
            self._evidence.reserve(held + lacking)
            self._free_from(held)

    def _free_from(self, first: int) -> None:
        """Puts the evidence rows from `first` on under the free ones, so that low numbers are used first."""
        capacity, count = len(self._evidence.array), int(self.tally[FREE])
        free = np.zeros(capacity, np.int32)
        added = capacity - first
        free[:added] = np.arange(capacity - 1, first - 1, -1)
        free[added : added + count] = self.free[:count]
        self.free = free
        self.tally[FREE] = added + count
        dues = np.full((capacity, 2), NEVER, np.int64)
        dues[: len(self.dues)] = self.dues
        self.dues = dues

    # --- changing -------------------------------------------------------------------------------------------

    def touch(self, number: int, what: int = ROW_DIRTY) -> None:
        """Notes that a row (or its evidence) must be written."""
        row = self.rows[number]
        if int(row["dirty"]) == 0:
            self.reserve(1, 0)
            self.dirty[self.tally[DIRTY]] = number
            self.tally[DIRTY] += 1
        row["dirty"] = int(row["dirty"]) | what

    def profile(self, number: int) -> Profile:
        """What is known of the account; the empty profile if nothing is."""
        return profile.unpack(self._profiles[number])

    def set_profile(self, number: int, value: Profile) -> bool:
        """Keeps a profile; returns whether it differs from the one before."""
        if value == self.profile(number):
            return False
        self._profiles[number] = profile.pack(value)
        self._profiles_changed[number] = None
        return True

    def notes_of(self, number: int) -> Notes:
        """The notes of an account, made when they are first asked for."""
        found = self.notes.get(number)
        if found is None:
            found = self.notes[number] = Notes({}, {})
        return found

    def open_evidence(self, number: int) -> int:
        """The evidence row of an account, which it gets if it has none."""
        held = int(self.rows[number]["evidence"])
        if held == 0:
            self.reserve(0, 1)
            self.tally[FREE] -= 1
            held = int(self.free[self.tally[FREE]])
            self.evidence["row"][held] = number
            self.rows["evidence"][number] = held
        return held

    def erase(self, number: int) -> None:
        """Forgets an account: row, evidence, profile and notes are zeroed, and their changelog keys get
        tombstones.
        """
        key = self._clear(number)
        # Its number may still be among the changed ones, so it is given out again only after they are written.
        self._released.append(number)
        self._tombstones += [key, EVIDENCE_KEY + key, PROFILE_KEY + key]

    def _clear(self, number: int) -> bytes:
        key = self.key_of(number)
        self._drop_evidence(number)
        self.rows[number : number + 1] = np.zeros(1, ACCOUNT)
        self.row_dues[number] = NEVER
        self._profiles[number] = None
        self._profiles_changed.pop(number, None)
        self.keys[number] = None
        del self._index[hash(key) & (_SHARDS - 1)][key]
        return key

    def _drop_evidence(self, number: int) -> None:
        held = int(self.rows[number]["evidence"])
        if held:
            self.evidence[held : held + 1] = np.zeros(1, EVIDENCE)
            self.dues[held] = NEVER
            self.free[self.tally[FREE]] = held
            self.tally[FREE] += 1
            self.rows["evidence"][number] = 0
        self.notes.pop(number, None)

    # --- changelog ------------------------------------------------------------------------------------------

    def drain(self) -> list[tuple[bytes, bytes | None]]:
        """The changelog rows of all that changed since the last call: tombstones first, and the partition's
        own last.
        """
        out: list[tuple[bytes, bytes | None]] = [(key, None) for key in self._tombstones]
        changed = self.dirty[: self.tally[DIRTY]]
        rows, keys = self.rows, self.keys
        marks = rows["dirty"][changed]
        # Rows that were erased since are clean.
        changed, marks = changed[marks != 0], marks[marks != 0]
        rows["dirty"][changed] = 0
        block = rows[changed]
        held = block["evidence"].copy()
        block["evidence"] = 0
        named = [keys[number] for number in changed.tolist()]
        out += zip(named, account.pack(block, account.ACCOUNT_VERSIONS), strict=True)
        with_evidence = np.flatnonzero(marks & EVIDENCE_DIRTY)
        if len(with_evidence):
            out += self._drain_evidence(changed[with_evidence], held[with_evidence])
        for number in self._profiles_changed:
            out.append((PROFILE_KEY + self.key_of(number), self._profiles[number]))
        packed = profile.VERSION + _pack_partition(self.partition)
        if packed != self._partition_written:
            self._partition_written = packed
            out.append((PARTITION_KEY, packed))
        self._unused += self._released
        self.tally[DIRTY] = 0
        self._released, self._tombstones, self._profiles_changed = [], [], {}
        return out

    def _drain_evidence(
        self, numbers: npt.NDArray[np.int32], held: npt.NDArray[np.int32]
    ) -> Iterator[tuple[bytes, bytes | None]]:
        block = self.evidence[held]
        block["row"] = 0
        values = account.pack_sparse(block, account.EVIDENCE_VERSIONS)
        words = [self.notes_of(number) if index else _NONE for number, index in zip(numbers.tolist(), held.tolist(), strict=True)]
        for place, event in account.let_go(block, [each.events for each in words]):
            del words[place].events[event]
        for number, value, each in zip(numbers.tolist(), values, words, strict=True):
            key = EVIDENCE_KEY + self.key_of(number)
            if each is _NONE:
                self.notes.pop(number, None)
                yield key, None
            else:
                yield key, notes.pack(value, each)

    def restore(self, changes: Iterable[tuple[bytes, bytes | None]]) -> None:
        """Takes changelog rows back, in their order. StateError for a version that is not known."""
        latest = dict(changes)
        numbers: list[int] = []
        values: list[bytes] = []
        for key, value in latest.items():
            first = key[:1]
            if first in (EVIDENCE_KEY, PROFILE_KEY):
                continue
            if key == PARTITION_KEY:
                self._restore_partition(value)
            elif value is None:
                number = self.find(key)
                if number >= 0:
                    self._clear(number)
                    self._unused.append(number)
            else:
                number = self.find(key)
                numbers.append(number if number >= 0 else self.add(key))
                values.append(value)
        if values:
            rows = account.unpack(values, account.ACCOUNT_VERSIONS)
            held = self.rows["evidence"][numbers]
            self.rows[numbers] = rows
            self.rows["evidence"][numbers] = held
        for key, value in latest.items():
            if key[:1] == PROFILE_KEY:
                self._restore_profile(key[1:], value)
        self._restore_evidence([(key[1:], value) for key, value in latest.items() if key[:1] == EVIDENCE_KEY])

    def _restore_partition(self, value: bytes | None) -> None:
        if value is None:
            return
        if value[:2] != profile.VERSION:
            raise StateError(f"the partition row of the accounts changelog has an unknown schema version: {StateError.WAY_OUT}")
        try:
            self.partition = msgspec.msgpack.decode(value[2:], type=PartitionRow)
        except msgspec.MsgspecError:
            raise StateError(
                f"the partition row of the accounts changelog is damaged, or has a field that this program does not know: "
                f"{StateError.WAY_OUT}"
            ) from None
        self._partition_written = value

    def _row_for(self, key: bytes, value: bytes | None) -> int:
        """The row number of an account that something is restored of; -1 where there is neither."""
        number = self.find(key)
        return self.add(key) if number < 0 and value is not None else number

    def _restore_profile(self, key: bytes, value: bytes | None) -> None:
        number = self._row_for(key, value)
        if number < 0:
            return
        profile.check(value)
        self._profiles[number] = value

    def _restore_evidence(self, changes: Sequence[tuple[bytes, bytes | None]]) -> None:
        """All at once: one by one, the rows of accounts in trouble took most of a restore."""
        numbers: list[int] = []
        values: list[bytes] = []
        for key, value in changes:
            number = self._row_for(key, value)
            if number < 0:
                continue
            self._drop_evidence(number)
            if value is not None:
                numbers.append(number)
                values.append(value)
        if values:
            rows, words = notes.unpack_all(values)
            held = [self.open_evidence(number) for number in numbers]
            self.evidence[held] = rows
            self.evidence["row"][held] = numbers
            self.notes.update(zip(numbers, words, strict=True))
