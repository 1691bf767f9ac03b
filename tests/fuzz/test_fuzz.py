"""A cut of the fuzzer's run, and the same look at records that hypothesis makes. `make fuzz` runs a million."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream.agents.accounts import AccountsStep
from stream.agents.customers import CustomersStep
from stream.cli.dlq import judged
from stream.contracts import DECODE
from stream.detectors import settings as detectors
from stream.engine.step import Placement, Record, Refused
from stream.errors import BadRecord, Reason
from stream.treatment.policy import default_text, load
from tests.fuzz import coverage
from tests.fuzz.inputs import ACCOUNTS, CUSTOMERS, PLANTED, STAGES, START, Input, Sent, life, ms
from tests.fuzz.pools import NASTY, VALID, paths, replaced
from tests.fuzz.run import Report, Run, run, run_one, table, tells_only_what_it_may

ALONE = Placement(0, 1, "murmur2")
INPUTS = 12_000


@cache
def ran() -> Report:
    """Run once for all tests here."""
    return run(INPUTS)


def test_no_bad_record_stops_a_step_leaves_a_trace_or_is_told_of_with_its_data() -> None:
    report = ran()
    assert not report.violations, table(report)
    assert report.inputs == INPUTS
    assert report.processed + report.refused.total() == INPUTS


def test_every_reason_and_every_way_of_spoiling_is_met() -> None:
    report = ran()
    assert set(report.refused) == {reason.value for reason in Reason}
    for name in {name for name, _ in report.by_mutation}:
        assert report.by_mutation[name, True], name
    assert report.processed > INPUTS / 10, "what is odd and yet sound is fuzzed too"
    assert report.outputs > INPUTS / 5, "the steps have something to say"


def test_the_records_behind_the_bad_ones_are_sound() -> None:
    for stage in STAGES:
        for one in life(1, stage, 300):
            if one.mutation == "sound" and one.topic != "ticks":
                DECODE[one.topic](one.record.value or b"")


def test_one_seed_is_one_sequence() -> None:
    assert life(7, "accounts", 50) == life(7, "accounts", 50)
    assert life(7, "accounts", 50) != life(8, "accounts", 50)


@pytest.mark.parametrize("topic", sorted(topic for stage in STAGES.values() for topic in stage if topic in VALID))
@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_what_hypothesis_makes_of_each_contract_is_processed_or_refused(topic: str, data: st.DataObject) -> None:
    """Values of the contract's own forms, some fields of which are replaced by traps or texts."""
    stage, name = ("accounts", "account_id") if topic in STAGES["accounts"] else ("customers", "customer_id")
    owner = (ACCOUNTS if stage == "accounts" else CUSTOMERS)[0]
    made: list[Input] = []
    for _ in range(data.draw(st.integers(1, 4))):
        value: Any = data.draw(VALID[topic]) | {name: owner}
        for _ in range(data.draw(st.integers(0, 2))):
            path = data.draw(st.sampled_from(list(paths(value))))
            value = replaced(value, path, data.draw(st.sampled_from(NASTY) | st.text(max_size=70)))
        at = data.draw(st.sampled_from([ms(START), 2**45, 0]))
        made.append(Input(topic, Sent(len(made), at, owner.encode(), json.dumps(value).encode()), "hypothesis"))
    report = Run(stage, 0, made).go()
    assert not report.violations, table(report)


def test_a_step_that_lets_an_error_out_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def tell(self: CustomersStep, topic: str, record: Record) -> None:
        if record.value == b"[]":
            raise KeyError(topic)

    monkeypatch.setattr(CustomersStep, "_tombstone_or_event", tell)
    found = [one for seed in range(5) for one in run_one(seed, "customers").violations]
    assert {one.kind for one in found} == {"crash"}
    assert all("noise" in one.told for one in found)


def test_a_refused_record_that_leaves_a_trace_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = CustomersStep._tombstone_or_event

    def tell(self: CustomersStep, topic: str, record: Record) -> None:
        try:
            honest(self, topic, record)
        except BadRecord:
            self._advance(self.clock + 86_400_000, None)
            raise

    monkeypatch.setattr(CustomersStep, "_tombstone_or_event", tell)
    kinds = {one.kind for one in run_one(1, "customers").violations}
    assert "stored otherwise" in kinds


@pytest.mark.parametrize(
    ("why", "may"),
    [
        ("bad_amount: amount: not a plain decimal string", True),
        ("holders[0].customer_id: not printable", True),
        ("channels[...].since", True),
        ("", True),
        (f"bad_field: {PLANTED}: of the wrong type", False),
        ("bad_field: event_id: of the wrong type, got `Mallory`", False),
        ("Mallory", False),
    ],
)
def test_a_reason_that_tells_more_than_fields_and_phrases_is_found(why: str, may: bool) -> None:
    assert tells_only_what_it_may(Refused(0, Reason.BAD_AMOUNT if "bad_amount" in why else Reason.BAD_FIELD, why)) is may


def test_the_coverage_fuzzer_judges_what_its_readers_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each example passes its own reader, what is no record is refused by all, and any other error comes out."""
    number = len(coverage.readers())
    for index, path in enumerate(sorted(coverage.EXAMPLES.glob("*.json"))):
        coverage.readers()[index](path.read_bytes())
    for index in range(number):
        coverage.judge(bytes([index]) + b"\xff{")

    def broken(data: bytes) -> object:
        raise ZeroDivisionError

    monkeypatch.setattr(coverage, "readers", lambda: [broken])
    with pytest.raises(ZeroDivisionError):
        coverage.judge(b"\x00")


@pytest.mark.parametrize("stage", sorted(STAGES))
def test_what_a_redrive_would_hold_back_is_what_the_steps_refuse(stage: str) -> None:
    """`ews dlq redrive` judges by the contract; the job has the last word, and they agree."""
    step = AccountsStep(ALONE, detectors.load()) if stage == "accounts" else CustomersStep(ALONE, load(default_text()))
    agreed: Counter[bool] = Counter()
    for one in (one for seed in range(8) for one in life(seed, stage, 200)):
        record = one.record
        if one.topic == "ticks" or not 0 <= record.timestamp < 2**47:
            continue
        bad = step.apply(one.topic, [record])
        told = judged(one.topic, record.key, record.value, record.headers, datetime.fromtimestamp(record.timestamp / 1000, UTC))
        assert (told is None) == (not bad), (one, told, bad)
        agreed[bool(bad)] += 1
    assert min(agreed.values()) > 300
