"""`ews demo`."""

from __future__ import annotations

import contextlib
import shutil
import signal
import socket
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer
from rich.console import Console

from stream.errors import ConfigurationError, EwsError

if TYPE_CHECKING:
    from stream.demo.listener import Listener
    from stream.demo.player import Player
    from stream.demo.screen import Screen
    from stream.demo.story import Story
    from stream.demo.verdict import Verdict
    from stream.demo.words import Told
    from stream.demo.worker import Worker
    from stream.engine.sink import Sink

IN = "in"
LAG_MS = 3 * 86_400_000
"""The story waits when the worker is further behind it than this (simulated time)."""
_LISTEN = 0.02
_STUCK = 60.0
"""Seconds without any progress after which the worker counts as stuck."""
_START = 240.0
_SETTLED = 0.5
"""Seconds of silence after which nothing more is coming."""


def demo(
    customers: Annotated[
        int,
        typer.Option(min=20, max=600, envvar="EWS_DEMO_CUSTOMERS", help="How many customers the bank has."),
    ] = 120,
    seconds: Annotated[
        float,
        typer.Option(min=1, max=3600, envvar="EWS_DEMO_SECONDS", help="How long the story takes to tell."),
    ] = 36,
    seed: Annotated[int, typer.Option(envvar="EWS_DEMO_SEED", help="Another seed is another bank.")] = 7,
    out: Annotated[
        Path,
        typer.Option(
            envvar="EWS_DEMO_OUT",
            help="Folder for the story and all outputs; those of an earlier demo are replaced.",
        ),
    ] = Path("demo-out"),
    keep: Annotated[
        bool,
        typer.Option(
            "--keep", envvar="EWS_DEMO_KEEP", help="Keep broker and worker up after the story, until Ctrl-C."
        ),
    ] = False,
) -> None:
    """Shows everything on this machine alone: embedded broker, worker, and a bank of simulated customers.

    Three months pass in half a minute. What the job decides appears as it decides it.
    """
    from stream.demo.screen import Screen
    from stream.demo.story import tell
    from stream.engine.embedded import PARTITIONS, EmbeddedBroker
    from stream.simulate import folder

    ending = _Ending()
    console = Console(highlight=False)
    story = tell(seed, customers, datetime.now(UTC).date())
    try:
        _clear(out)
        folder.write(out / IN, story.events)
        folder.write_truth(out / IN, story.truths)
    except OSError as error:
        raise ConfigurationError(
            f"--out: {out} cannot be written ({error.strerror}): name another folder"
        ) from error

    from stream.demo.listener import Listener
    from stream.demo.player import Player
    from stream.demo.worker import Worker
    from stream.engine.sink import Sink
    from stream.tables.compiled import compiled_before

    broker = EmbeddedBroker()
    broker.create(_topics())
    port = _free_port() if keep else 0
    with (
        Worker(broker.bootstrap, port) as worker,
        contextlib.closing(Listener(broker.bootstrap, PARTITIONS)) as listener,
    ):
        player = Player(story, broker.bootstrap, PARTITIONS)
        with Screen(console) as screen, Sink(out) as sink:
            screen.note(
                f"A bank of {len(story.truths)} simulated customers; an embedded broker at "
                f"{broker.bootstrap}; one worker (process {worker.pid}).\nThree months, "
                f"{len(story.events):,} payments, bounces and bills. Nobody told the worker who is in "
                "trouble.\n"
            )
            stage = _Stage(story, player, listener, worker, screen, sink, ending)
            stage.start(compiled_before())
            stage.play(seconds)
        _conclude(console, stage, out)
        if keep:
            _keep(console, broker.bootstrap, port, worker, ending)


class _Ending:
    """Ctrl-C or SIGTERM: noted when it comes, and heeded between two steps, so that every clean-up is made.

    An exception raised by the handler could come up within a delivery report, and librdkafka's binding turns it into
    a SystemError there. Whoever asks a second time is obeyed at once.
    """

    def __init__(self) -> None:
        self.code = 0
        """That of a shell for a program which a signal ended; 0 until one has come."""
        for number in (signal.SIGINT, signal.SIGTERM):
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self._asked)

    def _asked(self, number: int, _frame: object) -> None:
        self.code = 128 + number
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)

    def check(self) -> None:
        """Raises SystemExit once a signal has come."""
        if self.code:
            sys.exit(self.code)


