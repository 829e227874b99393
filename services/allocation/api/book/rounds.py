"""Rounds: an operator proposes, certifies and cancels. They are approved in `approvals.py`, and decisions read in `decisions.py`."""

from collections.abc import Iterator
from datetime import date, datetime
from itertools import islice
from typing import Annotated

import msgspec
from fastapi import APIRouter, Query
from pydantic import BaseModel, Field
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from services.allocation.api.authority.capacity import concerns_of_round
from services.allocation.api.book.objections import open_objections
from services.allocation.api.decisions.decisions import AwardLine, award_line, needed_approvals, read_content
from services.allocation.api.decisions.supply import find_stock
from services.allocation.api.fields import READERS, ProductField, RoundPath, Sight, sight_of
from services.allocation.api.lookups import find_round, find_surroundings, own_requests, read_policy
from services.allocation.background.decision_process import SHOWN
from services.allocation.background.party_screening import screen_round
from services.allocation.background.working_out import work_out
from services.allocation.domain.book.lapses import Surroundings
from services.allocation.domain.book.rounds import CancelRound, CertifyRound, ProposeRound
from services.allocation.domain.book.state import Book, Round, partners_of
from services.allocation.domain.controls import CONTROLS
from services.allocation.domain.decisions.written_lines import first_lines
from services.allocation.events import (
    AwardGranted,
    DecisionHash,
    ProductId,
    ReleaseOrder,
    RoundCertified,
    RoundId,
    RoundProposed,
    SubjectId,
)
from services.allocation.tables.book import ApprovalRow, AwardRow, RoundRow, RoundStatus
from services.allocation.tables.decisions import SupersededRoundRow
from shared.http.auth import Caller, allow
from shared.http.fields import Body, PositiveGrams, ReasonBody
from shared.http.handlers import Page, Paging, Posting, Reading, Reads, same_fields
from shared.http.seen import seen
from shared.terms.acting_api import ApprovalBody, ApprovalView, barred, looked_up_again, signature_of
from shared.terms.countersigning_api import OR_PROPOSED, ProposalView, withdrawn_or_proposed
from shared.writer.commands import Accepted

router = APIRouter(prefix="/v1/rounds", tags=["rounds"])

Operates = Annotated[Caller, allow("operator", on_duty=True)]


class ProposalBody(Body):
    supply_g: PositiveGrams  # offered: at most what is available and not protected


class CertifyBody(Body):
    attestation: ApprovalBody | None = Field(
        default=None,
        description="the decision, signed for the purpose attestation by who certifies it: all lines, one parameter, within the offer; a "
        "round is not certified without one",
    )


class RoundAwardView(BaseModel):
    award: str
    request: str
    partner: str
    mass_g: int
    days_of_cover: str  # what it buys at the stated consumption, in tenths of days


class QuorumView(BaseModel):
    above_g: int
    approvals: int


class RoundView(BaseModel):
    """`awards`: of a certified round; what is proposed is in its decision. A partner sees its own requests and awards only."""

    round: str
    product: str
    status: RoundStatus
    requests: list[str]
    rule: str
    policy: str
    policy_version: int
    disruption: str | None
    approvals_needed: int  # by what is proposed, or else by the smallest award
    summed_g: int | None  # what is proposed with what was decided of late: it needs as many approvals as for so much
    quorum: list[QuorumView]
    release_days: int
    opened_on: date
    decision: str | None
    proposed_by: str | None
    supply_g: int | None
    left_g: int | None
    approvals: list[ApprovalView]
    awards: list[RoundAwardView]
    open_objections: list[str]  # to what was accepted of its requests: they stop nothing
    expires_on: date | None
    certified_in: str | None
    ratification: str | None  # of a round that was decided in an emergency: due, missed, ratified
    ratify_by: datetime | None
    superseded_by: str | None
    reason: str | None


SEEN_BY_PARTNER = frozenset(
    (
        *("round", "product", "status", "requests", "rule", "policy", "policy_version", "disruption", "approvals_needed", "quorum"),
        *("release_days", "opened_on", "awards", "open_objections", "expires_on", "certified_in", "ratification", "ratify_by"),
        "superseded_by",
    )
)
SEEN_ONCE_CERTIFIED = SEEN_BY_PARTNER | {"decision", "proposed_by", "approvals"}
# Not before: a decision falls for a reason that may name another partner, or what is another's.
SEEN_ONCE_CANCELLED = SEEN_BY_PARTNER | {"reason"}


