"""How each fault is done. Each returns when it is over: what was stopped runs again, what was slow is not any more."""

from __future__ import annotations

import time
from typing import NamedTuple

from aiokafka.errors import KafkaError
from confluent_kafka import KafkaException

from bench.chaos.plan import Step
from bench.chaos.supervisor import Supervisor
from tests.kafka import Broker, wait_until
from tests.kafka.cluster import Cluster
from tests.kafka.job import Job
from tests.kafka.proxy import END_TXN, Proxy

DELAY = 0.05
"""Seconds by which a delayed connection holds back each piece, in each direction."""
DISK_MS = 15
"""Milliseconds that each write and sync of a slow disk waits."""

_PATIENCE = 240.0


class Done(NamedTuple):
    """A fault that was done; times in ms since 1970."""

    kind: str
    began: int
    ended: int


class Faults:
    """Does the steps of a plan to a running job."""

    def __init__(self, cluster: Cluster, job: Job, supervisor: Supervisor) -> None:
        self._cluster = cluster
        self._job = job
        self._supervisor = supervisor
        self.broker_kills = 0
        self.stopped: list[tuple[str, int]] = []
        """Workers that were asked to stop, and their exit codes."""

    def do(self, step: Step) -> Done:
        """Does one, after its pause."""
        time.sleep(step.pause)
        began = _now()
        supervisor = self._supervisor
        match step.kind:
            case "kill -9 of a worker":
                supervisor.kill([step.worker])
            case "kill -9 of all workers":
                supervisor.kill(list(supervisor.workers))
            case "SIGTERM of a worker":
                self._note(step, supervisor.restart(step.worker))
            case "worker frozen beyond its session":
                supervisor.freeze(step.worker, step.seconds)
            case "worker joins":
                supervisor.join(step.worker)
            case "worker leaves":
                self._note(step, supervisor.leave(step.worker))
            case "killed and joined while restoring":
                self._while_restoring(step.worker)
            case "kill -9 of a broker":
                self._kill(self._broker(step.broker), step.seconds)
            case "kill -9 of a coordinator in mid-commit":
                self._kill(self._committing(), step.seconds)
            case "broker frozen":
                node = self._broker(step.broker)
                node.pause()
                time.sleep(step.seconds)
                node.resume()
            case "slow disk":
                self._slow_disk(step.seconds)
            case "connections dropped":
                self._proxy(step).drop()
            case "connections delayed":
                self._proxy(step).delay = DELAY
                time.sleep(step.seconds)
                self._proxy(step).delay = 0.0
            case "network swallows everything":
                self._proxy(step).swallow(True)
                time.sleep(step.seconds)
                self._proxy(step).swallow(False)
            case other:
                raise ValueError(other)
        if len(self._cluster.nodes) > 1:
            self._cluster.wait_in_sync(_PATIENCE)  # two faults at once may cost acknowledged records; that is not promised
        return Done(step.kind, began, _now())

    def _note(self, step: Step, code: int | None) -> None:
        if code is not None:
            self.stopped.append((f"w{step.worker}", code))

    def _while_restoring(self, number: int) -> None:
        """Kills a worker, lets another join while it reads its state back, and kills it again before it is done."""
        supervisor = self._supervisor
        log = supervisor.log(number)
        seen = log.stat().st_size
        supervisor.kill([number])

        def restoring() -> bool:
            with log.open(errors="replace") as file:
                file.seek(seen)
                return '"event": "assigned"' in file.read()

        wait_until(restoring, _PATIENCE, f"w{number} has tasks again", 0.01)
        supervisor.join(min(set(range(10)) - set(supervisor.workers)))
        time.sleep(0.2)
        supervisor.kill([number])

    def _kill(self, node: Broker, seconds: float) -> None:
        node.kill()
        self.broker_kills += 1
        time.sleep(seconds)
        self._cluster.restart(node, _PATIENCE)

    def _committing(self) -> Broker:
        """The broker to which a worker just now says that a transaction ends."""
        asked = {node.node: node.proxy.request(END_TXN) for node in self._cluster.nodes if node.proxy is not None}

        def told() -> Broker | None:
            return next((node for node in self._cluster.nodes if asked[node.node].is_set()), None)

        return wait_until(told, _PATIENCE, "a commit", 0.0005)

    def _broker(self, which: str) -> Broker:
        if which.isdigit():
            return self._cluster.nodes[int(which) - 1]

        def found() -> Broker | None:
            try:
                if which == "leader":
                    return self._cluster.leader(self._job.topic("payments"), 0)
                return self._cluster.coordinator(self._job.settings().group)
            except (KafkaException, KafkaError, KeyError):  # a broker that has just come back does not know its topics yet
                return None

        return wait_until(found, _PATIENCE, f"a {which}")

    def _proxy(self, step: Step) -> Proxy:
        proxy = self._broker(step.broker).proxy
        assert proxy is not None, "the brokers stand behind proxies"
        return proxy

    def _slow_disk(self, seconds: float) -> None:
        """Without a compiler: all brokers stand still for moments, one after another."""
        if self._cluster.disk is not None:
            self._cluster.disk.wait(DISK_MS)
            time.sleep(seconds)
            self._cluster.disk.wait(0)
            return
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for node in self._cluster.nodes:
                node.pause()
                time.sleep(0.15)
                node.resume()
                time.sleep(0.05)


def _now() -> int:
    return int(time.time() * 1000)
