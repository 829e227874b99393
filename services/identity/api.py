"""The issuer over HTTP. Its errors are OAuth's (RFC 6749 5.2), not problem documents: OAuth clients expect those."""

import asyncio
from http import HTTPStatus
from typing import Any

import msgspec
from authlib.oauth2.rfc6749.errors import OAuth2Error
from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from services.identity.issuer import Issuer
from services.identity.pages import error_page, login_page
from shared.http.openapi import named

CHECKS_AT_ONCE = 2  # each takes 16 MiB and a core for 40 ms
OF_THE_EDGE = "x-forwarded-for"  # who has not come through the edge, which sets it, is a service that renews its token
_NEVER_STORED = {"cache-control": "no-store", "pragma": "no-cache"}


class MetadataView(BaseModel):
    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    response_types_supported: list[str]
    response_modes_supported: list[str]
    grant_types_supported: list[str]
    token_endpoint_auth_methods_supported: list[str]
    token_endpoint_auth_signing_alg_values_supported: list[str]
    code_challenge_methods_supported: list[str]
    scopes_supported: list[str]
    authorization_response_iss_parameter_supported: bool


class PublicKeyView(BaseModel):
    """One key, with the further members that its kind has (RFC 8037 2 for Ed25519)."""

    model_config = ConfigDict(extra="allow")

    kty: str
    kid: str


class KeySetView(BaseModel):
    keys: list[PublicKeyView]


def _form(*names: str, required: tuple[str, ...] = ()) -> dict[str, Any]:
    schema = {"type": "object", "properties": {name: {"type": "string"} for name in names}, "required": list(required)}
    return {"requestBody": {"required": True, "content": {"application/x-www-form-urlencoded": {"schema": schema}}}}


def _query(*names: str) -> dict[str, Any]:
    return {"parameters": [{"name": name, "in": "query", "schema": {"type": "string"}} for name in names]}


def _answers(kind: str, *statuses: int, schema: dict[str, Any] | None = None) -> dict[int | str, dict[str, Any]]:
    """What OAuth has its own answers for; a request that cannot be read at all is a problem here too."""
    kinds: dict[str, Any] = {kind: {} if schema is None else {"schema": schema}, "application/problem+json": {"schema": named("Problem")}}
    return {status: {"description": HTTPStatus(status).phrase, "content": kinds} for status in statuses}


_TOKEN: dict[str, Any] = {
    "type": "object",
    "title": "An access token (RFC 6749 5.1)",
    "required": ["access_token", "token_type", "expires_in", "scope"],
    "properties": {
        "access_token": {"type": "string", "description": "a JWT (RFC 9068)"},
        "token_type": {"const": "Bearer"},
        "expires_in": {"type": "integer", "description": "seconds"},
        "scope": {"type": "string", "description": "what was granted, separated by spaces"},
    },
}
_REFUSED: dict[str, Any] = {
    "type": "object",
    "title": "Why there is none (RFC 6749 5.2)",
    "required": ["error"],
    "properties": {
        "error": {
            "enum": ["invalid_client", "invalid_grant", "invalid_request", "invalid_scope", "unauthorized_client", "unsupported_grant_type"]
        },
        "error_description": {"type": "string"},
    },
}
_TOKEN_ANSWERS = _answers("application/json", 200, schema=_TOKEN) | _answers("application/json", 400, 401, schema=_REFUSED)
_PAGES = _answers("text/html", 200, 303, 400)
_TOKEN_FORM = _form(
    *("grant_type", "client_id", "client_secret", "client_assertion_type", "client_assertion", "scope"),
    *("code", "redirect_uri", "code_verifier"),
    required=("grant_type",),
)
_AUTHORIZE_QUERY = _query("response_type", "client_id", "redirect_uri", "scope", "state", "code_challenge", "code_challenge_method")


def routes(issuer: Issuer) -> APIRouter:
    router = APIRouter()
    of_callers, of_services = asyncio.Semaphore(CHECKS_AT_ONCE), asyncio.Semaphore(1)  # no service waits behind who guesses

    def turn(request: Request) -> asyncio.Semaphore:
        return of_callers if OF_THE_EDGE in request.headers else of_services

    @router.post("/oauth/token", summary="An access token (RFC 6749)", openapi_extra=_TOKEN_FORM, responses=_TOKEN_ANSWERS)
    async def issue_token(request: Request) -> Response:
        try:
            form = await _form_of(request)
            async with turn(request):
                answer = await asyncio.to_thread(issuer.token, form, request.headers)
        except OAuth2Error as error:
            status, body, headers = error()
            return JSONResponse(body, status_code=status, headers=dict(headers) | _NEVER_STORED)
        return JSONResponse(msgspec.to_builtins(answer), headers=_NEVER_STORED)

    @router.get(
        "/oauth/authorize",
        summary="The login page (RFC 6749 4.1, PKCE required)",
        openapi_extra=_AUTHORIZE_QUERY,
        response_class=HTMLResponse,
        responses=_PAGES,
    )
    async def show_login(request: Request) -> Response:
        try:
            login = issuer.begin(request.query_params.multi_items())
        except OAuth2Error as error:
            return _authorization_error(error)
        return login_page(request.url.query, login.client.client_id, login.redirect_uri)

    @router.post(
        "/oauth/authorize",
        summary="A person logs in",
        openapi_extra=_AUTHORIZE_QUERY | _form("login", "password", required=("login", "password")),
        response_class=HTMLResponse,
        responses=_PAGES,
    )
    async def log_in(request: Request) -> Response:
        try:
            login = issuer.begin(request.query_params.multi_items())
            form = dict(await _form_of(request))
            async with turn(request):
                address = await asyncio.to_thread(issuer.finish, login, form.get("login", ""), form.get("password", ""))
        except OAuth2Error as error:
            return _authorization_error(error)
        if address is None:
            return login_page(request.url.query, login.client.client_id, login.redirect_uri, failed=True)
        return RedirectResponse(address, status_code=303, headers=_NEVER_STORED)  # 303: the password is not posted on (RFC 9700 4.12)

    @router.get("/.well-known/oauth-authorization-server", summary="Metadata (RFC 8414)")
    @router.get(
        "/.well-known/openid-configuration",
        summary="The same metadata, where OpenID clients look for it",
        operation_id="show_openid_configuration",
    )
    async def show_metadata() -> MetadataView:
        return MetadataView.model_validate(issuer.metadata())

    @router.get("/.well-known/jwks.json", summary="The keys that verify tokens (RFC 7517)")
    async def list_keys() -> KeySetView:
        return KeySetView.model_validate(issuer.keys())

    return router


async def _form_of(request: Request) -> list[tuple[str, str]]:
    form = await request.form(max_files=0, max_fields=20)
    return [(name, value) for name, value in form.multi_items() if isinstance(value, str)]


def _authorization_error(error: Any) -> Response:
    if error.redirect_uri is None:
        return error_page(error.description)
    _, _, headers = error()
    return RedirectResponse(dict(headers)["Location"], status_code=303, headers=_NEVER_STORED)
