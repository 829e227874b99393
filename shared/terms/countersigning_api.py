"""Countersigning over HTTP: how a route proposes a command, and where another person finds, reads and signs it."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import date
from http import HTTPStatus
from typing import Annotated, Any
from zlib import crc32

import msgspec
from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, StringConstraints
from sqlmodel import col, select

from shared.http.auth import Caller, allow
from shared.http.fields import TYPEID, ReasonBody
from shared.http.handlers import Page, Paging, Post, Posting, Reading, Reads, same_fields
from shared.http.openapi import answers
from shared.http.problems import Problem
from shared.journal.protocol import Document
from shared.journal.record import canonical
from shared.journal.texts import TypedText
from shared.terms.acting_api import ApprovalBody, ApprovalView, accounts_of_caller, document_answer, signing_of
from shared.terms.countersigning import (
    EVENTS,
    ApproveCommand,
    CommandPaper,
    CommandProposed,
    ControlReason,
    Controls,
    Countersigned,
    ProposeCommand,
    WithdrawCommand,
)
from shared.terms.countersigning_tables import ProposalRow, ProposalStatus
from shared.writer.commands import Accepted

PROPOSALS = select(ProposalRow).where(col(ProposalRow.stream) == col(ProposalRow.streams)[0].astext)  # each once
ROLES = ("operator", "approver", "auditor", "administrator")

type ProposalPath = Annotated[str, StringConstraints(pattern=f"^prp_{TYPEID}$")]


class ProposalView(BaseModel):
    """A command that waits for another person's signature, or has it. `document`: the SHA-256 of what they sign."""

    proposal: str
    act: str
    command: dict[str, Any]
    streams: list[str]
    status: ProposalStatus
    document: str
    proposed_by: str
    proposed_on: date
    lapses_on: date
    reason: str | None = None  # why it was withdrawn
    approval: ApprovalView | None = None
    followed: list[dict[str, Any]] = []  # what happened once it was signed, as its events say it: in the answer to the signature


OR_PROPOSED: dict[int | str, dict[str, Any]] = {202: {"model": ProposalView, "description": "it waits for another person's signature"}}


async def done_or_proposed(
    post: Post, controls: Controls, stream: str, command: Any, *, proposed: Any = None, documents: Sequence[Document] = ()
) -> Accepted | ProposalView:
    """What one person may do is done; what they may not is put before another. `proposed`: the command without what only says whose word it
    would be alone."""
    try:
        return await post.submit(stream, command, documents=documents)
    except Problem as problem:
        if problem.code != ControlReason.NEEDED:
            raise
    return await propose(post, controls, stream, proposed or command, documents=documents)


async def withdrawn_or_proposed(post: Post, reads: Reads, controls: Controls, stream: str, command: Any) -> Accepted | ProposalView:
    """Who has proposed something withdraws it by themselves, and with another what somebody else has. `command.by`: left out."""
    own = msgspec.structs.replace(command, by=await accounts_of_caller(reads, post.caller))
    return await done_or_proposed(post, controls, stream, own, proposed=command)


async def propose(
    post: Post, controls: Controls, stream: str, command: Any, *more: str, documents: Sequence[Document] = (), bar: Problem | None = None
) -> ProposalView:
    """Puts the command before another person, who signs it or does not. `more`: other streams that take the same command; `documents`:
    those that its events will stand on; `bar`: what a look-up says no with. A request may propose one for each of several streams."""
    control = controls[type(command)]
    assert isinstance(control, Countersigned), f"{type(command).__name__} needs no other's signature"
    proposal, streams = post.new_id("prp", crc32(stream.encode())), (stream, *more)
    said: dict[str, Any] = msgspec.to_builtins(command)
    paper = CommandPaper(
        proposal=proposal,
        service=post.kernel.service.name,
        streams=streams,
        act=control.act,
        command=said,
        proposed_by=post.caller.subject,
        proposed_on=post.today,
    )
    document = Document(canonical(paper))
    wanted = ProposeCommand(proposal=proposal, streams=streams, command=said, document=document.name, by=post.caller.subject, on=post.today)
    accepted = await _by_all(post, proposal, streams, bar or wanted, streams, documents=[document, *documents])
    event = accepted[-1].event(CommandProposed)
    post.response.status_code = 202
    return ProposalView(
        streams=list(streams),
        status=ProposalStatus.PROPOSED,
        proposed_on=post.today,
        **{name: getattr(event, name) for name in ("proposal", "act", "command", "document", "proposed_by", "lapses_on")},
    )


