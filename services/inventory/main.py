"""Inventory: a stockpile a product, from taking in a lot to its dispatch."""

from functools import cache, partial

from services.allocation import events as allocation
from services.allocation.events.acting import AUTHORITY
from services.allocation.events.upcasts import UPCASTERS as ALLOCATION_UPCASTERS
from services.inventory.api import router
from services.inventory.domain.reasons import Reason
from services.inventory.domain.stockpile import DECIDER
from services.inventory.events import Event
from services.inventory.projections import SERVICE as NAME
from services.inventory.projections import project, take_checkpoints, take_partners
from services.inventory.reactions import check_checkpoint, react_to_allocation, react_to_loans
from services.inventory.tables import metadata
from services.ledger import events as ledger
from services.loans import events as loans
from services.loans.events import material
from shared.authority_tables import UnderAuthority
from shared.codec import type_of
from shared.service import Service, subscription
from shared.settings import Settings
from shared.signed_note import VerifierKey, parse_verifier_key


@cache
def log_key() -> VerifierKey:
    """The ledger's log key, as pinned in the settings. Raises NoteMalformed if there is none."""
    return parse_verifier_key(Settings().ledger_public_key)


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
    )
)

SERVICE = Service(
    name=NAME,
    deciders=(DECIDER,),
    event_type=Event,
    project=project,
    tables=metadata,
    subscriptions=(
        subscription(
            "allocation",
            allocation.Event,
            ALLOCATION_TYPES,
            react=react_to_allocation,
            needs=lambda fact: allocation.documents_of(fact.event),
            upcasters=ALLOCATION_UPCASTERS,
            take=take_partners,
            acting=AUTHORITY,
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
            {type_of(ledger.CheckpointSigned)},
            react=partial(check_checkpoint, log_key),
            take=take_checkpoints,
        ),
    ),
    router=router,
    acting=UnderAuthority(signing=False),
    problems={
        Reason.PRODUCT_NOT_FOUND: (404, "There is no such product"),
        Reason.LOT_NOT_FOUND: (404, "There is no such lot, or nothing is left of it"),
        Reason.RIGHT_NOT_FOUND: (404, "There is no such right, or nothing is left of it"),
        Reason.HOLD_NOT_FOUND: (404, "There is no such hold, or it is no longer on"),
        Reason.RELEASE_NOT_FOUND: (404, "There is no such release"),
        Reason.DRAW_NOT_FOUND: (404, "There is no such draw, or its goods are no longer here"),
        Reason.PRODUCT_REGISTERED: (409, "The product is registered already"),
        Reason.ID_TAKEN: (409, "The id is taken"),
        Reason.QUANTITY_INVALID: (422, "The quantity is not one that can be"),
        Reason.QUANTITY_TOO_LARGE: (422, "The quantity is more than the books can hold"),
        Reason.NOT_WHOLE_UNITS: (422, "The quantity is not a number of whole units"),
        Reason.DATE_IN_PAST: (422, "The day has passed"),
        Reason.DATE_IN_FUTURE: (422, "The day has not come yet"),
        Reason.WINDOW_REVERSED: (422, "The window ends before it begins"),
        Reason.SERIALS_MISMATCH: (422, "The serials do not match the units"),
        Reason.TARGET_MISMATCH: (422, "The hold's target does not go with its scope"),
        Reason.STOCK_SHORT: (409, "There is not enough stock"),
        Reason.RIGHTS_SHORT: (409, "There are not enough firm rights"),
        Reason.STOCK_PROTECTED: (409, "The stock is protected"),
        Reason.STOCK_NOT_FREE: (409, "The stock is not free"),
        Reason.RIGHT_RELEASED: (409, "Releases have reserved the right"),
        Reason.ON_HOLD: (409, "A hold stops it"),
        Reason.RELEASE_EXCEEDED: (409, "It is more than is left of the release"),
        Reason.RELEASE_LAPSED: (409, "The release has lapsed"),
        Reason.TOO_MANY_LOTS: (422, "The draw takes too many lots"),
        Reason.LOT_UNAVAILABLE: (409, "Nothing of the lot may be drawn"),
        Reason.LOAN_NOT_COMMITTED: (409, "The loan is not committed"),
        Reason.LOAN_OF_GOODS: (409, "A loan is of goods, and not of rights"),
        Reason.NOT_WEIGHED: (409, "The goods have not been weighed"),
        Reason.RECEIPT_MISSING: (409, "The ledger's receipt is missing"),
        Reason.NOT_DISPATCHED: (409, "The goods are not under way"),
        "release_cancelled": (409, "The release was cancelled"),
        "partner_not_found": (404, "There is no such partner"),
    },
)
