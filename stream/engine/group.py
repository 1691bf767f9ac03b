"""Who is in the consumer group, and what this login may do with it, asked of the group's coordinator.

By aiokafka: where the connection breaks in the middle of this one question, librdkafka ends the whole process
(its issue 4605). aiokafka does not know the version of the answer that names instance ids, so it stands here.
"""

from __future__ import annotations

import asyncio
import time
from typing import Final, NamedTuple

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError, RequestTimedOutError, for_code
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import Array, Boolean, Bytes, Int16, Int32, Schema, String

from stream.settings import Settings

_DESCRIBE_GROUPS: Final = 15
_VERSION: Final = 4
_READ: Final = 3
"""Of Kafka's AclOperation: its bit among those that are allowed."""
_UNTOLD: Final = -(2**31)


class _Response(Response):  # type: ignore[misc]
    API_KEY = _DESCRIBE_GROUPS
    API_VERSION = _VERSION
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "groups",
            Array(
                ("error_code", Int16),
                ("group", String("utf-8")),
                ("state", String("utf-8")),
                ("protocol_type", String("utf-8")),
                ("protocol", String("utf-8")),
                (
                    "members",
                    Array(
                        ("member_id", String("utf-8")),
                        ("group_instance_id", String("utf-8")),
                        ("client_id", String("utf-8")),
                        ("client_host", String("utf-8")),
                        ("member_metadata", Bytes),
                        ("member_assignment", Bytes),
                    ),
                ),
                ("authorized_operations", Int32),
            ),
        ),
    )


class _RequestStruct(RequestStruct):  # type: ignore[misc]
    API_KEY = _DESCRIBE_GROUPS
    API_VERSION = _VERSION
    RESPONSE_TYPE = _Response
    SCHEMA = Schema(("groups", Array(String("utf-8"))), ("include_authorized_operations", Boolean))


class _Request(Request[_RequestStruct]):  # type: ignore[misc]
    API_KEY = _DESCRIBE_GROUPS

    def __init__(self, group: str) -> None:
        self._group = group

    def build(self, request_struct_class: type[_RequestStruct]) -> _RequestStruct:
        return request_struct_class([self._group], True)


class Group(NamedTuple):
    """A consumer group, as its coordinator tells."""

    members: list[tuple[str | None, str]]
    """Instance id and member id of each.

    Not the client id: of a static member that comes back under its name Kafka goes on telling the one it had before.
    """
    may_read: bool
    """Whether this login may, as far as the broker tells."""


async def describe(settings: Settings, patience: float) -> Group:
    """Asks once, and for so many seconds again where the coordinator is not there yet. Raises aiokafka's KafkaError."""
    client = AIOKafkaAdminClient(**settings.aiokafka(), client_id=f"{settings.app}-admin", request_timeout_ms=10_000)
    deadline = time.monotonic() + patience
    try:
        await client.start()
        while True:
            try:
                return await _ask(client, settings.group)
            except KafkaError as error:
                if not error.retriable or time.monotonic() > deadline:
                    raise
            await asyncio.sleep(0.2)
    finally:
        await client.close()


async def _ask(client: AIOKafkaAdminClient, group: str) -> Group:
    node = await client.find_coordinator(group)
    try:
        told = (await client._send_request_to_node(node, _Request(group))).groups[0]
    except TimeoutError as error:
        raise RequestTimedOutError from error
    error_code, *_, members, operations = told
    if error_code:
        raise for_code(error_code)(group)
    allowed = operations == _UNTOLD or bool(operations >> _READ & 1)
    return Group([(instance or None, member) for member, instance, *_ in members], allowed)


def describe_now(settings: Settings, patience: float) -> Group:
    """The same, where no loop runs yet."""
    loop = asyncio.new_event_loop()
    try:
        return loop.run_until_complete(describe(settings, patience))
    finally:
        loop.close()
