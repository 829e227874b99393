"""Clients that come with a key in place of a secret (private_key_jwt), how their keys are changed, and what is no proof of one."""

import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from shutil import copytree
from typing import Any

import httpx
import pytest
import typer
from authlib.oauth2.rfc7523 import private_key_jwt_sign
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, OctKey, OKPKey, RSAKey
from typer.testing import CliRunner, Result

from reserve.__main__ import app
from reserve.commands.caller import caller_at
from services.identity.clients import known_in, load, seed
from services.identity.issuer import Issuer
from services.identity.main import create_app, serve_issuer
from services.identity.tokens import TokenSigner, signing_key
from shared.delivery.tokens import ASSERTION_TYPE, TokenSource, TokenUnavailable
from shared.settings import Settings

ISSUER = "http://127.0.0.1:8000"
TOKEN_URL = f"{ISSUER}/oauth/token"
SECRETS: dict[str, str] = {}


@pytest.fixture(scope="module")
def seeded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("seeded") / "deployment"
    SECRETS.update((client.client_id, client.client_secret) for client in seed(folder))
    return folder


@pytest.fixture
def folder(seeded: Path, tmp_path: Path) -> Path:
    return copytree(seeded, tmp_path / "deployment")


@pytest.fixture
async def http(folder: Path) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(create_app(Settings(issuer=ISSUER, data_dir=folder)))
    async with httpx.AsyncClient(transport=transport, base_url=ISSUER) as client:
        yield client


@pytest.fixture
def key(folder: Path) -> OKPKey:
    """Of Japan's client, as its people make one and hand over the public half."""
    file = folder.parent / "jp.pem"
    made = command("new", file)
    (folder.parent / "jp.jwk").write_text(made.stdout)
    added = command("add", "partner-jp", folder.parent / "jp.jwk", "--data", folder)
    assert added.exit_code == 0, added.output
    return OKPKey.import_key(file.read_bytes())


def command(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["client-key", *map(str, arguments)])


def assertion(key: Any, algorithm: str = "Ed25519", **changed: Any) -> str:
    now = int(time.time())
    claims = {"iss": "partner-jp", "sub": "partner-jp", "aud": ISSUER, "jti": "one", "iat": now, "exp": now + 60} | changed
    return jwt.encode({"alg": algorithm}, {name: value for name, value in claims.items() if value is not None}, key, algorithms=[algorithm])


async def token_by(http: httpx.AsyncClient, signed: str, **form: str) -> httpx.Response:
    proof = {"client_assertion_type": ASSERTION_TYPE, "client_assertion": signed}
    return await http.post("/oauth/token", data={"grant_type": "client_credentials"} | proof | form)


async def by_secret(http: httpx.AsyncClient, client_id: str) -> httpx.Response:
    return await http.post("/oauth/token", auth=(client_id, SECRETS[client_id]), data={"grant_type": "client_credentials"})


async def test_a_client_comes_with_its_key_and_from_then_on_no_longer_with_its_secret(http: httpx.AsyncClient, key: OKPKey) -> None:
    source = TokenSource(TOKEN_URL, "partner-jp", key, http=http)
    keys = KeySet.import_key_set((await http.get("/.well-known/jwks.json")).json())
    claims = jwt.decode(await source.token(), keys, algorithms=["ES256"]).claims
    assert (claims["client_id"], claims["partner"], claims["roles"]) == ("partner-jp", "JP", ["partner"])
    assert claims["exp"] - claims["iat"] == 40, "who revokes the key is rid of it within a minute"
    refused = await by_secret(http, "partner-jp")
    assert (refused.status_code, refused.json()["error"]) == (401, "invalid_client")
    assert refused.json()["error_description"] == "the client has keys: its secret counts no more"
    assert (await by_secret(http, "partner-us")).status_code == 200


async def test_a_library_of_others_is_understood(http: httpx.AsyncClient, folder: Path) -> None:
    """Authlib's client, with a key on P-256 that OpenSSL would write."""
    pair = ECKey.generate_key("P-256")
    (folder.parent / "us.pem").write_bytes(pair.as_pem(private=False))
    assert command("add", "partner-us", folder.parent / "us.pem", "--data", folder).exit_code == 0
    signed = private_key_jwt_sign(pair.as_pem(private=True), "partner-us", TOKEN_URL, alg="ES256", claims={"exp": int(time.time()) + 120})
    answer = await token_by(http, signed, client_id="partner-us")
    assert answer.status_code == 200, answer.text
    metadata = (await http.get("/.well-known/oauth-authorization-server")).json()
    assert "private_key_jwt" in metadata["token_endpoint_auth_methods_supported"]
    assert "ES256" in metadata["token_endpoint_auth_signing_alg_values_supported"]


async def test_keys_change_without_a_restart_and_two_hold_while_one_takes_over(http: httpx.AsyncClient, folder: Path, key: OKPKey) -> None:
    new = OKPKey.generate_key("Ed25519")
    (folder.parent / "new.jwk").write_text(json.dumps(new.as_dict(private=False)))
    (kid, _) = [each["kid"] for each in json.loads(command("add", "partner-jp", folder.parent / "new.jwk", "--data", folder).stdout)]
    assert [(await token_by(http, assertion(each, jti=name))).status_code for each, name in ((key, "old"), (new, "new"))] == [200, 200]
    (folder.parent / "third.jwk").write_text(json.dumps(OKPKey.generate_key("Ed25519").as_dict(private=False)))
    third = command("add", "partner-jp", folder.parent / "third.jwk", "--data", folder)
    assert third.exit_code == 2 and "has 2 keys already (accepted: once `reserve client-key revoke` has taken one)" in third.stderr
    assert command("revoke", "partner-jp", kid, "--data", folder).exit_code == 0
    assert (await token_by(http, assertion(key, jti="after"))).json()["error"] == "invalid_client"
    assert (await token_by(http, assertion(new, jti="after"))).status_code == 200
    seed(folder)  # as each start does
    assert [each["kid"] for each in load(folder).clients["partner-jp"].keys] == [new.thumbprint()]


