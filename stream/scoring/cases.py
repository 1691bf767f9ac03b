"""The cases beside each detector: short stories as data, told to the accounts stage, with what must come of them.

A file `stream/detectors/cases/<detector>.toml` holds the cases of one detector: what it must see, and what must
leave it silent. `ews detectors check` runs them, and so does the test suite, through the stage's own code with its
ticks. A case is a table:

    [[case]]
    name = "a salary that does not come"                # a sentence; unique in the file
    about = "What an officer should learn from it."

    start = 2026-01-01                                  # day 0; this is the default
    until_days = 120                                    # time runs on to the start of this day; or `until = 2026-05-01`.
                                                        # Without either it stands still after the last event
    alive = true                                        # the default: another account pays something every 20 hours, so that
                                                        # the feed of payments lives. `false`: nothing but this case's events

    # Merged over the defaults, table by table.
    settings = { income_drop = { low = 1.5 } }

    # The record of the case's own account A-1, over: one holder C-1, current_account, GBP, GB, Europe/London.
    account = { holders = [{ customer_id = "C-1", role = "primary" }, { customer_id = "C-2", role = "joint" }] }

    events = [
      # `topic`: payments, bounces, missed-bills, accounts or account-orders. All other keys are the contract's fields,
      # amounts as text; what is left out is filled in: see below.
      { topic = "payments", category = "salary", amount = "2000.00", day = 3 },
      # `day` counts from the start, at 12:00 UTC; `on` is a date (or several), `time` another time of the day (UTC).
      { topic = "payments", category = "salary", amount = "2000.00", on = [2026-01-30, 2026-02-27], time = "06:30" },
      # Of several days each is an event of its own; a list of as many values goes along with them.
      { topic = "payments", category = "energy", day = [5, 36, 64], amount = ["38.20", "38.20", "12.00"] },
      # The same every so many days, so many times in all.
      { topic = "payments", category = "rent", day = 1, every = 14, times = 6 },
      # `late`: the days from `due_date` to the event; negative: paid before it was due.
      { topic = "missed-bills", category = "telecom", day = 40, late = 4 },
      # `delivered`: the day on which the record comes, where that is not the event's own time.
      { topic = "bounces", category = "loan", reason_code = "0", day = 20, delivered = 70 },
      # `accounts`: on A-1 to A-60 a second apart, each an event of its own; `[2, 60]`: on A-2 to A-60.
      { topic = "bounces", category = "loan", reason_code = "0", day = 50, accounts = [2, 60] },
      # The same event again, undone.
      { topic = "bounces", category = "loan", reason_code = "0", day = 21, event_id = "b1" },
      { topic = "bounces", category = "loan", reason_code = "0", day = 22, event_id = "b1", status = "reversed" },
    ]

    # All signals of this detector on A-1 to its first holder, in order; [] for none. Of another detector, account or
    # customer those are compared, all of them, that an entry names.
    expect = [
      { status = "raised", severity = "medium", day = 62, reason_contains = "did not come" },
      { status = "changed", severity = "high" },                 # `day` (or `on`) only where it matters
      { status = "withdrawn", reason_contains = "paid" },        # a reason's code or text
      { detector = "stress_score", severity = "low" },           # `status` is "raised" unless named
      { customer_id = "C-2", severity = "medium", reason_lacks = "salary" },   # in no reason of it
      { account_id = "A-7", severity = "low", would_clear_contains = "GBP 38.20", proposes_hold = "" },   # "" for none
    ]

Filled in where left out: `account_id` A-1; `event_id` unique; `counterparty_id` the category's name; `currency` the
account's; `amount` and `amount_due` 100.00; payments: `direction` credit for salary, benefit and pension, else debit,
`scheme` faster_payments; bounces: `scheme` bacs; missed bills: `outcome` missed, `bill_id` the event's id, `due_date`
the event's day; accounts: as the case's own; account orders: `order_id` unique, `customer_id` C-1.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from importlib.resources import files
from typing import Any, Final, Literal, NamedTuple

import msgspec

from stream.contracts import signals
from stream.contracts.signals import SignalRecord
from stream.contracts.vocabulary import HoldKind, Severity, SignalStatus
from stream.detectors import settings as detector_settings
from stream.engine.deadletters import TOPIC as DEAD_LETTERS
from stream.engine.offline import Line
from stream.engine.step import Output
from stream.errors import ConfigurationError
from stream.scoring.alone import accounts_alone
from stream.topics import ACCOUNTS_INPUTS, BY_NAME

OWN: Final = "A-1"
"""The account that a case is about."""

_DAY_MS: Final = 86_400_000
_NOON: Final = time(12)
_ALIVE_EVERY: Final = timedelta(hours=20)
_INCOMES: Final = ("salary", "benefit", "pension")
_ACCOUNT: Final[dict[str, Any]] = {
    "holders": [{"customer_id": "C-1", "role": "primary"}],
    "product": "current_account",
    "currency": "GBP",
    "country": "GB",
    "time_zone": "Europe/London",
}


class Expected(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One signal that must be said; what is None is not looked at. Keys: see the module."""

    status: SignalStatus = "raised"
    severity: Severity | None = None
    detector: str | None = None
    account_id: str = OWN
    customer_id: str | None = None
    day: int | None = None
    on: date | None = None
    reason_contains: str | None = None
    reason_lacks: str | None = None
    would_clear_contains: str | None = None
    proposes_hold: HoldKind | Literal[""] | None = None


