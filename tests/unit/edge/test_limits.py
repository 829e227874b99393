"""Limits by who calls: each has a bucket, and what one takes is not missing from another's."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import httpx
import msgspec
import pytest
from fastapi import FastAPI
from joserfc.jwk import ECKey

from reserve.operate.edge.limits import BULK_BYTES, BURST_S, COMMAND_BYTES
from shared.http.auth import SCHEMES
from shared.http.problems import BODY_LIMIT_BYTES
from shared.settings import Rates
from tests.unit.edge.setting import KEY, Setting, edge, get, received, serving, token
from tests.waiting import until

RATES = Rates(client_calls_per_s=2, official_calls_per_s=6, stranger_calls_per_s=4, guesses_per_s=1)


@pytest.fixture
async def limited(tmp_path: Path) -> AsyncIterator[Setting]:
    async with edge(tmp_path, rates=RATES) as setting:

        async def knows_the_keys() -> bool:
            answer = await get(setting, token("somebody", None))
            return answer.headers["x-ratelimit-limit"] == str(RATES.official_calls_per_s * BURST_S)

        await until(knows_the_keys)
        yield setting


type Ask = Callable[[], Awaitable[httpx.Response]]


class Storm:
    """What was asked for all at once, again and again, until some of it was refused; and what flows back into a bucket, from then on."""

    def __init__(self, rate: int) -> None:
        self.rate = rate
        self.began = time.monotonic()
        self.passed = 0
        self.refused: list[httpx.Response] = []

    async def of(self, *asks: Ask) -> "Storm":
        """Each in its turn, until it is refused."""
        for ask in asks:
            self.refused = []
            while not self.refused:
                answers = await asyncio.gather(*(ask() for _ in range(self.rate * BURST_S + 10)))
                self.passed += sum(answer.status_code == 200 for answer in answers)
                self.refused = [answer for answer in answers if answer.status_code == 429]
        return self

    @property
    def flowed_back(self) -> float:
        """At most, since it began."""
        return self.rate * (time.monotonic() - self.began + 1)


def asking(setting: Setting, bearer: str | None = None) -> Ask:
    return lambda: get(setting, bearer)


async def test_a_partners_client_has_a_bucket_of_its_own_and_hears_when_to_come_again(limited: Setting) -> None:
    jp = token("partner-jp", "JP")
    first = await get(limited, jp)
    assert first.headers["x-ratelimit-limit"] == "20"
    assert first.headers["x-ratelimit-remaining"] == "19"
    assert "x-reserve-known" not in received(first)

    storm = await Storm(RATES.client_calls_per_s).of(asking(limited, jp))
    assert RATES.client_calls_per_s * BURST_S - 1 <= storm.passed <= RATES.client_calls_per_s * BURST_S + storm.flowed_back
    refused = storm.refused[-1]
    assert refused.headers["content-type"] == "application/problem+json"
    assert refused.json()["code"] == "rate_limited"
    assert refused.json()["instance"].endswith(refused.headers["x-request-id"])
    assert refused.headers["retry-after"] == "1"
    assert refused.headers["x-ratelimit-remaining"] == "0"
    assert refused.headers["x-content-type-options"] == "nosniff"

    after = Storm(RATES.client_calls_per_s)
    for other in (token("partner-us", "US"), token("operator-1", None), token("partner-jp", "JP", client="console"), None):
        assert (await get(limited, other)).status_code == 200
    await after.of(asking(limited, jp))
    assert after.passed <= after.flowed_back, "no more than came in meanwhile"

    async def may_again() -> bool:
        return (await get(limited, jp)).status_code == 200

    await until(may_again)


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("beside", ["", "?access_token=x.y.z", "?access_token={other}"])
async def test_however_a_token_is_sent_it_is_its_client_that_counts(limited: Setting, scheme: str, beside: str) -> None:
    """Whose token services take, and the edge does not, would be counted by its address: as a stranger's, and its bulks not at all."""
    other = token("operator-1", None)
    headers = {"authorization": f"{scheme} {token('partner-jp', 'JP')}"}
    answer = await limited.http.get(f"/inventory/v1/echo/{beside.format(other=other)}", headers=headers)
    assert answer.headers["x-ratelimit-limit"] == str(RATES.client_calls_per_s * BURST_S)
    answer = await limited.http.get(f"/inventory/v1/echo/?access_token={other}")
    assert answer.headers["x-ratelimit-limit"] == str(RATES.stranger_calls_per_s * BURST_S)


