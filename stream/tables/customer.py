"""The record of a customer: what must be remembered to treat a person well and lawfully.

All times are milliseconds since 1970-01-01 UTC, event time; `None` as an end means open-ended, 0 as a time
means never. Every list is bounded: see the `MAX_*` constants. A stored record is one version byte and a
msgpack map by field name: a field that an older record lacks takes its default. A version this program does
not know is refused, and so is a field: an older program would drop it with the next write, and nobody would notice.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Any, Final, TypeVar

import msgspec

from stream.errors import StateError

R = TypeVar("R")

OLDEST: Final = 1
"""The oldest version that is read: it has `seen` as a list of numbers."""
VERSION: Final = 2
"""The version that is written."""
PARTITION_KEY: Final = b"\x00partition"
"""The changelog key of what belongs to no one customer. Customer ids are printable, so none can collide."""

MAX_SEEN: Final = 64
MARK: Final = 8
"""Bytes of the mark of an event id."""
MAX_SIGNALS: Final = 32
MAX_HOLDS: Final = 64
MAX_CASES: Final = 32
MAX_ACCOUNTS: Final = 64
MAX_PAUSES: Final = 32
MAX_NUDGES: Final = 48
MAX_ESCALATIONS: Final = 64
MAX_PROMISES: Final = 16
MAX_OFFERS: Final = 12
MAX_PAYMENTS: Final = 96
MAX_CONTACTS: Final = 160
MAX_OBLIGATIONS: Final = 16
MAX_TRIALS: Final = 16
MAX_SNOOZES: Final = 32


class _Stored(msgspec.Struct, omit_defaults=True, forbid_unknown_fields=True, gc=False):
    """A part of a stored record. Nothing in it refers back to what it is part of: no look for cycles finds one."""


class Quiet(_Stored):
    """Hours in which the customer asked to be left alone:

    local minutes of the day, [start, end); may cross midnight.
    """

    start: int
    end: int
    days: list[int] = []
    """Days on which the stretch starts, Monday 0; empty means every day."""


class Profile(_Stored):
    """How, when and whether the customer may be contacted, as last told."""

    updated_at: int
    jurisdiction: str
    time_zone: str
    language: str
    region: str = ""
    consents: dict[str, int] = {}
    """Channels with consent, and since when (0: not said)."""
    preferred: str = ""
    quiet: list[Quiet] = []
    vulnerabilities: list[str] = []
    segment: str = ""


class OpenSignal(_Stored):
    """A signal that stands."""

    signal_id: str
    detector: str
    account_id: str
    severity: str
    started: int
    """When it was first raised (event time)."""
    at: int
    """When it was last raised or changed."""
    reasons: bytes
    """The reasons as JSON, as the signal gave them."""
    expires_at: int | None = None
    proposes_hold: str = ""
    decided: bool = False
    """Whether a person has decided about the hold it proposes: it binds no more."""
    code: str = ""
    """Of its first reason."""
    rose_at: int = 0
    """When it last came to be of medium severity or more, after it had been less for long; 0 while it never was."""
    fell_at: int = 0
    """When it last fell below that; 0 while it has not."""
    trace: bytes = b""


class Hold(_Stored):
    """A reason to leave a person alone. It binds in [placed_at, until)."""

    hold_id: str
    kind: str
    occurred_at: int
    placed_at: int
    until: int | None = None
    """When it ends by all that is known: kept up to date by `stream.treatment.holds`."""
    account_id: str = ""
    channel: str = ""
    lifted: bool = False
    provisional: bool = False
    """Placed for what the customer said, until the holds feed tells of it."""
    ends_at: int | None = None
    treatment_ended_at: int | None = None
    lifted_at: int | None = None
    renewals: int = 0
    """How often it was told anew after it had been placed."""


class Contact(_Stored):
    """A contact by whomever it was made, as its outcomes tell of it: one `contact_id` is one contact."""

    at: int
    """When it began: the earliest of its outcomes."""
    channel: str
    account_id: str = ""
    anywhere: bool = False
    """Whether some outcome of it names no account: it counts against all of them."""
    outbound: bool = False
    connected: bool = True
    """Whether it reached the other end, by its latest outcome; so by default."""
    told_at: int = 0
    """When that outcome was."""
    talked_at: int = 0
    """When the person was last spoken with in it; 0 for never."""
    nudge_id: str = ""


class Case(_Stored):
    """A human case: open in [opened_at, closed_at)."""

    case_id: str
    opened_at: int
    at: int
    closed_at: int | None = None
    escalation_id: str = ""
    queue: str = ""


class Pause(_Stored):
    """A pause on a shared account that another holder's hold asked for."""

    order_id: str
    kind: str
    start: int
    until: int | None = None


