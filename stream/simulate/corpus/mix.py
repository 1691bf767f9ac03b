"""The closed list of stories of the golden corpus, and how many customers live each."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Literal

from stream.simulate.calendars import Country

Earns = Literal["any", "salary", "monthly", "weekly", "four_weekly", "gig", "pension", "commission", "student"]
"""How the household's money comes; `any` draws it, `salary` is monthly or weekly."""

WORLD: tuple[Country, ...] = ("GB", "IE", "DE", "US", "AU", "JP", "KW")
_UK: tuple[Country, ...] = ("GB",)


@dataclass(frozen=True, slots=True)
class Story:
    """One story of the corpus."""

    name: str
    per_mille: int
    """Share of the customers."""
    summary: str
    stressed: bool = False
    """Whether money truly runs short."""
    nudge_right: bool = False
    """Whether a supportive nudge is right at some time."""
    earns: Earns = "any"
    countries: tuple[Country, ...] = ("GB", "IE", "DE", "US", "AU")
    couple: bool = False
    """Two customers who share an account."""


def _steady(name: str, per_mille: int, summary: str, **more: object) -> Story:
    return Story(name, per_mille, summary, **more)  # type: ignore[arg-type]


def _stressed(name: str, per_mille: int, summary: str, **more: object) -> Story:
    return Story(name, per_mille, summary, True, True, **more)  # type: ignore[arg-type]


STORIES: tuple[Story, ...] = (
    _steady("steady", 134, "Pays on time; the odd forgotten bill, the odd mistaken bounce."),
    _steady("steady_couple", 40, "Two people and two salaries share an account.", couple=True),
    _steady("rich", 40, "A buffer of months."),
    _steady("thin_buffer", 60, "Lives from one payday to the next, and never fails."),
    _steady("no_balances", 20, "The bank sends no balances.", countries=_UK),
    _steady("weekly_pay", 25, "Paid each Friday.", earns="weekly"),
    _steady("four_weekly_benefit", 25, "A benefit every fourth Tuesday, and a small salary.", earns="four_weekly"),
    _steady("gig_work", 30, "Paid by platforms, on no particular day, now more, now less.", earns="gig"),
    _steady("commission", 12, "A salary that differs by a third from month to month.", earns="commission"),
    _steady("pension", 25, "A state pension every fourth Thursday, another monthly.", earns="pension"),
    _steady("student", 12, "A student loan three times a year, and a small wage.", earns="student", countries=_UK),
    _steady("payday_shift", 14, "The employer moves payday, earlier or into the next month, with notice.", earns="monthly"),
    _steady("job_change", 14, "A new employer pays somewhat more, after a short gap.", earns="monthly"),
    _steady("parental_leave", 8, "Half the pay for four months, as planned and saved for.", earns="monthly"),
    _steady("employer_late", 24, "The employer pays everybody three days late, once.", earns="monthly", countries=_UK),
    _steady("holiday", 20, "A dear holiday, and a quiet fortnight at home's shops."),
    _steady("house_move", 10, "Draws savings down for a deposit; then other suppliers, another council."),
    _steady("new_debit_date", 14, "Asks a biller for another collection day."),
    _steady("new_supplier", 14, "Changes the energy supplier: the payee, the amount and the day change."),
    _steady("renamed_payee", 12, "A biller changes its name; its id stays."),
    _steady("drifting_amounts", 14, "The energy bill climbs by some percent a month."),
    _steady("yearly_bills", 16, "Yearly and quarterly bills."),
    _steady("bank_outage", 36, "One bank returns two days' debits; all are collected later.", countries=_UK),
    _steady("scheme_outage", 22, "A scheme returns one day's debits at every bank.", countries=("AU",)),
    _steady("silent_biller", 22, "A biller's file does not come for a week; then it does.", countries=_UK),
    _steady("duplicate_delivery", 12, "Some events come twice."),
    _steady("late_delivery", 12, "Some events come days late and out of order."),
    _steady("reversal", 10, "Two bounces are reported in error and reversed."),
    _steady("clock_change", 8, "Payments in the hour that comes twice, and around the one that is skipped."),
    _steady("leap_day", 8, "Bills due on the 29th, 30th and 31st."),
    _steady("yen", 8, "An account in a currency without decimals.", countries=("JP",)),
    _steady("dinar", 8, "An account in a currency with three decimals.", countries=("KW",)),
    _steady("gym_cancelled", 12, "Cancels a gym's direct debit; the gym tries thrice in vain."),
    _steady("forgetful", 16, "Has the money, forgets a bill now and then, pays weeks late.", nudge_right=True),
    _steady("bereavement", 5, "The customer dies: debits return, a hold is placed, then confirmed."),
    _stressed("job_loss", 40, "The salary ends; a smaller benefit follows after weeks.", earns="salary", countries=WORLD),
    _stressed("joint_salary_lost", 12, "A couple loses one of two salaries.", couple=True),
    _stressed("employer_insolvent", 20, "The employer of many stops paying for good.", earns="monthly", countries=_UK),
    _stressed("illness", 20, "Sick pay, under half of the salary, for months.", earns="salary", countries=WORLD),
    _stressed("hours_cut", 14, "Hours are cut: a third to a half less pay.", earns="salary"),
    _stressed("gig_dries_up", 8, "The platforms have ever less work.", earns="gig"),
    _stressed("separation", 12, "A couple parts: one moves out with a salary and opens an account.", couple=True),
    _stressed("rate_shock", 10, "The mortgage's fixed rate ends: the instalment rises by more than half.", earns="salary"),
    _stressed("slow_slide", 20, "Spends more than comes in; the overdraft creeps, then the limit is reached."),
    _stressed("minimum_only", 12, "Cannot pay the card down any more: the minimum, month after month.", earns="salary"),
    _stressed("part_payer", 14, "A new cost that does not fit: bills are paid in part.", earns="salary"),
    _stressed("payday_borrower", 12, "Borrows from payday to payday, and cash on the card.", earns="salary"),
    _stressed("gambling", 8, "Gambles ever more.", earns="salary"),
    _stressed("recovery", 16, "Loses the job, finds another, pays what is owed, and saves again.", earns="monthly"),
    _stressed("breathing_space", 8, "The salary ends; later a 60-day moratorium.", earns="monthly", countries=_UK),
    _stressed("opt_out", 6, "The salary ends; the customer opts out of every channel.", earns="monthly"),
    _stressed("vulnerability", 6, "Sick pay; the customer tells of it, a case is opened.", earns="monthly"),
)

