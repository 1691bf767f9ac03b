"""`ews dlq`: the records that could not be used, why, and back into their topics once they are mended."""

from __future__ import annotations

import base64
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from stream import settings
from stream.cli import options
from stream.cli.console import Format, Output, show, show_json, stderr
from stream.contracts import DECODE
from stream.contracts.envelope import unwrap
from stream.engine import redrive as engine
from stream.engine.redrive import Letter, Redriver
from stream.errors import BadRecord, ConfigurationError, EwsError, Reason
from stream.topics import ACCOUNTS_INPUTS, BY_NAME, CUSTOMERS_INPUTS

dlq = typer.Typer(help="List and show dead letters, and send them back into their topics once mended.", no_args_is_help=True)

INPUTS = tuple(sorted({*ACCOUNTS_INPUTS, *CUSTOMERS_INPUTS}))
EVERYBODY = b"*"
_AHEAD = timedelta(days=1)
_TIMES = ("occurred_at", "updated_at", "as_of", "at")


def _flag(name: str, help_: str, **more: Any) -> Any:
    return typer.Option(f"--{name}", envvar=f"EWS_DLQ_{name.upper().replace('-', '_')}", help=help_, **more)


TopicName = Annotated[str | None, _flag("topic", "Only records of this input.", metavar="TOPIC")]
Why = Annotated[Reason | None, _flag("reason", "Only those set aside for this reason.")]
Since = Annotated[str | None, _flag("since", "Only those set aside at this time or later (RFC 3339 with offset).")]
Until = Annotated[str | None, _flag("until", "Only those set aside before this time.")]


@dlq.command("list")
def list_(
    topic: TopicName = None,
    reason: Why = None,
    since: Since = None,
    until: Until = None,
    each: Annotated[bool, _flag("each", "A line for each dead letter, with its id, in place of counts.")] = False,
    bootstrap: options.Bootstrap = None,
    topic_prefix: options.Prefix = None,
    output: Output = Format.TABLE,
) -> None:
    """Counts dead letters by topic and reason: those that are open, and those that were redriven."""
    wanted = _filter(topic, reason, since, until)
    letters = engine.read(settings.load(bootstrap=bootstrap, topic_prefix=topic_prefix), wanted, values=False)
    if each:
        rows = [
            {
                "id": one.id, "reason": one.reason, "why": one.why, "set_aside": _time(one.at), "bytes": one.size,
                "redriven": _time(one.redriven_at),
            }
            for one in letters
        ]  # fmt: skip
        show(rows, output)
        return
    groups: dict[tuple[str, str], list[Letter]] = {}
    for one in letters:
        groups.setdefault((one.topic, one.reason), []).append(one)
    show(
        [
            {
                "topic": of,
                "reason": why,
                "open": sum(one.redriven_at is None for one in group),
                "redriven": sum(one.redriven_at is not None for one in group),
                "first": _time(min(one.at for one in group)),
                "last": _time(max(one.at for one in group)),
            }
            for (of, why), group in sorted(groups.items())
        ],
        output,
    )


@dlq.command("show")
def show_one(
    id_: Annotated[str, typer.Argument(metavar="ID", help="topic:partition:offset, as `ews dlq list --each` tells it.")],
    value: Annotated[
        bool, _flag("value", "Show key, value and headers too: they hold the customer's data.")
    ] = False,
    bootstrap: options.Bootstrap = None,
    topic_prefix: options.Prefix = None,
    output: Output = Format.TABLE,
) -> None:
    """Shows where a dead letter came from and why it was set aside. What it holds is masked unless --value is given."""
    loaded = settings.load(bootstrap=bootstrap, topic_prefix=topic_prefix)
    one = _chosen(engine.read(loaded, lambda letter: letter.id == id_), [id_])[0]
    told: dict[str, Any] = {
        "id": one.id,
        "topic": one.topic,
        "partition": one.partition,
        "offset": one.offset,
        "timestamp": _time(one.timestamp),
        "reason": one.reason,
        "why": one.why,
        "set_aside": _time(one.at),
        "version": one.version,
        "redriven": _time(one.redriven_at),
        "bytes": one.size,
        "sha256": one.sha256,
        "kept": one.kept,
    }
    if value:
        told |= {"key": _text(one.key), "value": _text(one.value)}
        told["headers"] = [[name, _text(content)] for name, content in one.headers]
    else:
        masked = "masked: may hold data of a customer; --value shows it"
        told |= {"key": masked, "value": masked, "headers": f"{len(one.headers)}, {masked}"}
    if output is Format.JSON:
        show_json(told)
    else:
        show([{"field": name, "what": content} for name, content in told.items()], output)


