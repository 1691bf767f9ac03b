"""Which treatments are wanted, whether and how they may be given, and what a nudge says.

An episode of a treatment begins when something calls for it and ends when nothing does. It speaks once. What has to wait is
decided anew when its time comes, and whenever something is told.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from stream.contracts.decisions import RuleRecord
from stream.contracts.ids import derive
from stream.contracts.nudges import ExperimentRecord, NudgeRecord, OfferRecord
from stream.contracts.signals import ReasonRecord
from stream.tables.customer import MAX_NUDGES, Episode, Nudge, OpenSignal, Trial
from stream.treatment import effects, offers, recognition, reminders
from stream.treatment.checks import Check
from stream.treatment.local_time import DAY, from_ms
from stream.treatment.permission import HOUR, Answer, Gate, Subject, Verdict, judge
from stream.treatment.policy import TreatmentPolicy
from stream.treatment.safety import in_control, may_be_compared
from stream.treatment.turn import Turn, reasons_of
from stream.treatment.words import discreet

IMPROVED: Final = ReasonRecord(
    code="signals_cleared",
    text="No sign of stress has been open for a while.",
    value=0,
    unit="signals",
    event_ids=(),
)
KEPT: Final = ReasonRecord(code="promise_kept", text="What was agreed has been kept to.", value=1, unit="promises", event_ids=())
DUE: Final = ReasonRecord(
    code="payment_due", text="A regular payment is due in the next few days.", value=1, unit="payments", event_ids=()
)

CONTROL: Final = "control"


def treat(turn: Turn) -> None:
    """Gives the treatments that are wanted and permitted; records of the others why not."""
    customer = turn.customer
    if not turn.trouble and not customer.episodes and not customer.rung and not customer.plans and not customer.promises:
        return
    _end(turn)
    active = _active(turn)
    for name, episode in list(customer.episodes.items()):
        if name not in active:
            _set_aside(episode, turn)
    for name in active:
        episode = customer.episodes[name]
        if not episode.nudge_id:
            _consider(episode, turn)


# --- what is wanted


def _end(turn: Turn) -> None:
    """Ends the episodes that nothing calls for any more."""
    customer = turn.customer
    if not customer.episodes:
        return
    speakable = {each.signal_id for each in turn.spoken}
    for name, episode in list(customer.episodes.items()):
        if episode.treatment == recognition.TREATMENT:
            late = turn.clock >= recognition.ends_at(episode, turn)
            if not late and (episode.subject != recognition.RECOVERY or not turn.trouble):
                continue
            if late:
                customer.helped_at = 0
        elif episode.closes:
            reminders.keep_time(episode, turn)
            if turn.clock < episode.closes and not _paid(episode, turn) and _still_due(episode, turn):
                continue
            reminders.end(episode, turn)
        else:
            kept = [each for each in episode.signal_ids if each in speakable]
            if len(kept) < len(episode.signal_ids):
                episode.signal_ids, episode.wake = kept, turn.clock  # it is about less now: what forbade it may have gone
            if episode.signal_ids:
                if not episode.nudge_id and episode.subject not in episode.signal_ids:
                    _name(episode, turn)
                continue
        _set_aside(episode, turn)
        del customer.episodes[name]


def _paid(episode: Episode, turn: Turn) -> bool:
    return episode.subject in turn.customer.settled


def _still_due(episode: Episode, turn: Turn) -> bool:
    """Whether the date of an episode is still one: the plan stands, the account is still held."""
    if episode.treatment == reminders.PLAN:
        return any(each.subject == episode.subject for each in reminders.instalments(turn))
    return bool(turn.spoken) and any(each.subject == episode.subject for each in reminders.payments(turn))


def _set_aside(episode: Episode, turn: Turn) -> None:
    """A treatment that waited and is no longer wanted: said once, so that nobody waits for it."""
    episode.wake = None
    waited, episode.last = episode.last.startswith("deferred"), ""
    if not episode.nudge_id and waited:
        if episode.treatment == recognition.TREATMENT and turn.trouble:
            rule = turn.steady(False)
        elif episode.closes and not _paid(episode, turn) and (turn.spoken or episode.treatment == reminders.PLAN):
            rule = turn.ground(turn.policy.basics.in_time, False)
        elif any(each in turn.trouble for each in episode.signal_ids):
            rule = turn.on_rung(False)
        else:
            rule = turn.gone("signal_withdrawn", episode.signal_ids)
        turn.decide(episode.treatment, nudge_id_of(episode, turn), "withdrawn", (rule,), None, _trace(episode, turn))


def _name(episode: Episode, turn: Turn) -> None:
    """Subject and start of an episode: its first signal's."""
    first = min((turn.trouble[each] for each in episode.signal_ids), key=lambda each: (each.rose_at, each.signal_id))
    episode.subject, episode.start = first.signal_id, first.rose_at


