"""What accounts' records and orders make of an account's profile."""

from __future__ import annotations

from decimal import ROUND_DOWN, Decimal

import msgspec

from stream.agents.columns import ms_of
from stream.contracts.account_orders import AccountOrderRecord
from stream.contracts.accounts import AccountRecord
from stream.tables.profile import Holder, Obligation, Pause, Profile, Watch


def described(account: AccountRecord, at: int, before: Profile) -> Profile:
    """The profile as a record of the account tells it; who stays a holder joined when they first did."""
    joined = {holder.customer_id: holder.joined for holder in before.holders}
    staying = {holder.customer_id for holder in account.holders}
    return Profile(
        at,
        account.product,
        account.currency,
        account.country,
        account.time_zone,
        account.status,
        account.outstanding,
        tuple(Holder(holder.customer_id, holder.role, joined.get(holder.customer_id, at)) for holder in account.holders),
        tuple(
            Obligation(
                one.obligation_id,
                one.category,
                one.counterparty_id,
                one.amount_due,
                one.currency,
                one.due_day,
                one.due_date.isoformat() if one.due_date else None,
            )
            for one in account.obligations or ()
        ),
        # Of somebody who holds the account no more, perhaps because they were erased, no pause that is over is remembered.
        tuple(one for one in before.pauses if one.customer_id in staying or one.until is None or one.until > at),
        before.watches,
        None if account.apr is None else _percent(account.apr),
    )


def _percent(rate: float | str) -> str:
    """A rate as a decimal string: one that came as a number has at most six decimals."""
    if isinstance(rate, str):
        return rate
    text = format(Decimal(repr(rate)).quantize(Decimal("0.000001"), ROUND_DOWN), "f")
    return text.rstrip("0").rstrip(".")


def ordered(profile: Profile, order: AccountOrderRecord, at: int) -> Profile:
    """The profile once an order is carried out. `resume` and `unwatch_promise` name the order that they end."""
    pauses = tuple(pause for pause in profile.pauses if pause.order_id != order.order_id)
    watches = tuple(watch for watch in profile.watches if watch.order_id != order.order_id)
    if order.kind == "pause":
        since = ms_of(order.from_) if order.from_ else at
        until = ms_of(order.until) if order.until else None
        pauses += (Pause(order.order_id, order.customer_id, order.hold_kind or "dispute", since, until),)
    elif order.kind == "watch_promise":
        watches += (Watch(order.order_id, order.customer_id, order.promise_id or order.order_id),)
    if order.kind in ("pause", "resume"):
        return msgspec.structs.replace(profile, pauses=pauses)
    return msgspec.structs.replace(profile, watches=watches)
