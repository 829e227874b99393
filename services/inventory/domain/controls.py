"""Controls: what each command of a stockpile does to what people hold, and so who may give it."""

from fractions import Fraction

from services.inventory.domain.deliveries import DeliverAssignment, FailAssignments, PostponeDelivery
from services.inventory.domain.dispatch import CorrectDispatch, DeliverDraw, DispatchDraw, ReturnDraw, WeighDraw
from services.inventory.domain.draws import DrawStock
from services.inventory.domain.holds import (
    ConfirmHold,
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
from services.inventory.domain.products import RegisterProduct, SetProtectedStock, SetReceiptGrade
from services.inventory.domain.releases import CancelRelease, LapseRelease, ReleaseRound, TakeBackDecision, TakeBackRelease
from services.inventory.domain.rights import AddRight, MatureRight
from services.inventory.domain.state import Stockpile
from services.inventory.events import AuthorityCited, CommandApproved, CommandLapsed, CommandProposed, CommandWithdrawn, ProductId
from shared.terms.authority import Action, Cited, interest_in
from shared.terms.countersigning import Class, Controls, Countersigned, ProposalEvents
from shared.terms.reach import ReportReach

WEIGHING_TOLERANCE = Fraction(1, 200)  # of a draw's mass: what scales and contracts allow for


def within_tolerance(command: WeighDraw, state: Stockpile) -> bool:
    """Whether the goods weigh what was drawn, as far as a scale can tell. What is no draw's is for the decision to refuse."""
    draw = state.draws.get(command.draw)
    return draw is None or abs(command.weighed_g - draw.mass_g) <= draw.mass_g * WEIGHING_TOLERANCE


def _lowers(command: SetProtectedStock, state: Stockpile) -> bool:
    return command.mass_g < state.protected_g


def _weigh(command: WeighDraw, state: Stockpile) -> Action:
    draw = state.draws.get(command.draw)
    concerns = () if draw is None else (interest_in("partner", draw.partner),)
    return _of("accept_weight", state.product, 0 if draw is None else abs(command.weighed_g - draw.mass_g), *concerns)


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


def _postponed(command: PostponeDelivery, state: Stockpile) -> Action:
    owed = [assigned for name, assigned in state.assigned.items() if name.partition("/")[2] == command.right]
    partners = sorted({interest_in("partner", assigned.partner) for assigned in owed})
    return _of("postpone_delivery", state.product, sum(assigned.mass_g for assigned in owed), *partners)


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
    SetProtectedStock: Countersigned("open_protected_stock", only=_lowers),  # more of it protects
    SetReceiptGrade: Countersigned("set_receipt_grade", lambda _command, state: _of("set_receipt_grade", state.product, None)),
    LiftHold: Countersigned("lift_hold"),
    CancelRelease: Countersigned("cancel_release"),
    WeighDraw: Countersigned("accept_weight", _weigh, only=lambda command, state: not within_tolerance(command, state)),
    ReturnDraw: Countersigned("return_draw", _return),
    DrawStock: Class.EXERCISES,  # a release
    DispatchDraw: Class.EXERCISES,  # a draw
    DeliverDraw: Class.EXERCISES,  # a dispatch
    DeliverAssignment: Class.EXERCISES,  # an assigned right
    CorrectDispatch: Class.CORRECTS,
    PostponeDelivery: Countersigned("postpone_delivery", _postponed),
    PutOnHold: Class.PROTECTS,
    ConfirmHold: Class.PROTECTS,
    FailAssignments: Class.FOLLOWS,
    ExpireHold: Class.FOLLOWS,
    LapseHold: Class.FOLLOWS,
    HoldRound: Class.FOLLOWS,
    FreeRound: Class.FOLLOWS,
    HoldPartner: Class.FOLLOWS,
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
