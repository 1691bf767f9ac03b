"""The customers stage: one record per customer; ladder, permission, nudges, escalations and decisions.

`CustomersStep` keeps the records of one partition as bytes and opens those it needs; what is known of a
customer changes only by a record of theirs, and by the clock. When the clock moves, everything whose time has
come is decided first, in order of time and customer, and then the record itself is applied; the record's own
customer is decided once, with the record in hand, so that a hold read at the very instant a nudge was due
still stops it.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any, Final, Literal, NamedTuple

import msgspec

from stream.contracts import (
    account_facts,
    cases,
    contact_outcomes,
    customers,
    holds,
    operator_actions,
    signals,
)
from stream.contracts.envelope import headers_for, logged_of, traceparent_of, unwrap
from stream.contracts.ids import derive
from stream.contracts.money import minor_units
from stream.contracts.vocabulary import DAYS
from stream.engine import ticks
from stream.engine.step import Drained, Output, Placement, Record, Refused
from stream.errors import BadRecord, Reason
from stream.tables import customer as table
from stream.tables.customer import Customer, Partition
from stream.treatment import commitments, effects, reminders
from stream.treatment import holds as hold_rules
from stream.treatment.evaluate import HISTORY_KEPT, erase, evaluate, watch
from stream.treatment.ladder import target
from stream.treatment.local_time import DAY, LATEST, from_ms, to_ms, to_ms_or_none
from stream.treatment.permission import Operator
from stream.treatment.policy import Ladder, Policy, minutes
from stream.treatment.safety import Gauge
from stream.treatment.turn import OWN_CREDIT, SEVERITY_ORDER, SPOKEN_OF, Moment, Said, Turn, keep_reasons

STAGE: Final = "customers"
EVERYBODY: Final = b"*"
TRIGGERS: Final = {
    "customers": "customer",
    "holds": "hold",
    "contact-outcomes": "outcome",
    "cases": "case",
    "operator-actions": "operator",
    "signals": "signal",
    "account-facts": "facts",
}
LAST_CLOCK: Final = LATEST - 400 * DAY
"""The calendar's end is near: no clock goes beyond, so that every rule can still look a year ahead."""
OURS: Final = frozenset({"signals", "account-facts"})
"""Topics that the job writes itself: their records tell in a header when Kafka took the bank's event behind them."""
REACHED: Final = frozenset({"delivered", "opened", "clicked", "conversation", "promise"})
"""Outcomes that show a nudge arrived, so that it counts even if it was taken back."""
ANSWERS: Final = frozenset(
    {
        "clicked", "conversation", "promise", "refused", "opted_out", "complaint", "dispute", "hardship",
        "represented", "plan_proposed", "plan_accepted", "plan_declined",
    }
)  # fmt: skip
"""Outcomes of an outbound contact that end a silence; inbound contact always does."""
TALKS: Final = ANSWERS - {"clicked"}
"""Outcomes that tell of a conversation, where the channel is the voice."""
NOT_CONNECTED: Final = frozenset({"not_connected", "failed"})
"""Outcomes of a contact that never reached the other end."""
HOLDS_FROM_OUTCOMES: Final = frozenset({"complaint", "dispute", "represented"})
"""What a customer may say that holds contact at once, until the holds feed has caught up."""


SAME: Final = "same"
New = bool | Literal["same"]
"""Whether a record tells anything new; `SAME` where what it tells does not bear on what is permitted."""


