"""A household of the corpus, day by day: pay, bills, shops, and what people do when money is too little.

While nothing is wrong, spending is fitted to what is left until the next payday, and savings or family fill
the gaps. When money runs short (a story says so, never chance), it first goes on as before, then spends
less, keeps home and credit paid while small bills wait, draws on savings, family, short-term credit and the
card; and when all that is used up, instalments are missed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import partial

from stream.simulate.calendars import DAY, add_months, add_working_days, collected_on, local, next_working_day
from stream.simulate.corpus import happenings
from stream.simulate.corpus.homes import CREDIT, PRIORITY, Bill, Income, Product
from stream.simulate.corpus.records import Owed, Records, shop_id
from stream.simulate.corpus.world import (
    LATE_EMPLOYER,
    OUTAGE_BANK,
    OUTAGE_SCHEME,
    SILENT_BILLER,
    World,
)
from stream.simulate.event import CorpusTruth, Event, milliseconds, text
from stream.simulate.outbox import PROMPT
from stream.simulate.people import OWN_BANK, SHOPS

RESERVE = 14 * DAY
"""How far ahead a short household keeps money for home and credit."""
MISTAKES = 0.0012
"""The share of debits that come back by mistake; the next presentation is paid."""
FORGETS = 0.012
"""The share of bills paid by oneself that are forgotten at first."""
LENIENT = 0.3
"""How often the bank lets a debit go somewhat over the arranged overdraft."""
_REPAIRS = (("Wheelwright Garage", "transport"), ("Hearthstone Repairs", "other"), ("Dr Lindqvist Dental", "medical"))
NO_PAYDAY = 12 * DAY
"""How far ahead one plans who has no payday."""


@dataclass(slots=True, kw_only=True)
class Living(Records):
    """One household's run from `start` up to `end`. `events()` once; then `truths()`."""

    end: date
    world: World
    moved_out: str | None = None
    """The account that the partner opens, in a separation."""
    newcomer: bool = False
    """Whether this is that account: its holder is known already."""

    owed: list[Owed] = field(default_factory=list)
    tasks: dict[date, list[Callable[[date], object]]] = field(default_factory=dict)
    coming: list[tuple[date, int, Bill]] = field(default_factory=list)
    """What falls due this month and the next."""
    mood: int = 100
    """Percent of the usual spending."""
    short: bool = False
    """Money is too little."""
    blind: bool = False
    """Spends without a look at what is left."""
    pays_parts: bool = False
    wakes: date = date.max
    """From when on the household acts on being short."""
    restored: bool = False
    """The cause is gone."""
    loans: int = 0
    """Short-term credit that runs."""
    helped: int = 0
    """How often family has helped."""
    oddities: int = 0
    """How many times the story's own mishap has happened."""
    dead: bool = False
    last_saved: date = date.min
    onset: datetime | None = None
    recovered: datetime | None = None
    missed_instalment: date | None = None
    no_nudge_from: datetime | None = None
    no_nudge_until: datetime | None = None

    # --- the run -------------------------------------------------------------------------------------

    def events(self) -> Iterator[Event]:
        """All events, in order of delivery."""
        self._begin()
        day = self.start
        while day < self.end:
            self.second = 0
            if day.day == 1 and day > self.start:
                self._schedule(day)
            if day == self.struck_on:
                happenings.strike(self, day)
            tasks = self.tasks.pop(day, ())
            for task in tasks:
                task(day)
            while late := self.tasks.pop(day, None):  # what today's tasks put on today
                for task in late:
                    task(day)
            day += DAY
            if tasks:
                yield from self.outbox.released(milliseconds(local(day, 0, self.person.zone)))
        yield from self.outbox.released(None)

    def truths(self) -> Iterator[CorpusTruth]:
        """One for each holder. Only after `events()` has ended."""
        person, story = self.person, self.story
        happened = happenings.happened_on(self)
        products = tuple(product.account_id for product in self.home.products)
        for n, customer in enumerate(person.customer_ids):
            also = (self.moved_out,) if n and self.moved_out else ()
            yield CorpusTruth(
                customer_id=customer,
                scenario=story.name,
                country=person.country,
                account_ids=(person.account_id, *products, *also),
                life_event_on=happened.isoformat() if happened else None,
                onset_at=_text(self.onset),
                first_bounce_at=_text(self.first_bounce),
                first_missed_instalment=self.missed_instalment.isoformat() if self.missed_instalment else None,
                state="stressed" if self.onset else "steady",
                nudge_right=story.nudge_right,
                no_nudge_from=_text(self.no_nudge_from),
                no_nudge_until=_text(self.no_nudge_until),
                duplicated=tuple(self.outbox.duplicated),
                late=tuple(self.outbox.late),
                recovered_at=_text(self.recovered),
            )

    def at(self, day: date, task: Callable[[date], object]) -> None:
        """Does `task` on that day."""
        self.tasks.setdefault(day, []).append(task)

    def run_short(self, day: date) -> None:
        """Money is too little from this day on: the onset."""
        self.onset = self.onset or local(day, 5 * 3600, self.person.zone)
        self.short = True
        self.wakes = day + DAY * self.home.temper.lag

    def _begin(self) -> None:
        eve = self.start - DAY
        self._schedule(self.start)
        if not self.newcomer:
            for customer in self.person.customer_ids:
                self.tell_customer(customer, self.stamp(eve, 21600), [])
        temper = self.home.temper
        payday = self.next_payday(eve)
        self.balance = temper.cushion + self.need(eve, payday) + temper.weekly * (payday - eve).days // 7
        self.tell_accounts(eve)

    def _schedule(self, first: date) -> None:
        """Enters a month's pay, bills and shopping; `first` is its first day, or the run's."""
        rng, home, country = self.rng, self.home, self.person.country
        year, month = first.year, first.month
        after = add_months(first.replace(day=1), 1)
        days = (after - first).days
        for income in home.incomes:
            self.schedule_income(income, first)
        self.coming = []
        for bill in home.bills:
            due, following = bill.due_in(year, month), bill.due_in(after.year, after.month)
            if due and due >= first and bill.active:
                self._schedule_bill(bill, due, first)
            if following:
                self.coming.append((following, bill.amount, bill))
        trips = home.temper.trips
        for n in range(days):
            if rng.random() < trips / 7:
                self.at(first + DAY * n, self._shop)
        if not self.short and rng.random() < (0.03 if home.temper.cushion < home.monthly // 12 else 0.12):
            self.at(first + DAY * rng.randrange(days), self._surprise)
        if first > self.start and (first.month - self.start.month) % 3 == 0 and not self.dead:
            self.at(first, self.tell_accounts)
        if first > self.start and self.balance < 0:
            self.at(next_working_day(country, first), self._overdraft_fee)

    def schedule_income(self, income: Income, first: date) -> None:
        """Enters what `income` pays from this day of a month on."""
        rng, year, month = self.rng, first.year, first.month
        if income.payday is None:
            days: list[date] = [first.replace(day=1) + DAY * rng.randrange(28) for _ in range(rng.randrange(4, 9))]
        else:
            days = list(income.payday.in_month(self.person.country, year, month))
        for day in days:
            if day < first:
                continue
            if income.counterparty_id == LATE_EMPLOYER[0] and day == self.world.pay_due:
                day = self.world.pay_came
            self.at(day, partial(self._earn, income))

    def _schedule_bill(self, bill: Bill, due: date, first: date) -> None:
        rng, home = self.rng, self.home
        amount = bill.amount
        if bill.spread:
            amount = amount * (100 + rng.randrange(-bill.spread, bill.spread + 1)) // 100
        on = collected_on(self.person.country, due)
        if bill.collect == "push":
            on = max(first, due - DAY * rng.randrange(home.temper.prompt + 1))
        if bill.name == SILENT_BILLER and self.world.file_due <= on < self.world.file_due + 7 * DAY:
            on = self.world.file_came
        self.coming.append((due, amount, bill))
        self.at(on, partial(self._collect, bill, f"{bill.obligation_id}-{due:%Y%m%d}", due, amount, 0))

    # --- looking ahead -------------------------------------------------------------------------------

    def next_payday(self, day: date) -> date:
        """When regular pay comes next, after that day."""
        found = [self.payday_after(income, day) for income in self.home.incomes if income.active and income.payday]
        return min(found, default=day + NO_PAYDAY)

    def payday_after(self, income: Income, day: date) -> date:
        """When an income with a payday comes next, after that day."""
        assert income.payday is not None
        month = day.replace(day=1)
        while True:
            for payday in income.payday.in_month(self.person.country, month.year, month.month):
                if payday > day:
                    return payday
            month = add_months(month, 1)

    def need(self, day: date, until: date) -> int:
        """What falls due after `day` up to `until`."""
        return sum(amount for due, amount, bill in self.coming if day < due <= until and bill.active)

    def _reserve(self, day: date, bill: Bill | None = None) -> int:
        """What home and credit need soon, besides `bill`."""
        until = day + RESERVE
        return sum(
            amount for due, amount, other in self.coming
            if day <= due <= until and other.category in PRIORITY and other.active and other is not bill
        )  # fmt: skip

    def available(self) -> int:
        """What can be spent."""
        return self.balance + self.home.overdraft

    # --- money in ------------------------------------------------------------------------------------

    def _earn(self, income: Income, day: date) -> None:
        if not income.active or self.dead:
            return
        amount = income.amount
        if income.spread:
            amount = amount * (100 + self.rng.randrange(-income.spread, income.spread + 1)) // 100
        place = self.person.place
        scheme = "bacs" if place.debit_scheme == "bacs" else place.push_scheme
        when = self.stamp(day, 5 * 3600 if income.payday else 61000)
        self.move(day, when, "credit", amount, income.counterparty_id, income.name, income.category, scheme)
        if self.short:
            self._settle(day)
            self._see_whether_recovered(day)
        else:
            self._save(day)

    def _save(self, day: date) -> None:
        temper, monthly = self.home.temper, self.home.monthly
        payday = self.next_payday(day)
        wanted = self.need(day, payday) + temper.weekly * (payday - day).days // 7 + temper.cushion
        spare = self.balance - wanted
        if spare > monthly // 20 and day - self.last_saved > 20 * DAY:
            self.last_saved = day
            temper.pot += spare
            self.move(day, self.stamp(day, 32400), "debit", spare, "OWN-SAVINGS", "Savings", "savings", "internal")
        elif self.balance < wanted - temper.cushion // 2 - temper.weekly // 2 and temper.pot > monthly // 5:
            self.draw_savings(day, min(temper.pot, wanted - self.balance))

    def draw_savings(self, day: date, amount: int) -> None:
        """Takes money out of the savings."""
        self.home.temper.pot -= amount
        when = self.stamp(day, 22000)
        self.move(day, when, "credit", amount, "OWN-SAVINGS", "Savings", "savings", "internal")

    def _family(self, day: date, amount: int) -> None:
        when, name = self.stamp(day, 22000), f"FAM-{self.person.index:06d}"
        self.move(day, when, "credit", amount, name, "Family", "transfer", self.person.place.push_scheme)

    def _fill(self, day: date, missing: int, bill: Bill) -> None:
        """Tries to have `missing` more for a bill."""
        temper, monthly = self.home.temper, self.home.monthly
        if not self.short:
            more = missing + monthly // 50
            if temper.pot >= more:
                self.draw_savings(day, more)
            else:
                self._family(day, more)
            return
        if bill.category not in PRIORITY and self.rng.random() < 0.5:
            return
        if temper.pot > 0:
            self.draw_savings(day, part := min(temper.pot, missing + monthly // 25))
            missing -= part
        if missing > 0 and self.helped < 2 and self.rng.random() < 0.2:
            self.helped += 1
            self._family(day, missing)
            return
        if missing > 0 and temper.borrows and self.loans < 2 and self.rng.random() < 0.6:
            self.borrow(day, max(missing, self.person.place.income[0] * 10**self.person.place.exponent // 12))

    def borrow(self, day: date, amount: int) -> None:
        """Short-term credit, to be paid back by debit a month later with a fifth on top."""
        self.loans += 1
        number = self.outbox.new_id("STL")
        lender = ("STC-SWIFTPENNY", "Swiftpenny Loans") if self.rng.random() < 0.6 else ("STC-TIDEOVER", "Tideover")
        when = self.stamp(day, 23000)
        self.move(day, when, "credit", amount, *lender, "short_term_credit", self.person.place.push_scheme)
        due = next_working_day(self.person.country, day + DAY * self.rng.randrange(26, 33))
        back = Bill(number, *lender, "short_term_credit", amount * 122 // 100, due.day, "debit")
        self.coming.append((due, back.amount, back))
        self.at(due, partial(self._collect, back, f"{number}-1", due, back.amount, 0))

    # --- bills ---------------------------------------------------------------------------------------

    def _collect(self, bill: Bill, bill_id: str, due: date, amount: int, attempt: int, day: date) -> None:
        """A bill's day has come."""
        if not bill.active:
            return
        if bill.collect == "own":
            self._collect_own(bill, bill_id, due, amount, day)
        elif bill.collect == "push":
            self._collect_push(bill, bill_id, due, amount, attempt, day)
        else:
            self._collect_debit(bill, bill_id, due, amount, attempt, day)

    def _lets_wait(self, bill: Bill, amount: int, day: date) -> bool:
        """Whether a small bill must wait for home and credit."""
        if not self.short or day < self.wakes or not self.home.temper.protects or bill.category in PRIORITY:
            return False
        return self.available() - amount < self._reserve(day, bill)

    def _collect_push(self, bill: Bill, bill_id: str, due: date, amount: int, attempt: int, day: date) -> None:
        if self.dead:
            return
        rng = self.rng
        if not self.short and bill.category not in CREDIT and attempt == 0:
            forgetful = self.story.name == "forgetful" and day >= self.struck_on and self.oddities < 4
            if rng.random() < (0.4 if forgetful else FORGETS):
                self.oddities += forgetful
                owed = self._leave(Owed(bill, bill_id, due, amount, amount), day)
                remembers = max(day, due) + DAY * rng.randrange(*((9, 22) if forgetful else (2, 15)))
                self.at(remembers, partial(self._remember, owed))
                return
        if self.short and day >= self.wakes and attempt == 0:
            if self.pays_parts and rng.random() < 0.6:
                self._pay_part(bill, bill_id, due, amount, day)
                return
            if self.home.temper.juggles and bill.category not in ("rent", "childcare") and rng.random() < 0.5:
                later = due + DAY * rng.randrange(2, 13)
                self.at(later, partial(self._collect_push, bill, bill_id, due, amount, 1))
                return
        if self._lets_wait(bill, amount, day):
            self._leave(Owed(bill, bill_id, due, amount, amount), day)
            return
        if self.available() < amount:
            self._fill(day, amount - self.available(), bill)
        if self.available() >= amount:
            self.pay(bill, bill_id, due, amount, amount, day)
        elif self.available() > amount // 2 and rng.random() < 0.4:
            self._pay_part(bill, bill_id, due, amount, day)
        else:
            self._leave(Owed(bill, bill_id, due, amount, amount), day)

    def _pay_part(self, bill: Bill, bill_id: str, due: date, amount: int, day: date) -> None:
        part = min(amount * self.rng.randrange(35, 75) // 100, max(self.available(), 0))
        if part > 0:
            self.pay(bill, bill_id, due, part, amount, day)
        self._leave(Owed(bill, bill_id, due, amount, amount - part), day)

    def _collect_debit(self, bill: Bill, bill_id: str, due: date, amount: int, attempt: int, day: date) -> None:
        place, name, world, rng = self.person.place, self.story.name, self.world, self.rng
        country, struck = self.person.country, day >= self.struck_on
        report, wait = add_working_days(country, day, 1), rng.randrange(5, 9)
        told: str | None = None
        delays: tuple[timedelta, ...] = PROMPT
        if self.dead:
            bill.active = False
            self.at(report, partial(self.bounce, bill, bill_id, due, amount, attempt, place.death_code, PROMPT))
            return
        if name == "gym_cancelled" and struck and bill.name in ("Ironhearth Gym", "Kettlebrook Fitness"):
            self.oddities += 1
            bill.active = self.oddities < 3
            self.at(report, partial(self.bounce, bill, bill_id, due, amount, 0, place.act_code, PROMPT))
            return
        outage = self.person.bank == OUTAGE_BANK and day in world.outage
        outage = outage or (place.debit_scheme == OUTAGE_SCHEME and day == world.scheme_down)
        if attempt == 0 and outage:
            told, wait = rng.choice(place.outage_codes), 3
        elif attempt == 0 and name in ("duplicate_delivery", "late_delivery") and struck and not self.oddities:
            self.oddities += 1
            told, wait = place.stress_codes[0], 3
            twice = timedelta(0), timedelta(days=1, hours=3)
            delays = twice if name == "duplicate_delivery" else (timedelta(days=rng.randrange(7, 9)),)
        elif attempt == 0 and not self.short and rng.random() < MISTAKES * (8 if bill.category == "subscription" else 1):
            told, wait = rng.choice(place.stress_codes), 4
        elif self._lets_wait(bill, amount, day) and rng.random() < 0.4:
            # The customer stops the debit, so that home or credit can be paid.
            if rng.random() < 0.5:
                self.at(report, partial(self.bounce, bill, bill_id, due, amount, 0, place.act_code, PROMPT))
            self._leave(Owed(bill, bill_id, due, amount, amount), day)
            return
        elif self.available() < amount:
            self._fill(day, amount - self.available(), bill)
            over = amount - self.available()
            lenient = self.home.overdraft > 0 and over <= self.home.monthly // 20 and rng.random() < LENIENT
            if over > 0 and not lenient:
                told = rng.choice(place.stress_codes)
        if told is None:
            paid = self.pay(bill, bill_id, due, amount, amount, day)
            self.loans -= bill.category == "short_term_credit"
            if name == "reversal" and struck and self.oddities < 2:
                self.oddities += 1
                self.at(report, partial(self._bounce_in_error, bill, bill_id, due, amount, paid))
            return
        self.at(report, partial(self.bounce, bill, bill_id, due, amount, attempt, told, delays))
        if attempt < (2 if country == "US" else 1):
            again = add_working_days(country, day, wait)
            self.at(again, partial(self._collect, bill, bill_id, due, amount, attempt + 1))
        else:
            self._leave(Owed(bill, bill_id, due, amount, amount), day)

    def _bounce_in_error(self, bill: Bill, bill_id: str, due: date, amount: int, paid: str, day: date) -> None:
        reason = self.person.place.stress_codes[0]
        wrong = self.bounce(bill, bill_id, due, amount, 0, reason, PROMPT, day, original_event_id=paid)

        def undo(on: date) -> None:
            more = {"original_event_id": paid, "status": "reversed", "corrects": wrong}
            self.bounce(bill, bill_id, due, amount, 0, reason, PROMPT, on, **more)

        self.at(add_working_days(self.person.country, day, self.rng.randrange(1, 3)), undo)

    def _collect_own(self, bill: Bill, bill_id: str, due: date, amount: int, day: date) -> None:
        product = self.product(bill)
        if self.dead or product.owed <= 0:
            return
        if product.kind == "credit_card":
            self._collect_card(bill, product, bill_id, due, day)
            return
        amount = min(amount, product.owed)
        if self.pays_parts and day >= self.wakes + DAY * 60 and self.rng.random() < 0.6:
            self._own_missed(bill, bill_id, due, amount, amount * self.rng.randrange(40, 80) // 100, day)
            return
        if self.available() < amount:
            self._fill(day, amount - self.available(), bill)
        if self.available() >= amount:
            self.pay_own(bill, product, bill_id, due, amount, amount, day)
        else:
            self._own_missed(bill, bill_id, due, amount, self.available() * 8 // 10 if self.rng.random() < 0.4 else 0, day)

    def _own_missed(self, bill: Bill, bill_id: str, due: date, amount: int, part: int, day: date) -> None:
        part = part if 0 < part <= self.available() and part * 10 > amount * 3 else 0
        if part:
            self.pay_own(bill, self.product(bill), bill_id, due, part, amount, day)
        self._leave(Owed(bill, bill_id, due, amount, amount - part), day, days=1)

    def _collect_card(self, bill: Bill, card: Product, bill_id: str, due: date, day: date) -> None:
        asked = min(card.statement or card.owed, card.owed)
        least = self.minimum(asked)
        amount = {"full": asked, "fixed": min(asked, max(card.fixed, least)), "minimum": least}[card.habit]
        if amount > self.available() and not self.short:
            amount = max(least, min(amount, self.available()))
        if self.short and day >= self.wakes and self.available() - amount < self._reserve(day, bill) // 2:
            amount = least
        if self.available() < amount:
            self._fill(day, amount - self.available(), bill)
        self.at(day + 4 * DAY, partial(self._statement, bill))
        if self.available() >= least:
            self.pay_own(bill, card, bill_id, due, min(amount, max(self.available(), least)), asked, day)
        else:
            self._leave(Owed(bill, bill_id, due, asked, asked), day, days=1)

    def _statement(self, bill: Bill, day: date) -> None:
        card = self.product(bill)
        if card.habit != "full" or card.owed > card.statement + self.home.monthly // 5:
            fee = card.owed * 17 // 1000
            if fee:
                card.owed += fee
                self.move_own(card, day, self.stamp(day, 20000), "debit", fee, OWN_BANK, "Interest", "fee", "internal")
        card.statement = card.owed

    def _leave(self, owed: Owed, day: date, days: int = 3) -> Owed:
        """Leaves a bill unpaid; it is reported some working days later, if it still is."""
        self.owed.append(owed)
        self.loans -= owed.bill.category == "short_term_credit"
        owed.bill.failed += 1
        if owed.bill.failed >= 3 and owed.bill.category not in PRIORITY:
            owed.bill.active = False  # the biller ends the contract
        report = add_working_days(self.person.country, max(day, owed.due), days)
        self.at(report, partial(self._report, owed))
        return owed

    def _report(self, owed: Owed, day: date) -> None:
        if owed not in self.owed or self.dead:
            return
        owed.reported = True
        when = self.stamp(day, 30000)
        self.tell_missed(owed, "part_paid" if owed.left < owed.amount else "missed", when, owed.amount - owed.left)
        least = self.minimum(owed.amount) if owed.bill.product == "credit_card" else owed.amount
        if owed.bill.category in CREDIT and owed.amount - owed.left < least:
            self.missed_instalment = min(self.missed_instalment or owed.due, owed.due)

    def _remember(self, owed: Owed, day: date) -> None:
        if owed in self.owed:
            left = self.to_pay(owed)
            if self.available() < left:
                self._fill(day, left - self.available(), owed.bill)
            if self.available() >= left:
                self.pay_owed(owed, day)

    def to_pay(self, owed: Owed) -> int:
        """What makes a missed bill good: what is left of it, or a card's minimum."""
        if owed.bill.collect != "own":
            return owed.left
        left = min(owed.left, self.product(owed.bill).owed)
        return min(left, self.minimum(owed.amount)) if owed.bill.product == "credit_card" else left

    def pay_owed(self, owed: Owed, day: date) -> None:
        """Makes a missed bill good."""
        self.owed.remove(owed)
        when, amount = self.stamp(day, 19 * 3600), self.to_pay(owed)
        if owed.bill.collect == "own":
            self.pay_own(owed.bill, self.product(owed.bill), owed.bill_id, owed.due, amount, owed.amount, day)
        else:
            self.pay(owed.bill, owed.bill_id, owed.due, amount, owed.amount, day, self.person.place.push_scheme)
        if owed.reported:
            paid = owed.amount - owed.left + amount
            self.tell_missed(owed, "paid_late", self.stamp(day, 19 * 3600), paid, paid_at=when)

    def _settle(self, day: date) -> None:
        """Pays what is owed, home and credit first, as far as what is coming allows."""
        keep = self._reserve(day) if day >= self.wakes else 0
        for owed in sorted(self.owed, key=lambda owed: (owed.bill.category not in PRIORITY, owed.due)):
            left = self.to_pay(owed)
            if self.available() - keep >= left and (self.balance >= left or not self.restored):
                self.pay_owed(owed, day)

    def _see_whether_recovered(self, day: date) -> None:
        if self.restored and not self.owed and self.loans <= 0 and self.balance > self.home.temper.cushion // 2:
            self.short = self.blind = False
            self.recovered = self.stamp(day, 19 * 3600)

    # --- daily life ----------------------------------------------------------------------------------

    def _shop(self, day: date) -> None:
        if self.dead or self.mood == 0:
            return
        rng, temper = self.rng, self.home.temper
        usual = temper.weekly * rng.randrange(50, 151) // 100 // temper.trips * self.mood // 100
        if day.month == 12:
            usual = usual * 13 // 10
        awake = self.short and day >= self.wakes
        if awake:
            amount = usual * temper.cut // 100
            spare = self.available() - (self._reserve(day) if temper.protects else 0)
            amount = min(amount, max(spare, min(amount // 2, self.available())))
        elif self.blind or self.short:
            amount = min(usual, self.available())
        else:
            spare = self.balance - self.need(day, self.next_payday(day))
            amount = min(usual, max(spare, min(usual // 2, self.available())))
        category = rng.choices(("groceries", "other", "transport", "cash"), (9, 6, 4, 1))[0]
        card = next((product for product in self.home.products if product.kind == "credit_card"), None)
        if card and (rng.random() < 0.2 or (self.short and amount < usual // 2 and rng.random() < 0.6)):
            self.buy_on_card(card, day, max(amount, usual // 2), category)
            return
        if amount > usual // 20:
            self.buy(day, rng.randrange(32400, 75000), category, amount)

    def buy(self, day: date, second: int, category: str, amount: int) -> None:
        """A purchase with the account's own card."""
        name = self.rng.choice(SHOPS[category])
        self.move(day, self.stamp(day, second), "debit", amount, shop_id(name), name, category, "card")

    def buy_on_card(self, card: Product, day: date, amount: int, category: str) -> None:
        """A purchase, or a cash advance, on the credit card, if its limit allows."""
        if 0 < amount <= card.limit - card.owed:
            card.owed += amount
            name = self.rng.choice(SHOPS[category])
            self.move_own(card, day, self.stamp(day, 36000), "debit", amount, shop_id(name), name, category, "card")

    def _surprise(self, day: date) -> None:
        """Now and then something breaks."""
        amount = self.home.monthly * self.rng.randrange(4, 22) // 100
        if self.short or self.dead:
            return
        if self.available() < amount + self.need(day, self.next_payday(day)):
            if self.home.temper.pot < amount:
                return
            self.draw_savings(day, amount)
        name, category = self.rng.choice(_REPAIRS)
        self.move(day, self.stamp(day, 50000), "debit", amount, shop_id(name), name, category, "card")

    def _overdraft_fee(self, day: date) -> None:
        if self.balance < 0:
            fee = max(1, -self.balance * 3 // 100)
            self.move(day, self.stamp(day, 20000), "debit", fee, OWN_BANK, "Overdraft interest", "fee", "internal")


def _text(when: datetime | None) -> str | None:
    return text(when) if when else None