def _active(turn: Turn) -> list[str]:
    """The treatments wanted now, each with its episode brought up to date: those of the rung, then those bound to a date, then
    thanks.
    """
    active: list[str] = []
    customer = turn.customer
    if turn.spoken and not turn.specialist:
        active = _on_rung(turn)
    if customer.plans:
        for due in reminders.instalments(turn):
            name = f"{reminders.PLAN}:{due.subject.partition(chr(10))[0]}"
            if name not in customer.episodes:
                customer.episodes[name] = reminders.begin(reminders.PLAN, due, turn)
            active.append(name)
    if customer.rung in (2, 3) and turn.spoken and not turn.specialist:
        active += _payment_reminder(turn)
    if not turn.specialist:
        active += recognition.wanted(turn)
    return active


def _on_rung(turn: Turn) -> list[str]:
    """The treatments of the rung. A signal is spoken of by one of them: by the one that has it, else by the first it fits.

    Who stands higher than is called for now gets what is called for, about what has not been spoken of yet.
    """
    customer = turn.customer
    level = min(customer.rung, turn.wanted)
    # What only adds up other signs is spoken of only where there is nothing else to speak of.
    spoken_of = [each for each in turn.spoken if each.detector not in turn.policy.ladder.combined] or turn.spoken
    apart = (recognition.TREATMENT, reminders.PAYMENT, reminders.PLAN)
    names = [each for each in turn.policy.on_rung(level) if each not in apart]
    holders = names if level == customer.rung else list(customer.episodes)
    taken = {each for name in holders if name in customer.episodes for each in customer.episodes[name].signal_ids}
    active: list[str] = []
    for name in names:
        fitting = [each for each in spoken_of if each.signal_id not in taken and _fits(name, each, turn)]
        taken.update(each.signal_id for each in fitting)
        episode = customer.episodes.get(name)
        if episode is None:
            if not fitting:
                continue
            episode = customer.episodes[name] = Episode(name, "", 0)
        if fitting:
            episode.signal_ids += [each.signal_id for each in fitting]
            episode.wake = turn.clock
        if not episode.subject:
            _name(episode, turn)
        active.append(name)
    return active


def _fits(name: str, signal: OpenSignal, turn: Turn) -> bool:
    treatment = turn.policy.treatments[name]  # type: ignore[index]
    account = turn.customer.accounts.get(signal.account_id)
    if treatment.detectors and signal.detector not in treatment.detectors:
        return False
    if treatment.products and (account is None or account.product not in treatment.products):
        return False
    if name == "payment_date_change":
        return offers.later_date(signal.account_id, turn) is not None
    # Where nothing is left for a plan, none is spoken of: debt advice is, and a person.
    return name != "flexible_plan" or not offers.nothing_left(signal.account_id, turn)


def _payment_reminder(turn: Turn) -> list[str]:
    customer, treatment = turn.customer, turn.policy.treatments.get("payment_reminder")
    if treatment is None or not any(each.detector in treatment.detectors for each in turn.spoken):
        return []
    if reminders.PAYMENT not in customer.episodes:
        ahead = reminders.payments(turn)
        if not ahead:
            return []
        customer.episodes[reminders.PAYMENT] = reminders.begin(reminders.PAYMENT, ahead[0], turn)
    return [reminders.PAYMENT]


