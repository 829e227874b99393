"""Requests: a partner submits and withdraws its own, which their nominee sees too; an operator screens them all."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Annotated, Any, Literal

import msgspec
from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field, StrictInt, StringConstraints
from sqlmodel import select

from services.allocation.api.book.terms import RecentTerms, TradeUnits, whole_units
from services.allocation.api.clocks.clocks import ClockView, clock_of
from services.allocation.api.fields import (
    READERS,
    ClockField,
    ConsigneeField,
    PolicyField,
    ProductField,
    RequestPath,
    Texts,
    own_partner,
    sight_of,
)
from services.allocation.api.lookups import find_request, read_policy
from services.allocation.api.partners.signing import SALT, SIGNATURE, SaltField, committed, signed_request
from services.allocation.api.readiness.pre_clearance import pre_clearance
from services.allocation.background.party_screening import lists_in_force, requests_behind, screen, screen_consignee, versions
from services.allocation.domain.book.declining import ConfirmDecline, DeclineRequest
from services.allocation.domain.book.requests import AcceptRequest, ClockTerms, Findings, SubmitRequest, WithdrawRequest
from services.allocation.domain.figures import CLOCKS, OBJECTION_DAYS, warn_days_of
from services.allocation.domain.policies.terms import STANDARD
from services.allocation.domain.rules.cover import days_of_cover
from services.allocation.events import CRITERIA, Criterion, Finding, RequestAccepted, RequestId, RequestSubmitted, Statement, SubjectId
from services.allocation.events.clocks import Milestone
from services.allocation.tables.book import RequestRow, RequestStatus
from shared.http.auth import Caller, allow
from shared.http.bulk import Alone, BulkBody, BulkView, Keyed, bulk
from shared.http.fields import Body, Day, LongText, PositiveGrams, ReasonBody, Text, WholeGrams
from shared.http.handlers import Page, Paging, Post, Posting, Reading, Reads
from shared.http.problems import Problem
from shared.terms.acting_api import accounts_of_caller, by_one_caller
from shared.terms.signing_api import SignatureField

ElementField = Annotated[str, StringConstraints(pattern="^[A-Z][a-z]?$")]
ShareField = Annotated[str, StringConstraints(pattern=r"^(0\.[0-9]{1,9}|1)$")]
CountryField = Annotated[str, StringConstraints(pattern="^[A-Z]{2}$")]

STATED = ("event", "impact", "alternatives", "quality")  # of a statement, what is typed

router = APIRouter(prefix="/v1/requests", tags=["requests"])


class StatementBody(Body):
    """Why it is asked for, in the partner's words."""

    model_config = ConfigDict(frozen=True)  # else the empty one would be copied, deeply, for each request without

    event: LongText = ""  # what has happened to its supply
    impact: LongText = ""
    alternatives: LongText = ""  # other sources that were sought
    quality: LongText = ""
    duration_days: Annotated[StrictInt, Field(ge=0, le=3650)] = 0  # 0: not stated


class RequestBody(Body):
    product: ProductField
    mass_g: PositiveGrams
    minimum_g: WholeGrams = 0  # less than this is of no use
    daily_consumption_g: PositiveGrams  # grams a day
    needed_by: Day
    nominee: Text  # who would contract and pay
    consignee: ConsigneeField  # who would take delivery: goods go to this name, to the letter
    end_user: Text  # who would use the metal
    end_use: Text
    least_contents: Annotated[dict[ElementField, ShareField], Field(default_factory=dict, max_length=20)]  # of use from such a share on
    excluded_origins: Annotated[list[CountryField], Field(default_factory=list, max_length=50)]
    statement: StatementBody = StatementBody()
    kind: Literal["sale", "loan"] = "sale"
    return_on: Day | None = None  # of a loan: the last day on which it comes back in kind
    signature: SignatureField | None = SIGNATURE
    salt: SaltField | None = SALT


class RequestItem(Keyed, RequestBody):
    pass