class CustomersStep:
    """The pure part of the customers stage, for one partition.

    See `stream.engine.step.Step` for what it promises.
    """

    def __init__(self, placement: Placement, policy: Policy, contact_from: datetime | None = None) -> None:
        self._placement = placement
        self.configure(policy, contact_from)
        self._rows: dict[str, bytes] = {}
        self._live: dict[str, Customer] = {}
        """Records opened since the last drain."""
        self._erased: set[str] = set()
        self._partition = Partition()
        self._partition_row = b""
        self._heap: list[tuple[int, str]] | None = None
        """(due, customer), with entries that have been overtaken; None until it is built."""
        self._due: dict[str, int] = {}
        self._spoken_to: set[str] = set()
        """Customers with a nudge that stands or waits: those whom an operator's word for all concerns."""
        self._outputs: list[Output] = []
        self._known: set[str] = set()
        """Customers with a profile: of them the breaker's share is taken."""
        self._tallies: Counter[tuple[str, ...]] = Counter()
        self._repeated: Counter[str] = Counter()
        """Records by topic that told nothing new, since the last drain."""

    def configure(self, policy: Policy, contact_from: datetime | None = None) -> None:
        """Goes on under another policy: those who wait for a nudge or have one are looked at anew as the clock next moves, and
        everybody else when they are next touched.
        """
        self._policy = policy
        self._contact_from = None if contact_from is None else to_ms(contact_from)

    # --- the protocol

    @property
    def clock(self) -> int:
        """The latest min(time of the event, record timestamp) seen, in ms."""
        return self._partition.clock

    def restore(self, rows: Iterable[tuple[bytes, bytes | None]]) -> None:
        """Takes back rows of earlier drains. Raises `StateError` for a version this program does not know."""
        for key, value in rows:
            if key == table.PARTITION_KEY:
                if value is not None:
                    self._partition, self._partition_row = table.decode_partition(value), value
                continue
            customer_id = key.decode()
            if value is None:
                self._forget(customer_id)
                continue
            self._rows[customer_id] = value
            self._note(table.decode(value))
        self._heap = None

    def apply(self, topic: str, records: Sequence[Record]) -> list[Refused]:
        """Applies a chunk of one input topic in order; returns the records that are bad."""
        refused: list[Refused] = []
        apply_one = self._tick if topic == "ticks" else self._tombstone_or_event
        for index, record in enumerate(records):
            try:
                apply_one(topic, record)
            except BadRecord as bad:
                why = ": ".join(part for part in (bad.field, bad.why) if part)
                refused.append(Refused(index, bad.reason, why))
        return refused

    def row(self, customer_id: str) -> bytes | None:
        """A customer's record as it now stands, in its stored form; None for one who is not known."""
        customer = self._live.get(customer_id)
        return table.encode(customer) if customer is not None else self._rows.get(customer_id)

    def take_tallies(self) -> Counter[tuple[str, ...]]:
        """What happened since the last call, by kind: for metrics, which go by what is seen and not by what is kept."""
        tallies, self._tallies = self._tallies, Counter()
        return tallies

    @property
    def held(self) -> int:
        """How many customers are held."""
        return len(self._rows)

    @property
    def breaker_tripped(self) -> bool:
        """Whether nudges wait for an operator's word because too many would be sent at once."""
        return bool(self._partition.breaker.tripped_at)

    def drain(self) -> Drained:
        """What changed and was said since the last drain."""
        for customer_id in [each for each, customer in self._live.items() if table.is_bare(customer)]:
            del self._live[customer_id]
            if self._rows.pop(customer_id, None) is not None:
                self._erased.add(customer_id)
        gone = sorted(self._erased.difference(self._live))
        rows: list[tuple[bytes, bytes | None]] = [(table.changelog_key(each), None) for each in gone]
        self._erased.clear()
        for customer_id, customer in self._live.items():
            stored = table.encode(customer)
            if self._rows.get(customer_id) != stored:
                self._rows[customer_id] = stored
                rows.append((table.changelog_key(customer_id), stored))
        self._live.clear()
        stored = table.encode(self._partition)
        if stored != self._partition_row:
            self._partition_row = stored
            rows.append((table.PARTITION_KEY, stored))
        outputs = self._outputs[:]
        self._outputs.clear()
        repeated, self._repeated = self._repeated, Counter()
        return Drained(rows, outputs, repeated)

    def next_due(self) -> int | None:
        """When the passing of time alone will next change something."""
        heap = self._schedule()
        while heap and self._due.get(heap[0][1]) != heap[0][0]:
            heapq.heappop(heap)
        return heap[0][0] if heap else None

    # --- records

    def _tick(self, topic: str, record: Record) -> None:
        if record.value is None:
            raise BadRecord(Reason.NULL_VALUE)
        try:
            tick = ticks.decode(record.value)
        except (ValueError, RecursionError):
            tick = None
        if tick is None:
            raise BadRecord(Reason.BAD_JSON, "", "not a tick")
        if tick.at > record.timestamp + DAY:
            raise BadRecord(Reason.TOO_FAR_AHEAD)
        if tick.stage == STAGE and tick.partition == self._placement.partition:
            self._advance(tick.at, None)

    def _tombstone_or_event(self, topic: str, record: Record) -> None:
        key = record.key
        if key is None:
            raise BadRecord(Reason.NULL_KEY)
        for_all = topic == "operator-actions" and key == EVERYBODY
        if not for_all and not self._placement.holds(key):
            raise BadRecord(Reason.MISPARTITIONED)
        if record.value is None:
            if topic != "customers":
                raise BadRecord(Reason.NULL_VALUE)
            self._erase(key, record)
            return
        decode, time_of, tell = _TOPICS[topic]
        event = decode(unwrap(record.value, record.headers))
        customer_id: str | None = event.customer_id
        if (EVERYBODY if customer_id is None else customer_id.encode()) != key:
            raise BadRecord(Reason.KEY_MISMATCH)
        at = to_ms(time_of(event))
        if at > record.timestamp + DAY:
            raise BadRecord(Reason.TOO_FAR_AHEAD)
        clock = min(at, record.timestamp)
        if for_all:
            self._advance(clock, None)
            self._operate_for_all(event, record)
            return
        assert customer_id is not None
        self._advance(clock, customer_id)
        customer = self._open(customer_id)
        trace = traceparent_of(record.headers) or b""
        if new := tell(self, customer, event, trace):
            since = logged_of(record.headers) if topic in OURS else record.timestamp
            self._evaluate(customer, TRIGGERS[topic], trace, at, told=new is not SAME, logged=record.timestamp, since=since)
        else:
            self._repeated[topic] += 1
            if self._is_due(customer):
                self._evaluate(customer, "tick", b"")
            _let_go(customer)

    def _erase(self, key: bytes, record: Record) -> None:
        try:
            customer_id = key.decode()
        except UnicodeDecodeError:
            customer_id = ""
        if not customer_id:
            raise BadRecord(Reason.KEY_MISMATCH)
        known = customer_id in self._rows or customer_id in self._live
        customer = self._open(customer_id)
        self._say(erase(customer, self._moment("customer", traceparent_of(record.headers) or b"")), record.timestamp)
        self._live.pop(customer_id, None)
        self._forget(customer_id)
        if known:
            self._erased.add(customer_id)

    def _forget(self, customer_id: str) -> None:
        self._rows.pop(customer_id, None)
        self._due.pop(customer_id, None)
        self._spoken_to.discard(customer_id)
        self._known.discard(customer_id)

    # --- time

    def _advance(self, clock: int, own: str | None) -> None:
        """Moves the clock and decides whatever has fallen due, but for the customer whose record is
        about to be applied.
        """
        clock = min(clock, LAST_CLOCK)
        if clock <= self._partition.clock:
            return
        self._partition.clock = clock
        if self._partition.policy != self._policy.version:
            self._partition.policy = self._policy.version
            # What the former policy refused, or let wait for a word, this one may permit.
            for customer_id in sorted(self._spoken_to):
                if customer_id != own:
                    self._evaluate(self._open(customer_id), "tick", b"", told=True)
        for detector, until in list(self._partition.snoozes.items()):
            if until is not None and until <= clock:
                del self._partition.snoozes[detector]
        heap = self._schedule()
        while heap and heap[0][0] <= clock:
            due, customer_id = heapq.heappop(heap)
            if self._due.get(customer_id) == due and customer_id != own:
                self._evaluate(self._open(customer_id), "tick", b"")

    def _schedule(self) -> list[tuple[int, str]]:
        if self._heap is None or len(self._heap) > 2 * len(self._due) + 64:
            self._heap = [(due, customer_id) for customer_id, due in self._due.items()]
            heapq.heapify(self._heap)
        return self._heap

    def _is_due(self, customer: Customer) -> bool:
        """Whether the passing of time alone changes something now."""
        return customer.due is not None and customer.due <= self._partition.clock

    # --- customers

    def _open(self, customer_id: str) -> Customer:
        customer = self._live.get(customer_id)
        if customer is None:
            stored = self._rows.get(customer_id)
            customer = table.decode(stored) if stored is not None else Customer(customer_id)
            self._live[customer_id] = customer
        return customer

    def _moment(self, trigger: str, trace: bytes, at: int | None = None, *, told: bool = False, logged: int = 0) -> Moment:
        partition = self._partition
        operator = Operator(partition.stopped, partition.snoozes)
        gauge = Gauge(partition.breaker, len(self._known))
        return Moment(partition.clock, self._policy, operator, self._contact_from, trigger, trace, logged, told, at, gauge)

    def _evaluate(
        self, customer: Customer, trigger: str, trace: bytes, at: int | None = None, *, told: bool = False, logged: int = 0,
        since: int = 0,
    ) -> None:  # fmt: skip
        """Decides a customer. `since` is Kafka's timestamp of the bank's event behind it, in ms; 0 for time alone."""
        if customer.profile is not None:
            self._known.add(customer.customer_id)
        turn = evaluate(customer, self._moment(trigger, trace, at, told=told, logged=logged))
        _let_go(customer)
        if turn.said:
            self._say(turn.said, since)
        if turn.counted:
            self._tallies.update(turn.counted)
        before = self._due.get(customer.customer_id)
        self._note(customer)
        if customer.due is not None and customer.due != before:
            heapq.heappush(self._schedule(), (customer.due, customer.customer_id))

    def _note(self, customer: Customer) -> None:
        customer_id = customer.customer_id
        if customer.due is None:
            self._due.pop(customer_id, None)
        else:
            self._due[customer_id] = customer.due
        if customer.profile is not None:
            self._known.add(customer_id)
        if (customer.nudges and any(nudge.body for nudge in customer.nudges)) or (
            customer.episodes and not all(each.nudge_id for each in customer.episodes.values())
        ):
            self._spoken_to.add(customer_id)
        else:
            self._spoken_to.discard(customer_id)

    def _say(self, said: Iterable[Said], since: int = 0) -> None:
        for topic, key, event_id, at, record, trace in said:
            if self._policy.shadow and topic != "decisions":
                continue
            headers = headers_for(topic, event_id, from_ms(at), trace or None, since)
            self._outputs.append(Output(topic, key.encode(), msgspec.json.encode(record), headers))
            self._tallies[_kind_of(topic, record)] += 1

    # --- what each topic tells; each returns whether anything is new, and SAME where it does not bear on what is permitted

    def _tell_profile(self, customer: Customer, event: customers.CustomerRecord, trace: bytes) -> New:
        if customer.profile is not None and to_ms(event.updated_at) < customer.profile.updated_at:
            return False
        customer.profile = table.Profile(
            updated_at=to_ms(event.updated_at),
            jurisdiction=event.jurisdiction,
            time_zone=event.time_zone,
            language=event.language,
            region=event.region or "",
            consents={
                name: 0 if channel.since is None else max(0, to_ms(channel.since))
                for name, channel in event.channels.items()
                if channel.consent
            },
            preferred=event.preferred_channel or "",
            quiet=[
                table.Quiet(
                    minutes(each.from_), minutes(each.to), [DAYS.index(day) for day in each.days or ()]
                )
                for each in event.quiet or ()
            ],
            vulnerabilities=list(event.vulnerabilities or ()),
            segment=event.segment or "",
        )
        return True

    def _tell_hold(self, customer: Customer, event: holds.HoldRecord, trace: bytes) -> New:
        if not table.first_time(customer, "holds", event.event_id):
            return False
        hold = hold_rules.told(event, customer.holds.get(event.hold_id))
        if hold is None:
            return False
        customer.holds[event.hold_id] = hold
        self._bound_holds(customer)
        return True

    def _bound_holds(self, customer: Customer) -> None:
        while len(customer.holds) > table.MAX_HOLDS:
            over = [
                hold
                for hold in customer.holds.values()
                if hold.until is not None and hold.until <= self.clock
            ]
            if not over:
                # What cannot be remembered must not be forgotten: all is refused until a person has looked. What has a team of
                # its own is kept before what only forbids.
                customer.overflow = True
                queued = self._policy.holds.queues
                spare = [name for name, hold in customer.holds.items() if hold.kind not in queued]
                del customer.holds[spare[-1] if spare else next(reversed(customer.holds))]
            else:
                del customer.holds[min(over, key=lambda hold: (hold.until or 0, hold.hold_id)).hold_id]

    def _tell_outcome(
        self, customer: Customer, event: contact_outcomes.ContactOutcomeRecord, trace: bytes
    ) -> New:
        if not table.first_time(customer, "contact-outcomes", event.event_id):
            return False
        at = to_ms(event.occurred_at)
        if event.direction == "inbound" or event.outcome in ANSWERS:
            customer.responded_at = max(customer.responded_at, at)
        self._tell_contact(customer, event, at)
        if event.nudge_id is not None and event.outcome in REACHED:
            for nudge in customer.nudges:
                if nudge.nudge_id == event.nudge_id:
                    nudge.reached = nudge.counts = True
        match event.outcome:
            case "opted_out" | "wrong_party":
                customer.blocked[event.channel] = max(customer.blocked.get(event.channel, 0), at)
            case "hardship":
                customer.hardship_at = max(customer.hardship_at, at)
            case "plan_proposed":
                customer.proposed_at = max(customer.proposed_at, at)
            case "plan_accepted" | "plan_declined":
                self._tell_plan(customer, event, at, trace)
        if event.outcome in HOLDS_FROM_OUTCOMES:
            hold_id = derive("outcome", customer.customer_id, event.contact_id, event.outcome)
            account_id = (event.account_id or "") if event.outcome == "dispute" else ""
            until = at + self._policy.holds.provisional_days * DAY
            customer.holds[hold_id] = table.Hold(
                hold_id, event.outcome, at, at, account_id=account_id, ends_at=until, provisional=True
            )
            self._bound_holds(customer)
        if event.promise is not None:
            self._tell_promise(customer, event.promise, at, trace)
        return True

    def _tell_promise(
        self, customer: Customer, told: contact_outcomes.PromiseRecord, at: int, trace: bytes
    ) -> None:
        amount = minor_units(told.amount, told.currency)
        if amount <= 0:
            return
        promise = table.Promise(
            told.promise_id, told.account_id, amount, told.currency, told.due_date.isoformat(), at
        )
        known = customer.promises.get(told.promise_id)
        if known is not None:
            same = (known.amount, known.due_date, known.currency) == (promise.amount, promise.due_date, promise.currency)
            if same or known.told_at > at:
                return
            # A promise that was made anew: what was paid towards it stays paid.
            promise.made_at = known.made_at
        promise.told_at = at
        customer.promises[told.promise_id] = promise
        while len(customer.promises) > table.MAX_PROMISES:
            order = sorted(customer.promises.values(), key=lambda each: (each.status == "open", each.made_at))
            dropped = customer.promises.pop(order[0].promise_id)
            turn = Turn(customer, self._moment("outcome", trace))
            if dropped.watched and dropped.promise_id != told.promise_id:
                commitments.unwatch(dropped, turn)
            self._say(turn.said)
        if told.promise_id in customer.promises:
            self._say(watch(promise, known, customer, self._moment("outcome", trace)))

    def _tell_plan(self, customer: Customer, event: contact_outcomes.ContactOutcomeRecord, at: int, trace: bytes) -> None:
        plan = customer.plans.get(event.offer_id or "")
        if plan is None:
            return  # not one of our offers: the bank's own hold and case speak for it
        if event.outcome == "plan_declined":
            if not plan.accepted_at:
                plan.ended_at = plan.ended_at or at
            return
        turn = Turn(customer, self._moment("outcome", trace, at))
        commitments.accept(plan, at, turn)
        self._say(turn.said)

    def _tell_contact(self, customer: Customer, event: contact_outcomes.ContactOutcomeRecord, at: int) -> None:
        if at <= self.clock - HISTORY_KEPT:
            return
        known = customer.contacts.get(event.contact_id)
        if known is None:
            known = customer.contacts[event.contact_id] = table.Contact(at, event.channel)
        known.at = min(known.at, at)
        known.anywhere = known.anywhere or event.account_id is None
        known.account_id = known.account_id or event.account_id or ""
        known.nudge_id = known.nudge_id or event.nudge_id or ""
        known.outbound = known.outbound or event.direction == "outbound"
        if at >= known.told_at:
            known.told_at, known.connected = at, event.outcome not in NOT_CONNECTED
        if event.outcome in TALKS:
            known.talked_at = max(known.talked_at, at)
        if len(customer.contacts) > table.MAX_CONTACTS:
            # What cannot be remembered must not be forgotten: until it would count no more, nothing is sent.
            first = min(customer.contacts, key=lambda name: (customer.contacts[name].told_at, name))
            customer.crowded_until = max(customer.crowded_until, customer.contacts.pop(first).told_at + HISTORY_KEPT)

    def _tell_case(self, customer: Customer, event: cases.CaseRecord, trace: bytes) -> New:
        if not table.first_time(customer, "cases", event.event_id):
            return False
        at = to_ms(event.occurred_at)
        known = customer.cases.get(event.case_id)
        if known is not None and known.at > at:
            # Told late: it was open earlier than was known, or answers a request that no later record named.
            earlier = event.status == "opened" and at < known.opened_at
            answers = bool(event.escalation_id) and not known.escalation_id
            if earlier:
                known.opened_at = at
            if answers:
                known.escalation_id = event.escalation_id or ""
                self._answered(customer, known)
            return earlier or answers
        opened_at = min(known.opened_at, at) if known is not None else at
        closed_at = at if event.status == "closed" else None
        escalation_id = event.escalation_id or (known.escalation_id if known is not None else "")
        case = table.Case(event.case_id, opened_at, at, closed_at, escalation_id, event.queue)
        customer.cases[event.case_id] = case
        self._answered(customer, case)
        while len(customer.cases) > table.MAX_CASES:
            closed = [case for case in customer.cases.values() if case.closed_at is not None]
            if closed:
                del customer.cases[min(closed, key=lambda case: (case.at, case.case_id)).case_id]
            else:
                customer.overflow = True
                del customer.cases[next(reversed(customer.cases))]
        return True

    def _answered(self, customer: Customer, case: table.Case) -> None:
        """Marks the requests that a case answers; one that names none answers what its team was asked."""
        for escalation in customer.escalations.values():
            named = (
                escalation.escalation_id == case.escalation_id
                if case.escalation_id
                else escalation.queue == case.queue
            )
            if named and escalation.body and escalation.status != "withdrawn":
                escalation.status = "taken" if case.closed_at is None else "done"
                if escalation.cause == "overflow" and escalation.status == "done":
                    customer.overflow = False

    def _tell_signal(self, customer: Customer, event: signals.SignalRecord, trace: bytes) -> New:
        at = to_ms(event.occurred_at)
        what = (event.status, event.severity, event.proposes_hold or "", str(at))
        if not table.first_time(customer, "signals", event.signal_id, *what):
            return False
        if event.status == "withdrawn":
            gone = customer.signals.pop(event.signal_id, None)
            customer.cleared_at = max(customer.cleared_at, at)
            customer.gone[event.signal_id] = at
            if len(customer.gone) > table.MAX_SIGNALS:
                del customer.gone[next(iter(customer.gone))]
            if gone is None:
                return SAME
            if not gone.rose_at and _is_low(gone) and self._stands(customer) and not self._is_due(customer):
                return False
            return True if gone.proposes_hold else SAME
        if event.signal_id in customer.gone:
            return False  # an id is never raised again: this was said before it was taken back
        known = customer.signals.get(event.signal_id)
        if known is not None and known.at > at:
            known.started = min(known.started, at)
            if known.rose_at and event.severity in SPOKEN_OF:
                known.rose_at = min(known.rose_at, at)
            return SAME
        rose_at, fell_at = self._rose_and_fell(known, event.severity in SPOKEN_OF, at)
        customer.signals[event.signal_id] = table.OpenSignal(
            signal_id=event.signal_id,
            detector=event.detector,
            account_id=event.account_id,
            severity=event.severity,
            started=known.started if known is not None else at,
            at=at,
            reasons=keep_reasons(event.reasons),
            expires_at=None if event.expires_at is None else to_ms(event.expires_at),
            proposes_hold=event.proposes_hold or "",
            code=event.reasons[0].code if event.reasons else "",
            rose_at=rose_at,
            fell_at=fell_at,
            trace=trace,
        )
        while len(customer.signals) > table.MAX_SIGNALS:
            mildest = max(
                customer.signals.values(),
                key=lambda each: (not each.proposes_hold, SEVERITY_ORDER[each.severity], -each.at),
            )
            del customer.signals[mildest.signal_id]
        told = customer.signals.get(event.signal_id)
        if told is not None and self._calls_for_nothing(customer, known, told):
            return False
        proposed = event.proposes_hold or (known is not None and known.proposes_hold)
        return True if proposed else SAME

    def _calls_for_nothing(self, customer: Customer, known: table.OpenSignal | None, told: table.OpenSignal) -> bool:
        """Whether a signal leads to nothing now that was not so before it: only to another look once it expires."""
        due = min(customer.due or LATEST, told.expires_at or LATEST)
        if due <= self._partition.clock:
            return False
        if known is not None:
            same = known.at >= (self._contact_from or 0) and _calls_for_the_same(known, told, customer, self._policy.ladder)
        else:
            watched = customer.rung > 0 and self._contact_from is None
            same = watched and _is_low(told) and self._stands(customer, told.signal_id)
        if same and due < LATEST and due != customer.due:
            customer.due = self._due[customer.customer_id] = due
            heapq.heappush(self._schedule(), (due, customer.customer_id))
        return same

    def _stands(self, customer: Customer, but: str = "") -> bool:
        """Whether some other sign of stress is open: one more or less that is only watched changes nothing then."""
        return any(each.severity != "info" and name != but for name, each in customer.signals.items())

    def _rose_and_fell(self, known: table.OpenSignal | None, high: bool, at: int) -> tuple[int, int]:
        """Since when a signal can be spoken of, and since when not any more; what is less only for a while has not fallen."""
        if known is None:
            return (at if high else 0), 0
        if not high:
            return known.rose_at, known.fell_at or (at if known.rose_at else 0)
        long = known.fell_at and at >= known.fell_at + self._policy.ladder.recognition_clear_days * DAY
        return (at if long or not known.rose_at else known.rose_at), 0

    def _tell_facts(self, customer: Customer, event: account_facts.AccountFactsRecord, trace: bytes) -> New:
        if event.removed:
            if customer.accounts.pop(event.account_id, None) is not None and event.account_id not in customer.left:
                customer.left = [*customer.left, event.account_id][-table.MAX_ACCOUNTS :]
            return True
        if event.account_id in customer.left:
            customer.left.remove(event.account_id)
        pauses = [
            table.Pause(
                each.order_id,
                each.hold_kind,
                to_ms(each.from_),
                None if each.until is None else to_ms(each.until),
            )
            for each in event.pauses
            if each.customer_id != customer.customer_id and each.hold_kind in self._policy.holds.shared
        ]
        customer.overflow = customer.overflow or len(pauses) > table.MAX_PAUSES
        known = customer.accounts.get(event.account_id)
        had = known.arrears.since if known is not None and known.arrears is not None else ""
        account = customer.accounts[event.account_id] = table.AccountFacts(
            event.account_id, to_ms(event.as_of), event.role, event.product, event.currency, pauses[: table.MAX_PAUSES],
            _arrears(event, known), _missed(event, known), _means(event, known), _obligations(event, known),
            str(event.apr) if event.apr is not None else known.apr if known is not None and event.change == "payment" else "",
        )  # fmt: skip
        turn = Turn(customer, self._moment("facts", trace))
        effects.first_miss(had, account.arrears.since if account.arrears is not None else "", turn)
        self._tallies.update(turn.counted)
        while len(customer.accounts) > table.MAX_ACCOUNTS:
            idle = [
                each for each in customer.accounts.values() if not each.pauses and each.role != "guarantor"
            ]
            customer.overflow = customer.overflow or not idle
            oldest = min(idle or customer.accounts.values(), key=lambda each: (each.as_of, each.account_id))
            del customer.accounts[oldest.account_id]
        self._tell_payments(customer, event)
        same = known is not None and known.pauses == account.pauses and known.role == account.role
        return SAME if same and customer.holds == {} else True

    def _tell_payments(self, customer: Customer, event: account_facts.AccountFactsRecord) -> None:
        for payment in event.payments:
            at, credit = to_ms(payment.occurred_at), payment.direction == "credit"
            if payment.reversed:
                customer.payments.pop(payment.event_id, None)
                continue
            if credit and (customer.promises or customer.plans):
                amount = minor_units(payment.amount, payment.currency)
                customer.payments[payment.event_id] = table.Payment(event.account_id, payment.currency, amount, at)
            self._settle(customer, event, payment, at)
        while len(customer.payments) > table.MAX_PAYMENTS:
            del customer.payments[min(customer.payments, key=lambda name: (customer.payments[name].at, name))]

    def _settle(
        self, customer: Customer, event: account_facts.AccountFactsRecord, payment: account_facts.FactsPaymentRecord, at: int
    ) -> None:
        """Notes that what a reminder is about has been paid."""
        repayment = payment.direction == "credit" and event.product in OWN_CREDIT
        for episode in customer.episodes.values():
            if episode.treatment == reminders.PAYMENT:
                turn = Turn(customer, self._moment("facts", b""))
                amount = minor_units(payment.amount, payment.currency)
                if reminders.pays(episode.subject, event.account_id, payment.obligation_id, repayment, amount, at, turn):
                    customer.settled[episode.subject] = at

    def _tell_action(
        self, customer: Customer, event: operator_actions.OperatorActionRecord, trace: bytes
    ) -> New:
        if not table.first_time(customer, "operator-actions", event.event_id):
            return False
        customer.stopped = _operate(customer, customer.stopped, event)
        return True

    def _operate_for_all(self, event: operator_actions.OperatorActionRecord, record: Record) -> None:
        partition = self._partition
        if not table.first_time(partition, "operator-actions", event.event_id):
            return
        if event.action == "release_breaker" and to_ms(event.occurred_at) >= partition.breaker.tripped_at:
            Gauge(partition.breaker).release()
        partition.stopped = _operate(partition, partition.stopped, event)
        trace = traceparent_of(record.headers) or b""
        for customer_id in sorted(self._spoken_to):
            self._evaluate(self._open(customer_id), "operator", trace, told=True)


