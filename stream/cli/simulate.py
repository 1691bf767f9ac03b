"""`ews simulate`: seeded customers with life events and ground truth, into a folder or into Kafka.

`--corpus` writes the golden corpus instead: another mix of stories, a year of each, made for scoring detectors.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from confluent_kafka import KafkaException, Producer
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from stream.cli.console import Format, Output, show, show_json, stderr
from stream.cli.options import Bootstrap, Prefix
from stream.errors import EwsError, TopicsError
from stream.settings import Settings, load
from stream.simulate import SCENARIOS, Event, Truth, folder
from stream.simulate import simulate as events_of
from stream.simulate.calendars import add_months
from stream.simulate.corpus import FIRST_DAY as CORPUS_FIRST_DAY
from stream.simulate.corpus import STORIES, corpus
from stream.topics import CATALOGUE

NAMES = ", ".join(scenario.name for scenario in SCENARIOS)


def _flag(name: str, help_: str, **more: Any) -> Any:
    return typer.Option(f"--{name}", envvar=f"EWS_SIMULATE_{name.upper()}", help=help_, **more)


Out = Annotated[
    Path | None,
    typer.Argument(
        help="A new or empty folder. With --kafka it gets truth.jsonl alone, and may be left out."
    ),
]
Customers = Annotated[int | None, _flag("customers", "How many customers.", min=1, show_default="500; --corpus: 2000")]
Months = Annotated[int | None, _flag("months", "For how many months.", min=1, max=120, show_default="6; --corpus: 12")]
Seed = Annotated[int, _flag("seed", "The same seed gives the same bytes. Of the corpus, odd ones are for tuning.")]
Start = Annotated[
    datetime | None,
    _flag(
        "start",
        "The first day. Kafka deletes what is older than a topic's retention, and refuses what lies ahead.",
        formats=["%Y-%m-%d"],
        show_default="2026-01-01; --corpus: 2023-09-01",
    ),
]
Scenarios = Annotated[
    list[str] | None,
    _flag("scenario", f"Only this one; repeatable. Of: {NAMES}. The corpus has {len(STORIES)} of its own."),
]
Corpus = Annotated[bool, _flag("corpus", "The golden corpus that detectors are scored by.")]
Kafka = Annotated[
    bool, _flag("kafka", "Send to the topics that the settings name (EWS_BOOTSTRAP and so on), not to files.")
]
Rate = Annotated[float, _flag("rate", "With --kafka: events a second; 0 is as fast as it goes.", min=0)]
FIRST_DAY = date(2026, 1, 1)


def simulate(
    out: Out = None,
    customers: Customers = None,
    months: Months = None,
    seed: Seed = 1,
    start: Start = None,
    scenario: Scenarios = None,
    golden: Corpus = False,
    kafka: Kafka = False,
    rate: Rate = 0,
    bootstrap: Bootstrap = None,
    topic_prefix: Prefix = None,
    output: Output = Format.TABLE,
) -> None:
    """Simulate customers with life events: a folder for `ews replay`, or records for Kafka, and the truth."""
    if out is None and not kafka:
        raise typer.BadParameter("name a folder to write to, or use --kafka", param_hint="OUT")
    if rate and not kafka:
        raise typer.BadParameter("paces Kafka: add --kafka, or leave it out", param_hint="--rate")
    if out is not None and out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise typer.BadParameter("is there already: name a new folder, or empty it first", param_hint="OUT")
    first = start.date() if start else CORPUS_FIRST_DAY if golden else FIRST_DAY
    months = months or (12 if golden else 6)
    truths: list[Truth] = []
    try:
        if golden:
            events = corpus(seed, customers or 2000, first, months, tuple(scenario or ()), on_truth=truths.append)
        else:
            events = events_of(seed, customers or 500, first, months, scenario, on_truth=truths.append)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--months" if "months" in str(error) else "--scenario") from None
    with _progress(first, add_months(first, months)) as advance:
        try:
            if kafka:
                counts = send(load(bootstrap=bootstrap, topic_prefix=topic_prefix), events, rate, advance)
            else:
                assert out is not None
                counts = folder.write(out, events, advance)
            if out is not None:
                folder.write_truth(out, truths)
        except OSError as error:
            reason = f"cannot be written ({error.strerror}): choose a folder with space that you may write to"
            raise typer.BadParameter(reason, param_hint="OUT") from None
    _summary(output, out, counts, truths)


def send(
    settings: Settings,
    events: Iterable[Event],
    rate: float = 0,
    advance: Callable[[Event], None] | None = None,
) -> Counter[str]:
    """Sends events to the topics of the settings, `rate` a second (0: unpaced). Returns the events by topic.

    The record's timestamp is the event's `timestamp_ms`. Raises TopicsError: broker or topics are missing.
    EwsError: some records were not delivered.
    """
    config: dict[str, Any] = {
        **settings.librdkafka(),
        "partitioner": "consistent_random" if settings.partitioner == "crc32" else "murmur2_random",
        "enable.idempotence": True,
        "linger.ms": 20,
        "client.id": "ews-simulate",
    }
    producer = Producer(config, logger=_Silent())
    inputs = [settings.topic(topic.name) for topic in CATALOGUE if topic.role == "input"]
    try:
        there = producer.list_topics(timeout=15).topics
    except KafkaException as error:
        why = error.args[0].str()
        raise TopicsError(f"no broker answers at {settings.bootstrap} ({why}): check EWS_BOOTSTRAP") from None
    if missing := [name for name in inputs if name not in there]:
        raise TopicsError(f"topics are missing: {', '.join(missing)}. Run: ews topics create")

    failed: Counter[str] = Counter()

    def delivered(error: Any, _message: Any) -> None:
        if error is not None:
            failed[error.str()] += 1

    encode = msgspec.json.Encoder().encode
    counts: Counter[str] = Counter()
    started = time.monotonic()
    for sent, event in enumerate(events):
        if rate and (ahead := started + sent / rate - time.monotonic()) > 0:
            producer.poll(0)
            time.sleep(ahead)
        while True:
            try:
                producer.produce(
                    settings.topic(event.topic), encode(event.value), event.key,
                    timestamp=event.timestamp_ms, on_delivery=delivered,
                )  # fmt: skip
                break
            except BufferError:
                producer.poll(0.1)
        producer.poll(0)
        counts[event.topic] += 1
        if advance:
            advance(event)
    left = producer.flush(60)
    if failed or left:
        why = failed.most_common(1)[0][0] if failed else "timed out"
        lost = failed.total() + left
        raise EwsError(
            f"{lost} records were not delivered ({why}): mend that, and start anew on fresh topics"
        )
    return counts


class _Silent:
    """librdkafka's own log lines: what matters of them comes back as errors."""

    def log(self, *_: object, **__: object) -> None:
        pass


