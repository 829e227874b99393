"""Returns of a material loan: assayed on both sides, settled and credited in contained grams."""

from fractions import Fraction

import pytest

from services.loans.domain.material.returns import TurnBackReturn, umpired
from services.loans.domain.material.state import owed_on
from services.loans.events.material import MaterialLoanClosed, ReturnAssayed, ReturnCredited, ReturnId, ReturnRejected, ReturnSettled
from tests.stories.material import (
    BACK,
    TERMS,
    TODAY,
    UNIT_G,
    assay,
    bring,
    check,
    committed,
    days,
    decide,
    goods,
    happen,
    lent,
    refused,
    take_in,
)

LATER = days(45)  # two periods of the premium have begun: 2%


def test_a_return_is_pending_until_inventory_has_taken_it_in():
    loan = happen(lent(), bring(5, LATER))
    assert (loan.pending_g, loan.out_g) == (4_982_500, 10 * UNIT_G)
    loan = happen(loan, check("0.9975", LATER))
    assert (loan.pending_g, loan.out_g) == (4_985_000, 10 * UNIT_G)
    loan = happen(loan, take_in())
    assert loan.pending_g == 0
    assert loan.out_g == 10 * UNIT_G - 4_985_000 * 100 // 102


def test_two_assays_within_the_splitting_limit_are_settled_at_their_mean():
    loan = happen(lent(), bring(5, LATER, content="0.9965"))
    assayed, settled = decide(loan, check("0.9985", LATER))
    assert isinstance(assayed, ReturnAssayed) and not assayed.needs_umpire and assayed.difference == "1/500"
    assert isinstance(settled, ReturnSettled)
    assert (settled.basis, Fraction(settled.content), settled.contained_g) == ("mean", Fraction("0.9975"), 4_987_500)


@pytest.mark.parametrize(
    ("umpire", "basis", "content"),
    [("0.9970", "umpire", "0.9970"), ("0.9999", "independent", "0.9990"), ("0.9940", "borrower", "0.9950")],
)
def test_beyond_the_splitting_limit_an_umpire_settles(umpire: str, basis: str, content: str):
    loan = happen(lent(), bring(5, LATER, content="0.9950"))
    (assayed,) = decide(loan, check("0.9990", LATER))
    assert assayed.needs_umpire
    split = happen(loan, check("0.9990", LATER))
    assert decide(split, take_in()) == [], "what is not settled is not credited"
    _, settled = decide(split, check(umpire, LATER, by="umpire"))
    assert (settled.basis, Fraction(settled.content)) == (basis, Fraction(content))


def test_an_umpires_assay_on_a_bound_lies_between_the_two():
    low, high = Fraction("0.99"), Fraction("0.995")
    assert umpired(low, high, low) == (low, "umpire")
    assert umpired(high, low, high) == (high, "umpire")


def test_goods_out_of_specification_go_back_and_all_is_owed_as_before():
    before = lent()
    loan = happen(before, bring(5, LATER))
    _, rejected = decide(loan, check("0.9850", LATER, fit=False))
    assert isinstance(rejected, ReturnRejected) and rejected.pending_g == 4_982_500
    after = happen(loan, check("0.9850", LATER, fit=False))
    assert after == before
    assert refused(after, check("0.9965", LATER)) == "return_not_found"


def test_an_umpire_comes_after_two_assays_and_each_side_has_one():
    loan = happen(lent(), bring(5, LATER, content="0.9950"))
    assert refused(loan, check("0.9960", LATER, by="umpire")) == "umpire_not_needed"
    split = happen(loan, check("0.9990", LATER))
    assert refused(split, check("0.9990", LATER)) == "return_assayed_already"
    settled = happen(split, check("0.9970", LATER, by="umpire"))
    assert refused(settled, check("0.9970", LATER, by="umpire")) == "return_settled_already"


def test_the_last_return_closes_the_loan_and_what_is_beyond_is_shown():
    loan = lent(lent_g=2_000_000)
    owed_g = owed_on(loan, LATER).total_g
    loan = happen(loan, bring(3, LATER), check("0.9965", LATER))
    credited, closed = decide(loan, take_in())
    assert isinstance(credited, ReturnCredited) and isinstance(closed, MaterialLoanClosed)
    assert (credited.principal_g, credited.premium_g, credited.excess_g) == (2_000_000, 40_000, 2_989_500 - owed_g)
    assert (credited.owed_g, closed.cause, closed.excess_g) == (0, "returned", 2_989_500 - owed_g)


