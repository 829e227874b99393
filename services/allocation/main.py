"""Allocation: partners' requests become rounds, decisions and awards."""

from services.allocation import events
from services.allocation.api import router
from services.allocation.api.authority import REGISTER
from services.allocation.api.screening_lists import IMPORTS
from services.allocation.api.terms import Terms
from services.allocation.domain import (
    agreement,
    approver,
    approver_key,
    bid,
    book,
    clock,
    disruption,
    instrument,
    official,
    partner,
    policy,
    readiness,
    renouncing,
    report,
    review,
    screening_list,
    superseding,
    tender,
)
from services.allocation.events.upcasts import UPCASTERS
from services.allocation.party_screening import keep_screening
from services.allocation.problems import ApiReason
from services.allocation.projections import project
from services.allocation.projections.stock import take_stock
from services.allocation.reactions import INVENTORY_TYPES, OWN_TYPES, react_to_inventory, react_to_own
from services.allocation.tables import metadata
from services.allocation.watch import watch_clocks
from services.allocation.working_out import DecisionProcess
from services.inventory import events as inventory_events
from shared.authority_tables import UnderAuthority
from shared.service import Service, subscription

SERVICE = Service(
    name="allocation",
    deciders=(
        partner.DECIDER,
        agreement.DECIDER,
        disruption.DECIDER,
        approver.DECIDER,
        approver_key.DECIDER,
        instrument.DECIDER,
        official.DECIDER,
        policy.DECIDER,
        book.DECIDER,
        clock.DECIDER,
        readiness.DECIDER,
        report.DECIDER,
        renouncing.DECIDER,
        superseding.DECIDER,
        screening_list.DECIDER,
        review.DECIDER,
        tender.DECIDER,
        bid.DECIDER,
    ),
    event_type=events.Event,
    upcasters=UPCASTERS,
    project=project,
    tables=metadata,
    subscriptions=(
        subscription("inventory", inventory_events.Event, INVENTORY_TYPES, react=react_to_inventory, take=take_stock),
        subscription("allocation", events.Event, OWN_TYPES, react=react_to_own, upcasters=UPCASTERS),
    ),
    router=router,
    reasons=ApiReason,
    acting=UnderAuthority(register=REGISTER),
    recorded_by="ledger",
    documents=events.documents_of,
    parts=(Terms, DecisionProcess),
    tasks=(keep_screening, watch_clocks),
    imports=(IMPORTS,),
)
