"""Which service a path belongs to: `/inventory/v1/lots` is `/v1/lots` of inventory; OAuth's own paths are identity's.

Paths are matched as they came, still percent-encoded, and go on as they came: what a segment means is its service's to say.
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from reserve.operate.edge.answers import set_headers

IDENTITY = "identity"
_IDENTITY_ROOTS = ("/oauth", "/.well-known")  # at the issuer's root, where RFC 8414 puts them
_INTERNAL = ("metrics", "livez", "readyz")
_SLASH, _DOT = "(?:/|%2f)", r"(?:\.|%2e)"
LIVE = {
    "name": "livez",
    "match": {"path": "/livez"},
    "direct_response": {"status": 200, "body": {"inline_string": '{"status": "live"}'}},
    "response_headers_to_add": set_headers({"content-type": "application/json", "cache-control": "no-store"}),
}
READY = {  # the filter answers
    "name": "readyz",
    "match": {"path": "/readyz"},
    "direct_response": {"status": 503},
    "typed_per_filter_config": {
        "ready": {"@type": "type.googleapis.com/envoy.config.route.v3.FilterConfig", "config": {}, "disabled": False}
    },
}
BUFFER = "envoy.filters.http.buffer"
BUFFERED_BYTES = 32 << 10  # a body of so much is kept until it is whole: nobody who is slow to send one holds a service's connection
WITH_BODY: dict[str, Any] = {"name": ":method", "string_match": {"safe_regex": {"regex": "POST|PUT|PATCH|DELETE"}}}
# A body that may be larger: only a length that is there, and small, says that it is not.
UNANNOUNCED: tuple[dict[str, Any], ...] = (
    WITH_BODY,
    {
        "name": "content-length",
        "range_match": {"start": 0, "end": BUFFERED_BYTES + 1},
        "invert_match": True,
        "treat_missing_header_as_empty": True,
    },
)
_BUFFERED = {
    BUFFER: {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.buffer.v3.BufferPerRoute",
        "buffer": {"max_request_bytes": BUFFERED_BYTES},
    }
}
_TWO_HOSTS = {"name": ":authority", "string_match": {"contains": ","}}  # as Envoy joins them
_NOT_FOUND = {"direct_response": {"status": 404}}


def routes(upstreams: Mapping[str, str]) -> list[dict[str, Any]]:
    """Envoy's, in order. Internal routes are not there in any spelling, nor is a path with dot segments or
    control characters."""
    internal = "|".join(map(spelled, _INTERNAL))
    services = "|".join(upstreams)
    dotted = f"(?i)(?:.*{_SLASH})?{_DOT}{{1,2}}(?:{_SLASH}.*)?"
    control = "(?i).*%(?:0[1-9a-f]|1[0-9a-f]|7f).*"  # a router may take what is before it for the path; of a NUL the services say it
    hidden = f"(?i)/(?:{services}){_SLASH}+(?:{internal})(?:{_SLASH}.*)?"
    to_services = [
        *(_to(name, url, {"prefix": f"/{name}/"}, f"/{name}") for name, url in upstreams.items()),
        *(_to(IDENTITY, upstreams[IDENTITY], {"path_separated_prefix": root}, "") for root in _IDENTITY_ROOTS if IDENTITY in upstreams),
    ]
    return [
        LIVE,
        READY,
        {"name": "none", "match": {"prefix": "/", "headers": [_TWO_HOSTS]}, "direct_response": {"status": 400}},
        *({"name": "none", "match": {"safe_regex": {"regex": regex}}, **_NOT_FOUND} for regex in (dotted, control, hidden)),
        *(_unannounced(route) for route in to_services),
        *({**route, "typed_per_filter_config": _BUFFERED} for route in to_services),
    ]


def _unannounced(route: dict[str, Any]) -> dict[str, Any]:
    """The same for a request whose body is not kept at the edge. Any other is, if it has one: its length may have been taken away
    by Envoy, as its Connection header said."""
    return {**route, "match": {**route["match"], "headers": list(UNANNOUNCED)}}


def _to(service: str, url: str, match: dict[str, Any], prefix: str) -> dict[str, Any]:
    """`prefix` is what the public path has before the service's own path."""
    rewrite = {"prefix_rewrite": "/"} if prefix else {}
    return {
        "name": service,
        "match": match,
        "route": {"cluster": service, "timeout": "0s", "host_rewrite_literal": urlsplit(url).netloc, **rewrite},
        "metadata": {"filter_metadata": {"each": {"internal": url, "prefix": prefix}}},
        "request_headers_to_add": set_headers({"x-forwarded-prefix": prefix}),
    }


def spelled(word: str) -> str:
    """RE2, for a pattern that begins with (?i): the word, with any of its letters percent-encoded."""
    return "".join(f"(?:{letter}|%{ord(letter):02x}|%{ord(letter.upper()):02x})" for letter in word)
