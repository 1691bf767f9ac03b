"""`ews operator`: whose word reaches which partitions, and what is told when it does not reach them all."""

from __future__ import annotations

import getpass
import itertools
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import typer
from click.testing import Result
from confluent_kafka import KafkaError
from typer.testing import CliRunner

from stream.cli import app
from stream.contracts import DECODE
from stream.engine import deliver, rerun
from stream.engine.deliver import Delivery
from stream.engine.embedded import PARTITIONS, EmbeddedBroker
from stream.engine.partitioner import Partitioner, partition_of
from stream.errors import EwsError, RightsError, TopicsError
from tests.unit.cli.committed import committed

_numbers = itertools.count()


def ews(*words: str) -> Result:
    return CliRunner().invoke(app, list(words))


class Bank:
    """An `operator-actions` topic of one's own."""

    def __init__(self, broker: EmbeddedBroker) -> None:
        self.prefix = f"o{next(_numbers)}-"
        self.bootstrap = broker.bootstrap
        broker.create([f"{self.prefix}operator-actions"])

    def ews(self, *words: str) -> Result:
        return ews(*words, "--bootstrap", self.bootstrap, "--topic-prefix", self.prefix)

    def found(self) -> dict[int, list[tuple[bytes, dict[str, Any], int]]]:
        """Key, value and timestamp by partition. Each value is one that the job takes."""
        found: dict[int, list[tuple[bytes, dict[str, Any], int]]] = {}
        for message in committed(self.bootstrap, f"{self.prefix}operator-actions", PARTITIONS):
            DECODE["operator-actions"](message.value())
            record = (message.key(), json.loads(message.value()), message.timestamp()[1])
            found.setdefault(message.partition(), []).append(record)
        return found


@pytest.fixture(scope="module")
def broker() -> EmbeddedBroker:
    return EmbeddedBroker()


@pytest.fixture
def bank(broker: EmbeddedBroker) -> Bank:
    return Bank(broker)


def test_a_word_for_everybody_is_one_event_in_every_partition(bank: Bank) -> None:
    before = datetime.now(UTC) - timedelta(seconds=1)
    done = bank.ews("operator", "stop", "--everybody", "--why", "words went out wrong", "--who", "ann", "-o", "json")
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert told["partitions"] == list(range(PARTITIONS))
    found = bank.found()
    assert sorted(found) == list(range(PARTITIONS))
    [(key, value, timestamp)] = found[0]
    assert all(records == found[0] for records in found.values())
    assert key == b"*"
    assert value == told["event"]
    assert value.keys() == {"event_id", "occurred_at", "action", "who", "why"}
    assert (value["action"], value["who"], value["why"]) == ("stop_nudges", "ann", "words went out wrong")
    at = datetime.fromisoformat(value["occurred_at"])
    assert before <= at <= datetime.now(UTC)
    assert timestamp == round(at.timestamp() * 1000)


@pytest.mark.parametrize("partitioner", ["murmur2", "crc32"])
def test_a_word_about_one_customer_lies_where_the_inputs_lie(
    bank: Bank, monkeypatch: pytest.MonkeyPatch, partitioner: Partitioner
) -> None:
    key = next(
        f"C-{n}" for n in range(99) if partition_of(b"C-%d" % n, PARTITIONS) != partition_of(b"C-%d" % n, PARTITIONS, "crc32")
    )
    monkeypatch.setenv("EWS_PARTITIONER", partitioner)
    assert bank.ews("operator", "resume", "--customer", key, "--why", "asked to").exit_code == 0
    [(partition, [(found, value, _)])] = bank.found().items()
    assert partition == partition_of(key.encode(), PARTITIONS, partitioner)
    assert (found, value["customer_id"], value["action"]) == (key.encode(), key, "resume_nudges")


def test_a_snooze_carries_its_detector_and_its_end(bank: Bank) -> None:
    options = ("--everybody", "--why", "outage", "--detector", "bounce_pressure")
    assert bank.ews("operator", "snooze", *options, "--until", "2999-01-01T00:00:00+01:00").exit_code == 0
    assert bank.ews("operator", "unsnooze", *options).exit_code == 0
    first, second = (value for _, value, _ in bank.found()[0])
    assert (first["action"], first["detector"], first["until"]) == ("snooze", "bounce_pressure", "2999-01-01T00:00:00+01:00")
    assert (second["action"], second["detector"], second.get("until")) == ("unsnooze", "bounce_pressure", None)


@pytest.mark.parametrize("command", ["operator", "policy"])
def test_the_breaker_is_released_for_everybody_by_either_name(bank: Bank, command: str) -> None:
    assert bank.ews(command, "release", "--why", "looked at it").exit_code == 0
    found = bank.found()
    assert len(found) == PARTITIONS
    assert {value["action"] for records in found.values() for _, value, _ in records} == {"release_breaker"}
    assert ews(command, "release", "--why", "x", "--customer", "C-1").exit_code == 2


def test_the_table_tells_id_and_partitions(bank: Bank) -> None:
    told = bank.ews("operator", "stop", "--everybody", "--why", "x", "--event-id", "stop-1").stdout.splitlines()
    assert told[1].split() == ["stop-1", "stop_nudges", "everybody", f"0-{PARTITIONS - 1}"]


