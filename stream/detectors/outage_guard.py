"""Many bounces at once, and payers gone silent: an outage is not stress.

Sees
    Bounces that weigh anything, across the accounts of one partition: by scheme, by bank and by biller. And payments by payer
    and biller: who has been paid, or has paid, at all.

Maths
    Bursts. Of each group the accounts that bounced are marked in a bitmap for each of the last 24 hours of event time (1,024
    marks; n marks stand for about 1024 * ln(1024 / (1024 - n)) accounts, and never for fewer than n). A burst is when the last
    24 hours hold at least `accounts` marks and at least `times` as many accounts as the group's busiest day, which is
    remembered with a half-life of `usual_days` and knows nothing of those 24 hours. From then on the group's bounces of those
    hours are suspended: they do not count, are not forgotten, and what was said because of them is withdrawn with cause
    `outage`. The burst is over when the last 24 hours no longer hold one, at the latest after 7 days. `confirm_days` later the
    suspended are judged together: if at least `collected_share` of them were paid since, it was an outage, and the rest never
    counts; else they were the accounts' own, and count again with the weight they have by then. A bounce that is paid in the
    meantime is cured as usual.

    Silence. Of each payer and biller the accounts are marked (62 marks, for this and the previous 32 days). An expected payment
    that did not come is not absent while nobody at all has been paid by that payer (or has paid that biller) since 3 days
    before it was due, for up to `silence_days`; it is looked at again every day. Then it is confirmed: of an employer that
    is insolvent all of them are real.

    One partition suffices: accounts lie in partitions by hash, so of A accounts that an outage hits, each of P partitions sees
    about A / P, give or take the square root of that. With A = 2,000 and P = 12 that is 167 +- 13, far above 20. What no
    partition notices is an outage of fewer than about 20 P accounts, 240 of them here; each of these still needs two or three
    such bounces before a person hears of it, and is cured when the payment is collected.

Cries wolf
    Monthly collections make a biller's bounces come on one day: therefore the busiest day is what is usual, not the mean. A
    biller's first large collection looks like a burst; its bounces then come `confirm_days` later than they would. In the first
    35 days of a partition nothing is known to be usual, and nothing is suspended.

Undone
    Suspending and counting again are exact. A mark is not taken back when its bounce is reversed. Bounces more than 24 hours
    older than their group's latest make no burst, but are suspended by one that covers their time. Billers whose payments name
    an obligation are not looked at for silence, for it is known by its own id.

Sources
    Our own judgement; that many bounces at one bank, scheme or biller are an outage, and a payroll file that did not come is no
    ten thousand lost jobs, is what operations of banks know. Linear counting: Whang, Vander-Zanden and Taylor, ACM TODS 15(2),
    1990.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt
from pydantic import Field

from stream.contracts.vocabulary import CATEGORIES, Category
from stream.detectors import base
from stream.detectors.world import OUTAGE, PAYER, World, local_day
from stream.errors import StateError
from stream.tables.account import COUNTED, NEVER, SETTLED, SUSPENDED
from stream.tables.compiled import compiled

VERSION: Final = "1"

SWEEP: Final = 1
"""The passing of time in which an account looks at its suspended bounces anew."""

BY_SCHEME: Final = 0
BY_BANK: Final = 1
BY_BILLER: Final = 2
KINDS: Final = ("scheme", "bank", "biller")
RESULTS: Final = ("begun", "outage", "own")
"""What is told of a burst: that it began, and what it was found to be."""
_FIELDS: Final = ("scheme", "bank", "payee")

HELD: Final = 1
DROPPED: Final = 2

HOUR: Final = 3_600_000
DAY: Final = 86_400_000
WINDOW: Final = 24
"""Hours."""
LEARNING: Final = 35 * DAY
"""Time from the partition's first bounce in which nothing is known to be usual."""
LONGEST: Final = 7 * DAY
"""What goes on for longer is no burst, but usual."""
MARKS: Final = 1024
_IDLE: Final = 180 * 24
"""Hours after which a group's busiest day no longer matters."""
_GROUPS: Final = 20_000
"""Groups from which idle ones are forgotten."""
_ACCOUNTS: Final = tuple(round(MARKS * math.log(MARKS / max(MARKS - marks, 1))) for marks in range(MARKS + 1))
"""How many accounts so many marks stand for."""


