"""Award: given back by its partner, once. What it had drawn it keeps."""

import msgspec

from services.allocation.events import AwardId, AwardRenounced, DecisionHash, PartnerCode, ProductId, RequestId, RoundId
from shared.journal.decider import Decider, Reasons, Refused
from shared.journal.texts import TypedText


class RenounceAward(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """`status`: as looked up."""

    award: AwardId
    round: RoundId
    request: RequestId
    product: ProductId
    partner: PartnerCode
    decision: DecisionHash
    status: str
    reason: TypedText


class Reason(Reasons):
    """Why an award is not given back."""

    NOT_RELEASED = "award_not_released", 409, "The award is not released"
    RENOUNCED = "award_already_renounced", 409, "The award was given back"


class GivenBack(msgspec.Struct, frozen=True):
    decision: DecisionHash | None = None  # the award's, when it was given back


def decide(command: RenounceAward, award: GivenBack) -> list[AwardRenounced] | Refused[Reason]:
    if award.decision == command.decision:
        return Refused(Reason.RENOUNCED, f"{command.award} was given back before")
    if command.status != "released":
        return Refused(Reason.NOT_RELEASED, f"{command.award} is {command.status}", accepted="an award that inventory has released")
    return [
        AwardRenounced(
            award=command.award,
            round=command.round,
            request=command.request,
            product=command.product,
            partner=command.partner,
            decision=command.decision,
            reason=command.reason,
        )
    ]


def evolve(award: GivenBack, event: AwardRenounced) -> GivenBack:
    return GivenBack(event.decision)


DECIDER = Decider(kind="award", initial=GivenBack(), commands=RenounceAward, decide=decide, evolve=evolve)
