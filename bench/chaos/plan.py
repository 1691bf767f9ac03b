"""From a seed to a list of faults. The plan is the seed's alone; what a machine makes of it differs from run to run."""

from __future__ import annotations

import random
from collections.abc import Iterable
from typing import NamedTuple

MINUTES = 24
"""Of faults, in a full run."""
MOST = 4
"""Workers at most; a run begins with two."""
SESSION = 6.0
"""Seconds after which the group gives up a member that says nothing."""
PAUSE = (0.5, 4.0)
"""Seconds from the end of one fault to the next: some hit a worker at work, some one that is only just reading its state back."""


class Kind(NamedTuple):
    """A kind of fault."""

    cards: int
    """How often a deck holds it: each deck is played to its end before the next is shuffled."""
    cost: float
    """Seconds it takes, about, pauses left out."""
    low: float = 0.0
    """Seconds that it lasts, at least and at most, where it lasts."""
    high: float = 0.0


KINDS: dict[str, Kind] = {
    # workers
    "kill -9 of a worker": Kind(7, 0.1),
    "kill -9 of all workers": Kind(1, 0.2),
    "SIGTERM of a worker": Kind(1, 2.0),
    "worker frozen beyond its session": Kind(1, 8.5, SESSION + 1, SESSION + 4),
    "worker joins": Kind(2, 0.1),
    "worker leaves": Kind(2, 1.5),
    "killed and joined while restoring": Kind(1, 7.0),
    # brokers
    "kill -9 of a broker": Kind(1, 12.0, 0.2, 5.0),
    "kill -9 of a coordinator in mid-commit": Kind(1, 12.0, 0.2, 2.0),
    "broker frozen": Kind(1, 5.0, 2.0, 8.0),
    "slow disk": Kind(1, 7.0, 5.0, 9.0),
    # network
    "connections dropped": Kind(1, 0.1),
    "connections delayed": Kind(1, 6.0, 4.0, 8.0),
    "network swallows everything": Kind(1, 6.0, 3.0, 9.0),
}


class Step(NamedTuple):
    """After `pause` seconds, a fault."""

    pause: float
    kind: str
    rate: float
    """Events a second, from the pause on and for some seconds."""
    worker: int = -1
    """Its number, where the fault is one worker's."""
    broker: str = ""
    """Which, where it is a broker's: a number, or what it does (`leader`, `group coordinator`, `transaction coordinator`)."""
    seconds: float = 0.0
    """How long it lasts."""

    def __str__(self) -> str:
        whom = [f"w{self.worker}"] if self.worker >= 0 else []
        whom += [self.broker if not self.broker.isdigit() else f"broker {self.broker}"] if self.broker else []
        whom += [f"{self.seconds:.1f} s"] if self.seconds else []
        return self.kind + (f" ({', '.join(whom)})" if whom else "")


def schedule(seed: int, seconds: float, *, brokers: int = 1, rate: float = 5_000, burst: float = 20_000) -> list[Step]:
    """Faults for about so many seconds: whole decks, and what is left of the time from one more."""
    chance = random.Random(seed)
    table = _Table(chance, brokers, rate, burst)
    steps: list[Step] = []
    left = seconds
    while True:
        deck = [kind for kind, what in KINDS.items() for _ in range(what.cards)]
        chance.shuffle(deck)
        for kind in deck:
            dealt = table.deal(kind)
            left -= sum(step.pause + KINDS[step.kind].cost for step in dealt)
            if left < 0 and steps:
                return steps
            steps += dealt


def cut(seed: int, *, rate: float = 2_000) -> list[Step]:
    """Each fault of workers once, a broker that is killed and one that is frozen, and dropped connections: for a test."""
    chance = random.Random(seed)
    kinds = [kind for kind in KINDS if "worker" in kind or "restoring" in kind]
    kinds += ["kill -9 of a broker", "broker frozen", "connections dropped"]
    chance.shuffle(kinds)
    table = _Table(chance, 1, rate, rate)
    return [step for kind in kinds for step in table.deal(kind)]


def seconds(steps: Iterable[Step]) -> float:
    """How long they take, about."""
    return sum(step.pause + KINDS[step.kind].cost for step in steps)


class _Table:
    """Deals faults to those who are there: keeps count of the workers that a step starts and ends."""

    def __init__(self, chance: random.Random, brokers: int, rate: float, burst: float) -> None:
        self._chance = chance
        self._brokers = brokers
        self._rates = (*[rate] * 5, burst)
        self._alive = {0, 1}

    def deal(self, kind: str) -> list[Step]:
        """The step, and before it a join or leave where it needs room or company."""
        if kind == "worker leaves" and len(self._alive) == 1:
            kind = "worker joins"
        elif kind == "worker joins" and len(self._alive) == MOST:
            kind = "worker leaves"
        before: list[Step] = []
        if kind == "worker frozen beyond its session" and len(self._alive) == 1:
            before = self.deal("worker joins")  # else nobody takes over, and the sleeper wakes up as the owner that it was
        if kind == "killed and joined while restoring" and len(self._alive) == MOST:
            before = self.deal("worker leaves")
        return [*before, self._step(kind)]

    def _step(self, kind: str) -> Step:
        chance, what = self._chance, KINDS[kind]
        pause, rate = chance.uniform(*PAUSE), chance.choice(self._rates)
        lasts = chance.uniform(what.low, what.high) if what.high else 0.0
        worker, broker = -1, ""
        alive = sorted(self._alive)
        free = [number for number in range(MOST) if number not in self._alive]
        match kind:
            case "worker joins":
                worker = free[0]
                self._alive.add(worker)
            case "worker leaves":
                worker = chance.choice(alive)
                self._alive.discard(worker)
            case "killed and joined while restoring":
                worker = chance.choice(alive)
                self._alive.add(free[0])
            case "kill -9 of a worker" | "SIGTERM of a worker" | "worker frozen beyond its session":
                worker = chance.choice(alive)
            case "kill -9 of a coordinator in mid-commit":
                broker = "transaction coordinator"
            case "kill -9 of a broker":
                broker = chance.choice(("leader", "group coordinator", str(chance.randint(1, self._brokers))))
            case "broker frozen" | "connections dropped" | "connections delayed" | "network swallows everything":
                broker = str(chance.randint(1, self._brokers))
        return Step(pause, kind, rate, worker, broker, lasts)
