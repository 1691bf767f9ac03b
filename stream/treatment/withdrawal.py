"""Taking back what was said: with the same id, and the cause."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec

from stream.contracts.decisions import RuleRecord
from stream.contracts.escalations import EscalationRecord
from stream.contracts.ids import derive
from stream.contracts.nudges import NudgeRecord
from stream.contracts.signals import ReasonRecord
from stream.tables.customer import Escalation, Nudge
from stream.treatment import reminders
from stream.treatment.checks import Check
from stream.treatment.ladder import is_vulnerable
from stream.treatment.local_time import from_ms
from stream.treatment.permission import Gate, RuleVerdict, Subject, breach
from stream.treatment.turn import Turn

_nudges: Final = msgspec.json.Decoder(NudgeRecord)
_escalations: Final = msgspec.json.Decoder(EscalationRecord)


def take_back(turn: Turn) -> None:
    """Withdraws the nudges that may not stand: their ground is gone, they are about what is paid, or contact is forbidden."""
    told = turn.moment.told
    for nudge in turn.customer.nudges:
        if nudge.withdrawn or not nudge.body:
            continue
        open_still = turn.clock < nudge.not_after
        if not open_still and not told:
            continue
        because = _ground_gone(nudge, turn) if open_still else ""
        if because:
            withdraw(nudge, because, turn)
        elif told:
            gate = Gate(turn.customer, turn.clock, turn.policy, subject_of(nudge, turn), operator=turn.moment.operator)
            broken = breach(nudge, gate.checks(nudge.channel), turn.clock)
            if broken is not None:
                withdraw(nudge, broken.because, turn, broken)


def subject_of(nudge: Nudge, turn: Turn) -> Subject:
    """What an issued nudge is about, for the gate."""
    return Subject(nudge.treatment, nudge.account_ids, detectors_of(nudge.signal_ids, turn), nudge_id=nudge.nudge_id)


def detectors_of(signal_ids: Iterable[str], turn: Turn) -> list[str]:
    """The detectors behind those signals that still stand."""
    return list(dict.fromkeys(turn.trouble[each].detector for each in signal_ids if each in turn.trouble))


def _ground_gone(nudge: Nudge, turn: Turn) -> str:
    """Why an open nudge has lost its ground; empty where it has not."""
    if nudge.treatment == "recognition":
        return _thanks_gone(nudge.subject, turn)
    if nudge.subject:
        return _date_gone(nudge, turn)
    if nudge.signal_ids and not any(each in turn.trouble for each in nudge.signal_ids):
        return "signal_withdrawn"
    if nudge.signal_ids and is_vulnerable(turn):
        return "customer_needs_a_person"
    return ""


def _thanks_gone(subject: str, turn: Turn) -> str:
    """Why there is nothing to thank for after all: a sign came back, or what was kept is not."""
    kind, _, name = subject.partition(":")
    if kind == "promise":
        promise = turn.customer.promises.get(name)
        return "promise_not_kept" if promise is not None and promise.status != "kept" else ""
    if kind == "plan":
        plan = turn.customer.plans.get(name)
        return "promise_not_kept" if plan is not None and any(each.status != "kept" for each in plan.instalments) else ""
    return "signal_returned" if turn.trouble else ""


def _date_gone(nudge: Nudge, turn: Turn) -> str:
    """Why a reminder is about nothing: it has been paid, or its date no longer stands."""
    if nudge.subject in turn.customer.settled:
        return "customer_paid"
    plan = turn.customer.plans.get(nudge.subject.partition("\n")[0])
    if plan is not None:
        due = nudge.subject.partition("\n")[2]
        mine = [each for each in plan.instalments if each.due_date == due]
        if all(each.status == "kept" for each in mine):
            return "customer_paid"
        return "" if plan.runs else "date_moved"
    return "" if any(each.subject == nudge.subject for each in reminders.payments(turn)) else "date_moved"


def withdraw(nudge: Nudge, because: str, turn: Turn, broken: Check | None = None) -> None:
    """Says that a nudge no longer stands. It goes on counting where it may have reached the customer.

    What is told before it could be sent unsays it: its episode may speak again.
    """
    customer = turn.customer
    record = _nudges.decode(nudge.body)
    record = msgspec.structs.replace(
        record, status="withdrawn", decided_at=from_ms(turn.clock), withdrawn_because=because
    )
    nudge.withdrawn, nudge.body = True, b""
    nudge.counts = nudge.reached or turn.clock >= nudge.not_after
    if max(turn.clock, turn.moment.logged) <= nudge.not_before and not nudge.reached:
        for episode in customer.episodes.values():
            if episode.nudge_id == nudge.nudge_id:
                episode.nudge_id, episode.start, episode.last = "", max(turn.clock, episode.start + 1), ""
    trace = turn.moment.trace or nudge.trace
    if broken is not None:
        rule = turn.rule(RuleVerdict(broken.rule, "refuse", broken.counters))
    elif because == "signal_returned":
        rule = turn.steady(False)
    else:
        rule = turn.gone(because, nudge.signal_ids)
    turn.decide(nudge.treatment, nudge.nudge_id, "withdrawn", (rule,), None, trace)
    turn.say("nudges", customer.customer_id, derive(nudge.nudge_id, "withdrawn"), record, trace)
    if customer.helped_at == nudge.not_before:
        standing = [each.not_before for each in customer.nudges if not each.withdrawn and each.signal_ids]
        customer.helped_at = max(standing, default=0)


def withdraw_escalation(escalation: Escalation, because: str, turn: Turn) -> None:
    """Says that a person need no longer look."""
    record = _escalations.decode(escalation.body)
    record = msgspec.structs.replace(
        record, status="withdrawn", decided_at=from_ms(turn.clock), withdrawn_because=because
    )
    escalation.status, escalation.body = "withdrawn", b""
    trace = turn.moment.trace or escalation.trace
    rule = turn.gone(because, record.signal_ids)
    turn.decide(escalation.queue, escalation.escalation_id, "withdrawn", (rule,), None, trace)
    turn.say("escalations", turn.customer.customer_id, derive(escalation.escalation_id, "withdrawn"), record, trace)


def urge(
    escalation: Escalation,
    due_by: int,
    ground: str,
    rule: RuleRecord,
    turn: Turn,
    reasons: tuple[ReasonRecord, ...] | None = None,
) -> None:
    """Asks again, urgently, under the same id; once for each ground. `reasons` are those of now, where they have changed."""
    record = _escalations.decode(escalation.body)
    if reasons is not None:
        record = msgspec.structs.replace(record, reasons=reasons)
    escalation.urged.append(ground)
    escalation.due_by = due_by
    trace = turn.moment.trace or escalation.trace
    decision_id = turn.decide(escalation.queue, escalation.escalation_id, "issued", (rule,), None, trace)
    record = msgspec.structs.replace(
        record, priority="urgent", due_by=from_ms(due_by), decided_at=from_ms(turn.clock), decision_id=decision_id
    )
    escalation.body = msgspec.json.encode(record)
    event_id = derive(escalation.escalation_id, "urgent", ground)
    turn.say("escalations", turn.customer.customer_id, event_id, record, trace)
