"""Material loan: terms, signatures and what is owed with time."""

from datetime import date
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from services.loans.domain.material.decider import DECIDER
from services.loans.domain.material.defaults import DeclareMaterialDefault, RecordReplacement
from services.loans.domain.material.held import (
    CheckDue,
    EndDrawing,
    LentGoods,
    MarkSecurity,
    RecordLent,
    RecordTakenBack,
    SettleInCash,
    TopUpSecurity,
)
from services.loans.domain.material.owed import Further, Tranche, discharge, factor, owed
from services.loans.domain.material.state import MaterialLoan, owed_on
from services.loans.domain.material.terms import CommitMaterialLoan, RefuseMaterialLoan, WithdrawMaterialLoan, WithdrawOffer
from services.loans.events.material import (
    DrawingEnded,
    MaterialCashSettled,
    MaterialLent,
    MaterialLoanClosed,
    MaterialLoanCommitted,
    MaterialLoanWithdrawn,
    MaterialOverdue,
    MaterialReplaced,
    Premium,
    ReturnId,
    SecurityMarked,
    SecurityToppedUp,
)
from shared.journal.decider import Refused, Timer
from shared.journal.record import MAX_INTEGER
from shared.journal.snapshots import decoded, encoded
from tests.stories.given import Given
from tests.stories.material import (
    DUE,
    LATER,
    LOAN,
    TERMS,
    TODAY,
    UNIT_G,
    ask,
    bring,
    check,
    committed,
    days,
    draw,
    grant,
    lent,
    offer,
    offered,
    propose,
    proposed,
    sign,
    take_in,
)

PREMIUM = Premium(base_pct="1", step_pct="0.5", step_days=30)


# What is owed


def test_the_worked_example_of_the_premium_comes_out_as_it_is_written():
    tranche = Tranche(draw="drw_1", lent_on=TODAY, lent_g=1_000_000, out_g=1_000_000)
    assert owed([tranche], PREMIUM, (), days(45)).total_g == 1_020_000
    deferred = [Further(from_on=days(40), pct="1")]
    assert owed([tranche], PREMIUM, deferred, days(45)).total_g == 1_030_000
    assert owed([tranche], PREMIUM, deferred, days(39)).total_g == 1_020_000, "a deferral costs from its day on"


def test_a_period_that_has_begun_counts_and_the_first_begins_on_the_day_after():
    assert [factor(PREMIUM, (), TODAY, days(held)) for held in (0, 1, 30, 31)] == [
        Fraction(101, 100),
        Fraction(203, 200),
        Fraction(203, 200),
        Fraction(102, 100),
    ]


def test_what_is_owed_never_outgrows_the_books():
    dear = Premium(base_pct="0", step_pct="1000", step_days=1)
    loan = committed(replace(TERMS, premium=dear, due_on=days(365))).given(draw(10**10))
    assert owed_on(loan.state, days(365_000)).total_g == MAX_INTEGER
    (event,) = loan.when(CheckDue(on=days(365_000))).events
    assert event.owed_g == MAX_INTEGER


GRAMS = st.integers(min_value=1, max_value=10**9)
PCT = st.fractions(min_value=0, max_value=20, max_denominator=100).map(str)
PREMIUMS = st.builds(Premium, base_pct=PCT, step_pct=PCT, step_days=st.integers(1, 90))
FURTHER = st.lists(st.builds(Further, from_on=st.integers(0, 900).map(days), pct=PCT), max_size=3)
HELD = st.integers(min_value=0, max_value=900)


@given(GRAMS, PREMIUMS, FURTHER, HELD, HELD)
def test_the_premium_never_falls_with_time(lent_g: int, premium: Premium, further: list[Further], first: int, second: int):
    tranche = Tranche(draw="drw_1", lent_on=TODAY, lent_g=lent_g, out_g=lent_g)
    earlier, later = sorted((first, second))
    assert owed([tranche], premium, further, days(earlier)).premium_g <= owed([tranche], premium, further, days(later)).premium_g


