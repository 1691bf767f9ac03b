"""The policy as Markdown, for the documentation:

the tables are generated, so that prose cannot drift from the data.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from stream.treatment.policy import Policy


def markdown(policy: Policy) -> str:
    """Every table of the policy, each under its heading."""
    ladder = policy.ladder
    rules = [
        (f"`{rule.id}`", str(rule.version), rule.says, rule.source, rule.in_force.isoformat())
        for rule in policy.rules
    ]
    treatments = [
        (
            f"`{name}`",
            str(each.rung),
            ", ".join(each.detectors) or "any",
            ", ".join(each.products) or "any",
            ", ".join(each.channels),
            each.text[policy.default_language],
        )
        for name, each in policy.treatments.items()
    ]
    queues = [
        (
            f"`{name}`",
            str(each.rung),
            each.priority,
            f"{each.due_by_hours} h",
            ", ".join(kind for kind, queue in policy.holds.queues.items() if queue == name) or "-",
            ", ".join(each.actions) or "-",
            each.first,
            each.never,
        )
        for name, each in policy.queues.items()
    ]
    moves = [
        ("one low signal", f"rung {ladder.target_low}"),
        ("one medium signal", f"rung {ladder.target_medium}"),
        ("two medium signals", f"rung {ladder.target_two_mediums}"),
        ("one high signal", f"rung {ladder.target_high}"),
        ("a broken promise", f"rung {ladder.target_broken_promise}, for {ladder.broken_promise_days} days"),
        (f"no answer in {ladder.silence_days} days to a support offer", f"rung {ladder.target_silence}"),
        ("days a rung is held before the next one up (0 to 4)", ", ".join(map(str, ladder.hold_days))),
        ("clear days for one rung down", str(ladder.clear_days)),
        ("working days after its due date in which a promise can be kept", str(ladder.promise_working_days)),
        ("days without any open channel before a person is asked", str(ladder.contactability_days)),
        ("days without any open signal before an improvement is recognised", str(ladder.recognition_clear_days)),
        ("days after those in which an improvement may still be recognised", str(ladder.recognition_days)),
    ]
    windows = [(channel, f"{hours} h") for channel, hours in policy.window_hours.items()]
    parts = [
        f"Policy version `{policy.version}`.",
        "### Rules\n\n" + _table(("rule", "version", "says", "source", "in force from"), rules),
        "### Ladder\n\n" + _table(("what", "value"), moves),
        "### Treatments\n\n"
        + _table(("treatment", "rung", "detectors", "products", "channels", "words"), treatments),
        "### Queues\n\n"
        + _table(("queue", "rung", "priority", "due by", "holds that go there", "may suggest", "first", "not"), queues),
        "### Longest window\n\n" + _table(("channel", "longest"), windows),
    ]
    return "\n\n".join(parts) + "\n"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [_row(head), _row(["---"] * len(head)), *(_row(row) for row in rows)]
    return "\n".join(lines)


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
