"""Each place has its own hours, closed days and caps: as tables, so that a lawyer can read them."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from stream.tables.customer import Contact, Customer, Quiet
from stream.treatment.local_time import DAY
from stream.treatment.permission import HOUR, Verdict
from tests.unit.agents.customers_bank import START, Bank, Said, days, hours, moment
from tests.unit.treatment.gate import POLICY, ask, at, call, contacts, nudge, person

ZONE = {
    "GB": "Europe/London", "US": "America/New_York", "IE": "Europe/Dublin", "DE": "Europe/Berlin", "IN": "Asia/Kolkata",
    "AU": "Australia/Sydney", "BR": "America/Sao_Paulo", "ZZ": "Asia/Tokyo", "FR": "Europe/Paris",
}  # fmt: skip
CHANNELS = ("sms", "push", "chat", "voice", "email", "letter")
WEDNESDAY = "2026-03-04"


def of(country: str, region: str = "", **fields: Any) -> Customer:
    """A customer of a place, who agreed to every channel."""
    consents = dict.fromkeys(CHANNELS, 0)
    return person(**{"jurisdiction": country, "region": region, "time_zone": ZONE[country], "consents": consents} | fields)


def local(country: str, text: str) -> int:
    return at(text, ZONE[country])


def asked(customer: Customer, text: str, channel: str = "voice", **settings: Any) -> Verdict:
    """What the gate says at a wall time of the customer's."""
    assert customer.profile is not None
    return ask(customer, at(text, customer.profile.time_zone), channel, **settings)


def waits(verdict: Verdict, country: str) -> str:
    """Until when it waits, as the customer's clock shows it; nothing where it does not."""
    if verdict.result == "allow":
        return ""
    assert verdict.result == "defer"
    return next(
        text
        for text in (f"{day:%Y-%m-%d} {hour}" for day in _days() for hour in ("00:00", "07:30", "08:00", "09:00"))
        if local(country, text) == verdict.not_before
    )


def _days() -> list[dt.date]:
    return [dt.date(2026, 1, 1) + dt.timedelta(days=number) for number in range(400)]


# --- hours


@pytest.mark.parametrize(
    ("country", "region", "bound", "opens", "closes"),
    [
        ("GB", "", ("sms", "push", "chat", "voice"), "08:00", "20:00"),
        ("GB", "GB-SCT", ("sms", "push", "chat", "voice"), "08:00", "20:00"),
        ("US", "", (*CHANNELS[:4], "email"), "08:00", "21:00"),
        ("US", "US-MA", (*CHANNELS[:4], "email"), "08:00", "21:00"),
        ("US", "US-CA", (*CHANNELS[:4], "email"), "08:00", "21:00"),
        ("IE", "", ("sms", "push", "chat", "voice"), "08:00", "20:00"),
        ("DE", "DE-BY", ("sms", "push", "chat", "voice"), "08:00", "20:00"),
        ("IN", "", ("sms", "push", "chat", "voice"), "08:00", "19:00"),
        ("AU", "AU-NSW", ("sms", "push", "chat", "voice"), "07:30", "21:00"),
        ("BR", "", ("sms", "push", "chat", "voice"), "08:00", "20:00"),
        ("ZZ", "", ("sms", "push", "chat", "voice"), "08:00", "20:00"),
    ],
)
@pytest.mark.parametrize("channel", CHANNELS)
def test_hours_bind_by_place_and_channel_and_letters_never(
    country: str, region: str, bound: tuple[str, ...], opens: str, closes: str, channel: str
) -> None:
    customer, night = of(country, region), local(country, f"{WEDNESDAY} 03:00")
    before = asked(customer, f"{WEDNESDAY} 03:00", channel)
    if channel not in bound:
        window = {"email": 72, "letter": 120}[channel] * HOUR
        assert (before.result, before.not_before, before.not_after - night) == ("allow", night, window)
        return
    start, end = local(country, f"{WEDNESDAY} {opens}"), local(country, f"{WEDNESDAY} {closes}")
    longest = POLICY.window_hours[channel] * HOUR  # type: ignore[index]
    assert (before.result, before.not_before, before.not_after) == ("defer", start, min(end, start + longest))
    assert ask(customer, start, channel).result == ask(customer, end - 2 * 60_000, channel).result == "allow"
    assert ask(customer, start - 1, channel).not_before == start
    assert ask(customer, end, channel).not_before == start + DAY
    assert ask(customer, end - HOUR, channel).not_after == end