@given(st.lists(st.tuples(GRAMS, HELD), min_size=1, max_size=4), PREMIUMS, FURTHER, HELD, GRAMS)
def test_what_is_paid_is_principal_premium_and_excess_and_what_was_lent_is_returned_or_out(
    draws: list[tuple[int, int]], premium: Premium, further: list[Further], held: int, paid_g: int
):
    tranches = [
        Tranche(draw=f"drw_{place}", lent_on=days(day), lent_g=lent_g, out_g=lent_g)
        for place, (lent_g, day) in enumerate(sorted(draws, key=lambda each: each[1]))
    ]
    paid = discharge(tranches, premium, further, days(held), paid_g)
    assert paid.principal_g + paid.premium_g + paid.excess_g == paid_g
    assert min(paid.principal_g, paid.premium_g, paid.excess_g) >= 0
    assert paid.principal_g + sum(tranche.out_g for tranche in paid.tranches) == sum(lent_g for lent_g, _ in draws)


@given(st.lists(st.tuples(GRAMS, HELD), min_size=1, max_size=4), PREMIUMS, FURTHER)
def test_who_brings_exactly_what_is_owed_owes_nothing(draws: list[tuple[int, int]], premium: Premium, further: list[Further]):
    tranches = [
        Tranche(draw=f"drw_{place}", lent_on=days(day), lent_g=lent_g, out_g=lent_g) for place, (lent_g, day) in enumerate(sorted(draws))
    ]
    on = days(900)
    paid = discharge(tranches, premium, further, on, owed(tranches, premium, further, on).total_g)
    assert (paid.tranches, paid.excess_g) == ((), 0)


def test_what_was_lent_later_has_not_come_back_before():
    early, late = (Tranche(draw=f"drw_{day}", lent_on=days(day), lent_g=1000, out_g=1000) for day in (0, 10))
    paid = discharge([early, late], PREMIUM, (), days(5), 1500)
    assert (paid.tranches, paid.principal_g, paid.excess_g) == ((late,), 1000, 1500 - 1015)


# Terms


def test_an_award_of_kind_loan_is_offered_once():
    loan = offered()
    assert loan.state.status == "offered"
    loan.when(offer()).then()


@pytest.mark.parametrize(
    "changes",
    [
        {"due_on": TODAY},
        {"due_on": days(366)},
        {"content": "1.2"},
        {"content": "0"},
        {"splitting_limit": "-0.1"},
        {"splitting_limit": "much"},
        {"deferral_pct": "-1"},
        {"premium": replace(PREMIUM, base_pct="-1")},
        {"premium": replace(PREMIUM, step_pct="1001")},
        {"premium": replace(PREMIUM, step_days=0)},
        {"security": replace(TERMS.security, haircut="1.5")},
        {"deferral_conditions": ("war", "war")},
    ],
)
def test_terms_that_cannot_be_are_refused(changes: Any):
    loan = offered()
    loan.when(propose(loan.state, replace(TERMS, **changes))).refused("material_terms_invalid")


def test_terms_for_another_offer_than_the_proposer_saw_are_refused():
    loan = offered()
    loan.when(replace(propose(loan.state), document="0" * 64)).refused("material_terms_stale")


def test_who_proposed_the_terms_does_not_approve_them():
    loan = proposed()
    loan.when(sign(loan.state, by="operator-1")).refused("approval_by_proposer")


def test_a_signature_counts_only_over_the_terms_by_a_key_that_stands():
    loan = proposed()
    loan.when(sign(loan.state, key="revoked")).refused("approver_key_revoked")
    loan.when(sign(loan.state, signature_valid=False)).refused("approval_signature_invalid")
    other = replace(TERMS, splitting_limit="0.001")
    again = loan.given(propose(loan.state, other))
    again.when(sign(loan.state)).refused("approval_of_another_document")
    offered().when(sign(loan.state)).refused("nothing_to_approve")


