"""What crosses the gateway: no hop-by-hop headers, no claims of outsiders about where a request came from, no internal addresses."""

import re
from collections.abc import Iterable

from shared.http.problems import REQUEST_ID_HEADER

type Headers = list[tuple[bytes, bytes]]

# RFC 9110, 7.6.1; `expect` is answered by the server in front.
HOP_BY_HOP = frozenset(
    {
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
        b"expect",
    }
)
_CLAIMS = (b"x-forwarded-", b"x-reserve-")
_REQUEST_DROPPED = frozenset({b"host", b"forwarded", b"x-real-ip", REQUEST_ID_HEADER.encode()})
_RESPONSE_DROPPED = frozenset({b"server", b"date", REQUEST_ID_HEADER.encode()})  # the server in front sends its own
_HOST = re.compile(rb"[A-Za-z0-9.\-]+(:[0-9]{1,5})?|\[[0-9A-Fa-f:.]+\](:[0-9]{1,5})?")

# Set where a service did not choose its own.
SECURITY: Headers = [
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'; base-uri 'none'"),
]
_HTTPS_ONLY = (b"strict-transport-security", b"max-age=31536000; includeSubDomains")


def header(headers: Iterable[tuple[bytes, bytes]], name: bytes) -> bytes | None:
    return next((value for key, value in headers if key == name), None)


def end_to_end(headers: Iterable[tuple[bytes, bytes]]) -> Headers:
    """Without the hop-by-hop headers, the standard's and those that the Connection header names. Names come lower-case."""
    headers = list(headers)
    named = {token.strip().lower() for name, value in headers if name == b"connection" for token in value.split(b",")}
    return [(name, value) for name, value in headers if name not in HOP_BY_HOP and name not in named]


def to_service(headers: Iterable[tuple[bytes, bytes]], *, host: bytes, own: Headers) -> Headers:
    """The headers of the request to a service: `own` are the gateway's about the caller, and nobody else's are believed.

    Framing is chosen anew: a body that came in chunks goes out in chunks, and a length beside them is dropped (RFC 9112, 6.3).
    """
    headers = list(headers)
    dropped = _REQUEST_DROPPED | {b"content-length"} if header(headers, b"transfer-encoding") is not None else _REQUEST_DROPPED
    kept = [(name, value) for name, value in end_to_end(headers) if name not in dropped and not name.startswith(_CLAIMS)]
    return [(b"host", host), *kept, *own]


def to_caller(headers: Iterable[tuple[bytes, bytes]], *, internal: bytes, public: bytes, own: Headers) -> Headers:
    """The headers of the answer. In Location and Link a service's own address (`internal`) becomes the public one; relative ones stay."""
    kept = []
    for name, value in end_to_end((name.lower(), value) for name, value in headers):
        if name in _RESPONSE_DROPPED:
            continue
        kept.append((name, _readdressed(value, internal, public) if name in (b"location", b"content-location", b"link") else value))
    return with_security([*kept, *own], https=public.startswith(b"https:"))


def with_security(headers: Headers, *, https: bool) -> Headers:
    present = {name for name, _ in headers}
    wanted = [*SECURITY, _HTTPS_ONLY] if https else SECURITY
    return headers + [(name, value) for name, value in wanted if name not in present]


def public_origin(scheme: str, host: bytes | None) -> bytes:
    """`https://reserve.example`, or nothing (then addresses are relative) where the Host header is no host."""
    if host is None or _HOST.fullmatch(host) is None:
        return b""
    return scheme.encode() + b"://" + host


def _readdressed(value: bytes, internal: bytes, public: bytes) -> bytes:
    # Not followed by more of a host or port: http://10.0.0.1:80 is not http://10.0.0.1:8000.
    return re.sub(re.escape(internal) + rb"(?=[/?#>;,\s]|$)", lambda _: public, value)