class FindingBody(Body):
    answer: Literal["met", "not_met", "not_stated"]
    finding: Annotated[str, StringConstraints(min_length=1, max_length=2000)]


class FindingsBody(Body):
    """By the questions of 10 CFR 626.7."""

    event: FindingBody | None = None  # what happened
    impact: FindingBody | None = None
    alternatives: FindingBody | None = None  # sources that were sought elsewhere
    quantity: FindingBody | None = None
    quality: FindingBody | None = None
    duration: FindingBody | None = None


class AcceptanceBody(Body):
    accepted_g: PositiveGrams
    reasons: Texts
    findings: FindingsBody = FindingsBody()
    clock: ClockField | None = None  # "emergency", "standard": how fast it is to be delivered; the standard, if it is not said
    policy: PolicyField | None = None  # whose clocks it is under; the reserve's own, if none is named


class DeclineBody(Body):
    reasons: Texts


class RequestView(BaseModel):
    request: str
    product: str
    partner: str
    status: RequestStatus
    mass_g: int
    minimum_g: int
    accepted_g: int | None
    reasons: list[str]
    lapses_at: datetime | None  # of one that one person declined: when it is as it was before, unless a second person confirms it
    daily_consumption_g: int
    days_of_cover_asked: str  # what the whole of it would buy, in tenths of days
    needed_by: date
    nominee: str
    consignee: str
    end_user: str
    end_use: str
    least_contents: dict[str, str]
    excluded_origins: list[str]
    statement: StatementBody
    round: str | None
    kind: Literal["sale", "loan"]
    return_on: date | None


class RequestTaken(RequestView):
    """`whole_units_g`: what whole trade units make of it, as stock is now; None: the product's units are not known. `note`: what is cut."""

    whole_units_g: int | None
    note: str | None


class RequestDetail(RequestTaken):
    clock: ClockView | None  # None: it was not accepted yet


class RequestChange(BaseModel):
    request: str
    status: RequestStatus
    accepted_g: int | None = None


def _view(row: RequestRow) -> RequestView:
    return RequestView(
        **row.model_dump(exclude={"submitted_on"}),
        days_of_cover_asked=days_of_cover(row.mass_g, row.daily_consumption_g),
        kind="sale" if row.return_on is None else "loan",
    )


@router.post("", status_code=201)
async def submit_request(
    body: RequestBody,
    caller: Annotated[Caller, allow("partner")],
    post: Posting,
    reads: Reading,
) -> RequestTaken:
    """The answer says what whole trade units make of it: a round gives no part of one."""
    partner = own_partner(caller)
    if (body.kind == "loan") != (body.return_on is not None):
        why = "a loan needs a day on which it comes back" if body.kind == "loan" else "a sale does not come back"
        raise Problem("return_day_invalid", why, field="/return_on", accepted="a day for a loan, none for a sale")
    remembered: RecentTerms = reads.kernel.part(RecentTerms)
    terms = await remembered.of(reads, body.product, partner, post.today)
    said = body.statement
    command = SubmitRequest(
        request=RequestId(post.new_id("req")),
        partner=partner,
        agreement=None if terms is None else terms.agreement,
        mass_g=body.mass_g,
        minimum_g=body.minimum_g,
        daily_consumption_g=body.daily_consumption_g,
        needed_by=body.needed_by,
        nominee=body.nominee,
        consignee=body.consignee,
        end_user=body.end_user,
        end_use=body.end_use,
        least_contents=body.least_contents,
        excluded_origins=tuple(sorted(set(body.excluded_origins))),
        statement=Statement(
            **{name: committed(post, body.salt, f"statement.{name}", getattr(said, name)) for name in STATED},
            duration_days=said.duration_days,
        ),
        return_on=body.return_on,
        screen_by=post.today + timedelta(days=CLOCKS[STANDARD]["screened"]),
        on=post.today,
    )
    signed = await signed_request(reads, post, body, body.product, command)
    event = (await post.submit(f"book/{body.product}", signed)).event(RequestSubmitted)
    return RequestTaken(
        **msgspec.to_builtins(event),
        status=RequestStatus.SUBMITTED,
        accepted_g=None,
        reasons=[],
        lapses_at=None,
        round=None,
        days_of_cover_asked=days_of_cover(event.mass_g, event.daily_consumption_g),
        kind=body.kind,
        return_on=body.return_on,
        **await _whole(reads, event),
    )


