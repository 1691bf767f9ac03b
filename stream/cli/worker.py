"""`ews worker`."""

from __future__ import annotations

from typing import Annotated

import typer

from stream import settings
from stream.cli import options


def worker(
    bootstrap: options.Bootstrap = None,
    app: options.App = None,
    topic_prefix: options.Prefix = None,
    instance_id: Annotated[
        str | None, typer.Option(envvar="EWS_INSTANCE_ID", help="Stable name of this worker, unique in the group.")
    ] = None,
    partitioner: Annotated[
        str | None, typer.Option(envvar="EWS_PARTITIONER", help="How producers place keys: murmur2 or crc32.")
    ] = None,
    detectors_file: options.Detectors = None,
    policy_file: options.PolicyFile = None,
    shadow_policy_file: options.ShadowPolicyFile = None,
    contact_from: options.ContactFrom = None,
    clock: Annotated[
        str | None, typer.Option(envvar="EWS_CLOCK", help="ticks, or events: only events move time (history).")
    ] = None,
    web_port: Annotated[
        int | None, typer.Option(envvar="EWS_WEB_PORT", help="Port of /metrics and /ready on loopback; 0 switches it off.")
    ] = None,
    log_level: Annotated[
        str | None, typer.Option(envvar="EWS_LOG_LEVEL", help="DEBUG, INFO, WARNING or ERROR.")
    ] = None,
) -> None:
    """Runs the job: reads the bank's topics, writes signals, nudges, escalations and decisions, exactly once.

    Stops with a last commit on SIGTERM. All other settings are EWS_* variables: `ews config print` lists them.
    """
    loaded = settings.load(
        bootstrap=bootstrap,
        app=app,
        topic_prefix=topic_prefix,
        instance_id=instance_id,
        partitioner=partitioner,
        detectors_file=detectors_file,
        policy_file=policy_file,
        shadow_policy_file=shadow_policy_file,
        contact_from=contact_from,
        clock=clock,
        web_port=web_port,
        log_level=log_level,
    )
    from stream import app as composition  # the engine and its compiled kernels take a while to import

    composition.run(loaded)
