"""From records to one array of events.

Each reader takes a chunk of one topic and gives an `EVENT` array of the records that are good, in their
order, and the refusals of the others. It accepts and refuses what the contract's `decode` does, and costs a
fraction of it. Payments, of which there are most, are read by a compiled scanner (`tables.scan`). What that
finds odd, and the other topics, are decoded one by one and then read as whole columns: types and closed lists
are checked by the bare decoder, text by looking at the raw bytes of the whole chunk, amounts and ids in
compiled loops. A record that looks unusual in any way goes through `decode`, which then has the last word.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final, NamedTuple, cast, overload

import numpy as np
import numpy.typing as npt

from stream.contracts import bounces, envelope, missed_bills, payments
from stream.contracts.vocabulary import BILL_OUTCOMES, BOOKING_STATUSES, CATEGORIES, DIRECTIONS, SCHEMES
from stream.detectors.world import CURRENCY_CODES
from stream.engine.step import Record, Refused
from stream.errors import BadRecord, Reason
from stream.reference import currencies
from stream.reference.return_codes import CLASSES, lookup
from stream.tables import event as ev
from stream.tables.event import EVENT, NO_BALANCE
from stream.tables.hashing import ABSENT, NO_AMOUNT, hash_column, looks_plain, parse_amounts
from stream.tables.scan import AMOUNT, DATE, ID, SIGNED, TEXT, TIME, WORD, Field, Form, form, scan

DAY: Final = 86_400_000
AHEAD: Final = DAY
"""How far, in ms, an event's time may be ahead of its record's timestamp."""

PLAIN_DEPTH: Final = 100
"""Brackets in a value beyond which the contract's decoder looks how deep they go."""

_EPOCH: Final = date(1970, 1, 1).toordinal()
# A day inside the years that the contracts accept: beyond these `decode` decides.
_EARLIEST: Final = -2_177_452_800_000 - 365 * DAY
_LATEST: Final = 253_307_692_800_000 - 2 * 365 * DAY
_SOON: Final = date(9990, 1, 1)
_LONG_AGO: Final = date(1902, 1, 1)

_CATEGORY: Final = {word: index for index, word in enumerate(CATEGORIES)}
_DIRECTION: Final = {word: index for index, word in enumerate(DIRECTIONS)}
_OUTCOME: Final = {word: index for index, word in enumerate(BILL_OUTCOMES)}
_CLASS: Final = {word: index for index, word in enumerate(CLASSES)}
_STATUS: Final = {"booked": ev.BOOKED, "reversed": ev.REVERSED}
_CURRENCY: Final = {code: index + 1 for index, code in enumerate(CURRENCY_CODES)}
_SCHEME: Final = {word: index for index, word in enumerate(SCHEMES)}
# Payments keep their hashes: a bounce names the payment that came back.
_OF_TOPIC: Final = {ev.PAYMENT: 0, ev.BOUNCE: 0x5DEECE66D0BB0117, ev.MISSED_BILL: 0x2545F4914F6CDD1D}
_EXPONENT: Final = {"": 0, **currencies.EXPONENTS}


def ms_of(value: datetime) -> int:
    """Milliseconds since 1970-01-01 UTC, rounded as columns are."""
    return round(value.timestamp() * 1000)


class Lazy(Sequence[Any]):
    """Records that are decoded when they are looked at, which few of them are."""

    def __init__(self, decode: Callable[[bytes], Any], values: Sequence[bytes]) -> None:
        self._decode = decode
        self._values = values

    def __len__(self) -> int:
        return len(self._values)

    @overload
    def __getitem__(self, index: int) -> Any: ...
    @overload
    def __getitem__(self, index: slice) -> Lazy: ...
    def __getitem__(self, index: int | slice) -> Any:
        chosen = self._values[index]
        if isinstance(index, slice):
            return Lazy(self._decode, cast(Sequence[bytes], chosen))
        return self._decode(cast(bytes, chosen))

    def chosen(self, indexes: Iterable[int]) -> Lazy:
        """Those at these indexes."""
        return Lazy(self._decode, [self._values[index] for index in indexes])


