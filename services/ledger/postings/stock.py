"""Stock: what inventory's events post, in grams of a product.

A release is a pending transfer. A draw settles and posts it; a lapse or a cancellation voids it. Drawn goods are the partner's by title
and still in the depot's custody, until they are dispatched; then with the carrier, until the consignee has them.
"""

from collections.abc import Iterable
from typing import assert_never

from services.inventory import events as inventory
from services.inventory.events import (
    AssayRecorded,
    AssignmentClosed,
    AssignmentDelivered,
    AssignmentFailed,
    AssignmentGivenBack,
    AssignmentSubstituted,
    AuthorityCited,
    AwardForwarded,
    CommandApproved,
    CommandLapsed,
    CommandProposed,
    CommandWithdrawn,
    DecisionTakenBack,
    DeliveryPostponed,
    DifferenceOverdue,
    DifferenceSettled,
    DispatchCorrected,
    DrawDelivered,
    DrawDispatched,
    DrawMoved,
    DrawReturned,
    DrawWeighed,
    DrawWeighedAgain,
    HoldConfirmed,
    HoldLifted,
    HoldPutOn,
    LentDrawReturned,
    LoanAnnounced,
    LoanGateOpened,
    LogReachReported,
    LotMoved,
    LotTakenIn,
    MaterialLent,
    MessageParked,
    MessagesUnparked,
    MoveRatificationMissed,
    MoveRatified,
    Parcel,
    ParkingConfirmed,
    ParkingLapsed,
    ProductRegistered,
    ProgrammeAgreed,
    ProtectedStockSet,
    ReceiptGradeSet,
    ReleaseCancelled,
    ReleaseExtended,
    ReleaseLapsed,
    ReturnRefused,
    ReturnTakenIn,
    RightAdded,
    RightAssigned,
    RightExercised,
    RightMatured,
    RightTerminated,
    RoundFreed,
    RoundHeld,
    RoundReleased,
    RoundReleaseRefused,
    StockAdjusted,
    StockDrawn,
    StockPinned,
    StockReleased,
    TextErased,
    TrancheClosed,
    TrancheDelivered,
    UnitCount,
    WeighingToleranceSet,
)
from services.ledger.accounts import AVAILABLE, CAUSES, OUTSIDE, RESERVED_RIGHTS, SETTLED_AS, WEIGHING, Posting, Side, Status
from services.ledger.postings.moves import all_of, custody, pending, title


