"""One turn of a customer: what their record calls for at the clock, and what is said or taken back.

`evaluate` is a function of the record, the clock and the policy. It asks in a fixed order: what time has
ended, which promises are decided, where the customer stands on the ladder, what was said and may no longer
stand, what is wanted and permitted, whom to ask, and when to look again. It is called after every record of
the customer and whenever `due` has come; called twice, it says nothing the second time.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import msgspec

from stream.contracts.account_orders import AccountOrderRecord
from stream.contracts.decisions import DecisionRecord, RuleRecord
from stream.contracts.escalations import EscalationRecord
from stream.contracts.ids import derive
from stream.contracts.money import to_text
from stream.contracts.nudges import NudgeRecord
from stream.contracts.signals import ReasonRecord
from stream.tables.customer import (
    MAX_ESCALATIONS,
    MAX_NUDGES,
    Customer,
    Episode,
    Escalation,
    Hold,
    Nudge,
    OpenSignal,
    Order,
    Promise,
)
from stream.treatment.ladder import Standing, move, next_move, target
from stream.treatment.local_time import DAY, EPOCH, from_ms, start_of_day, zone
from stream.treatment.permission import (
    HOUR,
    Check,
    Operator,
    RuleVerdict,
    Verdict,
    breach,
    checks,
    may_contact,
)
from stream.treatment.policy import Policy, Rule, TreatmentPolicy
from stream.treatment.words import HOLDS, date_words, discreet

HOLDS_KEPT: Final = 90 * DAY
HISTORY_KEPT: Final = 35 * DAY
PROMISES_KEPT: Final = 60 * DAY
IMPROVED_WITHIN: Final = 90 * DAY
SPOKEN_OF: Final = frozenset({"medium", "high"})
"""Severities that a treatment may speak of; less is only watched."""
SEVERITY_ORDER: Final = {"high": 0, "medium": 1, "low": 2, "info": 3}
NO_CONTACT_HOLDS: Final = frozenset({"opt_out", "cease"})
"""Holds by which the customer closes channels:

with them a customer cannot be reached, which a person should know.
"""


class Said(NamedTuple):
    """One record to write, before it is bytes."""

    topic: str
    key: str
    event_id: str
    """Unique to this record: the `ce_id`."""
    at: int
    record: msgspec.Struct
    trace: bytes


@dataclass(frozen=True, slots=True)
class Moment:
    """The circumstances of a turn."""

    clock: int
    policy: Policy
    operator: Operator = field(default_factory=Operator)
    contact_from: int | None = None
    trigger: str = "tick"
    trace: bytes = b""
    """Of the record that caused the turn, if one did."""


_reasons_encoder = msgspec.json.Encoder()
_reasons_decoder = msgspec.json.Decoder(tuple[ReasonRecord, ...])
_nudge_decoder = msgspec.json.Decoder(NudgeRecord)
_escalation_decoder = msgspec.json.Decoder(EscalationRecord)

IMPROVED: Final = ReasonRecord(
    code="signals_cleared",
    text="No sign of stress has been open for a while.",
    value=0,
    unit="signals",
    event_ids=(),
)
MAX_REASONS: Final = 8
MAX_REASON_EVENTS: Final = 16


def keep_reasons(reasons: Iterable[ReasonRecord]) -> bytes:
    """Reasons in the form they are remembered in, the first of them, with the first of their events."""
    kept = [
        msgspec.structs.replace(reason, event_ids=tuple(reason.event_ids[:MAX_REASON_EVENTS]))
        for reason in reasons
    ]
    return _reasons_encoder.encode(kept[:MAX_REASONS])


def evaluate(customer: Customer, moment: Moment) -> list[Said]:
    """Brings a customer up to the clock;

    changes the record, sets its `due`, and returns what is to be said, in order.
    """
    turn = _Turn(customer, moment)
    turn.forget()
    turn.decide_promises()
    turn.order_pauses()
    turn.climb()
    turn.take_back()
    turn.treat()
    turn.escalate()
    turn.look_again()
    return turn.said


def erase(customer: Customer, moment: Moment) -> list[Said]:
    """Takes everything back that can still be, because the customer's record was erased."""
    turn = _Turn(customer, moment)
    for nudge in customer.nudges:
        if nudge.body and moment.clock < nudge.not_after:
            turn.withdraw(nudge, "customer_erased")
    for escalation in customer.escalations.values():
        if escalation.body and escalation.status == "issued":
            turn.withdraw_escalation(escalation, "customer_erased")
    for promise in customer.promises.values():
        if promise.status == "open":
            turn.order_promise(promise, "unwatch_promise")
    for order in customer.orders.values():
        if order.until is None or order.until > moment.clock:
            turn.order(order, "resume")
    return turn.said


def watch(promise: Promise, before: Promise | None, customer: Customer, moment: Moment) -> list[Said]:
    """The order to report payments towards a promise, and to end the watch of one that it replaces."""
    turn = _Turn(customer, moment)
    turn.order_promise(promise, "watch_promise")
    if before is not None and before.status == "open":
        turn.order_promise(before, "unwatch_promise")
    return turn.said