@dataclass(slots=True)
class Batch:
    """The good records of a chunk."""

    events: npt.NDArray[Any]
    """`EVENT` rows without `row` and `clock`, which need the table."""
    records: Sequence[Any]
    """The decoded records, one each; `Lazy` ones are decoded when they are looked at."""
    keys: list[bytes]
    """Their keys: the account ids."""
    source: list[int]
    """Their indexes in the chunk."""
    refused: list[Refused]
    """The others."""

    def part(self, start: int, stop: int) -> Batch:
        """The records from `start` up to `stop`, without the refused."""
        if start == 0 and stop == len(self.records):
            return self
        return Batch(
            self.events[start:stop],
            self.records[start:stop],
            self.keys[start:stop],
            self.source[start:stop],
            [],
        )

    def without(self, bad: dict[int, tuple[Reason, str]]) -> Batch:
        """The batch less some of its records, by their index here, which are refused."""
        if not bad:
            return self
        keep = [index for index in range(len(self.records)) if index not in bad]
        refused = self.refused + [Refused(self.source[index], *why) for index, why in bad.items()]
        return Batch(
            self.events[keep],
            self.records.chosen(keep) if isinstance(self.records, Lazy) else [self.records[index] for index in keep],
            [self.keys[index] for index in keep],
            [self.source[index] for index in keep],
            refused,
        )


class Reader(NamedTuple):
    """How one topic is read."""

    topic: int
    decode_types: Callable[[bytes], Any]
    """The bare decoder: types and closed lists."""
    decode: Callable[[bytes], Any]
    """Everything; raises BadRecord."""
    fill: Callable[[npt.NDArray[Any], list[Any], list[str | None], npt.NDArray[np.bool_]], None]
    """Writes the topic's own columns, given the currencies; marks which records look unusual."""
    form: Form | None = None
    """How the scanner reads it."""


def read(reader: Reader, records: Sequence[Record]) -> Batch:
    """The events of a chunk. Never raises for what a record holds."""
    if reader.form is not None:
        try:
            values = [envelope.unwrap(record.value or b"", record.headers) for record in records]
        except BadRecord:
            return _read(reader, records)
        return _scanned(reader, reader.form, records, values)
    return _read(reader, records)


def warm_up() -> None:
    """Compiles the scanner."""
    assert PAYMENTS.form is not None
    scan(PAYMENTS.form, (), ())


def _scanned(reader: Reader, form: Form, records: Sequence[Record], values: list[bytes]) -> Batch:
    """The events by the scanner, and by the decoder where that finds them odd."""
    keys: list[Any] = [record.key for record in records]
    found, odd = scan(form, values, [key or b"" for key in keys] if None in keys else keys)
    at = found[:, form.place["occurred_at"]]
    stamps = np.array([record.timestamp for record in records], np.int64)
    odd |= at > stamps + AHEAD
    events = np.zeros(len(records), EVENT)
    events["topic"] = reader.topic
    for column, name in _COLUMN_OF.items():
        events[column] = found[:, form.place[name]]
    events["currency"] += 1
    events["seen"] = seen_of(events["id"], reader.topic, events["status"].astype(np.int64))
    events["clock"] = np.minimum(at, stamps)
    batch = Batch(events, Lazy(reader.decode, values), keys, list(range(len(records))), [])
    if not odd.any():
        return batch
    source = np.flatnonzero(odd).tolist()
    slow = _read(reader, [records[index] for index in source])
    events[[source[index] for index in slow.source]] = slow.events
    return batch.without({source[bad.index]: (bad.reason, bad.why) for bad in slow.refused})


