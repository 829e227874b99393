"""Reactions: what other services' events make a stockpile do."""

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Any

import msgspec

from services.allocation.events import (
    AgreementResumed,
    AgreementSuspended,
    AgreementSuspensionConfirmed,
    Award,
    AwardRenounced,
    DecisionRatified,
    DecisionSuperseded,
    LoanAwarded,
    PoolStock,
    RatificationMissed,
    ReleaseOrder,
    RoundCertified,
    TenderCertified,
)
from services.inventory.domain.holds import ConfirmPartnerHold, FreePartner, FreeRound, HoldPartner, HoldRound
from services.inventory.domain.loans import LOAN_COMMITTED, AnnounceLoan, OpenLoanGate, TakeInReturn
from services.inventory.domain.lots import TakeInLot
from services.inventory.domain.pinning import ReleasePool, Take
from services.inventory.domain.releases import AwardedRelease, ReleaseRound, TakeBackDecision, TakeBackRelease
from services.inventory.events import Assay, GateEvidence, HoldId, LotId, ProductId, ReleaseId
from services.inventory.projections.dispatch import Pinned
from services.ledger.events import CheckpointSigned
from services.loans.events.material import MaterialLoanCommitted, MaterialLoanWithdrawn, ReturnSettled
from shared.delivery.inbox import Reaction
from shared.journal.record import Fact
from shared.journal.texts import TypedText


def react_to_allocation(fact: Fact, documents: Mapping[str, bytes]) -> Sequence[Reaction]:
    """A certified round, or tender, is released as one command. An award names its release, so the same award is never released twice.

    Which awards are loans is told before, by the same book: so a release is known to be one from the moment that it is there.
    """
    event: Any = fact.event
    if isinstance(event, LoanAwarded):
        return (_announce(event),)
    if isinstance(event, RatificationMissed):
        reason = f"not ratified by {event.ratify_by.isoformat()}"
        held = HoldRound(round=event.round, decision=event.decision, reason=reason, on=_day_of(fact))
        return (Reaction(f"stockpile/{event.product}", held),)
    if isinstance(event, DecisionRatified):
        free = FreeRound(round=event.round, decision=event.decision, reason="ratified late", on=_day_of(fact))
        return (Reaction(f"stockpile/{event.product}", free),) if event.late else ()
    if isinstance(event, AgreementSuspended | AgreementSuspensionConfirmed | AgreementResumed):
        return [_suspend(event, product, _day_of(fact)) for product in event.products]
    if isinstance(event, AwardRenounced):
        back = TakeBackRelease(release=release_of(event.award), decision=event.decision, reason=TypedText("given back"))
        return (Reaction(f"stockpile/{event.product}", back),)
    if isinstance(event, DecisionSuperseded):
        reason = TypedText(f"superseded by {event.by_round}")
        back_all = TakeBackDecision(round=event.round if event.gives_back else None, decision=event.decision, reason=reason)
        return (Reaction(f"stockpile/{event.product}", back_all),)
    if not isinstance(event, RoundCertified | TenderCertified):
        return ()
    product = ProductId(event.product)
    awards, pools = _ordered(event, documents)
    command = ReleaseRound(
        product=product,
        round=event.round if isinstance(event, RoundCertified) else event.tender,
        decision=event.decision,
        awards=tuple(
            AwardedRelease(
                release=release_of(award.award),
                award=award.award,
                request=award.request,
                partner=award.partner,
                mass_g=award.mass_g,
                takes=tuple(Take(pool=take.pool, unit_g=take.unit_g, units=take.units) for take in award.takes),
            )
            for award in awards
        ),
        pools=tuple(ReleasePool(pool=pool.pool, source=pool.kind, lots=tuple(map(LotId, pool.lots))) for pool in pools),
        expires_on=event.expires_on,
        on=_day_of(fact),
    )
    return (Reaction(f"stockpile/{product}", command),)


def _day_of(fact: Fact) -> date:
    return date.fromisoformat(fact.record.effective_on)