def test_the_facility_is_asked_for_the_contained_grams_and_the_loan_waits_for_its_answer():
    loan = proposed()
    approved, cited = loan.when(sign(loan.state)).events
    assert (cited.cited.act, cited.cited.product, cited.cited.mass_g) == ("lend_material", loan.state.product, loan.state.mass_g)
    assert (approved.contained_g, approved.facility) == (9_965_000, "lending")
    assert set(approved.keys) == {"instrument/material", "partner/JP", "element/Sb"}
    loan = loan.given(sign(loan.state))
    loan.when(WithdrawMaterialLoan(reason="no")).refused("material_loan_awaits_commitment")
    (event,) = loan.when(CommitMaterialLoan()).events
    assert isinstance(event, MaterialLoanCommitted) and event.due_on == DUE
    assert DECIDER.timers(event) == [Timer("due", days(1, DUE), CheckDue(on=days(1, DUE)))]


def test_where_the_facility_refuses_other_terms_may_be_proposed():
    loan = proposed()
    loan = loan.given(sign(loan.state), RefuseMaterialLoan(reason="limit_exceeded", detail="no room"))
    assert loan.state.status == "offered" and loan.state.terms is None
    assert loan.given(propose(loan.state)).state.status == "proposed"


def test_a_loan_is_withdrawn_before_it_is_committed_and_not_after():
    assert proposed().given(WithdrawMaterialLoan(reason="no longer needed")).state.status == "withdrawn"
    committed().when(WithdrawMaterialLoan(reason="late")).refused("material_loan_is_committed")
    loan = offered()
    loan.given(WithdrawMaterialLoan(reason="x")).when(propose(loan.state)).refused("material_loan_closed")


def test_an_award_that_has_gone_takes_its_loan_with_it_and_may_come_again():
    loan = proposed()
    approved = loan.given(sign(loan.state))
    (event,) = approved.when(WithdrawOffer(reason="stock_short")).events
    assert isinstance(event, MaterialLoanWithdrawn) and event.facility == "lending"
    gone = approved.given(WithdrawOffer(reason="stock_short"))
    gone.when(CommitMaterialLoan()).then()  # its headroom is given back by the withdrawal
    again = gone.given(offer(decision="e" * 64))
    assert (again.state.status, again.state.decision, again.state.terms) == ("offered", "e" * 64, None)
    Given(DECIDER).when(WithdrawOffer(reason="of a sale")).then()


def test_a_release_that_ends_before_terms_are_agreed_ends_the_loan():
    assert proposed().given(EndDrawing(undrawn_g=10 * UNIT_G)).state.status == "withdrawn"


def test_terms_are_signed_before_their_day():
    loan = proposed()
    loan.when(replace(sign(loan.state), on=DUE)).refused("date_in_past")


# Drawn


def test_draws_add_up_and_the_last_one_frees_the_headroom_that_was_not_needed():
    loan = committed().given(draw(4_000_000, undrawn_g=6 * UNIT_G))
    lent, ended = loan.when(draw(5_900_000, undrawn_g=0, name="drw_2", on=days(3))).events
    assert isinstance(lent, MaterialLent) and isinstance(ended, DrawingEnded)
    assert ended.freed_g == 65_000
    loan = loan.given(draw(5_900_000, undrawn_g=0, name="drw_2", on=days(3)))
    assert (loan.state.out_g, loan.state.status) == (9_900_000, "lent")
    loan.when(draw(5_900_000, undrawn_g=0, name="drw_2")).then()  # a draw is lent once


def test_a_release_that_lapses_undrawn_closes_the_loan():
    ended, closed = committed().when(EndDrawing(undrawn_g=10 * UNIT_G)).events
    assert (ended.freed_g, closed.cause) == (9_965_000, "never_drawn")


def test_a_draw_that_never_left_is_as_if_it_had_not_been():
    back = RecordTakenBack(draw="drw_1")
    taken, closed = lent().when(back).events
    assert (taken.lent_g, closed.cause) == (10 * UNIT_G, "never_drawn")
    assert lent().given(back).state.books == Given(DECIDER).state.books