def _read(reader: Reader, records: Sequence[Record]) -> Batch:
    """The events by the decoder."""
    decoded, bad = _decode(reader, records)
    if bad:
        source = [index for index in range(len(records)) if index not in bad]
        decoded = [decoded[index] for index in source]
    else:
        source = list(range(len(records)))
    refused = [Refused(index, *why) for index, why in bad.items()]
    keys: list[Any] = [records[index].key for index in source] if bad else [record.key for record in records]
    stamps = np.array([records[index].timestamp for index in source], np.int64)
    batch = Batch(np.zeros(len(source), EVENT), decoded, keys, source, refused)
    if not decoded:
        return batch
    # A comprehension a field: fewer objects than a tuple a record, and quicker.
    currencies_ = [record.currency for record in decoded]
    suspects = _common(reader, batch.events, decoded, currencies_)
    reader.fill(batch.events, decoded, currencies_, suspects)
    wrong: dict[int, tuple[Reason, str]] = {}
    for index in np.flatnonzero(suspects).tolist():
        record = records[source[index]]
        try:
            reader.decode(envelope.unwrap(record.value or b"", record.headers))
        except BadRecord as error:
            wrong[index] = (error.reason, str(error))
    at = batch.events["at"]
    for index in np.flatnonzero(at > stamps + AHEAD).tolist():
        wrong.setdefault(index, (Reason.TOO_FAR_AHEAD, "occurred_at"))
    # One comparison for all keys; ids hold no line feed, so equal texts mean equal parts.
    ids = [record.account_id for record in decoded]
    batch.events["account"] = hash_column(ids)
    if None in keys or b"\n".join(keys) != "\n".join(ids).encode("utf-8", "surrogatepass"):
        for index, (key, name) in enumerate(zip(keys, ids, strict=True)):
            if key is None:
                wrong.setdefault(index, (Reason.NULL_KEY, ""))
            elif key != name.encode("utf-8", "surrogatepass"):
                wrong.setdefault(index, (Reason.KEY_MISMATCH, "account_id"))
    batch.events["clock"] = np.minimum(at, stamps)
    return batch.without(wrong)


def _decode(reader: Reader, records: Sequence[Record]) -> tuple[list[Any], dict[int, tuple[Reason, str]]]:
    """Decoded records (None where refused) and refusals by index."""
    try:
        values = [
            envelope.unwrap(record.value, record.headers) if record.headers and record.value else record.value
            for record in records
        ]
        if None not in values:
            return _decode_all(reader, cast(list[bytes], values)), {}
    except (ValueError, RecursionError, OverflowError, BadRecord):
        # Some record is bad: which, and why, is found out one by one.
        pass
    decoded: list[Any] = []
    bad: dict[int, tuple[Reason, str]] = {}
    for index, record in enumerate(records):
        one = None
        if record.value is None:
            bad[index] = (Reason.NULL_VALUE, "")
        else:
            try:
                one = _decode_one(reader, envelope.unwrap(record.value, record.headers))
            except BadRecord as error:
                bad[index] = (error.reason, str(error))
        decoded.append(one)
    return decoded, bad


def _decode_all(reader: Reader, values: list[bytes]) -> list[Any]:
    """Decodes values that are thought to be good; raises something if one is not."""
    read_types, read_all = reader.decode_types, reader.decode
    whole = b"".join(values)
    if looks_plain(whole) and whole.count(b"{") + whole.count(b"[") <= len(values):
        return list(map(read_types, values))
    return [read_types(value) if _is_plain(value) else read_all(value) for value in values]


def _decode_one(reader: Reader, value: bytes) -> Any:
    if _is_plain(value):
        try:
            return reader.decode_types(value)
        except (ValueError, RecursionError, OverflowError):
            pass
    return reader.decode(value)


def _is_plain(value: bytes) -> bool:
    """Whether every text in this value is sure to be printable ASCII, and the value is not deeply nested.

    Then no id can hide a control character, a line feed or half a surrogate, and looking at ids one by one is idle.
    """
    return (
        value.isascii() and b"\\" not in value and b"\x7f" not in value and value.count(b"{") + value.count(b"[") <= PLAIN_DEPTH
    )


def _hashes(column: list[str | None]) -> npt.NDArray[np.int64] | int:
    """Hashes of optional ids; 0 where there is none."""
    if not any(column):
        return 0
    return hash_column([text or "" for text in column])


