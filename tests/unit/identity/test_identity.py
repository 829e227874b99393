"""The local issuer over HTTP: client credentials, authorization codes with PKCE, metadata, and its refusals."""

import asyncio
import base64
import stat
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from authlib.oauth2.rfc8414 import AuthorizationServerMetadata
from joserfc import jwt
from joserfc.jwk import KeySet

from services.identity.clients import LocalClient, known_in, load, passwords, seed
from services.identity.issuer import Issuer
from services.identity.main import create_app
from services.identity.tokens import TokenSigner, signing_key
from shared.settings import Settings

ISSUER = "http://127.0.0.1:8000"
CALLBACK = "http://127.0.0.1:9000/callback"
VERIFIER = "a-verifier-of-at-least-forty-three-characters-1234"
AUTHORIZE = {
    "response_type": "code",
    "client_id": "console",
    "redirect_uri": CALLBACK,
    "state": "af0 &?/",
    "code_challenge": create_s256_code_challenge(VERIFIER),
    "code_challenge_method": "S256",
}

CREDENTIALS = {"grant_type": "client_credentials"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("deployment")
    seed(folder, services=["inventory"], redirect_uris=[CALLBACK])
    return folder


@pytest.fixture(scope="module")
def clients(folder: Path) -> dict[str, LocalClient]:
    return {client.client_id: client for client in seed(folder, services=["inventory"], redirect_uris=[CALLBACK])}


@pytest.fixture(scope="module")
async def http(folder: Path, clients: dict[str, LocalClient]) -> AsyncIterator[httpx.AsyncClient]:
    app = create_app(Settings(issuer=ISSUER, data_dir=folder))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=ISSUER) as client:
        yield client


async def token_of(http: httpx.AsyncClient, client: LocalClient, **form: str) -> httpx.Response:
    return await http.post("/oauth/token", auth=(client.client_id, client.client_secret), data={"grant_type": "client_credentials", **form})


async def code_for(http: httpx.AsyncClient, folder: Path, login: str = "operator-1", **changed: str) -> str:
    answer = await http.post("/oauth/authorize", params=AUTHORIZE | changed, data={"login": login, "password": passwords(folder)[login]})
    assert answer.status_code == 303
    return parse_qs(urlsplit(answer.headers["location"]).query)["code"][0]


async def redeem(http: httpx.AsyncClient, code: str, **changed: str) -> httpx.Response:
    form = {
        "grant_type": "authorization_code",
        "client_id": "console",
        "code": code,
        "redirect_uri": CALLBACK,
        "code_verifier": VERIFIER,
    }
    return await http.post("/oauth/token", data=form | changed)


async def test_a_client_gets_a_token_with_its_partner_and_roles(http: httpx.AsyncClient, clients: dict[str, LocalClient]) -> None:
    answer = await token_of(http, clients["partner-jp"])
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    assert answer.json()["token_type"] == "Bearer"
    keys = KeySet.import_key_set((await http.get("/.well-known/jwks.json")).json())
    token = jwt.decode(answer.json()["access_token"], keys, algorithms=["ES256"])
    assert token.header["typ"] == "at+jwt"
    assert token.header["kid"] == keys.keys[0].thumbprint()
    claims = token.claims
    assert (claims["iss"], claims["aud"], claims["client_id"]) == (ISSUER, "reserve", "partner-jp")
    assert (claims["partner"], claims["roles"]) == ("JP", ["partner"])
    assert claims["exp"] - claims["iat"] == 900
    assert claims["jti"]
    assert claims["sub"].startswith("sub_")


async def test_the_api_document_says_what_a_token_answer_is(http: httpx.AsyncClient, clients: dict[str, LocalClient]) -> None:
    said = (await http.get("/openapi.json")).json()["paths"]["/oauth/token"]["post"]["responses"]
    given, refused = await token_of(http, clients["partner-jp"]), await http.post("/oauth/token", auth=("nobody", "wrong"))
    for answer in (given, refused):
        schema = said[str(answer.status_code)]["content"]["application/json"]["schema"]
        assert set(schema["required"]) <= answer.json().keys() <= schema["properties"].keys()


