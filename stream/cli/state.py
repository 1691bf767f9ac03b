"""`ews state`: what a job remembers, as its changelogs hold it."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from stream import settings
from stream.cli import options
from stream.cli.console import Format, Output, show, show_json, stderr
from stream.errors import ConfigurationError, EwsError
from stream.settings import Settings

if TYPE_CHECKING:
    from stream.engine.export import Held
    from stream.engine.verify import Difference

state = typer.Typer(help="Look at, check and export what the job remembers.", no_args_is_help=True)

_FIRST = 20
"""Differences that are told."""
_FIELDS = 5
"""Fields of each that are told."""

ShowIds = Annotated[
    bool, typer.Option("--show-ids", envvar="EWS_SHOW_IDS", help="Show ids, texts and names, which are hidden otherwise.")
]
Partition = Annotated[int | None, typer.Option(envvar="EWS_PARTITION", help="This partition alone.", min=0)]
FromState = Annotated[
    Path | None,
    typer.Option("--from-state", envvar="EWS_FROM_STATE", help="Begin with this file of `ews state export`."),
]


@state.command()
def inspect(
    key: Annotated[str, typer.Argument(metavar="KEY", help="An account_id or a customer_id.")],
    show_ids: ShowIds = False,
    bootstrap: options.Bootstrap = None,
    app: options.App = None,
    topic_prefix: options.Prefix = None,
    output: Output = Format.TABLE,
) -> None:
    """Prints what is remembered of an account or a customer, by field; what is empty is left out, and ids are hidden."""
    from stream.agents.beside import PREFIX
    from stream.engine import rerun
    from stream.rights import STAGES
    from stream.tables import readable
    from stream.tables.accounts import EVIDENCE_KEY, PROFILE_KEY

    loaded = settings.load(bootstrap=bootstrap, app=app, topic_prefix=topic_prefix)
    id_ = key.encode("utf-8", "surrogateescape")
    names = {
        "accounts": {"account": id_, "profile": PROFILE_KEY + id_, "evidence": EVIDENCE_KEY + id_},
        "customers": {"customer": id_, "customer under the policy that is tried": PREFIX + id_},
    }
    mask = None if show_ids else _masking()
    found: dict[str, Any] = {}
    for stage in STAGES:
        for name, value in rerun.values(loaded, stage, id_, tuple(names[stage].values())).items():
            plain = name.removeprefix(PREFIX)
            what = next(what for what, each in names[stage].items() if each == name)
            found[what] = readable.row(stage, plain, value, mask)
    if not found:
        raise EwsError(f"the changelogs of {loaded.app} at {loaded.bootstrap} hold nothing under this key: is EWS_APP right?")
    if output is Format.JSON:
        show_json(found)
    else:
        show([{"field": path, "value": value} for path, value in _flat(found)], output)


@state.command()
def verify(
    partition: Partition = None,
    from_state: FromState = None,
    show_ids: ShowIds = False,
    bootstrap: options.Bootstrap = None,
    app: options.App = None,
    topic_prefix: options.Prefix = None,
    output: Output = Format.TABLE,
) -> None:
    """Compares every row of the changelogs with a replay of the journal. Exit code 1 names the first that differ.

    `ahead` are the journal's transactions beyond the changelog: those of a job that runs on meanwhile, else none.
    """
    from stream import app as composition
    from stream.engine import export as export_files
    from stream.engine.verify import verify as compare
    from stream.tables import readable

    loaded = settings.load(bootstrap=bootstrap, app=app, topic_prefix=topic_prefix)
    mask = None if show_ids else _masking()
    compared: list[dict[str, Any]] = []
    differences: list[Difference] = []

    with _progress("events") as progress:
        for number in _partitions(loaded, partition):
            bar = progress.add_task(f"partition {number}", total=None)

            def told(events: int, bar: Any = bar) -> None:
                progress.update(bar, completed=events)

            states = {} if from_state is None else export_files.states(from_state, loaded.app, number)
            for one in compare(loaded, composition.stages, number, states, readable.same, told):
                differences += one.differences
                compared.append(
                    {
                        "stage": one.stage,
                        "partition": number,
                        "rows": one.rows,
                        "differences": len(one.differences),
                        "ahead": one.ahead,
                    }
                )
    told_of = [line for one in differences[:_FIRST] for line in _told(one, mask)]
    if output is Format.JSON:
        show_json({"compared": compared, "first_differences": told_of})
    else:
        show(compared, output)
        if told_of:
            show(told_of, output)
    if differences:
        raise EwsError(
            f"{len(differences)} rows of the changelogs are not what the journal gives: something else has written there, or a "
            "row was lost. To make the state anew, start under a new app name (EWS_APP)"
        )


@state.command()
def export(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The file to write; customers' data, readable by you alone.")],
    partition: Partition = None,
    bootstrap: options.Bootstrap = None,
    app: options.App = None,
    topic_prefix: options.Prefix = None,
    output: Output = Format.TABLE,
) -> None:
    """Writes the rows and positions of both stages, each task's as of its last commit: what a replay can begin with."""
    from stream.engine import export as files
    from stream.engine import rerun
    from stream.rights import STAGES

    loaded = settings.load(bootstrap=bootstrap, app=app, topic_prefix=topic_prefix)
    numbers = _partitions(loaded, partition)
    header = files.Header(files.VERSION, loaded.app, rerun.partitions(loaded))

    def tasks() -> Iterator[Held]:
        for number in numbers:
            for stage in STAGES:
                if (held := rerun.held(loaded, stage, number)) is not None:
                    yield held

    written = []
    with _progress("rows") as progress:
        bar = progress.add_task("exporting", total=None)
        for task in files.write(file, header, tasks()):
            progress.advance(bar, len(task.rows))
            written.append({"stage": task.stage, "partition": task.partition, "rows": len(task.rows)})
    show(written, output)


