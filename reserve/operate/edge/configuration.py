"""Configuration: what Envoy is told, as one JSON file that it reads at its start and checks by `envoy --mode validate`.

No answer has a time in which it must be whole: a stream may last. Each wait has a limit, though: for a header that never ends, for a body
or an answer that stops coming, for a caller that does not read.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec

from reserve.operate.edge import limits
from reserve.operate.edge.access_log import access_log
from reserve.operate.edge.answers import HTTPS_ONLY, SECURITY, local_replies, set_headers
from reserve.operate.edge.compressing import compressor
from reserve.operate.edge.endpoints import address, endpoint
from reserve.operate.edge.routes import BUFFER, BUFFERED_BYTES, LIVE, READY, routes
from shared.settings import Rates

HEADER_WITHIN_S = 10  # from its first byte
HANDSHAKE_WITHIN_S = 5  # of TLS
REQUEST_WITHIN_S = 60  # the whole of it, be it sent a byte at a time
QUIET_S = 30.0  # between two pieces of a request or an answer, and for a caller to take a piece
IDLE_S = 60  # a connection without a request
HEADERS_KIB, HEADERS = 32, 100
CONNECTIONS = 512  # to each service
CALLERS = 20_000  # connections of all callers, where there are files for as many
OTHER_FILES = 256  # of the process, beside connections
BUFFER_BYTES = 64 << 10  # of a connection, each way: who does not read stops who writes
HEAP_BYTES = 400 << 20  # near this, time-outs become shorter; then connections are no longer kept, then requests no longer taken
UNHURRIED = 0.6  # of memory, and of connections: what can be taken before time-outs shrink
SHORT_S = 2  # where memory or connections run out: the time-outs of who has sent no request, and of whose pieces do not come

_HERE = Path(__file__).parent
_FILTER = "type.googleapis.com/envoy.extensions.filters.http"
_HEAP, _CONNECTIONS = "fixed_heap", "global_downstream_max_connections"  # what is watched
_RUNTIME = {
    "re2.max_program_size.error_level": 1000,  # Envoy's own limit is for expressions of callers' making
    # What has been freed counts as free at once: the allocator gives it back to the machine minutes after an attack.
    "envoy.reloadable_features.fixed_heap_use_allocated": True,
}

type Configuration = dict[str, Any]

_PLAIN: Configuration = {}


class Edge(msgspec.Struct, frozen=True, kw_only=True):
    """`upstreams`: {"inventory": "http://127.0.0.1:8101", ...}. `internal_port` is for whoever scrapes and probes from within: metrics.
    `admin_socket`: a path that nobody else reaches. `certificate`, `key`: paths of PEM files; TLS 1.3 with both, plain HTTP without.
    `callers`: connections of all callers, as many as the process may have files for. `quiet_s`, `request_s`, `heap_bytes`: less in tests of
    what is short."""

    host: str
    port: int
    internal_host: str
    internal_port: int
    admin_socket: str
    upstreams: Mapping[str, str]
    issuer: limits.Issuer
    rates: Rates
    certificate: str = ""
    key: str = ""
    callers: int = CALLERS
    quiet_s: float = QUIET_S
    request_s: float = REQUEST_WITHIN_S
    heap_bytes: int = HEAP_BYTES


def callers_of(files: int, services: int) -> int:
    """Of a process that may open so many files: how many connections of callers there is room for beside those to services; half of them
    in any case."""
    return min(CALLERS, max(files // 2, files - services * CONNECTIONS - OTHER_FILES))


def configuration(edge: Edge) -> Configuration:
    security = {**SECURITY, **HTTPS_ONLY} if edge.certificate else SECURITY
    return {
        "admin": {"address": {"pipe": {"path": edge.admin_socket, "mode": 0o600}}},
        "layered_runtime": {"layers": [{"name": "static", "static_layer": _RUNTIME}]},
        "overload_manager": _overload(edge.heap_bytes, edge.callers),
        "static_resources": {
            "listeners": [
                _listener("edge", edge.host, edge.port, _public(edge, security), _tls(edge)),
                _listener("internal", edge.internal_host, edge.internal_port, _internal(edge)),
            ],
            "clusters": [
                *(_cluster(name, url) for name, url in edge.upstreams.items()),
                _admin(edge.admin_socket),
                limits.cluster(edge.issuer),
            ],
        },
    }


def encoded(configuration: Configuration) -> bytes:
    return json.dumps(configuration, indent=1).encode() + b"\n"


def _tls(edge: Edge) -> Configuration:
    """Of the listener's chain. TLS 1.3 alone: its ciphers are all sound, so there is nothing to choose."""
    if not edge.certificate:
        return {}
    context = {
        "tls_params": {"tls_minimum_protocol_version": "TLSv1_3", "tls_maximum_protocol_version": "TLSv1_3"},
        "alpn_protocols": ["http/1.1"],
        "tls_certificates": [{"certificate_chain": {"filename": edge.certificate}, "private_key": {"filename": edge.key}}],
    }
    kind = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext"
    return {
        "transport_socket": {"name": "tls", "typed_config": {"@type": kind, "common_tls_context": context}},
        "transport_socket_connect_timeout": f"{HANDSHAKE_WITHIN_S}s",
    }