@pytest.mark.parametrize(
    ("segment", "opens", "closes"),
    [("microfinance", "09:00", "18:00"), ("retail", "08:00", "19:00"), ("", "08:00", "19:00")],
)
def test_borrowers_of_microfinance_in_india_have_shorter_hours(segment: str, opens: str, closes: str) -> None:
    verdict = asked(of("IN", segment=segment), f"{WEDNESDAY} 03:00", "sms")
    assert verdict.not_before == local("IN", f"{WEDNESDAY} {opens}")
    assert verdict.not_after == local("IN", f"{WEDNESDAY} {closes}")


def test_the_word_microfinance_means_nothing_elsewhere() -> None:
    assert asked(of("GB", segment="microfinance"), f"{WEDNESDAY} 08:30", "sms").result == "allow"


@pytest.mark.parametrize(
    ("when", "opens"),
    [
        ("2026-03-06 06:00", "2026-03-06 07:30"),
        ("2026-03-06 21:00", "2026-03-07 09:00"),
        ("2026-03-07 08:59", "2026-03-07 09:00"),
        ("2026-03-07 21:00", "2026-03-08 09:00"),
        ("2026-03-08 08:00", "2026-03-08 09:00"),
        ("2026-03-08 21:30", "2026-03-09 07:30"),
        # The clocks go back in the night before Sunday, 5 April, and forward in that before Sunday, 4 October.
        ("2026-04-04 22:00", "2026-04-05 09:00"),
        ("2026-04-06 22:00", "2026-04-07 07:30"),
        ("2026-10-03 22:00", "2026-10-04 09:00"),
    ],
)
@pytest.mark.parametrize("channel", ["sms", "voice"])
def test_in_australia_the_weekend_opens_later(when: str, opens: str, channel: str) -> None:
    verdict = asked(of("AU", "AU-NSW"), when, channel)
    assert (verdict.result, verdict.not_before) == ("defer", local("AU", opens))
    assert verdict.not_after == min(local("AU", f"{opens[:10]} 21:00"), verdict.not_before + 12 * HOUR)


# --- days without calls


