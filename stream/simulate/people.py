"""Who the simulated customers are: where they live, what they earn, what they owe, and to whom.

Every name is invented. Amounts are minor units.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime
from random import Random
from typing import Any, Literal, NamedTuple

from stream.simulate.calendars import DAY, Country, Payday, local, on_day
from stream.simulate.event import text
from stream.simulate.scenarios import Scenario

Collect = Literal["debit", "push", "own"]
"""Who moves the money: the biller, the customer, or this bank (an instalment on a product of its own)."""


@dataclass(frozen=True, slots=True)
class Place:
    """What a country fixes."""

    currency: str
    zones: tuple[tuple[str, str], ...]
    """(ISO 3166-2 region, IANA zone), drawn evenly."""
    languages: tuple[str, ...]
    debit_scheme: str
    push_scheme: str
    stress_codes: tuple[str, ...]
    act_code: str
    """A return because the customer cancelled."""
    death_code: str
    outage_codes: tuple[str, ...]
    banks: tuple[str, ...]
    income: tuple[int, int]
    """Net monthly income, major units, low and high."""
    benefit_after: int
    """Days from the end of a salary to the first benefit."""
    exponent: int = 2
    """Decimals of the currency."""


PLACES: dict[Country, Place] = {
    "GB": Place(
        currency="GBP",
        zones=(("GB-ENG", "Europe/London"),) * 5 + (("GB-WLS", "Europe/London"), ("GB-SCT", "Europe/London")),
        languages=("en",),
        debit_scheme="bacs", push_scheme="faster_payments",
        stress_codes=("0",), act_code="1", death_code="2", outage_codes=("0", "0", "9"),
        banks=("BK-ALDERMERE", "BK-PELLOW"), income=(1500, 3400), benefit_after=37,
    ),
    "IE": Place(
        currency="EUR",
        zones=(("IE-D", "Europe/Dublin"), ("IE-CO", "Europe/Dublin")),
        languages=("en",),
        debit_scheme="sepa_sdd", push_scheme="sepa_sct",
        stress_codes=("AM04",), act_code="MS02", death_code="MD07", outage_codes=("AM04", "DT01"),
        banks=("BK-KILVARRA",), income=(1700, 3500), benefit_after=21,
    ),
    "DE": Place(
        currency="EUR",
        zones=(("DE-BE", "Europe/Berlin"), ("DE-NW", "Europe/Berlin"), ("DE-BY", "Europe/Berlin")),
        languages=("de", "de", "en"),
        debit_scheme="sepa_sdd", push_scheme="sepa_sct",
        stress_codes=("MS03", "AM04"), act_code="MS02", death_code="MD07", outage_codes=("MS03", "DT01"),
        banks=("BK-HOLTERSEE",), income=(1600, 3300), benefit_after=28,
    ),
    "US": Place(
        currency="USD",
        zones=(("US-NY", "America/New_York"), ("US-TX", "America/Chicago"), ("US-CA", "America/Los_Angeles")),
        languages=("en", "en", "es"),
        debit_scheme="ach", push_scheme="ach",
        stress_codes=("R01", "R01", "R09"), act_code="R08", death_code="R15", outage_codes=("R18", "R19"),
        banks=("BK-OSTRANDER",), income=(2400, 5200), benefit_after=21,
    ),
    "AU": Place(
        currency="AUD",
        zones=(("AU-NSW", "Australia/Sydney"), ("AU-QLD", "Australia/Brisbane")),
        languages=("en",),
        debit_scheme="direct_entry", push_scheme="direct_entry",
        stress_codes=("6",), act_code="2", death_code="4", outage_codes=("6",),
        banks=("BK-WARRAMILL",), income=(2800, 5600), benefit_after=28,
    ),
    "JP": Place(
        currency="JPY", exponent=0,
        zones=(("JP-13", "Asia/Tokyo"), ("JP-27", "Asia/Tokyo")),
        languages=("ja",),
        debit_scheme="other", push_scheme="other",
        stress_codes=("1",), act_code="4", death_code="2", outage_codes=("9",),
        banks=("BK-MINAZUKI",), income=(210000, 420000), benefit_after=35,
    ),
    "KW": Place(
        currency="KWD", exponent=3,
        zones=(("KW-KU", "Asia/Kuwait"),),
        languages=("ar", "en"),
        debit_scheme="card", push_scheme="other",
        stress_codes=("insufficient_funds",), act_code="stopped", death_code="closed", outage_codes=("system",),
        banks=("BK-SAFINAH",), income=(450, 1300), benefit_after=35,
    ),
}  # fmt: skip

OUTAGE_BANK = "BK-TARNHOLM"
"""The bank that fails for a day. Only customers of the scenario `bank_outage` bank there."""

COUNTRIES: tuple[tuple[Country, int], ...] = (("GB", 68), ("IE", 8), ("DE", 8), ("US", 9), ("AU", 7))


class Kind(NamedTuple):
    """A kind of bill: how likely, how much of the income (per mille), who may ask for it."""

    category: str
    likely: float
    low: int
    high: int
    collect: Collect
    names: tuple[str, ...]


HOME = (
    Kind("rent", 0.6, 210, 260, "push", ("Thistledown Lettings", "Corvane Homes", "Mrs A. Ollerby")),
    Kind("mortgage", 1.0, 200, 250, "debit", ("Ravensholt Building Society", "Yarrowgate Home Loans")),
)
BILLS: dict[str, tuple[Kind, ...]] = {
    "GB": (
        Kind(
            "council_tax",
            0.95,
            38,
            55,
            "debit",
            ("Fernhollow Borough Council", "Marrowdale District Council"),
        ),
        Kind("water", 0.9, 12, 20, "debit", ("Quillbrook Water", "Netherpool Water")),
    ),
    "IE": (Kind("tax", 0.4, 8, 15, "debit", ("Ballinoran County Council",)),),
    "DE": (Kind("other", 0.9, 7, 10, "debit", ("Rundfunkstelle Holtersee",)),),
    "US": (Kind("water", 0.8, 12, 18, "push", ("Quillbrook Municipal Water",)),),
    "AU": (Kind("water", 0.7, 12, 18, "debit", ("Mirrabong Water",)),),
}
COMMON = (
    Kind("energy", 1.0, 38, 60, "debit", ("Larkmoor Energy", "Tindrel Power", "Embergate Gas and Light")),
    Kind("telecom", 1.0, 11, 22, "debit", ("Tansy Mobile", "Wrenfield Broadband", "Hollowtree Fibre")),
    Kind("insurance", 0.8, 13, 26, "debit", ("Peregrine and Vale Insurance", "Saltmarsh Mutual")),
    Kind("subscription", 0.7, 4, 9, "debit", ("Magpie Reels", "Brasswing Music")),
    Kind("subscription", 0.45, 10, 18, "debit", ("Ironhearth Gym", "Kettlebrook Fitness")),
    Kind("transport", 0.35, 20, 35, "debit", ("Causeway Season Tickets",)),
    Kind("childcare", 0.15, 50, 80, "push", ("Acorn Lane Nursery",)),
    Kind("car_finance", 0.2, 50, 80, "debit", ("Bracken Motor Finance",)),
)
OWN_BANK = "EWS-BANK"
"""The counterparty of instalments on the bank's own products."""

