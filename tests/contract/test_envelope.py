"""Envelopes around a value: CloudEvents in both modes, a schema registry's prefix, and our own headers."""

from __future__ import annotations

import json
from base64 import b64encode
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from stream.contracts.envelope import headers_for, traceparent_of, unwrap
from stream.errors import BadRecord, Reason

VALUE = b'{"event_id": "e-1"}'
PREFIX = b"\x00\x00\x00\x00\x2a"
STRUCTURED = [("content-type", b"application/cloudevents+json; charset=utf-8")]
EVENT: dict[str, Any] = {"specversion": "1.0", "id": "e-1", "source": "/core", "type": "payment.v1"}
TRACE = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def event(**fields: Any) -> bytes:
    merged = {**EVENT, **fields}
    return json.dumps({name: value for name, value in merged.items() if value is not ...}).encode()


@pytest.mark.parametrize(
    "headers",
    [
        [],
        (),
        [("content-type", b"application/json")],
        [
            ("ce_specversion", b"1.0"),
            ("ce_id", b"1"),
            ("ce_type", b"x"),
            ("content-type", b"application/json"),
        ],
        [("ce_id", b"1")],
        [("content-type", None)],
        [("content-type", b"")],
        [("traceparent", TRACE)],
    ],
    ids=range(8),
)
def test_plain_values_and_binary_mode_pass_through_untouched(headers: Any) -> None:
    assert unwrap(VALUE, headers) is VALUE


def test_a_schema_registrys_prefix_is_stripped() -> None:
    assert unwrap(PREFIX + VALUE, []) == VALUE


@pytest.mark.parametrize("value", [b"\x00", PREFIX[:4], PREFIX])
def test_a_prefix_with_nothing_behind_it_is_refused(value: bytes) -> None:
    with pytest.raises(BadRecord) as raised:
        unwrap(value, [])
    assert raised.value.reason == Reason.BAD_ENVELOPE


@pytest.mark.parametrize(
    "kind",
    [
        ("content-type", b"application/cloudevents+json"),
        ("content-type", b"application/cloudevents+json;charset=UTF-8"),
        ("Content-Type", b" Application/CloudEvents+JSON ; charset=utf-8"),
    ],
    ids=range(3),
)
def test_a_structured_event_gives_its_data_byte_for_byte(kind: tuple[str, bytes]) -> None:
    data = b'{ "amount":"1.00",   "n": 1e400 }'
    value = event(data=...)[:-1] + b', "data": ' + data + b"}"
    assert unwrap(value, [("x", b"y"), kind]) == data
    assert unwrap(PREFIX + value, [kind]) == data


def test_base64_data_is_opened_and_its_own_prefix_stripped() -> None:
    for inner in (VALUE, PREFIX + VALUE):
        assert unwrap(event(data_base64=b64encode(inner).decode()), STRUCTURED) == VALUE


@pytest.mark.parametrize(
    "kind", [None, "application/json", "text/json; charset=utf-8", "application/vnd.bank+json"]
)
def test_a_content_type_of_json_is_accepted_inside(kind: str | None) -> None:
    assert unwrap(event(datacontenttype=kind, data={}), STRUCTURED) == b"{}"


@pytest.mark.parametrize(
    "value",
    [
        VALUE, b"", b"[]", b"{", b"\xff", b"[" * 100_000, PREFIX, event(), event(data=None), event(data=[]),
        event(data="x"), event(data=1), event(specversion="0.3", data={}), event(specversion=1.0, data={}),
        event(specversion=..., data={}), event(id=..., data={}), event(id="", data={}),
        event(source=..., data={}), event(type=..., data={}), event(data={}, data_base64="e30="),
        event(data_base64="e30"), event(data_base64="!!!!"), event(data_base64=""), event(data_base64=1),
        event(data_base64="é"), event(data_base64=b64encode(PREFIX).decode()),
        event(data={}, datacontenttype="application/avro"),
        event(data={}, datacontenttype="application/xml; x=json"),
    ],
    ids=range(28),
)  # fmt: skip
def test_an_envelope_that_cannot_be_opened_is_refused_without_its_data(value: bytes) -> None:
    with pytest.raises(BadRecord) as raised:
        unwrap(value, STRUCTURED)
    assert raised.value.reason == Reason.BAD_ENVELOPE
    assert raised.value.__context__ is None or type(raised.value.__context__) is BadRecord


@pytest.mark.parametrize(
    "kind",
    [
        b"application/cloudevents-batch+json",
        b"application/cloudevents+avro",
        b"application/cloudevents+jsonx",
    ],
)
def test_other_cloudevents_formats_and_batches_are_refused(kind: bytes) -> None:
    with pytest.raises(BadRecord) as raised:
        unwrap(event(data={}), [("content-type", kind)])
    assert raised.value.reason == Reason.BAD_ENVELOPE


@pytest.mark.parametrize(
    ("headers", "found"),
    [
        ([], None),
        ([("traceparent", TRACE)], TRACE),
        ([("ce_traceparent", TRACE)], TRACE),
        ([("traceparent", b"garbage"), ("ce_traceparent", TRACE)], TRACE),
        ([("traceparent", None)], None),
        ([("traceparent", TRACE + b"\n")], None),
        ([("traceparent", TRACE.upper())], None),
    ],
    ids=range(7),
)
def test_only_a_sound_trace_context_is_passed_on(headers: Any, found: bytes | None) -> None:
    assert traceparent_of(headers) == found


def test_outputs_are_binary_mode_events_with_headers_in_a_fixed_order() -> None:
    at = datetime(2026, 3, 4, 11, 0, 0, 120000, timezone(timedelta(hours=1)))
    headers = headers_for("signals", "s-1", at, TRACE)
    assert headers == (
        ("ce_specversion", b"1.0"),
        ("ce_id", b"s-1"),
        ("ce_source", b"ews"),
        ("ce_type", b"ews.signals.v1"),
        ("ce_time", b"2026-03-04T10:00:00.120000Z"),
        ("content-type", b"application/json"),
        ("traceparent", TRACE),
    )
    assert headers_for("signals", "s-1", at.astimezone(UTC), None) == headers[:-1]


def test_what_we_write_we_can_read() -> None:
    headers = headers_for("signals", "s-1", datetime(2026, 3, 4, tzinfo=UTC), TRACE)
    assert unwrap(VALUE, headers) is VALUE
    assert traceparent_of(headers) == TRACE