@pytest.mark.parametrize(
    ("country", "region", "when", "until"),
    [
        # Sundays
        ("GB", "", "2026-03-08 10:00", "2026-03-09 08:00"),
        ("DE", "", "2026-03-08 10:00", "2026-03-09 08:00"),
        ("IE", "", "2026-03-08 10:00", "2026-03-09 08:00"),
        ("BR", "", "2026-03-08 10:00", "2026-03-09 08:00"),
        ("ZZ", "", "2026-03-08 10:00", "2026-03-09 08:00"),
        ("GB", "", "2026-03-07 20:30", "2026-03-09 08:00"),
        ("US", "", "2026-03-08 10:00", ""),
        ("US", "US-MA", "2026-03-08 10:00", ""),
        ("IN", "", "2026-03-08 10:00", ""),
        ("AU", "", "2026-03-08 10:00", ""),
        # Easter: Good Friday is 3 April, and Scotland works on Easter Monday.
        ("GB", "", "2026-04-03 10:00", "2026-04-04 08:00"),
        ("GB", "", "2026-04-04 20:30", "2026-04-07 08:00"),
        ("GB", "GB-SCT", "2026-04-04 20:30", "2026-04-06 08:00"),
        ("DE", "", "2026-04-03 10:00", "2026-04-04 08:00"),
        ("IE", "", "2026-04-06 10:00", "2026-04-07 08:00"),
        ("FR", "", "2026-04-03 10:00", ""),
        # Holidays of one country, and of a part of one
        ("GB", "", "2026-01-02 10:00", ""),
        ("GB", "GB-SCT", "2026-01-02 10:00", "2026-01-03 08:00"),
        ("GB", "GB-NIR", "2026-03-17 10:00", "2026-03-18 08:00"),
        ("IE", "", "2026-03-17 10:00", "2026-03-18 08:00"),
        ("FR", "", "2026-07-14 10:00", "2026-07-15 08:00"),
        ("DE", "", "2026-07-14 10:00", ""),
        ("DE", "", "2026-10-03 10:00", "2026-10-05 08:00"),
        ("BR", "", "2026-09-07 10:00", "2026-09-08 08:00"),
        ("ZZ", "", "2026-12-25 10:00", ""),
        ("US", "", "2026-11-26 10:00", ""),
        ("IN", "", "2026-01-26 10:00", ""),
        # Australia Day is a Monday; on its national holidays nobody is contacted at all.
        ("AU", "", "2026-01-26 10:00", "2026-01-27 07:30"),
        ("AU", "AU-NSW", "2026-04-03 10:00", "2026-04-04 09:00"),
    ],
)
def test_days_on_which_nobody_is_rung_up(country: str, region: str, when: str, until: str) -> None:
    assert waits(asked(of(country, region), when), country) == until
    if until:
        assert next(each for each in asked(of(country, region), when).rules if "closed" in each.counters).rule.source


@pytest.mark.parametrize(
    ("country", "when", "still"),
    [
        ("GB", "2026-03-08 10:00", ("sms", "push", "chat", "email", "letter")),
        ("GB", "2026-04-03 10:00", ("sms", "push", "chat", "email", "letter")),
        ("DE", "2026-10-03 10:00", ("sms", "push", "chat", "email", "letter")),
        ("US", "2026-03-08 10:00", CHANNELS),
        ("IN", "2026-01-26 10:00", CHANNELS),
        ("AU", "2026-03-08 10:00", CHANNELS),
        ("AU", "2026-01-26 10:00", ("email", "letter")),
        ("AU", "2026-12-25 10:00", ("email", "letter")),
    ],
)
def test_what_else_may_be_sent_on_such_days(country: str, when: str, still: tuple[str, ...]) -> None:
    customer = of(country)
    assert tuple(channel for channel in CHANNELS if asked(customer, when, channel).result == "allow") == still


def test_a_call_that_would_run_into_a_closed_day_ends_before_it() -> None:
    # A window of calls opened at 9:00 on a Saturday would be cut by the hours; a letter's is not, and no Sunday cuts it.
    assert asked(of("GB"), "2026-03-07 09:00").not_after == local("GB", "2026-03-07 20:00")
    assert asked(of("GB"), "2026-03-07 09:00", "letter").not_after == local("GB", "2026-03-12 09:00")


# --- the customer's own quiet hours


@pytest.mark.parametrize("country", ["GB", "US", "IE", "DE", "IN", "AU", "BR"])
def test_quiet_hours_bind_everywhere_but_letters(country: str) -> None:
    customer = of(country, quiet=[Quiet(9 * 60, 15 * 60 + 30)])
    for channel in CHANNELS[:5]:
        verdict = asked(customer, f"{WEDNESDAY} 10:00", channel)
        assert verdict.not_before == local(country, f"{WEDNESDAY} 15:30")
        assert verdict.failing == ("everywhere.quiet_hours",)
    assert asked(customer, f"{WEDNESDAY} 10:00", "letter").result == "allow"


# --- caps of the house


