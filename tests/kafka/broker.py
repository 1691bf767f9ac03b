"""One Kafka node (KRaft, broker and controller in one) on loopback: start, kill, freeze, start again.

Alone, or a member of a cluster (tests/kafka/cluster.py).
"""

from __future__ import annotations

import base64
import contextlib
import os
import random
import shutil
import socket
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal, Self

from tests.kafka.client import Client
from tests.kafka.prepare import Installation, prepare
from tests.kafka.process import Process
from tests.kafka.proxy import Proxy
from tests.kafka.security import Certificates, Security, listener_settings, make_certificates

Mechanism = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]

SETTINGS = {
    "process.roles": "broker,controller",
    "controller.listener.names": "CONTROLLER",
    "inter.broker.listener.name": "OPEN",
    "auto.create.topics.enable": "false",
    # One node holds everything.
    "offsets.topic.replication.factor": "1",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    # Small, and quick to come up.
    "offsets.topic.num.partitions": "2",
    "transaction.state.log.num.partitions": "4",
    "num.network.threads": "2",
    "num.io.threads": "4",
    "num.recovery.threads.per.data.dir": "2",
    "log.index.size.max.bytes": "1048576",
    "log.cleaner.dedupe.buffer.size": "4194304",
    # No waiting for what production waits for.
    "group.initial.rebalance.delay.ms": "0",
    "group.min.session.timeout.ms": "1000",
    "controlled.shutdown.enable": "false",
    # Abandoned transactions are aborted soon after their own timeout.
    "transaction.abort.timed.out.transaction.cleanup.interval.ms": "500",
    # Compaction and retention can be provoked: see COMPACT_NOW and Client.delete_records.
    "log.initial.task.delay.ms": "500",
    "log.retention.check.interval.ms": "500",
    "log.cleaner.backoff.ms": "200",
    "log.segment.delete.delay.ms": "100",
}

COMPACT_NOW = {
    "cleanup.policy": "compact",
    "segment.ms": "200",
    "min.cleanable.dirty.ratio": "0.001",
    "min.compaction.lag.ms": "0",
    "delete.retention.ms": "0",
}
"""Topic settings under which superseded records go within seconds, once another has come 200 ms later."""

JVM = ("-Xms128m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto")
LOGGING = """\
status = error
rootLogger.level = warn
rootLogger.appenderRef.console.ref = CONSOLE
# While it starts, the node looks for itself twenty times a second and says so.
logger.client.name = org.apache.kafka.clients.NetworkClient
logger.client.level = error
logger.controller.name = org.apache.kafka.controller
logger.controller.level = ${sys:controller.log:-warn}
appender.console.type = Console
appender.console.name = CONSOLE
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d{HH:mm:ss,SSS} %p %c{1}: %m%n
"""


class BrokerError(Exception):
    """The node did not come up; the message has the end of its log."""


def free_ports(count: int) -> list[int]:
    """Loopback ports nobody listens on, below those that the system hands out to clients.

    A port of the latter kind could be taken, while a node is down, by a client that keeps trying to reach it.
    """
    try:
        low = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    except OSError:
        low = 32768
    chooser, found = random.SystemRandom(), list[int]()
    while len(found) < count:
        port = chooser.randrange(10_000, max(low, 11_000))
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError):
                probe.bind(("127.0.0.1", port))
                found.append(port)
    return found


def new_cluster_id() -> str:
    """A name that no other cluster has."""
    return base64.urlsafe_b64encode(os.urandom(15) + b"\1").decode().rstrip("=").replace("-", "A")


@dataclass(frozen=True, slots=True)
class Member:
    """A node's place in a cluster."""

    node: int
    controllers: Mapping[int, int]
    """Controller ports by node id."""
    cluster_id: str


