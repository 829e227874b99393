"""Decisions after their rounds: an award is given back once, and a decision is superseded once, under an authority."""

from datetime import date
from typing import Any

from services.allocation.domain.decisions import renouncing, superseding
from services.allocation.domain.decisions.renouncing import GivenBack, RenounceAward
from services.allocation.domain.decisions.superseding import Superseded, SupersedeDecision
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
from services.allocation.events.authority import Act
from shared.journal.decider import Refused
from shared.terms.authority import Authority, Capacity, Fault, Kind, interest_in

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
        "acts": frozenset({Act.CANCEL_RELEASE}),
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
        "partners": frozenset({PartnerCode("JP")}),
        "companies": frozenset({"Sojitz"}),
        "capacity": capacity(),
        "reason": "a review found an error",
    }
    return SupersedeDecision(**(told | changes))


def refusal(decided: Any) -> str:
    assert isinstance(decided, Refused), decided
    return str(decided.code)


def test_an_award_is_given_back_once():
    decided = renouncing.decide(renounce(), GivenBack())
    assert not isinstance(decided, Refused)
    [event] = decided
    assert isinstance(event, AwardRenounced) and (event.award, event.decision) == ("awd_jp", DECISION)
    assert refusal(renouncing.decide(renounce(), renouncing.evolve(GivenBack(), event))) == "award_already_renounced"


def test_an_award_that_is_granted_again_may_be_given_back_again():
    state = GivenBack(DECISION)
    assert not isinstance(renouncing.decide(renounce(decision=AGAIN), state), Refused)


def test_only_what_inventory_has_released_is_given_back():
    for status in ("granted", "withdrawn"):
        assert refusal(renouncing.decide(renounce(status=status), GivenBack())) == "award_not_released"


def test_a_decision_is_superseded_once_under_an_authority():
    decided = superseding.decide(supersede(), Superseded())
    assert not isinstance(decided, Refused)
    event, cited = decided
    assert isinstance(event, DecisionSuperseded) and (event.decision, event.by_round) == (DECISION, "rnd_2")
    assert isinstance(cited, AuthorityCited) and (cited.matter, cited.cited.authority) == ("rnd_1", "ins_1")
    state = superseding.evolve(superseding.evolve(Superseded(), event), cited)
    assert refusal(superseding.decide(supersede(), state)) == "decision_already_superseded"


def test_a_decision_is_superseded_by_another_open_round_of_its_product_only():
    for changes in ({"other": None}, {"other": GALLIUM}, {"by_round": RoundId("rnd_1")}):
        assert refusal(superseding.decide(supersede(**changes), Superseded())) == "round_decides_nothing_again"
    assert refusal(superseding.decide(supersede(decision=None), Superseded())) == "round_not_released"


def test_nobody_supersedes_without_an_authority_that_covers_it():
    assert refusal(superseding.decide(supersede(capacity=capacity(held=())), Superseded())) == Fault.MISSING
    short = ((authority(limit_g=49),),)
    assert refusal(superseding.decide(supersede(capacity=capacity(held=short)), Superseded())) == Fault.OVER_LIMIT


def test_nobody_supersedes_who_has_an_interest_in_whom_the_decision_is_about():
    for about, name in (("round", "rnd_1"), ("product", ANTIMONY), ("partner", "JP"), ("company", "sojitz")):
        interested = capacity(conflicts=frozenset({interest_in(about, name)}))
        assert refusal(superseding.decide(supersede(capacity=interested), Superseded())) == Fault.CONFLICT
    elsewhere = capacity(conflicts=frozenset({interest_in("partner", "US")}))
    assert not isinstance(superseding.decide(supersede(capacity=elsewhere), Superseded()), Refused)