async def claims_of(http: httpx.AsyncClient, answer: httpx.Response) -> dict[str, object]:
    keys = KeySet.import_key_set((await http.get("/.well-known/jwks.json")).json())
    return jwt.decode(answer.json()["access_token"], keys, algorithms=["ES256"]).claims


async def test_who_is_on_call_gets_a_token_for_a_shift_and_for_the_duty_alone(http: httpx.AsyncClient, clients: dict[str, LocalClient]):
    answer = await token_of(http, clients["operator-1"], scope="duty:on_call")
    claims = await claims_of(http, answer)
    assert (answer.json()["expires_in"], claims["scope"], claims["roles"]) == (43_200, "duty:on_call", ["operator"])
    assert claims["exp"] == claims["iat"] + 43_200
    ordinary = await claims_of(http, await token_of(http, clients["operator-1"]))
    assert (ordinary["scope"], ordinary["sub"]) == ("", claims["sub"]), "nobody is on duty who does not ask for it"


@pytest.mark.parametrize("client_id", ["partner-jp", "auditor-1", "admin-1", "inventory"])
async def test_who_is_never_on_call_gets_no_such_token(http: httpx.AsyncClient, clients: dict[str, LocalClient], client_id: str):
    answer = await token_of(http, clients[client_id], scope="duty:on_call")
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_scope")


async def test_a_services_own_token_lasts_a_shift(http: httpx.AsyncClient, clients: dict[str, LocalClient]):
    assert (await token_of(http, clients["inventory"])).json()["expires_in"] == 43_200


async def test_a_client_may_send_its_secret_in_the_form(http: httpx.AsyncClient, clients: dict[str, LocalClient]) -> None:
    client = clients["inventory"]
    form = {"grant_type": "client_credentials", "client_id": client.client_id, "client_secret": client.client_secret}
    answer = await http.post("/oauth/token", data=form)
    assert (answer.status_code, answer.json()["scope"]) == (200, "journal:read")


@pytest.mark.parametrize(
    "credentials",
    ["partner-jp:wrong", "nobody:secret", "partner-jp", ":", "console:", "\udcff:x"],
    ids=["wrong secret", "unknown", "no secret", "empty", "public client", "not UTF-8"],
)
async def test_bad_client_credentials_are_refused_without_a_hint(http: httpx.AsyncClient, credentials: str) -> None:
    basic = base64.b64encode(credentials.encode("utf-8", "surrogateescape")).decode()
    headers = {"authorization": f"Basic {basic}"}
    answer = await http.post("/oauth/token", headers=headers, data={"grant_type": "client_credentials"})
    assert answer.status_code == 401
    assert answer.json() == {"error": "invalid_client", "error_description": "unknown client or wrong secret"}
    assert answer.headers["www-authenticate"].startswith("Basic")


async def test_a_service_renews_its_token_while_sixty_guess(http: httpx.AsyncClient, clients: dict[str, LocalClient]) -> None:
    """Who guesses comes through the edge, which says from where."""

    async def guess(number: int) -> int:
        headers = {"x-forwarded-for": "192.0.2.7"}
        answer = await http.post("/oauth/token", auth=("inventory", f"guess-{number}"), data=CREDENTIALS, headers=headers)
        return answer.status_code

    guesses = [asyncio.create_task(guess(number)) for number in range(60)]
    await asyncio.wait(guesses, return_when=asyncio.FIRST_COMPLETED)
    assert (await token_of(http, clients["inventory"])).status_code == 200
    assert sum(not task.done() for task in guesses) > 30
    assert set(await asyncio.gather(*guesses)) == {401}


