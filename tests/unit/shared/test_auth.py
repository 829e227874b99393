"""Tokens at the edge of a service: forged, foreign, expired and forbidden ones, the cache, and our own tokens for calls out."""

import asyncio
import base64
import hmac
import json
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

import httpx
import pytest
from fastapi import FastAPI, Form, Request
from hypothesis import given, settings
from hypothesis import strategies as st
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, OKPKey
from joserfc.jws import default_registry

from shared.delivery.tokens import TokenSource, TokenUnavailable
from shared.http import problems
from shared.http.auth import CACHED_TOKENS, SCHEMES, Caller, Keys, TokenVerifier, allow, whose
from shared.http.problems import Problem
from tests.waiting import until

ISSUER = "https://issuer.example"
NOW = 1_900_000_000


class IssuerStub:
    """A real ASGI application that publishes keys and counts who asks."""

    def __init__(self, *keys: ECKey | OKPKey) -> None:
        self.published = KeySet(list(keys))
        self.asked = 0
        self.broken = False
        self.lifetime_s = 900
        self.app = FastAPI()
        self.app.get("/jwks")(self.jwks)
        self.app.post("/token")(self.token)

    async def jwks(self) -> dict[str, Any]:
        self.asked += 1
        if self.broken:
            return {"keys": "none today"}
        return {"keys": self.published.as_dict()["keys"]}

    async def token(self, request: Request, grant_type: Annotated[str, Form()]) -> dict[str, Any]:
        self.asked += 1
        assert grant_type == "client_credentials"
        assert request.headers["authorization"] == "Basic " + base64.b64encode(b"inventory:secret").decode()
        if self.broken:
            raise Problem("internal_error", "out of order")
        return {"access_token": f"token-{self.asked}", "token_type": "Bearer", "expires_in": self.lifetime_s}

    def http(self) -> httpx.AsyncClient:
        problems.install(self.app)
        return httpx.AsyncClient(transport=httpx.ASGITransport(self.app, raise_app_exceptions=False), base_url=ISSUER)


KEY = ECKey.generate_key("P-256", auto_kid=True)
ED_KEY = OKPKey.generate_key("Ed25519", auto_kid=True)


def claims(**changed: object) -> dict[str, Any]:
    usual = {
        "iss": ISSUER,
        "aud": "reserve",
        "sub": "sub_1",
        "client_id": "partner-jp",
        "scope": "requests:write",
        "roles": ["partner"],
        "partner": "JP",
        "iat": NOW,
        "exp": NOW + 900,
    }
    return {name: value for name, value in (usual | changed).items() if value is not None}


def signed(key: ECKey | OKPKey = KEY, alg: str = "ES256", typ: str = "at+jwt", **changed: object) -> str:
    return jwt.encode({"alg": alg, "typ": typ, "kid": key.kid}, claims(**changed), key, algorithms=[alg])


def by_hand(header: Mapping[str, object] | None = None, **changed: object) -> str:
    """As `signed`, of what no library would sign."""
    whole = {"alg": "ES256", "typ": "at+jwt", "kid": KEY.kid} | (header or {})
    message = b".".join(_segment(part) for part in (whole, claims() | changed))
    signature = default_registry.get_alg("ES256").sign(message, KEY)
    return (message + b"." + base64.urlsafe_b64encode(signature).rstrip(b"=")).decode()


class Edge:
    """A service's edge with a clock that the test turns."""

    def __init__(self) -> None:
        self.now = float(NOW)
        self.issuer = IssuerStub(KEY, ED_KEY)
        self.verifier = TokenVerifier(
            issuer=ISSUER, audience="reserve", keys=Keys(f"{ISSUER}/jwks", self.issuer.http(), now=lambda: self.now), now=lambda: self.now
        )
        self.app = FastAPI()
        self.app.state.verifier = self.verifier
        problems.install(self.app)

        @self.app.get("/mine")
        async def mine(caller: Annotated[Caller, allow("partner", "operator")]) -> dict[str, object]:
            return {"subject": caller.subject, "partner": caller.partner}

        @self.app.post("/urgent")
        async def urgent(caller: Annotated[Caller, allow("operator", on_duty=True)]) -> dict[str, object]:
            return {"subject": caller.subject}

        @self.app.post("/ordinary")
        async def ordinary(caller: Annotated[Caller, allow("operator", "partner")]) -> dict[str, object]:
            return {"subject": caller.subject}

        @self.app.get("/journal")
        async def journal(caller: Annotated[Caller, allow(scope="journal:read")]) -> dict[str, object]:
            return {"client": caller.client_id}

    async def get(self, path: str, token: str | None, method: str = "GET") -> httpx.Response:
        headers = {} if token is None else {"authorization": f"Bearer {token}"}
        async with httpx.AsyncClient(transport=httpx.ASGITransport(self.app), base_url="http://service") as http:
            return await http.request(method, path, headers=headers)