BY_NAME: dict[str, Story] = {story.name: story for story in STORIES}


def assign(customers: int, chosen: tuple[Story, ...], rng: Random) -> list[Story]:
    """A story for each household, shuffled: by largest remainder, each story at least once where there is room.

    A couple is two customers; one without a partner is `steady`.
    """
    total = sum(story.per_mille for story in chosen)
    exact = [customers * story.per_mille / total for story in chosen]
    counts = [int(share) for share in exact]
    for i in sorted(range(len(chosen)), key=lambda i: (counts[i] - exact[i], i))[: customers - sum(counts)]:
        counts[i] += 1
    least = [2 if story.couple else 1 for story in chosen]
    if customers >= 2 * sum(least):
        for i, need in enumerate(least):
            while counts[i] < need:
                counts[counts.index(max(counts))] -= 1
                counts[i] += 1
    assigned: list[Story] = []
    for story, count in zip(chosen, counts, strict=True):
        households, alone = divmod(count, 2) if story.couple else (count, 0)
        assigned += [story] * households + [BY_NAME["steady"]] * alone
    rng.shuffle(assigned)
    return assigned


def table() -> str:
    """The catalogue as a Markdown table (docs/simulate.md holds it)."""
    lines = ["| story | of 1,000 | what happens | truth | nudge right | where |", "|---|---|---|---|---|---|"]
    for story in STORIES:
        truth = "stressed" if story.stressed else "steady"
        right = "yes" if story.nudge_right else "no"
        where = ", ".join(story.countries)
        lines.append(f"| `{story.name}` | {story.per_mille} | {story.summary} | {truth} | {right} | {where} |")
    return "\n".join(lines) + "\n"
