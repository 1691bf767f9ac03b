"""Each detector's positive and negative cases, which stand as data beside this file; and laws over made-up
streams.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stream.contracts.vocabulary import CATEGORIES
from stream.detectors import bounce_pressure, kernel, missed_bills, settings, stress_score, world
from stream.detectors.levels import CAUSES, DAY, WITHDRAWN
from stream.reference.return_codes import CLASSES, lookup
from stream.tables import event as ev
from stream.tables.account import ACCOUNT, EVIDENCE, NEVER, SLOTS
from stream.tables.accounts import DIRTY, DUPLICATES, FREE, TALLY, UNDO_MISSES
from stream.tables.event import EVENT
from stream.tables.hashing import hash_text

HERE = Path(__file__).parent
START = 1_767_225_600_000  # 1 January 2026
TOPICS = {"payment": ev.PAYMENT, "bounce": ev.BOUNCE, "bill": ev.MISSED_BILL, "time": ev.TIME}
OUTCOMES = {"missed": 0, "part_paid": 1, "paid_late": 2, "waived": 3}
ACTIONS = ("", "raised", "changed", "withdrawn")
SEVERITIES = ("none", "low", "medium", "high")
CONFIG = settings.config_of(settings.load())
WORLD = world.bare()


class Bank:
    """The arrays of a few accounts, without the table around them."""

    def __init__(self, accounts: int = 1, evidence: int = 64) -> None:
        self.accounts = np.zeros(accounts, ACCOUNT)
        self.evidence = np.zeros(evidence, EVIDENCE)
        self.free = np.arange(evidence, 0, -1).astype(np.int32)[1:]
        self.tally = np.zeros(TALLY, np.int64)
        self.tally[FREE] = evidence - 1
        self.dues = np.full((evidence, 2), NEVER, np.int64)
        self.row_dues = np.full(accounts, NEVER, np.int64)

    def run(self, events: np.ndarray[Any, Any]) -> list[kernel.Finding]:
        findings, passing = kernel.scratch(len(events))
        dirty = np.zeros(len(events) + len(self.accounts), np.int32)
        count = kernel.process(
            self.accounts,
            self.evidence,
            self.free,
            self.tally,
            events,
            CONFIG,
            findings,
            dirty,
            passing,
            self.dues,
            self.row_dues,
            WORLD,
        )
        self.accounts["dirty"] = 0
        self.tally[DIRTY] = 0
        return kernel.findings_of(findings[:count])

    def digest(self) -> str:
        return hashlib.sha256(self.accounts.tobytes() + self.evidence.tobytes() + self.dues.tobytes()).hexdigest()


def event_of(case: dict[str, Any], clock: int) -> np.ndarray[Any, Any]:
    event = np.zeros(1, EVENT)
    at = START + int(case["day"] * DAY)
    event["at"] = at
    event["clock"] = max(clock, at)
    event["topic"] = TOPICS[case["topic"]]
    if case["topic"] == "time":
        return event
    reversed_ = case.get("status") == "reversed"
    event["status"] = int(reversed_)
    event["id"] = hash_text(case["id"])
    event["seen"] = hash_text(f"{case['topic']} {case['id']} {reversed_}")
    for name in ("corrects", "obligation", "original"):
        event[name] = hash_text(case[name]) if name in case else 0
    event["payee"] = hash_text(case.get("payee", "P"))
    event["bill"] = hash_text(case.get("bill", case["id"] if case["topic"] == "bill" else ""))
    event["amount"] = case.get("amount", 3820)
    event["currency"] = {"GBP": 1, "EUR": 2}[case.get("currency", "GBP")]
    event["category"] = CATEGORIES.index(case.get("category", "energy"))
    event["direction"] = int(case.get("direction") == "credit")
    if case["topic"] == "bounce":
        meaning = lookup(case.get("scheme", "bacs"), None, case.get("r_type"), case["code"])
        event["kind"], event["weight"] = CLASSES.index(meaning.class_), meaning.weight
        event["again"] = case.get("again", 0)
    if case["topic"] == "bill":
        event["kind"] = OUTCOMES[case.get("outcome", "missed")]
        event["due"] = START + case["due"] * DAY
    return event


def stream_of(cases: list[dict[str, Any]]) -> np.ndarray[Any, Any]:
    events, clock = [], 0
    for case in cases:
        events.append(event_of(case, clock))
        clock = int(events[-1]["clock"][0])
    return np.concatenate(events)


def said_by(findings: list[kernel.Finding], detector: int) -> list[str]:
    return [
        f"{one.trigger}: {ACTIONS[one.action]} " + (CAUSES[one.cause] if one.action == WITHDRAWN else SEVERITIES[one.severity])
        for one in findings
        if one.detector == detector
    ]


def cases() -> list[Any]:
    found = []
    for module in (bounce_pressure, missed_bills):
        name = module.__name__.rpartition(".")[2]
        told = tomllib.loads((HERE / f"{name}.toml").read_text())["case"]
        found += [pytest.param(module.DETECTOR, case, id=f"{name}: {case['name']}") for case in told]
    return found


@pytest.mark.parametrize(("detector", "case"), cases())
def test_case(detector: int, case: dict[str, Any]) -> None:
    bank = Bank()
    assert said_by(bank.run(stream_of(case["events"])), detector) == case["said"]
    assert bank.tally[UNDO_MISSES] == case.get("undo_misses", 0)
    assert not bank.evidence[:1].tobytes().strip(b"\0"), "the scratch row stays zero"


def bounce(number: int, day: float, **more: Any) -> dict[str, Any]:
    case = {
        "topic": "bounce",
        "id": f"b{number}",
        "day": day,
        "scheme": "sepa_sdd",
        "code": "AM04",
        "payee": f"P{number}",
    }
    return case | more


def test_order_of_arrival_does_not_matter_for_the_pressure() -> None:
    scores = set()
    for order in itertools.permutations([bounce(1, 1), bounce(2, 9.3), bounce(3, 20.7), bounce(4, 33.1)]):
        bank = Bank()
        bank.run(stream_of([*order, {"topic": "time", "day": 40}]))
        clock = START + 40 * DAY
        scores.add(bounce_pressure.score(bank.evidence[int(bank.accounts[0]["evidence"])], clock, CONFIG[0]["bounce_pressure"]))
    assert len(scores) == 1
    expected = 1.2 * sum(2 ** (-(40 - day) / 30) for day in (1, 9.3, 20.7, 33.1))
    assert scores.pop() == pytest.approx(expected, abs=1e-8)


def bill(number: int, payee: str, category: str) -> dict[str, Any]:
    return {"topic": "bill", "id": f"m{number}", "day": 5 + number, "due": number, "payee": payee, "category": category}


@pytest.mark.parametrize(
    ("bills", "weight"),
    [
        (["P telecom"], 1.0),
        (["P telecom", "P telecom", "P telecom", "P telecom"], 2.5),
        (["P telecom", "P energy"], 1.25 + 0.5),
        (["P telecom", "P loan"], 2.0),
        (["P rent", "P loan", "P credit_card", "P telecom"], 1.5 + 1 + 1 + 0.5),
        (["P mortgage", "P mortgage", "Q telecom", "Q telecom"], 3.0 + 1.5),
    ],
)
def test_one_bill_of_each_biller_counts_whole_in_whatever_order_they_come(bills: list[str], weight: float) -> None:
    scores = set()
    for order in itertools.permutations([bill(n, *one.split()) for n, one in enumerate(bills)]):
        bank = Bank()
        bank.run(stream_of(list(order)))
        scores.add(missed_bills.score(bank.evidence[int(bank.accounts[0]["evidence"])], CONFIG[0]["missed_bills"]))
    assert scores == {weight}


def test_bounces_beyond_the_slots_still_weigh() -> None:
    bank = Bank()
    many = SLOTS + 5
    bank.run(stream_of([bounce(n, n) for n in range(many)]))
    evidence = bank.evidence[int(bank.accounts[0]["evidence"])]
    expected = 1.2 * sum(2 ** (-(many - 1 - n) / 30) for n in range(many))
    assert bounce_pressure.score(evidence, START + (many - 1) * DAY, CONFIG[0]["bounce_pressure"]) == pytest.approx(
        expected, abs=1e-8
    )


def test_an_undone_bounce_leaves_no_trace_in_the_score() -> None:
    with_it, without = Bank(), Bank()
    with_it.run(stream_of([bounce(1, 1), bounce(2, 2), bounce(2, 3, status="reversed")]))
    without.run(stream_of([bounce(1, 1)]))
    scores = [
        bounce_pressure.score(bank.evidence[int(bank.accounts[0]["evidence"])], START + 3 * DAY, CONFIG[0]["bounce_pressure"])
        for bank in (with_it, without)
    ]
    assert scores[0] == scores[1]


def test_due_is_the_first_instant_at_which_time_alone_changes_something() -> None:
    """But for the sum of signs, which is looked at whenever another is, and each week."""
    bank = Bank()
    bank.run(stream_of([bounce(1, 1), {"topic": "bill", "id": "m1", "day": 2, "due": 1}]))
    gone = []
    while (due := int(bank.dues[:, 1].min())) != NEVER:
        weekly = due == int(bank.evidence[1]["signs"][stress_score.DETECTOR]["due"])
        before = (due - 1000 - START) / DAY
        told = bank.run(stream_of([{"topic": "time", "day": before}]))
        assert {one.detector for one in told} <= {stress_score.DETECTOR}
        event = stream_of([{"topic": "time", "day": 0}])
        event["at"] = event["clock"] = due
        told = [one for one in bank.run(event) if one.detector != stress_score.DETECTOR]
        assert [one.action for one in told] == ([] if weekly else [WITHDRAWN])
        gone += [one.detector for one in told]
    assert sorted(gone) == [bounce_pressure.DETECTOR, missed_bills.DETECTOR]


def test_evidence_is_given_back_when_all_is_forgotten() -> None:
    bank = Bank()
    bank.run(stream_of([bounce(1, 1), {"topic": "payment", "id": "p1", "day": 2, "payee": "P1"}]))
    assert bank.accounts[0]["evidence"] > 0
    bank.run(stream_of([{"topic": "time", "day": 182}]))
    assert bank.accounts[0]["evidence"] == 0
    assert bank.tally[FREE] == len(bank.evidence) - 1
    assert not bank.evidence.tobytes().strip(b"\0")


def test_episodes_of_an_account_start_at_different_times_even_when_their_events_do_not() -> None:
    bank = Bank()
    events = [
        bounce(1, 5),
        bounce(1, 5, status="reversed"),
        bounce(2, 5),
        bounce(2, 5, status="reversed"),
        bounce(3, 4),
    ]
    starts = [one.start for one in bank.run(stream_of(events)) if one.action == 1]
    assert len(starts) == 3
    assert starts == sorted(set(starts))


def test_duplicates_change_nothing() -> None:
    once, twice = Bank(), Bank()
    events = [bounce(1, 1), bounce(2, 2), {"topic": "payment", "id": "p1", "day": 3, "payee": "P1"}]
    said = once.run(stream_of(events))
    assert [one[:5] for one in twice.run(stream_of([*events, *events]))] == [one[:5] for one in said]
    assert twice.digest() == once.digest()
    assert twice.tally[DUPLICATES] == 3


def made_up(seed: int, count: int, accounts: int) -> np.ndarray[Any, Any]:
    """A stream with everything in it, by a generator that is the same everywhere."""
    rng = np.random.default_rng(seed)
    events = np.zeros(count, EVENT)
    events["row"] = rng.integers(0, accounts, count)
    events["at"] = START + np.sort(rng.integers(0, 200 * DAY, count)) - rng.integers(0, 3 * DAY, count)
    events["clock"] = np.maximum.accumulate(events["at"])
    events["topic"] = rng.choice(4, count, p=[0.5, 0.25, 0.2, 0.05])
    events["id"] = rng.integers(1, count, count)
    events["status"] = rng.choice(2, count, p=[0.9, 0.1])
    events["seen"] = events["id"] * 8 + events["topic"] * 2 + events["status"]
    events["corrects"] = np.where(rng.random(count) < 0.1, rng.integers(1, count, count), 0)
    events["payee"] = rng.integers(1, 6, count)
    events["obligation"] = rng.integers(0, 4, count)
    events["bill"] = rng.integers(0, 6, count)
    events["original"] = rng.integers(0, 40, count)
    events["amount"] = rng.integers(-1, 10_000, count)
    events["currency"] = rng.integers(1, 3, count)
    events["category"] = rng.integers(0, len(CATEGORIES), count)
    events["direction"] = rng.integers(0, 2, count)
    events["kind"] = rng.integers(0, 4, count)
    events["weight"] = rng.choice([0.0, 0.5, 1.0], count)
    events["due"] = events["at"] - rng.integers(-5 * DAY, 40 * DAY, count)
    return events


def digest_of_made_up() -> str:
    bank = Bank(40, 200)
    events = made_up(7, 4000, 40)
    findings = bank.run(events)
    assert len(findings) > 200
    return bank.digest() + hashlib.sha256(repr(findings).encode() + events.tobytes()).hexdigest()


def test_compiled_and_plain_python_give_the_same_bytes() -> None:
    code = "import test_detectors as t; print(t.digest_of_made_up())"
    path = os.pathsep.join([str(HERE), str(HERE.parents[2])])
    plain = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "NUMBA_DISABLE_JIT": "1", "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=True,
    )
    assert plain.stdout.strip() == digest_of_made_up()


def test_chunks_do_not_matter() -> None:
    whole, cut = Bank(40, 200), Bank(40, 200)
    events = made_up(11, 3000, 40)
    findings = whole.run(events.copy())
    pieces = np.split(events, [1, 2, 700, 701, 1500, 2999])
    found, before = [], 0
    for piece in pieces:
        found += [one._replace(trigger=one.trigger + before) for one in cut.run(piece)]
        before += len(piece)
    # Facts that a detector does not write are left from before.
    assert [one._replace(facts=[]) for one in found] == [one._replace(facts=[]) for one in findings]
    assert cut.digest() == whole.digest()