def _common(reader: Reader, events: npt.NDArray[Any], records: list[Any], codes: list[str | None]) -> npt.NDArray[np.bool_]:
    seconds = np.array([record.occurred_at.timestamp() for record in records])
    at = np.rint(seconds * 1000).astype(np.int64)
    events["at"] = at
    events["topic"] = reader.topic
    own = hash_column([record.event_id for record in records])
    events["id"] = id_of(own, reader.topic)
    status: npt.NDArray[np.int64] | int = 0
    statuses = [record.status for record in records]
    if "reversed" in statuses:
        status = np.array([_STATUS[word] for word in statuses], np.int64)
        events["status"] = status
    events["seen"] = seen_of(own, reader.topic, status)
    events["category"] = [_CATEGORY[record.category] for record in records]
    events["payee"] = hash_column([record.counterparty_id for record in records])
    events["corrects"] = id_of(_hashes([record.corrects for record in records]), reader.topic)
    events["obligation"] = _hashes([record.obligation_id for record in records])
    events["bill"] = _hashes([record.bill_id for record in records])
    suspects: npt.NDArray[np.bool_] = (at < _EARLIEST) | (at > _LATEST)
    kinds = set(codes)
    if len(kinds) == 1:
        (code,) = kinds
        events["currency"] = _CURRENCY.get(code or "", 0)
        if code is not None and code not in _CURRENCY:
            suspects[:] = True
    else:
        events["currency"] = [_CURRENCY.get(code or "", 0) for code in codes]
        suspects |= [code is not None and code not in _CURRENCY for code in codes]
    return suspects


def id_of(own: Any, topic: int) -> Any:
    """What names an event among those of all topics, from the hash of its id; 0 stays none.

    Topics number their events for themselves: a payment may have the id of a bill, and is another event.
    """
    return np.where(own == 0, 0, own ^ _OF_TOPIC[topic])


def seen_of(own: Any, topic: int, status: Any) -> Any:
    """What makes a redelivery: (event id, topic, status), from the hash of the id."""
    # Topic and status take the place of four bits, which leaves 59 of the hash.
    return (own & ~15) | (topic << 1) | status | 8


def _amounts(
    column: list[str | None],
    codes: list[str | None],
    suspects: npt.NDArray[np.bool_],
    *,
    signed: bool = False,
) -> npt.NDArray[np.int64] | int:
    """Minor units, ABSENT where there is none; marks what is no amount."""
    if not any(column):
        return ABSENT
    kinds = set(codes)
    if len(kinds) == 1:
        (code,) = kinds
        exponents = np.full(len(codes), _EXPONENT.get(code or "", 0), np.int8)
    else:
        exponents = np.array([_EXPONENT.get(code or "", 0) for code in codes], np.int8)
    minor = parse_amounts([text or "" for text in column], exponents, signed=signed)
    suspects |= minor == NO_AMOUNT
    return minor


def _dates(column: list[date | None], suspects: npt.NDArray[np.bool_]) -> None:
    """Marks dates that are far out."""
    if any(column):
        suspects |= [day is not None and not _LONG_AGO < day < _SOON for day in column]


def _days(events: npt.NDArray[Any], column: list[date | None], suspects: npt.NDArray[np.bool_]) -> None:
    """Midnights of optional due dates; 0 where there is none. Marks dates that are far out."""
    _dates(column, suspects)
    if any(column):
        events["due"] = [(day.toordinal() - _EPOCH) * DAY if day else 0 for day in column]


def _fill_payment(events: npt.NDArray[Any], records: list[Any], codes: list[str | None], suspects: npt.NDArray[np.bool_]) -> None:
    events["direction"] = [_DIRECTION[record.direction] for record in records]
    events["scheme"] = [_SCHEME[record.scheme] for record in records]
    events["bank"] = _hashes([record.bank_id for record in records])
    events["amount"] = _amounts([record.amount for record in records], codes, suspects)
    events["owed"] = _amounts([record.amount_due for record in records], codes, suspects)
    events["minimum"] = _amounts([record.minimum_due for record in records], codes, suspects)
    balances = [record.balance_after for record in records]
    events["balance"] = _amounts(balances, codes, suspects, signed=True)
    events["balance"][[text is None for text in balances]] = NO_BALANCE
    _days(events, [record.due_date for record in records], suspects)


