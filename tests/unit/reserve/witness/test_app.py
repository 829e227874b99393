"""A witness over HTTP, before callers that mean it no good: of a request so much is read, and for so long, and no more."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from reserve.witness import app
from reserve.witness.keys import make_keys, open_keys
from reserve.witness.witness import MAX_REQUEST_BYTES, Witness

PIECE = b"x" * 4096


@pytest.fixture
async def http(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    make_keys(tmp_path, "witness.example.jp/reserve")
    witness = Witness(tmp_path / "seen", open_keys(tmp_path), {}, lambda: 1_790_000_000)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app.create_app(witness)), base_url="http://witness") as http:
        yield http
    witness.close()


async def test_a_request_that_never_ends_is_refused_once_it_is_too_long(http: httpx.AsyncClient) -> None:
    taken = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal taken
        while True:
            taken += len(PIECE)
            assert taken <= 2 * MAX_REQUEST_BYTES, "it reads on"
            yield PIECE

    answer = await http.post("/add-checkpoint", content=endless())
    assert answer.status_code == 413


async def test_a_request_that_stops_coming_is_given_up(http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app, "SENT_WITHIN_S", 0.1)

    async def stalls() -> AsyncIterator[bytes]:
        yield PIECE
        await asyncio.Event().wait()

    answer = await http.post("/add-checkpoint", content=stalls())
    assert answer.status_code == 408


async def test_what_comes_in_small_pieces_is_read_as_one(http: httpx.AsyncClient) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for byte in b"no request":
            yield bytes([byte])

    answer = await http.post("/add-checkpoint", content=pieces())
    assert (answer.status_code, "an empty line and a checkpoint" in answer.text) == (400, True)