def test_the_oldest_draw_comes_first_whatever_it_is_called():
    loan = committed().given(draw(3_000_000, undrawn_g=UNIT_G, name="drw_9"), draw(1_000_000, days(3), name="drw_1"))
    assert [tranche.draw for tranche in loan.state.tranches] == ["drw_9", "drw_1"]


def test_what_was_paid_off_by_other_goods_is_owed_to_the_partner_when_its_own_come_back():
    loan = lent().given(bring(9, TODAY), check("0.9965", TODAY), take_in())
    out_g = loan.state.out_g
    taken, closed = loan.when(RecordTakenBack(draw="drw_1")).events
    assert (taken.lent_g, taken.change.excess_g, closed.excess_g) == (out_g, out_g - 10 * UNIT_G, 10 * UNIT_G - out_g)


def test_what_a_lots_assay_does_not_state_is_owed_by_the_stated_content():
    silent, said = LentGoods(mass_g=UNIT_G, contained_g={"As": 3}), LentGoods(mass_g=UNIT_G, contained_g={"Sb": 990_000})
    (lent,) = committed().when(RecordLent(draw="drw_1", goods=(silent, said), undrawn_g=8 * UNIT_G, on=TODAY)).events
    assert (lent.mass_g, lent.lent_g) == (2 * UNIT_G, 996_500 + 990_000)


def test_headroom_that_a_return_has_freed_is_not_freed_again():
    loan = committed().given(draw(4_000_000, undrawn_g=6 * UNIT_G), bring(1, TODAY), check("0.9965", TODAY), take_in())
    (ended,) = loan.when(EndDrawing(undrawn_g=6 * UNIT_G)).events
    assert ended.freed_g == 9_965_000 - 4_000_000


def test_a_draw_after_its_due_day_is_overdue_at_once():
    loan = committed().given(draw(3_000_000, undrawn_g=7 * UNIT_G))
    assert [type(event) for event in loan.when(draw(1_000_000, DUE, 6 * UNIT_G, "drw_2")).events] == [MaterialLent]
    late = loan.when(draw(1_000_000, days(1, DUE), 6 * UNIT_G, "drw_2")).events
    assert [type(event) for event in late] == [MaterialLent, MaterialOverdue]


# Due, and put off


def test_it_is_overdue_once_its_day_has_passed():
    loan = lent()
    loan.when(CheckDue(on=DUE)).then()
    (event,) = loan.when(CheckDue(on=days(1, DUE))).events
    assert isinstance(event, MaterialOverdue) and event.owed_g == owed_on(loan.state, days(1, DUE)).total_g
    loan.given(CheckDue(on=days(1, DUE))).when(CheckDue(on=days(2, DUE))).then()


def test_its_day_is_put_off_on_a_named_condition_for_a_further_premium():
    loan = lent()
    loan.when(ask(loan.state, condition="inconvenience")).refused("deferral_condition_unknown")
    loan.when(ask(loan.state, due_on=DUE)).refused("deferral_not_later")
    asked = loan.given(ask(loan.state))
    asked.when(grant(asked.state, days(100), by="operator-1")).refused("approval_by_proposer")
    on = days(150)
    before_g = owed_on(asked.state, on).total_g
    put_off = asked.given(grant(asked.state, on))
    asked.when(grant(asked.state, days(60, DUE))).refused("date_in_past")
    assert put_off.state.due_on == days(60, DUE)
    assert owed_on(put_off.state, on).total_g == before_g + 100_000, "1% of 10 t"
    put_off.when(CheckDue(on=days(1, DUE))).then()
    put_off.when(grant(asked.state, on)).refused("deferral_not_found")


def test_an_overdue_loan_that_is_put_off_is_overdue_no_longer_until_its_new_day():
    loan = lent().given(CheckDue(on=days(1, DUE)))
    asked = loan.given(ask(loan.state))
    put_off = asked.given(grant(asked.state, days(2, DUE)))
    assert not put_off.state.overdue
    assert put_off.given(CheckDue(on=days(61, DUE))).state.overdue


