"""Superseding: a certified decision whose rest is taken back, since another round decides again. Both stay provable."""

import immutables
import msgspec
from msgspec.structs import replace

from services.allocation.domain.book.authority import concerns_of
from services.allocation.events import AuthorityCited, DecisionHash, DecisionSuperseded, PartnerCode, ProductId, RoundId, SubjectId
from services.allocation.events.authority import Power
from shared.journal.decider import Decider, Reasons, Refused
from shared.journal.texts import TypedText
from shared.terms.authority import Action, Capacity, Fault, cite
from shared.terms.countersigning import ProposedCommand


class SupersedeDecision(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """`decision`: of the round, if inventory has released it. `other`: the product of `by_round`, if that is still to be decided.
    `partners` and `companies`: those that the round's requests name. `capacity`: of who signs it; None: nobody has yet."""

    round: RoundId
    product: ProductId
    decision: DecisionHash | None
    awarded_g: int
    by_round: RoundId
    other: ProductId | None
    partners: tuple[PartnerCode, ...]
    companies: tuple[str, ...]
    capacity: Capacity | None
    reason: TypedText


class Reason(Reasons):
    """Why a decision is not superseded."""

    NOT_RELEASED = "round_not_released", 409, "The round is not released"
    SUPERSEDED = "decision_already_superseded", 409, "The decision is superseded already"
    NOT_TO_DECIDE = "round_decides_nothing_again", 409, "The other round is not a new decision of this one"


class Superseded(msgspec.Struct, frozen=True):
    by_round: RoundId | None = None
    proposals: immutables.Map[str, ProposedCommand] = immutables.Map()  # that wait for another person's signature


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
    concerns = concerns_of(command.round, command.product, command.partners, command.companies)
    cited = cite(command.capacity, Action(act=Power.CANCEL_RELEASE, product=command.product, mass_g=command.awarded_g, concerns=concerns))
    if isinstance(cited, Refused):
        return cited
    return [
        DecisionSuperseded(
            round=command.round,
            product=command.product,
            decision=command.decision,
            by_round=command.by_round,
            superseded_by=SubjectId(cited.by),
            reason=command.reason,
            gives_back=True,
        ),
        AuthorityCited(matter=command.round, cited=cited),
    ]


def evolve(state: Superseded, event: _Event) -> Superseded:
    return replace(state, by_round=event.by_round) if isinstance(event, DecisionSuperseded) else state


DECIDER = Decider(kind="superseded", initial=Superseded(), commands=SupersedeDecision, decide=decide, evolve=evolve)
