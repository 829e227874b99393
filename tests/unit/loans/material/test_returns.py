"""Returns of a material loan: assayed on both sides, settled and credited in contained grams."""

from fractions import Fraction

import msgspec
import pytest

from services.loans.domain.material.returns import TurnBackReturn, umpired
from services.loans.domain.material.state import owed_on
from services.loans.events.material import MaterialLoanClosed, ReturnAssayed, ReturnCredited, ReturnId, ReturnRejected, ReturnSettled
from shared.terms.dating import DatingReason
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
    goods,
    lent,
    take_in,
)

LATER = days(45)  # two periods of the premium have begun: 2%


def test_a_return_is_pending_until_inventory_has_taken_it_in():
    loan = lent().given(bring(5, LATER))
    assert (loan.state.pending_g, loan.state.out_g) == (4_982_500, 10 * UNIT_G)
    loan = loan.given(check("0.9975", LATER))
    assert (loan.state.pending_g, loan.state.out_g) == (4_985_000, 10 * UNIT_G)
    loan = loan.given(take_in())
    assert loan.state.pending_g == 0
    assert loan.state.out_g == 10 * UNIT_G - 4_985_000 * 100 // 102


def test_two_assays_within_the_splitting_limit_are_settled_at_their_mean():
    loan = lent().given(bring(5, LATER, content="0.9965"))
    assayed, settled = loan.when(check("0.9985", LATER)).events
    assert isinstance(assayed, ReturnAssayed) and not assayed.needs_umpire and assayed.difference == "1/500"
    assert isinstance(settled, ReturnSettled)
    assert (settled.basis, Fraction(settled.content), settled.contained_g) == ("mean", Fraction("0.9975"), 4_987_500)


@pytest.mark.parametrize(
    ("umpire", "basis", "content"),
    [("0.9970", "umpire", "0.9970"), ("0.9999", "independent", "0.9990"), ("0.9940", "borrower", "0.9950")],
)
def test_beyond_the_splitting_limit_an_umpire_settles(umpire: str, basis: str, content: str):
    loan = lent().given(bring(5, LATER, content="0.9950"))
    (assayed,) = loan.when(check("0.9990", LATER)).events
    assert assayed.needs_umpire
    split = loan.given(check("0.9990", LATER))
    split.when(take_in()).then()  # what is not settled is not credited
    _, settled = split.when(check(umpire, LATER, by="umpire")).events
    assert (settled.basis, Fraction(settled.content)) == (basis, Fraction(content))


def test_an_umpires_assay_on_a_bound_lies_between_the_two():
    low, high = Fraction("0.99"), Fraction("0.995")
    assert umpired(low, high, low) == (low, "umpire")
    assert umpired(high, low, high) == (high, "umpire")


def test_goods_out_of_specification_go_back_and_all_is_owed_as_before():
    before = lent()
    loan = before.given(bring(5, LATER))
    _, rejected = loan.when(check("0.9850", LATER, fit=False)).events
    assert isinstance(rejected, ReturnRejected) and rejected.pending_g == 4_982_500
    after = loan.given(check("0.9850", LATER, fit=False))
    assert after.state == before.state
    after.when(check("0.9965", LATER)).refused("return_not_found")


def test_an_umpire_comes_after_two_assays_and_each_side_has_one():
    loan = lent().given(bring(5, LATER, content="0.9950"))
    loan.when(check("0.9960", LATER, by="umpire")).refused("umpire_not_needed")
    split = loan.given(check("0.9990", LATER))
    split.when(check("0.9990", LATER)).refused("return_assayed_already")
    settled = split.given(check("0.9970", LATER, by="umpire"))
    settled.when(check("0.9970", LATER, by="umpire")).refused("return_settled_already")


