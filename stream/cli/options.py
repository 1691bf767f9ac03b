"""Options that several commands share. Each is also the `EWS_*` variable of the same setting."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

Bootstrap = Annotated[
    str | None, typer.Option("--bootstrap", "-b", envvar="EWS_BOOTSTRAP", help="Kafka's host:port, comma separated.")
]
App = Annotated[str | None, typer.Option(envvar="EWS_APP", help="Name of the job: consumer group, changelogs.")]
Prefix = Annotated[
    str | None, typer.Option("--topic-prefix", envvar="EWS_TOPIC_PREFIX", help="Put before every topic name.")
]
Detectors = Annotated[
    Path | None,
    typer.Option("--detectors-file", envvar="EWS_DETECTORS_FILE", help="TOML with the detectors' settings."),
]
PolicyFile = Annotated[
    Path | None, typer.Option("--policy-file", envvar="EWS_POLICY_FILE", help="TOML with the contact policy.")
]
ShadowPolicyFile = Annotated[
    Path | None,
    typer.Option(
        "--shadow-policy-file",
        envvar="EWS_SHADOW_POLICY_FILE",
        help="TOML with a policy that is tried out beside it: it decides and records, and sends nothing.",
    ),
]
ContactFrom = Annotated[
    str | None,
    typer.Option(
        envvar="EWS_CONTACT_FROM", help="No contact for signals of an earlier event time (RFC 3339): history stays silent."
    ),
]


def moment(text: str | None, option: str) -> datetime | None:
    """The instant that an option names. Raises BadParameter for one without an offset, or that is none."""
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise typer.BadParameter("give a time with offset, such as 2026-01-31T00:00:00Z", param_hint=option)
    return found
