"""Superseding: a certified decision whose rest is taken back, since another round decides again. Both stay provable."""

from datetime import date
from enum import StrEnum

import msgspec

from services.allocation.events import AuthorityCited, DecisionHash, DecisionSuperseded, ProductId, RoundId, SubjectId
from services.allocation.events.authority import Act
from shared.authority import Chain, Exercise, Fault, Uncovered, narrowest
from shared.decider import Decider, Refused


class SupersedeDecision(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """`decision`: of the round, if inventory has released it. `other`: the product of `by_round`, if that is still to be decided.
    `held`: the authorities of the caller, `named`: the one that it acts under."""

    round: RoundId
    product: ProductId
    decision: DecisionHash | None
    awarded_g: int
    by_round: RoundId
    other: ProductId | None
    by: SubjectId
    held: tuple[Chain, ...]
    named: str | None
    reason: str
    on: date


class Reason(StrEnum):
    """Why a decision is not superseded."""

    NOT_RELEASED = "round_not_released"
    SUPERSEDED = "decision_already_superseded"
    NOT_TO_DECIDE = "round_decides_nothing_again"


class Superseded(msgspec.Struct, frozen=True):
    by_round: RoundId | None = None


type _Event = DecisionSuperseded | AuthorityCited


def decide(command: SupersedeDecision, state: Superseded) -> list[_Event] | Refused[Reason | Fault]:
    if state.by_round is not None:
        return Refused(Reason.SUPERSEDED, f"{command.round} is superseded by {state.by_round}")
    if command.decision is None:
        return Refused(Reason.NOT_RELEASED, f"{command.round} is not released", accepted="a round that inventory has released")
    if command.other != command.product or command.by_round == command.round:
        return Refused(
            Reason.NOT_TO_DECIDE,
            f"{command.by_round} does not decide on {command.product} again",
            field="/by_round",
            accepted="an open round of the same product",
        )
    exercise = Exercise(act=Act.CANCEL_RELEASE, by=command.by, on=command.on, product=command.product, mass_g=command.awarded_g)
    cited = narrowest(command.held, exercise, command.named)
    if isinstance(cited, Uncovered):
        return Refused(cited.fault, cited.detail, field="/authority", accepted=cited.accepted)
    return [
        DecisionSuperseded(
            round=command.round,
            product=command.product,
            decision=command.decision,
            by_round=command.by_round,
            superseded_by=command.by,
            reason=command.reason,
        ),
        AuthorityCited(matter=command.round, cited=cited),
    ]


def evolve(state: Superseded, event: _Event) -> Superseded:
    return Superseded(event.by_round) if isinstance(event, DecisionSuperseded) else state


DECIDER = Decider(kind="superseded", initial=Superseded(), commands=SupersedeDecision, decide=decide, evolve=evolve)