@pytest.mark.parametrize("place", [("GB", ""), ("US", ""), ("IE", ""), ("DE", ""), ("IN", ""), ("AU", ""), ("ZZ", "")])
@pytest.mark.parametrize("channel", ["sms", "voice", "letter"])
def test_two_nudges_in_seven_days_and_four_in_thirty_hold_everywhere_over_all_channels(
    place: tuple[str, str], channel: str
) -> None:
    country = place[0]
    noon = local(country, f"{WEDNESDAY} 12:00")

    def given(*ago: int) -> Customer:
        told = [nudge(noon - each * DAY, nudge_id=f"N{each}", channel="email", account_ids=["A2"]) for each in ago]
        return of(*place, nudges=told)

    assert ask(given(6), noon, channel).result == "allow"
    week = ask(given(6, 3), noon, channel)
    assert week.failing == ("everywhere.weekly_cap",)
    assert ask(given(7, 3), noon, channel).result == "allow"
    month = ask(given(29, 21, 14, 7), noon, channel)
    assert "everywhere.monthly_cap" in month.failing
    assert "everywhere.monthly_cap" not in ask(given(30, 21, 14, 7), noon, channel).failing


# --- caps on contacts by anybody: calls in the United States


def us(*told: Contact, region: str = "", **fields: Any) -> Customer:
    return of("US", region, contacts=contacts(*told), **fields)


def ny(text: str) -> int:
    return local("US", text)


SEVEN = tuple(call(ny(f"2026-02-26 {hour}:00")) for hour in range(10, 17))
"""Seven calls on one day: it is the first of seven that end on 4 March."""


@pytest.mark.parametrize(
    ("customer", "allowed"),
    [
        (us(*SEVEN), False),
        (us(*SEVEN[:6]), True),
        # Those that never reached the other end are not counted, nor are the customer's own, nor messages.
        (us(*SEVEN[:6], call(SEVEN[6].at, connected=False)), True),
        (us(*SEVEN[:6], call(SEVEN[6].at, outbound=False)), True),
        (us(*SEVEN[:6], call(SEVEN[6].at, channel="sms")), True),
        # About another debt they do not count; about one that is not known they do.
        (us(*SEVEN[:6], call(SEVEN[6].at, account_id="A2")), True),
        (us(*SEVEN[:6], call(SEVEN[6].at, account_id="")), False),
        (us(*(call(each.at, account_id="") for each in SEVEN)), False),
        # A call of ours counts as well, and once where an outcome tells of it.
        (us(*SEVEN[:6], nudges=[nudge(SEVEN[6].at, channel="voice")]), False),
        (us(*SEVEN[:6], nudges=[nudge(SEVEN[6].at, channel="sms")]), True),
        (us(*SEVEN[:6], nudges=[nudge(SEVEN[6].at, channel="voice", account_ids=["A2"])]), True),
        (us(*SEVEN[:5], call(SEVEN[6].at, nudge_id="N"), nudges=[nudge(SEVEN[6].at, channel="voice")]), True),
        (us(*SEVEN[:6], call(SEVEN[6].at, nudge_id="N"), nudges=[nudge(SEVEN[6].at, channel="voice")]), False),
        (us(*SEVEN[:6], call(SEVEN[6].at, nudge_id="N", connected=False), nudges=[nudge(SEVEN[6].at, channel="voice")]), True),
        (us(*SEVEN[:6], nudges=[nudge(SEVEN[6].at, channel="voice", withdrawn=True, counts=False)]), True),
    ],
)
def test_seven_calls_about_a_debt_in_seven_days_are_the_most(customer: Customer, allowed: bool) -> None:
    verdict = ask(customer, ny("2026-03-04 12:00"), "voice")
    assert waits(verdict, "US") == ("" if allowed else "2026-03-05 08:00")
    if not allowed:
        assert verdict.failing == ("us.calls",)
        counted = {each.rule.id: each.counters for each in verdict.rules}["us.calls"]
        assert counted == {"calls": 7, "limit": 7, "days": 7}
    for channel in ("sms", "email", "letter"):
        assert ask(customer, ny("2026-03-04 12:00"), channel).result == "allow", "a rule of calls alone"


