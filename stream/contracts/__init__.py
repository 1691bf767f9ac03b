"""The public events, one module a topic: a pydantic model for everyone, a msgspec record for the hot path.

`MODELS` and `DECODE` find them by topic; `parse` reads bytes into the public model. Both accept and refuse
the same bytes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec
from pydantic import BaseModel

from stream.contracts import (
    account_facts,
    account_orders,
    accounts,
    bounces,
    cases,
    contact_outcomes,
    customers,
    decisions,
    escalations,
    holds,
    missed_bills,
    nudges,
    operator_actions,
    payments,
    signals,
)
from stream.contracts.base import Model, Record, reader_of, validate

MODELS: Final[dict[str, type[Model]]] = {
    "payments": payments.Payment,
    "bounces": bounces.Bounce,
    "missed-bills": missed_bills.MissedBill,
    "accounts": accounts.Account,
    "customers": customers.Customer,
    "holds": holds.Hold,
    "contact-outcomes": contact_outcomes.ContactOutcome,
    "cases": cases.Case,
    "operator-actions": operator_actions.OperatorAction,
    "signals": signals.Signal,
    "nudges": nudges.Nudge,
    "escalations": escalations.Escalation,
    "decisions": decisions.Decision,
    "account-facts": account_facts.AccountFacts,
    "account-orders": account_orders.AccountOrder,
}
"""The public model of each topic."""

RECORDS: Final[dict[str, type[Record]]] = {
    "payments": payments.PaymentRecord,
    "bounces": bounces.BounceRecord,
    "missed-bills": missed_bills.MissedBillRecord,
    "accounts": accounts.AccountRecord,
    "customers": customers.CustomerRecord,
    "holds": holds.HoldRecord,
    "contact-outcomes": contact_outcomes.ContactOutcomeRecord,
    "cases": cases.CaseRecord,
    "operator-actions": operator_actions.OperatorActionRecord,
    "signals": signals.SignalRecord,
    "nudges": nudges.NudgeRecord,
    "escalations": escalations.EscalationRecord,
    "decisions": decisions.DecisionRecord,
    "account-facts": account_facts.AccountFactsRecord,
    "account-orders": account_orders.AccountOrderRecord,
}
"""The hot-path struct of each topic."""

DECODE: Final[dict[str, Callable[[bytes], Record]]] = {
    "payments": payments.decode,
    "bounces": bounces.decode,
    "missed-bills": missed_bills.decode,
    "accounts": accounts.decode,
    "customers": customers.decode,
    "holds": holds.decode,
    "contact-outcomes": contact_outcomes.decode,
    "cases": cases.decode,
    "operator-actions": operator_actions.decode,
    "signals": signals.decode,
    "nudges": nudges.decode,
    "escalations": escalations.decode,
    "decisions": decisions.decode,
    "account-facts": account_facts.decode,
    "account-orders": account_orders.decode,
}
"""The hot-path decoder of each topic: bytes to a checked record, or BadRecord."""


_READ: Final = {topic: reader_of(msgspec.json.Decoder(kind)) for topic, kind in RECORDS.items()}


def parse(topic: str, value: bytes) -> BaseModel:
    """The public model of one value. Raises BadRecord where, and only where, `DECODE[topic]` does.

    The bytes are read by the hot path's own reader, so that what JSON leaves open (a field given twice,
    fields nobody knows) is settled in one place; the model then judges the content for itself.
    """
    record = _READ[topic](value)
    return validate(MODELS[topic], msgspec.to_builtins(record))
