"""The households of the corpus as they are on the first day: incomes, bills, products of the bank, temper."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from random import Random
from typing import Literal

from stream.simulate.calendars import Country, Payday, on_day
from stream.simulate.corpus.mix import Story
from stream.simulate.corpus.world import (
    EMPLOYERS,
    GONE_EMPLOYER,
    LATE_EMPLOYER,
    MONTH_END_PAY,
    OUTAGE_BANK,
    SILENT_BANK,
    SILENT_BILLER,
    World,
)
from stream.simulate.people import BILLS, COMMON, COUNTRIES, HOME, OWN_BANK, PLACES, Collect, Kind, Place, Resident

CREDIT = frozenset({"mortgage", "loan", "car_finance", "credit_card"})
"""Instalments on these are what an early-warning system wants to be early for."""
PRIORITY = CREDIT | {"rent", "council_tax", "energy"}
"""What a household protects while it can."""
EVERY_MONTH = frozenset(range(1, 13))
MONTHLY_FACTOR = {"weekly": 4.345, "four_weekly": 1.086}

_LENDERS = (
    Kind("car_finance", 0.18, 50, 75, "debit", ("Bracken Motor Finance", "Sallow Car Credit")),
    Kind("credit_card", 0.15, 25, 50, "debit", ("Tallow Card", "Finchley and Rook Card")),
    Kind("loan", 0.1, 40, 65, "debit", ("Meadowbank Loans", "Copperfield Finance")),
)
_RARE = (
    Kind("insurance", 1.0, 100, 180, "push", ("Saltmarsh Home Cover",)),
    Kind("tax", 1.0, 40, 80, "push", ("Vehicle Tax Office",)),
    Kind("water", 1.0, 40, 60, "debit", ("Netherpool Water Quarterly",)),
    Kind("subscription", 1.0, 20, 50, "debit", ("Almanack Club",)),
)


@dataclass(slots=True, eq=False)
class Income:
    """One source of income; stories change it."""

    payday: Payday | None
    """None: on no particular day, some six times a month."""
    amount: int
    """A payment, as a rule."""
    category: str
    counterparty_id: str
    name: str
    spread: int = 0
    """How far payments differ from it, percent."""
    active: bool = True

    @property
    def monthly(self) -> int:
        """What comes in a month, as a rule."""
        return self.amount * 6 if self.payday is None else int(self.amount * MONTHLY_FACTOR.get(self.payday.kind, 1))


@dataclass(slots=True, eq=False)
class Bill:
    """One standing obligation; stories change it."""

    obligation_id: str
    counterparty_id: str
    name: str
    category: str
    amount: int
    day: int
    collect: Collect
    months: frozenset[int] = EVERY_MONTH
    product: Literal["", "loan", "credit_card", "mortgage"] = ""
    """Of this bank."""
    account_id: str = ""
    """The own product's account."""
    spread: int = 0
    """How far amounts differ from month to month, percent."""
    active: bool = True
    failed: int = 0
    """How often in a row it was not paid."""

    def due_in(self, year: int, month: int) -> date | None:
        """The due date in that month."""
        return on_day(year, month, self.day) if month in self.months else None

    def share(self) -> int:
        """What it costs in a month, on average."""
        return self.amount * len(self.months) // 12


@dataclass(slots=True)
class Product:
    """A loan, mortgage or card of this bank."""

    account_id: str
    kind: Literal["loan", "credit_card", "mortgage"]
    owed: int
    limit: int = 0
    habit: Literal["full", "fixed", "minimum"] = "full"
    """How the card is paid."""
    fixed: int = 0
    statement: int = 0
    """What the last statement asked for."""


@dataclass(slots=True)
class Temper:
    """How a household deals with money, and with too little of it."""

    weekly: int
    """Spending in shops a week, as a rule."""
    trips: int
    """Shopping trips a week."""
    cushion: int
    """What is kept on the account for surprises."""
    pot: int
    """Savings elsewhere."""
    prompt: int
    """How many days before the due date it pays by itself, at most."""
    lag: int
    """Days until it sees that money is short and spends less."""
    cut: int
    """Percent of the spending that remain then."""
    protects: bool
    """Lets small bills wait to keep home and credit paid."""
    borrows: bool
    """Short-term credit is an option."""
    juggles: bool
    """Pays by itself later than due while money is short."""