@router.post("/bulk")
async def submit_in_bulk(
    body: BulkBody[RequestItem], caller: Annotated[Caller, allow("partner")], post: Posting, reads: Reading
) -> BulkView[RequestTaken]:
    """Up to 500 requests, each as if it had been submitted alone. `atomic`: all of them or none, for one product."""

    async def submit(item: RequestItem, own: Post) -> RequestTaken:
        return await submit_request(item, caller, own, reads)

    return await bulk(post, body, Alone(route="/v1/requests", handle=submit, view=RequestTaken))


async def _whole(reads: Reads, request: RequestSubmitted | RequestRow) -> dict[str, Any]:
    """`whole_units_g` and `note`."""
    units: TradeUnits = reads.kernel.part(TradeUnits)
    if not (sizes := await units.of(reads, request.product)):
        return {"whole_units_g": None, "note": None}
    return {"whole_units_g": whole_units(request.mass_g, sizes), "note": _cut(request.mass_g, request.minimum_g, sizes)}


def _cut(mass_g: int, minimum_g: int, sizes: Sequence[int]) -> str | None:
    """What whole units leave of it; None: nothing is cut."""
    if (whole_g := whole_units(mass_g, sizes)) == mass_g:
        return None
    units = " or ".join(f"{unit_g} g" for unit_g in sizes)
    if whole_g == 0:
        return f"it is less than a trade unit of {units}: a round gives nothing of it"
    short = ", which is less than the minimum" if whole_g < minimum_g else ""
    return f"whole trade units of {units} make {whole_g} g of it{short}: a round gives no more"


@router.post("/{request}/accept")
async def accept_request(
    request: RequestPath,
    body: AcceptanceBody,
    caller: Annotated[Caller, allow("operator", on_duty=True)],
    post: Posting,
    reads: Reading,
) -> RequestChange:
    """What of it counts in a round, and why. Its parties are looked up in the screening lists in force, if they have not been."""
    async with reads.session() as session:
        row = await find_request(session, request, None)
        lists = await lists_in_force(session)
        behind = await requests_behind(session, versions(lists), request=request)
        not_pre_cleared = tuple(party.role for party in await pre_clearance(session, row, post.today) if not party.cleared)
    if behind:
        await screen(post.kernel, row.product, [row], {request: behind[0][1]}, lists)
    if row.consignee:
        await screen_consignee(post.kernel, row.consignee, lists, request=request)
    screening = Findings(
        findings=_findings(post, body.findings),
        not_pre_cleared=not_pre_cleared,
        by=SubjectId(caller.subject),
        objections_until=post.today + timedelta(days=OBJECTION_DAYS),
    )
    clock = await _clock(body, row, reads, post.today)
    command = (
        clock
        if isinstance(clock, Problem)
        else AcceptRequest(
            request=RequestId(request),
            accepted_g=body.accepted_g,
            reasons=post.texts(body.reasons),
            lists=versions(lists),
            screening=screening,
            clock=clock,
            consignee=row.consignee,
            on=post.today,
        )
    )
    accepted = await post.submit(f"book/{row.product}", command)
    return RequestChange(request=request, status=RequestStatus.ACCEPTED, accepted_g=accepted.event(RequestAccepted).accepted_g)


def _findings(post: Post, body: FindingsBody) -> dict[Criterion, Finding]:
    told = {name: getattr(body, name) for name in CRITERIA}
    return {name: Finding(answer=each.answer, finding=post.text(each.finding)) for name, each in told.items() if each is not None}


