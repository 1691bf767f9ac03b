"""What happens to the households of the corpus: one function a story, called on the story's day."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, timedelta
from functools import partial
from typing import TYPE_CHECKING

from stream.simulate import stories
from stream.simulate.calendars import DAY, Payday, add_months, local, next_working_day, on_day, zone
from stream.simulate.corpus.homes import EVERY_MONTH, Bill, Income, code
from stream.simulate.corpus.world import EMPLOYERS, MONTH_END_PAY

if TYPE_CHECKING:
    from stream.simulate.corpus.living import Living

Happening = Callable[["Living", date], None]

FROM_THE_START = ("clock_change", "student", "drifting_amounts")
"""Stories that are not of one day."""
QUIET = (
    *FROM_THE_START, "steady", "steady_couple", "rich", "thin_buffer", "no_balances", "weekly_pay", "four_weekly_benefit",
    "gig_work", "commission", "pension", "yearly_bills", "leap_day", "yen", "dinar",
)  # fmt: skip
"""Stories in which nothing happens on any one day."""


def strike(life: Living, day: date) -> None:
    """The story's day has come."""
    happening = HAPPENINGS.get(life.story.name)
    if happening and not life.newcomer:
        happening(life, day)


def happened_on(life: Living) -> date | None:
    """The date of the story's event; None where there is none."""
    world = life.world
    common = {
        "bank_outage": world.outage[0], "scheme_outage": world.scheme_down, "silent_biller": world.file_due,
        "employer_late": world.pay_due, "employer_insolvent": world.gone_from,
    }  # fmt: skip
    day = common.get(life.story.name, life.struck_on)
    return None if life.story.name in QUIET or not life.start <= day < life.end else day


def _lose(life: Living, income: Income, day: date) -> None:
    """An income ends; money is short from when it does not come."""
    assert income.payday is not None
    life.at(life.payday_after(income, day - DAY), life.run_short)
    income.active = False


def _follow(life: Living, income: Income, first: date) -> None:
    """A new income, from that day on."""

    def begin(day: date) -> None:
        life.home.incomes.append(income)
        life.schedule_income(income, day)  # the rest of the month

    life.at(first, begin)


# --- money becomes too little --------------------------------------------------------------------------


def _job_loss(life: Living, day: date) -> None:
    salary, rng = life.home.incomes[0], life.rng
    _lose(life, salary, day)
    if len(life.home.incomes) > 1:
        return  # the other salary of a couple rules out a benefit
    first = day + DAY * (life.person.place.benefit_after + rng.randrange(15))
    benefit = Income(
        Payday("four_weekly", first.toordinal()), salary.monthly * rng.randrange(25, 40) // 109,
        "benefit", "GOV-BENEFITS", "Benefits Office",
    )  # fmt: skip
    _follow(life, benefit, first - 3 * DAY)


