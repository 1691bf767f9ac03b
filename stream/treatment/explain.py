"""A signal, nudge, escalation or decision as text that a conduct officer or a call-centre agent can read out.

Pure functions of decoded records. What is missing from a record is left out; an unknown rule or word is shown
as it stands.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any, Final

from stream.contracts.money import to_text
from stream.treatment.policy import Policy, Rule, default_text, load
from stream.treatment.words import date_words

Record = Mapping[str, Any]
Related = Mapping[str, Sequence[Record]]

INDENT: Final = "  "

TREATMENTS: Final = {
    "payment_reminder": "a reminder before a payment is due",
    "small_bill_check_in": "a friendly check-in about small bills",
    "bounce_explained": "a kind note about a returned payment",
    "payment_date_change": "an offer to move a payment date",
    "flexible_plan": "an offer of a flexible plan",
    "debt_advice": "a pointer to free debt advice",
    "education": "something useful to read",
    "plan_reminder": "a reminder about an agreed plan",
    "recognition": "a kind word about an improvement",
}
ACTIONS: Final = {
    "plan": "a plan they can afford",
    "payment_date": "another payment date",
    "interest_or_fee_relief": "relief of interest or fees",
    "settlement": "a settlement",
    "debt_advice": "free debt advice",
    "education": "something useful to read",
    "counter_offer": "another offer",
    "plan_review": "a review of their plan",
    "consolidation": "putting debts together, where that costs the customer less and is no borrowing to repay",
}
QUEUES: Final = {
    "arrears_care": "the arrears care team",
    "vulnerability": "the vulnerability team",
    "bereavement": "the bereavement team",
    "insolvency": "the insolvency team",
    "disputes": "the disputes team",
    "fraud": "the fraud team",
    "collections_review": "the team that reviews collections",
    "contactability": "the team that restores contact",
}
BECAUSE: Final = {
    "signal_withdrawn": "the signs behind it were taken back or have cleared",
    "signal_returned": "a new sign of stress came up",
    "hold_placed": "a hold now forbids contact",
    "hold_lifted": "the hold was lifted",
    "shared_hold_placed": "a hold of another holder now forbids contact about the account",
    "case_opened": "a person is looking after the customer",
    "consent_withdrawn": "the customer no longer consents to the channel",
    "opted_out": "the customer opted out of the channel, or it reached somebody else",
    "nudges_stopped": "an operator stopped nudges",
    "snoozed": "an operator asked for silence",
    "contact_hours": "the hours of contact changed for the customer",
    "quiet_hours": "the customer asked not to be contacted at that time",
    "customer_unknown": "the customer is not known",
    "zone_unknown": "the customer's time zone is not known",
    "not_a_holder": "the customer is not a holder of the account",
    "customer_needs_a_person": "contact with this customer is for a trained person",
    "customer_erased": "the customer's record was erased",
    "customer_responded": "the customer has answered",
    "promise_kept": "the promise was kept after all: a payment made in time was told late",
    "customer_reachable": "the customer can be reached again",
    "customer_paid": "what it was about has been paid",
    "contact_cap": "other contacts left no room for it",
    "date_moved": "the date it was about no longer stands",
    "promise_not_kept": "the payment behind it came back",
    "date_past": "the date it was about is over",
    "ground_gone": "what it rested on is no longer so",
    "passed_on": "it was passed on to the team that reviews collections",
}
TRIGGERS: Final = {
    "signal": "a signal came in",
    "tick": "its time had come",
    "hold": "a hold was placed, changed or lifted",
    "outcome": "something came of a contact",
    "case": "a case was opened or closed",
    "operator": "an operator gave an order",
    "facts": "something changed on an account",
    "customer": "the customer's record changed",
}
RESULTS: Final = {
    "issued": "it went out",
    "deferred": "it has to wait",
    "refused": "it may not be sent",
    "withdrawn": "it was taken back",
    "control": "it was held back for a control group",
}
AGAINST: Final = {"defer": "Not so for now", "refuse": "Not so"}
VERDICTS: Final = {"allow": "yes", "defer": "not now", "refuse": "no"}


def explain(kind: str, record: dict[str, Any], related: Mapping[str, list[dict[str, Any]]]) -> str:
    """The text for one record of `kind` (`signal`, `nudge`, `escalation` or `decision`).

    `related` holds the same customer's `signals`, `decisions`, `nudges` and `escalations`, in the order they
    were written. Raises ValueError for another kind.
    """
    tellers = {"signal": _signal, "nudge": _nudge, "escalation": _escalation, "decision": _decision}
    if kind not in tellers:
        raise ValueError(f"kind is one of {', '.join(tellers)}")
    return "\n".join(tellers[kind](record, related)).rstrip() + "\n"


def _signal(record: Record, related: Related) -> list[str]:
    lines = [f"Signal {record.get('signal_id')}"]
    lines.append(
        f"A sign of {record.get('severity')} severity on account {record.get('account_id')}, "
        f"seen by the {_words(record.get('detector'))} detector (version {record.get('detector_version')}) "
        f"on {_time(record.get('occurred_at'))}."
    )
    reasons = record.get("reasons") or ()
    if record.get("status") == "withdrawn":
        lines.append("It has been taken back.")
        lines += _why(reasons[:1], "Why it was taken back")
        lines += _why(reasons[1:], "What it had rested on until then")
    else:
        lines += _why(reasons)
    if record.get("would_clear"):
        lines += ["", "What would clear it", f"{INDENT}{record['would_clear']}"]
    if record.get("proposes_hold"):
        lines += ["", f"It proposes a hold for {_words(record['proposes_hold'])}; a person decides."]
    lines += _history(record, related.get("signals", ()), "signal_id", "occurred_at")
    lines += _followed(record, related)
    return lines


def _nudge(record: Record, related: Related) -> list[str]:
    what = TREATMENTS.get(record.get("treatment", ""), _words(record.get("treatment")))
    local = _offset(record, related)
    decision = _decision_of(record, related)
    lines = [f"Nudge {record.get('nudge_id')}"]
    lines.append(f"To customer {record.get('customer_id')} by {record.get('channel')}: {what}.")
    if decision is not None:
        lines.append(f"Decided on {_time(decision.get('decided_at'), local)}, when {_trigger(decision)}.")
    lines.append(
        f"It may be sent from {_time(record.get('not_before'), local)} "
        f"until before {_time(record.get('not_after'), local)}."
    )
    lines += _withdrawn(record, related)
    text = record.get("params", {}).get("text")
    if text:
        lines += ["", "What it says", f"{INDENT}{text}"]
    lines += _offers(record)
    lines += _why(record.get("reasons") or (), "Why, as the customer may be told", figures=False)
    lines += _signals_behind(record, related, "Why, as staff may know it")
    lines += _would_clear(record, related)
    lines += _allowed(decision, next((each.get("currency", "") for each in record.get("offers") or ()), ""))
    if record.get("experiment"):
        arm = record["experiment"].get("arm")
        lines += ["", f"It is part of the experiment {record['experiment'].get('name')}, in the group that is {_words(arm)}."]
    lines += _history(record, related.get("nudges", ()), "nudge_id", "decided_at")
    if decision is not None:
        lines += ["", f"Decision {decision.get('decision_id')}, policy {decision.get('policy_version')}. {NOTHING_ADVERSE}"]
    return lines


NOTHING_ADVERSE: Final = (
    "It is an offer of help: nothing follows from it for the customer but what they ask for, and a person decides anything more."
)


def _trigger(decision: Record) -> str:
    return TRIGGERS.get(decision.get("trigger", ""), _words(decision.get("trigger")))


def _decision_of(record: Record, related: Related) -> Record | None:
    """The decision that a record comes from."""
    wanted = record.get("decision_id")
    return next((each for each in related.get("decisions", ()) if wanted and each.get("decision_id") == wanted), None)


def _offers(record: Record) -> list[str]:
    offers = record.get("offers") or ()
    if not offers:
        return []
    lines = ["", "What it offers, to be shown where only the customer reads it"]
    for offer in offers:
        parts, currency = list(offer.get("instalments") or ()), offer.get("currency")
        first, last = parts[0], parts[-1]
        when = f"on {_day(first)}" if len(parts) == 1 else f"monthly from {_day(first)} to {_day(last)}"
        amounts = list(dict.fromkeys(each.get("amount") for each in parts))
        much = f"{currency} {amounts[0]}" if len(amounts) == 1 else f"{currency} {amounts[0]}, later {amounts[-1]}"
        count = "1 payment" if len(parts) == 1 else f"{len(parts)} payments"
        lines.append(f"{INDENT}- {count} of {much}, {when}")
        lines.append(f"{INDENT}  {offer.get('basis', '')}")
    return lines


def _day(instalment: Record) -> str:
    return date_words(dt.date.fromisoformat(str(instalment.get("due_date"))))


def _would_clear(record: Record, related: Related) -> list[str]:
    """What would make the signs behind a record go away."""
    decided = _decided_at(record, related)
    then = {
        each.get("signal_id"): each for each in related.get("signals", ()) if _instant(each.get("occurred_at")) <= decided
    }
    told = [then[each].get("would_clear") for each in record.get("signal_ids") or () if each in then]
    clears = list(dict.fromkeys(each for each in told if each))
    return ["", "What would clear it", *(f"{INDENT}- {each}" for each in clears)] if clears else []


_ASKED: Final = {
    "permission": "The customer may be written to",
    "way": "Nothing stood in the way",
    "time": "It was a time for it",
    "often": "It was not too often",
    "ladder": "It was called for",
}
"""Groups of rules, by what they ask."""


@cache
def _groups() -> dict[str, str]:
    """The group of each rule of the packaged policy, by its id."""
    policy = _policy()
    basics = policy.basics
    groups = {rule.id: "ladder" for rule in policy.rules}
    for name in ("customer_known", "zone_known", "consent", "channel_open", "own_account", "no_economic_abuse"):
        groups[getattr(basics, name).id] = "permission"
    for name in ("no_hold", "no_shared_hold", "no_open_case", "not_stopped", "not_snoozed", "contact_from", "no_breaker"):
        groups[getattr(basics, name).id] = "way"
    timely: tuple[Rule, ...] = (*policy.hours, *policy.closed_days, *policy.quiet, basics.in_time)
    sparing: tuple[Rule, ...] = (*policy.caps, *policy.gaps, basics.cool_down)
    groups |= {rule.id: "time" for rule in timely} | {rule.id: "often" for rule in sparing}
    return groups


def _allowed(decision: Record | None, currency: str = "") -> list[str]:
    """Why a nudge was permitted and called for: every rule that was asked, with what it had counted and where it comes from."""
    rules = (decision or {}).get("rules") or ()
    lines: list[str] = []
    for group, heading in _ASKED.items():
        mine = [rule for rule in rules if _groups().get(rule.get("rule_id", ""), "often") == group]
        if mine:
            lines += ["", heading]
        for rule in mine:
            money = currency and rule.get("rule_id") == AFFORDABLE
            lines.append(f"{INDENT}- {_affordable(rule, currency) if money else rule_words(rule)}")
            lines.append(f"{INDENT}  {rule.get('source', '')} ({rule.get('rule_id')}, version {rule.get('version')})")
    return lines


def _escalation(record: Record, related: Related) -> list[str]:
    team = QUEUES.get(record.get("queue", ""), _words(record.get("queue")))
    lines = [f"Escalation {record.get('escalation_id')}"]
    lines.append(f"A person from {team} is asked to look at what is known of customer {record.get('customer_id')}.")
    about = ", ".join(map(str, record.get("account_ids") or ()))
    if about:
        lines.append(f"About {'account' if ', ' not in about else 'accounts'} {about}.")
    lines.append(f"Priority {record.get('priority')}, rung {record.get('rung')} of the ladder.")
    lines += _withdrawn(record, related)
    queue = _policy().queues.get(record.get("queue", ""))
    if record.get("status") == "withdrawn":
        lines += ["", "What to do", f"{INDENT}Nothing more, unless the customer is already being spoken to."]
    elif queue is not None:
        lines += ["", f"What to do first, by {_time(record.get('due_by'))}", f"{INDENT}{queue.first}"]
        lines += ["", "What not to do", f"{INDENT}{queue.never}"]
    else:
        lines.append(f"Please look by {_time(record.get('due_by'))}.")
    lines += _why(record.get("reasons") or ())
    actions = record.get("suggested_actions") or ()
    if actions and record.get("status") != "withdrawn":
        lines += ["", "What may help; the person decides"]
        lines += [f"{INDENT}- {ACTIONS.get(action) or _words(action)}" for action in actions]
    lines += _signals_behind(record, related)
    lines += _decided(record, related)
    lines += _history(record, related.get("escalations", ()), "escalation_id", "decided_at")
    return lines


def _decision(record: Record, related: Related) -> list[str]:
    name = record.get("treatment", "")
    what = TREATMENTS.get(name) or (f"asking {QUEUES[name]}" if name in QUEUES else _words(name))
    result = RESULTS.get(record.get("result", ""), _words(record.get("result")))
    lines = [f"Decision {record.get('decision_id')}"]
    if record.get("shadow"):
        lines.append("By a policy that is only tried out: nothing was sent and nobody was asked.")
    lines.append(f"For customer {record.get('customer_id')}, {what}: {result}.")
    lines.append(
        f"Decided on {_time(record.get('decided_at'))}, when {_trigger(record)}; "
        f"policy {record.get('policy_version')}."
    )
    if record.get("next_allowed_at"):
        lines.append(f"By what is known, it may go out from {_time(record['next_allowed_at'])}, the customer's own time.")
    elif record.get("result") == "refused":
        lines.append("By what is known, there is no time at which it may go out; what is told later may change that.")
    lines += _deciding(record)
    lines += _rules(record)
    shown = _subject_of(record, related)
    for topic, id_name, word in (
        ("nudges", "nudge_id", "nudge"),
        ("escalations", "escalation_id", "escalation"),
    ):
        ids = dict.fromkeys(each[id_name] for each in shown if each in related.get(topic, ()) and id_name in each)
        if ids:
            lines.append("")
        lines += [f"See {word} {id_}." for id_ in ids]
    return lines


def _subject_of(decision: Record, related: Related) -> list[Record]:
    """What the decision issued or took back."""
    name, at = decision.get("treatment"), decision.get("decided_at")
    found = []
    for each in (*related.get("nudges", ()), *related.get("escalations", ())):
        if decision.get("result") == "withdrawn":
            mine = (
                each.get("status") == "withdrawn"
                and each.get("decided_at") == at
                and name in (each.get("treatment"), each.get("queue"))
            )
        else:
            mine = bool(each.get("decision_id")) and each.get("decision_id") == decision.get("decision_id")
        if mine:
            found.append(each)
    return found


def _deciding(decision: Record) -> list[str]:
    """The rules that made it so, first; where all agreed, that."""
    against = [rule for rule in decision.get("rules") or () if rule.get("verdict") != "allow"]
    if not against:
        return ["", "What decided", f"{INDENT}Every rule that was asked agreed."] if decision.get("rules") else []
    return ["", "What decided", *(f"{INDENT}{AGAINST.get(rule.get('verdict', ''), '?')}: {rule_words(rule)}" for rule in against)]


# --- parts


def _why(reasons: Sequence[Record], heading: str = "Why", *, figures: bool = True) -> list[str]:
    if not reasons:
        return []
    lines = ["", heading]
    for reason in reasons:
        lines.append(f"{INDENT}- {reason.get('text') or _words(reason.get('code'))}{_figure(reason) if figures else ''}")
        window = _window(reason)
        if window:
            lines.append(f"{INDENT}  {window}")
        events = reason.get("event_ids") or ()
        if events:
            lines.append(f"{INDENT}  Events: {', '.join(map(str, events))}")
    return lines


def _figure(reason: Record) -> str:
    value, threshold = reason.get("value"), reason.get("threshold")
    if value is None or threshold is None or value == threshold:
        return ""
    if f"where {_number(threshold)} is the mark" in (reason.get("text") or ""):
        return ""
    return f" ({_number(value)}, where {_number(threshold)} is the mark)"


def _number(value: object) -> str:
    """As people write it: at most two decimals; text as it stands."""
    if not isinstance(value, float):
        return str(value)
    text = f"{value:.2f}"
    return text.rstrip("0").rstrip(".")


def _window(reason: Record) -> str:
    start, end = reason.get("window_from"), reason.get("window_to")
    if start and end:
        return f"From {_time(start)} to {_time(end)}"
    return f"Since {_time(start)}" if start else f"Until {_time(end)}" if end else ""


def _withdrawn(record: Record, related: Related) -> list[str]:
    if record.get("status") != "withdrawn":
        return []
    because = record.get("withdrawn_because", "")
    # Which hold it was stands in the decision to take it back.
    kinds = [
        _words(kind)
        for each in related.get("decisions", ())
        if each.get("result") == "withdrawn" and each.get("decided_at") == record.get("decided_at")
        and each.get("treatment") == record.get("treatment") and because in ("hold_placed", "shared_hold_placed")
        for rule in each.get("rules") or ()
        for kind in rule.get("counters") or {}
    ]  # fmt: skip
    named = f" ({', '.join(dict.fromkeys(kinds))})" if kinds else ""
    return [f"It was taken back on {_time(record.get('decided_at'))}: {BECAUSE.get(because, _words(because))}{named}."]


def _signals_behind(record: Record, related: Related, heading: str = "Signals behind it") -> list[str]:
    latest = {each.get("signal_id"): each for each in related.get("signals", ())}
    decided = _decided_at(record, related)
    ids = record.get("signal_ids") or ()
    if not ids:
        return []
    lines = ["", heading]
    for id_ in ids:
        signal = latest.get(id_)
        if signal is None:
            lines.append(f"{INDENT}- {id_}")
            continue
        then = signal
        for each in related.get("signals", ()):
            if each.get("signal_id") == id_ and _instant(each.get("occurred_at")) <= decided:
                then = each
        if signal.get("status") == "withdrawn":
            state = "taken back" if then is signal else "taken back since"
        else:
            same = signal.get("severity") == then.get("severity")
            state = "stands" if same else f"stands, {signal.get('severity')} now"
        lines.append(
            f"{INDENT}- {id_}: {_words(signal.get('detector'))}, {then.get('severity')}, "
            f"account {signal.get('account_id')}; {state}"
        )
        # A nudge carries no details, because the account may be shared; they are told here, to staff.
        if "nudge_id" in record and then.get("reasons"):
            lines += [f"{INDENT}  {reason.get('text')}" for reason in then["reasons"]]
    return lines


def _decided_at(record: Record, related: Related) -> float:
    """When it was first decided: a withdrawal repeats the record with its own instant."""
    return _instant((_decision_of(record, related) or record).get("decided_at"))


def _instant(text: object) -> float:
    try:
        return dt.datetime.fromisoformat(str(text)).timestamp()
    except ValueError:
        return 0.0


def _offset(record: Record, related: Related) -> dt.tzinfo | None:
    """The customer's offset from UTC when it was decided, as the rules' clock shows it."""
    decision = _decision_of(record, related) or {}
    clocks = (rule.get("clock") for rule in decision.get("rules") or ())
    return next((dt.datetime.fromisoformat(clock).tzinfo for clock in clocks if clock), None)


def _decided(record: Record, related: Related) -> list[str]:
    decision = _decision_of(record, related)
    lines = _rules(decision) if decision is not None else []
    return [*lines, f"{INDENT}Policy {decision.get('policy_version')}."] if lines and decision is not None else []


def _rules(decision: Record) -> list[str]:
    rules = decision.get("rules") or ()
    if not rules:
        return []
    lines = ["", f"Rules that were asked ({_time(rules[0].get('clock') or decision.get('decided_at'))})"]
    for rule in rules:
        lines.append(f"{INDENT}{VERDICTS.get(rule.get('verdict', ''), '?'):7} {rule_words(rule)}")
        if rule.get("verdict") != "allow":
            lines.append(
                f"{INDENT}        {rule.get('rule_id')} version {rule.get('version')}; "
                f"{rule.get('source', '')}"
            )
    return lines


def _history(record: Record, written: Iterable[Record], id_name: str, time_name: str) -> list[str]:
    steps = [each for each in written if each.get(id_name) == record.get(id_name)]
    if len(steps) < 2:
        return []
    lines = ["", "What became of it"]
    for each in steps:
        because = each.get("withdrawn_because")
        tail = f": {BECAUSE.get(because, _words(because))}" if because else ""
        if each.get("priority") == "urgent" and each is not steps[0] and not because:
            tail = " again, urgently"
        lines.append(f"{INDENT}- {_time(each.get(time_name))} {each.get('status')}{tail}")
    return lines


def _followed(record: Record, related: Related) -> list[str]:
    id_ = record.get("signal_id")
    lines = []
    for topic, id_name, name in (
        ("nudges", "nudge_id", "treatment"),
        ("escalations", "escalation_id", "queue"),
    ):
        for each in related.get(topic, ()):
            if id_ in (each.get("signal_ids") or ()):
                what = (
                    TREATMENTS.get(each.get(name, ""))
                    or QUEUES.get(each.get(name, ""))
                    or _words(each.get(name))
                )
                lines.append(
                    f"{INDENT}- {_time(each.get('decided_at'))} {topic[:-1]} {each.get(id_name)} "
                    f"{each.get('status')}: {what}"
                )
    return ["", "What followed", *lines] if lines else []


def rule_words(rule: Record) -> str:
    """What a rule says, with what it had counted."""
    says = _sayings().get(rule.get("rule_id", ""), _words(rule.get("rule_id")))
    counted = _counted(rule.get("rule_id", ""), dict(rule.get("counters") or {}))
    return f"{says} ({counted})" if counted else says


def _counted(rule_id: str, counters: dict[str, Any]) -> str:
    if not counters:
        return ""
    for counted in ("nudges", "contacts", "calls"):
        if {counted, "limit", "days"} <= counters.keys():
            return f"{counters[counted]} so far in {counters['days']} days, {counters['limit']} at most"
    if "closed" in counters:
        return ""
    if "local_minute" in counters:
        minute = counters["local_minute"]
        return f"it was {minute // 60:02}:{minute % 60:02} on the customer's clock"
    if rule_id in ("everywhere.consent", "everywhere.channel_open"):
        return ", ".join(f"{_words(name)}: {'yes' if value else 'no'}" for name, value in counters.items())
    if rule_id in SILENT_AT_ZERO and not any(counters.values()):
        return ""
    if rule_id == "everywhere.cool_down":
        return f"given {counters.get('given')} times before, {counters.get('days')} days between"
    if rule_id == "ladder.rung":
        return f"rung {counters.get('rung')}, where {counters.get('called_for')} is called for"
    return ", ".join(f"{COUNTED.get(name) or _words(name)}: {value}" for name, value in counters.items())


AFFORDABLE: Final = "plans.affordable"


def _affordable(rule: Record, currency: str) -> str:
    """The figures behind an offer, as money."""
    figures = ", ".join(f"{_words(name)} {to_text(value, currency)}" for name, value in (rule.get("counters") or {}).items())
    return f"Each offer is within what is left of a month, in {currency}: {figures}."


SILENT_AT_ZERO: Final = frozenset({"everywhere.not_stopped", "everywhere.no_open_case", "everywhere.not_snoozed"})
"""Rules whose counters say no more than the rule itself while they are nothing."""

COUNTED: Final = {
    "open": "open now",
    "snoozes": "in force",
    "called_for": "called for",
    "needed_days": "days needed",
    "grace_working_days": "working days of grace",
    "signals": "signals that stand",
    "of": "of",
    "people": "people this hour",
    "given": "given before",
    "needed": "from so many on",
    "conversations": "conversations that bind",
}


@cache
def _policy() -> Policy:
    return load(default_text())


@cache
def _sayings() -> dict[str, str]:
    return {rule.id: rule.says for rule in _policy().rules}


def _words(code: object) -> str:
    return str(code or "").replace("_", " ")


def _time(text: object, local: dt.tzinfo | None = None) -> str:
    """A time for a person: to the minute, with its offset; in `local` where it is given."""
    if not text:
        return "an unknown time"
    try:
        moment = dt.datetime.fromisoformat(str(text))
    except ValueError:
        return str(text)
    if local is not None and moment.tzinfo is not None:
        moment = moment.astimezone(local)
    shown = f"{date_words(moment.date())}, {moment:%H:%M}"
    if moment.utcoffset() == dt.timedelta():
        return f"{shown} UTC"
    return f"{shown} UTC{moment.strftime('%z')[:3]}:{moment.strftime('%z')[3:5]}" if moment.tzinfo else shown
