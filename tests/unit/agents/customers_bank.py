"""A small bank for the tests of the customers stage:

it writes records, keeps time, and reads what the step says.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from stream.agents.customers import CustomersStep
from stream.engine.step import Drained, Output, Placement, Refused
from stream.tables import customer as table
from stream.tables.customer import Customer
from stream.treatment.policy import Policy, default_text, load

POLICY = load(default_text()).model_copy(update={"settle_minutes": 0})
"""The policy that ships, without the minutes between a decision and the first instant of sending: those have their own tests."""
ALONE = Placement(0, 1, "murmur2")
START = dt.datetime(2026, 3, 2, 9, 0, tzinfo=dt.UTC)
"""A Monday morning in London, before the clocks change."""
TRACE = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@dataclass
class Kafka:
    """One record, as a consumer has it."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()


def ms(moment: dt.datetime) -> int:
    return int((moment - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)) / dt.timedelta(milliseconds=1))


def days(count: float) -> dt.timedelta:
    return dt.timedelta(days=count)


def hours(count: float) -> dt.timedelta:
    return dt.timedelta(hours=count)


HOUR = hours(1)

Written = tuple[str, Kafka]


class Bank:
    """Collects records in order; `run` applies them to a step."""

    def __init__(self) -> None:
        self.written: list[Written] = []
        self._serial = 0

    def _id(self, kind: str) -> str:
        self._serial += 1
        return f"{kind}-{self._serial}"

    def write(
        self,
        topic: str,
        key: str | None,
        value: dict[str, Any] | None,
        at: dt.datetime,
        trace: bytes | None = None,
    ) -> None:
        raw = (
            None if value is None else json.dumps({k: v for k, v in value.items() if v is not None}).encode()
        )
        headers = () if trace is None else (("traceparent", trace),)
        record = Kafka(len(self.written), ms(at), None if key is None else key.encode(), raw, headers)
        self.written.append((topic, record))

    def customer(self, at: dt.datetime, customer: str = "C1", **fields: Any) -> None:
        value = {
            "customer_id": customer,
            "updated_at": at.isoformat(),
            "jurisdiction": "GB",
            "time_zone": "Europe/London",
            "language": "en-GB",
            "channels": {"sms": {"consent": True}},
        } | fields
        self.write("customers", customer, value, at)

    def forget(self, at: dt.datetime, customer: str = "C1") -> None:
        self.write("customers", customer, None, at)

    def signal(
        self,
        at: dt.datetime,
        signal: str = "S1",
        severity: str = "medium",
        status: str = "raised",
        customer: str = "C1",
        account: str = "A-0001",
        detector: str = "bounce_pressure",
        trace: bytes | None = None,
        **fields: Any,
    ) -> None:
        value = {
            "signal_id": signal,
            "status": status,
            "detector": detector,
            "detector_version": "1",
            "account_id": account,
            "customer_id": customer,
            "occurred_at": at.isoformat(),
            "severity": severity,
            "score": 1.5,
            "reasons": [
                {
                    "code": "bounced_payments",
                    "text": "Two payments were returned in 30 days.",
                    "value": 2,
                    "event_ids": ["B1", "B2"],
                }
            ],
        } | fields
        self.write("signals", customer, value, at, trace)

    def hold(
        self,
        at: dt.datetime,
        kind: str = "breathing_space",
        hold: str = "H1",
        placed: dt.datetime | None = None,
        ends: dt.datetime | None = None,
        lifted: dt.datetime | None = None,
        customer: str = "C1",
        **fields: Any,
    ) -> None:
        value = {
            "event_id": self._id("hold"),
            "hold_id": hold,
            "customer_id": customer,
            "kind": kind,
            "occurred_at": at.isoformat(),
            "placed_at": (placed or at).isoformat(),
            "ends_at": ends.isoformat() if ends else None,
            "lifted_at": lifted.isoformat() if lifted else None,
        } | fields
        self.write("holds", customer, value, at)

    def outcome(
        self, at: dt.datetime, outcome: str, customer: str = "C1", direction: str = "outbound",
        channel: str = "sms", **fields: Any,
    ) -> None:  # fmt: skip
        value = {
            "event_id": self._id("outcome"),
            "contact_id": self._id("contact"),
            "customer_id": customer,
            "occurred_at": at.isoformat(),
            "direction": direction,
            "channel": channel,
            "outcome": outcome,
        } | fields
        self.write("contact-outcomes", customer, value, at)

    def case(
        self, at: dt.datetime, status: str = "opened", case: str = "K1", customer: str = "C1",
        escalation: str | None = None, queue: str = "arrears_care",
    ) -> None:  # fmt: skip
        value = {
            "event_id": self._id("case"),
            "case_id": case,
            "customer_id": customer,
            "escalation_id": escalation,
            "occurred_at": at.isoformat(),
            "status": status,
            "queue": queue,
        }
        self.write("cases", customer, value, at)

    def operator(self, at: dt.datetime, action: str, customer: str | None = None, **fields: Any) -> None:
        value = {
            "event_id": self._id("action"),
            "occurred_at": at.isoformat(),
            "action": action,
            "customer_id": customer,
            "who": "op",
            "why": "test",
        } | fields
        self.write("operator-actions", customer or "*", value, at)

    def facts(self, at: dt.datetime, account: str = "A-0001", customer: str = "C1", **fields: Any) -> None:
        value = {
            "account_id": account,
            "customer_id": customer,
            "as_of": at.isoformat(),
            "change": "profile",
            "role": "primary",
            "product": "current_account",
            "currency": "GBP",
        } | fields
        self.write("account-facts", customer, value, at)

    def tick(self, at: dt.datetime, stage: str = "customers", partition: int = 0) -> None:
        value = {"stage": stage, "partition": partition, "at": ms(at), "caught_up": True, "live_feeds": []}
        self.write("ticks", None, value, at)

    def ticks(self, start: dt.datetime, end: dt.datetime, every: dt.timedelta = HOUR) -> None:
        at = start
        while at <= end:
            self.tick(at)
            at += every

    def run(self, step: CustomersStep | None = None, **settings: Any) -> Said:
        step = step or new_step(**settings)
        refused = feed(step, self.written)
        drained = step.drain()
        return Said(step, drained, refused)


