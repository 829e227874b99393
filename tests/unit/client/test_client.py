"""The partner's client: typed answers, retries that do a thing once, pages, and the feed that goes on where it was."""

from datetime import date
from typing import Any

import httpx
import msgspec
import pytest

from reserve_partner import DrawItem, NoAnswer, NoToken, ProblemError, RequestItem
from tests.unit.client.serving import ASKED, Server, cut, event, ok, refuses, streams, unreachable

DRAW = DrawItem(release="rel_1", idempotency_key="truck-1", mass_g=5)
DRAWN: dict[str, Any] = {
    "draw": "drw_1",
    "product": "antimony-metal",
    "release": "rel_1",
    "partner": "JP",
    "status": "drawn",
    "mass_g": 5,
    "assigned_g": 0,
    "parcels": [{"lot": "lot_1", "depot": "Darwin", "nominal_unit_g": 5, "units": 1, "mass_g": 5}],
    "drawn_on": "2026-01-06",
    "place": "inventory/0/9",
    "assignments": [],
    "remaining_g": 7,
    "of_a_later_version": True,
}


def said(number: int) -> str:
    return f"data: {msgspec.json.encode(event(number)).decode()}"


def test_a_draw_is_sent_as_its_route_takes_it_and_its_answer_is_typed() -> None:
    server = Server(ok(DRAWN))
    with server.client() as client:
        drawn = client.draw(DRAW)
    assert (drawn.draw, drawn.drawn_on, drawn.parcels[0].units) == ("drw_1", date(2026, 1, 6), 1)
    [asked] = server.asked
    assert (asked.url.path, asked.headers["idempotency-key"]) == ("/inventory/v1/releases/rel_1/draws", "truck-1")
    assert asked.content == b'{"mass_g":5}' and asked.headers["authorization"] == "Bearer token-1"


async def test_the_asynchronous_client_does_the_same() -> None:
    server = Server(cut, ok(DRAWN), ok({"data": [DRAWN], "next": None}))
    async with server.asynchronous() as client:
        assert (await client.draw(DRAW)).remaining_g == 7
        assert [row.draw async for row in client.draws(status="drawn")] == ["drw_1"]
    assert server.headers("idempotency-key") == ["truck-1", "truck-1", None]


@pytest.mark.parametrize("answer", [cut, unreachable, refuses(503, "overloaded"), refuses(429, "rate_limited", **{"retry-after": "0"})])
def test_a_command_is_repeated_under_its_own_key(answer: Any) -> None:
    server = Server(answer, ok({"request": "req_1", "status": "withdrawn"}))
    with server.client() as client:
        assert client.withdraw_request("req_1", "not needed").status == "withdrawn"
    first, second = server.headers("idempotency-key")
    assert first is not None and first == second


def test_it_comes_back_when_the_server_says_and_gives_up_where_that_is_beyond_its_patience() -> None:
    server = Server(refuses(429, "rate_limited", **{"retry-after": "3"}))
    with server.client(patience_s=2) as client, pytest.raises(ProblemError) as refused:
        client.me()
    assert (refused.value.code, refused.value.retry_after_s, len(server.asked)) == ("rate_limited", 3.0, 1)


def test_what_is_refused_for_good_is_asked_once() -> None:
    document = {"status": 422, "code": "invalid_request", "detail": "too little", "field": "/mass_g", "accepted": "1 or more"}
    errors = [{"field": "/mass_g", "detail": "too little", "accepted": "1 or more"}]
    server = Server(lambda _: httpx.Response(422, json=document | {"errors": errors}))
    with server.client() as client, pytest.raises(ProblemError, match="422 invalid_request in /mass_g: too little") as refused:
        client.submit_request(ASKED)
    assert (refused.value.field, refused.value.problem.errors[0].accepted, len(server.asked)) == ("/mass_g", "1 or more", 1)


def test_nobody_there_is_said_once_patience_is_over() -> None:
    with Server(unreachable).client(patience_s=0) as client, pytest.raises(NoAnswer, match="nobody listens"):
        client.me()


def test_an_answer_of_a_proxy_is_a_problem_too() -> None:
    server = Server(lambda _: httpx.Response(404, text="<html>not here</html>"))
    with server.client() as client, pytest.raises(ProblemError, match="http_404"):
        client.log_key()