@pytest.fixture
async def edge() -> AsyncIterator[Edge]:
    edge = Edge()
    yield edge
    await edge.verifier.aclose()


async def test_a_good_token_names_its_caller(edge: Edge) -> None:
    caller = await edge.verifier.caller(f"Bearer {signed()}")
    assert caller == Caller("sub_1", "partner-jp", "JP", frozenset({"partner"}), frozenset({"requests:write"}))
    answer = await edge.get("/mine", signed())
    assert answer.json() == {"subject": "sub_1", "partner": "JP"}


async def test_ed25519_tokens_are_accepted_too(edge: Edge) -> None:
    assert (await edge.get("/mine", signed(ED_KEY, "Ed25519"))).status_code == 200


async def test_an_audience_may_be_one_of_several(edge: Edge) -> None:
    assert (await edge.get("/mine", signed(aud=["other", "reserve"]))).status_code == 200


async def test_a_request_without_a_token_is_told_so(edge: Edge) -> None:
    answer = await edge.get("/mine", None)
    assert (answer.status_code, answer.json()["code"]) == (401, "token_missing")
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["www-authenticate"] == 'Bearer realm="reserve"'


def _segment(part: object) -> bytes:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=")


def _without_signature(token: str) -> str:
    header = _segment({"alg": "none", "typ": "at+jwt", "kid": KEY.kid}).decode()
    return f"{header}.{token.split('.')[1]}."


def _tampered(token: str) -> str:
    header, _, signature = token.split(".")
    return f"{header}.{_segment(claims(partner='US')).decode()}.{signature}"


def _by_public_key_as_secret() -> str:
    header = {"alg": "HS256", "typ": "at+jwt", "kid": KEY.kid}
    message = b".".join(_segment(part) for part in (header, claims()))
    signature = hmac.digest(KEY.as_pem(private=False), message, "sha256")
    return (message + b"." + base64.urlsafe_b64encode(signature).rstrip(b"=")).decode()


FORGED: dict[str, Callable[[], str]] = {
    "foreign issuer": lambda: signed(iss="https://other.example"),
    "foreign audience": lambda: signed(aud="elsewhere"),
    "foreign key under our key's id": lambda: signed(ECKey.generate_key("P-256", {"kid": str(KEY.kid)})),
    "unpublished key": lambda: signed(ECKey.generate_key("P-256", auto_kid=True)),
    "alg none": lambda: _without_signature(signed()),
    "HS256 with the public key": _by_public_key_as_secret,
    "tampered claims": lambda: _tampered(signed()),
    "an ID token": lambda: signed(typ="JWT"),
    "not valid yet": lambda: signed(nbf=NOW + 61),
    "no expiry": lambda: signed(exp=None),
    "no subject": lambda: signed(sub=None),
    "expiry is after all of us": lambda: signed(exp=1e30),
    "expiry is never": lambda: signed(exp=float("inf")),
    "a NUL in a claim": lambda: signed(partner="J\0P"),
    "half of a surrogate pair in a claim": lambda: by_hand(sub="sub_\ud800"),
    "a NUL in a role": lambda: signed(roles=["partner", "\0"]),
    "a NUL in a scope": lambda: signed(scope="a\0b"),
    "a line's end in the client": lambda: signed(client_id="partner-jp\r\nx-more: 1"),
    "expiry is no number": lambda: signed(exp="tomorrow"),
    "roles are no list": lambda: signed(roles="partner"),
    "partner is no text": lambda: signed(partner=7),
    "two parts": lambda: "abc.def",
    "no base64": lambda: "!.!.!",
    "text outside ASCII": lambda: "\u00e9.\u00e9.\u00e9",
    "huge": lambda: signed(filler="x" * 9000),
}


@pytest.mark.parametrize("forge", FORGED.values(), ids=FORGED.keys())
async def test_a_forged_or_foreign_token_is_invalid(edge: Edge, forge: Callable[[], str]) -> None:
    token = forge()
    with pytest.raises(Problem) as refused:
        await edge.verifier.caller(f"Bearer {token}")
    assert (refused.value.status, refused.value.code) == (401, "token_invalid")
    assert 'error="invalid_token"' in refused.value.headers["www-authenticate"]
    assert token not in refused.value.detail


