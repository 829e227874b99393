"""Inventory: a stockpile a product, from taking in a lot to its dispatch."""

from functools import partial

from services.allocation import events as allocation
from services.allocation.events.acting import ACTING
from services.allocation.events.partner import PartnerKeyRegistered, PartnerKeyRevoked
from services.allocation.events.upcasts import UPCASTERS as ALLOCATION_UPCASTERS
from services.inventory.api.lookups import Stockpiles
from services.inventory.api.signing import PartnerKeys
from services.inventory.domain.controls import CONTROLS, EVENTS, EVENTS_OF_TEXTS
from services.inventory.domain.stockpile import DECIDER
from services.inventory.events import Event, LogReachReported, TextErased
from services.inventory.events.parking import EVENTS as PARKING_EVENTS
from services.inventory.events.upcasts import UPCASTERS
from services.inventory.problems import ApiReason
from services.inventory.projections import project
from services.inventory.projections.consignees import take_allocation
from services.inventory.projections.dispatch import SERVICE as NAME
from services.inventory.projections.dispatch import pinned, take_checkpoints
from services.inventory.reactions import check_checkpoint, react_to_allocation, react_to_loans
from services.inventory.tables import metadata
from services.inventory.watch import watch_unsigned
from services.ledger import events as ledger
from services.loans import events as loans
from services.loans.events import material
from services.loans.events.upcasts import UPCASTERS as LOANS_UPCASTERS
from shared.journal.codec import type_of
from shared.journal.record import Fact
from shared.process.service import Service, routed_in, subscription
from shared.process.wiping import wipe
from shared.terms import parking, reach
from shared.terms.authority_tables import UnderAuthority
from shared.terms.countersigning import countersigned
from shared.terms.erasing import CONTROLS as ERASING
from shared.terms.erasing import erasing

ALLOCATION_TYPES = frozenset(
    type_of(event)
    for event in (
        allocation.RoundCertified,
        allocation.TenderCertified,
        allocation.LoanAwarded,
        allocation.PartnerRegistered,
        PartnerKeyRegistered,
        PartnerKeyRevoked,
        allocation.RatificationMissed,
        allocation.DecisionRatified,
        allocation.AgreementSuspended,
        allocation.AgreementSuspensionConfirmed,
        allocation.AwardRenounced,
        allocation.DecisionSuperseded,
        allocation.AgreementResumed,
        allocation.RequestAccepted,
        allocation.ConsigneeChangeApproved,
        allocation.ConsigneeScreened,
        allocation.ConsigneeHitDecided,
        allocation.ConsigneeHitLapsed,
        allocation.ScreeningListPutInForce,
        allocation.ScreeningListWithdrawn,
    )
)


def _documents(fact: Fact) -> tuple[str, ...]:
    """What reactions read. Names on screening lists are none of inventory's business: it is told whom they are like."""
    return () if isinstance(fact.event, allocation.ScreeningListPutInForce) else allocation.documents_of(fact.event)


SERVICE = Service(
    name=NAME,
    deciders=(
        countersigned(DECIDER, CONTROLS, EVENTS),
        reach.decider(LogReachReported),
        parking.decider(PARKING_EVENTS),
        erasing(TextErased, EVENTS_OF_TEXTS),
    ),
    controls={**CONTROLS, **ERASING, **parking.CONTROLS},
    event_type=Event,
    upcasters=UPCASTERS,
    project=project,
    tables=metadata,
    subscriptions=(
        subscription(
            "allocation",
            allocation.Event,
            ALLOCATION_TYPES,
            react=react_to_allocation,
            needs=_documents,
            upcasters=ALLOCATION_UPCASTERS,
            take=take_allocation,
            acting=ACTING,
        ),
        subscription(
            "loans",
            loans.Event,
            {type_of(material.MaterialLoanCommitted), type_of(material.MaterialLoanWithdrawn), type_of(material.ReturnSettled)},
            react=react_to_loans,
            upcasters=LOANS_UPCASTERS,
        ),
        subscription(
            "ledger",
            ledger.Event,
            {type_of(ledger.CheckpointSigned), type_of(ledger.CheckpointWitnessed)},
            react=partial(check_checkpoint, pinned),
            take=take_checkpoints,
        ),
    ),
    router=routed_in("services.inventory.api.routes"),
    reasons=ApiReason,
    acting=UnderAuthority(proposals=True),
    recorded_by="ledger",
    parts=(Stockpiles, PartnerKeys),
    tasks=(watch_unsigned, wipe),
)