def test_a_token_that_is_believed_no_more_is_exchanged_once() -> None:
    server = Server(refuses(401, "token_expired"), ok(DRAWN), refuses(401, "token_expired"))
    with server.client() as client:
        client.draw(DRAW)
        assert server.headers("authorization") == ["Bearer token-1", "Bearer token-2"]
        with pytest.raises(ProblemError, match="token_expired"):
            client.draw(DRAW)
    assert (len(server.asked), server.tokens) == (4, 3)


def test_an_issuer_that_knows_no_such_client_is_asked_once() -> None:
    server = Server(ok({}), issuer=lambda _: httpx.Response(401, json={"error": "invalid_client"}))
    with server.client() as client, pytest.raises(NoToken, match="invalid_client"):
        client.me()
    assert (server.tokens, server.asked) == (1, [])


def test_pages_are_gone_through_as_one_list() -> None:
    server = Server(ok({"data": [DRAWN], "next": "c1"}), ok({"data": [DRAWN | {"draw": "drw_2"}], "next": None}))
    with server.client() as client:
        assert [row.draw for row in client.draws(release="rel_1", limit=1)] == ["drw_1", "drw_2"]
    assert [str(request.url.query, "ascii") for request in server.asked] == ["release=rel_1&limit=1", "release=rel_1&limit=1&cursor=c1"]


def test_a_bulk_says_what_became_of_each() -> None:
    problem = {"status": 409, "code": "release_exceeded", "title": "", "detail": "", "field": "/items/1/mass_g"}
    items = [{"status": 201, "body": DRAWN, "position": "inventory/0/9"}, {"status": 409, "body": None, "problem": problem}]
    server = Server(ok({"items": items}))
    with server.client() as client:
        done, refused = client.draw_many([DRAW, DrawItem(release="rel_1", idempotency_key="truck-2", mass_g=50)], key="monday").items
    assert done.body is not None and done.body.draw == "drw_1"
    assert refused.problem is not None and refused.problem.field == "/items/1/mass_g"
    assert msgspec.json.decode(server.asked[0].content)["items"][0] == {"release": "rel_1", "idempotency_key": "truck-1", "mass_g": 5}


def test_a_request_of_a_bulk_has_its_own_key() -> None:
    server = Server(ok({"items": []}))
    with server.client() as client:
        client.submit_requests([RequestItem(idempotency_key="r-1", **msgspec.structs.asdict(ASKED))], atomic=True)
    [sent] = msgspec.json.decode(server.asked[0].content)["items"]
    assert (sent["idempotency_key"], sent["needed_by"]) == ("r-1", "2026-03-01")


def test_a_receipt_is_waited_for_as_the_ledger_says() -> None:
    server = Server(refuses(404, "receipt_not_ready", **{"retry-after": "0"}), lambda _: httpx.Response(200, text="proof"))
    with server.client() as client:
        assert client.receipt("inventory/0/9") == "proof"
    assert server.asked[1].url.path == "/ledger/v1/receipts/inventory/0/9"


def test_the_feed_is_read_page_by_page() -> None:
    first = {"data": [event(0)], "cursor": "4", "more": True, "checkpoint": None}
    server = Server(ok(first), ok({"data": [event(7)], "cursor": "9", "more": False, "checkpoint": None}))
    with server.client() as client:
        assert [each.id for each in client.feed.events()] == ["0", "7"]
    assert server.asked[1].url.params["after"] == "4"


def test_a_stream_that_breaks_goes_on_after_the_last_event() -> None:
    server = Server(
        streams(": keepalive", "", "id: 0", said(0), "", said(3), "", cut=True),
        refuses(429, "too_many_readers", **{"retry-after": "0"}),
        streams(said(5)),  # it ends by itself
        streams(said(8)),
    )
    with server.client() as client:
        told = client.feed.follow()
        assert [next(told).id for _ in range(4)] == ["0", "3", "5", "8"]
        told.close()
    assert server.headers("last-event-id") == [None, "3", "3", "5"]
    assert set(server.headers("accept")) == {"text/event-stream"}


def test_a_stream_that_is_refused_for_good_is_not_asked_for_again() -> None:
    server = Server(refuses(404, "feed_id_unknown"))
    with server.client() as client, pytest.raises(ProblemError, match="feed_id_unknown"):
        next(client.feed.follow("99"))
    assert len(server.asked) == 1