def proposals_router(
    bar: Callable[[Reads, ProposalRow], Awaitable[Problem | None]] | None = None, signed: Callable[[Post], None] | None = None
) -> APIRouter:
    """The same in each service whose commands are countersigned. `bar`: why something cannot be signed any more, of which its stream
    knows nothing. `signed`: what else the service does once something is, such as to forget what it remembers of it."""
    router = APIRouter(prefix="/v1/proposals", tags=["proposals"])

    @router.get("")
    async def list_proposals(
        caller: Annotated[Caller, allow(*ROLES)],
        pages: Paging,
        status: Annotated[ProposalStatus | None, Query()] = None,
    ) -> Page[ProposalView]:
        return await pages.of(PROPOSALS, ProposalRow.proposal, same_fields(ProposalView), only={ProposalRow.status: status})

    @router.get("/{proposal}")
    async def show_proposal(proposal: ProposalPath, caller: Annotated[Caller, allow(*ROLES)], reads: Reading) -> ProposalView:
        return same_fields(ProposalView)(await _find(reads, proposal))

    @router.get("/{proposal}/document", response_class=Response, responses=answers(CommandPaper))
    async def show_proposal_document(proposal: ProposalPath, caller: Annotated[Caller, allow(*ROLES)], reads: Reading) -> Response:
        """The bytes whose SHA-256 is signed."""
        return await document_answer(reads, (await _find(reads, proposal)).document)

    @router.post("/{proposal}/approvals", status_code=201)
    async def approve_proposal(
        proposal: ProposalPath,
        body: ApprovalBody,
        caller: Annotated[Caller, allow("approver", on_duty=True)],
        post: Posting,
        reads: Reading,
    ) -> ProposalView:
        """Signed, it is done at once."""
        row = await _find(reads, proposal)
        command = ApproveCommand(proposal=proposal, signing=await signing_of(reads, body, caller, post.today), on=post.today)
        barred = await _taken_by_some(reads, row)
        if bar is not None:
            barred = await bar(reads, row) or barred
        accepted = await _by_all(post, proposal, row.streams, barred or command, ())
        events = [fact.event for each in accepted for fact in each.facts]
        if signed is not None:
            signed(post)
        followed = [msgspec.to_builtins(event) for event in events if not isinstance(event, EVENTS)]
        done = {"status": ProposalStatus.APPROVED, "approval": ApprovalView.of(events[0].approval), "followed": followed}
        return same_fields(ProposalView)(row).model_copy(update=done)

    @router.post("/{proposal}/withdraw")
    async def withdraw_proposal(
        proposal: ProposalPath,
        body: ReasonBody,
        caller: Annotated[Caller, allow("operator", "approver", "administrator")],
        post: Posting,
        reads: Reading,
    ) -> ProposalView:
        """By who proposed it. Whoever says no to it does not sign: it lapses."""
        row = await _find(reads, proposal)
        accounts = await accounts_of_caller(reads, caller)
        command = WithdrawCommand(proposal=proposal, reason=post.text(body.reason), by=caller.subject, accounts=accounts)
        for stream in await _waiting_in(reads, row):
            await post.submit(stream, command, part=stream)
        return same_fields(ProposalView)(row).model_copy(update={"status": ProposalStatus.WITHDRAWN, "reason": body.reason})

    return router


async def _by_all(
    post: Post, proposal: str, streams: Sequence[str], command: Any, back: Sequence[str], *, documents: Sequence[Document] = ()
) -> list[Accepted]:
    """What each of the streams makes of it. Where one refuses it after others have taken it, nothing is left waiting: the proposal is
    withdrawn in the same turn from that one, from those after it, and from `back`. Raises `Problem`: the refusal. What is refused for the
    moment alone is left as it is, since the same request goes on where it stopped."""
    taken: list[Accepted] = []
    for place, stream in enumerate(streams):
        try:
            taken.append(await post.submit(stream, command, documents=documents, part=stream))
        except Problem as refusal:
            if taken and refusal.status < HTTPStatus.INTERNAL_SERVER_ERROR and refusal.code != "precondition_failed":
                withdraw = WithdrawCommand(proposal=proposal, reason=TypedText(f"{stream} refused it: {refusal.code}"))
                for each in dict.fromkeys([*streams[place:], *back]):
                    with suppress(Problem):  # where it does not wait, there is nothing to withdraw
                        await post.submit(each, withdraw, part=f"withdraw {each}")
            raise
        if isinstance(command, ProposeCommand):
            # Should it have failed midway, the first stream has it with the salts that were drawn then: one paper is signed for all.
            event = taken[-1].event(CommandProposed)
            command = msgspec.structs.replace(command, command=event.command, document=event.document)
    return taken


async def _waiting_in(reads: Reads, row: ProposalRow) -> list[str]:
    """Its streams in which it waits; all of them where it waits in none, so that they say so."""
    async with reads.session() as session:
        rows = (await session.exec(select(ProposalRow).where(ProposalRow.proposal == row.proposal))).all()
    return sorted(each.stream for each in rows if each.status == ProposalStatus.PROPOSED) or row.streams


async def _taken_by_some(reads: Reads, row: ProposalRow) -> Problem | None:
    """Why it is not to be signed: not all of its streams have it, or it was withdrawn from some. Else some of it would be done alone."""
    async with reads.session() as session:
        rows = (await session.exec(select(ProposalRow).where(ProposalRow.proposal == row.proposal))).all()
    stand = [each for each in rows if each.status in (ProposalStatus.PROPOSED, ProposalStatus.APPROVED)]
    if len(stand) == len(row.streams) or all(each.status != ProposalStatus.PROPOSED for each in rows):
        return None  # what no stream has any more, the streams refuse themselves
    return Problem(ControlReason.PROPOSAL_NOT_FOUND, f"{row.proposal} does not wait in all of its streams", field="path:proposal")


async def _find(reads: Reads, proposal: str) -> ProposalRow:
    async with reads.session() as session:
        row = (await session.exec(PROPOSALS.where(ProposalRow.proposal == proposal))).first()
    if row is None:
        raise Problem("proposal_not_found", f"there is no proposal {proposal}", field="path:proposal")
    return row