def test_each_debt_has_its_own_calls() -> None:
    customer = us(*SEVEN)
    assert ask(customer, ny("2026-03-04 12:00"), "voice", account_ids=["A2"]).result == "allow"
    assert ask(customer, ny("2026-03-04 12:00"), "voice", account_ids=["A2", "A1"]).result == "defer"
    assert ask(customer, ny("2026-03-04 12:00"), "voice", account_ids=[]).result == "defer", "about none is about all"


def test_calls_are_counted_by_the_customers_own_day() -> None:
    # 23:30 in New York on the 25th is the 26th in London; in New York its seven days end with 3 March.
    late = tuple(call(ny(f"2026-02-25 23:{minute}")) for minute in range(30, 37))
    assert waits(ask(us(*late), ny("2026-03-03 12:00"), "voice"), "US") == "2026-03-04 08:00"
    assert ask(us(*late), ny("2026-03-04 12:00"), "voice").result == "allow"


# --- after a conversation


def talk(when: int, **fields: Any) -> Contact:
    return call(when, **{"talked_at": when} | fields)


@pytest.mark.parametrize(
    ("contact", "until"),
    [
        (talk(ny("2026-03-04 09:00")), "2026-03-11 08:00"),
        (talk(ny("2026-02-26 09:00")), "2026-03-05 08:00"),
        (talk(ny("2026-02-25 23:59")), ""),
        # Whoever rang.
        (talk(ny("2026-03-01 09:00"), outbound=False), "2026-03-08 08:00"),
        (talk(ny("2026-03-01 09:00"), account_id=""), "2026-03-08 08:00"),
        (talk(ny("2026-03-01 09:00"), account_id="A2"), ""),
        (talk(ny("2026-03-01 09:00"), channel="chat"), ""),
        (call(ny("2026-03-01 09:00")), ""),
    ],
)
def test_no_call_about_a_debt_for_seven_days_from_a_conversation_on(contact: Contact, until: str) -> None:
    verdict = ask(us(contact), ny("2026-03-04 12:00"), "voice")
    assert waits(verdict, "US") == until
    assert ("us.after_a_call" in verdict.failing) == bool(until)
    assert ask(us(contact), ny("2026-03-04 12:00"), "sms").result == "allow"


@pytest.mark.parametrize("country", ["GB", "DE", "IN", "AU", "BR"])
def test_elsewhere_a_conversation_forbids_no_call(country: str) -> None:
    customer = of(country, contacts=contacts(talk(local(country, "2026-03-04 09:00"))))
    assert asked(customer, "2026-03-04 12:00").result == "allow"


# --- calls and texts in Massachusetts


@pytest.mark.parametrize(
    ("told", "nudges", "until"),
    [
        ((call(ny("2026-03-01 09:00")),), (), ""),
        ((call(ny("2026-03-01 09:00")), call(ny("2026-02-26 09:00"), channel="sms")), (), "2026-03-05 08:00"),
        ((call(ny("2026-03-01 09:00")), call(ny("2026-03-02 09:00"))), (), "2026-03-08 08:00"),
        # Whether or not anybody was reached.
        ((call(ny("2026-03-01 09:00"), connected=False), call(ny("2026-03-02 09:00"))), (), "2026-03-08 08:00"),
        ((call(ny("2026-03-01 09:00"), outbound=False), call(ny("2026-03-02 09:00"))), (), ""),
        ((call(ny("2026-03-01 09:00"), channel="email"), call(ny("2026-03-02 09:00"))), (), ""),
        ((call(ny("2026-03-01 09:00"), account_id="A2"), call(ny("2026-03-02 09:00"))), (), ""),
        ((call(ny("2026-03-01 09:00"), account_id=""), call(ny("2026-03-02 09:00"))), (), "2026-03-08 08:00"),
        ((call(ny("2026-03-01 09:00")),), (nudge(ny("2026-03-02 09:00")),), "2026-03-08 08:00"),
        ((call(ny("2026-03-01 09:00")),), (nudge(ny("2026-03-02 09:00"), channel="push"),), ""),
        ((call(ny("2026-03-02 09:05"), channel="sms", nudge_id="N"),), (nudge(ny("2026-03-02 09:00")),), ""),
    ],
)
def test_massachusetts_has_two_calls_or_texts_about_a_debt_in_seven_days(
    told: tuple[Contact, ...], nudges: tuple[Any, ...], until: str
) -> None:
    customer = us(*told, region="US-MA", nudges=list(nudges))
    for channel in ("voice", "sms"):
        verdict = ask(customer, ny("2026-03-04 12:00"), channel)
        assert waits(verdict, "US") == until
        assert verdict.failing == (("us_ma.contacts",) if until else ())
    assert ask(customer, ny("2026-03-04 12:00"), "email").result == "allow"
    assert ask(us(*told, nudges=list(nudges)), ny("2026-03-04 12:00"), "sms").result == "allow", "elsewhere they are no rule"


