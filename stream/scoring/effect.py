"""What the nudges are worth: what came after them, held against those who were left alone.

Trial
    A nudge that was issued, or a decision with the result `control`: somebody who would have been written to and, for the
    experiment, was not. It begins when it was decided and lasts 14 days. While the last event read lies within them it is
    pending, and counted as nothing else. A nudge that was taken back stays a trial (intention to treat): what cured it cures
    those who were held back too, and a control is never taken back.

Arm
    `treated`: a nudge whose experiment says so, to somebody who could have been held back. `control`: held back. `outside`: every
    other nudge. Only the first two are compared.

Response
    Within the trial the customer got in touch (any inbound contact), or an outbound contact came to more than arriving: clicked,
    conversation, promise, refused, opted_out, complaint, dispute, hardship, represented, plan_proposed, plan_accepted,
    plan_declined. Whatever it was about.

Self-cure
    At the end of the trial none of the customer's signals of severity medium or high is open: the latest that was said of each
    by then is lower, a withdrawal, or has lapsed. Of two things said of a signal at one instant the later in its life counts,
    then the graver.

Intervals, all of 95 %
    Of a share: Wilson's score interval. Of the difference of two shares, treated minus control: Newcombe's hybrid score interval,
    his method 10 (R. G. Newcombe, Statistics in Medicine 17, 1998, 857-872 and 873-890).

Lead time
    Days from a customer's first nudge to their first `arrears_clock` signal after it: an instalment of their own that was missed.
    Preceded: the share of `arrears_clock` episodes (a signal_id; each holder of a joint account has one) in whose 120 days before
    there was a nudge. Any nudge counts that was not taken back. Quartiles lie between neighbours, as numpy's do.

Of fewer than the minimum nothing but the count is told.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from math import sqrt
from statistics import NormalDist, quantiles
from typing import Annotated, Final, NamedTuple

import msgspec

from stream.contracts import contact_outcomes
from stream.contracts.envelope import unwrap
from stream.contracts.vocabulary import ARMS, TREATMENTS, Arm, DecisionResult, IssueStatus, Severity, SignalStatus
from stream.engine.offline import Line
from stream.errors import BadRecord

DAY: Final = 86_400_000
WINDOW_DAYS: Final = 14
BEFORE_DAYS: Final = 120
MINIMUM: Final = 30
ARREARS: Final = "arrears_clock"
RESPONSES: Final = frozenset(
    {
        "clicked", "conversation", "promise", "refused", "opted_out", "complaint", "dispute", "hardship",
        "represented", "plan_proposed", "plan_accepted", "plan_declined",
    }
)  # fmt: skip
"""Outcomes of an outbound contact that are a response; inbound contact always is."""

FIRST: Final = ("nudges", "decisions")
"""The topics that trials come from: to be read before the others."""
THEN: Final = ("signals", "contact-outcomes")
"""The topics that tell what came of them."""

_WINDOW: Final = WINDOW_DAYS * DAY
_Z: Final = NormalDist().inv_cdf(0.975)
_LIFE: Final[dict[SignalStatus, int]] = {"raised": 0, "changed": 1, "withdrawn": 2}
_GRAVITY: Final[dict[Severity, int]] = {"info": 0, "low": 1, "medium": 2, "high": 3}
_NEVER: Final = 1 << 62

_Aware = Annotated[datetime, msgspec.Meta(tz=True)]


# --- what is told


class Share(msgspec.Struct, frozen=True):
    """A share with its interval."""

    count: int
    share: float
    low: float
    high: float


class Gap(msgspec.Struct, frozen=True):
    """The difference of two shares with its interval."""

    difference: float
    low: float
    high: float


class Figures(msgspec.Struct, frozen=True):
    """The trials of one arm of a treatment. None: too few to say, or not known."""

    arm: Arm
    trials: int
    pending: int
    too_few: bool
    response: Share | None
    self_cure: Share | None


class Difference(msgspec.Struct, frozen=True):
    """Treated minus control. None: too few in one of them, or not known."""

    response: Gap | None
    self_cure: Gap | None


class Treatment(msgspec.Struct, frozen=True):
    """One treatment."""

    treatment: str
    arms: list[Figures]
    difference: Difference | None
    """Where somebody was treated and somebody held back."""


class Quartiles(msgspec.Struct, frozen=True):
    """Days."""

    lower: float
    median: float
    upper: float


class Lead(msgspec.Struct, frozen=True):
    """How long before a missed instalment somebody was written to."""

    customers: int
    """With a missed instalment after a nudge."""
    days: Quartiles | None
    before_days: int
    episodes: int
    """Missed instalments in all."""
    preceded: Share | None
    """Of them: with a nudge in so many days before."""


class Warn(msgspec.Struct, frozen=True):
    """Something that whoever reads the figures must know."""

    code: str
    text: str


class Report(msgspec.Struct, frozen=True, rename={"since": "from", "until": "to"}):
    """See the module."""

    since: datetime | None
    """Time of the first event read."""
    until: datetime | None
    """And of the last."""
    window_days: int
    minimum: int
    trials: int
    """Whose days are over."""
    withdrawn: int
    """Of them: nudges that were taken back."""
    pending: int
    treatments: list[Treatment]
    lead: Lead
    warnings: list[Warn]


# --- intervals


def wilson(count: int, of: int) -> tuple[float, float]:
    """Wilson's 95 % score interval of the share `count / of`.

    >>> [round(bound, 4) for bound in wilson(81, 263)]
    [0.2553, 0.3662]
    """
    share, squared = count / of, _Z * _Z
    middle = (share + squared / (2 * of)) / (1 + squared / of)
    half = _Z * sqrt(share * (1 - share) / of + squared / (4 * of * of)) / (1 + squared / of)
    return (0.0 if count == 0 else middle - half), (1.0 if count == of else middle + half)


def newcombe(count: int, of: int, other: int, other_of: int) -> tuple[float, float, float]:
    """`count / of - other / other_of` with Newcombe's 95 % hybrid score interval.

    >>> [round(number, 4) for number in newcombe(56, 70, 48, 80)]
    [0.2, 0.0524, 0.3339]
    """
    one, two = count / of, other / other_of
    (low, high), (other_low, other_high) = wilson(count, of), wilson(other, other_of)
    difference = one - two
    return (
        difference,
        difference - sqrt((one - low) ** 2 + (other_high - two) ** 2),
        difference + sqrt((high - one) ** 2 + (two - other_low) ** 2),
    )


# --- what is read


class _Experiment(msgspec.Struct):
    arm: str


class _Nudge(msgspec.Struct):
    nudge_id: str
    status: IssueStatus
    customer_id: str
    treatment: str
    decided_at: _Aware
    experiment: _Experiment | None = None


class _Decision(msgspec.Struct):
    decision_id: str
    customer_id: str
    decided_at: _Aware
    treatment: str
    result: DecisionResult
    shadow: bool | None = None


class _Signal(msgspec.Struct):
    signal_id: str
    status: SignalStatus
    detector: str
    customer_id: str
    occurred_at: _Aware
    severity: Severity
    expires_at: _Aware | None = None


_nudge = msgspec.json.Decoder(_Nudge).decode
_decision = msgspec.json.Decoder(_Decision).decode
_signal = msgspec.json.Decoder(_Signal).decode


class _Start(NamedTuple):
    """Of two that bear one id the lesser counts, whichever was read first."""

    at: int
    customer: str
    treatment: str
    arm: Arm


class _Said(NamedTuple):
    """What was said of a signal; the greatest by an instant is how it stands then."""

    at: int
    life: int
    gravity: int
    expires: int

    def troubles(self, at: int) -> bool:
        return self.life < _LIFE["withdrawn"] and self.gravity >= _GRAVITY["medium"] and at < self.expires


class _Trial:
    __slots__ = ("at", "end", "responded", "signals", "start", "withdrawn")

    def __init__(self, start: _Start, withdrawn: bool) -> None:
        self.start = start
        self.at = start.at
        self.end = start.at + _WINDOW
        self.withdrawn = withdrawn
        self.responded = False
        self.signals: dict[str, _Said] = {}
        """How each signal of the customer stands at the end."""

    def cured(self) -> bool:
        return not any(said.troubles(self.end) for said in self.signals.values())


class _Span:
    """First and last time seen, and what could not be read."""

    def __init__(self) -> None:
        self.first: int | None = None
        self.last: int | None = None
        self.unreadable = 0

    def saw(self, moment: datetime) -> int:
        at = round(moment.timestamp() * 1000)
        self.first = at if self.first is None else min(self.first, at)
        self.last = at if self.last is None else max(self.last, at)
        return at


class Effect:
    """Reads the topics of `FIRST`, then those of `THEN`, and reports. Records of either may come in any order, and twice.

    Of those who are in no trial it keeps nothing but when an instalment was missed.
    """

    def __init__(self) -> None:
        self._span = _Span()
        self._issued: dict[str, _Start] = {}
        self._withdrawn: set[str] = set()
        self._controls: dict[str, _Start] = {}
        self._people: dict[str, list[_Trial]] | None = None
        """Trials by customer; None until the first record of what came of them."""
        self._missed: dict[str, tuple[int, str]] = {}
        """Start and customer of each `arrears_clock` episode."""
        self._signals = 0
        self._outcomes = 0

    def hear(self, topic: str, line: Line) -> None:
        """Takes one record in. What cannot be read, or was refused by the job, is counted and left out."""
        try:
            match topic:
                case "nudges":
                    self._hear_nudge(_nudge(line.value or b""))
                case "decisions":
                    self._hear_decision(_decision(line.value or b""))
                case "signals":
                    self._hear_signal(_signal(line.value or b""))
                case _:
                    self._hear_outcome(line)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, BadRecord):
            self._span.unreadable += 1

    def _hear_nudge(self, nudge: _Nudge) -> None:
        assert self._people is None, "trials come first"
        at = self._span.saw(nudge.decided_at)
        if nudge.status == "withdrawn":
            self._withdrawn.add(nudge.nudge_id)
            return
        compared = nudge.experiment is not None and nudge.experiment.arm == "treated"
        start = _Start(at, nudge.customer_id, nudge.treatment, "treated" if compared else "outside")
        self._issued[nudge.nudge_id] = min(start, self._issued.get(nudge.nudge_id, start))

    def _hear_decision(self, decision: _Decision) -> None:
        assert self._people is None, "trials come first"
        at = self._span.saw(decision.decided_at)
        if decision.result == "control" and not decision.shadow:  # a policy that is only tried out holds nobody back
            start = _Start(at, decision.customer_id, decision.treatment, "control")
            self._controls[decision.decision_id] = min(start, self._controls.get(decision.decision_id, start))

    def _hear_signal(self, signal: _Signal) -> None:
        self._signals += 1
        at = self._span.saw(signal.occurred_at)
        if signal.detector == ARREARS:
            begun = at, signal.customer_id
            self._missed[signal.signal_id] = min(begun, self._missed.get(signal.signal_id, begun))
        expires = _NEVER if signal.expires_at is None else round(signal.expires_at.timestamp() * 1000)
        said = _Said(at, _LIFE[signal.status], _GRAVITY[signal.severity], expires)
        for trial in self._trials().get(signal.customer_id, ()):
            if at <= trial.end:
                trial.signals[signal.signal_id] = max(said, trial.signals.get(signal.signal_id, said))

    def _hear_outcome(self, line: Line) -> None:
        outcome = contact_outcomes.decode(unwrap(line.value or b"", line.headers))
        at = outcome.occurred_at
        # The job refuses these; and one from the far future would end every trial.
        if outcome.customer_id.encode() != line.key or at.timestamp() * 1000 > line.timestamp + DAY:
            self._span.unreadable += 1
            return
        self._outcomes += 1
        when = self._span.saw(at)
        if outcome.direction == "inbound" or outcome.outcome in RESPONSES:
            for trial in self._trials().get(outcome.customer_id, ()):
                trial.responded = trial.responded or trial.at < when <= trial.end

    def _trials(self) -> dict[str, list[_Trial]]:
        if self._people is None:
            self._people = {}
            for name, start in (*self._issued.items(), *self._controls.items()):
                self._people.setdefault(start.customer, []).append(_Trial(start, name in self._withdrawn))
        return self._people

    # --- the report

    def report(self, minimum: int = MINIMUM) -> Report:
        """The figures of all that was read; `minimum` is 1 or more."""
        span = self._span
        every = [trial for trials in self._trials().values() for trial in trials]
        over = [trial for trial in every if span.last is not None and trial.end <= span.last]
        by_treatment: dict[str, list[_Trial]] = {}
        for trial in every:
            by_treatment.setdefault(trial.start.treatment, []).append(trial)
        return Report(
            since=None if span.first is None else _moment(span.first),
            until=None if span.last is None else _moment(span.last),
            window_days=WINDOW_DAYS,
            minimum=minimum,
            trials=len(over),
            withdrawn=sum(trial.withdrawn for trial in over),
            pending=len(every) - len(over),
            treatments=[self._treatment(name, by_treatment[name], minimum) for name in sorted(by_treatment, key=_place)],
            lead=self._lead(minimum),
            warnings=list(self._gaps()),
        )

    def _treatment(self, name: str, trials: list[_Trial], minimum: int) -> Treatment:
        arms = {arm: self._figures(arm, own, minimum) for arm in ARMS if (own := [one for one in trials if one.start.arm == arm])}
        compared = "treated" in arms and "control" in arms
        difference = _against(arms["treated"], arms["control"]) if compared else None
        return Treatment(name, list(arms.values()), difference)

    def _figures(self, arm: Arm, trials: list[_Trial], minimum: int) -> Figures:
        assert self._span.last is not None
        over = [trial for trial in trials if trial.end <= self._span.last]
        told = len(over) >= minimum
        return Figures(
            arm=arm,
            trials=len(over),
            pending=len(trials) - len(over),
            too_few=not told,
            response=_share(sum(trial.responded for trial in over), len(over)) if told and self._outcomes else None,
            self_cure=_share(sum(trial.cured() for trial in over), len(over)) if told and self._signals else None,
        )

    def _lead(self, minimum: int) -> Lead:
        nudged = {
            customer: sorted(trial.at for trial in trials if trial.start.arm != "control" and not trial.withdrawn)
            for customer, trials in self._trials().items()
        }
        preceded, after = 0, dict[str, int]()
        for at, customer in self._missed.values():
            times = nudged.get(customer, ())
            preceded += any(at - BEFORE_DAYS * DAY <= time < at for time in times)
            if times and at > times[0]:
                after[customer] = min(at, after.get(customer, at))
        days = sorted((at - nudged[customer][0]) / DAY for customer, at in after.items())
        episodes = len(self._missed)
        return Lead(
            customers=len(days),
            days=_quartiles(days) if len(days) >= minimum else None,
            before_days=BEFORE_DAYS,
            episodes=episodes,
            preceded=_share(preceded, episodes) if episodes >= minimum else None,
        )

    def _gaps(self) -> Iterable[Warn]:
        if not self._outcomes:
            yield Warn("no_outcomes", "No contact outcome was read: whether anybody responded is not known.")
        if not self._signals:
            yield Warn("no_signals", "No signal was read: whether anybody is out of trouble is not known.")
        if self._span.unreadable:
            yield Warn("unreadable", f"Records that could not be read, or that the job refused: {self._span.unreadable:,}.")


def _against(treated: Figures, control: Figures) -> Difference:
    def gap(one: Share | None, other: Share | None) -> Gap | None:
        if one is None or other is None:
            return None
        return Gap(*(round(number, 4) for number in newcombe(one.count, treated.trials, other.count, control.trials)))

    return Difference(gap(treated.response, control.response), gap(treated.self_cure, control.self_cure))


def _share(count: int, of: int) -> Share:
    return Share(count, *(round(number, 4) for number in (count / of, *wilson(count, of))))


def _quartiles(days: list[float]) -> Quartiles:
    three = quantiles(days, n=4, method="inclusive") if len(days) > 1 else days * 3
    return Quartiles(*(round(one, 1) for one in three))


def _place(treatment: str) -> tuple[int, str]:
    known: tuple[str, ...] = TREATMENTS
    return (known.index(treatment), "") if treatment in known else (len(known), treatment)


def _moment(at: int) -> datetime:
    return datetime.fromtimestamp(at / 1000, UTC)
