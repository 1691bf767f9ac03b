"""`ews size`."""

from __future__ import annotations

from typing import Annotated

import typer

from stream import sizing
from stream.cli.console import Format, Output, show, show_json

_DEFAULT = sizing.Bank(1, 1)


def size(
    accounts: Annotated[int, typer.Option(envvar="EWS_SIZE_ACCOUNTS", help="Accounts that are known.", min=1)],
    events_per_day: Annotated[
        int, typer.Option(envvar="EWS_SIZE_EVENTS_PER_DAY", help="Payments, bounces and missed bills a day.", min=1)
    ],
    peak: Annotated[
        float, typer.Option(envvar="EWS_SIZE_PEAK", help="The busiest hour, in times of the day's average.", min=1)
    ] = _DEFAULT.peak,
    customers_share: Annotated[
        float, typer.Option(envvar="EWS_SIZE_CUSTOMERS_SHARE", help="Customers for each account.", min=0, max=100)
    ] = _DEFAULT.customers_share,
    open_share: Annotated[
        float,
        typer.Option(envvar="EWS_SIZE_OPEN_SHARE", help="Share of the accounts with an open episode of trouble.", min=0, max=1),
    ] = _DEFAULT.open_share,
    retention_days: Annotated[
        int, typer.Option(envvar="EWS_RETENTION_DAYS", help="How long inputs, outputs and journal are kept.", min=1)
    ] = _DEFAULT.retention_days,
    replication: Annotated[
        int, typer.Option(envvar="EWS_REPLICATION", help="Copies of every partition.", min=1)
    ] = _DEFAULT.replication,
    output: Output = Format.TABLE,
) -> None:
    """Tells what a bank of this size needs: partitions, workers, memory, Kafka's bytes, the time of a restore."""
    bank = sizing.Bank(accounts, events_per_day, peak, customers_share, open_share, retention_days, replication)
    try:
        if output is Format.JSON:
            show_json({name: round(value, 3) for name, value in sizing.size(bank)._asdict().items()})
        else:
            show([{"what": what, "how_much": much} for what, much in sizing.told(bank)], output)
    except ValueError as wrong:
        raise typer.BadParameter(str(wrong)) from None