class ProposedView(BaseModel):
    round: str
    status: RoundStatus
    decision: str
    supply_g: int  # in whole units
    left_g: int
    awards: list[AwardLine]  # of the first 500 requests, also those that get nothing; the decision has all


class CertifiedView(BaseModel):
    round: str
    status: RoundStatus
    decision: str
    expires_on: date
    awards: list[RoundAwardView]  # the first 500; GET /v1/awards has all
    approvals: list[ApprovalView]
    certified_in: str  # where the journal has it


class CancelledView(BaseModel):
    round: str
    status: RoundStatus
    reason: str


@router.post("/{round}/propose")
async def propose_round(round: RoundPath, body: ProposalBody, caller: Operates, post: Posting, reads: Reading) -> ProposedView:
    """Works the decision out from the book as it is now. The book takes it only if nothing changed meanwhile."""
    async with reads.session() as session:
        row = await find_round(session, round)
        book, found = await _book_and_round(reads, row)
        around = await _surroundings(reads, session, row, book, found, post.today)
        stock = await find_stock(session, row.product, post.today)
    command = ProposeRound(
        round=RoundId(round), supply_g=body.supply_g, by=SubjectId(caller.subject), on=post.today, surroundings=around, proposed=None
    )
    worked = None if stock is None else await work_out(post.kernel, command, ProductId(row.product), book, stock)
    if worked is not None:
        command = msgspec.structs.replace(command, proposed=worked.proposed)
    bar = await barred(reads, caller.subject, lambda session: concerns_of_round(session, row))
    accepted = await post.submit(f"book/{row.product}", bar or command, documents=() if worked is None else worked.documents)
    event = next(fact.event for fact in accepted.facts if isinstance(fact.event, RoundProposed))
    if worked is not None and worked.proposed.file == event.file:
        lines = worked.lines
    else:  # sent again: the answer is that of the first time
        lines = first_lines(await read_content(reads, event.file), SHOWN)
    return ProposedView(
        round=round,
        status=RoundStatus.PROPOSED,
        decision=event.decision,
        supply_g=event.supply_g,
        left_g=event.left_g,
        awards=[award_line(line) for line in lines],
    )


@router.post("/{round}/certify")
async def certify_round(
    round: RoundPath, caller: Operates, post: Posting, reads: Reading, body: CertifyBody | None = None
) -> CertifiedView:
    """Makes the decision final, on the word of who certifies it. Inventory then releases all awards, or refuses them and the round is open
    again."""
    attestation = None if body is None or body.attestation is None else body.attestation
    await screen_round(post.kernel, round)
    async with reads.session() as session:
        row = await find_round(session, round)
        book, found = await _book_and_round(reads, row)
        around = await _surroundings(reads, session, row, book, found, post.today)
        concerns = await concerns_of_round(session, row)
    authorities, revoked = await looked_up_again(reads, None if found is None else found.proposal, concerns)
    command = CertifyRound(
        round=RoundId(round),
        surroundings=around,
        order=await _release_order(reads, found),
        revoked=revoked,
        authorities=authorities,
        on=post.today,
        at=post.now,
        attestation=None if attestation is None else await signature_of(reads, attestation, caller.subject, post.today),
    )
    bar = await barred(reads, caller.subject, lambda session: concerns_of_round(session, row))
    accepted = await post.submit(f"book/{row.product}", bar or command)
    certified = next(fact for fact in accepted.facts if isinstance(fact.event, RoundCertified))
    return CertifiedView(
        round=round,
        status=RoundStatus.CERTIFIED,
        decision=certified.event.decision,
        expires_on=certified.event.expires_on,
        awards=[RoundAwardView(**msgspec.to_builtins(event)) for event in islice(_granted(accepted), SHOWN)],
        approvals=[ApprovalView.of(approval) for approval in certified.event.approvals],
        certified_in=certified.place,
    )


@router.post("/{round}/cancel", responses=OR_PROPOSED)
async def cancel_round(round: RoundPath, body: ReasonBody, caller: Operates, post: Posting, reads: Reading) -> CancelledView | ProposalView:
    """By who opened it, as long as nobody has approved its decision; else it is proposed, and another person signs it."""
    async with reads.session() as session:
        row = await find_round(session, round)
    command = CancelRound(round=RoundId(round), reason=post.text(body.reason))
    done = await withdrawn_or_proposed(post, reads, CONTROLS, f"book/{row.product}", command)
    return done if isinstance(done, ProposalView) else CancelledView(round=round, status=RoundStatus.CANCELLED, reason=body.reason)


