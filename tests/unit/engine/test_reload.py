"""Reload: what is read, what is refused, and that no transaction is half of one configuration and half of another."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import structlog
from prometheus_client import REGISTRY

from stream import app, settings
from stream.engine import checks, journal, reload, rerun
from stream.engine.configs import Configuration
from stream.engine.embedded import EmbeddedBroker
from stream.engine.offline import Line
from stream.engine.pacing import Pacer
from stream.engine.reload import Reloader
from stream.engine.runner import Runner, State
from stream.engine.step import Placement, Stage
from stream.engine.task import Chunk, Commit, Context, Task
from stream.errors import EngineError, TokenError
from tests.kafka.toy import stages

CONTEXT = Context("old", 0.10, 100_000, {name: name for name in ("payments", "bounces", "ticks")})


# --- a task under another configuration


class Written:
    """In place of the transactional producer: keeps what it is given, and lets others work meanwhile as it does."""

    def __init__(self) -> None:
        self.commits: list[Commit] = []
        self.meanwhile: list[Callable[[], None]] = []

    async def write(self, commit: Commit) -> None:
        await asyncio.sleep(0)
        for work in self.meanwhile:
            work()
        self.meanwhile.clear()
        self.commits.append(commit)

    async def stop(self) -> None:
        pass

    def told(self) -> list[tuple[str, list[tuple[str, int, int]], list[bytes | None]]]:
        """Of each transaction: the configuration, the ranges, the signals."""
        entries = [journal.decode(commit.journal) for commit in self.commits]
        return [
            (entry.config_hash, entry.applied, [output.value for output in commit.outputs])
            for entry, commit in zip(entries, self.commits, strict=True)
        ]


def make(state: State = State.OPEN) -> tuple[Runner, Written]:
    stage = stages()[0]
    task = Task(stage, Placement(0, 1, "murmur2"), CONTEXT)
    task.begin(dict.fromkeys(stage.inputs, 0), {})
    written = Written()

    async def fenced(error: Exception) -> Any:
        raise error

    runner = Runner(
        task,
        written,  # type: ignore[arg-type]
        Pacer(0.1),
        changelog_topic="",
        options={},
        check_crcs=False,
        fenced=fenced,
        turn=asyncio.Lock(),
    )
    runner.state = state
    return runner, written


def chunk(start: int, to: int) -> Chunk:
    return Chunk("payments", start, to, [Line(offset, 1_000, b"k", b"x") for offset in range(start, to)])


def every(number: int) -> Stage:
    return stages(Configuration({"detectors.toml": f"every = {number}"}, {}, {}))[0]


NEW = CONTEXT._replace(config_hash="new")


def test_what_was_applied_before_is_a_transaction_of_its_own_under_the_old_hash() -> None:
    runner, written = make()

    async def run() -> None:
        runner.apply(chunk(0, 10))
        await runner.configure(every(4), NEW)
        runner.apply(chunk(10, 20))
        await runner.commit()

    asyncio.run(run())
    assert written.told() == [
        ("old", [("payments", 0, 10)], [b"k:10"]),
        ("new", [("payments", 10, 20)], [b"k:12", b"k:16", b"k:20"]),
    ]


def test_what_is_applied_while_that_transaction_is_written_is_the_new_configurations() -> None:
    runner, written = make()
    written.meanwhile.append(lambda: runner.apply(chunk(7, 13)))

    async def run() -> None:
        runner.apply(chunk(0, 7))
        await runner.configure(every(4), NEW)
        await runner.commit()

    asyncio.run(run())
    assert written.told() == [("old", [("payments", 0, 7)], []), ("new", [("payments", 7, 13)], [b"k:8", b"k:12"])]


def test_a_reload_waits_for_the_transaction_that_is_under_way() -> None:
    runner, written = make()
    written.meanwhile.append(lambda: runner.apply(chunk(7, 9)))

    async def run() -> None:
        runner.apply(chunk(0, 7))
        await asyncio.gather(runner.commit(), runner.configure(every(4), NEW))
        runner.apply(chunk(9, 12))
        await runner.commit()

    asyncio.run(run())
    assert written.told() == [
        ("old", [("payments", 0, 7)], []),
        ("old", [("payments", 7, 9)], []),
        ("new", [("payments", 9, 12)], [b"k:12"]),
    ]


def test_an_idle_task_changes_without_a_transaction() -> None:
    for state in (State.OPEN, State.OPENING):
        runner, written = make(state)
        asyncio.run(runner.configure(every(4), NEW))
        assert written.commits == []
        assert runner.task.context is NEW


def test_a_task_that_has_left_writes_nothing_more() -> None:
    runner, written = make()
    runner.apply(chunk(0, 10))
    runner.state = State.CLOSED
    asyncio.run(runner.configure(every(4), NEW))
    assert written.commits == []


# --- the files


class Job:
    """What a Reloader works on: a detectors' file, and a list of what was done with it."""

    def __init__(self, folder: Path, text: str = "every = 10") -> None:
        self.file = folder / "detectors.toml"
        self.file.write_text(text)
        loaded = settings.load(detectors_file=self.file)
        self.done: list[tuple[str, str]] = []
        self.broken: Exception | None = None
        self.reloader = Reloader(
            app.configuration(loaded),
            read=lambda: app.configuration(loaded),
            stages_of=self._stages,
            publish=self._publish,
            swap=self._swap,
        )

    def _stages(self, config: Configuration) -> Sequence[Stage]:
        if "surprise" in config.files[app.DETECTORS]:
            raise RecursionError("S3CRET")
        return stages(config)

    def _publish(self, config: Configuration) -> None:
        if self.broken is not None:
            raise self.broken
        self.done.append(("published", config.hash))

    async def _swap(self, config_hash: str, found: Sequence[Stage]) -> None:
        assert [stage.name for stage in found] == ["accounts", "customers"]
        self.done.append(("swapped", config_hash))

    def look(self, times: int = 1) -> list[dict[str, Any]]:
        """Looks; returns what was logged."""

        async def looks() -> None:
            for _ in range(times):
                await self.reloader.look()

        with structlog.testing.capture_logs() as logs:
            asyncio.run(looks())
        return [dict(line) for line in logs]


