"""Loans: what the Facility lends and holds, and what the Reserve lends in material."""

from services.allocation import events as allocation
from services.allocation.events.acting import ACTING
from services.allocation.events.upcasts import UPCASTERS as ALLOCATION_UPCASTERS
from services.inventory import events as inventory
from services.inventory.events.upcasts import UPCASTERS as INVENTORY_UPCASTERS
from services.loans.api.loan import imports as loan_imports
from services.loans.domain.controls import CONTROLS, EVENTS
from services.loans.domain.equity import decider as equity
from services.loans.domain.facility import headroom
from services.loans.domain.loan import decider as loan
from services.loans.domain.material import decider as material
from services.loans.domain.material import laboratories
from services.loans.domain.offtake import delivery, offtake
from services.loans.domain.payees import payees
from services.loans.domain.projects import project as projects
from services.loans.domain.rates import reference
from services.loans.events import Event, documents_of
from services.loans.events.controls import TextErased
from services.loans.events.parking import EVENTS as PARKING_EVENTS
from services.loans.events.reach import LogReachReported
from services.loans.events.upcasts import UPCASTERS
from services.loans.problems import ApiReason
from services.loans.projections import project, take_products
from services.loans.reactions import ALLOCATION_TYPES, INVENTORY_TYPES, OWN_TYPES, react_to_allocation, react_to_inventory, react_to_own
from services.loans.tables import metadata
from shared.process.service import Service, routed_in, subscription
from shared.process.wiping import wipe
from shared.terms import parking, reach
from shared.terms.authority_tables import UnderAuthority
from shared.terms.countersigning import countersigned
from shared.terms.erasing import CONTROLS as ERASING
from shared.terms.erasing import erasing

SIGNED = (
    headroom.DECIDER,
    reference.DECIDER,
    payees.DECIDER,
    loan.DECIDER,
    projects.DECIDER,
    offtake.DECIDER,
    equity.DECIDER,
    material.DECIDER,
    laboratories.DECIDER,
)  # some of whose commands two people give


SERVICE = Service(
    name="loans",
    of_one_party=frozenset({"equity", "loan", "material", "payees"}),
    deciders=(
        *(countersigned(each, CONTROLS, EVENTS) for each in SIGNED),
        delivery.DECIDER,
        reach.decider(LogReachReported),
        parking.decider(PARKING_EVENTS),
        erasing(TextErased, EVENTS),
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
            acting=ACTING,
            upcasters=ALLOCATION_UPCASTERS,
        ),
        subscription(
            "inventory",
            inventory.Event,
            INVENTORY_TYPES,
            react=react_to_inventory,
            take=take_products,
            upcasters=INVENTORY_UPCASTERS,
        ),
        subscription("loans", Event, OWN_TYPES, react=react_to_own, upcasters=UPCASTERS),
    ),
    router=routed_in("services.loans.api.routes"),
    acting=UnderAuthority(proposals=True),
    imports=(loan_imports.PATH,),
    reasons=ApiReason,
    recorded_by="ledger",
    documents=documents_of,
    tasks=(wipe,),
)
