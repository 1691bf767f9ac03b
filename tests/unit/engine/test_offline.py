"""Replay from files: order of records, batches, and lines as people write them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

import pytest
from typer.testing import CliRunner

from stream.cli import app
from stream.engine import files, ticks
from stream.engine.offline import Line, Offline, merge
from stream.engine.step import Drained, Output, Placement, Record, Refused, Stage
from stream.errors import ConfigurationError


def at(*times: int) -> list[Line]:
    return [Line(i, t, b"k", b"v") for i, t in enumerate(times)]


def test_files_are_merged_by_time_and_ranks_break_ties() -> None:
    merged = list(merge({"payments": iter(at(1, 5)), "accounts": iter(at(5)), "holds": iter(at(1, 5))}))
    assert [(topic, line.timestamp) for topic, line in merged] == [
        ("holds", 1), ("payments", 1), ("accounts", 5), ("holds", 5), ("payments", 5),
    ]  # fmt: skip


def test_within_a_file_the_order_is_kept_even_where_time_goes_back() -> None:
    merged = list(merge({"payments": iter(at(10, 3, 4)), "bounces": iter(at(5))}))
    assert [(topic, line.timestamp) for topic, line in merged] == [
        ("bounces", 5), ("payments", 10), ("payments", 3), ("payments", 4),
    ]  # fmt: skip


def test_lines_carry_time_key_headers_and_tombstones(tmp_path: Path) -> None:
    path = tmp_path / "payments.jsonl"
    path.write_text(
        '{"account_id":"A-1","occurred_at":"2026-01-02T03:04:05+00:00"}\n'
        '{"account_id":"A-2","occurred_at":"2026-01-02T03:04:05Z","_timestamp":7}\n'
        "\n"
        "no json\n"
        '{"_key":"A-3","_timestamp":"1970-01-01T00:00:00.009Z","_headers":{"h":"v"},"_value":null}\n'
    )
    first, second, broken, tombstone = files.lines("payments", path)
    assert (first.key, first.timestamp) == (b"A-1", 1767323045000)
    assert (second.key, second.timestamp) == (b"A-2", 7)
    assert (broken.key, broken.value, broken.timestamp) == (None, b"no json", 7)
    assert (tombstone.key, tombstone.value, tombstone.timestamp, tombstone.headers) == (b"A-3", None, 9, (("h", b"v"),))


def test_a_folder_without_inputs_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"payments\.jsonl"):
        files.find(tmp_path)


HOUR = 3_600_000


class Echo:
    """Notes all it hears. An hour after each payment it says `due` to the customers; at once it says `heard`."""

    def __init__(self, heard: list[tuple[str, str, int]], stage: str) -> None:
        self.clock = 0
        self._heard, self._stage = heard, stage
        self._due: list[int] = []
        self._said: list[Output] = []

    def restore(self, rows: Iterable[tuple[bytes, bytes | None]]) -> None:
        raise NotImplementedError

    def apply(self, topic: str, records: Sequence[Record]) -> list[Refused]:
        for record in records:
            self._heard.append((self._stage, topic, record.timestamp))
            self.clock = max(self.clock, record.timestamp)
            if topic == "payments":
                self._due.append(record.timestamp + HOUR)
                self._said.append(Output("signals", b"k", b"heard", ()))
            if topic == "ticks":
                assert ticks.decode(record.value or b"").at == record.timestamp
                self._said += [Output("signals", b"k", b"due", ()) for at in self._due if at <= record.timestamp]
                self._due = [at for at in self._due if at > record.timestamp]
        return []

    def drain(self) -> Drained:
        drained = Drained([], self._said)
        self._said = []
        return drained

    def next_due(self) -> int | None:
        return min(self._due, default=None)


def run(records: list[tuple[str, Line]], until: int | None = None, tick: bool = True) -> list[tuple[str, str, int]]:
    heard: list[tuple[str, str, int]] = []

    def stage(name: str, *inputs: str) -> Stage:
        def create(_: Placement) -> Echo:
            return Echo(heard, name)

        return Stage(name, inputs, create)

    job = Offline(
        (stage("a", "payments", "bounces", "ticks"), stage("c", "holds", "signals", "ticks")),
        "murmur2",
        config_hash="cafe",
        dead_letter_limit=1.0,
        max_record_bytes=10_000,
        tick=tick,
        write=lambda _: None,
    )
    assert list(job.run(iter(records), until))[-1] == len(records) == job.events
    return heard


def test_a_tick_comes_at_each_due_instant_and_what_one_stage_says_the_other_hears_at_once() -> None:
    heard = run([("payments", Line(0, 0, b"k", b"v")), ("holds", Line(0, 2 * HOUR, b"k", b"v"))])
    assert heard == [
        ("a", "payments", 0),
        ("c", "signals", 0),
        ("a", "ticks", HOUR),
        ("c", "signals", HOUR),
        ("c", "holds", 2 * HOUR),
    ]


def test_a_batch_ends_before_what_falls_due_and_before_another_topic() -> None:
    times = [0, HOUR - 1, HOUR, HOUR + 1]
    records = [("payments", Line(i, at, b"k", b"v")) for i, at in enumerate(times)]
    heard = [(topic, at) for stage, topic, at in run([*records, ("bounces", Line(0, HOUR + 1, b"k", b"v"))]) if stage == "a"]
    assert heard == [
        ("payments", 0), ("payments", HOUR - 1), ("ticks", HOUR), ("payments", HOUR), ("payments", HOUR + 1),
        ("bounces", HOUR + 1),
    ]  # fmt: skip


def test_time_stands_still_at_until_and_is_run_on_to_it() -> None:
    payments = [("payments", Line(0, 0, b"k", b"v")), ("payments", Line(1, 9 * HOUR, b"k", b"v"))]
    heard = run(payments, until=5 * HOUR)
    assert [(topic, at) for stage, topic, at in heard if stage == "a"] == [
        ("payments", 0), ("ticks", HOUR), ("payments", 5 * HOUR), ("ticks", 5 * HOUR),
    ]  # fmt: skip


def test_without_ticks_only_events_move_time() -> None:
    heard = run([("payments", Line(0, 0, b"k", b"v")), ("holds", Line(0, 9 * HOUR, b"k", b"v"))], tick=False)
    assert "ticks" not in {topic for _, topic, _ in heard}


def alone(span_ms: int, payments: int = 4) -> tuple[list[tuple[str, int]], list[bytes | None]]:
    """What a single stage hears of payments half an hour apart, and what it says."""
    heard: list[tuple[str, str, int]] = []
    said: list[Output] = []
    job = Offline(
        (Stage("a", ("payments", "ticks"), lambda _: Echo(heard, "a")),),
        "murmur2",
        config_hash="cafe",
        dead_letter_limit=1.0,
        max_record_bytes=10_000,
        tick=True,
        write=said.append,
        span_ms=span_ms,
    )
    lines = (("payments", Line(i, i * HOUR // 2, b"k", b"v")) for i in range(payments))
    assert list(job.run(lines))[-1] == payments
    return [(topic, at) for _, topic, at in heard], [output.value for output in said]


def test_what_a_batch_makes_due_within_itself_is_seen_at_its_end_and_no_later() -> None:
    half = HOUR // 2
    assert alone(half - 1)[0] == [
        ("payments", 0), ("payments", half), ("ticks", HOUR), ("payments", HOUR), ("ticks", HOUR + half),
        ("payments", HOUR + half),
    ]  # fmt: skip
    assert alone(HOUR)[0] == [
        ("payments", 0), ("payments", half), ("payments", HOUR), ("ticks", HOUR), ("ticks", HOUR + half),
        ("payments", HOUR + half),
    ]  # fmt: skip


def test_all_that_a_stage_alone_has_said_is_written_whatever_the_span() -> None:
    for span_ms in (0, HOUR, 100 * HOUR):
        said = alone(span_ms, payments=5_000)[1]
        assert said.count(b"heard") == 5_000


def replayed(tmp_path: Path, *options: str) -> list[dict[str, object]]:
    state = tmp_path / "state.jsonl"
    told = CliRunner().invoke(
        app, ["replay", str(tmp_path / "in"), str(tmp_path / "out"), "--state", str(state), "-o", "json", *options]
    )
    assert told.exit_code == 0, told.output
    return [json.loads(line) for line in state.read_text().splitlines()]


def test_the_state_of_nothing_is_nothing(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "payments.jsonl").write_text("")
    assert replayed(tmp_path) == []
    assert replayed(tmp_path, "--until", "2026-01-31T00:00:00Z") == []


def test_the_state_is_told_as_it_is_at_until(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    account = {"account_id": "A-1", "updated_at": "2026-01-01T00:00:00Z", "product": "current_account", "currency": "GBP"}
    account["holders"] = [{"customer_id": "C-1", "role": "primary"}]
    bounce = {
        "event_id": "b1", "account_id": "A-1", "occurred_at": "2026-01-02T09:00:00Z", "scheme": "sepa_sdd", "r_type": "return",
        "reason_code": "AM04", "amount": "620.00", "currency": "GBP", "counterparty_id": "lender", "category": "mortgage",
    }  # fmt: skip
    (tmp_path / "in" / "accounts.jsonl").write_text(json.dumps(account) + "\n")
    (tmp_path / "in" / "bounces.jsonl").write_text(json.dumps(bounce) + "\n")
    [now] = replayed(tmp_path)
    assert (now["account_id"], now["bounces"], now["last_event_at"]) == ("A-1", 1, "2026-01-02T09:00:00Z")
    [later] = replayed(tmp_path, "--until", "2027-01-31T00:00:00Z")
    assert now["bounce_pressure"] != later["bounce_pressure"] == 0.0