def test_of_two_deferrals_the_second_must_still_be_later_when_it_is_signed():
    loan = lent()
    first = ask(loan.state, due_on=days(90, DUE), name=LATER)
    second = ask(loan.state, due_on=days(60, DUE), name=type(LATER)("dfr_2"))
    asked = loan.given(first, second)
    put_off = asked.given(grant(asked.state, days(100)))
    put_off.when(grant(asked.state, days(101), name=type(LATER)("dfr_2"))).refused("deferral_not_later")


# Security, and what is done where nothing comes back in kind


def test_the_security_is_marked_at_a_price_called_and_topped_up():
    loan = lent()
    (mark,) = loan.when(MarkSecurity(price_minor="4800/1000", quoted_on=TODAY, source="Fastmarkets", on=TODAY)).events
    assert isinstance(mark, SecurityMarked)
    assert (mark.owed_g, mark.owed_minor, mark.required_minor, mark.counted_minor) == (10_100_000, 48_480_000, 53_328_000, 450_000_000)
    assert mark.call_minor == 0
    dear = MarkSecurity(price_minor="48", quoted_on=TODAY, source="Fastmarkets", on=TODAY)
    (called,) = loan.when(dear).events
    assert called.call_minor == 533_280_000 - 450_000_000
    loan = loan.given(dear)
    (topped,) = loan.when(TopUpSecurity(amount_minor=90_000_000, reference="LC amendment 2")).events
    assert isinstance(topped, SecurityToppedUp)
    assert (topped.value_minor, topped.call_minor) == (590_000_000, 83_280_000 - 81_000_000)


def test_what_is_owed_is_valued_upwards_and_what_secures_it_downwards():
    loan = committed(replace(TERMS, security=replace(TERMS.security, value_minor=5, haircut="1/2"))).given(draw(1000))
    (mark,) = loan.when(MarkSecurity(price_minor="1/3", quoted_on=TODAY, source="x", on=TODAY)).events
    assert (mark.owed_g, mark.owed_minor, mark.required_minor, mark.counted_minor) == (1010, 337, 371, 2)


def test_a_price_that_is_none_and_a_quote_of_tomorrow_are_refused():
    loan = lent()
    loan.when(MarkSecurity(price_minor="0", quoted_on=TODAY, source="x", on=TODAY)).refused("price_invalid")
    loan.when(MarkSecurity(price_minor="1/0", quoted_on=TODAY, source="x", on=TODAY)).refused("price_invalid")
    loan.when(MarkSecurity(price_minor="1", quoted_on=days(1), source="x", on=TODAY)).refused("date_in_future")
    loan.when(TopUpSecurity(amount_minor=0, reference="x")).refused("quantity_invalid")


def test_cash_settles_all_that_is_owed_and_closes_the_loan():
    loan = lent()
    settle = SettleInCash(price_minor="4.8", source=TERMS.cash_basis, reference="wire 12", on=days(45))
    paid, closed = loan.when(settle).events
    assert isinstance(paid, MaterialCashSettled) and isinstance(closed, MaterialLoanClosed)
    assert (paid.principal_g, paid.premium_g, paid.amount_minor) == (10_000_000, 200_000, 48_960_000)
    assert closed.cause == "cash_settled"
    loan.given(settle).when(settle).refused("material_loan_closed")


def test_cash_waits_for_returns_that_are_on_the_way():
    loan = lent().given(bring(1, days(10)))
    loan.when(SettleInCash(price_minor="4.8", source="x", reference="y", on=days(45))).refused("returns_pending")


