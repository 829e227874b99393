"""Stockpile: one product's lots, rights, releases, draws and holds; the rules that keep what is released, and drawn, backed by stock."""

from collections.abc import Iterable, Sequence
from datetime import date
from typing import assert_never

from services.inventory.domain.deliveries import (
    DeliverAssignment,
    DeliveryCommand,
    FailAssignments,
    GiveBackAssignment,
    PostponeDelivery,
    SubstituteDelivery,
    of_delivery,
)
from services.inventory.domain.differences import (
    DifferenceCommand,
    MissDifference,
    SettleDifference,
    WeighAgain,
    difference_timers,
    of_difference,
)
from services.inventory.domain.dispatch import (
    CorrectDispatch,
    DeliverDraw,
    DispatchDraw,
    ReturnDraw,
    WeighDraw,
    correct_dispatch,
    deliver_draw,
    dispatch_draw,
    return_draw,
    weigh_draw,
)
from services.inventory.domain.draws import DrawStock, draw_stock
from services.inventory.domain.evolve import evolve
from services.inventory.domain.holds import (
    ConfirmHold,
    ConfirmPartnerHold,
    ExpireHold,
    FreePartner,
    FreeRound,
    HoldPartner,
    HoldRound,
    LapseHold,
    LiftHold,
    PutOnHold,
    confirm_hold,
    confirm_partner_hold,
    expire_hold,
    free_partner,
    free_round,
    hold_partner,
    hold_round,
    hold_timers,
    lapse_hold,
    lift_hold,
    put_on_hold,
)
from services.inventory.domain.loans import (
    AnnounceLoan,
    OpenLoanGate,
    TakeInReturn,
    announce_loan,
    open_gate,
    take_in_return,
)
from services.inventory.domain.lots import AdjustStock, RecordAssay, TakeInLot, adjust_stock, record_assay, take_in_lot
from services.inventory.domain.moves import MissMove, MoveCommand, MoveLot, RatifyMove, move_timers, of_move
from services.inventory.domain.products import ProductCommand, RegisterProduct, SetProtectedStock, SetReceiptGrade, of_product
from services.inventory.domain.programme import AgreeProgramme, CloseTranches, agree_programme, close_tranches
from services.inventory.domain.reasons import Refusal
from services.inventory.domain.releases import (
    CancelRelease,
    LapseRelease,
    ReleaseRound,
    TakeBackDecision,
    TakeBackRelease,
    cancel_release,
    lapse_release,
    release_round,
    take_back_decision,
    take_back_release,
)
from services.inventory.domain.rights import AddRight, ExerciseRight, MatureRight, RightCommand, TerminateRight, of_right
from services.inventory.domain.state import Stockpile, day_after, last_day
from services.inventory.domain.weighing import SetWeighingTolerance
from services.inventory.events import (
    DeliveryPostponed,
    DifferenceSettled,
    DrawWeighedAgain,
    Event,
    HoldConfirmed,
    HoldLifted,
    HoldPutOn,
    LotMoved,
    MoveRatified,
    ProgrammeAgreed,
    ReleaseCancelled,
    ReleaseExtended,
    RightAdded,
    RightAssigned,
    RightExercised,
    RightId,
    StockDrawn,
    StockReleased,
    Tranche,
)
from shared.journal.decider import CancelTimer, Decider, Timer

type Command = (
    ProductCommand
    | TakeInLot
    | RecordAssay
    | AdjustStock
    | RightCommand
    | AgreeProgramme
    | CloseTranches
    | DeliveryCommand
    | PutOnHold
    | ConfirmHold
    | LapseHold
    | LiftHold
    | ExpireHold
    | HoldRound
    | FreeRound
    | HoldPartner
    | ConfirmPartnerHold
    | FreePartner
    | ReleaseRound
    | LapseRelease
    | CancelRelease
    | DrawStock
    | WeighDraw
    | DispatchDraw
    | ReturnDraw
    | DeliverDraw
    | CorrectDispatch
    | DifferenceCommand
    | MoveCommand
    | AnnounceLoan
    | OpenLoanGate
    | TakeBackRelease
    | TakeBackDecision
    | TakeInReturn
)