def _listener(name: str, host: str, port: int, manager: Configuration, tls: Configuration = _PLAIN) -> Configuration:
    return {
        "name": name,
        "address": address(host, port),
        "per_connection_buffer_limit_bytes": BUFFER_BYTES,
        "filter_chains": [{"filters": [{"name": "http", "typed_config": manager}], **tls}],
    }


def _public(edge: Edge, security: dict[str, str]) -> Configuration:
    quiet = f"{edge.quiet_s}s"
    return {
        **_manager("edge", _filters(edge)),
        "request_timeout": f"{edge.request_s}s",
        "stream_idle_timeout": quiet,
        "stream_flush_timeout": quiet,
        "local_reply_config": local_replies(security),
        "access_log": access_log(),
        "early_header_mutation_extensions": [
            {
                "name": "callers_claims",
                "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation",
                    "mutations": _before_all(),
                },
            }
        ],
        "route_config": {
            "name": "services",
            "virtual_hosts": [{"name": "reserve", "domains": ["*"], "routes": routes(edge.upstreams)}],
            "request_headers_to_remove": [limits.KNOWN],
            "response_headers_to_add": set_headers(security, only_if_absent=True),
            "response_headers_to_remove": ["keep-alive"],
        },
    }


def _filters(edge: Edge) -> list[Configuration]:
    """Requests pass them in this order, answers in the other."""
    limited = limits.filters(edge.issuer, edge.rates)
    return [*limited, compressor(_FILTER), _ready(edge.upstreams), _buffer(), _lua("each", _script("edge.lua"))]


def _internal(edge: Edge) -> Configuration:
    scraped = {"name": "metrics", "match": {"path": "/metrics"}, "route": {"cluster": "admin", "prefix_rewrite": "/stats/prometheus"}}
    return {
        **_manager("internal", [_ready(edge.upstreams)]),
        "route_config": {"name": "internal", "virtual_hosts": [{"name": "internal", "domains": ["*"], "routes": [LIVE, READY, scraped]}]},
    }


def _manager(name: str, filters: list[Configuration]) -> Configuration:
    return {
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": name,
        "codec_type": "HTTP1",
        "server_name": "reserve",
        "use_remote_address": True,
        "skip_xff_append": True,  # it is written anew below
        "internal_address_config": {"unix_sockets": False},  # nobody is trusted for where they come from
        "generate_request_id": True,
        "preserve_external_request_id": True,
        "always_set_request_id_in_response": True,
        "normalize_path": False,
        "max_request_headers_kb": HEADERS_KIB,
        "request_headers_timeout": f"{HEADER_WITHIN_S}s",
        "common_http_protocol_options": {
            "idle_timeout": f"{IDLE_S}s",
            "max_headers_count": HEADERS,
            "headers_with_underscores_action": "DROP_HEADER",
        },
        "http_filters": [
            *filters,
            {"name": "router", "typed_config": {"@type": f"{_FILTER}.router.v3.Router", "suppress_envoy_headers": True}},
        ],
    }