def new_step(
    policy: Policy = POLICY, placement: Placement = ALONE, contact_from: dt.datetime | None = None
) -> CustomersStep:
    return CustomersStep(placement, policy, contact_from)


def feed(step: CustomersStep, written: Iterable[Written]) -> list[Refused]:
    """Applies records one chunk a run of the same topic."""
    refused: list[Refused] = []
    chunk: list[Kafka] = []
    topic = ""
    for name, record in [*written, ("", Kafka(0, 0, None, None))]:
        if name != topic and chunk:
            refused += step.apply(topic, chunk)
            chunk = []
        topic = name
        chunk.append(record)
    return refused


@dataclass
class Said:
    """What a step said, read back as JSON."""

    step: CustomersStep
    drained: Drained
    refused: list[Refused]

    def of(self, topic: str) -> list[dict[str, Any]]:
        return read(self.drained.outputs, topic)

    def nudges(self, status: str = "issued") -> list[dict[str, Any]]:
        return [each for each in self.of("nudges") if each["status"] == status]

    def escalations(self, status: str = "issued") -> list[dict[str, Any]]:
        """Requests as they were first made, or as they were taken back."""
        seen: set[str] = set()
        found = [each for each in self.of("escalations") if each["status"] == status]
        return [each for each in found if not (each["escalation_id"] in seen or seen.add(each["escalation_id"]))]  # type: ignore[func-returns-value]

    def asked_again(self) -> list[dict[str, Any]]:
        """Requests that were made once more, urgently."""
        issued = [each for each in self.of("escalations") if each["status"] == "issued"]
        first = {id(each) for each in self.escalations()}
        ids = [each["escalation_id"] for each in issued]
        return [each for number, each in enumerate(issued) if each["escalation_id"] in ids[:number] and id(each) not in first]

    def decisions(self, result: str | None = None) -> list[dict[str, Any]]:
        return [each for each in self.of("decisions") if result in (None, each["result"])]

    def orders(self) -> list[dict[str, Any]]:
        return self.of("account-orders")


def only(found: list[Any]) -> Any:
    """The one of which there must be no other."""
    assert len(found) == 1, found
    return found[0]


def known(said: Said, name: str = "C1") -> Customer:
    """The customer's record as it now stands."""
    row = said.step.row(name)
    assert row is not None
    return table.decode(row)


def read(outputs: Iterable[Output], topic: str) -> list[dict[str, Any]]:
    return [json.loads(output.value) for output in outputs if output.topic == topic]


def moment(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text)
