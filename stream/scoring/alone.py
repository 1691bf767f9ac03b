"""The accounts stage alone over records in memory: what cases, scores and benches look at."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from stream.agents.accounts import STAGE, AccountsStep
from stream.engine.offline import Offline
from stream.engine.step import Output, Stage
from stream.topics import ACCOUNTS_INPUTS


def accounts_alone(
    settings: Any,
    write: Callable[[Output], None],
    *,
    step: type[AccountsStep] = AccountsStep,
    span_ms: int = 60_000,
    dead_letter_limit: float = 1.0,
) -> Offline:
    """The job of that stage under `settings`, with its ticks; `write` hears all that it says."""
    return Offline(
        (Stage(STAGE, ACCOUNTS_INPUTS, lambda placement: step(placement, settings)),),
        "murmur2",
        config_hash="",
        dead_letter_limit=dead_letter_limit,
        max_record_bytes=1_000_000,
        tick=True,
        write=write,
        span_ms=span_ms,
    )
