"""Decisions after their rounds: an award is given back once, and a decision is superseded once, under an authority."""

from datetime import date
from typing import Any

from services.allocation.domain.decisions import renouncing, superseding
from services.allocation.domain.decisions.renouncing import RenounceAward
from services.allocation.domain.decisions.superseding import SupersedeDecision
from services.allocation.events import (
    AuthorityCited,
    AwardId,
    AwardRenounced,
    DecisionHash,
    DecisionSuperseded,
    PartnerCode,
    ProductId,
    RequestId,
    RoundId,
)
from services.allocation.events.authority import Power
from shared.terms.authority import Authority, Capacity, Fault, Kind, interest_in
from tests.stories.given import Given

DECISION, AGAIN = DecisionHash("ab" * 32), DecisionHash("cd" * 32)
ANTIMONY, GALLIUM = ProductId("antimony-metal"), ProductId("gallium-metal")
TODAY = date(2026, 1, 6)


def renounce(**changes: Any) -> RenounceAward:
    told: dict[str, Any] = {
        "award": AwardId("awd_jp"),
        "round": RoundId("rnd_1"),
        "request": RequestId("req_jp"),
        "product": ANTIMONY,
        "partner": PartnerCode("JP"),
        "decision": DECISION,
        "status": "released",
        "reason": "met elsewhere",
    }
    return RenounceAward(**(told | changes))


def authority(**changes: Any) -> Authority:
    told: dict[str, Any] = {
        "id": "ins_1",
        "version": 1,
        "kind": Kind.ACT,
        "under": None,
        "holder": "operator-1",
        "acts": frozenset({Power.CANCEL_RELEASE}),
        "valid_from": date(2026, 1, 1),
        "valid_until": date(2026, 12, 31),
    }
    return Authority(**(told | changes))


def capacity(**changes: Any) -> Capacity:
    return Capacity(**({"by": "operator-1", "on": TODAY, "held": ((authority(),),)} | changes))


def supersede(**changes: Any) -> SupersedeDecision:
    told: dict[str, Any] = {
        "round": RoundId("rnd_1"),
        "product": ANTIMONY,
        "decision": DECISION,
        "awarded_g": 50,
        "by_round": RoundId("rnd_2"),
        "other": ANTIMONY,
        "partners": (PartnerCode("JP"),),
        "companies": ("Sojitz",),
        "capacity": capacity(),
        "reason": "a review found an error",
    }
    return SupersedeDecision(**(told | changes))


def test_an_award_is_given_back_once():
    back = Given(renouncing.DECIDER).when(renounce()).then(AwardRenounced)
    [event] = back.events
    assert (event.award, event.decision) == ("awd_jp", DECISION)
    back.when(renounce()).refused("award_already_renounced")


def test_an_award_that_is_granted_again_may_be_given_back_again():
    Given(renouncing.DECIDER, renounce()).given(renounce(decision=AGAIN))


def test_only_what_inventory_has_released_is_given_back():
    for status in ("granted", "withdrawn"):
        Given(renouncing.DECIDER).when(renounce(status=status)).refused("award_not_released")


STANDS = Given(superseding.DECIDER)


def test_a_decision_is_superseded_once_under_an_authority():
    gone = STANDS.when(supersede()).then(DecisionSuperseded, AuthorityCited)
    event, cited = gone.events
    assert (event.decision, event.by_round) == (DECISION, "rnd_2")
    assert (cited.matter, cited.cited.authority) == ("rnd_1", "ins_1")
    gone.when(supersede()).refused("decision_already_superseded")


def test_a_decision_is_superseded_by_another_open_round_of_its_product_only():
    for changes in ({"other": None}, {"other": GALLIUM}, {"by_round": RoundId("rnd_1")}):
        STANDS.when(supersede(**changes)).refused("round_decides_nothing_again")
    STANDS.when(supersede(decision=None)).refused("round_not_released")


def test_nobody_supersedes_without_an_authority_that_covers_it():
    STANDS.when(supersede(capacity=capacity(held=()))).refused(Fault.MISSING)
    STANDS.when(supersede(capacity=capacity(held=((authority(limit_g=49),),)))).refused(Fault.OVER_LIMIT)


def test_nobody_supersedes_who_has_an_interest_in_whom_the_decision_is_about():
    for about, name in (("round", "rnd_1"), ("product", ANTIMONY), ("partner", "JP"), ("company", "sojitz")):
        interested = capacity(conflicts=frozenset({interest_in(about, name)}))
        STANDS.when(supersede(capacity=interested)).refused(Fault.CONFLICT)
    elsewhere = capacity(conflicts=frozenset({interest_in("partner", "US")}))
    STANDS.given(supersede(capacity=elsewhere))
