"""Any contract of a loan, and whatever may happen under it."""

from datetime import date, timedelta

import msgspec
from hypothesis import strategies as st
from msgspec import UNSET

from services.loans.domain.standing.dated_facts import (
    Advanced,
    Contract,
    DatedFact,
    FallenDue,
    FeeDue,
    Paid,
    RateFrom,
    Reduced,
    Refunded,
    Rescheduled,
    WrittenOff,
)
from services.loans.domain.standing.periods import dated
from services.loans.domain.standing.standing import Account, opened, with_fact
from services.loans.events.terms import ScheduleTerms

START = date(2024, 1, 15)
RATES = ("0", "5.25", "12", "19/3", "100")
days = st.integers(0, 700).map(lambda days: START + timedelta(days=days))
amounts = st.integers(1, 60_000)


@st.composite
def schedules(draw, starts=st.integers(-40, 40).map(lambda days: START + timedelta(days=days))) -> ScheduleTerms:
    periods = draw(st.integers(1, 12))
    interest_only = draw(st.integers(0, (periods - 1) // 2))
    return dated(
        ScheduleTerms(
            kind=draw(st.sampled_from(["equal", "equal_principal", "bullet", "balloon", "step"])),
            start=draw(starts),
            every=draw(st.sampled_from(["2w", "1m", "3m"])),
            periods=periods,
            day_count=draw(st.sampled_from(["30/360", "30E/360", "ACT/360", "ACT/365F", "ACT/ACT ISDA"])),
            calendar=draw(st.sampled_from(["none", "weekends"])),
            business_days=draw(st.sampled_from([UNSET, "none", "following", "modified_following"])),
            adjust_accrual=draw(st.sampled_from([UNSET, True])),
            interest_only_periods=interest_only,
            capitalised_periods=draw(st.integers(0, (periods - 1) // 2)),
            balloon_minor=0,
            step=draw(st.sampled_from(["1", "1.1", "9/10"])),
            step_periods=draw(st.integers(1, 4)),
        )
    )


@st.composite
def contracts(draw) -> Contract:
    schedule = draw(schedules())
    if schedule.kind == "balloon":
        schedule = msgspec.structs.replace(schedule, balloon_minor=draw(amounts))
    return Contract(
        currency="AUD",
        commitment_minor=100_000,
        committed_on=START,
        schedule=schedule,
        rate_pct=draw(st.sampled_from(RATES)),
        default_margin_pct=draw(st.sampled_from(["0", "2", "10.5"])),
        commitment_fee_pct=draw(st.sampled_from(["0", "0.5", "7/3"])),
        available_until=draw(days),
        establishment_fee_minor=draw(st.sampled_from([0, 1_234])),
    )


@st.composite
def happenings(draw) -> list[DatedFact]:
    kinds = draw(st.lists(st.sampled_from("aaappppppprfswxcdu"), max_size=12))
    left = 100_000
    facts: list[DatedFact] = []
    for number, kind in enumerate(kinds):
        id, on = f"{kind}_{number}", draw(days)
        match kind:
            case "a":
                amount = min(left, draw(amounts))
                left -= amount
                if amount:
                    facts.append(Advanced(id=id, on=on, amount_minor=amount))
            case "p":
                prepays = draw(st.sampled_from(["nothing", "instalment", "term"]))
                in_kind, recovery = draw(st.booleans()), draw(st.sampled_from([False, False, True]))
                how = {"prepays": prepays, "in_kind": in_kind, "recovery": recovery, "due_first": draw(st.booleans())}
                facts.append(Paid(id=id, on=on, amount_minor=draw(amounts), **how))
            case "r":
                facts.append(RateFrom(id=id, on=on, rate_pct=draw(st.sampled_from(RATES))))
            case "f":
                facts.append(FeeDue(id=id, on=on, amount_minor=draw(amounts)))
            case "s":
                schedule = draw(schedules(starts=days))
                rate = draw(st.sampled_from([None, *RATES]))
                facts.append(Rescheduled(id=id, on=on, schedule=schedule, rate_pct=rate, capitalise_overdue=draw(st.booleans())))
            case "w":
                facts.append(WrittenOff(id=id, on=on, amount_minor=draw(amounts)))
            case "x":
                facts.append(Reduced(id=id, on=on, amount_minor=draw(amounts)))
            case "d":
                facts.append(FallenDue(id=id, on=on))
            case "u":
                facts.append(Refunded(id=id, on=on, amount_minor=draw(amounts)))
            case "c":
                facts.append(Paid(id=id, on=on, amount_minor=10_000_000, prepays=draw(st.sampled_from(["instalment", "term"]))))
    return facts


def account_of(contract: Contract, facts: list[DatedFact]) -> Account:
    account = opened(contract)
    for fact in facts:
        account = with_fact(account, fact)
    return account
