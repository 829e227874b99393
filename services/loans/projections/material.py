"""Read tables of material loans. Each event is a line of its loan's history."""

from datetime import date
from typing import Any, assert_never

from services.inventory.events import ProductRegistered
from services.loans.events.material import (
    DeferralApproved,
    DeferralProposed,
    DrawingEnded,
    MaterialCashSettled,
    MaterialCommitmentRefused,
    MaterialDefaultConfirmed,
    MaterialDefaultCured,
    MaterialDefaulted,
    MaterialEvent,
    MaterialLent,
    MaterialLoanClosed,
    MaterialLoanCommitted,
    MaterialLoanOffered,
    MaterialLoanWithdrawn,
    MaterialOverdue,
    MaterialReplaced,
    MaterialTakenBack,
    MaterialTermsApproved,
    MaterialTermsProposed,
    ReturnAssayed,
    ReturnCredited,
    ReturnReceived,
    ReturnRejected,
    ReturnSettled,
    ReturnTurnedBack,
    SecurityMarked,
    SecurityToppedUp,
)
from shared.journal.codec import type_of, without_version
from shared.journal.connection import Connection, as_json
from shared.journal.record import Fact

_OFFER = """
    INSERT INTO material_loans (loan, status, partner, product, award, release, decision, mass_g, undrawn_g, return_on, draw_by,
                                committed_g, lent_g, out_g, pending_g, returned_g, premium_g, excess_g, overdue, defaulted,
                                security_minor, call_minor, version)
    VALUES ($1, 'offered', $2, $3, $4, $5, $6, $7, $7, $8, $9, 0, 0, 0, 0, 0, 0, 0, false, false, 0, 0, $10)"""
_ENTRY = """
    INSERT INTO material_entries (loan, version, kind, "on", recorded_on, told, place) VALUES ($1, $2, $3, $4, $5, $6, $7)"""
_DEFERRAL = """
    INSERT INTO deferrals (deferral, loan, condition, evidence, due_on, premium_pct, document, proposed_by, status)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 'proposed')"""
_RETURN = """
    INSERT INTO material_returns (returned, loan, status, mass_g, received_on, pending_g, lot, own_assay)
    VALUES ($1, $2, 'received', $3, $4, $5, $6, $7)"""
_PRODUCT = "INSERT INTO products (product, contents, nominal_unit_g) VALUES ($1, $2, $3)"
_DAYS = ("lent_on", "received_on", "quoted_on", "from_on", "on")  # what an event calls the day that it counts for

type _Columns = dict[str, Any]


async def project_material(connection: Connection, fact: Fact) -> None:
    event: MaterialEvent = fact.event
    if isinstance(event, MaterialLoanOffered):
        await _offer(connection, event, fact.record.version)
    else:
        changed, added = _changed(event)
        await _update(connection, "material_loans", "loan", event.loan, {**changed, "version": fact.record.version}, added)
    await _deferral(connection, event)
    await _return(connection, event)
    recorded_on = date.fromisoformat(fact.record.effective_on)
    counts_for = next((getattr(event, name) for name in _DAYS if hasattr(event, name)), recorded_on)
    kind = without_version(type_of(type(event))).removeprefix("loans.")
    line = (event.loan, fact.record.version, kind, counts_for, recorded_on, bytes(fact.record.data).decode(), fact.place)
    await connection.execute(_ENTRY, *line)


async def _offer(connection: Connection, event: MaterialLoanOffered, version: int) -> None:
    """An award that had gone may come again: its loan begins anew."""
    await connection.execute("DELETE FROM material_loans WHERE loan = $1", event.loan)
    award = (event.partner, event.product, event.award, event.release, event.decision)
    await connection.execute(_OFFER, event.loan, *award, event.mass_g, event.return_on, event.draw_by, version)


