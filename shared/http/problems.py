"""Problem details (RFC 9457): every refusal at an HTTP edge is one of these, with a stable code from one catalogue."""

import json
import os
import re
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any

import msgspec
import structlog
from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import iter_route_contexts
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.http.faults import fault_of
from shared.http.json_members import repeated_member
from shared.journal.decider import Reasons

BODY_LIMIT_BYTES = 1 << 20
# Of the objects in a body: a bulk of 500 has some 3,000. Each is a fault that is looked for where it is none of ours.
MEMBERS_LIMIT = 20_000
HEARD_OUT = 4  # times the limit: an answer to one who is still sending may be lost with the connection. Beyond, it closes all the same
IMPORT_LIMIT_BYTES = 10 << 20  # on the routes that are named for imports, which read the body themselves
FAULTS_LISTED = 100  # of a body that has more; its `detail` says how many there are
REQUEST_ID_HEADER = "x-request-id"
REQUEST_ID_PATTERN = re.compile(r"[A-Za-z0-9._-]{8,64}")

log = structlog.get_logger(__name__)


class EdgeReason(Reasons):
    INVALID_REQUEST = "invalid_request", 422, "Invalid request"
    QUERY_PARAMETER_REPEATED = "query_parameter_repeated", 422, "Repeated query parameter"
    MEMBER_REPEATED = "member_repeated", 422, "Repeated member in the body"
    QUERY_PARAMETER_UNKNOWN = "query_parameter_unknown", 422, "Unknown query parameter"
    MALFORMED_REQUEST = "malformed_request", 400, "The request cannot be read"
    NUL_IN_TEXT = "nul_in_text", 422, "A text contains a NUL character"
    TEXT_NOT_UNICODE = "text_not_unicode", 422, "A text contains an unpaired surrogate"
    BODY_TOO_LARGE = "body_too_large", 413, "The body is too large"
    ROUTE_NOT_FOUND = "route_not_found", 404, "There is no such route"
    METHOD_NOT_ALLOWED = "method_not_allowed", 405, "The route does not take this method"
    HTTP_ERROR = "http_error", 400, "The request was refused"
    INTERNAL_ERROR = "internal_error", 500, "Something went wrong on our side"


CATALOGUE: dict[str, Reasons] = {}


def register(reasons: Iterable[Reasons]) -> None:
    """Adds a service's codes to the catalogue.

    Raises ValueError if a code is there already with another meaning: a code is a promise to clients.
    """
    for reason in reasons:
        known = CATALOGUE.setdefault(reason.value, reason)
        if (known.status, known.says) != (reason.status, reason.says):
            raise ValueError(f"the problem code {reason} has another meaning already: {known.status}, {known.says}")


register(EdgeReason)


