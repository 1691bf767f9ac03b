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
from typing import Any, Final, NamedTuple

import msgspec

from stream.contracts import account_facts, cases, contact_outcomes, customers, holds, operator_actions, signals
from stream.contracts.envelope import headers_for, logged_of, traceparent_of, unwrap
from stream.engine import ticks
from stream.engine.step import Drained, Output, Placement, Record, Refused
from stream.errors import BadRecord, Reason
from stream.tables import customer as table
from stream.tables.customer import Customer, Partition
from stream.treatment import told
from stream.treatment.evaluate import erase, evaluate
from stream.treatment.local_time import DAY, LATEST, from_ms, to_ms
from stream.treatment.permission import Operator
from stream.treatment.policy import Policy
from stream.treatment.safety import Gauge
from stream.treatment.told import actions as told_actions
from stream.treatment.told import cases as told_cases
from stream.treatment.told import facts as told_facts
from stream.treatment.told import holds as told_holds
from stream.treatment.told import outcomes as told_outcomes
from stream.treatment.told import profile as told_profile
from stream.treatment.told import signals as told_signals
from stream.treatment.turn import Moment, Said, Turn

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
        """Records by topic that were known before, or older than what is known, since the last drain."""

    def configure(self, policy: Policy, contact_from: datetime | None = None) -> None:
        """Goes on under another policy: those who wait for a nudge or have one are looked at anew as the clock next moves, and
        everybody else when they are next touched.
        """
        self._policy = policy
        self._contact_from = None if contact_from is None else to_ms(contact_from)
        self._under = policy.version if contact_from is None else f"{policy.version} from {self._contact_from}"

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
        moment = self._moment(TRIGGERS[topic], traceparent_of(record.headers) or b"", at, logged=record.timestamp)
        turns: list[Turn] = []
        new = tell(customer, event, moment, turns)
        for turn in turns:
            self._say(turn.said)
            self._tallies.update(turn.counted)
        changed = customer.under != self._under
        if new is told.NEW or new is told.SAME:
            moment.told = changed or new is told.NEW
            since = logged_of(record.headers) if topic in OURS else record.timestamp
            self._evaluate(customer, moment, since)
            return
        if new is told.REPEATED:
            self._repeated[topic] += 1
        if changed or told.is_due(customer, self._partition.clock):
            self._evaluate(customer, self._moment("tick", told=changed))
        elif customer.due is not None and customer.due != self._due.get(customer_id):
            self._due[customer_id] = customer.due
            heapq.heappush(self._schedule(), (customer.due, customer_id))
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
        if self._partition.policy != self._under:
            self._partition.policy = self._under
            # What the former policy refused, or let wait for a word, this one may permit.
            for customer_id in sorted(self._spoken_to):
                if customer_id != own:
                    self._evaluate(self._open(customer_id), self._moment("tick", told=True))
        for detector, until in list(self._partition.snoozes.items()):
            if until is not None and until <= clock:
                del self._partition.snoozes[detector]
        heap = self._schedule()
        while heap and heap[0][0] <= clock:
            due, customer_id = heapq.heappop(heap)
            if self._due.get(customer_id) == due and customer_id != own:
                self._evaluate(self._open(customer_id), self._moment("tick"))

    def _schedule(self) -> list[tuple[int, str]]:
        if self._heap is None or len(self._heap) > 2 * len(self._due) + 64:
            self._heap = [(due, customer_id) for customer_id, due in self._due.items()]
            heapq.heapify(self._heap)
        return self._heap

    # --- customers

    def _open(self, customer_id: str) -> Customer:
        customer = self._live.get(customer_id)
        if customer is None:
            stored = self._rows.get(customer_id)
            customer = table.decode(stored) if stored is not None else Customer(customer_id)
            self._live[customer_id] = customer
        return customer

    def _moment(self, trigger: str, trace: bytes = b"", at: int | None = None, *, told: bool = False, logged: int = 0) -> Moment:
        partition = self._partition
        operator = Operator(partition.stopped, partition.snoozes)
        gauge = Gauge(partition.breaker)
        return Moment(
            partition.clock, self._policy, operator, self._contact_from, trigger, trace, logged, told, at, gauge, self._under,
        )  # fmt: skip

    def _evaluate(self, customer: Customer, moment: Moment, since: int = 0) -> None:
        """Decides a customer. `since` is Kafka's timestamp of the bank's event behind it, in ms; 0 for time alone."""
        if customer.profile is not None:
            self._known.add(customer.customer_id)
        moment.gauge.known = len(self._known)
        turn = evaluate(customer, moment)
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

    def _operate_for_all(self, event: operator_actions.OperatorActionRecord, record: Record) -> None:
        partition = self._partition
        if not told_actions.operate(partition, event):
            return
        if event.action == "release_breaker" and to_ms(event.occurred_at) >= partition.breaker.tripped_at:
            Gauge(partition.breaker).release()
        trace = traceparent_of(record.headers) or b""
        for customer_id in sorted(self._spoken_to):
            self._evaluate(self._open(customer_id), self._moment("operator", trace, told=True))


def _let_go(customer: Customer) -> None:
    """What is told of somebody who was erased, or never known, leaves nothing behind, nor what has passed by itself.

    At once, and not when rows are next drained: else what is remembered would depend on when that was.
    """
    if table.is_bare(customer):
        customer.seen, customer.under, customer.gone, customer.cleared_at, customer.left = b"", "", {}, 0, []


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


class _Topic(NamedTuple):
    decode: Callable[[bytes], Any]
    time_of: Callable[[Any], datetime]
    tell: Callable[[Customer, Any, Moment, list[Turn]], told.Told]


_TOPICS: Final[dict[str, _Topic]] = {
    "customers": _Topic(customers.decode, lambda event: event.updated_at, told_profile.tell),
    "holds": _Topic(holds.decode, lambda event: event.occurred_at, told_holds.tell),
    "contact-outcomes": _Topic(contact_outcomes.decode, lambda event: event.occurred_at, told_outcomes.tell),
    "cases": _Topic(cases.decode, lambda event: event.occurred_at, told_cases.tell),
    "operator-actions": _Topic(operator_actions.decode, lambda event: event.occurred_at, told_actions.tell),
    "signals": _Topic(signals.decode, lambda event: event.occurred_at, told_signals.tell),
    "account-facts": _Topic(account_facts.decode, lambda event: event.as_of, told_facts.tell),
}
"""By topic: how it is read, which of its times is the event's, and what it tells."""
