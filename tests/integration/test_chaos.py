"""A short cut of `make chaos`: the real job under each fault of workers, and three of brokers and network."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.chaos import plan
from bench.chaos.run import BROKER, job_on, run
from stream.agents.accounts import AccountsStep
from tests.kafka.cluster import Cluster

pytestmark = pytest.mark.kafka

SEED = 1


def test_nothing_is_lost_doubled_or_changed_whatever_is_killed_frozen_or_cut_off(tmp_path: Path) -> None:
    AccountsStep.warm_up()
    steps = plan.cut(SEED)
    with Cluster(tmp_path / "brokers", 1, settings=BROKER, proxied=True) as cluster:
        job = job_on(cluster, tmp_path / "workers")
        try:
            told = run(cluster, job, SEED, steps, print)
        except BaseException:
            print(job.tails(), cluster.log()[-5000:], sep="\n")
            raise
        finally:
            job.close()
    print(*told.lines(), sep="\n")
    assert told.wrong == []
    # That nothing was wrong means little where nothing happened.
    assert sum(told.faults.values()) >= len(steps)
    assert told.worker_kills >= 5
    assert told.broker_kills == 1
    assert told.rebalances >= 3
    assert all(told.outputs[topic] for topic in ("signals", "nudges", "account-facts", "dead-letters"))
