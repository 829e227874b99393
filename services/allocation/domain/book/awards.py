"""Awards of a round: granted when it is certified, withdrawn when inventory cannot release them."""

from collections.abc import Iterator
from datetime import date

from services.allocation.domain.book.state import Book, Round
from services.allocation.domain.rules.cover import days_of_cover
from services.allocation.events import (
    Award,
    AwardGranted,
    AwardId,
    AwardWithdrawn,
    DecisionHash,
    LoanAwarded,
    ProductId,
    RequestId,
    RoundId,
)


def grant(
    award: Award, round_id: RoundId, product: ProductId, book: Book, decision: DecisionHash, expires_on: date
) -> list[AwardGranted | LoanAwarded]:
    request = book.requests[award.request]
    granted = AwardGranted(
        award=award.award,
        round=round_id,
        request=award.request,
        product=product,
        partner=award.partner,
        mass_g=award.mass_g,
        daily_consumption_g=request.daily_consumption_g,
        days_of_cover=days_of_cover(award.mass_g, request.daily_consumption_g),
        decision=decision,
        expires_on=expires_on,
    )
    if request.return_on is None:
        return [granted]
    lent = LoanAwarded(
        award=award.award,
        round=round_id,
        request=award.request,
        product=product,
        partner=award.partner,
        mass_g=award.mass_g,
        return_on=request.return_on,
        decision=decision,
        expires_on=expires_on,
    )
    return [granted, lent]


def withdrawn(round_id: RoundId, product: ProductId, book: Book, round: Round, reason: str) -> Iterator[AwardWithdrawn]:
    for request_id in sorted(round.requests):
        request = book.requests[request_id]
        if request.awarded_g:
            yield AwardWithdrawn(
                award=award_of(request_id),
                round=round_id,
                request=request_id,
                product=product,
                partner=request.partner,
                reason=reason,
            )


def award_of(request: RequestId) -> AwardId:
    """An award is named after its request, which has at most one that stands."""
    return AwardId(f"awd_{request.removeprefix('req_')}")
