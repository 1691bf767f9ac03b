"""The packaged policy with one rule bent or dropped: the oracle must see each.

Which timelines show it is found once, by `python -m tests.conduct.mutants`, and kept in mutants.json: the tests need only those.
When the generator or the policy changes, run it again.
"""

from __future__ import annotations

import json
import multiprocessing
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from stream.treatment.policy import Policy, default_text, load
from tests.conduct import timelines
from tests.conduct.run import run_one

FOUND: Final = Path(__file__).with_name("mutants.json")
SEARCHED: Final = 120_000
KEPT: Final = 2
NEVER: Final = "2999-01-01"

Data = dict[str, Any]
Bend = Callable[[Data], None]

BASICS: Final = (
    "consent", "channel_open", "no_hold", "no_shared_hold", "no_open_case", "not_stopped", "not_snoozed", "own_account",
)  # fmt: skip
"""Rules without figures that stand alone. The others: see `_together`."""


def _drop(kind: str, rule_id: str) -> Bend:
    def bend(data: Data) -> None:
        for rule in data[kind]:
            if rule["id"] == rule_id:
                rule["in_force"] = NEVER

    return bend


def _set(kind: str, rule_id: str, **changes: Any) -> Bend:
    def bend(data: Data) -> None:
        for rule in data[kind]:
            if rule["id"] == rule_id:
                rule.update(changes)

    return bend


def _basic(*names: str) -> Bend:
    def bend(data: Data) -> None:
        for name in names:
            data["basics"][name]["in_force"] = NEVER

    return bend


def _abuse(data: Data) -> None:
    # The ladder leads such people to a person anyway; both doors must be open for the gate to be the one that holds.
    data["basics"]["no_economic_abuse"]["in_force"] = NEVER
    data["ladder"]["specialist_vulnerabilities"] = []


def mutants(policy: Policy) -> dict[str, Bend]:
    """Every way in which a rule is bent, by name."""
    found: dict[str, Bend] = {f"basics.{name} dropped": _basic(name) for name in BASICS}
    # Of a person who is not known no zone is known either: one of the two rules is enough to refuse.
    found["basics.customer_known and zone_known dropped"] = _basic("customer_known", "zone_known")
    found["basics.no_economic_abuse dropped"] = _abuse
    for hours in policy.hours:
        found[f"{hours.id} opens an hour early"] = _set("hours", hours.id, opens=_moved(hours.opens, -60))
        found[f"{hours.id} closes an hour late"] = _set("hours", hours.id, closes=_moved(hours.closes, 60))
    for closed in policy.closed_days:
        if closed.days:
            found[f"{closed.id} without its weekdays"] = _set("closed_days", closed.id, days=[])
        if closed.holidays:
            found[f"{closed.id} without holidays"] = _set("closed_days", closed.id, holidays=False)
    for quiet in policy.quiet:
        found[f"{quiet.id} dropped"] = _drop("quiet", quiet.id)
    for cap in policy.caps:
        found[f"{cap.id} allows one more"] = _set("caps", cap.id, limit=cap.limit + 1)
        # The rules for months have a day more than the oracle asks for.
        shorter = 7 if cap.days > 7 else cap.days - 1
        found[f"{cap.id} looks back less"] = _set("caps", cap.id, days=shorter)
    for gap in policy.gaps:
        found[f"{gap.id} is a day shorter"] = _set("gaps", gap.id, days=gap.days - 1)
    for length in policy.hold_lengths:
        shorter = {"months": length.months - 1} if length.months else {"days": length.days - 1}
        found[f"{length.id} is shorter"] = _set("hold_lengths", length.id, **shorter)
    return found


def _moved(hour: str, minutes: int) -> str:
    total = int(hour[:2]) * 60 + int(hour[3:]) + minutes
    return f"{total // 60:02}:{total % 60:02}"


def bent(policy: Policy, bend: Bend) -> Policy:
    """The policy anew, with one thing changed."""
    data = json.loads(policy.model_dump_json())
    bend(data)
    return Policy.model_validate_json(json.dumps(data))


def _concerned(name: str, policy: Policy, seed: int) -> bool:
    """Whether a timeline can show a bent rule at all, by its places and holds: what cannot need not be run."""
    rule_id = name.split(" ")[0]
    records = timelines.draw(seed)
    people = [each.value for each in records if each.topic == "customers" and not each.bad]
    length = next((each for each in policy.hold_lengths if each.id == rule_id), None)
    if length is not None:
        told = [each.value for each in records if each.topic == "holds" and not each.bad]
        return any(each["kind"] == length.kind and "ends_at" not in each for each in told) and (
            not length.places or any({each["jurisdiction"], each.get("region")} & set(length.places) for each in people)
        )
    for each in people:
        book = policy.book(each["jurisdiction"], each.get("region") or "")
        figures = (*book.hours, *book.closed_days, *book.quiet, *book.caps, *book.gaps)
        if rule_id.startswith("basics.") or any(rule.id == rule_id for rule in figures):
            return True
    return rule_id.startswith("basics.")


def _search(name: str) -> tuple[str, list[int]]:
    policy = load(default_text())
    changed = bent(policy, mutants(policy)[name])
    seeds: list[int] = []
    for seed in range(SEARCHED):
        if not _concerned(name, policy, seed):
            continue
        if run_one(seed, changed).violations and not run_one(seed, policy).violations:
            seeds.append(seed)
            if len(seeds) == KEPT:
                break
    return name, seeds


def main() -> int:
    names = list(mutants(load(default_text())))
    found: dict[str, list[int]] = {}
    with multiprocessing.Pool(2) as pool:
        for name, seeds in pool.imap_unordered(_search, names):
            found[name] = seeds
            print(f"{name}: {seeds or 'NOT SEEN'}", flush=True)
    FOUND.write_text(json.dumps({name: found[name] for name in names}, indent=1) + "\n", encoding="utf-8")
    return 0 if all(found.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
