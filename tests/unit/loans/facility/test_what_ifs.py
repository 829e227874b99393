"""What-ifs: a default, another price, a delay; and that asking changes nothing."""

from datetime import date

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.loans.domain.facility.exposure import Due, Ratio, totals, valued
from services.loans.domain.facility.what_ifs import (
    ASSUMPTIONS,
    Breach,
    Default,
    Delay,
    ExpectedDelivery,
    Gap,
    Lapse,
    Loss,
    Moved,
    PriceChange,
    Scenario,
    Shortfall,
    what_if,
)
from services.loans.domain.standing.calendars import months_later
from tests.stories.exposure import CMF, SB, TODAY, a_book, holding, loan, material


def test_a_borrower_s_default_makes_all_overdue_frees_what_is_not_drawn_and_loses_what_is_not_recovered():
    book = a_book(loan(), loan("lon_2", borrower="other"))
    outcome = what_if(book, [Default(borrower="larvotto", recovery="0.4")])
    hit, other = outcome.after.positions
    assert (hit.committed, hit.undrawn, hit.overdue, hit.value) == (600, 0, 600, 240)
    assert other == book.positions[1]
    assert outcome.losses == (Loss(position="lon_1", currency="AUD", lost_minor=360),)
    assert outcome.after.facilities[CMF].used_minor["total"] == 1_600


def test_shares_of_a_company_that_defaults_are_worth_nothing():
    outcome = what_if(a_book(holding()), [Default(borrower="larvotto", recovery="0.9")])
    assert (outcome.after.positions[0].value, outcome.losses[0].lost_minor) == (0, 700)


def test_a_partner_s_default_is_valued_at_the_price_of_the_metal():
    outcome = what_if(a_book(material(), loan()), [Default(partner="JP", recovery="1/3")])
    assert outcome.losses == (Loss(position="mln_1", currency="AUD", lost_minor=400),)


def test_a_price_that_rises_revalues_what_is_owed_in_metal_and_names_the_limits_exceeded():
    book = a_book(material(), loan())
    outcome = what_if(book, [PriceChange(asset=SB, change="2.5")])
    assert outcome.after.facilities[CMF].used_minor["partner/JP"] == 2_100
    assert [(use.key, use.headroom_minor) for use in outcome.exceeded] == [("element/Sb", -100), ("partner/JP", -100)]
    assert (
        totals(valued(outcome.after.positions, outcome.after.facilities), outcome.after.facilities)["AUD"].outstanding_minor == 2_100 + 600
    )


def test_a_limit_that_is_exceeded_already_is_no_news():
    book = what_if(a_book(material()), [PriceChange(asset=SB, change="5")]).after
    assert what_if(book, [PriceChange(asset=SB, change="1")]).exceeded == ()


def test_a_price_that_falls_takes_security_and_shares_with_it():
    secured = loan(security_minor=650, security_asset=SB, required_cover="1.05")
    outcome = what_if(a_book(secured, holding()), [PriceChange(asset=SB, change="-0.3", elasticity="0.5")])
    assert outcome.shortfalls == (Shortfall(position="lon_1", currency="AUD", before_minor=0, after_minor=78),)
    assert outcome.losses == (Loss(position="eqh_1", currency="AUD", lost_minor=105),)


def test_a_price_of_nothing_is_a_price():
    outcome = what_if(a_book(material(), holding()), [PriceChange(asset=SB, change="-1")])
    assert outcome.after.facilities[CMF].used_minor["element/Sb"] == 500
    assert [each.value for each in outcome.after.positions] == [300, 0]


def test_shares_fall_no_lower_than_nothing_however_much_of_a_fall_they_feel():
    outcome = what_if(a_book(holding()), [PriceChange(asset=SB, change="-0.8", elasticity="2")])
    assert (outcome.after.positions[0].value, outcome.losses[0].lost_minor) == (0, 700)