def promise_deadline(promise: Promise, customer: Customer, policy: Policy) -> int:
    """The first instant after the last local day on which the promise can be kept:

    due date and working days (Mon-Fri).
    """
    day = dt.date.fromisoformat(promise.due_date)
    left = policy.ladder.promise_working_days
    while left:
        day += dt.timedelta(days=1)
        left -= day.weekday() < 5
    tz = zone(customer.profile.time_zone if customer.profile else "UTC") or zone("UTC")
    assert tz is not None
    return start_of_day(day + dt.timedelta(days=1), tz)


class _Turn:
    """The state of one evaluation: the customer, the circumstances, and what has been said so far."""

    def __init__(self, customer: Customer, moment: Moment) -> None:
        self.customer = customer
        self.moment = moment
        self.clock = moment.clock
        self.policy = moment.policy
        self.said: list[Said] = []
        self.wanted = 0

    @property
    def trouble(self) -> dict[str, OpenSignal]:
        """The open signals that call for something, by id: those of severity `info` tell of no trouble."""
        return {each.signal_id: each for each in self.customer.signals.values() if each.severity != "info"}

    # --- what time has ended

    def forget(self) -> None:
        customer, clock = self.customer, self.clock
        for signal in list(customer.signals.values()):
            if signal.expires_at is not None and signal.expires_at <= clock:
                del customer.signals[signal.signal_id]
        for hold in list(customer.holds.values()):
            if hold.until is not None and hold.until <= clock - HOLDS_KEPT:
                del customer.holds[hold.hold_id]
                customer.orders = {
                    key: order
                    for key, order in customer.orders.items()
                    if not key.startswith(f"{hold.hold_id}\n")
                }
        for case in list(customer.cases.values()):
            if case.closed_at is not None and case.closed_at <= clock - HISTORY_KEPT:
                del customer.cases[case.case_id]
        for promise in list(customer.promises.values()):
            if promise.status != "open" and promise.decided_at <= clock - PROMISES_KEPT:
                del customer.promises[promise.promise_id]
        customer.nudges = [nudge for nudge in customer.nudges if nudge.not_after > clock - HISTORY_KEPT]
        for detector, until in list(customer.snoozes.items()):
            if until is not None and until <= clock:
                del customer.snoozes[detector]

    # --- promises and orders

    def decide_promises(self) -> None:
        for promise in self.customer.promises.values():
            paid = sum(promise.paid.values()) >= promise.amount
            if promise.status == "broken" and paid:
                # A payment made in time was told late: the promise was kept after all.
                promise.status = "kept"
                continue
            if promise.status != "open":
                continue
            if paid:
                promise.status = "kept"
            elif self.clock >= promise_deadline(promise, self.customer, self.policy):
                promise.status = "broken"
            else:
                continue
            promise.decided_at = self.clock
            self.order_promise(promise, "unwatch_promise")

    def order_promise(self, promise: Promise, kind: str) -> None:
        customer_id = self.customer.customer_id
        record = AccountOrderRecord(
            order_id=derive("promise", customer_id, *_terms(promise)),
            account_id=promise.account_id,
            customer_id=customer_id,
            at=from_ms(self.clock),
            kind=kind,  # type: ignore[arg-type]
            promise_id=promise.promise_id,
            amount=to_text(promise.amount, promise.currency),
            currency=promise.currency,
            due_date=dt.date.fromisoformat(promise.due_date),
        )
        self.say("account-orders", promise.account_id, derive(record.order_id, kind, str(self.clock)), record)

    def order(self, order: Order, kind: str) -> None:
        record = AccountOrderRecord(
            order_id=order.order_id,
            account_id=order.account_id,
            customer_id=self.customer.customer_id,
            at=from_ms(self.clock),
            kind=kind,  # type: ignore[arg-type]
            hold_kind=order.kind,  # type: ignore[arg-type]
            from_=_aware(order.start),
            until=None if order.until is None else _aware(order.until),
        )
        marks = (kind, str(self.clock), str(order.start), str(order.until))
        self.say("account-orders", order.account_id, derive(order.order_id, *marks), record)

    def order_pauses(self) -> None:
        """Tells the accounts of holds that bind them, and only what has changed since they were last told.

        An order is carried out once. A pause that changes is a new order, and the old one ends after it.
        """
        customer = self.customer
        due: dict[str, Order] = {}
        for hold in customer.holds.values():
            if hold.lifted and (hold.until is None or hold.until <= self.clock):
                continue
            for account_id in self._accounts_of(hold):
                parts = (customer.customer_id, hold.hold_id, account_id, str(hold.occurred_at))
                order = Order(derive("pause", *parts), account_id, hold.kind, hold.placed_at, hold.until)
                due[f"{hold.hold_id}\n{account_id}"] = order
        for key, order in due.items():
            told = customer.orders.get(key)
            if told is not None and (told.kind, told.start, told.until) == (
                order.kind,
                order.start,
                order.until,
            ):
                continue
            customer.orders[key] = order
            self.order(order, "pause")
            if told is not None:
                self.order(told, "resume")
        for key, told in list(customer.orders.items()):
            if key not in due:
                del customer.orders[key]
                if told.until is None or told.until > self.clock:
                    self.order(told, "resume")

    def _accounts_of(self, hold: Hold) -> Sequence[str]:
        if hold.account_id:
            return (hold.account_id,)
        # A hold on the person reaches other holders only through the accounts they share.
        return tuple(self.customer.accounts) if hold.kind in self.policy.holds.shared else ()

    # --- the ladder

    def climb(self) -> None:
        customer, ladder = self.customer, self.policy.ladder
        self.wanted = max(
            target(
                ((signal.detector, signal.severity) for signal in self.trouble.values()),
                broken_promise=bool(self._broken()),
                ladder=ladder,
            ),
            ladder.target_silence if self._silent() else 0,
        )
        standing = Standing(customer.rung, customer.rung_since, customer.clear_since)
        began = min((signal.started for signal in self.trouble.values()), default=None)
        standing = move(standing, self.wanted, self.clock, ladder, began=began if not ladder.hold_days[0] else None)
        customer.rung, customer.rung_since, customer.clear_since = standing

    def _broken(self) -> list[Promise]:
        lasting = self.policy.ladder.broken_promise_days * DAY
        broken = [promise for promise in self.customer.promises.values() if promise.status == "broken"]
        return [promise for promise in broken if self.clock < promise.decided_at + lasting]

    def _offer(self) -> Nudge | None:
        """The last support offer (rung 3) that stands unanswered, while signals still call for one."""
        customer, ladder = self.customer, self.policy.ladder
        called_for = target(
            ((signal.detector, signal.severity) for signal in self.trouble.values()), broken_promise=False, ladder=ladder
        )
        if called_for < 3:
            return None
        for nudge in reversed(customer.nudges):
            if not nudge.withdrawn and self._rung_of(nudge.treatment) == 3:
                return None if customer.responded_at > nudge.not_before else nudge
        return None

    def _silent(self) -> Nudge | None:
        offer = self._offer()
        silence = self.policy.ladder.silence_days * DAY
        return offer if offer is not None and self.clock >= offer.not_before + silence else None

    def _rung_of(self, treatment: str) -> int | None:
        found = self.policy.treatments.get(treatment)  # type: ignore[call-overload]
        return found.rung if found is not None else None

    # --- taking back

    def take_back(self) -> None:
        customer, clock = self.customer, self.clock
        told_late = self.moment.trigger in ("hold", "case", "facts", "signal", "outcome")
        for nudge in customer.nudges:
            if nudge.withdrawn or not nudge.body:
                continue
            open_still = clock < nudge.not_after
            if open_still and nudge.treatment == "recognition" and self.trouble:
                self.withdraw(nudge, "signal_returned")
            elif (
                open_still
                and nudge.signal_ids
                and not any(each in self.trouble for each in nudge.signal_ids)
            ):
                self.withdraw(nudge, "signal_withdrawn")
            elif open_still or told_late:
                found = checks(
                    customer, nudge.account_ids, nudge.channel, clock, self.policy,
                    operator=self.moment.operator, detectors=self._detectors(nudge.signal_ids),
                )  # fmt: skip
                broken = breach(nudge, found, clock)
                if broken is not None:
                    self.withdraw(nudge, broken.because, broken)

    def withdraw(self, nudge: Nudge, because: str, broken: Check | None = None) -> None:
        """Says that a nudge no longer stands. It goes on counting where it may have reached the customer."""
        record = _nudge_decoder.decode(nudge.body)
        record = msgspec.structs.replace(
            record, status="withdrawn", decided_at=from_ms(self.clock), withdrawn_because=because
        )
        nudge.withdrawn, nudge.body = True, b""
        nudge.counts = nudge.reached or self.clock >= nudge.not_after
        trace = self.moment.trace or nudge.trace
        if broken is not None:
            rule = self._rule(RuleVerdict(broken.rule, "refuse", broken.counters))
        elif because == "signal_returned":
            rule = self._steady(False)
        else:
            rule = self._gone(because, nudge.signal_ids)
        self.decide(nudge.treatment, nudge.nudge_id, "withdrawn", (rule,), None, trace)
        self.say("nudges", self.customer.customer_id, derive(nudge.nudge_id, "withdrawn"), record, trace)
        if self.customer.helped_at == nudge.not_before:
            standing = [
                each.not_before for each in self.customer.nudges if not each.withdrawn and each.signal_ids
            ]
            self.customer.helped_at = max(standing, default=0)

    def _detectors(self, signal_ids: Iterable[str]) -> list[str]:
        signals = self.trouble
        return list(dict.fromkeys(signals[each].detector for each in signal_ids if each in signals))

    # --- treatments

    def treat(self) -> None:
        self._end_episodes()
        active = self._active()
        for episode in list(self.customer.episodes.values()):
            if episode.treatment not in active:
                self._set_aside(episode)
        for treatment in active:
            episode = self.customer.episodes[treatment]
            if not episode.nudge_id:
                self._consider(episode, self.policy.treatments[treatment])  # type: ignore[index]

    def _end_episodes(self) -> None:
        customer = self.customer
        for episode in list(customer.episodes.values()):
            if episode.treatment == "recognition":
                late = self.clock >= self._thanks_end(episode)
                if not self.trouble and not late:
                    continue
                if late:
                    customer.helped_at = 0
            else:
                episode.signal_ids = [each for each in episode.signal_ids if each in self.trouble]
                if episode.signal_ids:
                    if not episode.nudge_id and episode.subject not in episode.signal_ids:
                        self._name(episode)
                    continue
            self._set_aside(episode)
            del customer.episodes[episode.treatment]

    def _set_aside(self, episode: Episode) -> None:
        """A treatment that waited and is no longer wanted: said once, so that nobody waits for it."""
        episode.wake = None
        if not episode.nudge_id and episode.last.startswith("deferred"):
            episode.last = "withdrawn"
            if episode.treatment == "recognition" and self.trouble:
                rule = self._steady(False)
            elif any(each in self.trouble for each in episode.signal_ids):
                rule = self._on_rung(False)
            else:
                rule = self._gone("signal_withdrawn", episode.signal_ids)
            self.decide(
                episode.treatment, self._nudge_id(episode), "withdrawn", (rule,), None, self._trace(episode)
            )

    def _name(self, episode: Episode) -> None:
        """Subject and start of an episode: its first signal's."""
        signals = self.trouble
        first = min(
            (signals[each] for each in episode.signal_ids), key=lambda each: (each.started, each.signal_id)
        )
        episode.subject, episode.start = first.signal_id, first.started

    def _active(self) -> list[str]:
        """The treatments wanted now, in the policy's order, each with its episode brought up to date."""
        customer = self.customer
        if not self.trouble:
            return self._recognition()
        if self.wanted < customer.rung:
            return []
        spoken = [signal for signal in self.trouble.values() if signal.severity in SPOKEN_OF]
        # What only adds up other signs is spoken of only where there is nothing else to speak of.
        spoken_of = [signal for signal in spoken if signal.detector not in self.policy.ladder.combined] or spoken
        names = [
            name
            for name, each in self.policy.treatments.items()
            if each.rung == customer.rung and name != "recognition"
        ]
        # A signal is spoken of by one treatment a rung: by the one that has it, else by the first it fits.
        taken = {
            each for name in names if name in customer.episodes for each in customer.episodes[name].signal_ids
        }
        active: list[str] = []
        for name in names:
            fitting = self._fitting(
                self.policy.treatments[name], [each for each in spoken_of if each.signal_id not in taken]
            )
            taken.update(each.signal_id for each in fitting)
            episode = customer.episodes.get(name)
            if episode is None:
                if not fitting:
                    continue
                episode = customer.episodes[name] = Episode(name, "", 0)
            episode.signal_ids += [each.signal_id for each in fitting]
            if not episode.subject:
                self._name(episode)
            active.append(name)
        return active

    def _fitting(self, treatment: TreatmentPolicy, signals: Sequence[OpenSignal]) -> list[OpenSignal]:
        accounts = self.customer.accounts
        fitting = []
        for signal in signals:
            account = accounts.get(signal.account_id)
            if treatment.detectors and signal.detector not in treatment.detectors:
                continue
            if treatment.products and (account is None or account.product not in treatment.products):
                continue
            fitting.append(signal)
        return fitting

    def _recognition(self) -> list[str]:
        """An improvement that has lasted: its episode starts when the last signal is gone, and speaks once it has been
        quiet for the policy's days.
        """
        customer = self.customer
        episode = customer.episodes.get("recognition")
        if episode is not None:
            ripe = self.clock >= self._thanks_start(episode) and customer.helped_at and not self._broken()
            return ["recognition"] if ripe else []
        recent = customer.helped_at and self.clock < customer.helped_at + IMPROVED_WITHIN
        if "recognition" not in self.policy.treatments or customer.rung < 2 or not recent or self._broken():
            return []
        customer.episodes["recognition"] = Episode("recognition", "recovery", self.clock)
        return []

    def _thanks_start(self, episode: Episode) -> int:
        return episode.start + self.policy.ladder.recognition_clear_days * DAY

    def _thanks_end(self, episode: Episode) -> int:
        return self._thanks_start(episode) + self.policy.ladder.recognition_days * DAY

    def _nudge_id(self, episode: Episode) -> str:
        return derive(
            "nudge", self.customer.customer_id, episode.treatment, episode.subject, str(episode.start)
        )

    def _trace(self, episode: Episode) -> bytes:
        signal = self.trouble.get(episode.subject)
        return (signal.trace if signal is not None else b"") or self.moment.trace

    def _consider(self, episode: Episode, treatment: TreatmentPolicy) -> None:
        nudge_id = self._nudge_id(episode)
        if any(nudge.nudge_id == nudge_id for nudge in self.customer.nudges):
            episode.nudge_id = nudge_id
            return
        signals = [self.trouble[each] for each in episode.signal_ids]
        account_ids = list(dict.fromkeys(signal.account_id for signal in signals))
        verdict = self._best(treatment, account_ids, signals, episode)
        episode.wake = verdict.not_before if verdict.result == "defer" else None
        if verdict.result == "allow":
            self._issue(episode, treatment, verdict, account_ids, signals)
            return
        result = "deferred" if verdict.result == "defer" else "refused"
        ground = self._ground_of(episode)
        mark = f"{result} {verdict.not_before} {' '.join(verdict.failing)}"
        if mark != episode.last:
            episode.last = mark
            self.decide(
                episode.treatment, nudge_id, result, (*self._rules(verdict), ground), episode.wake, self._trace(episode)
            )

    def _best(
        self,
        treatment: TreatmentPolicy,
        account_ids: Sequence[str],
        signals: Sequence[OpenSignal],
        episode: Episode,
    ) -> Verdict:
        """The verdict of the channel to use:

        the preferred one if it is free soon, else the first free, else the soonest.
        """
        profile = self.customer.profile
        preferred = profile.preferred if profile is not None else ""
        order = sorted(treatment.channels, key=lambda channel: channel != preferred)
        latest = max((signal.at for signal in signals), default=episode.start)
        patience = self.clock + self.policy.preferred_wait_hours * HOUR
        verdicts: list[Verdict] = []
        for channel in order:
            verdict = may_contact(
                self.customer,
                account_ids,
                channel,
                self.clock,
                self.policy,
                operator=self.moment.operator,
                detectors=[signal.detector for signal in signals],
                contact_from=self.moment.contact_from,
                subject_at=latest,
            )
            soon = verdict.result == "defer" and verdict.not_before <= patience
            if verdict.result == "allow" or (soon and channel == preferred):
                return verdict
            verdicts.append(verdict)
        deferred = [verdict for verdict in verdicts if verdict.result == "defer"]
        return min(deferred, key=lambda verdict: verdict.not_before) if deferred else verdicts[0]

    def _issue(
        self,
        episode: Episode,
        treatment: TreatmentPolicy,
        verdict: Verdict,
        account_ids: list[str],
        signals: Sequence[OpenSignal],
    ) -> None:
        customer = self.customer
        assert customer.profile is not None
        nudge_id = self._nudge_id(episode)
        trace = self._trace(episode)
        rules = (*self._rules(verdict), self._ground_of(episode))
        decision_id = self.decide(episode.treatment, nudge_id, "issued", rules, None, trace)
        record = NudgeRecord(
            nudge_id=nudge_id,
            status="issued",
            customer_id=customer.customer_id,
            account_ids=tuple(account_ids),
            treatment=episode.treatment,  # type: ignore[arg-type]
            channel=verdict.channel,  # type: ignore[arg-type]
            template=treatment.template,
            template_version=treatment.template_version,
            params=self._params(treatment, account_ids),
            language=customer.profile.language,
            tone=treatment.tone,
            # An account may be shared without this stage knowing it: a nudge carries no amount, no bill and no event.
            # They stay with the signals, which are for staff.
            reasons=discreet(_reasons(signals)) or (IMPROVED,),
            not_before=from_ms(verdict.not_before),
            not_after=from_ms(verdict.not_after),
            decided_at=from_ms(self.clock),
            decision_id=decision_id,
            signal_ids=tuple(episode.signal_ids),
        )
        episode.nudge_id, episode.wake, episode.last = nudge_id, None, "issued"
        customer.nudges.append(
            Nudge(
                nudge_id, episode.treatment, verdict.channel, account_ids, list(episode.signal_ids),
                verdict.not_before, verdict.not_after, msgspec.json.encode(record), trace=trace,
            )
        )  # fmt: skip
        self._bound_nudges()
        self.say("nudges", customer.customer_id, derive(nudge_id, "issued"), record, trace)
        if episode.treatment == "recognition":
            customer.helped_at = 0
            del customer.episodes["recognition"]
        else:
            customer.helped_at = self.clock

    def _bound_nudges(self) -> None:
        nudges = self.customer.nudges
        while len(nudges) > MAX_NUDGES:
            spent = next((each for each in nudges if each.withdrawn and not each.counts), nudges[0])
            nudges.remove(spent)

    def _params(self, treatment: TreatmentPolicy, account_ids: Sequence[str]) -> dict[str, Any]:
        """What fills the template.

        Nothing of what happened is in it: a joint account's events may be the other holder's.
        """
        assert self.customer.profile is not None
        language = self.customer.profile.language.split("-")[0].lower()
        if language not in treatment.text:
            language = self.policy.default_language
        account = "…" + account_ids[0][-4:] if account_ids else ""
        return {
            "account": account,
            "help": treatment.help,
            "text": treatment.text[language].replace("{account}", account),
            "text_language": language,
        }

    # --- people

    def escalate(self) -> None:
        self._reach()
        causes = self._causes()
        escalations = self.customer.escalations
        for escalation in list(escalations.values()):
            if escalation.cause not in causes and escalation.body:
                self._unfounded(escalation)
        for cause, request in causes.items():
            if cause not in escalations:
                self._ask(cause, request)
        stale = [
            each.cause
            for each in escalations.values()
            if each.cause not in causes
            and each.status in ("withdrawn", "done")
            and each.issued_at <= self.clock - HOLDS_KEPT
        ]
        for cause in stale:
            del escalations[cause]
        if len(escalations) > MAX_ESCALATIONS:
            order = sorted(
                escalations.values(), key=lambda each: (each.status in ("issued", "taken"), each.issued_at)
            )
            for each in order[: len(escalations) - MAX_ESCALATIONS]:
                del escalations[each.cause]

    def _unfounded(self, escalation: Escalation) -> None:
        kind = escalation.cause.split(":")[0]
        if kind == "hold":
            self.withdraw_escalation(escalation, "hold_lifted")
        elif kind == "promise":
            self.withdraw_escalation(escalation, "promise_kept")
        elif kind in ("proposed", "check") or not self.trouble:
            self.withdraw_escalation(escalation, "signal_withdrawn")
        elif escalation.status == "issued":
            reachable = "customer_reachable" if self._reachable() else "signal_withdrawn"
            self.withdraw_escalation(escalation, reachable if kind == "unreachable" else "customer_responded")

    def _reach(self) -> None:
        """Since when no channel is open to the customer at all, holds for other reasons apart."""
        customer = self.customer
        if customer.rung < 2 or self.wanted < 2 or self._reachable():
            customer.unreachable_since = 0
        elif not customer.unreachable_since:
            customer.unreachable_since = self.clock

    def _reachable(self) -> bool:
        customer, clock = self.customer, self.clock
        profile = customer.profile
        if profile is None or zone(profile.time_zone) is None:
            return False
        closed = [
            hold for hold in customer.holds.values() if hold.kind in NO_CONTACT_HOLDS and not hold.account_id
        ]
        for channel in dict.fromkeys(
            each for treatment in self.policy.treatments.values() for each in treatment.channels
        ):
            since = profile.consents.get(channel)
            blocked_at = customer.blocked.get(channel)
            if since is None or since > clock or (blocked_at is not None and since <= blocked_at):
                continue
            if not any(
                hold.channel in ("", channel)
                and hold.placed_at <= clock
                and (hold.until is None or clock < hold.until)
                for hold in closed
            ):
                return True
        return False

    def _causes(self) -> dict[str, _Request]:
        """What a person must be asked for, by cause;

        a cause that was asked for stays while its ground does.
        """
        causes: dict[str, _Request] = {}
        customer, policy = self.customer, self.policy
        old = self.moment.contact_from
        for hold in customer.holds.values():
            queue = policy.holds.queues.get(hold.kind)  # type: ignore[call-overload]
            cause = f"hold:{hold.hold_id}"
            over = hold.lifted or (hold.until is not None and hold.until <= self.clock)
            if queue is None or (over and (hold.lifted or cause not in customer.escalations)):
                continue
            if old is not None and hold.occurred_at < old:
                continue
            accounts = (hold.account_id,) if hold.account_id else ()
            causes[cause] = _Request(queue, accounts, (), hold.placed_at, (self._hold_reason(hold),), b"")
        for signal in customer.signals.values():
            kind, queue = "proposed", policy.holds.queues.get(signal.proposes_hold)  # type: ignore[call-overload]
            if signal.severity == "info" and not signal.proposes_hold:
                kind, queue = "check", policy.holds.checks.get(signal.detector)
            if queue is None or (old is not None and signal.at < old):
                continue
            cause, asked = f"{kind}:{signal.signal_id}", customer.escalations
            # The team is asked once, for the hold or for its proposal, whichever came first.
            same = [each for each, request in causes.items() if each.startswith("hold:") and request.queue == queue]
            if cause in asked:
                causes = {each: request for each, request in causes.items() if each not in same or each in asked}
            elif same:
                continue
            causes[cause] = self._request(queue, [signal], signal.started, ())
        causes.update(self._care())
        since = customer.unreachable_since
        if since and self.clock >= since + policy.ladder.contactability_days * DAY and self._fresh():
            text = "Help is wanted, and no channel is open on which the customer may be contacted."
            reason = ReasonRecord(
                code="no_channel",
                text=text,
                value=policy.ladder.contactability_days,
                unit="days",
                event_ids=(),
            )
            causes[f"unreachable:{since}"] = self._request(
                "contactability", self._signals(), since, (reason,)
            )
        return causes

    def _fresh(self) -> bool:
        old = self.moment.contact_from
        return old is None or any(signal.at >= old for signal in self.trouble.values())

    def _care(self) -> dict[str, _Request]:
        """Human outreach on rung 4:

        one request at a time, for a broken promise or for silence after an offer.
        """
        customer = self.customer
        grounds: dict[str, _Request] = {}
        old = self.moment.contact_from
        for promise in self._broken():
            if old is not None and promise.decided_at < old:
                continue
            amount = to_text(promise.amount, promise.currency)
            due = date_words(dt.date.fromisoformat(promise.due_date))
            text = f"A promise to pay {promise.currency} {amount} by {due} was not kept in full."
            reason = ReasonRecord(
                code="broken_promise", text=text, value=amount, unit=promise.currency, event_ids=()
            )
            grounds[f"promise:{promise.promise_id}"] = self._request(
                "arrears_care", self._signals(), promise.decided_at, (reason,), promise.account_id
            )
        silent = self._silent()
        if silent is not None and self._fresh():
            days = self.policy.ladder.silence_days
            text = f"There was no answer in {days} days to an offer of support."
            reason = ReasonRecord(code="no_answer", text=text, value=days, unit="days", event_ids=())
            grounds[f"silence:{silent.nudge_id}"] = self._request(
                "arrears_care", self._signals(), silent.not_before, (reason,)
            )
        # What was asked for stands until its ground is gone, however long ago the offer or the promise was.
        asked = [each for each in customer.escalations.values() if each.queue == "arrears_care" and each.body]
        kept = {
            each.cause: self._request("arrears_care", (), each.issued_at, ())
            for each in asked
            if self._still_asked(each)
        }
        if customer.rung >= 4 and not any(each.cause in kept and each.status != "done" for each in asked):
            fresh = next((cause for cause in grounds if cause not in customer.escalations), None)
            if fresh is not None:
                kept[fresh] = grounds[fresh]
        return kept

    def _still_asked(self, escalation: Escalation) -> bool:
        kind, _, name = escalation.cause.partition(":")
        if kind == "promise":
            promise = self.customer.promises.get(name)
            return promise is None or promise.status == "broken"
        return bool(self.trouble) and self.customer.responded_at <= escalation.issued_at

    def _signals(self) -> list[OpenSignal]:
        return sorted(
            self.trouble.values(),
            key=lambda each: (SEVERITY_ORDER[each.severity], each.started, each.signal_id),
        )

    def _request(
        self,
        queue: str,
        signals: Sequence[OpenSignal],
        start: int,
        reasons: tuple[ReasonRecord, ...],
        account_id: str = "",
    ) -> _Request:
        accounts = tuple(
            dict.fromkeys([*([account_id] if account_id else []), *(signal.account_id for signal in signals)])
        )
        trace = signals[0].trace if signals else b""
        return _Request(
            queue,
            accounts,
            tuple(each.signal_id for each in signals),
            start,
            (*reasons, *_reasons(signals)),
            trace,
        )

    def _ask(self, cause: str, request: _Request) -> None:
        customer = self.customer
        queue = self.policy.queues[request.queue]  # type: ignore[index]
        escalation_id = derive("escalation", customer.customer_id, request.queue, cause, str(request.start))
        trace = request.trace or self.moment.trace
        ground = self._asked_for(cause.partition(":")[0])
        decision_id = self.decide(request.queue, escalation_id, "issued", (ground,), None, trace)
        due_by = self.clock + queue.due_by_hours * HOUR
        record = EscalationRecord(
            escalation_id=escalation_id,
            status="issued",
            customer_id=customer.customer_id,
            account_ids=request.account_ids,
            queue=request.queue,  # type: ignore[arg-type]
            rung=queue.rung,
            priority=queue.priority,
            reasons=request.reasons,
            suggested_actions=queue.actions,
            due_by=from_ms(due_by),
            decided_at=from_ms(self.clock),
            decision_id=decision_id,
            signal_ids=request.signal_ids,
        )
        customer.escalations[cause] = Escalation(
            escalation_id, request.queue, cause, due_by, self.clock, msgspec.json.encode(record), trace=trace
        )
        self.say("escalations", customer.customer_id, derive(escalation_id, "issued"), record, trace)

    def withdraw_escalation(self, escalation: Escalation, because: str) -> None:
        """Says that a person need no longer look."""
        record = _escalation_decoder.decode(escalation.body)
        record = msgspec.structs.replace(
            record, status="withdrawn", decided_at=from_ms(self.clock), withdrawn_because=because
        )
        escalation.status, escalation.body = "withdrawn", b""
        trace = self.moment.trace or escalation.trace
        rule = self._gone(because, record.signal_ids)
        self.decide(escalation.queue, escalation.escalation_id, "withdrawn", (rule,), None, trace)
        event_id = derive(escalation.escalation_id, "withdrawn")
        self.say("escalations", self.customer.customer_id, event_id, record, trace)

    # --- when to look again

    def look_again(self) -> None:
        customer, clock, ladder = self.customer, self.clock, self.policy.ladder
        times: list[int | None] = [signal.expires_at for signal in customer.signals.values()]
        times += [episode.wake for episode in customer.episodes.values()]
        standing = Standing(customer.rung, customer.rung_since, customer.clear_since)
        step = next_move(standing, self.wanted, ladder)
        # One rung a turn: where the next one is due at once, the next turn takes it.
        times.append(None if step is None else max(step, clock + 1))
        times += [
            promise_deadline(promise, customer, self.policy)
            for promise in customer.promises.values()
            if promise.status == "open"
        ]
        times += [promise.decided_at + ladder.broken_promise_days * DAY for promise in self._broken()]
        offer = self._offer()
        if offer is not None:
            times.append(offer.not_before + ladder.silence_days * DAY)
        if customer.unreachable_since:
            times.append(customer.unreachable_since + ladder.contactability_days * DAY)
        recognition = customer.episodes.get("recognition")
        if recognition is not None:
            times += [self._thanks_start(recognition), self._thanks_end(recognition)]
        customer.due = min((at for at in times if at is not None and at > clock), default=None)

    # --- saying

    def _rules(self, verdict: Verdict) -> tuple[RuleRecord, ...]:
        return tuple(self._rule(each) for each in verdict.rules)

    def _local(self, ms: int) -> dt.datetime:
        """An instant as the customer's own clock shows it, where their zone is known."""
        tz = zone(self.customer.profile.time_zone) if self.customer.profile is not None else None
        return from_ms(ms).astimezone(tz) if tz is not None else from_ms(ms)

    def _hold_reason(self, hold: Hold) -> ReasonRecord:
        day = self._local(hold.placed_at).date()
        text = f"A hold for {HOLDS.get(hold.kind, hold.kind.replace('_', ' '))} is in force from {date_words(day)}."
        return ReasonRecord(code=f"hold_{hold.kind}", text=text, value=day.isoformat(), event_ids=())

    # What the ladder asked, as rules of the decision.

    def _ground(self, rule: Rule, holds: bool, counters: dict[str, int]) -> RuleRecord:
        return self._rule(RuleVerdict(rule, "allow" if holds else "refuse", counters))

    def _on_rung(self, holds: bool) -> RuleRecord:
        counters = {"rung": self.customer.rung, "called_for": self.wanted}
        return self._ground(self.policy.grounds.rung, holds, counters)

    def _steady(self, holds: bool) -> RuleRecord:
        counters = {"open": len(self.trouble), "needed_days": self.policy.ladder.recognition_clear_days}
        return self._ground(self.policy.grounds.steady, holds, counters)

    def _ground_of(self, episode: Episode) -> RuleRecord:
        return self._steady(True) if episode.treatment == "recognition" else self._on_rung(True)

    def _gone(self, because: str, signal_ids: Sequence[str]) -> RuleRecord:
        """Why something that was said no longer stands, where no rule of contact forbids it."""
        if because == "customer_erased":
            return self._ground(self.policy.basics.customer_known, False, {})
        standing = sum(each in self.trouble for each in signal_ids)
        return self._ground(self.policy.grounds.stands, False, {"signals": standing, "of": len(signal_ids)})

    def _asked_for(self, kind: str) -> RuleRecord:
        """The ground on which a person is asked, by the kind of its cause."""
        grounds, ladder = self.policy.grounds, self.policy.ladder
        rules: dict[str, tuple[Rule, dict[str, int]]] = {
            "hold": (grounds.hold, {}),
            "proposed": (grounds.proposed, {}),
            "check": (grounds.check, {}),
            "promise": (grounds.promise, {"grace_working_days": ladder.promise_working_days}),
            "silence": (grounds.silence, {"needed_days": ladder.silence_days}),
            "unreachable": (grounds.unreachable, {"needed_days": ladder.contactability_days}),
        }
        rule, counters = rules[kind]
        return self._ground(rule, True, counters)

    def _rule(self, judged: RuleVerdict) -> RuleRecord:
        return RuleRecord(
            rule_id=judged.rule.id,
            version=str(judged.rule.version),
            verdict=judged.verdict,
            clock=self._local(self.clock),
            counters=judged.counters or None,
            source=judged.rule.source,
        )

    def decide(
        self,
        treatment: str,
        subject: str,
        result: str,
        rules: tuple[RuleRecord, ...],
        next_allowed_at: int | None,
        trace: bytes,
    ) -> str:
        customer = self.customer
        customer.decisions += 1
        decision_id = derive(
            "decision", customer.customer_id, subject, result, str(self.clock), str(customer.decisions)
        )
        record = DecisionRecord(
            decision_id=decision_id,
            customer_id=customer.customer_id,
            decided_at=from_ms(self.clock),
            trigger=self.moment.trigger,  # type: ignore[arg-type]
            treatment=treatment,
            result=result,  # type: ignore[arg-type]
            rules=rules,
            next_allowed_at=None if next_allowed_at is None else self._local(next_allowed_at),
            policy_version=self.policy.version,
        )
        self.say("decisions", customer.customer_id, decision_id, record, trace)
        return decision_id

    def say(
        self, topic: str, key: str, event_id: str, record: msgspec.Struct, trace: bytes | None = None
    ) -> None:
        self.said.append(
            Said(topic, key, event_id, self.clock, record, self.moment.trace if trace is None else trace)
        )


class _Request(NamedTuple):
    """What a person is to be asked."""

    queue: str
    account_ids: tuple[str, ...]
    signal_ids: tuple[str, ...]
    start: int
    reasons: tuple[ReasonRecord, ...]
    trace: bytes


def _terms(promise: Promise) -> tuple[str, ...]:
    """What makes a promise this one: made anew on other terms, it is watched anew."""
    return promise.promise_id, promise.account_id, str(promise.amount), promise.currency, promise.due_date


def _aware(ms: int) -> dt.datetime:
    return EPOCH + dt.timedelta(milliseconds=ms)


def _reasons(signals: Iterable[OpenSignal]) -> tuple[ReasonRecord, ...]:
    return tuple(reason for signal in signals for reason in _reasons_decoder.decode(signal.reasons))