class Case(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One story and what must come of it. Keys: see the module."""

    name: str
    about: str
    events: list[dict[str, Any]]
    expect: list[Expected]
    start: date = date(2026, 1, 1)
    until_days: int | None = None
    until: date | None = None
    alive: bool = True
    settings: dict[str, dict[str, Any]] = {}
    account: dict[str, Any] = {}

    @property
    def record(self) -> dict[str, Any]:
        """The case's own account, as its contract has it but for `updated_at`."""
        return {"account_id": OWN, **_ACCOUNT, **self.account}


class Verdict(NamedTuple):
    """What came of a case."""

    detector: str
    case: Case
    failures: tuple[str, ...]
    """A line each; none where all is as it must be."""


def names() -> tuple[str, ...]:
    """Of all detectors that have a file of cases."""
    found = files("stream.detectors").joinpath("cases").iterdir()
    return tuple(sorted(path.name.removesuffix(".toml") for path in found if path.name.endswith(".toml")))


def load(detector: str) -> list[Case]:
    """The cases beside a detector; none where there is no file. ConfigurationError: the file is not as it should be."""
    path = files("stream.detectors").joinpath("cases", f"{detector}.toml")
    return read(path.read_text("utf-8"), f"cases/{detector}.toml") if path.is_file() else []


def read(text: str, name: str) -> list[Case]:
    """The cases of a file's text. ConfigurationError, with `name`, where it is not as it should be."""
    try:
        told = tomllib.loads(text)
        if set(told) != {"case"}:
            raise ValueError("the file holds [[case]] tables and nothing else")
        cases = msgspec.convert(told["case"], list[Case])
    except (ValueError, msgspec.ValidationError) as error:
        raise ConfigurationError(f"{name}: {error}") from None
    names = [case.name for case in cases]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ConfigurationError(f"{name}: two cases are called: {twice[0]}")
    return cases


def run(detector: str, case: Case, settings_text: str = "") -> Verdict:
    """Tells a case to the accounts stage under the given settings (TOML), those of the case over them.

    Deterministic. Raises ConfigurationError where the case's events or settings cannot be used.
    """
    signals_ = told_by(case, _settings(settings_text, case.settings))
    return Verdict(detector, case, tuple(_compare(detector, case, signals_)))


def told_by(case: Case, settings: Any) -> list[SignalRecord]:
    """Every signal of a case, in order. ConfigurationError: an event of it cannot be used."""
    said: list[SignalRecord] = []

    def hear(output: Output) -> None:
        if output.topic == DEAD_LETTERS:
            headers = dict(output.headers)
            why, value = headers["kafka_dlt-exception-message"].decode(), (output.value or b"").decode()
            raise ConfigurationError(f"{case.name}: {headers['ews-reason'].decode()} {why} in {value}")
        if output.topic == "signals":
            said.append(signals.decode(output.value or b""))

    job = accounts_alone(settings, hear)
    until = _until(case)
    for _ in job.run(_lines(case, until), None if until is None else _ms(until)):
        pass
    return said


# --- from a case to records ---------------------------------------------------------------------------------


def _lines(case: Case, until: datetime | None) -> list[tuple[str, Line]]:
    """The records of a case in the order of their delivery."""
    told: list[tuple[datetime, str, dict[str, Any]]] = []
    for event in case.events:
        try:
            told += _told(case, event, len(told))
        except (KeyError, TypeError, ValueError) as error:
            raise ConfigurationError(f"{case.name}: {error} in {event}") from None
    times = [at for at, _, _ in told]
    first = min([*times, _at(case, 0, _NOON)]) - timedelta(hours=1)
    if case.alive:
        told += _others(first, max([*times, until or first]))
    told.append((first, "accounts", {**case.record, "updated_at": first.isoformat()}))
    told.sort(key=lambda one: (one[0], BY_NAME[one[1]].rank))
    return [
        (topic, Line(offset, _ms(at), value["account_id"].encode(), msgspec.json.encode(value)))
        for offset, (at, topic, value) in enumerate(told)
    ]


def _told(case: Case, event: Mapping[str, Any], before: int) -> Iterator[tuple[datetime, str, dict[str, Any]]]:
    """The records of one line of a case, each with the time of its delivery."""
    fields = dict(event)
    topic = fields.pop("topic")
    if topic not in ACCOUNTS_INPUTS or topic == "ticks":
        raise ValueError(f"topic {topic}")
    days = _days(case, fields)
    clock = time.fromisoformat(fields.pop("time", "12:00"))
    accounts = fields.pop("accounts", None)
    numbers = range(accounts[0], accounts[1] + 1) if isinstance(accounts, list) else range(1, (accounts or 1) + 1)
    many = len(days) * len(numbers) > 1
    for k, day in enumerate(days):
        own = {name: _along(name, value, k, len(days)) for name, value in fields.items()}
        late, delivered = own.pop("late", 0), own.pop("delivered", None)
        for number in numbers:
            value = dict(own)
            at = _at(case, day, clock) + timedelta(seconds=number - numbers[0])
            if accounts is not None:
                value["account_id"] = f"A-{number}"
            name = value.get("event_id", f"e{before + 1}")
            value["event_id"] = f"{name}-{k * len(numbers) + number}" if many else name
            _fill(case, topic, value, at, at.date() - timedelta(days=late))
            yield at if delivered is None else _at(case, delivered, clock), topic, value


def _days(case: Case, fields: dict[str, Any]) -> list[int]:
    if "on" in fields:
        on = fields.pop("on")
        days = [(day - case.start).days for day in (on if isinstance(on, list) else [on])]
    else:
        day = fields.pop("day")
        days = list(day) if isinstance(day, list) else [day]
    every, times = fields.pop("every", None), fields.pop("times", None)
    if (every is None) != (times is None) or (every is not None and len(days) > 1):
        raise ValueError("every and times go together, with one day")
    return days if every is None else [days[0] + every * k for k in range(times)]


def _along(name: str, value: Any, k: int, count: int) -> Any:
    """The value for the k-th day: a list of values goes along with the days."""
    if not isinstance(value, list) or name in ("holders", "obligations"):
        return value
    if len(value) != count:
        raise ValueError(f"{name} has {len(value)} values for {count} days")
    return value[k]


def _fill(case: Case, topic: str, value: dict[str, Any], at: datetime, due: date) -> None:
    """Writes what a case may leave out, and dates as the contract has them."""
    for name, given in value.items():
        if isinstance(given, date):
            value[name] = given.isoformat()
    value.setdefault("account_id", OWN)
    name = value["event_id"]
    if topic in ("accounts", "account-orders"):
        del value["event_id"]
    if topic == "accounts":
        value.update({**case.record, "updated_at": at.isoformat(), **value})
        return
    if topic == "account-orders":
        value.update({"order_id": name, "customer_id": _customer(case), "at": at.isoformat(), **value})
        return
    category = value["category"]
    value.setdefault("occurred_at", at.isoformat())
    value.setdefault("counterparty_id", category)
    value.setdefault("currency", case.record["currency"])
    if topic == "missed-bills":
        value.update({"amount_due": "100.00", "outcome": "missed", "bill_id": name, "due_date": due.isoformat(), **value})
        return
    value.setdefault("amount", "100.00")
    if topic == "payments":
        value.setdefault("direction", "credit" if category in _INCOMES else "debit")
        value.setdefault("scheme", "faster_payments")
    else:
        value.setdefault("scheme", "bacs")
    if due != at.date():
        value.setdefault("due_date", due.isoformat())


def _others(first: datetime, last: datetime) -> Iterator[tuple[datetime, str, dict[str, Any]]]:
    """A payment now and then on an account that the case is not about, never to the same payee again."""
    at, number = first, 0
    while at < last:
        number += 1
        yield (
            at,
            "payments",
            {
                "event_id": f"alive-{number}",
                "account_id": "ALIVE",
                "occurred_at": at.isoformat(),
                "direction": "debit",
                "amount": f"{5 + number * 7 % 31}.00",
                "currency": "GBP",
                "counterparty_id": f"shop-{number}",
                "category": "groceries",
                "scheme": "card",
            },
        )
        at += _ALIVE_EVERY


def _customer(case: Case) -> str:
    name: str = case.record["holders"][0]["customer_id"]
    return name


def _at(case: Case, day: int, clock: time) -> datetime:
    return datetime.combine(case.start + timedelta(days=day), clock, UTC)


def _until(case: Case) -> datetime | None:
    day = case.until
    if case.until_days is not None:
        day = case.start + timedelta(days=case.until_days)
    return None if day is None else datetime.combine(day, time(), UTC)


def _ms(at: datetime) -> int:
    return round(at.timestamp() * 1000)


# --- settings -----------------------------------------------------------------------------------------------


def _settings(text: str, over: Mapping[str, Any]) -> Any:
    """The settings of a file's text, with a case's own over them."""
    if not over:
        return detector_settings.load(text)
    return detector_settings.load(_toml(_merged(tomllib.loads(text), over)))


def _merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    out = dict(base)
    for key, value in over.items():
        held = out.get(key)
        out[key] = _merged(held, value) if isinstance(held, dict) and isinstance(value, dict) else value
    return out


def _toml(tables: Mapping[str, Any]) -> str:
    return "".join(f"{name} = {_inline(value)}\n" for name, value in tables.items())


def _inline(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name} = {_inline(one)}" for name, one in value.items()) + "}"
    return json.dumps(value)  # texts, numbers, truths and lists of them read the same in both


