"""Reactions: what loans' own events make its other streams do, and what other services' events do here."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from services.allocation import events as allocation
from services.inventory import events as inventory
from services.loans.domain.equity.decider import CommitHolding, RefuseHolding
from services.loans.domain.facility.headroom import ReleaseHeadroom, ReserveHeadroom, TellDefault
from services.loans.domain.loan.advances import LearnEvidence
from services.loans.domain.loan.agreement import CommitLoan, RefuseCommitment
from services.loans.domain.loan.defaults import NoteCrossDefault
from services.loans.domain.loan.payments import CreditDelivery
from services.loans.domain.loan.servicing import TakePublications
from services.loans.domain.loan.state import guaranteed_by
from services.loans.domain.material.held import EndDrawing, LentGoods, RecordLent, RecordTakenBack
from services.loans.domain.material.returns import CreditReturn, TurnBackReturn
from services.loans.domain.material.terms import CommitMaterialLoan, OfferMaterialLoan, RefuseMaterialLoan, WithdrawOffer
from services.loans.domain.offtake.delivery import AwaitAssay, TakeAssay
from services.loans.domain.offtake.offtake import ValueDelivery
from services.loans.domain.projects.project import EndRight, RecordRight, Watch, news_of, project_of
from services.loans.domain.rates.reference import FollowReferenceRate, LeaveReferenceRate
from services.loans.events.defaults import DefaultConfirmed, DefaultCured, LoanDefaulted
from services.loans.events.equity import HoldingApproved, HoldingClosed, UncalledCancelled
from services.loans.events.facility import BorrowerDefaulted, CommitmentId, FacilityId, Guaranteed, HeadroomRefused, HeadroomReserved
from services.loans.events.loan import CommitmentCancelled, LoanApproved, LoanClosed, LoanCommitted, LoanId, LoanImported
from services.loans.events.material import (
    DrawingEnded,
    MaterialLoanClosed,
    MaterialLoanId,
    MaterialLoanWithdrawn,
    MaterialReplaced,
    MaterialTakenBack,
    MaterialTermsApproved,
    ReturnCredited,
    ReturnId,
)
from services.loans.events.offtake import DeliveryAccepted, DeliveryValued
from services.loans.events.project import ProjectFactRecorded, ProjectFactWithdrawn, ProjectWatched
from services.loans.events.rates import Lent, Publication, RateCode, ReferenceRateFollowed, ReferenceRatePublished
from shared.delivery.inbox import Reaction
from shared.journal.codec import type_of
from shared.journal.record import Fact
from shared.journal.texts import TypedText

ALLOCATION_TYPES = frozenset(
    type_of(event)
    for event in (allocation.ApproverKeyEnrolled, allocation.ApproverKeyRevoked, allocation.LoanAwarded, allocation.AwardWithdrawn)
)
INVENTORY_TYPES = frozenset(
    type_of(event)
    for event in (
        inventory.ProductRegistered,
        inventory.RightAdded,
        inventory.RightExercised,
        inventory.RightTerminated,
        inventory.LotTakenIn,
        inventory.AssayRecorded,
        inventory.MaterialLent,
        inventory.LentDrawReturned,
        inventory.ReleaseLapsed,
        inventory.ReleaseCancelled,
        inventory.ReturnTakenIn,
        inventory.ReturnRefused,
    )
)
OWN_TYPES = frozenset(
    type_of(event)
    for event in (
        LoanApproved,
        LoanImported,
        LoanCommitted,
        CommitmentCancelled,
        LoanClosed,
        LoanDefaulted,
        DefaultConfirmed,
        DefaultCured,
        BorrowerDefaulted,
        HoldingApproved,
        UncalledCancelled,
        HoldingClosed,
        HeadroomReserved,
        HeadroomRefused,
        ProjectFactRecorded,
        ProjectFactWithdrawn,
        ProjectWatched,
        ReferenceRatePublished,
        ReferenceRateFollowed,
        MaterialTermsApproved,
        MaterialLoanWithdrawn,
        MaterialTakenBack,
        DrawingEnded,
        ReturnCredited,
        MaterialReplaced,
        MaterialLoanClosed,
        DeliveryAccepted,
        DeliveryValued,
    )
)


def react_to_allocation(fact: Fact, documents: Mapping[str, bytes]) -> Sequence[Reaction]:
    """An award of kind loan is offered; one that has gone takes its offer with it."""
    match fact.event:
        case allocation.LoanAwarded() as event:
            offer = OfferMaterialLoan(
                loan=material_loan_of(event.award),
                award=event.award,
                decision=event.decision,
                release=f"rel_{event.award.removeprefix('awd_')}",
                product=event.product,
                partner=event.partner,
                mass_g=event.mass_g,
                return_on=event.return_on,
                draw_by=event.expires_on,
            )
            return [_to_material(event.award, offer)]
        case allocation.AwardWithdrawn() as event:
            return [_to_material(event.award, WithdrawOffer(reason=TypedText(event.reason)))]
        case _:
            return ()


def react_to_inventory(fact: Fact, documents: Mapping[str, bytes]) -> Sequence[Reaction]:
    match fact.event:
        case inventory.MaterialLent() as event:
            lent = RecordLent(
                draw=event.draw,
                goods=tuple(LentGoods(mass_g=each.mass_g, contained_g=each.contained_g) for each in event.parcels),
                undrawn_g=event.remaining_g,
                on=date.fromisoformat(fact.record.effective_on),
            )
            return [_to_material(event.award, lent)]
        case inventory.LentDrawReturned() as event:
            return [_to_material(event.award, RecordTakenBack(draw=event.draw))]
        case inventory.ReleaseLapsed() | inventory.ReleaseCancelled() as event:
            return [_to_material(event.release, EndDrawing(undrawn_g=event.mass_g))]
        case inventory.ReturnTakenIn() as event:
            return [_to_material(event.loan, CreditReturn(returned=ReturnId(event.returned), taken_in_as=event.lot))]
        case inventory.ReturnRefused() as event:
            back = TurnBackReturn(returned=ReturnId(event.returned), reason=event.reason, detail=event.detail)
            return [_to_material(event.loan, back)]
        case inventory.RightAdded(kind="firm_offtake") | inventory.RightExercised() as event:
            return [_add_right(event, fact)]
        case inventory.RightTerminated() as event:
            project = project_of(event.project)
            return [Reaction(f"project/{project}", EndRight(project=project, right=event.right))]
        case inventory.LotTakenIn(right=str(right)) as event:
            return [_take_delivery(event, right, fact)]
        case inventory.AssayRecorded(from_status="quarantined", to_status="available") as event:
            on = date.fromisoformat(fact.record.effective_on)
            return [Reaction(f"delivery/{event.lot}", TakeAssay(mass_g=event.mass_g, contents=event.assay.contents, on=on))]
        case _:
            return ()


def _take_delivery(event: inventory.LotTakenIn, right: str, fact: Fact) -> Reaction:
    """Goods out of specification repay nothing yet."""
    if event.status == "quarantined":
        awaited = AwaitAssay(lot=event.lot, right=right, product=event.product, mass_g=event.mass_g)
        return Reaction(f"delivery/{event.lot}", awaited)
    received_on = date.fromisoformat(fact.record.effective_on)
    return _value(right, event.lot, event.product, event.mass_g, event.assay.contents, received_on)


def _value(right: str, lot: str, product: str, mass_g: int, contents: dict[str, str], received_on: date) -> Reaction:
    command = ValueDelivery(lot=lot, product=product, mass_g=mass_g, contents=contents, received_on=received_on)
    return Reaction(f"offtake/{right}", command)


def _add_right(event: inventory.RightAdded | inventory.RightExercised, fact: Fact) -> Reaction:
    project = project_of(event.project)
    command = RecordRight(
        project=project,
        right=event.right,
        product=event.product,
        mass_g=event.mass_g,
        since=date.fromisoformat(fact.record.effective_on),
        until=event.window_to,
        place=fact.place,
    )
    return Reaction(f"project/{project}", command)


def react_to_own(fact: Fact, documents: Mapping[str, bytes]) -> Sequence[Reaction]:
    """A commitment is one conversation with its facility; what becomes known of a project is told to the loans that watch it."""
    on = date.fromisoformat(fact.record.effective_on)
    match fact.event:
        case LoanApproved() as event:
            return [_reserve(event.facility, event.loan, event.currency, event.commitment_minor, event.keys, event.guaranteed)]
        case LoanImported(terms=terms) as event:
            return [_reserve(terms.facility, event.loan, terms.currency, terms.commitment_minor, event.keys, guaranteed_by(terms))]
        case HoldingApproved() as event:
            return [_reserve(event.facility, event.holding, event.currency, event.commitment_minor, event.keys)]
        case HeadroomReserved(commitment=commitment) if commitment.startswith("lon_"):
            return [Reaction(f"loan/{commitment}", CommitLoan(on=on))]
        case HeadroomReserved(commitment=commitment) if commitment.startswith("eqh_"):
            return [Reaction(f"equity/{commitment}", CommitHolding(on=on))]
        case HeadroomRefused(commitment=commitment) as event if commitment.startswith("lon_"):
            return [Reaction(f"loan/{commitment}", RefuseCommitment(reason=event.reason, detail=event.detail))]
        case HeadroomRefused(commitment=commitment) as event if commitment.startswith("eqh_"):
            return [Reaction(f"equity/{commitment}", RefuseHolding(reason=event.reason, detail=event.detail))]
        case HeadroomReserved(commitment=commitment) if commitment.startswith("mln_"):
            return [_to_material(commitment, CommitMaterialLoan())]
        case HeadroomRefused(commitment=commitment) as event if commitment.startswith("mln_"):
            return [_to_material(commitment, RefuseMaterialLoan(reason=event.reason, detail=event.detail))]
        case LoanCommitted() as event:
            return [Reaction(f"project/{event.project}", Watch(project=event.project, loan=event.loan)), *_follow(event)]
        case CommitmentCancelled() as event:
            return [_release(event.facility, event.loan, event.amount_minor)]
        case UncalledCancelled() as event:
            return [_release(event.facility, event.holding, event.amount_minor)]
        case LoanClosed() as event:
            return [_tell_default(event.facility, event.loan, ended=True), _release(event.facility, event.loan, None), *_leave(event)]
        case LoanDefaulted(facility=str(facility), lapses_at=None) | DefaultConfirmed(facility=str(facility)) as event:
            return [_tell_default(facility, event.loan, ended=False)]
        case DefaultCured() as event:
            return [_tell_default(event.facility, event.loan, ended=True)]
        case BorrowerDefaulted() as event:
            told = NoteCrossDefault(by=LoanId(event.commitment), ended=event.ended, on=on)
            return [Reaction(f"loan/{other}", told) for other in event.others if other.startswith("lon_")]
        case HoldingClosed() as event:
            return [_release(event.facility, event.holding, None)]
        case MaterialTermsApproved() as event:
            return [_reserve(event.facility, event.loan, f"contained/{event.element}", event.contained_g, event.keys)]
        case MaterialTakenBack(facility=where, lent_g=freed_g) | DrawingEnded(facility=where, freed_g=freed_g) as event:
            return [_release(where, event.loan, freed_g)]
        case ReturnCredited(facility=where, principal_g=freed_g) | MaterialReplaced(facility=where, principal_g=freed_g) as event:
            return [_release(where, event.loan, freed_g)]
        case MaterialLoanClosed() as event:
            return [_release(event.facility, event.loan, None)]
        case MaterialLoanWithdrawn() as event:
            return [] if event.facility is None else [_release(event.facility, event.loan, None)]
        case ReferenceRatePublished() as event:
            return [_tell_rate(loan, event.rate, event.calendar, (event.publication,), on) for loan in event.followers]
        case ReferenceRateFollowed() as event:
            return [_tell_rate(event.loan, event.rate, event.calendar, event.publications, on)]
        case ProjectFactRecorded() | ProjectFactWithdrawn() | ProjectWatched():
            news = news_of(fact.event)
            learn = LearnEvidence(learnt=news.learnt, forgotten=news.forgotten, on=on)
            return [Reaction(f"loan/{loan}", learn) for loan in news.loans]
        case DeliveryAccepted() as event:
            return [_value(event.right, event.lot, event.product, event.mass_g, event.contents, event.accepted_on)]
        case DeliveryValued() as event:
            return [_credit(event, on)]
        case _:
            return ()


def _to_material(id: str, command: Any) -> Reaction:
    return Reaction(f"material/{material_loan_of(id)}", command)


def material_loan_of(id: str) -> MaterialLoanId:
    """`awd_01j...`, or `rel_01j...` -> `mln_01j...`: an award's release and loan have its id."""
    return MaterialLoanId(f"mln_{id.partition('_')[2]}")


