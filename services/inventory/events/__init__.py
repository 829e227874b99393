"""What happens to a stockpile. Each event says all that the ledger needs to post it: product, grams, depots, statuses, partner.

Grams are net, dry and nominal (units x nominal unit) unless a name says `weighed`. A stored shape never changes: a new one is a new
version.
"""

from services.inventory.events.authority import AuthorityCited
from services.inventory.events.controls import CommandApproved, CommandLapsed, CommandProposed, CommandWithdrawn
from services.inventory.events.draws import (
    AwardForwarded,
    DispatchCorrected,
    DrawDelivered,
    DrawDispatched,
    DrawReturned,
    DrawWeighed,
    GateEvidence,
    StockDrawn,
)
from services.inventory.events.holds import HoldConfirmed, HoldLifted, HoldPutOn, HoldScope, RoundFreed, RoundHeld
from services.inventory.events.ids import (
    DrawId,
    HoldId,
    LotId,
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
from services.inventory.events.products import Form, Grade, ProductRegistered, ProtectedStockSet, ReceiptGradeSet
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
    AssignmentDelivered,
    AssignmentFailed,
    DeliveryPostponed,
    RightAdded,
    RightAssigned,
    RightKind,
    RightMatured,
    Source,
)

__all__ = [
    "AdjustmentCause",
    "Assay",
    "AssayRecorded",
    "AssignmentDelivered",
    "AssignmentFailed",
    "AuthorityCited",
    "AwardForwarded",
    "CommandApproved",
    "CommandLapsed",
    "CommandProposed",
    "CommandWithdrawn",
    "CustodyModel",
    "DecisionTakenBack",
    "DeliveryPostponed",
    "DispatchCorrected",
    "DrawDelivered",
    "DrawDispatched",
    "DrawId",
    "DrawReturned",
    "DrawWeighed",
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
    "LotTakenIn",
    "MaterialLent",
    "Parcel",
    "PinnedUnits",
    "ProductId",
    "ProductRegistered",
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
    "RightId",
    "RightKind",
    "RightMatured",
    "RoundFreed",
    "RoundHeld",
    "RoundReleaseRefused",
    "RoundReleased",
    "SignedGrams",
    "SignedUnits",
    "Source",
    "Status",
    "StockAdjusted",
    "StockDrawn",
    "StockPinned",
    "StockReleased",
    "UnitCount",
    "Units",
]

type Event = (
    ProductRegistered
    | LotTakenIn
    | AssayRecorded
    | ProtectedStockSet
    | ReceiptGradeSet
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
    | DeliveryPostponed
    | AssignmentFailed
    | ReleaseExtended
    | ReleaseLapsed
    | ReleaseCancelled
    | DecisionTakenBack
    | DrawWeighed
    | DrawDispatched
    | DispatchCorrected
    | DrawReturned
    | AwardForwarded
    | DrawDelivered
    | StockAdjusted
    | AuthorityCited
    | CommandProposed
    | LogReachReported
    | CommandApproved
    | CommandWithdrawn
    | CommandLapsed
)
