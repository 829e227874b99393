"""Evolve: what each event does to the state of a stockpile."""

from bisect import bisect_left, insort
from collections.abc import Iterable, Sequence
from typing import assert_never

import immutables
from msgspec.structs import replace

from services.inventory.domain.holding import with_hold
from services.inventory.domain.performing import assigned, changed, performed, set_right, settled
from services.inventory.domain.state import (
    NEVER,
    AwardedLoan,
    Consignment,
    Draw,
    Drift,
    HeldRound,
    LentDraw,
    Lot,
    Release,
    Shelf,
    Stockpile,
    Turn,
    proposed_for,
)
from services.inventory.domain.unsigned import with_unsigned
from services.inventory.domain.weighing import tolerance_of, with_weighing
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
    Event,
    HoldConfirmed,
    HoldLifted,
    HoldPutOn,
    LentDrawReturned,
    LoanAnnounced,
    LoanGateOpened,
    LogReachReported,
    LotId,
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
    PinnedUnits,
    ProductRegistered,
    ProgrammeAgreed,
    ProtectedStockSet,
    ReceiptGradeSet,
    ReleaseCancelled,
    ReleaseExtended,
    ReleaseId,
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

type Lots = immutables.Map[LotId, Lot]
type Shelves = immutables.Map[int, Shelf]
type Releases = immutables.Map[ReleaseId, Release]
type Loans = immutables.Map[ReleaseId, AwardedLoan]


def evolve(state: Stockpile, event: Event) -> Stockpile:
    match event:  # what happens often first: a case that does not match costs 0.09 us
        case AwardForwarded():
            return state
        case StockDrawn():
            return _drawn(state, event)
        case DrawWeighed():
            return _weighed(state, event)
        case DrawDispatched():
            return _dispatched(state, event)
        case DrawDelivered():
            return replace(state, under_way=state.under_way.delete(event.draw))
        case StockReleased():
            return _released(state, event)
        case StockPinned():
            return _repin(state, event.release, event.lots)
        case ReleaseExtended():
            extended = replace(state.releases[event.release], expires_on=event.expires_on)
            return replace(state, releases=state.releases.set(event.release, extended))
        case ReleaseLapsed() | ReleaseCancelled():
            return _reduce_release(state, event.release, event.units, event.rights_g)
        case DrawReturned():
            return _returned(state, event)
        case RightAssigned():
            state = assigned(state, event, state.releases[event.release].decision)
            state = _reduce_release(state, event.release, event.units, event.mass_g if event.source == "rights" else 0)
            return set_right(state, event.right, event.right_remaining_g)
        case AssignmentDelivered() | AssignmentSubstituted() | AssignmentClosed() | AssignmentFailed() | AssignmentGivenBack():
            return settled(state, event)
        case MaterialLent():
            return replace(state, lent=state.lent.set(event.draw, LentDraw(event.release, event.award, event.contained_g)))
        case LentDrawReturned():
            return replace(state, lent=state.lent.delete(event.draw))
        case LoanAnnounced() | LoanGateOpened():
            return _lend(state, event)
        case LotTakenIn():
            return _taken_in(state, event)
        case AssayRecorded():
            return _assayed(state, event)
        case StockAdjusted():
            return _restock(state, event.lot, event.change_units)
        case RightMatured():
            return set_right(state, event.right, event.remaining_g)
        case RightAdded() | RightExercised() | RightTerminated():
            return changed(state, event)
        case ProgrammeAgreed() | DeliveryPostponed() | TrancheDelivered() | TrancheClosed():
            return performed(state, event)
        case HoldPutOn() | HoldConfirmed() | HoldLifted():
            return with_hold(state, event)
        case DrawWeighedAgain() | DifferenceSettled() | LotMoved() | DrawMoved() | MoveRatified() | MoveRatificationMissed():
            return with_unsigned(state, event)
        case RoundHeld():
            return replace(state, held=state.held.set(event.decision, HeldRound(event.round, event.held_on)))
        case RoundFreed():
            return replace(state, held=state.held.delete(event.decision))
        case ProductRegistered():
            return replace(state, product=event.product, nominal_unit_g=event.nominal_unit_g, contents=event.contents)
        case ProtectedStockSet() | ReceiptGradeSet() | WeighingToleranceSet():
            return _ruled(state, event)
        case CommandProposed() | CommandApproved() | CommandWithdrawn() | CommandLapsed() | DispatchCorrected() | DifferenceOverdue():
            return state  # kept where they are decided, or it changes nothing that is kept
        case LogReachReported() | TextErased() | MessageParked() | ParkingConfirmed() | ParkingLapsed() | MessagesUnparked():
            return state
        case AuthorityCited() | DecisionTakenBack() | RoundReleased() | RoundReleaseRefused() | ReturnTakenIn() | ReturnRefused():
            return state
        case _:
            assert_never(event)