@pytest.fixture
def job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Job:
    monkeypatch.setattr(reload, "_SETTLED", 0)
    return Job(tmp_path)


def reloads(result: str) -> float:
    return REGISTRY.get_sample_value("ews_config_reloads_total", {"result": result}) or 0.0


def test_a_file_that_is_the_same_changes_nothing(job: Job) -> None:
    job.file.write_text("every = 10")
    assert job.look(2) == []
    assert job.done == []


def test_a_good_change_is_published_then_taken_once(job: Job) -> None:
    before, was = reloads("ok"), job.reloader.config
    job.file.write_text("every = 3")
    [line] = job.look(3)
    now = job.reloader.config
    assert now.files[app.DETECTORS] == "every = 3"
    assert job.done == [("published", now.hash), ("swapped", now.hash)]
    assert (line["event"], line["config"], line["was"]) == ("configuration reloaded", now.hash, was.hash)
    assert line["files"] == [app.DETECTORS]
    assert reloads("ok") == before + 1
    assert REGISTRY.get_sample_value("ews_config_info", {"hash": now.hash}) == 1


def test_only_the_configuration_in_force_has_a_series(job: Job) -> None:
    for number in (3, 4):
        job.file.write_text(f"every = {number}")
        job.look()
    [family] = [one for one in REGISTRY.collect() if one.name == "ews_config_info"]
    assert [sample.labels["hash"] for sample in family.samples] == [job.reloader.config.hash]


@pytest.mark.parametrize("text", ["every = 'often'", "every = ", "[["])
def test_a_wrong_file_is_refused_once_in_words_and_the_old_stays(job: Job, text: str) -> None:
    before, was = reloads("refused"), job.reloader.config
    job.file.write_text(text)
    [line] = job.look(3)
    assert (line["event"], line["log_level"]) == ("configuration refused", "error")
    assert "every: must be a number" in line["message"]
    assert line["config"] == was.hash
    assert reloads("refused") == before + 1
    assert job.done == []
    job.file.write_text("every = 3")
    assert [line["event"] for line in job.look()] == ["configuration reloaded"]


def test_a_wrong_file_that_is_put_back_is_as_if_nothing_was_and_wrong_again_is_told_again(job: Job) -> None:
    for text, told in (("every = ", 1), ("every = 10", 0), ("every = ", 1)):
        job.file.write_text(text)
        assert len(job.look()) == told
    assert job.done == []


def test_a_file_that_is_gone_is_told_and_the_old_stays(job: Job) -> None:
    job.file.unlink()
    [line] = job.look(2)
    assert "EWS_DETECTORS_FILE" in line["message"]
    job.file.write_text("every = 10")
    assert job.look() == []
    assert job.done == []


def test_an_error_that_nobody_foresaw_refuses_too_and_quotes_nothing(job: Job) -> None:
    job.file.write_text("# surprise")
    [line] = job.look()
    assert line["event"] == "configuration refused"
    assert line["trace"][0] == "RecursionError"
    assert "S3CRET" not in str(line)


def test_a_file_that_is_still_being_written_is_left_alone(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    async def goes_on(_: float) -> None:
        job.file.write_text("every = 34")

    monkeypatch.setattr(reload.asyncio, "sleep", goes_on)
    job.file.write_text("every = 3")
    assert job.look() == []
    assert job.done == []
    job.look()
    assert job.reloader.config.files[app.DETECTORS] == "every = 34"


@pytest.mark.parametrize("broken", [EngineError("no answer"), TokenError("the token has expired")])
def test_a_change_that_no_broker_takes_is_tried_again(job: Job, broken: Exception) -> None:
    job.broken = broken
    job.file.write_text("every = 3")
    assert [line["log_level"] for line in job.look(2)] == ["warning", "warning"]
    job.broken = None
    job.look()
    assert [what for what, _ in job.done] == ["published", "swapped"]


def test_it_looks_at_once_when_asked(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reload, "_EVERY", 3600)
    job.file.write_text("every = 3")

    async def run() -> None:
        job.reloader.ask()
        await asyncio.wait_for(job.reloader.run(lambda: bool(job.done)), 10)

    asyncio.run(run())
    assert job.done


def test_it_looks_by_itself_now_and_then(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reload, "_EVERY", 0.01)
    job.file.write_text("every = 3")
    asyncio.run(asyncio.wait_for(job.reloader.run(lambda: bool(job.done)), 10))
    assert job.done


def test_what_no_topic_could_hold_is_refused_before_anything_is_changed(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    broker = EmbeddedBroker()
    loaded = settings.load(bootstrap=broker.bootstrap, embedded_broker=True)
    broker.create([loaded.topic("configs")])
    monkeypatch.setattr(job.reloader, "_publish", lambda config: checks.publish_configuration(loaded, config))
    job.file.write_text("every = 3 # " + "x" * 2_000_000)
    [line] = job.look(2)
    assert line["event"] == "configuration refused"
    assert "make the files smaller" in line["message"]
    assert job.done == []
    job.file.write_text("every = 3")
    job.look()
    assert list(rerun.configurations(loaded).values()) == [job.reloader.config]
