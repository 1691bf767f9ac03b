"""The topics as they should be, and as they are: made by `ews topics create`, checked before a worker joins."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

import structlog
from aiokafka import errors as aiokafka_errors
from confluent_kafka import KafkaError, KafkaException, Producer, TopicCollection
from confluent_kafka.admin import (  # type: ignore[attr-defined]
    AdminClient,
    ConfigResource,
    NewTopic,
    ResourceType,
)

from stream import rights
from stream.engine import denials, group
from stream.engine.configs import Configuration
from stream.engine.ends import committed_ends
from stream.errors import ConfigurationError, EngineError, EwsError, TopicsError
from stream.rights import STAGES, Operation, Right, Role
from stream.settings import Settings
from stream.topics import CATALOGUE

log = structlog.get_logger()

_TIMEOUT = 20.0
_DAY_MS = 86_400_000
_ERASED_WITHIN_DAYS = 7
"""Days after which a compacted topic must be compacted: else what a tombstone erased could lie there for as long as little is
written."""
_NO_ID = "AAAAAAAAAAAAAAAAAAAAAA"
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Wanted:
    """A topic as it should be."""

    name: str
    """Physical name."""
    logical: str
    partitions: int
    config: dict[str, str]


@dataclass(frozen=True, slots=True)
class Found:
    """A topic as it is."""

    topic_id: str
    partitions: int
    replication: int
    leaderless: int
    config: dict[str, str]
    allowed: frozenset[str] | None = None
    """What this login may do with it; None where the brokers do not tell."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What the checks learnt and the engine needs."""

    partitions: int
    topic_ids: dict[str, str]
    """By logical name."""


def wanted(settings: Settings) -> list[Wanted]:
    """Every topic of the job: the catalogue's, and a changelog per stage."""
    retention = str(settings.retention_days * _DAY_MS)
    common = {
        "min.insync.replicas": str(settings.min_insync),
        "max.message.bytes": str(settings.max_record_bytes + 100_000),
    }
    result = []
    for topic in CATALOGUE:
        if topic.compacted:
            # Reference topics keep each version as long as events last, so that a replay sees what the live run saw.
            config = {
                "cleanup.policy": "compact",
                "min.compaction.lag.ms": retention,
                "max.compaction.lag.ms": str((settings.retention_days + _ERASED_WITHIN_DAYS) * _DAY_MS),
            }
        else:
            config = {"cleanup.policy": "delete", "retention.ms": retention}
        partitions = 1 if topic.name == "configs" else settings.partitions
        result.append(Wanted(settings.topic(topic.name), topic.name, partitions, common | config))
    for stage in STAGES:
        config = {"cleanup.policy": "compact", "max.compaction.lag.ms": str(_ERASED_WITHIN_DAYS * _DAY_MS)}
        result.append(
            Wanted(settings.changelog(stage), f"{stage}-changelog", settings.partitions, common | config)
        )
    return result