def _ruled(state: Stockpile, event: ProtectedStockSet | ReceiptGradeSet | WeighingToleranceSet) -> Stockpile:
    match event:
        case ProtectedStockSet():
            return replace(state, protected_g=event.mass_g)
        case ReceiptGradeSet():
            return replace(state, receipt_grade=event.grade)
        case WeighingToleranceSet():
            return replace(state, tolerances=state.tolerances.set(tolerance_of(event.partner, event.scale), event.tolerance))


def _drawn(state: Stockpile, event: StockDrawn) -> Stockpile:
    lots, shelves, release = state.lots, state.shelves, state.releases[event.release]
    left = release.units
    if release.pins:
        state = _repin(state, event.release, pins_after(release.pins, event.parcels))
    for parcel in event.parcels:
        units, unit_g = parcel.units, parcel.nominal_unit_g
        lot, shelf = lots[parcel.lot], shelves[unit_g]
        queue = shelf.queue if units < lot.units else _without(shelf.queue, lot.turn)
        lots = lots.set(parcel.lot, replace(lot, units=lot.units - units, drawn_units=lot.drawn_units + units))
        shelves = shelves.set(unit_g, Shelf(queue, shelf.units - units, shelf.reserved_units - units, shelf.failed_units))
        left = _less(left, unit_g, units)
    return replace(
        state,
        lots=lots,
        shelves=shelves,
        loans=state.loans if event.remaining_g else _open_loans(state, event.release),
        draws=state.draws.set(event.draw, Draw(event.partner, event.release, event.parcels, event.mass_g, release.decision)),
        drawn_g=state.drawn_g + event.mass_g,
        releases=_with_left(state.releases, event.release, left, release.rights_g, release.mass_g - event.mass_g),
    )


def _weighed(state: Stockpile, event: DrawWeighed) -> Stockpile:
    overtaken = frozenset(name for name, _ in proposed_for(state, event.draw, "WeighDraw"))
    by = frozenset() if event.weighed_by is None else frozenset({event.weighed_by})
    draw, drift = with_weighing(state, event.draw, event.weighed_g, event.scale)
    draw = replace(draw, weighed_by=by, overtaken=overtaken)
    drift = drift if event.together_g is None else Drift()  # what was signed for is summed no more
    return replace(state, draws=state.draws.set(event.draw, draw), drift=drift)


def _dispatched(state: Stockpile, event: DrawDispatched) -> Stockpile:
    lots = state.lots
    for parcel in event.parcels:
        lots = _put(lots, parcel.lot, _undrawn(lots[parcel.lot], parcel.units))
    release = state.draws[event.draw].release
    sent = Consignment(event.partner, release, event.mass_g, event.weighed_g, event.carrier, event.consignee)
    return replace(
        state,
        lots=lots,
        draws=state.draws.delete(event.draw),
        under_way=state.under_way.set(event.draw, sent),
        lent=state.lent.delete(event.draw) if event.draw in state.lent else state.lent,
        drawn_g=state.drawn_g - event.mass_g,
    )