def _let_go(customer: Customer) -> None:
    """What is told of somebody who was erased, or never known, leaves nothing behind, nor what has passed by itself.

    At once, and not when rows are next drained: else what is remembered would depend on when that was.
    """
    if customer.profile is None and table.is_bare(customer):
        customer.seen, customer.gone, customer.cleared_at, customer.left = b"", {}, 0, []


def _is_low(signal: table.OpenSignal) -> bool:
    """Whether a sign is only watched."""
    return signal.severity == "low" and not signal.proposes_hold


def _calls_for_the_same(known: table.OpenSignal, told: table.OpenSignal, customer: Customer, ladder: Ladder) -> bool:
    """Whether a signal that is told again calls for the same as before: in other words, for longer, or more or less gravely
    where that leads to the same rung.

    Not what a person may be asked about anew: what proposes a hold, what could not be judged, and what is high after somebody
    has looked; nor what is high in somebody who may be in the control group, which nobody with a high sign is.
    """
    if known.proposes_hold or told.proposes_hold or told.severity == "info" or known.account_id != told.account_id:
        return False
    severities = {known.severity, told.severity}
    looked = customer.control_since or any(each.status == "done" for each in customer.escalations.values())
    if "high" in severities and looked:
        return False
    if known.severity == told.severity:
        return True
    others = [each for each in customer.signals.values() if each is not told]
    return severities == SPOKEN_OF and target([*others, known], ladder) == target([*others, told], ladder)


