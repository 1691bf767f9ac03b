"""Where partitions end for readers of committed records, asked of librdkafka."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable

from confluent_kafka import IsolationLevel, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec  # type: ignore[attr-defined]


def committed_ends(
    admin: AdminClient, partitions: Iterable[tuple[str, int]], timeout: float
) -> tuple[dict[tuple[str, int], int], KafkaException | None]:
    """The ends of those partitions whose leader tells, and why another did not.

    Who asks again gets further: the client does not look for a leader that was elected anew, a broker back from a restart among
    them (FENCED_LEADER_EPOCH), before its metadata are five minutes old; here it is made to look.
    """
    latest = OffsetSpec.latest()  # type: ignore[no-untyped-call]
    asked = {TopicPartition(topic, partition): latest for topic, partition in partitions}
    if not asked:
        return {}, None
    found: dict[tuple[str, int], int] = {}
    why: KafkaException | None = None
    untold: set[str] = set()
    level = IsolationLevel.READ_COMMITTED
    for tp, answer in admin.list_offsets(asked, isolation_level=level, request_timeout=timeout).items():
        try:
            found[tp.topic, tp.partition] = answer.result().offset
        except KafkaException as error:
            why = error
            untold.add(tp.topic)
    with contextlib.suppress(KafkaException):  # where nobody answers for one topic, nobody does for the next
        for topic in sorted(untold):
            admin.list_topics(topic, timeout=timeout)
    return found, why
