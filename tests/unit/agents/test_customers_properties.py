"""Laws of the customers stage over random timelines.

A slow checker that shares nothing with the gate looks at every nudge, five minutes by five; and how the
sequence was cut into chunks, drains and restarts must not show.
"""

from __future__ import annotations

import datetime as dt
import json
from collections import Counter
from itertools import pairwise
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from stream.engine.step import Output
from tests.unit.agents.customers_bank import Bank, Written, days, feed, moment, new_step

CUSTOMERS = ("C1", "C2", "C3")
ZONES = ("Europe/London", "America/New_York", "Pacific/Apia", "Pacific/Pago_Pago", "Australia/Lord_Howe")
ORIGINS = (
    dt.datetime(2026, 3, 27, 6, tzinfo=dt.UTC),
    dt.datetime(2026, 10, 23, 6, tzinfo=dt.UTC),
    dt.datetime(2011, 12, 26, 6, tzinfo=dt.UTC),
)
QUIETS = (
    [],
    [{"from": "18:30", "to": "09:15"}],
    [{"from": "12:00", "to": "13:00", "days": ["mon", "sat", "sun"]}],
    [{"from": "01:30", "to": "10:00"}, {"from": "17:00", "to": "17:00", "days": ["wed"]}],
)
KINDS = ("breathing_space", "dispute", "opt_out", "complaint", "fraud", "bereavement")

WHATS = (
    "customer", "signal", "signal", "signal", "withdraw", "hold", "lift", "outcome", "case", "close",
    "operator", "facts", "pause", "tick", "tick", "tick", "tick",
)  # fmt: skip


def draw(seed: int) -> tuple[dt.datetime, list[Any]]:
    """A timeline of some weeks, spread evenly:

    hypothesis itself likes short ones in which nothing comes to pass.
    """
    chance = Random(seed)
    steps = [
        (
            chance.choice(WHATS),
            chance.choice(CUSTOMERS),
            dt.timedelta(minutes=20 * chance.randrange(72)),
            chance.randrange(4),
            chance.randrange(12),
        )
        for _ in range(chance.randrange(60))
    ]
    return chance.choice(ORIGINS), steps


timeline = st.integers(min_value=0, max_value=2**32).map(draw)


def tell(origin: dt.datetime, steps: list[Any]) -> Bank:
    """A timeline as records: who is told what, when, and late or not."""
    bank = Bank()
    at = origin
    for number, customer in enumerate(CUSTOMERS[:2]):
        bank.customer(at, customer, time_zone=ZONES[number], channels={"sms": {"consent": True}})
    for what, customer, later, which, other in steps:
        at += later
        back = at - days(other / 2)
        match what:
            case "customer":
                consents = {
                    name: {"consent": bool((other or 7) & bit)}
                    for name, bit in (("sms", 1), ("email", 2), ("push", 4))
                }
                bank.customer(
                    at, customer, time_zone=ZONES[other % 5], quiet=QUIETS[which], channels=consents
                )
            case "signal":
                severity = ("medium", "high", "high", "low")[which]
                detector = ("bounce_pressure", "missed_bills")[other % 2]
                bank.signal(
                    at,
                    f"S{other}-{customer}",
                    severity,
                    customer=customer,
                    account=f"A-{other % 2}",
                    detector=detector,
                )
            case "withdraw":
                bank.signal(at, f"S{other}-{customer}", status="withdrawn", customer=customer)
            case "hold":
                ends = at + days(which) if which else None
                account = f"A-{other % 2}" if other % 3 == 0 else None
                channel = "sms" if other % 4 == 1 else None
                bank.hold(
                    at,
                    KINDS[other % 6],
                    f"H{which}",
                    back,
                    ends,
                    customer=customer,
                    account_id=account,
                    channel=channel,
                )
            case "lift":
                bank.hold(at, KINDS[other % 6], f"H{which}", back, lifted=at, customer=customer)
            case "outcome":
                outcome = ("opted_out", "delivered", "conversation", "complaint")[
                    which if other % 3 == 0 else 1
                ]
                bank.outcome(at, outcome, customer)
            case "case":
                bank.case(at, "opened", f"K{which}", customer)
            case "close":
                bank.case(at, "closed", f"K{which}", customer)
            case "operator":
                actions = ("stop_nudges", "resume_nudges", "snooze", "unsnooze")
                action = actions[which if other < 4 else which | 1]
                bank.operator(at, action, None if other % 2 else customer)
            case "facts":
                bank.facts(at, f"A-{other % 2}", customer, product=("loan", "current_account")[which % 2])
            case "pause":
                pause = {
                    "order_id": f"O{which}",
                    "customer_id": "C9",
                    "hold_kind": "dispute",
                    "from": back.isoformat(),
                }
                ends = {"until": (at + days(which)).isoformat()} if which else {}
                bank.facts(
                    at, f"A-{other % 2}", customer, change="pause", pauses=[pause | ends] if other % 3 else []
                )
            case "tick":
                bank.tick(at)
    bank.ticks(at, at + days(6), dt.timedelta(hours=5))
    return bank


