"""What fuzzers and contract tests draw from: sound values by form, and values that are traps."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from datetime import date, datetime, timedelta, timezone
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec
from hypothesis import strategies as st

from stream.contracts import RECORDS, base
from stream.contracts.vocabulary import CHANNELS

TIMES = st.datetimes(datetime(1900, 1, 2), datetime(9998, 12, 30)).flatmap(
    lambda at: st.integers(-14 * 60, 14 * 60).map(
        lambda minutes: at.replace(tzinfo=timezone(timedelta(minutes=minutes))).isoformat()
    )
)
AMOUNTS = st.from_regex(r"[0-9]{1,15}(\.[0-9]{1,2})?", fullmatch=True).filter(str.isascii)
CURRENCIES = st.sampled_from(["GBP", "EUR", "USD", "JPY", "KWD", "CLF", "INR"])
BY_FORM: list[tuple[Any, st.SearchStrategy[Any]]] = [
    (base.Id, st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=12)),
    (base.Text, st.text(max_size=12)),
    (base.Amount, AMOUNTS),
    (base.SignedAmount, AMOUNTS | AMOUNTS.map(lambda text: f"-{text}")),
    (base.Currency, CURRENCIES),
    (base.Time, TIMES),
    (base.Until, TIMES | st.just("9999-12-31T23:59:59Z") | st.none()),
    (base.IsoDate, st.dates(date(1900, 1, 1), date(9998, 12, 31)).map(date.isoformat)),
    (base.Zone, st.sampled_from(["Europe/London", "America/New_York", "Asia/Kolkata", "UTC"])),
    (base.HourMinute, st.times().map(lambda at: at.strftime("%H:%M"))),
    (base.Jurisdiction, st.sampled_from(["GB", "US", "ZZ"])),
    (base.Region, st.sampled_from(["US-MA", "GB-SCT", "AU-NSW", "FR-75"])),
    (base.Language, st.sampled_from(["en", "en-GB", "zh-Hant-TW"])),
    (base.Rate, st.floats(0, 999) | st.sampled_from(["19.9", "0"]) | st.integers(0, 99)),
    (base.Day31, st.integers(1, 31)),
    (base.Count, st.integers(0, 1_000_000)),
    (base.Rung, st.integers(0, 5)),
    (base.Number, st.floats(-1e9, 1e9) | st.integers(-(10**12), 10**12) | AMOUNTS),
    (base.Params, st.dictionaries(st.text(max_size=5), st.integers(-9, 9) | st.text(max_size=5), max_size=3)),
    (base.Counters, st.dictionaries(st.text(max_size=5), st.integers(0, 99), max_size=3)),
    (bool, st.booleans()),
    (float, st.floats(-1e6, 1e6)),
    (int, st.integers(-(10**12), 10**12)),
    (str, st.text(max_size=5)),
]


def values(hint: Any) -> st.SearchStrategy[Any]:
    """JSON data of a field's type."""
    for form, strategy in BY_FORM:
        if hint == form:
            return strategy
    origin = get_origin(hint)
    if origin is Annotated:
        return values(get_args(hint)[0])
    if origin in (Union, UnionType):
        return st.one_of([st.none() if part is type(None) else values(part) for part in get_args(hint)])
    if origin is Literal:
        return st.sampled_from(get_args(hint))
    if origin is tuple:
        return st.lists(values(get_args(hint)[0]), min_size=1, max_size=2)
    if origin is dict:
        return st.dictionaries(st.sampled_from(CHANNELS), values(get_args(hint)[1]), max_size=3)
    assert issubclass(hint, msgspec.Struct), hint
    return objects(hint)


def objects(kind: type[msgspec.Struct]) -> st.SearchStrategy[dict[str, Any]]:
    """JSON objects of a record's type; unrelated fields may still contradict one another."""
    hints = get_type_hints(kind, include_extras=True)
    fields = {
        field.encode_name: (values(hints[field.name]), field.required)
        for field in msgspec.structs.fields(kind)
    }
    return st.fixed_dictionaries(
        {name: strategy for name, (strategy, required) in fields.items() if required},
        optional={name: strategy for name, (strategy, required) in fields.items() if not required},
    )


VALID = {topic: objects(kind) for topic, kind in RECORDS.items()}

NASTY: list[Any] = [
    None, True, False, 0, 1, -1, 32, 1.0, 1.5, -0.0, 1e308, 2**31, 2**63, 2**64, 10**400, [], {}, [None],
    [[]], [1], {"": 1}, {"from": 1}, ["sms"], "", " ", "a" * 64, "a" * 65, "a" * 1001, "\n", "a\nb", "\x00",
    "\x7f", "\u200b", "\u00a0", "\u202e", "\ud7ff", "\U0001f600", "é", "0", "00", "007.50", "-0", "-1",
    "+1", "1.", ".5", "1e2", "1E2", "1,000.00", "1 000", " 1", "1 ", "1\n", "٣", "１", "1.23456", "1.2345",
    "1.234", "1.23", "1.2", "999999999999999", "9999999999999999", "999999999999999.9999", "NaN", "inf",
    "-inf", "0x10", "1_000", "gbp", "GBP", "GBp", "XXX", "£", "JPY", "KWD", "CLF", "2026-03-04",
    "2026-02-30", "20260304", "2026-3-4", "2026-03-04T10:00:00", "2026-03-04T10:00:00Z",
    "2026-03-04 10:00:00Z", "2026-03-04t10:00:00z", "2026-03-04T10:00:00+0100", "2026-03-04T10:00:00+01:00",
    "2026-03-04T10:00:00+24:00", "2026-03-04T24:00:00Z", "2026-03-04T10:00:60Z", "2026-03-04T10:00Z",
    "2026-03-04T10:00:00.123456789Z", "2026-03-04T10:00:00,5Z", "2026-W10-3", "1899-12-31",
    "1899-12-31T23:59:59Z", "0001-01-01T00:00:00+14:00", "9999-12-31", "9999-12-31T23:59:59Z",
    "9999-12-31T23:59:59-14:00", "0000-01-01", "1772600000", "10:00", "24:00", "9:30", "23:59", "23:60",
    "Europe/London", "europe/london", "Factory", "localtime", "../etc/passwd", "Mars/Base", "GMT+1", "UK",
    "gb", "GBR", "US-MA", "us-ma", "US_MA", "en_GB", "en-GB-", "english", "booked", "BOOKED", " booked",
    "reversed", "missed", "sms", "fax", "AM04", "{}", "[]", "null", "true", "19.9", "19.9%", "1000000",
    "9999999",
]  # fmt: skip


def paths(data: Any, here: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if here:
        yield here
    items = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, item in items:
        yield from paths(item, (*here, key))


def replaced(data: Any, path: tuple[Any, ...], value: Any) -> Any:
    data = copy.deepcopy(data)
    at = data
    for step in path[:-1]:
        at = at[step]
    at[path[-1]] = value
    return data


def without(data: Any, path: tuple[Any, ...]) -> Any:
    data = copy.deepcopy(data)
    at = data
    for step in path[:-1]:
        at = at[step]
    del at[path[-1]]
    return data