async def test_malformed_token_requests_get_their_oauth_errors(http: httpx.AsyncClient, clients: dict[str, LocalClient]) -> None:
    client = clients["partner-us"]
    auth = (client.client_id, client.client_secret)
    unknown_grant = await http.post("/oauth/token", auth=auth, data={"grant_type": "password"})
    no_grant = await http.post("/oauth/token", auth=auth)
    twice = await http.post(
        "/oauth/token",
        auth=auth,
        content="grant_type=client_credentials&grant_type=client_credentials",
        headers={"content-type": "application/x-www-form-urlencoded"},
    )
    both_ways = await token_of(http, client, client_secret=client.client_secret)
    too_much = await token_of(http, client, scope="journal:read")
    public = await http.post("/oauth/token", data={"grant_type": "client_credentials", "client_id": "console"})
    answers = [unknown_grant, no_grant, twice, both_ways, too_much, public]
    assert [(answer.status_code, answer.json()["error"]) for answer in answers] == [
        (400, "unsupported_grant_type"),
        (400, "invalid_request"),
        (400, "invalid_request"),
        (400, "invalid_request"),
        (400, "invalid_scope"),
        (400, "unauthorized_client"),
    ]


async def test_a_person_logs_in_and_their_browser_gets_a_token_by_pkce(
    http: httpx.AsyncClient, folder: Path, clients: dict[str, LocalClient]
) -> None:
    page = await http.get("/oauth/authorize", params=AUTHORIZE)
    assert page.status_code == 200
    assert '<label for="password">' in page.text
    assert "frame-ancestors 'none'" in page.headers["content-security-policy"]

    form = {"login": "approver-1", "password": passwords(folder)["approver-1"]}
    answer = await http.post("/oauth/authorize", params=AUTHORIZE, data=form)
    assert answer.status_code == 303
    query = parse_qs(urlsplit(answer.headers["location"]).query)
    assert answer.headers["location"].startswith(CALLBACK + "?")
    assert query["state"] == [AUTHORIZE["state"]]
    assert query["iss"] == [ISSUER]

    token = await redeem(http, query["code"][0])
    assert token.status_code == 200
    keys = KeySet.import_key_set((await http.get("/.well-known/jwks.json")).json())
    claims = jwt.decode(token.json()["access_token"], keys, algorithms=["ES256"]).claims
    assert (claims["client_id"], claims["roles"]) == ("console", ["approver"])
    own = jwt.decode((await token_of(http, clients["approver-1"])).json()["access_token"], keys, algorithms=["ES256"]).claims
    assert claims["sub"] == own["sub"], "a person is one subject, however they come in"


async def test_a_wrong_password_gives_the_page_again_and_no_code(http: httpx.AsyncClient) -> None:
    answer = await http.post("/oauth/authorize", params=AUTHORIZE, data={"login": "operator-1", "password": "<wrong>"})
    assert answer.status_code == 403
    assert 'role="alert"' in answer.text
    assert "<wrong>" not in answer.text
    assert "location" not in answer.headers


async def test_a_code_is_used_once(http: httpx.AsyncClient, folder: Path) -> None:
    code = await code_for(http, folder)
    assert (await redeem(http, code)).status_code == 200
    again = await redeem(http, code)
    assert (again.status_code, again.json()["error"]) == (400, "invalid_grant")


@pytest.mark.parametrize(
    "changed",
    [
        {"code_verifier": VERIFIER + "x"},
        {"code_verifier": ""},
        {"redirect_uri": CALLBACK + "/"},
        {"redirect_uri": ""},
    ],
    ids=["wrong verifier", "no verifier", "other address", "no address"],
)
async def test_a_code_tried_wrongly_is_spent(http: httpx.AsyncClient, folder: Path, changed: dict[str, str]) -> None:
    code = await code_for(http, folder)
    wrong = await redeem(http, code, **changed)
    right = await redeem(http, code)
    assert [wrong.json()["error"], right.json()["error"]] == ["invalid_grant", "invalid_grant"]


async def test_a_code_of_another_client_is_refused(http: httpx.AsyncClient, folder: Path, clients: dict[str, LocalClient]) -> None:
    code = await code_for(http, folder)
    thief = clients["partner-us"]
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK, "code_verifier": VERIFIER}
    answer = await http.post("/oauth/token", auth=(thief.client_id, thief.client_secret), data=form)
    assert answer.json()["error"] == "invalid_grant"


