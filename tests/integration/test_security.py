"""Logins and rights on a real Kafka: the job and its commands run with exactly what `stream.rights` lists, and not with less."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest
from confluent_kafka.admin import AclBinding, AclBindingFilter, AclOperation, AclPermissionType, ResourcePatternType, ResourceType
from typer.testing import CliRunner

from stream.cli import app
from stream.engine import checks, deadletters
from stream.engine.offline import Line
from stream.engine.step import Refused
from stream.errors import ConfigurationError, Reason
from stream.rights import Right, Role, rights
from stream.topics import BY_NAME
from tests.kafka import Broker, Message, Process, Security, planted, start_worker, wait_until
from tests.kafka.bank import DAY, account, customer, message, noon_zone, trouble
from tests.kafka.job import PARTITIONS, Job
from tests.kafka.planted import PASSWORD
from tests.valkey import running

pytestmark = pytest.mark.kafka

RESOURCES = {
    "topic": ResourceType.TOPIC,
    "group": ResourceType.GROUP,
    "transactional-id": ResourceType.TRANSACTIONAL_ID,  # type: ignore[attr-defined]
}
OPERATIONS = {
    "Create": AclOperation.CREATE,
    "Describe": AclOperation.DESCRIBE,
    "DescribeConfigs": AclOperation.DESCRIBE_CONFIGS,
    "Read": AclOperation.READ,
    "Write": AclOperation.WRITE,
}
EXAMPLES = Path(__file__).parents[1] / "contract" / "examples"
CERTIFICATE = "ews"
"""The common name of the harness's client certificate, and so its holder's login."""


class Bank:
    """A broker that asks everybody for a login and for rights, and the job on it under a login for each role."""

    def __init__(self, broker: Broker, folder: Path) -> None:
        self.broker = broker
        self.admin = broker.client.admin
        self.folder = folder
        password = folder / "password"
        password.write_text(f"{PASSWORD}\n")
        assert broker.certificates is not None
        self.tls = {"EWS_SSL_CA_FILE": str(broker.certificates.ca)}
        self.login = {
            **self.tls,
            "EWS_BOOTSTRAP": broker.sasl_bootstrap,
            "EWS_SECURITY_PROTOCOL": "SASL_SSL",
            "EWS_SASL_PASSWORD_FILE": str(password),
        }
        self.certificate = {
            **self.tls,
            "EWS_BOOTSTRAP": broker.mtls_bootstrap,
            "EWS_SECURITY_PROTOCOL": "SSL",
            "EWS_SSL_CERT_FILE": str(broker.certificates.client),
            "EWS_SSL_KEY_FILE": str(broker.certificates.client_key),
        }
        self.job = Job(broker, folder, "bank.", EWS_APP="early", **self.login, EWS_SASL_USERNAME=Role.WORKER.value)
        self.settings = self.job.settings()

    def grant(self, user: str, granted: Sequence[Right]) -> None:
        for future in self.admin.create_acls([self._binding(user, right) for right in granted]).values():
            future.result(timeout=30)

    def withdraw(self, user: str, right: Right) -> None:
        binding = self._binding(user, right)
        wanted = AclBindingFilter(
            binding.restype, binding.name, binding.resource_pattern_type, binding.principal,
            binding.host, binding.operation, binding.permission_type,
        )  # fmt: skip
        [gone] = [future.result(timeout=30) for future in self.admin.delete_acls([wanted]).values()]
        assert len(gone) == 1, f"{right} was granted"

    @staticmethod
    def _binding(user: str, right: Right) -> AclBinding:
        pattern = ResourcePatternType.PREFIXED if right.prefixed else ResourcePatternType.LITERAL
        operation = OPERATIONS[right.operation]
        return AclBinding(
            RESOURCES[right.kind], right.name, pattern, f"User:{user}", "*", operation, AclPermissionType.ALLOW
        )  # fmt: skip

    def ews(self, role: Role, *command: str) -> str:
        """Runs a command under the login of a role; its output. What it raises comes through."""
        env = {**self.job.env, "EWS_SASL_USERNAME": role.value}
        done = CliRunner().invoke(app, command, env=env)
        assert planted.marks(done.stderr) == []
        if isinstance(done.exception, ConfigurationError):
            raise done.exception
        assert done.exit_code == 0, done.stderr + repr(done.exception)
        return done.stdout

    def check(self) -> None:
        """What a worker does before it joins."""
        checks.check(self.settings)

    def refusal(self, worker: Process) -> str:
        """What a worker says that ends for want of a right."""
        assert worker.wait(60) == 3, worker.tail()
        assert "Traceback" not in worker.log()
        last = worker.log().splitlines()[-1]
        assert '"fail-stop"' in last
        assert '"RightsError"' in last
        return last


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bank]:
    """Made by the login `setup`, run by the login `worker`, each with the rights of its role and no other."""
    folder = tmp_path_factory.mktemp("secured")
    users = {role.value: PASSWORD for role in Role}
    with Broker(folder / "broker", security=Security(users=users, acls=True)) as broker:
        made = Bank(broker, folder)
        for role in Role:
            made.grant(role.value, rights(role, made.settings))
        wait_until(lambda: denied(lambda: made.ews(Role.SETUP, "topics", "create")) == "", 30, "the topics are made")
        try:
            yield made
        finally:
            made.job.close()
            print(made.job.tails())


def denied(call: Callable[[], object]) -> str:
    """What is said where a right is missing; nothing where none is."""
    try:
        call()
    except ConfigurationError as error:
        return str(error)
    return ""


def expect_denial(bank: Bank, user: str, right: Right, call: Callable[[], object]) -> str:
    """Without the right the call names it, and nothing else; what it says."""
    bank.withdraw(user, right)
    try:
        said = wait_until(lambda: denied(call), 20, f"a refusal without {right}")
    finally:
        bank.grant(user, [right])
    assert right.name in said
    assert right.operation in said
    others = {each.name for each in rights(Role(user), bank.settings)} - {right.name}
    assert not {name for name in others if name in said.replace(",", "").split()}, said
    return said


def bring_trouble(bank: Bank, number: int) -> None:
    now = datetime.now(UTC)
    then, zone = now - 30 * DAY, noon_zone(now)
    bank.job.produce("accounts", [message(account(number, then), then)])
    bank.job.produce("customers", [message(customer(f"C-{number}", then, zone), then)])
    bank.job.produce("bounces", [record for _, record in trouble(number, now)])


def test_the_job_and_its_commands_run_with_the_least_rights(bank: Bank) -> None:
    """Over SASL and TLS as `worker`, and then over mTLS as the holder of the certificate, whose nudges are one job's."""
    job = bank.job
    bring_trouble(bank, 1)
    first = job.start()
    [nudge] = job.wait_for("nudges", 1)
    first.terminate()
    assert first.wait(60) == 0
    bank.grant(CERTIFICATE, rights(Role.WORKER, bank.settings))
    second = job.start("certificate", **bank.certificate, EWS_SASL_PASSWORD_FILE="", EWS_SASL_USERNAME="")
    bring_trouble(bank, 2)
    job.wait_for("nudges", 2)
    second.terminate()
    assert second.wait(60) == 0
    bank.check()
    bank.ews(Role.WORKER, "topics", "check")
    said = bank.ews(Role.EXPLAIN, "explain", json.loads(nudge.value or b"")["nudge_id"])
    assert len(said) > 200
    bank.ews(Role.REPLAY, "replay", "--journal", str(bank.folder / "replayed"))
    assert (bank.folder / "replayed" / "nudges.jsonl").read_text().count("\n") == 2
    assert "trials of" in bank.ews(Role.REPORT, "report")
    told = bank.ews(Role.OPERATOR, "operator", "resume", "--everybody", "--why", "a test of rights")
    assert f"0-{PARTITIONS - 1}" in told


