"""The bearer token of SASL OAUTHBEARER: read from a file or asked of a command, again and again, before it expires.

What is wrong with it is told by setting and remedy; neither the token nor anything else that file or command hold is told.
"""

from __future__ import annotations

import asyncio
import base64
import json
import math
import os
import re
import shlex
import signal
import subprocess
import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import structlog
from aiokafka.abc import AbstractTokenProvider
from aiokafka.errors import KafkaConnectionError

from stream.errors import TokenError

log = structlog.get_logger()

COMMAND_SECONDS = 10.0
"""How long the command may take."""
OPAQUE_SECONDS = 60.0
"""A token that does not say when it expires is taken for good for so long, and then asked for again."""
_LONGEST_SECONDS = 86_400.0
"""No token is believed to be good for longer."""
RENEWED_AT = 0.8
"""The share of its life after which a command's token is asked for again; a file is read at every login."""
TRIED_AGAIN = 5.0
"""Seconds before a command that failed is run again: a worker has dozens of connections, and each wants a token."""
_BEARER = re.compile(r"[A-Za-z0-9._~+/-]+=*")
"""RFC 6750, section 2.1. Anything else could say more to the broker than who we are."""


@dataclass(frozen=True, slots=True)
class Token:
    """What is shown to the brokers, and until when."""

    value: str = field(repr=False)
    expires: float
    """Seconds since 1970."""


class Tokens:
    """The login's token, for any thread. Just one of `file` and `command` is given."""

    def __init__(self, file: Path | None, command: str | None) -> None:
        """Nothing is read or run yet. Raises ValueError where the command's quotes are not closed."""
        self._file = file
        self._command = shlex.split(command) if command else []
        self._turn = threading.Lock()
        self._told: Token | TokenError | None = None
        """What the command told last."""
        self._until = 0.0
        """How long that holds, on a clock that nobody sets."""

    def read(self) -> Token:
        """The token as it is now. It may wait for the command, so not within an event loop. Raises TokenError."""
        if self._file is not None:
            return _token(f"EWS_SASL_OAUTH_TOKEN_FILE: {self._file}", _read(self._file))
        with self._turn:
            told = self._told
            if told is None or time.monotonic() >= self._until or (isinstance(told, Token) and told.expires <= time.time()):
                told, seconds = self._ask()
                self._told, self._until = told, time.monotonic() + seconds
            if isinstance(told, TokenError):
                raise TokenError(str(told))
            return told

    def _ask(self) -> tuple[Token | TokenError, float]:
        """What the command tells, and for how many seconds that holds."""
        try:
            token = _token("EWS_SASL_OAUTH_TOKEN_COMMAND: what it told", _run(self._command))
        except TokenError as error:
            return error, TRIED_AGAIN
        return token, RENEWED_AT * (token.expires - time.time())

    def librdkafka(self, _: object) -> tuple[str, float]:
        """librdkafka's `oauth_cb`, on a thread of the client's own: it asks before the token expires.

        After an error it asks again in ten seconds.
        """
        try:
            token = self.read()
        except TokenError as error:
            log.warning("no token for Kafka", why=str(error))
            raise
        return token.value, token.expires

    def aiokafka(self) -> AbstractTokenProvider:
        """aiokafka's `sasl_oauth_token_provider`: it is asked at each login of a connection."""
        return _Provider(self)


class _Provider(AbstractTokenProvider):  # type: ignore[misc] # aiokafka has no types
    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens
        # However many connections wait for the command, one thread of the loop's does.
        self._turn = asyncio.Lock()

    async def token(self) -> str:
        async with self._turn:
            try:
                return (await asyncio.to_thread(self._tokens.read)).value
            except TokenError as error:
                # Of this kind: aiokafka logs it, and tries the connection again, as when the broker is away.
                raise KafkaConnectionError(str(error)) from None


def _read(path: Path) -> str:
    try:
        return path.read_text("ascii")
    except UnicodeDecodeError:
        return "\0"  # anything that is no token
    except OSError as error:
        raise TokenError(f"EWS_SASL_OAUTH_TOKEN_FILE: {path} cannot be read: {error.strerror}") from None


def _run(command: list[str]) -> str:
    """What the command writes on stdout. What it writes on stderr is dropped: it could quote a token."""
    name = "EWS_SASL_OAUTH_TOKEN_COMMAND"
    try:
        # A group of its own, so that what it has started ends with it.
        process = subprocess.Popen(  # noqa: S603 # the operator's own
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True
        )
    except OSError as error:
        raise TokenError(f"{name}: it cannot be run: {error.strerror}") from None
    with process:
        try:
            told, _ = process.communicate(timeout=COMMAND_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            raise TokenError(f"{name}: it has not ended within {COMMAND_SECONDS:.0f} s: run it by hand to see why") from None
    if process.returncode != 0:
        raise TokenError(f"{name}: it ended with code {process.returncode}: run it by hand to see why")
    return told.decode("ascii", "replace")


def _token(where: str, text: str) -> Token:
    value = text.strip()
    if not value:
        raise TokenError(f"{where} is empty: it must be the token alone")
    if not _BEARER.fullmatch(value):
        raise TokenError(f"{where} is no bearer token (RFC 6750): it must be the token alone, without quotes, JSON or `Bearer`")
    now = time.time()
    expires = _exp(value)
    if expires is None:
        return Token(value, now + OPAQUE_SECONDS)
    if expires <= now:
        at = datetime.fromtimestamp(max(expires, 0), UTC).isoformat(timespec="seconds")
        raise TokenError(f"{where} is a token that expired at {at}: have it renewed, and look at this machine's clock")
    return Token(value, min(expires, now + _LONGEST_SECONDS))


def _exp(value: str) -> float | None:
    """The claim `exp` of a JWT; None where it has none, or is something else. Its signature is for the brokers to judge."""
    parts = value.split(".")
    if len(parts) != 3:
        return None
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
        exp = claims.get("exp") if isinstance(claims, dict) else None
        if isinstance(exp, bool) or not isinstance(exp, int | float) or not math.isfinite(exp):
            return None
        return float(exp)
    except (ValueError, OverflowError, RecursionError):
        return None