SHOPS: dict[str, tuple[str, ...]] = {
    "groceries": ("Pennywhistle Foods", "Oat and Barley", "Greenlatch Market"),
    "transport": ("Causeway Buses", "Redpost Fuel"),
    "other": ("Bluedoor Cafe", "Hobbin and Daughters", "Lanternfish Games", "Cobblers Row Shoes"),
    "cash": ("Cash machine",),
}


@dataclass(frozen=True, slots=True)
class Bill:
    """One standing obligation, due on a day of each month."""

    obligation_id: str
    counterparty_id: str
    name: str
    category: str
    amount: int
    day: int
    collect: Collect
    months: frozenset[int] = frozenset(range(1, 13))
    """Council tax comes in ten instalments, April to January."""
    product: Literal["", "loan", "credit_card"] = ""

    def due_in(self, year: int, month: int) -> date | None:
        """The due date in that month."""
        return on_day(year, month, self.day) if month in self.months else None


@dataclass(frozen=True, slots=True)
class Income:
    """One source of income."""

    payday: Payday
    amount: int
    category: str
    counterparty_id: str
    name: str


@dataclass(frozen=True, slots=True)
class Resident:
    """Who a customer is (or two who share an account), and where."""

    index: int
    country: Country
    place: Place
    region: str
    zone: str
    language: str
    bank: str
    customer_ids: tuple[str, ...]
    account_id: str

    def record(self, customer: str, start: date, when: datetime, vulnerabilities: list[str]) -> dict[str, Any]:
        """The record of `customer` as it stands at `when`."""
        # Drawn from the id, so that the second telling says the same.
        rng = Random(f"{customer}:{self.zone}:{start}")  # noqa: S311
        since = local(start - DAY * rng.randrange(100, 2000), 43200, self.zone)
        channels = {
            channel: {"consent": rng.random() < likely, "since": text(since)}
            for channel, likely in (("sms", 0.9), ("email", 0.95), ("push", 0.7), ("voice", 0.6), ("letter", 1.0))
        }
        value: dict[str, Any] = {
            "customer_id": customer,
            "updated_at": text(when),
            "jurisdiction": self.country,
            "region": self.region,
            "time_zone": self.zone,
            "language": self.language,
            "channels": channels,
        }
        agreed = [channel for channel, say in channels.items() if say["consent"]]
        if rng.random() < 0.5:
            value["preferred_channel"] = rng.choice(agreed)
        if rng.random() < 0.1:
            value["quiet"] = [{"from": "12:00", "to": "14:00", "days": ["mon", "tue", "wed", "thu", "fri"]}]
        if vulnerabilities:
            value["vulnerabilities"] = vulnerabilities
        return value


