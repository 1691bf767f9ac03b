"""`ews view`: customers' current pictures in Valkey or Redis."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from stream import settings
from stream.cli import options
from stream.cli.console import Format, Output, show_json, stderr

view = typer.Typer(help="Keeps customers' current pictures in Valkey or Redis, and shows one.", invoke_without_command=True)

RedisUrl = Annotated[
    str | None, typer.Option(envvar="EWS_REDIS_URL", help="rediss://user@host:port/db; the password comes from a file.")
]
RedisPasswordFile = Annotated[
    Path | None, typer.Option(envvar="EWS_REDIS_PASSWORD_FILE", help="A file that holds the user's password alone.")
]
RedisCaFile = Annotated[
    Path | None, typer.Option(envvar="EWS_REDIS_CA_FILE", help="PEM with the authorities that the server is checked against.")
]


@view.callback()
def run(
    context: typer.Context,
    rebuild: Annotated[
        bool, typer.Option("--rebuild", envvar="EWS_REBUILD", help="Read the topics anew beside the old pictures, switch, end.")
    ] = False,
    bootstrap: options.Bootstrap = None,
    app: options.App = None,
    topic_prefix: options.Prefix = None,
    redis_url: RedisUrl = None,
    redis_password_file: RedisPasswordFile = None,
    redis_ca_file: RedisCaFile = None,
    policy_file: options.PolicyFile = None,
    web_port: Annotated[
        int | None, typer.Option(envvar="EWS_WEB_PORT", help="Port of /metrics, /live and /ready on loopback; 0 switches it off.")
    ] = None,
    log_level: Annotated[
        str | None, typer.Option(envvar="EWS_LOG_LEVEL", help="DEBUG, INFO, WARNING or ERROR.")
    ] = None,
) -> None:
    """Keeps each customer's current picture in Valkey or Redis, for downstream channels and the service desk.

    Runs beside the workers, which never wait for it. Stops on SIGTERM.
    """
    if context.invoked_subcommand is not None:
        return
    loaded = settings.load(
        bootstrap=bootstrap,
        app=app,
        topic_prefix=topic_prefix,
        redis_url=redis_url,
        redis_password_file=redis_password_file,
        redis_ca_file=redis_ca_file,
        policy_file=policy_file,
        web_port=web_port,
        log_level=log_level,
    )
    from stream.logs import configure_logging
    from stream.view import follow, web
    from stream.view.store import Store

    configure_logging(loaded.log_level)
    if rebuild:
        generation = follow.rebuild(loaded, Store(loaded), lambda done, total: stderr.print(f"{done} records of at most {total}"))
        stderr.print(f"ok: readers have generation {generation} now; the old one goes within a minute")
        return
    follower = follow.Follower(loaded)
    web.serve(loaded, follower.not_ready)
    follower.run()


@view.command()
def show(
    customer: Annotated[str, typer.Argument(metavar="CUSTOMER", help="The customer_id.")],
    app: options.App = None,
    topic_prefix: options.Prefix = None,
    redis_url: RedisUrl = None,
    redis_password_file: RedisPasswordFile = None,
    redis_ca_file: RedisCaFile = None,
    output: Output = Format.TABLE,
) -> None:
    """Shows the picture of one customer, in words for the service desk; with -o json as downstream channels read it."""
    from stream.view.store import Store
    from stream.view.words import tell

    loaded = settings.load(
        app=app,
        topic_prefix=topic_prefix,
        redis_url=redis_url,
        redis_password_file=redis_password_file,
        redis_ca_file=redis_ca_file,
    )
    found = Store(loaded).show(customer)
    picture: dict[str, Any] = msgspec.json.decode(found.picture)
    fresh_at = None if found.fresh_at is None else datetime.fromtimestamp(found.fresh_at / 1000, UTC)
    if output is Format.JSON:
        show_json({"picture": picture, "fresh_at": fresh_at})
    else:
        sys.stdout.write(tell(picture, datetime.now(UTC), fresh_at))


@view.command()
def schema() -> None:
    """Prints the JSON Schema of a picture, for downstream readers."""
    from stream.contracts.picture import TYPE, Picture

    show_json({"$id": TYPE, **Picture.model_json_schema()})