def decide(command: Command, state: Stockpile) -> Sequence[Event] | Refusal:
    match command:
        case DrawStock():
            return draw_stock(command, state)
        case WeighDraw():
            return weigh_draw(command, state)
        case DispatchDraw():
            return dispatch_draw(command, state)
        case ReturnDraw():
            return return_draw(command, state)
        case DeliverDraw():
            return deliver_draw(command, state)
        case CorrectDispatch():
            return correct_dispatch(command, state)
        case WeighAgain() | SettleDifference() | MissDifference():
            return of_difference(command, state)
        case MoveLot() | RatifyMove() | MissMove():
            return of_move(command, state)
        case ReleaseRound():
            return release_round(command, state)
        case LapseRelease():
            return lapse_release(command, state)
        case CancelRelease():
            return cancel_release(command, state)
        case RegisterProduct() | SetProtectedStock() | SetReceiptGrade() | SetWeighingTolerance():
            return of_product(command, state)
        case TakeInLot():
            return take_in_lot(command, state)
        case RecordAssay():
            return record_assay(command, state)
        case AdjustStock():
            return adjust_stock(command, state)
        case AddRight() | ExerciseRight() | TerminateRight() | MatureRight():
            return of_right(command, state)
        case AgreeProgramme():
            return agree_programme(command, state)
        case CloseTranches():
            return close_tranches(command, state)
        case DeliverAssignment() | SubstituteDelivery() | GiveBackAssignment() | PostponeDelivery() | FailAssignments():
            return of_delivery(command, state)
        case PutOnHold():
            return put_on_hold(command, state)
        case ConfirmHold():
            return confirm_hold(command, state)
        case LapseHold():
            return lapse_hold(command, state)
        case LiftHold():
            return lift_hold(command, state)
        case ExpireHold():
            return expire_hold(command, state)
        case HoldRound() | FreeRound():
            return hold_round(command, state) if isinstance(command, HoldRound) else free_round(command, state)
        case HoldPartner():
            return hold_partner(command, state)
        case ConfirmPartnerHold():
            return confirm_partner_hold(command, state)
        case FreePartner():
            return free_partner(command, state)
        case AnnounceLoan():
            return announce_loan(command, state)
        case OpenLoanGate():
            return open_gate(command, state)
        case TakeBackRelease():
            return take_back_release(command, state)
        case TakeBackDecision():
            return take_back_decision(command, state)
        case TakeInReturn():
            return take_in_return(command, state)
        case _:
            assert_never(command)


def timers(event: Event) -> Sequence[Timer | CancelTimer]:
    """Releases lapse, holds expire, and deliveries fail, as the day after their last one begins."""
    match event:
        case StockReleased() | ReleaseExtended():
            due = day_after(event.expires_on)
            return [Timer(f"lapse/{event.release}", due, LapseRelease(release=event.release, on=due))]
        case RightAssigned():
            ended = [] if event.remaining_g else [CancelTimer(f"lapse/{event.release}")]
            return ended if event.window_to is None else [*ended, _fail_after(event.right, event.window_to, event.grace_days)]
        case DeliveryPostponed():
            return [
                _fail_after(event.right, event.window_to, event.grace_days),
                *_close_after(event.right, event.tranches, event.grace_days),
            ]
        case RightAdded() if event.terms is not None and event.kind == "firm_offtake":
            whole = Tranche(number=1, window_from=event.window_from, window_to=event.window_to, mass_g=event.mass_g)
            return _close_after(event.right, [whole], event.terms.grace_days)
        case RightExercised():
            whole = Tranche(number=event.tranche, window_from=event.deliver_from, window_to=event.window_to, mass_g=event.mass_g)
            return _close_after(event.right, [whole], event.grace_days)
        case ProgrammeAgreed():
            return _close_after(event.right, event.tranches, event.grace_days)
        case StockDrawn() if event.remaining_g == 0:
            return [CancelTimer(f"lapse/{event.release}")]
        case ReleaseCancelled():
            return [CancelTimer(f"lapse/{event.release}")]
        case HoldPutOn() | HoldConfirmed() | HoldLifted():
            return hold_timers(event)
        case DrawWeighedAgain() | DifferenceSettled():
            return difference_timers(event)
        case LotMoved() | MoveRatified():
            return move_timers(event)
        case _:
            return ()


def _fail_after(right: RightId, window_to: date, grace_days: int) -> Timer:
    due = day_after(last_day(window_to, grace_days))
    return Timer(f"window/{right}", due, FailAssignments(right=right, on=due))


def _close_after(right: RightId, tranches: Iterable[Tranche], grace_days: int) -> list[Timer]:
    """What is delivered by then, or is in another programme, has nothing to close."""
    dues = ((tranche.number, day_after(last_day(tranche.window_to, grace_days))) for tranche in tranches)
    return [Timer(f"tranche/{right}/{number}", due, CloseTranches(right=right, on=due)) for number, due in dues]


DECIDER = Decider(kind="stockpile", initial=Stockpile(), commands=Command, decide=decide, evolve=evolve, timers=timers)
