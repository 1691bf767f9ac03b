"""`ews dlq`: what was set aside is counted, shown without its data, and goes back once, as it came or mended."""

from __future__ import annotations

import hashlib
import itertools
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from confluent_kafka import Producer
from typer.testing import CliRunner

from stream import settings
from stream.cli import app
from stream.engine import deadletters, redrive
from stream.engine.embedded import PARTITIONS, EmbeddedBroker
from stream.engine.offline import Line
from stream.engine.partitioner import partition_of
from stream.engine.redrive import letter_of
from stream.engine.step import Refused
from stream.errors import EwsError, Reason
from stream.topics import CATALOGUE
from tests.kafka.bank import encode, payment
from tests.unit.cli.committed import committed

NOW = datetime.now(UTC)
SECRET = "Mallory"
_numbers = itertools.count()


class Bank:
    """Topics of one's own, and dead letters written as the job writes them."""

    def __init__(self, broker: EmbeddedBroker) -> None:
        self.prefix = f"d{next(_numbers)}-"
        self.bootstrap = broker.bootstrap
        broker.create(self.prefix + topic.name for topic in CATALOGUE if topic.name not in ("ticks", "journal"))
        self._producer = Producer({"bootstrap.servers": self.bootstrap})

    def settings(self) -> settings.Settings:
        return settings.load(bootstrap=self.bootstrap, topic_prefix=self.prefix)

    def ews(self, *words: str) -> Result:
        return CliRunner().invoke(app, ["dlq", *words, "--bootstrap", self.bootstrap, "--topic-prefix", self.prefix])

    def listed(self, *words: str) -> list[dict[str, Any]]:
        done = self.ews("list", "-o", "json", *words)
        assert done.exit_code == 0, done.output
        found: list[dict[str, Any]] = json.loads(done.stdout)
        return found

    def redriven(self, *words: str, code: int = 0) -> dict[str, str]:
        """What became of each letter, by id."""
        done = self.ews("redrive", "--yes", "-o", "json", *words)
        assert done.exit_code == code, done.output
        return {one["id"]: one["result"] for one in json.loads(done.stdout)}

    def dead(
        self, offset: int, value: bytes | None, reason: Reason = Reason.BAD_AMOUNT, *, topic: str = "payments",
        key: bytes | None = b"A-1", at: datetime = NOW, limit: int = 1_000_000, headers: Any = (("trace", b"1"),),
    ) -> str:  # fmt: skip
        """Writes the dead letter of a record; its id."""
        stamp = round(NOW.timestamp() * 1000)
        line = Line(offset, stamp, key, value, headers)
        letter = deadletters.wrap(self.prefix + topic, 2, line, Refused(0, reason, f"{reason}: amount"), limit)
        home = 0 if letter.key is None else partition_of(letter.key, PARTITIONS)
        self._producer.produce(
            self.prefix + "dead-letters", letter.value, letter.key, home,
            headers=list(letter.headers), timestamp=round(at.timestamp() * 1000),
        )  # fmt: skip
        assert self._producer.flush(10) == 0
        return f"{topic}:2:{offset}"

    def read(self, topic: str = "payments") -> list[Any]:
        """Committed records: partition, key, value, headers."""
        found = committed(self.bootstrap, self.prefix + topic, PARTITIONS)
        return [(message.partition(), message.key(), message.value(), message.headers()) for message in found]


@pytest.fixture(scope="module")
def broker() -> EmbeddedBroker:
    return EmbeddedBroker()


@pytest.fixture
def bank(broker: EmbeddedBroker) -> Bank:
    return Bank(broker)


def paid(**more: Any) -> bytes:
    return encode(payment(1, "p1", NOW, counterparty_name=SECRET, **more))


def test_they_are_counted_by_topic_and_reason_and_filtered(bank: Bank) -> None:
    bank.dead(1, paid(amount="x"))
    bank.dead(2, paid(amount="y"), at=NOW - timedelta(hours=2))
    bank.dead(3, paid(), Reason.MISPARTITIONED)
    bank.dead(4, b"", Reason.BAD_JSON, topic="holds", key=b"C-1")
    rows = bank.listed()
    assert [(row["topic"], row["reason"], row["open"], row["redriven"]) for row in rows] == [
        ("holds", "bad_json", 1, 0), ("payments", "bad_amount", 2, 0), ("payments", "mispartitioned", 1, 0),
    ]  # fmt: skip
    assert [row["topic"] for row in bank.listed("--topic", "holds")] == ["holds"]
    assert [row["open"] for row in bank.listed("--reason", "bad_amount")] == [2]
    ago = (NOW - timedelta(hours=1)).isoformat()
    assert [row["id"] for row in bank.listed("--each", "--until", ago)] == ["payments:2:2"]
    assert len(bank.listed("--each", "--since", ago)) == 3