# --- whether it may be given


def nudge_id_of(episode: Episode, turn: Turn) -> str:
    """The id of what an episode says."""
    return derive("nudge", turn.customer.customer_id, episode.treatment, episode.subject, str(episode.start))


def _ground(episode: Episode, turn: Turn) -> RuleRecord:
    """Why an episode's treatment is called for."""
    grounds = turn.policy.grounds
    if episode.treatment == recognition.TREATMENT:
        return turn.steady(True) if episode.subject == recognition.RECOVERY else turn.ground(grounds.kept, True)
    return turn.ground(grounds.due, True) if episode.closes else turn.on_rung(True)


def _trace(episode: Episode, turn: Turn) -> bytes:
    signal = turn.trouble.get(episode.subject)
    return (signal.trace if signal is not None else b"") or turn.moment.trace


def _consider(episode: Episode, turn: Turn) -> None:
    treatment = turn.policy.treatments.get(episode.treatment)  # type: ignore[call-overload]
    if treatment is None:
        return
    if episode.last == CONTROL and not may_be_compared(turn.customer, turn.policy, turn.clock):
        episode.wake = turn.clock
    if episode.last and not _anew(episode, turn):
        return
    nudge_id = nudge_id_of(episode, turn)
    if any(nudge.nudge_id == nudge_id for nudge in turn.customer.nudges):
        episode.nudge_id = nudge_id
        return
    signals = [turn.trouble[each] for each in episode.signal_ids if each in turn.trouble]
    signals.sort(key=lambda each: (turn.harm(each.account_id), each.started, each.signal_id))
    account_ids = list(dict.fromkeys(signal.account_id for signal in signals)) or [episode.account_id][: bool(episode.account_id)]
    if episode.treatment == "flexible_plan":
        account_ids = offers.first_debt(account_ids, turn)
    verdict = _best(treatment, account_ids, signals, episode, turn)
    if verdict.result == "allow":
        if treatment.rung == 2 and not episode.closes and _held_back(episode, verdict, turn):
            return
        if not turn.moment.gauge.allows(turn.customer, turn.policy, turn.clock):
            # This one would be one too many: it trips the breaker, and waits with all that come after it.
            verdict = _best(treatment, account_ids, signals, episode, turn)
    episode.wake = verdict.not_before - (turn.start - turn.clock) if verdict.result == "defer" else None
    ground = _ground(episode, turn)
    if verdict.result == "allow":
        _issue(episode, treatment, verdict, account_ids, signals, turn)
        return
    result = "deferred" if verdict.result == "defer" or verdict.waits else "refused"
    mark = f"{result} {verdict.not_before} {' '.join(verdict.failing)}"
    if mark != episode.last:
        episode.last = mark
        rules = (*turn.rules(verdict, turn.start), ground)
        at = verdict.not_before if verdict.result == "defer" else None
        turn.decide(episode.treatment, nudge_id, result, rules, at, _trace(episode, turn))


def _anew(episode: Episode, turn: Turn) -> bool:
    """Whether something can have changed since an episode was last decided: what is permitted was told anew, it has another
    signal, or the time it waits for has come. Time alone changes nothing before that.
    """
    return turn.moment.told or (episode.wake is not None and turn.clock >= episode.wake)


def _held_back(episode: Episode, verdict: Verdict, turn: Turn) -> bool:
    """Whether the customer is in the control group: recorded once, and looked at again when its days are over."""
    customer, policy = turn.customer, turn.policy
    if not policy.safety.control_share:
        return False
    if not may_be_compared(customer, policy, turn.clock) or not in_control(customer, policy):
        episode.control = False
        return False
    if not customer.control_since:
        customer.control_since = turn.clock
    episode.wake = customer.control_since + policy.safety.control_days * DAY
    if episode.last != CONTROL:
        rules = (*turn.rules(verdict, turn.start), turn.ground(policy.basics.not_control, False))
        turn.decide(episode.treatment, nudge_id_of(episode, turn), CONTROL, rules, None, _trace(episode, turn))
    if not episode.control:
        effects.begin(Trial(episode.treatment, CONTROL, turn.clock), turn)
    episode.control, episode.last = True, CONTROL
    return True