# --- contacts in Ireland and Australia


def spread(country: str, *ago: int, **fields: Any) -> dict[str, Contact]:
    noon = local(country, f"{WEDNESDAY} 10:00")
    return contacts(*(call(noon - each * DAY, **fields) for each in ago))


@pytest.mark.parametrize(
    ("ago", "fields", "until"),
    [
        ((30, 20, 10), {}, "2026-03-05 08:00"),
        ((31, 20, 10), {}, ""),
        ((20, 10), {}, ""),
        ((3, 2, 1), {}, "2026-04-01 08:00"),
        # Of a person, whatever the account and the channel, and whether or not anybody was reached ...
        ((30, 20, 10), {"account_id": "A2"}, "2026-03-05 08:00"),
        ((30, 20, 10), {"account_id": ""}, "2026-03-05 08:00"),
        ((30, 20, 10), {"channel": "letter"}, "2026-03-05 08:00"),
        ((30, 20, 10), {"connected": False}, "2026-03-05 08:00"),
        # ... but not those that the customer made.
        ((30, 20, 10), {"outbound": False}, ""),
    ],
)
def test_ireland_has_three_contacts_of_ours_in_thirty_one_days(ago: tuple[int, ...], fields: Any, until: str) -> None:
    customer = of("IE", contacts=spread("IE", *ago, **fields))
    for channel in ("voice", "sms"):
        verdict = asked(customer, f"{WEDNESDAY} 12:00", channel)
        assert waits(verdict, "IE") == until
        assert verdict.failing == (("ie.contacts",) if until else ())
    for channel in ("email", "letter"):
        assert asked(customer, f"{WEDNESDAY} 12:00", channel).result == ("defer" if until else "allow")


def test_our_nudges_are_among_the_three_of_ireland_each_once() -> None:
    noon = local("IE", f"{WEDNESDAY} 10:00")
    nudges = [nudge(noon - 20 * DAY, nudge_id="N20"), nudge(noon - 10 * DAY, nudge_id="N10")]
    customer = of("IE", nudges=nudges, contacts=spread("IE", 15))
    assert asked(customer, f"{WEDNESDAY} 12:00", "sms").failing == ("ie.contacts",)
    customer.contacts = spread("IE", 10, nudge_id="N10", channel="sms")
    assert asked(customer, f"{WEDNESDAY} 12:00", "sms").result == "allow"


