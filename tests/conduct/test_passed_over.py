"""A customer is looked at when there is something to see, and that loses nothing: signals that call for nothing new are passed
over, and time alone changes nothing before a customer is due.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest

from stream.agents import customers
from stream.agents.customers import CustomersStep
from stream.treatment.policy import Policy, default_text, load
from stream.treatment.told import signals
from tests.conduct.oracle import Said
from tests.conduct.run import run_one

SEEDS = 150
APART = 10


@cache
def comparing() -> Policy:
    """The policy with the largest control group that may be."""
    policy = load(default_text())
    return policy.model_copy(update={"safety": policy.safety.model_copy(update={"control_share": 0.1})})


def said(seeds: range) -> list[list[Said]]:
    """What is said in each timeline, by customer."""
    runs = [run_one(seed, comparing()).said for seed in seeds]
    return [sorted(run, key=lambda each: (each[0], each[2]["customer_id"])) for run in runs]


def look_after_every_signal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signals, "_calls_for_nothing", lambda *_: False)
    monkeypatch.setattr(signals, "_stands", lambda *_: False)


def look_whenever_the_clock_moves(monkeypatch: pytest.MonkeyPatch) -> None:
    advance = CustomersStep._advance

    def to_all(step: CustomersStep, clock: int, own: str | None) -> None:
        before = step.clock
        advance(step, clock, own)
        if step.clock > before:
            for customer_id in sorted({*step._rows, *step._live} - {own}):
                step._evaluate(step._open(customer_id), step._moment("tick"))

    monkeypatch.setattr(CustomersStep, "_advance", to_all)


@pytest.mark.parametrize("part", range(APART))
@pytest.mark.parametrize("look", [look_after_every_signal, look_whenever_the_clock_moves])
def test_whoever_is_looked_at_more_often_hears_the_same(look: Any, part: int, monkeypatch: pytest.MonkeyPatch) -> None:
    seeds = range(part * SEEDS, (part + 1) * SEEDS)
    looks = 0
    evaluate = customers.evaluate

    def counted(*args: Any) -> Any:
        nonlocal looks
        looks += 1
        return evaluate(*args)

    monkeypatch.setattr(customers, "evaluate", counted)
    heard, few = said(seeds), looks
    look(monkeypatch)
    assert said(seeds) == heard
    assert looks - few > 1.01 * few
