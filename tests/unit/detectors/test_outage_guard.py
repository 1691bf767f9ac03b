"""The outage guard: what a burst is, when it ends and how it is judged; and that cuts, drains and restarts do not show."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pytest

from stream.agents.accounts import AccountsStep
from stream.contracts.vocabulary import CATEGORIES
from stream.detectors import settings, world
from stream.detectors.outage_guard import (
    BY_BILLER,
    DAY,
    HOUR,
    LEARNING,
    LONGEST,
    MARKS,
    Episode,
    Guard,
    Payers,
    is_silent,
    see_payer,
)
from stream.engine import ticks
from stream.tables.account import ACCOUNT, BOUNCE_SLOT, NEVER
from stream.tables.event import EVENT
from stream.tables.hashing import hash_text
from tests.unit.agents.test_accounts_step import WHOLE, Rec, account, bounce, ms, payment, tick, values

START = 20_000 * DAY
READY = START + LEARNING
LOADED = settings.load()
OWN = LOADED.outage_guard


def guard_of(**more: Any) -> Guard:
    guard = Guard(OWN.model_copy(update=more))
    assert guard.see(START, START, 1, (1, 0, 99)) == []
    return guard


def burst(guard: Guard, at: int, accounts: Iterable[int], biller: int = 7) -> list[Episode]:
    """Bounces of accounts at one biller, a second apart; of no scheme that others have."""
    found = []
    for number in accounts:
        when = at + number * 1000
        found += guard.see(when, when, hash_text(f"account {number}"), (5, 0, biller))
    return [one for one in found if one.kind == BY_BILLER]


def test_a_burst_begins_with_the_account_that_makes_twenty_marks_and_covers_the_day_before() -> None:
    guard = guard_of()
    [episode] = burst(guard, READY, range(60))
    assert episode.since == READY // HOUR * HOUR - 23 * HOUR
    assert 20 <= episode.size <= 60
    assert abs(episode.size - 60) <= 6
    assert burst(guard, READY, range(60, 80)) == []
    outages = guard.outages()
    assert outages[outages["kind"] == BY_BILLER][["key", "since", "until"]].tolist() == [(7, episode.since, NEVER)]


@pytest.mark.parametrize("seed", range(5))
def test_fewer_than_twenty_accounts_are_never_a_burst_however_often_they_bounce(seed: int) -> None:
    guard = guard_of()
    rng = np.random.default_rng(seed)
    assert burst(guard, READY, (int(one) for one in rng.integers(seed * 100, seed * 100 + 19, 500))) == []
    assert guard.due == NEVER


def test_nothing_is_a_burst_while_it_is_not_known_what_is_usual() -> None:
    assert burst(guard_of(), READY - DAY, range(60)) == []


@pytest.mark.parametrize(("before", "begins"), [(8, True), (30, False)])
def test_a_burst_is_many_times_the_busiest_day(before: int, begins: bool) -> None:
    guard = guard_of()
    burst(guard, START + 5 * DAY, range(before))
    assert bool(burst(guard, READY + DAY, range(100))) == begins


def test_accounts_spread_over_more_than_a_day_are_no_burst() -> None:
    guard = guard_of()
    assert not any(burst(guard, READY + k * 2 * HOUR, [k]) for k in range(60))


def test_a_burst_ends_when_a_day_holds_none_and_is_judged_days_later() -> None:
    guard = guard_of()
    [episode] = burst(guard, READY, range(60))
    last = (READY + 59_000) // HOUR
    assert guard.due == (last + 24) * HOUR
    ended = [one for one, judged in guard.passed(guard.due) if one.kind == BY_BILLER and not judged]
    assert ended == [episode]
    assert episode.until == (last + 24) * HOUR
    assert guard.due == episode.until + OWN.confirm_days * DAY
    for one, judged in guard.passed(guard.due):
        assert judged
        guard.forget(one, outage=True)
    assert guard.due == NEVER
    assert len(guard.outages()) == 0


def test_a_burst_lasts_a_week_at_the_longest() -> None:
    guard = guard_of()
    [episode] = burst(guard, READY, range(60))
    for hours in range(12, 240, 12):
        burst(guard, READY + hours * HOUR, range(60))
    assert episode.ends == episode.since + LONGEST


def test_what_comes_day_by_day_is_usual_after_a_week() -> None:
    guard = guard_of()
    begun = []
    for day in range(60):
        at = READY + day * DAY
        for one, judged in guard.passed(at):
            if judged:
                guard.forget(one, outage=False)
        begun += burst(guard, at, range(100))
    assert begun[0].since < READY
    assert begun[-1].since < READY + LONGEST


def test_switched_off_it_lets_go_of_what_it_held() -> None:
    guard = guard_of()
    assert burst(guard, READY, range(60))
    guard.configure(OWN.model_copy(update={"enabled": False}))
    for one, judged in guard.passed(READY):
        if judged:
            assert not guard.is_outage(np.zeros((1, 8), BOUNCE_SLOT), one)
            guard.forget(one, outage=False)
    assert len(guard.outages()) == 0
    assert burst(guard, READY + DAY, range(60)) == []


def test_what_is_drained_is_taken_back() -> None:
    guard, rows = guard_of(), {}
    for part in range(6):
        burst(guard, READY + part * 7 * HOUR, range(part * 15, part * 15 + 60))
        rows.update(guard.drain())
        twin = Guard(OWN)
        assert list(twin.take_back([*rows.items(), (b"other", b"x")])) == [(b"other", b"x")]
        assert twin.due == guard.due
        assert twin.outages().tobytes() == guard.outages().tobytes()
        assert twin.drain() == []
        more = READY + part * 7 * HOUR + HOUR, range(200, 240), 8
        assert burst(twin, *more) == burst(guard, *more)
        drained = twin.drain()
        assert drained == guard.drain()
        rows.update(drained)
        guard = twin


def test_a_mark_costs_little_and_a_group_of_few_little_room() -> None:
    guard = guard_of()
    burst(guard, READY, range(3))
    assert max(len(name) + len(value or b"") for name, value in guard.drain()) < 120
    assert MARKS // 8 == 128


# --- through the accounts stage -----------------------------------------------------------------------------

Log = list[tuple[str, Rec]]


def story(seed: int) -> Log:
    """A hundred accounts with stray bounces, and outages at a biller and at a bank, of which one is collected."""
    rng = np.random.default_rng(seed)
    names = [f"A{number}" for number in range(100)]
    log: Log = [account(name, -1, (f"C{name}",)) for name in names]
    told: Log = []
    number = 0

    def one(at: float, name: str, **more: Any) -> None:
        nonlocal number
        number += 1
        told.append(bounce(f"b{number}", at, at=name, scheme="direct_entry", reason_code="6", **more))

    for _ in range(150):
        one(float(rng.uniform(0, 75)), str(rng.choice(names)), counterparty_id=f"P{rng.integers(40)}", category="rent")
    for name in names[:60]:
        at = 45 + float(rng.uniform(0, 0.8))
        one(at, name, counterparty_id="X", category="rent", bank_id="B1")
        one(at + 0.01, name, counterparty_id=f"Y{name}", category="rent", bank_id="B2")
        if rng.random() < 0.9:
            told.append(payment(f"p{name}", at + float(rng.uniform(0.5, 4)), at=name, counterparty_id="X", category="rent"))
        if rng.random() < 0.1:
            told.append(payment(f"q{name}", at + 2, at=name, counterparty_id=f"Y{name}", category="rent"))
    told += [tick(day + 0.5) for day in range(0, 80, 3)]
    told.sort(key=lambda each: each[1].timestamp)
    return log + told


def played(log: Log, cuts: Sequence[int], *, restart: bool = False) -> list[tuple[str, bytes | None, bytes | None]]:
    """The outputs, where a chunk is at most a run of one topic, cut and drained before the given records."""
    step = AccountsStep(WHOLE, LOADED)
    rows: dict[bytes, bytes | None] = {}
    outputs = []
    start = 0
    for stop in range(1, len(log) + 1):
        if stop == len(log) or log[stop][0] != log[start][0] or stop in cuts:
            assert step.apply(log[start][0], [each for _, each in log[start:stop]]) == []
            start = stop
        if stop in cuts or stop == len(log):
            drained = step.drain()
            outputs += [(each.topic, each.key, each.value) for each in drained.outputs]
            rows.update(drained.rows)
            if restart:
                step = AccountsStep(WHOLE, LOADED)
                step.restore([(name, value) for name, value in rows.items() if value is not None])
    return outputs


@pytest.mark.parametrize("seed", [1, 2])
def test_neither_cuts_nor_restarts_show(seed: int) -> None:
    log = story(seed)
    whole = played(log, [])
    rng = np.random.default_rng(seed)
    cuts = sorted(int(one) for one in rng.integers(100, len(log), 25))
    assert played(log, cuts) == whole
    assert played(log, cuts, restart=True) == whole
    assert played(log, range(len(log))) == whole


def test_of_two_outages_the_collected_one_never_counts_and_the_other_does_in_the_end() -> None:
    step = AccountsStep(WHOLE, LOADED)
    outputs = []
    for topic, one in story(1):
        assert step.apply(topic, [one]) == []
        outputs += step.drain().outputs
    signals = [one for one in values(outputs) if one["detector"] == "bounce_pressure"]
    outage = [one for one in signals if one["status"] == "withdrawn" and one["reasons"][0]["code"] == "outage"]
    assert outage
    tallies = step.take_tallies()
    assert tallies["outages", "biller", "outage"] == 1
    assert tallies["outages", "bank", "own"] >= 1
    assert step.take_tallies() == {}
    during = [one for one in signals if "2026-04-16" <= one["occurred_at"] < "2026-04-20" and one["status"] == "raised"]
    after = [one for one in signals if "2026-04-20" <= one["occurred_at"] < "2026-04-30" and one["status"] == "raised"]
    assert len(during) < 10 < len(after), json.dumps([len(during), len(after)])


# --- silence ------------------------------------------------------------------------------------------------

TODAY = 20_500
PAYER = hash_text("acme")


def payers_of(accounts: Iterable[int], day: int, payers: Payers | None = None) -> Payers:
    """Payers after a salary of `PAYER` to each account."""
    payers = payers or Payers()
    payers.configure(OWN)
    seen = world.bare()._replace(payers=payers.array, patience=payers.patience)
    row, event = np.zeros(1, ACCOUNT)[0], np.zeros(1, EVENT)[0]
    event["category"], event["payee"], event["at"] = CATEGORIES.index("salary"), PAYER, day * DAY
    for number in accounts:
        event["account"] = hash_text(f"account {number}")
        see_payer(row, event, seen)
    return payers


def put_off(payers: Payers, expected: int, today: int = TODAY) -> bool:
    """Whether what is expected of `PAYER`, and may come until five days later, is put off."""
    seen = world.bare()._replace(payers=payers.array, patience=payers.patience)
    return bool(is_silent(PAYER, expected, expected + 5, today, seen))


def test_a_payer_of_many_that_paid_nobody_since_is_silent_for_a_week_beyond_the_deadline() -> None:
    payers = payers_of(range(40), TODAY - 36)
    for late in range(6, 6 + 7):
        assert put_off(payers, TODAY - late)
    assert not put_off(payers, TODAY - 13)


@pytest.mark.parametrize(("ago", "silent"), [(11, True), (10, True), (9, False), (3, False)])
def test_one_who_was_paid_shows_that_a_payer_is_not_silent(ago: int, silent: bool) -> None:
    payers = payers_of([7], TODAY - ago, payers_of(range(40), TODAY - 36))
    assert put_off(payers, TODAY - 6) == silent


@pytest.mark.parametrize("seed", range(5))
def test_a_payer_of_fewer_than_twenty_is_never_silent_however_often_it_paid(seed: int) -> None:
    payers = payers_of(range(seed * 100, seed * 100 + 19), TODAY - 64)
    assert not put_off(payers_of(range(seed * 100, seed * 100 + 19), TODAY - 36, payers), TODAY - 6)


def test_accounts_that_were_paid_long_ago_are_no_longer_counted() -> None:
    payers = payers_of(range(40), TODAY - 136)
    assert not put_off(payers_of(range(3), TODAY - 36, payers), TODAY - 6)


def test_an_unknown_payer_and_a_guard_switched_off_put_nothing_off() -> None:
    assert not put_off(payers_of([], TODAY), TODAY - 6)
    payers = payers_of(range(40), TODAY - 36)
    payers.configure(OWN.model_copy(update={"enabled": False}))
    assert not put_off(payers, TODAY - 6)


def test_payers_grow_are_drained_and_taken_back() -> None:
    payers = payers_of(range(40), TODAY - 36)
    rows = payers.drain()
    assert len(rows) == 1
    assert payers.drain() == []
    assert sum(len(name) + len(value or b"") for name, value in rows) < 60
    twin = Payers()
    assert list(twin.take_back([(b"other", b"x"), *rows])) == [(b"other", b"x")]
    assert twin.drain() == []
    twin.configure(OWN)
    assert put_off(twin, TODAY - 6)
    before = len(twin.array)
    assert twin.reserve(before)
    assert not twin.reserve(1)
    assert len(twin.array) > before
    assert put_off(twin, TODAY - 6)


def payroll(paid: Sequence[int]) -> Log:
    """Thirty people of one employer, paid on the given days; of them A0 buys something every third day."""
    names = [f"A{number}" for number in range(30)]
    log: Log = [account(name, -1, (f"C{name}",)) for name in names]
    told = [
        payment(f"s{name}/{day}", day, at=name, counterparty_id="acme", category="salary", direction="credit", amount="2000")
        for day in paid
        for name in names
    ]
    told += [payment(f"g{day}", day, at="A0", category="groceries", counterparty_id=f"S{day}") for day in range(0, 150, 3)]
    told += [("ticks", Rec(0, ms(day), None, alive(day))) for day in range(150)]
    return log + sorted(told, key=lambda each: each[1].timestamp)


def alive(day: float) -> bytes:
    return ticks.encode(ticks.Tick("accounts", 0, ms(day), True, ("payments",)))


@pytest.mark.parametrize("paid", [(0, 31, 61, 92), (0, 31, 61, 92, 131)])
def test_neither_cuts_nor_restarts_show_while_a_payer_is_silent(paid: Sequence[int]) -> None:
    log = payroll(paid)
    whole = played(log, [])
    cuts = range(150, len(log), 7)
    assert played(log, cuts, restart=True) == whole
    drops = [json.loads(value or b"") for topic, key, value in whole if topic == "signals" and key == b"CA0"]
    assert [one["status"] for one in drops if one["detector"] == "income_drop"] == (["raised"] if len(paid) == 4 else [])
