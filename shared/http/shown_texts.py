"""Shown texts: an answer's commitments to what people have typed become the texts, wherever its JSON has them.

One that was erased becomes `erased`; one that this service has no word of (it is another's, or was lost) stays as it is. Only answers that
a route declares as a model are looked at: a document has to keep the bytes that were signed. No caller can put another's commitment into
an answer, since no body that has one is taken (`Post.submit`).
"""

import re
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.types import Message, Scope, Send

from shared.journal.postgres_texts import read_texts
from shared.journal.texts import COMMITMENT

MARK = b'"text:'  # what any JSON has that holds a commitment
AS_IT_IS = "texts_as_they_are"  # of a scope: its answer's SHA-256 says what it is, so it keeps its commitments

_QUOTED = re.compile(rb'"(' + COMMITMENT.pattern.encode() + rb')"')


async def with_texts(scope: Scope, body: bytes) -> bytes:
    return body if scope.get(AS_IT_IS) else await shown(scope["app"].state.kernel.pool, body)


async def shown(pool: Any, body: bytes) -> bytes:
    """JSON with the texts in the place of their commitments."""
    commitments = {found.decode() for found in _QUOTED.findall(body)}
    if not commitments:
        return body
    async with pool.acquire() as connection:
        texts = await read_texts(connection, commitments)

    def said(found: re.Match[bytes]) -> bytes:
        text = texts.get(found[1].decode())
        return found[0] if text is None else msgspec.json.encode("erased" if text.content is None else text.content)

    return _QUOTED.sub(said, body)


def keep_commitments(request: Request) -> None:
    """In the answer to it: its SHA-256 says what it is."""
    request.scope[AS_IT_IS] = True


async def shown_in(pool: Any, content: Any) -> Any:
    """The same, with the texts in the place of their commitments: of what is made into a page."""
    return msgspec.json.decode(await shown(pool, msgspec.json.encode(content)))


class WithTexts:
    """An ASGI `send` that holds an answer of JSON back until all of it is there."""

    def __init__(self, scope: Scope, send: Send) -> None:
        self._scope = scope
        self._send = send
        self._start: Any = None
        self._body = b""

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start" and (b"content-type", b"application/json") in message["headers"]:
            self._start = message
            return
        if self._start is None:
            await self._send(message)
            return
        self._body += message.get("body", b"")
        if message.get("more_body", False):
            return
        if MARK in self._body:
            self._body = await with_texts(self._scope, self._body)
        length = (b"content-length", b"%d" % len(self._body))
        headers = [(name, value) for name, value in self._start["headers"] if name != b"content-length"]
        await self._send({**self._start, "headers": [*headers, length]})
        await self._send({"type": "http.response.body", "body": self._body})
