"""Proposals: what one person has put before another. It is read, signed on a machine of the signer's own, and done at once."""

import asyncio
from typing import Literal

import msgspec
from fastapi import APIRouter
from starlette.responses import Response

from services.console.acting import recorded, signed
from services.console.asking import ROWS, Answer, Wanted
from services.console.pages.requests import Id
from services.console.visit import TypedForm, Visit, Visiting

type Service = Literal["inventory", "allocation", "loans"]

SERVICES: tuple[Service, ...] = ("inventory", "allocation", "loans")

router = APIRouter(prefix="/proposals")


@router.get("")
async def list_proposals(visit: Visiting) -> Response:
    """Of each service, what waits."""
    return visit.page("proposals.html", waiting=await waiting(visit))


async def waiting(visit: Visit) -> dict[Service, Answer]:
    asked = (visit.reader.get(service, "/v1/proposals", status="proposed", limit=ROWS) for service in SERVICES)
    return dict(zip(SERVICES, await asyncio.gather(*asked), strict=True))


@router.get("/{service}/{proposal}")
async def show_proposal(visit: Visiting, service: Service, proposal: Id) -> Response:
    return await _proposal_page(visit, service, proposal)


@router.get("/{service}/{proposal}/document.json")
async def document_file(visit: Visiting, service: Service, proposal: Id) -> Response:
    """As the service has it, byte for byte: what an approver takes home and signs."""
    return await visit.document(Wanted(service=service, path=f"/v1/proposals/{proposal}/document", as_is=True), "document.json")


@router.post("/{service}/{proposal}/approvals")
async def approve(visit: Visiting, service: Service, proposal: Id) -> Response:
    typed = await visit.typed()
    body = signed(typed)
    if isinstance(body, Answer):
        return await _proposal_page(visit, service, proposal, "approvals", typed, body)
    return await _done(visit, service, proposal, "approvals", body)


@router.post("/{service}/{proposal}/withdraw")
async def withdraw(visit: Visiting, service: Service, proposal: Id) -> Response:
    typed = await visit.typed()
    return await _done(visit, service, proposal, "withdraw", {"reason": typed.get("reason", "").strip()})


async def _done(visit: Visit, service: Service, proposal: str, act: str, body: object) -> Response:
    typed = await visit.typed()
    done = await visit.reader.post(service, f"/v1/proposals/{proposal}/{act}", body, typed.get("key", ""))
    return await recorded(
        visit,
        done,
        lambda _: f"/proposals/{service}/{proposal}",
        lambda refused: _proposal_page(visit, service, proposal, act, typed, refused),
    )


async def _proposal_page(
    visit: Visit, service: Service, proposal: str, form: str = "", typed: TypedForm | None = None, refused: Answer | None = None
) -> Response:
    found, me = await asyncio.gather(visit.reader.get(service, f"/v1/proposals/{proposal}"), visit.reader.get("allocation", "/v1/me"))
    said = [] if found.data is None else _said(found.data["command"])
    context = {"service": service, "proposal": found.data, "said": said, "powers": [] if me.problem is not None else me.data["powers"]}
    forms = {"form": form, "typed": typed or TypedForm(), "refused": refused}
    return visit.page("proposal.html", found, status=None if refused is None else refused.status, **context, **forms)


def _said(command: dict[str, object]) -> list[tuple[str, object]]:
    """What is to be done, a line a field. What nobody has said is left out; a structure is as JSON has it."""
    said = ((name, value) for name, value in command.items() if value not in (None, "", [], {}) and name not in ("type", "capacity"))
    return [(name, msgspec.json.encode(value).decode() if isinstance(value, (dict, list)) else value) for name, value in said]