class Arrears(_Stored):
    """How far an account was past due at `at` (ms). It goes on counting from there, pauses apart."""

    at: int
    treatment: int
    contractual: int
    regulatory: int
    amount: str
    since: str
    """The oldest due date that is unpaid."""
    currency: str = ""


class Means(_Stored):
    """What an account can count on and must pay, as last told. Amounts in `currency`; empty where not known."""

    currency: str
    income_low: str = ""
    next_income_on: str = ""
    priority_bills: str = ""


class Obligation(_Stored):
    """What an account regularly pays, amounts in minor units of its currency."""

    obligation_id: str
    category: str
    amount: int
    currency: str
    next_due: str = ""
    last_paid: str = ""


class AccountFacts(_Stored):
    """What this stage must know of an account."""

    account_id: str
    as_of: int
    role: str
    product: str
    currency: str = ""
    pauses: list[Pause] = []
    arrears: Arrears | None = None
    missed: int = 0
    """Own instalments missed in the last 60 days, as last told."""
    means: Means | None = None
    obligations: list[Obligation] = []
    apr: str = ""


class Nudge(_Stored):
    """A nudge that was issued. It may be sent in [not_before, not_after)."""

    nudge_id: str
    treatment: str
    channel: str
    account_ids: list[str]
    signal_ids: list[str]
    not_before: int
    not_after: int
    body: bytes = b""
    """The record as issued, so that a withdrawal can repeat it; empty once withdrawn."""
    withdrawn: bool = False
    reached: bool = False
    """Whether an outcome says that it was delivered."""
    counts: bool = True
    """Whether it counts against the caps: not when it was taken back before anybody can have received it."""
    decided_at: int = 0
    subject: str = ""
    """What it is about, where that is no signal: an obligation and its date, an instalment, a promise."""
    trace: bytes = b""
    unanswered: bool = False
    """Whether it is a support offer that has met with silence: remembered for as long as that lasts."""


class Episode(_Stored):
    """A treatment that is wanted, from the moment its first signal (or date) called for it until its last
    ground is gone.
    """

    treatment: str
    subject: str
    start: int
    signal_ids: list[str] = []
    nudge_id: str = ""
    """Set once issued. One episode speaks once."""
    last: str = ""
    """Fingerprint of the decision last recorded."""
    wake: int | None = None
    """When a deferred nudge may leave."""
    account_id: str = ""
    """The account it is about, where no signal says so."""
    opens: int = 0
    closes: int = 0
    """For what is bound to a date: the stretch in which it may be said; 0 where it is not."""
    control: bool = False
    """Whether it was held back for the control group."""


class Escalation(_Stored):
    """A request for a person, as issued."""

    escalation_id: str
    queue: str
    cause: str
    due_by: int
    issued_at: int
    body: bytes = b""
    """The record as issued; empty once withdrawn."""
    status: str = "issued"
    """`issued`, `taken` (a case names it), `done` (that case is closed) or `withdrawn`."""
    urged: list[str] = []
    """The grounds on which it was asked for again, urgently."""
    trace: bytes = b""