# --- what was said and what should have been ----------------------------------------------------------------


def _compare(detector: str, case: Case, said: Sequence[SignalRecord]) -> Iterator[str]:
    own = (detector, OWN, _customer(case))
    wanted: dict[tuple[str, str, str], list[Expected]] = {own: []}
    for one in case.expect:
        stream = (one.detector or detector, one.account_id, one.customer_id or own[2])
        wanted.setdefault(stream, []).append(one)
    for stream, expected in wanted.items():
        found = [one for one in said if (one.detector, one.account_id, one.customer_id) == stream]
        where = "" if stream == own else f"{' '.join(stream)}: "
        if len(found) != len(expected):
            yield f"{where}{len(expected)} expected, {len(found)} said: {'; '.join(_shown(case, one) for one in found) or 'none'}"
        for want, signal in zip(expected, found, strict=False):
            for what in _differences(case, want, signal):
                yield f"{where}{what}, but: {_shown(case, signal)}"


def _differences(case: Case, want: Expected, one: SignalRecord) -> Iterator[str]:
    on = one.occurred_at.astimezone(UTC).date()
    reasons = " ".join(f"{reason.code} {reason.text}" for reason in one.reasons)
    if want.status != one.status:
        yield f"expected {want.status}"
    if want.severity not in (None, one.severity):
        yield f"expected {want.severity}"
    if want.day is not None and case.start + timedelta(days=want.day) != on:
        yield f"expected on day {want.day}"
    if want.on not in (None, on):
        yield f"expected on {want.on}"
    if want.reason_contains is not None and want.reason_contains not in reasons:
        yield f"expected a reason with '{want.reason_contains}'"
    if want.reason_lacks is not None and want.reason_lacks in reasons:
        yield f"expected no reason with '{want.reason_lacks}'"
    if want.would_clear_contains is not None and want.would_clear_contains not in (one.would_clear or ""):
        yield f"expected to clear with '{want.would_clear_contains}', not '{one.would_clear}'"
    if want.proposes_hold is not None and want.proposes_hold != (one.proposes_hold or ""):
        yield f"expected to propose '{want.proposes_hold}', not '{one.proposes_hold or ''}'"


def _shown(case: Case, one: SignalRecord) -> str:
    day = (one.occurred_at.astimezone(UTC).date() - case.start).days
    texts = " ".join(f"[{reason.code}] {reason.text}" for reason in one.reasons)
    return f"day {day}: {one.status} {one.severity} ({one.score:.3f}) {texts}"
