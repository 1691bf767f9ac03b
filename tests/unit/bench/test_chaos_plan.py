"""The plan of a chaos run: the seed's alone, and nobody is asked to do what they cannot."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from bench.chaos import plan

SEEDS = st.integers(0, 2**32)


@given(SEEDS, st.sampled_from([1, 3]))
def test_a_seed_gives_the_whole_plan(seed: int, brokers: int) -> None:
    assert plan.schedule(seed, 600, brokers=brokers) == plan.schedule(seed, 600, brokers=brokers)
    assert plan.cut(seed) == plan.cut(seed)


@given(SEEDS, st.sampled_from([1, 3]))
def test_faults_ask_only_of_workers_and_brokers_that_are_there(seed: int, brokers: int) -> None:
    alive = {0, 1}
    for step in plan.schedule(seed, 900, brokers=brokers):
        if step.kind == "worker joins":
            assert step.worker not in alive
            alive.add(step.worker)
        elif step.worker >= 0:
            assert step.worker in alive
        if step.kind == "worker leaves":
            alive.discard(step.worker)
        if step.kind == "killed and joined while restoring":
            alive.add(min(set(range(plan.MOST)) - alive))
        if step.kind == "worker frozen beyond its session":
            assert step.seconds > plan.SESSION
            assert len(alive) > 1
        if step.broker.isdigit():
            assert 1 <= int(step.broker) <= brokers
        assert 1 <= len(alive) <= plan.MOST


@given(SEEDS)
def test_a_full_run_brings_every_fault_and_more_than_a_hundred_kills_and_fifty_rebalances(seed: int) -> None:
    steps = plan.schedule(seed, plan.MINUTES * 60)
    kinds = Counter(step.kind for step in steps)
    assert set(kinds) == set(plan.KINDS)
    kills = kinds["kill -9 of a worker"] + 2 * kinds["killed and joined while restoring"] + kinds["kill -9 of all workers"]
    assert kills >= 100
    # Each of these changes who is in the group.
    moved = ("worker joins", "worker leaves", "killed and joined while restoring", "worker frozen beyond its session")
    assert sum(kinds[kind] for kind in moved) >= 50


@given(SEEDS)
def test_the_cut_holds_each_fault_of_workers_and_three_of_brokers_and_network(seed: int) -> None:
    kinds = {step.kind for step in plan.cut(seed)}
    assert {kind for kind in plan.KINDS if "worker" in kind} <= kinds
    assert {"killed and joined while restoring", "kill -9 of a broker", "broker frozen", "connections dropped"} <= kinds
