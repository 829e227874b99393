"""The access log: a line for each request, with nothing in it that could be a secret."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from reserve.operate.edge.access_log import LONGEST_PATH
from services.identity.tokens import Claims, TokenSigner
from tests.unit.edge.setting import ISSUER, KEY, Setting, edge, raw, received
from tests.waiting import until

SECRET = "never-to-be-written"
JAPAN = Claims(subject="person-1", client_id="partner-jp", roles=["partner"], partner="JP")


class Logged:
    """An edge, and the lines that it has written."""

    def __init__(self, setting: Setting, file: Path) -> None:
        self.setting = setting
        self.token = TokenSigner(KEY, issuer=ISSUER, audience="reserve").sign(JAPAN)
        self._file = file

    def all(self) -> str:
        return self._file.read_text()

    async def line_of(self, answer: httpx.Response) -> dict[str, Any]:
        """The one of its request, by the id that the caller has, too."""
        identifier = answer.headers["x-request-id"]

        def written() -> list[dict[str, Any]]:
            lines = [json.loads(line) for line in self.all().splitlines() if line.endswith("}")]
            return [line for line in lines if line.get("request_id") == identifier]

        [line] = await until(written)
        return line


@pytest.fixture(scope="module")
async def logged(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Logged]:
    folder = tmp_path_factory.mktemp("edge")
    async with edge(folder) as setting:
        yield Logged(setting, folder / "edge.log")


async def test_each_request_has_a_line(logged: Logged) -> None:
    async def known() -> dict[str, Any] | None:
        """The issuer's keys come a moment after the start."""
        bearer = {"authorization": f"Bearer {logged.token}"}
        answer = await logged.setting.http.post("/inventory/v1/echo/a%2Fb", content=b"a body", headers=bearer)
        line = await logged.line_of(answer)
        return line | {"length": len(answer.content)} if "client" in line else None

    line = await until(known)
    assert isinstance(line, dict)
    assert line.pop("timestamp").endswith("Z")
    assert line.pop("duration_ms") >= 0
    assert len(line["request_id"]) == 32
    assert line.pop("correlation_id") == line.pop("request_id")
    assert line.pop("sent_bytes") == line.pop("length")
    assert line == {
        "service": "edge",
        "event": "request",
        "client": "partner-jp",
        "method": "POST",
        "path": "/inventory/v1/echo/a%2Fb",
        "status": 200,
        "details": "via_upstream",
        "upstream": "inventory",
        "received_bytes": len(b"a body"),
    }


async def test_a_line_has_the_correlation_id_that_the_services_events_have(logged: Logged) -> None:
    for headers in ({"traceparent": f"00-{'ab' * 16}-{'1' * 16}-00"}, {"x-request-id": "demo-0001"}):
        answer = await logged.setting.http.get("/inventory/v1/echo/", headers=headers)
        [parent] = received(answer)["traceparent"]
        line = await logged.line_of(answer)
        assert line["correlation_id"] == parent.split("-")[1]
        assert line["request_id"] == answer.headers["x-request-id"]


async def test_what_the_edge_answers_itself_says_why(logged: Logged) -> None:
    line = await logged.line_of(await logged.setting.http.get("/a-stranger/v1/echo/"))
    assert (line["status"], line["path"], line["details"]) == (404, "/a-stranger/v1/echo/", "route_not_found")
    assert "upstream" not in line
    assert "client" not in line
    while (answer := await logged.setting.http.get("/inventory/openapi.json")).status_code != 429:
        pass
    assert (await logged.line_of(answer))["details"] == "local_rate_limited"
    line = await logged.line_of(await logged.setting.http.get("/.well-known/jwks.json"))
    assert (line["path"], line["upstream"]) == ("/.well-known/jwks.json", "identity")


async def test_no_query_no_header_and_no_body_is_written(logged: Logged) -> None:
    headers = dict.fromkeys(("authorization", "cookie", "user-agent", "referer", "idempotency-key", "x-forwarded-for"), SECRET)
    for path in (
        f"/inventory/v1/echo/?token={SECRET}",
        f"/oauth/token?code={SECRET}",
        f"/nowhere?{SECRET}",
        f"/inventory/v1/moved?{SECRET}",
    ):
        await logged.setting.http.request("POST", path, content=SECRET, headers=headers)
    await raw(logged.setting.url, f"GET /inventory/v1/echo/?{SECRET} HTTP/1.1\r\nconnection: close\r\n\r\n".encode())
    long = await logged.setting.http.get("/inventory/v1/echo/" + "a" * 10_000, headers={"x-reserve-connection": SECRET})
    assert len((await logged.line_of(long))["path"]) <= LONGEST_PATH + len("/inventory")
    assert "/oauth/token" in logged.all()
    assert "missing_host_header" in logged.all()
    for secret in (SECRET, logged.token, logged.token.rpartition(".")[2], "127.0.0.1"):
        assert secret not in logged.all()


async def test_what_a_caller_sends_is_no_line_of_its_own(logged: Logged) -> None:
    path = '/inventory/v1/echo/"},{"status":200,"'
    line = await logged.line_of(await logged.setting.http.get("/inventory/v1/echo/%22%0a"))
    assert line["status"] == 404, "a control character"
    answer = await raw(
        logged.setting.url, f"GET {path} HTTP/1.1\r\nhost: x\r\nx-request-id: quoted-path\r\nconnection: close\r\n\r\n".encode()
    )
    assert answer.startswith(b"HTTP/1.1 ")
    await logged.line_of(await logged.setting.http.get("/inventory/v1/echo/after"))
    lines = [json.loads(line) for line in logged.all().splitlines()]
    assert path in [line["path"] for line in lines]
