"""A login by bearer token on a real Kafka, which ends each connection with its token: work, renewal, and what can be wrong."""

from __future__ import annotations

import asyncio
import itertools
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from aiokafka.admin import AIOKafkaAdminClient

from stream.agents.accounts import AccountsStep
from stream.engine import checks
from stream.errors import TokenError
from tests.kafka import Broker, Process, Security, wait_until
from tests.kafka.bank import DAY, account, bounce, message
from tests.kafka.job import PARTITIONS, Job
from tests.kafka.security import unsecured_token

pytestmark = pytest.mark.kafka

LIFE = 15.0
"""Seconds that a token of the sidecar is good for."""


class Sidecar:
    """Renews the token on disk long before it expires, as a sidecar or the kubelet would; a context manager."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.issued: list[str] = []
        self.expires = 0.0
        self._done = threading.Event()
        self._thread: threading.Thread | None = None

    def issue(self, life: float = LIFE) -> str:
        """A token, and into the file with it."""
        self.expires = time.time() + life
        self.issued.append(token := unsecured_token("ews", self.expires))
        fresh = self.file.with_suffix(".new")
        fresh.write_text(token + "\n")
        fresh.rename(self.file)
        return token

    def __enter__(self) -> None:
        self._done.clear()
        self.issue()
        self._thread = threading.Thread(target=self._renew)
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._done.set()
        assert self._thread is not None
        self._thread.join()

    def _renew(self) -> None:
        while not self._done.wait(LIFE / 5):
            self.issue()


WRONG = {
    "none": (None, "TokenError", "cannot be read: No such file or directory"),
    "expired": (unsecured_token("ews", 1_700_000_000), "TokenError", "expired at 2023-11-14"),
    "strange": ("not-of-this-bank", "ConfigurationError", "does not take this login: is the token what the brokers want"),
}
"""Tokens with which no worker starts: the file's content, the error, and words of it."""


class Bank:
    """A job whose login is a token, and what it finds of customers in trouble."""

    def __init__(self, broker: Broker, folder: Path) -> None:
        assert broker.certificates is not None
        self.sidecar = Sidecar(folder / "token")
        self.job = Job(
            broker,
            folder,
            EWS_BOOTSTRAP=broker.sasl_bootstrap,
            EWS_SECURITY_PROTOCOL="SASL_SSL",
            EWS_SSL_CA_FILE=str(broker.certificates.ca),
            EWS_SASL_MECHANISM="OAUTHBEARER",
            EWS_SASL_OAUTH_TOKEN_FILE=str(self.sidecar.file),
        )
        self._numbers = itertools.count(1)
        # Brokers that refuse a token are asked for 20 seconds: meanwhile the others are tested.
        self.refused = {name: self._start_with(folder / f"{name}-token", content) for name, (content, _, _) in WRONG.items()}

    def _start_with(self, file: Path, content: str | None) -> Process:
        if content is not None:
            file.write_text(content)
        return self.job.start(file.name, EWS_SASL_OAUTH_TOKEN_FILE=str(file))

    def expect_signal(self) -> None:
        """One more account gets into trouble, and the worker says so."""
        number, now = next(self._numbers), datetime.now(UTC)
        self.job.produce("accounts", [message(account(number, now - DAY), now - DAY)])
        self.job.produce("bounces", [message(bounce(number, f"b{number}", now), now)])
        self.job.wait_for("signals", number, 120)

    def told(self, worker: Process) -> str:
        """What a worker said, in which there is no token."""
        log = worker.log() + worker.output()
        for token in self.sidecar.issued:
            assert not [part for part in token.split(".") if len(part) > 30 and part in log]
        return log


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bank]:
    folder = tmp_path_factory.mktemp("oauth")
    AccountsStep.warm_up()
    with Broker(folder / "broker", security=Security(oauth=True)) as broker:
        made = Bank(broker, folder)
        try:
            with made.sidecar:
                made.job.create_topics()
            yield made
        finally:
            made.job.close()
            print(made.job.tails())


def test_a_worker_takes_up_each_renewed_token_and_waits_where_there_is_none(bank: Bank) -> None:
    job, sidecar = bank.job, bank.sidecar
    with sidecar:
        first = sidecar.expires
        worker = job.start()
        settings = job.settings()
        admin, topics = checks.Admin(settings), [topic.name for topic in checks.wanted(settings)]
        bank.expect_signal()
        wait_until(lambda: time.time() > first, 2 * LIFE, "the token that it started with has expired")
        bank.expect_signal()
        # The client that has been there since then too: it has asked for tokens by itself.
        assert all(admin.find(topics).values())
    wait_until(lambda: "is a token that expired at" in bank.told(worker), 120, "the worker says that nobody renews the token")
    assert worker.running
    with sidecar:
        bank.expect_signal()
    # aiokafka takes a refused login for a good one, and the answer to what it asks then for an error of the request.
    sidecar.file.write_text("not-of-this-bank")
    # It ends where that happens to a commit, and waits where it happens to a question.
    wait_until(lambda: "IllegalSaslStateError" in bank.told(worker), 120, "the worker meets the refusal")
    assert worker.running or worker.returncode == 1
    assert "not-of-this-bank" not in bank.told(worker)
    job.check_journal()
    assert len(job.read("signals")) == len({record.key for record in job.read("signals")}) == 3


@pytest.mark.parametrize("name", WRONG)
def test_a_worker_without_a_good_token_ends_at_the_start_and_says_why(bank: Bank, name: str) -> None:
    worker, (content, error, words) = bank.refused[name], WRONG[name]
    assert worker.wait(120) == 3, worker.tail()
    last = worker.log().splitlines()[-1]
    assert f'"{error}"' in last
    assert words in last
    assert content is None or content not in worker.log()
    assert "Traceback" not in worker.log()


def test_a_command_tells_the_token_and_one_that_fails_is_named(bank: Bank, tmp_path: Path) -> None:
    program, answer = tmp_path / "token.py", tmp_path / "answer"
    program.write_text("import pathlib, sys\nprint(pathlib.Path(sys.argv[1]).read_text())\n")
    command = f"{sys.executable} -I {program} {answer}"
    settings = bank.job.settings(sasl_oauth_token_file=None, sasl_oauth_token_command=command)
    with pytest.raises(TokenError, match="EWS_SASL_OAUTH_TOKEN_COMMAND: it ended with code 1"):
        checks.check(settings)
    answer.write_text(bank.sidecar.issue(3600))
    settings = bank.job.settings(sasl_oauth_token_file=None, sasl_oauth_token_command=command)
    assert checks.check(settings).partitions == PARTITIONS

    async def ask() -> set[str]:
        client = AIOKafkaAdminClient(**settings.aiokafka())
        await client.start()
        try:
            return set(await client.list_topics())
        finally:
            await client.close()

    assert settings.topic("signals") in asyncio.run(ask())
