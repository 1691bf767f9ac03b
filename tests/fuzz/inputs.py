"""Records for the fuzzer: sound ones of every input contract, and what goes wrong with them on their way.

Hypothesis takes a millisecond for a record; these are drawn from a plain seeded generator, from the same pools as the
hypothesis tests use. One seed is one sequence for ever.
"""

from __future__ import annotations

import base64
import copy
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from random import Random
from types import UnionType
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin, get_type_hints

import msgspec

from stream.contracts import RECORDS, base
from stream.contracts.vocabulary import CHANNELS
from stream.engine.partitioner import partition_of
from stream.topics import ACCOUNTS_INPUTS, CUSTOMERS_INPUTS
from tests.fuzz.pools import NASTY

PLANTED = "Zk9Mallory"
"""Lies in every id, name and text of a customer, and in most of what is put in the place of other fields."""
PLANTED_NUMBER = "7391846"
"""Lies in amounts and numbers."""
STAGES = {"accounts": ACCOUNTS_INPUTS, "customers": CUSTOMERS_INPUTS}
PARTITIONS = 2
"""Partition 0 of two is fuzzed: some keys belong elsewhere."""
START = datetime(2026, 3, 1, 12, tzinfo=UTC)
LARGEST = 1_000_000
"""The largest value that is sent: what a topic takes by default."""


