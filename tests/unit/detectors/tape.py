"""The cases beside the detectors as tapes: what the accounts stage was given, ticks and all, to be played again in other ways."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

from stream.agents.accounts import AccountsStep
from stream.detectors.registry import NAMES
from stream.engine.step import Output, Placement, Record, Refused
from stream.scoring import cases
from stream.scoring.alone import accounts_alone

Tape = list[tuple[str, Record]]
Rows = dict[bytes, bytes | None]

WHOLE = Placement(0, 1, "murmur2")
EVENTS = ("payments", "bounces", "missed-bills")


def tellable(detector: str) -> list[cases.Case]:
    """The cases of a detector that make it say something."""
    return [case for case in cases.load(detector) if any(one.detector in (None, detector) for one in case.expect)]


def settings_of(case: cases.Case) -> Any:
    return cases._settings("", case.settings)


@lru_cache(maxsize=256)
def _tape(detector: str, name: str) -> tuple[tuple[str, Record], ...]:
    [case] = [case for case in cases.load(detector) if case.name == name]
    tape: Tape = []

    class Taped(AccountsStep):
        def apply(self, topic: str, records: Sequence[Record]) -> list[Refused]:
            tape.extend((topic, record) for record in records)
            return super().apply(topic, records)

    job = accounts_alone(settings_of(case), lambda _: None, step=Taped)
    until = cases._until(case)
    for _ in job.run(cases._lines(case, until), None if until is None else cases._ms(until)):
        pass
    return tuple(tape)


def tape_of(detector: str, case: cases.Case) -> Tape:
    """What the stage is given in a case, one record after the other."""
    return list(_tape(detector, case.name))


class Deck:
    """Plays records to a step, and keeps what it says and what it would write."""

    def __init__(self, settings: Any) -> None:
        self._settings = settings
        self.step = AccountsStep(WHOLE, settings)
        self.outputs: list[Output] = []
        self.rows: Rows = {}

    def play(self, topic: str, records: Sequence[Record]) -> None:
        assert self.step.apply(topic, records) == []

    def drain(self) -> None:
        drained = self.step.drain()
        self.outputs += drained.outputs
        self.rows.update(drained.rows)

    def restart(self) -> None:
        """Another process takes over from the changelog."""
        self.drain()
        self.step = AccountsStep(WHOLE, self._settings)
        kept = list(self.rows.items())
        random.Random(len(kept)).shuffle(kept)
        self.step.restore(kept)

    def state(self) -> Rows:
        """All rows that are there."""
        return {key: value for key, value in self.rows.items() if value is not None}


def played(settings: Any, tape: Iterable[tuple[str, Record]]) -> Deck:
    """The tape played once, record by record."""
    deck = Deck(settings)
    for topic, record in tape:
        deck.play(topic, [record])
    deck.drain()
    return deck


def signals_of(deck: Deck) -> list[Output]:
    return [output for output in deck.outputs if output.topic == "signals"]


def digests() -> dict[str, str]:
    """A digest of all that comes of the first telling case of each detector, by detector."""
    found = {}
    for name in NAMES:
        case = tellable(name)[0]
        deck = played(settings_of(case), tape_of(name, case))
        parts = [repr(deck.outputs).encode(), repr(sorted(deck.state().items())).encode()]
        found[name] = hashlib.sha256(b"".join(parts)).hexdigest()
    return found
