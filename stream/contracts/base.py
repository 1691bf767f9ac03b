"""What every contract is made of: field types, the two base classes, and the one way from bytes to a record.

A topic has a public pydantic model and a `msgspec.Struct` for the hot path. Both take their field types from
here, and every type carries msgspec's constraint, pydantic's and one check function, so the two accept and
refuse the same values by construction. What spans fields is a plain function on attributes that both call.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from importlib.resources import files
from itertools import chain
from operator import attrgetter
from types import UnionType
from typing import (
    Annotated,
    Any,
    NamedTuple,
    NoReturn,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

import msgspec
from msgspec import Meta
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import ErrorDetails, PydanticCustomError

from stream.contracts import money
from stream.contracts.vocabulary import CHANNELS, Channel
from stream.errors import BadRecord, Reason
from stream.reference.currencies import EXPONENTS

FIRST_YEAR, LAST_YEAR = 1900, 9998
"""Times and dates lie within these years: further out, a shift by a zone or some days would overflow."""

DEEPEST = 300
"""Deeper nesting is refused: the interpreter's limit depends on who calls, and a replay must decide alike."""


def refuse(reason: Reason, field: str, why: str) -> NoReturn:
    """Raises BadRecord; `why` is a fixed phrase without data of the record."""
    raise BadRecord(reason, field, why)


# --- field types -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Check:
    """One form of value: where `holds(value)` is false it is refused for `reason`, in the words of `why`.

    As metadata of a type it works for pydantic (through `__call__`) and for our decoders (which look it up).
    """

    holds: Callable[[Any], bool]
    reason: Reason
    why: str

    def __call__(self, value: Any) -> Any:
        if not self.holds(value):
            raise PydanticCustomError(self.reason.value, self.why)
        return value


def _matches(pattern: str) -> Callable[[str], bool]:
    matches = re.compile(pattern, re.ASCII).fullmatch
    return lambda text: matches(text) is not None


def _within(value: date) -> bool:
    return FIRST_YEAR <= value.year <= LAST_YEAR


@cache
def _zones() -> frozenset[str]:
    """The IANA names of the tzdata package: the same on every machine, whatever its system files hold."""
    names = files("tzdata").joinpath("zones").read_text(encoding="utf-8").split()
    return frozenset(names) - {"Factory", "localtime"}


def _is_zone(name: str) -> bool:
    return name in _zones()


def _is_currency(code: str) -> bool:
    return code in EXPONENTS


def _may_end(value: datetime | None) -> bool:
    return value is None or value.year >= FIRST_YEAR


def _is_rate(value: float | str) -> bool:
    return _is_percent(value) if isinstance(value, str) else 0 <= value < 1e6


_CHANNELS = frozenset(CHANNELS)
_is_percent = _matches(r"[0-9]{1,6}(\.[0-9]{1,6})?")

_AMOUNT_FORM = r"[0-9]{1,15}(\.[0-9]{1,4})?"
_HOUR_FORM = "([01][0-9]|2[0-3]):[0-5][0-9]"
_COUNTRY_FORM = "[A-Z]{2}"
_REGION_FORM = "[A-Z]{2}-[A-Z0-9]{1,3}"
_LANGUAGE_FORM = "[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8})*"

_ID = Check(str.isprintable, Reason.BAD_FIELD, "not printable")
_AMOUNT = Check(_matches(_AMOUNT_FORM), Reason.BAD_AMOUNT, "not a plain decimal string")
_SIGNED = Check(_matches(f"-?{_AMOUNT_FORM}"), Reason.BAD_AMOUNT, "not a plain decimal string")
_CURRENCY = Check(_is_currency, Reason.UNKNOWN_VALUE, "not an ISO 4217 code")
_TIME = Check(_within, Reason.BAD_TIME, "year out of range")
_UNTIL = Check(_may_end, Reason.BAD_TIME, "year out of range")
_DATE = Check(_within, Reason.BAD_TIME, "year out of range")
_ZONE = Check(_is_zone, Reason.BAD_TIME, "not an IANA time zone")
_HOUR = Check(_matches(_HOUR_FORM), Reason.BAD_TIME, "not HH:MM")
_COUNTRY = Check(_matches(_COUNTRY_FORM), Reason.BAD_FIELD, "not two upper-case letters")
_REGION = Check(_matches(_REGION_FORM), Reason.BAD_FIELD, "not an ISO 3166-2 code")
_LANGUAGE = Check(_matches(_LANGUAGE_FORM), Reason.BAD_FIELD, "not a BCP 47 tag")
_RATE = Check(_is_rate, Reason.BAD_FIELD, "not a percentage")

