"""One turn of a customer: the record, the circumstances, and what has been said so far. The rooms beside this one work on it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

import msgspec

from stream.contracts.decisions import DecisionRecord, RuleRecord
from stream.contracts.ids import derive
from stream.contracts.signals import ReasonRecord
from stream.reference.categories import PRIORITIES, priority
from stream.tables.customer import AccountFacts, Customer, Nudge, OpenSignal
from stream.treatment.holds import UTC
from stream.treatment.local_time import from_ms, local_time, zone
from stream.treatment.permission import Operator, RuleVerdict, Verdict
from stream.treatment.policy import Policy, Rule
from stream.treatment.safety import Gauge

SEVERITY_ORDER: Final = {"high": 0, "medium": 1, "low": 2, "info": 3}
SPOKEN_OF: Final = frozenset({"medium", "high"})
"""Severities that a treatment may speak of; less is only watched."""
OWN_CREDIT: Final = frozenset({"credit_card", "loan", "mortgage", "overdraft"})
"""Products on which something can be past due."""


class PastDue(NamedTuple):
    """One account with something past due."""

    account_id: str
    days: int
    """By the treatment counter: days on which no pause was in force."""
    since: str
    """The oldest due date that is unpaid."""
    amount: str
    currency: str


class Said(NamedTuple):
    """One record to write, before it is bytes."""

    topic: str
    key: str
    event_id: str
    """Unique to this record: the `ce_id`."""
    at: int
    record: msgspec.Struct
    trace: bytes


class Moment(msgspec.Struct):
    """The circumstances of a turn."""

    clock: int
    policy: Policy
    operator: Operator = Operator()
    contact_from: int | None = None
    trigger: str = "tick"
    trace: bytes = b""
    """Of the record that caused the turn, if one did."""
    logged: int = 0
    """When that record was written to its topic."""
    told: bool = False
    """Whether that record may bear on what is permitted."""
    at: int | None = None
    """The event time of that record, where it came later than it happened; the clock otherwise."""
    gauge: Gauge = msgspec.field(default_factory=Gauge)
    under: str = ""
    """Under which policy it is, and since when contact is wanted: under others another thing may be found."""


_reasons_encoder = msgspec.json.Encoder()
_reasons_decoder = msgspec.json.Decoder(tuple[ReasonRecord, ...])

MAX_REASONS: Final = 8
MAX_REASON_EVENTS: Final = 16


def keep_reasons(reasons: Sequence[ReasonRecord]) -> bytes:
    """Reasons in the form they are remembered in, the first of them, with the first of their events."""
    kept = list(reasons[:MAX_REASONS])
    for number, reason in enumerate(kept):
        if len(reason.event_ids) > MAX_REASON_EVENTS:
            kept[number] = msgspec.structs.replace(reason, event_ids=tuple(reason.event_ids[:MAX_REASON_EVENTS]))
    return _reasons_encoder.encode(kept)


def reasons_of(signals: Iterable[OpenSignal]) -> tuple[ReasonRecord, ...]:
    """The reasons that signals gave, in their order."""
    return tuple(reason for signal in signals for reason in _reasons_decoder.decode(signal.reasons))


class Turn:
    """The state of one evaluation."""

    __slots__ = (
        "_harm", "clock", "counted", "customer", "late", "moment", "now", "offer", "policy", "said", "specialist", "spoken",
        "trouble", "tz", "wanted",
    )  # fmt: skip

    def __init__(self, customer: Customer, moment: Moment) -> None:
        self.customer = customer
        self.moment = moment
        self.clock = moment.clock
        self.now = moment.clock if moment.at is None else min(moment.at, moment.clock)
        """When what caused the turn happened."""
        self.policy = moment.policy
        self.said: list[Said] = []
        self.counted: list[tuple[str, ...]] = []
        """What happened that only metrics tell of."""
        self.wanted = 0
        """The rung that is called for."""
        self.specialist = False
        """Whether there is something to speak of and the customer's record tells of circumstances for trained staff: nothing is
        sent on the ladder's account.
        """
        self.late: list[PastDue] = []
        """What is past due, the longest first, once the ladder has looked."""
        self._harm: dict[str, int] = {}
        self.offer: Nudge | None = None
        """The last support offer that stands unanswered."""
        self.tz = (zone(customer.profile.time_zone) if customer.profile is not None else None) or UTC
        self.trouble: dict[str, OpenSignal]
        """The open signals that call for something, by id: those of severity `info` tell of no trouble."""
        self.spoken: list[OpenSignal]
        """Those of them that a treatment may speak of."""
        self.look()

    def look(self) -> None:
        """Reads the open signals anew."""
        trouble, spoken = self.trouble, self.spoken = {}, []
        for name, each in self.customer.signals.items():
            if each.severity != "info":
                trouble[name] = each
                if each.severity != "low":
                    spoken.append(each)

    @property
    def start(self) -> int:
        """The first instant at which a nudge that is decided now may be sent."""
        return self.clock + self.policy.settle_minutes * 60_000

    def local(self, ms: int) -> dt.datetime:
        """An instant as the customer's own clock shows it; UTC where their zone is not known."""
        return from_ms(ms) if self.tz is UTC else local_time(ms, self.tz)

    def today(self) -> dt.date:
        """The customer's own day."""
        return self.local(self.clock).date()

    def worst_first(self) -> list[OpenSignal]:
        """The trouble, the gravest first: by severity, then by what losing the account's product costs, then by age."""
        return sorted(
            self.trouble.values(),
            key=lambda each: (SEVERITY_ORDER[each.severity], self.harm(each.account_id), each.started, each.signal_id),
        )

    def harm(self, account_id: str) -> int:
        """The place of an account among debts by what losing it costs: the home first."""
        place = self._harm.get(account_id)
        if place is None:
            place = self._harm[account_id] = _harm(self.customer.accounts.get(account_id))
        return place

    # --- saying

    def say(self, topic: str, key: str, event_id: str, record: msgspec.Struct, trace: bytes | None = None) -> None:
        """Adds a record to write; its trace is that of what caused the turn unless another is given."""
        self.said.append(Said(topic, key, event_id, self.clock, record, self.moment.trace if trace is None else trace))

    def rules(self, verdict: Verdict, at: int) -> tuple[RuleRecord, ...]:
        """What the gate asked, as rules of a decision."""
        local = self.local(at)
        return tuple(_rule(each, local) for each in verdict.rules)

    def ground(self, rule: Rule, holds: bool, counters: dict[str, int] | None = None) -> RuleRecord:
        """What the ladder asked, as a rule of a decision."""
        return self.rule(RuleVerdict(rule, "allow" if holds else "refuse", counters or {}))

    def rule(self, judged: RuleVerdict) -> RuleRecord:
        """One verdict, as a rule of a decision, at the clock."""
        return _rule(judged, self.local(self.clock))

    def on_rung(self, holds: bool) -> RuleRecord:
        """Whether the customer stands on the rung that a treatment belongs to."""
        return self.ground(self.policy.grounds.rung, holds, {"rung": self.customer.rung, "called_for": self.wanted})

    def steady(self, holds: bool) -> RuleRecord:
        """Whether no sign of stress has been open for long enough."""
        counters = {"open": len(self.trouble), "needed_days": self.policy.ladder.recognition_clear_days}
        return self.ground(self.policy.grounds.steady, holds, counters)

    def gone(self, because: str, signal_ids: Sequence[str]) -> RuleRecord:
        """Why something that was said no longer stands, where no rule of contact forbids it."""
        if because == "customer_erased":
            return self.ground(self.policy.basics.customer_known, False)
        standing = sum(each in self.trouble for each in signal_ids)
        return self.ground(self.policy.grounds.stands, False, {"signals": standing, "of": len(signal_ids)})

    def decide(
        self,
        treatment: str,
        subject: str,
        result: str,
        rules: tuple[RuleRecord, ...],
        next_allowed_at: int | None,
        trace: bytes,
    ) -> str:
        """Records a decision; returns its id."""
        customer = self.customer
        customer.decisions += 1
        tried = ("shadow", self.policy.version) if self.policy.shadow else ()
        decision_id = derive(
            "decision", customer.customer_id, subject, result, str(self.clock), str(customer.decisions), *tried
        )
        record = DecisionRecord(
            decision_id=decision_id,
            customer_id=customer.customer_id,
            decided_at=from_ms(self.clock),
            trigger=self.moment.trigger,  # type: ignore[arg-type]
            treatment=treatment,
            result=result,  # type: ignore[arg-type]
            rules=rules,
            next_allowed_at=None if next_allowed_at is None else self.local(next_allowed_at),
            policy_version=self.policy.version,
            shadow=True if self.policy.shadow else None,
        )
        self.say("decisions", customer.customer_id, decision_id, record, trace)
        return decision_id


def _harm(account: AccountFacts | None) -> int:
    if account is None:
        return len(PRIORITIES)
    if account.product == "mortgage":
        return 0
    return min((PRIORITIES.index(priority(each.category)) for each in account.obligations), default=len(PRIORITIES) - 1)


def _rule(judged: RuleVerdict, local: dt.datetime) -> RuleRecord:
    rule = judged.rule
    return RuleRecord(
        rule_id=rule.id,
        version=str(rule.version),
        verdict=judged.verdict,
        clock=local,
        counters=judged.counters or None,
        source=rule.source,
    )