class _Stage:
    """The run of one demo: story out, outputs in, all in one loop."""

    def __init__(
        self,
        story: Story,
        player: Player,
        listener: Listener,
        worker: Worker,
        screen: Screen,
        sink: Sink,
        ending: _Ending,
    ) -> None:
        from stream.demo.words import Teller

        self.story = story
        self.outputs: dict[str, list[dict[str, Any]]] = {"signals": [], "nudges": [], "escalations": []}
        self.dead_letters = 0
        self.seconds = 0.0
        self._held: list[Told] = []
        self._alive_at = time.monotonic()
        self._player = player
        self._listener = listener
        self._worker = worker
        self._screen = screen
        self._sink = sink
        self._ending = ending
        zones = {e.value["customer_id"]: e.value["time_zone"] for e in story.events if e.topic == "customers"}
        self._teller = Teller(zones)

    def start(self, compiled: bool) -> None:
        """Tells who the customers are, and waits until the worker has heard it."""
        self._screen.waiting(
            "starting the worker ..."
            if compiled
            else "starting the worker; compiling the detectors, once: about a minute ..."
        )
        self._player.step()
        self._alive_at = time.monotonic()
        deadline = time.monotonic() + _START
        while not self._player.started:
            self._hear()
            if time.monotonic() > deadline:
                raise self._worker.failure(f"the worker did not start within {_START:.0f} s")

    def play(self, seconds: float) -> None:
        """Tells the story in about that time, or as long as the worker needs, until all of it is decided."""
        player, began = self._player, time.monotonic()
        while not player.done:
            while not player.told and player.behind_ms <= LAG_MS and self._due(began, seconds):
                player.step()
            self._hear()
            if time.monotonic() - self._alive_at > _STUCK:
                raise self._worker.failure(f"the worker has decided nothing for {_STUCK:.0f} s")
            self._screen.status(player.now_ms, player.sent, self.story.pace(player.now_ms))
        self.seconds = time.monotonic() - began
        quiet_since = time.monotonic()
        while time.monotonic() - quiet_since < _SETTLED:
            if self._hear():
                quiet_since = time.monotonic()
        self._show(None)

    def _due(self, began: float, seconds: float) -> bool:
        return (time.monotonic() - began) / seconds >= self.story.pace(self._player.now_ms)

    def _hear(self) -> int:
        """Passes on what the worker has said since; how many records that was."""
        from stream.engine.journal import Entry

        self._ending.check()
        self._worker.check()
        heard = 0
        for said in self._listener.hear(_LISTEN):
            heard += 1
            if isinstance(said, Entry):
                self._player.heard(said)
                self._alive_at = time.monotonic()
                continue
            self._sink.write(said)
            if said.topic == "dead-letters":
                self.dead_letters += 1
            elif said.topic in self.outputs and said.value is not None:
                self.outputs[said.topic].append(msgspec.json.decode(said.value))
                if (words := self._teller.tell(said.topic, said.value)) is not None:
                    self._held.append(words)
        self._show(self._player.decided_ms)
        return heard

    def _show(self, up_to_ms: int | None) -> None:
        """Shows what was said up to a time, in its order: what comes later is not all here yet."""
        self._held.sort(key=lambda each: each.at)
        while self._held and (up_to_ms is None or self._held[0].at.timestamp() * 1000 <= up_to_ms):
            self._screen.say(self._held.pop(0))


def _topics() -> Iterator[str]:
    from stream.engine import checks
    from stream.settings import Settings

    # The defaults: EWS_* variables of the caller are meant for their own cluster, not for this one.
    return (topic.name for topic in checks.wanted(Settings.model_construct()))