def test_a_worker_that_lacks_a_right_names_it_before_it_joins(bank: Bank) -> None:
    wait_until(lambda: denied(bank.check) == "", 20, "nothing is missing")
    asked = [right for right in rights(Role.WORKER, bank.settings) if right.kind != "transactional-id"]
    assert len(asked) > 40
    for right in asked:
        expect_denial(bank, Role.WORKER.value, right, bank.check)
    wait_until(lambda: denied(bank.check) == "", 20, "nothing is missing any more")


def test_a_command_that_lacks_a_right_names_it(bank: Bank) -> None:
    commands = {
        Role.SETUP: ("topics", "create"),
        Role.REPLAY: ("replay", "--journal", str(bank.folder / "again")),
        Role.STATE: ("state", "verify"),
        Role.EXPLAIN: ("explain", json.loads(bank.job.read("nudges")[0].value or b"")["nudge_id"]),
        Role.REPORT: ("report",),
        Role.OPERATOR: ("operator", "resume", "--everybody", "--why", "a test of rights"),
    }
    for role, command in commands.items():
        for right in rights(role, bank.settings):
            if right.operation == "Create":
                continue  # the topics are there: nothing is created

            def run(role: Role = role, command: tuple[str, ...] = command) -> None:
                bank.ews(role, *command)

            expect_denial(bank, role.value, right, run)


