"""What may lie around a value: CloudEvents 1.0 on Kafka in both modes, and a schema registry's prefix."""

from __future__ import annotations

import re
from base64 import b64decode
from binascii import Error as BadBase64
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Literal

import msgspec

from stream.errors import BadRecord, Reason
from stream.topics import EVENT_TIMESTAMP

Headers = Sequence[tuple[str, bytes]]

_PREFIX = 5
"""Confluent's wire format: a zero byte and the schema's id in four."""

_STRUCTURED = re.compile(rb"application/cloudevents\+json\s*(;.*)?", re.IGNORECASE | re.DOTALL)
_JSON = re.compile(r"[a-z]+/([a-z0-9.-]+\+)?json\s*(;.*)?", re.IGNORECASE | re.DOTALL)
_TRACEPARENT = re.compile(rb"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")


class _Envelope(msgspec.Struct, frozen=True):
    """A structured-mode CloudEvent; the four attributes that every event must have, and its data."""

    specversion: Literal["1.0"]
    id: str
    source: str
    type: str
    datacontenttype: str | None = None
    data: msgspec.Raw = msgspec.Raw()
    data_base64: str | None = None


_read_envelope = msgspec.json.Decoder(_Envelope).decode


def unwrap(value: bytes, headers: Headers) -> bytes:
    """The JSON value itself. Plain ones and binary-mode CloudEvents pass through; structured ones are opened.

    BadRecord BAD_ENVELOPE where an envelope or a prefix cannot be opened.
    """
    if value[:1] == b"\x00":
        value = _without_prefix(value)
    if headers:
        kind = _content_type(headers)
        if kind is not None and kind[:23].lower() == b"application/cloudevents":
            return _open(value, kind)
    return value


def _content_type(headers: Headers) -> bytes | None:
    for name, content in headers:
        if len(name) == 12 and name.lower() == "content-type":
            # Kafka allows a header without a value, whatever the types say.
            return content and content.strip()
    return None


def _without_prefix(value: bytes) -> bytes:
    if len(value) <= _PREFIX:
        raise BadRecord(Reason.BAD_ENVELOPE, "", "nothing after the schema prefix")
    return value[_PREFIX:]


def _open(value: bytes, kind: bytes) -> bytes:
    if _STRUCTURED.fullmatch(kind) is None:
        raise BadRecord(Reason.BAD_ENVELOPE, "", "a CloudEvents format other than JSON, or a batch")
    try:
        envelope = _read_envelope(value)
    except (ValueError, RecursionError):
        envelope = None
    # Raised out here: msgspec's message may quote the record.
    if envelope is None or not (envelope.id and envelope.source and envelope.type):
        raise BadRecord(Reason.BAD_ENVELOPE, "", "not a CloudEvent of version 1.0")
    if envelope.datacontenttype is not None and _JSON.fullmatch(envelope.datacontenttype.strip()) is None:
        raise BadRecord(Reason.BAD_ENVELOPE, "datacontenttype", "not JSON")
    data = bytes(envelope.data)
    if (envelope.data_base64 is None) == (not data):
        raise BadRecord(Reason.BAD_ENVELOPE, "data", "needs either data or data_base64")
    if envelope.data_base64 is None:
        if data[:1] != b"{":
            raise BadRecord(Reason.BAD_ENVELOPE, "data", "not an object")
        return data
    try:
        data = b64decode(envelope.data_base64, validate=True)
    except (BadBase64, ValueError):
        data = b""
    if not data:
        raise BadRecord(Reason.BAD_ENVELOPE, "data_base64", "not base64")
    return _without_prefix(data) if data[:1] == b"\x00" else data


def traceparent_of(headers: Headers) -> bytes | None:
    """The W3C trace context: `traceparent` or `ce_traceparent`; None where there is no sound one."""
    for name, content in headers:
        if name in ("traceparent", "ce_traceparent") and content and _TRACEPARENT.fullmatch(content):
            return content
    return None


def headers_for(
    topic: str, event_id: str, time: datetime, traceparent: bytes | None, logged: int = 0
) -> tuple[tuple[str, bytes], ...]:
    """Headers that make an output a binary-mode CloudEvent, in this order. `time` is aware; told in UTC.

    `logged` is Kafka's timestamp of the event that it answers, in ms; 0 where there is none.
    """
    told = msgspec.to_builtins(time.astimezone(UTC))
    headers: tuple[tuple[str, bytes], ...] = (
        ("ce_specversion", b"1.0"),
        ("ce_id", event_id.encode()),
        ("ce_source", b"ews"),
        ("ce_type", f"ews.{topic}.v1".encode()),
        ("ce_time", str(told).encode()),
        ("content-type", b"application/json"),
    )
    if traceparent is not None:
        headers = (*headers, ("traceparent", traceparent))
    return (*headers, (EVENT_TIMESTAMP, str(logged).encode())) if logged > 0 else headers


def logged_of(headers: Headers) -> int:
    """Kafka's timestamp (ms) of the event that one of our outputs answers; 0 where nothing but time brought it about."""
    if not headers:
        return 0
    name, content = headers[-1]
    return int(content) if name == EVENT_TIMESTAMP and content and len(content) <= 15 and content.isdigit() else 0
