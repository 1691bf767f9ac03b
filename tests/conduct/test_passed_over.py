"""A customer is looked at when there is something to see, and that loses nothing: signals that call for nothing new are passed
over, and time alone changes nothing before a customer is due. Nor does a restart.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from stream.agents import customers
from stream.agents.customers import CustomersStep
from stream.treatment.told import signals
from tests.conduct import rare

Look = Callable[[pytest.MonkeyPatch], None]

SEEDS = 60
APART = 6


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
def test_whoever_is_looked_at_more_often_hears_the_same(look: Look, part: int, monkeypatch: pytest.MonkeyPatch) -> None:
    seeds = range(part * SEEDS, (part + 1) * SEEDS)
    looks = 0
    evaluate = customers.evaluate

    def counted(*args: Any) -> Any:
        nonlocal looks
        looks += 1
        return evaluate(*args)

    monkeypatch.setattr(customers, "evaluate", counted)
    heard, few = [rare.run(seed).said for seed in seeds], looks
    look(monkeypatch)
    assert [rare.run(seed).said for seed in seeds] == heard
    assert looks - few > 1.01 * few


@pytest.mark.parametrize("tried", [False, True])
@pytest.mark.parametrize("part", range(APART))
def test_a_restart_before_every_record_makes_no_difference(part: int, tried: bool) -> None:
    for seed in range(part * SEEDS, part * SEEDS + SEEDS // 3):
        assert rare.run(seed, restarted=True, tried=tried) == rare.run(seed, tried=tried)