def _released(state: Stockpile, event: StockReleased) -> Stockpile:
    release = Release(event.partner, event.units, event.rights_g, event.mass_g, event.expires_on, event.decision)
    shelves = state.shelves
    for count in event.units:
        shelves = _reserve(shelves, count, count.units)
    return replace(
        state,
        releases=state.releases.set(event.release, release),
        shelves=shelves,
        reserved_rights_g=state.reserved_rights_g + event.rights_g,
    )


def _reduce_release(state: Stockpile, release_id: ReleaseId, units: Sequence[UnitCount], rights_g: int) -> Stockpile:
    """Take units of lots and grams of rights off a release and off what it had reserved. With its end its pins are gone; before that, an
    event of their own says what they are now."""
    release = state.releases[release_id]
    if release.pins and release.mass_g == rights_g + sum(count.units * count.nominal_unit_g for count in units):
        state = _repin(state, release_id, ())
    shelves, left, mass_g = state.shelves, release.units, release.mass_g - rights_g
    for count in units:
        left = _less(left, count.nominal_unit_g, count.units)
        mass_g -= count.units * count.nominal_unit_g
        shelves = _reserve(shelves, count, -count.units)
    releases = _with_left(state.releases, release_id, left, release.rights_g - rights_g, mass_g)
    loans = state.loans if mass_g else _open_loans(state, release_id)
    return replace(state, releases=releases, loans=loans, shelves=shelves, reserved_rights_g=state.reserved_rights_g - rights_g)


def _open_loans(state: Stockpile, ended: ReleaseId) -> Loans:
    """A release with nothing left needs no gate."""
    return state.loans.delete(ended) if ended in state.loans else state.loans


def _lend(state: Stockpile, event: LoanAnnounced | LoanGateOpened) -> Stockpile:
    loan = state.loans.get(event.release, AwardedLoan())
    if isinstance(event, LoanAnnounced):
        loan = replace(loan, award=event.award, decision=event.decision)
    else:
        loan = replace(loan, gate=event.gate, opened_for=event.decision)
    return replace(state, loans=state.loans.set(event.release, loan))


def _with_left(releases: Releases, release_id: ReleaseId, units: tuple[UnitCount, ...], rights_g: int, mass_g: int) -> Releases:
    """What is left of a release; with nothing left, it goes."""
    if not mass_g:
        return releases.delete(release_id)
    return releases.set(release_id, replace(releases[release_id], units=units, rights_g=rights_g, mass_g=mass_g))


def _reserve(shelves: Shelves, count: UnitCount, change_units: int) -> Shelves:
    shelf = shelves[count.nominal_unit_g]
    return shelves.set(count.nominal_unit_g, Shelf(shelf.queue, shelf.units, shelf.reserved_units + change_units, shelf.failed_units))


def pins_after(pins: Iterable[PinnedUnits], parcels: Iterable[Parcel]) -> tuple[PinnedUnits, ...]:
    """What is left of a release's pins when these parcels are drawn."""
    taken: dict[LotId, int] = {}
    for parcel in parcels:
        taken[parcel.lot] = taken.get(parcel.lot, 0) + parcel.units
    left = [replace(pin, units=pin.units - taken.get(pin.lot, 0)) for pin in pins]
    return tuple([pin for pin in left if pin.units])


def _repin(state: Stockpile, release_id: ReleaseId, pins: tuple[PinnedUnits, ...]) -> Stockpile:
    """A release is pinned to these lots, and no longer to those before."""
    release = state.releases[release_id]
    state = _pin(_pin(state, release.pins, -1), pins, 1)
    return replace(state, releases=state.releases.set(release_id, replace(release, pins=pins)))


def _pin(state: Stockpile, pins: Iterable[PinnedUnits], sign: int) -> Stockpile:
    pinned, shelves = state.pinned, state.shelves
    for pin in pins:
        change, unit_g = sign * pin.units, pin.nominal_unit_g
        units = pinned.get(pin.lot, 0) + change
        pinned = pinned.set(pin.lot, units) if units else pinned.delete(pin.lot)
        if not state.lots[pin.lot].in_specification:
            shelves = shelves.set(unit_g, _failed(shelves[unit_g], change))
    return replace(state, pinned=pinned, shelves=shelves)


