"""docs/performance.md says what bench/results holds, and no more; that it does so now, tests/unit/docs finds."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest

from bench import page
from tests import scripts

ROOT = Path(__file__).parents[3]
GENERATE = scripts.load("docs/generate.py")
MACHINE = {"cpu": "a processor", "cores": 2, "memory_gib": 8, "python": "3.11.7", "date": "2026-02-03"}


def one_round(floor: float, stage: float, everything: float, streams: float) -> dict[str, Any]:
    def rate(value: float, **more: Any) -> dict[str, Any]:
        return {"events_per_second": value, **more}

    return {
        "floor": rate(floor, cpu_us_per_event=4.0),
        page.STAGE: rate(stage, cpu_us_per_event_by_part=dict.fromkeys(page.PARTS, 1.5)),
        page.EVERYTHING: rate(everything),
        "kafka streams, memory, 1 thread": rate(streams / 2),
        "kafka streams, rocksdb, 2 threads": rate(streams),
        "quix streams": "needs\nwhat is not here",
        "stock faust": rate(1_000),
    }


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(page, "RESULTS", tmp_path)
    return tmp_path


def write(results: Path, name: str, value: Any) -> None:
    (results / f"{name}.json").write_text(json.dumps(value), "utf-8")


def compared(results: Path, zipf: list[dict[str, Any]], uniform: list[dict[str, Any]]) -> list[str]:
    write(results, "compare", {"machine": MACHINE, "events": 1_000, "accounts": 10, "zipf": zipf, "uniform": uniform})
    return list(page.compare())


@pytest.mark.parametrize("name", page.BLOCKS)
def test_without_results_a_part_says_which_bench_takes_them(results: Path, name: str) -> None:
    said = "\n".join(page.BLOCKS[name]())
    assert "Not measured yet: `python -m bench." in said


def test_without_results_there_is_no_picture(results: Path) -> None:
    assert [draw() for draw in page.PICTURES.values()] == [None, None]


def test_the_pictures_are_those_of_the_kept_results() -> None:
    for file, drawn in GENERATE.pictures():
        assert (file.read_text("utf-8") if file.exists() else None) == drawn, "run: python docs/generate.py"


def test_a_target_is_met_only_where_every_distribution_met_it(results: Path) -> None:
    good, bad = one_round(100_000, 50_000, 30_000, 20_000), one_round(100_000, 50_000, 27_000, 30_000)
    lines = compared(results, [good], [bad])
    verdicts = {line.split("|")[1].strip(): line.split("|")[2:5] for line in lines if "at least" in line}
    told = {name: [cell.strip() for cell in cells] for name, cells in verdicts.items()}
    assert told[f"{page.STAGE}: at least 0.42 x the floor"] == ["0.50", "0.50", "met"]
    assert told[f"{page.EVERYTHING}: at least 0.28 x the floor"] == ["0.30", "0.27", "**not met**"]
    assert told[f"{page.STAGE}: at least 2 x Kafka Streams, the quickest of its variants"] == ["2.50", "1.67", "**not met**"]
    assert told[f"{page.STAGE}: at least 4 x Quix Streams"] == ["", "", "not measured"]
    assert told[f"{page.STAGE}: at least 40 x stock Faust"] == ["50.00", "50.00", "met"]
    assert "- Left out: quix streams (zipf): needs what is not here" in lines


def test_ratios_are_of_the_same_round(results: Path) -> None:
    """A machine that was slow for a whole round changes nothing."""
    rounds = [one_round(100_000, 50_000, 30_000, 20_000), one_round(10_000, 5_000, 3_000, 2_000)]
    said = "\n".join(compared(results, rounds, rounds))
    assert "| floor | 55,000 | 1.000 |" in said
    assert f"| {page.STAGE} | 27,500 | 0.500 |" in said
    assert f"| {page.STAGE}: at least 0.42 x the floor | 0.50 | 0.50 | met |" in said


def test_machine_and_day_are_named(results: Path) -> None:
    rounds = [one_round(100_000, 50_000, 30_000, 20_000)]
    assert "Taken on a processor, 2 cores, 8 GiB, Python 3.11.7; 2026-02-03." in "\n".join(compared(results, rounds, rounds))
    assert "a day that was not kept" in page.taken({"cpu": "x", "cores": 2, "python": "3"})
    assert "load was 14.4" in page.taken(MACHINE, 14.4)


def test_the_parts_of_an_event_add_up(results: Path) -> None:
    rounds = [one_round(100_000, 50_000, 30_000, 20_000)]
    compared(results, rounds, rounds)
    said = list(page.parts())
    assert f"| all |  | {1.5 * len(page.PARTS):.2f} |" in said
    assert any("4.00 µs" in line for line in said)


def latencies(rate: int, interval: int, p50: int) -> dict[str, Any]:
    found = {"count": 12, "p50_ms": p50, "p90_ms": 2 * p50, "p99_ms": 3 * p50, "histogram_50ms": [2, 8, 1] + [0] * 17}
    return {"rate": rate, "commit_interval_ms": interval, "sent": rate, "signals": found, "nudges": found}


def test_latency_tells_rates_and_the_knob_apart(results: Path) -> None:
    write(results, "latency", {"machine": MACHINE, "runs": [latencies(1_000, 100, 80), latencies(10_000, 100, 90)]})
    said = "\n".join(page.latency())
    assert "| 1,000 | 1,000 | 80 | 240 | 80 | 240 |" in said
    assert "At 20,000 events a second: not measured yet" in said
    assert "Over the commit interval: not measured yet" in said
    runs = [latencies(rate, 100, 80) for rate in (1_000, 10_000, 20_000)] + [latencies(10_000, 25, 40)]
    write(results, "latency", {"machine": MACHINE, "runs": runs})
    said = "\n".join(page.latency())
    assert "not measured" not in said
    assert said.index("| 25 | 40 |") < said.index("| 100 | 80 |")


def test_the_pictures_are_sound_and_show_every_figure(results: Path) -> None:
    compared(results, [one_round(100_000, 50_000, 30_000, 20_000)], [])
    write(results, "latency", {"machine": MACHINE, "runs": [latencies(1_000, 100, 80)]})
    compare, latency = (ET.fromstring(draw() or "") for draw in page.PICTURES.values())
    bars = compare.findall("{*}rect")
    assert len(bars) == 1 + 6  # the ground, and all but the one that was left out
    assert [bar.get("class") for bar in bars[1:4]] == ["other", "ours", "ours"]
    words = " ".join(text.text or "" for text in latency.findall("{*}text"))
    assert "1 later than shown" in words
    for picture in (compare, latency):
        assert "prefers-color-scheme: dark" in (picture.findtext("{*}style") or "")


def test_scale_tells_cpu_and_pauses(results: Path) -> None:
    run = {"workers": 1, "events": 5, "cpu_us_per_event": 21.04, "largest_share": 1.0}
    join = {"from": 1, "to": 2, "calm_ms": [110, 120], "pause_ms": [900, 1_300]}
    write(results, "scale", {"machine": MACHINE, "runs": [run], "rate": 2000.0, "rebalances": [join]})
    said = "\n".join(page.scale())
    assert "| 1 | 21.0 | 100 % |" in said
    assert "| 1 to 2 | 1,300 | 900, 1,300 | 120 |" in said


def test_make_bench_runs_what_the_readme_lists_in_its_order() -> None:
    [loop] = re.findall(r"for bench in (.+); do", (ROOT / "Makefile").read_text("utf-8"))
    runs = [each.split()[0].strip('"') for each in re.findall(r'"[^"]+"|\S+', loop)]
    listed = re.findall(r"^\| `([a-z]+)` \| [^|]*\d+ minutes", (ROOT / "bench" / "README.md").read_text("utf-8"), re.MULTILINE)
    assert runs == listed
    for name in runs:
        assert (ROOT / "bench" / f"{name}.py").exists()


def test_no_part_of_the_page_is_forgotten() -> None:
    text = (ROOT / "docs" / "performance.md").read_text("utf-8")
    assert re.findall(r"<!-- generated: (performance-[a-z]+) -->", text) == list(page.BLOCKS)
