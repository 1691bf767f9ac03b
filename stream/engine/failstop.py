"""Fail-stop: what is not about one record ends the process at once, before anything half done can be written."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from typing import NoReturn

import structlog

from stream.errors import ConfigurationError, EwsError

log = structlog.get_logger()


def stop(error: BaseException, where: str) -> NoReturn:
    """Logs why and ends the process: exit code 3 for configuration, 1 for the rest. The supervisor starts it again."""
    code = error.exit_code if isinstance(error, EwsError) else 1
    remedy = (
        "mend the configuration, then start again"
        if isinstance(error, ConfigurationError)
        else "start again: the next owner goes on from the last commit"
    )
    log.critical(
        "fail-stop",
        where=where,
        error=type(error).__name__,
        # An error of ours never carries a customer's data; of any other only the kind is told.
        message=str(error) if isinstance(error, EwsError) else _kind(error),
        exit_code=code,
        remedy=remedy,
        exc_info=error if not isinstance(error, EwsError) else None,
    )
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _kind(error: BaseException) -> str:
    # aiokafka's errors tell of brokers and topics; a ValueError might quote the data it choked on.
    return str(error) if type(error).__module__.startswith(("aiokafka", "kafka", "confluent")) else "see the traceback"


async def guarded(where: str, work: Callable[[], Awaitable[None]]) -> None:
    """Runs a coroutine whose failure must not be survived: callbacks and loops whose caller would only log it."""
    try:
        await work()
    except asyncio.CancelledError:
        raise
    except BaseException as error:
        stop(error, where)
