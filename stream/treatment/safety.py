"""What keeps a mistake small, and how it is known what helps: the breaker and the control group. Both act within the limits that
the policy's schema sets.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Final

import msgspec

from stream.tables.customer import Breaker, Customer
from stream.treatment.local_time import DAY
from stream.treatment.policy import Policy, Safety

HOUR: Final = 3_600_000


class Gauge(msgspec.Struct):
    """How many people are written to in an hour, of those that a partition knows."""

    breaker: Breaker = msgspec.field(default_factory=Breaker)
    known: int = 0

    def allows(self, customer: Customer, policy: Policy, clock: int) -> bool:
        """Whether another person may be written to; trips the breaker where that would be one too many.

        An hour starts its count anew, and so does another version of the policy, which also lifts a breaker that its
        predecessor tripped. A tripped breaker stays so until it is released.
        """
        breaker, hour = self.breaker, clock // HOUR
        if breaker.policy != policy.version:
            breaker.policy, breaker.tripped_at, breaker.people = policy.version, 0, 0
        if breaker.tripped_at:
            return False
        if breaker.hour != hour:
            breaker.hour, breaker.people = hour, 0
        if breaker.people < self.limit(policy.safety) or _counted(customer, hour):
            return True
        breaker.tripped_at = clock
        return False

    def limit(self, safety: Safety) -> int:
        """People an hour: the share of those known, and never fewer than the policy's least."""
        return max(safety.breaker_people, int(safety.breaker_share * self.known))

    def count(self, customer: Customer, clock: int) -> None:
        """Counts a person who is written to, once an hour."""
        self.breaker.people += not _counted(customer, clock // HOUR)

    def release(self) -> None:
        """An operator's word: nudges go again, and the hour's count starts anew."""
        self.breaker.tripped_at, self.breaker.people = 0, 0


def _counted(customer: Customer, hour: int) -> bool:
    """Whether a person has been written to in an hour."""
    return any(each.decided_at // HOUR == hour for each in customer.nudges)


def may_be_compared(customer: Customer, policy: Policy, clock: int) -> bool:
    """Whether a supportive nudge to a customer may be part of the experiment, in either arm.

    Never with anything past due, a signal of high severity, or a vulnerability on record; for the policy's days at most, counted
    from the first that was held back.
    """
    safety, profile = policy.safety, customer.profile
    if not safety.control_share or profile is None or profile.vulnerabilities:
        return False
    if any(each.arrears is not None for each in customer.accounts.values()):
        return False
    if any(signal.severity == "high" for signal in customer.signals.values()):
        return False
    return not customer.control_since or clock < customer.control_since + safety.control_days * DAY


def in_control(customer: Customer, policy: Policy) -> bool:
    """Whether a customer is in the arm that is held back: a matter of a salted hash of the customer alone."""
    safety = policy.safety
    name = f"{safety.control_salt}\n{safety.control_name}\n{customer.customer_id}".encode()
    drawn = int.from_bytes(blake2b(name, digest_size=8).digest(), "big")
    return drawn < int(safety.control_share * 2**64)
