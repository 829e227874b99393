"""Allocation: partners' requests become rounds, decisions and awards."""

from services.allocation import events
from services.allocation.api.authority.capacity import REGISTER
from services.allocation.api.book.terms import RecentTerms, TradeUnits
from services.allocation.api.partners.signing import PartnerKeys
from services.allocation.api.screening.lists import IMPORTS
from services.allocation.background.party_screening import keep_screening
from services.allocation.background.tallying import tally_days
from services.allocation.background.watch import watch_clocks
from services.allocation.background.working_out import DecisionProcess
from services.allocation.domain.authority import approver, approver_key, ceremony, instrument, official
from services.allocation.domain.book import decider as book
from services.allocation.domain.clocks import clock
from services.allocation.domain.controls import CONTROLS, EVENTS
from services.allocation.domain.decisions import renouncing, report, review, superseding
from services.allocation.domain.partners import agreement, disruption, partner, tally
from services.allocation.domain.policies import policy
from services.allocation.domain.readiness import readiness
from services.allocation.domain.screening import consignee, screening_list
from services.allocation.domain.tenders import bid
from services.allocation.domain.tenders import decider as tender
from services.allocation.events.controls import TextErased
from services.allocation.events.parking import EVENTS as PARKING_EVENTS
from services.allocation.events.upcasts import UPCASTERS
from services.allocation.problems import ApiReason
from services.allocation.projections import project
from services.allocation.projections.supply import take_stock
from services.allocation.reactions.book import INVENTORY_TYPES, OWN_TYPES, react_to_inventory, react_to_own
from services.allocation.tables import metadata
from services.inventory import events as inventory_events
from services.inventory.events.upcasts import UPCASTERS as INVENTORY_UPCASTERS
from shared.process.service import Service, routed_in, subscription
from shared.process.wiping import wipe
from shared.terms import parking, reach
from shared.terms.authority_tables import UnderAuthority
from shared.terms.countersigning import countersigned
from shared.terms.erasing import CONTROLS as ERASING
from shared.terms.erasing import erasing

SERVICE = Service(
    name="allocation",
    of_one_party=frozenset({"agreement", "award", "bid", "partner", "review"}),
    deciders=(
        partner.DECIDER,
        tally.DECIDER,
        countersigned(agreement.DECIDER, CONTROLS, EVENTS),
        countersigned(disruption.DECIDER, CONTROLS, EVENTS),
        approver.DECIDER,
        approver_key.DECIDER,
        ceremony.DECIDER,
        instrument.DECIDER,
        countersigned(official.DECIDER, CONTROLS, EVENTS),
        countersigned(policy.DECIDER, CONTROLS, EVENTS),
        countersigned(book.DECIDER, CONTROLS, EVENTS),
        clock.DECIDER,
        readiness.DECIDER,
        report.DECIDER,
        renouncing.DECIDER,
        countersigned(superseding.DECIDER, CONTROLS, EVENTS),
        countersigned(screening_list.DECIDER, CONTROLS, EVENTS),
        countersigned(consignee.DECIDER, CONTROLS, EVENTS),
        review.DECIDER,
        countersigned(tender.DECIDER, CONTROLS, EVENTS),
        bid.DECIDER,
        reach.decider(events.LogReachReported),
        parking.decider(PARKING_EVENTS),
        erasing(TextErased, EVENTS),
    ),
    controls={**CONTROLS, **ERASING, **parking.CONTROLS},
    event_type=events.Event,
    upcasters=UPCASTERS,
    project=project,
    tables=metadata,
    subscriptions=(
        subscription(
            "inventory",
            inventory_events.Event,
            INVENTORY_TYPES,
            react=react_to_inventory,
            take=take_stock,
            upcasters=INVENTORY_UPCASTERS,
        ),
        subscription("allocation", events.Event, OWN_TYPES, react=react_to_own, upcasters=UPCASTERS),
    ),
    router=routed_in("services.allocation.api.routes"),
    reasons=ApiReason,
    acting=UnderAuthority(register=REGISTER, proposals=True),
    recorded_by="ledger",
    documents=events.documents_of,
    parts=(RecentTerms, TradeUnits, DecisionProcess, PartnerKeys),
    tasks=(keep_screening, tally_days, watch_clocks, wipe),
    imports=(IMPORTS,),
)
