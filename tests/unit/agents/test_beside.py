"""A policy tried out beside the one in force: its decisions are written, nothing of it is sent, and restarts do not show."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import pytest

from stream.agents.beside import PREFIX, BesideStep
from stream.engine.step import Output
from tests.unit.agents.customers_bank import ALONE, POLICY, START, Bank, Written, days, hours, new_step
from tests.unit.agents.test_customers_properties import draw, tell

TRIED = POLICY.model_copy(
    update={"version": "tried.1", "ladder": POLICY.ladder.model_copy(update={"hold_days": (0, 1, 1, 1, 1)})}
)
"""The policy in force, but rungs are held for one day."""


def story() -> list[Written]:
    bank = Bank()
    bank.customer(START)
    bank.signal(START, severity="high")
    bank.ticks(START, START + days(3) + hours(6))
    bank.facts(START + days(3) + hours(7))
    bank.ticks(START + days(3) + hours(8), START + days(8))
    bank.signal(START + days(8) + hours(1), status="withdrawn", severity="high")
    return bank.written


def run(step: Any, written: list[Written]) -> list[Output]:
    said: list[Output] = []
    for topic, record in written:
        assert step.apply(topic, [record]) == []
        said += step.drain().outputs
    return said


def of_shadow(output: Output) -> bool:
    return output.topic == "decisions" and bool(json.loads(output.value or b"").get("shadow"))


def test_what_is_in_force_says_the_same_whether_another_policy_is_tried_or_not() -> None:
    alone, both = run(new_step(), story()), run(BesideStep(ALONE, POLICY, TRIED), story())
    assert [each for each in both if not of_shadow(each)] == alone
    assert {each.topic for each in alone} >= {"nudges", "decisions"}


def test_what_is_tried_decides_by_its_own_rules_and_only_that_is_written() -> None:
    both = run(BesideStep(ALONE, POLICY, TRIED), story())
    tried = [json.loads(each.value or b"") for each in both if of_shadow(each)]
    assert {each["policy_version"] for each in tried} == {"tried.1"}
    first = {each["treatment"]: each["decided_at"] for each in reversed(tried) if each["result"] == "issued"}
    assert first["bounce_explained"] == (START + days(1)).isoformat().replace("+00:00", "Z")
    assert first["debt_advice"] == (START + days(2)).isoformat().replace("+00:00", "Z")
    assert len({dict(each.headers)["ce_id"] for each in both}) == len(both), "no id is written twice"


def test_a_shadow_that_is_in_force_by_itself_says_decisions_alone() -> None:
    said = run(new_step(policy=POLICY.model_copy(update={"shadow": True})), story())
    assert {each.topic for each in said} == {"decisions"}
    assert all(of_shadow(each) for each in said)


def test_a_policy_that_is_brought_in_later_starts_from_what_is_known_then() -> None:
    written = story()
    step = BesideStep(ALONE, POLICY)
    at = next(number for number, (topic, _) in enumerate(written) if topic == "account-facts")
    run(step, written[:at])
    step.configure(POLICY, TRIED)
    tried = [json.loads(each.value or b"") for each in run(step, written[at:]) if of_shadow(each)]
    # The nudge of rung 2 was given under the policy in force already; the offer of rung 3 comes sooner than there.
    assert [each["treatment"] for each in tried if each["result"] == "issued"] == ["debt_advice"]


@pytest.mark.parametrize("tried", [None, TRIED.model_copy(update={"version": "tried.2"})])
def test_another_version_and_none_leave_nothing_of_the_one_before(tried: Any) -> None:
    step = BesideStep(ALONE, POLICY, TRIED)
    run_rows: dict[bytes, bytes | None] = {}
    for topic, record in story()[:80]:
        step.apply(topic, [record])
        run_rows |= dict(step.drain().rows)
    assert any(key.startswith(PREFIX) for key in run_rows)
    again = BesideStep(ALONE, POLICY, tried)
    again.restore(run_rows.items())
    step.configure(POLICY, tried)
    reloaded, restarted = step.drain(), again.drain()
    assert reloaded.rows == restarted.rows
    after = run_rows | dict(reloaded.rows)
    assert [key for key in after if key.startswith(PREFIX) and after[key] is not None and after[key] == run_rows.get(key)] == []


@pytest.mark.parametrize("seed", range(40))
def test_cuts_drains_and_restarts_do_not_show(seed: int) -> None:
    chance = Random(seed)
    written = tell(*draw(seed)).written
    whole = run(BesideStep(ALONE, POLICY, TRIED), written)
    step: Any = BesideStep(ALONE, POLICY, TRIED)
    rows: list[tuple[bytes, bytes | None]] = []
    cut: list[Output] = []
    at = 0
    while at < len(written):
        topic = written[at][0]
        end = at + 1
        while end < len(written) and written[end][0] == topic and chance.random() < 0.7:
            end += 1
        step.apply(topic, [record for _, record in written[at:end]])
        at = end
        if chance.random() < 0.3:
            drained = step.drain()
            rows += drained.rows
            cut += drained.outputs
            if chance.random() < 0.3:
                step = BesideStep(ALONE, POLICY, TRIED)
                step.restore(rows)
    assert cut + step.drain().outputs == whole
