"""`ews replay`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from stream import settings
from stream.cli import options
from stream.cli.console import Format, Output, show, stderr
from stream.errors import ConfigurationError
from stream.settings import Settings


def replay(
    paths: Annotated[
        list[Path],
        typer.Argument(metavar="IN OUT", help="Folder of <topic>.jsonl, and folder for the outputs; with --journal OUT alone."),
    ],
    until: Annotated[
        str | None,
        typer.Option(envvar="EWS_UNTIL", help="Run the clock on to this time (RFC 3339) past the last event."),
    ] = None,
    state: Annotated[
        Path | None, typer.Option(envvar="EWS_STATE", help="Also write each account's features, one JSON object a line.")
    ] = None,
    journal: Annotated[
        bool,
        typer.Option("--journal", envvar="EWS_JOURNAL", help="Read Kafka and apply exactly what the live run applied."),
    ] = False,
    from_: Annotated[
        str | None, typer.Option("--from", envvar="EWS_FROM", help="With --journal: write outputs committed from this time.")
    ] = None,
    to: Annotated[
        str | None, typer.Option("--to", envvar="EWS_TO", help="With --journal: write outputs committed before this time.")
    ] = None,
    partition: Annotated[
        int | None, typer.Option(envvar="EWS_PARTITION", help="With --journal: this partition alone.", min=0)
    ] = None,
    from_state: Annotated[
        Path | None,
        typer.Option(
            "--from-state", envvar="EWS_FROM_STATE", help="With --journal: begin with this file of `ews state export`."
        ),
    ] = None,
    bootstrap: options.Bootstrap = None,
    app: options.App = None,
    topic_prefix: options.Prefix = None,
    detectors_file: options.Detectors = None,
    policy_file: options.PolicyFile = None,
    shadow_policy_file: options.ShadowPolicyFile = None,
    contact_from: options.ContactFrom = None,
    output: Output = Format.TABLE,
) -> None:
    """Runs the job's own code over files, without a broker; or, with --journal, over Kafka exactly as the live run did."""
    if len(paths) != (1 if journal else 2):
        raise typer.BadParameter("give OUT alone with --journal, IN and OUT without it", param_hint="IN OUT")
    given: dict[str, object] = {"--until": until, "--state": state}
    if not journal:
        given = {"--from": from_, "--to": to, "--partition": partition, "--from-state": from_state}
    for name, value in given.items():
        if value is not None:
            raise typer.BadParameter(f"{name} does not go {'with' if journal else 'without'} --journal", param_hint=name)
    loaded = settings.load(
        bootstrap=bootstrap,
        app=app,
        topic_prefix=topic_prefix,
        detectors_file=detectors_file,
        policy_file=policy_file,
        shadow_policy_file=shadow_policy_file,
        contact_from=contact_from,
    )
    with Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:,.0f} events"),
        TimeElapsedColumn(),
        console=stderr,
        transient=True,
        disable=not stderr.is_terminal,
    ) as progress:
        if journal:
            counts = _from_journal(
                loaded, paths[0], _millis(from_, "--from"), _millis(to, "--to"), partition, from_state, progress
            )
        else:
            counts = _from_files(loaded, paths[0], paths[1], _millis(until, "--until"), state, progress)
    show([{"what": name, "count": count} for name, count in counts.items()], output)


def _from_files(
    loaded: Settings, source: Path, out: Path, until: int | None, state: Path | None, progress: Progress
) -> dict[str, int]:
    from stream import app as composition
    from stream.engine import files
    from stream.engine.offline import Offline, merge
    from stream.engine.sink import Sink

    config = composition.configuration(loaded)
    stages = composition.stages(config)
    found = files.find(source)
    bar = progress.add_task("replaying", total=None)
    with Sink(out) as sink:
        job = Offline(
            stages,
            loaded.partitioner,
            config_hash=config.hash,
            dead_letter_limit=loaded.dead_letter_limit,
            max_record_bytes=loaded.max_record_bytes,
            tick=loaded.clock == "ticks",
            write=sink.write,
        )
        for events in job.run(merge({topic: files.lines(topic, path) for topic, path in found.items()}), until):
            progress.update(bar, completed=events)
        counts = {"events": job.events, **{name: sink.counts[name] for name in sorted(sink.counts)}}
    if state is not None:
        features = getattr(job.steps[0], "features", None)
        assert features is not None
        with state.open("wb") as file:
            for row in features():
                file.write(msgspec.json.encode(row) + b"\n")
    return counts


def _from_journal(
    loaded: Settings,
    out: Path,
    start: int | None,
    end: int | None,
    partition: int | None,
    from_state: Path | None,
    progress: Progress,
) -> dict[str, int]:
    from stream import app as composition
    from stream.engine import export, rerun
    from stream.engine.sink import Sink

    partitions = rerun.partitions(loaded)
    if partition is not None and partition >= partitions:
        raise ConfigurationError(f"--partition: the topics have {partitions} partitions, 0 to {partitions - 1}")
    events = 0
    with Sink(out) as sink:
        for number in range(partitions) if partition is None else (partition,):
            bar = progress.add_task(f"partition {number}", total=None)
            done = 0
            states = export.states(from_state, loaded.app, number) if from_state is not None else None
            for applied in rerun.replay(loaded, composition.stages, number, states):
                done += applied.events
                progress.update(bar, completed=done)
                if (start is None or applied.at >= start) and (end is None or applied.at < end):
                    for said in applied.outputs:
                        sink.write(said)
            events += done
        return {"events": events, **{name: sink.counts[name] for name in sorted(sink.counts)}}


def _millis(text: str | None, option: str) -> int | None:
    moment = options.moment(text, option)
    return None if moment is None else int(moment.timestamp() * 1000)
