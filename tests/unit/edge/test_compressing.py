"""What goes out gzipped at the edge, and what does not: by its kind, its size and what the caller accepts."""

import gzip
from collections.abc import AsyncIterator

import httpx
import pytest

from tests.unit.edge.setting import PAGE, Setting, edge

ZIPPED = {"accept-encoding": "gzip"}


@pytest.fixture(scope="module")
async def setting(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Setting]:
    async with edge(tmp_path_factory.mktemp("edge")) as setting:
        yield setting


async def sent(setting: Setting, headers: dict[str, str], path: str = "/inventory/v1/page", **query: str) -> tuple[httpx.Response, bytes]:
    """An answer, and its bytes as they came."""
    async with setting.http.stream("GET", path, params=query, headers=headers) as answer:
        return answer, b"".join([piece async for piece in answer.aiter_raw()])


@pytest.mark.parametrize("kind", ["application/json", "text/html; charset=utf-8"])
async def test_what_is_text_and_large_is_gzipped_for_who_accepts_it(setting: Setting, kind: str) -> None:
    answer, content = await sent(setting, ZIPPED, kind=kind)
    assert (answer.headers["content-encoding"], answer.headers["vary"].lower()) == ("gzip", "accept-encoding")
    assert gzip.decompress(content) == PAGE
    assert len(content) < len(PAGE) / 3
    for other in ({"accept-encoding": "identity"}, {"accept-encoding": "br"}):
        answer, content = await sent(setting, other, kind=kind)
        assert ("content-encoding" in answer.headers, content) == (False, PAGE)


@pytest.mark.parametrize(
    "query",
    [{"kind": "application/octet-stream"}, {"kind": "application/json", "etag": '"7"'}],
    ids=["a tile", "what If-Match is about"],
)
async def test_what_would_gain_nothing_or_lose_its_tag_comes_as_it_is(setting: Setting, query: dict[str, str]) -> None:
    answer, content = await sent(setting, ZIPPED, **query)
    assert ("content-encoding" in answer.headers, content, answer.headers.get("etag")) == (False, PAGE, query.get("etag"))


async def test_what_is_small_comes_as_it_is(setting: Setting) -> None:
    answer, _ = await sent(setting, ZIPPED, "/inventory/v1/echo/")
    assert (answer.status_code, "content-encoding" in answer.headers) == (200, False)


async def test_an_event_is_not_kept_back(setting: Setting) -> None:
    setting.service.forget()
    async with setting.http.stream("GET", "/inventory/v1/stream", params={"kind": "text/event-stream"}, headers=ZIPPED) as answer:
        pieces = answer.aiter_raw()
        assert await anext(pieces) == b"first"
        setting.service.next_chunk.set()
        assert b"".join([piece async for piece in pieces]) == b"second"
    assert "content-encoding" not in answer.headers