def _fill_bounce(events: npt.NDArray[Any], records: list[Any], codes: list[str | None], suspects: npt.NDArray[np.bool_]) -> None:
    suspects |= [(record.amount is None) != (record.currency is None) for record in records]
    events["amount"] = _amounts([record.amount for record in records], codes, suspects)
    meanings = [lookup(record.scheme, record.report, record.r_type, record.reason_code) for record in records]
    events["kind"] = [_CLASS[meaning.class_] for meaning in meanings]
    events["weight"] = [meaning.weight for meaning in meanings]
    events["also"] = [_CLASS[meaning.also] if meaning.also else 0 for meaning in meanings]
    events["again"] = [bool(record.representment) for record in records]
    events["original"] = _hashes([record.original_event_id for record in records])
    events["scheme"] = [_SCHEME[record.scheme] for record in records]
    events["bank"] = _hashes([record.bank_id for record in records])
    _days(events, [record.due_date for record in records], suspects)


def _fill_missed_bill(
    events: npt.NDArray[Any], records: list[Any], codes: list[str | None], suspects: npt.NDArray[np.bool_]
) -> None:
    due = _amounts([record.amount_due for record in records], codes, suspects)
    paid = _amounts([record.amount_paid for record in records], codes, suspects)
    minimum = _amounts([record.minimum_due for record in records], codes, suspects)
    # What a bill with a minimum leaves open is the rest of the minimum.
    wanted = np.where(np.asarray(minimum) >= 0, np.minimum(minimum, due), due)
    events["amount"] = np.maximum(wanted - np.maximum(paid, 0), 0)
    events["owed"] = due
    events["minimum"] = minimum
    events["kind"] = [_OUTCOME[record.outcome] for record in records]
    events["due"] = [(record.due_date.toordinal() - _EPOCH) * DAY for record in records]
    _dates([record.due_date for record in records], suspects)
    suspects |= [record.paid_at is not None and not _LONG_AGO < record.paid_at.date() < _SOON for record in records]


PAYMENT_FIELDS: Final = (
    Field("event_id", ID, True),
    Field("account_id", ID, True),
    Field("occurred_at", TIME, True),
    Field("direction", WORD, True, DIRECTIONS),
    Field("amount", AMOUNT, True),
    Field("currency", WORD, True, CURRENCY_CODES),
    Field("counterparty_id", ID, True),
    Field("counterparty_name", TEXT, False),
    Field("category", WORD, True, CATEGORIES),
    Field("scheme", WORD, True, SCHEMES),
    Field("obligation_id", ID, False),
    Field("bill_id", ID, False),
    Field("due_date", DATE, False),
    Field("amount_due", AMOUNT, False),
    Field("minimum_due", AMOUNT, False),
    Field("balance_after", SIGNED, False),
    Field("bank_id", ID, False),
    Field("status", WORD, False, BOOKING_STATUSES, nullable=False),
    Field("corrects", ID, False),
)

_COLUMN_OF: Final = {
    "id": "event_id", "account": "account_id", "at": "occurred_at", "direction": "direction", "amount": "amount",
    "currency": "currency", "payee": "counterparty_id", "category": "category", "scheme": "scheme", "obligation": "obligation_id",
    "bill": "bill_id", "due": "due_date", "owed": "amount_due", "minimum": "minimum_due", "balance": "balance_after",
    "bank": "bank_id", "status": "status", "corrects": "corrects",
}  # fmt: skip
"""The field of the contract that a column holds as the scanner reads it."""

PAYMENTS: Final = Reader(
    ev.PAYMENT, payments.decoder.decode, payments.decode, _fill_payment, form(PAYMENT_FIELDS, currencies.EXPONENTS)
)
BOUNCES: Final = Reader(ev.BOUNCE, bounces.decoder.decode, bounces.decode, _fill_bounce)
MISSED_BILLS: Final = Reader(ev.MISSED_BILL, missed_bills.decoder.decode, missed_bills.decode, _fill_missed_bill)
