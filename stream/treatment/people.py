"""Asking a person: which team, why, how soon, and when that is no longer called for. A program only ever asks.

Each request has a cause, and is made once for it. It is taken back when its ground is gone, unless somebody has begun to look;
one that nobody has answered in time is made again, urgently.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import msgspec

from stream.contracts.decisions import RuleRecord
from stream.contracts.escalations import EscalationRecord
from stream.contracts.ids import derive
from stream.contracts.money import to_text
from stream.contracts.signals import ReasonRecord
from stream.tables.customer import MAX_ESCALATIONS, Escalation, Hold, OpenSignal, Profile
from stream.treatment import arrears, commitments, ladder, offers
from stream.treatment.checks import OutsideQuiet
from stream.treatment.holds import in_force
from stream.treatment.local_time import DAY, from_ms, zone
from stream.treatment.permission import HOUR
from stream.treatment.policy import Rule
from stream.treatment.turn import PastDue, Turn, reasons_of
from stream.treatment.withdrawal import urge, withdraw_escalation
from stream.treatment.words import HOLDS, date_words

FORGOTTEN: int = 90 * DAY
"""How long a request that has ended is remembered."""
NO_CONTACT_HOLDS = frozenset({"opt_out", "cease"})
"""Holds by which the customer closes channels: with them a customer cannot be reached, which a person should know."""
MISSED_WITHIN = 60 * DAY
"""How long instalments count as missed of late."""
SAID_WITHIN = 30 * DAY
"""How long what the customer said asks for a person."""
CARE = "arrears_care"
LISTENING = frozenset({"arrears_care", "collections_review", "vulnerability"})
"""Teams to whom a customer who says that they cannot pay has said it."""
REVIEW = "collections_review"


Grounds = dict[str, Callable[[], "Request"]]
"""Requests by their cause, made only where they are wanted."""


class Request(NamedTuple):
    """What a person is to be asked."""

    queue: str
    account_ids: tuple[str, ...]
    signal_ids: tuple[str, ...]
    start: int
    reasons: tuple[ReasonRecord, ...]
    trace: bytes
    first: tuple[str, ...] = ()
    """Actions that come before the queue's own; the queue's alone where there are none."""
    urged: tuple[str, ...] = ()
    """The grounds on which it is urgent from the start."""


def escalate(turn: Turn) -> None:
    """Makes the requests that are called for, and takes back those that no longer are."""
    customer = turn.customer
    if customer.rung >= 2 or customer.unreachable_since:
        _reach(turn)
    if not _anything(turn):
        return
    causes = _causes(turn)
    escalations = customer.escalations
    for escalation in list(escalations.values()):
        if escalation.cause not in causes and escalation.body and escalation.status != "done":
            _unfounded(escalation, turn)
    for cause, request in causes.items():
        # A ground that went and came back is asked for anew.
        if cause not in escalations or escalations[cause].status == "withdrawn":
            _ask(cause, request(), turn)
    if escalations:
        _overdue(turn)
        _bound(causes, turn)


def _anything(turn: Turn) -> bool:
    """Whether there can be anything to ask a person for, or to take back."""
    customer = turn.customer
    if customer.escalations or customer.holds or customer.rung >= 3 or turn.late or turn.specialist:
        return True
    if customer.hardship_at or customer.proposed_at or customer.unreachable_since or customer.overflow:
        return True
    return len(turn.trouble) < len(customer.signals) or any(each.proposes_hold for each in customer.signals.values())


def _bound(causes: Grounds, turn: Turn) -> None:
    escalations = turn.customer.escalations
    for each in list(escalations.values()):
        ended = each.status in ("withdrawn", "done")
        if each.cause not in causes and ended and each.issued_at <= turn.clock - FORGOTTEN:
            del escalations[each.cause]
    if len(escalations) > MAX_ESCALATIONS:
        order = sorted(escalations.values(), key=lambda each: (each.status in ("issued", "taken"), each.issued_at))
        for each in order[: len(escalations) - MAX_ESCALATIONS]:
            del escalations[each.cause]


def _overdue(turn: Turn) -> None:
    """Asks again where a request has not been answered in time, or where what is past due has become urgent."""
    marks = turn.policy.ladder
    urgent = bool(turn.late) and marks.urgent_days <= turn.late[0].days < marks.specialist_days
    for each in turn.customer.escalations.values():
        if not each.body or each.status not in ("issued", "taken"):
            continue
        if urgent and each.queue == CARE and "arrears" not in each.urged:
            reasons = _reasons_now(_of_days(CARE, turn.late[0], turn), turn)
            soon = turn.clock + 24 * HOUR
            due_by = min(each.due_by, soon) if each.due_by > turn.clock else soon
            rule = turn.ground(turn.policy.grounds.arrears, True, {"needed_days": marks.urgent_days})
            urge(each, due_by, "arrears", rule, turn, reasons)
        elif "overdue" not in each.urged and turn.clock >= each.due_by:
            queue = turn.policy.queues[each.queue]  # type: ignore[index]
            rule = turn.ground(turn.policy.grounds.overdue, True)
            late = next((one for one in turn.late if each.cause.startswith(f"arrears:{one.account_id}:")), None)
            now = None if late is None else _reasons_now(_of_days(CARE, late, turn), turn)
            urge(each, turn.clock + queue.due_by_hours * HOUR, "overdue", rule, turn, now)


def _unfounded(escalation: Escalation, turn: Turn) -> None:
    kind = escalation.cause.split(":")[0]
    if kind == "hold":
        withdraw_escalation(escalation, "hold_lifted", turn)
    elif escalation.queue == CARE and _reviewed(turn):
        withdraw_escalation(escalation, "passed_on", turn)
    elif kind == "promise" or (kind == "plan" and _plan_kept(escalation, turn)):
        withdraw_escalation(escalation, "promise_kept", turn)
    elif kind in ("arrears", "review", "missed", "no_surplus"):
        withdraw_escalation(escalation, _no_longer(escalation, turn), turn)
    elif kind in ("proposed", "check", "vulnerable") or not turn.trouble:
        withdraw_escalation(escalation, "signal_withdrawn", turn)
    elif escalation.status == "issued":
        reachable = "customer_reachable" if _reachable(turn) else "signal_withdrawn"
        withdraw_escalation(escalation, reachable if kind == "unreachable" else "customer_responded", turn)


def _reviewed(turn: Turn) -> bool:
    """Whether what is past due is the matter of the review, and of nobody before it."""
    return bool(turn.late) and turn.late[0].days >= turn.policy.ladder.specialist_days


def _no_longer(escalation: Escalation, turn: Turn) -> str:
    """Why something past due asks nobody any more: it is paid, or it is not so long after all."""
    _, account_id, since = (*escalation.cause.split(":"), "", "")[:3]
    if not turn.late:
        return "customer_paid"
    same = any(each.account_id == account_id and each.since == since for each in turn.late)
    return "ground_gone" if same or not account_id or account_id.isdigit() else "customer_paid"


def _plan_kept(escalation: Escalation, turn: Turn) -> bool:
    _, offer_id, due = escalation.cause.split(":")
    plan = turn.customer.plans.get(offer_id)
    return plan is not None and all(each.status == "kept" for each in plan.instalments if each.due_date == due)


# --- whether the customer can be reached


def _reach(turn: Turn) -> None:
    """Since when no channel is open to the customer at all, holds for other reasons apart."""
    customer = turn.customer
    if customer.rung < 2 or turn.wanted < 2 or _reachable(turn):
        customer.unreachable_since = 0
    elif not customer.unreachable_since:
        customer.unreachable_since = turn.clock


def _reachable(turn: Turn) -> bool:
    customer, clock, profile = turn.customer, turn.clock, turn.customer.profile
    if profile is None or zone(profile.time_zone) is None:
        return False
    closed = [hold for hold in customer.holds.values() if hold.kind in NO_CONTACT_HOLDS and not hold.account_id]
    level = min(3, max(2, customer.rung))
    for channel in turn.policy.channels_on(level):
        since = profile.consents.get(channel)
        blocked_at = customer.blocked.get(channel)
        if since is None or since > clock or (blocked_at is not None and since <= blocked_at):
            continue
        if any(hold.channel in ("", channel) and in_force(hold, clock) for hold in closed):
            continue
        if not _always_quiet(channel, profile, turn):
            return True
    return False


def _always_quiet(channel: str, profile: Profile, turn: Turn) -> bool:
    """Whether the hours in which the customer asked to be left alone never end."""
    asked = sum(((each.end - each.start) % 1440 or 1440) * (len(each.days) or 7) for each in profile.quiet)
    if asked < 6 * 1440:
        return False  # not even where no two of them overlap, and clocks go back
    rules = [each for each in turn.policy.book(profile.jurisdiction, profile.region).quiet if channel in each.channels]
    return any(OutsideQuiet.of(each, profile.quiet, turn.tz, turn.clock).clear_at(turn.clock) is None for each in rules)


# --- what is called for


def _causes(turn: Turn) -> Grounds:
    """What a person must be asked for, by cause; a cause that was asked for stays while its ground does."""
    customer = turn.customer
    causes = _holds(turn) if customer.holds else {}
    _proposals(causes, turn)
    asked = [each for name, each in customer.escalations.items() if name.startswith("vulnerable:") and each.body]
    if asked and turn.trouble and ladder.is_vulnerable(turn):
        causes |= {each.cause: partial(_of_vulnerable, turn.now, turn) for each in asked}
    # Once a case is closed, what came up since asks again.
    last = max((each.issued_at for each in asked), default=0)
    worse = turn.specialist and any(_came_up(each) > last for each in turn.spoken)
    if worse and all(each.status == "done" for each in asked) and _fresh(turn):
        causes[f"vulnerable:{turn.now}"] = partial(_of_vulnerable, turn.now, turn)
    causes.update(_care(turn))
    if customer.overflow:
        causes["overflow"] = partial(_of_overflow, turn)
    since = customer.unreachable_since
    if since and turn.clock >= since + turn.policy.ladder.contactability_days * DAY and _fresh(turn):
        causes[f"unreachable:{since}"] = partial(_of_unreachable, since, turn)
    return causes


def _of_vulnerable(start: int, turn: Turn) -> Request:
    text = "There are signs of stress, and circumstances on record for which trained staff are there."
    reason = ReasonRecord(code="trained_staff", text=text, value=1, event_ids=())
    return _request("vulnerability", turn.worst_first(), start, (reason,), turn)


def _of_overflow(turn: Turn) -> Request:
    text = "There are more holds or cases on record than can be told apart: nothing is sent until somebody has looked."
    reason = ReasonRecord(code="too_many_holds", text=text, value=1, event_ids=())
    return _request("contactability", turn.worst_first(), 1, (reason,), turn)


def _of_unreachable(since: int, turn: Turn) -> Request:
    text = "Help is wanted, and no channel is open on which the customer may be contacted."
    days = turn.policy.ladder.contactability_days
    reason = ReasonRecord(code="no_channel", text=text, value=days, unit="days", event_ids=())
    return _request("contactability", turn.worst_first(), since, (reason,), turn)


def _holds(turn: Turn) -> Grounds:
    """The teams that look after people with a hold of their kind, whatever the rung.

    What the customer said and what the holds feed tells of it is one matter: whichever came first is asked for, until all of it
    is over.
    """
    asked, old = turn.customer.escalations, turn.moment.contact_from
    matters: dict[tuple[str, str], list[Hold]] = {}
    for hold in turn.customer.holds.values():
        if hold.kind in turn.policy.holds.queues and (old is None or hold.occurred_at >= old):
            matters.setdefault((hold.kind, hold.account_id), []).append(hold)
    causes: Grounds = {}
    for (kind, _), mine in matters.items():
        live = [each for each in mine if not each.lifted and (each.until is None or each.until > turn.clock)]
        # One that has ended by itself stands as long as it is remembered: nobody has said that the team need not look.
        stands = [each for each in mine if (of := asked.get(f"hold:{each.hold_id}")) is not None and of.body]
        ended = [each for each in stands if not each.lifted and not each.provisional]
        for hold in stands[:1] if live and stands else live[:1] or ended:
            causes[f"hold:{hold.hold_id}"] = partial(_of_hold, turn.policy.holds.queues[kind], hold, turn)  # type: ignore[index]
    return causes


def _of_hold(queue: str, hold: Hold, turn: Turn) -> Request:
    accounts = (hold.account_id,) if hold.account_id else ()
    return Request(queue, accounts, (), hold.placed_at, (_hold_reason(hold, turn),), b"")


def _proposals(causes: Grounds, turn: Turn) -> None:
    """What signals propose, or cannot judge. The team is asked once, for the hold or for its proposal, whichever came first."""
    asked, policy, old = turn.customer.escalations, turn.policy, turn.moment.contact_from
    for signal in turn.customer.signals.values():
        if signal.proposes_hold:
            kind, queue = "proposed", policy.holds.queues.get(signal.proposes_hold)  # type: ignore[call-overload]
        elif signal.severity == "info":
            kind, queue = "check", policy.holds.checks.get(signal.code)
        else:
            continue
        if queue is None or (old is not None and signal.at < old):
            continue
        cause = f"{kind}:{signal.signal_id}"
        if signal.decided and cause not in asked:
            continue
        before = asked.get(cause)
        if before is not None and before.status == "done" and signal.at > before.issued_at and not signal.decided:
            cause = f"{cause}:{signal.at}"  # reported again after somebody had looked
        same = [each for each in causes if _same_matter(each, signal, queue, turn)]
        if cause in asked:
            for each in same:
                if each not in asked:
                    del causes[each]
        elif same:
            continue
        causes[cause] = partial(_request, queue, [signal], signal.started, (), turn)


def _same_matter(cause: str, signal: OpenSignal, queue: str, turn: Turn) -> bool:
    """Whether a cause asks the same team about the same: a hold, or another proposal, of the kind that a signal proposes; for a
    check, a hold for its team on its very account.
    """
    kind, _, name = cause.partition(":")
    if kind == "hold":
        hold = turn.customer.holds[name]
        if not signal.proposes_hold:
            return turn.policy.holds.queues.get(hold.kind) == queue and hold.account_id == signal.account_id  # type: ignore[call-overload]
        return hold.kind == signal.proposes_hold and hold.account_id in ("", signal.account_id)
    other = turn.customer.signals.get(name.partition(":")[0])
    return kind == "proposed" and other is not None and bool(other.proposes_hold) and other.proposes_hold == signal.proposes_hold


def _fresh(turn: Turn) -> bool:
    old = turn.moment.contact_from
    return old is None or any(signal.at >= old for signal in turn.trouble.values())


def _care(turn: Turn) -> Grounds:
    """The arrears care team: one request at a time, on the gravest ground; and the review of collections beyond it."""
    customer, old = turn.customer, turn.moment.contact_from
    kept: Grounds = {}
    said = customer.hardship_at or customer.proposed_at
    if customer.rung < 3 and not turn.late and not said and not customer.escalations:
        return kept
    grounds = _past_due(turn) if turn.late else {}
    if said:
        grounds |= _said(turn)
    if customer.rung >= 3:
        grounds |= _earned(turn)
    asked = [each for each in customer.escalations.values() if each.queue == CARE and each.body]
    if _reviewed(turn):
        over = [each for each in turn.late if each.days >= turn.policy.ladder.specialist_days]
        kept = {f"review:{each.account_id}:{each.since}": partial(_of_days, REVIEW, each, turn) for each in over}
        if any((of := customer.escalations.get(cause)) is None or of.status != "done" for cause in kept):
            return kept
        # What the customer says after the review is heard all the same.
        grounds = {**_said(turn), **_since(turn)}
    # What was asked for stands until its ground is gone, however long ago the offer or the promise was; and while there is
    # another, for the team has been asked, and looks at all of it.
    for each in asked:
        lasts = each.status != "done" and not each.cause.startswith("silence:")
        if each.cause in grounds or _still_asked(each, turn) or (grounds and lasts):
            kept[each.cause] = partial(_standing, each)
    if any(each.status == "taken" for each in asked):
        for cause in grounds:
            if cause not in customer.escalations:
                # What is so while somebody has the case is looked at by them: it is not asked for after they have closed it.
                customer.escalations[cause] = Escalation("", CARE, cause, 0, turn.clock, status="done")
    if not any(each.cause in kept and each.status != "done" for each in asked):
        before = {cause for cause, each in customer.escalations.items() if each.status != "withdrawn"}
        fresh = next((cause for cause in grounds if cause not in before), None)
        if fresh is not None and (old is None or turn.clock >= old):
            kept[fresh] = grounds[fresh]
            # What takes the place of a request that had become urgent is urgent, too.
            urged = [each for each in asked if each.status == "issued" and each.urged]
            if urged:
                kept[fresh] = partial(_as_urgent, grounds[fresh], tuple(urged[-1].urged))
    return kept


def _as_urgent(make: Callable[[], Request], urged: tuple[str, ...]) -> Request:
    return make()._replace(urged=urged)


def _standing(escalation: Escalation) -> Request:
    """A request that was made already."""
    return Request(CARE, (), (), escalation.issued_at, (), b"")


def _past_due(turn: Turn) -> Grounds:
    """Days past due ask for a person at once, and once more where they have become urgent and nobody is asked by then."""
    marks = turn.policy.ladder
    found: Grounds = {}
    for each in turn.late:
        if each.days >= marks.care_days:
            urgent = each.days >= marks.urgent_days
            cause = f"arrears:{each.account_id}:{each.since}"
            found[f"{cause}:{marks.urgent_days}" if urgent else cause] = partial(_of_days, CARE, each, turn, urgent=urgent)
    return found


def _of_days(queue: str, late: PastDue, turn: Turn, *, urgent: bool = False) -> Request:
    request = _request(queue, turn.worst_first(), _day(late.since), (_days_reason(late),), turn, late.account_id)
    return request._replace(urged=("arrears",)) if urgent else request


def _days_reason(late: PastDue) -> ReasonRecord:
    day = date_words(dt.date.fromisoformat(late.since))
    owed = f", {late.currency} {late.amount} in all" if late.amount else ""
    text = f"Payments have been past due for {late.days} days, since {day}{owed}."
    return ReasonRecord(code="days_past_due", text=text, value=late.days, unit="days", event_ids=())


def _said(turn: Turn) -> Grounds:
    """What the customer said asks for a person at once, whatever the rung."""
    customer = turn.customer
    found: Grounds = {}
    for at, kind, text, first in (
        (customer.hardship_at, "hardship", "The customer has told us that they cannot pay.", ("plan", "payment_date")),
        (customer.proposed_at, "counter_offer", "The customer has proposed a plan.", ("counter_offer", "plan_review")),
    ):
        if not at:
            continue
        # Said to somebody who has the case, it is known to them.
        heard = any(
            case.queue in LISTENING and case.opened_at <= at and (case.closed_at is None or at < case.closed_at)
            for case in customer.cases.values()
        )
        old = turn.moment.contact_from
        if not heard and turn.clock < at + SAID_WITHIN and (old is None or at >= old):
            found[f"{kind}:{at}"] = partial(_of_word, kind, text, first, at, turn)
    return found


def _of_word(kind: str, text: str, first: tuple[str, ...], at: int, turn: Turn) -> Request:
    reason = ReasonRecord(code=f"customer_said_{kind}", text=text, value=1, event_ids=())
    return _request(CARE, turn.worst_first(), at, (reason,), turn)._replace(first=first)


def _earned(turn: Turn) -> Grounds:
    """Human outreach on rung 4: for what was not kept, for instalments missed, for silence after an offer; and wherever nothing
    is left for a plan.
    """
    customer, marks, old = turn.customer, turn.policy.ladder, turn.moment.contact_from
    grounds: Grounds = {}
    for late in turn.late if customer.rung >= 3 and turn.spoken else ():
        if offers.nothing_left(late.account_id, turn):
            grounds[f"no_surplus:{late.account_id}:{late.since}"] = partial(_of_nothing_left, late, turn)
    if customer.rung < 4:
        return grounds
    for broken in commitments.broken(turn) if customer.promises or customer.plans else ():
        if old is None or broken.decided_at >= old:
            cause = f"promise:{broken.name}" if broken.kind == "promise" else f"plan:{broken.name}:{broken.due_date}"
            grounds[cause] = partial(_of_broken, broken, turn)
    missed = arrears.missed_instalments(turn)
    if missed >= marks.missed_instalments and _fresh(turn):
        # As long as they lie within the days that are looked at, the same ones are not asked about again.
        lately = turn.clock - MISSED_WITHIN
        before = (each.cause for each in customer.escalations.values() if each.issued_at > lately)
        asked = next((cause for cause in before if cause.startswith("missed:")), None)
        grounds[asked or f"missed:{turn.now}"] = partial(_of_missed, missed, turn.now, turn)
    silent = turn.offer
    if silent is not None and turn.clock >= silent.not_before + marks.silence_days * DAY and _fresh(turn):
        grounds[f"silence:{silent.nudge_id}"] = partial(_of_silence, silent.not_before, turn)
    return grounds | _since(turn)


def _since(turn: Turn) -> Grounds:
    """From rung 4 on nothing is sent, so what comes up once a case is closed asks a person again; what came up while they had it
    was theirs to see.
    """
    asked = [each for each in turn.customer.escalations.values() if each.queue in (CARE, REVIEW) and each.body]
    if not asked or any(each.status != "done" for each in asked) or not _fresh(turn):
        return {}
    last = max(each.issued_at for each in asked)
    ids = {each.escalation_id for each in asked}
    cases = [each for each in turn.customer.cases.values() if each.escalation_id in ids]
    new = [
        each
        for each in turn.worst_first()
        if (at := _came_up(each)) > last
        and not any(case.opened_at <= at and (case.closed_at is None or at < case.closed_at) for case in cases)
    ]
    return {f"since:{last}": partial(_of_since, new, last, turn)} if new else {}


def _came_up(signal: OpenSignal) -> int:
    """When a sign last told something new: a high one whenever it is told, a lesser one when it rose."""
    return max(signal.rose_at, signal.at) if signal.severity == "high" else signal.rose_at


def _of_since(signals: Sequence[OpenSignal], last: int, turn: Turn) -> Request:
    text = "More signs of stress have come up since a person was last asked to look."
    reason = ReasonRecord(code="since_last_case", text=text, value=len(signals), unit="signals", event_ids=())
    return _request(CARE, signals, last, (reason,), turn)


def _of_nothing_left(late: PastDue, turn: Turn) -> Request:
    text = "Something is past due, and no plan is within what is left after home, priority bills and living costs."
    reason = ReasonRecord(code="no_surplus", text=text, value=0, event_ids=())
    request = _request(CARE, turn.worst_first(), _day(late.since), (reason,), turn, late.account_id)
    return request._replace(first=("debt_advice", "interest_or_fee_relief"))


def _of_broken(broken: commitments.Broken, turn: Turn) -> Request:
    amount, due = to_text(broken.amount, broken.currency), date_words(dt.date.fromisoformat(broken.due_date))
    promise = broken.kind == "promise"
    text = f"{'A promise to pay' if promise else 'An instalment of'} {broken.currency} {amount} by {due} was not kept in full."
    code = "broken_promise" if promise else "plan_instalment_missed"
    reason = ReasonRecord(code=code, text=text, value=amount, unit=broken.currency, event_ids=())
    request = _request(CARE, turn.worst_first(), broken.decided_at, (reason,), turn, broken.account_id)
    return request if promise else request._replace(first=("plan_review", "counter_offer"))


def _of_missed(count: int, start: int, turn: Turn) -> Request:
    text = f"{count} own instalments were missed within 60 days."
    reason = ReasonRecord(code="missed_instalments", text=text, value=count, unit="instalments", event_ids=())
    return _request(CARE, turn.worst_first(), start, (reason,), turn)


def _of_silence(since: int, turn: Turn) -> Request:
    days = turn.policy.ladder.silence_days
    text = f"There was no answer in {days} days to an offer of support."
    reason = ReasonRecord(code="no_answer", text=text, value=days, unit="days", event_ids=())
    return _request(CARE, turn.worst_first(), since, (reason,), turn)


def _still_asked(escalation: Escalation, turn: Turn) -> bool:
    kind, _, name = escalation.cause.partition(":")
    customer = turn.customer
    if kind == "promise":
        promise = customer.promises.get(name)
        return promise is None or promise.status == "broken"
    if kind == "plan":
        plan = customer.plans.get(name.partition(":")[0])
        due = name.partition(":")[2]
        return plan is None or any(each.due_date == due and each.status != "kept" for each in plan.instalments)
    if kind in ("arrears", "missed", "no_surplus"):
        return False
    if kind in ("hardship", "counter_offer"):
        return True
    return bool(turn.trouble) and customer.responded_at <= escalation.issued_at


# --- how it is said


def _day(iso: str) -> int:
    return int(dt.datetime.fromisoformat(f"{iso}T00:00:00+00:00").timestamp() * 1000) if iso else 0


def _hold_reason(hold: Hold, turn: Turn) -> ReasonRecord:
    day = turn.local(hold.placed_at).date()
    where = f" on account {hold.account_id}" if hold.account_id else ""
    text = f"A hold for {HOLDS.get(hold.kind, hold.kind.replace('_', ' '))}{where} is in force from {date_words(day)}."
    return ReasonRecord(code=f"hold_{hold.kind}", text=text, value=day.isoformat(), event_ids=())


def _request(
    queue: str,
    signals: Sequence[OpenSignal],
    start: int,
    reasons: tuple[ReasonRecord, ...],
    turn: Turn,
    account_id: str = "",
) -> Request:
    if queue in (CARE, REVIEW):
        # CONC 7.14: nothing is asked about a debt that is disputed, under a plan or under a moratorium.
        held = {each.account_id for each in turn.customer.accounts.values() if arrears.is_held(each, turn)}
        signals = [each for each in signals if each.account_id not in held]
    first = [account_id] if account_id else []
    accounts = tuple(dict.fromkeys([*first, *(signal.account_id for signal in signals)]))
    trace = signals[0].trace if signals else b""
    return Request(queue, accounts, tuple(each.signal_id for each in signals), start, reasons, trace)


def _standing_holds(turn: Turn, request: Request) -> tuple[ReasonRecord, ...]:
    """What the person must know before they ring: the holds that are in force."""
    told = {each.code for each in request.reasons}
    found = [_hold_reason(hold, turn) for hold in turn.customer.holds.values() if in_force(hold, turn.clock)]
    return tuple(dict.fromkeys(each for each in found if each.code not in told))


def _reasons_now(request: Request, turn: Turn) -> tuple[ReasonRecord, ...]:
    """What a request rests on: its own ground, the holds that the person must know of, and the signs."""
    signals = [turn.customer.signals[each] for each in request.signal_ids if each in turn.customer.signals]
    if any(each.code == "days_past_due" for each in request.reasons):
        # The days as they are now are told already; the signal's own words may be weeks old.
        signals = [each for each in signals if each.code != "days_past_due"]
    return (*request.reasons, *_standing_holds(turn, request), *reasons_of(signals))


def _ask(cause: str, request: Request, turn: Turn) -> None:
    customer = turn.customer
    queue = turn.policy.queues[request.queue]  # type: ignore[index]
    before = customer.escalations.get(cause)
    again = (before.escalation_id,) if before is not None else ()
    escalation_id = derive("escalation", customer.customer_id, request.queue, cause, str(request.start), *again)
    trace = request.trace or turn.moment.trace
    kind = cause.partition(":")[0]
    decision_id = turn.decide(request.queue, escalation_id, "issued", (_ground(kind, turn),), None, trace)
    due_by = turn.clock + (min(queue.due_by_hours, 24) if request.urged else queue.due_by_hours) * HOUR
    actions = tuple(each for each in (*request.first, *queue.actions) if each in queue.actions)
    record = EscalationRecord(
        escalation_id=escalation_id,
        status="issued",
        customer_id=customer.customer_id,
        account_ids=request.account_ids,
        queue=request.queue,  # type: ignore[arg-type]
        rung=queue.rung,
        priority="urgent" if request.urged else queue.priority,
        reasons=_reasons_now(request, turn),
        suggested_actions=tuple(dict.fromkeys(actions)),
        due_by=from_ms(due_by),
        decided_at=from_ms(turn.clock),
        decision_id=decision_id,
        signal_ids=request.signal_ids,
    )
    body = msgspec.json.encode(record)
    asked = Escalation(
        escalation_id, request.queue, cause, due_by, turn.clock, body, urged=list(request.urged), trace=trace
    )
    customer.escalations[cause] = asked
    turn.say("escalations", customer.customer_id, derive(escalation_id, "issued"), record, trace)


def _ground(kind: str, turn: Turn) -> RuleRecord:
    """The ground on which a person is asked, by the kind of its cause."""
    grounds, marks = turn.policy.grounds, turn.policy.ladder
    rules: dict[str, tuple[Rule, dict[str, int]]] = {
        "hold": (grounds.hold, {}),
        "proposed": (grounds.proposed, {}),
        "check": (grounds.check, {}),
        "vulnerable": (grounds.vulnerable, {}),
        "arrears": (grounds.arrears, {"needed_days": marks.care_days}),
        "review": (grounds.arrears, {"needed_days": marks.specialist_days}),
        "missed": (grounds.missed, {"needed": marks.missed_instalments}),
        "promise": (grounds.promise, {"grace_working_days": marks.promise_working_days}),
        "plan": (grounds.plan_missed, {"grace_working_days": marks.promise_working_days}),
        "hardship": (grounds.hardship, {}),
        "counter_offer": (grounds.counter_offer, {}),
        "no_surplus": (grounds.no_surplus, {}),
        "silence": (grounds.silence, {"needed_days": marks.silence_days}),
        "since": (grounds.since, {}),
        "overflow": (grounds.check, {}),
        "unreachable": (grounds.unreachable, {"needed_days": marks.contactability_days}),
    }
    rule, counters = rules[kind]
    return turn.ground(rule, True, counters)


def times(turn: Turn) -> list[int | None]:
    """When time alone will change something here."""
    customer, marks = turn.customer, turn.policy.ladder
    found: list[int | None] = []
    for each in customer.escalations.values():
        if each.body and each.status in ("issued", "taken") and "overdue" not in each.urged:
            found.append(each.due_by)
        if each.cause.startswith("missed:"):
            found.append(each.issued_at + MISSED_WITHIN)
    for account in customer.accounts.values():
        for pause in account.pauses:
            found += [pause.start, pause.until]
    if customer.unreachable_since:
        found.append(customer.unreachable_since + marks.contactability_days * DAY)
        found += customer.profile.consents.values() if customer.profile is not None else ()
    if turn.offer is not None:
        found.append(turn.offer.not_before + marks.silence_days * DAY)
    found.append(arrears.next_mark(turn))
    if customer.hardship_at:
        found.append(customer.hardship_at + SAID_WITHIN)
    if customer.proposed_at:
        found.append(customer.proposed_at + SAID_WITHIN)
    return found