def _before_all() -> list[Configuration]:
    """What callers claim of where they come from is gone before anybody reads it; what the script needs is kept under names of ours."""
    claims = ({"remove_on_match": {"key_matcher": {"prefix": prefix}}} for prefix in ("x-forwarded-", "x-reserve-", "x-envoy-"))
    gone = ({"remove": name} for name in ("forwarded", "x-real-ip", "proxy-authorization", "te", "trailer", "keep-alive"))
    kept = {
        "x-forwarded-for": "%DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT%",
        "x-reserve-request-id": "%REQ(x-request-id)%",
        "x-forwarded-host": "%REQ(:authority)%",  # Envoy has refused what is no host
    }
    return [*claims, *gone, *({"append": each} for each in set_headers(kept)), {"remove": "x-request-id"}]


def _ready(upstreams: Mapping[str, str]) -> Configuration:
    listed = ", ".join(f'"{name}"' for name in upstreams)
    asked = _lua("ready", f"local SERVICES = {{{listed}}}\n{_script('ready.lua')}")
    return {**asked, "disabled": True}  # but for the one route


def _buffer() -> Configuration:
    typed = {"@type": f"{_FILTER}.buffer.v3.Buffer", "max_request_bytes": BUFFERED_BYTES}
    return {"name": BUFFER, "typed_config": typed, "disabled": True}  # but for the routes that say otherwise


def _lua(name: str, script: str) -> Configuration:
    return {"name": name, "typed_config": {"@type": f"{_FILTER}.lua.v3.Lua", "default_source_code": {"inline_string": script}}}


def _script(name: str) -> str:
    return (_HERE / name).read_text()


def _cluster(name: str, url: str) -> Configuration:
    at = urlsplit(url)
    assert at.hostname is not None, url
    thresholds = {"max_connections": CONNECTIONS, "max_pending_requests": CALLERS, "max_requests": CALLERS, "max_retries": CONNECTIONS}
    return {
        **endpoint(name, address(at.hostname, at.port or 80)),
        "type": "STRICT_DNS",
        "connect_timeout": "2s",
        "circuit_breakers": {"thresholds": [thresholds]},
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
                # Far below the services' 30 s, so that it is the edge that closes an idle connection.
                "common_http_protocol_options": {"idle_timeout": "4s"},
                "explicit_http_config": {"http_protocol_options": {}},
            }
        },
    }


def _admin(socket: str) -> Configuration:
    return {**endpoint("admin", {"pipe": {"path": socket}}), "type": "STATIC", "connect_timeout": "2s"}


def _overload(heap_bytes: int, callers: int) -> Configuration:
    monitor = "type.googleapis.com/envoy.extensions.resource_monitors"
    heap = {"@type": f"{monitor}.fixed_heap.v3.FixedHeapConfig", "max_heap_size_bytes": heap_bytes}
    connections = {
        "@type": f"{monitor}.downstream_connections.v3.DownstreamConnectionsConfig",
        "max_active_downstream_connections": callers,
    }

    def when(monitor: str, **pressure: Any) -> Configuration:
        return {"name": f"envoy.resource_monitors.{monitor}", **pressure}

    def action(name: str, *triggers: Configuration) -> Configuration:
        return {"name": f"envoy.overload_actions.{name}", "triggers": list(triggers)}

    def above(share: float) -> Configuration:
        return {"threshold": {"value": share}}

    scaled = {"scaling_threshold": UNHURRIED, "saturation_threshold": 0.85}
    timers = ("HTTP_DOWNSTREAM_CONNECTION_IDLE", "HTTP_DOWNSTREAM_STREAM_IDLE")
    sooner = {
        **action("reduce_timeouts", when(_HEAP, scaled=scaled), when(_CONNECTIONS, scaled=scaled)),
        "typed_config": {
            "@type": "type.googleapis.com/envoy.config.overload.v3.ScaleTimersOverloadActionConfig",
            "timer_scale_factors": [{"timer": timer, "min_timeout": f"{SHORT_S}s"} for timer in timers],
        },
    }
    return {
        "refresh_interval": "0.25s",
        "resource_monitors": [when(_HEAP, typed_config=heap), when(_CONNECTIONS, typed_config=connections)],
        "actions": [
            sooner,
            action("shrink_heap", when(_HEAP, **above(0.85))),
            action("disable_http_keepalive", when(_HEAP, **above(0.9)), when(_CONNECTIONS, **above(0.9))),
            action("stop_accepting_requests", when(_HEAP, **above(0.95))),
        ],
    }
