"""Screening lists: an operator puts one in force; another version of it, or its withdrawal, another person signs. Its names stand in a
document; requests are screened by it."""

import asyncio
from datetime import date
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import BaseModel
from sqlmodel import col, select

from services.allocation.api.fields import READERS
from services.allocation.domain.controls import CONTROLS
from services.allocation.domain.screening.screening_list import PutListInForce, WithdrawList
from services.allocation.events import ListName, SubjectId
from services.allocation.tables.screening import ScreeningListRow
from shared.http.auth import Caller, allow
from shared.http.faults import fault_of_file
from shared.http.fields import ReasonBody
from shared.http.handlers import Page, Paging, Posting, Reading, import_body, same_fields
from shared.http.problems import Problem
from shared.journal.postgres import read_document
from shared.journal.protocol import Document
from shared.journal.record import canonical
from shared.terms.countersigning_api import ProposalView, propose
from shared.terms.listed_names import ListedEntity, ListedNames, ListError, ScreeningListFile

IMPORTS = "/v1/screening-list-imports"  # a path of its own, since its bodies are larger

router = APIRouter(tags=["screening"])

DocumentPath = Annotated[str, Path(pattern=r"^[0-9a-f]{64}$")]
ListPath = Annotated[str, Path(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
FILE: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "additionalProperties": False,
                    "required": ["list", "reason", "entries"],
                    "properties": {
                        "list": {"type": "string", "pattern": r"^[a-z0-9][a-z0-9-]{0,62}$"},
                        "reason": {"type": "string", "minLength": 1, "maxLength": 500},
                        "entries": {
                            "type": "array",
                            "maxItems": 50_000,
                            "items": {
                                "type": "object",
                                "additionalProperties": False,
                                "required": ["entry", "name", "source", "listed_on"],
                                "properties": {
                                    "entry": {"type": "string", "description": "what names it from one version to the next"},
                                    "name": {"type": "string"},
                                    "aliases": {"type": "array", "items": {"type": "string"}, "maxItems": 100},
                                    "source": {"type": "string", "description": "who says so"},
                                    "listed_on": {"type": "string", "format": "date"},
                                },
                            },
                        },
                    },
                }
            }
        },
    }
}


class _Import(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    list: Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
    reason: Annotated[str, msgspec.Meta(min_length=1, max_length=500, pattern=r"^[^\x00]*$")]
    entries: tuple[ListedEntity, ...]


class ScreeningListView(BaseModel):
    """A version of a list."""

    list: str
    version: int
    document: str  # SHA-256 of the list
    entries: int
    in_force: bool
    reason: str
    put_on: date
    withdrawn_on: date | None


@router.post(IMPORTS, status_code=202, openapi_extra=FILE)
async def put_list_in_force(caller: Annotated[Caller, allow("operator")], post: Posting, request: Request) -> ProposalView:
    """The whole list, of legal entities, once another person has signed it: open requests are screened again by it. What cannot wait for
    that is a hold, or an agreement that is suspended."""
    told = await asyncio.to_thread(_read, await import_body(request))
    entries = tuple(sorted(told.entries, key=lambda entry: entry.entry))
    document = Document(canonical(ScreeningListFile(list=told.list, entries=entries)))
    command = PutListInForce(
        list=ListName(told.list), document=document.name, entries=len(entries), reason=post.text(told.reason), by=SubjectId(caller.subject)
    )
    return await propose(post, CONTROLS, f"screening_list/{told.list}", command, documents=(document,))


@router.post("/v1/screening-lists/{list}/withdraw", status_code=202)
async def withdraw_list(list: ListPath, body: ReasonBody, caller: Annotated[Caller, allow("operator")], post: Posting) -> ProposalView:
    """Signed, no request is screened by it any more, and its hits bar none."""
    command = WithdrawList(list=ListName(list), reason=post.text(body.reason), by=SubjectId(caller.subject))
    return await propose(post, CONTROLS, f"screening_list/{list}", command)


@router.get("/v1/screening-lists")
async def list_lists(
    caller: Annotated[Caller, allow(*READERS)], pages: Paging, in_force: Annotated[bool | None, Query()] = None
) -> Page[ScreeningListView]:
    return await pages.of(
        select(ScreeningListRow), ScreeningListRow.id, same_fields(ScreeningListView), only={ScreeningListRow.in_force: in_force}
    )


@router.get("/v1/screening-lists/{list}", response_class=Response)
async def show_list(list: ListPath, caller: Annotated[Caller, allow(*READERS)], reads: Reading) -> Response:
    """The version that is in force, whole, as it is kept."""
    async with reads.session() as session:
        query = select(ScreeningListRow).where(ScreeningListRow.list == list, col(ScreeningListRow.in_force))
        row = (await session.exec(query)).first()
    if row is None:
        raise Problem("list_not_found", f"no version of {list} is in force", field="path:list")
    async with reads.kernel.pool.acquire() as connection:
        document = await read_document(connection, row.document)
    assert document is not None, f"the document {row.document} is kept with the event that names it"
    return Response(bytes(document.content), media_type="application/json", headers={"ETag": f'"{row.version}"'})


@router.get("/v1/screening-list-documents/{document}", response_class=Response)
async def show_list_document(document: DocumentPath, caller: Annotated[Caller, allow(*READERS)], reads: Reading) -> Response:
    """A list by its SHA-256, whole: an approver reads it before signing that it comes into force."""
    async with reads.kernel.pool.acquire() as connection:
        kept = await read_document(connection, document)
    if kept is None or not _is_list(kept.content):
        raise Problem("list_not_found", f"no list has the SHA-256 {document}", field="path:document")
    return Response(bytes(kept.content), media_type="application/json")


def _is_list(content: bytes) -> bool:
    try:
        msgspec.json.decode(content, type=ScreeningListFile)
    except (msgspec.ValidationError, msgspec.DecodeError):
        return False
    return True


def _read(content: bytes) -> _Import:
    """Raises Problem `malformed_request`, `list_invalid`, or what is wrong with the names."""
    try:
        told = msgspec.json.decode(content, type=_Import)
    except msgspec.ValidationError as error:
        fault = fault_of_file(error)
        raise Problem("list_invalid", fault.detail, field=fault.field, accepted=fault.accepted) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Problem("malformed_request", "the body is not JSON", accepted="a JSON document in UTF-8") from error
    try:
        ListedNames(told.entries)
    except ListError as error:
        raise Problem(error.code, error.detail, field=error.field, accepted=error.accepted) from error
    return told
