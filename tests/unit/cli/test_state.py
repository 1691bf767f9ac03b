"""`ews state`: what is stored is found, told without saying whose it is, and exported whole."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import pytest
from click.testing import Result
from confluent_kafka import Producer
from typer.testing import CliRunner

from stream import settings, topics
from stream.cli import app
from stream.engine import checkpoint, export
from stream.engine.checks import STAGES
from stream.engine.embedded import PARTITIONS, EmbeddedBroker
from stream.engine.partitioner import partition_of
from stream.errors import ConfigurationError, EwsError
from stream.tables import customer
from stream.tables.customer import Customer, Hold

_numbers = itertools.count()
POSITION = checkpoint.encode(checkpoint.Checkpoint({"holds": 7}, {}, PARTITIONS, "murmur2"))
HELD = customer.encode(Customer("C-secret", holds={"H-secret": Hold("H-secret", "dispute", 1, 2)}))
PLACE = partition_of(b"C-secret", PARTITIONS)


@pytest.fixture(scope="module")
def broker() -> EmbeddedBroker:
    return EmbeddedBroker()


class Stored:
    """A job's changelogs."""

    def __init__(self, broker: EmbeddedBroker) -> None:
        self.where = ("--bootstrap", broker.bootstrap, "--topic-prefix", f"s{next(_numbers)}-")
        self.settings = settings.load(bootstrap=self.where[1], topic_prefix=self.where[3], embedded_broker=True)
        broker.create(self.settings.topic(topic.name) for topic in topics.CATALOGUE)
        broker.create(self.settings.changelog(stage) for stage in STAGES)

    def write(self, stage: str, *rows: tuple[bytes, bytes | None]) -> None:
        producer = Producer(self.settings.librdkafka())
        for key, value in rows:
            producer.produce(self.settings.changelog(stage), value, key, PLACE)
        assert not producer.flush(10)

    def ews(self, *words: str) -> Result:
        return CliRunner().invoke(app, ["state", *words, *self.where])


@pytest.fixture
def stored(broker: EmbeddedBroker) -> Stored:
    made = Stored(broker)
    made.write("customers", (b"C-gone", HELD), (b"C-secret", b"an older one"), (b"C-secret", HELD), (b"C-gone", None))
    made.write("customers", (checkpoint.KEY, POSITION))
    return made


def test_the_newest_record_is_told_by_field_and_nobody_is_named(stored: Stored) -> None:
    hidden = stored.ews("inspect", "C-secret", "-o", "json")
    assert hidden.exit_code == 0
    told = json.loads(hidden.stdout)["customer"]
    assert "secret" not in hidden.stdout
    [hold] = told["holds"].values()
    assert hold["kind"] == "dispute"
    shown = json.loads(stored.ews("inspect", "C-secret", "--show-ids", "-o", "json").stdout)["customer"]
    assert shown["holds"]["H-secret"]["hold_id"] == "H-secret"
    assert "holds.H-secret.kind" in stored.ews("inspect", "C-secret", "--show-ids").stdout


def test_one_id_looks_the_same_within_a_command_and_otherwise_in_the_next(stored: Stored) -> None:
    told = [json.loads(stored.ews("inspect", "C-secret", "-o", "json").stdout)["customer"] for _ in range(2)]
    for one in told:
        [(name, hold)] = one["holds"].items()
        assert name == hold["hold_id"] != one["customer_id"]
    assert told[0]["customer_id"] != told[1]["customer_id"]


@pytest.mark.parametrize("key", ["C-gone", "C-never"])
def test_who_is_not_there_is_not_there(stored: Stored, key: str) -> None:
    result = stored.ews("inspect", key)
    assert isinstance(result.exception, EwsError)
    assert "EWS_APP" in str(result.exception)
    assert key not in str(result.exception)


def test_what_is_exported_is_what_the_changelog_holds(stored: Stored, tmp_path: Path) -> None:
    file = tmp_path / "state.jsonl"
    result = stored.ews("export", str(file), "-o", "json")
    assert result.exit_code == 0
    assert json.loads(result.stdout) == [{"stage": "customers", "partition": PLACE, "rows": 1}]
    header, tasks = export.read(file)
    assert (header.app, header.partitions) == ("ews", PARTITIONS)
    assert tasks == [export.Held("customers", PLACE, {b"C-secret": HELD}, POSITION)]


def test_a_partition_that_is_none_is_told(stored: Stored, tmp_path: Path) -> None:
    for words in (("export", str(tmp_path / "x")), ("verify",)):
        result = stored.ews(*words, "--partition", "99")
        assert isinstance(result.exception, ConfigurationError)
        assert f"0 to {PARTITIONS - 1}" in str(result.exception)
    assert not list(tmp_path.iterdir())


def test_rows_that_no_journal_gives_are_named_and_the_end_is_a_failure(stored: Stored) -> None:
    result = stored.ews("verify", "-o", "json")
    assert isinstance(result.exception, EwsError)
    assert result.exception.exit_code == 1
    told = json.loads(result.stdout)["first_differences"]
    assert [(one["task"], one["row"], one["field"]) for one in told] == [
        (f"customers[{PLACE}]", "checkpoint", "missing in the replay"),
        (f"customers[{PLACE}]", "customer", "missing in the replay"),
    ]
    assert "secret" not in result.stdout
