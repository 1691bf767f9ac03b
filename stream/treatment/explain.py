"""A signal, nudge, escalation or decision as text that a conduct officer or a call-centre agent can read out.

Pure functions of decoded records. What is missing from a record is left out; an unknown rule or word is shown
as it stands.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any, Final

from stream.treatment.policy import default_text, load

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
    "recognition": "a thank-you for an improvement",
}
QUEUES: Final = {
    "arrears_care": "the arrears care team",
    "vulnerability": "the vulnerability team",
    "bereavement": "the bereavement team",
    "insolvency": "the insolvency team",
    "disputes": "the disputes team",
    "fraud": "the fraud team",
    "collections_review": "the review of collections",
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
        f"seen by {record.get('detector')} (version {record.get('detector_version')}) "
        f"at {_time(record.get('occurred_at'))}."
    )
    if record.get("status") == "withdrawn":
        lines.append("It has been taken back.")
    lines += _why(record)
    if record.get("would_clear"):
        lines += ["", "What would clear it", f"{INDENT}{record['would_clear']}"]
    if record.get("proposes_hold"):
        lines += ["", f"It proposes a hold for {_words(record['proposes_hold'])}; a person decides."]
    lines += _history(record, related.get("signals", ()), "signal_id", "occurred_at")
    lines += _followed(record, related)
    return lines


def _nudge(record: Record, related: Related) -> list[str]:
    what = TREATMENTS.get(record.get("treatment", ""), _words(record.get("treatment")))
    lines = [f"Nudge {record.get('nudge_id')}"]
    lines.append(f"To customer {record.get('customer_id')} by {record.get('channel')}: {what}.")
    lines.append(
        f"It may be sent from {_time(record.get('not_before'))} until {_time(record.get('not_after'))}."
    )
    lines += _withdrawn(record)
    text = record.get("params", {}).get("text")
    if text:
        lines += ["", "What it says", f"{INDENT}{text}"]
    lines += _why(record)
    lines += _signals_behind(record, related)
    lines += _decided(record, related)
    lines += _history(record, related.get("nudges", ()), "nudge_id", "decided_at")
    return lines


def _escalation(record: Record, related: Related) -> list[str]:
    team = QUEUES.get(record.get("queue", ""), _words(record.get("queue")))
    lines = [f"Escalation {record.get('escalation_id')}"]
    lines.append(f"A person from {team} is asked to look after customer {record.get('customer_id')}.")
    lines.append(
        f"Priority {record.get('priority')}, by {_time(record.get('due_by'))}, rung {record.get('rung')}."
    )
    lines += _withdrawn(record)
    lines += _why(record)
    actions = record.get("suggested_actions") or ()
    if actions:
        lines += ["", "What may help; the person decides"]
        lines += [f"{INDENT}- {_words(action)}" for action in actions]
    lines += _signals_behind(record, related)
    lines += _history(record, related.get("escalations", ()), "escalation_id", "decided_at")
    return lines


def _decision(record: Record, related: Related) -> list[str]:
    name = record.get("treatment", "")
    what = TREATMENTS.get(name) or (f"asking {QUEUES[name]}" if name in QUEUES else _words(name))
    result = RESULTS.get(record.get("result", ""), _words(record.get("result")))
    trigger = TRIGGERS.get(record.get("trigger", ""), _words(record.get("trigger")))
    lines = [f"Decision {record.get('decision_id')}"]
    lines.append(f"For customer {record.get('customer_id')}, {what}: {result}.")
    lines.append(
        f"Decided at {_time(record.get('decided_at'))}, because {trigger}; "
        f"policy {record.get('policy_version')}."
    )
    if record.get("next_allowed_at"):
        lines.append(f"By what is known, it may go out at {_time(record['next_allowed_at'])}.")
    lines += _rules(record)
    for topic, id_name, word in (
        ("nudges", "nudge_id", "nudge"),
        ("escalations", "escalation_id", "escalation"),
    ):
        ids = dict.fromkeys(
            each.get(id_name)
            for each in related.get(topic, ())
            if each.get("decision_id") == record.get("decision_id")
        )
        lines += [f"See {word} {id_}." for id_ in ids]
    return lines


# --- parts


def _why(record: Record) -> list[str]:
    reasons = record.get("reasons") or ()
    if not reasons:
        return []
    lines = ["", "Why"]
    for reason in reasons:
        lines.append(f"{INDENT}- {reason.get('text') or _words(reason.get('code'))}{_figure(reason)}")
        window = _window(reason)
        if window:
            lines.append(f"{INDENT}  {window}")
        events = reason.get("event_ids") or ()
        if events:
            lines.append(f"{INDENT}  Events: {', '.join(map(str, events))}")
    return lines


def _figure(reason: Record) -> str:
    if reason.get("value") is None or reason.get("threshold") is None:
        return ""
    return f" ({reason['value']}, where {reason['threshold']} is the mark)"


def _window(reason: Record) -> str:
    start, end = reason.get("window_from"), reason.get("window_to")
    if start and end:
        return f"From {_time(start)} to {_time(end)}"
    return f"Since {_time(start)}" if start else f"Until {_time(end)}" if end else ""


def _withdrawn(record: Record) -> list[str]:
    if record.get("status") != "withdrawn":
        return []
    because = record.get("withdrawn_because", "")
    return [
        f"It was taken back at {_time(record.get('decided_at'))}: {BECAUSE.get(because, _words(because))}."
    ]


def _signals_behind(record: Record, related: Related) -> list[str]:
    latest = {each.get("signal_id"): each for each in related.get("signals", ())}
    ids = record.get("signal_ids") or ()
    if not ids:
        return []
    lines = ["", "Signals behind it"]
    for id_ in ids:
        signal = latest.get(id_)
        if signal is None:
            lines.append(f"{INDENT}- {id_}")
            continue
        state = "taken back" if signal.get("status") == "withdrawn" else "stands"
        lines.append(
            f"{INDENT}- {id_}: {signal.get('detector')}, {signal.get('severity')}, "
            f"account {signal.get('account_id')}; {state}"
        )
    return lines


def _decided(record: Record, related: Related) -> list[str]:
    for decision in related.get("decisions", ()):
        if decision.get("decision_id") == record.get("decision_id"):
            lines = _rules(decision)
            return [*lines, f"{INDENT}Policy {decision.get('policy_version')}."] if lines else []
    return []


def _rules(decision: Record) -> list[str]:
    rules = decision.get("rules") or ()
    if not rules:
        return []
    lines = ["", f"Rules that were asked ({_time(rules[0].get('clock') or decision.get('decided_at'))})"]
    for rule in rules:
        says = _sayings().get(rule.get("rule_id", ""), _words(rule.get("rule_id")))
        counters = ", ".join(
            f"{_words(name)} {value}" for name, value in (rule.get("counters") or {}).items()
        )
        detail = f" ({counters})" if counters else ""
        lines.append(f"{INDENT}{VERDICTS.get(rule.get('verdict', ''), '?'):7} {says}{detail}")
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


@cache
def _sayings() -> dict[str, str]:
    return {rule.id: rule.says for rule in load(default_text()).rules}


def _words(code: object) -> str:
    return str(code or "").replace("_", " ")


def _time(text: object) -> str:
    """A time for a person: to the minute, with its offset."""
    if not text:
        return "an unknown time"
    try:
        moment = dt.datetime.fromisoformat(str(text))
    except ValueError:
        return str(text)
    shown = moment.strftime("%Y-%m-%d %H:%M")
    if moment.utcoffset() == dt.timedelta():
        return f"{shown} UTC"
    return f"{shown} {moment.strftime('%z')[:3]}:{moment.strftime('%z')[3:5]}" if moment.tzinfo else shown