async def test_a_new_token_is_no_new_bucket(limited: Setting) -> None:
    await Storm(RATES.client_calls_per_s).of(asking(limited, token("partner-jp", "JP")))
    after = await Storm(RATES.client_calls_per_s).of(asking(limited, token("partner-jp", "JP")))
    assert after.passed <= after.flowed_back


async def test_a_borrower_is_limited_as_a_partner_is_and_the_reserves_own_people_less(limited: Setting) -> None:
    storm = await Storm(RATES.client_calls_per_s).of(asking(limited, token("borrower", None, borrower="nolans-mines")))
    assert storm.passed <= RATES.client_calls_per_s * BURST_S + storm.flowed_back
    storm = await Storm(RATES.official_calls_per_s).of(asking(limited, token("auditor-1", None)))
    assert storm.passed >= RATES.official_calls_per_s * BURST_S - 1


async def test_without_a_valid_token_it_is_the_address_that_counts(limited: Setting) -> None:
    """A forged token is a stranger's: it takes nothing from the bucket of whom it names."""
    stranger = ECKey.generate_key("P-256", {"kid": str(KEY.kid)})
    forged = token("partner-jp", "JP", key=stranger)
    storm = await Storm(RATES.stranger_calls_per_s).of(asking(limited, forged))
    assert RATES.stranger_calls_per_s * BURST_S - 1 <= storm.passed <= RATES.stranger_calls_per_s * BURST_S + storm.flowed_back
    claimed = {"x-reserve-known": "1", "x-forwarded-for": "10.9.9.9"}
    after = await Storm(RATES.stranger_calls_per_s).of(
        asking(limited), asking(limited, "no token at all"), lambda: limited.http.get("/inventory/v1/echo/", headers=claimed)
    )
    assert after.passed <= after.flowed_back, "they are all of one bucket"
    assert (await get(limited, token("partner-jp", "JP"))).status_code == 200


@pytest.mark.parametrize("path", ["/console/callback?code=a&state=b", "/console/c%61llback", "/console//callback/", "/console/%43allback?"])
async def test_guesses_by_way_of_the_console_are_few(tmp_path: Path, path: str) -> None:
    """It asks the issuer about each code that comes back to it, from within, where the issuer counts nobody."""
    app = FastAPI()
    app.get("/{rest:path}")(lambda rest: rest)
    async with serving(app) as console, edge(tmp_path, rates=RATES, console=console) as setting:
        storm = await Storm(RATES.guesses_per_s).of(lambda: setting.http.get(path))
        assert storm.passed <= RATES.guesses_per_s * BURST_S + storm.flowed_back
        assert (await setting.http.get("/console/requests")).status_code == 200


@pytest.mark.parametrize("path", ["/oauth/token", "/identity/oauth/token", "/identity/o%61uth/token", "/oauth/t%6Fken"])
async def test_guesses_at_the_issuer_are_few_whichever_path_they_take(limited: Setting, path: str) -> None:
    storm = await Storm(RATES.guesses_per_s).of(lambda: limited.http.post(path, data={"client_secret": "a guess"}))
    assert storm.passed <= RATES.guesses_per_s * BURST_S + storm.flowed_back
    assert (await get(limited, path="/.well-known/jwks.json")).status_code == 200


