"""Material loan: terms, signatures and what is owed with time."""

from datetime import date
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from services.loans.domain.material.decider import DECIDER
from services.loans.domain.material.held import (
    CheckDue,
    DeclareMaterialDefault,
    EndDrawing,
    LentGoods,
    MarkSecurity,
    RecordLent,
    RecordReplacement,
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
from shared.journal.decider import Timer
from shared.journal.record import MAX_INTEGER
from shared.journal.snapshots import decoded, encoded
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
    decide,
    draw,
    grant,
    happen,
    lent,
    offer,
    offered,
    propose,
    proposed,
    refused,
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
    loan = happen(committed(replace(TERMS, premium=dear, due_on=days(365))), draw(10**10))
    assert owed_on(loan, days(365_000)).total_g == MAX_INTEGER
    (event,) = decide(loan, CheckDue(on=days(365_000)))
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
    assert loan.status == "offered"
    assert decide(loan, offer()) == []


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
    assert refused(loan, propose(loan, replace(TERMS, **changes))) == "material_terms_invalid"


def test_terms_for_another_offer_than_the_proposer_saw_are_refused():
    loan = offered()
    assert refused(loan, replace(propose(loan), document="0" * 64)) == "material_terms_stale"


def test_who_proposed_the_terms_does_not_approve_them():
    loan = proposed()
    assert refused(loan, sign(loan, by="operator-1")) == "approval_by_proposer"


def test_a_signature_counts_only_over_the_terms_by_a_key_that_stands():
    loan = proposed()
    assert refused(loan, sign(loan, key="revoked")) == "approver_key_revoked"
    assert refused(loan, sign(loan, signature_valid=False)) == "approval_signature_invalid"
    other = replace(TERMS, splitting_limit="0.001")
    again = happen(loan, propose(loan, other))
    assert refused(again, sign(loan)) == "approval_of_another_document"
    assert refused(offered(), sign(loan)) == "nothing_to_approve"


def test_the_facility_is_asked_for_the_contained_grams_and_the_loan_waits_for_its_answer():
    loan = proposed()
    approved, cited = decide(loan, sign(loan))
    assert (cited.cited.act, cited.cited.product, cited.cited.mass_g) == ("lend_material", loan.product, loan.mass_g)
    assert (approved.contained_g, approved.facility) == (9_965_000, "lending")
    assert set(approved.keys) == {"instrument/material", "partner/JP", "element/Sb"}
    loan = happen(loan, sign(loan))
    assert refused(loan, WithdrawMaterialLoan(reason="no")) == "material_loan_awaits_commitment"
    (event,) = decide(loan, CommitMaterialLoan())
    assert isinstance(event, MaterialLoanCommitted) and event.due_on == DUE
    assert DECIDER.timers(event) == [Timer("due", days(1, DUE), CheckDue(on=days(1, DUE)))]


def test_where_the_facility_refuses_other_terms_may_be_proposed():
    loan = proposed()
    loan = happen(loan, sign(loan), RefuseMaterialLoan(reason="limit_exceeded", detail="no room"))
    assert loan.status == "offered" and loan.terms is None
    assert happen(loan, propose(loan)).status == "proposed"


def test_a_loan_is_withdrawn_before_it_is_committed_and_not_after():
    assert happen(proposed(), WithdrawMaterialLoan(reason="no longer needed")).status == "withdrawn"
    assert refused(committed(), WithdrawMaterialLoan(reason="late")) == "material_loan_is_committed"
    loan = offered()
    assert refused(happen(loan, WithdrawMaterialLoan(reason="x")), propose(loan)) == "material_loan_closed"


def test_an_award_that_has_gone_takes_its_loan_with_it_and_may_come_again():
    loan = proposed()
    approved = happen(loan, sign(loan))
    (event,) = decide(approved, WithdrawOffer(reason="stock_short"))
    assert isinstance(event, MaterialLoanWithdrawn) and event.facility == "lending"
    gone = happen(approved, WithdrawOffer(reason="stock_short"))
    assert decide(gone, CommitMaterialLoan()) == [], "its headroom is given back by the withdrawal"
    again = happen(gone, offer(decision="e" * 64))
    assert (again.status, again.decision, again.terms) == ("offered", "e" * 64, None)
    assert decide(MaterialLoan(), WithdrawOffer(reason="of a sale")) == []


def test_a_release_that_ends_before_terms_are_agreed_ends_the_loan():
    assert happen(proposed(), EndDrawing(undrawn_g=10 * UNIT_G)).status == "withdrawn"


def test_terms_are_signed_before_their_day():
    loan = proposed()
    assert refused(loan, replace(sign(loan), on=DUE)) == "date_in_past"


# Drawn


def test_draws_add_up_and_the_last_one_frees_the_headroom_that_was_not_needed():
    loan = happen(committed(), draw(4_000_000, undrawn_g=6 * UNIT_G))
    lent, ended = decide(loan, draw(5_900_000, undrawn_g=0, name="drw_2", on=days(3)))
    assert isinstance(lent, MaterialLent) and isinstance(ended, DrawingEnded)
    assert ended.freed_g == 65_000
    loan = happen(loan, draw(5_900_000, undrawn_g=0, name="drw_2", on=days(3)))
    assert (loan.out_g, loan.status) == (9_900_000, "lent")
    assert decide(loan, draw(5_900_000, undrawn_g=0, name="drw_2")) == [], "a draw is lent once"


def test_a_release_that_lapses_undrawn_closes_the_loan():
    ended, closed = decide(committed(), EndDrawing(undrawn_g=10 * UNIT_G))
    assert (ended.freed_g, closed.cause) == (9_965_000, "never_drawn")


def test_a_draw_that_never_left_is_as_if_it_had_not_been():
    back = RecordTakenBack(draw="drw_1")
    taken, closed = decide(lent(), back)
    assert (taken.lent_g, closed.cause) == (10 * UNIT_G, "never_drawn")
    assert happen(lent(), back).books == MaterialLoan().books


def test_the_oldest_draw_comes_first_whatever_it_is_called():
    loan = happen(committed(), draw(3_000_000, undrawn_g=UNIT_G, name="drw_9"), draw(1_000_000, days(3), name="drw_1"))
    assert [tranche.draw for tranche in loan.tranches] == ["drw_9", "drw_1"]


def test_what_was_paid_off_by_other_goods_is_owed_to_the_partner_when_its_own_come_back():
    loan = happen(lent(), bring(9, TODAY), check("0.9965", TODAY), take_in())
    out_g = loan.out_g
    taken, closed = decide(loan, RecordTakenBack(draw="drw_1"))
    assert (taken.lent_g, taken.change.excess_g, closed.excess_g) == (out_g, out_g - 10 * UNIT_G, 10 * UNIT_G - out_g)


def test_what_a_lots_assay_does_not_state_is_owed_by_the_stated_content():
    silent, said = LentGoods(mass_g=UNIT_G, contained_g={"As": 3}), LentGoods(mass_g=UNIT_G, contained_g={"Sb": 990_000})
    (lent,) = decide(committed(), RecordLent(draw="drw_1", goods=(silent, said), undrawn_g=8 * UNIT_G, on=TODAY))
    assert (lent.mass_g, lent.lent_g) == (2 * UNIT_G, 996_500 + 990_000)


def test_headroom_that_a_return_has_freed_is_not_freed_again():
    loan = happen(committed(), draw(4_000_000, undrawn_g=6 * UNIT_G), bring(1, TODAY), check("0.9965", TODAY), take_in())
    (ended,) = decide(loan, EndDrawing(undrawn_g=6 * UNIT_G))
    assert ended.freed_g == 9_965_000 - 4_000_000


def test_a_draw_after_its_due_day_is_overdue_at_once():
    loan = happen(committed(), draw(3_000_000, undrawn_g=7 * UNIT_G))
    assert [type(event) for event in decide(loan, draw(1_000_000, DUE, 6 * UNIT_G, "drw_2"))] == [MaterialLent]
    late = decide(loan, draw(1_000_000, days(1, DUE), 6 * UNIT_G, "drw_2"))
    assert [type(event) for event in late] == [MaterialLent, MaterialOverdue]


# Due, and put off


def test_it_is_overdue_once_its_day_has_passed():
    loan = lent()
    assert decide(loan, CheckDue(on=DUE)) == []
    (event,) = decide(loan, CheckDue(on=days(1, DUE)))
    assert isinstance(event, MaterialOverdue) and event.owed_g == owed_on(loan, days(1, DUE)).total_g
    assert decide(happen(loan, CheckDue(on=days(1, DUE))), CheckDue(on=days(2, DUE))) == []


def test_its_day_is_put_off_on_a_named_condition_for_a_further_premium():
    loan = lent()
    assert refused(loan, ask(loan, condition="inconvenience")) == "deferral_condition_unknown"
    assert refused(loan, ask(loan, due_on=DUE)) == "deferral_not_later"
    asked = happen(loan, ask(loan))
    assert refused(asked, grant(asked, days(100), by="operator-1")) == "approval_by_proposer"
    on = days(150)
    before_g = owed_on(asked, on).total_g
    put_off = happen(asked, grant(asked, on))
    assert refused(asked, grant(asked, days(60, DUE))) == "date_in_past"
    assert put_off.due_on == days(60, DUE)
    assert owed_on(put_off, on).total_g == before_g + 100_000, "1% of 10 t"
    assert decide(put_off, CheckDue(on=days(1, DUE))) == []
    assert refused(put_off, grant(asked, on)) == "deferral_not_found"


def test_an_overdue_loan_that_is_put_off_is_overdue_no_longer_until_its_new_day():
    loan = happen(lent(), CheckDue(on=days(1, DUE)))
    asked = happen(loan, ask(loan))
    put_off = happen(asked, grant(asked, days(2, DUE)))
    assert not put_off.overdue
    assert happen(put_off, CheckDue(on=days(61, DUE))).overdue


def test_of_two_deferrals_the_second_must_still_be_later_when_it_is_signed():
    loan = lent()
    first = ask(loan, due_on=days(90, DUE), name=LATER)
    second = ask(loan, due_on=days(60, DUE), name=type(LATER)("dfr_2"))
    asked = happen(loan, first, second)
    put_off = happen(asked, grant(asked, days(100)))
    assert refused(put_off, grant(asked, days(101), name=type(LATER)("dfr_2"))) == "deferral_not_later"


# Security, and what is done where nothing comes back in kind


def test_the_security_is_marked_at_a_price_called_and_topped_up():
    loan = lent()
    (mark,) = decide(loan, MarkSecurity(price_minor="4800/1000", quoted_on=TODAY, source="Fastmarkets", on=TODAY))
    assert isinstance(mark, SecurityMarked)
    assert (mark.owed_g, mark.owed_minor, mark.required_minor, mark.counted_minor) == (10_100_000, 48_480_000, 53_328_000, 450_000_000)
    assert mark.call_minor == 0
    dear = MarkSecurity(price_minor="48", quoted_on=TODAY, source="Fastmarkets", on=TODAY)
    (called,) = decide(loan, dear)
    assert called.call_minor == 533_280_000 - 450_000_000
    loan = happen(loan, dear)
    (topped,) = decide(loan, TopUpSecurity(amount_minor=90_000_000, reference="LC amendment 2"))
    assert isinstance(topped, SecurityToppedUp)
    assert (topped.value_minor, topped.call_minor) == (590_000_000, 83_280_000 - 81_000_000)


def test_what_is_owed_is_valued_upwards_and_what_secures_it_downwards():
    loan = happen(committed(replace(TERMS, security=replace(TERMS.security, value_minor=5, haircut="1/2"))), draw(1000))
    (mark,) = decide(loan, MarkSecurity(price_minor="1/3", quoted_on=TODAY, source="x", on=TODAY))
    assert (mark.owed_g, mark.owed_minor, mark.required_minor, mark.counted_minor) == (1010, 337, 371, 2)


def test_a_price_that_is_none_and_a_quote_of_tomorrow_are_refused():
    loan = lent()
    assert refused(loan, MarkSecurity(price_minor="0", quoted_on=TODAY, source="x", on=TODAY)) == "price_invalid"
    assert refused(loan, MarkSecurity(price_minor="1/0", quoted_on=TODAY, source="x", on=TODAY)) == "price_invalid"
    assert refused(loan, MarkSecurity(price_minor="1", quoted_on=days(1), source="x", on=TODAY)) == "date_in_future"
    assert refused(loan, TopUpSecurity(amount_minor=0, reference="x")) == "quantity_invalid"


def test_cash_settles_all_that_is_owed_and_closes_the_loan():
    loan = lent()
    settle = SettleInCash(price_minor="4.8", source="Fastmarkets", reference="wire 12", on=days(45))
    paid, closed = decide(loan, settle)
    assert isinstance(paid, MaterialCashSettled) and isinstance(closed, MaterialLoanClosed)
    assert (paid.principal_g, paid.premium_g, paid.amount_minor) == (10_000_000, 200_000, 48_960_000)
    assert closed.cause == "cash_settled"
    assert refused(happen(loan, settle), settle) == "material_loan_closed"


def test_cash_waits_for_returns_that_are_on_the_way():
    loan = happen(lent(), bring(1, days(10)))
    assert refused(loan, SettleInCash(price_minor="4.8", source="x", reference="y", on=days(45))) == "returns_pending"


def test_after_a_default_the_reserve_buys_at_the_borrowers_cost():
    loan = lent()
    late = days(1, DUE)
    buy = RecordReplacement(bought_g=owed_on(loan, late).total_g, cost_minor=600_000_000, source="tender 4", on=late)
    assert refused(loan, DeclareMaterialDefault(reason="x", on=DUE)) == "material_loan_not_overdue"
    assert refused(loan, buy) == "material_loan_not_defaulted"
    defaulted = happen(loan, CheckDue(on=late), DeclareMaterialDefault(reason="not returned", on=late))
    part, *_ = decide(defaulted, replace(buy, bought_g=1_000_000, cost_minor=100))
    assert isinstance(part, MaterialReplaced) and part.owed_g > 0
    assert refused(defaulted, replace(buy, bought_g=buy.bought_g + 1)) == "quantity_invalid"
    bought, closed = decide(defaulted, buy)
    assert (bought.from_security_minor, bought.shortfall_minor, closed.cause) == (500_000_000, 100_000_000, "replaced")


def test_headroom_that_a_replacement_has_freed_is_not_freed_again():
    late = days(1, DUE)
    loan = happen(committed(), draw(4_000_000, undrawn_g=6 * UNIT_G), DeclareMaterialDefault(reason="x", on=late))
    buy = RecordReplacement(bought_g=1_000_000, cost_minor=1, source="x", on=late)
    (bought,) = decide(loan, buy)
    (ended,) = decide(happen(loan, buy), EndDrawing(undrawn_g=6 * UNIT_G))
    assert bought.principal_g > 0
    assert ended.freed_g == 9_965_000 - 4_000_000


def test_what_waits_comes_back_from_a_snapshot():
    for loan in (lent(), happen(lent(), ask(lent()), bring(2, TODAY), bring(3, TODAY, name=ReturnId("mrt_2")), check("0.9", TODAY))):
        assert decoded(encoded(loan), MaterialLoan) == loan


# All of it together


@st.composite
def courses(draws: st.DrawFn) -> list[tuple[str, int, int]]:
    kinds = st.sampled_from(["draw", "return", "defer", "cash", "back"])
    return draws(st.lists(st.tuples(kinds, st.integers(1, 12), st.integers(0, 25)), min_size=1, max_size=12))


@given(courses())
def test_whatever_happens_what_was_lent_is_returned_owed_or_settled(course: list[tuple[str, int, int]]):
    """`happen` checks after each event that the books sum to zero and owe what is out."""
    loan, on, undrawn = committed(), TODAY, 10
    for place, (kind, amount, wait) in enumerate(course):
        on = date.fromordinal(min(on.toordinal() + wait, days(300).toordinal()))
        name = ReturnId(f"mrt_{place}")
        if kind == "draw" and undrawn and loan.status in ("committed", "lent"):
            units = min(amount, undrawn)
            undrawn -= units
            loan = happen(loan, draw(units * 996_500, on, undrawn * UNIT_G, f"drw_{place}"))
        elif not loan.out_g or loan.status != "lent":
            continue
        elif kind == "return":
            command = bring(amount, on, name=name)
            if not isinstance(decide(loan, command), list):
                assert refused(loan, command) == "return_exceeds_owed"
                continue
            loan = happen(loan, command, check("0.9960", on, name=name), take_in(name))
        elif kind == "defer":
            later = type(LATER)(f"dfr_{place}")
            assert loan.due_on is not None
            asked = happen(loan, ask(loan, due_on=days(30, max(loan.due_on, on)), name=later))
            loan = happen(asked, grant(asked, on, name=later))
        elif kind == "back" and undrawn:
            tranche = loan.tranches[0]
            loan = happen(loan, RecordTakenBack(draw=tranche.draw))
        elif kind == "cash":
            loan = happen(loan, SettleInCash(price_minor="5", source="x", reference="y", on=on))
    if loan.status == "closed":
        assert loan.out_g == 0 and not loan.returns and not loan.undrawn_g
    assert loan.id == LOAN
