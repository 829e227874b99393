"""A crowd of one party: the next one is turned away, others are not, and whoever has been answered, or has left, is counted no more."""

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated, Any

import httpx
import pytest
from fastapi import FastAPI
from fastapi.responses import StreamingResponse
from joserfc.jwk import ECKey

from services.identity.tokens import Claims, TokenSigner
from shared.http import application, problems
from shared.http.auth import Caller, Keys, TokenVerifier, allow
from shared.http.crowd import MOST_OF_ONE
from tests.waiting import HANGS_AFTER_S, until

ISSUER = "https://issuer.example"
KEY = ECKey.generate_key("P-256", {"use": "sig", "alg": "ES256"}, auto_kid=True)


class Crowded:
    """A service that answers when the test says so."""

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.come = 0
        issuer = FastAPI()
        self.signer = TokenSigner(KEY, issuer=ISSUER, audience="reserve")
        issuer.get("/jwks")(lambda: self.signer.published())
        keys = Keys(f"{ISSUER}/jwks", httpx.AsyncClient(transport=httpx.ASGITransport(issuer)))
        self.app = FastAPI()
        self.app.state.verifier = TokenVerifier(issuer=ISSUER, audience="reserve", keys=keys)
        problems.install(self.app)
        application.install(self.app)

        async def wait() -> None:
            self.come += 1
            await self.go.wait()

        @self.app.get("/waits")
        async def waits(caller: Annotated[Caller, allow()], number: int = 0) -> str:
            await wait()
            return caller.subject

        @self.app.get("/stream")
        async def stream(caller: Annotated[Caller, allow()]) -> StreamingResponse:
            async def pieces() -> AsyncIterator[bytes]:
                yield b"first"
                await wait()
                yield b"last"

            return StreamingResponse(pieces())

    async def get(self, path: str, subject: str = "one", partner: str | None = "JP", client: str = "client") -> httpx.Response:
        role = "operator" if partner is None else "partner"
        token = self.signer.sign(Claims(subject=subject, client_id=client, roles=(role,), partner=partner))
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://service", timeout=HANGS_AFTER_S) as http:
            return await http.get(path, headers={"authorization": f"Bearer {token}"})

    async def fill(self, path: str) -> list[asyncio.Task[httpx.Response]]:
        """As many as may be under way."""
        before = self.come
        under_way = [asyncio.create_task(self.get(path)) for _ in range(MOST_OF_ONE)]
        await until(lambda: self.come == before + MOST_OF_ONE)
        return under_way


@pytest.fixture
async def crowded() -> AsyncIterator[Crowded]:
    crowded = Crowded()
    yield crowded
    await crowded.app.state.verifier.aclose()


@pytest.mark.parametrize("path", ["/waits", "/stream"])
async def test_one_party_has_so_many_under_way_and_the_next_one_once_one_is_answered(crowded: Crowded, path: str) -> None:
    under_way = await crowded.fill(path)
    refused = await crowded.get("/waits")
    assert (refused.status_code, refused.json()["code"]) == (429, "too_many_at_once")
    assert refused.headers["retry-after"] == "1"
    assert refused.json()["accepted"] == f"{MOST_OF_ONE} requests at once"
    crowded.go.set()
    for answers in (under_way, [crowded.get("/waits") for _ in range(MOST_OF_ONE)]):
        assert {answer.status_code for answer in await asyncio.gather(*answers)} == {200}


async def test_whoever_is_another_party_is_let_in(crowded: Crowded) -> None:
    under_way = await crowded.fill("/waits")
    others: list[dict[str, Any]] = [
        {"subject": "two"},
        {"subject": "one", "client": "another client"},
        {"subject": "one", "partner": "US"},
        {"subject": "one", "partner": None},
    ]
    before = crowded.come
    let_in = [asyncio.create_task(crowded.get("/waits", **other)) for other in others]
    await until(lambda: crowded.come == before + len(others))
    assert (await crowded.get("/waits")).status_code == 429
    crowded.go.set()
    assert {answer.status_code for answer in await asyncio.gather(*under_way, *let_in)} == {200}


@pytest.mark.parametrize("path", ["/waits", "/stream"])
async def test_work_that_is_cancelled_is_counted_no_more(crowded: Crowded, path: str) -> None:
    under_way = await crowded.fill(path)
    for each in under_way:
        each.cancel()
    await asyncio.gather(*under_way, return_exceptions=True)
    crowded.go.set()
    assert (await crowded.get("/waits")).status_code == 200


async def test_a_request_that_is_looked_at_twice_counts_once(crowded: Crowded) -> None:
    under_way = await crowded.fill("/waits")
    under_way[0].cancel()
    await asyncio.wait(under_way[:1])
    unfit = await crowded.get("/waits?number=none")
    assert unfit.status_code == 422, "FastAPI says so, once direct routes have found the caller"
    crowded.go.set()
    await asyncio.gather(*under_way[1:])
