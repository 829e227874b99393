"""Which service a path belongs to: `/inventory/v1/lots` is `/v1/lots` of inventory; OAuth's own paths are identity's."""

from urllib.parse import unquote_to_bytes

import msgspec

from shared.http.problems import BODY_LIMIT_BYTES, IMPORT_LIMIT_BYTES

IDENTITY = "identity"
_IDENTITY_ROOTS = frozenset({b"oauth", b".well-known"})  # at the issuer's root, where RFC 8414 puts them
_IMPORTS = frozenset({("loans", b"/v1/loan-imports"), ("allocation", b"/v1/screening-list-imports")})  # which take larger bodies
_INTERNAL = frozenset({b"metrics", b"livez", b"readyz"})


class Destination(msgspec.Struct, frozen=True):
    """`prefix` is what the public path has before the service's own path; `path` is that one, as it came (still percent-encoded)."""

    service: str
    prefix: str
    path: bytes

    @property
    def body_limit_bytes(self) -> int:
        return IMPORT_LIMIT_BYTES if (self.service, self.path) in _IMPORTS else BODY_LIMIT_BYTES


def destination(raw_path: bytes, services: frozenset[str]) -> Destination | None:
    """None if nothing public is there: an unknown service, a service's internal route in any spelling, or a path with dot segments."""
    segments = unquote_to_bytes(raw_path).split(b"/")[1:]
    if b"." in segments or b".." in segments:
        return None
    if segments[:1] and segments[0] in _IDENTITY_ROOTS and IDENTITY in services:
        return Destination(IDENTITY, "", raw_path)
    _, _, rest = raw_path.partition(b"/")
    name, _, path = rest.partition(b"/")
    service = name.decode("latin-1")
    if service not in services:
        return None
    inner = [segment for segment in segments[1:] if segment]
    if inner and inner[0].lower() in _INTERNAL:
        return None
    return Destination(service, f"/{service}", b"/" + path)
