"""What each login must be allowed to do in Kafka, and no more. The checks, the docs and `ews topics acls` ask here.

Kafka adds to a right what it implies: Describe comes with Read and with Write, and so does the idempotent producer with Write.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Literal

from stream.settings import Settings
from stream.topics import ACCOUNTS_INPUTS, CATALOGUE, CUSTOMERS_INPUTS

Kind = Literal["topic", "group", "transactional-id"]
Operation = Literal["Create", "Describe", "DescribeConfigs", "Read", "Write"]

STAGES: Final = ("accounts", "customers")


class Role(StrEnum):
    """Who logs in, by what they run."""

    WORKER = "worker"
    """`ews worker`, and `ews topics check` with its login"""
    SETUP = "setup"
    """`ews topics create`"""
    REPLAY = "replay"
    """`ews replay --journal`"""
    STATE = "state"
    """`ews state`"""
    DLQ = "dlq"
    """`ews dlq`; `list` and `show` need Read alone"""
    EXPLAIN = "explain"
    """`ews explain`"""
    REPORT = "report"
    """`ews report`"""
    VIEW = "view"
    """`ews view`"""
    OPERATOR = "operator"
    """`ews operator`, `ews policy release`"""


_READ: Final[dict[Role, tuple[str, ...]]] = {
    Role.REPLAY: (*dict.fromkeys((*ACCOUNTS_INPUTS, *CUSTOMERS_INPUTS)), "journal", "configs"),
    Role.EXPLAIN: ("signals", "nudges", "escalations", "decisions", "configs"),
    Role.REPORT: ("signals", "nudges", "decisions", "contact-outcomes"),
    Role.VIEW: ("customers", "holds", "contact-outcomes", "cases", "signals", "nudges", "escalations", "decisions"),
}
"""What those read who only read."""


@dataclass(frozen=True, slots=True)
class Right:
    """One right, as Kafka grants it."""

    kind: Kind
    name: str
    """The resource as Kafka has it: with the topic prefix, and the app's name where it carries one."""
    operation: Operation
    prefixed: bool = False
    """Whether it is of every resource whose name begins so."""

    def __str__(self) -> str:
        whose = f"every {self.kind} that begins with {self.name}" if self.prefixed else f"{self.kind} {self.name}"
        return f"{self.operation} on {whose}"

    def command(self, principal: str) -> str:
        """What grants it, after `kafka-acls --bootstrap-server HOST:PORT`."""
        pattern = " --resource-pattern-type prefixed" if self.prefixed else ""
        return f"--add --allow-principal '{principal}' --operation {self.operation} --{self.kind} '{self.name}'{pattern}"


def rights(role: Role, settings: Settings) -> list[Right]:
    """The least that a role needs: without any one of them it fails, and says which."""
    match role:
        case Role.WORKER:
            return _worker(settings)
        case Role.SETUP:
            operations: tuple[Operation, ...] = ("Create", "Describe", "DescribeConfigs")
            return [Right("topic", name, operation) for name in _topics(settings) for operation in operations]
        case Role.OPERATOR:
            return [Right("topic", settings.topic("operator-actions"), "Write")]
        case Role.STATE:
            changelogs = [Right("topic", settings.changelog(stage), "Read") for stage in STAGES]
            return [*rights(Role.REPLAY, settings), *changelogs]
        case Role.DLQ:
            letters = settings.topic("dead-letters")
            inputs = dict.fromkeys((*ACCOUNTS_INPUTS, *CUSTOMERS_INPUTS))
            return [
                Right("topic", letters, "Read"),
                *(Right("topic", name, "Write") for name in (letters, *(settings.topic(n) for n in inputs if n != "ticks"))),
                Right("transactional-id", redrive_id(settings), "Write"),
            ]
        case Role.VIEW:
            return [*_reader(role, settings), Right("group", f"{settings.group}-view", "Read")]
        case _:
            return _reader(role, settings)


def _reader(role: Role, settings: Settings) -> list[Right]:
    return [Right("topic", settings.topic(name), "Read") for name in _READ[role]]


def transactional_prefix(settings: Settings, stage: str) -> str:
    """How the transactional ids of a stage begin; the partition's number follows."""
    return f"{settings.group}-{stage}-"


def redrive_id(settings: Settings) -> str:
    """The transactional id of `ews dlq redrive`: one for the job, so that whoever opens it fences whoever had it."""
    return f"{settings.group}-redrive"


def _topics(settings: Settings) -> list[str]:
    return [*(settings.topic(topic.name) for topic in CATALOGUE), *(settings.changelog(stage) for stage in STAGES)]


def _worker(settings: Settings) -> list[Right]:
    changelogs = {settings.changelog(stage) for stage in STAGES}
    read = {settings.topic(name) for name in (*ACCOUNTS_INPUTS, *CUSTOMERS_INPUTS)} | changelogs
    write = {settings.topic(topic.name) for topic in CATALOGUE if topic.role != "input"} | changelogs
    found = []
    for name in _topics(settings):
        if name in read:
            found.append(Right("topic", name, "Read"))
        if name in write:
            found.append(Right("topic", name, "Write"))
        found.append(Right("topic", name, "DescribeConfigs"))
    found.append(Right("group", settings.group, "Read"))
    found += [Right("transactional-id", transactional_prefix(settings, stage), "Write", True) for stage in STAGES]
    return found
