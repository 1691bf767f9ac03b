"""The policy as Markdown, for the documentation:

the tables are generated, so that prose cannot drift from the data.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from stream.treatment.policy import Policy


def markdown(policy: Policy) -> str:
    """Every table of the policy, each under its heading."""
    rules = [
        (f"`{rule.id}`", str(rule.version), rule.says, rule.source, rule.in_force.isoformat())
        for rule in policy.rules
    ]
    packs = [
        (f"`{name}`", ", ".join(pack.places) or "all others", ", ".join(f"`{each}`" for each in pack.rules))
        for name, pack in policy.packs.items()
    ]
    treatments = [
        (
            f"`{name}`", str(each.rung), ", ".join(each.detectors) or "any", ", ".join(each.products) or "any",
            ", ".join(each.channels), each.tone, str(each.reading_grade), f"{each.cool_down_days} days",
        )
        for name, each in policy.treatments.items()
    ]  # fmt: skip
    words = [(f"`{name}`", occasion, text) for name, each in policy.treatments.items() for occasion, text in each.text.items()]
    queues = [
        (
            f"`{name}`", str(each.rung), each.priority, f"{each.due_by_hours} h",
            ", ".join(kind for kind, queue in policy.holds.queues.items() if queue == name) or "-",
            ", ".join(each.actions) or "-", each.first, each.never,
        )
        for name, each in policy.queues.items()
    ]  # fmt: skip
    footers = [
        (f"`{name}`", channel, "; ".join(texts.values()))
        for name, pack in policy.packs.items()
        for channel, texts in pack.footer.items()
    ]
    parts = [
        f"Policy version `{policy.version}`.",
        "### Rules\n\n" + _table(("rule", "version", "says", "source", "in force from"), rules),
        "### Packs\n\n" + _table(("pack", "places", "rules with figures"), packs),
        "### Ladder\n\n" + _table(("what", "value"), _ladder(policy)),
        "### Plans and safety\n\n" + _table(("what", "value"), _plans(policy)),
        "### Treatments\n\n"
        + _table(
            ("treatment", "rung", "detectors", "products", "channels, in order", "tone", "school grade at most", "not again for"),
            treatments,
        ),
        "### Words\n\n" + _table(("treatment", "language or occasion", "words"), words),
        "### Ends of messages\n\n" + _table(("pack", "channel", "words"), footers),
        "### Queues\n\n"
        + _table(("queue", "rung", "priority", "due by", "holds that go there", "may suggest", "first", "not"), queues),
        "### Longest window\n\n"
        + _table(("channel", "longest"), [(channel, f"{hours} h") for channel, hours in policy.window_hours.items()]),
    ]
    return "\n\n".join(parts) + "\n"


def _ladder(policy: Policy) -> list[tuple[str, str]]:
    ladder = policy.ladder
    return [
        ("one low signal", f"rung {ladder.target_low}"),
        ("one medium signal", f"rung {ladder.target_medium}"),
        ("two medium signals", f"rung {ladder.target_two_mediums}"),
        ("one high signal", f"rung {ladder.target_high}"),
        ("a broken promise or plan", f"rung {ladder.target_broken_promise}, for {ladder.broken_promise_days} days"),
        (f"no answer in {ladder.silence_days} days to a support offer", f"rung {ladder.target_silence}"),
        (f"{ladder.missed_instalments} own instalments missed within 60 days", "rung 4"),
        (f"{ladder.care_days} days past due", "rung 4 at once: `arrears_care`"),
        (f"{ladder.urgent_days} days past due", "the same, urgently"),
        (f"{ladder.specialist_days} days past due", "rung 5 at once: `collections_review`"),
        ("vulnerabilities that lead there once there is something to speak of", ", ".join(ladder.specialist_vulnerabilities)),
        ("days a rung is held before the next one up (0 to 4)", ", ".join(map(str, ladder.hold_days))),
        ("clear days for one rung down", str(ladder.clear_days)),
        ("working days after its due date in which a promise can be kept", str(ladder.promise_working_days)),
        ("of which so much keeps it in part", f"{ladder.promise_part_percent} %"),
        ("days without any open channel before a person is asked", str(ladder.contactability_days)),
        ("days without any open signal before an improvement is recognised", str(ladder.recognition_clear_days)),
        ("days after those in which an improvement may still be recognised", str(ladder.recognition_days)),
        ("minutes between a decision and the first instant of sending", str(policy.settle_minutes)),
    ]


def _plans(policy: Policy) -> list[tuple[str, str]]:
    plans, safety = policy.plans, policy.safety
    costs = ", ".join(f"{currency} {units}" for currency, units in plans.living_costs.items())
    return [
        ("longest plan", f"{plans.max_months} months"),
        ("shares of what is left of a month that the options use", ", ".join(f"{each} %" for each in plans.shares)),
        ("smallest instalment", f"{plans.min_instalment} units of the currency"),
        ("kept for living costs a month", costs),
        ("which debt first", f"`{plans.order}`"),
        ("days in which an offer can be accepted", str(plans.offer_days)),
        ("days before a date in which it is reminded of", str(plans.reminder_days)),
        ("breaker: share of customers an hour, and people", f"{safety.breaker_share:.0%}, at least {safety.breaker_people}"),
        ("control group: share and days", f"{safety.control_share:.0%}, {safety.control_days} days"),
        ("days after which the effect of a treatment is looked at", str(safety.effect_days)),
    ]


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [_row(head), _row(["---"] * len(head)), *(_row(row) for row in rows)]
    return "\n".join(lines)


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
