"""What the accounts stage says, and to whom: findings as signals for each holder, and facts where these changed."""

from __future__ import annotations

from collections import Counter
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from stream.agents import accounts_outputs as records
from stream.agents.accounts_outputs import Trigger
from stream.agents.accounts_words import ending, words_of
from stream.contracts.account_facts import FactsPaymentRecord
from stream.contracts.signals import ReasonRecord
from stream.contracts.vocabulary import FactsChange, SignalStatus
from stream.detectors import arrears_clock
from stream.detectors.base import NOTED, Finding, time_of
from stream.detectors.levels import CAUSES, CHANGED, RAISED, SWITCHED_OFF, WITHDRAWN, severity_name
from stream.detectors.registry import SIGNS
from stream.detectors.settings import versions
from stream.engine.step import Output
from stream.tables.account import MEANS_WANTED
from stream.tables.accounts import AccountTable
from stream.tables.notes import Said
from stream.tables.profile import Holder, Profile


class Voice:
    """Says what is found on the accounts of a table; `outputs` is what was said, until somebody takes it."""

    def __init__(self, table: AccountTable) -> None:
        self.table = table
        self.outputs: list[Output] = []
        self.tallies: Counter[tuple[str, ...]] = Counter()
        self.means_wanted: set[int] = set()
        """Accounts whose means are told at the next tick."""

    def configure(self, settings: Any, config: npt.NDArray[Any]) -> None:
        """Speaks on under other settings; `config` is what compiled code has of them."""
        self._settings, self._config = settings, config
        self._versions = versions(settings)

    def look(self) -> None:
        """Finds anew whose means are wanted, after a restore."""
        table = self.table
        self.means_wanted = set(np.flatnonzero(table.rows["flags"][: len(table.keys)] & MEANS_WANTED).tolist())

    def finding(self, finding: Finding, trigger: Trigger) -> None:
        """Turns a finding into signals for the holders, and into facts where these changed by it."""
        number = finding.row
        if finding.action != NOTED:
            self._told(finding, trigger)
        if finding.action == RAISED:
            self.want_means(number)
        if finding.detector == arrears_clock.DETECTOR:
            # As it was at the finding: the row may have taken further events of the chunk in.
            off = finding.cause == SWITCHED_OFF and finding.action == WITHDRAWN
            standing = arrears_clock.Standing() if off else arrears_clock.standing_of(finding)
            profile, name, clock = self.table.profile(number), self.table.key_of(number).decode(), finding.clock
            for holder in profile.holders:
                self.outputs.append(records.facts("arrears", name, profile, holder, trigger, clock, standing=standing))

    def _told(self, finding: Finding, trigger: Trigger) -> None:
        """Says a finding to the holders; without holders it waits in the notes."""
        number, detector = finding.row, finding.detector
        words = self.table.notes_of(number)
        self.table.count(SIGNS[detector][0], ("", "raised", "changed", "withdrawn")[finding.action], 1)
        if finding.action == WITHDRAWN:
            said = msgspec.structs.replace(words.said.pop(detector), score=finding.score)
            self.withdraw(number, detector, said, list(said.told), CAUSES[finding.cause], trigger)
            return
        events = [words.events[event] for event in finding.events[: finding.listed] if event in words.events]
        told = words_of(finding, events, trigger.at, self._settings)
        before = words.said.get(detector)
        said = words.said[detector] = Said(
            finding.start,
            trigger.at,
            finding.severity,
            finding.score,
            finding.expires,
            told.reasons,
            told.would_clear,
            dict(before.told) if before else {},
            told.proposes_hold,
        )
        if finding.action == CHANGED:
            for customer_id in said.told:
                self._signal("changed", number, customer_id, detector, said, said.reasons, trigger)
        self.raise_to_all(number, detector, said, trigger)

    def raise_to_all(self, number: int, detector: int, said: Said, trigger: Trigger) -> None:
        """Says an open signal to the holders who have not heard it."""
        account_id = self.table.key_of(number).decode()
        for holder in self.table.profile(number).holders:
            if holder.customer_id not in said.told:
                said.told[holder.customer_id] = records.signal_id(account_id, holder, detector, said.start)
                self._signal("raised", number, holder.customer_id, detector, said, said.reasons, trigger)

    def withdraw(self, number: int, detector: int, said: Said, customers: list[str], why: str, trigger: Trigger) -> None:
        """Takes a signal back from some who have heard it."""
        rest: tuple[ReasonRecord, ...] = () if why in ("left", "erased") else said.reasons
        reasons = (ending(why, said.score, trigger.event_id), *rest)
        for customer_id in customers:
            self._signal("withdrawn", number, customer_id, detector, said, reasons, trigger)

    def _signal(
        self,
        status: SignalStatus,
        number: int,
        customer_id: str,
        sign: int,
        said: Said,
        reasons: tuple[ReasonRecord, ...],
        trigger: Trigger,
    ) -> None:
        version = self._versions[SIGNS[sign][0]]
        self.tallies["signals", SIGNS[sign][0], severity_name(said.severity), status] += 1
        account_id = self.table.key_of(number).decode()
        self.outputs.append(records.signal(status, account_id, customer_id, sign, version, said, reasons, trigger))

    def want_means(self, number: int) -> None:
        """Has the account's means told at the next tick, when they rest on the same records whatever the chunks were."""
        self.table.rows["flags"][number] |= MEANS_WANTED
        self.means_wanted.add(number)

    def means(self, trigger: Trigger) -> None:
        """Tells the means that are wanted."""
        table = self.table
        for number in sorted(self.means_wanted, key=table.key_of):
            table.rows["flags"][number] &= ~MEANS_WANTED
            table.touch(number)
            profile = table.profile(number)
            for holder in profile.holders:
                self.facts("means", number, profile, holder, trigger)
        self.means_wanted.clear()

    def facts(
        self, change: FactsChange, number: int, profile: Profile, holder: Holder, trigger: Trigger, *, removed: bool = False
    ) -> None:
        """Tells a holder all that is known of the account. Not while a chunk of events is applied."""
        row, account_id, clock = self.table.rows[number], self.table.key_of(number).decode(), self.table.partition.clock
        if removed:
            self.outputs.append(records.facts(change, account_id, profile, holder, trigger, trigger.at, removed=True))
            return
        standing = arrears_clock.Standing()
        if int(self._config[0]["enabled"][arrears_clock.DETECTOR]):
            standing = arrears_clock.standing_at(row, self.table.evidence[int(row["evidence"])]["arrears"], clock)
        means = records.means(row, profile, time_of(clock).date())
        self.outputs.append(records.facts(change, account_id, profile, holder, trigger, clock, standing=standing, means=means))

    def payment(self, number: int, record: Any, trigger: Trigger) -> None:
        """Tells the holders of a payment, or of one that was taken back."""
        payment = FactsPaymentRecord(
            event_id=record.event_id,
            occurred_at=record.occurred_at,
            amount=record.amount,
            currency=record.currency,
            direction=record.direction,
            category=record.category,
            obligation_id=record.obligation_id,
        )
        booked = record.status == "booked"
        payments = (payment,) if booked else ()
        if record.corrects or not booked:
            gone = msgspec.structs.replace(payment, event_id=record.corrects or record.event_id, reversed=True)
            payments = (gone, *payments)
        profile = self.table.profile(number)
        account_id = self.table.key_of(number).decode()
        for holder in profile.holders:
            self.outputs.append(records.facts("payment", account_id, profile, holder, trigger, trigger.at, payments=payments))