def _failed(shelf: Shelf, change_units: int) -> Shelf:
    return Shelf(shelf.queue, shelf.units, shelf.reserved_units, shelf.failed_units + change_units)


def _less(units: tuple[UnitCount, ...], unit_g: int, taken: int) -> tuple[UnitCount, ...]:
    reduced = [replace(have, units=have.units - taken) if have.nominal_unit_g == unit_g else have for have in units]
    return tuple([have for have in reduced if have.units])


def _taken_in(state: Stockpile, event: LotTakenIn) -> Stockpile:
    turn: Turn = (event.expires_on or NEVER, state.lots_taken_in, event.lot)
    lot = Lot(event.depot, event.nominal_unit_g, 0, 0, event.status == "available", turn, event.assay.contents)
    state = replace(state, lots=state.lots.set(event.lot, lot), lots_taken_in=state.lots_taken_in + 1)
    return _restock(state, event.lot, event.units)


def _assayed(state: Stockpile, event: AssayRecorded) -> Stockpile:
    """Out of stock as it was, back in as it is now."""
    lot = replace(state.lots[event.lot], contents=event.assay.contents)
    if event.from_status == event.to_status:
        return replace(state, lots=state.lots.set(event.lot, lot))
    if lot.units:
        state = _restock(state, event.lot, -event.units, keep=True)
    assayed = replace(lot, units=0, in_specification=event.to_status == "available")
    state = _restock(replace(state, lots=state.lots.set(event.lot, assayed)), event.lot, event.units)
    if pinned := state.pinned.get(event.lot):  # those releases are short, or are so no longer: no other lot will do for them
        shelf = _failed(state.shelves[lot.nominal_unit_g], -pinned if assayed.in_specification else pinned)
        state = replace(state, shelves=state.shelves.set(lot.nominal_unit_g, shelf))
    return state


def _returned(state: Stockpile, event: DrawReturned) -> Stockpile:
    for parcel in (*event.available, *event.quarantined):
        lot = state.lots[parcel.lot]
        state = replace(state, lots=state.lots.set(parcel.lot, _undrawn(lot, parcel.units)))
        state = _restock(state, parcel.lot, parcel.units)
    return replace(state, draws=state.draws.delete(event.draw), drawn_g=state.drawn_g - event.mass_g)


def _restock(state: Stockpile, lot_id: LotId, units: int, *, keep: bool = False) -> Stockpile:
    """Put units of a lot into stock (or, below zero, take them out), where its specification puts them."""
    before = state.lots[lot_id]
    lot = replace(before, units=before.units + units)
    lots = state.lots.set(lot_id, lot) if keep else _put(state.lots, lot_id, lot)
    if not lot.in_specification:
        return replace(state, lots=lots, quarantined_g=state.quarantined_g + units * lot.nominal_unit_g)
    shelf = state.shelves.get(lot.nominal_unit_g, Shelf())
    queue = shelf.queue
    if lot.units and not before.units:
        queue = _with(queue, lot.turn)
    elif before.units and not lot.units:
        queue = _without(queue, lot.turn)
    shelf = Shelf(queue, shelf.units + units, shelf.reserved_units, shelf.failed_units)
    return replace(state, lots=lots, shelves=state.shelves.set(lot.nominal_unit_g, shelf))


def _undrawn(lot: Lot, units: int) -> Lot:
    return replace(lot, drawn_units=lot.drawn_units - units)


def _put(lots: Lots, lot_id: LotId, lot: Lot) -> Lots:
    return lots.set(lot_id, lot) if lot.units or lot.drawn_units else lots.delete(lot_id)


def _with(queue: tuple[Turn, ...], turn: Turn) -> tuple[Turn, ...]:
    longer = list(queue)
    insort(longer, turn)
    return tuple(longer)


def _without(queue: tuple[Turn, ...], turn: Turn) -> tuple[Turn, ...]:
    place = bisect_left(queue, turn)
    assert queue[place] == turn
    return queue[:place] + queue[place + 1 :]
