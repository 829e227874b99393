"""Many GETs of one caller, each in a thread on a connection that is kept: an audit's. httpx takes ten times as long for one, since a large
answer goes through all of its layers piece by piece."""

import asyncio
from collections import deque
from http.client import HTTPConnection, HTTPException, HTTPSConnection, IncompleteRead
from urllib.parse import urlencode, urlsplit
from urllib.request import getproxies

import httpx

from reserve.inflating import ANSWER_BYTES, inflated
from shared.tls import trusted


class ManyGets:
    """`base_url`: as of the client."""

    def __init__(self, base_url: str, timeout_s: float) -> None:
        self._parts = urlsplit(base_url)
        self._timeout_s = timeout_s
        self._idle: deque[HTTPConnection] = deque()

    @property
    def possible(self) -> bool:
        """Not through a proxy, which httpx knows how to ask."""
        return not getproxies()

    async def get(self, path: str, query: dict[str, str], headers: dict[str, str]) -> tuple[int, bytes]:
        """(status, content). Raises httpx.TransportError, AnswerRefused among them."""
        target = f"{self._parts.path}{path}" + (f"?{urlencode(query)}" if query else "")
        return await asyncio.to_thread(self._get, target, headers)

    def close(self) -> None:
        while self._idle:
            self._idle.pop().close()

    def _get(self, target: str, headers: dict[str, str]) -> tuple[int, bytes]:
        while True:
            kept = bool(self._idle)
            connection = self._idle.pop() if kept else self._connect()
            try:
                connection.request("GET", target, headers=headers)
                answer = connection.getresponse()
                sent = answer.read(ANSWER_BYTES + 1)
                if len(sent) <= ANSWER_BYTES and answer.length:  # of what was announced: it broke off
                    raise IncompleteRead(sent, answer.length)
            except (OSError, HTTPException) as error:
                connection.close()
                if not kept:  # one that was kept may have been closed meanwhile
                    raise httpx.TransportError(f"GET {target}: {error!r}") from error
                continue
            if len(sent) > ANSWER_BYTES:
                connection.close()
            else:
                self._idle.append(connection)
            return answer.status, inflated(sent, answer.getheader("content-encoding"))

    def _connect(self) -> HTTPConnection:
        host, port = self._parts.hostname or "", self._parts.port
        if self._parts.scheme == "https":
            return HTTPSConnection(host, port, timeout=self._timeout_s, context=trusted())
        return HTTPConnection(host, port, timeout=self._timeout_s)
