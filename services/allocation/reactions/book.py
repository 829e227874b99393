"""What follows here from inventory's events, and in the books from allocation's own."""

from collections.abc import Mapping, Sequence
from typing import Any

from services.allocation.domain.book.carries import EndCarry, FollowAgreement
from services.allocation.domain.book.decider import OpenBook
from services.allocation.domain.book.giving_back import GiveBack
from services.allocation.domain.book.lapses import (
    AgreementChanged,
    AuthorityEnded,
    DisruptionChanged,
    InterestFound,
    KeyRevoked,
    LapseApprovals,
    PolicyChanged,
    ProtectedStockChanged,
)
from services.allocation.domain.book.rounds import CloseRound, ReopenRound
from services.allocation.domain.decisions.review import LapseReview, RequestReview
from services.allocation.domain.policies.policy import NoteUse, is_policy_name
from services.allocation.domain.tenders.decider import CloseTender, ReopenTender
from services.allocation.events import (
    AgreementAmended,
    AgreementEnded,
    AgreementId,
    AgreementResumed,
    AgreementSigned,
    AgreementSuspended,
    ApproverKeyRevoked,
    AwardId,
    ConflictDeclared,
    DecisionHash,
    DisruptionEnded,
    DisruptionId,
    DisruptionRevised,
    InstrumentEnded,
    PartnerCode,
    ProductId,
    RoundId,
    RoundOpened,
    SubjectId,
    is_tender,
)
from services.allocation.events.authority import ConflictLapsed, Tainted
from services.allocation.events.policies import PolicyActivated, PolicyWithdrawn
from services.allocation.reactions import clocks as clock_reactions
from services.inventory import events as inventory
from shared.delivery.inbox import Reaction
from shared.journal.codec import type_of
from shared.journal.record import Fact
from shared.journal.texts import TypedText

# What answers rounds, and what changes the stock that may be offered.
INVENTORY_TYPES = frozenset(
    type_of(event)
    for event in (
        inventory.ProductRegistered,
        inventory.LotTakenIn,
        inventory.LotMoved,
        inventory.AssayRecorded,
        inventory.ProtectedStockSet,
        inventory.HoldPutOn,
        inventory.HoldConfirmed,
        inventory.HoldLifted,
        inventory.StockAdjusted,
        inventory.RightAdded,
        inventory.RightMatured,
        inventory.RightExercised,
        inventory.RightTerminated,
        inventory.RightAssigned,
        inventory.StockReleased,
        inventory.StockPinned,
        inventory.StockDrawn,
        inventory.RoundReleased,
        inventory.RoundReleaseRefused,
        inventory.ReleaseLapsed,
        inventory.ReleaseCancelled,
        inventory.DecisionTakenBack,
        inventory.AssignmentFailed,
        inventory.AssignmentGivenBack,
        inventory.DeliveryPostponed,
        inventory.DrawReturned,
        *clock_reactions.OF_INVENTORY,
    )
)
OWN_TYPES = frozenset(
    type_of(event)
    for event in (
        AgreementSigned,
        AgreementAmended,
        AgreementEnded,
        AgreementSuspended,
        AgreementResumed,
        DisruptionRevised,
        DisruptionEnded,
        ApproverKeyRevoked,
        ConflictDeclared,
        ConflictLapsed,
        InstrumentEnded,
        RoundOpened,
        PolicyActivated,
        PolicyWithdrawn,
        *clock_reactions.OWN,
    )
)


def react_to_inventory(fact: Fact, documents: Mapping[str, bytes]) -> Sequence[Reaction]:
    match fact.event:
        case inventory.ProductRegistered(product=product):
            return [_in_book(product, OpenBook(product=ProductId(product)))]
        case inventory.ProtectedStockSet(product=product, mass_g=mass_g):
            return [_in_book(product, LapseApprovals(cause=ProtectedStockChanged(mass_g=mass_g)))]
        case inventory.RoundReleased(round=tender, decision=decision) if is_tender(tender):
            return [Reaction(f"tender/{tender}", CloseTender(decision=DecisionHash(decision)))]
        case inventory.RoundReleaseRefused(round=tender, decision=decision, reason=reason) if is_tender(tender):
            return [Reaction(f"tender/{tender}", ReopenTender(decision=DecisionHash(decision), reason=reason))]
        case inventory.RoundReleased(product=product, round=round, decision=decision):
            return [_in_book(product, CloseRound(round=RoundId(round), decision=DecisionHash(decision)))]
        case inventory.RoundReleaseRefused(product=product, round=round, decision=decision, reason=reason):
            return [_in_book(product, ReopenRound(round=RoundId(round), decision=DecisionHash(decision), reason=reason))]
        case inventory.DecisionTakenBack(product=product, round=round, decision=decision, mass_g=taken_g):
            back = GiveBack(
                round=RoundId(round), decision=DecisionHash(decision), mass_g=_by_partner(taken_g), whole=True, reason="superseded"
            )
            return [_in_book(product, back)]
        case inventory.ReleaseCancelled(product=product, fails=fails, partner=partner, mass_g=mass_g) if fails is not None:
            reason = "its release was taken back"
            failed = GiveBack(
                round=None,
                decision=DecisionHash(fails),
                mass_g=_by_partner({partner: mass_g}),
                whole=False,
                reason=reason,
                award=_award_of(fact.event.release),
            )
            return [_in_book(product, failed), *clock_reactions.of_stockpiles(fact)]
        case inventory.AssignmentFailed(product=product, decision=decision, partner=partner, mass_g=mass_g) as event:
            terminated = f"{event.right} was terminated, of which {event.project} was to deliver"
            reason = terminated if event.cause == "terminated" else f"{event.project} has not delivered what was assigned of {event.right}"
            failed = GiveBack(
                round=None,
                decision=DecisionHash(decision),
                mass_g=_by_partner({partner: mass_g}),
                whole=False,
                reason=reason,
                award=None if event.release is None else _award_of(event.release),
            )
            return [_in_book(product, failed)]
        case _:
            return clock_reactions.of_stockpiles(fact)  # or only the read tables need it


