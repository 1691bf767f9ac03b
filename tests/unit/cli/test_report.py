"""`ews report` over folders and over topics."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from confluent_kafka import Producer
from typer.testing import CliRunner

from stream.cli import app
from stream.engine.embedded import EmbeddedBroker
from stream.errors import ConfigurationError, TopicsError

EXPERIMENT = {"name": "x", "arm": "treated"}
Records = dict[str, list[dict[str, Any]]]


def ews(*words: str) -> Result:
    return CliRunner().invoke(app, ["report", *words])


def story() -> Records:
    """40 people written to, of whom 10 respond and 30 miss an instalment 20 days later; 4 held back, of whom none does."""
    found: Records = {"nudges": [], "decisions": [], "signals": [], "contact-outcomes": []}
    for number in range(44):
        customer = {"customer_id": f"C-{number}"}
        decided = {**customer, "treatment": "education", "decided_at": "2026-03-01T12:00:00Z"}
        if number < 40:
            found["nudges"].append({"nudge_id": f"n{number}", "status": "issued", **decided, "experiment": EXPERIMENT})
        else:
            found["decisions"].append({"decision_id": f"d{number}", "result": "control", **decided})
        said = {"status": "raised", "occurred_at": "2026-03-21T12:00:00Z", "severity": "low", **customer}
        if number < 30:
            found["signals"].append({"signal_id": f"s{number}", "detector": "arrears_clock", **said})
        if number < 10:
            contact = {"event_id": f"e{number}", "contact_id": f"k{number}", "direction": "inbound", "channel": "chat"}
            outcome = {"occurred_at": "2026-03-05T12:00:00Z", "outcome": "conversation"}
            found["contact-outcomes"].append({**contact, **outcome, **customer})
    return found


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """What `ews replay` wrote, and what it had read."""
    out, inputs = tmp_path / "out", tmp_path / "in"
    for topic, records in story().items():
        folder = inputs if topic == "contact-outcomes" else out
        folder.mkdir(exist_ok=True)
        lines = [json.dumps({"_key": one["customer_id"], "_headers": {}, **one}) for one in records]
        (folder / f"{topic}.jsonl").write_text("".join(line + "\n" for line in lines))
    return out, inputs


def test_a_folder_is_reported_for_people(folders: tuple[Path, Path]) -> None:
    out, inputs = folders
    told = ews("--in", str(out), "--inputs", str(inputs))
    assert told.exit_code == 0, told.output
    assert [line.rstrip() for line in told.stdout.splitlines()] == [
        "2026-03-01 to 2026-03-21",
        "44 trials of 14 days, of which 0 were taken back; 0 more are pending.",
        "Shares are in %, with 95 % intervals.",
        "",
        "treatment  arm         trials  response          self-cure",
        "education  treated     40      25.0 (14.2…40.2)  100.0 (91.2…100.0)",
        "           control     4       too few to say    too few to say",
        "           difference          too few to say    too few to say",
        "",
        "Instalments missed after a nudge: 30 customers",
        "  days since their first nudge: 20 in the median, half of them 20 to 20",
        "Instalments missed in all: 30",
        "  with a nudge in the 120 days before: 100.0 (88.6…100.0)",
    ]
    assert "C-1" not in told.output


def test_a_folder_is_reported_for_programs_with_a_minimum_of_ones_own(folders: tuple[Path, Path]) -> None:
    out, inputs = folders
    found = json.loads(ews("--in", str(out), "--inputs", str(inputs), "--minimum", "4", "-o", "json").stdout)
    assert (found["from"], found["to"], found["minimum"]) == ("2026-03-01T12:00:00Z", "2026-03-21T12:00:00Z", 4)
    [treatment] = found["treatments"]
    difference = treatment["difference"]
    assert difference["response"]["difference"] == 0.25
    assert difference["self_cure"] == {"difference": 0.0, "low": -0.0876, "high": 0.4899}
    assert found["lead"]["days"] == {"lower": 20.0, "median": 20.0, "upper": 20.0}
    assert found["warnings"] == []


@pytest.mark.parametrize("inputs", ["without", "with none of them"])
def test_without_contact_outcomes_responses_are_not_known(folders: tuple[Path, Path], inputs: str) -> None:
    out, source = folders
    (source / "contact-outcomes.jsonl").rename(source / "holds.jsonl")
    told = ews("--in", str(out), *(("--inputs", str(source)) if inputs != "without" else ())).stdout
    assert "education  treated     40      not known" in told
    assert "warning: No contact outcome was read" in told


def test_a_wrong_folder_is_told(folders: tuple[Path, Path], tmp_path: Path) -> None:
    out, inputs = folders
    for words in (("--in", str(inputs)), ("--in", str(out), "--inputs", str(tmp_path))):
        told = ews(*words)
        assert isinstance(told.exception, ConfigurationError)
        assert told.exception.exit_code == 3
    assert "nudges.jsonl, decisions.jsonl, signals.jsonl" in str(ews("--in", str(inputs)).exception)


@pytest.mark.parametrize("words", [("--inputs", "x"), ("--minimum", "0"), ("--minimum", "few")])
def test_a_wrong_use_is_told(words: tuple[str, ...]) -> None:
    assert ews(*words).exit_code == 2


def test_an_empty_run_is_told_as_that(tmp_path: Path) -> None:
    for topic in ("nudges", "decisions", "signals"):
        (tmp_path / f"{topic}.jsonl").touch()
    assert ews("--in", str(tmp_path)).stdout == "nothing was read: no signal, nudge, decision or contact outcome\n"
    assert json.loads(ews("--in", str(tmp_path), "-o", "json").stdout)["from"] is None


def test_topics_are_reported_as_the_folder_is(folders: tuple[Path, Path]) -> None:
    out, inputs = folders
    broker = EmbeddedBroker()
    producer = Producer({"bootstrap.servers": broker.bootstrap, "log_level": 2})
    found = story()
    broker.create([f"bank.{topic}" for topic in found])
    for topic, records in found.items():
        for one in records:
            producer.produce(f"bank.{topic}", json.dumps(one), one["customer_id"])
    assert not producer.flush(10)
    words = ("-o", "json", "--minimum", "4")
    live = ews("-b", broker.bootstrap, "--topic-prefix", "bank.", *words)
    assert live.exit_code == 0, live.output
    assert live.stdout == ews("--in", str(out), "--inputs", str(inputs), *words).stdout
    assert isinstance(ews("-b", broker.bootstrap, "--topic-prefix", "nowhere.").exception, TopicsError)