class Sent(NamedTuple):
    """One record, as a consumer has it."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, Any], ...] = ()


class Input(NamedTuple):
    """A record and its input."""

    topic: str
    record: Sent
    mutation: str
    """What was done to it; `sound` where nothing was."""


def ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


def _ids(kind: str, count: int) -> list[str]:
    """Ids of which three quarters belong in partition 0."""
    found: list[str] = []
    number = 0
    while len(found) < count:
        name = f"{PLANTED}-{kind}{number}"
        number += 1
        if partition_of(name.encode(), PARTITIONS) == 0 or len(found) % 4 == 3:
            found.append(name)
    return found


ACCOUNTS, CUSTOMERS = _ids("A", 12), _ids("C", 9)

# --- sound records

_MAIN_TIMES = frozenset({"occurred_at", "updated_at", "as_of", "at"})
_CURRENCIES = ["GBP"] * 9 + ["EUR", "KWD", "CLF"]


class Maker:
    """Draws the records of one sequence."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.now = START
        self._serial = 0

    def sound(self, topic: str) -> tuple[bytes | None, dict[str, Any]]:
        """Key and value of a record as a bank would send it."""
        self.now += timedelta(seconds=self.random.choice((1, 40, 600, 9_000)))
        if topic == "ticks":
            stage = self.random.choice(("accounts", "customers"))
            return None, {"stage": stage, "partition": 0, "at": ms(self.now), "caught_up": True, "live_feeds": ["payments"]}
        value = self._object(RECORDS[topic])
        if topic == "operator-actions" and self.random.random() < 0.3:
            value.pop("customer_id", None)
            return b"*", value
        if topic == "operator-actions":
            value["customer_id"] = self.random.choice(CUSTOMERS)
        if topic in ("bounces", "account-orders") and ("amount" in value) != ("currency" in value):
            value.pop("amount", None), value.pop("currency", None)
        name = value["account_id" if topic in STAGES["accounts"] else "customer_id"]
        return name.encode(), value

    def _object(self, kind: type[msgspec.Struct]) -> dict[str, Any]:
        hints = _hints_of(kind)
        made: dict[str, Any] = {}
        for name, wire, required in _fields_of(kind):
            if required or self.random.random() < 0.4:
                made[wire] = self._value(name, hints[name])
        for number, one in enumerate(made.get("obligations", ())):
            one["obligation_id"] = f"{PLANTED}-O{number}"
        if "due_date" in hints and "due_day" in hints and "due_date" not in made:
            made.setdefault("due_day", 3)
        if "holders" in made:
            names = self.random.sample(CUSTOMERS, self.random.randint(1, 3))
            made["holders"] = [{"customer_id": one, "role": "joint" if n else "primary"} for n, one in enumerate(names)]
        return made

    def _value(self, name: str, hint: Any) -> Any:
        random = self.random
        make = _BY_FORM.get(_key_of(hint))
        if make is not None:
            return make(self, name)
        origin, arguments = get_origin(hint), get_args(hint)
        if origin is Annotated:
            return self._value(name, arguments[0])
        if origin in (Union, UnionType):
            return self._value(name, next(one for one in arguments if one is not type(None)))
        if origin is Literal:
            return random.choice(arguments)
        if origin is tuple:
            return [self._value(name, arguments[0]) for _ in range(random.randint(1, 2))]
        if origin is dict:
            return {one: self._value(name, arguments[1]) for one in random.sample(CHANNELS, 2)}
        return self._object(hint)

    def id_of(self, name: str) -> str:
        """An id for a field of this name: of few where records refer to one another, mostly new where they are events."""
        if name == "account_id":
            return self.random.choice(ACCOUNTS)
        if name == "customer_id":
            return self.random.choice(CUSTOMERS)
        if name in ("event_id", "order_id") and self.random.random() < 0.9:
            self._serial += 1
            return f"{PLANTED}-{self._serial}"
        if name == "reason_code":
            return self.random.choice(("AM04", "MD01", "MD07", "R01", "0", f"{PLANTED}"))
        return f"{PLANTED}-{name[:6]}{self.random.randrange(5)}"

    def time_of(self, name: str) -> str:
        at = self.now if name in _MAIN_TIMES else self.now + timedelta(hours=self.random.randint(-1500, 1500))
        return at.isoformat()

    def amount(self) -> str:
        return self.random.choice(("120", "0", "9.50", "38.20", PLANTED_NUMBER, f"{PLANTED_NUMBER}.5", "38", "620.00"))

    # --- what goes wrong

    def bad(self, topic: str) -> Input:
        """A record to which one thing happened."""
        key, value = self.sound(topic)
        mutate = self.random.choices(_MUTATIONS, _WEIGHTS)[0]
        return Input(topic, mutate(self, topic, key, value), mutate.__name__.strip("_"))

    def good(self, topic: str) -> Input:
        """One to which nothing happened."""
        return Input(topic, self.sent(*self.sound(topic)), "sound")

    def sent(self, key: bytes | None, value: Any, *, encode: Callable[[Any], bytes] = msgspec.json.encode) -> Sent:
        raw = value if isinstance(value, bytes | None) else encode(value)
        return Sent(0, ms(self.now) + 5, key, raw, _HEADERS if self.random.random() < 0.2 else ())

    def nasty(self) -> Any:
        """A trap, a planted word, or a long or deep value. The caller may change it."""
        found = self._nasty()
        return copy.deepcopy(found) if isinstance(found, dict | list) else found

    def _nasty(self) -> Any:
        random = self.random
        draw = random.random()
        if draw < 0.6:
            return random.choice(NASTY)
        if draw < 0.9:
            return random.choice(_PLANTED_VALUES)
        if draw < 0.97:
            return random.choice(_WIDE)
        return PLANTED * random.choice((6, 7, 100, 101, 5_000))


_HEADERS = (("traceparent", b"00-" + b"a" * 32 + b"-" + b"b" * 16 + b"-01"), ("source", PLANTED.encode()))

