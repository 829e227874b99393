"""Report: what a certified round owes the Minister, and whether it has gone out."""

from datetime import date

import msgspec

from services.allocation.events import DecisionHash, ProductId, ReportEvent, ReportSent, RoundId, SubjectId
from shared.journal.decider import Decider, Reasons, Refused
from shared.journal.texts import TypedText


class SendReport(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Say that it was sent. `report`: SHA-256 of the report as it is now; `certified_on`: of the decision that it is about."""

    round: RoundId
    product: ProductId
    decision: DecisionHash
    report: str
    addressee: TypedText
    reference: str | None
    sent_on: date
    by: SubjectId
    certified_on: date
    on: date


class Reason(Reasons):
    """Why a report is not taken as sent."""

    ALREADY_SENT = "report_already_sent", 409, "The report was sent as it is"
    DAY_INVALID = "report_day_invalid", 422, "Invalid report date"


class Report(msgspec.Struct, frozen=True):
    sent: tuple[str, ...] = ()  # each report by its SHA-256: what is changed since is another one


def decide(command: SendReport, report: Report) -> list[ReportEvent] | Refused[Reason]:
    if not command.certified_on <= command.sent_on <= command.on:
        accepted = f"{command.certified_on} to {command.on}"
        return Refused(Reason.DAY_INVALID, "it is sent after the decision, and before it is said to be", "/sent_on", accepted)
    if command.report in report.sent:
        return Refused(Reason.ALREADY_SENT, "nothing in the report has changed since it was sent")
    return [
        ReportSent(
            round=command.round,
            product=command.product,
            decision=command.decision,
            report=command.report,
            addressee=command.addressee,
            reference=command.reference,
            sent_on=command.sent_on,
            sent_by=command.by,
        )
    ]


def evolve(report: Report, event: ReportEvent) -> Report:
    return Report((*report.sent, event.report))


DECIDER = Decider(kind="report", initial=Report(), commands=SendReport, decide=decide, evolve=evolve)