@dlq.command()
def redrive(
    ids: Annotated[
        list[str] | None, typer.Argument(metavar="[ID]...", help="These; without, all that the options choose.")
    ] = None,
    topic: TopicName = None,
    reason: Why = None,
    since: Since = None,
    until: Until = None,
    value_file: Annotated[
        Path | None,
        _flag("value-file", "Send what this file holds in place of the value: for one ID.", exists=True, dir_okay=False),
    ] = None,
    dry_run: Annotated[bool, _flag("dry-run", "Tell what would be sent, and send nothing.")] = False,
    yes: Annotated[bool, _flag("yes", "Do not ask.")] = False,
    bootstrap: options.Bootstrap = None,
    topic_prefix: options.Prefix = None,
    app: options.App = None,
    output: Output = Format.TABLE,
) -> None:
    """Sends dead letters back into their own topics, with their keys and headers and the header `ews-redriven`.

    What was redriven before is not sent again; what would be set aside again is not sent either, and told.
    """
    if not ids and (topic, reason, since, until) == (None, None, None, None):
        raise typer.BadParameter("say which: give IDs, or one of --topic, --reason, --since and --until", param_hint="ID")
    if value_file is not None and len(ids or ()) != 1:
        raise typer.BadParameter("mends one record: give its ID, and no other", param_hint="--value-file")
    loaded = settings.load(bootstrap=bootstrap, topic_prefix=topic_prefix, app=app)
    narrow = _filter(topic, reason, since, until)

    def wanted(letter: Letter) -> bool:
        return narrow(letter) and (not ids or letter.id in ids)

    # Opened before the marks are read: then nobody can send between the look and the sending.
    redriver = None if dry_run else Redriver(loaded)
    letters = engine.read(loaded, wanted)
    if ids:
        letters = _chosen(letters, ids)
    if value_file is not None:
        letters = [_mended(one, value_file) for one in letters]
    results = [(one, _result(one, datetime.now(UTC))) for one in letters]
    ready = [one for one, result in results if result == "ready"]
    if ready and redriver is not None:
        if not yes:
            _confirm(ready)
        for sent in redriver.send(ready):
            stderr.print(f"{sent} of {len(ready)} sent")
        results = [(one, "sent" if result == "ready" else result) for one, result in results]
    _tell(results, output)
    if left := sum(result not in ("ready", "sent", "redriven before") for _, result in results):
        raise EwsError(f"{left} of {len(results)} cannot be redriven: mend each with --value-file, or have it sent anew")


def _filter(topic: str | None, reason: Reason | None, since: str | None, until: str | None) -> Callable[[Letter], bool]:
    if topic is not None and topic not in INPUTS:
        raise typer.BadParameter(f"there is no input {topic}: it is one of {', '.join(INPUTS)}", param_hint="--topic")
    start, end = options.moment(since, "--since"), options.moment(until, "--until")

    def wanted(letter: Letter) -> bool:
        at = datetime.fromtimestamp(letter.at / 1000, UTC)
        return (
            (topic is None or letter.topic == topic)
            and (reason is None or letter.reason == reason.value)
            and (start is None or at >= start)
            and (end is None or at < end)
        )

    return wanted


def _chosen(letters: Sequence[Letter], ids: Sequence[str]) -> list[Letter]:
    """The letters of these ids, all of which must be there. Of a topic that was made anew, the later one has the id."""
    found = {one.id: one for one in sorted(letters, key=lambda one: one.at)}
    if missing := sorted(set(ids) - found.keys()):
        raise EwsError(f"no dead letter {', '.join(missing)}: `ews dlq list --each` tells the ids, topic:partition:offset")
    return list(found.values())


def _mended(letter: Letter, path: Path) -> Letter:
    try:
        value = path.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"--value-file: {path} cannot be read: {error.strerror}") from error
    return letter._replace(value=value, kept=True)


def _result(letter: Letter, now: datetime) -> str:
    """`ready`, or why it is not sent."""
    if letter.redriven_at is not None:
        return "redriven before"
    if letter.topic not in DECODE:
        return "of its moment alone" if letter.topic in BY_NAME else "of a topic that is no input of this job"
    if not letter.kept:
        return "too large to have been kept: its topic has it, as long as it lasts"
    bad = judged(letter.topic, letter.key, letter.value, letter.headers, now)
    return "ready" if bad is None else f"still bad: {bad}"


def judged(
    topic: str, key: bytes | None, value: bytes | None, headers: Sequence[tuple[str, bytes]], now: datetime
) -> BadRecord | None:
    """Why the job would set a record aside again if it came at this time, wherever its key belongs; None where it would not."""
    try:
        _judge(topic, key, value, headers, now)
    except BadRecord as bad:
        return bad
    return None


def _judge(topic: str, key: bytes | None, value: bytes | None, headers: Sequence[tuple[str, bytes]], now: datetime) -> None:
    if key is None:
        raise BadRecord(Reason.NULL_KEY, "", "a record without a key can only be sent anew")
    if value is None:
        if not BY_NAME[topic].compacted:
            raise BadRecord(Reason.NULL_VALUE)
        return
    record: Any = DECODE[topic](unwrap(value, headers))
    field = BY_NAME[topic].key
    owner = getattr(record, field)
    if key != (EVERYBODY if owner is None else owner.encode()):
        raise BadRecord(Reason.KEY_MISMATCH, field)
    if next(getattr(record, name) for name in _TIMES if hasattr(record, name)) > now + _AHEAD:
        raise BadRecord(Reason.TOO_FAR_AHEAD)


def _confirm(ready: Sequence[Letter]) -> None:
    by_topic = ", ".join(f"{count} to {topic}" for topic, count in sorted(Counter(one.topic for one in ready).items()))
    if not sys.stdin.isatty():
        raise typer.BadParameter(f"would send {by_topic}, and nobody is there to be asked: give --yes", param_hint="--yes")
    typer.confirm(f"Send {by_topic}?", abort=True, err=True)


def _tell(results: Sequence[tuple[Letter, str]], output: Format) -> None:
    if output is Format.JSON:
        show_json([{"id": one.id, "topic": one.topic, "reason": one.reason, "result": result} for one, result in results])
        return
    counts = Counter((one.topic, one.reason, result) for one, result in results)
    show([{"topic": t, "reason": r, "result": what, "count": count} for (t, r, what), count in sorted(counts.items())], output)


def _time(at: int | None) -> str | None:
    return None if at is None else datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="milliseconds")


def _text(data: bytes | None) -> str | None:
    """As text, or in base64 where it is none."""
    if data is None:
        return None
    try:
        return data.decode()
    except UnicodeDecodeError:
        return "base64:" + base64.b64encode(data).decode()
