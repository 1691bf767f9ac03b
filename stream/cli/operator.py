"""`ews operator`: a person's word over the job, written to `operator-actions`.

A word about one customer lies under their id in their partition. A word for everybody is one event under the key `*` in every
partition: no partition hears another's.
"""

from __future__ import annotations

import getpass
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import uuid4

import msgspec
import typer
from confluent_kafka import KafkaError

from stream import settings
from stream.cli import options
from stream.cli.console import Format, Output, show, show_json
from stream.contracts import operator_actions
from stream.contracts.operator_actions import OperatorActionRecord
from stream.contracts.vocabulary import Action
from stream.detectors.registry import NAMES
from stream.errors import BadRecord, EwsError
from stream.rights import Right

operator = typer.Typer(
    help="Stop, resume and snooze nudges, of one customer or of everybody, and release the breaker: by a person, with a reason.",
    no_args_is_help=True,
)

TOPIC = "operator-actions"
EVERYBODY = "*"
"""The key of what concerns everybody."""


def _flag(name: str, help_: str, **more: Any) -> Any:
    return typer.Option(f"--{name}", envvar=f"EWS_OPERATOR_{name.upper().replace('-', '_')}", help=help_, **more)


Customer = Annotated[str | None, _flag("customer", "The customer_id of the one person it is about.", metavar="ID")]
Everybody = Annotated[bool, _flag("everybody", "It is about all customers.")]
Why = Annotated[str, _flag("why", "The reason; it is kept with the event.")]
Who = Annotated[str | None, _flag("who", "Whose word it is.", show_default="the login name")]
Detector = Annotated[str | None, _flag("detector", "Only nudges that rest on this detector's signals; see `ews detectors list`.")]
Until = Annotated[str | None, _flag("until", "When it ends by itself (RFC 3339 with offset).", show_default="never")]
EventId = Annotated[
    str | None,
    _flag("event-id", "The id of an event that did not reach every partition: writes it again, and counts once.", metavar="ID"),
]
DryRun = Annotated[bool, _flag("dry-run", "Print the event, and write nothing.")]


@operator.command()
def stop(
    why: Why,
    customer: Customer = None,
    everybody: Everybody = False,
    who: Who = None,
    event_id: EventId = None,
    dry_run: DryRun = False,
    bootstrap: options.Bootstrap = None,
    topic_prefix: options.Prefix = None,
    output: Output = Format.TABLE,
) -> None:
    """Stops all nudges, of one customer or of everybody, until `resume`; those that wait to be sent are withdrawn.

    Signals and escalations go on: staff still hear of who needs help.
    """
    event = _event("stop_nudges", _about(customer, everybody), why, who, event_id)
    _send(event, dry_run, bootstrap, topic_prefix, output)


@operator.command()
def resume(
    why: Why,
    customer: Customer = None,
    everybody: Everybody = False,
    who: Who = None,
    event_id: EventId = None,
    dry_run: DryRun = False,
    bootstrap: options.Bootstrap = None,
    topic_prefix: options.Prefix = None,
    output: Output = Format.TABLE,
) -> None:
    """Takes a `stop` back: that of the customer, or that of everybody.

    The one does not take back the other: whoever was stopped by name stays stopped when everybody is resumed.
    """
    event = _event("resume_nudges", _about(customer, everybody), why, who, event_id)
    _send(event, dry_run, bootstrap, topic_prefix, output)


@operator.command()
def snooze(
    why: Why,
    customer: Customer = None,
    everybody: Everybody = False,
    detector: Detector = None,
    until: Until = None,
    who: Who = None,
    event_id: EventId = None,
    dry_run: DryRun = False,
    bootstrap: options.Bootstrap = None,
    topic_prefix: options.Prefix = None,
    output: Output = Format.TABLE,
) -> None:
    """Silences nudges for a while, of one customer or of everybody; with --detector those that rest on it alone.

    A nudge that also rests on another detector's signals is not silenced by --detector.
    """
    ends = options.moment(until, "--until")
    if ends is not None and ends <= datetime.now(UTC):
        raise typer.BadParameter("is over already: name a time that is still to come", param_hint="--until")
    about = _about(customer, everybody)
    event = _event("snooze", about, why, who, event_id, detector=_known(detector), until=ends)
    _send(event, dry_run, bootstrap, topic_prefix, output)


@operator.command()
def unsnooze(
    why: Why,
    customer: Customer = None,
    everybody: Everybody = False,
    detector: Detector = None,
    who: Who = None,
    event_id: EventId = None,
    dry_run: DryRun = False,
    bootstrap: options.Bootstrap = None,
    topic_prefix: options.Prefix = None,
    output: Output = Format.TABLE,
) -> None:
    """Ends a `snooze` before its time: give the same --customer or --everybody, and the same --detector or none, as it had."""
    event = _event("unsnooze", _about(customer, everybody), why, who, event_id, detector=_known(detector))
    _send(event, dry_run, bootstrap, topic_prefix, output)