_PLANTED_VALUES: list[Any] = [
    PLANTED, f"{PLANTED} - at `$.{PLANTED}`", f"`{PLANTED}`", {PLANTED: PLANTED}, [PLANTED], [{PLANTED: 1}], f"-{PLANTED_NUMBER}",
    int(PLANTED_NUMBER), float(PLANTED_NUMBER), f"{PLANTED_NUMBER}.{PLANTED_NUMBER}", PLANTED_NUMBER * 4, int(PLANTED_NUMBER * 4),
    f"{PLANTED}\n", f"\x00{PLANTED}", f"{PLANTED}\u202e", f"{PLANTED}\u0301", f"{PLANTED}\ufb01", f"{PLANTED}\U0001f9d1",
    f"{PLANTED}/../..", f"2026-03-04T10:00:00{PLANTED}", {"customer_id": PLANTED}, [[PLANTED] * 3] * 3,
]  # fmt: skip
_WIDE: list[Any] = [
    "é" * 64, "😀" * 64, "😀" * 65, "😀" * 1000, "A\u030a", "\u00c5", "\u212b", "\u202e" + "x" * 20, "\u2066x\u2069", "x" * 64,
    "x" * 65, "x" * 1000, "x" * 1001, 10**18, 10**18 - 1, -(10**18), "9" * 15, "9999999999999999.99", "999999999999999.9999",
    2**53, 2**63 - 1, -(2**63), 1e22, 5e-324, "9998-12-31T23:59:59Z", "1900-01-01T00:00:00Z", "9998-12-31", "1900-01-01",
    "2026-03-29T01:30:00+01:00", "2026-03-04T10:11:12-23:59", [None] * 1001, [PLANTED] * 1000,
]  # fmt: skip


def _places(value: Any, places: list[tuple[Any, Any]]) -> list[tuple[Any, Any]]:
    """Every (container, key) of a value, however deep."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        places.append((value, key))
        if isinstance(item, dict | list):
            _places(item, places)
    return places


def _loose(value: Any) -> bytes:
    """JSON with everything that Python can say: lone surrogates as escapes, huge numbers."""
    return json.dumps(value).encode()


def _replace(maker: Maker, topic: str, key: bytes | None, value: dict[str, Any]) -> Sent:
    for _ in range(maker.random.choice((1, 1, 1, 2))):
        if places := _places(value, []):
            at, name = maker.random.choice(places)
            at[name] = maker.nasty()
    return maker.sent(key, value, encode=_loose)


def _remove(maker: Maker, topic: str, key: bytes | None, value: dict[str, Any]) -> Sent:
    at, name = maker.random.choice(_places(value, []))
    del at[name]
    return maker.sent(key, value)


def _add(maker: Maker, topic: str, key: bytes | None, value: dict[str, Any]) -> Sent:
    inner = [at for at, _ in _places(value, []) if isinstance(at, dict)]
    maker.random.choice(inner)[maker.random.choice((PLANTED, "", "x", "from_", "channel", "\ud800"))] = maker.nasty()
    return maker.sent(key, value, encode=_loose)


def _swap(maker: Maker, topic: str, key: bytes | None, value: dict[str, Any]) -> Sent:
    """Two fields in each other's place."""
    one, other = maker.random.sample(list(value), 2)
    value[one], value[other] = value[other], value[one]
    return maker.sent(key, value)


def _contradict(maker: Maker, topic: str, key: bytes | None, value: dict[str, Any]) -> Sent:
    """Sound fields that do not go together."""
    if "holders" in value:
        value["holders"] = [*value["holders"], value["holders"][0]][-4:]
    elif "amount" in value:
        value.pop("currency", None)
    else:
        value["currency"] = "GBP"
    return maker.sent(key, value)


def _twice(maker: Maker, topic: str, key: bytes | None, value: dict[str, Any]) -> Sent:
    """A field given twice, with two values."""
    name = maker.random.choice(list(value))
    pair = _loose({name: maker.random.choice((value[name], maker.nasty()))})[1:-1]
    whole = msgspec.json.encode(value)
    return maker.sent(key, b"{" + pair + b"," + whole[1:] if maker.random.random() < 0.5 else whole[:-1] + b"," + pair + b"}")


_BITS = (
    b'"', b"\\", b"{", b"}", b"[", b",", b":", b"\x00", b"\xff", b"\xc0\xaf", b"\xe0\x80\xaf",
    b"\xf0\x80\x80\xaf", b"\xed\xa0\x80",
    b"\xed\xbf\xbf", b"\xf4\x90\x80\x80", b"\xef\xbb\xbf", b"\\u0000", b"\\ud800", b"\\ud83d\\ude00", b"\\udc00\\ud800",
    b"\\x", b"\\u12", b"NaN", b"Infinity", b"1e999", b"//", b"\r\n", b"\x0b", PLANTED.encode(),
    b"\xe2\x80\xae", b"null", b"1" * 400,
)  # fmt: skip