# --- a checker of its own, from the records as they were told


def forbidden(records: list[Written], customer: str, nudge: dict[str, Any], since: dt.datetime) -> str:
    """Why some instant of a nudge's window was forbidden by what had been told; empty if none was.

    Holds, cases and pauses are looked at over the whole window; what is now said of the customer from `since`
    on.
    """
    told: dict[str, list[dict[str, Any]]] = {}
    for topic, record in records:
        value = json.loads(record.value or b"{}")
        if value.get("customer_id") == customer or (
            topic == "operator-actions" and "customer_id" not in value
        ):
            told.setdefault(topic, []).append(value)
    if not told.get("customers"):
        return "unknown"
    profile = told["customers"][-1]
    tz = ZoneInfo(profile["time_zone"])
    spans = [("case", *each) for each in cases(told)]
    spans += [("hold", *each) for each in hold_spans(told, nudge)]
    spans += [("pause", *each) for each in pauses(told, nudge)]
    start, end = moment(nudge["not_before"]), moment(nudge["not_after"])
    at = start
    while at < end:
        for name, opens, closes in spans:
            if opens <= at and (closes is None or at < closes):
                return name
        if at >= since:
            if nudge["channel"] in ("sms", "push") and not 8 <= at.astimezone(tz).hour < 20:
                return "hours"
            if any(is_quiet(at.astimezone(tz), each) for each in profile.get("quiet", ())):
                return "quiet"
        at += dt.timedelta(minutes=5)
    if since >= end:
        return ""
    if not profile["channels"].get(nudge["channel"], {}).get("consent"):
        return "consent"
    if any(
        each["outcome"] == "opted_out" and each["channel"] == nudge["channel"]
        for each in told.get("contact-outcomes", ())
    ):
        return "opted out"
    return operator(told)


def cases(told: dict[str, list[dict[str, Any]]]) -> list[tuple[dt.datetime, dt.datetime | None]]:
    spans: dict[str, tuple[dt.datetime, dt.datetime | None]] = {}
    for each in told.get("cases", ()):
        at = moment(each["occurred_at"])
        opened = spans[each["case_id"]][0] if each["case_id"] in spans else at
        spans[each["case_id"]] = (opened, at if each["status"] == "closed" else None)
    return list(spans.values())


def hold_spans(
    told: dict[str, list[dict[str, Any]]], nudge: dict[str, Any]
) -> list[tuple[dt.datetime, dt.datetime | None]]:
    spans = []
    for each in {each["hold_id"]: each for each in told.get("holds", ())}.values():
        if each.get("account_id", nudge["account_ids"][0] if nudge["account_ids"] else "-") not in (
            nudge["account_ids"] or ["-"]
        ):
            continue
        if each.get("channel", nudge["channel"]) != nudge["channel"]:
            continue
        ends = [moment(each[name]) for name in ("ends_at", "lifted_at") if name in each]
        spans.append((moment(each["placed_at"]), min(ends) if ends else None))
    for each in told.get("contact-outcomes", ()):
        if each["outcome"] == "complaint":
            at = moment(each["occurred_at"])
            spans.append((at, at + days(30)))
    return spans


def pauses(
    told: dict[str, list[dict[str, Any]]], nudge: dict[str, Any]
) -> list[tuple[dt.datetime, dt.datetime | None]]:
    spans = []
    for facts in {each["account_id"]: each for each in told.get("account-facts", ())}.values():
        if facts["account_id"] in nudge["account_ids"]:
            spans += [
                (moment(each["from"]), moment(each["until"]) if "until" in each else None)
                for each in facts.get("pauses", ())
            ]
    return spans


def is_quiet(local: dt.datetime, quiet: dict[str, Any]) -> bool:
    now = local.strftime("%H:%M")
    start, end = quiet["from"], quiet["to"]
    names = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
    wanted = quiet.get("days", names)
    today, yesterday = names[local.weekday()] in wanted, names[local.weekday() - 1] in wanted
    if start < end:
        return today and start <= now < end
    return (today and now >= start) or (yesterday and now < end)


def operator(told: dict[str, list[dict[str, Any]]]) -> str:
    stopped = {True: False, False: False}
    snoozed = {True: False, False: False}
    for each in told.get("operator-actions", ()):
        own = "customer_id" in each
        if each["action"].endswith("nudges"):
            stopped[own] = each["action"] == "stop_nudges"
        else:
            snoozed[own] = each["action"] == "snooze"
    return "stopped" if any(stopped.values()) else "snoozed" if any(snoozed.values()) else ""