def _recovery(life: Living, day: date) -> None:
    salary = life.home.incomes[0]
    _job_loss(life, day)
    found = day + DAY * life.rng.randrange(75, 110)
    employer = life.rng.choice([one for one in EMPLOYERS if one[0] != salary.counterparty_id])

    def work(on: date) -> None:
        for income in life.home.incomes:
            income.active = False
        job = Income(salary.payday, salary.amount * life.rng.randrange(98, 115) // 100, "salary", *employer)
        life.home.incomes.append(job)
        life.schedule_income(job, on)
        life.restored = True

    life.at(found, work)


def _illness(life: Living, day: date) -> None:
    salary = life.home.incomes[0]
    full = salary.amount
    salary.amount = full * life.rng.randrange(30, 46) // 100
    assert salary.payday is not None
    life.at(life.payday_after(salary, day - DAY), life.run_short)

    def recover(_: date) -> None:
        salary.amount, life.restored = full, True

    life.at(day + DAY * life.rng.randrange(70, 170), recover)


def _hours_cut(life: Living, day: date) -> None:
    salary = life.home.incomes[0]
    salary.amount = salary.amount * life.rng.randrange(50, 68) // 100
    assert salary.payday is not None
    life.at(life.payday_after(salary, day - DAY), life.run_short)


def _gig_dries_up(life: Living, day: date) -> None:
    for n, percent in enumerate((45, 40, 60)):

        def less(on: date, percent: int = percent) -> None:
            for income in life.home.incomes:
                income.amount = income.amount * percent // 100

        life.at(day + DAY * 20 * n, less)
    life.at(day + 14 * DAY, life.run_short)


def _separation(life: Living, day: date) -> None:
    leaves = life.home.incomes[1]
    _lose(life, leaves, day)
    home = life.home.bill("rent", "mortgage")
    cost = home.amount // 2 if home else 0

    def pay_lawyer(on: date) -> None:
        if 0 < cost <= life.available():
            life.buy(on, 40000, "other", cost)

    life.at(day + 9 * DAY, pay_lawyer)
    # Both stay holders until the bank has papers.
    parted = next_working_day(life.person.country, day + DAY * life.rng.randrange(80, 110))
    life.at(parted, lambda on: life.tell_accounts(on, life.person.customer_ids[:1]))


def _rate_shock(life: Living, day: date) -> None:
    mortgage = next(bill for bill in life.home.bills if bill.product == "mortgage")
    temper = life.home.temper
    temper.pot, temper.cut, temper.cushion = 0, life.rng.randrange(88, 105), temper.cushion // 2
    month = add_months(day.replace(day=1), 1)

    def reset(on: date) -> None:
        mortgage.amount = mortgage.amount * life.rng.randrange(165, 205) // 100
        for bill in life.home.bills:
            if bill.category in ("energy", "insurance"):
                bill.amount = bill.amount * life.rng.randrange(120, 150) // 100
        life.tell_accounts(on)

    # Before the month is entered: the day before its first.
    life.at(month - DAY, reset)
    life.at(on_day(month.year, month.month, mortgage.day), life.run_short)


def _overspends(life: Living, day: date, percent: int, lag: int) -> None:
    """Spends more than comes in, without a look, for `lag` days."""
    life.run_short(day)
    life.blind, life.mood, life.home.temper.pot = True, percent, life.home.temper.pot // 4
    life.wakes = day + DAY * lag

    life.home.temper.cut = life.rng.randrange(60, 90)

    def wake(_: date) -> None:
        life.blind, life.mood = False, 110

    life.at(life.wakes, wake)


def _slow_slide(life: Living, day: date) -> None:
    _overspends(life, day, life.rng.randrange(150, 210), life.rng.randrange(70, 150))


def _minimum_only(life: Living, day: date) -> None:
    _overspends(life, day, life.rng.randrange(155, 205), life.rng.randrange(80, 140))
    for product in life.home.products:
        if product.kind == "credit_card":
            product.habit = "minimum"


def _part_payer(life: Living, day: date) -> None:
    life.run_short(day)
    life.pays_parts = True
    life.home.temper.pot //= 3
    life.home.temper.cut = life.rng.randrange(70, 95)
    cost = Bill(
        f"{life.person.account_id}-O90", "BIL-WILLOWCARE", "Willow Home Care", "medical",
        life.home.monthly * life.rng.randrange(18, 28) // 100, life.rng.randrange(1, 29), "push",
    )  # fmt: skip
    life.home.bills.append(cost)
    for bill in life.home.bills:
        if bill.collect == "debit" and bill.category in ("energy", "water", "telecom", "council_tax", "insurance"):
            bill.collect = "push"


def _payday_borrower(life: Living, day: date) -> None:
    _overspends(life, day, life.rng.randrange(160, 210), life.rng.randrange(90, 150))
    temper, monthly = life.home.temper, life.home.monthly
    temper.pot //= 4

    def again(on: date) -> None:
        if life.loans < 3:
            life.borrow(on, monthly * life.rng.randrange(10, 24) // 100)
        card = next(product for product in life.home.products if product.kind == "credit_card")
        if life.rng.random() < 0.7:
            advance = monthly * life.rng.randrange(4, 9) // 100
            life.at(on + DAY * 3, lambda later: life.buy_on_card(card, later, advance, "cash"))
        life.at(on + DAY * life.rng.randrange(22, 33), again)

    life.at(day + DAY * life.rng.randrange(5, 20), again)


def _gambling(life: Living, day: date) -> None:
    life.run_short(day)
    monthly, temper = life.home.monthly, life.home.temper
    life.blind, temper.protects, temper.pot = True, False, temper.pot // 3

    def bet(on: date, stake: int = 14) -> None:
        amount = min(monthly * life.rng.randrange(stake // 2, stake * 2) // 1000, life.available() * 9 // 10)
        if amount > monthly // 500:
            site = life.rng.choice((("GMB-REDFOX", "Redfox Bets"), ("GMB-LUCKYTARN", "Lucky Tarn Casino")))
            life.move(on, life.stamp(on, 75000), "debit", amount, *site, "gambling", "card")
        more = min(stake + life.rng.randrange(0, 5), 70)
        life.at(on + DAY * life.rng.randrange(2, 6), partial(bet, stake=more))

    bet(day)


def _then(after: tuple[int, int], story: Callable[[stories.Told, date], None], cause: Happening) -> Happening:
    """A story that goes on with a hold some days after its cause."""

    def happening(life: Living, day: date) -> None:
        cause(life, day)
        life.at(next_working_day(life.person.country, day + DAY * life.rng.randrange(*after)), partial(story, life))

    return happening


# --- things that happen to those who have enough ---------------------------------------------------------


def _die(life: Living, day: date) -> None:
    """Pay and spending end; the bank hears of it days later. Until then debits are returned."""
    life.dead = True
    hears = next_working_day(life.person.country, day + DAY * life.rng.randrange(2, 6))
    life.at(hears, partial(stories.bereavement, life, life.outbox.new_id("HOLD"), None))


def _payday_shift(life: Living, day: date) -> None:
    income = life.home.incomes[0]
    assert income.payday is not None
    old = 30 if income.payday.kind == "last_working_day" else income.payday.day
    life.home.temper.pot += life.home.monthly

    def shift(_: date) -> None:
        if life.rng.random() < 0.5:
            income.payday = Payday("day_of_month", old - life.rng.randrange(4, 10))
            return
        # Later, into the next month: nothing comes in this one.
        income.active = False
        life.home.incomes.append(replace(income, payday=Payday("day_of_month", life.rng.randrange(3, 9)), active=True))

    life.at(add_months(day.replace(day=1), 1) + DAY, shift)


def _job_change(life: Living, day: date) -> None:
    old = life.home.incomes[0]
    employer = life.rng.choice([one for one in EMPLOYERS if one[0] != old.counterparty_id])
    new = Income(
        life.rng.choice((Payday("last_working_day"), MONTH_END_PAY)), old.amount * life.rng.randrange(103, 118) // 100,
        "salary", *employer,
    )  # fmt: skip
    old.active = False
    _follow(life, new, day + DAY * life.rng.randrange(1, 21))


def _parental_leave(life: Living, day: date) -> None:
    salary = life.home.incomes[0]
    full = salary.amount
    salary.amount = full * life.rng.randrange(45, 60) // 100
    life.mood = 85

    def back(_: date) -> None:
        salary.amount, life.mood = full, 100

    life.at(day + DAY * 120, back)


def _holiday(life: Living, day: date) -> None:
    cost = life.home.monthly * life.rng.randrange(15, 40) // 100
    if life.home.temper.pot > cost:
        life.draw_savings(day, cost)
    life.mood = 0
    for n in range(14):
        if life.rng.random() < 0.4:
            life.at(day + DAY * n, lambda on: life.buy(on, 60000, "other", min(cost // 6, max(life.available() // 4, 1))))
    life.at(day + 14 * DAY, lambda _: setattr(life, "mood", 100))


def _house_move(life: Living, day: date) -> None:
    monthly, home = life.home.monthly, life.home
    deposit = monthly * life.rng.randrange(400, 900) // 100
    life.draw_savings(day, deposit)

    def pay(on: date) -> None:
        lawyer, scheme = ("LAW-QUILLFEATHER", "Quillfeather Conveyancing"), life.person.place.push_scheme
        life.move(on, life.stamp(on, 40000), "debit", deposit * 95 // 100, *lawyer, "other", scheme)

    life.at(day + 3 * DAY, pay)
    for n, bill in enumerate([bill for bill in home.bills if bill.category in ("council_tax", "energy", "water")]):
        _replace(life, bill, f"{life.person.account_id}-O8{n}", f"New {bill.name}", bill.amount * 11 // 10)
    life.at(day + 20 * DAY, life.tell_accounts)


def _replace(life: Living, bill: Bill, obligation: str, name: str, amount: int) -> None:
    """Another biller takes the place of one, some weeks later."""
    bill.active = False
    life.home.bills.append(
        Bill(obligation, f"BIL-{code(name)}", name, bill.category, amount, life.rng.randrange(1, 29), bill.collect, EVERY_MONTH)
    )


def _new_debit_date(life: Living, day: date) -> None:
    debits = [bill for bill in life.home.bills if bill.collect == "debit" and len(bill.months) >= 10]
    if not debits:
        return
    bill = life.rng.choice(debits)

    def change(on: date) -> None:
        bill.day = (bill.day + life.rng.randrange(7, 16) - 1) % 28 + 1
        life.tell_accounts(on)

    life.at(add_months(day.replace(day=1), 1) - DAY, change)


def _new_supplier(life: Living, day: date) -> None:
    bill = life.home.bill("energy") or life.home.bill("telecom", "insurance")
    if bill:
        amount = bill.amount * life.rng.randrange(82, 98) // 100
        _replace(life, bill, f"{life.person.account_id}-O80", "Copperbeech Energy", amount)
        life.at(day + 5 * DAY, life.tell_accounts)


def _renamed_payee(life: Living, day: date) -> None:
    bill = life.home.bill("energy", "telecom", "insurance")
    if bill:
        bill.name = f"{bill.name} (formerly), now Rowanmere"


def _drifting_amounts(life: Living, day: date) -> None:
    bill = life.home.bill("energy")

    def climb(on: date) -> None:
        if bill:
            bill.amount = bill.amount * life.rng.randrange(102, 106) // 100
        life.at(add_months(on, 1), climb)

    life.at(add_months(day.replace(day=1), 1) - DAY, climb)


def _clock_change(life: Living, day: date) -> None:
    name = life.person.zone
    while day < life.end:
        if local(day, 0, name).utcoffset() != local(day + DAY, 0, name).utcoffset():
            life.at(day, partial(_night_bus, life))
        day += DAY


def _night_bus(life: Living, day: date) -> None:
    """Two fares an hour apart: at 1:30 twice, or where the clock skips an hour."""
    first = life.stamp(day, 5400)
    fare = life.home.monthly // 700
    for when in (first, (first.astimezone(UTC) + timedelta(hours=1)).astimezone(zone(life.person.zone))):
        life.move(day, when, "debit", fare, "SHOP-CAUSEWAYBUSES", "Causeway Buses", "transport", "card")
    life.second += 3700


def _student(life: Living, day: date) -> None:
    """A loan for each of three terms."""

    def pay(on: date) -> None:
        when, lender = life.stamp(on, 18000), ("GOV-STUDENTLOANS", "Student Loans")
        life.move(on, when, "credit", life.home.monthly * 3, *lender, "student_loan", "bacs")

    for after in (18, 130, 225):
        life.at(next_working_day(life.person.country, day + DAY * after), pay)


HAPPENINGS: dict[str, Happening] = {
    "job_loss": _job_loss, "joint_salary_lost": _job_loss, "employer_insolvent": _job_loss, "illness": _illness,
    "hours_cut": _hours_cut, "gig_dries_up": _gig_dries_up, "separation": _separation, "rate_shock": _rate_shock,
    "slow_slide": _slow_slide, "minimum_only": _minimum_only, "part_payer": _part_payer,
    "payday_borrower": _payday_borrower, "gambling": _gambling, "recovery": _recovery,
    "breathing_space": _then((40, 55), stories.breathing_space, _job_loss),
    "opt_out": _then((20, 40), stories.opt_out, _job_loss),
    "vulnerability": _then((20, 30), stories.vulnerability, _illness),
    "bereavement": _die, "payday_shift": _payday_shift, "job_change": _job_change, "parental_leave": _parental_leave,
    "holiday": _holiday, "house_move": _house_move, "new_debit_date": _new_debit_date, "new_supplier": _new_supplier,
    "renamed_payee": _renamed_payee, "drifting_amounts": _drifting_amounts, "clock_change": _clock_change, "student": _student,
}  # fmt: skip
