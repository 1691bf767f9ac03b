"""`ews demo`: its story, its words, its verdict, and the whole of it on the embedded broker."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from stream.demo.player import Player
from stream.demo.screen import Screen
from stream.demo.story import Story, tell
from stream.demo.verdict import judge
from stream.demo.words import ACTIONS, READ_IN_FULL, Teller, Told
from stream.engine.journal import Entry
from stream.simulate import Truth
from stream.treatment.explain import BECAUSE

# --- the story


def test_the_same_seed_and_day_tell_the_same_story_up_to_that_day() -> None:
    story = tell(3, 25, date(2026, 6, 15))
    assert story == tell(3, 25, date(2026, 6, 15))
    times = [event.timestamp_ms for event in story.events]
    assert times == sorted(times)
    assert times[-1] < story.end_ms == datetime(2026, 6, 15, tzinfo=UTC).timestamp() * 1000
    assert len(story.truths) == 25


def test_the_telling_never_goes_back_and_ends_with_the_story() -> None:
    story = Story((), (), 1_000, 9_000)
    paces = [story.pace(at) for at in range(0, 10_001, 50)]
    assert paces == sorted(paces)
    assert paces[0] == 0.0
    assert paces[-1] == 1.0


def test_it_fits_what_the_embedded_broker_keeps() -> None:
    """The mock cluster keeps about 5 MB a partition, and there are four: the bank takes half at most."""
    story = tell(1, 60, date(2026, 6, 15))
    size = sum(len(json.dumps(event.value)) for event in story.events if event.topic == "payments")
    assert size * 120 / 60 / 4 < 2_500_000


# --- the player


def applied(stage: str, partition: int, ticks: int) -> Entry:
    return Entry(stage, partition, [("payments", 0, 9), ("ticks", 0, ticks)], "hash")


def test_the_customers_stage_gets_a_tick_once_every_accounts_task_has_passed_it() -> None:
    from stream.engine.embedded import EmbeddedBroker

    broker = EmbeddedBroker()
    broker.create(["ticks"])
    player = Player(Story((), (), 0, 10 * 86_400_000), broker.bootstrap, 2)
    player.step()
    player.heard(applied("accounts", 0, 1))
    assert player.decided_ms == 0
    player.heard(applied("accounts", 1, 1))  # now both have: the second tick of each partition is for the customers
    player.heard(applied("customers", 0, 2))
    player.heard(applied("customers", 1, 2))
    assert player.decided_ms == player.now_ms == 2 * 3_600_000
    assert player.behind_ms == 0
    assert player.started
    assert not player.done


# --- words


def nudge(**changes: Any) -> bytes:
    record = {
        "nudge_id": "n1",
        "status": "issued",
        "customer_id": "C-1",
        "account_ids": ["A-1"],
        "treatment": "small_bill_check_in",
        "channel": "sms",
        "template": "small-bill-check-in",
        "params": {"text": "A quick hello. " * 12},
        "reasons": [],
        "signal_ids": ["s1"],
        "not_before": "2026-07-01T18:30:00Z",
        "not_after": "2026-07-01T23:30:00Z",
        "decided_at": "2026-07-01T18:00:00Z",
    }
    return json.dumps(record | changes).encode()


def said(severity: str, status: str = "raised", texts: tuple[str, ...] = ("It came back unpaid.",)) -> bytes:
    record = {
        "signal_id": "s1",
        "status": status,
        "detector": "bounce_pressure",
        "account_id": "A-1",
        "customer_id": "C-1",
        "occurred_at": "2026-07-01T10:00:00Z",
        "severity": severity,
        "reasons": [{"text": text} for text in texts],
    }
    return json.dumps(record).encode()


def heard(teller: Teller, topic: str, value: bytes) -> Told:
    told = teller.tell(topic, value)
    assert told is not None
    return told


def test_a_nudge_is_told_in_the_customers_own_time_and_words() -> None:
    told = heard(Teller({"C-1": "America/New_York"}), "nudges", nudge())
    assert told.headline == "small bill check in by sms, Wed 1 Jul 14:30 to 19:30 their time"
    assert told.lines == ("“" + "A quick hello. " * 12 + "”",)


def test_a_template_is_told_in_full_a_few_times_and_then_by_its_beginning() -> None:
    teller = Teller({})
    lengths = [len(heard(teller, "nudges", nudge()).lines[0]) for _ in range(READ_IN_FULL + 1)]
    assert len(set(lengths[:-1])) == 1
    assert lengths[-1] < 110 < lengths[0]


def test_a_signal_that_stays_as_grave_as_it_was_is_not_told_again() -> None:
    teller = Teller({})
    assert heard(teller, "signals", said("low")).quiet
    assert teller.tell("signals", said("low", "changed")) is None
    assert heard(teller, "signals", said("high", "changed")).headline.endswith("was low")


def test_a_withdrawn_nudge_says_what_became_of_its_signal() -> None:
    teller = Teller({})
    teller.tell("signals", said("low", "withdrawn", ("What was missing has been paid.", "2 payments came back.")))
    told = heard(teller, "nudges", nudge(status="withdrawn", withdrawn_because="signal_withdrawn"))
    assert told.kind == "withdrawn"
    assert told.lines == (f"because: {BECAUSE['signal_withdrawn']} (What was missing has been paid)",)


def test_an_unknown_cause_is_told_as_it_is() -> None:
    told = heard(Teller({}), "nudges", nudge(status="withdrawn", withdrawn_because="some_new_cause"))
    assert told.lines == ("because: some new cause",)


def test_a_decision_needs_no_words() -> None:
    assert Teller({}).tell("decisions", b"{}") is None


def test_every_suggested_action_has_words() -> None:
    from stream.contracts.vocabulary import SUGGESTED_ACTIONS

    assert ACTIONS.keys() == set(SUGGESTED_ACTIONS)


# --- the screen


def test_low_signals_are_counted_by_the_week_once_a_few_were_shown() -> None:
    text = io.StringIO()
    screen = Screen(Console(file=text, width=100))
    teller = Teller({})
    told = heard(teller, "signals", said("low"))
    for _ in range(9):
        screen.say(told)
    screen.status(0, 9, 0.1)
    shown = text.getvalue()
    assert shown.count("bounce pressure") == 4
    assert "and 5 more low signals" in shown
    assert "9 signals" in shown


def test_no_line_is_wider_than_the_screen() -> None:
    text = io.StringIO()
    screen = Screen(Console(file=text, width=80))
    screen.say(heard(Teller({}), "nudges", nudge()))
    screen.say(heard(Teller({}), "signals", said("medium", texts=("word " * 60,))))
    assert max(map(len, text.getvalue().splitlines())) <= 118


# --- the verdict


def truth(customer: str, **changes: Any) -> Truth:
    fields: dict[str, Any] = {
        "customer_id": customer,
        "scenario": "job_loss",
        "country": "GB",
        "account_ids": (),
        "life_event_on": None,
        "onset_at": "2026-07-01T00:00:00+00:00",
        "first_bounce_at": None,
        "first_missed_instalment": "2026-07-20",
        "state": "stressed",
        "nudge_right": True,
        "no_nudge_from": None,
        "no_nudge_until": None,
        "duplicated": (),
        "late": (),
    }
    return Truth(**(fields | changes))


def record(customer: str, at: str, status: str = "issued", treatment: str = "debt_advice") -> dict[str, Any]:
    return {
        "customer_id": customer,
        "status": status,
        "treatment": treatment,
        "decided_at": at,
        "not_before": at,
        "nudge_id": f"{customer} {at[:10]}",
        "occurred_at": at,
    }


def test_a_signal_before_the_onset_notices_nothing() -> None:
    early = record("C-1", "2026-06-30T00:00:00Z", "raised")
    assert judge([truth("C-1")], [early], []).noticed == 0
    verdict = judge([truth("C-1")], [early, record("C-1", "2026-07-10T00:00:00Z", "raised")], [])
    assert (verdict.noticed, verdict.noticed_before_miss, verdict.lead) == (1, 1, 10.0)


def test_a_signal_after_the_missed_instalment_is_no_warning() -> None:
    verdict = judge([truth("C-1")], [record("C-1", "2026-07-21T00:00:00Z", "raised")], [])
    assert (verdict.noticed, verdict.missers, verdict.noticed_before_miss, verdict.lead) == (1, 1, 0, None)


def test_a_nudge_to_somebody_who_needed_none_counts_once_by_what_happened_to_them() -> None:
    calm = truth("C-2", scenario="gym_cancelled", state="steady", nudge_right=False, onset_at=None)
    nudges = [record("C-2", "2026-07-10T00:00:00Z"), record("C-2", "2026-07-12T00:00:00Z")]
    assert judge([calm], [], nudges).nudged_wrongly == {"gym_cancelled": 1}
    assert judge([calm], [], [record("C-2", "2026-07-10T00:00:00Z", treatment="recognition")]).nudged_wrongly == {}


def test_any_nudge_between_a_stop_and_its_end_counts_as_a_fault() -> None:
    stopped = truth("C-1", no_nudge_from="2026-07-05T00:00:00+01:00", no_nudge_until="2026-07-08T00:00:00+01:00")
    nudges = [
        record("C-1", "2026-07-04T00:00:00Z"),
        record("C-1", "2026-07-09T00:00:00Z"),
        record("C-1", "2026-07-06T00:00:00Z", treatment="recognition"),
    ]
    assert judge([stopped], [], nudges).after_stop == 1
    # Taken back after it might have been sent it is one all the same; before that it is none.
    assert judge([stopped], [], [*nudges, record("C-1", "2026-07-06T00:00:01Z", "withdrawn")]).after_stop == 1
    assert judge([stopped], [], [*nudges, record("C-1", "2026-07-06T00:00:00Z", "withdrawn")]).after_stop == 0


# --- the whole


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[subprocess.CompletedProcess[str], Path]:
    """A short demo with nothing but Python on the PATH, and EWS_* settings that mean another cluster."""
    folder = tmp_path_factory.mktemp("demo")
    python = folder / "bin"
    python.mkdir()
    (python / "python").symlink_to(sys.executable)
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("EWS_", "JAVA"))}
    environment |= {"PATH": str(python), "EWS_BOOTSTRAP": "kafka.invalid:9092", "EWS_TOPIC_PREFIX": "other."}
    assert shutil.which("java", path=environment["PATH"]) is None
    done = subprocess.run(
        [sys.executable, "-m", "stream", "demo", "--seconds", "5", "--customers", "60", "--seed", "7"],
        cwd=folder,
        env=environment | {"PYTHONPATH": str(Path(__file__).parents[3])},
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    return done, folder / "demo-out"


def test_the_demo_ends_by_itself_having_shown_everything(
    run: tuple[subprocess.CompletedProcess[str], Path],
) -> None:
    done, _ = run
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    for kind in ("SIGNAL ", "NUDGE ", "ESCALATION ", "withdrawn  C-"):
        assert kind in done.stdout
    assert "came back unpaid" in done.stdout
    assert "0 nudges could be sent to a customer who was not to be contacted" in done.stdout


def test_the_demo_leaves_no_worker_behind(run: tuple[subprocess.CompletedProcess[str], Path]) -> None:
    done, _ = run
    found = re.search(r"process (\d+)", done.stdout)
    assert found is not None
    assert not Path(f"/proc/{found[1]}").exists()


def test_the_worker_saw_every_event_of_the_folder_and_refused_none(
    run: tuple[subprocess.CompletedProcess[str], Path],
) -> None:
    done, out = run
    events = sum(len(path.read_bytes().splitlines()) for path in (out / "in").glob("*.jsonl") if path.name != "truth.jsonl")
    assert f"{events:,} in " in done.stdout
    assert (out / "dead-letters.jsonl").read_bytes() == b""


def test_what_it_says_to_try_next_works(run: tuple[subprocess.CompletedProcess[str], Path]) -> None:
    done, out = run
    lines = [line.strip() for line in done.stdout.splitlines() if " -m stream explain " in line]
    arguments = lines[0].partition(" -m stream ")[2].split()
    told = subprocess.run(
        [sys.executable, "-m", "stream", *arguments],
        cwd=out.parent,
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[3])},
    )
    assert told.returncode == 0, told.stderr
    assert "C-0000" in told.stdout


def begun(folder: Path, *options: str) -> tuple[subprocess.Popen[str], int]:
    """A demo that has started its worker, and the worker's process id."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("EWS_")}
    command = [sys.executable, "-m", "stream", "demo", "--customers", "20", *options]
    demo = subprocess.Popen(
        command,
        cwd=folder,
        env=environment | {"PYTHONPATH": str(Path(__file__).parents[3]), "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # Tests that run in the background inherit an ignored SIGINT; whoever sits at a terminal does not.
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
    )
    assert demo.stdout is not None
    found = re.search(r"process (\d+)", demo.stdout.readline() + demo.stdout.readline())
    assert found is not None
    return demo, int(found[1])


def test_a_worker_that_dies_is_told_with_the_end_of_its_log(tmp_path: Path) -> None:
    demo, worker = begun(tmp_path)
    os.kill(worker, signal.SIGKILL)
    _, stderr = demo.communicate(timeout=120)
    assert demo.returncode == 1
    assert stderr.startswith("ews: the worker ended with exit code -9")
    log = re.search(r"all of it in (\S+\.log)", stderr)
    assert log is not None
    Path(log[1]).unlink()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_the_worker_goes_when_the_demo_is_ended(tmp_path: Path, number: signal.Signals) -> None:
    demo, worker = begun(tmp_path, "--keep")
    demo.send_signal(number)
    demo.communicate(timeout=120)
    assert demo.returncode == {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGKILL: -9}[number]
    for _ in range(600):
        status = Path(f"/proc/{worker}/status")
        if not status.exists() or "State:\tZ" in status.read_text():
            break
        time.sleep(0.05)
    else:
        pytest.fail("the worker is still there")
