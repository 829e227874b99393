"""Parking over HTTP, as the people who are called do it. `line`: the path of a line."""

import secrets
from typing import Any

import httpx

from tests.waiting import until


async def park(admin: httpx.AsyncClient, line: str, reason: str = "waits for the next build", key: str | None = None) -> httpx.Response:
    return await _post(admin, f"{line}/park", key, json={"reason": reason})


async def confirm(who: httpx.AsyncClient, line: str, stream: str) -> httpx.Response:
    return await _post(who, f"{line}/park/confirm", params={"stream": stream})


async def unpark(admin: httpx.AsyncClient, line: str, stream: str) -> httpx.Response:
    return await _post(admin, f"{line}/unpark", params={"stream": stream})


async def _post(who: httpx.AsyncClient, path: str, key: str | None = None, **sent: Any) -> httpx.Response:
    """Again under its key where the service cannot say yet, as a client would: on a machine without a processor to spare it may not know
    the issuer's keys in time."""
    headers = {"Idempotency-Key": key or secrets.token_hex(8)}

    async def answer() -> httpx.Response | None:
        answered = await who.post(path, headers=headers, **sent)
        return None if answered.status_code == 503 else answered

    return await until(answer)