def _clear(out: Path) -> None:
    """Removes what an earlier demo wrote, and nothing else."""
    from stream.engine.sink import FILES
    from stream.simulate.folder import TRUTH
    from stream.topics import CATALOGUE

    for path in (
        *(out / IN / f"{topic.name}.jsonl" for topic in CATALOGUE),
        out / IN / TRUTH,
        *(out / f"{name}.jsonl" for name in FILES),
    ):
        path.unlink(missing_ok=True)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _conclude(console: Console, stage: _Stage, out: Path) -> None:
    from stream.demo.verdict import judge

    outputs = stage.outputs
    verdict = judge(stage.story.truths, outputs["signals"], outputs["nudges"])
    events = len(stage.story.events)
    said = {
        name: sum(record["status"] == "issued" for record in outputs[name])
        for name in ("nudges", "escalations")
    }
    raised = sum(record["status"] == "raised" for record in outputs["signals"])
    withdrawn = {name: sum(record["status"] == "withdrawn" for record in outputs[name]) for name in outputs}

    def line(name: str, text: str) -> None:
        console.print(f"  [bold]{name:<14}[/bold]{text}", soft_wrap=True)

    console.print("\n[bold]What happened[/bold]")
    line(
        "events",
        f"{events:,} in {stage.seconds:.0f} s: {events / stage.seconds:,.0f}/s, the pace of the story",
    )
    line("signals", f"{raised} raised, {withdrawn['signals']} withdrawn")
    line("nudges", f"{said['nudges']} issued, {withdrawn['nudges']} withdrawn")
    line("escalations", f"{said['escalations']} issued, {withdrawn['escalations']} withdrawn")
    if stage.dead_letters:
        line("dead letters", f"{stage.dead_letters}")
    console.print("\n[bold]Held against the truth, which the worker cannot see[/bold]")
    for text in verdict_lines(verdict):
        console.print(f"  {text}", soft_wrap=True)
    console.print("\n[bold]What to try next[/bold]")
    ews = _command()
    for command, what in (
        (f"{ews} explain {_worth_explaining(outputs)} --in {out}", "why, for one of the above"),
        (f"{ews} replay {out / IN} {out / 'again'}", "the same code over the same events, without a broker"),
        (f"{ews} topics list", "what a bank wires up"),
        (f"{ews} demo --keep --seed 8", "another bank, and a broker that stays for your own consumer"),
    ):
        console.print(f"  {command}\n      [dim]{what}[/dim]", soft_wrap=True)
    console.print(
        "  README.md, docs/index.md\n      [dim]how it works, what it promises, your own Kafka[/dim]"
    )


def verdict_lines(verdict: Verdict) -> list[str]:
    """A verdict in sentences."""
    lines = [f"{verdict.noticed} of {verdict.stressed} customers whose money ran short were noticed."]
    if verdict.missers:
        lead = f", by {verdict.lead:.0f} days in the median" if verdict.lead is not None else ""
        lines.append(
            f"{verdict.missers} of them went on to miss an instalment: {verdict.noticed_before_miss} were "
            f"noticed before it{lead}."
        )
    wrong = sum(verdict.nudged_wrongly.values())
    told = ", ".join(
        f"{name.replace('_', ' ')} {count}" for name, count in sorted(verdict.nudged_wrongly.items())
    )
    lines.append(
        f"{wrong} of {verdict.steady} customers who needed nothing got a nudge all the same"
        + (f" ({told})." if wrong else ".")
    )
    lines.append(f"{verdict.after_stop} nudges could be sent to a customer who was not to be contacted.")
    return lines


def _worth_explaining(outputs: dict[str, list[dict[str, Any]]]) -> str:
    """The id of an escalation or nudge with much behind it."""
    for name, id_ in (("escalations", "escalation_id"), ("nudges", "nudge_id"), ("signals", "signal_id")):
        issued = [record for record in outputs[name] if record["status"] in ("issued", "raised")]
        if issued:
            return str(max(issued, key=lambda record: len(record["reasons"]))[id_])
    raise EwsError("nobody got into trouble in this bank: try another --seed, or more --customers")


def _command() -> str:
    """How the caller can call us again."""
    if shutil.which("ews"):
        return "ews"
    called = Path(sys.argv[0])
    return str(called) if called.name == "ews" else f"{Path(sys.executable).name} -m stream"


def _keep(console: Console, bootstrap: str, port: int, worker: Worker, ending: _Ending) -> None:
    console.print(
        f"\n[bold]Still up[/bold], until Ctrl-C: Kafka protocol at {bootstrap} "
        f"(payments, signals, nudges ...), metrics at "
        f"http://127.0.0.1:{port}/metrics, the worker's log in {worker.log}.\n"
        f"  EWS_BOOTSTRAP={bootstrap} {_command()} simulate --kafka --customers 50 --months 1\n"
        "      [dim]more events for it[/dim]",
        soft_wrap=True,
    )
    while not ending.code:
        worker.check()
        time.sleep(0.5)
