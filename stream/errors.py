"""Every error of the project, and what each one means to whoever catches it.

    EwsError
    ├── BadRecord            one record is unusable: dead-letter it, go on
    ├── ConfigurationError   settings, topics or policy files are wrong: exit code 3, the message says what to run
    │   ├── TopicsError      a topic is missing, or not as the catalogue wants it
    │   ├── RightsError      Kafka does not allow this login what it needs
    │   ├── TokenError       there is no token to log in to Kafka with
    │   ├── CheckpointError  the checkpoint does not fit the topics: recreated, expired, repartitioned
    │   └── StateError       stored state of a version this program does not know
    ├── ViewError            Valkey or Redis does not answer, or not as it must: `ews view` tries again
    └── EngineError          fail-stop: the process ends, the supervisor starts it again, nothing is lost
        ├── GapError         a chunk does not continue where the task stands
        ├── FencedError      another worker owns the task now
        ├── StalledError     there is something to do, and nothing moves
        └── DeadLetterLimit  too large a share of the input is bad

Messages name fields and remedies and never carry a customer's data.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum


class Reason(StrEnum):
    """Why a record was dead-lettered: the `ews-reason` header and the metric label. A closed list."""

    BAD_JSON = "bad_json"
    """Not JSON, not UTF-8, nested too deep, or not an object."""
    BAD_ENVELOPE = "bad_envelope"
    """A CloudEvents envelope or a schema-registry prefix that cannot be opened."""
    MISSING_FIELD = "missing_field"
    BAD_FIELD = "bad_field"
    """A value of the wrong type, length or form."""
    UNKNOWN_VALUE = "unknown_value"
    """A word that is not in the field's closed list."""
    BAD_AMOUNT = "bad_amount"
    """Not a plain decimal string, negative, or more decimals than the currency has."""
    BAD_TIME = "bad_time"
    """Not RFC 3339 with offset, not an ISO 8601 date, or not an IANA zone."""
    INCONSISTENT = "inconsistent"
    """Fields that contradict one another."""
    NULL_KEY = "null_key"
    NULL_VALUE = "null_value"
    """A tombstone on a topic that has no tombstones."""
    KEY_MISMATCH = "key_mismatch"
    """The record's key is not the id its value names."""
    MISPARTITIONED = "mispartitioned"
    """The key belongs in another partition."""
    TOO_FAR_AHEAD = "too_far_ahead"
    """The event's time is more than a day ahead of its record's timestamp."""


class EwsError(Exception):
    """The root of the project's errors."""

    exit_code = 1


class BadRecord(EwsError):
    """One record cannot be used. `field` and `why` never carry the record's data."""

    def __init__(self, reason: Reason, field: str = "", why: str = "") -> None:
        super().__init__(reason, field, why)
        self.reason = reason
        self.field = field
        self.why = why

    def __str__(self) -> str:
        parts = [self.reason.value]
        if self.field:
            parts.append(self.field)
        if self.why:
            parts.append(self.why)
        return ": ".join(parts)


class ConfigurationError(EwsError):
    """Settings, topics or files are wrong. The message names the setting and the way out."""

    exit_code = 3


class TopicsError(ConfigurationError):
    """A topic is missing, or not as the catalogue wants it."""


class RightsError(ConfigurationError):
    """Kafka does not allow this login what it needs."""


class TokenError(ConfigurationError):
    """There is no token to log in to Kafka with: no file, a command that fails, or one that has expired."""


class CheckpointError(ConfigurationError):
    """The checkpoint does not fit the topics as they are now."""

    FRESH = (
        "start under a new app name (EWS_APP): it reads all inputs anew, so set EWS_CONTACT_FROM to now and history stays "
        "silent; what is said again keeps its ids"
    )
    """The way out that always works."""


class StateError(ConfigurationError):
    """Stored state was written by a version this program does not know."""

    WAY_OUT = (
        "run the version that wrote it, or a newer one; to go back to an older one, start under a new app name (EWS_APP) with "
        "EWS_CONTACT_FROM set to now: it makes its state anew from the input topics"
    )


class ViewError(EwsError):
    """Valkey or Redis does not answer, or refuses what the view asks of it."""


class EngineError(EwsError):
    """Not about one record: the process must stop and be started again."""


class GapError(EngineError):
    """A chunk does not continue where its task stands."""


class FencedError(EngineError):
    """Another worker has taken the task over."""


class StalledError(EngineError):
    """There is something to do, and for EWS_STALL_SECONDS nothing has moved."""


class DeadLetterLimit(EngineError):
    """More of the input is bad than the limit allows."""


def causes(error: BaseException) -> Iterator[BaseException]:
    """An error and all that led to it, each once: a client that raises one error in several tasks can make a ring of them."""
    seen: BaseException | None = error
    told: set[int] = set()
    while seen is not None and id(seen) not in told:
        told.add(id(seen))
        yield seen
        seen = seen.__cause__ or seen.__context__
