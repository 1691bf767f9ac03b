"""`ews detectors`: what there is, what each sees and when it cries wolf, whether it does as its cases say, what it is worth."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from stream import settings
from stream.cli.console import Format, Output, show, show_json, stderr
from stream.detectors.registry import NAMES
from stream.detectors.settings import OWN

detectors = typer.Typer(help="What each detector sees, does in its cases, and is worth.", no_args_is_help=True)

File = Annotated[
    Path | None,
    typer.Option("--file", "--detectors-file", envvar="EWS_DETECTORS_FILE", help="TOML with the detectors' settings."),
]


@detectors.command("list")
def list_(file: File = None, output: Output = Format.TABLE) -> None:
    """Prints every detector, and what they share: what it sees, its version, whether it runs, and its marks of severity."""
    loaded = _load(_text(file))
    rows = []
    for name, module in OWN.items():
        own = getattr(loaded, name)
        marks = [getattr(own, severity, None) for severity in ("low", "medium", "high")]
        rows.append(
            {
                "detector": name,
                "version": module.VERSION,
                "enabled": own.enabled if output is Format.JSON else "yes" if own.enabled else "no",
                **dict(zip(("low", "medium", "high"), marks, strict=True)),
                "sees": _doc(name).partition("\n")[0],
            }
        )
    show(rows, output)


@detectors.command("show")
def show_(
    name: Annotated[str, typer.Argument(help="Of a detector: see `ews detectors list`.")],
    file: File = None,
    output: Output = Format.TABLE,
) -> None:
    """Prints all about one detector: its signs and maths, when it cries wolf, its settings with bounds, and its cases."""
    from stream.detectors import documents
    from stream.scoring import cases

    _expect(name)
    own = getattr(_load(_text(file)), name)
    if output is Format.TABLE:
        typer.echo(documents.page(name, own if file else None))
        return
    show_json(
        {
            "detector": name,
            "version": OWN[name].VERSION,
            **_parts(_doc(name)),
            "settings": own.model_dump(mode="json"),
            "schema": type(own).model_json_schema(),
            "cases": [{"case": case.name, "about": case.about} for case in cases.load(name)],
        }
    )


@detectors.command()
def check(
    name: Annotated[str | None, typer.Argument(help="One detector alone.")] = None,
    file: File = None,
    output: Output = Format.TABLE,
) -> None:
    """Validates the settings (exit code 3 names what is wrong) and runs the cases beside each detector under them.

    Exit code 1: a case does not come out as it says. With settings of your own that tells what they change.
    """
    from stream.scoring import cases

    text = _text(file)
    _load(text)
    if name is not None:
        _expect(name)
    rows, failed = [], 0
    for detector in cases.names() if name is None else (name,):
        for case in cases.load(detector):
            failures = cases.run(detector, case, text).failures
            failed += bool(failures)
            rows.append({"detector": detector, "case": case.name, "ok": not failures, "failures": failures})
            if output is Format.TABLE:
                typer.echo(f"{'FAIL' if failures else 'ok':5}{detector}: {case.name}")
                for failure in failures:
                    typer.echo(f"       {failure}")
    if output is Format.JSON:
        show_json(rows)
    else:
        typer.echo(f"{len(rows)} cases, {failed} failed")
    raise typer.Exit(1 if failed else 0)


@detectors.command()
def score(
    folder: Annotated[
        Path | None, typer.Argument(help="A folder of <topic>.jsonl and truth.jsonl, as `ews simulate` writes it.")
    ] = None,
    seed: Annotated[
        list[int] | None,
        typer.Option("--seed", envvar="EWS_SCORE_SEED", help="Make the golden corpus of this seed, and score it; repeatable."),
    ] = None,
    published: Annotated[
        bool, typer.Option("--published", envvar="EWS_SCORE_PUBLISHED", help="The seeds of docs/detectors/scores.md.")
    ] = False,
    customers: Annotated[
        int | None, typer.Option(envvar="EWS_SCORE_CUSTOMERS", help="Customers a seed; default 2000.", min=1)
    ] = None,
    file: File = None,
    output: Output = Format.TABLE,
) -> None:
    """Replays a corpus and prints precision, recall, lead time and false alerts, in all, by detector and by scenario."""
    from stream.scoring import corpus
    from stream.scoring.score import score as score_of

    if (folder is not None) + bool(seed) + published != 1:
        raise typer.BadParameter("give a folder, or --seed, or --published", param_hint="FOLDER")
    if folder is not None and customers is not None:
        raise typer.BadParameter("a folder has the customers it has", param_hint="--customers")
    loaded = _load(_text(file))
    with _progress() as advance:
        if folder is not None:
            found = score_of(corpus.of_folder(folder, loaded, advance), NAMES)
        else:
            seeds = corpus.PUBLISHED if published else tuple(seed or ())
            found = corpus.score_seeds(seeds, customers or corpus.CUSTOMERS, loaded, advance)
    if output is Format.JSON:
        show_json(found)
        return
    typer.echo(
        f"{found.customers:,} customers, {found.act['all'].stressed:,} of them stressed; {found.accounts:,} accounts, "
        f"{found.steady_account_months:,.0f} steady account-months.\n"
        "lead: days from the alert to the first missed instalment; after: days from onset to the alert (medians);\n"
        "alerts, accts: false alerts, and accounts that had one, per 1,000 steady accounts a month."
    )
    for level, severity, by_detector in (("act", "medium", found.act), ("watch", "low", found.watch)):
        typer.echo(f"\n{level}: severity {severity} or above")
        show([{"detector": name, **_told(figures)} for name, figures in by_detector.items()], output)
    typer.echo("\nall detectors, by scenario")
    show([_scenario(one) for one in found.scenarios], output)


def _told(figures: Any) -> dict[str, Any]:
    return {
        "caught": f"{figures.caught}/{figures.stressed}",
        "recall": _rounded(figures.recall),
        "prec.": _rounded(figures.precision),
        "lead": figures.lead_days,
        "after": figures.detection_days,
        "alerts": figures.alerts_per_1000,
        "accts": figures.accounts_per_1000,
    }


def _scenario(one: Any) -> dict[str, Any]:
    row = {"scenario": one.scenario, "customers": one.customers}
    for level, figures in (("act", one.act), ("watch", one.watch)):
        row[level] = f"{figures.caught}/{figures.stressed}" if figures.stressed else ""
        row[f"{level}_alerts"] = figures.alerts_per_1000
    return row


def _rounded(share: float | None) -> str:
    return "" if share is None else f"{share:.3f}"


def _text(file: Path | None) -> str:
    """The settings' text that a worker would run with."""
    from stream import app

    return app.configuration(settings.load(detectors_file=file)).files[app.DETECTORS]


