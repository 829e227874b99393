"""Texts over HTTP: what a service keeps of them, for who verifies them against its events; and how one is put forward to be erased."""

from datetime import datetime
from functools import partial
from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, StringConstraints
from sqlalchemy.orm import registry
from sqlmodel import Field, SQLModel, select

from shared.http.auth import Caller, allow
from shared.http.fields import Body
from shared.http.handlers import Page, Paging, Posting, Reading, Reads
from shared.http.problems import Problem, register
from shared.journal.decider import Reasons
from shared.journal.places import Histories
from shared.journal.texts import PREFIX, ErasureCode
from shared.terms.countersigning_api import ProposalView, propose
from shared.terms.erasing import CONTROLS, EraseText, stream_of

type TextPath = Annotated[str, StringConstraints(pattern="^[0-9a-f]{64}$")]


class TextReason(Reasons):
    NOT_FOUND = "text_not_found", 404, "No text of this commitment is kept"


register(TextReason)


class _Table(SQLModel, registry=registry()):
    """Apart from the tables of services: the kernel writes it."""


class TextRow(_Table, table=True):
    __tablename__ = "texts"
    commitment: str = Field(primary_key=True)
    salt: bytes | None
    content: str | None
    shard: int | None
    position: int | None
    recorded_at: datetime | None
    erased_at: datetime | None
    wiped_at: datetime | None


class TextView(BaseModel):
    """What a person has typed. Events have `text:` and `sha256`, which is that of 0x04, the salt and the content in UTF-8."""

    sha256: str
    content: str | None  # null: it is erased
    salt: str | None  # 32 hex digits
    place: str | None  # of the first event that holds it
    erased_at: datetime | None
    wiped_at: datetime | None  # from then on, its bytes are on no page of the database's table, so in no backup that is begun later


class ErasureBody(Body):
    code: ErasureCode


def texts_router() -> APIRouter:
    """The same in each service that keeps texts."""
    router = APIRouter(prefix="/v1/texts", tags=["texts"])

    @router.get("")
    async def list_texts(caller: Annotated[Caller, allow("auditor", "administrator")], pages: Paging) -> Page[TextView]:
        """Every text that is kept, and a word of each that was erased."""
        return await pages.of(
            select(TextRow), TextRow.commitment, partial(_view, pages.kernel.journal.histories, pages.kernel.service.name)
        )

    @router.get("/{text}")
    async def show_text(
        text: TextPath, caller: Annotated[Caller, allow("operator", "approver", "auditor", "administrator")], reads: Reading
    ) -> TextView:
        """With its salt: who has an event, or a document to sign, can verify that this is what was typed."""
        return _view(reads.kernel.journal.histories, reads.kernel.service.name, await _find(reads, text))

    @router.post("/{text}/erasure", status_code=202)
    async def erase_text(
        text: TextPath, body: ErasureBody, caller: Annotated[Caller, allow("administrator")], post: Posting, reads: Reading
    ) -> ProposalView:
        """Put before another person. Once that is signed, the text is gone, for every reader and for good; its events stay."""
        await _find(reads, text)
        return await propose(post, CONTROLS, stream_of(text), EraseText(text=text, code=body.code))

    return router


async def _find(reads: Reads, text: str) -> TextRow:
    async with reads.session() as session:
        row = await session.get(TextRow, f"{PREFIX}{text}")
    if row is None:
        raise Problem("text_not_found", f"no text is kept of {text}", field="path:text")
    return row


def _view(histories: Histories, service: str, row: TextRow) -> TextView:
    place = None
    if row.shard is not None and row.position is not None:
        place = str(histories.place(service, row.shard, row.position))
    return TextView(
        sha256=row.commitment.removeprefix(PREFIX),
        content=row.content,
        salt=None if row.salt is None else row.salt.hex(),
        place=place,
        erased_at=row.erased_at,
        wiped_at=row.wiped_at,
    )
