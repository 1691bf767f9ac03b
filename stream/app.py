"""The composition root: the only place that wires things. Settings and files in, a running worker out."""

from __future__ import annotations

import asyncio
import faulthandler
import gc
import os
import resource
import signal
import socket
import tempfile
from collections import Counter
from collections.abc import AsyncIterable, Iterable, Mapping
from datetime import datetime
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import faust
import structlog
from faust.app.base import BootStrategy
from faust.web import Request, Response, View
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from stream import metrics as catalogue
from stream import topics, tracing
from stream.agents.accounts import AccountsStep
from stream.agents.beside import BesideStep
from stream.contracts.vocabulary import (
    ARMS,
    DECISION_RESULTS,
    ISSUE_STATUSES,
    QUEUES,
    SCHEMES,
    SEVERITIES,
    SIGNAL_STATUSES,
    TREATMENTS,
)
from stream.detectors import outage_guard
from stream.detectors import settings as detector_settings
from stream.detectors.registry import NAMES
from stream.engine import checks, configs, failstop
from stream.engine.configs import Configuration
from stream.engine.reload import Reloader
from stream.engine.sentinel import Sentinel
from stream.engine.source import Delivery, Source
from stream.engine.step import Stage, StagesOf, Step
from stream.engine.ticker import Ticker
from stream.engine.watchdog import Watchdog
from stream.errors import ConfigurationError
from stream.logs import configure_logging
from stream.settings import Settings
from stream.tables.compiled import compiled_before
from stream.treatment import policy as policies

log = structlog.get_logger()

DETECTORS = "detectors.toml"
POLICY = "policy.toml"
SHADOW_POLICY = "shadow-policy.toml"
_CHANNEL_SIZE = 4
"""Chunks on their way to a stage; the source waits beyond it."""
_OBSERVE_SECONDS = 5.0


def configuration(settings: Settings) -> Configuration:
    """The files and settings that outputs depend on. Raises ConfigurationError where a file cannot be read."""
    files = {
        DETECTORS: _text(settings.detectors_file, "EWS_DETECTORS_FILE", "stream.detectors", "defaults.toml"),
        POLICY: _text(settings.policy_file, "EWS_POLICY_FILE", "stream.treatment", "policy.toml"),
    }
    if settings.shadow_policy_file is not None:
        files[SHADOW_POLICY] = _text(settings.shadow_policy_file, "EWS_SHADOW_POLICY_FILE", "stream.treatment", "policy.toml")
    return Configuration(
        files=files,
        settings={
            "contact_from": settings.contact_from.isoformat() if settings.contact_from else "",
            "partitioner": settings.partitioner,
            "max_record_bytes": str(settings.max_record_bytes),
        },
        versions=configs.versions(),
    )


def _text(path: Path | None, variable: str, package: str, default: str) -> str:
    if path is None:
        return _packaged(package, default)
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{variable}: {path} cannot be read: {error}") from error


@cache
def _packaged(package: str, name: str) -> str:
    """Read once: an upgrade under a running worker is not a change of its configuration."""
    return resources.files(package).joinpath(name).read_text("utf-8")


def stages(config: Configuration) -> tuple[Stage, Stage]:
    """The two stages under a configuration. Worker and replay both get theirs here.

    Raises ConfigurationError that names the file and field at fault.
    """
    detectors = detector_settings.load(config.files[DETECTORS])
    policy = policies.load(config.files[POLICY])
    tried = policies.load(config.files[SHADOW_POLICY]) if SHADOW_POLICY in config.files else None
    if tried is not None and tried.version == policy.version:
        raise ConfigurationError(
            f"EWS_SHADOW_POLICY_FILE: its version, {policy.version}, is that of the policy in force: give what is tried its own"
        )
    since = config.settings.get("contact_from") or None
    contact_from = datetime.fromisoformat(since) if since else None
    return (
        Stage(
            "accounts",
            topics.ACCOUNTS_INPUTS,
            create=lambda placement: AccountsStep(placement, detectors),
            warm_up=AccountsStep.warm_up,
            configure=lambda step: step.configure(detectors),
        ),
        Stage(
            "customers",
            topics.CUSTOMERS_INPUTS,
            create=lambda placement: BesideStep(placement, policy, tried, contact_from),
            configure=lambda step: step.configure(policy, tried, contact_from),
        ),
    )


