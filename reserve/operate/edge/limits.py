"""Limits: how many requests a second are passed on, by who calls. The edge verifies a token's signature to count by its claims; whether
the token lets anyone in is for the services to say, which verify it again.

| who | counted by | setting |
| --- | --- | --- |
| speaks for a partner or borrower | its client and person | `client_calls_per_s` |
| another with a valid token: the Reserve's own people, auditors, services | its client and person | `official_calls_per_s` |
| without a valid token | the address that it comes from | `stranger_calls_per_s` |
| sends a large body, or one of a length that it does not say; reads a description of the API | the same, besides | none: 2 |
| sends a body that says its length | the same, besides; as many bytes | those three, times `BODY_BYTES` |
| sends a bulk | the same, besides; as so many commands as its length can hold | those three, for commands |
| asks the issuer for a token, logs in, or comes back to the console from there with a code | that address, besides | `guesses_per_s` |
"""

from typing import Any
from urllib.parse import urlsplit

import msgspec

from reserve.operate.edge.endpoints import address, endpoint
from reserve.operate.edge.routes import UNANNOUNCED, WITH_BODY, spelled
from shared.http.auth import SCHEMES
from shared.http.bulk import ITEMS_LIMIT
from shared.http.problems import BODY_LIMIT_BYTES
from shared.settings import Rates

BURST_S = 10  # who has been quiet for so long may send as much at once
COUNTED = 10_000  # buckets of each kind that are kept; the least used is forgotten first, and then full again
KEYS_S = 60  # a key that the issuer has begun to sign with is known after this time
LEEWAY_S = 60
LARGE_PER_S = 2  # what holds a service's connection while it is slow, 60 s at most: 140 of 512, and one caller leaves others the rest
COMMAND_BYTES = 80  # of a bulk, that count as a command: the shortest there is, a draw
BULK_BYTES = ITEMS_LIMIT * COMMAND_BYTES  # of the most commands that a bulk may have
BODY_BYTES = 2 << 10  # of a command's body, that count as a request: to refuse a bad one takes a service up to 0.7 s of processor a MiB
VERIFIED = 1000  # tokens a worker remembers as verified

_FILTER = "type.googleapis.com/envoy.extensions.filters.http"
KNOWN = "x-reserve-known"  # a header that only a verified token gives
_ISSUER_KEYS = "issuer_keys"
_SLASH = "(?:/|%2f)"  # services decode a path before they look for its route

type Configuration = dict[str, Any]


class Issuer(msgspec.Struct, frozen=True):
    """Whose tokens are counted by their claims: `iss`, `aud`, and where its keys are."""

    name: str
    audience: str
    jwks_url: str


def filters(issuer: Issuer, rates: Rates) -> list[Configuration]:
    """Envoy's filters, before all others: verify, then count."""
    return [_verifying(issuer), _counting(rates)]


def cluster(issuer: Issuer) -> Configuration:
    """Where the issuer's keys are fetched."""
    at = urlsplit(issuer.jwks_url)
    assert at.hostname is not None, issuer.jwks_url
    https = at.scheme == "https"
    asked = {
        **endpoint(_ISSUER_KEYS, address(at.hostname, at.port or (443 if https else 80))),
        "type": "STRICT_DNS",
        "connect_timeout": "2s",
    }
    if not https:
        return asked
    tls = {
        "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
        "sni": at.hostname,
        "auto_sni_san_validation": True,
        "common_tls_context": {"validation_context": {"system_root_certs": {}}},
    }
    return {**asked, "transport_socket": {"name": "envoy.transport_sockets.tls", "typed_config": tls}}


def _verifying(issuer: Issuer) -> Configuration:
    keys = {
        "http_uri": {"uri": issuer.jwks_url, "cluster": _ISSUER_KEYS, "timeout": "5s"},
        "cache_duration": f"{KEYS_S}s",
        "async_fetch": {"fast_listener": True, "failed_refetch_duration": "1s"},
    }
    provider = {
        "issuer": issuer.name,
        "audiences": [issuer.audience],
        "remote_jwks": keys,
        "from_headers": [{"name": "authorization", "value_prefix": f"{scheme} "} for scheme in SCHEMES],  # as services do, and no query
        "forward": True,
        "require_expiration": True,
        "clock_skew_seconds": LEEWAY_S,
        "jwt_cache_config": {"jwt_cache_size": VERIFIED},
        "payload_in_metadata": "claims",
        "claim_to_headers": [{"header_name": KNOWN, "claim_name": "exp"}],  # a number: no text of a token becomes a header
    }
    any_or_none = {"requires_any": {"requirements": [{"provider_name": "issuer"}, {"allow_missing_or_failed": {}}]}}
    typed = {
        "@type": f"{_FILTER}.jwt_authn.v3.JwtAuthentication",
        "providers": {"issuer": provider},
        "rules": [{"match": {"prefix": "/"}, "requires": any_or_none}],
    }
    return {"name": "envoy.filters.http.jwt_authn", "typed_config": typed}