def check_caps(nudges: list[dict[str, Any]], zone_at: dict[str, str]) -> None:
    """At most two in any seven days and four in any thirty, by local day, of those that stand at the end."""
    by_customer: dict[str, list[dt.date]] = {}
    for nudge in nudges:
        local = moment(nudge["not_before"]).astimezone(ZoneInfo(zone_at[nudge["nudge_id"]])).date()
        by_customer.setdefault(nudge["customer_id"], []).append(local)
    for found in by_customer.values():
        for day in found:
            assert sum(0 <= (day - each).days < 7 for each in found) <= 2
            assert sum(0 <= (day - each).days < 30 for each in found) <= 4


@settings(max_examples=120)
@given(timeline)
def test_no_nudge_that_stands_has_a_forbidden_instant_and_every_withdrawal_was_called_for(line: Any) -> None:
    bank = tell(*line)
    fresh = new_step()
    standing: dict[str, dict[str, Any]] = {}
    ended: Counter[str] = Counter()
    zone_at: dict[str, str] = {}
    moved = False
    for index, (topic, record) in enumerate(bank.written):
        assert fresh.apply(topic, [record]) == []
        said = [json.loads(each.value) for each in fresh.drain().outputs if each.topic == "nudges"]
        for nudge in said:
            nudge_id = nudge["nudge_id"]
            if nudge["status"] == "issued":
                assert nudge_id not in standing
                assert not ended[nudge_id]
                standing[nudge_id] = nudge
                profiles = [
                    json.loads(each.value or b"")
                    for name, each in bank.written[: index + 1]
                    if name == "customers"
                ]
                mine = [each["time_zone"] for each in profiles if each["customer_id"] == nudge["customer_id"]]
                zone_at[nudge_id] = mine[-1]
                moved = moved or len(set(mine)) > 1
            else:
                assert standing.pop(nudge_id)
                ended[nudge_id] += 1
        clock = dt.datetime.fromtimestamp(fresh.clock / 1000, dt.UTC)
        if topic == "ticks" and not said:
            continue
        concerned = json.loads(record.value or b"{}").get("customer_id")
        for nudge in standing.values():
            if concerned not in (None, nudge["customer_id"]) and nudge not in said:
                continue
            why = forbidden(bank.written[: index + 1], nudge["customer_id"], nudge, clock)
            assert not why, (why, nudge)
    if not moved:
        check_caps(list(standing.values()), zone_at)


def outputs_of(
    records: list[Written], cuts: list[int], drains: set[int], restarts: set[int]
) -> tuple[list[Output], Any]:
    """Runs records cut at `cuts`, drained after some, and restored into a new step after some of those."""
    now = new_step()
    rows: list[tuple[bytes, bytes | None]] = []
    outputs: list[Output] = []
    edges = sorted({0, len(records), *(cut for cut in cuts if cut < len(records))})
    for number, (start, end) in enumerate(pairwise(edges)):
        feed(now, records[start:end])
        if number in drains or number in restarts:
            drained = now.drain()
            rows += drained.rows
            outputs += drained.outputs
        if number in restarts:
            now = new_step()
            now.restore(rows[: len(rows) // 2])
            now.restore(rows[len(rows) // 2 :])
    due = now.next_due()
    drained = now.drain()
    rows += drained.rows
    state = {key: value for key, value in dict(rows).items() if value is not None}
    return outputs + drained.outputs, (state, due, now.clock)


@settings(max_examples=120)
@given(timeline, st.lists(st.integers(1, 60)), st.sets(st.integers(0, 20)), st.sets(st.integers(0, 20)))
def test_cuts_drains_and_restarts_do_not_show(
    line: Any, cuts: list[int], drains: set[int], restarts: set[int]
) -> None:
    records = tell(*line).written
    records.insert(len(records) // 2, ("customers", _tombstone(records)))
    assert outputs_of(records, cuts, drains, restarts) == outputs_of(records, [], set(), set())


def _tombstone(records: list[Written]) -> Any:
    erased = Bank()
    erased.forget(moment("2026-01-01T00:00:00+00:00"), "C2")
    return erased.written[0][1]


@settings(max_examples=60)
@given(timeline)
def test_a_record_that_says_nothing_new_changes_nothing(line: Any) -> None:
    # Profiles and facts have no event id: the last one counts.
    records = [each for each in tell(*line).written if each[0] not in ("customers", "account-facts")]
    twice = [each for each in records for _ in range(2)]
    assert outputs_of(records, [], set(), set()) == outputs_of(twice, [], set(), set())
