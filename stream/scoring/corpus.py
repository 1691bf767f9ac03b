"""The accounts stage over a corpus: what it says of simulated customers, and what that is worth.

Nothing is written and no broker is needed. The customers stage stays out: what is scored are signals. Batches reach over six
hours of event time, so what an event makes due within so short a time is seen that much late at most; the days counted
here do not depend on it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from stream.detectors.registry import NAMES
from stream.engine import files
from stream.engine.offline import Line, merge
from stream.engine.step import Output
from stream.errors import ConfigurationError
from stream.scoring.alone import accounts_alone
from stream.scoring.score import Observed, Said, Score, Truth, observe, score, together
from stream.simulate.corpus import corpus
from stream.simulate.event import CorpusTruth
from stream.topics import ACCOUNTS_INPUTS, BY_NAME, Rank

TRUTH: Final = "truth.jsonl"
PUBLISHED: Final = (2, 4)
"""Seeds whose figures are published. The detectors are tuned on odd seeds, and never on these."""
CUSTOMERS: Final = 2_000

SAMPLE: Final = (2, 300)
"""Seed and customers of the run that the test suite holds against the published figures."""

_SPAN_MS: Final = 6 * 3_600_000

Progress = Callable[[int], None]
"""Called now and then with the events read so far."""

_said = msgspec.json.Decoder(Said).decode
_truth = msgspec.json.Decoder(Truth).decode


def of_folder(folder: Path, settings: Any, progress: Progress | None = None) -> Observed:
    """A folder of `<topic>.jsonl` and `truth.jsonl`. ConfigurationError: it holds none, or truth that cannot be read."""
    found = {topic: path for topic, path in files.find(folder).items() if topic in ACCOUNTS_INPUTS}
    try:
        truths = [_truth(line) for line in (folder / TRUTH).read_bytes().splitlines()]
    except (OSError, msgspec.MsgspecError) as error:
        raise ConfigurationError(f"{folder / TRUTH}: {error}") from None
    return _observe(merge({topic: files.lines(topic, path) for topic, path in found.items()}), truths, settings, progress, "")


def of_seed(seed: int, customers: int, settings: Any, progress: Progress | None = None) -> Observed:
    """The golden corpus of a seed."""
    truths: list[Truth] = []

    def on_truth(truth: CorpusTruth) -> None:
        truths.append(msgspec.convert(truth, Truth, from_attributes=True))

    events = corpus(seed, customers, on_truth=on_truth)
    encode = msgspec.json.Encoder().encode
    lines = (
        (event.topic, Line(0, event.timestamp_ms, event.key.encode(), encode(event.value)))
        for event in events
        if event.topic in ACCOUNTS_INPUTS
    )
    return _observe(lines, truths, settings, progress, str(seed))


def score_seeds(seeds: Sequence[int], customers: int, settings: Any, progress: Progress | None = None) -> Score:
    """The figures over several seeds together."""
    return score(together(of_seed(seed, customers, settings, progress) for seed in seeds), NAMES)


def _observe(
    records: Iterable[tuple[str, Line]], truths: list[Truth], settings: Any, progress: Progress | None, run: str
) -> Observed:
    said: list[Said] = []
    times: list[int] = []

    def hear(output: Output) -> None:
        if output.topic == "signals" and output.value is not None:
            said.append(_said(output.value))

    def timed() -> Iterator[tuple[str, Line]]:
        first = last = 0
        for topic, line in records:
            if BY_NAME[topic].rank is Rank.EVENTS:
                first, last = first or line.timestamp, max(last, line.timestamp)
            yield topic, line
        times.extend((first, last))

    job = accounts_alone(settings, hear, span_ms=_SPAN_MS)
    for events in job.run(timed()):
        if progress is not None:
            progress(events)
    truths.sort(key=lambda truth: truth.customer_id)
    return observe(truths, said, times[0], times[1], run)