def _bytes(maker: Maker, topic: str, key: bytes | None, value: dict[str, Any]) -> Sent:
    """Bytes cut, put in, and changed."""
    raw = bytearray(msgspec.json.encode(value))
    random = maker.random
    for _ in range(random.randint(1, 3)):
        at = random.randrange(len(raw) + 1)
        match random.randrange(4):
            case 0:
                del raw[at : at + random.randint(1, 9)]
            case 1:
                raw[at:at] = random.choice(_BITS)
            case 2:
                raw[at:at] = random.randbytes(random.randint(1, 4))
            case _:
                raw[at : at + 1] = random.choice(_BITS)
    return maker.sent(key, bytes(raw))


def _cut(maker: Maker, topic: str, key: bytes | None, value: dict[str, Any]) -> Sent:
    raw = msgspec.json.encode(value)
    return maker.sent(key, raw[: maker.random.randrange(len(raw))])


def _noise(maker: Maker, topic: str, key: bytes | None, value: dict[str, Any]) -> Sent:
    tries = (b"", b"null", b"[]", b"{}", b'"x"', b"0", b"\x00", b"\x00\x00\x00\x00\x07", maker.random.randbytes(40), b"{" * 5_000)
    return maker.sent(key, maker.random.choice(tries))


def _deep(maker: Maker, topic: str, key: bytes | None, value: dict[str, Any]) -> Sent:
    depth = maker.random.choice((50, 98, 99, 100, 101, base.DEEPEST - 1, base.DEEPEST, base.DEEPEST + 1, 1_100, 20_000))
    opening, closing = maker.random.choice(((b"[", b"]"), (b'{"a":', b"}")))
    name = msgspec.json.encode(maker.random.choice((*value, PLANTED)))
    raw = msgspec.json.encode(value)[:-1] + b"," + name + b":" + opening * depth + b"1" + closing * depth + b"}"
    return maker.sent(key, raw)


def _huge(maker: Maker, topic: str, key: bytes | None, value: dict[str, Any]) -> Sent:
    """Near the size limit: one long text, many items, or many fields."""
    if maker.random.random() < 0.97:  # a megabyte takes as long as a thousand records
        return _replace(maker, topic, key, value)
    random = maker.random
    name = random.choice(list(value))
    value[name] = random.choice(
        (PLANTED * 90_000, ["x"] * 200_000, {str(n): n for n in range(60_000)}, "😀" * 240_000, int("9" * 4_000), "\\" * 400_000)
    )
    raw = json.dumps(value, ensure_ascii=False).encode()
    return maker.sent(key, raw[:LARGEST])


def _wrap(maker: Maker, topic: str, key: bytes | None, value: dict[str, Any]) -> Sent:
    """In an envelope, sound or not."""
    random = maker.random
    raw = msgspec.json.encode(value)
    envelope: dict[str, Any] = {"specversion": "1.0", "id": "1", "source": "/bank", "type": "t"}
    if random.random() < 0.5:
        envelope["data"] = value
    else:
        envelope["data_base64"] = base64.b64encode(random.choice((raw, b"\x00\x00\x00\x00\x07" + raw, raw[:-1]))).decode()
    if random.random() < 0.5:
        envelope[random.choice(("specversion", "id", "data", "data_base64", "datacontenttype", PLANTED))] = maker.nasty()
    kind = random.choice(_CONTENT_TYPES)
    record = maker.sent(key, envelope, encode=_loose)
    return record._replace(headers=(("content-type", kind), *record.headers))