def _credit(event: DeliveryValued, on: date) -> Reaction:
    command = CreditDelivery(
        payment=event.payment,
        right=event.right,
        lot=event.lot,
        amount_minor=event.amount_minor,
        received_on=event.received_on,
        prepays=event.prepays,
        on=on,
    )
    return Reaction(f"loan/{event.loan}", command)


def _reserve(
    facility: FacilityId, commitment: str, asset: str, amount: int, keys: tuple[str, ...], guaranteed: tuple[Guaranteed, ...] = ()
) -> Reaction:
    command = ReserveHeadroom(
        facility=facility, commitment=CommitmentId(commitment), asset=asset, amount=amount, keys=keys, guaranteed=guaranteed
    )
    return Reaction(f"facility/{facility}", command)


def _follow(event: LoanCommitted) -> list[Reaction]:
    if not isinstance(rate := event.reference_rate, str):
        return []
    lent = Lent(companies=(event.borrower, event.project), currency=event.currency, commitment_minor=event.commitment_minor)
    return [Reaction(f"reference/{rate}", FollowReferenceRate(rate=rate, loan=event.loan, lent=lent, since=event.on))]


def _leave(event: LoanClosed) -> list[Reaction]:
    if not isinstance(rate := event.reference_rate, str):
        return []
    return [Reaction(f"reference/{rate}", LeaveReferenceRate(rate=rate, loan=event.loan))]


def _tell_rate(loan: LoanId, rate: RateCode, calendar: str, publications: tuple[Publication, ...], on: date) -> Reaction:
    return Reaction(f"loan/{loan}", TakePublications(rate=rate, calendar=calendar, publications=publications, on=on))


def _tell_default(facility: str, loan: LoanId, *, ended: bool) -> Reaction:
    return Reaction(f"facility/{facility}", TellDefault(commitment=CommitmentId(loan), ended=ended))


def _release(facility: FacilityId, commitment: str, amount: int | None) -> Reaction:
    return Reaction(f"facility/{facility}", ReleaseHeadroom(commitment=CommitmentId(commitment), amount=amount))
