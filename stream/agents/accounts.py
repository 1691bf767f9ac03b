"""The accounts stage: one row an account, every detector on every event, findings out as signals for each
holder.

Events of the three topics go through as arrays: see `columns` for the way in, `detectors.kernel` for the pass
over them. Records about accounts, orders and ticks are few and go one by one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from stream.agents import columns
from stream.agents.accounts_outputs import Trigger
from stream.agents.accounts_profiles import described, ordered
from stream.agents.accounts_voice import Voice
from stream.agents.columns import AHEAD, Batch, Reader, ms_of
from stream.contracts import account_orders, accounts, envelope
from stream.contracts.account_orders import AccountOrderRecord
from stream.contracts.accounts import AccountRecord
from stream.contracts.money import minor_units
from stream.contracts.vocabulary import BILL_OUTCOMES, CATEGORIES
from stream.detectors import arrears_clock, bounce_pressure, kernel, missed_bills, world
from stream.detectors.base import time_of
from stream.detectors.levels import severity_name
from stream.detectors.outage_guard import KINDS, SWEEP, Episode, Guard, Payers, Verdict, to_sweep, with_outages
from stream.detectors.registry import NAMES, SIGNS
from stream.detectors.settings import CONFIG, config_of
from stream.engine import ticks
from stream.engine.step import Drained, Placement, Record, Refused
from stream.errors import BadRecord, Reason
from stream.reference.return_codes import CLASSES
from stream.reference.working_days import code_of, country_of
from stream.tables import event as ev
from stream.tables.account import CARD, EVIDENCE_DIRTY, KNOWN, NEVER, OVERDRAFT, REPAID, RING, WATCHED
from stream.tables.accounts import AccountTable
from stream.tables.event import EVENT
from stream.tables.hashing import hash_column, hash_text, looks_plain, parse_amounts
from stream.tables.notes import EventNote, Notes

STAGE: Final = "accounts"

_READERS: Final[dict[str, Reader]] = {
    "payments": columns.PAYMENTS,
    "bounces": columns.BOUNCES,
    "missed-bills": columns.MISSED_BILLS,
}
_KINDS: Final[dict[int, tuple[str, ...]]] = {ev.PAYMENT: ("",), ev.BOUNCE: CLASSES, ev.MISSED_BILL: BILL_OUTCOMES}
_CREDIT_PRODUCTS: Final = ("credit_card", "loan", "mortgage", "overdraft")


class AccountsStep:
    """The accounts stage of one partition: see `engine.step.Step` for what it promises."""

    def __init__(self, placement: Placement, settings: Any) -> None:
        self._placement = placement
        self._world = world.bare()
        self._table = AccountTable()
        self._guard, self._payers = Guard(settings.outage_guard), Payers()
        self._voice = Voice(self._table)
        self._repeated: Counter[str] = Counter()
        """Records by topic that told nothing new, since the last drain."""
        self.configure(settings)
        self._findings, self._passing = kernel.scratch(1024)
        self._next_due: int | None = None
        self._next_due_known = True
        self._handlers: dict[str, Callable[[Sequence[Record]], list[Refused]]] = {
            "accounts": self._apply_accounts,
            "account-orders": self._apply_orders,
            "ticks": self._apply_ticks,
        }

    def configure(self, settings: Any) -> None:
        """Goes on under other settings. What was raised under the old ones stands until its account is next touched."""
        self._config = config_of(settings)
        self._voice.configure(settings, self._config)
        self._guard.configure(settings.outage_guard)
        self._payers.configure(settings.outage_guard)
        self._settled = False

    # --- the step -------------------------------------------------------------------------------------------

    def restore(self, rows: Iterable[tuple[bytes, bytes | None]]) -> None:
        """Takes back rows of earlier drains, in their order. StateError where they are of an unknown
        version.
        """
        self._table.restore(self._guard.take_back(self._payers.take_back(rows)))
        self._settled = False

    def _settle(self) -> None:
        """Finds anew, after a restore or under other settings, what is derived from rows and settings."""
        self._settled = True
        table = self._table
        self._voice.look()
        for code in np.unique(table.rows["country"][: len(table.keys)]).tolist():
            self._world = world.with_country(self._world, country_of(code))
        self._world = with_outages(self._world, self._guard)._replace(payers=self._payers.array, patience=self._payers.patience)
        row_dues = table.row_dues[: len(table.keys)]
        kernel.note_all_dues(table.rows, table.evidence, table.dues, row_dues, self._config, self._world)
        self._next_due_known = False

    def apply(self, topic: str, records: Sequence[Record]) -> list[Refused]:
        """Applies a chunk of one input topic, in order. Returns the records that are bad, in order."""
        if not self._settled:
            self._settle()
        reader = _READERS.get(topic)
        refused = self._apply_events(topic, reader, records) if reader else self._handlers[topic](records)
        if refused:
            self._table.count(topic, "refused", len(refused))
        return sorted(refused, key=lambda bad: bad.index)

    def drain(self) -> Drained:
        """What changed and what was said since the last drain."""
        outputs, self._voice.outputs = self._voice.outputs, []
        repeated, self._repeated = self._repeated, Counter()
        self._table.keep_tally()
        return Drained(self._table.drain() + self._guard.drain() + self._payers.drain(), outputs, repeated)

    def next_due(self) -> int | None:
        """The earliest event time (ms) at which the passing of time alone changes or raises a signal."""
        if not self._settled:
            self._settle()
        if not self._next_due_known:
            first = int(self._table.dues[:, 1].min(initial=NEVER))
            expected = self._table.row_dues
            # What is overdue already waits for its feed to be alive again.
            first = min(first, int(expected[expected > self.clock].min(initial=NEVER)))
            first = min(first, self._guard.due)
            self._next_due, self._next_due_known = (None if first == NEVER else first), True
        return self._next_due

    @property
    def clock(self) -> int:
        """The latest min(event time, record timestamp) seen, ms."""
        return self._table.partition.clock

    # --- for operators --------------------------------------------------------------------------------------

    def counters(self) -> dict[str, int]:
        """Plain counts: `<topic>.<outcome>` over the life of the state, and how much is held now."""
        self._table.keep_tally()
        return {
            **self._table.partition.counters,
            "rows": len(self._table),
            "evidence_rows": self._table.evidence_used,
        }

    def open_signals(self) -> dict[tuple[str, str], int]:
        """How many signs stand open on accounts, by detector and severity."""
        found: Counter[tuple[str, str]] = Counter()
        severities = self._table.evidence["signs"]["severity"]
        for sign, (detector, _) in enumerate(SIGNS):
            for code, count in enumerate(np.bincount(severities[:, sign]).tolist()):
                if code and count:
                    found[detector, severity_name(code)] += count
        return found

    @property
    def held(self) -> int:
        """How many accounts are held."""
        return len(self._table)

    def features(self) -> Iterator[dict[str, object]]:
        """Each account as the detectors see it at the clock, by account id."""
        table, clock = self._table, self.clock
        for number in table.numbers():
            row = table.rows[number]
            evidence = table.evidence[int(row["evidence"])]
            config = self._config[0]
            signs = evidence["signs"]
            said = table.notes[number].said if number in table.notes else {}
            yield {
                "account_id": table.key_of(number).decode(),
                "known": bool(int(row["flags"]) & KNOWN),
                "last_event_at": time_of(int(row["last_at"])) if int(row["last_at"]) else None,
                "payments": int(row["payments"]),
                "bounces": int(row["bounces"]),
                "missed_bills": int(row["missed_bills"]),
                "bounce_pressure": float(bounce_pressure.score(evidence, clock, config["bounce_pressure"])),
                "missed_bills_weight": float(missed_bills.score(evidence, config["missed_bills"])),
                **{name: float(signs[number]["score"]) for number, name in enumerate(NAMES) if number > 1},
                "arrears": arrears_clock.standing_at(row, evidence["arrears"], clock)._asdict(),
                "arrears_moves": arrears_clock.moves(evidence["arrears"]),
                "signals": [
                    {
                        "detector": SIGNS[detector][0],
                        "severity": severity_name(one.severity),
                        "score": one.score,
                        "since": time_of(one.start),
                    }
                    for detector, one in sorted(said.items())
                ],
            }

    @staticmethod
    def warm_up() -> None:
        """Compiles what the first chunk would otherwise wait for."""
        table = AccountTable(1)
        findings, passing = kernel.scratch(1)
        config = np.zeros(1, CONFIG)
        empty = world.bare()
        kernel.process(
            table.rows, table.evidence, table.free, table.tally, np.zeros(0, EVENT), config, findings,
            table.dirty, passing, table.dues, table.row_dues, empty,
        )  # fmt: skip
        kernel.note_all_dues(table.rows, table.evidence, table.dues, table.row_dues[:0], config, empty)
        kernel.note_row_due(table.rows, 0, table.row_dues, config, empty)
        columns.warm_up()
        hash_column(("a",))
        looks_plain(b"a")
        parse_amounts(("1",), np.zeros(1, np.int8))

    # --- events ---------------------------------------------------------------------------------------------

    def _apply_events(self, topic: str, reader: Reader, records: Sequence[Record]) -> list[Refused]:
        batch, numbers = self._place(columns.read(reader, records))
        events = batch.events
        if not len(events):
            return batch.refused
        table = self._table
        events["row"] = numbers
        clock = table.partition.clock
        events["clock"] = np.maximum.accumulate(np.maximum(events["clock"], clock))
        table.partition.clock = int(events["clock"][-1])
        start = 0
        for stop, act in self._guarded(topic, batch):
            # What the guard does, it does between two events, wherever chunks begin and end.
            self._apply_part(topic, reader, batch.part(start, stop), records)
            act()
            start = stop
        self._apply_part(topic, reader, batch.part(start, len(events)), records)
        return batch.refused

    def _apply_part(self, topic: str, reader: Reader, batch: Batch, records: Sequence[Record]) -> None:
        events = batch.events
        if not len(events):
            return
        if reader.topic == ev.PAYMENT and self._payers.reserve(len(events)):
            self._world = self._world._replace(payers=self._payers.array)
        found = self._process(events)
        duplicates = int(np.count_nonzero(events["outcome"]))
        self._table.count(topic, "applied", len(events) - duplicates)
        if duplicates:
            self._repeated[topic] += duplicates
        watched = self._watched(events) if reader.topic == ev.PAYMENT else []
        self._tally_unknown_codes(reader, batch)
        self._say_in_order(topic, reader, found, watched, records, batch)

    def _place(self, batch: Batch) -> tuple[Batch, list[int]]:
        """Row numbers for the events, with rows for accounts that are new here; refuses keys of other
        partitions.
        """
        table = self._table
        numbers = table.find_all(batch.keys)
        if -1 not in numbers:
            return batch, numbers
        elsewhere: dict[int, tuple[Reason, str]] = {}
        for index, number in enumerate(numbers):
            if number >= 0:
                continue
            key = batch.keys[index]
            number = table.find(key)
            if number < 0:
                if not self._placement.holds(key):
                    elsewhere[index] = (Reason.MISPARTITIONED, "")
                    continue
                number = table.add(key)
            numbers[index] = number
        if not elsewhere:
            return batch, numbers
        return batch.without(elsewhere), [number for number in numbers if number >= 0]

    def _process(self, events: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Runs the detectors; returns their findings."""
        table = self._table
        table.reserve(len(events), len(events))
        if len(events) * kernel.FINDINGS_PER_EVENT > len(self._findings):
            self._findings, self._passing = kernel.scratch(len(events))
        count = kernel.process(
            table.rows, table.evidence, table.free, table.tally, events, self._config, self._findings,
            table.dirty, self._passing, table.dues, table.row_dues, self._world,
        )  # fmt: skip
        self._next_due_known = False
        return self._findings[:count]

    # --- outages --------------------------------------------------------------------------------------------

    def _guarded(self, topic: str, batch: Batch) -> Iterator[tuple[int, Callable[[], None]]]:
        """Where the outage guard acts: before which event, and what it does once those before it are applied."""
        events, guard = batch.events, self._guard
        clocks = events["clock"]
        last, done = len(events) - 1, 0
        columns_: list[list[int]] = []
        seen = [last + 1]
        if topic == "bounces":
            told = (events["weight"] > 0) & (events["status"] == ev.BOOKED)
            seen = [*np.flatnonzero(told).tolist(), last + 1]
            columns_ = [events[name].tolist() for name in ("at", "clock", "account", "scheme", "bank", "payee")]
        for index in seen:
            while guard.due <= int(clocks[min(index, last)]):
                done = max(done, int(np.searchsorted(clocks, guard.due)))
                clock = int(clocks[done])
                yield done, partial(self._let_pass, clock)
            if index <= last:
                at, clock, account, *keys = (column[index] for column in columns_)
                for episode in guard.see(at, clock, account, (keys[0], keys[1], keys[2])):
                    record, done = batch.records[index], index
                    trigger = Trigger(topic, f"{record.event_id}/{record.status}/outage/{episode.kind}", clock, None)
                    yield index, partial(self._begin_outage, episode, clock, trigger)

    def _begin_outage(self, episode: Episode, clock: int, trigger: Trigger) -> None:
        self._note(Verdict(KINDS[episode.kind], "begun", episode.size))
        self._sweep(episode, clock, trigger)

    def _let_pass(self, clock: int) -> None:
        """Lets bursts end and be judged that are due by `clock`."""
        for episode, judged in self._guard.passed(clock):
            what = f"{clock}/outage/{episode.kind}/{episode.key:x}/{episode.since}/{judged}"
            trigger = Trigger("ticks", what, clock, None)
            outage = judged and self._guard.is_outage(self._table.evidence["bounces"], episode)
            if outage:
                self._sweep(episode, clock, trigger, dropped=episode)
            if judged:
                self._note(self._guard.forget(episode, outage=outage))
            if not outage:
                self._sweep(episode, clock, trigger)
            self._world = with_outages(self._world, self._guard)

    def _sweep(self, episode: Episode, clock: int, trigger: Trigger, dropped: Episode | None = None) -> None:
        """Lets every account with bounces of this burst look at them anew."""
        table = self._table
        self._world = with_outages(self._world, self._guard, dropped)
        events = self._times(table.evidence["row"][to_sweep(table.evidence["bounces"], episode)].tolist(), clock)
        events["guard"] = SWEEP
        for finding in kernel.findings_of(self._process(events)):
            self._voice.finding(finding, trigger)

    def _note(self, verdict: Verdict) -> None:
        self._table.count("outages", verdict.result, 1)
        self._voice.tallies["outages", verdict.kind, verdict.result] += 1

    def take_tallies(self) -> dict[tuple[str, ...], int]:
        """What has been counted for metrics since the last call: `("signals", detector, severity, status)` for each holder,
        `("outages", kind, result)` and `("unknown_codes", scheme)`.
        """
        tallies, self._voice.tallies = dict(self._voice.tallies), Counter()
        return tallies

    # --- what findings rest on ------------------------------------------------------------------------------

    def _watched(self, events: npt.NDArray[Any]) -> list[int]:
        """Indexes of payments, also of those that take one back, on accounts where a promise is watched."""
        watched = self._table.rows["flags"][events["row"]] & WATCHED
        if not watched.any():
            return []
        return np.flatnonzero((watched != 0) & (events["outcome"] == ev.APPLIED)).tolist()

    def _tally_unknown_codes(self, reader: Reader, batch: Batch) -> None:
        events = batch.events
        if reader.topic == ev.BOUNCE:
            for index in np.flatnonzero((events["kind"] == 0) & (events["outcome"] == ev.APPLIED)).tolist():
                self._table.count("bounces", "unknown_code", 1)
                self._voice.tallies["unknown_codes", batch.records[index].scheme] += 1

    def _keep_note(self, reader: Reader, event: Any, record: Any) -> None:
        """Words for an event that a slot of evidence now holds."""
        self._table.notes_of(int(event["row"])).events[int(event["id"])] = EventNote(
            record.event_id,
            int(event["at"]),
            CATEGORIES[int(event["category"])],
            _KINDS[reader.topic][int(event["kind"])],
            int(event["amount"]),
            record.currency or "",
            int(event["due"]),
        )

    def _say_in_order(
        self,
        topic: str,
        reader: Reader,
        found: npt.NDArray[Any],
        watched: list[int],
        records: Sequence[Record],
        batch: Batch,
    ) -> None:
        """Notes and outputs in the order of the events that led to them, whatever chunk these came in.

        Notes too: an id that is used again for another event must not change the words of what was found before it.
        """
        told = kernel.findings_of(found)
        parts: list[tuple[int, int, int]] = [(index, 0, 0) for index in np.flatnonzero(batch.events["kept"]).tolist()]
        parts += [(index, 1, 0) for index in watched]
        parts += [(finding.trigger, 2, number) for number, finding in enumerate(told)]
        at = -1
        record: Any = None
        for index, kind, number in sorted(parts):
            if index != at:  # looking at a record may decode it
                at, record = index, batch.records[index]
            if kind == 0:
                self._keep_note(reader, batch.events[index], record)
                continue
            source = records[batch.source[index]]
            trigger = Trigger(
                topic,
                f"{record.event_id}/{record.status}",
                int(batch.events[index]["at"]),
                envelope.traceparent_of(source.headers),
                record.event_id,
                source.timestamp,
            )
            if kind == 1:
                self._voice.payment(int(batch.events[index]["row"]), record, trigger)
            else:
                finding = told[number]
                if finding.passing:
                    trigger = trigger._replace(id=f"{trigger.id}/time", event_id=None, at=finding.at, logged=0)
                self._voice.finding(finding, trigger)

    # --- accounts, orders, ticks ----------------------------------------------------------------------------

    def _apply_accounts(self, records: Sequence[Record]) -> list[Refused]:
        refused = []
        for index, record in enumerate(records):
            try:
                self._apply_account(record)
            except BadRecord as bad:
                refused.append(Refused(index, bad.reason, str(bad)))
        return refused

    def _apply_account(self, record: Record) -> None:
        key = self._own_key(record)
        table = self._table
        if record.value is None:
            if not self._placement.holds(key):
                raise BadRecord(Reason.MISPARTITIONED)
            self._erase(key, record)
            return
        account = accounts.decode(envelope.unwrap(record.value, record.headers))
        at = self._check(record, key, account.account_id, ms_of(account.updated_at))
        number = table.find(key)
        if number < 0:
            number = table.add(key)
        before = table.profile(number)
        if before.holders and at < before.updated_at:
            self._table.count("accounts", "stale", 1)
            self._repeated["accounts"] += 1
            return
        self._table.count("accounts", "applied", 1)
        after = described(account, at, before)
        if not table.set_profile(number, after):
            return
        self._describe(number, account)
        table.touch(number)
        trace = envelope.traceparent_of(record.headers)
        trigger = Trigger("accounts", f"{account.account_id}/{at}", at, trace, logged=record.timestamp)
        self._recount(number, trigger)
        for holder in after.holders:
            self._voice.facts("profile", number, after, holder, trigger)
        staying = {holder.customer_id for holder in after.holders}
        words = table.notes.get(number)
        for detector, said in sorted(words.said.items()) if words else ():
            gone = [customer_id for customer_id in said.told if customer_id not in staying]
            self._voice.withdraw(number, detector, said, gone, "left", trigger)
            for customer_id in gone:
                del said.told[customer_id]
            self._voice.raise_to_all(number, detector, said, trigger)
            table.touch(number, EVIDENCE_DIRTY)
        for holder in before.holders:
            if holder.customer_id not in staying:
                self._voice.facts("profile", number, after, holder, trigger, removed=True)

    def _describe(self, number: int, account: AccountRecord) -> None:
        """Writes into the row what detectors need of the account's record."""
        row = self._table.rows[number]
        flags = int(row["flags"]) & ~(REPAID | CARD | OVERDRAFT) | KNOWN
        if account.product in _CREDIT_PRODUCTS:
            flags |= REPAID
        if account.product == "credit_card":
            flags |= CARD
        if account.product == "overdraft":
            flags |= OVERDRAFT
        row["flags"] = flags
        limit = account.credit_limit if account.product == "credit_card" else account.overdraft_limit
        row["limit"] = minor_units(limit, account.currency) if limit else 0
        row["outstanding"] = minor_units(account.outstanding, account.currency) if account.outstanding else 0
        self._world = world.with_country(self._world, account.country)
        row["country"] = code_of(account.country)
        # The zone's lesser offset is its standard time, whatever it calls summer.
        year, zone = account.updated_at.year, ZoneInfo(account.time_zone)
        offsets = [datetime(year, month, 1, tzinfo=zone).utcoffset() or timedelta(0) for month in (1, 7)]
        row["offset"] = round(min(offsets).total_seconds() / 60)
        kernel.note_row_due(self._table.rows, number, self._table.row_dues, self._config, self._world)
        self._next_due_known = False

    def _erase(self, key: bytes, record: Record) -> None:
        number = self._table.find(key)
        if number < 0:
            return
        self._table.count("accounts", "erased", 1)
        profile, account_id = self._table.profile(number), key.decode()
        trigger = Trigger(
            "accounts",
            f"{account_id}/erased/{record.offset}",
            record.timestamp,
            envelope.traceparent_of(record.headers),
            logged=record.timestamp,
        )
        words = self._table.notes.get(number, Notes({}, {}))
        for detector, said in sorted(words.said.items()):
            self._voice.withdraw(number, detector, said, list(said.told), "erased", trigger)
        for holder in profile.holders:
            self._voice.facts("erased", number, profile, holder, trigger, removed=True)
        self._table.erase(number)
        self._voice.means_wanted.discard(number)
        self._next_due_known = False

    def _apply_orders(self, records: Sequence[Record]) -> list[Refused]:
        refused = []
        for index, record in enumerate(records):
            try:
                self._apply_order(record)
            except BadRecord as bad:
                refused.append(Refused(index, bad.reason, str(bad)))
        return refused

    def _apply_order(self, record: Record) -> None:
        key = self._own_key(record)
        if record.value is None:
            raise BadRecord(Reason.NULL_VALUE)
        order = account_orders.decode(envelope.unwrap(record.value, record.headers))
        at = self._check(record, key, order.account_id, ms_of(order.at))
        table = self._table
        number = table.find(key)
        if number < 0:
            if order.kind in ("resume", "unwatch_promise"):
                self._table.count("account-orders", "applied", 1)
                return  # of an account that was erased, or never known, there is nothing to end
            number = table.add(key)
        if self._is_redelivered(number, order):
            self._table.count("account-orders", "duplicate", 1)
            self._repeated["account-orders"] += 1
            return
        self._table.count("account-orders", "applied", 1)
        table.touch(number)
        before = table.profile(number)
        after = ordered(before, order, at)
        watched = WATCHED if after.watches else 0
        table.rows["flags"][number] = int(table.rows[number]["flags"]) & ~WATCHED | watched
        if not table.set_profile(number, after) or after.pauses == before.pauses:
            return
        trigger = Trigger("account-orders", f"{order.order_id}/{order.kind}", at, envelope.traceparent_of(record.headers))
        self._pause(number, order, at)
        self._recount(number, trigger)
        for holder in after.holders:
            self._voice.facts("pause", number, after, holder, trigger)

    def _pause(self, number: int, order: AccountOrderRecord, at: int) -> None:
        """Pauses the counting of days past due, or lets it go on, where the account is or may be an own credit product."""
        table = self._table
        flags, held = int(table.rows[number]["flags"]), int(table.rows[number]["evidence"])
        name = hash_text(order.order_id)
        counts = flags & REPAID or not flags & KNOWN
        if order.kind == "pause" and counts and (order.hold_kind or "dispute") in arrears_clock.PAUSING:
            held = table.open_evidence(number)
            since = ms_of(order.from_) if order.from_ else at
            arrears_clock.pause(table.evidence[held]["arrears"], name, since, ms_of(order.until) if order.until else NEVER)
        elif held:
            arrears_clock.resume(table.evidence[held]["arrears"], name, at)
        if held:
            table.touch(number, EVIDENCE_DIRTY)

    def _recount(self, number: int, trigger: Trigger) -> None:
        """Lets the detectors look again at an account of which something other than an event was told."""
        if not int(self._table.rows[number]["evidence"]):
            return
        events = np.zeros(1, EVENT)
        events["row"], events["topic"] = number, ev.TIME
        events["at"] = events["clock"] = self.clock
        for finding in kernel.findings_of(self._process(events)):
            self._voice.finding(finding, trigger)

    def _is_redelivered(self, number: int, order: AccountOrderRecord) -> bool:
        if order.kind in ("watch_promise", "unwatch_promise"):
            return False  # the last word counts, however often it was said before
        seen = int(columns.seen_of(hash_text(f"{order.order_id} {order.kind}"), ev.TIME, 0))
        row = self._table.rows[number]
        if seen in row["ring"].tolist():
            return True
        row["ring"][int(row["ring_next"])] = seen
        row["ring_next"] = (int(row["ring_next"]) + 1) % RING
        return False

    def _own_key(self, record: Record) -> bytes:
        if record.key is None:
            raise BadRecord(Reason.NULL_KEY)
        return record.key

    def _check(self, record: Record, key: bytes, account_id: str, at: int) -> int:
        """What every record must pass; moves the clock. Returns `at`, its time."""
        if at > record.timestamp + AHEAD:
            raise BadRecord(Reason.TOO_FAR_AHEAD)
        if key != account_id.encode():
            raise BadRecord(Reason.KEY_MISMATCH, "account_id")
        if self._table.find(key) < 0 and not self._placement.holds(key):
            raise BadRecord(Reason.MISPARTITIONED)
        partition = self._table.partition
        partition.clock = max(partition.clock, min(at, record.timestamp))
        return at

    def _apply_ticks(self, records: Sequence[Record]) -> list[Refused]:
        refused = []
        for index, record in enumerate(records):
            if record.value is None:
                refused.append(Refused(index, Reason.NULL_VALUE, ""))
                continue
            try:
                tick = ticks.decode(record.value)
            except (ValueError, RecursionError, OverflowError):
                refused.append(Refused(index, Reason.BAD_JSON, "not a tick"))
                continue
            if tick.at > record.timestamp + AHEAD:
                refused.append(Refused(index, Reason.TOO_FAR_AHEAD, ""))
                continue
            if tick.stage == STAGE and tick.partition == self._placement.partition:
                self._pass_time(tick.at, "payments" in tick.live_feeds, envelope.traceparent_of(record.headers))
        return refused

    def _pass_time(self, at: int, live: bool, traceparent: bytes | None) -> None:
        """Moves the clock, and lets every account whose time has come see that it has.

        What is expected is absent only while payments are coming (`live`).
        """
        table = self._table
        clock = table.partition.clock = max(table.partition.clock, at)
        self._next_due_known = False  # what waits for its feed is due no more
        self._let_pass(clock)
        numbers = set(table.evidence["row"][np.flatnonzero(table.dues[:, 0] <= clock)].tolist())
        if live:
            numbers.update(np.flatnonzero(table.row_dues <= clock).tolist())
        trigger = Trigger("ticks", str(clock), clock, traceparent)
        events = self._times(numbers, clock)
        events["kind"] = ev.LIVE if live else 0
        for finding in kernel.findings_of(self._process(events)) if numbers else ():
            self._voice.finding(finding, trigger)
        if self._voice.means_wanted:
            self._voice.means(trigger)

    def _times(self, numbers: Collection[int], clock: int) -> npt.NDArray[Any]:
        """The passing of time for some accounts."""
        events = np.zeros(len(numbers), EVENT)
        # By key: the order must not depend on where this process happens to keep an account.
        events["row"] = sorted(numbers, key=self._table.key_of)
        events["topic"] = ev.TIME
        events["at"] = clock
        events["clock"] = clock
        return events
