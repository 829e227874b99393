"""Controls: what each command of a stockpile does to what people hold, and so who may give it."""

from functools import partial

import msgspec

from services.inventory.domain.deliveries import (
    DeliverAssignment,
    FailAssignments,
    GiveBackAssignment,
    PostponeDelivery,
    SubstituteDelivery,
)
from services.inventory.domain.differences import MissDifference, SettleDifference, WeighAgain
from services.inventory.domain.dispatch import CorrectDispatch, DeliverDraw, DispatchDraw, ReturnDraw, WeighDraw
from services.inventory.domain.draws import DrawStock
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
)
from services.inventory.domain.loans import AnnounceLoan, OpenLoanGate, TakeInReturn
from services.inventory.domain.lots import AdjustStock, RecordAssay, TakeInLot
from services.inventory.domain.moves import MissMove, MoveLot, RatifyMove
from services.inventory.domain.products import RegisterProduct, SetProtectedStock, SetReceiptGrade
from services.inventory.domain.programme import AgreeProgramme, CloseTranches
from services.inventory.domain.releases import CancelRelease, LapseRelease, ReleaseRound, TakeBackDecision, TakeBackRelease
from services.inventory.domain.rights import AddRight, ExerciseRight, MatureRight, TerminateRight
from services.inventory.domain.state import Stockpile, owed_under
from services.inventory.domain.weighing import SetWeighingTolerance, counts, goes_to_one_side, tolerance_g
from services.inventory.events import AuthorityCited, CommandApproved, CommandLapsed, CommandProposed, CommandWithdrawn, ProductId
from shared.terms.authority import Action, Cited, interest_in
from shared.terms.countersigning import Class, Controls, Countersigned, ProposalEvents
from shared.terms.reach import ReportReach


def within_tolerance(command: WeighDraw, state: Stockpile) -> bool:
    """Whether the goods weigh what was drawn, as far as a scale can tell. What is no draw's is for the decision to refuse."""
    draw = state.draws.get(command.draw)
    return draw is None or counts(draw, tolerance_g(state, draw, command.scale), command.weighed_g)


def _weighs_otherwise(command: WeighDraw, state: Stockpile) -> bool:
    """Than was drawn, by itself or together with the draws before, or than two people have found."""
    if command.draw in state.suspense or not within_tolerance(command, state):
        return True
    draw = state.draws.get(command.draw)
    if draw is None:
        return False
    return goes_to_one_side(state.drift, draw, tolerance_g(state, draw, command.scale), command.weighed_g) is not None


def _weigh(command: WeighDraw, state: Stockpile) -> Action:
    draw = state.draws.get(command.draw)
    concerns = () if draw is None else (interest_in("partner", draw.partner),)
    return _of("accept_weight", state.product, 0 if draw is None else abs(command.weighed_g - draw.mass_g), *concerns)


def _settle(command: SettleDifference, state: Stockpile) -> Action:
    found = state.suspense.get(command.draw)
    concerns = () if found is None else (interest_in("partner", found.partner),)
    return _of("accept_weight", state.product, 0 if found is None else found.mass_g, *concerns)


def _return(command: ReturnDraw, state: Stockpile) -> Action:
    draw = state.draws.get(command.draw)
    concerns = () if draw is None else (interest_in("partner", draw.partner),)
    return _of("return_draw", state.product, 0 if draw is None else draw.mass_g, *concerns)


def _in_lot(command: RecordAssay, state: Stockpile) -> Action:
    lot = state.lots.get(command.lot)
    return _of("rule_assay", state.product, 0 if lot is None else lot.units * lot.nominal_unit_g)


def _adjust(command: AdjustStock, state: Stockpile) -> Action:
    lot = state.lots.get(command.lot)
    return _of("adjust_stock", state.product, 0 if lot is None else abs(command.change_units) * lot.nominal_unit_g)


def _taken_in(command: TakeInLot, state: Stockpile) -> Action:
    return _of("take_in_stock", state.product, command.units * command.nominal_unit_g)


def _matured(command: MatureRight, state: Stockpile) -> Action:
    return _taken_in(command.delivery, state)


def _under(act: str, command: AgreeProgramme | ExerciseRight | PostponeDelivery | TerminateRight, state: Stockpile) -> Action:
    """Of all that is to come under a right, of which partners may be owed a part."""
    owed = [assigned for _, assigned in owed_under(state, command.right)]
    partners = sorted({interest_in("partner", assigned.partner) for assigned in owed})
    own_g = 0
    if not isinstance(command, PostponeDelivery) and (right := state.rights.get(command.right)) is not None:
        own_g = right.mass_g
    return _of(act, state.product, own_g + sum(assigned.mass_g for assigned in owed), *partners)


def _reported_by_reserve(command: DeliverAssignment, _state: Stockpile) -> bool:
    """A partner's own report moves nothing but its own claim."""
    return command.partner is None