_CONTENT_TYPES = [
    b"application/cloudevents+json", b"APPLICATION/CloudEvents+JSON; charset=utf-8", b"application/cloudevents+avro", None, b"",
    b"application/cloudevents-batch+json", b"application/json", b"\xff", PLANTED.encode(), b" application/cloudevents+json ",
]  # fmt: skip


def _headers(maker: Maker, topic: str, key: bytes | None, value: dict[str, Any]) -> Sent:
    """Headers without a value, twice, large, or that say what only the job may say."""
    odd: list[tuple[str, Any]] = [
        ("", b""), ("x", None), ("ews-reason", PLANTED.encode()), ("kafka_dlt-original-topic", b"elsewhere"),
        ("content-type", None), ("traceparent", PLANTED.encode()), ("ews-redriven", b"x"), ("big", b"x" * 5_000),
        (PLANTED, PLANTED.encode()),
    ]  # fmt: skip
    record = maker.sent(key, value)
    if maker.random.random() < 0.5:
        record = _replace(maker, topic, key, value)
    return record._replace(headers=tuple(maker.random.choices(odd, k=maker.random.randint(1, 4))))


def _prefix(maker: Maker, topic: str, key: bytes | None, value: dict[str, Any]) -> Sent:
    before = maker.random.choice((b"\x00\x00\x00\x00\x07", b"\x00", b"\x00\x00\x00", b" ", b"\xef\xbb\xbf", b"\x01"))
    return maker.sent(key, before + msgspec.json.encode(value))


def _key(maker: Maker, topic: str, key: bytes | None, value: dict[str, Any]) -> Sent:
    """None, another's, of another partition, not UTF-8, long."""
    other = maker.random.choice(ACCOUNTS + CUSTOMERS).encode()
    odd = (None, b"", other, b"*", b"\xff\xfe", (key or b"") + b"\x00", (key or b"").swapcase(), b"k" * 3_000, b"\x00checkpoint")
    return maker.sent(maker.random.choice(odd), value)


_ODD_IDS = (
    "A\u030a", "\u00c5", "\u212b", "\u202eA", "😀" * 64, "😀" * 65, "a\u200bb", " ", "", "\x00", "*", "a\nb", "é", "x" * 64,
)  # fmt: skip


def _own_id(maker: Maker, topic: str, key: bytes | None, value: dict[str, Any]) -> Sent:
    """An odd id, and the key that goes with it."""
    name = "account_id" if topic in STAGES["accounts"] else "customer_id"
    odd = maker.random.choice(_ODD_IDS)
    value[name] = odd
    return maker.sent(odd.encode(), value)


def _time(maker: Maker, topic: str, key: bytes | None, value: dict[str, Any]) -> Sent:
    """Clocks that are wrong: of the record, of the event, or of both."""
    record = maker.sent(key, value)
    if maker.random.random() < 0.3:
        # More than a day ahead of a record that is ahead of all others: refused, it must not take time along.
        for name in _MAIN_TIMES.intersection(value):
            value[name] = (maker.now + timedelta(days=60)).isoformat()
        return maker.sent(key, value)._replace(timestamp=ms(maker.now) + 30 * 86_400_000)
    far = maker.random.choice((-1, 0, 1, ms(maker.now) - 40 * 86_400_000, ms(maker.now) + 40 * 86_400_000, 2**40))
    if maker.random.random() < 0.02:
        far = maker.random.choice((2**62, 253_000_000_000_000, 200_000_000_000_000))
        for name in _MAIN_TIMES.intersection(value):
            value[name] = maker.random.choice(("9998-12-31T23:59:59Z", "8999-01-01T00:00:00Z", "3026-01-01T00:00:00Z"))
        record = maker.sent(key, value)
    return record._replace(timestamp=far)


def _tombstone(maker: Maker, topic: str, key: bytes | None, value: dict[str, Any]) -> Sent:
    odd = maker.random.choice((key, key, key, None, b"", b"\xff", b"nobody", b"\x00partition", b"\x00checkpoint", b"*"))
    return maker.sent(odd, None)