def test_a_loan_is_not_closed_while_a_return_waits():
    other = ReturnId("mrt_2")
    loan = happen(lent(lent_g=1_950_000), bring(2, LATER, "0.98", name=other), bring(1, LATER, "0.98"))
    loan = happen(loan, check("0.999", LATER, name=other), check("0.9965", LATER, by="umpire", name=other), take_in(other))
    assert (loan.out_g, loan.status) == (0, "lent")
    _, rejected, closed = decide(loan, check("0.9965", LATER, fit=False))
    assert isinstance(rejected, ReturnRejected) and isinstance(closed, MaterialLoanClosed)


def test_what_is_too_much_is_reckoned_on_the_day_of_receipt():
    late = days(540)
    assert refused(lent(), bring(12, late, received_on=TODAY)) == "return_exceeds_owed"
    assert len(decide(lent(), bring(12, late))) == 1


def test_what_is_back_earns_no_premium_any_more_and_what_is_out_does():
    loan = happen(lent(), bring(5, LATER), check("0.9965", LATER), take_in())
    out_g = loan.out_g
    assert owed_on(loan, LATER).total_g == round(Fraction(out_g * 102, 100))
    assert owed_on(loan, days(61)).total_g == round(Fraction(out_g * 1025, 1000))


def test_the_day_of_receipt_counts_however_long_the_assays_take():
    loan = happen(lent(lent_g=2_000_000), bring(3, LATER), check("0.9965", days(200)), take_in())
    assert loan.status == "closed"


def test_a_lot_that_inventory_cannot_take_in_is_not_credited():
    before = lent()
    loan = happen(before, bring(5, LATER), check("0.9965", LATER))
    assert happen(loan, TurnBackReturn(returned=BACK, reason="id_taken", detail="x")) == before


def test_the_answer_of_inventory_counts_once():
    loan = happen(lent(), bring(5, LATER), check("0.9965", LATER), take_in())
    assert decide(loan, take_in()) == []
    assert decide(loan, TurnBackReturn(returned=BACK, reason="x", detail="y")) == []


def test_more_than_is_owed_is_refused_beyond_one_unit_and_what_is_on_the_way_counts():
    loan = lent()
    assert refused(loan, bring(12, LATER)) == "return_exceeds_owed"
    assert len(decide(loan, bring(11, LATER))) == 1
    loan = happen(loan, bring(8, LATER))
    assert refused(loan, bring(4, LATER, name=ReturnId("mrt_2"))) == "return_exceeds_owed"
    assert happen(loan, bring(3, LATER, name=ReturnId("mrt_2"))).pending_g == 11 * 996_500


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"lot": goods(5, product="gallium-7n")}, "return_of_another_product"),
        ({"lot": goods(5, depot="Townsville")}, "return_at_another_place"),
        ({"lot": goods(0)}, "quantity_invalid"),
        ({"lot": goods(2, serials=("a", "a"))}, "serials_do_not_match_units"),
        ({"received_on": days(46)}, "date_in_future"),
        ({"received_on": days(-1)}, "date_before_loan"),
        ({"own_assay": assay(on=days(46))}, "date_in_future"),
        ({"own_assay": assay(element="Ga")}, "element_not_assayed"),
        ({"own_assay": assay("0")}, "element_not_assayed"),
    ],
)
def test_what_cannot_be_a_return_changes_nothing(changes: dict[str, object], code: str):
    assert refused(lent(), bring(5, LATER, **changes)) == code


def test_nothing_comes_back_of_what_was_not_lent():
    assert refused(committed(), bring(5, LATER)) == "nothing_lent"
    closed = happen(lent(lent_g=2_000_000), bring(3, TODAY), check("0.9965", TODAY), take_in())
    assert refused(closed, bring(1, LATER, name=ReturnId("mrt_2"))) == "material_loan_closed"
    assert TERMS.return_place == "Kwinana"