_AwareTime = Annotated[datetime, Meta(tz=True)]


def _read_time(value: object) -> object:
    """An RFC 3339 string by msgspec's own reader, so that both sides agree; an aware datetime as it is."""
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise PydanticCustomError(Reason.BAD_TIME.value, "no offset")
        return value
    if type(value) is not str:
        return value
    try:
        return msgspec.convert(value, _AwareTime)
    except msgspec.ValidationError:
        pass
    raise PydanticCustomError(Reason.BAD_TIME.value, "not RFC 3339 with an offset")


def _read_until(value: object) -> object:
    read = _read_time(value)
    return None if isinstance(read, datetime) and read.year > LAST_YEAR else read


def _read_date(value: object) -> object:
    if type(value) is not str:
        return value
    try:
        return msgspec.convert(value, date)
    except msgspec.ValidationError:
        pass
    raise PydanticCustomError(Reason.BAD_TIME.value, "not an ISO 8601 date")


def _known_channels(value: object) -> object:
    # Ahead of pydantic's own look at the keys, which would name an unknown one in its error.
    if isinstance(value, dict) and not _CHANNELS.issuperset(value):
        raise PydanticCustomError(Reason.UNKNOWN_VALUE.value, "not in the closed list")
    return value


def _schema(*, pattern: str) -> WithJsonSchema:
    """The pattern in the exported schema. The check itself is ours, so that its refusal has our reason."""
    return WithJsonSchema({"type": "string", "pattern": f"^{pattern}$"})


def read_array(value: object) -> object:
    return tuple(value) if type(value) is list else value


Id = Annotated[
    str, Meta(min_length=1, max_length=64), Field(min_length=1, max_length=64), AfterValidator(_ID), _ID
]
"""1-64 printable characters."""
Code = Id
"""A short word of the sender's own list, in the form of an id."""
Text = Annotated[str, Meta(max_length=1000), Field(max_length=1000)]
"""Free text, at most 1,000 characters. (Both readers refuse lone surrogates by themselves.)"""
Amount = Annotated[
    str,
    Meta(min_length=1),
    Field(min_length=1),
    AfterValidator(_AMOUNT),
    _AMOUNT,
    _schema(pattern=_AMOUNT_FORM),
]
"""A decimal string, never negative, with at most the decimals of the `currency` beside it."""
SignedAmount = Annotated[
    str,
    Meta(min_length=1),
    Field(min_length=1),
    AfterValidator(_SIGNED),
    _SIGNED,
    _schema(pattern=f"-?{_AMOUNT_FORM}"),
]
"""An amount that may be negative."""
Currency = Annotated[
    str,
    Meta(min_length=1),
    Field(min_length=1),
    AfterValidator(_CURRENCY),
    _CURRENCY,
    _schema(pattern="[A-Z]{3}"),
]
"""An ISO 4217 code in upper case."""
Time = Annotated[datetime, Meta(tz=True), BeforeValidator(_read_time), AfterValidator(_TIME), _TIME]
"""An instant: RFC 3339 with an offset, between the years 1900 and 9998."""
Until = Annotated[
    Annotated[datetime, Meta(tz=True)] | None, BeforeValidator(_read_until), AfterValidator(_UNTIL), _UNTIL
]
"""An instant at which something ends, or None. The year 9999, in many systems "never", is read as None."""
IsoDate = Annotated[date, BeforeValidator(_read_date), AfterValidator(_DATE), _DATE]
"""A calendar day: ISO 8601, between the years 1900 and 9998."""
Zone = Annotated[str, Meta(min_length=1), Field(min_length=1), AfterValidator(_ZONE), _ZONE]
"""An IANA time zone."""
HourMinute = Annotated[
    str, Meta(min_length=1), Field(min_length=1), AfterValidator(_HOUR), _HOUR, _schema(pattern=_HOUR_FORM)
]
"""Local time of day, `HH:MM`, 00:00 to 23:59."""
Jurisdiction = Annotated[
    str,
    Meta(min_length=1),
    Field(min_length=1),
    AfterValidator(_COUNTRY),
    _COUNTRY,
    _schema(pattern=_COUNTRY_FORM),
]
"""ISO 3166-1 alpha-2."""
Region = Annotated[
    str,
    Meta(min_length=1),
    Field(min_length=1),
    AfterValidator(_REGION),
    _REGION,
    _schema(pattern=_REGION_FORM),
]
"""ISO 3166-2, e.g. `US-MA`."""
Language = Annotated[
    str,
    Meta(min_length=1, max_length=35),
    Field(min_length=1, max_length=35),
    AfterValidator(_LANGUAGE),
    _LANGUAGE,
    _schema(pattern=_LANGUAGE_FORM),
]
"""A BCP 47 language tag, e.g. `en-GB`."""
Rate = Annotated[
    float | Annotated[str, Meta(min_length=1), Field(min_length=1)], AfterValidator(_RATE), _RATE
]
"""Percent a year: a number, or a decimal string."""
Percent = Annotated[str, Meta(min_length=1), Field(min_length=1), AfterValidator(_RATE), _RATE]
"""Percent a year, as a decimal string."""
Day31 = Annotated[int, Meta(ge=1, le=31), Field(ge=1, le=31)]
"""Day of a month."""