def _award_of(release: str) -> AwardId:
    return AwardId(f"awd_{release.removeprefix('rel_')}")


def _of_interest(tainted: Tainted, fact: Fact) -> Reaction:
    """An approval lapses before the round is certified, and is reviewed after."""
    if tainted.review is None:
        assert tainted.key is not None, "it lapses by its key"
        return _in_book(tainted.product, LapseApprovals(cause=InterestFound(round=tainted.round, key=tainted.key)))
    command = RequestReview(
        review=tainted.review,
        round=tainted.round,
        product=tainted.product,
        decision=tainted.decision,
        partner=None,
        grounds=(TypedText("a conflict of interest of somebody who decided it was declared after it was certified"),),
        by=SubjectId(fact.record.actor),
    )
    return Reaction(f"review/{tainted.review}", command)


def react_to_own(fact: Fact, documents: Mapping[str, bytes]) -> Sequence[Reaction]:
    """Terms, disruptions and keys have streams of their own; the decisions that were made from them stand in the books."""
    version = fact.record.version
    match fact.event:
        case AgreementSigned(agreement=agreement, partner=partner, products=products):
            return _agreement_changed(agreement, partner, version, [terms.product for terms in products])
        case AgreementAmended(agreement=agreement, partner=partner, products=products, dropped=dropped, valid_until=valid_until):
            change = AgreementChanged(agreement=agreement, partner=partner, version=version)
            return [
                *(_in_book(terms.product, FollowAgreement(change=change, valid_until=valid_until)) for terms in products),
                *(_in_book(product, EndCarry(change=change)) for product in dropped),
            ]
        case AgreementEnded(agreement=agreement, partner=partner, products=products):
            change = AgreementChanged(agreement=agreement, partner=partner, version=version)
            return [_in_book(product, EndCarry(change=change)) for product in products]
        case (
            AgreementSuspended(agreement=agreement, partner=partner, products=products)
            | AgreementResumed(agreement=agreement, partner=partner, products=products)
        ):
            return _agreement_changed(agreement, partner, version, products)
        case DisruptionRevised(disruption=disruption, products=products) | DisruptionEnded(disruption=disruption, products=products):
            return _disruption_changed(disruption, version, products)
        case ApproverKeyRevoked(key=key, products=products):
            return [_in_book(product, LapseApprovals(cause=KeyRevoked(key=key))) for product in products]
        case ConflictDeclared(tainted=tainted):
            return [_of_interest(each, fact) for each in tainted]
        case ConflictLapsed(reviews=reviews):
            return [Reaction(f"review/{each}", LapseReview(review=each)) for each in reviews]
        case InstrumentEnded(instrument=instrument, products=products):
            return [_in_book(product, LapseApprovals(cause=AuthorityEnded(instrument=instrument))) for product in products]
        case RoundOpened(policy=policy, product=product):
            return [Reaction(f"policy/{policy}", NoteUse(product=product))] if is_policy_name(policy) else ()
        case (
            PolicyActivated(policy=policy, version=active, products=products)
            | PolicyWithdrawn(policy=policy, active=active, products=products)
        ):
            return [_in_book(product, LapseApprovals(cause=PolicyChanged(policy=policy, version=active))) for product in products]
        case _:
            return clock_reactions.of_books(fact)


def _agreement_changed(agreement: AgreementId, partner: PartnerCode, version: int, products: Sequence[ProductId]) -> list[Reaction]:
    cause = AgreementChanged(agreement=agreement, partner=partner, version=version)
    return [_in_book(product, LapseApprovals(cause=cause)) for product in products]


def _disruption_changed(disruption: DisruptionId, version: int, products: Sequence[ProductId]) -> list[Reaction]:
    cause = DisruptionChanged(disruption=disruption, version=version)
    return [_in_book(product, LapseApprovals(cause=cause)) for product in products]


def _by_partner(mass_g: Mapping[str, int]) -> dict[PartnerCode, int]:
    return {PartnerCode(partner): grams for partner, grams in mass_g.items()}


def _in_book(product: str, command: Any) -> Reaction:
    return Reaction(f"book/{product}", command)
