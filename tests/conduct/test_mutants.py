"""Bending any single rule of contact makes the oracle cry out: rule by rule."""

from __future__ import annotations

import json

import pytest

from stream.treatment.policy import default_text, load
from tests.conduct.mutants import BASICS, FOUND, bent, mutants
from tests.conduct.run import run_one

POLICY = load(default_text())
MUTANTS = mutants(POLICY)
SEEDS: dict[str, list[int]] = json.loads(FOUND.read_text(encoding="utf-8"))
HOUSE = {"contact_from", "cool_down", "in_time", "no_breaker", "not_control"}
"""Rules of the house alone, of which the oracle knows nothing: they have tests of their own."""


def test_every_rule_with_figures_and_every_basic_rule_is_bent() -> None:
    named = {name.split(" ")[0] for name in MUTANTS}
    figures = (*POLICY.hours, *POLICY.closed_days, *POLICY.quiet, *POLICY.caps, *POLICY.gaps, *POLICY.hold_lengths)
    assert {rule.id for rule in figures} <= named
    covered = {*BASICS, "customer_known", "zone_known", "no_economic_abuse", *HOUSE}
    assert covered == set(type(POLICY.basics).model_fields)


@pytest.mark.parametrize("name", MUTANTS)
def test_the_oracle_sees_it(name: str) -> None:
    changed = bent(POLICY, MUTANTS[name])
    seeds = SEEDS.get(name, [])
    assert seeds, "no timeline is known that shows it: python -m tests.conduct.mutants"
    for seed in seeds:
        assert run_one(seed, changed).violations, f"timeline {seed} shows it no more: python -m tests.conduct.mutants"
        assert not run_one(seed, POLICY).violations