_T = TypeVar("_T")
Count = Annotated[int, Meta(ge=0, le=1_000_000), Field(ge=0, le=1_000_000)]
"""A small whole number."""
Rung = Annotated[int, Meta(ge=0, le=5), Field(ge=0, le=5)]
"""A rung of the ladder."""
Number = str | int | float
"""A figure: money as a decimal string, everything else as it is."""
Params = dict[str, str | int]
"""Values for a template."""
Counters = dict[str, int]
"""What a rule had counted, by name."""

Many = Annotated[tuple[_T, ...], Meta(max_length=1000), BeforeValidator(read_array), Field(max_length=1000)]
"""An array of at most 1,000."""
Channels = Annotated[dict[Channel, _T], BeforeValidator(_known_channels)]
"""Something for some of the channels."""


# --- the two base classes --------------------------------------------------------------------------------


class Record(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """The hot-path form of a topic's value. Fields that hold their default are omitted when encoded.

    Subclasses repeat `kw_only=True`, which msgspec does not inherit, and `frozen=True` for the type checker.
    """


class Model(BaseModel):
    """The public form of a value: strict, frozen, unknown fields ignored, inputs hidden in its errors."""

    model_config = ConfigDict(
        strict=True, frozen=True, extra="ignore", hide_input_in_errors=True, allow_inf_nan=False
    )

    @model_validator(mode="after")
    def _agree(self) -> Any:
        try:
            for rule in _rules_of(type(self)):
                rule(self)
        except BadRecord as bad:
            reason, why, field = bad.reason.value, bad.why, bad.field
        else:
            return self
        raise PydanticCustomError(reason, why, {"field": field})


R = TypeVar("R", bound=Record)
M = TypeVar("M", bound=Model)


# --- rules that span fields ------------------------------------------------------------------------------

Rule = Callable[[Any], None]

_RULES: dict[type, tuple[Rule, ...]] = {}


def rules(*checks: Rule) -> Callable[[type[_T]], type[_T]]:
    """Decorates a Record or Model: its values must pass these, which raise BadRecord without any data."""

    def register(kind: type[_T]) -> type[_T]:
        _RULES[kind] = checks
        return kind

    return register


@cache
def _rules_of(kind: type) -> tuple[Rule, ...]:
    amounts = _amounts_rule(kind)
    return (*([amounts] if amounts else []), *_RULES.get(kind, ()))


def _amounts_rule(kind: type) -> Rule | None:
    """Amounts have at most the decimals of the `currency` in the same object."""
    hints = _hints(kind)
    names = tuple(name for name, hint in hints.items() if _check_of(hint) in (_AMOUNT, _SIGNED))
    if not names or "currency" not in hints:
        return None
    readers = tuple(
        (name, money.minor_units if _check_of(hints[name]) is _AMOUNT else money.signed_minor_units)
        for name in names
    )

    def check(record: Any) -> None:
        currency = record.currency
        if currency is None:
            return
        for name, to_minor in readers:
            text = getattr(record, name)
            if text is not None:
                try:
                    to_minor(text, currency)
                except BadRecord as bad:
                    raise BadRecord(bad.reason, bad.field or name, bad.why) from None

    return check


# --- checks of a record ----------------------------------------------------------------------------------


def _hints(kind: type) -> dict[str, Any]:
    return {
        k: v
        for k, v in get_type_hints(kind, include_extras=True).items()
        if not k.startswith(("model_", "_"))
    }


def _without_none(hint: Any) -> Any:
    if get_origin(hint) in (Union, UnionType):
        rest = [part for part in get_args(hint) if part is not type(None)]
        return rest[0] if len(rest) == 1 else hint
    return hint


def _check_of(hint: Any) -> Check | None:
    hint = _without_none(hint)
    if get_origin(hint) is Annotated:
        return next((part for part in get_args(hint)[1:] if isinstance(part, Check)), None)
    return None


def _bare(hint: Any) -> Any:
    hint = _without_none(hint)
    return get_args(hint)[0] if get_origin(hint) is Annotated else hint


def _getter(names: tuple[str, ...]) -> Callable[[Any], tuple[Any, ...]]:
    get = attrgetter(*names)
    return get if len(names) > 1 else lambda record: (get(record),)


class _Leaf(NamedTuple):
    """Fields of one form: a quick pass over all of them, and their names for when it fails."""

    check: Check
    names: tuple[str, ...]
    values: Callable[[Any], tuple[Any, ...]]


class _Branch(NamedTuple):
    """A field that holds further values: a nested record, an array or a map of one kind."""

    name: str
    many: bool
    check: Check | None
    plan: _Plan | None


class _Plan(NamedTuple):
    leaves: tuple[_Leaf, ...]
    branches: tuple[_Branch, ...]
    rules: tuple[Rule, ...]
    wire: Mapping[str, str]

    def check(self, record: msgspec.Struct) -> None:
        for form, names, values in self.leaves:
            found = values(record)
            # No field with a form may be empty, so this filter drops the absent ones alone.
            if not all(map(form.holds, filter(None, found))):
                _blame(form, names, found, self.wire)
        for branch in self.branches:
            value = getattr(record, branch.name)
            if value is not None and not _sound(branch, value):
                _blame_within(branch, value, self.wire[branch.name])
        for rule in self.rules:
            rule(record)


@cache
def _plan(kind: type[msgspec.Struct], *, printable: bool = False) -> _Plan:
    """What to check in a record; without what needs no check where every character of it is known to be printable."""
    hints = _hints(kind)
    wire = dict(zip(kind.__struct_fields__, kind.__struct_encode_fields__, strict=True))
    by_check: dict[Check, list[str]] = {}
    branches: list[_Branch] = []

    def needed(check: Check | None) -> Check | None:
        return None if printable and check is _ID else check

    for name, hint in hints.items():
        check = needed(_check_of(hint))
        # The rule on amounts reads the whole string: where a currency is sure to be beside it, it is enough.
        if check in (_AMOUNT, _SIGNED) and _check_of(hints.get("currency")) and _required(kind, "currency"):
            continue
        if check is _CURRENCY and _required(kind, name) and _sure_amount(kind, hints):
            continue
        if check is not None:
            by_check.setdefault(check, []).append(name)
            continue
        bare = _bare(hint)
        origin = get_origin(bare)
        if isinstance(bare, type) and issubclass(bare, msgspec.Struct):
            branches.append(_Branch(name, False, None, _plan(bare, printable=printable)))
        elif origin in (tuple, dict):
            inner = get_args(bare)[0 if origin is tuple else 1]
            plain = _bare(inner)
            record = isinstance(plain, type) and issubclass(plain, msgspec.Struct)
            nested = _plan(plain, printable=printable) if record else None
            if nested is not None or needed(_check_of(inner)) is not None:
                branches.append(_Branch(name, True, needed(_check_of(inner)), nested))
    leaves = tuple(_Leaf(check, tuple(names), _getter(tuple(names))) for check, names in by_check.items())
    return _Plan(leaves, tuple(branches), _rules_of(kind), wire)


def _required(kind: type[msgspec.Struct], name: str) -> bool:
    return any(field.name == name and field.required for field in msgspec.structs.fields(kind))


def _sure_amount(kind: type[msgspec.Struct], hints: Mapping[str, Any]) -> bool:
    return any(
        _check_of(hint) in (_AMOUNT, _SIGNED) and _required(kind, name) for name, hint in hints.items()
    )


def check(record: msgspec.Struct) -> None:
    """What the bare decoder does not see: forms, ranges of times, rules across fields. Raises BadRecord."""
    _plan(type(record)).check(record)


def _blame(form: Check, names: tuple[str, ...], values: tuple[Any, ...], wire: Mapping[str, str]) -> NoReturn:
    bad = next(
        name for name, value in zip(names, values, strict=True) if value is not None and not form.holds(value)
    )
    refuse(form.reason, wire[bad], form.why)


def _items(value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        # A key may be the record's data: the path says only that it is below the field.
        yield from (("[...]", item) for item in value.values())
    else:
        yield from ((f"[{index}]", item) for index, item in enumerate(value))


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path and name else path or name


def _sound(branch: _Branch, value: Any) -> bool:
    items = (value.values() if isinstance(value, dict) else value) if branch.many else (value,)
    if branch.check is not None:
        return all(map(branch.check.holds, items))
    plan = branch.plan
    assert plan is not None
    if not plan.branches and not plan.rules:
        return all(
            all(map(leaf.check.holds, filter(None, chain.from_iterable(map(leaf.values, items))))) for leaf in plan.leaves
        )
    check = plan.check
    try:
        for item in items:
            check(item)
    except BadRecord:
        return False
    return True


def _blame_within(branch: _Branch, value: Any, path: str) -> None:
    for suffix, item in _items(value) if branch.many else (("", value),):
        if branch.check is not None:
            if not branch.check.holds(item):
                refuse(branch.check.reason, path + suffix, branch.check.why)
        else:
            try:
                check(item)
            except BadRecord as bad:
                raise BadRecord(bad.reason, _join(path + suffix, bad.field), bad.why) from None


@cache
def _ends(kind: type[msgspec.Struct]) -> tuple[str, ...]:
    return tuple(name for name, hint in _hints(kind).items() if _check_of(hint) is _UNTIL)


def _without_far_ends(record: R, ends: tuple[str, ...]) -> R:
    far = {name: None for name in ends if (end := getattr(record, name)) is not None and end.year > LAST_YEAR}
    return msgspec.structs.replace(record, **far) if far else record


# --- from bytes ------------------------------------------------------------------------------------------

_BRACKETS = re.compile(rb'"(?:[^"\\]|\\.)*"|[\[{]|[\]}]', re.DOTALL)


def _too_deep(value: bytes) -> bool:
    if value.count(b"[") + value.count(b"{") <= DEEPEST:
        return False
    depth = 0
    for token in _BRACKETS.finditer(value):
        first = value[token.start()]
        if first in b"[{":
            depth += 1
            if depth > DEEPEST:
                return True
        elif first in b"]}":
            depth -= 1
    return False


def reader_of(bare: msgspec.json.Decoder[R]) -> Callable[[bytes], R]:
    """Bytes to a record by a bare decoder: JSON, types and closed lists. Its errors become BadRecord."""
    read = bare.decode

    def reader(value: bytes) -> R:
        try:
            # A value shorter than its brackets cannot be so deep, which spares the common one the look.
            if len(value) > 2 * DEEPEST and _too_deep(value):
                problem = BadRecord(Reason.BAD_JSON, "", "nested too deep")
            else:
                # Fields nobody reads are skipped unread, so the whole must be seen to be UTF-8 first.
                if not value.isascii():
                    value.decode()
                return read(value)
        except (ValueError, RecursionError, OverflowError) as error:
            problem = _translate(error)
        # Raised out here: an exception in the context of this one could carry the record into a log.
        raise problem

    return reader


def decoder_of(bare: msgspec.json.Decoder[R]) -> Callable[[bytes], R]:
    """The full decoder of a topic: reads, then checks. BadRecord never says what a field held."""
    read = reader_of(bare)
    plan, quick = _plan(bare.type), _plan(bare.type, printable=True)
    ends = _ends(bare.type)

    def decode(value: bytes) -> R:
        record = read(value)
        # ASCII is printable but for DEL and what JSON has to escape: a third of what a signal's checks cost.
        (quick if value.isascii() and b"\\" not in value and b"\x7f" not in value else plan).check(record)
        return _without_far_ends(record, ends) if ends else record

    return decode


_PATH = re.compile(r" - at (`key` in )?`\$([^`]*)`$")


def _translate(error: Exception) -> BadRecord:
    """Reason and field of what msgspec found. Its message may quote data: only the path is passed on."""
    if not isinstance(error, msgspec.ValidationError):
        return BadRecord(Reason.BAD_JSON, "", "not valid JSON in UTF-8")
    message = str(error)
    found = _PATH.search(message)
    field = found[2].lstrip(".") if found else ""
    if message.startswith("Object missing required field `"):
        name = message.split("`", 2)[1]
        return BadRecord(Reason.MISSING_FIELD, _join(field, name), "is missing")
    if message.startswith("Invalid enum value"):
        return BadRecord(Reason.UNKNOWN_VALUE, field, "not in the closed list")
    if message.startswith(("Invalid RFC3339 encoded datetime", "Expected `datetime` with a timezone")):
        return BadRecord(Reason.BAD_TIME, field, "not RFC 3339 with an offset")
    if message.startswith("Invalid RFC3339 encoded date"):
        return BadRecord(Reason.BAD_TIME, field, "not an ISO 8601 date")
    if not field and message.startswith("Expected `object`"):
        return BadRecord(Reason.BAD_JSON, "", "not a JSON object")
    if " of length " in message:
        return BadRecord(Reason.BAD_FIELD, field, "of the wrong length")
    if message.startswith("Expected `") and ", got `" in message:
        return BadRecord(Reason.BAD_FIELD, field, "of the wrong type")
    return BadRecord(Reason.BAD_FIELD, field, "out of range")


_UNION_STEPS = frozenset({"str", "int", "float", "constrained-str"})
"""How pydantic names the branch of a union in the place of an error."""

_REASONS = {reason.value: reason for reason in Reason}


def validate(model: type[M], data: object) -> M:
    """The public model of what a JSON reader gives. Raises BadRecord, with no data of the record in it."""
    try:
        return model.model_validate(data)
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False)[0]
    raise _explain(details)


def _explain(details: ErrorDetails) -> BadRecord:
    steps: list[str] = []
    for step in details["loc"]:
        if isinstance(step, int):
            steps.append(f"[{step}]")
        elif step in _known_names():
            steps.append(f".{step}")
        elif step not in _UNION_STEPS:
            # The key of a map is data.
            steps.append("[...]")
    field = "".join(steps)
    inner = details.get("ctx", {}).get("field")
    field = (f"{field}.{inner}" if inner else field).lstrip(".")
    kind = details["type"]
    if kind in _REASONS:
        return BadRecord(_REASONS[kind], field, details["msg"])
    if kind == "missing":
        return BadRecord(Reason.MISSING_FIELD, field, "is missing")
    if kind == "literal_error":
        return BadRecord(Reason.UNKNOWN_VALUE, field, "not in the closed list")
    if kind == "model_type" and not field:
        return BadRecord(Reason.BAD_JSON, "", "not a JSON object")
    return BadRecord(Reason.BAD_FIELD, field, "of the wrong type, length or form")


@cache
def _known_names() -> frozenset[str]:
    return frozenset(
        n for kind in _subclasses(Model) for f in kind.model_fields.items() for n in (f[0], f[1].alias) if n
    )


def _subclasses(kind: type[Model]) -> Iterator[type[Model]]:
    for sub in kind.__subclasses__():
        yield sub
        yield from _subclasses(sub)


_encoder = msgspec.json.Encoder()


def encode(record: Record) -> bytes:
    """The JSON bytes of a record, fields in their declared order; the same record gives the same bytes."""
    return _encoder.encode(record)