def _ordered(event: RoundCertified | TenderCertified, documents: Mapping[str, bytes]) -> tuple[tuple[Award, ...], tuple[PoolStock, ...]]:
    """What is awarded, and of what. Raises `KeyError`, which stops the line, where its source does not have the document."""
    if event.release_order is None:
        return event.awards, ()  # as a round's stood before there were release orders
    order = msgspec.json.decode(documents[event.release_order], type=ReleaseOrder)
    return order.awards, order.pools


def _suspend(event: AgreementSuspended | AgreementSuspensionConfirmed | AgreementResumed, product: str, on: date) -> Reaction:
    """What is released to the partner of each product is held, or free again."""
    hold = HoldId(event.hold)
    if isinstance(event, AgreementResumed):
        return Reaction(f"stockpile/{product}", FreePartner(hold=hold, reason=TypedText("the agreement is resumed"), on=on))
    if isinstance(event, AgreementSuspensionConfirmed):
        return Reaction(f"stockpile/{product}", ConfirmPartnerHold(hold=hold, confirmed_by=event.confirmed_by, on=on))
    command = HoldPartner(
        hold=hold,
        partner=event.partner,
        agreement=event.agreement,
        reason=TypedText("the agreement is suspended"),
        suspended_by=event.suspended_by,
        suspended_to=event.lapses_at,
        on=on,
    )
    return Reaction(f"stockpile/{product}", command)


def _announce(event: LoanAwarded) -> Reaction:
    command = AnnounceLoan(
        product=ProductId(event.product),
        release=release_of(event.award),
        award=event.award,
        decision=event.decision,
        partner=event.partner,
        return_on=event.return_on,
    )
    return Reaction(f"stockpile/{event.product}", command)


def react_to_loans(fact: Fact, _documents: Mapping[str, bytes]) -> Sequence[Reaction]:
    """A loan's commitment opens its release, its withdrawal ends it, and what a return is settled at comes in as a lot."""
    match fact.event:
        case MaterialLoanCommitted() as event:
            gate = GateEvidence(gate=LOAN_COMMITTED, evidence=f"{fact.place}, terms {event.document}", by="loans")
            opened = OpenLoanGate(
                product=ProductId(event.product),
                release=ReleaseId(event.release),
                decision=event.decision,
                partner=event.partner,
                gate=gate,
            )
            return (Reaction(f"stockpile/{event.product}", opened),)
        case MaterialLoanWithdrawn() as event:
            off = TakeBackRelease(release=ReleaseId(event.release), decision=event.decision, reason=TypedText("the loan was withdrawn"))
            return (Reaction(f"stockpile/{event.product}", off),)
        case ReturnSettled() as event:
            return (Reaction(f"stockpile/{event.product}", _returned(event, fact)),)
        case _:
            return ()


def _returned(event: ReturnSettled, fact: Fact) -> TakeInReturn:
    lot, assay = event.lot, event.assay
    return TakeInReturn(
        product=ProductId(event.product),
        loan=event.loan,
        returned=event.returned,
        partner=event.partner,
        delivery=TakeInLot(
            lot=LotId(f"lot_{event.returned.removeprefix('mrt_')}"),
            depot=lot.depot,
            units=lot.units,
            nominal_unit_g=lot.nominal_unit_g,
            serials=lot.serials,
            origin=lot.origin,
            custody_model=lot.custody_model,
            assay=Assay(
                report=assay.report,
                laboratory=assay.laboratory,
                assayed_on=assay.assayed_on,
                contents=assay.contents,
                in_specification=assay.in_specification,
            ),
            on=date.fromisoformat(fact.record.effective_on),
        ),
    )


def release_of(award: str) -> ReleaseId:
    """`awd_01j...` -> `rel_01j...`"""
    return ReleaseId(f"rel_{award.removeprefix('awd_')}")


def check_checkpoint(pinned: Callable[[], Pinned], fact: Fact, _documents: Mapping[str, bytes]) -> Sequence[Reaction]:
    """Nothing follows from a checkpoint, but the line stops at one that the pinned key did not sign.

    Raises NoteMalformed or NoteUnverified.
    """
    if isinstance(event := fact.event, CheckpointSigned):
        pinned().check(event, fact.record.history)
    return ()
