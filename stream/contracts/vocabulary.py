"""The closed lists of the contracts: each a `Literal` for types, and a tuple of its words in a fixed order.

The index of a word in its tuple is the code that arrays store, so new words are appended, never inserted.
"""

from __future__ import annotations

from typing import Final, Literal, get_args

Category = Literal[
    "mortgage", "rent", "council_tax", "energy", "water", "telecom", "insurance", "loan", "credit_card",
    "car_finance", "short_term_credit", "subscription", "childcare", "child_maintenance", "education",
    "student_loan", "medical", "tax", "fines", "personal_debt", "transport", "groceries", "gambling",
    "cash", "savings", "transfer", "salary", "benefit", "pension", "fee", "other",
]  # fmt: skip
CATEGORIES: Final[tuple[Category, ...]] = get_args(Category)

Scheme = Literal[
    "bacs",
    "faster_payments",
    "sepa_sdd",
    "sepa_sct",
    "ach",
    "nach",
    "card",
    "direct_entry",
    "internal",
    "other",
]
SCHEMES: Final[tuple[Scheme, ...]] = get_args(Scheme)

Direction = Literal["debit", "credit"]
DIRECTIONS: Final[tuple[Direction, ...]] = get_args(Direction)

BookingStatus = Literal["booked", "reversed"]
BOOKING_STATUSES: Final[tuple[BookingStatus, ...]] = get_args(BookingStatus)

Report = Literal["arudd", "addacs", "auddis", "ddica"]
"""The Bacs report a return code was read from: each numbers its reasons for itself."""
REPORTS: Final[tuple[Report, ...]] = get_args(Report)

RType = Literal["reject", "return", "refund", "refusal", "reversal"]
"""The SEPA R-transaction: before settlement, by the bank, to or by the customer, by the creditor itself."""
R_TYPES: Final[tuple[RType, ...]] = get_args(RType)

BillOutcome = Literal["missed", "part_paid", "paid_late", "waived"]
BILL_OUTCOMES: Final[tuple[BillOutcome, ...]] = get_args(BillOutcome)

Role = Literal["primary", "joint", "guarantor"]
ROLES: Final[tuple[Role, ...]] = get_args(Role)

Product = Literal["current_account", "savings", "credit_card", "loan", "mortgage", "overdraft"]
PRODUCTS: Final[tuple[Product, ...]] = get_args(Product)

Channel = Literal["sms", "email", "push", "voice", "letter", "chat"]
CHANNELS: Final[tuple[Channel, ...]] = get_args(Channel)

Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
DAYS: Final[tuple[Day, ...]] = get_args(Day)

Vulnerability = Literal[
    "health", "life_event", "resilience", "capability", "physical_disability", "severe_illness", "hearing",
    "sight", "mental_health", "mental_capacity", "addiction", "gambling_harm", "bereavement", "job_loss",
    "income_shock", "relationship_breakdown", "domestic_abuse", "economic_abuse", "caring", "retirement",
    "low_income", "over_indebtedness", "low_literacy", "low_numeracy", "language_barrier",
    "digital_exclusion", "learning_difficulty", "young_adult", "old_age", "scam_victim", "care_leaver",
    "prison_leaver", "migration",
]  # fmt: skip
"""The four drivers of FCA FG21/1 first, then characteristics under them. They route or relax, never score."""
VULNERABILITIES: Final[tuple[Vulnerability, ...]] = get_args(Vulnerability)

HoldKind = Literal[
    "dispute", "hardship_plan", "breathing_space", "mental_health_crisis", "mental_capacity", "bereavement",
    "insolvency", "cease", "opt_out", "complaint", "represented", "debt_advice", "vulnerable_review",
    "fraud",
]  # fmt: skip
HOLD_KINDS: Final[tuple[HoldKind, ...]] = get_args(HoldKind)

ContactDirection = Literal["inbound", "outbound"]
CONTACT_DIRECTIONS: Final[tuple[ContactDirection, ...]] = get_args(ContactDirection)

Outcome = Literal[
    "attempted", "not_connected", "delivered", "failed", "opened", "clicked", "no_answer", "conversation",
    "promise", "refused", "wrong_party", "opted_out", "complaint", "dispute", "hardship", "represented",
    "plan_proposed", "plan_accepted", "plan_declined",
]  # fmt: skip
OUTCOMES: Final[tuple[Outcome, ...]] = get_args(Outcome)

CaseStatus = Literal["opened", "closed"]
CASE_STATUSES: Final[tuple[CaseStatus, ...]] = get_args(CaseStatus)

Queue = Literal[
    "arrears_care", "vulnerability", "bereavement", "insolvency", "disputes", "fraud", "collections_review",
    "contactability",
]  # fmt: skip
QUEUES: Final[tuple[Queue, ...]] = get_args(Queue)

Action = Literal["snooze", "unsnooze", "release_breaker", "stop_nudges", "resume_nudges"]
ACTIONS: Final[tuple[Action, ...]] = get_args(Action)

SignalStatus = Literal["raised", "changed", "withdrawn"]
SIGNAL_STATUSES: Final[tuple[SignalStatus, ...]] = get_args(SignalStatus)

Severity = Literal["info", "low", "medium", "high"]
SEVERITIES: Final[tuple[Severity, ...]] = get_args(Severity)

IssueStatus = Literal["issued", "withdrawn"]
ISSUE_STATUSES: Final[tuple[IssueStatus, ...]] = get_args(IssueStatus)

Treatment = Literal[
    "payment_reminder", "small_bill_check_in", "bounce_explained", "payment_date_change", "flexible_plan",
    "debt_advice", "education", "plan_reminder", "recognition",
]  # fmt: skip
TREATMENTS: Final[tuple[Treatment, ...]] = get_args(Treatment)

SuggestedAction = Literal[
    "plan", "payment_date", "interest_or_fee_relief", "settlement", "debt_advice", "education",
    "counter_offer", "plan_review", "consolidation",
]  # fmt: skip
"""What an escalation may suggest. Relief, settlement and putting debts together are for a person to decide."""
SUGGESTED_ACTIONS: Final[tuple[SuggestedAction, ...]] = get_args(SuggestedAction)

Priority = Literal["normal", "urgent"]
PRIORITIES: Final[tuple[Priority, ...]] = get_args(Priority)

Trigger = Literal["signal", "tick", "hold", "outcome", "case", "operator", "facts", "customer"]
"""What made a decision fall due."""
TRIGGERS: Final[tuple[Trigger, ...]] = get_args(Trigger)

DecisionResult = Literal["issued", "deferred", "refused", "withdrawn", "control"]
DECISION_RESULTS: Final[tuple[DecisionResult, ...]] = get_args(DecisionResult)

Arm = Literal["treated", "control", "outside"]
"""Of an experiment: given, held back, and all that could not have been held back."""
ARMS: Final[tuple[Arm, ...]] = get_args(Arm)

Verdict = Literal["allow", "defer", "refuse"]
VERDICTS: Final[tuple[Verdict, ...]] = get_args(Verdict)

FactsChange = Literal["profile", "payment", "pause", "erased", "arrears", "means"]
"""What brought a record of facts about. `payment` tells of payments alone and `arrears` of arrears alone: what they leave out is
as it was.
"""
FACTS_CHANGES: Final[tuple[FactsChange, ...]] = get_args(FactsChange)

OrderKind = Literal["pause", "resume", "watch_promise", "unwatch_promise"]
ORDER_KINDS: Final[tuple[OrderKind, ...]] = get_args(OrderKind)