class Admin:
    """Questions and orders to the brokers about topics and the group."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._noticed: set[int] = set()
        """Codes of what went wrong with its connections, once the client has told."""
        told: dict[str, Any] = {"error_cb": lambda error: self._noticed.add(error.code())}
        self._client = AdminClient({**settings.librdkafka(), **told, "client.id": f"{settings.app}-admin"})

    def find(self, names: Iterable[str], role: Role = Role.SETUP) -> dict[str, Found | None]:
        """The named topics as they are; None for one that does not exist.

        Raises RightsError with all that this login must be given before it can see them, as the role that it asks in.
        """
        names = list(names)
        try:
            described = _ask(
                lambda: self._client.describe_topics(
                    TopicCollection(names), request_timeout=_TIMEOUT, include_authorized_operations=True
                )
            )
        except KafkaException as error:
            raise self._unreachable(error) from error
        found: dict[str, Found | None] = {}
        existing = []
        hidden: list[str] = []
        for name, future in described.items():
            try:
                future.result()
                existing.append(name)
            except KafkaException as error:
                if error.args[0].code() == KafkaError.TOPIC_AUTHORIZATION_FAILED:
                    hidden.append(name)
                elif error.args[0].code() != KafkaError.UNKNOWN_TOPIC_OR_PART:
                    raise self._unreachable(error) from error
                found[name] = None
        # A topic that may not be seen may not be anything else either: Describe comes with Read and with Write.
        lacks = [right for right in rights.rights(role, self._settings) if right.name in hidden]
        resources = [ConfigResource(ResourceType.TOPIC, name) for name in existing]
        configs = _ask(lambda: self._client.describe_configs(resources, request_timeout=_TIMEOUT)) if resources else {}
        texts = {}
        for resource, future in configs.items():
            try:
                texts[resource.name] = {key: entry.value for key, entry in future.result().items()}
            except KafkaException as error:
                if error.args[0].code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
                    found[resource.name] = None  # so new, or so lately gone, that not every broker knows
                elif error.args[0].code() in denials.CODES:
                    lacks.append(Right("topic", resource.name, "DescribeConfigs"))
                else:
                    raise self._unreachable(error) from error
        if lacks:
            raise denials.missing(lacks)
        for name in texts:
            topic = described[name].result()
            found[name] = Found(
                topic_id=str(topic.topic_id),
                partitions=len(topic.partitions),
                replication=min((len(p.replicas) for p in topic.partitions), default=0),
                leaderless=sum(1 for p in topic.partitions if p.leader is None),
                config=texts[name],
                allowed=_operations(topic.authorized_operations),
            )
        return found

    def lacking(self, operation: Operation, names: Iterable[str]) -> list[Right]:
        """The topics on which this login may not do something, as far as the brokers tell."""
        asked = TopicCollection(sorted(names))
        lacks = []
        for name, future in self._client.describe_topics(
            asked, request_timeout=_TIMEOUT, include_authorized_operations=True
        ).items():
            try:
                allowed = _operations(future.result().authorized_operations)
            except KafkaException as error:
                allowed = frozenset() if error.args[0].code() in denials.CODES else None
            if allowed is not None and operation not in allowed:
                lacks.append(Right("topic", name, operation))
        return lacks

    def find_settled(self, names: Iterable[str], patience: float = 15.0) -> dict[str, Found | None]:
        """As `find`, after waiting for new topics to be known everywhere and to have leaders."""
        names = list(names)
        deadline = time.monotonic() + patience
        while True:
            found = self.find(names)
            if all(topic is not None and not topic.leaderless for topic in found.values()) or time.monotonic() > deadline:
                return found
            time.sleep(0.2)

    def ids(self, names: Iterable[str]) -> dict[str, tuple[str, int]]:
        """Topic id and partition count by name, of those that exist."""
        described = _ask(lambda: self._client.describe_topics(TopicCollection(list(names)), request_timeout=_TIMEOUT))
        result = {}
        for name, future in described.items():
            try:
                topic = future.result()
            except KafkaException as error:
                if error.args[0].code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
                    result[name] = ("", 0)
                continue
            result[name] = (str(topic.topic_id), len(topic.partitions))
        return result

    def ends(self, partitions: Iterable[tuple[str, int]], timeout: float) -> dict[tuple[str, int], int] | None:
        """The ends for readers of committed records, of those partitions that have a leader; None where no broker answers."""
        try:
            self._client.list_topics(self._settings.topic("configs"), timeout=timeout)
        except KafkaException:
            return None
        found, _ = committed_ends(self._client, partitions, timeout)
        return found

    def create(self, topics: Iterable[Wanted], replication: int) -> list[str]:
        """Creates topics; returns their names. Raises TopicsError that names the first that failed."""
        new = [
            NewTopic(topic.name, topic.partitions, replication, config=topic.config) for topic in topics
        ]
        for name, future in self._client.create_topics(new, request_timeout=_TIMEOUT).items() if new else ():
            try:
                future.result()
            except KafkaException as error:
                if error.args[0].code() in denials.CODES:
                    raise denials.missing([Right("topic", name, "Create")]) from error
                if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                    raise TopicsError(f"{name} cannot be created: {error.args[0].str()}") from error
        return [topic.topic for topic in new]

    def _unreachable(self, error: KafkaException) -> EwsError:
        at = f"Kafka at EWS_BOOTSTRAP={self._settings.bootstrap}"
        self._client.poll(0)
        if KafkaError._AUTHENTICATION in self._noticed:
            right = (
                "is the token what the brokers want (issuer, audience, scope), and do the clocks agree?"
                if self._settings.sasl_mechanism == "OAUTHBEARER"
                else "are EWS_SECURITY_PROTOCOL, EWS_SASL_MECHANISM and the credentials right?"
            )
            return ConfigurationError(f"{at} does not take this login: {right}")
        name = error.args[0].name()
        told = f"{at} does not answer ({name}): is it up, and are EWS_SECURITY_PROTOCOL and the credentials right?"
        # With a login in between, a wrong password can look like silence; without one, the broker is away and will come back.
        return EngineError(told) if self._settings.security_protocol == "PLAINTEXT" else ConfigurationError(told)


def problems(settings: Settings, found: dict[str, Found | None]) -> list[str]:
    """All that is wrong with the topics, one line each, each with what to do."""
    lines = []
    topics = wanted(settings)
    if missing := [topic.name for topic in topics if found[topic.name] is None]:
        lines.append(f"missing: {', '.join(missing)}. Create them: ews topics create")
    counts: dict[int, list[str]] = {}
    for topic in topics:
        is_ = found[topic.name]
        if is_ is None:
            continue
        if topic.logical != "configs":
            counts.setdefault(is_.partitions, []).append(topic.name)
        if is_.topic_id == _NO_ID:
            lines.append(f"{topic.name}: the broker gives topics no ids: Kafka 3.1 or later is needed")
        if is_.replication < settings.replication:
            lines.append(
                f"{topic.name}: replication factor {is_.replication}, EWS_REPLICATION wants {settings.replication}: reassign "
                "it, or lower EWS_REPLICATION on a cluster that is not for production"
            )
        lines += [f"{topic.name}: {line}" for line in _config_problems(topic, is_.config)]
    if len(counts) > 1:
        told = "; ".join(f"{count}: {', '.join(sorted(names)[:4])}" for count, names in sorted(counts.items()))
        lines.append(
            f"partition counts differ ({told}): all topics of the job need one count, or an account's events and state "
            "would lie with different workers"
        )
    return lines


def _config_problems(topic: Wanted, config: dict[str, str]) -> Iterable[str]:
    policy = config.get("cleanup.policy", "")
    policy_wanted = topic.config["cleanup.policy"]
    if sorted(policy.split(",")) != [policy_wanted]:
        yield f"cleanup.policy is {policy}, must be {policy_wanted} alone, or records are lost"
    for key, unlimited in (
        ("retention.ms", True),
        ("min.compaction.lag.ms", False),
        ("min.insync.replicas", False),
        ("max.message.bytes", False),
    ):
        if key not in topic.config or (topic.logical.endswith("changelog") and key == "retention.ms"):
            continue
        has = int(config.get(key, "0"))
        if has < int(topic.config[key]) and not (unlimited and has == -1):
            want = topic.config[key]
            yield f"{key} is {has}, must be at least {want}: kafka-configs --alter --add-config {key}={want}"


def check(settings: Settings) -> Facts:
    """Checks all topics before a worker joins, and what this login may do with them.

    Raises TopicsError with every problem and what to run, RightsError with every right that is missing.
    """
    topics = wanted(settings)
    if settings.embedded_broker:
        return _embedded_facts(settings, topics)
    admin = Admin(settings)
    found = admin.find([topic.name for topic in topics], Role.WORKER)
    if lacks := [*_lacking(settings, found), *_lacks_group(settings)]:
        raise denials.missing(lacks)
    if lines := problems(settings, found):
        raise TopicsError("the topics are not as they must be:\n  " + "\n  ".join(lines))
    existing = {topic.logical: found[topic.name] for topic in topics}
    partitions = next(is_.partitions for name, is_ in existing.items() if is_ is not None and name != "configs")
    return Facts(partitions, {name: is_.topic_id for name, is_ in existing.items() if is_ is not None})


def _lacking(settings: Settings, found: dict[str, Found | None]) -> Iterable[Right]:
    """The rights to topics that a worker needs and this login does not have."""
    for right in rights.rights(Role.WORKER, settings):
        topic = found.get(right.name) if right.kind == "topic" else None
        if topic is not None and topic.allowed is not None and right.operation not in topic.allowed:
            yield right


def _lacks_group(settings: Settings) -> list[Right]:
    """The right to the consumer group, where this login lacks it, as far as the brokers tell."""
    right = Right("group", settings.group, "Read")
    try:
        return [] if group.describe_now(settings, _TIMEOUT).may_read else [right]
    except aiokafka_errors.GroupAuthorizationFailedError:
        return [right]
    except aiokafka_errors.KafkaError:
        return []  # what else can be wrong with a group, joining it will tell


def _operations(told: Iterable[Any] | None) -> frozenset[str] | None:
    """Kafka's operations in the words of `rights`: DESCRIBE_CONFIGS is DescribeConfigs."""
    if told is None:
        return None
    return frozenset("".join(part.title() for part in operation.name.split("_")) for operation in told)


