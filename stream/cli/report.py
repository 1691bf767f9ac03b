"""`ews report`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from stream import settings
from stream.cli import options
from stream.cli.console import Format, Output, show, show_json, stderr
from stream.errors import ConfigurationError

if TYPE_CHECKING:
    from stream.engine.offline import Line
    from stream.scoring.effect import Gap, Quartiles, Report, Share
    from stream.settings import Settings

OUTPUTS = ("nudges", "decisions", "signals")
OUTCOMES = "contact-outcomes"
TOO_FEW = "too few to say"
UNKNOWN = "not known"


def report(
    folder: Annotated[
        Path | None, typer.Option("--in", envvar="EWS_IN", help="Read this output folder of `ews replay`, not Kafka.")
    ] = None,
    inputs: Annotated[
        Path | None,
        typer.Option("--inputs", envvar="EWS_INPUTS", help="With --in: the folder that was replayed, for its contact outcomes."),
    ] = None,
    minimum: Annotated[
        int, typer.Option(envvar="EWS_REPORT_MINIMUM", help="Of fewer than this, nothing but the count is told.", min=1)
    ] = 30,
    bootstrap: options.Bootstrap = None,
    topic_prefix: options.Prefix = None,
    app: options.App = None,
    output: Output = Format.TABLE,
) -> None:
    """Tells what works, by record: who responded to nudges, who got out of trouble, against those held back; and the lead time.

    Reads what the job said (signals, nudges, decisions) and contact outcomes, from Kafka as far back as the topics reach, or
    from files. Shares and differences carry 95 % intervals. No customer is named.
    """
    from stream.scoring.effect import FIRST, THEN, Effect

    if inputs is not None and folder is None:
        raise typer.BadParameter("goes with --in: from Kafka the topic is read", param_hint="--inputs")
    loaded = settings.load(bootstrap=bootstrap, topic_prefix=topic_prefix, app=app)
    effect = Effect()
    for topic, line in _counted(_records(loaded, folder, inputs, (*FIRST, *THEN))):
        effect.hear(topic, line)
    found = effect.report(minimum)
    if output is Format.JSON:
        show_json(found)
    else:
        _tell(found)


def _records(loaded: Settings, folder: Path | None, inputs: Path | None, topics: tuple[str, ...]) -> Iterator[tuple[str, Line]]:
    """Every record of the topics, topic by topic."""
    if folder is None:
        from stream.engine import rerun

        yield from rerun.committed_lines(loaded, topics)
        return
    from stream.engine import files

    paths = {topic: folder / f"{topic}.jsonl" for topic in OUTPUTS}
    if missing := [path.name for path in paths.values() if not path.is_file()]:
        raise ConfigurationError(f"--in: {folder} has no {', '.join(missing)}: is it an output folder of `ews replay`?")
    if inputs is not None:
        paths |= {topic: path for topic, path in files.find(inputs).items() if topic == OUTCOMES}
    for topic in topics:
        if topic in paths:
            for line in files.lines(topic, paths[topic]):
                yield topic, line


def _counted(records: Iterable[tuple[str, Line]]) -> Iterator[tuple[str, Line]]:
    """The records, with their number on a terminal meanwhile."""
    with Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        TextColumn("{task.completed:,.0f} records"),
        TimeElapsedColumn(),
        console=stderr,
        transient=True,
        disable=not stderr.is_terminal,
    ) as progress:
        bar = progress.add_task("reading", total=None)
        for number, record in enumerate(records, 1):
            if number % 1_000 == 0:
                progress.update(bar, completed=number, description=record[0])
            yield record


# --- for people


def _tell(found: Report) -> None:
    if found.since is None or found.until is None:
        typer.echo("nothing was read: no signal, nudge, decision or contact outcome")
        return
    typer.echo(
        f"{found.since:%Y-%m-%d} to {found.until:%Y-%m-%d}\n"
        f"{found.trials:,} trials of {found.window_days} days, of which {found.withdrawn:,} were taken back; "
        f"{found.pending:,} more are pending.\n"
        "Shares are in %, with 95 % intervals.\n"
    )
    show(list(_rows(found)), Format.TABLE)
    lead = found.lead
    typer.echo(f"\nInstalments missed after a nudge: {lead.customers:,} customers")
    typer.echo(f"  days since their first nudge: {_days(lead.days)}")
    typer.echo(f"Instalments missed in all: {lead.episodes:,}")
    typer.echo(f"  with a nudge in the {lead.before_days} days before: {_share(lead.preceded, True)}")
    for warning in found.warnings:
        typer.echo(f"warning: {warning.text}")


def _rows(found: Report) -> Iterator[dict[str, str]]:
    for treatment in found.treatments:
        name = treatment.treatment
        for arm in treatment.arms:
            yield _row(name, arm.arm, f"{arm.trials:,}", _share(arm.response, arm.too_few), _share(arm.self_cure, arm.too_few))
            name = ""
            if arm.arm == "control" and (gap := treatment.difference) is not None:
                too_few = any(each.too_few for each in treatment.arms if each.arm != "outside")
                yield _row("", "difference", "", _gap(gap.response, too_few), _gap(gap.self_cure, too_few))


def _row(treatment: str, arm: str, trials: str, response: str, cure: str) -> dict[str, str]:
    return {"treatment": treatment, "arm": arm, "trials": trials, "response": response, "self-cure": cure}


def _share(share: Share | None, too_few: bool) -> str:
    if share is None:
        return TOO_FEW if too_few else UNKNOWN
    return f"{100 * share.share:.1f} ({100 * share.low:.1f}…{100 * share.high:.1f})"


def _gap(gap: Gap | None, too_few: bool) -> str:
    if gap is None:
        return TOO_FEW if too_few else UNKNOWN
    return f"{100 * gap.difference:+.1f} ({100 * gap.low:.1f}…{100 * gap.high:.1f})"


def _days(days: Quartiles | None) -> str:
    return TOO_FEW if days is None else f"{days.median:g} in the median, half of them {days.lower:g} to {days.upper:g}"
