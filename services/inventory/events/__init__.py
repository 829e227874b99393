"""What happens to a stockpile. Each event says all that the ledger needs to post it: product, grams, depots, statuses, partner.

Grams are net, dry and nominal (units x nominal unit) unless a name says `weighed`. A stored shape never changes: a new one is a new
version.
"""

from services.inventory.events.authority import AuthorityCited
from services.inventory.events.controls import CommandApproved, CommandLapsed, CommandProposed, CommandWithdrawn, TextErased
from services.inventory.events.differences import DifferenceOverdue, DifferenceSettled, DrawWeighedAgain, SettledAs
from services.inventory.events.draws import (
    AwardForwarded,
    DispatchCorrected,
    DrawDelivered,
    DrawDispatched,
    DrawPaper,
    DrawReturned,
    DrawWeighed,
    GateEvidence,
    SignedDraw,
    StockDrawn,
)
from services.inventory.events.holds import HoldConfirmed, HoldLifted, HoldPutOn, HoldScope, RoundFreed, RoundHeld
from services.inventory.events.ids import (
    DrawId,
    HoldId,
    LotId,
    MoveId,
    Parcel,
    ProductId,
    ReleaseId,
    RightId,
    SignedGrams,
    SignedUnits,
    UnitCount,
    Units,
)
from services.inventory.events.loans import (
    LentDrawReturned,
    LentParcel,
    LoanAnnounced,
    LoanGateOpened,
    MaterialLent,
    ReturnRefused,
    ReturnTakenIn,
)
from services.inventory.events.lots import AdjustmentCause, Assay, AssayRecorded, CustodyModel, LotTakenIn, Status, StockAdjusted
from services.inventory.events.moves import DrawMoved, LotMoved, MoveCause, MoveRatificationMissed, MoveRatified
from services.inventory.events.parking import MessageParked, MessagesUnparked, ParkingConfirmed, ParkingEvent, ParkingLapsed
from services.inventory.events.products import Form, Grade, ProductRegistered, ProtectedStockSet, ReceiptGradeSet, WeighingToleranceSet
from services.inventory.events.reach import LogReachReported
from services.inventory.events.releases import (
    DecisionTakenBack,
    PinnedUnits,
    ReleaseCancelled,
    ReleaseExtended,
    ReleaseLapsed,
    RoundReleased,
    RoundReleaseRefused,
    StockPinned,
    StockReleased,
)
from services.inventory.events.rights import (
    AssignmentClosed,
    AssignmentDelivered,
    AssignmentFailed,
    AssignmentGivenBack,
    AssignmentSubstituted,
    DeliveryPostponed,
    PostponementCause,
    ProgrammeAgreed,
    RightAdded,
    RightAssigned,
    RightExercised,
    RightKind,
    RightMatured,
    RightTerminated,
    RightTerms,
    Source,
    TerminationCause,
    Tranche,
    TrancheClosed,
    TrancheDelivered,
)

__all__ = [
    "AdjustmentCause",
    "Assay",
    "AssayRecorded",
    "AssignmentClosed",
    "AssignmentDelivered",
    "AssignmentFailed",
    "AssignmentGivenBack",
    "AssignmentSubstituted",
    "AuthorityCited",
    "AwardForwarded",
    "CommandApproved",
    "CommandLapsed",
    "CommandProposed",
    "CommandWithdrawn",
    "CustodyModel",
    "DecisionTakenBack",
    "DeliveryPostponed",
    "DifferenceOverdue",
    "DifferenceSettled",
    "DispatchCorrected",
    "DrawDelivered",
    "DrawDispatched",
    "DrawId",
    "DrawMoved",
    "DrawPaper",
    "DrawReturned",
    "DrawWeighed",
    "DrawWeighedAgain",
    "Event",
    "Form",
    "GateEvidence",
    "Grade",
    "HoldConfirmed",
    "HoldId",
    "HoldLifted",
    "HoldPutOn",
    "HoldScope",
    "LentDrawReturned",
    "LentParcel",
    "LoanAnnounced",
    "LoanGateOpened",
    "LogReachReported",
    "LotId",
    "LotMoved",
    "LotTakenIn",
    "MaterialLent",
    "MessageParked",
    "MessagesUnparked",
    "MoveCause",
    "MoveId",
    "MoveRatificationMissed",
    "MoveRatified",
    "Parcel",
    "ParkingConfirmed",
    "ParkingEvent",
    "ParkingLapsed",
    "PinnedUnits",
    "PostponementCause",
    "ProductId",
    "ProductRegistered",
    "ProgrammeAgreed",
    "ProtectedStockSet",
    "ReceiptGradeSet",
    "ReleaseCancelled",
    "ReleaseExtended",
    "ReleaseId",
    "ReleaseLapsed",
    "ReturnRefused",
    "ReturnTakenIn",
    "RightAdded",
    "RightAssigned",
    "RightExercised",
    "RightId",
    "RightKind",
    "RightMatured",
    "RightTerminated",
    "RightTerms",
    "RoundFreed",
    "RoundHeld",
    "RoundReleaseRefused",
    "RoundReleased",
    "SettledAs",
    "SignedDraw",
    "SignedGrams",
    "SignedUnits",
    "Source",
    "Status",
    "StockAdjusted",
    "StockDrawn",
    "StockPinned",
    "StockReleased",
    "TerminationCause",
    "TextErased",
    "Tranche",
    "TrancheClosed",
    "TrancheDelivered",
    "UnitCount",
    "Units",
    "WeighingToleranceSet",
]

type Event = (
    ProductRegistered
    | LotTakenIn
    | AssayRecorded
    | ProtectedStockSet
    | ReceiptGradeSet
    | WeighingToleranceSet
    | HoldPutOn
    | HoldConfirmed
    | HoldLifted
    | RoundHeld
    | RoundFreed
    | RightAdded
    | RightMatured
    | LoanAnnounced
    | LoanGateOpened
    | StockReleased
    | StockPinned
    | RoundReleased
    | RoundReleaseRefused
    | StockDrawn
    | MaterialLent
    | LentDrawReturned
    | ReturnTakenIn
    | ReturnRefused
    | RightAssigned
    | AssignmentDelivered
    | AssignmentSubstituted
    | AssignmentClosed
    | AssignmentGivenBack
    | DeliveryPostponed
    | AssignmentFailed
    | RightExercised
    | RightTerminated
    | ProgrammeAgreed
    | TrancheDelivered
    | TrancheClosed
    | ReleaseExtended
    | ReleaseLapsed
    | ReleaseCancelled
    | DecisionTakenBack
    | DrawWeighed
    | DrawDispatched
    | DispatchCorrected
    | DrawReturned
    | DrawWeighedAgain
    | DifferenceSettled
    | DifferenceOverdue
    | LotMoved
    | DrawMoved
    | MoveRatified
    | MoveRatificationMissed
    | AwardForwarded
    | DrawDelivered
    | StockAdjusted
    | AuthorityCited
    | CommandProposed
    | LogReachReported
    | ParkingEvent
    | CommandApproved
    | CommandWithdrawn
    | CommandLapsed
    | TextErased
)