def test_after_a_default_the_reserve_buys_at_the_borrowers_cost():
    loan = lent()
    late = days(1, DUE)
    buy = RecordReplacement(bought_g=owed_on(loan.state, late).total_g, cost_minor=600_000_000, source="tender 4", on=late)
    loan.when(DeclareMaterialDefault(reason="x", on=DUE)).refused("material_loan_not_overdue")
    loan.when(buy).refused("material_loan_not_defaulted")
    defaulted = loan.given(CheckDue(on=late), DeclareMaterialDefault(reason="not returned", on=late))
    part, *_ = defaulted.when(replace(buy, bought_g=1_000_000, cost_minor=100)).events
    assert isinstance(part, MaterialReplaced) and part.owed_g > 0
    defaulted.when(replace(buy, bought_g=buy.bought_g + 1)).refused("quantity_invalid")
    bought, closed = defaulted.when(buy).events
    assert (bought.from_security_minor, bought.shortfall_minor, closed.cause) == (500_000_000, 100_000_000, "replaced")


def test_nothing_is_bought_on_a_day_before_it_was_lent():
    late = days(1, DUE)
    defaulted = lent().given(CheckDue(on=late), DeclareMaterialDefault(reason="not returned", on=late))
    defaulted.when(RecordReplacement(bought_g=1, cost_minor=1, source="x", on=days(-1))).refused("quantity_invalid")


def test_headroom_that_a_replacement_has_freed_is_not_freed_again():
    late = days(1, DUE)
    loan = committed().given(draw(4_000_000, undrawn_g=6 * UNIT_G), DeclareMaterialDefault(reason="x", on=late))
    buy = RecordReplacement(bought_g=1_000_000, cost_minor=1, source="x", on=late)
    (bought,) = loan.when(buy).events
    (ended,) = loan.given(buy).when(EndDrawing(undrawn_g=6 * UNIT_G)).events
    assert bought.principal_g > 0
    assert ended.freed_g == 9_965_000 - 4_000_000


def test_what_waits_comes_back_from_a_snapshot():
    for loan in (lent(), lent().given(ask(lent().state), bring(2, TODAY), bring(3, TODAY, name=ReturnId("mrt_2")), check("0.9", TODAY))):
        assert decoded(encoded(loan.state), MaterialLoan) == loan.state


# All of it together


@st.composite
def courses(draws: st.DrawFn) -> list[tuple[str, int, int]]:
    kinds = st.sampled_from(["draw", "return", "defer", "cash", "back"])
    return draws(st.lists(st.tuples(kinds, st.integers(1, 12), st.integers(0, 25)), min_size=1, max_size=12))


@given(courses())
def test_whatever_happens_what_was_lent_is_returned_owed_or_settled(course: list[tuple[str, int, int]]):
    """The story checks after each event that the books sum to zero and owe what is out."""
    loan, on, undrawn = committed(), TODAY, 10
    for place, (kind, amount, wait) in enumerate(course):
        on = date.fromordinal(min(on.toordinal() + wait, days(300).toordinal()))
        name = ReturnId(f"mrt_{place}")
        if kind == "draw" and undrawn and loan.state.status in ("committed", "lent"):
            units = min(amount, undrawn)
            undrawn -= units
            loan = loan.given(draw(units * 996_500, on, undrawn * UNIT_G, f"drw_{place}"))
        elif not loan.state.out_g or loan.state.status != "lent":
            continue
        elif kind == "return":
            command = bring(amount, on, name=name)
            brought = loan.when(command)
            if isinstance(brought.answer, Refused):
                brought.refused("return_exceeds_owed")
                continue
            loan = brought.given(check("0.9960", on, name=name), take_in(name))
        elif kind == "defer":
            later = type(LATER)(f"dfr_{place}")
            assert loan.state.due_on is not None
            asked = loan.given(ask(loan.state, due_on=days(30, max(loan.state.due_on, on)), name=later))
            loan = asked.given(grant(asked.state, on, name=later))
        elif kind == "back" and undrawn:
            tranche = loan.state.tranches[0]
            loan = loan.given(RecordTakenBack(draw=tranche.draw))
        elif kind == "cash":
            loan = loan.given(SettleInCash(price_minor="5", source=TERMS.cash_basis, reference="y", on=on))
    if loan.state.status == "closed":
        assert loan.state.out_g == 0 and not loan.state.returns and not loan.state.undrawn_g
    assert loan.state.id == LOAN
