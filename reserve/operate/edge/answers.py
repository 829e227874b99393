"""Answers of the edge's own: problem documents in place of Envoy's words, with the codes of the catalogue and the request's id."""

import json
from collections.abc import Iterable
from typing import Any

from shared.http.problems import Problem, register
from shared.journal.decider import Reasons


class OwnReason(Reasons):
    SERVICE_UNAVAILABLE = "service_unavailable", 503, "The service cannot be reached at the moment"
    UPSTREAM_TIMEOUT = "upstream_timeout", 504, "The service did not answer in time"
    REQUEST_TIMEOUT = "request_timeout", 408, "The request did not arrive in time"
    HEADERS_TOO_LARGE = "headers_too_large", 431, "The request's headers are too large"
    RATE_LIMITED = "rate_limited", 429, "More requests than are allowed in this time"
    OVERLOADED_EDGE = "edge_overloaded", 503, "Too many requests are under way"


register(OwnReason)

SECURITY = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'; base-uri 'none'",
}
HTTPS_ONLY = {"strict-transport-security": "max-age=31536000; includeSubDomains"}

_REQUEST_ID = "%REQ(x-request-id)%"
# Envoy's response flags: who would have answered cannot be reached, or broke off before it began to answer.
_UNREACHABLE = ["UH", "UF", "LR", "UR", "UC", "UO", "NR", "UPE", "URX", "NC"]
# But for what the edge answers by itself where it is not ready.
_NOT_READY = {"header_filter": {"header": {"name": ":path", "string_match": {"prefix": "/readyz"}, "invert_match": True}}}


def local_replies(security: dict[str, str]) -> dict[str, Any]:
    """Envoy's `local_reply_config`. The first that fits is taken."""
    return {
        "mappers": [
            _mapper(Problem("route_not_found", "Nothing is served at this path"), security, _status(404)),
            _mapper(Problem("malformed_request", "The request's target or headers are not valid HTTP"), security, _status(400)),
            _mapper(Problem("malformed_request", "CONNECT is not served here"), security, _status(403)),
            _mapper(Problem("malformed_request", "That transfer coding is not taken here"), security, _status(501)),
            _mapper(Problem("malformed_request", "The connection would have to be another protocol's"), security, _status(426)),
            _mapper(Problem("request_timeout", "The request stopped coming"), security, _status(408)),
            _mapper(Problem("body_too_large", "The body is larger than any route takes"), security, _status(413)),
            _mapper(
                _later("rate_limited", "Wait, and send fewer: x-ratelimit-limit says how many, x-ratelimit-reset when"),
                security,
                _status(429),
            ),
            _mapper(Problem("headers_too_large", "The headers are more, or larger, than is taken here"), security, _status(431)),
            _mapper(Problem("upstream_timeout", "The service did not answer in time"), security, _status(504)),
            _mapper(_later("service_unavailable", "The service cannot be reached"), security, _status(503), _flags(_UNREACHABLE)),
            _mapper(_later("edge_overloaded", "Too many requests are under way"), security, _status(503), _NOT_READY),
        ]
    }


def _later(code: str, detail: str) -> Problem:
    return Problem(code, detail, headers={"retry-after": "1"})


def _mapper(problem: Problem, security: dict[str, str], *filters: dict[str, Any]) -> dict[str, Any]:
    said = json.dumps(problem.document(f"urn:reserve:request:{_REQUEST_ID}"))
    return {
        "filter": filters[0] if len(filters) == 1 else {"and_filter": {"filters": list(filters)}},
        "status_code": problem.status,
        "headers_to_add": set_headers({**security, **problem.headers}),
        "body_format_override": {"text_format_source": {"inline_string": said}, "content_type": "application/problem+json"},
    }


def _status(status: int) -> dict[str, Any]:
    return {"status_code_filter": {"comparison": {"op": "EQ", "value": {"default_value": status, "runtime_key": f"edge.{status}"}}}}


def _flags(flags: Iterable[str]) -> dict[str, Any]:
    return {"response_flag_filter": {"flags": list(flags)}}


def set_headers(headers: dict[str, str], *, only_if_absent: bool = False) -> list[dict[str, Any]]:
    """Envoy's list of headers to add."""
    action = "ADD_IF_ABSENT" if only_if_absent else "OVERWRITE_IF_EXISTS_OR_ADD"
    return [
        {"header": {"key": name, "value": value}, "append_action": action, "keep_empty_value": not value} for name, value in headers.items()
    ]