def _load(text: str) -> Any:
    from stream.detectors import settings as detector_settings

    return detector_settings.load(text)


def _expect(name: str) -> None:
    if name not in OWN:
        raise typer.BadParameter(f"there is no detector {name}: it is one of {', '.join(OWN)}", param_hint="NAME")


def _doc(name: str) -> str:
    return inspect.getdoc(OWN[name]) or ""


def _parts(doc: str) -> dict[str, str]:
    """The parts of a detector's docstring by their heads; `summary` is its first line."""
    first, _, rest = doc.partition("\n")
    parts: dict[str, list[str]] = {}
    for line in rest.splitlines():
        if line and not line.startswith(" "):
            parts[line.lower().replace(" ", "_")] = own = []
        elif parts:
            own.append(line.removeprefix("    "))
    return {"summary": first, **{head: "\n".join(lines).strip() for head, lines in parts.items()}}


@contextmanager
def _progress() -> Iterator[Callable[[int], None]]:
    with Progress(
        SpinnerColumn(),
        TextColumn("scoring"),
        TextColumn("{task.completed:,.0f} events"),
        TimeElapsedColumn(),
        console=stderr,
        transient=True,
        disable=not stderr.is_terminal,
    ) as bar:
        task = bar.add_task("scoring", total=None)
        yield lambda events: bar.update(task, completed=events)