def test_metal_that_is_owed_comes_back_in_grams_whatever_its_price():
    assert what_if(a_book(material()), [PriceChange(asset=SB, change="-0.5")]).losses == ()


def test_security_that_is_not_metal_covers_less_of_metal_that_is_dearer():
    outcome = what_if(a_book(material(security_minor=660)), [PriceChange(asset=SB, change="0.5")])
    assert outcome.shortfalls == (Shortfall(position="mln_1", currency="AUD", before_minor=0, after_minor=240),)


def test_a_currency_that_falls_is_a_loss_on_what_is_owed_in_it():
    book = a_book(loan(asset="USD"), rates={"USD": "1.5"})
    assert what_if(book, [PriceChange(asset="USD", change="-0.2")]).losses[0].lost_minor == 180


def delivery(reference: str, on: date, amount: int = 0, quantity: int = 100, repays_until: date | None = None) -> ExpectedDelivery:
    return ExpectedDelivery(
        reference=reference,
        project="hillgrove",
        on=on,
        quantity=quantity,
        unit="g",
        position="lon_1",
        amount=amount,
        repays_until=repays_until,
    )


def test_a_delivery_that_slips_is_missing_from_what_it_was_to_repay():
    owed = loan(dues=(Due(date(2027, 1, 31), 100), Due(date(2027, 4, 30), 100), Due(date(2027, 10, 31), 100)))
    book = a_book(owed, deliveries=(delivery("r1", date(2027, 1, 15), 150), delivery("r2", date(2027, 9, 30), 150)))
    outcome = what_if(book, [Delay(project="hillgrove", months=6)])
    assert outcome.moved == (
        Moved(delivery="r1", quantity=100, unit="g", before=date(2027, 1, 15), after=date(2027, 7, 15)),
        Moved(delivery="r2", quantity=100, unit="g", before=date(2027, 9, 30), after=date(2028, 3, 30)),
    )
    assert outcome.gaps == (Gap(position="lon_1", asset="AUD", missing=150, since=date(2027, 1, 31)),)


def test_a_gap_is_the_most_that_is_missing_from_the_first_day_on():
    owed = loan(dues=(Due(date(2027, 1, 31), 100), Due(date(2027, 8, 31), 30)))
    deliveries = (delivery("r1", date(2027, 1, 15), 70), delivery("r2", date(2027, 3, 15), 60))
    outcome = what_if(a_book(owed, deliveries=deliveries), [Delay(project="hillgrove", months=6)])
    assert outcome.gaps == (Gap(position="lon_1", asset="AUD", missing=70, since=date(2027, 1, 31)),)


def test_a_delivery_that_slips_beyond_its_agreement_repays_nothing_any_more():
    owed = loan(dues=(Due(date(2027, 8, 31), 100),))
    on = date(2027, 1, 15)
    for repays_until, gaps in ((date(2027, 7, 14), (Gap(position="lon_1", asset="AUD", missing=70, since=date(2027, 8, 31)),)), (None, ())):
        book = a_book(owed, deliveries=(delivery("r1", on, 70, repays_until=repays_until),))
        assert what_if(book, [Delay(project="hillgrove", months=6)]).gaps == gaps


def test_what_was_to_come_before_today_is_not_moved():
    assert what_if(a_book(loan(), deliveries=(delivery("r1", date(2026, 11, 24), 70),)), [Delay(project="hillgrove", months=6)]).moved == ()


def test_a_year_from_today_is_still_within_it():
    covered = loan(ratios=(Ratio("dscr", "1.50", "1.30"),))
    deliveries = (delivery("r1", date(2027, 11, 25)),)
    assert what_if(a_book(covered, deliveries=deliveries), [Delay(project="hillgrove", months=1)]).breaches[0].after == "0.00"


def test_deliveries_that_still_come_in_time_leave_no_gap():
    owed = loan(dues=(Due(date(2027, 10, 31), 100),))
    outcome = what_if(a_book(owed, deliveries=(delivery("r1", date(2027, 1, 15), 150),)), [Delay(project="hillgrove", months=6)])
    assert outcome.moved and not outcome.gaps


