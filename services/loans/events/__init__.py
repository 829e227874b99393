"""What happens in loans. A stored shape never changes: a new one is a new version."""

from services.loans.events.authority import AuthorityCited
from services.loans.events.controls import CommandProposed, ControlEvent, TextErased
from services.loans.events.equity import EquityEvent, HoldingProposed, WriteDownProposed
from services.loans.events.facility import FacilityEvent
from services.loans.events.laboratory import LaboratoryEvent
from services.loans.events.loan import ActProposed, LoanEvent, LoanImported, LoanProposed
from services.loans.events.material import DeferralProposed, MaterialEvent, MaterialTermsProposed
from services.loans.events.offtake import DeliveryEvent, OfftakeEvent
from services.loans.events.parking import ParkingEvent
from services.loans.events.payees import PayeeEvent
from services.loans.events.project import ProjectEvent
from services.loans.events.rates import RateEvent
from services.loans.events.reach import LogReachReported

type Event = (
    FacilityEvent
    | RateEvent
    | LoanEvent
    | ProjectEvent
    | EquityEvent
    | MaterialEvent
    | LaboratoryEvent
    | OfftakeEvent
    | PayeeEvent
    | DeliveryEvent
    | AuthorityCited
    | ControlEvent
    | LogReachReported
    | ParkingEvent
    | TextErased
)

_PROPOSED = (
    LoanProposed,
    LoanImported,
    ActProposed,
    HoldingProposed,
    WriteDownProposed,
    MaterialTermsProposed,
    DeferralProposed,
    CommandProposed,
)


def documents_of(event: Event) -> tuple[str, ...]:
    """The documents that an event stands on, by SHA-256."""
    return (event.document,) if isinstance(event, _PROPOSED) else ()