async def test_without_a_key_that_is_left_nobody_comes_as_the_client(http: httpx.AsyncClient, folder: Path, key: OKPKey) -> None:
    assert command("revoke", "partner-jp", key.thumbprint(), "--data", folder).exit_code == 0
    with pytest.raises(TokenUnavailable):
        await TokenSource(TOKEN_URL, "partner-jp", key, http=http).token()
    assert (await by_secret(http, "partner-jp")).status_code == 401


@pytest.mark.parametrize(
    "changed",
    [
        {"aud": "https://elsewhere.example"},
        {"aud": None},
        {"iss": "partner-us"},
        {"sub": "partner-us"},
        {"exp": -60},
        {"exp": 3600},
        {"exp": None},
        {"exp": True},
        {"iat": None},
        {"iat": -600},
        {"jti": None},
        {"jti": ""},
        {"jti": 7},
    ],
    ids=str,
)
async def test_what_an_assertion_must_say_is_looked_at(http: httpx.AsyncClient, key: OKPKey, changed: dict[str, Any]) -> None:
    """Times are in seconds from now."""
    [(name, value)] = changed.items()
    said = int(time.time()) + value if name in ("exp", "iat") and type(value) is int else value
    answer = await token_by(http, assertion(key, **(changed | {name: said})))
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client"), answer.text


async def test_an_assertion_is_good_once(http: httpx.AsyncClient, key: OKPKey) -> None:
    signed = assertion(key)
    assert [(await token_by(http, signed)).status_code for _ in range(2)] == [200, 401]


async def test_one_of_before_a_restart_is_good_no_more(
    http: httpx.AsyncClient, folder: Path, key: OKPKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may have been used: nobody remembers."""
    signed = assertion(key, exp=int(time.time()) + 280)
    assert (await token_by(http, signed)).status_code == 200
    later = time.time() + 60
    signer = TokenSigner(signing_key(folder / "keys"), issuer=ISSUER, audience="reserve")
    transport = httpx.ASGITransport(serve_issuer(Issuer(ISSUER, known_in(folder), signer, now=lambda: later)))
    async with httpx.AsyncClient(transport=transport, base_url=ISSUER) as restarted:
        assert (await token_by(restarted, signed)).status_code == 401
        assert (await token_by(restarted, assertion(key, jti="new", iat=later, exp=later + 60))).status_code == 200


async def test_nobody_elses_signature_counts(http: httpx.AsyncClient, key: OKPKey) -> None:
    public = OctKey.import_key(json.dumps(key.as_dict(private=False)).encode())
    forged = [
        assertion(OKPKey.generate_key("Ed25519")),
        assertion(public, "HS256"),
        assertion(key)[:-8] + "AAAAAAAA",
        "e30.e30.e30",
        "",
        "\N{SNOWMAN}",
    ]
    for signed in forged:
        answer = await token_by(http, signed)
        assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client"), signed


async def test_two_ways_at_once_are_none(http: httpx.AsyncClient, key: OKPKey) -> None:
    for form in ({"client_secret": "one"}, {"client_assertion_type": "urn:another"}, {"client_id": "partner-us"}):
        answer = await token_by(http, assertion(key, jti=str(form)), **form)
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request"), form


@pytest.mark.parametrize("kind", ["private", "RSA", "P-384", "text", "missing"])
def test_what_is_no_public_key_of_a_kind_that_is_known_is_refused(folder: Path, kind: str) -> None:
    file = folder.parent / "key"
    match kind:
        case "private":
            file.write_text(json.dumps(OKPKey.generate_key("Ed25519").as_dict(private=True)))
        case "RSA":
            file.write_bytes(RSAKey.generate_key(2048).as_pem(private=False))
        case "P-384":
            file.write_bytes(ECKey.generate_key("P-384").as_pem(private=False))
        case "text":
            file.write_text("no key")
    before = (folder / "identity.json").read_bytes()
    refused = command("add", "partner-jp", file, "--data", folder)
    assert (refused.exit_code, len(refused.stderr.splitlines())) == (2, 1) and refused.stderr.startswith("reserve: FILE: ")
    assert (folder / "identity.json").read_bytes() == before


@pytest.mark.parametrize("client", ["nobody", "console"])
def test_who_has_no_credentials_gets_no_key(folder: Path, client: str) -> None:
    (folder.parent / "a.jwk").write_text(json.dumps(OKPKey.generate_key("Ed25519").as_dict(private=False)))
    refused = command("add", client, folder.parent / "a.jwk", "--data", folder)
    assert refused.exit_code == 2 and refused.stderr.startswith("reserve: CLIENT: ") and "accepted: " in refused.stderr


def test_a_command_takes_a_key_file_in_the_place_of_a_secret(folder: Path, key: OKPKey, tmp_path: Path) -> None:
    assert caller_at(ISSUER, "partner-jp", tmp_path / "jp.pem", None) is not None
    (tmp_path / "jp.pem").write_bytes(key.as_pem(private=False))
    with pytest.raises(typer.Exit):
        caller_at(ISSUER, "partner-jp", tmp_path / "jp.pem", None)
