"""The accounts stage through its boundary: records in, outputs and changelog rows out."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import pytest

from stream.agents.accounts import AccountsStep
from stream.contracts import DECODE
from stream.detectors import kernel, settings
from stream.engine import ticks
from stream.engine.step import Output, Placement
from stream.errors import Reason, StateError
from stream.tables import hashing, scan

T0 = datetime(2026, 3, 1, 12, tzinfo=UTC)
SETTINGS = settings.load()


class Rec(NamedTuple):
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()


Log = list[tuple[str, Rec]]


def ms(days: float) -> int:
    return round((T0 + timedelta(days=days)).timestamp() * 1000)


def iso(days: float) -> str:
    return (T0 + timedelta(days=days)).isoformat()


def record(topic: str, day: float, fields: dict[str, Any], **more: Any) -> tuple[str, Rec]:
    value = json.dumps({k: v for k, v in fields.items() if v is not None}).encode()
    return topic, Rec(0, ms(day), fields["account_id"].encode(), value)._replace(**more)


def account(name: str = "A", day: float = 0, holders: Sequence[str] = ("C1",), **more: Any) -> tuple[str, Rec]:
    people = [{"customer_id": one, "role": "joint" if n else "primary"} for n, one in enumerate(holders)]
    fields = {
        "account_id": name, "updated_at": iso(day), "holders": people, "product": "current_account",
        "currency": "GBP", "country": "GB", "time_zone": "Europe/London",
    }  # fmt: skip
    return record("accounts", day, fields | more)


def erased(name: str = "A", day: float = 0) -> tuple[str, Rec]:
    return "accounts", Rec(7, ms(day), name.encode(), None)


def bounce(name: str, day: float, *, at: str = "A", **more: Any) -> tuple[str, Rec]:
    fields = {
        "event_id": name, "account_id": at, "occurred_at": iso(day), "scheme": "sepa_sdd", "reason_code": "AM04",
        "amount": "38.20", "currency": "GBP", "counterparty_id": "P1", "category": "energy",
    }  # fmt: skip
    return record("bounces", day, fields | more)


def missed(name: str, day: float, *, at: str = "A", **more: Any) -> tuple[str, Rec]:
    fields = {
        "event_id": name, "account_id": at, "occurred_at": iso(day), "bill_id": f"L{name}", "counterparty_id": "P2",
        "category": "water", "amount_due": "25", "currency": "GBP", "due_date": iso(day - 4)[:10], "outcome": "missed",
    }  # fmt: skip
    return record("missed-bills", day, fields | more)


def payment(name: str, day: float, *, at: str = "A", **more: Any) -> tuple[str, Rec]:
    fields = {
        "event_id": name, "account_id": at, "occurred_at": iso(day), "direction": "debit", "amount": "38.20",
        "currency": "GBP", "counterparty_id": "P1", "category": "energy", "scheme": "bacs",
    }  # fmt: skip
    return record("payments", day, fields | more)


def order(name: str, kind: str, day: float, *, at: str = "A", **more: Any) -> tuple[str, Rec]:
    fields = {"order_id": name, "account_id": at, "customer_id": "C1", "at": iso(day), "kind": kind}
    return record("account-orders", day, fields | more)


def tick(day: float, stage: str = "accounts", partition: int = 0) -> tuple[str, Rec]:
    value = ticks.encode(ticks.Tick(stage, partition, ms(day), True, ()))
    return "ticks", Rec(0, ms(day), None, value)


WHOLE = Placement(0, 1, "murmur2")


def new(placement: Placement = WHOLE) -> AccountsStep:
    return AccountsStep(placement, SETTINGS)


def run(step: AccountsStep, log: Iterable[tuple[str, Rec]]) -> list[Output]:
    """Applies records one by one; every one must be good."""
    for topic, one in log:
        assert step.apply(topic, [one]) == []
    return step.drain().outputs


def values(outputs: Iterable[Output], topic: str = "signals") -> list[dict[str, Any]]:
    return [json.loads(one.value) for one in outputs if one.topic == topic]


def said(outputs: Iterable[Output]) -> list[tuple[str, str, str]]:
    return [(one["status"], one["customer_id"], one["detector"]) for one in values(outputs)]


# --- signals ------------------------------------------------------------------------------------------------


def test_a_signal_explains_itself_and_says_what_would_clear_it() -> None:
    step = new()
    (signal,) = values(run(step, [account(), bounce("b1", 1)]))
    assert (signal["status"], signal["severity"], signal["account_id"]) == ("raised", "low", "A")
    assert signal["score"] == 1.2
    assert signal["reasons"][0]["text"] == "1 payment came back unpaid: energy bill (GBP 38.20, 2 March 2026)."
    assert signal["reasons"][0]["event_ids"] == ["b1"]
    assert signal["reasons"][1]["threshold"] == 1.0
    assert signal["would_clear"].startswith("Clears once paid: energy bill (GBP 38.20); or by itself on ")
    assert signal["occurred_at"] == "2026-03-02T12:00:00Z"


def test_outputs_are_sound_records_keyed_by_customer_with_unique_ids() -> None:
    log = [account(holders=("C1", "C2")), bounce("b1", 1), missed("m1", 2), payment("p1", 3), tick(90)]
    outputs = run(new(), log)
    assert {one.topic for one in outputs} == {"signals", "account-facts"}
    for one in outputs:
        assert DECODE[one.topic](one.value).customer_id.encode() == one.key
    ids = [dict(one.headers)["ce_id"] for one in outputs]
    assert len(set(ids)) == len(ids)


def test_the_trace_of_the_trigger_is_passed_on() -> None:
    trace = b"00-" + b"a" * 32 + b"-" + b"b" * 16 + b"-01"
    topic, one = bounce("b1", 1)
    outputs = run(new(), [account(), (topic, one._replace(headers=(("traceparent", trace),)))])
    assert dict(outputs[-1].headers)["traceparent"] == trace
    assert dict(outputs[-1].headers)["ce_time"] == b"2026-03-02T12:00:00Z"


def test_a_withdrawal_repeats_the_id_and_says_why() -> None:
    first, second = values(run(new(), [account(), bounce("b1", 1), payment("p1", 2)]))
    assert second["status"] == "withdrawn"
    assert second["signal_id"] == first["signal_id"]
    assert second["reasons"][0]["code"] == "paid"
    assert second["reasons"][0]["event_ids"] == ["p1"]
    assert second["reasons"][1:] == first["reasons"]
    assert second["occurred_at"] == "2026-03-03T12:00:00Z"


def test_a_new_episode_has_a_new_id() -> None:
    log = [account(), bounce("b1", 1), payment("p1", 2), bounce("b2", 3)]
    first, _, third = [one for one in values(run(new(), log)) if one["detector"] == "bounce_pressure"]
    assert third["status"] == "raised"
    assert third["signal_id"] != first["signal_id"]


def test_each_holder_has_a_signal_of_their_own() -> None:
    first, second = values(run(new(), [account(holders=("C1", "C2")), bounce("b1", 1)]))
    assert {first["customer_id"], second["customer_id"]} == {"C1", "C2"}
    assert first["signal_id"] != second["signal_id"]
    assert "C2" not in json.dumps(first)


def test_findings_wait_for_the_accounts_record_and_leave_when_it_comes() -> None:
    step = new()
    assert run(step, [bounce("b1", 1)]) == []
    (signal,) = values(run(step, [account(day=2)]))
    assert (signal["status"], signal["occurred_at"]) == ("raised", "2026-03-02T12:00:00Z")


def test_a_finding_that_is_over_before_the_record_comes_is_never_said() -> None:
    assert values(run(new(), [bounce("b1", 1), payment("p1", 2), account(day=3)])) == []


def test_a_holder_who_joins_hears_what_is_open_and_one_who_leaves_has_it_withdrawn() -> None:
    step = new()
    run(step, [account(), bounce("b1", 1)])
    assert said(run(step, [account(day=2, holders=("C1", "C2"))])) == [("raised", "C2", "bounce_pressure")]
    outputs = run(step, [account(day=3, holders=("C2",))])
    assert said(outputs) == [("withdrawn", "C1", "bounce_pressure")]
    gone = [one for one in values(outputs, "account-facts") if one.get("removed")]
    assert [one["customer_id"] for one in gone] == ["C1"]
    (again,) = values(run(step, [account(day=4, holders=("C2", "C1"))]))
    assert again["signal_id"] != values(outputs)[0]["signal_id"], "no id is issued again after a withdrawal"


def test_a_repayment_on_a_loan_cures_as_a_credit() -> None:
    log = [account(product="loan"), bounce("b1", 1), payment("p1", 2, direction="credit")]
    assert [one[0] for one in said(run(new(), log))] == ["raised", "withdrawn"]


def test_an_undo_of_what_was_never_seen_is_counted_and_changes_nothing() -> None:
    step = new()
    assert values(run(step, [account(), bounce("b1", 1, status="reversed", corrects="b0")])) == []
    assert step.counters()["events.undo_missed"] == 1


@pytest.mark.parametrize(
    ("code", "hold", "reason"),
    [
        ("R15", "bereavement", "reported_by_return_code"),
        ("R16", "insolvency", "reported_by_return_code"),
        ("R14", None, "reported_by_return_code"),
        ("R10", None, "reported_unauthorised"),
        ("R29", None, "reported_unauthorised"),
    ],
)
def test_the_first_reasons_code_and_the_hold_tell_which_person_is_asked(code: str, hold: str | None, reason: str) -> None:
    (one,) = values(run(new(), [account(), bounce("b1", 1, scheme="ach", reason_code=code, counterparty_id="ACME")]))
    assert (one["severity"], one["score"], one.get("proposes_hold")) == ("info", 2.0 if hold else 1.0, hold)
    assert [(each["code"], each["event_ids"]) for each in one["reasons"]] == [(reason, ["b1"])]
    assert "ACME" not in json.dumps(one)
    assert one["reasons"][0]["text"].endswith(": energy bill (GBP 38.20, 2 March 2026).")


def test_a_death_and_a_dispute_are_two_signs_and_neither_crowds_the_other_out() -> None:
    log = [account(), *(bounce(f"b{n}", 1 + n / 10, reason_code="MD01") for n in range(6)), bounce("d", 2, reason_code="MD07")]
    outputs = values(run(new(), log))
    assert [(one["status"], one.get("proposes_hold")) for one in outputs] == [
        ("raised", None), *[("changed", None)] * 5, ("raised", "bereavement"),
    ]  # fmt: skip
    assert outputs[0]["signal_id"] == outputs[5]["signal_id"] != outputs[6]["signal_id"]
    assert outputs[5]["reasons"][0]["event_ids"] == ["b2", "b3", "b4", "b5"], "the latest four"


def test_an_unknown_code_is_counted_and_weighs_nothing() -> None:
    step = new()
    assert values(run(step, [account(), bounce("b1", 1, reason_code="ZZ99")])) == []
    assert step.counters()["bounces.unknown_code"] == 1
    assert step.take_tallies() == {("unknown_codes", "sepa_sdd"): 1}


# --- time ---------------------------------------------------------------------------------------------------


def test_a_tick_withdraws_what_time_has_worn_away_and_next_due_tells_when() -> None:
    step = new()
    run(step, [account(), missed("m1", 5, due_date="2026-03-02")])
    due = step.next_due()
    assert due == round(datetime(2026, 5, 11, tzinfo=UTC).timestamp() * 1000)
    day = (due - ms(0)) / 86_400_000
    assert values(run(step, [tick(day - 0.001)])) == []
    (signal,) = values(run(step, [tick(day)]))
    assert (signal["status"], signal["reasons"][0]["code"]) == ("withdrawn", "faded")
    assert step.next_due() is None


def test_ticks_of_others_are_ignored() -> None:
    step = new()
    run(step, [account(), missed("m1", 5)])
    assert run(step, [tick(100, stage="customers"), tick(100, partition=1)]) == []
    assert step.clock == ms(5)


def test_the_clock_is_the_latest_of_the_earlier_of_event_time_and_timestamp() -> None:
    step = new()
    topic, late = payment("p1", 3)
    assert step.apply(topic, [late._replace(timestamp=ms(2.5))]) == []
    assert step.clock == ms(2.5)
    run(step, [payment("p2", 1)])
    assert step.clock == ms(2.5)


# --- facts and orders ---------------------------------------------------------------------------------------


def test_the_profile_is_told_to_every_holder_with_the_next_due_dates() -> None:
    owed = {
        "obligation_id": "O1",
        "category": "rent",
        "counterparty_id": "L",
        "amount_due": "900",
        "currency": "GBP",
    }
    outputs = run(new(), [account(holders=("C1", "C2"), obligations=[owed | {"due_day": 31}])])
    told = values(outputs, "account-facts")
    assert [one["customer_id"] for one in told] == ["C1", "C2"]
    assert told[0]["obligations"][0]["next_due"] == "2026-03-31"
    assert (told[0]["role"], told[1]["role"]) == ("primary", "joint")


def test_an_older_record_of_an_account_is_ignored() -> None:
    step = new()
    run(step, [account(day=2, holders=("C1",))])
    assert run(step, [account(day=1, holders=("C9",))]) == []
    assert step.counters()["accounts.stale"] == 1


def test_payments_are_told_only_while_a_promise_is_watched() -> None:
    step = new()
    run(step, [account(), order("o1", "watch_promise", 1, promise_id="R1")])
    told = values(run(step, [payment("p1", 2), payment("p1", 2)]), "account-facts")
    assert [(one["change"], one["payments"][0]["event_id"]) for one in told] == [("payment", "p1")]
    run(step, [order("o1", "unwatch_promise", 3, promise_id="R1")])
    assert run(step, [payment("p2", 4)]) == []


def test_the_last_order_to_watch_counts_however_often_it_was_given_before() -> None:
    step = new()
    run(step, [account(), *(order("o1", f"{verb}_promise", 1, promise_id="R1") for verb in ("watch", "unwatch", "watch"))])
    assert [one["change"] for one in values(run(step, [payment("p1", 2)]), "account-facts")] == ["payment"]


def test_a_pause_is_told_to_all_holders_until_it_is_resumed() -> None:
    step = new()
    run(step, [account(holders=("C1", "C2"))])
    paused = values(run(step, [order("o1", "pause", 1, hold_kind="dispute")]), "account-facts")
    assert [(one["customer_id"], one["change"], len(one["pauses"])) for one in paused] == [
        ("C1", "pause", 1),
        ("C2", "pause", 1),
    ]
    assert run(step, [order("o1", "pause", 1, hold_kind="dispute")]) == [], "a redelivery changes nothing"
    resumed = values(run(step, [order("o1", "resume", 2)]), "account-facts")
    assert ["pauses" in one for one in resumed] == [False, False]
    assert run(step, [order("o1", "pause", 1, hold_kind="dispute")]) == []


def test_orders_before_the_record_are_kept_for_it() -> None:
    step = new()
    assert run(step, [order("o1", "pause", 1, hold_kind="dispute")]) == []
    (told,) = values(run(step, [account(day=2)]), "account-facts")
    assert told["pauses"][0]["order_id"] == "o1"


def test_erasure_withdraws_tells_the_holders_and_leaves_tombstones_alone() -> None:
    step = new()
    run(step, [account(), bounce("b1", 1)])
    topic, tombstone = erased(day=2)
    assert step.apply(topic, [tombstone]) == []
    drained = step.drain()
    assert dict(drained.rows) | {b"A": None, b"\x01A": None, b"\x02A": None} == dict(drained.rows)
    assert {key for key, value in drained.rows if value is not None} == {b"\x00partition"}
    assert said(drained.outputs) == [("withdrawn", "C1", "bounce_pressure")]
    assert values(drained.outputs)[0]["reasons"][0]["code"] == "erased"
    (told,) = values(drained.outputs, "account-facts")
    assert (told["change"], told["removed"]) == ("erased", True)
    assert list(step.features()) == []
    assert step.next_due() is None
    assert values(run(step, [bounce("b1", 3), account(day=4)])) != [], "a new account of that name starts afresh"


def test_an_order_that_comes_after_the_erasure_makes_no_row() -> None:
    step = new()
    run(step, [account(), order("o1", "pause", 1, hold_kind="dispute"), erased(day=2)])
    for kind in ("resume", "unwatch_promise"):
        topic, late = order("o1", kind, 3)
        assert step.apply(topic, [late]) == []
    assert {key for key, value in step.drain().rows if value is not None} == {b"\x00partition"}
    assert list(step.features()) == []


def test_a_pause_that_is_over_is_forgotten_with_the_holder_it_came_from() -> None:
    step = new()
    ended = order("o1", "pause", 1, hold_kind="dispute", until=iso(2))
    standing = order("o2", "pause", 1, hold_kind="dispute")
    run(step, [account(holders=("C1", "C2")), ended, standing])
    stays = values(run(step, [account(holders=("C1", "C2"), day=3, outstanding="1.00")]), "account-facts")
    assert [len(one["pauses"]) for one in stays] == [2, 2]
    (told, _) = values(run(step, [account(holders=("C2",), day=4)]), "account-facts")
    assert [pause["order_id"] for pause in told["pauses"]] == ["o2"], "its own end comes as an order"


# --- refusals -----------------------------------------------------------------------------------------------


def test_a_record_in_the_wrong_partition_is_refused_and_leaves_no_row() -> None:
    step = new(Placement(0, 4, "murmur2"))
    names = [f"A-{n}" for n in range(40)]
    for topic in ("payments", "accounts"):
        make = payment if topic == "payments" else account
        records = [make(f"p{n}", 1, at=name)[1] if make is payment else make(name)[1] for n, name in enumerate(names)]
        refused = step.apply(topic, records)
        assert {one.reason for one in refused} == {Reason.MISPARTITIONED}
        assert [one.index for one in refused] == [
            n for n, name in enumerate(names) if not Placement(0, 4, "murmur2").holds(name.encode())
        ]
    assert step.counters()["rows"] == 40 - len(refused)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"key": b"B"}, Reason.KEY_MISMATCH),
        ({"key": None}, Reason.NULL_KEY),
        ({"value": None}, Reason.NULL_VALUE),
        ({"value": b"{"}, Reason.BAD_JSON),
        ({"value": b"\x00"}, Reason.BAD_ENVELOPE),
        ({"timestamp": ms(-0.01)}, Reason.TOO_FAR_AHEAD),
    ],
)
@pytest.mark.parametrize("make", [payment, bounce, missed])
def test_a_bad_record_is_refused_alone(make: Any, change: dict[str, Any], reason: Reason) -> None:
    step = new()
    topic, bad = make("e2", 1)
    good = [make(name, 1)[1] for name in ("e1", "e3")]
    refused = step.apply(topic, [good[0], bad._replace(**change), good[1]])
    assert [(one.index, one.reason) for one in refused] == [(1, reason)]
    assert step.counters()[f"{topic}.applied"] == 2


def test_exactly_a_day_ahead_is_not_too_far() -> None:
    topic, one = payment("p1", 1)
    assert new().apply(topic, [one._replace(timestamp=ms(0))]) == []


@pytest.mark.parametrize("topic", ["accounts", "account-orders", "ticks"])
def test_garbage_never_raises(topic: str) -> None:
    garbage = [b"", b"{}", b"[]", b"\xff", b"null", b"[" * 100_000, b'{"account_id":1}']
    refused = new().apply(topic, [Rec(n, 0, b"A", value) for n, value in enumerate(garbage)])
    assert [one.index for one in refused] == list(range(len(garbage)))


# --- laws ---------------------------------------------------------------------------------------------------


def life(seed: int, events: int = 400) -> Log:
    """A made-up stream over a dozen accounts, with everything in it and a few bad records."""
    rng = random.Random(seed)
    log: Log = []
    for n in range(events):
        day = n / 4 + rng.random()
        at = f"A{rng.randrange(12)}"
        kind = rng.random()
        more: dict[str, Any] = {"counterparty_id": f"P{rng.randrange(4)}"}
        if n > 5 and rng.random() < 0.1:
            more |= {"status": "reversed", "corrects": rng.choice([None, f"e{n - rng.randrange(1, 6)}"])}
        name = f"e{n if rng.random() < 0.9 else max(n - 3, 0)}"
        if kind < 0.35:
            log.append(payment(name, day, at=at, **more))
        elif kind < 0.55:
            log.append(bounce(name, day, at=at, **more))
        elif kind < 0.75:
            log.append(missed(name, day, at=at, bill_id=f"L{rng.randrange(5)}", **more))
        elif kind < 0.85:
            log.append(account(at, day, rng.sample(["C1", "C2", "C3"], rng.randrange(1, 4))))
        elif kind < 0.92:
            log.append(tick(day))
        elif kind < 0.96:
            verb = rng.choice(["watch_promise", "unwatch_promise", "pause", "resume"])
            log.append(order(f"o{rng.randrange(6)}", verb, day, at=at, hold_kind="dispute", promise_id="R"))
        elif kind < 0.98:
            log.append(erased(at, day))
        else:
            topic, one = payment(name, day, at=at)
            log.append((topic, one._replace(key=b"elsewhere")))
    return log


def chunks(log: Log, rng: random.Random, longest: int) -> Iterable[tuple[str, list[Rec]]]:
    """The same sequence cut anywhere; a chunk holds one topic."""
    n = 0
    while n < len(log):
        topic, size = log[n][0], rng.randint(1, longest)
        run_ = []
        while n < len(log) and log[n][0] == topic and len(run_) < size:
            run_.append(log[n][1])
            n += 1
        yield topic, run_


def state_of(step: AccountsStep, rows: dict[bytes, bytes | None]) -> dict[bytes, bytes]:
    return {key: value for key, value in rows.items() if value is not None}


def by_topic(log: Log) -> Log:
    """Runs of one topic, so that chunks can be long."""
    out: Log = []
    for start in range(0, len(log), 60):
        part = log[start : start + 60]
        out += sorted(part, key=lambda one: one[0])
    return out


@pytest.mark.parametrize("seed", range(4))
def test_chunks_and_drains_do_not_matter(seed: int) -> None:
    log = by_topic(life(seed))
    results = []
    for variant, longest in enumerate((1, 7, 1000)):
        rng = random.Random(variant)
        step, outputs, rows = new(), [], {}
        for topic, records in chunks(log, rng, longest):
            step.apply(topic, records)
            if variant and rng.random() < 0.4:
                drained = step.drain()
                outputs += drained.outputs
                rows |= dict(drained.rows)
        drained = step.drain()
        rows |= dict(drained.rows)
        results.append((outputs + drained.outputs, state_of(step, rows), step.next_due(), list(step.features())))
    assert len(values(results[0][0])) > 30
    assert results[0] == results[1] == results[2]


@pytest.mark.parametrize("seed", range(4))
def test_a_restored_step_goes_on_as_if_nothing_had_happened(seed: int) -> None:
    log = life(seed)
    half = len(log) // 2
    first = new()
    changes: list[tuple[bytes, bytes | None]] = []
    for topic, records in chunks(log[:half], random.Random(1), 5):
        first.apply(topic, records)
        changes += first.drain().rows
    second = new()
    for start in range(0, len(changes), 37):
        second.restore(changes[start : start + 37])
    assert second.clock == first.clock
    assert second.next_due() == first.next_due()
    assert list(second.features()) == list(first.features())
    for topic, records in chunks(log[half:], random.Random(2), 5):
        assert second.apply(topic, records) == first.apply(topic, records)
        a, b = first.drain(), second.drain()
        assert b.outputs == a.outputs
        assert dict(b.rows) == dict(a.rows)
    assert second.counters() == first.counters()


def test_every_id_is_raised_once_and_withdrawn_once_and_in_that_order() -> None:
    for seed in range(4):
        open_: set[str] = set()
        closed: set[str] = set()
        for one in values(run_all(life(seed))):
            name = one["signal_id"]
            if one["status"] == "raised":
                assert name not in open_ | closed
                open_.add(name)
            else:
                assert name in open_
            if one["status"] == "withdrawn":
                open_.remove(name)
                closed.add(name)
        assert closed


def run_all(log: Log) -> list[Output]:
    step = new()
    for topic, one in log:
        step.apply(topic, [one])
    return step.drain().outputs


def test_a_redelivered_stream_says_nothing_new() -> None:
    step = new()
    log = [account(), bounce("b1", 1), missed("m1", 2), payment("p1", 3), bounce("b2", 4), missed("m2", 5)]
    assert run(step, log)
    assert run(step, log) == []


def test_state_of_an_unknown_version_is_refused_with_a_way_out() -> None:
    with pytest.raises(StateError, match="version"):
        new().restore([(b"A", b"\x00\x63" + b"x" * 188)])
    with pytest.raises(StateError, match="version"):
        new().restore([(b"\x02A", b"\x00\x63")])


def test_warm_up_leaves_nothing_behind() -> None:
    AccountsStep.warm_up()
    step = new()
    step.drain()
    assert step.drain().rows == []


@pytest.mark.skipif(not hasattr(kernel.process, "signatures"), reason="nothing is compiled under NUMBA_DISABLE_JIT")
def test_warm_up_compiles_all_that_the_stream_needs() -> None:
    AccountsStep.warm_up()
    functions = [kernel.process, kernel.note_all_dues, hashing._hash_lines, hashing._parse_amounts, hashing._odd_bytes]
    functions.append(scan._scan)
    before = [len(function.signatures) for function in functions]
    step = new()
    for topic, one in life(9, 200):
        step.apply(topic, [one])
    restored = new()
    restored.restore(step.drain().rows)
    assert [len(function.signatures) for function in functions] == before


@pytest.mark.parametrize("at", [10**18, 10**28, -(10**18), 2**63])
def test_a_tick_of_no_time_that_a_calendar_has_is_refused_and_moves_nothing(at: int) -> None:
    step = new()
    run(step, [account(), missed("m1", 5)])
    before = step.clock
    value = json.dumps({"stage": "accounts", "partition": 0, "at": at, "caught_up": True, "live_feeds": ["payments"]}).encode()
    assert [one.reason for one in step.apply("ticks", [Rec(0, ms(6), None, value)])] == [Reason.BAD_JSON]
    assert step.clock == before
    run(step, [tick(100)])


def test_a_tick_more_than_a_day_ahead_of_its_record_is_refused() -> None:
    step = new()
    run(step, [account(), tick(1)])
    topic, ahead = tick(9)
    assert [one.reason for one in step.apply(topic, [ahead._replace(timestamp=ms(7.9))])] == [Reason.TOO_FAR_AHEAD]
    assert step.clock == ms(1)


def test_words_of_a_later_event_of_the_chunk_do_not_get_into_what_was_found_before_it() -> None:
    """Topics number their events for themselves: a payment may have the id of a bill. However records were cut into chunks, what
    is said is the same.
    """
    before = [account(), *(missed(name, 1 + n, category="rent", counterparty_id=f"L{n}") for n, name in enumerate("emn"))]
    part = {"amount": "9.50", "amount_due": "620.00", "due_date": iso(4)[:10], "counterparty_id": "P9"}
    chunk = [
        payment("p1", 4, bill_id="Ln", amount="25", category="rent", counterparty_id="L2")[1],
        payment("e", 4.1, category="salary", **part)[1],
    ]
    whole, parts = new(), new()
    run(whole, before)
    run(parts, before)
    assert whole.apply("payments", chunk) == []
    one_by_one = run(parts, [("payments", one) for one in chunk])
    (said_,) = [one for one in values(one_by_one) if one["detector"] == "missed_bills"]
    assert said_["reasons"][0]["event_ids"] == ["e", "m"]
    assert "salary" not in said_["reasons"][0]["text"]
    assert whole.drain().outputs == one_by_one


def test_a_payment_with_the_id_of_a_bill_is_another_event() -> None:
    """Its words do not take the place of the bill's, and its reversal does not take the bill back."""
    step = new()
    run(step, [account(), missed("e", 1, category="rent", counterparty_id="L1")])
    part = {"amount": "9.50", "amount_due": "620.00", "due_date": iso(2)[:10], "counterparty_id": "P9", "category": "salary"}
    assert run(step, [payment("e", 2, **part), payment("e", 2.1, status="reversed", **part)]) == []
    log = [payment("e2", 2.2, **part), missed("m", 3, category="rent", counterparty_id="L2")]
    (signal,) = [one for one in values(run(step, log)) if one["detector"] == "missed_bills"]
    assert signal["reasons"][0]["event_ids"] == ["e", "m"]
    assert "salary" not in signal["reasons"][0]["text"]
