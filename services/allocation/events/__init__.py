"""What happens in allocation: to partners and their terms, disruptions, approvers' keys, and the book of each product.

A stored shape never changes: a new one is a new version, and `upcasts.py` reads the old one.
"""

from services.allocation.events.authority import (
    ActingOfficerNamed,
    AuthorityCited,
    AuthorityEvent,
    CeremonyEntered,
    ConflictDeclared,
    ConflictWithdrawn,
    InstrumentEnded,
    InstrumentId,
    InstrumentRegistered,
)
from services.allocation.events.carries import CarryEvent, CarryExpired, CarrySet
from services.allocation.events.clocks import ClockEvent, ClockSet
from services.allocation.events.consignees import (
    ConsigneeChangeApproved,
    ConsigneeChangeAsked,
    ConsigneeChangeRefused,
    ConsigneeEvent,
    ConsigneeHit,
    ConsigneeHitDecided,
    ConsigneeHitLapsed,
    ConsigneeScreened,
)
from services.allocation.events.controls import CommandApproved, CommandLapsed, CommandProposed, CommandWithdrawn, TextErased
from services.allocation.events.decisions import AwardRenounced, DecisionGivenBack, DecisionSuperseded, QuotaBack
from services.allocation.events.emergency import DecisionRatified, EmergencyDecided, EmergencyEvent, RatificationMissed
from services.allocation.events.ids import (
    AgreementId,
    AwardId,
    BidId,
    ChangeId,
    ConsigneeId,
    DecisionHash,
    DisruptionId,
    HitId,
    KeyId,
    ListName,
    ObjectionId,
    PartnerCode,
    ProductId,
    RequestId,
    ReviewId,
    RoundId,
    SubjectId,
    TenderId,
    is_tender,
)
from services.allocation.events.parking import ParkingEvent
from services.allocation.events.partner import PartnerEvent, PartnerRegistered
from services.allocation.events.partners import (
    AgreementAmended,
    AgreementEnded,
    AgreementResumed,
    AgreementSigned,
    AgreementSuspended,
    AgreementSuspensionConfirmed,
    ApproverKeyClaimed,
    ApproverKeyEnrolled,
    ApproverKeyRestored,
    ApproverKeyRevocationConfirmed,
    ApproverKeyRevoked,
    DisruptionDeclared,
    DisruptionEnded,
    DisruptionRevised,
    ProductTerms,
)
from services.allocation.events.policies import PolicyDrafted, PolicyEvent, PolicyRevised
from services.allocation.events.reach import LogEvent, LogReachReported
from services.allocation.events.readiness import ReadinessEvent
from services.allocation.events.reports import ReportSent
from services.allocation.events.requests import (
    BookOpened,
    LoanRequested,
    RequestAccepted,
    RequestDeclineConfirmed,
    RequestDeclined,
    RequestDeclineLapsed,
    RequestEvent,
    RequestExpired,
    RequestExpiryPostponed,
    RequestScreeningDue,
    RequestScreeningLate,
    RequestSubmitted,
    RequestWithdrawn,
    Statement,
)
from services.allocation.events.reviews import ReviewAssigned, ReviewConcluded, ReviewLapsed, ReviewRequested
from services.allocation.events.rounds import (
    AgreementRead,
    ApprovalsLapsed,
    Award,
    AwardGranted,
    AwardTake,
    AwardWithdrawn,
    EmergencyPath,
    IepPosition,
    LoanAwarded,
    PoolStock,
    QuorumStep,
    Reads,
    ReleaseOrder,
    RoundApproved,
    RoundCancelled,
    RoundCertified,
    RoundExtended,
    RoundMethod,
    RoundOpened,
    RoundProposed,
    RoundReleased,
    RoundReopened,
)
from services.allocation.events.screening import (
    CRITERIA,
    Criterion,
    Finding,
    Hit,
    ObjectionAnswered,
    ObjectionRaised,
    PartiesScreened,
    PartyRole,
    RequestScreened,
    ScreeningHitDecided,
    ScreeningHitLapsed,
    ScreeningListPutInForce,
    ScreeningListWithdrawn,
)
from services.allocation.events.tenders import (
    BidCommitted,
    BiddingClosed,
    BidEvent,
    BidRevealed,
    BidStep,
    BidVoided,
    Pricing,
    TenderApproved,
    TenderAward,
    TenderAwardGranted,
    TenderAwardWithdrawn,
    TenderCancelled,
    TenderCertified,
    TenderEvent,
    TenderOpened,
    TenderProposed,
    TenderReleased,
    TenderReopened,
    TenderTerms,
    TieRule,
)
from shared.terms.acting import Approval

