"""What docs/performance.md says of the kept results; `docs/generate.py` puts it there, and the pictures into docs/img.

A result that was not taken makes its part say how to take it. Figures are never judged better than they are: a target is met
when every distribution of the accounts met it.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from bench import plot

RESULTS = Path(__file__).parent / "results"
SHAPES = ("zipf", "uniform")
STAGE, EVERYTHING = "ews: accounts stage", "ews: everything"
Round = dict[str, Any]


def kept(name: str) -> Any:
    """The results of a bench; None where there are none."""
    file = RESULTS / f"{name}.json"
    return json.loads(file.read_text("utf-8")) if file.exists() else None


def _missing(command: str) -> str:
    return f"Not measured yet: `python -m bench.{command}` does."


def _met(met: bool) -> str:
    return "met" if met else "**not met**"


def taken(machine: dict[str, Any] | None, load: float | None = None) -> str:
    """On what, and when."""
    if machine is None:
        return "Machine and day were not kept."
    memory = f", {machine['memory_gib']} GiB" if "memory_gib" in machine else ""
    day = machine.get("date", "a day that was not kept")
    busy = "" if load is None else f"; the machine's load was {load:g} when it ended"
    return f"Taken on {machine['cpu']}, {machine['cores']} cores{memory}, Python {machine['python']}; {day}{busy}."


def table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> Iterator[str]:
    """A table of Markdown."""
    heads = list(heads)
    yield "| " + " | ".join(heads) + " |"
    yield "|---" + "|--:" * (len(heads) - 1) + "|"
    for row in rows:
        yield "| " + " | ".join(row) + " |"


# --- the reference job


def _rate(one: Round, name: str) -> float | None:
    found = one.get(name)
    return found["events_per_second"] if isinstance(found, dict) else None


def _streams(one: Round) -> float | None:
    return max((rate for name in one if name.startswith("kafka streams") and (rate := _rate(one, name))), default=None)


class Target(NamedTuple):
    """What ours is to be, in times of another of the same round."""

    ours: str
    least: float
    of: str
    other: Callable[[Round], float | None]


TARGETS = (
    Target(STAGE, 0.42, "the floor", lambda one: _rate(one, "floor")),
    Target(EVERYTHING, 0.28, "the floor", lambda one: _rate(one, "floor")),
    Target(STAGE, 2, "Kafka Streams, the quickest of its variants", _streams),
    Target(STAGE, 4, "Quix Streams", lambda one: _rate(one, "quix streams")),
    Target(STAGE, 40, "stock Faust", lambda one: _rate(one, "stock faust")),
)


def reached(target: Target, rounds: list[Round]) -> float | None:
    """The median over the rounds; None where one of the two was never measured."""
    pairs = [(_rate(one, target.ours), target.other(one)) for one in rounds]
    found = [ours / other for ours, other in pairs if ours and other]
    return statistics.median(found) if found else None


def verdict(target: Target, found: list[float | None]) -> str:
    """Met, not met, or not measured."""
    if any(each is not None and each < target.least for each in found):
        return "**not met**"
    return "met" if all(each is not None for each in found) else "not measured"


def _shares(rounds: list[Round]) -> dict[str, tuple[float, float] | None]:
    """By peer: median events a second, and median share of the floor of the same round."""
    found: dict[str, tuple[float, float] | None] = {}
    for name in rounds[0]:
        pairs = [(rate, floor) for one in rounds if (rate := _rate(one, name)) and (floor := _rate(one, "floor"))]
        found[name] = (statistics.median(a for a, _ in pairs), statistics.median(a / b for a, b in pairs)) if pairs else None
    return found


def compare() -> Iterator[str]:
    """The reference job by all, and the targets."""
    result = kept("compare")
    if result is None:
        yield _missing("compare")
        return
    shapes = [shape for shape in SHAPES if result.get(shape)]
    by_shape = {shape: _shares(result[shape]) for shape in shapes}
    yield "![Events a second of each, as bars](img/compare.svg)"
    yield ""
    heads = ["", *(f"{head}, {shape}" for shape in shapes for head in ("events/s", "of the floor"))]
    rows, absent = [], []
    for name in result[shapes[0]][0]:
        cells = [name]
        for shape in shapes:
            if (found := by_shape[shape].get(name)) is None:
                cells += ["", ""]
                absent.append(f"{name} ({shape}): {result[shape][0].get(name, 'not run')}")
            else:
                cells += [f"{found[0]:,.0f}", f"{found[1]:.3f}"]
        rows.append(cells)
    yield from table(heads, rows)
    yield ""
    for line in absent:
        yield f"- Left out: {' '.join(line.split())}"
    if absent:
        yield ""
    rows = []
    for target in TARGETS:
        found = [reached(target, result[shape]) for shape in shapes]
        told = ["" if each is None else f"{each:.2f}" for each in found]
        rows.append([f"{target.ours}: at least {target.least:g} x {target.of}", *told, verdict(target, found)])
    yield from table(["target", *shapes, ""], rows)
    yield ""
    rounds = len(result[shapes[0]])
    yield (
        f"{result['events']:,} events over {result['accounts']:,} accounts, medians of {rounds} round{'s' * (rounds > 1)}; "
        f"the ratio is that of each round. {taken(result.get('machine'))}"
    )


def compare_picture() -> str | None:
    """The reference job by all, as bars."""
    result = kept("compare")
    if result is None:
        return None
    shape = next(shape for shape in SHAPES if result.get(shape))
    found = {name: each for name, each in _shares(result[shape]).items() if each}
    rows = [(name, rate, f"{rate:,.0f}/s, {share:.2f}") for name, (rate, share) in found.items()]
    return plot.bars(f"The reference job ({shape}): events a second of one process, share of the floor", rows, "ews")


# --- where the time goes

PARTS = {
    "fetch, send and loop": "aiokafka both ways, the transaction's requests, the loop, waiting chunks",
    "read": "decode and columns: bytes to one array of events (payments are scanned straight into it)",
    "pass": "step: every detector over the events, rows changed in place",
    "apply, the rest": "rows found by key, findings put into words, counting",
    "drain": "changelog: changed rows as bytes",
    "batches": "outputs and changelog: records put into batches, checkpoint and journal among them",
}


def parts() -> Iterator[str]:
    """Where each microsecond of the accounts stage goes."""
    result = kept("compare")
    runs = [] if result is None else [one for shape in SHAPES for one in result.get(shape, ())]
    split = [one[STAGE]["cpu_us_per_event_by_part"] for one in runs if "cpu_us_per_event_by_part" in one.get(STAGE, ())]
    if not split:
        yield _missing("compare")
    else:
        rows = [(name, what, f"{statistics.median(one[name] for one in split):.2f}") for name, what in PARTS.items()]
        whole = statistics.median(sum(one.values()) for one in split)
        yield from table(("part", "what", "µs CPU an event"), (*rows, ("all", "", f"{whole:.2f}")))
        floor = [one["floor"]["cpu_us_per_event"] for one in runs if isinstance(one.get("floor"), dict)]
        if floor:
            yield ""
            yield f"The floor, which only fetches and decodes, takes {statistics.median(floor):.2f} µs of CPU an event."
        yield ""
        yield f"One worker in the reference job, its second half, medians of {len(split)} runs. {taken(result.get('machine'))}"


def process() -> Iterator[str]:
    """What a core does without Kafka."""
    if (found := kept("detectors")) is None:
        yield f"Detectors. {_missing('detectors')}"
    else:
        cost = found["us_an_event"]
        said = _met(cost["pass"] <= found["limit_us"])
        yield (
            f"Detectors, a simulated year, µs an event: {cost['read']:.2f} to read, {cost['pass']:.2f} for all detectors "
            f"(target: at most {found['limit_us']:g}; {said}), {cost['drain']:.2f} to drain, {cost['all']:.2f} in all. Of "
            f"{found['rounds']} rounds the quickest. {taken(found['machine'])}"
        )
    yield ""
    if (found := kept("customers")) is None:
        yield f"Customers. {_missing('customers')}"
    else:
        rounds = found["rounds"]
        every = max(one["all"]["signals_per_second"] for one in rounds)
        alone = max(one["signals_alone"]["signals_per_second"] for one in rounds)
        yield (
            f"Customers stage, one core: {every:,} signals a second with all that lies between them, {alone:,} of signals alone "
            f"(target: {found['target']:,}; {_met(alone >= found['target'])}). Of {len(rounds)} rounds the quickest. "
            f"{taken(found['machine'])}"
        )
    yield ""
    if (found := kept("instructions")) is None:
        yield f"Instructions. {_missing('instructions --write')}"
    else:
        yield (
            f"Instructions of the accounts stage an event, which no load changes: {found['read']:,} to read, "
            f"{found['apply']:,} to apply (reading included), {found['drain']:,} to drain. {taken(found.get('machine'))}"
        )


def throughput() -> Iterator[str]:
    """One worker over simulated events."""
    result = kept("throughput")
    if result is None:
        yield _missing("throughput")
        return
    rows = []
    for name, words in (("accounts", "accounts stage alone"), ("both", "the whole job")):
        runs = [one[name] for one in result["rounds"]]
        rates = [one["events_per_second"] for one in runs]
        cpu = statistics.median(one["cpu_us_per_event"] for one in runs)
        rows.append((words, f"{statistics.median(rates):,.0f}", f"{min(rates):,.0f} to {max(rates):,.0f}", f"{cpu:.1f}"))
    yield from table(("one worker, exactly once", "events/s", "rounds", "µs CPU an event, start-up included"), rows)
    yield ""
    yield f"{result['rounds'][0]['both']['events']:,} simulated events. {taken(result['machine'])}"


# --- latency


def _at_rates(result: dict[str, Any]) -> list[dict[str, Any]]:
    """The runs with the default interval, one a rate."""
    from bench.latency import INTERVAL, RATES

    runs = {run["rate"]: run for run in result["runs"] if run["commit_interval_ms"] == INTERVAL}
    return [runs[rate] for rate in RATES if rate in runs]


def latency() -> Iterator[str]:
    """From the bounce to the nudge at several rates, and over the knob."""
    from bench.latency import CURVE_RATE, INTERVAL, RATES

    result = kept("latency")
    if result is None:
        yield _missing("latency")
        return
    runs = _at_rates(result)
    yield "![Histogram of the time from the bounce to the nudge](img/latency.svg)"
    yield ""
    heads = ("events/s wanted", "sent", *_LATENCIES)
    yield from table(heads, ((f"{run['rate']:,}", f"{run['sent']:,}", *_latencies(run)) for run in runs))
    yield ""
    if absent := [rate for rate in RATES if rate not in {run["rate"] for run in runs}]:
        yield f"At {' and '.join(f'{rate:,}' for rate in absent)} events a second: {_lower(_missing('latency'))}"
        yield ""
    yield f"A commit every {INTERVAL} ms, the default of `EWS_COMMIT_INTERVAL_MS`. {taken(result['machine'])}"
    yield ""
    curve = sorted((run for run in result["runs"] if run["rate"] == CURVE_RATE), key=lambda run: run["commit_interval_ms"])
    if len(curve) < 2:
        yield f"Over the commit interval: {_lower(_missing('latency'))}"
        return
    yield f"The same at {CURVE_RATE:,} events a second, over the one knob:"
    yield ""
    rows = ((str(run["commit_interval_ms"]), *_latencies(run)) for run in curve)
    yield from table(("`EWS_COMMIT_INTERVAL_MS`", *_LATENCIES), rows)


_LATENCIES = ("signal p50, ms", "p99", "nudge p50, ms", "p99")


def _latencies(run: dict[str, Any]) -> Iterator[str]:
    return (f"{run[topic][at]:,}" for topic in ("signals", "nudges") for at in ("p50_ms", "p99_ms"))


def _lower(text: str) -> str:
    return text[0].lower() + text[1:]


def latency_picture() -> str | None:
    """The time to the nudge, a histogram for each rate."""
    result = kept("latency")
    if result is None:
        return None
    panels = []
    for run in _at_rates(result):
        found = run["nudges"]
        beyond = found["count"] - sum(found["histogram_50ms"])
        name = f"{run['rate']:,} events a second: {found['count']} nudges" + (f", {beyond} later than shown" if beyond else "")
        marks = [(f"{at} {found[f'{at}_ms']} ms", found[f"{at}_ms"]) for at in ("p50", "p99")]
        panels.append((name, found["histogram_50ms"], marks))
    return plot.histograms("From sending the bounce to reading the nudge", panels, 50) if panels else None


# --- state


def state() -> Iterator[str]:
    """What is known: its memory, its restore, its start."""
    result = kept("limits") or {}
    for part, told in (("accounts", _accounts), ("state", _weights), ("partitions", _partitions), ("backlog", _backlog)):
        if (found := result.get(part)) is None:
            yield f"{part.capitalize()}. {_missing(f'limits {part}')}"
        else:
            yield from told(found)
            yield ""
            yield taken(found.get("machine"), found.get("load"))
        yield ""
    yield from _startup()


def _startup() -> Iterator[str]:
    if (found := kept("startup")) is None:
        yield f"Start. {_missing('startup')}"
        return
    told = []
    for name, words, most in (("warm", "with its detectors compiled, as in the image", 3), ("cold", "with nothing compiled", 20)):
        seconds = found[name]["signal_seconds"]
        said = _met(seconds <= most)
        told.append(f"{seconds:g} s {words} (target: at most {most}; {said})")
    yield f"From its start to its first signal a worker takes {' and '.join(told)}. {taken(found['machine'])}"


def _accounts(found: dict[str, Any]) -> Iterator[str]:
    yield (
        f"A worker read {found['accounts']:,} accounts back in {found['restore_seconds']:g} s: "
        f"{found['rows_per_second']:,} rows a second. Each takes {found['bytes_an_account']:,} bytes of memory and "
        f"{found['bytes_written_an_account']:,} in the changelog; {100 * found['open_episodes_share']:.0f} % have an open "
        "episode, far more than at a bank."
    )
    if (few := found.get("few")) is not None:
        more = 100 * (found["cpu_us_per_event"] / few["cpu_us_per_event"] - 1)
        said = _met(more <= 20)
        yield ""
        yield (
            f"A payment then takes {found['cpu_us_per_event']:g} µs of CPU, with {few['accounts']:,} accounts "
            f"{few['cpu_us_per_event']:g}: {more:.0f} % more (target: at most 20; {said})."
        )


def _weights(found: dict[str, Any]) -> Iterator[str]:
    names = {"steady_account": "a steady account", "open_account": "an account with an open episode", "customer": "a customer"}
    rows = (
        (words, f"{found[name]['bytes_in_memory']:,}", f"{found[name]['bytes_written']:,}", f"{found[name]['rows']:g}")
        for name, words in names.items()
    )
    yield from table(("", "bytes of memory", "bytes in the changelog", "rows"), rows)


def _partitions(found: dict[str, Any]) -> Iterator[str]:
    yield (
        f"A worker with {found['partitions']} partitions of both stages is open after {found['seconds_to_open_fresh']:g} s; "
        f"with state ({found['rows_restored']:,} rows) after {found['seconds_to_open_with_state']:g} s. Idle it takes "
        f"{100 * found['idle_cpu_share_of_a_core']:.0f} % of a core and {found['idle_mb']:,} MB."
    )


def _backlog(found: dict[str, Any]) -> Iterator[str]:
    yield (
        f"Catching up with {found['events']:,} events a worker took {found['mb_peak_undisturbed'] - found['mb_before']:,} MB "
        f"more than before, under a broker that stops and starts no more than {found['mb_peak_after'] - found['mb_before']:,} MB."
    )


# --- scale


def scale() -> Iterator[str]:
    """CPU an event by workers, and the pause when one joins."""
    result = kept("scale")
    if result is None:
        yield _missing("scale")
        return
    rows = [
        (str(run["workers"]), f"{run['cpu_us_per_event']:.1f}", f"{100 * run['largest_share']:.0f} %") for run in result["runs"]
    ]
    yield from table(("workers", "µs CPU an event, of all", "the busiest had"), rows)
    yield ""
    if result.get("rebalances"):
        rows = [
            (f"{one['from']} to {one['to']}", f"{max(one['pause_ms']):,}", _list(one["pause_ms"]), f"{max(one['calm_ms']):,}")
            for one in result["rebalances"]
        ]
        yield from table(("workers", "longest pause, ms", "of each partition", "longest without a rebalance, ms"), rows)
        yield ""
        yield f"Pauses at {result['rate']:,.0f} events a second: the gap between two commits of a partition's events."
        yield ""
    yield f"{result['runs'][0]['events']:,} events. {taken(result['machine'])}"


def _list(numbers: Iterable[int]) -> str:
    return ", ".join(f"{number:,}" for number in numbers)


BLOCKS: dict[str, Callable[[], Iterator[str]]] = {
    "performance-compare": compare,
    "performance-parts": parts,
    "performance-process": process,
    "performance-throughput": throughput,
    "performance-latency": latency,
    "performance-state": state,
    "performance-scale": scale,
}
PICTURES: dict[str, Callable[[], str | None]] = {"compare": compare_picture, "latency": latency_picture}
"""docs/img/NAME.svg; None: there is nothing to draw."""