def _changed(event: MaterialEvent) -> tuple[_Columns, _Columns]:
    """Columns of the loan as the event leaves them, and those that it adds to."""
    match event:
        case MaterialTermsProposed() | MaterialTermsApproved() | MaterialLoanCommitted() | MaterialCommitmentRefused():
            return _agreed(event), {}
        case MaterialLoanWithdrawn(reason=reason):
            return {"status": "withdrawn", "undrawn_g": 0, "committed_g": 0, "reason": reason}, {}
        case MaterialLent():
            return {"status": "lent", "undrawn_g": event.undrawn_g}, {"lent_g": event.lent_g, "out_g": event.lent_g}
        case MaterialTakenBack():
            return {}, {"lent_g": -event.change.stock_g, "out_g": -event.lent_g, "excess_g": -event.change.excess_g}
        case DrawingEnded():
            return {"undrawn_g": 0}, {"committed_g": -event.freed_g}
        case DeferralApproved():
            return {"due_on": event.due_on, "overdue": False}, {}
        case ReturnReceived():
            return {}, {"pending_g": event.pending_g}
        case ReturnRejected() | ReturnTurnedBack():
            return {}, {"pending_g": -event.pending_g}
        case ReturnCredited():
            paid = {"out_g": -event.principal_g, "premium_g": event.premium_g, "excess_g": event.excess_g}
            return {}, {"pending_g": -event.pending_g, "returned_g": event.contained_g} | paid
        case MaterialOverdue():
            return {"overdue": True}, {}
        case SecurityMarked():
            return {"call_minor": event.call_minor, "marked": as_json(event)}, {}
        case SecurityToppedUp():
            return {"security_minor": event.value_minor, "call_minor": event.call_minor}, {}
        case MaterialDefaulted():
            return {"defaulted": True, "default_lapses_at": event.lapses_at}, {}
        case MaterialDefaultConfirmed():
            return {"default_lapses_at": None}, {}
        case MaterialDefaultCured():
            return {"defaulted": False, "default_lapses_at": None}, {}
        case MaterialCashSettled():
            return {}, {"out_g": -event.principal_g, "premium_g": event.premium_g}
        case MaterialReplaced():
            paid = {"out_g": -event.principal_g, "premium_g": event.premium_g}
            return {}, paid | {"security_minor": -event.from_security_minor}
        case MaterialLoanClosed(cause=cause):
            return {"status": "closed", "undrawn_g": 0, "committed_g": 0, "call_minor": 0, "reason": cause}, {}
        case MaterialLoanOffered() | DeferralProposed() | ReturnAssayed() | ReturnSettled():
            return {}, {}
        case _:
            assert_never(event)


def _agreed(
    event: MaterialTermsProposed | MaterialTermsApproved | MaterialLoanCommitted | MaterialCommitmentRefused,
) -> _Columns:
    match event:
        case MaterialTermsProposed(terms=terms):
            about = {"facility": terms.facility, "element": terms.element, "currency": terms.currency}
            secured = {"security_minor": terms.security.value_minor, "due_on": terms.due_on}
            proposed = {"terms": as_json(terms), "document": event.document, "proposed_by": event.proposed_by, "approval": None}
            return {"status": "proposed", "reason": None} | about | secured | proposed
        case MaterialTermsApproved():
            return {"status": "approved", "approval": as_json(event.approval)}
        case MaterialLoanCommitted():
            return {"status": "committed", "committed_g": event.contained_g}
        case MaterialCommitmentRefused():
            return {"status": "offered", "approval": None, "reason": f"{event.reason}: {event.detail}"}
        case _:
            assert_never(event)


async def _deferral(connection: Connection, event: MaterialEvent) -> None:
    match event:
        case DeferralProposed():
            asked = (event.condition, event.evidence, event.due_on, event.premium_pct, event.document, event.proposed_by)
            await connection.execute(_DEFERRAL, event.deferral, event.loan, *asked)
        case DeferralApproved():
            approved = {"status": "approved", "approval": as_json(event.approval)}
            await _update(connection, "deferrals", "deferral", event.deferral, approved)
        case _:
            pass


async def _return(connection: Connection, event: MaterialEvent) -> None:
    match event:
        case ReturnReceived():
            goods = (event.mass_g, event.received_on, event.pending_g, as_json(event.lot), as_json(event.own_assay))
            await connection.execute(_RETURN, event.returned, event.loan, *goods)
            return
        case ReturnAssayed():
            changed: _Columns = {event.by: as_json(event.assay), "status": "split" if event.needs_umpire else "received"}
        case ReturnSettled():
            changed = {"status": "settled", "content": event.content, "basis": event.basis, "contained_g": event.contained_g}
        case ReturnCredited():
            changed = {"status": "credited", "taken_in_as": event.taken_in_as}
        case ReturnRejected():
            changed = {"status": "rejected", "reason": event.reason}
        case ReturnTurnedBack():
            changed = {"status": "turned_back", "reason": f"{event.reason}: {event.detail}"}
        case _:
            return
    await _update(connection, "material_returns", "returned", event.returned, changed)


async def _update(connection: Connection, table: str, key: str, id: str, changed: _Columns, added: _Columns | None = None) -> None:
    added = added or {}
    sets = [f"{name} = ${place}" for place, name in enumerate(changed, 2)]
    sets += [f"{name} = {name} + ${place}" for place, name in enumerate(added, 2 + len(changed))]
    update = f"UPDATE {table} SET {', '.join(sets)} WHERE {key} = $1"  # noqa: S608 - the names are those above
    await connection.execute(update, id, *changed.values(), *added.values())


async def take_product(connection: Connection, fact: Fact) -> None:
    if isinstance(event := fact.event, ProductRegistered):
        await connection.execute(_PRODUCT, event.product, as_json(event.contents), event.nominal_unit_g)
