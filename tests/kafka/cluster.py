"""Several Kafka nodes on one machine that replicate to one another; one of them may be killed at a time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from typing import Self

from aiokafka.admin import AIOKafkaAdminClient
from confluent_kafka import KafkaException
from confluent_kafka.admin import PartitionMetadata

from tests.kafka.broker import Broker, Member, free_ports, new_cluster_id
from tests.kafka.client import Client, wait_until
from tests.kafka.proxy import Proxy
from tests.kafka.slow_disk import SlowDisk

REPLICATED = {
    "offsets.topic.replication.factor": "3",
    "transaction.state.log.replication.factor": "3",
    "transaction.state.log.min.isr": "2",
    # A node that has died is noticed in seconds.
    "broker.session.timeout.ms": "4000",
    "broker.heartbeat.interval.ms": "500",
    "replica.lag.time.max.ms": "5000",
}


class Cluster:
    """One node, or three (KRaft, each broker and controller). A context manager: started, then closed."""

    def __init__(
        self,
        folder: Path,
        nodes: int = 3,
        *,
        settings: Mapping[str, str] | None = None,
        proxied: bool = False,
        slow_disk: bool = False,
    ) -> None:
        """Nothing runs yet. With `proxied`, each node also listens behind a proxy of its own; with `slow_disk`, the disk of all
        can be made slow.
        """
        assert nodes in (1, 3), "one, or three: a majority must survive the loss of one"
        self._opened = ExitStack()
        self.disk = SlowDisk(folder) if slow_disk else None
        env = self.disk.env if self.disk else {}
        own = (REPLICATED if nodes > 1 else {}) | dict(settings or {})
        members: list[Member | None] = [None]
        if nodes > 1:
            controllers = dict(enumerate(free_ports(nodes), 1))
            cluster_id = new_cluster_id()
            members = [Member(node, controllers, cluster_id) for node in controllers]
        self.nodes = [
            Broker(
                folder / f"node-{number}",
                settings=own,
                member=member,
                env=env,
                proxy=self._opened.enter_context(Proxy()) if proxied else None,
            )
            for number, member in enumerate(members, 1)
        ]

    @property
    def bootstrap(self) -> str:
        """The open listeners."""
        return ",".join(node.bootstrap for node in self.nodes)

    @property
    def proxied_bootstrap(self) -> str:
        """The proxies."""
        return ",".join(node.proxied_bootstrap for node in self.nodes)

    @cached_property
    def client(self) -> Client:
        """A client of the open listeners, once the nodes have started."""
        return Client(self.bootstrap)

    def start(self, timeout: float = 120) -> None:
        """Starts all nodes and waits until each answers."""
        if len(self.nodes) == 1:
            self.nodes[0].start(timeout)
            return
        deadline = time.monotonic() + timeout
        for node in self.nodes:
            node.begin()
        for node in self.nodes:
            node.await_answer(deadline)

    def restart(self, node: Broker, timeout: float = 120) -> None:
        """Starts a node that was killed, and returns when the cluster is whole again.

        Before that the others have taken over all that it led: what comes back is a follower, not a leader that nobody missed.
        """
        if len(self.nodes) > 1:
            wait_until(lambda: node.node not in self._led_by(), timeout, f"others lead what node {node.node} led", 0.2)
        node.start(timeout)
        self.wait_in_sync(timeout)

    def wait_in_sync(self, timeout: float = 120) -> None:
        """Returns once every replica of every partition is in sync, so that another node may be lost."""

        def whole() -> bool:
            known = self._partitions()
            return bool(known) and all(len(p.isrs) == len(p.replicas) and p.leader >= 0 for p in known)

        wait_until(whole, timeout, "all replicas in sync", 0.2)

    def leader(self, topic: str, partition: int) -> Broker | None:
        """The node that leads a partition; None while there is none."""
        found = self.client.admin.list_topics(topic, timeout=10).topics[topic].partitions[partition].leader
        return next((node for node in self.nodes if node.node == found), None)

    def coordinator(self, group: str) -> Broker | None:
        """The node that coordinates a consumer group. By aiokafka: librdkafka's question may end the process (its issue 4605)."""

        async def ask() -> int:
            client = AIOKafkaAdminClient(bootstrap_servers=self.bootstrap, request_timeout_ms=10_000)
            try:
                await client.start()
                return await client.find_coordinator(group)
            finally:
                await client.close()

        found = asyncio.run(ask())
        return next((node for node in self.nodes if node.node == found), None)

    def close(self) -> None:
        """Ends all nodes and removes their data; logs stay."""
        for node in self.nodes:
            node.close()
        self._opened.close()

    def log(self) -> str:
        """What the nodes wrote: warnings and errors."""
        return "\n".join(f"--- {node.folder.name}\n{node.log()}" for node in self.nodes)

    def _partitions(self) -> list[PartitionMetadata]:
        """All there are, Kafka's own too; none where nobody answers."""
        try:
            topics = self.client.admin.list_topics(timeout=5).topics
        except KafkaException:
            return []
        return [partition for topic in topics.values() for partition in topic.partitions.values()]

    def _led_by(self) -> set[int]:
        # Nobody answering says nothing about who leads.
        return {partition.leader for partition in self._partitions()} or {node.node for node in self.nodes}

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
