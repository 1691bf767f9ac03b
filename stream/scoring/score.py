"""What signals are worth: signals held against the truth about simulated customers.

Two levels
    `watch`: severity low or above. `act`: medium or above, where the ladder would contact somebody. Severity info (recovery,
    proposals of a hold) is no sign of stress and never counts. Times are the signals' own `occurred_at`, days are UTC.

Stressed
    A customer is stressed from 14 days before `onset_at` to 60 days after `recovered_at`, or to the end where there was no
    recovery. An account is stressed while one of its holders is. All other time of an account is steady time; it is counted in
    months of 365.25 / 12 days, from the first event to the last.

Alert
    The first instant at which an episode (a signal_id) has the level: by being raised, or changed up to it. An episode counts
    once; what is said of a joint account to several holders counts once. An alert is true if its account is stressed then, else
    false.

Figures, for one detector and for all together
    stressed            customers who are ever stressed
    caught              those with an alert of the level on an account of theirs, from 14 days before onset through the due date
                        of the first missed instalment; without one, through the 120th day after onset
    recall              caught / stressed
    precision           true alerts / all alerts
    lead_days           median, over the caught who missed an instalment, of its due date minus the day of the first such alert
    detection_days      median, over the caught, of the first such alert minus onset (negative: before it)
    alerts_per_1000     false alerts per 1,000 steady accounts and month
    accounts_per_1000   the same, but an account counts at most once in each 30 days, however many alerts it has

    Medians of none are null.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, time
from statistics import median
from typing import Final, NamedTuple

import msgspec

LEVELS: Final[dict[str, int]] = {"watch": 1, "act": 2}
ALL: Final = "all"
RANKS: Final = {"info": 0, "low": 1, "medium": 2, "high": 3}

DAY: Final = 86_400_000
MONTH_DAYS: Final = 365.25 / 12
BEFORE_ONSET: Final = 14
AFTER_RECOVERY: Final = 60
WITHOUT_MISS: Final = 120


class Truth(msgspec.Struct, frozen=True):
    """What is true of one customer: a line of `truth.jsonl`."""

    customer_id: str
    scenario: str
    account_ids: tuple[str, ...]
    onset_at: datetime | None
    first_missed_instalment: date | None
    recovered_at: datetime | None = None


class Said(msgspec.Struct, frozen=True):
    """What counts of one signal."""

    signal_id: str
    status: str
    detector: str
    account_id: str
    customer_id: str
    occurred_at: datetime
    severity: str


class Hit(NamedTuple):
    """The first alert in time on a stressed customer."""

    detection_days: float
    lead_days: int | None


class Person(NamedTuple):
    """A customer; `hits` by (level, detector or ALL)."""

    scenario: str
    stressed: bool
    hits: dict[tuple[str, str], Hit]


class Account(NamedTuple):
    """An account and its steady time."""

    scenario: str
    steady_days: float


class Alert(NamedTuple):
    """One alert; `window` tells accounts and runs of 30 days apart."""

    level: str
    detector: str
    scenario: str
    true: bool
    window: tuple[str, int]


class Observed(NamedTuple):
    """All that the figures are made of. Those of several runs add up."""

    people: list[Person]
    accounts: list[Account]
    alerts: list[Alert]


class Figures(msgspec.Struct, frozen=True):
    """See the module."""

    stressed: int
    caught: int
    recall: float | None
    precision: float | None
    lead_days: float | None
    detection_days: float | None
    true_alerts: int
    false_alerts: int
    alerts_per_1000: float | None
    accounts_per_1000: float | None


class Scenario(msgspec.Struct, frozen=True):
    """The figures of all detectors together on the customers of one scenario."""

    scenario: str
    customers: int
    watch: Figures
    act: Figures


class Score(msgspec.Struct, frozen=True):
    """The figures of a run, by level and detector (or `all`), and by scenario."""

    customers: int
    accounts: int
    steady_account_months: float
    watch: dict[str, Figures]
    act: dict[str, Figures]
    scenarios: list[Scenario]


def observe(truths: Sequence[Truth], said: Iterable[Said], start: int, end: int, run: str = "") -> Observed:
    """Holds the signals of a run, in the order they were said, against the truth. `start`, `end`: of its events, in ms.

    `run` keeps the accounts of one run apart from those of another. Signals to customers without truth are left out.
    """
    by_customer = {truth.customer_id: truth for truth in truths}
    holders: dict[str, list[Truth]] = {}
    for truth in truths:
        for account in truth.account_ids:
            holders.setdefault(account, []).append(truth)
    alerts: list[Alert] = []
    hits: dict[str, dict[tuple[str, str], Hit]] = {name: {} for name in by_customer}
    for level, one, at in _alerts(said):
        own = by_customer.get(one.customer_id)
        if own is None:
            continue
        if one.account_id in holders and holders[one.account_id][0] is own:
            true = any(_within(holder, at) for holder in holders[one.account_id])
            alerts.append(Alert(level, one.detector, own.scenario, true, (f"{run}/{one.account_id}", (at - start) // (30 * DAY))))
        if own.onset_at is not None and at >= _ms(own.onset_at) - BEFORE_ONSET * DAY and at < _too_late(own):
            hit = Hit((at - _ms(own.onset_at)) / DAY, _lead(own, at))
            for detector in (one.detector, ALL):
                found = hits[own.customer_id].get((level, detector))
                if found is None or hit.detection_days < found.detection_days:
                    hits[own.customer_id][level, detector] = hit
    return Observed(
        [Person(truth.scenario, truth.onset_at is not None, hits[truth.customer_id]) for truth in truths],
        [Account(own[0].scenario, _steady_days(own, start, end)) for own in holders.values()],
        alerts,
    )


def together(runs: Iterable[Observed]) -> Observed:
    """Several runs as one."""
    all_ = Observed([], [], [])
    for run in runs:
        all_.people.extend(run.people)
        all_.accounts.extend(run.accounts)
        all_.alerts.extend(run.alerts)
    return all_


def score(observed: Observed, detectors: Sequence[str]) -> Score:
    """The figures of all that was observed; `detectors` in the order they are told."""
    names = (ALL, *detectors)
    return Score(
        len(observed.people),
        len(observed.accounts),
        round(sum(account.steady_days for account in observed.accounts) / MONTH_DAYS, 1),
        {name: _figures(observed, "watch", name) for name in names},
        {name: _figures(observed, "act", name) for name in names},
        [
            Scenario(name, len(part.people), _figures(part, "watch", ALL), _figures(part, "act", ALL))
            for name, part in sorted(_by_scenario(observed).items())
        ],
    )


def _by_scenario(observed: Observed) -> Mapping[str, Observed]:
    parts: dict[str, Observed] = {}
    for person in observed.people:
        parts.setdefault(person.scenario, Observed([], [], [])).people.append(person)
    for account in observed.accounts:
        parts[account.scenario].accounts.append(account)
    for alert in observed.alerts:
        parts[alert.scenario].alerts.append(alert)
    return parts


def _figures(observed: Observed, level: str, detector: str) -> Figures:
    stressed = [person for person in observed.people if person.stressed]
    hits = [hit for person in stressed if (hit := person.hits.get((level, detector))) is not None]
    alerts = [one for one in observed.alerts if one.level == level and detector in (ALL, one.detector)]
    false = [one for one in alerts if not one.true]
    months = sum(account.steady_days for account in observed.accounts) / MONTH_DAYS
    leads = [hit.lead_days for hit in hits if hit.lead_days is not None]
    return Figures(
        stressed=len(stressed),
        caught=len(hits),
        recall=_share(len(hits), len(stressed)),
        precision=_share(len(alerts) - len(false), len(alerts)),
        lead_days=median(leads) if leads else None,
        detection_days=round(median(hit.detection_days for hit in hits), 1) if hits else None,
        true_alerts=len(alerts) - len(false),
        false_alerts=len(false),
        alerts_per_1000=_share(1000 * len(false), months, 2),
        accounts_per_1000=_share(1000 * len({one.window for one in false}), months, 2),
    )


def _share(part: float, whole: float, digits: int = 4) -> float | None:
    return round(part / whole, digits) if whole else None


def _alerts(said: Iterable[Said]) -> Iterable[tuple[str, Said, int]]:
    """Level, signal and time of each alert."""
    reached: set[tuple[str, str]] = set()
    for one in said:
        if one.status == "withdrawn":
            continue
        for level, rank in LEVELS.items():
            if RANKS[one.severity] >= rank and (one.signal_id, level) not in reached:
                reached.add((one.signal_id, level))
                yield level, one, _ms(one.occurred_at)


def _stress(truth: Truth) -> tuple[float, float] | None:
    """From when to when (ms) the customer is stressed."""
    if truth.onset_at is None:
        return None
    end = float("inf") if truth.recovered_at is None else _ms(truth.recovered_at) + AFTER_RECOVERY * DAY
    return _ms(truth.onset_at) - BEFORE_ONSET * DAY, end


def _within(truth: Truth, at: int) -> bool:
    stress = _stress(truth)
    return stress is not None and stress[0] <= at < stress[1]


def _too_late(truth: Truth) -> int:
    """The instant from which an alert catches nobody any more."""
    assert truth.onset_at is not None
    missed = truth.first_missed_instalment
    if missed is None:
        return _ms(truth.onset_at) + WITHOUT_MISS * DAY
    return _ms(datetime.combine(missed, time(), UTC)) + DAY


def _lead(truth: Truth, at: int) -> int | None:
    missed = truth.first_missed_instalment
    return None if missed is None else (missed - datetime.fromtimestamp(at // 1000, UTC).date()).days


def _steady_days(holders: Sequence[Truth], start: int, end: int) -> float:
    steady, reached = 0.0, float(start)
    for begins, ends in sorted(stress for truth in holders if (stress := _stress(truth)) is not None):
        steady += max(min(begins, end) - reached, 0.0)
        reached = max(reached, min(ends, end))
    return (steady + max(end - reached, 0.0)) / DAY


def _ms(at: datetime) -> int:
    return round(at.timestamp() * 1000)