async def bulk(setting: Setting, bearer: str, body: bytes | AsyncIterator[bytes], path: str = "/inventory/v1/echo/bulk") -> httpx.Response:
    return await setting.http.post(path, content=body, headers={"authorization": f"Bearer {bearer}"})


@pytest.mark.parametrize("path", ["/bulk", "/b%75lk", "/%42ULK", "/bulk?wait=1", "%2Fbulk", "/bulk%2f"])
async def test_a_flood_of_bulks_waits_as_its_commands_would_one_by_one_and_others_go_on(limited: Setting, path: str) -> None:
    jp, us = token("partner-jp", "JP"), token("partner-us", "US")
    began, passed, refused = time.monotonic(), 0, None
    while refused is None:
        answer = await bulk(limited, jp, b"x" * (BULK_BYTES // 2), f"/inventory/v1/echo{path}")
        passed += answer.status_code == 200
        refused = answer if answer.status_code == 429 else None
    commands = passed * BULK_BYTES // 2 / COMMAND_BYTES
    assert BULK_BYTES / COMMAND_BYTES <= commands <= BULK_BYTES / COMMAND_BYTES + RATES.client_calls_per_s * (time.monotonic() - began + 1)
    assert (refused.json()["code"], refused.headers["retry-after"]) == ("rate_limited", "1")
    for _ in range(RATES.client_calls_per_s * BURST_S):
        assert (await limited.http.post("/inventory/v1/echo/", headers={"authorization": f"Bearer {us}"})).status_code == 200
    assert (await limited.http.post("/inventory/v1/echo/?as=/bulk", headers={"authorization": f"Bearer {jp}"})).status_code == 200


async def test_a_bulk_that_does_not_say_its_length_or_is_longer_counts_as_the_largest(limited: Setting) -> None:
    async def piece() -> AsyncIterator[bytes]:
        yield b"a piece"

    for partner, largest in (("US", b"x" * BULK_BYTES), ("AU", b"x" * 3 * BULK_BYTES), ("KR", piece())):
        bearer = token(f"partner-{partner.lower()}", partner)
        assert (await bulk(limited, bearer, largest)).status_code == 200, "it passes, whatever the rate"
        assert (await bulk(limited, bearer, b"x" * (BULK_BYTES // 2))).status_code == 429


async def test_a_flood_of_large_bodies_waits_and_others_go_on(limited: Setting) -> None:
    """To find what is wrong in one takes a service long, whoever sent it; each may be of up to 32 KiB, and far more than a command has."""
    jp, us = token("partner-jp", "JP"), token("partner-us", "US")
    body = b"x" * (BODY_LIMIT_BYTES // 6)

    async def sent(bearer: str) -> int:
        answer = await limited.http.post("/inventory/v1/echo/", content=body, headers={"authorization": f"Bearer {bearer}"})
        return answer.status_code

    assert [await sent(jp) for _ in range(6)] == [200] * 6
    assert await sent(jp) == 429
    assert await sent(us) == 200
    assert (await get(limited, jp)).status_code == 200, "what has no body is counted as before"


async def test_bulks_without_a_token_that_the_edge_knows_are_counted_by_their_address(limited: Setting) -> None:
    """A service may know one that the edge does not: of a key that was published just now, or of an algorithm that Envoy has not."""
    unknown = token("partner-jp", "JP", key=ECKey.generate_key("P-256", auto_kid=True))
    assert (await bulk(limited, unknown, b"x" * BULK_BYTES)).status_code == 200
    assert (await bulk(limited, unknown, b"x" * (BULK_BYTES // 2))).status_code == 429


async def test_the_shortest_command_of_a_bulk_has_the_length_that_counts_as_one() -> None:
    shortest = {"idempotency_key": "1", "release": f"rel_{'0' * 26}", "mass_g": 1}
    assert len(msgspec.json.encode(shortest) + b",") <= COMMAND_BYTES