class Settings(base.Settings):
    """Settings of the guard."""

    accounts: int = Field(ge=20, le=40, description="Accounts, 20-40, below which nothing is an outage.")
    times: float = Field(ge=2.0, le=50.0, description="How many times a group's busiest day a burst is, 2-50.")
    usual_days: int = Field(ge=7, le=365, description="Days after which the busiest day counts half.")
    confirm_days: int = Field(ge=1, le=30, description="Days after a burst at which suspended bounces are judged.")
    collected_share: float = Field(gt=0.0, le=1.0, description="Share of suspended bounces that are paid where it was an outage.")
    silence_days: int = Field(ge=1, le=14, description="Days for which the silence of a payer puts off what is expected of it.")


CONFIG = np.dtype([("spare", "i8")])


def configure(settings: Settings, config: npt.NDArray[Any]) -> None:
    """See `base`: the compiled functions read what they need from the world."""


# --- bursts -------------------------------------------------------------------------------------------------


@compiled
def held_back(slot: Any, world: Any) -> int:
    """Whether the outages of `world` hold a bounce back: 0, HELD or DROPPED."""
    held = 0
    for k in range(len(world.outages)):
        outage = world.outages[k]
        kind, key = int(outage["kind"]), int(outage["key"])
        own = int(slot["scheme"]) if kind == BY_SCHEME else (int(slot["bank"]) if kind == BY_BANK else int(slot["payee"]))
        if own == key and int(outage["since"]) <= int(slot["at"]) < int(outage["until"]):
            held = max(held, DROPPED if int(outage["dropped"]) > 0 else HELD)
    return held


# --- silence ------------------------------------------------------------------------------------------------

PERIOD: Final = 32
"""Days for which accounts are marked together."""
EARLY: Final = 3
"""Days before an expected payment from which others' payments show that the payer is not silent."""
_BITS: Final = 62
_RECENT: Final = 70
"""Days after which a payer that was not heard of is not silent, but gone."""
_STALE: Final = 100
"""Days after which nothing that is known of a payer makes a difference."""
_NEVER_SILENT: Final = 1 + _BITS
_USED: Final = 2
_PERSONAL: Final[frozenset[Category]] = frozenset(("rent", "personal_debt", "child_maintenance", "childcare", "medical", "other"))
"""Seldom paid by many to one: not worth the room."""
SHARED: Final = tuple(0 if category in _PERSONAL else 1 for category in CATEGORIES)


@compiled
def slot_of(payee: int, payers: Any) -> int:
    """Where a payer is, or where it would be."""
    mask = len(payers) - 1
    k = (payee ^ (payee >> 29)) & mask
    while int(payers[k]["payee"]) != 0 and int(payers[k]["payee"]) != payee:
        k = (k + 1) & mask
    return k


@compiled
def see_payer(row: Any, event: Any, world: Any) -> None:
    """Marks the account of a booked payment, which names no obligation, with its payer or biller."""
    payee, room = int(event["payee"]), len(world.payers)
    if SHARED[int(event["category"])] == 0 or int(world.patience[_USED]) * 10 >= room * 9:
        return
    payer = world.payers[slot_of(payee, world.payers)]
    day = local_day(row, int(event["at"]))
    period = day // PERIOD
    if int(payer["payee"]) == 0:
        payer["payee"] = payee
        payer["period"] = period
        world.patience[_USED] += 1
    step = period - int(payer["period"])
    if step > 0:
        payer["before"] = int(payer["marks"]) if step == 1 else 0
        payer["marks"] = 0
        payer["period"] = period
    account = int(event["account"])
    mark = 1 << ((account ^ (account >> 31)) % _BITS)
    marks, before = int(payer["marks"]), int(payer["before"])
    if step >= 0 and marks & mark == 0:
        payer["marks"] = marks | mark
        payer["dirty"] = 1
    elif step == -1 and before & mark == 0:
        payer["before"] = before | mark
        payer["dirty"] = 1
    if day > int(payer["last"]):
        payer["last"] = day
        payer["dirty"] = 1