def test_what_can_be_drawn_no_longer_by_then_is_lost():
    book = a_book(loan(undrawn_until=date(2027, 5, 24)), loan("lon_2", undrawn_until=date(2027, 5, 25)), loan("lon_3", project="nolans"))
    outcome = what_if(book, [Delay(project="hillgrove", months=6)])
    assert outcome.lapses == (Lapse(position="lon_1", asset="AUD", undrawn=400, until=date(2027, 5, 24)),)


def test_a_covenant_falls_with_what_is_delivered_within_a_year():
    covered = loan(ratios=(Ratio("dscr", "1.60", "1.30"), Ratio("llcr", "2.80", "1.30")))
    deliveries = (delivery("r1", date(2027, 1, 15), 0, 300), delivery("r2", date(2027, 9, 30), 0, 100))
    outcome = what_if(a_book(covered, deliveries=deliveries), [Delay(project="hillgrove", months=3)])
    assert outcome.breaches == (Breach(position="lon_1", kind="dscr", before="1.60", after="1.20", minimum="1.30"),)
    assert what_if(a_book(covered), [Delay(project="hillgrove", months=3)]).breaches == ()


def test_scenarios_follow_one_another():
    book = a_book(loan(), material())
    both = what_if(book, [Default(borrower="larvotto"), PriceChange(asset=SB, change="1")])
    assert both.after == what_if(what_if(book, [Default(borrower="larvotto")]).after, [PriceChange(asset=SB, change="1")]).after


@pytest.mark.parametrize(
    ("day", "months", "later"),
    [("2027-08-31", 6, "2028-02-29"), ("2026-01-06", 0, "2026-01-06"), ("2999-11-01", 1, "2999-12-01")],
)
def test_a_month_later_is_the_same_day_or_the_last(day: str, months: int, later: str):
    assert months_later(date.fromisoformat(day), months) == date.fromisoformat(later)


def test_every_kind_of_scenario_says_what_it_assumes():
    kinds = {each.__struct_config__.tag for each in (Default, PriceChange, Delay)}
    assert kinds == set(ASSUMPTIONS)


SCENARIOS: st.SearchStrategy[Scenario] = st.one_of(
    st.builds(Default, borrower=st.sampled_from(["larvotto", "nobody"]), recovery=st.sampled_from(["0", "1/3", "1"])),
    st.builds(PriceChange, asset=st.sampled_from([SB, "USD", "contained/Ga"]), change=st.sampled_from(["-1", "-0.3", "4"])),
    st.builds(Delay, project=st.sampled_from(["hillgrove", "nowhere"]), months=st.integers(0, 60)),
)


@given(st.lists(SCENARIOS, max_size=5))
def test_asking_changes_nothing_and_nothing_falls_below_zero(scenarios: list[Scenario]):
    owed = loan(dues=(Due(date(2027, 1, 31), 100),), security_minor=650, security_asset=SB, undrawn_until=TODAY)
    book = a_book(owed, holding(), material(), deliveries=(delivery("r1", date(2027, 1, 15), 90),), rates={SB: "2", "USD": "1.5"})
    before = msgspec.json.encode(book.positions), dict(book.facilities[CMF].used_minor)
    outcome = what_if(book, scenarios)
    assert (msgspec.json.encode(book.positions), dict(book.facilities[CMF].used_minor)) == before
    facility = outcome.after.facilities[CMF]
    assert all(used >= 0 for used in facility.used_minor.values())
    sums = totals(valued(outcome.after.positions, outcome.after.facilities), outcome.after.facilities)["AUD"]
    assert min(msgspec.structs.astuple(sums)) >= 0
    assert sums.committed_minor == facility.used_minor["total"]
    assert all(loss.lost_minor > 0 for loss in outcome.losses)