_MUTATIONS = (
    _replace, _remove, _add, _swap, _contradict, _twice, _bytes, _cut, _noise, _deep, _huge, _wrap, _headers, _prefix, _key,
    _own_id, _time, _tombstone,
)  # fmt: skip
_WEIGHTS = (40, 6, 5, 4, 1, 5, 14, 3, 2, 2, 2, 6, 3, 2, 4, 2, 3, 1)


def life(seed: int, stage: str, count: int) -> list[Input]:
    """A sequence for one stage: `count` records that something happened to, and a sound one of the same topic behind each."""
    maker = Maker(seed)
    topics = [topic for topic in STAGES[stage] for _ in range(1 if topic == "ticks" else 3)]
    made: list[Input] = []
    while count > 0:
        topic = maker.random.choice(topics)
        for _ in range(min(count, maker.random.choice((1, 1, 5, 20)))):
            made += [maker.bad(topic), maker.good(topic)]
            count -= 1
    return [one._replace(record=one.record._replace(offset=offset)) for offset, one in enumerate(made)]


# --- the forms of fields, as the contracts name them


def _key_of(hint: Any) -> Any:
    try:
        hash(hint)
    except TypeError:
        return None
    return hint


_hints: dict[type, dict[str, Any]] = {}
_fields: dict[type, list[tuple[str, str, bool]]] = {}


def _hints_of(kind: type) -> dict[str, Any]:
    if kind not in _hints:
        _hints[kind] = get_type_hints(kind, include_extras=True)
    return _hints[kind]


def _fields_of(kind: type[msgspec.Struct]) -> list[tuple[str, str, bool]]:
    if kind not in _fields:
        _fields[kind] = [(one.name, one.encode_name, one.required) for one in msgspec.structs.fields(kind)]
    return _fields[kind]


_ZONES = ("Europe/London", "America/New_York", "Asia/Kolkata", "Pacific/Apia", "UTC")
_BY_FORM: dict[Any, Callable[[Maker, str], Any]] = {
    base.Id: lambda maker, name: maker.id_of(name),
    base.Text: lambda maker, name: f"{PLANTED} {name}",
    base.Amount: lambda maker, name: maker.amount(),
    base.SignedAmount: lambda maker, name: maker.random.choice(("", "-")) + maker.amount(),
    base.Currency: lambda maker, name: maker.random.choice(_CURRENCIES),
    base.Time: lambda maker, name: maker.time_of(name),
    base.Until: lambda maker, name: maker.random.choice((maker.time_of(name), "9999-12-31T23:59:59Z")),
    base.IsoDate: lambda maker, name: maker.time_of("")[:10],
    base.Zone: lambda maker, name: maker.random.choice(_ZONES),
    base.HourMinute: lambda maker, name: maker.random.choice(("00:00", "08:30", "21:00", "23:59")),
    base.Jurisdiction: lambda maker, name: maker.random.choice(("GB", "US", "IE", "DE", "IN", "AU", "ZZ")),
    base.Region: lambda maker, name: maker.random.choice(("US-MA", "GB-SCT", "AU-NSW")),
    base.Language: lambda maker, name: maker.random.choice(("en", "en-GB", "zh-Hant-TW")),
    base.Rate: lambda maker, name: maker.random.choice((19.9, 0, "39.9", 7391846.0 / 10, 1e-9)),
    base.Percent: lambda maker, name: "39.9",
    base.Day31: lambda maker, name: maker.random.randint(1, 31),
    base.Count: lambda maker, name: maker.random.randint(0, 40),
    base.Rung: lambda maker, name: maker.random.randint(0, 5),
    base.Number: lambda maker, name: maker.random.choice((2, 0.5, "120.00")),
    base.Params: lambda maker, name: {PLANTED: 1},
    base.Counters: lambda maker, name: {"a": 1},
    bool: lambda maker, name: maker.random.random() < 0.6,
    float: lambda maker, name: maker.random.uniform(0, 5),
    int: lambda maker, name: maker.random.randint(0, 100),
    str: lambda maker, name: PLANTED,
}
