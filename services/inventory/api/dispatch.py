"""Dispatch: drawn goods are weighed and leave, if every gate is open; and how it stands with the gates. For the Reserve's own people."""

from datetime import date
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel
from sqlmodel.ext.asyncio.session import AsyncSession

from services.inventory.api.consignees import consignee_gates, consignees_of
from services.inventory.api.draws import CorrectionView, GateView, place_of
from services.inventory.api.fields import READERS, DrawPath, Name, ScaleField
from services.inventory.api.lookups import not_found, stockpile_of, stream_of
from services.inventory.domain.consignees import CONSIGNEE_CLEARED, CONSIGNEE_NAMED
from services.inventory.domain.controls import CONTROLS
from services.inventory.domain.dispatch import (
    LEDGER_RECEIPT,
    WITNESSED_RECEIPT,
    CorrectDispatch,
    DispatchDraw,
    Gate,
    WeighDraw,
    gates_of,
)
from services.inventory.domain.reasons import Refusal
from services.inventory.events import DrawDispatched, DrawId, DrawWeighed, GateEvidence
from services.inventory.projections.dispatch import pinned
from services.inventory.tables import CoveredRow, DrawRow, DrawStatus, WitnessedRow
from shared.http.auth import Caller, allow
from shared.http.fields import Body, PositiveGrams, Text
from shared.http.handlers import Posting, Reading, Reads
from shared.http.problems import Problem
from shared.proofs.checkpoint import TreeHead
from shared.terms.acting_api import accounts_of_caller
from shared.terms.countersigning_api import OR_PROPOSED, ProposalView, done_or_proposed

router = APIRouter(prefix="/v1/draws", tags=["draws"])


class WeighingBody(Body):
    """`scale`: on which, where the product's scales have tolerances of their own."""

    weighed_g: PositiveGrams
    scale: ScaleField | None = None


class DispatchBody(Body):
    carrier: Name
    consignee: Name


class CorrectionBody(Body):
    """Of how the carrier is written, or of a number on the papers; what is left out stays as it was."""

    carrier: Name | None = None
    reference: Name | None = None  # "seal 4711"
    reason: Text


class WeighingView(BaseModel):
    draw: str
    product: str
    mass_g: int
    weighed_g: int
    difference_g: int


class DispatchView(BaseModel):
    draw: str
    product: str
    status: DrawStatus
    carrier: str
    consignee: str
    weighed_g: int
    gates: list[GateView]


class DispatchGateView(BaseModel):
    """`detail`: why it is shut; of an open one what shows that, or nothing. `opens`: what would open it."""

    gate: Gate
    is_open: bool
    code: str | None  # of the problem that dispatch would be refused with; None: it is open
    detail: str
    opens: str | None


class DispatchGatesView(BaseModel):
    """As dispatch would find them for `consignee`: in its order, so that the first that is shut is what it would be refused with."""

    draw: str
    product: str
    consignee: str | None  # None: it may go to nobody yet
    consignees: list[str]  # to whom it may go: the request names them, or an approver has approved them
    gates: list[DispatchGateView]


@router.post("/{draw}/weighing", responses=OR_PROPOSED)
async def weigh_draw(
    draw: DrawPath,
    body: WeighingBody,
    caller: Annotated[Caller, allow("operator", "approver", on_duty=True)],
    post: Posting,
    reads: Reading,
) -> WeighingView | ProposalView:
    """What the goods weighed. Weighing again corrects it, until they leave; another person dispatches them. What is further from the draw
    than its contract and scale allow is proposed, and another person signs it: by itself, or together with the draws before it."""
    command = WeighDraw(draw=DrawId(draw), weighed_g=body.weighed_g, scale=body.scale, by=caller.subject)
    done = await done_or_proposed(post, CONTROLS, await stockpile_of(reads, "draw", draw), command)
    if isinstance(done, ProposalView):
        return done
    event = next(fact.event for fact in done.facts if isinstance(fact.event, DrawWeighed))
    return WeighingView.model_validate(event, from_attributes=True)


@router.post("/{draw}/dispatch")
async def dispatch_draw(
    draw: DrawPath,
    body: DispatchBody,
    caller: Annotated[Caller, allow("operator", on_duty=True)],
    post: Posting,
    reads: Reading,
) -> DispatchView:
    """The goods leave with a carrier, for a consignee of the request or of an approved change, by its name to the letter. Who alone has
    weighed them does not dispatch them.

    The gates: the ledger's receipt (a checkpoint that covers the draw), and a consignee that no screening list in force has.
    """
    product, command = await _dispatching(reads, caller, draw, body.carrier, body.consignee, post.today)
    event = (await post.submit(stream_of(product), command)).event(DrawDispatched)
    return DispatchView(
        draw=draw,
        product=event.product,
        status=DrawStatus.DISPATCHED,
        carrier=event.carrier,
        consignee=event.consignee,
        weighed_g=event.weighed_g,
        gates=[GateView.model_validate(gate, from_attributes=True) for gate in event.gates],
    )