def _best(
    treatment: TreatmentPolicy, account_ids: Sequence[str], signals: Sequence[OpenSignal], episode: Episode, turn: Turn
) -> Verdict:
    """The verdict of the channel to use:

    the preferred one if it is free soon, else the first free, else the soonest.
    """
    customer = turn.customer
    preferred = customer.profile.preferred if customer.profile is not None else ""
    consents = customer.profile.consents if customer.profile is not None else {}
    # A channel without consent is asked about only where there is no other.
    order = [each for each in treatment.channels if each in consents] or treatment.channels[:1]
    if preferred in order:
        order = sorted(order, key=lambda channel: channel != preferred)
    subject = Subject(
        episode.treatment,
        account_ids,
        [signal.detector for signal in signals],
        max((signal.at for signal in signals), default=episode.start),
        opens=episode.opens,
        closes=episode.closes,
    )
    patience = turn.start + turn.policy.preferred_wait_hours * HOUR
    breaker = _breaker(turn)
    answers: list[Answer] = []
    gate = Gate(
        customer, turn.start, turn.policy, subject, operator=turn.moment.operator, contact_from=turn.moment.contact_from
    )
    for channel in order:
        answer = judge([*gate.checks(channel), breaker], channel, turn.start, turn.policy)
        soon = answer.result == "defer" and answer.at <= patience
        if answer.result == "allow" or (soon and channel == preferred):
            return answer.verdict()
        answers.append(answer)
        if answer.result == "refuse" and gate.shut:
            break
    deferred = [answer for answer in answers if answer.result == "defer"]
    if deferred:
        return min(deferred, key=lambda answer: answer.at).verdict()
    # Of channels that are refused, one that only waits for a person's word tells more than one without consent.
    verdicts = [answer.verdict() for answer in answers]
    return next((verdict for verdict in verdicts if verdict.waits), verdicts[0])


def _breaker(turn: Turn) -> Check:
    gauge = turn.moment.gauge
    people = gauge.breaker.people if gauge.breaker.hour == turn.clock // HOUR else 0
    counters = {"people": people, "limit": gauge.limit(turn.policy.safety)}
    tripped = gauge.breaker.tripped_at and gauge.breaker.policy == turn.policy.version
    return Check(turn.policy.basics.no_breaker, "breaker", counters, permitted=not tripped, lasting=False, waits=True)


# --- giving it


