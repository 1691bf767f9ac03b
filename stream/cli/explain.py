"""`ews explain`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from stream import settings
from stream.cli import options
from stream.cli.console import Format, Output, show_json
from stream.errors import ConfigurationError, EwsError
from stream.settings import Settings

KINDS = {"signals": "signal", "nudges": "nudge", "escalations": "escalation", "decisions": "decision"}


def explain(
    id_: Annotated[str, typer.Argument(metavar="ID", help="A signal_id, nudge_id, escalation_id or decision_id.")],
    folder: Annotated[
        Path | None, typer.Option("--in", envvar="EWS_IN", help="Look in this output folder of `ews replay`, not in Kafka.")
    ] = None,
    bootstrap: options.Bootstrap = None,
    topic_prefix: options.Prefix = None,
    app: options.App = None,
    output: Output = Format.TABLE,
) -> None:
    """Tells why: the evidence of a signal, nudge, escalation or decision, as text a person can read."""
    from stream.treatment.explain import explain as tell

    loaded = settings.load(bootstrap=bootstrap, topic_prefix=topic_prefix, app=app)
    needle = id_.encode()
    found = next(
        (
            (topic, record)
            for topic, _, value in _records(loaded, folder, None)
            if needle in value and (record := _decode(value))[f"{KINDS[topic]}_id"] == id_
        ),
        None,
    )
    if found is None:
        where = str(folder) if folder is not None else f"the output topics at {loaded.bootstrap}"
        raise EwsError(f"{id_} is not in {where}: is it the id of a signal, nudge, escalation or decision, and whole?")
    topic, record = found
    related: dict[str, list[dict[str, Any]]] = {name: [] for name in KINDS}
    for name, _, value in _records(loaded, folder, record["customer_id"].encode()):
        related[name].append(_decode(value))
    history = [one for one in related[topic] if one[f"{KINDS[topic]}_id"] == id_] or [record]
    record = history[-1]  # as it is now: it may have changed, or been withdrawn
    if output is Format.JSON:
        show_json({"kind": KINDS[topic], "record": record, "history": history})
    else:
        typer.echo(tell(KINDS[topic], record, related))


class _Keyed(msgspec.Struct):
    """The one field that says whose line it is."""

    key: str = msgspec.field(name="_key")


_key = msgspec.json.Decoder(_Keyed).decode


def _decode(value: bytes) -> dict[str, Any]:
    record: dict[str, Any] = msgspec.json.decode(value)
    return record


def _records(loaded: Settings, folder: Path | None, customer: bytes | None) -> Iterator[tuple[str, bytes, bytes]]:
    """Topic, key and value of all outputs, or of one customer's."""
    if folder is None:
        from stream.engine import rerun

        yield from rerun.committed(loaded, tuple(KINDS), customer)
        return
    if not any((folder / f"{topic}.jsonl").is_file() for topic in KINDS):
        raise ConfigurationError(f"--in: {folder} holds no outputs of `ews replay`")
    for topic in KINDS:
        path = folder / f"{topic}.jsonl"
        if not path.is_file():
            continue
        with path.open("rb") as file:
            for line in file:
                key = _key(line).key.encode() if customer is not None else b""
                if customer is None or key == customer:
                    yield topic, key, line