@pytest.mark.parametrize(
    ("ago", "fields", "failing", "until"),
    [
        ((6, 3, 1), {}, ("au.weekly_contacts",), "2026-03-05 07:30"),
        ((7, 3, 1), {}, (), ""),
        ((6, 3, 1), {"connected": False}, ("au.weekly_contacts",), "2026-03-05 07:30"),
        ((6, 3, 1), {"account_id": ""}, ("au.weekly_contacts",), "2026-03-05 07:30"),
        ((6, 3, 1), {"account_id": "A2"}, (), ""),
        ((6, 3, 1), {"outbound": False}, (), ""),
        ((6, 3, 1), {"channel": "email"}, ("au.weekly_contacts",), "2026-03-05 07:30"),
        (tuple(range(30, 0, -3)), {}, ("au.monthly_contacts",), "2026-03-05 07:30"),
        ((31, *range(27, 0, -3)), {}, (), ""),
        (tuple(range(30, 0, -3)), {"account_id": "A2"}, (), ""),
    ],
)
def test_australia_has_three_contacts_about_an_account_in_seven_days_and_ten_in_thirty_one(
    ago: tuple[int, ...], fields: Any, failing: tuple[str, ...], until: str
) -> None:
    customer = of("AU", contacts=spread("AU", *ago, **fields))
    verdict = asked(customer, f"{WEDNESDAY} 12:00")
    assert (verdict.failing, waits(verdict, "AU")) == (failing, until)
    assert asked(customer, f"{WEDNESDAY} 12:00", "letter").failing == failing


# --- what outcomes tell


def american(region: str = "", channels: tuple[str, ...] = ("sms",), **fields: Any) -> Bank:
    """A customer in New York with a medium signal at 9:00 of their own time: a nudge is due three days later."""
    bank = Bank()
    bank.customer(
        START, jurisdiction="US", region=region or None, time_zone="America/New_York", language="en",
        channels={each: {"consent": True} for each in channels}, **fields,
    )  # fmt: skip
    bank.signal(START + hours(5))
    return bank


DUE = START + days(3) + hours(5)


def deferred(said: Said) -> list[str]:
    rules = [each for decision in said.decisions("deferred") for each in decision["rules"]]
    return [each["rule_id"] for each in rules if each["verdict"] != "allow"]


@pytest.mark.parametrize(
    ("told", "waits"),
    [
        ([("K1", "attempted"), ("K1", "not_connected"), ("K1", "no_answer")], False),
        ([("K1", "no_answer"), ("K2", "no_answer")], True),
        ([("K1", "no_answer")], False),
    ],
)
def test_what_is_told_of_one_contact_is_one_contact(told: list[tuple[str, str]], waits: bool) -> None:
    bank = american("US-MA")
    for number, (contact, outcome) in enumerate(told):
        when = START + days(1) + hours(6) + dt.timedelta(minutes=number)
        bank.outcome(when, outcome, channel="voice", contact_id=contact, account_id="A-0001")
    bank.tick(DUE)
    said = bank.run()
    assert deferred(said) == (["us_ma.contacts"] if waits else [])
    assert bool(said.nudges()) is not waits


@pytest.mark.parametrize("outcomes", [("delivered",), ("delivered", "opened"), ("failed",)])
@pytest.mark.parametrize("named", [True, False])
def test_a_nudge_that_an_outcome_names_is_not_a_second_contact(outcomes: tuple[str, ...], named: bool) -> None:
    bank = american("US-MA")
    bank.tick(DUE)
    (first,) = bank.run().nudges()
    for number, outcome in enumerate(outcomes):
        when = DUE + dt.timedelta(minutes=number + 1)
        nudge_id = first["nudge_id"] if named else None
        bank.outcome(when, outcome, nudge_id=nudge_id, contact_id="K1", account_id="A-0001")
    bank.signal(DUE + hours(1), "S2", detector="missed_bills")
    bank.ticks(DUE + hours(1), DUE + hours(3))
    said = bank.run()
    assert len(said.nudges()) == (2 if named else 1)
    assert deferred(said) == ([] if named else ["us_ma.contacts"])


