"""Laws that hold of every detector, held against all cases in which it says something."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from stream.detectors import settings
from stream.detectors.registry import MODULES, NAMES
from stream.scoring import cases
from tests.unit.detectors.tape import EVENTS, Deck, digests, played, settings_of, signals_of, tape_of, tellable

ROOT = Path(__file__).parents[3]
TELLING = [pytest.param(name, case, id=f"{name}: {case.name}") for name in NAMES for case in tellable(name)]


@pytest.mark.parametrize("name", NAMES)
def test_some_case_makes_it_say_something(name: str) -> None:
    assert tellable(name)


@pytest.mark.parametrize(("name", "case"), TELLING)
def test_the_same_twice(name: str, case: cases.Case) -> None:
    one, two = (played(settings_of(case), tape_of(name, case)) for _ in range(2))
    assert one.outputs == two.outputs
    assert one.state() == two.state()
    assert signals_of(one)


@pytest.mark.parametrize(("name", "case"), TELLING)
def test_how_the_stream_is_cut_does_not_matter(name: str, case: cases.Case) -> None:
    tape, rng = tape_of(name, case), random.Random(case.name)
    cut = Deck(settings_of(case))
    at = 0
    while at < len(tape):
        end = at + 1
        limit = at + rng.choice((1, 2, 7, 50, 400))
        while end < min(len(tape), limit) and tape[end][0] == tape[at][0]:
            end += 1
        cut.play(tape[at][0], [record for _, record in tape[at:end]])
        if rng.random() < 0.3:
            cut.drain()
        at = end
    cut.drain()
    whole = played(settings_of(case), tape)
    assert cut.outputs == whole.outputs
    assert cut.state() == whole.state()


@pytest.mark.parametrize(("name", "case"), TELLING)
def test_a_restart_anywhere_changes_nothing(name: str, case: cases.Case) -> None:
    tape, rng = tape_of(name, case), random.Random(case.name)
    stops = set(rng.sample(range(len(tape)), min(12, len(tape))))
    deck = Deck(settings_of(case))
    for number, (topic, record) in enumerate(tape):
        if number in stops:
            deck.restart()
        deck.play(topic, [record])
    deck.drain()
    whole = played(settings_of(case), tape)
    assert deck.outputs == whole.outputs
    assert deck.state() == whole.state()


@pytest.mark.parametrize(("name", "case"), TELLING)
def test_an_event_delivered_twice_counts_once(name: str, case: cases.Case) -> None:
    tape = tape_of(name, case)
    twice = [again for topic, record in tape for again in [(topic, record)] * (2 if topic in EVENTS else 1)]
    once, deck = played(settings_of(case), tape), played(settings_of(case), twice)
    assert deck.outputs == once.outputs
    partition = b"\x00partition"
    assert {**deck.state(), partition: b""} == {**once.state(), partition: b""}


def test_compiled_and_plain_python_give_the_same_bytes() -> None:
    plain = subprocess.run(
        [sys.executable, "-c", "import json; from tests.unit.detectors.tape import digests; print(json.dumps(digests()))"],
        env={**os.environ, "NUMBA_DISABLE_JIT": "1", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    assert json.loads(plain.stdout) == digests()


# --- silence ------------------------------------------------------------------------------------------------


def test_an_account_without_events_is_left_alone() -> None:
    case = cases.read('[[case]]\nname = "n"\nabout = "a"\nevents = []\nexpect = []\nuntil_days = 500\n', "made up")[0]
    assert cases.told_by(case, settings.load()) == []


def steady(seed: int) -> list[dict[str, Any]]:
    """Fourteen months of a household that pays what it owes: salary, rent, bills with the noise bills have, and shopping."""
    rng = random.Random(seed)
    events: list[dict[str, Any]] = []
    balance = 150_000

    def move(day: date, category: str, cents: int, payee: str, **more: Any) -> None:
        nonlocal balance
        balance += cents if more.get("direction") == "credit" else -cents
        money = {"amount": f"{cents // 100}.{cents % 100:02d}", "balance_after": f"{balance / 100:.2f}"}
        events.append({"topic": "payments", "category": category, "counterparty_id": payee, "on": day, **money, **more})

    bills = [
        ("rent", 80_000, 1), ("energy", 9_000, 5), ("council_tax", 14_000, 8), ("telecom", 2_500, 12), ("insurance", 4_000, 17),
        ("subscription", 999, 20), ("loan", 12_000, 23),
    ]  # fmt: skip
    day, end = date(2025, 11, 1), date(2027, 1, 1)
    while day < end:
        last = (day.replace(day=28) + timedelta(days=4)).replace(day=1) - timedelta(days=1)
        while last.weekday() >= 5:
            last -= timedelta(days=1)
        if day == last:
            move(day, "salary", 230_000, "EMP", direction="credit")
            spare = balance - 300_000
            if spare > 20_000:
                move(day, "savings", spare - spare % 10_000, "SAVE")
        for category, cents, due in bills:
            on = day.replace(day=due)
            collected = on + timedelta(days=(0, 0, 0, 0, 0, 2, 1)[on.weekday()])
            if day == collected and not (category == "council_tax" and day.month in (2, 3)):
                drift = cents * rng.randrange(97, 104) // 100 if category == "energy" else cents
                owed = {"due_date": on, "amount_due": f"{drift / 100:.2f}", "bill_id": f"{category}-{on}"}
                move(day, category, drift, category.upper(), scheme="bacs", **owed)
        if rng.random() < 0.5:
            move(day, "groceries", rng.randrange(800, 6_000), f"SHOP{rng.randrange(5)}", scheme="card")
        day += timedelta(days=1)
    return events


@pytest.mark.parametrize("seed", range(3))
def test_a_steady_account_is_left_alone(seed: int) -> None:
    case = cases.Case("steady", "", steady(seed), [], start=date(2025, 11, 1), until=date(2027, 1, 1))
    assert [(one.detector, one.occurred_at.date(), one.reasons[0].text) for one in cases.told_by(case, settings.load())] == []


# --- settings -----------------------------------------------------------------------------------------------


def bounds() -> list[Any]:
    found = []
    for name, module in settings.OWN.items():
        for key, field in module.Settings.model_fields.items():
            for one in field.metadata:
                for kind, beyond in (("ge", -1), ("gt", 0), ("le", 1), ("lt", 0)):
                    if hasattr(one, kind):
                        found.append(pytest.param(name, key, getattr(one, kind) + beyond, id=f"{name}.{key} {kind}"))
    return found


@pytest.mark.parametrize(("name", "key", "value"), bounds())
def test_no_setting_goes_beyond_its_bounds(name: str, key: str, value: float) -> None:
    whole = settings.load().model_dump()
    whole[name][key] = value
    with pytest.raises(ValidationError, match=key):
        settings.DetectorSettings.model_validate(whole)


@pytest.mark.parametrize("name", NAMES)
def test_switched_off_it_says_nothing(name: str) -> None:
    case = tellable(name)[0]
    off = cases._settings("", cases._merged(case.settings, {name: {"enabled": False}}))
    assert [one for one in cases.told_by(case, off) if one.detector == name] == []


@pytest.mark.parametrize("name", NAMES)
def test_switched_off_while_it_speaks_it_takes_back_what_it_said(name: str) -> None:
    case = tellable(name)[0]
    deck = Deck(settings_of(case))

    def told() -> list[dict[str, Any]]:
        deck.drain()
        said = [json.loads(one.value or b"") for one in signals_of(deck)]
        return [one for one in said if one["detector"] == name]

    for topic, record in tape_of(name, case):
        deck.play(topic, [record])
        if told():
            break
    deck.step.configure(cases._settings("", cases._merged(case.settings, {name: {"enabled": False}})))
    [first] = told()
    shopping = cases.read(
        '[[case]]\nname = "n"\nabout = "a"\nexpect = []\nalive = false\n'
        'events = [{ topic = "payments", category = "groceries", event_id = "after", day = 0 }]\n',
        "made up",
    )[0]
    [(_, line)] = [one for one in cases._lines(shopping, None) if one[0] == "payments"]
    value = json.loads(line.value or b"") | {"account_id": first["account_id"], "occurred_at": first["occurred_at"]}
    record = line._replace(key=first["account_id"].encode(), value=json.dumps(value).encode(), timestamp=deck.step.clock)
    deck.play("payments", [record])
    assert [(one["status"], one["signal_id"]) for one in told()] == [
        ("raised", first["signal_id"]),
        ("withdrawn", first["signal_id"]),
    ]
    assert told()[-1]["reasons"][0]["code"] == "switched_off"


def test_every_signal_names_version_and_settings() -> None:
    one = settings.versions(settings.load())
    other = settings.versions(settings.load("[missed_bills]\nlow = 0.9\n"))
    assert {name for name in NAMES if one[name] != other[name]} == {"missed_bills"}
    assert all(version.split("+")[0] == MODULES[name].VERSION for name, version in one.items())
