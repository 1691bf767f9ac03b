"""Brokers and workers for the tests that run on the real thing. Whatever is started here is ended here."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

import pytest

from stream.agents.accounts import AccountsStep
from tests.kafka import Broker, Process, Security, planted, start_worker
from tests.kafka.job import Job

_numbers = itertools.count(1)


class MakeBroker(Protocol):
    """Starts a broker of the test's own."""

    def __call__(
        self,
        *,
        security: Security | None = None,
        settings: Mapping[str, str] | None = None,
        start: bool = True,
    ) -> Broker: ...


class StartWorker(Protocol):
    """Starts `ews worker`, or another command, with these EWS_* settings."""

    def __call__(
        self, settings: Mapping[str, str], *, name: str = "worker", args: Sequence[str] = ("worker",)
    ) -> Process: ...


@pytest.fixture(scope="session", autouse=True)
def nothing_planted_shows() -> Iterator[None]:
    """Fails the run where any program that a test started has told a secret, or a customer's data."""
    yield
    assert not (shown := planted.shown(Process.started)), "told by programs of the tests:\n" + "\n".join(shown)


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """The shared broker: open, never killed or paused. Tests keep apart by `prefix`."""
    # Else the first worker of the first test would compile for a minute while the test waits.
    AccountsStep.warm_up()
    with Broker(tmp_path_factory.mktemp("broker")) as shared:
        yield shared


@pytest.fixture
def make_broker(tmp_path: Path) -> Iterator[MakeBroker]:
    """Makes brokers that the test may kill, freeze, secure or set up in its own way."""
    made: list[Broker] = []

    def make(
        *, security: Security | None = None, settings: Mapping[str, str] | None = None, start: bool = True
    ) -> Broker:
        own = Broker(tmp_path / f"broker-{len(made)}", security=security, settings=settings)
        made.append(own)
        if start:
            own.start()
        return own

    yield make
    for own in made:
        print(f"--- {own.folder.name}\n{own.log()[-5000:]}")  # pytest shows it where the test failed
        own.close()


@pytest.fixture
def prefix(request: pytest.FixtureRequest) -> Iterator[str]:
    """A prefix for topics, groups and transactions that no other test has. Its topics go with the test."""
    unique = f"t{next(_numbers):03d}-"
    yield unique
    if "broker" in request.fixturenames:
        client = request.getfixturevalue("broker").client
        client.delete_topic(*(name for name in client.topics() if name.startswith(unique)))


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[StartWorker]:
    """Starts workers; those still running at the test's end are killed, and the logs shown if it failed."""
    started: list[Process] = []

    def start(
        settings: Mapping[str, str], *, name: str = "worker", args: Sequence[str] = ("worker",)
    ) -> Process:
        process = start_worker(settings, tmp_path, f"{name}-{len(started)}", args)
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
    for process in started:
        print(f"--- {process.stderr_file.name} (exit {process.returncode})\n{process.tail()}")


@pytest.fixture
def run_program(tmp_path: Path) -> Iterator[Callable[..., Process]]:
    """Starts any command; killed at the test's end."""
    started: list[Process] = []

    def start(*command: str) -> Process:
        started.append(Process(command, tmp_path, f"program-{len(started)}"))
        return started[-1]

    yield start
    for process in started:
        process.kill()


@pytest.fixture
def job(broker: Broker, prefix: str, tmp_path: Path) -> Iterator[Job]:
    """The real job on the shared broker, its topics made."""
    real = Job(broker, tmp_path, prefix)
    real.create_topics()
    yield real
    real.close()
    print(real.tails())


@pytest.fixture
def now() -> datetime:
    return datetime.now(UTC)