@pytest.mark.parametrize("party", ["partner", "borrower", "nominee"])
async def test_who_speaks_for_someone_outside_has_no_role_of_the_reserves_own(edge: Edge, party: str) -> None:
    roles = ["operator", "auditor", "service", "administrator", "approver"]
    token = signed(**{"roles": [*roles, party], "partner": None, party: "JP", "scope": "journal:read"})
    assert (await edge.verifier.caller(f"Bearer {token}")).roles == {party}
    assert (await edge.get("/ordinary", token, "POST")).status_code == (200 if party == "partner" else 403)
    only = signed(**{"roles": roles, "partner": None, party: "JP"})
    assert (await edge.get("/mine", only)).json()["code"] == "forbidden"


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ("bEARER {token}", "token_missing"),
        ("Bearer\t{token}", "token_missing"),
        ("Bearer  {token}", "token_invalid"),
        ("Bearer {token}=", "token_invalid"),
        ("Bearer {token}!", "token_invalid"),
        ("Bearer {token},", "token_invalid"),
        ("Bearer {token} Bearer {token}", "token_invalid"),
    ],
)
async def test_a_good_token_is_none_where_the_edge_would_not_find_it(edge: Edge, value: str, code: str) -> None:
    """It would count by its address, not by its client."""
    token = signed()
    for scheme in SCHEMES:
        assert (await edge.verifier.caller(f"{scheme} {token}")).partner == "JP"
    with pytest.raises(Problem) as refused:
        await edge.verifier.caller(value.format(token=token))
    assert (refused.value.status, refused.value.code) == (401, code)


async def test_two_tokens_at_once_are_none(edge: Edge) -> None:
    two = [("authorization", f"Bearer {signed()}"), ("authorization", f"Bearer {signed(partner='US')}")]
    async with httpx.AsyncClient(transport=httpx.ASGITransport(edge.app), base_url="http://service") as http:
        answer = await http.get("/mine", headers=two)
    assert (answer.status_code, answer.json()["code"]) == (401, "token_invalid")


async def test_a_token_expires_ten_seconds_after_its_time_also_when_remembered(edge: Edge) -> None:
    token = signed()
    edge.now = NOW + 909
    assert (await edge.get("/mine", token)).status_code == 200
    edge.now = NOW + 910
    remembered = await edge.get("/mine", token)
    fresh = await edge.get("/mine", signed(jti="another"))
    assert [(answer.status_code, answer.json()["code"]) for answer in (remembered, fresh)] == [(401, "token_expired")] * 2


async def test_a_caller_without_the_role_or_scope_is_told_which(edge: Edge) -> None:
    role = await edge.get("/mine", signed(roles=["auditor"], partner=None))
    scope = await edge.get("/journal", signed())
    assert [(answer.status_code, answer.json()["code"]) for answer in (role, scope)] == [(403, "forbidden")] * 2
    assert role.json()["accepted"] == "role operator or partner"
    assert 'scope="journal:read"' in scope.headers["www-authenticate"]
    assert (await edge.get("/journal", signed(scope="a journal:read"))).status_code == 200


async def test_keys_are_fetched_once_and_a_flood_of_unknown_keys_does_not_reach_the_issuer(edge: Edge) -> None:
    await asyncio.gather(*(edge.get("/mine", signed(jti=str(number))) for number in range(5)))
    forged = [signed(ECKey.generate_key("P-256", auto_kid=True)) for _ in range(5)]
    answers = await asyncio.gather(*(edge.get("/mine", token) for token in forged))
    assert {answer.status_code for answer in answers} == {401}
    assert edge.issuer.asked == 1


async def test_a_new_key_is_found_when_the_pause_is_over(edge: Edge) -> None:
    await edge.get("/mine", signed())
    rotated = ECKey.generate_key("P-256", auto_kid=True)
    edge.issuer.published = KeySet([KEY, rotated])
    assert (await edge.get("/mine", signed(rotated))).status_code == 401
    edge.now += 10
    assert (await edge.get("/mine", signed(rotated))).status_code == 200


async def test_a_key_that_is_published_no_more_is_believed_for_a_minute_and_no_longer(edge: Edge) -> None:
    token, another = signed(), signed(ED_KEY, "Ed25519")
    for each in (token, another):
        assert (await edge.get("/mine", each)).status_code == 200
    edge.issuer.published = KeySet([ED_KEY])
    edge.now += 59
    assert (await edge.get("/mine", token)).status_code == 200 and edge.issuer.asked == 1
    edge.now += 1

    async def refused() -> bool:
        return (await edge.get("/mine", token)).status_code == 401

    await until(refused)
    assert edge.issuer.asked == 2 and (await edge.get("/mine", another)).status_code == 200