def _arrears(event: account_facts.AccountFactsRecord, known: table.AccountFacts | None) -> table.Arrears | None:
    """The arrears that a record of facts tells, or those that were known where it tells nothing of them."""
    if event.change == "payment":
        return known.arrears if known is not None else None
    if event.past_due_since is None:
        return None
    return table.Arrears(
        to_ms(event.as_of), event.days_past_due_treatment, event.days_past_due_contractual, event.days_past_due_regulatory,
        event.arrears or "", event.past_due_since.isoformat(), event.currency,
    )  # fmt: skip


def _means(event: account_facts.AccountFactsRecord, known: table.AccountFacts | None) -> table.Means | None:
    """The same for means."""
    if event.change in ("payment", "arrears"):
        return known.means if known is not None else None
    if event.income_monthly_low is None and event.next_income_on is None and event.priority_bills_monthly is None:
        return None
    next_income_on = event.next_income_on.isoformat() if event.next_income_on else ""
    return table.Means(event.currency, event.income_monthly_low or "", next_income_on, event.priority_bills_monthly or "")


def _missed(event: account_facts.AccountFactsRecord, known: table.AccountFacts | None) -> int:
    """The same for instalments missed."""
    if event.change == "payment":
        return known.missed if known is not None else 0
    return event.missed_instalments_60d


