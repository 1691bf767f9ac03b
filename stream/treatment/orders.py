"""Orders to the accounts stage: to pause the clock of arrears under a hold, and to tell of payments that something waits for."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from stream.contracts.account_orders import AccountOrderRecord
from stream.contracts.ids import derive
from stream.contracts.money import to_text
from stream.tables.customer import Hold, Order
from stream.treatment.local_time import from_ms
from stream.treatment.turn import Turn


def watch(
    kind: str, order_id: str, promise_id: str, account_id: str, money: tuple[int, str] | None, due_date: str, turn: Turn
) -> None:
    """Asks an account to tell of payments (`watch_promise`), or no longer (`unwatch_promise`). `money` is what is due, in minor
    units of a currency.
    """
    record = AccountOrderRecord(
        order_id=order_id,
        account_id=account_id,
        customer_id=turn.customer.customer_id,
        at=from_ms(turn.clock),
        kind=kind,  # type: ignore[arg-type]
        promise_id=promise_id,
        amount=None if money is None else to_text(*money),
        currency=None if money is None else money[1],
        due_date=dt.date.fromisoformat(due_date),
    )
    turn.say("account-orders", account_id, derive(order_id, kind, str(turn.clock)), record)


def pause(order: Order, kind: str, turn: Turn) -> None:
    """Pauses the clock of arrears under a hold, or lets it run on."""
    record = AccountOrderRecord(
        order_id=order.order_id,
        account_id=order.account_id,
        customer_id=turn.customer.customer_id,
        at=from_ms(turn.clock),
        kind=kind,  # type: ignore[arg-type]
        hold_kind=order.kind,  # type: ignore[arg-type]
        from_=from_ms(order.start),
        until=None if order.until is None else from_ms(order.until),
    )
    marks = (kind, str(turn.clock), str(order.start), str(order.until))
    turn.say("account-orders", order.account_id, derive(order.order_id, *marks), record)


def tell_pauses(turn: Turn) -> None:
    """Tells the accounts of holds that bind them, and only what has changed since they were last told.

    An order is carried out once. A pause that changes is a new order, and the old one ends after it.
    """
    customer = turn.customer
    due: dict[str, Order] = {}
    for hold in customer.holds.values():
        if hold.lifted and (hold.until is None or hold.until <= turn.clock):
            continue
        for account_id in _accounts_of(hold, turn):
            parts = (customer.customer_id, hold.hold_id, account_id, str(hold.occurred_at))
            order = Order(derive("pause", *parts), account_id, hold.kind, hold.placed_at, hold.until)
            due[f"{hold.hold_id}\n{account_id}"] = order
    for key, order in due.items():
        told = customer.orders.get(key)
        if told is not None and (told.kind, told.start, told.until) == (order.kind, order.start, order.until):
            continue
        customer.orders[key] = order
        pause(order, "pause", turn)
        if told is not None:
            pause(told, "resume", turn)
    for key, told in list(customer.orders.items()):
        if key not in due:
            del customer.orders[key]
            if told.until is None or told.until > turn.clock:
                pause(told, "resume", turn)


def _accounts_of(hold: Hold, turn: Turn) -> Sequence[str]:
    if hold.account_id:
        return (hold.account_id,)
    # A hold on the person reaches other holders only through the accounts they share.
    return tuple(turn.customer.accounts) if hold.kind in turn.policy.holds.shared else ()