__all__ = [
    "CRITERIA",
    "ActingOfficerNamed",
    "AgreementAmended",
    "AgreementEnded",
    "AgreementEvent",
    "AgreementId",
    "AgreementRead",
    "AgreementResumed",
    "AgreementSigned",
    "AgreementSuspended",
    "AgreementSuspensionConfirmed",
    "Approval",
    "ApprovalsLapsed",
    "ApproverEvent",
    "ApproverKeyClaimed",
    "ApproverKeyEnrolled",
    "ApproverKeyRestored",
    "ApproverKeyRevocationConfirmed",
    "ApproverKeyRevoked",
    "AuthorityCited",
    "AuthorityEvent",
    "Award",
    "AwardGranted",
    "AwardId",
    "AwardRenounced",
    "AwardTake",
    "AwardWithdrawn",
    "BidCommitted",
    "BidEvent",
    "BidId",
    "BidRevealed",
    "BidStep",
    "BidVoided",
    "BiddingClosed",
    "BookEvent",
    "BookOpened",
    "CarryEvent",
    "CarryExpired",
    "CarrySet",
    "CeremonyEntered",
    "ChangeId",
    "ClockEvent",
    "ClockSet",
    "CommandApproved",
    "CommandLapsed",
    "CommandProposed",
    "CommandWithdrawn",
    "ConflictDeclared",
    "ConflictWithdrawn",
    "ConsigneeChangeApproved",
    "ConsigneeChangeAsked",
    "ConsigneeChangeRefused",
    "ConsigneeEvent",
    "ConsigneeHit",
    "ConsigneeHitDecided",
    "ConsigneeHitLapsed",
    "ConsigneeId",
    "ConsigneeScreened",
    "Criterion",
    "DecisionEvent",
    "DecisionGivenBack",
    "DecisionHash",
    "DecisionRatified",
    "DecisionSuperseded",
    "DisruptionDeclared",
    "DisruptionEnded",
    "DisruptionEvent",
    "DisruptionId",
    "DisruptionRevised",
    "EmergencyDecided",
    "EmergencyEvent",
    "EmergencyPath",
    "Event",
    "Finding",
    "Hit",
    "HitId",
    "IepPosition",
    "InstrumentEnded",
    "InstrumentId",
    "InstrumentRegistered",
    "KeyId",
    "ListName",
    "LoanAwarded",
    "LoanRequested",
    "LogReachReported",
    "ObjectionAnswered",
    "ObjectionId",
    "ObjectionRaised",
    "ParkingEvent",
    "PartiesScreened",
    "PartnerCode",
    "PartnerEvent",
    "PartnerRegistered",
    "PartyRole",
    "PolicyEvent",
    "PoolStock",
    "Pricing",
    "ProductId",
    "ProductTerms",
    "ProposalEvent",
    "QuorumStep",
    "QuotaBack",
    "RatificationMissed",
    "ReadinessEvent",
    "Reads",
    "ReleaseOrder",
    "ReportEvent",
    "ReportSent",
    "RequestAccepted",
    "RequestDeclineConfirmed",
    "RequestDeclineLapsed",
    "RequestDeclined",
    "RequestEvent",
    "RequestExpired",
    "RequestExpiryPostponed",
    "RequestId",
    "RequestScreened",
    "RequestScreeningDue",
    "RequestScreeningLate",
    "RequestSubmitted",
    "RequestWithdrawn",
    "ReviewAssigned",
    "ReviewConcluded",
    "ReviewEvent",
    "ReviewId",
    "ReviewLapsed",
    "ReviewRequested",
    "RoundApproved",
    "RoundCancelled",
    "RoundCertified",
    "RoundEvent",
    "RoundExtended",
    "RoundId",
    "RoundMethod",
    "RoundOpened",
    "RoundProposed",
    "RoundReleased",
    "RoundReopened",
    "ScreeningEvent",
    "ScreeningHitDecided",
    "ScreeningHitLapsed",
    "ScreeningListEvent",
    "ScreeningListPutInForce",
    "ScreeningListWithdrawn",
    "Statement",
    "SubjectId",
    "TenderApproved",
    "TenderAward",
    "TenderAwardGranted",
    "TenderAwardWithdrawn",
    "TenderCancelled",
    "TenderCertified",
    "TenderEvent",
    "TenderId",
    "TenderOpened",
    "TenderProposed",
    "TenderReleased",
    "TenderReopened",
    "TenderTerms",
    "TieRule",
    "documents_of",
    "is_tender",
]

