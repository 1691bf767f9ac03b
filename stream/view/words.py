"""A picture as text for the service desk: read on the phone, by somebody who has a person in trouble on the line.

What forbids comes first, then who looks after the customer, then what is known and why. Pure: the caller says what time it is.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any, Final
from zoneinfo import ZoneInfo

from stream.contracts.vocabulary import Channel, HoldKind, Outcome
from stream.treatment.explain import ACTIONS, QUEUES, TREATMENTS
from stream.treatment.local_time import zone
from stream.treatment.words import date_words

Shown = Mapping[str, Any]

STALE: Final = dt.timedelta(minutes=1)
"""From when on the text says that the picture may be out of date."""

STEPS: Final = (
    "nothing is done", "watched, nobody writes to them", "supportive messages", "offers of help", "a person gets in touch",
    "a specialist team",
)  # fmt: skip
HOLDS: Final[dict[HoldKind, str]] = {
    "dispute": "They dispute what they are said to owe",
    "hardship_plan": "They are on a plan for people in hardship",
    "breathing_space": "They are in breathing space, a legal pause from creditors",
    "mental_health_crisis": "They are in treatment for a mental health crisis, with a legal pause from creditors",
    "mental_capacity": "They may not be able to decide about this for now",
    "bereavement": "There has been a death",
    "insolvency": "They are insolvent, or are about to be",
    "cease": "They asked not to be contacted",
    "opt_out": "They opted out of messages",
    "complaint": "They have made a complaint",
    "represented": "Somebody else speaks for them: deal with their representative",
    "debt_advice": "They are getting debt advice",
    "vulnerable_review": "Trained staff are looking at what they need",
    "fraud": "They may be the victim of fraud",
}
DETECTORS: Final = {
    "bounce_pressure": "Payments came back unpaid",
    "missed_bills": "Bills went unpaid",
    "expected_payment_absent": "A regular payment was not made",
    "income_drop": "Income is missing, late or smaller",
    "lateness_drift": "Payments come later and later",
    "part_payment": "Less was paid than was due",
    "buffer_erosion": "The money kept back is going",
    "distress_spending": "More short-term borrowing than before",
    "arrears_clock": "A payment to us is overdue",
    "recovery": "Things are getting better",
    "stress_score": "Several signs together",
}
CHANNELS: Final[dict[Channel, str]] = {
    "sms": "text message", "email": "e-mail", "push": "app message", "voice": "phone", "letter": "letter", "chat": "chat",
}  # fmt: skip
OUTCOMES: Final[dict[Outcome, str]] = {
    "attempted": "tried", "not_connected": "did not get through", "delivered": "delivered", "failed": "not delivered",
    "opened": "opened", "clicked": "followed the link", "no_answer": "no answer", "conversation": "we spoke",
    "promise": "they promised a payment", "refused": "they did not want to talk", "wrong_party": "it reached somebody else",
    "opted_out": "they opted out", "complaint": "they complained", "dispute": "they dispute the debt",
    "hardship": "they said they cannot pay", "represented": "they said somebody else speaks for them",
    "plan_proposed": "they proposed a plan", "plan_accepted": "they accepted a plan", "plan_declined": "they declined a plan",
}  # fmt: skip


def tell(shown: Shown, now: dt.datetime, fresh_at: dt.datetime | None) -> str:
    """The text. `shown` is a picture as JSON has it, `fresh_at` when it was last known to hold everything."""
    tz = zone(shown.get("time_zone", "")) or ZoneInfo("UTC")
    teller = _Teller(shown, now, tz)
    lines = [f"Customer {shown['customer_id']}, {teller.time(now)}"]
    lines.append(f"Times are the customer's own ({tz.key})." if shown.get("time_zone") else "Times are UTC.")
    if fresh_at is None or now - fresh_at > STALE:
        since = "" if fresh_at is None else f" It was complete at {teller.time(fresh_at)}."
        lines += ["", f"TAKE CARE: this picture may be out of date; a hold may be missing.{since}"]
    if not shown["known"]:
        lines += ["", "TAKE CARE: their customer record has not come, so what they agreed to is not known."]
    for heading, part in (
        ("Before you say anything", teller.before()),
        ("Who is looking after them", teller.people()),
        ("What is known", teller.signs()),
        ("What they were offered and have not answered", teller.offers()),
        ("Messages from us", teller.messages()),
        ("Last contacts", teller.contacts()),
    ):
        if part:
            lines += ["", heading, *part]
    return "\n".join(lines) + "\n"


class _Teller:
    """The parts of one text."""

    def __init__(self, shown: Shown, now: dt.datetime, tz: ZoneInfo) -> None:
        self._shown = shown
        self._now = now
        self._tz = tz

    def time(self, at: dt.datetime | str) -> str:
        moment = (dt.datetime.fromisoformat(at) if isinstance(at, str) else at).astimezone(self._tz)
        return f"{date_words(moment.date())}, {moment:%H:%M}"

    def day(self, at: str) -> str:
        return date_words(dt.datetime.fromisoformat(at).astimezone(self._tz).date())

    def _past(self, at: str | None) -> bool:
        return at is not None and dt.datetime.fromisoformat(at) <= self._now

    def before(self) -> list[str]:
        lines = []
        for hold in self._shown["holds"]:
            if self._past(hold.get("until")) or not self._past(hold["placed_at"]):
                continue
            about = f", on account {hold['account_id']}" if "account_id" in hold else ""
            about += f", for {CHANNELS[hold['channel']]}" if "channel" in hold else ""
            ends = f"until {self.time(hold['until'])}" if "until" in hold else "until it is lifted"
            lines.append(f"  ! {HOLDS[hold['kind']]}{about}: since {self.day(hold['placed_at'])}, {ends}.")
            if hold["provisional"]:
                lines.append("    This is not confirmed yet.")
        lines = lines or ["  No hold of theirs is known. One of another holder of a shared account does not show here."]
        shut = [name for name, each in self._shown["channels"].items() if not each["open"]]
        for name in shut:
            closed_at = self._shown["channels"][name].get("closed_at")
            why = f"closed since {self.day(closed_at)}" if closed_at else "they have not agreed to it"
            lines.append(f"  ! No {CHANNELS[name]}: {why}.")
        return lines

    def people(self) -> list[str]:
        lines = [
            f"  - {_capital(QUEUES[case['queue']])} has a case open, since {self.day(case['opened_at'])} ({case['case_id']})."
            for case in self._shown["cases"]
        ]
        for each in self._shown["escalations"]:
            urgent = ", urgently" if each["priority"] == "urgent" else ""
            if each["status"] == "taken":
                lines.append(f"  - {_capital(QUEUES[each['queue']])} is on it. {_first(each['reasons'])}")
            else:
                late = "should have looked" if self._past(each["due_by"]) else "is asked to look"
                by = f"{_capital(QUEUES[each['queue']])} {late} by {self.time(each['due_by'])}{urgent}"
                lines.append(f"  - {by}. {_first(each['reasons'])}")
            if each["suggested_actions"]:
                lines.append(f"    What may help: {', '.join(ACTIONS[action] for action in each['suggested_actions'])}.")
            lines.append(f"    ews explain {each['escalation_id']}")
        return lines

    def signs(self) -> list[str]:
        lines = []
        signals = [each for each in self._shown["signals"] if not self._past(each.get("expires_at"))]
        # What only adds the others up says nothing to a person, unless it stands alone.
        signals = [each for each in signals if each["detector"] != "stress_score"] or signals
        step = self._shown.get("ladder")
        if step:
            stood = f"step {step['rung']} of 5, {STEPS[step['rung']]}"
            lines.append(f"  When this was last decided, on {self.day(step['as_of'])}: {stood}.")
        if not signals:
            return [*lines, "  No sign of trouble is open."]
        confirmed = {hold["kind"] for hold in self._shown["holds"] if not hold["provisional"]}
        lines.append("  For you, not to be read out: an account may be shared. Ask how things are; let them tell you.")
        for signal in signals:
            grave = "" if signal["severity"] == "info" else f" ({signal['severity']})"
            title = DETECTORS.get(signal["detector"], signal["detector"].replace("_", " "))
            if (signal["detector"], signal["severity"]) == ("bounce_pressure", "info"):
                title = "A payment came back for a reason that a person should look at"
            lines.append(f"  - {title}{grave}, account {signal['account_id']}, since {self.day(signal['since'])}.")
            lines.append(f"    {_first(signal['reasons'])}")
            if "would_clear" in signal:
                lines.append(f"    {signal['would_clear']}")
            if signal.get("proposes_hold", "") not in {"", *confirmed}:
                lines.append(f"    Please confirm or rule out: {HOLDS[signal['proposes_hold']].lower()}.")
            lines.append(f"    ews explain {signal['signal_id']}")
        return lines

    def offers(self) -> list[str]:
        lines = []
        for offer in self._shown["offers"]:
            parts = offer["instalments"]
            if not parts or dt.date.fromisoformat(parts[0]["due_date"]) < self._now.astimezone(self._tz).date():
                continue  # its first date is over: it can no longer be taken as it stands
            amounts = list(dict.fromkeys(each["amount"] for each in parts))
            much = f"{offer['currency']} {amounts[0]}" + (f", later {amounts[-1]}" if len(amounts) > 1 else "")
            first = date_words(dt.date.fromisoformat(parts[0]["due_date"]))
            count = "1 payment" if len(parts) == 1 else f"{len(parts)} payments"
            lines.append(f"  - {count} of {much}, from {first}, offered on {self.day(offer['offered_at'])}.")
            lines.append(f"    {offer['basis']}")
        return lines

    def messages(self) -> list[str]:
        lines = []
        for each in self._shown["messages"]:
            what = f"{_capital(TREATMENTS[each['treatment']])} by {CHANNELS[each['channel']]}"
            if self._past(each["not_after"]):
                lines.append(f"  - {what}, meant for {self.day(each['not_before'])}.")
                continue
            lines.append(f"  - {what}, between {self.time(each['not_before'])} and {self.time(each['not_after'])}.")
            if "text" in each:
                lines.append(f"    “{each['text']}”")
        after = self._shown.get("next_contact")
        if after:
            what = TREATMENTS[after["treatment"]]
            when = "any time now" if self._past(after["at"]) else f"from {self.time(after['at'])} at the earliest"
            lines.append(f"  - Next: {what}; it may leave {when}, if nothing comes between.")
            lines += [f"    Not so for now: {reason}" for reason in after["because"]]
        return lines

    def contacts(self) -> list[str]:
        lines = []
        for each in self._shown["contacts"]:
            who = "They contacted us" if each["direction"] == "inbound" else "We contacted them"
            lines.append(f"  - {self.time(each['at'])}: {who} by {CHANNELS[each['channel']]}: {OUTCOMES[each['outcome']]}.")
            if "promise" in each:
                told = each["promise"]
                due = date_words(dt.date.fromisoformat(told["due_date"]))
                what = f"{told['currency']} {told['amount']} to account {told['account_id']} by {due}"
                lines.append(f"    {what}. Whether it came, this does not show.")
        return lines


def _first(reasons: Sequence[Shown]) -> str:
    """The reason that counts; the figures behind it are for `ews explain`."""
    return reasons[0]["text"] if reasons else "No reason was given."


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
