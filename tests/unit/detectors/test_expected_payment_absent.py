"""Absent payments through the accounts stage: the same whatever the chunks, after a restart, and told in plain words."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple

import pytest

from stream.agents.accounts import AccountsStep
from stream.detectors import settings
from stream.engine import ticks
from stream.engine.step import Output, Placement

SETTINGS = settings.load()
WHOLE = Placement(0, 1, "murmur2")
START = datetime(2026, 1, 1, 9, tzinfo=UTC)
NAME = "expected_payment_absent"


class Record(NamedTuple):
    """One record, as the step takes it."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: tuple[()] = ()


Line = tuple[str, Record]


def line(topic: str, at: datetime, value: bytes, key: bytes | None) -> Line:
    return topic, Record(0, round(at.timestamp() * 1000), key, value)


def payment(at: datetime, account: str, category: str, name: str, **more: str) -> Line:
    fields = {
        "event_id": name, "account_id": account, "occurred_at": at.isoformat(), "direction": "debit", "amount": "50.00",
        "currency": "GBP", "counterparty_id": category, "category": category, "scheme": "bacs",
    }  # fmt: skip
    return line("payments", at, json.dumps(fields | more).encode(), account.encode())


def story() -> Iterator[Line]:
    """Seven months of twelve accounts that stop paying one bill each, or pay it late, with four ticks a day."""
    for n in range(12):
        fields = {
            "account_id": f"A{n}", "updated_at": START.isoformat(), "product": "current_account", "currency": "GBP",
            "country": "GB", "time_zone": "Europe/London", "holders": [{"customer_id": f"C{n}", "role": "primary"}],
        }  # fmt: skip
        yield line("accounts", START, json.dumps(fields).encode(), f"A{n}".encode())
    for day in range(212):
        at = START + timedelta(day)
        for hour in range(0, 24, 6):
            moment = at + timedelta(hours=hour)
            stamp = round(moment.timestamp() * 1000)
            yield line("ticks", moment, ticks.encode(ticks.Tick("accounts", 0, stamp, True, ("payments",))), None)
        for n in range(12):
            account = f"A{n}"
            if day % 3 == n % 3:
                yield payment(at, account, "groceries", f"g{n}-{day}")
            for number, category in enumerate(("rent", "energy", "telecom", "loan")):
                due = 2 + 5 * number + n % 4
                stopped = at.month > 3 and number == n % 4
                late = 11 if stopped and n % 3 == 0 else 0
                if at.day == due + late and (late or not stopped):
                    yield payment(at + timedelta(hours=1), account, category, f"{category}{n}-{day}")


def applied(lines: Sequence[Line], size: int, restart: Sequence[int] = ()) -> tuple[list[Output], dict[bytes, bytes | None]]:
    """All outputs and the last changelog rows: at most `size` records of a topic at once, a new step after each of `restart`."""
    step, outputs, rows = AccountsStep(WHOLE, SETTINGS), [], {}
    start = 0
    while start < len(lines):
        end = start + 1
        while end < len(lines) and end - start < size and lines[end][0] == lines[start][0] and end not in restart:
            end += 1
        assert step.apply(lines[start][0], [record for _, record in lines[start:end]]) == []
        start = end
        if start in restart or start == len(lines):
            drained = step.drain()
            outputs += drained.outputs
            rows.update(drained.rows)
            if start in restart:
                step = AccountsStep(WHOLE, SETTINGS)
                step.restore(list(rows.items()))
    return outputs, rows


@pytest.fixture(scope="module")
def lines() -> list[Line]:
    return list(story())


@pytest.fixture(scope="module")
def whole(lines: list[Line]) -> tuple[list[Output], dict[bytes, bytes | None]]:
    return applied(lines, 500)


def signals(outputs: Sequence[Output]) -> list[dict[str, Any]]:
    values = [json.loads(one.value or b"") for one in outputs if one.topic == "signals"]
    return [one for one in values if one["detector"] == NAME]


def test_the_story_says_something(whole: tuple[list[Output], dict[bytes, bytes | None]]) -> None:
    said = signals(whole[0])
    assert {one["status"] for one in said} == {"raised", "changed", "withdrawn"}
    assert {one["account_id"] for one in said} == {f"A{n}" for n in range(12)}


@pytest.mark.parametrize("size", [1, 7])
def test_chunks_do_not_show(lines: list[Line], whole: tuple[list[Output], dict[bytes, bytes | None]], size: int) -> None:
    assert applied(lines, size) == whole


@pytest.mark.parametrize("every", [97, 1000])
def test_a_restart_does_not_show(lines: list[Line], whole: tuple[list[Output], dict[bytes, bytes | None]], every: int) -> None:
    assert applied(lines, 500, range(every, len(lines), every)) == whole


def test_each_holder_of_a_joint_account_is_told_the_same(lines: list[Line]) -> None:
    holders = [{"customer_id": "C2", "role": "joint"}, {"customer_id": "C1", "role": "primary"}]
    told = []
    for topic, record in lines:
        if topic == "accounts" and record.key == b"A1":
            value = json.dumps({**json.loads(record.value or b""), "holders": holders}).encode()
            told.append((topic, record._replace(value=value)))
        elif record.key in (b"A1", None):
            told.append((topic, record))
    said = signals(applied(told, 500)[0])
    first, second = ([one for one in said if one["customer_id"] == customer] for customer in ("C1", "C2"))
    assert [(one["status"], one["reasons"]) for one in first] == [(one["status"], one["reasons"]) for one in second]
    assert first


def test_a_regular_payment_is_named_with_amount_and_dates(whole: tuple[list[Output], dict[bytes, bytes | None]]) -> None:
    first = next(one for one in signals(whole[0]) if one["account_id"] == "A1")
    assert [reason["text"] for reason in first["reasons"]] == [
        "The monthly payment for the energy bill, usually about GBP 50.00, was expected by 8 April 2026 and has not been made; "
        "the last one was on 8 March 2026.",
        "Weighed by kind of bill and how regular it was this comes to 0.75, where 0.5 is the mark.",
    ]
    assert first["would_clear"] == "Clears once the payment for the energy bill is made."


def test_it_is_said_by_the_calendar_of_the_account(whole: tuple[list[Output], dict[bytes, bytes | None]]) -> None:
    first = next(one for one in signals(whole[0]) if one["account_id"] == "A1")
    assert datetime.fromisoformat(first["occurred_at"]).date() == date(
        2026, 4, 16
    )  # five working days after the 8th are the 15th