async def test_an_issuer_that_is_away_takes_no_key_back(edge: Edge) -> None:
    token = signed()
    await edge.get("/mine", token)
    edge.issuer.broken = True
    for minute in range(2, 5):
        edge.now += 60
        assert (await edge.get("/mine", token)).status_code == 200
        await until(lambda wanted=minute: edge.issuer.asked == wanted)  # type: ignore[misc]
        assert (await edge.get("/mine", token)).status_code == 200


async def test_without_any_keys_the_caller_is_asked_to_come_back(edge: Edge) -> None:
    edge.issuer.broken = True
    answer = await edge.get("/mine", signed())
    assert (answer.status_code, answer.json()["code"], answer.headers["retry-after"]) == (503, "keys_unavailable", "1")


async def test_the_memory_of_tokens_is_bounded(edge: Edge, monkeypatch: pytest.MonkeyPatch) -> None:
    assert CACHED_TOKENS >= 1000
    monkeypatch.setattr("shared.http.auth.CACHED_TOKENS", 2)
    for number in range(4):
        await edge.verifier.caller(f"Bearer {signed(jti=str(number))}")
    assert len(edge.verifier._seen) == 2


JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=8), lambda inner: st.lists(inner, max_size=3))


@settings(max_examples=60, deadline=None)
@given(
    extra=st.dictionaries(st.sampled_from(["crit", "b64", "jku", "x5c", "zip"]), JSON),
    body=st.dictionaries(st.sampled_from(sorted(claims())), JSON),
)
def test_no_header_or_claim_of_a_strange_shape_breaks_the_verifier(extra: dict[str, Any], body: dict[str, Any]) -> None:
    token = by_hand(extra, **body)

    async def verify() -> None:
        edge = Edge()
        try:
            await edge.verifier.caller(f"Bearer {token}")
        except Problem as problem:
            assert problem.status == 401
        finally:
            await edge.verifier.aclose()

    asyncio.run(verify())


async def test_a_service_shares_one_token_and_renews_it_in_time() -> None:
    now = 0.0
    issuer = IssuerStub(KEY)
    source = TokenSource(f"{ISSUER}/token", "inventory", "secret", http=issuer.http(), now=lambda: now)
    assert set(await asyncio.gather(*(source.token() for _ in range(10)))) == {"token-1"}
    now = 720.0
    assert await source.authorization() == {"authorization": "Bearer token-2"}

    issuer.broken = True
    now = 720.0 + 890.0
    assert await source.token() == "token-2", "it still works while the issuer is down"
    now = 720.0 + 900.0
    with pytest.raises(TokenUnavailable):
        await source.token()
    await source.aclose()


def on_duty(**changed: object) -> str:
    return signed(**{"sub": "sub_2", "roles": ["operator"], "partner": None, "scope": "duty:on_call", "exp": NOW + 12 * 3600} | changed)


async def test_a_duty_does_what_cannot_wait_reads_and_nothing_else(edge: Edge) -> None:
    assert (await edge.get("/urgent", on_duty(), "POST")).json() == {"subject": "sub_2"}
    assert (await edge.get("/mine", on_duty())).status_code == 200
    refused = await edge.get("/ordinary", on_duty(), "POST")
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
    assert "ordinary session" in refused.json()["accepted"]
    assert (await edge.get("/ordinary", signed(roles=["operator"], partner=None), "POST")).status_code == 200


async def test_a_duty_gives_nobody_a_role(edge: Edge) -> None:
    assert (await edge.get("/urgent", on_duty(roles=["auditor"]), "POST")).status_code == 403


async def test_a_duty_ends_with_its_shift(edge: Edge) -> None:
    edge.now = NOW + 12 * 3600 - 1.0
    assert (await edge.get("/urgent", on_duty(), "POST")).status_code == 200
    edge.now = NOW + 12 * 3600 + 61.0
    assert (await edge.get("/urgent", on_duty(), "POST")).json()["code"] == "token_expired"


