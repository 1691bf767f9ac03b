"""What Kafka refuses a login, told as the right that is missing and where."""

from __future__ import annotations

from collections.abc import Iterable

from aiokafka.errors import GroupAuthorizationFailedError, TopicAuthorizationFailedError, TransactionalIdAuthorizationFailed
from confluent_kafka import KafkaError

from stream.errors import RightsError, causes
from stream.rights import Operation, Right

CODES = frozenset(
    {
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.GROUP_AUTHORIZATION_FAILED,
        KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
    }
)
"""librdkafka's words for a right that is missing."""


def missing(lacks: Iterable[Right | str]) -> RightsError:
    """The error that names what a login lacks."""
    told = [str(right) for right in lacks]
    lines = told[0] if len(told) == 1 else "\n  " + "\n  ".join(told)
    return RightsError(f"this login lacks {lines}\nGrant it: `ews topics acls` prints how (docs/security.md)")


def denial(error: BaseException, operation: Operation = "Read") -> RightsError | None:
    """The right behind an error of aiokafka, or behind one that it caused; None where it is of another kind.

    aiokafka names the resource and not the operation: of a topic it is the one that was tried.
    """
    for seen in causes(error):
        match seen:
            case RightsError():
                return seen
            case TopicAuthorizationFailedError():
                named = seen.args[0] if seen.args else "?"
                names = [named] if isinstance(named, str) else sorted(named)
                return missing(Right("topic", name, operation) for name in names)
            case GroupAuthorizationFailedError():
                return missing([Right("group", str(seen.args[0]) if seen.args else "?", "Read")])
            case TransactionalIdAuthorizationFailed():
                return missing([Right("transactional-id", str(seen.args[0]) if seen.args else "?", "Write")])
    return None