# Of each kind of stream. Plain unions, so that the members of `Event` are the events themselves.
AgreementEvent = AgreementSigned | AgreementAmended | AgreementEnded | AgreementSuspended | AgreementSuspensionConfirmed | AgreementResumed
DisruptionEvent = DisruptionDeclared | DisruptionRevised | DisruptionEnded
ApproverEvent = ApproverKeyEnrolled | ApproverKeyRevoked | ApproverKeyRevocationConfirmed | ApproverKeyRestored
RoundEvent = (
    RoundOpened
    | RoundExtended
    | RoundProposed
    | RoundApproved
    | ApprovalsLapsed
    | AwardGranted
    | LoanAwarded
    | AwardWithdrawn
    | RoundCertified
    | RoundCancelled
    | RoundReopened
    | RoundReleased
)
ScreeningEvent = PartiesScreened | ScreeningHitDecided | ScreeningHitLapsed | RequestScreened | ObjectionRaised | ObjectionAnswered
ScreeningListEvent = ScreeningListPutInForce | ScreeningListWithdrawn
ReviewEvent = ReviewRequested | ReviewAssigned | ReviewConcluded | ReviewLapsed
BookEvent = (
    BookOpened | RequestEvent | ClockSet | RoundEvent | ScreeningEvent | AuthorityCited | EmergencyEvent | CarryEvent | DecisionGivenBack
)
ReportEvent = ReportSent
DecisionEvent = AwardRenounced | DecisionSuperseded
ProposalEvent = CommandProposed | CommandApproved | CommandWithdrawn | CommandLapsed | TextErased
type Event = (
    PartnerEvent
    | AgreementEvent
    | DisruptionEvent
    | ApproverEvent
    | ApproverKeyClaimed
    | CeremonyEntered
    | AuthorityEvent
    | PolicyEvent
    | BookEvent
    | ScreeningListEvent
    | ConsigneeEvent
    | ReviewEvent
    | ClockEvent
    | ReadinessEvent
    | ReportEvent
    | DecisionEvent
    | BidEvent
    | TenderEvent
    | ProposalEvent
    | LogEvent
    | ParkingEvent
)


def documents_of(event: Event) -> tuple[str, ...]:
    """The documents that an event stands on, by SHA-256."""
    match event:
        case TenderProposed():
            return (event.decision, event.file, event.release_order)
        case TenderCertified():
            return (event.release_order,)
        case RoundProposed():
            return (event.decision, event.file) if event.release_order is None else (event.decision, event.file, event.release_order)
        case RoundCertified() if event.release_order is not None:
            return (event.release_order,)
        case PolicyDrafted() | PolicyRevised():
            return (event.document,)
        case ReportSent():
            return (event.report,)
        case ScreeningListPutInForce():
            return (event.document,)
        case CommandProposed():  # a list's names are kept from then on
            return (event.document, *([event.command["document"]] if "document" in event.command else []))
        case _:
            return ()