async def _clock(body: AcceptanceBody, row: RequestRow, reads: Reads, on: date) -> ClockTerms | Problem:
    """Or the problem `clock_unknown`, `policy_not_active`."""
    clock = body.clock or STANDARD
    clocks = CLOCKS if body.policy is None else await _clocks_of(reads, body.policy, on)
    if clocks is None:
        return Problem("policy_not_active", f"no version of {body.policy} is active on {on}", field="/policy")
    if (limits_days := clocks.get(clock)) is None:
        return Problem("clock_unknown", f"there is no clock {clock!r}", field="/clock", accepted=", ".join(sorted(clocks)))
    warn_days = warn_days_of(clock)
    return ClockTerms(clock=clock, submitted_on=row.submitted_on, limits_days=limits_days, warn_days=warn_days)


async def _clocks_of(reads: Reads, name: str, on: date) -> dict[str, dict[Milestone, int]] | None:
    """None: no version of the policy is active on that day."""
    policy = await read_policy(reads, name)
    if (version := policy.active_on(on)) is None:
        return None
    clocks: dict[str, dict[Milestone, int]] = msgspec.to_builtins(policy.versions[version].terms.clocks)
    return clocks


@router.post("/{request}/decline")
async def decline_request(
    request: RequestPath,
    body: DeclineBody,
    caller: Annotated[Caller, allow("operator")],
    post: Posting,
    reads: Reading,
) -> RequestChange:
    """By one person at once, for 72 hours: for good, if a second one confirms it. Otherwise it is as it was before."""
    async with reads.session() as session:
        row = await find_request(session, request, None)
    by = await by_one_caller(reads, caller, post.now)
    await post.submit(f"book/{row.product}", DeclineRequest(request=RequestId(request), reasons=post.texts(body.reasons), by=by))
    return RequestChange(request=request, status=RequestStatus.DECLINED)


@router.post("/{request}/decline/confirm")
async def confirm_decline(
    request: RequestPath, caller: Annotated[Caller, allow("operator", "approver")], post: Posting, reads: Reading
) -> RequestChange:
    """By a second person: it does not lapse any more."""
    async with reads.session() as session:
        row = await find_request(session, request, None)
    accounts = await accounts_of_caller(reads, caller)
    command = ConfirmDecline(request=RequestId(request), by=SubjectId(caller.subject), accounts=accounts)
    await post.submit(f"book/{row.product}", command)
    return RequestChange(request=request, status=RequestStatus.DECLINED)


@router.post("/{request}/withdraw")
async def withdraw_request(
    request: RequestPath,
    body: ReasonBody,
    caller: Annotated[Caller, allow("partner")],
    post: Posting,
    reads: Reading,
) -> RequestChange:
    async with reads.session() as session:
        row = await find_request(session, request, own_partner(caller))
    await post.submit(f"book/{row.product}", WithdrawRequest(request=RequestId(request), reason=post.text(body.reason)))
    return RequestChange(request=request, status=RequestStatus.WITHDRAWN)


@router.get("")
async def list_requests(
    caller: Annotated[Caller, allow(*READERS, "partner", "nominee")],
    pages: Paging,
    product: Annotated[ProductField | None, Query()] = None,
    status: Annotated[RequestStatus | None, Query()] = None,
) -> Page[RequestView]:
    sight = sight_of(caller)
    return await pages.of(
        select(RequestRow),
        RequestRow.request,
        _view,
        only={RequestRow.partner: sight.partner, RequestRow.nominee: sight.nominee, RequestRow.product: product, RequestRow.status: status},
    )


@router.get("/{request}")
async def show_request(
    request: RequestPath, caller: Annotated[Caller, allow(*READERS, "partner", "nominee")], reads: Reading
) -> RequestDetail:
    async with reads.session() as session:
        sight = sight_of(caller)
        row = await find_request(session, request, sight.partner, sight.nominee)
        clock = await clock_of(session, request)
    return RequestDetail(**_view(row).model_dump(), **await _whole(reads, row), clock=clock)