@dataclass(slots=True)
class Home:
    """All of it."""

    person: Resident
    incomes: list[Income]
    bills: list[Bill]
    products: list[Product]
    temper: Temper
    monthly: int
    """Income in a month on the first day, as a rule."""
    overdraft: int
    listed: bool
    """Whether the bank knows the obligations, and payments name their bills."""
    balances: bool
    """Whether payments carry balances."""

    def bill(self, *categories: str) -> Bill | None:
        """The first active bill of one of these categories."""
        return next((bill for bill in self.bills if bill.active and bill.category in categories), None)


def code(name: str) -> str:
    """The part of an id that comes from a name."""
    return "".join(letter for letter in name.upper() if letter.isalpha())[:14]


def draw(index: int, story: Story, start: date, world: World, rng: Random) -> Home:
    """The household whose first customer has this number."""
    weights = [(c, w) for c, w in (*COUNTRIES, ("JP", 3), ("KW", 2)) if c in story.countries] or [(story.countries[0], 1)]
    country: Country = rng.choices([c for c, _ in weights], [w for _, w in weights])[0]
    place = PLACES[country]
    region, zone = rng.choice(place.zones)
    if story.name == "breathing_space" and region == "GB-SCT":
        region = "GB-ENG"  # the 60-day scheme is of England and Wales
    bank = rng.choice((*place.banks, OUTAGE_BANK)) if country == "GB" else rng.choice(place.banks)
    if country == "GB" and rng.random() < 0.08:
        bank = SILENT_BANK
    bank = {"bank_outage": OUTAGE_BANK, "no_balances": SILENT_BANK}.get(story.name, bank)
    person = Resident(
        index=index, country=country, place=place, region=region, zone=zone, language=rng.choice(place.languages), bank=bank,
        customer_ids=tuple(f"C-{index + n:06d}" for n in range(2 if story.couple else 1)), account_id=f"A-{index:06d}",
    )  # fmt: skip
    scale = 10**place.exponent
    monthly = rng.randrange(*place.income) * scale + rng.randrange(scale)
    if story.couple:
        monthly = monthly * 17 // 10
    incomes = _incomes(story, country, monthly, start, rng)
    monthly = sum(income.monthly for income in incomes)
    bills, products = _obligations(story, person, monthly, world, rng)
    free = monthly - sum(bill.share() for bill in bills)
    return Home(
        person, incomes, bills, products, _temper(story, monthly, free, rng), monthly,
        overdraft=_overdraft(story, monthly, place, rng), listed=rng.random() < 0.8, balances=bank != SILENT_BANK,
    )  # fmt: skip


def moved_out(home: Home, story: Story, start: date, world: World, rng: Random) -> Home:
    """The household of the partner who leaves: an account of their own, to which their salary goes."""
    index, customer = home.person.index + 1, home.person.customer_ids[1]
    person = replace(home.person, index=index, customer_ids=(customer,), account_id=f"A-{index:06d}")
    income = replace(home.incomes[1])
    single = replace(story, stressed=False)
    bills, _ = _obligations(single, person, income.monthly, world, rng)
    bills = [bill for bill in bills if bill.collect != "own"]
    free = income.monthly - sum(bill.share() for bill in bills)
    temper = _temper(single, income.monthly, free, rng)
    return Home(person, [income], bills, [], temper, income.monthly, 0, home.listed, home.balances)


def _overdraft(story: Story, monthly: int, place: Place, rng: Random) -> int:
    share = rng.choice((0, 10, 20, 35)) if story.stressed else rng.choice((0, 0, 20, 40))
    if story.name == "slow_slide":
        share = rng.choice((25, 40, 60))
    step: int = 50 * 10**place.exponent
    return monthly * share // 100 // step * step


