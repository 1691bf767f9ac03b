"""A topic's public model and its hot-path decoder accept and refuse the same bytes, and read them alike."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, get_args, get_type_hints

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from stream.contracts import DECODE, MODELS, RECORDS, base, parse
from stream.errors import BadRecord, Reason
from stream.topics import CATALOGUE
from tests.fuzz.pools import NASTY, VALID, paths, replaced, without

EXAMPLES = {path.stem: path.read_bytes() for path in (Path(__file__).parent / "examples").glob("*.json")}
TOPICS = sorted(MODELS)
EACH_TOPIC = pytest.mark.parametrize("topic", TOPICS)
QUICK = settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))


# --- comparing ---------------------------------------------------------------------------------


def same(model: Any, record: Any) -> bool:
    """Whether a model and a record say the same in every field, however deep."""
    if isinstance(record, msgspec.Struct):
        assert isinstance(model, BaseModel)
        names = record.__struct_fields__
        return set(names) == set(type(model).model_fields) and all(
            same(getattr(model, name), getattr(record, name)) for name in names
        )
    if isinstance(record, tuple):
        return len(model) == len(record) and all(map(same, model, record))
    if isinstance(record, dict):
        return model.keys() == record.keys() and all(same(model[key], record[key]) for key in record)
    return type(model) is type(record) and bool(model == record)


def outcome(read: Any, *args: Any) -> Any:
    try:
        return read(*args)
    except BadRecord as bad:
        return bad


def agree(topic: str, value: bytes) -> None:
    """Both ways from bytes accept the same, with the same content, and refuse the same."""
    record, model = outcome(DECODE[topic], value), outcome(parse, topic, value)
    if isinstance(record, BadRecord) or isinstance(model, BadRecord):
        assert isinstance(record, BadRecord), ("only the model refuses", str(model))
        assert isinstance(model, BadRecord), ("only the decoder refuses", str(record))
    else:
        assert same(model, record)


def agree_on(topic: str, data: Any) -> None:
    """As `agree`; and the model alone, on what a JSON reader gives, judges the same without the decoder."""
    value = json.dumps(data).encode()
    agree(topic, value)
    record = outcome(DECODE[topic], value)
    model = outcome(base.validate, MODELS[topic], data)
    assert isinstance(record, BadRecord) == isinstance(model, BadRecord), (str(record), str(model))
    if not isinstance(record, BadRecord):
        assert same(model, record)


def example(topic: str) -> Any:
    return json.loads(EXAMPLES[topic])


# --- the same bytes ----------------------------------------------------------------------------


@EACH_TOPIC
def test_every_topic_of_records_has_a_model_a_decoder_and_an_example(topic: str) -> None:
    engine = {"ticks", "journal", "configs", "dead-letters"}
    assert {entry.name for entry in CATALOGUE} - engine == set(MODELS) == set(DECODE) == set(EXAMPLES)
    assert same(parse(topic, EXAMPLES[topic]), DECODE[topic](EXAMPLES[topic]))


@EACH_TOPIC
def test_the_example_names_every_field(topic: str) -> None:
    record = DECODE[topic](EXAMPLES[topic])
    given_names = set(example(topic))
    assert given_names == set(type(record).__struct_encode_fields__)


@EACH_TOPIC
def test_an_encoded_record_is_read_back_as_it_was(topic: str) -> None:
    record = DECODE[topic](EXAMPLES[topic])
    assert DECODE[topic](base.encode(record)) == record


def kinds(hint: Any) -> Iterator[Any]:
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct | BaseModel):
        yield hint
    for part in get_args(hint):
        yield from kinds(part)


def compare(model: type[BaseModel], record: type[msgspec.Struct]) -> None:
    ours = get_type_hints(record, include_extras=True)
    theirs = {name: get_type_hints(model, include_extras=True)[name] for name in model.model_fields}
    assert list(ours) == list(theirs)
    for field in msgspec.structs.fields(record):
        info = model.model_fields[field.name]
        assert (info.alias or field.name) == field.encode_name
        assert info.is_required() == field.required
        assert field.required or info.default == field.default
        assert info.description, f"{model.__name__}.{field.name} has no description"
        pairs = list(zip(kinds(theirs[field.name]), kinds(ours[field.name]), strict=True))
        for inner_model, inner_record in pairs:
            compare(inner_model, inner_record)
        if not pairs:
            assert theirs[field.name] == ours[field.name]


@EACH_TOPIC
def test_model_and_record_have_the_same_fields_types_and_defaults(topic: str) -> None:
    compare(MODELS[topic], RECORDS[topic])


@EACH_TOPIC
def test_every_model_has_a_json_schema(topic: str) -> None:
    schema = MODELS[topic].model_json_schema()
    assert set(schema["required"]) <= set(schema["properties"])


@EACH_TOPIC
@QUICK
@given(data=st.data())
def test_built_values_are_judged_alike(topic: str, data: st.DataObject) -> None:
    agree_on(topic, data.draw(VALID[topic]))


@EACH_TOPIC
@QUICK
@given(data=st.data())
def test_values_with_one_or_two_spoiled_fields_are_judged_alike(topic: str, data: st.DataObject) -> None:
    value = data.draw(VALID[topic] | st.just(example(topic)))
    for _ in range(data.draw(st.integers(1, 2))):
        path = data.draw(st.sampled_from(list(paths(value))))
        what = data.draw(st.sampled_from(["replace", "remove", "add", "text"]))
        if what == "remove":
            value = without(value, path)
        elif what == "add":
            value = replaced(value, ("x-unknown",), data.draw(st.sampled_from(NASTY)))
        elif what == "text":
            value = replaced(value, path, data.draw(st.text(max_size=70)))
        else:
            value = replaced(value, path, data.draw(st.sampled_from(NASTY)))
        if not value:
            break
    agree_on(topic, value)


@EACH_TOPIC
@QUICK
@given(data=st.data())
def test_spoiled_bytes_are_judged_alike(topic: str, data: st.DataObject) -> None:
    value = bytearray(EXAMPLES[topic])
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(value)))
        what = data.draw(st.sampled_from(["cut", "insert", "change"]))
        if what == "cut":
            del value[at : at + data.draw(st.integers(1, 8))]
        elif what == "insert":
            value[at:at] = data.draw(
                st.binary(min_size=1, max_size=4) | st.sampled_from([b'"', b"\\", b"{", b",", b"\xff"])
            )
        elif at < len(value):
            value[at] = data.draw(st.integers(0, 255))
    agree(topic, bytes(value))


@EACH_TOPIC
def test_every_field_is_judged_alike_with_every_nasty_value(topic: str) -> None:
    data = example(topic)
    model, decode = MODELS[topic], DECODE[topic]
    refused = 0
    for path in paths(data):
        for value in NASTY:
            spoiled = replaced(data, path, value)
            record = outcome(
                decode, msgspec.json.encode(spoiled) if value != 10**400 else json.dumps(spoiled).encode()
            )
            read = outcome(base.validate, model, spoiled)
            assert isinstance(record, BadRecord) == isinstance(read, BadRecord), (
                path,
                value,
                str(record),
                str(read),
            )
            if isinstance(record, BadRecord):
                refused += 1
                # An array or object may be wrong in several places: each names the first that it meets.
                if not isinstance(value, dict | list):
                    assert record.field == read.field, (path, value, str(record), str(read))
            else:
                assert same(read, record)
    assert refused > 100


@EACH_TOPIC
def test_a_missing_required_field_is_named_by_both(topic: str) -> None:
    for field in msgspec.structs.fields(RECORDS[topic]):
        spoiled = without(example(topic), (field.encode_name,))
        record, model = (
            outcome(DECODE[topic], json.dumps(spoiled).encode()),
            outcome(base.validate, MODELS[topic], spoiled),
        )
        if field.required:
            for bad in (record, model):
                assert (bad.reason, bad.field) == (Reason.MISSING_FIELD, field.encode_name)
        else:
            assert isinstance(record, BadRecord) == isinstance(model, BadRecord)


@EACH_TOPIC
def test_unknown_fields_are_ignored_at_every_depth(topic: str) -> None:
    data = example(topic)
    plain = DECODE[topic](EXAMPLES[topic])
    for path in [(), *paths(data)]:
        at = data
        for step in path:
            at = at[step]
        if isinstance(at, dict) and path[-1:] not in (("channels",), ("params",), ("counters",)):
            spoiled = replaced(data, (*path, "x-unknown"), {"deep": [1, None, {"from_": "x"}]})
            value = json.dumps(spoiled).encode()
            assert DECODE[topic](value) == plain
            assert same(parse(topic, value), plain)


# --- bytes that are no record ------------------------------------------------------------------

NOT_JSON = [
    b"", b" ", b"null", b"true", b"1", b'"x"', b"[]", b"[{}]", b"{", b"}", b"{]", b"{'a':1}", b'{"a":1,}',
    b'{"a"}', b"\xef\xbb\xbf{}", b"\xff\xfe{\x00}\x00", b"\x00\x00\x00\x00\x01{}", b"NaN", b'{"a":NaN}',
    b'{"a":Infinity}', b'{"a":01}', b'{"a":+1}', b'{"a":.5}', b'{"a":1.}', b'{"a":0x1}', b'{"a":"\xff"}',
    b'{"\xff":1}', b'{"a":"\xed\xa0\x80"}', b'{"a":"\\ud800"}', b'{"a":"\\u12"}', b'{"a":"\\x"}',
    b'{"a":"\x01"}', b"[" * 100_000, b'{"a":' * 100_000, b"<xml/>", b"a,b\n1,2",
]  # fmt: skip


@EACH_TOPIC
@pytest.mark.parametrize("value", NOT_JSON, ids=range(len(NOT_JSON)))
def test_what_is_no_json_object_is_refused_as_that(topic: str, value: bytes) -> None:
    record, model = outcome(DECODE[topic], value), outcome(parse, topic, value)
    assert record.reason == model.reason == Reason.BAD_JSON


def spliced(topic: str, extra: bytes) -> bytes:
    return EXAMPLES[topic].rstrip()[:-1] + b"," + extra + b"}"


@EACH_TOPIC
@pytest.mark.parametrize(
    "extra",
    [
        b'"x":"\xff"', b'"x":"\xed\xa0\x80"', b'"x":"\\ud800"', b'"x":NaN', b'"x":"\x00"', b'"x":',
        b'"x":1 "y":2',
        b'"x":{"y":"\xc3"}',
    ],
    ids=range(8),
)  # fmt: skip
def test_a_field_nobody_reads_must_still_be_json_in_utf8(topic: str, extra: bytes) -> None:
    value = spliced(topic, extra)
    record, model = outcome(DECODE[topic], value), outcome(parse, topic, value)
    assert record.reason == model.reason == Reason.BAD_JSON


@EACH_TOPIC
def test_what_follows_the_object_is_refused(topic: str) -> None:
    for tail in (b"x", b"{}", b",", b"\x00", b"\xff"):
        value = EXAMPLES[topic] + tail
        record, model = outcome(DECODE[topic], value), outcome(parse, topic, value)
        assert record.reason == model.reason == Reason.BAD_JSON


@EACH_TOPIC
def test_a_field_given_twice_is_judged_alike(topic: str) -> None:
    for name, value in example(topic).items():
        for other in (value, 1, None, "SECRET", "2026-03-04T10:00:00Z", "GBP"):
            pair = json.dumps({name: other})[1:-1].encode()
            agree(topic, spliced(topic, pair))
            agree(topic, b"{" + pair + b"," + EXAMPLES[topic].lstrip()[1:])


@EACH_TOPIC
@pytest.mark.parametrize(
    ("depth", "refused"), [(base.DEEPEST - 1, False), (base.DEEPEST, True), (5000, True)]
)
def test_nesting_is_bounded_wherever_the_call_comes_from(topic: str, depth: int, refused: bool) -> None:
    for opening, closing in ((b"[", b"]"), (b'{"a":', b"}")):
        value = spliced(topic, b'"x":' + opening * depth + b"1" + closing * depth)
        record, model = outcome(DECODE[topic], value), outcome(parse, topic, value)
        assert isinstance(record, BadRecord) == isinstance(model, BadRecord) == refused
        assert not refused or record.reason == Reason.BAD_JSON


def test_brackets_inside_strings_are_no_nesting() -> None:
    value = spliced("payments", b'"x":"' + b'[{\\"' * 1000 + b'"')
    assert DECODE["payments"](value).event_id == "pay-1"


# --- nothing of the record in an error ---------------------------------------------------------

SECRET = "Qx7SECRETx9"


def chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


@EACH_TOPIC
def test_no_error_carries_data_of_the_record(topic: str) -> None:
    data = example(topic)
    decode = DECODE[topic]
    for path in paths(data):
        with_secret = replaced(data, path, SECRET)
        if not isinstance(outcome(decode, json.dumps(with_secret).encode()), BadRecord):
            data = with_secret
    assert json.dumps(data).count(SECRET) >= 2
    spoilers = [
        *NASTY[:30],
        SECRET,
        f"{SECRET} - at `$.{SECRET}`",
        f"`{SECRET}`\n",
        {SECRET: SECRET},
        [SECRET],
        "1.23456789",
        f"-{SECRET}",
    ]
    refused = 0
    for path in paths(data):
        for value in spoilers:
            spoiled = replaced(data, path, value)
            encoded = json.dumps(spoiled).encode()
            for bad in (
                outcome(decode, encoded),
                outcome(parse, topic, encoded),
                outcome(base.validate, MODELS[topic], spoiled),
            ):
                if isinstance(bad, BadRecord):
                    refused += 1
                    assert not any(SECRET in f"{error} {error!r} {error.args}" for error in chain(bad)), (
                        path,
                        value,
                    )
                    assert all(type(error) is BadRecord for error in chain(bad))
    assert refused > 100


@EACH_TOPIC
def test_the_public_models_own_errors_hide_their_input(topic: str) -> None:
    data = replaced(example(topic), (next(iter(example(topic))),), [SECRET])
    with pytest.raises(ValueError, match="validation error") as raised:
        MODELS[topic].model_validate(data)
    assert SECRET not in str(raised.value)


def test_consent_for_an_unknown_channel_is_refused_without_naming_it() -> None:
    data = example("customers")
    data["channels"][SECRET] = {"consent": True}
    for bad in (
        outcome(DECODE["customers"], json.dumps(data).encode()),
        outcome(base.validate, MODELS["customers"], data),
    ):
        assert (bad.reason, bad.field) == (Reason.UNKNOWN_VALUE, "channels")
    with pytest.raises(ValueError, match="closed list") as raised:
        MODELS["customers"].model_validate(data)
    assert SECRET not in str(raised.value)


# --- what is said of a bad record --------------------------------------------------------------

SPOILED = [
    ("payments", "amount", "1.234", Reason.BAD_AMOUNT, "amount"),
    ("payments", "amount", "-1.00", Reason.BAD_AMOUNT, "amount"),
    ("payments", "amount", "1e2", Reason.BAD_AMOUNT, "amount"),
    ("payments", "amount", 12.5, Reason.BAD_FIELD, "amount"),
    ("payments", "balance_after", "-1.234", Reason.BAD_AMOUNT, "balance_after"),
    ("payments", "amount_due", "-0.01", Reason.BAD_AMOUNT, "amount_due"),
    ("payments", "currency", "gbp", Reason.UNKNOWN_VALUE, "currency"),
    ("payments", "category", "yachts", Reason.UNKNOWN_VALUE, "category"),
    ("payments", "occurred_at", "2026-03-04T10:00:00", Reason.BAD_TIME, "occurred_at"),
    ("payments", "occurred_at", "9999-12-31T00:00:00Z", Reason.BAD_TIME, "occurred_at"),
    ("payments", "due_date", "2026-02-30", Reason.BAD_TIME, "due_date"),
    ("payments", "event_id", "", Reason.BAD_FIELD, "event_id"),
    ("payments", "event_id", "a\nb", Reason.BAD_FIELD, "event_id"),
    ("payments", "counterparty_id", "x" * 65, Reason.BAD_FIELD, "counterparty_id"),
    ("payments", "status", None, Reason.BAD_FIELD, "status"),
    ("bounces", "currency", None, Reason.INCONSISTENT, "currency"),
    ("bounces", "amount", None, Reason.INCONSISTENT, "amount"),
    ("bounces", "currency", "JPY", Reason.BAD_AMOUNT, "amount"),
    ("accounts", "holders", [], Reason.BAD_FIELD, "holders"),
    ("accounts", "holders", [{"customer_id": f"c{i}", "role": "joint"} for i in range(5)],
     Reason.BAD_FIELD, "holders"),
    ("accounts", "holders", [{"customer_id": "c", "role": "joint"}] * 2, Reason.INCONSISTENT, "holders"),
    ("accounts", "holders", [{"customer_id": "c", "role": "owner"}], Reason.UNKNOWN_VALUE, "holders[0].role"),
    ("accounts", "holders", [{"role": "joint"}], Reason.MISSING_FIELD, "holders[0].customer_id"),
    ("accounts", "holders", [{"customer_id": "a\tb", "role": "joint"}],
     Reason.BAD_FIELD, "holders[0].customer_id"),
    ("accounts", "time_zone", "Europe/Atlantis", Reason.BAD_TIME, "time_zone"),
    ("accounts", "country", "gb", Reason.BAD_FIELD, "country"),
    ("customers", "quiet", [{"from": "25:00", "to": "09:00"}], Reason.BAD_TIME, "quiet[0].from"),
    ("customers", "quiet", [{"from_": "20:00", "to": "09:00"}], Reason.MISSING_FIELD, "quiet[0].from"),
    ("customers", "vulnerabilities", ["hearing", "rich"], Reason.UNKNOWN_VALUE, "vulnerabilities[1]"),
    ("customers", "region", "Massachusetts", Reason.BAD_FIELD, "region"),
    ("contact-outcomes", "promise", {"promise_id": "p"}, Reason.MISSING_FIELD, "promise.amount"),
]  # fmt: skip


@pytest.mark.parametrize(("topic", "name", "value", "reason", "field"), SPOILED, ids=range(len(SPOILED)))
def test_a_bad_record_names_reason_and_field(
    topic: str, name: str, value: Any, reason: Reason, field: str
) -> None:
    spoiled = replaced(example(topic), (name,), value)
    encoded = json.dumps(spoiled).encode()
    for bad in (outcome(DECODE[topic], encoded), outcome(parse, topic, encoded)):
        assert (bad.reason, bad.field) == (reason, field)


def test_an_obligation_needs_a_due_day_or_a_due_date() -> None:
    data = example("accounts")
    for name in ("due_day", "due_date"):
        del data["obligations"][0][name]
        bad = outcome(DECODE["accounts"], json.dumps(data).encode())
    assert (bad.reason, bad.field) == (Reason.MISSING_FIELD, "obligations[0].due_day")


def test_the_promise_amount_has_its_currencys_decimals() -> None:
    data = example("contact-outcomes")
    data["promise"]["currency"] = "JPY"
    bad = outcome(DECODE["contact-outcomes"], json.dumps(data).encode())
    assert (bad.reason, bad.field) == (Reason.BAD_AMOUNT, "promise.amount")


@pytest.mark.parametrize("name", ["ends_at", "lifted_at", "treatment_ended_at"])
def test_a_hold_until_the_year_9999_has_no_end(name: str) -> None:
    value = json.dumps(replaced(example("holds"), (name,), "9999-12-31T23:59:59Z")).encode()
    assert getattr(DECODE["holds"](value), name) is None
    assert same(parse("holds", value), DECODE["holds"](value))


def test_a_model_can_be_built_from_python_values() -> None:
    data = example("payments") | {
        "occurred_at": datetime(2026, 3, 4, tzinfo=UTC),
        "due_date": date(2026, 3, 4),
    }
    assert MODELS["payments"](**data).occurred_at == datetime(2026, 3, 4, tzinfo=UTC)
    with pytest.raises(ValueError, match="no offset"):
        MODELS["payments"](**(data | {"occurred_at": datetime(2026, 3, 4)}))
