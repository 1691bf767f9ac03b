"""The one catalogue of topics: name, key, role, rank and clean-up. Everything else asks here."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Literal


class Rank(IntEnum):
    """What must be read before what: a chunk waits until its task's lower ranks are read to their ends."""

    REFERENCE = 0
    PERMISSION = 1
    EVENTS = 2
    TICKS = 3


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic of the catalogue."""

    name: str
    key: str
    """The field that is the key; `partition` where the partition is given explicitly."""
    role: Literal["input", "internal", "output"]
    doc: str
    rank: Rank = Rank.EVENTS
    compacted: bool = False


CATALOGUE: tuple[Topic, ...] = (
    Topic("payments", "account_id", "input", "Money in and out of an account."),
    Topic("bounces", "account_id", "input", "Payments that a bank or customer returned."),
    Topic("missed-bills", "account_id", "input", "Bills that were missed, part-paid, paid late or waived."),
    Topic("accounts", "account_id", "input", "Who holds an account, and what it is.", Rank.REFERENCE, True),
    Topic("customers", "customer_id", "input", "How, when and whether a person may be contacted.", Rank.REFERENCE, True),
    Topic("holds", "customer_id", "input", "Reasons in law or kindness to leave a person alone.", Rank.PERMISSION),
    Topic("contact-outcomes", "customer_id", "input", "What came of a contact.", Rank.PERMISSION),
    Topic("cases", "customer_id", "input", "Human cases, opened and closed.", Rank.PERMISSION),
    Topic("operator-actions", "customer_id", "input", "Snooze, stop, resume: by a person, with a reason.", Rank.PERMISSION),
    Topic("signals", "customer_id", "output", "Early signs of financial stress, raised, changed and withdrawn."),
    Topic("nudges", "customer_id", "output", "Supportive messages for a notification service to send."),
    Topic("escalations", "customer_id", "output", "Requests that a person looks, by queue."),
    Topic("decisions", "customer_id", "output", "Every evaluation of a treatment, with its rules."),
    Topic("dead-letters", "original key", "output", "Records that could not be used, untouched, with a reason."),
    Topic("account-facts", "customer_id", "internal", "What the customers stage must know of an account."),
    Topic("account-orders", "account_id", "internal", "What the accounts stage must watch or pause.", Rank.PERMISSION),
    Topic("ticks", "partition", "internal", "The passing of time, for tasks that are caught up.", Rank.TICKS),
    Topic("journal", "partition", "internal", "Which offset ranges each transaction applied, in order."),
    Topic("configs", "hash", "internal", "The files and versions behind a configuration hash.", compacted=True),
)

EVENT_TIMESTAMP = "ews-event-timestamp"
"""Header of an output: Kafka's timestamp (ms, in digits) of the event that it answers. Missing where nothing but time brought it
about. Always the last header."""

BY_NAME: dict[str, Topic] = {topic.name: topic for topic in CATALOGUE}

ACCOUNTS_INPUTS: tuple[str, ...] = ("accounts", "account-orders", "payments", "bounces", "missed-bills", "ticks")
"""What the accounts stage reads. All share one key, one partition count and one partitioner."""

CUSTOMERS_INPUTS: tuple[str, ...] = (
    "customers", "holds", "contact-outcomes", "cases", "operator-actions", "signals", "account-facts", "ticks",
)  # fmt: skip
"""What the customers stage reads."""