def _of_assignment(act: str, command: DeliverAssignment | SubstituteDelivery | GiveBackAssignment, state: Stockpile) -> Action:
    assigned = state.assigned.get(f"{command.draw}/{command.right}")
    concerns = () if assigned is None else (interest_in("partner", assigned.partner),)
    return _of(act, state.product, command.mass_g, *concerns)


def _of(act: str, product: ProductId | None, mass_g: int | None, *concerns: str) -> Action:
    about = () if product is None else (interest_in("product", product),)
    return Action(act=act, product=product, mass_g=mass_g, concerns=(*about, *concerns))


CONTROLS: Controls = {
    RegisterProduct: Countersigned("register_product", lambda command, _: _of("register_product", command.product, None)),
    TakeInLot: Countersigned("take_in_stock", _taken_in),
    RecordAssay: Countersigned("rule_assay", _in_lot),
    AdjustStock: Countersigned("adjust_stock", _adjust),
    AddRight: Countersigned("add_right", lambda command, state: _of("add_right", state.product, command.mass_g)),
    MatureRight: Countersigned("take_in_stock", _matured),
    SetProtectedStock: Countersigned("open_protected_stock"),  # more of it as well: it stays for good
    SetReceiptGrade: Countersigned("set_receipt_grade", lambda _command, state: _of("set_receipt_grade", state.product, None)),
    SetWeighingTolerance: Countersigned(
        "set_weighing_tolerance", lambda _command, state: _of("set_weighing_tolerance", state.product, None)
    ),
    LiftHold: Countersigned("lift_hold"),
    CancelRelease: Countersigned("cancel_release"),
    WeighDraw: Countersigned("accept_weight", _weigh, only=_weighs_otherwise),
    ReturnDraw: Countersigned("return_draw", _return),
    WeighAgain: Class.EXERCISES,  # a draw, of which no more leaves than two people have weighed
    SettleDifference: Countersigned("accept_weight", _settle),
    DrawStock: Class.EXERCISES,  # a release
    DispatchDraw: Class.EXERCISES,  # a draw
    DeliverDraw: Class.EXERCISES,  # a dispatch
    DeliverAssignment: Countersigned("accept_delivery", partial(_of_assignment, "accept_delivery"), only=_reported_by_reserve),
    CorrectDispatch: Class.CORRECTS,
    PostponeDelivery: Countersigned("postpone_delivery", partial(_under, "postpone_delivery")),
    ExerciseRight: Countersigned("exercise_right", partial(_under, "exercise_right")),
    AgreeProgramme: Countersigned("agree_programme", partial(_under, "agree_programme")),
    TerminateRight: Countersigned("terminate_right", partial(_under, "terminate_right")),
    SubstituteDelivery: Countersigned("accept_substitute", partial(_of_assignment, "accept_substitute")),
    GiveBackAssignment: Countersigned("take_back_right", partial(_of_assignment, "take_back_right")),
    PutOnHold: Class.PROTECTS,
    MoveLot: Class.PROTECTS,
    RatifyMove: Class.PROTECTS,
    ConfirmHold: Class.PROTECTS,
    FailAssignments: Class.FOLLOWS,
    CloseTranches: Class.FOLLOWS,
    ExpireHold: Class.FOLLOWS,
    LapseHold: Class.FOLLOWS,
    MissDifference: Class.FOLLOWS,
    MissMove: Class.FOLLOWS,
    HoldRound: Class.FOLLOWS,
    FreeRound: Class.FOLLOWS,
    HoldPartner: Class.FOLLOWS,
    ConfirmPartnerHold: Class.FOLLOWS,
    FreePartner: Class.FOLLOWS,
    ReleaseRound: Class.FOLLOWS,
    LapseRelease: Class.FOLLOWS,
    AnnounceLoan: Class.FOLLOWS,
    OpenLoanGate: Class.FOLLOWS,
    TakeBackRelease: Class.FOLLOWS,
    TakeBackDecision: Class.FOLLOWS,
    TakeInReturn: Class.FOLLOWS,
    ReportReach: Class.FOLLOWS,
}


def _cited(state: Stockpile, proposal: str, cited: Cited) -> AuthorityCited:
    product = state.product or ProductId(cited.product or "")  # the one that is registered by it
    return AuthorityCited(product=product, matter=proposal, cited=cited)


EVENTS = ProposalEvents(proposed=CommandProposed, approved=CommandApproved, withdrawn=CommandWithdrawn, lapsed=CommandLapsed, cited=_cited)
EVENTS_OF_TEXTS = msgspec.structs.replace(
    EVENTS, cited=lambda _, proposal, cited: AuthorityCited(product=ProductId(""), matter=proposal, cited=cited)
)  # a text is of no product
