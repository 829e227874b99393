"""Inventory: a stockpile a product, from taking in a lot to its dispatch."""

from functools import partial

from services.allocation import events as allocation
from services.allocation.events.acting import ACTING
from services.allocation.events.upcasts import UPCASTERS as ALLOCATION_UPCASTERS
from services.inventory.api import router
from services.inventory.api.lookups import Stockpiles
from services.inventory.domain.controls import CONTROLS, EVENTS
from services.inventory.domain.stockpile import DECIDER
from services.inventory.events import Event, LogReachReported
from services.inventory.problems import ApiReason
from services.inventory.projections import project
from services.inventory.projections.consignees import take_allocation
from services.inventory.projections.dispatch import SERVICE as NAME
from services.inventory.projections.dispatch import pinned, take_checkpoints
from services.inventory.reactions import check_checkpoint, react_to_allocation, react_to_loans
from services.inventory.tables import metadata
from services.ledger import events as ledger
from services.loans import events as loans
from services.loans.events import material
from shared.journal.codec import type_of
from shared.journal.record import Fact
from shared.process.service import Service, subscription
from shared.terms import reach
from shared.terms.authority_tables import UnderAuthority
from shared.terms.countersigning import countersigned

ALLOCATION_TYPES = frozenset(
    type_of(event)
    for event in (
        allocation.RoundCertified,
        allocation.TenderCertified,
        allocation.LoanAwarded,
        allocation.PartnerRegistered,
        allocation.RatificationMissed,
        allocation.DecisionRatified,
        allocation.AgreementSuspended,
        allocation.AwardRenounced,
        allocation.DecisionSuperseded,
        allocation.AgreementResumed,
        allocation.RequestAccepted,
        allocation.ConsigneeChangeApproved,
        allocation.ConsigneeScreened,
        allocation.ConsigneeHitDecided,
        allocation.ScreeningListPutInForce,
        allocation.ScreeningListWithdrawn,
    )
)


def _documents(fact: Fact) -> tuple[str, ...]:
    """What reactions read. Names on screening lists are none of inventory's business: it is told whom they are like."""
    return () if isinstance(fact.event, allocation.ScreeningListPutInForce) else allocation.documents_of(fact.event)


SERVICE = Service(
    name=NAME,
    deciders=(countersigned(DECIDER, CONTROLS, EVENTS), reach.decider(LogReachReported)),
    controls=CONTROLS,
    event_type=Event,
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
        ),
        subscription(
            "ledger",
            ledger.Event,
            {type_of(ledger.CheckpointSigned), type_of(ledger.CheckpointWitnessed)},
            react=partial(check_checkpoint, pinned),
            take=take_checkpoints,
        ),
    ),
    router=router,
    reasons=ApiReason,
    acting=UnderAuthority(proposals=True),
    recorded_by="ledger",
    parts=(Stockpiles,),
)