@pytest.mark.parametrize(
    ("outcome", "direction", "channel", "gap"),
    [
        ("conversation", "outbound", "voice", True),
        ("conversation", "inbound", "voice", True),
        ("promise", "outbound", "voice", True),
        ("refused", "outbound", "voice", True),
        ("hardship", "inbound", "voice", True),
        ("plan_declined", "outbound", "voice", True),
        ("no_answer", "outbound", "voice", False),
        ("attempted", "outbound", "voice", False),
        ("not_connected", "outbound", "voice", False),
        ("wrong_party", "inbound", "letter", False),
        ("conversation", "inbound", "chat", False),
        ("clicked", "outbound", "email", False),
    ],
)
def test_what_was_said_on_the_telephone_ends_calls_for_seven_days(outcome: str, direction: str, channel: str, gap: bool) -> None:
    bank = american(channels=("voice",))
    bank.facts(START + hours(5), product="loan")
    bank.signal(START + hours(6), severity="high", status="changed")
    bank.tick(DUE)
    bank.outcome(START + days(4) + hours(6), outcome, direction=direction, channel=channel, account_id="A-0001")
    bank.ticks(START + days(6) + hours(5), START + days(12), hours(1))
    (called,) = [each for each in bank.run().nudges() if each["channel"] == "voice"]
    assert moment(called["not_before"]) == (START + days(11) + hours(3) if gap else START + days(6) + hours(5))


@pytest.mark.parametrize(
    ("last", "waits"),
    [
        ([("attempted", 0), ("no_answer", 1)], True),
        ([("attempted", 0), ("not_connected", 1)], False),
        ([("failed", 0)], False),
        # The latest of what is told of a contact counts, in whatever order it is told.
        ([("not_connected", 1), ("attempted", 0)], False),
        ([("no_answer", 1), ("not_connected", 0)], True),
    ],
)
def test_a_call_that_never_reached_the_other_end_is_none_of_the_seven(last: list[tuple[str, int]], waits: bool) -> None:
    bank = american(channels=("voice",))
    bank.facts(START + hours(5), product="loan")
    bank.signal(START + hours(6), severity="high", status="changed")
    bank.tick(DUE)
    at = START + days(4) + hours(6)
    for number in range(6):
        bank.outcome(at + number * hours(0.1), "no_answer", channel="voice", account_id="A-0001")
    for outcome, minute in last:
        when = at + hours(1) + dt.timedelta(minutes=minute)
        bank.outcome(when, outcome, channel="voice", contact_id="K7", account_id="A-0001")
    bank.ticks(START + days(6) + hours(5), START + days(12), hours(1))
    (called,) = [each for each in bank.run().nudges() if each["channel"] == "voice"]
    assert moment(called["not_before"]) == (START + days(11) + hours(3) if waits else START + days(6) + hours(5))


# --- what each message must end with


@pytest.mark.parametrize(
    ("country", "region", "channel", "language", "ending"),
    [
        ("US", None, "sms", "en", "Reply STOP to opt out."),
        ("US", None, "sms", "en-US", "Reply STOP to opt out."),
        ("US", None, "sms", "es", "Reply STOP to opt out."),
        ("US", "US-MA", "sms", "en", "Reply STOP to opt out."),
        ("US", "US-CA", "email", "en", "To end these e-mails, reply with the word STOP."),
        ("US", "US-MA", "email", "en", "To end these e-mails, reply with the word STOP."),
        ("US", None, "push", "en", ""),
        ("US", None, "letter", "en", ""),
        ("GB", None, "sms", "en", ""),
        ("IE", None, "email", "en", ""),
        ("AU", None, "sms", "en", ""),
    ],
)
def test_texts_and_e_mails_in_the_united_states_say_how_to_end_them(
    country: str, region: str | None, channel: str, language: str, ending: str
) -> None:
    bank = Bank()
    bank.customer(
        START, jurisdiction=country, region=region, time_zone=ZONE[country], language=language,
        channels={channel: {"consent": True}},
    )  # fmt: skip
    bank.signal(START)
    bank.ticks(START + days(3), START + days(4))
    (said,) = bank.run().nudges()
    text = said["params"]["text"]
    words = POLICY.treatments["bounce_explained"].text["en"].replace("{account}", "…0001")
    assert text == (f"{words} {ending}" if ending else words)
    assert said["params"].get("opt_out", "") == ending