def _temper(story: Story, monthly: int, free: int, rng: Random) -> Temper:
    cushion, pot, spends = rng.randrange(12, 45), rng.randrange(50, 300), rng.randrange(70, 93)
    if story.name == "rich":
        cushion, pot, spends = rng.randrange(100, 300), 1000, rng.randrange(45, 70)
    if story.name == "thin_buffer":
        cushion, pot, spends = rng.randrange(2, 6), rng.randrange(0, 15), rng.randrange(95, 101)
    if story.stressed:
        cushion = rng.randrange(4, 30)
        pot = rng.choice((0, 0, rng.randrange(5, 40), rng.randrange(5, 40), rng.randrange(40, 180)))
        spends = rng.randrange(85, 100)
    if story.name == "house_move":
        pot = 1500
    if story.name == "parental_leave":
        pot = 400
    return Temper(
        weekly=free * spends * 10 // 4345, trips=rng.choice((2, 3, 3, 4)),
        cushion=monthly * cushion // 100, pot=monthly * pot // 100, prompt=rng.choice((0, 0, 1, 2, 3)),
        lag=rng.randrange(5, 36), cut=rng.randrange(35, 70), protects=rng.random() < 0.7,
        borrows=story.name == "payday_borrower" or rng.random() < 0.25, juggles=rng.random() < 0.55,
    )  # fmt: skip