async def test_a_code_ends_after_a_minute(folder: Path) -> None:
    now = 1_000_000.0
    signer = TokenSigner(signing_key(folder / "keys"), issuer=ISSUER, audience="reserve", now=lambda: now)
    issuer = Issuer(ISSUER, known_in(folder), signer, now=lambda: now)
    address = issuer.finish(issuer.begin(list(AUTHORIZE.items())), "operator-1", passwords(folder)["operator-1"])
    assert address is not None
    code = parse_qs(urlsplit(address).query)["code"][0]
    now += 60
    form = {"grant_type": "authorization_code", "client_id": "console", "code": code, "redirect_uri": CALLBACK, "code_verifier": VERIFIER}
    with pytest.raises(Exception, match="invalid_grant"):
        issuer.token(list(form.items()), {})


@pytest.mark.parametrize(
    "changed",
    [
        {"redirect_uri": CALLBACK + "/"},
        {"redirect_uri": "http://127.0.0.1:9000/CALLBACK"},
        {"redirect_uri": "https://evil.example/callback"},
        {"client_id": "<script>"},
        {"client_id": "partner-jp"},
    ],
)
async def test_nobody_is_sent_to_an_address_that_no_client_registered(http: httpx.AsyncClient, changed: dict[str, str]) -> None:
    answer = await http.get("/oauth/authorize", params=AUTHORIZE | changed)
    assert answer.status_code == 400
    assert "location" not in answer.headers
    assert "<script>" not in answer.text


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"code_challenge": ""}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"response_type": "token"}, "unsupported_response_type"),
    ],
)
async def test_a_request_without_pkce_goes_back_with_its_error_and_state(
    http: httpx.AsyncClient, changed: dict[str, str], error: str
) -> None:
    answer = await http.get("/oauth/authorize", params=AUTHORIZE | changed)
    assert answer.status_code == 303
    query = parse_qs(urlsplit(answer.headers["location"]).query)
    assert (query["error"], query["state"]) == ([error], [AUTHORIZE["state"]])
    assert "code" not in query


async def test_the_metadata_is_valid_at_both_addresses(http: httpx.AsyncClient) -> None:
    found = (await http.get("/.well-known/oauth-authorization-server")).json()
    AuthorizationServerMetadata(found).validate()
    assert found == (await http.get("/.well-known/openid-configuration")).json()
    assert found["jwks_uri"] == f"{ISSUER}/.well-known/jwks.json"
    published = (await http.get("/.well-known/jwks.json")).json()["keys"]
    assert all("d" not in key for key in published), "the private half stays here"


def test_seeding_again_gives_the_same_clients_and_only_adds(tmp_path: Path) -> None:
    first = seed(tmp_path, services=["inventory"])
    directory = load(tmp_path)
    second = seed(tmp_path, services=["inventory", "ledger"])
    assert [client for client in second if client.client_id != "ledger"] == first
    assert {name: load(tmp_path).clients[name] for name in directory.clients} == directory.clients


def test_looking_up_secrets_touches_nothing(tmp_path: Path) -> None:
    seed(tmp_path, services=["inventory"], redirect_uris=[CALLBACK])
    before = [(file, file.stat().st_mtime_ns, file.stat().st_ino) for file in sorted(tmp_path.iterdir())]
    seed(tmp_path, services=["inventory"])
    assert before == [(file, file.stat().st_mtime_ns, file.stat().st_ino) for file in sorted(tmp_path.iterdir())]
    assert load(tmp_path).clients["console"].redirect_uris == (CALLBACK,)


def test_the_files_are_private_and_the_issuers_holds_no_secret(tmp_path: Path) -> None:
    clients = seed(tmp_path)
    signing_key(tmp_path / "keys")
    for file in ("identity.json", "identity-secrets.json", "keys/issuer.pem"):
        assert stat.S_IMODE((tmp_path / file).stat().st_mode) == 0o600
    text = (tmp_path / "identity.json").read_text()
    assert not any(client.client_secret in text for client in clients)
    (tmp_path / "identity.json").chmod(0o644)
    with pytest.raises(PermissionError, match="can be read by others"):
        load(tmp_path)


async def test_requests_are_counted_by_route(http: httpx.AsyncClient) -> None:
    await http.get("/.well-known/jwks.json")
    counted = 'reserve_http_requests_total{handler="/.well-known/jwks.json",method="GET",service="identity",status="2xx"}'
    assert counted in (await http.get("/metrics")).text