def _partitions(loaded: Settings, partition: int | None) -> range:
    from stream.engine import rerun

    count = rerun.partitions(loaded)
    if partition is None:
        return range(count)
    if partition >= count:
        raise ConfigurationError(f"--partition: the topics have {count} partitions, 0 to {count - 1}")
    return range(partition, partition + 1)


@contextmanager
def _progress(of: str) -> Iterator[Progress]:
    with Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:,.0f} " + of),
        TimeElapsedColumn(),
        console=stderr,
        transient=True,
        disable=not stderr.is_terminal,
    ) as progress:
        yield progress


def _masking() -> Callable[[str], str]:
    """Eight hex digits for an id, the same throughout one command. The key is forgotten with it: account numbers are few enough
    to try them all.
    """
    secret = secrets.token_bytes(16)
    return lambda text: "#" + blake2b(text.encode("utf-8", "surrogateescape"), key=secret, digest_size=4).hexdigest()


def _told(one: Difference, mask: Callable[[str], str] | None) -> list[dict[str, Any]]:
    """The fields in which two rows differ."""
    from stream.engine import checkpoint
    from stream.tables import readable

    def read(value: bytes | None) -> dict[str, str]:
        if value is None:
            return {}
        if one.key != checkpoint.KEY:
            return dict(_flat(readable.row(one.stage, one.key, value, mask)))
        held = msgspec.to_builtins(checkpoint.decode(value))
        # A replay knows nothing of topic ids, and only of the inputs that something was applied of.
        return dict(_flat({name: each for name, each in held.items() if name != "topic_ids"}))

    kind, id_ = ("checkpoint", "") if one.key == checkpoint.KEY else readable.name(one.stage, one.key, mask)
    place = {"task": f"{one.stage}[{one.partition}]", "row": kind, "key": id_}
    if one.live is None or one.replayed is None:
        missing = "the changelog" if one.live is None else "the replay"
        return [{**place, "field": f"missing in {missing}", "changelog": None, "replay": None}]
    live, again = read(one.live), read(one.replayed)
    fields = [name for name in {**live, **again} if live.get(name) != again.get(name)]
    if not fields:  # it is in what is hidden, or in how it is written
        both = zip(one.live, one.replayed, strict=False)
        at = next((at for at, (a, b) in enumerate(both) if a != b), -1)
        sizes = {"changelog": f"{len(one.live)} bytes", "replay": f"{len(one.replayed)} bytes"}
        return [{**place, "field": f"byte {at}", **sizes}]
    return [{**place, "field": name, "changelog": live.get(name), "replay": again.get(name)} for name in fields[:_FIELDS]]


def _flat(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for name, each in value.items():
            yield from _flat(each, f"{path}.{name}" if path else str(name))
    elif isinstance(value, list):
        for number, each in enumerate(value):
            yield from _flat(each, f"{path}[{number}]")
    elif value not in (None, "", 0):
        yield path, str(value)