def _obligations(event: account_facts.AccountFactsRecord, known: table.AccountFacts | None) -> list[table.Obligation]:
    """What the account regularly pays; when it was last paid is only told with its means."""
    before = {} if known is None else {each.obligation_id: each.last_paid for each in known.obligations}
    return [
        table.Obligation(
            each.obligation_id, each.category, minor_units(each.amount_due, each.currency), each.currency,
            each.next_due.isoformat() if each.next_due else "",
            each.last_paid.isoformat() if each.last_paid else before.get(each.obligation_id, ""),
        )
        for each in event.obligations[: table.MAX_OBLIGATIONS]
    ]  # fmt: skip


def _kind_of(topic: str, record: Any) -> tuple[str, ...]:
    """What a record is counted as."""
    match topic:
        case "nudges":
            return (topic, record.treatment, record.status)
        case "escalations":
            return (topic, record.queue, record.status)
        case "decisions":
            return (topic, record.result, next((each.rule_id for each in record.rules if each.verdict != "allow"), "none"))
        case _:
            return (topic, record.kind)


def _operate(of: Customer | Partition, stopped: bool, event: operator_actions.OperatorActionRecord) -> bool:
    """Applies an operator's word, unless a later one on the same matter is known; returns whether nudges are stopped."""
    if event.action == "release_breaker":
        return stopped
    detector, at = event.detector or "", to_ms(event.occurred_at)
    matter = "stop" if event.action in ("stop_nudges", "resume_nudges") else f"snooze\n{detector}"
    if of.ordered_at.get(matter, at) > at:
        return stopped
    of.ordered_at[matter] = at
    if len(of.ordered_at) > 2 * table.MAX_SNOOZES:
        del of.ordered_at[min(of.ordered_at, key=lambda name: (name == "stop", of.ordered_at[name], name))]
    match event.action:
        case "stop_nudges":
            return True
        case "resume_nudges":
            return False
        case "snooze":
            of.snoozes[detector] = to_ms_or_none(event.until)
            while len(of.snoozes) > table.MAX_SNOOZES:
                # Too many to tell apart: one snooze of everything, which silences more.
                ends = list(of.snoozes.values())
                of.snoozes.clear()
                of.snoozes[""] = None if None in ends else max(end for end in ends if end is not None)
        case "unsnooze":
            of.snoozes.pop(detector, None)
    return stopped


class _Topic(NamedTuple):
    decode: Callable[[bytes], Any]
    time_of: Callable[[Any], datetime]
    tell: Callable[[CustomersStep, Customer, Any, bytes], New]


_TOPICS: Final[dict[str, _Topic]] = {
    "customers": _Topic(customers.decode, lambda event: event.updated_at, CustomersStep._tell_profile),
    "holds": _Topic(holds.decode, lambda event: event.occurred_at, CustomersStep._tell_hold),
    "contact-outcomes": _Topic(
        contact_outcomes.decode, lambda event: event.occurred_at, CustomersStep._tell_outcome
    ),
    "cases": _Topic(cases.decode, lambda event: event.occurred_at, CustomersStep._tell_case),
    "operator-actions": _Topic(
        operator_actions.decode, lambda event: event.occurred_at, CustomersStep._tell_action
    ),
    "signals": _Topic(signals.decode, lambda event: event.occurred_at, CustomersStep._tell_signal),
    "account-facts": _Topic(account_facts.decode, lambda event: event.as_of, CustomersStep._tell_facts),
}
"""By topic: how it is read, which of its times is the event's, and what it tells."""
