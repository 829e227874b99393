"""Requests of a book: submitted by a partner, screened by an operator, withdrawn or expired before a round gives them anything."""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import assert_never

import msgspec

from services.allocation.domain.book.screening import party_barred, unscreened
from services.allocation.domain.book.state import Book, Reason, Request, changeable, is_certified, undecided
from services.allocation.events import (
    AgreementId,
    BookEvent,
    ClockSet,
    Criterion,
    Finding,
    ListName,
    LoanRequested,
    PartnerCode,
    PartyRole,
    ProductId,
    RequestAccepted,
    RequestDeclineConfirmed,
    RequestDeclined,
    RequestExpired,
    RequestExpiryPostponed,
    RequestId,
    RequestScreened,
    RequestSubmitted,
    RequestWithdrawn,
    Statement,
    SubjectId,
)
from services.allocation.events.clocks import Milestone
from services.allocation.events.requests import RequestPaper, SignedRequest
from shared.journal.decider import CancelTimer, Refused, Timer
from shared.journal.texts import TypedText
from shared.terms.papers import Paper


class SubmitRequest(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    request: RequestId
    partner: PartnerCode
    agreement: AgreementId | None  # the partner's terms for this product that are valid on the day; None: it has none
    mass_g: int
    minimum_g: int
    daily_consumption_g: int
    needed_by: date
    nominee: str
    consignee: str
    end_user: str
    end_use: str
    least_contents: dict[str, str] = {}
    excluded_origins: tuple[str, ...] = ()
    statement: Statement = Statement()
    return_on: date | None = None  # None: it is not a loan, and nothing comes back
    screen_by: date | None = None  # the last day to screen it; None: nobody minds
    signs: bool = False  # the partner has keys, as looked up
    signed: SignedRequest | None = None  # by one of its own, as verified
    on: date


class Findings(msgspec.Struct, frozen=True, kw_only=True):
    """What stands behind an acceptance, and how long the partner may object to it."""

    findings: dict[Criterion, Finding]
    not_pre_cleared: tuple[PartyRole, ...]
    by: SubjectId
    objections_until: date


class ClockTerms(msgspec.Struct, frozen=True, kw_only=True):
    """The clock that an accepted request is under."""

    clock: str
    submitted_on: date
    limits_days: dict[Milestone, int]
    warn_days: int


class AcceptRequest(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Screening's answer: so much of what was asked for counts in a round. May be given again until somebody has approved its decision."""

    request: RequestId
    accepted_g: int
    reasons: tuple[TypedText, ...]
    lists: dict[ListName, int] = {}  # screening lists in force on the day
    screening: Findings | None = None  # None: only the quantity is new
    clock: ClockTerms | None = None  # None: nobody counts its days
    consignee: str = ""  # that it names
    on: date


class WithdrawRequest(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    request: RequestId
    reason: TypedText


class ExpireRequest(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """From the request's timer. `on`: the day that the timer was due, so today or an earlier one."""

    request: RequestId
    on: date


type RequestCommand = SubmitRequest | AcceptRequest | WithdrawRequest | ExpireRequest


def decide_request(command: RequestCommand, product: ProductId, book: Book) -> list[BookEvent] | Refused[Reason]:
    match command:
        case SubmitRequest():
            return _submit(command, product)
        case AcceptRequest():
            return approved_with(command.request, book) or accept(command, product, book)
        case WithdrawRequest():
            if isinstance(request := undecided(book, command.request), Refused):
                return request
            return [RequestWithdrawn(request=command.request, product=product, partner=request.partner, reason=command.reason)]
        case ExpireRequest():
            return _expire(command, product, book)
        case _:
            assert_never(command)


def request_timers(event: BookEvent) -> Sequence[Timer | CancelTimer]:
    match event:
        case RequestSubmitted():
            due = event.needed_by + timedelta(days=1)
            return [_expiry(event.request, due)]
        case RequestExpiryPostponed():
            return [_expiry(event.request, event.due)]
        case RequestDeclined(lapses_at=None) | RequestDeclineConfirmed() | RequestWithdrawn():
            return [CancelTimer(f"expire/{event.request}")]
        case _:
            return ()


def _expiry(request: RequestId, due: date) -> Timer:
    return Timer(f"expire/{request}", due, ExpireRequest(request=request, on=due))


def _expire(command: ExpireRequest, product: ProductId, book: Book) -> list[BookEvent]:
    request = book.requests.get(command.request)
    if request is None or command.on <= request.needed_by:
        return []
    if is_certified(book, request):  # inventory's answer closes it, or frees it; that day is not known yet
        due = command.on + timedelta(days=1)
        return [RequestExpiryPostponed(request=command.request, product=product, partner=request.partner, due=due)]
    return [RequestExpired(request=command.request, product=product, partner=request.partner, needed_by=request.needed_by)]


def _submit(command: SubmitRequest, product: ProductId) -> list[BookEvent] | Refused[Reason]:
    if command.signs and command.signed is None:
        return unsigned(command.partner, RequestPaper)
    if command.agreement is None:
        return Refused(Reason.AGREEMENT_MISSING, f"{command.partner} has no agreement on {product} that is valid on {command.on}")
    if command.mass_g < 1:
        return Refused(Reason.QUANTITY_INVALID, "nothing is asked for", field="/mass_g", accepted="1 g or more")
    if not 0 <= command.minimum_g <= command.mass_g:
        return Refused(
            Reason.MINIMUM_INVALID, "the minimum exceeds the mass asked for", field="/minimum_g", accepted=f"0 to {command.mass_g} g"
        )
    if command.daily_consumption_g < 1:
        return Refused(Reason.QUANTITY_INVALID, "no consumption is stated", field="/daily_consumption_g", accepted="1 g a day or more")
    if command.needed_by < command.on:
        return Refused(Reason.DATE_IN_PAST, f"{command.needed_by} is in the past", field="/needed_by", accepted=f"{command.on} or later")
    if command.return_on is not None and command.return_on <= command.needed_by:
        return Refused(
            Reason.RETURN_INVALID, "a loan comes back after it was needed", field="/return_on", accepted=f"after {command.needed_by}"
        )
    submitted: list[BookEvent] = [
        RequestSubmitted(
            request=command.request,
            product=product,
            partner=command.partner,
            mass_g=command.mass_g,
            minimum_g=command.minimum_g,
            daily_consumption_g=command.daily_consumption_g,
            needed_by=command.needed_by,
            nominee=command.nominee,
            consignee=command.consignee,
            end_user=command.end_user,
            end_use=command.end_use,
            least_contents=command.least_contents,
            excluded_origins=command.excluded_origins,
            statement=command.statement,
            screen_by=command.screen_by,
            signed=command.signed,
        )
    ]
    if command.return_on is not None:
        submitted.append(LoanRequested(request=command.request, product=product, partner=command.partner, return_on=command.return_on))
    return submitted


def approved_with(request_id: RequestId, book: Book) -> Refused[Reason] | None:
    """Who screens a request anew does not undo by themselves what somebody has signed; nor once that has fallen, since one person makes it
    fall, who stops a party of it. Its partner may take it back."""
    request = book.requests.get(request_id)
    if request is None or request.round is None or is_certified(book, request) or not book.rounds[request.round].signed:
        return None
    detail = f"somebody has approved a decision of {request.round}, which {request_id} is in"
    return Refused(Reason.DECISION_APPROVED, detail, accepted="the round cancelled by two people first")


def accept(command: AcceptRequest, product: ProductId, book: Book) -> list[BookEvent] | Refused[Reason]:
    if isinstance(request := changeable(book, command.request), Refused):
        return request
    if request.needed_by < command.on:
        return Refused(Reason.REQUEST_EXPIRED, f"{command.request} was needed by {request.needed_by}")
    least_g = max(request.minimum_g, 1)
    if not least_g <= command.accepted_g <= request.mass_g:
        return Refused(
            Reason.ACCEPTED_INVALID,
            "accepted is at most what was asked for, and of use to the partner",
            field="/accepted_g",
            accepted=f"{least_g} to {request.mass_g} g; with less to give, decline it",
        )
    if not command.reasons:
        return reasons_missing()
    if fault := unscreened(command.request, request, command.lists) or party_barred(command.request, request):
        return fault
    accepted = RequestAccepted(
        request=command.request,
        product=product,
        partner=request.partner,
        accepted_g=command.accepted_g,
        reasons=command.reasons,
        consignee=command.consignee,
    )
    events: list[BookEvent] = [accepted]
    if command.screening is not None:
        events.append(_request_screened(command.request, product, request, command.screening))
    if command.clock is not None:
        events.append(_clock_set(command.request, product, request, command.clock))
    return events


def _request_screened(request_id: RequestId, product: ProductId, request: Request, screening: Findings) -> RequestScreened:
    return RequestScreened(
        request=request_id,
        product=product,
        partner=request.partner,
        findings=screening.findings,
        not_pre_cleared=screening.not_pre_cleared,
        screened_by=screening.by,
        objections_until=screening.objections_until,
    )


def _clock_set(request_id: RequestId, product: ProductId, request: Request, terms: ClockTerms) -> ClockSet:
    return ClockSet(
        request=request_id,
        product=product,
        partner=request.partner,
        clock=terms.clock,
        submitted_on=terms.submitted_on,
        limits_days=terms.limits_days,
        warn_days=terms.warn_days,
        loan=request.return_on is not None,
    )


def unsigned(partner: PartnerCode, paper: type[Paper]) -> Refused[Reason]:
    """What a partner that has keys has to sign, and has not."""
    accepted = f"with the `signature` of one of its keys over its paper ({paper.__struct_config__.tag})"
    return Refused(Reason.SIGNATURE_MISSING, f"{partner} has keys, and signs each {paper.purpose}", "/signature", accepted)


def reasons_missing() -> Refused[Reason]:
    return Refused(Reason.REASONS_MISSING, "no reason is given", field="/reasons", accepted="at least one reason")