def _incomes(story: Story, country: Country, monthly: int, start: date, rng: Random) -> list[Income]:
    earns = story.earns
    if earns == "any":
        earns = rng.choices(("monthly", "weekly", "four_weekly", "pension"), (66, 10, 10, 14))[0]
    if earns == "salary":
        earns = "weekly" if rng.random() < 0.2 else "monthly"
    payday = rng.choice((Payday("last_working_day"), Payday("day_of_month", 28), Payday("day_of_month", 25)))
    employer = rng.choice(EMPLOYERS)
    if country == "GB" and earns == "monthly" and not story.couple and rng.random() < 0.06:
        employer, payday = LATE_EMPLOYER, MONTH_END_PAY
    if story.name == "employer_late":
        employer, payday = LATE_EMPLOYER, MONTH_END_PAY
    if story.name == "employer_insolvent":
        employer, payday = GONE_EMPLOYER, MONTH_END_PAY
    anchor = start.toordinal() + rng.randrange(28)

    def on(weekday: int) -> int:
        return anchor + (weekday - date.fromordinal(anchor).weekday()) % 7

    if story.couple:
        first = monthly * rng.randrange(52, 62) // 100
        other = rng.choice([one for one in EMPLOYERS if one != employer])
        return [
            Income(payday, first, "salary", *employer),
            Income(Payday("day_of_month", rng.choice((1, 15, 28))), monthly - first, "salary", *other),
        ]
    if earns == "weekly":
        return [Income(Payday("weekly", on(4)), monthly * 23 // 100, "salary", *employer, spread=rng.choice((0, 3, 8)))]
    if earns == "four_weekly":
        part = monthly * 35 // 100
        return [
            Income(Payday("four_weekly", on(1)), part * 92 // 100, "benefit", "GOV-BENEFITS", "Benefits Office"),
            Income(Payday("day_of_month", 28), part, "salary", *employer, spread=2),
        ]
    if earns == "pension":
        state = monthly * 45 // 100
        return [
            Income(Payday("four_weekly", on(3)), state * 92 // 100, "pension", "GOV-PENSIONS", "State Pensions"),
            Income(Payday("day_of_month", 1), monthly - state, "pension", "PEN-OAKMARK", "Oakmark Pension Scheme"),
        ]
    if earns == "gig":
        return [
            Income(None, monthly * 6 // 60, "salary", "GIG-PEDALO", "Pedalo Deliveries", spread=60),
            Income(None, monthly * 4 // 60, "salary", "GIG-HANDY", "Handyside Jobs", spread=70),
        ]
    if earns == "commission":
        return [Income(payday, monthly, "salary", *employer, spread=33)]
    if earns == "student":
        return [Income(Payday("day_of_month", 28), monthly * 45 // 100, "salary", *employer, spread=15)]
    return [Income(payday, monthly, "salary", *employer, spread=rng.choice((0, 0, 1, 4)))]


def _obligations(story: Story, person: Resident, monthly: int, world: World, rng: Random) -> tuple[list[Bill], list[Product]]:
    """Bills of at most 62 % of the income, those of this bank's products last."""
    name, country, account = story.name, person.country, person.account_id
    room = monthly * rng.randrange(48, 62) // 100
    products: list[Product] = []
    own: list[Bill] = []
    borrows = 0.75 if story.stressed else 0.5
    if name in ("minimum_only", "payday_borrower") or rng.random() < borrows * 0.6:
        own.append(_card(story, f"K-{person.index:06d}", monthly, products, rng))
    if rng.random() < borrows * 0.5 or (story.stressed and not own):
        part = monthly * rng.randrange(50, 80) // 1000
        own.append(_instalment(f"L-{person.index:06d}", "loan", part, part * rng.randrange(18, 48), products, rng))
    room -= sum(bill.share() for bill in own)
    kinds = [kind for kind in (*BILLS.get(country, ()), *COMMON, *_LENDERS) if rng.random() < kind.likely]
    if name == "gym_cancelled" and COMMON[4] not in kinds:
        kinds.append(COMMON[4])
    if name == "yearly_bills":
        kinds.extend(_RARE)
    rent, mortgage = HOME
    if name == "rate_shock" or rng.random() < 0.12:
        part = monthly * rng.randrange(200, 250) // 1000
        own.append(_instalment(f"H-{person.index:06d}", "mortgage", part, part * rng.randrange(120, 280), products, rng))
        room -= part
    else:
        kinds.insert(0, rent if rng.random() < rent.likely else mortgage)
    bills = []
    for n, kind in enumerate(kinds):
        bill = _bill(f"{account}-O{n:02d}", story, kind, monthly, world, rng)
        if bill.share() <= room or kind is COMMON[4]:
            room -= bill.share()
            bills.append(bill)
    if name == "bank_outage":
        for bill in bills[1:3]:
            bill.collect, bill.day, bill.months = "debit", world.outage[0].day, EVERY_MONTH
    if name == "scheme_outage":
        for bill in bills[1:3]:
            bill.collect, bill.day, bill.months = "debit", world.scheme_down.day, EVERY_MONTH
    if name == "leap_day":
        for bill, day in zip(bills, (29, 30, 31, 29, 31), strict=False):
            bill.day, bill.months = day, EVERY_MONTH
    return bills + own, products


def _bill(obligation: str, story: Story, kind: Kind, monthly: int, world: World, rng: Random) -> Bill:
    amount = monthly * rng.randrange(kind.low, kind.high + 1) // 1000
    name = rng.choice(kind.names)
    day = 1 if kind.category in ("rent", "mortgage") and rng.random() < 0.6 else rng.randrange(1, 29)
    day = 31 if rng.random() < 0.04 else day
    collect = kind.collect
    by_hand = 0.9 if story.name == "forgetful" else 0.15
    if kind.category in ("energy", "telecom", "insurance", "water") and rng.random() < by_hand:
        collect = "push"
    months = EVERY_MONTH
    if kind.category == "council_tax":
        months = EVERY_MONTH - {2, 3}  # ten instalments, April to January
    if kind in _RARE:
        first = rng.randrange(1, 13)
        every = 3 if kind.category in ("water", "tax") else 12
        months = frozenset((first + every * n - 1) % 12 + 1 for n in range(12 // every))
    if kind.category == "telecom" and (story.name == "silent_biller" or rng.random() < 0.2):
        name, collect, day = SILENT_BILLER, "debit", world.file_due.day + rng.randrange(0, 4)
    spread = {"energy": 6, "telecom": 3, "credit_card": 15}.get(kind.category, 0) if rng.random() < 0.6 else 0
    return Bill(obligation, f"BIL-{code(name)}", name, kind.category, amount, day, collect, months, spread=spread)


def _instalment(
    account: str, kind: Literal["loan", "mortgage"], part: int, owed: int, products: list[Product], rng: Random
) -> Bill:
    products.append(Product(account, kind, owed))
    day = rng.randrange(2, 27)
    return Bill(f"{account}-O00", OWN_BANK, "Your bank", kind, part, day, "own", product=kind, account_id=account)


def _card(story: Story, account: str, monthly: int, products: list[Product], rng: Random) -> Bill:
    limit = monthly * rng.randrange(60, 220) // 100
    card = Product(account, "credit_card", monthly * rng.randrange(3, 8) // 100, limit)
    if story.name == "minimum_only" or rng.random() < (0.6 if story.stressed else 0.3):
        card.owed, card.habit = limit * rng.randrange(45, 75) // 100, "fixed"
        card.fixed = max(monthly * rng.randrange(40, 70) // 1000, card.owed // 15)
    products.append(card)
    typical = card.fixed or monthly * 8 // 100
    return Bill(
        f"{account}-O00", OWN_BANK, "Your bank", "credit_card", typical, rng.randrange(2, 27), "own",
        product="credit_card", account_id=account,
    )  # fmt: skip