class Broker:
    """One node with its own data, on ports that outlive restarts. A context manager: started, then closed."""

    def __init__(
        self,
        folder: Path,
        *,
        security: Security | None = None,
        settings: Mapping[str, str] | None = None,
        installation: Installation | None = None,
        member: Member | None = None,
        proxy: Proxy | None = None,
        env: Mapping[str, str] | None = None,
    ) -> None:
        """Nothing runs yet. Data, certificates and logs go into `folder`; `settings` override `SETTINGS`.

        With `proxy`, a further listener tells clients the proxy's port as its own. `env` is added to the node's environment.
        """
        self.folder = folder
        self.security = security
        self.certificates: Certificates | None = None
        self.installation = installation or prepare()
        self._settings = dict(settings or {})
        self._member = member
        self.node = member.node if member else 1
        """Its id."""
        self.proxy = proxy
        self._env = dict(env or {})
        self._process: Process | None = None
        self._ports: dict[str, int] = {}

    @property
    def bootstrap(self) -> str:
        """`host:port` of the open listener."""
        return f"127.0.0.1:{self._ports['OPEN']}"

    @property
    def proxied_bootstrap(self) -> str:
        """`host:port` of the proxy."""
        assert self.proxy is not None, "this broker has no proxy"
        return f"127.0.0.1:{self.proxy.port}"

    @property
    def sasl_bootstrap(self) -> str:
        """`host:port` of the listener that wants TLS and a login."""
        return f"127.0.0.1:{self._ports['LOGIN']}"

    @property
    def mtls_bootstrap(self) -> str:
        """`host:port` of the listener that wants a client certificate."""
        return f"127.0.0.1:{self._ports['MTLS']}"

    @cached_property
    def client(self) -> Client:
        """A client of the open listener, once the node has started."""
        return Client(self.bootstrap)

    def sasl_client(self, user: str, password: str, mechanism: Mechanism = "SCRAM-SHA-512") -> Client:
        """A client that logs in over TLS."""
        assert self.certificates is not None, "this broker has no secured listeners"
        return Client(
            self.sasl_bootstrap,
            {
                "security.protocol": "SASL_SSL",
                "sasl.mechanism": mechanism,
                "sasl.username": user,
                "sasl.password": password,
                "ssl.ca.location": str(self.certificates.ca),
            },
        )

    def mtls_client(self, certificate: Path | None = None, key: Path | None = None) -> Client:
        """A client that shows a certificate: by default the one that the broker trusts."""
        assert self.certificates is not None, "this broker has no secured listeners"
        return Client(
            self.mtls_bootstrap,
            {
                "security.protocol": "SSL",
                "ssl.ca.location": str(self.certificates.ca),
                "ssl.certificate.location": str(certificate or self.certificates.client),
                "ssl.key.location": str(key or self.certificates.client_key),
            },
        )

    def start(self, timeout: float = 90) -> None:
        """Starts the node and waits until it answers a client; `BrokerError` after `timeout` seconds."""
        assert self._process is None, "already started"
        deadline = time.monotonic() + timeout
        if self._member:
            self.begin()
            self.await_answer(deadline)
            return
        if self._ports:
            self._fence_the_dead(deadline)
            self._launch(deadline)
            return
        for last in (False, False, True):
            self._format()
            try:
                self._launch(deadline)
            except BrokerError as failure:
                # Somebody took one of the ports between the choice and the start.
                if last or "Address already in use" not in str(failure):
                    raise
                shutil.rmtree(self.folder / "data")
            else:
                return

    def begin(self) -> None:
        """Starts a cluster's node, without waiting: it answers once there is a majority of controllers."""
        if not self._ports:
            self._format()
        self._spawn()

    def stop(self, timeout: float = 30) -> None:
        """Ends the node in order, as an operator would; after `timeout` seconds by force. The data stays."""
        if self._process is not None:
            self._process.stop(timeout)
            self._process = None

    def kill(self) -> None:
        """Ends the node at once (SIGKILL). The data stays as it happened to be."""
        if self._process is not None:
            self._process.kill()
            self._process = None

    def restart(self, timeout: float = 90) -> None:
        """Starts the node again on its data and ports; one that still runs is stopped first."""
        self.stop()
        self.start(timeout)

    def pause(self) -> None:
        """Freezes the node: connections stay open, nothing is answered."""
        self._running().pause()

    def resume(self) -> None:
        """Lets a frozen node go on."""
        self._running().resume()

    def close(self) -> None:
        """Ends the node and removes its data; certificates and logs stay."""
        self.kill()
        shutil.rmtree(self.folder / "data", ignore_errors=True)

    def log(self) -> str:
        """What the node wrote: warnings and errors."""
        files = [self.folder / name for name in ("broker.out", "broker.err")]
        return "".join(file.read_text(errors="replace") for file in files if file.exists())

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _running(self) -> Process:
        assert self._process is not None, "not started"
        return self._process

    def _options(self) -> tuple[str, ...]:
        return (*JVM, f"-Dlog4j2.configurationFile={self.folder / 'log4j2.properties'}")

    def _format(self) -> None:
        """Chooses ports, writes the settings and formats the data folder."""
        listeners = {"OPEN": "PLAINTEXT", "CONTROLLER": "PLAINTEXT"}
        if self.security:
            listeners |= {"LOGIN": "SASL_SSL", "MTLS": "SSL"}
        if self.proxy:
            listeners["PROXIED"] = "PLAINTEXT"
        self._ports = dict(zip(listeners, free_ports(len(listeners)), strict=True))
        advertised = {name: port for name, port in self._ports.items() if name != "CONTROLLER"}
        if self.proxy:
            self.proxy.aim(self._ports["PROXIED"])
            advertised["PROXIED"] = self.proxy.port
        if self._member:
            self._ports["CONTROLLER"] = self._member.controllers[self.node]
        controllers = self._member.controllers if self._member else {self.node: self._ports["CONTROLLER"]}
        settings = SETTINGS | {
            "node.id": str(self.node),
            "listeners": _addresses(self._ports),
            "advertised.listeners": _addresses(advertised),
            "listener.security.protocol.map": ",".join(f"{n}:{kind}" for n, kind in listeners.items()),
            "controller.quorum.voters": ",".join(f"{node}@127.0.0.1:{port}" for node, port in controllers.items()),
            "log.dirs": str(self.folder / "data"),
        }
        if self.security:
            self.certificates = self.certificates or make_certificates(self.folder / "certificates")
            settings |= listener_settings(self.security, self.certificates)
        settings |= self._settings
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "log4j2.properties").write_text(LOGGING)
        properties = self.folder / "server.properties"
        # In Java's properties format a backslash escapes; nothing else in our values needs care.
        properties.write_text("".join(f"{k}={v}\n".replace("\\", "\\\\") for k, v in settings.items()))
        cluster = self._member.cluster_id if self._member else new_cluster_id()
        arguments = ["format", "--cluster-id", cluster, "--config", str(properties)]
        for user, password in (self.security.users if self.security else {}).items():
            for mechanism in ("SCRAM-SHA-256", "SCRAM-SHA-512"):
                arguments += ["--add-scram", f"{mechanism}=[name={user},password={password}]"]
        run = subprocess.run(
            self.installation.command("kafka.tools.StorageTool", *arguments, options=self._options()),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        if run.returncode != 0:
            raise BrokerError(f"formatting failed: {(run.stdout + run.stderr)[-2000:]}")

    def _fence_the_dead(self, deadline: float) -> None:
        """Lets the controller alone declare the broker dead, as those of a real cluster do while it is away.

        A lone node that starts again believes at first, by its own metadata, that it still leads everything.
        Then it is fenced for a moment, and takes that for the end of partitions that wait for the marker of a
        transaction: the transaction is marked complete without its marker, and no reader of committed records
        ever gets past it (seen with 4.3.1 in about half of the starts after a SIGKILL right behind a commit).
        """
        lines = (self.folder / "server.properties").read_text().splitlines()
        own = dict(line.split("=", 1) for line in lines) | {
            "process.roles": "controller",
            "listeners": f"CONTROLLER://127.0.0.1:{self._ports['CONTROLLER']}",
            "broker.session.timeout.ms": "300",
            "broker.heartbeat.interval.ms": "100",
        }
        for name in ("advertised.listeners", "inter.broker.listener.name"):
            del own[name]
        properties = self.folder / "controller.properties"
        properties.write_text("".join(f"{name}={value}\n" for name, value in own.items()))
        options = (
            *self._options(),
            "-Dcontroller.log=info",
        )  # or it would not say when it has fenced a broker
        command = self.installation.command("kafka.Kafka", str(properties), options=options)
        (self.folder / "controller.out").unlink(missing_ok=True)
        controller = Process(command, self.folder, "controller")
        try:
            while "Fencing broker 1" not in controller.output():
                if not controller.running or time.monotonic() > deadline:
                    raise BrokerError(f"the controller has not fenced the broker:\n{controller.tail()}")
                time.sleep(0.02)
            controller.stop()
        finally:
            controller.kill()

    def _launch(self, deadline: float) -> None:
        self._spawn()
        self.await_answer(deadline)

    def _spawn(self) -> None:
        for name in ("broker.out", "broker.err"):
            with contextlib.suppress(FileNotFoundError):
                (self.folder / name).rename(self.folder / f"{name}.before")
        command = self.installation.command(
            "kafka.Kafka", str(self.folder / "server.properties"), options=self._options()
        )
        self._process = Process(command, self.folder, "broker", {**os.environ, **self._env} if self._env else None)

    def await_answer(self, deadline: float) -> None:
        """Returns once the node answers a client; BrokerError, and its end, at `deadline` (monotonic)."""
        try:
            self._await_answer(self._running(), deadline)
        except BaseException:
            self.kill()
            raise

    def _await_answer(self, process: Process, deadline: float) -> None:
        """Waits for the listeners first: a client that is refused would only fill the log."""
        waiting = [port for name, port in self._ports.items() if name != "CONTROLLER"]
        while time.monotonic() < deadline:
            if not process.running:
                raise BrokerError(f"the broker ended with {process.returncode}:\n{process.tail()}")
            while waiting and _listens(waiting[0]):
                del waiting[0]
            if not waiting and Client(self.bootstrap).answers(timeout=2):
                return
            time.sleep(0.05)
        raise BrokerError(f"the broker does not answer:\n{process.tail()}")


def _addresses(ports: Mapping[str, int]) -> str:
    return ",".join(f"{name}://127.0.0.1:{port}" for name, port in ports.items())


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True