@operator.command()
def release(
    why: Why,
    who: Who = None,
    event_id: EventId = None,
    dry_run: DryRun = False,
    bootstrap: options.Bootstrap = None,
    topic_prefix: options.Prefix = None,
    output: Output = Format.TABLE,
) -> None:
    """Releases the blast-radius breaker, for everybody: a person has looked at why so many nudges were due at once.

    `ews operator release` and `ews policy release` are one command.
    """
    _send(_event("release_breaker", None, why, who, event_id), dry_run, bootstrap, topic_prefix, output)


def _about(customer: str | None, everybody: bool) -> str | None:
    """The customer, or None for everybody."""
    if (customer is not None) == everybody:
        raise typer.BadParameter("give one of --customer ID and --everybody, and not both", param_hint="--customer")
    if customer == EVERYBODY:
        raise typer.BadParameter("is no customer: for all of them say --everybody", param_hint="--customer")
    return customer


def _known(detector: str | None) -> str | None:
    if detector is not None and detector not in NAMES:
        raise typer.BadParameter(f"there is no {detector}: it is one of {', '.join(NAMES)}", param_hint="--detector")
    return detector


def _event(
    action: Action,
    customer: str | None,
    why: str,
    who: str | None,
    event_id: str | None,
    *,
    detector: str | None = None,
    until: datetime | None = None,
) -> OperatorActionRecord:
    now = datetime.now(UTC)
    return OperatorActionRecord(
        event_id=uuid4().hex if event_id is None else event_id,
        occurred_at=now.replace(microsecond=now.microsecond // 1000 * 1000),  # a record's timestamp has milliseconds
        action=action,
        customer_id=customer,
        detector=detector,
        until=until,
        who=_said(_login() if who is None else who, "--who"),
        why=_said(why, "--why"),
    )


def _send(event: OperatorActionRecord, dry_run: bool, bootstrap: str | None, topic_prefix: str | None, output: Format) -> None:
    value, told = _checked(event), msgspec.to_builtins(event)
    if dry_run:
        if output is Format.JSON:
            show_json(told)
        else:
            show([{"field": name, "value": text} for name, text in told.items()], output)
        return

    from stream.engine import rerun
    from stream.engine.deliver import deliver
    from stream.engine.partitioner import partition_of

    loaded = settings.load(bootstrap=bootstrap, topic_prefix=topic_prefix)
    topic = loaded.topic(TOPIC)
    count = rerun.partitions(loaded, (TOPIC,))
    key = (event.customer_id or EVERYBODY).encode()
    partitions = range(count) if event.customer_id is None else (partition_of(key, count, loaded.partitioner),)
    delivery = deliver(loaded, topic, partitions, key, value, round(event.occurred_at.timestamp() * 1000))
    if output is Format.JSON:
        show_json({"event": told, "topic": topic, "partitions": delivery.written, "missing": list(delivery.missing)})
    elif delivery.written:
        about = event.customer_id or "everybody"
        row = {"event_id": event.event_id, "action": event.action, "about": about, "partitions": _spans(delivery.written)}
        show([row], output)
    if delivery.missing:
        raise _failed(event.event_id, topic, delivery.written, delivery.missing)


def _failed(event_id: str, topic: str, written: Sequence[int], missing: dict[int, KafkaError]) -> EwsError:
    from stream.engine import denials

    why = next(iter(missing.values()))
    if not written and why.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED:
        return denials.missing([Right("topic", topic, "Write")])
    where = f"is in partitions {_spans(written)} of {topic}, and was" if written else "was"
    missed = f"partition{'s' if len(missing) > 1 else ''} {_spans(list(missing))}" + ("" if written else f" of {topic}")
    return EwsError(
        f"event {event_id} {where} not acknowledged in {missed} ({why.str()}): customers there may not be reached. Mend that, "
        f"and give the same command with --event-id {event_id}: that is safe, a partition that has it counts it once"
    )


def _said(text: str, option: str) -> str:
    if not text.strip():
        raise typer.BadParameter("must not be empty", param_hint=option)
    return text.strip()


def _login() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container's user without a name
        raise typer.BadParameter("this login has no name: say whose word it is", param_hint="--who") from None


def _checked(event: OperatorActionRecord) -> bytes:
    """The bytes of an event that the job will take."""
    try:
        value = operator_actions.encode(event)
        operator_actions.decode(value)
    except UnicodeEncodeError:
        raise typer.BadParameter("not UTF-8: look at what was given for --customer, --who, --why and --event-id") from None
    except BadRecord as bad:
        option = "--" + bad.field.removesuffix("_id" if bad.field == "customer_id" else "").replace("_", "-")
        raise typer.BadParameter(bad.why, param_hint=option) from None
    return value


def _spans(numbers: Sequence[int]) -> str:
    """Ascending numbers as text.

    >>> _spans([0, 1, 2, 5, 7, 8])
    '0-2, 5, 7-8'
    """
    spans: list[list[int]] = []
    for number in numbers:
        if spans and number == spans[-1][-1] + 1:
            spans[-1][1:] = [number]
        else:
            spans.append([number])
    return ", ".join("-".join(map(str, span)) for span in spans)