class Promise(_Stored):
    """A promise to pay, in minor units of its currency."""

    promise_id: str
    account_id: str
    amount: int
    currency: str
    due_date: str
    made_at: int
    told_at: int = 0
    status: str = "open"
    """`open`, `kept`, `part_kept` or `broken`."""
    decided_at: int = 0
    watched: bool = True
    """Whether its account tells of payments towards it."""
    thanked: bool = False


class Instalment(_Stored):
    """One payment of an accepted plan, in minor units."""

    due_date: str
    amount: int
    status: str = "open"
    decided_at: int = 0


class Plan(_Stored):
    """A plan that was offered, or accepted and followed instalment by instalment."""

    offer_id: str
    account_id: str
    currency: str
    instalments: list[Instalment]
    offered_at: int
    accepted_at: int = 0
    """0 while it is only offered."""
    ended_at: int = 0
    """When it was replaced by another, or declined."""
    done_at: int = 0
    """When the last of its instalments was decided."""
    watched: bool = False
    """Whether its account tells of payments towards it."""
    thanked: bool = False

    @property
    def runs(self) -> bool:
        """Whether it is agreed and not yet at its end."""
        return bool(self.accepted_at) and not self.ended_at and not self.done_at


class Payment(_Stored):
    """Money credited to an account that is watched, in minor units."""

    account_id: str
    currency: str
    amount: int
    at: int


class Trial(_Stored):
    """A treatment, given or held back, whose effect is looked at after some days."""

    treatment: str
    arm: str
    at: int


class Paused(_Stored):
    """The pauses that the accounts stage was told of for one hold: all of one kind and stretch, each an order of its own."""

    kind: str
    start: int
    until: int | None = None
    told: dict[str, int] = {}
    """By account, the `occurred_at` of the hold by which it was ordered: the order's id follows from it."""


class Customer(_Stored):
    """Everything remembered of one customer.

    Without a profile the customer is unknown, and nothing is sent.
    """

    customer_id: str
    profile: Profile | None = None
    signals: dict[str, OpenSignal] = {}
    holds: dict[str, Hold] = {}
    cases: dict[str, Case] = {}
    accounts: dict[str, AccountFacts] = {}
    left: list[str] = []
    """Accounts that the customer has held and holds no more."""
    nudges: list[Nudge] = []
    episodes: dict[str, Episode] = {}
    """By treatment, and by what it is about where a treatment may have several."""
    escalations: dict[str, Escalation] = {}
    """By cause."""
    promises: dict[str, Promise] = {}
    plans: dict[str, Plan] = {}
    """Offered and accepted ones, by offer."""
    payments: dict[str, Payment] = {}
    """Towards promises and plans, by event."""
    settled: dict[str, int] = {}
    """What reminders were about and has been paid since, and when."""
    contacts: dict[str, Contact] = {}
    crowded_until: int = 0
    """Until when contacts bind that are more than can be remembered."""
    trials: list[Trial] = []
    control_since: int = 0
    """When a nudge was first held back for the control group."""
    hardship_at: int = 0
    """When the customer last said that they cannot pay."""
    proposed_at: int = 0
    """When the customer last proposed a plan of their own."""
    paused: dict[str, Paused] = {}
    """By hold."""
    blocked: dict[str, int] = {}
    """Channels the customer opted out of, or that reached somebody else, and when."""
    snoozes: dict[str, int | None] = {}
    """Until when an operator asked for silence, by detector ("" is all)."""
    stopped: bool = False
    ordered_at: dict[str, int] = {}
    """When an operator last spoke of stopping ("stop"), and of each snooze: older words that come late are not followed."""
    overflow: bool = False
    """More holds or cases than can be remembered: refused until a person has looked."""
    rung: int = 0
    rung_since: int = 0
    clear_since: int = 0
    cleared_at: int = 0
    """When the last of the signals that are gone went."""
    gone: dict[str, int] = {}
    """Signals taken back of late, and when: news of them that comes after that is old."""
    unreachable_since: int = 0
    responded_at: int = 0
    warned_at: int = 0
    """When the first nudge about a sign went, of those that followed one another within 120 days."""
    warned_last: int = 0
    helped_at: int = 0
    """When a supportive nudge that still stands was last issued."""
    decisions: int = 0
    orders: int = 0
    """How many orders to watch payments, or no longer, have been given: no two are the same record."""
    due: int | None = None
    """When the passing of time alone will change something."""
    under: str = ""
    """Under which policy the customer was last looked at, and since when contact was wanted."""
    seen: bytes = b""
    """Marks of the event ids last applied, `MARK` bytes each."""


