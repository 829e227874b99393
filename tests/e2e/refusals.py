"""What bad input is thrown at: one POST, as it is, and what must be answered."""

import secrets
from typing import Any

import httpx
import msgspec

from tests.e2e.world import World

NOBODY = "01jdqz5b7ze3wr1ah7v2v9kxyq"  # an id's second half that nothing has
REQUESTS = "/allocation/v1/requests"
APPROVALS = "/allocation/v1/rounds/{round}/approvals"


class Ground(msgspec.Struct, frozen=True):
    """All that the input needs to be taken is there, but for what is wrong with it. `there`: what paths and bodies may name."""

    world: World
    http: httpx.AsyncClient
    there: dict[str, str]

    def __getitem__(self, name: str) -> str:
        return self.there[name]

    def filled(self, body: Any) -> Any:
        """With what it names, however deep."""
        match body:
            case str():
                return body.format_map(self.there)
            case dict():
                return {name: self.filled(value) for name, value in body.items()}
            case list():
                return [self.filled(value) for value in body]
            case _:
                return body

    async def sends(self, who: str, path: str, body: Any = None, *, raw: bytes | None = None, **headers: str) -> httpx.Response:
        """Not repeated, and nothing made good."""
        content = raw if raw is not None else b"" if body is None else msgspec.json.encode(self.filled(body))
        sent = {
            "Authorization": f"Bearer {await self.world.clients[who].token()}",
            "Content-Type": "application/json",
            "Idempotency-Key": secrets.token_hex(8),
        }
        return await self.http.post(self.filled(path), content=content, headers={**sent, **headers})

    async def heads(self) -> Any:
        """Of the journals that commands are for. The ledger's goes on by itself, when it signs what it has recorded."""
        found = await self.world.heads()
        return {name: found[name] for name in ("inventory", "allocation", "loans")}


class Bad(msgspec.Struct, frozen=True):
    """`body` may name what is there, as the path may. `raw`: the body's bytes as they are."""

    name: str
    who: str
    path: str
    status: int
    code: str
    field: str | None
    body: Any = None
    raw: bytes | None = None
    headers: dict[str, str] = {}

    async def sent(self, ground: Ground) -> httpx.Response:
        return await ground.sends(self.who, self.path, self.body, raw=self.raw, **self.headers)

    async def is_refused(self, ground: Ground) -> None:
        """With its code, and nothing is changed."""
        before = await ground.heads()
        assert_problem(await self.sent(ground), self.status, self.code, self.field)
        assert await ground.heads() == before


def assert_problem(answer: httpx.Response, status: int, code: str, field: str | None) -> None:
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    problem = answer.json()
    assert (answer.status_code, problem["code"], problem.get("field")) == (status, code, field), problem
    assert problem["status"] == status
    assert problem["type"] == f"urn:reserve:problem:{code}"
    assert problem["title"] and problem["detail"]
