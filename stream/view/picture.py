"""The picture of one customer: a fold over the records of the output topics and of some inputs. Pure.

Each topic's records come in their order; between topics any order gives the same state, because each topic has fields of its
own, and what follows from several of them is worked out in `picture`. A record at or before the last offset of its topic
changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

import msgspec

from stream.contracts import DECODE
from stream.contracts.cases import CaseRecord
from stream.contracts.contact_outcomes import ContactOutcomeRecord, PromiseRecord
from stream.contracts.customers import CustomerRecord
from stream.contracts.decisions import DecisionRecord
from stream.contracts.envelope import unwrap
from stream.contracts.escalations import EscalationRecord
from stream.contracts.holds import HoldRecord
from stream.contracts.ids import derive
from stream.contracts.nudges import NudgeRecord
from stream.contracts.picture import TYPE
from stream.contracts.signals import ReasonRecord, SignalRecord
from stream.contracts.vocabulary import SEVERITIES, TREATMENTS
from stream.errors import BadRecord, Reason
from stream.tables import customer as table
from stream.treatment import holds as hold_rules
from stream.treatment.explain import rule_words
from stream.treatment.local_time import DAY, from_ms, to_ms, to_ms_or_none
from stream.treatment.policy import Policy

TOPICS: Final = ("customers", "holds", "contact-outcomes", "cases", "signals", "nudges", "escalations", "decisions")
"""What a picture is made of."""

STATE_VERSION: Final = 1
MAX_SIGNALS: Final = table.MAX_SIGNALS
MAX_NUDGES: Final = 12
MAX_ESCALATIONS: Final = 32
MAX_HOLDS: Final = table.MAX_HOLDS
MAX_CASES: Final = table.MAX_CASES
MAX_CONTACTS: Final = 20
SHOWN_CONTACTS: Final = 10
MAX_ANSWERS: Final = 24

HOLDS_FROM_OUTCOMES: Final = frozenset({"complaint", "dispute", "represented"})
"""What the customer may say that holds contact at once."""
CLOSES_CHANNEL: Final = frozenset({"opted_out", "wrong_party"})
ANSWERS_OFFER: Final = frozenset({"plan_accepted", "plan_declined"})


class Told(NamedTuple):
    """One record as it lies in a topic (logical name); `timestamp` in ms. `value` None is a tombstone."""

    topic: str
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]] = ()


class Profile(msgspec.Struct, omit_defaults=True):
    """How the customer wants to be treated, as last told. Times in ms."""

    updated_at: int
    jurisdiction: str
    time_zone: str
    language: str
    region: str = ""
    channels: dict[str, int | None] = {}
    """Consent by channel: since when (0: not said), None for none."""
    preferred: str = ""


class Signal(msgspec.Struct, omit_defaults=True):
    """A signal that stands."""

    since: int
    last: SignalRecord


class Request(msgspec.Struct, omit_defaults=True):
    """An escalation that was not taken back."""

    first_at: int
    last: EscalationRecord


class Case(msgspec.Struct, omit_defaults=True):
    """A case as last told: `at` is its newest event."""

    queue: str
    opened_at: int
    at: int
    open: bool
    escalation_id: str = ""


class Contact(msgspec.Struct, omit_defaults=True):
    """One contact; `told_at` is the time of `outcome`, the latest."""

    at: int
    told_at: int
    direction: str
    channel: str
    outcome: str
    account_id: str = ""
    nudge_id: str = ""
    promise: PromiseRecord | None = None


class Said(msgspec.Struct, omit_defaults=True):
    """What the customer said that holds contact at once: a hold of its own until the holds feed has caught up."""

    kind: str
    at: int
    account_id: str = ""


class Decided(msgspec.Struct, omit_defaults=True):
    """The last decision about one treatment or queue."""

    decision_id: str
    result: str
    at: int
    next_allowed_at: datetime | None = None
    because: list[str] = []


class State(msgspec.Struct, omit_defaults=True):
    """What is remembered of one customer; each field is of one topic alone, but for `versions` and `erased_at`."""

    versions: dict[str, int] = {}
    """By topic, the offset of the last record."""
    erased_at: int = 0
    """Timestamp (ms) of the tombstone; what was told up to then counts no more."""
    profile: Profile | None = None
    holds: dict[str, table.Hold] = {}
    contacts: dict[str, Contact] = {}
    said: dict[str, Said] = {}
    closed: dict[str, int] = {}
    """Channels the customer opted out of, or that reached somebody else, and when."""
    answered: list[str] = []
    """Offers that were accepted or declined, the oldest first."""
    cases: dict[str, Case] = {}
    signals: dict[str, Signal] = {}
    nudges: dict[str, NudgeRecord] = {}
    requests: dict[str, Request] = {}
    decisions: dict[str, Decided] = {}
    rung: int = -1
    rung_at: int = 0

    @property
    def blank(self) -> bool:
        """Whether nothing is to be shown: such a state is not kept."""
        return self.profile is None and not (
            self.holds or self.contacts or self.cases or self.signals or self.nudges or self.requests or self.decisions
            or self.rung >= 0
        )  # fmt: skip


def fold(state: State, told: Told) -> bool:
    """Takes one record into the state; whether it changed anything.

    Raises BadRecord for one that cannot be used; the state is then as it was, and the record counts as seen.
    """
    if told.offset <= state.versions.get(told.topic, -1):
        return False
    state.versions[told.topic] = told.offset
    if told.timestamp <= state.erased_at:
        return True
    if told.value is None:
        if told.topic != "customers":
            raise BadRecord(Reason.NULL_VALUE)
        _erase(state, told.timestamp)
        return True
    event: Any = DECODE[told.topic](unwrap(told.value, told.headers))
    if event.customer_id.encode() != told.key:
        raise BadRecord(Reason.KEY_MISMATCH)
    if to_ms(_time_of(event)) > told.timestamp + DAY:
        raise BadRecord(Reason.TOO_FAR_AHEAD)
    _FOLDS[told.topic](state, event)
    return True


def _time_of(event: Any) -> datetime:
    for name in ("occurred_at", "decided_at", "updated_at"):
        at = getattr(event, name, None)
        if isinstance(at, datetime):
            return at
    raise AssertionError("every record has a time")


def _erase(state: State, at: int) -> None:
    versions = state.versions
    for name, value in msgspec.structs.asdict(State()).items():
        setattr(state, name, value)
    state.versions, state.erased_at = versions, at


def _customer(state: State, event: CustomerRecord) -> None:
    at = to_ms(event.updated_at)
    if state.profile is not None and at < state.profile.updated_at:
        return
    state.profile = Profile(
        at, event.jurisdiction, event.time_zone, event.language, event.region or "",
        channels={
            name: (0 if each.since is None else max(0, to_ms(each.since))) if each.consent else None
            for name, each in sorted(event.channels.items())
        },
        preferred=event.preferred_channel or "",
    )  # fmt: skip


def _hold(state: State, event: HoldRecord) -> None:
    hold = hold_rules.told(event, state.holds.get(event.hold_id))
    if hold is None:
        return
    hold.provisional = bool(event.provisional)
    state.holds[event.hold_id] = hold
    # What is over goes first; one without an end never before one that has it.
    _bound(state.holds, MAX_HOLDS, lambda each: (not each.lifted, each.ends_at is None, each.occurred_at))


def _outcome(state: State, event: ContactOutcomeRecord) -> None:
    at = to_ms(event.occurred_at)
    known = state.contacts.get(event.contact_id)
    if known is None:
        known = state.contacts[event.contact_id] = Contact(at, at, event.direction, event.channel, event.outcome)
    known.at = min(known.at, at)
    if at >= known.told_at:
        known.told_at, known.outcome = at, event.outcome
        known.promise = event.promise or known.promise
    known.account_id = known.account_id or event.account_id or ""
    known.nudge_id = known.nudge_id or event.nudge_id or ""
    _bound(state.contacts, MAX_CONTACTS, lambda each: (each.at,))
    if event.outcome in CLOSES_CHANNEL:
        state.closed[event.channel] = max(state.closed.get(event.channel, 0), at)
    if event.outcome in HOLDS_FROM_OUTCOMES:
        hold_id = derive("outcome", event.customer_id, event.contact_id, event.outcome)
        state.said[hold_id] = Said(event.outcome, at, (event.account_id or "") if event.outcome == "dispute" else "")
        _bound(state.said, MAX_HOLDS, lambda each: (each.at,))
    if event.outcome in ANSWERS_OFFER and event.offer_id is not None and event.offer_id not in state.answered:
        state.answered = [*state.answered, event.offer_id][-MAX_ANSWERS:]


def _case(state: State, event: CaseRecord) -> None:
    at = to_ms(event.occurred_at)
    known = state.cases.get(event.case_id)
    if known is not None and known.at > at:
        if event.status == "opened":
            known.opened_at = min(known.opened_at, at)
        return
    opened_at = min(known.opened_at, at) if known is not None else at
    escalation_id = event.escalation_id or (known.escalation_id if known is not None else "")
    state.cases[event.case_id] = Case(event.queue, opened_at, at, event.status == "opened", escalation_id)
    _bound(state.cases, MAX_CASES, lambda each: (each.open, each.at))


def _signal(state: State, event: SignalRecord) -> None:
    at = to_ms(event.occurred_at)
    if event.status == "withdrawn":
        state.signals.pop(event.signal_id, None)
    else:
        known = state.signals.get(event.signal_id)
        if known is None:
            state.signals[event.signal_id] = Signal(at, _without_events(event))
        else:
            known.since = min(known.since, at)
            if at >= to_ms(known.last.occurred_at):
                known.last = _without_events(event)
    for name in [name for name, each in state.signals.items() if (to_ms_or_none(each.last.expires_at) or at + 1) <= at]:
        del state.signals[name]
    _bound(state.signals, MAX_SIGNALS, lambda each: (SEVERITIES.index(each.last.severity), to_ms(each.last.occurred_at)))


def _nudge(state: State, event: NudgeRecord) -> None:
    if event.status == "withdrawn":
        state.nudges.pop(event.nudge_id, None)
        return
    text = event.params.get("text")
    state.nudges[event.nudge_id] = msgspec.structs.replace(
        event, params={} if text is None else {"text": text}, reasons=(), signal_ids=(), experiment=None
    )
    _bound(state.nudges, MAX_NUDGES, lambda each: (to_ms(each.decided_at),))


def _escalation(state: State, event: EscalationRecord) -> None:
    if event.status == "withdrawn":
        state.requests.pop(event.escalation_id, None)
        return
    at = to_ms(event.decided_at)
    known = state.requests.get(event.escalation_id)
    slim = msgspec.structs.replace(event, reasons=tuple(map(_without_event_ids, event.reasons)), signal_ids=())
    if known is None:
        state.requests[event.escalation_id] = Request(at, slim)
    elif at >= to_ms(known.last.decided_at):
        known.last = slim
    _bound(state.requests, MAX_ESCALATIONS, lambda each: (to_ms(each.last.decided_at),))


def _decision(state: State, event: DecisionRecord) -> None:
    if event.shadow:
        return
    at = to_ms(event.decided_at)
    known = state.decisions.get(event.treatment)
    if event.result == "withdrawn":
        # What was taken back waits for nothing. Of somebody who was erased, this must leave nothing behind.
        if known is not None and known.at <= at:
            del state.decisions[event.treatment]
        return
    for rule in event.rules:
        if rule.rule_id == "ladder.rung" and rule.counters and at >= state.rung_at:
            state.rung, state.rung_at = rule.counters.get("rung", state.rung), at
    if known is not None and known.at > at:
        return
    against = [msgspec.to_builtins(rule) for rule in event.rules if rule.verdict != "allow"]
    because = list(dict.fromkeys(rule_words(rule) for rule in against))
    state.decisions[event.treatment] = Decided(event.decision_id, event.result, at, event.next_allowed_at, because)


_FOLDS: Final[Mapping[str, Callable[[State, Any], None]]] = {
    "customers": _customer,
    "holds": _hold,
    "contact-outcomes": _outcome,
    "cases": _case,
    "signals": _signal,
    "nudges": _nudge,
    "escalations": _escalation,
    "decisions": _decision,
}


def _bound(kept: dict[str, Any], limit: int, worth: Callable[[Any], tuple[Any, ...]]) -> None:
    """Drops what is worth least, the same whatever order it came in."""
    while len(kept) > limit:
        del kept[min(kept, key=lambda name: (*worth(kept[name]), name))]


def _without_events(event: SignalRecord) -> SignalRecord:
    return msgspec.structs.replace(event, reasons=tuple(map(_without_event_ids, event.reasons)))


def _without_event_ids(reason: ReasonRecord) -> ReasonRecord:
    return msgspec.structs.replace(reason, event_ids=())


# --- from what is remembered to what is shown


def picture(customer_id: str, state: State, policy: Policy) -> dict[str, Any]:
    """The picture as `stream.contracts.picture.Picture` has it, ready to be encoded. Depends on its arguments alone."""
    profile = state.profile
    found: dict[str, Any] = {
        "type": TYPE,
        "customer_id": customer_id,
        "versions": dict(sorted(state.versions.items())),
        "known": profile is not None,
        "language": profile.language if profile else None,
        "time_zone": profile.time_zone if profile else None,
        "channels": _channels(state),
        "preferred_channel": (profile.preferred or None) if profile else None,
        "ladder": {"rung": state.rung, "as_of": from_ms(state.rung_at)} if state.rung >= 0 else None,
        "holds": _holds(state, policy),
        "signals": [
            _signal_shown(each)
            for each in sorted(
                state.signals.values(),
                key=lambda each: (-SEVERITIES.index(each.last.severity), -to_ms(each.last.occurred_at), each.last.signal_id),
            )
        ],
        "next_contact": _next(state),
        "messages": [_message(each) for each in _newest(state.nudges.values())],
        "offers": [
            {
                **msgspec.to_builtins(offer), "nudge_id": nudge.nudge_id, "account_ids": nudge.account_ids,
                "offered_at": nudge.decided_at,
            }
            for nudge in _newest(state.nudges.values())
            for offer in nudge.offers or ()
            if offer.offer_id not in state.answered
        ],
        "escalations": _requests(state),
        "cases": [
            _given(case_id=name, queue=case.queue, opened_at=from_ms(case.opened_at), escalation_id=case.escalation_id)
            for name, case in sorted(state.cases.items(), key=lambda item: (item[1].opened_at, item[0]))
            if case.open
        ],
        "contacts": [
            _given(
                contact_id=name, at=from_ms(each.at), direction=each.direction, channel=each.channel, outcome=each.outcome,
                account_id=each.account_id, nudge_id=each.nudge_id, promise=each.promise,
            )
            for name, each in sorted(state.contacts.items(), key=lambda item: (-item[1].at, item[0]))[:SHOWN_CONTACTS]
        ],
        "decisions": [
            _given(
                treatment=name, result=each.result, decision_id=each.decision_id, as_of=from_ms(each.at),
                next_allowed_at=each.next_allowed_at, because=each.because,
            )
            for name, each in sorted(state.decisions.items(), key=lambda item: (-item[1].at, item[0]))
        ],
    }  # fmt: skip
    return {name: value for name, value in found.items() if value is not None}


def _given(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None and value != ""}


def _channels(state: State) -> dict[str, Any]:
    consents = state.profile.channels if state.profile else {}
    shown = {}
    for name in sorted({*consents, *state.closed}):
        since, closed_at = consents.get(name), state.closed.get(name)
        # Only a consent that was given after the opt-out opens the channel again.
        again = closed_at is None or (since is not None and since > closed_at)
        told = None if again or closed_at is None else from_ms(closed_at)
        shown[name] = _given(open=since is not None and again, closed_at=told)
    return shown


def _holds(state: State, policy: Policy) -> list[dict[str, Any]]:
    of = state.profile
    profile = table.Profile(of.updated_at, of.jurisdiction, of.time_zone, of.language, of.region) if of else None
    days = policy.holds.provisional_days
    # One that is to be lifted later binds until then.
    holds = [each for each in state.holds.values() if each.lifted_at is None or each.lifted_at > each.occurred_at]
    holds += [
        table.Hold(name, each.kind, each.at, each.at, account_id=each.account_id, ends_at=each.at + days * DAY, provisional=True)
        for name, each in state.said.items()
        # The holds feed has caught up with what was said.
        if not any(hold.kind == each.kind and hold.occurred_at >= each.at and not hold.lifted for hold in state.holds.values())
    ]
    shown = []
    for hold in sorted(holds, key=lambda each: (-each.placed_at, each.hold_id)):
        until = hold_rules.until(hold, profile, policy)
        shown.append(
            _given(
                hold_id=hold.hold_id, kind=hold.kind, account_id=hold.account_id, channel=hold.channel,
                placed_at=from_ms(hold.placed_at), until=None if until is None else from_ms(until), provisional=hold.provisional,
            )
        )  # fmt: skip
    return shown


def _signal_shown(signal: Signal) -> dict[str, Any]:
    last = signal.last
    return _given(
        signal_id=last.signal_id, detector=last.detector, account_id=last.account_id, severity=last.severity,
        since=from_ms(signal.since), as_of=last.occurred_at, reasons=_reasons(last.reasons), would_clear=last.would_clear,
        proposes_hold=last.proposes_hold, expires_at=last.expires_at,
    )  # fmt: skip


def _reasons(reasons: Iterable[ReasonRecord]) -> list[dict[str, Any]]:
    return [_given(code=each.code, text=each.text, value=each.value, unit=each.unit) for each in reasons]


def _newest(nudges: Iterable[NudgeRecord]) -> list[NudgeRecord]:
    return sorted(nudges, key=lambda each: (-to_ms(each.decided_at), each.nudge_id))


def _message(nudge: NudgeRecord) -> dict[str, Any]:
    text = nudge.params.get("text")
    return _given(
        nudge_id=nudge.nudge_id, treatment=nudge.treatment, channel=nudge.channel, account_ids=nudge.account_ids,
        text=None if text is None else str(text), not_before=nudge.not_before, not_after=nudge.not_after,
    )  # fmt: skip


def _next(state: State) -> dict[str, Any] | None:
    """The earliest of what waits for a time that is known."""
    waits = [
        (each.next_allowed_at, name, each)
        for name, each in state.decisions.items()
        if each.result == "deferred" and each.next_allowed_at is not None and name in TREATMENTS
    ]
    if not waits:
        return None
    at, name, decided = min(waits, key=lambda item: item[:2])
    return {"at": at, "treatment": name, "because": decided.because, "as_of": from_ms(decided.at)}


def _requests(state: State) -> list[dict[str, Any]]:
    def pressing(each: Request) -> tuple[bool, int, str]:
        return each.last.priority != "urgent", to_ms(each.last.due_by), each.last.escalation_id

    shown = []
    for request in sorted(state.requests.values(), key=pressing):
        last, status = request.last, _status(request, state)
        if status != "done":
            shown.append(
                {
                    "escalation_id": last.escalation_id, "queue": last.queue, "priority": last.priority,
                    "account_ids": last.account_ids, "reasons": _reasons(last.reasons),
                    "suggested_actions": last.suggested_actions, "due_by": last.due_by, "as_of": last.decided_at,
                    "status": status,
                }
            )  # fmt: skip
    return shown


def _status(request: Request, state: State) -> str:
    """A case that names no request answers what its team had been asked by then."""
    last = request.last
    cases = [
        case
        for case in state.cases.values()
        if (case.escalation_id == last.escalation_id if case.escalation_id else case.queue == last.queue)
        and case.at >= request.first_at
    ]
    if any(case.open for case in cases):
        return "taken"
    return "done" if any(case.at >= to_ms(last.decided_at) for case in cases) else "waiting"
