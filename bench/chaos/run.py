"""One run: a bank sends, faults happen, everything settles, and then it is checked."""

from __future__ import annotations

import signal
import time
from collections import Counter
from collections.abc import Callable, Sequence

from bench.chaos import check, plan, report
from bench.chaos.bank import BURST, INPUTS, Bank
from bench.chaos.faults import DISK_MS, Done, Faults
from bench.chaos.plan import Step
from bench.chaos.supervisor import Supervisor
from tests.kafka.client import wait_until
from tests.kafka.cluster import Cluster
from tests.kafka.job import Job

STILL = 120.0
"""Seconds without anything applied after which it will not settle any more."""
BROKER = {"transaction.abort.timed.out.transaction.cleanup.interval.ms": "10000"}
"""As Kafka has it, and our other tests do not: a coordinator that has just come back, and at once ends abandoned transactions,
may do so before it knows their partitions, and leaves them open there."""
COMPACTED = {"segment.bytes": str(16 << 20), "min.cleanable.dirty.ratio": "0.2"}
"""Of the changelogs: an hour's worth of updates is not read back at each start, and compaction runs among the faults."""


def job_on(cluster: Cluster, folder: object, prefix: str = "chaos.") -> Job:
    """The real job on a cluster, reached through its proxies; its topics are made."""
    three = len(cluster.nodes) > 1
    job = Job(
        cluster,
        folder,  # type: ignore[arg-type]
        prefix,
        EWS_BOOTSTRAP=cluster.proxied_bootstrap,
        EWS_REPLICATION="3" if three else "1",
        EWS_MIN_INSYNC="2" if three else "1",
    )
    job.create_topics()
    for stage in ("accounts", "customers"):
        job.client.set_config(job.settings().changelog(stage), COMPACTED)
    return job


def run(cluster: Cluster, job: Job, seed: int, steps: Sequence[Step], say: Callable[[str], None]) -> report.Report:
    """Plays the steps to the end and tells what was found."""
    rate = min(step.rate for step in steps)
    # What is planned may take longer on a machine that is slow.
    supply = (1.5 * plan.seconds(steps) + 60) * rate + sum(BURST * step.rate for step in steps if step.rate > rate)
    bank = Bank(job, int(supply), rate)
    bank.introduce()
    say(f"{bank.accounts:,} accounts; {len(steps)} faults in about {plan.seconds(steps):.0f} s, of seed {seed}")
    supervisor = Supervisor(job, (0, 1))
    faults = Faults(cluster, job, supervisor)
    done: list[Done] = []
    try:
        wait_until(lambda: job.client.end_offsets(job.topic("journal")).count(0) == 0, 120, "every partition commits", 0.3)
        bank.start()
        began = time.monotonic()
        began_ms = int(time.time() * 1000)
        for number, step in enumerate(steps, 1):
            bank.hurry(step.rate)
            done.append(faults.do(step))
            say(f"  {time.monotonic() - began:7.1f} s  {number:3} of {len(steps)}  {step!s:75} {bank.events:11,} events")
        bank.stop()
        settle(job)
        settled_ms = int(time.time() * 1000)
    finally:
        codes = supervisor.stop()
    say("settled; checking ...")
    found = check.Findings()
    # A worker that is only just starting has nothing to end in order yet; one that is asked amid faults may find its task taken.
    for name, code, fine in [
        *((name, code, (0, -signal.SIGTERM)) for name, code in codes.items()),
        *((name, code, (0, 1, -signal.SIGTERM)) for name, code in faults.stopped),
    ]:
        found.add(f"{name} ended with {code} when asked to stop", different=int(code not in fine))
    for exit_ in supervisor.exits:
        # 1 is fail-stop, which a supervisor mends; anything else needs a person, and none of these faults should.
        found.add(f"{exit_.name} ended by itself with {exit_.code} after {exit_.at:.0f} s", different=int(exit_.code != 1))
    outputs, accounts = check.check(job, bank.told, found)
    commits = report.Commits(job.entries(), settled_ms)
    seconds = (commits.last - began_ms) / 1000
    return report.Report(
        seed=seed,
        brokers=len(cluster.nodes),
        kafka=cluster.nodes[0].installation.version,
        seconds=seconds,
        events=bank.events,
        applied_per_second=bank.events / seconds,
        accounts=accounts,
        outputs=outputs,
        faults=report.counted(done),
        worker_kills=supervisor.kills,
        broker_kills=faults.broker_kills,
        rebalances=supervisor.rebalances(),
        unplanned_exits=dict(Counter(exit_.code for exit_ in supervisor.exits)),
        why=dict(supervisor.reasons()),
        gaps=commits.by_kind(done),
        gap=commits.worst(began_ms, settled_ms),
        slow_disk=f"each write and sync waits {DISK_MS} ms" if cluster.disk else "no C compiler: the brokers pause for moments",
        lost=found.lost,
        double=found.double,
        different=found.different,
        wrong=found.lines,
    )


def settle(job: Job) -> None:
    """Returns once all that was sent, and that the stages tell each other, is in the journal, as long as that goes on."""
    moved, seen = time.monotonic(), 0

    def applied() -> bool:
        nonlocal moved, seen
        ends = {(t, p): end for t in (*INPUTS, *check.INNER) for p, end in enumerate(job.client.end_offsets(job.topic(t)))}
        positions = job.applied()
        if positions.total() > seen:
            moved, seen = time.monotonic(), positions.total()
        assert time.monotonic() - moved < STILL, f"nothing was applied for {STILL:.0f} s"
        return all(positions.get(key, 0) >= end for key, end in ends.items())

    wait_until(applied, 3600.0, "all inputs applied", 3.0)
