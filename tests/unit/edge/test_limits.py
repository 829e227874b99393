"""Limits by who calls: each has a bucket, and what one takes is not missing from another's."""

import time
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from joserfc.jwk import ECKey

from reserve.operate.edge.limits import BURST_S, Rates
from services.identity.tokens import Claims, TokenSigner
from tests.unit.edge.setting import ISSUER, KEY, Setting, edge, received
from tests.waiting import until

RATES = Rates(client=2, official=6, stranger=4, guesses=1)
SLACK = 2 * BURST_S  # what flows back while the test sends


@pytest.fixture
async def limited(tmp_path: Path) -> AsyncIterator[Setting]:
    async with edge(tmp_path, rates=RATES) as setting:

        async def knows_the_keys() -> bool:
            answer = await get(setting, token("somebody", None))
            return answer.headers["x-ratelimit-limit"] == str(RATES.official * BURST_S)

        await until(knows_the_keys)
        yield setting


def token(subject: str, partner: str | None, *, client: str | None = None, key: ECKey = KEY, borrower: str | None = None) -> str:
    signer = TokenSigner(key, issuer=ISSUER, audience="reserve")
    return signer.sign(Claims(subject=subject, client_id=client or subject, roles=["partner"], partner=partner, borrower=borrower))


async def get(setting: Setting, bearer: str | None = None, path: str = "/inventory/v1/echo/") -> httpx.Response:
    return await setting.http.get(path, headers={} if bearer is None else {"authorization": f"Bearer {bearer}"})


async def taken(setting: Setting, bearer: str | None = None, most: int = 200) -> tuple[int, httpx.Response]:
    """How many requests were answered before the first 429, and that answer."""
    for number in range(most):
        answer = await get(setting, bearer)
        if answer.status_code == 429:
            return number, answer
    raise AssertionError(f"{most} requests were answered")


async def test_a_partners_client_has_a_bucket_of_its_own_and_hears_when_to_come_again(limited: Setting) -> None:
    jp = token("partner-jp", "JP")
    first = await get(limited, jp)
    assert first.headers["x-ratelimit-limit"] == "20"
    assert first.headers["x-ratelimit-remaining"] == "19"
    assert "x-reserve-known" not in received(first)

    number, refused = await taken(limited, jp)
    emptied = time.monotonic()
    assert RATES.client * BURST_S - 1 <= number <= RATES.client * BURST_S + SLACK
    assert refused.headers["content-type"] == "application/problem+json"
    assert refused.json()["code"] == "rate_limited"
    assert refused.json()["instance"].endswith(refused.headers["x-request-id"])
    assert refused.headers["retry-after"] == "1"
    assert refused.headers["x-ratelimit-remaining"] == "0"
    assert refused.headers["x-content-type-options"] == "nosniff"

    for other in (token("partner-us", "US"), token("operator-1", None), token("partner-jp", "JP", client="console"), None):
        assert (await get(limited, other)).status_code == 200
    number, _ = await taken(limited, jp)
    assert number <= RATES.client * (time.monotonic() - emptied + 1), "no more than came in meanwhile"

    async def may_again() -> bool:
        return (await get(limited, jp)).status_code == 200

    began = time.monotonic()
    await until(may_again)
    assert time.monotonic() - began < 10


async def test_a_new_token_is_no_new_bucket(limited: Setting) -> None:
    await taken(limited, token("partner-jp", "JP"))
    assert (await get(limited, token("partner-jp", "JP"))).status_code == 429


async def test_a_borrower_is_limited_as_a_partner_is_and_the_reserves_own_people_less(limited: Setting) -> None:
    number, _ = await taken(limited, token("borrower", None, borrower="nolans-mines"))
    assert number <= RATES.client * BURST_S + SLACK
    number, _ = await taken(limited, token("auditor-1", None))
    assert number >= RATES.official * BURST_S - 1


async def test_without_a_valid_token_it_is_the_address_that_counts(limited: Setting) -> None:
    """A forged token is a stranger's: it takes nothing from the bucket of whom it names."""
    stranger = ECKey.generate_key("P-256", {"kid": str(KEY.kid)})
    forged = token("partner-jp", "JP", key=stranger)
    number, _ = await taken(limited, forged)
    assert RATES.stranger * BURST_S - 1 <= number <= RATES.stranger * BURST_S + 2 * SLACK
    assert (await get(limited, None)).status_code == 429
    assert (await get(limited, "no token at all")).status_code == 429
    claimed = await limited.http.get("/inventory/v1/echo/", headers={"x-reserve-known": "1", "x-forwarded-for": "10.9.9.9"})
    assert claimed.status_code == 429
    assert (await get(limited, token("partner-jp", "JP"))).status_code == 200


@pytest.mark.parametrize("path", ["/oauth/token", "/identity/oauth/token", "/identity/o%61uth/token", "/oauth/t%6Fken"])
async def test_guesses_at_the_issuer_are_few_whichever_path_they_take(limited: Setting, path: str) -> None:
    answers = [(await limited.http.post(path, data={"client_secret": str(guess)})).status_code for guess in range(2 * BURST_S)]
    assert answers.count(200) <= RATES.guesses * BURST_S + SLACK / 2
    assert answers[-1] == 429
    assert (await get(limited, path="/.well-known/jwks.json")).status_code == 200
