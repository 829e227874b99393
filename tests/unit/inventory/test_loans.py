"""Loans of stock: drawn once they are committed, and taken in again when they come back."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from services.inventory.domain.dispatch import ReturnDraw
from services.inventory.domain.loans import TakeInReturn
from services.inventory.domain.lots import RecordAssay
from services.inventory.domain.reasons import Reason
from services.inventory.domain.releases import LapseRelease, TakeBackRelease
from services.inventory.domain.stockpile import DECIDER
from services.inventory.events import (
    DrawId,
    LentDrawReturned,
    LotId,
    LotTakenIn,
    MaterialLent,
    ReleaseCancelled,
    ReleaseId,
    ReturnRefused,
    ReturnTakenIn,
    RoundReleaseRefused,
    StockDrawn,
    StockReleased,
)
from tests.stories.given import Given
from tests.stories.stockpile import (
    ANTIMONY,
    DAY_AFTER,
    DECISION,
    FAILED,
    PASSED,
    TONNE,
    UNIT_G,
    a_round,
    a_stockpile,
    announce,
    award,
    dispatch,
    draw,
    lot,
    open_gate,
    right,
    take_back,
    weigh,
)


def lent(units: int = 4, *lots: Any) -> Given:
    """A loan of so many units, released and committed."""
    return a_stockpile(*(lots or (lot(units=10),)), announce(), a_round(award("a", "JP", units)), open_gate())


def come_back(name: str = "mrt_1", **changes: Any) -> TakeInReturn:
    told = {"product": ANTIMONY, "loan": "mln_a", "returned": name, "partner": "JP", "delivery": lot("lot_9", 3)}
    return TakeInReturn(**(told | changes))


def test_a_loan_is_not_drawn_before_it_is_committed():
    story = a_stockpile(lot(units=10), announce(), a_round(award("a", "JP", 4), award("b", "US", 2)))
    story.when(draw()).refused(Reason.LOAN_NOT_COMMITTED)
    story = story.when(draw("drw_2", "rel_b", partner="US"))
    assert [type(event) for event in story.events] == [StockDrawn], "another is as ever"
    story = story.given(open_gate())
    drawn, material = story.when(draw()).events
    assert isinstance(drawn, StockDrawn) and isinstance(material, MaterialLent)


@pytest.mark.parametrize("order", [(announce(), open_gate()), (open_gate(), announce())])
def test_the_word_of_either_service_may_come_first(order: tuple[Any, Any]):
    story = a_stockpile(lot(units=10), *order, a_round(award("a", "JP", 4)))
    assert len(story.when(draw()).events) == 2


def test_a_gate_that_was_opened_for_an_earlier_decision_stays_closed():
    story = a_stockpile(lot(units=10), announce(decision="cd" * 32), open_gate(decision="cd" * 32), announce())
    story = story.given(a_round(award("a", "JP", 4)))
    story.when(draw()).refused(Reason.LOAN_NOT_COMMITTED)
    assert len(story.given(open_gate()).when(draw()).events) == 2


def test_what_is_said_twice_happens_once():
    story = lent()
    story.when(announce()).then()
    story.when(open_gate()).then()


def test_what_is_lent_is_what_the_lots_contain_by_their_ruling_assays():
    better = PASSED.contents | {"Sb": "0.9989", "As": "0.0001"}
    story = lent(4, lot(units=2), lot("lot_2", units=5))
    story = story.given(RecordAssay(lot=LotId("lot_1"), assay=replace(PASSED, contents=better)))
    _, material = story.when(draw(units=3)).events
    assert isinstance(material, MaterialLent)
    first, second = material.parcels
    assert first.contained_g == {"As": 1_000, "Sb": 9_989_000}
    assert second.contained_g == {"Sb": 4_982_500}
    assert material.contained_g == {"As": 1_000, "Sb": 14_971_500}
    assert (material.award, material.mass_g, material.remaining_g) == ("awd_a", 15 * TONNE, 5 * TONNE)


def test_an_assay_that_moves_a_lot_rules_too():
    story = a_stockpile(lot(units=10), RecordAssay(lot=LotId("lot_1"), assay=FAILED), RecordAssay(lot=LotId("lot_1"), assay=PASSED))
    assert story.state.lots[LotId("lot_1")].contents == PASSED.contents


def test_a_loan_is_of_goods():
    story = a_stockpile(lot(units=3), right(), announce())
    story = story.when(a_round(award("a", "JP", 4)))
    [refused] = story.events
    assert isinstance(refused, RoundReleaseRefused) and refused.reason == Reason.LOAN_OF_GOODS
    story = lent(4).given(RecordAssay(lot=LotId("lot_1"), assay=FAILED), right())
    story.when(draw(assign_rights=True)).refused(Reason.LOAN_OF_GOODS)
    story.when(draw()).refused(Reason.STOCK_SHORT)


def test_in_a_round_loans_have_the_lots_and_others_the_rights():
    story = a_stockpile(lot(units=4), right(), announce("b"))
    released = [event for event in story.when(a_round(award("a", "JP", 3), award("b", "US", 4))).events if isinstance(event, StockReleased)]
    assert {event.release: event.rights_g for event in released} == {"rel_b": 0, "rel_a": 3 * UNIT_G}


def test_a_draw_that_never_left_is_lent_no_longer():
    story = lent().given(draw())
    story = story.when(ReturnDraw(draw=DrawId("drw_1"), reason="no truck"))
    returned, back, _ = story.events
    assert isinstance(back, LentDrawReturned)
    assert (back.contained_g, back.mass_g, back.award) == ({"Sb": 9_965_000}, 2 * UNIT_G, "awd_a")
    assert returned.draw == back.draw and not story.state.lent


def test_a_draw_that_has_left_is_forgotten_here_and_a_sale_says_nothing_when_it_comes_back():
    assert not lent().given(draw(), weigh(), dispatch()).state.lent
    story = a_stockpile(lot(units=10), a_round(award("a", "JP", 4)), draw())
    assert len(story.when(ReturnDraw(draw=DrawId("drw_1"), reason="no truck")).events) == 2


@pytest.mark.parametrize(
    "end",
    [
        draw(units=4),
        take_back(),
        LapseRelease(release=ReleaseId("rel_a"), on=DAY_AFTER),
        TakeBackRelease(release=ReleaseId("rel_a"), decision=DECISION, reason="x"),
    ],
)
def test_with_its_release_the_loan_leaves_the_stockpile(end: Any):
    assert not lent().given(end).state.loans


def test_a_loan_that_is_called_off_frees_its_stock_once():
    off = TakeBackRelease(release=ReleaseId("rel_a"), decision=DECISION, reason="withdrawn")
    story = lent()
    story.when(TakeBackRelease(release=ReleaseId("rel_a"), decision="cd" * 32, reason="of another decision")).then()
    story = story.when(off)
    [cancelled] = story.events
    assert isinstance(cancelled, ReleaseCancelled) and cancelled.mass_g == 4 * UNIT_G
    story.when(off).then()


def test_what_comes_back_is_a_lot_that_names_its_loan():
    story = lent().given(draw())
    taken_in, returned = story.when(come_back()).events
    assert isinstance(taken_in, LotTakenIn) and isinstance(returned, ReturnTakenIn)
    assert (returned.loan, returned.returned, returned.lot, returned.mass_g) == ("mln_a", "mrt_1", "lot_9", 3 * UNIT_G)


def test_what_cannot_be_taken_in_is_answered_and_never_refused():
    [answer] = lent().when(come_back(delivery=lot())).events
    assert isinstance(answer, ReturnRefused) and answer.reason == Reason.ID_TAKEN
    [answer] = Given(DECIDER).when(come_back()).events
    assert isinstance(answer, ReturnRefused) and answer.reason == Reason.PRODUCT_NOT_FOUND


SHARES = st.fractions(min_value=0, max_value=1, max_denominator=10**6)


@given(SHARES, st.integers(1, 10))
def test_contained_grams_are_within_half_a_gram_a_parcel(share: Any, units: int):
    assay = replace(PASSED, contents={"Sb": str(share)})
    _, material = lent(units, lot(units=10, assay=assay)).when(draw(units=units)).events
    assert isinstance(material, MaterialLent)
    assert abs(material.contained_g["Sb"] - units * UNIT_G * share) * 2 <= 1
