"""Fail-stop: what is not about one record ends the process at once, before anything half done can be written."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import threading
import traceback
from collections.abc import Awaitable, Callable
from typing import NoReturn

import structlog
from aiokafka.errors import KafkaError

from stream.engine import denials
from stream.errors import ConfigurationError, EwsError, causes

log = structlog.get_logger()

_LOG_SECONDS = 5.0
"""For the last words. Whoever reads our stderr may not: that must not keep the process."""


def stop(error: BaseException, where: str) -> NoReturn:
    """Logs why and ends the process: exit code 3 for configuration, 1 for the rest. The supervisor starts it again."""
    error = denials.denial(error) or error
    code = error.exit_code if isinstance(error, EwsError) else 1
    with contextlib.suppress(RuntimeError):  # no thread can be started any more
        end = threading.Timer(_LOG_SECONDS, os._exit, (code,))
        end.daemon = True
        end.start()
    try:
        _tell(error, where, code)
    finally:
        os._exit(code)  # even where the log cannot be written


def leave(code: object) -> NoReturn:
    """Ends a process that has stopped in order, with the code of its SystemExit.

    Without the interpreter's own end: a thread that logs, or is inside librdkafka, can make that end an abort.
    """
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code if isinstance(code, int) else code is not None)


def _tell(error: BaseException, where: str, code: int) -> None:
    remedy = (
        "mend the configuration, then start again"
        if isinstance(error, ConfigurationError)
        else "start again: the next owner goes on from the last commit"
    )
    log.critical(
        "fail-stop",
        where=where,
        error=type(error).__name__,
        message=str(error) if isinstance(error, EwsError) else "see the trace",
        exit_code=code,
        remedy=remedy,
        **({} if isinstance(error, EwsError) else {"trace": trace(error)}),
    )
    sys.stdout.flush()
    sys.stderr.flush()


def trace(error: BaseException) -> list[str]:
    """Where an error came from, through all that caused it: kinds and places, never its text, which may quote data."""
    lines: list[str] = []
    for seen in causes(error):
        # aiokafka's errors tell of brokers and topics; a ValueError might quote what it choked on.
        text = f": {seen}" if isinstance(seen, (EwsError, KafkaError)) else ""
        lines.append(type(seen).__name__ + text)
        lines += [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(seen.__traceback__)]
    return lines


async def guarded(where: str, work: Callable[[], Awaitable[None]]) -> None:
    """Runs a coroutine whose failure must not be survived: callbacks and loops whose caller would only log it."""
    try:
        await work()
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
        stop(error, where)  # cancelled by something below us: the work would end and nobody would notice
    except BaseException as error:
        stop(error, where)