class RoundSummary(BaseModel):
    round: str
    product: str
    status: RoundStatus
    rule: str
    disruption: str | None
    opened_on: date
    decision: str | None
    expires_on: date | None


@router.get("")
async def list_rounds(
    caller: Annotated[Caller, allow(*READERS)],
    pages: Paging,
    product: Annotated[ProductField | None, Query()] = None,
    status: Annotated[RoundStatus | None, Query()] = None,
) -> Page[RoundSummary]:
    return await pages.of(
        select(RoundRow), RoundRow.round, same_fields(RoundSummary), only={RoundRow.product: product, RoundRow.status: status}
    )


@router.get("/{round}")
async def show_round(round: RoundPath, caller: Annotated[Caller, allow(*READERS, "partner", "nominee")], reads: Reading) -> RoundView:
    """A partner, or a nominee, sees a round that one of its requests is in; of a decision, nothing before it is certified."""
    sight = sight_of(caller)
    async with reads.session() as session:
        row = await find_round(session, round, sight)
        approvals = select(ApprovalRow).where(
            ApprovalRow.round == round, ApprovalRow.decision == row.decision, col(ApprovalRow.lapsed).is_(False)
        )
        awards = select(AwardRow).where(AwardRow.round == round, AwardRow.decision == row.decision)
        superseded = await session.get(SupersededRoundRow, round)
        view = RoundView(
            **row.model_dump(exclude={"file", "approvals_needed", "needed", "ratified_by"}),
            approvals_needed=needed_approvals(row),
            superseded_by=None if superseded is None else superseded.by_round,
            approvals=[ApprovalView.of(each) for each in await session.exec(approvals.order_by(col(ApprovalRow.key)))],
            awards=[
                RoundAwardView.model_validate(each, from_attributes=True)
                for each in await session.exec(awards.order_by(col(AwardRow.request)))
            ],
            open_objections=await open_objections(session, row.requests),
        )
        return view if sight.partner is None else await _as_seen_by(session, sight, view)


async def _as_seen_by(session: AsyncSession, sight: Sight, view: RoundView) -> RoundView:
    requests = await own_requests(session, view.requests, sight)
    own = set(requests)
    awards = [award for award in view.awards if award.request in own]
    objections = await open_objections(session, requests)
    its_own = view.model_copy(update={"requests": requests, "awards": awards, "open_objections": objections})
    match view.status:
        case RoundStatus.CERTIFIED | RoundStatus.RELEASED:
            return seen(its_own, SEEN_ONCE_CERTIFIED)
        case RoundStatus.CANCELLED:
            return seen(its_own, SEEN_ONCE_CANCELLED)
    return seen(its_own, SEEN_BY_PARTNER)


async def _book_and_round(reads: Reads, row: RoundRow) -> tuple[Book, Round | None]:
    book, _ = await reads.state(f"book/{row.product}")
    assert isinstance(book, Book)
    return book, book.rounds.get(RoundId(row.round))


async def _surroundings(reads: Reads, session: AsyncSession, row: RoundRow, book: Book, round: Round | None, on: date) -> Surroundings:
    partners = [] if round is None else sorted(partners_of(book, round))
    found = await find_surroundings(session, row.product, partners, row.disruption, on)
    if round is None:
        return found
    policy = await read_policy(reads, round.policy)
    version = policy.versions.get(round.policy_version)
    return msgspec.structs.replace(
        found,
        protected_g=max(found.protected_g, round.protected_g),
        policy_stands=policy.stands(round.policy_version, on),
        taking_back=await _taking_back(session, book),
        largest_minimum="1" if version is None else version.terms.largest_minimum,
    )


async def _taking_back(session: AsyncSession, book: Book) -> RoundId | None:
    """A superseded round of this book whose quota and carries are not back yet."""
    superseded = await session.exec(select(SupersededRoundRow).where(col(SupersededRoundRow.gives_back).is_(True)))
    return next((RoundId(row.round) for row in superseded if DecisionHash(row.decision) in book.decided), None)


async def _release_order(reads: Reads, round: Round | None) -> ReleaseOrder | None:
    if round is None or round.proposal is None or (name := round.proposal.release_order) is None:
        return None
    return msgspec.json.decode(await read_content(reads, name), type=ReleaseOrder)


def _granted(accepted: Accepted) -> Iterator[AwardGranted]:
    return (fact.event for fact in accepted.facts if isinstance(fact.event, AwardGranted))
