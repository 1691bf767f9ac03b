"""Topics as the brokers tell of them, where one broker knows more than another."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import ConfigResource

from stream.engine.checks import Admin
from stream.errors import EngineError
from stream.settings import Settings


def done(value: object = None, error: int | None = None) -> Future[Any]:
    future: Future[Any] = Future()
    if error is None:
        future.set_result(value)
    else:
        future.set_exception(KafkaException(KafkaError(error)))
    return future


class Brokers:
    """Answers an administrator; the broker that is asked for settings knows nothing of `new` yet."""

    def __init__(self, error: int) -> None:
        self.error = error

    def describe_topics(self, topics: TopicCollection, **_: Any) -> dict[str, Future[Any]]:
        replica = SimpleNamespace(id=1)
        partition = SimpleNamespace(leader=replica, replicas=[replica])
        topic = SimpleNamespace(topic_id="id", partitions=[partition], authorized_operations=None)
        return {name: done(topic) for name in ("known", "new")}

    def poll(self, timeout: float) -> int:
        return 0

    def describe_configs(self, resources: Iterable[ConfigResource], **_: Any) -> dict[ConfigResource, Future[Any]]:
        entry = {"retention.ms": SimpleNamespace(value="5")}
        return {one: done(entry) if one.name == "known" else done(error=self.error) for one in resources}


def find(error: int) -> dict[str, Any]:
    admin = Admin(Settings())
    admin._client = Brokers(error)
    return admin.find(["known", "new"])


def test_a_topic_that_not_every_broker_knows_yet_does_not_exist_yet() -> None:
    found = find(KafkaError.UNKNOWN_TOPIC_OR_PART)
    assert found["new"] is None
    assert found["known"].config == {"retention.ms": "5"}


def test_any_other_failure_is_told_as_such() -> None:
    with pytest.raises(EngineError, match="does not answer"):
        find(KafkaError._TIMED_OUT)