def of_stockpile(event: inventory.Event) -> list[Posting]:
    match event:
        case StockDrawn():
            return _drawn(event)
        case StockReleased():
            return _promise(event, event.units, event.rights_g, Status.PENDING)
        case ReleaseLapsed() | ReleaseCancelled():
            return _promise(event, event.units, event.rights_g, Status.VOIDED)
        case RightAssigned():
            return _assigned(event)
        case AssignmentDelivered() | AssignmentSubstituted() | AssignmentGivenBack() | AssignmentFailed() | AssignmentClosed():
            return _settled(event)
        case DrawWeighed():
            return _weighed(event)
        case DrawWeighedAgain():
            return _weighed_again(event)
        case DifferenceSettled():
            return _out_of_suspense(event)
        case LotMoved():
            return custody(event.product, f"depot/{event.from_depot}", f"depot/{event.to_depot}", event.mass_g)
        case DrawMoved():
            return _moved(event)
        case DrawDispatched():
            depots = _weighed_by_depot(event.parcels, event.mass_g, event.weighed_g)
            carrier = f"carrier/{event.carrier}"
            return all_of(custody(event.product, f"depot/{depot}", carrier, mass_g) for depot, mass_g in depots.items())
        case DrawDelivered():
            return custody(event.product, f"carrier/{event.carrier}", f"holder/{event.consignee}", event.weighed_g)
        case DrawReturned():
            return _returned(event)
        case LotTakenIn():
            return [
                *title(event.product, OUTSIDE, f"reserve/{event.status}", event.mass_g),
                *custody(event.product, OUTSIDE, f"depot/{event.depot}", event.mass_g),
            ]
        case AssayRecorded():
            if event.from_status == event.to_status:
                return []
            return title(event.product, f"reserve/{event.from_status}", f"reserve/{event.to_status}", event.mass_g)
        case StockAdjusted():
            return [
                *title(event.product, CAUSES[event.cause], f"reserve/{event.status}", event.change_g),
                *custody(event.product, CAUSES[event.cause], f"depot/{event.depot}", event.change_g),
            ]
        case RightAdded():
            return title(event.product, f"project/{event.project}", f"right/{event.right}", event.mass_g)
        case RightMatured(settled_g=ended_g) | RightTerminated(mass_g=ended_g):  # what was delivered comes in with its lot
            return title(event.product, f"right/{event.right}", f"project/{event.project}", ended_g)
        case StockPinned() | LoanAnnounced() | LoanGateOpened() | MaterialLent() | LentDrawReturned() | ReturnTakenIn() | ReturnRefused():
            return []  # grams of a product move by the events beside them; contained grams by those of loans
        case AuthorityCited() | CommandProposed() | CommandApproved() | CommandWithdrawn() | CommandLapsed() | AwardForwarded():
            return []  # it moves nothing: what it is about stands beside it
        case HoldConfirmed() | RoundHeld() | RoundFreed() | ReleaseExtended() | DeliveryPostponed() | DifferenceOverdue():
            return []  # what is held, or late, is where it was
        case RightExercised() | ProgrammeAgreed() | TrancheDelivered() | TrancheClosed() | MoveRatified() | MoveRatificationMissed():
            return []  # deliveries and moves have events of their own
        case ProductRegistered() | ProtectedStockSet() | ReceiptGradeSet() | HoldPutOn() | HoldLifted() | LogReachReported() | TextErased():
            return []
        case WeighingToleranceSet():
            return []
        case MessageParked() | ParkingConfirmed() | ParkingLapsed() | MessagesUnparked():
            return []
        case DecisionTakenBack() | RoundReleased() | RoundReleaseRefused() | DispatchCorrected():
            return []  # its releases' own events have moved it, or it is how it is written
        case _:
            assert_never(event)


def _drawn(event: StockDrawn) -> list[Posting]:
    release = _release_account(event.partner, event.release)
    return [
        *pending(event.product, AVAILABLE, release, event.mass_g, Status.SETTLED),
        *title(event.product, AVAILABLE, f"partner/{event.partner}", event.mass_g),
    ]


def _assigned(event: RightAssigned) -> list[Posting]:
    """What the release had reserved, of rights or of lots, is settled; the claim passes."""
    reserved = RESERVED_RIGHTS if event.source == "rights" else AVAILABLE
    return [
        *pending(event.product, reserved, _release_account(event.partner, event.release), event.mass_g, Status.SETTLED),
        *title(event.product, f"right/{event.right}", f"partner/{event.partner}/rights", event.mass_g),
    ]


def _settled(
    event: AssignmentDelivered | AssignmentSubstituted | AssignmentGivenBack | AssignmentFailed | AssignmentClosed,
) -> list[Posting]:
    """A partner's claim is goods now, which were never here, or other ones; it is the Reserve's again; or it has ended."""
    claim = f"partner/{event.partner}/rights"
    match event:
        case AssignmentDelivered():
            return title(event.product, claim, f"partner/{event.partner}", event.mass_g)
        case AssignmentSubstituted():
            return [
                *title(event.product, claim, f"project/{event.project}", event.mass_g),
                *title(event.substitute, f"project/{event.project}", f"partner/{event.partner}", event.delivered_g),
            ]
        case AssignmentGivenBack():
            return title(event.product, claim, f"right/{event.right}", event.mass_g)
        case AssignmentFailed() | AssignmentClosed():
            return title(event.product, claim, f"project/{event.project}", event.mass_g)
        case _:
            assert_never(event)


def _weighed(event: DrawWeighed) -> list[Posting]:
    """The books held the nominal mass, or an earlier weighing, before."""
    before = _weighed_by_depot(event.parcels, event.mass_g, event.weighed_g - event.difference_g)
    after = _weighed_by_depot(event.parcels, event.mass_g, event.weighed_g)
    return [
        *title(event.product, WEIGHING, f"partner/{event.partner}", event.difference_g),
        *all_of(custody(event.product, WEIGHING, f"depot/{depot}", after[depot] - before[depot]) for depot in after),
    ]