def _counting(rates: Rates) -> Configuration:
    always = {"default_value": {"numerator": 100, "denominator": "HUNDRED"}}
    typed = {
        "@type": f"{_FILTER}.local_ratelimit.v3.LocalRateLimit",
        "stat_prefix": "limits",
        "filter_enabled": always,
        "filter_enforced": always,
        "enable_x_ratelimit_headers": "DRAFT_VERSION_03",
        "always_consume_default_token_bucket": False,
        "token_bucket": _bucket(rates.official_calls_per_s),  # of all whom nothing below fits
        "max_dynamic_descriptors": COUNTED,
        "rate_limits": _counted_by(),
        "descriptors": [
            _limit(rates.client_calls_per_s, "partner", "client_id", "sub"),
            _limit(rates.client_calls_per_s, "borrower", "client_id", "sub"),
            _limit(rates.official_calls_per_s, "client_id", "sub"),
            _limit(rates.stranger_calls_per_s, "stranger", "remote_address"),
            _limit(LARGE_PER_S, "large", "client_id", "sub"),
            _limit(LARGE_PER_S, "large", "stranger", "remote_address"),
            _limit(rates.guesses_per_s, "credentials", "remote_address"),
            *_weighed(rates, "bulk", COMMAND_BYTES, BULK_BYTES),
            *_weighed(rates, "body", BODY_BYTES, BODY_LIMIT_BYTES),
        ],
    }
    return {"name": "envoy.filters.http.local_ratelimit", "typed_config": typed}


def _counted_by() -> list[Configuration]:
    """What each request is counted by. The routes to the issuer begin with these, as they were sent: in no other spelling."""
    client, subject = _claim("client_id"), _claim("sub")
    to_issuer = [_header(":method", exact="POST"), _header(":path", safe_regex={"regex": "/(?:identity|oauth)/.*"})]
    from_issuer = [_header(":path", safe_regex={"regex": f"(?i)/console{_SLASH}+{spelled('callback')}.*"})]
    stranger = _matched("stranger", [{"name": KNOWN, "present_match": True}], when=False)
    description = _header(":path", safe_regex={"regex": f"(?i).*/{spelled('openapi')}.*"})  # the one large answer that needs no token
    large = [_matched("large", headers) for headers in ([*UNANNOUNCED], [description])]
    person, address = [client, subject], [stranger, {"remote_address": {}}]
    parties = [[_claim(party), *person] for party in ("partner", "borrower")]
    return [
        {"actions": person},
        *({"actions": [sent, *who], "hits_addend": hits} for sent, hits in _sent() for who in (person, *parties, address)),
        *({"actions": [each, *who]} for each in large for who in (person, address)),
        *({"actions": party} for party in parties),
        {"actions": address},
        *({"actions": [_matched("credentials", headers), {"remote_address": {}}]} for headers in (to_issuer, from_issuer)),
    ]


def _sent() -> list[tuple[Configuration, Configuration]]:
    """A body that says its length, a bulk, and how much each takes from its bucket: its length; of a bulk that is longer than the largest,
    or does not say it, that of the largest. Another body that does not is `large`."""
    ends_so = rf"(?i)[^?]*{_SLASH}{spelled('bulk')}{_SLASH}*(?:\?.*)?"
    to_bulk = [_header(":method", exact="POST"), _header(":path", safe_regex={"regex": ends_so})]
    length = {"format": "%REQ(content-length)%"}
    long = {**_length(0, BULK_BYTES), "invert_match": True, "treat_missing_header_as_empty": True}
    return [
        (_matched("body", [WITH_BODY, _length(1, BODY_LIMIT_BYTES + 1)]), length),
        (_matched("bulk", [*to_bulk, _length(1, BULK_BYTES)]), length),
        (_matched("bulk", [*to_bulk, long]), {"number": BULK_BYTES}),
    ]


def _length(least: int, below: int) -> Configuration:
    """Envoy passes nothing on that takes nothing from its bucket."""
    return {"name": "content-length", "range_match": {"start": least, "end": below}}


def _weighed(rates: Rates, kind: str, bytes_a_call: int, holds: int) -> list[Configuration]:
    """The buckets of what counts by its length."""
    per_client = rates.client_calls_per_s * bytes_a_call
    return [
        _limit(per_client, kind, "partner", "client_id", "sub", holds=holds),
        _limit(per_client, kind, "borrower", "client_id", "sub", holds=holds),
        _limit(rates.official_calls_per_s * bytes_a_call, kind, "client_id", "sub", holds=holds),
        _limit(rates.stranger_calls_per_s * bytes_a_call, kind, "stranger", "remote_address", holds=holds),
    ]


def _limit(per_s: int, *keys: str, holds: int = 1) -> Configuration:
    """One bucket for each combination of values; what is matched by a header has its name for its value. `holds`: at least so much."""
    fixed = {"stranger", "large", "credentials", "bulk", "body"}
    entries = [{"key": "header_match", "value": key} if key in fixed else {"key": key} for key in keys]
    return {"entries": entries, "token_bucket": _bucket(per_s, holds)}


def _bucket(per_s: int, holds: int = 1) -> Configuration:
    return {"max_tokens": max(holds, per_s * BURST_S), "tokens_per_fill": per_s, "fill_interval": "1s"}


def _claim(name: str) -> Configuration:
    path = [{"key": "claims"}, {"key": name}]
    return {
        "metadata": {"descriptor_key": name, "metadata_key": {"key": "envoy.filters.http.jwt_authn", "path": path}, "source": "DYNAMIC"}
    }


def _matched(kind: str, headers: list[Configuration], *, when: bool = True) -> Configuration:
    return {"header_value_match": {"descriptor_value": kind, "expect_match": when, "headers": headers}}


def _header(name: str, **match: Any) -> Configuration:
    return {"name": name, "string_match": match}