def is_bare(customer: Customer) -> bool:
    """Whether nothing is remembered but the ids of events, and of signals and accounts that are gone."""
    if customer.profile is not None or customer.signals or customer.accounts:
        return False
    rest = msgspec.structs.replace(customer, seen=b"", under="", gone={}, cleared_at=0, left=[], orders=0)
    return rest == Customer(customer.customer_id)


class Breaker(_Stored):
    """How many people were written to in an hour under one policy, and whether that was too many."""

    policy: str = ""
    hour: int = 0
    people: int = 0
    tripped_at: int = 0
    """When it was more than the policy's share; 0 while nudges may go."""


class Partition(_Stored):
    """What a task remembers that belongs to no one customer."""

    clock: int = 0
    policy: str = ""
    """The same for those who wait for a nudge or have one."""
    stopped: bool = False
    snoozes: dict[str, int | None] = {}
    ordered_at: dict[str, int] = {}
    breaker: Breaker = msgspec.field(default_factory=Breaker)
    seen: bytes = b""


_encoder = msgspec.msgpack.Encoder()
_customer = msgspec.msgpack.Decoder(Customer)
_partition = msgspec.msgpack.Decoder(Partition)
_fields = msgspec.msgpack.Decoder(dict[str, Any])


def encode(record: Customer | Partition) -> bytes:
    """The stored form: the version byte, then the fields by name."""
    return bytes((VERSION,)) + _encoder.encode(record)


def decode(stored: bytes) -> Customer:
    """The record back. Raises `StateError` for an unknown version or a damaged record."""
    return _read(stored, _customer, "a stored customer record")


def decode_partition(stored: bytes) -> Partition:
    """The partition row back. Raises `StateError` as `decode` does."""
    return _read(stored, _partition, "the customers' stored partition row")


def _read(stored: bytes, decoder: msgspec.msgpack.Decoder[R], what: str) -> R:
    if not stored or not OLDEST <= stored[0] <= VERSION:
        found = stored[0] if stored else "none"
        raise StateError(f"{what} has schema version {found}, this program reads {OLDEST} to {VERSION}: {StateError.WAY_OUT}")
    payload = memoryview(stored)[1:]
    try:
        return decoder.decode(_of_version_1(payload) if stored[0] == 1 else payload)
    except (msgspec.MsgspecError, OverflowError):
        raise StateError(f"{what} is damaged, or has a field that this program does not know: {StateError.WAY_OUT}") from None


def _of_version_1(payload: memoryview) -> bytes:
    """The fields as version 2 has them: the marks of events were whole numbers."""
    fields = _fields.decode(payload)
    marks = msgspec.convert(fields.get("seen", []), list[int])
    return _encoder.encode(fields | {"seen": b"".join([mark.to_bytes(MARK, "big") for mark in marks])})


def changelog_key(customer_id: str) -> bytes:
    """The key of a customer's row in the changelog."""
    return customer_id.encode()


def first_time(record: Customer | Partition, *parts: str) -> bool:
    """Remembers an event by its parts among the last `MAX_SEEN` of a record; False where it was there already."""
    named = b""
    for part in parts:
        raw = part.encode()
        named += len(raw).to_bytes(2, "big") + raw
    mark = blake2b(named, digest_size=MARK).digest()
    seen = record.seen
    at = seen.find(mark)
    while at >= 0:
        if at % MARK == 0:
            return False
        at = seen.find(mark, at + 1)
    record.seen = (seen + mark)[-MAX_SEEN * MARK :]
    return True