@compiled
def is_silent(payee: int, expected: int, deadline: int, today: int, world: Any) -> bool:
    """Whether what was expected of a payer or biller (local days; it may still come on `deadline`) is put off `today`, for nobody
    has been paid by it since.
    """
    if len(world.payers) == 0 or today > deadline + int(world.patience[1]):
        return False
    payer = world.payers[slot_of(payee, world.payers)]
    last = int(payer["last"])
    if int(payer["payee"]) == 0 or last >= expected - EARLY or last < today - _RECENT:
        return False
    marks, accounts = int(payer["marks"]) | int(payer["before"]), 0
    while marks > 0:
        marks &= marks - 1
        accounts += 1
    return accounts >= int(world.patience[0])


@compiled
def insert(rows: Any, payers: Any) -> int:
    """Writes payers into a table with room for them. Returns how many were not there."""
    added = 0
    for i in range(len(rows)):
        k = slot_of(int(rows[i]["payee"]), payers)
        added += 1 if int(payers[k]["payee"]) == 0 else 0
        payers[k] = rows[i]
    return added


class Payers:
    """The payers and billers of one partition. `array` and `patience` are those of `World`: ask anew after `reserve`."""

    KEY: Final = b"\x04"
    """In front of the changelog keys."""
    _VALUE: Final = b"\x01"
    """The schema version, in front of the values."""

    def __init__(self) -> None:
        self.array = np.zeros(1 << 12, PAYER)
        self.patience = np.zeros(3, np.int64)

    def configure(self, settings: Settings) -> None:
        """Goes on under other settings."""
        self.patience[0] = settings.accounts if settings.enabled else _NEVER_SILENT
        self.patience[1] = settings.silence_days

    def reserve(self, more: int) -> bool:
        """Room for so many more; returns whether `array` is another one. What is stale does not move along."""
        if (int(self.patience[_USED]) + more) * 2 <= len(self.array):
            return False
        kept = self.array[self.array["payee"] != 0]
        kept = kept[kept["last"] >= kept["last"].max(initial=0) - _STALE]
        size = len(self.array)
        while (len(kept) + more) * 2 > size:
            size *= 2
        self.array = np.zeros(size, PAYER)
        self.patience[_USED] = insert(kept, self.array)
        return True

    def drain(self) -> list[tuple[bytes, bytes | None]]:
        """The changelog rows of all that changed since the last call."""
        changed = np.flatnonzero(self.array["dirty"])
        self.array["dirty"][changed] = 0
        rows = self.array[changed]
        return [(self.KEY + row["payee"].tobytes(), self._VALUE + row.tobytes()) for row in rows]

    def take_back(self, rows: Iterable[tuple[bytes, bytes | None]]) -> Iterator[tuple[bytes, bytes | None]]:
        """Keeps what an earlier `drain` gave out; yields the rest. StateError for an unknown version."""
        found = []
        for name, value in rows:
            if name[:1] != self.KEY:
                yield name, value
            elif value is not None:
                if value[:1] != self._VALUE or len(value) != 1 + PAYER.itemsize:
                    raise StateError(
                        f"the payers' rows of the accounts changelog have an unknown schema version: {StateError.WAY_OUT}"
                    )
                found.append(value[1:])
        if found:
            self.reserve(len(found))
            self.patience[_USED] += insert(np.frombuffer(b"".join(found), PAYER), self.array)


# --- bursts, across accounts ---------------------------------------------------------------------------------


class Episode(msgspec.Struct, array_like=True):
    """A burst: its bounces lie in [since, until), in ms; `until` is 0 while it lasts."""

    kind: int
    key: int
    since: int
    until: int = 0
    ends: int = 0
    """When it will be over if nothing more comes."""
    size: int = 0
    """Accounts in its largest 24 hours."""


class _Group:
    """One scheme, bank or biller: the accounts that bounced, by hour, and its busiest day."""

    __slots__ = ("day", "hour", "hours", "past", "running", "usual", "usual_day", "window")

    def __init__(self) -> None:
        self.hour = 0
        """The latest seen, hours since 1970."""
        self.hours: dict[int, int] = {}
        """Bitmaps of the last WINDOW of them."""
        self.window = 0
        """All of `hours`."""
        self.past = 0
        """Bitmap of `day`, the latest that lies (in part) before the window."""
        self.day = 0
        self.usual = 0.0
        """Accounts of the busiest day before `day`, as of `usual_day`."""
        self.usual_day = 0
        self.running: Episode | None = None