async def test_a_process_that_starts_while_the_issuer_is_down_knows_the_keys_of_before(tmp_path: Path) -> None:
    issuer, kept = IssuerStub(KEY), tmp_path / "kept" / "inventory.jwks"
    first = Keys(f"{ISSUER}/jwks", issuer.http(), kept=kept)
    assert await first.get(str(KEY.kid)) is not None
    issuer.broken = True
    later = Keys(f"{ISSUER}/jwks", issuer.http(), kept=kept)
    assert await later.get(str(KEY.kid)) is not None
    assert await later.get("another") is None
    assert kept.stat().st_mode & 0o077 == 0
    kept.write_text("damaged")
    with pytest.raises(Problem, match="cannot be fetched"):
        await Keys(f"{ISSUER}/jwks", issuer.http(), kept=kept).get(str(KEY.kid))


async def test_a_service_that_starts_while_the_issuer_is_down_goes_on_with_its_token_of_before(tmp_path: Path) -> None:
    now, issuer, kept = 0.0, IssuerStub(KEY), tmp_path / "kept" / "inventory.token"

    def source() -> TokenSource:
        return TokenSource(f"{ISSUER}/token", "inventory", "secret", http=issuer.http(), now=lambda: now).kept_in(kept)

    assert await source().token() == "token-1"
    assert kept.stat().st_mode & 0o077 == 0
    issuer.broken = True
    restarted = source()
    assert await restarted.token() == "token-1"
    now = 901.0
    with pytest.raises(TokenUnavailable):
        await restarted.token()
    kept.unlink()
    with pytest.raises(TokenUnavailable):
        await source().token()


async def test_a_token_of_a_shift_is_renewed_as_soon_as_any_other(tmp_path: Path) -> None:
    """So that a service has nearly all of it left when the issuer goes away."""
    now, issuer = 0.0, IssuerStub(KEY)
    issuer.lifetime_s = 12 * 3600
    source = TokenSource(f"{ISSUER}/token", "inventory", "secret", http=issuer.http(), now=lambda: now)
    await source.token()
    now = 721.0
    assert await source.token() == "token-2"
    issuer.broken = True
    now = 721.0 + 12 * 3600 - 1
    assert await source.token() == "token-2"


async def test_people_who_share_a_client_take_turns_each_by_themselves(edge: Edge) -> None:
    async def turn(**changed: object) -> tuple[str, str]:
        caller = await edge.verifier.caller(f"Bearer {signed(**changed)}")
        return caller.takes_turns_as, caller.for_whom

    one, another = await turn(client_id="console", sub="sub_2"), await turn(client_id="console", sub="sub_3")
    assert one[0] != another[0] and one[1] == another[1]
    assert await turn(jti="another of its tokens") == await turn()
    assert (await turn())[0] != (await turn(partner="US"))[0], "a client is one for each that it speaks for"


async def test_a_token_that_is_refused_is_renewed() -> None:
    source = TokenSource(f"{ISSUER}/token", "inventory", "secret", http=IssuerStub(KEY).http(), now=lambda: 0.0)
    assert [await source.token() for _ in range(2)] == ["token-1"] * 2
    source.refused()
    assert [await source.token() for _ in range(2)] == ["token-2"] * 2


OWN = frozenset({"operator", "auditor"})


def of(*roles: str, **claims: str) -> Caller:
    return Caller("sub_1", "console", claims.get("partner"), frozenset(roles), frozenset(), claims.get("borrower"), claims.get("nominee"))


def test_who_reads_for_the_reserve_sees_everybodys():
    assert whose(of("auditor"), "partner", OWN) is whose(of("operator"), "borrower", OWN) is None


@pytest.mark.parametrize("roles", [("partner",), ("partner", "auditor"), ("operator",)])
def test_a_claim_always_limits(roles: tuple[str, ...]):
    assert whose(of(*roles, partner="JP"), "partner", OWN) == "JP"
    assert whose(of(*roles, borrower="hillgrove-mines"), "borrower", OWN) == "hillgrove-mines"


@pytest.mark.parametrize(
    "caller",
    [
        of("partner"),
        of("operator", borrower="hillgrove-mines"),
        of("operator", partner="JP", nominee="Sojitz"),
        of("operator", nominee="Sojitz"),
    ],
    ids=["names nobody", "another kind of party", "a nominee of a partner", "a nominee of nobody"],
)
def test_who_speaks_for_no_partner_sees_nothing_of_partners(caller: Caller):
    with pytest.raises(Problem, match="names no partner"):
        whose(caller, "partner", OWN)


def test_where_nominees_are_looked_at_a_nominee_is_limited_to_its_partner():
    assert whose(of("nominee", partner="JP", nominee="Sojitz"), "partner", OWN, nominees=True) == "JP"
    with pytest.raises(Problem, match="names no partner"):
        whose(of("operator", nominee="Sojitz"), "partner", OWN, nominees=True)
