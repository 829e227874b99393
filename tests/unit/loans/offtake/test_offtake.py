"""Repayment in kind: what a lot under a right is worth to a loan, and when it counts."""

from datetime import date
from typing import Any

import pytest

from services.loans.domain.loan.payments import CreditDelivery
from services.loans.domain.loan.state import LoanStatus
from services.loans.domain.offtake import delivery
from services.loans.domain.offtake.delivery import AwaitAssay, Delivery, TakeAssay
from services.loans.domain.offtake.offtake import AgreeOfftake, EndOfftake, Offtake, Reason, ValueDelivery, decide, evolve
from services.loans.events.offtake import DeliveryAccepted, DeliveryNotValued, DeliveryValued, OfftakeAgreed, OfftakeId
from shared.journal.decider import Refused
from tests.stories.loan import LOAN, START, lent, minor, names, told

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


def after(*commands: Any) -> Offtake:
    offtake = Offtake()
    for command in commands:
        events = decide(command, offtake)
        assert not isinstance(events, Refused), events
        for event in events:
            offtake = evolve(offtake, event)
    return offtake


def events_of(command: Any, *before: Any) -> Any:
    return decide(command, after(*before))


def test_a_delivery_is_worth_its_contained_grams_at_the_agreed_price():
    [valued] = events_of(deliver(), agree())
    assert isinstance(valued, DeliveryValued)
    assert (valued.loan, valued.payment, valued.contained_g, valued.amount_minor) == (LOAN, "pay_1", 996, 2491)  # 996.5 g; 2,491.25 cents
    assert (valued.content, valued.price, valued.share, valued.received_on) == ("0.9965", "2.5", "1", START)
    [prepaying] = events_of(deliver(), agree(prepays="instalment"))
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
    [event] = events_of(deliver(mass_g, content), agree(price=price, share=share))
    assert (event.amount_minor if isinstance(event, DeliveryValued) else 0) == amount_minor


def test_a_delivery_under_no_standing_agreement_repays_nothing():
    assert events_of(deliver()) == []
    assert events_of(deliver(on=date(2027, 1, 1)), agree()) == []
    assert events_of(deliver(on=date(2026, 3, 1)), agree(), end(date(2026, 2, 1))) == []
    assert len(events_of(deliver(on=date(2026, 2, 1)), agree(), end(date(2026, 2, 1)))) == 1


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
    [event] = events_of(deliver(**changes), agree())
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
    refused = events_of(agree(**changes))
    assert isinstance(refused, Refused)
    assert refused.code is reason


def test_a_right_has_one_agreement_at_a_time():
    refused = events_of(agree("b", since=UNTIL, until=date(2027, 12, 31)), agree())
    assert isinstance(refused, Refused)
    assert refused.code is Reason.AGREED_ALREADY
    [following] = events_of(agree("b", since=date(2026, 2, 2)), agree(), end(date(2026, 2, 1)))
    assert isinstance(following, OfftakeAgreed)
    never_begun = end(date(2026, 1, 5))
    assert len(events_of(agree("b"), agree(), never_begun)) == 1


def test_only_an_agreement_that_stands_can_be_ended():
    for refused, code in ((events_of(end(START)), Reason.NOT_FOUND), (events_of(end(START), agree(), end(START)), Reason.ENDED)):
        assert isinstance(refused, Refused)
        assert refused.code is code


def test_a_lot_out_of_specification_waits_for_an_assay_that_finds_it_fit():
    take = TakeAssay(mass_g=900, contents={"Sb": "0.997"}, on=date(2026, 2, 1))
    assert delivery.decide(take, Delivery()) == []  # it came under no right
    [waits] = delivery.decide(AwaitAssay(lot="lot_1", right=RIGHT, product="antimony-metal", mass_g=1_000), Delivery())
    waiting = delivery.evolve(Delivery(), waits)
    [accepted] = delivery.decide(take, waiting)
    assert isinstance(accepted, DeliveryAccepted)
    assert (accepted.right, accepted.mass_g, accepted.accepted_on) == (RIGHT, 900, date(2026, 2, 1))
    assert delivery.decide(take, delivery.evolve(waiting, accepted)) == []  # once


def test_what_a_delivery_is_worth_repays_the_loan_once():
    [valued] = events_of(deliver(mass_g=24_000, content="1"), agree())
    credit = CreditDelivery(
        payment=valued.payment, right=RIGHT, lot=valued.lot, amount_minor=valued.amount_minor, received_on=START, on=START
    )
    loan, happened = told(credit, credit, loan=lent())
    assert names(happened) == ["DeliveryCredited"]
    assert minor(happened[0].change) == {"goods": 60_000, "credit": -60_000}
    assert loan.figures is not None
    assert loan.figures.credit_minor == 60_000