class Verdict(NamedTuple):
    """What has come of something, for counters and logs."""

    kind: str
    result: str
    """Of `RESULTS`."""
    accounts: int


class Guard:
    """The bursts of one partition, after the bounces seen so far. Its state goes through `drain` and `take_back`."""

    KEY: Final = b"\x03"
    """In front of the changelog keys."""
    _META: Final = KEY + b"episodes"

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._groups: dict[tuple[int, int], _Group] = {}
        self._episodes: list[Episode] = []
        self._began = 0
        self._dirty: set[tuple[int, int]] = set()
        self._meta_dirty = False
        self.due = NEVER
        """When time alone ends a burst or judges one, ms."""

    def configure(self, settings: Settings) -> None:
        """Goes on under other settings. Switched off, it judges what is suspended at once: as the accounts' own."""
        self._settings = settings
        for group in self._groups.values():
            if group.running is not None:
                self._foresee(group, group.running)
        self._plan()

    def outages(self) -> npt.NDArray[Any]:
        """Rows of `OUTAGE`: what holds bounces back now."""
        rows = np.zeros(len(self._episodes), OUTAGE)
        for row, one in zip(rows, self._episodes, strict=True):
            row["kind"], row["key"], row["since"], row["until"] = one.kind, one.key, one.since, one.until or NEVER
        return rows

    def see(self, at: int, clock: int, account: int, keys: tuple[int, int, int]) -> list[Episode]:
        """Takes a bounce in; `keys` are its scheme, bank and biller (0: not told). Returns the bursts that begin with it."""
        if not self._settings.enabled:
            return []
        if not self._began:
            self._began, self._meta_dirty = max(clock, 1), True
        mark = 1 << ((account ^ (account >> 32)) % MARKS)
        begun = []
        for kind in (BY_SCHEME, BY_BANK, BY_BILLER):
            if keys[kind] or kind == BY_SCHEME:
                episode = self._mark(kind, keys[kind], at // HOUR, mark, clock)
                if episode is not None:
                    begun.append(episode)
        if begun:
            self._plan()
        return begun

    def _mark(self, kind: int, key: int, hour: int, mark: int, clock: int) -> Episode | None:
        group = self._groups.get((kind, key))
        if group is None:
            group = self._new(kind, key, hour)
        if hour > group.hour:
            self._turn(group, hour)
        elif hour <= group.hour - WINDOW:
            return None
        held = group.hours.get(hour, 0)
        if held & mark:
            return None
        group.hours[hour] = held | mark
        group.window |= mark
        self._dirty.add((kind, key))
        running = group.running
        if running is not None:
            running.size = max(running.size, _ACCOUNTS[group.window.bit_count()])
            before = running.ends
            self._foresee(group, running)
            self._meta_dirty = True
            if running.ends != before:
                self._plan()
            return None
        if not self._is_burst(group, group.window) or clock < self._began + LEARNING:
            return None
        before = max((one.until for one in self._episodes if (one.kind, one.key) == (kind, key)), default=0)
        since = max((group.hour - WINDOW + 1) * HOUR, before)
        running = group.running = Episode(kind, key, since, size=_ACCOUNTS[group.window.bit_count()])
        self._episodes.append(running)
        self._foresee(group, running)
        self._meta_dirty = True
        return running

    def _new(self, kind: int, key: int, hour: int) -> _Group:
        if len(self._groups) >= _GROUPS and len(self._groups) % 1024 == 0:
            idle = max(hour, *(one.hour for one in self._groups.values())) - _IDLE
            for name in [name for name, one in self._groups.items() if one.hour < idle and one.running is None]:
                del self._groups[name]
                self._dirty.add(name)
        group = self._groups[kind, key] = _Group()
        group.hour = hour
        return group

    def _turn(self, group: _Group, hour: int) -> None:
        """Lets the hours leave that are now a day old: into what is usual, unless they are of a burst."""
        group.hour = hour
        first = hour - WINDOW + 1
        hours = group.hours
        left = [one for one in hours if one < first]
        if not left:
            return
        for old in sorted(left):
            marks = hours.pop(old)
            if group.running is not None:
                continue
            day = old // 24
            if day != group.day:
                group.usual, group.usual_day = self._usual(group, day), day
                group.past, group.day = 0, day
            group.past |= marks
        window = 0
        for marks in hours.values():
            window |= marks
        group.window = window

    def _usual(self, group: _Group, day: int) -> float:
        """Accounts of the group's busiest day, as of `day`."""
        age = max(day - group.usual_day, 0)
        faded = group.usual * math.exp(-age / self._settings.usual_days * 0.6931471805599453)
        return max(faded, float(_ACCOUNTS[group.past.bit_count()]))

    def _is_burst(self, group: _Group, marks: int) -> bool:
        count = marks.bit_count()
        if count < self._settings.accounts:
            return False
        return _ACCOUNTS[count] >= self._settings.times * self._usual(group, group.hour // 24)

    def _foresee(self, group: _Group, running: Episode) -> None:
        """Writes when a burst will be over if nothing more comes: its last 24 hours then hold none."""
        marks, ends = 0, running.since
        for hour in sorted(group.hours, reverse=True):
            marks |= group.hours[hour]
            if self._is_burst(group, marks):
                ends = (hour + WINDOW) * HOUR
                break
        running.ends = min(max(ends, running.since + HOUR), running.since + LONGEST)

    def _plan(self) -> None:
        self.due = min((self._due(one) for one in self._episodes), default=NEVER)

    def _due(self, episode: Episode) -> int:
        if not self._settings.enabled:
            return 0
        return episode.until + self._settings.confirm_days * DAY if episode.until else episode.ends

    def passed(self, clock: int) -> Iterator[tuple[Episode, bool]]:
        """What is due by `clock`, in its order: bursts that are over (False), and those to be judged now (True).

        A judged one goes with `forget`, before the next is asked for.
        """
        while self.due <= clock:
            first = min(self._episodes, key=lambda one: (self._due(one), one.kind, one.key))
            if first.until:
                yield first, True
            else:
                self._end(first)
                yield first, False
            self._plan()

    def _end(self, episode: Episode) -> None:
        group = self._groups[episode.kind, episode.key]
        group.running = None
        episode.until = episode.ends
        for hour in [hour for hour in group.hours if hour * HOUR < episode.until]:
            del group.hours[hour]
        group.window = 0
        for marks in group.hours.values():
            group.window |= marks
        self._dirty.add((episode.kind, episode.key))
        self._meta_dirty = True

    def forget(self, episode: Episode, *, outage: bool) -> Verdict:
        """An episode was judged. What was no outage is usual from now on."""
        self._episodes.remove(episode)
        self._meta_dirty = True
        group = self._groups.get((episode.kind, episode.key))
        if not outage and group is not None:
            day = episode.until // DAY
            group.usual = max(self._usual(group, day), float(episode.size))
            group.usual_day = max(day, group.usual_day)
            self._dirty.add((episode.kind, episode.key))
        return Verdict(KINDS[episode.kind], "outage" if outage else "own", episode.size)

    def is_outage(self, bounces: npt.NDArray[Any], episode: Episode) -> bool:
        """Whether enough of an episode's bounces were paid since; `bounces` are the slots of all evidence."""
        own = covered(bounces, episode)
        paid = int(np.count_nonzero(own & (bounces["state"] == SETTLED)))
        waiting = int(np.count_nonzero(own & (bounces["state"] == SUSPENDED)))
        return self._settings.enabled and paid > 0 and paid >= self._settings.collected_share * (paid + waiting)

    # --- changelog ------------------------------------------------------------------------------------------

    def drain(self) -> list[tuple[bytes, bytes | None]]:
        """The changelog rows of all that changed since the last call."""
        out: list[tuple[bytes, bytes | None]] = []
        for kind, key in sorted(self._dirty):
            group = self._groups.get((kind, key))
            name = self.KEY + bytes((kind,)) + key.to_bytes(8, "big")
            out.append((name, None if group is None else _encode(_stored(group))))
        if self._meta_dirty:
            out.append((self._META, _encode((_VERSION, self._began, self._episodes))))
        self._dirty, self._meta_dirty = set(), False
        return out

    def take_back(self, rows: Iterable[tuple[bytes, bytes | None]]) -> Iterator[tuple[bytes, bytes | None]]:
        """Keeps what an earlier `drain` gave out; yields the rest. StateError for an unknown version."""
        for name, value in rows:
            if name[:1] != self.KEY:
                yield name, value
            elif name == self._META:
                try:
                    version, self._began, self._episodes = msgspec.msgpack.decode(
                        value or b"", type=tuple[int, int, list[Episode]]
                    )
                except msgspec.MsgspecError:
                    version = None
                if version != _VERSION:
                    raise StateError(
                        "the outage guard's rows of the accounts changelog are damaged, or have an unknown schema version: "
                        + StateError.WAY_OUT
                    )
            elif value is None:
                self._groups.pop((name[1], int.from_bytes(name[2:], "big")), None)
            else:
                self._groups[name[1], int.from_bytes(name[2:], "big")] = _restored(value)
        for group in self._groups.values():
            group.running = None
        for episode in self._episodes:
            if not episode.until and (episode.kind, episode.key) in self._groups:
                self._groups[episode.kind, episode.key].running = episode
        self._plan()


def covered(bounces: npt.NDArray[Any], episode: Episode) -> npt.NDArray[np.bool_]:
    """Which slots of evidence (rows by slots) hold bounces of an episode."""
    of_group = bounces[_FIELDS[episode.kind]] == episode.key
    found: npt.NDArray[np.bool_] = of_group & (bounces["at"] >= episode.since) & (bounces["state"] != 0)
    if episode.until:
        found &= bounces["at"] < episode.until
    return found


def to_sweep(bounces: npt.NDArray[Any], episode: Episode) -> npt.NDArray[np.bool_]:
    """Which rows of evidence hold bounces that this episode suspends, releases or drops."""
    open_ = (bounces["state"] == COUNTED) | (bounces["state"] == SUSPENDED)
    rows: npt.NDArray[np.bool_] = (covered(bounces, msgspec.structs.replace(episode, until=0)) & open_).any(axis=1)
    return rows


def with_outages(world: World, guard: Guard, dropped: Episode | None = None) -> World:
    """The world with what the guard holds back; `dropped`: one whose bounces never count."""
    outages = guard.outages()
    if dropped is not None:
        of_it = (outages["kind"] == dropped.kind) & (outages["key"] == dropped.key) & (outages["since"] == dropped.since)
        outages["dropped"][of_it] = 1
    return world._replace(outages=outages)


_VERSION: Final = 1
_encode: Final = msgspec.msgpack.Encoder().encode
_FEW: Final = 40
_Marks = list[int] | bytes


def _packed(marks: int) -> _Marks:
    """A bitmap: few marks by their numbers, many as bits."""
    if marks.bit_count() > _FEW:
        return marks.to_bytes(MARKS // 8, "little")
    found = []
    while marks:
        low = marks & -marks
        found.append(low.bit_length() - 1)
        marks ^= low
    return found


def _unpacked(marks: _Marks) -> int:
    return int.from_bytes(marks, "little") if isinstance(marks, bytes) else sum(1 << mark for mark in marks)


def _stored(group: _Group) -> tuple[Any, ...]:
    hours = [(hour, _packed(marks)) for hour, marks in sorted(group.hours.items())]
    return group.hour, hours, _packed(group.past), group.day, group.usual, group.usual_day


def _restored(value: bytes) -> _Group:
    group = _Group()
    hour, hours, past, day, usual, usual_day = msgspec.msgpack.decode(
        value, type=tuple[int, list[tuple[int, _Marks]], _Marks, int, float, int]
    )
    group.hour, group.day, group.usual, group.usual_day = hour, day, usual, usual_day
    group.hours = {one: _unpacked(marks) for one, marks in hours}
    group.past = _unpacked(past)
    for marks in group.hours.values():
        group.window |= marks
    return group