def _issue(
    episode: Episode,
    treatment: TreatmentPolicy,
    verdict: Verdict,
    account_ids: list[str],
    signals: Sequence[OpenSignal],
    turn: Turn,
) -> None:
    customer, policy = turn.customer, turn.policy
    assert customer.profile is not None
    nudge_id = nudge_id_of(episode, turn)
    trace = _trace(episode, turn)
    made, counters = offers.make(episode.treatment, account_ids, nudge_id, turn)
    ground = _ground(episode, turn)
    rules = (*turn.rules(verdict, turn.start), ground)
    if counters:
        rules += (turn.ground(policy.grounds.affordable, True, counters),)
    decision_id = turn.decide(episode.treatment, nudge_id, "issued", rules, None, trace)
    compared = treatment.rung == 2 and not episode.closes and may_be_compared(customer, policy, turn.clock)
    arm = "treated" if compared and not in_control(customer, policy) else ""
    record = NudgeRecord(
        nudge_id=nudge_id,
        status="issued",
        customer_id=customer.customer_id,
        account_ids=tuple(account_ids),
        treatment=episode.treatment,  # type: ignore[arg-type]
        channel=verdict.channel,  # type: ignore[arg-type]
        template=treatment.template,
        template_version=treatment.template_version,
        params=_params(episode, treatment, account_ids, verdict.channel, made, turn),
        language=customer.profile.language,
        tone=treatment.tone,
        # An account may be shared without this stage knowing it: a nudge carries no amount, no bill and no event.
        # They stay with the signals, which are for staff.
        reasons=discreet(reasons_of(signals)) or (_why(episode),),
        offers=made or None,
        not_before=from_ms(verdict.not_before),
        not_after=from_ms(verdict.not_after),
        decided_at=from_ms(turn.clock),
        decision_id=decision_id,
        signal_ids=tuple(episode.signal_ids),
        experiment=ExperimentRecord(name=policy.safety.control_name, arm=arm) if arm else None,
    )
    episode.nudge_id, episode.wake, episode.last = nudge_id, None, "issued"
    turn.moment.gauge.count(customer, turn.clock)
    customer.nudges.append(
        Nudge(
            nudge_id, episode.treatment, verdict.channel, account_ids, list(episode.signal_ids),
            verdict.not_before, verdict.not_after, msgspec.json.encode(record),
            decided_at=turn.clock, subject="" if signals else episode.subject, trace=trace,
        )
    )  # fmt: skip
    _bound(turn)
    turn.say("nudges", customer.customer_id, derive(nudge_id, "issued"), record, trace)
    effects.begin(Trial(episode.treatment, arm or "outside", turn.clock), turn)
    if episode.treatment == recognition.TREATMENT:
        recognition.given(episode, turn)
    elif signals:
        customer.helped_at = verdict.not_before
        effects.warn(turn)


def _why(episode: Episode) -> ReasonRecord:
    if episode.closes:
        return DUE
    return IMPROVED if episode.subject == recognition.RECOVERY else KEPT


def _bound(turn: Turn) -> None:
    nudges = turn.customer.nudges
    while len(nudges) > MAX_NUDGES:
        spent = next((each for each in nudges if each.withdrawn and not each.counts), nudges[0])
        nudges.remove(spent)


def _params(
    episode: Episode,
    treatment: TreatmentPolicy,
    account_ids: Sequence[str],
    channel: str,
    made: Sequence[OfferRecord],
    turn: Turn,
) -> dict[str, Any]:
    """What fills the template: the message can be sent from it alone.

    Nothing of what happened is in it: a joint account's events may be the other holder's.
    """
    profile, policy = turn.customer.profile, turn.policy
    assert profile is not None
    occasion = "offers" if made else _occasion(episode, turn)
    language, text = treatment.words(profile.language, policy.default_language, occasion, profile.region, profile.jurisdiction)
    account = "…" + account_ids[0][-4:] if account_ids else ""
    footer = policy.book(profile.jurisdiction, profile.region).footer.get(channel, {})  # type: ignore[call-overload]
    ending = footer.get(language) or footer.get(policy.default_language)
    said = text.replace("{account}", account)
    params = {"account": account, "help": treatment.help, "text": said, "text_language": language}
    return params | {"text": f"{said} {ending}", "opt_out": ending} if ending else params


def _occasion(episode: Episode, turn: Turn) -> str:
    """For which words are kept of their own, where a treatment has some."""
    if episode.treatment == recognition.TREATMENT:
        return "" if episode.subject == recognition.RECOVERY else "promise"
    detectors = {turn.trouble[each].detector for each in episode.signal_ids if each in turn.trouble}
    return "arrears" if detectors == {"arrears_clock"} else ""


def times(turn: Turn) -> list[int | None]:
    """When time alone will change something here."""
    found: list[int | None] = []
    for episode in turn.customer.episodes.values():
        found.append(episode.wake)
        if episode.treatment == recognition.TREATMENT:
            found += [recognition.starts_at(episode, turn), recognition.ends_at(episode, turn), *recognition.looked_after(turn)]
        elif episode.closes:
            found += [episode.closes, episode.opens if not episode.nudge_id else None]
    if turn.customer.rung in (2, 3) and turn.spoken and reminders.PAYMENT not in turn.customer.episodes:
        found += reminders.dates(turn)
    return found
