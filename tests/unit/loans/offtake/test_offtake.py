"""Repayment in kind: what a lot under a right is worth to a loan, and when it counts."""

from datetime import date
from typing import Any

import pytest

from services.loans.domain.loan.payments import CreditDelivery
from services.loans.domain.loan.state import LoanStatus
from services.loans.domain.offtake import delivery
from services.loans.domain.offtake.delivery import AwaitAssay, TakeAssay
from services.loans.domain.offtake.offtake import DECIDER, AgreeOfftake, EndOfftake, Reason, ValueDelivery
from services.loans.events.offtake import DeliveryAccepted, DeliveryNotValued, DeliveryValued, OfftakeAgreed, OfftakeId
from tests.stories.given import Given
from tests.stories.loan import LOAN, START, lent, minor, names

RIGHT = "rgt_1"
UNTIL = date(2026, 12, 31)


def agree(name: str = "a", **changes: Any) -> AgreeOfftake:
    """Antimony at 2.5 cents a gram: A$25 a kilogram."""
    given: dict[str, Any] = {
        "offtake": OfftakeId(f"oft_{name}"),
        "right": RIGHT,
        "loan": LOAN,
        "loan_status": LoanStatus.COMMITTED,
        "product": "antimony-metal",
        "element": "Sb",
        "price": "2.5",
        "currency": "AUD",
        "share": "1",
        "since": START,
        "until": UNTIL,
        "authority": "offtake agreement 7",
        "by": "sub_operator",
    }
    return AgreeOfftake(**given | changes)


def deliver(mass_g: int = 1_000, content: str = "0.9965", on: date = START, **changes: Any) -> ValueDelivery:
    given: dict[str, Any] = {
        "lot": "lot_1",
        "product": "antimony-metal",
        "mass_g": mass_g,
        "contents": {"Sb": content},
        "received_on": on,
    }
    return ValueDelivery(**given | changes)


def end(on: date, name: str = "a") -> EndOfftake:
    return EndOfftake(offtake=OfftakeId(f"oft_{name}"), loan=LOAN, reason="repaid", on=on)


AGREED = Given(DECIDER, agree())


def test_a_delivery_is_worth_its_contained_grams_at_the_agreed_price():
    [valued] = AGREED.when(deliver()).events
    assert isinstance(valued, DeliveryValued)
    assert (valued.loan, valued.payment, valued.contained_g, valued.amount_minor) == (LOAN, "pay_1", 996, 2491)  # 996.5 g; 2,491.25 cents
    assert (valued.content, valued.price, valued.share, valued.received_on) == ("0.9965", "2.5", "1", START)
    [prepaying] = Given(DECIDER, agree(prepays="instalment")).when(deliver()).events
    assert isinstance(prepaying, DeliveryValued)
    assert (valued.prepays, prepaying.prepays) == ("nothing", "instalment")


@pytest.mark.parametrize(
    ("mass_g", "content", "price", "share", "amount_minor"),
    [
        (1, "1", "1/2", "1", 0),  # half of a cent goes to the even one: nothing
        (3, "1", "1/2", "1", 2),
        (5, "1", "1/2", "1", 2),
        (1_000, "2/3", "3/7", "1/2", 143),  # 142.857...
        (10**12, "0.999999999999", "2.5", "1", 2_499_999_999_998),  # 2,499,999,999,997.5, exactly
    ],
)
def test_what_it_is_worth_is_exact_and_rounded_half_even_once(mass_g: int, content: str, price: str, share: str, amount_minor: int):
    [event] = Given(DECIDER, agree(price=price, share=share)).when(deliver(mass_g, content)).events
    assert (event.amount_minor if isinstance(event, DeliveryValued) else 0) == amount_minor


def test_a_delivery_under_no_standing_agreement_repays_nothing():
    Given(DECIDER).when(deliver()).then()
    AGREED.when(deliver(on=date(2027, 1, 1))).then()
    AGREED.given(end(date(2026, 2, 1))).when(deliver(on=date(2026, 3, 1))).then()
    assert len(AGREED.given(end(date(2026, 2, 1))).when(deliver(on=date(2026, 2, 1))).events) == 1


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"product": "antimony-trioxide"}, "another_product"),
        ({"contents": {"Pb": "0.5"}}, "element_not_assayed"),
        ({"contents": {"Sb": "0"}}, "worth_nothing"),
        ({"mass_g": 2**53 - 1}, "worth_too_much"),
    ],
)
def test_a_delivery_that_cannot_be_valued_is_said_so_to_a_person(changes: dict[str, Any], reason: str):
    [event] = AGREED.when(deliver(**changes)).events
    assert isinstance(event, DeliveryNotValued)
    assert (event.loan, event.lot, event.reason) == (LOAN, "lot_1", reason)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"price": "0"}, Reason.PRICE_INVALID),
        ({"price": "-1"}, Reason.PRICE_INVALID),
        ({"share": "0"}, Reason.SHARE_INVALID),
        ({"share": "1.01"}, Reason.SHARE_INVALID),
        ({"until": date(2026, 1, 5)}, Reason.DATES_REVERSED),
        ({"loan_status": LoanStatus.APPROVED}, Reason.LOAN_STATUS),
        ({"loan_status": LoanStatus.CLOSED}, Reason.LOAN_STATUS),
    ],
)
def test_an_agreement_that_makes_no_sense_is_refused(changes: dict[str, Any], reason: Reason):
    Given(DECIDER).when(agree(**changes)).refused(reason)


def test_a_right_has_one_agreement_at_a_time():
    AGREED.when(agree("b", since=UNTIL, until=date(2027, 12, 31))).refused(Reason.AGREED_ALREADY)
    [following] = AGREED.given(end(date(2026, 2, 1))).when(agree("b", since=date(2026, 2, 2))).events
    assert isinstance(following, OfftakeAgreed)
    never_begun = end(date(2026, 1, 5))
    assert len(AGREED.given(never_begun).when(agree("b")).events) == 1


def test_only_an_agreement_that_stands_can_be_ended():
    Given(DECIDER).when(end(START)).refused(Reason.NOT_FOUND)
    AGREED.given(end(START)).when(end(START)).refused(Reason.ENDED)


def test_a_lot_out_of_specification_waits_for_an_assay_that_finds_it_fit():
    take = TakeAssay(mass_g=900, contents={"Sb": "0.997"}, on=date(2026, 2, 1))
    Given(delivery.DECIDER).when(take).then()  # it came under no right
    waiting = Given(delivery.DECIDER, AwaitAssay(lot="lot_1", right=RIGHT, product="antimony-metal", mass_g=1_000))
    taken = waiting.when(take).then(DeliveryAccepted)
    [accepted] = taken.events
    assert (accepted.right, accepted.mass_g, accepted.accepted_on) == (RIGHT, 900, date(2026, 2, 1))
    taken.when(take).then()  # once


def test_what_a_delivery_is_worth_repays_the_loan_once():
    [valued] = AGREED.when(deliver(mass_g=24_000, content="1")).events
    credit = CreditDelivery(
        payment=valued.payment, right=RIGHT, lot=valued.lot, amount_minor=valued.amount_minor, received_on=START, on=START
    )
    loan = lent().given(credit, credit)
    happened = loan.events
    assert names(happened) == ["DeliveryCredited"]
    assert minor(happened[0].change) == {"goods": 60_000, "credit": -60_000}
    assert loan.state.figures is not None
    assert loan.state.figures.credit_minor == 60_000