def test_the_last_return_closes_the_loan_and_what_is_beyond_is_shown():
    loan = lent(lent_g=2_000_000)
    owed_g = owed_on(loan.state, LATER).total_g
    loan = loan.given(bring(3, LATER), check("0.9965", LATER))
    credited, closed = loan.when(take_in()).events
    assert isinstance(credited, ReturnCredited) and isinstance(closed, MaterialLoanClosed)
    assert (credited.principal_g, credited.premium_g, credited.excess_g) == (2_000_000, 40_000, 2_989_500 - owed_g)
    assert (credited.owed_g, closed.cause, closed.excess_g) == (0, "returned", 2_989_500 - owed_g)


def test_a_loan_is_not_closed_while_a_return_waits():
    other = ReturnId("mrt_2")
    loan = lent(lent_g=1_950_000).given(bring(2, LATER, "0.98", name=other), bring(1, LATER, "0.98"))
    loan = loan.given(check("0.999", LATER, name=other), check("0.9965", LATER, by="umpire", name=other), take_in(other))
    assert (loan.state.out_g, loan.state.status) == (0, "lent")
    _, rejected, closed = loan.when(check("0.9965", LATER, fit=False)).events
    assert isinstance(rejected, ReturnRejected) and isinstance(closed, MaterialLoanClosed)


def test_what_is_too_much_is_reckoned_on_the_day_of_receipt():
    late = days(540)
    lent().when(bring(12, late, received_on=TODAY)).refused("return_exceeds_owed")
    assert len(lent().when(bring(12, late)).events) == 1


def test_a_return_for_another_day_says_why():
    late = bring(1, LATER, received_on=TODAY)
    lent().when(msgspec.structs.replace(late, dated_because=None)).refused(DatingReason.WITHOUT_REASON, "/dated_because")
    assert lent().when(late).events[0].dated_because == "paper_late"
    assert lent().when(bring(1, LATER)).events[0].dated_because is None


def test_what_is_back_earns_no_premium_any_more_and_what_is_out_does():
    loan = lent().given(bring(5, LATER), check("0.9965", LATER), take_in())
    out_g = loan.state.out_g
    assert owed_on(loan.state, LATER).total_g == round(Fraction(out_g * 102, 100))
    assert owed_on(loan.state, days(61)).total_g == round(Fraction(out_g * 1025, 1000))


def test_the_day_of_receipt_counts_however_long_the_assays_take():
    loan = lent(lent_g=2_000_000).given(bring(3, LATER), check("0.9965", days(200)), take_in())
    assert loan.state.status == "closed"


def test_a_lot_that_inventory_cannot_take_in_is_not_credited():
    before = lent()
    loan = before.given(bring(5, LATER), check("0.9965", LATER))
    assert loan.given(TurnBackReturn(returned=BACK, reason="id_taken", detail="x")).state == before.state


def test_the_answer_of_inventory_counts_once():
    loan = lent().given(bring(5, LATER), check("0.9965", LATER), take_in())
    loan.when(take_in()).then()
    loan.when(TurnBackReturn(returned=BACK, reason="x", detail="y")).then()


def test_more_than_is_owed_is_refused_beyond_one_unit_and_what_is_on_the_way_counts():
    loan = lent()
    loan.when(bring(12, LATER)).refused("return_exceeds_owed")
    assert len(loan.when(bring(11, LATER)).events) == 1
    loan = loan.given(bring(8, LATER))
    loan.when(bring(4, LATER, name=ReturnId("mrt_2"))).refused("return_exceeds_owed")
    assert loan.given(bring(3, LATER, name=ReturnId("mrt_2"))).state.pending_g == 11 * 996_500


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
    lent().when(bring(5, LATER, **changes)).refused(code)


def test_nothing_comes_back_of_what_was_not_lent():
    committed().when(bring(5, LATER)).refused("nothing_lent")
    closed = lent(lent_g=2_000_000).given(bring(3, TODAY), check("0.9965", TODAY), take_in())
    closed.when(bring(1, LATER, name=ReturnId("mrt_2"))).refused("material_loan_closed")
    assert TERMS.return_place == "Kwinana"