def _embedded_facts(settings: Settings, topics: list[Wanted]) -> Facts:
    """The embedded broker makes a topic when its metadata is asked for, and knows neither ids nor configuration."""
    client = AdminClient(settings.librdkafka())
    counts = {len(client.list_topics(topic.name, timeout=_TIMEOUT).topics[topic.name].partitions) for topic in topics}
    if len(counts) != 1:
        raise TopicsError("the embedded broker's topics differ in their partition counts: start it anew")
    return Facts(counts.pop(), {})


def publish_configuration(settings: Settings, config: Configuration) -> None:
    """Writes the configuration behind its hash, before anything is decided under it.

    Raises EngineError where the brokers do not take it, ConfigurationError where no topic could hold it.
    """
    producer = Producer({**settings.librdkafka(), "enable.idempotence": not settings.embedded_broker, "acks": "all"})
    failures: list[Any] = []
    value = config.encode()
    try:
        producer.produce(
            settings.topic("configs"),
            key=config.hash.encode(),
            value=value,
            on_delivery=lambda error, _: failures.append(error) if error else None,
        )
    except KafkaException as error:
        raise ConfigurationError(
            f"detectors' settings and policy are {len(value):,} bytes together, and {settings.topic('configs')} does not take "
            f"them ({error.args[0].name()}): make the files smaller"
        ) from error
    left = producer.flush(_TIMEOUT)
    if left or failures:
        raise EngineError(f"the configuration could not be written to {settings.topic('configs')}: {failures or 'no answer'}")


def _ask(question: Callable[[], _T], tries: int = 3) -> _T:
    for attempt in range(tries):
        try:
            return question()
        except KafkaException:
            if attempt == tries - 1:
                raise
            time.sleep(0.5)
    raise AssertionError
