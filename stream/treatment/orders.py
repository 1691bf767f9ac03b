"""Orders to the accounts stage: to pause the clock of arrears under a hold, and to tell of payments that something waits for."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, KeysView

from stream.contracts.account_orders import AccountOrderRecord
from stream.contracts.ids import derive
from stream.contracts.money import to_text
from stream.tables.customer import Hold, Paused
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
    turn.customer.orders += 1
    turn.say("account-orders", account_id, derive(order_id, kind, str(turn.clock), str(turn.customer.orders)), record)


def pause(hold_id: str, account_id: str, paused: Paused, kind: str, turn: Turn) -> None:
    """Pauses the clock of arrears of one account under a hold, or lets it run on."""
    parts = (turn.customer.customer_id, hold_id, account_id, str(paused.told[account_id]))
    order_id = derive("pause", *parts)
    record = AccountOrderRecord(
        order_id=order_id,
        account_id=account_id,
        customer_id=turn.customer.customer_id,
        at=from_ms(turn.clock),
        kind=kind,  # type: ignore[arg-type]
        hold_kind=paused.kind,  # type: ignore[arg-type]
        from_=from_ms(paused.start),
        until=None if paused.until is None else from_ms(paused.until),
    )
    marks = (kind, str(turn.clock), str(paused.start), str(paused.until))
    turn.say("account-orders", account_id, derive(order_id, *marks), record)


def resume(hold_id: str, paused: Paused, account_ids: Iterable[str], turn: Turn) -> None:
    """Ends those pauses that would go on by themselves."""
    if paused.until is None or paused.until > turn.clock:
        for account_id in account_ids:
            pause(hold_id, account_id, paused, "resume", turn)


def tell_pauses(turn: Turn) -> None:
    """Tells the accounts of holds that bind them, and only what has changed since they were last told.

    An order is carried out once. A pause that changes is a new order, and the old one ends after it.
    """
    customer = turn.customer
    ended: list[tuple[str, Paused, list[str]]] = []
    due: set[str] = set()
    for hold in customer.holds.values():
        if hold.lifted and (hold.until is None or hold.until <= turn.clock):
            continue
        accounts = _accounts_of(hold, turn)
        if not accounts:
            continue
        due.add(hold.hold_id)
        told = customer.paused.get(hold.hold_id)
        same = told is not None and (told.kind, told.start, told.until) == (hold.kind, hold.placed_at, hold.until)
        if told is not None and same and told.told.keys() == accounts:
            continue
        now = Paused(hold.kind, hold.placed_at, hold.until)
        customer.paused[hold.hold_id] = now
        for account_id in accounts:
            if told is not None and same and account_id in told.told:
                now.told[account_id] = told.told[account_id]
                continue
            now.told[account_id] = hold.occurred_at
            pause(hold.hold_id, account_id, now, "pause", turn)
            if told is not None and account_id in told.told:
                pause(hold.hold_id, account_id, told, "resume", turn)
        if told is not None and (left := [each for each in told.told if each not in now.told]):
            ended.append((hold.hold_id, told, left))
    for hold_id in [each for each in customer.paused if each not in due]:
        told = customer.paused.pop(hold_id)
        ended.append((hold_id, told, list(told.told)))
    for hold_id, told, left in ended:
        resume(hold_id, told, left, turn)


def _accounts_of(hold: Hold, turn: Turn) -> KeysView[str]:
    """The accounts whose clock a hold pauses."""
    if hold.account_id:
        return {hold.account_id: None}.keys()
    # A hold on the person reaches other holders only through the accounts they share.
    return turn.customer.accounts.keys() if hold.kind in turn.policy.holds.shared else {}.keys()
