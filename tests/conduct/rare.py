"""Timelines with what is rare in them: another policy in the middle, contact wanted only from a day on, erasures, lists that are
full, records that come twice, days past due that have not begun, and another holder's pause.
"""

from __future__ import annotations

import datetime as dt
import json
from functools import cache
from random import Random
from typing import Any, NamedTuple

from stream.agents.beside import BesideStep
from stream.agents.customers import CustomersStep
from stream.tables.customer import MAX_SIGNALS
from stream.treatment.policy import Policy, default_text, load
from tests.conduct import timelines
from tests.conduct.run import ALONE, Record, resolve

Rows = dict[bytes, bytes]


class Run(NamedTuple):
    """What was said after which record, by customer, and the rows that were left."""

    said: list[tuple[int, bytes, str, bytes]]
    rows: Rows


@cache
def policies() -> tuple[Policy, Policy, Policy]:
    """The one in force, with a control group; the one that takes its place; and one to be tried out."""
    policy = load(default_text())

    def other(version: str, **update: Any) -> Policy:
        return Policy.model_validate_json(policy.model_copy(update={"version": version, **update}).model_dump_json())

    later = tuple(each.model_copy(update={"opens": "11:00"}) for each in policy.hours)
    return (
        other("first", safety=policy.safety.model_copy(update={"control_share": 0.1})),
        other("then", hours=later, settle_minutes=0),
        other("tried", ladder=policy.ladder.model_copy(update={"clear_days": 3})),
    )


def records(seed: int) -> list[tuple[str, Record]]:
    """A timeline, with more of what is rare."""
    random = Random(seed)
    found: list[tuple[str, Record]] = []
    for number, each in enumerate(timelines.draw(seed)):
        value, key = resolve(each.value, {}), None if each.key is None else each.key.encode()
        if each.topic == "account-facts" and random.random() < 0.3:
            if "arrears" in value:
                value["days_past_due_treatment"] = 0
            value["missed_instalments_60d"] = random.choice((0, 2))
        found.append((each.topic, Record(number, each.timestamp, key, json.dumps(value).encode())))
        if each.topic == "signals" and random.random() < 0.05:
            for more in range(MAX_SIGNALS + 8):
                severity = random.choice(("low", "low", "info", "medium", "high"))
                flood = value | {"signal_id": f"X{number}-{more}", "severity": severity, "status": "raised"}
                found.append((each.topic, Record(number, each.timestamp, key, json.dumps(flood).encode())))
        if random.random() < 0.01:
            found.append(("customers", Record(number, each.timestamp, b"C1", None)))
        if random.random() < 0.05:
            found.append(random.choice(found))
    return found


def run(seed: int, *, restarted: bool = False, tried: bool = False) -> Run:
    """One timeline through the stage: with a restart before every record, or with none; with a policy tried out, or without."""
    random = Random(seed + 1)
    begin = dt.datetime.fromtimestamp(timelines.draw(seed)[0].timestamp / 1000, dt.UTC)
    contact_from = begin + dt.timedelta(days=random.choice((0, 1, 3))) if random.random() < 0.4 else None
    switch, brought_in = random.randrange(5, 40), random.randrange(30)
    first, then, trial = policies()
    policy, beside = first, None

    def make() -> Any:
        return BesideStep(ALONE, policy, beside, contact_from) if tried else CustomersStep(ALONE, policy, contact_from)

    step, rows = make(), Rows()
    said: list[tuple[int, bytes, str, bytes]] = []
    for index, (topic, record) in enumerate(records(seed)):
        if index == switch:
            policy = then
        if tried and index == brought_in:
            beside = trial
        if restarted:
            step = make()
            step.restore(rows.items())
        elif index in (switch, brought_in if tried else switch):
            step.configure(policy, *((beside,) if tried else ()), contact_from)
        step.apply(topic, [record])
        drained = step.drain()
        said += [(index, each.key, each.topic, each.value or b"") for each in drained.outputs]
        for key, value in drained.rows:
            if value is None:
                rows.pop(key, None)
            else:
                rows[key] = value
    return Run(sorted(said, key=lambda each: each[:2]), rows)