class _NoKafka(BootStrategy):
    """Faust's own consumer, tables and transactions stay out of the data path; see docs/adr/0001."""

    enable_kafka = False


class _OwnSettings(faust.Settings):
    """Faust's settings as `build` gives them: its variables (WEB_BIND, APP_WEB_TABLES_ENABLED ...) would win over that."""

    def getenv(self, env_name: str) -> None:
        """Nothing comes from Faust's variables."""


class _App(faust.App):
    BootStrategy = _NoKafka
    Settings = _OwnSettings


def build(settings: Settings, stages_of: StagesOf = stages) -> faust.App:
    """The Faust application of one worker: a source service, a channel and an agent per stage, pages of metrics and health."""
    config = configuration(settings)
    both = stages_of(config)
    _expect_free_port(settings)
    facts = checks.check(settings)
    checks.publish_configuration(settings, config)
    catalogue.show_configuration(config.hash)
    # Other stages than ours, as the engine's tests have them, know nothing of detectors and policies.
    told = tell_versions if stages_of is stages else lambda _: None
    told(config)
    catalogue.MEMORY_LIMIT.set(catalogue.memory_limit())
    if not compiled_before():
        log.info("compiling the detectors: the first start of a version takes about a minute longer")
    for stage in both:
        if stage.warm_up is not None:
            stage.warm_up()

    app = _App(
        settings.app,
        broker=f"kafka://{settings.bootstrap.split(',')[0]}",
        store="memory://",
        autodiscover=False,
        web_enabled=settings.web_port != 0,
        web_bind=settings.web_host,
        web_host=settings.web_host,
        web_port=settings.web_port or 6066,
        # A loop that is blocked must still be told of.
        web_in_thread=True,
        # Faust's own views would show the inside of the job to whoever can reach the port.
        web_tables_enabled=False,
        web_router_enabled=False,
        web_stats_enabled=False,
        web_graph_enabled=False,
        web_metrics_enabled=False,
        debug=False,
        topic_allow_declare=False,
        # Faust keeps a folder for tables, of which there are none; the working directory may be read-only.
        datadir=Path(tempfile.gettempdir()) / "ews-faust",
        loghandlers=[],
    )
    channels = {stage.name: app.channel(maxsize=_CHANNEL_SIZE) for stage in both}

    async def deliver(delivery: Delivery) -> None:
        await channels[delivery.task[0]].put(delivery)  # type: ignore[arg-type] # a channel takes any value

    source: Source | None = None

    def the_source() -> Source:
        assert source is not None, "the feed has started"
        return source

    sentinel = Sentinel(settings, the_source)
    watchdog = Watchdog(settings, lambda: source)

    def add_agent(name: str) -> None:
        @app.agent(channels[name], name=name)
        async def apply(deliveries: AsyncIterable[Delivery]) -> None:
            async def work() -> None:
                async for delivery in deliveries:
                    await the_source().apply(delivery)

            await failstop.guarded(f"agent {name}", work)

    for stage in both:
        add_agent(stage.name)

    @app.service
    class Feed(faust.Service):
        """Polls Kafka, writes ticks, watches over the topics; stops with a last commit."""

        async def on_start(self) -> None:
            nonlocal source

            async def begin() -> None:
                nonlocal source
                source = Source(
                    settings, both, facts.partitions, facts.topic_ids, config.hash, deliver, sentinel.diagnose
                )
                watchdog.start()
                tracing.start()
                await source.start()

            await failstop.guarded("start", begin)
            app.flow_control.resume()
            log.info("worker up", app=settings.app, config=config.hash, partitions=facts.partitions)

        @faust.Service.task
        async def poll(self) -> None:
            await failstop.guarded("poll", lambda: the_source().poll(self._stopping))

        @faust.Service.task
        async def tick(self) -> None:
            if settings.clock == "ticks":
                ticker = Ticker(settings, the_source())
                await failstop.guarded("tick", lambda: ticker.run(self._stopping))

        @faust.Service.task
        async def watch(self) -> None:
            await failstop.guarded("watch", lambda: sentinel.run(self._stopping))

        @faust.Service.task
        async def reread(self) -> None:
            reloader = Reloader(
                config,
                read=lambda: configuration(settings),
                stages_of=stages_of,
                publish=lambda new: checks.publish_configuration(settings, new),
                swap=the_source().configure,
                told=told,
            )
            asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, reloader.ask)
            await failstop.guarded("reload", lambda: reloader.run(self._stopping))

        @faust.Service.timer(_OBSERVE_SECONDS)
        async def observe(self) -> None:
            if source is not None:
                source.observe()
                for (_, partition), runner in source.runners.items():
                    step = runner.task.step
                    if isinstance(step, AccountsStep):
                        tell(partition, step.take_tallies())
                    elif isinstance(step, BesideStep):
                        tell_customers(partition, step.take_tallies(), step.breaker_tripped)
                tell_held([runner.task.step for runner in source.runners.values()])

        async def on_stop(self) -> None:
            watchdog.stopping()
            if source is not None:
                await failstop.guarded("stop", source.stop)
            watchdog.stop()
            await asyncio.to_thread(tracing.stop)
            log.info("worker stopped")

        def _stopping(self) -> bool:
            return bool(self.should_stop)

    @app.page("/metrics")
    async def metrics(view: View, request: Request) -> Response:
        return view.bytes(generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    @app.page("/live")
    async def live(view: View, request: Request) -> Response:
        health = watchdog.health
        return view.json({"live": not health.blocked, "blocked_seconds": health.blocked}, status=503 if health.blocked else 200)

    @app.page("/ready")
    async def ready(view: View, request: Request) -> Response:
        because = watchdog.health.because
        return view.json({"ready": not because, "because": because}, status=503 if because else 200)

    @app.page("/status")
    async def status(view: View, request: Request) -> Response:
        return view.json(watchdog.health.told())

    return app


for _detector in NAMES:
    for _severity in SEVERITIES:
        catalogue.OPEN_SIGNALS.labels(_detector, _severity)
        for _told in SIGNAL_STATUSES:
            catalogue.SIGNALS.labels(_detector, _severity, _told)
for _scheme in SCHEMES:
    catalogue.UNKNOWN_RETURN_CODES.labels(_scheme)
for _kind in outage_guard.KINDS:
    for _result in outage_guard.RESULTS:
        catalogue.OUTAGES.labels(_kind, _result)


def tell(partition: int, tallies: Mapping[tuple[str, ...], int]) -> None:
    """Puts what an accounts step counted into metrics, and outages into the log too: whom they are of is not said."""
    for (what, *labels), count in sorted(tallies.items()):
        if what == "unknown_codes":
            catalogue.UNKNOWN_RETURN_CODES.labels(*labels).inc(count)
        elif what == "signals":
            catalogue.SIGNALS.labels(*labels).inc(count)
        else:
            catalogue.OUTAGES.labels(*labels).inc(count)
            log.warning("outage guard", partition=partition, group=labels[0], result=labels[1], count=count)


for _treatment in TREATMENTS:
    for _status in ISSUE_STATUSES:
        catalogue.NUDGES.labels(_treatment, _status)
    for _arm in ARMS:
        for _cured in ("yes", "no"):
            for _answered in ("yes", "no"):
                catalogue.TRIALS.labels(_treatment, _arm, _cured, _answered)
for _queue in QUEUES:
    for _status in ISSUE_STATUSES:
        catalogue.ESCALATIONS.labels(_queue, _status)


def tell_versions(config: Configuration) -> None:
    """Tells the versions of policy and detectors, and lets decisions be counted from 0 by every rule that the policy has."""
    detectors, policy = detector_settings.load(config.files[DETECTORS]), policies.load(config.files[POLICY])
    versions = detector_settings.versions(detectors)
    catalogue.show_versions(policy.version, {name: (versions[name], getattr(detectors, name).enabled) for name in NAMES})
    for result in DECISION_RESULTS:
        for rule in ("none", *(rule.id for rule in policy.rules)):
            catalogue.DECISIONS.labels(result, rule)


def tell_held(steps: Iterable[Step]) -> None:
    """Tells how much state the worker's tasks hold, and which signs stand open on it."""
    held: Counter[str] = Counter()
    signs: Counter[tuple[str, str]] = Counter()
    for step in steps:
        if isinstance(step, AccountsStep):
            held["accounts"] += step.held
            signs.update(step.open_signals())
        elif isinstance(step, BesideStep):
            held["customers"] += step.held
    for stage in ("accounts", "customers"):
        catalogue.HELD.labels(stage).set(held[stage])
    for detector in NAMES:
        for severity in SEVERITIES:
            catalogue.OPEN_SIGNALS.labels(detector, severity).set(signs[detector, severity])


_tripped: set[int] = set()
"""Partitions whose breaker the log has told of."""


def tell_customers(partition: int, tallies: Mapping[tuple[str, ...], int], breaker_tripped: bool) -> None:
    """Puts what a customers step counted into metrics, and a breaker that has tripped into the log too."""
    counters = {
        "nudges": catalogue.NUDGES,
        "escalations": catalogue.ESCALATIONS,
        "decisions": catalogue.DECISIONS,
        "trial": catalogue.TRIALS,
    }
    for (what, *labels), count in sorted(tallies.items()):
        if what in counters:
            counters[what].labels(*labels).inc(count)
        elif what == "lead" and labels[0]:
            for _ in range(count):
                catalogue.LEAD_SECONDS.observe(int(labels[0]) * 86_400)
        elif what == "lead":
            catalogue.UNWARNED.inc(count)
    if breaker_tripped and partition not in _tripped:
        log.error("nudges wait: more people than the policy's share would be written to in an hour", partition=partition)
    (_tripped.add if breaker_tripped else _tripped.discard)(partition)
    catalogue.BREAKER.labels(str(partition)).set(breaker_tripped)


def _expect_free_port(settings: Settings) -> None:
    """Raises ConfigurationError where the metrics page could not be served."""
    if settings.web_port == 0:
        return
    try:
        with socket.create_server((settings.web_host, settings.web_port)):
            pass
    except OSError as error:
        raise ConfigurationError(
            f"EWS_WEB_PORT: {settings.web_host}:{settings.web_port} cannot be used ({os.strerror(error.errno or 0)}): another "
            "worker on this machine? Give each its own, or 0 for none"
        ) from error


def run(settings: Settings, stages_of: StagesOf = stages) -> None:
    """Runs a worker until SIGTERM or SIGINT. Does not return: the process ends with 0, or by fail-stop."""
    configure_logging(settings.log_level)
    # A core file would hold every customer's record, and the password.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    faulthandler.enable()  # a crash in a compiled library leaves stacks at least: files and lines, no values
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # until there is something that can be reloaded
    loop = asyncio.new_event_loop()
    loop.set_exception_handler(_tell_of_a_lost_task)
    asyncio.set_event_loop(loop)
    try:
        app = build(settings, stages_of)
    except Exception as error:
        failstop.stop(error, "start")
    worker = faust.Worker(
        app, loop=loop, quiet=True, override_logging=False, redirect_stdouts=False, loglevel="WARNING"
    )
    worker.spinner = None
    # State is millions of objects that stay: looking through them for cycles again and again costs a tenth of the CPU and more.
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 50, 50)
    try:
        worker.execute_from_commandline()
    except SystemExit as ended:
        failstop.leave(ended.code)


def _tell_of_a_lost_task(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """As asyncio's own, which would print the task, and with it the text of its exception."""
    log.error("asyncio", what=context["message"], exc_info=context.get("exception"))