@contextmanager
def _progress(first: date, last: date) -> Iterator[Callable[[Event], None] | None]:
    """A bar over simulated time on stderr, if that is a terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    begin = datetime(first.year, first.month, first.day, tzinfo=UTC).timestamp() * 1000
    total = (last - first).days * 86_400_000
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=stderr, transient=True) as bar:
        task = bar.add_task(f"{first:%b %Y}", total=total)
        n = 0

        def advance(event: Event) -> None:
            nonlocal n
            n += 1
            if n % 500 == 0:
                shown = datetime.fromtimestamp(event.timestamp_ms / 1000, UTC)
                bar.update(task, completed=event.timestamp_ms - begin, description=f"{shown:%b %Y}")

        yield advance


def _summary(output: Format, out: Path | None, counts: Counter[str], truths: list[Truth]) -> None:
    scenarios = Counter(truth.scenario for truth in truths)
    stressed = Counter(truth.scenario for truth in truths if truth.state == "stressed")
    if output is Format.JSON:
        show_json(
            {
                "out": str(out) if out else None,
                "customers": len(truths),
                "stressed": stressed.total(),
                "events": counts.total(),
                "topics": dict(sorted(counts.items())),
                "scenarios": dict(sorted(scenarios.items())),
            }
        )
        return
    show([{"topic": name, "events": f"{count:,}"} for name, count in counts.most_common()], output)
    typer.echo()
    show(
        [
            {"scenario": name, "customers": f"{count:,}", "of them stressed": f"{stressed[name]:,}"}
            for name, count in scenarios.most_common()
        ],
        output,
    )
    typer.echo()
    told = f"{counts.total():,} events of {len(truths):,} customers, {stressed.total():,} of them stressed"
    typer.echo(f"{told}, in {out}" if out else told)
    if out and (out / "payments.jsonl").exists():
        typer.echo(f"next: ews replay {out} {out}-out")
