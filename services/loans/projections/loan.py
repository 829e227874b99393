"""Read tables of facility loans. Each event is a line of its loan's history."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, assert_never

import msgspec

from services.loans.domain.loan.books import owed_minor
from services.loans.events.defaults import (
    AccelerationNotified,
    BreachConfirmed,
    BreachLapsed,
    CrossDefaultNoted,
    DefaultConfirmed,
    DefaultCured,
    LoanAccelerated,
    LoanDefaulted,
    ShortfallClaimed,
)
from services.loans.events.loan import (
    ActApproved,
    ActProposed,
    ActWithdrawn,
    AdvanceCleared,
    AdvancePaid,
    AdvanceRequested,
    AdvanceWithdrawn,
    ArrearsChanged,
    BalanceBroughtForward,
    CommitmentCancelled,
    CommitmentRefused,
    ConditionsEvaluated,
    DeliveryCredited,
    FeeCharged,
    Figures,
    LoanApproved,
    LoanClosed,
    LoanCommitted,
    LoanEvent,
    LoanImported,
    LoanProposed,
    LoanRepaid,
    LoanWithdrawn,
    PaymentReconciled,
    PaymentRecorded,
    PaymentReversed,
    PeriodClosed,
    RateReset,
    RatioReported,
    RecoveryRecorded,
    Regraded,
    SubsequentMissed,
)
from services.loans.events.terms import AmendCondition, LoanTerms
from shared.journal.codec import without_version
from shared.journal.connection import Connection, as_json
from shared.journal.record import Fact

_ENTRIES = """
    INSERT INTO loan_entries (loan, version, kind, "on", recorded_on, recorded_at, amount_minor, change, text, place)
    SELECT * FROM unnest($1::text[], $2::integer[], $3::text[], $4::date[], $5::date[], $6::timestamptz[], $7::bigint[], $8::jsonb[],
                         $9::text[], $10::text[])"""
_FIGURES = """
    UPDATE loans SET version = new.version, figures = coalesce(new.figures, loans.figures),
        principal_minor = coalesce(new.principal_minor, loans.principal_minor),
        overdue_minor = coalesce(new.overdue_minor, loans.overdue_minor),
        status = CASE WHEN loans.status = 'repaid' AND new.owed_minor > 0 THEN 'committed' ELSE loans.status END
    FROM unnest($1::text[], $2::bigint[], $3::jsonb[], $4::bigint[], $5::bigint[], $6::bigint[])
        AS new(loan, version, figures, principal_minor, overdue_minor, owed_minor)
    WHERE loans.loan = new.loan"""
_PAYMENTS = """
    INSERT INTO payments (payment, loan, kind, reference, amount_minor, received_on, prepays, unreconciled, reversed)
    SELECT *, false FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::date[], $7::text[], $8::boolean[])"""
_LOAN = """
    INSERT INTO loans (loan, status, facility, borrower, project, currency, commitment_minor, undrawn_minor, terms, document, proposed_by,
                       reference, principal_minor, overdue_minor, bucket, grade, stage, provision_minor, seen, seen_subsequents, version)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, 0, 0, 'current', $13, $14, 0, '[]', '[]', $15)"""
_DAYS = (
    "paid_on",
    "received_on",
    "due_on",
    "from_on",
    "as_of",
    "for_on",
    "due",
    "on",
    "falls_due_on",
)  # what an event calls the day that it counts for


async def project_loans(connection: Connection, facts: Sequence[Fact]) -> None:
    """What each commit has much of, payments and lines of history, is written by one statement a table; what is rare, one after another."""
    if paid := [_payment(fact.event) for fact in facts if isinstance(fact.event, PaymentRecorded | DeliveryCredited | RecoveryRecorded)]:
        await connection.execute(_PAYMENTS, *_columns(paid))
    for fact in facts:
        await _project_one(connection, fact, fact.event)
    await connection.execute(_ENTRIES, *_columns([_entry(fact, fact.event) for fact in facts]))
    stands: dict[str, tuple[int, Figures | None]] = {}
    for fact in facts:
        before = stands.get(fact.event.loan, (0, None))[1]
        stands[fact.event.loan] = (fact.record.version, getattr(fact.event, "after", None) or before)
    await connection.execute(_FIGURES, *_columns([_stands(loan, *stand) for loan, stand in stands.items()]))


def _entry(fact: Fact, event: LoanEvent) -> tuple[Any, ...]:
    recorded_on = date.fromisoformat(fact.record.effective_on)
    change = getattr(event, "change", None)
    return (
        event.loan,
        fact.record.version,
        without_version(fact.record.type).partition(".")[2],
        next((day for name in _DAYS if (day := getattr(event, name, None)) is not None), recorded_on),
        recorded_on,
        datetime.fromisoformat(fact.record.recorded_at),
        getattr(event, "amount_minor", None),
        None if change is None else as_json(change),
        getattr(event, "reason", None) or getattr(event, "text", None) or getattr(event, "reference", None),
        fact.place,
    )


def _payment(event: PaymentRecorded | DeliveryCredited | RecoveryRecorded) -> tuple[Any, ...]:
    match event:
        case PaymentRecorded():
            kind, reference, prepays = "payment", event.reference, event.prepays
        case DeliveryCredited():
            kind, reference, prepays = "delivery", event.lot, event.prepays
        case RecoveryRecorded():
            kind, reference, prepays = "recovery", event.reference, "nothing"
    unreconciled = isinstance(event, PaymentRecorded) and event.recorded_by is not None
    return event.payment, event.loan, kind, reference, event.amount_minor, event.received_on, prepays, unreconciled


def _stands(loan: str, version: int, figures: Figures | None) -> tuple[Any, ...]:
    if figures is None:
        return loan, version, None, None, None, None
    return loan, version, as_json(figures), figures.principal_minor, figures.overdue_minor, owed_minor(figures)


def _columns(rows: Sequence[tuple[Any, ...]]) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)]


async def _project_one(connection: Connection, fact: Fact, event: LoanEvent) -> None:
    execute = connection.execute
    match event:
        case LoanProposed():
            await _insert(connection, event, "proposed", event.proposed_by, None, fact.record.version)
        case LoanImported():
            await _insert(connection, event, "approved", event.imported_by, event.reference, fact.record.version)
        case LoanApproved():
            await execute(
                "UPDATE loans SET status = 'approved', approval = $2, reason = NULL WHERE loan = $1", event.loan, as_json(event.approval)
            )
        case LoanWithdrawn():
            await _set_status(connection, event.loan, "withdrawn", event.reason)
        case CommitmentRefused():
            await _set_status(connection, event.loan, "proposed", f"{event.reason}: {event.detail}")
        case LoanCommitted():
            await _set_status(connection, event.loan, "committed", None)
        case BalanceBroughtForward():
            await execute("UPDATE loans SET undrawn_minor = $2 WHERE loan = $1", event.loan, event.undrawn_minor)
        case CommitmentCancelled():
            await execute("UPDATE loans SET undrawn_minor = undrawn_minor - $2 WHERE loan = $1", event.loan, event.amount_minor)
        case ConditionsEvaluated():
            await execute(
                "UPDATE loans SET seen = $2, seen_subsequents = $3 WHERE loan = $1",
                event.loan,
                as_json(event.precedents),
                as_json(event.subsequents),
            )
        case ActProposed() | ActApproved() | ActWithdrawn():
            await _project_act(connection, event)
        case AdvanceRequested() | AdvanceCleared() | AdvanceWithdrawn() | AdvancePaid():
            await _project_advance(connection, event)
        case PaymentReversed() | PaymentReconciled():
            await _project_payment(connection, event)
        case ArrearsChanged():
            await execute("UPDATE loans SET bucket = $2 WHERE loan = $1", event.loan, event.bucket)
        case RatioReported() | BreachConfirmed() | BreachLapsed():
            await _project_ratio(connection, event)
        case Regraded():
            await execute(
                "UPDATE loans SET grade = $2, stage = $3, provision_minor = $4 WHERE loan = $1",
                event.loan,
                event.grade,
                event.stage,
                event.provision_minor,
            )
        case LoanDefaulted() | DefaultCured() | ShortfallClaimed():
            await _project_default(connection, event)
        case LoanRepaid():
            await _set_status(connection, event.loan, "repaid", None)
        case LoanClosed():
            await _set_status(connection, event.loan, "closed", event.reason)
        case PaymentRecorded() | DeliveryCredited() | RecoveryRecorded() | RateReset() | FeeCharged() | PeriodClosed() | SubsequentMissed():
            pass
        case AccelerationNotified() | LoanAccelerated() | CrossDefaultNoted() | DefaultConfirmed():
            pass
        case _:
            assert_never(event)


async def _insert(
    connection: Connection, event: LoanProposed | LoanImported, status: str, by: str, reference: str | None, version: int
) -> None:
    terms = event.terms
    await connection.execute(
        _LOAN,
        event.loan,
        status,
        terms.facility,
        terms.borrower,
        terms.project,
        terms.currency,
        terms.commitment_minor,
        terms.commitment_minor,
        as_json(terms),
        event.document,
        by,
        reference,
        terms.grade,
        terms.stage,
        version,
    )


async def _set_status(connection: Connection, loan: str, status: str, reason: str | None) -> None:
    await connection.execute("UPDATE loans SET status = $2, reason = $3 WHERE loan = $1", loan, status, reason)


async def _project_default(connection: Connection, event: LoanDefaulted | DefaultCured | ShortfallClaimed) -> None:
    match event:
        case LoanDefaulted():
            await _set_status(connection, event.loan, "defaulted", event.reason)
        case DefaultCured():
            await _set_status(connection, event.loan, "committed", None)
        case ShortfallClaimed():
            await _set_status(connection, event.loan, "claim", f"{event.claim_minor} minor units are still owed")


async def _project_ratio(connection: Connection, event: RatioReported | BreachConfirmed | BreachLapsed) -> None:
    match event:
        case RatioReported():
            await connection.execute(
                """INSERT INTO ratios (loan, kind, for_on, ratio, minimum, source, standing, lapses_at)
                   VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
                   ON CONFLICT (loan, kind, for_on) DO UPDATE
                   SET ratio = $4, minimum = $5, source = $6, standing = $7, lapses_at = $8""",
                event.loan,
                event.kind,
                event.for_on,
                event.ratio,
                event.minimum,
                event.source,
                event.standing,
                event.lapses_at,
            )
        case BreachConfirmed():
            query = "UPDATE ratios SET lapses_at = NULL WHERE loan = $1 AND kind = $2 AND for_on = $3"
            await connection.execute(query, event.loan, event.kind, event.for_on)
        case BreachLapsed():
            query = "UPDATE ratios SET standing = 'lapsed' WHERE loan = $1 AND kind = $2 AND for_on = $3"
            await connection.execute(query, event.loan, event.kind, event.for_on)


async def _project_act(connection: Connection, event: ActProposed | ActApproved | ActWithdrawn) -> None:
    match event:
        case ActProposed():
            await connection.execute(
                """INSERT INTO acts (act, loan, content, reason, document, proposed_by, status)
                   VALUES ($1, $2, $3, $4, $5, $6, 'proposed')""",
                event.act,
                event.loan,
                as_json(event.content),
                event.reason,
                event.document,
                event.proposed_by,
            )
        case ActApproved():
            await connection.execute(
                "UPDATE acts SET status = 'approved', approval = $2 WHERE act = $1", event.act, as_json(event.approval)
            )
            if isinstance(event.content, AmendCondition):
                await _amend(connection, event.loan, event.content)
        case ActWithdrawn():
            await connection.execute("UPDATE acts SET status = 'withdrawn' WHERE act = $1", event.act)


async def _amend(connection: Connection, loan: str, amended: AmendCondition) -> None:
    terms = msgspec.json.decode(await connection.fetchval("SELECT terms FROM loans WHERE loan = $1", loan), type=LoanTerms)
    precedents = tuple(
        msgspec.structs.replace(each, text=amended.text, condition=amended.condition) if each.name == amended.name else each
        for each in terms.precedents
    )
    await connection.execute(
        "UPDATE loans SET terms = $2 WHERE loan = $1", loan, as_json(msgspec.structs.replace(terms, precedents=precedents))
    )


async def _project_payment(connection: Connection, event: PaymentReversed | PaymentReconciled) -> None:
    if isinstance(event, PaymentReconciled):
        await connection.execute("UPDATE payments SET unreconciled = false WHERE payment = $1", event.payment)
        return
    query = "UPDATE payments SET reversed = true, unreconciled = false, reason = $2 WHERE payment = $1"
    await connection.execute(query, event.payment, event.reason)


async def _project_advance(connection: Connection, event: AdvanceRequested | AdvanceCleared | AdvanceWithdrawn | AdvancePaid) -> None:
    execute = connection.execute
    match event:
        case AdvanceRequested():
            await execute(
                "INSERT INTO advances (advance, loan, amount_minor, purpose, status, seen) VALUES ($1, $2, $3, $4, 'requested', '[]')",
                event.advance,
                event.loan,
                event.amount_minor,
                event.purpose,
            )
        case AdvanceCleared():
            await execute("UPDATE advances SET status = 'cleared', seen = $2 WHERE advance = $1", event.advance, as_json(event.seen))
        case AdvanceWithdrawn():
            await execute("UPDATE advances SET status = 'withdrawn' WHERE advance = $1", event.advance)
        case AdvancePaid():
            await execute(
                "UPDATE advances SET status = 'paid', paid_on = $2, seen = $3, payee = $4 WHERE advance = $1",
                event.advance,
                event.paid_on,
                as_json(event.seen),
                event.payee or None,
            )
            await execute("UPDATE loans SET undrawn_minor = $2 WHERE loan = $1", event.loan, event.undrawn_minor)