@dataclass(frozen=True, slots=True)
class Person(Resident):
    """A simulated household as it is on the first day."""

    incomes: tuple[Income, ...]
    bills: tuple[Bill, ...]
    thin: bool
    """Lives from one payday to the next."""
    overdraft: int
    own_account_id: str | None
    """The loan or card with this bank, if any."""

    @property
    def monthly_income(self) -> int:
        """Expected income in a month."""
        per_month = {"weekly": 4.345, "four_weekly": 1.086}
        return sum(int(income.amount * per_month.get(income.payday.kind, 1)) for income in self.incomes)

    @property
    def own(self) -> Bill | None:
        """The instalment on the bank's own product."""
        return next((bill for bill in self.bills if bill.collect == "own"), None)


def _code(name: str) -> str:
    return "".join(letter for letter in name.upper() if letter.isalpha())[:14]


def _country(scenario: Scenario, rng: Random) -> Country:
    allowed = [(country, weight) for country, weight in COUNTRIES if country in scenario.countries]
    return rng.choices([c for c, _ in allowed], [w for _, w in allowed])[0]


def _income(
    scenario: Scenario, country: Country, place: Place, monthly: int, start: date, rng: Random
) -> tuple[Income, ...]:
    """Incomes of about `monthly` minor units a month; first a monthly salary, where a scenario strikes it."""
    if scenario.name == "joint_account":
        first = monthly * rng.randrange(52, 62) // 100
        return (
            Income(Payday("last_working_day"), first, "salary", "EMP-CALDERWORKS", "Calder Works"),
            Income(Payday("day_of_month", 28), monthly - first, "salary", "EMP-STOATANDSON", "Stoat and Son"),
        )
    monthly_pay = [Payday("last_working_day"), Payday("day_of_month", 28), Payday("day_of_month", 25)]
    draw = rng.random()
    employers = (
        ("EMP-CALDERWORKS", "Calder Works"),
        ("EMP-MILLRACE", "Millrace Logistics"),
        ("EMP-FENSCHOOLS", "Fen Schools Trust"),
    )
    employer = rng.choice(employers)
    if scenario.cause == "payday_shift":
        return (Income(monthly_pay[int(draw * 2)], monthly, "salary", *employer),)
    if scenario.cause or scenario.name == "bereavement" or draw < 0.62:
        return (Income(rng.choice(monthly_pay), monthly, "salary", *employer),)
    if draw < 0.75:
        friday = start.toordinal() + (4 - start.weekday()) % 7
        return (Income(Payday("weekly", friday), monthly * 23 // 100, "salary", *employer),)
    anchor = start.toordinal() + rng.randrange(28)
    if draw < 0.87:
        anchor += (1 - date.fromordinal(anchor).weekday()) % 7
        modest = monthly * 7 // 10
        return (
            Income(
                Payday("four_weekly", anchor),
                modest * 92 // 100 // 2,
                "benefit",
                "GOV-BENEFITS",
                "Benefits Office",
            ),
            Income(Payday("day_of_month", 28), modest // 2, "salary", *employer),
        )
    anchor += (3 - date.fromordinal(anchor).weekday()) % 7
    state = monthly * 45 // 100
    return (
        Income(Payday("four_weekly", anchor), state * 92 // 100, "pension", "GOV-PENSIONS", "State Pensions"),
        Income(
            Payday("day_of_month", 1), monthly - state, "pension", "PEN-OAKMARK", "Oakmark Pension Scheme"
        ),
    )


def _bills(scenario: Scenario, country: Country, monthly: int, account: str, rng: Random) -> list[Bill]:
    """Bills of at most 62 % of the income; at most 74 % for those whom the scenario will strike."""
    pressed = 115 if scenario.cause else 100
    home = next(kind for kind in HOME if rng.random() < kind.likely)
    kinds = [home, *(kind for kind in (*BILLS[country], *COMMON) if rng.random() < kind.likely)]
    gym = COMMON[4]
    if scenario.name == "gym_cancelled" and gym not in kinds:
        kinds.append(gym)
    bills: list[Bill] = []
    room = monthly * 50 // 100
    for n, kind in enumerate(kinds):
        amount = monthly * rng.randrange(kind.low, kind.high + 1) * pressed // 100 // 1000
        if kind.category in ("rent", "childcare"):
            amount -= amount % 500
        if amount > room and kind is not gym:
            continue
        room -= amount
        collect = kind.collect
        if scenario.name == "late_payer" and kind.category in ("energy", "telecom", "insurance", "water"):
            collect = "push"
        name = rng.choice(kind.names)
        day = 1 if kind.category in ("rent", "mortgage") and rng.random() < 0.6 else rng.randrange(1, 29)
        if rng.random() < 0.04:
            day = 31
        months = (
            frozenset((1, 4, 5, 6, 7, 8, 9, 10, 11, 12))
            if kind.category == "council_tax"
            else frozenset(range(1, 13))
        )
        bills.append(
            Bill(
                f"{account}-O{n:02d}", f"BIL-{_code(name)}", name, kind.category, amount, day, collect, months
            )
        )
    return bills


def draw(index: int, scenario: Scenario, start: date, outage: date, rng: Random) -> Person:
    """The `index`-th customer (or couple), with bills that the scenario needs."""
    country = _country(scenario, rng)
    place = PLACES[country]
    region, zone = rng.choice(place.zones)
    if scenario.name == "breathing_space" and region == "GB-SCT":
        region = "GB-ENG"  # the 60-day scheme is of England and Wales
    monthly = rng.randrange(*place.income) * 100 + rng.randrange(100)
    if scenario.name == "joint_account":
        monthly = monthly * 17 // 10
    account = f"A-{index:06d}"
    bills = _bills(scenario, country, monthly, account, rng)
    if scenario.name == "bank_outage":
        every_month = frozenset(range(1, 13))
        bills[1:3] = [
            replace(bill, day=outage.day, collect="debit", months=every_month) for bill in bills[1:3]
        ]
    own_account = None
    chance = rng.random()
    if scenario.cause or chance < 0.55:
        loan = chance < 0.4 or chance >= 0.75
        product: Literal["loan", "credit_card"] = "loan" if loan else "credit_card"
        own_account = f"{'L' if loan else 'K'}-{index:06d}"
        instalment = monthly * rng.randrange(60, 95) // 1000
        day = rng.randrange(3, 27)
        own = Bill(
            f"{own_account}-O00", OWN_BANK, "Your bank", product, instalment, day, "own", product=product
        )
        bills.append(own)
    couple = scenario.name == "joint_account"
    thin = scenario.cause is not None
    return Person(
        index=index,
        country=country,
        place=place,
        region=region,
        zone=zone,
        language=rng.choice(place.languages),
        bank=OUTAGE_BANK if scenario.name == "bank_outage" else rng.choice(place.banks),
        customer_ids=tuple(f"C-{index + n:06d}" for n in range(2 if couple else 1)),
        account_id=account,
        incomes=_income(scenario, country, place, monthly, start, rng),
        bills=tuple(bills),
        thin=thin,
        overdraft=rng.choice((0, 0, 10000, 25000)) if thin else rng.choice((0, 0, 0, 50000, 100000)),
        own_account_id=own_account,
    )
