"""The parties of the story: each calls the edge with a token of its own."""

import asyncio
import base64
import math
from collections.abc import Awaitable, Callable
from typing import Any, Self

import msgspec

from reserve.client import Client, ProblemAnswer
from reserve.operate.endpoints import Endpoints
from shared.observe.waiting import still

_POLL_S = 0.05


class Unexpected(Exception):
    """The system did not do what the story says."""


class Parties:
    """`admin` enrols, `operator` keeps the stock and proposes, `approvers` approve, `auditor` sees everything and changes nothing.
    `borrower` is the mine that borrows; `stranger` borrows nothing."""

    def __init__(self, endpoints: Endpoints) -> None:
        def client(client_id: str) -> Client:
            return Client.of(endpoints, client_id, patience_s=math.inf)

        self.admin = client("admin-1")
        self.operator = client("operator-1")
        self.depot_operator = client("operator-2")
        self.approvers = (client("approver-1"), client("approver-2"))
        self.auditor = client("auditor-1")
        self.borrower, self.stranger = client("borrower-hillgrove"), client("borrower-nolans")
        self.partners = {str(party.partner): client(party.client_id) for party in endpoints.clients if "partner" in party.roles}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        reserve = (self.admin, self.operator, self.depot_operator, *self.approvers, self.auditor)
        for client in (*reserve, self.borrower, self.stranger, *self.partners.values()):
            await client.close()


class _Claims(msgspec.Struct):
    sub: str


async def subject_of(client: Client) -> str:
    """Whom the client's token is for, as approvals name people."""
    payload = (await client.token()).split(".")[1]
    return msgspec.json.decode(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)), type=_Claims).sub


async def refusal_of(call: Awaitable[Any]) -> ProblemAnswer:
    """The problem that the call is answered with. Raises Unexpected if it is accepted."""
    try:
        accepted = await call
    except ProblemAnswer as problem:
        return problem
    raise Unexpected(f"this should have been refused: {accepted}")


async def until[T](what: str, probe: Callable[[], Awaitable[T | None]]) -> T:
    """What `probe` finds, as soon as it finds something. Where that takes long, what is waited for is said."""
    async with still(f"waiting for {what}"):
        while True:
            if (found := await probe()) is not None:
                return found
            await asyncio.sleep(_POLL_S)


async def all_rows(client: Client, path: str, **query: str) -> list[Any]:
    return [row async for row in client.rows(path, **query, limit=200)]
