"""Loans: what the Facility lends and holds, and what the Reserve lends in material."""

from services.allocation import events as allocation
from services.allocation.events.acting import ACTING
from services.allocation.events.upcasts import UPCASTERS as ALLOCATION_UPCASTERS
from services.inventory import events as inventory
from services.loans.api import loan_imports, router
from services.loans.domain import delivery, equity, facility, loan, material, offtake
from services.loans.domain import project as projects
from services.loans.events import Event, documents_of
from services.loans.problems import ApiReason
from services.loans.projections import project, take_products
from services.loans.reactions import ALLOCATION_TYPES, INVENTORY_TYPES, OWN_TYPES, react_to_allocation, react_to_inventory, react_to_own
from services.loans.tables import metadata
from shared.authority_tables import UnderAuthority
from shared.service import Service, subscription

SERVICE = Service(
    name="loans",
    deciders=(facility.DECIDER, projects.DECIDER, loan.DECIDER, offtake.DECIDER, delivery.DECIDER, equity.DECIDER, material.DECIDER),
    event_type=Event,
    project=project,
    tables=metadata,
    subscriptions=(
        subscription(
            "allocation",
            allocation.Event,
            ALLOCATION_TYPES,
            react=react_to_allocation,
            acting=ACTING,
            upcasters=ALLOCATION_UPCASTERS,
        ),
        subscription("inventory", inventory.Event, INVENTORY_TYPES, react=react_to_inventory, take=take_products),
        subscription("loans", Event, OWN_TYPES, react=react_to_own),
    ),
    router=router,
    acting=UnderAuthority(),
    imports=(loan_imports.PATH,),
    reasons=ApiReason,
    recorded_by="ledger",
    documents=documents_of,
)