def test_the_view_follows_with_the_least_rights_and_names_the_topic_that_it_lacks(bank: Bank, tmp_path: Path) -> None:
    with running(tmp_path / "valkey") as valkey:
        env = {**bank.job.env, "EWS_SASL_USERNAME": Role.VIEW.value, "EWS_REDIS_URL": valkey.url}
        view = start_worker(env, tmp_path, "view", ("view",))
        try:
            wait_until(lambda: valkey.client().get("bank.early:view:current"), 60, "a generation is built")
            group = f"{bank.settings.group}-view"
            topic = bank.settings.topic("customers")
            wait_until(lambda: max(bank.job.client.committed(group, topic)) > 0, 60, "it follows as a member of its group")
            assert view.stop() == 0
        finally:
            view.kill()
            print(view.tail())
        for right in [right for right in rights(Role.VIEW, bank.settings) if right.kind == "topic"]:
            rebuild = ("view", "--rebuild", "--redis-url", valkey.url)
            expect_denial(bank, Role.VIEW.value, right, partial(bank.ews, Role.VIEW, *rebuild))


def test_who_may_not_create_is_told_which_topic(bank: Bank) -> None:
    name = bank.settings.topic("dead-letters")
    bank.admin.delete_topics([name])[name].result(timeout=30)
    right = Right("topic", name, "Create")
    try:
        expect_denial(bank, Role.SETUP.value, right, lambda: bank.ews(Role.SETUP, "topics", "create"))
    finally:
        wait_until(lambda: denied(lambda: bank.ews(Role.SETUP, "topics", "create")) == "", 20, "it is made again")


def test_a_worker_without_its_transactional_ids_ends_and_says_so(bank: Bank) -> None:
    """Kafka tells of no right to a transactional id but by refusing it."""
    for right in [right for right in rights(Role.WORKER, bank.settings) if right.kind == "transactional-id"]:
        bank.withdraw(Role.WORKER.value, right)
        try:
            last = bank.refusal(bank.job.start())
        finally:
            bank.grant(Role.WORKER.value, [right])
        assert "Write on transactional-id " + right.name in last


@pytest.mark.parametrize(
    ("kind", "logical", "operation"),
    [("topic", "journal", "Write"), ("topic", "payments", "Read"), ("topic", "ticks", "Write"), ("group", "early", "Read")],
)
def test_a_right_that_is_taken_from_a_running_worker_ends_it(bank: Bank, kind: str, logical: str, operation: str) -> None:
    name = bank.settings.topic(logical)
    right = next(
        each for each in rights(Role.WORKER, bank.settings) if (each.kind, each.name, each.operation) == (kind, name, operation)
    )
    wait_until(lambda: denied(bank.check) == "", 20, "nothing is missing")
    worker = bank.job.start()
    wait_until(lambda: worker.log().count('"task open"') == 2 * PARTITIONS or worker.returncode, 60, "the worker is up")
    bank.withdraw(Role.WORKER.value, right)
    try:
        last = bank.refusal(worker)
    finally:
        bank.grant(Role.WORKER.value, [right])
    assert str(right) in last


def test_who_redrives_needs_each_right_and_is_told_what_was_sent(bank: Bank) -> None:
    """One letter of each topic, anew for each right; with all rights, all of them are sent."""
    numbers = itertools.count()
    topics = [r.name for r in rights(Role.DLQ, bank.settings) if r.kind == "topic" and "dead-letters" not in r.name]
    prefix = bank.settings.topic_prefix

    def redrive() -> None:
        offset = next(numbers)
        for topic in topics:
            name = topic.removeprefix(prefix)
            value = (EXAMPLES / f"{name}.json").read_bytes()
            key = json.loads(value)[BY_NAME[name].key].encode()
            line = Line(offset, round(time.time() * 1000), key, value, ())
            letter = deadletters.wrap(topic, 0, line, Refused(0, Reason.MISPARTITIONED, "x"), 1_000_000)
            bank.job.client.produce(prefix + "dead-letters", [Message(0, letter.key, letter.value, list(letter.headers))])
        bank.ews(Role.DLQ, "dlq", "redrive", "--reason", "mispartitioned", "--yes")

    redrive()
    told = [expect_denial(bank, Role.DLQ.value, right, redrive) for right in rights(Role.DLQ, bank.settings)]
    assert any("nothing was sent" in each for each in told), "of a refusal in the middle of it"