def _weighed_again(event: DrawWeighedAgain) -> list[Posting]:
    """What an earlier weighing had corrected is taken back, and all that the draw lacks is in suspense."""
    before = _weighed_by_depot(event.parcels, event.mass_g, event.before_g)
    nominal = _weighed_by_depot(event.parcels, event.mass_g, event.mass_g)
    after = _weighed_by_depot(event.parcels, event.mass_g, event.weighed_g)
    partner, suspense = f"partner/{event.partner}", _suspense_account(event.draw)
    return [
        *title(event.product, WEIGHING, partner, event.mass_g - event.before_g),
        *title(event.product, partner, suspense, event.mass_g - event.weighed_g),
        *all_of(custody(event.product, WEIGHING, f"depot/{depot}", nominal[depot] - before[depot]) for depot in nominal),
        *all_of(custody(event.product, f"depot/{depot}", suspense, nominal[depot] - after[depot]) for depot in nominal),
    ]


def _out_of_suspense(event: DifferenceSettled) -> list[Posting]:
    suspense, account = _suspense_account(event.draw), SETTLED_AS[event.cause]
    return [*title(event.product, suspense, account, event.mass_g), *custody(event.product, suspense, account, event.mass_g)]


def _moved(event: DrawMoved) -> list[Posting]:
    """Out of the depots as they held it, and in to those that hold it now."""
    before = _weighed_by_depot(event.before, event.mass_g, event.held_g)
    after = _weighed_by_depot(event.parcels, event.mass_g, event.held_g)
    return [
        *(Posting(Side.CUSTODY, event.product, f"depot/{depot}", -mass_g, Status.POSTED) for depot, mass_g in before.items() if mass_g),
        *(Posting(Side.CUSTODY, event.product, f"depot/{depot}", mass_g, Status.POSTED) for depot, mass_g in after.items() if mass_g),
    ]


def _returned(event: DrawReturned) -> list[Posting]:
    """The goods are the reserve's again, at their nominal mass."""
    parcels = (*event.available, *event.quarantined)
    nominal = _weighed_by_depot(parcels, event.mass_g, event.mass_g)
    weighed = _weighed_by_depot(parcels, event.mass_g, event.mass_g + event.difference_g)
    partner = f"partner/{event.partner}"
    return [
        *title(event.product, partner, WEIGHING, event.difference_g),
        *title(event.product, partner, AVAILABLE, sum(parcel.mass_g for parcel in event.available)),
        *title(event.product, partner, "reserve/quarantined", sum(parcel.mass_g for parcel in event.quarantined)),
        *all_of(custody(event.product, f"depot/{depot}", WEIGHING, weighed[depot] - nominal[depot]) for depot in nominal),
    ]


def _promise(
    event: StockReleased | ReleaseLapsed | ReleaseCancelled, units: Iterable[UnitCount], rights_g: int, status: Status
) -> list[Posting]:
    release = _release_account(event.partner, event.release)
    lots_g = sum(count.units * count.nominal_unit_g for count in units)
    return [
        *pending(event.product, AVAILABLE, release, lots_g, status),
        *pending(event.product, RESERVED_RIGHTS, release, rights_g, status),
    ]


def _weighed_by_depot(parcels: Iterable[Parcel], mass_g: int, weighed_g: int) -> dict[str, int]:
    """What a weighing of the whole draw says of each depot: its share by nominal mass, in whole grams that add up to `weighed_g`.

    It does not depend on the parcels' order, so that what a weighing adds to a depot is what a dispatch or a return takes from it.
    """
    nominal: dict[str, int] = {}
    for parcel in parcels:
        nominal[parcel.depot] = nominal.get(parcel.depot, 0) + parcel.mass_g
    shares: dict[str, int] = {}
    upto_g = given_g = 0
    for depot in sorted(nominal):
        upto_g += nominal[depot]
        shares[depot] = weighed_g * upto_g // mass_g - given_g
        given_g += shares[depot]
    return shares


def _suspense_account(draw: str) -> str:
    return f"suspense/{draw}"


def _release_account(partner: str, release: str) -> str:
    return f"partner/{partner}/release/{release}"