@router.get("/{draw}/gates")
async def show_gates(
    draw: DrawPath,
    caller: Annotated[Caller, allow(*READERS)],
    reads: Reading,
    consignee: Annotated[Name | None, Query(description="to whom it would go; by default the first that it may go to")] = None,
) -> DispatchGatesView:
    """What would stop the caller from dispatching these goods now, gate by gate, worked out by the rules that dispatch itself goes by."""
    product, command = await _dispatching(reads, caller, draw, None, consignee, reads.today)
    state, _ = await reads.state(stream_of(product))
    if (waiting := state.draws.get(command.draw)) is None:
        raise Problem("draw_not_found", f"no draw {draw} is waiting here", field="path:draw")
    return DispatchGatesView(
        draw=draw,
        product=product,
        consignee=command.consignee or None,
        consignees=list(command.consignees),
        gates=[_gate(gate, fault, command) for gate, fault in gates_of(command, waiting, state)],
    )


@router.post("/{draw}/correct")
async def correct_dispatch(
    draw: DrawPath, body: CorrectionBody, caller: Annotated[Caller, allow("operator")], post: Posting, reads: Reading
) -> CorrectionView:
    """By one person, while the goods are under way. No grams, money, party, place or day of law changes: what does needs two."""
    command = CorrectDispatch(
        draw=DrawId(draw), carrier=body.carrier, reference=body.reference, reason=post.text(body.reason), by=caller.subject
    )
    fact = (await post.submit(await stockpile_of(reads, "draw", draw), command)).facts[0]
    on = date.fromisoformat(fact.record.effective_on)
    told = {name: getattr(fact.event, name) for name in ("carrier", "reference", "reason", "corrected_by")}
    return CorrectionView(**told, corrected_on=on)


async def _dispatching(
    reads: Reads, caller: Caller, draw: str, carrier: str | None, consignee: str | None, on: date
) -> tuple[str, DispatchDraw]:
    """The draw's product, and the command, with all that is looked up for it. `consignee` None: the first that the goods may go to, or "".
    Raises Problem `draw_not_found`."""
    async with reads.session() as session:
        row = await session.get(DrawRow, draw)
        if row is None:
            raise not_found("draw", draw)
        consignees = await consignees_of(session, row.release)
        chosen = next(iter(consignees), "") if consignee is None else consignee
        place = place_of(reads.kernel.journal.histories, row)
        gates = (*await _met(session, row, place), *await consignee_gates(session, consignees, chosen))
    command = DispatchDraw(
        draw=DrawId(draw),
        carrier=carrier or "",
        consignee=chosen,
        gates=gates,
        consignees=tuple(consignees),
        by=caller.subject,
        accounts=await accounts_of_caller(reads, caller),
        on=on,
    )
    return row.product, command


def _gate(gate: Gate, fault: Refusal | None, command: DispatchDraw) -> DispatchGateView:
    """An open one shows the evidence that it has, if it goes by any."""
    if fault is not None:
        return DispatchGateView(gate=gate, is_open=False, code=fault.code, detail=fault.detail, opens=fault.accepted)
    kinds = (CONSIGNEE_NAMED, CONSIGNEE_CLEARED) if gate == "consignee" else (gate,)
    shown = "; ".join(each.evidence for each in command.gates if each.gate in kinds)
    return DispatchGateView(gate=gate, is_open=True, code=None, detail=shown, opens=None)


async def _met(session: AsyncSession, row: DrawRow, place: str) -> tuple[GateEvidence, ...]:
    """What of the ledger's receipts there is, with what shows it."""
    covered, witnessed = await session.get(CoveredRow, row.shard), await session.get(WitnessedRow, row.shard)
    if covered is None or covered.position < row.position:
        return ()
    gates = [GateEvidence(gate=LEDGER_RECEIPT, evidence=_among(place, covered), by=covered.log)]
    if witnessed is not None and witnessed.position >= row.position:
        head = TreeHead(witnessed.log_size, bytes.fromhex(witnessed.root))
        if pinned().vouches(witnessed.note, head):
            gates.append(GateEvidence(gate=WITNESSED_RECEIPT, evidence=_among(place, witnessed), by=covered.log))
    return tuple(gates)


def _among(place: str, log: CoveredRow | WitnessedRow) -> str:
    return f"{place} is among the first {log.log_size} leaves, with root {log.root}"