def test_when_some_partitions_fail_those_that_have_it_are_told_and_the_same_id_mends_it(
    bank: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(rerun, "partitions", lambda *_: PARTITIONS + 2)
        done = bank.ews("operator", "stop", "--everybody", "--why", "x", "-o", "json")
    assert isinstance(done.exception, EwsError)
    assert done.exception.exit_code == 1
    told = json.loads(done.stdout)
    name = told["event"]["event_id"]
    assert (told["partitions"], told["missing"]) == ([0, 1, 2, 3], [4, 5])
    words = str(done.exception)
    assert f"event {name} is in partitions 0-3 of {bank.prefix}operator-actions" in words
    assert "was not acknowledged in partitions 4-5" in words
    assert f"--event-id {name}: that is safe" in words
    assert bank.ews("operator", "stop", "--everybody", "--why", "x", "--event-id", name).exit_code == 0
    assert {value["event_id"] for records in bank.found().values() for _, value, _ in records} == {name}


@pytest.mark.parametrize(
    ("code", "kind", "words"),
    [
        (KafkaError.TOPIC_AUTHORIZATION_FAILED, RightsError, "this login lacks Write on topic"),
        (KafkaError._MSG_TIMED_OUT, EwsError, "event e1 was not acknowledged in partition 2 of"),
    ],
)
def test_when_none_has_it_the_way_out_depends_on_why(
    bank: Bank, monkeypatch: pytest.MonkeyPatch, code: int, kind: type[EwsError], words: str
) -> None:
    monkeypatch.setattr(deliver, "deliver", lambda *_: Delivery([], {2: KafkaError(code)}))
    done = bank.ews("operator", "stop", "--customer", "C-1", "--why", "x", "--event-id", "e1")
    assert type(done.exception) is kind
    assert words in str(done.exception)
    assert done.stdout == ""


def test_a_dry_run_asks_no_broker() -> None:
    done = ews("operator", "stop", "--customer", "C-1", "--why", "x", "--dry-run", "-o", "json", "-b", "127.0.0.1:1")
    assert done.exit_code == 0
    told = json.loads(done.stdout)
    assert (told["customer_id"], told["action"], told["who"]) == ("C-1", "stop_nudges", getpass.getuser())
    assert "[/x] :no_entry:" in ews("operator", "stop", "--customer", "C-1", "--why", "[/x] :no_entry:", "--dry-run").stdout


def test_each_event_has_an_id_of_its_own() -> None:
    told = [ews("operator", "release", "--why", "x", "--dry-run", "-o", "json").stdout for _ in range(2)]
    assert len({json.loads(one)["event_id"] for one in told}) == 2


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("stop",), "--customer"),
        (("stop", "--everybody", "--customer", "C-1"), "--customer"),
        (("stop", "--customer", "*"), "--everybody"),
        (("stop", "--customer", ""), "--customer"),
        (("stop", "--customer", "x" * 65), "--customer"),
        (("stop", "--customer", "a\nb"), "--customer"),
        (("stop", "--customer", "a\udcff"), "UTF-8"),
        (("stop", "--everybody", "--who", " "), "--who"),
        (("stop", "--everybody", "--event-id", ""), "--event-id"),
        (("stop", "--everybody", "--why", "x" * 1001), "--why"),
        (("stop", "--everybody", "--why", ""), "--why"),
        (("snooze", "--everybody", "--detector", "palmistry"), "bounce_pressure"),
        (("snooze", "--everybody", "--until", "2999-01-01T00:00:00"), "--until"),
        (("snooze", "--everybody", "--until", "2020-01-01T00:00:00Z"), "--until"),
        (("stop", "--everybody", "--until", "2999-01-01T00:00:00Z"), "--until"),
    ],
)
def test_a_wrong_use_is_told_before_anything_is_written(words: tuple[str, ...], told: str) -> None:
    why = () if "--why" in words else ("--why", "x")
    done = ews("operator", *words, *why, "-b", "127.0.0.1:1")
    assert done.exit_code == 2
    assert told in done.stderr


def test_without_a_reason_nothing_is_done() -> None:
    done = ews("operator", "stop", "--everybody")
    assert done.exit_code == 2
    assert "--why" in done.stderr


def test_a_login_without_a_name_must_say_who(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody() -> str:
        raise OSError

    monkeypatch.setattr(getpass, "getuser", nobody)
    assert "--who" in ews("operator", "release", "--why", "x", "--dry-run").stderr
    assert ews("operator", "release", "--why", "x", "--who", "ann", "--dry-run").exit_code == 0


def test_a_topic_that_is_missing_is_a_matter_of_configuration(bank: Bank) -> None:
    done = ews("operator", "stop", "--everybody", "--why", "x", "-b", bank.bootstrap, "--topic-prefix", "nowhere.")
    assert isinstance(done.exception, TopicsError)
    assert "nowhere.operator-actions" in str(done.exception)


def test_every_option_is_also_a_variable_and_says_what_it_is() -> None:
    group = typer.main.get_command(app)
    assert isinstance(group, typer.core.TyperGroup)
    commands = [*group.commands["operator"].commands.values(), *group.commands["policy"].commands.values()]  # type: ignore[attr-defined]
    for command in (*commands, group.commands["report"]):
        for parameter in command.params:
            assert str(parameter.envvar).startswith("EWS_"), (command.name, parameter.name)
            assert getattr(parameter, "help", None), (command.name, parameter.name)


def test_a_reason_may_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EWS_OPERATOR_WHY", "as agreed")
    monkeypatch.setenv("EWS_OPERATOR_EVERYBODY", "1")
    told = json.loads(ews("operator", "stop", "--dry-run", "-o", "json").stdout)
    assert (told["why"], told.get("customer_id")) == ("as agreed", None)
