"""A server that answers as it is told to, in the place of the network: what the partner's client is tried against."""

from collections.abc import Callable, Iterator
from datetime import date
from typing import Any

import httpx

from reserve_partner import AsyncClient, Client, RequestBody

ASKED = RequestBody(
    product="antimony-metal",
    mass_g=5,
    daily_consumption_g=1,
    needed_by=date(2026, 3, 1),
    nominee="a trader",
    consignee="a trader",
    end_user="a smelter",
    end_use="alloys",
)

type Answer = Callable[[httpx.Request], httpx.Response]


class Server:
    """Gives its answers one after the other, the last one for ever, and remembers what it was asked."""

    def __init__(self, *answers: Answer, issuer: Answer | None = None) -> None:
        self.answers = list(answers)
        self.issuer = issuer
        self.asked: list[httpx.Request] = []
        self.tokens = 0

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.url.path == "/oauth/token":
            self.tokens += 1
            return (
                self.issuer(request)
                if self.issuer
                else httpx.Response(200, json={"access_token": f"token-{self.tokens}", "expires_in": 300})
            )
        self.asked.append(httpx.Request(request.method, request.url, headers=request.headers, content=request.content))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return answer(request)

    def client(self, patience_s: float = 60.0) -> Client:
        return Client("http://reserve/", "partner-jp", "secret", patience_s=patience_s, transport=httpx.MockTransport(self))

    def asynchronous(self) -> AsyncClient:
        return AsyncClient("http://reserve/", "partner-jp", "secret", transport=httpx.MockTransport(self))

    def headers(self, name: str) -> list[str | None]:
        """Of all that it was asked."""
        return [request.headers.get(name) for request in self.asked]


def event(number: int) -> dict[str, Any]:
    """An item of the feed."""
    return {
        "id": str(number),
        "source": "/inventory/0",
        "type": "inventory.stock_drawn.v1",
        "subject": "stockpile/antimony-metal",
        "time": "2026-01-06T00:00:00.000000Z",
        "data": {"draw": f"drw_{number}"},
        "partner": "JP",
        "partnerseq": number + 1,
        "effectiveon": "2026-01-06",
        "correlationid": "0" * 32,
        "place": f"inventory/0/{number + 1}",
        "leafindex": number,
        "salt": "00",
        "eventhash": "00",
        "hashed": "{}",
    }


def ok(content: object, **headers: str) -> Answer:
    return lambda _: httpx.Response(200, json=content, headers=headers)


def refuses(status: int, code: str, **headers: str) -> Answer:
    document = {"type": f"urn:reserve:problem:{code}", "title": code, "status": status, "code": code, "detail": "no"}
    return lambda _: httpx.Response(status, json=document, headers=headers)


def streams(*lines: str, cut: bool = False) -> Answer:
    """As server-sent events; `cut`: the connection breaks after them."""

    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, stream=_Stream(lines, cut), headers={"content-type": "text/event-stream"})

    return answer


class _Stream(httpx.SyncByteStream):
    def __init__(self, lines: tuple[str, ...], cut: bool) -> None:
        self._lines, self._cut = lines, cut

    def __iter__(self) -> Iterator[bytes]:
        for line in self._lines:
            yield f"{line}\n".encode()
        if self._cut:
            raise httpx.ReadError("cut")


def unreachable(request: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("nobody listens", request=request)


def cut(request: httpx.Request) -> httpx.Response:
    raise httpx.ReadError("cut", request=request)