class Problem(Exception):
    """A refusal that a route raises; status and title come from the catalogue.

    `field` is a JSON pointer into the body (RFC 6901), or `query:name`, `path:name`, `header:name`; `accepted` says what would be accepted
    instead. Neither they nor `detail` may hold a secret that the caller sent. Raises KeyError if nobody registered the code.
    """

    def __init__(
        self,
        code: str,
        detail: str,
        *,
        field: str | None = None,
        accepted: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail
        self.field = field
        self.accepted = accepted
        self.headers = dict(headers or {})
        self.status = CATALOGUE[code].status
        self.title = CATALOGUE[code].says

    def document(self, instance: str | None = None) -> dict[str, object]:
        """The members of the problem document; those that do not apply are left out."""
        members: dict[str, object | None] = {
            "type": f"urn:reserve:problem:{self.code}",
            "title": self.title,
            "status": self.status,
            "code": self.code,
            "detail": self.detail,
            "field": self.field,
            "accepted": self.accepted,
            "instance": instance,
        }
        return {name: value for name, value in members.items() if value is not None}


class ProblemResponse(Response):
    """A problem on the wire. JSON is escaped to ASCII, so that a lone surrogate in a member's name cannot break the answer."""

    media_type = "application/problem+json"

    def __init__(self, problem: Problem, *, instance: str | None = None, errors: list[dict[str, object]] | None = None) -> None:
        document = problem.document(instance)
        if errors:
            document["errors"] = errors
        super().__init__(json.dumps(document), status_code=problem.status, headers=problem.headers)


# For `FastAPI(responses=RESPONSES)`: each operation's other answers in its OpenAPI document.
RESPONSES: dict[int | str, dict[str, Any]] = {
    "default": {
        "description": "A problem (RFC 9457)",
        "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
}
_FIELD = {"type": "string", "description": "JSON pointer into the body, or query:name, path:name, header:name"}
_ACCEPTED = {"type": "string", "description": "what would be accepted instead"}
PROBLEM_SCHEMAS: dict[str, Any] = {
    "Problem": {
        "type": "object",
        "title": "Problem",
        "required": ["type", "title", "status", "code", "detail"],
        "properties": {
            "type": {"type": "string", "format": "uri"},
            "title": {"type": "string"},
            "status": {"type": "integer"},
            "code": {"type": "string", "description": "stable: what a client may decide on"},
            "detail": {"type": "string"},
            "field": _FIELD,
            "accepted": _ACCEPTED,
            "instance": {"type": "string", "format": "uri"},
            "errors": {
                "type": "array",
                "items": {"$ref": "#/components/schemas/InputFault"},
                "description": "each fault, where there are several",
            },
        },
    },
    "InputFault": {
        "type": "object",
        "title": "InputFault",
        "required": ["field", "detail"],
        "properties": {"field": _FIELD, "detail": {"type": "string"}, "accepted": _ACCEPTED},
    },
}


def install(app: Starlette) -> None:
    """Turns problems, invalid requests, Starlette's own errors and bugs into problem documents."""
    app.add_exception_handler(Problem, _on_problem)
    app.add_exception_handler(RequestValidationError, _on_invalid_request)
    app.add_exception_handler(HTTPException, _on_http_exception)
    app.add_exception_handler(Exception, _on_bug)


def request_id(scope: Scope) -> str:
    """The request's correlation id: the caller's or the edge's if it is well formed, else a new one."""
    wanted = REQUEST_ID_HEADER.encode()
    for name, value in scope["headers"]:
        if name == wanted and REQUEST_ID_PATTERN.fullmatch(text := value.decode("latin-1")):
            return str(text)
    return os.urandom(16).hex()


async def _on_problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)
    return ProblemResponse(error)


async def _on_invalid_request(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    found = error.errors()
    faults = [fault_of(fault, error.body) for fault in found[:FAULTS_LISTED]]
    first = faults[0]
    rest = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    problem = Problem("invalid_request", f"{first.detail}{rest}", field=first.field, accepted=first.accepted)
    listed: list[dict[str, object]] = [
        {name: value for name, value in msgspec.structs.asdict(fault).items() if value is not None} for fault in faults
    ]
    return ProblemResponse(problem, errors=listed if len(faults) > 1 else None)


async def _on_http_exception(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    headers = dict(error.headers or {})
    match error.status_code:
        case 404:
            problem = Problem("route_not_found", "Nothing is served at this path", headers=headers)
        case 405:
            headers["Allow"] = ", ".join(_methods_at(request)) or headers.get("Allow", "")
            problem = Problem("method_not_allowed", f"{request.method} is not served here", accepted=headers["Allow"], headers=headers)
        case 400:
            problem = Problem("malformed_request", "The body cannot be read as its content type says", headers=headers)
        case status:
            problem = Problem("http_error", HTTPStatus(status).phrase, headers=headers)
            problem.status, problem.title = status, HTTPStatus(status).phrase
    return ProblemResponse(problem)


def _methods_at(request: Request) -> list[str]:
    """What is served at its path. Starlette names those of the first route alone."""
    at_path = (each for each in iter_route_contexts(request.app.routes) if each.path_regex.match(request.scope["path"]))
    return sorted({method for each in at_path for method in each.methods or ()})


async def _on_bug(request: Request, error: Exception) -> Response:
    """The last resort. The caller gets an id to quote and nothing about the inside; the log has the rest."""
    correlation = request_id(request.scope)
    log.error("unhandled exception", request_id=correlation, method=request.method, path=request.url.path, exc_info=error)
    problem = Problem("internal_error", f"The request failed; quote {correlation} when you report it")
    return ProblemResponse(problem, instance=f"urn:reserve:request:{correlation}")


_BODILESS = frozenset({"GET", "HEAD", "OPTIONS"})  # whatever is sent, no route reads it
_JSON = re.compile(rb"application/[^;]*json\s*(?:;|$)")  # what FastAPI reads as such: application/x+json, too

# Every escape in JSON, one after the other, so that in `\\u0000` the second backslash is taken by the first.
_ESCAPE = re.compile(rb"\\(?:u([0-9A-Fa-f]{4})|.)", re.DOTALL)


class BodyGuard:
    """ASGI middleware: refuses bodies over the limit, also when their length is not announced, and what cannot be kept or may be read in
    two ways.

    PostgreSQL cannot store a NUL in a text, half of a surrogate pair has no UTF-8, and of two members of one name each reader takes
    another: all are refused at the edge, once, rather than in each model. A body within the limit is read whole before the application
    runs; bodies of the routes named in `streaming` (path prefixes) are left alone. To look through one takes long: where tokens are asked
    for (`state.verifier`), nobody's is whose token lets them in nowhere, as each route then says.
    """

    def __init__(self, app: ASGIApp, *, limit_bytes: int = BODY_LIMIT_BYTES, streaming: tuple[str, ...] = ()) -> None:
        self._app = app
        self._limit_bytes = limit_bytes
        self._streaming = streaming

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        if _nul_in_target(scope):
            return await _refuse(Problem("nul_in_text", "The path or the query holds a NUL"), scope, receive, send)
        length, chunked, content_type = _body_headers(scope)
        if (not length and not chunked) or scope["method"] in _BODILESS or (self._streaming and scope["path"].startswith(self._streaming)):
            return await self._app(scope, receive, send)
        if length is not None and length > HEARD_OUT * self._limit_bytes:
            return await _refuse(body_too_large(self._limit_bytes), scope, receive, send)

        body, heard, more = bytearray(), 0, True
        while more and heard <= HEARD_OUT * self._limit_bytes:
            message = await receive()
            if message["type"] == "http.disconnect":
                return None
            heard += len(message.get("body", b""))
            if heard <= self._limit_bytes:
                body += message.get("body", b"")
            more = message.get("more_body", False)
        if heard > self._limit_bytes:
            return await _refuse(body_too_large(self._limit_bytes), scope, receive, send)
        if await _may_come_in(scope) and (unfit := _unfit_text(body, content_type) or _unfit_members(body, content_type)) is not None:
            return await _refuse(unfit, scope, receive, send)
        return await self._app(scope, _replay(bytes(body), receive), send)


def body_too_large(limit_bytes: int) -> Problem:
    accepted = f"at most {limit_bytes} bytes"
    return Problem("body_too_large", "The body is over the limit of this route", accepted=accepted, headers={"connection": "close"})


async def _refuse(problem: Problem, scope: Scope, receive: Receive, send: Send) -> None:
    await ProblemResponse(problem)(scope, receive, send)


def _body_headers(scope: Scope) -> tuple[int | None, bool, bytes]:
    length, chunked, content_type = None, False, b""
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit():
            length = int(value)
        elif name == b"transfer-encoding":
            chunked = True
        elif name == b"content-type":
            content_type = value.lower()
    return length, chunked, content_type


async def _may_come_in(scope: Scope) -> bool:
    if (verifier := getattr(scope["app"].state, "verifier", None)) is None:
        return True
    given = next((value.decode("latin-1") for name, value in scope["headers"] if name == b"authorization"), None)
    try:
        await verifier.caller(given)
    except Problem:
        return False
    return True


def _nul_in_target(scope: Scope) -> bool:
    return "\0" in scope["path"] or b"%00" in scope["query_string"] or b"\0" in scope["query_string"]


def _unfit_text(body: bytearray, content_type: bytes) -> Problem | None:
    if content_type.startswith(b"application/octet-stream"):
        return None
    form = content_type.startswith(b"application/x-www-form-urlencoded")
    if b"\0" in body or (form and b"%00" in body):
        return _nul_in_body()
    if form or b"\\u" not in body:
        return None
    half = Problem("text_not_unicode", "A text in the body holds half of a surrogate pair")
    awaited = None  # where the low half must begin, after a high half
    for escape in _ESCAPE.finditer(body):
        unit = int(escape[1], 16) if escape[1] else -1
        if unit == 0:
            return _nul_in_body()
        is_low = 0xDC00 <= unit <= 0xDFFF
        if is_low != (awaited == escape.start()) or (awaited is not None and not is_low):
            return half
        awaited = escape.end() if 0xD800 <= unit <= 0xDBFF else None
    return half if awaited is not None else None


def _unfit_members(body: bytearray, content_type: bytes) -> Problem | None:
    """Of two members of one name, each reader may take another."""
    if _JSON.match(content_type) is None:
        return None
    if body.count(b":") > MEMBERS_LIMIT:  # or there are as many in its texts
        return Problem("body_too_large", "The body has too many members", accepted=f"at most {MEMBERS_LIMIT} members")
    if (pointer := repeated_member(bytes(body))) is None:
        return None
    return Problem("member_repeated", "this member is there more than once", field=pointer, accepted="each member once")


def _nul_in_body() -> Problem:
    return Problem("nul_in_text", "A text in the body holds a NUL")


def _replay(body: bytes, receive: Receive) -> Receive:
    """Gives the body that was read already, then whatever the connection says next (that the client left)."""
    given = False

    async def next_message() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return next_message
