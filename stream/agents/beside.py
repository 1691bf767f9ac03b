"""A policy tried out beside the one in force: it decides and records, and sends nothing.

The customers stage as the job runs it: the policy in force, and where one is given, another that reads the same records. The one
in force speaks; the other's decisions are written, marked as shadow, and nothing else of it. A customer's record under the tried
policy begins as a copy of the true one, when something first happens to them after the policy was brought in; from then on it
goes its own way, as if what it decided had been sent.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final

from stream.agents.customers import CustomersStep
from stream.engine.step import Drained, Placement, Record, Refused
from stream.tables import customer as table
from stream.tables.customer import Customer
from stream.treatment.policy import Policy

PREFIX: Final = b"\x00shadow\x00"
"""In front of the changelog keys of what is known under the tried policy."""
VERSION: Final = PREFIX + b"\x00version"
"""The row that names that policy's version: what another version left behind is no ground for this one."""


class ShadowStep(CustomersStep):
    """The customers stage under a policy that is tried out beside `live`; it writes its decisions among the other's outputs."""

    def __init__(self, live: CustomersStep, placement: Placement, policy: Policy, contact_from: datetime | None) -> None:
        super().__init__(placement, policy, contact_from)
        self._of = live
        # One list, so that the order of what both say is the order of the records; and the breaker's share is of all customers.
        self._outputs = live._outputs
        self._known = live._known

    def begin(self) -> None:
        """Takes the time and the operators' words from the policy in force, where nothing has been read yet."""
        if not self._partition.clock:
            self._partition = table.decode_partition(table.encode(self._of._partition))

    def _open(self, customer_id: str) -> Customer:
        if customer_id not in self._live and customer_id not in self._rows and (seed := self._of.row(customer_id)) is not None:
            self._live[customer_id] = table.decode(seed)
        return super()._open(customer_id)


class BesideStep:
    """The customers stage with a policy that may be tried out. See `stream.engine.step.Step` for what it promises."""

    def __init__(
        self, placement: Placement, policy: Policy, tried: Policy | None = None, contact_from: datetime | None = None
    ) -> None:
        self._placement = placement
        self.live = CustomersStep(placement, policy, contact_from)
        self._shadow: ShadowStep | None = None
        self._tried = ""
        """The version that is tried out; empty for none."""
        self._known: dict[bytes, bytes] = {}
        """The rows of the tried policy, as the changelog has them."""
        self._settled = True
        """Whether the changelog's rows are those of the version that is tried."""
        self._stale: list[bytes] = []
        self._try(tried, contact_from)

    def configure(self, policy: Policy, tried: Policy | None = None, contact_from: datetime | None = None) -> None:
        """Goes on under other policies. Another version of the tried one begins anew."""
        self.live.configure(policy, contact_from)
        self._try(tried, contact_from)
        self._settle()

    def _try(self, tried: Policy | None, contact_from: datetime | None) -> None:
        version = tried.version if tried is not None else ""
        shadowed = None if tried is None else tried.model_copy(update={"shadow": True})
        if self._shadow is not None and shadowed is not None and version == self._tried:
            self._shadow.configure(shadowed, contact_from)
            return
        self._tried = version
        self._settled = False
        self._shadow = None if shadowed is None else ShadowStep(self.live, self._placement, shadowed, contact_from)

    def _settle(self) -> None:
        """Before the first record: what the changelog holds of another version is forgotten, of this one taken back."""
        if self._settled:
            return
        self._settled = True
        if self._known.get(VERSION, b"").decode() != self._tried:
            self._stale += sorted(self._known)
            self._known.clear()
            return
        if self._shadow is not None:
            self._shadow.restore((key[len(PREFIX) :], value) for key, value in self._known.items() if key != VERSION)

    @property
    def clock(self) -> int:
        """The task's clock."""
        return self.live.clock

    @property
    def breaker_tripped(self) -> bool:
        """Whether the nudges of the policy in force wait for an operator's word."""
        return self.live.breaker_tripped

    @property
    def held(self) -> int:
        """How many customers are held under the policy in force."""
        return self.live.held

    def take_tallies(self) -> Counter[tuple[str, ...]]:
        """What happened under the policy in force since the last call."""
        return self.live.take_tallies()

    def restore(self, rows: Iterable[tuple[bytes, bytes | None]]) -> None:
        """Takes back rows of earlier drains."""
        mine: list[tuple[bytes, bytes | None]] = []
        for key, value in rows:
            if not key.startswith(PREFIX):
                mine.append((key, value))
            elif value is None:
                self._known.pop(key, None)
            else:
                self._known[key] = value
        self.live.restore(mine)

    def apply(self, topic: str, records: Sequence[Record]) -> list[Refused]:
        """Applies a chunk of one input topic in order; returns the records that are bad."""
        self._settle()
        if self._shadow is None:
            return self.live.apply(topic, records)
        refused: list[Refused] = []
        for index, record in enumerate(records):
            # The tried policy first: a record that it sees for the first time begins as it was before this.
            self._shadow.begin()
            self._shadow.apply(topic, [record])
            refused += [Refused(index, bad.reason, bad.why) for bad in self.live.apply(topic, [record])]
        return refused

    def drain(self) -> Drained:
        """What changed and was said since the last drain."""
        self._settle()
        drained = self.live.drain()
        rows: list[tuple[bytes, bytes | None]] = [(key, None) for key in self._stale]
        self._stale.clear()
        if self._shadow is not None:
            rows += [(PREFIX + key, value) for key, value in self._shadow.drain().rows]
            if self._known.get(VERSION) != self._tried.encode():
                rows.append((VERSION, self._tried.encode()))
        for key, value in rows:
            if value is None:
                self._known.pop(key, None)
            else:
                self._known[key] = value
        return Drained([*drained.rows, *rows], drained.outputs, drained.repeated)

    def next_due(self) -> int | None:
        """When the passing of time alone will next change something."""
        self._settle()
        dues = [self.live.next_due(), self._shadow.next_due() if self._shadow is not None else None]
        return min((due for due in dues if due is not None), default=None)
