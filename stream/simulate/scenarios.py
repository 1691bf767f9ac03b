"""The closed list of what may happen to a simulated customer."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Literal

from stream.simulate.calendars import Country

Cause = Literal["job_loss", "illness", "payday_shift"]


@dataclass(frozen=True, slots=True)
class Scenario:
    """One story, and what a good early-warning system makes of it."""

    name: str
    percent: int
    """Share of the customers, when all scenarios are simulated."""
    summary: str
    nudge_right: bool
    """Whether a supportive nudge is right at some time in the story."""
    cause: Cause | None = None
    """What makes money short; None: money is never short."""
    countries: tuple[Country, ...] = ("GB", "IE", "DE", "US", "AU")


_UK: tuple[Country, ...] = ("GB",)

SCENARIOS: tuple[Scenario, ...] = (
    Scenario("steady", 55, "Pays everything on time; the buffer breathes with the month.", False),
    Scenario("job_loss", 6, "Salary ends for good; a smaller benefit follows after weeks.", True, "job_loss"),
    Scenario(
        "payday_shift", 5, "The employer moves payday from the end of a month to the 9th-12th.", True,
        "payday_shift",
    ),
    Scenario("illness", 4, "Sick pay, under half of the salary, for two to four months.", True, "illness"),
    Scenario("bank_outage", 4, "One bank returns a day's debits; all are collected later.", False, None, _UK),
    Scenario("duplicate_delivery", 3, "Some events come twice, one mistaken bounce thrice.", False),
    Scenario("late_delivery", 3, "Some events come days late; one bounce comes after its cure.", False),
    Scenario("reversal", 3, "Two bounces are reported in error and reversed a day or two later.", False),
    Scenario("late_payer", 4, "Forgets up to three bills, pays them weeks late, is on time again.", True),
    Scenario("gym_cancelled", 3, "Cancels a gym's direct debit; the gym tries thrice in vain.", False),
    Scenario("bereavement", 1, "The customer dies: debits return, a hold is placed, then confirmed.", False),
    Scenario("breathing_space", 2, "Salary ends; later a 60-day moratorium.", True, "job_loss", _UK),
    Scenario("opt_out", 2, "Salary ends; the customer opts out of every channel.", True, "job_loss"),
    Scenario("vulnerability", 2, "Sick pay; the customer tells of it, a case is opened.", True, "illness"),
    Scenario("joint_account", 3, "Two people share an account; one of two salaries ends.", True, "job_loss"),
)  # fmt: skip

BY_NAME: dict[str, Scenario] = {scenario.name: scenario for scenario in SCENARIOS}


def choose(names: list[str] | None) -> list[Scenario]:
    """The scenarios of these names, in the catalogue's order; all for None. ValueError: a name is unknown."""
    if not names:
        return list(SCENARIOS)
    unknown = sorted(set(names) - BY_NAME.keys())
    if unknown:
        raise ValueError(f"unknown scenario {', '.join(unknown)}: choose from {', '.join(BY_NAME)}")
    return [scenario for scenario in SCENARIOS if scenario.name in names]


def assign(customers: int, chosen: list[Scenario], rng: Random) -> list[Scenario]:
    """A story for each household, shuffled; a joint account is one household of two customers.

    Shares are by largest remainder, and each scenario comes at least once where there is room. A customer
    without a partner is steady.
    """
    total = sum(scenario.percent for scenario in chosen)
    exact = [customers * scenario.percent / total for scenario in chosen]
    counts = [int(share) for share in exact]
    by_remainder = sorted(range(len(chosen)), key=lambda i: (counts[i] - exact[i], i))
    for i in by_remainder[: customers - sum(counts)]:
        counts[i] += 1
    least = [2 if scenario.name == "joint_account" else 1 for scenario in chosen]
    if customers >= 2 * sum(least):
        for i, need in enumerate(least):
            while counts[i] < need:
                counts[counts.index(max(counts))] -= 1
                counts[i] += 1
    assigned: list[Scenario] = []
    for scenario, count in zip(chosen, counts, strict=True):
        if scenario.name == "joint_account":
            assigned += [scenario] * (count // 2) + [SCENARIOS[0]] * (count % 2)
        else:
            assigned += [scenario] * count
    rng.shuffle(assigned)
    return assigned


def table() -> str:
    """The catalogue as a Markdown table (docs/simulate.md holds it)."""
    lines = [
        "| scenario | share | what happens | money is short by | nudge right | where |",
        "|---|---|---|---|---|---|",
    ]
    lines += [
        f"| `{s.name}` | {s.percent} % | {s.summary} | {s.cause or 'never'} "
        f"| {'yes' if s.nudge_right else 'no'} | {', '.join(s.countries)} |"
        for s in SCENARIOS
    ]
    return "\n".join(lines) + "\n"