def test_what_a_letter_holds_is_shown_only_when_it_is_asked_for(bank: Bank) -> None:
    value = paid(amount="x")
    name = bank.dead(1, value)
    for form in ("table", "json"):
        masked = bank.ews("show", name, "-o", form)
        assert masked.exit_code == 0
        assert not any(word in masked.output for word in (SECRET, "A-1", "grocer"))
        assert "masked" in masked.output
    told = json.loads(bank.ews("show", name, "-o", "json").stdout)
    assert (told["topic"], told["partition"], told["offset"], told["reason"]) == ("payments", 2, 1, "bad_amount")
    assert told["sha256"] == hashlib.sha256(value).hexdigest()
    open_ = json.loads(bank.ews("show", name, "--value", "-o", "json").stdout)
    assert (open_["key"], open_["value"], open_["headers"]) == ("A-1", value.decode(), [["trace", "1"]])


def test_it_goes_back_once_with_its_key_and_headers_to_where_its_key_belongs(bank: Bank) -> None:
    """A record that was well but for its place needs no mending."""
    name = bank.dead(7, paid(), Reason.MISPARTITIONED)
    assert bank.redriven("--topic", "payments") == {name: "sent"}
    home = partition_of(b"A-1", PARTITIONS)
    expected = (home, b"A-1", paid(), [("trace", b"1"), ("ews-redriven", name.encode())])
    assert bank.read() == [expected]
    assert bank.redriven("--topic", "payments") == {name: "redriven before"}
    assert bank.redriven(name) == {name: "redriven before"}
    assert bank.read() == [expected]
    [row] = bank.listed()
    assert (row["open"], row["redriven"]) == (0, 1)
    assert json.loads(bank.ews("show", name, "-o", "json").stdout)["redriven"]


def test_what_would_be_set_aside_again_is_not_sent_until_it_is_mended(bank: Bank, tmp_path: Path) -> None:
    bad = bank.dead(1, paid(amount="12,50"))
    good = bank.dead(2, paid(), Reason.MISPARTITIONED)
    results = bank.redriven("--topic", "payments", code=1)
    assert results[good] == "sent"
    assert results[bad].startswith("still bad: bad_amount: amount")
    mended = tmp_path / "mended.json"
    mended.write_bytes(paid(amount="12,5"))
    assert bank.redriven(bad, "--value-file", str(mended), code=1)[bad].startswith("still bad")
    mended.write_bytes(paid(amount="12.50", account_id="A-2"))
    assert bank.redriven(bad, "--value-file", str(mended), code=1)[bad].startswith("still bad: key_mismatch")
    mended.write_bytes(paid(amount="12.50"))
    assert bank.redriven(bad, "--value-file", str(mended)) == {bad: "sent"}
    assert bank.redriven(bad, "--value-file", str(mended)) == {bad: "redriven before"}
    assert [value for _, _, value, _ in bank.read()] == [paid(), paid(amount="12.50")]


def test_what_was_too_large_to_keep_goes_back_only_with_a_value(bank: Bank, tmp_path: Path) -> None:
    large = bank.dead(1, paid(amount="x", note="y" * 20_000), limit=10_000)
    assert bank.redriven(large, code=1)[large].startswith("too large to have been kept")
    mended = tmp_path / "mended.json"
    mended.write_bytes(paid())
    assert bank.redriven(large, "--value-file", str(mended)) == {large: "sent"}


def test_a_record_without_a_key_and_one_of_another_topic_are_told_and_not_sent(bank: Bank) -> None:
    bare = bank.dead(1, paid(), Reason.NULL_KEY, key=None)
    tick = bank.dead(2, b"x", Reason.BAD_JSON, topic="ticks")
    other = bank.dead(3, b"x", Reason.BAD_JSON, topic="elsewhere")
    results = bank.redriven(bare, tick, other, code=1)
    assert results[bare].startswith("still bad: null_key")
    assert results[tick] == "of its moment alone"
    assert "no input" in results[other]
    assert bank.read() == []


def test_a_word_for_everybody_goes_back_into_its_own_partition(bank: Bank) -> None:
    word = {"event_id": "s1", "occurred_at": NOW.isoformat(), "action": "stop_nudges", "who": "duty", "why": "x"}
    bank.dead(1, encode(word), Reason.TOO_FAR_AHEAD, topic="operator-actions", key=b"*")
    bank.redriven("--reason", "too_far_ahead")
    assert [(partition, key) for partition, key, _, _ in bank.read("operator-actions")] == [(2, b"*")]


def test_a_dry_run_sends_nothing_and_leaves_no_mark(bank: Bank) -> None:
    name = bank.dead(1, paid(), Reason.MISPARTITIONED)
    assert bank.redriven("--dry-run", name) == {name: "ready"}
    assert bank.read() == []
    assert bank.listed()[0]["open"] == 1


def test_it_asks_first_and_takes_nobody_for_no(bank: Bank) -> None:
    name = bank.dead(1, paid(), Reason.MISPARTITIONED)
    done = bank.ews("redrive", name)
    assert done.exit_code == 2
    assert "1 to payments" in done.output
    assert bank.read() == []


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["redrive", "--yes"], 2),
        (["redrive", "a:0:1", "b:0:1", "--value-file", __file__], 2),
        (["redrive", "--topic", "payments", "--value-file", __file__], 2),
        (["list", "--topic", "nudges"], 2),
        (["list", "--reason", "because"], 2),
        (["list", "--since", "yesterday"], 2),
    ],
)
def test_what_cannot_be_meant_is_refused_as_usage(bank: Bank, words: list[str], code: int) -> None:
    assert bank.ews(*words).exit_code == code


def test_an_id_that_is_not_there_fails(bank: Bank) -> None:
    for words in (["show", "payments:0:1"], ["redrive", "--yes", "payments:0:1"]):
        assert isinstance(bank.ews(*words).exception, EwsError)


def test_a_record_set_aside_again_by_another_app_is_one_letter_and_keeps_its_mark(bank: Bank) -> None:
    name = bank.dead(1, paid(), Reason.MISPARTITIONED)
    bank.redriven(name)
    bank.dead(1, paid(), Reason.MISPARTITIONED)
    assert bank.redriven(name) == {name: "redriven before"}
    assert len(bank.read()) == 1


def test_a_redriven_record_that_is_bad_again_is_a_letter_of_its_own(bank: Bank) -> None:
    """It carries the header of the one before, and is no mark for that."""
    name = bank.dead(1, paid(), Reason.MISPARTITIONED, headers=(("ews-redriven", b"payments:0:0"),))
    assert bank.redriven(name) == {name: "sent"}
    assert [headers for _, _, _, headers in bank.read()] == [[("ews-redriven", name.encode())]]


def test_many_are_sent_in_several_transactions_and_in_their_order(bank: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redrive, "_BATCH", 4)
    values = [encode(payment(1, f"p{n}", NOW)) for n in range(11)]
    for n, value in reversed(list(enumerate(values))):
        bank.dead(n, value, Reason.MISPARTITIONED)
    assert set(bank.redriven("--topic", "payments").values()) == {"sent"}
    assert [value for _, _, value, _ in bank.read()] == values


def test_a_letter_reads_back_the_record_that_was_wrapped() -> None:
    """Whatever headers the record had, also such as a dead letter has."""
    odd = (("ews-reason", b"mine"), ("kafka_dlt-original-topic", b"x"), ("a", b""), ("a", b"\xff"))
    line = Line(5, 1_700_000_000_000, None, b"\xff\x00", odd)
    letter = deadletters.wrap("p-payments", 3, line, Refused(0, Reason.NULL_KEY, ""), 1_000_000)
    found = letter_of(Line(0, 9, letter.key, letter.value, letter.headers), "p-", 1)
    assert found is not None
    assert (found.id, found.timestamp, found.reason, found.at) == ("payments:3:5", 1_700_000_000_000, "null_key", 9)
    assert (found.key, found.value, found.headers, found.kept) == (None, b"\xff\x00", odd, True)


def test_what_the_job_did_not_write_is_no_letter() -> None:
    assert letter_of(Line(0, 0, b"k", b"v"), "", 0) is None
    assert letter_of(Line(0, 0, b"k", b"v", (("kafka_dlt-original-topic", b"x"), ("ews-reason", b"y"))), "", 0) is None
